/*
 * bonds.h: what a user and a scope have to do with one another. Private to analysis.
 *
 * A bond is a key (app and user) and a scope of it that anything happened to. Events are ordered by numbers: twice the
 * event's index and 2; what was inferred before an event has one less.
 */
#ifndef AUTHTAPE_BONDS_H
#define AUTHTAPE_BONDS_H

#include "analysis/cells.h"

#define GROUPINGS_MAX 4
#define FLIPS_MAX 64 /* of a bond that are looked at */

/* What every call touches comes first, to fit in a cache line. */
struct bond {
    uint32_t key, scope;
    uint32_t pending;               /* calls that wait */
    bool up, asked;                 /* its prompt is up; the user was asked for it at some time */
    uint8_t marks[GROUPINGS_MAX];   /* that the user has in the cells named beside them */
    uint32_t marked[GROUPINGS_MAX]; /* NO_ID: in none */
    uint64_t granted_order;         /* the first sign of a grant; UINT64_MAX: none */
    uint64_t denied_order;          /* the first sign of a denial; UINT64_MAX: none */
    int64_t denied_us;
    uint32_t more[GROUPINGS_MAX];  /* marks in other cells; NO_ID: none */
    uint8_t n_more[GROUPINGS_MAX]; /* how many: at most MORE_MAX */
    uint32_t next;                 /* next bond of the key, NO_ID at the end */
    uint32_t first_flip, flips;
    uint32_t first_lone; /* calls made while the scope was not known to be asked for */
    uint32_t prompt_api; /* of the latest prompt */
    uint64_t prompt_order;
    int64_t prompt_us;
};

/* Marks of a bond's user in a cell that is not the one at hand. */
struct more_marks {
    uint32_t cell, next;
    uint8_t marks;
};
#define MORE_MAX 12 /* in cells beyond, a set of users is asked */

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

/* The latest bond of a key, and the latest decision of it that named no scope. */
struct key_links {
    uint32_t bond, stray; /* NO_ID: none */
    uint32_t strays;      /* how many */
};

struct bond_slot {
    uint32_t hash, bond; /* number of the bond + 1; 0: free */
};

/* Zero-initialised is empty. */
struct bonds {
    struct bond *list;
    struct key_links *keys; /* by key */
    struct flip *flips;
    struct lone *lones;
    struct more_marks *more;
    struct bond_slot *slots;
    size_t n, cap, n_keys, keys_cap, n_flips, flips_cap, n_lones, lones_cap, n_more, more_cap, n_slots;
    uint32_t free_lone; /* number + 1 */
};

void bonds_free(struct bonds *b);
/* Makes the keys up to `key` known. */
AT_MUST_USE enum at_err bonds_key(struct bonds *b, uint32_t key);
/* The number of a bond of a known key, made when it is new. Numbers stay, bonds may move. */
AT_MUST_USE enum at_err bonds_find(struct bonds *b, uint32_t key, uint32_t scope, uint32_t *bond);
/* Fetches what bonds_find will look at. */
void bonds_fetch(const struct bonds *b, uint32_t key, uint32_t scope);
/* The marks in `cell` of grouping `g` come to hand: in marked[g] and marks[g]. `*held` false: there is no more room for
 * cells, and this one is not among them. */
AT_MUST_USE enum at_err bonds_turn_to(struct bonds *b, uint32_t bond, size_t g, uint32_t cell, bool *held);
AT_MUST_USE enum at_err bonds_add_flip(struct bonds *b, uint32_t bond, const struct flip *flip);
/* The flips of a bond in their order; `out` holds FLIPS_MAX. */
size_t bonds_flips(const struct bonds *b, uint32_t bond, struct flip *out);
AT_MUST_USE enum at_err bonds_add_lone(struct bonds *b, uint32_t bond, uint32_t api, uint32_t platform);
void bonds_drop_lones(struct bonds *b, uint32_t bond);

/* Room for one more of `size` bytes in a growing array. */
AT_MUST_USE enum at_err room_for_one(void **list, size_t n, size_t *cap, size_t size);
#define ROOM(list, n, cap) room_for_one((void **)&(list), n, &(cap), sizeof *(list))

#endif
