/* fuzz_ndjson: any bytes as a line. What is read can be written, taped and read again, and is the same. */
#include <stdlib.h>

#include "formats/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct at_event_parser *p = NULL;
    struct at_event ev;
    struct at_why why = {""};
    struct at_buf once = {0}, again = {0}, taped = {0}, tape = {0};
    need(!at_event_parser_new(&p));
    enum at_err err = at_event_parse(p, (struct at_str){(const char *)data, size}, &ev, &why);
    need(!err || why.text[0]);
    if (!err) {
        need(!at_event_check(&ev, NULL));
        need(!at_event_to_json(&ev, &once));
        need(!at_event_parse(p, at_buf_view(&once), &ev, &why));
        need(!at_event_to_json(&ev, &again));
        need(at_str_eq(at_buf_view(&once), at_buf_view(&again)));
        struct at_tape_encoder *e = NULL;
        struct at_tape_decoder *d = NULL;
        need(!at_tape_encoder_new(NULL, &e) && !at_tape_encode(e, &ev, &tape) && !at_tape_encode_finish(e, &tape));
        need(!at_tape_decoder_new(AT_RECOVER_STRICT, &d) && !at_tape_feed(d, tape.ptr, tape.len));
        at_tape_feed_end(d);
        need(!at_tape_next(d, &ev, &why) && !at_event_to_json(&ev, &taped));
        need(at_str_eq(at_buf_view(&once), at_buf_view(&taped)));
        need(at_tape_next(d, &ev, &why) == AT_END);
        at_tape_decoder_free(&d);
        at_tape_encoder_free(&e);
    }
    at_buf_free(&tape);
    at_buf_free(&taped);
    at_buf_free(&again);
    at_buf_free(&once);
    at_event_parser_free(&p);
    return 0;
}
