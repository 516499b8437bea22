/* cmd_import.c: NDJSON to a tape. */
#include <string.h>

#include "formats/source.h"

#define WRITE_BYTES (size_t)(256 * 1024)

enum { OPT_WRITE = 1 };

static const struct at_option options[] = {
    {"write", 'w', "OUT", OPT_WRITE, "the tape to write; '-' is standard output (the default)"},
    {0},
};

/* Encodes everything that `in` gives. */
static enum at_err copy(struct at_source *in, struct at_output *out, struct at_why *in_why, struct at_why *out_why)
{
    const struct at_tape_options archive = {.archive = true};
    struct at_tape_encoder *enc = NULL;
    struct at_buf bytes = {0};
    struct at_event ev;
    enum at_err err = at_tape_encoder_new(&archive, &enc);
    while (!err) {
        err = at_source_next(in, &ev, in_why);
        if (err)
            break;
        err = at_tape_encode(enc, &ev, &bytes);
        if (err)
            at_fail(in_why, err, "%s", at_err_text(err));
        if (!err && bytes.len >= WRITE_BYTES) {
            err = at_output_write(out, bytes.ptr, bytes.len, out_why);
            bytes.len = 0;
        }
    }
    if (err == AT_END) {
        err = at_tape_encode_finish(enc, &bytes);
        if (err)
            at_fail(in_why, err, "%s", at_err_text(err));
        else
            err = at_output_write(out, bytes.ptr, bytes.len, out_why);
        if (!err)
            err = at_output_commit(out, out_why);
    }
    at_buf_free(&bytes);
    at_tape_encoder_free(&enc);
    return err;
}

static int import(const char *from, const char *to)
{
    struct at_source *in = NULL;
    struct at_output *out = NULL;
    struct at_why in_why = {""}, out_why = {""};
    int status = AT_EXIT_TROUBLE;
    if (at_source_open(from, AT_RECOVER_STRICT, &in, &in_why))
        return at_cli_file_trouble(from, &in_why);
    if (at_output_open(to, &out, &out_why) || at_output_hold(out, &out_why)) {
        at_cli_trouble("%s: %s", strcmp(to, "-") ? to : "standard output", out_why.text);
    } else {
        enum at_err err = copy(in, out, &in_why, &out_why);
        if (!err || err == AT_CLOSED)
            status = AT_EXIT_NONE;
        else if (out_why.text[0])
            at_cli_trouble("%s: %s", strcmp(to, "-") ? to : "standard output", out_why.text);
        else
            at_cli_file_trouble(from, &in_why);
    }
    at_output_close(&out);
    at_source_close(&in);
    return status;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
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
    return import(cli.n_operands ? cli.operands[0] : "-", to);
}

const struct at_command at_cmd_import = {
    .name = "import",
    .summary = "makes a tape of NDJSON events",
    .usage = "[-w OUT.tape|-] [NDJSON|-]",
    .options = options,
    .details = "A malformed line is refused with its number, and nothing is written.",
    .run = run,
};
