/* tally_sum.c: the sums of parts, added up. */
#include "analysis/tally_private.h"

#include <stdlib.h>
#include <string.h>

enum at_err tally_cell(struct tally *t, size_t grouping, const struct at_str label[DIM_STRINGS], int64_t t_us,
                       struct counts **out)
{
    struct place at = {.id = NOWHERE, .t_us = t_us};
    struct cells *cells = grouping == GROUPING_LONE ? &t->lone : &t->cells[grouping];
    uint32_t cell = 0;
    enum at_err err = grouping < t->n_cells || grouping == GROUPING_LONE ? AT_OK : AT_BAD;
    for (unsigned d = 0; d < DIM_USER && !err; d++)
        err = name_id(t, (enum report_dim)d, label[d], &at.id[d]);
    if (!err)
        err = cells_find(cells, &at, &cell);
    *out = err ? NULL : &cells->list[cell].counts;
    return err;
}

enum at_err tally_add_totals(struct tally *t, const struct tally_totals *part)
{
    if (part->events && t->totals.events == 0) {
        t->totals.from_us = part->from_us;
        t->totals.to_us = part->to_us;
    } else if (part->events) {
        t->totals.from_us = part->from_us < t->totals.from_us ? part->from_us : t->totals.from_us;
        t->totals.to_us = part->to_us > t->totals.to_us ? part->to_us : t->totals.to_us;
    }
    t->totals.events += part->events;
    t->totals.calls += part->calls;
    t->totals.users += part->users;
    return AT_OK;
}

enum at_err tally_add_app(struct tally *t, struct at_str name)
{
    uint32_t id;
    return name_id(t, DIM_APP, name, &id);
}

enum at_err tally_add_wording(struct tally *t, const struct wording *w)
{
    uint32_t id = 0;
    struct wording_key key = {.cls = w->cls, .known = w->known};
    enum at_err err = name_id(t, DIM_PLATFORM, w->platform, &key.platform);
    if (!err)
        err = name_id(t, DIM_API, w->api, &key.api);
    if (!err)
        err = name_id(t, DIM_ERRMSG, w->err_msg, &key.err_msg);
    return err ? err : count_wording(t, &key, w->count, &id);
}

/* ---- Users by name */

static int by_value(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return (a > b) - (a < b);
}

static size_t sort_names(uint64_t *names, size_t n)
{
    size_t kept = 0;
    if (n)
        qsort(names, n, sizeof *names, by_value);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || names[i] != names[kept - 1])
            names[kept++] = names[i];
    return kept;
}

enum at_err tally_user_names(const struct tally *t, uint64_t **out, size_t *n, uint64_t *others)
{
    uint32_t n_keys = at_intern_count(t->keys);
    uint64_t *names = malloc((n_keys + t->n_user_names + 1) * sizeof *names);
    *out = names;
    *n = 0;
    *others = n_keys ? 0 : t->totals.users - t->n_user_names;
    if (!names)
        return AT_NOMEM;
    for (uint32_t key = 0; key < n_keys; key++) {
        struct at_str name = at_intern_get(t->keys, key);
        names[key] = at_siphash((struct at_str){name.ptr + sizeof(uint32_t), name.len - sizeof(uint32_t)});
    }
    if (t->n_user_names)
        memcpy(names + n_keys, t->user_names, t->n_user_names * sizeof *names);
    *n = sort_names(names, n_keys + t->n_user_names);
    return AT_OK;
}

enum at_err tally_add_user_names(struct tally *t, const uint64_t *names, size_t n)
{
    uint64_t *grown = realloc(t->user_names, (t->n_user_names + n + 1) * sizeof *grown);
    if (!grown)
        return AT_NOMEM;
    t->totals.users -= t->n_user_names;
    t->user_names = grown;
    if (n)
        memcpy(grown + t->n_user_names, names, n * sizeof *names);
    t->n_user_names = sort_names(grown, t->n_user_names + n);
    t->totals.users += t->n_user_names;
    return AT_OK;
}
