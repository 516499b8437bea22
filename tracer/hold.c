/*
 * hold.c: events come out in the order of their times.
 *
 * A heap by (time, order of arrival). An entry that is not decided yet blocks what is later, until it is decided, or
 * until its time limit. An entry is owned by the heap and by its ticket; the last of the two frees it.
 */
#include <stdlib.h>

#include "tracer/dialect.h"

struct at_ticket {
    int64_t t_us;
    uint64_t order;
    struct at_event *ev; /* NULL: nothing comes out */
    size_t *waiting;     /* counts this event; may be NULL */
    bool undecided, in_heap, has_owner;
    bool own_time;
};

struct at_hold {
    struct at_hold_options options;
    at_hold_out *event;
    void *ctx;
    size_t *waiting; /* of the events being pushed */
    struct at_ticket **heap;
    size_t n, cap;
    uint64_t next_order;
    int64_t now_us;
};

enum at_err at_hold_new(const struct at_hold_options *options, at_hold_out *event, void *ctx, struct at_hold **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    **out = (struct at_hold){.options = *options, .event = event, .ctx = ctx, .now_us = INT64_MIN};
    return AT_OK;
}

static void release(struct at_ticket *e)
{
    if (e->in_heap || e->has_owner)
        return;
    free(e->ev);
    free(e);
}

void at_hold_free(struct at_hold **h)
{
    if (!*h)
        return;
    for (size_t i = 0; i < (*h)->n; i++) {
        (*h)->heap[i]->in_heap = false;
        release((*h)->heap[i]);
    }
    free((*h)->heap);
    free(*h);
    *h = NULL;
}

/* ---- The heap */

static bool earlier(const struct at_ticket *a, const struct at_ticket *b)
{
    return a->t_us != b->t_us ? a->t_us < b->t_us : a->order < b->order;
}

static enum at_err insert(struct at_hold *h, struct at_ticket *e)
{
    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 64;
        struct at_ticket **heap = realloc(h->heap, cap * sizeof *heap);
        if (!heap)
            return AT_NOMEM;
        h->heap = heap;
        h->cap = cap;
    }
    size_t i = h->n++;
    for (; i > 0 && earlier(e, h->heap[(i - 1) / 2]); i = (i - 1) / 2)
        h->heap[i] = h->heap[(i - 1) / 2];
    h->heap[i] = e;
    e->in_heap = true;
    return AT_OK;
}

static struct at_ticket *take_first(struct at_hold *h)
{
    struct at_ticket *first = h->heap[0], *last = h->heap[--h->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && earlier(h->heap[child + 1], h->heap[child]))
            child++;
        if (!earlier(h->heap[child], last))
            break;
        h->heap[i] = h->heap[child];
    }
    if (h->n)
        h->heap[i] = last;
    first->in_heap = false;
    return first;
}

/* ---- In and out */

/* True if `e` is `ms` old by now. */
static bool older_than(const struct at_hold *h, const struct at_ticket *e, uint32_t ms)
{
    return h->now_us >= e->t_us && (uint64_t)h->now_us - (uint64_t)e->t_us >= (uint64_t)ms * 1000;
}

static enum at_err let_go(struct at_hold *h, bool all)
{
    while (h->n > 0) {
        const struct at_ticket *first = h->heap[0];
        uint32_t ms = first->undecided ? h->options.hold_ms : h->options.lag_ms;
        if (!all && h->n <= h->options.hold_events && (first->undecided || ms > 0) && !older_than(h, first, ms))
            return AT_OK;
        struct at_ticket *e = take_first(h);
        enum at_err err = e->ev ? h->event(h->ctx, e->ev, e->own_time) : AT_OK;
        if (e->waiting)
            --*e->waiting;
        release(e);
        if (err)
            return err;
    }
    return AT_OK;
}

static enum at_err add(struct at_hold *h, int64_t t_us, const struct at_event *ev, struct at_ticket **out)
{
    struct at_ticket *e = calloc(1, sizeof *e);
    *out = NULL;
    if (!e)
        return AT_NOMEM;
    *e = (struct at_ticket){.t_us = t_us, .order = h->next_order++};
    if (ev)
        e->ev = at_event_clone(ev);
    enum at_err err = ev && !e->ev ? AT_NOMEM : insert(h, e);
    if (err)
        release(e);
    else
        *out = e;
    return err;
}

enum at_err at_hold_push(struct at_hold *h, const struct at_event *ev, bool own_time)
{
    struct at_ticket *e;
    if (h->n == 0 && h->options.lag_ms == 0)
        return h->event(h->ctx, ev, own_time);
    enum at_err err = add(h, ev->t_us, ev, &e);
    if (err)
        return err;
    e->own_time = own_time;
    e->waiting = h->waiting;
    if (e->waiting)
        ++*e->waiting;
    return let_go(h, false);
}

void at_hold_count(struct at_hold *h, size_t *waiting)
{
    h->waiting = waiting;
}

enum at_err at_hold_reserve(struct at_hold *h, int64_t t_us, const struct at_event *ev, struct at_ticket **out)
{
    enum at_err err = add(h, t_us, ev, out);
    if (err)
        return err;
    (*out)->undecided = true;
    (*out)->has_owner = true;
    return let_go(h, false);
}

enum at_err at_hold_settle(struct at_hold *h, struct at_ticket **ticket, const struct at_event *ev, bool *in_time)
{
    struct at_ticket *e = *ticket;
    enum at_err err = AT_OK;
    *ticket = NULL;
    *in_time = e && e->in_heap;
    if (!e)
        return AT_OK;
    if (e->in_heap) {
        free(e->ev);
        e->ev = ev ? at_event_clone(ev) : NULL;
        err = ev && !e->ev ? AT_NOMEM : AT_OK;
        e->undecided = false;
    }
    e->has_owner = false;
    release(e);
    return err ? err : let_go(h, false);
}

enum at_err at_hold_keep(struct at_hold *h, struct at_ticket **ticket)
{
    struct at_ticket *e = *ticket;
    *ticket = NULL;
    if (!e)
        return AT_OK;
    e->undecided = false;
    e->has_owner = false;
    release(e);
    return let_go(h, false);
}

void at_hold_forget(struct at_hold *h, struct at_ticket **ticket)
{
    struct at_ticket *e = *ticket;
    (void)h;
    *ticket = NULL;
    if (!e)
        return;
    e->has_owner = false;
    release(e);
}

enum at_err at_hold_tick(struct at_hold *h, int64_t now_us)
{
    if (now_us > h->now_us)
        h->now_us = now_us;
    return let_go(h, false);
}

enum at_err at_hold_finish(struct at_hold *h)
{
    return let_go(h, true);
}
