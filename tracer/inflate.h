/* inflate.h: decompression with limits (private to the tracer). Pure. */
#ifndef AUTHTAPE_INFLATE_H
#define AUTHTAPE_INFLATE_H

#include "tracer/tracer.h"

/* Decompressors are kept and used again: setting one up costs more than most messages. */
struct at_inflate;
struct at_inflate_pool {
    struct at_inflate *free;
    size_t n_free;
};
void at_inflate_pool_clear(struct at_inflate_pool *pool);

/* zlib's windowBits: -9…-15 raw, 15 zlib, 31 gzip. NULL when out of memory. */
struct at_inflate *at_inflate_get(struct at_inflate_pool *pool, int window_bits);
void at_inflate_put(struct at_inflate_pool *pool, struct at_inflate **z);
size_t at_inflate_memory(const struct at_inflate *z); /* an estimate, in bytes; 0 for NULL */

struct at_inflate_limits {
    size_t out_bytes; /* of one message */
    uint32_t ratio;   /* output to input, once the output is over 1 MiB */
    uint32_t nesting;
};

/*
 * One message of permessage-deflate (RFC 7692, section 7.2.2), piece by piece. `in_bytes` is what of the message was
 * fed before. The output is appended to `out`. AT_BAD: broken, or it needs a context that is not there; the context is
 * then empty. AT_LIMIT: too large; likewise.
 */
AT_MUST_USE enum at_err at_inflate_message(struct at_inflate *z, struct at_str in, size_t in_bytes, bool last,
                                           const struct at_inflate_limits *limits, struct at_buf *out);
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
/* AT_BAD, AT_LIMIT, AT_NOMEM. */
AT_MUST_USE enum at_err at_unpack_feed(struct at_unpack *u, struct at_inflate_pool *pool, struct at_str in,
                                       const struct at_inflate_limits *limits, struct at_buf *out);
/* True if every stage came to its end. */
bool at_unpack_is_complete(const struct at_unpack *u);
void at_unpack_reset(struct at_unpack *u, struct at_inflate_pool *pool);

#endif
