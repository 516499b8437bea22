/* pending.h: calls that wait for their answer. Private to analysis. */
#ifndef AUTHTAPE_PENDING_H
#define AUTHTAPE_PENDING_H

#include "analysis/cells.h"

struct pending_call {
    struct pending_call *next; /* of the same slot */
    uint64_t hash;
    struct place at; /* scope and errMsg are not set */
    uint32_t stream, key;
    size_t n_scopes, call_len;
    uint32_t scopes[]; /* then the bytes of the call's id */
};

struct pending {
    struct pending_call **slots;
    size_t n_slots, n;
};

/* A new call; NULL when out of memory. It is in the table already. */
struct pending_call *pending_add(struct pending *p, uint32_t stream, struct at_str call, const uint32_t *scopes,
                                 size_t n_scopes);
/* Takes the call out of the table; NULL where there is none. The caller frees it. */
struct pending_call *pending_take(struct pending *p, uint32_t stream, struct at_str call);
/* The same without taking it out. */
const struct pending_call *pending_find(const struct pending *p, uint32_t stream, struct at_str call);
/* Any call, taken out; NULL when the table is empty. */
struct pending_call *pending_pop(struct pending *p);
void pending_free(struct pending *p);

#endif
