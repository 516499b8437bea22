/* HTTP/1.1: heads, framing at every split, pairing, codings, and getting back in step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/ear.h"
#include "tracer/http.h"

/* Plays a conversation with the bytes of the client and of the server in pieces of `step`. */
static void play(const char *client, const char *server, size_t step, const char *expected)
{
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    const char *texts[2] = {client, server};
    assert_int_equal(wire_open(&w), AT_OK);
    for (int end = 0; end < 2; end++)
        for (size_t at = 0, n = strlen(texts[end]); at < n; at += step)
            assert_int_equal(wire_send(&w, end, texts[end] + at, step < n - at ? step : n - at), AT_OK);
    assert_int_equal(wire_fin(&w, 1), AT_OK);
    heard(&ear, expected);
    hang_up(&w, &ear);
}

static void messages_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t step = 1; step < 200; step++)
        play("POST /1 HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
             "\r\nHEAD /2 HTTP/1.1\r\n\r\n"
             "PUT /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3;x=y\r\n[1,\r\n00a\r\n2,3,4,5,6]\r\n0\r\nSum: 1\r\n\r\n"
             "GET /4 HTTP/1.1\nHost: bare line ends\n\n"
             "GET /5 HTTP/1.1\r\n\r\n",
             "HTTP/1.1 100 Continue\r\n\r\n"
             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
             "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" /* to a HEAD */
             "HTTP/1.1 204 No Content\r\n\r\n"
             "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
             "HTTP/1.1 404 Not Found\r\n\r\n\"until the end\"",
             step,
             "request 1 0 {\"a\":1}\nrequest 3 0 [1,2,3,4,5,6]\nresponse 1 200 []\n"
             "response 5 404 \"until the end\"\n");
}

static void heads(void **state)
{
    (void)state;
    struct at_http_head h;
    assert_true(at_http_parse_head(AT_STR("GET /x HTTP/1.1\r\nA: b\r\n c\r\nUpgrade : WebSocket\r\n\r\n"), &h));
    assert_true(h.upgrade);
    assert_string_equal("", h.response ? "response" : "");
    assert_true(at_str_eq(h.target, AT_STR("/x")));
    assert_true(at_str_eq(h.fields, AT_STR("A: b\r\n c\r\nUpgrade : WebSocket\r\n")));
    /* RFC 9112, section 6.3: Transfer-Encoding wins over Content-Length */
    assert_true(at_http_parse_head(
        AT_STR("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), &h));
    assert_true(h.chunked && h.conflict && !h.has_length && !h.broken);
    assert_int_equal(h.n_codings, 1);
    assert_true(at_http_parse_head(AT_STR("POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n"), &h));
    assert_true(h.has_length && h.length == 3 && !h.conflict);
    assert_true(at_http_parse_head(AT_STR("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"), &h));
    assert_true(h.broken && h.conflict);
    assert_true(at_http_parse_head(AT_STR("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), &h));
    assert_true(h.broken);
    assert_true(at_http_parse_head(AT_STR("HTTP/1.1 200\r\nContent-Encoding: deflate, GZIP\r\n\r\n"), &h));
    assert_int_equal(h.n_codings, 2);
    assert_int_equal(h.codings[0], AT_CODING_GZIP);
    assert_true(at_http_parse_head(AT_STR("HTTP/1.0 200 OK\r\nContent-Encoding: br\r\n\r\n"), &h));
    assert_true(h.unknown_coding);
    static const char *const bad[] = {"GET /x\r\n\r\n",
                                      "HTTP/2 200 OK\r\n\r\n",
                                      "HTTP/1.1 2x0 OK\r\n\r\n",
                                      " GET / HTTP/1.1\r\n\r\n",
                                      "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                                      "G\x01T / HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(at_http_parse_head(at_str(bad[i]), &h));
}

static void sniffing(void **state)
{
    (void)state;
    assert_int_equal(at_http_sniff(AT_STR("HTT")), AT_HTTP_MAYBE);
    assert_int_equal(at_http_sniff(AT_STR("HTTP/1.1 200")), AT_HTTP_RESPONSE);
    assert_int_equal(at_http_sniff(AT_STR("POST /")), AT_HTTP_MAYBE);
    assert_int_equal(at_http_sniff(AT_STR("POST / HTTP/1.1\r\n")), AT_HTTP_REQUEST);
    assert_int_equal(at_http_sniff(AT_STR("PRI * HTTP/2.0\r\n")), AT_HTTP_NO);
    assert_int_equal(at_http_sniff(AT_STR("\x16\x03\x01")), AT_HTTP_NO);
    assert_int_equal(at_http_sniff(AT_STR("SSH-2.0-OpenSSH_9.2\r\n")), AT_HTTP_NO);
}

static void contradictions_are_counted(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n");
    say(&w, 0, "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nnope");
    say(&w, 0, "POST / HTTP/1.1\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\n1234");
    say(&w, 0, "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n1234");
    heard(&ear, "request 1 0 []\ngap 0\n");
    const struct at_ledger *l = at_decoder_ledger(w.decoder);
    assert_int_equal(l->framing_conflicts, 1);
    assert_int_equal(l->messages_not_json, 1);
    assert_int_equal(l->encodings_unknown, 1);
    assert_int_equal(l->messages_lost, 1);
    hang_up(&w, &ear);
}

/* A hole inside a body of known length costs that message only; any other hole costs what it hides. */
static void holes(void **state)
{
    (void)state;
    static const char text[] =
        "POST /1 HTTP/1.1\r\nContent-Length: 61\r\n\r\n"
        "[\"012345678901234567890123456789012345678901234567890123456\"]"
        "POST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\n[2]POST /3 HTTP/1.1\r\nContent-Length: 3\r\n\r\n[3]";
    const size_t n = sizeof text - 1, second = (size_t)(strstr(text, "POST /2") - text);
    for (size_t at = 1; at < n; at++) {
        for (size_t len = 1; len < 30 && at + len < n; len++) {
            struct ear ear = {0};
            struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
            assert_int_equal(wire_open(&w), AT_OK);
            assert_int_equal(wire_send(&w, 0, text, at), AT_OK);
            wire_lose(&w, 0, len);
            assert_int_equal(wire_send(&w, 0, text + at + len, n - at - len), AT_OK);
            assert_int_equal(at_decoder_finish(w.decoder), AT_OK);
            assert_int_equal(at_buf_add(&ear.text, "", 1), AT_OK);
            if (at + len <= second && !strstr(ear.text.ptr, "[2]"))
                fail_msg("%zu bytes lost at %zu: %s", len, at, ear.text.ptr);
            if (at + len <= n - 42)
                assert_non_null(strstr(ear.text.ptr, "[3]"));
            hang_up(&w, &ear);
        }
    }
}

static void switching_and_tunnels(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, "CONNECT x:80 HTTP/1.1\r\n\r\n");
    say(&w, 1, "HTTP/1.1 200 OK\r\n\r\n");
    say(&w, 0, "POST /in HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    say(&w, 1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
    heard(&ear, "request 2 0 {}\nresponse 2 200 []\n");
    say(&w, 0, "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n");
    say(&w, 1, "HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n[1]");
    say(&w, 0, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    heard(&ear, "");
    hang_up(&w, &ear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_however_they_are_cut),
        cmocka_unit_test(heads),
        cmocka_unit_test(sniffing),
        cmocka_unit_test(contradictions_are_counted),
        cmocka_unit_test(holes),
        cmocka_unit_test(switching_and_tunnels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
