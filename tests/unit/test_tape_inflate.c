/* Inflating columns, against zlib: whatever zlib deflates comes back, and nothing that zlib refuses does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "formats/tape_inflate.h"
#include "tests/draw.h"

#define RAW_MAX (size_t)200000
#define PACKED_MAX (2 * RAW_MAX)

/* Bytes as columns have them: even, rare and frequent ones, runs, texts that repeat, noise. */
static size_t draw_column(uint8_t *raw, unsigned kind)
{
    size_t n = (size_t)below(below(4) ? 3000 : RAW_MAX) + 1;
    for (size_t i = 0; i < n; i++) {
        unsigned rare = (unsigned)__builtin_ctzll(draw() | 1ull << 40);
        switch (kind) {
        case 0: /* no code is longer than 8 bits */
            raw[i] = (uint8_t)draw();
            break;
        case 1: /* codes of 1 to 15 bits */
            raw[i] = (uint8_t)rare;
            break;
        case 2: /* all bytes, and most of them rare */
            raw[i] = below(8) ? (uint8_t)rare : (uint8_t)draw();
            break;
        case 3: /* matches of 1 and of few bytes before */
            raw[i] = i && below(30) ? raw[i - 1 - below(i < 9 ? i : 9)] : (uint8_t)draw();
            break;
        case 4: /* of many */
            raw[i] = i > 40 && below(12) ? raw[i - 7 - below(i < 30000 ? i - 7 : 30000)] : (uint8_t)below(40);
            break;
        default: /* one byte */
            raw[i] = 7;
        }
    }
    return n;
}

static size_t deflate_with(const uint8_t *raw, size_t n, uint8_t *packed)
{
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};
    z_stream z = {0};
    assert_int_equal(
        deflateInit2(&z, (int)below(10), Z_DEFLATED, -9 - (int)below(7), 1 + (int)below(9), strategies[below(5)]),
        Z_OK);
    z.next_in = (Bytef *)(uintptr_t)raw;
    z.next_out = packed;
    z.avail_out = PACKED_MAX;
    for (size_t left = n; left;) { /* blocks of all sizes, empty ones among them */
        static const int flushes[] = {Z_NO_FLUSH, Z_NO_FLUSH, Z_NO_FLUSH, Z_PARTIAL_FLUSH, Z_SYNC_FLUSH, Z_BLOCK};
        size_t some = below(3) ? left : (size_t)below(left) + 1;
        z.avail_in = (uInt)some;
        left -= some;
        assert_true(deflate(&z, left ? flushes[below(6)] : Z_NO_FLUSH) != Z_STREAM_ERROR);
        left += z.avail_in;
    }
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = PACKED_MAX - z.avail_out;
    deflateEnd(&z);
    return len;
}

/* Of memory of its own size each, for the sanitizer. */
static bool inflate_copy(const uint8_t *packed, size_t len, uint8_t **out, size_t raw_len)
{
    uint8_t *from = malloc(len + 1);
    *out = malloc(raw_len + INFLATE_SLACK);
    assert_non_null(from);
    assert_non_null(*out);
    memcpy(from + 1, packed, len); /* not aligned */
    bool good = at_inflate_whole(from + 1, len, *out, raw_len);
    free(from);
    return good;
}

static void expect_good(const uint8_t *packed, size_t len, const uint8_t *raw, size_t n)
{
    uint8_t *out;
    assert_true(inflate_copy(packed, len, &out, n));
    assert_memory_equal(out, raw, n);
    free(out);
}

static void expect_bad(const uint8_t *packed, size_t len, size_t n)
{
    uint8_t *out;
    assert_false(inflate_copy(packed, len, &out, n));
    free(out);
}

/* What comes out of damaged bytes is what zlib makes of them, too, if anything does. */
static void expect_as_zlib(const uint8_t *packed, size_t len, size_t n)
{
    uint8_t *out, *want = malloc(n + 1);
    assert_non_null(want);
    if (inflate_copy(packed, len, &out, n)) {
        z_stream z = {.next_in = (Bytef *)(uintptr_t)packed, .avail_in = (uInt)len};
        assert_int_equal(inflateInit2(&z, -15), Z_OK);
        z.next_out = want;
        z.avail_out = (uInt)n + 1;
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.avail_in, 0);
        assert_int_equal(z.total_out, n);
        assert_memory_equal(out, want, n);
        inflateEnd(&z);
    }
    free(out);
    free(want);
}

static void columns(void **state)
{
    static uint8_t raw[RAW_MAX], packed[PACKED_MAX];
    (void)state;
    random_state = 1;
    for (unsigned i = 0; i < 300; i++) {
        size_t n = draw_column(raw, i % 6), len = deflate_with(raw, n, packed);
        expect_good(packed, len, raw, n);
        expect_bad(packed, len, n - 1);
        expect_bad(packed, len, n + 1);
        expect_bad(packed, len - 1, n);
        packed[len] = 0;
        expect_bad(packed, len + 1, n);
        for (unsigned j = 0; j < 20; j++) {
            size_t at = (size_t)below(below(2) ? len : len < 100 ? len : 100);
            uint8_t was = packed[at];
            packed[at] ^= (uint8_t)(1u << below(8));
            expect_as_zlib(packed, len, n);
            packed[at] = was;
        }
    }
}

/* Blocks as RFC 1951 has them, written by hand. */
static void by_hand(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *text; /* NULL: refused */
    } cases[] = {
        {"\xf3\x48\xcd\xc9\xc9\x07\x00", 7, "Hello"},                      /* the fixed code */
        {"\x01\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f", 10, "Hello"},         /* stored */
        {"\x00\x00\x00\xff\xff\xf3\x48\xcd\xc9\xc9\x07\x00", 12, "Hello"}, /* an empty block before */
        {"\x4b\x4c\x04\x02\x00", 5, "aaaaa"},                              /* a match of 1 byte before */
        {"\x03\x02\x00", 3, NULL},                                         /* of more than there are */
        {"\x01\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f", 10, NULL},            /* a length and its inverse that differ */
        {"\x01\x05\x00\xfa\xff\x48\x65\x6c\x6c", 9, NULL},                 /* cut */
        {"\x07", 1, NULL},                                                 /* a block of no type */
        {"", 0, NULL},
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7, NULL}, /* no last block */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
        if (cases[i].text)
            expect_good(bytes, cases[i].n, (const uint8_t *)cases[i].text, strlen(cases[i].text));
        else
            for (size_t n = 0; n < 12; n++)
                expect_bad(bytes, cases[i].n, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(columns), cmocka_unit_test(by_hand)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
