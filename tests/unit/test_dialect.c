/* test_dialect.c: the mapping language: what a mapping makes of messages, and what is refused and where. */
#include "feed.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <unistd.h>

#include "tracer/dialect.h"

/* ---- What is refused */

static void refused(void **state)
{
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"{", "not JSON, line 1"},
        {"{\n\n\"a\":}", "not JSON, line 3"},
        {"[]", "a mapping is an object, at the top"},
        {"{}", "\"authtape-dialect\": 1 is missing, at the top"},
        {"{\"authtape-dialect\":2,\"rules\":[]}", "only version 1 of \"authtape-dialect\" is known, at the top"},
        {"{\"authtape-dialect\":1}", "a list of rules is needed, at /rules"},
        {"{\"authtape-dialect\":1,\"rule\":[]}", "no member is called 'rule' here; did you mean 'rules'?, at the top"},
        {"{\"authtape-dialect\":1,\"observes\":[\"calls\"],\"rules\":[]}",
         "what a dialect observes is prompts, decisions, settings or resets, at /observes"},
#define RULE(text) "{\"authtape-dialect\":1,\"id\":\"/id\",\"rules\":[" text "]}"
        {RULE("{}"), "the kind of the event is needed, at /rules/0/event"},
        {RULE("{\"event\":\"promt\"}"),
         "no kind of event is called 'promt'; did you mean 'prompt'?, at /rules/0/event"},
        {RULE("{\"event\":\"prompt\"}"), "this event needs 'scope', at /rules/0"},
        {RULE("{\"event\":\"reset\"},{\"event\":\"prompt\",\"scope\":\"scope.a\"}"),
         "a JSON Pointer begins with '/': \"/scope/a\"; a fixed text is {\"text\": \"scope.a\"}, at /rules/1/scope"},
        {RULE("{\"event\":\"prompt\",\"scope\":\"/a~2\"}"),
         "a JSON Pointer is needed: \"\" or \"/name/0/…\" with ~0 and ~1, at /rules/0/scope"},
        {RULE("{\"event\":\"call\",\"api\":\"/a\"}"), "a call needs 'call' (its id), or 'reply', at /rules/0"},
        {RULE("{\"event\":\"call\",\"api\":\"/a\",\"reply\":{}}"),
         "the answer to a call needs 'errMsg', at /rules/0/reply"},
        {RULE("{\"event\":\"reset\",\"reply\":{}}"), "the answer to anything but a call needs 'drop-if', at "
                                                     "/rules/0/reply"},
        {RULE("{\"event\":\"reset\",\"when\":{\"a\":1}}"), "the name of a condition is a JSON Pointer, at "
                                                           "/rules/0/when/a"},
        {RULE("{\"event\":\"reset\",\"when\":{\"/a\":{\"begins\":1}}}"),
         "a condition is one of exists, starts, type, not, at /rules/0/when//a/begins"},
        {RULE("{\"event\":\"reset\",\"when\":{\"/a\":{\"type\":\"int\"}}}"),
         "a type is object, array, string, number, boolean or null, at /rules/0/when//a/type"},
        {RULE("{\"event\":\"reset\",\"in\":[\"/a\",\"each\"]}"),
         "a step is a JSON Pointer, \"*\" (each element) or \"json\" (JSON inside of a string), at /rules/0/in/1"},
        {RULE("{\"event\":\"reset\",\"from\":\"host\"}"), "'client' or 'server' is needed, at /rules/0/from"},
        {RULE("{\"event\":\"reset\",\"rules\":[]}"), "a rule has 'rules' or 'event', not both, at /rules/0"},
        {RULE("{\"event\":\"prompt\",\"scope\":{\"map\":{}}}"),
         "a value needs exactly one source: at, root, text, query, header, flow, request, first, join, api-in or find, "
         "at /rules/0/scope"},
        {RULE("{\"event\":\"reset\",\"t\":{\"at\":\"/t\",\"unit\":\"h\"}}"), "a unit is us, ms or s, at "
                                                                             "/rules/0/t/unit"},
        {RULE("{\"event\":\"reset\",\"t\":{\"flow\":\"speed\"}}"),
         "a part of the flow is stream, client, server, target, path, exchange or status, at /rules/0/t/flow"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct at_dialect *d = NULL;
        struct at_why why = {{0}};
        enum at_err err = at_dialect_compile(at_str(cases[i].json), "test", &d, &why);
        if (!err || strcmp(why.text, cases[i].why) != 0)
            fail_msg("%s: '%s', wanted '%s'", cases[i].json, why.text, cases[i].why);
        assert_null(d);
    }
}

static void builtins(void **state)
{
    (void)state;
    assert_int_equal(at_dialect_builtin_count(), 3);
    for (size_t i = 0; i < at_dialect_builtin_count(); i++) {
        struct at_dialect *d = NULL;
        struct at_why why = {{0}};
        if (at_dialect_load(at_dialect_builtin_name(i), &d, &why))
            fail_msg("%s: %s", at_dialect_builtin_name(i), why.text);
        assert_true(at_str_eq(d->name, at_str(at_dialect_builtin_name(i))));
        at_dialect_free(&d);
    }
}

/* ---- What a mapping makes of messages */

static char mapping_path[] = "/tmp/test_dialect.XXXXXX.json";

/* A tracer with the mapping alone. */
static void with(struct feed *f, const char *mapping)
{
    static const char *dialects[] = {mapping_path};
    const struct at_tracer_options o = {.dialects = dialects, .n_dialects = 1, .identity = {.app = "a", .user = "u"}};
    char path[sizeof mapping_path] = "/tmp/test_dialect.XXXXXX.json";
    int fd = mkstemps(path, 5);
    assert_true(fd >= 0);
    memcpy(mapping_path, path, sizeof path);
    assert_int_equal(write(fd, mapping, strlen(mapping)), strlen(mapping));
    close(fd);
    feed_begin(f, &o);
    unlink(path);
}

static void from_file(struct feed *f, const char *path)
{
    const char *dialects[] = {path};
    const struct at_tracer_options o = {.dialects = dialects, .n_dialects = 1, .identity = {.app = "a", .user = "u"}};
    feed_begin(f, &o);
}

#define DIALECT(more) "{\"authtape-dialect\":1," more "}"

/* A request/answer API over a socket: concurrent calls, answers in any order, each to whoever asked. */
static void gateway_socket(void **state)
{
    struct feed f;
    (void)state;
    from_file(&f, "tests/dialect/gateway.json");
    feed(&f, 1, C,
         "{\"id\":1,\"api\":\"wx.authorize\",\"appid\":\"wx1\",\"openid\":\"ann\",\"args\":"
         "{\"scope\":\"scope.record\"}}");
    feed(&f, 2, C, "{\"id\":2,\"api\":\"wx.getSetting\",\"appid\":\"wx1\",\"openid\":\"bob\",\"args\":{}}");
    feed(&f, 3, C, "{\"id\":3,\"api\":\"log.write\",\"appid\":\"wx1\",\"openid\":\"bob\"}");
    feed(&f, 4, S, "{\"id\":3,\"errMsg\":\"written\"}");
    feed(&f, 5, S, "{\"id\":2,\"errMsg\":\"getSetting:ok\",\"authSetting\":{\"scope.record\":true}}");
    feed(&f, 6, S, "{\"id\":1,\"errMsg\":\"authorize:fail auth deny\",\"errno\":103}");
    feed_expect(&f, "1 start wx1/ann\n1 call 1 authorize scope.record\n2 start wx1/bob\n2 call 2 getSetting\n"
                    "5 return 2 'getSetting:ok' scope.record:1\n6 return 1 'authorize:fail auth deny' errno=103\n");
}

/* The same over HTTP: an answer belongs to its exchange, also without an id of its own. */
static void gateway_http(void **state)
{
    struct feed f;
    (void)state;
    from_file(&f, "tests/dialect/gateway.json");
    f.proto = AT_PROTO_HTTP;
    f.exchange = 1;
    feed(&f, 1, C, "{\"id\":1,\"api\":\"wx.login\",\"appid\":\"wx1\",\"openid\":\"ann\"}");
    f.exchange = 2;
    feed(&f, 2, C, "{\"id\":1,\"api\":\"wx.getLocation\",\"appid\":\"wx1\",\"openid\":\"ann\"}");
    f.exchange = 1;
    feed(&f, 3, S, "{\"errMsg\":\"login:ok\"}");
    f.exchange = 2;
    feed(&f, 4, S, "{\"id\":1,\"errMsg\":\"getLocation:ok\"}");
    f.exchange = 3;
    feed(&f, 5, C, "{\"api\":\"wx.login\",\"appid\":\"wx1\",\"openid\":\"ann\"}");
    feed(&f, 6, S, "{\"errMsg\":\"login:ok\"}");
    feed_expect(&f, "1 start wx1/ann\n1 call 1 login\n2 call 1 getLocation\n3 return 1 'login:ok'\n"
                    "4 return 1 'getLocation:ok'\n5 call x3 login\n6 return x3 'login:ok'\n");
}

/* Of the arguments of a call those are kept that say nothing about a person; or all but what is huge. */
static void arguments(void **state)
{
    static const char call[] = "{\"id\":\"1\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"getUserInfo\","
                               "\"args\":[{\"withCredentials\":true, \"lang\":\"en\",\"scope\":\"scope.record\","
                               "\"nickName\":\"Ann\",\"type\":{\"a\":1},\"list\":[1,\n2]}]}}";
    struct at_tracer_options o = {.identity = {.app = "a", .user = "u"}};
    struct feed f;
    (void)state;
    feed_begin(&f, &o);
    feed(&f, 1, C, call);
    feed(&f, 2, C,
         "{\"id\":\"2\",\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"getLocation\",\"args\":[]}}");
    feed_expect(&f, "1 start a/u\n1 call 1 getUserInfo {\"args\":{\"withCredentials\":true,\"lang\":\"en\"}}\n"
                    "2 call 2 getLocation\n");
    o.keep_args = true;
    feed_begin(&f, &o);
    feed(&f, 1, C, call);
    feed_expect(&f, "1 start a/u\n1 call 1 getUserInfo {\"args\":{\"withCredentials\":true,\"lang\":\"en\","
                    "\"nickName\":\"Ann\",\"type\":{\"a\":1},\"list\":[1,2]}}\n");
}

static void batches(void **state)
{
    struct feed f;
    (void)state;
    from_file(&f, "tests/dialect/batch.json");
    f.stream.target = AT_STR("/log?x=1");
    f.stream.headers = AT_STR("X-App-Id: wx9\r\n");
    f.proto = AT_PROTO_HTTP;
#define DEVICE "\"device\":{\"openid\":\"zoe\",\"os\":2,\"session\":\"s1\"}"
    feed(
        &f, 9000000, C,
        "{" DEVICE ",\"records\":[{\"tag\":\"perf\"},{\"tag\":\"auth\",\"payload\":"
        "\"[{\\\"type\\\":\\\"req\\\",\\\"ts\\\":1000,\\\"seq\\\":7,\\\"name\\\":\\\"wx.authorize\\\","
        "\\\"permission\\\":\\\"record\\\"},{\\\"type\\\":\\\"dialog\\\",\\\"ts\\\":1001.5,\\\"permission\\\":"
        "\\\"record\\\"}]\"},{\"tag\":\"auth\",\"payload\":\"log: {\\\"type\\\":\\\"tap\\\",\\\"ts\\\":\\\"2e3\\\","
        "\\\"permission\\\":\\\"record\\\",\\\"button\\\":\\\"no\\\"}\"},{\"tag\":\"auth\",\"payload\":\"no JSON\"}]}");
    feed(&f, 9000001, C,
         "{" DEVICE ",\"records\":[{\"tag\":\"auth\",\"payload\":{\"type\":\"res\",\"ts\":2001,\"seq\":7,\"name\":"
         "\"wx.authorize\"}},{\"tag\":\"auth\",\"payload\":{\"type\":\"flip\",\"ts\":2002,\"permission\":\"record\","
         "\"on\":\"1\"}},{\"tag\":\"auth\",\"payload\":{\"type\":\"res\",\"ts\":2003,\"seq\":8,\"name\":"
         "\"wx.getSetting\",\"msg\":\"qq.getSetting:ok\",\"list\":[{\"name\":\"scope.a\",\"state\":1},"
         "{\"name\":\"scope.b\",\"state\":2},{\"name\":\"scope.c\",\"state\":3}]}}]}");
    f.stream.target = AT_STR("/other");
    feed(&f, 9000002, C, "{" DEVICE ",\"records\":[{\"tag\":\"auth\",\"payload\":{\"type\":\"tap\",\"ts\":3000}}]}");
    feed_expect(&f, "1000000 start wx9/zoe +prompts +decisions\n1000000 call 7 authorize scope.record\n"
                    "1001500 prompt scope.record\n2000000 decision scope.record deny\n2001000 return 7 'authorize:ok'\n"
                    "2002000 settings scope.record on\n2003000 return 8 'getSetting:ok' scope.a:1 scope.b:0\n");
}

static void conditions(void **state)
{
    struct feed f;
    (void)state;
    with(&f, DIALECT("\"rules\":["
                     "{\"when\":{\"/n\":[1,2]},\"event\":\"prompt\",\"scope\":{\"text\":\"is\"}},"
                     "{\"when\":{\"/n\":{\"not\":[1,2]}},\"event\":\"prompt\",\"scope\":{\"text\":\"not\"}},"
                     "{\"when\":{\"/n\":{\"exists\":false}},\"event\":\"prompt\",\"scope\":{\"text\":\"absent\"}},"
                     "{\"when\":{\"/s\":{\"starts\":[\"ab\",\"cd\"]}},\"event\":\"prompt\",\"scope\":{\"text\":"
                     "\"starts\"}},"
                     "{\"when\":{\"/n\":{\"type\":[\"boolean\",\"null\"]}},\"event\":\"prompt\",\"scope\":"
                     "{\"text\":\"type\"}},"
                     "{\"when\":[{\"/x\":true},{\"/y\":null}],\"event\":\"prompt\",\"scope\":{\"text\":\"any\"}}]"));
    feed(&f, 2000000, C, "{\"n\":2.0}");
    feed(&f, 4000000, C, "{\"n\":\"2\"}");
    feed(&f, 6000000, C, "{\"s\":\"cde\"}");
    feed(&f, 8000000, C, "{\"n\":false,\"x\":true}");
    feed(&f, 10000000, C, "{\"n\":1,\"y\":null,\"x\":\"true\"}");
    feed_expect(
        &f, "2000000 start a/u\n2000000 prompt is\n4000000 prompt not\n6000000 prompt not\n6000000 prompt "
            "absent\n6000000 prompt starts\n"
            "8000000 prompt not\n8000000 prompt type\n8000000 prompt any\n10000000 prompt is\n10000000 prompt any\n");
}

/* Keys and texts with escapes, pointers with ~0 and ~1, surrogates. */
static void escapes(void **state)
{
    struct feed f;
    (void)state;
    with(&f, DIALECT("\"rules\":[{\"event\":\"prompt\",\"scope\":\"/a~1b/~0c/1\"}]"));
    feed(&f, 1, C, "{\"a\\/b\":{\"\\u007ec\":[0,\"\\ud83d\\ude00\\n\\u00e9\\ud83d\"]}}");
    feed(&f, 2, C, "{\"a/b\":{\"~c\":[0]}}"); /* unfit */
    feed_expect(&f, "1 start a/u\n1 prompt \xf0\x9f\x98\x80\n\xc3\xa9\xef\xbf\xbd\n");
}

/* Texts with escapes at every distance from one another, against cJSON. */
static void long_escapes(void **state)
{
    (void)state;
    for (size_t run = 0; run < 40; run++) {
        struct at_arena arena = {0};
        struct at_buf b = {0};
        struct at_doc d = {0};
        struct at_str text;
        assert_int_equal(at_buf_add(&b, "\"", 1), AT_OK);
        for (size_t i = 0; i < 12; i++) {
            static const char *const escapes[] = {"\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u6743"};
            for (size_t k = 0; k < run; k++)
                assert_int_equal(at_buf_add(&b, &"abcdefghij"[(i + k) % 10], 1), AT_OK);
            assert_int_equal(at_buf_str(&b, at_str(escapes[(i + run) % 9])), AT_OK);
        }
        assert_int_equal(at_buf_add(&b, "z\"", 2), AT_OK);
        assert_int_equal(at_doc_index(&d, at_buf_view(&b)), AT_OK);
        assert_int_equal(at_doc_text(&d, 0, &arena, &text), AT_OK);
        cJSON *item = cJSON_ParseWithLength(b.ptr, b.len);
        assert_true(at_str_eq(text, at_str(cJSON_GetStringValue(item))));
        cJSON_Delete(item);
        at_doc_free(&d);
        at_buf_free(&b);
        at_arena_free(&arena);
    }
}

/* Times in every written form are the nearest microsecond of what strtod reads. */
static void times(void **state)
{
    struct feed f;
    struct at_buf wanted = {0};
    uint64_t seed = 4711;
    (void)state;
    with(&f, DIALECT("\"rules\":[{\"event\":\"prompt\",\"scope\":\"/s\",\"t\":{\"at\":\"/t\",\"unit\":\"ms\"}}]"));
    assert_int_equal(at_buf_printf(&wanted, "-9000000000000000 start a/u\n"), AT_OK);
    feed(&f, INT64_MAX / 2, C, "{\"s\":\"0\",\"t\":-9e12}");
    assert_int_equal(at_buf_printf(&wanted, "-9000000000000000 prompt 0\n"), AT_OK);
    for (int i = 1; i < 2000; i++) {
        char number[64], body[128];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        double value = (double)(int64_t)seed / (double)(UINT64_C(1) << (10 + seed % 40));
        snprintf(number, sizeof number, i % 3 == 0 ? "%.*f" : i % 3 == 1 ? "%.*e" : "%.*g", i % 17, value);
        double us = strtod(number, NULL) * 1000;
        if (!(us > -8.9e15 && us < 4e18) || strlen(number) > 40)
            continue;
        snprintf(body, sizeof body, i % 2 ? "{\"s\":\"%d\",\"t\":%s}" : "{\"s\":\"%d\",\"t\":\"%s\"}", i, number);
        feed(&f, INT64_MAX / 2, C, body);
        char *dot = strpbrk(number, ".eE");
        long long t = dot ? llround(us) : strtoll(number, NULL, 10) * 1000;
        assert_int_equal(at_buf_printf(&wanted, "%lld prompt %d\n", t, i), AT_OK);
    }
    assert_int_equal(at_buf_add(&wanted, "", 1), AT_OK);
    feed_expect(&f, wanted.ptr);
    at_buf_free(&wanted);
}

/* Repeats: by time, by id, and the report just before. */
static void repeats(void **state)
{
    struct feed f;
    struct at_tracer_stats stats;
    (void)state;
    with(&f, DIALECT("\"rules\":[{\"event\":{\"at\":\"/k\"},\"scope\":\"/s\",\"granted\":\"/g\",\"answer\":\"/a\","
                     "\"call\":\"/c\",\"api\":\"/api\",\"errMsg\":\"/e\"}]"));
    feed(&f, 1, S, "{\"k\":\"call\",\"c\":1,\"api\":\"getLocation\"}");
    feed(&f, 2, S, "{\"k\":\"call\",\"c\":1,\"api\":\"getLocation\"}");
    feed(&f, 3, S, "{\"k\":\"prompt\",\"s\":\"x\"}");
    feed(&f, 4, S, "{\"k\":\"prompt\",\"s\":\"x\"}");
    feed(&f, 5, S, "{\"k\":\"decision\",\"s\":\"x\",\"a\":\"deny\"}");
    feed(&f, 6, S, "{\"k\":\"decision\",\"s\":\"x\",\"a\":\"deny\"}");
    feed(&f, 7, S, "{\"k\":\"prompt\",\"s\":\"y\"}"); /* another scope does not come between */
    feed(&f, 8, S, "{\"k\":\"decision\",\"s\":\"x\",\"a\":\"deny\"}");
    feed(&f, 9, S, "{\"k\":\"prompt\",\"s\":\"x\"}"); /* a new one: a decision came between */
    feed(&f, 10, S, "{\"k\":\"decision\",\"s\":\"x\",\"a\":\"deny\"}");
    feed(&f, 11, S, "{\"k\":\"settings\",\"s\":\"x\",\"g\":true}");
    feed(&f, 12, S, "{\"k\":\"settings\",\"s\":\"x\",\"g\":false}");
    feed(&f, 13, S, "{\"k\":\"settings\",\"s\":\"x\",\"g\":true}");
    feed(&f, 14, S, "{\"k\":\"reset\"}");
    feed(&f, 15, S, "{\"k\":\"reset\"}");
    feed(&f, 2000000, S, "{\"k\":\"reset\"}");
    at_tracer_stats(f.tracer, &stats);
    assert_int_equal(stats.repeats, 5);
    feed_expect(&f, "1 start a/u\n1 call 1 getLocation\n3 prompt x\n5 decision x deny\n7 prompt y\n9 prompt x\n"
                    "10 decision x deny\n11 settings x on\n12 settings x off\n13 settings x on\n14 reset\n"
                    "2000000 reset\n");
}

/* authtape's own events, whole or lacking what the wire knows; a batch that is sent again counts once. */
static void beacon(void **state)
{
    struct feed f;
    static const char *const names[] = {"beacon"};
    const struct at_tracer_options o = {.dialects = names, .n_dialects = 1, .identity = {.app = "a", .user = "u"}};
    (void)state;
    feed_begin(&f, &o);
    f.proto = AT_PROTO_HTTP;
#define BATCH                                                                                                          \
    "{\"authtape\":1,\"events\":[{\"t\":100,\"kind\":\"start\",\"app\":\"g\",\"user\":\"p\",\"stream\":\"s\","         \
    "\"observes\":[\"prompts\"]},{\"t\":200,\"kind\":\"call\",\"app\":\"g\",\"user\":\"p\",\"stream\":\"s\","          \
    "\"call\":\"1\",\"api\":\"getLocation\",\"packet\":5,\"mood\":[1, 2]}]}"
    feed(&f, 1000, C, BATCH);
    feed(&f, 1001, C, BATCH);
    feed(&f, 1002, S, BATCH); /* a server's page is no report */
    feed(&f, 1003, C, "[{\"kind\":\"reset\"},{\"kind\":\"unknown\"},7,{\"kind\":\"prompt\"}]");
    f.proto = AT_PROTO_WEBSOCKET;
    feed(&f, 1004, C, "{\"kind\":\"decision\",\"answer\":\"allow\",\"t\":2000}"); /* a clock that is ahead */
    feed(&f, 1005, S,
         "{\"method\":\"App.bindingCalled\",\"params\":{\"name\":\"n\",\"args\":[{\"kind\":\"prompt\","
         "\"scope\":\"x\"}]}}");
    feed(&f, 1006, S,
         "{\"method\":\"App.logAdded\",\"params\":{\"type\":\"log\",\"args\":[\"[authtape]\","
         "\"[tag] [{\\\"kind\\\":\\\"settings\\\",\\\"scope\\\":\\\"x\\\",\\\"granted\\\":true}]\"]}}");
    feed_expect(&f, "100 start g/p +prompts\n200 call 1 getLocation {\"mood\":[1,2]}\n1003 start a/u\n1003 reset\n"
                    "1004 decision allow\n1005 prompt x\n1006 settings x on\n");
}

/* A phone whose clock is ahead: its events are set back, all of a message by the same; a repeat is known all the same.
 */
static void beacon_ahead(void **state)
{
    struct feed f;
    static const char *const names[] = {"beacon"};
    const struct at_tracer_options o = {.dialects = names, .n_dialects = 1, .identity = {.app = "a", .user = "u"}};
    (void)state;
#define FROM(now, t1, t2)                                                                                              \
    "{\"authtape\":1,\"now\":" now ",\"events\":[{\"t\":" t1 ",\"kind\":\"reset\",\"stream\":\"s\",\"seq\":" t1        \
    "},{\"t\":" t2 ",\"kind\":\"reset\",\"stream\":\"s\",\"seq\":" t2 "}]}"
    feed_begin(&f, &o);
    f.proto = AT_PROTO_HTTP;
    feed(&f, 1000, C, FROM("5000", "4500", "4900"));
    feed(&f, 1100, C, FROM("5100", "4500", "4900")); /* again */
    feed(&f, 1200, C, FROM("1200", "5001", "5002")); /* nonsense: later than it was sent */
    feed(&f, 1300, C, FROM("900", "5003", "5004"));  /* a clock that is behind: how long was it under way? */
    feed(&f, 1400, C, FROM("\"soon\"", "5005", "5006"));
    f.proto = AT_PROTO_WEBSOCKET;
    feed(&f, 1500, C, FROM("5500", "5250", "5501"));
    feed_expect(&f, "500 start a/u\n500 reset {\"seq\":4500}\n900 reset {\"seq\":4900}\n"
                    "1200 reset {\"seq\":5001}\n1200 reset {\"seq\":5002}\n1250 reset {\"seq\":5250}\n"
                    "1300 reset {\"seq\":5003}\n1300 reset {\"seq\":5004}\n1400 reset {\"seq\":5005}\n"
                    "1400 reset {\"seq\":5006}\n1500 reset {\"seq\":5501}\n");
#undef FROM
}

static void console(void **state)
{
    struct feed f;
    static const char *const names[] = {"cdp"};
    const struct at_tracer_options o = {.dialects = names, .n_dialects = 1, .identity = {.app = "a", .user = "u"}};
    (void)state;
    feed_begin(&f, &o);
    feed(&f, 9000000, S,
         "{\"method\":\"Runtime.consoleAPICalled\",\"params\":{\"type\":\"log\",\"args\":["
         "{\"type\":\"string\",\"value\":\"authtape {\\\"kind\\\":\\\"reset\\\"}\"},"
         "{\"type\":\"number\",\"value\":1}],\"timestamp\":1.5e3}}");
    feed(&f, 9000001, C,
         "{\"id\":1,\"method\":\"Runtime.consoleAPICalled\",\"params\":{\"args\":[{\"value\":"
         "\"{\\\"kind\\\":\\\"reset\\\"}\"}]}}");
    feed(&f, 9000002, S,
         "{\"method\":\"Runtime.bindingCalled\",\"params\":{\"name\":\"x\",\"payload\":"
         "\"{\\\"authtape\\\":1,\\\"events\\\":[{\\\"kind\\\":\\\"reset\\\",\\\"t\\\":1600000}]}\"}}");
    feed_expect(&f, "1500000 start a/u\n1500000 reset\n1600000 reset\n");
}

/* JSON in strings, many and deep: no more is looked into than there is room for. */
static void deep_strings(void **state)
{
    struct feed f;
    struct at_buf text = {0};
    (void)state;
    with(&f, DIALECT("\"rules\":[{\"in\":[\"*\",\"json\",\"*\",\"json\"],\"event\":\"prompt\",\"scope\":"
                     "{\"at\":\"/s\",\"json\":\"/x\"}}]"));
    assert_int_equal(at_buf_add(&text, "[", 1), AT_OK);
    for (int i = 0; i < 200; i++)
        assert_int_equal(
            at_buf_printf(&text,
                          "%s\"[\\\"{\\\\\\\"s\\\\\\\":\\\\\\\"{\\\\\\\\\\\\\\\"x\\\\\\\\\\\\\\\":%d}\\\\\\\"}\\\"]\"",
                          i ? "," : "", i),
            AT_OK);
    assert_int_equal(at_buf_add(&text, "]", 2), AT_OK);
    feed(&f, 1, C, text.ptr);
    struct at_tracer_stats stats;
    at_tracer_stats(f.tracer, &stats);
    assert_int_equal(stats.unfit, 200); /* numbers are no scopes */
    at_tracer_free(&f.tracer);
    at_buf_free(&f.lines);
    at_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),      cmocka_unit_test(builtins),     cmocka_unit_test(gateway_socket),
        cmocka_unit_test(gateway_http), cmocka_unit_test(arguments),    cmocka_unit_test(batches),
        cmocka_unit_test(conditions),   cmocka_unit_test(escapes),      cmocka_unit_test(repeats),
        cmocka_unit_test(beacon),       cmocka_unit_test(beacon_ahead), cmocka_unit_test(console),
        cmocka_unit_test(deep_strings), cmocka_unit_test(long_escapes), cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
