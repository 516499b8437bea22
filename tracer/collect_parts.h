/* collect_parts.h: what the parts of the collector share. Private to collect*.c. */
#ifndef AUTHTAPE_COLLECT_PARTS_H
#define AUTHTAPE_COLLECT_PARTS_H

#include <microhttpd.h>

#include "tracer/collect.h"
#include "tracer/collect_gate.h"
#include "tracer/dialect.h"
#include "tracer/websocket.h"

struct peer;

/* Somebody is to be told that a message is on the tape, once it is. In the order of arrival. */
struct pledge {
    struct pledge *next;
    size_t waiting; /* events not yet handed on */
    bool due;       /* all of it will be on the tape after the next write */
    struct at_taken taken;
    uint64_t number;          /* socket: of the message */
    size_t bytes;             /* of memory */
    struct exchange *request; /* who waits; both NULL: they have gone */
    struct peer *socket;
};

/* A connection, whether it speaks HTTP or is a socket. */
struct peer {
    struct at_collector *c;
    struct peer *next, **at;
    struct at_stream stream;
    char name[2 * 64 + 2];
    uint8_t address[16];
    int fd;
    uint64_t exchanges;
    int64_t deadline_us; /* then it has to have done something; monotonic */
    bool broken;         /* it was cut off: its end is not a clean one */
    char *target, *headers;
    /* As a socket: */
    struct MHD_UpgradeResponseHandle *upgrade;
    struct at_ws ws;
    struct at_buf out;
    uint64_t messages;
    size_t pledged; /* bytes that wait for acknowledgements */
    bool pinged, closing, over;
    uint32_t polled; /* the epoll events asked for */
};

enum exchange_state { EXCHANGE_NEW, EXCHANGE_BODY, EXCHANGE_WAITS, EXCHANGE_ANSWERED };

/* One HTTP request. */
struct exchange {
    struct at_collector *c;
    struct peer *peer;
    struct MHD_Connection *connection;
    enum exchange_state state;
    char *target; /* as it was sent, the token blanked */
    struct at_buf body;
    size_t charged; /* bytes of memory */
    size_t passed;  /* bytes of a body that is too large, thrown away */
    unsigned status;
    struct at_buf answer;
    struct pledge *pledge;
    uint32_t retry_s;
};

struct at_collector {
    struct at_collect_options o;
    struct at_str token;
    struct at_tracer *tracer;
    struct MHD_Daemon *daemon;
    int listener, epoll, poke; /* `poke`: there is something to do at once */
    char address[64];
    struct at_rates *rates;
    struct peer *peers;
    struct pledge *first, **last;
    int64_t due_since_us; /* the first pledge that is due; INT64_MIN: none */
    int64_t now_us, mono_us, swept_us;
    size_t memory;
    size_t owed; /* requests whose answer is not sent yet */
    bool stopping;
    enum at_err err; /* of the tracer, out of a callback */
    struct at_arena arena;
    struct at_inflate_pool pool;
    struct at_ledger ledger; /* of sockets and bodies; nobody is shown it */
    struct at_ws_shared ws;
    struct at_buf plain, answer;
    struct at_collect_stats stats;
};

/* ---- collect.c */

/* Charges memory. False: there is no room. */
bool at_collect_charge(struct at_collector *c, size_t bytes);
/* Gives one message to the tracer; `*out` is set where it was taken, else `taken` says why not. */
AT_MUST_USE enum at_err at_collect_message(struct at_collector *c, struct peer *p, struct at_message *m,
                                           struct at_taken *taken, struct pledge **out);
/* True if the token is right, or none is needed. `authorization` may be absent. */
bool at_collect_is_known(const struct at_collector *c, struct at_str authorization, struct at_str target);
/* The value for Access-Control-Allow-Origin; absent where the origin may not send. */
struct at_str at_collect_allowed_origin(const struct at_collector *c, struct at_str origin);
/* There is something to do before anything becomes readable. */
void at_collect_poke(struct at_collector *c);

/* ---- collect_http.c */

void *at_collect_uri(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result at_collect_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                   const char *version, const char *upload, size_t *upload_len, void **state);
void at_collect_request_over(void *cls, struct MHD_Connection *connection, void **state,
                             enum MHD_RequestTerminationCode why);
/* Keeps what a dialect may want to know of a request in its peer: target and headers, without the token. */
AT_MUST_USE enum at_err at_collect_describe(struct exchange *x);
/* The request's message is on the tape. */
void at_collect_request_kept(struct exchange *x);

/* ---- collect_ws.c */

/* Answers a handshake: the connection becomes a socket. */
enum MHD_Result at_collect_upgrade(struct exchange *x, const char *key);
/* Reads and writes what can be. The peer may be gone afterwards. */
AT_MUST_USE enum at_err at_collect_socket(struct peer *p);
void at_collect_socket_kept(struct peer *p, const struct pledge *g);
/* Pings it when it was silent, ends it when it stays so, or when `stopping`. */
void at_collect_socket_tick(struct peer *p);
void at_collect_socket_close(struct peer *p, uint16_t code);
/* Frees what makes it a socket; the library frees the peer. */
void at_collect_socket_end(struct peer *p);

#endif
