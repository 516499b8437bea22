/* batch.c: events as the columns of a tape. What repeats within a segment (who, and what) is looked up once. */
#include <stdlib.h>
#include <string.h>

#include "replay/lanes.h"

/* Events whose keys are fetched ahead. */
#define AHEAD 12u
#define NEW_SOURCES 256u /* of which names are fetched ahead; more come at once on several threads only */
#define FEW_NEW 4u
#define FEW_SOURCES 2048u /* that stay in the cache by themselves */

/* Where events of a source belong. */
struct place_of {
    struct key *key; /* NULL: not looked up yet, or foreign */
    struct stream *stream;
    bool foreign;     /* another shard's */
    uint32_t streams; /* foreign: how many there were when the stream was looked for in vain */
    struct at_str platform;
};

/* What was looked up of the segment at hand of one recording. */
struct view {
    uint64_t segment;
    struct place_of *sources;
    struct meaning *shapes; /* `kind` 0: not looked up yet */
    size_t n_sources, cap_sources, n_shapes, cap_shapes;
};

struct views {
    struct view *views;
    size_t n;
};

void views_free(struct views **views)
{
    if (!*views)
        return;
    for (size_t i = 0; i < (*views)->n; i++) {
        free((*views)->views[i].sources);
        free((*views)->views[i].shapes);
    }
    free((*views)->views);
    free(*views);
    *views = NULL;
}

static enum at_err view_of(struct at_checker *c, uint32_t input, struct view **out)
{
    if (!c->views)
        c->views = calloc(1, sizeof *c->views);
    if (!c->views)
        return AT_NOMEM;
    if (input >= c->views->n) {
        struct view *views = realloc(c->views->views, (input + 1) * sizeof *views);
        if (!views)
            return AT_NOMEM;
        memset(views + c->views->n, 0, (input + 1 - c->views->n) * sizeof *views);
        c->views->views = views;
        c->views->n = input + 1;
    }
    *out = &c->views->views[input];
    return AT_OK;
}

/* Makes the array as long as `n` elements, the new ones zero. */
static enum at_err lengthen(void **array, size_t *n, size_t *cap, size_t want, size_t bytes)
{
    if (want > *cap) {
        size_t more = want + want / 2 + 16;
        void *grown = realloc(*array, more * bytes);
        if (!grown)
            return AT_NOMEM;
        *array = grown;
        *cap = more;
    }
    if (want > *n) {
        memset((char *)*array + *n * bytes, 0, (want - *n) * bytes);
        *n = want;
    }
    return AT_OK;
}

/* Fetches what looking the new sources up will look at: for many users that is what takes the time. */
static enum at_err fetch_names(struct at_checker *c, const struct at_tape_batch *b, size_t from)
{
    struct at_buf *text = &c->text[0];
    struct at_str names[NEW_SOURCES], streams[NEW_SOURCES];
    size_t n = b->n_sources - from < NEW_SOURCES ? b->n_sources - from : NEW_SOURCES, at = 0;
    enum at_err err = AT_OK;
    text->len = 0;
    for (size_t i = 0; i < n && !err; i++) {
        const struct at_tape_source *s = &b->sources[from + i];
        const struct at_event ev = {.app = s->app, .user = s->user, .stream = s->stream};
        err = add_key_name(c, &ev, text);
        names[i].len = text->len - at;
        at = text->len;
        streams[i] = s->stream;
    }
    for (size_t i = 0; i < n; i++) { /* the buffer may have moved while it grew */
        names[i].ptr = i ? names[i - 1].ptr + names[i - 1].len : text->ptr;
    }
    if (err)
        return err;
    at_intern_fetch(c->names, names, n);
    at_intern_fetch(c->stream_names, streams, n);
    fetch_keys(c, names, streams, n);
    return AT_OK;
}

static enum at_err look_at(struct at_checker *c, struct view *v, const struct at_tape_batch *b)
{
    if (v->segment != b->segment)
        v->n_sources = v->n_shapes = 0;
    v->segment = b->segment;
    size_t had = v->n_sources;
    enum at_err err = lengthen((void **)&v->sources, &v->n_sources, &v->cap_sources, b->n_sources, sizeof *v->sources);
    if (!err && b->n_sources > had + FEW_NEW && c->totals.keys > FEW_SOURCES && !c->options.shard.of)
        err = fetch_names(c, b, had);
    return err ? err : lengthen((void **)&v->shapes, &v->n_shapes, &v->cap_shapes, b->n_shapes, sizeof *v->shapes);
}

static enum at_err look_up_source(struct at_checker *c, const struct at_tape_source *s, int64_t t_us,
                                  struct place_of *out)
{
    const struct at_event ev = {.app = s->app, .user = s->user, .stream = s->stream, .t_us = t_us};
    enum at_err err = find_key(c, &ev, &out->key);
    if (!err)
        err = find_stream(c, &ev, &out->stream);
    if (!err)
        err = stream_add_key(c, out->stream, out->key);
    if (!err && s->platform.ptr)
        err = intern_word(c, s->platform, &out->platform);
    if (err)
        out->key = NULL;
    return err;
}

/* An event of another shard's key. Most of their streams are no concern of ours. */
static enum at_err pass_foreign(struct at_checker *c, struct place_of *p, const struct at_tape_batch *b, size_t i,
                                struct happening *h)
{
    uint32_t streams = at_intern_count(c->stream_names);
    if (!p->stream && p->streams != streams)
        p->stream = own_stream(c, b->sources[b->source[i]].stream);
    p->streams = streams;
    if (!p->stream)
        return AT_OK;
    h->i = i;
    h->ev = NULL;
    h->at.t_us = b->t_us[i];
    return check_foreign(c, p->stream, whole_event(h), h->at);
}

/* Event number `at` of what is checked. */
static size_t event_at(const struct share *share, size_t at)
{
    return share ? share->order[at] : at;
}

static inline __attribute__((always_inline)) void fetch_ahead(const struct view *v, const struct at_tape_batch *b,
                                                              const struct share *share, size_t at, size_t n)
{
    if (at + 2 * AHEAD < n) {
        const struct place_of *far = &v->sources[b->source[event_at(share, at + 2 * AHEAD)]];
        if (far->key) {
            __builtin_prefetch(far->key);
            __builtin_prefetch((const char *)far->key + LINE_BYTES);
            __builtin_prefetch((const char *)far->key + KEY_HEAD_BYTES);
            __builtin_prefetch(far->stream);
        }
    }
    if (at + AHEAD >= n)
        return;
    const struct place_of *p = &v->sources[b->source[event_at(share, at + AHEAD)]];
    if (p->key && p->key->n_calls)
        __builtin_prefetch(p->key->calls[p->key->n_calls - 1]);
}

/* Event `i`, whose place and number are in `h`. */
static inline enum at_err check_one(struct at_checker *c, struct view *v, const struct at_tape_batch *b, size_t i,
                                    struct happening *h)
{
    struct place_of *p = &v->sources[b->source[i]];
    struct meaning *m = &v->shapes[b->shape[i]];
    enum at_err err = AT_OK;
    c->order = h->at.event;
    if (!p->key && !p->foreign)
        p->foreign = is_foreign(c, b->sources[b->source[i]].app, b->sources[b->source[i]].user);
    if (p->foreign)
        return pass_foreign(c, p, b, i, h);
    c->totals.events++;
    if (!p->key)
        err = look_up_source(c, &b->sources[b->source[i]], b->t_us[i], p);
    if (!m->kind && !err)
        err = meaning_of(c, &b->shapes[b->shape[i]], m);
    if (err)
        return err;
    c->totals.calls += m->kind == AT_KIND_CALL;
    if (p->stream->last_us < b->t_us[i])
        p->stream->last_us = b->t_us[i];
    if (p->key->inconclusive)
        return AT_OK;
    h->meaning = m;
    h->at.t_us = b->t_us[i];
    h->at.packet = m->has_packet ? b->packet[i] : 0;
    if (m->has_call) {
        h->call = b->call[i];
        h->call_hash = id_hash(h->call);
    }
    h->platform = p->platform;
    h->ev = NULL;
    h->i = i;
    return check(c, p->key, p->stream, h);
}

enum at_err check_batch(struct at_checker *c, const struct at_tape_batch *b, uint64_t first,
                        const struct at_whole_events *whole, const struct share *share)
{
    struct at_event room;
    struct happening h = {.whole = whole, .room = &room};
    struct view *v = NULL;
    enum at_err err = view_of(c, b->input, &v);
    if (!err)
        err = look_at(c, v, b);
    size_t n = share ? share->n : b->n;
    for (size_t at = 0; at < n && !err; at++) {
        size_t i = event_at(share, at);
        if (b->n_sources > FEW_SOURCES)
            fetch_ahead(v, b, share, at, n);
        h.at.event = first + (b->place ? b->place[i] : i);
        err = check_one(c, v, b, i, &h);
    }
    return err;
}

enum at_err at_checker_batch(struct at_checker *c, const struct at_tape_batch *b, uint64_t first,
                             const struct at_whole_events *whole)
{
    return check_batch(c, b, first, whole, NULL);
}

enum at_err at_checker_some(struct at_checker *c, const struct at_tape_batch *b, uint64_t first,
                            const struct at_whole_events *whole, const uint32_t *order, size_t n)
{
    const struct share share = {.order = order, .n = n};
    return check_batch(c, b, first, whole, &share);
}
