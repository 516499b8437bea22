/*
 * fuzz_inflate.c: compressed bytes in pieces, as WebSocket messages and as HTTP bodies, against the limits; and what
 * zlib makes of the same bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tracer/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct at_inflate_limits limits = {.out_bytes = 1 << 21, .ratio = 16, .nesting = 4};

static void check(const struct at_buf *out, size_t in_bytes)
{
    size_t most = in_bytes * limits.ratio < (1 << 20) ? 1 << 20 : in_bytes * limits.ratio;
    if (out->len > most + 1 || out->len > limits.out_bytes + 1)
        abort();
}

/* The bytes as one message after the other, of the same length each, with takeover. */
static void messages(struct at_inflate_pool *pool, int bits, struct at_str in, size_t step)
{
    struct at_inflate *z = at_inflate_get(pool);
    struct at_buf out = {0};
    size_t in_bytes = 0;
    if (!z)
        abort();
    for (size_t piece = 0; in.len; piece++) {
        size_t n = step < in.len ? step : in.len;
        bool last = n == in.len || piece % 3 == 2;
        enum at_err err = at_inflate_message(z, (struct at_str){in.ptr, n}, in_bytes, last, &limits, &out);
        in_bytes += n;
        check(&out, in_bytes);
        if (err && err != AT_BAD && err != AT_LIMIT)
            abort();
        if (!err && last && at_inflate_keep(z, at_buf_view(&out), bits))
            abort();
        if (err || last)
            out.len = in_bytes = 0;
        in.ptr += n;
        in.len -= n;
    }
    at_inflate_put(pool, &z);
    at_buf_free(&out);
}

static void bodies(struct at_inflate_pool *pool, uint8_t kinds, struct at_str in, size_t step)
{
    struct at_unpack u = {.n = 1u + (kinds & 3)};
    struct at_buf out = {0};
    for (size_t i = 0; i < u.n; i++)
        u.codings[i] = kinds >> (2 + i) & 1 ? AT_CODING_GZIP : AT_CODING_DEFLATE;
    while (in.len) {
        size_t n = step < in.len ? step : in.len;
        enum at_err err = at_unpack_feed(&u, pool, (struct at_str){in.ptr, n}, &limits, &out);
        check(&out, u.in_bytes);
        if (err && err != AT_BAD && err != AT_LIMIT)
            abort();
        if (err)
            break;
        in.ptr += n;
        in.len -= n;
    }
    at_unpack_reset(&u, pool);
    at_buf_free(&out);
}

/* The first stream of raw DEFLATE in `in`: what comes out, how it ends and where are the same as for zlib. */
static void against_zlib(struct at_inflate_pool *pool, struct at_str in, size_t step, size_t room)
{
    static uint8_t expected[1 << 18];
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)in.ptr, .avail_in = (uInt)in.len};
    z.next_out = expected;
    z.avail_out = sizeof expected;
    if (inflateInit2(&z, -15) != Z_OK)
        abort();
    int rc = inflate(&z, Z_SYNC_FLUSH);
    size_t out_bytes = sizeof expected - z.avail_out, used = in.len - z.avail_in;
    bool full = z.avail_out == 0;
    /* An empty code of code lengths: zlib only notices when all the lengths were read by it. */
    uint8_t more[64] = {0};
    z.next_in = more;
    z.avail_in = sizeof more;
    int later = rc == Z_OK || rc == Z_BUF_ERROR ? inflate(&z, Z_SYNC_FLUSH) : rc;
    inflateEnd(&z);
    if (full)
        return;
    struct at_inflate *ours = at_inflate_get(pool);
    uint8_t *out = malloc(sizeof expected);
    size_t at = 0, end = room, taken = 0;
    enum at_deflate_result result = AT_DEFLATE_MORE;
    if (!ours || !out)
        abort();
    while (taken < in.len && result == AT_DEFLATE_MORE) {
        size_t n = step < in.len - taken ? step : in.len - taken;
        struct at_str piece = {in.ptr + taken, n};
        while ((result = at_deflate_run(&ours->d, &piece, out, &at, end)) == AT_DEFLATE_FULL)
            end = end + 258 + room < sizeof expected ? end + 258 + room : sizeof expected;
        taken += n - piece.len;
        if (result == AT_DEFLATE_MORE && piece.len)
            abort();
    }
    if (result == AT_DEFLATE_BAD && later == Z_DATA_ERROR)
        rc = Z_DATA_ERROR;
    if (rc == Z_STREAM_END ? result != AT_DEFLATE_END || taken != used
                           : result != (rc == Z_DATA_ERROR ? AT_DEFLATE_BAD : AT_DEFLATE_MORE))
        abort();
    if (rc != Z_DATA_ERROR && (at != out_bytes || memcmp(out, expected, at)))
        abort();
    free(out);
    at_inflate_put(pool, &ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct at_inflate_pool pool = {0};
    if (size < 3)
        return 0;
    struct at_str in = {(const char *)data + 2, size - 2};
    size_t step = 1u + data[1];
    against_zlib(&pool, in, step, data[0]);
    against_zlib(&pool, in, SIZE_MAX, 1 << 17);
    messages(&pool, 9 + data[0] % 7, in, step);
    messages(&pool, 15, in, SIZE_MAX);
    bodies(&pool, data[0], in, step);
    bodies(&pool, data[0], in, SIZE_MAX);
    at_inflate_pool_clear(&pool);
    return 0;
}
