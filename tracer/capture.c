/* capture.c: packets from a file, a pipe or interfaces, by libpcap. */
#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/bytes.h"
#include "tracer/packet.h"

#define WAIT_MS 100
#define SNAPLEN 262144
#define BUFFER_BYTES (16 * 1024 * 1024)

struct device {
    pcap_t *pcap;
    uint32_t linktype;
    bool ready; /* may have packets without waiting */
};

struct at_capture {
    struct at_bytes *source;
    struct at_why source_why; /* why reading from the source failed */
    enum at_err source_err;
    struct device *devices;
    size_t n_devices, turn;
    struct bpf_program filter; /* of a file */
    bool has_filter, is_file;
    uint64_t packets;
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

static enum at_err check_link(struct device *d, const char *where, struct at_why *why)
{
    int dlt = pcap_datalink(d->pcap);
    d->linktype = linktype_of(dlt);
    if (at_link_known(d->linktype))
        return AT_OK;
    const char *name = pcap_datalink_val_to_name(dlt);
    return at_fail(why, AT_BAD, "link type %d (%s) cannot be decoded%s%s", dlt, name ? name : "unknown",
                   where ? ", " : "", where ? where : "");
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

static enum at_err open_file(struct at_capture *c, const struct at_capture_options *o, struct at_why *why)
{
    char text[PCAP_ERRBUF_SIZE] = "";
    c->is_file = true;
    c->devices = calloc(1, sizeof *c->devices);
    if (!c->devices)
        return at_fail(why, AT_NOMEM, "out of memory");
    enum at_err err = at_bytes_open(o->file, &c->source, why);
    if (err)
        return err;
    cookie_io_functions_t io = {.read = cookie_read, .close = cookie_close};
    FILE *stream = fopencookie(c, "r", io);
    if (!stream)
        return at_fail(why, AT_NOMEM, "out of memory");
    c->devices[0].pcap = pcap_fopen_offline(stream, text);
    c->n_devices = 1;
    if (!c->devices[0].pcap) {
        fclose(stream);
        c->n_devices = 0;
        if (c->source_err)
            return at_fail(why, c->source_err, "%s", c->source_why.text);
        return at_fail(why, AT_BAD, "%s", text);
    }
    err = check_link(&c->devices[0], NULL, why);
    if (!err && o->filter) {
        if (pcap_compile(c->devices[0].pcap, &c->filter, o->filter, 1, PCAP_NETMASK_UNKNOWN))
            return at_fail(why, AT_BAD, "filter '%s': %s", o->filter, pcap_geterr(c->devices[0].pcap));
        c->has_filter = true;
    }
    return err;
}

static enum at_err next_of_file(struct at_capture *c, struct at_packet *p, struct at_why *why)
{
    pcap_t *pcap = c->devices[0].pcap;
    struct pcap_pkthdr *h;
    const u_char *data;
    do {
        int rc = pcap_next_ex(pcap, &h, &data);
        if (rc == PCAP_ERROR_BREAK)
            return AT_END;
        if (rc != 1 && c->source_err)
            return at_fail(why, c->source_err, "%s, after packet %llu", c->source_why.text,
                           (unsigned long long)c->packets);
        if (rc != 1)
            return at_fail(why, AT_BAD, "%s, after packet %llu", pcap_geterr(pcap), (unsigned long long)c->packets);
        c->packets++;
    } while (c->has_filter && !pcap_offline_filter(&c->filter, h, data));
    p->t_us = (int64_t)h->ts.tv_sec * 1000000 + h->ts.tv_usec;
    p->number = c->packets;
    p->linktype = c->devices[0].linktype;
    p->data = data;
    p->caplen = h->caplen;
    p->len = h->len;
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

/* Waits until a device has something, WAIT_MS at most. */
static enum at_err wait_for_packets(struct at_capture *c, struct at_why *why)
{
    struct pollfd fds[64];
    size_t n = c->n_devices < 64 ? c->n_devices : 64;
    for (size_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){.fd = pcap_get_selectable_fd(c->devices[i].pcap), .events = POLLIN};
    int rc = poll(fds, n, WAIT_MS);
    if (rc < 0 && errno != EINTR)
        return at_fail(why, AT_IO, "%s", strerror(errno));
    for (size_t i = 0; i < c->n_devices; i++)
        c->devices[i].ready = true;
    return AT_OK;
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
    enum at_err err = options->file ? open_file(c, options, why) : open_live(c, options, why);
    if (err)
        at_capture_close(out);
    return err;
}

enum at_err at_capture_next(struct at_capture *c, struct at_packet *p, struct at_why *why)
{
    return c->is_file ? next_of_file(c, p, why) : next_live(c, p, why);
}

void at_capture_drops(struct at_capture *c, struct at_ledger *ledger)
{
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
    if (c->has_filter)
        pcap_freecode(&c->filter);
    for (size_t i = 0; i < c->n_devices; i++)
        if (c->devices[i].pcap)
            pcap_close(c->devices[i].pcap);
    at_bytes_close(&c->source);
    free(c->devices);
    free(c);
    *capture = NULL;
}
