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
        err = rd_waited_in_vain(d, s->conn, now_us);
    }
    if (!r->command_done)
        wake_at(r, r->command_deadline_us);
    *over = r->command_done;
    return err;
}

/* A tap on the dialog. */
static enum at_err tap(struct rd_driver *d, struct runner *r, uint32_t conn, enum at_answer answer, int64_t now_us)
{
    struct rd_values v = rd_values_of(d, r);
    const struct at_event ev = {.kind = AT_KIND_DECISION, .answer = answer};
    return rd_send_command(d, r, conn, rd_command_of(answer), &v, &ev, now_us);
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
            return rd_note(d, r, "no prompt came up for the recorded decision", s->event);
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
    return tap(d, r, rd_conn_of(d, r, s->stream), s->answer, now_us);
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
    uint32_t conn = rd_conn_of(d, r, c->stream);
    struct rd_values v = rd_values_of(d, r);
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
        return result->fate == RD_UNANSWERED ? rd_waited_in_vain(d, conn, now_us) : AT_OK;
    }
    wake_at(r, r->deadline_us);
    if (c->kind == AT_API_OPEN_SETTING && rd_commands_have(d->commands, RD_CLOSE_PAGE) && !r->page_closed) {
        r->page_closed = true;
        return rd_send_command(d, r, conn, RD_CLOSE_PAGE, &v, NULL, now_us);
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
            err = rd_note(d, r, s->kind == RD_STEP_RESET ? "the target did not reset" : "the target did not flip",
                          s->event);
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
    struct rd_values v = rd_values_of(d, r);
    v.scope = s->scope;
    v.granted = s->granted;
    struct at_event ev = {.kind = s->kind == RD_STEP_RESET ? AT_KIND_RESET : AT_KIND_SETTINGS,
                          .has = s->kind == RD_STEP_RESET ? 0 : AT_HAS_SCOPE,
                          .scopes = &v.scope,
                          .n_scopes = s->kind == RD_STEP_RESET ? 0 : 1,
                          .granted = s->granted};
    bool happens = list[r->part] == RD_SETTINGS || list[r->part] == RD_RESET;
    return rd_send_command(d, r, rd_conn_of(d, r, s->stream), list[r->part], &v, happens ? &ev : NULL, now_us);
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
    uint32_t conn = rd_conn_of(d, r, s->stream);
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
        err = rd_ready(d, conn, now_us, &usable);
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
        return rd_send_call(d, r, conn, s->call, now_us);
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
        err = rd_end_stream(d, c, now_us);
        c->state = CONN_CLOSED;
        rd_forget_questions(d, number);
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
    enum at_err err = r->command ? AT_OK : rd_ready(d, rd_conn_of(d, r, stream), now_us, &usable);
    const struct conn *c = &d->conns[rd_conn_of(d, r, stream)];
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
            err = rd_lose(d, i,
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
