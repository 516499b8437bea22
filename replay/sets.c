/* sets.c: the automaton of sets of configurations, built while it is used. */
#include "replay/sets.h"
#include "replay/edges.h"

#include <stdlib.h>
#include <string.h>

#define NO_SET UINT32_MAX

struct entry {
    struct cset set;
    bool any_up;
};

struct set_table {
    struct steps policies;
    struct entry *entries;
    uint8_t *states; /* of each entry */
    uint32_t n, cap;
    struct at_slots slots; /* entry numbers */
    struct edge_table edges;
    size_t row_bytes;
    struct scratch scratch;
    struct cset work;
    struct entry *old; /* while collecting: what there was */
    uint32_t n_old;
    uint32_t *renamed;
};

enum at_err sets_new(const struct steps *policies, struct set_table **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    (*out)->policies = *policies;
    return edges_room(&(*out)->edges);
}

static void free_entries(struct entry *entries, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        cset_free(&entries[i].set);
    free(entries);
}

void sets_free(struct set_table **table)
{
    struct set_table *t = *table;
    if (!t)
        return;
    free_entries(t->entries, t->n);
    free(t->states);
    at_slots_free(&t->slots);
    edges_free(&t->edges);
    cset_free(&t->scratch.set);
    cset_free(&t->work);
    at_buf_free(&t->scratch.stack);
    at_buf_free(&t->scratch.rows);
    free(t);
    *table = NULL;
}

const struct cset *sets_get(const struct set_table *t, uint32_t id)
{
    return &t->entries[id].set;
}

uint8_t sets_states(const struct set_table *t, uint32_t id)
{
    return t->states[id];
}

const uint8_t *sets_states_of_all(const struct set_table *t)
{
    return t->states;
}

bool sets_any_up(const struct set_table *t, uint32_t id)
{
    return t->entries[id].any_up;
}

size_t sets_bytes(const struct set_table *t)
{
    return t->row_bytes + t->n * (sizeof *t->entries + sizeof *t->states) + t->edges.cap * sizeof *t->edges.edges;
}

/* --------------------------------------------------------------------------------------------- Numbering ---- */

/* Rows in order, so that equal sets are equal bytes. Insertion sort: sets are small or rare. */
static void sort_rows(struct cset *s)
{
    uint32_t stride = cset_stride(s);
    size_t bytes = stride * sizeof(uint16_t);
    uint16_t row[ROW_MAX];
    for (uint32_t i = 1; i < s->n; i++) {
        uint32_t k = i;
        memcpy(row, cset_row(s, i), bytes);
        for (; k > 0 && memcmp(cset_row(s, k - 1), row, bytes) > 0; k--)
            memcpy(cset_edit(s, k), cset_row(s, k - 1), bytes);
        memcpy(cset_edit(s, k), row, bytes);
    }
}

static size_t set_bytes(const struct cset *s)
{
    return (size_t)s->n * cset_stride(s) * sizeof(uint16_t);
}

static bool same_set(const struct cset *a, const struct cset *b)
{
    return a->n == b->n && a->slots == b->slots && !memcmp(cset_row(a, 0), cset_row(b, 0), set_bytes(a));
}

static uint32_t find(const struct set_table *t, const struct cset *s, uint32_t hash)
{
    uint32_t mask = t->slots.n - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        const struct at_slot *slot = &t->slots.at[i];
        if (slot->id == AT_SLOT_FREE || (slot->hash == hash && same_set(&t->entries[slot->id].set, s)))
            return slot->id;
    }
}

static enum at_err grow_entries(struct set_table *t)
{
    if (t->n == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 64;
        struct entry *entries = realloc(t->entries, cap * sizeof *entries);
        if (!entries)
            return AT_NOMEM;
        t->entries = entries;
        uint8_t *states = realloc(t->states, cap * sizeof *states);
        if (!states)
            return AT_NOMEM;
        t->states = states;
        t->cap = cap;
    }
    return at_slots_room(&t->slots);
}

/* The number of a set, given to it if it is new. Sorts its rows. */
static enum at_err number(struct set_table *t, struct cset *s, uint32_t *id)
{
    enum at_err err = grow_entries(t);
    if (err)
        return err;
    sort_rows(s);
    uint32_t hash = (uint32_t)at_hash(cset_row(s, 0), set_bytes(s), s->slots);
    *id = find(t, s, hash);
    if (*id != AT_SLOT_FREE)
        return AT_OK;
    struct entry *e = &t->entries[t->n];
    *e = (struct entry){.any_up = cset_any_up(s)};
    err = cset_copy(&e->set, s);
    if (err)
        return err;
    t->states[t->n] = cset_states(s);
    *id = t->n++;
    at_slots_put(&t->slots, hash, *id);
    t->row_bytes += e->set.heap ? e->set.heap_words * sizeof(uint16_t) : 0;
    return AT_OK;
}

enum at_err sets_start(struct set_table *t, uint8_t states, bool maybe_up, uint32_t *id)
{
    struct cset s = {.slots = 0};
    struct steps st = t->policies;
    st.prompts = true;
    for (uint16_t state = 0; state < AT_STATES; state++)
        if (states >> state & 1)
            s.room[s.n++] = state;
    for (uint16_t state = 0; state < AT_STATES && maybe_up; state++)
        if (state == AT_UNASKED || state_prompts(state, &st))
            s.room[s.n++] = state | BASE_UP;
    return number(t, &s, id);
}

/* ------------------------------------------------------------------------------------------------- Steps ---- */

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
static bool row_allows(const uint16_t *row, uint32_t slots, const struct step *a, const struct steps *st)
{
    enum at_state state = row[0] & BASE_STATE;
    bool up = row[0] & BASE_UP;
    switch (a->kind) {
    case STEP_PROMPT:
        return state_prompts(state, st) && (!up || st->reprompt) && prompt_has_call(row, slots, a->slot, st);
    case STEP_DECISION:
        return up;
    case STEP_SETTINGS:
        return state != AT_UNASKED || lacks_rule(st, 9);
    case STEP_PAGE:
        return a->value >> state & 1;
    case STEP_SNAPSHOT:
        return row[1 + a->slot] & SLOT_OUTCOMES & a->value;
    case STEP_CLOSE:
    case STEP_ADD_SLOT:
    case STEP_DROP_SLOT:
    case STEP_SEE:
    case STEP_FORGET:
    case STEP_RESET:
    case STEP_OUTCOME:
    default:
        return true;
    }
}

static enum at_err put_row(struct at_buf *out, const uint16_t *row, uint32_t slots)
{
    return at_buf_add(out, row, (1u + slots) * sizeof *row);
}

static enum at_err put_with_state(const uint16_t *row, uint8_t slots, uint16_t state, struct at_buf *out)
{
    uint16_t next[ROW_MAX];
    memcpy(next, row, (1u + slots) * sizeof next[0]);
    next[0] = (uint16_t)((row[0] & ~BASE_STATE) | state);
    return put_row(out, next, slots);
}

/*
 * A prompt. Where its precondition is waived, first the state is; then the call as well: the one named waits, whatever
 * became of it before, and where none is named nobody does.
 */
static enum at_err raise_prompt(const uint16_t *row, uint8_t slots, const struct step *a, const struct steps *st,
                                struct at_buf *out)
{
    if (!a->waive || a->value != WAIVE_CALL)
        return prompt_has_call(row, slots, a->slot, st) ? row_prompt(row, slots, a->slot, st, out) : AT_OK;
    return row_force_prompt(row, slots, a->slot, out);
}

static enum at_err forget(uint16_t *row, uint8_t slots, uint8_t states, const struct steps *st, struct at_buf *out)
{
    enum at_err err = AT_OK;
    row_reset(row, slots, st);
    for (uint16_t state = 0; state < AT_STATES && !err; state++)
        if (states >> state & 1)
            err = put_with_state(row, slots, state, out);
    return err;
}

/* Appends what the step makes of a row. */
static enum at_err row_step(const uint16_t *row, uint8_t slots, const struct step *a, const struct steps *st,
                            struct at_buf *out)
{
    uint16_t next[ROW_MAX];
    enum at_err err = AT_OK;
    memcpy(next, row, (1u + slots) * sizeof next[0]);
    switch (a->kind) {
    case STEP_PROMPT:
        return raise_prompt(row, slots, a, st, out);
    case STEP_DECISION:
        if (a->value)
            return row_decide(row, slots, (enum at_answer)a->value, st, out);
        for (enum at_answer answer = AT_ANSWER_ALLOW; answer <= AT_ANSWER_DISMISS && !err; answer++)
            err = row_decide(row, slots, answer, st, out);
        return err;
    case STEP_OUTCOME:
        return row_outcome(row, slots, a->slot, a->value, out);
    case STEP_FORGET:
        return forget(next, slots, a->value, st, out);
    case STEP_SETTINGS:
        if (lacks_rule(st, 9))
            err = put_row(out, next, slots);
        if (st->fault != AT_FAULT_FLIP_IGNORED)
            row_flip(next, slots, (enum at_state)a->value, st);
        break;
    case STEP_RESET:
        row_reset(next, slots, st);
        if (lacks_rule(st, 10))
            err = put_with_state(next, slots, row[0] & BASE_STATE, out);
        break;
    case STEP_SEE:
        next[1 + a->slot] = (uint16_t)SLOT_SAW(next[0] & BASE_STATE);
        break;
    case STEP_CLOSE:
    case STEP_ADD_SLOT:
    case STEP_DROP_SLOT:
    case STEP_PAGE:
    case STEP_SNAPSHOT:
    default:
        break;
    }
    return err ? err : put_row(out, next, slots);
}

/* Row by row, for the steps that are not about slots as such. The result stands in t->work. */
static enum at_err step_rows(struct set_table *t, const struct cset *from, const struct step *a, const struct steps *st)
{
    struct at_buf *rows = &t->scratch.rows;
    uint16_t row[ROW_MAX];
    bool added;
    enum at_err err = AT_OK;
    rows->len = 0;
    cset_reset(&t->work, from->slots);
    for (uint32_t i = 0; i < from->n && !err; i++)
        if (a->waive || row_allows(cset_row(from, i), from->slots, a, st))
            err = row_step(cset_row(from, i), from->slots, a, st, rows);
    size_t row_bytes = cset_stride(from) * sizeof row[0];
    for (size_t at = 0; at < rows->len && !err; at += row_bytes) {
        memcpy(row, rows->ptr + at, row_bytes);
        err = cset_add(&t->work, row, st, &added);
    }
    return err;
}

/* Works a step out. The result stands in t->work. */
static enum at_err work_out(struct set_table *t, uint32_t from, const struct step *a, const struct steps *st)
{
    const struct cset *set = &t->entries[from].set;
    enum at_err err;
    if (a->kind != STEP_CLOSE && a->kind != STEP_ADD_SLOT && a->kind != STEP_DROP_SLOT)
        return step_rows(t, set, a, st);
    err = cset_copy(&t->work, set);
    if (err)
        return err;
    if (a->kind == STEP_CLOSE)
        return cset_close(&t->work, st, &t->scratch);
    if (a->kind == STEP_ADD_SLOT)
        return cset_add_slot(&t->work, a->slot, a->value ? SLOT_UNSEEN : 0);
    return cset_drop_slot(&t->work, a->slot, st, &t->scratch);
}

/* All that a step depends on, besides the policies. */
static uint64_t key_of(uint32_t from, const struct step *a, const struct steps *st)
{
    uint32_t flags = st->hidden_prompts | (uint32_t)st->hidden_decisions << 1 | (uint32_t)st->flips << 2 |
                     (uint32_t)st->prompts << 3 | (uint32_t)st->spare_call << 4 | (uint32_t)a->waive << 5;
    return edge_key(from, (uint32_t)a->kind << 24 | (uint32_t)a->slot << 16 | (uint32_t)a->value << 8 | flags);
}

enum at_err sets_step(struct set_table *t, uint32_t from, const struct step *step, const struct steps *given,
                      uint32_t *to)
{
    uint64_t key = key_of(from, step, given);
    const struct edge *e = edge_of(&t->edges, key);
    if (e->key) {
        *to = e->result.to;
        return AT_OK;
    }
    struct steps st = t->policies;
    st.hidden_prompts = given->hidden_prompts;
    st.hidden_decisions = given->hidden_decisions;
    st.flips = given->flips;
    st.prompts = given->prompts;
    st.spare_call = given->spare_call;
    enum at_err err = work_out(t, from, step, &st);
    if (!err)
        err = number(t, &t->work, to);
    return err ? err : edges_add(&t->edges, key, &(struct op_result){.to = *to});
}

bool sets_covers(const struct set_table *t, uint32_t a, uint32_t b, const struct steps *given)
{
    if (a == b)
        return true;
    struct steps st = t->policies;
    st.hidden_prompts = given->hidden_prompts;
    return cset_covers(&t->entries[a].set, &t->entries[b].set, &st);
}

/* -------------------------------------------------------------------------------------------- Collecting ---- */

void sets_keep_begin(struct set_table *t)
{
    t->renamed = malloc(((size_t)t->n + 1) * sizeof *t->renamed);
    if (!t->renamed)
        return; /* nothing is collected this time */
    memset(t->renamed, 0xff, ((size_t)t->n + 1) * sizeof *t->renamed);
    t->old = t->entries;
    t->n_old = t->n;
    t->entries = NULL;
    t->n = t->cap = 0;
    t->row_bytes = 0;
    at_slots_free(&t->slots);
    edges_clear(&t->edges);
}

enum at_err sets_keep(struct set_table *t, uint32_t *id)
{
    if (!t->renamed)
        return AT_OK;
    uint32_t *now = &t->renamed[*id];
    enum at_err err = *now == NO_SET ? number(t, &t->old[*id].set, now) : AT_OK;
    if (!err)
        *id = *now;
    return err;
}

void sets_keep_end(struct set_table *t)
{
    if (!t->renamed)
        return;
    free_entries(t->old, t->n_old);
    free(t->renamed);
    t->old = NULL;
    t->renamed = NULL;
    t->n_old = 0;
}
