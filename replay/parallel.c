/*
 * parallel.c: a tape on several threads. Keys do not affect one another (R11): each thread has a checker of its own and
 * the keys that fall to it. In each round the threads decode a segment each, and then check all of them, each its own
 * keys; what they find is told in the order of the events. The end of a stream, and what was answered on it, concern
 * all of its keys: where these fall to different threads, it has to be done by one.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "replay/lanes.h"

#define THREADS_MAX 64u
#define AHEAD 16u

/* What was found, to be told later. The views are copies, in `text` of the worker, or live as long as the checker. */
struct found {
    enum { FOUND_DIVERGENCE, FOUND_INFERRED, FOUND_HINT } what;
    uint64_t order;
    union {
        struct at_divergence divergence;
        struct at_inferred inferred;
        const char *hint;
    } as;
    struct at_witness *witness;
};

/* An event that its columns do not tell whole. */
struct special {
    uint32_t i;
    struct at_event ev;
    size_t settings; /* in the slot: the first */
};

/* A segment, decoded. */
struct slot {
    struct at_segment_reader *reader;
    struct at_tape_batch batch; /* all of it */
    uint64_t first;
    enum at_err err;
    size_t cap;
    int64_t *t_us;
    uint32_t *source, *shape;
    uint64_t *packet;
    struct at_str *call;
    uint8_t *owner; /* of sources */
    uint64_t *stream;
    size_t cap_sources;
    struct special *specials;
    size_t n_specials, cap_specials;
    struct at_setting *settings;
    size_t n_settings, cap_settings;
    uint32_t *order; /* event numbers by owner, those of each in their order */
    size_t ends[THREADS_MAX];
    size_t cap_order;
};

/* Streams that fall to a thread, and which thread has their keys: open addressing. */
struct streams {
    uint64_t *hashes; /* 0: free */
    uint8_t *owners;
    size_t n, cap;
};

struct worker {
    struct team *team;
    unsigned number;
    pthread_t thread;
    struct at_checker *checker;
    struct slot slot;
    struct streams streams;
    struct found *found;
    size_t n_found, cap_found, told;
    char **texts;
    size_t n_texts, cap_texts;
    enum at_err err;
    bool shared; /* a stream has keys of several threads */
};

struct team {
    const struct at_check_sink *sink;
    struct at_segments *segments;
    const struct at_tape_segment *list;
    size_t n_segments, next; /* of this round: the first segment */
    uint64_t first;          /* its first event */
    unsigned n;
    struct worker *workers;
    pthread_barrier_t barrier;
    pthread_mutex_t gate;
    struct at_intern *hints;
    uint64_t told;
    bool over;
};

/* -------------------------------------------------------------------------------------------- What is found ---- */

static bool more(void **array, size_t *cap, size_t want, size_t bytes)
{
    if (want <= *cap)
        return true;
    size_t cap_now = want + want / 2 + 64;
    void *grown = realloc(*array, cap_now * bytes);
    if (!grown)
        return false;
    *array = grown;
    *cap = cap_now;
    return true;
}

/* A copy with a NUL behind it; NULL when out of memory. */
static char *keep(struct worker *w, const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (!copy || !more((void **)&w->texts, &w->cap_texts, w->n_texts + 1, sizeof *w->texts)) {
        free(copy);
        w->err = AT_NOMEM;
        return NULL;
    }
    memcpy(copy, text, len);
    copy[len] = 0;
    w->texts[w->n_texts++] = copy;
    return copy;
}

static void keep_str(struct worker *w, struct at_str *s)
{
    if (s->ptr)
        s->ptr = keep(w, s->ptr, s->len);
}

static void keep_text(struct worker *w, const char **text)
{
    if (*text)
        *text = keep(w, *text, strlen(*text));
}

static struct found *new_found(struct worker *w)
{
    if (!more((void **)&w->found, &w->cap_found, w->n_found + 1, sizeof *w->found)) {
        w->err = AT_NOMEM;
        return NULL;
    }
    struct found *f = &w->found[w->n_found++];
    *f = (struct found){.order = w->checker->order};
    return f;
}

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct worker *w = ctx;
    struct found *f = new_found(w);
    if (!f)
        return AT_NOMEM;
    f->what = FOUND_DIVERGENCE;
    f->as.divergence = *d;
    struct at_divergence *copy = &f->as.divergence;
    keep_str(w, &copy->call);
    keep_str(w, &copy->stream);
    keep_str(w, &copy->platform);
    keep_text(w, &copy->expected);
    keep_text(w, &copy->observed);
    keep_text(w, &copy->explanation);
    if (d->n_witness)
        f->witness = (struct at_witness *)(void *)keep(w, (const char *)d->witness, d->n_witness * sizeof *d->witness);
    for (size_t i = 0; i < d->n_witness && f->witness; i++)
        keep_text(w, &f->witness[i].text);
    copy->witness = f->witness;
    return w->err;
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    struct worker *w = ctx;
    struct found *f = new_found(w);
    if (!f)
        return AT_NOMEM;
    f->what = FOUND_INFERRED;
    f->as.inferred = *i;
    keep_str(w, &f->as.inferred.platform);
    return w->err;
}

static enum at_err on_hint(void *ctx, const char *text)
{
    struct worker *w = ctx;
    struct found *f = new_found(w);
    if (!f)
        return AT_NOMEM;
    f->what = FOUND_HINT;
    f->as.hint = keep(w, text, strlen(text));
    return w->err;
}

static enum at_err tell_one(struct team *t, const struct found *f)
{
    const struct at_check_sink *s = t->sink;
    uint32_t before = at_intern_count(t->hints), id;
    enum at_err err;
    switch (f->what) {
    case FOUND_DIVERGENCE:
        t->told++;
        return s->divergence ? s->divergence(s->ctx, &f->as.divergence) : AT_OK;
    case FOUND_INFERRED:
        t->told++;
        return s->inferred ? s->inferred(s->ctx, &f->as.inferred) : AT_OK;
    case FOUND_HINT:
    default:
        err = at_intern_add(t->hints, at_str(f->as.hint), &id);
        if (err || id < before) /* another thread gave it */
            return err;
        t->told++;
        return s->hint ? s->hint(s->ctx, f->as.hint) : AT_OK;
    }
}

/* What the threads found, in the order of the events. */
static enum at_err tell_all(struct team *t)
{
    enum at_err err = AT_OK;
    while (!err) {
        struct worker *least = NULL;
        for (unsigned i = 0; i < t->n; i++) {
            struct worker *w = &t->workers[i];
            if (w->told < w->n_found && (!least || w->found[w->told].order < least->found[least->told].order))
                least = w;
        }
        if (!least)
            break;
        err = tell_one(t, &least->found[least->told++]);
    }
    for (unsigned i = 0; i < t->n; i++) {
        struct worker *w = &t->workers[i];
        w->n_found = w->told = 0;
        while (w->n_texts)
            free(w->texts[--w->n_texts]);
    }
    return err;
}

/* ------------------------------------------------------------------------------------------------- Decoding ---- */

static bool is_special(const struct at_event *shape)
{
    return (shape->has & AT_HAS_AUTH_SETTING) || shape->kind == AT_KIND_GAP;
}

static bool reserve(struct slot *s, size_t n)
{
    size_t cap = s->cap;
    if (n <= cap)
        return true;
    cap = n + n / 2;
    int64_t *t_us = realloc(s->t_us, cap * sizeof *t_us);
    s->t_us = t_us ? t_us : s->t_us;
    uint32_t *source = realloc(s->source, cap * sizeof *source);
    s->source = source ? source : s->source;
    uint32_t *shape = realloc(s->shape, cap * sizeof *shape);
    s->shape = shape ? shape : s->shape;
    uint64_t *packet = realloc(s->packet, cap * sizeof *packet);
    s->packet = packet ? packet : s->packet;
    struct at_str *call = realloc(s->call, cap * sizeof *call);
    s->call = call ? call : s->call;
    if (!t_us || !source || !shape || !packet || !call)
        return false;
    s->cap = cap;
    return true;
}

static enum at_err add_special(struct slot *s, size_t in_batch, size_t i)
{
    if (!more((void **)&s->specials, &s->cap_specials, s->n_specials + 1, sizeof *s->specials))
        return AT_NOMEM;
    struct special *sp = &s->specials[s->n_specials];
    at_segment_event(s->reader, in_batch, &sp->ev);
    sp->i = (uint32_t)i;
    sp->settings = s->n_settings;
    if (!more((void **)&s->settings, &s->cap_settings, s->n_settings + sp->ev.n_settings, sizeof *s->settings))
        return AT_NOMEM;
    s->n_specials++;
    for (size_t k = 0; k < sp->ev.n_settings; k++)
        s->settings[s->n_settings++] = sp->ev.settings[k];
    return AT_OK;
}

static enum at_err add_batch(struct slot *s, const struct at_tape_batch *b)
{
    size_t at = s->batch.n;
    enum at_err err = AT_OK;
    if (!reserve(s, at + b->n))
        return AT_NOMEM;
    memcpy(s->t_us + at, b->t_us, b->n * sizeof *s->t_us);
    memcpy(s->source + at, b->source, b->n * sizeof *s->source);
    memcpy(s->shape + at, b->shape, b->n * sizeof *s->shape);
    memcpy(s->packet + at, b->packet, b->n * sizeof *s->packet);
    memcpy(s->call + at, b->call, b->n * sizeof *s->call); /* the ids stay: a segment is decoded each round */
    for (size_t i = 0; i < b->n && !err; i++)
        if (is_special(&b->shapes[b->shape[i]]))
            err = add_special(s, i, at + i);
    s->batch.n += b->n;
    s->batch.segment = b->segment + 1;
    s->batch.sources = b->sources;
    s->batch.shapes = b->shapes;
    s->batch.n_sources = b->n_sources;
    s->batch.n_shapes = b->n_shapes;
    return err;
}

/* Which thread has the keys of each source. */
static enum at_err find_owners(struct slot *s, const struct team *t, const struct at_checker *c)
{
    const struct at_tape_batch *b = &s->batch;
    if (b->n_sources > s->cap_sources) {
        size_t cap = b->n_sources * 2;
        uint8_t *owner = realloc(s->owner, cap);
        s->owner = owner ? owner : s->owner;
        uint64_t *stream = realloc(s->stream, cap * sizeof *stream);
        s->stream = stream ? stream : s->stream;
        if (!owner || !stream)
            return AT_NOMEM;
        s->cap_sources = cap;
    }
    bool alike = c->options.fault == AT_FAULT_USER_LEAKS;
    for (size_t i = 0; i < b->n_sources; i++) {
        const struct at_tape_source *src = &b->sources[i];
        uint64_t hash = at_hash(src->app.ptr, src->app.len, 1);
        hash = alike ? hash : at_hash(src->user.ptr, src->user.len, hash);
        s->stream[i] = at_hash(src->stream.ptr, src->stream.len, 2) | 1;
        if (c->profile->per_device)
            hash = s->stream[i];
        s->owner[i] = (uint8_t)((hash >> 32) % t->n);
    }
    return AT_OK;
}

/* Sorts the events by the thread that checks them. */
static enum at_err share_out(struct slot *s, unsigned n)
{
    const struct at_tape_batch *b = &s->batch;
    size_t starts[THREADS_MAX] = {0}, at = 0;
    if (!more((void **)&s->order, &s->cap_order, b->n, sizeof *s->order))
        return AT_NOMEM;
    for (size_t i = 0; i < b->n; i++)
        starts[s->owner[s->source[i]]]++;
    for (unsigned t = 0; t < n; t++) {
        size_t of_thread = starts[t];
        starts[t] = at;
        at += of_thread;
        s->ends[t] = at;
    }
    for (size_t i = 0; i < b->n; i++)
        s->order[starts[s->owner[s->source[i]]]++] = (uint32_t)i;
    return AT_OK;
}

static enum at_err decode(struct worker *w)
{
    struct team *t = w->team;
    struct slot *s = &w->slot;
    struct at_tape_batch b;
    s->n_specials = s->n_settings = 0;
    s->batch = (struct at_tape_batch){0};
    if (t->next + w->number >= t->n_segments)
        return AT_OK;
    s->first = t->first;
    for (unsigned i = 0; i < w->number; i++)
        s->first += t->list[t->next + i].events;
    enum at_err err = at_segment_begin(s->reader, t->next + w->number, NULL);
    while (!err && !(err = at_segment_next_batch(s->reader, &b, NULL)))
        err = add_batch(s, &b);
    if (err == AT_END)
        err = find_owners(s, t, w->checker);
    if (!err)
        err = share_out(s, t->n);
    if (!err && s->batch.n != t->list[t->next + w->number].events)
        err = AT_DAMAGED;
    s->batch.t_us = s->t_us;
    s->batch.source = s->source;
    s->batch.shape = s->shape;
    s->batch.packet = s->packet;
    s->batch.call = s->call;
    return err;
}

/* ------------------------------------------------------------------------------------------------- Checking ---- */

/* A slot, and how far its special events were asked for: they are in order, and asked for in order. */
struct look {
    const struct slot *slot;
    size_t next;
};

static void get_whole(void *ctx, size_t i, struct at_event *ev)
{
    struct look *look = ctx;
    const struct slot *s = look->slot;
    const struct at_tape_batch *b = &s->batch;
    const struct at_tape_source *src = &b->sources[b->source[i]];
    const struct at_event *shape = &b->shapes[b->shape[i]];
    if (is_special(shape)) {
        while (look->next < s->n_specials && s->specials[look->next].i < i)
            look->next++;
        const struct special *sp = &s->specials[look->next];
        if (look->next < s->n_specials && sp->i == i) {
            *ev = sp->ev;
            ev->settings = s->settings + sp->settings;
            return;
        }
    }
    *ev = *shape;
    ev->t_us = b->t_us[i];
    ev->app = src->app;
    ev->user = src->user;
    ev->stream = src->stream;
    ev->platform = src->platform;
    ev->has |= src->platform.ptr ? AT_HAS_PLATFORM : 0;
    if (shape->has & AT_HAS_CALL)
        ev->call = b->call[i];
    if (shape->has & AT_HAS_PACKET)
        ev->packet = b->packet[i];
}

/* Notes which thread has the keys of a stream. False: out of memory. */
static bool note_stream(struct worker *w, uint64_t hash, uint8_t owner)
{
    struct streams *s = &w->streams;
    if (s->n >= s->cap / 2) {
        struct streams grown = {.cap = s->cap ? s->cap * 2 : 1024};
        grown.hashes = calloc(grown.cap, sizeof *grown.hashes);
        grown.owners = malloc(grown.cap);
        for (size_t i = 0; i < s->cap && grown.hashes && grown.owners; i++) {
            size_t at = (s->hashes[i] >> 8) & (grown.cap - 1);
            while (s->hashes[i] && grown.hashes[at])
                at = (at + 1) & (grown.cap - 1);
            grown.hashes[at] = s->hashes[i] ? s->hashes[i] : grown.hashes[at];
            grown.owners[at] = s->hashes[i] ? s->owners[i] : grown.owners[at];
        }
        if (!grown.hashes || !grown.owners) {
            free(grown.hashes);
            free(grown.owners);
            return false;
        }
        grown.n = s->n;
        free(s->hashes);
        free(s->owners);
        *s = grown;
    }
    size_t at = (hash >> 8) & (s->cap - 1);
    while (s->hashes[at] && s->hashes[at] != hash)
        at = (at + 1) & (s->cap - 1);
    if (!s->hashes[at]) {
        s->hashes[at] = hash;
        s->owners[at] = owner;
        s->n++;
    }
    w->shared = w->shared || s->owners[at] != owner;
    return true;
}

static enum at_err check_slot(struct worker *w, struct slot *s)
{
    struct look look = {.slot = s};
    const struct at_whole_events whole = {.ctx = &look, .get = get_whole};
    if (s->batch.n == 0)
        return AT_OK;
    for (size_t i = 0; i < s->batch.n_sources; i++) {
        if (i + AHEAD < s->batch.n_sources && w->streams.cap) /* many streams: they are not in the cache */
            __builtin_prefetch(&w->streams.hashes[(s->stream[i + AHEAD] >> 8) & (w->streams.cap - 1)]);
        if ((s->stream[i] >> 32) % w->team->n == w->number && !note_stream(w, s->stream[i], s->owner[i]))
            return AT_NOMEM;
    }
    size_t from = w->number ? s->ends[w->number - 1] : 0;
    const struct share share = {.order = s->order + from, .n = s->ends[w->number] - from};
    return check_batch(w->checker, &s->batch, s->first, &whole, &share);
}

static void run_round(struct worker *w)
{
    struct team *t = w->team;
    w->slot.err = decode(w);
    pthread_barrier_wait(&t->barrier);
    for (unsigned i = 0; i < t->n && !w->err; i++) {
        w->err = t->workers[i].slot.err;
        if (!w->err)
            w->err = check_slot(w, &t->workers[i].slot);
    }
    pthread_barrier_wait(&t->barrier);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct team *t = w->team;
    pthread_mutex_lock(&t->gate); /* until all of them are there, or not */
    bool all = !t->over;
    pthread_mutex_unlock(&t->gate);
    while (all) {
        pthread_barrier_wait(&t->barrier); /* the round, or the end, is set */
        if (t->over)
            break;
        run_round(w);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------- The team ---- */

static void free_worker(struct worker *w)
{
    struct slot *s = &w->slot;
    at_segment_reader_free(&s->reader);
    at_checker_free(&w->checker);
    while (w->n_texts)
        free(w->texts[--w->n_texts]);
    free(w->texts);
    free(w->found);
    free(w->streams.hashes);
    free(w->streams.owners);
    free(s->t_us);
    free(s->source);
    free(s->shape);
    free(s->packet);
    free(s->call);
    free(s->owner);
    free(s->stream);
    free(s->specials);
    free(s->settings);
    free(s->order);
}

static enum at_err new_worker(struct team *t, unsigned i, const struct at_profile *profile,
                              const struct at_check_options *options)
{
    struct worker *w = &t->workers[i];
    const struct at_check_sink sink = {.ctx = w, .divergence = on_divergence, .inferred = on_inferred, .hint = on_hint};
    w->team = t;
    w->number = i;
    enum at_err err = at_checker_new(profile, options, &sink, &w->checker);
    return err ? err : at_segment_reader_new(t->segments, &w->slot.reader);
}

static enum at_err all_rounds(struct team *t)
{
    enum at_err err = AT_OK;
    while (t->next < t->n_segments && !err) {
        pthread_barrier_wait(&t->barrier);
        run_round(&t->workers[0]);
        for (unsigned i = 0; i < t->n && !err; i++)
            err = t->workers[i].err ? t->workers[i].err : t->workers[i].shared ? AT_NOTFOUND : AT_OK;
        if (!err)
            err = tell_all(t);
        for (unsigned i = 0; i < t->n && t->next < t->n_segments; i++)
            t->first += t->list[t->next++].events;
    }
    return err;
}

/* What can only be said at the end; as of one recording. */
static enum at_err finish_all(struct team *t)
{
    bool login = false, user_info = false;
    enum at_err err = AT_OK;
    for (unsigned i = 0; i < t->n; i++) {
        login = login || t->workers[i].checker->saw_login;
        user_info = user_info || t->workers[i].checker->saw_user_info;
    }
    for (unsigned i = 0; i < t->n && !err; i++) {
        t->workers[i].checker->saw_login = login;
        t->workers[i].checker->saw_user_info = user_info && i == 0;
        err = at_checker_finish(t->workers[i].checker);
    }
    return err ? err : tell_all(t);
}

static enum at_err run_team(struct team *t)
{
    unsigned started = 1;
    enum at_err err = AT_OK;
    if (pthread_barrier_init(&t->barrier, NULL, t->n))
        return AT_NOMEM;
    pthread_mutex_lock(&t->gate);
    while (started < t->n && !err) {
        err = pthread_create(&t->workers[started].thread, NULL, work, &t->workers[started]) ? AT_NOMEM : AT_OK;
        started += !err;
    }
    t->over = err != AT_OK;
    pthread_mutex_unlock(&t->gate);
    if (!err) {
        err = all_rounds(t);
        t->over = true;
        pthread_barrier_wait(&t->barrier);
    }
    for (unsigned i = 1; i < started; i++)
        pthread_join(t->workers[i].thread, NULL);
    pthread_barrier_destroy(&t->barrier);
    return err ? err : finish_all(t);
}

static void add_totals(const struct team *t, struct at_check_totals *sum)
{
    *sum = (struct at_check_totals){0};
    for (unsigned i = 0; i < t->n; i++) {
        struct at_check_totals one;
        at_checker_totals(t->workers[i].checker, &one);
        sum->events += one.events;
        sum->calls += one.calls;
        sum->keys += one.keys;
        sum->undetermined += one.undetermined;
        sum->inconclusive += one.inconclusive;
        sum->divergences += one.divergences;
        sum->gaps += one.gaps;
        sum->lost_bytes += one.lost_bytes;
        sum->saw_login = sum->saw_login || one.saw_login;
        sum->saw_user_info = sum->saw_user_info || one.saw_user_info;
    }
}

enum at_err at_check_tape(const char *path, unsigned threads, const struct at_profile *profile,
                          const struct at_check_options *options, const struct at_check_sink *sink,
                          struct at_check_result *out)
{
    struct team t = {
        .sink = sink, .n = threads < THREADS_MAX ? threads : THREADS_MAX, .gate = PTHREAD_MUTEX_INITIALIZER};
    *out = (struct at_check_result){0};
    if (threads < 2 || sink->settled)
        return AT_NOTFOUND;
    enum at_err err = at_segments_open(path, &t.segments, NULL);
    if (err)
        return AT_NOTFOUND;
    t.list = at_segments_list(t.segments, &t.n_segments);
    t.workers = calloc(t.n, sizeof *t.workers);
    if (!t.workers)
        err = AT_NOMEM;
    for (unsigned i = 0; i < t.n && !err; i++)
        err = new_worker(&t, i, profile, options);
    if (!err)
        err = at_intern_new(&t.hints);
    if (!err)
        err = run_team(&t);
    if (!err)
        add_totals(&t, &out->totals);
    if (!err && out->totals.inconclusive) /* they are to be named in their order */
        err = AT_NOTFOUND;
    out->told = t.told;
    for (unsigned i = 0; i < t.n && t.workers; i++)
        free_worker(&t.workers[i]);
    free(t.workers);
    at_intern_free(&t.hints);
    at_segments_close(&t.segments);
    return err == AT_DAMAGED || err == AT_NEWER || err == AT_LIMIT || err == AT_IO ? AT_NOTFOUND : err;
}
