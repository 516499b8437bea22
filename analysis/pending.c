/* pending.c: a chained hash table of calls by (stream, call id). Ids are not kept once a call is answered. */
#include "analysis/pending.h"

#include <stdlib.h>
#include <string.h>

static const char *id_of(const struct pending_call *c)
{
    return (const char *)(c->scopes + c->n_scopes);
}

static uint64_t hash_of(uint32_t stream, struct at_str call)
{
    return at_hash(call.ptr, call.len, stream);
}

static struct pending_call **link_of(const struct pending *p, uint32_t stream, struct at_str call)
{
    uint64_t hash = hash_of(stream, call);
    struct pending_call **link = &p->slots[hash & (p->n_slots - 1)];
    for (; *link; link = &(*link)->next) {
        const struct pending_call *c = *link;
        if (c->hash == hash && c->stream == stream && c->call_len == call.len && !memcmp(id_of(c), call.ptr, call.len))
            break;
    }
    return link;
}

static bool grow(struct pending *p)
{
    if (p->n < p->n_slots)
        return true;
    size_t n = p->n_slots ? p->n_slots * 2 : 64;
    struct pending_call **slots = calloc(n, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < p->n_slots; i++) {
        while (p->slots[i]) {
            struct pending_call *c = p->slots[i];
            p->slots[i] = c->next;
            c->next = slots[c->hash & (n - 1)];
            slots[c->hash & (n - 1)] = c;
        }
    }
    free(p->slots);
    p->slots = slots;
    p->n_slots = n;
    return true;
}

struct pending_call *pending_add(struct pending *p, uint32_t stream, struct at_str call, const uint32_t *scopes,
                                 size_t n_scopes)
{
    struct pending_call *c = grow(p) ? malloc(sizeof *c + n_scopes * sizeof *scopes + call.len) : NULL;
    if (!c)
        return NULL;
    *c = (struct pending_call){
        .hash = hash_of(stream, call), .stream = stream, .n_scopes = n_scopes, .call_len = call.len};
    if (n_scopes)
        memcpy(c->scopes, scopes, n_scopes * sizeof *scopes);
    if (call.len)
        memcpy((char *)(c->scopes + n_scopes), call.ptr, call.len);
    struct pending_call **slot = &p->slots[c->hash & (p->n_slots - 1)];
    c->next = *slot;
    *slot = c;
    p->n++;
    return c;
}

struct pending_call *pending_take(struct pending *p, uint32_t stream, struct at_str call)
{
    struct pending_call **link = p->n ? link_of(p, stream, call) : NULL;
    struct pending_call *c = link ? *link : NULL;
    if (c) {
        *link = c->next;
        p->n--;
    }
    return c;
}

const struct pending_call *pending_find(const struct pending *p, uint32_t stream, struct at_str call)
{
    return p->n ? *link_of(p, stream, call) : NULL;
}

struct pending_call *pending_pop(struct pending *p)
{
    for (size_t i = 0; p->n && i < p->n_slots; i++) {
        struct pending_call *c = p->slots[i];
        if (!c)
            continue;
        p->slots[i] = c->next;
        p->n--;
        return c;
    }
    return NULL;
}

void pending_free(struct pending *p)
{
    struct pending_call *c;
    while ((c = pending_pop(p)))
        free(c);
    free(p->slots);
    *p = (struct pending){0};
}
