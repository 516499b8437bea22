/* test_identity.c: app, user and platform from texts, queries, headers and pointers. */
#include "feed.h"

#include "tracer/dialect.h"

static struct at_str query(const char *target, const char *name, struct at_arena *arena)
{
    return at_target_query(at_str(target), at_str(name), arena);
}

static void queries(void **state)
{
    static const struct {
        const char *target, *name, *value; /* NULL: absent */
    } cases[] = {
        {"/?a=1&b=2", "b", "2"}, {"/?a=1&b=2#b=3", "b", "2"}, {"/?ab=1&b=2", "b", "2"},
        {"/?b", "b", ""},        {"/?b=", "b", ""},           {"/?x=%E6%B5%8B+1%2b%zz%4", "x", "\xe6\xb5\x8b 1+%zz%4"},
        {"/?%62=7", "b", "7"},   {"/?a=1&a=2", "a", "1"},     {"/b=1", "b", NULL},
        {"", "b", NULL},         {NULL, "b", NULL},           {"/?", "b", NULL},
        {"/?&&=&", "b", NULL},   {"/?a=1=2", "a", "1=2"},
    };
    struct at_arena arena = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct at_str v = query(cases[i].target, cases[i].name, &arena);
        assert_int_equal(v.ptr != NULL, cases[i].value != NULL);
        assert_true(at_str_eq(v, at_str(cases[i].value)));
    }
    at_arena_free(&arena);
}

static void headers(void **state)
{
    const struct at_str h = AT_STR("Host: a\r\nX-User:\t bob \r\nx-user: eve\nBroken\r\nLast:1");
    (void)state;
    assert_true(at_str_eq(at_header_value(h, AT_STR("x-USER")), AT_STR("bob")));
    assert_true(at_str_eq(at_header_value(h, AT_STR("last")), AT_STR("1")));
    assert_null(at_header_value(h, AT_STR("Broken")).ptr);
    assert_null(at_header_value(h, AT_STR("User")).ptr);
    assert_null(at_header_value((struct at_str){0}, AT_STR("User")).ptr);
}

static const char call[] = "{\"id\":1,\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"}}";

static void from_handshake(void **state)
{
    struct feed f;
    const struct at_tracer_options o = {.identity = {.app = "header:x-app", .user = "query:openid"}};
    (void)state;
    feed_begin(&f, &o);
    feed(&f, 1, C, call);
    feed_expect(&f, "1 start wx2/o+1 a\n1 call 1 login\n");
}

/* A pointer's value holds for the connection until another message has one. */
static void from_messages(void **state)
{
    struct feed f;
    const struct at_tracer_options o = {.identity = {.app = "x", .user = "pointer:/hello/user~1id"}};
    (void)state;
    feed_begin(&f, &o);
    feed(&f, 1, C, "{\"hello\":{\"user/id\":\"b\\u006fb\"}}");
    feed(&f, 2, C, call);
    feed(&f, 3, C, "{\"hello\":{\"user/id\":17}}");
    feed(&f, 4, S, "{\"id\":1,\"result\":{}}");
    feed(&f, 5, C, call);
    feed_expect(&f, "2 start x/bob\n2 call 1 login\n4 return 1 'login:ok'\n5 start x/17\n5 call 1#2 login\n");
}

/* What is not there is not made up. */
static void absent(void **state)
{
    struct feed f;
    const struct at_tracer_options o = {.identity = {.app = "query:nothing", .user = "header:nothing"}};
    (void)state;
    feed_begin(&f, &o);
    feed(&f, 1, C, call);
    feed_expect(&f, "1 start unknown/10.0.0.1:5000>10.0.0.2:9420\n1 call 1 login\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries),       cmocka_unit_test(headers), cmocka_unit_test(from_handshake),
        cmocka_unit_test(from_messages), cmocka_unit_test(absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
