/* collect_http.c: requests to the collector: who may, what is taken of it, what is answered. */
#include "tracer/collect.h"

#ifdef AT_MICROHTTPD

#include <stdlib.h>
#include <string.h>

#include "tracer/collect_parts.h"
#include "tracer/http.h"

#define DISCARD_TIMES 4 /* a body that is too large is read this many times its limit before it is cut off */
#define BUSY_S 5u
#define TOO_LARGE 413u /* the library has had several names for it */

/* ---- A request's life */

void *at_collect_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof *x);
    (void)connection;
    if (!x)
        return NULL;
    x->c = cls;
    x->c->owed++;
    x->target = strdup(uri);
    if (!x->target) {
        free(x);
        return NULL;
    }
    return x;
}

void at_collect_request_over(void *cls, struct MHD_Connection *connection, void **state,
                             enum MHD_RequestTerminationCode why)
{
    struct exchange *x = *state;
    (void)cls, (void)connection;
    if (!x)
        return;
    if (x->pledge)
        x->pledge->request = NULL;
    if (x->peer) {
        x->peer->broken = x->peer->broken || why != MHD_REQUEST_TERMINATED_COMPLETED_OK;
        if (!x->peer->upgrade)
            x->peer->deadline_us = x->c->mono_us + (int64_t)x->c->o.idle_s * 1000000;
    }
    x->c->memory -= x->charged;
    x->c->owed--;
    at_buf_free(&x->body);
    at_buf_free(&x->answer);
    free(x->target);
    free(x);
    *state = NULL;
}

static struct at_str header(struct exchange *x, const char *name)
{
    return at_str(MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name));
}

/* ---- Answers */

static void add_header(struct MHD_Response *r, const char *name, const char *value)
{
    if (MHD_add_response_header(r, name, value) != MHD_YES)
        return; /* out of memory: the answer goes without it */
}

static void add_cors(struct exchange *x, struct MHD_Response *r)
{
    struct at_str origin = header(x, "Origin");
    if (x->c->o.n_cors == 0)
        return;
    add_header(r, "Vary", "Origin");
    struct at_str allowed = origin.ptr ? at_collect_allowed_origin(x->c, origin) : (struct at_str){0};
    if (!allowed.ptr)
        return;
    add_header(r, "Access-Control-Allow-Origin", allowed.ptr);
    if (x->status != MHD_HTTP_NO_CONTENT)
        return;
    add_header(r, "Access-Control-Allow-Methods", "GET, POST");
    add_header(r, "Access-Control-Allow-Headers", "Authorization, Content-Type, Content-Encoding");
    add_header(r, "Access-Control-Max-Age", "600");
}

static enum MHD_Result send_answer(struct exchange *x)
{
    x->state = EXCHANGE_ANSWERED;
    if (x->status == 0)
        return MHD_NO;
    struct MHD_Response *r = MHD_create_response_from_buffer(x->answer.len, x->answer.ptr, MHD_RESPMEM_MUST_COPY);
    char seconds[16];
    if (!r)
        return MHD_NO;
    add_header(r, "Cache-Control", "no-store");
    if (x->answer.len)
        add_header(r, "Content-Type", "application/json");
    if (x->status == MHD_HTTP_UNAUTHORIZED)
        add_header(r, "WWW-Authenticate", "Bearer realm=\"authtape\"");
    if (x->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        add_header(r, "Allow", "GET, HEAD, POST, OPTIONS");
    if (x->retry_s) {
        snprintf(seconds, sizeof seconds, "%u", x->retry_s);
        add_header(r, "Retry-After", seconds);
    }
    add_cors(x, r);
    enum MHD_Result result = MHD_queue_response(x->connection, x->status, r);
    MHD_destroy_response(r);
    return result;
}

static void say(struct exchange *x, unsigned status, const char *reason)
{
    struct at_taken taken = {.refused = true};
    at_fail(&taken.why, AT_BAD, "%s", reason);
    x->status = status;
    x->answer.len = 0;
    if (at_taken_json(&x->answer, &taken, 0))
        x->status = 0; /* out of memory: the connection is closed */
}

static enum MHD_Result refuse(struct exchange *x, unsigned status, const char *reason)
{
    say(x, status, reason);
    return send_answer(x);
}

void at_collect_request_kept(struct exchange *x)
{
    x->status = MHD_HTTP_OK;
    if (at_taken_json(&x->answer, &x->pledge->taken, 0))
        x->status = 0;
    x->pledge = NULL;
    x->state = EXCHANGE_ANSWERED;
    MHD_resume_connection(x->connection);
}

static enum MHD_Result status_page(struct exchange *x, bool known)
{
    const struct at_collect_stats *s = &x->c->stats;
    enum at_err err = at_buf_printf(&x->answer, "{\"authtape\":1,\"version\":\"" AT_VERSION "\"");
    if (!err && known)
        err = at_buf_printf(&x->answer, ",\"messages\":%llu,\"events\":%llu,\"doubles\":%llu,\"refused\":%llu",
                            (unsigned long long)s->messages, (unsigned long long)s->events,
                            (unsigned long long)s->repeats, (unsigned long long)s->refused);
    if (!err)
        err = at_buf_add(&x->answer, "}", 1);
    x->status = err ? 0 : MHD_HTTP_OK;
    x->state = EXCHANGE_BODY;
    return err ? MHD_NO : MHD_YES;
}

/* ---- The beginning of a request */

/* A page of another site in a browser of this machine must not be able to write on the tape. */
static bool is_foreign(struct exchange *x)
{
    struct at_str origin = header(x, "Origin");
    return origin.ptr && !x->c->token.ptr && !at_collect_allowed_origin(x->c, origin).ptr;
}

static enum MHD_Result begin_post(struct exchange *x)
{
    struct at_collector *c = x->c;
    struct at_str length = header(x, "Content-Length");
    if (c->stopping)
        return refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "the recording ends");
    x->retry_s = at_rates_take(c->rates, x->peer->address, 1, c->mono_us);
    if (x->retry_s) {
        c->stats.limited++;
        return refuse(x, MHD_HTTP_TOO_MANY_REQUESTS, "too much at once from this address");
    }
    if (length.ptr && strtoull(length.ptr, NULL, 10) > c->o.body_bytes) {
        c->stats.limited++;
        return refuse(x, TOO_LARGE, "the body is too large");
    }
    x->state = EXCHANGE_BODY;
    x->peer->deadline_us = c->mono_us + (int64_t)c->o.idle_s * 1000000;
    return MHD_YES;
}

static enum MHD_Result begin(struct exchange *x, const char *method)
{
    struct at_collector *c = x->c;
    bool post = !strcmp(method, "POST"), get = !strcmp(method, "GET") || !strcmp(method, "HEAD");
    bool known = at_collect_is_known(c, header(x, "Authorization"), at_str(x->target));
    struct at_str key = header(x, "Sec-WebSocket-Key");
    at_target_hide(x->target, AT_STR("token"));
    if (!strcmp(method, "OPTIONS")) {
        x->status = MHD_HTTP_NO_CONTENT;
        x->state = EXCHANGE_BODY; /* answered before its end, a request would cost the connection */
        return MHD_YES;
    }
    if (!post && !get)
        return refuse(x, MHD_HTTP_METHOD_NOT_ALLOWED, "POST events, or GET the status");
    if (get && !key.ptr)
        return status_page(x, known && !is_foreign(x));
    if (!known || is_foreign(x)) {
        c->stats.strangers++;
        return known ? refuse(x, MHD_HTTP_FORBIDDEN, "pages of this origin may not send (--cors ORIGIN)")
                     : refuse(x, MHD_HTTP_UNAUTHORIZED, "the token is missing or wrong");
    }
    if (key.ptr)
        return c->stopping ? refuse(x, MHD_HTTP_SERVICE_UNAVAILABLE, "the recording ends")
                           : at_collect_upgrade(x, key.ptr);
    return begin_post(x);
}

/* ---- The body */

static enum MHD_Result add_body(struct exchange *x, const char *bytes, size_t *len)
{
    struct at_collector *c = x->c;
    size_t n = *len;
    *len = 0;
    if (x->status ||
        x->body.len + n > c->o.body_bytes) { /* too much, or refused already: read on, but do not keep it */
        if (!x->status) {
            c->stats.limited++;
            say(x, TOO_LARGE, "the body is too large");
        }
        x->passed += n;
        return x->passed > DISCARD_TIMES * c->o.body_bytes ? MHD_NO : MHD_YES;
    }
    if (!at_collect_charge(c, n)) {
        c->stats.limited++;
        x->retry_s = BUSY_S;
        say(x, MHD_HTTP_SERVICE_UNAVAILABLE, "too much is being received at once");
        return MHD_YES;
    }
    x->charged += n;
    if (at_buf_add(&x->body, bytes, n)) {
        say(x, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
        x->retry_s = BUSY_S;
    }
    return MHD_YES;
}

/* Takes the content codings off (RFC 9110, section 8.4). False: it was refused. */
static bool unpack(struct exchange *x, struct at_str coding, struct at_str *body)
{
    struct at_collector *c = x->c;
    struct at_unpack u = {0};
    struct at_str one;
    enum at_err err = AT_OK;
    enum at_coding codings[AT_CODINGS_MAX];
    size_t n = 0;
    while (!err && at_http_list_next(&coding, &one)) {
        bool gzip = at_http_is_token(one, "gzip") || at_http_is_token(one, "x-gzip");
        if (at_http_is_token(one, "identity"))
            continue;
        if ((!gzip && !at_http_is_token(one, "deflate")) || n == AT_DEFAULT_NESTING)
            err = AT_NOTFOUND;
        else
            codings[n++] = gzip ? AT_CODING_GZIP : AT_CODING_DEFLATE;
    }
    for (size_t i = 0; i < n; i++)
        u.codings[i] = codings[n - 1 - i];
    u.n = n;
    c->plain.len = 0;
    if (!err && n) {
        err = at_unpack_feed(&u, &c->pool, *body, &c->ws.limits, &c->plain);
        if (!err && !at_unpack_is_complete(&u))
            err = AT_BAD;
        at_unpack_reset(&u, &c->pool);
        *body = at_buf_view(&c->plain);
    }
    if (err == AT_NOTFOUND)
        say(x, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Encoding may be gzip or deflate");
    else if (err == AT_LIMIT)
        say(x, TOO_LARGE, "the body is too large when decompressed");
    else if (err)
        say(x, MHD_HTTP_BAD_REQUEST, "the body cannot be decompressed");
    return err == AT_OK;
}

struct lines {
    struct at_buf text;
    enum at_err err;
};

static enum MHD_Result add_line(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct lines *l = cls;
    (void)kind;
    if (l->err || at_http_is_token(at_str(name), "Authorization"))
        return MHD_YES;
    l->err = at_buf_printf(&l->text, "%s: %s\r\n", name, value ? value : "");
    return MHD_YES;
}

enum at_err at_collect_describe(struct exchange *x)
{
    struct lines lines = {0};
    struct peer *p = x->peer;
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, add_line, &lines);
    enum at_err err = lines.err ? lines.err : at_buf_add(&lines.text, "", 1);
    if (err) {
        at_buf_free(&lines.text);
        return err;
    }
    free(p->headers);
    free(p->target);
    p->headers = lines.text.ptr;
    p->target = x->target;
    x->target = NULL;
    p->stream.headers = (struct at_str){p->headers, lines.text.len - 1};
    p->stream.target = at_str(p->target);
    return AT_OK;
}

static enum at_err take_body(struct exchange *x)
{
    struct at_collector *c = x->c;
    struct at_str body = at_buf_view(&x->body);
    struct at_taken taken;
    if (!body.ptr)
        body = AT_STR("");
    if (!unpack(x, header(x, "Content-Encoding"), &body)) {
        c->stats.refused++;
        return AT_OK;
    }
    struct at_message m = {
        .proto = AT_PROTO_HTTP, .dir = AT_DIR_CLIENT, .body = body, .exchange = ++x->peer->exchanges};
    enum at_err err = at_collect_describe(x);
    if (!err)
        err = at_collect_message(c, x->peer, &m, &taken, &x->pledge);
    if (err)
        return err;
    if (!x->pledge) {
        x->status = taken.too_many ? TOO_LARGE : MHD_HTTP_BAD_REQUEST;
        return at_taken_json(&x->answer, &taken, 0);
    }
    x->pledge->request = x;
    at_rates_take(c->rates, x->peer->address, (uint32_t)(taken.events + taken.repeats), c->mono_us);
    return AT_OK;
}

static enum MHD_Result end_body(struct exchange *x)
{
    struct at_collector *c = x->c;
    if (x->status)
        return send_answer(x);
    if (!c->err)
        c->err = take_body(x);
    if (c->err)
        return MHD_NO;
    if (!x->pledge)
        return send_answer(x);
    x->state = EXCHANGE_WAITS;
    x->peer->deadline_us = INT64_MAX;
    MHD_suspend_connection(x->connection);
    return MHD_YES;
}

enum MHD_Result at_collect_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                   const char *version, const char *upload, size_t *upload_len, void **state)
{
    struct exchange *x = *state;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    (void)cls, (void)url, (void)version;
    if (!x || !info || !info->socket_context)
        return MHD_NO; /* out of memory when it came */
    x->connection = connection;
    x->peer = info->socket_context;
    switch (x->state) {
    case EXCHANGE_NEW:
        return begin(x, method);
    case EXCHANGE_BODY:
        return *upload_len ? add_body(x, upload, upload_len) : end_body(x);
    case EXCHANGE_WAITS:
        return MHD_YES;
    case EXCHANGE_ANSWERED:
        break;
    }
    return send_answer(x);
}

#endif
