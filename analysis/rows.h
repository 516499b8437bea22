/* rows.h: the cells of a tally as rows in the order of the report. Private to analysis. */
#ifndef AUTHTAPE_ROWS_H
#define AUTHTAPE_ROWS_H

#include "analysis/tally.h"

struct row {
    struct at_str label[REPORT_DIMS]; /* absent where the dimension is not selected, or does not apply */
    size_t scope_rank;
    const struct counts *counts;
    char times[REPORT_DIMS - DIM_STRINGS][24]; /* what the labels of day and hour point to */
};

/* The rows of `cells`, sorted: scopes as in the profile, then other scopes, and everything else by its bytes. Free
 * with free(). */
AT_MUST_USE enum at_err rows_of(const struct tally *t, const struct cells *cells, struct row **out, size_t *n);

/* The wordings, the most frequent first. Free with free(). */
AT_MUST_USE enum at_err wordings_of(const struct tally *t, struct wording **out, size_t *n);

const char *dim_text(enum report_dim dim);
/* Reads "scope,platform"; false for a word that is none. `order` (REPORT_DIMS) gets the dimensions as given. */
bool dims_parse(const char *text, enum report_dim *order, size_t *n, const char **bad);

#endif
