/*
 * partial.c: sums as JSON and back. The numbers of a cell are those of struct counts in their order there; the answer
 * times are kept exactly or as buckets, just as they are in memory, so that the sum of parts equals the whole.
 */
#include "analysis/partial_private.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define SCHEMA "authtape.partial/3"
#define NUMBERS (offsetof(struct counts, answer_us) / sizeof(uint64_t))
#define US_PER_HOUR INT64_C(3600000000)

/* ---- Writing */

static enum at_err put_name(struct at_buf *out, const char *before, struct at_str s)
{
    enum at_err err = at_buf_str(out, at_str(before));
    return err ? err : s.ptr ? at_json_quote(out, s) : at_buf_str(out, AT_STR("null"));
}

static enum at_err put_times(struct at_buf *out, const char *name, const struct quantiles *q)
{
    enum at_err err = at_buf_printf(out, ",\"%s\":{\"%s\":[", name, q->exact ? "exact" : "buckets");
    const char *between = "";
    for (uint64_t i = 0; q->exact && i < q->n && !err; i++)
        err = at_buf_printf(out, "%s%" PRIu64, i ? "," : "", q->exact[i]);
    for (unsigned o = 0; q->octaves && o < QUANTILE_OCTAVES; o++) {
        for (unsigned s = 0; q->octaves[o] && s < QUANTILE_BUCKETS && !err; s++) {
            if (!q->octaves[o][s])
                continue;
            err = at_buf_printf(out, "%s%u,%u,%" PRIu64, between, o, s, q->octaves[o][s]);
            between = ",";
        }
    }
    return err ? err : at_buf_str(out, AT_STR("]}"));
}

static enum at_err put_cell(struct at_buf *out, const struct tally *t, const struct cell *c)
{
    uint64_t numbers[NUMBERS];
    enum at_err err = AT_OK;
    memcpy(numbers, &c->counts, sizeof numbers);
    for (unsigned d = 0; d < DIM_USER && !err; d++)
        err = put_name(out, d ? "," : "{\"at\":[", tally_name(t, (enum report_dim)d, c->key.id[d]));
    if (!err)
        err = at_buf_printf(out, "],\"day\":%" PRId64 ",\"hour\":%" PRId64, c->key.bucket[DIM_DAY - DIM_STRINGS],
                            c->key.bucket[DIM_HOUR - DIM_STRINGS]);
    for (size_t i = 0; i < NUMBERS && !err; i++)
        err = at_buf_printf(out, "%s%" PRIu64, i ? "," : ",\"n\":[", numbers[i]);
    if (!err)
        err = at_buf_str(out, AT_STR("]"));
    if (!err && c->counts.answer_us.n)
        err = put_times(out, "answer_us", &c->counts.answer_us);
    if (!err && c->counts.recovery_us.n)
        err = put_times(out, "recovery_us", &c->counts.recovery_us);
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static enum at_err put_cells(struct at_buf *out, const struct tally *t, const char *name, const struct cells *cells)
{
    enum at_err err = at_buf_printf(out, ",\n\"%s\":[", name);
    for (size_t i = 0; i < cells->n && !err; i++) {
        err = at_buf_str(out, i ? AT_STR(",\n") : AT_STR("\n"));
        if (!err)
            err = put_cell(out, t, &cells->list[i]);
    }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

static enum at_err put_wordings(struct at_buf *out, const struct tally *t)
{
    enum at_err err = at_buf_str(out, AT_STR(",\n\"errmsgs\":["));
    for (size_t i = 0; i < tally_wordings(t) && !err; i++) {
        struct wording w;
        tally_wording(t, i, &w);
        err = put_name(out, i ? ",\n[" : "\n[", w.platform);
        if (!err)
            err = put_name(out, ",", w.api);
        if (!err)
            err = put_name(out, ",", w.err_msg);
        if (!err)
            err = at_buf_printf(out, ",%d,%d,%" PRIu64 "]", (int)w.cls, w.known, w.count);
    }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

static enum at_err put_user_names(struct at_buf *out, const uint64_t *names, size_t n)
{
    enum at_err err = at_buf_str(out, AT_STR(",\n\"users\":\""));
    for (size_t i = 0; i < n && !err; i++)
        err = at_buf_printf(out, "%016" PRIx64, names[i]);
    return err ? err : at_buf_str(out, AT_STR("\""));
}

enum at_err partial_write(const struct tally *t, const struct report_options *o, const char *profile,
                          const struct partial_shares *shares, struct at_buf *out)
{
    struct tally_totals n;
    bool by_name = false; /* users may be in several parts */
    uint64_t *names = NULL;
    size_t n_names = 0;
    tally_totals(t, &n);
    for (size_t i = 0; i < shares->n; i++)
        by_name = by_name || shares->list[i].of > 1;
    enum at_err err = by_name ? tally_user_names(t, &names, &n_names, &n.users) : AT_OK;
    if (!err)
        err = put_name(out, "{\"schema\":\"" SCHEMA "\",\"profile\":", at_str(profile));
    if (!err)
        err = at_buf_printf(out, ",\"totals\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%" PRId64 "],\"by\":\"",
                            n.events, n.calls, n.users, n.from_us, n.to_us);
    for (size_t i = 0; i < o->n_by && !err; i++)
        err = at_buf_printf(out, "%s%s", i ? "," : "", dim_text(o->by[i]));
    if (!err)
        err = at_buf_str(out, AT_STR("\""));
    if (!err)
        err = partial_put_shares(shares, out);
    if (!err && by_name)
        err = put_user_names(out, names, n_names);
    if (!err)
        err = at_buf_str(out, AT_STR(",\"apps\":["));
    for (uint32_t i = 0; i < n.apps && !err; i++)
        err = put_name(out, i ? "," : "", tally_name(t, DIM_APP, i));
    if (!err)
        err = at_buf_str(out, AT_STR("]"));
    if (!err)
        err = put_cells(out, t, "scopes", tally_scopes(t));
    if (!err && o->n_by)
        err = put_cells(out, t, "groups", tally_groups(t, 1));
    if (!err)
        err = put_cells(out, t, "never_asked", tally_lone(t));
    if (!err)
        err = put_wordings(out, t);
    free(names);
    return err ? err : at_buf_str(out, AT_STR("}\n"));
}

/* ---- Reading */

enum at_err partial_bad(struct at_why *why, const char *where)
{
    return at_fail(why, AT_BAD, "not a partial report, at /%s", where);
}

enum at_err partial_parse(struct at_str json, struct partial **out, struct at_why *why)
{
    struct partial *p = *out = calloc(1, sizeof *p);
    if (!p)
        return at_fail(why, AT_NOMEM, "out of memory");
    if (!at_json_valid(json)) {
        partial_free(out);
        return at_fail(why, AT_BAD, "not a partial report: it is no JSON");
    }
    p->top = cJSON_ParseWithLength(json.ptr, json.len);
    const char *schema = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(p->top, "schema"));
    if (schema && !strcmp(schema, SCHEMA) && partial_profile(p))
        return AT_OK;
    partial_free(out);
    return partial_bad(why, "schema");
}

void partial_free(struct partial **p)
{
    if (*p)
        cJSON_Delete((*p)->top);
    free(*p);
    *p = NULL;
}

const char *partial_profile(const struct partial *p)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(p->top, "profile"));
}

enum at_err partial_dims(const struct partial *p, struct report_options *o, struct at_why *why)
{
    const char *by = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(p->top, "by")), *wrong;
    o->n_by = 0;
    if (!by || (*by && !dims_parse(by, o->by, &o->n_by, &wrong)))
        return partial_bad(why, "by");
    return AT_OK;
}

/* A number without fraction that every JSON reader keeps exactly. */
static bool integer(const cJSON *value, double least, int64_t *out)
{
    if (!cJSON_IsNumber(value) || floor(value->valuedouble) != value->valuedouble || value->valuedouble < least ||
        value->valuedouble > NUMBER_MAX)
        return false;
    *out = (int64_t)value->valuedouble;
    return true;
}

bool partial_natural(const cJSON *value, uint64_t *out)
{
    int64_t n = 0;
    bool good = integer(value, 0, &n);
    *out = (uint64_t)n;
    return good;
}

static struct at_str name_of(const cJSON *value)
{
    return at_str(cJSON_GetStringValue(value));
}

static enum at_err add_times(const cJSON *cell, const char *name, struct quantiles *to)
{
    const cJSON *times = cJSON_GetObjectItemCaseSensitive(cell, name);
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(times, "exact");
    const cJSON *buckets = cJSON_GetObjectItemCaseSensitive(times, "buckets");
    enum at_err err = AT_OK;
    uint64_t n = 0, o = 0, s = 0;
    if (cJSON_IsArray(value))
        for (value = value->child; value && !err; value = value->next)
            err = partial_natural(value, &n) ? quantiles_add(to, n) : AT_BAD;
    if (!cJSON_IsArray(buckets))
        return err;
    for (value = buckets->child; value && !err; value = value->next->next->next) {
        bool good = value->next && value->next->next && partial_natural(value, &o) &&
                    partial_natural(value->next, &s) && partial_natural(value->next->next, &n) &&
                    o < QUANTILE_OCTAVES && s < QUANTILE_BUCKETS;
        if (!good)
            return AT_BAD;
        err = quantiles_add_bucket(to, (unsigned)o, (unsigned)s, n);
    }
    return err;
}

bool partial_hex(const char *text, size_t n, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        const char *digit = text[i] ? strchr("0123456789abcdef", text[i]) : NULL;
        if (!digit)
            return false;
        *out = *out << 4 | (uint64_t)(digit - "0123456789abcdef");
    }
    return true;
}

static enum at_err add_user_names(const struct partial *p, struct tally *t)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(p->top, "users");
    const char *text = cJSON_GetStringValue(member);
    size_t len = text ? strlen(text) : 0;
    if (!member)
        return AT_OK;
    if (!text || len % 16)
        return AT_BAD;
    uint64_t *names = malloc((len / 16 + 1) * sizeof *names);
    enum at_err err = names ? AT_OK : AT_NOMEM;
    for (size_t i = 0; i < len / 16 && !err; i++)
        err = partial_hex(text + 16 * i, 16, &names[i]) ? AT_OK : AT_BAD;
    if (!err)
        err = tally_add_user_names(t, names, len / 16);
    free(names);
    return err;
}

static enum at_err add_cell(const cJSON *cell, struct tally *t, size_t grouping)
{
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(cell, "at"), *n = cJSON_GetObjectItemCaseSensitive(cell, "n");
    struct at_str labels[DIM_STRINGS] = {{0}};
    struct counts *c;
    int64_t day = 0, hour = 0;
    uint64_t sum[NUMBERS], number;
    if (cJSON_GetArraySize(at) != DIM_USER || cJSON_GetArraySize(n) != NUMBERS ||
        !integer(cJSON_GetObjectItemCaseSensitive(cell, "day"), -1e8, &day) ||
        !integer(cJSON_GetObjectItemCaseSensitive(cell, "hour"), -2.5e9, &hour) || day > 100000000 || hour > 2500000000)
        return AT_BAD;
    const cJSON *value = at->child;
    for (size_t d = 0; d < DIM_USER; d++, value = value->next)
        labels[d] = name_of(value);
    enum at_err err = tally_cell(t, grouping, labels, (hour ? hour : day * 24) * US_PER_HOUR, &c);
    if (err)
        return err;
    memcpy(sum, c, sizeof sum);
    value = n->child;
    for (size_t i = 0; i < NUMBERS; i++, value = value->next) {
        if (!partial_natural(value, &number))
            return AT_BAD;
        sum[i] += number;
    }
    memcpy(c, sum, sizeof sum);
    if (counts_unanswered(c) > c->calls) /* more answers than calls */
        return AT_BAD;
    err = add_times(cell, "answer_us", &c->answer_us);
    return err ? err : add_times(cell, "recovery_us", &c->recovery_us);
}

static enum at_err add_cells(const struct partial *p, struct tally *t, const char *name, size_t grouping)
{
    const cJSON *cell, *list = cJSON_GetObjectItemCaseSensitive(p->top, name);
    enum at_err err = AT_OK;
    if (!cJSON_IsArray(list))
        return AT_BAD;
    for (cell = list->child; cell && !err; cell = cell->next)
        err = add_cell(cell, t, grouping);
    return err;
}

static enum at_err add_wordings(const struct partial *p, struct tally *t)
{
    const cJSON *row, *list = cJSON_GetObjectItemCaseSensitive(p->top, "errmsgs");
    enum at_err err = cJSON_IsArray(list) ? AT_OK : AT_BAD;
    for (row = err ? NULL : list->child; row && !err; row = row->next) {
        uint64_t cls, known, count;
        if (cJSON_GetArraySize(row) != 6 || !partial_natural(cJSON_GetArrayItem(row, 3), &cls) || cls >= AT_CLASSES ||
            !partial_natural(cJSON_GetArrayItem(row, 4), &known) ||
            !partial_natural(cJSON_GetArrayItem(row, 5), &count) || !cJSON_IsString(cJSON_GetArrayItem(row, 2)))
            return AT_BAD;
        const struct wording w = {name_of(cJSON_GetArrayItem(row, 0)),
                                  name_of(cJSON_GetArrayItem(row, 1)),
                                  name_of(cJSON_GetArrayItem(row, 2)),
                                  (enum at_class)cls,
                                  known,
                                  count};
        err = tally_add_wording(t, &w);
    }
    return err;
}

static enum at_err add_totals(const struct partial *p, struct tally *t)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(p->top, "totals"), *app;
    const cJSON *apps = cJSON_GetObjectItemCaseSensitive(p->top, "apps");
    struct tally_totals totals = {0};
    if (cJSON_GetArraySize(n) != 5 || !cJSON_IsArray(apps) ||
        !partial_natural(cJSON_GetArrayItem(n, 0), &totals.events) ||
        !partial_natural(cJSON_GetArrayItem(n, 1), &totals.calls) ||
        !partial_natural(cJSON_GetArrayItem(n, 2), &totals.users) ||
        !integer(cJSON_GetArrayItem(n, 3), -NUMBER_MAX, &totals.from_us) ||
        !integer(cJSON_GetArrayItem(n, 4), -NUMBER_MAX, &totals.to_us))
        return AT_BAD;
    enum at_err err = tally_add_totals(t, &totals);
    for (app = apps->child; app && !err; app = app->next)
        err = cJSON_IsString(app) ? tally_add_app(t, name_of(app)) : AT_BAD;
    return err;
}

enum at_err partial_add(const struct partial *p, struct tally *t, struct at_why *why)
{
    const char *where = "totals";
    enum at_err err = add_totals(p, t);
    if (!err) {
        where = "users";
        err = add_user_names(p, t);
    }
    if (!err)
        err = add_cells(p, t, where = "scopes", 0);
    const char *by = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(p->top, "by"));
    if (!err && by && *by)
        err = add_cells(p, t, where = "groups", 1);
    if (!err)
        err = add_cells(p, t, where = "never_asked", GROUPING_LONE);
    if (!err) {
        where = "errmsgs";
        err = add_wordings(p, t);
    }
    return !err ? AT_OK : err == AT_BAD ? partial_bad(why, where) : at_fail(why, err, "%s", at_err_text(err));
}
