/*
 * export_clickhouse.c: events, and what the checker and the tally make of them, as rows. What is there is not sent
 * again: ch_books.h.
 */
#include "analysis/export_clickhouse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "analysis/ch_books.h"
#include "analysis/tally.h"

#define BLOCK_ROWS 131072u
#define BLOCK_BYTES (size_t)(32u << 20)
#define DAY_US INT64_C(86400000000)

/* Hashes of the keys of the segment at hand, by source. */
struct keys {
    uint64_t segment; /* 1 + its number */
    uint64_t *hashes;
    size_t n, cap;
};

/* A recording being sent. */
struct tape {
    struct keys keys;
    uint64_t id, events;
    int64_t clock_us; /* the latest time so far: what was recorded late counts as of it */
    /* The segment at hand. */
    uint64_t print;
    struct ch_mark mark; /* what of it is there for certain */
    bool begun;          /* rows of it are sent */
    bool open;           /* and some may be there */
};

struct pump {
    const struct export_request *q;
    struct ch_books books;
    struct tape *tapes;
    uint64_t *ids;
    struct ch_sender *sender;
    struct ch_block blocks[CH_TABLES];
    uint64_t n_rows[CH_TABLES]; /* of this recording: the next one's id */
    bool derives;               /* rows of other tables than `events` are sent */
    bool check;                 /* they may be there */
    struct tally *tally;
    char name[64];
    struct at_why *why;
};

static enum at_err fail(struct pump *p, enum at_err err)
{
    return err && !p->why->text[0] ? at_fail(p->why, err, "%s", at_err_text(err)) : err;
}

static uint16_t day_of(int64_t t_us)
{
    int64_t day = t_us / DAY_US - (t_us % DAY_US < 0);
    return (uint16_t)(day < 0 ? 0 : day > UINT16_MAX ? UINT16_MAX : day);
}

static enum at_err flush(struct pump *p, enum ch_table_id table)
{
    struct ch_block *b = &p->blocks[table];
    if (!b->rows.n && !b->begins.n && !b->ends.n)
        return AT_OK;
    b->check = b->check || (table != CH_EVENTS && p->check);
    return ch_send(p->sender, b, p->why);
}

static enum at_err flush_full(struct pump *p, enum ch_table_id table)
{
    const struct ch_rows *r = &p->blocks[table].rows;
    return r->n < BLOCK_ROWS && r->cells.len < BLOCK_BYTES ? AT_OK : flush(p, table);
}

/* ---- Events */

static const struct at_str none = {0};

static enum at_err put_settings(struct ch_rows *r, const struct at_event *ev)
{
    size_t n = ev->n_settings;
    struct at_str *scopes = malloc((n + 1) * sizeof *scopes);
    uint8_t *values = malloc(n + 1);
    enum at_err err = scopes && values ? AT_OK : AT_NOMEM;
    for (size_t i = 0; i < n && !err; i++) {
        values[i] = ev->settings[i].granted;
        scopes[i] = ev->settings[i].scope;
    }
    if (!err)
        err = ch_put_strs(r, scopes, n);
    if (!err)
        err = ch_put_u8s(r, values, n);
    free(scopes);
    free(values);
    return err;
}

/* Everything from the kind on, as import reads it back. */
static enum at_err put_event(struct ch_rows *r, const struct at_event *ev)
{
    enum at_err err = ch_put_u8(r, (uint8_t)ev->kind);
    if (!err)
        err = ch_put_u16(r, (uint16_t)ev->has);
    if (!err)
        err = ch_put_str(r, ev->stream);
    if (!err)
        err = ch_put_str(r, ev->has & AT_HAS_PLATFORM ? ev->platform : none);
    if (!err)
        err = ch_put_u64(r, ev->has & AT_HAS_PACKET ? ev->packet : 0);
    if (!err)
        err = ch_put_str(r, ev->has & AT_HAS_CALL ? ev->call : none);
    if (!err)
        err = ch_put_str(r, ev->kind == AT_KIND_CALL ? ev->api : none);
    if (!err)
        err = ch_put_strs(r, ev->scopes, ev->n_scopes);
    if (!err)
        err = ch_put_str(r, ev->kind == AT_KIND_RETURN ? ev->err_msg : none);
    if (!err)
        err = ch_put_u64(r, ev->has & AT_HAS_ERRNO ? (uint64_t)ev->err_no : 0);
    if (!err)
        err = put_settings(r, ev);
    if (!err)
        err = ch_put_u8(r, ev->kind == AT_KIND_DECISION ? (uint8_t)ev->answer : 0);
    if (!err)
        err = ch_put_u8(r, ev->kind == AT_KIND_SETTINGS && ev->granted);
    if (!err)
        err = ch_put_u8(r, ev->kind == AT_KIND_START && ev->fresh);
    if (!err)
        err = ch_put_u8s(r, ev->observes, ev->n_observes);
    if (!err)
        err = ch_put_u64(r, ev->has & AT_HAS_LOST_BYTES ? ev->lost_bytes : 0);
    return err ? err : ch_put_str(r, ev->extra);
}

static enum at_err send_event(struct pump *p, struct tape *t, const struct at_event *ev, uint64_t key)
{
    struct ch_block *b = &p->blocks[CH_EVENTS];
    struct ch_rows *r = &b->rows;
    enum at_err err = AT_OK;
    if (!t->begun) { /* what of it is there is noted before more of it comes */
        const struct ch_mark mark = {
            .tape = t->id, .segment = t->events / CH_SEGMENT_EVENTS, .events = t->mark.events, .print = t->mark.print};
        t->begun = true;
        err = ch_marks_add(&b->begins, &mark);
    }
    b->check = b->check || t->open;
    const struct ch_row row = {
        .group = t->id, .number = t->events, .id = t->events, .key = key, .day = day_of(ev->t_us)};
    if (!err)
        err = ch_row_begin(r, &row, ev->app);
    if (!err)
        err = ch_put_u64(r, t->id);
    if (!err)
        err = ch_put_u64(r, t->events);
    if (!err)
        err = ch_put_u64(r, key);
    if (!err)
        err = ch_put_str(r, ev->app);
    if (!err)
        err = ch_put_str(r, ev->user);
    if (!err)
        err = ch_put_u64(r, (uint64_t)ev->t_us);
    if (!err)
        err = ch_put_u64(r, (uint64_t)t->clock_us - (uint64_t)ev->t_us);
    if (!err)
        err = ch_put_u16(r, row.day);
    return err ? err : put_event(r, ev);
}

static void begin_segment(struct pump *p, struct tape *t)
{
    uint64_t segment = t->events / CH_SEGMENT_EVENTS;
    t->print = 0;
    t->begun = false;
    t->mark = ch_books_mark(&p->books, t->id, segment);
    t->open = ch_books_is_open(&p->books, t->id, segment);
}

/* The segment ends: it is noted, once its rows are there. */
static enum at_err end_segment(struct pump *p, struct tape *t)
{
    uint64_t in_segment = (t->events - 1) % CH_SEGMENT_EVENTS + 1;
    const struct ch_mark mark = {
        .tape = t->id, .segment = (t->events - 1) / CH_SEGMENT_EVENTS, .events = in_segment, .print = t->print};
    return t->begun ? ch_marks_add(&p->blocks[CH_EVENTS].ends, &mark) : AT_OK;
}

static enum at_err on_event(struct pump *p, uint32_t input, const struct at_event *ev, uint64_t key)
{
    struct tape *t = &p->tapes[input];
    uint64_t in_segment = t->events % CH_SEGMENT_EVENTS;
    enum at_err err = AT_OK;
    if (in_segment == 0)
        begin_segment(p, t);
    if (t->events == 0 || ev->t_us > t->clock_us)
        t->clock_us = ev->t_us;
    t->print = (t->print ^ (uint64_t)ev->t_us ^ key) * UINT64_C(0x9fb21c651e98df25) + (uint64_t)ev->kind;
    if (in_segment >= t->mark.events)
        err = send_event(p, t, ev, key);
    else if (in_segment + 1 == t->mark.events && t->print != t->mark.print)
        err = at_fail(p->why, AT_BAD,
                      "%s: another recording with this tape's id (%016" PRIx64 ") is on the server: a part of a tape, "
                      "or tapes merged, cannot be exported beside the tape itself",
                      p->q->paths[input], t->id);
    t->events++;
    if (!err && t->events % CH_SEGMENT_EVENTS == 0)
        err = end_segment(p, t);
    return err ? fail(p, err) : flush_full(p, CH_EVENTS);
}

/* ---- What comes of them */

struct what {
    struct at_str app, user;
    uint64_t number;
    int64_t t_us;
};

static enum at_err begin_row(struct pump *p, enum ch_table_id table, const struct what *w)
{
    enum at_err err = flush_full(p, table);
    if (err)
        return err;
    struct ch_rows *r = &p->blocks[table].rows;
    const struct ch_row row = {.group = p->books.recording,
                               .number = w->number,
                               .id = p->n_rows[table],
                               .key = at_key_hash(w->app, w->user),
                               .day = day_of(w->t_us)};
    p->n_rows[table]++;
    err = ch_row_begin(r, &row, w->app);
    if (!err)
        err = ch_put_u64(r, row.group);
    if (!err)
        err = ch_put_u64(r, w->number);
    if (!err)
        err = ch_put_u64(r, row.id);
    if (!err)
        err = ch_put_u64(r, row.key);
    if (!err)
        err = ch_put_str(r, w->app);
    if (!err)
        err = ch_put_str(r, w->user);
    if (!err)
        err = ch_put_u64(r, (uint64_t)w->t_us);
    return err ? err : ch_put_u16(r, row.day);
}

static uint64_t event_of(uint64_t order)
{
    return (order - 1) / 2;
}

static enum at_err on_call(struct pump *p, const struct tally_fact *f)
{
    const struct what w = {.app = f->app, .user = f->user, .number = f->called, .t_us = f->t_us};
    struct ch_rows *r = &p->blocks[CH_CALLS].rows;
    enum at_err err = begin_row(p, CH_CALLS, &w);
    if (!err)
        err = ch_put_u64(r, f->order ? event_of(f->order) : 0);
    if (!err)
        err = ch_put_u64(r, (uint64_t)f->answered_us);
    const struct at_str texts[] = {f->scope, f->api, f->platform, f->stream, f->call, f->err_msg};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !err; i++)
        err = ch_put_str(r, texts[i]);
    return err ? err : ch_put_u8(r, (uint8_t)f->cls);
}

/* Values of Enum8 in ch_schema.c. */
enum change { CHANGE_PROMPT, CHANGE_DECISION, CHANGE_SETTINGS, CHANGE_RESET, CHANGE_DENIAL };

static enum at_err put_change(struct pump *p, enum change kind, uint64_t after, const struct tally_fact *f)
{
    static const uint8_t vias[] = {[AT_VIA_STATE] = 1, [AT_VIA_PROMPT] = 2, [AT_VIA_NONE] = 0};
    const struct what w = {.app = f->app, .user = f->user, .number = event_of(f->order), .t_us = f->t_us};
    struct ch_rows *r = &p->blocks[CH_CHANGES].rows;
    enum at_err err = begin_row(p, CH_CHANGES, &w);
    if (!err)
        err = ch_put_u64(r, (uint64_t)f->t_us * 4096 + (f->order & 4095));
    if (!err)
        err = ch_put_u64(r, after);
    if (!err)
        err = ch_put_str(r, f->scope);
    const uint8_t bytes[] = {(uint8_t)kind, f->inferred, (uint8_t)f->answer, f->granted,
                             kind == CHANGE_DENIAL ? vias[f->via] : 0};
    for (size_t i = 0; i < sizeof bytes && !err; i++)
        err = ch_put_u8(r, bytes[i]);
    if (!err)
        err = ch_put_u64(r, (uint64_t)f->took_us);
    const struct at_str texts[] = {f->api, f->platform, f->err_msg};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !err; i++)
        err = ch_put_str(r, texts[i]);
    return err;
}

static enum at_err on_fact(void *ctx, const struct tally_fact *f)
{
    struct pump *p = ctx;
    static const enum change kinds[] = {[FACT_CALL] = 0,
                                        [FACT_PROMPT] = CHANGE_PROMPT,
                                        [FACT_ANSWER] = CHANGE_DECISION,
                                        [FACT_FLIP] = CHANGE_SETTINGS,
                                        [FACT_DENIAL] = CHANGE_DENIAL};
    return fail(p, f->what == FACT_CALL ? on_call(p, f) : put_change(p, kinds[f->what], 0, f));
}

static enum at_err on_settled(void *ctx, const struct at_settled *s)
{
    struct pump *p = ctx;
    return tally_settled(p->tally, s);
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    struct pump *p = ctx;
    if (i->kind != AT_INFERRED_RESET)
        return tally_inferred(p->tally, i);
    const struct tally_fact f = {.app = i->app,
                                 .user = i->user,
                                 .platform = i->platform,
                                 .order = i->before.event * 2 + 1,
                                 .t_us = i->before.t_us,
                                 .inferred = true,
                                 .took_us = -1};
    return fail(p, put_change(p, CHANGE_RESET, i->after.event, &f));
}

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct pump *p = ctx;
    struct ch_rows *r = &p->blocks[CH_DIVERGENCES].rows;
    const struct what w = {.app = d->app, .user = d->user, .number = d->at.event, .t_us = d->at.t_us};
    struct at_str states[AT_STATES];
    size_t n = 0;
    for (unsigned s = 0; s < AT_STATES; s++)
        if (d->states >> s & 1)
            states[n++] = at_str(at_state_text((enum at_state)s));
    enum at_err err = begin_row(p, CH_DIVERGENCES, &w);
    const struct at_str before[] = {
        at_str(at_divergence_text(d->cls)), at_str(d->rule), d->scope, d->api, d->platform, d->stream, d->call};
    for (size_t i = 0; i < sizeof before / sizeof before[0] && !err; i++)
        err = ch_put_str(r, before[i]);
    if (!err)
        err = ch_put_strs(r, states, n);
    const struct at_str behind[] = {at_str(d->expected), at_str(d->observed), at_str(d->explanation)};
    for (size_t i = 0; i < sizeof behind / sizeof behind[0] && !err; i++)
        err = ch_put_str(r, behind[i]);
    return fail(p, err);
}

/* ---- Reading */

static void whole_event(void *ctx, size_t i, struct at_event *ev)
{
    at_reader_batch_event(ctx, i, ev);
}

/* The last segment; and there must be no more of the tape on the server than here. */
static enum at_err end_tape(struct pump *p, size_t i)
{
    struct tape *t = &p->tapes[i];
    uint64_t segment = t->events / CH_SEGMENT_EVENTS, in_segment = t->events % CH_SEGMENT_EVENTS;
    if (ch_books_mark(&p->books, t->id, segment).events > in_segment)
        return at_fail(p->why, AT_BAD,
                       "%s: the server has more of the tape with this id (%016" PRIx64 "): another recording, a part of "
                       "it, or an older copy",
                       p->q->paths[i], t->id);
    return in_segment ? end_segment(p, t) : AT_OK;
}

/* Hashes the keys of the sources that are new in the segment. */
static enum at_err hash_keys(struct keys *k, const struct at_tape_batch *b)
{
    if (k->segment != b->segment + 1)
        k->n = 0;
    k->segment = b->segment + 1;
    if (b->n_sources > k->cap) {
        size_t cap = b->n_sources * 2;
        uint64_t *grown = realloc(k->hashes, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        k->hashes = grown;
        k->cap = cap;
    }
    for (; k->n < b->n_sources; k->n++)
        k->hashes[k->n] = at_key_hash(b->sources[k->n].app, b->sources[k->n].user);
    return AT_OK;
}

static enum at_err pour(struct pump *p, struct at_checker *checker, struct at_reader *reader,
                        const struct at_tape_batch *b, uint64_t first)
{
    const struct at_whole_events whole = {reader, whole_event};
    struct keys *keys = &p->tapes[b->input].keys;
    enum at_err err = fail(p, hash_keys(keys, b));
    for (size_t i = 0; i < b->n && !err; i++) {
        struct at_event ev;
        at_reader_batch_event(reader, i, &ev);
        err = on_event(p, b->input, &ev, keys->hashes[b->source[i]]);
    }
    if (!err && p->derives)
        err = fail(p, tally_batch(p->tally, b, first));
    return err || !p->derives ? err : fail(p, at_checker_batch(checker, b, first, &whole));
}

static enum at_err read_all(struct pump *p, struct at_reader *reader)
{
    const struct at_check_options check = {0};
    const struct at_check_sink sink = {
        .ctx = p, .divergence = on_divergence, .settled = on_settled, .inferred = on_inferred};
    const struct tally_tap tap = {.ctx = p, .fact = on_fact};
    struct at_checker *checker = NULL;
    struct at_tape_batch batch;
    uint64_t first;
    enum at_err err = tally_new(p->q->profile, NULL, 0, &p->tally);
    if (!err) {
        tally_watch(p->tally, &tap);
        err = at_checker_new(p->q->profile, &check, &sink, &checker);
    }
    err = fail(p, err);
    while (!err && !(err = at_reader_next_batch(reader, &batch, &first, p->why)))
        err = pour(p, checker, reader, &batch, first);
    err = err == AT_END ? AT_OK : err;
    if (!err && p->derives)
        err = fail(p, at_checker_finish(checker));
    if (!err && p->derives)
        err = fail(p, tally_finish(p->tally));
    for (size_t i = 0; i < p->q->n_paths && !err; i++)
        err = fail(p, end_tape(p, i));
    at_checker_free(&checker);
    tally_free(&p->tally);
    return err;
}

/* ---- The whole */

/* What is exported: the tapes, how large they are, and the profile. */
static enum at_err identify(struct pump *p, const struct at_reader *reader)
{
    struct at_buf text = {0};
    enum at_err err = at_buf_str(&text, at_str(p->q->profile_name));
    for (size_t i = 0; i < p->q->n_paths && !err; i++) {
        struct stat st;
        bool file = strcmp(p->q->paths[i], "-") != 0 && !stat(p->q->paths[i], &st) && S_ISREG(st.st_mode);
        p->ids[i] = p->tapes[i].id = at_reader_tape_id(reader, (uint32_t)i);
        err = at_buf_printf(&text, "\n%016" PRIx64 " %" PRIu64, p->ids[i], file ? (uint64_t)st.st_size : 0);
        for (size_t j = 0; j < i && !err; j++)
            if (p->ids[i] && p->ids[j] == p->ids[i])
                err = at_fail(p->why, AT_BAD, "%s and %s are the same tape, or parts of one", p->q->paths[j],
                              p->q->paths[i]);
    }
    p->books =
        (struct ch_books){.recording = at_siphash(at_buf_view(&text)), .tapes = p->ids, .n_tapes = p->q->n_paths};
    at_buf_free(&text);
    return fail(p, err);
}

static enum at_err open_books(struct pump *p, struct ch_link *link)
{
    enum at_err err = ch_books_read(link, p->q->server.prefix, &p->books, p->why);
    snprintf(p->name, sizeof p->name, "authtape-%016" PRIx64, p->books.recording);
    p->derives = !p->books.done;
    p->check = p->books.begun;
    if (!err && !p->books.begun && !p->books.done)
        err = ch_books_begin(link, &p->books, p->q->profile_name, p->why);
    if (!err)
        err = ch_sender_new(&p->q->server, p->name, &p->sender, p->why);
    for (int i = 0; i < CH_TABLES && !err; i++)
        err = fail(p, ch_block_new((enum ch_table_id)i, &p->blocks[i]));
    return err;
}

static enum at_err close_books(struct pump *p, struct ch_link *link)
{
    uint64_t *events = calloc(p->q->n_paths, sizeof *events);
    enum at_err err = fail(p, events ? AT_OK : AT_NOMEM);
    for (int i = 0; i < CH_TABLES && !err; i++)
        err = flush(p, (enum ch_table_id)i);
    if (!err)
        err = ch_sender_finish(p->sender, p->why);
    for (size_t i = 0; i < p->q->n_paths && !err; i++)
        events[i] = p->tapes[i].events;
    if (!err && !p->books.done)
        err = ch_books_finish(link, &p->books, p->q->profile_name, events, p->why);
    free(events);
    return err;
}

enum at_err export_clickhouse(const struct export_request *q, void (*damaged)(const struct at_reader *r),
                              struct at_why *why)
{
    const struct at_reader_options select = {.recovery = AT_RECOVER_TAIL};
    struct pump p = {.q = q, .why = why};
    struct at_reader *reader = NULL;
    struct ch_link *link = NULL;
    enum at_err err = ch_link_new(&q->server, &link, why);
    p.tapes = calloc(q->n_paths, sizeof *p.tapes);
    p.ids = calloc(q->n_paths, sizeof *p.ids);
    if (!err && (!p.tapes || !p.ids))
        err = at_fail(why, AT_NOMEM, "out of memory");
    if (!err)
        err = at_reader_open(q->paths, q->n_paths, &select, &reader, why);
    if (!err)
        err = identify(&p, reader);
    if (!err)
        err = open_books(&p, link);
    if (!err)
        err = read_all(&p, reader);
    if (!err)
        err = close_books(&p, link);
    if (reader)
        damaged(reader);
    at_reader_close(&reader);
    ch_sender_free(&p.sender);
    for (int i = 0; i < CH_TABLES; i++)
        ch_block_free(&p.blocks[i]);
    ch_books_free(&p.books);
    ch_link_free(&link);
    for (size_t i = 0; p.tapes && i < q->n_paths; i++)
        free(p.tapes[i].keys.hashes);
    free(p.tapes);
    free(p.ids);
    return err;
}
