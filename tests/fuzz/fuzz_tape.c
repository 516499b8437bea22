/*
 * fuzz_tape: any bytes as a tape, in one of the recovery modes (by its size). Whatever comes out is a fit event, and a
 * tape made of what came out gives the same again. The mutator knows the format: it unpacks a frame, changes a column
 * and packs it again, or changes a header or bytes as they are, and puts lengths and checksums right, so that the
 * changes reach the decoder of events.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "formats/tape_columns.h"

#define FILE_HEADER (size_t)32
#define FRAME_HEADER (size_t)64
#define EVENTS_MAX 5000 /* of one input: the rest is more of the same */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static void need(int condition)
{
    if (!condition)
        abort();
}

/* Reads the bytes; the events as lines of JSON into `lines`, the tape made of them into `tape`. */
static size_t read_all(const uint8_t *data, size_t size, enum at_recovery recovery, struct at_buf *lines,
                       struct at_buf *tape)
{
    struct at_tape_decoder *d = NULL;
    struct at_tape_encoder *e = NULL;
    struct at_event ev;
    struct at_why why = {""};
    struct at_tape_damage damage;
    struct at_tape_stats stats;
    size_t n = 0;
    enum at_err err;
    need(!at_tape_decoder_new(recovery, &d) && !at_tape_encoder_new(NULL, &e) && !at_tape_feed(d, data, size));
    at_tape_feed_end(d);
    while ((err = at_tape_next(d, &ev, &why)) == AT_OK && n < EVENTS_MAX) {
        n++;
        need(!at_event_check(&ev, &why) || ev.extra.ptr); /* unknown fields may name known ones on a forged tape */
        need(!at_event_to_json(&ev, lines));
        if (!at_event_check(&ev, NULL))
            need(!at_tape_encode(e, &ev, tape));
    }
    need(err != AT_AGAIN && (err == AT_OK || err == AT_END || why.text[0]));
    at_tape_decoder_damage(d, &damage);
    at_tape_decoder_stats(d, &stats);
    need(stats.bytes <= size && damage.bytes <= size);
    need(!at_tape_encode_finish(e, tape));
    at_tape_encoder_free(&e);
    at_tape_decoder_free(&d);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum at_recovery modes[] = {AT_RECOVER_TAIL, AT_RECOVER_STRICT, AT_RECOVER_SALVAGE};
    struct at_buf lines = {0}, tape = {0}, again = {0}, third = {0};
    read_all(data, size, modes[size % 3], &lines, &tape);
    size_t n = read_all((const uint8_t *)tape.ptr, tape.len, AT_RECOVER_STRICT, &again, &third);
    need(at_str_eq(at_buf_view(&tape), at_buf_view(&third)) || n == EVENTS_MAX);
    need(again.len <= lines.len);
    at_buf_free(&third);
    at_buf_free(&again);
    at_buf_free(&tape);
    at_buf_free(&lines);
    return 0;
}

static uint32_t crc(const uint8_t *p, size_t len)
{
    return (uint32_t)crc32(0, p, (uInt)len);
}

/* Puts the checksums and lengths of all frames right, as far as the frames can be followed. */
static void mend(uint8_t *data, size_t size)
{
    if (size < FILE_HEADER)
        return;
    at_put_u32le(data + 28, crc(data, 28));
    for (size_t at = FILE_HEADER; at + FRAME_HEADER <= size;) {
        uint8_t *h = data + at;
        size_t room = size - at - FRAME_HEADER, len = at_get_u32le(h + 12);
        if (len > room)
            at_put_u32le(h + 12, (uint32_t)(len = room));
        at_put_u32le(h, 0x4654419fu);
        at_put_u32le(h + 52, at_get_u32le(data + 20));
        at_put_u32le(h + 56, crc(h + FRAME_HEADER, len));
        at_put_u32le(h + 60, crc(h, 60));
        at += FRAME_HEADER + len;
    }
}

/* The payload with one of its columns changed, packed anew. False: it cannot be unpacked, or does not fit. */
static bool change_column(const uint8_t *payload, size_t len, uint32_t *raw_bytes, unsigned seed, size_t most,
                          struct at_buf *out)
{
    struct at_unpacker *u = NULL;
    struct at_packer *p = NULL;
    struct cursor read[COLUMNS];
    struct at_buf columns[COLUMNS] = {{0}};
    unsigned there = 0, wanted;
    uint32_t sum = 0;
    bool fine = !at_unpacker_new(&u) && !at_packer_new(1, false, &p) && !at_unpack(u, payload, len, *raw_bytes, read);
    for (int i = 1; i < COLUMNS && fine; i++) {
        size_t n = (size_t)(read[i].end - read[i].p);
        there += n > 0;
        fine = !at_buf_reserve(&columns[i], 2 * n + 64) && !at_buf_add(&columns[i], read[i].p, n);
    }
    wanted = there ? seed % (there + 1) : 0; /* one more than there are: an empty one gets something */
    for (int i = 1; i < COLUMNS && fine; i++) {
        struct at_buf *c = &columns[i];
        bool chosen = c->len ? wanted-- == 0 : wanted == 0 && there == 0;
        if (chosen || (wanted == 0 && i == COLUMNS - 1))
            c->len = LLVMFuzzerMutate((uint8_t *)c->ptr, c->len, c->cap < 2 * c->len + 64 ? c->cap : 2 * c->len + 64);
        sum += (uint32_t)c->len;
    }
    fine = fine && !at_pack(p, columns, out) && out->len <= most;
    *raw_bytes = sum;
    for (int i = 1; i < COLUMNS; i++)
        at_buf_free(&columns[i]);
    at_packer_free(&p);
    at_unpacker_free(&u);
    return fine;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    if (seed % 4 == 0 || size < FILE_HEADER + FRAME_HEADER)
        return LLVMFuzzerMutate(data, size, max_size);
    size_t at = FILE_HEADER, n = 0;
    for (size_t next = at; next + FRAME_HEADER <= size && n <= seed / 4 % 5; n++) { /* one of the first frames */
        at = next;
        next += FRAME_HEADER + at_get_u32le(data + at + 12);
    }
    uint8_t *h = data + at;
    size_t room = size - at - FRAME_HEADER, len = at_get_u32le(h + 12);
    if (seed % 4 == 1) {
        len = len < room ? len : room;
        size_t tail = size - (at + FRAME_HEADER + len);
        uint32_t raw = at_get_u32le(h + 16);
        struct at_buf payload = {0}, rest = {0};
        if (change_column(h + FRAME_HEADER, len, &raw, seed >> 8, max_size - (size - len), &payload) &&
            !at_buf_add(&rest, h + FRAME_HEADER + len, tail)) {
            memcpy(h + FRAME_HEADER, payload.ptr, payload.len);
            if (tail)
                memcpy(h + FRAME_HEADER + payload.len, rest.ptr, tail);
            at_put_u32le(h + 12, (uint32_t)payload.len);
            at_put_u32le(h + 16, raw);
            size = at + FRAME_HEADER + payload.len + tail;
        }
        at_buf_free(&payload);
        at_buf_free(&rest);
    } else if (seed % 4 == 2) { /* a field of the header, lengths aside */
        static const uint8_t fields[] = {4, 5, 8, 16, 20, 24, 32, 40, 48};
        h[fields[seed / 32 % sizeof fields]] = (uint8_t)(seed >> 16);
    } else { /* a byte or two of the payload */
        for (unsigned i = 0; i <= seed / 32 % 3 && room; i++)
            h[FRAME_HEADER + (seed >> 8) * (i + 1) % room] ^= (uint8_t)(1u << (seed >> i) % 8);
    }
    mend(data, size);
    return size;
}
