/*
 * tape_decode.c: the frames of a tape: found, checked, and where some are damaged, what can be saved behind them.
 *
 * A frame is believed when its header and its payload have the right checksums, it belongs to this tape, and it has the
 * next sequence number. At anything else the decoder looks for the next whole frame header, byte by byte. What depends
 * on a lost frame (the rest of its segment) is lost with it: never a wrong event.
 */
#include <stdlib.h>
#include <string.h>

#include "formats/tape_events.h"
#include "formats/tape_seek.h"

struct at_tape_decoder {
    enum at_recovery recovery;
    enum at_err failed; /* given again at every further call */
    struct at_why failed_why;
    struct at_buf in;
    size_t used;     /* of `in` */
    uint64_t offset; /* on the tape, of the first unused byte */
    bool ended;      /* no more bytes come */
    bool has_header; /* the file header was read, or is lost for good */
    struct tape_header header;
    bool any_tape;         /* the header was lost: the first whole frame says which tape this is */
    uint32_t sequence;     /* of the next frame */
    uint64_t next_event;   /* its number on the tape */
    bool finished;         /* the index was read: nothing should follow but another tape */
    bool searching;        /* for a frame behind damage */
    bool skipping;         /* frames of the damaged segment */
    uint32_t cut_events;   /* of the frame that is cut off, if its header is whole */
    struct at_buf payload; /* of the frame being read; outlives `in` */
    struct tape_events *events;
    size_t at, n, batch_from; /* in the batch */
    bool in_frame;
    uint64_t frame_offset, frame_end_event;
    uint32_t segments; /* of this tape, so far */
    struct at_tape_damage damage;
    struct at_tape_stats stats;
};

enum at_err at_tape_decoder_new(enum at_recovery recovery, struct at_tape_decoder **out)
{
    struct at_tape_decoder *d = calloc(1, sizeof *d);
    *out = d;
    if (!d)
        return AT_NOMEM;
    d->recovery = recovery;
    enum at_err err = at_events_new(&d->events);
    if (err)
        at_tape_decoder_free(out);
    return err;
}

void at_tape_decoder_no_packets(struct at_tape_decoder *d)
{
    at_events_no_packets(d->events);
}

void at_tape_decoder_free(struct at_tape_decoder **decoder)
{
    struct at_tape_decoder *d = *decoder;
    if (!d)
        return;
    at_events_free(&d->events);
    at_buf_free(&d->payload);
    at_buf_free(&d->in);
    free(d);
    *decoder = NULL;
}

enum at_err at_tape_feed(struct at_tape_decoder *d, const void *data, size_t len)
{
    if (d->used > d->in.len / 2) {
        at_buf_drop(&d->in, d->used);
        d->used = 0;
    }
    return at_buf_add(&d->in, data, len);
}

void at_tape_feed_end(struct at_tape_decoder *d)
{
    d->ended = true;
}

static const uint8_t *unused(const struct at_tape_decoder *d, size_t *len)
{
    *len = d->in.len - d->used;
    return (const uint8_t *)at_buf_view(&d->in).ptr + d->used;
}

static void use(struct at_tape_decoder *d, size_t bytes)
{
    d->used += bytes;
    d->offset += bytes;
    d->stats.bytes += bytes;
}

/* ---- Damage */

static enum at_err fail(struct at_tape_decoder *d, enum at_err err, const char *words, uint64_t offset)
{
    d->failed = err;
    at_fail(&d->failed_why, err, "%s, at byte %llu", words, (unsigned long long)offset);
    return err;
}

/* Notes a damage at `offset`. AT_OK: go on behind it. */
static enum at_err note_damage(struct at_tape_decoder *d, const char *words, uint64_t offset)
{
    if (d->damage.places++ == 0) {
        d->damage.first_offset = offset;
        snprintf(d->damage.first, sizeof d->damage.first, "%s", words);
    }
    d->skipping = true;
    return d->recovery == AT_RECOVER_STRICT ? fail(d, AT_DAMAGED, words, offset) : AT_OK;
}

/* Damage here: from the next byte on, a whole frame header is looked for. */
static enum at_err search(struct at_tape_decoder *d, const char *words)
{
    enum at_err err = note_damage(d, words, d->offset);
    d->searching = true;
    if (d->used < d->in.len) {
        use(d, 1);
        d->damage.bytes++;
    }
    return err;
}

/* The end came while searching: the tape is torn, or its rest is lost. */
static enum at_err end_of_search(struct at_tape_decoder *d)
{
    size_t len = 0;
    unused(d, &len);
    use(d, len);
    d->damage.bytes += len;
    d->damage.events += d->cut_events;
    d->searching = false;
    d->damage.torn_tail = true;
    return AT_END;
}

/* A whole frame was found behind damage. Only in salvage may one go on. */
static enum at_err end_search(struct at_tape_decoder *d)
{
    d->cut_events = 0;
    d->searching = false;
    if (d->recovery == AT_RECOVER_SALVAGE)
        return AT_OK;
    return fail(d, AT_DAMAGED, d->damage.first, d->damage.first_offset);
}

/* ---- Headers */

static bool is_fit(const struct at_tape_decoder *d, const struct tape_frame *f)
{
    return f->payload_bytes <= TAPE_PAYLOAD_MAX && f->raw_bytes <= TAPE_RAW_MAX &&
           (d->any_tape || f->tape == (uint32_t)d->header.id);
}

/* Moves to the next place where a frame header may be. AT_AGAIN, AT_END. */
static enum at_err find_frame(struct at_tape_decoder *d)
{
    static const uint8_t sync[4] = {TAPE_SYNC & 0xff, TAPE_SYNC >> 8 & 0xff, TAPE_SYNC >> 16 & 0xff, TAPE_SYNC >> 24};
    for (;;) {
        size_t len = 0;
        const uint8_t *p = unused(d, &len);
        struct tape_frame f;
        const uint8_t *hit = len >= sizeof sync ? memmem(p, len, sync, sizeof sync) : NULL;
        size_t skip = hit ? (size_t)(hit - p) : len < sizeof sync ? 0 : len - (sizeof sync - 1);
        use(d, skip);
        d->damage.bytes += skip;
        len -= skip;
        if (!hit || len < TAPE_FRAME_HEADER_BYTES)
            return d->ended ? end_of_search(d) : AT_AGAIN;
        if (at_tape_frame_get(hit, &f) && is_fit(d, &f))
            return end_search(d);
        use(d, 1);
        d->damage.bytes++;
    }
}

static void begin_tape(struct at_tape_decoder *d)
{
    d->has_header = true;
    d->finished = false;
    d->skipping = false;
    d->sequence = 0;
    d->next_event = 0;
    d->segments = 0;
    d->stats.footer = false;
}

/* The file header, at the start or where another tape follows. */
static enum at_err read_header(struct at_tape_decoder *d)
{
    size_t len = 0;
    const uint8_t *p = unused(d, &len);
    if (len < TAPE_FILE_HEADER_BYTES) {
        if (!d->ended)
            return AT_AGAIN;
        if (memcmp(p, TAPE_MAGIC, len < TAPE_MAGIC_BYTES ? len : TAPE_MAGIC_BYTES) != 0)
            return fail(d, AT_BAD, "not a tape", d->offset);
        enum at_err err = note_damage(d, len ? "the file header is cut off" : "the file is empty", d->offset);
        d->damage.bytes += len;
        d->damage.torn_tail = true;
        use(d, len);
        return err ? err : AT_END;
    }
    enum at_err err = at_tape_header_get(p, &d->header);
    if (!err && !d->stats.id)
        d->stats.id = d->header.id;
    if (err == AT_NEWER)
        return fail(d, err, "the tape was made by a newer version", d->offset);
    if (err == AT_BAD && d->recovery != AT_RECOVER_SALVAGE)
        return fail(d, AT_BAD, "not a tape", d->offset);
    begin_tape(d);
    if (!err) {
        use(d, TAPE_FILE_HEADER_BYTES);
        return AT_OK;
    }
    d->any_tape = true; /* in salvage the frames speak for themselves; else this is an error once one is found */
    return search(d, "the file header is damaged");
}

/* ---- Frames */

/* The index at the end: a cache, but it has to be that of this tape. */
static enum at_err check_index(struct at_tape_decoder *d, const struct tape_frame *f, const uint8_t *payload)
{
    struct tape_index *x = NULL;
    uint64_t events = 0;
    if (f->payload_bytes < TAPE_TRAILER_BYTES)
        return AT_DAMAGED;
    const uint8_t *trailer = payload + f->payload_bytes - TAPE_TRAILER_BYTES;
    if (memcmp(trailer + 8, TAPE_TRAILER_MAGIC, 8) != 0)
        return AT_DAMAGED;
    enum at_err err = at_tape_index_parse(f, payload, &x);
    if (err)
        return err;
    for (size_t i = 0; i < x->n_segments; i++)
        events += x->segments[i].events;
    if (x->n_segments && (events != f->events_before || (!d->damage.places && x->n_segments != d->segments)))
        err = AT_DAMAGED;
    at_tape_index_free(&x);
    d->finished = !err;
    d->stats.footer = !err;
    return err;
}

/* A frame of events, whose checksums are right. */
static enum at_err begin_events(struct at_tape_decoder *d, const struct tape_frame *f, uint64_t offset)
{
    bool starts = f->flags & TAPE_FLAG_SEGMENT;
    if (d->skipping && !starts) { /* it needs what was lost */
        d->damage.bytes += TAPE_FRAME_HEADER_BYTES + f->payload_bytes;
        return AT_OK;
    }
    if (f->events_before > d->next_event) {
        d->damage.events += f->events_before - d->next_event;
        if (!d->skipping) {
            enum at_err err = note_damage(d, "events are missing", offset);
            if (err)
                return err;
        }
    }
    d->skipping = false;
    d->next_event = f->events_before;
    d->segments += starts;
    d->stats.segments += starts;
    enum at_err err = at_events_frame(d->events, f, (const uint8_t *)d->payload.ptr);
    if (err == AT_NEWER)
        return fail(d, err, "a column of an unknown kind", offset);
    if (err == AT_NOMEM)
        return fail(d, err, "out of memory", offset);
    if (err) {
        d->damage.bytes += TAPE_FRAME_HEADER_BYTES + f->payload_bytes;
        err = note_damage(d, "the frame makes no sense", offset);
        return !err && d->recovery != AT_RECOVER_SALVAGE ? fail(d, AT_DAMAGED, "the frame makes no sense", offset)
                                                         : err;
    }
    d->in_frame = true;
    d->frame_offset = offset;
    d->frame_end_event = f->events_before + f->events;
    d->at = d->n = 0;
    bool first = d->stats.events == 0 && d->stats.frames == 0;
    d->stats.first_us = first || f->earliest_us < d->stats.first_us ? f->earliest_us : d->stats.first_us;
    d->stats.last_us = first || f->latest_us > d->stats.last_us ? f->latest_us : d->stats.last_us;
    d->stats.frames++;
    return AT_OK;
}

/* A frame with the right checksums and number: what is in it. */
static enum at_err read_payload(struct at_tape_decoder *d, const struct tape_frame *f, uint64_t offset)
{
    d->stats.dropped += f->dropped;
    if (f->flags & TAPE_FLAGS_REFUSE)
        return fail(d, AT_NEWER, "a frame with an unknown flag", offset);
    if (f->type == TAPE_TYPE_EVENTS)
        return begin_events(d, f, offset);
    if (f->type == TAPE_TYPE_INDEX) {
        enum at_err err = check_index(d, f, (const uint8_t *)d->payload.ptr);
        if (err == AT_NOMEM)
            return fail(d, err, "out of memory", offset);
        if (f->events_before > d->next_event)
            d->damage.events += f->events_before - d->next_event;
        return err ? note_damage(d, "the index does not fit the tape", offset) : AT_OK;
    }
    if (f->type & TAPE_TYPE_IGNORABLE)
        return AT_OK;
    return fail(d, AT_NEWER, "a frame of an unknown type", offset);
}

/* True where another tape's file header begins. */
static bool is_next_tape(const uint8_t *p, size_t len)
{
    struct tape_header h;
    return len >= TAPE_FILE_HEADER_BYTES && at_tape_header_get(p, &h) != AT_BAD;
}

/* Checks the number of a frame that is whole. AT_OK and *skip: the frame was here before. */
static enum at_err check_sequence(struct at_tape_decoder *d, const struct tape_frame *f, uint64_t offset, bool *skip)
{
    enum at_err err = AT_OK;
    *skip = f->sequence < d->sequence;
    if (f->sequence != d->sequence && (!d->skipping || *skip)) {
        const char *words = *skip ? "a frame is there twice" : "frames are missing";
        bool was_skipping = d->skipping;
        err = note_damage(d, words, offset);
        d->skipping = *skip ? was_skipping : true;
        if (!err && d->recovery != AT_RECOVER_SALVAGE)
            err = fail(d, AT_DAMAGED, words, offset);
    }
    if (!*skip)
        d->sequence = f->sequence + 1;
    return err;
}

static enum at_err read_frame(struct at_tape_decoder *d)
{
    size_t len = 0;
    const uint8_t *p = unused(d, &len);
    struct tape_frame f;
    uint64_t offset = d->offset;
    bool skip = false;
    if (len < TAPE_FRAME_HEADER_BYTES) {
        if (!d->ended)
            return AT_AGAIN;
        if (len == 0)
            return AT_END;
        if (is_next_tape(p, len))
            return read_header(d);
        return search(d, "the last frame is cut off");
    }
    if (!at_tape_frame_get(p, &f))
        return is_next_tape(p, len) ? read_header(d) : search(d, "a frame header is damaged");
    if (!is_fit(d, &f))
        return search(d, f.payload_bytes > TAPE_PAYLOAD_MAX || f.raw_bytes > TAPE_RAW_MAX
                             ? "a frame is larger than the limit"
                             : "a frame of another tape");
    if (len - TAPE_FRAME_HEADER_BYTES < f.payload_bytes) {
        if (!d->ended)
            return AT_AGAIN;
        d->cut_events = f.events;
        return search(d, "the last frame is cut off");
    }
    if (at_tape_crc(p + TAPE_FRAME_HEADER_BYTES, f.payload_bytes) != f.payload_crc)
        return search(d, "a frame's content is damaged");
    d->payload.len = 0;
    enum at_err err = at_buf_add(&d->payload, p + TAPE_FRAME_HEADER_BYTES, f.payload_bytes);
    if (err)
        return fail(d, err, "out of memory", offset);
    if (d->any_tape) {
        d->header.id = f.tape;
        d->any_tape = false;
    }
    use(d, TAPE_FRAME_HEADER_BYTES + f.payload_bytes);
    if (d->finished)
        err = note_damage(d, "there are frames behind the index", offset);
    if (!err)
        err = check_sequence(d, &f, offset, &skip);
    if (!err && skip)
        d->damage.bytes += TAPE_FRAME_HEADER_BYTES + f.payload_bytes;
    return err || skip ? err : read_payload(d, &f, offset);
}

/* Makes a batch of events available. AT_AGAIN, AT_END and errors. */
static enum at_err advance(struct at_tape_decoder *d)
{
    enum at_err err = d->failed;
    while (!err) {
        if (d->in_frame) {
            struct at_tape_batch b;
            err = at_events_batch(d->events);
            if (!err) {
                at_events_view(d->events, &b);
                d->at = 0;
                d->n = b.n;
                d->next_event += b.n;
                d->stats.events += b.n;
                return AT_OK;
            }
            d->in_frame = false;
            if (err == AT_NOMEM)
                return fail(d, err, "out of memory", d->frame_offset);
            if (err == AT_END) {
                err = AT_OK;
                continue;
            }
            err = note_damage(d, "the frame makes no sense", d->frame_offset);
            if (!err && d->recovery != AT_RECOVER_SALVAGE)
                err = fail(d, AT_DAMAGED, "the frame makes no sense", d->frame_offset);
        } else if (!d->has_header) {
            err = read_header(d);
        } else if (d->searching) {
            err = find_frame(d);
        } else {
            err = read_frame(d);
        }
    }
    return err;
}

static enum at_err give_failure(const struct at_tape_decoder *d, enum at_err err, struct at_why *why)
{
    if (why && d->failed)
        *why = d->failed_why;
    return err;
}

enum at_err at_tape_next(struct at_tape_decoder *d, struct at_event *ev, struct at_why *why)
{
    if (d->at == d->n) {
        enum at_err err = advance(d);
        if (err)
            return give_failure(d, err, why);
    }
    at_events_get(d->events, d->at++, ev);
    return AT_OK;
}

enum at_err at_tape_next_batch(struct at_tape_decoder *d, struct at_tape_batch *out, struct at_why *why)
{
    if (d->at == d->n) {
        enum at_err err = advance(d);
        if (err)
            return give_failure(d, err, why);
    }
    at_events_view(d->events, out);
    out->n -= d->at; /* what at_tape_next gave already */
    out->t_us += d->at;
    out->source += d->at;
    out->shape += d->at;
    out->packet += d->at;
    out->call += d->at;
    out->call_ref += d->at;
    out->listing += d->at;
    d->batch_from = d->at;
    d->at = d->n;
    return AT_OK;
}

void at_tape_batch_event(struct at_tape_decoder *d, size_t i, struct at_event *ev)
{
    at_events_get(d->events, d->batch_from + i, ev);
}

void at_tape_jump(struct at_tape_decoder *d, const struct tape_segment *s, uint64_t events_before)
{
    d->used = d->in.len = 0;
    d->offset = s->offset;
    d->sequence = s->sequence;
    d->next_event = events_before;
    d->at = d->n = 0;
    d->in_frame = d->searching = d->skipping = false;
}

bool at_tape_has_next(const struct at_tape_decoder *d)
{
    struct tape_frame f;
    size_t len = 0;
    const uint8_t *p = unused(d, &len);
    if (d->at < d->n || d->failed || (d->in_frame && at_events_left(d->events)))
        return true;
    return d->has_header && len >= TAPE_FRAME_HEADER_BYTES && at_tape_frame_get(p, &f) &&
           f.payload_bytes <= len - TAPE_FRAME_HEADER_BYTES && f.events;
}

void at_tape_decoder_damage(const struct at_tape_decoder *d, struct at_tape_damage *out)
{
    *out = d->damage;
}

void at_tape_decoder_stats(const struct at_tape_decoder *d, struct at_tape_stats *out)
{
    *out = d->stats;
}
