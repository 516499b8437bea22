/* tape_indexer.c: the index of a tape, made while it is written. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "formats/tape_index.h"

#define ABSENT UINT64_MAX

struct shape {
    uint8_t kind;
    uint32_t first_scope, n_scopes; /* in shape_scopes */
    uint64_t events;
};

/* Segments are kept as they will be written: all those of a live recording are in memory until its end. */
struct tape_indexer {
    struct tape_index *index; /* without its segments */
    struct at_buf packed;     /* the segments */
    size_t n_packed, max_bytes;
    bool too_much; /* for an index: none of them are kept */
    int64_t earliest_us, latest_us;
    /* Of the segment being written. */
    struct tape_segment now;
    struct shape *shapes;
    size_t n_shapes, cap_shapes;
    uint32_t *shape_scopes;
    size_t n_shape_scopes, cap_shape_scopes;
    uint64_t *scopes; /* by number: events, ABSENT */
    size_t n_scopes, cap_scopes;
    bool *apps; /* by number: it is there */
    size_t n_apps, cap_apps;
    uint32_t *users;
    size_t n_users, cap_users;
};

enum at_err at_indexer_new(size_t max_bytes, struct tape_indexer **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    (*out)->max_bytes = max_bytes;
    enum at_err err = at_tape_index_new(&(*out)->index);
    if (err)
        at_indexer_free(out);
    return err;
}

void at_indexer_free(struct tape_indexer **x)
{
    if (!*x)
        return;
    free((*x)->users);
    free((*x)->apps);
    free((*x)->scopes);
    free((*x)->shape_scopes);
    free((*x)->shapes);
    at_buf_free(&(*x)->packed);
    at_tape_index_free(&(*x)->index);
    free(*x);
    *x = NULL;
}

/* The number of a scope, and a place to count its events in. */
static enum at_err find_scope(struct tape_indexer *x, struct at_str scope, uint32_t *id)
{
    enum at_err err = at_intern_add(x->index->scopes, scope, id);
    if (!err)
        err = at_grow((void **)&x->scopes, &x->cap_scopes, (size_t)*id + 1, sizeof *x->scopes);
    while (!err && x->n_scopes <= *id)
        x->scopes[x->n_scopes++] = ABSENT;
    return err;
}

enum at_err at_indexer_scope(struct tape_indexer *x, struct at_str scope)
{
    uint32_t id = 0;
    enum at_err err = find_scope(x, scope, &id);
    if (!err && x->scopes[id] == ABSENT)
        x->scopes[id] = 0;
    return err;
}

enum at_err at_indexer_source(struct tape_indexer *x, struct at_str app, struct at_str user)
{
    uint32_t id = 0;
    enum at_err err = at_intern_add(x->index->apps, app, &id);
    if (!err)
        err = at_grow((void **)&x->apps, &x->cap_apps, (size_t)id + 1, sizeof *x->apps);
    if (!err)
        err = at_grow((void **)&x->users, &x->cap_users, x->n_users + 1, sizeof *x->users);
    if (err)
        return err;
    while (x->n_apps <= id)
        x->apps[x->n_apps++] = false;
    x->apps[id] = true;
    x->users[x->n_users++] = at_tape_user_bits(user);
    return AT_OK;
}

enum at_err at_indexer_shape(struct tape_indexer *x, const struct at_event *ev)
{
    size_t n = ev->has & AT_HAS_SCOPE ? ev->n_scopes : 0;
    enum at_err err = at_grow((void **)&x->shapes, &x->cap_shapes, x->n_shapes + 1, sizeof *x->shapes);
    if (!err)
        err = at_grow((void **)&x->shape_scopes, &x->cap_shape_scopes, x->n_shape_scopes + n, sizeof *x->shape_scopes);
    if (err)
        return err;
    struct shape *s = &x->shapes[x->n_shapes];
    *s = (struct shape){.kind = (uint8_t)ev->kind, .first_scope = (uint32_t)x->n_shape_scopes};
    for (size_t i = 0; i < n && !err; i++) {
        uint32_t id = 0;
        err = find_scope(x, ev->scopes[i], &id);
        bool again = false; /* a scope that a call lists twice is one scope of it */
        for (uint32_t j = 0; j < s->n_scopes; j++)
            again |= x->shape_scopes[s->first_scope + j] == id;
        if (!err && !again)
            x->shape_scopes[s->first_scope + s->n_scopes++] = id;
    }
    x->n_shape_scopes += s->n_scopes;
    x->n_shapes++;
    return err;
}

void at_indexer_event(struct tape_indexer *x, uint32_t shape)
{
    x->shapes[shape].events++;
}

void at_indexer_frame(struct tape_indexer *x, const struct tape_frame *f, uint64_t offset, uint64_t bytes)
{
    struct tape_segment *s = &x->now;
    if (s->frames == 0) {
        s->offset = offset;
        s->sequence = f->sequence;
        s->earliest_us = f->earliest_us;
        s->latest_us = f->latest_us;
    }
    s->frames++;
    s->bytes += bytes;
    s->events += f->events;
    s->dropped += f->dropped;
    s->earliest_us = f->earliest_us < s->earliest_us ? f->earliest_us : s->earliest_us;
    s->latest_us = f->latest_us > s->latest_us ? f->latest_us : s->latest_us;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The lists of the segment, from what was counted. */
static enum at_err fill_segment(struct tape_indexer *x, struct tape_segment *s)
{
    s->scopes = calloc(x->n_scopes + 1, sizeof *s->scopes);
    s->apps = calloc(x->n_apps + 1, sizeof *s->apps);
    s->users = calloc(x->n_users + 1, sizeof *s->users);
    if (!s->scopes || !s->apps || !s->users)
        return AT_NOMEM;
    for (size_t i = 0; i < x->n_shapes; i++) {
        const struct shape *shape = &x->shapes[i];
        s->kinds[shape->kind] += shape->events;
        for (uint32_t j = 0; j < shape->n_scopes; j++) {
            uint64_t *count = &x->scopes[x->shape_scopes[shape->first_scope + j]];
            *count = (*count == ABSENT ? 0 : *count) + shape->events;
        }
    }
    for (uint32_t i = 0; i < x->n_scopes; i++)
        if (x->scopes[i] != ABSENT)
            s->scopes[s->n_scopes++] = (struct tape_scope_count){.scope = i, .events = x->scopes[i]};
    for (uint32_t i = 0; i < x->n_apps; i++)
        if (x->apps[i])
            s->apps[s->n_apps++] = i;
    qsort(x->users, x->n_users, sizeof *x->users, by_number);
    for (size_t i = 0; i < x->n_users; i++)
        if (!i || x->users[i] != x->users[i - 1])
            s->users[s->n_users++] = x->users[i];
    return AT_OK;
}

/* ---- Segments, packed */

static enum at_err put(struct at_buf *out, uint64_t v)
{
    enum at_err err = at_buf_reserve(out, VARINT_MAX_BYTES);
    if (!err)
        put_varint(out, v);
    return err;
}

static enum at_err put_names(struct at_buf *out, const struct at_intern *names)
{
    uint32_t n = at_intern_count(names);
    enum at_err err = put(out, n);
    for (uint32_t i = 0; i < n && !err; i++) {
        err = at_buf_str(out, at_intern_get(names, i));
        if (!err)
            err = at_buf_add(out, "", 1);
    }
    return err;
}

static enum at_err put_segment(struct at_buf *out, const struct tape_segment *s)
{
    const uint64_t head[] = {s->offset,
                             s->bytes,
                             s->sequence,
                             s->frames,
                             s->events,
                             s->dropped,
                             zigzag(s->earliest_us),
                             (uint64_t)s->latest_us - (uint64_t)s->earliest_us};
    enum at_err err = AT_OK;
    for (size_t i = 0; i < sizeof head / sizeof head[0] && !err; i++)
        err = put(out, head[i]);
    for (size_t i = 1; i < TAPE_KINDS && !err; i++)
        err = put(out, s->kinds[i]);
    if (!err)
        err = put(out, s->n_scopes);
    for (uint32_t i = 0; i < s->n_scopes && !err; i++) {
        err = put(out, s->scopes[i].scope);
        if (!err)
            err = put(out, s->scopes[i].events);
    }
    if (!err)
        err = put(out, s->n_apps);
    for (uint32_t i = 0; i < s->n_apps && !err; i++)
        err = put(out, s->apps[i]);
    if (!err)
        err = put(out, s->n_users);
    for (uint32_t i = 0; i < s->n_users && !err; i++)
        err = put(out, s->users[i] - (i ? s->users[i - 1] : 0));
    return err;
}

static enum at_err keep_segment(struct tape_indexer *x, const struct tape_segment *s)
{
    enum at_err err = x->too_much ? AT_OK : put_segment(&x->packed, s);
    if (!err && x->packed.len > x->max_bytes) {
        x->too_much = true;
        at_buf_free(&x->packed);
    }
    x->earliest_us = !x->n_packed || s->earliest_us < x->earliest_us ? s->earliest_us : x->earliest_us;
    x->latest_us = !x->n_packed || s->latest_us > x->latest_us ? s->latest_us : x->latest_us;
    x->n_packed++;
    return err;
}

enum at_err at_indexer_segment(struct tape_indexer *x)
{
    enum at_err err = AT_OK;
    if (x->now.frames) {
        err = fill_segment(x, &x->now);
        if (!err)
            err = keep_segment(x, &x->now);
        at_tape_segment_free(&x->now);
    }
    x->now = (struct tape_segment){0};
    x->n_shapes = x->n_shape_scopes = x->n_users = 0;
    for (size_t i = 0; i < x->n_scopes; i++)
        x->scopes[i] = ABSENT;
    if (x->n_apps)
        memset(x->apps, 0, x->n_apps * sizeof *x->apps);
    return err;
}

enum at_err at_indexer_take(struct tape_indexer *x, struct tape_index **out)
{
    *out = x->index;
    x->index = NULL;
    return at_tape_index_unpack(*out, at_buf_view(&x->packed), x->n_packed);
}

/* ---- The payload */

enum at_err at_indexer_put(struct tape_indexer *x, uint64_t offset, struct tape_frame *f, struct at_buf *payload)
{
    struct at_buf raw = {0};
    uint8_t trailer[TAPE_TRAILER_BYTES];
    enum at_err err = at_indexer_segment(x);
    const struct tape_index *index = x->index;
    if (!err)
        err = put_names(&raw, index->scopes);
    if (!err)
        err = put_names(&raw, index->apps);
    bool too_much = x->too_much || raw.len + VARINT_MAX_BYTES + x->packed.len > TAPE_RAW_MAX;
    if (!err) /* too much for an index: a reader has to do without */
        err = put(&raw, too_much ? 0 : x->n_packed);
    if (!err && !too_much)
        err = at_buf_str(&raw, at_buf_view(&x->packed));
    f->earliest_us = x->earliest_us;
    f->latest_us = x->latest_us;
    uLongf bound = compressBound((uLong)raw.len);
    if (!err)
        err = at_buf_reserve(payload, bound + sizeof trailer);
    if (!err)
        err = compress2((Bytef *)payload->ptr + payload->len, &bound, (const Bytef *)raw.ptr, (uLong)raw.len, 9) == Z_OK
                  ? AT_OK
                  : AT_NOMEM;
    if (!err) {
        payload->len += bound;
        at_put_u64le(trailer, offset);
        memcpy(trailer + 8, TAPE_TRAILER_MAGIC, 8);
        err = at_buf_add(payload, trailer, sizeof trailer);
    }
    f->raw_bytes = (uint32_t)raw.len;
    at_buf_free(&raw);
    return err;
}
