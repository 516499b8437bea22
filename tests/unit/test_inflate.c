/* What zlib compressed, in every way that it has, comes back however it is cut; its gzip heads; what may not come out.
 */
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
#define TEXT_MAX 200000

static const struct at_inflate_limits limits = {.out_bytes = 1 << 20, .ratio = 2000, .nesting = 4};
static struct at_inflate_pool pool;
static uint8_t text[TEXT_MAX], packed[2 * TEXT_MAX], packed_again[2 * TEXT_MAX + 4096];

static uint32_t random_below(uint32_t n)
{
    static uint64_t state = 88172645463325252u; /* xorshift64: the same texts each time */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % n;
}

/* Text of a kind: words of one alphabet that come again, noise, runs, and all of them by turns. */
static size_t make_text(unsigned kind, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = 1 + random_below(400), back = 1 + random_below(40000);
        unsigned what = kind < 3 ? kind : random_below(3);
        for (size_t end = i + len < n ? i + len : n; i < end; i++) {
            uint8_t byte = (uint8_t)back;
            if (what == 1)
                byte = (uint8_t)random_below(256);
            else if (what == 0 && i >= back && len > 20)
                byte = text[i - back];
            else if (what == 0)
                byte = (uint8_t) "{\"abcdefgh\":12}"[random_below(15)];
            text[i] = byte;
        }
    }
    return n;
}

static size_t deflate_text(int window_bits, int level, int memory, int strategy, gz_header *head, const uint8_t *in,
                           size_t n, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)in, .avail_in = (uInt)n, .next_out = out};
    z.avail_out = (uInt)room;
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, window_bits, memory, strategy), Z_OK);
    if (head)
        assert_int_equal(deflateSetHeader(&z, head), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

/* Feeds what is packed in pieces of up to `step` bytes and expects the first `n` bytes of the text. */
static void expect_body(const enum at_coding *codings, size_t n_codings, const uint8_t *in, size_t n_in, size_t step,
                        size_t n)
{
    struct at_unpack u = {.n = n_codings};
    struct at_buf out = {0};
    memcpy(u.codings, codings, n_codings * sizeof codings[0]);
    for (size_t at = 0; at < n_in;) {
        size_t some = step == SIZE_MAX ? n_in : 1 + random_below((uint32_t)step);
        some = some < n_in - at ? some : n_in - at;
        uint8_t *piece = malloc(some); /* exactly as long: a sanitizer sees what is read beyond it */
        assert_non_null(piece);
        memcpy(piece, in + at, some);
        assert_int_equal(at_unpack_feed(&u, &pool, (struct at_str){(char *)piece, some}, &limits, &out), AT_OK);
        free(piece);
        at += some;
        assert_true(at == n_in || n_codings > 1 || !at_unpack_is_complete(&u));
    }
    assert_true(at_unpack_is_complete(&u));
    assert_int_equal(out.len, n);
    assert_memory_equal(out.ptr ? out.ptr : "", text, n);
    at_unpack_reset(&u, &pool);
    at_buf_free(&out);
}

static void every_way_to_compress(void **state)
{
    (void)state;
    static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED};
    static const int wraps[] = {-1, 0, 16}; /* raw, zlib, gzip */
    unsigned rounds = 0;
    for (int level = 0; level <= 9; level++)
        for (size_t s = 0; s < COUNT(strategies); s++)
            for (size_t w = 0; w < COUNT(wraps); w++, rounds++) {
                size_t n = make_text(rounds % 4, rounds % 7 ? random_below(3000) : random_below(TEXT_MAX));
                int bits = 9 + (int)random_below(7), memory = 1 + (int)random_below(9);
                bits = wraps[w] < 0 ? -bits : bits + wraps[w];
                size_t len = deflate_text(bits, level, memory, strategies[s], NULL, text, n, packed, sizeof packed);
                enum at_coding coding = wraps[w] == 16 ? AT_CODING_GZIP : AT_CODING_DEFLATE;
                expect_body(&coding, 1, packed, len, SIZE_MAX, n);
                expect_body(&coding, 1, packed, len, 1 + random_below(900), n);
                expect_body(&coding, 1, packed, len, 1, n);
            }
}

static void codings_on_codings(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        enum at_coding codings[2] = {round & 1 ? AT_CODING_GZIP : AT_CODING_DEFLATE,
                                     round & 2 ? AT_CODING_GZIP : AT_CODING_DEFLATE};
        size_t n = make_text(round % 4, random_below(TEXT_MAX));
        size_t inner = deflate_text(codings[1] == AT_CODING_GZIP ? 31
                                    : round & 4                  ? 15
                                                                 : -15,
                                    6, 8, 0, NULL, text, n, packed, sizeof packed);
        size_t len = deflate_text(codings[0] == AT_CODING_GZIP ? 31
                                  : round & 8                  ? 15
                                                               : -15,
                                  6, 8, 0, NULL, packed, inner, packed_again, sizeof packed_again);
        expect_body(codings, 2, packed_again, len, SIZE_MAX, n);
        expect_body(codings, 2, packed_again, len, 1 + random_below(500), n);
    }
}

/* RFC 1952, section 2.3: every optional field of the head, members in a row, other bytes behind. */
static void gzip_heads(void **state)
{
    (void)state;
    const enum at_coding gzip = AT_CODING_GZIP;
    for (unsigned fields = 0; fields < 16; fields++) {
        Bytef extra[3] = {1, 0, 2};
        gz_header head = {.os = 3, .hcrc = fields & 1};
        head.extra = fields & 2 ? extra : NULL;
        head.extra_len = fields & 2 ? sizeof extra : 0;
        head.name = fields & 4 ? (Bytef *)(uintptr_t) "a name" : NULL;
        head.comment = fields & 8 ? (Bytef *)(uintptr_t) "" : NULL;
        size_t n = make_text(3, 5000);
        size_t len = deflate_text(31, 6, 8, 0, &head, text, 2000, packed, sizeof packed);
        size_t first = len;
        len += deflate_text(31, 6, 8, 0, &head, text + 2000, n - 2000, packed + len, sizeof packed - len);
        expect_body(&gzip, 1, packed, first, 1, 2000);
        packed[len] = 'x';
        struct at_unpack u = {.n = 1, .codings = {AT_CODING_GZIP}};
        struct at_buf out = {0};
        struct at_str all = {(char *)packed, len + 1};
        assert_int_equal(at_unpack_feed(&u, &pool, all, &limits, &out), AT_OK);
        assert_int_equal(out.len, n);
        assert_memory_equal(out.ptr, text, n);
        at_unpack_reset(&u, &pool);
        for (size_t i = 0; i < first; i++) { /* no changed bit goes unnoticed, but in the time, the system and such */
            packed[i] = (uint8_t)(packed[i] ^ 1u << (i % 8));
            out.len = 0;
            u = (struct at_unpack){.n = 1, .codings = {AT_CODING_GZIP}};
            enum at_err err = at_unpack_feed(&u, &pool, (struct at_str){(char *)packed, first}, &limits, &out);
            bool same = at_unpack_is_complete(&u) && out.len == 2000 && !memcmp(out.ptr, text, 2000);
            assert_true(err || same || !at_unpack_is_complete(&u));
            at_unpack_reset(&u, &pool);
            packed[i] = (uint8_t)(packed[i] ^ 1u << (i % 8));
        }
        at_buf_free(&out);
    }
}

/* RFC 7692, section 7.2: messages of one context, with every window, cut anywhere; now and then a context begins anew.
 */
static void messages_with_takeover(void **state)
{
    (void)state;
    for (int bits = 9; bits <= 15; bits++) {
        z_stream z = {0};
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
        struct at_inflate *ours = at_inflate_get(&pool);
        assert_non_null(ours);
        size_t all = make_text(3, TEXT_MAX);
        for (size_t at = 0, round = 0; at < all; round++) {
            size_t n = random_below(round % 5 ? 700 : 20000);
            n = n < all - at ? n : all - at;
            z.next_in = text + at;
            z.avail_in = (uInt)n;
            z.next_out = packed;
            z.avail_out = sizeof packed;
            if (n)
                assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
            size_t len = sizeof packed - z.avail_out - 4; /* without 00 00 ff ff */
            if (n == 0) /* zlib says nothing twice: an empty message is one byte (RFC 7692, section 7.2.3.6) */
                len = 1, packed[0] = 0;
            struct at_buf out = {0};
            for (size_t done = 0; done < len;) {
                size_t some = 1 + random_below((uint32_t)(len - done));
                struct at_str piece = {(char *)packed + done, some};
                bool last = done + some == len;
                assert_int_equal(at_inflate_message(ours, piece, done, last, &limits, &out), AT_OK);
                done += some;
            }
            assert_int_equal(out.len, n);
            assert_memory_equal(out.ptr ? out.ptr : "", text + at, n);
            assert_int_equal(at_inflate_keep(ours, at_buf_view(&out), bits), AT_OK);
            at_buf_free(&out);
            at += n;
            if (round % 97 == 96) {
                assert_int_equal(deflateReset(&z), Z_OK);
                at_inflate_forget(ours);
            }
        }
        deflateEnd(&z);
        assert_true(at_inflate_memory(ours) < sizeof *ours + ((size_t)1 << bits) + 1);
        at_inflate_put(&pool, &ours);
    }
}

static enum at_err one_message(const char *bytes, size_t n, struct at_buf *out)
{
    struct at_inflate *z = at_inflate_get(&pool);
    assert_non_null(z);
    enum at_err err = at_inflate_message(z, (struct at_str){bytes, n}, 0, true, &limits, out);
    at_inflate_put(&pool, &z);
    return err;
}

static void messages_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        enum at_err err;
        const char *text;
    } cases[] = {
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7, AT_OK, "Hello"},                  /* RFC 7692, section 7.2.3.1 */
        {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11, AT_OK, "Hello"}, /* 7.2.3.3 */
        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8, AT_OK, "Hello"},              /* 7.2.3.4 */
        {"\xf3\x48\xcd\xc9\xc9\x07\x00", 7, AT_OK, "Hello"},                  /* its last byte taken off as well */
        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13, AT_OK, "Hello"}, /* 7.2.3.5 */
        {"", 0, AT_OK, ""},
        {"\x07", 1, AT_BAD, NULL},                 /* a block of no type */
        {"\x00\x05\x00\xfa\xfe", 5, AT_BAD, NULL}, /* a length and its inverse that differ */
        {"\xf2\x48\xcd\xc9", 4, AT_BAD, NULL},     /* cut */
        {"\xf2\x00\x11\x00\x00", 5, AT_BAD, NULL}, /* "Hello" again, of a context that is not there */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct at_buf out = {0};
        assert_int_equal(one_message(cases[i].bytes, cases[i].n, &out), cases[i].err);
        if (!cases[i].err)
            assert_true(at_str_eq(at_buf_view(&out), at_str(cases[i].text)));
        at_buf_free(&out);
    }
}

/* Not a byte more than the limits, at any limit. */
static void limits_hold(void **state)
{
    (void)state;
    size_t n = make_text(2, 70000);
    size_t len = deflate_text(-15, 9, 8, 0, NULL, text, n, packed, sizeof packed);
    for (size_t most = 1; most < n + 300; most += most < 1000 ? 1 : 997) {
        const struct at_inflate_limits small = {.out_bytes = most, .ratio = 0, .nesting = 1};
        struct at_inflate *z = at_inflate_get(&pool);
        struct at_buf out = {0};
        enum at_err err = at_inflate_message(z, (struct at_str){(char *)packed, len}, 0, true, &small, &out);
        assert_int_equal(err, most < n ? AT_LIMIT : AT_OK);
        assert_true(out.len <= most);
        at_buf_free(&out);
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
        cmocka_unit_test(every_way_to_compress),
        cmocka_unit_test(codings_on_codings),
        cmocka_unit_test(gzip_heads),
        cmocka_unit_test(messages_with_takeover),
        cmocka_unit_test(messages_that_are_none),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, clear_pool);
}
