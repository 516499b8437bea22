/* packets.h: a TCP connection made by hand, for tests of the decoder: raw IPv4 packets, one at a time. */
#ifndef AUTHTAPE_TEST_PACKETS_H
#define AUTHTAPE_TEST_PACKETS_H

#include <string.h>

#include "tracer/tracer.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

struct wire {
    struct at_decoder *decoder;
    uint32_t seq[2]; /* the next of each end; end 0 is the client */
    uint16_t port;   /* of the client */
    int64_t t_us;
    uint64_t number;
};

static inline size_t make_packet(uint8_t *out, const struct wire *w, int end, uint32_t seq, int flags, const void *data,
                                 size_t len)
{
    memset(out, 0, 40);
    size_t total = 40 + len;
    out[0] = 0x45;
    out[2] = (uint8_t)(total >> 8);
    out[3] = (uint8_t)total;
    out[8] = 64;
    out[9] = 6;
    out[12] = out[16] = 10;
    out[15] = end ? 2 : 1;
    out[19] = end ? 1 : 2;
    uint16_t ports[2] = {w->port, 80};
    for (int e = 0; e < 2; e++) {
        out[20 + 2 * e] = (uint8_t)(ports[e ^ end] >> 8);
        out[21 + 2 * e] = (uint8_t)ports[e ^ end];
    }
    for (int i = 0; i < 4; i++) {
        out[24 + i] = (uint8_t)(seq >> (24 - 8 * i));
        out[28 + i] = (uint8_t)(flags & ACK ? w->seq[!end] >> (24 - 8 * i) : 0);
    }
    out[32] = 0x50;
    out[33] = (uint8_t)flags;
    if (len)
        memcpy(out + 40, data, len);
    return total;
}

/* A segment at any place; moves nothing. */
static inline enum at_err wire_at(struct wire *w, int end, uint32_t seq, int flags, const void *data, size_t len)
{
    static uint8_t room[65536];
    len = len < sizeof room - 40 ? len : sizeof room - 40;
    struct at_packet p = {.linktype = 101, .data = room};
    p.len = p.caplen = make_packet(room, w, end, seq, flags, data, len);
    p.t_us = w->t_us += 10;
    p.number = ++w->number;
    return at_decoder_packet(w->decoder, &p);
}

static inline enum at_err wire_send(struct wire *w, int end, const void *data, size_t len)
{
    enum at_err err = wire_at(w, end, w->seq[end], ACK, data, len);
    w->seq[end] += (uint32_t)len;
    return err;
}

/* Bytes that were sent but not captured. */
static inline void wire_lose(struct wire *w, int end, size_t len)
{
    w->seq[end] += (uint32_t)len;
}

static inline enum at_err wire_open(struct wire *w)
{
    enum at_err err = wire_at(w, 0, w->seq[0]++, SYN, NULL, 0);
    if (!err)
        err = wire_at(w, 1, w->seq[1]++, SYN | ACK, NULL, 0);
    return err ? err : wire_at(w, 0, w->seq[0], ACK, NULL, 0);
}

static inline enum at_err wire_fin(struct wire *w, int end)
{
    return wire_at(w, end, w->seq[end]++, FIN | ACK, NULL, 0);
}

/* What goes in equals what comes out plus what the ledger has, to the byte. Holds after at_decoder_finish. */
static inline bool books_balance(const struct at_ledger *l)
{
    return l->packet_bytes ==
               l->header_bytes + l->other_bytes + l->malformed_bytes + l->fragment_bytes + l->tcp_bytes &&
           l->tcp_bytes == l->tcp_duplicate_bytes + l->decoded_bytes + l->undecoded_bytes + l->evicted_bytes;
}

#endif
