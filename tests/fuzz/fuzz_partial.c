/*
 * Any bytes as the sums of a part of a report (report --partial): refused with a reason, or added up and printed in
 * every form. What is written of them is read again, and then written the same.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/partial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Adds a part to a tally of its own; NULL where it is refused. */
static struct tally *sums_of(struct at_str text, const struct at_profile *profile, struct report_options *o,
                             struct partial_shares *shares)
{
    struct partial *part = NULL;
    struct tally *t = NULL;
    struct at_why why = {{0}};
    unsigned dims = 0;
    enum at_err err = partial_parse(text, &part, &why);
    if ((err == AT_OK) != (part != NULL))
        abort();
    if (!err)
        err = partial_dims(part, o, &why);
    for (size_t i = 0; i < o->n_by; i++)
        dims |= 1u << o->by[i];
    if (!err)
        err = tally_new(profile, &dims, dims ? 1 : 0, &t);
    if (!err)
        err = partial_add_shares(part, shares, &why);
    if (!err)
        err = partial_add(part, t, &why);
    if (err && !why.text[0])
        abort();
    if (!err)
        err = tally_finish(t);
    if (err)
        tally_free(&t);
    partial_free(&part);
    return t;
}

static void print(const struct tally *t, struct report_options *o)
{
    struct at_buf out = {0};
    for (int view = 0; view < VIEWS; view++) {
        o->view = (enum view)view;
        if (report_text(t, o, &out) || report_csv(t, o, &out) || report_json(t, o, &out))
            abort();
    }
    at_buf_free(&out);
}

/* Sums of several cells may be more than a file can tell: 2^53 and above. */
static bool has_huge_number(struct at_str text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len && digits < 16; i++)
        digits = text.ptr[i] >= '0' && text.ptr[i] <= '9' ? digits + 1 : 0;
    return digits >= 16;
}

static void write_again(const struct tally *t, const struct at_profile *profile, const struct report_options *o,
                        const struct partial_shares *shares)
{
    struct at_buf once = {0}, twice = {0};
    struct report_options again = {0};
    struct partial_shares shares_again = {.n = 0};
    if (partial_write(t, o, AT_DEFAULT_PROFILE, shares, &once))
        abort();
    struct tally *read = sums_of(at_buf_view(&once), profile, &again, &shares_again);
    if (!read && !has_huge_number(at_buf_view(&once)))
        abort();
    if (read && (again.n_by != o->n_by || partial_write(read, &again, AT_DEFAULT_PROFILE, &shares_again, &twice) ||
                 !at_str_eq(at_buf_view(&once), at_buf_view(&twice))))
        abort();
    tally_free(&read);
    partial_shares_free(&shares_again);
    at_buf_free(&once);
    at_buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct at_profile *profile;
    struct report_options o = {.width = len % 2 ? 80 : 0, .color = len % 3 == 0};
    struct partial_shares shares = {.n = 0};
    struct at_why why;
    if (!profile && at_profile_load(AT_DEFAULT_PROFILE, &profile, &why))
        abort();
    struct tally *t = sums_of((struct at_str){(const char *)data, len}, profile, &o, &shares);
    if (t) {
        print(t, &o);
        write_again(t, profile, &o, &shares);
    }
    tally_free(&t);
    partial_shares_free(&shares);
    return 0;
}
