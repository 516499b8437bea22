/* cells.c: the table of counts. Open addressing by the selected dimensions; a set of (cell, user) for distinct users.
 */
#include "analysis/cells.h"

#include <stdlib.h>
#include <string.h>

#define US_PER_HOUR INT64_C(3600000000)

uint64_t counts_unanswered(const struct counts *c)
{
    uint64_t answered = 0;
    for (size_t i = 0; i < AT_CLASSES; i++)
        answered += c->by_class[i];
    return c->calls - answered;
}

uint64_t counts_other(const struct counts *c)
{
    return c->calls - counts_unanswered(c) - c->by_class[AT_CLASS_OK] - c->by_class[AT_CLASS_DENIED] -
           c->by_class[AT_CLASS_DISMISSED] - c->by_class[AT_CLASS_UNAUTHORIZED];
}

void cells_free(struct cells *c)
{
    for (size_t i = 0; i < c->n; i++)
        quantiles_free(&c->list[i].counts.answer_us);
    free(c->list);
    free(c->slots);
    free(c->marked);
    free(c->marks);
    *c = (struct cells){.dims = c->dims};
}

void cells_seal(struct cells *c)
{
    for (size_t i = 0; i < c->n; i++)
        quantiles_seal(&c->list[i].counts.answer_us);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void make_key(const struct cells *c, const struct place *where, struct cell_key *key)
{
    memset(key, 0, sizeof *key);
    for (unsigned d = 0; d < DIM_STRINGS; d++)
        key->id[d] = c->dims & 1u << d ? where->id[d] : NO_ID;
    if (c->dims & (1u << DIM_HOUR | 1u << DIM_DAY)) {
        int64_t hours = floor_div(where->t_us, US_PER_HOUR);
        if (c->dims & 1u << DIM_HOUR)
            key->bucket[DIM_HOUR - DIM_STRINGS] = hours;
        if (c->dims & 1u << DIM_DAY)
            key->bucket[DIM_DAY - DIM_STRINGS] = floor_div(hours, 24);
    }
}

static uint32_t *slot_of(const struct cells *c, const struct cell_key *key)
{
    size_t mask = c->n_slots - 1;
    for (size_t i = (size_t)at_hash(key, sizeof *key, 0) & mask;; i = (i + 1) & mask)
        if (!c->slots[i] || !memcmp(&c->list[c->slots[i] - 1].key, key, sizeof *key))
            return &c->slots[i];
}

static enum at_err grow(struct cells *c)
{
    if (c->n >= UINT32_MAX / 2)
        return AT_LIMIT;
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 8;
        struct cell *list = realloc(c->list, cap * sizeof *list);
        if (!list)
            return AT_NOMEM;
        c->list = list;
        c->cap = cap;
    }
    if (c->n < c->n_slots / 2)
        return AT_OK;
    size_t n = c->n_slots ? c->n_slots * 2 : 32;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots)
        return AT_NOMEM;
    free(c->slots);
    c->slots = slots;
    c->n_slots = n;
    for (size_t i = 0; i < c->n; i++)
        *slot_of(c, &c->list[i].key) = (uint32_t)i + 1;
    return AT_OK;
}

static enum at_err find(struct cells *c, const struct place *where, uint32_t *out)
{
    struct cell_key key;
    make_key(c, where, &key);
    if (c->last < c->n && !memcmp(&c->list[c->last].key, &key, sizeof key)) {
        *out = c->last;
        return AT_OK;
    }
    enum at_err err = grow(c);
    if (err)
        return err;
    uint32_t *slot = slot_of(c, &key);
    if (!*slot) {
        c->list[c->n++] = (struct cell){.key = key};
        *slot = (uint32_t)c->n;
    }
    *out = c->last = *slot - 1;
    return AT_OK;
}

enum at_err cells_at(struct cells *c, const struct place *where, struct counts **out)
{
    uint32_t i = 0;
    enum at_err err = find(c, where, &i);
    *out = err ? NULL : &c->list[i].counts;
    return err;
}

static size_t marked_slot(const struct cells *c, uint64_t pair)
{
    size_t mask = c->marked_slots - 1;
    size_t i = (size_t)at_hash(&pair, sizeof pair, 0) & mask;
    while (c->marks[i] && c->marked[i] != pair)
        i = (i + 1) & mask;
    return i;
}

static enum at_err grow_marked(struct cells *c)
{
    if (c->n_marked < c->marked_slots / 2)
        return AT_OK;
    size_t old = c->marked_slots, n = old ? old * 2 : 64;
    uint64_t *pairs = c->marked;
    uint8_t *marks = c->marks;
    c->marked = calloc(n, sizeof *c->marked);
    c->marks = calloc(n, 1);
    if (!c->marked || !c->marks) {
        free(c->marked);
        free(c->marks);
        c->marked = pairs;
        c->marks = marks;
        return AT_NOMEM;
    }
    c->marked_slots = n;
    for (size_t i = 0; i < old; i++) {
        if (!marks[i])
            continue;
        size_t to = marked_slot(c, pairs[i]);
        c->marked[to] = pairs[i];
        c->marks[to] = marks[i];
    }
    free(pairs);
    free(marks);
    return AT_OK;
}

enum at_err cells_mark(struct cells *c, const struct place *where, uint32_t key, enum user_mark mark)
{
    uint32_t cell = 0;
    enum at_err err = find(c, where, &cell);
    if (!err)
        err = grow_marked(c);
    if (err)
        return err;
    uint64_t pair = (uint64_t)cell << 32 | key;
    size_t i = marked_slot(c, pair);
    uint8_t bit = (uint8_t)(1u << mark);
    if (c->marks[i] & bit)
        return AT_OK;
    c->n_marked += !c->marks[i];
    c->marked[i] = pair;
    c->marks[i] |= bit;
    c->list[cell].counts.users[mark]++;
    return AT_OK;
}
