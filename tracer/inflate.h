/* inflate.h: decompression with limits (private to the tracer). Pure. */
#ifndef AUTHTAPE_INFLATE_H
#define AUTHTAPE_INFLATE_H

#include "tracer/deflate.h"
#include "tracer/tracer.h"

/* What is around compressed data. */
struct at_wrap {
    enum at_wrapper { AT_WRAP_RAW, AT_WRAP_ZLIB, AT_WRAP_GZIP } wrapper;
    unsigned step; /* see unpack.c */
    uint8_t kept[10];
    size_t n_kept;
    uint8_t flags;
    size_t skip_bytes;
    uint32_t head_check, check, size;
    size_t base; /* where the output of this member starts */
};

/* Decompressors are kept and used again: setting one up costs more than most messages. */
struct at_inflate {
    struct at_deflate d;
    struct at_wrap wrap;
    struct at_inflate *next;
};
struct at_inflate_pool {
    struct at_deflate_fixed fixed;
    struct at_inflate *free;
    size_t n_free;
};
void at_inflate_pool_clear(struct at_inflate_pool *pool);

/* With nothing in its window. NULL when out of memory. */
struct at_inflate *at_inflate_get(struct at_inflate_pool *pool);
void at_inflate_put(struct at_inflate_pool *pool, struct at_inflate **z);
size_t at_inflate_memory(const struct at_inflate *z); /* in bytes; 0 for NULL */

struct at_inflate_limits {
    size_t out_bytes; /* of one message */
    uint32_t ratio;   /* output to input, once the output is over 1 MiB */
    uint32_t nesting;
};
/* How many bytes may still come out: `out_bytes` of them are there, from `in_bytes`. */
size_t at_inflate_allowance(const struct at_inflate_limits *l, size_t in_bytes, size_t out_bytes);
/*
 * Decompresses `*in` to the end of `out`, where the output so far starts at `base`, as long as `out` gets no longer
 * than `most`. AT_LIMIT: it would.
 */
AT_MUST_USE enum at_err at_inflate_run(struct at_deflate *d, struct at_str *in, size_t base, size_t most,
                                       struct at_buf *out, enum at_deflate_result *result);

/*
 * One message of permessage-deflate (RFC 7692, section 7.2.2), piece by piece. `in_bytes` is what of the message was
 * fed before. The output is appended to `out`, which holds what came out of this message before and nothing else.
 * AT_BAD: broken, or it needs a context that is not there; the context is then empty. AT_LIMIT: too large; likewise.
 */
AT_MUST_USE enum at_err at_inflate_message(struct at_inflate *z, struct at_str in, size_t in_bytes, bool last,
                                           const struct at_inflate_limits *limits, struct at_buf *out);
/* Keeps the end of a message for the next ones, in a window of 2^window_bits bytes. */
AT_MUST_USE enum at_err at_inflate_keep(struct at_inflate *z, struct at_str message, int window_bits);
/* Forgets the window: the next message stands for itself. */
void at_inflate_forget(struct at_inflate *z);

/* Content codings of HTTP (RFC 9110, section 8.4.1), the one applied last first taken off. */
enum at_coding { AT_CODING_GZIP, AT_CODING_DEFLATE };
#define AT_CODINGS_MAX 8

struct at_unpack {
    enum at_coding codings[AT_CODINGS_MAX]; /* in the order of taking off */
    struct at_inflate *stages[AT_CODINGS_MAX];
    bool done[AT_CODINGS_MAX]; /* the end of the compressed data was seen */
    size_t n;
    size_t in_bytes, out_bytes; /* of all stages */
};
/* The output is appended to `out`, which holds what came out before and nothing else. AT_BAD, AT_LIMIT, AT_NOMEM. */
AT_MUST_USE enum at_err at_unpack_feed(struct at_unpack *u, struct at_inflate_pool *pool, struct at_str in,
                                       const struct at_inflate_limits *limits, struct at_buf *out);
/* True if every stage came to its end. */
bool at_unpack_is_complete(const struct at_unpack *u);
void at_unpack_reset(struct at_unpack *u, struct at_inflate_pool *pool);

#endif
