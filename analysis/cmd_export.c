/* cmd_export.c: authtape export: recordings for other programs. */
#include <string.h>

#include "analysis/analysis.h"
#include "analysis/export.h"
#include "analysis/export_clickhouse.h"

enum { OPT_SQLITE = 1, OPT_PERFETTO, OPT_CLICKHOUSE, OPT_PREFIX, OPT_SCHEMA, OPT_CLUSTER, OPT_RETRY, OPT_PROFILE };

#define RETRY_SECONDS 120u

static const struct at_option options[] = {
    {"sqlite", 0, "OUT", OPT_SQLITE, "a database with events, calls, keys, divergences"},
    {"perfetto", 0, "OUT", OPT_PERFETTO, "a trace that ui.perfetto.dev opens"},
    {"clickhouse", 0, "URL", OPT_CLICKHOUSE, "a ClickHouse server: http://HOST:8123/?database=NAME"},
    {"schema", 0, NULL, OPT_SCHEMA, "print the tables and views in ClickHouse"},
    {"table-prefix", 0, "P", OPT_PREFIX, "what the tables' names begin with (default authtape_)"},
    {"cluster", 0, "NAME", OPT_CLUSTER, "--schema: for the shards of this cluster"},
    {"retry", 0, "SECONDS", OPT_RETRY, "--clickhouse: how long a request that fails is tried again (default 120)"},
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

static int to_clickhouse(const struct export_request *q)
{
    struct at_profile *profile = NULL;
    struct at_why why = {{0}};
    struct export_request request = *q;
    enum at_err err = at_profile_load(q->profile_name, &profile, &why);
    if (err)
        return at_cli_file_trouble(q->profile_name, &why);
    request.profile = profile;
    err = export_clickhouse(&request, at_cli_warn_damage, &why);
    at_profile_free(&profile);
    return err ? at_cli_trouble("export: %s", why.text[0] ? why.text : at_err_text(err)) : AT_EXIT_NONE;
}

static int print_schema(const char *prefix, const char *cluster)
{
    struct at_buf text = {0};
    if (ch_schema(&text, prefix, cluster))
        return at_cli_trouble("export: out of memory");
    fwrite(text.ptr, 1, text.len, stdout);
    at_buf_free(&text);
    return at_cli_finish(AT_EXIT_NONE);
}

/* What the options said. */
struct wanted {
    const char *file; /* of --sqlite and --perfetto */
    const char *cluster;
    bool sqlite, schema, has_prefix, has_retry, twice;
    struct export_request clickhouse;
};

static bool take_option(struct wanted *w, const struct at_cli *cli, int id)
{
    struct ch_server *server = &w->clickhouse.server;
    uint64_t n = 0;
    switch (id) {
    case OPT_PROFILE:
        w->clickhouse.profile_name = cli->arg;
        return true;
    case OPT_PREFIX:
        server->prefix = cli->arg;
        w->has_prefix = true;
        if (!ch_is_name(cli->arg))
            at_cli_usage(cli->command, "'--table-prefix %s': letters, digits and '_' make a name", cli->arg);
        return ch_is_name(cli->arg);
    case OPT_CLUSTER:
        w->cluster = cli->arg;
        if (!ch_is_name(cli->arg))
            at_cli_usage(cli->command, "'--cluster %s': letters, digits and '_' make a name", cli->arg);
        return ch_is_name(cli->arg);
    case OPT_RETRY:
        w->has_retry = at_cli_number(cli, "retry", 0, 86400, &n);
        server->patience_ms = (unsigned)n * 1000;
        return w->has_retry;
    default:
        w->twice = w->twice || w->file || server->url || w->schema;
        w->schema = w->schema || id == OPT_SCHEMA;
        w->sqlite = id == OPT_SQLITE;
        if (id == OPT_CLICKHOUSE)
            server->url = cli->arg;
        else if (id != OPT_SCHEMA)
            w->file = cli->arg;
        return true;
    }
}

/* What does not go together. AT_EXIT_NONE, or the exit status after a message. */
static int check_usage(const struct wanted *w, const struct at_cli *cli)
{
    const struct at_command *self = cli->command;
    const char *url = w->clickhouse.server.url;
    if (w->twice)
        return at_cli_usage(self, "one of --sqlite, --perfetto, --clickhouse and --schema at a time");
    if (!w->file && !url && !w->schema)
        return at_cli_usage(self, "--sqlite OUT, --perfetto OUT, --clickhouse URL or --schema is needed");
    if ((w->has_prefix && w->file) || (w->cluster && !w->schema) || (w->has_retry && !url))
        return at_cli_usage(self,
                            "--table-prefix goes with --clickhouse and --schema, --cluster with --schema, --retry "
                            "with --clickhouse");
    if (w->sqlite && !strcmp(w->file, "-"))
        return at_cli_usage(self, "a database cannot be written to standard output");
    if (w->schema && cli->n_operands)
        return at_cli_usage(self, "--schema takes no tape");
    if (!w->schema && cli->n_operands == 0)
        return at_cli_usage(self, "which tape?");
    return AT_EXIT_NONE;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct wanted w = {.clickhouse = {.profile_name = AT_DEFAULT_PROFILE,
                                      .server = {.prefix = "authtape_", .patience_ms = RETRY_SECONDS * 1000}}};
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0)
        if (!take_option(&w, &cli, id))
            return AT_EXIT_TROUBLE;
    if (id == AT_CLI_EXIT)
        return cli.status;
    int status = check_usage(&w, &cli);
    if (status != AT_EXIT_NONE)
        return status;
    if (!at_cli_confine(&cli, w.clickhouse.server.url ? AT_MAY_CONNECT | AT_MAY_NAMES : 0))
        return cli.status;
    w.clickhouse.paths = (const char *const *)cli.operands;
    w.clickhouse.n_paths = (size_t)cli.n_operands;
    if (w.schema)
        return print_schema(w.clickhouse.server.prefix, w.cluster);
    if (w.clickhouse.server.url)
        return to_clickhouse(&w.clickhouse);
    return export(w.clickhouse.paths, w.clickhouse.n_paths, w.clickhouse.profile_name, w.file, w.sqlite);
}

const struct at_command at_cmd_export = {
    .name = "export",
    .summary = "recordings for other programs: SQLite, Perfetto, ClickHouse",
    .usage = "--sqlite OUT | --perfetto OUT | --clickhouse URL [--table-prefix P] [--retry SECONDS]\n"
             "    [-p PROFILE] TAPE|-...\n"
             "--schema [--table-prefix P] [--cluster NAME]",
    .options = options,
    .details = "OUT is replaced when it is there, and only when all went well. What a server has already is not\n"
               "sent again.",
    .confines_itself = true,
    .run = run,
};
