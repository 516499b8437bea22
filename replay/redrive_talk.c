/*
 * redrive_talk.c: what is said to the target and what it says: its connections, the messages that are sent, the
 * answers. Pure: it is told what comes in and what time it is.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/redrive_drive.h"

#define SILENT_MAX 3        /* waits in vain, one after the other, before a connection counts as lost */
#define RECONNECT_US 100000 /* before a lost connection is tried again; doubled each time */

/* ---- Sending */

struct rd_values rd_values_of(const struct rd_driver *d, const struct runner *r)
{
    const struct rd_key *k = &d->plan->keys[r->key];
    return (struct rd_values){.app = k->app, .user = r->user, .platform = k->platform};
}

static enum at_err send_text(struct rd_driver *d, uint32_t conn, struct sent *about)
{
    enum at_err err = at_grow((void **)&d->sent, &d->cap_sent, d->n_sent + 1, sizeof *d->sent);
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

enum at_err rd_send_command(struct rd_driver *d, struct runner *r, uint32_t conn, enum rd_command which,
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

enum at_err rd_send_call(struct rd_driver *d, struct runner *r, uint32_t conn, uint32_t call, int64_t now_us)
{
    const struct rd_call *c = &d->plan->calls[call];
    struct rd_values v = rd_values_of(d, r);
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

enum at_err rd_note(struct rd_driver *d, const struct runner *r, const char *what, uint64_t event)
{
    char text[400];
    snprintf(text, sizeof text, "user %.*s, at #%llu of the recording: %s",
             (int)(r->user.len < 100 ? r->user.len : 100), r->user.ptr, (unsigned long long)event, what);
    return d->actions.note ? d->actions.note(d->actions.ctx, text) : AT_OK;
}

/* ---- Connections */

uint32_t rd_conn_of(const struct rd_driver *d, const struct runner *r, uint32_t stream)
{
    return r->first_conn + d->place_in_key[stream];
}

enum at_err rd_ready(struct rd_driver *d, uint32_t number, int64_t now_us, bool *yes)
{
    struct conn *c = &d->conns[number];
    *yes = c->state == CONN_READY;
    if (c->state != CONN_CLOSED || now_us < c->retry_us)
        return AT_OK;
    struct runner *r = &d->runners[c->runner];
    struct rd_values v = rd_values_of(d, r);
    d->scratch.len = 0;
    enum at_err err = rd_address(d->target, &v, &d->scratch);
    c->state = CONN_OPENING;
    c->deadline_us = now_us + d->limits.timeout_us;
    d->counts.connections++;
    d->counts.reconnects += c->tries > 0;
    return err ? err : d->actions.open(d->actions.net, number, at_buf_view(&d->scratch));
}

void rd_forget_questions(struct rd_driver *d, uint32_t conn)
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

enum at_err rd_end_stream(struct rd_driver *d, struct conn *c, int64_t now_us)
{
    const struct at_event ev = {.kind = AT_KIND_END};
    uint64_t slot;
    bool began = c->began;
    c->began = false;
    return began ? rd_queue_event(d, c, &ev, now_us, false, &slot) : AT_OK;
}

enum at_err rd_lose(struct rd_driver *d, uint32_t number, const char *why, int64_t now_us)
{
    struct conn *c = &d->conns[number];
    struct runner *r = &d->runners[c->runner];
    char text[200];
    bool wanted = r->phase != RUNNER_DONE;
    if (c->state == CONN_CLOSED || c->state == CONN_FAILED)
        return AT_OK;
    bool was_ready = c->state == CONN_READY;
    c->state = CONN_CLOSED;
    rd_forget_questions(d, number);
    enum at_err err = rd_end_stream(d, c, now_us);
    if (err || !wanted)
        return err;
    if (c->tries >= d->limits.retries) {
        c->state = CONN_FAILED;
        snprintf(text, sizeof text, "%s; given up after %u tries", why, c->tries + 1);
        d->counts.failed++;
        return rd_note(d, r, text, rd_event_of(d, r));
    }
    c->retry_us = now_us + (RECONNECT_US << (c->tries < 6 ? c->tries : 6));
    c->tries++;
    return was_ready ? rd_note(d, r, why, rd_event_of(d, r)) : AT_OK;
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
    return rd_lose(d, number, why, now_us);
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

enum at_err rd_waited_in_vain(struct rd_driver *d, uint32_t number, int64_t now_us)
{
    if (d->conns[number].state != CONN_READY || ++d->conns[number].silent < SILENT_MAX)
        return AT_OK;
    enum at_err err = d->actions.close(d->actions.net, number);
    return err ? err : rd_lose(d, number, "the target does not answer any more", now_us);
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
