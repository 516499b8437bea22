/* reader.c: any number of recordings as one sequence, merged by time, filtered: runs of events as columns. */
#include <stdlib.h>
#include <string.h>

#include "formats/filter.h"
#include "formats/source.h"

#define BATCH_EVENTS 256u /* of a filtered run at most */

/* A source and the events of it that are not given yet. */
struct head {
    struct at_source *source;
    struct at_tape_batch batch;
    size_t at;       /* of the batch: the next event */
    uint32_t number; /* among the arguments: breaks ties */
    uint64_t tape;   /* its id; 0: not known yet */
    /* What the filter says of the sources of the segment that were looked at. */
    uint8_t *verdicts; /* VERDICT_… */
    size_t n_verdicts, cap_verdicts;
    uint64_t segment; /* 1 + its number; 0: none yet */
};
enum { VERDICT_PASSES = 1, VERDICT_FOREIGN = 2 };

/* The events of a run that passed the filter, as columns. */
struct passed {
    int64_t t_us[BATCH_EVENTS];
    uint32_t source[BATCH_EVENTS], shape[BATCH_EVENTS], call_ref[BATCH_EVENTS], place[BATCH_EVENTS];
    uint64_t packet[BATCH_EVENTS];
    struct at_str call[BATCH_EVENTS];
    struct at_listing listing[BATCH_EVENTS];
};

struct at_reader {
    struct head *heads;
    struct head **heap;       /* by time and number: the earliest is heap[0] */
    size_t n_heads;           /* in the heap */
    struct at_source **ended; /* sources whose call ids may still be looked at */
    size_t n_ended;
    enum at_err failed;
    struct at_why failed_why;
    /* The run given last: heap[0]'s events from its `at` on. */
    struct at_tape_batch run;
    size_t run_end; /* of heap[0]'s batch: to be gone on from; 0: there is no run */
    size_t given;   /* of the run, by at_reader_next */
    size_t offset;  /* of the run: what was given before at_reader_next_batch gave the rest */
    uint64_t first; /* number of the run's first event */
    uint64_t index; /* of the event behind the run */
    bool filters;
    struct at_filter *filter;
    struct passed *passed;
    size_t n_inputs;
    bool notes; /* `all` is wanted */
    struct at_reading all;
    struct at_tape_damage damage; /* of the sources that are closed */
};

static bool earlier(const struct head *a, int64_t t_us, const struct head *b)
{
    if (t_us != b->batch.t_us[b->at])
        return t_us < b->batch.t_us[b->at];
    return a->number < b->number;
}

static bool is_before(const struct head *a, const struct head *b)
{
    return earlier(a, a->batch.t_us[a->at], b);
}

/* Lets heap[i] sink to where it belongs. */
static void sink(struct at_reader *r, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < r->n_heads && is_before(r->heap[left], r->heap[least]))
            least = left;
        if (right < r->n_heads && is_before(r->heap[right], r->heap[least]))
            least = right;
        if (least == i)
            return;
        struct head *swap = r->heap[i];
        r->heap[i] = r->heap[least];
        r->heap[least] = swap;
        i = least;
    }
}

/* Adds what was lost in one source; the words get its name. */
static void add_damage(struct at_tape_damage *sum, const struct at_source *source)
{
    struct at_tape_damage damage;
    const struct at_tape_damage *d = &damage;
    at_source_damage(source, &damage);
    if (d->places && !sum->places) {
        sum->first_offset = d->first_offset;
        snprintf(sum->first, sizeof sum->first, "%.200s: %.190s", at_source_name(source), d->first);
    }
    sum->places += d->places;
    sum->bytes += d->bytes;
    sum->events += d->events;
    sum->torn_tail |= d->torn_tail;
}

/* Of a recording whose first events were read. */
static uint64_t tape_id(const struct head *h)
{
    struct at_tape_stats stats;
    struct at_event first;
    at_source_stats(h->source, &stats);
    if (stats.id)
        return stats.id;
    at_source_event(h->source, 0, &first);
    return at_tape_id(&first);
}

/* Puts the name of the file before the words of `reason`. */
static enum at_err fail_file(struct at_why *why, enum at_err err, const char *name, const struct at_why *reason)
{
    return at_fail(why, err, "%s: %s", name, reason->text[0] ? reason->text : at_err_text(err));
}

/* Reads the next events of heap[i]; an ended source is put aside and its head removed from the heap. */
static enum at_err read_head(struct at_reader *r, size_t i, struct at_why *why)
{
    struct head *h = r->heap[i];
    struct at_why reason = {""};
    enum at_err err = at_source_next_batch(h->source, &h->batch, &reason);
    h->at = 0;
    if (!err && !h->tape)
        h->tape = tape_id(h);
    if (!err)
        return AT_OK;
    if (err != AT_END)
        return fail_file(why, err, at_source_name(h->source), &reason);
    add_damage(&r->damage, h->source);
    r->ended[r->n_ended++] = h->source;
    h->source = NULL;
    r->heap[i] = r->heap[--r->n_heads];
    return AT_END;
}

static enum at_err make_room(struct at_reader *r, size_t n, const struct at_reader_options *o)
{
    size_t some = n ? n : 1;
    enum at_err err = at_filter_new(o, &r->filter);
    r->n_inputs = n;
    r->notes = o && o->shard.of;
    r->all.alone = true;
    r->filters =
        o && (o->has_from || o->has_to || o->app.ptr || o->user.ptr || o->scope.ptr || (o->shard.of > 1 && !o->others));
    r->heads = calloc(some, sizeof *r->heads);
    r->heap = calloc(some, sizeof(struct head *));
    r->ended = calloc(some, sizeof(struct at_source *));
    r->passed = r->filters ? malloc(sizeof *r->passed) : NULL;
    return err || !r->heads || !r->heap || !r->ended || (r->filters && !r->passed) ? AT_NOMEM : AT_OK;
}

/* Opens one of `n` recordings and reads its first events. */
static enum at_err open_one(struct at_reader *r, const char *path, size_t n, const struct at_reader_options *o,
                            struct head *h, struct at_why *why)
{
    struct at_why reason = {""};
    enum at_err err = at_source_open(path, o ? o->recovery : AT_RECOVER_TAIL, &h->source, &reason);
    if (err)
        return fail_file(why, err, strcmp(path, "-") ? path : "standard input", &reason);
    r->heap[r->n_heads++] = h;
    if (o && o->no_packets)
        at_source_no_packets(h->source);
    if (n == 1 && o) /* of several, the numbers of events would be lost */
        err = at_source_select(h->source, o, &reason);
    if (err)
        return fail_file(why, err, at_source_name(h->source), &reason);
    err = read_head(r, r->n_heads - 1, why);
    return err == AT_END ? AT_OK : err;
}

enum at_err at_reader_open(const char *const *paths, size_t n, const struct at_reader_options *options,
                           struct at_reader **out, struct at_why *why)
{
    struct at_reader *r = calloc(1, sizeof *r);
    enum at_err err = r ? make_room(r, n, options) : AT_NOMEM;
    *out = NULL;
    if (err)
        at_fail(why, err, "%s", at_err_text(err));
    for (size_t i = 0; i < n && !err; i++) {
        r->heads[i].number = (uint32_t)i;
        err = open_one(r, paths[i], n, options, &r->heads[i], why);
    }
    if (err) {
        at_reader_close(&r);
        return err;
    }
    for (size_t i = r->n_heads / 2; i-- > 0;)
        sink(r, i);
    *out = r;
    return AT_OK;
}

static void close_ended(struct at_reader *r)
{
    while (r->n_ended)
        at_source_close(&r->ended[--r->n_ended]);
}

/* Goes behind the run given last. */
static enum at_err pass_run(struct at_reader *r, struct at_why *why)
{
    if (!r->run_end)
        return AT_OK;
    struct head *h = r->heap[0];
    h->at = r->run_end;
    r->run_end = 0;
    enum at_err err = h->at < h->batch.n ? AT_OK : read_head(r, 0, why);
    if (err && err != AT_END)
        return err;
    sink(r, 0);
    return AT_OK;
}

/* The events of heap[0] that come before those of all others. */
static size_t run_end(const struct at_reader *r)
{
    const struct head *h = r->heap[0], *rival = r->n_heads > 1 ? r->heap[1] : NULL;
    if (!rival)
        return h->batch.n;
    if (r->n_heads > 2 && is_before(r->heap[2], rival))
        rival = r->heap[2];
    size_t end = h->at + 1;
    while (end < h->batch.n && earlier(h, h->batch.t_us[end], rival))
        end++;
    return end;
}

/* Looks at the sources that are new in the head's segment. */
static enum at_err judge_sources(const struct at_reader *r, struct head *h)
{
    const struct at_tape_batch *b = &h->batch;
    if (h->segment != b->segment + 1)
        h->n_verdicts = 0;
    h->segment = b->segment + 1;
    enum at_err err = at_grow((void **)&h->verdicts, &h->cap_verdicts, b->n_sources, sizeof *h->verdicts);
    for (; h->n_verdicts < b->n_sources && !err; h->n_verdicts++) {
        const struct at_tape_source *s = &b->sources[h->n_verdicts];
        h->verdicts[h->n_verdicts] = (uint8_t)((at_filter_source(r->filter, s) ? VERDICT_PASSES : 0) |
                                               (at_filter_owns(r->filter, s) ? 0 : VERDICT_FOREIGN));
    }
    return err;
}

static bool passes(const struct at_reader *r, const struct head *h, size_t i, enum at_err *err)
{
    struct at_event ev;
    bool pass = false;
    if (!at_filter_has_scope(r->filter))
        return (h->verdicts[h->batch.source[i]] & VERDICT_PASSES) && at_filter_time(r->filter, h->batch.t_us[i]);
    at_source_event(h->source, i, &ev);
    *err = at_filter_event(r->filter, &ev, &pass);
    return pass;
}

/* Takes what does not pass out of the run, which gets columns of its own. */
static enum at_err filter_run(struct at_reader *r, struct at_why *why)
{
    struct head *h = r->heap[0];
    const struct at_tape_batch *b = &h->batch;
    struct passed *p = r->passed;
    enum at_err err = AT_OK;
    uint32_t n = 0;
    for (size_t i = h->at; i < r->run_end; i++) {
        bool pass = passes(r, h, i, &err);
        if (err)
            return at_fail(why, err, "%s: %s", at_source_name(h->source), at_err_text(err));
        if (!pass)
            continue;
        p->place[n] = (uint32_t)(i - h->at);
        p->t_us[n] = b->t_us[i];
        p->source[n] = b->source[i];
        p->shape[n] = b->shape[i];
        p->packet[n] = b->packet[i];
        p->call[n] = b->call[i];
        p->call_ref[n] = b->call_ref[i];
        p->listing[n] = b->listing[i];
        n++;
    }
    r->run.n = n;
    r->run.t_us = p->t_us;
    r->run.source = p->source;
    r->run.shape = p->shape;
    r->run.packet = p->packet;
    r->run.call = p->call;
    r->run.call_ref = p->call_ref;
    r->run.listing = p->listing;
    r->run.place = p->place;
    return AT_OK;
}

/* Notes the events of the run, whoever's they are. */
static void note_run(struct at_reader *r)
{
    const struct head *h = r->heap[0];
    struct at_reading *rec = &r->all;
    for (size_t i = h->at; i < r->run_end; i++) {
        rec->print = (rec->print ^ (uint64_t)h->batch.t_us[i]) * UINT64_C(0x9fb21c651e98df25);
        rec->print ^= rec->print >> 32;
        rec->alone = rec->alone && !(h->verdicts[h->batch.source[i]] & VERDICT_FOREIGN);
    }
    rec->events += r->run_end - h->at;
}

/* Cuts the first events off. */
static void drop_first(struct at_tape_batch *b, size_t n)
{
    b->n -= n;
    b->t_us += n;
    b->source += n;
    b->shape += n;
    b->packet += n;
    b->call += n;
    b->call_ref += n;
    b->listing += n;
    b->place = b->place ? b->place + n : NULL;
}

/* Makes the next run. */
static enum at_err next_run(struct at_reader *r, struct at_why *why)
{
    close_ended(r);
    do {
        enum at_err err = pass_run(r, why);
        if (err || r->n_heads == 0)
            return err ? err : AT_END;
        struct head *h = r->heap[0];
        r->run_end = run_end(r);
        if (r->filters && r->run_end - h->at > BATCH_EVENTS)
            r->run_end = h->at + BATCH_EVENTS;
        if (r->filters || r->notes) {
            err = judge_sources(r, h);
            if (err)
                return at_fail(why, err, "%s", at_err_text(err));
        }
        if (r->notes)
            note_run(r);
        r->first = r->index + at_source_skipped(h->source);
        r->index = r->first + (r->run_end - h->at);
        r->run = h->batch;
        r->run.n = r->run_end;
        drop_first(&r->run, h->at);
        r->run.input = h->number;
        err = r->filters ? filter_run(r, why) : AT_OK;
        if (err)
            return err;
    } while (r->run.n == 0);
    r->run.ended = r->n_ended > 0;
    r->given = 0;
    return AT_OK;
}

/* Makes sure that there is a run of which not all was given. */
static enum at_err need_run(struct at_reader *r, struct at_why *why)
{
    if (r->given < r->run.n)
        return AT_OK;
    if (!r->failed) {
        r->failed = next_run(r, &r->failed_why);
        if (r->failed)
            r->run.n = r->given = 0;
    }
    if (r->failed && r->failed != AT_END && why)
        *why = r->failed_why;
    return r->failed;
}

static uint64_t number_of(const struct at_reader *r, size_t i)
{
    return r->first + (r->run.place ? r->run.place[i] : i);
}

enum at_err at_reader_next(struct at_reader *r, struct at_event *ev, uint64_t *index, struct at_why *why)
{
    enum at_err err = need_run(r, why);
    if (err)
        return err;
    r->offset = r->given++;
    if (index)
        *index = number_of(r, r->offset);
    at_reader_batch_event(r, 0, ev);
    return AT_OK;
}

enum at_err at_reader_next_batch(struct at_reader *r, struct at_tape_batch *out, uint64_t *first, struct at_why *why)
{
    enum at_err err = need_run(r, why);
    if (err)
        return err;
    *out = r->run;
    r->offset = r->given;
    if (r->offset)
        drop_first(out, r->offset);
    if (first)
        *first = r->run.place ? r->first : r->first + r->offset;
    r->given = r->run.n;
    return AT_OK;
}

void at_reader_batch_event(struct at_reader *r, size_t i, struct at_event *ev)
{
    const struct head *h = r->heap[0];
    i += r->offset;
    at_source_event(h->source, h->at + (r->run.place ? r->run.place[i] : i), ev);
}

void at_reader_reading(const struct at_reader *r, struct at_reading *out)
{
    *out = r->all;
    out->tape = r->n_inputs == 1 ? r->heads[0].tape : 0;
}

uint64_t at_reader_tape_id(const struct at_reader *r, uint32_t input)
{
    return r->heads[input].tape;
}

void at_reader_damage(const struct at_reader *r, struct at_tape_damage *out)
{
    *out = r->damage;
    for (size_t i = 0; i < r->n_heads; i++)
        add_damage(out, r->heap[i]->source);
}

bool at_reader_failed(const struct at_reader *r)
{
    return r->failed && r->failed != AT_END;
}

bool at_reader_would_wait(const struct at_reader *r)
{
    const struct head *h = r->n_heads ? r->heap[0] : NULL;
    return h && r->given == r->run.n && r->run_end == h->batch.n && at_source_would_wait(h->source);
}

void at_reader_close(struct at_reader **reader)
{
    struct at_reader *r = *reader;
    if (!r)
        return;
    if (r->ended)
        close_ended(r);
    for (size_t i = 0; r->heap && i < r->n_heads; i++)
        at_source_close(&r->heap[i]->source);
    for (size_t i = 0; r->heads && i < r->n_inputs; i++)
        free(r->heads[i].verdicts);
    at_filter_free(&r->filter);
    free(r->passed);
    free(r->ended);
    free(r->heap);
    free(r->heads);
    free(r);
    *reader = NULL;
}
