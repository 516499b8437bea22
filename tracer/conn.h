/* conn.h: one TCP connection and the protocol in it (private to the tracer). Pure. */
#ifndef AUTHTAPE_CONN_H
#define AUTHTAPE_CONN_H

#include "tracer/http.h"
#include "tracer/tcp.h"
#include "tracer/websocket.h"

enum at_mode {
    AT_MODE_SNIFF, /* at the very start: what is it? */
    AT_MODE_HTTP,
    AT_MODE_WS,
    AT_MODE_SEARCH, /* not in step: look for a place to go on */
    AT_MODE_OPAQUE, /* something else */
};

/* A request that waits for its response, or whose response is at hand. */
struct at_request {
    struct at_request *next;
    uint64_t exchange;
    bool head, connect, upgrade;  /* HEAD, CONNECT, an upgrade to WebSocket */
    struct at_str target, fields; /* into the text below */
    size_t text_len;
    char text[];
};

struct at_conn;

/* What one end sends. */
struct at_side {
    struct at_conn *conn;
    int end;
    enum at_mode mode;
    struct at_buf held; /* SNIFF, SEARCH: bytes not yet understood */
    size_t ws_at;       /* SEARCH: the first place that may be a frame's start */
    size_t searched;    /* SEARCH: how much was looked at */
    uint64_t fruitless; /* SEARCH: bytes thrown away since the last place found */
    struct at_http http;
    struct at_ws ws;
    /* The HTTP message at hand. */
    struct at_request *request; /* owned; NULL: not known */
    uint64_t exchange;
    uint16_t status;
    bool skip;           /* its body is of no use */
    bool unsure;         /* responses were lost: which request is the next one's? */
    bool any;            /* it has a body */
    struct at_str piece; /* a body that is whole in the bytes at hand: not copied */
    struct at_buf body;
    struct at_unpack unpack;
    char encoding[80]; /* "gzip, deflate" or empty */
};

struct at_conn {
    struct at_decoder *decoder;
    struct at_flow *flow;
    struct at_stream stream;
    struct at_buf name;
    struct at_request *handshake; /* WebSocket: its request */
    bool shown;                   /* the consumer knows of it */
    bool http, ws;                /* heads were seen; a handshake or frames were */
    bool opaque;                  /* it went on with something else */
    bool upgrading;               /* a request for an upgrade is not answered yet */
    bool clean;                   /* a FIN or Close was seen */
    uint64_t exchanges;
    struct at_ws_terms terms[2];     /* client's, server's */
    struct at_request *first, *last; /* requests without a response */
    size_t n_requests, request_bytes;
    struct at_side side[2];
};

AT_MUST_USE enum at_err at_conn_new(struct at_decoder *d, struct at_flow *f, struct at_conn **out);
AT_MUST_USE enum at_err at_conn_data(struct at_conn *c, int end, struct at_str bytes);
AT_MUST_USE enum at_err at_conn_gap(struct at_conn *c, int end, uint64_t lost_bytes);
AT_MUST_USE enum at_err at_conn_fin(struct at_conn *c, int end);
AT_MUST_USE enum at_err at_conn_over(struct at_conn *c, enum at_flow_end why); /* frees it */
size_t at_conn_memory(const struct at_conn *c);
/* True if `end` is known to be the client. */
bool at_conn_is_client(const struct at_conn *c, int end);
void at_conn_set_client(struct at_conn *c, int end);

/* exchange.c: HTTP heads and bodies to messages. The sink's context is the side. */
struct at_http_sink at_exchange_sink(struct at_side *s);
void at_exchange_drop_body(struct at_side *s);
void at_exchange_drop_requests(struct at_conn *c);
AT_MUST_USE enum at_err at_exchange_keep_piece(struct at_side *s); /* the bytes at hand go away */

/* decoder.c */
struct at_decoder {
    struct at_decoder_options options;
    struct at_decoder_sink sink;
    struct at_ledger ledger;
    struct at_fragments *fragments;
    struct at_tcp *tcp;
    struct at_inflate_pool pool;
    struct at_ws_shared ws;
    struct at_doc doc; /* of the message at hand, where the sink wants it */
    uint64_t streams;
    int64_t t_us; /* of the packet at hand */
    uint64_t packet;
};
/* Hands a message on if it is JSON. `m` needs proto, dir, encoding, body, exchange, status. */
AT_MUST_USE enum at_err at_decoder_emit(struct at_conn *c, int end, struct at_message *m);
/* The consumer gets to know of the stream. */
AT_MUST_USE enum at_err at_decoder_show(struct at_conn *c);

#endif
