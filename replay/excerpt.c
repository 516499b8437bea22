/* excerpt.c: the events of a key for a person, and those around a divergence. */
#include <string.h>

#include "replay/print.h"

#define NEAR 4u    /* events of the scope that are shown right before the divergence */
#define REACH 256u /* events that are looked at */
#define LINES 24u  /* at most, the witness included */

static enum at_err listed(struct at_buf *out, const struct at_profile *profile, const struct at_event *ev, size_t scope)
{
    enum at_err err = AT_OK;
    bool found = false;
    for (size_t i = 0; i < ev->n_settings && !err; i++) {
        bool it = at_profile_find_scope(profile, ev->settings[i].scope) == scope;
        if (scope == AT_NO_SCOPE || it)
            err = at_buf_printf(out, " %.*s=%s", AT_STR_FMT(ev->settings[i].scope),
                                ev->settings[i].granted ? "true" : "false");
        found = found || it;
    }
    if (!err && scope != AT_NO_SCOPE && !found)
        err = at_buf_printf(out, " without %.*s", AT_STR_FMT(profile->scopes[scope].name));
    return err;
}

static enum at_err scopes_of(struct at_buf *out, const struct at_event *ev)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < ev->n_scopes && !err; i++)
        err = at_buf_printf(out, " %.*s", AT_STR_FMT(ev->scopes[i]));
    return err;
}

static enum at_err sights_of(struct at_buf *out, const struct at_event *ev)
{
    enum at_err err = at_buf_str(out, ev->fresh ? AT_STR(" fresh, sees calls") : AT_STR(" sees calls"));
    for (uint8_t i = 0; i < ev->n_observes && !err; i++)
        err = at_buf_printf(out, " %s", at_sight_text((enum at_sight)ev->observes[i]));
    return err;
}

/* What the event says, after its kind. */
static enum at_err say(struct at_buf *out, const struct at_profile *profile, const struct at_moment *m, size_t scope)
{
    const struct at_event *ev = m->ev;
    enum at_err err = AT_OK;
    switch (ev->kind) {
    case AT_KIND_START:
        return sights_of(out, ev);
    case AT_KIND_CALL:
        err = at_buf_printf(out, " %.*s", AT_STR_FMT(ev->api));
        return err ? err : scopes_of(out, ev);
    case AT_KIND_RETURN:
        err = at_buf_printf(out, " %.*s", AT_STR_FMT(ev->err_msg));
        return err || !(ev->has & AT_HAS_AUTH_SETTING) ? err : listed(out, profile, ev, scope);
    case AT_KIND_DECISION:
        err = at_buf_printf(out, " %s", at_answer_text(ev->answer));
        return err ? err : scopes_of(out, ev);
    case AT_KIND_SETTINGS:
        err = scopes_of(out, ev);
        return err ? err : at_buf_str(out, ev->granted ? AT_STR(" on") : AT_STR(" off"));
    case AT_KIND_SETTINGS_PAGE:
        return listed(out, profile, ev, scope);
    case AT_KIND_PROMPT:
        return scopes_of(out, ev);
    case AT_KIND_GAP:
        return at_buf_str(out, AT_STR(" the recorder lost something here"));
    case AT_KIND_RESET:
    case AT_KIND_END:
    default:
        return err;
    }
}

enum at_err excerpt_event(struct at_buf *out, const struct at_profile *profile, const struct at_moment *m, size_t scope)
{
    char time[40], number[32];
    at_time_text(m->ev->t_us, time);
    snprintf(number, sizeof number, "#%llu", (unsigned long long)m->event);
    enum at_err err =
        at_buf_printf(out, "%-6s %s  %-13s", number, strlen(time) > 11 ? time + 11 : time, at_kind_text(m->ev->kind));
    return err ? err : say(out, profile, m, scope);
}

static bool in_witness(const struct at_divergence *d, uint64_t event)
{
    for (size_t i = 0; i < d->n_witness; i++)
        if (d->witness[i].at.event == event)
            return true;
    return false;
}

static enum at_err line(struct at_buf *out, const struct at_profile *profile, const struct at_divergence *d,
                        const struct at_moment *m, size_t scope)
{
    bool here = m->event == d->at.event;
    enum at_err err = at_buf_printf(out, "    %c ", here ? '>' : in_witness(d, m->event) ? '*' : ' ');
    if (!err)
        err = excerpt_event(out, profile, m, scope);
    if (!err && here)
        err = at_buf_printf(out, "   <-- %s", at_divergence_text(d->cls));
    return err ? err : at_buf_str(out, AT_STR("\n"));
}

enum at_err excerpt_around(struct at_buf *out, struct at_history *h, const struct at_profile *profile,
                           const struct at_divergence *d)
{
    size_t scope = d->scope.ptr ? at_profile_find_scope(profile, d->scope) : AT_NO_SCOPE;
    const struct at_moment *moments;
    size_t n, left_out = 0, lines = 0, of_scope = 0, here = SIZE_MAX;
    out->len = 0;
    enum at_err err = at_history_moments(h, d->app, d->user, d->stream, scope, REACH, &moments, &n);
    for (size_t i = n; i-- > 0 && here == SIZE_MAX && !err;)
        if (moments[i].event == d->at.event)
            here = i;
    if (err || here == SIZE_MAX)
        return err;
    for (size_t i = 0; i < here; i++)
        of_scope += moments[i].of_scope;
    for (size_t i = 0; i <= here && !err; i++) {
        const struct at_moment *m = &moments[i];
        bool call = d->call.ptr && (m->ev->has & AT_HAS_CALL) && at_str_eq(m->ev->call, d->call);
        bool wanted = i == here || call || in_witness(d, m->event) || (m->of_scope && of_scope <= NEAR);
        of_scope -= m->of_scope;
        if (!wanted || (lines >= LINES && i != here)) {
            left_out += m->of_scope;
            continue;
        }
        if (left_out)
            err = at_buf_printf(out, "      %zu more of this scope\n", left_out);
        left_out = 0;
        lines++;
        if (!err)
            err = line(out, profile, d, m, scope);
    }
    return err;
}
