/* checker.c: the checker from outside: an event comes in, findings go out. */
#include <stdlib.h>
#include <string.h>

#include "replay/lanes.h"

const char *at_state_text(enum at_state s)
{
    static const char *const texts[] = {"unasked", "granted", "denied"};
    return (size_t)s < AT_STATES ? texts[s] : "unknown";
}

enum at_err at_checker_new(const struct at_profile *profile, const struct at_check_options *options,
                           const struct at_check_sink *sink, struct at_checker **out)
{
    struct at_checker *c = calloc(1, sizeof *c);
    if (!c)
        return AT_NOMEM;
    c->profile = profile;
    c->options = *options;
    c->sink = *sink;
    if (!c->options.grace_ms)
        c->options.grace_ms = DEFAULT_GRACE_MS;
    if (!c->options.configurations)
        c->options.configurations = DEFAULT_CONFIGURATIONS;
    enum at_err err = at_intern_new(&c->words);
    if (!err)
        err = at_intern_new(&c->hinted);
    const struct steps policies = {
        .join = profile->concurrent == AT_CONCURRENT_JOIN,
        .reprompt = profile->concurrent == AT_CONCURRENT_REPROMPT,
        .dismiss_denies = profile->dismiss_denies,
        .lacks = profile->lacks,
        .cap = (uint32_t)c->options.configurations,
        .fault = c->options.fault,
    };
    if (!err)
        err = sets_new(&policies, &c->sets);
    if (!err)
        err = columns_new(&c->columns);
    memset(c->starts, 0xff, sizeof c->starts);
    memset(c->begins, 0xff, sizeof c->begins);
    c->collect_at = SETS_BYTES;
    c->quiet_us = (c->options.has_quiet_ms ? c->options.quiet_ms : profile->quiet_ms) * UINT64_C(1000);
    if (profile->other_devices && !c->options.has_quiet_ms)
        c->quiet_us = 0;
    if (err)
        at_checker_free(&c);
    *out = c;
    return err;
}

#define AHEAD 16u /* keys and streams that are fetched before they are looked at, where it is all of them */

static void fetch_key(const struct at_checker *c, uint64_t i)
{
    if (i < c->totals.keys)
        __builtin_prefetch(c->keys[i]);
}

void at_checker_free(struct at_checker **checker)
{
    struct at_checker *c = *checker;
    if (!c)
        return;
    for (uint32_t i = 0; i < c->totals.keys; i++) {
        fetch_key(c, i + AHEAD);
        key_free_search(c, c->keys[i]);
        key_free_calls(c->keys[i]);
    }
    for (uint32_t i = 0; i < c->n_streams; i++) {
        if (i + AHEAD < c->n_streams)
            __builtin_prefetch(c->streams[i + AHEAD]);
        stream_free_keys(c->streams[i]);
        answered_free(&c->streams[i]->answered);
    }
    room_free(&c->room);
    free(c->keys);
    free(c->streams);
    at_slots_free(&c->key_slots);
    at_slots_free(&c->stream_slots);
    at_slots_free(&c->members);
    at_intern_free(&c->words);
    at_intern_free(&c->hinted);
    sets_free(&c->sets);
    columns_free(&c->columns);
    views_free(&c->views);
    for (size_t i = 0; i < sizeof c->text / sizeof c->text[0]; i++)
        at_buf_free(&c->text[i]);
    free(c);
    *checker = NULL;
}

/* The cap was hit: the key is given up, and named at the end. */
static void give_up(struct at_checker *c, struct key *k)
{
    key_free_search(c, k);
    k->folded = k->calm = false;
    k->inconclusive = true;
    c->totals.inconclusive++;
}

/* Key `of`, the event's own, is folded by the caller, or given up. */
static enum at_err on_end(struct at_checker *c, const struct key *of, struct stream *st, const struct at_event *ev)
{
    enum at_err err = AT_OK;
    for (uint32_t n = 0; n < st->n_keys && !err; n++) {
        struct key *k = stream_keys(st)[n];
        if (k->inconclusive)
            continue;
        c->of_stream = st->sharded ? stream_joined(st)[n] : 0;
        err = key_unfold(c, k);
        if (!err)
            err = key_advance(c, k, ev->t_us);
        for (uint32_t i = 0; i < k->n_calls && !err; i++) {
            if (k->calls[i]->stream != st || k->calls[i]->over)
                continue;
            k->calls[i]->over = true;
            err = check_answered(c, k, i, ev);
        }
        if (err == AT_LIMIT && k != of) {
            give_up(c, k);
            err = AT_OK;
        } else if (!err && k != of) {
            key_fold(c, k);
        }
    }
    c->of_stream = 0;
    return err;
}

static enum at_err forget_key(struct at_checker *c, struct key *k)
{
    for (uint32_t i = 0; i < k->n_calls; i++)
        k->calls[i]->spare = true;
    note_spares(k);
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        k->known[s] = (struct known){0};
    return key_restart(c, k, true);
}

static enum at_err on_gap(struct at_checker *c, const struct key *of, struct stream *st, struct at_place at)
{
    enum at_err err = AT_OK;
    for (uint32_t n = 0; n < st->n_keys && !err; n++) {
        struct key *k = stream_keys(st)[n];
        if (k->inconclusive)
            continue;
        err = key_unfold(c, k);
        if (!err)
            err = forget_key(c, k);
        k->last = at;
        if (!err && k != of)
            key_fold(c, k);
    }
    return err;
}

static enum at_err dispatch(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                            const struct happening *h)
{
    struct at_place at = h->at;
    enum at_err err = key_advance(c, k, ev->t_us);
    if (err)
        return err;
    switch (ev->kind) {
    case AT_KIND_START:
        return on_start(c, k, ev, at);
    case AT_KIND_CALL:
        return on_call(c, k, st, ev, h);
    case AT_KIND_RETURN:
        return on_return(c, k, st, ev, at);
    case AT_KIND_PROMPT:
        return on_prompt(c, k, st, ev, at);
    case AT_KIND_DECISION:
        return on_decision(c, k, ev, at);
    case AT_KIND_SETTINGS:
        return on_settings(c, k, ev, at);
    case AT_KIND_SETTINGS_PAGE:
        return on_page(c, k, ev, at);
    case AT_KIND_RESET:
        return on_reset(c, k, ev, at);
    case AT_KIND_GAP:
        c->totals.gaps++;
        if (ev->has & AT_HAS_LOST_BYTES)
            c->totals.lost_bytes += ev->lost_bytes;
        return on_gap(c, k, st, at);
    case AT_KIND_END:
        return on_end(c, k, st, ev);
    default:
        return AT_BAD;
    }
}

static uint64_t foreign_call(const struct at_event *ev)
{
    return id_hash(ev->call) ^ at_key_hash(ev->app, ev->user);
}

enum at_err check_foreign(struct at_checker *c, struct stream *st, const struct at_event *ev, struct at_place at)
{
    enum at_err err = AT_OK;
    if (st->last_us < ev->t_us)
        st->last_us = ev->t_us;
    if (ev->kind == AT_KIND_CALL)
        err = note_foreign_call(&st->answered, foreign_call(ev));
    else if (ev->kind == AT_KIND_RETURN)
        err = forget_foreign_call(&st->answered, foreign_call(ev))
                  ? remember_answer(&st->answered, ev->call, id_hash(ev->call))
                  : AT_OK;
    else if (ev->kind == AT_KIND_GAP)
        err = on_gap(c, NULL, st, at);
    else if (ev->kind == AT_KIND_END)
        err = on_end(c, NULL, st, ev);
    else
        return AT_OK;
    c->columns->grown = true;
    return err;
}

/* Lets go of the sets and columns that no key is in any more. */
static enum at_err collect(struct at_checker *c)
{
    enum at_err err = AT_OK;
    if (!columns_keep_begin(c->columns))
        return AT_OK; /* it is put off */
    sets_keep_begin(c->sets);
    for (uint32_t i = 0; i < c->totals.keys; i++) {
        const struct key *k = c->keys[i];
        for (uint32_t b = 0; !k->folded && b < k->n_branches; b++)
            for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
                err = sets_keep(c->sets, &k->branches[b]->sets[s]);
        for (size_t s = 0; s < c->profile->n_scopes && k->folded && !err; s++)
            err = columns_keep(c, &key_columns(k)[s]);
    }
    columns_keep_end(c->columns);
    memset(c->starts, 0xff, sizeof c->starts);
    memset(c->begins, 0xff, sizeof c->begins);
    sets_keep_end(c->sets);
    c->collect_at = 2 * (sets_bytes(c->sets) + columns_bytes(c->columns)) + SETS_BYTES;
    return err;
}

/* Does the event on the key's branches. */
static enum at_err on_branches(struct at_checker *c, struct key *k, struct stream *st, struct happening *h)
{
    enum at_err err = key_unfold(c, k);
    if (!err)
        err = dispatch(c, k, st, whole_event(h), h);
    if (err == AT_LIMIT) {
        give_up(c, k);
        return AT_OK;
    }
    h->meaning->told = true;
    k->begun = true;
    k->last = h->at;
    if (!err)
        key_fold(c, k);
    return err;
}

enum at_err check(struct at_checker *c, struct key *k, struct stream *st, struct happening *h)
{
    enum at_err err;
    const bool packs = place_packs(c, h->at);
    if (packs && quick_event(c, k, st, h, &err)) {
        k->last = h->at;
        if (err || !c->columns->grown)
            return err;
    } else if (packs && lanes_event(c, k, st, h, &err)) {
        k->begun = true;
        k->last = h->at;
    } else {
        err = on_branches(c, k, st, h);
        c->columns->grown = true;
    }
    k->calm = !err && key_is_calm(c, k);
    if (err || !c->columns->grown)
        return err;
    c->columns->grown = false;
    return sets_bytes(c->sets) + columns_bytes(c->columns) < c->collect_at ? err : collect(c);
}

enum at_err at_checker_event(struct at_checker *c, const struct at_event *ev, uint64_t index)
{
    struct meaning meaning;
    struct happening h = {.meaning = &meaning,
                          .at = {.event = index, .t_us = ev->t_us, .packet = ev->has & AT_HAS_PACKET ? ev->packet : 0},
                          .call = ev->call,
                          .call_hash = id_hash(ev->call),
                          .platform = ev->has & AT_HAS_PLATFORM ? ev->platform : (struct at_str){0},
                          .ev = ev};
    struct stream *st;
    struct key *k;
    c->order = index;
    if (is_foreign(c, ev->app, ev->user)) {
        st = own_stream(c, ev->stream);
        return st ? check_foreign(c, st, ev, h.at) : AT_OK;
    }
    c->totals.events++;
    c->totals.calls += ev->kind == AT_KIND_CALL;
    const struct at_tape_source who = {.app = ev->app, .user = ev->user, .stream = ev->stream};
    enum at_err err = find_key(c, &who, ev->t_us, &k);
    if (!err && ev->kind == AT_KIND_CALL && h.platform.ptr)
        err = intern_word(c, h.platform, &h.platform);
    if (!err)
        err = find_stream(c, ev->stream, ev->t_us, &st);
    if (!err)
        err = stream_add_key(c, st, k);
    if (err || k->inconclusive)
        return err;
    err = meaning_of(c, ev, &meaning);
    return err ? err : check(c, k, st, &h);
}

/* Whether an open call of a key at rest is overdue, or somebody wants to know of all of them. */
static bool anything_to_tell(const struct at_checker *c, const struct key *k)
{
    int64_t grace_us = (int64_t)c->options.grace_ms * 1000;
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (c->sink.settled ||
            (!k->calls[i]->over && k->calls[i]->stream->last_us - k->calls[i]->place.t_us >= grace_us))
            return true;
    return false;
}

/* Fetches what finish_key looks at, step by step. */
static void fetch_to_finish(const struct at_checker *c, uint64_t i)
{
    const struct key *k;
    fetch_key(c, i + 3 * AHEAD);
    k = i + 2 * AHEAD < c->totals.keys ? c->keys[i + 2 * AHEAD] : NULL;
    if (k && k->n_calls)
        __builtin_prefetch(k->calls[0]);
    k = i + AHEAD < c->totals.keys ? c->keys[i + AHEAD] : NULL;
    if (k && k->n_calls)
        __builtin_prefetch(k->calls[0]->stream);
}

static enum at_err finish_key(struct at_checker *c, struct key *k)
{
    struct at_event none = {.kind = AT_KIND_END, .t_us = k->last.t_us};
    int64_t grace_us = (int64_t)c->options.grace_ms * 1000;
    if (k->folded && !anything_to_tell(c, k))
        return AT_OK;
    enum at_err err = key_unfold(c, k);
    if (!err)
        err = key_advance(c, k, k->last.t_us);
    for (uint32_t i = 0; i < k->n_calls && !err; i++) {
        const struct call *call = k->calls[i];
        if (!call->over && call->stream->last_us - call->place.t_us >= grace_us)
            err = check_answered(c, k, i, &none);
        for (size_t s = 0; s < c->profile->n_scopes && c->sink.settled && !err; s++) {
            struct at_settled d = settled_of(k, call, c->profile->scopes[s].name);
            d.via = AT_VIA_NONE;
            if (call->scopes >> s & 1)
                err = c->sink.settled(c->sink.ctx, &d);
        }
    }
    return err;
}

enum at_err at_checker_finish(struct at_checker *c)
{
    enum at_err err = AT_OK;
    c->phase = AT_PHASE_END;
    for (uint32_t i = 0; i < c->totals.keys && !err; i++) {
        fetch_to_finish(c, i);
        if (c->keys[i]->inconclusive)
            continue;
        c->order = c->keys[i]->first;
        err = finish_key(c, c->keys[i]);
        key_fold(c, c->keys[i]);
        if (err == AT_LIMIT) {
            give_up(c, c->keys[i]);
            err = AT_OK;
        }
    }
    c->phase = AT_PHASE_LAST;
    c->order = UINT64_MAX;
    if (!err && c->saw_user_info && !c->saw_login && c->sink.hint && !c->options.shard.of)
        err = c->sink.hint(c->sink.ctx, AT_HINT_LOGIN);
    return err;
}

void at_checker_totals(const struct at_checker *c, struct at_check_totals *out)
{
    *out = c->totals;
    out->saw_login = c->saw_login;
    out->saw_user_info = c->saw_user_info;
}

void at_checker_order(const struct at_checker *c, struct at_check_order *out)
{
    *out = (struct at_check_order){.phase = c->phase, .event = c->order, .of_stream = c->of_stream};
}

void at_checker_inconclusive(struct at_checker *c, void (*name)(void *ctx, struct at_str app, struct at_str user),
                             void *ctx)
{
    c->phase = AT_PHASE_NAMES;
    for (uint32_t i = 0; i < c->totals.keys; i++) {
        c->order = c->keys[i]->first;
        if (c->keys[i]->inconclusive)
            name(ctx, key_app(c->keys[i]), key_user(c->keys[i]));
    }
}
