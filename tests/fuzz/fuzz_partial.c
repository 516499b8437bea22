/* fuzz_partial: a partial report, added to a tally twice and written again. */
#include <stdlib.h>

#include "analysis/partial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct at_profile *profile;
    struct partial *part = NULL;
    struct partial_shares shares = {.n = 0};
    struct tally *tally = NULL;
    struct report_options by = {0};
    struct at_buf text = {0};
    struct at_why why = {""};
    unsigned dims = 0;
    if (!profile && at_profile_load(AT_DEFAULT_PROFILE, &profile, NULL))
        abort();
    enum at_err err = partial_parse((struct at_str){(const char *)data, size}, &part, &why);
    if (!err)
        err = partial_dims(part, &by, &why);
    for (size_t i = 0; i < by.n_by && !err; i++)
        dims |= 1u << by.by[i];
    if (!err && tally_new(profile, &dims, dims ? 1 : 0, &tally))
        abort();
    if (!err)
        err = partial_add_shares(part, &shares, &why);
    for (int i = 0; i < 2 && !err; i++)
        err = partial_add(part, tally, &why);
    if (err && !why.text[0])
        abort(); /* a refusal says why */
    if (!err && (tally_finish(tally) || partial_write(tally, &by, partial_profile(part), &shares, &text)))
        abort();
    at_buf_free(&text);
    tally_free(&tally);
    partial_shares_free(&shares);
    partial_free(&part);
    return 0;
}
