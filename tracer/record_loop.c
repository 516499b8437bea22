/* record_loop.c: one loop for all sources of a recording. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tracer/recording.h"

#define DRAIN_US (int64_t)500000 /* after a signal: what the kernel holds already is still read */
#define WAIT_MS 100
#define PACKETS 1024 /* read before the other sources get their turn */
#define WATCH_BYTES ((size_t)64 << 10)
#define WATCH_PACKETS 16u
#define WATCH_US (int64_t)100000
#define PACKET_COST (size_t)64 /* in the kernel's buffer, beside its bytes: at least */

/* ---- Signals */

static volatile sig_atomic_t stopping, rotating, telling;

static void on_signal(int signal)
{
    if (signal == SIGHUP)
        rotating = 1;
    else if (signal == SIGUSR1)
        telling = 1;
    else
        stopping = 1;
}

void at_recording_catch_signals(void)
{
    /* The second SIGINT kills at once; the others do not interrupt a read. */
    struct sigaction end = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND},
                     go_on = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGHUP, &go_on, NULL);
    sigaction(SIGUSR1, &go_on, NULL);
}

static enum at_err serve_signals(struct at_recording *r)
{
    enum at_err err = AT_OK;
    if (rotating) {
        rotating = 0;
        if (!r->file)
            err = at_taping_rotate(r->taping);
    }
    if (telling) {
        telling = 0;
        at_recording_tell_summary(r);
        at_recording_tell_losses(r);
    }
    return err;
}

/* ---- Time */

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Writes what senders wait for, then tells them. */
static enum at_err acknowledge(struct at_recording *r, bool all)
{
    if (!r->collector || !at_collector_is_due(r->collector, all))
        return AT_OK;
    enum at_err err = at_taping_flush(r->taping, r->sync);
    if (!err)
        at_collector_acknowledge(r->collector);
    return err;
}

/* The wall clock moves the events that wait, and the frame that is being filled. */
static enum at_err pass_time(struct at_recording *r)
{
    enum at_err err = r->file ? AT_OK : at_tracer_tick(r->tracer, clock_us(CLOCK_REALTIME));
    if (!err)
        err = at_taping_tick(r->taping, clock_us(CLOCK_MONOTONIC));
    return err ? err : acknowledge(r, false);
}

/* A line that replaces itself, while a long file is read on a terminal. */
static void show_progress(const struct at_recording *r, int64_t now_us, int64_t *shown_us)
{
    if (r->quiet || !isatty(STDERR_FILENO) || now_us - *shown_us < 500000)
        return;
    if (*shown_us)
        fprintf(stderr, "\r%llu packets", (unsigned long long)at_decoder_ledger(r->decoder)->packets);
    *shown_us = now_us;
}

/* ---- A file */

/* Packets until the end, a signal, or trouble of the source (*source_err) or of the tape. */
static enum at_err read_file(struct at_recording *r, enum at_err *source_err)
{
    struct at_packet packet;
    enum at_err err = AT_OK;
    int64_t shown_us = 0;
    for (unsigned n = 0; !err && !stopping; n++) {
        enum at_err got = at_capture_next(r->capture, &packet, &r->why);
        if (got) {
            *source_err = stopping ? AT_END : got;
            return AT_OK;
        }
        err = at_decoder_packet(r->decoder, &packet);
        if (!err && n % 256 == 0) {
            err = pass_time(r);
            show_progress(r, clock_us(CLOCK_MONOTONIC), &shown_us);
        }
        if (!err && (rotating || telling))
            err = serve_signals(r);
    }
    return err;
}

/* ---- Live sources */

static enum at_err wait_for_sources(struct at_recording *r)
{
    struct pollfd fds[AT_RECORD_LIST_MAX + 3];
    nfds_t n = r->capture ? at_capture_watch(r->capture, fds, AT_RECORD_LIST_MAX) : 0;
    int wait_ms = WAIT_MS;
    if (r->relay)
        fds[n++] = (struct pollfd){.fd = at_relay_fd(r->relay), .events = POLLIN};
    if (r->collector) {
        fds[n++] = (struct pollfd){.fd = at_collector_fd(r->collector), .events = POLLIN};
        int ms = at_collector_timeout_ms(r->collector);
        wait_ms = ms < wait_ms ? ms : wait_ms;
    }
    if (poll(fds, n, wait_ms) < 0 && errno != EINTR)
        return at_fail(&r->why, AT_IO, "%s", strerror(errno));
    return AT_OK;
}

/*
 * Has the kernel dropped packets? It does when its buffer is full, and the next packet is then behind all that is in
 * the buffer: blocks that are full, or span a tenth of a second; with --immediate, packets. So asked once for a small
 * part of it, the tracer knows before that packet is read.
 */
static enum at_err ask_for_drops(struct at_recording *r, int64_t packet_us)
{
    struct at_ledger ledger = {0};
    const struct drop_watch before = r->drops;
    int64_t now_us = clock_us(CLOCK_REALTIME);
    at_capture_drops(r->capture, &ledger);
    uint64_t dropped = ledger.kernel_drops + ledger.interface_drops;
    r->drops = (struct drop_watch){.asked_us = now_us, .packet_us = packet_us, .dropped = dropped};
    if (dropped <= before.dropped)
        return AT_OK;
    return at_tracer_lost(r->tracer, before.asked_us, clock_us(CLOCK_REALTIME));
}

/* Before a packet is decoded. */
static enum at_err watch_drops(struct at_recording *r, const struct at_packet *p)
{
    struct drop_watch *w = &r->drops;
    w->bytes += p->caplen + (r->capture_options.immediate ? WATCH_BYTES / WATCH_PACKETS : PACKET_COST);
    if (w->bytes < WATCH_BYTES && p->t_us >= w->packet_us && p->t_us - w->packet_us < WATCH_US)
        return AT_OK;
    return ask_for_drops(r, p->t_us);
}

/* What interfaces have by now, a turn's worth at most. */
static enum at_err take_packets(struct at_recording *r, enum at_err *source_err, bool *any)
{
    struct at_packet packet;
    enum at_err err = AT_OK;
    *any = false;
    for (unsigned n = 0; r->capture && n < PACKETS && !err; n++) {
        enum at_err got = at_capture_next(r->capture, &packet, &r->why);
        if (got == AT_AGAIN) {
            int64_t now_us = clock_us(CLOCK_REALTIME);
            return now_us - r->drops.asked_us < WATCH_US ? AT_OK : ask_for_drops(r, now_us);
        }
        if (got) {
            *source_err = got;
            return AT_OK;
        }
        err = watch_drops(r, &packet);
        if (!err)
            err = at_decoder_packet(r->decoder, &packet);
        *any = true;
    }
    return err;
}

/* All sources in turn, until a signal or trouble. */
static enum at_err listen_to_all(struct at_recording *r, enum at_err *source_err)
{
    enum at_err err = AT_OK;
    int64_t stop_us = 0;
    bool any, relayed;
    while (!err) {
        *source_err = wait_for_sources(r);
        if (*source_err)
            return AT_OK;
        err = take_packets(r, source_err, &any);
        if (!err && r->relay)
            err = at_relay_take(r->relay, r->decoder, &relayed);
        if (!err && r->collector)
            err = at_collector_run(r->collector, clock_us(CLOCK_REALTIME));
        if (!err)
            err = pass_time(r);
        if (!err && (rotating || telling))
            err = serve_signals(r);
        if (err || *source_err)
            return err;
        if (stopping && (!r->capture || (stop_us && !any))) /* a whole wait since the signal brought nothing */
            break;
        if (stopping && !stop_us)
            stop_us = clock_us(CLOCK_MONOTONIC);
        else if (stopping && clock_us(CLOCK_MONOTONIC) - stop_us > DRAIN_US)
            break;
    }
    *source_err = AT_END;
    return err;
}

/* ---- Its end */

static int tape_trouble(const struct at_recording *r, enum at_err err)
{
    if (err == AT_CLOSED)
        return AT_EXIT_NONE;
    const struct at_why *why = at_taping_why(r->taping);
    return at_cli_trouble("%s: %s", strcmp(r->out, "-") ? r->out : "standard output",
                          why->text[0] ? why->text : at_err_text(err));
}

/* Everything that was taken goes on the tape, and its senders are told. */
static enum at_err finish(struct at_recording *r)
{
    enum at_err err = AT_OK;
    bool any = r->relay != NULL;
    if (r->collector)
        at_collector_stop(r->collector);
    if (r->relay)
        at_relay_stop(r->relay);
    while (any && !err)
        err = at_relay_take(r->relay, r->decoder, &any);
    if (!err)
        err = at_decoder_finish(r->decoder);
    if (!err)
        err = at_tracer_finish(r->tracer);
    if (!err)
        err = acknowledge(r, true);
    if (!err && r->collector)
        at_collector_linger(r->collector);
    return err ? err : at_taping_finish(r->taping);
}

int at_recording_run(struct at_recording *r)
{
    enum at_err source_err = AT_END;
    enum at_err err = r->file ? read_file(r, &source_err) : listen_to_all(r, &source_err);
    if (!err)
        err = finish(r);
    if (!r->quiet && isatty(STDERR_FILENO) && r->file)
        fputs("\r", stderr);
    if (err)
        return tape_trouble(r, err);
    if (!r->quiet)
        at_recording_tell_summary(r);
    return at_recording_write_ledger(r, source_err == AT_END ? AT_EXIT_NONE : at_recording_source_trouble(r, &r->why));
}
