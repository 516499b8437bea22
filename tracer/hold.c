/*
 * hold.c: events come out in the order of their times.
 *
 * By (time, order of arrival). Most events come in that order, or nearly so: those stand in a line, sorted. What would
 * have to go far to the front goes to a heap instead. An entry that is not decided yet blocks what is later, until it
 * is decided, or until its time limit. An entry is owned by the queue and by its ticket; the last of the two frees it.
 */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

#define ROOM_BYTES (size_t)448 /* of most events and their texts */
#define SPARE_MAX 4096u

struct at_ticket {
    int64_t t_us;
    uint64_t order;
    struct at_event *ev;    /* NULL: nothing comes out; in `room` where it fits, else allocated */
    struct at_ticket *next; /* of the spare ones */
    size_t *waiting;        /* counts this event; may be NULL */
    bool undecided, in_queue, has_owner;
    bool own_time;
    alignas(struct at_event) char room[ROOM_BYTES];
};

/* The time stands beside the entry: to compare is not to visit it. */
struct place {
    int64_t t_us;
    uint64_t order;
    struct at_ticket *entry;
};

#define NEAR 32u /* so far from the end of the line an entry finds its place there */

struct at_hold {
    struct at_hold_options options;
    at_hold_out *event;
    void *ctx;
    size_t *waiting;    /* of the events being pushed */
    struct place *line; /* from `first` on, n_line of them */
    size_t first, n_line, cap_line;
    struct place *heap;
    size_t n_heap, cap_heap;
    struct at_ticket *spare; /* entries to be used again, n_spare of them */
    size_t n_spare;
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

/* ---- Entries */

static void drop_event(struct at_ticket *e)
{
    if ((char *)e->ev != e->room)
        free(e->ev);
    e->ev = NULL;
}

/* `ev` may be NULL. */
static enum at_err set_event(struct at_ticket *e, const struct at_event *ev)
{
    drop_event(e);
    if (ev)
        e->ev = at_event_clone_into(ev, e->room, sizeof e->room);
    if (ev && !e->ev)
        e->ev = at_event_clone(ev);
    return ev && !e->ev ? AT_NOMEM : AT_OK;
}

static struct at_ticket *new_entry(struct at_hold *h, int64_t t_us)
{
    struct at_ticket *e = h->spare;
    if (e) {
        h->spare = e->next;
        h->n_spare--;
    } else {
        e = malloc(sizeof *e);
    }
    if (!e)
        return NULL;
    e->t_us = t_us;
    e->order = h->next_order++;
    e->ev = NULL;
    e->waiting = NULL;
    e->undecided = e->in_queue = e->has_owner = e->own_time = false;
    return e;
}

static void release(struct at_hold *h, struct at_ticket *e)
{
    if (e->in_queue || e->has_owner)
        return;
    drop_event(e);
    if (h->n_spare == SPARE_MAX) {
        free(e);
        return;
    }
    e->next = h->spare;
    h->spare = e;
    h->n_spare++;
}

static void drop(struct at_hold *h, struct at_ticket *e)
{
    e->in_queue = false;
    release(h, e);
}

void at_hold_free(struct at_hold **hold)
{
    struct at_hold *h = *hold;
    if (!h)
        return;
    for (size_t i = 0; i < h->n_line; i++)
        drop(h, h->line[h->first + i].entry);
    for (size_t i = 0; i < h->n_heap; i++)
        drop(h, h->heap[i].entry);
    while (h->spare) {
        struct at_ticket *next = h->spare->next;
        free(h->spare);
        h->spare = next;
    }
    free(h->line);
    free(h->heap);
    free(h);
    *hold = NULL;
}

/* ---- The queue */

static bool earlier(const struct place *a, const struct place *b)
{
    return a->t_us != b->t_us ? a->t_us < b->t_us : a->order < b->order;
}

/* Makes room for one more place behind `used` ones. */
static enum at_err room_for_one(struct place **list, size_t used, size_t *cap)
{
    if (used < *cap)
        return AT_OK;
    size_t more = *cap ? *cap * 2 : 64;
    struct place *moved = realloc(*list, more * sizeof *moved);
    if (!moved)
        return AT_NOMEM;
    *list = moved;
    *cap = more;
    return AT_OK;
}

static enum at_err insert_in_heap(struct at_hold *h, const struct place *p)
{
    enum at_err err = room_for_one(&h->heap, h->n_heap, &h->cap_heap);
    if (err)
        return err;
    size_t i = h->n_heap++;
    for (; i > 0 && earlier(p, &h->heap[(i - 1) / 2]); i = (i - 1) / 2)
        h->heap[i] = h->heap[(i - 1) / 2];
    h->heap[i] = *p;
    return AT_OK;
}

static void take_from_heap(struct at_hold *h)
{
    struct place last = h->heap[--h->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < h->n_heap; i = child) {
        if (child + 1 < h->n_heap && earlier(&h->heap[child + 1], &h->heap[child]))
            child++;
        if (!earlier(&h->heap[child], &last))
            break;
        h->heap[i] = h->heap[child];
    }
    if (h->n_heap)
        h->heap[i] = last;
}

static enum at_err insert(struct at_hold *h, struct at_ticket *e)
{
    const struct place p = {e->t_us, e->order, e};
    size_t back = 0;
    while (back < h->n_line && back < NEAR && earlier(&p, &h->line[h->first + h->n_line - 1 - back]))
        back++;
    enum at_err err;
    if (back == NEAR) {
        err = insert_in_heap(h, &p);
    } else {
        if (h->first > h->cap_line / 2) { /* what went out in front makes room */
            memmove(h->line, h->line + h->first, h->n_line * sizeof *h->line);
            h->first = 0;
        }
        err = room_for_one(&h->line, h->first + h->n_line, &h->cap_line);
        if (!err) {
            struct place *at = h->line + h->first + h->n_line++ - back;
            memmove(at + 1, at, back * sizeof *at);
            *at = p;
        }
    }
    e->in_queue = !err;
    return err;
}

/* The earliest of all; NULL: there is none. */
static const struct place *earliest(const struct at_hold *h)
{
    const struct place *line = h->n_line ? &h->line[h->first] : NULL, *heap = h->n_heap ? h->heap : NULL;
    return !heap || (line && earlier(line, heap)) ? line : heap;
}

static struct at_ticket *take_first(struct at_hold *h)
{
    const struct place *p = earliest(h);
    struct at_ticket *e = p->entry;
    if (p == h->heap) {
        take_from_heap(h);
    } else {
        h->n_line--;
        h->first = h->n_line ? h->first + 1 : 0;
    }
    e->in_queue = false;
    return e;
}

/* ---- In and out */

/* True if t_us is `ms` ago by now. */
static bool older_than(const struct at_hold *h, int64_t t_us, uint32_t ms)
{
    return h->now_us >= t_us && (uint64_t)h->now_us - (uint64_t)t_us >= (uint64_t)ms * 1000;
}

static enum at_err let_go(struct at_hold *h, bool all)
{
    const struct at_hold_options *o = &h->options;
    for (const struct place *first; (first = earliest(h));) {
        if (!all && h->n_line + h->n_heap <= o->hold_events && !older_than(h, first->t_us, o->hold_ms)) {
            if (!older_than(h, first->t_us, o->lag_ms) && o->lag_ms > 0)
                return AT_OK;
            if (first->entry->undecided)
                return AT_OK;
        }
        struct at_ticket *e = take_first(h);
        enum at_err err = e->ev ? h->event(h->ctx, e->ev, e->own_time) : AT_OK;
        if (e->waiting)
            --*e->waiting;
        release(h, e);
        if (err)
            return err;
    }
    return AT_OK;
}

static enum at_err add(struct at_hold *h, int64_t t_us, const struct at_event *ev, struct at_ticket **out)
{
    struct at_ticket *e = new_entry(h, t_us);
    *out = NULL;
    if (!e)
        return AT_NOMEM;
    enum at_err err = set_event(e, ev);
    if (!err)
        err = insert(h, e);
    if (err)
        release(h, e);
    else
        *out = e;
    return err;
}

enum at_err at_hold_push(struct at_hold *h, const struct at_event *ev, bool own_time)
{
    struct at_ticket *e;
    if (h->n_line + h->n_heap == 0 && h->options.lag_ms == 0)
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
    *in_time = e && e->in_queue;
    if (!e)
        return AT_OK;
    if (e->in_queue) {
        err = set_event(e, ev);
        e->undecided = false;
    }
    e->has_owner = false;
    release(h, e);
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
    release(h, e);
    return let_go(h, false);
}

void at_hold_forget(struct at_hold *h, struct at_ticket **ticket)
{
    struct at_ticket *e = *ticket;
    *ticket = NULL;
    if (!e)
        return;
    e->has_owner = false;
    release(h, e);
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
