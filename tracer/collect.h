/* collect.h: the collector: events that their senders post, or send through a socket, themselves. Private to this
 * folder. */
#ifndef AUTHTAPE_COLLECT_H
#define AUTHTAPE_COLLECT_H

#include "tracer/tracer.h"

struct at_collect_options {  /* zero means the default */
    const char *address;     /* "ADDR:PORT" */
    const char *token;       /* NULL: nobody needs one */
    const char *const *cors; /* origins of pages that may send; "*" is any */
    size_t n_cors;
    size_t body_bytes;   /* one message, also when decompressed */
    size_t memory_bytes; /* all messages being received or waiting for their acknowledgement */
    size_t events;       /* in one message */
    uint32_t rate;       /* events a second from one address */
    uint32_t clients;    /* connections */
    uint32_t idle_s;     /* a silent connection is closed after this long, a request may take no longer */
};

#define AT_COLLECT_BODY_BYTES ((size_t)1 << 20)
#define AT_COLLECT_MEMORY_BYTES ((size_t)64 << 20)
#define AT_COLLECT_EVENTS (size_t)10000
#define AT_COLLECT_RATE 50000u
#define AT_COLLECT_CLIENTS 1024u
#define AT_COLLECT_IDLE_S 60u

struct at_collect_stats {
    uint64_t messages;  /* taken */
    uint64_t events;    /* in them */
    uint64_t repeats;   /* of events taken before */
    uint64_t refused;   /* messages that are no events */
    uint64_t strangers; /* requests without the token, or from a page that may not send */
    uint64_t limited;   /* messages over a limit: size, number, rate, memory */
};

struct at_collector;
/* Listens. AT_NOTFOUND: built without the library. */
AT_MUST_USE enum at_err at_collector_open(const struct at_collect_options *options, struct at_collector **out,
                                          struct at_why *why);
/* From now on messages are taken, and given to the tracer, which must outlive the collector. */
void at_collector_begin(struct at_collector *c, struct at_tracer *tracer);
/* Becomes readable when there is something to do for at_collector_run. */
int at_collector_fd(const struct at_collector *c);
/* Where it listens, as "127.0.0.1:8080". Valid as long as the collector. */
const char *at_collector_address(const struct at_collector *c);
/* How long to wait at most until at_collector_run should be called, in milliseconds. */
int at_collector_timeout_ms(struct at_collector *c);
/* Serves whoever is ready. Errors are those of the tracer. `now_us` is the wall clock. */
AT_MUST_USE enum at_err at_collector_run(struct at_collector *c, int64_t now_us);
/*
 * True when messages wait for their acknowledgement whose events were all handed on by the tracer, and they have waited
 * for company long enough, or `all`. Then the tape is to be written, and at_collector_acknowledge called.
 */
bool at_collector_is_due(struct at_collector *c, bool all);
/* What at_collector_is_due saw is on the tape. */
void at_collector_acknowledge(struct at_collector *c);
/* Takes nothing more; what was taken already is still acknowledged. */
void at_collector_stop(struct at_collector *c);
/* Some more time, to get the last answers out. */
void at_collector_linger(struct at_collector *c);
void at_collector_stats(const struct at_collector *c, struct at_collect_stats *out);
void at_collector_close(struct at_collector **c);

#endif
