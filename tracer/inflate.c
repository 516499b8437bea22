/* inflate.c: permessage-deflate, with limits on what may come out; decompressors to be used again. */
#include <stdlib.h>
#include <string.h>

#include "tracer/inflate.h"

#define FREE_BYTES ((size_t)1 << 20) /* output to which no ratio applies */
#define POOL_MAX 16

struct at_inflate *at_inflate_get(struct at_inflate_pool *pool)
{
    struct at_inflate *z = pool->free;
    if (!z) {
        z = calloc(1, sizeof *z);
        if (z)
            z->d.fixed = &pool->fixed;
        return z;
    }
    pool->free = z->next;
    pool->n_free--;
    at_deflate_reset(&z->d);
    z->wrap = (struct at_wrap){0};
    return z;
}

static void destroy(struct at_inflate *z)
{
    at_deflate_free(&z->d);
    free(z);
}

void at_inflate_put(struct at_inflate_pool *pool, struct at_inflate **z)
{
    if (!*z)
        return;
    if (pool->n_free < POOL_MAX) {
        (*z)->next = pool->free;
        pool->free = *z;
        pool->n_free++;
    } else {
        destroy(*z);
    }
    *z = NULL;
}

void at_inflate_pool_clear(struct at_inflate_pool *pool)
{
    while (pool->free) {
        struct at_inflate *next = pool->free->next;
        destroy(pool->free);
        pool->free = next;
    }
    pool->n_free = 0;
}

size_t at_inflate_memory(const struct at_inflate *z)
{
    return z ? sizeof *z + z->d.window_bytes : 0;
}

void at_inflate_forget(struct at_inflate *z)
{
    at_deflate_reset(&z->d);
}

enum at_err at_inflate_keep(struct at_inflate *z, struct at_str message, int window_bits)
{
    return at_deflate_keep(&z->d, message, (size_t)1 << window_bits);
}

size_t at_inflate_allowance(const struct at_inflate_limits *l, size_t in_bytes, size_t out_bytes)
{
    size_t most = l->out_bytes;
    if (l->ratio && in_bytes < most / l->ratio) {
        most = in_bytes * l->ratio;
        most = most < FREE_BYTES ? FREE_BYTES : most;
    }
    most = most < l->out_bytes ? most : l->out_bytes;
    return out_bytes < most ? most - out_bytes : 0;
}

enum at_err at_inflate_run(struct at_deflate *d, struct at_str *in, size_t base, size_t most, struct at_buf *out,
                           enum at_deflate_result *result)
{
    for (;;) {
        size_t room = most - out->len, want = in->len * 4 + 512;
        if (at_buf_reserve(out, want < room ? want : room))
            return AT_NOMEM;
        size_t end = out->cap < most ? out->cap : most, at = out->len - base;
        *result = at_deflate_run(d, in, (uint8_t *)out->ptr + base, &at, end - base);
        out->len = base + at;
        if (*result != AT_DEFLATE_FULL)
            return AT_OK;
        if (end == most)
            return AT_LIMIT;
    }
}

static enum at_err feed(struct at_inflate *z, struct at_str in, size_t in_bytes, const struct at_inflate_limits *limits,
                        struct at_buf *out)
{
    size_t most = out->len + at_inflate_allowance(limits, in_bytes, out->len);
    enum at_deflate_result result;
    do {
        enum at_err err = at_inflate_run(&z->d, &in, 0, most, out, &result);
        if (err)
            return err;
        /* A block with BFINAL set (RFC 7692, section 7.2.3.4): the window stays, more blocks may follow. */
        if (result == AT_DEFLATE_END)
            at_deflate_restart(&z->d);
    } while (result == AT_DEFLATE_END && in.len);
    return result == AT_DEFLATE_BAD ? AT_BAD : AT_OK;
}

enum at_err at_inflate_message(struct at_inflate *z, struct at_str in, size_t in_bytes, bool last,
                               const struct at_inflate_limits *limits, struct at_buf *out)
{
    enum at_err err = in.len ? feed(z, in, in_bytes + in.len, limits, out) : AT_OK;
    /* Senders take off the end of an empty block; one that ended with a block marked as the last may have sent none. */
    if (!err && last && !at_deflate_is_between(&z->d)) {
        err = feed(z, (struct at_str){"\0\0\xff\xff", 4}, in_bytes + in.len, limits, out);
        if (!err && !at_deflate_is_between(&z->d))
            err = AT_BAD;
    }
    if (err)
        at_inflate_forget(z);
    return err;
}
