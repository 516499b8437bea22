/* cmd_repack.c: a tape as small as it gets, with an index. */
#include "formats/copy.h"

static const struct at_option options[] = {COPY_OPTION, {0}};

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    const struct at_reader_options all = {0};
    const char *to;
    if (!at_copy_arguments(&cli, self, argc, argv, false, &to))
        return cli.status;
    return at_copy((const char *const *)cli.operands, 1, &all, to, NULL);
}

const struct at_command at_cmd_repack = {
    .name = "repack",
    .summary = "writes a tape anew: smallest, with an index",
    .usage = "-w OUT.tape|- TAPE|-",
    .options = options,
    .details = "OUT may be the same file.",
    .run = run,
    .may = AT_MAY_TEMPORARY,
};
