/* cmd_merge.c: several tapes as one, by time. */
#include "formats/copy.h"

static const struct at_option options[] = {COPY_OPTION, {0}};

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    const char *to;
    if (!at_copy_arguments(&cli, self, argc, argv, true, &to))
        return cli.status;
    return at_copy_many((const char *const *)cli.operands, (size_t)cli.n_operands, to);
}

const struct at_command at_cmd_merge = {
    .name = "merge",
    .summary = "makes one tape of several, by time",
    .usage = "-w OUT.tape|- TAPE|-...",
    .options = options,
    .details =
        "Each tape keeps its order; among them the earliest event comes first, and of events of the same time that of\n"
        "the tape named first.",
    .run = run,
    .may = AT_MAY_TEMPORARY,
};
