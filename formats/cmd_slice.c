/* cmd_slice.c: a part of a tape. */
#include "formats/copy.h"

static const struct at_option options[] = {COPY_OPTION, AT_SELECT_OPTIONS, AT_REDACT_OPTIONS, {0}};

/* The slice, with what is left of each event. */
static int redacted(const struct at_cli *cli, const struct at_redact_options *how, const struct at_select *select,
                    const char *to)
{
    struct at_redactor *redactor = NULL;
    struct at_why why;
    if (at_redactor_new(how, &redactor, &why))
        return how->key_file ? at_cli_file_trouble(how->key_file, &why) : at_cli_trouble("slice: %s", why.text);
    int status =
        at_copy_redacted((const char *const *)cli->operands, (size_t)cli->n_operands, &select->options, redactor, to);
    at_redactor_free(&redactor);
    return status;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct at_select select = {0};
    struct at_redact_options redact = {0};
    const char *to = NULL;
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0) {
        if (id == COPY_WRITE)
            to = cli.arg;
        else if (!at_redact_option(&cli, id, &redact) && !at_select_option(&cli, id, &select))
            return AT_EXIT_TROUBLE;
    }
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (!to)
        return at_cli_usage(self, "an output is needed ('-w OUT.tape')");
    if (cli.n_operands == 0)
        return at_cli_usage(self, "a tape is needed ('-' is standard input)");
    if (!at_select_end(&select))
        return AT_EXIT_TROUBLE;
    int status = redact.redact || redact.key_file
                     ? redacted(&cli, &redact, &select, to)
                     : at_copy((const char *const *)cli.operands, (size_t)cli.n_operands, &select.options, to, NULL);
    at_select_free(&select);
    return status;
}

const struct at_command at_cmd_slice = {
    .name = "slice",
    .summary = "writes a part of a tape: a time, an app, a user, a scope",
    .usage = "[--from T] [--to T] [--app A] [--user U] [--shard I/N] [--scope S [-p PROFILE]]\n    [--redact | "
             "--pseudonymize FILE] -w OUT.tape|- TAPE|-...",
    .options = options,
    .details = NULL,
    .run = run,
    .may = AT_MAY_TEMPORARY,
};
