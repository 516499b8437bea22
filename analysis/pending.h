/* pending.h: calls that wait for their answer. Private to analysis. */
#ifndef AUTHTAPE_PENDING_H
#define AUTHTAPE_PENDING_H

#include "analysis/bonds.h"

#define CALL_INLINE 40 /* a UUID fits; longer ids are kept apart */

struct pending_call {
    uint64_t hash, index; /* index: of the call event */
    int64_t t_us;
    uint32_t next; /* of the same slot, or of the free list; number + 1 */
    uint32_t stream, key, app, platform, api;
    uint32_t scopes; /* a list of the tally's */
    uint32_t bond;   /* of the first scope */
    uint32_t call_len;
    char *longer; /* the id when it is longer than CALL_INLINE */
    char call[CALL_INLINE];
};

/* Zero-initialised is empty. */
struct pending {
    struct pending_call *list;
    uint32_t *slots; /* numbers + 1 */
    size_t n_list, cap, n_slots, n;
    uint32_t free_call;
    size_t popped; /* slots that pending_pop has emptied */
};

/* A new call with nothing but its id, in the table already. `*out` is valid until the next call is added. */
AT_MUST_USE enum at_err pending_add(struct pending *p, uint32_t stream, struct at_str call, struct pending_call **out);
/* Takes the call out of the table; NULL where there is none. Valid until the next call is added. */
const struct pending_call *pending_take(struct pending *p, uint32_t stream, struct at_str call);
/* The same without taking it out. */
const struct pending_call *pending_find(const struct pending *p, uint32_t stream, struct at_str call);
/* Any call, taken out; NULL when the table is empty. None may be added after the first one was popped. */
const struct pending_call *pending_pop(struct pending *p);
void pending_free(struct pending *p);

#endif
