/* cmd_verify.c: is a tape whole? */
#include <inttypes.h>
#include <stdlib.h>

#include "formats/source.h"

/* Reads all of it, over every damage. */
static enum at_err read_through(struct at_source *s, struct at_why *why)
{
    struct at_tape_batch b;
    for (;;) {
        enum at_err err = at_tape_next_batch(at_source_decoder(s), &b, why);
        if (err == AT_AGAIN)
            err = at_source_feed(s, why);
        if (err)
            return err == AT_END ? AT_OK : err;
    }
}

/* Prints what was found out; AT_EXIT_FOUND where something is missing. */
static int tell(const struct at_source *s)
{
    struct at_tape_damage d;
    struct at_tape_stats stats;
    at_source_damage(s, &d);
    at_source_stats(s, &stats);
    printf("%s: ", at_source_name(s));
    if (d.places)
        printf("damaged: %s at byte %" PRIu64, d.first, d.first_offset);
    else if (!stats.footer)
        printf("not finished: it ends at byte %" PRIu64 " without an index", stats.bytes);
    else
        printf("whole");
    printf("; %" PRIu64 " event%s in %" PRIu64 " frame%s", stats.events, stats.events == 1 ? "" : "s", stats.frames,
           stats.frames == 1 ? "" : "s");
    if (d.places)
        printf(" can be read, %" PRIu64 " bytes cannot (%" PRIu64 " place%s)", d.bytes, d.places,
               d.places == 1 ? "" : "s");
    if (d.events)
        printf(", %" PRIu64 " events known to be lost", d.events);
    if (stats.dropped)
        printf(", %" PRIu64 " dropped while recording", stats.dropped);
    putchar('\n');
    return d.places || !stats.footer ? AT_EXIT_FOUND : AT_EXIT_NONE;
}

static int verify(const char *path)
{
    struct at_source *s = NULL;
    struct at_why why = {""};
    enum at_err err = at_source_open(path, AT_RECOVER_SALVAGE, &s, &why);
    if (!err && !at_source_is_tape(s))
        err = at_fail(&why, AT_BAD, "not a tape");
    if (!err)
        err = read_through(s, &why);
    int status = err ? at_cli_file_trouble(path, &why) : tell(s);
    at_source_close(&s);
    return status;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    int status = AT_EXIT_NONE;
    at_cli_begin(&cli, self, argc, argv);
    if (at_cli_next(&cli) == AT_CLI_EXIT)
        return cli.status;
    if (cli.n_operands == 0)
        return at_cli_usage(self, "a tape is needed ('-' is standard input)");
    for (int i = 0; i < cli.n_operands; i++) {
        int one = verify(cli.operands[i]);
        status = one > status ? one : status;
    }
    return at_cli_finish(status);
}

const struct at_command at_cmd_verify = {
    .name = "verify",
    .summary = "checks that tapes are whole",
    .usage = "TAPE|-...",
    .options = NULL,
    .details =
        "Every checksum, number and reference is checked, and the index against what was read. Exit status: 0 all\n"
        "are whole, 1 something is damaged or missing, 2 trouble.",
    .run = run,
};
