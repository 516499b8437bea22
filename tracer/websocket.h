/* websocket.h: WebSocket frames in one direction of a connection (private to the tracer). Pure. */
#ifndef AUTHTAPE_WEBSOCKET_H
#define AUTHTAPE_WEBSOCKET_H

#include "tracer/inflate.h"

/* What the handshake agreed on for one direction (RFC 7692, section 7.1). */
struct at_ws_terms {
    bool known; /* the handshake was seen */
    bool deflate;
    bool no_takeover; /* each message is compressed by itself */
    int window_bits;  /* 8…15 */
};
/* Reads a Sec-WebSocket-Extensions answer into terms[0] (client's frames) and terms[1] (server's). */
void at_ws_parse_extensions(struct at_str value, struct at_ws_terms terms[2]);

/* A frame header (RFC 6455, section 5.2). */
struct at_ws_frame {
    bool fin, rsv1, masked;
    uint8_t opcode;
    uint8_t mask[4];
    uint64_t len;
};
enum { AT_WS_CONTINUATION = 0, AT_WS_TEXT = 1, AT_WS_BINARY = 2, AT_WS_CLOSE = 8, AT_WS_PING = 9, AT_WS_PONG = 10 };
#define AT_WS_HEADER_MAX 14
/* The header's length; 0: more bytes are needed; SIZE_MAX: this is none. `strict` refuses wasteful lengths too. */
size_t at_ws_parse_frame(const uint8_t *p, size_t n, bool strict, struct at_ws_frame *out);

/* What the two halves of all connections share. */
struct at_ws_shared {
    struct at_inflate_pool *pool;
    struct at_ledger *ledger;
    struct at_inflate_limits limits;
    struct at_buf scratch, whole;
};

struct at_ws_sink {
    void *ctx;
    /* A whole message, text or binary. */
    enum at_err (*message)(void *ctx, struct at_str body, bool compressed);
    enum at_err (*close)(void *ctx); /* a Close frame */
    /* Any control frame, with its payload; may be NULL. */
    enum at_err (*control)(void *ctx, uint8_t opcode, struct at_str payload);
};

struct at_ws {
    struct at_ws_terms terms;
    bool lost;                      /* not in step: a frame header has to be searched for */
    uint8_t head[AT_WS_HEADER_MAX]; /* a header that is not complete */
    size_t n_head;
    bool in_frame;
    struct at_ws_frame frame;
    uint64_t left; /* payload bytes of the frame to come */
    size_t mask_at;
    bool in_message; /* a data frame began one that did not end yet */
    bool skip;       /* what comes of it is of no use */
    bool compressed;
    struct at_buf message; /* what there is of it, decompressed */
    size_t in_bytes;       /* payload bytes of it */
    struct at_inflate *z;
    bool has_context;  /* z holds what earlier messages left for later ones */
    uint64_t taken;    /* bytes not yet in the ledger */
    char control[125]; /* payload of the control frame at hand */
    size_t n_control;
};

/* Takes bytes; `*used` is less than all where it becomes lost. */
AT_MUST_USE enum at_err at_ws_feed(struct at_ws *w, struct at_ws_shared *shared, const struct at_ws_sink *sink,
                                   struct at_str bytes, size_t *used);
/* Bytes are missing here; 0: unknown how many. In step afterwards where the hole lies within a payload, else lost. */
void at_ws_gap(struct at_ws *w, struct at_ws_shared *shared, uint64_t lost_bytes);
/* The next byte fed starts a frame. */
void at_ws_resume(struct at_ws *w);
void at_ws_end(struct at_ws *w, struct at_ws_shared *shared); /* no more bytes come */
void at_ws_free(struct at_ws *w, struct at_ws_shared *shared);
size_t at_ws_memory(const struct at_ws *w);

/*
 * The first place at or after `from` in bytes of unknown alignment that is a frame's start, by what can be checked:
 * SIZE_MAX where there is none. `masked`: 1 or 0 as it has to be, -1 where not known; `sure`: frames are
 * known to be here. With `more` bytes to come,
 * AT_AGAIN says that `*at` may be one (and all before it are none). See ws_search.c.
 */
AT_MUST_USE enum at_err at_ws_search(struct at_ws_shared *shared, const struct at_ws_terms *terms, struct at_str s,
                                     size_t from, int masked, bool sure, bool more, size_t *at);
/* Writes `in` xor the mask to `out`; `at` is the place of the first byte in its payload. */
void at_ws_unmask(const uint8_t mask[4], size_t at, struct at_str in, char *out);

#endif
