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
    static struct at_doc doc;
    need(at_json_skip(s) <= size);
    bool spaced;
    const bool valid = at_json_check(s, &spaced);
    need(valid == (at_doc_index(&doc, s) == AT_OK));
    if (valid) {
        struct at_json_iter it;
        uint32_t node = 1;
        need(spaced == doc.spaced && doc.nodes[0].next == doc.n);
        need(!at_json_compact(&b, s) && spaced == (b.len < size) && at_json_valid(at_buf_view(&b)));
        at_json_iter_begin(&it, s);
        for (; at_json_iter_next(&it, &key, &value); node = doc.nodes[node + 1].next)
            need(at_json_valid(key) && at_json_valid(value) && at_str_eq(at_doc_raw(&doc, node), key) &&
                 at_str_eq(at_doc_raw(&doc, node + 1), value));
        need(doc.nodes[0].type != AT_J_OBJECT || node == doc.n);
    }
    b.len = 0;
    need(!at_json_quote(&b, s) && at_json_valid(at_buf_view(&b)));
    cJSON *item = cJSON_ParseWithLength(b.ptr, b.len);
    need(cJSON_IsString(item));
    cJSON_Delete(item);
    at_buf_free(&b);
    return 0;
}
