/* Any bytes as an errMsg, with every built-in profile: views stay inside the message. The first byte is the errno. */
#include <stdlib.h>

#include "formats/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void inside(struct at_str part, struct at_str whole)
{
    if (part.ptr && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct at_profile *profiles[16];
    struct at_why why;
    for (size_t i = 0; i < at_profile_builtin_count() && i < 16; i++)
        if (!profiles[i] &&
            at_profile_parse(at_profile_builtin_text(i), at_profile_builtin_name(i), &profiles[i], &why))
            abort();
    if (len == 0)
        return 0;
    struct at_str msg = {(const char *)data + 1, len - 1};
    for (size_t i = 0; i < 16 && profiles[i]; i++) {
        struct at_outcome o = at_profile_outcome(profiles[i], msg, data[0] & 1, data[0]);
        inside(o.api, msg);
        inside(o.reason, msg);
        if (!at_class_text(o.cls) || (o.cls == AT_CLASS_OK && o.reason.len))
            abort();
        if (o.api.ptr && !at_profile_same_api(profiles[i], o.api, o.api))
            abort();
    }
    return 0;
}
