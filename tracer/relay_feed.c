/* relay_feed.c: what was forwarded, as segments for the decoder. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tracer/relay_feed.h"

#define TURN_BYTES ((size_t)1 << 20)
#define LOST_MAX ((uint64_t)1 << 29) /* a hole that TCP's sequence numbers can express */

struct record {
    struct record *next;
    struct at_relay_flow *flow;
    enum at_relay_kind kind;
    int end;
    int64_t t_us;
    uint64_t lost;
    size_t len;
    uint8_t bytes[];
};

struct at_relay_queue {
    pthread_mutex_t lock;
    struct record *first, **last;
    size_t held, cap;
    int fd;
};

enum at_err at_relay_queue_new(size_t cap_bytes, struct at_relay_queue **out)
{
    struct at_relay_queue *q = calloc(1, sizeof *q);
    *out = q;
    if (!q)
        return AT_NOMEM;
    q->last = &q->first;
    q->cap = cap_bytes;
    q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->fd >= 0 && !pthread_mutex_init(&q->lock, NULL))
        return AT_OK;
    if (q->fd >= 0)
        close(q->fd);
    free(q);
    *out = NULL;
    return AT_IO;
}

void at_relay_queue_free(struct at_relay_queue **queue)
{
    struct at_relay_queue *q = *queue;
    if (!q)
        return;
    for (struct record *r = q->first, *next; r; r = next) {
        next = r->next;
        if (r->kind == AT_RELAY_GONE)
            free(r->flow);
        free(r);
    }
    pthread_mutex_destroy(&q->lock);
    close(q->fd);
    free(q);
    *queue = NULL;
}

int at_relay_queue_fd(const struct at_relay_queue *q)
{
    return q->fd;
}

/* ---- The forwarding side */

bool at_relay_queue_add(struct at_relay_queue *q, struct at_relay_flow *flow, enum at_relay_kind kind, int end,
                        int64_t t_us, struct at_str bytes, uint64_t lost)
{
    struct record *r = malloc(sizeof *r + bytes.len);
    if (!r)
        return false;
    *r = (struct record){.flow = flow, .kind = kind, .end = end, .t_us = t_us, .lost = lost, .len = bytes.len};
    if (bytes.len)
        memcpy(r->bytes, bytes.ptr, bytes.len);
    size_t size = sizeof *r + bytes.len;
    bool may_wait = kind == AT_RELAY_OPEN || kind == AT_RELAY_DATA || kind == AT_RELAY_LOST;
    pthread_mutex_lock(&q->lock);
    bool room = !may_wait || (q->held <= q->cap && size <= q->cap - q->held);
    if (room) {
        bool wake = q->first == NULL;
        *q->last = r;
        q->last = &r->next;
        q->held += size;
        uint64_t one = 1;
        if (wake && write(q->fd, &one, sizeof one) < 0)
            room = true; /* its counter is full: whoever waits is awake */
    }
    pthread_mutex_unlock(&q->lock);
    if (!room)
        free(r);
    return room;
}

/* ---- The decoder's side */

static struct record *pop(struct at_relay_queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct record *r = q->first;
    if (r) {
        q->first = r->next;
        if (!q->first)
            q->last = &q->first;
    } else {
        uint64_t count; /* emptied under the lock: what is added from now on wakes up again */
        ssize_t n = read(q->fd, &count, sizeof count);
        (void)n;
    }
    pthread_mutex_unlock(&q->lock);
    return r;
}

static void give_back(struct at_relay_queue *q, size_t bytes)
{
    pthread_mutex_lock(&q->lock);
    q->held -= bytes;
    pthread_mutex_unlock(&q->lock);
}

static struct at_segment segment_of(const struct at_relay_flow *f, int end, int64_t t_us, uint8_t flags)
{
    struct at_segment seg = {.t_us = t_us, .v6 = f->v6, .flags = flags, .seq = f->next[end], .ack = f->next[!end]};
    memcpy(seg.src, f->addr[end], 16);
    memcpy(seg.dst, f->addr[!end], 16);
    seg.sport = f->port[end];
    seg.dport = f->port[!end];
    return seg;
}

static enum at_err open_flow(struct at_relay_flow *f, int64_t t_us, struct at_decoder *d)
{
    struct at_segment syn = segment_of(f, 0, t_us, AT_TCP_SYN);
    f->next[0]++;
    struct at_segment answer = segment_of(f, 1, t_us, AT_TCP_SYN | AT_TCP_ACK);
    f->next[1]++;
    enum at_err err = at_decoder_segment(d, &syn);
    return err ? err : at_decoder_segment(d, &answer);
}

/* A hole: the other end acknowledges what was not seen. */
static enum at_err skip(struct at_relay_flow *f, int end, int64_t t_us, uint64_t lost, struct at_decoder *d)
{
    f->next[end] += (uint32_t)(lost < LOST_MAX ? lost : LOST_MAX);
    struct at_segment ack = segment_of(f, !end, t_us, AT_TCP_ACK);
    return at_decoder_segment(d, &ack);
}

static enum at_err feed(const struct record *r, struct at_decoder *d)
{
    struct at_relay_flow *f = r->flow;
    struct at_segment seg = segment_of(f, r->end, r->t_us, AT_TCP_ACK);
    switch (r->kind) {
    case AT_RELAY_OPEN:
        return open_flow(f, r->t_us, d);
    case AT_RELAY_DATA:
        seg.data = r->bytes;
        seg.len = seg.wire = r->len;
        f->next[r->end] += (uint32_t)r->len;
        return at_decoder_segment(d, &seg);
    case AT_RELAY_LOST:
        return skip(f, r->end, r->t_us, r->lost, d);
    case AT_RELAY_FIN:
        seg.flags |= AT_TCP_FIN;
        f->next[r->end]++;
        return at_decoder_segment(d, &seg);
    case AT_RELAY_RESET:
        seg.flags |= AT_TCP_RST;
        return at_decoder_segment(d, &seg);
    case AT_RELAY_GONE:
        free(f);
        break;
    }
    return AT_OK;
}

enum at_err at_relay_queue_take(struct at_relay_queue *q, struct at_decoder *d, bool *any)
{
    enum at_err err = AT_OK;
    struct record *r;
    *any = false;
    for (size_t taken = 0; !err && taken < TURN_BYTES && (r = pop(q)) != NULL;) {
        size_t size = sizeof *r + r->len;
        err = feed(r, d);
        free(r);
        give_back(q, size);
        taken += size;
        *any = true;
    }
    return err;
}
