/* diff_print.c: changes for a person, and as JSON. */
#include <inttypes.h>

#include "analysis/diff.h"
#include "analysis/print.h"
#include "analysis/table.h"

static double percent(const struct sample *s)
{
    return s->trials ? 100.0 * (double)s->hits / (double)s->trials : 0;
}

static enum at_err put_row(struct table *table, const struct comparison *c)
{
    enum at_err err = table_str(table, at_str(diff_rate_text(c->rate)));
    if (!err)
        err = table_str(table, c->scope.ptr ? c->scope : AT_STR("all"));
    if (!err)
        err = table_str(table, c->platform.ptr                   ? c->platform
                               : c->level == DIFF_SCOPE_PLATFORM ? AT_STR("-")
                                                                 : AT_STR("all"));
    if (!err)
        err = table_printf(table, "%.1f %% of %" PRIu64, percent(&c->before), c->before.trials);
    if (!err)
        err = table_printf(table, "%.1f %% of %" PRIu64, percent(&c->after), c->after.trials);
    if (!err)
        err = table_printf(table, "%+.1f", 100 * c->change);
    if (!err)
        err = table_printf(table, "%+.1f … %+.1f", 100 * c->low, 100 * c->high);
    return err ? err : table_printf(table, "%.2g", c->p_adjusted);
}

static enum at_err put_changes(const struct diff *d, struct at_buf *out)
{
    static const char *const headers[] = {"rate", "scope", "platform", "old", "new", "points", "interval", "p"};
    struct table table = {.n_columns = 8, .right = {false, false, false, true, true, true, true, true}};
    size_t n = 0;
    enum at_err err = AT_OK;
    for (size_t i = 0; i < 8 && !err; i++)
        err = table_str(&table, at_str(headers[i]));
    for (size_t i = 0; i < d->n && !err; i++) {
        if (!d->list[i].significant)
            continue;
        err = put_row(&table, &d->list[i]);
        n++;
    }
    if (!err)
        err = n ? table_print(&table, 0, false, out) : at_buf_str(out, AT_STR("no rate changed\n"));
    table_free(&table);
    return err;
}

static enum at_err put_list(const struct novelty *list, size_t n, bool gone, const char *heading, struct at_buf *out)
{
    bool begun = false;
    enum at_err err = AT_OK;
    for (size_t i = 0; i < n && !err; i++) {
        if ((list[i].after == 0) != gone)
            continue;
        if (!begun)
            err = at_buf_printf(out, "\n%s:\n", heading);
        begun = true;
        if (!err)
            err = at_buf_printf(out, "  %" PRIu64 " x ", gone ? list[i].before : list[i].after);
        if (!err)
            err = text_safe(out, list[i].name);
        if (!err)
            err = at_buf_str(out, AT_STR("\n"));
    }
    return err;
}

enum at_err diff_text(const struct diff *d, const struct diff_options *o, struct at_buf *out)
{
    size_t tested = 0;
    for (size_t i = 0; i < d->n; i++)
        tested += d->list[i].tested;
    enum at_err err = put_changes(d, out);
    if (!err)
        err = put_list(d->faults, d->n_faults, false, "new kinds of divergences", out);
    if (!err)
        err = put_list(d->faults, d->n_faults, true, "kinds of divergences that are gone", out);
    if (!err)
        err = put_list(d->wordings, d->n_wordings, false, "new wordings of errMsg", out);
    return err ? err
               : at_buf_printf(out,
                               "\n%zu rates compared, %zu of them with enough users; alpha %g, at least %g points\n",
                               d->n, tested, o->alpha, 100 * o->min_effect);
}

static enum at_err json_sample(struct at_buf *out, const char *name, const struct sample *s)
{
    return at_buf_printf(out, "\"%s\":{\"hits\":%" PRIu64 ",\"trials\":%" PRIu64 ",\"users\":%" PRIu64 "},", name,
                         s->hits, s->trials, s->users);
}

static enum at_err json_comparison(struct at_buf *out, const struct comparison *c)
{
    enum at_err err = at_buf_printf(out, "{\"rate\":\"%s\",", diff_rate_text(c->rate));
    if (!err && c->scope.ptr)
        err = at_buf_str(out, AT_STR("\"scope\":"));
    if (!err && c->scope.ptr)
        err = at_json_quote(out, c->scope);
    if (!err && c->platform.ptr)
        err = at_buf_str(out, c->scope.ptr ? AT_STR(",\"platform\":") : AT_STR("\"platform\":"));
    if (!err && c->platform.ptr)
        err = at_json_quote(out, c->platform);
    if (!err && (c->scope.ptr || c->platform.ptr))
        err = at_buf_str(out, AT_STR(","));
    if (!err)
        err = json_sample(out, "old", &c->before);
    if (!err)
        err = json_sample(out, "new", &c->after);
    if (!err && c->tested)
        err = at_buf_printf(out, "\"low\":%.6f,\"high\":%.6f,\"p\":%.6g,\"p_adjusted\":%.6g,", c->low, c->high, c->p,
                            c->p_adjusted);
    return err ? err
               : at_buf_printf(out, "\"change\":%.6f,\"tested\":%s,\"significant\":%s}", c->change,
                               c->tested ? "true" : "false", c->significant ? "true" : "false");
}

static enum at_err json_list(struct at_buf *out, const char *name, const struct novelty *list, size_t n)
{
    enum at_err err = at_buf_printf(out, ",\n\"%s\":[", name);
    for (size_t i = 0; i < n && !err; i++) {
        err = at_buf_str(out, i ? AT_STR(",\n{\"what\":") : AT_STR("\n{\"what\":"));
        if (!err)
            err = at_json_quote(out, list[i].name);
        if (!err)
            err = at_buf_printf(out, ",\"old\":%" PRIu64 ",\"new\":%" PRIu64 "}", list[i].before, list[i].after);
    }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

enum at_err diff_json(const struct diff *d, const struct diff_options *o, struct at_buf *out)
{
    enum at_err err = at_buf_printf(out,
                                    "{\"schema\":\"authtape.diff/1\",\"changed\":%s,\"alpha\":%g,\"min_effect\":%g,\n"
                                    "\"rates\":[",
                                    d->changed ? "true" : "false", o->alpha, o->min_effect);
    for (size_t i = 0; i < d->n && !err; i++) {
        err = at_buf_str(out, i ? AT_STR(",\n") : AT_STR("\n"));
        if (!err)
            err = json_comparison(out, &d->list[i]);
    }
    if (!err)
        err = at_buf_str(out, AT_STR("]"));
    if (!err)
        err = json_list(out, "divergences", d->faults, d->n_faults);
    if (!err)
        err = json_list(out, "errmsgs", d->wordings, d->n_wordings);
    return err ? err : at_buf_str(out, AT_STR("}\n"));
}
