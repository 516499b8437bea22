/* tally_verdict.c: what the checker says of the events. */
#include "analysis/tally_private.h"

/* ---- Calls */

/* The first one that is not before the answer; the checker mostly asks for one near the last. */
static size_t seek_denial(struct tally *t, uint64_t answered)
{
    size_t low = 0, high = t->n_denials;
    if (t->told < t->n_denials && t->denials[t->told].index <= answered) {
        low = t->told;
        high = low + 8 < high && t->denials[low + 8].index >= answered ? low + 8 : high;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->denials[middle].index < answered)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct denial *denial_of(struct tally *t, const struct at_settled *s)
{
    t->told = seek_denial(t, s->returned.event);
    for (size_t i = t->told; i < t->n_denials && t->denials[i].index == s->returned.event; i++) {
        struct denial *d = &t->denials[i];
        if (d->called == s->called.event &&
            at_str_eq(tally_name(t, DIM_SCOPE, bond_at(&t->bonds, d->bond)->scope), s->scope))
            return d;
    }
    return NULL;
}

enum at_err count_denial(struct tally *t, const struct spot *spot, uint32_t bond, enum at_via via)
{
    if (via == AT_VIA_NONE)
        return AT_OK;
    if (via == AT_VIA_PROMPT) {
        COUNT(t, spot, at_prompt);
        return AT_OK;
    }
    COUNT(t, spot, while_denied);
    return mark_silenced(t, spot, bond);
}

/* Where a denied call counts that is told of later than its answer was counted. */
static enum at_err find_denial(struct tally *t, const struct at_settled *s, struct denial *out)
{
    struct place at = {.id = NOWHERE, .t_us = s->called.t_us};
    enum at_err err = scope_id(t, s->scope, &at.id[DIM_SCOPE]);
    if (!err)
        err = name_id(t, DIM_API, s->api, &at.id[DIM_API]);
    if (!err)
        err = key_id(t, s->app, s->user, &at.id[DIM_APP], &at.id[DIM_USER]);
    if (!err)
        err = name_id(t, DIM_PLATFORM, s->platform, &at.id[DIM_PLATFORM]);
    if (!err)
        err = name_id(t, DIM_ERRMSG, s->err_msg, &at.id[DIM_ERRMSG]);
    if (!err)
        err = bonds_find_far(&t->bonds, at.id[DIM_USER], at.id[DIM_SCOPE], &out->bond);
    return err ? err : locate(t, &at, &out->spot);
}

enum at_err tally_settled(struct tally *t, const struct at_settled *s)
{
    if (!s->answered || s->cls != AT_CLASS_DENIED || s->via == AT_VIA_NONE)
        return AT_OK;
    struct denial found, *d = denial_of(t, s);
    enum at_err err = AT_OK;
    if (!d && t->asks_late)
        return AT_OK; /* it was answered while its key was plain */
    if (!d)
        err = find_denial(t, s, d = &found);
    if (!err)
        err = tap_denial(t, s);
    return err ? err : count_denial(t, &d->spot, d->bond, s->via);
}

/* ---- Decisions that name no scope */

#define STRAYS_MAX 1024 /* of a key; more than a batch can have, which is counted before the checker tells of it */

/* Half of a key's decisions, the older ones, are forgotten. */
static void forget_strays(struct tally *t, struct key_links *key)
{
    uint32_t *link = &key->stray;
    for (uint32_t n = STRAYS_MAX / 2; *link != NO_ID && n; n--) {
        t->strays[*link].place = n;
        link = &t->strays[*link].next;
    }
    while (*link != NO_ID) {
        uint32_t old = *link;
        *link = t->strays[old].next;
        t->strays[old].next = t->free_stray;
        t->free_stray = old + 1;
    }
}

enum at_err add_stray(struct tally *t, const struct place *at, uint64_t index, enum at_answer answer)
{
    struct key_links *key = key_at(&t->bonds, at->id[DIM_USER]);
    if (key->stray != NO_ID && t->strays[key->stray].place >= STRAYS_MAX) {
        t->gives_up = true; /* if the checker is asked late, the older ones would be needed */
        forget_strays(t, key);
    }
    uint32_t to = t->free_stray - 1;
    if (t->free_stray) {
        t->free_stray = t->strays[to].next;
    } else {
        enum at_err err = t->n_strays >= NO_ID - 1 ? AT_LIMIT : ROOM(t->strays, t->n_strays, t->strays_cap);
        if (err)
            return err;
        to = (uint32_t)t->n_strays++;
    }
    t->strays[to] = (struct stray){.at = *at,
                                   .index = index,
                                   .next = key->stray,
                                   .place = key->stray == NO_ID ? 1 : t->strays[key->stray].place + 1,
                                   .answer = answer,
                                   .placed = at->id[DIM_SCOPE] != NO_ID};
    key->stray = to;
    return AT_OK;
}

static enum at_err place(struct tally *t, struct stray *s, uint32_t scope)
{
    s->placed = true;
    s->at.id[DIM_SCOPE] = scope;
    return count_answer(t, &s->at, s->at.id[DIM_USER], s->answer, s->index * 2 + 2);
}

static bool is_within(const struct stray *s, const struct at_inferred *i)
{
    return s->index >= i->after.event && s->index <= i->before.event;
}

/* The earliest of the key's within the bounds that fits: NULL where there is none. `answer` 0: any that is not placed;
 * else one that was not told of yet, and is not known to be about another scope. */
static struct stray *find_stray(struct tally *t, const struct at_inferred *i, const struct place *at,
                                enum at_answer answer)
{
    struct stray *found = NULL;
    for (uint32_t n = key_at(&t->bonds, at->id[DIM_USER])->stray; n != NO_ID; n = t->strays[n].next) {
        struct stray *s = &t->strays[n];
        if (s->index < i->after.event)
            break; /* the latest comes first */
        bool fits = answer ? !s->told && s->answer == answer && (!s->placed || s->at.id[DIM_SCOPE] == at->id[DIM_SCOPE])
                           : !s->placed;
        if (fits && is_within(s, i))
            found = s;
    }
    return found;
}

/* ---- Hidden changes */

/* An inferred decision: of its own, or the one on the tape that did not say which prompt it answers. */
static enum at_err infer_decision(struct tally *t, const struct at_inferred *i, const struct place *at)
{
    struct stray *s = find_stray(t, i, at, i->answer);
    if (!s)
        return count_answer(t, at, at->id[DIM_USER], i->answer, i->before.event * 2 + 1);
    s->told = true;
    return s->placed ? AT_OK : place(t, s, at->id[DIM_SCOPE]);
}

/* The decision that names no scope and that lies where the prompt was inferred is about that prompt. */
static enum at_err infer_prompt(struct tally *t, const struct at_inferred *i, const struct place *at)
{
    struct spot spot;
    uint32_t bond = 0;
    enum at_err err = locate(t, at, &spot);
    if (!err)
        err = bonds_find_far(&t->bonds, at->id[DIM_USER], at->id[DIM_SCOPE], &bond);
    if (err)
        return err;
    COUNT(t, &spot, prompts_inferred);
    err = tap_prompt(t, at, i->before.event * 2 + 1, true);
    if (err)
        return err;
    err = mark_asked(t, &spot, bond);
    struct stray *s = err ? NULL : find_stray(t, i, at, 0);
    return s ? place(t, s, at->id[DIM_SCOPE]) : err;
}

enum at_err tally_inferred(struct tally *t, const struct at_inferred *i)
{
    struct place at = {.id = NOWHERE, .t_us = i->before.t_us};
    uint32_t key = 0;
    if (i->kind == AT_INFERRED_RESET)
        return AT_OK;
    enum at_err err = key_id(t, i->app, i->user, &at.id[DIM_APP], &key);
    at.id[DIM_USER] = key;
    if (!err && t->asks_late && i->before.event + 1 < key_at(&t->bonds, key)->plain.since)
        return AT_OK; /* the key was plain, and nothing is hidden then */
    if (!err)
        err = name_id(t, DIM_PLATFORM, i->platform, &at.id[DIM_PLATFORM]);
    if (!err)
        err = scope_id(t, i->scope, &at.id[DIM_SCOPE]);
    if (err)
        return err;
    if (i->kind == AT_INFERRED_DECISION)
        return infer_decision(t, i, &at);
    if (i->kind == AT_INFERRED_SETTINGS)
        return count_flip(t, &at, key, i->granted, i->before.event * 2 + 1, true);
    return infer_prompt(t, i, &at);
}
