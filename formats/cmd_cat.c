/* cmd_cat.c: tapes as text. */
#include <string.h>

#include "formats/formats.h"
#include "formats/text.h"

#define FLUSH_BYTES (size_t)(64 * 1024)

enum { OPT_FORMAT = 1 };

static const struct at_option options[] = {
    {"format", 0, "ndjson|text", OPT_FORMAT, "how to print them (default: ndjson)"},
    AT_SELECT_OPTIONS,
    {0},
};

static int print_events(struct at_reader *r, bool text, struct at_output *out)
{
    struct at_buf lines = {0};
    struct at_event ev;
    struct at_why why;
    enum at_err read_err, err = AT_OK;
    while (!(read_err = at_reader_next(r, &ev, NULL, &why))) {
        err = text ? at_event_to_text(&ev, &lines) : at_event_to_json(&ev, &lines);
        if (err) {
            at_fail(&why, err, "%s", at_err_text(err));
            break;
        }
        if (lines.len < FLUSH_BYTES && !at_reader_would_wait(r))
            continue;
        err = at_output_write(out, lines.ptr, lines.len, &why);
        lines.len = 0;
        if (err)
            break;
    }
    struct at_why write_why;
    enum at_err write_err = err ? err : at_output_write(out, lines.ptr, lines.len, &write_why);
    at_buf_free(&lines);
    if (err == AT_CLOSED || write_err == AT_CLOSED)
        return AT_EXIT_NONE;
    if (err)
        return at_cli_trouble("standard output: %s", why.text);
    if (write_err)
        return at_cli_trouble("standard output: %s", write_why.text);
    return read_err == AT_END ? AT_EXIT_NONE : at_cli_trouble("%s", why.text);
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct at_select select = {0};
    struct at_reader *reader = NULL;
    struct at_output *out = NULL;
    struct at_why why;
    bool text = false;
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0) {
        if (id != OPT_FORMAT) {
            if (!at_select_option(&cli, id, &select))
                return AT_EXIT_TROUBLE;
        } else if (!strcmp(cli.arg, "text") || !strcmp(cli.arg, "ndjson")) {
            text = !strcmp(cli.arg, "text");
        } else {
            return at_cli_usage(self, "'--format %s': ndjson or text is needed", cli.arg);
        }
    }
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (cli.n_operands == 0)
        return at_cli_usage(self, "a tape is needed ('-' is standard input)");
    if (!at_select_end(&select))
        return AT_EXIT_TROUBLE;
    int status = AT_EXIT_TROUBLE;
    if (at_output_open("-", &out, &why)) {
        at_select_free(&select);
        return at_cli_trouble("standard output: %s", why.text);
    }
    if (at_reader_open((const char *const *)cli.operands, (size_t)cli.n_operands, &select.options, &reader, &why)) {
        at_cli_trouble("%s", why.text);
    } else {
        status = print_events(reader, text, out);
        at_cli_warn_damage(reader);
    }
    at_reader_close(&reader);
    at_output_close(&out);
    at_select_free(&select);
    return status;
}

const struct at_command at_cmd_cat = {
    .name = "cat",
    .summary = "prints the events of tapes, one a line",
    .usage = "[--format ndjson|text] [--from T] [--to T] [--app A] [--user U] [--shard I/N]\n    [--scope S [-p "
             "PROFILE]] TAPE|-...",
    .options = options,
    .details = "Several tapes are read as one recording, merged by time. NDJSON files are read as well as tapes.",
    .run = run,
};
