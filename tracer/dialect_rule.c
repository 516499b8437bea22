/* dialect_rule.c: rules at work: items, events, requests and their answers. */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

static const char no_app[] = "unknown";

/* ---- Events out */

static bool wants_authorization_list(struct at_str api)
{
    return at_str_eq(api, AT_STR("getSetting")) || at_str_eq(api, AT_STR("openSetting"));
}

/* A rule gave what is no event. */
static void note_unfit(const struct at_run *run, const struct at_why *why)
{
    if (run->watch)
        run->watch->rule(run->watch->ctx, run->m, run->rule->place, why->text);
    if (!run->check)
        run->stats->unfit++;
    else if (!run->check->refused)
        at_take_refuse(run->check, run->scene, why->text);
}

/* Who an event is about, where the mapping does not say. */
static void fill_names(const struct at_run *run, struct at_event *ev)
{
    const struct at_names *names = &run->names;
    if (!ev->stream.ptr)
        ev->stream = run->m->stream->name;
    if (!ev->app.ptr)
        ev->app = names->app.ptr ? names->app : at_str(no_app);
    if (!ev->user.ptr)
        ev->user = names->user.ptr ? names->user : run->m->stream->name;
    if (!(ev->has & AT_HAS_PLATFORM) && names->platform.ptr) {
        ev->platform = names->platform;
        ev->has |= AT_HAS_PLATFORM;
    }
}

/* A clock that is ahead: nothing is reported before it happens. */
static void no_later(const struct at_run *run, struct at_event *ev)
{
    if (ev->t_us > run->m->t_us)
        ev->t_us = run->m->t_us;
}

static bool wants(const struct at_run *run, enum at_kind kind)
{
    if (run->kinds & 1u << kind)
        return true;
    if (run->check)
        run->check->left_out++;
    return false;
}

/* True if the names are those of the options or of the stream: they were looked at when they were found. */
static bool known_names(const struct at_run *run, const struct at_event *ev)
{
    const struct at_names *names = &run->names;
    const struct at_str stream = run->m->stream->name;
    return at_str_same(ev->stream, stream) && (at_str_same(ev->user, stream) || at_str_same(ev->user, names->user)) &&
           (ev->app.ptr == no_app || at_str_same(ev->app, names->app)) &&
           (!(ev->has & AT_HAS_PLATFORM) || at_str_same(ev->platform, names->platform));
}

/* What every event needs; false: it is not wanted or is no event. `named`: its names are known to be fit. */
static bool complete(const struct at_run *run, struct at_event *ev, bool named)
{
    fill_names(run, ev);
    if (!wants(run, ev->kind))
        return false;
    struct at_why why;
    if (!(named || known_names(run, ev) ? at_event_check_what(ev, NULL) : at_event_check(ev, NULL)))
        return true;
    why.text[0] = 0;
    if (!at_event_check(ev, run->check || run->watch ? &why : NULL))
        return true;
    note_unfit(run, &why);
    return false;
}

static enum at_err push(const struct at_run *run, const struct at_event *ev, bool own_time)
{
    enum at_err err = run->note(run->ctx, ev);
    return err ? err : at_hold_push(run->hold, ev, own_time);
}

static struct at_event blank(const struct at_run *run, int kind)
{
    return (struct at_event){.t_us = run->m->t_us,
                             .kind = (enum at_kind)kind,
                             .packet = run->m->packet,
                             .has = run->m->packet ? AT_HAS_PACKET : 0};
}

/* A nonsensical field spoils the event, not the recording. */
static enum at_err spoiled(const struct at_run *run, enum at_err err)
{
    static const char *const names[AT_FIELDS] = {
#define X(name, text) text,
        AT_FIELD_MAP(X)
#undef X
    };
    struct at_why why;
    if (err != AT_BAD)
        return err;
    at_fail(&why, err, "\"%s\" is not what it should be", names[run->nonsense]);
    note_unfit(run, &why);
    return AT_OK;
}

#define F(name) (1u << AT_FIELD_##name)
#define F_NAMES (F(APP) | F(USER) | F(PLATFORM) | F(STREAM))
#define F_ALL (F(APP) | F(USER) | F(PLATFORM) | F(STREAM) | F(T))

/* The fields that each kind of event has: a rule for several kinds may give more. */
static const uint32_t fields_of_kind[] = {
    [AT_KIND_START] = F_ALL | F(FRESH) | F(OBSERVES),
    [AT_KIND_CALL] = F_ALL | F(CALL) | F(API) | F(SCOPE) | F(ARGS),
    [AT_KIND_RETURN] = F_ALL | F(CALL) | F(ERR_MSG) | F(ERRNO) | F(AUTH_SETTING),
    [AT_KIND_PROMPT] = F_ALL | F(CALL) | F(SCOPE),
    [AT_KIND_DECISION] = F_ALL | F(SCOPE) | F(ANSWER),
    [AT_KIND_SETTINGS] = F_ALL | F(SCOPE) | F(GRANTED),
    [AT_KIND_SETTINGS_PAGE] = F_ALL | F(AUTH_SETTING),
    [AT_KIND_RESET] = F_ALL,
    [AT_KIND_GAP] = F_ALL | F(LOST_BYTES),
    [AT_KIND_END] = F_ALL,
};

static enum at_err fill(const struct at_run *run, const struct at_rule *r, const struct at_scene *s,
                        struct at_event *ev)
{
    const struct at_dialect *d = run->dialect;
    uint32_t wanted = ev->kind > AT_KIND_END || ev->kind == 0 ? UINT32_MAX : fields_of_kind[ev->kind];
    enum at_err err = at_fill_event(d->fields, d->given, s, ev);
    if (!err)
        err = at_fill_event(r->fields, r->given & wanted, s, ev);
    if (!err && ev->kind == AT_KIND_CALL && !at_str_eq(ev->api, AT_STR("authorize"))) {
        ev->scopes = NULL; /* other calls have a scope by the profile, not by what they say */
        ev->n_scopes = 0;
        ev->has &= ~(uint32_t)(AT_HAS_SCOPE | AT_HAS_SCOPE_ARRAY);
    }
    return err;
}

/* ---- Requests */

/* The part of the app that calls, where the rule tells; otherwise empty. */
static enum at_err part_of(const struct at_rule *r, const struct at_scene *s, struct at_str *out)
{
    struct at_found f = {0};
    enum at_err err = r->part ? at_value_get(r->part, s, &f) : AT_OK;
    *out = f.text.ptr && f.text.len <= 1024 ? f.text : (struct at_str){"", 0};
    return err;
}

static enum at_err pair_id(const struct at_value *v, const struct at_scene *s, struct at_str *id)
{
    struct at_found f = {0};
    enum at_err err = v ? at_value_get(v, s, &f) : AT_OK;
    *id = f.text.ptr && f.text.len <= 1024 ? f.text : (struct at_str){"", 0};
    return err;
}

/* A call's name on the stream: what the mapping says, else the request's id; told apart when an id is used again. */
static enum at_err name_call(const struct at_run *run, const struct at_pending *like, struct at_str *call)
{
    char room[64];
    struct at_str base = *call;
    if (!base.ptr && like->id.len)
        base = like->id;
    if (!base.ptr || like->uses > 1) {
        struct at_buf text = {0};
        enum at_err err = base.ptr ? at_buf_str(&text, base) : AT_OK;
        int n = base.ptr ? snprintf(room, sizeof room, "#%u", like->uses)
                         : snprintf(room, sizeof room, "x%llu", (unsigned long long)like->exchange);
        if (!err)
            err = at_buf_add(&text, room, (size_t)n);
        base = err ? base : at_arena_copy(run->arena, at_buf_view(&text));
        at_buf_free(&text);
        if (err || !base.ptr)
            return AT_NOMEM;
    }
    *call = base;
    return AT_OK;
}

static enum at_err forget(const struct at_run *run, struct at_pending *e)
{
    enum at_err err = at_hold_keep(run->hold, &e->ticket);
    at_pairs_remove(&run->state->pairs, e);
    return err;
}

static enum at_err remember(const struct at_run *run, struct at_pending *like, struct at_pending **out)
{
    struct at_pairs *pairs = &run->state->pairs;
    enum at_err err = at_pairs_add(pairs, like, out);
    struct at_pending *old;
    while (!err && (old = at_pairs_surplus(pairs))) {
        run->stats->forgotten += !old->answered;
        err = forget(run, old);
    }
    return err;
}

/* An event whose rule has `reply`: it may have to wait for the answer. */
static enum at_err request(const struct at_run *run, const struct at_rule *r, const struct at_scene *s,
                           struct at_event *ev)
{
    struct at_pending like = {
        .rule = r, .t_us = ev->t_us, .packet = ev->packet, .dir = run->m->dir, .exchange = run->m->exchange, .uses = 1};
    enum at_err err = pair_id(r->id ? r->id : run->dialect->id, s, &like.id);
    if (!err)
        err = part_of(r, s, &like.part);
    if (err || (!like.id.len && !like.exchange))
        return err; /* it cannot be paired: nobody waits for an answer */
    struct at_pending *before = at_pairs_before(&run->state->pairs, &like);
    if (before) {
        like.uses = before->uses + 1;
        err = forget(run, before);
    }
    bool is_call = r->makes == AT_KIND_CALL, known = !is_call || ev->api.ptr;
    if (!err && is_call)
        err = name_call(run, &like, &ev->call);
    bool made_up = false;
    if (!err && is_call && known)
        err = at_mock_holds(run, like.part, ev->api, &made_up);
    if (err || made_up)
        return err;
    ev->has |= is_call ? (uint32_t)AT_HAS_CALL : 0;
    like.call = ev->call;
    like.api = ev->api;
    struct at_event whole = *ev;
    whole.api = known ? ev->api : AT_STR("?"); /* only for the check below */
    no_later(run, &whole);
    bool fit = r->makes >= AT_RULE_COPY || complete(run, &whole, false);
    if (!fit && !is_call)
        return AT_OK;
    like.app = whole.app;
    like.user = whole.user;
    like.stream = whole.stream;
    like.platform = whole.platform;
    like.fit = fit;
    like.names_stay = run->names_stay && known_names(run, &whole);
    at_seen_other(run->last, &whole);
    if (!err && fit && known && is_call && !r->reply.has_drop_if)
        err = push(run, &whole, false);
    else if (!err && fit && r->makes < AT_RULE_COPY)
        err = run->note(run->ctx, &whole);
    struct at_pending *e = NULL;
    if (!err)
        err = remember(run, &like, &e);
    if (err || !fit || r->makes >= AT_RULE_COPY || (known && is_call && !r->reply.has_drop_if))
        return err;
    return at_hold_reserve(run->hold, like.t_us, known ? &whole : NULL, &e->ticket);
}

/* ---- Answers */

static void take_names(const struct at_pending *e, struct at_event *ev)
{
    ev->app = e->app;
    ev->user = e->user;
    ev->stream = e->stream;
    if (e->platform.ptr) {
        ev->platform = e->platform;
        ev->has |= AT_HAS_PLATFORM;
    }
}

/* The call, its API known only by the answer. *api stays absent where it is not known even now. */
static enum at_err late_call(const struct at_run *run, struct at_pending *e, const struct at_scene *s,
                             struct at_str *api)
{
    const struct at_reply *reply = &e->rule->reply;
    struct at_event ev = blank(run, AT_KIND_CALL);
    bool in_time = true;
    ev.t_us = e->t_us;
    ev.packet = e->packet;
    ev.call = e->call;
    ev.has |= AT_HAS_CALL;
    take_names(e, &ev);
    enum at_err err = at_fill_event(reply->fields, reply->given_fields & (F(API) | F(SCOPE)), s, &ev);
    if (err)
        return err;
    *api = ev.api;
    bool made_up = false;
    if (api->ptr)
        err = at_mock_holds(run, e->part, *api, &made_up);
    if (err)
        return err;
    if (!api->ptr || made_up) {
        *api = (struct at_str){0};
        return at_hold_settle(run->hold, &e->ticket, NULL, &in_time);
    }
    if (!at_str_eq(*api, AT_STR("authorize"))) {
        ev.n_scopes = 0;
        ev.has &= ~(uint32_t)(AT_HAS_SCOPE | AT_HAS_SCOPE_ARRAY);
    }
    no_later(run, &ev);
    if (!complete(run, &ev, e->fit))
        return at_hold_settle(run->hold, &e->ticket, NULL, &in_time);
    err = run->note(run->ctx, &ev);
    if (!err)
        err = at_hold_settle(run->hold, &e->ticket, &ev, &in_time);
    return err || in_time ? err : at_hold_push(run->hold, &ev, false);
}

static enum at_err answer_call(const struct at_run *run, struct at_pending *e, struct at_scene *s)
{
    const struct at_reply *reply = &e->rule->reply;
    uint32_t given = reply->given_fields & ~(F(API) | F(SCOPE));
    struct at_event ev = blank(run, AT_KIND_RETURN);
    struct at_str api = e->api;
    enum at_err err = AT_OK;
    if (!api.ptr && !e->answered) {
        err = late_call(run, e, s, &api);
        if (err || !api.ptr) {
            at_pairs_remove(&run->state->pairs, e);
            return err;
        }
        api = at_arena_copy(run->arena, api);
    } else if (e->ticket) {
        err = at_hold_keep(run->hold, &e->ticket);
    }
    if (api.ptr && !wants_authorization_list(api))
        given &= ~F(AUTH_SETTING);
    s->request_api = api;
    s->request_call = ev.call = e->call;
    ev.has |= AT_HAS_CALL;
    take_names(e, &ev);
    if (!err)
        err = spoiled(run, at_fill_event(reply->fields, given, s, &ev));
    ev.api = (struct at_str){0};
    at_pairs_answered(&run->state->pairs, e);
    at_seen_other(run->last, &ev);
    no_later(run, &ev);
    if (!err && complete(run, &ev, e->fit && !(given & F_NAMES)))
        err = push(run, &ev, false);
    return err;
}

static enum at_err answer(const struct at_run *run, struct at_pending *e, struct at_scene *s)
{
    const struct at_rule *r = e->rule;
    bool dropped = r->reply.has_drop_if && at_when_holds(&r->reply.drop_if, s), in_time;
    enum at_err err = AT_OK;
    if (r->makes == AT_KIND_CALL && !dropped)
        return answer_call(run, e, s);
    if (dropped && (r->makes == AT_RULE_MOCK || r->makes == AT_RULE_RESTORE))
        err = at_mock_set(run, e->part, e->api, r->makes == AT_RULE_RESTORE, &in_time); /* it failed: as it was */
    else if (dropped)
        err = at_hold_settle(run->hold, &e->ticket, NULL, &in_time);
    else
        err = at_hold_keep(run->hold, &e->ticket);
    at_pairs_remove(&run->state->pairs, e);
    return err;
}

static enum at_err find_request(const struct at_run *run, const struct at_scene *s, struct at_pending **out)
{
    const struct at_message *m = run->m;
    enum at_dir asked = m->dir == AT_DIR_CLIENT ? AT_DIR_SERVER : AT_DIR_CLIENT;
    struct at_str id;
    *out = run->answered;
    if (*out || !run->state->pairs.asked[asked])
        return AT_OK;
    enum at_err err = pair_id(run->dialect->reply_id, s, &id);
    if (err)
        return err;
    if (id.len || m->exchange)
        *out = at_pairs_find(&run->state->pairs, id, m->exchange, asked);
    if (!*out && !id.len && m->exchange)
        *out = at_pairs_of_exchange(&run->state->pairs, m->exchange, asked);
    return AT_OK;
}

/* ---- Rules */

/* The sender's clock; where the message as a whole tells, it is looked at once. */
static enum at_err set_back(const struct at_run *run, const struct at_value *clock, const struct at_scene *s,
                            struct at_event *ev)
{
    struct at_lead *lead = run->lead;
    enum at_err err = lead->clock == clock ? AT_OK : at_clock_lead(clock, s, &lead->us);
    lead->clock = clock->plain && clock->source == AT_FROM_ROOT ? clock : NULL;
    if (!err)
        at_set_back(ev, lead->us);
    return err;
}

/* An event that a rule gave at once, without an answer to wait for. */
static enum at_err report(const struct at_run *run, const struct at_rule *r, const struct at_scene *s,
                          struct at_event *ev, bool own_time)
{
    if (run->check) {
        run->check->events++;
        return AT_OK;
    }
    if (at_seen_again(run->seen, run->last, run->number, ev, own_time, run->m->t_us)) {
        run->stats->repeats++;
        return AT_OK;
    }
    enum at_err err = own_time && r->clock ? set_back(run, r->clock, s, ev) : AT_OK;
    no_later(run, ev);
    return err ? err : push(run, ev, own_time);
}

/* An item that is an event of authtape-events(5) itself; what it lacks is filled in. */
static enum at_err copy_event(const struct at_run *run, const struct at_rule *r, const struct at_scene *s)
{
    struct at_event names = blank(run, 0), ev;
    struct at_why why;
    if (s->doc->nodes[s->node].type != AT_J_OBJECT)
        return AT_OK;
    enum at_err err = fill(run, r, s, &names);
    if (err)
        return spoiled(run, err);
    fill_names(run, &names);
    why.text[0] = 0; /* all of it would have to be cleared for every event */
    err = at_event_from_doc(run->parser, s->doc, s->node, &names, &ev, run->check || run->watch ? &why : NULL);
    if (err == AT_BAD)
        note_unfit(run, &why);
    if (err)
        return err == AT_BAD ? AT_OK : err;
    if (!(ev.has & AT_HAS_PLATFORM) && run->names.platform.ptr) {
        ev.platform = run->names.platform;
        ev.has |= AT_HAS_PLATFORM;
    }
    if (!wants(run, ev.kind))
        return AT_OK;
    return report(run, r, s, &ev, r->fields[AT_FIELD_T] || at_event_had_time(run->parser));
}

static enum at_err kind_by_value(const struct at_rule *r, const struct at_scene *s, int *kind)
{
    struct at_found f;
    enum at_err err = at_value_get(r->kind, s, &f);
    *kind = f.text.ptr ? (int)at_kind_find(f.text) : 0;
    return err;
}

static enum at_err make_event(struct at_run *run, const struct at_rule *r, const struct at_scene *s)
{
    int kind = r->makes;
    enum at_err err = kind == AT_RULE_BY_VALUE ? kind_by_value(r, s, &kind) : AT_OK;
    if (err || kind == 0 || (run->check && (r->reply.given || kind > AT_RULE_COPY)))
        return err;
    run->scene = s;
    run->rule = r;
    if (run->watch)
        run->watch->rule(run->watch->ctx, run->m, r->place, NULL);
    if (!run->identified) {
        run->identified = true;
        err = run->identify(run->ctx, run->m, &run->names, &run->names_stay);
        if (err)
            return err;
    }
    if (kind == AT_RULE_COPY)
        return copy_event(run, r, s);
    struct at_event ev = blank(run, kind);
    err = fill(run, r, s, &ev);
    if (err)
        return spoiled(run, err);
    if (kind == AT_RULE_MOCK || kind == AT_RULE_RESTORE) {
        if (!ev.api.ptr)
            return AT_OK;
        struct at_str part;
        bool changed = false;
        err = part_of(r, s, &part);
        if (!err)
            err = at_mock_set(run, part, ev.api, kind == AT_RULE_MOCK, &changed);
        return err || !changed || !r->reply.given ? err : request(run, r, s, &ev);
    }
    if (r->reply.given)
        return request(run, r, s, &ev);
    if (kind == AT_KIND_CALL && ev.api.ptr) {
        struct at_str part;
        bool made_up = false;
        err = part_of(r, s, &part);
        if (!err)
            err = at_mock_holds(run, part, ev.api, &made_up);
        if (err || made_up)
            return err;
    }
    bool own_time = r->fields[AT_FIELD_T] || run->dialect->fields[AT_FIELD_T];
    return complete(run, &ev, false) ? report(run, r, s, &ev, own_time) : AT_OK;
}

bool at_rule_concerns(const struct at_rule *r, const struct at_message *m)
{
    return (m->dir == AT_DIR_CLIENT ? r->from_client : r->from_server) &&
           (m->proto == AT_PROTO_HTTP ? r->http : r->websocket) &&
           (!r->path.ptr || (m->stream->target.ptr && at_str_starts(at_target_path(m->stream->target), r->path)));
}

/* Walks the steps from the scene's item; every item reached is given to `each`. */
struct walk {
    struct at_run *run;
    const struct at_step *steps;
    size_t n_steps;
    enum at_err (*each)(const struct walk *w, struct at_scene *s);
    const struct at_rule *rules;
    size_t n_rules;
};

static enum at_err walk(const struct walk *w, size_t step, struct at_scene s)
{
    if (step == w->n_steps)
        return w->each(w, &s);
    uint32_t from = s.node;
    enum at_err err = AT_OK;
    struct at_str text;
    switch (w->steps[step].op) {
    case AT_STEP_GO:
        s.node = at_scene_find(&s, &w->steps[step].ptr);
        return s.node == AT_NO_NODE ? AT_OK : walk(w, step + 1, s);
    case AT_STEP_EACH:
        if (s.doc->nodes[from].type != AT_J_ARRAY)
            return walk(w, step + 1, s);
        for (uint32_t i = from + 1; i < s.doc->nodes[from].next && !err; i = s.doc->nodes[i].next) {
            s.node = i;
            err = walk(w, step + 1, s);
        }
        return err;
    case AT_STEP_JSON:
        break;
    }
    if (s.doc->nodes[from].type != AT_J_STRING)
        return walk(w, step + 1, s);
    uint32_t used = s.docs->used;
    struct at_arena_mark mark = at_arena_mark(s.arena);
    err = at_doc_text(s.doc, from, s.arena, &text);
    if (!err)
        err = at_docs_take(s.docs, text, &s.doc);
    s.node = 0;
    at_finder_begin(s.finder, w->run->dialect);
    if (!err && s.doc)
        err = walk(w, step + 1, s);
    at_finder_begin(s.finder, w->run->dialect);
    s.docs->used = used;
    at_arena_release(s.arena, mark);
    return err;
}

static enum at_err apply_rules(struct at_run *run, const struct at_rule *rules, size_t n, struct at_scene *s);

static enum at_err each_of_rule(const struct walk *w, struct at_scene *s)
{
    const struct at_rule *r = w->rules;
    return r->n_rules ? apply_rules(w->run, r->rules, r->n_rules, s) : make_event(w->run, r, s);
}

static enum at_err apply_rules(struct at_run *run, const struct at_rule *rules, size_t n, struct at_scene *s)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < n && !err; i++) {
        const struct at_rule *r = &rules[i];
        if (!(run->m->dir == AT_DIR_CLIENT ? r->from_client : r->from_server) ||
            (r->key && !(r->key_texts >> at_scene_number(s, r->key) & 1)) || !at_rule_concerns(r, run->m))
            continue;
        uint32_t used = s->docs->used;
        struct at_arena_mark mark = at_arena_mark(s->arena);
        if (r->key_is_all || at_when_holds(&r->when, s)) {
            struct walk w = {run, r->steps, r->n_steps, each_of_rule, r, 1};
            err = r->n_steps ? walk(&w, 0, *s) : each_of_rule(&w, s);
        }
        s->docs->used = used;
        at_arena_release(s->arena, mark);
    }
    return err;
}

static enum at_err each_of_message(const struct walk *w, struct at_scene *s)
{
    struct at_pending *e = NULL;
    enum at_err err = w->run->check ? AT_OK : find_request(w->run, s, &e);
    if (!err && e) {
        w->run->rule = e->rule;
        err = answer(w->run, e, s);
    }
    return err ? err : apply_rules(w->run, w->rules, w->n_rules, s);
}

enum at_err at_run_message(struct at_run *run, const struct at_message *m, const struct at_doc *doc)
{
    const struct at_dialect *d = run->dialect;
    struct at_scene s = {.finder = run->finder,
                         .keep_args = run->keep_args,
                         .nonsense = &run->nonsense,
                         .m = m,
                         .doc = doc,
                         .root = doc,
                         .apis = run->apis,
                         .arena = run->arena,
                         .docs = run->docs};
    struct walk w = {run, d->steps, d->n_steps, each_of_message, d->rules, d->n_rules};
    run->m = m;
    *run->lead = (struct at_lead){0};
    at_finder_begin(run->finder, d);
    return walk(&w, 0, s);
}

void at_dialect_state_free(struct at_dialect_state *state, struct at_hold *hold)
{
    struct at_pending *e;
    while ((e = at_pairs_any(&state->pairs))) {
        if (hold)
            at_hold_forget(hold, &e->ticket);
        at_pairs_remove(&state->pairs, e);
    }
    for (size_t i = 0; i < state->n_mocked; i++)
        free((void *)(uintptr_t)state->mocked[i].ptr);
    free(state->mocked);
    *state = (struct at_dialect_state){0};
}
