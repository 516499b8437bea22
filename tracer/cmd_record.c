/* cmd_record.c: packets -> tape. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tracer/limits.h"
#include "tracer/record.h"

enum {
    OPT_FILE = 1,
    OPT_INTERFACE,
    OPT_WRITE,
    OPT_FILTER,
    OPT_DIALECT,
    OPT_PORT,
    OPT_APP,
    OPT_USER,
    OPT_PLATFORM,
    OPT_FRESH,
    OPT_OBSERVES,
    OPT_HOLD,
    OPT_SNAPLEN,
    OPT_BUFFER,
    OPT_QUIET,
};

static const struct at_option options[] = {
    {"read", 'r', "FILE", OPT_FILE, "read packets from FILE (pcap or pcapng, gzip or not; - is standard input)"},
    {"interface", 'i', "IFACE", OPT_INTERFACE, "capture on IFACE; may be given several times"},
    {"write", 'w', "OUT", OPT_WRITE, "the tape (- is standard output, the default unless it is a terminal)"},
    {"filter", 'f', "BPF", OPT_FILTER, "only packets that match this pcap filter"},
    {"dialect", 'd', "DIALECT", OPT_DIALECT,
     "a built-in dialect or a mapping's file, NAME or NAME:KIND,KIND for some kinds of\n"
     "events only; may be given several times (default: automator)"},
    {"port", 0, "N", OPT_PORT, "only TCP connections with port N; may be given several times"},
    {"app", 0, "SOURCE", OPT_APP,
     "the app where the dialect does not say: a text, query:NAME, header:NAME\nor pointer:/a/b"},
    {"user", 0, "SOURCE", OPT_USER, "the user, likewise (default: the connection)"},
    {"platform", 0, "SOURCE", OPT_PLATFORM, "the platform, likewise"},
    {"fresh", 0, NULL, OPT_FRESH, "nothing was ever asked before this recording"},
    {"observes", 0, "LIST", OPT_OBSERVES, "what is sure to be seen: prompts,decisions,settings,resets"},
    {"hold-ms", 0, "N", OPT_HOLD, "how long an event may wait for an earlier one, in milliseconds (default: 5000)"},
    {"snaplen", 0, "N", OPT_SNAPLEN, "bytes to capture of each packet (default: all)"},
    {"buffer", 0, "N", OPT_BUFFER, "size of the kernel's buffer in bytes, k and M allowed"},
    {"quiet", 'q', NULL, OPT_QUIET, "no summary on standard error"},
    AT_LIMIT_MAP(AT_LIMIT_ROW){0},
};

#define LIST_MAX 64u
#define DRAIN_US (int64_t)500000 /* after a signal: what the kernel holds already is still read */

struct job {
    const char *file, *interfaces[LIST_MAX], *out, *dialects[LIST_MAX];
    size_t n_interfaces, n_dialects;
    uint16_t ports[LIST_MAX];
    size_t n_ports;
    struct at_capture_options capture_options;
    struct at_decoder_options decoder_options;
    struct at_tracer_options tracer_options;
    struct at_limits limits;
    bool quiet;
    struct at_capture *capture;
    struct at_decoder *decoder;
    struct at_tracer *tracer;
    struct at_taping *taping;
    struct at_why why;
};

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

static void catch_signals(void)
{
    /* The second SIGINT kills at once; the others do not interrupt a read. */
    struct sigaction end = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND},
                     go_on = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGHUP, &go_on, NULL);
    sigaction(SIGUSR1, &go_on, NULL);
}

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- What was done, in words */

static const char *const loss_texts[] = {
#define X(name, text) text,
    AT_LOSS_MAP(X)
#undef X
};
#define LOSSES (sizeof loss_texts / sizeof loss_texts[0])

static void take_losses(const struct job *job, struct at_ledger *l, uint64_t values[LOSSES])
{
    const uint64_t list[] = {
#define X(name, text) l->name,
        AT_LOSS_MAP(X)
#undef X
    };
    (void)job;
    memcpy(values, list, sizeof list);
}

static void tell_losses(const struct job *job)
{
    struct at_ledger ledger = *at_decoder_ledger(job->decoder);
    uint64_t values[LOSSES];
    if (job->capture)
        at_capture_drops(job->capture, &ledger);
    take_losses(job, &ledger, values);
    for (size_t i = 0; i < LOSSES; i++)
        if (values[i])
            fprintf(stderr, "%14llu %s\n", (unsigned long long)values[i], loss_texts[i]);
}

/* `one`: the word for a single one. */
static void tell_count(uint64_t n, const char *one)
{
    if (n)
        fprintf(stderr, ", %llu %s%s", (unsigned long long)n, one, n == 1 ? "" : "s");
}

static void tell_summary(const struct job *job)
{
    struct at_ledger ledger = *at_decoder_ledger(job->decoder);
    struct at_tracer_stats s;
    if (job->capture)
        at_capture_drops(job->capture, &ledger);
    at_tracer_stats(job->tracer, &s);
    fprintf(stderr, "authtape: %llu packets, %llu messages, %llu events", (unsigned long long)ledger.packets,
            (unsigned long long)ledger.messages, (unsigned long long)s.events[0]);
    tell_count(s.events[AT_KIND_CALL], "call");
    tell_count(s.events[AT_KIND_RETURN], "answer");
    tell_count(s.events[AT_KIND_DECISION], "decision");
    tell_count(s.keys, "user");
    fprintf(stderr, ", %llu bytes of tape\n", (unsigned long long)at_taping_bytes(job->taping));
    const struct {
        uint64_t n;
        const char *text;
    } lost[] = {{ledger.kernel_drops, "packets dropped by the kernel"},
                {ledger.interface_drops, "packets dropped by the interface"},
                {ledger.packets_truncated, "packets cut by the snaplen"},
                {ledger.fragments_dropped, "IP fragments never completed"},
                {ledger.tcp_gaps, "gaps in TCP streams"},
                {ledger.flows_evicted, "connections forgotten to save memory"},
                {ledger.messages_lost, "messages lost"},
                {ledger.messages_too_large, "messages over a limit"},
                {s.events[AT_KIND_GAP], "gaps on the tape"},
                {s.unfit, "reports that make no event"},
                {s.forgotten, "requests forgotten before their answer"},
                {s.skipped, "messages not looked into"},
                {s.late, "events reported too late for their place"}};
    bool first = true;
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        if (!lost[i].n)
            continue;
        fprintf(stderr, "%s%llu %s", first ? "authtape: lost or doubtful: " : ", ", (unsigned long long)lost[i].n,
                lost[i].text);
        first = false;
    }
    if (!first)
        fputc('\n', stderr);
}

/* A line that replaces itself, while a long file is read on a terminal. */
static void show_progress(const struct job *job, int64_t now_us, int64_t *shown_us)
{
    if (job->quiet || !job->file || !isatty(STDERR_FILENO) || now_us - *shown_us < 500000)
        return;
    if (*shown_us)
        fprintf(stderr, "\r%llu packets", (unsigned long long)at_decoder_ledger(job->decoder)->packets);
    *shown_us = now_us;
}

/* ---- The loop */

static enum at_err serve_signals(struct job *job)
{
    enum at_err err = AT_OK;
    if (rotating) {
        rotating = 0;
        if (!job->file)
            err = at_taping_rotate(job->taping);
    }
    if (telling) {
        telling = 0;
        tell_summary(job);
        tell_losses(job);
    }
    return err;
}

/* The wall clock moves the events that wait, and the frame that is being filled. */
static enum at_err pass_time(struct job *job)
{
    enum at_err err = job->file ? AT_OK : at_tracer_tick(job->tracer, clock_us(CLOCK_REALTIME));
    return err ? err : at_taping_tick(job->taping, clock_us(CLOCK_MONOTONIC));
}

/* Packets until the end (AT_END), a signal (AT_STOP) or trouble of the source (*source_err) or of the tape. */
static enum at_err pump(struct job *job, enum at_err *source_err)
{
    struct at_packet packet;
    enum at_err err = AT_OK;
    int64_t stop_us = 0, shown_us = 0;
    for (unsigned n = 0; !err; n++) {
        enum at_err got = at_capture_next(job->capture, &packet, &job->why);
        if (got && got != AT_AGAIN) {
            *source_err = stopping ? AT_END : got;
            return AT_OK;
        }
        if (!got)
            err = at_decoder_packet(job->decoder, &packet);
        if (!err && (got == AT_AGAIN || n % 256 == 0)) {
            err = pass_time(job);
            show_progress(job, clock_us(CLOCK_MONOTONIC), &shown_us);
        }
        if (!err && (rotating || telling))
            err = serve_signals(job);
        if (!err && stopping) {
            int64_t now_us = clock_us(CLOCK_MONOTONIC);
            stop_us = stop_us ? stop_us : now_us;
            if (job->file || got == AT_AGAIN || now_us - stop_us > DRAIN_US)
                return AT_OK;
        }
    }
    return err;
}

static int tape_trouble(const struct job *job, enum at_err err)
{
    if (err == AT_CLOSED)
        return AT_EXIT_NONE;
    const struct at_why *why = at_taping_why(job->taping);
    return at_cli_trouble("%s: %s", strcmp(job->out, "-") ? job->out : "standard output",
                          why->text[0] ? why->text : at_err_text(err));
}

static int source_trouble(const struct job *job, const struct at_why *why)
{
    return job->file ? at_cli_file_trouble(job->file, why) : at_cli_trouble("%s", why->text);
}

static int record(struct job *job)
{
    enum at_err source_err = AT_END;
    enum at_err err = pump(job, &source_err);
    if (!err)
        err = at_decoder_finish(job->decoder);
    if (!err)
        err = at_tracer_finish(job->tracer);
    if (!err)
        err = at_taping_finish(job->taping);
    if (!job->quiet && isatty(STDERR_FILENO) && job->file)
        fputs("\r", stderr);
    if (err)
        return tape_trouble(job, err);
    if (!job->quiet)
        tell_summary(job);
    return source_err == AT_END ? AT_EXIT_NONE : source_trouble(job, &job->why);
}

static int set_up(struct job *job)
{
    struct at_why why = {{0}};
    job->capture_options.file = job->file;
    job->capture_options.interfaces = job->interfaces;
    job->capture_options.n_interfaces = job->n_interfaces;
    job->decoder_options.ports = job->ports;
    job->decoder_options.n_ports = job->n_ports;
    job->tracer_options.dialects = job->dialects;
    job->tracer_options.n_dialects = job->n_dialects;
    if (at_capture_open(&job->capture_options, &job->capture, &why))
        return source_trouble(job, &why);
    if (!job->file && at_drop_privileges(job->limits.drop_to, &why))
        return at_cli_trouble("%s", why.text);
    if (at_taping_open(job->out, !job->file, &job->taping, &why))
        return at_cli_trouble("%s: %s", strcmp(job->out, "-") ? job->out : "standard output", why.text);
    if (at_tracer_new(&job->tracer_options, at_taping_event, job->taping, &job->tracer, &why))
        return at_cli_trouble("%s", why.text);
    struct at_decoder_sink sink = at_tracer_sink(job->tracer);
    if (at_decoder_new(&job->decoder_options, &sink, &job->decoder))
        return at_cli_trouble("%s", at_err_text(AT_NOMEM));
    catch_signals();
    if (!job->file && !job->quiet)
        for (size_t i = 0; i < job->n_interfaces; i++)
            fprintf(stderr, "authtape: recording on %s\n", job->interfaces[i]);
    return AT_EXIT_NONE;
}

static void tear_down(struct job *job)
{
    at_decoder_free(&job->decoder);
    at_tracer_free(&job->tracer);
    at_taping_close(&job->taping);
    at_capture_close(&job->capture);
}

/* ---- Options */

static bool number(const struct at_cli *cli, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
    return at_cli_number(cli, name, min, max, out);
}

static bool add_to(const struct at_cli *cli, const char *what, const char **list, size_t *n)
{
    if (*n == LIST_MAX) {
        at_cli_usage(cli->command, "more than %u %s", LIST_MAX, what);
        return false;
    }
    list[(*n)++] = cli->arg;
    return true;
}

static bool add_port(const struct at_cli *cli, struct job *job)
{
    uint64_t port;
    if (!number(cli, "port", 1, 65535, &port))
        return false;
    if (job->n_ports == LIST_MAX) {
        at_cli_usage(cli->command, "more than %u ports", LIST_MAX);
        return false;
    }
    job->ports[job->n_ports++] = (uint16_t)port;
    return true;
}

static bool take_number(const struct at_cli *cli, int option, struct job *job)
{
    uint64_t n = 0;
    if (option == OPT_PORT)
        return add_port(cli, job);
    if (option == OPT_HOLD) {
        if (!number(cli, "hold-ms", 1, 3600000, &n))
            return false;
        job->tracer_options.hold_ms = (uint32_t)n;
    } else if (option == OPT_SNAPLEN) {
        if (!number(cli, "snaplen", 64, 262144, &n))
            return false;
        job->capture_options.snaplen = (uint32_t)n;
    } else {
        if (!number(cli, "buffer", 65536, 1u << 30, &n))
            return false;
        job->capture_options.buffer_bytes = (uint32_t)n;
    }
    return true;
}

static bool take_option(const struct at_cli *cli, int option, struct job *job)
{
    switch (option) {
    case OPT_FILE:
        job->file = cli->arg;
        return true;
    case OPT_INTERFACE:
        return add_to(cli, "interfaces", job->interfaces, &job->n_interfaces);
    case OPT_WRITE:
        job->out = cli->arg;
        return true;
    case OPT_FILTER:
        job->capture_options.filter = cli->arg;
        return true;
    case OPT_DIALECT:
        return add_to(cli, "dialects", job->dialects, &job->n_dialects);
    case OPT_APP:
        job->tracer_options.identity.app = cli->arg;
        return true;
    case OPT_USER:
        job->tracer_options.identity.user = cli->arg;
        return true;
    case OPT_PLATFORM:
        job->tracer_options.identity.platform = cli->arg;
        return true;
    case OPT_FRESH:
        job->tracer_options.fresh = true;
        return true;
    case OPT_OBSERVES:
        job->tracer_options.observes = cli->arg;
        return true;
    case OPT_QUIET:
        job->quiet = true;
        return true;
    default:
        if (option >= AT_LIMIT_FIRST)
            return at_limit_take(cli, option, &job->limits);
        return take_number(cli, option, job);
    }
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct job job = {0};
    job.limits = (struct at_limits){.capture = &job.capture_options, .decoder = &job.decoder_options};
    at_cli_begin(&cli, self, argc, argv);
    for (int option; (option = at_cli_next(&cli)) != AT_CLI_DONE;) {
        if (option == AT_CLI_EXIT)
            return cli.status;
        if (!take_option(&cli, option, &job))
            return AT_EXIT_TROUBLE;
    }
    if (cli.n_operands)
        return at_cli_usage(self, "'%s' is one word too many", cli.operands[0]);
    if (!job.file == !job.n_interfaces)
        return at_cli_usage(self, "one of -r FILE and -i IFACE is needed");
    if (!job.out && isatty(STDOUT_FILENO))
        return at_cli_usage(self, "-w OUT is needed: standard output is a terminal");
    if (!job.out)
        job.out = "-";
    int status = set_up(&job);
    if (status == AT_EXIT_NONE)
        status = record(&job);
    tear_down(&job);
    return status;
}

const struct at_command at_cmd_record = {
    .name = "record",
    .summary = "record authorization events from packets on a tape",
    .usage = "-r FILE [-w OUT] [OPTION]...\n-i IFACE [-w OUT] [OPTION]...",
    .options = options,
    .details = "A live recording is flushed every second, or every 1,024 events. SIGINT and SIGTERM end it, SIGHUP\n"
               "begins a new tape under the same name, SIGUSR1 prints statistics.",
    .run = run,
};
