/* ip.c: IPv4, IPv6, the tunnels in them, and the TCP header. */
#include <string.h>

#include "tracer/packet.h"

#define MAX_LAYERS 16 /* IP headers, extension headers aside, in one packet */
#define MAX_EXTENSIONS 16

enum {
    PROTO_HOPOPTS = 0,
    PROTO_IPIP = 4,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_IPV6 = 41,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_GRE = 47,
    PROTO_AH = 51,
    PROTO_DSTOPTS = 60,
    PROTO_MOBILITY = 135,
    PROTO_HIP = 139,
    PROTO_SHIM6 = 140,
};

enum { PORT_VXLAN = 4789, PORT_VXLAN_LINUX = 8472, PORT_GENEVE = 6081 };

/* A walk down one packet. */
struct walk {
    struct at_fragments *fragments;
    struct at_ledger *ledger;
    struct at_segment *out;
    struct at_span at; /* what is still to be decoded */
    size_t budget;     /* bytes that are not yet in the ledger */
    bool bad_checksum;
};

static uint16_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* RFC 1071: the sum of 16-bit words does not mind wider words nor their order of bytes (its section 2). */
static uint64_t sum16(const uint8_t *p, size_t n, uint64_t sum)
{
    uint64_t wide = 0, tail = 0;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v = at_get_u64le(p);
        wide += v;
        wide += wide < v; /* the carry goes around */
    }
    if (n & 1)
        tail = p[n - 1];
    if (n & 2)
        tail = tail << 16 | at_get_u16le(p + (n & 4));
    if (n & 4)
        tail = tail << 32 | at_get_u32le(p);
    wide += tail;
    wide += wide < tail;
    uint16_t little = fold(wide);
    return sum + (uint16_t)(little << 8 | little >> 8);
}

/* The same of some few words of four bytes. */
static inline uint64_t sum_words(const uint8_t *p, size_t n, uint64_t sum)
{
    for (size_t i = 0; i < n; i++)
        sum += at_get_u32be(p + 4 * i);
    return sum;
}

static bool sum_is_right(uint64_t sum)
{
    return fold(sum) == 0xffff;
}

static enum at_found tcp(struct walk *w)
{
    struct at_segment *seg = w->out;
    const uint8_t *p = w->at.ptr;
    if (w->at.len < 20)
        return AT_FOUND_BAD;
    size_t header = (size_t)(p[12] >> 4) * 4;
    if (header < 20 || header > w->at.wire)
        return AT_FOUND_BAD;
    if (w->at.len == w->at.wire) { /* RFC 9293, section 3.1; RFC 8200, section 8.1 */
        size_t n = seg->v6 ? 4 : 1;
        uint64_t sum = sum_words(seg->src, n, sum_words(seg->dst, n, (uint64_t)PROTO_TCP + w->at.wire));
        if (!sum_is_right(sum16(p, w->at.len, sum)))
            w->bad_checksum = true;
    }
    seg->sport = at_get_u16be(p);
    seg->dport = at_get_u16be(p + 2);
    seg->seq = at_get_u32be(p + 4);
    seg->ack = at_get_u32be(p + 8);
    seg->flags = p[13];
    if (!at_span_take(&w->at, header)) { /* cut within the options: the payload is all missing */
        w->at.wire -= header;
        w->at.ptr += w->at.len;
        w->at.len = 0;
    }
    seg->data = w->at.ptr;
    seg->len = w->at.len;
    seg->wire = w->at.wire;
    return AT_FOUND_TCP;
}

/* GRE (RFC 2784, RFC 2890), and PPTP's version 1 (RFC 2637). */
static enum at_net gre(struct at_span *s)
{
    if (s->len < 4)
        return AT_NET_BAD;
    uint16_t flags = at_get_u16be(s->ptr), type = at_get_u16be(s->ptr + 2);
    size_t n = 4;
    if (flags & 0x4000 || (flags & 7) > 1) /* source routing is long gone */
        return AT_NET_OTHER;
    n += flags & 0x8000 ? 4 : 0; /* checksum */
    n += flags & 0x2000 ? 4 : 0; /* key */
    n += flags & 0x1000 ? 4 : 0; /* sequence number */
    if ((flags & 7) == 1)
        n += flags & 0x0080 ? 4 : 0; /* acknowledgement */
    if (!at_span_take(s, n))
        return AT_NET_BAD;
    if (type == 0x880b) /* PPP */
        return at_link_strip(9, s);
    if (type == 0x88be && flags & 0x1000) /* ERSPAN type II: a mirrored Ethernet frame behind 8 bytes */
        return at_span_take(s, 8) ? at_ethernet_strip(s) : AT_NET_BAD;
    return at_ethertype_strip(type, s);
}

/* VXLAN (RFC 7348, section 5) and Geneve (RFC 8926, section 3.4). */
static enum at_net udp(struct at_span *s)
{
    if (s->len < 8)
        return AT_NET_BAD;
    uint16_t port = at_get_u16be(s->ptr + 2);
    uint16_t length = at_get_u16be(s->ptr + 4);
    at_span_take(s, 8);
    if (length >= 8)
        at_span_trim(s, (size_t)length - 8);
    if (port == PORT_VXLAN || port == PORT_VXLAN_LINUX) {
        if (s->len < 8 || !(s->ptr[0] & 0x08))
            return AT_NET_OTHER;
        at_span_take(s, 8);
        return at_ethernet_strip(s);
    }
    if (port == PORT_GENEVE) {
        if (s->len < 8 || s->ptr[0] >> 6 != 0)
            return AT_NET_OTHER;
        uint16_t type = at_get_u16be(s->ptr + 2);
        if (!at_span_take(s, 8 + (size_t)(s->ptr[0] & 0x3f) * 4))
            return AT_NET_BAD;
        return at_ethertype_strip(type, s);
    }
    return AT_NET_OTHER;
}

/* What an IP protocol number leads to: a verdict, or another network layer in `net`. */
static enum at_found transport(struct walk *w, uint8_t proto, enum at_net *net)
{
    switch (proto) {
    case PROTO_TCP:
        return tcp(w);
    case PROTO_IPIP:
        *net = AT_NET_IPV4;
        break;
    case PROTO_IPV6:
        *net = AT_NET_IPV6;
        break;
    case PROTO_GRE:
        *net = gre(&w->at);
        break;
    case PROTO_UDP:
        *net = udp(&w->at);
        break;
    default:
        return AT_FOUND_OTHER;
    }
    return *net == AT_NET_BAD ? AT_FOUND_BAD : *net == AT_NET_OTHER ? AT_FOUND_OTHER : AT_FOUND_MORE;
}

/* A fragment: true when the datagram is whole and `w->at` is its payload. */
static bool reassemble(struct walk *w, struct at_fragment *frag, uint8_t *proto)
{
    struct at_span whole;
    frag->t_us = w->out->t_us;
    frag->v6 = w->out->v6;
    memcpy(frag->src, w->out->src, 16);
    memcpy(frag->dst, w->out->dst, 16);
    frag->proto = *proto;
    /* This payload is now in the books of the fragments; that of the whole datagram comes back at the end. */
    w->ledger->header_bytes += w->budget - w->at.len;
    w->budget = 0;
    if (!w->fragments || !at_fragments_add(w->fragments, frag, w->at, w->ledger, &whole, proto))
        return false;
    w->at = whole;
    w->budget = whole.len;
    return true;
}

/* Takes the IPv4 header off. FOUND_TCP stands for "go on with *proto". */
static enum at_found ipv4(struct walk *w, uint8_t *proto)
{
    const uint8_t *p = w->at.ptr;
    if (w->at.len < 20 || p[0] >> 4 != 4)
        return AT_FOUND_BAD;
    size_t header = (size_t)(p[0] & 15) * 4, total = at_get_u16be(p + 2);
    if (header < 20 || header > w->at.len)
        return AT_FOUND_BAD;
    if (total == 0) { /* segmentation offload: the length is that of the packet */
        w->ledger->zero_length_packets++;
        total = w->at.wire;
    }
    if (total < header)
        return AT_FOUND_BAD;
    at_span_trim(&w->at, total);
    if (!sum_is_right(sum_words(p, header / 4, 0)))
        w->bad_checksum = true;
    memset(w->out->src, 0, 16);
    memset(w->out->dst, 0, 16);
    memcpy(w->out->src, p + 12, 4);
    memcpy(w->out->dst, p + 16, 4);
    w->out->v6 = false;
    *proto = p[9];
    uint16_t flags = at_get_u16be(p + 6);
    struct at_fragment frag = {.id = at_get_u16be(p + 4), .offset = (size_t)(flags & 0x1fff) * 8};
    frag.more = flags & 0x2000;
    at_span_take(&w->at, header);
    if ((frag.offset || frag.more) && !reassemble(w, &frag, proto))
        return AT_FOUND_MORE;
    return AT_FOUND_TCP;
}

/* The extension headers of RFC 8200, section 4, up to the transport. */
static enum at_found extensions(struct walk *w, uint8_t *proto)
{
    for (int i = 0; i < MAX_EXTENSIONS; i++) {
        const uint8_t *p = w->at.ptr;
        size_t n;
        uint8_t next;
        switch (*proto) {
        case PROTO_HOPOPTS:
        case PROTO_ROUTING:
        case PROTO_DSTOPTS:
        case PROTO_MOBILITY:
        case PROTO_HIP:
        case PROTO_SHIM6:
        case PROTO_AH:
            if (w->at.len < 8)
                return AT_FOUND_BAD;
            next = p[0];
            n = *proto == PROTO_AH ? ((size_t)p[1] + 2) * 4 : ((size_t)p[1] + 1) * 8;
            break;
        case PROTO_FRAGMENT:
            if (w->at.len < 8)
                return AT_FOUND_BAD;
            next = p[0];
            n = 8;
            break;
        default:
            return AT_FOUND_TCP;
        }
        bool fragment = *proto == PROTO_FRAGMENT;
        if (!at_span_take(&w->at, n))
            return AT_FOUND_BAD;
        *proto = next;
        if (!fragment)
            continue;
        struct at_fragment frag = {.id = at_get_u32be(p + 4), .offset = at_get_u16be(p + 2) & 0xfff8u};
        frag.more = p[3] & 1;
        if ((frag.offset || frag.more) && !reassemble(w, &frag, proto)) /* else: atomic, RFC 6946 */
            return AT_FOUND_MORE;
    }
    return AT_FOUND_BAD;
}

static enum at_found ipv6(struct walk *w, uint8_t *proto)
{
    const uint8_t *p = w->at.ptr;
    if (w->at.len < 40 || p[0] >> 4 != 6)
        return AT_FOUND_BAD;
    size_t payload = at_get_u16be(p + 4);
    memcpy(w->out->src, p + 8, 16);
    memcpy(w->out->dst, p + 24, 16);
    w->out->v6 = true;
    *proto = p[6];
    at_span_take(&w->at, 40);
    if (payload)
        at_span_trim(&w->at, payload);
    else if (*proto == PROTO_TCP) /* a jumbogram or offload; other protocols may have no payload at all */
        w->ledger->zero_length_packets++;
    return extensions(w, proto);
}

static enum at_found layers(struct walk *w, enum at_net net)
{
    for (int i = 0; i < MAX_LAYERS; i++) {
        uint8_t proto = 0;
        if (net == AT_NET_BAD)
            return AT_FOUND_BAD;
        if (net == AT_NET_OTHER)
            return AT_FOUND_OTHER;
        enum at_found found = net == AT_NET_IPV4 ? ipv4(w, &proto) : ipv6(w, &proto);
        if (found != AT_FOUND_TCP)
            return found;
        found = transport(w, proto, &net);
        if (found != AT_FOUND_MORE)
            return found;
    }
    return AT_FOUND_BAD;
}

enum at_found at_packet_walk(struct at_fragments *fragments, const struct at_packet *p, struct at_ledger *ledger,
                             struct at_segment *out)
{
    struct walk w = {.fragments = fragments, .ledger = ledger, .out = out};
    size_t wire = p->len < p->caplen ? p->caplen : p->len;
    w.at = (struct at_span){.ptr = p->data, .len = p->caplen, .wire = wire};
    w.budget = p->caplen;
    *out = (struct at_segment){.t_us = p->t_us, .packet = p->number};
    ledger->packets++;
    ledger->packet_bytes += p->caplen;
    ledger->packets_truncated += wire > p->caplen;
    enum at_found found = layers(&w, at_link_strip(p->linktype, &w.at));
    ledger->bad_checksums += w.bad_checksum;
    if (found == AT_FOUND_TCP) {
        ledger->header_bytes += w.budget - out->len;
        ledger->truncated_bytes += out->wire - out->len;
    } else if (found == AT_FOUND_BAD) {
        ledger->malformed_bytes += w.budget;
        ledger->packets_malformed++;
    } else if (found == AT_FOUND_OTHER) {
        ledger->other_bytes += w.budget;
        ledger->packets_other++;
    }
    return found;
}
