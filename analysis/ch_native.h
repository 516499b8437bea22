/* ch_native.h: blocks of ClickHouse's Native format, read. Private to analysis. */
#ifndef AUTHTAPE_CH_NATIVE_H
#define AUTHTAPE_CH_NATIVE_H

#include "analysis/clickhouse.h"

#define CH_BLOCK_ROWS_MAX (1u << 24)
#define CH_TEXT_MAX (size_t)(64u << 20) /* bytes of one text */

/* A column of a block. Views into the bytes it was read from. */
struct ch_cells {
    const uint8_t *fixed;  /* numbers, one behind the other */
    struct at_str *texts;  /* strings; of arrays of strings, their elements */
    const uint8_t *values; /* of arrays of UInt8, their elements */
    const uint8_t *ends;   /* of arrays: where each ends, 8 bytes each */
    size_t cap_texts;
};

struct ch_in {
    size_t n_rows;
    struct ch_cells *cells; /* by column */
    size_t n_columns;
};

AT_MUST_USE enum at_err ch_in_new(size_t n_columns, struct ch_in *out);
void ch_in_free(struct ch_in *in);
/*
 * Reads a block that has to have these columns, at the start of the bytes. AT_AGAIN: it is not all there yet. AT_BAD:
 * it is something else. `used`: its length.
 */
AT_MUST_USE enum at_err ch_in_parse(struct ch_in *in, const struct ch_column *columns, struct at_str bytes,
                                    size_t *used, struct at_why *why);
static inline uint64_t ch_in_u64(const struct ch_in *in, size_t column, size_t row)
{
    return at_get_u64le(in->cells[column].fixed + 8 * row);
}
static inline uint8_t ch_in_u8(const struct ch_in *in, size_t column, size_t row)
{
    return in->cells[column].fixed[row];
}
static inline uint16_t ch_in_u16(const struct ch_in *in, size_t column, size_t row)
{
    return at_get_u16le(in->cells[column].fixed + 2 * row);
}
/* The elements of row `row` are number *from … *from + the result - 1. */
size_t ch_in_array(const struct ch_in *in, size_t column, size_t row, size_t *from);

/* What import asks for: the columns of an event, and a row of them as one. */
extern const struct ch_column ch_event_columns[];
extern const size_t ch_n_event_columns;

struct ch_event_room { /* scratch of one event */
    struct at_setting *settings;
    size_t cap;
};
/* The tape that an event is on, and its number there. */
void ch_event_place(const struct ch_in *in, size_t row, uint64_t *tape, uint64_t *number);
/* AT_BAD: no event; what is one may be unfit still (at_event_check). Valid as long as the block, and until the next
 * call. */
AT_MUST_USE enum at_err ch_event_of(const struct ch_in *in, size_t row, struct ch_event_room *room, struct at_event *ev,
                                    struct at_why *why);

#endif
