/* tape_index.c: the index of a tape, read. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "formats/tape_index.h"

#define SEGMENT_MIN_BYTES 20 /* a segment of the index is never smaller: caps their number before allocating */

enum at_err at_tape_index_new(struct tape_index **out)
{
    struct tape_index *x = calloc(1, sizeof *x);
    *out = x;
    if (!x)
        return AT_NOMEM;
    enum at_err err = at_intern_new(&x->scopes);
    if (!err)
        err = at_intern_new(&x->apps);
    if (err)
        at_tape_index_free(out);
    return err;
}

void at_tape_segment_free(struct tape_segment *s)
{
    free(s->scopes);
    free(s->apps);
    free(s->users);
}

void at_tape_index_free(struct tape_index **index)
{
    struct tape_index *x = *index;
    if (!x)
        return;
    for (size_t i = 0; i < x->n_segments; i++)
        at_tape_segment_free(&x->segments[i]);
    free(x->segments);
    at_intern_free(&x->scopes);
    at_intern_free(&x->apps);
    free(x);
    *index = NULL;
}

uint32_t at_tape_user_bits(struct at_str user)
{
    return at_tape_crc(user.ptr, user.len) & ((1u << TAPE_USER_BITS) - 1);
}

/* ---- Parsing: every count is checked against the bytes that are left before anything is allocated */

static bool get_count(struct cursor *c, size_t least_bytes_each, uint32_t *n)
{
    uint64_t v = 0;
    if (!get_varint(c, &v) || v > (size_t)(c->end - c->p) / least_bytes_each)
        return false;
    *n = (uint32_t)v;
    return true;
}

static enum at_err parse_names(struct cursor *c, struct at_intern *names)
{
    uint32_t n = 0, id = 0;
    struct at_str name;
    if (!get_count(c, 1, &n))
        return AT_DAMAGED;
    for (uint32_t i = 0; i < n; i++) {
        if (!at_cursor_text(c, &name))
            return AT_DAMAGED;
        enum at_err err = at_intern_add(names, name, &id);
        if (err || id != i)
            return err ? err : AT_DAMAGED;
    }
    return AT_OK;
}

static enum at_err parse_scopes(struct cursor *c, const struct tape_index *x, struct tape_segment *s)
{
    uint64_t scope = 0;
    if (!get_count(c, 2, &s->n_scopes))
        return AT_DAMAGED;
    s->scopes = calloc((size_t)s->n_scopes + 1, sizeof *s->scopes);
    if (!s->scopes)
        return AT_NOMEM;
    for (uint32_t i = 0; i < s->n_scopes; i++) {
        if (!get_varint(c, &scope) || scope >= at_intern_count(x->scopes) || !get_varint(c, &s->scopes[i].events))
            return AT_DAMAGED;
        s->scopes[i].scope = (uint32_t)scope;
    }
    return AT_OK;
}

static enum at_err parse_apps(struct cursor *c, const struct tape_index *x, struct tape_segment *s)
{
    uint64_t app = 0;
    if (!get_count(c, 1, &s->n_apps))
        return AT_DAMAGED;
    s->apps = calloc((size_t)s->n_apps + 1, sizeof *s->apps);
    if (!s->apps)
        return AT_NOMEM;
    for (uint32_t i = 0; i < s->n_apps; i++) {
        if (!get_varint(c, &app) || app >= at_intern_count(x->apps))
            return AT_DAMAGED;
        s->apps[i] = (uint32_t)app;
    }
    return AT_OK;
}

static enum at_err parse_users(struct cursor *c, struct tape_segment *s)
{
    uint64_t step = 0, user = 0;
    if (!get_count(c, 1, &s->n_users))
        return AT_DAMAGED;
    s->users = calloc((size_t)s->n_users + 1, sizeof *s->users);
    if (!s->users)
        return AT_NOMEM;
    for (uint32_t i = 0; i < s->n_users; i++) {
        if (!get_varint(c, &step) || step >> TAPE_USER_BITS || (user += step) >> TAPE_USER_BITS)
            return AT_DAMAGED;
        s->users[i] = (uint32_t)user;
    }
    return AT_OK;
}

static enum at_err parse_segment(struct cursor *c, const struct tape_index *x, struct tape_segment *s)
{
    uint64_t head[8];
    for (size_t i = 0; i < 8; i++)
        if (!get_varint(c, &head[i]))
            return AT_DAMAGED;
    if (head[2] > UINT32_MAX || head[3] > UINT32_MAX)
        return AT_DAMAGED;
    s->offset = head[0];
    s->bytes = head[1];
    s->sequence = (uint32_t)head[2];
    s->frames = (uint32_t)head[3];
    s->events = head[4];
    s->dropped = head[5];
    s->earliest_us = unzigzag(head[6]);
    s->latest_us = (int64_t)((uint64_t)s->earliest_us + head[7]);
    for (size_t i = 1; i < TAPE_KINDS; i++)
        if (!get_varint(c, &s->kinds[i]))
            return AT_DAMAGED;
    enum at_err err = parse_scopes(c, x, s);
    if (!err)
        err = parse_apps(c, x, s);
    return err ? err : parse_users(c, s);
}

static enum at_err parse_segments(struct cursor *c, struct tape_index *x, size_t n)
{
    enum at_err err = AT_OK;
    x->segments = calloc(n + 1, sizeof *x->segments);
    if (!x->segments)
        return AT_NOMEM;
    for (size_t i = 0; i < n && !err; i++) {
        x->n_segments++;
        err = parse_segment(c, x, &x->segments[i]);
    }
    return !err && c->p != c->end ? AT_DAMAGED : err;
}

enum at_err at_tape_index_unpack(struct tape_index *x, struct at_str packed, size_t n)
{
    struct cursor c = {(const uint8_t *)packed.ptr, (const uint8_t *)packed.ptr + packed.len};
    return parse_segments(&c, x, n);
}

static enum at_err parse(struct tape_index *x, struct cursor *c)
{
    uint32_t n = 0;
    enum at_err err = parse_names(c, x->scopes);
    if (!err)
        err = parse_names(c, x->apps);
    if (!err && !get_count(c, SEGMENT_MIN_BYTES, &n))
        err = AT_DAMAGED;
    return err ? err : parse_segments(c, x, n);
}

enum at_err at_tape_index_parse(const struct tape_frame *f, const uint8_t *payload, struct tape_index **out)
{
    enum at_err err = AT_DAMAGED;
    uLongf raw_len = f->raw_bytes;
    *out = NULL;
    if (f->payload_bytes < TAPE_TRAILER_BYTES || f->raw_bytes > TAPE_RAW_MAX)
        return AT_DAMAGED;
    uint8_t *raw = malloc(raw_len + 1);
    if (!raw)
        return AT_NOMEM;
    if (uncompress(raw, &raw_len, payload, f->payload_bytes - TAPE_TRAILER_BYTES) == Z_OK && raw_len == f->raw_bytes) {
        struct cursor c = {raw, raw + raw_len};
        err = at_tape_index_new(out);
        if (!err)
            err = parse(*out, &c);
    }
    free(raw);
    if (err)
        at_tape_index_free(out);
    return err;
}

/* ---- Looking things up */

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

bool at_tape_index_may_match(const struct tape_index *x, const struct tape_segment *s,
                             const struct at_reader_options *o)
{
    if ((o->has_from && s->latest_us < o->from_us) || (o->has_to && s->earliest_us >= o->to_us))
        return false;
    if (o->user.ptr) {
        uint32_t bits = at_tape_user_bits(o->user);
        if (!bsearch(&bits, s->users, s->n_users, sizeof bits, by_number))
            return false;
    }
    if (o->app.ptr) {
        uint32_t app = 0;
        bool there = false;
        if (!at_intern_find(x->apps, o->app, &app))
            return false;
        for (uint32_t i = 0; i < s->n_apps && !there; i++)
            there = s->apps[i] == app;
        return there;
    }
    return true;
}
