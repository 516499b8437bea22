/* cmd_report.c: authtape report: what the users were asked, and what they said. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "analysis/analysis.h"
#include "analysis/feed.h"
#include "analysis/page.h"
#include "analysis/partial.h"

enum { OPT_BY = 1, OPT_FORMAT, OPT_OUTPUT, OPT_PARTIAL, OPT_PROFILE, OPT_SHARD };

static const struct at_option options[] = {
    {"by", 0, "LIST", OPT_BY, "group by scope, api, app, platform, errmsg, day, hour;\nseveral: separated by commas"},
    {"format", 0, "text|json|csv|html", OPT_FORMAT, "how to print it (default: text)"},
    {"output", 'o', "OUT", OPT_OUTPUT, "write to OUT instead of standard output"},
    {"partial", 0, NULL, OPT_PARTIAL, "write the sums of these tapes, for 'report merge'"},
    {"shard", 0, "I/N", OPT_SHARD, "count share I of N of the users: 1/8 to 8/8"},
    {"profile", 'p', "PROFILE", OPT_PROFILE, "the platform: a name or a file (default " AT_DEFAULT_PROFILE ")"},
    {0},
};

enum { GROUPS = 1, HOURS }; /* the groupings of the tally */

typedef enum at_err printer(const struct sums *s, const struct report_options *o, struct at_buf *out);

static enum at_err print_text(const struct sums *s, const struct report_options *o, struct at_buf *out)
{
    return report_text(s->tally, o, out);
}

static enum at_err print_json(const struct sums *s, const struct report_options *o, struct at_buf *out)
{
    return report_json(s->tally, o, out);
}

static enum at_err print_csv(const struct sums *s, const struct report_options *o, struct at_buf *out)
{
    return report_csv(s->tally, o, out);
}

static enum at_err print_html(const struct sums *s, const struct report_options *o, struct at_buf *out)
{
    return report_html(s->tally, o, s->story, o->n_by ? GROUPS : 0, HOURS, out);
}

struct request {
    struct report_options report;
    const char *profile, *output;
    bool partial, merge;
    struct at_shard shard;
    char merged_profile[4096]; /* merge: the name of the parts' profile */
    printer *print;
    const char *const *paths;
    size_t n_paths;
};

static int write_out(const char *path, const struct at_buf *text)
{
    struct at_output *out = NULL;
    struct at_why why;
    enum at_err err = at_output_open(path, &out, &why);
    if (!err)
        err = at_output_write(out, text->ptr, text->len, &why);
    if (!err)
        err = at_output_commit(out, &why);
    at_output_close(&out);
    if (err == AT_CLOSED)
        return AT_EXIT_NONE;
    if (err)
        return at_cli_trouble("%s: %s", strcmp(path, "-") ? path : "standard output", why.text);
    return AT_EXIT_NONE;
}

static enum at_err new_sums(const struct request *q, const struct at_profile *profile, struct sums *s)
{
    unsigned dims[2] = {0, 1u << DIM_HOUR};
    bool html = q->print == print_html;
    for (size_t i = 0; i < q->report.n_by; i++)
        dims[0] |= 1u << q->report.by[i];
    enum at_err err = tally_new(profile, dims, html ? 2 : dims[0] ? 1 : 0, &s->tally);
    bool one_view = !q->partial && (q->print == print_text || q->print == print_csv);
    if (!err && one_view)
        tally_leave_out(s->tally, dims[0], q->report.view != VIEW_PROMPTS);
    return err || !html ? err : story_new(&s->story);
}

/* One part: the first tells the profile and the dimensions, the others have to agree. */
static enum at_err add_part(struct request *q, const char *path, struct at_profile **profile, struct sums *sums,
                            struct partial_shares *shares, struct at_why *why)
{
    struct at_buf text = {0};
    struct partial *part = NULL;
    struct report_options by = {0};
    enum at_err err = at_read_file(path, PARTIAL_FILE_MAX, &text, why);
    if (!err)
        err = partial_parse(at_buf_view(&text), &part, why);
    if (!err)
        err = partial_dims(part, &by, why);
    if (!err && !*profile) {
        memcpy(q->report.by, by.by, sizeof by.by);
        q->report.n_by = by.n_by;
        err = at_profile_load(partial_profile(part), profile, why);
        snprintf(q->merged_profile, sizeof q->merged_profile, "%s", partial_profile(part));
        if (!err && new_sums(q, *profile, sums))
            err = at_fail(why, AT_NOMEM, "out of memory");
    }
    if (!err && (by.n_by != q->report.n_by || memcmp(by.by, q->report.by, by.n_by * sizeof by.by[0]) != 0))
        err = at_fail(why, AT_BAD, "made with another --by than the parts before it");
    if (!err && strcmp(q->merged_profile, partial_profile(part)) != 0)
        err = at_fail(why, AT_BAD, "made with another profile than the parts before it");
    if (!err)
        err = partial_add_shares(part, shares, why);
    if (!err)
        err = partial_add(part, sums->tally, why);
    partial_free(&part);
    at_buf_free(&text);
    return err;
}

static int merge(struct request *q)
{
    struct at_profile *profile = NULL;
    struct sums sums = {0};
    struct at_buf text = {0};
    struct at_why why = {{0}};
    struct partial_shares shares = {.n = 0};
    int status = AT_EXIT_NONE;
    for (size_t i = 0; i < q->n_paths && status == AT_EXIT_NONE; i++)
        if (add_part(q, q->paths[i], &profile, &sums, &shares, &why))
            status = at_cli_file_trouble(q->paths[i], &why);
    for (size_t i = 0; i < shares.n && status == AT_EXIT_NONE && !q->partial; i++)
        status = at_cli_missing_shares("report", &shares.list[i]);
    if (status == AT_EXIT_NONE &&
        (tally_finish(sums.tally) ||
         (q->partial ? partial_write(sums.tally, &q->report, q->merged_profile, &shares, &text)
                     : q->print(&sums, &q->report, &text))))
        status = at_cli_trouble("out of memory");
    partial_shares_free(&shares);
    if (status == AT_EXIT_NONE)
        status = write_out(q->output, &text);
    at_buf_free(&text);
    story_free(&sums.story);
    tally_free(&sums.tally);
    at_profile_free(&profile);
    return status;
}

static enum at_err write_part(const struct request *q, const struct sums *sums, struct at_buf *text)
{
    struct partial_shares shares = {.n = 0};
    struct at_shares one = {.of = 0};
    enum at_err err = at_shares_new(sums->shard.of, &one);
    if (!err) {
        one.reading = sums->reading;
        at_shares_set(&one, sums->shard.number);
        err = partial_shares_add(&shares, &one, NULL);
    }
    if (!err)
        err = partial_write(sums->tally, &q->report, q->profile, &shares, text);
    at_shares_free(&one);
    partial_shares_free(&shares);
    return err;
}

static int report(const struct request *q)
{
    struct at_profile *profile = NULL;
    struct sums sums = {.shard = q->shard};
    struct at_buf text = {0};
    struct at_why why = {{0}};
    if (q->partial && !q->shard.of)
        sums.shard = (struct at_shard){1, 1};
    enum at_err err = at_profile_load(q->profile, &profile, &why);
    if (!err && new_sums(q, profile, &sums))
        err = at_fail(&why, AT_NOMEM, "out of memory");
    if (!err)
        err = feed(q->paths, q->n_paths, profile, &sums, &why);
    if (!err && (q->partial ? write_part(q, &sums, &text) : q->print(&sums, &q->report, &text)))
        err = at_fail(&why, AT_NOMEM, "out of memory");
    int status = err ? at_cli_trouble("%s", why.text) : write_out(q->output, &text);
    at_buf_free(&text);
    story_free(&sums.story);
    tally_free(&sums.tally);
    at_profile_free(&profile);
    return status;
}

static bool choose_format(const struct at_cli *cli, struct request *q)
{
    static const struct {
        const char *name;
        printer *print;
    } formats[] = {{"text", print_text}, {"json", print_json}, {"csv", print_csv}, {"html", print_html}};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (!strcmp(cli->arg, formats[i].name)) {
            q->print = formats[i].print;
            return true;
        }
    }
    at_cli_usage(cli->command, "no format '%s'; there are text, json, csv and html", cli->arg);
    return false;
}

static bool choose_dims(const struct at_cli *cli, struct request *q)
{
    const char *bad;
    if (dims_parse(cli->arg, q->report.by, &q->report.n_by, &bad))
        return true;
    int len = (int)strcspn(bad, ",");
    at_cli_usage(cli->command,
                 "--by: '%.*s' is unknown or named twice; there are scope, api, app, platform, errmsg, day, "
                 "hour",
                 len, bad);
    return false;
}

static void choose_view(struct at_cli *cli, struct request *q)
{
    static const char *const names[VIEWS] = {"summary", "prompts", "denials", "settings"};
    for (size_t i = 0; cli->n_operands && i < VIEWS; i++) {
        if (strcmp(cli->operands[0], names[i]) != 0)
            continue;
        q->report.view = (enum view)i;
        cli->operands++;
        cli->n_operands--;
        return;
    }
}

static size_t terminal_width(const char *output)
{
    struct winsize size;
    if (strcmp(output, "-") != 0 || !isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        return 0;
    return size.ws_col;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct request q = {.profile = AT_DEFAULT_PROFILE, .output = "-", .print = print_text};
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0) {
        if (id == OPT_BY && !choose_dims(&cli, &q))
            return AT_EXIT_TROUBLE;
        if (id == OPT_FORMAT && !choose_format(&cli, &q))
            return AT_EXIT_TROUBLE;
        if (id == OPT_SHARD && !at_cli_shard(&cli, &q.shard))
            return AT_EXIT_TROUBLE;
        if (id == OPT_PARTIAL)
            q.partial = true;
        if (id == OPT_OUTPUT)
            q.output = cli.arg;
        if (id == OPT_PROFILE)
            q.profile = cli.arg;
    }
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (cli.n_operands && !strcmp(cli.operands[0], "merge")) {
        q.merge = true;
        cli.operands++;
        cli.n_operands--;
    }
    choose_view(&cli, &q);
    if (q.merge && (q.report.n_by || q.shard.of || q.print == print_html))
        return at_cli_usage(self,
                            "merge takes no --by and no --shard, and makes no html: the parts have what they have");
    if (q.shard.of > 1 && q.print == print_html)
        return at_cli_usage(self, "a page is made of all users: no --shard with --format html");
    if (cli.n_operands == 0)
        return at_cli_usage(self, q.merge ? "which parts?" : "which tape?");
    q.paths = (const char *const *)cli.operands;
    q.n_paths = (size_t)cli.n_operands;
    q.report.width = terminal_width(q.output);
    q.report.color = q.report.width && at_cli_color(stdout);
    return q.merge ? merge(&q) : report(&q);
}

const struct at_command at_cmd_report = {
    .name = "report",
    .summary = "calls, prompts, denials and settings changes, per scope",
    .usage = "[summary|prompts|denials|settings] [--by LIST] [--format FORMAT] [-o OUT]\n"
             "    [-p PROFILE] [--shard I/N] [--partial] TAPE|-...\n"
             "merge [summary|prompts|denials|settings] [--partial] [--format FORMAT] [-o OUT] PARTIAL...",
    .options = options,
    .details = "Several tapes are read as one recording, merged by time. What was not on the wire is taken from the\n"
               "reference machine and counted as inferred. authtape-report(1) says what each number counts.",
    .run = run,
};
