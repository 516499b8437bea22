/* copy.c: tapes made of other tapes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/copy.h"

#define WRITE_BYTES (size_t)(256 * 1024)

bool at_copy_arguments(struct at_cli *cli, const struct at_command *self, int argc, char **argv, bool many,
                       const char **to)
{
    int id;
    *to = NULL;
    at_cli_begin(cli, self, argc, argv);
    while ((id = at_cli_next(cli)) > 0)
        *to = cli->arg;
    if (id == AT_CLI_EXIT)
        return false;
    if (!*to)
        cli->status = at_cli_usage(self, "an output is needed ('-w OUT.tape')");
    else if (many && cli->n_operands == 0)
        cli->status = at_cli_usage(self, "a tape is needed ('-' is standard input)");
    else if (!many && cli->n_operands != 1)
        cli->status = at_cli_usage(self, "one tape is needed");
    else
        return true;
    return false;
}

static int output_trouble(const char *to, const struct at_why *why)
{
    return at_cli_trouble("%s: %s", strcmp(to, "-") ? to : "standard output", why->text);
}

/* From where, what happens to each event on its way, and in what form it comes out. */
struct way {
    const struct at_reader_options *options;
    struct at_redactor *redactor; /* or NULL */
    const struct at_tape_options *form;
};

/* Every event of the reader into the encoder. AT_END when all was read. */
static enum at_err encode_all(struct at_reader *r, const struct way *way, struct at_tape_encoder *enc,
                              struct at_output *out, struct at_buf *bytes, struct at_why *in_why,
                              struct at_why *out_why)
{
    struct at_event ev, less;
    for (;;) {
        enum at_err err = at_reader_next(r, &ev, NULL, in_why);
        if (err)
            return err;
        if (way->redactor)
            err = at_redact(way->redactor, &ev, &less);
        if (!err)
            err = at_tape_encode(enc, way->redactor ? &less : &ev, bytes);
        if (err)
            return at_fail(in_why, err, "%s", at_err_text(err));
        if (bytes->len < WRITE_BYTES)
            continue;
        err = at_output_write(out, bytes->ptr, bytes->len, out_why);
        bytes->len = 0;
        if (err)
            return err;
    }
}

static int copy(struct at_reader *r, const struct way *way, struct at_tape_encoder *enc, struct at_output *out,
                const char *to)
{
    struct at_buf bytes = {0};
    struct at_why in_why = {""}, out_why = {""};
    enum at_err err = encode_all(r, way, enc, out, &bytes, &in_why, &out_why);
    if (err == AT_END) {
        err = at_tape_encode_finish(enc, &bytes);
        if (err)
            at_fail(&in_why, err, "%s", at_err_text(err));
        if (!err)
            err = at_output_write(out, bytes.ptr, bytes.len, &out_why);
        if (!err)
            err = at_output_commit(out, &out_why);
    }
    at_buf_free(&bytes);
    if (!err || err == AT_CLOSED)
        return AT_EXIT_NONE;
    return out_why.text[0] ? output_trouble(to, &out_why) : at_cli_trouble("%s", in_why.text);
}

static int copy_tapes(const char *const *from, size_t n, const struct way *way, const char *to,
                      struct at_tape_damage *damage)
{
    struct at_reader *r = NULL;
    struct at_output *out = NULL;
    struct at_tape_encoder *enc = NULL;
    struct at_why why = {""};
    int status = AT_EXIT_TROUBLE;
    if (at_reader_open(from, n, way->options, &r, &why))
        return at_cli_trouble("%s", why.text);
    if (at_tape_encoder_new(way->form, &enc))
        at_cli_trouble("%s", at_err_text(AT_NOMEM));
    else if (at_output_open(to, &out, &why) || at_output_hold(out, &why))
        output_trouble(to, &why);
    else
        status = copy(r, way, enc, out, to);
    if (damage)
        at_reader_damage(r, damage);
    else
        at_cli_warn_damage(r);
    at_output_close(&out);
    at_tape_encoder_free(&enc);
    at_reader_close(&r);
    return status;
}

int at_copy(const char *const *from, size_t n, const struct at_reader_options *options, const char *to,
            struct at_tape_damage *damage)
{
    const struct at_tape_options archive = {.archive = true};
    return copy_tapes(from, n, &(struct way){.options = options, .form = &archive}, to, damage);
}

int at_copy_redacted(const char *const *from, size_t n, const struct at_reader_options *options,
                     struct at_redactor *redactor, const char *to)
{
    const struct at_tape_options archive = {.archive = true};
    return copy_tapes(from, n, &(struct way){options, redactor, &archive}, to, NULL);
}

/* Makes an empty file; its name is to be freed. NULL after a message. */
static char *temporary_file(void)
{
    const char *folder = getenv("TMPDIR");
    char name[4096];
    int n = snprintf(name, sizeof name, "%s/authtape-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = n > 0 && (size_t)n < sizeof name ? mkstemp(name) : -1;
    if (fd < 0) {
        at_cli_trouble("cannot create a temporary file: %s", strerror(errno));
        return NULL;
    }
    close(fd);
    return strdup(name);
}

int at_copy_many(const char *const *from, size_t n, const char *to)
{
    const struct at_reader_options all = {0};
    const struct at_tape_options quick = {.frame_us = UINT32_MAX, .segment_us = UINT32_MAX};
    const struct way group = {.options = &all, .form = &quick};
    if (n <= COPY_AT_A_TIME)
        return at_copy(from, n, &all, to, NULL);
    size_t n_groups = (n + COPY_AT_A_TIME - 1) / COPY_AT_A_TIME;
    char **groups = calloc(n_groups, sizeof *groups);
    if (!groups)
        return at_cli_trouble("%s", at_err_text(AT_NOMEM));
    int status = AT_EXIT_NONE;
    for (size_t i = 0; i < n_groups && status == AT_EXIT_NONE; i++) {
        size_t first = i * COPY_AT_A_TIME, count = n - first < COPY_AT_A_TIME ? n - first : COPY_AT_A_TIME;
        groups[i] = temporary_file();
        status = groups[i] ? copy_tapes(from + first, count, &group, groups[i], NULL) : AT_EXIT_TROUBLE;
    }
    if (status == AT_EXIT_NONE)
        status = at_copy_many((const char *const *)groups, n_groups, to);
    for (size_t i = 0; i < n_groups; i++) {
        if (groups[i])
            unlink(groups[i]);
        free(groups[i]);
    }
    free(groups);
    return status;
}

int at_import_ndjson(const char *from, const char *to)
{
    const struct at_reader_options whole = {.recovery = AT_RECOVER_STRICT};
    return at_copy(&from, 1, &whole, to, NULL);
}
