/* tcp.h: TCP segments -> byte streams with gaps (private to the tracer). Pure: time is packet time. */
#ifndef AUTHTAPE_TCP_H
#define AUTHTAPE_TCP_H

#include "tracer/packet.h"

/*
 * Which connections go first when memory is short: those that carried nothing yet (or are over), then those whose
 * bytes nobody understood, then the rest; within a tier the one that was silent for longest.
 */
enum at_tier { AT_TIER_IDLE, AT_TIER_UNKNOWN, AT_TIER_KNOWN };
#define AT_TIERS 3

struct at_held; /* a segment that waits for those before it */

/* The bytes that one end sent. Sequence numbers are those of the wire, compared by RFC 9293, section 3.4. */
struct at_half {
    bool started; /* `next` is known */
    bool syn;     /* it was learnt from a SYN */
    bool seen;    /* this end sent a packet */
    bool closed;  /* its FIN was handed on */
    bool has_fin;
    bool acked;    /* `ack` is known */
    uint32_t next; /* the next byte to hand on; before `started` the least that was seen */
    uint32_t isn;
    uint32_t fin;       /* the sequence number of the FIN */
    uint32_t ack;       /* the other end has all bytes before this one */
    bool blocked;       /* something is missing at its front, */
    int64_t blocked_us; /* since then */
    struct at_held *first, *last;
    size_t n_held, held_bytes;
    int64_t t_us; /* the newest packet handed on */
    uint64_t packet;
};

/* A connection. `end` 0 and 1 are its two ends in an order of their own; half[e] is what end e sent. */
struct at_flow {
    struct at_flow *hash_next, *older, *newer, *wait_older, *wait_newer;
    uint64_t hash;
    uint8_t addr[2][16];
    uint16_t port[2];
    bool v6;
    bool waiting;  /* on the list of flows with something held or acknowledged past */
    bool over;     /* its end was handed on: what still comes are repetitions */
    int8_t client; /* the end that sent the SYN, -1: unknown */
    enum at_tier tier;
    int64_t last_us, born_us, armed_us;
    size_t weight; /* bytes of memory, those of `app` included */
    struct at_half half[2];
    void *app; /* of the consumer; NULL at first */
};

/* Why a flow ends. */
enum at_flow_end { AT_END_FIN, AT_END_RESET, AT_END_REUSED, AT_END_IDLE, AT_END_EVICTED, AT_END_CAPTURE };

/* Where the bytes go. An error stops all and is passed on. */
struct at_tcp_sink {
    void *ctx;
    enum at_err (*data)(void *ctx, struct at_flow *f, int end, struct at_str bytes);
    /* lost_bytes 0: unknown. */
    enum at_err (*gap)(void *ctx, struct at_flow *f, int end, uint64_t lost_bytes);
    enum at_err (*fin)(void *ctx, struct at_flow *f, int end);
    /* Nothing more comes; frees flow->app. Comes once for each flow whose `app` is set. */
    enum at_err (*over)(void *ctx, struct at_flow *f, enum at_flow_end why);
    size_t (*weight)(const struct at_flow *f); /* the memory behind `app`, in bytes */
};

struct at_tcp;
AT_MUST_USE enum at_err at_tcp_new(const struct at_decoder_options *options, const struct at_tcp_sink *sink,
                                   struct at_ledger *ledger, struct at_tcp **out);
void at_tcp_free(struct at_tcp **t); /* calls no sink; at_tcp_finish frees what `app` holds */
AT_MUST_USE enum at_err at_tcp_segment(struct at_tcp *t, const struct at_segment *seg);
/* Time passes without a packet of TCP: gives up what has waited for long enough. */
AT_MUST_USE enum at_err at_tcp_tick(struct at_tcp *t, int64_t now_us);
AT_MUST_USE enum at_err at_tcp_finish(struct at_tcp *t);
void at_tcp_promote(struct at_tcp *t, struct at_flow *f, enum at_tier tier);
size_t at_tcp_memory(const struct at_tcp *t);

/* ---- reassembly.c: the two halves of one flow */

/* A segment as it stands in its half. */
struct at_piece {
    const uint8_t *data;
    size_t len;
    uint32_t seq, ack;
    bool has_ack;
    int64_t t_us;
    uint64_t packet;
};

struct at_reassembly {
    const struct at_tcp_sink *sink;
    struct at_ledger *ledger;
    int64_t now_us;
    int64_t reorder_us, gap_us;
    size_t flow_bytes;
    bool last_wins;
};

AT_MUST_USE enum at_err at_half_add(struct at_reassembly *r, struct at_flow *f, int end, const struct at_piece *p);
/* Hands on what can be handed on. */
AT_MUST_USE enum at_err at_flow_pump(struct at_reassembly *r, struct at_flow *f);
/* Gives up the holes whose time has come; `all`: every hole. */
AT_MUST_USE enum at_err at_flow_give_up(struct at_reassembly *r, struct at_flow *f, bool all);
/* True while something is held, or acknowledged but not seen. */
bool at_flow_is_waiting(const struct at_flow *f);
/* Drops what is held; returns how many bytes it was. */
size_t at_flow_drop_held(struct at_flow *f);

static inline int32_t at_seq_diff(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

#endif
