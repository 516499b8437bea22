/* cmd_record.c: packets -> tape. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/recording.h"

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
    OPT_KEEP_ARGS,
    OPT_HOLD,
    OPT_SNAPLEN,
    OPT_BUFFER,
    OPT_ROTATE_SIZE,
    OPT_ROTATE_S,
    OPT_QUIET,
    OPT_FDATASYNC,
    OPT_LISTEN,
    OPT_TOKEN,
    OPT_CORS,
    OPT_SYNC,
    OPT_LISTEN_BODY,
    OPT_LISTEN_EVENTS,
    OPT_LISTEN_RATE,
    OPT_LISTEN_CLIENTS,
    OPT_LISTEN_IDLE,
    OPT_LISTEN_MEMORY,
    OPT_RELAY,
    OPT_RELAY_MEMORY,
};

static const struct at_option options[] = {
    {"read", 'r', "FILE", OPT_FILE, "read packets from FILE (pcap or pcapng, gzip or not; - is standard input)"},
    {"interface", 'i', "IFACE", OPT_INTERFACE, "capture on IFACE; may be given several times"},
    {"listen", 0, "ADDR:PORT", OPT_LISTEN, "take events that are posted, or sent through a WebSocket, to this address"},
    {"relay", 0, "LISTEN=HOST:PORT", OPT_RELAY,
     "forward TCP connections from LISTEN (ADDR:PORT or PORT) to HOST:PORT, and read\nwhat they carry; may be given "
     "several times"},
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
    {"keep-args", 0, NULL, OPT_KEEP_ARGS,
     "keep all arguments of calls (default: those that say nothing about a person)"},
    AT_REDACT_OPTIONS,
    {"hold-ms", 0, "N", OPT_HOLD, "how long an event may wait for an earlier one, in milliseconds (default: 5000)"},
    {"snaplen", 0, "N", OPT_SNAPLEN, "bytes to capture of each packet (default: all)"},
    {"buffer", 0, "N", OPT_BUFFER, "size of the kernel's buffer in bytes, k and M allowed"},
    {"rotate-size", 0, "BYTES", OPT_ROTATE_SIZE, "live: a new tape when this one has so many bytes, k and M allowed"},
    {"rotate-s", 0, "N", OPT_ROTATE_S, "live: a new tape when this one is so many seconds old"},
    {"fdatasync", 0, "WHEN", OPT_FDATASYNC,
     "live: when what was written is to survive a power cut: never (but at the end; the\ndefault), frame, or within so "
     "many seconds"},
    {"token", 0, "FILE", OPT_TOKEN,
     "who sends must know the token in FILE (default: $AUTHTAPE_TOKEN); needed when\nother machines can reach ADDR"},
    {"cors", 0, "ORIGIN", OPT_CORS, "pages of this origin may send (* is any); may be given several times"},
    {"sync", 0, NULL, OPT_SYNC, "acknowledge only what would survive a power cut"},
    {"listen-body", 0, "BYTES", OPT_LISTEN_BODY, "the largest message, also when decompressed (default: 1M)"},
    {"listen-events", 0, "N", OPT_LISTEN_EVENTS, "the most events in one message (default: 10000)"},
    {"listen-rate", 0, "N", OPT_LISTEN_RATE, "the most events a second from one address (default: 50000)"},
    {"listen-clients", 0, "N", OPT_LISTEN_CLIENTS, "the most connections (default: 1024)"},
    {"listen-idle-s", 0, "N", OPT_LISTEN_IDLE, "close a silent connection after this long (default: 60)"},
    {"listen-memory", 0, "BYTES", OPT_LISTEN_MEMORY, "memory for messages on their way to the tape (default: 64M)"},
    {"relay-memory", 0, "BYTES", OPT_RELAY_MEMORY, "memory for what was relayed and not read yet (default: 16M)"},
    {"quiet", 'q', NULL, OPT_QUIET, "no summary on standard error"},
    AT_LIMIT_MAP(AT_LIMIT_ROW){0},
};

#define TOKEN_MAX (size_t)1024

/* The token: what is in the file, white space around it aside, or else in the environment. */
static enum at_err read_token(struct at_recording *r, struct at_why *why)
{
    struct at_buf text = {0};
    const char *given = getenv("AUTHTAPE_TOKEN");
    enum at_err err = r->token_file ? at_read_file(r->token_file, TOKEN_MAX, &text, why) : AT_OK;
    if (!err && !r->token_file && given)
        err = at_buf_str(&text, at_str(given));
    while (!err && text.len && strchr(" \t\r\n", text.ptr[text.len - 1]))
        text.len--;
    if (!err && (r->token_file || given)) {
        for (size_t i = 0; i < text.len; i++)
            if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
                err = at_fail(why, AT_BAD, "a token is made of visible ASCII characters");
        if (!err && !text.len)
            err = at_fail(why, AT_BAD, "the token is empty");
        if (!err)
            err = at_buf_add(&text, "", 1);
    }
    if (err || !text.len)
        at_buf_free(&text);
    r->token = text.ptr;
    return err;
}

/* Events collected keep their tape: what was acknowledged before must not be lost, nor be taken again. */
static enum at_err remember_old(struct at_recording *r, struct at_why *why)
{
    const char *path = at_taping_put_aside(r->taping);
    const struct at_reader_options how = {.recovery = AT_RECOVER_SALVAGE};
    struct at_reader *reader = NULL;
    struct at_event ev;
    if (!path)
        return AT_OK;
    if (!r->quiet)
        fprintf(stderr, "authtape: %s was there already, it is %s now\n", r->out, path);
    enum at_err err = at_reader_open(&path, 1, &how, &reader, why);
    while (!err && !(err = at_reader_next(reader, &ev, NULL, why)))
        at_tracer_remember(r->tracer, &ev);
    at_reader_close(&reader);
    if (err && err != AT_END && !r->quiet)
        fprintf(stderr, "authtape: %s; repeats of what is on it will not be known\n", why->text);
    return err == AT_NOMEM ? err : AT_OK; /* it need not be a tape */
}

static int open_collector(struct at_recording *r)
{
    struct at_why why = {{0}};
    enum at_err err = read_token(r, &why);
    if (err)
        return at_cli_trouble("%s: %s", r->token_file ? r->token_file : "AUTHTAPE_TOKEN", why.text);
    r->collect_options.token = r->token;
    r->collect_options.cors = r->cors;
    r->collect_options.n_cors = r->n_cors;
    return at_collector_open(&r->collect_options, &r->collector, &why) ? at_cli_trouble("%s", why.text) : AT_EXIT_NONE;
}

/* Where no dialect was chosen: what the sources usually carry. */
static void choose_dialects(struct at_recording *r)
{
    if (r->capture || r->relay)
        r->dialects[r->n_dialects++] = "automator";
    if (r->collector)
        r->dialects[r->n_dialects++] = "beacon";
}

/* What is left of an event goes on the tape. */
static enum at_err on_event(void *ctx, const struct at_event *ev)
{
    struct at_recording *r = ctx;
    struct at_event less;
    enum at_err err = r->redactor ? at_redact(r->redactor, ev, &less) : AT_OK;
    return err ? err : at_taping_event(r->taping, r->redactor ? &less : ev);
}

/* Unless all was asked for. */
static int set_up_redactor(struct at_recording *r)
{
    struct at_why why = {{0}};
    const bool all = r->tracer_options.keep_args && !r->redact.redact && !r->redact.key_file;
    if (all || !at_redactor_new(&r->redact, &r->redactor, &why))
        return AT_EXIT_NONE;
    return r->redact.key_file ? at_cli_file_trouble(r->redact.key_file, &why) : at_cli_trouble("record: %s", why.text);
}

/* From the tape back to the sources: each needs the one before. */
static int set_up_sinks(struct at_recording *r)
{
    const struct at_taping_options taping = {.live = !r->file,
                                             .keep = r->collector != NULL,
                                             .any_times = r->collector != NULL,
                                             .rotate_bytes = r->rotate_bytes,
                                             .rotate_s = r->rotate_s,
                                             .sync_frames = r->sync_frames,
                                             .sync_s = r->sync_s};
    struct at_why why = {{0}};
    if (set_up_redactor(r))
        return AT_EXIT_TROUBLE;
    if (!r->n_dialects)
        choose_dialects(r);
    r->tracer_options.dialects = r->dialects;
    r->tracer_options.n_dialects = r->n_dialects;
    r->tracer_options.in_turn = r->collector && !r->capture && !r->relay;
    if (at_taping_open(r->out, &taping, &r->taping, &why))
        return at_cli_trouble("%s: %s%s%s%s", strcmp(r->out, "-") ? r->out : "standard output", why.text,
                              r->became ? ", as the user '" : "", r->became ? r->became : "",
                              r->became ? "' (see --drop-to)" : "");
    if (at_tracer_new(&r->tracer_options, on_event, r, &r->tracer, &why) || remember_old(r, &why))
        return at_cli_trouble("%s", why.text);
    struct at_decoder_sink sink = at_tracer_sink(r->tracer);
    if (at_decoder_new(&r->decoder_options, &sink, &r->decoder))
        return at_cli_trouble("%s", at_err_text(AT_NOMEM));
    return AT_EXIT_NONE;
}

/* The sources are open: what else they need. */
static unsigned what_it_may(const struct at_recording *r)
{
    return (r->n_interfaces ? AT_MAY_CAPTURE : 0u) | (r->collector ? AT_MAY_SERVE : 0u) |
           (r->relay ? AT_MAY_SERVE | AT_MAY_CONNECT : 0u);
}

static int set_up(struct at_recording *r)
{
    struct at_why why = {{0}};
    r->capture_options.file = r->file;
    r->capture_options.interfaces = r->interfaces;
    r->capture_options.n_interfaces = r->n_interfaces;
    r->capture_options.polled = true;
    r->capture_options.unread = true;
    r->relay_options.routes = r->routes;
    r->decoder_options.ports = r->ports;
    r->decoder_options.n_ports = r->n_ports;
    if ((r->file || r->n_interfaces) && at_capture_open(&r->capture_options, &r->capture, &why))
        return at_recording_source_trouble(r, &why);
    int status = r->collect_options.address ? open_collector(r) : AT_EXIT_NONE;
    if (status == AT_EXIT_NONE && r->relay_options.n_routes && at_relay_open(&r->relay_options, &r->relay, &why))
        status = at_cli_trouble("%s", why.text);
    if (status == AT_EXIT_NONE && !r->file && at_drop_privileges(r->limits.drop_to, &r->became, &why))
        status = at_cli_trouble("%s", why.text);
    if (status == AT_EXIT_NONE && !at_cli_confine(r->cli, what_it_may(r)))
        status = r->cli->status;
    if (status == AT_EXIT_NONE && r->capture && at_capture_begin(r->capture, &why))
        status = at_recording_source_trouble(r, &why);
    if (status == AT_EXIT_NONE)
        status = set_up_sinks(r);
    if (status != AT_EXIT_NONE)
        return status;
    if (r->collector)
        at_collector_begin(r->collector, r->tracer);
    if (r->relay && at_relay_begin(r->relay, &why))
        return at_cli_trouble("%s", why.text);
    at_recording_catch_signals();
    for (size_t i = 0; i < r->n_interfaces && !r->quiet; i++)
        fprintf(stderr, "authtape: recording on %s\n", r->interfaces[i]);
    for (size_t i = 0; r->relay && i < at_relay_count(r->relay) && !r->quiet; i++)
        fprintf(stderr, "authtape: relaying %s to %s\n", at_relay_listener(r->relay, i), at_relay_target(r->relay, i));
    if (r->collector && !r->quiet)
        fprintf(stderr, "authtape: listening on %s\n", at_collector_address(r->collector));
    return AT_EXIT_NONE;
}

static void tear_down(struct at_recording *r)
{
    at_relay_close(&r->relay);
    at_collector_close(&r->collector);
    at_decoder_free(&r->decoder);
    at_tracer_free(&r->tracer);
    at_redactor_free(&r->redactor);
    at_taping_close(&r->taping);
    at_capture_close(&r->capture);
    free(r->token);
}

/* ---- Options */

static bool number(const struct at_cli *cli, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
    return at_cli_number(cli, name, min, max, out);
}

static bool add_to(const struct at_cli *cli, const char *what, const char **list, size_t *n)
{
    if (*n == AT_RECORD_LIST_MAX) {
        at_cli_usage(cli->command, "more than %u %s", AT_RECORD_LIST_MAX, what);
        return false;
    }
    list[(*n)++] = cli->arg;
    return true;
}

static bool add_port(const struct at_cli *cli, struct at_recording *r)
{
    uint64_t port;
    if (!number(cli, "port", 1, 65535, &port))
        return false;
    if (r->n_ports == AT_RECORD_LIST_MAX) {
        at_cli_usage(cli->command, "more than %u ports", AT_RECORD_LIST_MAX);
        return false;
    }
    r->ports[r->n_ports++] = (uint16_t)port;
    return true;
}

static bool take_size(const struct at_cli *cli, const char *name, uint64_t min, uint64_t max, size_t *out)
{
    uint64_t n;
    if (!number(cli, name, min, max, &n))
        return false;
    *out = (size_t)n;
    return true;
}

static bool take_u32(const struct at_cli *cli, const char *name, uint64_t min, uint64_t max, uint32_t *out)
{
    uint64_t n;
    if (!number(cli, name, min, max, &n))
        return false;
    *out = (uint32_t)n;
    return true;
}

static bool take_fdatasync(const struct at_cli *cli, struct at_recording *r)
{
    r->sync_frames = !strcmp(cli->arg, "frame");
    r->sync_s = 0;
    if (r->sync_frames || !strcmp(cli->arg, "never"))
        return true;
    if (cli->arg[0] >= '0' && cli->arg[0] <= '9')
        return take_u32(cli, "fdatasync", 1, 1u << 30, &r->sync_s);
    at_cli_usage(cli->command, "'--fdatasync %s': never, frame or a number of seconds is needed", cli->arg);
    return false;
}

static bool take_number(const struct at_cli *cli, int option, struct at_recording *r)
{
    struct at_collect_options *c = &r->collect_options;
    switch (option) {
    case OPT_PORT:
        return add_port(cli, r);
    case OPT_HOLD:
        return take_u32(cli, "hold-ms", 1, 3600000, &r->tracer_options.hold_ms);
    case OPT_SNAPLEN:
        return take_u32(cli, "snaplen", 64, 262144, &r->capture_options.snaplen);
    case OPT_BUFFER:
        return take_u32(cli, "buffer", 65536, 1u << 30, &r->capture_options.buffer_bytes);
    case OPT_ROTATE_SIZE:
        return number(cli, "rotate-size", 1, (uint64_t)1 << 50, &r->rotate_bytes);
    case OPT_ROTATE_S:
        return take_u32(cli, "rotate-s", 1, 1u << 30, &r->rotate_s);
    case OPT_LISTEN_BODY:
        return take_size(cli, "listen-body", 64, 1u << 30, &c->body_bytes);
    case OPT_LISTEN_EVENTS:
        return take_size(cli, "listen-events", 1, 1u << 24, &c->events);
    case OPT_LISTEN_RATE:
        return take_u32(cli, "listen-rate", 1, 1u << 30, &c->rate);
    case OPT_LISTEN_CLIENTS:
        return take_u32(cli, "listen-clients", 1, 65536, &c->clients);
    case OPT_RELAY_MEMORY:
        return take_size(cli, "relay-memory", 65536, (uint64_t)1 << 40, &r->relay_options.queue_bytes);
    case OPT_LISTEN_IDLE:
        return take_u32(cli, "listen-idle-s", 1, 86400, &c->idle_s);
    default:
        return take_size(cli, "listen-memory", 65536, (uint64_t)1 << 40, &c->memory_bytes);
    }
}

static bool take_option(const struct at_cli *cli, int option, struct at_recording *r)
{
    switch (option) {
    case OPT_FILE:
        r->file = cli->arg;
        return true;
    case OPT_INTERFACE:
        return add_to(cli, "interfaces", r->interfaces, &r->n_interfaces);
    case OPT_WRITE:
        r->out = cli->arg;
        return true;
    case OPT_FILTER:
        r->capture_options.filter = cli->arg;
        return true;
    case OPT_DIALECT:
        return add_to(cli, "dialects", r->dialects, &r->n_dialects);
    case OPT_APP:
        r->tracer_options.identity.app = cli->arg;
        return true;
    case OPT_USER:
        r->tracer_options.identity.user = cli->arg;
        return true;
    case OPT_PLATFORM:
        r->tracer_options.identity.platform = cli->arg;
        return true;
    case OPT_FRESH:
        r->tracer_options.fresh = true;
        return true;
    case OPT_KEEP_ARGS:
        r->tracer_options.keep_args = true;
        return true;
    case OPT_OBSERVES:
        r->tracer_options.observes = cli->arg;
        return true;
    case OPT_QUIET:
        r->quiet = true;
        return true;
    case OPT_LISTEN:
        r->collect_options.address = cli->arg;
        return true;
    case OPT_RELAY:
        return add_to(cli, "relays", r->routes, &r->relay_options.n_routes);
    case OPT_TOKEN:
        r->token_file = cli->arg;
        return true;
    case OPT_CORS:
        return add_to(cli, "origins", r->cors, &r->n_cors);
    case OPT_SYNC:
        r->sync = true;
        return true;
    case OPT_FDATASYNC:
        return take_fdatasync(cli, r);
    default:
        if (at_redact_option(cli, option, &r->redact))
            return true;
        if (option >= AT_LIMIT_FIRST)
            return at_limit_take(cli, option, &r->limits);
        return take_number(cli, option, r);
    }
}

/* Options that say something of one source only, by what they need. */
enum need { NEED_PACKETS, NEED_LISTEN, NEED_RELAY, NEEDS };

static void note_need(int option, const char *needs[NEEDS])
{
    static const struct {
        int first, last;
        enum need need;
    } table[] = {{OPT_FILTER, OPT_FILTER, NEED_PACKETS},
                 {OPT_PORT, OPT_PORT, NEED_PACKETS},
                 {OPT_TOKEN, OPT_LISTEN_MEMORY, NEED_LISTEN},
                 {OPT_RELAY_MEMORY, OPT_RELAY_MEMORY, NEED_RELAY}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (const struct at_option *o = options; o->name; o++)
            if (o->id == option && option >= table[i].first && option <= table[i].last)
                needs[table[i].need] = o->name;
}

static bool is_of_use(const struct at_command *self, const struct at_recording *r, const char *const needs[NEEDS])
{
    static const char *const whats[NEEDS] = {"-r and -i", "--listen", "--relay"};
    const bool have[NEEDS] = {r->file || r->n_interfaces, r->collect_options.address, r->relay_options.n_routes > 0};
    for (int i = 0; i < NEEDS; i++) {
        if (!needs[i] || have[i])
            continue;
        at_cli_usage(self, "--%s is for %s", needs[i], whats[i]);
        return false;
    }
    return true;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct at_recording r = {0};
    const char *needs[NEEDS] = {NULL};
    r.limits = (struct at_limits){.capture = &r.capture_options, .decoder = &r.decoder_options};
    r.cli = &cli;
    at_cli_begin(&cli, self, argc, argv);
    for (int option; (option = at_cli_next(&cli)) != AT_CLI_DONE;) {
        if (option == AT_CLI_EXIT)
            return cli.status;
        if (!take_option(&cli, option, &r))
            return AT_EXIT_TROUBLE;
        note_need(option, needs);
    }
    if (cli.n_operands)
        return at_cli_usage(self, "'%s' is one word too many", cli.operands[0]);
    bool live = r.n_interfaces || r.collect_options.address || r.relay_options.n_routes;
    if (!r.file == !live)
        return at_cli_usage(self, "-r FILE alone, or any of -i, --listen and --relay, is needed");
    if (!is_of_use(self, &r, needs))
        return AT_EXIT_TROUBLE;
    if (!r.out && isatty(STDOUT_FILENO))
        return at_cli_usage(self, "-w OUT is needed: standard output is a terminal");
    if (!r.out)
        r.out = "-";
    if ((r.rotate_bytes || r.rotate_s) && (r.file || !strcmp(r.out, "-")))
        return at_cli_usage(self, "--rotate-size and --rotate-s are for live recordings into a file");
    if ((r.sync_frames || r.sync_s) && (r.file || !strcmp(r.out, "-")))
        return at_cli_usage(self, "--fdatasync is for live recordings into a file");
    int status = set_up(&r);
    if (status == AT_EXIT_NONE)
        status = at_recording_run(&r);
    tear_down(&r);
    return status;
}

const struct at_command at_cmd_record = {
    .name = "record",
    .summary = "record authorization events on a tape",
    .usage = "-r FILE [-w OUT] [OPTION]...\n-i IFACE [-w OUT] [OPTION]...\n--listen ADDR:PORT [-w OUT] "
             "[OPTION]...\n--relay LISTEN=HOST:PORT [-w OUT] [OPTION]...",
    .options = options,
    .details = "A live recording is flushed every second (into a pipe, five times a second), or every 1,024 events.\n"
               "SIGINT and SIGTERM end it, SIGHUP begins a new tape under the same name, SIGUSR1 prints statistics.",
    .run = run,
    .confines_itself = true,
};
