/*
 * minimize.c: the smallest part of a history that still shows a divergence.
 *
 * Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) with units that
 * make sense here: first everything but a suffix goes, then whole streams, then calls with their answers, then events
 * one by one until none can go. What is left is 1-minimal: without any one of its events the divergence is gone, or one
 * comes before it that the whole history does not have.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/replay.h"

struct search {
    const struct at_profile *profile;
    const struct at_check_options *options;
    const struct at_event *const *events;
    size_t n;
    const struct at_target *target;
    bool *known; /* events that diverge in the whole history */
    bool *keep;  /* what is left */
    bool *trial; /* what is tried */
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
    if (d->cls != t->cls || !at_str_eq(d->scope, t->scope) || !at_str_eq(d->api, t->api) ||
        !at_str_eq(d->user, t->user) || !at_str_eq(d->app, t->app))
        return p->known[d->at.event] ? AT_OK : AT_STOP; /* leaving something out must not make up another */
    p->seen = true;
    return p->learn ? AT_OK : AT_STOP;
}

/* Whether the events of `part` show the divergence, and before it none that the whole history does not. */
static enum at_err shows(const struct search *q, const bool *part, bool learn, bool *yes)
{
    struct probe p = {.target = q->target, .known = q->known, .learn = learn};
    const struct at_check_sink sink = {.ctx = &p, .divergence = look};
    struct at_checker *c = NULL;
    enum at_err err = at_checker_new(q->profile, q->options, &sink, &c);
    for (size_t i = 0; i < q->n && !err; i++)
        if (part[i])
            err = at_checker_event(c, q->events[i], i);
    if (!err)
        err = at_checker_finish(c);
    at_checker_free(&c);
    *yes = p.seen;
    return err == AT_STOP ? AT_OK : err;
}

/* Makes the trial what is left, if it shows the divergence. */
static enum at_err take_if_shown(struct search *q, bool *taken)
{
    enum at_err err = shows(q, q->trial, false, taken);
    if (!err && *taken)
        memcpy(q->keep, q->trial, q->n * sizeof *q->keep);
    return err;
}

/* Keeps the `start` events and the last `size` others: the shortest of 16, 32, … that shows it. */
static enum at_err cut_front(struct search *q)
{
    enum at_err err = AT_OK;
    bool taken = false;
    for (size_t size = 16; size < q->n && !taken && !err; size *= 2) {
        for (size_t i = 0; i < q->n; i++)
            q->trial[i] = q->keep[i] && (i + size >= q->n || q->events[i]->kind == AT_KIND_START);
        err = take_if_shown(q, &taken);
    }
    return err;
}

/* What belongs together. */
enum unit { UNIT_STREAM, UNIT_CALL };

static bool same_unit(const struct at_event *a, const struct at_event *b, enum unit unit)
{
    if (!at_str_eq(a->stream, b->stream))
        return false;
    return unit == UNIT_STREAM || ((a->has & AT_HAS_CALL) && (b->has & AT_HAS_CALL) && at_str_eq(a->call, b->call));
}

/* Tries to do without each unit: from the unit's first event on, all of its events go. */
static enum at_err drop_units(struct search *q, enum unit unit)
{
    enum at_err err = AT_OK;
    bool taken;
    for (size_t i = q->n; i-- > 0 && !err;) {
        size_t dropped = 0;
        if (!q->keep[i] || (unit == UNIT_CALL && q->events[i]->kind != AT_KIND_CALL))
            continue;
        for (size_t k = 0; k < q->n; k++) {
            bool drop = q->keep[k] && same_unit(q->events[i], q->events[k], unit);
            q->trial[k] = q->keep[k] && !drop;
            dropped += drop;
        }
        if (dropped > 1)
            err = take_if_shown(q, &taken);
        if (unit == UNIT_STREAM) /* one trial a stream is enough: skip what is left of this one */
            while (i > 0 && q->keep[i - 1] && same_unit(q->events[i], q->events[i - 1], unit))
                i--;
    }
    return err;
}

/*
 * Runs of `size` events that are left, one after the other. `start` events go last: what the recording sees makes the
 * rest of a history short.
 */
static enum at_err drop_runs(struct search *q, size_t size, bool starts, bool *any)
{
    enum at_err err = AT_OK;
    bool taken;
    for (size_t end = q->n; end > 0 && !err;) {
        size_t in_run = 0, i = end;
        memcpy(q->trial, q->keep, q->n * sizeof *q->trial);
        for (; i > 0 && in_run < size; i--) {
            bool drop = q->keep[i - 1] && (starts || q->events[i - 1]->kind != AT_KIND_START);
            in_run += drop;
            q->trial[i - 1] = q->keep[i - 1] && !drop;
        }
        if (in_run) {
            err = take_if_shown(q, &taken);
            *any = *any || taken;
        }
        end = i;
    }
    return err;
}

static size_t count(const struct search *q)
{
    size_t n = 0;
    for (size_t i = 0; i < q->n; i++)
        n += q->keep[i];
    return n;
}

enum at_err at_minimize(const struct at_profile *profile, const struct at_check_options *options,
                        const struct at_event *const *events, size_t n, const struct at_target *target, bool *keep)
{
    struct search q = {
        .profile = profile, .options = options, .events = events, .n = n, .target = target, .keep = keep};
    bool there, any = true;
    q.trial = malloc(n + 1);
    q.known = calloc(n + 1, sizeof *q.known);
    memset(keep, true, n);
    enum at_err err = q.trial && q.known ? AT_OK : AT_NOMEM;
    if (!err)
        err = shows(&q, keep, true, &there);
    if (!err && !there)
        err = AT_NOTFOUND;
    if (!err)
        err = cut_front(&q);
    for (size_t size = count(&q) / 2; size > 1 && !err; size /= 2)
        err = drop_runs(&q, size, false, &any);
    if (!err)
        err = drop_units(&q, UNIT_STREAM);
    if (!err)
        err = drop_units(&q, UNIT_CALL);
    while (any && !err) {
        any = false;
        err = drop_runs(&q, 1, false, &any);
        if (!err && !any)
            err = drop_runs(&q, 1, true, &any);
    }
    free(q.known);
    free(q.trial);
    return err;
}
