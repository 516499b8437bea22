/* batch.c: events as the columns of a tape. What repeats within a segment (who, and what) is looked up once. */
#include <stdlib.h>
#include <string.h>

#include "replay/fetch.h"
#include "replay/lanes.h"

#define FEW_KEYS 2048u /* that stay in the cache by themselves */

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

static enum at_err look_at(struct view *v, const struct at_tape_batch *b)
{
    if (v->segment != b->segment)
        v->n_sources = v->n_shapes = 0;
    v->segment = b->segment;
    enum at_err err = lengthen((void **)&v->sources, &v->n_sources, &v->cap_sources, b->n_sources, sizeof *v->sources);
    return err ? err : lengthen((void **)&v->shapes, &v->n_shapes, &v->cap_shapes, b->n_shapes, sizeof *v->shapes);
}

static enum at_err look_up_source(struct at_checker *c, const struct at_tape_source *s, int64_t t_us,
                                  struct place_of *out)
{
    enum at_err err = find_key(c, s, t_us, &out->key);
    if (!err)
        err = find_stream(c, s->stream, t_us, &out->stream);
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
    uint32_t streams = c->n_streams;
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

/* Fetches what events `at` … `end` - 1 of what is checked will look at. */
static void fetch_events(const struct at_checker *c, const struct view *v, const struct at_tape_batch *b,
                         const struct share *share, size_t at, size_t end)
{
    struct wanted wanted[GROUP];
    size_t n = 0;
    for (; at < end; at++) {
        size_t i = event_at(share, at);
        struct place_of *p = &v->sources[b->source[i]];
        const struct at_event *shape = &b->shapes[b->shape[i]];
        if (!p->foreign)
            wanted[n++] = (struct wanted){.place = p,
                                          .who = &b->sources[b->source[i]],
                                          .call = shape->has & AT_HAS_CALL ? b->call[i] : (struct at_str){0}};
    }
    fetch_all(c, wanted, n);
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
        err = look_at(v, b);
    size_t n = share ? share->n : b->n;
    for (size_t at = 0; at < n && !err; at++) {
        size_t i = event_at(share, at);
        if (at % GROUP == 0 && c->totals.keys > FEW_KEYS)
            fetch_events(c, v, b, share, at, n - at < GROUP ? n : at + GROUP);
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
