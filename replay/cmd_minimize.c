/* cmd_minimize.c: `authtape minimize`: the smallest tape that still diverges. */
#include <stdlib.h>
#include <string.h>

#include "replay/replay.h"

enum { OPT_PROFILE = 1, OPT_DIVERGENCE, OPT_WRITE, OPT_STRICT, OPT_QUIET };

static const struct at_option options[] = {
    {"profile", 'p', "PROFILE", OPT_PROFILE, "a built-in profile or a JSON file (default: " AT_DEFAULT_PROFILE ")"},
    {"divergence", 0, "N", OPT_DIVERGENCE, "which of those that replay finds, from 0 (default: the first)"},
    {"write", 'w', "OUT", OPT_WRITE, "the tape to write; '-' is standard output"},
    {"strict", 0, NULL, OPT_STRICT, "as in replay: nothing happened that was not recorded"},
    {"quiet-ms", 0, "N", OPT_QUIET, "as in replay"},
    {0},
};

struct run {
    const char *profile_name, *path, *out_path;
    struct at_check_options check_options;
    uint64_t wanted, seen;
    struct at_profile *profile;
    struct at_target target;
    struct at_str app, user;  /* the target's */
    uint64_t event, end;      /* its number in the tape, and how far the tape was read when it was found */
    struct at_buf names;      /* what the target's views point into */
    struct at_event **events; /* of the target's user */
    size_t n, cap;
    bool *keep;
};

/* Keeps the divergence that is wanted. */
static enum at_err pick(void *ctx, const struct at_divergence *d)
{
    struct run *r = ctx;
    if (r->seen++ != r->wanted)
        return AT_OK;
    const struct at_str from[] = {d->app, d->user, d->scope, d->api};
    struct at_str *to[] = {&r->app, &r->user, &r->target.scope, &r->target.api};
    enum at_err err = at_buf_reserve(&r->names, d->app.len + d->user.len + d->scope.len + d->api.len + 1);
    for (size_t i = 0; i < 4 && !err; i++) {
        const char *at = r->names.ptr + r->names.len;
        err = at_buf_str(&r->names, from[i]);
        *to[i] = from[i].ptr ? (struct at_str){at, from[i].len} : (struct at_str){0};
    }
    r->target.cls = d->cls;
    r->event = d->at.event;
    return err ? err : AT_STOP;
}

static void get_whole(void *ctx, size_t i, struct at_event *ev)
{
    at_reader_batch_event(ctx, i, ev);
}

static enum at_err find_target(struct run *r, struct at_why *why)
{
    const struct at_check_sink sink = {.ctx = r, .divergence = pick};
    struct at_check_options wordless = r->check_options;
    struct at_reader *reader = NULL;
    struct at_checker *c = NULL;
    struct at_tape_batch batch;
    uint64_t first;
    const char *path = r->path;
    wordless.wordless = true;
    enum at_err err = at_reader_open(&path, 1, &(struct at_reader_options){0}, &reader, why);
    if (!err)
        err = at_checker_new(r->profile, &wordless, &sink, &c);
    while (!err && !(err = at_reader_next_batch(reader, &batch, &first, why))) {
        const struct at_whole_events whole = {.ctx = reader, .get = get_whole};
        r->end = first + batch.n;
        err = at_checker_batch(c, &batch, first, &whole);
    }
    if (err == AT_END)
        err = at_checker_finish(c);
    at_checker_free(&c);
    at_reader_close(&reader);
    if (err == AT_STOP)
        return AT_OK;
    if (err)
        return err;
    return r->seen ? at_fail(why, AT_NOTFOUND, "%s: there are %llu divergences, and none with number %llu", r->path,
                             (unsigned long long)r->seen, (unsigned long long)r->wanted)
                   : at_fail(why, AT_NOTFOUND, "%s: nothing diverges", r->path);
}

static enum at_err keep_event(struct run *r, const struct at_event *ev)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 256;
        struct at_event **grown = realloc(r->events, cap * sizeof(struct at_event *));
        if (!grown)
            return AT_NOMEM;
        r->events = grown;
        r->cap = cap;
    }
    r->events[r->n] = at_event_clone(ev);
    return r->events[r->n++] ? AT_OK : AT_NOMEM;
}

/*
 * All that can matter: the events of the target's user up to where it was found; for a fault that leaks between users
 * they are the same.
 */
static enum at_err read_user(struct run *r, struct at_why *why)
{
    struct at_reader_options only = {.app = r->app, .user = r->user};
    struct at_reader *reader = NULL;
    struct at_event ev;
    uint64_t index = 0;
    const char *path = r->path;
    enum at_err err = at_reader_open(&path, 1, &only, &reader, why);
    while (!err && !(err = at_reader_next(reader, &ev, &index, why)) && index < r->end) {
        if (index == r->event)
            r->target.event = r->n;
        err = keep_event(r, &ev);
    }
    at_cli_warn_damage(reader);
    at_reader_close(&reader);
    return err == AT_END ? AT_OK : err;
}

static enum at_err write_kept(const struct run *r, struct at_why *why)
{
    struct at_tape_encoder *enc = NULL;
    struct at_output *out = NULL;
    struct at_buf bytes = {0};
    enum at_err err = at_output_open(r->out_path, &out, why);
    if (!err)
        err = at_tape_encoder_new(&(struct at_tape_options){.archive = true}, &enc);
    for (size_t i = 0; i < r->n && !err; i++)
        if (r->keep[i])
            err = at_tape_encode(enc, r->events[i], &bytes);
    if (!err)
        err = at_tape_encode_finish(enc, &bytes);
    if (!err)
        err = at_output_write(out, bytes.ptr, bytes.len, why);
    if (!err)
        err = at_output_commit(out, why);
    at_buf_free(&bytes);
    at_tape_encoder_free(&enc);
    at_output_close(&out);
    return err;
}

static enum at_err minimize(struct run *r, struct at_why *why)
{
    enum at_err err = find_target(r, why);
    if (!err)
        err = read_user(r, why);
    if (!err) {
        r->keep = calloc(r->n + 1, sizeof *r->keep);
        err = r->keep ? AT_OK : AT_NOMEM;
    }
    if (!err)
        err = at_minimize(r->profile, &r->check_options, (const struct at_event *const *)r->events, r->n, &r->target,
                          r->keep);
    return err ? err : write_kept(r, why);
}

static int finish(struct run *r)
{
    struct at_why why = {{0}};
    enum at_err err = minimize(r, &why);
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        kept += r->keep && r->keep[i];
        free(r->events[i]);
    }
    free(r->events);
    free(r->keep);
    at_buf_free(&r->names);
    if (err == AT_CLOSED)
        return AT_EXIT_NONE;
    if (err)
        return at_cli_trouble("%s", why.text[0] ? why.text : at_err_text(err));
    fprintf(stderr, "authtape: %s in %zu of the user's %zu events\n", at_divergence_text(r->target.cls), kept, r->n);
    return AT_EXIT_NONE;
}

static bool take_option(struct run *r, const struct at_cli *cli, int id)
{
    uint64_t n = 0;
    bool good = true;
    if (id == OPT_PROFILE) {
        r->profile_name = cli->arg;
    } else if (id == OPT_DIVERGENCE) {
        good = at_cli_number(cli, "divergence", 0, UINT64_MAX, &r->wanted);
    } else if (id == OPT_WRITE) {
        r->out_path = cli->arg;
    } else if (id == OPT_STRICT) {
        r->check_options.strict = true;
    } else {
        good = at_cli_number(cli, "quiet-ms", 0, UINT32_MAX, &n);
        r->check_options.has_quiet_ms = true;
        r->check_options.quiet_ms = (uint32_t)n;
    }
    return good;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct at_why why;
    struct run r = {.profile_name = AT_DEFAULT_PROFILE};
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0)
        if (!take_option(&r, &cli, id))
            return AT_EXIT_TROUBLE;
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (cli.n_operands != 1 || !r.out_path)
        return at_cli_usage(self, "one tape and '-w OUT' are needed");
    r.path = cli.operands[0];
    if (!strcmp(r.path, "-"))
        return at_cli_usage(self, "the tape is read twice: it has to be a file");
    if (at_profile_load(r.profile_name, &r.profile, &why))
        return at_cli_file_trouble(r.profile_name, &why);
    int status = finish(&r);
    at_profile_free(&r.profile);
    return status;
}

const struct at_command at_cmd_minimize = {
    .name = "minimize",
    .summary = "the smallest tape that still shows a divergence",
    .usage = "[OPTION]... -w OUT TAPE",
    .options = options,
    .details = "Without any one of the events that are left the divergence is gone, or another one is made up.\n"
               "Exit status: 0, or 2 for trouble (also: nothing diverges).",
    .run = run,
    .may = AT_MAY_TEMPORARY,
};
