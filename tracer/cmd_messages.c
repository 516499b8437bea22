/* cmd_messages.c: every JSON message on the wire, as NDJSON. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tracer/limits.h"

#define OUT_BYTES ((size_t)64 * 1024)
#define DRAIN_S 1 /* after a signal: what the kernel holds already is still read */

enum { OPT_FILE = 1, OPT_INTERFACE, OPT_FILTER, OPT_PORT, OPT_SNAPLEN, OPT_BUFFER, OPT_QUIET };

static const struct at_option options[] = {
    {"read", 'r', "FILE", OPT_FILE, "read packets from FILE (pcap or pcapng, gzip or not; - is standard input)"},
    {"interface", 'i', "IFACE", OPT_INTERFACE, "capture on IFACE; may be given several times"},
    {"filter", 'f', "BPF", OPT_FILTER, "only packets that match this pcap filter"},
    {"port", 0, "N", OPT_PORT, "only TCP connections with port N; may be given several times"},
    {"snaplen", 0, "N", OPT_SNAPLEN, "live: bytes to capture of each packet (default: all)"},
    {"buffer", 0, "BYTES", OPT_BUFFER, "live: size of the kernel's buffer (default: 16M)"},
    {"quiet", 'q', NULL, OPT_QUIET, "no word on standard error about what was lost"},
    AT_LIMIT_MAP(AT_LIMIT_ROW){0},
};

struct job {
    struct at_capture_options capture;
    struct at_decoder_options decoder;
    struct at_limits limits;
    const char **interfaces;
    uint16_t *ports;
    struct at_buf out;
    bool live, quiet;
};

static volatile sig_atomic_t stopping, telling;

static void on_signal(int signal)
{
    if (signal == SIGUSR1)
        telling = 1;
    else
        stopping = 1;
}

static void catch_signals(void)
{
    /* The first SIGINT ends a read that waits, the second one everything; SIGUSR1 ends nothing. */
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction tell = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGUSR1, &tell, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static enum at_err flush(struct at_buf *out)
{
    size_t n = out->len;
    out->len = 0;
    if (n == 0 || (fwrite(out->ptr, 1, n, stdout) == n && fflush(stdout) == 0))
        return AT_OK;
    return errno == EPIPE ? AT_CLOSED : AT_IO;
}

static struct at_str dir_text(const struct at_message *m)
{
    if (m->proto == AT_PROTO_HTTP)
        return m->dir == AT_DIR_CLIENT ? AT_STR("http\",\"dir\":\"request") : AT_STR("http\",\"dir\":\"response");
    return m->dir == AT_DIR_CLIENT ? AT_STR("websocket\",\"dir\":\"client") : AT_STR("websocket\",\"dir\":\"server");
}

/* printf would take longer than everything else about a small message. */
static void put(struct at_buf *out, struct at_str s)
{
    memcpy(out->ptr + out->len, s.ptr, s.len);
    out->len += s.len;
}

static void put_number(struct at_buf *out, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    for (; n >= 100; n /= 100) {
        unsigned low = (unsigned)(n % 100);
        digits[--at] = (char)('0' + low % 10);
        digits[--at] = (char)('0' + low / 10);
    }
    if (n >= 10)
        digits[--at] = (char)('0' + n % 10);
    digits[--at] = (char)('0' + (n >= 10 ? n / 10 : n));
    put(out, (struct at_str){digits + at, sizeof digits - at});
}

static enum at_err on_message(void *ctx, const struct at_message *m)
{
    struct job *job = ctx;
    struct at_buf *out = &job->out;
    enum at_err err = at_buf_reserve(out, 256 + m->stream->name.len + m->encoding.len + m->body.len);
    if (err)
        return err;
    put(out, m->t_us < 0 ? AT_STR("{\"t\":-") : AT_STR("{\"t\":"));
    put_number(out, m->t_us < 0 ? 0 - (uint64_t)m->t_us : (uint64_t)m->t_us);
    put(out, AT_STR(",\"packet\":"));
    put_number(out, m->packet);
    put(out, AT_STR(",\"stream\":\""));
    put(out, m->stream->name);
    put(out, AT_STR("\",\"proto\":\""));
    put(out, dir_text(m));
    if (m->encoding.ptr) {
        put(out, AT_STR("\",\"encoding\":\""));
        put(out, m->encoding);
    }
    put(out, AT_STR("\",\"body\":"));
    err = m->compact ? at_buf_str(out, m->body) : at_json_compact(out, m->body);
    if (!err)
        err = at_buf_str(out, AT_STR("}\n"));
    return err || (out->len < OUT_BYTES && !job->live) ? err : flush(out);
}

static enum at_err on_gap(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, uint64_t lost_bytes)
{
    (void)ctx, (void)s, (void)t_us, (void)packet, (void)lost_bytes;
    return AT_OK;
}

static enum at_err on_stream_end(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, bool clean)
{
    (void)ctx, (void)s, (void)t_us, (void)packet, (void)clean;
    return AT_OK;
}

static int write_trouble(enum at_err err)
{
    if (err == AT_CLOSED)
        return AT_EXIT_NONE;
    return at_cli_trouble("standard output: %s", err == AT_IO ? strerror(errno) : at_err_text(err));
}

/* Says on standard error what was lost, in one line, or with `all` the whole ledger. */
static void tell(struct at_capture *capture, const struct at_decoder *decoder, bool all)
{
    struct at_ledger ledger = *at_decoder_ledger(decoder);
    struct at_buf text = {0};
    at_capture_drops(capture, &ledger);
    if (all ? at_ledger_lines(&ledger, &text) : at_ledger_losses(&ledger, &text))
        text.len = 0;
    if (text.len)
        fprintf(stderr, all ? "%.*s" : "authtape: lost: %.*s\n", AT_STR_FMT(at_buf_view(&text)));
    at_buf_free(&text);
}

/* True when a stopped live capture was read to its end, or for long enough. */
static bool is_drained(const struct job *job, enum at_err got, time_t *since)
{
    time_t now = time(NULL);
    *since = *since ? *since : now;
    return !job->live || got == AT_AGAIN || now - *since > DRAIN_S;
}

/* Packets until the end, a signal or an error. The status of reading is in *read_err. */
static enum at_err pump(struct job *job, struct at_capture *capture, struct at_decoder *decoder, enum at_err *read_err,
                        struct at_why *why)
{
    struct at_packet packet;
    enum at_err err = AT_OK;
    time_t since = 0;
    for (*read_err = AT_OK; !err;) {
        *read_err = at_capture_next(capture, &packet, why);
        if (*read_err && *read_err != AT_AGAIN)
            break;
        if (!*read_err)
            err = at_decoder_packet(decoder, &packet);
        if (!err && *read_err == AT_AGAIN)
            err = flush(&job->out);
        if (telling) {
            telling = 0;
            tell(capture, decoder, true);
        }
        if (stopping && is_drained(job, *read_err, &since))
            break;
    }
    if (!err)
        err = at_decoder_finish(decoder);
    return err ? err : flush(&job->out);
}

static int write_ledger(const struct job *job, struct at_capture *capture, const struct at_decoder *decoder, int status)
{
    struct at_ledger ledger = *at_decoder_ledger(decoder);
    struct at_why why = {{0}};
    at_capture_drops(capture, &ledger);
    return at_ledger_write(&ledger, job->limits.ledger, &why) ? at_cli_trouble("%s", why.text) : status;
}

static int finish(const struct job *job, struct at_capture *capture, const struct at_decoder *decoder, enum at_err err,
                  enum at_err read_err, const struct at_why *why)
{
    if (err)
        return write_trouble(err);
    int status = at_cli_finish(AT_EXIT_NONE);
    if (!stopping && read_err != AT_END && read_err != AT_OK)
        return job->live ? at_cli_trouble("%s", why->text) : at_cli_file_trouble(job->capture.file, why);
    if (!job->quiet)
        tell(capture, decoder, false);
    return status;
}

static int work(struct job *job, struct at_cli *cli)
{
    struct at_why why;
    struct at_capture *capture = NULL;
    struct at_decoder *decoder = NULL;
    const struct at_decoder_sink sink = {.ctx = job, .message = on_message, .gap = on_gap, .stream_end = on_stream_end};
    int status;
    if (at_capture_open(&job->capture, &capture, &why)) {
        status = job->live ? at_cli_trouble("%s", why.text) : at_cli_file_trouble(job->capture.file, &why);
    } else if (job->live && at_drop_privileges(job->limits.drop_to, NULL, &why)) {
        status = at_cli_trouble("%s", why.text);
    } else if (!at_cli_confine(cli, job->live ? AT_MAY_CAPTURE : 0)) {
        status = cli->status;
    } else if (at_capture_begin(capture, &why)) {
        status = at_cli_file_trouble(job->capture.file, &why);
    } else if (at_decoder_new(&job->decoder, &sink, &decoder)) {
        status = at_cli_trouble("%s", at_err_text(AT_NOMEM));
    } else {
        enum at_err read_err, err = pump(job, capture, decoder, &read_err, &why);
        status = finish(job, capture, decoder, err, read_err, &why);
        status = write_ledger(job, capture, decoder, status);
    }
    at_decoder_free(&decoder);
    at_capture_close(&capture);
    return status;
}

static bool take_number(const struct at_cli *cli, int id, struct job *job)
{
    uint64_t n = 0;
    if (id == OPT_PORT) {
        if (!at_cli_number(cli, "port", 1, 65535, &n))
            return false;
        job->ports[job->decoder.n_ports++] = (uint16_t)n;
    } else if (id == OPT_SNAPLEN) {
        if (!at_cli_number(cli, "snaplen", 64, 262144, &n))
            return false;
        job->capture.snaplen = (uint32_t)n;
    } else {
        if (!at_cli_number(cli, "buffer", 65536, 1u << 30, &n))
            return false;
        job->capture.buffer_bytes = (uint32_t)n;
    }
    return true;
}

static bool take_option(const struct at_cli *cli, int id, struct job *job)
{
    switch (id) {
    case OPT_FILE:
        job->capture.file = cli->arg;
        return true;
    case OPT_INTERFACE:
        job->interfaces[job->capture.n_interfaces++] = cli->arg;
        return true;
    case OPT_FILTER:
        job->capture.filter = cli->arg;
        return true;
    case OPT_QUIET:
        job->quiet = true;
        return true;
    default:
        return id >= AT_LIMIT_FIRST ? at_limit_take(cli, id, &job->limits) : take_number(cli, id, job);
    }
}

static bool parse(struct job *job, struct at_cli *cli, int *status)
{
    int id;
    *status = AT_EXIT_TROUBLE;
    while ((id = at_cli_next(cli)) > 0)
        if (!take_option(cli, id, job))
            return false;
    if (id == AT_CLI_EXIT) {
        *status = cli->status;
        return false;
    }
    if (cli->n_operands)
        *status = at_cli_usage(cli->command, "'%s': files are given with -r", cli->operands[0]);
    else if (!job->capture.file == !job->capture.n_interfaces)
        *status = at_cli_usage(cli->command, "either -r FILE or -i IFACE is needed");
    else
        return true;
    return false;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct job job = {0};
    struct at_cli cli;
    int status = AT_EXIT_TROUBLE;
    job.interfaces = calloc((size_t)argc + 1, sizeof *job.interfaces);
    job.ports = calloc((size_t)argc + 1, sizeof *job.ports);
    if (!job.interfaces || !job.ports) {
        status = at_cli_trouble("%s", at_err_text(AT_NOMEM));
        goto out;
    }
    job.capture.interfaces = job.interfaces;
    job.capture.unread = true;
    job.decoder.ports = job.ports;
    job.limits = (struct at_limits){.capture = &job.capture, .decoder = &job.decoder};
    at_cli_begin(&cli, self, argc, argv);
    if (!parse(&job, &cli, &status))
        goto out;
    job.live = job.capture.n_interfaces > 0;
    catch_signals();
    status = work(&job, &cli);
out:
    at_buf_free(&job.out);
    free(job.ports);
    free(job.interfaces);
    return status;
}

const struct at_command at_cmd_messages = {
    .name = "messages",
    .summary = "every JSON message on the wire, as NDJSON",
    .usage = "-r FILE|- [OPTION]...\n-i IFACE... [OPTION]...",
    .options = options,
    .details = "HTTP/1.1 bodies and WebSocket messages that hold JSON, one line each, decompressed and put together.\n"
               "SIGINT and SIGTERM end a live capture; SIGUSR1 shows what was read and lost so far.",
    .run = run,
    .confines_itself = true,
};
