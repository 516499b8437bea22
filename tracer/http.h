/* http.h: HTTP/1.1 messages in one direction of a connection (private to the tracer). Pure. */
#ifndef AUTHTAPE_HTTP_H
#define AUTHTAPE_HTTP_H

#include "tracer/inflate.h"

#define AT_HTTP_HEAD_MAX 65536 /* bytes of a start line with its header fields */
#define AT_HTTP_LINE_MAX 8192  /* bytes of a chunk-size or trailer line, and of a start line in search */

/* What a message starts with. Views are valid during the call of the sink. */
struct at_http_head {
    bool response;
    uint16_t status;
    struct at_str method, target;
    struct at_str fields; /* the field lines, raw */
    bool chunked, has_length, upgrade, unknown_coding;
    bool conflict; /* lengths that contradict each other (RFC 9112, section 6.3) */
    bool broken;   /* so much so that the end of the body is not known */
    uint64_t length;
    enum at_coding codings[AT_CODINGS_MAX]; /* in the order of taking off */
    size_t n_codings;
    struct at_str extensions; /* the first Sec-WebSocket-Extensions field */
};
/* Parses start line and fields, up to and with the empty line. False: this is no HTTP/1.x message. */
bool at_http_parse_head(struct at_str text, struct at_http_head *out);
/* The next element of a comma-separated list, white space trimmed; false at its end. */
bool at_http_list_next(struct at_str *rest, struct at_str *element);
bool at_http_is_token(struct at_str s, const char *token); /* equal, letter case aside */

/* How the bytes at hand begin. */
enum at_http_start { AT_HTTP_NO, AT_HTTP_MAYBE, AT_HTTP_REQUEST, AT_HTTP_RESPONSE };
enum at_http_start at_http_sniff(struct at_str s);
/* The first place in `s` at or after `from` where a message starts, SIZE_MAX where none does; see http_head.c. */
size_t at_http_search(struct at_str s, size_t from, bool *response);

enum at_http_state {
    AT_HTTP_HEAD,
    AT_HTTP_BODY,
    AT_HTTP_CHUNK_SIZE,
    AT_HTTP_CHUNK,
    AT_HTTP_CHUNK_END,
    AT_HTTP_TRAILERS,
    AT_HTTP_UNTIL_CLOSE,
    AT_HTTP_SWITCHED, /* what follows is another protocol's */
    AT_HTTP_LOST,     /* not in step: the next start has to be searched for */
};

/* What the consumer says to a head. */
enum at_http_answer {
    AT_HTTP_BY_HEAD,    /* the body is as the head says */
    AT_HTTP_NO_BODY,    /* there is none: HEAD, 204, 304, 1xx */
    AT_HTTP_MAYBE_BODY, /* the request is not known: a response that starts right here means that there is none */
    AT_HTTP_SWITCH,
};

struct at_http_sink {
    void *ctx;
    enum at_err (*head)(void *ctx, const struct at_http_head *h, enum at_http_answer *answer);
    enum at_err (*body)(void *ctx, struct at_str bytes);
    enum at_err (*end)(void *ctx);
    enum at_err (*lost)(void *ctx); /* the message whose head was given will not be complete */
};

struct at_http {
    enum at_http_state state;
    bool in_message; /* a head was given, its end was not */
    bool maybe_body;
    struct at_buf line; /* a head or line that is not complete */
    size_t searched;    /* of `line` */
    uint64_t left;      /* bytes of the body or chunk to come */
    uint64_t taken;     /* bytes of the message at hand, not yet in the ledger */
};

/* Takes bytes; `*used` is less than all in the states SWITCHED and LOST, where the rest is not HTTP's. */
AT_MUST_USE enum at_err at_http_feed(struct at_http *h, const struct at_http_sink *sink, struct at_ledger *ledger,
                                     struct at_str bytes, size_t *used);
/* Bytes are missing here; 0: unknown how many. Afterwards in step within a body, or LOST. */
AT_MUST_USE enum at_err at_http_gap(struct at_http *h, const struct at_http_sink *sink, struct at_ledger *ledger,
                                    uint64_t lost_bytes);
/* No more bytes come; `clean`: a FIN said so, which ends a body without a length. */
AT_MUST_USE enum at_err at_http_end(struct at_http *h, const struct at_http_sink *sink, struct at_ledger *ledger,
                                    bool clean);
void at_http_free(struct at_http *h);

#endif
