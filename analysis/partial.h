/* partial.h: the sums of a part of the recordings, to be added up later. Private to analysis. */
#ifndef AUTHTAPE_PARTIAL_H
#define AUTHTAPE_PARTIAL_H

#include "analysis/print.h"

#define PARTIAL_FILE_MAX ((size_t)1 << 30)

/* Which shares of which recordings. */
struct partial_shares {
    struct at_shares *list;
    size_t n;
};
/* Adds what one part has. AT_BAD: a share is there twice. */
AT_MUST_USE enum at_err partial_shares_add(struct partial_shares *sum, const struct at_shares *part,
                                           struct at_why *why);
void partial_shares_free(struct partial_shares *s);

/* Appends the whole of a tally as one JSON document, schema authtape.partial/3. */
AT_MUST_USE enum at_err partial_write(const struct tally *t, const struct report_options *o, const char *profile,
                                      const struct partial_shares *shares, struct at_buf *out);

/* A parsed document; its strings are valid until partial_free. */
struct partial;
AT_MUST_USE enum at_err partial_parse(struct at_str json, struct partial **out, struct at_why *why);
void partial_free(struct partial **p);
/* The profile that it was made with, and its --by list. */
const char *partial_profile(const struct partial *p);
AT_MUST_USE enum at_err partial_dims(const struct partial *p, struct report_options *o, struct at_why *why);
/* Adds the shares that it has. */
AT_MUST_USE enum at_err partial_add_shares(const struct partial *p, struct partial_shares *sum, struct at_why *why);
/* Adds its sums to a tally that was made with the same profile and dimensions. */
AT_MUST_USE enum at_err partial_add(const struct partial *p, struct tally *t, struct at_why *why);

#endif
