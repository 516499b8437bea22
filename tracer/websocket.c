/* websocket.c: frames to messages (RFC 6455, section 5), with permessage-deflate (RFC 7692). */
#include <string.h>

#include "tracer/http.h"
#include "tracer/websocket.h"

/* ---- The handshake's terms */

static void parse_bits(struct at_str value, struct at_ws_terms *t)
{
    int n = 0;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] >= '0' && value.ptr[i] <= '9' && n < 100)
            n = n * 10 + (value.ptr[i] - '0');
    if (n >= 8 && n <= 15)
        t->window_bits = n;
}

static void parse_parameter(struct at_str p, struct at_ws_terms terms[2])
{
    const char *eq = memchr(p.ptr, '=', p.len);
    struct at_str name = {p.ptr, eq ? (size_t)(eq - p.ptr) : p.len}, value = {0};
    while (name.len && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
        name.len--;
    if (eq)
        value = (struct at_str){eq + 1, p.len - (size_t)(eq + 1 - p.ptr)};
    if (at_http_is_token(name, "client_no_context_takeover"))
        terms[0].no_takeover = true;
    else if (at_http_is_token(name, "server_no_context_takeover"))
        terms[1].no_takeover = true;
    else if (at_http_is_token(name, "client_max_window_bits"))
        parse_bits(value, &terms[0]);
    else if (at_http_is_token(name, "server_max_window_bits"))
        parse_bits(value, &terms[1]);
}

/* Takes the part up to the next ';' off, white space trimmed. */
static struct at_str next_part(struct at_str *rest)
{
    const char *semicolon = rest->len ? memchr(rest->ptr, ';', rest->len) : NULL;
    size_t n = semicolon ? (size_t)(semicolon - rest->ptr) : rest->len;
    struct at_str part = {rest->ptr, n};
    n += semicolon != NULL;
    rest->ptr += n;
    rest->len -= n;
    while (part.len && (part.ptr[0] == ' ' || part.ptr[0] == '\t')) {
        part.ptr++;
        part.len--;
    }
    while (part.len && (part.ptr[part.len - 1] == ' ' || part.ptr[part.len - 1] == '\t'))
        part.len--;
    return part;
}

void at_ws_parse_extensions(struct at_str value, struct at_ws_terms terms[2])
{
    struct at_str extension;
    terms[0] = terms[1] = (struct at_ws_terms){.known = true, .window_bits = 15};
    while (at_http_list_next(&value, &extension)) {
        if (!at_http_is_token(next_part(&extension), "permessage-deflate"))
            continue;
        terms[0].deflate = terms[1].deflate = true;
        while (extension.len)
            parse_parameter(next_part(&extension), terms);
        return;
    }
}

/* ---- Frames */

size_t at_ws_parse_frame(const uint8_t *p, size_t n, bool strict, struct at_ws_frame *out)
{
    if (n < 2)
        return 0;
    *out = (struct at_ws_frame){.fin = p[0] & 0x80, .rsv1 = p[0] & 0x40, .opcode = p[0] & 15, .masked = p[1] & 0x80};
    out->len = p[1] & 0x7f;
    size_t need = 2 + (out->len == 126 ? 2u : out->len == 127 ? 8u : 0u) + (out->masked ? 4u : 0u);
    bool control = out->opcode >= 8;
    if (p[0] & 0x30 || (out->opcode > 2 && out->opcode < 8) || out->opcode > 10)
        return SIZE_MAX;
    if (control && (!out->fin || out->rsv1 || out->len > 125)) /* RFC 6455, section 5.5 */
        return SIZE_MAX;
    if (out->opcode == AT_WS_CONTINUATION && out->rsv1) /* RFC 7692, section 6.1 */
        return SIZE_MAX;
    if (n < need)
        return 0;
    bool wasteful = false;
    if (out->len == 126) {
        out->len = at_get_u16be(p + 2);
        wasteful = out->len < 126;
    } else if (out->len == 127) {
        out->len = at_get_u64be(p + 2);
        wasteful = out->len < 65536;
    }
    if (out->len >> 63 || (strict && wasteful))
        return SIZE_MAX;
    if (out->masked)
        memcpy(out->mask, p + need - 4, 4);
    return need;
}

void at_ws_unmask(const uint8_t mask[4], size_t at, struct at_str in, char *out)
{
    uint8_t turned[8];
    for (size_t i = 0; i < 8; i++)
        turned[i] = mask[(at + i) & 3];
    uint64_t wide;
    memcpy(&wide, turned, 8);
    size_t i = 0;
    for (; i + 8 <= in.len; i += 8) {
        uint64_t v;
        memcpy(&v, in.ptr + i, 8);
        v ^= wide;
        memcpy(out + i, &v, 8);
    }
    for (; i < in.len; i++)
        out[i] = (char)((uint8_t)in.ptr[i] ^ turned[i & 7]);
}

/* ---- Messages */

struct feed {
    struct at_ws *w;
    struct at_ws_shared *shared;
    const struct at_ws_sink *sink;
    struct at_str rest;
};

static void take(struct feed *f, size_t n)
{
    f->rest.ptr += n;
    f->rest.len -= n;
    f->w->taken += n;
}

static void settle(struct at_ws *w, uint64_t *book)
{
    *book += w->taken;
    w->taken = 0;
}

static void forget_context(struct at_ws *w, struct at_ws_shared *s)
{
    s->ledger->contexts_lost += w->has_context;
    w->has_context = false;
    at_inflate_put(s->pool, &w->z);
}

/* The message at hand will not be complete. What still comes of it is skipped. */
static void lose_message(struct at_ws *w, struct at_ws_shared *s, uint64_t *count)
{
    if (w->in_message && !w->skip) {
        ++*count;
        if (w->compressed)
            forget_context(w, s);
    }
    w->skip = true;
    at_buf_free(&w->message);
    settle(w, &s->ledger->undecoded_bytes);
}

static void get_lost(struct at_ws *w, struct at_ws_shared *s)
{
    lose_message(w, s, &s->ledger->messages_lost);
    forget_context(w, s);
    w->lost = true;
    w->in_frame = w->in_message = w->skip = false;
    w->n_head = 0;
}

/* Payload as it was sent, unmasked. The view is valid until the next call. */
static enum at_err unmasked(struct feed *f, struct at_str *piece)
{
    struct at_ws *w = f->w;
    struct at_buf *scratch = &f->shared->scratch;
    if (!w->frame.masked)
        return AT_OK;
    scratch->len = 0;
    enum at_err err = at_buf_reserve(scratch, piece->len);
    if (err)
        return err;
    at_ws_unmask(w->frame.mask, w->mask_at, *piece, scratch->ptr);
    piece->ptr = scratch->ptr;
    return AT_OK;
}

static enum at_err inflate_piece(struct feed *f, struct at_str piece, bool last, struct at_buf *out)
{
    struct at_ws *w = f->w;
    /* An encoder for a window of 2^8 bytes may use one of 2^9: zlib's does. */
    int bits = w->terms.window_bits < 9 ? 9 : w->terms.window_bits;
    if (!w->terms.known)
        bits = 15;
    if (!w->z)
        w->z = at_inflate_get(f->shared->pool, -bits);
    if (!w->z)
        return AT_NOMEM;
    enum at_err err = at_inflate_message(w->z, piece, w->in_bytes, last, &f->shared->limits, out);
    if (!err && last && w->terms.no_takeover) {
        at_inflate_forget(w->z);
        at_inflate_put(f->shared->pool, &w->z);
    }
    return err;
}

/* Adds payload to the message, decompressed, at the end of `out`. */
static enum at_err add_payload(struct feed *f, struct at_str piece, bool last, struct at_buf *out)
{
    struct at_ws *w = f->w;
    enum at_err err = unmasked(f, &piece);
    if (err)
        return err;
    if (w->compressed)
        err = inflate_piece(f, piece, last, out);
    else
        err = out->len + piece.len > f->shared->limits.out_bytes ? AT_LIMIT : at_buf_str(out, piece);
    w->in_bytes += piece.len;
    return err;
}

static enum at_err deliver(struct feed *f, struct at_str body)
{
    struct at_ws *w = f->w;
    w->in_message = false;
    w->has_context = w->compressed ? w->z != NULL : w->has_context;
    settle(w, &f->shared->ledger->decoded_bytes);
    return f->sink->message(f->sink->ctx, body, w->compressed);
}

/* Payload of a data frame; `last`: the message ends with it. */
static enum at_err data_payload(struct feed *f, struct at_str piece, bool last)
{
    struct at_ws *w = f->w;
    struct at_ledger *ledger = f->shared->ledger;
    enum at_err err = AT_OK;
    if (w->skip) {
        settle(w, &ledger->undecoded_bytes);
        w->in_message = w->in_message && !last;
        return AT_OK;
    }
    bool whole = last && w->in_bytes == 0; /* all of it is here: nothing need be kept */
    if (whole && !w->compressed && piece.len <= f->shared->limits.out_bytes) {
        err = unmasked(f, &piece);
        return err ? err : deliver(f, piece);
    }
    struct at_buf *out = whole ? &f->shared->whole : &w->message;
    if (whole)
        out->len = 0;
    err = add_payload(f, piece, last, out);
    if (err == AT_LIMIT || err == AT_BAD) {
        lose_message(w, f->shared, err == AT_BAD ? &ledger->messages_lost : &ledger->messages_too_large);
        w->in_message = !last;
        return AT_OK;
    }
    if (err || !last)
        return err;
    err = deliver(f, at_buf_view(out));
    if (out == &w->message)
        at_buf_free(out);
    return err;
}

static enum at_err end_frame(struct feed *f)
{
    struct at_ws *w = f->w;
    w->in_frame = false;
    if (w->frame.opcode < 8)
        return AT_OK;
    settle(w, &f->shared->ledger->decoded_bytes);
    enum at_err err = AT_OK;
    if (f->sink->control)
        err = f->sink->control(f->sink->ctx, w->frame.opcode, (struct at_str){w->control, w->n_control});
    return err || w->frame.opcode != AT_WS_CLOSE ? err : f->sink->close(f->sink->ctx);
}

static void begin_message(struct feed *f)
{
    struct at_ws *w = f->w;
    if (w->in_message) /* the one before never ended: against RFC 6455, section 5.4 */
        lose_message(w, f->shared, &f->shared->ledger->messages_lost);
    w->in_message = true;
    w->skip = false;
    w->compressed = w->frame.rsv1;
    w->in_bytes = 0;
    at_buf_free(&w->message);
}

static enum at_err begin_frame(struct feed *f)
{
    struct at_ws *w = f->w;
    w->in_frame = true;
    w->left = w->frame.len;
    w->mask_at = w->n_control = 0;
    if (w->frame.opcode >= 8)
        return w->left ? AT_OK : end_frame(f);
    if (w->frame.opcode != AT_WS_CONTINUATION) {
        begin_message(f);
    } else if (!w->in_message) { /* its beginning was lost */
        w->in_message = w->skip = true;
        f->shared->ledger->messages_lost++;
    }
    if (!w->skip && !w->compressed && w->left > f->shared->limits.out_bytes) { /* known before it comes */
        lose_message(w, f->shared, &f->shared->ledger->messages_too_large);
    }
    if (w->left)
        return AT_OK;
    enum at_err err = w->frame.fin ? data_payload(f, (struct at_str){"", 0}, true) : AT_OK;
    return err ? err : end_frame(f);
}

static enum at_err feed_header(struct feed *f)
{
    struct at_ws *w = f->w;
    const uint8_t *p = (const uint8_t *)f->rest.ptr;
    size_t n = f->rest.len, before = w->n_head;
    if (before) {
        size_t more = AT_WS_HEADER_MAX - before < n ? AT_WS_HEADER_MAX - before : n;
        memcpy(w->head + before, p, more);
        p = w->head;
        n = before + more;
    }
    size_t len = at_ws_parse_frame(p, n, false, &w->frame);
    bool deflate_unheard_of = w->frame.rsv1 && w->terms.known && !w->terms.deflate;
    if (len == SIZE_MAX || (len && deflate_unheard_of)) {
        get_lost(w, f->shared);
        return AT_OK;
    }
    if (len == 0) {
        if (!before)
            memcpy(w->head, p, n);
        w->n_head = n;
        take(f, f->rest.len);
        return AT_OK;
    }
    w->n_head = 0;
    take(f, len - before);
    return begin_frame(f);
}

/* At most 125 bytes in all: longer control frames are none (RFC 6455, section 5.5). */
static enum at_err control_payload(struct feed *f, struct at_str piece)
{
    struct at_ws *w = f->w;
    if (!f->sink->control)
        return AT_OK;
    enum at_err err = unmasked(f, &piece);
    if (err)
        return err;
    memcpy(w->control + w->n_control, piece.ptr, piece.len);
    w->n_control += piece.len;
    return AT_OK;
}

static enum at_err feed_payload(struct feed *f)
{
    struct at_ws *w = f->w;
    size_t n = w->left < f->rest.len ? (size_t)w->left : f->rest.len;
    struct at_str piece = {f->rest.ptr, n};
    take(f, n);
    w->left -= n;
    enum at_err err = AT_OK;
    if (w->frame.opcode < 8)
        err = data_payload(f, piece, w->frame.fin && w->left == 0);
    else
        err = control_payload(f, piece);
    w->mask_at += n;
    return err || w->left ? err : end_frame(f);
}

enum at_err at_ws_feed(struct at_ws *w, struct at_ws_shared *shared, const struct at_ws_sink *sink, struct at_str bytes,
                       size_t *used)
{
    struct feed f = {.w = w, .shared = shared, .sink = sink, .rest = bytes};
    enum at_err err = AT_OK;
    while (!err && f.rest.len && !w->lost)
        err = w->in_frame ? feed_payload(&f) : feed_header(&f);
    *used = bytes.len - f.rest.len;
    return err;
}

void at_ws_gap(struct at_ws *w, struct at_ws_shared *shared, uint64_t lost_bytes)
{
    if (w->lost)
        return;
    if (!w->in_frame || !lost_bytes || lost_bytes > w->left) {
        get_lost(w, shared);
        return;
    }
    /* The hole lies within one payload: its message is lost, the next frame is in its place. */
    if (w->frame.opcode < 8)
        lose_message(w, shared, &shared->ledger->messages_lost);
    w->left -= lost_bytes;
    w->mask_at += (size_t)lost_bytes;
    if (w->left)
        return;
    w->in_frame = false;
    if (w->frame.opcode < 8 && w->frame.fin)
        w->in_message = false;
}

void at_ws_resume(struct at_ws *w)
{
    w->lost = false;
    w->in_frame = w->in_message = w->skip = false;
    w->n_head = 0;
}

void at_ws_end(struct at_ws *w, struct at_ws_shared *shared)
{
    if (w->in_message && !w->skip)
        shared->ledger->messages_lost++;
    settle(w, &shared->ledger->undecoded_bytes);
}

void at_ws_free(struct at_ws *w, struct at_ws_shared *shared)
{
    at_inflate_put(shared->pool, &w->z);
    at_buf_free(&w->message);
}

size_t at_ws_memory(const struct at_ws *w)
{
    return at_inflate_memory(w->z) + w->message.cap;
}
