/* fuzz_inflate.c: compressed bytes in pieces, as WebSocket messages and as HTTP bodies, against the limits. */
#include <stdlib.h>

#include "tracer/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct at_inflate_limits limits = {.out_bytes = 1 << 21, .ratio = 16, .nesting = 4};

static void check(const struct at_buf *out, size_t in_bytes)
{
    size_t most = in_bytes * limits.ratio < (1 << 20) ? 1 << 20 : in_bytes * limits.ratio;
    if (out->len > most + 1 || out->len > limits.out_bytes + 1)
        abort();
}

static void messages(struct at_inflate_pool *pool, int bits, struct at_str in, size_t step)
{
    struct at_inflate *z = at_inflate_get(pool, bits);
    struct at_buf out = {0};
    size_t in_bytes = 0;
    if (!z)
        abort();
    while (in.len) {
        size_t n = step < in.len ? step : in.len;
        enum at_err err = at_inflate_message(z, (struct at_str){in.ptr, n}, in_bytes, n == in.len, &limits, &out);
        in_bytes += n;
        check(&out, in_bytes);
        if (err && err != AT_BAD && err != AT_LIMIT)
            abort();
        if (err)
            break;
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct at_inflate_pool pool = {0};
    if (size < 3)
        return 0;
    struct at_str in = {(const char *)data + 2, size - 2};
    size_t step = 1u + data[1];
    messages(&pool, -9 - data[0] % 7, in, step);
    messages(&pool, -15, in, SIZE_MAX);
    bodies(&pool, data[0], in, step);
    bodies(&pool, data[0], in, SIZE_MAX);
    at_inflate_pool_clear(&pool);
    return 0;
}
