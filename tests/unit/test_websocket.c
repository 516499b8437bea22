/* WebSocket: the examples of RFC 6455 and RFC 7692, every split, holes, contexts, searching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <zlib.h>

#include "tests/unit/ear.h"
#include "tracer/websocket.h"

/* ---- One half alone */

struct half {
    struct at_ws ws;
    struct at_ws_shared shared;
    struct at_inflate_pool pool;
    struct at_ledger ledger;
    struct at_buf text;
    unsigned closes;
};

static enum at_err on_message(void *ctx, struct at_str body, bool compressed)
{
    struct half *h = ctx;
    return at_buf_printf(&h->text, "%s%.*s|", compressed ? "~" : "", AT_STR_FMT(body));
}

static enum at_err on_close(void *ctx)
{
    ((struct half *)ctx)->closes++;
    return AT_OK;
}

static void open_half(struct half *h, bool deflate)
{
    *h = (struct half){0};
    h->shared = (struct at_ws_shared){.pool = &h->pool, .ledger = &h->ledger, .limits = {.out_bytes = 1 << 20}};
    h->ws.terms = (struct at_ws_terms){.known = true, .deflate = deflate, .window_bits = 15};
}

static void feed(struct half *h, const void *bytes, size_t n)
{
    const struct at_ws_sink sink = {.ctx = h, .message = on_message, .close = on_close};
    size_t used;
    assert_int_equal(at_ws_feed(&h->ws, &h->shared, &sink, (struct at_str){bytes, n}, &used), AT_OK);
}

static void close_half(struct half *h, const char *expected)
{
    at_ws_end(&h->ws, &h->shared);
    assert_int_equal(at_buf_add(&h->text, "", 1), AT_OK);
    assert_string_equal(h->text.ptr, expected);
    at_ws_free(&h->ws, &h->shared);
    at_inflate_pool_clear(&h->pool);
    at_buf_free(&h->text);
    at_buf_free(&h->shared.scratch);
    at_buf_free(&h->shared.whole);
}

/* Feeds the bytes in pieces of every size. */
static void example(bool deflate, const char *bytes, size_t n, const char *expected)
{
    for (size_t step = 1; step <= n; step++) {
        struct half h;
        open_half(&h, deflate);
        for (size_t at = 0; at < n; at += step)
            feed(&h, bytes + at, step < n - at ? step : n - at);
        assert_int_equal(h.ledger.messages_lost, 0);
        assert_int_equal(h.ledger.decoded_bytes, n);
        close_half(&h, expected);
    }
}

#define EXAMPLE(deflate, bytes, expected) example(deflate, bytes, sizeof(bytes) - 1, expected)

static void examples_of_rfc_6455(void **state) /* section 5.7 */
{
    (void)state;
    EXAMPLE(false, "\x81\x05\x48\x65\x6c\x6c\x6f", "Hello|");
    EXAMPLE(false, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "Hello|");
    EXAMPLE(false, "\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f", "Hello|");
    EXAMPLE(false, "\x01\x03\x48\x65\x6c\x89\x05\x48\x65\x6c\x6c\x6f\x80\x02\x6c\x6f", "Hello|");
    EXAMPLE(false, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x81\x00", "|");
    EXAMPLE(false, "\x82\x7e\x00\x05Hello", "Hello|"); /* a longer length than needed is understood */
}

static void examples_of_rfc_7692(void **state) /* section 7.2.3 */
{
    (void)state;
    EXAMPLE(true, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", "~Hello|");
    EXAMPLE(true, "\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", "~Hello|");
    EXAMPLE(true, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00", "~Hello|~Hello|");
    EXAMPLE(true, "\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "~Hello|");
    EXAMPLE(true, "\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "~Hello|");
    EXAMPLE(true, "\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "~Hello|");
    EXAMPLE(true, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x81\x02hi\xc1\x05\xf2\x00\x11\x00\x00", "~Hello|hi|~Hello|");
}

static void broken_frames(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x91\x00",         "\x83\x00", "\x8b\x00", "\x09\x00",
                                      "\x89\x7e\x00\x80", "\xc9\x00", "\xc0\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct half h;
        open_half(&h, true);
        feed(&h, bad[i], i == 4 ? 4 : 2);
        assert_true(h.ws.lost);
        close_half(&h, "");
    }
    struct half h; /* RSV1 without the extension; a continuation of nothing; a message that never ends */
    open_half(&h, false);
    feed(&h, "\xc1\x01x", 3);
    assert_true(h.ws.lost);
    at_ws_resume(&h.ws);
    feed(&h, "\x80\x01x\x01\x01y\x81\x01z\x88\x02\x03\xe8", 14 - 1);
    assert_int_equal(h.ledger.messages_lost, 2);
    assert_int_equal(h.closes, 1);
    close_half(&h, "z|");
}

static void a_hole_in_a_payload_costs_one_message(void **state)
{
    (void)state;
    struct half h;
    open_half(&h, false);
    feed(&h, "\x81\x05He", 4);
    at_ws_gap(&h.ws, &h.shared, 3);
    feed(&h, "\x81\x02hi\x01\x03one", 9);
    at_ws_gap(&h.ws, &h.shared, 0);
    assert_true(h.ws.lost);
    assert_int_equal(h.ledger.messages_lost, 2);
    close_half(&h, "hi|");
}

static void limits(void **state)
{
    (void)state;
    struct half h;
    open_half(&h, true);
    h.shared.limits.out_bytes = 4;
    feed(&h, "\x81\x05Hello\x81\x04hell\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 7 + 6 + 9);
    feed(&h, "\x81\x7f\x00\x00\x00\x00\x80\x00\x00\x00rest", 14); /* 2 GB to come */
    assert_int_equal(h.ledger.messages_too_large, 3);
    assert_true(at_ws_memory(&h.ws) < 4096);
    close_half(&h, "hell|");
}

static void terms(void **state)
{
    (void)state;
    struct at_ws_terms t[2];
    at_ws_parse_extensions(AT_STR("permessage-deflate; server_no_context_takeover; client_max_window_bits=10"), t);
    assert_true(t[0].deflate && t[1].deflate && !t[0].no_takeover && t[1].no_takeover);
    assert_int_equal(t[0].window_bits, 10);
    assert_int_equal(t[1].window_bits, 15);
    at_ws_parse_extensions(AT_STR("x-other, permessage-deflate ; server_max_window_bits = \"9\""), t);
    assert_int_equal(t[1].window_bits, 9);
    at_ws_parse_extensions((struct at_str){0}, t);
    assert_true(t[0].known && !t[0].deflate);
}

/* ---- In a connection: what survives a hole */

static size_t frame(uint8_t *out, uint8_t first, bool masked, const void *data, size_t n)
{
    size_t at = 0;
    out[at++] = first;
    out[at++] = (uint8_t)((masked ? 0x80 : 0) | (n < 126 ? n : 126));
    if (n >= 126) {
        out[at++] = (uint8_t)(n >> 8);
        out[at++] = (uint8_t)n;
    }
    static const uint8_t mask[4] = {1, 2, 3, 4};
    if (masked) {
        memcpy(out + at, mask, 4);
        at += 4;
    }
    for (size_t i = 0; i < n; i++)
        out[at++] = ((const uint8_t *)data)[i] ^ (masked ? mask[i & 3] : 0);
    return at;
}

static void shake_hands(struct wire *w, const char *extensions)
{
    assert_int_equal(wire_open(w), AT_OK);
    say(w, 0, "GET /?openid=u HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
    say(w, 1, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n");
    say(w, 1, extensions);
    say(w, 1, "\r\n");
}

/* Messages "[0]", "[1]" … of one end, the third lost with all of its packet. */
static void lose_the_third(bool takeover, bool compressed, bool masked, const char *expected)
{
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    shake_hands(&w, compressed ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    for (int i = 0; i < 5; i++) {
        uint8_t text[200], packed[300], out[400];
        int n = snprintf((char *)text, sizeof text, "[%d,\"the same words in every message\"]", i);
        z.next_in = text;
        z.avail_in = (uInt)n;
        z.next_out = packed;
        z.avail_out = sizeof packed;
        if (!takeover)
            deflateReset(&z);
        deflate(&z, Z_SYNC_FLUSH);
        size_t len = compressed ? sizeof packed - z.avail_out - 4 : (size_t)n;
        len = frame(out, compressed ? 0xc1 : 0x81, masked, compressed ? packed : text, len);
        if (i == 2)
            wire_lose(&w, masked ? 0 : 1, len);
        else
            assert_int_equal(wire_send(&w, masked ? 0 : 1, out, len), AT_OK);
    }
    deflateEnd(&z);
    assert_int_equal(at_decoder_finish(w.decoder), AT_OK);
    heard(&ear, expected);
    hang_up(&w, &ear);
}

#define SAID(dir, i) dir " 0 0 [" i ",\"the same words in every message\"]\n"

static void what_survives_a_hole(void **state)
{
    (void)state;
    for (int masked = 0; masked < 2; masked++) {
        const char *whole =
            masked ? SAID("client", "0") SAID("client", "1") "gap 43\n" SAID("client", "3") SAID("client", "4") "end\n"
                   : SAID("server", "0") SAID("server", "1") "gap 39\n" SAID("server", "3") SAID("server", "4") "end\n";
        lose_the_third(false, false, masked, whole);
    }
    lose_the_third(true, true, false, SAID("server", "0") SAID("server", "1") "gap 8\ngap 0\ngap 0\nend\n");
}

static void picked_up_in_the_middle(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .seq = {9, 9}, .decoder = ear_decoder(&ear, NULL)};
    uint8_t out[100];
    say(&w, 1, "tail of a frame");
    assert_int_equal(wire_send(&w, 1, out, frame(out, 0x81, false, "{\"a\":1}", 7)), AT_OK);
    assert_int_equal(wire_send(&w, 0, out, frame(out, 0x81, true, "{\"b\":2}", 7)), AT_OK);
    assert_int_equal(wire_send(&w, 0, out, frame(out, 0x81, true, "3", 1)), AT_OK);
    assert_int_equal(at_decoder_finish(w.decoder), AT_OK);
    heard(&ear, "server 0 0 {\"a\":1}\nclient 0 0 {\"b\":2}\nclient 0 0 3\nend\n");
    hang_up(&w, &ear);
}

/* The answer to the handshake is lost, and what follows the request is a compressed fragment: its first byte is an 'A'. */
static void the_answer_is_lost(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    uint8_t out[100];
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
    wire_lose(&w, 1, 100);
    static const char packed[] = "\x8a\x36\x8c\x05\x00"; /* "[1]", flushed (RFC 7692, section 7.2.1) */
    assert_int_equal(wire_send(&w, 0, out, frame(out, 0x41, true, packed, 2)), AT_OK);
    assert_int_equal(wire_send(&w, 0, out, frame(out, 0x80, true, packed + 2, 3)), AT_OK);
    assert_int_equal(at_decoder_finish(w.decoder), AT_OK);
    heard(&ear, "client 0 0 [1]\nend\n");
    hang_up(&w, &ear);
}

static void a_close_is_a_clean_end(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    uint8_t out[100];
    shake_hands(&w, "");
    assert_int_equal(wire_send(&w, 0, out, frame(out, 0x81, true, "[1]", 3)), AT_OK);
    assert_string_equal(ear.target, "/?openid=u");
    assert_int_equal(wire_send(&w, 0, out, frame(out, 0x88, true, "\x03\xe8", 2)), AT_OK);
    assert_int_equal(wire_at(&w, 0, w.seq[0], RST | ACK, NULL, 0), AT_OK);
    heard(&ear, "client 0 0 [1]\nend clean\n");
    hang_up(&w, &ear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_rfc_6455),
        cmocka_unit_test(examples_of_rfc_7692),
        cmocka_unit_test(broken_frames),
        cmocka_unit_test(a_hole_in_a_payload_costs_one_message),
        cmocka_unit_test(limits),
        cmocka_unit_test(terms),
        cmocka_unit_test(what_survives_a_hole),
        cmocka_unit_test(picked_up_in_the_middle),
        cmocka_unit_test(the_answer_is_lost),
        cmocka_unit_test(a_close_is_a_clean_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
