/*
 * fuzz_dialect.c: any messages through all built-in dialects.
 *
 * The input is lines: the first byte of a line chooses the direction, the protocol and the exchange, the rest is a
 * message where it is JSON. Events have to be events, and their times in order but for those that the tracer counts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/tracer.h"

struct seen {
    int64_t last_us;
    uint64_t earlier; /* events with an earlier time than one before them */
};

static enum at_err on_event(void *ctx, const struct at_event *ev)
{
    struct seen *seen = ctx;
    if (at_event_check(ev, NULL))
        abort();
    seen->earlier += ev->t_us < seen->last_us;
    if (ev->t_us > seen->last_us)
        seen->last_us = ev->t_us;
    return AT_OK;
}

static void line(const struct at_decoder_sink *sink, struct at_stream *stream, struct at_str text, int64_t t_us,
                 uint64_t packet)
{
    struct at_message m = {.t_us = t_us, .packet = packet, .stream = stream};
    uint8_t how = (uint8_t)text.ptr[0];
    if (how == 'g' || how == 'e') {
        enum at_err err = how == 'g' ? sink->gap(sink->ctx, stream, t_us, packet, text.len)
                                     : sink->stream_end(sink->ctx, stream, t_us, packet, text.len % 2);
        if (err)
            abort();
        return;
    }
    m.dir = how & 1 ? AT_DIR_SERVER : AT_DIR_CLIENT;
    m.proto = how & 2 ? AT_PROTO_HTTP : AT_PROTO_WEBSOCKET;
    m.exchange = how & 2 ? 1 + (how >> 2) % 4u : 0;
    m.body = (struct at_str){text.ptr + 1, text.len - 1};
    if (at_json_valid(m.body) && sink->message(sink->ctx, &m))
        abort();
}

/* A tracer takes long to set up, so one serves many inputs, each a connection of its own and later than the last. */
#define INPUTS 1000

static struct at_tracer *tracer_for(bool all, struct seen *seen)
{
    static struct at_tracer *tracers[2];
    static unsigned uses[2];
    static const char *const names[] = {"automator", "beacon", "cdp"};
    const struct at_tracer_options options = {.dialects = names,
                                              .n_dialects = all ? 3 : 1,
                                              .identity = {.app = "query:app", .user = "pointer:/user"},
                                              .hold_ms = 5};
    struct at_why why;
    if (uses[all]++ % INPUTS == 0) {
        at_tracer_free(&tracers[all]);
        *seen = (struct seen){.last_us = INT64_MIN};
        if (at_tracer_new(&options, on_event, seen, &tracers[all], &why))
            abort();
    }
    return tracers[all];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seen seen[2];
    static int64_t now_us;
    static uint64_t connections;
    const bool all = size && data[0] & 1;
    struct at_stream stream = {
        .id = ++connections, .name = AT_STR("1.1.1.1:1>2.2.2.2:2"), .target = AT_STR("/?app=a%zz")};
    struct at_tracer *t = tracer_for(all, &seen[all]);
    struct at_decoder_sink sink = at_tracer_sink(t);
    uint64_t packet = 0;
    for (size_t from = 1; from < size;) {
        const uint8_t *newline = memchr(data + from, '\n', size - from);
        size_t end = newline ? (size_t)(newline - data) : size;
        now_us += 700;
        if (end > from)
            line(&sink, &stream, (struct at_str){(const char *)data + from, end - from}, now_us, ++packet);
        from = end + 1;
    }
    struct at_tracer_stats stats;
    if (sink.stream_end(sink.ctx, &stream, ++now_us, packet + 1, true) || at_tracer_finish(t))
        abort();
    at_tracer_stats(t, &stats); /* a key that begins with such an event has its start there, too */
    if (seen[all].earlier < stats.disordered || seen[all].earlier > 2 * stats.disordered)
        abort();
    return 0;
}
