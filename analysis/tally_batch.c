/* tally_batch.c: columns of events, segment by segment: what is new in a segment is looked up once. */
#include <string.h>

#include "analysis/tally_private.h"

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
    if (!v->begun || v->segment != b->segment) {
        err = v->begun ? calls_spill(t, v) : AT_OK;
        v->n_who = v->n_what = v->n_lists = v->n_calls = v->n_refs = v->spilled = 0;
        v->free_call = 0;
        v->names.len = 0;
        memset(v->texts, 0, sizeof v->texts);
    }
    v->begun = true;
    v->segment = b->segment;
    return err;
}

/* The names of a view's streams are needed once the segment has gone. */
static enum at_err keep_stream(struct view *v, struct at_str stream)
{
    v->streams[v->n_who] = (struct stream_place){v->names.len, stream.len};
    v->who[v->n_who].stream_hash = at_hash(stream.ptr, stream.len, 0);
    return at_buf_str(&v->names, stream);
}

/* What came with the batch that is new in the segment. */
static enum at_err learn(struct tally *t, struct view *v, const struct at_tape_batch *b)
{
    enum at_err err = AT_OK;
    size_t n = v->n_who;
    for (; v->n_who < b->n_sources && !err; v->n_who += !err) {
        const struct at_tape_source *s = &b->sources[v->n_who];
        err = ROOM(v->who, v->n_who, v->who_cap);
        if (!err)
            err = ROOM(v->streams, v->n_who, v->streams_cap);
        if (!err)
            err = keep_stream(v, s->stream);
    }
    for (; n < v->n_who && !err; n += SOURCES_AT_ONCE) {
        size_t some = v->n_who - n < SOURCES_AT_ONCE ? v->n_who - n : SOURCES_AT_ONCE;
        err = who_of(t, v, &b->sources[n], some, &v->who[n]);
    }
    while (v->n_what < b->n_shapes && !err) {
        struct what *what;
        err = ROOM(v->what, v->n_what, v->what_cap);
        if (!err)
            err = what_of(t, &b->shapes[v->n_what], &what);
        if (!err)
            v->what[v->n_what++] = *what;
    }
    for (; v->n_lists < b->n_lists && !err; v->n_lists += !err) {
        const struct at_scope_list *list = &b->lists[v->n_lists];
        uint8_t rank = rank_of(t, v, list->scope);
        err = ROOM(v->lists, v->n_lists, v->lists_cap);
        if (!err)
            v->lists[v->n_lists] =
                (struct known_list){list->shorter, list->n, rank < PLAIN_SCOPES_MAX ? UINT32_C(1) << rank : 0};
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

enum at_err tally_batch(struct tally *t, const struct at_tape_batch *b, uint64_t first)
{
    struct view *v = NULL;
    enum at_err err = b->ended ? spill_all(t) : AT_OK;
    if (!err)
        err = view_of(t, b, &v);
    if (!err)
        err = learn(t, v, b);
    if (!t->asks_late)
        t->n_denials = t->told = 0;
    return err ? err : count_batch(t, v, b, first);
}

enum at_err tally_let_go(struct tally *t)
{
    enum at_err err = spill_all(t);
    for (size_t i = 0; i < t->n_views; i++) {
        t->views[i].begun = false;
        t->views[i].n_refs = t->views[i].spilled = 0;
    }
    t->told = 0;
    return err;
}

enum at_err tally_pick(struct tally *t, const struct at_tape_batch *b, uint32_t *order, size_t *n)
{
    struct view *v = NULL;
    enum at_err err = view_of(t, b, &v);
    if (!err)
        err = learn(t, v, b);
    *n = 0;
    for (size_t i = 0; i < b->n && !err; i++)
        if (key_at(&t->bonds, v->who[b->source[i]].key)->plain.trust == PLAIN_ODD)
            order[(*n)++] = (uint32_t)i;
    return err;
}
