/* cmd_import.c: NDJSON to a tape. */
#include "formats/copy.h"

enum { OPT_WRITE = 1 };

static const struct at_option options[] = {
    {"write", 'w', "OUT", OPT_WRITE, "the tape to write; '-' is standard output (the default)"},
    {0},
};

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    const struct at_reader_options whole = {.recovery = AT_RECOVER_STRICT};
    const char *to = "-";
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0)
        if (id == OPT_WRITE)
            to = cli.arg;
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (cli.n_operands > 1)
        return at_cli_usage(self, "one file is read at a time");
    const char *from = cli.n_operands ? cli.operands[0] : "-";
    return at_copy(&from, 1, &whole, to, NULL);
}

const struct at_command at_cmd_import = {
    .name = "import",
    .summary = "makes a tape of NDJSON events",
    .usage = "[-w OUT.tape|-] [NDJSON|-]",
    .options = options,
    .details = "A malformed line is refused with its number, and nothing is written.",
    .run = run,
    .may = AT_MAY_TEMPORARY,
};
