/* dialect_pair.c: requests by their ids, waiting for their answers. */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

static uint64_t hash_of(struct at_str id, uint64_t exchange, enum at_dir dir)
{
    return at_hash(id.ptr, id.len, exchange * 2 + (uint64_t)dir);
}

static struct at_pending *find(const struct at_pairs *p, uint64_t hash, struct at_str id, uint64_t exchange,
                               enum at_dir dir)
{
    struct at_pending *e = p->n_buckets ? p->buckets[hash & (p->n_buckets - 1)] : NULL;
    while (e && !(e->hash == hash && e->dir == dir && e->exchange == exchange && at_str_eq(e->id, id)))
        e = e->chain;
    return e;
}

struct at_pending *at_pairs_find(const struct at_pairs *p, struct at_str id, uint64_t exchange, enum at_dir request_dir)
{
    return find(p, hash_of(id, exchange, request_dir), id, exchange, request_dir);
}

struct at_pending *at_pairs_before(const struct at_pairs *p, struct at_pending *like)
{
    like->hash = hash_of(like->id, like->exchange, like->dir);
    return find(p, like->hash, like->id, like->exchange, like->dir);
}

struct at_pending *at_pairs_of_exchange(const struct at_pairs *p, uint64_t exchange, enum at_dir request_dir)
{
    for (int list = 0; list < 2; list++) {
        unsigned looked = 0;
        for (struct at_pending *e = p->newest[list]; e && looked < 64; e = e->older, looked++)
            if (e->exchange == exchange && e->dir == request_dir)
                return e;
    }
    return NULL;
}

/* ---- Lists by age */

static void append(struct at_pairs *p, struct at_pending *e)
{
    int list = e->answered;
    e->older = p->newest[list];
    e->newer = NULL;
    if (e->older)
        e->older->newer = e;
    else
        p->oldest[list] = e;
    p->newest[list] = e;
    p->n[list]++;
}

static void unlink_aged(struct at_pairs *p, struct at_pending *e)
{
    int list = e->answered;
    if (e->older)
        e->older->newer = e->newer;
    else
        p->oldest[list] = e->newer;
    if (e->newer)
        e->newer->older = e->older;
    else
        p->newest[list] = e->older;
    p->n[list]--;
}

/* ---- Add and remove */

static enum at_err grow(struct at_pairs *p)
{
    if ((p->n[0] + p->n[1]) * 4 < p->n_buckets) /* few chains, so that what is not there is seldom looked for in them */
        return AT_OK;
    uint32_t n = p->n_buckets ? p->n_buckets * 2 : 16;
    struct at_pending **buckets = calloc(n, sizeof(void *));
    if (!buckets)
        return AT_NOMEM;
    for (uint32_t i = 0; i < p->n_buckets; i++)
        while (p->buckets[i]) {
            struct at_pending *e = p->buckets[i];
            p->buckets[i] = e->chain;
            e->chain = buckets[e->hash & (n - 1)];
            buckets[e->hash & (n - 1)] = e;
        }
    free(p->buckets);
    p->buckets = buckets;
    p->n_buckets = n;
    return AT_OK;
}

static inline void keep(char **to, struct at_str *s)
{
    if (!s->ptr)
        return;
    if (s->len)
        memcpy(*to, s->ptr, s->len);
    s->ptr = *to;
    *to += s->len;
}

#define ROOM_BYTES (size_t)256 /* of most entries' texts */

/* An entry with room for that many bytes of texts; the one that was removed last is used again. */
static struct at_pending *new_entry(struct at_pairs *p, size_t bytes)
{
    struct at_pending *e = p->spare;
    size_t room = bytes > ROOM_BYTES ? bytes : ROOM_BYTES;
    if (e && e->room >= bytes) {
        room = e->room;
        p->spare = NULL;
    } else {
        e = malloc(sizeof *e + room);
    }
    if (e)
        e->room = room;
    return e;
}

enum at_err at_pairs_add(struct at_pairs *p, const struct at_pending *like, struct at_pending **added)
{
    *added = NULL;
    enum at_err err = grow(p);
    if (err)
        return err;
    size_t bytes = like->id.len + like->call.len + like->api.len + like->part.len;
    bytes += like->names_stay ? 0 : like->app.len + like->user.len + like->platform.len + like->stream.len;
    struct at_pending *e = new_entry(p, bytes);
    if (!e)
        return AT_NOMEM;
    const size_t room = e->room;
    *e = *like;
    e->room = room;
    char *to = (char *)(e + 1);
    keep(&to, &e->id);
    if (like->call.ptr == like->id.ptr && like->call.len == like->id.len)
        e->call = e->id;
    else
        keep(&to, &e->call);
    keep(&to, &e->api);
    keep(&to, &e->part);
    if (!like->names_stay) {
        keep(&to, &e->app);
        keep(&to, &e->user);
        keep(&to, &e->platform);
        keep(&to, &e->stream);
    }
    e->answered = false;
    struct at_pending **bucket = &p->buckets[e->hash & (p->n_buckets - 1)];
    e->chain = *bucket;
    *bucket = e;
    p->asked[e->dir]++;
    append(p, e);
    *added = e;
    return AT_OK;
}

void at_pairs_answered(struct at_pairs *p, struct at_pending *e)
{
    if (e->answered)
        return;
    unlink_aged(p, e);
    e->answered = true;
    append(p, e);
}

void at_pairs_remove(struct at_pairs *p, struct at_pending *e)
{
    struct at_pending **at = &p->buckets[e->hash & (p->n_buckets - 1)];
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    p->asked[e->dir]--;
    unlink_aged(p, e);
    free(p->spare);
    p->spare = e;
    if (p->n[0] + p->n[1] == 0) {
        free(p->spare);
        free(p->buckets);
        *p = (struct at_pairs){0};
    }
}

struct at_pending *at_pairs_surplus(const struct at_pairs *p)
{
    if (p->n[0] > AT_PAIRS_OPEN)
        return p->oldest[0];
    return p->n[1] > AT_PAIRS_ANSWERED ? p->oldest[1] : NULL;
}

struct at_pending *at_pairs_any(const struct at_pairs *p)
{
    return p->oldest[0] ? p->oldest[0] : p->oldest[1];
}
