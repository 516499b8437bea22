/* tape_columns.c: columns packed into a frame's payload and back. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "formats/tape_columns.h"

#define RAW_DEFLATE_WINDOW (-15) /* no zlib header: the frame has its own checksum */
#define SMALL_DEFLATE_WINDOW (-13)
#define INCOMPRESSIBLE_BYTES 16 /* below this nothing is gained */

bool at_varint_long(struct cursor *c, uint64_t *v)
{
    uint64_t value = 0;
    for (unsigned shift = 0; c->p < c->end && shift < 64; shift += 7) {
        uint8_t byte = *c->p++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *v = value;
            return true;
        }
    }
    return false;
}

struct varint at_varint_slow(const uint8_t *p, const uint8_t *end)
{
    struct cursor c = {p, end};
    struct varint out = {NULL, 0};
    if (at_varint_long(&c, &out.v))
        out.p = c.p;
    return out;
}

bool at_cursor_text(struct cursor *c, struct at_str *out)
{
    size_t left = (size_t)(c->end - c->p);
    const uint8_t *nul = left ? memchr(c->p, 0, left) : NULL;
    if (!nul)
        return false;
    *out = (struct at_str){(const char *)c->p, (size_t)(nul - c->p)};
    c->p = nul + 1;
    return true;
}

/* ---- Packing */

/* Ways to write a column. */
enum way { STORE, HUFFMAN, GENERAL };

/* Frames after which a column's other ways are tried again. */
#define TRIAL_FRAMES 16

struct at_packer {
    z_stream general, huffman; /* kept: setting one up costs more than a small column */
    bool has_general, has_huffman;
    bool stores;   /* nothing is deflated */
    bool thorough; /* try every way for every column */
    struct {
        enum way way;    /* the smallest at the last trial */
        unsigned frames; /* until the next */
    } columns[COLUMNS];
    struct at_buf body;
};

enum at_err at_packer_new(int level, bool thorough, struct at_packer **out)
{
    /* A small frame needs neither a large window nor a large table, which would be cleared for each column. */
    const int window = thorough ? RAW_DEFLATE_WINDOW : SMALL_DEFLATE_WINDOW;
    const int memory = thorough ? 9 : 6;
    struct at_packer *p = calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return AT_NOMEM;
    p->thorough = thorough;
    p->stores = level < 0;
    p->has_general = deflateInit2(&p->general, level, Z_DEFLATED, window, memory, Z_DEFAULT_STRATEGY) == Z_OK;
    p->has_huffman = deflateInit2(&p->huffman, 1, Z_DEFLATED, window, memory, Z_HUFFMAN_ONLY) == Z_OK;
    if (p->has_general && p->has_huffman)
        return AT_OK;
    at_packer_free(out);
    return AT_NOMEM;
}

void at_packer_free(struct at_packer **packer)
{
    struct at_packer *p = *packer;
    if (!p)
        return;
    if (p->has_general)
        deflateEnd(&p->general);
    if (p->has_huffman)
        deflateEnd(&p->huffman);
    at_buf_free(&p->body);
    free(p);
    *packer = NULL;
}

static enum at_err deflate_into(z_stream *z, const struct at_buf *column, struct at_buf *out)
{
    if (deflateReset(z) != Z_OK)
        return AT_NOMEM;
    size_t bound = deflateBound(z, (uLong)column->len);
    enum at_err err = at_buf_reserve(out, bound);
    if (err)
        return err;
    z->next_in = (Bytef *)column->ptr;
    z->avail_in = (uInt)column->len;
    z->next_out = (Bytef *)out->ptr + out->len;
    z->avail_out = (uInt)bound;
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        return AT_NOMEM;
    out->len += bound - z->avail_out;
    return AT_OK;
}

/* Appends the column to p->body in a way; where that is not much smaller, stored. *way: what was done. */
static enum at_err pack_as(struct at_packer *p, const struct at_buf *column, enum way *way)
{
    size_t start = p->body.len;
    if (*way != STORE) {
        enum at_err err = deflate_into(*way == HUFFMAN ? &p->huffman : &p->general, column, &p->body);
        /* what hardly shrinks takes a reader 7 ns a byte to inflate: a small gain is not worth it */
        if (err || p->body.len - start < column->len - column->len / 5)
            return err;
        p->body.len = start;
        *way = STORE;
    }
    return at_buf_str(&p->body, at_buf_view(column));
}

/* Tries both ways of deflating and keeps the smaller. */
static enum at_err pack_smallest(struct at_packer *p, const struct at_buf *column, enum way *way)
{
    size_t start = p->body.len;
    enum way other = GENERAL;
    *way = HUFFMAN;
    enum at_err err = pack_as(p, column, way);
    if (err)
        return err;
    size_t middle = p->body.len;
    err = pack_as(p, column, &other);
    if (!err && p->body.len - middle < middle - start) {
        *way = other;
        memmove(p->body.ptr + start, p->body.ptr + middle, p->body.len - middle);
        p->body.len -= middle - start;
    } else {
        p->body.len = middle;
    }
    return err;
}

/* Appends the column's bytes to p->body. What was the smallest for a column mostly stays so for some frames. */
static enum at_err pack_column(struct at_packer *p, enum tape_column id, const struct at_buf *column, int *encoding)
{
    enum at_err err = AT_OK;
    enum way way = p->columns[id].way;
    if (p->stores || column->len <= INCOMPRESSIBLE_BYTES || id == COL_UUID) {
        way = STORE;
        err = pack_as(p, column, &way);
    } else if (p->thorough || p->columns[id].frames == 0) {
        err = pack_smallest(p, column, &way);
        p->columns[id].way = way;
        p->columns[id].frames = TRIAL_FRAMES;
    } else {
        err = pack_as(p, column, &way);
        p->columns[id].frames--;
    }
    *encoding = way == STORE ? TAPE_STORED : TAPE_DEFLATED;
    return err;
}

enum at_err at_pack(struct at_packer *p, const struct at_buf columns[COLUMNS], struct at_buf *out)
{
    enum at_err err = AT_OK;
    uint8_t n = 0;
    for (int id = 1; id < COLUMNS; id++)
        n = (uint8_t)(n + (columns[id].len > 0));
    p->body.len = 0;
    err = at_buf_add(out, &n, 1);
    for (int id = 1; id < COLUMNS && !err; id++) {
        size_t start = p->body.len;
        int encoding = TAPE_STORED;
        if (columns[id].len == 0)
            continue;
        err = pack_column(p, (enum tape_column)id, &columns[id], &encoding);
        if (!err)
            err = at_buf_reserve(out, 2 + 2 * VARINT_MAX_BYTES);
        if (err)
            break;
        out->ptr[out->len++] = (char)id;
        out->ptr[out->len++] = (char)encoding;
        put_varint(out, columns[id].len);
        if (encoding != TAPE_STORED)
            put_varint(out, p->body.len - start);
    }
    return err ? err : at_buf_str(out, at_buf_view(&p->body));
}

/* ---- Unpacking */

struct at_unpacker {
    z_stream z;
    bool has_z;
    uint8_t *raw;
    size_t cap;
    uint32_t left_out; /* columns, as bits */
};

enum at_err at_unpacker_new(struct at_unpacker **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    (*out)->has_z = inflateInit2(&(*out)->z, RAW_DEFLATE_WINDOW) == Z_OK;
    if ((*out)->has_z)
        return AT_OK;
    at_unpacker_free(out);
    return AT_NOMEM;
}

void at_unpacker_leave_out(struct at_unpacker *u, enum tape_column id)
{
    u->left_out |= UINT32_C(1) << id;
}

void at_unpacker_free(struct at_unpacker **u)
{
    if (!*u)
        return;
    if ((*u)->has_z)
        inflateEnd(&(*u)->z);
    free((*u)->raw);
    free(*u);
    *u = NULL;
}

/* A line of the directory. */
struct entry {
    uint8_t id, encoding;
    size_t raw, packed; /* bytes */
};

static enum at_err read_entry(struct cursor *c, struct entry *e)
{
    uint64_t raw = 0, packed = 0;
    if (c->end - c->p < 2)
        return AT_DAMAGED;
    e->id = *c->p++;
    e->encoding = *c->p++;
    if (e->encoding > TAPE_DEFLATED)
        return AT_NEWER;
    if (!get_varint(c, &raw) || raw > TAPE_RAW_MAX)
        return AT_DAMAGED;
    packed = raw;
    if (e->encoding == TAPE_DEFLATED && (!get_varint(c, &packed) || packed > TAPE_PAYLOAD_MAX))
        return AT_DAMAGED;
    e->raw = (size_t)raw;
    e->packed = (size_t)packed;
    return AT_OK;
}

static enum at_err inflate_from(struct at_unpacker *u, const uint8_t *from, const struct entry *e, uint8_t *to)
{
    z_stream *z = &u->z;
    if (inflateReset(z) != Z_OK)
        return AT_NOMEM;
    z->next_in = (Bytef *)(uintptr_t)from;
    z->avail_in = (uInt)e->packed;
    z->next_out = to;
    z->avail_out = (uInt)e->raw;
    int rc = inflate(z, Z_FINISH);
    if (rc == Z_MEM_ERROR)
        return AT_NOMEM;
    return rc == Z_STREAM_END && z->avail_in == 0 && z->avail_out == 0 ? AT_OK : AT_DAMAGED;
}

/* Makes room for all inflated columns. Memory of a frame out of the ordinary is given back at the next ordinary one. */
static enum at_err make_room(struct at_unpacker *u, size_t bytes)
{
    if (bytes <= u->cap && (u->cap <= (1u << 20) || bytes >= u->cap / 4))
        return AT_OK;
    free(u->raw);
    u->cap = 0;
    u->raw = malloc(bytes ? bytes : 1);
    if (!u->raw)
        return AT_NOMEM;
    u->cap = bytes;
    return AT_OK;
}

enum at_err at_unpack(struct at_unpacker *u, const uint8_t *payload, size_t len, size_t raw_bytes,
                      struct cursor columns[COLUMNS])
{
    struct entry entries[256];
    size_t sum = 0, inflated = 0;
    if (len < 1)
        return AT_DAMAGED;
    struct cursor c = {payload, payload + len};
    size_t n = *c.p++;
    for (int i = 0; i < COLUMNS; i++) /* a column that is not there is empty */
        columns[i] = (struct cursor){payload, payload};
    for (size_t i = 0; i < n; i++) {
        enum at_err err = read_entry(&c, &entries[i]);
        if (err)
            return err;
        sum += entries[i].raw;
        inflated += entries[i].encoding == TAPE_DEFLATED ? entries[i].raw : 0;
        if (i && entries[i].id <= entries[i - 1].id)
            return AT_DAMAGED;
    }
    if (sum != raw_bytes || make_room(u, inflated))
        return sum != raw_bytes ? AT_DAMAGED : AT_NOMEM;
    uint8_t *to = u->raw;
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &entries[i];
        const uint8_t *from = c.p;
        bool known = e->id > 0 && e->id < COLUMNS;
        if (e->packed > (size_t)(c.end - c.p))
            return AT_DAMAGED;
        c.p += e->packed;
        if (!known && !(e->id & TAPE_COLUMN_IGNORABLE))
            return AT_NEWER;
        if (!known || u->left_out >> e->id & 1)
            continue;
        if (e->encoding == TAPE_STORED) {
            columns[e->id] = (struct cursor){from, from + e->raw};
            continue;
        }
        enum at_err err = inflate_from(u, from, e, to);
        if (err)
            return err;
        columns[e->id] = (struct cursor){to, to + e->raw};
        to += e->raw;
    }
    return c.p == c.end ? AT_OK : AT_DAMAGED;
}
