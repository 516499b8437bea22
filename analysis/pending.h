/* pending.h: calls that wait for their answer. Private to analysis. */
#ifndef AUTHTAPE_PENDING_H
#define AUTHTAPE_PENDING_H

#include "analysis/bonds.h"

#define PENDING_STREAMS 4096
#define CALL_INLINE 64 /* an address and a UUID fit; what is longer is kept apart */

/* What a call is found by. */
struct call_name {
    struct at_str stream, call;
    uint64_t stream_hash; /* at_hash of `stream` */
};

/* A call, in the tally's numbers. */
struct made_call {
    uint64_t index; /* of the event */
    int64_t t_us;
    uint32_t key, app, platform, api;
    uint32_t scopes; /* a list of the tally's */
    uint32_t bond;   /* of the first scope; NO_ID: it has none */
    uint8_t rank;    /* the scope's place in the profile, if it has one scope; NO_RANK: none, or none known */
    bool reads;      /* it reads the settings */
};
#define NO_RANK UINT8_MAX

struct pending_call {
    struct made_call made; /* index UINT64_MAX: not in the table */
    uint64_t hash, stream_hash;
    uint32_t next; /* of the same slot, or of the free list; number + 1 */
    size_t stream_len, call_len;
    char *longer; /* the bytes of both when they are more than CALL_INLINE */
    char bytes[CALL_INLINE];
};

/* Zero-initialised is empty. */
struct pending {
    struct pending_call *list;
    uint32_t *slots; /* numbers + 1 */
    size_t n_list, cap, n_slots, n;
    uint32_t free_call;
    size_t popped;                       /* slots that pending_pop has emptied */
    uint32_t by_stream[PENDING_STREAMS]; /* how many, by hash of the stream */
    uint64_t any[PENDING_STREAMS / 64];  /* bits: whether there are any. Few bytes, as each call asks */
};

/* False: no call of the stream is in the table. */
static inline bool pending_may_have(const struct pending *p, uint64_t stream_hash)
{
    return p->any[stream_hash % PENDING_STREAMS / 64] >> stream_hash % 64 & 1;
}

/* A call that has to wait; `*at` is a number to find it by. */
AT_MUST_USE enum at_err pending_add(struct pending *p, const struct made_call *made, const struct call_name *name,
                                    uint32_t *at);
/* Takes the call out of the table; false where there is none. */
bool pending_take(struct pending *p, const struct call_name *name, struct made_call *out);
/* Takes out the call with the number `at` if it is still that of the event `index`. */
bool pending_take_at(struct pending *p, uint32_t at, uint64_t index, struct made_call *out);
/* The same without taking it out. */
const struct made_call *pending_find(const struct pending *p, const struct call_name *name);
/* Any call, taken out; false when the table is empty. None may be added after the first one was popped. */
bool pending_pop(struct pending *p, struct made_call *out);
void pending_free(struct pending *p);

#endif
