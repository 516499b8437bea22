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

/* Puts a number where the hash says. */
static void table_put(struct dict_table *t, uint32_t hash, uint32_t mark)
{
    size_t at = hash & (t->n_slots - 1);
    while (t->slots[at].mark)
        at = (at + 1) & (t->n_slots - 1);
    t->slots[at] = (struct dict_slot){.hash = hash, .mark = mark};
}

/* Adds the number `count`, the next. */
static enum at_err table_add(struct dict_table *t, uint32_t hash, size_t count)
{
    if (count >= t->n_slots / 2) {
        struct dict_table bigger = {.n_slots = t->n_slots ? 2 * t->n_slots : FIRST_SLOTS};
        bigger.slots = calloc(bigger.n_slots, sizeof *bigger.slots);
        if (!bigger.slots)
            return AT_NOMEM;
        for (size_t i = 0; i < t->n_slots; i++)
            if (t->slots[i].mark)
                table_put(&bigger, t->slots[i].hash, t->slots[i].mark);
        free(t->slots);
        *t = bigger;
    }
    table_put(t, hash, (uint32_t)count + 1);
    return AT_OK;
}

static void table_clear(struct dict_table *t)
{
    if (t->slots)
        memset(t->slots, 0, t->n_slots * sizeof *t->slots);
}

static bool keep_text(struct at_dict *d, struct at_str from, struct at_str *to)
{
    *to = from.ptr ? at_room_text(&d->arena, from) : from;
    d->text_bytes += from.len;
    return !from.ptr == !to->ptr;
}

static bool same_text(struct at_str a, struct at_str b)
{
    return at_str_eq(a, b) && !a.ptr == !b.ptr; /* absent is not empty */
}

/* ---- Sources */

static struct at_tape_source source_of(const struct at_event *ev)
{
    return (struct at_tape_source){
        .app = ev->app,
        .user = ev->user,
        .stream = ev->stream,
        .platform = ev->has & AT_HAS_PLATFORM ? ev->platform : (struct at_str){0},
    };
}

static uint32_t source_hash(const struct at_tape_source *s)
{
    return (uint32_t)(hash_text(s->user, hash_text(s->stream, hash_text(s->app, hash_text(s->platform, 0)))) >> 32);
}

static bool same_source(const struct at_tape_source *a, const struct at_tape_source *b)
{
    return same_text(a->user, b->user) && same_text(a->stream, b->stream) && same_text(a->app, b->app) &&
           same_text(a->platform, b->platform);
}

static uint32_t find_source(const struct at_dict *d, const struct at_tape_source *s, uint32_t hash)
{
    const struct dict_table *t = &d->source_table;
    if (!t->n_slots)
        return AT_DICT_NEW;
    for (size_t at = hash & (t->n_slots - 1); t->slots[at].mark; at = (at + 1) & (t->n_slots - 1))
        if (t->slots[at].hash == hash && same_source(&d->sources[t->slots[at].mark - 1], s))
            return t->slots[at].mark - 1;
    return AT_DICT_NEW;
}

enum at_err at_dict_add_source(struct at_dict *d, const struct at_event *ev, struct dict_place *place)
{
    const struct at_tape_source from = source_of(ev);
    enum at_err err = at_grow((void **)&d->sources, &d->cap_sources, d->n_sources + 1, sizeof *d->sources);
    if (err)
        return err;
    struct at_tape_source *s = &d->sources[d->n_sources];
    if (!keep_text(d, from.app, &s->app) || !keep_text(d, from.user, &s->user) ||
        !keep_text(d, from.stream, &s->stream) || !keep_text(d, from.platform, &s->platform))
        return AT_NOMEM;
    err = table_add(&d->source_table, source_hash(&from), d->n_sources);
    if (!err)
        place->source = (uint32_t)d->n_sources++;
    return err;
}

/* ---- Shapes */

/* What of an event makes its shape: the fields that its kind and `has` call for, nothing else. */
struct shape {
    enum at_kind kind;
    uint32_t has;
    uint64_t value; /* answer, granted, fresh, observes */
    int64_t err_no;
    struct at_str text; /* api or errMsg */
    const struct at_str *scopes;
    size_t n_scopes;
};

static uint64_t observes_value(const struct at_event *ev)
{
    uint64_t value = ev->n_observes;
    for (unsigned i = 0; i < ev->n_observes && i < AT_SIGHTS; i++)
        value = value << 8 | ev->observes[i];
    return value;
}

/* Of an event whose `has` is that of its shape. */
static uint64_t value_of(const struct at_event *ev, uint32_t has)
{
    switch (ev->kind) {
    case AT_KIND_DECISION:
        return ev->answer;
    case AT_KIND_SETTINGS:
        return ev->granted;
    case AT_KIND_START:
        return (has & AT_HAS_FRESH ? ev->fresh : 0u) | (has & AT_HAS_OBSERVES ? observes_value(ev) << 1 : 0);
    case AT_KIND_CALL:
    case AT_KIND_RETURN:
    case AT_KIND_PROMPT:
    case AT_KIND_SETTINGS_PAGE:
    case AT_KIND_RESET:
    case AT_KIND_GAP:
    case AT_KIND_END:
        break;
    }
    return 0;
}

static inline struct at_str text_of(const struct at_event *ev)
{
    if (ev->kind == AT_KIND_CALL)
        return ev->api;
    return ev->kind == AT_KIND_RETURN ? ev->err_msg : (struct at_str){0};
}

static struct shape shape_of(const struct at_event *ev)
{
    const uint32_t extra = ev->extra.ptr || ev->has & SHAPE_HAS_EXTRA ? SHAPE_HAS_EXTRA : 0;
    const uint32_t has = (ev->has & SHAPE_HAS_ALL & ~(uint32_t)(AT_HAS_PLATFORM | SHAPE_HAS_EXTRA)) | extra;
    return (struct shape){
        .kind = ev->kind,
        .has = has,
        .value = value_of(ev, has),
        .err_no = has & AT_HAS_ERRNO ? ev->err_no : 0,
        .text = text_of(ev),
        .scopes = has & AT_HAS_SCOPE ? ev->scopes : NULL,
        .n_scopes = has & AT_HAS_SCOPE ? ev->n_scopes : 0,
    };
}

static uint32_t shape_hash(const struct shape *s)
{
    uint64_t h = (uint64_t)s->kind | (uint64_t)s->has << 8 | s->value << 24;
    h = hash_text(s->text, h ^ (uint64_t)s->err_no * 0x9fb21c651e98df25u);
    for (size_t i = 0; i < s->n_scopes; i++)
        h = hash_text(s->scopes[i], h);
    return (uint32_t)(h >> 32);
}

/* `kept` has what its shape has and nothing else. */
static bool same_shape(const struct at_event *kept, const struct shape *b)
{
    if (kept->kind != b->kind || kept->has != b->has || kept->err_no != b->err_no || kept->n_scopes != b->n_scopes ||
        !same_text(text_of(kept), b->text) || value_of(kept, kept->has) != b->value)
        return false;
    for (size_t i = 0; i < b->n_scopes; i++)
        if (!same_text(kept->scopes[i], b->scopes[i]))
            return false;
    return true;
}

static enum at_err keep_shape(struct at_dict *d, const struct shape *s, const struct at_event *ev)
{
    enum at_err err = at_grow((void **)&d->shapes, &d->cap_shapes, d->n_shapes + 1, sizeof *d->shapes);
    if (err)
        return err;
    struct at_event *copy = &d->shapes[d->n_shapes];
    struct at_str *scopes = NULL;
    *copy = (struct at_event){.kind = s->kind, .has = s->has, .err_no = s->err_no, .n_scopes = s->n_scopes};
    if (s->kind == AT_KIND_DECISION)
        copy->answer = ev->answer;
    if (s->kind == AT_KIND_SETTINGS)
        copy->granted = ev->granted;
    if (s->has & AT_HAS_FRESH)
        copy->fresh = ev->fresh;
    if (s->has & AT_HAS_OBSERVES) {
        memcpy(copy->observes, ev->observes, ev->n_observes);
        copy->n_observes = ev->n_observes;
    }
    if (s->n_scopes && !(scopes = at_room_array(&d->arena, s->n_scopes, sizeof *scopes)))
        return AT_NOMEM;
    copy->scopes = scopes;
    bool kept = keep_text(d, s->text, s->kind == AT_KIND_CALL ? &copy->api : &copy->err_msg);
    for (size_t i = 0; i < s->n_scopes && kept; i++)
        kept = keep_text(d, s->scopes[i], &scopes[i]);
    return kept ? AT_OK : AT_NOMEM;
}

static uint32_t find_shape(const struct at_dict *d, const struct shape *shape, uint32_t hash)
{
    const struct dict_table *t = &d->shape_table;
    if (!t->n_slots)
        return AT_DICT_NEW;
    for (size_t at = hash & (t->n_slots - 1); t->slots[at].mark; at = (at + 1) & (t->n_slots - 1))
        if (t->slots[at].hash == hash && same_shape(&d->shapes[t->slots[at].mark - 1], shape))
            return t->slots[at].mark - 1;
    return AT_DICT_NEW;
}

enum at_err at_dict_add_shape(struct at_dict *d, const struct at_event *ev, struct dict_place *place)
{
    const struct shape shape = shape_of(ev);
    enum at_err err = keep_shape(d, &shape, ev);
    if (!err)
        err = table_add(&d->shape_table, shape_hash(&shape), d->n_shapes);
    if (!err)
        place->shape = (uint32_t)d->n_shapes++;
    return err;
}

/* Where a source or a shape is looked for first, before any hash is made. */
static size_t near_source(const struct at_tape_source *s)
{
    return (at_str_mark(s->user) + 5u * at_str_mark(s->stream)) % DICT_NEAR;
}

static size_t near_shape(const struct shape *s)
{
    const unsigned scope = s->n_scopes ? at_str_mark(s->scopes[0]) : 0;
    return ((unsigned)s->kind + at_str_mark(s->text) + 5u * scope + s->has + (unsigned)s->value) % DICT_NEAR;
}

static uint32_t to_source(struct at_dict *d, const struct at_tape_source *source)
{
    uint32_t *near = &d->near_sources[near_source(source)];
    if (!*near || !same_source(&d->sources[*near - 1], source))
        *near = find_source(d, source, source_hash(source)) + 1; /* AT_DICT_NEW becomes 0 */
    return *near - 1;
}

static uint32_t to_shape(struct at_dict *d, const struct shape *shape)
{
    uint32_t *near = &d->near_shapes[near_shape(shape)];
    if (!*near || !same_shape(&d->shapes[*near - 1], shape))
        *near = find_shape(d, shape, shape_hash(shape)) + 1;
    return *near - 1;
}

void at_dict_find(struct at_dict *d, const struct at_event *ev, struct dict_place *place)
{
    const struct at_tape_source source = source_of(ev);
    const struct shape shape = shape_of(ev);
    *place = (struct dict_place){.source = to_source(d, &source), .shape = to_shape(d, &shape)};
}

void at_dict_clear(struct at_dict *d)
{
    table_clear(&d->source_table);
    table_clear(&d->shape_table);
    memset(d->near_sources, 0, sizeof d->near_sources);
    memset(d->near_shapes, 0, sizeof d->near_shapes);
    d->n_sources = d->n_shapes = d->text_bytes = 0;
    at_room_clear(&d->arena);
}

void at_dict_free(struct at_dict *d)
{
    at_room_free(&d->arena);
    free(d->source_table.slots);
    free(d->shape_table.slots);
    free(d->shapes);
    free(d->sources);
    *d = (struct at_dict){0};
}
