/* meaning.c: what an event says, looked up in the profile. */
#include "replay/lanes.h"

static void mean_scope(const struct at_checker *c, const struct at_event *ev, struct meaning *m)
{
    size_t s = ev->n_scopes ? at_profile_find_scope(c->profile, ev->scopes[0]) : AT_NO_SCOPE;
    m->scope = s == AT_NO_SCOPE ? NO_SCOPE : (uint32_t)s;
    m->unknown = ev->n_scopes && s == AT_NO_SCOPE;
}

static enum at_err mean_call(struct at_checker *c, const struct at_event *ev, struct meaning *m)
{
    struct at_api api = at_profile_api(c->profile, ev->api);
    m->api_kind = api.kind;
    m->scopes = api.scopes;
    for (size_t i = 0; api.kind == AT_API_AUTHORIZE && i < ev->n_scopes; i++) {
        size_t s = at_profile_find_scope(c->profile, ev->scopes[i]);
        if (s == AT_NO_SCOPE)
            m->unknown = true;
        else
            m->scopes |= UINT64_C(1) << s;
    }
    if (c->options.fault == AT_FAULT_SCOPE_FOR_SCOPE && (m->scopes >> c->options.fault_for & 1)) {
        m->scopes &= ~(UINT64_C(1) << c->options.fault_for);
        m->scopes |= UINT64_C(1) << c->options.fault_scope;
    }
    m->quick = !m->unknown && !(m->scopes & (m->scopes - 1)) && api.kind != AT_API_GET_SETTING &&
               api.kind != AT_API_OPEN_SETTING;
    c->saw_login = c->saw_login || at_str_eq(ev->api, AT_STR("login"));
    c->saw_user_info = c->saw_user_info || at_str_eq(ev->api, AT_STR("getUserInfo"));
    enum at_err err = intern_word(c, ev->api, &m->api);
    if (!err && !word_number(c, m->api, &m->api_number))
        m->api_number = 0;
    m->quick = m->quick && m->api_number;
    return err;
}

enum at_err meaning_of(struct at_checker *c, const struct at_event *ev, struct meaning *out)
{
    struct at_outcome o;
    *out = (struct meaning){.kind = ev->kind,
                            .scope = NO_SCOPE,
                            .names_call = ev->has & AT_HAS_CALL,
                            .has_call = ev->has & AT_HAS_CALL,
                            .has_packet = ev->has & AT_HAS_PACKET,
                            .err_msg = ev->err_msg};
    switch (ev->kind) {
    case AT_KIND_CALL:
        return mean_call(c, ev, out);
    case AT_KIND_RETURN:
        o = at_profile_outcome(c->profile, ev->err_msg, ev->has & AT_HAS_ERRNO, ev->err_no);
        out->cls = o.cls;
        out->outcomes = outcomes_of(o.cls);
        out->lists = ev->has & AT_HAS_AUTH_SETTING;
        out->quick = !out->lists;
        return o.api.ptr ? intern_word(c, o.api, &out->named) : AT_OK;
    case AT_KIND_DECISION:
        out->value = (uint8_t)ev->answer;
        mean_scope(c, ev, out);
        break;
    case AT_KIND_SETTINGS:
        out->value = (uint8_t)(ev->granted ? AT_GRANTED : AT_DENIED);
        mean_scope(c, ev, out);
        break;
    case AT_KIND_PROMPT:
        mean_scope(c, ev, out);
        break;
    case AT_KIND_START:
        out->fresh = (ev->has & AT_HAS_FRESH) && ev->fresh;
        for (uint8_t i = 0; i < ev->n_observes; i++)
            out->value |= (uint8_t)(1u << ev->observes[i]);
        break;
    case AT_KIND_SETTINGS_PAGE:
    case AT_KIND_RESET:
    case AT_KIND_GAP:
    case AT_KIND_END:
    default:
        break;
    }
    return AT_OK;
}
