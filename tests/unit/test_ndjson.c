/* Events as lines: what is refused and in which words, what is kept to the letter, what is written is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/event.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define WHO "\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\""
#define LINE(kind, rest) "{\"t\":1,\"kind\":\"" kind "\"," WHO rest "}"

static enum at_err parse(struct at_event_parser *p, struct at_str line, struct at_event *ev, struct at_why *why)
{
    char *copy = malloc(line.len ? line.len : 1); /* its own, so that a sanitizer sees what is read beyond it */
    assert_non_null(copy);
    memcpy(copy, line.ptr, line.len);
    why->text[0] = 0;
    enum at_err err = at_event_parse(p, (struct at_str){copy, line.len}, ev, why);
    free(copy); /* the event does not point into it */
    return err;
}

static int new_parser(void **state)
{
    return (int)at_event_parser_new((struct at_event_parser **)state);
}

static int free_parser(void **state)
{
    at_event_parser_free((struct at_event_parser **)state);
    at_event_parser_free((struct at_event_parser **)state);
    return 0;
}

static void check_refused(void **state, struct at_str line, const char *reason)
{
    struct at_event ev;
    struct at_why why;
    if (parse(*state, line, &ev, &why) != AT_BAD || strcmp(why.text, reason))
        fail_msg("%.*s: '%s', not '%s'", (int)(line.len < 200 ? line.len : 200), line.ptr, why.text, reason);
}

static void refused(void **state)
{
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"{} x", "not JSON"},
        {"{\"t\":1,}", "not JSON"},
        {LINE("reset", ",\"x\":\"\xff\""), "not JSON"},
        {"[]", "not a JSON object"},
        {" 1", "not a JSON object"},
        {"null", "not a JSON object"},
        {"{}", "\"kind\" is missing"},
        {"{\"t\":1," WHO "}", "\"kind\" is missing"},
        {LINE("", ""), "\"kind\" is unknown: \"\""},
        {LINE("Start", ""), "\"kind\" is unknown: \"Start\""},
        {"{\"t\":1,\"kind\":2," WHO "}", "\"kind\" is not a string"},
        {"{\"t\":1,\"kind\":null," WHO "}", "\"kind\" is not a string"},
        /* names given twice, known or not, however they are written */
        {LINE("reset", ",\"t\":1"), "\"t\" is there twice"},
        {LINE("reset", ",\"\\u0074\":1"), "\"t\" is there twice"},
        {LINE("reset", ",\"kind\":\"end\""), "\"kind\" is there twice"},
        {LINE("reset", ",\"x\":1,\"x\":1"), "\"x\" is there twice"},
        {LINE("reset", ",\"/\":1,\"\\/\":2"), "\"/\" is there twice"},
        {LINE("reset", ",\"api\":1,\"api\":2"), "\"api\" is there twice"},
        {LINE("reset", ",\"\":1,\"\":2"), "\"\" is there twice"},
        {LINE("reset", ",\"\\ud800\":1,\"\\ud800\":2"), "\"\"\\ud800\"\" is there twice"},
        /* integers */
        {"{\"t\":\"1\",\"kind\":\"end\"," WHO "}", "\"t\" is not an integer"},
        {"{\"t\":1.0,\"kind\":\"end\"," WHO "}", "\"t\" is not an integer"},
        {"{\"t\":1e3,\"kind\":\"end\"," WHO "}", "\"t\" is not an integer"},
        {"{\"t\":true,\"kind\":\"end\"," WHO "}", "\"t\" is not an integer"},
        {"{\"t\":9223372036854775808,\"kind\":\"end\"," WHO "}", "\"t\" is out of range"},
        {"{\"t\":-9223372036854775809,\"kind\":\"end\"," WHO "}", "\"t\" is out of range"},
        {"{\"t\":18446744073709551617,\"kind\":\"end\"," WHO "}", "\"t\" is out of range"},
        {"{\"t\":99999999999999999999999999,\"kind\":\"end\"," WHO "}", "\"t\" is out of range"},
        {LINE("end", ",\"packet\":0"), "\"packet\" is less than 1"},
        {LINE("end", ",\"packet\":-1"), "\"packet\" is less than 1"},
        {LINE("end", ",\"packet\":9223372036854775808"), "\"packet\" is out of range"},
        {LINE("end", ",\"packet\":\"1\""), "\"packet\" is not an integer"},
        {LINE("gap", ",\"lost_bytes\":-1"), "\"lost_bytes\" is less than 0"},
        {LINE("gap", ",\"lost_bytes\":null"), "\"lost_bytes\" is not an integer"},
        {LINE("gap", ",\"lost_bytes\":9223372036854775808"), "\"lost_bytes\" is out of range"},
        {LINE("return", ",\"call\":\"1\",\"errMsg\":\"\",\"errno\":9223372036854775808"), "\"errno\" is out of range"},
        {LINE("return", ",\"call\":\"1\",\"errMsg\":\"\",\"errno\":1.5"), "\"errno\" is not an integer"},
        /* strings */
        {LINE("end", ",\"platform\":1"), "\"platform\" is not a string"},
        {LINE("end", ",\"platform\":null"), "\"platform\" is not a string"},
        {LINE("end", ",\"platform\":\"\\u0000\""), "\"platform\" holds a NUL character"},
        {LINE("end", ",\"platform\":\"\\\\\\u0000\""), "\"platform\" holds a NUL character"},
        {LINE("end", ",\"platform\":\"\\ud83d\""), "\"platform\" holds half of a surrogate pair"},
        {LINE("end", ",\"platform\":\"\\udce6\""), "\"platform\" holds half of a surrogate pair"},
        {LINE("end", ",\"platform\":\"\\udce6\\ud83d\""), "\"platform\" holds half of a surrogate pair"},
        {LINE("end", ",\"platform\":\"\\ud83dx\""), "\"platform\" holds half of a surrogate pair"},
        {LINE("call", ",\"call\":1,\"api\":\"x\""), "\"call\" is not a string"},
        {LINE("call", ",\"call\":\"1\",\"api\":[]"), "\"api\" is not a string"},
        {LINE("return", ",\"call\":\"1\",\"errMsg\":{}"), "\"errMsg\" is not a string"},
        /* scopes */
        {LINE("call", ",\"call\":\"1\",\"api\":\"x\",\"scope\":1"),
         "\"scope\" is neither a string nor an array of strings"},
        {LINE("call", ",\"call\":\"1\",\"api\":\"x\",\"scope\":{}"),
         "\"scope\" is neither a string nor an array of strings"},
        {LINE("call", ",\"call\":\"1\",\"api\":\"x\",\"scope\":[\"a\",1]"), "\"scope\" is not a string"},
        {LINE("call", ",\"call\":\"1\",\"api\":\"x\",\"scope\":[[\"a\"]]"), "\"scope\" is not a string"},
        {LINE("prompt", ",\"scope\":[\"a\"]"), "\"scope\" is not a string"},
        {LINE("settings", ",\"granted\":true,\"scope\":[]"), "\"scope\" is not a string"},
        {LINE("decision", ",\"answer\":\"deny\",\"scope\":[\"a\"]"), "\"scope\" is not a string"},
        /* words and switches */
        {LINE("decision", ",\"answer\":\"yes\""), "\"answer\" is none of allow, deny, dismiss"},
        {LINE("decision", ",\"answer\":\"\""), "\"answer\" is none of allow, deny, dismiss"},
        {LINE("decision", ",\"answer\":true"), "\"answer\" is not a string"},
        {LINE("settings", ",\"scope\":\"a\",\"granted\":1"), "\"granted\" is neither true nor false"},
        {LINE("settings", ",\"scope\":\"a\",\"granted\":\"true\""), "\"granted\" is neither true nor false"},
        {LINE("start", ",\"fresh\":null"), "\"fresh\" is neither true nor false"},
        {LINE("start", ",\"observes\":\"prompts\""), "\"observes\" is not an array"},
        {LINE("start", ",\"observes\":[\"prompt\"]"), "\"observes\" has an unknown entry"},
        {LINE("start", ",\"observes\":[\"prompts\",\"resets\",\"prompts\"]"), "\"observes\" has an entry twice"},
        {LINE("start", ",\"observes\":[0]"), "\"observes\" is not a string"},
        /* settings */
        {LINE("settings-page", ",\"authSetting\":[]"), "\"authSetting\" is not an object"},
        {LINE("settings-page", ",\"authSetting\":{\"a\":1}"), "\"authSetting\" is neither true nor false"},
        {LINE("settings-page", ",\"authSetting\":{\"a\":true,\"\\u0061\":true}"),
         "\"authSetting\" names a scope twice"},
        {LINE("settings-page", ",\"authSetting\":{\"\\u0000\":true}"), "\"authSetting\" holds a NUL character"},
        {LINE("return", ",\"call\":\"1\",\"errMsg\":\"\",\"authSetting\":null"), "\"authSetting\" is not an object"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_refused(state, at_str(cases[i].line), cases[i].reason);
    check_refused(state, AT_STR("{}\0"), "not JSON");
    check_refused(state, AT_STR("\0{}"), "not JSON");
}

/* What authtape-events(5) says each kind has to have, beside t, kind, app, user and stream. */
static const struct {
    const char *kind, *fields[3], *texts[3];
} kinds[] = {
    {"start", {0}, {0}},
    {"call", {"call", "api"}, {"\"1\"", "\"x\""}},
    {"return", {"call", "errMsg"}, {"\"1\"", "\"x:ok\""}},
    {"prompt", {"scope"}, {"\"a\""}},
    {"decision", {"answer"}, {"\"deny\""}},
    {"settings", {"scope", "granted"}, {"\"a\"", "true"}},
    {"settings-page", {"authSetting"}, {"{}"}},
    {"reset", {0}, {0}},
    {"gap", {0}, {0}},
    {"end", {0}, {0}},
};

static void each_required_field_is_missed(void **state)
{
    static const char *const of_all[] = {"t", "app", "user", "stream", "kind"};
    static const char *const values[] = {"1", "\"a\"", "\"u\"", "\"s\""};
    struct at_buf line = {0};
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (size_t without = 0; without < 8; without++) { /* 7: nothing */
            const char *missing = NULL;
            line.len = 0;
            assert_int_equal(at_buf_str(&line, AT_STR("{\"more\":0")), AT_OK);
            for (size_t f = 0; f < 7; f++) {
                const char *name = f < 5 ? of_all[f] : kinds[k].fields[f - 5];
                if (f == without)
                    missing = name;
                if (f == without || !name)
                    continue;
                if (f == 4)
                    assert_int_equal(at_buf_printf(&line, ",\"kind\":\"%s\"", kinds[k].kind), AT_OK);
                else
                    assert_int_equal(
                        at_buf_printf(&line, ",\"%s\":%s", name, f < 4 ? values[f] : kinds[k].texts[f - 5]), AT_OK);
            }
            assert_int_equal(at_buf_str(&line, AT_STR("}")), AT_OK);
            struct at_event ev;
            struct at_why why, expected;
            enum at_err err = parse(*state, at_buf_view(&line), &ev, &why);
            if (!missing && (err || strcmp(at_kind_text(ev.kind), kinds[k].kind) || at_event_check(&ev, &why)))
                fail_msg("%.*s: %s", AT_STR_FMT(at_buf_view(&line)), why.text);
            if (!missing)
                continue;
            (void)at_fail(&expected, AT_BAD, "\"%s\" is missing", missing);
            check_refused(state, at_buf_view(&line), expected.text);
        }
    at_buf_free(&line);
}

/* A line comes out as it went in: known fields in their order, unknown ones behind them to the letter. */
static void kept_to_the_letter(void **state)
{
    static const char *const lines[] = {
        LINE("start", ",\"platform\":\"ios\",\"packet\":9223372036854775807,\"fresh\":false,\"observes\":[\"resets\","
                      "\"prompts\",\"settings\",\"decisions\"]"),
        LINE("start", ",\"fresh\":true,\"observes\":[]"),
        LINE("call", ",\"call\":\"\",\"api\":\"authorize\",\"scope\":\"scope.record\""),
        LINE("call", ",\"call\":\"1\",\"api\":\"authorize\",\"scope\":[\"a\",\"b\",\"a\"]"),
        LINE("call", ",\"call\":\"1\",\"api\":\"authorize\",\"scope\":[\"a\"]"),
        LINE("call", ",\"call\":\"1\",\"api\":\"权限\",\"scope\":[]"),
        LINE("return", ",\"call\":\"1\",\"errMsg\":\"\",\"errno\":-9223372036854775808,\"authSetting\":{}"),
        LINE("return", ",\"call\":\"1\",\"errMsg\":\"a\\n\\\"\\\\\",\"authSetting\":{\"b\":true,\"a\":false}"),
        LINE("prompt", ",\"call\":\"7\",\"scope\":\"a\""),
        LINE("decision", ",\"answer\":\"allow\",\"scope\":\"a\""),
        LINE("decision", ",\"answer\":\"dismiss\""),
        LINE("settings", ",\"scope\":\"\",\"granted\":false"),
        LINE("gap", ",\"lost_bytes\":0"),
        /* unknown: numbers and strings as they were written, nested, empty, in their order */
        LINE("reset", ",\"z\":123456789012345678901234567890.000,\"a\":-0,\"b\":1E+05,\"c\":0.1e-400"),
        LINE("reset", ",\"x\":\"\\u0041\\/\\ud800\\u0000\",\"\\u0078\\n\":[{\"t\":1,\"t\":2},[],{},null]"),
        LINE("reset", ",\"\\u0000\":1,\"\\u0000 \":2,\"\":3,\"T\":4,\"kind \":5"),
        /* a name of another kind's field, with whatever value */
        LINE("reset",
             ",\"call\":7,\"api\":null,\"scope\":{\"a\":[1]},\"errMsg\":false,\"answer\":\"maybe\",\"fresh\":1"),
        LINE("end", ",\"observes\":\"all\",\"lost_bytes\":-1.5,\"granted\":0,\"authSetting\":[],\"errno\":\"\""),
        "{\"t\":-9223372036854775808,\"kind\":\"end\",\"app\":\"\",\"user\":\"\",\"stream\":\"\"}",
    };
    struct at_buf out = {0};
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct at_event ev;
        struct at_why why;
        if (parse(*state, at_str(lines[i]), &ev, &why) || at_event_check(&ev, &why))
            fail_msg("%s: %s", lines[i], why.text);
        out.len = 0;
        assert_int_equal(at_event_to_json(&ev, &out), AT_OK);
        assert_int_equal(out.ptr[--out.len], '\n');
        if (!at_str_eq(at_buf_view(&out), at_str(lines[i])))
            fail_msg("%s\n%.*s", lines[i], AT_STR_FMT(at_buf_view(&out)));
    }
    at_buf_free(&out);
}

static void white_space_and_order_do_not_matter(void **state)
{
    struct at_event ev;
    struct at_why why;
    const struct at_str line =
        AT_STR("\t{ \"x\" : [ 1 , \" \" ] ,\"scope\": [ \"\\u0061\" ,\"\\ud83d\\udce6\" ], "
               "\"\\u0061pi\":\"x\",\"call\" :\"c\",\"kind\":\"c\\u0061ll\"," WHO ",\"t\": -5 }\r");
    assert_int_equal(parse(*state, line, &ev, &why), AT_OK);
    assert_int_equal(ev.t_us, -5);
    assert_int_equal(ev.has, AT_HAS_CALL | AT_HAS_SCOPE | AT_HAS_SCOPE_ARRAY);
    assert_int_equal(ev.n_scopes, 2);
    assert_true(at_str_eq(ev.scopes[0], AT_STR("a")));
    assert_true(at_str_eq(ev.scopes[1], AT_STR("📦")));
    assert_true(at_str_eq(ev.api, AT_STR("x")));
    assert_true(at_str_eq(ev.extra, AT_STR("{\"x\":[1,\" \"]}")));
}

/* {"t":1,"kind":KIND,…BEFORE unit×n AFTER} */
static struct at_str repeated(struct at_buf *b, const char *before, const char *unit, size_t n, const char *after)
{
    b->len = 0;
    assert_int_equal(at_buf_printf(b, "{\"t\":1,\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\",%s", before), AT_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(at_buf_str(b, at_str(unit)), AT_OK);
    assert_int_equal(at_buf_str(b, at_str(after)), AT_OK);
    return at_buf_view(b);
}

static void limits(void **state)
{
    static const struct {
        const char *before, *unit;
        size_t most;
        const char *after, *reason;
    } cases[] = {
        {"\"kind\":\"end\",\"platform\":\"", "x", AT_TEXT_MAX_BYTES, "\"}", "\"platform\" is longer than 262144 bytes"},
        {"\"kind\":\"end\",\"platform\":\"", "\\u0001", AT_TEXT_MAX_BYTES, "\"}",
         "\"platform\" is longer than 262144 bytes"},
        {"\"kind\":\"end\",\"platform\":\"", "\\n", AT_TEXT_MAX_BYTES, "\"}",
         "\"platform\" is longer than 262144 bytes"},
        {"\"kind\":\"call\",\"call\":\"1\",\"api\":\"x\",\"scope\":[\"\"", ",\"a\"", AT_LIST_MAX - 1, "]}",
         "\"scope\" has more than 1024 entries"},
        /* {"x":" and "} are of the unknown fields too */
        {"\"kind\":\"end\",\"x\":\"", "x", AT_EXTRA_MAX_BYTES - 8, "\"}",
         "unknown fields are longer than 4194304 bytes"},
    };
    struct at_buf b = {0}, out = {0};
    struct at_event ev;
    struct at_why why;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct at_str line = repeated(&b, cases[i].before, cases[i].unit, cases[i].most, cases[i].after);
        if (parse(*state, line, &ev, &why) || at_event_check(&ev, &why))
            fail_msg("%zu: %s", i, why.text);
        out.len = 0;
        assert_int_equal(at_event_to_json(&ev, &out), AT_OK); /* what may be written can be read */
        out.len--;
        if (parse(*state, at_buf_view(&out), &ev, &why))
            fail_msg("%zu, written: %s", i, why.text);
        check_refused(state, repeated(&b, cases[i].before, cases[i].unit, cases[i].most + 1, cases[i].after),
                      cases[i].reason);
    }
    check_refused(state, repeated(&b, "\"kind\":\"end\"", " ", AT_LINE_MAX_BYTES, "}"),
                  "the line is longer than 33554432 bytes");
    at_buf_free(&out);
    at_buf_free(&b);
}

static void lists_have_limits(void **state)
{
    struct at_buf b = {0};
    for (unsigned n = AT_LIST_MAX; n <= AT_LIST_MAX + 1; n++) {
        b.len = 0;
        assert_int_equal(
            at_buf_str(&b, AT_STR("{\"t\":1,\"kind\":\"settings-page\"," WHO ",\"authSetting\":{\"\":true")), AT_OK);
        for (unsigned i = 1; i < n; i++)
            assert_int_equal(at_buf_printf(&b, ",\"%u\":true", i), AT_OK);
        assert_int_equal(at_buf_str(&b, AT_STR("}}")), AT_OK);
        struct at_event ev;
        struct at_why why;
        if (n == AT_LIST_MAX) {
            assert_int_equal(parse(*state, at_buf_view(&b), &ev, &why), AT_OK);
            assert_int_equal(ev.n_settings, AT_LIST_MAX);
        } else {
            check_refused(state, at_buf_view(&b), "\"authSetting\" has more than 1024 entries");
        }
    }
    static char text[AT_LIST_MAX_BYTES / 2 + 1];
    memset(text, 'x', sizeof text - 1);
    b.len = 0;
    assert_int_equal(
        at_buf_printf(&b, LINE("call", ",\"call\":\"\",\"api\":\"\",\"scope\":[\"%s\",\"%sy\"]"), text, text), AT_OK);
    check_refused(state, at_buf_view(&b), "a list is longer than 262144 bytes");
    at_buf_free(&b);
}

/* Many unknown names in a line, then few again: each line stands alone. */
static void lines_stand_alone(void **state)
{
    struct at_buf b = {0};
    struct at_event ev;
    struct at_why why;
    for (int round = 0; round < 3; round++) {
        b.len = 0;
        assert_int_equal(at_buf_str(&b, AT_STR("{\"t\":1,\"kind\":\"end\"," WHO)), AT_OK);
        for (int i = 0; i < 5000; i++)
            assert_int_equal(at_buf_printf(&b, ",\"n%d\":%d", i, i), AT_OK);
        assert_int_equal(at_buf_str(&b, AT_STR("}")), AT_OK);
        assert_int_equal(parse(*state, at_buf_view(&b), &ev, &why), AT_OK);
        assert_true(at_str_eq(at_json_member(ev.extra, "n4999"), AT_STR("4999")));
        assert_int_equal(parse(*state, at_str(LINE("end", ",\"n1\":1")), &ev, &why), AT_OK);
        assert_int_equal(parse(*state, at_str(LINE("end", "")), &ev, &why), AT_OK);
        assert_null(ev.extra.ptr);
        assert_int_equal(ev.has, 0);
        check_refused(state, AT_STR("{"), "not JSON");
    }
    at_buf_free(&b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, new_parser, free_parser)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refused),
        TEST(each_required_field_is_missed),
        TEST(kept_to_the_letter),
        TEST(white_space_and_order_do_not_matter),
        TEST(limits),
        TEST(lists_have_limits),
        TEST(lines_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
