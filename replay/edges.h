/* edges.h: steps that were worked out, found again by where they begin and what they are. Private to replay. */
#ifndef AUTHTAPE_REPLAY_EDGES_H
#define AUTHTAPE_REPLAY_EDGES_H

#include "formats/formats.h"

/* What an operation says besides where it leads to. */
struct op_result {
    uint32_t to;
    uint8_t lanes, flags;
    uint8_t before, how; /* of an answer: the outcomes that the call may have had, and those that it has */
};

struct edge {
    uint64_t key; /* 1 + where it begins, and the step: never 0, which is free */
    struct op_result result;
};

struct edge_table {
    struct edge *edges; /* a power of two, at most half full */
    uint32_t n, cap;
};

static inline uint64_t edge_key(uint32_t from, uint32_t step)
{
    return (uint64_t)(from + 1) << 32 | step;
}

/* The edge, or the free one that is to become it; there must be room (edges_room). */
static inline struct edge *edge_of(const struct edge_table *t, uint64_t key)
{
    uint32_t mask = t->cap - 1, i = (uint32_t)(key * 0x9fb21c651e98df25u >> 32) & mask;
    while (t->edges[i].key != key && t->edges[i].key)
        i = (i + 1) & mask;
    return &t->edges[i];
}

/* Makes room for one more. AT_NOMEM. */
AT_MUST_USE enum at_err edges_room(struct edge_table *t);
/* Adds an edge that is not there, and makes room for the next one. AT_NOMEM. */
AT_MUST_USE enum at_err edges_add(struct edge_table *t, uint64_t key, const struct op_result *result);
/* Forgets all of them; there is room again. */
void edges_clear(struct edge_table *t);
void edges_free(struct edge_table *t);

#endif
