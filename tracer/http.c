/* http.c: the framing of HTTP/1.1 messages (RFC 9112, section 6), as a stream with holes. */
#include <stdlib.h>
#include <string.h>

#include "tracer/http.h"

/* What one call works on. */
struct feed {
    struct at_http *h;
    const struct at_http_sink *sink;
    struct at_ledger *ledger;
    struct at_str rest;
};

static void take(struct feed *f, size_t n)
{
    f->rest.ptr += n;
    f->rest.len -= n;
    f->h->taken += n;
}

static void settle(struct at_http *h, uint64_t *book)
{
    *book += h->taken;
    h->taken = 0;
}

static enum at_err end_message(struct at_http *h, const struct at_http_sink *sink, struct at_ledger *ledger)
{
    settle(h, &ledger->decoded_bytes);
    h->state = AT_HTTP_HEAD;
    bool was = h->in_message; /* not so where a gap took a part of it */
    h->in_message = false;
    return was ? sink->end(sink->ctx) : AT_OK;
}

static enum at_err lose(struct at_http *h, const struct at_http_sink *sink, struct at_ledger *ledger)
{
    settle(h, &ledger->undecoded_bytes);
    h->state = AT_HTTP_LOST;
    h->line.len = h->searched = 0;
    bool was = h->in_message;
    h->in_message = false;
    return was ? sink->lost(sink->ctx) : AT_OK;
}

static enum at_err lose_here(struct feed *f)
{
    return lose(f->h, f->sink, f->ledger);
}

/* The end of the head in `s` (behind the empty line), 0 where it is not there. `from`: searched so far. */
static size_t head_end(struct at_str s, size_t from)
{
    from = from > 3 ? from - 3 : 0;
    while (from < s.len) {
        const char *nl = memchr(s.ptr + from, '\n', s.len - from);
        if (!nl)
            return 0;
        size_t at = (size_t)(nl - s.ptr) + 1;
        if (at < s.len && s.ptr[at] == '\n')
            return at + 1;
        if (at + 1 < s.len && s.ptr[at] == '\r' && s.ptr[at + 1] == '\n')
            return at + 2;
        from = at;
    }
    return 0;
}

static enum at_err start_body(struct feed *f, const struct at_http_head *head, enum at_http_answer answer)
{
    struct at_http *h = f->h;
    h->in_message = true;
    h->maybe_body = answer == AT_HTTP_MAYBE_BODY;
    if (answer == AT_HTTP_SWITCH) {
        enum at_err err = end_message(h, f->sink, f->ledger);
        h->state = AT_HTTP_SWITCHED;
        return err;
    }
    if (answer == AT_HTTP_NO_BODY)
        return end_message(h, f->sink, f->ledger);
    if (head->broken)
        return lose_here(f);
    h->left = head->length;
    if (head->chunked)
        h->state = AT_HTTP_CHUNK_SIZE;
    else if (head->has_length)
        h->state = AT_HTTP_BODY;
    else if (head->response)
        h->state = AT_HTTP_UNTIL_CLOSE;
    else
        h->left = 0;
    if (h->state == AT_HTTP_HEAD || (h->state == AT_HTTP_BODY && h->left == 0))
        return end_message(h, f->sink, f->ledger);
    return AT_OK;
}

static enum at_err parse_head(struct feed *f, struct at_str text)
{
    struct at_http_head head;
    enum at_http_answer answer = AT_HTTP_BY_HEAD;
    if (!at_http_parse_head(text, &head))
        return lose_here(f);
    f->ledger->framing_conflicts += head.conflict;
    enum at_err err = f->sink->head(f->sink->ctx, &head, &answer);
    return err ? err : start_body(f, &head, answer);
}

static enum at_err feed_head(struct feed *f)
{
    struct at_http *h = f->h;
    while (h->line.len == 0 && f->rest.len && (f->rest.ptr[0] == '\r' || f->rest.ptr[0] == '\n'))
        take(f, 1); /* RFC 9112, section 2.2: empty lines before a request line are ignored */
    if (h->line.len == 0) /* they belong to no message: what follows may not even be HTTP */
        settle(h, &f->ledger->decoded_bytes);
    if (f->rest.len == 0)
        return AT_OK;
    if (h->line.len == 0) { /* mostly all of it is here */
        struct at_str all = f->rest;
        size_t n = head_end(all, 0);
        if (n) {
            take(f, n);
            return parse_head(f, (struct at_str){all.ptr, n});
        }
    }
    size_t before = h->line.len;
    enum at_err err = at_buf_str(&h->line, f->rest);
    if (err)
        return err;
    size_t n = head_end(at_buf_view(&h->line), h->searched);
    h->searched = h->line.len;
    if (!n) {
        take(f, f->rest.len);
        bool hopeless = before < 32 && at_http_sniff(at_buf_view(&h->line)) == AT_HTTP_NO;
        return hopeless || h->line.len > AT_HTTP_HEAD_MAX ? lose_here(f) : AT_OK;
    }
    take(f, n - before);
    struct at_buf text = h->line; /* parse_head may lose, which empties the line */
    h->line = (struct at_buf){0};
    h->searched = 0;
    err = parse_head(f, (struct at_str){text.ptr, n});
    at_buf_free(&text);
    return err;
}

static enum at_err feed_body(struct feed *f)
{
    struct at_http *h = f->h;
    if (h->maybe_body) {
        h->maybe_body = false;
        if (at_http_sniff(f->rest) == AT_HTTP_RESPONSE) /* it was the answer to a HEAD that was not seen */
            return end_message(h, f->sink, f->ledger);
    }
    size_t n = h->left < f->rest.len ? (size_t)h->left : f->rest.len;
    struct at_str part = {f->rest.ptr, n};
    take(f, n);
    h->left -= n;
    enum at_err err = n && h->in_message ? f->sink->body(f->sink->ctx, part) : AT_OK;
    if (err || h->left)
        return err;
    if (h->state == AT_HTTP_BODY)
        return end_message(h, f->sink, f->ledger);
    h->state = AT_HTTP_CHUNK_END;
    return AT_OK;
}

/* Collects a line in h->line; true when it is complete, without its end. AT_LIMIT: too long. */
static enum at_err feed_line(struct feed *f, struct at_str *line, bool *complete)
{
    struct at_http *h = f->h;
    const char *nl = memchr(f->rest.ptr, '\n', f->rest.len);
    size_t n = nl ? (size_t)(nl - f->rest.ptr) + 1 : f->rest.len;
    *complete = nl != NULL;
    if (h->line.len + n > AT_HTTP_LINE_MAX)
        return AT_LIMIT;
    *line = (struct at_str){f->rest.ptr, n};
    if (!nl || h->line.len) {
        enum at_err err = at_buf_str(&h->line, *line);
        if (err)
            return err;
        *line = at_buf_view(&h->line);
    }
    take(f, n);
    if (!nl)
        return AT_OK;
    h->line.len = 0; /* the bytes stay until the next call */
    while (line->len && (line->ptr[line->len - 1] == '\n' || line->ptr[line->len - 1] == '\r'))
        line->len--;
    return AT_OK;
}

/* RFC 9112, section 7.1; extensions behind ';' are ignored. */
static bool parse_chunk_size(struct at_str line, uint64_t *out)
{
    size_t i = 0;
    *out = 0;
    for (; i < line.len && i < 15; i++) {
        char c = line.ptr[i];
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint64_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            *out = *out << 4 | (uint64_t)((c | 32) - 'a' + 10);
        else
            break;
    }
    return i > 0 && (i == line.len || line.ptr[i] == ';' || line.ptr[i] == ' ' || line.ptr[i] == '\t');
}

static enum at_err feed_chunk_line(struct feed *f)
{
    struct at_http *h = f->h;
    struct at_str line;
    bool complete;
    enum at_err err = feed_line(f, &line, &complete);
    if (err == AT_LIMIT)
        return lose_here(f);
    if (err || !complete)
        return err;
    if (h->state == AT_HTTP_TRAILERS)
        return line.len ? AT_OK : end_message(h, f->sink, f->ledger);
    if (h->state == AT_HTTP_CHUNK_END) {
        h->state = AT_HTTP_CHUNK_SIZE;
        return line.len ? lose_here(f) : AT_OK;
    }
    if (!parse_chunk_size(line, &h->left))
        return lose_here(f);
    h->state = h->left ? AT_HTTP_CHUNK : AT_HTTP_TRAILERS;
    return AT_OK;
}

enum at_err at_http_feed(struct at_http *h, const struct at_http_sink *sink, struct at_ledger *ledger,
                         struct at_str bytes, size_t *used)
{
    struct feed f = {.h = h, .sink = sink, .ledger = ledger, .rest = bytes};
    enum at_err err = AT_OK;
    while (!err && f.rest.len && h->state != AT_HTTP_SWITCHED && h->state != AT_HTTP_LOST) {
        switch (h->state) {
        case AT_HTTP_HEAD:
            err = feed_head(&f);
            break;
        case AT_HTTP_BODY:
        case AT_HTTP_CHUNK:
            err = feed_body(&f);
            break;
        case AT_HTTP_UNTIL_CLOSE:
            if (h->maybe_body && at_http_sniff(f.rest) == AT_HTTP_RESPONSE) {
                err = end_message(h, sink, ledger);
                break;
            }
            h->maybe_body = false;
            err = sink->body(sink->ctx, f.rest);
            take(&f, f.rest.len);
            break;
        case AT_HTTP_CHUNK_SIZE:
        case AT_HTTP_CHUNK_END:
        case AT_HTTP_TRAILERS:
            err = feed_chunk_line(&f);
            break;
        case AT_HTTP_SWITCHED:
        case AT_HTTP_LOST:
            break;
        }
    }
    *used = bytes.len - f.rest.len;
    return err;
}

enum at_err at_http_gap(struct at_http *h, const struct at_http_sink *sink, struct at_ledger *ledger,
                        uint64_t lost_bytes)
{
    bool inside = h->state == AT_HTTP_BODY || h->state == AT_HTTP_CHUNK;
    if (!inside || !lost_bytes || lost_bytes > h->left || h->maybe_body)
        return lose(h, sink, ledger);
    /* The hole lies within a body whose end is known: this message is lost, the next one is in its place. */
    enum at_err err = h->in_message ? sink->lost(sink->ctx) : AT_OK;
    h->in_message = false;
    h->left -= lost_bytes;
    settle(h, &ledger->undecoded_bytes);
    if (h->left == 0)
        h->state = h->state == AT_HTTP_BODY ? AT_HTTP_HEAD : AT_HTTP_CHUNK_END;
    return err;
}

enum at_err at_http_end(struct at_http *h, const struct at_http_sink *sink, struct at_ledger *ledger, bool clean)
{
    if (h->state == AT_HTTP_UNTIL_CLOSE && clean)
        return end_message(h, sink, ledger);
    if (h->state == AT_HTTP_HEAD && h->line.len == 0) {
        settle(h, &ledger->decoded_bytes);
        return AT_OK;
    }
    return h->state == AT_HTTP_LOST || h->state == AT_HTTP_SWITCHED ? AT_OK : lose(h, sink, ledger);
}

void at_http_free(struct at_http *h)
{
    at_buf_free(&h->line);
}
