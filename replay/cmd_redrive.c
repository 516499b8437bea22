/* cmd_redrive.c: `authtape redrive`: the recorded calls against a live host. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/print.h"
#include "replay/redrive_compare.h"

enum {
    OPT_TARGET = 1,
    OPT_PROFILE,
    OPT_WRITE,
    OPT_FORMAT,
    OPT_COMMANDS,
    OPT_SPEED,
    OPT_TIMEOUT,
    OPT_PATIENCE,
    OPT_RETRIES,
    OPT_USERS,
    OPT_KEEP_STATE,
    OPT_SKIP_MISSING,
    OPT_DRY_RUN,
    OPT_INSECURE,
    OPT_CA,
};

#define NOTES_MAX 20 /* sentences about what went wrong; the rest is counted */

static const struct at_option options[] = {
    {"target", 't', "URL", OPT_TARGET,
     "ws:// or wss:// address of the host's automation port; {user}, {app}\nand {platform} in it stand for those of "
     "the "
     "recording"},
    {"profile", 'p', "PROFILE", OPT_PROFILE, "a built-in profile or a JSON file (default: " AT_DEFAULT_PROFILE ")"},
    {"write", 'w', "OUT", OPT_WRITE, "keep what happens now as a tape ('-': standard output, with --format none)"},
    {"format", 0, "text|json|junit|none", OPT_FORMAT, "how to print what came of it (default: text)"},
    {"commands", 'c', "FILE", OPT_COMMANDS,
     "what the target is told for a dismissal, a flip in settings, …; redrive(5)"},
    {"speed", 0, "N", OPT_SPEED,
     "1: at the pace of the recording; 10: ten times as fast;\nmax (default): as the order allows"},
    {"timeout", 0, "SECONDS", OPT_TIMEOUT, "longest wait for an answer, a handshake, a command (default: 10)"},
    {"patience", 0, "MS", OPT_PATIENCE,
     "a call not answered for this long may be behind a prompt that the\nrecording did not have, and is helped out of "
     "it "
     "(default: 1000)"},
    {"retries", 0, "N", OPT_RETRIES, "new connections in place of a lost one (default: 3)"},
    {"users", 0, "N", OPT_USERS, "N users side by side for every user of the recording (default: 1)"},
    {"keep-state", 0, NULL, OPT_KEEP_STATE, "do not reset the user's records of authorization first"},
    {"skip-missing", 0, NULL, OPT_SKIP_MISSING, "leave out what the target cannot do, instead of refusing to begin"},
    {"dry-run", 'n', NULL, OPT_DRY_RUN, "only say what would be done"},
    {"ca", 0, "FILE", OPT_CA, "certificates (PEM) to trust for wss://"},
    {"insecure", 0, NULL, OPT_INSECURE, "do not check the target's certificate"},
    {0},
};

struct run {
    const char *target, *profile_name, *commands_path, *out_path;
    enum at_err (*report)(const struct rd_report *r);
    bool text, skip_missing, dry_run;
    struct rd_limits limits;
    struct rd_net_options net_options;
    struct at_profile *profile;
    struct rd_commands *commands;
    struct rd_planner *planner;
    const struct rd_plan *plan;
    struct rd_driver *driver;
    struct rd_net *net;
    struct rd_compare compare;
    struct at_checker *checker;
    struct at_output *out;
    struct at_tape_encoder *encoder;
    struct at_buf bytes, notes;
    struct print print;
    uint64_t n_events, n_notes;
    struct at_why why;
};

static bool take_format(struct run *r, const struct at_cli *cli)
{
    const struct {
        const char *name;
        enum at_err (*report)(const struct rd_report *r);
    } formats[] = {{"text", rd_print_text}, {"json", rd_print_json}, {"junit", rd_print_junit}, {"none", NULL}};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (!strcmp(cli->arg, formats[i].name)) {
            r->report = formats[i].report;
            r->text = i == 0;
            return true;
        }
    at_cli_usage(cli->command, "no format '%s' (text, json, junit, none)", cli->arg);
    return false;
}

static bool take_speed(struct run *r, const struct at_cli *cli)
{
    char *end;
    r->limits.speed = 0;
    if (!strcmp(cli->arg, "max"))
        return true;
    r->limits.speed = strtod(cli->arg, &end);
    if (end != cli->arg && !*end && isfinite(r->limits.speed) && r->limits.speed >= 0.001 && r->limits.speed <= 1e6)
        return true;
    at_cli_usage(cli->command, "--speed is a number from 0.001 to 1000000, or max: not '%s'", cli->arg);
    return false;
}

static bool take_number(struct run *r, const struct at_cli *cli, int id)
{
    uint64_t n;
    switch (id) {
    case OPT_TIMEOUT:
        if (!at_cli_number(cli, "timeout", 1, 86400, &n))
            return false;
        r->limits.timeout_us = r->net_options.timeout_us = (int64_t)n * 1000000;
        return true;
    case OPT_PATIENCE:
        if (!at_cli_number(cli, "patience", 1, 86400000, &n))
            return false;
        r->limits.patience_us = (int64_t)n * 1000;
        return true;
    case OPT_RETRIES:
        if (!at_cli_number(cli, "retries", 0, 1000, &n))
            return false;
        r->limits.retries = (unsigned)n;
        return true;
    case OPT_USERS:
    default:
        if (!at_cli_number(cli, "users", 1, 10000, &n))
            return false;
        r->limits.copies = (uint32_t)n;
        return true;
    }
}

static bool take_option(struct run *r, const struct at_cli *cli, int id)
{
    switch (id) {
    case OPT_TARGET:
        r->target = cli->arg;
        return true;
    case OPT_PROFILE:
        r->profile_name = cli->arg;
        return true;
    case OPT_WRITE:
        r->out_path = cli->arg;
        return true;
    case OPT_FORMAT:
        return take_format(r, cli);
    case OPT_COMMANDS:
        r->commands_path = cli->arg;
        return true;
    case OPT_SPEED:
        return take_speed(r, cli);
    case OPT_KEEP_STATE:
        r->limits.keep_state = true;
        return true;
    case OPT_SKIP_MISSING:
        r->skip_missing = true;
        return true;
    case OPT_DRY_RUN:
        r->dry_run = true;
        return true;
    case OPT_INSECURE:
        r->net_options.insecure = true;
        return true;
    case OPT_CA:
        r->net_options.ca_path = cli->arg;
        return true;
    default:
        return take_number(r, cli, id);
    }
}

/* ---- Before anything runs */

static int read_recording(struct run *r, const struct at_cli *cli)
{
    struct at_reader *reader = NULL;
    struct at_event ev;
    const struct at_check_options check_options = {0};
    enum at_err err =
        at_reader_open((const char *const *)cli->operands, (size_t)cli->n_operands, NULL, &reader, &r->why);
    if (err)
        return at_cli_trouble("%s", r->why.text);
    if ((err = rd_planner_new(r->profile, &check_options, &r->planner)))
        at_fail(&r->why, err, "redrive: %s", at_err_text(err));
    while (!err && !(err = at_reader_next(reader, &ev, NULL, &r->why)))
        if ((err = rd_planner_event(r->planner, &ev)))
            at_fail(&r->why, err, "%s: %s", cli->operands[0],
                    err == AT_LIMIT ? "more than 2,000,000 events: take a part with 'authtape slice'"
                                    : at_err_text(err));
    if (err == AT_END && (err = rd_planner_finish(r->planner, &r->plan)))
        at_fail(&r->why, err, "redrive: %s", at_err_text(err));
    if (!err)
        at_cli_warn_damage(reader);
    at_reader_close(&reader);
    return err ? at_cli_trouble("%s", r->why.text) : AT_EXIT_NONE;
}

static int read_commands(struct run *r)
{
    struct at_buf text = {0};
    enum at_err err = AT_OK;
    if (r->commands_path)
        err = at_read_file(r->commands_path, 1 << 20, &text, &r->why);
    if (!err)
        err = rd_commands_parse(r->commands_path ? at_buf_view(&text) : (struct at_str){0}, &r->commands, &r->why);
    at_buf_free(&text);
    return err ? at_cli_file_trouble(r->commands_path ? r->commands_path : "redrive", &r->why) : AT_EXIT_NONE;
}

/* Says what the recording needs and the target cannot be told. */
static int missing_commands(const struct run *r)
{
    struct at_buf list = {0};
    enum at_err err = AT_OK;
    int status = AT_EXIT_NONE;
    for (int c = 0; c < RD_COMMANDS && !err; c++)
        if (r->plan->needs[c] && !rd_commands_have(r->commands, (enum rd_command)c))
            err = at_buf_printf(&list, "%s'%s' (needed %llu time%s)", list.len ? ", " : "",
                                rd_command_text((enum rd_command)c), (unsigned long long)r->plan->needs[c],
                                r->plan->needs[c] == 1 ? "" : "s");
    if (!err && list.len && r->skip_missing)
        fprintf(stderr, "authtape: the target has no command for %.*s: left out\n", AT_STR_FMT(at_buf_view(&list)));
    else if (!err && list.len)
        status = at_cli_trouble(
            "the target has no command for %.*s: name it in a file of commands (--commands, redrive(5)), "
            "or leave it out (--skip-missing)",
            AT_STR_FMT(at_buf_view(&list)));
    at_buf_free(&list);
    return status;
}

static int check_target(const struct run *r, const struct at_command *self)
{
    struct at_str target = at_str(r->target);
    if (!r->target)
        return at_cli_usage(self, "a target is needed (--target ws://HOST:PORT)");
    if (!at_str_starts(target, AT_STR("ws://")) && !at_str_starts(target, AT_STR("wss://")))
        return at_cli_usage(self, "the target is a ws:// or wss:// address: not '%s'", r->target);
    if (r->out_path && !strcmp(r->out_path, "-") && r->report)
        return at_cli_usage(self, "a tape on standard output goes with --format none only");
    return AT_EXIT_NONE;
}

static int check_users(const struct run *r)
{
    if (rd_address_tells_user(at_str(r->target)) || r->plan->n_keys * r->limits.copies <= 1)
        return AT_EXIT_NONE;
    return at_cli_trouble("the target is not told who is who, and %llu users would share its state: put {user} where "
                          "the address names the user (as in ws://HOST:PORT/?openid={user})",
                          (unsigned long long)r->plan->n_keys * r->limits.copies);
}

static int say_plan(const struct run *r)
{
    uint64_t steps[5] = {0}, inferred = 0;
    for (size_t k = 0; k < r->plan->n_keys; k++)
        for (size_t i = 0; i < r->plan->keys[k].n_steps; i++) {
            steps[r->plan->keys[k].steps[i].kind]++;
            inferred += r->plan->keys[k].steps[i].inferred;
        }
    printf("%zu user%s, %zu connection%s, %llu calls, %llu decisions, %llu flips in settings, %llu resets\n"
           "%llu of these changes were not on the tape, but must have happened\n"
           "%llu calls that have nothing to do with authorization are left out\n"
           "%llu divergences in the recording\n",
           r->plan->n_keys, r->plan->n_keys == 1 ? "" : "s", r->plan->n_streams, r->plan->n_streams == 1 ? "" : "s",
           (unsigned long long)steps[RD_STEP_CALL], (unsigned long long)steps[RD_STEP_DECIDE],
           (unsigned long long)steps[RD_STEP_FLIP], (unsigned long long)steps[RD_STEP_RESET],
           (unsigned long long)inferred, (unsigned long long)r->plan->left_out,
           (unsigned long long)r->plan->divergences);
    return at_cli_finish(AT_EXIT_NONE);
}

/* ---- While it runs */

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct run *r = ctx;
    enum at_err err = rd_compare_divergence(&r->compare, d);
    return err || !r->text ? err : print_text.divergence(&r->print, d, false);
}

static enum at_err write_bytes(struct run *r)
{
    enum at_err err = at_output_write(r->out, r->bytes.ptr, r->bytes.len, &r->why);
    r->bytes.len = 0;
    return err;
}

static enum at_err on_event(void *ctx, const struct at_event *ev)
{
    struct run *r = ctx;
    enum at_err err = at_checker_event(r->checker, ev, r->n_events++);
    if (!err && r->encoder)
        err = at_tape_encode(r->encoder, ev, &r->bytes);
    return err || !r->bytes.len ? err : write_bytes(r);
}

static enum at_err on_note(void *ctx, const char *text)
{
    struct run *r = ctx;
    if (r->n_notes++ >= NOTES_MAX)
        return AT_OK;
    fprintf(stderr, "authtape: %s\n", text);
    return at_buf_printf(&r->notes, "%s\n", text);
}

static enum at_err set_up(struct run *r)
{
    const struct at_check_sink sink = {.ctx = r, .divergence = on_divergence};
    const struct at_check_options check_options = {0};
    const struct at_tape_options tape_options = {0};
    enum at_err err = rd_net_new(&r->net_options, &r->net, &r->why);
    if (err)
        return err;
    if (r->out_path && (err = at_output_open(r->out_path, &r->out, &r->why)))
        return err;
    const struct rd_actions actions = {.net = r->net,
                                       .open = rd_net_open,
                                       .send = rd_net_send,
                                       .close = rd_net_close,
                                       .ctx = r,
                                       .event = on_event,
                                       .note = on_note};
    if (r->out)
        err = at_tape_encoder_new(&tape_options, &r->encoder);
    if (!err)
        err = rd_driver_new(r->plan, r->commands, at_str(r->target), r->profile, &r->limits, &actions, &r->driver);
    if (!err)
        err = rd_compare_new(r->plan, r->planner, r->driver, r->profile, r->limits.copies, &r->compare);
    return err ? err : at_checker_new(r->profile, &check_options, &sink, &r->checker);
}

static enum at_err drive(struct run *r)
{
    enum at_err err = rd_net_run(r->net, r->driver), stopped = err == AT_STOP ? err : AT_OK;
    if (err && !stopped)
        return err;
    err = at_checker_finish(r->checker);
    if (!err && r->encoder)
        err = at_tape_encode_finish(r->encoder, &r->bytes);
    if (!err && r->out)
        err = write_bytes(r);
    if (!err && r->out)
        err = at_output_commit(r->out, &r->why);
    return err ? err : stopped;
}

static int report(struct run *r, bool stopped)
{
    struct rd_report report = {
        .compare = &r->compare, .target = r->target, .profile = r->profile_name, .notes = at_buf_view(&r->notes)};
    struct at_check_totals totals;
    at_checker_totals(r->checker, &totals);
    rd_driver_counts(r->driver, &report.counts);
    rd_compare_finish(&r->compare);
    if (r->n_notes > NOTES_MAX)
        fprintf(stderr, "authtape: and %llu more like these\n", (unsigned long long)(r->n_notes - NOTES_MAX));
    enum at_err err = r->report ? r->report(&report) : AT_OK;
    if (err && err != AT_CLOSED)
        return at_cli_trouble("redrive: %s", at_err_text(err));
    if (stopped)
        return at_cli_trouble("interrupted: the recording was not driven to its end");
    if (r->compare.n_findings)
        return at_cli_finish(AT_EXIT_FOUND);
    if (report.counts.not_driven && !r->skip_missing)
        return at_cli_trouble("%llu steps of the recording could not be driven",
                              (unsigned long long)report.counts.not_driven);
    return at_cli_finish(totals.inconclusive ? AT_EXIT_TROUBLE : AT_EXIT_NONE);
}

static int redrive(struct run *r, const struct at_cli *cli)
{
    int status = check_target(r, cli->command);
    if (status)
        return status;
    if (cli->n_operands == 0)
        return at_cli_usage(cli->command, "a tape is needed ('-' is standard input)");
    if (at_profile_load(r->profile_name, &r->profile, &r->why))
        return at_cli_file_trouble(r->profile_name, &r->why);
    if ((status = read_commands(r)) || (status = read_recording(r, cli)))
        return status;
    if (r->dry_run)
        return say_plan(r);
    if ((status = missing_commands(r)) || (status = check_users(r)))
        return status;
    enum at_err err = set_up(r);
    if (!err)
        err = drive(r);
    if (err && err != AT_STOP)
        return at_cli_trouble("%s", r->why.text[0] ? r->why.text : at_err_text(err));
    return report(r, err == AT_STOP);
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct run r = {.profile_name = AT_DEFAULT_PROFILE,
                    .report = rd_print_text,
                    .text = true,
                    .limits = {.timeout_us = 10000000, .patience_us = 1000000, .retries = 3, .copies = 1},
                    .net_options = {.timeout_us = 10000000},
                    .print = {.format = &print_text, .color = at_cli_color(stdout)}};
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0)
        if (!take_option(&r, &cli, id))
            return AT_EXIT_TROUBLE;
    if (id == AT_CLI_EXIT)
        return cli.status;
    int status = redrive(&r, &cli);
    at_checker_free(&r.checker);
    rd_compare_free(&r.compare);
    at_tape_encoder_free(&r.encoder);
    at_output_close(&r.out);
    rd_net_free(&r.net);
    rd_driver_free(&r.driver);
    rd_planner_free(&r.planner);
    rd_commands_free(&r.commands);
    at_profile_free(&r.profile);
    print_free(&r.print);
    at_buf_free(&r.bytes);
    at_buf_free(&r.notes);
    return status;
}

const struct at_command at_cmd_redrive = {
    .name = "redrive",
    .summary = "makes the recorded calls again, against a live host, and compares",
    .usage = "--target ws://HOST:PORT [OPTION]... TAPE|-...",
    .options = options,
    .details =
        "Exit status: 0 the target answers as a correct host may, 1 it diverges, 2 trouble (also: it could not be\n"
        "driven to the end).",
    .run = run,
    .may = AT_MAY_CONNECT | AT_MAY_NAMES,
};
