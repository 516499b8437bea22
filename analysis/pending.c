/* pending.c: a chained hash table of calls by (stream, call id). Ids are not kept once a call is answered. */
#include "analysis/pending.h"

#include <stdlib.h>
#include <string.h>

static const char *bytes_of(const struct pending_call *c)
{
    return c->longer ? c->longer : c->bytes;
}

static bool is_named(const struct pending_call *c, const struct call_name *name)
{
    return c->stream_len == name->stream.len && c->call_len == name->call.len &&
           !memcmp(bytes_of(c), name->stream.ptr, name->stream.len) &&
           !memcmp(bytes_of(c) + c->stream_len, name->call.ptr, name->call.len);
}

static uint64_t hash_of(const struct call_name *name)
{
    return at_hash(name->call.ptr, name->call.len, name->stream_hash);
}

/* The slot or `next` that leads to the call, 0 in it where there is none. */
static uint32_t *link_of(const struct pending *p, const struct call_name *name)
{
    uint64_t hash = hash_of(name);
    uint32_t *link = &p->slots[hash & (p->n_slots - 1)];
    for (; *link; link = &p->list[*link - 1].next)
        if (p->list[*link - 1].hash == hash && is_named(&p->list[*link - 1], name))
            break;
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

static void count_stream(struct pending *p, uint64_t stream_hash, int step)
{
    uint32_t *n = &p->by_stream[stream_hash % PENDING_STREAMS];
    uint64_t *any = &p->any[stream_hash % PENDING_STREAMS / 64], bit = UINT64_C(1) << stream_hash % 64;
    *n += (uint32_t)step;
    *any = *n ? *any | bit : *any & ~bit;
}

enum at_err pending_add(struct pending *p, const struct made_call *made, const struct call_name *name, uint32_t *out)
{
    size_t len = name->stream.len + name->call.len;
    *out = 0;
    if (p->n >= UINT32_MAX / 2)
        return AT_LIMIT;
    enum at_err err = grow(p);
    if (!err && !p->free_call)
        err = ROOM(p->list, p->n_list, p->cap);
    char *longer = !err && len > CALL_INLINE ? malloc(len) : NULL;
    if (err || (len > CALL_INLINE && !longer))
        return err ? err : AT_NOMEM;
    uint32_t at = p->free_call ? p->free_call : (uint32_t)++p->n_list;
    struct pending_call *c = &p->list[at - 1];
    if (p->free_call)
        p->free_call = c->next;
    c->made = *made;
    c->hash = hash_of(name);
    c->stream_hash = name->stream_hash;
    count_stream(p, c->stream_hash, 1);
    c->stream_len = name->stream.len;
    c->call_len = name->call.len;
    c->longer = longer;
    char *to = longer ? longer : c->bytes;
    if (name->stream.len)
        memcpy(to, name->stream.ptr, name->stream.len);
    if (name->call.len)
        memcpy(to + name->stream.len, name->call.ptr, name->call.len);
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
    count_stream(p, c->stream_hash, -1);
    free(c->longer);
    c->longer = NULL;
    return true;
}

bool pending_take(struct pending *p, const struct call_name *name, struct made_call *out)
{
    return p->n && take(p, link_of(p, name), out);
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

const struct made_call *pending_find(const struct pending *p, const struct call_name *name)
{
    const uint32_t *link = p->n ? link_of(p, name) : NULL;
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
