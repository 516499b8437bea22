/* intern.c: strings to small numbers. Open addressing, linear probing; the bytes live in chunks that never move. */
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"

#define CHUNK_BYTES (size_t)(64 * 1024)
#define NO_ENTRY UINT32_MAX
#define MAX_STRINGS (1u << 30) /* their slots, twice as many, are counted in 32 bits */

struct chunk {
    struct chunk *next;
    size_t used, cap;
    char bytes[];
};

struct entry {
    struct at_str str;
    uint64_t hash;
};

/* The upper half of the hash stands here, too: an entry is looked at when it is the right one, as a rule. */
struct slot {
    uint32_t entry; /* number; NO_ENTRY: the slot is free */
    uint32_t high;
};

struct at_intern {
    struct entry *entries;
    uint32_t count, cap;
    struct slot *slots; /* a power of two, at most half full */
    uint32_t n_slots;
    struct chunk *chunks;
};

enum at_err at_intern_new(struct at_intern **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? AT_OK : AT_NOMEM;
}

static void free_chunks(struct at_intern *t)
{
    while (t->chunks) {
        struct chunk *next = t->chunks->next;
        free(t->chunks);
        t->chunks = next;
    }
}

void at_intern_free(struct at_intern **table)
{
    if (!*table)
        return;
    free_chunks(*table);
    free((*table)->entries);
    free((*table)->slots);
    free(*table);
    *table = NULL;
}

void at_intern_clear(struct at_intern *t)
{
    free_chunks(t);
    t->count = 0;
    if (t->slots)
        memset(t->slots, 0xff, t->n_slots * sizeof *t->slots);
}

/* The number of `s`, NO_ENTRY where it has none. */
static uint32_t look_up(const struct at_intern *t, struct at_str s, uint64_t hash)
{
    uint32_t mask = t->n_slots - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        const struct slot *slot = &t->slots[i];
        if (slot->entry == NO_ENTRY)
            return NO_ENTRY;
        if (slot->high == (uint32_t)(hash >> 32) && at_str_eq(t->entries[slot->entry].str, s))
            return slot->entry;
    }
}

/* Gives an entry that has no slot the first free one. */
static void take_slot(struct at_intern *t, uint32_t entry)
{
    uint32_t mask = t->n_slots - 1;
    uint64_t hash = t->entries[entry].hash;
    uint32_t i = (uint32_t)hash & mask;
    while (t->slots[i].entry != NO_ENTRY)
        i = (i + 1) & mask;
    t->slots[i] = (struct slot){.entry = entry, .high = (uint32_t)(hash >> 32)};
}

static enum at_err grow(struct at_intern *t)
{
    if (t->count == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 16;
        struct entry *entries = realloc(t->entries, cap * sizeof *entries);
        if (!entries)
            return AT_NOMEM;
        t->entries = entries;
        t->cap = cap;
    }
    if (t->count < t->n_slots / 2)
        return AT_OK;
    uint32_t n = t->n_slots ? t->n_slots * 2 : 32;
    struct slot *slots = malloc(n * sizeof *slots);
    if (!slots)
        return AT_NOMEM;
    memset(slots, 0xff, n * sizeof *slots);
    free(t->slots);
    t->slots = slots;
    t->n_slots = n;
    for (uint32_t id = 0; id < t->count; id++)
        take_slot(t, id);
    return AT_OK;
}

/* A copy of the bytes that stays where it is. */
static const char *keep(struct at_intern *t, struct at_str s)
{
    if (s.len == 0)
        return "";
    struct chunk *c = t->chunks;
    if (!c || c->cap - c->used < s.len) {
        size_t cap = s.len > CHUNK_BYTES ? s.len : CHUNK_BYTES;
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

static enum at_err add(struct at_intern *t, struct at_str s, uint64_t hash, uint32_t *id)
{
    if (t->n_slots) {
        *id = look_up(t, s, hash);
        if (*id != NO_ENTRY)
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
    t->entries[*id] = (struct entry){.str = {bytes, s.len}, .hash = hash};
    take_slot(t, *id);
    return AT_OK;
}

enum at_err at_intern_add(struct at_intern *t, struct at_str s, uint32_t *id)
{
    return add(t, s, at_hash(s.ptr, s.len, 0), id);
}

#define TOGETHER 16 /* strings whose memory is fetched at a time */

enum at_err at_intern_add_all(struct at_intern *t, const struct at_str *s, size_t n, uint32_t *ids)
{
    enum at_err err = AT_OK;
    while (n && !err) {
        uint64_t hashes[TOGETHER];
        size_t some = n < TOGETHER ? n : TOGETHER;
        uint32_t mask = t->n_slots - 1;
        for (size_t i = 0; i < some; i++) {
            hashes[i] = at_hash(s[i].ptr, s[i].len, 0);
            if (t->n_slots)
                __builtin_prefetch(&t->slots[(uint32_t)hashes[i] & mask]);
        }
        for (size_t i = 0; i < some && t->n_slots; i++) {
            uint32_t entry = t->slots[(uint32_t)hashes[i] & mask].entry;
            if (entry != NO_ENTRY)
                __builtin_prefetch(&t->entries[entry]);
        }
        for (size_t i = 0; i < some && t->n_slots; i++) {
            uint32_t entry = t->slots[(uint32_t)hashes[i] & mask].entry;
            if (entry != NO_ENTRY)
                __builtin_prefetch(t->entries[entry].str.ptr);
        }
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
    if (!t->n_slots)
        return false;
    *id = look_up(t, s, at_hash(s.ptr, s.len, 0));
    return *id != NO_ENTRY;
}

struct at_str at_intern_get(const struct at_intern *t, uint32_t id)
{
    return id < t->count ? t->entries[id].str : (struct at_str){0};
}

uint32_t at_intern_count(const struct at_intern *t)
{
    return t->count;
}
