/* edges.c: a table of steps that grows. */
#include "replay/edges.h"

#include <stdlib.h>
#include <string.h>

enum at_err edges_room(struct edge_table *t)
{
    struct edge_table more = {.n = t->n, .cap = t->cap ? t->cap * 2 : 1024};
    if (t->n < t->cap / 2)
        return AT_OK;
    more.edges = calloc(more.cap, sizeof *more.edges);
    if (!more.edges)
        return AT_NOMEM;
    for (uint32_t i = 0; i < t->cap; i++)
        if (t->edges[i].key)
            *edge_of(&more, t->edges[i].key) = t->edges[i];
    free(t->edges);
    *t = more;
    return AT_OK;
}

enum at_err edges_add(struct edge_table *t, uint64_t key, const struct op_result *result)
{
    *edge_of(t, key) = (struct edge){.key = key, .result = *result};
    t->n++;
    return edges_room(t);
}

void edges_clear(struct edge_table *t)
{
    struct edge_table fresh = {0};
    if (!edges_room(&fresh)) {
        free(t->edges);
        *t = fresh;
        return;
    }
    memset(t->edges, 0, t->cap * sizeof *t->edges); /* out of memory: what there is serves as well */
    t->n = 0;
}

void edges_free(struct edge_table *t)
{
    free(t->edges);
    *t = (struct edge_table){0};
}
