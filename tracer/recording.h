/* recording.h: the record command's parts: what it was told, its loop, its words. Private to this folder. */
#ifndef AUTHTAPE_RECORDING_H
#define AUTHTAPE_RECORDING_H

#include "tracer/collect.h"
#include "tracer/limits.h"
#include "tracer/record.h"
#include "tracer/relay.h"

#define AT_RECORD_LIST_MAX 64u

/* What the kernel has dropped when it was asked last. */
struct drop_watch {
    size_t bytes;                /* read since then */
    int64_t asked_us, packet_us; /* by the clock, and by the packet at hand */
    uint64_t dropped;
};

struct at_recording {
    /* What it was told. */
    const char *file, *interfaces[AT_RECORD_LIST_MAX], *out, *dialects[AT_RECORD_LIST_MAX], *cors[AT_RECORD_LIST_MAX];
    size_t n_interfaces, n_dialects, n_cors;
    struct at_relay_options relay_options;
    const char *routes[AT_RELAYS_MAX];
    uint16_t ports[AT_RECORD_LIST_MAX];
    size_t n_ports;
    struct at_capture_options capture_options;
    struct at_decoder_options decoder_options;
    struct at_tracer_options tracer_options;
    struct at_collect_options collect_options;
    struct at_limits limits;
    uint64_t rotate_bytes;
    uint32_t rotate_s, sync_s;
    bool sync_frames;
    const char *token_file;
    struct at_redact_options redact;
    const char *became; /* the user, after root was given up; NULL: it was not */
    struct at_cli *cli; /* which files were named; for at_cli_confine */
    char *token;
    bool sync, quiet;
    /* Where events come from, and where they go; any source may be absent. */
    struct at_capture *capture;
    struct at_collector *collector;
    struct at_relay *relay;
    struct at_decoder *decoder;
    struct at_tracer *tracer;
    struct at_redactor *redactor; /* between the tracer and the tape; NULL: events go as they are */
    struct at_taping *taping;
    struct drop_watch drops;
    struct at_why why;
};

/* record_loop.c: SIGINT, SIGTERM, SIGHUP and SIGUSR1 are for the recording from now on. */
void at_recording_catch_signals(void);
/* Records until the end of the file, a signal or trouble; ends the tape. The exit status; trouble was told. */
int at_recording_run(struct at_recording *r);

/* record_tell.c: what was done and what was lost, on standard error. */
void at_recording_tell_summary(const struct at_recording *r);
void at_recording_tell_losses(const struct at_recording *r);
/* --ledger; returns the status, or that of its own trouble. */
int at_recording_write_ledger(const struct at_recording *r, int status);
int at_recording_source_trouble(const struct at_recording *r, const struct at_why *why);

#endif
