/* fold.c: keys between their two forms: branches, and columns. What the columns mean is in columns.h. */
#include <stdlib.h>
#include <string.h>

#include "replay/lanes.h"

/* Scope `s` of the key's branches. */
static struct column column_of(const struct at_checker *c, const struct key *k, size_t s)
{
    const struct known *n = &k->known[s];
    struct column col = {.n = (uint8_t)k->n_branches,
                         .prompts = c->profile->scopes[s].prompts,
                         .spare = k->spare_scopes >> s & 1,
                         .observes = k->observes,
                         .known_states = n->states,
                         .known_ever = n->ever,
                         .known_kind = (uint8_t)n->kind,
                         .certain = n->certain};
    for (uint32_t i = 0; i < k->n_branches; i++) {
        const struct branch *b = k->branches[i];
        col.sets[i] = b->sets[s];
        col.seen_up |= (uint8_t)((b->seen_up >> s & 1) << i);
        col.open_ended |= (uint8_t)((b->open_ended >> s & 1) << i);
    }
    return col;
}

/* Whether all of it finds room while the key is folded. */
static bool fits(const struct at_checker *c, const struct key *k)
{
    uint16_t number;
    bool fit = place_packs(c, k->last);
    for (size_t s = 0; s < c->profile->n_scopes && fit; s++)
        fit = place_packs(c, k->known[s].cause) && place_packs(c, k->known[s].sure) &&
              word_number(c, k->known[s].api, &number);
    for (uint32_t i = 0; i < k->n_calls && fit; i++)
        fit = k->calls[i]->api_number;
    return fit;
}

/* Calls that were open when a dismissal was told do not tell of one again. */
static void fold_dismissals(struct key *k, size_t n_scopes)
{
    k->told = false;
    for (uint32_t i = 0; i < k->n_calls; i++) {
        k->calls[i]->told = 0;
        for (size_t s = 0; s < n_scopes; s++)
            if (k->calls[i]->place.event < k->known[s].dismissed_before)
                k->calls[i]->told |= UINT64_C(1) << s;
        k->told |= k->calls[i]->told != 0;
    }
}

static uint64_t unfold_dismissals(const struct key *k, size_t s)
{
    uint64_t before = 0;
    for (uint32_t i = 0; i < k->n_calls; i++)
        if ((k->calls[i]->told >> s & 1) && k->calls[i]->place.event >= before)
            before = k->calls[i]->place.event + 1;
    return before;
}

static void count_calls(struct key *k)
{
    k->n_reading = k->n_pages = 0;
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (!k->calls[i]->spare)
            key_count_call(k, k->calls[i], 1);
}

/* Takes the place of the branches and of what is known, with these columns. */
static void fold_with(const struct at_checker *c, struct key *k, const uint32_t *columns)
{
    size_t n = c->profile->n_scopes;
    struct known *known = k->known;
    k->lanes = (uint8_t)k->n_branches;
    while (k->n_branches)
        free(k->branches[--k->n_branches]);
    free(k->branches);
    fold_dismissals(k, n);
    for (size_t s = 0; s < n; s++) {
        const struct note note = {place_pack(c, known[s].cause), place_pack(c, known[s].sure)};
        key_columns(k)[s] = columns[s];
        key_notes(k, n)[s] = note;
        if (!word_number(c, known[s].api, &key_apis(k, n)[s]))
            key_apis(k, n)[s] = 0; /* not so: see fits */
    }
    free(known);
}

void key_fold(struct at_checker *c, struct key *k)
{
    uint32_t columns[AT_SCOPES_MAX];
    uint8_t seen = 0;
    uint64_t open_ended = 0;
    if (k->folded || k->inconclusive || c->options.on_branches || k->n_branches == 0 || k->n_branches > LANES ||
        c->options.fault == AT_FAULT_STALE_SETTINGS) /* what a listing may show depends on the past there */
        return;
    if (!fits(c, k))
        return;
    for (size_t s = 0; s < c->profile->n_scopes; s++) {
        const struct column col = column_of(c, k, s);
        if (columns_number(c, &col, &columns[s]))
            return; /* out of memory: it stays as it is */
        if (column_at(c->columns, columns[s])->uncertain_now)
            return; /* to be looked at before the next event */
        seen |= col.seen_up;
        open_ended |= (uint64_t)(col.open_ended != 0) << s;
    }
    k->seen_lanes = seen;
    k->open_ended = open_ended;
    k->snapshot_covered = 0;
    k->fresh = 0;
    k->moved = false;
    count_calls(k);
    fold_with(c, k, columns);
    k->folded = true;
}

static struct known unfold_known(const struct at_checker *c, const struct key *k, size_t s)
{
    const size_t n = c->profile->n_scopes;
    const struct column *col = column_at(c->columns, key_columns(k)[s]);
    uint16_t api = key_apis(k, n)[s];
    if (col->certain)
        note_settle(c, k, s);
    const struct note *note = &key_notes(k, n)[s];
    return (struct known){.states = col->known_states,
                          .ever = col->known_ever,
                          .certain = col->certain,
                          .kind = (enum at_kind)col->known_kind,
                          .cause = place_unpack(c, note->cause),
                          .sure = place_unpack(c, note->sure),
                          .api = api ? at_intern_get(c->words, api - 1u) : (struct at_str){0},
                          .dismissed_before = unfold_dismissals(k, s)};
}

static enum at_err give_slots(struct at_checker *c, struct key *k)
{
    struct op_result r;
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
        err = columns_op(c, c->columns, key_columns(k)[s], OP_OF_ADD(true, 0), &r);
        if (!err)
            key_columns(k)[s] = r.to;
    }
    k->open_ended = UINT64_MAX >> (AT_SCOPES_MAX - c->profile->n_scopes);
    return err;
}

/* The silent steps that were put off: those before the end of the stream, and those that on_end looks for. */
static enum at_err go_on_to_end(struct at_checker *c, struct key *k)
{
    const struct at_place end = k->last;
    k->last = place_unpack(c, k->before_end);
    enum at_err err = key_advance(c, k, end.t_us);
    if (!err)
        err = key_advance(c, k, end.t_us);
    k->last = end;
    k->ended = false;
    return err;
}

/* The branches of the lanes. */
static enum at_err unfold_branches(struct at_checker *c, struct key *k, const uint32_t *columns)
{
    size_t n = c->profile->n_scopes;
    enum at_err err = AT_OK;
    for (unsigned lane = 0; lane < k->lanes && !err; lane++) {
        struct branch *b = calloc(1, sizeof *b + n * sizeof b->sets[0]);
        if (!b)
            return AT_NOMEM;
        b->open_ended = k->open_ended; /* more than their columns have: some are closed already */
        for (size_t s = 0; s < n; s++) {
            const struct column *col = column_at(c->columns, columns[s]);
            b->sets[s] = col->sets[lane];
            b->seen_up |= (uint64_t)(col->seen_up >> lane & 1) << s;
        }
        err = key_add_branch(k, b);
        if (err)
            free(b);
    }
    return err;
}

enum at_err key_unfold(struct at_checker *c, struct key *k)
{
    uint32_t columns[AT_SCOPES_MAX];
    size_t n = c->profile->n_scopes;
    enum at_err err = AT_OK;
    if (!k->folded)
        return AT_OK;
    struct known *known = calloc(n, sizeof *known);
    if (!known)
        return AT_NOMEM;
    if (k->waits)
        err = give_slots(c, k);
    k->waits = k->calm = false;
    note_not_fresh(c, k, false);
    for (size_t s = 0; s < n; s++) {
        columns[s] = key_columns(k)[s];
        known[s] = unfold_known(c, k, s);
    }
    k->folded = false;
    k->branches = NULL;
    k->n_branches = k->cap_branches = 0;
    k->known = known;
    if (!err)
        err = unfold_branches(c, k, columns);
    return err || !k->ended ? err : go_on_to_end(c, k);
}
