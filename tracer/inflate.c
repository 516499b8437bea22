/* inflate.c: permessage-deflate and HTTP content codings over zlib, with limits on what may come out. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tracer/inflate.h"

#define FREE_BYTES ((size_t)1 << 20) /* output to which no ratio applies */
#define POOL_MAX 16
#define STATE_BYTES 9800 /* of zlib, without the window: struct inflate_state and z_stream */
#define STEP_BYTES 16384
#define JOIN_BYTES 4096 /* messages that are copied, to call zlib once */
#define BLOCK_END 128   /* in data_type: see inflate() in zlib.h */

struct at_inflate {
    z_stream z;
    struct at_inflate *next;
    int window_bits;
    bool ended; /* what was fed of this message ended with a block marked as the last one */
};

struct at_inflate *at_inflate_get(struct at_inflate_pool *pool, int window_bits)
{
    struct at_inflate *z = pool->free;
    if (z) {
        pool->free = z->next;
        pool->n_free--;
        z->window_bits = window_bits;
        if (inflateReset2(&z->z, window_bits) == Z_OK)
            return z;
        inflateEnd(&z->z);
        free(z);
    }
    z = calloc(1, sizeof *z);
    if (!z)
        return NULL;
    z->window_bits = window_bits;
    if (inflateInit2(&z->z, window_bits) != Z_OK) {
        free(z);
        return NULL;
    }
    return z;
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
        inflateEnd(&(*z)->z);
        free(*z);
    }
    *z = NULL;
}

void at_inflate_pool_clear(struct at_inflate_pool *pool)
{
    while (pool->free) {
        struct at_inflate *next = pool->free->next;
        inflateEnd(&pool->free->z);
        free(pool->free);
        pool->free = next;
    }
    pool->n_free = 0;
}

size_t at_inflate_memory(const struct at_inflate *z)
{
    if (!z)
        return 0;
    int bits = z->window_bits < 0 ? -z->window_bits : z->window_bits & 15;
    return STATE_BYTES + ((size_t)1 << bits);
}

void at_inflate_forget(struct at_inflate *z)
{
    inflateReset2(&z->z, z->window_bits);
}

/* How many bytes may still come out: `out` of them are there, from `in` bytes. */
static size_t allowance(const struct at_inflate_limits *l, size_t in, size_t out)
{
    size_t most = l->out_bytes;
    if (l->ratio && in < most / l->ratio) {
        most = in * l->ratio;
        most = most < FREE_BYTES ? FREE_BYTES : most;
    }
    most = most < l->out_bytes ? most : l->out_bytes;
    return out < most ? most - out : 0;
}

static void set_input(z_stream *z, struct at_str in)
{
    z->next_in = (z_const Bytef *)(uintptr_t)in.ptr;
    z->avail_in = (uInt)in.len;
}

/* Runs until the input is used up, straight into `out`. Z_STREAM_END is passed on. */
static int run(z_stream *z, size_t in_bytes, const struct at_inflate_limits *l, struct at_buf *out)
{
    int rc = Z_OK;
    do {
        size_t room = allowance(l, in_bytes, out->len);
        size_t want = (size_t)z->avail_in * 4 + 512;
        want = want < room ? want : room;
        if (at_buf_reserve(out, want + 1))
            return Z_MEM_ERROR;
        size_t have = out->cap - out->len - 1;
        have = have < room ? have : room;
        have = have < INT32_MAX ? have : INT32_MAX;
        /* One byte more than allowed, to tell a message that just fits from one that does not. */
        uInt given = (uInt)have + 1;
        z->next_out = (Bytef *)(out->ptr + out->len);
        z->avail_out = given;
        rc = inflate(z, Z_SYNC_FLUSH);
        out->len += given - z->avail_out;
        if ((rc == Z_OK || rc == Z_STREAM_END) && z->avail_out == 0 && have == room)
            return Z_BUF_ERROR; /* the one byte more came: also where a last block ends with it and another follows */
    } while (rc == Z_OK && (z->avail_in || z->avail_out == 0));
    return rc == Z_BUF_ERROR && z->avail_out ? Z_OK : rc; /* no progress for want of input: fine */
}

/* The last `tail` bytes of `in` were added to what was sent. */
static enum at_err feed_raw(struct at_inflate *z, struct at_str in, size_t tail, size_t in_bytes,
                            const struct at_inflate_limits *limits, struct at_buf *out)
{
    set_input(&z->z, in);
    z->ended = false;
    for (;;) {
        int rc = run(&z->z, in_bytes, limits, out);
        if (rc == Z_OK)
            return AT_OK;
        if (rc == Z_MEM_ERROR)
            return AT_NOMEM;
        if (rc == Z_BUF_ERROR)
            return AT_LIMIT;
        if (rc != Z_STREAM_END)
            return AT_BAD;
        /* A block with BFINAL set (RFC 7692, section 7.2.3.4): the window stays, more blocks may follow. */
        if (inflateResetKeep(&z->z) != Z_OK)
            return AT_BAD;
        if (z->z.avail_in <= tail) {
            z->ended = true;
            return AT_OK;
        }
    }
}

/*
 * The end of the empty block that the sender took off (RFC 7692, section 7.2.2); one that ended with a block marked as
 * the last may have sent none, and an empty message needs none. Without it the message was cut.
 */
static enum at_err feed_tail(struct at_inflate *z, size_t in_bytes, const struct at_inflate_limits *limits,
                             struct at_buf *out)
{
    if (z->ended || !in_bytes)
        return AT_OK;
    return feed_raw(z, (struct at_str){"\0\0\xff\xff", 4}, 4, in_bytes, limits, out);
}

enum at_err at_inflate_message(struct at_inflate *z, struct at_str in, size_t in_bytes, bool last,
                               const struct at_inflate_limits *limits, struct at_buf *out)
{
    char joined[JOIN_BYTES + 4];
    bool join = last && in.len && in.len <= JOIN_BYTES;
    enum at_err err = in.len > UINT32_MAX ? AT_LIMIT : AT_OK;
    in_bytes += in.len;
    if (join) {
        memcpy(joined, in.ptr, in.len);
        memcpy(joined + in.len, "\0\0\xff\xff", 4);
        in = (struct at_str){joined, in.len + 4};
    }
    if (!err && in.len)
        err = feed_raw(z, in, join ? 4 : 0, in_bytes, limits, out);
    if (!err && last && !join)
        err = feed_tail(z, in_bytes, limits, out);
    if (!err && last && in_bytes && !z->ended && !(z->z.data_type & BLOCK_END))
        err = AT_BAD;
    if (err)
        at_inflate_forget(z);
    return err;
}

/* ---- Content codings */

/* "deflate" is the zlib format, but some send raw deflate: the two-byte zlib header tells (RFC 1950, section 2.2). */
static int deflate_bits(struct at_str in)
{
    const uint8_t *p = (const uint8_t *)in.ptr;
    if ((p[0] & 15) != 8 || p[0] >> 4 > 7)
        return -15;
    if (in.len < 2)
        return 15;
    return at_get_u16be(p) % 31 == 0 ? 15 : -15;
}

static enum at_err stage(struct at_unpack *u, size_t i, struct at_inflate_pool *pool, struct at_str in,
                         const struct at_inflate_limits *limits, struct at_buf *out);

static enum at_err give(struct at_unpack *u, size_t i, struct at_inflate_pool *pool, struct at_str bytes,
                        const struct at_inflate_limits *limits, struct at_buf *out)
{
    u->out_bytes += bytes.len;
    if (i + 1 < u->n)
        return stage(u, i + 1, pool, bytes, limits, out);
    return at_buf_str(out, bytes);
}

/* The end of one gzip member; another may follow (RFC 1952, section 2.2). Other bytes behind it are ignored. */
static bool next_member(struct at_unpack *u, size_t i)
{
    z_stream *z = &u->stages[i]->z;
    u->done[i] = true;
    if (u->codings[i] != AT_CODING_GZIP || z->avail_in == 0 || z->next_in[0] != 0x1f)
        return false;
    u->done[i] = false;
    return inflateReset(z) == Z_OK;
}

static enum at_err stage(struct at_unpack *u, size_t i, struct at_inflate_pool *pool, struct at_str in,
                         const struct at_inflate_limits *limits, struct at_buf *out)
{
    if (u->done[i] && (u->codings[i] != AT_CODING_GZIP || in.len == 0 || in.ptr[0] != 0x1f))
        return AT_OK;
    if (!u->stages[i])
        u->stages[i] = at_inflate_get(pool, u->codings[i] == AT_CODING_GZIP ? 31 : deflate_bits(in));
    else if (u->done[i])
        inflateReset(&u->stages[i]->z);
    if (!u->stages[i])
        return AT_NOMEM;
    u->done[i] = false;
    z_stream *z = &u->stages[i]->z;
    set_input(z, in);
    for (;;) {
        char step[STEP_BYTES];
        size_t room = allowance(limits, u->in_bytes, u->out_bytes);
        size_t given = room < sizeof step ? room + 1 : sizeof step;
        z->next_out = (Bytef *)step;
        z->avail_out = (uInt)given;
        int rc = inflate(z, Z_SYNC_FLUSH);
        size_t n = given - z->avail_out;
        if (n > room)
            return AT_LIMIT;
        enum at_err err = n ? give(u, i, pool, (struct at_str){step, n}, limits, out) : AT_OK;
        if (err)
            return err;
        if (rc == Z_STREAM_END) {
            if (!next_member(u, i))
                return AT_OK;
        } else if (rc == Z_BUF_ERROR || (rc == Z_OK && !z->avail_in && z->avail_out)) {
            return AT_OK;
        } else if (rc != Z_OK) {
            return rc == Z_MEM_ERROR ? AT_NOMEM : AT_BAD;
        }
    }
}

enum at_err at_unpack_feed(struct at_unpack *u, struct at_inflate_pool *pool, struct at_str in,
                           const struct at_inflate_limits *limits, struct at_buf *out)
{
    if (in.len == 0)
        return AT_OK;
    if (in.len > INT32_MAX)
        return AT_LIMIT;
    u->in_bytes += in.len;
    return stage(u, 0, pool, in, limits, out);
}

bool at_unpack_is_complete(const struct at_unpack *u)
{
    for (size_t i = 0; i < u->n; i++)
        if (!u->done[i])
            return false;
    return true;
}

void at_unpack_reset(struct at_unpack *u, struct at_inflate_pool *pool)
{
    for (size_t i = 0; i < u->n; i++)
        at_inflate_put(pool, &u->stages[i]);
    *u = (struct at_unpack){0};
}
