/* tape_columns.h: columns of numbers and texts, packed into a frame's payload and back. Private to formats. */
#ifndef AUTHTAPE_FORMATS_TAPE_COLUMNS_H
#define AUTHTAPE_FORMATS_TAPE_COLUMNS_H

#include "formats/tape_format.h"

/* Little-endian base 128, the high bit set on all bytes but the last: at most 10 bytes. */
#define VARINT_MAX_BYTES 10

static inline uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}
static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

/* Room for it must have been reserved. */
static inline void put_varint(struct at_buf *b, uint64_t v)
{
    uint8_t *p = (uint8_t *)b->ptr + b->len;
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    b->len = (size_t)(p - (uint8_t *)b->ptr);
}

/* What of a column is still to be read. */
struct cursor {
    const uint8_t *p, *end;
};

/* The slow part of get_varint. */
bool at_varint_long(struct cursor *c, uint64_t *v);

static inline bool get_varint(struct cursor *c, uint64_t *v)
{
    if (c->p < c->end && *c->p < 0x80) {
        *v = *c->p++;
        return true;
    }
    return at_varint_long(c, v);
}

/* The same where the cursor is in registers: the place behind, NULL where there is no varint. */
struct varint {
    const uint8_t *p;
    uint64_t v;
};
struct varint at_varint_slow(const uint8_t *p, const uint8_t *end);

static inline struct varint next_varint(const uint8_t *p, const uint8_t *end)
{
    return p < end && *p < 0x80 ? (struct varint){p + 1, *p} : at_varint_slow(p, end);
}

/* A text of the column: up to its NUL, which is consumed. */
bool at_cursor_text(struct cursor *c, struct at_str *out);

struct at_packer;
AT_MUST_USE enum at_err at_packer_new(int level, bool thorough, struct at_packer **out);
void at_packer_free(struct at_packer **p);
/* Appends the directory and the columns, each stored or deflated. */
AT_MUST_USE enum at_err at_pack(struct at_packer *p, const struct at_buf columns[COLUMNS], struct at_buf *out);

struct at_unpacker;
AT_MUST_USE enum at_err at_unpacker_new(struct at_unpacker **out);
void at_unpacker_free(struct at_unpacker **u);
/* The column will be empty, whatever is in the payload. */
void at_unpacker_leave_out(struct at_unpacker *u, enum tape_column id);
/*
 * Unpacks a payload of `raw_bytes` in all into cursors, valid until the next call. AT_DAMAGED, AT_NEWER (a column that
 * has to be known), AT_NOMEM.
 */
AT_MUST_USE enum at_err at_unpack(struct at_unpacker *u, const uint8_t *payload, size_t len, size_t raw_bytes,
                                  struct cursor columns[COLUMNS]);

#endif
