/* exchange.c: HTTP requests and responses: paired, unpacked, handed on. */
#include <stdlib.h>
#include <string.h>

#include "tracer/conn.h"

#define REQUESTS_MAX 1024 /* pipelined requests of one connection that are remembered */

/* ---- Requests */

static struct at_request *new_request(const struct at_http_head *head)
{
    size_t n = head->target.len + head->fields.len;
    struct at_request *r = malloc(sizeof *r + n);
    if (!r)
        return NULL;
    *r = (struct at_request){.text_len = n};
    r->head = at_str_eq(head->method, AT_STR("HEAD"));
    r->connect = at_str_eq(head->method, AT_STR("CONNECT"));
    r->upgrade = head->upgrade;
    memcpy(r->text, head->target.ptr, head->target.len);
    if (head->fields.len)
        memcpy(r->text + head->target.len, head->fields.ptr, head->fields.len);
    r->target = (struct at_str){r->text, head->target.len};
    r->fields = (struct at_str){r->text + head->target.len, head->fields.len};
    return r;
}

static struct at_request *pop_request(struct at_conn *c)
{
    struct at_request *r = c->first;
    if (!r)
        return NULL;
    c->first = r->next;
    if (!c->first)
        c->last = NULL;
    c->n_requests--;
    c->request_bytes -= sizeof *r + r->text_len;
    r->next = NULL;
    return r;
}

static void push_request(struct at_conn *c, struct at_request *r)
{
    *(c->last ? &c->last->next : &c->first) = r;
    c->last = r;
    c->n_requests++;
    c->request_bytes += sizeof *r + r->text_len;
    if (c->n_requests > REQUESTS_MAX)
        free(pop_request(c));
}

void at_exchange_drop_requests(struct at_conn *c)
{
    while (c->first)
        free(pop_request(c));
}

/* ---- Heads */

static void name_codings(struct at_side *s, const struct at_http_head *head)
{
    char *p = s->encoding;
    for (size_t i = head->n_codings; i-- > 0;) { /* as in the field: the first applied first */
        struct at_str name = head->codings[i] == AT_CODING_GZIP ? AT_STR("gzip") : AT_STR("deflate");
        if (p != s->encoding)
            p = mempcpy(p, ", ", 2);
        p = mempcpy(p, name.ptr, name.len);
    }
    *p = 0;
}

static void begin_body(struct at_side *s, const struct at_http_head *head)
{
    struct at_decoder *d = s->conn->decoder;
    at_exchange_drop_body(s);
    s->any = false;
    s->skip = head->unknown_coding || head->n_codings > d->ws.limits.nesting;
    s->unpack.n = head->n_codings;
    memcpy(s->unpack.codings, head->codings, sizeof head->codings);
    name_codings(s, head);
    d->ledger.encodings_unknown += s->skip;
}

static enum at_err on_request(struct at_side *s, const struct at_http_head *head)
{
    struct at_conn *c = s->conn;
    struct at_request *r = new_request(head);
    if (!r)
        return AT_NOMEM;
    at_conn_set_client(c, s->end);
    r->exchange = s->exchange = ++c->exchanges;
    s->status = 0;
    c->upgrading = r->upgrade;
    push_request(c, r);
    return AT_OK;
}

/* A 101: both ends go on with another protocol (RFC 9110, section 7.8; RFC 6455, section 4.2.2). */
static enum at_err on_switch(struct at_side *s, const struct at_http_head *head)
{
    struct at_conn *c = s->conn;
    if (!head->upgrade) {
        c->opaque = true;
        return AT_OK;
    }
    at_ws_parse_extensions(head->extensions, c->terms);
    for (int e = 0; e < 2; e++)
        c->side[e].ws.terms = c->terms[e == s->end];
    c->ws = true;
    c->upgrading = false;
    free(c->handshake);
    c->handshake = s->request;
    s->request = NULL;
    return at_decoder_show(c);
}

static enum at_err on_response(struct at_side *s, const struct at_http_head *head, enum at_http_answer *answer)
{
    struct at_conn *c = s->conn;
    at_conn_set_client(c, !s->end);
    s->status = head->status;
    if (head->status < 200 && head->status != 101) {
        *answer = AT_HTTP_NO_BODY;
        return AT_OK;
    }
    while (s->unsure && c->n_requests > 1)
        free(pop_request(c));
    s->unsure = false;
    free(s->request);
    struct at_request *r = s->request = pop_request(c);
    s->exchange = r ? r->exchange : ++c->exchanges;
    if (head->status == 101) {
        *answer = AT_HTTP_SWITCH;
        return on_switch(s, head);
    }
    c->upgrading = c->upgrading && c->n_requests > 0;
    if (r && r->connect && head->status < 300) { /* a tunnel: what is in it may be HTTP again */
        *answer = AT_HTTP_SWITCH;
        s->mode = AT_MODE_SNIFF;
        return AT_OK;
    }
    if (head->status == 204 || head->status == 304 || (r && r->head))
        *answer = AT_HTTP_NO_BODY;
    else if (!r)
        *answer = AT_HTTP_MAYBE_BODY;
    return AT_OK;
}

static enum at_err on_head(void *ctx, const struct at_http_head *head, enum at_http_answer *answer)
{
    struct at_side *s = ctx;
    s->conn->http = true;
    begin_body(s, head);
    return head->response ? on_response(s, head, answer) : on_request(s, head);
}

/* ---- Bodies */

void at_exchange_drop_body(struct at_side *s)
{
    at_unpack_reset(&s->unpack, &s->conn->decoder->pool);
    s->piece = (struct at_str){0};
    if (s->body.cap > 4096)
        at_buf_free(&s->body);
    s->body.len = 0;
}

/* A JSON text starts with one of a few characters: what does not need not be kept. */
static bool may_be_json(struct at_str s)
{
    size_t i = 0;
    while (i < s.len && (s.ptr[i] == ' ' || s.ptr[i] == '\n' || s.ptr[i] == '\r' || s.ptr[i] == '\t'))
        i++;
    return i == s.len || memchr("{[\"-0123456789tfn", s.ptr[i], 17) != NULL;
}

static void give_up_body(struct at_side *s, uint64_t *count)
{
    ++*count;
    s->skip = true;
    at_exchange_drop_body(s);
}

enum at_err at_exchange_keep_piece(struct at_side *s)
{
    enum at_err err = s->piece.ptr ? at_buf_str(&s->body, s->piece) : AT_OK;
    s->piece = (struct at_str){0};
    return err;
}

static enum at_err on_body(void *ctx, struct at_str bytes)
{
    struct at_side *s = ctx;
    struct at_decoder *d = s->conn->decoder;
    if (s->skip)
        return AT_OK;
    bool first = s->body.len == 0 && !s->piece.ptr;
    enum at_err err;
    if (s->unpack.n) {
        err = at_unpack_feed(&s->unpack, &d->pool, bytes, &d->ws.limits, &s->body);
        if (err == AT_BAD || err == AT_LIMIT) {
            give_up_body(s, err == AT_BAD ? &d->ledger.messages_lost : &d->ledger.messages_too_large);
            return AT_OK;
        }
        bytes = at_buf_view(&s->body);
    } else if (first && bytes.len <= d->ws.limits.out_bytes) {
        s->piece = bytes;
        err = AT_OK;
    } else {
        err = at_exchange_keep_piece(s);
        if (!err && s->body.len + bytes.len > d->ws.limits.out_bytes) {
            give_up_body(s, &d->ledger.messages_too_large);
            return AT_OK;
        }
        err = err ? err : at_buf_str(&s->body, bytes);
    }
    s->any = true;
    if (!err && first && !may_be_json(bytes))
        give_up_body(s, &d->ledger.messages_not_json);
    return err;
}

static enum at_err on_end(void *ctx)
{
    struct at_side *s = ctx;
    struct at_conn *c = s->conn;
    struct at_message m = {.proto = AT_PROTO_HTTP, .exchange = s->exchange, .status = s->status};
    enum at_err err = AT_OK;
    m.dir = at_conn_is_client(c, s->end) ? AT_DIR_CLIENT : AT_DIR_SERVER;
    m.body = s->piece.ptr ? s->piece : at_buf_view(&s->body);
    if (s->encoding[0])
        m.encoding = at_str(s->encoding);
    if (s->any && !s->skip && !at_unpack_is_complete(&s->unpack)) {
        c->decoder->ledger.messages_lost++;
    } else if (s->any && !s->skip && m.body.len) {
        const struct at_request *r = m.dir == AT_DIR_CLIENT ? c->last : s->request;
        c->stream.target = r ? r->target : (struct at_str){0};
        c->stream.headers = r ? r->fields : (struct at_str){0};
        err = at_decoder_emit(c, s->end, &m);
    }
    at_exchange_drop_body(s);
    return err;
}

static enum at_err on_lost(void *ctx)
{
    struct at_side *s = ctx;
    if (!s->skip)
        s->conn->decoder->ledger.messages_lost++;
    at_exchange_drop_body(s);
    s->skip = true;
    return AT_OK;
}

struct at_http_sink at_exchange_sink(struct at_side *s)
{
    return (struct at_http_sink){.ctx = s, .head = on_head, .body = on_body, .end = on_end, .lost = on_lost};
}
