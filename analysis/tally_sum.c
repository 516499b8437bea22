/* tally_sum.c: the sums of parts, added up. */
#include "analysis/tally_private.h"

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
