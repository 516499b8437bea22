/* table.h: a table of text with aligned columns. Private to analysis. */
#ifndef AUTHTAPE_TABLE_H
#define AUTHTAPE_TABLE_H

#include "formats/formats.h"

#define TABLE_COLUMNS 32

struct table {
    size_t n_columns, n_cells;
    bool right[TABLE_COLUMNS]; /* aligned to the right: numbers */
    struct at_buf text;        /* of all cells, one after another */
    size_t *ends;              /* of each cell in `text` */
    size_t cap;
};

/* The next cell, by rows; what is unsafe on a terminal is made visible. */
AT_MUST_USE enum at_err table_str(struct table *t, struct at_str s);
AT_MUST_USE enum at_err table_printf(struct table *t, const char *fmt, ...) AT_PRINTF(2, 3);
/* Prints the rows; the first one is the header. Text columns are cut where the table is wider than `width` (0: any). */
AT_MUST_USE enum at_err table_print(const struct table *t, size_t width, bool color, struct at_buf *out);
void table_free(struct table *t);

#endif
