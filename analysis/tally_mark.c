/* tally_mark.c: one thing that happened, in all groupings: where it counts, and for which users. */
#include "analysis/tally_private.h"

int64_t hour_anew(struct tally *t, int64_t t_us)
{
    int64_t hour = t_us / US_PER_HOUR - (t_us % US_PER_HOUR < 0);
    if (hour <= INT64_MIN / US_PER_HOUR || hour >= INT64_MAX / US_PER_HOUR)
        return hour; /* its beginning or its end is out of range */
    t->hour = hour;
    t->hour_us = hour * US_PER_HOUR;
    return hour;
}

enum at_err locate_anew(struct tally *t, const struct place *where, struct known_spot *known)
{
    enum at_err err = AT_OK;
    for (size_t g = t->first_cells; g < t->n_cells && !err; g++)
        err = cells_find(&t->cells[g], where, &known->spot.cell[g]);
    return err;
}

/*
 * `all`: the marks that the user of the bond has in a cell, with `marks` among them. Where cells are by scope, among
 * other things, the bond itself knows; where they are not, the user may be there with other scopes, and the set of
 * users is asked.
 */
enum at_err mark_anew(struct tally *t, size_t g, uint32_t cell, uint32_t bond, unsigned marks, uint8_t *all)
{
    struct cells *cells = &t->cells[g];
    struct bond *b = bond_at(&t->bonds, bond);
    bool held = false;
    enum at_err err = AT_OK;
    *all = 0;
    if (cells->dims & 1u << DIM_SCOPE)
        err = bonds_turn_to(&t->bonds, bond, g, cell, &held);
    for (unsigned left = held ? 0 : marks; left && !err; left &= left - 1)
        err = cells_mark(cells, cell, b->key, (enum user_mark)__builtin_ctz(left), all);
    if (err)
        return err;
    if (!held && !(cells->dims & 1u << DIM_SCOPE)) { /* so as not to ask again */
        b->marked[g] = cell;
        b->marks[g] = *all;
    }
    if (!held)
        return AT_OK;
    for (unsigned left = marks & ~(unsigned)b->marks[g]; left; left &= left - 1)
        cells->list[cell].counts.users[__builtin_ctz(left)]++;
    *all = b->marks[g] |= (uint8_t)marks;
    return AT_OK;
}

/* A call of the user failed in silence: once, or again. */
enum at_err mark_silenced(struct tally *t, const struct spot *spot, uint32_t bond)
{
    const unsigned again = 1u << USERS_ASKED | 1u << USERS_SILENCED | 1u << USERS_KEPT_ASKING;
    const struct bond *b = bond_at(&t->bonds, bond);
    enum at_err err = AT_OK;
    for (size_t g = t->first_cells; g < t->n_cells && !err; g++) {
        uint8_t marks = 0;
        if (b->marked[g] == spot->cell[g] && (b->marks[g] & again) == again)
            continue;
        err = mark_anew(t, g, spot->cell[g], bond, 1u << USERS_ASKED, &marks);
        if (!err)
            err = mark_anew(t, g, spot->cell[g], bond,
                            1u << (marks & 1u << USERS_SILENCED ? USERS_KEPT_ASKING : USERS_SILENCED), &marks);
    }
    return err;
}

/* ---- What users said and did */

enum at_err count_answer_at(struct tally *t, const struct spot *spot, uint32_t bond, enum at_answer answer,
                            uint64_t order, int64_t t_us)
{
    COUNT(t, spot, answers[answer]);
    return answer == AT_ANSWER_DISMISS ? mark_asked(t, spot, bond)
                                       : mark_outcome(t, spot, bond, answer == AT_ANSWER_ALLOW, order, t_us);
}

enum at_err count_answer(struct tally *t, const struct place *where, uint32_t key, enum at_answer answer,
                         uint64_t order)
{
    struct spot spot;
    uint32_t bond = 0;
    enum at_err err = locate(t, where, &spot);
    if (!err)
        err = bonds_find_far(&t->bonds, key, where->id[DIM_SCOPE], &bond);
    if (!err)
        err = tap_answer(t, where, key, answer, order);
    return err ? err : count_answer_at(t, &spot, bond, answer, order, where->t_us);
}

enum at_err count_flip(struct tally *t, const struct place *where, uint32_t key, bool granted, uint64_t order,
                       bool inferred)
{
    struct spot spot;
    uint32_t bond = 0;
    struct flip flip = {.order = order, .t_us = where->t_us, .platform = where->id[DIM_PLATFORM], .granted = granted};
    enum at_err err = locate(t, where, &spot);
    if (!err)
        err = bonds_find_far(&t->bonds, key, where->id[DIM_SCOPE], &bond);
    if (err)
        return err;
    if (granted)
        COUNT(t, &spot, to_granted);
    else
        COUNT(t, &spot, to_denied);
    if (inferred)
        COUNT(t, &spot, flips_inferred);
    err = tap_flip(t, where, key, granted, order, inferred);
    if (!err)
        err = bonds_add_flip(&t->bonds, bond, &flip);
    return err ? err : mark_outcome(t, &spot, bond, granted, order, where->t_us);
}
