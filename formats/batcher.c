/* batcher.c: single events as columns, as a tape would give them. */
#include "formats/batcher.h"

#include <stdlib.h>
#include <string.h>

#include "formats/dict.h"
#include "formats/tape_columns.h"

#define BATCH_EVENTS 256u
#define BATCH_BYTES (size_t)(1u << 20) /* of what is particular to its events; one event more is always taken */
#define SEGMENT_EVENTS 65536u
#define SEGMENT_TEXT_BYTES (size_t)(16u << 20)

struct at_batcher {
    /* The segment. */
    uint64_t segment;
    uint32_t segment_events;
    struct at_dict dict;
    struct tape_calls *calls; /* of each source */
    size_t cap_calls;
    struct tape_ids ids;
    struct tape_arena ids_before; /* of the segment before */
    size_t id_bytes;
    struct at_intern *list_names; /* of all lists but the empty one: the shorter list's number, then the scope */
    struct at_scope_list *lists;
    size_t n_lists, cap_lists, list_bytes;
    struct at_buf list_name; /* the one being looked for */
    /* The batch. */
    uint32_t n;
    size_t bytes;
    struct tape_arena arena;
    int64_t t_us[BATCH_EVENTS];
    uint32_t source[BATCH_EVENTS], shape[BATCH_EVENTS], call_ref[BATCH_EVENTS];
    uint64_t packet[BATCH_EVENTS];
    struct at_str call[BATCH_EVENTS];
    struct at_listing listing[BATCH_EVENTS];
    struct at_event events[BATCH_EVENTS];
};

enum at_err at_batcher_new(struct at_batcher **out)
{
    struct at_batcher *b = *out = calloc(1, sizeof *b);
    enum at_err err = b ? at_intern_new(&b->list_names) : AT_NOMEM;
    if (!err)
        err = at_grow((void **)&b->lists, &b->cap_lists, 1, sizeof *b->lists);
    if (err)
        at_batcher_free(out);
    else
        b->n_lists = 1; /* the empty one */
    return err;
}

static void clear_segment(struct at_batcher *b)
{
    at_dict_clear(&b->dict);
    at_ids_turn(&b->ids, &b->ids_before);
    b->id_bytes = 0;
    at_intern_clear(b->list_names);
    b->n_lists = 1;
    b->list_bytes = 0;
    b->segment_events = 0;
    b->segment++;
}

void at_batcher_free(struct at_batcher **batcher)
{
    struct at_batcher *b = *batcher;
    if (!b)
        return;
    at_room_free(&b->ids.arena);
    at_room_free(&b->ids_before);
    at_room_free(&b->arena);
    at_dict_free(&b->dict);
    free(b->calls);
    at_intern_free(&b->list_names);
    at_buf_free(&b->list_name);
    free(b->lists);
    free(b);
    *batcher = NULL;
}

void at_batcher_begin(struct at_batcher *b)
{
    at_room_clear(&b->arena);
    b->n = 0;
    b->bytes = 0;
    if (b->segment_events >= SEGMENT_EVENTS || b->dict.text_bytes + b->id_bytes + b->list_bytes >= SEGMENT_TEXT_BYTES)
        clear_segment(b);
}

bool at_batcher_is_full(const struct at_batcher *b)
{
    return b->n == BATCH_EVENTS || b->bytes >= BATCH_BYTES;
}

/* The id of event `i` and its number, and a copy of it that lives as long as the segment. */
static enum at_err add_call(struct at_batcher *b, const struct at_event *ev, struct tape_calls *calls, uint32_t i)
{
    struct tape_call_code code;
    enum at_err err = at_calls_encode(calls, &b->ids, ev->kind, ev->call, &code, &b->call_ref[i]);
    if (err)
        return err;
    b->call[i] = at_room_text(&b->ids.arena, ev->call);
    b->id_bytes += 2 * ev->call.len;
    return b->call[i].ptr ? AT_OK : AT_NOMEM;
}

/* The list of one scope more than `*list` has. */
static enum at_err longer_list(struct at_batcher *b, struct at_str scope, uint32_t *list)
{
    uint32_t shorter = *list, id = 0;
    b->list_name.len = 0;
    enum at_err err = at_buf_add(&b->list_name, &shorter, sizeof shorter);
    if (!err)
        err = at_buf_str(&b->list_name, scope);
    if (!err)
        err = at_intern_add(b->list_names, at_buf_view(&b->list_name), &id);
    if (!err)
        err = at_grow((void **)&b->lists, &b->cap_lists, (size_t)id + 2, sizeof *b->lists);
    if (err)
        return err;
    *list = id + 1;
    if (*list < b->n_lists)
        return AT_OK;
    struct at_str name = at_intern_get(b->list_names, id);
    b->lists[b->n_lists++] = (struct at_scope_list){
        .shorter = shorter,
        .n = b->lists[shorter].n + 1,
        .scope = {name.ptr + sizeof shorter, name.len - sizeof shorter},
    };
    b->list_bytes += sizeof *b->lists + name.len;
    return AT_OK;
}

static enum at_err add_listing(struct at_batcher *b, const struct at_event *ev, struct at_listing *out)
{
    size_t bytes = (ev->n_settings + 7) / 8;
    uint8_t *granted = at_room_array(&b->arena, bytes, 1);
    enum at_err err = granted ? AT_OK : AT_NOMEM;
    if (err)
        return err;
    memset(granted, 0, bytes);
    *out = (struct at_listing){.granted = granted};
    for (size_t i = 0; i < ev->n_settings && !err; i++) {
        granted[i / 8] |= (uint8_t)(ev->settings[i].granted << i % 8);
        err = longer_list(b, ev->settings[i].scope, &out->list);
    }
    return err;
}

static enum at_err add_settings(struct at_batcher *b, const struct at_event *ev, struct at_event *copy)
{
    struct at_setting *settings = at_room_array(&b->arena, ev->n_settings, sizeof *settings);
    if (!settings)
        return AT_NOMEM;
    for (size_t i = 0; i < ev->n_settings; i++) {
        settings[i].granted = ev->settings[i].granted;
        settings[i].scope = at_room_text(&b->arena, ev->settings[i].scope);
        if (!settings[i].scope.ptr)
            return AT_NOMEM;
        b->bytes += sizeof *settings + settings[i].scope.len;
    }
    copy->settings = settings;
    copy->n_settings = ev->n_settings;
    return AT_OK;
}

/* What is particular to the event. */
static enum at_err add_rest(struct at_batcher *b, const struct at_event *ev, struct at_event *copy)
{
    if (ev->has & AT_HAS_PACKET)
        copy->packet = ev->packet;
    if (ev->has & AT_HAS_LOST_BYTES)
        copy->lost_bytes = ev->lost_bytes;
    if (ev->extra.ptr) {
        copy->extra = at_room_text(&b->arena, ev->extra);
        if (!copy->extra.ptr)
            return AT_NOMEM;
        b->bytes += ev->extra.len;
    }
    if (!(ev->has & AT_HAS_AUTH_SETTING))
        return AT_OK;
    enum at_err err = add_settings(b, ev, copy);
    return err ? err : add_listing(b, ev, &b->listing[b->n]);
}

enum at_err at_batcher_add(struct at_batcher *b, const struct at_event *ev)
{
    struct dict_place place;
    enum at_err err = AT_OK;
    uint32_t i = b->n;
    size_t n_sources = b->dict.n_sources;
    at_dict_find(&b->dict, ev, &place);
    if (place.source == AT_DICT_NEW)
        err = at_dict_add_source(&b->dict, ev, &place);
    if (!err)
        err = at_grow((void **)&b->calls, &b->cap_calls, b->dict.n_sources, sizeof *b->calls);
    if (!err && b->dict.n_sources > n_sources)
        b->calls[n_sources] = (struct tape_calls){0};
    if (!err && place.shape == AT_DICT_NEW)
        err = at_dict_add_shape(&b->dict, ev, &place);
    if (!err && ev->has & AT_HAS_CALL)
        err = add_call(b, ev, &b->calls[place.source], i);
    if (err)
        return err;
    b->source[i] = place.source;
    b->shape[i] = place.shape;
    const struct at_tape_source *s = &b->dict.sources[b->source[i]];
    struct at_event *copy = &b->events[i];
    *copy = b->dict.shapes[b->shape[i]];
    copy->t_us = b->t_us[i] = ev->t_us;
    copy->has = ev->has;
    copy->app = s->app;
    copy->user = s->user;
    copy->stream = s->stream;
    copy->platform = s->platform;
    if (ev->has & AT_HAS_CALL)
        copy->call = b->call[i];
    b->packet[i] = ev->packet;
    err = add_rest(b, ev, copy);
    b->n += !err;
    b->segment_events += !err;
    return err;
}

void at_batcher_view(const struct at_batcher *b, struct at_tape_batch *out)
{
    *out = (struct at_tape_batch){
        .n = b->n,
        .segment = b->segment,
        .t_us = b->t_us,
        .source = b->source,
        .shape = b->shape,
        .packet = b->packet,
        .call = b->call,
        .call_ref = b->call_ref,
        .listing = b->listing,
        .sources = b->dict.sources,
        .shapes = b->dict.shapes,
        .lists = b->lists,
        .n_sources = b->dict.n_sources,
        .n_shapes = b->dict.n_shapes,
        .n_lists = b->n_lists,
    };
}

void at_batcher_get(const struct at_batcher *b, size_t i, struct at_event *ev)
{
    *ev = b->events[i];
}
