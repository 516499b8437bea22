/* tally_count.c: the counting itself. What the reports say is decided here; how it looks is decided by the printers. */
#include "analysis/tally_private.h"

/* ---- Adding up: one thing that happened, in all groupings */

enum at_err locate(struct tally *t, const struct place *where, struct spot *out)
{
    enum at_err err = AT_OK;
    for (size_t g = 0; g < t->n_cells && !err; g++)
        err = cells_find(&t->cells[g], where, &out->cell[g]);
    return err;
}

static struct counts *counts_at(const struct tally *t, const struct spot *spot, size_t g)
{
    return &t->cells[g].list[spot->cell[g]].counts;
}

void count_one(struct tally *t, const struct spot *spot, size_t offset)
{
    for (size_t g = 0; g < t->n_cells; g++)
        ++*(uint64_t *)(void *)((char *)counts_at(t, spot, g) + offset);
}

/*
 * The marks that the user of the bond has in a cell, with `mark` among them. Where cells are by scope, among other
 * things, the bond itself knows; where they are not, the user may be there with other scopes, and the set of users is
 * asked.
 */
static enum at_err mark_in(struct tally *t, size_t g, uint32_t cell, uint32_t bond, enum user_mark mark, uint8_t *marks)
{
    struct cells *cells = &t->cells[g];
    bool held = false;
    enum at_err err = AT_OK;
    if (cells->dims & 1u << DIM_SCOPE)
        err = bonds_turn_to(&t->bonds, bond, g, cell, &held);
    struct bond *b = &t->bonds.list[bond];
    if (err || !held)
        return err ? err : cells_mark(cells, cell, b->key, mark, marks);
    if (!(b->marks[g] & 1u << mark)) {
        b->marks[g] |= (uint8_t)(1u << mark);
        cells->list[cell].counts.users[mark]++;
    }
    *marks = b->marks[g];
    return AT_OK;
}

enum at_err mark_user(struct tally *t, const struct spot *spot, uint32_t bond, enum user_mark mark)
{
    const struct bond *b = &t->bonds.list[bond];
    enum at_err err = AT_OK;
    for (size_t g = 0; g < t->n_cells && !err; g++) {
        uint8_t marks;
        if (b->marked[g] != spot->cell[g] || !(b->marks[g] & 1u << mark))
            err = mark_in(t, g, spot->cell[g], bond, mark, &marks);
    }
    return err;
}

/* A call of the user failed in silence: once, or again. */
enum at_err mark_silenced(struct tally *t, const struct spot *spot, uint32_t bond)
{
    enum at_err err = AT_OK;
    for (size_t g = 0; g < t->n_cells && !err; g++) {
        uint8_t marks = 0;
        err = mark_in(t, g, spot->cell[g], bond, USERS_ASKED, &marks);
        if (!err)
            err = mark_in(t, g, spot->cell[g], bond, marks & 1u << USERS_SILENCED ? USERS_KEPT_ASKING : USERS_SILENCED,
                          &marks);
    }
    return err;
}

enum at_err mark_asked(struct tally *t, const struct spot *spot, uint32_t bond)
{
    struct bond *b = &t->bonds.list[bond];
    if (b->first_lone != NO_ID)
        bonds_drop_lones(&t->bonds, bond);
    b->asked = true;
    return mark_user(t, spot, bond, USERS_ASKED);
}

enum at_err mark_outcome(struct tally *t, const struct spot *spot, uint32_t bond, bool granted, uint64_t order,
                         int64_t t_us)
{
    struct bond *b = &t->bonds.list[bond];
    if (granted && order < b->granted_order)
        b->granted_order = order;
    if (!granted && order < b->denied_order) {
        b->denied_order = order;
        b->denied_us = t_us;
    }
    enum at_err err = mark_asked(t, spot, bond);
    return err ? err : mark_user(t, spot, bond, granted ? USERS_GRANTED : USERS_DENIED);
}

enum at_err count_answer(struct tally *t, const struct place *where, uint32_t key, enum at_answer answer,
                         uint64_t order)
{
    struct spot spot;
    uint32_t bond = 0;
    enum at_err err = locate(t, where, &spot);
    if (!err)
        err = bonds_find(&t->bonds, key, where->id[DIM_SCOPE], &bond);
    if (err)
        return err;
    count_one(t, &spot, offsetof(struct counts, answers) + sizeof(uint64_t) * answer);
    err = tap_answer(t, where, key, answer, order);
    if (err)
        return err;
    return answer == AT_ANSWER_DISMISS ? mark_asked(t, &spot, bond)
                                       : mark_outcome(t, &spot, bond, answer == AT_ANSWER_ALLOW, order, where->t_us);
}

enum at_err count_flip(struct tally *t, const struct place *where, uint32_t key, bool granted, uint64_t order,
                       bool inferred)
{
    struct spot spot;
    uint32_t bond = 0;
    struct flip flip = {.order = order, .t_us = where->t_us, .platform = where->id[DIM_PLATFORM], .granted = granted};
    enum at_err err = locate(t, where, &spot);
    if (!err)
        err = bonds_find(&t->bonds, key, where->id[DIM_SCOPE], &bond);
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

/* ---- Calls and answers */

static struct place place_of_call(const struct made_call *c)
{
    struct place at = {.id = NOWHERE, .t_us = c->t_us};
    at.id[DIM_APP] = c->app;
    at.id[DIM_API] = c->api;
    at.id[DIM_PLATFORM] = c->platform;
    at.id[DIM_USER] = c->key;
    return at;
}

/* The checker will say why a call was denied. */
static enum at_err expect_verdict(struct tally *t, const struct made_call *c, uint64_t index, uint32_t bond,
                                  const struct spot *spot)
{
    enum at_err err = ROOM(t->denials, t->n_denials, t->denials_cap);
    if (!err)
        t->denials[t->n_denials++] = (struct denial){.index = index, .called = c->index, .bond = bond, .spot = *spot};
    return err;
}

/* What the answer of a call says about one of its scopes; `cls` AT_CLASSES: there was none. */
static enum at_err close_scope(struct tally *t, const struct made_call *c, const struct place *at, uint32_t bond,
                               unsigned cls, uint64_t index, int64_t t_us)
{
    struct spot spot;
    enum at_err err = locate(t, at, &spot);
    if (err)
        return err;
    t->bonds.list[bond].pending--;
    COUNT(t, &spot, calls);
    if (cls < AT_CLASSES)
        count_one(t, &spot, offsetof(struct counts, by_class) + sizeof(uint64_t) * cls);
    if (cls == AT_CLASS_OK || cls == AT_CLASS_DENIED)
        err = mark_outcome(t, &spot, bond, cls == AT_CLASS_OK, index * 2 + 2, t_us);
    else if (cls == AT_CLASS_DISMISSED)
        err = mark_asked(t, &spot, bond);
    if (!err && cls == AT_CLASS_DENIED)
        err = expect_verdict(t, c, index, bond, &spot);
    if (!err)
        err = tap_call(t, c, at, cls, index, t_us);
    if (!err && !t->bonds.list[bond].asked)
        err = bonds_add_lone(&t->bonds, bond, at->id[DIM_API], at->id[DIM_PLATFORM]);
    return err;
}

/* The call has its answer, or will have none. */
static enum at_err close_call(struct tally *t, const struct made_call *c, uint32_t platform, unsigned cls,
                              uint32_t err_msg, uint64_t index, int64_t t_us)
{
    struct place at = place_of_call(c);
    const uint32_t *scopes = t->scopes + c->scopes;
    enum at_err err = AT_OK;
    at.id[DIM_ERRMSG] = err_msg;
    if (at.id[DIM_PLATFORM] == NO_ID)
        at.id[DIM_PLATFORM] = platform;
    for (uint32_t i = 1; i <= scopes[0] && !err; i++) {
        uint32_t bond = c->bond;
        at.id[DIM_SCOPE] = scopes[i];
        if (i > 1)
            err = bonds_find(&t->bonds, c->key, scopes[i], &bond);
        if (!err)
            err = close_scope(t, c, &at, bond, cls, index, t_us);
    }
    return err;
}

enum at_err bond_of(struct tally *t, struct who *who, uint32_t scope, uint32_t *out)
{
    if (scope >= BONDS_KEPT)
        return bonds_find(&t->bonds, who->key, scope, out);
    enum at_err err = AT_OK;
    if (who->bond[scope] == NO_ID)
        err = bonds_find(&t->bonds, who->key, scope, &who->bond[scope]);
    *out = err ? 0 : who->bond[scope];
    return err;
}

static enum at_err wait_for_answer(struct tally *t, struct who *who, struct made_call *c, bool authorizes)
{
    const uint32_t *scopes = t->scopes + c->scopes;
    enum at_err err = AT_OK;
    for (uint32_t i = 1; i <= scopes[0] && !err; i++) {
        uint32_t bond = 0;
        err = bond_of(t, who, scopes[i], &bond);
        if (err)
            return err;
        c->bond = i == 1 ? bond : c->bond;
        t->bonds.list[bond].pending++;
        if (authorizes) {
            bonds_drop_lones(&t->bonds, bond);
            t->bonds.list[bond].asked = true;
        }
    }
    return err;
}

/* A call whose id comes again will have no answer. */
static enum at_err close_unanswered(struct tally *t, const struct made_call *c)
{
    return close_call(t, c, NO_ID, AT_CLASSES, NO_ID, 0, 0);
}

static enum at_err on_call(struct tally *t, const struct happening *h)
{
    struct made_call before, made = {
                                 .index = h->index,
                                 .t_us = h->t_us,
                                 .key = h->who->key,
                                 .app = h->who->app,
                                 .platform = h->who->platform,
                                 .api = h->what->api,
                                 .scopes = h->what->scopes,
                             };
    enum at_err err = AT_OK;
    t->totals.calls++;
    if (calls_take(t, h, &before))
        err = close_unanswered(t, &before);
    if (!err && calls_take_named(t, h, &before))
        err = close_unanswered(t, &before);
    if (!err)
        err = wait_for_answer(t, h->who, &made, h->what->authorizes);
    return err ? err : calls_add(t, h, &made);
}

static enum at_err on_wording(struct tally *t, struct what *w, uint32_t platform, uint32_t api)
{
    size_t at = (platform ^ api) % WORDINGS_KEPT;
    if (w->wordings[at].id && w->wordings[at].platform == platform && w->wordings[at].api == api) {
        t->wording_counts[w->wordings[at].id - 1]++;
        return AT_OK;
    }
    uint32_t id = 0;
    const struct wording_key key = {platform, api, w->err_msg, w->cls, w->known};
    enum at_err err = count_wording(t, &key, 1, &id);
    if (!err) {
        w->wordings[at].platform = platform;
        w->wordings[at].api = api;
        w->wordings[at].id = id + 1;
    }
    return err;
}

static enum at_err on_return(struct tally *t, const struct happening *h)
{
    struct made_call c;
    bool known = false;
    enum at_err err = calls_answered(t, h, &known, &c);
    uint32_t platform = known && c.platform != NO_ID ? c.platform : h->who->platform;
    uint32_t api = known ? c.api : h->what->named;
    if (!err && known)
        err = close_call(t, &c, platform, h->what->cls, h->what->err_msg, h->index, h->t_us);
    return err ? err : on_wording(t, h->what, platform, api);
}

/* ---- Prompts, decisions, settings */

static struct place place_of(const struct happening *h)
{
    struct place at = {.id = NOWHERE, .t_us = h->t_us};
    at.id[DIM_APP] = h->who->app;
    at.id[DIM_PLATFORM] = h->who->platform;
    at.id[DIM_USER] = h->who->key;
    return at;
}

/* The one scope that the event names, NO_ID where it names none. */
static uint32_t named_scope(const struct tally *t, const struct what *w)
{
    return t->scopes[w->scopes] ? t->scopes[w->scopes + 1] : NO_ID;
}

static enum at_err on_prompt(struct tally *t, const struct happening *h)
{
    struct place at = place_of(h);
    struct spot spot;
    uint32_t bond = 0;
    enum at_err err = h->what->names_call ? calls_api(t, h, &at.id[DIM_API]) : AT_OK;
    at.id[DIM_SCOPE] = named_scope(t, h->what);
    if (!err)
        err = at.id[DIM_SCOPE] == NO_ID ? AT_BAD : locate(t, &at, &spot);
    if (!err)
        err = bond_of(t, h->who, at.id[DIM_SCOPE], &bond);
    if (err)
        return err;
    COUNT(t, &spot, prompts_observed);
    err = tap_prompt(t, &at, h->index * 2 + 2, false);
    if (err)
        return err;
    struct bond *b = &t->bonds.list[bond];
    b->up = true;
    b->prompt_api = at.id[DIM_API];
    b->prompt_us = h->t_us;
    b->prompt_order = h->index * 2 + 2;
    return mark_asked(t, &spot, bond);
}

/* The scope that a decision is about: the one it names; else the one whose prompt came up last; else, not surely, the
 * only one that a call waits for. */
static uint32_t scope_of_decision(const struct tally *t, const struct happening *h, bool *sure)
{
    uint32_t waiting = NO_ID, n_waiting = 0, scope = named_scope(t, h->what);
    uint64_t latest = 0;
    *sure = true;
    if (scope != NO_ID)
        return scope;
    for (uint32_t i = t->bonds.keys[h->who->key].bond; i != NO_ID; i = t->bonds.list[i].next) {
        const struct bond *b = &t->bonds.list[i];
        if (b->up && b->prompt_order > latest) {
            latest = b->prompt_order;
            scope = b->scope;
        }
        if (b->pending) {
            waiting = b->scope;
            n_waiting++;
        }
    }
    *sure = scope != NO_ID;
    return scope == NO_ID && n_waiting == 1 ? waiting : scope;
}

static enum at_err count_answer_time(struct tally *t, const struct place *at, int64_t took_us)
{
    struct spot spot;
    enum at_err err = locate(t, at, &spot);
    for (size_t g = 0; g < t->n_cells && !err; g++)
        err = quantiles_add(&counts_at(t, &spot, g)->answer_us, took_us > 0 ? (uint64_t)took_us : 0);
    return err;
}

static enum at_err on_decision(struct tally *t, const struct happening *h)
{
    struct place at = place_of(h);
    uint32_t bond = 0;
    bool sure;
    enum at_err err = AT_OK;
    at.id[DIM_SCOPE] = scope_of_decision(t, h, &sure);
    if (!sure)
        err = add_stray(t, &at, h->index, h->what->answer);
    if (err || at.id[DIM_SCOPE] == NO_ID)
        return err;
    err = bond_of(t, h->who, at.id[DIM_SCOPE], &bond);
    if (err)
        return err;
    struct bond *b = &t->bonds.list[bond];
    if (b->up) {
        b->up = false;
        at.id[DIM_API] = b->prompt_api;
        t->took_us = h->t_us > b->prompt_us ? h->t_us - b->prompt_us : 0;
        err = count_answer_time(t, &at, t->took_us);
    }
    if (!err)
        err = count_answer(t, &at, h->who->key, h->what->answer, h->index * 2 + 2);
    t->took_us = -1;
    return err;
}

static enum at_err on_settings(struct tally *t, const struct happening *h)
{
    struct place at = place_of(h);
    at.id[DIM_SCOPE] = named_scope(t, h->what);
    return at.id[DIM_SCOPE] == NO_ID ? AT_BAD
                                     : count_flip(t, &at, h->who->key, h->what->granted, h->index * 2 + 2, false);
}

static void on_reset(struct tally *t, uint32_t key)
{
    for (uint32_t i = t->bonds.keys[key].bond; i != NO_ID; i = t->bonds.list[i].next)
        t->bonds.list[i].up = false;
}

enum at_err count_happening(struct tally *t, const struct happening *h)
{
    t->now = h;
    if (t->totals.events++ == 0)
        t->totals.from_us = t->totals.to_us = h->t_us;
    t->totals.from_us = h->t_us < t->totals.from_us ? h->t_us : t->totals.from_us;
    t->totals.to_us = h->t_us > t->totals.to_us ? h->t_us : t->totals.to_us;
    switch (h->what->kind) {
    case AT_KIND_CALL:
        return on_call(t, h);
    case AT_KIND_RETURN:
        return on_return(t, h);
    case AT_KIND_PROMPT:
        return on_prompt(t, h);
    case AT_KIND_DECISION:
        return on_decision(t, h);
    case AT_KIND_SETTINGS:
        return on_settings(t, h);
    case AT_KIND_RESET:
        on_reset(t, h->who->key);
        return AT_OK;
    case AT_KIND_START:
    case AT_KIND_SETTINGS_PAGE:
    case AT_KIND_GAP:
    case AT_KIND_END:
        break;
    }
    return AT_OK;
}

/* ---- What can only be said at the end */

/* Whether the user turned the scope off after a grant, and on again; on after a denial, and how long that took. */
static enum at_err end_bond(struct tally *t, uint32_t bond)
{
    struct flip flips[FLIPS_MAX];
    const struct bond *b = &t->bonds.list[bond];
    size_t n = b->flips ? bonds_flips(&t->bonds, bond, flips) : 0;
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
            err = mark_user(t, &spot, bond, USERS_RECOVERED);
            for (size_t g = 0; g < t->n_cells && !err; g++)
                err = quantiles_add(&counts_at(t, &spot, g)->recovery_us, (uint64_t)took);
        }
        if (!err && flips[i].granted && off && !again) {
            again = true;
            err = mark_user(t, &spot, bond, USERS_ON_AGAIN);
        }
        if (!err && !flips[i].granted && !off && flips[i].order > b->granted_order) {
            off = true;
            err = mark_user(t, &spot, bond, USERS_TURNED_OFF);
        }
    }
    return err;
}

static enum at_err end_lones(struct tally *t, uint32_t bond)
{
    const struct bond *b = &t->bonds.list[bond];
    enum at_err err = AT_OK;
    for (uint32_t i = b->first_lone; i != NO_ID && !err; i = t->bonds.lones[i].next) {
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
    t->now = NULL;
    for (size_t i = 0; i < t->n_views && !err; i++)
        err = calls_spill(t, &t->views[i]);
    while (!err && pending_pop(&t->pending, &c))
        err = close_unanswered(t, &c);
    for (size_t i = 0; i < t->bonds.n && !err; i++) {
        err = end_bond(t, (uint32_t)i);
        if (!err)
            err = end_lones(t, (uint32_t)i);
    }
    for (size_t g = 0; g < t->n_cells; g++)
        cells_seal(&t->cells[g]);
    t->totals.apps = at_intern_count(t->names[DIM_APP]);
    uint64_t users = 0;
    if (!err)
        err = count_users(t, &users);
    t->totals.users += users;
    return err;
}
