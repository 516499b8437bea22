/* cmd_export.c: authtape export: recordings for other programs. */
#include <string.h>

#include "analysis/analysis.h"
#include "analysis/export.h"

enum { OPT_SQLITE = 1, OPT_PERFETTO, OPT_PROFILE };

static const struct at_option options[] = {
    {"sqlite", 0, "OUT", OPT_SQLITE, "a database with events, calls, keys, divergences"},
    {"perfetto", 0, "OUT", OPT_PERFETTO, "a trace that ui.perfetto.dev opens"},
    {"profile", 'p', "PROFILE", OPT_PROFILE, "the platform: a name or a file (default " AT_DEFAULT_PROFILE ")"},
    {0},
};

static enum at_err read_all(const char *const *paths, size_t n, const struct at_profile *profile, struct exporter *to,
                            struct at_why *why)
{
    const struct at_reader_options select = {0};
    const struct at_check_options check = {0};
    const struct at_check_sink sink = {
        .ctx = to->ctx, .divergence = to->divergence, .inferred = to->inferred, .settled = to->settled};
    struct at_checker *checker = NULL;
    struct at_reader *reader = NULL;
    struct at_event ev;
    uint64_t index = 0;
    enum at_err err = at_reader_open(paths, n, &select, &reader, why), read_err = AT_OK;
    if (err)
        return err;
    err = at_checker_new(profile, &check, &sink, &checker);
    while (!err && !(read_err = at_reader_next(reader, &ev, &index, why))) {
        err = to->event(to->ctx, &ev, index);
        if (!err)
            err = at_checker_event(checker, &ev, index);
    }
    if (!err && read_err == AT_END)
        err = at_checker_finish(checker);
    if (err)
        at_fail(why, err, "%s", to->why.text[0] ? to->why.text : at_err_text(err));
    at_checker_free(&checker);
    at_cli_warn_damage(reader);
    at_reader_close(&reader);
    return err ? err : read_err == AT_END ? AT_OK : read_err;
}

static int export(const char *const *paths, size_t n, const char *profile_name, const char *file, bool sqlite)
{
    struct at_profile *profile = NULL;
    struct exporter to = {0};
    struct at_why why = {{0}};
    enum at_err err = at_profile_load(profile_name, &profile, &why);
    if (err)
        return at_cli_trouble("%s", why.text);
    int status = AT_EXIT_NONE;
    err = sqlite ? export_sqlite(file, &to) : export_perfetto(file, &to);
    if (err) {
        status = at_cli_file_trouble(file, &to.why);
    } else {
        err = read_all(paths, n, profile, &to, &why);
        if (err)
            status = at_cli_trouble("%s", why.text);
        else if (to.finish(to.ctx, &why))
            status = at_cli_file_trouble(file, &why);
    }
    if (to.close)
        to.close(to.ctx);
    at_profile_free(&profile);
    return status;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    const char *profile = AT_DEFAULT_PROFILE, *file = NULL;
    bool sqlite = false;
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0) {
        if (id == OPT_PROFILE) {
            profile = cli.arg;
            continue;
        }
        if (file)
            return at_cli_usage(self, "one of --sqlite and --perfetto at a time");
        file = cli.arg;
        sqlite = id == OPT_SQLITE;
    }
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (!file)
        return at_cli_usage(self, "--sqlite OUT or --perfetto OUT is needed");
    if (sqlite && !strcmp(file, "-"))
        return at_cli_usage(self, "a database cannot be written to standard output");
    if (cli.n_operands == 0)
        return at_cli_usage(self, "which tape?");
    return export((const char *const *)cli.operands, (size_t)cli.n_operands, profile, file, sqlite);
}

const struct at_command at_cmd_export = {
    .name = "export",
    .summary = "recordings for other programs: SQLite, Perfetto",
    .usage = "--sqlite OUT | --perfetto OUT [-p PROFILE] TAPE|-...",
    .options = options,
    .details = "OUT is replaced when it is there, and only when all went well.",
    .run = run,
};
