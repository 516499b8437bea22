/* cmd_replay.c: `authtape replay`: a recording against the reference machine. */
#include <string.h>

#include "replay/print.h"

enum { OPT_PROFILE = 1, OPT_STRICT, OPT_DIAGNOSE, OPT_FORMAT, OPT_KNOWN, OPT_QUIET, OPT_GRACE, OPT_SALVAGE };

static const struct at_option options[] = {
    {"profile", 'p', "PROFILE", OPT_PROFILE, "a built-in profile or a JSON file (default: " AT_DEFAULT_PROFILE ")"},
    {"format", 0, "FORMAT", OPT_FORMAT,
     "text (default), json, ndjson (a line as soon as it is found),\njunit or sarif"},
    {"known", 0, "FILE", OPT_KNOWN,
     "accepted divergences: a report of --format json, or an array of\n"
     "{class, scope, api, platform}; tells those that vanished"},
    {"diagnose", 0, NULL, OPT_DIAGNOSE, "rank the single faults of a host that would explain the divergences"},
    {"strict", 0, NULL, OPT_STRICT, "nothing happened that was not recorded"},
    {"quiet-ms", 0, "N", OPT_QUIET,
     "least length of an unseen settings visit or removal, in\nmilliseconds; 0: at any instant (default: the "
     "profile's)"},
    {"grace", 0, "SECONDS", OPT_GRACE, "a call is `no-answer` when its stream goes on this long (default: 30)"},
    {"salvage", 0, NULL, OPT_SALVAGE, "skip what is damaged in a tape and check the rest"},
    {0},
};

struct run {
    const char *profile_name, *known_path;
    struct at_check_options check_options;
    struct at_reader_options reader_options;
    struct at_profile *profile;
    struct known_list *known;
    struct at_reader *reader;
    struct at_checker *checker;
    struct at_diagnosis *diagnosis;
    struct print print;
};

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct run *r = ctx;
    bool known = known_match(r->known, d);
    r->print.n_known += known;
    return r->print.format->divergence(&r->print, d, known);
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    struct run *r = ctx;
    r->print.n_inferred++;
    return r->print.format->inferred ? r->print.format->inferred(&r->print, i) : AT_OK;
}

static enum at_err on_hint(void *ctx, const char *text)
{
    struct run *r = ctx;
    return r->print.format->hint ? r->print.format->hint(&r->print, text) : AT_OK;
}

static void on_inconclusive(void *ctx, struct at_str app, struct at_str user)
{
    char text[512];
    snprintf(text, sizeof text, "app %.*s, user %.*s is inconclusive: too many possibilities at once to follow",
             AT_STR_FMT(app), AT_STR_FMT(user));
    if (on_hint(ctx, text) || !((struct run *)ctx)->print.format->hint)
        fprintf(stderr, "authtape: %s\n", text);
}

static void get_whole(void *ctx, size_t i, struct at_event *ev)
{
    at_reader_batch_event(ctx, i, ev);
}

static enum at_err check_events(struct run *r, struct at_why *why)
{
    const struct at_whole_events whole = {.ctx = r->reader, .get = get_whole};
    struct at_tape_batch batch;
    uint64_t first;
    enum at_err err;
    while (!(err = at_reader_next_batch(r->reader, &batch, &first, why))) {
        err = at_checker_batch(r->checker, &batch, first, &whole);
        for (size_t i = 0; i < batch.n && r->diagnosis && !err; i++) {
            struct at_event ev;
            at_reader_batch_event(r->reader, i, &ev);
            err = at_diagnosis_event(r->diagnosis, &ev, first + i);
        }
        if (err)
            return at_fail(why, err, "replay: %s", at_err_text(err));
    }
    if (err != AT_END)
        return err;
    err = at_checker_finish(r->checker);
    if (!err && r->diagnosis)
        err = at_diagnosis_finish(r->diagnosis, &r->print.hypotheses, &r->print.n_hypotheses);
    return err ? at_fail(why, err, "replay: %s", at_err_text(err)) : AT_OK;
}

static enum at_err print_end(struct run *r, struct print_totals *t, struct at_buf *vanished)
{
    at_checker_inconclusive(r->checker, on_inconclusive, r);
    at_checker_totals(r->checker, &t->check);
    at_reader_damage(r->reader, &t->lost);
    enum at_err err = known_vanished(r->known, vanished, &t->n_vanished);
    t->vanished = at_buf_view(vanished);
    return err || !r->print.format->end ? err : r->print.format->end(&r->print, t);
}

static int check(struct run *r)
{
    struct at_why why = {{0}};
    struct print_totals t = {0};
    struct at_buf vanished = {0};
    enum at_err err = check_events(r, &why);
    if (!err)
        err = print_end(r, &t, &vanished);
    at_buf_free(&vanished);
    if (err && err != AT_CLOSED)
        return at_cli_trouble("%s", why.text[0] ? why.text : at_err_text(err));
    at_cli_warn_damage(r->reader);
    if (err || t.check.divergences > r->print.n_known)
        return at_cli_finish(AT_EXIT_FOUND);
    return at_cli_finish(t.check.inconclusive ? AT_EXIT_TROUBLE : AT_EXIT_NONE);
}

/* Opens all that the run needs. Returns AT_EXIT_NONE, or the exit status after a message. */
static int open_all(struct run *r, const struct at_cli *cli)
{
    struct at_why why;
    const struct at_check_sink sink = {.ctx = r, .divergence = on_divergence, .inferred = on_inferred, .hint = on_hint};
    if (cli->n_operands == 0)
        return at_cli_usage(cli->command, "a tape is needed ('-' is standard input)");
    r->print.tape = cli->operands[0];
    r->print.profile = r->profile_name;
    if (at_profile_load(r->profile_name, &r->profile, &why))
        return at_cli_file_trouble(r->profile_name, &why);
    if (r->known_path && known_load(r->known_path, &r->known, &why))
        return at_cli_file_trouble(r->known_path, &why);
    if (at_reader_open((const char *const *)cli->operands, (size_t)cli->n_operands, &r->reader_options, &r->reader,
                       &why))
        return at_cli_trouble("%s", why.text);
    if (at_checker_new(r->profile, &r->check_options, &sink, &r->checker) ||
        (r->print.diagnose && at_diagnosis_new(r->profile, &r->check_options, &r->diagnosis)))
        return at_cli_trouble("replay: out of memory");
    return AT_EXIT_NONE;
}

static bool take_option(struct run *r, const struct at_cli *cli, int id)
{
    uint64_t n = 0;
    switch (id) {
    case OPT_PROFILE:
        r->profile_name = cli->arg;
        return true;
    case OPT_FORMAT:
        r->print.format = print_format_find(cli->arg);
        if (!r->print.format)
            at_cli_usage(cli->command, "no format '%s' (text, json, ndjson, junit, sarif)", cli->arg);
        return r->print.format;
    case OPT_KNOWN:
        r->known_path = cli->arg;
        return true;
    case OPT_DIAGNOSE:
        r->print.diagnose = true;
        return true;
    case OPT_STRICT:
        r->check_options.strict = true;
        return true;
    case OPT_QUIET:
        r->check_options.has_quiet_ms = at_cli_number(cli, "quiet-ms", 0, UINT32_MAX, &n);
        r->check_options.quiet_ms = (uint32_t)n;
        return r->check_options.has_quiet_ms;
    case OPT_GRACE:
        if (!at_cli_number(cli, "grace", 1, UINT32_MAX / 1000, &n))
            return false;
        r->check_options.grace_ms = (uint32_t)n * 1000;
        return true;
    case OPT_SALVAGE:
    default:
        r->reader_options.recovery = AT_RECOVER_SALVAGE;
        return true;
    }
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct run r = {.profile_name = AT_DEFAULT_PROFILE,
                    .print = {.format = &print_text, .color = at_cli_color(stdout)}};
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0)
        if (!take_option(&r, &cli, id))
            return AT_EXIT_TROUBLE;
    if (id == AT_CLI_EXIT)
        return cli.status;
    int status = open_all(&r, &cli);
    if (status == AT_EXIT_NONE)
        status = check(&r);
    at_diagnosis_free(&r.diagnosis);
    at_checker_free(&r.checker);
    at_reader_close(&r.reader);
    known_free(&r.known);
    at_profile_free(&r.profile);
    print_free(&r.print);
    return status;
}

const struct at_command at_cmd_replay = {
    .name = "replay",
    .summary = "checks recordings against the reference machine and explains every divergence",
    .usage = "[OPTION]... TAPE|-...",
    .options = options,
    .details =
        "Exit status: 0 every event is explained, 1 divergences, 2 trouble (also: a user could not be followed).",
    .run = run,
};
