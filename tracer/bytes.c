/* bytes.c: reading a capture file as it is, plain or gzip, from a disk or a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "tracer/bytes.h"

#define CHUNK_BYTES ((size_t)256 * 1024)

struct at_bytes {
    int fd;
    bool packed, ended, member_ended;
    z_stream z;
    uint8_t *in; /* as read */
    size_t in_at, in_len;
    uint8_t peeked[16];
    size_t peek_at, peek_len;
};

/* Reads what there is, at least one byte unless it is the end. */
static enum at_err fill(struct at_bytes *s, struct at_why *why)
{
    memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
    s->in_len -= s->in_at;
    s->in_at = 0;
    ssize_t n = read(s->fd, s->in + s->in_len, CHUNK_BYTES - s->in_len);
    if (n < 0)
        return errno == EINTR ? at_fail(why, AT_STOP, "stopped by a signal")
                              : at_fail(why, AT_IO, "%s", strerror(errno));
    s->ended = n == 0;
    s->in_len += (size_t)n;
    return AT_OK;
}

static enum at_err begin(struct at_bytes *s, struct at_why *why)
{
    enum at_err err = AT_OK;
    while (!err && s->in_len < 2 && !s->ended)
        err = fill(s, why);
    if (err || s->in_len < 2 || s->in[0] != 0x1f || s->in[1] != 0x8b)
        return err;
    s->packed = true;
    return inflateInit2(&s->z, 31) == Z_OK ? AT_OK : at_fail(why, AT_NOMEM, "out of memory");
}

enum at_err at_bytes_open(const char *path, struct at_bytes **out, struct at_why *why)
{
    struct at_bytes *s = calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return at_fail(why, AT_NOMEM, "out of memory");
    s->fd = -1;
    s->in = malloc(CHUNK_BYTES);
    enum at_err err = s->in ? AT_OK : at_fail(why, AT_NOMEM, "out of memory");
    if (!err) {
        s->fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
        err = s->fd < 0 ? at_fail(why, AT_IO, "%s", strerror(errno)) : begin(s, why);
    }
    if (err)
        at_bytes_close(out);
    return err;
}

void at_bytes_close(struct at_bytes **s)
{
    if (!*s)
        return;
    if ((*s)->packed)
        inflateEnd(&(*s)->z);
    if ((*s)->fd >= 0)
        close((*s)->fd);
    free((*s)->in);
    free(*s);
    *s = NULL;
}

static enum at_err read_plain(struct at_bytes *s, void *out, size_t n, size_t *got, struct at_why *why)
{
    enum at_err err = AT_OK;
    if (s->in_at == s->in_len && !s->ended)
        err = fill(s, why);
    *got = s->in_len - s->in_at < n ? s->in_len - s->in_at : n;
    memcpy(out, s->in + s->in_at, *got);
    s->in_at += *got;
    return err;
}

static enum at_err read_packed(struct at_bytes *s, void *out, size_t n, size_t *got, struct at_why *why)
{
    n = n < INT32_MAX ? n : INT32_MAX;
    for (*got = 0; *got == 0;) {
        if (s->in_at == s->in_len && !s->ended) {
            enum at_err err = fill(s, why);
            if (err)
                return err;
        }
        if (s->member_ended) { /* another gzip member, zero padding, or the end */
            while (s->in_at < s->in_len && s->in[s->in_at] == 0)
                s->in_at++;
            if (s->in_at == s->in_len) {
                if (s->ended)
                    return AT_OK;
                continue;
            }
            if (inflateReset(&s->z) != Z_OK)
                return at_fail(why, AT_BAD, "broken gzip data");
            s->member_ended = false;
        }
        s->z.next_in = s->in + s->in_at;
        s->z.avail_in = (uInt)(s->in_len - s->in_at);
        s->z.next_out = out;
        s->z.avail_out = (uInt)n;
        int rc = inflate(&s->z, Z_NO_FLUSH);
        s->in_at = s->in_len - s->z.avail_in;
        *got = n - s->z.avail_out;
        s->member_ended = rc == Z_STREAM_END;
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return at_fail(why, AT_BAD, "broken gzip data");
        if (*got == 0 && s->ended && s->in_at == s->in_len && !s->member_ended)
            return at_fail(why, AT_BAD, "the gzip data end too early");
    }
    return AT_OK;
}

enum at_err at_bytes_read(struct at_bytes *s, void *out, size_t n, size_t *got, struct at_why *why)
{
    if (s->peek_at < s->peek_len) {
        *got = s->peek_len - s->peek_at < n ? s->peek_len - s->peek_at : n;
        memcpy(out, s->peeked + s->peek_at, *got);
        s->peek_at += *got;
        return AT_OK;
    }
    return s->packed ? read_packed(s, out, n, got, why) : read_plain(s, out, n, got, why);
}

enum at_err at_bytes_read_all(struct at_bytes *s, void *out, size_t n, size_t *got, struct at_why *why)
{
    *got = 0;
    while (*got < n) {
        size_t part;
        enum at_err err = at_bytes_read(s, (uint8_t *)out + *got, n - *got, &part, why);
        if (err)
            return err;
        if (part == 0)
            break;
        *got += part;
    }
    return AT_OK;
}

enum at_err at_bytes_peek(struct at_bytes *s, uint8_t *out, size_t n, size_t *got, struct at_why *why)
{
    n = n < sizeof s->peeked ? n : sizeof s->peeked;
    uint8_t room[sizeof s->peeked];
    enum at_err err = at_bytes_read_all(s, room, n, got, why);
    if (err)
        return err;
    memcpy(s->peeked, room, *got);
    memcpy(out, room, *got);
    s->peek_at = 0;
    s->peek_len = *got;
    return AT_OK;
}
