/*
 * fuzz_part: parts of a replay, put together and told. Input: two parts, one behind the other, with an empty line
 * between; or one.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/part.h"

static bool take(struct part *sum, struct at_str bytes)
{
    struct at_buf text = {0};
    struct part part = {.n_texts = 0};
    struct at_why why = {""};
    if (at_buf_str(&text, bytes))
        abort();
    enum at_err err = part_parse(&text, &part, &why);
    if (!err)
        err = part_add(sum, &part, &why);
    if (err && !why.text[0])
        abort(); /* a refusal says why */
    at_buf_free(&text);
    part_free(&part);
    return !err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct at_str all = {(const char *)data, size};
    struct part sum = {.n_texts = 0};
    struct print print = {.format = &print_json};
    struct at_buf missing = {0}, again = {0};
    struct at_why why = {""};
    uint32_t n;
    size_t gap = at_str_find(all, AT_STR("\n\n"));
    size_t first = gap == SIZE_MAX ? size : gap + 1;
    bool there = take(&sum, (struct at_str){all.ptr, first});
    if (gap != SIZE_MAX)
        there = take(&sum, (struct at_str){all.ptr + first + 1, size - first - 1}) || there;
    if (there) {
        part_sort(&sum);
        if (at_shares_missing(&sum.share, &n) && at_shares_missing_text(&sum.share, &missing))
            abort();
        if (part_put_head(&again, &sum))
            abort();
        if (part_tell(&sum, &print, UINT64_MAX, &why) && !why.text[0])
            abort();
    }
    at_buf_free(&missing);
    at_buf_free(&again);
    print_free(&print);
    part_free(&sum);
    return 0;
}
