/* branch.c: products of sets of configurations; barriers and events that act on them. The argument is in private.h. */
#include <stdlib.h>
#include <string.h>

#include "replay/private.h"

bool has_slot(const struct call *call, size_t s)
{
    return !call->spare && (reads_settings(call) || (call->scopes >> s & 1));
}

uint32_t slot_of(const struct key *k, uint32_t i, size_t s)
{
    uint32_t slot = 0;
    for (uint32_t j = 0; j < i; j++)
        slot += has_slot(k->calls[j], s);
    return slot;
}

static struct steps steps_of(const struct at_checker *c, const struct key *k, const struct branch *b, size_t s,
                             bool flips)
{
    enum at_concurrent policy = c->profile->concurrent;
    return (struct steps){
        .hidden_prompts = hidden(c, k, AT_SEES_PROMPTS),
        .hidden_decisions = hidden(c, k, AT_SEES_DECISIONS) && !(b->seen_up >> s & 1),
        .flips = flips,
        .prompts = c->profile->scopes[s].prompts,
        .join = policy == AT_CONCURRENT_JOIN,
        .reprompt = policy == AT_CONCURRENT_REPROMPT,
        .dismiss_denies = c->profile->dismiss_denies,
        .spare_call = k->spare_scopes >> s & 1,
        .cap = (uint32_t)c->options.configurations,
        .fault = c->options.fault,
    };
}

enum at_err branch_new(const struct at_checker *c, uint8_t states, struct branch **out)
{
    size_t n = c->profile->n_scopes;
    struct branch *b = calloc(1, sizeof *b + n * sizeof b->sets[0]);
    if (!b)
        return AT_NOMEM;
    for (size_t s = 0; s < n; s++)
        for (uint16_t state = 0; state < AT_STATES; state++)
            if (states >> state & 1)
                b->sets[s].room[b->sets[s].n++] = state;
    *out = b;
    return AT_OK;
}

void branch_free(const struct at_checker *c, struct branch *b)
{
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        cset_free(&b->sets[s]);
    free(b);
}

enum at_err branch_copy(struct at_checker *c, struct key *k, const struct branch *b, struct branch **out)
{
    if (k->n_branches >= BRANCHES_MAX)
        return AT_LIMIT;
    enum at_err err = branch_new(c, 0, out);
    if (err)
        return err;
    (*out)->seen_up = b->seen_up;
    (*out)->open_ended = b->open_ended;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
        err = cset_copy(&(*out)->sets[s], &b->sets[s]);
    if (err)
        branch_free(c, *out);
    return err;
}

enum at_err key_add_branch(struct key *k, struct branch *b)
{
    if (k->n_branches == k->cap_branches) {
        uint32_t cap = k->cap_branches ? k->cap_branches * 2 : 1;
        struct branch **more = realloc(k->branches, cap * sizeof(struct branch *));
        if (!more)
            return AT_NOMEM;
        k->branches = more;
        k->cap_branches = cap;
    }
    k->branches[k->n_branches++] = b;
    return AT_OK;
}

void key_drop_branch(const struct at_checker *c, struct key *k, uint32_t i)
{
    branch_free(c, k->branches[i]);
    k->branches[i] = k->branches[--k->n_branches];
}

uint8_t key_states(const struct key *k, size_t s)
{
    uint8_t mask = 0;
    for (uint32_t i = 0; i < k->n_branches; i++)
        mask |= cset_states(&k->branches[i]->sets[s]);
    return mask;
}

bool key_any_up(const struct key *k, size_t s)
{
    for (uint32_t i = 0; i < k->n_branches; i++)
        if (cset_any_up(&k->branches[i]->sets[s]))
            return true;
    return false;
}

bool key_seen_up(const struct key *k, size_t s)
{
    for (uint32_t i = 0; i < k->n_branches; i++)
        if (k->branches[i]->seen_up >> s & 1)
            return true;
    return false;
}

/* Every row in each of the states, nothing up. */
static enum at_err forget_set(struct cset *set, uint8_t states, const struct steps *st, struct scratch *tmp)
{
    uint16_t row[ROW_MAX];
    bool added;
    enum at_err err = AT_OK;
    cset_reset(&tmp->set, set->slots);
    for (uint32_t i = 0; i < set->n; i++) {
        for (uint16_t state = 0; state < AT_STATES && !err; state++) {
            memcpy(row, cset_row(set, i), cset_stride(set) * sizeof row[0]);
            row_reset(row, set->slots, st);
            row[0] = (uint16_t)((row[0] & BASE_DEBTS) | state);
            if (states >> state & 1)
                err = cset_add(&tmp->set, row, st, &added);
        }
    }
    return err ? err : cset_copy(set, &tmp->set);
}

enum at_err key_forget(struct at_checker *c, struct key *k, uint8_t states)
{
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < k->n_branches; i++) {
        struct branch *b = k->branches[i];
        b->seen_up = 0;
        b->open_ended = UINT64_MAX;
        for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
            struct steps st = steps_of(c, k, b, s, false);
            err = forget_set(&b->sets[s], states, &st, &c->scratch);
        }
    }
    if (!err)
        key_prune(c, k);
    return err;
}

enum at_err key_restart(struct at_checker *c, struct key *k, bool maybe_up)
{
    struct branch *b;
    while (k->n_branches)
        branch_free(c, k->branches[--k->n_branches]);
    enum at_err err = branch_new(c, (1u << AT_STATES) - 1, &b);
    if (err)
        return err;
    b->open_ended = UINT64_MAX;
    for (size_t s = 0; s < c->profile->n_scopes && maybe_up; s++)
        if (c->profile->scopes[s].prompts)
            b->sets[s].room[b->sets[s].n++] = AT_UNASKED | BASE_UP;
    return key_add_branch(k, b);
}

/* ---------------------------------------------------------------------------------------- Branches alike ---- */

static bool covers(const struct at_checker *c, const struct key *k, const struct branch *a, const struct branch *b)
{
    if (a->seen_up != b->seen_up)
        return false;
    for (size_t s = 0; s < c->profile->n_scopes; s++) {
        struct steps st = steps_of(c, k, a, s, false);
        if (!cset_covers(&a->sets[s], &b->sets[s], &st))
            return false;
    }
    return true;
}

void key_prune(struct at_checker *c, struct key *k)
{
    for (uint32_t i = 0; i < k->n_branches; i++) {
        for (uint32_t j = k->n_branches; j-- > 0;) {
            if (j == i || !covers(c, k, k->branches[i], k->branches[j]))
                continue;
            key_drop_branch(c, k, j);
            if (i == k->n_branches) /* the last one moved to j */
                i = j;
        }
    }
}

/* ---------------------------------------------------------------------------------------- Between events ---- */

/* A stretch between two events of a key. */
struct stretch {
    bool quiet; /* long enough for a settings visit or a removal */
};

static bool unseen(const struct key *k, const struct branch *b, uint32_t call)
{
    return cset_row(&b->sets[0], 0)[1 + slot_of(k, call, 0)] == SLOT_UNSEEN;
}

static bool may_flip(const struct at_checker *c, const struct key *k, const struct branch *b, const struct stretch *w)
{
    if (!hidden(c, k, AT_SEES_SETTINGS))
        return false;
    if ((w->quiet && !b->seen_up) || k->spare_settings)
        return true;
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (k->calls[i]->kind == AT_API_OPEN_SETTING && !k->calls[i]->spare && unseen(k, b, i))
            return true;
    return false;
}

static enum at_err close_branch(struct at_checker *c, const struct key *k, struct branch *b, const struct stretch *w)
{
    bool flips = may_flip(c, k, b, w);
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
        struct cset *set = &b->sets[s];
        struct steps st = steps_of(c, k, b, s, flips);
        if (!flips && !(b->open_ended >> s & 1))
            continue;
        if (!flips && !set->slots && !st.spare_call && !cset_any_up(set))
            continue; /* nothing moves by itself */
        err = cset_close(set, &st, &c->scratch);
    }
    b->open_ended = 0;
    return err;
}

/* Adds a branch that a barrier leads to, unless one is there that covers it. Takes `b`. */
static enum at_err add_fork(struct at_checker *c, struct key *k, struct branch *b, const struct stretch *w)
{
    enum at_err err = close_branch(c, k, b, w);
    for (uint32_t i = 0; i < k->n_branches && !err; i++) {
        if (covers(c, k, k->branches[i], b)) {
            branch_free(c, b);
            return AT_OK;
        }
    }
    if (!err)
        err = key_add_branch(k, b);
    if (err)
        branch_free(c, b);
    return err;
}

static enum at_err fork_snapshot(struct at_checker *c, struct key *k, const struct branch *from, uint32_t call,
                                 const struct stretch *w)
{
    struct branch *b;
    enum at_err err = branch_copy(c, k, from, &b);
    if (err)
        return err;
    for (size_t s = 0; s < c->profile->n_scopes; s++) {
        uint32_t slot = slot_of(k, call, s);
        for (uint32_t i = 0; i < b->sets[s].n; i++) {
            uint16_t *row = cset_edit(&b->sets[s], i);
            row[1 + slot] = (uint16_t)SLOT_SAW(row[0] & BASE_STATE);
        }
    }
    b->open_ended = UINT64_MAX;
    return add_fork(c, k, b, w);
}

static enum at_err fork_act(struct at_checker *c, struct key *k, const struct branch *from, size_t first, size_t n,
                            const struct act *a, const struct stretch *w)
{
    struct branch *b;
    enum at_err err = branch_copy(c, k, from, &b);
    if (err)
        return err;
    for (size_t s = first; s < first + n && !err; s++)
        err = branch_apply(c, k, b, s, a);
    if (err) {
        branch_free(c, b);
        return err;
    }
    return add_fork(c, k, b, w);
}

/* A hidden decision of a prompt that was seen: any answer, all of them in one branch. */
static enum at_err fork_decision(struct at_checker *c, struct key *k, const struct branch *from, size_t s,
                                 const struct stretch *w)
{
    return fork_act(c, k, from, s, 1, &(struct act){.kind = ACT_DECISION, .answer = ANY_ANSWER}, w);
}

static enum at_err barriers(struct at_checker *c, struct key *k, uint32_t from, const struct stretch *w)
{
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < k->n_calls && !err; i++)
        if (reads_settings(k->calls[i]) && !k->calls[i]->spare && unseen(k, k->branches[from], i))
            err = fork_snapshot(c, k, k->branches[from], i, w);
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
        if ((k->branches[from]->seen_up >> s & 1) && hidden(c, k, AT_SEES_DECISIONS))
            err = fork_decision(c, k, k->branches[from], s, w);
    if (!err && w->quiet && !k->branches[from]->seen_up && hidden(c, k, AT_SEES_RESETS))
        err = fork_act(c, k, k->branches[from], 0, c->profile->n_scopes, &(struct act){.kind = ACT_RESET}, w);
    return err;
}

enum at_err key_advance(struct at_checker *c, struct key *k, int64_t t_us)
{
    uint64_t quiet_us = (c->options.has_quiet_ms ? c->options.quiet_ms : c->profile->quiet_ms) * UINT64_C(1000);
    if (c->profile->other_devices && !c->options.has_quiet_ms)
        quiet_us = 0;
    uint64_t length_us = t_us > k->last.t_us ? (uint64_t)t_us - (uint64_t)k->last.t_us : 0;
    struct stretch w = {.quiet = k->begun && length_us >= quiet_us &&
                                 (hidden(c, k, AT_SEES_SETTINGS) || hidden(c, k, AT_SEES_RESETS))};
    bool moves = w.quiet;
    for (uint32_t i = 0; i < k->n_branches && !moves; i++)
        moves = k->branches[i]->open_ended != 0;
    if (!moves)
        return AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        known_until(k, s, k->last);
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < k->n_branches && !err; i++)
        err = close_branch(c, k, k->branches[i], &w);
    for (uint32_t i = 0; i < k->n_branches && !err; i++) /* forks are appended, and fork in their turn */
        err = barriers(c, k, i, &w);
    if (!err)
        key_prune(c, k);
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        known_refresh(k, s);
    return err;
}

/* ------------------------------------------------------------------------------------------------ Events ---- */

static bool prompt_has_call(const uint16_t *row, uint32_t slots, uint32_t slot, const struct steps *st)
{
    if (slot < slots)
        return slot_open(row[1 + slot]);
    bool any = st->spare_call;
    for (uint32_t i = 1; i <= slots && slot == ANY_SLOT && !any; i++)
        any = slot_open(row[i]);
    return any;
}

/* Whether the row fulfils the precondition (SPEC section 8); what its debts have to say shows when it is applied. */
static bool row_allows(const uint16_t *row, uint32_t slots, const struct act *a, const struct steps *st)
{
    enum at_state state = row[0] & BASE_STATE;
    bool up = row[0] & BASE_UP;
    switch (a->kind) {
    case ACT_PROMPT:
        return state_prompts(state, st) && (!up || st->reprompt) && prompt_has_call(row, slots, a->slot, st);
    case ACT_DECISION:
        return up;
    case ACT_SETTINGS:
        return state != AT_UNASKED;
    case ACT_PAGE:
        return a->wanted >> state & 1;
    case ACT_SNAPSHOT:
        return row[1 + a->slot] & SLOT_OUTCOMES & a->wanted;
    case ACT_OUTCOME:
    case ACT_RESET:
    default:
        return true;
    }
}

/* A prompt that nobody can have raised: it is up all the same, and every open call may wait for it. */
static enum at_err waived_prompt(const uint16_t *row, uint8_t slots, const struct act *a, const struct steps *st,
                                 struct at_buf *out)
{
    uint16_t next[ROW_MAX];
    if (prompt_has_call(row, slots, a->slot, st) || a->slot < slots)
        return row_prompt(row, slots, a->slot, st, out);
    memcpy(next, row, (1u + slots) * sizeof next[0]);
    next[0] |= BASE_UP;
    return at_buf_add(out, next, (1u + slots) * sizeof next[0]);
}

/* Appends what the event makes of a row. */
static enum at_err row_act(const uint16_t *row, uint8_t slots, const struct act *a, const struct steps *st,
                           struct at_buf *out)
{
    uint16_t next[ROW_MAX];
    enum at_err err = AT_OK;
    memcpy(next, row, (1u + slots) * sizeof next[0]);
    switch (a->kind) {
    case ACT_PROMPT:
        return waived_prompt(row, slots, a, st, out);
    case ACT_DECISION:
        if (a->answer != ANY_ANSWER)
            return row_decide(row, slots, a->answer, st, out);
        for (enum at_answer answer = AT_ANSWER_ALLOW; answer <= AT_ANSWER_DISMISS && !err; answer++)
            err = row_decide(row, slots, answer, st, out);
        return err;
    case ACT_OUTCOME:
        return row_outcome(row, slots, a->slot, a->wanted, out);
    case ACT_SETTINGS:
        if (st->fault != AT_FAULT_FLIP_IGNORED)
            next[0] = (uint16_t)((next[0] & ~BASE_STATE) | a->wanted);
        break;
    case ACT_RESET:
        row_reset(next, slots, st);
        break;
    case ACT_PAGE:
    case ACT_SNAPSHOT:
    default:
        break;
    }
    return at_buf_add(out, next, (1u + slots) * sizeof next[0]);
}

/* What `a` makes of a set, in c->scratch.set: empty where no row allows it. */
static enum at_err act_on_set(struct at_checker *c, const struct cset *set, const struct act *a, const struct steps *st)
{
    struct at_buf *rows = &c->scratch.rows;
    uint16_t row[ROW_MAX];
    bool added;
    enum at_err err = AT_OK;
    rows->len = 0;
    cset_reset(&c->scratch.set, set->slots);
    for (uint32_t i = 0; i < set->n && !err; i++)
        if (a->waive || row_allows(cset_row(set, i), set->slots, a, st))
            err = row_act(cset_row(set, i), set->slots, a, st, rows);
    size_t row_bytes = cset_stride(set) * sizeof row[0];
    for (size_t at = 0; at < rows->len && !err; at += row_bytes) {
        memcpy(row, rows->ptr + at, row_bytes);
        err = cset_add(&c->scratch.set, row, st, &added);
    }
    return err;
}

bool branch_allows(struct at_checker *c, const struct key *k, const struct branch *b, size_t s, const struct act *a)
{
    struct steps st = steps_of(c, k, b, s, false);
    const struct cset *set = &b->sets[s];
    bool at_once = a->kind != ACT_OUTCOME && a->kind != ACT_PROMPT; /* debts have no say */
    for (uint32_t i = 0; i < set->n && at_once; i++)
        if (a->waive || row_allows(cset_row(set, i), set->slots, a, &st))
            return true;
    if (at_once)
        return false;
    return act_on_set(c, set, a, &st) || c->scratch.set.n > 0; /* an error shows again when it is applied */
}

enum at_err branch_apply(struct at_checker *c, const struct key *k, struct branch *b, size_t s, const struct act *a)
{
    struct steps st = steps_of(c, k, b, s, false);
    enum at_err err = act_on_set(c, &b->sets[s], a, &st);
    if (!err)
        err = cset_copy(&b->sets[s], &c->scratch.set);
    if (a->kind == ACT_PROMPT)
        b->seen_up |= UINT64_C(1) << s;
    else if (a->kind == ACT_DECISION || a->kind == ACT_RESET)
        b->seen_up &= ~(UINT64_C(1) << s);
    b->open_ended |= UINT64_C(1) << s;
    return err;
}
