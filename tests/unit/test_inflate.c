/* permessage-deflate: how a message may end, whole and cut anywhere, and what is no message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tracer/inflate.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct at_inflate_limits limits = {.out_bytes = 1 << 20, .ratio = 2000, .nesting = 4};
static struct at_inflate_pool pool;

static const struct {
    const char *bytes;
    size_t n;
    enum at_err err;
    const char *text;
} cases[] = {
    {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7, AT_OK, "Hello"},                          /* RFC 7692, section 7.2.3.1 */
    {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11, AT_OK, "Hello"},         /* 7.2.3.3 */
    {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8, AT_OK, "Hello"},                      /* 7.2.3.4 */
    {"\xf3\x48\xcd\xc9\xc9\x07\x00", 7, AT_OK, "Hello"},                          /* its last byte taken off as well */
    {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13, AT_OK, "Hello"}, /* 7.2.3.5 */
    {"\x00", 1, AT_OK, ""},                                                       /* 7.2.3.6 */
    {"", 0, AT_OK, ""},
    {"\x07", 1, AT_BAD, NULL},                 /* a block of no type */
    {"\x00\x05\x00\xfa\xfe", 5, AT_BAD, NULL}, /* a length and its inverse that differ */
    {"\xf2\x48\xcd\xc9", 4, AT_BAD, NULL},     /* cut */
    {"\xf2\x00\x11\x00\x00", 5, AT_BAD, NULL}, /* "Hello" again, of a context that is not there */
};

/* The case in two pieces, with what `z` knows already. */
static void expect_case(struct at_inflate *z, size_t i, size_t cut)
{
    struct at_buf out = {0};
    struct at_str whole = {cases[i].bytes, cases[i].n};
    enum at_err err = AT_OK;
    if (cut)
        err = at_inflate_message(z, (struct at_str){whole.ptr, cut}, 0, false, &limits, &out);
    if (!err)
        err = at_inflate_message(z, (struct at_str){whole.ptr + cut, whole.len - cut}, cut, true, &limits, &out);
    assert_int_equal(err, cases[i].err);
    if (!err)
        assert_true(at_str_eq(at_buf_view(&out), at_str(cases[i].text)));
    at_buf_free(&out);
}

static void ends_of_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t cut = 0; cut <= cases[i].n; cut++) {
            struct at_inflate *z = at_inflate_get(&pool, -15);
            assert_non_null(z);
            expect_case(z, i, cut);
            expect_case(z, 0, cut % 7); /* and the next message is none the worse for it */
            at_inflate_put(&pool, &z);
        }
    }
}

/* Messages of one context, small and large, against what was given to zlib. */
static void one_context(void **state)
{
    static char text[1 << 16], packed[1 << 17];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)("{\"authorize:ok\":1}"[(i * 7 + i / 300) % 18] + (i % 97 == 0));
    for (int bits = 9; bits <= 15; bits++) {
        z_stream to = {0};
        assert_int_equal(deflateInit2(&to, 6, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
        struct at_inflate *z = at_inflate_get(&pool, -bits);
        assert_non_null(z);
        for (size_t n = 1; n < sizeof text; n += 1 + n / 5) {
            struct at_buf out = {0};
            to.next_in = (Bytef *)text;
            to.avail_in = (uInt)n;
            to.next_out = (Bytef *)packed;
            to.avail_out = sizeof packed;
            assert_int_equal(deflate(&to, Z_SYNC_FLUSH), Z_OK);
            size_t len = sizeof packed - to.avail_out - 4, cut = n * 31 % len;
            assert_int_equal(at_inflate_message(z, (struct at_str){packed, cut}, 0, false, &limits, &out), AT_OK);
            struct at_str rest = {packed + cut, len - cut};
            assert_int_equal(at_inflate_message(z, rest, cut, true, &limits, &out), AT_OK);
            assert_int_equal(out.len, n);
            assert_memory_equal(out.ptr, text, n);
            at_buf_free(&out);
        }
        deflateEnd(&to);
        at_inflate_put(&pool, &z);
    }
}

static int clear_pool(void **state)
{
    (void)state;
    at_inflate_pool_clear(&pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_of_messages),
        cmocka_unit_test(one_context),
    };
    return cmocka_run_group_tests(tests, NULL, clear_pool);
}
