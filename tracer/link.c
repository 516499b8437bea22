/* link.c: link layers, down to IP. */
#include "tracer/packet.h"

enum { /* as in a pcap file */
       LINK_NULL = 0,
       LINK_ETHERNET = 1,
       LINK_PPP = 9,
       LINK_PPP_HDLC = 50,
       LINK_PPP_ETHER = 51,
       LINK_RAW = 101,
       LINK_C_HDLC = 104,
       LINK_LOOP = 108,
       LINK_SLL = 113,
       LINK_IPV4 = 228,
       LINK_IPV6 = 229,
       LINK_SLL2 = 276,
};

enum {
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_TEB = 0x6558, /* transparent Ethernet bridging, in GRE and Geneve */
    TYPE_PPPOE = 0x8864,
    TYPE_MPLS = 0x8847,
    TYPE_MPLS_UPSTREAM = 0x8848,
    TYPE_VLAN = 0x8100,
    TYPE_QINQ = 0x88a8,
    TYPE_QINQ_OLD = 0x9100,
    TYPE_QINQ_OLDER = 0x9200,
};

#define MAX_TAGS 16 /* VLAN tags and MPLS labels in one frame */

bool at_link_known(uint32_t linktype)
{
    switch (linktype) {
    case LINK_NULL:
    case LINK_ETHERNET:
    case LINK_PPP:
    case LINK_PPP_HDLC:
    case LINK_PPP_ETHER:
    case LINK_RAW:
    case LINK_C_HDLC:
    case LINK_LOOP:
    case LINK_SLL:
    case LINK_IPV4:
    case LINK_IPV6:
    case LINK_SLL2:
        return true;
    default:
        return false;
    }
}

/* By the version in its first four bits. */
static enum at_net raw_ip(const struct at_span *s)
{
    if (s->len == 0)
        return AT_NET_BAD;
    return s->ptr[0] >> 4 == 4 ? AT_NET_IPV4 : s->ptr[0] >> 4 == 6 ? AT_NET_IPV6 : AT_NET_OTHER;
}

/* BSD loopback: an address family in the byte order of the machine that captured. */
static enum at_net family(struct at_span *s)
{
    if (s->len < 4)
        return AT_NET_BAD;
    uint32_t little = at_get_u32le(s->ptr), big = at_get_u32be(s->ptr);
    uint32_t af = little < big ? little : big;
    at_span_take(s, 4);
    switch (af) {
    case 2:
        return AT_NET_IPV4;
    case 10: /* Linux */
    case 24: /* NetBSD, OpenBSD */
    case 28: /* FreeBSD */
    case 30: /* macOS */
        return AT_NET_IPV6;
    default:
        return AT_NET_OTHER;
    }
}

/* What follows a PPP protocol field; RFC 1661, section 2: one byte where its low bit is set. */
static enum at_net ppp_protocol(struct at_span *s)
{
    if (s->len < 1)
        return AT_NET_BAD;
    uint16_t protocol = s->ptr[0];
    size_t n = 1;
    if (!(protocol & 1)) {
        if (s->len < 2)
            return AT_NET_BAD;
        protocol = at_get_u16be(s->ptr);
        n = 2;
    }
    at_span_take(s, n);
    switch (protocol) {
    case 0x21:
        return AT_NET_IPV4;
    case 0x57:
        return AT_NET_IPV6;
    case 0x281:
        return at_ethertype_strip(TYPE_MPLS, s);
    default:
        return AT_NET_OTHER;
    }
}

static enum at_net ppp(struct at_span *s)
{
    if (s->len >= 2 && s->ptr[0] == 0xff && s->ptr[1] == 0x03) /* HDLC-like framing, RFC 1662 */
        at_span_take(s, 2);
    return ppp_protocol(s);
}

/* A PPPoE session frame (RFC 2516, section 4). */
static enum at_net pppoe(struct at_span *s)
{
    if (s->len < 6 || s->ptr[0] != 0x11)
        return AT_NET_BAD;
    if (s->ptr[1] != 0) /* not session data */
        return AT_NET_OTHER;
    size_t length = at_get_u16be(s->ptr + 4);
    at_span_take(s, 6);
    at_span_trim(s, length);
    return ppp_protocol(s);
}

/* IEEE 802.3 with a length instead of a type: SNAP may carry a type (RFC 1042). */
static enum at_net llc(uint16_t length, struct at_span *s)
{
    at_span_trim(s, length);
    if (s->len >= 8 && s->ptr[0] == 0xaa && s->ptr[1] == 0xaa && s->ptr[2] == 3 && !s->ptr[3] && !s->ptr[4] &&
        !s->ptr[5]) {
        uint16_t type = at_get_u16be(s->ptr + 6);
        at_span_take(s, 8);
        return type >= 1536 ? at_ethertype_strip(type, s) : AT_NET_OTHER;
    }
    if (s->len >= 3 && s->ptr[0] == 6 && s->ptr[1] == 6 && s->ptr[2] == 3) { /* the SAP of IP */
        at_span_take(s, 3);
        return raw_ip(s);
    }
    return AT_NET_OTHER;
}

/* MPLS labels (RFC 3032); below the last one there is IP, or Ethernet behind a control word (RFC 4448). */
static enum at_net mpls(struct at_span *s)
{
    for (int i = 0; i < MAX_TAGS; i++) {
        if (s->len < 4)
            return AT_NET_BAD;
        bool bottom = s->ptr[2] & 1;
        at_span_take(s, 4);
        if (!bottom)
            continue;
        if (s->len > 4 && s->ptr[0] == 0) {
            at_span_take(s, 4);
            return at_ethernet_strip(s);
        }
        return raw_ip(s);
    }
    return AT_NET_BAD;
}

enum at_net at_ethertype_strip(uint16_t type, struct at_span *s)
{
    for (int i = 0; i < MAX_TAGS; i++) {
        switch (type) {
        case TYPE_IPV4:
            return AT_NET_IPV4;
        case TYPE_IPV6:
            return AT_NET_IPV6;
        case TYPE_MPLS:
        case TYPE_MPLS_UPSTREAM:
            return mpls(s);
        case TYPE_PPPOE:
            return pppoe(s);
        case TYPE_VLAN:
        case TYPE_QINQ:
        case TYPE_QINQ_OLD:
        case TYPE_QINQ_OLDER:
            if (s->len < 4)
                return AT_NET_BAD;
            type = at_get_u16be(s->ptr + 2);
            at_span_take(s, 4);
            break;
        case TYPE_TEB:
            if (s->len < 14)
                return AT_NET_BAD;
            type = at_get_u16be(s->ptr + 12);
            at_span_take(s, 14);
            break;
        default:
            return type < 1536 ? llc(type, s) : AT_NET_OTHER;
        }
    }
    return AT_NET_BAD;
}

enum at_net at_ethernet_strip(struct at_span *s)
{
    return at_ethertype_strip(TYPE_TEB, s);
}

/* A header of `n` bytes with the EtherType at `at`. */
static enum at_net typed(struct at_span *s, size_t n, size_t at)
{
    if (s->len < n)
        return AT_NET_BAD;
    uint16_t type = at_get_u16be(s->ptr + at);
    at_span_take(s, n);
    return at_ethertype_strip(type, s);
}

enum at_net at_link_strip(uint32_t linktype, struct at_span *s)
{
    switch (linktype) {
    case LINK_NULL:
    case LINK_LOOP:
        return family(s);
    case LINK_ETHERNET:
        return at_ethernet_strip(s);
    case LINK_PPP:
    case LINK_PPP_HDLC:
        return ppp(s);
    case LINK_PPP_ETHER:
        return pppoe(s);
    case LINK_RAW:
    case LINK_IPV4:
    case LINK_IPV6:
        return raw_ip(s);
    case LINK_C_HDLC:
        return typed(s, 4, 2);
    case LINK_SLL:
        return typed(s, 16, 14);
    case LINK_SLL2:
        return typed(s, 20, 0);
    default:
        return AT_NET_OTHER;
    }
}
