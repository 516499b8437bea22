/* tape_seek.c: the index of a tape file, found without reading the tape. */
#include "formats/tape_seek.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum at_err at_read_at(int fd, uint64_t offset, void *to, size_t len)
{
    uint8_t *p = to;
    while (len) {
        ssize_t n = pread(fd, p, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? AT_IO : AT_NOTFOUND;
        p += n;
        offset += (size_t)n;
        len -= (size_t)n;
    }
    return AT_OK;
}

/* The segments have to fill the file from its header to the index, without holes. */
static bool fits(const struct tape_index *x, const struct tape_frame *f, uint64_t index_offset)
{
    uint64_t offset = TAPE_FILE_HEADER_BYTES, events = 0;
    uint32_t frames = 0;
    for (size_t i = 0; i < x->n_segments; i++) {
        const struct tape_segment *s = &x->segments[i];
        if (s->offset != offset || s->bytes > index_offset - offset || s->sequence != frames)
            return false;
        offset += s->bytes;
        events += s->events;
        frames += s->frames;
    }
    return offset == index_offset && events == f->events_before && frames == f->sequence;
}

/* The frame header of the index and where it stands. */
static enum at_err find_frame(int fd, struct tape_frame *f, uint64_t *offset)
{
    uint8_t trailer[TAPE_TRAILER_BYTES], header[TAPE_FRAME_HEADER_BYTES];
    struct stat st;
    const uint64_t least = TAPE_FILE_HEADER_BYTES + TAPE_FRAME_HEADER_BYTES + TAPE_TRAILER_BYTES;
    if (fstat(fd, &st))
        return AT_IO;
    uint64_t size = (uint64_t)st.st_size;
    if (!S_ISREG(st.st_mode) || size < least)
        return AT_NOTFOUND;
    enum at_err err = at_read_at(fd, size - sizeof trailer, trailer, sizeof trailer);
    if (err)
        return err;
    *offset = at_get_u64le(trailer);
    if (memcmp(trailer + 8, TAPE_TRAILER_MAGIC, 8) != 0 || *offset > size - sizeof header - sizeof trailer)
        return AT_NOTFOUND;
    err = at_read_at(fd, *offset, header, sizeof header);
    if (err)
        return err;
    bool found = at_tape_frame_get(header, f) && f->type == TAPE_TYPE_INDEX && f->payload_bytes <= TAPE_PAYLOAD_MAX &&
                 f->payload_bytes == size - *offset - sizeof header;
    return found ? AT_OK : AT_NOTFOUND;
}

enum at_err at_tape_find_index(int fd, struct tape_index **out)
{
    struct tape_frame f;
    uint64_t offset = 0;
    *out = NULL;
    enum at_err err = find_frame(fd, &f, &offset);
    if (err)
        return err;
    uint8_t *payload = malloc(f.payload_bytes ? f.payload_bytes : 1);
    if (!payload)
        return AT_NOMEM;
    err = at_read_at(fd, offset + TAPE_FRAME_HEADER_BYTES, payload, f.payload_bytes);
    if (!err && at_tape_crc(payload, f.payload_bytes) != f.payload_crc)
        err = AT_NOTFOUND;
    if (!err)
        err = at_tape_index_parse(&f, payload, out);
    free(payload);
    if (err == AT_DAMAGED || (!err && !fits(*out, &f, offset)))
        err = AT_NOTFOUND;
    if (err)
        at_tape_index_free(out);
    return err;
}
