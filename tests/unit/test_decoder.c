/* The decoder as a whole: names and identities of streams, pairing, ports, repetition of whole captures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/ear.h"

#define POST(length, body) "POST /a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: " length "\r\n\r\n" body

static enum at_err look(void *ctx, const struct at_message *m)
{
    (void)ctx;
    if (m->dir == AT_DIR_SERVER || m->packet != 4)
        return AT_STOP;
    assert_true(at_str_eq(m->stream->name, AT_STR("10.0.0.1:1000>10.0.0.2:80")));
    assert_true(at_str_eq(m->stream->target, AT_STR("/a?x=1")));
    assert_true(at_str_eq(m->stream->headers, AT_STR("Host: h\r\nContent-Length: 3\r\n")));
    assert_int_equal(m->t_us, 40);
    assert_int_equal(m->stream->id, 1);
    assert_null(m->encoding.ptr);
    return AT_OK;
}

static void what_a_message_says_and_how_the_consumer_stops(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000};
    const struct at_decoder_sink sink = {.ctx = &ear, .message = look, .gap = ear_gap, .stream_end = ear_end};
    assert_int_equal(at_decoder_new(NULL, &sink, &w.decoder), AT_OK);
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, POST("3", "[1]"));
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";
    assert_int_equal(wire_send(&w, 1, answer, sizeof answer - 1), AT_STOP);
    at_decoder_free(&w.decoder); /* the consumer can free what it hung on the stream */
    heard(&ear, "end\n");
    at_buf_free(&ear.text);
}

static void pipelined_pairs(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, POST("3", "[1]") "GET / HTTP/1.1\r\n\r\n" POST("3", "[3]"));
    say(&w, 1, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]HTTP/1.1 500 x\r\nContent-Length: 3\r\n\r\n[2]");
    say(&w, 1, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[3]");
    heard(&ear, "request 1 0 [1]\nrequest 3 0 [3]\nresponse 1 200 [1]\nresponse 2 500 [2]\nresponse 3 200 [3]\n");
    assert_int_equal(at_decoder_ledger(w.decoder)->messages, 5);
    hang_up(&w, &ear);
}

static void only_some_ports(void **state)
{
    (void)state;
    static const uint16_t ports[] = {81, 2000};
    struct ear ear = {0};
    const struct at_decoder_options options = {.ports = ports, .n_ports = 2};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, &options)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wire_open(&w), AT_OK);
        say(&w, 0, POST("3", "[1]"));
        heard(&ear, i ? "request 1 0 [1]\n" : "");
        w.port = 2000;
    }
    assert_int_equal(at_decoder_ledger(w.decoder)->packets_other, 4);
    hang_up(&w, &ear);
}

static void truncated_packets(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    uint8_t bytes[300];
    assert_int_equal(wire_open(&w), AT_OK);
    static const char text[] = POST("3", "[1]");
    size_t n = make_packet(bytes, &w, 0, w.seq[0], ACK, text, sizeof text - 1);
    const struct at_packet p = {.t_us = 50, .number = 4, .linktype = 101, .data = bytes, .caplen = n - 5, .len = n};
    assert_int_equal(at_decoder_packet(w.decoder, &p), AT_OK);
    w.seq[0] += sizeof text - 1;
    say(&w, 0, POST("3", "[2]"));
    assert_int_equal(wire_at(&w, 1, w.seq[1], ACK, NULL, 0), AT_OK);
    w.t_us += 200000;
    assert_int_equal(wire_at(&w, 1, w.seq[1], ACK, NULL, 0), AT_OK);
    heard(&ear, "request 1 0 [2]\n"); /* of the first one not even the head was whole */
    assert_int_equal(at_decoder_ledger(w.decoder)->truncated_bytes, 5);
    assert_int_equal(at_decoder_ledger(w.decoder)->tcp_gap_bytes, 5);
    hang_up(&w, &ear);
}

static void every_part_of_a_message_that_is_no_json(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, POST("4", "[1]]") POST("5", "a=b&c") POST("3", "[\x80]") POST("6", " \r\n[5]"));
    heard(&ear, "request 4 0  \r\n[5]\n");
    assert_int_equal(at_decoder_ledger(w.decoder)->messages_not_json, 3);
    hang_up(&w, &ear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_message_says_and_how_the_consumer_stops),
        cmocka_unit_test(pipelined_pairs),
        cmocka_unit_test(only_some_ports),
        cmocka_unit_test(truncated_packets),
        cmocka_unit_test(every_part_of_a_message_that_is_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
