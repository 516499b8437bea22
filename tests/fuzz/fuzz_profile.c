/* Any bytes as a profile: refused with a reason, or loaded and then asked. */
#include <stdlib.h>

#include "formats/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct at_profile *p = NULL;
    struct at_why why = {{0}};
    enum at_err err = at_profile_parse((struct at_str){(const char *)data, len}, "fuzz", &p, &why);
    if ((err == AT_OK) != (p != NULL) || (err && !why.text[0]))
        abort();
    if (p) {
        for (size_t i = 0; i < p->n_scopes; i++) {
            if (at_profile_find_scope(p, p->scopes[i].name) != i)
                abort();
            for (size_t k = 0; k < p->scopes[i].n_apis; k++)
                if (!(at_profile_api(p, p->scopes[i].apis[k]).scopes & (uint64_t)1 << i))
                    abort();
        }
        at_profile_outcome(p, AT_STR("getLocation:fail auth deny"), true, 103);
    }
    at_profile_free(&p);
    return 0;
}
