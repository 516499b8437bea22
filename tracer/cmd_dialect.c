/* cmd_dialect.c: list, show and check dialects; try one on a capture. */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

enum { OPT_TRY = 1, OPT_APP, OPT_USER, OPT_PLATFORM, OPT_PORT };

static const struct at_option options[] = {
    {"try", 't', "FILE", OPT_TRY, "check: print the events that the dialect makes of the capture FILE, as NDJSON"},
    {"app", 0, "SOURCE", OPT_APP, "with --try, as in 'authtape record'"},
    {"user", 0, "SOURCE", OPT_USER, "the same"},
    {"platform", 0, "SOURCE", OPT_PLATFORM, "the same"},
    {"port", 0, "N", OPT_PORT, "with --try: only TCP connections with port N; may be given several times"},
    {0},
};

#define PORTS_MAX 64u

struct job {
    const char *try_file;
    struct at_identity identity;
    uint16_t ports[PORTS_MAX];
    size_t n_ports;
    struct at_buf line;
    uint64_t messages;
    struct at_decoder_sink tracer;
    struct rule *rules; /* those that make events */
    size_t n_rules;
};

/* What became of a rule, and of the first of its events that was none. */
struct rule {
    struct at_str place;
    uint64_t applied, unfit, packet;
    struct at_why why;
};

static int list(void)
{
    for (size_t i = 0; i < at_dialect_builtin_count(); i++) {
        struct at_dialect *d = NULL;
        struct at_why why;
        if (at_dialect_load(at_dialect_builtin_name(i), &d, &why))
            return at_cli_trouble("dialect %s: %s", at_dialect_builtin_name(i), why.text);
        printf("%-12s %.*s\n", at_dialect_builtin_name(i), AT_STR_FMT(d->title));
        at_dialect_free(&d);
    }
    return at_cli_finish(AT_EXIT_NONE);
}

static int show(const char *name)
{
    struct at_dialect *d = NULL;
    struct at_why why;
    if (at_dialect_load(name, &d, &why))
        return at_cli_file_trouble(name, &why);
    at_dialect_free(&d);
    for (size_t i = 0; i < at_dialect_builtin_count(); i++)
        if (!strcmp(name, at_dialect_builtin_name(i))) {
            struct at_str text = at_dialect_builtin_text(i);
            fwrite(text.ptr, 1, text.len, stdout);
            return at_cli_finish(AT_EXIT_NONE);
        }
    struct at_buf text = {0};
    if (at_read_file(name, AT_DIALECT_BYTES, &text, &why))
        return at_cli_file_trouble(name, &why);
    fwrite(text.ptr, 1, text.len, stdout);
    at_buf_free(&text);
    return at_cli_finish(AT_EXIT_NONE);
}

/* ---- A dialect tried on a capture */

static enum at_err on_event(void *ctx, const struct at_event *ev)
{
    struct job *job = ctx;
    job->line.len = 0;
    enum at_err err = at_event_to_json(ev, &job->line);
    return err || fwrite(job->line.ptr, 1, job->line.len, stdout) == job->line.len ? err : AT_CLOSED;
}

static enum at_err on_message(void *ctx, const struct at_message *m)
{
    struct job *job = ctx;
    job->messages++;
    return job->tracer.message(job->tracer.ctx, m);
}

static enum at_err on_gap(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, uint64_t lost_bytes)
{
    struct job *job = ctx;
    return job->tracer.gap(job->tracer.ctx, s, t_us, packet, lost_bytes);
}

static enum at_err on_end(void *ctx, struct at_stream *s, int64_t t_us, uint64_t packet, bool clean)
{
    struct job *job = ctx;
    return job->tracer.stream_end(job->tracer.ctx, s, t_us, packet, clean);
}

static enum at_err pump(struct at_capture *capture, struct at_decoder *decoder, struct at_tracer *tracer,
                        struct at_why *why, enum at_err *read_err)
{
    struct at_packet p;
    enum at_err err = AT_OK;
    while (!err && !(*read_err = at_capture_next(capture, &p, why)))
        err = at_decoder_packet(decoder, &p);
    if (!err)
        err = at_decoder_finish(decoder);
    return err ? err : at_tracer_finish(tracer);
}

/* ---- Its rules */

static size_t add_rules(struct job *job, const struct at_rule *rules, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (rules[i].n_rules) {
            count += add_rules(job, rules[i].rules, rules[i].n_rules);
            continue;
        }
        if (job->rules)
            job->rules[job->n_rules++].place = rules[i].place;
        count++;
    }
    return count;
}

static void on_rule(void *ctx, const struct at_message *m, struct at_str place, const char *unfit)
{
    const struct job *job = ctx;
    struct rule *r = job->rules;
    while (r < job->rules + job->n_rules && !at_str_eq(r->place, place))
        r++;
    if (r == job->rules + job->n_rules)
        return;
    r->applied += !unfit;
    if (unfit && r->unfit++ == 0) {
        r->packet = m->packet;
        at_fail(&r->why, AT_BAD, "%s", unfit);
    }
}

/* One line for each rule that did not do what it is there for. */
static void tell_rules(const struct job *job)
{
    for (const struct rule *r = job->rules; r < job->rules + job->n_rules; r++) {
        if (r->unfit)
            fprintf(stderr, "authtape: %.*s: %llu of %llu fit no event; the first, packet %llu: %s\n",
                    AT_STR_FMT(r->place), (unsigned long long)r->unfit, (unsigned long long)r->applied,
                    (unsigned long long)r->packet, r->why.text);
        else if (!r->applied)
            fprintf(stderr, "authtape: %.*s: applied to nothing\n", AT_STR_FMT(r->place));
    }
}

static void tell(const struct job *job, const struct at_tracer *tracer)
{
    struct at_tracer_stats stats;
    at_tracer_stats(tracer, &stats);
    fprintf(stderr, "authtape: %llu messages, %llu events, %llu repeats, %llu that fit no event\n",
            (unsigned long long)job->messages, (unsigned long long)stats.events[0], (unsigned long long)stats.repeats,
            (unsigned long long)stats.unfit);
    tell_rules(job);
}

static int try_on(struct job *job, const char *name)
{
    const struct at_watch watch = {job, on_rule};
    const struct at_tracer_options tracer_options = {
        .dialects = &name, .n_dialects = 1, .identity = job->identity, .watch = &watch};
    const struct at_capture_options capture_options = {.file = job->try_file};
    const struct at_decoder_options decoder_options = {.ports = job->ports, .n_ports = job->n_ports};
    const struct at_decoder_sink sink = {.ctx = job, .message = on_message, .gap = on_gap, .stream_end = on_end};
    struct at_tracer *tracer = NULL;
    struct at_capture *capture = NULL;
    struct at_decoder *decoder = NULL;
    struct at_why why = {{0}};
    enum at_err err = AT_OK, read_err = AT_END;
    int status = AT_EXIT_NONE;
    if (at_tracer_new(&tracer_options, on_event, job, &tracer, &why)) {
        status = at_cli_trouble("%s", why.text);
    } else if (at_capture_open(&capture_options, &capture, &why)) {
        status = at_cli_file_trouble(job->try_file, &why);
    } else {
        job->tracer = at_tracer_sink(tracer);
        err = at_decoder_new(&decoder_options, &sink, &decoder);
        if (!err)
            err = pump(capture, decoder, tracer, &why, &read_err);
        if (err && err != AT_CLOSED)
            status = at_cli_trouble("%s", at_err_text(err));
        else if (read_err != AT_END)
            status = at_cli_file_trouble(job->try_file, &why);
        if (!err)
            tell(job, tracer);
    }
    at_decoder_free(&decoder);
    at_capture_close(&capture);
    at_tracer_free(&tracer);
    at_buf_free(&job->line);
    return at_cli_finish(status);
}

static int check(struct job *job, const char *name)
{
    struct at_dialect *d = NULL;
    struct at_why why;
    if (at_dialect_load(name, &d, &why))
        return at_cli_file_trouble(name, &why);
    size_t n = d->n_rules;
    if (job->try_file) {
        job->rules = calloc(add_rules(job, d->rules, n) + 1, sizeof *job->rules);
        add_rules(job, d->rules, n);
        int status = job->rules ? try_on(job, name) : at_cli_trouble("%s", at_err_text(AT_NOMEM));
        free(job->rules);
        at_dialect_free(&d);
        return status;
    }
    at_dialect_free(&d);
    printf("%s: ok, %zu rule%s\n", name, n, n == 1 ? "" : "s");
    return at_cli_finish(AT_EXIT_NONE);
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct job job = {0};
    uint64_t port;
    at_cli_begin(&cli, self, argc, argv);
    for (int option; (option = at_cli_next(&cli)) != AT_CLI_DONE;) {
        if (option == AT_CLI_EXIT)
            return cli.status;
        if (option == OPT_TRY)
            job.try_file = cli.arg;
        else if (option == OPT_APP)
            job.identity.app = cli.arg;
        else if (option == OPT_USER)
            job.identity.user = cli.arg;
        else if (option == OPT_PLATFORM)
            job.identity.platform = cli.arg;
        else if (!at_cli_number(&cli, "port", 1, 65535, &port))
            return AT_EXIT_TROUBLE;
        else if (job.n_ports == PORTS_MAX)
            return at_cli_usage(self, "more than %u ports", PORTS_MAX);
        else
            job.ports[job.n_ports++] = (uint16_t)port;
    }
    const char *what = cli.n_operands ? cli.operands[0] : "";
    bool is_check = !strcmp(what, "check");
    if ((job.try_file || job.n_ports || job.identity.app || job.identity.user || job.identity.platform) &&
        !(is_check && job.try_file))
        return at_cli_usage(self, "these options go with 'check --try CAPTURE'");
    if (!strcmp(what, "list") && cli.n_operands == 1)
        return list();
    if (!strcmp(what, "show") && cli.n_operands == 2)
        return show(cli.operands[1]);
    if (is_check && cli.n_operands == 2)
        return check(&job, cli.operands[1]);
    return at_cli_usage(self, "'list', 'show NAME' or 'check FILE' is needed");
}

const struct at_command at_cmd_dialect = {
    .name = "dialect",
    .summary = "list, show and check the dialects that turn messages into events",
    .usage = "list\nshow NAME\ncheck [--try CAPTURE] FILE",
    .options = options,
    .details = "FILE is a mapping as described in authtape-dialect(5); NAME is a built-in dialect or a FILE.",
    .run = run,
};
