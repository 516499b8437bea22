/* cset.c: sets of configurations of one scope, and the silent steps (SPEC section 8). */
#include "replay/cset.h"

#include <stdlib.h>
#include <string.h>

void cset_free(struct cset *s)
{
    free(s->heap);
    *s = (struct cset){0};
}

void cset_reset(struct cset *s, uint8_t slots)
{
    s->n = 0;
    s->slots = slots;
}

static enum at_err reserve(struct cset *s, size_t words)
{
    if (words <= (s->heap ? s->heap_words : sizeof s->room / sizeof s->room[0]))
        return AT_OK;
    size_t cap = words * 2;
    if (cap > UINT32_MAX)
        return AT_LIMIT;
    uint16_t *heap = realloc(s->heap, cap * sizeof *heap);
    if (!heap)
        return AT_NOMEM;
    if (!s->heap)
        memcpy(heap, s->room, sizeof s->room);
    s->heap = heap;
    s->heap_words = (uint32_t)cap;
    return AT_OK;
}

static void copy_row(uint16_t *to, const uint16_t *from, uint32_t stride)
{
    memcpy(to, from, stride * sizeof *to);
}

enum at_err cset_copy(struct cset *to, const struct cset *from)
{
    size_t words = (size_t)from->n * cset_stride(from);
    enum at_err err = reserve(to, words);
    if (err)
        return err;
    to->n = from->n;
    to->slots = from->slots;
    memcpy(cset_edit(to, 0), cset_row(from, 0), words * sizeof(uint16_t));
    return AT_OK;
}

/* ------------------------------------------------------------------------------------------------- Debts ---- */

/* Calls `slot` no candidate any more. */
static void no_candidate(uint16_t *row, uint32_t slot)
{
    row[1 + slot] &= (uint16_t)~SLOT_CANDIDATES;
}

static void clear_debt(uint16_t *row, uint32_t stride, unsigned d)
{
    row[0] &= (uint16_t)~BASE_DEBT(d);
    for (uint32_t i = 1; i < stride; i++)
        row[i] &= (uint16_t)~SLOT_CANDIDATE(d);
}

/* Call `slot` raised the prompt of debt `d`. */
static void pay_debt(uint16_t *row, uint32_t stride, unsigned d, uint32_t slot)
{
    clear_debt(row, stride, d);
    row[1 + slot] = (uint16_t)(d == DEBT_UP ? SLOT_WAITING : SLOT_DONE | DEBT_OUTCOME(d));
}

/* Three debts or more: any k of them need k different calls (Hall's condition; with two or more each, two always have).
 */
static bool enough_calls(const uint16_t *row, uint32_t stride)
{
    for (unsigned subset = 7; subset < 16; subset++) {
        unsigned debts = subset & (unsigned)(row[0] >> 3), size = 0, calls = 0;
        for (unsigned d = 0; d < DEBTS; d++)
            size += debts >> d & 1;
        if (debts != subset || size < 3)
            continue;
        for (uint32_t i = 1; i < stride; i++)
            calls += (row[i] & debts << 8) != 0;
        if (calls < size)
            return false;
    }
    return true;
}

/* Pays the debts that have one candidate. False: one has none. */
static bool simplify(uint16_t *row, uint32_t stride)
{
    for (unsigned d = 0; d < DEBTS && (row[0] & BASE_DEBTS); d++) {
        uint32_t last = 0, n = 0;
        if (!(row[0] & BASE_DEBT(d)))
            continue;
        for (uint32_t i = 1; i < stride; i++) {
            if (row[i] & SLOT_CANDIDATE(d)) {
                last = i - 1;
                n++;
            }
        }
        if (n == 0)
            return false;
        if (n == 1) {
            pay_debt(row, stride, d, last);
            d = UINT32_MAX; /* look at all of them again */
        }
    }
    return !(row[0] & BASE_DEBTS) || enough_calls(row, stride);
}

/* ----------------------------------------------------------------------------------------------- Dominance ---- */

/*
 * Whether an open call may get to wait, unseen, for the prompt of a row with the base `base`. One that raises its own
 * needs a state that prompts; a prompt that is not up is one that was taken for granted after a decision without any.
 */
static bool joins(uint16_t base, const struct steps *st)
{
    bool own = !(base & BASE_UP) || state_prompts(base & BASE_STATE, st);
    return st->join || (st->reprompt && st->hidden_prompts && own);
}

/* Whether slot word `a` offers all that `b` does, debts aside; `joins`: an open call may join the prompt. */
static bool slot_dominates(uint16_t a, uint16_t b, bool joins)
{
    if ((b & SLOT_JOINED) && !(a & SLOT_JOINED) && !(slot_open(a) && joins))
        return false;
    if (((a ^ b) & 255u) == 0)
        return true;
    if ((a & SLOT_WAITING) || b == SLOT_UNSEEN) /* what has been seen cannot be seen again later, otherwise */
        return false;
    if (b & SLOT_WAITING)
        return !(a & SLOT_DONE) && (joins || (a & SLOT_JOINED));
    if ((a & SLOT_DONE) && !(b & SLOT_DONE))
        return false;
    return (b & SLOT_OUTCOMES & ~(unsigned)a) == 0;
}

/* What a candidate of `b` may have raised, `a` has to offer as well. */
static bool candidate_dominates(uint16_t a, uint16_t b, bool joins)
{
    unsigned only_b = b & SLOT_CANDIDATES & ~(unsigned)a;
    for (unsigned d = 0; d < DEBT_UP; d++)
        if ((only_b & SLOT_CANDIDATE(d)) && !(a & DEBT_OUTCOME(d)))
            return false;
    return !(only_b & SLOT_CANDIDATE(DEBT_UP)) || joins || (a & SLOT_JOINED);
}

/* Whether debt `d` of `a` is a debt of `b` too, or was paid there by a candidate; that slot is then marked in `paid`.
 */
static bool debt_dominates(const uint16_t *a, const uint16_t *b, uint32_t stride, unsigned d, uint32_t *paid)
{
    if (b[0] & BASE_DEBT(d)) {
        for (uint32_t i = 1; i < stride; i++)
            if ((b[i] & SLOT_CANDIDATE(d)) && !(a[i] & SLOT_CANDIDATE(d)))
                return false;
        return true;
    }
    uint16_t as_paid = (uint16_t)(d == DEBT_UP ? SLOT_WAITING : SLOT_DONE | DEBT_OUTCOME(d));
    for (uint32_t i = 1; i < stride; i++) {
        if ((a[i] & SLOT_CANDIDATE(d)) && b[i] == as_paid && i != paid[0] && i != paid[1] && i != paid[2]) {
            paid[d] = i;
            return true;
        }
    }
    return false;
}

static bool row_dominates(const uint16_t *a, const uint16_t *b, uint32_t stride, const struct steps *st)
{
    uint32_t paid[DEBTS] = {0};
    if ((a[0] ^ b[0]) & (BASE_STATE | BASE_UP))
        return false;
    bool may_join = joins(a[0], st);
    for (unsigned d = 0; d < DEBTS && (a[0] & BASE_DEBTS); d++)
        if ((a[0] & BASE_DEBT(d)) && !debt_dominates(a, b, stride, d, paid))
            return false;
    for (uint32_t i = 1; i < stride; i++) {
        if (a[i] == b[i] || i == paid[0] || i == paid[1] || i == paid[2] || i == paid[3])
            continue;
        if (!slot_dominates(a[i], b[i], may_join) || !candidate_dominates(a[i], b[i], may_join))
            return false;
    }
    return true;
}

static void remove_row(struct cset *s, uint32_t i)
{
    s->n--;
    if (i != s->n)
        copy_row(cset_edit(s, i), cset_row(s, s->n), cset_stride(s));
}

enum at_err cset_add(struct cset *s, uint16_t *row, const struct steps *st, bool *added)
{
    uint32_t stride = cset_stride(s);
    *added = false;
    if ((row[0] & BASE_DEBTS) && !simplify(row, stride))
        return AT_OK;
    for (uint32_t i = 0; i < s->n; i++)
        if (row_dominates(cset_row(s, i), row, stride, st))
            return AT_OK;
    for (uint32_t i = s->n; i-- > 0;)
        if (row_dominates(row, cset_row(s, i), stride, st))
            remove_row(s, i);
    if (s->n >= st->cap)
        return AT_LIMIT;
    enum at_err err = reserve(s, ((size_t)s->n + 1) * stride);
    if (err)
        return err;
    copy_row(cset_edit(s, s->n), row, stride);
    s->n++;
    *added = true;
    return AT_OK;
}

bool cset_covers(const struct cset *a, const struct cset *b, const struct steps *st)
{
    uint32_t stride = cset_stride(a);
    if (a->slots != b->slots)
        return false;
    for (uint32_t i = 0; i < b->n; i++) {
        bool found = false;
        for (uint32_t k = 0; k < a->n && !found; k++)
            found = row_dominates(cset_row(a, k), cset_row(b, i), stride, st);
        if (!found)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------- Slots ---- */

enum at_err cset_add_slot(struct cset *s, uint32_t at, uint16_t value)
{
    if (s->slots >= SLOTS_MAX)
        return AT_LIMIT;
    uint32_t old = cset_stride(s), before = at < s->slots ? 1 + at : old; /* words that stay in front */
    enum at_err err = reserve(s, (size_t)s->n * (old + 1));
    if (err)
        return err;
    uint16_t *rows = cset_edit(s, 0);
    for (uint32_t i = s->n; i-- > 0;) {
        uint16_t *to = rows + (size_t)i * (old + 1);
        const uint16_t *from = rows + (size_t)i * old;
        memmove(to + before + 1, from + before, (old - before) * sizeof *rows);
        memmove(to, from, before * sizeof *rows);
        to[before] = value;
    }
    s->slots++;
    return AT_OK;
}

/* Adds the row without its slot to the set. */
static enum at_err add_without(struct cset *out, const uint16_t *row, uint32_t slot, const struct steps *st)
{
    uint16_t next[ROW_MAX];
    bool added;
    copy_row(next, row, 1 + slot);
    copy_row(next + 1 + slot, row + 2 + slot, out->slots - slot);
    return cset_add(out, next, st, &added);
}

enum at_err cset_drop_slot(struct cset *s, uint32_t slot, const struct steps *st, struct scratch *tmp)
{
    uint32_t stride = cset_stride(s);
    uint16_t row[ROW_MAX];
    enum at_err err = AT_OK;
    cset_reset(&tmp->set, (uint8_t)(s->slots - 1));
    for (uint32_t i = 0; i < s->n && !err; i++) {
        const uint16_t *from = cset_row(s, i);
        err = add_without(&tmp->set, from, slot, st);
        for (unsigned d = 0; d < DEBTS && !err; d++) {
            if (!(from[1 + slot] & SLOT_CANDIDATE(d)))
                continue;
            copy_row(row, from, stride); /* or it was the one that raised the prompt */
            clear_debt(row, stride, d);
            err = add_without(&tmp->set, row, slot, st);
        }
    }
    return err ? err : cset_copy(s, &tmp->set);
}

uint8_t cset_states(const struct cset *s)
{
    uint8_t mask = 0;
    for (uint32_t i = 0; i < s->n; i++)
        mask |= (uint8_t)(1u << (cset_row(s, i)[0] & BASE_STATE));
    return mask;
}

bool cset_any_up(const struct cset *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (cset_row(s, i)[0] & BASE_UP)
            return true;
    return false;
}

uint8_t cset_outcomes(const struct cset *s, uint32_t slot)
{
    unsigned mask = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint16_t word = cset_row(s, i)[1 + slot];
        mask |= word & SLOT_WAITING ? 0 : word & SLOT_OUTCOMES;
        for (unsigned d = 0; d < DEBT_UP; d++)
            mask |= word & SLOT_CANDIDATE(d) ? DEBT_OUTCOME(d) : 0;
    }
    return (uint8_t)mask;
}

/* ------------------------------------------------------------------------------------------ Steps on a row ---- */

static enum at_state after_reset(enum at_state state, const struct steps *st)
{
    if (state == AT_DENIED && st->fault == AT_FAULT_RESET_KEEPS_DENIALS)
        return state;
    if (state == AT_GRANTED && st->fault == AT_FAULT_RESET_KEEPS_GRANTS)
        return state;
    return AT_UNASKED; /* R10 */
}

void row_reset(uint16_t *row, uint8_t slots, const struct steps *st)
{
    clear_debt(row, 1u + slots, DEBT_UP);
    row[0] = (uint16_t)((row[0] & BASE_DEBTS) | after_reset(row[0] & BASE_STATE, st));
    for (uint32_t i = 1; i <= slots; i++) {
        row[i] &= (uint16_t)~SLOT_JOINED;
        if (row[i] & SLOT_WAITING)
            row[i] = 0;
    }
}

void row_flip(uint16_t *row, uint8_t slots, enum at_state state, const struct steps *st)
{
    bool joined = (row[0] & BASE_UP) && !st->join && joins(row[0], st);
    for (uint32_t i = 1; i <= slots && joined; i++)
        if (slot_open(row[i]))
            row[i] |= SLOT_JOINED;
    row[0] = (uint16_t)((row[0] & ~BASE_STATE) | state);
}

static enum at_state stored(enum at_answer answer, const struct steps *st)
{
    switch (answer) {
    case AT_ANSWER_ALLOW: /* R3 */
        return st->fault == AT_FAULT_GRANT_STORED_AS_DENIAL ? AT_DENIED : AT_GRANTED;
    case AT_ANSWER_DENY: /* R4 */
        return st->fault == AT_FAULT_DENIAL_STORED_AS_GRANT ? AT_GRANTED : AT_DENIED;
    case AT_ANSWER_DISMISS: /* R15 */
    default:
        return st->dismiss_denies || st->fault == AT_FAULT_DISMISSAL_STORED_AS_DENIAL ? AT_DENIED : AT_UNASKED;
    }
}

/* The states that a decision may leave of `state`: more than one where the platform lacks the rule. */
static uint8_t after_decision(enum at_answer answer, enum at_state state, const struct steps *st)
{
    unsigned states = 1u << stored(answer, st);
    if ((answer == AT_ANSWER_ALLOW && lacks_rule(st, 3)) || (answer == AT_ANSWER_DENY && lacks_rule(st, 4)))
        states |= 1u << AT_UNASKED;
    if (answer == AT_ANSWER_DISMISS && lacks_rule(st, 15))
        states |= 1u << AT_UNASKED | 1u << AT_DENIED | 1u << state;
    return (uint8_t)states;
}

static unsigned debt_of(enum at_answer answer)
{
    return answer == AT_ANSWER_ALLOW ? DEBT_ALLOWED : answer == AT_ANSWER_DENY ? DEBT_DENIED : DEBT_DISMISSED;
}

static enum at_err put_row(struct at_buf *out, const uint16_t *row, uint32_t stride)
{
    return at_buf_add(out, row, stride * sizeof *row);
}

/* The decision, on a row that has no debt of this outcome yet; `states`: what it may leave. */
static enum at_err decide(const uint16_t *row, uint8_t slots, unsigned d, uint8_t states, const struct steps *st,
                          struct at_buf *out)
{
    uint16_t next[ROW_MAX];
    bool raised = row[0] & BASE_DEBT(DEBT_UP), may_join = joins(row[0], st);
    enum at_err err = AT_OK;
    copy_row(next, row, 1u + slots);
    next[0] = (uint16_t)(row[0] & BASE_DEBTS & ~BASE_DEBT(DEBT_UP));
    if (raised)
        next[0] |= (uint16_t)BASE_DEBT(d);
    for (uint32_t i = 1; i <= slots; i++) {
        if (next[i] & SLOT_WAITING)
            next[i] = (uint16_t)(SLOT_DONE | DEBT_OUTCOME(d));
        else if (slot_open(next[i]) && (may_join || (next[i] & SLOT_JOINED)))
            next[i] |= (uint16_t)DEBT_OUTCOME(d);
        next[i] &= (uint16_t)~SLOT_JOINED;
        if (next[i] & SLOT_CANDIDATE(DEBT_UP))
            next[i] = (uint16_t)((next[i] & ~SLOT_CANDIDATE(DEBT_UP)) | SLOT_CANDIDATE(d));
    }
    uint16_t base = next[0];
    for (uint16_t state = 0; state < AT_STATES && !err; state++) {
        next[0] = base | state;
        if (states >> state & 1)
            err = put_row(out, next, 1u + slots);
    }
    return err;
}

enum at_err row_decide(const uint16_t *row, uint8_t slots, enum at_answer answer, const struct steps *st,
                       struct at_buf *out)
{
    unsigned d = debt_of(answer);
    uint8_t states = after_decision(answer, row[0] & BASE_STATE, st);
    uint16_t paid[ROW_MAX];
    enum at_err err = AT_OK;
    if (!(row[0] & BASE_DEBT(d)) || !(row[0] & BASE_DEBT(DEBT_UP)))
        return decide(row, slots, d, states, st, out);
    for (uint32_t i = 0; i < slots && !err; i++) { /* a second debt of the kind: the first one is some call's */
        if (!(row[1 + i] & SLOT_CANDIDATE(d)))
            continue;
        copy_row(paid, row, 1u + slots);
        pay_debt(paid, 1u + slots, d, i);
        err = decide(paid, slots, d, states, st, out);
    }
    return err;
}

/* A prompt that any of the open calls may have raised, or one that has no slot. */
static enum at_err prompt_any(const uint16_t *row, uint8_t slots, const struct steps *st, struct at_buf *out)
{
    uint16_t next[ROW_MAX];
    bool any = false;
    enum at_err err = AT_OK;
    copy_row(next, row, 1u + slots);
    next[0] |= BASE_UP;
    if (st->spare_call)
        err = put_row(out, next, 1u + slots);
    next[0] |= (uint16_t)BASE_DEBT(DEBT_UP);
    for (uint32_t i = 1; i <= slots; i++) {
        if (!slot_open(next[i]))
            continue;
        next[i] |= (uint16_t)SLOT_CANDIDATE(DEBT_UP);
        any = true;
    }
    return any && !err ? put_row(out, next, 1u + slots) : err;
}

enum at_err row_prompt(const uint16_t *row, uint8_t slots, uint32_t slot, const struct steps *st, struct at_buf *out)
{
    uint16_t next[ROW_MAX];
    enum at_err err = AT_OK;
    if (slot < slots) {
        copy_row(next, row, 1u + slots);
        next[0] |= BASE_UP;
        next[1 + slot] = SLOT_WAITING;
        return put_row(out, next, 1u + slots);
    }
    if (!(row[0] & BASE_DEBT(DEBT_UP)))
        return prompt_any(row, slots, st, out);
    for (uint32_t i = 0; i < slots && !err; i++) { /* one is up already, for one of its candidates */
        if (!(row[1 + i] & SLOT_CANDIDATE(DEBT_UP)))
            continue;
        copy_row(next, row, 1u + slots);
        pay_debt(next, 1u + slots, DEBT_UP, i);
        err = prompt_any(next, slots, st, out);
    }
    return err;
}

enum at_err row_force_prompt(const uint16_t *row, uint8_t slots, uint32_t slot, struct at_buf *out)
{
    uint16_t next[ROW_MAX];
    copy_row(next, row, 1u + slots);
    next[0] |= BASE_UP;
    if (slot >= slots)
        return put_row(out, next, 1u + slots);
    next[1 + slot] = SLOT_WAITING;
    enum at_err err = put_row(out, next, 1u + slots);
    for (unsigned d = 0; d < DEBTS && !err; d++) { /* or it is the one that owed */
        if (!(row[1 + slot] & SLOT_CANDIDATE(d)))
            continue;
        copy_row(next, row, 1u + slots);
        pay_debt(next, 1u + slots, d, slot);
        next[0] |= BASE_UP;
        next[1 + slot] = SLOT_WAITING;
        err = put_row(out, next, 1u + slots);
    }
    return err;
}

enum at_err row_outcome(const uint16_t *row, uint8_t slots, uint32_t slot, uint8_t wanted, struct at_buf *out)
{
    uint16_t next[ROW_MAX];
    uint16_t word = row[1 + slot];
    enum at_err err = AT_OK;
    if (!(word & SLOT_WAITING) && (word & wanted)) {
        copy_row(next, row, 1u + slots);
        no_candidate(next, slot);
        next[1 + slot] = (uint16_t)(SLOT_DONE | (word & wanted));
        err = put_row(out, next, 1u + slots);
    }
    for (unsigned d = 0; d < DEBT_UP && !err; d++) {
        if (!(word & SLOT_CANDIDATE(d)) || !(DEBT_OUTCOME(d) & wanted))
            continue;
        copy_row(next, row, 1u + slots);
        pay_debt(next, 1u + slots, d, slot);
        err = put_row(out, next, 1u + slots);
    }
    return err;
}

/* Whether a call makes the host prompt in this state, and nothing else. */
static bool must_prompt(enum at_state state, const struct steps *st)
{
    if (!st->prompts)
        return false;
    switch (state) {
    case AT_DENIED:
        return st->fault == AT_FAULT_DENIED_REPROMPTS;
    case AT_GRANTED:
        return st->fault == AT_FAULT_GRANTED_REPROMPTS;
    case AT_UNASKED: /* R2 */
    default:
        return st->fault != AT_FAULT_UNASKED_PASSES && st->fault != AT_FAULT_UNASKED_FAILS;
    }
}

bool state_prompts(enum at_state state, const struct steps *st)
{
    bool may = (state == AT_GRANTED && lacks_rule(st, 5)) || (state == AT_DENIED && lacks_rule(st, 6));
    return must_prompt(state, st) || (st->prompts && may);
}

/* How a call of a scope in this state may be answered at once, without a prompt; 0: in no way. */
static uint8_t outcome_of(enum at_state state, const struct steps *st)
{
    uint8_t unasked = state == AT_UNASKED && lacks_rule(st, 2) ? SLOT_OK_STATE | SLOT_DENIED_STATE : 0;
    if (must_prompt(state, st))
        return unasked;
    switch (state) {
    case AT_GRANTED: /* R5 */
        return SLOT_OK_STATE;
    case AT_DENIED: /* R6 */
        return st->fault == AT_FAULT_DENIED_PASSES ? SLOT_OK_STATE : SLOT_DENIED_STATE;
    case AT_UNASKED:
    default:
        return st->fault == AT_FAULT_UNASKED_PASSES  ? SLOT_OK_STATE
               : st->fault == AT_FAULT_UNASKED_FAILS ? SLOT_DENIED_STATE
                                                     : SLOT_UNAUTHORIZED | unasked;
    }
}

/* ------------------------------------------------------------------------------------------- Silent steps ---- */

/*
 * Every open call may settle as the state has it (R5, R6), the prompt not being up. Where a prompt and its decision can
 * go unseen and change nothing (its dismissal, by R15), every call may have had its own.
 */
static void row_settle(uint16_t *row, uint8_t slots, const struct steps *st)
{
    enum at_state state = row[0] & BASE_STATE;
    if (row[0] & BASE_UP)
        return;
    unsigned outcome = outcome_of(state, st);
    bool unseen = st->hidden_prompts && st->hidden_decisions && state_prompts(state, st);
    for (enum at_answer a = AT_ANSWER_ALLOW; unseen && a <= AT_ANSWER_DISMISS; a++)
        if (after_decision(a, state, st) >> state & 1)
            outcome |= DEBT_OUTCOME(debt_of(a));
    for (uint32_t i = 1; i <= slots && outcome; i++)
        if (slot_open(row[i]))
            row[i] |= (uint16_t)outcome;
}

/* Appends the rows that one silent step leads to. */
static enum at_err successors(const uint16_t *row, uint8_t slots, const struct steps *st, struct at_buf *out)
{
    enum at_state state = row[0] & BASE_STATE;
    bool up = row[0] & BASE_UP;
    uint16_t next[ROW_MAX];
    enum at_err err = AT_OK;
    if (st->hidden_prompts && state_prompts(state, st) && (!up || st->reprompt))
        err = row_prompt(row, slots, UINT32_MAX, st, out);
    for (enum at_answer a = AT_ANSWER_ALLOW; st->hidden_decisions && up && a <= AT_ANSWER_DISMISS && !err; a++)
        err = row_decide(row, slots, a, st, out);
    bool flips = st->flips && (state != AT_UNASKED || lacks_rule(st, 9)) && st->fault != AT_FAULT_FLIP_IGNORED;
    for (enum at_state to = AT_GRANTED; flips && to <= AT_DENIED && !err; to++) {
        if (to == state)
            continue;
        copy_row(next, row, 1u + slots);
        row_flip(next, slots, to, st);
        err = put_row(out, next, 1u + slots);
    }
    return err;
}

/* Takes the rows of `from`: each that is new goes into the set, and on the stack to have its own successors looked for.
 */
static enum at_err reach(struct cset *set, const struct at_buf *from, const struct steps *st, struct at_buf *stack)
{
    uint32_t stride = cset_stride(set);
    uint16_t row[ROW_MAX];
    enum at_err err = AT_OK;
    for (size_t at = 0; at < from->len && !err; at += stride * sizeof row[0]) {
        bool added;
        memcpy(row, from->ptr + at, stride * sizeof row[0]);
        row_settle(row, set->slots, st);
        err = cset_add(set, row, st, &added);
        if (!err && added)
            err = put_row(stack, row, stride);
    }
    return err;
}

enum at_err cset_close(struct cset *s, const struct steps *st, struct scratch *tmp)
{
    size_t row_bytes = cset_stride(s) * sizeof(uint16_t);
    uint16_t row[ROW_MAX];
    cset_reset(&tmp->set, s->slots);
    tmp->stack.len = tmp->rows.len = 0;
    enum at_err err = at_buf_add(&tmp->rows, cset_row(s, 0), s->n * row_bytes);
    if (!err)
        err = reach(&tmp->set, &tmp->rows, st, &tmp->stack);
    while (!err && tmp->stack.len) {
        tmp->stack.len -= row_bytes;
        memcpy(row, tmp->stack.ptr + tmp->stack.len, row_bytes);
        tmp->rows.len = 0;
        err = successors(row, s->slots, st, &tmp->rows);
        if (!err)
            err = reach(&tmp->set, &tmp->rows, st, &tmp->stack);
    }
    return err ? err : cset_copy(s, &tmp->set);
}
