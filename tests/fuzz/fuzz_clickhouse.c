/* fuzz_clickhouse: what a server answers: frames, in them blocks of rows, in them events. The first byte: 1: no frames.
 */
#include <stdlib.h>

#include "analysis/ch_native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct at_str native = {(const char *)data, size};
    struct ch_in in = {0};
    struct ch_event_room room = {0};
    struct at_why why = {""};
    if (ch_in_new(ch_n_event_columns, &in))
        abort();
    enum at_err err = AT_OK;
    for (size_t used = 0, len = 0; !err; used += len) {
        const struct at_str rest = {native.ptr + used, native.len - used};
        err = ch_in_parse(&in, ch_event_columns, rest, &len, &why);
        if (err == AT_BAD && !why.text[0])
            abort(); /* a refusal says why */
        for (size_t row = 0; row < in.n_rows && !err; row++) {
            struct at_event ev;
            struct at_buf tape = {0};
            struct at_tape_encoder *e = NULL;
            bool fits = !ch_event_of(&in, row, &room, &ev, &why) && !at_event_check(&ev, &why);
            if (fits && (at_tape_encoder_new(NULL, &e) || at_tape_encode(e, &ev, &tape)))
                abort(); /* what is an event can be kept */
            at_tape_encoder_free(&e);
            at_buf_free(&tape);
        }
    }
    ch_in_free(&in);
    free(room.settings);
    return 0;
}
