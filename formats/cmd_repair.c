/* cmd_repair.c: what can be saved of a damaged tape. */
#include <inttypes.h>

#include "formats/copy.h"

static const struct at_option options[] = {COPY_OPTION, {0}};

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    const struct at_reader_options all = {.recovery = AT_RECOVER_SALVAGE};
    struct at_tape_damage d;
    const char *to;
    if (!at_copy_arguments(&cli, self, argc, argv, false, &to))
        return cli.status;
    int status = at_copy((const char *const *)cli.operands, 1, &all, to, &d);
    if (status != AT_EXIT_NONE || !d.places)
        return status;
    fprintf(stderr, "authtape: %s at byte %" PRIu64 "; lost: %" PRIu64 " bytes in %" PRIu64 " place%s", d.first,
            d.first_offset, d.bytes, d.places, d.places == 1 ? "" : "s");
    if (d.events)
        fprintf(stderr, ", %" PRIu64 " events at least", d.events);
    fputc('\n', stderr);
    return AT_EXIT_FOUND;
}

const struct at_command at_cmd_repair = {
    .name = "repair",
    .summary = "writes what can be saved of a damaged tape",
    .usage = "-w OUT.tape|- TAPE|-",
    .options = options,
    .details = "What was lost is said on standard error. Exit status: 0 nothing was, 1 something was, 2 trouble.",
    .run = run,
    .may = AT_MAY_TEMPORARY,
};
