/*
 * pcapng.c: pcapng files (draft-ietf-opsawg-pcapng), section by section, block by block.
 *
 * libpcap reads them too, but only where all interfaces have the same link type; a capture of several interfaces, or
 * one that was merged, mostly has not.
 */
#include <stdlib.h>
#include <string.h>

#include "tracer/pcapng.h"

#define BLOCK_MAX ((uint32_t)16 << 20) /* bytes of a block */
#define INTERFACES_MAX 65536

enum {
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET_OLD = 2,
    BLOCK_PACKET_SIMPLE = 3,
    BLOCK_STATISTICS = 5,
    BLOCK_PACKET = 6,
    BLOCK_SECTION = 0x0a0d0d0a,
};

enum { OPTION_END = 0, OPTION_TSRESOL = 9, OPTION_TSOFFSET = 14, OPTION_IFDROP = 5, OPTION_OSDROP = 7 };

struct interface {
    uint32_t linktype, snaplen;
    uint64_t units; /* of a timestamp, in one second */
    int64_t offset_s;
    uint64_t os_drops, if_drops; /* as the latest statistics say */
};

struct at_pcapng {
    struct at_bytes *bytes;
    bool big, begun;
    struct interface *interfaces; /* of this section */
    size_t n_interfaces;
    uint64_t os_drops, if_drops; /* of sections before */
    uint8_t *block;
    size_t block_cap;
};

enum at_err at_pcapng_new(struct at_bytes *bytes, struct at_pcapng **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    (*out)->bytes = bytes;
    return AT_OK;
}

void at_pcapng_free(struct at_pcapng **p)
{
    if (!*p)
        return;
    free((*p)->interfaces);
    free((*p)->block);
    free(*p);
    *p = NULL;
}

static uint16_t get16(const struct at_pcapng *p, const uint8_t *at)
{
    return p->big ? at_get_u16be(at) : at_get_u16le(at);
}

static uint32_t get32(const struct at_pcapng *p, const uint8_t *at)
{
    return p->big ? at_get_u32be(at) : at_get_u32le(at);
}

static uint64_t get64(const struct at_pcapng *p, const uint8_t *at)
{
    return p->big ? at_get_u64be(at) : at_get_u64le(at);
}

/* The value of an option in a list of them, NULL where it is not there with that length at least. */
static const uint8_t *find_option(const struct at_pcapng *p, const uint8_t *at, size_t n, uint16_t wanted, size_t min)
{
    while (n >= 4) {
        uint16_t code = get16(p, at);
        size_t len = get16(p, at + 2), padded = (len + 3) & ~(size_t)3;
        if (code == OPTION_END || padded > n - 4)
            return NULL;
        if (code == wanted)
            return len >= min ? at + 4 : NULL;
        at += 4 + padded;
        n -= 4 + padded;
    }
    return NULL;
}

static enum at_err broken(struct at_why *why, const char *what)
{
    return at_fail(why, AT_BAD, "pcapng: %s", what);
}

/* if_tsresol: a power of ten, or with the high bit of two. */
static uint64_t units_of(uint8_t resolution)
{
    unsigned n = resolution & 0x7f;
    if (resolution & 0x80)
        return (uint64_t)1 << (n < 63 ? n : 63);
    uint64_t units = 1;
    for (unsigned i = 0; i < n && i < 19; i++)
        units *= 10;
    return units;
}

static enum at_err on_interface(struct at_pcapng *p, const uint8_t *body, size_t n, struct at_why *why)
{
    if (n < 8)
        return broken(why, "an interface description is too short");
    if (p->n_interfaces == INTERFACES_MAX)
        return broken(why, "too many interfaces");
    if ((p->n_interfaces & (p->n_interfaces - 1)) == 0) { /* full at each power of two */
        size_t cap = p->n_interfaces ? p->n_interfaces * 2 : 1;
        struct interface *grown = realloc(p->interfaces, cap * sizeof *grown);
        if (!grown)
            return at_fail(why, AT_NOMEM, "out of memory");
        p->interfaces = grown;
    }
    struct interface *i = &p->interfaces[p->n_interfaces++];
    *i = (struct interface){.linktype = get16(p, body), .snaplen = get32(p, body + 4), .units = 1000000};
    const uint8_t *resolution = find_option(p, body + 8, n - 8, OPTION_TSRESOL, 1);
    const uint8_t *offset = find_option(p, body + 8, n - 8, OPTION_TSOFFSET, 8);
    if (resolution)
        i->units = units_of(*resolution);
    if (offset)
        i->offset_s = (int64_t)get64(p, offset);
    return AT_OK;
}

static void on_statistics(struct at_pcapng *p, const uint8_t *body, size_t n)
{
    if (n < 12 || get32(p, body) >= p->n_interfaces)
        return;
    struct interface *i = &p->interfaces[get32(p, body)];
    const uint8_t *if_drop = find_option(p, body + 12, n - 12, OPTION_IFDROP, 8);
    const uint8_t *os_drop = find_option(p, body + 12, n - 12, OPTION_OSDROP, 8);
    if (if_drop)
        i->if_drops = get64(p, if_drop);
    if (os_drop)
        i->os_drops = get64(p, os_drop);
}

static int64_t time_of(const struct interface *i, uint64_t t)
{
    __extension__ typedef unsigned __int128 wide;
    uint64_t seconds = t / i->units, us = (uint64_t)((wide)(t % i->units) * 1000000 / i->units);
    /* A time that does not fit wraps: no capture was made then. */
    return (int64_t)((seconds + (uint64_t)i->offset_s) * 1000000 + us);
}

/* A packet of interface `id`; `head` bytes of the body come before its data. */
static enum at_err give(struct at_pcapng *p, uint32_t id, uint64_t t, uint32_t caplen, uint32_t len, size_t head,
                        size_t n, struct at_packet *out, struct at_why *why)
{
    if (id >= p->n_interfaces)
        return broken(why, "a packet of an interface that was not described");
    if (caplen > n - head)
        return broken(why, "a packet is longer than its block");
    *out = (struct at_packet){.linktype = p->interfaces[id].linktype, .caplen = caplen, .len = len};
    out->data = p->block + head;
    out->t_us = time_of(&p->interfaces[id], t);
    return AT_OK;
}

static enum at_err on_packet(struct at_pcapng *p, uint32_t type, size_t n, struct at_packet *out, struct at_why *why)
{
    const uint8_t *b = p->block;
    if (type == BLOCK_PACKET_SIMPLE) {
        if (n < 4 || !p->n_interfaces)
            return broken(why, "a simple packet without an interface");
        uint32_t len = get32(p, b), caplen = len;
        if (p->interfaces[0].snaplen && caplen > p->interfaces[0].snaplen)
            caplen = p->interfaces[0].snaplen;
        return give(p, 0, 0, caplen, len, 4, n, out, why);
    }
    if (n < 20)
        return broken(why, "a packet block is too short");
    uint32_t id = type == BLOCK_PACKET ? get32(p, b) : get16(p, b);
    uint64_t t = (uint64_t)get32(p, b + 4) << 32 | get32(p, b + 8);
    return give(p, id, t, get32(p, b + 12), get32(p, b + 16), 20, n, out, why);
}

static void leave_section(struct at_pcapng *p)
{
    at_pcapng_drops(p, &p->os_drops, &p->if_drops);
    p->n_interfaces = 0;
}

static enum at_err read_exactly(struct at_pcapng *p, void *out, size_t n, size_t *got, struct at_why *why)
{
    enum at_err err = at_bytes_read_all(p->bytes, out, n, got, why);
    return err ? err : *got == n ? AT_OK : broken(why, "cut off in the middle of a block");
}

/* A section header tells the byte order of all that follows, its own length included. */
static enum at_err read_order(struct at_pcapng *p, uint8_t head[12], struct at_why *why)
{
    size_t got;
    enum at_err err = read_exactly(p, head + 8, 4, &got, why);
    if (err)
        return err;
    uint32_t magic = at_get_u32be(head + 8);
    if (magic != 0x1a2b3c4d && magic != 0x4d3c2b1a)
        return broken(why, "a section without a byte order");
    leave_section(p);
    p->big = magic == 0x1a2b3c4d;
    p->begun = true;
    return AT_OK;
}

/* Reads a block's body into p->block, and its end. `done`: bytes of the body that were read already. */
static enum at_err read_body(struct at_pcapng *p, uint32_t total, size_t done, size_t *n, struct at_why *why)
{
    if (total < 12 + done || total % 4 || total > BLOCK_MAX)
        return broken(why, "a block with an impossible length");
    size_t rest = total - 8 - done, got;
    if (rest > p->block_cap) {
        uint8_t *grown = realloc(p->block, rest);
        if (!grown)
            return at_fail(why, AT_NOMEM, "out of memory");
        p->block = grown;
        p->block_cap = rest;
    }
    enum at_err err = read_exactly(p, p->block, rest, &got, why);
    if (err)
        return err;
    *n = rest - 4;
    return get32(p, p->block + *n) == total ? AT_OK : broken(why, "a block whose two lengths differ");
}

enum at_err at_pcapng_next(struct at_pcapng *p, struct at_packet *out, struct at_why *why)
{
    for (;;) {
        uint8_t head[12];
        size_t got, n = 0;
        enum at_err err = at_bytes_read_all(p->bytes, head, 8, &got, why);
        if (!err && got == 0)
            return p->begun ? AT_END : broken(why, "an empty file");
        if (!err && got < 8)
            err = broken(why, "cut off in the middle of a block");
        bool section = !err && at_get_u32be(head) == BLOCK_SECTION; /* the same in both byte orders */
        if (section)
            err = read_order(p, head, why);
        if (!err && !p->begun)
            err = broken(why, "no section header");
        if (!err)
            err = read_body(p, get32(p, head + 4), section ? 4 : 0, &n, why);
        if (err)
            return err;
        switch (section ? BLOCK_SECTION : get32(p, head)) {
        case BLOCK_INTERFACE:
            err = on_interface(p, p->block, n, why);
            break;
        case BLOCK_STATISTICS:
            on_statistics(p, p->block, n);
            break;
        case BLOCK_PACKET:
        case BLOCK_PACKET_OLD:
        case BLOCK_PACKET_SIMPLE:
            return on_packet(p, get32(p, head), n, out, why);
        default: /* names, secrets, comments, private blocks */
            break;
        }
        if (err)
            return err;
    }
}

void at_pcapng_drops(const struct at_pcapng *p, uint64_t *kernel, uint64_t *interface)
{
    *kernel = p->os_drops;
    *interface = p->if_drops;
    for (size_t i = 0; i < p->n_interfaces; i++) {
        *kernel += p->interfaces[i].os_drops;
        *interface += p->interfaces[i].if_drops;
    }
}

bool at_pcapng_unknown_link(const struct at_pcapng *p, bool (*is_known)(uint32_t linktype), uint32_t *linktype)
{
    for (size_t i = 0; i < p->n_interfaces; i++) {
        *linktype = p->interfaces[i].linktype;
        if (!is_known(*linktype))
            return true;
    }
    return false;
}
