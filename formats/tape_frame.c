/* tape_frame.c: the file header and the frame headers of tape(5). */
#include <string.h>
#include <zlib.h>

#include "formats/tape_format.h"

uint32_t at_tape_crc(const void *data, size_t len)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), data, len);
}

void at_tape_header_put(const struct tape_header *h, uint8_t out[TAPE_FILE_HEADER_BYTES])
{
    memcpy(out, TAPE_MAGIC, TAPE_MAGIC_BYTES);
    at_put_u16le(out + 8, h->version);
    at_put_u16le(out + 10, 0);
    at_put_u32le(out + 12, h->compatible);
    at_put_u32le(out + 16, h->incompatible);
    at_put_u64le(out + 20, h->id);
    at_put_u32le(out + 28, at_tape_crc(out, 28));
}

enum at_err at_tape_header_get(const uint8_t in[TAPE_FILE_HEADER_BYTES], struct tape_header *h)
{
    if (memcmp(in, TAPE_MAGIC, TAPE_MAGIC_BYTES) != 0)
        return AT_BAD;
    if (at_get_u32le(in + 28) != at_tape_crc(in, 28))
        return AT_DAMAGED;
    *h = (struct tape_header){
        .version = at_get_u16le(in + 8),
        .compatible = at_get_u32le(in + 12),
        .incompatible = at_get_u32le(in + 16),
        .id = at_get_u64le(in + 20),
    };
    return h->version != TAPE_VERSION || h->incompatible ? AT_NEWER : AT_OK;
}

void at_tape_frame_put(const struct tape_frame *f, uint8_t out[TAPE_FRAME_HEADER_BYTES])
{
    at_put_u32le(out, TAPE_SYNC);
    out[4] = f->type;
    out[5] = f->flags;
    at_put_u16le(out + 6, 0);
    at_put_u32le(out + 8, f->sequence);
    at_put_u32le(out + 12, f->payload_bytes);
    at_put_u32le(out + 16, f->raw_bytes);
    at_put_u32le(out + 20, f->events);
    at_put_u64le(out + 24, (uint64_t)f->earliest_us);
    at_put_u64le(out + 32, (uint64_t)f->latest_us);
    at_put_u64le(out + 40, f->events_before);
    at_put_u32le(out + 48, f->dropped);
    at_put_u32le(out + 52, f->tape);
    at_put_u32le(out + 56, f->payload_crc);
    at_put_u32le(out + 60, at_tape_crc(out, 60));
}

bool at_tape_frame_get(const uint8_t in[TAPE_FRAME_HEADER_BYTES], struct tape_frame *f)
{
    if (at_get_u32le(in) != TAPE_SYNC || at_get_u32le(in + 60) != at_tape_crc(in, 60))
        return false;
    *f = (struct tape_frame){
        .type = in[4],
        .flags = in[5],
        .sequence = at_get_u32le(in + 8),
        .payload_bytes = at_get_u32le(in + 12),
        .raw_bytes = at_get_u32le(in + 16),
        .events = at_get_u32le(in + 20),
        .earliest_us = (int64_t)at_get_u64le(in + 24),
        .latest_us = (int64_t)at_get_u64le(in + 32),
        .events_before = at_get_u64le(in + 40),
        .dropped = at_get_u32le(in + 48),
        .tape = at_get_u32le(in + 52),
        .payload_crc = at_get_u32le(in + 56),
    };
    return true;
}
