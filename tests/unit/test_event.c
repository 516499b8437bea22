/* The words of events, the check of an event made by a program, copies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/event.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void words(void **state)
{
    (void)state;
    enum at_sight sight = AT_SEES_PROMPTS;
    unsigned n = 0;
    for (unsigned k = 0; k < 100; k++)
        if (at_kind_text((enum at_kind)k)) {
            assert_int_equal(at_kind_find(at_str(at_kind_text((enum at_kind)k))), k);
            n++;
        }
    assert_int_equal(n, 10);
    assert_int_equal(at_kind_find(AT_STR("settings-page")), AT_KIND_SETTINGS_PAGE);
    assert_int_equal(at_kind_find(AT_STR("settings-pag")), 0);
    assert_int_equal(at_kind_find((struct at_str){0}), 0);
    for (unsigned s = 0; s < AT_SIGHTS; s++)
        assert_true(at_sight_find(at_str(at_sight_text((enum at_sight)s)), &sight) && sight == s);
    assert_null(at_sight_text((enum at_sight)AT_SIGHTS));
    assert_false(at_sight_find(AT_STR("prompt"), &sight));
    for (unsigned a = 1; a <= 3; a++)
        assert_int_equal(at_answer_find(at_str(at_answer_text((enum at_answer)a))), a);
    assert_null(at_answer_text((enum at_answer)0));
    assert_null(at_answer_text((enum at_answer)4));
    assert_int_equal(at_answer_find(AT_STR("")), 0);
}

static const struct at_str one_scope[] = {{"a", 1}};
static const struct at_setting two_settings[] = {{.scope = {"a", 1}, .granted = true}, {.scope = {"b", 1}}};

static struct at_event base(enum at_kind kind)
{
    struct at_event ev = {
        .t_us = 1, .kind = kind, .app = AT_STR("app"), .user = AT_STR("user"), .stream = AT_STR("stream")};
    if (kind == AT_KIND_CALL || kind == AT_KIND_RETURN) {
        ev.has |= AT_HAS_CALL;
        ev.call = AT_STR("1");
    }
    if (kind == AT_KIND_CALL)
        ev.api = AT_STR("x");
    if (kind == AT_KIND_RETURN)
        ev.err_msg = AT_STR("x:ok");
    if (kind == AT_KIND_PROMPT || kind == AT_KIND_SETTINGS) {
        ev.has |= AT_HAS_SCOPE;
        ev.scopes = one_scope;
        ev.n_scopes = 1;
    }
    if (kind == AT_KIND_DECISION)
        ev.answer = AT_ANSWER_DENY;
    if (kind == AT_KIND_SETTINGS_PAGE) {
        ev.has |= AT_HAS_AUTH_SETTING;
        ev.settings = two_settings;
        ev.n_settings = 2;
    }
    return ev;
}

/* What passes the check is read back as the same line. */
static void check_good(const struct at_event *ev)
{
    struct at_event_parser *p = NULL;
    struct at_event back;
    struct at_why why = {""};
    struct at_buf line = {0}, again = {0};
    if (at_event_check(ev, &why))
        fail_msg("kind %d: %s", (int)ev->kind, why.text);
    assert_int_equal(at_event_parser_new(&p), AT_OK);
    assert_int_equal(at_event_to_json(ev, &line), AT_OK);
    if (at_event_parse(p, (struct at_str){line.ptr, line.len - 1}, &back, &why))
        fail_msg("%.*s: %s", AT_STR_FMT(at_buf_view(&line)), why.text);
    assert_int_equal(at_event_to_json(&back, &again), AT_OK);
    assert_true(at_str_eq(at_buf_view(&line), at_buf_view(&again)));
    assert_int_equal(back.has, ev->has);
    at_event_parser_free(&p);
    at_buf_free(&line);
    at_buf_free(&again);
}

static void check_bad(const struct at_event *ev, const char *reason)
{
    struct at_why why = {""};
    assert_int_equal(at_event_check(ev, &why), AT_BAD);
    assert_string_equal(why.text, reason);
    assert_int_equal(at_event_check(ev, NULL), AT_BAD);
}

/* One thing of a good event is changed. */
#define BAD(kind, change, reason)                                                                                      \
    do {                                                                                                               \
        struct at_event ev = base(AT_KIND_##kind);                                                                     \
        change;                                                                                                        \
        check_bad(&ev, reason);                                                                                        \
    } while (0)
#define GOOD(kind, change)                                                                                             \
    do {                                                                                                               \
        struct at_event ev = base(AT_KIND_##kind);                                                                     \
        change;                                                                                                        \
        check_good(&ev);                                                                                               \
    } while (0)

static void each_kind_is_checked(void **state)
{
    (void)state;
    for (unsigned k = AT_KIND_START; k <= AT_KIND_END; k++) {
        struct at_event ev = base((enum at_kind)k);
        check_good(&ev);
        struct at_event without = ev;
        without.stream.ptr = NULL;
        check_bad(&without, "\"stream\" is missing");
    }
    BAD(END, ev.kind = (enum at_kind)0, "\"kind\" is unknown");
    BAD(END, ev.kind = (enum at_kind)11, "\"kind\" is unknown");
    BAD(END, ev.app.ptr = NULL, "\"app\" is missing");
    BAD(END, ev.user.ptr = NULL, "\"user\" is missing");
    BAD(END, ev.has = AT_HAS_PLATFORM, "\"platform\" is missing");
    BAD(CALL, ev.has = 0, "\"call\" is missing");
    BAD(CALL, ev.api.ptr = NULL, "\"api\" is missing");
    BAD(RETURN, ev.err_msg.ptr = NULL, "\"errMsg\" is missing");
    BAD(PROMPT, ev.has = 0, "\"scope\" is missing");
    BAD(SETTINGS_PAGE, ev.has = 0, "\"authSetting\" is missing");
    BAD(DECISION, ev.answer = (enum at_answer)0, "\"answer\" is unknown");
    BAD(DECISION, ev.answer = (enum at_answer)9, "\"answer\" is unknown");
    BAD(END, ev.has = AT_HAS_CALL, "\"call\" is no field of end");
    BAD(CALL, ev.has |= AT_HAS_FRESH, "\"fresh\" is no field of call");
    BAD(PROMPT, ev.has |= AT_HAS_ERRNO, "\"errno\" is no field of prompt");
    BAD(START, ev.has |= AT_HAS_LOST_BYTES, "\"lost_bytes\" is no field of start");
    BAD(END, ev.has |= AT_HAS_PACKET, "\"packet\" is out of range");
    BAD(END, ev.has |= AT_HAS_PACKET; ev.packet = 1ull << 63, "\"packet\" is out of range");
    BAD(GAP, ev.has |= AT_HAS_LOST_BYTES; ev.lost_bytes = 1ull << 63, "\"lost_bytes\" is out of range");
    GOOD(GAP, ev.has |= AT_HAS_LOST_BYTES; ev.lost_bytes = INT64_MAX);
    GOOD(CALL, ev.has |= AT_HAS_SCOPE | AT_HAS_SCOPE_ARRAY);
}

static void texts_are_checked(void **state)
{
    (void)state;
    static char text[AT_TEXT_MAX_BYTES + 1];
    memset(text, 1, sizeof text); /* each byte six as JSON */
    BAD(END, ev.app = AT_STR("a\0b"), "\"app\" is not UTF-8 or holds a NUL character");
    BAD(END, ev.user = AT_STR("12345678\xff"), "\"user\" is not UTF-8 or holds a NUL character");
    BAD(END, ev.stream = AT_STR("1234567\0"), "\"stream\" is not UTF-8 or holds a NUL character");
    GOOD(END, ev.app = AT_STR("1234567\x01权限\x7f"));
    GOOD(END, ev.app = ((struct at_str){text, AT_TEXT_MAX_BYTES}));
    BAD(END, ev.app = ((struct at_str){text, sizeof text}), "\"app\" is longer than 262144 bytes");
}

static void lists_are_checked(void **state)
{
    (void)state;
    static const struct at_str broken[] = {{"a", 1}, {"\xff", 1}};
    static const struct at_setting twice[] = {{.scope = {"a", 1}}, {.scope = {"a", 1}}};
    BAD(PROMPT, ev.n_scopes = 0, "\"scope\" is not one string");
    BAD(PROMPT, ev.has |= AT_HAS_SCOPE_ARRAY, "\"scope\" is not a string");
    BAD(CALL, ev.has |= AT_HAS_SCOPE; ev.scopes = broken; ev.n_scopes = 2, "\"scope\" is not one string");
    BAD(CALL, ev.has |= AT_HAS_SCOPE | AT_HAS_SCOPE_ARRAY; ev.scopes = broken;
        ev.n_scopes = 2, "\"scope\" is not UTF-8 or holds a NUL character");
    BAD(SETTINGS_PAGE, ev.settings = twice, "\"authSetting\" names a scope twice");
    BAD(START, ev.has |= AT_HAS_OBSERVES; ev.n_observes = 5, "\"observes\" has more than 4 entries");
    BAD(START, ev.has |= AT_HAS_OBSERVES; ev.n_observes = 2, "\"observes\" has an unknown or repeated entry");
    BAD(START, ev.has |= AT_HAS_OBSERVES; ev.observes[0] = 8;
        ev.n_observes = 1, "\"observes\" has an unknown or repeated entry");
}

static void unknown_fields_are_checked(void **state)
{
    (void)state;
    GOOD(END, ev.extra = AT_STR("{\"x\":[1,2]}"));
    GOOD(END, ev.extra = AT_STR("{\"call\":1}"));
    BAD(CALL, ev.extra = AT_STR("{\"x\":1,\"call\":1}"), "\"call\" is among the unknown fields");
    BAD(END, ev.extra = AT_STR("[]"), "unknown fields are not a JSON object");
    BAD(END, ev.extra = AT_STR(""), "unknown fields are not a JSON object");
    BAD(END, ev.extra = AT_STR("{\"x\":}"), "unknown fields are not a JSON object");
    BAD(END, ev.extra = AT_STR(" {}"), "unknown fields are not a JSON object");
    BAD(END, ev.extra = AT_STR("{\n\"x\":1}"), "unknown fields hold a line end");
    BAD(END, ev.extra = AT_STR("{\"x\":1} "), "unknown fields have white space behind them");
    BAD(END, ev.extra = AT_STR("{ }"), "unknown fields are white space");
}

/* The copy prints the same when the original is gone. */
static void one_number_is_known(void **state)
{
    (void)state;
    static const char *const none[] = {"",
                                       "{}",
                                       "{\"seq\":}",
                                       "{\"seq\":0}",
                                       "{\"seq\":-1}",
                                       "{\"seq\":1.5}",
                                       "{\"seq\":1e5}",
                                       "{\"seq\": 1}",
                                       "{\"seq\":\"1\"}",
                                       "{\"Seq\":1}",
                                       "{\"seq\":1} ",
                                       "{\"seq\":12",
                                       "{\"seq\":1,\"a\":2}",
                                       "{\"s\\u0065q\":1}",
                                       "[\"seq\",1]"};
    struct at_str name, digits;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(at_extra_is_number(at_str(none[i]), &name, &digits));
    assert_true(at_extra_is_number(AT_STR("{\"seq\":1}"), &name, &digits));
    assert_true(at_str_eq(name, AT_STR("seq")) && at_str_eq(digits, AT_STR("1")));
    assert_true(at_extra_is_number(AT_STR("{\"late_us\":12034}"), &name, &digits));
    assert_true(at_str_eq(name, AT_STR("late_us")) && at_str_eq(digits, AT_STR("12034")));
}

/* Every byte at every place of a text of every length: a text is fit if it is ASCII without NUL characters. */
static void texts_are_looked_at_whole(void **state)
{
    (void)state;
    char text[72];
    for (size_t len = 1; len < sizeof text; len++) {
        memset(text, 'a', sizeof text);
        assert_true(at_text_valid((struct at_str){text, len}));
        for (size_t i = 0; i < len; i++) {
            for (int c = 0; c < 256; c++) {
                text[i] = (char)c;
                assert_int_equal(at_text_valid((struct at_str){text, len}), c > 0 && c < 0x80);
            }
            text[i] = 'a';
        }
        if (len > 2)
            memcpy(text + len - 2, "\xc3\xa4", 2);
        assert_true(at_text_valid((struct at_str){text, len}));
    }
}

static void copies_stand_alone(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"t\":5,\"kind\":\"return\",\"app\":\"a\",\"user\":\"\",\"stream\":\"s\",\"platform\":\"\",\"packet\":3,"
        "\"call\":\"\\n\",\"errMsg\":\"e\",\"errno\":0,\"authSetting\":{\"a\":true,\"\":false},\"x\":1}\n",
        "{\"t\":5,\"kind\":\"call\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\",\"call\":\"1\",\"api\":\"x\","
        "\"scope\":[\"a\",\"\",\"b\"]}\n",
        "{\"t\":5,\"kind\":\"start\",\"app\":\"\",\"user\":\"\",\"stream\":\"\",\"fresh\":true,\"observes\":["
        "\"resets\"]"
        "}\n",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct at_event_parser *p = NULL;
        struct at_event ev;
        struct at_buf out = {0};
        assert_int_equal(at_event_parser_new(&p), AT_OK);
        assert_int_equal(at_event_parse(p, at_str(lines[i]), &ev, NULL), AT_OK);
        struct at_event *copy = at_event_clone(&ev);
        assert_non_null(copy);
        at_event_parser_free(&p);
        assert_int_equal(at_event_check(copy, NULL), AT_OK);
        assert_int_equal(at_event_to_json(copy, &out), AT_OK);
        assert_true(at_str_eq(at_buf_view(&out), at_str(lines[i])));
        at_buf_free(&out);
        free(copy);
    }
    struct at_event *empty = at_event_clone(&(struct at_event){0});
    assert_non_null(empty);
    assert_null(empty->app.ptr);
    free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(each_kind_is_checked),
        cmocka_unit_test(texts_are_checked),
        cmocka_unit_test(lists_are_checked),
        cmocka_unit_test(unknown_fields_are_checked),
        cmocka_unit_test(one_number_is_known),
        cmocka_unit_test(texts_are_looked_at_whole),
        cmocka_unit_test(copies_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
