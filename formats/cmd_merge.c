/* cmd_merge.c: several tapes as one, by time. */
#include <sys/resource.h>

#include "formats/copy.h"

static const struct at_option options[] = {COPY_OPTION, {0}};

/* All tapes are open at a time: takes as many file descriptors as the system lets one have. */
static void allow_many_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        return; /* what there is has to do: opening one too many says so */
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    const struct at_reader_options all = {0};
    const char *to = NULL;
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0)
        to = cli.arg;
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (!to)
        return at_cli_usage(self, "an output is needed ('-w OUT.tape')");
    if (cli.n_operands == 0)
        return at_cli_usage(self, "a tape is needed ('-' is standard input)");
    allow_many_files();
    return at_copy((const char *const *)cli.operands, (size_t)cli.n_operands, &all, to, NULL);
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
};
