/*
 * bench_dialect: the events that a dialect makes of a capture, counted: decoding without a tape.
 *
 *   bench_dialect DIALECT CAPTURE
 */
#include <stdio.h>

#include "tracer/tracer.h"

static enum at_err count(void *ctx, const struct at_event *ev)
{
    (void)ev;
    ++*(unsigned long long *)ctx;
    return AT_OK;
}

int main(int argc, char **argv)
{
    struct at_why why = {{0}};
    struct at_tracer *tracer = NULL;
    struct at_decoder *decoder = NULL;
    struct at_capture *capture = NULL;
    struct at_packet packet;
    unsigned long long events = 0;
    if (argc != 3)
        return 2;
    const char *dialects[] = {argv[1]};
    const struct at_tracer_options tracer_options = {
        .dialects = dialects, .n_dialects = 1, .identity = {.app = "query:appid", .user = "query:openid"}};
    const struct at_capture_options capture_options = {.file = argv[2]};
    const struct at_decoder_options decoder_options = {0};
    enum at_err err = at_tracer_new(&tracer_options, count, &events, &tracer, &why);
    if (!err)
        err = at_capture_open(&capture_options, &capture, &why);
    if (!err) {
        const struct at_decoder_sink sink = at_tracer_sink(tracer);
        err = at_decoder_new(&decoder_options, &sink, &decoder);
    }
    while (!err) {
        enum at_err got = at_capture_next(capture, &packet, &why);
        if (got)
            break;
        err = at_decoder_packet(decoder, &packet);
    }
    if (!err)
        err = at_decoder_finish(decoder);
    if (!err)
        err = at_tracer_finish(tracer);
    if (err)
        fprintf(stderr, "%s\n", why.text[0] ? why.text : at_err_text(err));
    printf("%llu events\n", events);
    at_decoder_free(&decoder);
    at_capture_close(&capture);
    at_tracer_free(&tracer);
    return err ? 2 : 0;
}
