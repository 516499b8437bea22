/*
 * fuzz_tape: any bytes as a tape, in one of the recovery modes (by its size). Whatever comes out is a fit event, and a
 * tape made of what came out gives the same again. The mutator knows the format: it changes a column, a header, an
 * order, and puts the checksums right, so that the changes reach the decoder of events.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "formats/formats.h"

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
    if (seed % 4 == 1) { /* the payload, which may grow into what follows */
        len = len < room ? len : room;
        size_t tail = size - (at + FRAME_HEADER + len), most = max_size - (size - len);
        uint8_t *copy = malloc(tail ? tail : 1), *payload = malloc(most ? most : 1);
        size_t now = len;
        if (copy && payload && most >= len) {
            memcpy(copy, h + FRAME_HEADER + len, tail);
            memcpy(payload, h + FRAME_HEADER, len);
            now = LLVMFuzzerMutate(payload, len, most);
            memcpy(h + FRAME_HEADER, payload, now);
            memcpy(h + FRAME_HEADER + now, copy, tail);
            at_put_u32le(h + 12, (uint32_t)now);
            size = at + FRAME_HEADER + now + tail;
        }
        free(copy);
        free(payload);
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
