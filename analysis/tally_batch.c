/*
 * tally_batch.c: columns of events, segment by segment.
 *
 * Within a segment a call has a number, and is found by it. What is still open when the segment ends, or when an answer
 * comes that has no number, moves to the table where it is found by its id.
 */
#include <string.h>

#include "analysis/tally_private.h"

/* ---- Calls */

static struct call_name name_of(const struct view *v, uint32_t source, struct at_str call)
{
    const struct who *who = &v->who[source];
    return (struct call_name){{v->names.ptr + who->stream_at, who->stream_len}, call, who->stream_hash};
}

static bool take(struct tally *t, struct open_call *c, struct made_call *out)
{
    bool found = c->state == CALL_OPEN;
    if (found)
        *out = c->made;
    else if (c->state == CALL_SPILLED)
        found = pending_take_at(&t->pending, c->pending, c->made.index, out);
    c->state = CALL_NONE;
    return found;
}

bool calls_take(struct tally *t, const struct happening *h, struct made_call *out)
{
    return h->call_ref < h->view->n_calls && take(t, &h->view->calls[h->call_ref], out);
}

enum at_err calls_add(struct tally *t, const struct happening *h, const struct made_call *made)
{
    struct view *v = h->view;
    uint32_t at, source = (uint32_t)(h->who - v->who);
    if (h->call_ref == AT_NO_CALL) {
        struct call_name name = name_of(v, source, h->call);
        return pending_add(&t->pending, made, &name, &at);
    }
    while (h->call_ref >= v->n_calls) {
        enum at_err err = ROOM(v->calls, v->n_calls, v->calls_cap);
        if (err)
            return err;
        v->calls[v->n_calls++].state = CALL_NONE;
    }
    v->calls[h->call_ref] = (struct open_call){.made = *made, .source = source, .call = h->call, .state = CALL_OPEN};
    if (h->call_ref < v->spilled)
        v->spilled = h->call_ref;
    return AT_OK;
}

enum at_err calls_spill(struct tally *t, struct view *v)
{
    enum at_err err = AT_OK;
    for (; v->spilled < v->n_calls && !err; v->spilled++) {
        struct open_call *c = &v->calls[v->spilled];
        if (c->state != CALL_OPEN)
            continue;
        struct call_name name = name_of(v, c->source, c->call);
        err = pending_add(&t->pending, &c->made, &name, &c->pending);
        c->state = CALL_SPILLED;
    }
    return err;
}

bool calls_take_named(struct tally *t, const struct happening *h, struct made_call *out)
{
    if (!t->pending.n)
        return false;
    struct call_name name = name_of(h->view, (uint32_t)(h->who - h->view->who), h->call);
    return pending_take(&t->pending, &name, out);
}

enum at_err calls_answered(struct tally *t, const struct happening *h, bool *known, struct made_call *out)
{
    *known = calls_take(t, h, out);
    if (*known)
        return AT_OK;
    enum at_err err = calls_spill(t, h->view);
    if (!err)
        *known = calls_take_named(t, h, out);
    return err;
}

enum at_err calls_api(struct tally *t, const struct happening *h, uint32_t *api)
{
    enum at_err err = AT_OK;
    if (h->call_ref < h->view->n_calls && h->view->calls[h->call_ref].state == CALL_OPEN) {
        *api = h->view->calls[h->call_ref].made.api;
        return err;
    }
    err = calls_spill(t, h->view);
    if (err)
        return err;
    struct call_name name = name_of(h->view, (uint32_t)(h->who - h->view->who), h->call);
    const struct made_call *c = pending_find(&t->pending, &name);
    if (c)
        *api = c->api;
    return err;
}

/* ---- Segments */

static enum at_err view_of(struct tally *t, const struct at_tape_batch *b, struct view **out)
{
    enum at_err err = AT_OK;
    while (b->input >= t->n_views && !err) {
        err = ROOM(t->views, t->n_views, t->views_cap);
        if (!err)
            t->views[t->n_views++] = (struct view){.begun = false};
    }
    if (err)
        return err;
    struct view *v = *out = &t->views[b->input];
    if (v->begun && v->segment != b->segment) {
        err = calls_spill(t, v);
        v->n_who = v->n_what = v->n_calls = v->spilled = 0;
        v->names.len = 0;
    }
    v->begun = true;
    v->segment = b->segment;
    return err;
}

/* The names of a view's streams are needed once the segment has gone. */
static enum at_err keep_stream(struct view *v, struct at_str stream)
{
    struct who *who = &v->who[v->n_who];
    who->stream_at = (uint32_t)v->names.len;
    who->stream_len = stream.len;
    who->stream_hash = at_hash(stream.ptr, stream.len, 0);
    return at_buf_str(&v->names, stream);
}

/* What came with the batch that is new in the segment. */
static enum at_err learn(struct tally *t, struct view *v, const struct at_tape_batch *b)
{
    enum at_err err = AT_OK;
    while (v->n_who < b->n_sources && !err) {
        const struct at_tape_source *s = &b->sources[v->n_who];
        err = ROOM(v->who, v->n_who, v->who_cap);
        if (!err)
            err = who_of(t, s, &v->who[v->n_who]);
        if (!err)
            err = v->names.len + s->stream.len > UINT32_MAX ? AT_LIMIT : keep_stream(v, s->stream);
        v->n_who += !err;
    }
    while (v->n_what < b->n_shapes && !err) {
        struct what *what;
        err = ROOM(v->what, v->n_what, v->what_cap);
        if (!err)
            err = what_of(t, &b->shapes[v->n_what], &what);
        if (!err)
            v->what[v->n_what++] = *what;
    }
    return err;
}

static enum at_err spill_all(struct tally *t)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < t->n_views && !err; i++)
        err = calls_spill(t, &t->views[i]);
    return err;
}

#define AHEAD 8 /* events */

/* The bond of a later event is found before its turn, and the memory that this takes is fetched before that. */
static enum at_err look_ahead(struct tally *t, struct view *v, const struct at_tape_batch *b, size_t i)
{
    for (size_t step = 1; step <= 2; step++) {
        size_t at = i + step * AHEAD;
        if (at >= b->n)
            return AT_OK;
        struct who *who = &v->who[b->source[at]];
        uint32_t list = v->what[b->shape[at]].scopes, scope = t->scopes[list] ? t->scopes[list + 1] : NO_ID, bond;
        if (scope >= BONDS_KEPT)
            continue;
        if (step == 2 && who->bond[scope] == NO_ID)
            bonds_fetch(&t->bonds, who->key, scope);
        if (step == 2)
            continue;
        enum at_err err = bond_of(t, who, scope, &bond);
        if (err)
            return err;
        __builtin_prefetch(&t->bonds.list[bond]);
    }
    return AT_OK;
}

enum at_err tally_batch(struct tally *t, const struct at_tape_batch *b, uint64_t first)
{
    struct view *v = NULL;
    enum at_err err = b->ended ? spill_all(t) : AT_OK;
    if (!err)
        err = view_of(t, b, &v);
    if (!err)
        err = learn(t, v, b);
    t->n_denials = t->told = 0;
    for (size_t i = 0; i < b->n && !err; i++) {
        struct happening h = {
            .view = v,
            .who = &v->who[b->source[i]],
            .what = &v->what[b->shape[i]],
            .call = b->call[i],
            .call_ref = b->call_ref[i],
            .t_us = b->t_us[i],
            .index = first + (b->place ? b->place[i] : i),
        };
        err = look_ahead(t, v, b, i);
        if (!err)
            err = count_happening(t, &h);
    }
    return err;
}
