/* tcp.c: the table of TCP connections: who is who, who is over, who has to go. */
#include <stdlib.h>
#include <string.h>

#include "tracer/tcp.h"

#define FIRST_BUCKETS 1024
#define IDLE_TIER_US ((int64_t)60 * 1000000) /* connections without data, or over */
#define IDLE_TIER_SHARE 8                    /* of the memory, the part that those may take */
#define FAR (1 << 20)                        /* no SYN is so late, nor so much lost both ways at once */

struct list {
    struct at_flow *oldest, *newest;
};

struct at_tcp {
    struct at_reassembly r; /* r.now_us: the latest packet time so far */
    struct at_tcp_sink sink;
    struct at_flow **buckets;
    size_t n_buckets, n_flows;
    struct list tiers[AT_TIERS];
    size_t tier_memory[AT_TIERS];
    struct list waiting; /* by armed_us */
    size_t memory_bytes;
    int64_t idle_us;
    uint64_t seed;
};

enum at_err at_tcp_new(const struct at_decoder_options *o, const struct at_tcp_sink *sink, struct at_ledger *ledger,
                       struct at_tcp **out)
{
    struct at_tcp *t = calloc(1, sizeof *t);
    *out = t;
    if (!t)
        return AT_NOMEM;
    t->buckets = calloc(FIRST_BUCKETS, sizeof(struct at_flow *));
    if (!t->buckets) {
        at_tcp_free(out);
        return AT_NOMEM;
    }
    t->n_buckets = FIRST_BUCKETS;
    t->sink = *sink;
    t->memory_bytes = o->memory_bytes ? o->memory_bytes : AT_DEFAULT_MEMORY_BYTES;
    t->idle_us = (int64_t)(o->idle_s ? o->idle_s : AT_DEFAULT_IDLE_S) * 1000000;
    t->seed = (uint64_t)(uintptr_t)t; /* differs from run to run: nobody can aim at one bucket */
    t->r = (struct at_reassembly){.sink = &t->sink, .ledger = ledger, .now_us = INT64_MIN / 2};
    t->r.reorder_us = (int64_t)(o->reorder_ms ? o->reorder_ms : AT_DEFAULT_REORDER_MS) * 1000;
    t->r.gap_us = (int64_t)(o->gap_ms ? o->gap_ms : AT_DEFAULT_GAP_MS) * 1000;
    t->r.flow_bytes = o->flow_bytes ? o->flow_bytes : AT_DEFAULT_FLOW_BYTES;
    t->r.last_wins = o->last_wins;
    return AT_OK;
}

static size_t memory(const struct at_tcp *t)
{
    return t->tier_memory[AT_TIER_IDLE] + t->tier_memory[AT_TIER_UNKNOWN] + t->tier_memory[AT_TIER_KNOWN];
}

size_t at_tcp_memory(const struct at_tcp *t)
{
    return memory(t);
}

/* ---- Lists */

static void list_remove(struct list *l, struct at_flow *f)
{
    *(f->older ? &f->older->newer : &l->oldest) = f->newer;
    *(f->newer ? &f->newer->older : &l->newest) = f->older;
}

static void list_append(struct list *l, struct at_flow *f)
{
    f->newer = NULL;
    f->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = f;
    l->newest = f;
}

static void stop_waiting(struct at_tcp *t, struct at_flow *f)
{
    if (!f->waiting)
        return;
    *(f->wait_older ? &f->wait_older->wait_newer : &t->waiting.oldest) = f->wait_newer;
    *(f->wait_newer ? &f->wait_newer->wait_older : &t->waiting.newest) = f->wait_older;
    f->waiting = false;
}

static void start_waiting(struct at_tcp *t, struct at_flow *f)
{
    f->wait_newer = NULL;
    f->wait_older = t->waiting.newest;
    *(t->waiting.newest ? &t->waiting.newest->wait_newer : &t->waiting.oldest) = f;
    t->waiting.newest = f;
    f->waiting = true;
    f->armed_us = t->r.now_us;
}

void at_tcp_promote(struct at_tcp *t, struct at_flow *f, enum at_tier tier)
{
    if (f->tier == tier)
        return;
    list_remove(&t->tiers[f->tier], f);
    t->tier_memory[f->tier] -= f->weight;
    f->tier = tier;
    t->tier_memory[tier] += f->weight;
    list_append(&t->tiers[tier], f);
}

/* Brings the books up to date after something happened to a flow. */
static void settle(struct at_tcp *t, struct at_flow *f)
{
    bool waits = at_flow_is_waiting(f);
    if (waits && !f->waiting)
        start_waiting(t, f);
    else if (!waits)
        stop_waiting(t, f);
    size_t weight = sizeof *f + 16 + f->half[0].held_bytes + f->half[1].held_bytes;
    weight += f->app ? t->sink.weight(f) : 0;
    t->tier_memory[f->tier] += weight - f->weight;
    f->weight = weight;
}

/* ---- The table */

static bool is_key(const struct at_flow *f, const struct at_flow *key)
{
    return f->hash == key->hash && f->v6 == key->v6 && !memcmp(f->port, key->port, sizeof f->port) &&
           !memcmp(f->addr, key->addr, sizeof f->addr);
}

/* Fills the key of a flow from a segment, and no more of it; returns the end that sent it. */
static int key_of(const struct at_tcp *t, const struct at_segment *seg, struct at_flow *key)
{
    int order = memcmp(seg->src, seg->dst, 16);
    int end = order > 0 || (order == 0 && seg->sport > seg->dport);
    memcpy(key->addr[end], seg->src, 16); /* cppcheck-suppress uninitvar ; it is filled here */
    memcpy(key->addr[!end], seg->dst, 16);
    key->port[end] = seg->sport;
    key->port[!end] = seg->dport;
    key->v6 = seg->v6;
    key->hash = at_hash(key->addr, sizeof key->addr, t->seed ^ ((uint64_t)key->port[0] << 16 | key->port[1]));
    return end;
}

static struct at_flow **slot_of(const struct at_tcp *t, const struct at_flow *key)
{
    struct at_flow **slot = &t->buckets[key->hash & (t->n_buckets - 1)];
    while (*slot && !is_key(*slot, key))
        slot = &(*slot)->hash_next;
    return slot;
}

/* Twice the buckets; without memory for them the chains just get longer. */
static void grow(struct at_tcp *t)
{
    size_t n = t->n_buckets * 2;
    struct at_flow **buckets = calloc(n, sizeof(struct at_flow *));
    if (!buckets)
        return;
    for (size_t i = 0; i < t->n_buckets; i++) {
        for (struct at_flow *f = t->buckets[i], *next; f; f = next) {
            next = f->hash_next;
            f->hash_next = buckets[f->hash & (n - 1)];
            buckets[f->hash & (n - 1)] = f;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->n_buckets = n;
}

static struct at_flow *add_flow(struct at_tcp *t, const struct at_flow *key)
{
    if (t->n_flows >= t->n_buckets)
        grow(t);
    struct at_flow *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    memcpy(f->addr, key->addr, sizeof f->addr);
    memcpy(f->port, key->port, sizeof f->port);
    f->v6 = key->v6;
    f->hash = key->hash;
    f->client = -1;
    f->born_us = f->last_us = t->r.now_us;
    struct at_flow **slot = &t->buckets[f->hash & (t->n_buckets - 1)];
    f->hash_next = *slot;
    *slot = f;
    list_append(&t->tiers[AT_TIER_IDLE], f);
    t->n_flows++;
    t->r.ledger->flows++;
    settle(t, f);
    return f;
}

static void free_flow(struct at_tcp *t, struct at_flow *f)
{
    stop_waiting(t, f);
    list_remove(&t->tiers[f->tier], f);
    t->tier_memory[f->tier] -= f->weight;
    struct at_flow **slot = slot_of(t, f);
    *slot = f->hash_next;
    at_flow_drop_held(f);
    free(f);
    t->n_flows--;
}

void at_tcp_free(struct at_tcp **t)
{
    if (!*t)
        return;
    for (int tier = 0; tier < AT_TIERS; tier++)
        while ((*t)->tiers[tier].oldest)
            free_flow(*t, (*t)->tiers[tier].oldest);
    free((*t)->buckets);
    free(*t);
    *t = NULL;
}

/* The flow is over for the consumer. It stays in the table for a while, to swallow repetitions of its last bytes. */
static enum at_err end_flow(struct at_tcp *t, struct at_flow *f, enum at_flow_end why)
{
    enum at_err err = AT_OK;
    if (f->over)
        return AT_OK;
    if (why != AT_END_EVICTED)
        err = at_flow_give_up(&t->r, f, true);
    t->r.ledger->evicted_bytes += at_flow_drop_held(f);
    f->over = true;
    if (f->app) {
        enum at_err last = t->sink.over(t->sink.ctx, f, why);
        err = err ? err : last;
        f->app = NULL;
    }
    at_tcp_promote(t, f, AT_TIER_IDLE);
    settle(t, f);
    return err;
}

static enum at_err evict(struct at_tcp *t, struct at_flow *f)
{
    if (!f->over)
        t->r.ledger->flows_evicted++;
    enum at_err err = end_flow(t, f, AT_END_EVICTED);
    free_flow(t, f);
    return err;
}

/* Makes room, but never forgets `spare`, the flow at hand. */
static enum at_err make_room(struct at_tcp *t, const struct at_flow *spare)
{
    enum at_err err = AT_OK;
    size_t idle_cap = t->memory_bytes / IDLE_TIER_SHARE;
    const struct list *idle = &t->tiers[AT_TIER_IDLE];
    while (!err && t->tier_memory[AT_TIER_IDLE] > idle_cap && idle->oldest && idle->oldest != spare)
        err = evict(t, idle->oldest);
    for (int tier = 0; tier < AT_TIERS; tier++)
        while (!err && memory(t) > t->memory_bytes && t->tiers[tier].oldest && t->tiers[tier].oldest != spare)
            err = evict(t, t->tiers[tier].oldest);
    return err;
}

/* ---- Time */

enum at_err at_tcp_tick(struct at_tcp *t, int64_t now_us)
{
    enum at_err err = AT_OK;
    if (now_us > t->r.now_us)
        t->r.now_us = now_us;
    while (!err && t->waiting.oldest && t->r.now_us - t->waiting.oldest->armed_us >= t->r.reorder_us) {
        struct at_flow *f = t->waiting.oldest;
        err = at_flow_give_up(&t->r, f, false);
        stop_waiting(t, f);
        settle(t, f);
    }
    for (int tier = 0; tier < AT_TIERS && !err; tier++) {
        int64_t limit = tier == AT_TIER_IDLE && t->idle_us > IDLE_TIER_US ? IDLE_TIER_US : t->idle_us;
        struct at_flow *f;
        while (!err && (f = t->tiers[tier].oldest) != NULL && t->r.now_us - f->last_us >= limit) {
            err = end_flow(t, f, AT_END_IDLE);
            free_flow(t, f);
        }
    }
    return err;
}

enum at_err at_tcp_finish(struct at_tcp *t)
{
    enum at_err err = AT_OK;
    for (int tier = AT_TIERS - 1; tier >= 0; tier--) {
        while (t->tiers[tier].oldest) {
            struct at_flow *f = t->tiers[tier].oldest;
            enum at_err one = end_flow(t, f, AT_END_CAPTURE);
            err = err ? err : one;
            free_flow(t, f);
        }
    }
    return err;
}

/* ---- Segments */

static bool is_known(const struct at_half *h)
{
    return h->started || h->seen || h->acked;
}

static bool is_far(const struct at_half *h, uint32_t seq)
{
    int32_t d = at_seq_diff(seq, h->started || h->seen ? h->next : h->ack);
    return is_known(h) && (d > FAR || d < -FAR);
}

/* A SYN on a known flow: the same one again, a late one, or the first of a new connection. */
static bool is_new_connection(const struct at_flow *f, int end, const struct at_segment *seg)
{
    const struct at_half *h = &f->half[end];
    if (h->syn)
        return h->isn != seg->seq;
    if (is_far(h, seg->seq + 1) || (h->started && at_seq_diff(h->next, seg->seq + 1) < 0))
        return true;
    return seg->flags & AT_TCP_ACK && is_far(&f->half[!end], seg->ack);
}

/*
 * The beginning of a connection on the same ports was not captured: bytes far away from where the finished one ended;
 * or, its end is missing too, both numbers of a segment are far away at once. That much lost both ways between two
 * segments is not believed: it would give the events of one user to another.
 */
static bool is_successor(const struct at_flow *f, int end, const struct at_segment *seg)
{
    const struct at_half *h = &f->half[end], *other = &f->half[!end];
    if (f->over)
        return seg->len && h->started && is_far(h, seg->seq);
    return (seg->flags & (AT_TCP_ACK | AT_TCP_RST)) == AT_TCP_ACK && is_far(h, seg->seq) &&
           (is_far(other, seg->ack) || !is_known(other));
}

static void note_syn(struct at_flow *f, int end, const struct at_segment *seg)
{
    struct at_half *h = &f->half[end], *other = &f->half[!end];
    if (!h->syn) {
        h->syn = true;
        h->isn = seg->seq;
        if (!h->started) {
            h->started = true;
            h->next = seg->seq + 1;
        }
    }
    if (f->client < 0)
        f->client = (int8_t)(seg->flags & AT_TCP_ACK ? !end : end);
    if (seg->flags & AT_TCP_ACK && !other->started) { /* a SYN+ACK says where the client's bytes start */
        other->started = true;
        other->next = seg->ack;
    }
}

/* What the header says about both halves. */
static void note_header(struct at_flow *f, int end, const struct at_segment *seg)
{
    struct at_half *h = &f->half[end], *other = &f->half[!end];
    uint32_t seq = seg->seq + (seg->flags & AT_TCP_SYN ? 1 : 0);
    if (seg->flags & AT_TCP_SYN)
        note_syn(f, end, seg);
    if (!h->started && (!h->seen || at_seq_diff(seq, h->next) < 0))
        h->next = seq;
    h->seen = true;
    if (seg->flags & AT_TCP_ACK) {
        if (!other->acked || at_seq_diff(seg->ack, other->ack) > 0)
            other->ack = seg->ack;
        other->acked = true;
        if (h->syn && !other->started && !other->seen) { /* the SYN+ACK is missing: this says where it began */
            other->started = true;
            other->next = seg->ack;
        }
    }
    if (seg->flags & AT_TCP_FIN && !h->has_fin) {
        h->has_fin = true;
        h->fin = seq + (uint32_t)seg->wire;
    }
}

/* A reset counts only where its number can be right (RFC 5961, section 3). */
static bool is_believable_reset(const struct at_flow *f, int end, const struct at_segment *seg)
{
    const struct at_half *h = &f->half[end];
    int32_t d = at_seq_diff(seg->seq, h->next);
    return !h->started || (d >= -65536 && d <= 1 << 20);
}

static enum at_err in_flow(struct at_tcp *t, struct at_flow *f, int end, const struct at_segment *seg)
{
    struct at_piece p = {.data = seg->data, .len = seg->len, .seq = seg->seq, .ack = seg->ack, .t_us = seg->t_us};
    p.packet = seg->packet;
    p.has_ack = seg->flags & AT_TCP_ACK;
    if (seg->flags & AT_TCP_SYN)
        p.seq++;
    if (seg->flags & AT_TCP_RST) { /* its payload, if any, is a diagnosis and not data (RFC 9293, section 3.5.3) */
        t->r.ledger->undecoded_bytes += seg->len;
        return is_believable_reset(f, end, seg) ? end_flow(t, f, AT_END_RESET) : AT_OK;
    }
    note_header(f, end, seg);
    if (seg->len && f->tier == AT_TIER_IDLE && !f->over)
        at_tcp_promote(t, f, AT_TIER_UNKNOWN);
    enum at_err err = at_half_add(&t->r, f, end, &p);
    if (!err)
        err = at_flow_pump(&t->r, f);
    if (!err && at_flow_is_waiting(f))
        err = at_flow_give_up(&t->r, f, false);
    else
        f->half[0].blocked = f->half[1].blocked = false;
    if (!err && f->half[0].closed && f->half[1].closed)
        err = end_flow(t, f, AT_END_FIN);
    return err;
}

enum at_err at_tcp_segment(struct at_tcp *t, const struct at_segment *seg)
{
    struct at_flow key;
    int end = key_of(t, seg, &key);
    t->r.ledger->tcp_bytes += seg->len;
    enum at_err err = at_tcp_tick(t, seg->t_us);
    if (err)
        return err;
    struct at_flow *f = *slot_of(t, &key);
    bool syn = seg->flags & AT_TCP_SYN && !(seg->flags & AT_TCP_RST);
    if (f && (syn ? is_new_connection(f, end, seg) : is_successor(f, end, seg))) {
        err = end_flow(t, f, AT_END_REUSED);
        free_flow(t, f);
        f = NULL;
        if (err)
            return err;
    }
    if (!f) {
        f = add_flow(t, &key);
        if (!f)
            return AT_NOMEM;
        if (!syn)
            t->r.ledger->flows_midstream++;
    }
    f->last_us = t->r.now_us;
    list_remove(&t->tiers[f->tier], f);
    list_append(&t->tiers[f->tier], f);
    err = in_flow(t, f, end, seg);
    settle(t, f);
    return err ? err : make_room(t, f);
}
