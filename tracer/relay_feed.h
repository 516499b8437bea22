/* relay_feed.h: from the relay's thread to the decoder: a bounded queue, and segments made of what is in it. Private.
 */
#ifndef AUTHTAPE_RELAY_FEED_H
#define AUTHTAPE_RELAY_FEED_H

#include "tracer/packet.h"

/* A relayed connection as the decoder's side knows it. Made by the forwarding side; freed with its last record. */
struct at_relay_flow {
    bool v6;
    uint8_t addr[2][16]; /* client, target; IPv4: the first four bytes */
    uint16_t port[2];
    uint32_t next[2]; /* sequence numbers; the decoder's side only */
};

enum at_relay_kind { AT_RELAY_OPEN, AT_RELAY_DATA, AT_RELAY_LOST, AT_RELAY_FIN, AT_RELAY_RESET, AT_RELAY_GONE };

struct at_relay_queue;
AT_MUST_USE enum at_err at_relay_queue_new(size_t cap_bytes, struct at_relay_queue **out);
void at_relay_queue_free(struct at_relay_queue **q);
int at_relay_queue_fd(const struct at_relay_queue *q);
/*
 * The forwarding side. `end` is who sent it: 0 the client, 1 the target. False: there is no room, nothing was added.
 * What ends a flow always has room; `lost` is for AT_RELAY_LOST.
 */
bool at_relay_queue_add(struct at_relay_queue *q, struct at_relay_flow *flow, enum at_relay_kind kind, int end,
                        int64_t t_us, struct at_str bytes, uint64_t lost);
/* The decoder's side: what is there, a turn's worth. */
AT_MUST_USE enum at_err at_relay_queue_take(struct at_relay_queue *q, struct at_decoder *d, bool *any);

#endif
