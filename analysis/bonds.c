/* bonds.c: keys and their scopes, in arrays that are addressed by number. */
#include "analysis/bonds.h"

#include <stdlib.h>

enum at_err room_for_one(void **list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return AT_OK;
    size_t more = *cap ? *cap * 2 : 16;
    void *grown = realloc(*list, more * size);
    if (!grown)
        return AT_NOMEM;
    *list = grown;
    *cap = more;
    return AT_OK;
}

void bonds_free(struct bonds *b)
{
    free(b->list);
    free(b->keys);
    free(b->flips);
    free(b->lones);
    free(b->more);
    free(b->slots);
    *b = (struct bonds){0};
}

enum at_err bonds_key(struct bonds *b, uint32_t key)
{
    enum at_err err = AT_OK;
    while (key >= b->n_keys && !err) {
        err = ROOM(b->keys, b->n_keys, b->keys_cap);
        if (!err)
            b->keys[b->n_keys++] = (struct key_links){.bond = NO_ID, .stray = NO_ID};
    }
    return err;
}

static uint32_t hash_of(uint32_t key, uint32_t scope)
{
    uint64_t h = ((uint64_t)key << 32 | scope) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

static struct bond_slot *slot_of(const struct bonds *b, uint32_t key, uint32_t scope, uint32_t hash)
{
    size_t mask = b->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct bond_slot *slot = &b->slots[i];
        if (!slot->bond)
            return slot;
        const struct bond *bond = &b->list[slot->bond - 1];
        if (slot->hash == hash && bond->key == key && bond->scope == scope)
            return slot;
    }
}

static enum at_err grow(struct bonds *b)
{
    if (b->n < b->n_slots / 2)
        return AT_OK;
    size_t old = b->n_slots, n = old ? old * 2 : 64;
    struct bond_slot *before = b->slots, *slots = calloc(n, sizeof *slots);
    if (!slots)
        return AT_NOMEM;
    for (size_t i = 0; i < old; i++) {
        size_t to = before[i].hash & (n - 1);
        if (!before[i].bond)
            continue;
        while (slots[to].bond)
            to = (to + 1) & (n - 1);
        slots[to] = before[i];
    }
    free(before);
    b->slots = slots;
    b->n_slots = n;
    return AT_OK;
}

enum at_err bonds_find(struct bonds *b, uint32_t key, uint32_t scope, uint32_t *out)
{
    uint32_t hash = hash_of(key, scope);
    *out = 0;
    if (b->n_slots) {
        const struct bond_slot *known = slot_of(b, key, scope, hash);
        if (known->bond) {
            *out = known->bond - 1;
            return AT_OK;
        }
    }
    if (b->n >= UINT32_MAX / 2)
        return AT_LIMIT;
    enum at_err err = grow(b);
    if (!err)
        err = ROOM(b->list, b->n, b->cap);
    if (err)
        return err;
    struct bond fresh = {
        .key = key,
        .scope = scope,
        .next = b->keys[key].bond,
        .first_flip = NO_ID,
        .first_lone = NO_ID,
        .denied_order = UINT64_MAX,
        .granted_order = UINT64_MAX,
    };
    for (size_t g = 0; g < GROUPINGS_MAX; g++)
        fresh.marked[g] = fresh.more[g] = NO_ID;
    *out = b->keys[key].bond = (uint32_t)b->n;
    b->list[b->n++] = fresh;
    *slot_of(b, key, scope, hash) = (struct bond_slot){hash, *out + 1};
    return AT_OK;
}

void bonds_fetch(const struct bonds *b, uint32_t key, uint32_t scope)
{
    if (b->n_slots)
        __builtin_prefetch(&b->slots[hash_of(key, scope) & (b->n_slots - 1)]);
}

enum at_err bonds_turn_to(struct bonds *b, uint32_t bond, size_t g, uint32_t cell, bool *held)
{
    struct bond *to = &b->list[bond];
    *held = true;
    if (to->marked[g] == cell)
        return AT_OK;
    for (uint32_t i = to->more[g]; i != NO_ID; i = b->more[i].next) {
        struct more_marks *m = &b->more[i];
        if (m->cell != cell)
            continue;
        struct more_marks swapped = *m;
        m->cell = to->marked[g];
        m->marks = to->marks[g];
        to->marked[g] = cell;
        to->marks[g] = swapped.marks;
        return AT_OK;
    }
    if (to->n_more[g] == MORE_MAX) {
        *held = false;
        return AT_OK;
    }
    if (to->marked[g] != NO_ID) {
        enum at_err err = b->n_more >= NO_ID ? AT_LIMIT : ROOM(b->more, b->n_more, b->more_cap);
        if (err)
            return err;
        b->more[b->n_more] = (struct more_marks){to->marked[g], to->more[g], to->marks[g]};
        to->more[g] = (uint32_t)b->n_more++;
        to->n_more[g]++;
    }
    to->marked[g] = cell;
    to->marks[g] = 0;
    return AT_OK;
}

/* ---- Flips */

enum at_err bonds_add_flip(struct bonds *b, uint32_t bond, const struct flip *flip)
{
    if (b->list[bond].flips == FLIPS_MAX)
        return AT_OK;
    if (b->n_flips >= NO_ID)
        return AT_LIMIT;
    enum at_err err = ROOM(b->flips, b->n_flips, b->flips_cap);
    if (err)
        return err;
    struct bond *to = &b->list[bond];
    b->flips[b->n_flips] = *flip;
    b->flips[b->n_flips].next = to->first_flip;
    to->first_flip = (uint32_t)b->n_flips++;
    to->flips++;
    return AT_OK;
}

static int by_order(const void *a, const void *b)
{
    const struct flip *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

size_t bonds_flips(const struct bonds *b, uint32_t bond, struct flip *out)
{
    size_t n = 0;
    for (uint32_t i = b->list[bond].first_flip; i != NO_ID && n < FLIPS_MAX; i = b->flips[i].next)
        out[n++] = b->flips[i];
    qsort(out, n, sizeof *out, by_order);
    return n;
}

/* ---- Calls whose scope was never asked for */

enum at_err bonds_add_lone(struct bonds *b, uint32_t bond, uint32_t api, uint32_t platform)
{
    for (uint32_t i = b->list[bond].first_lone; i != NO_ID; i = b->lones[i].next) {
        if (b->lones[i].api == api && b->lones[i].platform == platform) {
            b->lones[i].calls++;
            return AT_OK;
        }
    }
    uint32_t at = b->free_lone - 1;
    if (b->free_lone) {
        b->free_lone = b->lones[at].next;
    } else {
        enum at_err err = b->n_lones >= NO_ID - 1 ? AT_LIMIT : ROOM(b->lones, b->n_lones, b->lones_cap);
        if (err)
            return err;
        at = (uint32_t)b->n_lones++;
    }
    b->lones[at] = (struct lone){.api = api, .platform = platform, .next = b->list[bond].first_lone, .calls = 1};
    b->list[bond].first_lone = at;
    return AT_OK;
}

void bonds_drop_lones(struct bonds *b, uint32_t bond)
{
    uint32_t *first = &b->list[bond].first_lone;
    while (*first != NO_ID) {
        uint32_t at = *first;
        *first = b->lones[at].next;
        b->lones[at].next = b->free_lone;
        b->free_lone = at + 1;
    }
}
