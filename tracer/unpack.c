/* unpack.c: the content codings of HTTP: gzip (RFC 1952), zlib (RFC 1950) and raw DEFLATE, on top of each other. */
#include <string.h>
#include <zlib.h> /* crc32, adler32 */

#include "tracer/inflate.h"

#define STEP_BYTES 16384 /* how much goes on to the next coding at once */
#define WINDOW_BYTES ((size_t)1 << 15)

/* The steps of a gzip member, and of the others, which have but some of them. */
enum { HEAD, EXTRA_LENGTH, EXTRA, NAME, COMMENT, HEAD_CHECK, BODY, TRAILER };
enum { FLAG_CHECK = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAGS_RESERVED = 0xe0 };

static void take(struct at_str *in, size_t n)
{
    in->ptr += n;
    in->len -= n;
}

/* Part of the head of a gzip member, for its check. */
static void note(struct at_wrap *w, const void *bytes, size_t n)
{
    if (w->flags & FLAG_CHECK)
        w->head_check = (uint32_t)crc32_z(w->head_check, bytes, n);
}

/* Collects `n` bytes in `kept`; true when they are there. */
static bool collect(struct at_wrap *w, struct at_str *in, size_t n)
{
    size_t some = n - w->n_kept < in->len ? n - w->n_kept : in->len;
    memcpy(w->kept + w->n_kept, in->ptr, some);
    w->n_kept += some;
    take(in, some);
    if (w->n_kept < n)
        return false;
    w->n_kept = 0;
    return true;
}

/* A field of the head that ends with a zero byte. */
static bool skip_text(struct at_wrap *w, struct at_str *in)
{
    const char *zero = memchr(in->ptr, 0, in->len);
    size_t n = zero ? (size_t)(zero - in->ptr) + 1 : in->len;
    note(w, in->ptr, n);
    take(in, n);
    return zero != NULL;
}

static bool skip_extra(struct at_wrap *w, struct at_str *in)
{
    size_t n = w->skip_bytes < in->len ? w->skip_bytes : in->len;
    note(w, in->ptr, n);
    take(in, n);
    w->skip_bytes -= n;
    return w->skip_bytes == 0;
}

/* One step of the head of a gzip member (RFC 1952, section 2.3). True when it is over. */
static enum at_err gzip_step(struct at_wrap *w, struct at_str *in, bool *over)
{
    static const uint8_t flags[] = {[EXTRA_LENGTH] = FLAG_EXTRA,
                                    [EXTRA] = FLAG_EXTRA,
                                    [NAME] = FLAG_NAME,
                                    [COMMENT] = FLAG_COMMENT,
                                    [HEAD_CHECK] = FLAG_CHECK};
    *over = true;
    if (w->step != HEAD && !(w->flags & flags[w->step]))
        return AT_OK;
    switch (w->step) {
    case HEAD:
        *over = collect(w, in, 10);
        if (!*over)
            return AT_OK;
        w->flags = w->kept[3];
        note(w, w->kept, 10);
        return at_get_u32be(w->kept) >> 8 == 0x1f8b08 && !(w->flags & FLAGS_RESERVED) ? AT_OK : AT_BAD;
    case EXTRA_LENGTH:
        *over = collect(w, in, 2);
        if (*over) {
            w->skip_bytes = at_get_u16le(w->kept);
            note(w, w->kept, 2);
        }
        return AT_OK;
    case EXTRA:
        *over = skip_extra(w, in);
        return AT_OK;
    case NAME:
    case COMMENT:
        *over = skip_text(w, in);
        return AT_OK;
    default:
        *over = collect(w, in, 2);
        return *over && at_get_u16le(w->kept) != (w->head_check & 0xffff) ? AT_BAD : AT_OK;
    }
}

static enum at_err gzip_head(struct at_wrap *w, struct at_str *in)
{
    enum at_err err = AT_OK;
    bool over = true;
    while (!err && over && w->step < BODY) {
        err = gzip_step(w, in, &over);
        w->step += over;
    }
    return err;
}

/* "deflate" is the zlib format, but some send raw DEFLATE: the two-byte zlib header tells (RFC 1950, section 2.2). */
static bool is_zlib_head(const uint8_t *p)
{
    return (p[0] & 15) == 8 && p[0] >> 4 <= 7 && at_get_u16be(p) % 31 == 0;
}

/* Forward only: a stage hands on to the next one. */
static enum at_err stage(struct at_unpack *u, size_t i, struct at_inflate_pool *pool, struct at_str in,
                         const struct at_inflate_limits *limits, struct at_buf *out);

static void note_output(struct at_wrap *w, struct at_str bytes)
{
    if (w->wrapper == AT_WRAP_GZIP)
        w->check = (uint32_t)crc32_z(w->check, (const Bytef *)bytes.ptr, bytes.len);
    else if (w->wrapper == AT_WRAP_ZLIB)
        w->check = (uint32_t)adler32_z(w->check, (const Bytef *)bytes.ptr, bytes.len);
    w->size += (uint32_t)bytes.len;
}

/* The compressed data, as far as they go on. The last stage writes where the output is wanted. */
static enum at_err body(struct at_unpack *u, size_t i, struct at_inflate_pool *pool, struct at_str *in,
                        const struct at_inflate_limits *limits, struct at_buf *out)
{
    struct at_inflate *z = u->stages[i];
    struct at_buf between = {0};
    bool last = i + 1 == u->n;
    struct at_buf *to = last ? out : &between;
    enum at_deflate_result result = AT_DEFLATE_FULL;
    enum at_err err = AT_OK;
    while (!err && result == AT_DEFLATE_FULL) {
        size_t room = at_inflate_allowance(limits, u->in_bytes, u->out_bytes);
        bool stepwise = !last && room > STEP_BYTES;
        to->len = last ? to->len : 0;
        size_t before = to->len;
        err = at_inflate_run(&z->d, in, last ? z->wrap.base : 0, before + (stepwise ? STEP_BYTES : room), to, &result);
        if (err == AT_LIMIT && stepwise) /* only this step's room is used up */
            err = AT_OK;
        struct at_str bytes = {at_buf_view(to).ptr + before, to->len - before};
        u->out_bytes += bytes.len;
        note_output(&z->wrap, bytes);
        if (!err && !last && bytes.len)
            err = at_deflate_keep(&z->d, bytes, WINDOW_BYTES);
        if (!err && !last && bytes.len)
            err = stage(u, i + 1, pool, bytes, limits, out);
    }
    at_buf_free(&between);
    if (!err && result == AT_DEFLATE_BAD)
        err = AT_BAD;
    if (!err && result == AT_DEFLATE_END)
        z->wrap.step = TRAILER;
    return err;
}

/* What follows the data; sets u->done. */
static enum at_err trailer(struct at_unpack *u, size_t i, struct at_str *in)
{
    struct at_wrap *w = &u->stages[i]->wrap;
    bool gzip = w->wrapper == AT_WRAP_GZIP;
    if (w->wrapper != AT_WRAP_RAW && !collect(w, in, gzip ? 8 : 4))
        return AT_OK;
    u->done[i] = true;
    if (gzip)
        return at_get_u32le(w->kept) == w->check && at_get_u32le(w->kept + 4) == w->size ? AT_OK : AT_BAD;
    return w->wrapper == AT_WRAP_RAW || at_get_u32be(w->kept) == w->check ? AT_OK : AT_BAD;
}

static void begin(struct at_unpack *u, size_t i, size_t base)
{
    struct at_inflate *z = u->stages[i];
    at_inflate_forget(z);
    z->wrap = (struct at_wrap){.base = base};
    if (u->codings[i] == AT_CODING_GZIP)
        z->wrap.wrapper = AT_WRAP_GZIP;
    u->done[i] = false;
}

/* The head, of whatever kind. Without one the two bytes that were looked at are data. */
static enum at_err head(struct at_unpack *u, size_t i, struct at_inflate_pool *pool, struct at_str *in,
                        const struct at_inflate_limits *limits, struct at_buf *out)
{
    struct at_wrap *w = &u->stages[i]->wrap;
    if (u->codings[i] == AT_CODING_GZIP)
        return gzip_head(w, in);
    if (!collect(w, in, 2))
        return AT_OK;
    w->step = BODY;
    if (is_zlib_head(w->kept)) {
        w->wrapper = AT_WRAP_ZLIB;
        w->check = 1;
        return w->kept[1] & 0x20 ? AT_BAD : AT_OK; /* a dictionary of which nobody knows */
    }
    struct at_str looked_at = {(const char *)w->kept, 2};
    return body(u, i, pool, &looked_at, limits, out);
}

static enum at_err stage(struct at_unpack *u, size_t i, struct at_inflate_pool *pool, struct at_str in,
                         const struct at_inflate_limits *limits, struct at_buf *out)
{
    enum at_err err = AT_OK;
    if (!u->stages[i]) {
        u->stages[i] = at_inflate_get(pool);
        if (!u->stages[i])
            return AT_NOMEM;
        begin(u, i, 0);
    }
    struct at_wrap *w = &u->stages[i]->wrap;
    while (!err && (in.len || (w->step == TRAILER && !u->done[i]))) {
        if (u->done[i]) { /* another gzip member (RFC 1952, section 2.2); other bytes behind the end are ignored */
            if (u->codings[i] != AT_CODING_GZIP || in.ptr[0] != 0x1f)
                break;
            begin(u, i, i + 1 == u->n ? out->len : 0);
        }
        if (w->step < BODY)
            err = head(u, i, pool, &in, limits, out);
        else if (w->step == BODY)
            err = body(u, i, pool, &in, limits, out);
        else if (w->wrapper == AT_WRAP_RAW || in.len)
            err = trailer(u, i, &in);
        else
            break;
    }
    return err;
}

enum at_err at_unpack_feed(struct at_unpack *u, struct at_inflate_pool *pool, struct at_str in,
                           const struct at_inflate_limits *limits, struct at_buf *out)
{
    if (in.len == 0)
        return AT_OK;
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
