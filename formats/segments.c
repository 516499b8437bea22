/* segments.c: the segments of a tape file, each read alone, on as many threads as one likes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/tape_seek.h"

#define FEED_BYTES (size_t)(256 * 1024)

/* What a decoder has to know to begin with a segment. */
struct start {
    uint8_t header[TAPE_FILE_HEADER_BYTES]; /* of its tape: others may stand before it in the file */
    uint32_t sequence;
    uint64_t before; /* events of its tape before it */
};

struct at_segments {
    int fd;
    uint64_t size;
    struct at_tape_segment *list;
    struct start *starts;
    size_t n, cap_list, cap_starts;
};

/* ---- Finding */

static enum at_err add(struct at_segments *s, const struct at_tape_segment *segment, const struct start *start)
{
    enum at_err err = at_grow((void **)&s->list, &s->cap_list, s->n + 1, sizeof *s->list);
    if (!err)
        err = at_grow((void **)&s->starts, &s->cap_starts, s->n + 1, sizeof *s->starts);
    if (err)
        return err;
    s->list[s->n] = *segment;
    s->starts[s->n++] = *start;
    return AT_OK;
}

static enum at_err read_header(const struct at_segments *s, uint64_t offset, struct start *start)
{
    struct tape_header h;
    enum at_err err = at_read_at(s->fd, offset, start->header, sizeof start->header);
    if (err)
        return err;
    return at_tape_header_get(start->header, &h) ? AT_NOTFOUND : AT_OK;
}

static enum at_err take_index(struct at_segments *s)
{
    struct tape_index *x = NULL;
    struct start start = {.before = 0};
    enum at_err err = read_header(s, 0, &start);
    if (!err)
        err = at_tape_find_index(s->fd, &x);
    if (!err && x->n_segments == 0)
        err = AT_NOTFOUND; /* it has none, or too many: the frames tell */
    for (size_t i = 0; !err && i < x->n_segments; i++) {
        const struct tape_segment *t = &x->segments[i];
        const struct at_tape_segment segment = {.offset = t->offset,
                                                .bytes = t->bytes,
                                                .first = start.before,
                                                .events = t->events,
                                                .earliest_us = t->earliest_us,
                                                .latest_us = t->latest_us};
        start.sequence = t->sequence;
        err = add(s, &segment, &start);
        start.before += t->events;
    }
    at_tape_index_free(&x);
    return err;
}

/* A frame of events: the next segment, or more of the last one. */
static enum at_err add_frame(struct at_segments *s, const struct tape_frame *f, uint64_t offset, struct start *start)
{
    const uint64_t bytes = TAPE_FRAME_HEADER_BYTES + f->payload_bytes;
    if (f->events_before != start->before)
        return AT_NOTFOUND;
    start->before += f->events;
    if (f->flags & TAPE_FLAG_SEGMENT) {
        const struct at_tape_segment *last = s->n ? &s->list[s->n - 1] : NULL;
        const struct at_tape_segment segment = {.offset = offset,
                                                .bytes = bytes,
                                                .first = last ? last->first + last->events : 0,
                                                .events = f->events,
                                                .earliest_us = f->earliest_us,
                                                .latest_us = f->latest_us};
        start->before -= f->events;
        enum at_err err = add(s, &segment, start);
        start->before += f->events;
        return err;
    }
    if (f->sequence == 0 || s->n == 0)
        return AT_NOTFOUND;
    struct at_tape_segment *now = &s->list[s->n - 1];
    now->bytes = offset + bytes - now->offset;
    now->events += f->events;
    now->earliest_us = f->earliest_us < now->earliest_us ? f->earliest_us : now->earliest_us;
    now->latest_us = f->latest_us > now->latest_us ? f->latest_us : now->latest_us;
    return AT_OK;
}

/* A frame header that fits where `start` is. */
static bool is_fit(const struct at_segments *s, const struct tape_frame *f, const struct start *start, uint64_t at)
{
    return f->sequence == start->sequence && !(f->flags & TAPE_FLAGS_REFUSE) &&
           f->tape == at_get_u32le(start->header + 20) && f->payload_bytes <= TAPE_PAYLOAD_MAX &&
           f->payload_bytes <= s->size - at - TAPE_FRAME_HEADER_BYTES;
}

/* From frame header to frame header; whatever is odd about them is left to a reader. */
static enum at_err walk(struct at_segments *s)
{
    struct start start = {.before = 0};
    uint8_t bytes[TAPE_FRAME_HEADER_BYTES];
    struct tape_frame f;
    bool in_tape = false;
    s->n = 0;
    for (uint64_t at = 0; at < s->size;) {
        enum at_err err = at_read_at(s->fd, at, bytes, TAPE_MAGIC_BYTES);
        if (!err && !memcmp(bytes, TAPE_MAGIC, TAPE_MAGIC_BYTES)) {
            err = read_header(s, at, &start);
            start.before = start.sequence = 0;
            in_tape = true;
            at += TAPE_FILE_HEADER_BYTES;
            if (!err)
                continue;
        }
        if (!err)
            err = at_read_at(s->fd, at, bytes, sizeof bytes);
        if (!err && (!in_tape || !at_tape_frame_get(bytes, &f) || !is_fit(s, &f, &start, at)))
            err = AT_NOTFOUND;
        if (!err && f.type == TAPE_TYPE_EVENTS)
            err = add_frame(s, &f, at, &start);
        else if (!err && !(f.type & TAPE_TYPE_IGNORABLE))
            err = AT_NOTFOUND;
        if (err)
            return err;
        in_tape = f.type != TAPE_TYPE_INDEX; /* nothing follows it but another tape */
        start.sequence++;
        at += sizeof bytes + f.payload_bytes;
    }
    return s->size ? AT_OK : AT_NOTFOUND;
}

enum at_err at_segments_open(const char *path, struct at_segments **out, struct at_why *why)
{
    struct at_segments *s = calloc(1, sizeof *s);
    struct stat st;
    *out = s;
    if (!s)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    enum at_err err = s->fd < 0 || fstat(s->fd, &st) ? AT_IO : AT_OK;
    if (err) {
        at_fail(why, err, "cannot open: %s", strerror(errno));
        at_segments_close(out);
        return err;
    }
    s->size = (uint64_t)st.st_size;
    err = S_ISREG(st.st_mode) ? take_index(s) : AT_NOTFOUND;
    if (err == AT_NOTFOUND && S_ISREG(st.st_mode))
        err = walk(s);
    if (err == AT_NOTFOUND)
        at_fail(why, err, "not a whole tape");
    else if (err)
        at_fail(why, err, "cannot read: %s", err == AT_IO ? strerror(errno) : at_err_text(err));
    if (err)
        at_segments_close(out);
    return err;
}

const struct at_tape_segment *at_segments_list(const struct at_segments *s, size_t *n)
{
    *n = s->n;
    return s->list;
}

void at_segments_close(struct at_segments **segments)
{
    struct at_segments *s = *segments;
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s->starts);
    free(s->list);
    free(s);
    *segments = NULL;
}

/* ---- Reading: nothing of what the threads share is changed */

struct at_segment_reader {
    const struct at_segments *segments;
    struct at_tape_decoder *decoder;
    uint8_t *bytes;
    size_t i;
    uint64_t fed, given; /* bytes and events of the segment */
};

enum at_err at_segment_reader_new(const struct at_segments *s, struct at_segment_reader **out)
{
    struct at_segment_reader *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return AT_NOMEM;
    r->segments = s;
    r->bytes = malloc(FEED_BYTES);
    if (r->bytes)
        return AT_OK;
    at_segment_reader_free(out);
    return AT_NOMEM;
}

void at_segment_reader_free(struct at_segment_reader **reader)
{
    if (!*reader)
        return;
    at_tape_decoder_free(&(*reader)->decoder);
    free((*reader)->bytes);
    free(*reader);
    *reader = NULL;
}

enum at_err at_segment_begin(struct at_segment_reader *r, size_t i, struct at_why *why)
{
    struct at_tape_batch none;
    const struct at_tape_segment *s = &r->segments->list[i];
    const struct start *start = &r->segments->starts[i];
    r->i = i;
    r->fed = r->given = 0;
    at_tape_decoder_free(&r->decoder);
    enum at_err err = at_tape_decoder_new(AT_RECOVER_STRICT, &r->decoder);
    if (!err)
        err = at_tape_feed(r->decoder, start->header, sizeof start->header);
    if (err)
        return at_fail(why, err, "%s", at_err_text(err));
    err = at_tape_next_batch(r->decoder, &none, why);
    if (err != AT_AGAIN)
        return err ? err : at_fail(why, AT_DAMAGED, "the file header makes no sense");
    const struct tape_segment place = {.offset = s->offset, .sequence = start->sequence};
    at_tape_jump(r->decoder, &place, start->before);
    return AT_OK;
}

static enum at_err feed(struct at_segment_reader *r, struct at_why *why)
{
    const struct at_tape_segment *s = &r->segments->list[r->i];
    uint64_t left = s->bytes - r->fed;
    size_t len = left < FEED_BYTES ? (size_t)left : FEED_BYTES;
    if (len == 0)
        return r->given == s->events ? AT_END
                                     : at_fail(why, AT_DAMAGED, "a segment is not as long as told, at byte %llu",
                                               (unsigned long long)s->offset);
    enum at_err err = at_read_at(r->segments->fd, s->offset + r->fed, r->bytes, len);
    if (err)
        return at_fail(why, AT_IO, "cannot read: %s", err == AT_IO ? strerror(errno) : "the file became shorter");
    r->fed += len;
    err = at_tape_feed(r->decoder, r->bytes, len);
    return err ? at_fail(why, err, "%s", at_err_text(err)) : AT_OK;
}

enum at_err at_segment_next_batch(struct at_segment_reader *r, struct at_tape_batch *out, struct at_why *why)
{
    enum at_err err;
    while ((err = at_tape_next_batch(r->decoder, out, why)) == AT_AGAIN) {
        err = feed(r, why);
        if (err)
            return err;
    }
    if (err)
        return err;
    r->given += out->n;
    out->segment = r->i;
    return AT_OK;
}

void at_segment_event(struct at_segment_reader *r, size_t i, struct at_event *ev)
{
    at_tape_batch_event(r->decoder, i, ev);
}
