/* copy.c: tapes made of other tapes. */
#include <string.h>

#include "formats/copy.h"

#define WRITE_BYTES (size_t)(256 * 1024)

static int output_trouble(const char *to, const struct at_why *why)
{
    return at_cli_trouble("%s: %s", strcmp(to, "-") ? to : "standard output", why->text);
}

/* Every event of the reader into the encoder. AT_END when all was read. */
static enum at_err encode_all(struct at_reader *r, struct at_tape_encoder *enc, struct at_output *out,
                              struct at_buf *bytes, struct at_why *in_why, struct at_why *out_why)
{
    struct at_event ev;
    for (;;) {
        enum at_err err = at_reader_next(r, &ev, NULL, in_why);
        if (err)
            return err;
        err = at_tape_encode(enc, &ev, bytes);
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

static int copy(struct at_reader *r, struct at_tape_encoder *enc, struct at_output *out, const char *to)
{
    struct at_buf bytes = {0};
    struct at_why in_why = {""}, out_why = {""};
    enum at_err err = encode_all(r, enc, out, &bytes, &in_why, &out_why);
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

int at_copy(const char *const *from, size_t n, const struct at_reader_options *options, const char *to,
            struct at_tape_damage *damage)
{
    const struct at_tape_options archive = {.archive = true};
    struct at_reader *r = NULL;
    struct at_output *out = NULL;
    struct at_tape_encoder *enc = NULL;
    struct at_why why = {""};
    int status = AT_EXIT_TROUBLE;
    if (at_reader_open(from, n, options, &r, &why))
        return at_cli_trouble("%s", why.text);
    if (at_tape_encoder_new(&archive, &enc))
        at_cli_trouble("%s", at_err_text(AT_NOMEM));
    else if (at_output_open(to, &out, &why) || at_output_hold(out, &why))
        output_trouble(to, &why);
    else
        status = copy(r, enc, out, to);
    if (damage)
        at_reader_damage(r, damage);
    else
        at_cli_warn_damage(r);
    at_output_close(&out);
    at_tape_encoder_free(&enc);
    at_reader_close(&r);
    return status;
}
