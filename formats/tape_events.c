/* tape_events.c: the columns of a frame, read as events (tape.5, "Events frames"). The opposite of tape_encode.c. */
#include "formats/tape_events.h"

#include <stdlib.h>
#include <string.h>

#include "formats/event.h"
#include "formats/tape_calls.h"
#include "formats/tape_columns.h"

enum pool { APPS, USERS, STREAMS, WORDS, EXTRAS, POOLS };
static const enum tape_column pool_columns[POOLS] = {COL_APPS, COL_USERS, COL_STREAMS, COL_WORDS, COL_EXTRAS};

/* What is kept of a source to understand its next event. */
struct source {
    uint32_t shape; /* of its last event, +1; 0: none */
    uint32_t list;  /* of its last snapshot */
    struct tape_calls calls;
};

/* What of a shape is looked at for every event. */
struct brief {
    uint32_t has;
    enum at_kind kind;
};

struct follow {
    uint32_t first, second;
};

/* What a list of scopes has in all, so that one more scope need not be held against each. */
struct list_sum {
    uint64_t scopes; /* a bit for each, by its hash */
    size_t bytes;
};

struct texts {
    struct at_str *items;
    size_t n, cap;
};

struct tape_events {
    struct at_unpacker *unpacker;
    struct cursor columns[COLUMNS];
    bool no_packets;
    uint32_t left;                  /* events of the frame not decoded yet */
    int64_t earliest_us, latest_us; /* as the frame's header says */
    /* The segment. */
    uint64_t segment;
    uint64_t segment_events;
    size_t segment_texts; /* bytes */
    struct texts texts[POOLS];
    struct at_tape_source *sources;
    struct source *states;
    size_t n_sources, cap_sources, cap_states;
    struct at_event *shapes;
    struct brief *briefs;
    struct follow *follow; /* [0]: of a source's first event */
    size_t n_shapes, cap_shapes, cap_briefs, cap_follow;
    struct at_scope_list *lists;
    struct list_sum *list_sums;
    size_t n_lists, cap_lists, cap_list_sums;
    struct tape_arena arena;
    struct tape_ids ids;
    struct tape_arena ids_before; /* those of the segment before: who keeps them learns late that it is over */
    int64_t last_us;
    uint64_t last_packet;
    /* The batch. */
    uint32_t n;
    int64_t t_us[TAPE_BATCH];
    uint32_t source[TAPE_BATCH], shape[TAPE_BATCH], extra[TAPE_BATCH];
    struct at_str call[TAPE_BATCH];
    uint32_t call_ref[TAPE_BATCH];
    uint64_t packet[TAPE_BATCH], lost[TAPE_BATCH];
    struct at_listing listing[TAPE_BATCH];
    struct at_setting settings[AT_LIST_MAX];
};

enum at_err at_events_new(struct tape_events **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    enum at_err err = at_unpacker_new(&(*out)->unpacker);
    if (err)
        at_events_free(out);
    return err;
}

static void clear_segment(struct tape_events *d)
{
    for (int i = 0; i < POOLS; i++)
        d->texts[i].n = 0;
    d->n_sources = d->n_shapes = 0;
    d->n_lists = 1;
    d->segment_events = 0;
    d->segment_texts = 0;
    d->last_us = 0;
    d->last_packet = 0;
    at_room_clear(&d->arena);
    at_ids_turn(&d->ids, &d->ids_before);
}

void at_events_free(struct tape_events **events)
{
    struct tape_events *d = *events;
    if (!d)
        return;
    at_room_free(&d->arena);
    at_room_free(&d->ids.arena);
    at_room_free(&d->ids_before);
    for (int i = 0; i < POOLS; i++)
        free(d->texts[i].items);
    free(d->list_sums);
    free(d->lists);
    free(d->follow);
    free(d->briefs);
    free(d->shapes);
    free(d->states);
    free(d->sources);
    at_unpacker_free(&d->unpacker);
    free(d);
    *events = NULL;
}

void at_events_no_packets(struct tape_events *d)
{
    d->no_packets = true;
    at_unpacker_leave_out(d->unpacker, COL_PACKET);
}

enum at_err at_events_frame(struct tape_events *d, const struct tape_frame *f, const uint8_t *payload)
{
    d->left = 0;
    d->n = 0;
    if (f->events == 0 || f->events > TAPE_FRAME_EVENTS_MAX || f->raw_bytes > TAPE_RAW_MAX)
        return AT_DAMAGED;
    enum at_err err = at_unpack(d->unpacker, payload, f->payload_bytes, f->raw_bytes, d->columns);
    if (err)
        return err;
    if (f->flags & TAPE_FLAG_SEGMENT) {
        clear_segment(d);
        d->segment++;
        err = at_grow((void **)&d->lists, &d->cap_lists, 1, sizeof *d->lists);
        if (!err)
            err = at_grow((void **)&d->list_sums, &d->cap_list_sums, 1, sizeof *d->list_sums);
        if (!err)
            err = at_grow((void **)&d->follow, &d->cap_follow, 1, sizeof *d->follow);
        if (err)
            return err;
        d->lists[0] = (struct at_scope_list){0};
        d->list_sums[0] = (struct list_sum){0};
        d->follow[0] = (struct follow){0};
    }
    if (d->segment == 0)
        return AT_DAMAGED;
    d->segment_events += f->events;
    if (d->segment_events > TAPE_SEGMENT_EVENTS_MAX)
        return AT_LIMIT;
    if ((size_t)(d->columns[COL_T_LOW].end - d->columns[COL_T_LOW].p) != f->events ||
        (size_t)(d->columns[COL_SOURCE_LOW].end - d->columns[COL_SOURCE_LOW].p) != f->events)
        return AT_DAMAGED;
    d->earliest_us = f->earliest_us;
    d->latest_us = f->latest_us;
    d->left = f->events;
    return AT_OK;
}

/* ---- References and definitions */

static enum at_err new_text(struct tape_events *d, enum pool pool)
{
    struct texts *t = &d->texts[pool];
    struct at_str s;
    size_t limit = pool == EXTRAS ? AT_EXTRA_MAX_BYTES : AT_TEXT_MAX_BYTES;
    if (!at_cursor_text(&d->columns[pool_columns[pool]], &s) || s.len > limit || !at_text_valid(s))
        return AT_DAMAGED;
    if (pool == EXTRAS && (!at_json_valid(s) || s.ptr[0] != '{' || memchr(s.ptr, '\n', s.len)))
        return AT_DAMAGED;
    d->segment_texts += s.len;
    if (d->segment_texts > TAPE_SEGMENT_TEXT_MAX)
        return AT_LIMIT;
    enum at_err err = at_grow((void **)&t->items, &t->cap, t->n + 1, sizeof *t->items);
    if (err)
        return err;
    t->items[t->n] = at_room_text(&d->arena, s);
    if (!t->items[t->n].ptr)
        return AT_NOMEM;
    t->n++;
    return AT_OK;
}

/* A reference: 0 is the next new text, n + 1 the n-th. */
static enum at_err get_text(struct tape_events *d, enum tape_column id, enum pool pool, uint32_t *text)
{
    uint64_t code = 0;
    if (!get_varint(&d->columns[id], &code) || code > d->texts[pool].n)
        return AT_DAMAGED;
    *text = code ? (uint32_t)(code - 1) : (uint32_t)d->texts[pool].n;
    return code ? AT_OK : new_text(d, pool);
}

static enum at_err get_view(struct tape_events *d, enum tape_column id, enum pool pool, struct at_str *out)
{
    uint32_t text = 0;
    enum at_err err = get_text(d, id, pool, &text);
    if (!err)
        *out = d->texts[pool].items[text];
    return err;
}

static enum at_err new_source(struct tape_events *d)
{
    size_t wanted = d->n_sources + 1;
    enum at_err err = at_grow((void **)&d->sources, &d->cap_sources, wanted, sizeof *d->sources);
    if (!err)
        err = at_grow((void **)&d->states, &d->cap_states, wanted, sizeof *d->states);
    if (err)
        return err;
    uint64_t has_platform = 0;
    struct at_tape_source s = {.platform = {0}};
    err = get_view(d, COL_SOURCE_NEW, APPS, &s.app);
    if (!err)
        err = get_view(d, COL_SOURCE_NEW, USERS, &s.user);
    if (!err)
        err = get_view(d, COL_SOURCE_NEW, STREAMS, &s.stream);
    if (!err && (!get_varint(&d->columns[COL_SOURCE_NEW], &has_platform) || has_platform > 1))
        err = AT_DAMAGED;
    if (!err && has_platform)
        err = get_view(d, COL_SOURCE_NEW, APPS, &s.platform);
    if (err)
        return err;
    d->sources[d->n_sources] = s;
    d->states[d->n_sources++] = (struct source){0};
    return AT_OK;
}

static bool get_small(struct tape_events *d, uint64_t max, uint64_t *v)
{
    return get_varint(&d->columns[COL_SHAPE_NEW], v) && *v <= max;
}

static bool set_observes(struct at_event *ev, uint64_t number)
{
    unsigned seen = 0;
    ev->n_observes = number & 7;
    if (ev->n_observes > AT_SIGHTS || number >> (3 + 2 * ev->n_observes))
        return false;
    for (unsigned i = 0; i < ev->n_observes; i++) {
        ev->observes[i] = number >> (3 + 2 * i) & 3;
        if (seen & 1u << ev->observes[i])
            return false;
        seen |= 1u << ev->observes[i];
    }
    return true;
}

/* The numbers of a new shape, without its texts. */
static enum at_err get_shape_numbers(struct tape_events *d, struct at_event *ev)
{
    uint64_t v = 0;
    if (!get_small(d, AT_KIND_END, &v) || v == 0)
        return AT_DAMAGED;
    ev->kind = (enum at_kind)v;
    if (!get_small(d, SHAPE_HAS_ALL, &v))
        return AT_DAMAGED;
    ev->has = (uint32_t)v;
    if (ev->kind == AT_KIND_DECISION) {
        if (!get_small(d, AT_ANSWER_DISMISS, &v) || v == 0)
            return AT_DAMAGED;
        ev->answer = (enum at_answer)v;
    }
    if (ev->kind == AT_KIND_SETTINGS) {
        if (!get_small(d, 1, &v))
            return AT_DAMAGED;
        ev->granted = v;
    }
    if (ev->has & AT_HAS_FRESH) {
        if (!get_small(d, 1, &v))
            return AT_DAMAGED;
        ev->fresh = v;
    }
    if (ev->has & AT_HAS_OBSERVES && (!get_small(d, UINT32_MAX, &v) || !set_observes(ev, v)))
        return AT_DAMAGED;
    if (ev->has & AT_HAS_ERRNO) {
        if (!get_varint(&d->columns[COL_SHAPE_NEW], &v))
            return AT_DAMAGED;
        ev->err_no = unzigzag(v);
    }
    if (ev->has & AT_HAS_SCOPE) {
        if (!get_small(d, AT_LIST_MAX, &v))
            return AT_DAMAGED;
        ev->n_scopes = (size_t)v;
    }
    return AT_OK;
}

/* Which of the optional fields a kind may and must have; the rest of the check was made by reading the shape. */
static bool is_fit(const struct at_event *shape)
{
    struct at_event ev = *shape;
    const struct at_setting none = {0};
    ev.has &= ~(uint32_t)(SHAPE_HAS_EXTRA | AT_HAS_PACKET | AT_HAS_PLATFORM);
    ev.app = ev.user = ev.stream = ev.call = AT_STR("");
    ev.settings = &none;
    return !(shape->has & AT_HAS_PLATFORM) && at_event_check(&ev, NULL) == AT_OK;
}

static enum at_err new_shape(struct tape_events *d)
{
    struct at_event ev = {0};
    enum at_err err = get_shape_numbers(d, &ev);
    if (!err && ev.kind == AT_KIND_CALL)
        err = get_view(d, COL_SHAPE_NEW, WORDS, &ev.api);
    if (!err && ev.kind == AT_KIND_RETURN)
        err = get_view(d, COL_SHAPE_NEW, WORDS, &ev.err_msg);
    if (!err && ev.n_scopes) {
        struct at_str *scopes = at_room_array(&d->arena, ev.n_scopes, sizeof *scopes);
        if (!scopes)
            return AT_NOMEM;
        for (size_t i = 0; i < ev.n_scopes && !err; i++)
            err = get_view(d, COL_SHAPE_NEW, WORDS, &scopes[i]);
        ev.scopes = scopes;
    }
    if (err || !is_fit(&ev))
        return err ? err : AT_DAMAGED;
    err = at_grow((void **)&d->shapes, &d->cap_shapes, d->n_shapes + 1, sizeof *d->shapes);
    if (!err) /* [0] and one for each shape */
        err = at_grow((void **)&d->follow, &d->cap_follow, d->n_shapes + 2, sizeof *d->follow);
    if (!err)
        err = at_grow((void **)&d->briefs, &d->cap_briefs, d->n_shapes + 1, sizeof *d->briefs);
    if (err)
        return err;
    if (d->no_packets)
        ev.has &= ~(uint32_t)AT_HAS_PACKET;
    d->briefs[d->n_shapes] = (struct brief){.has = ev.has, .kind = ev.kind};
    d->shapes[d->n_shapes++] = ev;
    d->follow[d->n_shapes] = (struct follow){0};
    return AT_OK;
}

/* ---- Columns */

static enum at_err get_times(struct tape_events *d, uint32_t n)
{
    const uint8_t *low = d->columns[COL_T_LOW].p, *p = d->columns[COL_T_HIGH].p, *end = d->columns[COL_T_HIGH].end;
    uint64_t t = (uint64_t)d->last_us;
    int64_t earliest = INT64_MAX, latest = INT64_MIN;
    for (uint32_t i = 0; i < n; i++) {
        struct varint high = next_varint(p, end);
        if (!high.p)
            return AT_DAMAGED;
        p = high.p;
        uint64_t size = high.v >> 1 << 8 | low[i];
        t += (size ^ (0 - (high.v & 1))) + (high.v & 1); /* less where the lowest bit says so */
        d->t_us[i] = (int64_t)t;
        earliest = (int64_t)t < earliest ? (int64_t)t : earliest;
        latest = (int64_t)t > latest ? (int64_t)t : latest;
    }
    d->columns[COL_T_LOW].p += n;
    d->columns[COL_T_HIGH].p = p;
    d->last_us = (int64_t)t;
    return earliest < d->earliest_us || latest > d->latest_us ? AT_DAMAGED : AT_OK;
}

static enum at_err get_sources(struct tape_events *d, uint32_t n)
{
    const uint8_t *low = d->columns[COL_SOURCE_LOW].p, *p = d->columns[COL_SOURCE_HIGH].p;
    const uint8_t *const end = d->columns[COL_SOURCE_HIGH].end;
    for (uint32_t i = 0; i < n; i++) {
        struct varint high = next_varint(p, end);
        if (!high.p)
            return AT_DAMAGED;
        p = high.p;
        uint64_t age = high.v << 8 | low[i];
        if (age == 0) {
            enum at_err err = new_source(d);
            if (err)
                return err;
            age = 1;
        }
        if (age > d->n_sources)
            return AT_DAMAGED;
        d->source[i] = (uint32_t)(d->n_sources - age);
        __builtin_prefetch(&d->states[d->source[i]]);
    }
    d->columns[COL_SOURCE_LOW].p += n;
    d->columns[COL_SOURCE_HIGH].p = p;
    return AT_OK;
}

/* Without a branch: which of the codes it is, nobody guesses, and a wrong guess costs more than both ways. */
static inline uint32_t choose(bool first, uint32_t one, uint32_t other)
{
    const uint32_t mask = 0 - (uint32_t)first;
    return (one & mask) | (other & ~mask);
}

/* The shapes of the events from `i` on, up to one that is new: *end, or n. */
static enum at_err get_shapes(struct tape_events *d, uint32_t i, uint32_t n, uint32_t *end)
{
    const uint8_t *p = d->columns[COL_SHAPE].p, *const p_end = d->columns[COL_SHAPE].end;
    struct follow *const follow = d->follow;
    for (; i < n; i++) {
        struct source *source = &d->states[d->source[i]];
        struct follow *f = &follow[source->shape];
        struct varint code = next_varint(p, p_end);
        if (!code.p)
            return AT_DAMAGED;
        if (code.v == SHAPE_NEW)
            break;
        if (code.v >= SHAPE_KNOWN + d->n_shapes)
            return AT_DAMAGED;
        p = code.p;
        const uint32_t first = f->first, second = f->second;
        const uint32_t known = (uint32_t)(code.v - SHAPE_KNOWN) + 1;
        const uint32_t mark = choose(code.v == SHAPE_FIRST, first, choose(code.v == SHAPE_SECOND, second, known));
        f->second = choose(code.v == SHAPE_FIRST, second, first);
        f->first = mark;
        if (mark == 0)
            return AT_DAMAGED;
        source->shape = mark;
        d->shape[i] = mark - 1;
        __builtin_prefetch(source->calls.open);
    }
    d->columns[COL_SHAPE].p = p;
    *end = i;
    return AT_OK;
}

/* Event `i` has a shape that was not there before. */
static enum at_err get_new_shape(struct tape_events *d, uint32_t i)
{
    uint64_t code = 0;
    enum at_err err = get_varint(&d->columns[COL_SHAPE], &code) ? new_shape(d) : AT_DAMAGED;
    if (err)
        return err;
    struct source *source = &d->states[d->source[i]];
    struct follow *f = &d->follow[source->shape];
    f->second = f->first;
    f->first = source->shape = (uint32_t)d->n_shapes;
    d->shape[i] = (uint32_t)d->n_shapes - 1;
    return AT_OK;
}

static enum at_err get_call(struct tape_events *d, struct source *source, enum at_kind kind, struct tape_call_id *out)
{
    struct tape_call_code c = {0};
    struct at_str text = {0}, raw;
    uint64_t jump = 0;
    struct cursor *uuids = &d->columns[COL_UUID];
    if (!get_varint(&d->columns[COL_CALL], &c.code))
        return AT_DAMAGED;
    if (at_calls_decode_common(&source->calls, &d->ids, kind, c.code, out))
        return AT_OK;
    if (c.code == CALL_JUMP) {
        if (!get_varint(&d->columns[COL_CALL], &jump))
            return AT_DAMAGED;
        c.jump = unzigzag(jump);
    } else if (c.code == CALL_UUID) {
        if (uuids->end - uuids->p < 16)
            return AT_DAMAGED;
        memcpy(c.uuid, uuids->p, 16);
        uuids->p += 16;
    } else if (c.code == CALL_TEXT) {
        if (!at_cursor_text(&d->columns[COL_CALL_TEXT], &raw) || raw.len > AT_TEXT_MAX_BYTES || !at_text_valid(raw))
            return AT_DAMAGED;
        d->segment_texts += raw.len;
        if (d->segment_texts > TAPE_SEGMENT_TEXT_MAX)
            return AT_LIMIT;
        text = at_room_text(&d->ids.arena, raw);
        if (!text.ptr)
            return AT_NOMEM;
    }
    return at_calls_decode(&source->calls, &d->ids, kind, &c, text, out);
}

static bool has_scope(const struct tape_events *d, uint32_t list, struct at_str scope)
{
    for (; list; list = d->lists[list].shorter)
        if (at_str_eq(d->lists[list].scope, scope))
            return true;
    return false;
}

static enum at_err new_list(struct tape_events *d)
{
    uint64_t back = 0;
    struct at_str scope = {0};
    if (!get_varint(&d->columns[COL_SNAPSHOT], &back) || back >= d->n_lists || d->n_lists >= TAPE_SNAPSHOT_NODES_MAX)
        return AT_DAMAGED;
    enum at_err err = get_view(d, COL_SNAPSHOT, WORDS, &scope);
    if (!err)
        err = at_grow((void **)&d->lists, &d->cap_lists, d->n_lists + 1, sizeof *d->lists);
    if (!err)
        err = at_grow((void **)&d->list_sums, &d->cap_list_sums, d->n_lists + 1, sizeof *d->list_sums);
    if (err)
        return err;
    uint32_t shorter = (uint32_t)(d->n_lists - 1 - back);
    struct list_sum sum = d->list_sums[shorter];
    const uint64_t bit = UINT64_C(1) << at_hash(scope.ptr, scope.len, 0) % 64;
    if (sum.scopes & bit && has_scope(d, shorter, scope)) /* a scope twice in a list */
        return AT_DAMAGED;
    sum.scopes |= bit;
    sum.bytes += scope.len;
    struct at_scope_list list = {.shorter = shorter, .n = d->lists[shorter].n + 1, .scope = scope};
    if (list.n > AT_LIST_MAX || sum.bytes > AT_LIST_MAX_BYTES)
        return AT_DAMAGED;
    d->list_sums[d->n_lists] = sum;
    d->lists[d->n_lists++] = list;
    return AT_OK;
}

static enum at_err get_snapshot(struct tape_events *d, struct source *source, uint32_t i)
{
    uint64_t code = 0;
    struct cursor *masks = &d->columns[COL_MASK];
    for (;;) {
        if (!get_varint(&d->columns[COL_SNAPSHOT], &code))
            return AT_DAMAGED;
        if (code != NODE_NEW)
            break;
        enum at_err err = new_list(d);
        if (err)
            return err;
    }
    if (code >= NODE_KNOWN && code - NODE_KNOWN >= d->n_lists)
        return AT_DAMAGED;
    if (code >= NODE_KNOWN)
        source->list = (uint32_t)(code - NODE_KNOWN);
    size_t bytes = (d->lists[source->list].n + 7u) / 8;
    if ((size_t)(masks->end - masks->p) < bytes)
        return AT_DAMAGED;
    d->listing[i] = (struct at_listing){.list = source->list, .granted = masks->p};
    masks->p += bytes;
    return AT_OK;
}

/* The columns that few events have. */
static enum at_err get_rest(struct tape_events *d, struct source *source, uint32_t has, uint32_t i)
{
    enum at_err err = AT_OK;
    if (has & AT_HAS_AUTH_SETTING)
        err = get_snapshot(d, source, i);
    if (!err && has & AT_HAS_LOST_BYTES && (!get_varint(&d->columns[COL_LOST], &d->lost[i]) || d->lost[i] > INT64_MAX))
        return AT_DAMAGED;
    if (!err && has & SHAPE_HAS_EXTRA)
        err = get_text(d, COL_EXTRA, EXTRAS, &d->extra[i]);
    return err;
}

static enum at_err get_others(struct tape_events *d, const uint32_t *events, uint32_t n)
{
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < n && !err; i++) {
        const uint32_t e = events[i];
        err = get_rest(d, &d->states[d->source[e]], d->briefs[d->shape[e]].has, e);
    }
    return err;
}

/* What the events from `i` to `end` have beside time, source and shape. */
static enum at_err get_own(struct tape_events *d, uint32_t i, uint32_t end)
{
    const uint8_t *packets = d->columns[COL_PACKET].p;
    uint32_t others[TAPE_BATCH], n_others = 0;
    for (; i < end; i++) {
        const struct brief *shape = &d->briefs[d->shape[i]];
        if (shape->has & AT_HAS_CALL) {
            struct tape_call_id id;
            enum at_err err = get_call(d, &d->states[d->source[i]], shape->kind, &id);
            if (err)
                return err;
            d->call[i] = id.id;
            d->call_ref[i] = id.ref;
        }
        if (shape->has & AT_HAS_PACKET) {
            struct varint step = next_varint(packets, d->columns[COL_PACKET].end);
            d->last_packet += (uint64_t)unzigzag(step.v);
            d->packet[i] = d->last_packet;
            if (!step.p || d->last_packet - 1 >= INT64_MAX)
                return AT_DAMAGED;
            packets = step.p;
        }
        others[n_others] = i; /* noted, as a branch here would be a guess */
        n_others += (shape->has & (AT_HAS_AUTH_SETTING | AT_HAS_LOST_BYTES | SHAPE_HAS_EXTRA)) != 0;
    }
    d->columns[COL_PACKET].p = packets;
    return get_others(d, others, n_others);
}

enum at_err at_events_batch(struct tape_events *d)
{
    uint32_t n = d->left < TAPE_BATCH ? d->left : TAPE_BATCH;
    d->n = 0;
    if (n == 0)
        return AT_END;
    enum at_err err = get_times(d, n);
    if (!err)
        err = get_sources(d, n);
    for (uint32_t i = 0, end = 0; i < n && !err; i = end) {
        err = get_shapes(d, i, n, &end);
        if (!err)
            err = get_own(d, i, end);
        if (!err && end < n) { /* here, as new words of shapes and of snapshots are numbered together */
            err = get_new_shape(d, end);
            if (!err)
                err = get_own(d, end, end + 1);
            end++;
        }
    }
    if (err) {
        d->left = 0;
        return err;
    }
    d->left -= n;
    d->n = n;
    return AT_OK;
}

/* ---- Giving */

uint32_t at_events_left(const struct tape_events *d)
{
    return d->left;
}

void at_events_view(const struct tape_events *d, struct at_tape_batch *out)
{
    *out = (struct at_tape_batch){
        .n = d->n,
        .segment = d->segment,
        .t_us = d->t_us,
        .source = d->source,
        .shape = d->shape,
        .packet = d->packet,
        .call = d->call,
        .call_ref = d->call_ref,
        .listing = d->listing,
        .sources = d->sources,
        .shapes = d->shapes,
        .lists = d->lists,
        .n_sources = d->n_sources,
        .n_shapes = d->n_shapes,
        .n_lists = d->n_lists,
    };
}

static void get_settings(struct tape_events *d, size_t i, struct at_event *ev)
{
    const struct at_listing *listing = &d->listing[i];
    uint32_t list = listing->list, n = d->lists[list].n;
    ev->settings = d->settings;
    ev->n_settings = n;
    for (uint32_t j = n; j-- > 0; list = d->lists[list].shorter)
        d->settings[j] = (struct at_setting){
            .scope = d->lists[list].scope,
            .granted = listing->granted[j / 8] >> (j % 8) & 1,
        };
}

void at_events_get(struct tape_events *d, size_t i, struct at_event *ev)
{
    const struct at_tape_source *s = &d->sources[d->source[i]];
    *ev = d->shapes[d->shape[i]];
    uint32_t has = ev->has;
    ev->t_us = d->t_us[i];
    ev->app = s->app;
    ev->user = s->user;
    ev->stream = s->stream;
    if (s->platform.ptr) {
        ev->platform = s->platform;
        ev->has |= AT_HAS_PLATFORM;
    }
    if (has & AT_HAS_CALL)
        ev->call = d->call[i];
    if (has & AT_HAS_PACKET)
        ev->packet = d->packet[i];
    if (has & AT_HAS_AUTH_SETTING)
        get_settings(d, i, ev);
    if (has & AT_HAS_LOST_BYTES)
        ev->lost_bytes = d->lost[i];
    if (has & SHAPE_HAS_EXTRA) {
        ev->extra = d->texts[EXTRAS].items[d->extra[i]];
        ev->has &= ~SHAPE_HAS_EXTRA;
    }
}
