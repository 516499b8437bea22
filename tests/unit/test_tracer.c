/* test_tracer.c: the automator dialect, the order of events, keys, streams, losses. */
#include "feed.h"

static const struct at_tracer_options plain = {.identity = {.app = "a", .user = "u"}};
#define START(t) #t " start a/u\n"

static void direct_calls(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, &plain);
    feed(&f, 1, C,
         "{\"id\":\"1\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"authorize\","
         "\"args\":[{\"scope\":\"scope.record\"}]}}");
    feed(&f, 2, S, "{\"id\":\"1\",\"result\":{\"result\":{\"errMsg\":\"authorize:ok\"}}}");
    feed(&f, 3, C,
         "{\"id\":\"2\",\"method\":\"App.callUniMethod\",\"params\":{\"method\":\"getLocation\","
         "\"pluginId\":\"p\",\"args\":[{\"scope\":\"scope.record\"}]}}"); /* no scope but for authorize */
    feed(&f, 4, S, "{\"id\":\"2\",\"error\":{\"message\":\"getLocation:fail:auth denied\"}}");
    feed(&f, 5, C, "{\"id\":3,\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"wx.getSetting\",\"args\":[]}}");
    feed(&f, 6, S,
         "{\"id\":3,\"result\":{\"result\":{\"errMsg\":\"getSetting:ok\",\"errno\":0,\"authSetting\":"
         "{\"scope.a\":true,\"scope.b\":false,\"junk\":7}}}}");
    feed(&f, 7, C, "{\"id\":\"4\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"getSystemInfoSync\"}}");
    feed(&f, 8, S, "{\"id\":\"4\",\"result\":{\"result\":{\"model\":\"x\"}}}");
    feed(&f, 9, S, "{\"id\":\"4\",\"error\":{\"message\":\"getSystemInfoSync:fail\"}}"); /* a second answer */
    feed(&f, 10, S, "{\"id\":\"5\",\"result\":{}}");                                     /* to nothing */
    feed(&f, 11, C, "{\"id\":\"4\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"}}");
    feed_expect(&f, START(1) "1 call 1 authorize scope.record\n2 return 1 'authorize:ok'\n"
                             "3 call 2 getLocation\n4 return 2 'getLocation:fail:auth denied'\n"
                             "5 call 3 getSetting\n6 return 3 'getSetting:ok' errno=0 scope.a:1 scope.b:0\n"
                             "7 call 4 getSystemInfoSync\n8 return 4 'getSystemInfoSync:ok'\n"
                             "9 return 4 'getSystemInfoSync:fail'\n11 call 4#2 login\n");
}

static void look_alikes(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, &plain);
    feed(&f, 1, C, "{\"id\":\"1\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"request\"}}");
    feed(&f, 2, S,
         "{\"id\":\"1\",\"result\":{\"result\":{\"errMsg\":\"request:ok\",\"data\":{\"errMsg\":"
         "\"getLocation:fail auth deny\",\"authSetting\":{\"scope.a\":true}},\"authSetting\":{\"s\":true}}}}");
    feed(&f, 3, S, "{\"id\":\"9\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"authorize\"}}");
    feed(&f, 4, C, "[1,2,{\"id\":\"1\"}]");
    feed(&f, 5, C, "\"text\"");
    feed_expect(&f, START(1) "1 call 1 request\n2 return 1 'request:ok'\n");
}

/* A tap counts at the time of its request, also when the call's outcome comes first; not when it is refused. */
static void taps(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, &plain);
    feed(&f, 1, C, "{\"id\":\"1\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"getUserInfo\"}}");
    feed(&f, 2, C, "{\"id\":\"2\",\"method\":\"Tool.native\",\"params\":{\"method\":\"authorizeAllow\"}}");
    feed(&f, 3, S, "{\"id\":\"1\",\"result\":{\"result\":{\"errMsg\":\"getUserInfo:ok\"}}}");
    assert_int_equal(at_str_find(at_buf_view(&f.lines), AT_STR("return")), SIZE_MAX); /* not yet */
    feed(&f, 4, S, "{\"id\":\"2\",\"result\":{}}");
    feed(&f, 5, C, "{\"id\":\"3\",\"method\":\"Tool.native\",\"params\":{\"method\":\"authorizeCancel\"}}");
    feed(&f, 6, C, "{\"id\":\"4\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"}}");
    feed(&f, 7, S, "{\"id\":\"3\",\"error\":{\"message\":\"no dialog\"}}");
    feed(&f, 8, C, "{\"id\":\"5\",\"method\":\"Tool.native\",\"params\":{\"method\":\"goHome\"}}");
    feed(&f, 9, C, "{\"id\":\"6\",\"method\":\"Tool.clearCache\",\"params\":{\"clean\":\"auth\"}}");
    feed(&f, 10, S, "{\"id\":\"6\",\"error\":null,\"result\":{}}");
    feed(&f, 11, C, "{\"id\":\"7\",\"method\":\"Tool.clearCache\",\"params\":{\"clean\":\"file\"}}");
    feed(&f, 12, C, "{\"id\":\"8\",\"method\":\"Tool.clearCache\",\"params\":{\"clean\":\"all\"}}");
    feed(&f, 13, S, "{\"id\":\"8\",\"error\":{\"message\":\"busy\"}}");
    feed(&f, 14, C, "{\"id\":\"9\",\"method\":\"Tool.native\",\"params\":{\"method\":\"authorizeCancel\"}}");
    feed_expect(&f, START(1) "1 call 1 getUserInfo\n2 decision allow\n3 return 1 'getUserInfo:ok'\n6 call 4 login\n"
                             "9 reset\n14 decision deny\n");
}

static void wrapped_calls(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, &plain);
    /* named in the arguments */
    feed(&f, 1, C,
         "{\"id\":\"1\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":"
         "\"(a,b)=>wx[a](b)\",\"args\":[\"authorize\",{\"scope\":\"scope.werun\"}]}}");
    feed(&f, 2, S, "{\"id\":\"1\",\"result\":{\"result\":{\"errMsg\":\"authorize:fail auth deny\"}}}");
    /* named in the text, after an escape */
    feed(&f, 3, C,
         "{\"id\":\"2\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":"
         "\"()=>{\\nwx.getWeRunData({});wx.getWeRunData2()}\",\"args\":[]}}");
    feed(&f, 4, S, "{\"id\":\"2\",\"result\":{\"result\":null}}");
    /* known by the answer only; what is later waits */
    feed(&f, 5, C, "{\"id\":\"3\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":\"f()\"}}");
    feed(&f, 6, C, "{\"id\":\"4\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"}}");
    feed(&f, 7, S, "{\"id\":\"3\",\"result\":{\"result\":{\"errMsg\":\"getSetting:ok\",\"authSetting\":{}}}}");
    /* another game's function; two APIs; an API of no concern; a name within a name */
    feed(&f, 8, C, "{\"id\":\"5\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":\"g()\"}}");
    feed(&f, 9, S, "{\"id\":\"5\",\"result\":{\"result\":{\"errMsg\":\"request:ok\"}}}");
    feed(&f, 10, C,
         "{\"id\":\"6\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":"
         "\"wx.getLocation();wx.getSetting()\"}}");
    feed(&f, 11, S, "{\"id\":\"6\",\"result\":{\"result\":7}}");
    feed(&f, 12, C,
         "{\"id\":\"7\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":"
         "\"mywx.getLocation();wx.request()\"}}");
    feed(&f, 13, S, "{\"id\":\"7\",\"error\":{\"message\":\"x is not defined\"}}");
    feed_expect(&f, START(1) "1 call 1 authorize scope.werun\n2 return 1 'authorize:fail auth deny'\n"
                             "3 call 2 getWeRunData\n4 return 2 'getWeRunData:fail the function gave no errMsg'\n"
                             "5 call 3 getSetting\n6 call 4 login\n7 return 3 'getSetting:ok'\n");
}

static void mocked(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, &plain);
#define CALL(t, id, api)                                                                                               \
    feed(&f, t, C, "{\"id\":\"" id "\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"" api "\"}}");         \
    feed(&f, t + 1, S, "{\"id\":\"" id "\",\"result\":{\"result\":{\"errMsg\":\"" api ":ok\"}}}")
    feed(&f, 1, C,
         "{\"id\":\"1\",\"method\":\"App.mockWxMethod\",\"params\":{\"method\":\"getSetting\",\"result\":1}}");
    feed(&f, 2, S, "{\"id\":\"1\",\"result\":{}}");
    CALL(3, "2", "getSetting");
    CALL(5, "3", "getLocation");
    feed(&f, 7, C,
         "{\"id\":\"4\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":"
         "\"wx.getSetting()\"}}");
    feed(&f, 8, S, "{\"id\":\"4\",\"result\":{\"result\":{\"errMsg\":\"getSetting:ok\"}}}");
    feed(&f, 9, C, "{\"id\":\"5\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":\"f()\"}}");
    feed(&f, 10, S, "{\"id\":\"5\",\"result\":{\"result\":{\"errMsg\":\"getSetting:ok\"}}}");
    feed(&f, 11, C, "{\"id\":\"6\",\"method\":\"App.mockWxMethod\",\"params\":{\"method\":\"getSetting\"}}");
    CALL(12, "7", "getSetting");
    feed(&f, 14, C, "{\"id\":\"8\",\"method\":\"App.mockWxMethod\",\"params\":{\"method\":\"login\",\"result\":0}}");
    feed(&f, 15, S, "{\"id\":\"8\",\"error\":{\"message\":\"no\"}}");
    CALL(16, "9", "login");
    feed_expect(&f, START(5) "5 call 3 getLocation\n6 return 3 'getLocation:ok'\n12 call 7 getSetting\n"
                             "13 return 7 'getSetting:ok'\n16 call 9 login\n17 return 9 'login:ok'\n");
}

/* A mock concerns the part of the app that it was made for; one that fails changes nothing. */
static void mocked_in_part(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, &plain);
#define MOCK(t, id, plugin, result)                                                                                    \
    feed(&f, t, C,                                                                                                     \
         "{\"id\":\"" id "\",\"method\":\"App.mockWxMethod\",\"params\":{\"method\":\"login\"" plugin result "}}")
#define PLUGIN ",\"pluginId\":\"p1\""
    MOCK(1, "1", PLUGIN, ",\"result\":null");
    CALL(2, "2", "login");
    feed(&f, 4, C, "{\"id\":\"3\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"" PLUGIN "}}");
    feed(&f, 5, S, "{\"id\":\"3\",\"result\":{\"result\":{\"errMsg\":\"login:ok\"}}}");
    MOCK(6, "4", "", ",\"functionDeclaration\":\"()=>1\",\"args\":[]");
    MOCK(7, "5", PLUGIN, "");
    feed(&f, 8, C, "{\"id\":\"6\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"" PLUGIN "}}");
    CALL(9, "7", "login");
    MOCK(11, "8", "", ",\"result\":1"); /* mocked already: that it fails does not undo the mock */
    feed(&f, 12, S, "{\"id\":\"8\",\"error\":{\"message\":\"no\"}}");
    CALL(13, "9", "login");
    MOCK(15, "10", "", "");
    CALL(16, "11", "login");
    feed_expect(&f, START(2) "2 call 2 login\n3 return 2 'login:ok'\n8 call 6 login\n16 call 11 login\n"
                             "17 return 11 'login:ok'\n");
}

/* Ways to write a call in a function. */
static void written_calls(void **state)
{
    static const struct {
        const char *text, *api, *scope;
    } ways[] = {
        {"async () => await wx.authorize({ scope: 'scope.record' })", "authorize", " scope.record"},
        {"() => wx[\\\"authorize\\\"]({scope:`scope.werun`})", "authorize", " scope.werun"},
        {"function () { return wx?.getSetting() }", "getSetting", ""},
        {"() => wx['getLocation']({type:'wgs84'}).then((r) => r)", "getLocation", ""},
        {"(s) => wx.authorize({scope: s.scope.length ? 'scope.record' : 'scope.werun'})", "authorize", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct feed f;
        char text[300], wanted[200];
        feed_begin(&f, &plain);
        snprintf(
            text, sizeof text,
            "{\"id\":\"1\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":\"%s\",\"args\":[]}}",
            ways[i].text);
        feed(&f, 1, C, text);
        snprintf(wanted, sizeof wanted, START(1) "1 call 1 %s%s\n", ways[i].api, ways[i].scope);
        feed_expect(&f, wanted);
    }
}

/* Nobody waits for ever: after hold_ms a tap counts; a call that is known too late keeps the order. */
static void hold_limits(void **state)
{
    struct feed f;
    struct at_tracer_options o = plain;
    (void)state;
    o.hold_ms = 10;
    feed_begin(&f, &o);
    feed(&f, 1, C, "{\"id\":\"1\",\"method\":\"Tool.native\",\"params\":{\"method\":\"authorizeAllow\"}}");
    feed(&f, 2, C, "{\"id\":\"2\",\"method\":\"App.callFunction\",\"params\":{\"functionDeclaration\":\"f()\"}}");
    assert_int_equal(at_tracer_tick(f.tracer, 9000), AT_OK);
    assert_int_equal(f.lines.len, 0);
    assert_int_equal(at_tracer_tick(f.tracer, 10001), AT_OK);
    assert_int_not_equal(f.lines.len, 0);
    feed(&f, 20000, C, "{\"id\":\"3\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"}}");
    feed(&f, 20001, S, "{\"id\":\"1\",\"error\":{\"message\":\"too late\"}}");
    feed(&f, 20002, S, "{\"id\":\"2\",\"result\":{\"result\":{\"errMsg\":\"getLocation:ok\"}}}");
    feed_expect(&f, START(1) "1 decision allow\n20000 call 3 login\n20000 call 2 getLocation {\"late_us\":19998}\n"
                             "20002 return 2 'getLocation:ok'\n");
}

/* Many waiting events: the oldest are let go. */
static void hold_bounded(void **state)
{
    struct feed f;
    struct at_tracer_options o = plain;
    struct at_tracer_stats stats;
    char body[120];
    (void)state;
    o.hold_events = 10;
    feed_begin(&f, &o);
    feed(&f, 1, C, "{\"id\":\"x\",\"method\":\"Tool.native\",\"params\":{\"method\":\"authorizeAllow\"}}");
    for (int i = 0; i < 12; i++) {
        snprintf(body, sizeof body, "{\"id\":%d,\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"}}", i);
        feed(&f, 2 + i, C, body);
    }
    at_tracer_stats(f.tracer, &stats);
    assert_int_equal(stats.events[AT_KIND_DECISION], 1);
    assert_int_equal(stats.events[AT_KIND_CALL], 12);
    at_tracer_free(&f.tracer);
    at_buf_free(&f.lines);
}

/* More requests without an answer than are remembered. */
static void pairs_bounded(void **state)
{
    struct feed f;
    struct at_tracer_stats stats;
    char body[120];
    (void)state;
    feed_begin(&f, &plain);
    for (int i = 0; i < 5000; i++) {
        snprintf(body, sizeof body, "{\"id\":%d,\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"}}", i);
        feed(&f, i, C, body);
    }
    feed(&f, 6000, S, "{\"id\":1,\"result\":{}}"); /* forgotten */
    feed(&f, 6001, S, "{\"id\":4999,\"result\":{}}");
    at_tracer_stats(f.tracer, &stats);
    assert_int_equal(stats.events[AT_KIND_CALL], 5000);
    assert_int_equal(stats.events[AT_KIND_RETURN], 1);
    assert_int_equal(stats.forgotten, 5000 - 4096);
    at_tracer_free(&f.tracer);
    at_buf_free(&f.lines);
}

static void keys_and_streams(void **state)
{
    struct feed f;
    const struct at_tracer_options o = {
        .identity = {.user = "pointer:/params/args/0/user"}, .fresh = true, .observes = "resets,decisions"};
    (void)state;
    feed_begin(&f, &o);
    assert_int_equal(f.sink.gap(f.sink.ctx, &f.stream, 1, 1, 7), AT_OK);
    feed(&f, 2, C, "{\"id\":1,\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"}}");
    feed(&f, 3, C,
         "{\"id\":2,\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\",\"args\":"
         "[{\"user\":\"bob\"}]}}");
    feed(&f, 4, S, "{\"id\":1,\"result\":{}}"); /* goes to whoever asked */
    feed(&f, 5, S, "{\"id\":2,\"result\":{}}");
    assert_int_equal(f.sink.gap(f.sink.ctx, &f.stream, 6, 9, 0), AT_OK);
    assert_int_equal(f.sink.stream_end(f.sink.ctx, &f.stream, 7, 10, true), AT_OK);
#define TOTAL(gaps) " {\"total\":{\"gaps\":" #gaps ",\"lost_bytes\":7}}\n"
    feed_expect(&f, "2 start unknown/10.0.0.1:5000>10.0.0.2:9420 fresh +decisions +resets\n"
                    "2 gap lost=7" TOTAL(1) "2 call 1 login\n"
                                            "3 start unknown/bob fresh +decisions +resets\n"
                                            "3 gap lost=7" TOTAL(
                                                1) "3 call 2 login\n4 return 1 'login:ok'\n5 return 2 'login:ok'\n"
                                                   "6 gap" TOTAL(2) "6 gap" TOTAL(2) "7 end" TOTAL(2) "7 end" TOTAL(2));
#undef TOTAL
}

/* Packets were dropped, of whatever connection: each event of that time begins with a gap, and each user's next one. */
static void dropped_packets(void **state)
{
    struct feed f;
    const struct at_tracer_options o = {.identity = {.user = "pointer:/params/args/0/user"}, .fresh = true};
    (void)state;
    feed_begin(&f, &o);
#define LOGIN(t, id, user)                                                                                             \
    feed(&f, t, C,                                                                                                     \
         "{\"id\":" #id                                                                                                \
         ",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\",\"args\":[{\"user\":\"" user "\"}]}}")
    LOGIN(1, 1, "ann");
    LOGIN(1, 2, "bob");
    assert_int_equal(at_tracer_lost(f.tracer, 5, 6), AT_OK);
    LOGIN(4, 3, "ann"); /* read before the loss */
    LOGIN(5, 4, "ann");
    LOGIN(6, 5, "ann");
    assert_int_equal(at_tracer_lost(f.tracer, 6, 7), AT_OK); /* goes on */
    LOGIN(7, 6, "bob");
    LOGIN(8, 7, "bob");
    LOGIN(8, 8, "bob");
    LOGIN(9, 9, "ann");
    LOGIN(9, 10, "eve"); /* may have been here before, too */
    LOGIN(9, 11, "ann");
    for (int64_t t = 20; t < 60; t += 2) /* more than are remembered one by one */
        assert_int_equal(at_tracer_lost(f.tracer, t, t + 1), AT_OK);
    LOGIN(30, 12, "ann");
    LOGIN(58, 13, "ann");
    LOGIN(60, 14, "ann");
    LOGIN(60, 15, "ann");
#undef LOGIN
    feed_expect(&f, "1 start unknown/ann fresh\n1 call 1 login\n1 start unknown/bob fresh\n1 call 2 login\n"
                    "4 call 3 login\n5 gap\n5 call 4 login\n6 gap\n6 call 5 login\n"
                    "7 gap\n7 call 6 login\n8 gap\n8 call 7 login\n8 call 8 login\n"
                    "9 gap\n9 call 9 login\n9 start unknown/eve fresh\n9 gap\n9 call 10 login\n9 call 11 login\n"
                    "30 gap\n30 call 12 login\n58 gap\n58 call 13 login\n60 gap\n60 call 14 login\n60 call 15 login\n");
}

static void wrong_options(void **state)
{
    static const char *const misspelt[] = {"automater"}, *const no_kind[] = {"automator:call,promt"};
    static const struct {
        struct at_tracer_options o;
        const char *why;
    } cases[] = {
        {{.observes = "prompts,nonsense"}, "--observes: 'nonsense' is not one of prompts, decisions, settings, resets"},
        {{.dialects = misspelt, .n_dialects = 1},
         "dialect automater: no dialect is called so; did you mean 'automator'?"},
        {{.dialects = no_kind, .n_dialects = 1}, "dialect automator: no kind of event is called 'promt'"},
        {{.identity = {.app = "pointer:x"}}, "'x' of --app is no JSON Pointer"},
        {{.identity = {.user = "query:"}}, "--user is empty"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct at_tracer *t = NULL;
        struct at_why why;
        assert_int_not_equal(at_tracer_new(&cases[i].o, feed_event, NULL, &t, &why), AT_OK);
        assert_null(t);
        assert_string_equal(why.text, cases[i].why);
    }
}

/* Only some kinds of a dialect. */
static void some_kinds(void **state)
{
    struct feed f;
    struct at_tracer_options o = plain;
    (void)state;
    o.dialects = (const char *const[]){"automator:decision"};
    o.n_dialects = 1;
    feed_begin(&f, &o);
    feed(&f, 1, C, "{\"id\":\"1\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"login\"}}");
    feed(&f, 2, C, "{\"id\":\"2\",\"method\":\"Tool.native\",\"params\":{\"method\":\"authorizeAllow\"}}");
    feed(&f, 3, S, "{\"id\":\"2\",\"result\":{}}");
    feed(&f, 4, S, "{\"id\":\"1\",\"result\":{}}");
    feed_expect(&f, START(2) "2 decision allow\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(direct_calls),  cmocka_unit_test(look_alikes),      cmocka_unit_test(taps),
        cmocka_unit_test(wrapped_calls), cmocka_unit_test(mocked_in_part),   cmocka_unit_test(written_calls),
        cmocka_unit_test(mocked),        cmocka_unit_test(hold_limits),      cmocka_unit_test(hold_bounded),
        cmocka_unit_test(pairs_bounded), cmocka_unit_test(keys_and_streams), cmocka_unit_test(dropped_packets),
        cmocka_unit_test(wrong_options), cmocka_unit_test(some_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
