/* report_json.c: the report as one JSON document, schema authtape.report/1. */
#include <inttypes.h>
#include <stdlib.h>

#include "analysis/print.h"

static enum at_err member(struct at_buf *out, const char *before, const char *name, struct at_str value)
{
    enum at_err err = at_buf_printf(out, "%s\"%s\":", before, name);
    return err ? err : at_json_quote(out, value);
}

/* Milliseconds to the microsecond, null where there is no value. */
static enum at_err quantile(struct at_buf *out, const char *name, const struct quantiles *q, double part)
{
    if (q->n == 0)
        return at_buf_printf(out, "\"%s\":null", name);
    uint64_t us = quantiles_get(q, part);
    return at_buf_printf(out, "\"%s\":%" PRIu64 ".%03u", name, us / 1000, (unsigned)(us % 1000));
}

static enum at_err put_quantiles(struct at_buf *out, const char *name, const struct quantiles *q)
{
    enum at_err err = at_buf_printf(out, ",\"%s\":{", name);
    if (!err)
        err = quantile(out, "p50", q, 0.5);
    if (!err)
        err = at_buf_str(out, AT_STR(","));
    if (!err)
        err = quantile(out, "p90", q, 0.9);
    if (!err)
        err = at_buf_str(out, AT_STR(","));
    if (!err)
        err = quantile(out, "p99", q, 0.99);
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static enum at_err put_calls(struct at_buf *out, const struct counts *c)
{
    enum at_err err =
        at_buf_printf(out,
                      "\"calls\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"denied\":%" PRIu64 ",\"dismissed\":%" PRIu64
                      ",\"unauthorized\":%" PRIu64 ",\"other\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",\"others\":{",
                      c->calls, c->by_class[AT_CLASS_OK], c->by_class[AT_CLASS_DENIED], c->by_class[AT_CLASS_DISMISSED],
                      c->by_class[AT_CLASS_UNAUTHORIZED], counts_other(c), counts_unanswered(c));
    for (unsigned cls = AT_CLASS_OS_DENIED; cls < AT_CLASSES && !err; cls++)
        err = at_buf_printf(out, "%s\"%s\":%" PRIu64, cls == AT_CLASS_OS_DENIED ? "" : ",",
                            at_class_text((enum at_class)cls), c->by_class[cls]);
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static enum at_err put_users(struct at_buf *out, const struct counts *c)
{
    static const char *const names[USER_MARKS] = {
        [USERS_ASKED] = "asked",         [USERS_GRANTED] = "granted",         [USERS_DENIED] = "denied",
        [USERS_RECOVERED] = "recovered", [USERS_TURNED_OFF] = "turned_off",   [USERS_ON_AGAIN] = "turned_on_again",
        [USERS_SILENCED] = "silenced",   [USERS_KEPT_ASKING] = "kept_asking",
    };
    enum at_err err = at_buf_str(out, AT_STR(",\"users\":{"));
    for (unsigned m = 0; m < USER_MARKS && !err; m++)
        err = at_buf_printf(out, "%s\"%s\":%" PRIu64, m ? "," : "", names[m], c->users[m]);
    return err ? err : at_buf_str(out, AT_STR("}"));
}

/* The members of one row, without braces. */
static enum at_err put_counts(struct at_buf *out, const struct counts *c)
{
    enum at_err err = put_calls(out, c);
    if (!err)
        err = at_buf_printf(out,
                            ",\"prompts\":{\"observed\":%" PRIu64 ",\"inferred\":%" PRIu64 ",\"allowed\":%" PRIu64
                            ",\"denied\":%" PRIu64 ",\"dismissed\":%" PRIu64,
                            c->prompts_observed, c->prompts_inferred, c->answers[AT_ANSWER_ALLOW],
                            c->answers[AT_ANSWER_DENY], c->answers[AT_ANSWER_DISMISS]);
    if (!err)
        err = put_quantiles(out, "answer_ms", &c->answer_us);
    if (!err)
        err = at_buf_printf(out,
                            "},\"denials\":{\"at_prompt\":%" PRIu64 ",\"while_denied\":%" PRIu64 "},"
                            "\"settings\":{\"to_granted\":%" PRIu64 ",\"to_denied\":%" PRIu64 ",\"inferred\":%" PRIu64,
                            c->at_prompt, c->while_denied, c->to_granted, c->to_denied, c->flips_inferred);
    if (!err)
        err = put_quantiles(out, "recovery_ms", &c->recovery_us);
    if (!err)
        err = at_buf_str(out, AT_STR("}"));
    return err ? err : put_users(out, c);
}

static enum at_err put_scopes(struct at_buf *out, const struct tally *t)
{
    struct row *rows = NULL;
    size_t n = 0, shown = 0;
    enum at_err err = rows_of(t, tally_scopes(t), &rows, &n);
    if (!err)
        err = at_buf_str(out, AT_STR(",\n\"scopes\":{"));
    for (size_t i = 0; i < n && !err; i++) {
        err = at_buf_str(out, shown++ ? AT_STR(",\n") : AT_STR("\n"));
        if (!err)
            err = at_json_quote(out, rows[i].label[DIM_SCOPE]);
        if (!err)
            err = at_buf_str(out, AT_STR(":{"));
        if (!err)
            err = put_counts(out, rows[i].counts);
        if (!err)
            err = at_buf_str(out, AT_STR("}"));
    }
    free(rows);
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static enum at_err put_wordings(struct at_buf *out, const struct tally *t)
{
    struct wording *list = NULL;
    size_t n = 0;
    enum at_err err = wordings_of(t, &list, &n);
    if (!err)
        err = at_buf_str(out, AT_STR(",\n\"errmsgs\":["));
    for (size_t i = 0; i < n && !err; i++) {
        const char *between = i ? ",\n{" : "\n{";
        if (list[i].platform.ptr) {
            err = member(out, between, "platform", list[i].platform);
            between = ",";
        }
        if (!err && list[i].api.ptr) {
            err = member(out, between, "api", list[i].api);
            between = ",";
        }
        if (!err)
            err = member(out, between, "errMsg", list[i].err_msg);
        if (!err)
            err = at_buf_printf(out, ",\"class\":\"%s\"%s,\"count\":%" PRIu64 "}", at_class_text(list[i].cls),
                                list[i].known ? "" : ",\"known\":false", list[i].count);
    }
    free(list);
    return err ? err : at_buf_str(out, AT_STR("]"));
}

/* Calls of users whom nobody asked for the scope. */
static enum at_err put_lone(struct at_buf *out, const struct tally *t)
{
    static const enum report_dim dims[] = {DIM_SCOPE, DIM_API, DIM_PLATFORM};
    struct row *rows = NULL;
    size_t n = 0;
    enum at_err err = rows_of(t, tally_lone(t), &rows, &n);
    if (!err)
        err = at_buf_str(out, AT_STR(",\n\"never_asked\":["));
    for (size_t i = 0; i < n && !err; i++) {
        const char *between = i ? ",\n{" : "\n{";
        for (size_t d = 0; d < 3 && !err; d++) {
            struct at_str label = rows[i].label[dims[d]];
            if (label.ptr)
                err = member(out, between, dim_text(dims[d]), label);
            between = ",";
        }
        if (!err)
            err = at_buf_printf(out, ",\"calls\":%" PRIu64 ",\"users\":%" PRIu64 "}", rows[i].counts->calls,
                                rows[i].counts->users[0]);
    }
    free(rows);
    return err ? err : at_buf_str(out, AT_STR("]"));
}

static enum at_err put_groups(struct at_buf *out, const struct tally *t, const struct report_options *o)
{
    struct row *rows = NULL;
    size_t n = 0;
    enum at_err err = rows_of(t, tally_groups(t, 1), &rows, &n);
    if (!err)
        err = at_buf_str(out, AT_STR(",\n\"groups\":["));
    for (size_t i = 0; i < n && !err; i++) {
        err = at_buf_str(out, i ? AT_STR(",\n{") : AT_STR("\n{"));
        for (size_t d = 0; d < o->n_by && !err; d++) {
            struct at_str label = rows[i].label[o->by[d]];
            err = label.ptr ? member(out, "", dim_text(o->by[d]), label)
                            : at_buf_printf(out, "\"%s\":null", dim_text(o->by[d]));
            if (!err)
                err = at_buf_str(out, AT_STR(","));
        }
        if (!err)
            err = put_counts(out, rows[i].counts);
        if (!err)
            err = at_buf_str(out, AT_STR("}"));
    }
    free(rows);
    return err ? err : at_buf_str(out, AT_STR("]"));
}

enum at_err report_json(const struct tally *t, const struct report_options *o, struct at_buf *out)
{
    struct tally_totals totals;
    tally_totals(t, &totals);
    enum at_err err = at_buf_printf(out,
                                    "{\"schema\":\"authtape.report/1\",\"events\":%" PRIu64 ",\"calls\":%" PRIu64
                                    ",\"apps\":%" PRIu64 ",\"users\":%" PRIu64,
                                    totals.events, totals.calls, totals.apps, totals.users);
    if (!err && totals.events)
        err = at_buf_printf(out, ",\"from\":%" PRId64 ",\"to\":%" PRId64, totals.from_us, totals.to_us);
    if (!err)
        err = put_scopes(out, t);
    if (!err)
        err = put_wordings(out, t);
    if (!err)
        err = put_lone(out, t);
    if (!err && o->n_by)
        err = put_groups(out, t, o);
    return err ? err : at_buf_str(out, AT_STR("}\n"));
}
