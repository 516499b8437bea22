/* snapshot.c: what getSetting, openSetting and the settings page list (R7, R8). */
#include <string.h>

#include "replay/private.h"

/* For each scope what a snapshot says of it: the states that fit (all for exempt ones). */
struct listing {
    uint8_t fits[AT_SCOPES_MAX];
    int8_t listed[AT_SCOPES_MAX]; /* 1, 0, -1: absent */
};

/* The states that fit what is listed (R7, R8), or would fit it on a host with the fault that is assumed. */
static uint8_t fitting(const struct at_checker *c, uint8_t ever, size_t s, int listed, bool page)
{
    const uint8_t any = (1u << AT_STATES) - 1;
    uint8_t fits = (uint8_t)(1u << (listed < 0 ? AT_UNASKED : listed ? AT_GRANTED : AT_DENIED));
    if (c->profile->scopes[s].exempt || at_profile_lacks(c->profile, page ? 8 : 7))
        return any;
    if (c->only_scope && c->only_scope != s + 1)
        return any;
    if (c->options.fault == AT_FAULT_UNASKED_LISTED)
        return (uint8_t)(listed ? fits : fits | 1u << AT_UNASKED);
    if (c->options.fault == AT_FAULT_FLIP_IGNORED && page)
        return any;
    if (c->options.fault == AT_FAULT_STALE_SETTINGS && (ever & fits))
        return any;
    return fits;
}

static enum at_err read_listing(struct at_checker *c, const struct key *k, const struct at_event *ev, bool page,
                                struct listing *l)
{
    const size_t n_scopes = c->profile->n_scopes;
    enum at_err err = AT_OK;
    for (size_t s = 0; s < n_scopes; s++)
        l->listed[s] = -1;
    for (size_t i = 0; i < ev->n_settings && !err; i++) {
        size_t s = at_profile_find_scope(c->profile, ev->settings[i].scope);
        if (s == AT_NO_SCOPE)
            err = hint_unknown(c, ev->settings[i].scope);
        else
            l->listed[s] = ev->settings[i].granted;
    }
    for (size_t s = 0; s < n_scopes; s++)
        l->fits[s] = fitting(c, k->known[s].ever, s, l->listed[s], page);
    return err;
}

bool listing_fits(const struct at_checker *c, const struct at_event *ev, bool page, uint8_t fits[AT_SCOPES_MAX])
{
    int8_t listed[AT_SCOPES_MAX];
    uint32_t told;
    if (c->options.fault == AT_FAULT_STALE_SETTINGS)
        return false;
    memset(listed, -1, sizeof listed);
    for (size_t i = 0; i < ev->n_settings; i++) {
        size_t s = at_profile_find_scope(c->profile, ev->settings[i].scope);
        if (s != AT_NO_SCOPE)
            listed[s] = ev->settings[i].granted;
        else if (!at_intern_find(c->hinted, ev->settings[i].scope, &told))
            return false;
    }
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        fits[s] = fitting(c, 0, s, listed[s], page);
    return true;
}

static struct step snapshot_act(const struct key *k, uint32_t call, size_t s, const struct listing *l)
{
    if (call == UINT32_MAX)
        return (struct step){.kind = STEP_PAGE, .value = l->fits[s]};
    return (struct step){.kind = STEP_SNAPSHOT, .value = l->fits[s], .slot = slot_of(k, call, s)};
}

/* How many scopes of a branch the listing contradicts. */
static size_t contradictions(struct at_checker *c, const struct key *k, const struct branch *b, uint32_t call,
                             const struct listing *l)
{
    size_t n = 0;
    for (size_t s = 0; s < c->profile->n_scopes; s++) {
        struct step a = snapshot_act(k, call, s, l);
        n += !branch_allows(c, k, b, s, &a);
    }
    return n;
}

/* The states that scope `s` of a branch could have shown. */
static uint8_t shown(const struct at_checker *c, const struct key *k, const struct branch *b, uint32_t call, size_t s)
{
    if (call == UINT32_MAX)
        return sets_states(c->sets, b->sets[s]);
    return cset_outcomes(sets_get(c->sets, b->sets[s]), slot_of(k, call, s));
}

static bool has_seen(const struct at_checker *c, const struct key *k, const struct branch *b, uint32_t call)
{
    return call == UINT32_MAX || branch_has_seen(c, k, b, call);
}

/* Tells every scope that the branch nearest to the listing has otherwise. */
static enum at_err tell_contradictions(struct at_checker *c, const struct key *k, uint32_t call,
                                       const struct listing *l, struct finding f)
{
    const struct branch *near = NULL;
    size_t least = SIZE_MAX;
    for (uint32_t i = 0; i < k->n_branches; i++) {
        if (!has_seen(c, k, k->branches[i], call))
            continue;
        size_t n = contradictions(c, k, k->branches[i], call, l);
        if (n < least) {
            least = n;
            near = k->branches[i];
        }
    }
    enum at_err err = AT_OK;
    for (f.scope = 0; near && f.scope < c->profile->n_scopes && !err; f.scope++) {
        struct step a = snapshot_act(k, call, f.scope, l);
        uint8_t states = 0;
        for (uint32_t i = 0; i < k->n_branches; i++)
            if (has_seen(c, k, k->branches[i], call))
                states |= shown(c, k, k->branches[i], call, f.scope);
        if (states & l->fits[f.scope]) /* but not together with what is listed of the other scopes */
            states = shown(c, k, near, call, f.scope);
        if (!branch_allows(c, k, near, f.scope, &a))
            err = find_setting(c, &f, l->listed[f.scope], states);
    }
    return err;
}

/* What was listed, by the settings page (`call` UINT32_MAX) or in the answer to a call. */
enum at_err on_listing(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at,
                       uint32_t call, bool *explained)
{
    struct listing l;
    struct finding f = {.key = k, .ev = ev, .at = at, .call = call == UINT32_MAX ? NULL : k->calls[call]};
    bool page = !f.call || f.call->kind == AT_API_OPEN_SETTING;
    enum at_err err = read_listing(c, k, ev, page, &l);
    *explained = false;
    for (uint32_t i = 0; i < k->n_branches && !*explained; i++)
        *explained = has_seen(c, k, k->branches[i], call) && !contradictions(c, k, k->branches[i], call, &l);
    if (err || !*explained)
        return err ? err : tell_contradictions(c, k, call, &l, f);
    for (uint32_t i = k->n_branches; i-- > 0 && !err;) {
        if (!has_seen(c, k, k->branches[i], call) || contradictions(c, k, k->branches[i], call, &l)) {
            key_drop_branch(k, i);
            continue;
        }
        for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
            struct step a = snapshot_act(k, call, s, &l);
            err = branch_apply(c, k, k->branches[i], s, &a);
        }
    }
    return err;
}

enum at_err on_page(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    bool explained;
    enum at_err err = on_listing(c, k, ev, at, UINT32_MAX, &explained);
    if (!err)
        key_prune(c, k);
    return err ? err : update_all(c, k, UINT64_MAX, ev, at, (struct at_str){0}, explained);
}
