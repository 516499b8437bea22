/* report_text.c: the report for a person at a terminal. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/print.h"
#include "analysis/table.h"

#define WORDINGS_SHOWN 20

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static enum at_err put_heading(const struct tally *t, struct at_buf *out)
{
    struct tally_totals n;
    char from[40], to[40];
    tally_totals(t, &n);
    enum at_err err =
        at_buf_printf(out, "%" PRIu64 " event%s, %" PRIu64 " call%s, %" PRIu64 " app%s, %" PRIu64 " user%s", n.events,
                      plural(n.events), n.calls, plural(n.calls), n.apps, plural(n.apps), n.users, plural(n.users));
    if (!err && n.events) {
        at_time_text(n.from_us, from);
        at_time_text(n.to_us, to);
        err = at_buf_printf(out, ", from %s to %s", from, to);
    }
    return err ? err : at_buf_str(out, AT_STR("\n\n"));
}

static enum at_err put_duration(struct table *table, double s)
{
    if (s < 120)
        return table_printf(table, "%.1f s", s);
    if (s < 7200)
        return table_printf(table, "%.1f min", s / 60);
    return s < 172800 ? table_printf(table, "%.1f h", s / 3600) : table_printf(table, "%.1f d", s / 86400);
}

static enum at_err put_value(struct table *table, const struct column *col, const struct counts *c)
{
    double value = col->value(c);
    if (isnan(value))
        return table_str(table, AT_STR("-"));
    if (col->unit == COLUMN_DURATION)
        return put_duration(table, value / 1000);
    return table_printf(table, col->unit == COLUMN_MS ? "%.1f" : "%.0f", value);
}

static enum at_err put_rows(const struct tally *t, const struct report_options *o, struct at_buf *out)
{
    static const enum report_dim by_scope[] = {DIM_SCOPE};
    const enum report_dim *by = o->n_by ? o->by : by_scope;
    size_t n_by = o->n_by ? o->n_by : 1, n_columns = 0, n = 0;
    const struct column *const *columns = view_columns(o->view, &n_columns);
    struct table table = {.n_columns = n_by + n_columns};
    struct row *rows = NULL;
    enum at_err err = AT_OK;
    for (size_t d = 0; d < n_by && !err; d++)
        err = table_str(&table, at_str(dim_text(by[d])));
    for (size_t k = 0; k < n_columns && !err; k++) {
        table.right[n_by + k] = true;
        err = table_str(&table, at_str(columns[k]->header));
    }
    if (!err)
        err = rows_of(t, o->n_by ? tally_groups(t, 1) : tally_scopes(t), &rows, &n);
    for (size_t i = 0; i < n && !err; i++) {
        for (size_t d = 0; d < n_by && !err; d++)
            err = table_str(&table, rows[i].label[by[d]].ptr ? rows[i].label[by[d]] : AT_STR("-"));
        for (size_t k = 0; k < n_columns && !err; k++)
            err = put_value(&table, columns[k], rows[i].counts);
    }
    if (!err)
        err = n ? table_print(&table, o->width, o->color, out) : at_buf_str(out, AT_STR("nothing to report\n"));
    free(rows);
    table_free(&table);
    return err;
}

enum pick { KNOWN_ONES, UNKNOWN_ONES };

static bool is_shown(const struct wording *w, enum view view, enum pick pick)
{
    if (w->known != (pick == KNOWN_ONES))
        return false;
    return pick == UNKNOWN_ONES || view != VIEW_DENIALS || w->cls == AT_CLASS_DENIED || w->cls == AT_CLASS_UNAUTHORIZED;
}

static struct at_str or_dash(struct at_str s)
{
    return s.ptr ? s : AT_STR("-");
}

/* How the hosts word their answers: what the profile knows, or what it does not. */
static enum at_err put_wordings(const struct wording *list, size_t n, enum pick pick, const struct report_options *o,
                                struct at_buf *out)
{
    static const char *const headers[] = {"count", "platform", "api", "class", "errMsg"};
    struct table table = {.n_columns = 5, .right = {true}};
    size_t shown = 0, all = 0;
    enum at_err err = AT_OK;
    for (size_t i = 0; i < 5 && !err; i++)
        err = table_str(&table, at_str(headers[i]));
    for (size_t i = 0; i < n && !err; i++) {
        if (!is_shown(&list[i], o->view, pick) || all++ >= WORDINGS_SHOWN)
            continue;
        shown++;
        err = table_printf(&table, "%" PRIu64, list[i].count);
        if (!err)
            err = table_str(&table, or_dash(list[i].platform));
        if (!err)
            err = table_str(&table, or_dash(list[i].api));
        if (!err)
            err = table_str(&table, at_str(at_class_text(list[i].cls)));
        if (!err)
            err = table_str(&table, list[i].err_msg);
    }
    if (!err && shown)
        err =
            at_buf_str(out, pick == KNOWN_ONES ? AT_STR("\n") : AT_STR("\nwordings that the profile does not know:\n"));
    if (!err && shown)
        err = table_print(&table, o->width, o->color, out);
    if (!err && all > shown)
        err = at_buf_printf(out, "and %zu more; --format json has them all\n", all - shown);
    table_free(&table);
    return err;
}

static enum at_err put_all_wordings(const struct tally *t, const struct report_options *o, struct at_buf *out)
{
    struct wording *list = NULL;
    size_t n = 0;
    enum at_err err = wordings_of(t, &list, &n);
    if (!err)
        err = put_wordings(list, n, KNOWN_ONES, o, out);
    if (!err)
        err = put_wordings(list, n, UNKNOWN_ONES, o, out);
    free(list);
    return err;
}

/* APIs that were called by users whom nobody asked for the scope. */
static enum at_err put_lone(const struct tally *t, const struct report_options *o, struct at_buf *out)
{
    static const char *const headers[] = {"scope", "api", "platform", "calls", "users"};
    struct table table = {.n_columns = 5, .right = {[3] = true, [4] = true}};
    struct row *rows = NULL;
    size_t n = 0;
    enum at_err err = rows_of(t, tally_lone(t), &rows, &n);
    for (size_t i = 0; i < 5 && !err; i++)
        err = table_str(&table, at_str(headers[i]));
    for (size_t i = 0; i < n && !err; i++) {
        err = table_str(&table, or_dash(rows[i].label[DIM_SCOPE]));
        if (!err)
            err = table_str(&table, or_dash(rows[i].label[DIM_API]));
        if (!err)
            err = table_str(&table, or_dash(rows[i].label[DIM_PLATFORM]));
        if (!err)
            err = table_printf(&table, "%" PRIu64, rows[i].counts->calls);
        if (!err)
            err = table_printf(&table, "%" PRIu64, rows[i].counts->users[0]);
    }
    if (!err && n)
        err = at_buf_str(out, AT_STR("\ncalled by users who were never asked for the scope:\n"));
    if (!err && n)
        err = table_print(&table, o->width, o->color, out);
    free(rows);
    table_free(&table);
    return err;
}

enum at_err report_text(const struct tally *t, const struct report_options *o, struct at_buf *out)
{
    enum at_err err = put_heading(t, out);
    if (!err)
        err = put_rows(t, o, out);
    if (!err && (o->view == VIEW_SUMMARY || o->view == VIEW_DENIALS))
        err = put_all_wordings(t, o, out);
    if (!err && (o->view == VIEW_SUMMARY || o->view == VIEW_PROMPTS))
        err = put_lone(t, o, out);
    return err;
}
