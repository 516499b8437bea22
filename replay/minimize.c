/*
 * minimize.c: the smallest part of a history that still shows a divergence.
 *
 * Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) with units that
 * make sense here: first what comes after the divergence goes, then what is not about its scope, then everything but a
 * suffix, then runs of events, in halves down to single ones; at last events, calls with their answers and streams, one
 * by one, until none can go. What is left is 1-minimal: without any one of its events, calls or streams the divergence
 * is gone, or one comes before it that the whole history does not have.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/replay.h"

/* Some of the events, by number, ascending. */
struct part {
    size_t *at;
    size_t n;
};

struct search {
    const struct at_profile *profile;
    const struct at_check_options *options;
    const struct at_event *const *events;
    size_t n;
    const struct at_target *target;
    bool *known;       /* events that diverge in the whole history */
    struct part keep;  /* what is left */
    struct part trial; /* what is tried */
};

struct probe {
    const struct at_target *target;
    bool *known;
    bool learn; /* notes what diverges, instead of refusing what did not before */
    bool seen;
};

static enum at_err look(void *ctx, const struct at_divergence *d)
{
    struct probe *p = ctx;
    const struct at_target *t = p->target;
    if (p->learn)
        p->known[d->at.event] = true;
    if (d->at.event != t->event || d->cls != t->cls || !at_str_eq(d->scope, t->scope) || !at_str_eq(d->api, t->api))
        return p->known[d->at.event] ? AT_OK : AT_STOP; /* leaving something out must not make up another */
    p->seen = true;
    return AT_STOP;
}

/*
 * Whether the events of `part` show the divergence, and before it none that the whole history does not. `looked_at`:
 * how many it took to see that.
 */
static enum at_err shows(const struct search *q, const struct part *part, bool learn, bool *yes, size_t *looked_at)
{
    struct probe p = {.target = q->target, .known = q->known, .learn = learn};
    const struct at_check_sink sink = {.ctx = &p, .divergence = look};
    struct at_checker *c = NULL;
    size_t i = 0;
    enum at_err err = at_checker_new(q->profile, q->options, &sink, &c);
    for (; i < part->n && !err; i++)
        err = at_checker_event(c, q->events[part->at[i]], part->at[i]);
    if (!err)
        err = at_checker_finish(c);
    at_checker_free(&c);
    *yes = p.seen;
    *looked_at = i;
    return err == AT_STOP ? AT_OK : err;
}

/* Makes the trial what is left, if it shows the divergence. */
static enum at_err take_if_shown(struct search *q, bool *taken)
{
    size_t n;
    enum at_err err = shows(q, &q->trial, false, taken, &n);
    if (!err && *taken) {
        struct part old = q->keep;
        q->keep = q->trial;
        q->keep.n = n;
        q->trial = old;
    }
    return err;
}

static void try_event(struct search *q, size_t at)
{
    q->trial.at[q->trial.n++] = at;
}

static bool is_start(const struct search *q, size_t at)
{
    return q->events[at]->kind == AT_KIND_START;
}

/* Whether the events of the part all have the one stream and call, or (by_call false) the stream. */
static bool same_unit(const struct at_event *a, const struct at_event *b, bool by_call)
{
    if (!at_str_eq(a->stream, b->stream))
        return false;
    return !by_call || ((a->has & AT_HAS_CALL) && (b->has & AT_HAS_CALL) && at_str_eq(a->call, b->call));
}

/* ------------------------------------------------------------------------------------------- Large parts ---- */

/* A call, or its answer: "stream NUL call". */
static enum at_err call_name(struct at_buf *name, const struct at_event *ev)
{
    name->len = 0;
    enum at_err err = at_buf_str(name, ev->stream);
    if (!err)
        err = at_buf_add(name, "", 1);
    return err ? err : at_buf_str(name, ev->call);
}

static bool names_scope(const struct search *q, const struct at_event *ev)
{
    for (size_t i = 0; i < ev->n_scopes; i++)
        if (at_str_eq(ev->scopes[i], q->target->scope))
            return true;
    return false;
}

/* Whether an event has to do with the target's scope. `calls`: the calls that have. */
static enum at_err is_of_scope(const struct search *q, const struct at_event *ev, uint64_t scope,
                               struct at_intern *calls, struct at_buf *name, bool *yes)
{
    uint32_t id;
    enum at_err err = AT_OK;
    *yes = !ev->n_scopes || names_scope(q, ev);
    if (ev->kind != AT_KIND_CALL && ev->kind != AT_KIND_RETURN)
        return AT_OK;
    err = call_name(name, ev);
    if (err)
        return err;
    if (ev->kind == AT_KIND_RETURN) {
        *yes = at_intern_find(calls, at_buf_view(name), &id);
        return AT_OK;
    }
    struct at_api api = at_profile_api(q->profile, ev->api);
    *yes = api.kind == AT_API_GATED       ? (api.scopes & scope) != 0
           : api.kind == AT_API_AUTHORIZE ? names_scope(q, ev)
                                          : api.kind != AT_API_OTHER;
    return *yes ? at_intern_add(calls, at_buf_view(name), &id) : AT_OK;
}

/* Scopes do not affect one another (R11): most of what is about others can go at once. */
static enum at_err drop_other_scopes(struct search *q)
{
    size_t s = at_profile_find_scope(q->profile, q->target->scope);
    struct at_intern *calls = NULL;
    struct at_buf name = {0};
    bool taken, of_scope;
    if (!q->target->scope.ptr || s == AT_NO_SCOPE)
        return AT_OK;
    enum at_err err = at_intern_new(&calls);
    q->trial.n = 0;
    for (size_t i = 0; i < q->keep.n && !err; i++) {
        err = is_of_scope(q, q->events[q->keep.at[i]], UINT64_C(1) << s, calls, &name, &of_scope);
        if (!err && of_scope)
            try_event(q, q->keep.at[i]);
    }
    at_buf_free(&name);
    at_intern_free(&calls);
    return err ? err : take_if_shown(q, &taken);
}

/* Keeps the `start` events and the last `size` others: the shortest of 16, 32, … that shows it. */
static enum at_err cut_front(struct search *q)
{
    enum at_err err = AT_OK;
    bool taken = false;
    for (size_t size = 16; size < q->keep.n && !taken && !err; size *= 2) {
        q->trial.n = 0;
        for (size_t i = 0; i < q->keep.n; i++)
            if (i + size >= q->keep.n || is_start(q, q->keep.at[i]))
                try_event(q, q->keep.at[i]);
        err = take_if_shown(q, &taken);
    }
    return err;
}

/* ------------------------------------------------------------------------------------------- Small parts ---- */

/*
 * Runs of `size` events that are left, from the last to the first. `start` events go last: what the recording sees
 * makes the rest of a history short.
 */
static enum at_err drop_runs(struct search *q, size_t size, bool starts, bool *any)
{
    enum at_err err = AT_OK;
    bool taken;
    for (size_t end = q->keep.n; end > 0 && !err;) {
        size_t dropped = 0, first = end > size ? end - size : 0;
        q->trial.n = 0;
        for (size_t i = 0; i < q->keep.n; i++) {
            bool drop = i >= first && i < end && (starts || !is_start(q, q->keep.at[i]));
            dropped += drop;
            if (!drop)
                try_event(q, q->keep.at[i]);
        }
        end = first;
        if (!dropped)
            continue;
        err = take_if_shown(q, &taken);
        *any = *any || taken;
    }
    return err;
}

/* Tries to do without each unit, a call with its answer or a stream: all of its events go. */
static enum at_err drop_units(struct search *q, bool by_call, bool *any)
{
    enum at_err err = AT_OK;
    bool taken;
    for (size_t i = q->keep.n; i-- > 0 && !err;) {
        const struct at_event *of;
        if (i >= q->keep.n)
            continue;
        of = q->events[q->keep.at[i]];
        if (by_call && of->kind != AT_KIND_CALL)
            continue;
        q->trial.n = 0;
        for (size_t k = 0; k < q->keep.n; k++)
            if (!same_unit(of, q->events[q->keep.at[k]], by_call))
                try_event(q, q->keep.at[k]);
        if (q->trial.n + 1 < q->keep.n) {
            err = take_if_shown(q, &taken);
            *any = *any || taken;
        }
        while (!by_call && i > 0 && i <= q->keep.n && same_unit(of, q->events[q->keep.at[i - 1]], false))
            i--; /* one trial a stream is enough: skip what is left of this one */
    }
    return err;
}

static enum at_err reduce(struct search *q)
{
    bool any = true;
    enum at_err err = drop_other_scopes(q);
    if (!err)
        err = cut_front(q);
    for (size_t size = q->keep.n / 2; size > 1 && !err; size = (size < q->keep.n ? size : q->keep.n) / 2)
        err = drop_runs(q, size, false, &any);
    while (any && !err) {
        any = false;
        err = drop_runs(q, 1, false, &any);
        if (!err)
            err = drop_units(q, true, &any);
        if (!err)
            err = drop_units(q, false, &any);
        if (!err && !any)
            err = drop_runs(q, 1, true, &any);
    }
    return err;
}

enum at_err at_minimize(const struct at_profile *profile, const struct at_check_options *options,
                        const struct at_event *const *events, size_t n, const struct at_target *target, bool *keep)
{
    struct at_check_options wordless = *options;
    struct search q = {.profile = profile, .options = &wordless, .events = events, .n = n, .target = target};
    bool there = false;
    wordless.wordless = true;
    q.keep.at = malloc((n + 1) * sizeof *q.keep.at);
    q.trial.at = malloc((n + 1) * sizeof *q.trial.at);
    q.known = calloc(n + 1, sizeof *q.known);
    enum at_err err = q.trial.at && q.keep.at && q.known ? AT_OK : AT_NOMEM;
    for (; q.keep.n < n && !err; q.keep.n++)
        q.keep.at[q.keep.n] = q.keep.n;
    if (!err)
        err = shows(&q, &q.keep, true, &there, &q.keep.n);
    if (!err && !there)
        err = AT_NOTFOUND;
    if (!err)
        err = reduce(&q);
    memset(keep, false, n);
    for (size_t i = 0; i < q.keep.n && !err; i++)
        keep[q.keep.at[i]] = true;
    free(q.known);
    free(q.trial.at);
    free(q.keep.at);
    return err;
}
