/*
 * bonds.h: what a user and a scope have to do with one another. Private to analysis.
 *
 * A bond is a key (app and user) and a scope of it that anything happened to. Events are ordered by numbers: twice the
 * event's index and 2; what was inferred before an event has one less.
 */
#ifndef AUTHTAPE_BONDS_H
#define AUTHTAPE_BONDS_H

#include "analysis/cells.h"
#include "analysis/plain.h"

#define GROUPINGS_MAX 4
#define FLIPS_MAX 64 /* of a bond that are looked at */

/* Two cache lines; what most calls touch is in the first. */
struct bond {
    struct plain_bond plain;
    uint32_t pending;               /* calls that wait */
    uint8_t marks[GROUPINGS_MAX];   /* that the user has in the cells named beside them */
    uint32_t marked[GROUPINGS_MAX]; /* NO_ID: in none */
    uint64_t granted_order;         /* the first sign of a grant; UINT64_MAX: none */
    uint64_t denied_order;          /* the first sign of a denial; UINT64_MAX: none */
    int64_t prompt_us, denied_us;
    uint32_t key, scope;
    uint32_t prompt_api;          /* of the latest prompt */
    uint32_t next;                /* next bond of the key, NO_ID at the end */
    uint32_t rest;                /* what few have: number + 1; 0: there is none */
    uint32_t more[GROUPINGS_MAX]; /* marks in other cells; NO_ID: none */
};

struct bond_rest {
    uint32_t first_flip, flips;
    uint32_t first_lone; /* calls made while the scope was not known to be asked for */
};

/* Marks of a bond's user in a cell that is not the one at hand. */
struct more_marks {
    uint32_t cell, next;
    uint8_t marks;
};
#define MORE_MAX 12 /* of a bond and a grouping; in cells beyond, a set of users is asked */

/* A switch flipped in the settings. */
struct flip {
    uint64_t order;
    int64_t t_us;
    uint32_t next, platform;
    bool granted;
};

/* Calls of one API by a user whose scope nobody has asked for yet. */
struct lone {
    uint32_t api, platform, next;
    uint64_t calls;
};

/*
 * Of a key: its bonds by scope, its latest bond, and its latest decision that named no scope. Two cache lines; the
 * second is looked at for scopes that are not among the first four.
 */
#define SCOPES_NEAR 18
struct key_links {
    struct plain_key plain;
    uint32_t near[SCOPES_NEAR]; /* of the first scopes: number of the bond + 1; 0: there is none */
    uint32_t bond, stray;       /* NO_ID: none */
};

/* Elements of ELEMENT_BYTES, by number. They begin where a cache line does, and stay where they are. */
#define ELEMENT_BYTES 128
#define POOL_CHUNK 16384u /* of them, 2 MiB */
struct pool {
    char **chunks;
    size_t n_chunks, cap;
    uint32_t n;
};
static inline void *pool_at(const struct pool *p, uint32_t i)
{
    return p->chunks[i / POOL_CHUNK] + (size_t)(i % POOL_CHUNK) * ELEMENT_BYTES;
}
/* One element more, not initialised. */
AT_MUST_USE enum at_err pool_add(struct pool *p, void **out);

/* Zero-initialised is empty. */
struct bonds {
    struct pool list, keys; /* of struct bond; of struct key_links, by key */
    struct bond_rest *rests;
    struct flip *flips;
    struct lone *lones;
    struct more_marks *more;
    struct at_intern *far_pairs; /* keys with scopes that are not among the first */
    uint32_t *far;               /* their bonds */
    size_t n_rests, rests_cap, n_flips, flips_cap, n_lones, lones_cap, n_more, more_cap;
    size_t n_far, far_cap;
    uint32_t free_lone; /* number + 1 */
};

static inline struct bond *bond_at(const struct bonds *b, uint32_t bond)
{
    return pool_at(&b->list, bond);
}
static inline struct key_links *key_at(const struct bonds *b, uint32_t key)
{
    return pool_at(&b->keys, key);
}

void bonds_free(struct bonds *b);
/* Makes the keys up to `key` known. */
AT_MUST_USE enum at_err bonds_key(struct bonds *b, uint32_t key);
/* The number of a bond of a known key, made when it is new. Numbers stay, and so do bonds. */
AT_MUST_USE enum at_err bonds_find_far(struct bonds *b, uint32_t key, uint32_t scope, uint32_t *bond);
/* The same, faster for the first scopes; `links` are those of the key. */
AT_MUST_USE static inline enum at_err bonds_find(struct bonds *b, const struct key_links *links, uint32_t key,
                                                 uint32_t scope, uint32_t *bond)
{
    if (scope >= SCOPES_NEAR || !links->near[scope])
        return bonds_find_far(b, key, scope, bond);
    *bond = links->near[scope] - 1;
    return AT_OK;
}
/* The marks in `cell` of grouping `g` come to hand: in marked[g] and marks[g]. `*held` false: there is no more room for
 * cells, and this one is not among them. */
AT_MUST_USE enum at_err bonds_turn_to(struct bonds *b, uint32_t bond, size_t g, uint32_t cell, bool *held);
AT_MUST_USE enum at_err bonds_add_flip(struct bonds *b, uint32_t bond, const struct flip *flip);
/* The flips of a bond in their order; `out` holds FLIPS_MAX. */
size_t bonds_flips(const struct bonds *b, uint32_t bond, struct flip *out);
AT_MUST_USE enum at_err bonds_add_lone(struct bonds *b, uint32_t bond, uint32_t api, uint32_t platform);
/* The first of its lones; NO_ID: it has none. */
static inline uint32_t bonds_lones(const struct bonds *b, uint32_t bond)
{
    uint32_t rest = bond_at(b, bond)->rest;
    return rest ? b->rests[rest - 1].first_lone : NO_ID;
}
void bonds_drop_lones(struct bonds *b, uint32_t bond);

/* Room for one more of `size` bytes in a growing array. */
AT_MUST_USE enum at_err room_for_one(void **list, size_t n, size_t *cap, size_t size);
#define ROOM(list, n, cap) room_for_one((void **)&(list), n, &(cap), sizeof *(list))

#endif
