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

#include "replay/cmd_replay.h"
#include "replay/part.h"
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
    OPT_APP,
    OPT_SHARD,
    OPT_PARTIAL,
    OPT_OUTPUT
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
    {"shard", 0, "I/N", OPT_SHARD, "check share I of N of the users: 1/8 to 8/8"},
    {"partial", 0, NULL, OPT_PARTIAL, "write what was found as a part, for 'replay merge'"},
    {"output", 'o', "OUT", OPT_OUTPUT, "write to OUT instead of standard output"},
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
    bool partial; /* the result is a part, in `part` and print.findings */
    struct at_reading reading;
    bool merge;
    bool has_format, has_max; /* they were given */
    const char *output;       /* NULL: standard output */
    struct at_buf part;       /* its lines */
    uint64_t n_part;
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

static enum at_err put_in_part(struct run *r, const struct at_divergence *d, enum standing how)
{
    struct at_check_order order;
    at_checker_order(r->checker, &order);
    r->n_part++;
    return part_put_divergence(&r->part, &order, d, how, at_buf_view(&r->print.excerpt));
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
    if (r->print.format == &print_text || r->partial)
        err = excerpt_around(&r->print.excerpt, r->history, r->profile, &full);
    r->print.n_shown++;
    r->print.n_failed += how == STANDING_COUNTS;
    if (!err && r->partial)
        return put_in_part(r, &full, how);
    return err ? err : r->print.format->divergence(&r->print, &full, how);
}

static enum at_err show_brief(struct run *r, const struct at_divergence *d, enum standing how)
{
    r->print.n_shown++;
    r->print.n_failed += how == STANDING_COUNTS;
    return r->partial ? put_in_part(r, d, how) : r->print.format->divergence(&r->print, d, how);
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
    if (r->partial) {
        struct at_check_order order;
        at_checker_order(r->checker, &order);
        r->n_part++;
        return part_put_inferred(&r->part, &order, i);
    }
    return r->print.format->inferred ? r->print.format->inferred(&r->print, i) : AT_OK;
}

static enum at_err on_hint(void *ctx, const char *text)
{
    struct run *r = ctx;
    if (r->partial && r->pass != PASS_EXPLAIN) {
        struct at_check_order order;
        at_checker_order(r->checker, &order);
        r->n_part++;
        return part_put_hint(&r->part, &order, text);
    }
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
    if (r->n_paths != 1 || r->diagnosis || r->check_options.shard.of || r->reader_options.recovery != AT_RECOVER_TAIL)
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
        err = r->pass == PASS_FIND || r->brief ? read_columns(r, why) : read_events(r, why);
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
    at_reader_reading(r->reader, &r->reading);
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

/* The options that have to be the same for all shares, as a quoted text. */
static enum at_err put_options(const struct run *r, struct at_buf *out)
{
    const struct at_check_options *c = &r->check_options;
    enum at_err err = at_buf_printf(out, "\"strict=%d quiet-ms=", c->strict);
    if (!err)
        err = c->has_quiet_ms ? at_buf_printf(out, "%u", c->quiet_ms) : at_buf_str(out, AT_STR("-"));
    if (!err)
        err = at_buf_printf(out, " grace-ms=%u salvage=%d brief=%d fail-on=%u", c->grace_ms,
                            r->reader_options.recovery == AT_RECOVER_SALVAGE, r->brief, r->fail_on);
    return err ? err : at_buf_str(out, AT_STR("\""));
}

static enum at_err fill_head(struct run *r, const struct print_totals *t, struct at_buf *texts, struct part *p)
{
    const struct at_check_totals *c = &t->check;
    const struct at_shard shard = r->check_options.shard;
    p->sums = (struct part_sums){.events = c->events,
                                 .calls = c->calls,
                                 .keys = c->keys,
                                 .undetermined = c->undetermined,
                                 .inconclusive = c->inconclusive,
                                 .divergences = c->divergences,
                                 .gaps = c->gaps,
                                 .lost_bytes = c->lost_bytes,
                                 .counting = r->counting,
                                 .known = r->print.n_known,
                                 .mild = r->print.n_mild,
                                 .lost_events = t->lost.events,
                                 .saw_login = c->saw_login,
                                 .saw_user_info = c->saw_user_info};
    p->max = r->max;
    enum at_err err = at_shares_new(shard.of, &p->share);
    p->share.reading = r->reading;
    p->n_known = known_count(r->known);
    p->known_seen = calloc(p->n_known + 1, 1);
    if (err || !p->known_seen)
        return AT_NOMEM;
    at_shares_set(&p->share, shard.number);
    for (size_t i = 0; i < p->n_known; i++)
        p->known_seen[i] = known_seen(r->known, i);
    err = at_json_quote(&texts[0], at_str(r->profile_name));
    if (!err)
        err = put_options(r, &texts[1]);
    if (!err)
        err = known_list_text(r->known, &texts[2]);
    if (!err)
        err = at_json_quote(&texts[3], at_str(r->print.tape));
    p->profile = at_buf_view(&texts[0]);
    p->options = at_buf_view(&texts[1]);
    p->known = at_buf_view(&texts[2]);
    p->tape = at_buf_view(&texts[3]);
    return err;
}

/* The part, whole. */
static enum at_err write_part(struct run *r, const struct print_totals *t)
{
    struct at_buf texts[4] = {{0}};
    struct part head = {.n_texts = 0};
    enum at_err err = fill_head(r, t, texts, &head);
    if (!err)
        err = part_put_head(&r->print.line, &head);
    if (!err)
        err = at_buf_str(&r->print.line, at_buf_view(&r->part));
    if (!err)
        err = part_put_end(&r->print.line, r->n_part);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        at_buf_free(&texts[i]);
    part_free(&head);
    return err ? err : print_line(&r->print);
}

static int check(struct run *r)
{
    struct at_why why = {{0}};
    struct print_totals t = {0};
    struct at_buf vanished = {0};
    if (r->output && at_output_open(r->output, &r->print.output, &why))
        return at_cli_file_trouble(r->output, &why);
    enum at_err err = check_all(r, &t, &why);
    if (!err)
        err = r->partial ? write_part(r, &t) : print_end(r, &t, &vanished);
    at_buf_free(&vanished);
    if (!err && r->output)
        err = at_output_commit(r->print.output, &r->print.output_why);
    if (err && r->print.output_why.text[0])
        return at_cli_file_trouble(r->output, &r->print.output_why);
    if (err && err != AT_CLOSED)
        return at_cli_trouble("%s", why.text[0] ? why.text : at_err_text(err));
    if (r->partial) /* what was found counts when the parts are put together */
        return at_cli_finish(AT_EXIT_NONE);
    if (r->counting)
        return at_cli_finish(AT_EXIT_FOUND);
    return at_cli_finish(t.check.inconclusive ? AT_EXIT_TROUBLE : AT_EXIT_NONE);
}

/* What does not go together. AT_EXIT_NONE, or the exit status after a message. */
static int check_usage(const struct run *r, const struct at_cli *cli)
{
    if (where_asked(&r->where) && !r->where.user.ptr)
        return at_cli_usage(cli->command, "--at and --timeline need '--user USER'");
    if (!where_asked(&r->where) && (r->where.user.ptr || r->where.app.ptr))
        return at_cli_usage(cli->command, "--user and --app go with --at or --timeline");
    if (where_asked(&r->where) && (r->partial || r->check_options.shard.of || r->output))
        return at_cli_usage(cli->command, "--at and --timeline are about one user: no --shard, --partial or -o");
    if (r->partial && r->has_format)
        return at_cli_usage(cli->command, "a part has a form of its own: --format goes with 'replay merge'");
    if (r->print.diagnose && (r->partial || r->check_options.shard.of > 1))
        return at_cli_usage(cli->command, "--diagnose needs all users of an app: no --shard and no --partial with it");
    return AT_EXIT_NONE;
}

/* Opens all that the run needs. Returns AT_EXIT_NONE, or the exit status after a message. */
static int open_all(struct run *r, const struct at_cli *cli)
{
    struct at_why why = {{0}};
    if (cli->n_operands == 0)
        return at_cli_usage(cli->command, "a tape is needed ('-' is standard input)");
    int status = check_usage(r, cli);
    if (status != AT_EXIT_NONE)
        return status;
    if (r->partial && !r->check_options.shard.of)
        r->check_options.shard = (struct at_shard){1, 1};
    r->reader_options.shard = r->check_options.shard;
    r->reader_options.others = true; /* the checker tells them apart */
    r->paths = (const char *const *)cli->operands;
    r->n_paths = (size_t)cli->n_operands;
    r->pass = paths_are_files(r->paths, r->n_paths) ? PASS_FIND : PASS_ALL;
    r->print.tape = cli->operands[0];
    r->print.profile = r->profile_name;
    if (at_profile_load(r->profile_name, &r->profile, &why))
        return at_cli_file_trouble(r->profile_name, &why);
    if (r->known_path && known_load(r->known_path, &r->known, &why))
        return at_cli_file_trouble(r->known_path, &why);
    struct at_check_options one_user = r->check_options; /* of the history's own checks */
    one_user.shard = (struct at_shard){0};
    if (at_history_new(r->profile, &one_user, 0, &r->history) ||
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
        r->has_format = true;
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
        r->has_max = true;
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
    case OPT_SHARD:
        return at_cli_shard(cli, &r->check_options.shard);
    case OPT_PARTIAL:
        r->partial = true;
        return true;
    case OPT_OUTPUT:
        r->output = strcmp(cli->arg, "-") ? cli->arg : NULL;
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

/* `replay merge`: what was checked, and how, is said by the parts. */
static int merge(struct run *r, const struct at_cli *cli)
{
    const struct at_check_options *c = &r->check_options;
    const struct merge_request q = {.paths = (const char *const *)cli->operands + 1,
                                    .n_paths = (size_t)cli->n_operands - 1,
                                    .output = r->output,
                                    .max = r->max,
                                    .partial = r->partial};
    if (strcmp(r->profile_name, AT_DEFAULT_PROFILE) != 0 || r->known_path || r->print.diagnose || c->strict ||
        c->has_quiet_ms || c->grace_ms || c->shard.of || r->brief || r->fail_on || where_asked(&r->where) ||
        r->reader_options.recovery != AT_RECOVER_TAIL)
        return at_cli_usage(cli->command, "'replay merge' takes --format, --max, --partial and -o: the rest is said "
                                          "when the parts are made");
    if (r->partial && (r->has_format || r->has_max))
        return at_cli_usage(cli->command, "a part has a form of its own: no --format and no --max");
    if (q.n_paths == 0)
        return at_cli_usage(cli->command, "which parts?");
    return replay_merge(&q, &r->print);
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
    if (cli.n_operands && !strcmp(cli.operands[0], "merge")) {
        int status = merge(&r, &cli);
        print_free(&r.print);
        return status;
    }
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
    at_buf_free(&r.part);
    print_free(&r.print);
    return status;
}

const struct at_command at_cmd_replay = {
    .name = "replay",
    .summary = "checks recordings against the reference machine and explains every divergence",
    .usage = "[OPTION]... TAPE|-...\nmerge [--format FORMAT] [--max N] [--partial] [-o OUT] PARTIAL...",
    .options = options,
    .details =
        "Exit status: 0 every event is explained, 1 divergences, 2 trouble (also: a user could not be followed).",
    .run = run,
};
