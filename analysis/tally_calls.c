/*
 * tally_calls.c: calls that wait for their answer.
 *
 * Within a segment a call has a number, and is found by it. What is still open when the segment ends, or when an answer
 * comes that has no number, moves to the table where it is found by its id.
 */
#include "analysis/tally_private.h"

static struct call_name name_of(const struct view *v, const struct who *who, struct at_str call)
{
    return (struct call_name){stream_of(v, who), call, who->stream_hash};
}

/* The open call with the event's number. */
static bool take_numbered(struct tally *t, const struct happening *h, uint32_t ref, struct made_call *out)
{
    const struct open_call *c = numbered_call(h->view, ref);
    bool found = true;
    if (!c)
        return false;
    if (c->pending == CALL_OPEN)
        make_made(h->view, c, out);
    else
        found = pending_take_at(&t->pending, c->pending - CALL_SPILLED, c->index, out);
    calls_drop(h->view, ref);
    return found;
}

/* The one with the event's id among those that have no number any more. */
static bool take_named(struct tally *t, const struct happening *h, struct made_call *out)
{
    if (!pending_may_have(&t->pending, h->who->stream_hash))
        return false;
    struct call_name name = name_of(h->view, h->who, h->batch->call[h->i]);
    return pending_take(&t->pending, &name, out);
}

bool calls_supersede_any(struct tally *t, const struct happening *h, struct made_call *out)
{
    return take_numbered(t, h, h->batch->call_ref[h->i], out) || take_named(t, h, out);
}

static enum at_err to_pending(struct tally *t, const struct view *v, const struct open_call *c, uint32_t *at)
{
    struct call_name name = name_of(v, &v->who[c->source], c->call);
    struct made_call made;
    make_made(v, c, &made);
    return pending_add(&t->pending, &made, &name, at);
}

enum at_err calls_add_any(struct tally *t, const struct happening *h, uint32_t bond)
{
    struct view *v = h->view;
    struct open_call call;
    uint32_t ref = h->batch->call_ref[h->i], at = v->free_call;
    fill_call(h, bond, &call);
    if (ref == AT_NO_CALL)
        return to_pending(t, v, &call, &at);
    enum at_err err = at_grow((void **)&v->place_of, &v->refs_cap, (size_t)ref + 1, sizeof *v->place_of);
    if (!err && !at)
        err = ROOM(v->calls, v->n_calls, v->calls_cap);
    if (err)
        return err;
    while (v->n_refs <= ref)
        v->place_of[v->n_refs++] = 0;
    if (at)
        v->free_call = v->calls[at - 1].next_free;
    else
        at = (uint32_t)++v->n_calls;
    v->place_of[ref] = at;
    v->calls[at - 1] = call;
    if (ref < v->spilled)
        v->spilled = ref;
    return AT_OK;
}

enum at_err calls_spill(struct tally *t, struct view *v)
{
    enum at_err err = AT_OK;
    for (; v->spilled < v->n_refs && !err; v->spilled++) {
        struct open_call *c = numbered_call(v, (uint32_t)v->spilled);
        if (!c || c->pending != CALL_OPEN)
            continue;
        err = to_pending(t, v, c, &c->pending);
        c->pending += CALL_SPILLED;
    }
    return err;
}

/* Only one open call of a stream has the id: where it is in the table, it is not here. */
enum at_err calls_answered_any(struct tally *t, const struct happening *h, bool *known, struct made_call *out)
{
    *known = take_numbered(t, h, h->batch->call_ref[h->i], out) || take_named(t, h, out);
    if (*known)
        return AT_OK;
    enum at_err err = calls_spill(t, h->view);
    if (!err)
        *known = take_named(t, h, out);
    return err;
}

enum at_err calls_named(struct tally *t, const struct happening *h, bool *known, struct made_call *out)
{
    const struct open_call *open = numbered_call(h->view, h->batch->call_ref[h->i]);
    *known = open && open->pending == CALL_OPEN;
    if (*known) {
        make_made(h->view, open, out);
        return AT_OK;
    }
    enum at_err err = calls_spill(t, h->view);
    if (err)
        return err;
    struct call_name name = name_of(h->view, h->who, h->batch->call[h->i]);
    const struct made_call *c = pending_find(&t->pending, &name);
    *known = c != NULL;
    if (c)
        *out = *c;
    return AT_OK;
}
