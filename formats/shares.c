/* shares.c: which shares of a recording are there, for what is put together from parts. */
#include <inttypes.h>
#include <stdlib.h>

#include "formats/formats.h"

enum at_err at_shares_new(uint32_t of, struct at_shares *out)
{
    *out = (struct at_shares){.of = of};
    out->have = calloc(of / 8 + 1, 1);
    return out->have ? AT_OK : AT_NOMEM;
}

void at_shares_free(struct at_shares *s)
{
    free(s->have);
    *s = (struct at_shares){0};
}

bool at_shares_has(const struct at_shares *s, uint32_t number)
{
    return s->have[(number - 1) / 8] >> ((number - 1) % 8) & 1;
}

void at_shares_set(struct at_shares *s, uint32_t number)
{
    s->have[(number - 1) / 8] |= (uint8_t)(1u << ((number - 1) % 8));
}

bool at_shares_same_recording(const struct at_shares *a, const struct at_shares *b)
{
    const struct at_reading *x = &a->reading, *y = &b->reading;
    if (x->print == y->print && x->events == y->events)
        return true;
    return a->of > 1 && x->alone && y->alone && x->tape == y->tape;
}

enum at_err at_shares_join(struct at_shares *sum, const struct at_shares *part, struct at_why *why)
{
    if (sum->of != part->of)
        return at_fail(why, AT_BAD, "a share of %" PRIu32 ", the parts before it are shares of %" PRIu32, part->of,
                       sum->of);
    for (uint32_t n = 1; n <= sum->of; n++)
        if (at_shares_has(sum, n) && at_shares_has(part, n))
            return at_fail(why, AT_BAD, "share %" PRIu32 " of %" PRIu32 " is there already", n, sum->of);
    for (uint32_t n = 1; n <= sum->of; n++)
        if (at_shares_has(part, n))
            at_shares_set(sum, n);
    if (sum->reading.print != part->reading.print) { /* each has read its own events only */
        sum->reading.events += part->reading.events;
        sum->reading.print ^= part->reading.print;
    }
    return AT_OK;
}

uint32_t at_shares_missing(const struct at_shares *s, uint32_t *n_missing)
{
    uint32_t first = 0;
    *n_missing = 0;
    for (uint32_t n = s->of; n > 0; n--) {
        if (at_shares_has(s, n))
            continue;
        first = n;
        ++*n_missing;
    }
    return first;
}

#define TOLD_MAX 20u

enum at_err at_shares_missing_text(const struct at_shares *s, struct at_buf *out)
{
    uint32_t left, told = 0;
    enum at_err err = AT_OK;
    at_shares_missing(s, &left);
    for (uint32_t n = 1; n <= s->of && left && !err; n++) {
        if (at_shares_has(s, n))
            continue;
        if (told == TOLD_MAX)
            return at_buf_printf(out, " and %" PRIu32 " more", left);
        err = at_buf_printf(out, "%s%" PRIu32, told == 0 ? "" : left == 1 ? " and " : ", ", n);
        told++;
        left--;
    }
    return err;
}
