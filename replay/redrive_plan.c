/* redrive_plan.c: what of a recording is to be done again, and in which order. Pure. */
#include <stdlib.h>
#include <string.h>

#include "replay/redrive_drive.h"

/* What the checker says of the recording: changes that it did not show, and answers that were wrong. */
struct hidden {
    enum at_inferred_kind kind;
    struct at_str scope, app, user; /* views into the plan's events, or into `names` */
    enum at_answer answer;
    bool granted;
    uint64_t after;
    size_t order; /* as the checker said it */
};

/* What is known of a recorded event. */
struct noted {
    uint32_t key, stream;
    uint32_t call; /* that it makes or answers, in the plan; NO_CALL */
};
#define NO_CALL UINT32_MAX

struct rd_planner {
    const struct at_profile *profile;
    struct at_checker *checker;
    struct rd_plan plan;
    struct hidden *hidden; /* in the order of `after` */
    size_t n_hidden;
    struct at_intern *names;   /* what hidden changes speak of */
    struct at_intern *keys;    /* app NUL user */
    struct at_intern *streams; /* key number NUL stream */
    struct at_intern *open;    /* stream number NUL call id -> `open_calls` */
    uint32_t *open_calls;      /* number of the call, plus 1 */
    uint32_t *pages;           /* by key: openSetting calls without an answer so far */
    struct noted *noted;       /* by event */
    size_t cap_events, cap_calls, cap_keys, cap_streams, cap_hidden, cap_found, cap_open, cap_pages, cap_noted;
    struct at_buf texts, scratch;
};

/* ---- What the checker says */

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    struct rd_planner *p = ctx;
    uint32_t scope, app, user;
    if (i->kind == AT_INFERRED_PROMPT) /* comes by itself */
        return AT_OK;
    enum at_err err = at_grow((void **)&p->hidden, &p->cap_hidden, p->n_hidden + 1, sizeof *p->hidden);
    if (!err)
        err = at_intern_add(p->names, i->scope.ptr ? i->scope : AT_STR(""), &scope);
    if (!err)
        err = at_intern_add(p->names, i->app, &app);
    if (!err)
        err = at_intern_add(p->names, i->user, &user);
    if (err)
        return err;
    p->hidden[p->n_hidden] = (struct hidden){.kind = i->kind,
                                             .scope = at_intern_get(p->names, scope),
                                             .app = at_intern_get(p->names, app),
                                             .user = at_intern_get(p->names, user),
                                             .answer = i->answer,
                                             .granted = i->granted,
                                             .after = i->after.event,
                                             .order = p->n_hidden};
    p->n_hidden++;
    return AT_OK;
}

/* The call that a divergence is about: that of its event, else the last one of its id in that stream of the user. */
static bool call_of(struct rd_planner *p, const struct at_divergence *d, uint32_t *call)
{
    if (d->at.event < p->plan.n_events && p->noted[d->at.event].call != NO_CALL) {
        *call = p->noted[d->at.event].call;
        return true;
    }
    for (size_t i = p->plan.n_calls; d->call.ptr && i-- > 0;) {
        const struct rd_call *c = &p->plan.calls[i];
        if (c->event <= d->at.event && at_str_eq(c->call->call, d->call) && at_str_eq(c->call->stream, d->stream) &&
            at_str_eq(c->call->user, d->user) && at_str_eq(c->call->app, d->app)) {
            *call = (uint32_t)i;
            return true;
        }
    }
    return false;
}

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct rd_planner *p = ctx;
    uint32_t call;
    p->plan.divergences++;
    if (!call_of(p, d, &call))
        return AT_OK;
    enum at_err err = at_grow((void **)&p->plan.found, &p->cap_found, p->plan.n_found + 1, sizeof *p->plan.found);
    if (err)
        return err;
    p->plan.found[p->plan.n_found++] = (struct rd_found){.call = call, .cls = d->cls, .text = p->texts.len};
    return at_buf_add(&p->texts, d->explanation, strlen(d->explanation) + 1);
}

enum at_err rd_planner_new(const struct at_profile *profile, const struct at_check_options *options,
                           struct rd_planner **out)
{
    struct rd_planner *p = calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return AT_NOMEM;
    const struct at_check_sink sink = {.ctx = p, .divergence = on_divergence, .inferred = on_inferred};
    p->profile = profile;
    enum at_err err = at_checker_new(profile, options, &sink, &p->checker);
    struct at_intern **const tables[] = {&p->names, &p->keys, &p->streams, &p->open};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && !err; i++)
        err = at_intern_new(tables[i]);
    if (err)
        rd_planner_free(out);
    return err;
}

void rd_planner_free(struct rd_planner **out)
{
    struct rd_planner *p = *out;
    if (!p)
        return;
    at_checker_free(&p->checker);
    for (size_t i = 0; i < p->plan.n_events; i++)
        free(p->plan.events[i]);
    for (size_t i = 0; i < p->plan.n_keys; i++)
        free(p->plan.keys[i].steps);
    free(p->plan.events);
    free(p->plan.calls);
    free(p->plan.keys);
    free(p->plan.streams);
    free(p->plan.found);
    free(p->hidden);
    free(p->open_calls);
    free(p->pages);
    free(p->noted);
    at_intern_free(&p->names);
    at_intern_free(&p->keys);
    at_intern_free(&p->streams);
    at_intern_free(&p->open);
    at_buf_free(&p->texts);
    at_buf_free(&p->scratch);
    free(p);
    *out = NULL;
}

const char *rd_planner_text(const struct rd_planner *p, size_t offset)
{
    return p->texts.ptr + offset;
}

/* ---- Keys, streams, calls */

static enum at_err number_of(struct rd_planner *p, struct at_intern *table, struct at_str a, struct at_str b,
                             uint32_t *id)
{
    p->scratch.len = 0;
    enum at_err err = at_buf_str(&p->scratch, a);
    if (!err)
        err = at_buf_add(&p->scratch, "", 1);
    if (!err)
        err = at_buf_str(&p->scratch, b);
    return err ? err : at_intern_add(table, at_buf_view(&p->scratch), id);
}

static struct at_str as_text(const uint32_t *id)
{
    return (struct at_str){(const char *)id, sizeof *id};
}

static enum at_err find_stream(struct rd_planner *p, const struct at_event *ev, uint32_t *key, uint32_t *stream)
{
    struct rd_plan *plan = &p->plan;
    enum at_err err = number_of(p, p->keys, ev->app, ev->user, key);
    if (!err)
        err = number_of(p, p->streams, as_text(key), ev->stream, stream);
    if (!err)
        err = at_grow((void **)&plan->keys, &p->cap_keys, plan->n_keys + 1, sizeof *plan->keys);
    if (!err)
        err = at_grow((void **)&plan->streams, &p->cap_streams, plan->n_streams + 1, sizeof *plan->streams);
    if (!err)
        err = at_grow((void **)&p->pages, &p->cap_pages, (size_t)*key + 1, sizeof *p->pages);
    if (err)
        return err;
    if (*key == plan->n_keys)
        plan->keys[plan->n_keys++] = (struct rd_key){.app = ev->app, .user = ev->user, .first_stream = *stream};
    if (*stream == plan->n_streams)
        plan->streams[plan->n_streams++] = (struct rd_stream){.name = ev->stream, .key = *key};
    if (!plan->keys[*key].platform.ptr)
        plan->keys[*key].platform = ev->platform;
    return AT_OK;
}

/* What the profile makes of an API; a call of `authorize` or of a reader of settings counts too. */
static bool is_about_authorization(const struct rd_planner *p, struct at_str api, enum at_api_kind *kind)
{
    *kind = at_profile_api(p->profile, api).kind;
    return *kind != AT_API_OTHER;
}

static enum at_err note_call(struct rd_planner *p, const struct at_event *ev, uint64_t event, struct noted *n)
{
    struct rd_plan *plan = &p->plan;
    enum at_api_kind kind;
    uint32_t open;
    if (!is_about_authorization(p, ev->api, &kind)) {
        plan->left_out++;
        return AT_OK;
    }
    enum at_err err = at_grow((void **)&plan->calls, &p->cap_calls, plan->n_calls + 1, sizeof *plan->calls);
    if (!err)
        err = number_of(p, p->open, as_text(&n->stream), ev->call, &open);
    if (!err)
        err = at_grow((void **)&p->open_calls, &p->cap_open, open + 1, sizeof *p->open_calls);
    if (err)
        return err;
    n->call = (uint32_t)plan->n_calls;
    plan->calls[plan->n_calls++] =
        (struct rd_call){.call = ev, .event = event, .key = n->key, .stream = n->stream, .kind = kind};
    p->open_calls[open] = n->call + 1;
    return AT_OK;
}

static enum at_err note_return(struct rd_planner *p, const struct at_event *ev, uint64_t event, struct noted *n)
{
    uint32_t open;
    enum at_err err = number_of(p, p->open, as_text(&n->stream), ev->call, &open);
    if (!err)
        err = at_grow((void **)&p->open_calls, &p->cap_open, open + 1, sizeof *p->open_calls);
    if (err || !p->open_calls[open])
        return err;
    n->call = p->open_calls[open] - 1;
    p->plan.calls[n->call].ret = ev;
    p->plan.calls[n->call].ret_event = event;
    p->open_calls[open] = 0;
    return AT_OK;
}

enum at_err rd_planner_event(struct rd_planner *p, const struct at_event *ev)
{
    struct rd_plan *plan = &p->plan;
    uint64_t event = plan->n_events;
    if (event == RD_EVENTS_MAX)
        return AT_LIMIT;
    enum at_err err = at_grow((void **)&plan->events, &p->cap_events, plan->n_events + 1, sizeof(struct at_event *));
    if (!err)
        err = at_grow((void **)&p->noted, &p->cap_noted, plan->n_events + 1, sizeof *p->noted);
    if (err)
        return err;
    struct at_event *mine = at_event_clone(ev);
    struct noted *n = &p->noted[event];
    if (!mine)
        return AT_NOMEM;
    n->call = NO_CALL;
    plan->events[plan->n_events++] = mine;
    if (event == 0)
        plan->first_us = mine->t_us;
    err = find_stream(p, mine, &n->key, &n->stream);
    if (!err && mine->kind == AT_KIND_CALL)
        err = note_call(p, mine, event, n);
    if (!err && mine->kind == AT_KIND_RETURN)
        err = note_return(p, mine, event, n);
    return err ? err : at_checker_event(p->checker, mine, event);
}

/* ---- Steps */

static enum at_err add_step(struct rd_planner *p, uint32_t key, const struct rd_step *step)
{
    struct rd_key *k = &p->plan.keys[key];
    enum at_err err = at_grow((void **)&k->steps, &k->cap_steps, k->n_steps + 1, sizeof *k->steps);
    if (!err)
        k->steps[k->n_steps++] = *step;
    return err;
}

static void need(struct rd_planner *p, const struct rd_step *s)
{
    if (s->kind == RD_STEP_DECIDE)
        p->plan.needs[rd_command_of(s->answer)]++;
    else if (s->kind == RD_STEP_RESET)
        p->plan.needs[RD_RESET]++;
    else if (s->kind == RD_STEP_FLIP) {
        p->plan.needs[RD_SETTINGS]++;
        p->plan.needs_page += !s->on_page;
    }
}

/* The step of a recorded event. */
static enum at_err event_step(struct rd_planner *p, uint64_t event)
{
    const struct at_event *ev = p->plan.events[event];
    const struct noted *n = &p->noted[event];
    const struct rd_call *call = n->call == NO_CALL ? NULL : &p->plan.calls[n->call];
    struct rd_step s = {.stream = n->stream, .call = n->call, .event = event, .t_us = ev->t_us};
    switch (ev->kind) {
    case AT_KIND_CALL:
    case AT_KIND_RETURN:
        if (!call)
            return AT_OK;
        s.kind = ev->kind == AT_KIND_CALL ? RD_STEP_CALL : RD_STEP_AWAIT;
        if (call->kind == AT_API_OPEN_SETTING && call->ret)
            p->pages[n->key] += s.kind == RD_STEP_CALL ? 1u : UINT32_MAX;
        break;
    case AT_KIND_DECISION:
        s.kind = RD_STEP_DECIDE;
        s.answer = ev->answer;
        s.scope = ev->n_scopes ? ev->scopes[0] : (struct at_str){0};
        break;
    case AT_KIND_SETTINGS:
        s.kind = RD_STEP_FLIP;
        s.scope = ev->scopes[0];
        s.granted = ev->granted;
        s.on_page = p->pages[n->key];
        break;
    case AT_KIND_RESET:
        s.kind = RD_STEP_RESET;
        break;
    case AT_KIND_START:
    case AT_KIND_PROMPT:
    case AT_KIND_SETTINGS_PAGE:
    case AT_KIND_GAP:
    case AT_KIND_END:
    default:
        return AT_OK;
    }
    need(p, &s);
    return add_step(p, n->key, &s);
}

/* A change that nobody recorded happens as soon as it can have. */
static enum at_err hidden_step(struct rd_planner *p, const struct hidden *h)
{
    uint32_t key;
    enum at_err err = number_of(p, p->keys, h->app, h->user, &key);
    if (err || key >= p->plan.n_keys)
        return err;
    struct rd_step s = {.stream = p->plan.keys[key].first_stream,
                        .scope = h->scope,
                        .answer = h->answer,
                        .granted = h->granted,
                        .inferred = true,
                        .event = h->after,
                        .t_us = h->after < p->plan.n_events ? p->plan.events[h->after]->t_us : p->plan.first_us};
    s.kind = h->kind == AT_INFERRED_DECISION ? RD_STEP_DECIDE
             : h->kind == AT_INFERRED_RESET  ? RD_STEP_RESET
                                             : RD_STEP_FLIP;
    s.on_page = s.kind == RD_STEP_FLIP && p->pages[key];
    need(p, &s);
    return add_step(p, key, &s);
}

static int by_after(const void *a, const void *b)
{
    const struct hidden *x = a, *y = b;
    if (x->after != y->after)
        return x->after < y->after ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

enum at_err rd_planner_finish(struct rd_planner *p, const struct rd_plan **out)
{
    size_t next = 0;
    enum at_err err = at_checker_finish(p->checker);
    if (p->n_hidden)
        qsort(p->hidden, p->n_hidden, sizeof *p->hidden, by_after);
    for (uint64_t i = 0; i < p->plan.n_events && !err; i++) {
        err = event_step(p, i);
        while (!err && next < p->n_hidden && p->hidden[next].after <= i)
            err = hidden_step(p, &p->hidden[next++]);
    }
    *out = &p->plan;
    return err;
}
