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
    struct open_call *c = ref < h->view->n_calls ? &h->view->calls[ref] : NULL;
    if (!c || c->pending == CALL_NONE)
        return false;
    bool found = true;
    if (c->pending == CALL_OPEN) {
        make_made(h->view, c, out);
        h->view->n_open--;
    } else {
        found = pending_take_at(&t->pending, c->pending - CALL_SPILLED, c->index, out);
    }
    c->pending = CALL_NONE;
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

enum at_err calls_add_any(struct tally *t, const struct happening *h, const struct open_call *call)
{
    struct view *v = h->view;
    uint32_t at, ref = h->batch->call_ref[h->i];
    if (ref == AT_NO_CALL) {
        struct call_name name = name_of(v, h->who, call->call);
        struct made_call made;
        make_made(v, call, &made);
        return pending_add(&t->pending, &made, &name, &at);
    }
    while (ref >= v->n_calls) {
        enum at_err err = ROOM(v->calls, v->n_calls, v->calls_cap);
        if (err)
            return err;
        v->calls[v->n_calls++].pending = CALL_NONE;
    }
    v->calls[ref] = *call;
    v->n_open++;
    return AT_OK;
}

enum at_err calls_spill(struct tally *t, struct view *v)
{
    enum at_err err = AT_OK;
    for (size_t i = v->n_calls; v->n_open && !err; v->n_open--) { /* mostly the latest ones */
        struct open_call *c;
        do
            c = &v->calls[--i];
        while (c->pending != CALL_OPEN);
        struct call_name name = name_of(v, &v->who[c->source], c->call);
        struct made_call made;
        make_made(v, c, &made);
        err = pending_add(&t->pending, &made, &name, &c->pending);
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
    uint32_t ref = h->batch->call_ref[h->i];
    *known = ref < h->view->n_calls && h->view->calls[ref].pending == CALL_OPEN;
    if (*known) {
        make_made(h->view, &h->view->calls[ref], out);
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
