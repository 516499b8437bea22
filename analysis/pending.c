/* pending.c: a chained hash table of calls by (stream, call id). Ids are not kept once a call is answered. */
#include "analysis/pending.h"

#include <stdlib.h>
#include <string.h>

static const char *id_of(const struct pending_call *c)
{
    return c->longer ? c->longer : c->call;
}

/* The slot or `next` that leads to the call, 0 in it where there is none. */
static uint32_t *link_of(const struct pending *p, uint32_t stream, struct at_str call, uint64_t hash)
{
    uint32_t *link = &p->slots[hash & (p->n_slots - 1)];
    for (; *link; link = &p->list[*link - 1].next) {
        const struct pending_call *c = &p->list[*link - 1];
        if (c->hash == hash && c->made.stream == stream && c->call_len == call.len &&
            !memcmp(id_of(c), call.ptr, call.len))
            break;
    }
    return link;
}

static enum at_err grow(struct pending *p)
{
    if (p->n < p->n_slots)
        return AT_OK;
    size_t n = p->n_slots ? p->n_slots * 2 : 64;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots)
        return AT_NOMEM;
    for (size_t i = 0; i < p->n_slots; i++) {
        while (p->slots[i]) {
            uint32_t at = p->slots[i];
            struct pending_call *c = &p->list[at - 1];
            p->slots[i] = c->next;
            c->next = slots[c->hash & (n - 1)];
            slots[c->hash & (n - 1)] = at;
        }
    }
    free(p->slots);
    p->slots = slots;
    p->n_slots = n;
    return AT_OK;
}

enum at_err pending_add(struct pending *p, const struct made_call *made, struct at_str call, uint32_t *out)
{
    *out = 0;
    if (call.len > UINT32_MAX || p->n >= UINT32_MAX / 2)
        return AT_LIMIT;
    enum at_err err = grow(p);
    if (!err && !p->free_call)
        err = ROOM(p->list, p->n_list, p->cap);
    char *longer = !err && call.len > CALL_INLINE ? malloc(call.len) : NULL;
    if (err || (call.len > CALL_INLINE && !longer))
        return err ? err : AT_NOMEM;
    uint32_t at = p->free_call ? p->free_call : (uint32_t)++p->n_list;
    struct pending_call *c = &p->list[at - 1];
    if (p->free_call)
        p->free_call = c->next;
    c->made = *made;
    c->hash = at_hash(call.ptr, call.len, made->stream);
    c->call_len = (uint32_t)call.len;
    c->longer = longer;
    if (call.len)
        memcpy(longer ? longer : c->call, call.ptr, call.len);
    uint32_t *slot = &p->slots[c->hash & (p->n_slots - 1)];
    c->next = *slot;
    *slot = at;
    p->n++;
    *out = at - 1;
    return AT_OK;
}

/* The call that `link` leads to leaves the table. */
static bool take(struct pending *p, uint32_t *link, struct made_call *out)
{
    uint32_t at = *link;
    if (!at)
        return false;
    struct pending_call *c = &p->list[at - 1];
    *out = c->made;
    c->made.index = UINT64_MAX;
    *link = c->next;
    c->next = p->free_call;
    p->free_call = at;
    p->n--;
    free(c->longer);
    c->longer = NULL;
    return true;
}

bool pending_take(struct pending *p, uint32_t stream, struct at_str call, struct made_call *out)
{
    return p->n && take(p, link_of(p, stream, call, at_hash(call.ptr, call.len, stream)), out);
}

bool pending_take_at(struct pending *p, uint32_t at, uint64_t index, struct made_call *out)
{
    if (at >= p->n_list || p->list[at].made.index != index)
        return false;
    uint32_t *link = &p->slots[p->list[at].hash & (p->n_slots - 1)];
    while (*link && *link != at + 1)
        link = &p->list[*link - 1].next;
    return take(p, link, out);
}

const struct made_call *pending_find(const struct pending *p, uint32_t stream, struct at_str call)
{
    const uint32_t *link = p->n ? link_of(p, stream, call, at_hash(call.ptr, call.len, stream)) : NULL;
    return link && *link ? &p->list[*link - 1].made : NULL;
}

bool pending_pop(struct pending *p, struct made_call *out)
{
    for (; p->n && p->popped < p->n_slots; p->popped++)
        if (p->slots[p->popped])
            return take(p, &p->slots[p->popped], out);
    return false;
}

void pending_free(struct pending *p)
{
    for (size_t i = 0; i < p->n_list; i++)
        free(p->list[i].longer);
    free(p->list);
    free(p->slots);
    *p = (struct pending){0};
}
