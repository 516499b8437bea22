/* decode.h: what the harnesses of the decoder share: a sink that checks what it gets, and an end that checks the books.
 */
#ifndef AUTHTAPE_FUZZ_DECODE_H
#define AUTHTAPE_FUZZ_DECODE_H

#include <stdlib.h>

#include "tests/unit/packets.h"

static inline enum at_err seen_message(void *ctx, const struct at_message *m)
{
    (void)ctx;
    if (!at_json_valid(m->body) || m->stream->name.len == 0)
        abort();
    m->stream->user = m->stream;
    return AT_OK;
}

static inline enum at_err seen_gap(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, uint64_t lost_bytes)
{
    (void)ctx, (void)t_us, (void)packet, (void)lost_bytes;
    if (s->name.len == 0)
        abort();
    return AT_OK;
}

static inline enum at_err seen_end(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, bool clean)
{
    (void)ctx, (void)t_us, (void)packet, (void)clean;
    s->user = NULL;
    return AT_OK;
}

/* Small limits, so that small inputs reach them. */
static inline struct at_decoder *fuzz_decoder(void)
{
    struct at_decoder *d = NULL;
    const struct at_decoder_options options = {
        .memory_bytes = 1 << 20, .flow_bytes = 1 << 14, .message_bytes = 1 << 17, .fragment_bytes = 1 << 16};
    const struct at_decoder_sink sink = {.message = seen_message, .gap = seen_gap, .stream_end = seen_end};
    if (at_decoder_new(&options, &sink, &d))
        abort();
    return d;
}

static inline void fuzz_finish(struct at_decoder *d)
{
    if (at_decoder_finish(d) || !books_balance(at_decoder_ledger(d)))
        abort();
    at_decoder_free(&d);
}

/*
 * Plays bytes as a connection. Each step starts with two bytes: the end that sends (bit 0), whether bytes are lost
 * before (bit 1), whether the next two segments change places (bit 2), a FIN (bits 3 and 4), time passing (bit 5); and
 * a length.
 */
static inline void fuzz_play(struct wire *w, const uint8_t *p, size_t n)
{
    while (n >= 2) {
        int end = p[0] & 1;
        size_t len = (size_t)p[1] * (p[0] & 0x40 ? 64 : 1);
        enum at_err err = AT_OK;
        bool lose = p[0] & 2, swap = p[0] & 4, fin = (p[0] & 0x18) == 0x18;
        if (p[0] & 0x20)
            w->t_us += 200000;
        p += 2;
        n -= 2;
        len = len < n ? len : n;
        if (lose) {
            wire_lose(w, end, len % 64);
        } else if (swap && len > 1) {
            size_t half = len / 2;
            err = wire_at(w, end, w->seq[end] + (uint32_t)half, ACK, p + half, len - half);
            if (!err)
                err = wire_at(w, end, w->seq[end], ACK, p, half);
            w->seq[end] += (uint32_t)len;
        } else {
            err = wire_send(w, end, p, len);
        }
        if (!err && fin)
            err = wire_fin(w, end);
        if (err)
            abort();
        if (lose)
            continue;
        p += len;
        n -= len;
    }
}

#endif
