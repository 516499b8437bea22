/* capture.c: packets from a file, a pipe or interfaces, by libpcap. */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tracer/packet.h"
#include "tracer/pcapng.h"

#define WAIT_MS 100
#define SNAPLEN 262144
#define BUFFER_BYTES (16 * 1024 * 1024)

struct device {
    pcap_t *pcap;
    uint32_t linktype;
    bool ready; /* may have packets without waiting */
};

/* A filter of a file, for one link type. */
struct filter {
    uint32_t linktype;
    struct bpf_program program;
};
#define FILTERS_MAX 16
#define LINKTYPES 300u /* more than there are */

struct at_capture {
    const char *file;
    struct at_bytes *source;
    struct at_why source_why; /* why reading from the source failed */
    enum at_err source_err;
    struct at_pcapng *pcapng;
    struct device *devices;
    size_t n_devices, turn;
    const char *filter_text; /* of a file */
    struct filter filters[FILTERS_MAX];
    size_t n_filters;
    bool is_file, polled;
    uint64_t packets, known_packets;
};

/* Some DLT_ values of libpcap differ from the LINKTYPE_ of files. */
static uint32_t linktype_of(int dlt)
{
    switch (dlt) {
    case DLT_RAW:
        return 101;
    case DLT_C_HDLC:
        return 104;
    case DLT_PPP_SERIAL:
        return 50;
    case DLT_PPP_ETHER:
        return 51;
    default:
        return (uint32_t)dlt;
    }
}

static int dlt_of(uint32_t linktype)
{
    switch (linktype) {
    case 101:
        return DLT_RAW;
    case 104:
        return DLT_C_HDLC;
    case 50:
        return DLT_PPP_SERIAL;
    case 51:
        return DLT_PPP_ETHER;
    default:
        return (int)linktype;
    }
}

static enum at_err unknown_link(uint32_t linktype, const char *where, struct at_why *why)
{
    const char *name = pcap_datalink_val_to_name(dlt_of(linktype));
    return at_fail(why, AT_BAD, "link type %u (%s) cannot be decoded%s%s", linktype, name ? name : "unknown",
                   where ? ", " : "", where ? where : "");
}

static enum at_err check_link(struct device *d, const char *where, struct at_why *why)
{
    d->linktype = linktype_of(pcap_datalink(d->pcap));
    return at_link_known(d->linktype) ? AT_OK : unknown_link(d->linktype, where, why);
}

/* ---- Files */

static ssize_t cookie_read(void *cookie, char *out, size_t n)
{
    struct at_capture *c = cookie;
    size_t got = 0;
    c->source_err = at_bytes_read(c->source, out, n, &got, &c->source_why);
    return c->source_err ? -1 : (ssize_t)got;
}

static int cookie_close(void *cookie)
{
    struct at_capture *c = cookie;
    at_bytes_close(&c->source);
    return 0;
}

/* Adds the filter for a link type that comes up. */
static enum at_err add_filter(struct at_capture *c, uint32_t linktype, struct at_why *why)
{
    if (c->n_filters == FILTERS_MAX)
        return at_fail(why, AT_LIMIT, "too many link types for a filter");
    struct filter *f = &c->filters[c->n_filters];
    pcap_t *dead = pcap_open_dead(dlt_of(linktype), SNAPLEN);
    if (!dead)
        return at_fail(why, AT_NOMEM, "out of memory");
    enum at_err err = AT_OK;
    f->linktype = linktype;
    if (pcap_compile(dead, &f->program, c->filter_text, 1, PCAP_NETMASK_UNKNOWN))
        err = at_fail(why, AT_BAD, "filter '%s': %s", c->filter_text, pcap_geterr(dead));
    else
        c->n_filters++;
    pcap_close(dead);
    return err;
}

static struct filter *find_filter(struct at_capture *c, uint32_t linktype)
{
    for (size_t i = 0; i < c->n_filters; i++)
        if (c->filters[i].linktype == linktype)
            return &c->filters[i];
    return NULL;
}

/* All that may come up, while names of hosts can be looked up yet. What fails is tried again when it does come up. */
static void add_filters(struct at_capture *c)
{
    struct at_why why;
    for (uint32_t linktype = 0; linktype < LINKTYPES; linktype++)
        if (at_link_known(linktype))
            (void)!add_filter(c, linktype, &why);
}

static enum at_err passes(struct at_capture *c, const struct at_packet *p, bool *yes, struct at_why *why)
{
    *yes = true;
    if (!c->filter_text)
        return AT_OK;
    struct filter *f = find_filter(c, p->linktype);
    enum at_err err = f ? AT_OK : add_filter(c, p->linktype, why);
    if (!err && !f)
        f = &c->filters[c->n_filters - 1];
    struct pcap_pkthdr h = {.caplen = (bpf_u_int32)p->caplen, .len = (bpf_u_int32)p->len};
    if (!err)
        *yes = pcap_offline_filter(&f->program, &h, p->data) != 0;
    return err;
}

static enum at_err open_pcap(struct at_capture *c, struct at_why *why)
{
    char text[PCAP_ERRBUF_SIZE] = "";
    c->devices = calloc(1, sizeof *c->devices);
    cookie_io_functions_t io = {.read = cookie_read, .close = cookie_close};
    FILE *stream = c->devices ? fopencookie(c, "r", io) : NULL;
    if (!stream)
        return at_fail(why, AT_NOMEM, "out of memory");
    setvbuf(stream, NULL, _IOFBF, 65536);
    c->devices[0].pcap = pcap_fopen_offline(stream, text);
    if (!c->devices[0].pcap) {
        fclose(stream);
        if (c->source_err)
            return at_fail(why, c->source_err, "%s", c->source_why.text);
        return at_fail(why, AT_BAD, "%s", text);
    }
    c->n_devices = 1;
    enum at_err err = check_link(&c->devices[0], NULL, why);
    return err || !c->filter_text || find_filter(c, c->devices[0].linktype)
               ? err
               : add_filter(c, c->devices[0].linktype, why);
}

static enum at_err open_file(struct at_capture *c, struct at_why *why)
{
    uint8_t magic[4] = {0};
    size_t got;
    enum at_err err = at_bytes_open(c->file, &c->source, why);
    if (!err)
        err = at_bytes_peek(c->source, magic, sizeof magic, &got, why);
    if (err)
        return err;
    if (at_get_u32be(magic) != 0x0a0d0d0a)
        return open_pcap(c, why);
    return at_pcapng_new(c->source, &c->pcapng) ? at_fail(why, AT_NOMEM, "out of memory") : AT_OK;
}

static enum at_err next_of_pcap(struct at_capture *c, struct at_packet *p, struct at_why *why)
{
    struct pcap_pkthdr *h;
    const u_char *data;
    int rc = pcap_next_ex(c->devices[0].pcap, &h, &data);
    if (rc == PCAP_ERROR_BREAK)
        return AT_END;
    if (rc != 1)
        return c->source_err ? at_fail(why, c->source_err, "%s", c->source_why.text)
                             : at_fail(why, AT_BAD, "%s", pcap_geterr(c->devices[0].pcap));
    *p = (struct at_packet){.linktype = c->devices[0].linktype, .data = data, .caplen = h->caplen, .len = h->len};
    p->t_us = (int64_t)h->ts.tv_sec * 1000000 + h->ts.tv_usec;
    return AT_OK;
}

/* At the end of a pcapng file: nothing in it could be decoded, for want of a link type. */
static enum at_err end_of_pcapng(const struct at_capture *c, struct at_why *why)
{
    uint32_t linktype;
    if (c->known_packets == 0 && at_pcapng_unknown_link(c->pcapng, at_link_known, &linktype))
        return unknown_link(linktype, NULL, why);
    return AT_END;
}

static enum at_err next_of_file(struct at_capture *c, struct at_packet *p, struct at_why *why)
{
    for (bool yes = false; !yes;) {
        struct at_why reason = {{0}};
        enum at_err err = c->pcapng ? at_pcapng_next(c->pcapng, p, &reason) : next_of_pcap(c, p, &reason);
        if (err == AT_END)
            return c->pcapng ? end_of_pcapng(c, why) : AT_END;
        if (err)
            return at_fail(why, err, "%s, after packet %llu", reason.text, (unsigned long long)c->packets);
        p->number = ++c->packets;
        c->known_packets += at_link_known(p->linktype);
        err = passes(c, p, &yes, why);
        if (err)
            return err;
    }
    return AT_OK;
}

/* ---- Interfaces */

static enum at_err permission(const char *name, struct at_why *why)
{
    char self[160];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    return at_fail(why, AT_IO, "%s: no permission to capture; run as root, or once: sudo setcap cap_net_raw+ep %s",
                   name, n > 0 ? self : "authtape");
}

/*
 * What goes over the loopback comes to a capture twice, as it leaves and as it arrives; libpcap drops the former, but
 * they take half of the kernel's buffer, and count as drops when it is full. Where the kernel can, it leaves them out.
 */
static void ignore_outgoing(const struct device *d, const char *name)
{
#ifdef PACKET_IGNORE_OUTGOING
    struct ifreq request = {0};
    const int yes = 1;
    int fd = pcap_fileno(d->pcap);
    if (fd < 0 || strlen(name) >= sizeof request.ifr_name)
        return;
    memcpy(request.ifr_name, name, strlen(name));
    if (!ioctl(fd, SIOCGIFFLAGS, &request) && request.ifr_flags & IFF_LOOPBACK)
        (void)setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
#else
    (void)d, (void)name;
#endif
}

static enum at_err open_device(struct device *d, const char *name, const struct at_capture_options *o,
                               struct at_why *why)
{
    char text[PCAP_ERRBUF_SIZE] = "";
    d->pcap = pcap_create(name, text);
    if (!d->pcap)
        return at_fail(why, AT_IO, "%s: %s", name, text);
    pcap_set_snaplen(d->pcap, o->snaplen ? (int)o->snaplen : SNAPLEN);
    pcap_set_promisc(d->pcap, 1);
    pcap_set_timeout(d->pcap, WAIT_MS);
    pcap_set_buffer_size(d->pcap, o->buffer_bytes ? (int)o->buffer_bytes : BUFFER_BYTES);
    if (o->immediate)
        pcap_set_immediate_mode(d->pcap, 1);
    int rc = pcap_activate(d->pcap);
    if (rc == PCAP_ERROR_PERM_DENIED || rc == PCAP_ERROR_PROMISC_PERM_DENIED)
        return permission(name, why);
    if (rc == PCAP_ERROR_NO_SUCH_DEVICE)
        return at_fail(why, AT_IO, "%s: no such interface", name);
    if (rc < 0) {
        const char *detail = pcap_geterr(d->pcap);
        return at_fail(why, AT_IO, "%s: %s%s%s", name, pcap_statustostr(rc), *detail ? ": " : "", detail);
    }
    ignore_outgoing(d, name);
    enum at_err err = check_link(d, name, why);
    if (!err && o->filter) {
        struct bpf_program program;
        if (pcap_compile(d->pcap, &program, o->filter, 1, PCAP_NETMASK_UNKNOWN))
            return at_fail(why, AT_BAD, "filter '%s': %s", o->filter, pcap_geterr(d->pcap));
        rc = pcap_setfilter(d->pcap, &program);
        pcap_freecode(&program);
        if (rc)
            return at_fail(why, AT_BAD, "filter '%s': %s", o->filter, pcap_geterr(d->pcap));
    }
    if (!err && pcap_setnonblock(d->pcap, 1, text))
        return at_fail(why, AT_IO, "%s: %s", name, text);
    return err;
}

static enum at_err open_live(struct at_capture *c, const struct at_capture_options *o, struct at_why *why)
{
    c->polled = o->polled;
    c->devices = calloc(o->n_interfaces, sizeof *c->devices);
    if (!c->devices)
        return at_fail(why, AT_NOMEM, "out of memory");
    for (size_t i = 0; i < o->n_interfaces; i++) {
        c->n_devices = i + 1;
        enum at_err err = open_device(&c->devices[i], o->interfaces[i], o, why);
        if (err)
            return err;
    }
    return AT_OK;
}

size_t at_capture_watch(struct at_capture *c, struct pollfd *fds, size_t room)
{
    size_t n = c->n_devices < room ? c->n_devices : room;
    for (size_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){.fd = pcap_get_selectable_fd(c->devices[i].pcap), .events = POLLIN};
    for (size_t i = 0; i < c->n_devices; i++)
        c->devices[i].ready = true;
    return n;
}

/* Waits until a device has something, WAIT_MS at most. */
static enum at_err wait_for_packets(struct at_capture *c, struct at_why *why)
{
    struct pollfd fds[64];
    size_t n = at_capture_watch(c, fds, 64);
    int rc = poll(fds, n, WAIT_MS);
    return rc < 0 && errno != EINTR ? at_fail(why, AT_IO, "%s", strerror(errno)) : AT_OK;
}

static enum at_err next_live(struct at_capture *c, struct at_packet *p, struct at_why *why)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < c->n_devices; i++, c->turn++) {
            struct device *d = &c->devices[c->turn % c->n_devices];
            struct pcap_pkthdr *h;
            const u_char *data;
            if (!d->ready)
                continue;
            int rc = pcap_next_ex(d->pcap, &h, &data);
            if (rc < 0)
                return at_fail(why, AT_IO, "%s", pcap_geterr(d->pcap));
            d->ready = rc == 1;
            if (rc == 0)
                continue;
            *p = (struct at_packet){.linktype = d->linktype, .data = data, .caplen = h->caplen, .len = h->len};
            p->t_us = (int64_t)h->ts.tv_sec * 1000000 + h->ts.tv_usec;
            p->number = ++c->packets;
            return AT_OK;
        }
        if (c->polled)
            break;
        enum at_err err = round == 0 ? wait_for_packets(c, why) : AT_OK;
        if (err)
            return err;
    }
    return AT_AGAIN;
}

/* ---- The handle */

enum at_err at_capture_open(const struct at_capture_options *options, struct at_capture **out, struct at_why *why)
{
    struct at_capture *c = calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return at_fail(why, AT_NOMEM, "out of memory");
    c->file = options->file;
    c->is_file = options->file != NULL;
    enum at_err err = c->is_file ? AT_OK : open_live(c, options, why);
    if (c->is_file && options->filter) {
        c->filter_text = options->filter;
        add_filters(c);
    }
    if (!err && !options->unread)
        err = at_capture_begin(c, why);
    if (err)
        at_capture_close(out);
    return err;
}

enum at_err at_capture_begin(struct at_capture *c, struct at_why *why)
{
    return c->is_file ? open_file(c, why) : AT_OK;
}

enum at_err at_capture_next(struct at_capture *c, struct at_packet *p, struct at_why *why)
{
    return c->is_file ? next_of_file(c, p, why) : next_live(c, p, why);
}

void at_capture_drops(struct at_capture *c, struct at_ledger *ledger)
{
    if (c->pcapng) {
        uint64_t kernel, interface;
        at_pcapng_drops(c->pcapng, &kernel, &interface);
        ledger->kernel_drops += kernel;
        ledger->interface_drops += interface;
    }
    for (size_t i = 0; i < c->n_devices && !c->is_file; i++) {
        struct pcap_stat s;
        if (pcap_stats(c->devices[i].pcap, &s))
            continue;
        ledger->kernel_drops += s.ps_drop;
        ledger->interface_drops += s.ps_ifdrop;
    }
}

void at_capture_close(struct at_capture **capture)
{
    struct at_capture *c = *capture;
    if (!c)
        return;
    for (size_t i = 0; i < c->n_filters; i++)
        pcap_freecode(&c->filters[i].program);
    at_pcapng_free(&c->pcapng);
    for (size_t i = 0; i < c->n_devices; i++)
        if (c->devices[i].pcap)
            pcap_close(c->devices[i].pcap);
    at_bytes_close(&c->source);
    free(c->devices);
    free(c);
    *capture = NULL;
}
