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

void key_fold(struct at_checker *c, struct key *k)
{
    if (k->folded || k->inconclusive || c->options.on_branches || k->n_branches == 0 || k->n_branches > LANES ||
        c->options.fault == AT_FAULT_STALE_SETTINGS) /* what a listing may show depends on the past there */
        return;
    k->seen_lanes = 0;
    k->open_ended = 0;
    for (size_t s = 0; s < c->profile->n_scopes; s++) {
        const struct column col = column_of(c, k, s);
        if (columns_number(c, &col, &k->columns[s]))
            return; /* out of memory: it stays as it is */
        if (column_at(c->columns, k->columns[s])->uncertain_now)
            return; /* to be looked at before the next event */
        k->seen_lanes |= col.seen_up;
        k->open_ended |= (uint64_t)(col.open_ended != 0) << s;
    }
    k->n_reading = k->n_pages = 0;
    k->snapshot_covered = 0;
    for (uint32_t i = 0; i < k->n_calls; i++) {
        k->n_reading += reads_settings(k->calls[i]) && !k->calls[i]->spare;
        k->n_pages += k->calls[i]->kind == AT_API_OPEN_SETTING && !k->calls[i]->spare;
    }
    k->lanes = (uint8_t)k->n_branches;
    k->moved = false;
    while (k->n_branches)
        free(k->branches[--k->n_branches]);
    free(k->branches);
    k->branches = NULL;
    k->cap_branches = 0;
    k->folded = true;
}

static void unfold_known(struct key *k, size_t s, const struct column *col)
{
    struct known *n = &k->known[s];
    n->states = col->known_states;
    n->ever = col->known_ever;
    n->kind = (enum at_kind)col->known_kind;
    n->certain = col->certain;
    if (n->certain)
        known_settle(k, s);
}

static enum at_err give_slots(struct at_checker *c, struct key *k)
{
    struct op_result r;
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
        err = columns_op(c, c->columns, k->columns[s], OP_OF_ADD(true, 0), &r);
        if (!err)
            k->columns[s] = r.to;
    }
    k->open_ended = UINT64_MAX >> (AT_SCOPES_MAX - c->profile->n_scopes);
    return err;
}

/* The silent steps that were put off: those before the end of the stream, and those that on_end looks for. */
static enum at_err go_on_to_end(struct at_checker *c, struct key *k)
{
    const struct at_place end = k->last;
    k->last = k->before_end;
    enum at_err err = key_advance(c, k, end.t_us);
    if (!err)
        err = key_advance(c, k, end.t_us);
    k->last = end;
    k->ended = false;
    return err;
}

enum at_err key_unfold(struct at_checker *c, struct key *k)
{
    size_t n = c->profile->n_scopes;
    enum at_err err = AT_OK;
    if (!k->folded)
        return AT_OK;
    if (k->waits)
        err = give_slots(c, k);
    k->waits = k->calm = false;
    known_not_fresh(k, false);
    for (unsigned lane = 0; lane < k->lanes && !err; lane++) {
        struct branch *b = calloc(1, sizeof *b + n * sizeof b->sets[0]);
        if (b)
            b->open_ended = k->open_ended; /* more than their columns have: some are closed already */
        err = b ? key_add_branch(k, b) : AT_NOMEM;
        for (size_t s = 0; s < n && !err; s++) {
            const struct column *col = column_at(c->columns, k->columns[s]);
            b->sets[s] = col->sets[lane];
            b->seen_up |= (uint64_t)(col->seen_up >> lane & 1) << s;
        }
        if (err)
            free(b);
    }
    for (size_t s = 0; s < n && !err; s++)
        unfold_known(k, s, column_at(c->columns, k->columns[s]));
    k->folded = false;
    return err || !k->ended ? err : go_on_to_end(c, k);
}
