/*
 * witness.c: the fewest facts that a verdict needs, found by weakening.
 *
 * A verdict stands on a part of the facts if it stands after all others were weakened (weak.h). Weakening only ever
 * adds runs of the machine, so what a part does not need, a smaller one does not need either: trying every fact once,
 * in halves, leaves a part from which none can go. Calls are no facts: they rule nothing out. Two kinds of facts are no
 * events: that a kind of change would have been seen, and that there was no quiet moment; both for a stretch of time,
 * which is cut to the shortest that serves.
 *
 * The history is looked at in windows that reach further and further back. Before a window everything is possible: a
 * gap is put there, after the calls that are open then.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/weak.h"
#include "replay/witness.h"

#define NOWHERE SIZE_MAX
#define ALL_STATES ((1u << AT_STATES) - 1)

/* In which order they are done without: those that a reader understands best come last. */
static const unsigned stretch_order[] = {QUIET, AT_SEES_DECISIONS, AT_SEES_RESETS, AT_SEES_PROMPTS, AT_SEES_SETTINGS};

#define FEW 3u /* facts: a witness of so many is not tried to be improved upon */

/* What of the other scopes there is in a search. */
enum width {
    WIDTH_SCOPE, /* moments only: scopes do not affect one another (R11) */
    WIDTH_CALLS, /* their calls, and everything else weakened: a decision that names no scope may be theirs */
    WIDTH_ALL,   /* everything: a reset, or a listing, ties them together */
};

static enum at_err look(void *ctx, const struct at_divergence *d)
{
    struct search *q = ctx;
    const struct at_divergence *want = q->claim->divergence;
    bool any_class = want && (!q->claim->states || q->claim->states == ALL_STATES) &&
                     want->cls != AT_DIVERGENCE_DUPLICATE_PROMPT && want->cls != AT_DIVERGENCE_DECISION_IGNORED;
    if (want && d->at.event == q->target && (d->cls == want->cls || any_class) && at_str_eq(d->scope, want->scope)) {
        q->hit = true;
        q->hit_states = d->states;
    }
    return AT_OK;
}

/* ------------------------------------------------------------------------------------------------ One run ---- */

static bool is_moment(const struct item *it)
{
    return it->part == PART_TICK || (it->weak && it->ev->kind == AT_KIND_SETTINGS_PAGE);
}

/* The event as it is fed, for a key of its own. */
static struct at_event as_fed(const struct item *it, struct at_str user)
{
    struct at_event ev = *it->ev;
    ev.user = user;
    if (is_moment(it)) {
        return (struct at_event){.kind = AT_KIND_RETURN, /* of a call that nobody knows: nothing but a moment */
                                 .t_us = ev.t_us,
                                 .app = ev.app,
                                 .user = user,
                                 .stream = ev.stream,
                                 .has = AT_HAS_CALL,
                                 .call = AT_STR("\n")};
    }
    if (it->weak && ev.kind == AT_KIND_RETURN) { /* answered somehow (R14) */
        ev.err_msg = (struct at_str){"", 0};
        ev.has &= ~(uint32_t)(AT_HAS_ERRNO | AT_HAS_AUTH_SETTING);
        ev.n_settings = 0;
    } else if (it->weak && ev.kind == AT_KIND_START) {
        ev.fresh = false;
    }
    return ev;
}

static bool in_stretch(const struct search *q, unsigned which, size_t i)
{
    return i >= q->stretches[which].from && i < q->stretches[which].to;
}

static struct weak weak_of(const struct search *q, size_t i)
{
    const struct item *it = &q->items[i];
    struct weak w = {.quiet = i >= q->n_open && !in_stretch(q, QUIET, i),
                     .maybe = it->weak && it->part == PART_CHANGE && it->ev->kind != AT_KIND_START};
    for (unsigned sight = 0; sight < AT_SIGHTS; sight++)
        if ((it->sees >> sight & 1) && in_stretch(q, sight, i))
            w.sees |= (uint8_t)(1u << sight);
    return w;
}

/*
 * Whether item `i` can be passed over: it is nothing but a moment, the same may happen unseen before and after it, and
 * without it no quiet window appears. Silent steps are taken to a fixpoint, so once for both intervals comes to the
 * same.
 */
static bool is_idle(const struct search *q, size_t i, const struct weak *w)
{
    if (i + 1 == q->n || !q->any_fed || !is_moment(&q->items[i]))
        return false;
    const int64_t t_us = q->items[i].ev->t_us, next_us = q->items[i + 1].ev->t_us;
    const struct weak next = weak_of(q, i + 1);
    if (w->quiet != next.quiet || w->sees != next.sees)
        return false;
    return w->quiet || (q->fed_us <= t_us && t_us <= next_us &&
                        (uint64_t)next_us - (uint64_t)q->fed_us < checker_quiet_us(q->checker));
}

static enum at_err feed(struct search *q, size_t i, struct at_str user)
{
    const struct weak w = weak_of(q, i);
    if (is_idle(q, i, &w))
        return AT_OK;
    const struct at_event ev = as_fed(&q->items[i], user);
    q->any_fed = true;
    q->fed_us = ev.t_us;
    return checker_weak_event(q->checker, &ev, q->items[i].event, &w);
}

static enum at_err fresh_checker(struct search *q)
{
    const struct at_check_sink sink = {.ctx = q, .divergence = look};
    at_checker_free(&q->checker);
    q->runs = 0;
    return at_checker_new(q->narrow ? q->narrow : q->profile, &q->options, &sink, &q->checker);
}

enum at_err witness_stands(struct search *q, bool *yes)
{
    const struct claim *claim = q->claim;
    char name[16];
    struct at_str user = {name, (size_t)snprintf(name, sizeof name, "%u", q->runs)};
    enum at_err err = AT_OK;
    q->hit = q->any_fed = false;
    for (size_t i = 0; i < q->n && !err; i++)
        err = feed(q, i, user);
    const size_t scope = q->narrow ? 0 : claim->scope;
    uint8_t states = claim->divergence ? q->hit_states : checker_states(q->checker, q->runs, scope);
    bool hit = claim->divergence ? q->hit : states != 0;
    *yes = !err && hit && (!claim->states || (states && !(states & (unsigned)~claim->states)));
    q->runs++;
    return err;
}

/* --------------------------------------------------------------------------------------------- The window ---- */

static enum part part_of(const struct at_moment *m, bool all_scopes)
{
    bool counts = m->of_scope || (all_scopes && m->ev->kind != AT_KIND_END);
    if (!counts)
        return PART_TICK;
    switch (m->ev->kind) {
    case AT_KIND_CALL:
    case AT_KIND_GAP:
        return PART_PLAIN;
    case AT_KIND_START:
        return m->ev->fresh ? PART_CHANGE : PART_PLAIN;
    case AT_KIND_RETURN:
    case AT_KIND_SETTINGS_PAGE:
        return PART_OBSERVER;
    case AT_KIND_PROMPT:
    case AT_KIND_DECISION:
    case AT_KIND_SETTINGS:
    case AT_KIND_RESET:
        return PART_CHANGE;
    case AT_KIND_END:
    default:
        return PART_TICK;
    }
}

/* What the divergence is about by its very words is not up for weakening: the answer ignored, the prompt that is up. */
static void pin_decision(struct search *q)
{
    const struct at_divergence *d = q->claim->divergence;
    size_t found = NOWHERE;
    bool ignored = d && d->cls == AT_DIVERGENCE_DECISION_IGNORED;
    if (!ignored && !(d && d->cls == AT_DIVERGENCE_DUPLICATE_PROMPT))
        return;
    for (size_t i = q->n - 1; i-- > 0;) {
        const struct at_event *ev = q->items[i].ev;
        if (ignored && ev->kind == AT_KIND_CALL && at_str_eq(ev->call, d->call))
            break;
        if (q->items[i].part != PART_CHANGE || q->items[i].weak)
            continue;
        if (ev->kind == AT_KIND_DECISION && ignored) {
            found = i;
            break;
        }
        if (ev->kind == AT_KIND_PROMPT && found == NOWHERE)
            found = i;
    }
    if (found != NOWHERE)
        q->items[found].part = PART_PLAIN;
}

static uint8_t observed_by(const struct at_event *start)
{
    uint8_t mask = 0;
    for (uint8_t i = 0; i < start->n_observes; i++)
        mask |= (uint8_t)(1u << start->observes[i]);
    return mask;
}

/* Whether the call of moment `i` was not answered before moment `end`. */
static bool open_at(const struct past *past, size_t i, size_t end)
{
    const struct at_event *call = past->moments[i].ev;
    for (size_t k = i + 1; k < end; k++) {
        const struct at_event *ev = past->moments[k].ev;
        if (ev->kind == AT_KIND_RETURN && at_str_eq(ev->call, call->call) && at_str_eq(ev->stream, call->stream))
            return false;
    }
    return true;
}

static void add_plain(struct search *q, const struct at_event *ev, uint64_t event, struct at_str api)
{
    q->items[q->n++] = (struct item){.ev = ev, .event = event, .api = api, .part = PART_PLAIN};
}

/* What has to stand before a window that begins with moment `first`. */
static void fill_before(struct search *q, const struct past *past, size_t first, bool all_scopes)
{
    const struct at_event *ev = past->moments[first].ev;
    const struct at_str names[] = {AT_STR("\n1"), AT_STR("\n2")}, apis[] = {AT_STR("authorize"), AT_STR("openSetting")};
    for (unsigned i = 0; i < 3; i++)
        q->before[i] = (struct at_event){.kind = AT_KIND_CALL, .t_us = ev->t_us, .app = ev->app, .stream = ev->stream};
    for (unsigned i = 0; i < 2; i++) {
        q->before[i].has = AT_HAS_CALL;
        q->before[i].call = names[i];
        q->before[i].api = apis[i];
        if (past->open >> i & 1)
            add_plain(q, &q->before[i], 0, apis[i]);
    }
    q->before[0].has |= AT_HAS_SCOPE;
    q->before[0].scopes = &q->profile->scopes[q->claim->scope].name;
    q->before[0].n_scopes = 1;
    q->before[2].kind = AT_KIND_GAP;
    for (size_t i = 0; i < first; i++) {
        const struct at_moment *m = &past->moments[i];
        if (m->ev->kind == AT_KIND_CALL && (m->of_scope || all_scopes) && open_at(past, i, first))
            add_plain(q, m->ev, m->event, m->api);
    }
    if (first > 0 || !past->whole)
        add_plain(q, &q->before[2], 0, (struct at_str){0});
    q->n_open = q->n;
}

/* Whether a decision says nothing about its scope: then it may be about any that is called. */
static bool has_open_decision(const struct past *past)
{
    for (size_t i = 0; i < past->n; i++)
        if (past->moments[i].ev->kind == AT_KIND_DECISION && !past->moments[i].ev->n_scopes)
            return true;
    return false;
}

/* Fills the items with the last `size` moments, and what has to stand before them. */
static void fill(struct search *q, const struct past *past, size_t size, enum width width)
{
    size_t first = past->n - size;
    bool all_scopes = width != WIDTH_SCOPE;
    uint8_t sees = past->observes;
    q->n = 0;
    fill_before(q, past, first, all_scopes);
    for (size_t i = 0; i < past->n; i++) {
        const struct at_moment *m = &past->moments[i];
        if (i >= first)
            q->items[q->n++] = (struct item){.ev = m->ev,
                                             .event = m->event,
                                             .api = m->api,
                                             .of_scope = m->of_scope,
                                             .part = part_of(m, all_scopes),
                                             .weak = width == WIDTH_CALLS && !m->of_scope,
                                             .sees = q->strict ? SEES_ALL : sees};
        if (m->ev->kind == AT_KIND_START)
            sees = observed_by(m->ev);
    }
    if (q->claim->divergence)
        q->items[q->n - 1].part = PART_PLAIN;
    for (size_t i = 0; i < q->n; i++)
        q->items[i].weak = q->items[i].weak && q->items[i].part != PART_PLAIN;
    pin_decision(q);
    for (unsigned i = 0; i < STRETCHES; i++)
        q->stretches[i] = (struct stretch){0, q->n};
}

static bool spans_scopes(const struct at_profile *profile, const struct at_event *ev)
{
    const uint64_t scopes = ev->kind == AT_KIND_CALL ? at_profile_api(profile, ev->api).scopes : 0;
    return ev->n_scopes > 1 || (scopes & (scopes - 1));
}

/* Whether other scopes can be left out of a search that looks at one: no call is about it and about others. */
static bool stands_alone(const struct at_profile *profile, const struct past *past)
{
    for (size_t i = 0; i < past->n; i++)
        if (past->moments[i].of_scope && spans_scopes(profile, past->moments[i].ev))
            return false;
    return true;
}

/* Looks for the shortest window on which the claim stands. AT_NOTFOUND: there is none. */
static enum at_err find_window(struct search *q, const struct past *past, enum width width)
{
    bool yes = false;
    enum at_err err = AT_OK;
    at_profile_free(&q->narrow);
    if (width == WIDTH_SCOPE && stands_alone(q->profile, past))
        err = at_profile_narrow(q->profile, q->claim->scope, &q->narrow);
    if (!err)
        err = fresh_checker(q);
    if (err)
        return err;
    checker_only_scope(q->checker, width == WIDTH_ALL ? AT_NO_SCOPE : q->narrow ? 0 : q->claim->scope);
    for (size_t size = 16; !err && !yes; size *= 2) {
        bool last = size >= past->n;
        fill(q, past, last ? past->n : size, width);
        err = witness_stands(q, &yes);
        if (last)
            break;
    }
    return err || yes ? err : AT_NOTFOUND;
}

/* -------------------------------------------------------------------------------------------- Weakening ---- */

static void set_weak(struct search *q, const size_t *list, size_t n, bool weak)
{
    for (size_t i = 0; i < n; i++)
        q->items[list[i]].weak = weak;
}

/* Weakens as many of the items of the list as the claim can do without, older ones first. */
static enum at_err weaken(struct search *q, const size_t *list, size_t n, bool *any)
{
    bool yes;
    if (!n)
        return AT_OK;
    set_weak(q, list, n, true);
    enum at_err err = witness_stands(q, &yes);
    if (err || yes) {
        *any = true;
        return err;
    }
    set_weak(q, list, n, false);
    if (n == 1)
        return AT_OK;
    err = weaken(q, list, n / 2, any);
    return err ? err : weaken(q, list + n / 2, n - n / 2, any);
}

static enum at_err weaken_part(struct search *q, enum part part, size_t *list, bool *any)
{
    size_t n = 0;
    for (size_t i = q->n_open; i < q->n; i++)
        if (q->items[i].part == part && !q->items[i].weak)
            list[n++] = i;
    return weaken(q, list, n, any);
}

bool witness_is_empty(const struct stretch *s)
{
    return s->from >= s->to;
}

/* Does without a stretch, if the claim can. */
static enum at_err drop_stretch(struct search *q, unsigned which, bool *any)
{
    struct stretch *s = &q->stretches[which], old = *s;
    bool yes, there = which == QUIET;
    for (size_t i = q->n_open; i < q->n && !there; i++)
        there = q->items[i].sees >> which & 1;
    if (witness_is_empty(s))
        return AT_OK;
    *s = (struct stretch){0, 0};
    if (!there)
        return AT_OK;
    enum at_err err = witness_stands(q, &yes);
    if (!err && yes)
        *any = true;
    else
        *s = old;
    return err;
}

/* Cuts a stretch that is needed to the shortest: first its end, then its beginning (the claim stands on the whole). */
static enum at_err cut_stretch(struct search *q, unsigned which)
{
    struct stretch *s = &q->stretches[which];
    enum at_err err = AT_OK;
    bool yes;
    if (witness_is_empty(s))
        return AT_OK;
    s->from = s->from < q->n_open ? q->n_open : s->from;
    for (unsigned end = 0; end < 2 && !err; end++) {
        size_t good = end ? s->from : s->to, bad = end ? s->to : s->from; /* stands at good, not at bad */
        while (!err && (good > bad ? good - bad : bad - good) > 1) {
            size_t middle = good + (bad - good) / 2;
            if (bad < good)
                middle = bad + (good - bad) / 2;
            *(end ? &s->from : &s->to) = middle;
            err = witness_stands(q, &yes);
            *(!err && yes ? &good : &bad) = middle;
        }
        *(end ? &s->from : &s->to) = good;
    }
    return err;
}

static enum at_err drop_stretches(struct search *q, bool *any)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < STRETCHES && !err; i++)
        err = drop_stretch(q, stretch_order[i], any);
    return err;
}

/* Weakens until nothing more can be. What is tried last is most likely to stay. */
static enum at_err weaken_until(struct search *q, enum part first, enum part last, size_t *list)
{
    bool any = true;
    enum at_err err = AT_OK;
    while (any && !err) {
        any = false;
        err = weaken_part(q, first, list, &any);
        if (!err)
            err = drop_stretches(q, &any);
        if (!err)
            err = weaken_part(q, last, list, &any);
    }
    return err;
}

/* Cuts what is left of the stretches. An event that diverged before may be explained then, and others be needed less.
 */
static enum at_err cut_and_weaken(struct search *q, size_t *list)
{
    bool any = true;
    enum at_err err = AT_OK;
    while (any && !err) {
        any = false;
        for (size_t i = 0; i < STRETCHES && !err; i++)
            err = cut_stretch(q, stretch_order[i]);
        if (!err)
            err = drop_stretches(q, &any);
        if (!err)
            err = weaken_part(q, PART_OBSERVER, list, &any);
        if (!err)
            err = weaken_part(q, PART_CHANGE, list, &any);
    }
    return err;
}

static size_t facts_left(const struct search *q)
{
    size_t n = 0;
    for (size_t i = q->n_open; i < q->n; i++)
        n += (q->items[i].part == PART_OBSERVER || q->items[i].part == PART_CHANGE) && !q->items[i].weak;
    for (unsigned i = 0; i < STRETCHES; i++)
        n += !witness_is_empty(&q->stretches[i]);
    return n;
}

/* Both ways, by what changed and by what was shown: the one of fewer facts; where they are as many, by what changed. */
static enum at_err weaken_all(struct search *q)
{
    size_t *list = malloc((q->n + 1) * sizeof *list), left;
    struct item *items = malloc((q->n + 1) * sizeof *items), *by_change = malloc((q->n + 1) * sizeof *by_change);
    struct stretch stretches[STRETCHES], kept[STRETCHES];
    enum at_err err = list && items && by_change ? AT_OK : AT_NOMEM;
    if (!err) {
        memcpy(items, q->items, q->n * sizeof *items);
        memcpy(stretches, q->stretches, sizeof stretches);
        err = weaken_until(q, PART_OBSERVER, PART_CHANGE, list);
    }
    left = facts_left(q);
    if (!err && left > FEW) {
        memcpy(by_change, q->items, q->n * sizeof *items);
        memcpy(kept, q->stretches, sizeof kept);
        memcpy(q->items, items, q->n * sizeof *items);
        memcpy(q->stretches, stretches, sizeof stretches);
        err = weaken_until(q, PART_CHANGE, PART_OBSERVER, list);
        if (facts_left(q) >= left) {
            memcpy(q->items, by_change, q->n * sizeof *items);
            memcpy(q->stretches, kept, sizeof kept);
        }
    }
    if (!err)
        err = cut_and_weaken(q, list);
    free(by_change);
    free(items);
    free(list);
    return err;
}

/* A call of several scopes is refused for any of them: all have to be looked at. */
static bool refused_for_several(const struct at_profile *profile, const struct past *past, const struct claim *claim)
{
    const struct at_event *last = past->moments[past->n - 1].ev;
    if (!claim->divergence || last->kind != AT_KIND_RETURN)
        return false;
    for (size_t i = past->n; i-- > 0;) {
        const struct at_event *ev = past->moments[i].ev;
        if (ev->kind != AT_KIND_CALL || !at_str_eq(ev->call, last->call) || !at_str_eq(ev->stream, last->stream))
            continue;
        return spans_scopes(profile, ev);
    }
    return false;
}

void witness_free(struct finding_of_search *w)
{
    free(w->list);
    at_buf_free(&w->texts);
    at_buf_free(&w->innocent);
    *w = (struct finding_of_search){0};
}

enum at_err witness_search(const struct at_profile *profile, const struct at_check_options *options,
                           const struct past *past, const struct claim *claim, struct finding_of_search *out)
{
    struct search q = {.profile = profile, .options = *options, .claim = claim};
    enum at_err err = past->n ? AT_OK : AT_NOTFOUND;
    q.strict = options->strict;
    q.options.strict = false; /* that nothing happened unseen is a fact like others */
    q.options.fault = AT_FAULT_NONE;
    q.options.on_branches = true;
    q.options.wordless = true;
    q.items = err ? NULL : malloc((past->n + 3) * sizeof *q.items);
    if (err || !q.items)
        return err ? err : AT_NOMEM;
    q.target = past->moments[past->n - 1].event;
    err = AT_NOTFOUND;
    if (!refused_for_several(profile, past, claim))
        err = find_window(&q, past, has_open_decision(past) ? WIDTH_CALLS : WIDTH_SCOPE);
    if (err == AT_NOTFOUND) /* only what several scopes show together rules it out */
        err = find_window(&q, past, WIDTH_ALL);
    if (!err)
        err = weaken_all(&q);
    if (!err)
        err = witness_tell(&q, past, out);
    if (!err && claim->divergence)
        err = witness_innocent(&q, &out->innocent);
    at_checker_free(&q.checker);
    at_profile_free(&q.narrow);
    free(q.items);
    return err;
}
