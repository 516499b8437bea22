/* history.c: what was recorded of each key, as far back as the budget goes. */
#include "replay/history.h"

#include <stdlib.h>
#include <string.h>

#include "replay/words.h"

#define MOMENTS_FIRST 64u
#define CALL_BACK_MAX 1024u /* events between a call and its answer, for the answer to be known as its */
#define DEFAULT_BUDGET_BYTES (size_t)(64 * 1024 * 1024)

/* An event, and the one before it of the same key: numbers from 1 in the order of arrival, 0: none. */
struct kept {
    struct at_event *ev;
    uint64_t index, before;
    uint32_t key;
    uint8_t observes;      /* what the recording saw before it */
    uint8_t open;          /* OPEN_…: calls that were open before it */
    struct at_place start; /* of the `start` that said so */
    size_t bytes;
};

/* A call without an answer yet. */
struct open_call {
    uint64_t hash; /* of its stream and its name */
    uint8_t what;  /* OPEN_… */
};

struct history_key {
    uint64_t last, n; /* number of its last event; how many there were */
    bool wanted;
    uint8_t observes; /* by its last start */
    struct at_place start;
    struct open_call *open;
    uint32_t n_open, cap_open;
};

struct history_stream {
    uint32_t *keys;
    uint32_t n, cap;
};

struct at_history {
    const struct at_profile *profile;
    struct at_check_options options;
    size_t budget_bytes, bytes;
    struct kept *ring;
    uint64_t cap, first, next; /* number `n` is at n % cap; those from `first` to before `next` are there */
    struct at_intern *names, *stream_names;
    struct history_key *keys;
    uint32_t cap_keys;
    struct history_stream *streams;
    uint32_t cap_streams;
    bool selective;
    struct at_buf name;
    struct at_moment *moments; /* of the last history_past */
    size_t cap_moments;
    struct finding_of_search found;
    struct at_buf why;
};

enum at_err at_history_new(const struct at_profile *profile, const struct at_check_options *options,
                           size_t budget_bytes, struct at_history **out)
{
    struct at_history *h = calloc(1, sizeof *h);
    enum at_err err = h ? AT_OK : AT_NOMEM;
    if (!err) {
        h->profile = profile;
        h->options = *options;
        h->budget_bytes = budget_bytes ? budget_bytes : DEFAULT_BUDGET_BYTES;
        h->first = h->next = 1;
        err = at_intern_new(&h->names);
    }
    if (!err)
        err = at_intern_new(&h->stream_names);
    if (err)
        at_history_free(&h);
    *out = h;
    return err;
}

void at_history_free(struct at_history **history)
{
    struct at_history *h = *history;
    if (!h)
        return;
    for (uint64_t n = h->first; n < h->next; n++)
        free(h->ring[n % h->cap].ev);
    for (uint32_t i = 0; i < h->cap_streams; i++)
        free(h->streams[i].keys);
    for (uint32_t i = 0; i < h->cap_keys; i++)
        free(h->keys[i].open);
    at_intern_free(&h->names);
    at_intern_free(&h->stream_names);
    at_buf_free(&h->name);
    at_buf_free(&h->why);
    witness_free(&h->found);
    free(h->ring);
    free(h->keys);
    free(h->streams);
    free(h->moments);
    free(h);
    *history = NULL;
}

/* The name of a key, as the checker tells keys apart. */
static enum at_err key_name(struct at_history *h, struct at_str app, struct at_str user, struct at_str stream,
                            struct at_str *out)
{
    h->name.len = 0;
    enum at_err err = at_buf_str(&h->name, app);
    if (!err)
        err = at_buf_add(&h->name, "", 1);
    if (!err)
        err = at_buf_str(&h->name, user);
    if (!err && h->profile->per_device) {
        err = at_buf_add(&h->name, "", 1);
        if (!err)
            err = at_buf_str(&h->name, stream);
    }
    *out = at_buf_view(&h->name);
    return err;
}

static enum at_err add_key(struct at_history *h, struct at_str app, struct at_str user, struct at_str stream,
                           uint32_t *id)
{
    struct at_str name;
    enum at_err err = key_name(h, app, user, stream, &name);
    if (!err)
        err = at_intern_add(h->names, name, id);
    if (err || *id < h->cap_keys)
        return err;
    uint32_t cap = h->cap_keys ? h->cap_keys * 2 : 64;
    struct history_key *grown = realloc(h->keys, cap * sizeof *grown);
    if (!grown)
        return AT_NOMEM;
    memset(grown + h->cap_keys, 0, (cap - h->cap_keys) * sizeof *grown);
    h->keys = grown;
    h->cap_keys = cap;
    return AT_OK;
}

enum at_err at_history_want(struct at_history *h, struct at_str app, struct at_str user, struct at_str stream)
{
    uint32_t id;
    enum at_err err = add_key(h, app, user, stream, &id);
    h->selective = true;
    if (!err)
        h->keys[id].wanted = true;
    return err;
}

static uint8_t observed_by(const struct at_event *start)
{
    uint8_t mask = 0;
    for (uint8_t i = 0; i < start->n_observes; i++)
        mask |= (uint8_t)(1u << start->observes[i]);
    return mask;
}

static struct at_place place_of(const struct at_event *ev, uint64_t index)
{
    return (struct at_place){.event = index, .t_us = ev->t_us, .packet = ev->has & AT_HAS_PACKET ? ev->packet : 0};
}

static void let_go(struct at_history *h)
{
    struct kept *k = &h->ring[h->first++ % h->cap];
    h->bytes -= k->bytes;
    free(k->ev);
}

static enum at_err widen(struct at_history *h)
{
    uint64_t cap = h->cap ? h->cap * 2 : 256;
    struct kept *grown = malloc(cap * sizeof *grown);
    if (!grown)
        return AT_NOMEM;
    for (uint64_t n = h->first; h->cap && n < h->next; n++)
        grown[n % cap] = h->ring[n % h->cap];
    free(h->ring);
    h->ring = grown;
    h->cap = cap;
    return AT_OK;
}

static uint64_t call_hash(const struct at_event *ev)
{
    return at_hash(ev->call.ptr, ev->call.len, at_hash(ev->stream.ptr, ev->stream.len, 0));
}

/* Keeps count of the calls that are open. */
static enum at_err note_open(const struct at_history *h, struct history_key *k, const struct at_event *ev)
{
    uint64_t hash = call_hash(ev);
    if (ev->kind == AT_KIND_RETURN) {
        for (uint32_t i = k->n_open; i-- > 0;) {
            if (k->open[i].hash != hash)
                continue;
            k->open[i] = k->open[--k->n_open];
            break;
        }
        return AT_OK;
    }
    enum at_api_kind kind = at_profile_api(h->profile, ev->api).kind;
    if (kind == AT_API_OTHER || kind == AT_API_GET_SETTING)
        return AT_OK; /* changes nothing while it is open */
    if (k->n_open == k->cap_open) {
        uint32_t cap = k->cap_open ? k->cap_open * 2 : 2;
        struct open_call *grown = realloc(k->open, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        k->open = grown;
        k->cap_open = cap;
    }
    k->open[k->n_open++] =
        (struct open_call){.hash = hash, .what = kind == AT_API_OPEN_SETTING ? OPEN_SETTINGS : OPEN_GATED};
    return AT_OK;
}

static uint8_t open_now(const struct history_key *k)
{
    uint8_t mask = 0;
    for (uint32_t i = 0; i < k->n_open; i++)
        mask |= k->open[i].what;
    return mask;
}

static enum at_err keep(struct at_history *h, uint32_t key, const struct at_event *ev, uint64_t index)
{
    size_t bytes = sizeof(struct kept) + sizeof *ev + 128 + ev->n_settings * 48 + ev->err_msg.len + ev->extra.len;
    while (h->first < h->next && h->bytes + bytes > h->budget_bytes)
        let_go(h);
    enum at_err err = h->next - h->first < h->cap ? AT_OK : widen(h);
    if (err)
        return err;
    struct history_key *k = &h->keys[key];
    struct kept *to = &h->ring[h->next % h->cap];
    *to = (struct kept){.ev = at_event_clone(ev),
                        .index = index,
                        .before = k->last,
                        .key = key,
                        .observes = k->observes,
                        .open = open_now(k),
                        .start = k->start,
                        .bytes = bytes};
    if (!to->ev)
        return AT_NOMEM;
    if (ev->kind == AT_KIND_START) {
        k->observes = observed_by(ev);
        k->start = place_of(ev, index);
    }
    h->bytes += bytes;
    k->last = h->next++;
    k->n++;
    return ev->kind == AT_KIND_CALL || ev->kind == AT_KIND_RETURN ? note_open(h, k, ev) : AT_OK;
}

static enum at_err stream_of(struct at_history *h, struct at_str name, uint32_t key, struct history_stream **out)
{
    uint32_t id;
    enum at_err err = at_intern_add(h->stream_names, name, &id);
    if (err)
        return err;
    if (id >= h->cap_streams) {
        uint32_t cap = h->cap_streams ? h->cap_streams * 2 : 64;
        struct history_stream *grown = realloc(h->streams, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        memset(grown + h->cap_streams, 0, (cap - h->cap_streams) * sizeof *grown);
        h->streams = grown;
        h->cap_streams = cap;
    }
    struct history_stream *st = *out = &h->streams[id];
    for (uint32_t i = st->n; i-- > 0;)
        if (st->keys[i] == key)
            return AT_OK;
    if (st->n == st->cap) {
        uint32_t cap = st->cap ? st->cap * 2 : 1;
        uint32_t *grown = realloc(st->keys, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        st->keys = grown;
        st->cap = cap;
    }
    st->keys[st->n++] = key;
    return AT_OK;
}

enum at_err at_history_add(struct at_history *h, const struct at_event *ev, uint64_t index)
{
    uint32_t key;
    struct history_stream *st;
    enum at_err err = add_key(h, ev->app, ev->user, ev->stream, &key);
    bool wanted = !err && (!h->selective || h->keys[key].wanted);
    if (err || (!wanted && ev->kind != AT_KIND_GAP))
        return err;
    err = stream_of(h, ev->stream, key, &st);
    if (err || ev->kind != AT_KIND_GAP)
        return err ? err : keep(h, key, ev, index);
    for (uint32_t i = 0; i < st->n && !err; i++) { /* what a gap hides, it hides of every key of its stream */
        uint32_t one = st->keys[i]; /* NOLINT(clang-analyzer-core.uninitialized.Assign): realloc keeps what was there */
        if (!h->selective || h->keys[one].wanted)
            err = keep(h, one, ev, index);
    }
    return err;
}

/* ---------------------------------------------------------------------------------------- One key's past ---- */

static bool names_scope(const struct at_history *h, const struct at_event *ev, size_t scope)
{
    for (size_t i = 0; i < ev->n_scopes; i++)
        if (at_profile_find_scope(h->profile, ev->scopes[i]) == scope)
            return true;
    return false;
}

static bool call_of_scope(const struct at_history *h, const struct at_event *call, size_t scope)
{
    struct at_api api = at_profile_api(h->profile, call->api);
    const bool gated = scope < AT_SCOPES_MAX && (api.scopes >> scope & 1); /* a second answer is of no scope */
    return api.kind == AT_API_GET_SETTING || api.kind == AT_API_OPEN_SETTING || gated ||
           (api.kind == AT_API_AUTHORIZE && names_scope(h, call, scope));
}

/* The call that a return answers, among the moments before it. NULL where it is not there. */
static const struct at_moment *call_before(const struct at_moment *moments, size_t n, const struct at_event *ret)
{
    for (size_t looked = 0; n-- > 0 && looked < CALL_BACK_MAX; looked++) {
        const struct at_event *ev = moments[n].ev;
        if ((ev->kind == AT_KIND_CALL) && at_str_eq(ev->call, ret->call) && at_str_eq(ev->stream, ret->stream))
            return &moments[n];
    }
    return NULL;
}

static void describe(const struct at_history *h, struct at_moment *moments, size_t i, size_t scope)
{
    struct at_moment *m = &moments[i];
    switch (m->ev->kind) {
    case AT_KIND_CALL:
        m->api = m->ev->api;
        m->of_scope = call_of_scope(h, m->ev, scope);
        break;
    case AT_KIND_RETURN: {
        const struct at_moment *call = call_before(moments, i, m->ev);
        m->api = call ? call->api : (struct at_str){0};
        m->of_scope = call && call->of_scope;
        break;
    }
    case AT_KIND_PROMPT:
    case AT_KIND_SETTINGS:
        m->of_scope = names_scope(h, m->ev, scope);
        break;
    case AT_KIND_DECISION:
        m->of_scope = !m->ev->n_scopes || names_scope(h, m->ev, scope);
        break;
    case AT_KIND_START:
    case AT_KIND_SETTINGS_PAGE:
    case AT_KIND_RESET:
    case AT_KIND_GAP:
        m->of_scope = true;
        break;
    case AT_KIND_END:
    default:
        m->of_scope = false;
        break;
    }
}

enum at_err history_past(struct at_history *h, struct at_str app, struct at_str user, struct at_str stream,
                         size_t scope, size_t most, struct past *out)
{
    struct at_str name;
    uint32_t id;
    *out = (struct past){0};
    enum at_err err = key_name(h, app, user, stream, &name);
    if (err || !at_intern_find(h->names, name, &id))
        return err;
    size_t n = 0;
    for (uint64_t at = h->keys[id].last; at >= h->first && at && n < most; at = h->ring[at % h->cap].before)
        n++;
    if (n > h->cap_moments) {
        free(h->moments);
        h->cap_moments = 0;
        h->moments = malloc(n * 2 * sizeof *h->moments);
        if (!h->moments)
            return AT_NOMEM;
        h->cap_moments = n * 2;
    }
    *out = (struct past){.moments = h->moments, .n = n, .whole = n == h->keys[id].n};
    uint64_t at = h->keys[id].last;
    for (size_t i = n; i-- > 0;) {
        const struct kept *k = &h->ring[at % h->cap];
        h->moments[i] = (struct at_moment){.ev = k->ev, .event = k->index};
        out->observes = k->observes;
        out->open = k->open;
        out->start = k->start;
        at = k->before;
    }
    for (size_t i = 0; i < n; i++)
        describe(h, h->moments, i, scope);
    return AT_OK;
}

enum at_err at_history_moments(struct at_history *h, struct at_str app, struct at_str user, struct at_str stream,
                               size_t scope, size_t most, const struct at_moment **out, size_t *n)
{
    struct past past;
    enum at_err err = history_past(h, app, user, stream, scope, most, &past);
    *out = past.moments;
    *n = past.n;
    return err;
}

/* ---------------------------------------------------------------------------------------------- Reasons ---- */

/* The one earlier event that a divergence about the call itself rests on (R12). */
static enum at_err explain_call(struct at_history *h, const struct past *past, const struct at_divergence *d)
{
    enum at_kind kind = d->cls == AT_DIVERGENCE_SECOND_ANSWER ? AT_KIND_RETURN : AT_KIND_CALL;
    for (size_t i = past->n; i-- > 0;) {
        const struct at_moment *m = &past->moments[i];
        if (m->event >= d->at.event || m->ev->kind != kind || !at_str_eq(m->ev->call, d->call) ||
            !at_str_eq(m->ev->stream, d->stream))
            continue;
        h->found.list = calloc(1, sizeof *h->found.list);
        if (!h->found.list)
            return AT_NOMEM;
        h->found.n = 1;
        enum at_err err =
            kind == AT_KIND_CALL
                ? at_buf_printf(&h->found.texts, "%.*s was called", AT_STR_FMT(m->ev->api))
                : at_buf_printf(&h->found.texts, "the call was answered \"%.*s\"", AT_STR_FMT(m->ev->err_msg));
        if (!err)
            err = at_buf_add(&h->found.texts, "", 1);
        h->found.list[0] =
            (struct at_witness){.at = place_of(m->ev, m->event), .kind = kind, .text = h->found.texts.ptr};
        return err;
    }
    return AT_NOTFOUND;
}

static enum at_err finish_reason(struct at_history *h, const struct at_divergence *d, enum at_err searched,
                                 struct at_reason *out)
{
    *out = (struct at_reason){0};
    if (searched && searched != AT_NOTFOUND)
        return searched;
    if (!searched) {
        out->witness = h->found.list;
        out->n_witness = h->found.n;
        out->innocent = h->found.innocent.len ? h->found.innocent.ptr : NULL;
    } else if (d) {
        out->witness = d->witness;
        out->n_witness = d->n_witness;
    }
    if (!d)
        return AT_OK;
    out->explanation = d->explanation;
    if (searched)
        return AT_OK;
    enum at_err err = words_explain(&h->why, d, out);
    out->explanation = h->why.ptr;
    return err;
}

static enum at_err search(struct at_history *h, const struct at_divergence *d, size_t scope, size_t most, bool *whole)
{
    const struct claim claim = {.divergence = d, .scope = scope, .states = d->states};
    struct past past;
    witness_free(&h->found);
    enum at_err err = history_past(h, d->app, d->user, d->stream, scope, most, &past);
    *whole = err || past.whole || past.n < most;
    while (!err && past.n && past.moments[past.n - 1].event > d->at.event)
        past.n--;
    if (err)
        return err;
    if (d->cls == AT_DIVERGENCE_WRONG_API || d->cls == AT_DIVERGENCE_SECOND_ANSWER)
        return explain_call(h, &past, d);
    if (scope == AT_NO_SCOPE || d->cls == AT_DIVERGENCE_NO_ANSWER)
        return AT_NOTFOUND;
    return witness_search(h->profile, &h->options, &past, &claim, &h->found);
}

enum at_err at_history_explain(struct at_history *h, const struct at_divergence *d, struct at_reason *out)
{
    size_t scope = d->scope.ptr ? at_profile_find_scope(h->profile, d->scope) : AT_NO_SCOPE;
    bool whole;
    enum at_err err = search(h, d, scope, MOMENTS_FIRST, &whole); /* most witnesses are near */
    if (err == AT_NOTFOUND && !whole)
        err = search(h, d, scope, MOMENTS_MAX, &whole);
    return finish_reason(h, d, err, out);
}

enum at_err at_history_explain_states(struct at_history *h, struct at_str app, struct at_str user, struct at_str stream,
                                      size_t scope, uint8_t states, struct at_reason *out)
{
    const struct claim claim = {.scope = scope, .states = states};
    struct past past;
    witness_free(&h->found);
    enum at_err err = history_past(h, app, user, stream, scope, MOMENTS_MAX, &past);
    if (!err)
        err = witness_search(h->profile, &h->options, &past, &claim, &h->found);
    return finish_reason(h, NULL, err, out);
}
