/*
 * fuzz_collect.c: what strangers send to the collector. The first byte chooses: messages (separated by NUL), a socket's
 * bytes, what guards the door, or the numbers of a stream.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/collect_gate.h"
#include "tracer/dialect.h"
#include "tracer/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_EVENTS 20u

struct taker {
    struct at_tracer *tracer;
    struct at_stream stream;
    size_t out; /* events that came out, starts made for a key aside */
    int64_t t_us;
    struct at_ws ws;
    struct at_ws_shared shared;
};

static enum at_err count(void *ctx, const struct at_event *ev)
{
    struct taker *k = ctx;
    if (at_event_check(ev, NULL) || ev->has & AT_HAS_PACKET)
        abort();
    k->out++;
    return AT_OK;
}

#define USES 500u /* of one tracer: making one takes longer than most inputs */

static void begin(struct taker *k)
{
    static unsigned uses;
    static const char *const dialects[] = {"beacon"};
    const struct at_tracer_options options = {.dialects = dialects, .n_dialects = 1, .in_turn = true};
    if (k->tracer && ++uses % USES)
        return;
    at_tracer_free(&k->tracer);
    *k = (struct taker){.stream = {.name = AT_STR("1.1.1.1:1>2.2.2.2:2"), .target = AT_STR("/")},
                        .t_us = 1700000000000000};
    if (at_tracer_new(&options, count, k, &k->tracer, NULL))
        abort();
}

static void end(struct taker *k)
{
    const struct at_decoder_sink sink = at_tracer_sink(k->tracer);
    if (sink.stream_end(sink.ctx, &k->stream, k->t_us, 0, true) || at_tracer_finish(k->tracer))
        abort();
    k->ws = (struct at_ws){0};
}

/* All or nothing; what is said is what came out. */
static void take(struct taker *k, struct at_str body, enum at_proto proto, struct at_taken *taken)
{
    struct at_message m = {.t_us = k->t_us += 1000, .stream = &k->stream, .proto = proto, .body = body};
    struct at_tracer_stats before, after;
    struct at_buf answer = {0};
    size_t waiting = 0, out = k->out;
    at_tracer_stats(k->tracer, &before);
    if (at_tracer_take(k->tracer, &m, MAX_EVENTS, &waiting, taken) || waiting)
        abort();
    at_tracer_stats(k->tracer, &after);
    size_t starts = after.keys - before.keys;
    if (taken->refused ? k->out != out : k->out - out < taken->events || k->out - out > taken->events + starts)
        abort();
    if (after.unfit > before.unfit || (taken->refused && after.repeats > before.repeats))
        abort();
    if (at_taken_json(&answer, taken, 1) || !at_json_valid(at_buf_view(&answer)))
        abort();
    at_buf_free(&answer);
}

static void messages(struct taker *k, const uint8_t *p, size_t n)
{
    while (n) {
        const uint8_t *nul = memchr(p, 0, n);
        size_t len = nul ? (size_t)(nul - p) : n;
        struct at_str body = {(const char *)p, len};
        struct at_taken first, again;
        take(k, body, AT_PROTO_HTTP, &first);
        take(k, body, AT_PROTO_HTTP, &again);
        if (first.refused != again.refused || first.events + first.repeats != again.events + again.repeats ||
            first.left_out || strcmp(first.place, again.place) || strcmp(first.why.text, again.why.text))
            abort();
        p += len + (nul != NULL);
        n -= len + (nul != NULL);
    }
}

/* ---- A socket */

static enum at_err on_message(void *ctx, struct at_str body, bool compressed)
{
    struct at_taken taken;
    if (compressed)
        abort(); /* it was not agreed on */
    take(ctx, body, AT_PROTO_WEBSOCKET, &taken);
    return AT_OK;
}

static enum at_err on_close(void *ctx)
{
    (void)ctx;
    return AT_OK;
}

static enum at_err on_control(void *ctx, uint8_t opcode, struct at_str payload)
{
    volatile uint8_t last = 0;
    (void)ctx;
    if (opcode < 8 || payload.len > 125)
        abort();
    for (size_t i = 0; i < payload.len; i++)
        last = (uint8_t)payload.ptr[i]; /* every byte can be read */
    (void)last;
    return AT_OK;
}

static void socket_bytes(struct taker *k, const uint8_t *p, size_t n)
{
    struct at_inflate_pool pool = {0};
    struct at_ledger ledger = {0};
    const struct at_ws_sink sink = {.ctx = k, .message = on_message, .close = on_close, .control = on_control};
    k->shared = (struct at_ws_shared){.pool = &pool, .ledger = &ledger, .limits = {1 << 16, 256, 4}};
    k->ws.terms = (struct at_ws_terms){.known = true, .window_bits = 15};
    while (n && !k->ws.lost) {
        size_t len = 1 + p[0] % 64, used; /* in pieces of any size */
        len = len < n ? len : n;
        if (at_ws_feed(&k->ws, &k->shared, &sink, (struct at_str){(const char *)p, len}, &used))
            abort();
        if (used < len && !k->ws.lost)
            abort();
        p += len;
        n -= len;
    }
    at_ws_end(&k->ws, &k->shared);
    at_ws_free(&k->ws, &k->shared);
    at_buf_free(&k->shared.scratch);
    at_buf_free(&k->shared.whole);
    at_inflate_pool_clear(&pool);
}

/* ---- The door: secret, newline, what is given */

static void door(const uint8_t *p, size_t n)
{
    struct at_str all = {(const char *)p, n};
    const char *line = n ? memchr(p, '\n', n) : NULL;
    struct at_str secret = {all.ptr, line ? (size_t)(line - all.ptr) : n}, given = {line ? line + 1 : "", 0}, found;
    given.len = line ? n - secret.len - 1 : 0;
    if (at_token_matches(secret, given) != (given.len > 0 && at_str_eq(secret, given)))
        abort();
    found = at_bearer_token(given);
    if (found.len > given.len)
        abort();
    char *target = strndup(given.ptr, given.len);
    if (!target)
        abort();
#ifdef AT_MICROHTTPD
    char accept[29];
    at_ws_accept_key(given, accept);
    if (strlen(accept) != 28 || (at_ws_key_valid(given) && given.len != 24))
        abort();
#endif
    size_t len = strlen(target);
    at_target_hide(target, AT_STR("token"));
    found = at_target_parameter(at_str(target), AT_STR("token"));
    for (size_t i = 0; i < found.len; i++)
        if (found.ptr[i] != '*')
            abort();
    if (strlen(target) != len)
        abort();
    free(target);
}

/* ---- The numbers of a stream: none is said to have been there before it was */

static void numbers(const uint8_t *p, size_t n)
{
    struct at_sequences *s = NULL;
    bool there[2][256] = {{0}};
    if (at_sequences_new(&s))
        abort();
    for (size_t i = 0; i + 1 < n; i += 2) {
        const struct at_event ev = {.app = AT_STR("a"), .user = AT_STR("u"), .stream = {p[i] & 1 ? "s" : "t", 1}};
        if (at_sequence_again(s, 0, &ev, p[i + 1]) && !there[p[i] & 1][p[i + 1]])
            abort();
        there[p[i] & 1][p[i + 1]] = true;
        if (p[i] & 6)
            continue; /* else: at once again, and it is known, unless it is below all that are remembered */
        bool lowest = true;
        for (unsigned k = 0; k < p[i + 1]; k++)
            lowest = lowest && !there[p[i] & 1][k];
        if (!at_sequence_again(s, 0, &ev, p[i + 1]) && !lowest && p[i + 1] == 255)
            abort();
    }
    at_sequences_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct taker k;
    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 2:
        door(data + 1, size - 1);
        return 0;
    case 3:
        numbers(data + 1, size - 1);
        return 0;
    default:
        begin(&k);
        if (data[0] % 4)
            socket_bytes(&k, data + 1, size - 1);
        else
            messages(&k, data + 1, size - 1);
        end(&k);
    }
    return 0;
}
