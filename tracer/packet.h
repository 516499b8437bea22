/* packet.h: from a captured packet to the TCP segment in it (private to the tracer). Pure. */
#ifndef AUTHTAPE_PACKET_H
#define AUTHTAPE_PACKET_H

#include "tracer/tracer.h"

/* What is left of a packet. `wire` is its length on the wire, `len` what of it was captured (len <= wire). */
struct at_span {
    const uint8_t *ptr;
    size_t len, wire;
};

/* Takes `n` bytes off the front. False, with nothing taken, where that many were not captured. */
static inline bool at_span_take(struct at_span *s, size_t n)
{
    if (s->len < n)
        return false;
    s->ptr += n;
    s->len -= n;
    s->wire -= n;
    return true;
}

/* Cuts off what lies behind `wire` bytes: padding and trailers. */
static inline void at_span_trim(struct at_span *s, size_t wire)
{
    if (s->wire > wire)
        s->wire = wire;
    if (s->len > wire)
        s->len = wire;
}

/* What a layer found. MORE: a fragment was kept, its datagram is not complete. */
enum at_found { AT_FOUND_TCP, AT_FOUND_OTHER, AT_FOUND_BAD, AT_FOUND_MORE };

/* The network layer below a link layer. */
enum at_net { AT_NET_OTHER, AT_NET_BAD, AT_NET_IPV4, AT_NET_IPV6 };

/* True for the LINKTYPE_ values that at_link_strip understands. */
bool at_link_known(uint32_t linktype);
/* Takes the link header off, with VLAN tags, MPLS labels and PPPoE; says what follows. */
enum at_net at_link_strip(uint32_t linktype, struct at_span *s);
/* The same for an Ethernet frame, and for what follows an EtherType (GRE, Geneve). */
enum at_net at_ethernet_strip(struct at_span *s);
enum at_net at_ethertype_strip(uint16_t type, struct at_span *s);

/* A TCP segment. Views are valid until the next packet. */
struct at_segment {
    int64_t t_us;
    uint64_t packet;
    bool v6;
    uint8_t src[16], dst[16]; /* IPv4: the first four bytes, the rest 0 */
    uint16_t sport, dport;
    uint32_t seq, ack;
    uint8_t flags; /* AT_TCP_… */
    const uint8_t *data;
    size_t len;  /* payload captured */
    size_t wire; /* payload on the wire */
};

enum { AT_TCP_FIN = 1, AT_TCP_SYN = 2, AT_TCP_RST = 4, AT_TCP_ACK = 16 };

/* IP fragments waiting for the rest of their datagram; see fragment.c. */
struct at_fragments;
AT_MUST_USE enum at_err at_fragments_new(size_t cap_bytes, struct at_fragments **out);
void at_fragments_free(struct at_fragments **f);

struct at_fragment {
    int64_t t_us;
    bool v6;
    uint8_t src[16], dst[16];
    uint32_t id;
    uint8_t proto; /* IPv6: of the first fragment */
    size_t offset; /* in bytes */
    bool more;
};
/*
 * Adds a fragment. True when its datagram is complete: `whole` is its payload, valid until the next call, and `proto`
 * its protocol. The ledger gets what was dropped.
 */
bool at_fragments_add(struct at_fragments *f, const struct at_fragment *frag, struct at_span payload,
                      struct at_ledger *ledger, struct at_span *whole, uint8_t *proto);
/* Drops what is older than 30 s (RFC 8200, section 4.5: 60 s at most) or, with `all`, everything. */
void at_fragments_expire(struct at_fragments *f, int64_t now_us, bool all, struct at_ledger *ledger);

/* Decodes a packet down to TCP. Counts everything but TCP payload in the ledger. */
enum at_found at_packet_walk(struct at_fragments *fragments, const struct at_packet *p, struct at_ledger *ledger,
                             struct at_segment *out);

/* A segment that was not captured: forwarded by ourselves. The decoder's filter of ports is not for it. */
AT_MUST_USE enum at_err at_decoder_segment(struct at_decoder *d, const struct at_segment *seg);

#endif
