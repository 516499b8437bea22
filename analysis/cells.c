/* cells.c: the table of counts. Open addressing by the selected dimensions; a set of (cell, user)
 * for distinct users. */
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
    free(c->slots);
    free(c->direct);
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

static int64_t hour_of(struct cells *c, int64_t t_us)
{
    if (!c->has_hour || t_us < c->hour_us || t_us - c->hour_us >= US_PER_HOUR) {
        c->hour = floor_div(t_us, US_PER_HOUR);
        c->has_hour = c->hour > INT64_MIN / US_PER_HOUR; /* else the beginning of the hour is out of range */
        c->hour_us = c->has_hour ? c->hour * US_PER_HOUR : 0;
    }
    return c->hour;
}

static struct cell_key key_of(struct cells *c, const struct place *where)
{
    struct cell_key key = {.bucket = {0}};
    for (unsigned d = 0; d < DIM_STRINGS; d++)
        key.id[d] = c->dims & 1u << d ? where->id[d] : NO_ID;
    if (c->dims & (1u << DIM_HOUR | 1u << DIM_DAY)) {
        int64_t hour = hour_of(c, where->t_us);
        key.bucket[DIM_HOUR - DIM_STRINGS] = c->dims & 1u << DIM_HOUR ? hour : 0;
        key.bucket[DIM_DAY - DIM_STRINGS] = c->dims & 1u << DIM_DAY ? floor_div(hour, 24) : 0;
    }
    return key;
}

static uint32_t hash_of(const struct cell_key *key)
{
    uint64_t h = (uint64_t)key->bucket[0] * 31 + (uint64_t)key->bucket[1];
    for (unsigned d = 0; d < DIM_STRINGS; d++)
        h = (h ^ key->id[d]) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

static struct cell_slot *slot_of(const struct cells *c, const struct cell_key *key, uint32_t hash)
{
    size_t mask = c->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct cell_slot *slot = &c->slots[i];
        if (!slot->cell || (slot->hash == hash && !memcmp(&c->list[slot->cell - 1].key, key, sizeof *key)))
            return slot;
    }
}

static enum at_err grow_slots(struct cells *c)
{
    if (c->n < c->n_slots / 2)
        return AT_OK;
    size_t old = c->n_slots, n = old ? old * 2 : 32;
    struct cell_slot *before = c->slots, *slots = calloc(n, sizeof *slots);
    if (!slots)
        return AT_NOMEM;
    c->slots = slots;
    c->n_slots = n;
    for (size_t i = 0; i < old; i++) {
        size_t to = before[i].hash & (n - 1);
        if (!before[i].cell)
            continue;
        while (slots[to].cell)
            to = (to + 1) & (n - 1);
        slots[to] = before[i];
    }
    free(before);
    return AT_OK;
}

static enum at_err grow_direct(struct cells *c, size_t n)
{
    if (n <= c->n_direct)
        return AT_OK;
    size_t cap = c->n_direct ? c->n_direct : 64;
    while (cap < n)
        cap *= 2;
    uint32_t *more = realloc(c->direct, cap * sizeof *more);
    if (!more)
        return AT_NOMEM;
    memset(more + c->n_direct, 0, (cap - c->n_direct) * sizeof *more);
    c->direct = more;
    c->n_direct = cap;
    return AT_OK;
}

static enum at_err add_cell(struct cells *c, const struct cell_key *key)
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
    c->list[c->n++] = (struct cell){.key = *key};
    return AT_OK;
}

/* Where a single string is selected, its number is the place in a table. */
static enum at_err find_direct(struct cells *c, const struct place *where, uint32_t *out)
{
    uint32_t id = where->id[__builtin_ctz(c->dims)];
    size_t at = ((size_t)id + 1) & UINT32_MAX; /* NO_ID is 0 */
    enum at_err err = grow_direct(c, at + 1);
    if (!err && !c->direct[at]) {
        struct cell_key key = key_of(c, where);
        err = add_cell(c, &key);
        if (!err)
            c->direct[at] = (uint32_t)c->n;
    }
    *out = err ? 0 : c->direct[at] - 1;
    return err;
}

enum at_err cells_find(struct cells *c, const struct place *where, uint32_t *out)
{
    bool single = c->dims && !(c->dims & (c->dims - 1)) && c->dims < 1u << DIM_STRINGS;
    *out = 0;
    if (single)
        return find_direct(c, where, out);
    struct cell_key key = key_of(c, where);
    uint32_t hash = hash_of(&key);
    enum at_err err = grow_slots(c);
    if (err)
        return err;
    struct cell_slot *slot = slot_of(c, &key, hash);
    if (!slot->cell) {
        err = add_cell(c, &key);
        if (err)
            return err;
        *slot = (struct cell_slot){hash, (uint32_t)c->n};
    }
    *out = slot->cell - 1;
    return AT_OK;
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
