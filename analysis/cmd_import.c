/* cmd_import.c: authtape import: tapes made of NDJSON, or of events on a server. */
#include <string.h>

#include "analysis/analysis.h"
#include "analysis/import_clickhouse.h"

enum { OPT_WRITE = 1, OPT_CLICKHOUSE, OPT_PREFIX, OPT_RETRY };

#define RETRY_SECONDS 120u

static const struct at_option options[] = {
    {"write", 'w', "OUT", OPT_WRITE, "the tape to write; '-' is standard output (the default)"},
    {"clickhouse", 0, "URL", OPT_CLICKHOUSE,
     "events that 'export --clickhouse' has sent: http://HOST:8123/?database=NAME"},
    {"table-prefix", 0, "P", OPT_PREFIX, "what the tables' names begin with (default authtape_)"},
    {"retry", 0, "SECONDS", OPT_RETRY, "how long a request that fails is tried again (default 120)"},
    AT_SELECT_OPTIONS,
    {0},
};

static int from_clickhouse(const struct ch_server *server, const struct at_select *select, const char *to)
{
    struct at_why why = {{0}};
    enum at_err err = import_clickhouse(server, &select->options, to, &why);
    if (err == AT_NOTFOUND && !why.text[0])
        at_fail(&why, err, "there is no such table");
    return err && err != AT_CLOSED ? at_cli_trouble("import: %s", why.text[0] ? why.text : at_err_text(err))
                                   : AT_EXIT_NONE;
}

static bool take_option(const struct at_cli *cli, int id, struct ch_server *server, const char **to, bool *of_server,
                        struct at_select *select)
{
    uint64_t n = 0;
    *of_server = *of_server || (id != OPT_WRITE && id != OPT_CLICKHOUSE);
    switch (id) {
    case OPT_WRITE:
        *to = cli->arg;
        return true;
    case OPT_CLICKHOUSE:
        server->url = cli->arg;
        return true;
    case OPT_PREFIX:
        server->prefix = cli->arg;
        if (!ch_is_name(cli->arg))
            at_cli_usage(cli->command, "'--table-prefix %s': letters, digits and '_' make a name", cli->arg);
        return ch_is_name(cli->arg);
    case OPT_RETRY:
        if (!at_cli_number(cli, "retry", 0, 86400, &n))
            return false;
        server->patience_ms = (unsigned)n * 1000;
        return true;
    default:
        return at_select_option(cli, id, select);
    }
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct ch_server server = {.prefix = "authtape_", .patience_ms = RETRY_SECONDS * 1000};
    struct at_select select = {0};
    const char *to = "-";
    bool of_server = false; /* an option that goes with --clickhouse only */
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0)
        if (!take_option(&cli, id, &server, &to, &of_server, &select))
            return AT_EXIT_TROUBLE;
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (server.url && cli.n_operands)
        return at_cli_usage(self, "a file, or --clickhouse: one of them");
    if (!server.url && of_server)
        return at_cli_usage(self, "a file is imported whole: filters go with --clickhouse, and with 'authtape slice'");
    if (cli.n_operands > 1)
        return at_cli_usage(self, "one file is read at a time");
    if (!at_cli_confine(&cli, server.url ? AT_MAY_CONNECT | AT_MAY_NAMES : AT_MAY_TEMPORARY))
        return cli.status;
    if (!server.url)
        return at_import_ndjson(cli.n_operands ? cli.operands[0] : "-", to);
    int status = AT_EXIT_TROUBLE;
    if (at_select_end(&select))
        status = from_clickhouse(&server, &select, to);
    at_select_free(&select);
    return status;
}

const struct at_command at_cmd_import = {
    .name = "import",
    .summary = "makes a tape of NDJSON events, or of events on a ClickHouse server",
    .usage = "[-w OUT.tape|-] [NDJSON|-]\n"
             "--clickhouse URL [--table-prefix P] [--shard I/N] [--from T] [--to T] [--app A] [--user U]\n"
             "    [--scope S [-p PROFILE]] [--retry SECONDS] [-w OUT.tape|-]",
    .options = options,
    .details = "A malformed line is refused with its number, and nothing is written.",
    .run = run,
    .confines_itself = true,
};
