/* print.h: the reports as bytes. Private to analysis. Each printer appends to a buffer and touches nothing else. */
#ifndef AUTHTAPE_ANALYSIS_PRINT_H
#define AUTHTAPE_ANALYSIS_PRINT_H

#include "analysis/rows.h"

enum view { VIEW_SUMMARY, VIEW_PROMPTS, VIEW_DENIALS, VIEW_SETTINGS };
#define VIEWS 4

struct report_options {
    enum view view;
    enum report_dim by[REPORT_DIMS];
    size_t n_by;
    size_t width; /* of the terminal in columns; 0: as wide as it gets */
    bool color;
};

AT_MUST_USE enum at_err report_json(const struct tally *t, const struct report_options *o, struct at_buf *out);
AT_MUST_USE enum at_err report_csv(const struct tally *t, const struct report_options *o, struct at_buf *out);
AT_MUST_USE enum at_err report_text(const struct tally *t, const struct report_options *o, struct at_buf *out);

/* MS: milliseconds, printed with a fraction. DURATION: milliseconds, that may be days. */
enum column_unit { COLUMN_COUNT, COLUMN_MS, COLUMN_DURATION };

/* One number of a row. */
struct column {
    const char *name;                        /* in CSV */
    const char *header;                      /* in text */
    double (*value)(const struct counts *c); /* NAN: there is none */
    enum column_unit unit;
};
/* The columns of a view. */
const struct column *const *view_columns(enum view view, size_t *n);

/* Columns that `s` takes on a terminal. */
size_t text_width(struct at_str s);
/* Appends `s` so that a terminal shows it as it is: control and direction characters as \u{XX}. */
AT_MUST_USE enum at_err text_safe(struct at_buf *out, struct at_str s);

#endif
