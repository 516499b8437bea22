/* The scanner of JSON against RFC 8259; cutting members out, compacting, quoting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "formats/formats.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define V(literal)                                                                                                     \
    {                                                                                                                  \
        (literal), sizeof(literal) - 1                                                                                 \
    }

/* A copy of its own, so that a sanitizer sees what is read beyond it. */
static struct at_str copy(struct at_str s)
{
    char *p = malloc(s.len ? s.len : 1);
    assert_non_null(p);
    memcpy(p, s.ptr, s.len);
    return (struct at_str){p, s.len};
}

static bool valid(struct at_str s)
{
    struct at_str c = copy(s);
    bool is = at_json_valid(c);
    free((void *)(uintptr_t)c.ptr);
    return is;
}

static const struct at_str good[] = {
    V("null"),
    V("true"),
    V("false"),
    V(" \t\r\n1\n "),
    V("0"),
    V("-0"),
    V("-0.0e-00"),
    V("1E+2"),
    V("10.01"),
    V("123456789012345678901234567890"),
    V("1e99999"),
    V("\"\""),
    V("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fF\""),
    V("\"\\ud800\""),
    V("\"\\u0000\""),
    V("\"\x7f 权限 \xf4\x8f\xbf\xbf\""),
    V("[]"),
    V("[ ]"),
    V("{}"),
    V("{ }"),
    V("[1,[2,{\"a\":[]}],\"]\"]"),
    V("{\"\":1,\"\":2}"),
    V(" { \"a\" : [ 1 , 2 ] , \"b\" : { } } "),
    V("[[[[[[[[[[]]]]]]]]]]"),
    V("\"12345678\""),
    V("\"1234567\\\"\""),
};

static const struct at_str bad[] = {
    V(""),
    V(" "),
    V("nul"),
    V("nulll"),
    V("True"),
    V("NaN"),
    V("Infinity"),
    V("-Infinity"),
    V("undefined"),
    V("+1"),
    V("01"),
    V("-"),
    V("-01"),
    V("1."),
    V(".5"),
    V("1.e1"),
    V("1e"),
    V("1e+"),
    V("0x10"),
    V("1_0"),
    V("--1"),
    V("1 2"),
    V("\""),
    V("\"a"),
    V("'a'"),
    V("\"\\\""),
    V("\"\\x41\""),
    V("\"\\u12\""),
    V("\"\\u12g4\""),
    V("\"\\U0041\""),
    V("\"\\\0\""),
    V("\"\n\""),
    V("\"\t\""),
    V("\"\0\""),
    V("\"1234567\x1f\""),
    V("\"\xff\""),
    V("\"\xc3\""),
    V("\"\xc0\x80\""),
    V("\"\xed\xa0\x80\""),
    V("["),
    V("]"),
    V("[1"),
    V("[1,"),
    V("[1,]"),
    V("[,1]"),
    V("[,]"),
    V("[1 2]"),
    V("[1}"),
    V("{"),
    V("}"),
    V("{]"),
    V("{1:2}"),
    V("{a:1}"),
    V("{\"a\"}"),
    V("{\"a\":}"),
    V("{\"a\":1,}"),
    V("{\"a\":1 \"b\":2}"),
    V("{,}"),
    V("{\"a\",1}"),
    V("[\"a\":1]"),
    V("{\"a\":1]"),
    V("[]]"),
    V("{}}"),
    V("[] []"),
    V("\xef\xbb\xbf[]"),
    V("\xc2\xa0"
      "1"),
    V("\f1"),
    V("\v1"),
    V("1\0"),
    V("//\n1"),
    V("/**/1"),
    V("[1]#"),
};

static void what_is_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!valid(good[i]))
            fail_msg("refused: %.*s", AT_STR_FMT(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        if (valid(bad[i]))
            fail_msg("taken: %.*s", AT_STR_FMT(bad[i]));
    assert_false(at_json_valid((struct at_str){0}));
    assert_int_equal(at_json_skip((struct at_str){0}), 0);
}

/* What is cut short is never JSON, but for numbers. */
static void cut_short(void **state)
{
    (void)state;
    const struct at_str s = AT_STR("{\"a\":[true,\"12345678\\u1234\\\\权\",{\"b\":null}],\"c\":-1.5e+3}");
    assert_true(valid(s));
    for (size_t n = 0; n < s.len; n++)
        assert_false(valid((struct at_str){s.ptr, n}));
}

static void skipping_one_value(void **state)
{
    (void)state;
    assert_int_equal(at_json_skip(AT_STR(" 1, 2")), 2);
    assert_int_equal(at_json_skip(AT_STR("{\"a\":\"}\"}}")), 9);
    assert_int_equal(at_json_skip(AT_STR("\"a\"b")), 3);
    assert_int_equal(at_json_skip(AT_STR(" , 1")), 0);
}

static void nesting_has_an_end(void **state)
{
    (void)state;
    static char deep[2 * 100000 + 2];
    for (size_t n = 1; n <= 100000; n = n < AT_JSON_DEPTH + 4 ? n + 1 : n * 3) {
        memset(deep, '[', n);
        memset(deep + n, ']', n);
        /* an empty array needs no place on the stack of what is open, but counts as a level */
        assert_int_equal(at_json_valid((struct at_str){deep, 2 * n}), n <= AT_JSON_DEPTH);
        assert_false(at_json_valid((struct at_str){deep, n}));
    }
    /* AT_JSON_DEPTH levels, with something in the innermost */
    memset(deep, '[', AT_JSON_DEPTH);
    deep[AT_JSON_DEPTH] = '1';
    memset(deep + AT_JSON_DEPTH + 1, ']', AT_JSON_DEPTH);
    assert_true(at_json_valid((struct at_str){deep, 2 * AT_JSON_DEPTH + 1}));
}

static void compacting(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {" 1 ", "1"},
        {"[ ]", "[]"},
        {" { \"a b\" : [ 1 ,\n\t2 ] , \"c\\\" d\" : \" e\\\\\" } ", "{\"a b\":[1,2],\"c\\\" d\":\" e\\\\\"}"},
        {"1.50E+007", "1.50E+007"},
        {"\"\\u0041\\/ \"", "\"\\u0041\\/ \""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct at_buf b = {0};
        bool spaced;
        assert_true(at_json_check(at_str(cases[i].in), &spaced));
        assert_int_equal(spaced, strcmp(cases[i].in, cases[i].out) != 0);
        assert_int_equal(at_buf_str(&b, AT_STR("before ")), AT_OK);
        assert_int_equal(at_json_compact(&b, at_str(cases[i].in)), AT_OK);
        at_buf_drop(&b, 7);
        assert_int_equal(at_buf_add(&b, "", 1), AT_OK);
        assert_string_equal(b.ptr, cases[i].out);
        at_buf_free(&b);
    }
}

static void members(void **state)
{
    (void)state;
    const struct at_str s = AT_STR(" {\"a\" : 1 ,\"b\":{\"a\":2}, \"c\" : \"}\\\"\" ,\"a\":3, \"\":[ 4 ]}");
    static const struct {
        const char *name, *value;
    } cases[] = {{"a", "1"}, {"b", "{\"a\":2}"}, {"c", "\"}\\\"\""}, {"", "[ 4 ]"}, {"d", NULL}, {"A", NULL}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct at_str value = at_json_member(s, cases[i].name);
        assert_int_equal(value.ptr != NULL, cases[i].value != NULL);
        assert_true(at_str_eq(value, at_str(cases[i].value)));
    }
    assert_null(at_json_member(AT_STR("[1]"), "a").ptr);
    assert_null(at_json_member(AT_STR("{}"), "a").ptr);
    assert_null(at_json_member((struct at_str){0}, "a").ptr);
}

static void walking_members(void **state)
{
    (void)state;
    struct at_json_iter it;
    struct at_str key, value;
    struct at_buf b = {0};
    at_json_iter_begin(&it, AT_STR("\n{ \"k\\\"1\" : [ 1 ] ,\"\":{}, \"x\":\"y\" } "));
    while (at_json_iter_next(&it, &key, &value))
        assert_int_equal(at_buf_printf(&b, "<%.*s=%.*s>", AT_STR_FMT(key), AT_STR_FMT(value)), AT_OK);
    assert_true(at_str_eq(at_buf_view(&b), AT_STR("<\"k\\\"1\"=[ 1 ]><\"\"={}><\"x\"=\"y\">")));
    assert_false(at_json_iter_next(&it, &key, &value));
    at_buf_free(&b);
    static const char *const none[] = {"{}", "{ }", "[]", "1", ""};
    for (size_t i = 0; i < COUNT(none); i++) {
        at_json_iter_begin(&it, at_str(none[i]));
        assert_false(at_json_iter_next(&it, &key, &value));
    }
}

static void check_quote(struct at_str in, struct at_str out)
{
    struct at_buf b = {0};
    struct at_str c = copy(in);
    assert_int_equal(at_json_quote(&b, c), AT_OK);
    if (!at_str_eq(at_buf_view(&b), out))
        fail_msg("%.*s", AT_STR_FMT(at_buf_view(&b)));
    assert_true(at_json_valid(at_buf_view(&b)));
    free((void *)(uintptr_t)c.ptr);
    at_buf_free(&b);
}

static void quoting(void **state)
{
    (void)state;
    check_quote(AT_STR(""), AT_STR("\"\""));
    check_quote(AT_STR("a/权限\xf4\x8f\xbf\xbf"), AT_STR("\"a/权限\xf4\x8f\xbf\xbf\""));
    check_quote(AT_STR("\"\\\n\r\t\b\f"), AT_STR("\"\\\"\\\\\\n\\r\\t\\b\\f\""));
    check_quote(AT_STR("\0\x1f\x7f"), AT_STR("\"\\u0000\\u001f\\u007f\""));
    check_quote(AT_STR("a\xff\xfe"
                       "b\xc3"),
                AT_STR("\"a\xef\xbf\xbd\xef\xbf\xbd"
                       "b\xef\xbf\xbd\""));
    struct at_buf b = {0};
    assert_int_equal(at_json_quote(&b, (struct at_str){0}), AT_OK);
    assert_true(at_str_eq(at_buf_view(&b), AT_STR("\"\"")));
    at_buf_free(&b);
}

/* Every character that UTF-8 can hold but NUL comes back from cJSON as it was. */
static void quoted_is_read_back(void **state)
{
    (void)state;
    for (uint32_t point = 1; point < 0x110000; point += point < 0x3000 ? 1 : 97) {
        char text[8] = "x", *p = text + 1;
        if (point >= 0xd800 && point < 0xe000)
            continue;
        if (point < 0x80) {
            *p++ = (char)point;
        } else {
            int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
            static const unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
            *p++ = (char)(lead[more] | point >> 6 * more);
            while (more-- > 0)
                *p++ = (char)(0x80 | (point >> 6 * more & 0x3f));
        }
        struct at_buf b = {0};
        assert_int_equal(at_json_quote(&b, at_str(text)), AT_OK);
        cJSON *item = cJSON_ParseWithLength(b.ptr, b.len);
        assert_non_null(item);
        assert_string_equal(cJSON_GetStringValue(item), text);
        cJSON_Delete(item);
        at_buf_free(&b);
    }
}

/* The index of a valid text against the walker of members, and against the text itself. */
static void check_value(const struct at_doc *d, uint32_t node, struct at_str raw)
{
    const struct at_doc_node *n = &d->nodes[node];
    const struct at_str got = at_doc_raw(d, node);
    const char *types = "{[\"tfn";
    assert_true(at_str_eq(got, raw));
    assert_int_equal(n->type, strchr(types, raw.ptr[0]) ? raw.ptr[0] : AT_J_NUMBER);
    assert_int_equal(n->escaped, raw.ptr[0] == '"' && memchr(raw.ptr, '\\', raw.len) != NULL);
    uint32_t child = node + 1;
    if (n->type == AT_J_OBJECT) {
        struct at_json_iter it;
        struct at_str key, value;
        for (at_json_iter_begin(&it, raw); at_json_iter_next(&it, &key, &value); child = d->nodes[child + 1].next) {
            assert_int_equal(d->nodes[child].type, AT_J_KEY);
            assert_int_equal(d->nodes[child].escaped, memchr(key.ptr, '\\', key.len) != NULL);
            assert_true(at_str_eq(at_doc_raw(d, child), key));
            check_value(d, child + 1, value);
        }
    } else if (n->type == AT_J_ARRAY) {
        struct at_str rest = {raw.ptr + 1, raw.len - 1};
        for (size_t len; (len = at_json_skip(rest)) > 0; child = d->nodes[child].next) {
            struct at_str value = {rest.ptr, len};
            while (strchr(" \t\r\n", value.ptr[0])) {
                value.ptr++;
                value.len--;
            }
            check_value(d, child, value);
            for (rest = (struct at_str){rest.ptr + len, rest.len - len}; strchr(" \t\r\n,", rest.ptr[0]); rest.len--)
                rest.ptr++;
        }
    }
    assert_int_equal(child, n->next);
}

static void indexed(void **state)
{
    static const struct at_str more[] = {
        V("{\"a\":[true,\"12345678\\u1234\\\\权\",{\"b\":null,\"\\u0063\":{}}],\"c\":-1.5e+3}"),
        V("[\"0123456789abcde\",\"0123456789abcdef\",\"0123456789abcdef0123456789abcdef0123456789abcdef0\"]"),
        V("[\"0123456789abcdef权\",\"0123456789abcd\\\"\",\"0123456789abcdef012345\\\\\",{\"k\":\"\"}, [ ] , { } ]"),
    };
    struct at_doc d = {0};
    (void)state;
    for (size_t i = 0; i < COUNT(good) + COUNT(more); i++) {
        struct at_str s = copy(i < COUNT(good) ? good[i] : more[i - COUNT(good)]), raw = s;
        bool spaced;
        assert_true(at_json_check(s, &spaced));
        assert_int_equal(at_doc_index(&d, s), AT_OK);
        assert_int_equal(d.spaced, spaced);
        for (; strchr(" \t\r\n", raw.ptr[0]); raw.len--)
            raw.ptr++;
        raw.len = at_json_skip(raw);
        check_value(&d, 0, raw);
        assert_int_equal(d.nodes[0].next, d.n);
        free((void *)(uintptr_t)s.ptr);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct at_str s = copy(bad[i]);
        assert_int_equal(at_doc_index(&d, s), AT_BAD);
        free((void *)(uintptr_t)s.ptr);
    }
    assert_int_equal(at_doc_index(&d, (struct at_str){0}), AT_BAD);
    at_doc_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json),        cmocka_unit_test(cut_short),
        cmocka_unit_test(skipping_one_value),  cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(compacting),          cmocka_unit_test(members),
        cmocka_unit_test(walking_members),     cmocka_unit_test(quoting),
        cmocka_unit_test(quoted_is_read_back), cmocka_unit_test(indexed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
