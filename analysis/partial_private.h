/* partial_private.h: the two halves of partial.h. */
#ifndef AUTHTAPE_PARTIAL_PRIVATE_H
#define AUTHTAPE_PARTIAL_PRIVATE_H

#include <cjson/cJSON.h>

#include "analysis/partial.h"

#define NUMBER_MAX 9007199254740991.0 /* 2^53 - 1 */

struct partial {
    cJSON *top;
};

/* Says where the document is wrong; AT_BAD. */
enum at_err partial_bad(struct at_why *why, const char *where);
/* A number without fraction and sign that every JSON reader keeps exactly. */
bool partial_natural(const cJSON *value, uint64_t *out);
/* `n` hexadecimal digits. */
bool partial_hex(const char *text, size_t n, uint64_t *out);
AT_MUST_USE enum at_err partial_put_shares(const struct partial_shares *s, struct at_buf *out);

#endif
