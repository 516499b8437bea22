/* feed.h: messages by hand into a tracer, its events as short lines. */
#ifndef FEED_H
#define FEED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tracer/tracer.h"

struct feed {
    struct at_tracer *tracer;
    struct at_decoder_sink sink;
    struct at_stream stream;
    struct at_buf lines;
    uint64_t packet, exchange;
    enum at_proto proto;
};

/* One event as "t kind field=…", to be read in a test. */
static enum at_err feed_event(void *ctx, const struct at_event *ev)
{
    struct feed *f = ctx;
    struct at_buf *b = &f->lines;
    assert_int_equal(at_event_check(ev, NULL), AT_OK);
    assert_int_equal(at_buf_printf(b, "%lld %s", (long long)ev->t_us, at_kind_text(ev->kind)), AT_OK);
    if (ev->kind == AT_KIND_START)
        assert_int_equal(at_buf_printf(b, " %.*s/%.*s", AT_STR_FMT(ev->app), AT_STR_FMT(ev->user)), AT_OK);
    if (ev->has & AT_HAS_FRESH && ev->fresh)
        assert_int_equal(at_buf_printf(b, " fresh"), AT_OK);
    if (ev->call.ptr)
        assert_int_equal(at_buf_printf(b, " %.*s", AT_STR_FMT(ev->call)), AT_OK);
    if (ev->api.ptr)
        assert_int_equal(at_buf_printf(b, " %.*s", AT_STR_FMT(ev->api)), AT_OK);
    for (size_t i = 0; i < ev->n_scopes; i++)
        assert_int_equal(at_buf_printf(b, " %.*s", AT_STR_FMT(ev->scopes[i])), AT_OK);
    if (ev->kind == AT_KIND_DECISION)
        assert_int_equal(at_buf_printf(b, " %s", at_answer_text(ev->answer)), AT_OK);
    if (ev->kind == AT_KIND_SETTINGS)
        assert_int_equal(at_buf_printf(b, " %s", ev->granted ? "on" : "off"), AT_OK);
    if (ev->err_msg.ptr)
        assert_int_equal(at_buf_printf(b, " '%.*s'", AT_STR_FMT(ev->err_msg)), AT_OK);
    if (ev->has & AT_HAS_ERRNO)
        assert_int_equal(at_buf_printf(b, " errno=%lld", (long long)ev->err_no), AT_OK);
    for (size_t i = 0; i < ev->n_settings; i++)
        assert_int_equal(at_buf_printf(b, " %.*s:%d", AT_STR_FMT(ev->settings[i].scope), ev->settings[i].granted),
                         AT_OK);
    for (size_t i = 0; i < ev->n_observes; i++)
        assert_int_equal(at_buf_printf(b, " +%s", at_sight_text((enum at_sight)ev->observes[i])), AT_OK);
    if (ev->has & AT_HAS_LOST_BYTES)
        assert_int_equal(at_buf_printf(b, " lost=%llu", (unsigned long long)ev->lost_bytes), AT_OK);
    if (ev->extra.ptr)
        assert_int_equal(at_buf_printf(b, " %.*s", AT_STR_FMT(ev->extra)), AT_OK);
    return at_buf_add(b, "\n", 1);
}

static void feed_begin(struct feed *f, const struct at_tracer_options *options)
{
    struct at_why why = {{0}};
    *f = (struct feed){.proto = AT_PROTO_WEBSOCKET};
    f->stream = (struct at_stream){.id = 1,
                                   .name = AT_STR("10.0.0.1:5000>10.0.0.2:9420"),
                                   .target = AT_STR("/?appid=wx1&openid=o%2B1+a&platform=ios"),
                                   .headers = AT_STR("Host: h\r\nX-App:  wx2 \r\n")};
    if (at_tracer_new(options, feed_event, f, &f->tracer, &why))
        fail_msg("%s", why.text);
    f->sink = at_tracer_sink(f->tracer);
}

static void feed(struct feed *f, int64_t t_us, enum at_dir dir, const char *body)
{
    struct at_message m = {.t_us = t_us,
                           .packet = ++f->packet,
                           .stream = &f->stream,
                           .proto = f->proto,
                           .dir = dir,
                           .body = at_str(body),
                           .exchange = f->exchange};
    assert_true(at_json_valid(m.body));
    /* a copy of its own, so that a sanitizer sees what is read beyond it */
    char *copy = malloc(m.body.len);
    assert_non_null(copy);
    memcpy(copy, body, m.body.len);
    m.body.ptr = copy;
    assert_int_equal(f->sink.message(f->sink.ctx, &m), AT_OK);
    free(copy);
}

#define C AT_DIR_CLIENT
#define S AT_DIR_SERVER

/* Ends everything and compares. */
static void feed_expect(struct feed *f, const char *expected)
{
    assert_int_equal(f->sink.stream_end(f->sink.ctx, &f->stream, 1000000, 99, false), AT_OK);
    assert_int_equal(at_tracer_finish(f->tracer), AT_OK);
    assert_int_equal(at_buf_add(&f->lines, "", 1), AT_OK);
    assert_string_equal(f->lines.ptr, expected);
    at_tracer_free(&f->tracer);
    at_buf_free(&f->lines);
}

#endif
