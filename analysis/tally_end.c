/* tally_end.c: what can only be said at the end. */
#include "analysis/tally_private.h"

/* Whether the user turned the scope off after a grant, and on again; on after a denial, and how long that took. */
static enum at_err end_bond(struct tally *t, uint32_t bond)
{
    struct flip flips[FLIPS_MAX];
    const struct bond *b = bond_at(&t->bonds, bond);
    size_t n = bonds_flips(&t->bonds, bond, flips);
    bool recovered = false, off = false, again = false;
    enum at_err err = AT_OK;
    for (size_t i = 0; i < n && !err; i++) {
        struct place at = {.id = NOWHERE, .t_us = flips[i].t_us};
        struct spot spot;
        at.id[DIM_SCOPE] = b->scope;
        at.id[DIM_USER] = b->key;
        at.id[DIM_APP] = app_of_key(t, b->key);
        at.id[DIM_PLATFORM] = flips[i].platform;
        err = locate(t, &at, &spot);
        if (!err && flips[i].granted && !recovered && flips[i].order > b->denied_order) {
            int64_t took = flips[i].t_us > b->denied_us ? flips[i].t_us - b->denied_us : 0;
            recovered = true;
            err = mark_user(t, &spot, bond, 1u << USERS_RECOVERED);
            for (size_t g = t->first_cells; g < t->n_cells && !err; g++)
                err = quantiles_add(&counts_at(t, &spot, g)->recovery_us, (uint64_t)took);
        }
        if (!err && flips[i].granted && off && !again) {
            again = true;
            err = mark_user(t, &spot, bond, 1u << USERS_ON_AGAIN);
        }
        if (!err && !flips[i].granted && !off && flips[i].order > b->granted_order) {
            off = true;
            err = mark_user(t, &spot, bond, 1u << USERS_TURNED_OFF);
        }
    }
    return err;
}

static enum at_err end_lones(struct tally *t, uint32_t bond)
{
    const struct bond *b = bond_at(&t->bonds, bond);
    enum at_err err = AT_OK;
    for (uint32_t i = bonds_lones(&t->bonds, bond); i != NO_ID && !err; i = t->bonds.lones[i].next) {
        const struct lone *l = &t->bonds.lones[i];
        struct place at = {.id = NOWHERE};
        uint32_t cell = 0;
        at.id[DIM_SCOPE] = b->scope;
        at.id[DIM_API] = l->api;
        at.id[DIM_PLATFORM] = l->platform;
        err = cells_find(&t->lone, &at, &cell);
        if (err)
            return err;
        t->lone.list[cell].counts.calls += l->calls;
        t->lone.list[cell].counts.users[USERS_ASKED]++; /* not asked, that is */
    }
    return err;
}

enum at_err tally_finish(struct tally *t)
{
    enum at_err err = AT_OK;
    struct made_call c;
    for (size_t i = 0; i < t->n_views && !err; i++)
        err = calls_spill(t, &t->views[i]);
    while (!err && pending_pop(&t->pending, &c))
        err = tally_close_unanswered(t, &c);
    for (uint32_t i = 0; i < t->bonds.list.n && !err; i++) {
        if (!bond_at(&t->bonds, i)->rest)
            continue;
        err = end_bond(t, i);
        if (!err)
            err = end_lones(t, i);
    }
    for (size_t g = t->first_cells; g < t->n_cells; g++)
        cells_seal(&t->cells[g]);
    t->totals.apps = at_intern_count(t->names[DIM_APP]);
    uint64_t users = 0;
    if (!err)
        err = count_users(t, &users);
    t->totals.users += users;
    return err;
}
