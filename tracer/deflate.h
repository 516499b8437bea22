/*
 * deflate.h: a decoder of DEFLATE (RFC 1951) for many small messages (private to the tracer). Pure.
 *
 * What zlib's inflate does, but quicker on messages of some hundred bytes: the tables of codes, which cost most there,
 * are set up in less time, those of the fixed codes once, and output goes straight to where it is wanted. Input may
 * come in pieces of any size.
 */
#ifndef AUTHTAPE_DEFLATE_H
#define AUTHTAPE_DEFLATE_H

#include "formats/formats.h"

#define AT_DEFLATE_LIT_BITS 9
#define AT_DEFLATE_DIST_BITS 6
/* The most entries that a complete code can need with these first levels (zlib's examples/enough.c counts them). */
#define AT_DEFLATE_LIT_ENTRIES 854
#define AT_DEFLATE_DIST_ENTRIES 594

enum at_deflate_state {
    AT_DEFLATE_BLOCK, /* at the start of a block */
    AT_DEFLATE_STORED_LENGTH,
    AT_DEFLATE_STORED,
    AT_DEFLATE_COUNTS, /* of a block with codes of its own */
    AT_DEFLATE_LENGTH_CODE,
    AT_DEFLATE_LENGTHS,
    AT_DEFLATE_SYMBOLS,
};

/* The tables of the fixed codes (RFC 1951, section 3.2.6): many decoders share them. All zero at first. */
struct at_deflate_fixed {
    bool is_built;
    uint32_t lit[1 << AT_DEFLATE_LIT_BITS], dist[1 << AT_DEFLATE_DIST_BITS];
};

struct at_deflate {
    struct at_deflate_fixed *fixed; /* has to be set */
    uint64_t bits;                  /* taken off the input, not used yet: the lowest n_bits */
    unsigned n_bits;
    enum at_deflate_state state;
    bool last_block;
    unsigned n_lit, n_dist, n_lengths, at; /* LENGTH_CODE, LENGTHS: how many there are, how many were read */
    size_t stored_bytes;
    uint8_t *window; /* what came out before the buffer at hand: a ring */
    size_t window_bytes, window_at, window_len;
    const uint32_t *lit, *dist; /* of the block at hand: its own tables or the fixed ones */
    uint8_t lengths[320];
    uint32_t own_lit[AT_DEFLATE_LIT_ENTRIES], own_dist[AT_DEFLATE_DIST_ENTRIES];
};

enum at_deflate_result {
    AT_DEFLATE_MORE, /* all input is used */
    AT_DEFLATE_FULL, /* more would come out than fits (at most 258 bytes at once): make room and go on with the same
                        input */
    AT_DEFLATE_END,  /* a block marked as the last one is over; input behind its last byte is untouched */
    AT_DEFLATE_BAD,  /* no DEFLATE data, or it speaks of bytes that are not there */
};

/*
 * Decodes from `*in`, which loses what was used (after FULL, END may give some of it back), to `out` from `*at` up to
 * `end`. What is in `out` before `*at` came out before and after what is in the window.
 */
AT_MUST_USE enum at_deflate_result at_deflate_run(struct at_deflate *d, struct at_str *in, uint8_t *out, size_t *at,
                                                  size_t end);
/* Starts anew with nothing in the window. */
void at_deflate_reset(struct at_deflate *d);
/* Starts a new stream that may speak of what is in the window. */
void at_deflate_restart(struct at_deflate *d);
/* True at the start of a block, at a byte's start. */
bool at_deflate_is_between(const struct at_deflate *d);
/* `bytes` of output go away: the last `window_bytes` of them are kept in the window. */
AT_MUST_USE enum at_err at_deflate_keep(struct at_deflate *d, struct at_str bytes, size_t window_bytes);
void at_deflate_free(struct at_deflate *d); /* what it holds, not itself */

#endif
