/* conn.c: which protocol a connection speaks, and how it gets back in step after a hole. */
#include <stdlib.h>
#include <string.h>

#include "tracer/conn.h"

#define SEARCH_MAX ((size_t)256 << 10)    /* bytes kept while a place to go on is searched for */
#define SEARCH_KEEP ((size_t)128 << 10)   /* of them kept when that is too much */
#define FRUITLESS_MAX ((uint64_t)1 << 20) /* then a connection of unknown protocol is let alone */

/* ---- Life */

enum at_err at_conn_new(struct at_decoder *d, struct at_flow *f, struct at_conn **out)
{
    struct at_conn *c = calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return AT_NOMEM;
    c->decoder = d;
    c->flow = f;
    for (int e = 0; e < 2; e++) {
        c->side[e].conn = c;
        c->side[e].end = e;
        c->side[e].ws.terms.window_bits = 15;
        /* Without its SYN a connection is picked up somewhere in the middle. */
        c->side[e].mode = f->client >= 0 ? AT_MODE_SNIFF : AT_MODE_SEARCH;
    }
    return AT_OK;
}

static void conn_free(struct at_conn *c)
{
    for (int e = 0; e < 2; e++) {
        struct at_side *s = &c->side[e];
        at_exchange_drop_body(s);
        at_buf_free(&s->body);
        at_buf_free(&s->held);
        at_http_free(&s->http);
        at_ws_free(&s->ws, &c->decoder->ws);
        free(s->request);
    }
    at_exchange_drop_requests(c);
    free(c->handshake);
    at_buf_free(&c->name);
    free(c);
}

static size_t side_memory(const struct at_side *s)
{
    size_t n = s->held.cap + s->http.line.cap + s->body.cap + at_ws_memory(&s->ws);
    for (size_t i = 0; i < s->unpack.n; i++)
        n += at_inflate_memory(s->unpack.stages[i]);
    return n + (s->request ? sizeof *s->request + s->request->text_len : 0);
}

size_t at_conn_memory(const struct at_conn *c)
{
    size_t n = sizeof *c + 64 + c->name.cap + c->request_bytes + side_memory(&c->side[0]) + side_memory(&c->side[1]);
    return n + (c->handshake ? sizeof *c->handshake + c->handshake->text_len : 0);
}

bool at_conn_is_client(const struct at_conn *c, int end)
{
    return c->flow->client == end;
}

void at_conn_set_client(struct at_conn *c, int end)
{
    if (c->flow->client < 0)
        c->flow->client = (int8_t)end;
}

/* ---- WebSocket sink */

static enum at_err on_ws_message(void *ctx, struct at_str body, bool compressed)
{
    struct at_side *s = ctx;
    struct at_conn *c = s->conn;
    struct at_message m = {.proto = AT_PROTO_WEBSOCKET, .body = body};
    const struct at_request *r = c->handshake;
    m.dir = at_conn_is_client(c, s->end) ? AT_DIR_CLIENT : AT_DIR_SERVER;
    if (compressed)
        m.encoding = AT_STR("permessage-deflate");
    c->stream.target = r ? r->target : (struct at_str){0};
    c->stream.headers = r ? r->fields : (struct at_str){0};
    return body.len ? at_decoder_emit(c, s->end, &m) : AT_OK;
}

static enum at_err on_ws_close(void *ctx)
{
    struct at_side *s = ctx;
    s->conn->clean = true;
    return AT_OK;
}

static struct at_ws_sink ws_sink(struct at_side *s)
{
    return (struct at_ws_sink){.ctx = s, .message = on_ws_message, .close = on_ws_close};
}

/* ---- Searching */

static void discard(struct at_side *s, size_t n)
{
    n = n < s->held.len ? n : s->held.len;
    s->conn->decoder->ledger.undecoded_bytes += n;
    s->fruitless += n;
    at_buf_drop(&s->held, n);
    s->ws_at = s->ws_at > n ? s->ws_at - n : 0;
    s->searched = s->searched > n ? s->searched - n : 0;
}

static void search(struct at_side *s)
{
    s->mode = AT_MODE_SEARCH;
    s->ws_at = s->searched = 0;
    if (!at_conn_is_client(s->conn, s->end))
        s->unsure = true;
}

/* A TLS record (RFC 8446, section 5.1): no need to look any further. */
static bool is_tls(struct at_str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    return s.len >= 5 && p[0] >= 0x14 && p[0] <= 0x17 && p[1] == 3 && p[2] <= 4 && p[3] <= 0x48;
}

/* May WebSocket frames be here? */
static bool may_be_ws(const struct at_conn *c)
{
    return c->ws || c->upgrading || !c->http;
}

static size_t search_http(struct at_side *s, bool *response)
{
    if (s->conn->ws)
        return SIZE_MAX;
    size_t from = s->searched > AT_HTTP_LINE_MAX ? s->searched - AT_HTTP_LINE_MAX : 0;
    return at_http_search(at_buf_view(&s->held), from, response);
}

static enum at_err search_ws(struct at_side *s, bool more, size_t *at)
{
    struct at_conn *c = s->conn;
    /* A growing buffer is not looked at again for each byte: that would cost its square. */
    bool grew = s->held.len - s->ws_at < 4096 || s->held.len - s->searched > (s->held.len - s->ws_at) / 8;
    *at = SIZE_MAX;
    if (!may_be_ws(c) || (more && !grew))
        return AT_OK;
    int masked = c->flow->client < 0 ? -1 : at_conn_is_client(c, s->end);
    enum at_err err = at_ws_search(&c->decoder->ws, &s->ws.terms, at_buf_view(&s->held), s->ws_at, masked,
                                   c->ws || c->upgrading, more, at);
    if (err != AT_AGAIN) {
        s->ws_at = *at == SIZE_MAX ? s->held.len : *at;
        return err;
    }
    s->ws_at = *at;
    *at = SIZE_MAX;
    return AT_OK;
}

/* Looks for a place to go on in what is held. True in `*found`: the mode is set and `held` starts there. */
static enum at_err look(struct at_side *s, bool more, bool *found)
{
    struct at_conn *c = s->conn;
    bool response = false;
    size_t ws = SIZE_MAX, http = search_http(s, &response);
    enum at_err err = http == SIZE_MAX || http > s->ws_at ? search_ws(s, more, &ws) : AT_OK;
    s->searched = s->held.len;
    *found = !err && (http != SIZE_MAX || ws != SIZE_MAX);
    if (!*found)
        return err;
    if (http <= ws) {
        discard(s, http);
        s->mode = AT_MODE_HTTP;
        s->http.state = AT_HTTP_HEAD;
        at_conn_set_client(c, response ? !s->end : s->end);
    } else {
        discard(s, ws);
        s->mode = AT_MODE_WS;
        c->ws = true;
        at_ws_resume(&s->ws);
        if (s->held.len >= 2)
            at_conn_set_client(c, s->held.ptr[1] & 0x80 ? s->end : !s->end);
    }
    s->fruitless = 0;
    return AT_OK;
}

/* ---- Bytes in each mode; `*rest` loses what was used */

static enum at_err in_sniff(struct at_side *s, struct at_str *rest)
{
    struct at_conn *c = s->conn;
    if (c->ws) {
        s->mode = AT_MODE_WS;
        return AT_OK;
    }
    switch (at_http_sniff(*rest)) {
    case AT_HTTP_MAYBE: {
        enum at_err err = at_buf_str(&s->held, *rest);
        rest->len = 0;
        return err;
    }
    case AT_HTTP_REQUEST:
    case AT_HTTP_RESPONSE:
        s->mode = AT_MODE_HTTP;
        s->http.state = AT_HTTP_HEAD;
        return AT_OK;
    case AT_HTTP_NO:
        break;
    }
    s->mode = AT_MODE_OPAQUE;
    return AT_OK;
}

/*
 * True if what follows a request for an upgrade is a frame: the answer to it was not seen. No request begins with its first
 * byte, but for that of a compressed fragment (RFC 6455, section 5.2: 0x41 and 0x42): then the mask bit tells.
 */
static bool is_upgraded_unseen(const struct at_side *s, struct at_str rest)
{
    const struct at_conn *c = s->conn;
    unsigned char first = (unsigned char)rest.ptr[0];
    if (!c->upgrading || !at_conn_is_client(c, s->end))
        return false;
    if (first >= 0x80 || first < 3)
        return true;
    return (first == 0x41 || first == 0x42) && rest.len > 1 && ((unsigned char)rest.ptr[1] & 0x80);
}

static enum at_err in_http(struct at_side *s, struct at_str *rest)
{
    struct at_conn *c = s->conn;
    bool between = s->http.state == AT_HTTP_HEAD && s->http.line.len == 0;
    if (between && c->opaque) {
        s->mode = AT_MODE_OPAQUE;
        return AT_OK;
    }
    if (between && (c->ws || is_upgraded_unseen(s, *rest))) {
        c->ws = true;
        s->mode = AT_MODE_WS;
        return AT_OK;
    }
    struct at_http_sink sink = at_exchange_sink(s);
    size_t used;
    enum at_err err = at_http_feed(&s->http, &sink, &c->decoder->ledger, *rest, &used);
    rest->ptr += used;
    rest->len -= used;
    if (!err)
        err = at_exchange_keep_piece(s);
    if (err)
        return err;
    if (s->http.state == AT_HTTP_SWITCHED) {
        s->http.state = AT_HTTP_HEAD;
        if (s->mode == AT_MODE_HTTP)
            s->mode = c->ws ? AT_MODE_WS : AT_MODE_OPAQUE;
    } else if (s->http.state == AT_HTTP_LOST) {
        search(s);
    }
    return AT_OK;
}

static enum at_err in_ws(struct at_side *s, struct at_str *rest)
{
    struct at_ws_sink sink = ws_sink(s);
    size_t used;
    enum at_err err = at_ws_feed(&s->ws, &s->conn->decoder->ws, &sink, *rest, &used);
    rest->ptr += used;
    rest->len -= used;
    if (!err && s->ws.lost)
        search(s);
    return err;
}

static enum at_err in_search(struct at_side *s, struct at_str *rest)
{
    struct at_conn *c = s->conn;
    bool found = false;
    if (s->held.len == 0 && !c->http && !c->ws && is_tls(*rest)) {
        s->mode = AT_MODE_OPAQUE;
        return AT_OK;
    }
    enum at_err err = at_buf_str(&s->held, *rest);
    rest->len = 0;
    if (!err)
        err = look(s, true, &found);
    if (err || found)
        return err;
    size_t max = may_be_ws(c) ? SEARCH_MAX : 2 * AT_HTTP_LINE_MAX, keep = may_be_ws(c) ? SEARCH_KEEP : max / 2;
    if (s->held.len > max)
        discard(s, s->held.len - keep);
    if (s->fruitless > FRUITLESS_MAX && !c->http && !c->ws)
        s->mode = AT_MODE_OPAQUE;
    return AT_OK;
}

static enum at_err step(struct at_side *s, struct at_str *rest)
{
    switch (s->mode) {
    case AT_MODE_SNIFF:
        return in_sniff(s, rest);
    case AT_MODE_HTTP:
        return in_http(s, rest);
    case AT_MODE_WS:
        return in_ws(s, rest);
    case AT_MODE_SEARCH:
        return in_search(s, rest);
    case AT_MODE_OPAQUE:
        break;
    }
    s->conn->decoder->ledger.undecoded_bytes += rest->len;
    rest->len = 0;
    return AT_OK;
}

/* Bytes held that a mode other than SNIFF and SEARCH now takes. */
static enum at_err flush_held(struct at_side *s)
{
    enum at_err err = AT_OK;
    while (!err && s->held.len && s->mode != AT_MODE_SEARCH && s->mode != AT_MODE_SNIFF) {
        struct at_buf held = s->held;
        struct at_str rest = at_buf_view(&held);
        s->held = (struct at_buf){0};
        while (!err && rest.len)
            err = step(s, &rest);
        at_buf_free(&held);
    }
    return err;
}

static enum at_err feed(struct at_side *s, struct at_str bytes)
{
    enum at_err err = AT_OK;
    if (s->mode == AT_MODE_SNIFF && s->held.len) {
        err = at_buf_str(&s->held, bytes);
        struct at_buf held = s->held;
        s->held = (struct at_buf){0};
        struct at_str rest = at_buf_view(&held);
        while (!err && rest.len)
            err = step(s, &rest);
        at_buf_free(&held);
    } else {
        while (!err && bytes.len) {
            err = step(s, &bytes);
            if (!err)
                err = flush_held(s);
        }
    }
    return err ? err : flush_held(s);
}

/* ---- Events of the connection */

static enum at_err say_gap(struct at_conn *c, uint64_t lost_bytes)
{
    struct at_decoder *d = c->decoder;
    return c->shown ? d->sink.gap(d->sink.ctx, &c->stream, d->t_us, d->packet, lost_bytes) : AT_OK;
}

static uint64_t losses(const struct at_ledger *l)
{
    return l->messages_lost + l->messages_too_large;
}

enum at_err at_conn_data(struct at_conn *c, int end, struct at_str bytes)
{
    uint64_t before = losses(&c->decoder->ledger);
    enum at_err err = feed(&c->side[end], bytes);
    if (!err && losses(&c->decoder->ledger) > before)
        err = say_gap(c, 0);
    return err;
}

/* Nothing follows what is held: a last look at it. */
static enum at_err settle_held(struct at_side *s)
{
    enum at_err err = AT_OK;
    bool found = true;
    while (!err && found && s->mode == AT_MODE_SEARCH && s->held.len) {
        err = look(s, false, &found);
        if (!err && found)
            err = flush_held(s);
    }
    discard(s, s->held.len);
    return err;
}

enum at_err at_conn_gap(struct at_conn *c, int end, uint64_t lost_bytes)
{
    struct at_side *s = &c->side[end];
    struct at_decoder *d = c->decoder;
    struct at_http_sink sink = at_exchange_sink(s);
    enum at_err err = settle_held(s);
    if (err)
        return err;
    switch (s->mode) {
    case AT_MODE_HTTP:
        err = at_http_gap(&s->http, &sink, &d->ledger, lost_bytes);
        if (s->http.state == AT_HTTP_LOST)
            search(s);
        break;
    case AT_MODE_WS:
        at_ws_gap(&s->ws, &d->ws, lost_bytes);
        if (s->ws.lost)
            search(s);
        break;
    case AT_MODE_SNIFF:
    case AT_MODE_SEARCH:
        search(s);
        break;
    case AT_MODE_OPAQUE:
        break;
    }
    return err ? err : say_gap(c, lost_bytes);
}

/* No more bytes of one end. */
static enum at_err side_end(struct at_side *s, bool clean)
{
    struct at_decoder *d = s->conn->decoder;
    struct at_http_sink sink = at_exchange_sink(s);
    enum at_err err = settle_held(s);
    if (s->mode == AT_MODE_HTTP && !err)
        err = at_http_end(&s->http, &sink, &d->ledger, clean);
    else if (s->mode == AT_MODE_WS)
        at_ws_end(&s->ws, &d->ws);
    s->mode = AT_MODE_OPAQUE;
    return err;
}

enum at_err at_conn_fin(struct at_conn *c, int end)
{
    c->clean = true;
    return side_end(&c->side[end], true);
}

enum at_err at_conn_over(struct at_conn *c, enum at_flow_end why)
{
    struct at_decoder *d = c->decoder;
    uint64_t before = losses(&d->ledger);
    bool clean = c->clean && why != AT_END_CAPTURE && why != AT_END_EVICTED;
    enum at_err err = side_end(&c->side[0], false);
    enum at_err other = side_end(&c->side[1], false);
    err = err ? err : other;
    if (!err && (why == AT_END_EVICTED || losses(&d->ledger) > before))
        err = say_gap(c, 0);
    if (!err && c->shown)
        err = d->sink.stream_end(d->sink.ctx, &c->stream, d->t_us, d->packet, clean);
    conn_free(c);
    return err;
}
