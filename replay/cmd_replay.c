/*
 * cmd_replay.c: `authtape replay`: a recording against the reference machine.
 *
 * Files are read twice where something diverges: the first time finds the users that it happens to, the second time
 * their events are kept and every divergence is explained from them. From a pipe there is one pass, that keeps the last
 * events of everybody.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay/print.h"
#include "replay/where.h"

enum {
    OPT_PROFILE = 1,
    OPT_STRICT,
    OPT_DIAGNOSE,
    OPT_FORMAT,
    OPT_KNOWN,
    OPT_QUIET,
    OPT_GRACE,
    OPT_SALVAGE,
    OPT_THREADS,
    OPT_BRIEF,
    OPT_MAX,
    OPT_FAIL_ON,
    OPT_AT,
    OPT_TIMELINE,
    OPT_USER,
    OPT_APP
};

/* Whether all of them can be read twice. */
static bool paths_are_files(const char *const *paths, size_t n)
{
    struct stat st;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(paths[i], "-") || stat(paths[i], &st) || !S_ISREG(st.st_mode))
            return false;
    return true;
}

static const struct at_option options[] = {
    {"profile", 'p', "PROFILE", OPT_PROFILE, "a built-in profile or a JSON file (default: " AT_DEFAULT_PROFILE ")"},
    {"format", 0, "text|json|ndjson|junit|sarif", OPT_FORMAT,
     "how to print what is found (default: text); ndjson: as soon as it is"},
    {"known", 0, "FILE", OPT_KNOWN,
     "accepted divergences: a report of --format json, or an array of\n"
     "{class, scope, api, platform}; tells those that vanished"},
    {"diagnose", 0, NULL, OPT_DIAGNOSE, "rank the single faults of a host that would explain the divergences"},
    {"strict", 0, NULL, OPT_STRICT, "nothing happened that was not recorded"},
    {"quiet-ms", 0, "N", OPT_QUIET,
     "least length of an unseen settings visit or removal, in\nmilliseconds; 0: at any instant (default: the "
     "profile's)"},
    {"grace", 0, "SECONDS", OPT_GRACE, "a call is `no-answer` when its stream goes on this long (default: 30)"},
    {"max", 0, "N", OPT_MAX, "show the first N divergences only; all are counted"},
    {"fail-on", 0, "CLASS,...", OPT_FAIL_ON, "exit with 1 for these classes of divergence only"},
    {"at", 0, "EVENT|TIME", OPT_AT, "the states that every scope could be in after an event, or at a time,\nand why"},
    {"timeline", 0, NULL, OPT_TIMELINE, "all events of a user, with the states that they leave"},
    {"user", 0, "USER", OPT_USER, "whom --at and --timeline are about"},
    {"app", 0, "APP", OPT_APP, "the same, where a user has several apps"},
    {"salvage", 0, NULL, OPT_SALVAGE, "skip what is damaged in a tape and check the rest"},
    {"brief", 0, NULL, OPT_BRIEF, "do not look for the fewest facts behind each divergence"},
    {"threads", 0, "N", OPT_THREADS, "check a tape on this many threads (default: as many as processors)"},
    {0},
};

enum pass {
    PASS_ALL,     /* the only one */
    PASS_FIND,    /* finds whom something happens to */
    PASS_EXPLAIN, /* explains it */
};

struct run {
    const char *profile_name, *known_path;
    struct at_check_options check_options;
    struct at_reader_options reader_options;
    struct where where;
    uint64_t max, counting; /* counting: divergences that the exit status counts */
    uint32_t fail_on;       /* mask of 1u << enum at_divergence_class; 0: all */
    struct at_profile *profile;
    struct known_list *known;
    struct at_reader *reader;
    struct at_checker *checker;
    struct at_diagnosis *diagnosis;
    struct at_history *history;
    struct print print;
    const char *const *paths;
    size_t n_paths;
    enum pass pass;
    unsigned threads;
    bool brief;                    /* divergences are told at once, as the checker tells them */
    bool in_parallel;              /* all was checked on several threads: */
    struct at_check_totals totals; /* with this result */
    uint64_t told;                 /* calls of the sink that were made already, by a try on several threads */
};

static enum standing standing_of(struct run *r, const struct at_divergence *d)
{
    if (known_match(r->known, d))
        return STANDING_KNOWN;
    return !r->fail_on || (r->fail_on >> d->cls & 1) ? STANDING_COUNTS : STANDING_MILD;
}

/* The divergence in the words that its history gives. */
static enum at_err show(struct run *r, const struct at_divergence *d, enum standing how)
{
    struct at_divergence full = *d;
    struct at_reason why;
    enum at_err err = at_history_explain(r->history, d, &why);
    if (err)
        return err;
    full.witness = why.witness;
    full.n_witness = why.n_witness;
    full.explanation = why.explanation;
    full.innocent = why.innocent;
    if (r->print.format == &print_text)
        err = excerpt_around(&r->print.excerpt, r->history, r->profile, &full);
    r->print.n_shown++;
    r->print.n_failed += how == STANDING_COUNTS;
    return err ? err : r->print.format->divergence(&r->print, &full, how);
}

static enum at_err show_brief(struct run *r, const struct at_divergence *d, enum standing how)
{
    r->print.n_shown++;
    r->print.n_failed += how == STANDING_COUNTS;
    return r->print.format->divergence(&r->print, d, how);
}

/* Whether a try on several threads told this already. */
static bool was_told(struct run *r)
{
    bool told = r->told > 0;
    r->told -= told;
    return told;
}

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct run *r = ctx;
    if (was_told(r))
        return AT_OK;
    if (r->pass != PASS_EXPLAIN) {
        enum standing how = standing_of(r, d);
        r->print.n_known += how == STANDING_KNOWN;
        r->print.n_mild += how == STANDING_MILD;
        r->counting += how == STANDING_COUNTS;
    }
    if (r->brief)
        return r->print.n_shown < r->max ? show_brief(r, d, standing_of(r, d)) : AT_OK;
    if (r->pass == PASS_FIND)
        return at_history_want(r->history, d->app, d->user, d->stream);
    if (r->print.n_shown < r->max)
        return show(r, d, standing_of(r, d));
    return r->pass == PASS_EXPLAIN ? AT_STOP : AT_OK;
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    struct run *r = ctx;
    if (r->pass == PASS_EXPLAIN || was_told(r))
        return AT_OK;
    r->print.n_inferred++;
    return r->print.format->inferred ? r->print.format->inferred(&r->print, i) : AT_OK;
}

static enum at_err on_hint(void *ctx, const char *text)
{
    struct run *r = ctx;
    return r->pass != PASS_EXPLAIN && !was_told(r) && r->print.format->hint ? r->print.format->hint(&r->print, text)
                                                                            : AT_OK;
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

/* In columns, as it comes off the tape: where nothing diverges that is all there is to do. */
static enum at_err read_columns(struct run *r, struct at_why *why)
{
    const struct at_whole_events whole = {.ctx = r->reader, .get = get_whole};
    struct at_tape_batch batch;
    uint64_t first;
    enum at_err err = AT_OK;
    while (!err && !(err = at_reader_next_batch(r->reader, &batch, &first, why))) {
        err = at_checker_batch(r->checker, &batch, first, &whole);
        for (size_t i = 0; i < batch.n && r->diagnosis && !err; i++) {
            struct at_event ev;
            at_reader_batch_event(r->reader, i, &ev);
            err = at_diagnosis_event(r->diagnosis, &ev, first + i);
        }
    }
    return err;
}

/* Event by event, kept to explain what comes of them. */
static enum at_err read_events(struct run *r, struct at_why *why)
{
    struct at_event ev;
    uint64_t index;
    enum at_err err = AT_OK;
    while (!err && !(err = at_reader_next(r->reader, &ev, &index, why))) {
        err = at_history_add(r->history, &ev, index);
        if (!err)
            err = at_checker_event(r->checker, &ev, index);
        if (!err && r->diagnosis && r->pass != PASS_EXPLAIN)
            err = at_diagnosis_event(r->diagnosis, &ev, index);
    }
    return err;
}

/* The first pass over one tape. AT_NOTFOUND: it has to be done on one thread. */
static enum at_err on_threads(struct run *r, const struct at_check_sink *sink)
{
    struct at_check_result result;
    if (r->n_paths != 1 || r->diagnosis || r->reader_options.recovery != AT_RECOVER_TAIL)
        return AT_NOTFOUND;
    enum at_err err = at_check_tape(r->paths[0], r->threads, r->profile, &r->check_options, sink, &result);
    r->totals = result.totals;
    r->in_parallel = !err;
    r->told = err == AT_NOTFOUND ? result.told : 0;
    return err;
}

/* One reading of all the tapes. */
static enum at_err read_through(struct run *r, struct at_why *why)
{
    const struct at_check_sink sink = {.ctx = r, .divergence = on_divergence, .inferred = on_inferred, .hint = on_hint};
    at_reader_close(&r->reader);
    at_checker_free(&r->checker);
    enum at_err err = at_reader_open(r->paths, r->n_paths, &r->reader_options, &r->reader, why);
    if (err)
        return err;
    if (r->pass == PASS_FIND) {
        err = on_threads(r, &sink);
        if (err != AT_NOTFOUND)
            return err ? at_fail(why, err, "replay: %s", at_err_text(err)) : AT_OK;
    }
    err = at_checker_new(r->profile, &r->check_options, &sink, &r->checker);
    if (!err)
        err = r->pass == PASS_FIND ? read_columns(r, why) : read_events(r, why);
    if (err == AT_END)
        err = at_checker_finish(r->checker);
    return err && !why->text[0] ? at_fail(why, err, "replay: %s", at_err_text(err)) : err;
}

static enum at_err take_totals(struct run *r, struct print_totals *t)
{
    t->check = r->totals;
    if (!r->in_parallel) {
        at_checker_inconclusive(r->checker, on_inconclusive, r);
        at_checker_totals(r->checker, &t->check);
    }
    at_reader_damage(r->reader, &t->lost);
    return AT_OK;
}

static enum at_err print_end(struct run *r, struct print_totals *t, struct at_buf *vanished)
{
    enum at_err err = known_vanished(r->known, vanished, &t->n_vanished);
    t->vanished = at_buf_view(vanished);
    return err || !r->print.format->end ? err : r->print.format->end(&r->print, t);
}

static enum at_err check_all(struct run *r, struct print_totals *t, struct at_why *why)
{
    enum at_err err = read_through(r, why);
    if (!err)
        err = take_totals(r, t);
    at_cli_warn_damage(r->reader);
    if (!err && r->diagnosis)
        err = at_diagnosis_finish(r->diagnosis, &r->print.hypotheses, &r->print.n_hypotheses);
    if (err || r->brief || r->pass == PASS_ALL || !t->check.divergences || !r->max)
        return err;
    r->pass = PASS_EXPLAIN;
    err = read_through(r, why);
    return err == AT_STOP ? AT_OK : err;
}

static int check(struct run *r)
{
    struct at_why why = {{0}};
    struct print_totals t = {0};
    struct at_buf vanished = {0};
    enum at_err err = check_all(r, &t, &why);
    if (!err)
        err = print_end(r, &t, &vanished);
    at_buf_free(&vanished);
    if (err && err != AT_CLOSED)
        return at_cli_trouble("%s", why.text[0] ? why.text : at_err_text(err));
    if (r->counting)
        return at_cli_finish(AT_EXIT_FOUND);
    return at_cli_finish(t.check.inconclusive ? AT_EXIT_TROUBLE : AT_EXIT_NONE);
}

/* Opens all that the run needs. Returns AT_EXIT_NONE, or the exit status after a message. */
static int open_all(struct run *r, const struct at_cli *cli)
{
    struct at_why why = {{0}};
    if (cli->n_operands == 0)
        return at_cli_usage(cli->command, "a tape is needed ('-' is standard input)");
    if (where_asked(&r->where) && !r->where.user.ptr)
        return at_cli_usage(cli->command, "--at and --timeline need '--user USER'");
    if (!where_asked(&r->where) && (r->where.user.ptr || r->where.app.ptr))
        return at_cli_usage(cli->command, "--user and --app go with --at or --timeline");
    r->paths = (const char *const *)cli->operands;
    r->n_paths = (size_t)cli->n_operands;
    r->pass = paths_are_files(r->paths, r->n_paths) ? PASS_FIND : PASS_ALL;
    r->print.tape = cli->operands[0];
    r->print.profile = r->profile_name;
    if (at_profile_load(r->profile_name, &r->profile, &why))
        return at_cli_file_trouble(r->profile_name, &why);
    if (r->known_path && known_load(r->known_path, &r->known, &why))
        return at_cli_file_trouble(r->known_path, &why);
    if (at_history_new(r->profile, &r->check_options, 0, &r->history) ||
        (r->print.diagnose && at_diagnosis_new(r->profile, &r->check_options, &r->diagnosis)))
        return at_cli_trouble("replay: out of memory");
    return AT_EXIT_NONE;
}

/* "CLASS,…" as a mask; 0 after a message. */
static uint32_t parse_classes(const struct at_cli *cli)
{
    static const char *const names[] = {
#define X(name, text) text,
        AT_DIVERGENCE_MAP(X)
#undef X
    };
    const size_t n_names = sizeof names / sizeof names[0];
    uint32_t mask = 0;
    for (const char *p = cli->arg; p;) {
        size_t len = strcspn(p, ","), i = 0;
        while (i < n_names && (strlen(names[i]) != len || strncmp(names[i], p, len)))
            i++;
        if (i == n_names) {
            char word[64];
            snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), p);
            const char *near = at_closest(word, names, n_names);
            at_cli_usage(cli->command, near ? "no class '%s'; did you mean '%s'?" : "no class '%s'", word, near);
            return 0;
        }
        mask |= 1u << i;
        p = p[len] ? p + len + 1 : NULL;
    }
    return mask;
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
    case OPT_MAX:
        return at_cli_number(cli, "max", 0, UINT64_MAX, &r->max);
    case OPT_FAIL_ON:
        r->fail_on = parse_classes(cli);
        return r->fail_on != 0;
    case OPT_AT:
        return where_parse_at(&r->where, cli);
    case OPT_TIMELINE:
        r->where.timeline = true;
        return true;
    case OPT_USER:
        r->where.user = at_str(cli->arg);
        return true;
    case OPT_APP:
        r->where.app = at_str(cli->arg);
        return true;
    case OPT_BRIEF:
        r->brief = true;
        return true;
    case OPT_THREADS:
        if (!at_cli_number(cli, "threads", 1, 64, &n))
            return false;
        r->threads = (unsigned)n;
        return true;
    case OPT_SALVAGE:
    default:
        r->reader_options.recovery = AT_RECOVER_SALVAGE;
        return true;
    }
}

static int answer_where(struct run *r)
{
    struct at_why why = {{0}};
    bool json = r->print.format == &print_json;
    if (!json && r->print.format != &print_text)
        return at_cli_usage(&at_cmd_replay, "--at and --timeline are written as text or json");
    enum at_err err =
        where_answer(&r->where, r->profile, &r->check_options, &r->reader_options, r->paths, r->n_paths, json, &why);
    if (err == AT_NOTFOUND)
        return at_cli_trouble("%s", why.text);
    if (err && err != AT_CLOSED)
        return at_cli_trouble("%s", why.text[0] ? why.text : at_err_text(err));
    return at_cli_finish(AT_EXIT_NONE);
}

static unsigned processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct run r = {.profile_name = AT_DEFAULT_PROFILE,
                    .max = UINT64_MAX,
                    .threads = processors(),
                    .print = {.format = &print_text, .color = at_cli_color(stdout)}};
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0)
        if (!take_option(&r, &cli, id))
            return AT_EXIT_TROUBLE;
    if (id == AT_CLI_EXIT)
        return cli.status;
    int status = open_all(&r, &cli);
    if (status == AT_EXIT_NONE && where_asked(&r.where))
        status = answer_where(&r);
    else if (status == AT_EXIT_NONE)
        status = check(&r);
    at_diagnosis_free(&r.diagnosis);
    at_history_free(&r.history);
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
