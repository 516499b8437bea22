/* report_csv.c: the rows of a view as CSV (RFC 4180): lines end in CRLF, a field is quoted when it has to be. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/print.h"

static bool needs_quotes(struct at_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == ',' || s.ptr[i] == '"' || s.ptr[i] == '\n')
            return true;
    return s.len && (s.ptr[0] == ' ' || s.ptr[s.len - 1] == ' ');
}

/* A spreadsheet would take it for a formula and run it: the fullwidth forms as well. */
static bool looks_like_formula(struct at_str s)
{
    static const char *const begins[] = {"=", "+", "-", "@", "\n", "＝", "＋", "－", "＠"};
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        if (at_str_starts(s, at_str(begins[i])))
            return true;
    return false;
}

/* What steers a terminal or turns text around is made visible; line ends, which CSV can hold, stay. */
static enum at_err make_safe(struct at_buf *out, struct at_str s)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < s.len && !err;) {
        const char *end = memchr(s.ptr + i, '\n', s.len - i);
        size_t len = end ? (size_t)(end - s.ptr) - i : s.len - i;
        err = text_safe(out, (struct at_str){s.ptr + i, len});
        if (!err && end)
            err = at_buf_str(out, AT_STR("\n"));
        i += len + (end != NULL);
    }
    return err;
}

static enum at_err put_safe_field(struct at_buf *out, struct at_str s)
{
    bool quoted = needs_quotes(s);
    enum at_err err = quoted ? at_buf_str(out, AT_STR("\"")) : AT_OK;
    if (!err && looks_like_formula(s))
        err = at_buf_str(out, AT_STR("'"));
    if (!quoted)
        return err ? err : at_buf_str(out, s);
    for (size_t i = 0; i < s.len && !err; i++)
        err = s.ptr[i] == '"' ? at_buf_str(out, AT_STR("\"\"")) : at_buf_add(out, s.ptr + i, 1);
    return err ? err : at_buf_str(out, AT_STR("\""));
}

static enum at_err put_field(struct at_buf *out, struct at_str s)
{
    struct at_buf safe = {0};
    enum at_err err = make_safe(&safe, s);
    if (!err)
        err = put_safe_field(out, at_buf_view(&safe));
    at_buf_free(&safe);
    return err;
}

static enum at_err put_number(struct at_buf *out, const struct column *col, const struct counts *c)
{
    double value = col->value(c);
    if (isnan(value))
        return AT_OK;
    return at_buf_printf(out, col->unit != COLUMN_COUNT ? "%.3f" : "%.0f", value);
}

enum at_err report_csv(const struct tally *t, const struct report_options *o, struct at_buf *out)
{
    static const enum report_dim by_scope[] = {DIM_SCOPE};
    const enum report_dim *by = o->n_by ? o->by : by_scope;
    size_t n_by = o->n_by ? o->n_by : 1, n_columns = 0, n = 0;
    const struct column *const *columns = view_columns(o->view, &n_columns);
    struct row *rows = NULL;
    enum at_err err = AT_OK;
    for (size_t d = 0; d < n_by && !err; d++)
        err = at_buf_printf(out, "%s%s", d ? "," : "", dim_text(by[d]));
    for (size_t k = 0; k < n_columns && !err; k++)
        err = at_buf_printf(out, ",%s", columns[k]->name);
    if (!err)
        err = at_buf_str(out, AT_STR("\r\n"));
    if (!err)
        err = rows_of(t, o->n_by ? tally_groups(t, 1) : tally_scopes(t), &rows, &n);
    for (size_t i = 0; i < n && !err; i++) {
        for (size_t d = 0; d < n_by && !err; d++) {
            err = d ? at_buf_str(out, AT_STR(",")) : AT_OK;
            if (!err)
                err = put_field(out, rows[i].label[by[d]]);
        }
        for (size_t k = 0; k < n_columns && !err; k++) {
            err = at_buf_str(out, AT_STR(","));
            if (!err)
                err = put_number(out, columns[k], rows[i].counts);
        }
        if (!err)
            err = at_buf_str(out, AT_STR("\r\n"));
    }
    free(rows);
    return err;
}
