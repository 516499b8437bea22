/* cells.c: the table of counts, found by the selected dimensions; a set of (cell, user) for distinct users. */
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
    for (size_t i = 0; i < c->n; i++) {
        quantiles_free(&c->list[i].counts.answer_us);
        quantiles_free(&c->list[i].counts.recovery_us);
    }
    free(c->list);
    at_intern_free(&c->keys);
    free(c->marked);
    free(c->marks);
    *c = (struct cells){.dims = c->dims};
}

void cells_seal(struct cells *c)
{
    for (size_t i = 0; i < c->n; i++) {
        quantiles_seal(&c->list[i].counts.answer_us);
        quantiles_seal(&c->list[i].counts.recovery_us);
    }
}

/* ---- Finding the cell of a place */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static struct cell_key key_of(const struct cells *c, const struct place *where)
{
    struct cell_key key = {.bucket = {0}};
    for (unsigned d = 0; d < DIM_STRINGS; d++)
        key.id[d] = c->dims & 1u << d ? where->id[d] : NO_ID;
    if (c->dims & (1u << DIM_HOUR | 1u << DIM_DAY)) {
        int64_t hour = floor_div(where->t_us, US_PER_HOUR);
        key.bucket[DIM_HOUR - DIM_STRINGS] = c->dims & 1u << DIM_HOUR ? hour : 0;
        key.bucket[DIM_DAY - DIM_STRINGS] = c->dims & 1u << DIM_DAY ? floor_div(hour, 24) : 0;
    }
    return key;
}

static enum at_err add_cell(struct cells *c, const struct cell_key *key)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 8;
        struct cell *list = realloc(c->list, cap * sizeof *list);
        if (!list)
            return AT_NOMEM;
        c->list = list;
        c->cap = cap;
    }
    c->list[c->n++] = (struct cell){.key = *key};
    return AT_OK;
}

enum at_err cells_find(struct cells *c, const struct place *where, uint32_t *out)
{
    const struct cell_key key = key_of(c, where);
    enum at_err err = c->keys ? AT_OK : at_intern_new(&c->keys);
    *out = 0;
    if (!err)
        err = at_intern_add(c->keys, (struct at_str){(const char *)&key, sizeof key}, out);
    return err || *out < c->n ? err : add_cell(c, &key);
}

/* ---- Distinct users */

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

enum at_err cells_mark(struct cells *c, uint32_t cell, uint32_t key, enum user_mark mark, uint8_t *marks)
{
    enum at_err err = grow_marked(c);
    *marks = 0;
    if (err)
        return err;
    uint64_t pair = (uint64_t)cell << 32 | key;
    size_t i = marked_slot(c, pair);
    uint8_t bit = (uint8_t)(1u << mark);
    if (!(c->marks[i] & bit)) {
        c->n_marked += !c->marks[i];
        c->marked[i] = pair;
        c->marks[i] |= bit;
        c->list[cell].counts.users[mark]++;
    }
    *marks = c->marks[i];
    return AT_OK;
}
