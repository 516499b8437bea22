/* relay.h: forwards TCP connections unchanged, and lets the decoder have a copy. Private to this folder. */
#ifndef AUTHTAPE_RELAY_H
#define AUTHTAPE_RELAY_H

#include "tracer/tracer.h"

#define AT_RELAYS_MAX 64u
#define AT_RELAY_QUEUE_BYTES ((size_t)16 << 20)
#define AT_RELAY_CLIENTS 1024u

struct at_relay_options {
    const char *const *routes; /* "LISTEN=HOST:PORT" */
    size_t n_routes;
    size_t queue_bytes; /* what may wait for the decoder; more is lost to it; 0: the default */
    uint32_t clients;   /* connections at once; 0: the default */
};

struct at_relay_stats {
    uint64_t connections;
    uint64_t failed; /* of them, the target could not be reached */
    uint64_t bytes;  /* forwarded, both ways */
    uint64_t lost;   /* of them not decoded: the decoder did not follow */
};

/* Listens, and finds out where to connect to. The relay does its forwarding in a thread of its own. */
struct at_relay;
AT_MUST_USE enum at_err at_relay_open(const struct at_relay_options *options, struct at_relay **out,
                                      struct at_why *why);
AT_MUST_USE enum at_err at_relay_begin(struct at_relay *r, struct at_why *why);
size_t at_relay_count(const struct at_relay *r);
/* Where route `i` listens and where it goes, as text; valid as long as the relay. */
const char *at_relay_listener(const struct at_relay *r, size_t i);
const char *at_relay_target(const struct at_relay *r, size_t i);
/* Becomes readable when there is something for at_relay_take. */
int at_relay_fd(const struct at_relay *r);
/* Gives the decoder what was forwarded since, as the segments of a connection; a turn's worth. Errors of the decoder.
 */
AT_MUST_USE enum at_err at_relay_take(struct at_relay *r, struct at_decoder *d, bool *any);
/* Ends all connections. What was forwarded can still be taken. */
void at_relay_stop(struct at_relay *r);
void at_relay_stats(struct at_relay *r, struct at_relay_stats *out);
void at_relay_close(struct at_relay **r);

#endif
