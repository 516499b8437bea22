/*
 * tape_format.h: the numbers of tape(5) and its headers. Private to formats.
 *
 * tape.5 is the reference; what is here follows it.
 */
#ifndef AUTHTAPE_FORMATS_TAPE_FORMAT_H
#define AUTHTAPE_FORMATS_TAPE_FORMAT_H

#include "formats/formats.h"

#define TAPE_MAGIC                                                                                                     \
    "\x89"                                                                                                             \
    "ATP\r\n\x1a\n" /* as PNG's: finds text-mode damage; no text starts with it */
#define TAPE_MAGIC_BYTES 8
#define TAPE_VERSION 1
#define TAPE_FILE_HEADER_BYTES 32
#define TAPE_SYNC 0x4654419fu /* 9f 41 54 46 in the file */
#define TAPE_FRAME_HEADER_BYTES 64
#define TAPE_TRAILER_BYTES 16
#define TAPE_TRAILER_MAGIC "ATPindex"

/* Limits: checked before anything is allocated. */
#define TAPE_PAYLOAD_MAX (1u << 25)
#define TAPE_RAW_MAX (1u << 25)
#define TAPE_FRAME_EVENTS_MAX 65536u
#define TAPE_SEGMENT_EVENTS_MAX 262144u
#define TAPE_SEGMENT_TEXT_MAX (size_t)(64u << 20) /* bytes */
#define TAPE_SNAPSHOT_NODES_MAX (1u << 17)        /* in a segment */
#define TAPE_OPEN_CALLS 32u                       /* of a source: remembered for their answers */
#define TAPE_PREFIX_MAX 64u                       /* bytes before the number of a counting call id */

enum { TAPE_TYPE_EVENTS = 1, TAPE_TYPE_INDEX = 0x82, TAPE_TYPE_IGNORABLE = 0x80 };
/* Frame flags. Unknown ones in the low half must be refused, in the high half may be ignored. */
enum { TAPE_FLAG_SEGMENT = 1, TAPE_FLAGS_REFUSE = 0x0e };

/* Columns of an events frame. Append-only; 0x80 set: may be ignored by a reader that does not know it. */
enum tape_column {
    COL_T_LOW = 1,   /* low byte of the size of each time delta */
    COL_T_HIGH,      /* the rest of it, and its sign */
    COL_SOURCE_LOW,  /* low byte of each source code */
    COL_SOURCE_HIGH, /* the rest of it */
    COL_SHAPE,       /* shape codes */
    COL_CALL,        /* call id codes */
    COL_UUID,        /* 16 bytes each */
    COL_CALL_TEXT,   /* call ids as texts */
    COL_SNAPSHOT,    /* authSetting: node codes and new nodes */
    COL_MASK,        /* authSetting: values as bits */
    COL_PACKET,      /* packet deltas */
    COL_LOST,        /* lost_bytes */
    COL_EXTRA,       /* references to unknown fields */
    COL_SOURCE_NEW,  /* new sources */
    COL_SHAPE_NEW,   /* new shapes */
    COL_APPS,        /* new texts: app, platform */
    COL_USERS,       /* new texts: user */
    COL_STREAMS,     /* new texts: stream */
    COL_WORDS,       /* new texts: api, scope, errMsg */
    COL_EXTRAS,      /* new texts: unknown fields */
    COLUMNS          /* one more than the last */
};
enum { TAPE_STORED = 0, TAPE_DEFLATED = 1 };
#define TAPE_COLUMN_IGNORABLE 0x80u

/* Codes. */
enum { SHAPE_FIRST = 0, SHAPE_SECOND = 1, SHAPE_NEW = 2, SHAPE_KNOWN = 3 };         /* 3 + number */
enum { CALL_NEXT = 0, CALL_UUID = 1, CALL_TEXT = 2, CALL_JUMP = 3, CALL_OPEN = 4 }; /* 4 + rank */
enum { NODE_SAME = 0, NODE_NEW = 1, NODE_KNOWN = 2 };                               /* 2 + number */

/* In `has` of a shape, beside AT_HAS_…: there are unknown fields. */
#define SHAPE_HAS_EXTRA (1u << 10)
#define SHAPE_HAS_ALL ((1u << 11) - 1)

struct tape_header {
    uint16_t version;
    uint32_t compatible, incompatible;
    uint64_t id;
};

struct tape_frame {
    uint8_t type, flags;
    uint32_t sequence, payload_bytes, raw_bytes, events;
    int64_t earliest_us, latest_us;
    uint64_t events_before; /* on this tape */
    uint32_t dropped;       /* events that the recorder could not keep, since the frame before */
    uint32_t tape;          /* low half of the tape's id */
    uint32_t payload_crc;
};

void at_tape_header_put(const struct tape_header *h, uint8_t out[TAPE_FILE_HEADER_BYTES]);
/* AT_BAD: not a tape. AT_DAMAGED: its checksum is wrong. AT_NEWER: it needs a newer reader. */
AT_MUST_USE enum at_err at_tape_header_get(const uint8_t in[TAPE_FILE_HEADER_BYTES], struct tape_header *h);

void at_tape_frame_put(const struct tape_frame *f, uint8_t out[TAPE_FRAME_HEADER_BYTES]);
/* False: no whole frame header is here. */
AT_MUST_USE bool at_tape_frame_get(const uint8_t in[TAPE_FRAME_HEADER_BYTES], struct tape_frame *f);
uint32_t at_tape_crc(const void *data, size_t len);

#endif
