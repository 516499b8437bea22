/* dict.c: the sources and shapes of a segment, numbered as they come. */
#include "formats/dict.h"

#include <stdlib.h>
#include <string.h>

#include "formats/tape_columns.h"

#define FIRST_SLOTS (size_t)64

static uint64_t hash_text(struct at_str s, uint64_t seed)
{
    return at_hash(s.ptr, s.len, seed);
}

/* Makes room for one more of `count` things. */
static enum at_err table_grow(struct dict_table *t, size_t count)
{
    if (count < t->n_slots / 2)
        return AT_OK;
    size_t n = t->n_slots ? 2 * t->n_slots : FIRST_SLOTS;
    struct dict_slot *slots = calloc(n, sizeof *slots);
    if (!slots)
        return AT_NOMEM;
    for (size_t i = 0; i < t->n_slots; i++) {
        size_t at = t->slots[i].hash & (n - 1);
        if (!t->slots[i].mark)
            continue;
        while (slots[at].mark)
            at = (at + 1) & (n - 1);
        slots[at] = t->slots[i];
    }
    free(t->slots);
    t->slots = slots;
    t->n_slots = n;
    return AT_OK;
}

static void table_clear(struct dict_table *t)
{
    if (t->slots)
        memset(t->slots, 0, t->n_slots * sizeof *t->slots);
}

static bool keep_text(struct at_dict *d, struct at_str from, struct at_str *to)
{
    *to = from.ptr ? at_arena_text(&d->arena, from) : from;
    d->text_bytes += from.len;
    return !from.ptr == !to->ptr;
}

/* ---- Sources */

static bool same_source(const struct at_tape_source *s, const struct at_event *ev, struct at_str platform)
{
    return at_str_eq(s->user, ev->user) && at_str_eq(s->stream, ev->stream) && at_str_eq(s->app, ev->app) &&
           !s->platform.ptr == !platform.ptr && at_str_eq(s->platform, platform);
}

enum at_err at_dict_source(struct at_dict *d, const struct at_event *ev, uint32_t *id, bool *is_new)
{
    struct dict_table *t = &d->source_table;
    struct at_str platform = ev->has & AT_HAS_PLATFORM ? ev->platform : (struct at_str){0};
    uint32_t hash =
        (uint32_t)(hash_text(ev->user, hash_text(ev->stream, hash_text(ev->app, hash_text(platform, 0)))) >> 32);
    *is_new = false;
    enum at_err err = table_grow(t, d->n_sources);
    if (err)
        return err;
    size_t at = hash & (t->n_slots - 1);
    for (; t->slots[at].mark; at = (at + 1) & (t->n_slots - 1))
        if (t->slots[at].hash == hash && same_source(&d->sources[t->slots[at].mark - 1], ev, platform)) {
            *id = t->slots[at].mark - 1;
            return AT_OK;
        }
    err = at_columns_grow((void **)&d->sources, &d->cap_sources, d->n_sources + 1, sizeof *d->sources);
    if (err)
        return err;
    struct at_tape_source *s = &d->sources[d->n_sources];
    if (!keep_text(d, ev->app, &s->app) || !keep_text(d, ev->user, &s->user) || !keep_text(d, ev->stream, &s->stream) ||
        !keep_text(d, platform, &s->platform))
        return AT_NOMEM;
    *id = (uint32_t)d->n_sources++;
    t->slots[at] = (struct dict_slot){.hash = hash, .mark = *id + 1};
    *is_new = true;
    return AT_OK;
}

/* ---- Shapes */

/* What of the event makes its shape: the fields that its kind and `has` call for, nothing else. */
static struct at_event shape_of(const struct at_event *ev)
{
    struct at_event s = {.kind = ev->kind, .has = ev->has & ~(uint32_t)AT_HAS_PLATFORM};
    if (ev->extra.ptr)
        s.has |= SHAPE_HAS_EXTRA;
    if (ev->kind == AT_KIND_DECISION)
        s.answer = ev->answer;
    if (ev->kind == AT_KIND_SETTINGS)
        s.granted = ev->granted;
    if (s.has & AT_HAS_FRESH)
        s.fresh = ev->fresh;
    if (s.has & AT_HAS_OBSERVES) {
        memcpy(s.observes, ev->observes, ev->n_observes);
        s.n_observes = ev->n_observes;
    }
    if (s.has & AT_HAS_ERRNO)
        s.err_no = ev->err_no;
    if (s.has & AT_HAS_SCOPE) {
        s.scopes = ev->scopes;
        s.n_scopes = ev->n_scopes;
    }
    if (ev->kind == AT_KIND_CALL)
        s.api = ev->api;
    if (ev->kind == AT_KIND_RETURN)
        s.err_msg = ev->err_msg;
    return s;
}

static uint32_t shape_hash(const struct at_event *s)
{
    uint64_t h = (uint64_t)s->kind | (uint64_t)s->has << 8 | (uint64_t)s->answer << 32 | (uint64_t)s->granted << 40 |
                 (uint64_t)s->fresh << 41;
    h ^= (uint64_t)s->err_no * 0x9fb21c651e98df25u;
    if (s->n_observes)
        h = at_hash(s->observes, s->n_observes, h);
    h = hash_text(s->api.ptr ? s->api : s->err_msg, h); /* never both */
    for (size_t i = 0; i < s->n_scopes; i++)
        h = hash_text(s->scopes[i], h);
    return (uint32_t)(h >> 32);
}

static bool same_shape(const struct at_event *a, const struct at_event *b)
{
    if (a->kind != b->kind || a->has != b->has || a->answer != b->answer || a->granted != b->granted ||
        a->fresh != b->fresh || a->err_no != b->err_no || a->n_scopes != b->n_scopes ||
        a->n_observes != b->n_observes || memcmp(a->observes, b->observes, sizeof a->observes) != 0 ||
        !at_str_eq(a->api, b->api) || !at_str_eq(a->err_msg, b->err_msg))
        return false;
    for (size_t i = 0; i < a->n_scopes; i++)
        if (!at_str_eq(a->scopes[i], b->scopes[i]))
            return false;
    return true;
}

static enum at_err keep_shape(struct at_dict *d, const struct at_event *s)
{
    enum at_err err = at_columns_grow((void **)&d->shapes, &d->cap_shapes, d->n_shapes + 1, sizeof *d->shapes);
    if (err)
        return err;
    struct at_event *copy = &d->shapes[d->n_shapes];
    *copy = *s;
    struct at_str *scopes = NULL;
    if (s->n_scopes && !(scopes = at_arena_array(&d->arena, s->n_scopes, sizeof *scopes)))
        return AT_NOMEM;
    copy->scopes = scopes;
    bool kept = keep_text(d, s->api, &copy->api) && keep_text(d, s->err_msg, &copy->err_msg);
    for (size_t i = 0; i < s->n_scopes && kept; i++)
        kept = keep_text(d, s->scopes[i], &scopes[i]);
    d->n_shapes += kept;
    return kept ? AT_OK : AT_NOMEM;
}

enum at_err at_dict_shape(struct at_dict *d, const struct at_event *ev, uint32_t *id, bool *is_new)
{
    struct dict_table *t = &d->shape_table;
    const struct at_event shape = shape_of(ev);
    uint32_t hash = shape_hash(&shape);
    *is_new = false;
    enum at_err err = table_grow(t, d->n_shapes);
    if (err)
        return err;
    size_t at = hash & (t->n_slots - 1);
    for (; t->slots[at].mark; at = (at + 1) & (t->n_slots - 1))
        if (t->slots[at].hash == hash && same_shape(&d->shapes[t->slots[at].mark - 1], &shape)) {
            *id = t->slots[at].mark - 1;
            return AT_OK;
        }
    err = keep_shape(d, &shape);
    if (err)
        return err;
    *id = (uint32_t)d->n_shapes - 1;
    t->slots[at] = (struct dict_slot){.hash = hash, .mark = *id + 1};
    *is_new = true;
    return AT_OK;
}

void at_dict_clear(struct at_dict *d)
{
    table_clear(&d->source_table);
    table_clear(&d->shape_table);
    d->n_sources = d->n_shapes = d->text_bytes = 0;
    at_arena_clear(&d->arena);
}

void at_dict_free(struct at_dict *d)
{
    at_arena_clear(&d->arena);
    free(d->source_table.slots);
    free(d->shape_table.slots);
    free(d->shapes);
    free(d->sources);
    *d = (struct at_dict){0};
}
