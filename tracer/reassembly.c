/*
 * reassembly.c: the two halves of a TCP connection, put in order.
 *
 * A segment is handed on when all bytes before it were, and when the bytes of the other end that it acknowledges were
 * too: a response never comes before its request, however the capture shuffled them. What is missing is given up when
 * the other end acknowledged it (it arrived there, so the capture lost it) and it did not turn up within the time by
 * which captures are out of order; without an acknowledgement after a longer time; or when too much waits for it.
 */
#include <stdlib.h>
#include <string.h>

#include "tracer/tcp.h"

#define MAX_HELD 8192    /* segments that one half may hold */
#define WINDOW (1 << 30) /* the largest window of RFC 7323: nothing honest is farther away */

struct at_held {
    struct at_held *prev, *next;
    uint32_t seq, ack;
    bool has_ack;
    int64_t t_us, since_us;
    uint64_t packet;
    size_t len;
    uint8_t bytes[];
};

static size_t cost(size_t len)
{
    return sizeof(struct at_held) + 16 + len;
}

static enum at_err hold(struct at_reassembly *r, struct at_half *h, struct at_held *before, const struct at_piece *p)
{
    struct at_held *s = malloc(sizeof *s + p->len);
    if (!s)
        return AT_NOMEM;
    *s = (struct at_held){.seq = p->seq, .ack = p->ack, .has_ack = p->has_ack, .t_us = p->t_us};
    s->packet = p->packet;
    s->since_us = r->now_us;
    s->len = p->len;
    memcpy(s->bytes, p->data, p->len);
    s->next = before;
    s->prev = before ? before->prev : h->last;
    *(s->prev ? &s->prev->next : &h->first) = s;
    *(before ? &before->prev : &h->last) = s;
    h->n_held++;
    h->held_bytes += cost(p->len);
    return AT_OK;
}

static void drop(struct at_half *h, struct at_held *s)
{
    *(s->prev ? &s->prev->next : &h->first) = s->next;
    *(s->next ? &s->next->prev : &h->last) = s->prev;
    h->n_held--;
    h->held_bytes -= cost(s->len);
    free(s);
}

size_t at_flow_drop_held(struct at_flow *f)
{
    size_t bytes = 0;
    for (int e = 0; e < 2; e++) {
        while (f->half[e].first) {
            bytes += f->half[e].first->len;
            drop(&f->half[e], f->half[e].first);
        }
    }
    return bytes;
}

/* The first `n` bytes of the piece are not wanted. */
static void skip(struct at_piece *p, size_t n)
{
    p->data += n;
    p->len -= n;
    p->seq += (uint32_t)n;
}

/* Bytes of a piece that lie on held ones: counted, compared, and by the policy taken over. */
static void overlap(struct at_reassembly *r, struct at_held *s, const struct at_piece *p, size_t n)
{
    uint8_t *old = s->bytes + (p->seq - s->seq);
    r->ledger->tcp_duplicate_bytes += n;
    if (!memcmp(old, p->data, n))
        return;
    for (size_t i = 0; i < n; i++)
        r->ledger->tcp_conflict_bytes += old[i] != p->data[i];
    if (r->last_wins)
        memcpy(old, p->data, n);
}

/* Puts a piece among the held ones; only what is new of it. */
static enum at_err keep(struct at_reassembly *r, struct at_half *h, struct at_piece p)
{
    struct at_held *s = h->last;
    while (s && at_seq_diff(s->seq, p.seq) > 0)
        s = s->prev;
    if (!s)
        s = h->first;
    while (p.len) {
        while (s && at_seq_diff(p.seq, s->seq + (uint32_t)s->len) >= 0)
            s = s->next;
        int32_t free_len = s ? at_seq_diff(s->seq, p.seq) : INT32_MAX;
        if (free_len > 0) {
            struct at_piece part = p;
            if (part.len > (size_t)free_len)
                part.len = (size_t)free_len;
            enum at_err err = hold(r, h, s, &part);
            if (err)
                return err;
            skip(&p, part.len);
        } else {
            size_t n = s->len - (p.seq - s->seq);
            n = n < p.len ? n : p.len;
            overlap(r, s, &p, n);
            skip(&p, n);
        }
    }
    return AT_OK;
}

/* True if `ack` speaks of bytes of `other` that were not handed on yet. */
static bool is_ahead(const struct at_half *other, uint32_t ack)
{
    if (!other->seen || other->closed)
        return false;
    if (!other->started)
        return true;
    int32_t d = at_seq_diff(ack, other->next);
    return d > 0 && d < WINDOW;
}

static enum at_err hand_on(struct at_reassembly *r, struct at_flow *f, int end, const struct at_piece *p)
{
    struct at_half *h = &f->half[end];
    h->next += (uint32_t)p->len;
    h->blocked = false;
    if (p->packet >= h->packet) {
        h->packet = p->packet;
        h->t_us = p->t_us;
    }
    return r->sink->data(r->sink->ctx, f, end, (struct at_str){(const char *)p->data, p->len});
}

static enum at_err pass_fin(struct at_reassembly *r, struct at_flow *f, int end)
{
    struct at_half *h = &f->half[end];
    if (!h->has_fin || h->closed || !h->started || h->n_held || at_seq_diff(h->next, h->fin) < 0)
        return AT_OK;
    h->closed = true;
    h->next = h->fin + 1;
    return r->sink->fin(r->sink->ctx, f, end);
}

enum at_err at_half_add(struct at_reassembly *r, struct at_flow *f, int end, const struct at_piece *given)
{
    struct at_half *h = &f->half[end], *other = &f->half[!end];
    struct at_piece p = *given;
    if (p.len == 0)
        return AT_OK;
    if (h->closed || f->over) { /* behind the end: nothing new can come */
        r->ledger->tcp_duplicate_bytes += p.len;
        return AT_OK;
    }
    if (h->started) {
        int32_t behind = at_seq_diff(h->next, p.seq);
        if (behind > WINDOW || behind < -WINDOW) {
            r->ledger->segments_outside++;
            r->ledger->undecoded_bytes += p.len;
            return AT_OK;
        }
        if (behind > 0) {
            size_t n = (size_t)behind < p.len ? (size_t)behind : p.len;
            r->ledger->tcp_duplicate_bytes += n;
            skip(&p, n);
            if (p.len == 0)
                return AT_OK;
        }
        if (p.seq == h->next && !h->first && !(p.has_ack && is_ahead(other, p.ack)))
            return hand_on(r, f, end, &p);
    }
    return keep(r, h, p);
}

/* The first held segment, if it is its turn. */
static struct at_held *ready(const struct at_flow *f, int end)
{
    const struct at_half *h = &f->half[end];
    struct at_held *s = h->first;
    if (!s || !h->started || at_seq_diff(s->seq, h->next) > 0 || (s->has_ack && is_ahead(&f->half[!end], s->ack)))
        return NULL;
    return s;
}

static enum at_err pass_held(struct at_reassembly *r, struct at_flow *f, int end, struct at_held *s)
{
    struct at_half *h = &f->half[end];
    struct at_piece p = {.data = s->bytes, .len = s->len, .seq = s->seq, .t_us = s->t_us, .packet = s->packet};
    int32_t behind = at_seq_diff(h->next, p.seq);
    enum at_err err = AT_OK;
    if (behind > 0) { /* the start of the half turned out to be later */
        size_t n = (size_t)behind < p.len ? (size_t)behind : p.len;
        r->ledger->tcp_duplicate_bytes += n;
        skip(&p, n);
    }
    if (p.len)
        err = hand_on(r, f, end, &p);
    drop(h, s);
    return err;
}

enum at_err at_flow_pump(struct at_reassembly *r, struct at_flow *f)
{
    enum at_err err = AT_OK;
    for (bool moved = true; moved && !err;) {
        moved = false;
        for (int end = 0; end < 2 && !err; end++) {
            struct at_held *s;
            while (!err && (s = ready(f, end)) != NULL) {
                err = pass_held(r, f, end, s);
                moved = true;
            }
            if (!err)
                err = pass_fin(r, f, end);
        }
    }
    return err;
}

/* True if the other end acknowledged bytes that did not come. */
static bool is_acked_past(const struct at_half *h)
{
    if (!h->started || !h->acked || h->closed)
        return false;
    int32_t d = at_seq_diff(h->ack, h->next);
    return d > 0 && d < WINDOW;
}

static bool is_blocked(const struct at_half *h)
{
    return h->first || (h->has_fin && !h->closed) || is_acked_past(h) || (h->seen && !h->started);
}

bool at_flow_is_waiting(const struct at_flow *f)
{
    return !f->over && (is_blocked(&f->half[0]) || is_blocked(&f->half[1]));
}

/* Notes since when a half does not move. */
static void note_blocked(const struct at_reassembly *r, struct at_half *h)
{
    bool blocked = is_blocked(h);
    if (blocked && !h->blocked)
        h->blocked_us = h->first ? h->first->since_us : r->now_us;
    h->blocked = blocked;
}

static bool is_due(const struct at_reassembly *r, const struct at_flow *f, int end, bool all)
{
    const struct at_half *h = &f->half[end];
    int64_t waited = r->now_us - h->blocked_us;
    if (all || h->held_bytes > r->flow_bytes || h->n_held > MAX_HELD)
        return true;
    if (!h->started)
        return r->now_us - f->born_us >= r->reorder_us;
    return waited >= (is_acked_past(h) ? r->reorder_us : r->gap_us);
}

/* Where the half goes on when it is given up: at the first held byte, its FIN, or behind what was acknowledged. */
static bool next_start(const struct at_half *h, uint32_t *to)
{
    if (h->first && (!is_acked_past(h) || at_seq_diff(h->first->seq, h->ack) <= 0)) {
        *to = h->first->seq;
        return true;
    }
    if (h->has_fin && !h->first && (!is_acked_past(h) || at_seq_diff(h->fin, h->ack) <= 0)) {
        *to = h->fin;
        return true;
    }
    *to = h->ack;
    return is_acked_past(h);
}

/* A segment in its place may wait for an acknowledgement that makes no sense: it need not wait any longer. */
static bool unblock(const struct at_flow *f, int end)
{
    const struct at_half *other = &f->half[!end];
    struct at_held *s = f->half[end].first;
    if (!s || !s->has_ack || at_seq_diff(s->seq, f->half[end].next) > 0 || !other->started || is_acked_past(other))
        return false;
    s->has_ack = false;
    return true;
}

/* Moves one half over its hole. `*moved`: there was one. */
static enum at_err jump(struct at_reassembly *r, struct at_flow *f, int end, bool *moved)
{
    struct at_half *h = &f->half[end];
    uint32_t to = h->next;
    if (!h->started) {
        if (!h->seen)
            return AT_OK;
        h->started = *moved = true;
        if (h->first && at_seq_diff(h->first->seq, h->next) < 0)
            h->next = h->first->seq;
        return AT_OK;
    }
    if (unblock(f, end)) {
        *moved = true;
        return AT_OK;
    }
    if (h->closed || !next_start(h, &to))
        return AT_OK;
    int32_t lost = at_seq_diff(to, h->next);
    if (lost <= 0)
        return AT_OK;
    *moved = true;
    h->next = to;
    h->blocked = false;
    r->ledger->tcp_gaps++;
    r->ledger->tcp_gap_bytes += (uint32_t)lost;
    return r->sink->gap(r->sink->ctx, f, end, (uint32_t)lost);
}

enum at_err at_flow_give_up(struct at_reassembly *r, struct at_flow *f, bool all)
{
    enum at_err err = at_flow_pump(r, f);
    for (bool moved = true; moved && !err && !f->over;) {
        moved = false;
        note_blocked(r, &f->half[0]);
        note_blocked(r, &f->half[1]);
        for (int end = 0; end < 2 && !err && !moved; end++)
            if (is_due(r, f, end, all))
                err = jump(r, f, end, &moved);
        if (!err && moved)
            err = at_flow_pump(r, f);
    }
    return err;
}
