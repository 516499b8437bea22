/* table.c: aligned columns; wide characters counted as two. */
#include "analysis/table.h"

#include <stdarg.h>
#include <stdlib.h>

#include "analysis/print.h"

#define GAP 2    /* columns between columns */
#define LEAST 12 /* a text column is not cut below this */

static enum at_err end_cell(struct table *t)
{
    if (t->n_cells == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        size_t *ends = realloc(t->ends, cap * sizeof *ends);
        if (!ends)
            return AT_NOMEM;
        t->ends = ends;
        t->cap = cap;
    }
    t->ends[t->n_cells++] = t->text.len;
    return AT_OK;
}

enum at_err table_str(struct table *t, struct at_str s)
{
    enum at_err err = text_safe(&t->text, s);
    return err ? err : end_cell(t);
}

enum at_err table_printf(struct table *t, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return table_str(t, at_str(text));
}

static struct at_str cell(const struct table *t, size_t i)
{
    size_t from = i ? t->ends[i - 1] : 0;
    return (struct at_str){t->text.ptr ? t->text.ptr + from : "", t->ends[i] - from};
}

/* The widths of the columns, text columns shrunk until the table fits. */
static void measure(const struct table *t, size_t width, size_t *widths)
{
    size_t total = 0;
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t w = text_width(cell(t, i)), *column = &widths[i % t->n_columns];
        *column = w > *column ? w : *column;
    }
    for (size_t k = 0; k < t->n_columns; k++)
        total += widths[k] + (k ? GAP : 0);
    while (width && total > width) {
        size_t widest = SIZE_MAX;
        for (size_t k = 0; k < t->n_columns; k++)
            if (!t->right[k] && widths[k] > LEAST && (widest == SIZE_MAX || widths[k] > widths[widest]))
                widest = k;
        if (widest == SIZE_MAX)
            return;
        widths[widest]--;
        total--;
    }
}

/* As much of `s` as fits, with "…" where something is left out; the columns that it takes are in *taken. */
static enum at_err put_cut(struct at_buf *out, struct at_str s, size_t width, size_t *taken)
{
    *taken = text_width(s);
    if (*taken <= width)
        return at_buf_str(out, s);
    while (s.len && text_width(s) + 1 > width) {
        s.len--;
        while (s.len && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80)
            s.len--;
    }
    *taken = text_width(s) + 1;
    enum at_err err = at_buf_str(out, s);
    return err ? err : at_buf_str(out, AT_STR("…"));
}

static enum at_err put_cell(const struct table *t, size_t i, const size_t *widths, struct at_buf *out)
{
    size_t k = i % t->n_columns, taken = text_width(cell(t, i));
    bool last = k + 1 == t->n_columns;
    enum at_err err = k ? at_buf_printf(out, "%*s", GAP, "") : AT_OK;
    if (!err && t->right[k] && taken < widths[k])
        err = at_buf_printf(out, "%*s", (int)(widths[k] - taken), "");
    if (!err)
        err = put_cut(out, cell(t, i), widths[k], &taken);
    if (!err && !t->right[k] && !last && taken < widths[k])
        err = at_buf_printf(out, "%*s", (int)(widths[k] - taken), "");
    return err;
}

enum at_err table_print(const struct table *t, size_t width, bool color, struct at_buf *out)
{
    size_t widths[TABLE_COLUMNS] = {0};
    enum at_err err = AT_OK;
    measure(t, width, widths);
    for (size_t i = 0; i < t->n_cells && !err; i++) {
        if (i == 0 && color)
            err = at_buf_str(out, AT_STR("\x1b[1m"));
        if (!err)
            err = put_cell(t, i, widths, out);
        if (!err && i + 1 == t->n_columns && color)
            err = at_buf_str(out, AT_STR("\x1b[0m"));
        if (!err && (i + 1) % t->n_columns == 0)
            err = at_buf_str(out, AT_STR("\n"));
    }
    return err;
}

void table_free(struct table *t)
{
    at_buf_free(&t->text);
    free(t->ends);
    *t = (struct table){0};
}
