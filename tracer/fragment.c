/* fragment.c: IP fragments put together again (RFC 791, section 3.2; RFC 8200, section 4.5; RFC 5722). */
#include <stdlib.h>
#include <string.h>

#include "tracer/packet.h"

#define MAX_DATAGRAM 65535
#define MAX_PIECES 1024 /* fragments of one datagram; at least 64 bytes each on honest links */
#define TIMEOUT_US ((int64_t)30 * 1000000)
#define BUCKETS 256

struct piece {
    struct piece *next; /* by offset; pieces never overlap */
    size_t offset, len;
    uint8_t bytes[];
};

struct datagram {
    struct datagram *hash_next, *older, *newer;
    struct at_fragment key; /* of the first fragment seen */
    struct piece *pieces;
    size_t n_pieces, bytes, total; /* total: 0 until the last fragment is seen */
    uint8_t proto;
    uint64_t hash;
};

struct at_fragments {
    struct datagram *buckets[BUCKETS];
    struct datagram *oldest, *newest;
    size_t cap_bytes, used;
    uint8_t *whole; /* the datagram given last */
};

enum at_err at_fragments_new(size_t cap_bytes, struct at_fragments **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    (*out)->cap_bytes = cap_bytes;
    return AT_OK;
}

static size_t cost(size_t len)
{
    return sizeof(struct piece) + 16 + len;
}

static void forget(struct at_fragments *f, struct datagram *d)
{
    struct datagram **slot = &f->buckets[d->hash % BUCKETS];
    while (*slot != d)
        slot = &(*slot)->hash_next;
    *slot = d->hash_next;
    *(d->older ? &d->older->newer : &f->oldest) = d->newer;
    *(d->newer ? &d->newer->older : &f->newest) = d->older;
    while (d->pieces) {
        struct piece *next = d->pieces->next;
        f->used -= cost(d->pieces->len);
        free(d->pieces);
        d->pieces = next;
    }
    f->used -= sizeof *d;
    free(d);
}

static void drop(struct at_fragments *f, struct datagram *d, struct at_ledger *ledger)
{
    ledger->fragments_dropped += d->n_pieces;
    ledger->fragment_bytes += d->bytes;
    forget(f, d);
}

void at_fragments_free(struct at_fragments **f)
{
    if (!*f)
        return;
    while ((*f)->oldest)
        forget(*f, (*f)->oldest);
    free((*f)->whole);
    free(*f);
    *f = NULL;
}

void at_fragments_expire(struct at_fragments *f, int64_t now_us, bool all, struct at_ledger *ledger)
{
    while (f->oldest && (all || now_us - f->oldest->key.t_us > TIMEOUT_US))
        drop(f, f->oldest, ledger);
}

static bool same(const struct at_fragment *a, const struct at_fragment *b)
{
    /* The protocol is part of IPv4's key only: in IPv6 each fragment repeats it, but only the first one counts. */
    return a->id == b->id && a->v6 == b->v6 && (a->v6 || a->proto == b->proto) && !memcmp(a->src, b->src, 16) &&
           !memcmp(a->dst, b->dst, 16);
}

static struct datagram *find(struct at_fragments *f, const struct at_fragment *key)
{
    uint64_t hash = at_hash(key->src, 16, at_hash(key->dst, 16, key->id));
    struct datagram *d = f->buckets[hash % BUCKETS];
    while (d && !same(&d->key, key))
        d = d->hash_next;
    if (d)
        return d;
    d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->key = *key;
    d->proto = key->proto;
    d->hash = hash;
    d->hash_next = f->buckets[hash % BUCKETS];
    f->buckets[hash % BUCKETS] = d;
    d->older = f->newest;
    *(f->newest ? &f->newest->newer : &f->oldest) = d;
    f->newest = d;
    f->used += sizeof *d;
    return d;
}

/* Puts bytes that overlap nothing behind `*slot`. */
static bool insert(struct at_fragments *f, struct datagram *d, struct piece **slot, const uint8_t *bytes, size_t offset,
                   size_t len)
{
    struct piece *p = d->n_pieces < MAX_PIECES ? malloc(sizeof *p + len) : NULL;
    if (!p)
        return false;
    *p = (struct piece){.next = *slot, .offset = offset, .len = len};
    memcpy(p->bytes, bytes, len);
    *slot = p;
    d->n_pieces++;
    d->bytes += len;
    f->used += cost(len);
    return true;
}

/*
 * Adds what is new of a fragment; what was there first stays. False: the datagram has to go, for an IPv6 fragment that
 * overlaps another (RFC 5722; an exact repetition is no harm), or for want of memory. `*left` is what was not taken.
 */
static bool add(struct at_fragments *f, struct datagram *d, const struct at_fragment *frag, const uint8_t *bytes,
                size_t *left, struct at_ledger *ledger)
{
    size_t at = frag->offset, end = at + *left;
    struct piece **slot = &d->pieces;
    *left = 0;
    while (at < end) {
        struct piece *p = *slot;
        if (p && p->offset + p->len <= at) {
            slot = &p->next;
            continue;
        }
        size_t stop = p && p->offset < end ? p->offset : end;
        if (at < stop) {
            if (d->key.v6 && stop < end) {
                *left += end - at;
                return false;
            }
            if (!insert(f, d, slot, bytes + (at - frag->offset), at, stop - at)) {
                *left += end - at;
                return false;
            }
            slot = &(*slot)->next;
            at = stop;
            continue;
        }
        stop = p->offset + p->len < end ? p->offset + p->len : end;
        bool differs = memcmp(p->bytes + (at - p->offset), bytes + (at - frag->offset), stop - at) != 0;
        ledger->fragments_conflicting += differs;
        *left += stop - at;
        if (d->key.v6 && (differs || at != p->offset || end != p->offset + p->len)) {
            *left += end - stop;
            return false;
        }
        at = stop;
    }
    return true;
}

static bool is_complete(const struct datagram *d)
{
    size_t at = 0;
    for (const struct piece *p = d->pieces; p && p->offset == at; p = p->next)
        at += p->len;
    return d->total && at >= d->total;
}

/* Joins the pieces; what lies behind the end that the last fragment gave is dropped. */
static bool join(struct at_fragments *f, const struct datagram *d, struct at_span *whole, struct at_ledger *ledger)
{
    uint8_t *bytes = malloc(d->total);
    if (!bytes)
        return false;
    for (const struct piece *p = d->pieces; p; p = p->next) {
        size_t n = p->offset >= d->total ? 0 : p->offset + p->len > d->total ? d->total - p->offset : p->len;
        if (n)
            memcpy(bytes + p->offset, p->bytes, n);
        ledger->fragment_bytes += p->len - n;
    }
    free(f->whole);
    f->whole = bytes;
    *whole = (struct at_span){.ptr = bytes, .len = d->total, .wire = d->total};
    return true;
}

bool at_fragments_add(struct at_fragments *f, const struct at_fragment *frag, struct at_span payload,
                      struct at_ledger *ledger, struct at_span *whole, uint8_t *proto)
{
    at_fragments_expire(f, frag->t_us, false, ledger);
    size_t n = payload.len;
    if (payload.len < payload.wire || n == 0 || frag->offset + n > MAX_DATAGRAM) { /* cut, or no honest fragment */
        ledger->fragments_dropped++;
        ledger->fragment_bytes += n;
        return false;
    }
    if (frag->more)
        n &= ~(size_t)7;
    ledger->fragment_bytes += payload.len - n;
    while (f->used + cost(n) > f->cap_bytes && f->oldest)
        drop(f, f->oldest, ledger);
    struct datagram *d = n ? find(f, frag) : NULL;
    if (!d) {
        ledger->fragments_dropped++;
        ledger->fragment_bytes += n;
        return false;
    }
    if (!frag->more && !d->total)
        d->total = frag->offset + n;
    if (frag->offset == 0)
        d->proto = frag->proto;
    bool fits = add(f, d, frag, payload.ptr, &n, ledger);
    ledger->fragment_bytes += n;
    if (!fits) {
        drop(f, d, ledger);
        return false;
    }
    if (!is_complete(d))
        return false;
    *proto = d->proto;
    if (!join(f, d, whole, ledger)) {
        drop(f, d, ledger);
        return false;
    }
    forget(f, d);
    return true;
}
