/* cmd_diff.c: authtape diff: what changed between two recordings. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "analysis/diff.h"

enum { OPT_ALPHA = 1, OPT_EFFECT, OPT_FORMAT, OPT_PROFILE };

static const struct at_option options[] = {
    {"alpha", 0, "P", OPT_ALPHA, "chance of a false alarm, over all comparisons together\n(default 0.05)"},
    {"min-effect", 0, "P", OPT_EFFECT, "least change of a rate that matters (default 0.01:\none percentage point)"},
    {"format", 0, "text|json", OPT_FORMAT, "how to print it (default: text)"},
    {"profile", 'p', "PROFILE", OPT_PROFILE, "the platform: a name or a file (default " AT_DEFAULT_PROFILE ")"},
    {0},
};

/* A number above 0 (or from 0 on) and below 1. */
static bool fraction(const struct at_cli *cli, const char *name, bool zero, double *out)
{
    char *end;
    double value = strtod(cli->arg, &end);
    if (*end || end == cli->arg || !isfinite(value) || value < 0 || value >= 1 || (value == 0 && !zero)) {
        at_cli_usage(cli->command, "'--%s %s': a number %s 0 and below 1 is needed", name, cli->arg,
                     zero ? "from" : "above");
        return false;
    }
    *out = value;
    return true;
}

static int compare(const char *const *paths, const char *profile_name, const struct diff_options *o, bool json)
{
    struct at_profile *profile = NULL;
    struct sums sums[2] = {{0}};
    struct diff diff = {0};
    struct at_buf text = {0};
    struct at_why why = {{0}};
    enum at_err err = at_profile_load(profile_name, &profile, &why);
    for (size_t i = 0; i < 2 && !err; i++) {
        if (diff_sums(profile, &sums[i]))
            err = at_fail(&why, AT_NOMEM, "out of memory");
        else
            err = feed(&paths[i], 1, profile, &sums[i], &why);
    }
    if (!err && (diff_make(&sums[0], &sums[1], o, &diff) || (json ? diff_json : diff_text)(&diff, o, &text)))
        err = at_fail(&why, AT_NOMEM, "out of memory");
    if (!err)
        fwrite(text.ptr, 1, text.len, stdout);
    int status = err ? at_cli_trouble("%s", why.text) : at_cli_finish(diff.changed ? AT_EXIT_FOUND : AT_EXIT_NONE);
    at_buf_free(&text);
    diff_free(&diff);
    for (size_t i = 0; i < 2; i++) {
        story_free(&sums[i].story);
        tally_free(&sums[i].tally);
    }
    at_profile_free(&profile);
    return status;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct diff_options o = {.alpha = 0.05, .min_effect = 0.01};
    const char *profile = AT_DEFAULT_PROFILE;
    bool json = false;
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0) {
        if (id == OPT_ALPHA && !fraction(&cli, "alpha", false, &o.alpha))
            return AT_EXIT_TROUBLE;
        if (id == OPT_EFFECT && !fraction(&cli, "min-effect", true, &o.min_effect))
            return AT_EXIT_TROUBLE;
        if (id == OPT_PROFILE)
            profile = cli.arg;
        if (id != OPT_FORMAT)
            continue;
        json = !strcmp(cli.arg, "json");
        if (!json && strcmp(cli.arg, "text") != 0)
            return at_cli_usage(self, "no format '%s'; there are text and json", cli.arg);
    }
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (cli.n_operands != 2)
        return at_cli_usage(self, "two tapes are needed, OLD and NEW");
    return compare((const char *const *)cli.operands, profile, &o, json);
}

const struct at_command at_cmd_diff = {
    .name = "diff",
    .summary = "what changed between two recordings",
    .usage = "[--alpha P] [--min-effect P] [--format text|json] [-p PROFILE] OLD.tape NEW.tape",
    .options = options,
    .details =
        "Compares rates in all, per scope, and per scope and platform, user by user, and lists new and vanished\n"
        "kinds of divergences and new wordings of errMsg.\n"
        "Exit status: 0 nothing changed, 1 a rate changed or a new kind of divergence appeared, 2 trouble.",
    .run = run,
};
