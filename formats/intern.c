/* intern.c: strings to small numbers. Open addressing, linear probing; the bytes live in chunks that never move. */
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"

#define CHUNK_MIN (size_t)256 /* many tables have few strings: one a connection, say */
#define CHUNK_MAX (size_t)(64 * 1024)
#define MAX_STRINGS (1u << 30) /* their slots, twice as many, are counted in 32 bits */

struct chunk {
    struct chunk *next;
    size_t used, cap;
    char bytes[];
};

struct at_intern {
    struct at_str *entries;
    uint32_t count, cap;
    struct at_slots slots;
    struct chunk *chunks;
};

enum at_err at_intern_new(struct at_intern **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? AT_OK : AT_NOMEM;
}

static void free_chunks(struct chunk *c)
{
    while (c) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
}

void at_intern_free(struct at_intern **table)
{
    if (!*table)
        return;
    free_chunks((*table)->chunks);
    free((*table)->entries);
    at_slots_free(&(*table)->slots);
    free(*table);
    *table = NULL;
}

void at_intern_clear(struct at_intern *t)
{
    if (t->chunks) { /* the newest, which is the largest but for very long strings, is filled again */
        free_chunks(t->chunks->next);
        t->chunks->next = NULL;
        t->chunks->used = 0;
    }
    t->count = 0;
    at_slots_clear(&t->slots);
}

static uint32_t hash_of(struct at_str s)
{
    uint64_t hash = at_hash(s.ptr, s.len, 0);
    return (uint32_t)(hash ^ hash >> 32);
}

/* The number of `s`, AT_SLOT_FREE where it has none. */
static uint32_t look_up(const struct at_intern *t, struct at_str s, uint32_t hash)
{
    uint32_t mask = t->slots.n - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        const struct at_slot *slot = &t->slots.at[i];
        if (slot->id == AT_SLOT_FREE || (slot->hash == hash && at_str_eq(t->entries[slot->id], s)))
            return slot->id;
    }
}

static enum at_err grow(struct at_intern *t)
{
    if (t->count == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 16;
        struct at_str *entries = realloc(t->entries, cap * sizeof *entries);
        if (!entries)
            return AT_NOMEM;
        t->entries = entries;
        t->cap = cap;
    }
    return at_slots_room(&t->slots);
}

/* A copy of the bytes that stays where it is. */
static const char *keep(struct at_intern *t, struct at_str s)
{
    if (s.len == 0)
        return "";
    struct chunk *c = t->chunks;
    if (!c || c->cap - c->used < s.len) {
        size_t cap = !c ? CHUNK_MIN : c->cap < CHUNK_MAX / 4 ? c->cap * 4 : CHUNK_MAX;
        cap = s.len > cap ? s.len : cap;
        c = malloc(sizeof *c + cap);
        if (!c)
            return NULL;
        *c = (struct chunk){.next = t->chunks, .cap = cap};
        t->chunks = c;
    }
    char *to = c->bytes + c->used;
    memcpy(to, s.ptr, s.len);
    c->used += s.len;
    return to;
}

static enum at_err add(struct at_intern *t, struct at_str s, uint32_t hash, uint32_t *id)
{
    if (t->slots.n) {
        *id = look_up(t, s, hash);
        if (*id != AT_SLOT_FREE)
            return AT_OK;
    }
    if (t->count >= MAX_STRINGS)
        return AT_LIMIT;
    enum at_err err = grow(t);
    if (err)
        return err;
    const char *bytes = keep(t, s);
    if (!bytes)
        return AT_NOMEM;
    *id = t->count++;
    t->entries[*id] = (struct at_str){bytes, s.len};
    at_slots_put(&t->slots, hash, *id);
    return AT_OK;
}

enum at_err at_intern_add(struct at_intern *t, struct at_str s, uint32_t *id)
{
    return add(t, s, hash_of(s), id);
}

#define TOGETHER 16u /* strings whose memory is fetched at a time */

/* Fetches what looking for up to TOGETHER strings will look at; their hashes are found on the way. */
static void fetch(const struct at_intern *t, const struct at_str *s, size_t n, uint32_t hashes[TOGETHER])
{
    uint32_t mask = t->slots.n - 1;
    for (size_t i = 0; i < n; i++) {
        hashes[i] = hash_of(s[i]);
        if (t->slots.n)
            __builtin_prefetch(&t->slots.at[hashes[i] & mask]);
    }
    for (size_t i = 0; i < n && t->slots.n; i++) {
        uint32_t entry = t->slots.at[hashes[i] & mask].id;
        if (entry != AT_SLOT_FREE)
            __builtin_prefetch(&t->entries[entry]);
    }
    for (size_t i = 0; i < n && t->slots.n; i++) {
        uint32_t entry = t->slots.at[hashes[i] & mask].id;
        if (entry != AT_SLOT_FREE)
            __builtin_prefetch(t->entries[entry].ptr);
    }
}

enum at_err at_intern_add_all(struct at_intern *t, const struct at_str *s, size_t n, uint32_t *ids)
{
    enum at_err err = AT_OK;
    while (n && !err) {
        uint32_t hashes[TOGETHER];
        size_t some = n < TOGETHER ? n : TOGETHER;
        fetch(t, s, some, hashes);
        for (size_t i = 0; i < some && !err; i++)
            err = add(t, s[i], hashes[i], &ids[i]);
        s += some;
        ids += some;
        n -= some;
    }
    return err;
}

bool at_intern_find(const struct at_intern *t, struct at_str s, uint32_t *id)
{
    if (!t->slots.n)
        return false;
    *id = look_up(t, s, hash_of(s));
    return *id != AT_SLOT_FREE;
}

struct at_str at_intern_get(const struct at_intern *t, uint32_t id)
{
    return id < t->count ? t->entries[id] : (struct at_str){0};
}

uint32_t at_intern_count(const struct at_intern *t)
{
    return t->count;
}
