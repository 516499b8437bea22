/* tracer.c: messages of all streams -> events of all dialects, in the order of their times. */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

#define DIALECTS_MAX 16u
#define KEYS_MAX (1u << 20) /* whose start is remembered */
#define KEYS_NEAR 64u       /* seen just now: no table is asked for them */
#define LAG_MS 1000u        /* dialects with times of their own report in batches */

struct conn {
    struct conn *next, **at;
    struct at_ident_memory memory;
    bool identified;
    bool own_key;           /* that of the stream and the names of its handshake is among the keys */
    struct at_intern *keys; /* stream NUL app NUL user of its events */
    struct at_str last_key;
    bool lost;                 /* something, before or between its events */
    uint64_t gaps, lost_bytes; /* in all */
    struct at_last_reports last;
    struct at_dialect_state states[]; /* one per dialect */
};

struct chosen {
    struct at_dialect *dialect;
    uint32_t kinds;
};

struct at_tracer {
    struct chosen dialects[DIALECTS_MAX];
    size_t n_dialects;
    struct at_apis *apis;
    struct at_ident *ident;
    bool fresh;
    bool keep_args;
    uint8_t observes; /* mask of enum at_sight */
    struct at_hold *hold;
    struct at_seen *seen;
    struct at_losses *losses;
    struct at_event_parser *parser;
    struct at_intern *started;     /* app NUL user */
    uint64_t forgotten_keys;       /* that were in it; one may be counted again */
    struct at_str near[KEYS_NEAR]; /* keys of it, by the mark of the user */
    struct at_arena arena, names_arena;
    struct at_docs docs;
    struct at_doc doc;
    struct at_finder finder;
    struct at_needles needles;
    struct at_buf key, extra, total;
    struct conn *conns;
    int64_t last_us;
    struct at_tracer_stats stats;
    struct at_run run;
    struct at_lead lead;
    enum at_err (*event)(void *ctx, const struct at_event *ev);
    void *ctx;
    /* of the message at hand */
    struct conn *conn;
    int64_t now_us;
    struct at_pending *answered[DIALECTS_MAX];
    const struct at_doc *at; /* its index */
};

/* ---- Setting up */

/* "NAME" or "NAME:kind,kind". */
static enum at_err choose_kinds(const char *list, struct chosen *c, struct at_why *why)
{
    c->kinds = list ? 0 : UINT32_MAX;
    while (list && *list) {
        size_t n = strcspn(list, ",");
        enum at_kind kind = at_kind_find((struct at_str){list, n});
        if (!kind)
            return at_fail(why, AT_BAD, "no kind of event is called '%.*s'", (int)n, list);
        c->kinds |= 1u << kind;
        list += n + (list[n] == ',');
    }
    return AT_OK;
}

static bool is_kind_list(const char *text)
{
    return *text && !strpbrk(text, "/.") && strspn(text, "abcdefghijklmnopqrstuvwxyz-,") == strlen(text);
}

/* What a dialect sees counts only for the kinds that are taken from it. */
static uint8_t sights_of(const struct chosen *c)
{
    static const enum at_kind kinds[AT_SIGHTS] = {AT_KIND_PROMPT, AT_KIND_DECISION, AT_KIND_SETTINGS, AT_KIND_RESET};
    uint8_t mask = 0;
    for (unsigned i = 0; i < AT_SIGHTS; i++)
        if (c->dialect->observes & 1u << i && c->kinds & 1u << kinds[i])
            mask |= (uint8_t)(1u << i);
    return mask;
}

static enum at_err add_dialect(struct at_tracer *t, const char *given, struct at_why *why)
{
    struct chosen *c = &t->dialects[t->n_dialects];
    const char *colon = strrchr(given, ':');
    struct at_why inner = {{0}};
    if (t->n_dialects == DIALECTS_MAX)
        return at_fail(why, AT_LIMIT, "more than %u dialects", DIALECTS_MAX);
    if (colon && !is_kind_list(colon + 1))
        colon = NULL;
    char *name = strndup(given, colon ? (size_t)(colon - given) : strlen(given));
    enum at_err err = name ? choose_kinds(colon ? colon + 1 : NULL, c, &inner) : AT_NOMEM;
    if (!err)
        err = at_dialect_load(name, &c->dialect, &inner);
    if (err)
        at_fail(why, err, "dialect %s: %s", name ? name : given, inner.text[0] ? inner.text : at_err_text(err));
    free(name);
    if (err)
        return err;
    t->observes |= sights_of(c);
    at_gate_set_up(&t->needles, c->dialect);
    t->n_dialects++;
    return at_finder_room(&t->finder, c->dialect->n_places);
}

static enum at_err read_observes(struct at_tracer *t, const char *list, struct at_why *why)
{
    if (!list)
        return AT_OK;
    t->observes = 0;
    while (*list) {
        size_t n = strcspn(list, ",");
        enum at_sight sight;
        if (!at_sight_find((struct at_str){list, n}, &sight))
            return at_fail(why, AT_BAD, "--observes: '%.*s' is not one of prompts, decisions, settings, resets", (int)n,
                           list);
        t->observes |= (uint8_t)(1u << sight);
        list += n + (list[n] == ',');
    }
    return AT_OK;
}

static enum at_err hand_on(void *ctx, const struct at_event *ev, bool own_time);
static struct at_run run_of(struct at_tracer *t);

static enum at_err set_up(struct at_tracer *t, const struct at_tracer_options *o, struct at_why *why)
{
    struct at_hold_options hold = {.hold_ms = o->hold_ms ? o->hold_ms : AT_HOLD_MS,
                                   .hold_events = o->hold_events ? o->hold_events : AT_HOLD_EVENTS};
    enum at_err err = at_apis_new(&t->apis, why);
    for (size_t i = 0; i < o->n_dialects && !err; i++)
        err = add_dialect(t, o->dialects[i], why);
    if (!err && o->n_dialects == 0)
        err = add_dialect(t, "automator", why);
    if (!err)
        err = read_observes(t, o->observes, why);
    if (!err)
        err = at_ident_new(&o->identity, &t->ident, why);
    if (err)
        return err;
    for (size_t i = 0; i < t->n_dialects; i++)
        if (t->dialects[i].dialect->own_times && !o->in_turn)
            hold.lag_ms = hold.hold_ms < LAG_MS ? hold.hold_ms : LAG_MS;
    err = at_hold_new(&hold, hand_on, t, &t->hold);
    if (!err)
        err = at_seen_new(&t->seen);
    if (!err)
        err = at_event_parser_new(&t->parser);
    if (!err)
        err = at_intern_new(&t->started);
    t->run = run_of(t);
    t->run.watch = o->watch;
    return err ? at_fail(why, err, "%s", at_err_text(err)) : AT_OK;
}

enum at_err at_tracer_new(const struct at_tracer_options *options,
                          enum at_err (*event)(void *ctx, const struct at_event *ev), void *ctx, struct at_tracer **out,
                          struct at_why *why)
{
    struct at_tracer *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    t->event = event;
    t->ctx = ctx;
    t->fresh = options->fresh;
    t->keep_args = options->keep_args;
    t->last_us = INT64_MIN;
    enum at_err err = set_up(t, options, why);
    if (err)
        at_tracer_free(&t);
    *out = t;
    return err;
}

static void free_conn(struct at_tracer *t, struct conn *c)
{
    for (size_t i = 0; i < t->n_dialects; i++)
        at_dialect_state_free(&c->states[i], t->hold);
    at_ident_memory_free(&c->memory);
    at_intern_free(&c->keys);
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    free(c);
}

void at_tracer_free(struct at_tracer **tracer)
{
    struct at_tracer *t = *tracer;
    if (!t)
        return;
    while (t->conns)
        free_conn(t, t->conns);
    for (size_t i = 0; i < t->n_dialects; i++)
        at_dialect_free(&t->dialects[i].dialect);
    at_hold_free(&t->hold);
    at_seen_free(&t->seen);
    at_losses_free(&t->losses);
    at_event_parser_free(&t->parser);
    at_intern_free(&t->started);
    at_ident_free(&t->ident);
    at_apis_free(&t->apis);
    at_arena_free(&t->arena);
    at_arena_free(&t->names_arena);
    at_docs_free(&t->docs);
    at_doc_free(&t->doc);
    at_finder_free(&t->finder);
    at_buf_free(&t->key);
    at_buf_free(&t->extra);
    at_buf_free(&t->total);
    free(t);
    *tracer = NULL;
}

void at_tracer_stats(const struct at_tracer *t, struct at_tracer_stats *out)
{
    *out = t->stats;
    out->keys = t->forgotten_keys + at_intern_count(t->started);
}

/* ---- Events out */

static enum at_err give(struct at_tracer *t, const struct at_event *ev)
{
    t->stats.events[0]++;
    t->stats.events[ev->kind]++;
    return t->event(t->ctx, ev);
}

/* True if the key consists of these parts, each with a NUL behind it. */
static bool key_is(struct at_str key, const struct at_str *parts, size_t n)
{
    const char *p = key.ptr;
    size_t bytes = n;
    for (size_t i = 0; i < n; i++)
        bytes += parts[i].len;
    if (bytes != key.len)
        return false;
    for (size_t i = 0; i < n; p += parts[i++].len + 1)
        if (memcmp(p, parts[i].ptr, parts[i].len) || p[parts[i].len])
            return false;
    return true;
}

/* `last` is the key added last: mostly it is the same again. */
static enum at_err add_key(struct at_tracer *t, struct at_intern *table, struct at_str *last,
                           const struct at_str *parts, size_t n, bool *is_new)
{
    uint32_t before = at_intern_count(table), id;
    *is_new = false;
    if (last->ptr && key_is(*last, parts, n))
        return AT_OK;
    t->key.len = 0;
    enum at_err err = AT_OK;
    for (size_t i = 0; i < n && !err; i++) {
        err = at_buf_str(&t->key, parts[i]);
        if (!err)
            err = at_buf_add(&t->key, "", 1);
    }
    if (!err)
        err = at_intern_add(table, at_buf_view(&t->key), &id);
    if (!err)
        *last = at_intern_get(table, id);
    *is_new = at_intern_count(table) > before;
    return err;
}

static void add_observes(const struct at_tracer *t, struct at_event *ev)
{
    ev->has |= AT_HAS_OBSERVES;
    for (unsigned i = 0; i < AT_SIGHTS; i++)
        if (t->observes & 1u << i)
            ev->observes[ev->n_observes++] = (uint8_t)i;
}

/* The first event of a key: `start` comes before it, or it is the `start` of a wire that has its own. */
static enum at_err start_key(struct at_tracer *t, struct at_event *ev)
{
    if (ev->kind == AT_KIND_START) {
        if (t->fresh) {
            ev->fresh = true;
            ev->has |= AT_HAS_FRESH;
        }
        if (!(ev->has & AT_HAS_OBSERVES))
            add_observes(t, ev);
        return AT_OK;
    }
    struct at_event start = {.t_us = ev->t_us,
                             .kind = AT_KIND_START,
                             .app = ev->app,
                             .user = ev->user,
                             .stream = ev->stream,
                             .platform = ev->platform,
                             .packet = ev->packet,
                             .fresh = t->fresh,
                             .has = (ev->has & (AT_HAS_PLATFORM | AT_HAS_PACKET)) | AT_HAS_FRESH};
    add_observes(t, &start);
    return give(t, &start);
}

/* An event that comes too late for its place keeps the order and says by how much it is late. */
static enum at_err note_lateness(struct at_tracer *t, struct at_event *ev)
{
    t->extra.len = 0;
    unsigned long long late = (unsigned long long)t->last_us - (unsigned long long)ev->t_us;
    enum at_err err = at_buf_printf(&t->extra, "{\"late_us\":%llu", late);
    if (!err && ev->extra.len > 2)
        err = at_buf_add(&t->extra, ",", 1);
    if (!err && ev->extra.len > 2)
        err = at_buf_add(&t->extra, ev->extra.ptr + 1, ev->extra.len - 1);
    else if (!err)
        err = at_buf_add(&t->extra, "}", 1);
    ev->t_us = t->last_us;
    ev->extra = at_buf_view(&t->extra);
    t->stats.late++;
    return err;
}

/* Any number of users may come: those seen long ago start again, with nothing known of them. */
static void forget_keys(struct at_tracer *t)
{
    t->forgotten_keys += at_intern_count(t->started);
    at_intern_clear(t->started);
    memset(t->near, 0, sizeof t->near);
    t->fresh = false; /* it was said of the first start of each */
}

/*
 * A late event whose time is its sender's keeps it: a phone that was offline, or whose clock is behind, still tells how
 * long things took. Others get the time of the place that is left for them.
 */
static enum at_err hand_on(void *ctx, const struct at_event *given, bool own_time)
{
    struct at_tracer *t = ctx;
    struct at_event changed;
    const struct at_event *ev = given;
    bool is_new;
    enum at_err err = AT_OK;
    if (ev->t_us >= t->last_us) {
        t->last_us = ev->t_us;
    } else if (own_time) {
        t->stats.disordered++;
    } else {
        changed = *given;
        ev = &changed;
        err = note_lateness(t, &changed);
    }
    if (!err && at_intern_count(t->started) >= KEYS_MAX)
        forget_keys(t);
    if (!err)
        err = add_key(t, t->started, &t->near[at_str_mark(ev->user) % KEYS_NEAR], (struct at_str[]){ev->app, ev->user},
                      2, &is_new);
    if (!err && is_new) {
        changed = *ev;
        ev = &changed;
        err = start_key(t, &changed);
    }
    return err ? err : give(t, ev);
}

/* ---- Streams */

/* What the connection lost in all, as an unknown field; valid until the next call. */
static enum at_err put_total(struct at_tracer *t, const struct conn *c, struct at_event *ev)
{
    t->total.len = 0;
    enum at_err err = at_buf_printf(&t->total, "{\"total\":{\"gaps\":%llu,\"lost_bytes\":%llu}}",
                                    (unsigned long long)c->gaps, (unsigned long long)c->lost_bytes);
    ev->extra = at_buf_view(&t->total);
    return err;
}

static enum at_err gap_event(struct at_tracer *t, struct conn *c, const struct at_event *like)
{
    struct at_event gap = {.t_us = like->t_us,
                           .kind = AT_KIND_GAP,
                           .app = like->app,
                           .user = like->user,
                           .stream = like->stream,
                           .packet = like->packet,
                           .has = like->has & AT_HAS_PACKET,
                           .lost_bytes = c->lost_bytes};
    if (gap.lost_bytes)
        gap.has |= AT_HAS_LOST_BYTES;
    enum at_err err = c->lost ? put_total(t, c, &gap) : AT_OK;
    return err ? err : at_hold_push(t->hold, &gap, false);
}

/* True if the event is of the connection itself and its handshake: these texts stay where they are. */
static bool has_own_names(const struct at_tracer *t, const struct at_event *ev)
{
    const struct at_ident_memory *of = &t->conn->memory;
    const struct at_str stream = t->run.m->stream->name;
    return t->conn->identified && of->known[0] && at_str_same(ev->stream, stream) &&
           at_str_same(ev->app, at_buf_view(&of->text[0])) &&
           at_str_same(ev->user, of->known[1] ? at_buf_view(&of->text[1]) : stream);
}

/* Remembers whose events a connection carries. A key that appears after a loss begins with a gap. */
static enum at_err note_event(void *ctx, const struct at_event *ev)
{
    struct at_tracer *t = ctx;
    struct conn *c = t->conn;
    bool is_new = false, gap = false;
    const bool own = has_own_names(t, ev);
    enum at_err err = c->keys ? AT_OK : at_intern_new(&c->keys);
    if (!err && !(own && c->own_key))
        err = add_key(t, c->keys, &c->last_key, (struct at_str[]){ev->stream, ev->app, ev->user}, 3, &is_new);
    c->own_key = c->own_key || (own && !err);
    if (!err)
        err = at_losses_touch(t->losses, t->now_us, ev, &gap);
    if (!err && (gap || (is_new && c->lost)))
        err = gap_event(t, c, ev);
    return err;
}

static enum at_err conn_of(struct at_tracer *t, struct at_stream *s, struct conn **out)
{
    *out = s->user;
    if (*out)
        return AT_OK;
    struct conn *c = calloc(1, sizeof *c + t->n_dialects * sizeof c->states[0]);
    if (!c)
        return AT_NOMEM;
    c->next = t->conns;
    if (c->next)
        c->next->at = &c->next;
    c->at = &t->conns;
    t->conns = c;
    s->user = *out = c;
    return AT_OK;
}

/* One event of `kind` for every key of the connection; `own`: only for those that go by the connection's name. */
static enum at_err for_all_keys(struct at_tracer *t, struct conn *c, const struct at_stream *s, struct at_event *ev,
                                bool own)
{
    enum at_err err = AT_OK;
    for (uint32_t i = 0; c->keys && i < at_intern_count(c->keys) && !err; i++) {
        const char *part = at_intern_get(c->keys, i).ptr;
        ev->stream = at_str(part);
        ev->app = at_str(part += ev->stream.len + 1);
        ev->user = at_str(part + ev->app.len + 1);
        if (!own || at_str_eq(ev->stream, s->name))
            err = at_hold_push(t->hold, ev, false);
    }
    return err;
}

static enum at_err on_gap(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, uint64_t lost_bytes)
{
    struct at_tracer *t = ctx;
    struct conn *c;
    struct at_event ev = {.t_us = t_us,
                          .kind = AT_KIND_GAP,
                          .packet = packet,
                          .lost_bytes = lost_bytes,
                          .has = (packet ? AT_HAS_PACKET : 0) | (lost_bytes ? AT_HAS_LOST_BYTES : 0)};
    enum at_err err = conn_of(t, s, &c);
    if (err)
        return err;
    c->lost = true;
    c->gaps++;
    c->lost_bytes += lost_bytes;
    err = at_hold_tick(t->hold, t_us);
    if (!err)
        err = put_total(t, c, &ev);
    return err ? err : for_all_keys(t, c, s, &ev, false);
}

static enum at_err on_end(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, bool clean)
{
    struct at_tracer *t = ctx;
    struct conn *c = s->user;
    struct at_event ev = {.t_us = t_us, .kind = AT_KIND_END, .packet = packet, .has = packet ? AT_HAS_PACKET : 0};
    enum at_err err = AT_OK;
    if (!c)
        return AT_OK;
    for (size_t i = 0; i < t->n_dialects && !err; i++) { /* no answer will come: what was held is decided */
        struct at_pairs *pairs = &c->states[i].pairs;
        for (struct at_pending *e = pairs->oldest[0]; e && !err; e = e->newer)
            err = at_hold_keep(t->hold, &e->ticket);
    }
    if (!err)
        err = at_hold_tick(t->hold, t_us);
    if (!err && c->lost)
        err = put_total(t, c, &ev);
    if (!err && clean)
        err = for_all_keys(t, c, s, &ev, true);
    s->user = NULL;
    free_conn(t, c);
    return err;
}

/* ---- Messages */

/* What the handshake of a WebSocket says holds for all of its messages. */
static enum at_err identify(void *ctx, const struct at_message *m, struct at_names *out, bool *stay)
{
    struct at_tracer *t = ctx;
    const struct at_scene scene = {.m = m, .doc = t->at, .root = t->at, .arena = &t->names_arena};
    struct at_ident_memory *memory = &t->conn->memory;
    struct at_str *const names[] = {&out->app, &out->user, &out->platform};
    const bool constant = m->proto == AT_PROTO_WEBSOCKET && !at_ident_every_message(t->ident);
    enum at_err err = AT_OK;
    *stay = constant;
    if (!constant || !t->conn->identified) {
        at_arena_release(&t->names_arena, (struct at_arena_mark){0});
        err = at_ident_look(t->ident, &scene, memory, out);
        if (err || !constant)
            return err;
        t->conn->identified = true;
        for (int i = 0; i < 3 && !err; i++) {
            memory->known[i] = names[i]->ptr != NULL;
            err = at_buf_str(&memory->text[i], *names[i]);
        }
    }
    for (int i = 0; i < 3; i++)
        *names[i] = memory->known[i] ? at_buf_view(&memory->text[i]) : (struct at_str){0};
    return err;
}

/* What all runs have in common. */
static struct at_run run_of(struct at_tracer *t)
{
    return (struct at_run){.apis = t->apis,
                           .arena = &t->arena,
                           .docs = &t->docs,
                           .finder = &t->finder,
                           .hold = t->hold,
                           .seen = t->seen,
                           .parser = t->parser,
                           .lead = &t->lead,
                           .stats = &t->stats,
                           .identify = identify,
                           .note = note_event,
                           .ctx = t,
                           .keep_args = t->keep_args};
}

/* The dialects with a bit in `open` look into the message. */
static enum at_err run_dialects(struct at_tracer *t, const struct at_message *m, uint32_t open, struct at_taken *check)
{
    struct at_run *run = &t->run;
    enum at_err err = AT_OK;
    run->check = check;
    run->last = &t->conn->last;
    run->identified = at_ident_every_message(t->ident);
    run->names = (struct at_names){0};
    run->names_stay = false;
    if (run->identified)
        err = identify(t, m, &run->names, &run->names_stay);
    for (size_t i = 0; i < t->n_dialects && !err; i++) {
        if (!(open & 1u << i))
            continue;
        run->dialect = t->dialects[i].dialect;
        run->number = i;
        run->kinds = t->dialects[i].kinds;
        run->state = &t->conn->states[i];
        run->answered = t->answered[i];
        err = at_run_message(run, m, t->at);
    }
    return err;
}

static uint32_t open_dialects(struct at_tracer *t, const struct at_message *m)
{
    struct at_gate gate = {.doc = t->at};
    uint32_t open = 0;
    for (size_t i = 0; i < t->n_dialects; i++)
        if (at_gate_open(&t->needles, t->dialects[i].dialect, m, &t->conn->states[i].pairs, &gate, &t->answered[i]))
            open |= 1u << i;
    return open;
}

static enum at_err on_message(void *ctx, const struct at_message *m)
{
    struct at_tracer *t = ctx;
    enum at_err err = conn_of(t, m->stream, &t->conn);
    if (!err)
        err = at_hold_tick(t->hold, m->t_us);
    if (err)
        return err;
    t->now_us = m->t_us;
    t->at = m->doc;
    if (!t->at) {
        err = at_doc_index(&t->doc, m->body);
        t->at = &t->doc;
    }
    if (err) {
        t->stats.skipped += err != AT_NOMEM;
        return err == AT_NOMEM ? err : AT_OK;
    }
    uint32_t open = open_dialects(t, m);
    if (!open && !at_ident_every_message(t->ident))
        return AT_OK;
    at_arena_release(&t->arena, (struct at_arena_mark){0});
    t->docs.used = 0;
    return run_dialects(t, m, open, NULL);
}

static bool is_beacon(const struct at_dialect *d)
{
    return at_str_eq(d->name, AT_STR("beacon"));
}

/* The message is valid JSON and indexed: what would be made of it, then make it. */
static enum at_err take(struct at_tracer *t, const struct at_message *m, size_t max_events, struct at_taken *taken)
{
    size_t beacons = 0;
    for (size_t i = 0; i < t->n_dialects; i++)
        beacons += is_beacon(t->dialects[i].dialect);
    if (beacons)
        at_take_look(t->at, beacons == t->n_dialects, max_events, taken);
    if (taken->refused)
        return AT_OK;
    enum at_err err = run_dialects(t, m, UINT32_MAX, taken);
    if (err || taken->refused)
        return err;
    uint64_t before = t->stats.repeats;
    at_arena_release(&t->arena, (struct at_arena_mark){0});
    t->docs.used = 0;
    err = run_dialects(t, m, UINT32_MAX, NULL);
    taken->repeats = (size_t)(t->stats.repeats - before);
    taken->events -= taken->repeats < taken->events ? taken->repeats : taken->events;
    return err;
}

enum at_err at_tracer_take(struct at_tracer *t, const struct at_message *m, size_t max_events, size_t *waiting,
                           struct at_taken *taken)
{
    *taken = (struct at_taken){0};
    enum at_err err = conn_of(t, m->stream, &t->conn);
    if (!err)
        err = at_hold_tick(t->hold, m->t_us);
    if (err)
        return err;
    t->now_us = m->t_us;
    at_arena_release(&t->arena, (struct at_arena_mark){0});
    t->docs.used = 0;
    err = at_doc_index(&t->doc, m->body);
    if (err == AT_NOMEM)
        return err;
    if (err) {
        at_take_refuse(taken, NULL, err == AT_BAD ? "this is not JSON" : "too large");
        return AT_OK;
    }
    t->at = &t->doc;
    memset(t->answered, 0, sizeof t->answered);
    at_hold_count(t->hold, waiting);
    err = take(t, m, max_events, taken);
    at_hold_count(t->hold, NULL);
    return err;
}

void at_tracer_remember(struct at_tracer *t, const struct at_event *ev)
{
    struct at_last_reports nothing = {0};
    for (size_t i = 0; i < t->n_dialects; i++)
        if (is_beacon(t->dialects[i].dialect))
            (void)at_seen_again(t->seen, &nothing, i, ev, true, ev->t_us);
}

struct at_decoder_sink at_tracer_sink(struct at_tracer *t)
{
    return (struct at_decoder_sink){
        .ctx = t, .indexed = true, .message = on_message, .gap = on_gap, .stream_end = on_end};
}

enum at_err at_tracer_tick(struct at_tracer *t, int64_t now_us)
{
    return at_hold_tick(t->hold, now_us);
}

enum at_err at_tracer_lost(struct at_tracer *t, int64_t from_us, int64_t to_us)
{
    return at_losses_add(&t->losses, from_us, to_us);
}

enum at_err at_tracer_finish(struct at_tracer *t)
{
    return at_hold_finish(t->hold);
}
