/* test_collect.c: the collector's pure parts: tokens, keys, rates, numbers of streams, what is taken of a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tracer/collect_gate.h"
#include "tracer/dialect.h"

#ifdef AT_MICROHTTPD
/* RFC 6455, section 1.3; the others by `openssl sha1 -binary | base64`. */
static void accept_keys(void **state)
{
    static const char *const pairs[][2] = {{"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
                                           {"AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
                                           {"x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="}};
    char accept[29];
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_true(at_ws_key_valid(at_str(pairs[i][0])));
        at_ws_accept_key(at_str(pairs[i][0]), accept);
        assert_string_equal(accept, pairs[i][1]);
    }
    assert_false(at_ws_key_valid(AT_STR("dGhlIHNhbXBsZSBub25jZQ=")));
    assert_false(at_ws_key_valid(AT_STR("dGhlIHNhbXBsZSBub25j!Q==")));
    assert_false(at_ws_key_valid(AT_STR("")));
}
#endif

static void tokens(void **state)
{
    (void)state;
    assert_true(at_token_matches(AT_STR("secret"), AT_STR("secret")));
    const char *const wrong[] = {"", "s", "secre", "secrets", "Secret", "secretsecret", "secreT"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(at_token_matches(AT_STR("secret"), at_str(wrong[i])));
    assert_false(at_token_matches(AT_STR("secret"), (struct at_str){0}));
    assert_false(at_token_matches(AT_STR(""), AT_STR("")));
    assert_true(at_str_eq(at_bearer_token(AT_STR("bEARER  x y")), AT_STR("x y")));
    assert_null(at_bearer_token(AT_STR("Bearerx y")).ptr);
    assert_null(at_bearer_token(AT_STR("Bearer")).ptr);
    assert_null(at_bearer_token(AT_STR("Basic x")).ptr);
}

static void parameters(void **state)
{
    char target[] = "/a?token=&xtoken=1&token=abc&token";
    (void)state;
    assert_true(at_str_eq(at_target_parameter(AT_STR("/?token=abc"), AT_STR("token")), AT_STR("abc")));
    assert_true(at_str_eq(at_target_parameter(AT_STR("/?a&token=b=c&d"), AT_STR("token")), AT_STR("b=c")));
    assert_null(at_target_parameter(AT_STR("/token=abc"), AT_STR("token")).ptr);
    assert_null(at_target_parameter(AT_STR("/?tok=abc"), AT_STR("token")).ptr);
    assert_null(at_target_parameter(AT_STR(""), AT_STR("token")).ptr);
    at_target_hide(target, AT_STR("xtoken"));
    assert_string_equal(target, "/a?token=&xtoken=*&token=abc&token");
}

static void rates(void **state)
{
    struct at_rates *r = NULL;
    uint8_t a[16] = {1}, b[16] = {2};
    (void)state;
    assert_int_equal(at_rates_new(10, 20, &r), AT_OK);
    assert_int_equal(at_rates_take(r, a, 20, 1000000), 0);
    assert_int_equal(at_rates_take(r, a, 25, 1000000), 0); /* into debt, once */
    assert_int_equal(at_rates_take(r, a, 1, 1000000), 3);  /* 25 units at 10 a second */
    assert_int_equal(at_rates_take(r, b, 1, 1000000), 0);  /* another address */
    assert_int_equal(at_rates_take(r, a, 1, 3400000), 1);
    assert_int_equal(at_rates_take(r, a, 1, 3600000), 0);
    assert_int_equal(at_rates_take(r, a, 1, 0), 0); /* a clock that went back */
    for (unsigned i = 0; i < 100000; i++) {         /* any number of addresses */
        uint8_t c[16] = {3, (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)};
        assert_int_equal(at_rates_take(r, c, 20, 4000000), 0);
    }
    at_rates_free(&r);
}

/* Numbers in any order that leaves eight ranges at most are known exactly, by a table of all of them. */
static void numbers_of_streams(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct at_sequences *s = NULL;
        bool there[64] = {0};
        uint32_t x = seed * 2654435761u;
        assert_int_equal(at_sequences_new(&s), AT_OK);
        for (unsigned i = 0; i < 300; i++) {
            x = x * 1664525u + 1013904223u;
            uint32_t number = (x >> 16) % 16; /* never more than eight ranges */
            const struct at_event ev = {.stream = AT_STR("s"), .app = AT_STR("a"), .user = AT_STR("u")};
            assert_int_equal(at_sequence_again(s, 0, &ev, number), there[number]);
            there[number] = true;
        }
        at_sequences_free(&s);
    }
}

static void holes_beyond_memory(void **state)
{
    struct at_sequences *s = NULL;
    const struct at_event ev = {.stream = AT_STR("s")}, other = {.stream = AT_STR("t")};
    (void)state;
    assert_int_equal(at_sequences_new(&s), AT_OK);
    for (uint64_t n = 0; n < 100; n++) /* every second number: the latest eight are known */
        assert_false(at_sequence_again(s, 0, &ev, 2 * n));
    for (uint64_t n = 92; n < 100; n++)
        assert_true(at_sequence_again(s, 0, &ev, 2 * n));
    assert_false(at_sequence_again(s, 0, &ev, 0)); /* forgotten: rather twice than not at all */
    assert_false(at_sequence_again(s, 0, &ev, 195));
    assert_false(at_sequence_again(s, 0, &other, 198));
    assert_false(at_sequence_again(s, 1, &ev, 198)); /* another dialect */
    assert_false(at_sequence_again(s, 0, &ev, UINT64_MAX));
    assert_true(at_sequence_again(s, 0, &ev, UINT64_MAX));
    at_sequences_free(&s);
}

/* ---- Messages */

static enum at_err write_down(void *ctx, const struct at_event *ev)
{
    struct at_buf *b = ctx;
    return at_buf_printf(b, "%lld %s %s\n", (long long)ev->t_us, at_kind_text(ev->kind),
                         ev->call.ptr ? (char[]){ev->call.ptr[0], 0} : "-");
}

static struct at_stream stream; /* of the tracer at hand */

static struct at_taken take(struct at_tracer *t, int64_t t_us, const char *body, size_t *waiting)
{
    const struct at_message m = {.t_us = t_us, .stream = &stream, .proto = AT_PROTO_HTTP, .body = at_str(body)};
    struct at_taken taken;
    assert_int_equal(at_tracer_take(t, &m, 3, waiting, &taken), AT_OK);
    return taken;
}

#define CALL(t, c) "{\"t\":" #t ",\"kind\":\"call\",\"call\":\"" #c "\",\"api\":\"login\",\"stream\":\"s\"}"

/* What is held for its place in the order is counted until it is handed on. */
static void waiting_events(void **state)
{
    static const char *const dialects[] = {"beacon"};
    struct at_buf lines = {0};
    struct at_tracer *t = NULL;
    size_t first = 0, second = 0;
    (void)state;
    stream = (struct at_stream){.name = AT_STR("n")};
    assert_int_equal(
        at_tracer_new(&(struct at_tracer_options){.dialects = dialects, .n_dialects = 1}, write_down, &lines, &t, NULL),
        AT_OK);
    struct at_taken a = take(t, 2000000, "[" CALL(1900000, 1) "," CALL(1950000, 2) "]", &first);
    struct at_taken b = take(t, 2100000, CALL(1800000, 3), &second);
    assert_int_equal(a.events, 2);
    assert_int_equal(b.events, 1);
    assert_int_equal(first, 2);
    assert_int_equal(second, 1);
    assert_int_equal(at_tracer_tick(t, 2900000), AT_OK); /* a second behind */
    assert_int_equal(first, 1);
    assert_int_equal(second, 0);
    assert_int_equal(at_tracer_finish(t), AT_OK);
    assert_int_equal(first, 0);
    assert_int_equal(at_buf_add(&lines, "", 1), AT_OK);
    assert_string_equal(lines.ptr, "1800000 start -\n1800000 call 3\n1900000 call 1\n1950000 call 2\n");
    at_buf_free(&lines);
    at_tracer_free(&t);
}

/* A sender's own time is kept, though it comes after a later one. */
static void own_times(void **state)
{
    static const char *const dialects[] = {"beacon"};
    struct at_buf lines = {0};
    struct at_tracer *t = NULL;
    size_t waiting = 0;
    (void)state;
    stream = (struct at_stream){.name = AT_STR("n")};
    assert_int_equal(at_tracer_new(
                         &(struct at_tracer_options){
                             .dialects = dialects, .n_dialects = 1, .in_turn = true, .identity = {.user = "u"}},
                         write_down, &lines, &t, NULL),
                     AT_OK);
    take(t, 9000000, CALL(8000000, 1), &waiting);
    take(t, 9000001, CALL(3000000, 2), &waiting);
    take(t, 9000002, CALL(9900000, 3), &waiting);
    assert_int_equal(waiting, 0);
    assert_int_equal(at_buf_add(&lines, "", 1), AT_OK);
    assert_string_equal(lines.ptr, "8000000 start -\n8000000 call 1\n3000000 call 2\n9000002 call 3\n");
    at_buf_free(&lines);
    at_tracer_free(&t);
}

static void refusals(void **state)
{
    static const char *const dialects[] = {"beacon"};
    static const char *const table[][2] = {
        {"{\"kind\":\"x\"}", "/kind"},
        {"[" CALL(1, 1) ",7]", "/1"},
        {"[" CALL(1, 1) ",[]]", "/1"},
        {"{\"authtape\":1,\"events\":[" CALL(1, 1) ",{\"kind\":\"call\",\"a/b~\":1}]}", "/events/1"},
        {"[{\"authtape\":1,\"events\":[{\"kind\":7}]}]", "/0/events/0/kind"},
        {"[{\"authtape\":0}]", "/0/authtape"}};
    struct at_buf lines = {0};
    struct at_tracer *t = NULL;
    size_t waiting = 0;
    (void)state;
    stream = (struct at_stream){.name = AT_STR("n")};
    assert_int_equal(at_tracer_new(&(struct at_tracer_options){.dialects = dialects, .n_dialects = 1, .in_turn = true},
                                   write_down, &lines, &t, NULL),
                     AT_OK);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct at_taken taken = take(t, 5, table[i][0], &waiting);
        assert_true(taken.refused);
        assert_string_equal(taken.place, table[i][1]);
    }
    assert_true(take(t, 5, "[" CALL(1, 1) "," CALL(1, 2) "," CALL(1, 3) "," CALL(1, 4) "]", &waiting).too_many);
    assert_int_equal(lines.len, 0);
    assert_int_equal(take(t, 5, "[" CALL(1, 1) "," CALL(1, 2) "," CALL(1, 1) "]", &waiting).events, 2);
    at_buf_free(&lines);
    at_tracer_free(&t);
}

/* With other dialects about, what does not look like our events is theirs. */
static void other_dialects(void **state)
{
    static const char *const dialects[] = {"beacon", "automator"};
    struct at_buf lines = {0};
    struct at_tracer *t = NULL;
    size_t waiting = 0;
    (void)state;
    stream = (struct at_stream){.name = AT_STR("n")};
    assert_int_equal(at_tracer_new(&(struct at_tracer_options){.dialects = dialects, .n_dialects = 2, .in_turn = true},
                                   write_down, &lines, &t, NULL),
                     AT_OK);
    assert_false(take(t, 5, "{\"method\":\"Tool.getInfo\"}", &waiting).refused);
    assert_true(take(t, 5, "{\"kind\":\"x\"}", &waiting).refused);
    at_buf_free(&lines);
    at_tracer_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef AT_MICROHTTPD
        cmocka_unit_test(accept_keys),
#endif
        cmocka_unit_test(tokens),
        cmocka_unit_test(parameters),
        cmocka_unit_test(rates),
        cmocka_unit_test(numbers_of_streams),
        cmocka_unit_test(holes_beyond_memory),
        cmocka_unit_test(waiting_events),
        cmocka_unit_test(own_times),
        cmocka_unit_test(refusals),
        cmocka_unit_test(other_dialects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
