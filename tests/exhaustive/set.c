/* set.c: a hash set of configurations, in the order of their coming. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"

static uint64_t hash(const struct config *c)
{
    uint64_t words[sizeof *c / 8], h = 0x9e3779b97f4a7c15u;
    memcpy(words, c, sizeof words);
    for (size_t i = 0; i < sizeof *c / 8; i++) {
        h = (h ^ words[i]) * 0xd6e8feb86659fd93u;
        h ^= h >> 32;
    }
    return h;
}

static void *grown(void *old, size_t bytes)
{
    void *p = realloc(old, bytes);
    if (!p) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    return p;
}

static void rebuild(struct set *s, size_t n_table)
{
    if (n_table != s->n_table)
        s->table = grown(s->table, n_table * sizeof *s->table);
    s->n_table = n_table;
    memset(s->table, 0, n_table * sizeof *s->table);
    for (size_t i = 0; i < s->n; i++) {
        size_t at = hash(&s->items[i]) & (n_table - 1);
        while (s->table[at])
            at = (at + 1) & (n_table - 1);
        s->table[at] = (uint32_t)i + 1;
    }
}

void set_clear(struct set *s)
{
    s->n = 0;
    s->overflow = false;
    /* A table that one large set left behind would make every later clear slow. */
    rebuild(s, s->n_table >= 16 && s->n_table <= 256 ? s->n_table : 16);
}

void set_free(struct set *s)
{
    free(s->items);
    free(s->table);
    *s = (struct set){0};
}

void set_add(struct set *s, const struct config *c)
{
    if (2 * (s->n + 1) > s->n_table)
        rebuild(s, s->n_table ? 2 * s->n_table : 16);
    size_t at = hash(c) & (s->n_table - 1);
    for (; s->table[at]; at = (at + 1) & (s->n_table - 1))
        if (!memcmp(&s->items[s->table[at] - 1], c, sizeof *c))
            return;
    if (s->n == SET_LIMIT) {
        s->overflow = true;
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->items = grown(s->items, s->cap * sizeof *s->items);
    }
    s->items[s->n++] = *c;
    s->table[at] = (uint32_t)s->n;
}

void set_copy(struct set *to, const struct set *from)
{
    to->n = 0;
    if (to->cap < from->n) {
        to->cap = from->n;
        to->items = grown(to->items, to->cap * sizeof *to->items);
    }
    if (from->n)
        memcpy(to->items, from->items, from->n * sizeof *from->items);
    to->n = from->n;
    to->overflow = from->overflow;
    size_t n_table = 16;
    while (n_table < 2 * to->n + 2)
        n_table *= 2;
    rebuild(to, n_table);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct config));
}

void set_sort(struct set *s)
{
    if (s->n)
        qsort(s->items, s->n, sizeof *s->items, compare);
}

bool set_equal(const struct set *a, const struct set *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->items, b->items, a->n * sizeof *a->items));
}
