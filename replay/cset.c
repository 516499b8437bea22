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

static enum at_err reserve(struct cset *s, size_t bytes)
{
    if (bytes <= (s->heap ? s->heap_bytes : sizeof s->room))
        return AT_OK;
    size_t cap = bytes * 2;
    if (cap > UINT32_MAX)
        return AT_LIMIT;
    uint8_t *heap = realloc(s->heap, cap);
    if (!heap)
        return AT_NOMEM;
    if (!s->heap)
        memcpy(heap, s->room, sizeof s->room);
    s->heap = heap;
    s->heap_bytes = (uint32_t)cap;
    return AT_OK;
}

enum at_err cset_copy(struct cset *to, const struct cset *from)
{
    size_t bytes = (size_t)from->n * cset_stride(from);
    enum at_err err = reserve(to, bytes);
    if (err)
        return err;
    to->n = from->n;
    to->slots = from->slots;
    memcpy(cset_rows(to), cset_crow(from, 0), bytes);
    return AT_OK;
}

/* Whether slot byte `a` offers all that `b` does; see "Dominance" in cset.h. */
static bool slot_dominates(uint8_t a, uint8_t b, const struct steps *st)
{
    if (a == b)
        return true;
    if ((a & SLOT_WAITING) || b == SLOT_UNSEEN) /* what has been seen cannot be seen again later, otherwise */
        return false;
    if (b & SLOT_WAITING)
        return !(a & SLOT_DONE) && (st->join || (st->reprompt && st->hidden_prompts));
    if ((a & SLOT_DONE) && !(b & SLOT_DONE))
        return false;
    return (b & SLOT_OUTCOMES & ~a) == 0;
}

static bool row_dominates(const uint8_t *a, const uint8_t *b, uint32_t stride, const struct steps *st)
{
    if (a[0] != b[0])
        return false;
    for (uint32_t i = 1; i < stride; i++)
        if (!slot_dominates(a[i], b[i], st))
            return false;
    return true;
}

static void remove_row(struct cset *s, uint32_t i)
{
    uint32_t stride = cset_stride(s);
    s->n--;
    if (i != s->n)
        memcpy(cset_row(s, i), cset_row(s, s->n), stride);
}

enum at_err cset_add(struct cset *s, const uint8_t *row, const struct steps *st, bool *added)
{
    uint32_t stride = cset_stride(s);
    *added = false;
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
    memcpy(cset_row(s, s->n), row, stride);
    s->n++;
    *added = true;
    return AT_OK;
}

enum at_err cset_add_slot(struct cset *s, uint8_t value)
{
    if (s->slots >= SLOTS_MAX)
        return AT_LIMIT;
    uint32_t old = cset_stride(s);
    enum at_err err = reserve(s, (size_t)s->n * (old + 1));
    if (err)
        return err;
    uint8_t *rows = cset_rows(s);
    for (uint32_t i = s->n; i-- > 0;) {
        memmove(rows + (size_t)i * (old + 1), rows + (size_t)i * old, old);
        rows[(size_t)i * (old + 1) + old] = value;
    }
    s->slots++;
    return AT_OK;
}

/* Adds the rows again one by one, so that none is dominated by another. */
static enum at_err renew(struct cset *s, const struct steps *st)
{
    uint32_t n = s->n, stride = cset_stride(s);
    bool added;
    uint8_t row[1 + SLOTS_MAX];
    s->n = 0;
    for (uint32_t i = 0; i < n; i++) { /* row i is read before the at most i rows kept so far reach it */
        memcpy(row, cset_row(s, i), stride);
        enum at_err err = cset_add(s, row, st, &added);
        if (err)
            return err;
    }
    return AT_OK;
}

enum at_err cset_drop_slot(struct cset *s, uint32_t slot, const struct steps *st)
{
    uint32_t old = cset_stride(s), at = slot + 1;
    uint8_t *rows = cset_rows(s);
    for (uint32_t i = 0; i < s->n; i++) {
        uint8_t *from = rows + (size_t)i * old, *to = rows + (size_t)i * (old - 1);
        memmove(to, from, at);
        memmove(to + at, from + at + 1, old - at - 1);
    }
    s->slots--;
    return s->n > 1 ? renew(s, st) : AT_OK;
}

bool cset_covers(const struct cset *a, const struct cset *b, const struct steps *st)
{
    uint32_t stride = cset_stride(a);
    if (a->slots != b->slots)
        return false;
    for (uint32_t i = 0; i < b->n; i++) {
        bool found = false;
        for (uint32_t k = 0; k < a->n && !found; k++)
            found = row_dominates(cset_crow(a, k), cset_crow(b, i), stride, st);
        if (!found)
            return false;
    }
    return true;
}

uint8_t cset_states(const struct cset *s)
{
    uint8_t mask = 0;
    for (uint32_t i = 0; i < s->n; i++)
        mask |= (uint8_t)(1u << (cset_crow(s, i)[0] & BASE_STATE));
    return mask;
}

bool cset_any_up(const struct cset *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (cset_crow(s, i)[0] & BASE_UP)
            return true;
    return false;
}

static enum at_state after_reset(enum at_state state, const struct steps *st)
{
    if (state == AT_DENIED && st->fault == AT_FAULT_RESET_KEEPS_DENIALS)
        return state;
    if (state == AT_GRANTED && st->fault == AT_FAULT_RESET_KEEPS_GRANTS)
        return state;
    return AT_UNASKED; /* R10 */
}

void row_reset(uint8_t *row, uint8_t slots, const struct steps *st)
{
    row[0] = (uint8_t)after_reset(row[0] & BASE_STATE, st);
    for (uint32_t i = 1; i <= slots; i++)
        if (row[i] & SLOT_WAITING)
            row[i] = 0;
}

static enum at_state after_decision(enum at_answer answer, const struct steps *st)
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

void row_decide(uint8_t *row, uint8_t slots, enum at_answer answer, const struct steps *st)
{
    uint8_t outcome = answer == AT_ANSWER_ALLOW  ? SLOT_OK_PROMPT
                      : answer == AT_ANSWER_DENY ? SLOT_DENIED_PROMPT
                                                 : SLOT_DISMISSED;
    bool joins = st->join || (st->reprompt && st->hidden_prompts);
    for (uint32_t i = 1; i <= slots; i++) {
        if (row[i] & SLOT_WAITING)
            row[i] = (uint8_t)(SLOT_DONE | outcome);
        else if (!(row[i] & SLOT_DONE) && joins)
            row[i] |= outcome;
    }
    row[0] = (uint8_t)after_decision(answer, st);
}

bool state_prompts(enum at_state state, const struct steps *st)
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

/* What a call of a scope in this state is answered at once, without a prompt; 0: it is not. */
static uint8_t outcome_of(enum at_state state, const struct steps *st)
{
    if (state_prompts(state, st))
        return 0;
    switch (state) {
    case AT_GRANTED: /* R5 */
        return SLOT_OK_STATE;
    case AT_DENIED: /* R6 */
        return st->fault == AT_FAULT_DENIED_PASSES ? SLOT_OK_STATE : SLOT_DENIED_STATE;
    case AT_UNASKED:
    default:
        return st->fault == AT_FAULT_UNASKED_PASSES  ? SLOT_OK_STATE
               : st->fault == AT_FAULT_UNASKED_FAILS ? SLOT_DENIED_STATE
                                                     : SLOT_UNAUTHORIZED;
    }
}

/* Every open call may settle as the state has it (R5, R6), the prompt not being up. */
static void row_settle(uint8_t *row, uint8_t slots, const struct steps *st)
{
    uint8_t outcome = row[0] & BASE_UP ? 0 : outcome_of(row[0], st);
    for (uint32_t i = 1; i <= slots && outcome; i++)
        if (!(row[i] & (SLOT_WAITING | SLOT_DONE)))
            row[i] |= outcome;
}

struct search {
    struct cset *out;
    const struct steps *st;
    struct at_buf *stack;
};

/* Takes a row that is reached: once it is new, its own successors will be looked for. */
static enum at_err reach(const struct search *q, uint8_t *row)
{
    bool added;
    row_settle(row, q->out->slots, q->st);
    enum at_err err = cset_add(q->out, row, q->st, &added);
    if (!err && added)
        err = at_buf_add(q->stack, row, cset_stride(q->out));
    return err;
}

static enum at_err hidden_prompts(const struct search *q, const uint8_t *row)
{
    uint32_t stride = cset_stride(q->out);
    uint8_t next[1 + SLOTS_MAX];
    enum at_err err = AT_OK;
    memcpy(next, row, stride);
    next[0] |= BASE_UP;
    if (q->st->spare_call)
        err = reach(q, next);
    for (uint32_t i = 1; i < stride && !err; i++) {
        if (row[i] & (SLOT_WAITING | SLOT_DONE))
            continue;
        memcpy(next, row, stride);
        next[0] |= BASE_UP;
        next[i] = SLOT_WAITING;
        err = reach(q, next);
    }
    return err;
}

static enum at_err hidden_decisions(const struct search *q, const uint8_t *row)
{
    static const enum at_answer answers[] = {AT_ANSWER_ALLOW, AT_ANSWER_DENY, AT_ANSWER_DISMISS};
    uint8_t next[1 + SLOTS_MAX];
    enum at_err err = AT_OK;
    for (size_t i = 0; i < 3 && !err; i++) {
        memcpy(next, row, cset_stride(q->out));
        row_decide(next, q->out->slots, answers[i], q->st);
        err = reach(q, next);
    }
    return err;
}

static enum at_err successors(const struct search *q, const uint8_t *row)
{
    const struct steps *st = q->st;
    enum at_state state = row[0] & BASE_STATE;
    bool up = row[0] & BASE_UP;
    uint8_t next[1 + SLOTS_MAX];
    enum at_err err = AT_OK;
    if (st->hidden_prompts && state_prompts(state, st) && (!up || st->reprompt))
        err = hidden_prompts(q, row);
    if (!err && st->hidden_decisions && up)
        err = hidden_decisions(q, row);
    if (!err && st->flips && state != AT_UNASKED && st->fault != AT_FAULT_FLIP_IGNORED) {
        memcpy(next, row, cset_stride(q->out));
        next[0] = (uint8_t)((row[0] & BASE_UP) | (state == AT_GRANTED ? AT_DENIED : AT_GRANTED));
        err = reach(q, next);
    }
    return err;
}

enum at_err cset_close(struct cset *s, const struct steps *st, struct scratch *tmp)
{
    struct search q = {.out = &tmp->set, .st = st, .stack = &tmp->stack};
    uint32_t stride = cset_stride(s);
    uint8_t row[1 + SLOTS_MAX];
    enum at_err err = AT_OK;
    cset_reset(q.out, s->slots);
    tmp->stack.len = 0;
    for (uint32_t i = 0; i < s->n && !err; i++) {
        memcpy(row, cset_row(s, i), stride);
        err = reach(&q, row);
    }
    while (!err && tmp->stack.len) {
        tmp->stack.len -= stride;
        memcpy(row, tmp->stack.ptr + tmp->stack.len, stride);
        err = successors(&q, row);
    }
    if (!err)
        err = cset_copy(s, q.out);
    return err;
}
