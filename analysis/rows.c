/* rows.c: sorting and labels. */
#include "analysis/rows.h"

#include <stdlib.h>
#include <string.h>

static const char *const dim_texts[] = {
#define X(name, text) text,
    REPORT_DIM_MAP(X)
#undef X
};

const char *dim_text(enum report_dim dim)
{
    return dim_texts[dim];
}

bool dims_parse(const char *text, enum report_dim *order, size_t *n, const char **bad)
{
    *n = 0;
    for (const char *p = text;; p++) {
        size_t len = strcspn(p, ","), d = 0;
        while (d < REPORT_DIMS && (d == DIM_USER || strlen(dim_texts[d]) != len || strncmp(dim_texts[d], p, len) != 0))
            d++;
        *bad = p;
        if (d == REPORT_DIMS)
            return false;
        for (size_t i = 0; i < *n; i++)
            if (order[i] == (enum report_dim)d)
                return false;
        order[(*n)++] = (enum report_dim)d;
        p += len;
        if (!*p)
            return true;
    }
}

/* "2026-11-22", and with the hour "2026-11-22T08". */
static void time_label(int64_t bucket, enum report_dim dim, char out[24])
{
    char text[40];
    int64_t hours = dim == DIM_DAY ? bucket * 24 : bucket;
    at_time_text(hours * INT64_C(3600000000), text);
    char *t = strchr(text, 'T');
    size_t len = t ? (size_t)(t - text) + (dim == DIM_HOUR ? 3 : 0) : 0;
    len = len < 23 ? len : 23;
    memcpy(out, text, len);
    out[len] = 0;
}

static int compare_str(struct at_str a, struct at_str b)
{
    if (!a.ptr || !b.ptr)
        return (a.ptr != NULL) - (b.ptr != NULL);
    return at_str_cmp(a, b);
}

static int by_labels(const void *x, const void *y)
{
    const struct row *a = x, *b = y;
    if (a->scope_rank != b->scope_rank)
        return a->scope_rank < b->scope_rank ? -1 : 1;
    for (size_t d = 0; d < REPORT_DIMS; d++) {
        int order = compare_str(a->label[d], b->label[d]);
        if (order)
            return order;
    }
    return 0;
}

static void point_at_times(struct row *rows, size_t n, unsigned dims)
{
    for (size_t i = 0; i < n; i++)
        for (unsigned d = DIM_STRINGS; d < REPORT_DIMS; d++)
            if (dims & 1u << d)
                rows[i].label[d] = at_str(rows[i].times[d - DIM_STRINGS]);
}

enum at_err rows_of(const struct tally *t, const struct cells *cells, struct row **out, size_t *n)
{
    struct row *rows = calloc(cells->n + 1, sizeof *rows);
    if (!rows)
        return AT_NOMEM;
    for (size_t i = 0; i < cells->n; i++) {
        const struct cell *c = &cells->list[i];
        rows[i].counts = &c->counts;
        for (unsigned d = 0; d < DIM_STRINGS; d++)
            rows[i].label[d] = tally_name(t, (enum report_dim)d, c->key.id[d]);
        for (unsigned d = DIM_STRINGS; d < REPORT_DIMS; d++)
            time_label(c->key.bucket[d - DIM_STRINGS], (enum report_dim)d, rows[i].times[d - DIM_STRINGS]);
        rows[i].scope_rank = c->key.id[DIM_SCOPE] == NO_ID ? 0 : tally_scope_rank(t, c->key.id[DIM_SCOPE]);
    }
    point_at_times(rows, cells->n, cells->dims);
    qsort(rows, cells->n, sizeof *rows, by_labels);
    point_at_times(rows, cells->n, cells->dims); /* the texts have moved with their rows */
    *out = rows;
    *n = cells->n;
    return AT_OK;
}

static int by_count(const void *x, const void *y)
{
    const struct wording *a = x, *b = y;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    int order = compare_str(a->platform, b->platform);
    if (!order)
        order = compare_str(a->api, b->api);
    if (!order)
        order = compare_str(a->err_msg, b->err_msg);
    return order ? order : (int)a->cls - (int)b->cls;
}

enum at_err wordings_of(const struct tally *t, struct wording **out, size_t *n)
{
    *n = tally_wordings(t);
    *out = calloc(*n + 1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    for (size_t i = 0; i < *n; i++)
        tally_wording(t, i, *out + i);
    qsort(*out, *n, sizeof **out, by_count);
    return AT_OK;
}
