/* tally.c: a tally's life, and reading its numbers. */
#include <stdlib.h>
#include <string.h>

#include "analysis/tally_private.h"

/* What of a place any of the groupings looks at. */
static void note_dims(struct tally *t)
{
    uint32_t masks[DIM_STRINGS] = {0};
    unsigned dims = 0;
    for (size_t g = t->first_cells; g < t->n_cells; g++)
        dims |= t->cells[g].dims;
    for (unsigned d = 0; d < DIM_STRINGS; d++)
        masks[d] = dims & 1u << d ? UINT32_MAX : 0;
    for (unsigned d = 0; d < DIM_STRINGS; d += 2)
        t->spot_masks[d / 2] = (uint64_t)masks[d + 1] << 32 | masks[d];
    for (size_t i = 0; i < sizeof t->spots / sizeof t->spots[0]; i++)
        t->spots[i].hour = NO_HOUR;
    t->spot_times = dims & (1u << DIM_DAY | 1u << DIM_HOUR);
}

enum at_err tally_new(const struct at_profile *profile, const unsigned *dims, size_t n_dims, struct tally **out)
{
    struct tally *t = *out = calloc(1, sizeof *t);
    enum at_err err = t ? AT_OK : AT_NOMEM;
    if (err)
        return err;
    t->profile = profile;
    t->cells[0].dims = 1u << DIM_SCOPE;
    t->lone.dims = 1u << DIM_SCOPE | 1u << DIM_API | 1u << DIM_PLATFORM;
    t->n_cells = 1;
    for (size_t i = 0; i < n_dims && t->n_cells < GROUPINGS_MAX; i++)
        t->cells[t->n_cells++].dims = dims[i];
    note_dims(t);
    for (unsigned d = 0; d < DIM_STRINGS && !err; d++)
        err = at_intern_new(&t->names[d]);
    struct at_intern **tables[] = {&t->keys, &t->shapes, &t->wordings, &t->lists};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && !err; i++)
        err = at_intern_new(tables[i]);
    if (err)
        tally_free(out);
    return err;
}

void tally_free(struct tally **tally)
{
    struct tally *t = *tally;
    if (!t)
        return;
    for (unsigned d = 0; d < DIM_STRINGS; d++)
        at_intern_free(&t->names[d]);
    struct at_intern **tables[] = {&t->keys, &t->shapes, &t->wordings, &t->lists};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        at_intern_free(tables[i]);
    free(t->what);
    at_buf_free(&t->shape_key);
    at_buf_free(&t->user_keys);
    free(t->scopes);
    free(t->list_at);
    free(t->scratch);
    free(t->wording_counts);
    free(t->strays);
    free(t->denials);
    free(t->user_names);
    for (size_t i = 0; i < t->n_views; i++) {
        free(t->views[i].who);
        free(t->views[i].streams);
        at_buf_free(&t->views[i].names);
        free(t->views[i].what);
        free(t->views[i].lists);
        free(t->views[i].calls);
        free(t->views[i].place_of);
    }
    free(t->views);
    bonds_free(&t->bonds);
    pending_free(&t->pending);
    for (size_t i = 0; i < t->n_cells; i++)
        cells_free(&t->cells[i]);
    cells_free(&t->lone);
    free(t);
    *tally = NULL;
}

enum at_err tally_clear(struct tally **tally)
{
    unsigned dims[GROUPINGS_MAX];
    const struct at_profile *profile = (*tally)->profile;
    bool no_scopes = (*tally)->first_cells, no_answer_times = (*tally)->no_answer_times;
    size_t n = (*tally)->n_cells - 1;
    for (size_t i = 0; i < n; i++)
        dims[i] = (*tally)->cells[i + 1].dims;
    tally_free(tally);
    enum at_err err = tally_new(profile, dims, n, tally);
    if (!err)
        tally_leave_out(*tally, no_scopes, no_answer_times);
    return err;
}

void tally_leave_out(struct tally *t, bool scopes, bool answer_times)
{
    t->first_cells = scopes && t->n_cells > 1;
    t->no_answer_times = answer_times;
    note_dims(t);
}

void tally_ask_late(struct tally *t)
{
    t->asks_late = true;
    plain_rules_of(t->profile, &t->plain);
}

uint64_t tally_odd(const struct tally *t)
{
    return t->odd_events;
}

bool tally_all_plain(const struct tally *t)
{
    for (uint32_t i = 0; i < t->bonds.keys.n; i++)
        if (key_at(&t->bonds, i)->plain.trust == PLAIN_ODD)
            return false;
    return true;
}

bool tally_gives_up(const struct tally *t)
{
    return t->gives_up;
}

void tally_totals(const struct tally *t, struct tally_totals *out)
{
    *out = t->totals;
}

const struct cells *tally_scopes(const struct tally *t)
{
    return &t->cells[0];
}

const struct cells *tally_lone(const struct tally *t)
{
    return &t->lone;
}

const struct cells *tally_groups(const struct tally *t, size_t i)
{
    return &t->cells[i];
}

struct at_str tally_name(const struct tally *t, enum report_dim dim, uint32_t id)
{
    return dim < DIM_STRINGS && id != NO_ID ? at_intern_get(t->names[dim], id) : (struct at_str){0};
}

size_t tally_scope_rank(const struct tally *t, uint32_t scope)
{
    return at_profile_find_scope(t->profile, tally_name(t, DIM_SCOPE, scope));
}

size_t tally_wordings(const struct tally *t)
{
    return t->n_wordings;
}

void tally_wording(const struct tally *t, size_t i, struct wording *out)
{
    struct wording_key key;
    struct at_str bytes = at_intern_get(t->wordings, (uint32_t)i);
    memcpy(&key, bytes.ptr, sizeof key);
    *out = (struct wording){
        .platform = tally_name(t, DIM_PLATFORM, key.platform),
        .api = tally_name(t, DIM_API, key.api),
        .err_msg = tally_name(t, DIM_ERRMSG, key.err_msg),
        .cls = (enum at_class)key.cls,
        .known = key.known,
        .count = t->wording_counts[i],
    };
}
