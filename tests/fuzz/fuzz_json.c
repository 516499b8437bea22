/* fuzz_json: the strict scanner. What it takes, cJSON takes; what is quoted can be read back. */
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "formats/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct at_str s = {(const char *)data, size}, key, value;
    struct at_buf b = {0};
    need(at_json_skip(s) <= size);
    bool spaced;
    if (at_json_check(s, &spaced)) {
        struct at_json_iter it;
        need(!at_json_compact(&b, s) && spaced == (b.len < size) && at_json_valid(at_buf_view(&b)));
        at_json_iter_begin(&it, s);
        while (at_json_iter_next(&it, &key, &value))
            need(at_json_valid(key) && at_json_valid(value));
    }
    b.len = 0;
    need(!at_json_quote(&b, s) && at_json_valid(at_buf_view(&b)));
    cJSON *item = cJSON_ParseWithLength(b.ptr, b.len);
    need(cJSON_IsString(item));
    cJSON_Delete(item);
    at_buf_free(&b);
    return 0;
}
