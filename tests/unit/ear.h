/* ear.h: a sink that writes down what a decoder says, one line an event, for tests. */
#ifndef AUTHTAPE_TEST_EAR_H
#define AUTHTAPE_TEST_EAR_H

#include "tests/unit/packets.h"

struct ear {
    struct at_buf text;
    char target[64]; /* of the last message */
};

static inline enum at_err ear_message(void *ctx, const struct at_message *m)
{
    struct ear *ear = ctx;
    static const char *const dirs[2][2] = {{"request", "response"}, {"client", "server"}};
    struct at_str target = m->stream->target.ptr ? m->stream->target : AT_STR("-");
    snprintf(ear->target, sizeof ear->target, "%.*s", AT_STR_FMT(target));
    return at_buf_printf(&ear->text, "%s %llu %d %.*s\n", dirs[m->proto][m->dir], (unsigned long long)m->exchange,
                         (int)m->status, AT_STR_FMT(m->body));
}

static inline enum at_err ear_gap(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, uint64_t lost_bytes)
{
    struct ear *ear = ctx;
    (void)s, (void)t_us, (void)packet;
    return at_buf_printf(&ear->text, "gap %llu\n", (unsigned long long)lost_bytes);
}

static inline enum at_err ear_end(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, bool clean)
{
    struct ear *ear = ctx;
    (void)s, (void)t_us, (void)packet;
    return at_buf_printf(&ear->text, "end%s\n", clean ? " clean" : "");
}

static inline struct at_decoder *ear_decoder(struct ear *ear, const struct at_decoder_options *options)
{
    struct at_decoder *d = NULL;
    const struct at_decoder_sink sink = {.ctx = ear, .message = ear_message, .gap = ear_gap, .stream_end = ear_end};
    assert_int_equal(at_decoder_new(options, &sink, &d), AT_OK);
    return d;
}

/* Compares what was heard since the last time. */
static inline void heard(struct ear *ear, const char *expected)
{
    assert_int_equal(at_buf_add(&ear->text, "", 1), AT_OK);
    assert_string_equal(ear->text.ptr, expected);
    ear->text.len = 0;
}

static inline void hang_up(struct wire *w, struct ear *ear)
{
    assert_int_equal(at_decoder_finish(w->decoder), AT_OK);
    assert_true(books_balance(at_decoder_ledger(w->decoder)));
    at_decoder_free(&w->decoder);
    at_buf_free(&ear->text);
}

static inline void say(struct wire *w, int end, const char *text)
{
    assert_int_equal(wire_send(w, end, text, strlen(text)), AT_OK);
}

#endif
