/*
 * redrive_drive.c: goes through the steps of every user. Pure: it is told what the target says and what time it is.
 *
 * The steps of one user are done in the order of the recording: a step that came after an answer waits for that answer,
 * calls that overlapped overlap again. Users go side by side. Whatever the target does, every wait has an end.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/redrive_drive.h"

#define FIRST_RETRY_US 20000 /* a tap came before its dialog: again after this long, then after twice as long … */
#define LAST_RETRY_US 200000 /* … at most */
#define SILENT_MAX 3         /* waits in vain, one after the other, before a connection counts as lost */
#define RECONNECT_US 100000  /* before a lost connection is tried again; doubled each time */

/* ---- Sending */

static struct rd_values values_of(const struct rd_driver *d, const struct runner *r)
{
    const struct rd_key *k = &d->plan->keys[r->key];
    return (struct rd_values){.app = k->app, .user = r->user, .platform = k->platform};
}

static enum at_err send_text(struct rd_driver *d, uint32_t conn, struct sent *about)
{
    enum at_err err = rd_grow((void **)&d->sent, &d->cap_sent, d->n_sent, sizeof *d->sent);
    if (err)
        return err;
    about->conn = conn;
    d->sent[d->n_sent++] = *about;
    d->counts.sent++;
    return d->actions.send(d->actions.net, conn, at_buf_view(&d->scratch));
}

/* The id that the next message gets: its number in `sent`, plus 1. */
static uint64_t next_id(const struct rd_driver *d)
{
    return d->n_sent + 1;
}

static enum at_err send_hello(struct rd_driver *d, uint32_t conn)
{
    struct sent s = {.kind = SENT_HELLO, .runner = d->conns[conn].runner};
    d->scratch.len = 0;
    enum at_err err = at_buf_printf(&d->scratch, "{\"id\":\"authtape-%llu\",\"method\":\"Tool.getInfo\",\"params\":{}}",
                                    (unsigned long long)next_id(d));
    return err ? err : send_text(d, conn, &s);
}

/* Gives a command; `ev` (may be NULL) is what it makes happen, unless the target answers with an error. */
static enum at_err send_command(struct rd_driver *d, struct runner *r, uint32_t conn, enum rd_command which,
                                struct rd_values *v, const struct at_event *ev, int64_t now_us)
{
    struct sent s = {.kind = SENT_COMMAND, .runner = (uint32_t)(r - d->runners), .command = which};
    d->scratch.len = 0;
    enum at_err err = rd_command_message(d->commands, which, v, next_id(d), &d->scratch);
    if (!err && ev)
        err = rd_queue_event(d, &d->conns[conn], ev, now_us, true, &s.slot);
    if (err)
        return err;
    r->command = next_id(d);
    r->command_done = false;
    r->command_deadline_us = now_us + d->limits.timeout_us;
    return send_text(d, conn, &s);
}

static enum at_err send_call(struct rd_driver *d, struct runner *r, uint32_t conn, uint32_t call, int64_t now_us)
{
    const struct rd_call *c = &d->plan->calls[call];
    struct rd_values v = values_of(d, r);
    struct sent s = {.kind = SENT_CALL, .runner = (uint32_t)(r - d->runners), .call = call};
    struct at_event ev = {.kind = AT_KIND_CALL,
                          .has = AT_HAS_CALL | (c->call->has & (AT_HAS_SCOPE | AT_HAS_SCOPE_ARRAY)),
                          .api = c->call->api,
                          .scopes = c->call->scopes,
                          .n_scopes = c->call->n_scopes};
    char id[40];
    struct at_buf args = {0}, extra = {0};
    struct at_str kept = c->call->extra.ptr ? at_json_member(c->call->extra, "args") : (struct at_str){0};
    enum at_err err = rd_call_args(c->call, &args);
    v.api = c->call->api;
    v.args = at_buf_view(&args);
    d->scratch.len = 0;
    if (!err)
        err = rd_call_message(d->commands, &v, next_id(d), &d->scratch);
    at_buf_free(&args);
    if (!err && kept.ptr) /* so that the new tape can be driven again too */
        err = at_buf_printf(&extra, "{\"args\":%.*s}", AT_STR_FMT(kept));
    if (extra.len)
        ev.extra = at_buf_view(&extra);
    snprintf(id, sizeof id, "authtape-%llu", (unsigned long long)next_id(d));
    ev.call = at_str(id);
    struct rd_result *result = rd_result_of(d, r, call);
    if (!err)
        err = rd_queue_event(d, &d->conns[conn], &ev, now_us, false, &s.slot);
    at_buf_free(&extra);
    if (err)
        return err;
    result->fate = RD_UNANSWERED;
    result->id = next_id(d);
    r->unanswered++;
    return send_text(d, conn, &s);
}

static enum at_err note(struct rd_driver *d, const struct runner *r, const char *what, uint64_t event)
{
    char text[400];
    snprintf(text, sizeof text, "user %.*s, at #%llu of the recording: %s",
             (int)(r->user.len < 100 ? r->user.len : 100), r->user.ptr, (unsigned long long)event, what);
    return d->actions.note ? d->actions.note(d->actions.ctx, text) : AT_OK;
}

/* ---- Connections */

static uint32_t conn_of(const struct rd_driver *d, const struct runner *r, uint32_t stream)
{
    return r->first_conn + d->place_in_key[stream];
}

/* True when the connection can be used; else it is seen to that it will be, or it is given up (`failed`). */
static enum at_err ready(struct rd_driver *d, uint32_t number, int64_t now_us, bool *yes)
{
    struct conn *c = &d->conns[number];
    *yes = c->state == CONN_READY;
    if (c->state != CONN_CLOSED || now_us < c->retry_us)
        return AT_OK;
    struct runner *r = &d->runners[c->runner];
    struct rd_values v = values_of(d, r);
    d->scratch.len = 0;
    enum at_err err = rd_address(d->target, &v, &d->scratch);
    c->state = CONN_OPENING;
    c->deadline_us = now_us + d->limits.timeout_us;
    d->counts.connections++;
    d->counts.reconnects += c->tries > 0;
    return err ? err : d->actions.open(d->actions.net, number, at_buf_view(&d->scratch));
}

/* The connection is gone: what was asked on it will not be answered. */
static void forget_questions(struct rd_driver *d, uint32_t conn)
{
    for (size_t i = d->conns[conn].first_sent; i < d->n_sent; i++) {
        struct sent *s = &d->sent[i];
        struct runner *r = &d->runners[s->runner];
        if (s->conn != conn || s->answered || s->lost)
            continue;
        s->lost = true;
        if (s->kind == SENT_CALL)
            r->unanswered--;
        if (s->kind == SENT_COMMAND && r->command == i + 1) {
            r->command_done = true;
            r->command_failed = true;
        }
        if (s->kind == SENT_COMMAND && s->slot)
            rd_settle_slot(d, s->slot, true);
    }
}

static enum at_err end_stream(struct rd_driver *d, struct conn *c, int64_t now_us)
{
    const struct at_event ev = {.kind = AT_KIND_END};
    uint64_t slot;
    bool began = c->began;
    c->began = false;
    return began ? rd_queue_event(d, c, &ev, now_us, false, &slot) : AT_OK;
}

static enum at_err lose(struct rd_driver *d, uint32_t number, const char *why, int64_t now_us)
{
    struct conn *c = &d->conns[number];
    struct runner *r = &d->runners[c->runner];
    char text[200];
    bool wanted = r->phase != RUNNER_DONE;
    if (c->state == CONN_CLOSED || c->state == CONN_FAILED)
        return AT_OK;
    bool was_ready = c->state == CONN_READY;
    c->state = CONN_CLOSED;
    forget_questions(d, number);
    enum at_err err = end_stream(d, c, now_us);
    if (err || !wanted)
        return err;
    if (c->tries >= d->limits.retries) {
        c->state = CONN_FAILED;
        snprintf(text, sizeof text, "%s; given up after %u tries", why, c->tries + 1);
        d->counts.failed++;
        return note(d, r, text, rd_event_of(d, r));
    }
    c->retry_us = now_us + (RECONNECT_US << (c->tries < 6 ? c->tries : 6));
    c->tries++;
    return was_ready ? note(d, r, why, rd_event_of(d, r)) : AT_OK;
}

enum at_err rd_opened(struct rd_driver *d, uint32_t number, struct at_str stream, int64_t now_us)
{
    struct conn *c = &d->conns[number];
    if (c->state != CONN_OPENING)
        return AT_OK;
    d->now_us = now_us;
    c->state = CONN_GREETING;
    c->deadline_us = now_us + d->limits.timeout_us;
    c->first_sent = d->n_sent;
    enum at_err err = rd_name_stream(c, stream);
    return err ? err : send_hello(d, number);
}

enum at_err rd_closed(struct rd_driver *d, uint32_t number, const char *why, int64_t now_us)
{
    d->now_us = now_us;
    return lose(d, number, why, now_us);
}

static enum at_err greeted(struct rd_driver *d, uint32_t number, int64_t now_us)
{
    struct conn *c = &d->conns[number];
    uint64_t slot;
    const struct at_event ev = {.kind = AT_KIND_START,
                                .has = AT_HAS_FRESH | AT_HAS_OBSERVES,
                                .observes = {AT_SEES_DECISIONS, AT_SEES_SETTINGS, AT_SEES_RESETS},
                                .n_observes = 3};
    c->state = CONN_READY;
    c->silent = 0;
    c->began = true;
    return rd_queue_event(d, c, &ev, now_us, false, &slot);
}

/* A wait on the connection was in vain; after several in a row nobody is there. */
static enum at_err waited_in_vain(struct rd_driver *d, uint32_t number, int64_t now_us)
{
    if (d->conns[number].state != CONN_READY || ++d->conns[number].silent < SILENT_MAX)
        return AT_OK;
    enum at_err err = d->actions.close(d->actions.net, number);
    return err ? err : lose(d, number, "the target does not answer any more", now_us);
}

/* ---- Answers */

static enum at_err call_answered(struct rd_driver *d, struct sent *s, const struct rd_answer *a, int64_t now_us)
{
    struct runner *r = &d->runners[s->runner];
    struct rd_result *result = rd_result_of(d, r, s->call);
    struct at_event ev = a->ev;
    char id[40];
    uint64_t slot;
    snprintf(id, sizeof id, "authtape-%llu", (unsigned long long)(s - d->sent) + 1);
    ev.call = at_str(id);
    if (!s->answered && !s->lost)
        r->unanswered--;
    s->answered = true;
    d->conns[s->conn].silent = 0;
    enum at_err err = rd_queue_event(d, &d->conns[s->conn], &ev, now_us, false, &slot);
    if (err == AT_BAD) { /* not an answer that an event could hold */
        d->counts.garbage++;
        return AT_OK;
    }
    if (!err && result->fate != RD_ANSWERED) {
        result->fate = RD_ANSWERED;
        result->ret = at_event_clone(&ev);
        err = result->ret ? AT_OK : AT_NOMEM;
    }
    return err;
}

static void command_answered(struct rd_driver *d, struct sent *s, size_t number, bool failed)
{
    struct runner *r = &d->runners[s->runner];
    if (s->answered || s->lost)
        return;
    s->answered = true;
    d->conns[s->conn].silent = 0;
    if (s->slot)
        rd_settle_slot(d, s->slot, !failed);
    if (r->command == number + 1) {
        r->command_done = true;
        r->command_failed = failed;
    }
}

enum at_err rd_message(struct rd_driver *d, uint32_t number, struct at_str text, int64_t now_us)
{
    struct rd_answer a = {0};
    d->now_us = now_us;
    d->counts.received++;
    enum at_err err = rd_answer_read(text, &a);
    if (err == AT_BAD) {
        d->counts.garbage++;
        return AT_OK;
    }
    if (err)
        return err;
    struct sent *s = a.id && a.id <= d->n_sent ? &d->sent[a.id - 1] : NULL;
    if (!s || s->conn != number)
        d->counts.unknown += a.has_id;
    else if (s->kind == SENT_HELLO) {
        s->answered = true;
        if (d->conns[number].state == CONN_GREETING)
            err = greeted(d, number, now_us);
    } else if (s->kind == SENT_COMMAND)
        command_answered(d, s, a.id - 1, a.failed);
    else if (!(err = rd_answer_name(&a, d->plan->calls[s->call].call->api)))
        err = call_answered(d, s, &a, now_us);
    rd_answer_free(&a);
    return err;
}

/* ---- Steps */

enum progress { WAITS, GOES_ON };

/* When the runner has to be looked at again, at the latest. */
static void wake_at(struct runner *r, int64_t t_us)
{
    if (t_us < r->wake_us)
        r->wake_us = t_us;
}

/* *over: the command given last was answered, or has waited too long. */
static enum at_err command_over(struct rd_driver *d, struct runner *r, int64_t now_us, bool *over)
{
    enum at_err err = AT_OK;
    if (!r->command_done && now_us >= r->command_deadline_us) {
        struct sent *s = &d->sent[r->command - 1];
        s->lost = true;
        if (s->slot)
            rd_settle_slot(d, s->slot, true); /* it may well have been done */
        r->command_done = true;
        r->command_failed = true;
        err = waited_in_vain(d, s->conn, now_us);
    }
    if (!r->command_done)
        wake_at(r, r->command_deadline_us);
    *over = r->command_done;
    return err;
}

/* A tap on the dialog. */
static enum at_err tap(struct rd_driver *d, struct runner *r, uint32_t conn, enum at_answer answer, int64_t now_us)
{
    struct rd_values v = values_of(d, r);
    const struct at_event ev = {.kind = AT_KIND_DECISION, .answer = answer};
    return send_command(d, r, conn, rd_command_of(answer), &v, &ev, now_us);
}

static enum at_err step_decide(struct rd_driver *d, struct runner *r, const struct rd_step *s, int64_t now_us,
                               enum progress *p)
{
    if (r->command) {
        bool over;
        enum at_err err = command_over(d, r, now_us, &over);
        if (err || !over)
            return err;
        r->command = 0;
        if (!r->command_failed) {
            *p = GOES_ON;
            return AT_OK;
        }
        if (r->unanswered == 0 || now_us >= r->deadline_us) {
            *p = GOES_ON;
            d->counts.missed_decisions++;
            return note(d, r, "no prompt came up for the recorded decision", s->event);
        }
        r->retry_us = now_us + r->pause_us;
        r->pause_us = r->pause_us * 2 < LAST_RETRY_US ? r->pause_us * 2 : LAST_RETRY_US;
    }
    if (!rd_commands_have(d->commands, rd_command_of(s->answer))) {
        *p = GOES_ON;
        d->counts.not_driven++;
        return AT_OK;
    }
    if (now_us < r->retry_us) {
        wake_at(r, r->retry_us);
        return AT_OK;
    }
    return tap(d, r, conn_of(d, r, s->stream), s->answer, now_us);
}

/* Which answer leads to what the recording had. */
static enum at_answer answer_for(const struct rd_driver *d, const struct rd_call *c)
{
    struct at_outcome o = {.cls = AT_CLASS_DENIED};
    if (c->ret)
        o = at_profile_outcome(d->profile, c->ret->err_msg, c->ret->has & AT_HAS_ERRNO, c->ret->err_no);
    if (o.cls == AT_CLASS_OK)
        return AT_ANSWER_ALLOW;
    return o.cls == AT_CLASS_DISMISSED && rd_commands_have(d->commands, RD_DISMISS) ? AT_ANSWER_DISMISS
                                                                                    : AT_ANSWER_DENY;
}

/* Waits for the answer of a call. Where it does not come, a prompt may be up that the recording did not have. */
static enum at_err step_await(struct rd_driver *d, struct runner *r, const struct rd_step *s, int64_t now_us,
                              enum progress *p)
{
    const struct rd_call *c = &d->plan->calls[s->call];
    const struct rd_result *result = rd_result_of(d, r, s->call);
    uint32_t conn = conn_of(d, r, c->stream);
    struct rd_values v = values_of(d, r);
    if (r->command) {
        bool over;
        enum at_err err = command_over(d, r, now_us, &over);
        if (err || !over)
            return err;
        if (!r->command_failed && d->sent[r->command - 1].slot)
            d->counts.extra_prompts++;
        r->command = 0;
        r->retry_us = now_us + d->limits.patience_us;
    }
    if (result->fate != RD_UNANSWERED || d->sent[result->id - 1].lost || now_us >= r->deadline_us) {
        *p = GOES_ON;
        return result->fate == RD_UNANSWERED ? waited_in_vain(d, conn, now_us) : AT_OK;
    }
    wake_at(r, r->deadline_us);
    if (c->kind == AT_API_OPEN_SETTING && rd_commands_have(d->commands, RD_CLOSE_PAGE) && !r->page_closed) {
        r->page_closed = true;
        return send_command(d, r, conn, RD_CLOSE_PAGE, &v, NULL, now_us);
    }
    enum at_answer answer = answer_for(d, c);
    if ((c->kind != AT_API_GATED && c->kind != AT_API_AUTHORIZE) ||
        !rd_commands_have(d->commands, rd_command_of(answer)))
        return AT_OK;
    if (now_us >= r->retry_us)
        return tap(d, r, conn, answer, now_us);
    wake_at(r, r->retry_us);
    return AT_OK;
}

/* A reset, or a flip: where no settings page is open, one is opened for it and closed again. */
static enum at_err step_command(struct rd_driver *d, struct runner *r, const struct rd_step *s, int64_t now_us,
                                enum progress *p)
{
    static const enum rd_command flip_alone[] = {RD_OPEN_PAGE, RD_SETTINGS, RD_CLOSE_PAGE};
    static const enum rd_command flip_on_page[] = {RD_SETTINGS}, reset[] = {RD_RESET};
    const enum rd_command *list = s->kind == RD_STEP_RESET ? reset : s->on_page ? flip_on_page : flip_alone;
    size_t n = list == flip_alone ? 3 : 1;
    if (r->command) {
        bool over;
        enum at_err err = command_over(d, r, now_us, &over);
        if (err || !over)
            return err;
        r->command = 0;
        if (r->command_failed) {
            d->counts.refused++;
            err =
                note(d, r, s->kind == RD_STEP_RESET ? "the target did not reset" : "the target did not flip", s->event);
            if (err)
                return err;
        }
        r->part++;
    }
    while (r->part < n && !rd_commands_have(d->commands, list[r->part])) {
        d->counts.not_driven += list[r->part] != RD_OPEN_PAGE && list[r->part] != RD_CLOSE_PAGE;
        r->part++;
    }
    if (r->part >= n) {
        *p = GOES_ON;
        return AT_OK;
    }
    struct rd_values v = values_of(d, r);
    v.scope = s->scope;
    v.granted = s->granted;
    struct at_event ev = {.kind = s->kind == RD_STEP_RESET ? AT_KIND_RESET : AT_KIND_SETTINGS,
                          .has = s->kind == RD_STEP_RESET ? 0 : AT_HAS_SCOPE,
                          .scopes = &v.scope,
                          .n_scopes = s->kind == RD_STEP_RESET ? 0 : 1,
                          .granted = s->granted};
    bool happens = list[r->part] == RD_SETTINGS || list[r->part] == RD_RESET;
    return send_command(d, r, conn_of(d, r, s->stream), list[r->part], &v, happens ? &ev : NULL, now_us);
}

static int64_t due_us(const struct rd_driver *d, const struct runner *r, const struct rd_step *s)
{
    if (d->limits.speed <= 0)
        return r->base_us;
    return r->base_us + (int64_t)((double)(s->t_us - d->plan->first_us) / d->limits.speed);
}

/* What a step needs to begin with is set once. */
static void begin_step(struct rd_driver *d, struct runner *r, int64_t now_us)
{
    r->begun = true;
    r->command = 0;
    r->part = 0;
    r->page_closed = false;
    r->deadline_us = now_us + d->limits.timeout_us;
    r->pause_us = FIRST_RETRY_US;
    r->retry_us = d->plan->keys[r->key].steps[r->at].kind == RD_STEP_AWAIT ? now_us + d->limits.patience_us : now_us;
}

static enum at_err do_step(struct rd_driver *d, struct runner *r, int64_t now_us, enum progress *p)
{
    const struct rd_step *s = &d->plan->keys[r->key].steps[r->at];
    uint32_t conn = conn_of(d, r, s->stream);
    bool usable;
    enum at_err err = AT_OK;
    if (s->kind == RD_STEP_AWAIT) {
        if (!r->begun)
            begin_step(d, r, now_us);
        return step_await(d, r, s, now_us, p);
    }
    int64_t due = due_us(d, r, s);
    if (now_us < due) {
        wake_at(r, due);
        return AT_OK;
    }
    if (!r->command)
        err = ready(d, conn, now_us, &usable);
    else
        usable = true;
    if (err || !usable) {
        wake_at(r, d->conns[conn].state == CONN_CLOSED ? d->conns[conn].retry_us : d->conns[conn].deadline_us);
        if (d->conns[conn].state == CONN_FAILED) {
            d->counts.not_driven++;
            *p = GOES_ON;
        }
        return err;
    }
    if (!r->begun)
        begin_step(d, r, now_us);
    switch (s->kind) {
    case RD_STEP_CALL:
        *p = GOES_ON;
        return send_call(d, r, conn, s->call, now_us);
    case RD_STEP_DECIDE:
        return step_decide(d, r, s, now_us, p);
    case RD_STEP_FLIP:
    case RD_STEP_RESET:
    case RD_STEP_AWAIT:
    default:
        return step_command(d, r, s, now_us, p);
    }
}

/* ---- Runners */

static enum at_err close_all(struct rd_driver *d, struct runner *r, int64_t now_us)
{
    enum at_err err = AT_OK;
    r->phase = RUNNER_DONE;
    d->running--;
    for (uint32_t i = 0; i < d->streams_of[r->key] && !err; i++) {
        uint32_t number = r->first_conn + i;
        struct conn *c = &d->conns[number];
        if (c->state == CONN_CLOSED || c->state == CONN_FAILED)
            continue;
        err = end_stream(d, c, now_us);
        c->state = CONN_CLOSED;
        forget_questions(d, number);
        if (!err)
            err = d->actions.close(d->actions.net, number);
    }
    return err;
}

/* The first reset, so that the target knows nothing of the user, as the recording's first prompts tell. */
static enum at_err first_reset(struct rd_driver *d, struct runner *r, int64_t now_us)
{
    static const struct rd_step reset = {.kind = RD_STEP_RESET};
    uint32_t stream = d->plan->keys[r->key].first_stream;
    struct rd_step s = reset;
    enum progress p = WAITS;
    bool usable = true;
    s.stream = stream;
    enum at_err err = r->command ? AT_OK : ready(d, conn_of(d, r, stream), now_us, &usable);
    const struct conn *c = &d->conns[conn_of(d, r, stream)];
    if (!err && c->state == CONN_FAILED) {
        d->counts.not_driven += d->plan->keys[r->key].n_steps;
        return close_all(d, r, now_us);
    }
    if (err || !usable) {
        wake_at(r, c->state == CONN_CLOSED ? c->retry_us : c->deadline_us);
        return err;
    }
    if (d->limits.keep_state)
        p = GOES_ON;
    else
        err = step_command(d, r, &s, now_us, &p);
    if (!err && p == GOES_ON) {
        r->phase = RUNNER_STEPS;
        r->base_us = now_us;
        r->begun = false;
        wake_at(r, now_us);
    }
    return err;
}

static enum at_err advance(struct rd_driver *d, struct runner *r, int64_t now_us)
{
    enum at_err err = AT_OK;
    enum progress p = GOES_ON;
    r->wake_us = INT64_MAX;
    if (r->phase == RUNNER_RESET)
        err = first_reset(d, r, now_us);
    while (!err && r->phase == RUNNER_STEPS && p == GOES_ON) {
        if (r->at == d->plan->keys[r->key].n_steps) {
            r->phase = RUNNER_LAST;
            r->deadline_us = now_us + d->limits.patience_us;
            break;
        }
        p = WAITS;
        err = do_step(d, r, now_us, &p);
        if (!err && p == GOES_ON) {
            r->at++;
            r->begun = false;
            r->command = 0;
        }
    }
    if (!err && r->phase == RUNNER_LAST) {
        if (r->unanswered == 0 || now_us >= r->deadline_us)
            err = close_all(d, r, now_us);
        else
            wake_at(r, r->deadline_us);
    }
    return err;
}

enum at_err rd_tick(struct rd_driver *d, int64_t now_us, int64_t *next_us)
{
    enum at_err err = AT_OK;
    d->now_us = now_us;
    *next_us = INT64_MAX;
    for (uint32_t i = 0; i < d->n_conns && !err; i++) {
        struct conn *c = &d->conns[i];
        if ((c->state != CONN_OPENING && c->state != CONN_GREETING) || now_us < c->deadline_us)
            continue;
        bool opening = c->state == CONN_OPENING;
        err = d->actions.close(d->actions.net, i);
        if (!err)
            err = lose(d, i,
                       opening ? "the target did not accept the connection in time"
                               : "the target did not answer Tool.getInfo: not an automation port?",
                       now_us);
    }
    for (uint32_t i = 0; i < d->n_runners && !err; i++) {
        struct runner *r = &d->runners[i];
        if (r->phase == RUNNER_DONE)
            continue;
        err = advance(d, r, now_us);
        if (r->phase != RUNNER_DONE && r->wake_us < *next_us)
            *next_us = r->wake_us;
    }
    if (!err)
        err = rd_flush_events(d);
    if (d->running && *next_us == INT64_MAX)
        *next_us = now_us + d->limits.timeout_us;
    return err;
}

enum at_err rd_stop(struct rd_driver *d, int64_t now_us)
{
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < d->n_runners && !err; i++) {
        struct runner *r = &d->runners[i];
        if (r->phase == RUNNER_DONE)
            continue;
        d->counts.not_driven += d->plan->keys[r->key].n_steps - r->at;
        err = close_all(d, r, now_us);
    }
    return err ? err : rd_flush_events(d);
}
