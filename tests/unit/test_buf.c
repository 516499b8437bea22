/* Views, UTF-8, hashes, growing buffers, error words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/formats.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void views(void **state)
{
    (void)state;
    const struct at_str absent = at_str(NULL), empty = AT_STR(""), a = AT_STR("a"), ab = AT_STR("ab");
    assert_null(absent.ptr);
    assert_int_equal(at_str("ab").len, 2);
    assert_true(at_str_eq(absent, empty));
    assert_true(at_str_eq(at_str("a\0b"), a));
    assert_false(at_str_eq(AT_STR("a\0b"), a));
    assert_false(at_str_eq(AT_STR("a\0b"), AT_STR("a\0c")));
    assert_true(at_str_cmp(a, ab) < 0 && at_str_cmp(ab, a) > 0 && at_str_cmp(ab, ab) == 0);
    assert_true(at_str_cmp(absent, a) < 0 && at_str_cmp(absent, empty) == 0);
    assert_true(at_str_cmp(AT_STR("\x7f"), AT_STR("\x80")) < 0); /* as bytes, without a sign */
    assert_true(at_str_starts(ab, a) && at_str_starts(ab, absent) && !at_str_starts(a, ab) &&
                !at_str_starts(ab, AT_STR("b")));
}

static void finding(void **state)
{
    (void)state;
    static const struct {
        struct at_str s, needle;
        size_t at;
    } cases[] = {
        {{"abcabc", 6}, {"ca", 2}, 2},    {{"abc", 3}, {"c", 1}, 2},       {{"ab", 2}, {"abc", 3}, SIZE_MAX},
        {{"abc", 3}, {"", 0}, 0},         {{NULL, 0}, {"a", 1}, SIZE_MAX}, {{"a\0b", 3}, {"\0b", 2}, 1},
        {{"abc", 2}, {"c", 1}, SIZE_MAX},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(at_str_find(cases[i].s, cases[i].needle), cases[i].at);
}

/*
 * The table of RFC 3629, section 3, read the other way round: take the bits out, then refuse what a shorter form could
 * hold, surrogates and what is past U+10FFFF. The length of the sequence, 0 where there is none.
 */
static size_t rfc3629(const uint8_t *p, size_t len)
{
    static const uint32_t first_of_form[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] >> 7 == 0 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 0xe ? 3 : p[0] >> 3 == 0x1e ? 4 : 0;
    if (n <= 1 || len < n)
        return len < n ? 0 : n;
    uint32_t point = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        point = point << 6 | (p[i] & 0x3f);
    }
    return point < first_of_form[n] || (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff ? 0 : n;
}

static void utf8_is_that_of_rfc3629(void **state)
{
    (void)state;
    uint8_t p[4] = {0};
    /* all of two and three bytes, cut and whole */
    for (uint32_t v = 0; v < 1u << 24; v++) {
        p[0] = (uint8_t)(v >> 16);
        p[1] = (uint8_t)(v >> 8);
        p[2] = (uint8_t)v;
        struct at_str s = {(const char *)p, 3};
        if (at_utf8_sequence(s) != rfc3629(p, 3))
            fail_msg("%06x", v);
        s.len = 2;
        if (p[2] == 0 && at_utf8_sequence(s) != rfc3629(p, 2))
            fail_msg("%04x, two bytes", v >> 8);
        s.len = 1;
        if (p[1] == 0 && p[2] == 0 && at_utf8_sequence(s) != rfc3629(p, 1))
            fail_msg("%02x, one byte", v >> 16);
    }
    /* of four: all first and second bytes, and the edges of the others */
    static const uint8_t edges[] = {0, 0x7f, 0x80, 0x8f, 0x90, 0xbf, 0xc0, 0xff};
    for (uint32_t v = 0; v < 65536; v++)
        for (size_t i = 0; i < COUNT(edges) * COUNT(edges); i++) {
            p[0] = (uint8_t)(v >> 8);
            p[1] = (uint8_t)v;
            p[2] = edges[i / COUNT(edges)];
            p[3] = edges[i % COUNT(edges)];
            if (at_utf8_sequence((struct at_str){(const char *)p, 4}) != rfc3629(p, 4))
                fail_msg("%02x%02x%02x%02x", p[0], p[1], p[2], p[3]);
        }
}

static void utf8_texts(void **state)
{
    (void)state;
    assert_true(at_utf8_valid((struct at_str){0}));
    assert_true(at_utf8_valid(AT_STR("a\0\xc2\x80 权限 \xf4\x8f\xbf\xbf")));
    assert_false(at_utf8_valid(AT_STR("ab\xed\xa0\x80")));
    assert_false(at_utf8_valid((struct at_str){"权", 2}));
    assert_false(at_utf8_valid(AT_STR("\xf4\x90\x80\x80")));
}

static void numbers_of_bytes(void **state)
{
    (void)state;
    static const uint8_t p[8] = {0xf1, 0xf2, 3, 4, 0xf5, 6, 7, 0xf8};
    uint8_t q[8];
    assert_int_equal(at_get_u16le(p), 0xf2f1);
    assert_int_equal(at_get_u16be(p), 0xf1f2);
    assert_int_equal(at_get_u32le(p), 0x0403f2f1u);
    assert_int_equal(at_get_u32be(p), 0xf1f20304u);
    assert_true(at_get_u64le(p) == 0xf80706f50403f2f1u);
    assert_true(at_get_u64be(p) == 0xf1f20304f50607f8u);
    at_put_u64le(q, at_get_u64le(p));
    assert_memory_equal(p, q, 8);
}

/* Against strtoull, for every length; then every byte at every place. */
static void digits_are_numbers(void **state)
{
    (void)state;
    static const char texts[][21] = {"987654321098765432", "100000000000000000", "000000000000000009",
                                     "999999999999999999"};
    uint64_t n = 0;
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
        for (size_t len = 1; len <= AT_DIGITS_MAX; len++) {
            char text[21] = {0};
            memcpy(text, texts[t], len);
            assert_true(at_digits((struct at_str){text, len}, &n));
            assert_true(n == strtoull(text, NULL, 10));
            for (size_t i = 0; i < len; i++)
                for (int c = 0; c < 256; c++) {
                    char other[21];
                    memcpy(other, text, sizeof other);
                    other[i] = (char)c;
                    assert_int_equal(at_digits((struct at_str){other, len}, &n), c >= '0' && c <= '9');
                    assert_true(c < '0' || c > '9' || n == strtoull(other, NULL, 10));
                }
        }
    assert_false(at_digits(AT_STR(""), &n));
    assert_false(at_digits(AT_STR("1234567890123456789"), &n));
}

static void hashes_look_at_every_byte(void **state)
{
    (void)state;
    char text[40] = {0};
    for (size_t len = 0; len < sizeof text; len++) {
        uint64_t plain = at_hash(text, len, 0);
        assert_true(plain != at_hash(text, len + 1, 0));
        assert_true(plain != at_hash(text, len, 1));
        for (size_t i = 0; i < len * 8; i++) {
            text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
            assert_true(plain != at_hash(text, len, 0));
            text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
        }
    }
}

static void buffers_grow(void **state)
{
    (void)state;
    struct at_buf b = {0};
    assert_int_equal(at_buf_view(&b).len, 0);
    assert_non_null(at_buf_view(&b).ptr);
    assert_int_equal(at_buf_add(&b, NULL, 0), AT_OK);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(at_buf_printf(&b, "%d,", i), AT_OK);
    assert_int_equal(at_buf_str(&b, AT_STR("end")), AT_OK);
    assert_true(b.cap < 4 * b.len);
    const char *p = b.ptr;
    for (long i = 0; i < 10000; i++) {
        char *end = NULL;
        assert_int_equal(strtol(p, &end, 10), i);
        p = end + 1;
    }
    assert_true(at_str_eq((struct at_str){p, (size_t)(b.ptr + b.len - p)}, AT_STR("end")));
    at_buf_free(&b);
    assert_null(b.ptr);
    at_buf_free(&b);
}

static void buffers_refuse_what_cannot_be(void **state)
{
    (void)state;
    struct at_buf b = {0};
    assert_int_equal(at_buf_str(&b, AT_STR("kept")), AT_OK);
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 3, SIZE_MAX / 2, SIZE_MAX / 4 + 1};
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_int_equal(at_buf_reserve(&b, sizes[i]), AT_NOMEM);
    assert_true(at_str_eq(at_buf_view(&b), AT_STR("kept")));
    at_buf_free(&b);
}

static void buffers_lose_their_front(void **state)
{
    (void)state;
    struct at_buf b = {0};
    at_buf_drop(&b, 5);
    assert_int_equal(at_buf_str(&b, AT_STR("abcdef")), AT_OK);
    at_buf_drop(&b, 0);
    at_buf_drop(&b, 2);
    assert_true(at_str_eq(at_buf_view(&b), AT_STR("cdef")));
    at_buf_drop(&b, 4);
    assert_int_equal(b.len, 0);
    assert_int_equal(at_buf_str(&b, AT_STR("x")), AT_OK);
    at_buf_drop(&b, 99);
    assert_int_equal(b.len, 0);
    at_buf_free(&b);
}

static void words_of_errors(void **state)
{
    (void)state;
    struct at_why why;
    char longer[1000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_string_equal(at_err_text(AT_OK), "no error");
    assert_string_equal(at_err_text(AT_STOP), "stopped on request");
    assert_string_equal(at_err_text((enum at_err)4711), "unknown error");
    assert_int_equal(at_fail(NULL, AT_IO, "%d", 1), AT_IO);
    assert_int_equal(at_fail(&why, AT_BAD, "%s at %d", "this", 7), AT_BAD);
    assert_string_equal(why.text, "this at 7");
    assert_int_equal(at_fail(&why, AT_BAD, "%s", longer), AT_BAD);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views),
        cmocka_unit_test(finding),
        cmocka_unit_test(utf8_is_that_of_rfc3629),
        cmocka_unit_test(utf8_texts),
        cmocka_unit_test(numbers_of_bytes),
        cmocka_unit_test(digits_are_numbers),
        cmocka_unit_test(hashes_look_at_every_byte),
        cmocka_unit_test(buffers_grow),
        cmocka_unit_test(buffers_refuse_what_cannot_be),
        cmocka_unit_test(buffers_lose_their_front),
        cmocka_unit_test(words_of_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
