/*
 * tape_encode.c: events into the columns of tape(5).
 *
 * Everything that repeats is told once in a segment and then referred to: texts, sources (who and where from), shapes
 * (what, in all that is not particular to one event), the lists of scopes in snapshots. What is left of an event is
 * its time, three small codes, and the id of a call.
 */
#include <stdlib.h>
#include <string.h>

#include "formats/dict.h"
#include "formats/event.h"
#include "formats/tape_columns.h"
#include "formats/tape_index.h"

#define LIVE_LEVEL 1
#define ARCHIVE_LEVEL 6 /* 9 makes a tape 3 % smaller and takes thrice the time */
#define LIVE_FRAME_EVENTS 1024u
#define LIVE_FRAME_US 1000000u
#define SEGMENT_EVENTS 65536u
#define LIVE_SEGMENT_US 30000000u
#define FRAME_TEXT_BYTES (size_t)(4u << 20) /* a frame is ended above this, so that one more event still fits */
#define SEGMENT_TEXT_BYTES (size_t)(16u << 20)

enum pool { APPS, USERS, STREAMS, WORDS, EXTRAS, POOLS };
static const enum tape_column pool_columns[POOLS] = {COL_APPS, COL_USERS, COL_STREAMS, COL_WORDS, COL_EXTRAS};

struct source {
    uint32_t shape; /* of its last event, +1; 0: none */
    uint32_t node;  /* of its last snapshot */
    struct tape_calls calls;
};

/* What most often follows a shape in one source: the last two that did, +1. */
struct follow {
    uint32_t first, second;
};

struct at_tape_encoder {
    struct at_tape_options o;
    enum at_err failed; /* once something failed, nothing more is written */
    bool begun, finished;
    struct tape_header header;
    uint64_t offset; /* of the next byte on the tape */
    uint32_t sequence;
    uint64_t events;
    uint32_t dropped;
    struct at_packer *packer;
    struct at_buf columns[COLUMNS], payload;
    struct tape_frame frame; /* being filled */
    int64_t frame_first_us;
    /* The segment. */
    bool segment_new; /* the frame being filled starts one */
    uint32_t segment_events;
    int64_t segment_first_us;
    struct at_dict dict;
    struct at_intern *texts[POOLS];
    struct at_intern *nodes; /* of pairs: the parent and the scope's number */
    struct source *source;
    size_t cap_sources;
    struct follow *follow; /* [0]: of a source's first event */
    size_t cap_follow;
    struct tape_ids ids;
    int64_t last_us;
    uint64_t last_packet;
    size_t segment_texts; /* bytes in columns of texts */
    struct tape_indexer *index;
};

static enum at_err reset_segment(struct at_tape_encoder *e)
{
    for (int i = 0; i < POOLS; i++)
        at_intern_clear(e->texts[i]);
    at_dict_clear(&e->dict);
    at_intern_clear(e->nodes);
    at_room_clear(&e->ids.arena);
    e->ids.n = 0;
    if (e->cap_follow)
        memset(e->follow, 0, e->cap_follow * sizeof *e->follow);
    e->last_us = 0;
    e->last_packet = 0;
    e->segment_texts = 0;
    e->segment_events = 0;
    e->segment_new = true;
    return at_indexer_segment(e->index);
}

static void set_defaults(struct at_tape_options *o)
{
    if (!o->level)
        o->level = o->archive ? ARCHIVE_LEVEL : LIVE_LEVEL;
    if (!o->segment_events)
        o->segment_events = SEGMENT_EVENTS;
    if (o->segment_events > TAPE_SEGMENT_EVENTS_MAX)
        o->segment_events = TAPE_SEGMENT_EVENTS_MAX;
    if (!o->frame_events)
        o->frame_events = o->archive ? o->segment_events : LIVE_FRAME_EVENTS;
    if (o->frame_events > TAPE_FRAME_EVENTS_MAX)
        o->frame_events = TAPE_FRAME_EVENTS_MAX;
    if (o->frame_events > o->segment_events)
        o->frame_events = o->segment_events;
    if (!o->frame_us)
        o->frame_us = o->archive ? UINT32_MAX : LIVE_FRAME_US;
    if (!o->segment_us)
        o->segment_us = o->archive ? UINT32_MAX : LIVE_SEGMENT_US;
}

enum at_err at_tape_encoder_new(const struct at_tape_options *options, struct at_tape_encoder **out)
{
    struct at_tape_encoder *e = calloc(1, sizeof *e);
    *out = e;
    if (!e)
        return AT_NOMEM;
    if (options)
        e->o = *options;
    set_defaults(&e->o);
    e->header = (struct tape_header){.version = TAPE_VERSION, .id = e->o.id};
    enum at_err err = at_packer_new(e->o.level, e->o.archive, &e->packer);
    for (int i = 0; i < POOLS && !err; i++)
        err = at_intern_new(&e->texts[i]);
    if (!err)
        err = at_intern_new(&e->nodes);
    if (!err)
        err = at_indexer_new(TAPE_RAW_MAX, &e->index);
    if (!err)
        err = reset_segment(e);
    if (err)
        at_tape_encoder_free(out);
    return err;
}

void at_tape_encoder_free(struct at_tape_encoder **encoder)
{
    struct at_tape_encoder *e = *encoder;
    if (!e)
        return;
    at_indexer_free(&e->index);
    at_room_free(&e->ids.arena);
    free(e->follow);
    free(e->source);
    at_intern_free(&e->nodes);
    at_dict_free(&e->dict);
    for (int i = 0; i < POOLS; i++)
        at_intern_free(&e->texts[i]);
    for (int i = 0; i < COLUMNS; i++)
        at_buf_free(&e->columns[i]);
    at_buf_free(&e->payload);
    at_packer_free(&e->packer);
    free(e);
    *encoder = NULL;
}

/* ---- References and definitions */

static inline enum at_err need_room(struct at_buf *b, size_t bytes)
{
    return b->cap - b->len >= bytes ? AT_OK : at_buf_reserve(b, bytes);
}

static inline enum at_err put_number(struct at_tape_encoder *e, enum tape_column id, uint64_t v)
{
    enum at_err err = need_room(&e->columns[id], VARINT_MAX_BYTES);
    if (!err)
        put_varint(&e->columns[id], v);
    return err;
}

static inline enum at_err put_byte(struct at_tape_encoder *e, enum tape_column id, uint8_t v)
{
    struct at_buf *b = &e->columns[id];
    enum at_err err = need_room(b, 1);
    if (!err)
        b->ptr[b->len++] = (char)v;
    return err;
}

/* A reference to a text: 0 and the text where it is new, else its number + 1. */
static enum at_err put_text(struct at_tape_encoder *e, enum tape_column id, enum pool pool, struct at_str text)
{
    uint32_t number = 0, known = at_intern_count(e->texts[pool]);
    enum at_err err = at_intern_add(e->texts[pool], text, &number);
    if (err || number < known)
        return err ? err : put_number(e, id, (uint64_t)number + 1);
    struct at_buf *to = &e->columns[pool_columns[pool]];
    err = at_buf_str(to, text);
    if (!err)
        err = at_buf_add(to, "", 1);
    return err ? err : put_number(e, id, 0);
}

/* The distance from the time before; its sign goes with the rest of it, so that the low byte is all noise. */
static enum at_err put_time(struct at_tape_encoder *e, int64_t t_us)
{
    uint64_t delta = (uint64_t)t_us - (uint64_t)e->last_us; /* modulo 2^64: any two times have one */
    bool back = delta >> 63;
    uint64_t size = back ? 0 - delta : delta;
    enum at_err err = put_byte(e, COL_T_LOW, (uint8_t)size);
    e->last_us = t_us;
    return err ? err : put_number(e, COL_T_HIGH, (size >> 8) << 1 | back);
}

/* The age of the source (how many came since): what is in use now is mostly young. 0: a new one. */
static enum at_err put_source_code(struct at_tape_encoder *e, uint32_t age)
{
    enum at_err err = put_byte(e, COL_SOURCE_LOW, (uint8_t)age);
    return err ? err : put_number(e, COL_SOURCE_HIGH, age >> 8);
}

static enum at_err put_new_source(struct at_tape_encoder *e, const struct at_event *ev, struct dict_place *place)
{
    enum at_err err = at_dict_add_source(&e->dict, ev, place);
    if (!err)
        err = at_grow((void **)&e->source, &e->cap_sources, e->dict.n_sources, sizeof *e->source);
    if (err)
        return err;
    e->source[place->source] = (struct source){0};
    err = put_source_code(e, 0);
    if (!err)
        err = at_indexer_source(e->index, ev->app, ev->user);
    if (!err)
        err = put_text(e, COL_SOURCE_NEW, APPS, ev->app);
    if (!err)
        err = put_text(e, COL_SOURCE_NEW, USERS, ev->user);
    if (!err)
        err = put_text(e, COL_SOURCE_NEW, STREAMS, ev->stream);
    if (!err)
        err = put_number(e, COL_SOURCE_NEW, ev->has & AT_HAS_PLATFORM);
    if (!err && ev->has & AT_HAS_PLATFORM)
        err = put_text(e, COL_SOURCE_NEW, APPS, ev->platform);
    return err;
}

/* ---- Shapes */

static uint32_t observes_number(const struct at_event *ev)
{
    uint32_t number = ev->n_observes;
    for (unsigned i = 0; i < ev->n_observes; i++)
        number |= (uint32_t)ev->observes[i] << (3 + 2 * i);
    return number;
}

/* The definition of a new shape: its numbers, then its texts. */
static enum at_err put_definition(struct at_tape_encoder *e, const struct at_event *shape)
{
    uint64_t numbers[8];
    unsigned n = 0;
    enum at_err err = AT_OK;
    numbers[n++] = shape->kind;
    numbers[n++] = shape->has;
    if (shape->kind == AT_KIND_DECISION)
        numbers[n++] = shape->answer;
    if (shape->kind == AT_KIND_SETTINGS)
        numbers[n++] = shape->granted;
    if (shape->has & AT_HAS_FRESH)
        numbers[n++] = shape->fresh;
    if (shape->has & AT_HAS_OBSERVES)
        numbers[n++] = observes_number(shape);
    if (shape->has & AT_HAS_ERRNO)
        numbers[n++] = zigzag(shape->err_no);
    if (shape->has & AT_HAS_SCOPE)
        numbers[n++] = shape->n_scopes;
    for (unsigned i = 0; i < n && !err; i++)
        err = put_number(e, COL_SHAPE_NEW, numbers[i]);
    if (!err && shape->kind == AT_KIND_CALL)
        err = put_text(e, COL_SHAPE_NEW, WORDS, shape->api);
    if (!err && shape->kind == AT_KIND_RETURN)
        err = put_text(e, COL_SHAPE_NEW, WORDS, shape->err_msg);
    for (size_t i = 0; i < shape->n_scopes && !err; i++)
        err = put_text(e, COL_SHAPE_NEW, WORDS, shape->scopes[i]);
    return err;
}

static enum at_err put_shape(struct at_tape_encoder *e, const struct at_event *ev, struct dict_place *place)
{
    bool is_new = place->shape == AT_DICT_NEW;
    enum at_err err = is_new ? at_dict_add_shape(&e->dict, ev, place) : AT_OK;
    if (!err && is_new) /* [0] and one for each shape */
        err = at_grow((void **)&e->follow, &e->cap_follow, e->dict.n_shapes + 1, sizeof *e->follow);
    if (!err && is_new)
        err = at_indexer_shape(e->index, ev);
    if (err)
        return err;
    at_indexer_event(e->index, place->shape);
    struct source *source = &e->source[place->source];
    uint32_t mark = place->shape + 1;
    struct follow *f = &e->follow[source->shape];
    source->shape = mark;
    if (f->first == mark)
        return put_number(e, COL_SHAPE, SHAPE_FIRST);
    uint64_t code = f->second == mark ? SHAPE_SECOND : is_new ? SHAPE_NEW : (uint64_t)SHAPE_KNOWN + place->shape;
    f->second = f->first;
    f->first = mark;
    err = put_number(e, COL_SHAPE, code);
    return err || !is_new ? err : put_definition(e, &e->dict.shapes[place->shape]);
}

/* ---- What is particular to an event */

/* From a node of the tree to that of one more scope, which may be new. */
static enum at_err step(struct at_tape_encoder *e, struct at_str scope, uint32_t *node)
{
    uint32_t pair[2] = {*node, 0}, id = 0;
    const struct at_str key = {(const char *)pair, sizeof pair};
    enum at_err err = AT_OK;
    if (!at_intern_find(e->texts[WORDS], scope, &pair[1]) || !at_intern_find(e->nodes, key, &id)) {
        id = at_intern_count(e->nodes);
        err = at_indexer_scope(e->index, scope);
        if (!err)
            err = put_number(e, COL_SNAPSHOT, NODE_NEW);
        if (!err)
            err = put_number(e, COL_SNAPSHOT, (uint64_t)id - *node); /* the parent: how far back */
        if (!err)
            err = put_text(e, COL_SNAPSHOT, WORDS, scope);
        if (!err && at_intern_find(e->texts[WORDS], scope, &pair[1]))
            err = at_intern_add(e->nodes, key, &id);
    }
    *node = id + 1;
    return err;
}

/* True if the node stands for the event's list of scopes. */
static bool is_list(const struct at_tape_encoder *e, uint32_t node, const struct at_event *ev)
{
    size_t i = ev->n_settings;
    uint32_t pair[2];
    while (node && i-- > 0) {
        memcpy(pair, at_intern_get(e->nodes, node - 1).ptr, sizeof pair);
        if (!at_str_eq(at_intern_get(e->texts[WORDS], pair[1]), ev->settings[i].scope))
            return false;
        node = pair[0];
    }
    return !node && !i;
}

/* The list of scopes as a path in a tree: node 0 is the empty list, a child has one more scope. Values as bits. */
static enum at_err put_snapshot(struct at_tape_encoder *e, const struct at_event *ev, struct source *source)
{
    bool same = is_list(e, source->node, ev);
    uint32_t node = same ? source->node : 0;
    enum at_err err = AT_OK;
    for (size_t i = 0; i < ev->n_settings && !err && !same; i++)
        err = step(e, ev->settings[i].scope, &node);
    if (!err)
        err = put_number(e, COL_SNAPSHOT, node == source->node ? NODE_SAME : (uint64_t)NODE_KNOWN + node);
    source->node = node;
    for (size_t i = 0; i < ev->n_settings && !err; i += 8) {
        uint8_t bits = 0;
        for (size_t j = i; j < i + 8 && j < ev->n_settings; j++)
            bits = (uint8_t)(bits | (unsigned)ev->settings[j].granted << (j - i));
        err = put_byte(e, COL_MASK, bits);
    }
    return err;
}

static enum at_err put_call(struct at_tape_encoder *e, const struct at_event *ev, struct source *source)
{
    struct tape_call_code c;
    uint32_t ref = 0;
    enum at_err err = at_calls_encode(&source->calls, &e->ids, ev->kind, ev->call, &c, &ref);
    if (!err)
        err = put_number(e, COL_CALL, c.code);
    if (!err && c.code == CALL_JUMP)
        err = put_number(e, COL_CALL, zigzag(c.jump));
    if (!err && c.code == CALL_UUID)
        err = at_buf_add(&e->columns[COL_UUID], c.uuid, sizeof c.uuid);
    if (!err && c.code == CALL_TEXT)
        err = at_buf_str(&e->columns[COL_CALL_TEXT], ev->call);
    if (!err && c.code == CALL_TEXT)
        err = at_buf_add(&e->columns[COL_CALL_TEXT], "", 1);
    return err;
}

static enum at_err put_rest(struct at_tape_encoder *e, const struct at_event *ev, struct source *source)
{
    enum at_err err = AT_OK;
    if (ev->has & AT_HAS_CALL)
        err = put_call(e, ev, source);
    if (!err && ev->has & AT_HAS_AUTH_SETTING)
        err = put_snapshot(e, ev, source);
    if (!err && ev->has & AT_HAS_PACKET) {
        err = put_number(e, COL_PACKET, zigzag((int64_t)(ev->packet - e->last_packet)));
        e->last_packet = ev->packet;
    }
    if (!err && ev->has & AT_HAS_LOST_BYTES)
        err = put_number(e, COL_LOST, ev->lost_bytes);
    if (!err && ev->extra.ptr)
        err = put_text(e, COL_EXTRA, EXTRAS, ev->extra);
    return err;
}

/* ---- Frames */

uint64_t at_tape_id(const struct at_event *first)
{
    uint64_t id = at_hash(first->user.ptr, first->user.len, (uint64_t)first->t_us);
    return at_hash(first->stream.ptr, first->stream.len, id);
}

static enum at_err put_header(struct at_tape_encoder *e, const struct at_event *ev, struct at_buf *out)
{
    uint8_t bytes[TAPE_FILE_HEADER_BYTES];
    if (e->begun)
        return AT_OK;
    if (!e->header.id && ev)
        e->header.id = at_tape_id(ev);
    at_tape_header_put(&e->header, bytes);
    enum at_err err = at_buf_add(out, bytes, sizeof bytes);
    e->begun = !err;
    e->offset = sizeof bytes;
    return err;
}

/* Appends a frame of that type with e->payload. */
static enum at_err put_frame(struct at_tape_encoder *e, struct tape_frame *f, struct at_buf *out)
{
    uint8_t header[TAPE_FRAME_HEADER_BYTES];
    f->sequence = e->sequence;
    f->payload_bytes = (uint32_t)e->payload.len;
    f->tape = (uint32_t)e->header.id;
    f->dropped = e->dropped;
    f->payload_crc = at_tape_crc(e->payload.ptr, e->payload.len);
    at_tape_frame_put(f, header);
    enum at_err err = at_buf_reserve(out, sizeof header + e->payload.len);
    if (!err)
        err = at_buf_add(out, header, sizeof header);
    if (!err)
        err = at_buf_str(out, at_buf_view(&e->payload));
    if (err)
        return err;
    e->sequence++;
    e->dropped = 0;
    e->offset += sizeof header + e->payload.len;
    return AT_OK;
}

/* Bytes of the frame in columns whose size an event does not limit by itself. */
static size_t text_bytes(const struct at_tape_encoder *e)
{
    return e->columns[COL_APPS].len + e->columns[COL_WORDS].len + e->columns[COL_USERS].len +
           e->columns[COL_STREAMS].len + e->columns[COL_EXTRAS].len + e->columns[COL_CALL_TEXT].len +
           e->columns[COL_MASK].len;
}

static enum at_err end_frame(struct at_tape_encoder *e, struct at_buf *out)
{
    struct tape_frame *f = &e->frame;
    if (f->events == 0)
        return AT_OK;
    size_t raw = 0;
    uint64_t offset = e->offset;
    for (int i = 1; i < COLUMNS; i++)
        raw += e->columns[i].len;
    e->payload.len = 0;
    enum at_err err = at_pack(e->packer, e->columns, &e->payload);
    f->type = TAPE_TYPE_EVENTS;
    f->flags = e->segment_new ? TAPE_FLAG_SEGMENT : 0;
    f->raw_bytes = (uint32_t)raw;
    f->events_before = e->events - f->events;
    if (!err)
        err = put_frame(e, f, out);
    if (!err)
        at_indexer_frame(e->index, f, offset, e->offset - offset);
    e->segment_texts += text_bytes(e);
    for (int i = 1; i < COLUMNS; i++)
        e->columns[i].len = 0;
    e->segment_new = false;
    *f = (struct tape_frame){0};
    return err;
}

/* True if `t_us` lies `limit_us` or more after `from_us`. Times that go back end nothing. */
static bool is_past(int64_t t_us, int64_t from_us, uint32_t limit_us)
{
    return limit_us != UINT32_MAX && t_us > from_us && (uint64_t)t_us - (uint64_t)from_us >= limit_us;
}

/* Ends the frame, and the segment, where this event must not go into them. */
static enum at_err make_way(struct at_tape_encoder *e, const struct at_event *ev, struct at_buf *out)
{
    enum at_err err = AT_OK;
    if (e->frame.events &&
        (e->frame.events >= e->o.frame_events || e->segment_events >= e->o.segment_events ||
         text_bytes(e) >= FRAME_TEXT_BYTES || at_intern_count(e->nodes) >= TAPE_SNAPSHOT_NODES_MAX / 2 ||
         is_past(ev->t_us, e->frame_first_us, e->o.frame_us)))
        err = end_frame(e, out);
    if (err || e->frame.events || e->segment_events == 0)
        return err;
    if (e->segment_events >= e->o.segment_events || e->segment_texts >= SEGMENT_TEXT_BYTES ||
        at_intern_count(e->nodes) >= TAPE_SNAPSHOT_NODES_MAX / 2 ||
        is_past(ev->t_us, e->segment_first_us, e->o.segment_us))
        return reset_segment(e);
    return AT_OK;
}

static enum at_err encode(struct at_tape_encoder *e, const struct at_event *ev, struct dict_place *place,
                          struct at_buf *out)
{
    enum at_err err = put_header(e, ev, out);
    if (!err)
        err = make_way(e, ev, out);
    if (err)
        return err;
    if (e->segment_events == 0) /* nothing is known any more */
        place->source = place->shape = AT_DICT_NEW;
    struct tape_frame *f = &e->frame;
    if (f->events == 0) {
        f->earliest_us = f->latest_us = e->frame_first_us = ev->t_us;
        if (e->segment_events == 0)
            e->segment_first_us = ev->t_us;
    }
    f->earliest_us = ev->t_us < f->earliest_us ? ev->t_us : f->earliest_us;
    f->latest_us = ev->t_us > f->latest_us ? ev->t_us : f->latest_us;
    err = put_time(e, ev->t_us);
    if (!err && place->source == AT_DICT_NEW)
        err = put_new_source(e, ev, place);
    else if (!err)
        err = put_source_code(e, (uint32_t)e->dict.n_sources - place->source);
    if (!err)
        err = put_shape(e, ev, place);
    if (!err)
        err = put_rest(e, ev, &e->source[place->source]);
    f->events++;
    e->segment_events++;
    e->events++;
    return err;
}

/* `known`: its source and shape were found fit before. `checked`: all of it was. */
static bool is_fit(const struct at_event *ev, bool known, bool checked)
{
    if (!known)
        return !at_event_check(ev, NULL);
    return checked ? at_event_lengths_fit(ev) : !at_event_check_own(ev, NULL);
}

static enum at_err add_event(struct at_tape_encoder *e, const struct at_event *ev, bool checked, struct at_buf *out)
{
    if (e->failed || e->finished)
        return e->failed ? e->failed : AT_BAD;
    struct dict_place place;
    at_dict_find(&e->dict, ev, &place);
    bool known = place.source != AT_DICT_NEW && place.shape != AT_DICT_NEW;
    if (!is_fit(ev, known, checked))
        return AT_BAD;
    e->failed = encode(e, ev, &place, out);
    return e->failed;
}

enum at_err at_tape_encode(struct at_tape_encoder *e, const struct at_event *ev, struct at_buf *out)
{
    return add_event(e, ev, false, out);
}

enum at_err at_tape_encode_checked(struct at_tape_encoder *e, const struct at_event *ev, struct at_buf *out)
{
    return add_event(e, ev, true, out);
}

enum at_err at_tape_encode_flush(struct at_tape_encoder *e, struct at_buf *out)
{
    if (!e->failed)
        e->failed = put_header(e, NULL, out);
    if (!e->failed)
        e->failed = end_frame(e, out);
    return e->failed;
}

enum at_err at_tape_encode_finish(struct at_tape_encoder *e, struct at_buf *out)
{
    enum at_err err = e->finished ? AT_OK : at_tape_encode_flush(e, out);
    if (err || e->finished)
        return err;
    struct tape_frame f = {.type = TAPE_TYPE_INDEX, .events_before = e->events};
    e->payload.len = 0;
    err = at_indexer_put(e->index, e->offset, &f, &e->payload);
    if (!err)
        err = put_frame(e, &f, out);
    e->finished = !err;
    e->failed = err;
    return err;
}

size_t at_tape_encoder_waiting(const struct at_tape_encoder *e)
{
    return e->frame.events;
}

void at_tape_encode_dropped(struct at_tape_encoder *e, uint32_t n)
{
    e->dropped = e->dropped > UINT32_MAX - n ? UINT32_MAX : e->dropped + n;
}
