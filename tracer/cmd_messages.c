/* cmd_messages.c: every JSON message on the wire, as NDJSON. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/tracer.h"

#define OUT_BYTES ((size_t)64 * 1024)

enum { OPT_FILE = 1, OPT_INTERFACE, OPT_FILTER, OPT_PORT };

static const struct at_option options[] = {
    {"read", 'r', "FILE", OPT_FILE, "read packets from FILE (pcap or pcapng, gzip or not; - is standard input)"},
    {"interface", 'i', "IFACE", OPT_INTERFACE, "capture on IFACE; may be given several times"},
    {"filter", 'f', "BPF", OPT_FILTER, "only packets that match this pcap filter"},
    {"port", 0, "N", OPT_PORT, "only TCP connections with port N; may be given several times"},
    {0},
};

struct job {
    struct at_capture_options capture;
    struct at_decoder_options decoder;
    const char **interfaces;
    uint16_t *ports;
    struct at_buf out;
    bool live;
};

static volatile sig_atomic_t stopping;

static void on_stop(int signal)
{
    (void)signal;
    stopping = 1;
}

static enum at_err flush(struct at_buf *out)
{
    size_t n = out->len;
    out->len = 0;
    if (n == 0 || (fwrite(out->ptr, 1, n, stdout) == n && fflush(stdout) == 0))
        return AT_OK;
    return errno == EPIPE ? AT_CLOSED : AT_IO;
}

static const char *dir_text(const struct at_message *m)
{
    if (m->proto == AT_PROTO_HTTP)
        return m->dir == AT_DIR_CLIENT ? "request" : "response";
    return m->dir == AT_DIR_CLIENT ? "client" : "server";
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
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
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
    put(out, m->proto == AT_PROTO_HTTP ? AT_STR("\",\"proto\":\"http\",\"dir\":\"")
                                       : AT_STR("\",\"proto\":\"websocket\",\"dir\":\""));
    put(out, at_str(dir_text(m)));
    if (m->encoding.ptr) {
        put(out, AT_STR("\",\"encoding\":\""));
        put(out, m->encoding);
    }
    put(out, AT_STR("\",\"body\":"));
    err = at_json_compact(out, m->body);
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

/* Packets until the end, a signal or an error. */
static int pump(struct job *job, struct at_capture *capture, struct at_decoder *decoder)
{
    struct at_why why;
    struct at_packet packet;
    enum at_err err = AT_OK, read_err = AT_OK;
    while (!stopping && !err) {
        read_err = at_capture_next(capture, &packet, &why);
        if (read_err && read_err != AT_AGAIN)
            break;
        if (!read_err)
            err = at_decoder_packet(decoder, &packet);
    }
    if (!err)
        err = at_decoder_finish(decoder);
    if (!err)
        err = flush(&job->out);
    if (err)
        return write_trouble(err);
    if (stopping || read_err == AT_END || read_err == AT_OK)
        return at_cli_finish(AT_EXIT_NONE);
    at_cli_finish(AT_EXIT_NONE);
    return at_cli_file_trouble(job->capture.file ? job->capture.file : "capture", &why);
}

static void print_ledger(const struct at_ledger *l)
{
    static const char *const texts[] = {
#define X(name, text) text,
        AT_LOSS_MAP(X)
#undef X
    };
    const uint64_t values[] = {
#define X(name, text) l->name,
        AT_LOSS_MAP(X)
#undef X
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        fprintf(stderr, "%12llu %s\n", (unsigned long long)values[i], texts[i]);
}

static int work(struct job *job)
{
    struct at_why why;
    struct at_capture *capture = NULL;
    struct at_decoder *decoder = NULL;
    const struct at_decoder_sink sink = {.ctx = job, .message = on_message, .gap = on_gap, .stream_end = on_stream_end};
    int status;
    if (at_capture_open(&job->capture, &capture, &why))
        status = job->capture.file ? at_cli_file_trouble(job->capture.file, &why) : at_cli_trouble("%s", why.text);
    else if (at_decoder_new(&job->decoder, &sink, &decoder))
        status = at_cli_trouble("%s", at_err_text(AT_NOMEM));
    else
        status = pump(job, capture, decoder);
    if (decoder && getenv("AT_LEDGER"))
        print_ledger(at_decoder_ledger(decoder));
    at_decoder_free(&decoder);
    at_capture_close(&capture);
    return status;
}

static bool parse(struct job *job, struct at_cli *cli, int *status)
{
    uint64_t n;
    int id;
    while ((id = at_cli_next(cli)) > 0) {
        switch (id) {
        case OPT_FILE:
            job->capture.file = cli->arg;
            break;
        case OPT_INTERFACE:
            job->interfaces[job->capture.n_interfaces++] = cli->arg;
            break;
        case OPT_FILTER:
            job->capture.filter = cli->arg;
            break;
        case OPT_PORT:
            *status = AT_EXIT_TROUBLE;
            if (!at_cli_number(cli, "port", 1, 65535, &n))
                return false;
            job->ports[job->decoder.n_ports++] = (uint16_t)n;
            break;
        default:
            break;
        }
    }
    *status = cli->status;
    if (id == AT_CLI_EXIT)
        return false;
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
    job.decoder.ports = job.ports;
    at_cli_begin(&cli, self, argc, argv);
    if (!parse(&job, &cli, &status))
        goto out;
    job.live = job.capture.n_interfaces > 0;
    struct sigaction stop = {.sa_handler = on_stop}; /* without SA_RESTART: a read that waits gives up */
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    status = work(&job);
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
    .details = "HTTP/1.1 bodies and WebSocket messages that hold JSON, one line each, decompressed and put together.",
    .run = run,
};
