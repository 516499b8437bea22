/*
 * ws_search.c: where a WebSocket frame starts in bytes of unknown alignment.
 *
 * A place is taken when a whole data frame there holds JSON text (which its length has to fit to the byte), or when
 * several frames in a row fit together (the first of them has to begin JSON text, unless the connection is known to be
 * WebSocket). What is found is only a place to go on: whatever is handed on afterwards is
 * checked as always, so that a wrong guess ends in being lost again and not in a message that never was.
 */
#include "tracer/websocket.h"

#define FRAME_MAX ((uint64_t)128 << 10) /* frames that are looked into */
#define WORK_MAX ((size_t)1 << 20)      /* payload bytes looked into by one search */
#define CHAIN 3                         /* frames in a row that are proof enough */

struct search {
    struct at_ws_shared *shared;
    const struct at_ws_terms *terms;
    struct at_str s;
    int masked;
    bool more;
    size_t work;
};

enum verdict { NO, YES, WAIT };

/* The frame at `at`: its end in `*end`, behind s.len where it is not whole. */
static enum verdict frame_at(const struct search *q, size_t at, struct at_ws_frame *frame, size_t *header, size_t *end)
{
    size_t n = at_ws_parse_frame((const uint8_t *)q->s.ptr + at, q->s.len - at, true, frame);
    if (n == SIZE_MAX)
        return NO;
    if (q->s.len - at < 2)
        return WAIT;
    if (q->masked >= 0 && frame->masked != (q->masked == 1))
        return NO;
    if (frame->rsv1 && q->terms->known && !q->terms->deflate)
        return NO;
    if (n == 0)
        return WAIT;
    if (frame->len > FRAME_MAX)
        return NO;
    *header = n;
    *end = at + n + (size_t)frame->len;
    return *end > q->s.len ? WAIT : YES;
}

static bool begins_json(struct at_str s)
{
    size_t i = 0;
    while (i < s.len && (s.ptr[i] == ' ' || s.ptr[i] == '\n' || s.ptr[i] == '\r' || s.ptr[i] == '\t'))
        i++;
    return i < s.len && (s.ptr[i] == '{' || s.ptr[i] == '[');
}

/* A whole message has to be JSON, the first fragment of one its beginning. */
static bool is_json(const struct at_ws_frame *frame, struct at_str s)
{
    return begins_json(s) && (!frame->fin || at_json_valid(s));
}

/* True if the data frame, the first of its message, holds JSON; AT_NOMEM only. */
static enum at_err holds_json(struct search *q, const struct at_ws_frame *frame, struct at_str payload, bool *yes)
{
    struct at_ws_shared *sh = q->shared;
    enum at_err err = AT_OK;
    q->work += payload.len;
    *yes = false;
    if (frame->masked) {
        sh->scratch.len = 0;
        err = at_buf_reserve(&sh->scratch, payload.len);
        if (err)
            return err;
        at_ws_unmask(frame->mask, 0, payload, sh->scratch.ptr);
        payload.ptr = sh->scratch.ptr;
    }
    if (!frame->rsv1) {
        *yes = is_json(frame, payload);
        return AT_OK;
    }
    struct at_inflate *z = at_inflate_get(sh->pool, -15);
    if (!z)
        return AT_NOMEM;
    sh->whole.len = 0;
    err = at_inflate_message(z, payload, 0, frame->fin, &sh->limits, &sh->whole);
    q->work += sh->whole.len;
    *yes = !err && is_json(frame, at_buf_view(&sh->whole));
    at_inflate_put(sh->pool, &z);
    return err == AT_NOMEM ? err : AT_OK;
}

/* Frames in a row from `at`: so many, or up to the very end of what there is. */
static enum verdict chain(const struct search *q, size_t at)
{
    size_t begin = at;
    for (int n = 0; n < CHAIN; n++) {
        struct at_ws_frame frame;
        size_t header, end;
        if (at == q->s.len)
            return n >= 2 || (begin == 0 && n == 1) ? YES : q->more ? WAIT : NO;
        enum verdict v = frame_at(q, at, &frame, &header, &end);
        if (v != YES)
            return v == WAIT && !q->more ? NO : v;
        at = end;
    }
    return YES;
}

enum at_err at_ws_search(struct at_ws_shared *shared, const struct at_ws_terms *terms, struct at_str s, size_t from,
                         int masked, bool sure, bool more, size_t *at)
{
    struct search q = {.shared = shared, .terms = terms, .s = s, .masked = masked, .more = more};
    *at = SIZE_MAX;
    for (size_t i = from; i < s.len && q.work < WORK_MAX; i++) {
        struct at_ws_frame frame;
        size_t header = 0, end = 0;
        enum verdict v = frame_at(&q, i, &frame, &header, &end);
        if (v == NO || (v == WAIT && !more))
            continue;
        bool yes = false;
        if (v == YES && (frame.opcode == AT_WS_TEXT || frame.opcode == AT_WS_BINARY) && frame.len >= 2) {
            enum at_err err = holds_json(&q, &frame, (struct at_str){s.ptr + i + header, (size_t)frame.len}, &yes);
            if (err)
                return err;
        }
        if (v == YES && !(yes && frame.fin)) /* of bytes that may be anything, a row of frames alone proves nothing */
            v = yes || sure ? chain(&q, i) : NO;
        if (v == NO)
            continue;
        *at = i;
        return v == YES ? AT_OK : AT_AGAIN;
    }
    return AT_OK;
}
