/* events.c: prompts, decisions, flips and resets: what they do to the sets of a user. */
#include <stdlib.h>

#include "replay/private.h"

/*
 * Applies `a` to scope `s` in every branch that allows it; the others go. Where none does, nothing is changed and
 * `explained` is false.
 */
enum at_err act_on_scope(struct at_checker *c, struct key *k, size_t s, const struct step *a, bool *explained)
{
    enum at_err err = AT_OK;
    *explained = false;
    for (uint32_t i = 0; i < k->n_branches && !*explained; i++)
        *explained = branch_allows(c, k, k->branches[i], s, a);
    if (!*explained)
        return AT_OK;
    for (uint32_t i = k->n_branches; i-- > 0 && !err;) {
        if (branch_allows(c, k, k->branches[i], s, a))
            err = branch_apply(c, k, k->branches[i], s, a);
        else
            key_drop_branch(k, i);
    }
    if (!err)
        key_prune(c, k);
    return err;
}

/* The same; what no branch explains is told, and then its precondition is waived (SPEC section 8). */
static enum at_err act_or_tell(struct at_checker *c, struct key *k, struct step a, const struct finding *f,
                               enum at_err (*tell)(struct at_checker *c, const struct finding *f), bool *explained)
{
    bool applied;
    enum at_err err = AT_OK;
    *explained = false;
    if (!a.waive)
        err = act_on_scope(c, k, f->scope, &a, explained);
    if (err || *explained)
        return err;
    err = tell(c, f);
    a.waive = true;
    if (!err)
        err = act_on_scope(c, k, f->scope, &a, &applied);
    if (!err && !applied) { /* a prompt, and no open call that could have raised it */
        a.value = WAIVE_CALL;
        err = act_on_scope(c, k, f->scope, &a, &applied);
    }
    return err;
}

/* Notes what an event leaves known of the scopes of the mask. Hidden changes follow only from what is explained. */
enum at_err update_all(struct at_checker *c, struct key *k, uint64_t scopes, const struct at_event *ev,
                       struct at_place at, struct at_str api, bool explained)
{
    struct evidence e = {.ev = ev, .at = at, .api = api, .explained = explained};
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
        if (scopes >> s & 1)
            err = known_update(c, k, s, &e);
    return err;
}

enum at_err on_start(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    bool fresh = (ev->has & AT_HAS_FRESH) && ev->fresh;
    k->observes = 0;
    for (uint8_t i = 0; i < ev->n_observes; i++)
        k->observes |= (uint8_t)(1u << ev->observes[i]);
    enum at_err err = key_forget(c, k, fresh ? 1u << AT_UNASKED : (1u << AT_STATES) - 1);
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        k->known[s] = (struct known){
            .states = fresh ? 1u << AT_UNASKED : 0, .certain = fresh, .kind = AT_KIND_START, .cause = at, .sure = at};
    return err;
}

enum at_err on_prompt(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                      struct at_place at)
{
    size_t s = ev->n_scopes ? at_profile_find_scope(c->profile, ev->scopes[0]) : AT_NO_SCOPE;
    if (s == AT_NO_SCOPE)
        return ev->n_scopes ? hint_unknown(c, ev->scopes[0]) : AT_OK;
    struct step a = {.kind = STEP_PROMPT, .slot = ANY_SLOT};
    const struct call *by = NULL;
    if (ev->has & AT_HAS_CALL) {
        uint32_t i = find_call(k, st, ev->call, id_hash(ev->call));
        by = i == UINT32_MAX ? NULL : k->calls[i];
        bool of_scope = by && (by->scopes >> s & 1);
        a.slot = of_scope && !by->spare ? slot_of(k, i, s) : NO_SLOT;
    }
    struct finding f = {.key = k, .ev = ev, .at = at, .call = by, .scope = s};
    a.waive = a.slot == NO_SLOT && !(by && by->spare && (by->scopes >> s & 1)); /* the call named asks for no such */
    bool explained;
    enum at_err err = act_or_tell(c, k, a, &f, find_prompt, &explained);
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (k->calls[i]->scopes >> s & 1)
            k->calls[i]->prompted = true;
    return err ? err : update_all(c, k, UINT64_C(1) << s, ev, at, (struct at_str){0}, explained);
}

/* Scopes that have an open call: a prompt of one of them could be up. */
static uint64_t called_scopes(const struct key *k)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < k->n_calls; i++)
        mask |= k->calls[i]->scopes;
    return mask;
}

/* An answer to whichever prompt is up: a branch for each that can be. */
static enum at_err decide_any(struct at_checker *c, struct key *k, uint64_t among, const struct step *a,
                              uint64_t *decided)
{
    uint32_t n = k->n_branches;
    enum at_err err = AT_OK;
    *decided = 0;
    for (uint32_t i = 0; i < n && !err; i++) {
        for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
            struct branch *b;
            if (!(among >> s & 1) || !branch_allows(c, k, k->branches[i], s, a))
                continue;
            err = branch_copy(c, k, k->branches[i], &b);
            if (err)
                break;
            err = branch_apply(c, k, b, s, a);
            if (!err)
                err = key_add_branch(k, b);
            if (err)
                free(b);
            *decided |= UINT64_C(1) << s;
        }
    }
    if (err || !*decided)
        return err;
    for (uint32_t i = n; i-- > 0;) { /* the old ones are at the front: each is replaced by one from the end */
        free(k->branches[i]);
        k->branches[i] = k->branches[--k->n_branches];
    }
    key_prune(c, k);
    return AT_OK;
}

enum at_err on_decision(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    uint64_t among = UINT64_MAX, decided = 0;
    struct step a = {.kind = STEP_DECISION, .value = (uint8_t)ev->answer};
    struct finding f = {.key = k, .ev = ev, .at = at, .scope = AT_NO_SCOPE};
    if (ev->n_scopes) {
        f.scope = at_profile_find_scope(c->profile, ev->scopes[0]);
        if (f.scope == AT_NO_SCOPE)
            return hint_unknown(c, ev->scopes[0]);
        among = UINT64_C(1) << f.scope;
    }
    enum at_err err = decide_any(c, k, among, &a, &decided);
    bool explained = decided != 0;
    if (!err && !explained) {
        uint64_t called = called_scopes(k);
        for (size_t s = 0; s < c->profile->n_scopes && f.scope == AT_NO_SCOPE; s++)
            if (called >> s & 1)
                f.scope = s;
        err = find_decision(c, &f);
        a.waive = true;
        if (!err)
            err = decide_any(c, k, ev->n_scopes ? among : called, &a, &decided);
    }
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (k->calls[i]->scopes & decided && !(decided & (decided - 1)))
            k->calls[i]->decided = (uint8_t)ev->answer;
    return err ? err : update_all(c, k, decided, ev, at, (struct at_str){0}, explained);
}

enum at_err on_settings(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    size_t s = ev->n_scopes ? at_profile_find_scope(c->profile, ev->scopes[0]) : AT_NO_SCOPE;
    if (s == AT_NO_SCOPE)
        return ev->n_scopes ? hint_unknown(c, ev->scopes[0]) : AT_OK;
    struct step a = {.kind = STEP_SETTINGS, .value = (uint8_t)(ev->granted ? AT_GRANTED : AT_DENIED)};
    struct finding f = {.key = k, .ev = ev, .at = at, .scope = s};
    bool explained;
    enum at_err err = act_or_tell(c, k, a, &f, find_flip, &explained);
    return err ? err : update_all(c, k, UINT64_C(1) << s, ev, at, (struct at_str){0}, explained);
}

enum at_err on_reset(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    struct step a = {.kind = STEP_RESET};
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < k->n_branches; i++)
        for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
            err = branch_apply(c, k, k->branches[i], s, &a);
    if (!err)
        key_prune(c, k);
    return err ? err : update_all(c, k, UINT64_MAX, ev, at, (struct at_str){0}, true);
}
