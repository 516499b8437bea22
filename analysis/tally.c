/* tally.c: the counting itself. What the reports say is decided here; how it looks is decided by the printers. */
#include "analysis/tally.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/pending.h"

#define NAMES_MAX (1u << 16) /* different strings of a dimension; what comes later counts as REST */
#define REST AT_STR("(others)")

/* A key, and a scope of it that anything happened to. Events are numbered by twice their index, what was inferred
 * before an event by one less, so that all of it has one order. */
struct bond {
    uint32_t scope, next;  /* next bond of the key, NO_ID at the end */
    uint32_t pending;      /* calls that wait */
    bool up;               /* its prompt is up */
    struct place prompt;   /* where the latest prompt counts */
    uint64_t prompt_order; /* of the latest prompt */
    uint64_t first_denied; /* order of the first sign of a denial; UINT64_MAX: none */
    uint64_t last_on;      /* order of the last flip to granted; 0: none (orders start at 1) */
    struct place last_on_at;
};

/* A decision that names no scope while no prompt is known to be up: the checker may tell which. */
struct stray {
    struct place at;
    uint32_t key;
    uint64_t index;
    enum at_answer answer;
    bool placed, told; /* its scope is known; the checker has told of the decision itself */
};

struct wording_key {
    uint32_t platform, api, err_msg, cls, known;
};

struct tally {
    const struct at_profile *profile;
    struct at_intern *names[DIM_STRINGS];
    struct at_intern *users, *streams, *keys, *bonds, *wordings;
    uint32_t *first_bond; /* by key id */
    size_t n_keys, keys_cap;
    struct bond *bond; /* by bond id */
    size_t n_bonds, bonds_cap;
    uint64_t *wording_counts;
    size_t n_wordings, wordings_cap;
    struct stray *strays;
    size_t n_strays, strays_cap;
    struct pending pending;
    struct cells cells[GROUPINGS_MAX]; /* by scope; by what was asked for */
    size_t n_cells;
    uint32_t *scratch; /* scope ids of the call at hand */
    size_t n_scratch, scratch_cap;
    struct tally_totals totals;
};

/* ---- Names and tables */

/* Room for one more of `size` bytes in a growing array. */
static enum at_err room(void **list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return AT_OK;
    size_t more = *cap ? *cap * 2 : 16;
    void *grown = realloc(*list, more * size);
    if (!grown)
        return AT_NOMEM;
    *list = grown;
    *cap = more;
    return AT_OK;
}
#define ROOM(list, n, cap) room((void **)&(list), n, &(cap), sizeof *(list))

static enum at_err name_id(struct tally *t, enum report_dim dim, struct at_str s, uint32_t *out)
{
    struct at_intern *table = t->names[dim];
    *out = NO_ID;
    if (!s.ptr)
        return AT_OK;
    if (dim != DIM_APP && at_intern_count(table) >= NAMES_MAX && !at_intern_find(table, s, out))
        s = REST;
    return at_intern_add(table, s, out);
}

/* The scope's canonical name: a platform may leave a prefix out. */
static enum at_err scope_id(struct tally *t, struct at_str name, uint32_t *out)
{
    size_t i = at_profile_find_scope(t->profile, name);
    return name_id(t, DIM_SCOPE, i == AT_NO_SCOPE ? name : t->profile->scopes[i].name, out);
}

static enum at_err pair_id(struct at_intern *table, uint32_t a, uint32_t b, uint32_t *out)
{
    uint32_t pair[2] = {a, b};
    return at_intern_add(table, (struct at_str){(const char *)pair, sizeof pair}, out);
}

static enum at_err key_id(struct tally *t, struct at_str app, struct at_str user, uint32_t *app_id, uint32_t *out)
{
    uint32_t user_id = 0;
    enum at_err err = name_id(t, DIM_APP, app, app_id);
    if (!err)
        err = at_intern_add(t->users, user, &user_id);
    if (!err)
        err = pair_id(t->keys, *app_id, user_id, out);
    if (err || *out < t->n_keys)
        return err;
    err = ROOM(t->first_bond, t->n_keys, t->keys_cap);
    if (!err)
        t->first_bond[t->n_keys++] = NO_ID;
    return err;
}

static enum at_err bond_of(struct tally *t, uint32_t key, uint32_t scope, struct bond **out)
{
    uint32_t id = 0;
    enum at_err err = pair_id(t->bonds, key, scope, &id);
    if (!err && id == t->n_bonds) {
        err = ROOM(t->bond, t->n_bonds, t->bonds_cap);
        if (!err) {
            t->bond[t->n_bonds++] =
                (struct bond){.scope = scope, .next = t->first_bond[key], .first_denied = UINT64_MAX};
            t->first_bond[key] = id;
        }
    }
    *out = err ? NULL : &t->bond[id];
    return err;
}

/* ---- Adding up: one thing that happened, in both groupings */

#define COUNT(t, where, member) add_one(t, where, offsetof(struct counts, member))

static enum at_err add_one(struct tally *t, const struct place *where, size_t offset)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < t->n_cells && !err; i++) {
        struct counts *c;
        err = cells_at(&t->cells[i], where, &c);
        if (!err)
            ++*(uint64_t *)(void *)((char *)c + offset);
    }
    return err;
}

static enum at_err mark(struct tally *t, const struct place *where, uint32_t key, enum user_mark what)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < t->n_cells && !err; i++)
        err = cells_mark(&t->cells[i], where, key, what);
    return err;
}

/* The user was asked for the scope; with GRANTED or DENIED, what came of it. */
static enum at_err mark_user(struct tally *t, const struct place *where, uint32_t key, enum user_mark what,
                             uint64_t order)
{
    enum at_err err = mark(t, where, key, USERS_ASKED);
    if (!err && what != USERS_ASKED)
        err = mark(t, where, key, what);
    struct bond *b;
    if (!err && what == USERS_DENIED) {
        err = bond_of(t, key, where->id[DIM_SCOPE], &b);
        if (!err && order < b->first_denied)
            b->first_denied = order;
    }
    return err;
}

static enum at_err count_answer(struct tally *t, const struct place *where, uint32_t key, enum at_answer answer,
                                uint64_t order)
{
    enum at_err err = add_one(t, where, offsetof(struct counts, answers) + sizeof(uint64_t) * answer);
    if (!err)
        err = mark_user(t, where, key,
                        answer == AT_ANSWER_ALLOW  ? USERS_GRANTED
                        : answer == AT_ANSWER_DENY ? USERS_DENIED
                                                   : USERS_ASKED,
                        order);
    return err;
}

static enum at_err count_flip(struct tally *t, const struct place *where, uint32_t key, bool granted, uint64_t order)
{
    enum at_err err = granted ? COUNT(t, where, to_granted) : COUNT(t, where, to_denied);
    if (!err)
        err = mark_user(t, where, key, granted ? USERS_GRANTED : USERS_DENIED, order);
    struct bond *b;
    if (!err)
        err = bond_of(t, key, where->id[DIM_SCOPE], &b);
    if (!err && granted && order > b->last_on) {
        b->last_on = order;
        b->last_on_at = *where;
    }
    return err;
}

/* ---- Calls and answers */

static enum at_err add_scratch(struct tally *t, struct at_str name)
{
    uint32_t id = 0;
    enum at_err err = scope_id(t, name, &id);
    for (size_t i = 0; i < t->n_scratch && !err; i++)
        if (t->scratch[i] == id)
            return AT_OK; /* named twice in one call */
    if (!err)
        err = ROOM(t->scratch, t->n_scratch, t->scratch_cap);
    if (!err)
        t->scratch[t->n_scratch++] = id;
    return err;
}

/* The scopes that the call is about: those that gate its API, or those that `authorize` names. */
static enum at_err scopes_of_call(struct tally *t, const struct at_event *ev, struct at_api api)
{
    enum at_err err = AT_OK;
    t->n_scratch = 0;
    if (api.kind == AT_API_AUTHORIZE)
        for (size_t i = 0; i < ev->n_scopes && !err; i++)
            err = add_scratch(t, ev->scopes[i]);
    if (api.kind == AT_API_GATED)
        for (size_t i = 0; i < t->profile->n_scopes && !err; i++)
            if (api.scopes & (uint64_t)1 << i)
                err = add_scratch(t, t->profile->scopes[i].name);
    return err;
}

/* The call has its answer, or will have none (`cls` AT_CLASSES). Frees it. */
static enum at_err close_call(struct tally *t, struct pending_call *c, unsigned cls, uint32_t err_msg, uint64_t order)
{
    enum at_err err = AT_OK;
    c->at.id[DIM_ERRMSG] = err_msg;
    for (size_t i = 0; i < c->n_scopes && !err; i++) {
        struct bond *b;
        c->at.id[DIM_SCOPE] = c->scopes[i];
        err = COUNT(t, &c->at, calls);
        if (!err && cls < AT_CLASSES)
            err = add_one(t, &c->at, offsetof(struct counts, by_class) + sizeof(uint64_t) * cls);
        if (!err && (cls == AT_CLASS_OK || cls == AT_CLASS_DENIED || cls == AT_CLASS_DISMISSED))
            err = mark_user(t, &c->at, c->key,
                            cls == AT_CLASS_OK       ? USERS_GRANTED
                            : cls == AT_CLASS_DENIED ? USERS_DENIED
                                                     : USERS_ASKED,
                            order);
        if (!err)
            err = bond_of(t, c->key, c->scopes[i], &b);
        if (!err)
            b->pending--;
    }
    free(c);
    return err;
}

static enum at_err on_call(struct tally *t, const struct at_event *ev, struct place *at, uint32_t key, uint32_t stream,
                           uint64_t order)
{
    t->totals.calls++;
    enum at_err err = name_id(t, DIM_API, ev->api, &at->id[DIM_API]);
    if (!err)
        err = scopes_of_call(t, ev, at_profile_api(t->profile, ev->api));
    if (err)
        return err;
    struct pending_call *before = pending_take(&t->pending, stream, ev->call);
    if (before)
        err = close_call(t, before, AT_CLASSES, NO_ID, order);
    struct pending_call *c = err ? NULL : pending_add(&t->pending, stream, ev->call, t->scratch, t->n_scratch);
    if (!c)
        return err ? err : AT_NOMEM;
    c->at = *at;
    c->key = key;
    for (size_t i = 0; i < c->n_scopes && !err; i++) {
        struct bond *b;
        err = bond_of(t, key, c->scopes[i], &b);
        if (!err)
            b->pending++;
    }
    return err;
}

static enum at_err count_wording(struct tally *t, const struct wording_key *key, uint64_t count)
{
    uint32_t id = 0;
    enum at_err err = at_intern_add(t->wordings, (struct at_str){(const char *)key, sizeof *key}, &id);
    if (!err && id == t->n_wordings) {
        err = ROOM(t->wording_counts, t->n_wordings, t->wordings_cap);
        if (!err)
            t->wording_counts[t->n_wordings++] = 0;
    }
    if (!err)
        t->wording_counts[id] += count;
    return err;
}

static enum at_err on_return(struct tally *t, const struct at_event *ev, const struct place *at, uint32_t stream,
                             uint64_t order)
{
    struct at_outcome o = at_profile_outcome(t->profile, ev->err_msg, ev->has & AT_HAS_ERRNO, ev->err_no);
    struct pending_call *c = pending_take(&t->pending, stream, ev->call);
    struct wording_key wording = {.platform = at->id[DIM_PLATFORM], .cls = o.cls, .known = o.known};
    enum at_err err = name_id(t, DIM_ERRMSG, ev->err_msg, &wording.err_msg);
    if (!err && !c)
        err = name_id(t, DIM_API, o.api, &wording.api);
    if (!err && c) {
        if (c->at.id[DIM_PLATFORM] == NO_ID)
            c->at.id[DIM_PLATFORM] = at->id[DIM_PLATFORM];
        wording.api = c->at.id[DIM_API];
        wording.platform = c->at.id[DIM_PLATFORM];
        err = close_call(t, c, o.cls, wording.err_msg, order);
    }
    return err ? err : count_wording(t, &wording, 1);
}

/* ---- Prompts, decisions, settings */

static enum at_err on_prompt(struct tally *t, const struct at_event *ev, struct place *at, uint32_t key,
                             uint32_t stream, uint64_t order)
{
    struct bond *b = NULL;
    const struct pending_call *c = ev->has & AT_HAS_CALL ? pending_find(&t->pending, stream, ev->call) : NULL;
    if (c)
        at->id[DIM_API] = c->at.id[DIM_API];
    enum at_err err = ev->n_scopes ? scope_id(t, ev->scopes[0], &at->id[DIM_SCOPE]) : AT_BAD;
    if (!err)
        err = COUNT(t, at, prompts_observed);
    if (!err)
        err = mark_user(t, at, key, USERS_ASKED, order);
    if (!err)
        err = bond_of(t, key, at->id[DIM_SCOPE], &b);
    if (!err) {
        b->up = true;
        b->prompt = *at;
        b->prompt_order = order;
    }
    return err;
}

/* The scope that a decision is about: the one it names; else the one whose prompt came up last; else the only one
 * that a call waits for. */
static enum at_err scope_of_decision(struct tally *t, const struct at_event *ev, uint32_t key, uint32_t *out)
{
    uint32_t waiting = NO_ID, n_waiting = 0;
    uint64_t latest = 0;
    *out = NO_ID;
    if (ev->n_scopes)
        return scope_id(t, ev->scopes[0], out);
    for (uint32_t i = t->first_bond[key]; i != NO_ID; i = t->bond[i].next) {
        const struct bond *b = &t->bond[i];
        if (b->up && b->prompt_order > latest) {
            latest = b->prompt_order;
            *out = b->scope;
        }
        if (b->pending) {
            waiting = b->scope;
            n_waiting++;
        }
    }
    if (*out == NO_ID && n_waiting == 1)
        *out = waiting;
    return AT_OK;
}

static enum at_err on_decision(struct tally *t, const struct at_event *ev, struct place *at, uint32_t key,
                               uint64_t index)
{
    enum at_err err = scope_of_decision(t, ev, key, &at->id[DIM_SCOPE]);
    if (!err && at->id[DIM_SCOPE] == NO_ID) {
        err = ROOM(t->strays, t->n_strays, t->strays_cap);
        if (!err)
            t->strays[t->n_strays++] = (struct stray){.at = *at, .key = key, .index = index, .answer = ev->answer};
        return err;
    }
    struct bond *b = NULL;
    if (!err)
        err = bond_of(t, key, at->id[DIM_SCOPE], &b);
    if (err)
        return err;
    bool was_up = b->up;
    int64_t took_us = at->t_us > b->prompt.t_us ? at->t_us - b->prompt.t_us : 0;
    b->up = false;
    if (was_up)
        at->id[DIM_API] = b->prompt.id[DIM_API];
    for (size_t i = 0; i < t->n_cells && was_up && !err; i++) {
        struct counts *c;
        err = cells_at(&t->cells[i], at, &c);
        if (!err)
            err = quantiles_add(&c->answer_us, (uint64_t)took_us);
    }
    return err ? err : count_answer(t, at, key, ev->answer, index * 2 + 2);
}

static void on_reset(struct tally *t, uint32_t key)
{
    for (uint32_t i = t->first_bond[key]; i != NO_ID; i = t->bond[i].next)
        t->bond[i].up = false;
}

enum at_err tally_event(struct tally *t, const struct at_event *ev, uint64_t index)
{
    struct place at = {.id = {NO_ID, NO_ID, NO_ID, NO_ID, NO_ID, NO_ID}, .t_us = ev->t_us};
    uint32_t key = 0, stream = 0;
    uint64_t order = index * 2 + 2;
    enum at_err err = key_id(t, ev->app, ev->user, &at.id[DIM_APP], &key);
    at.id[DIM_USER] = key;
    if (!err && ev->has & AT_HAS_PLATFORM)
        err = name_id(t, DIM_PLATFORM, ev->platform, &at.id[DIM_PLATFORM]);
    if (!err)
        err = at_intern_add(t->streams, ev->stream, &stream);
    if (err)
        return err;
    if (t->totals.events++ == 0)
        t->totals.from_us = t->totals.to_us = ev->t_us;
    t->totals.from_us = ev->t_us < t->totals.from_us ? ev->t_us : t->totals.from_us;
    t->totals.to_us = ev->t_us > t->totals.to_us ? ev->t_us : t->totals.to_us;
    switch (ev->kind) {
    case AT_KIND_CALL:
        return on_call(t, ev, &at, key, stream, order);
    case AT_KIND_RETURN:
        return on_return(t, ev, &at, stream, order);
    case AT_KIND_PROMPT:
        return on_prompt(t, ev, &at, key, stream, order);
    case AT_KIND_DECISION:
        return on_decision(t, ev, &at, key, index);
    case AT_KIND_SETTINGS:
        err = ev->n_scopes ? scope_id(t, ev->scopes[0], &at.id[DIM_SCOPE]) : AT_BAD;
        return err ? err : count_flip(t, &at, key, ev->granted, order);
    case AT_KIND_RESET:
        on_reset(t, key);
        return AT_OK;
    case AT_KIND_START:
    case AT_KIND_SETTINGS_PAGE:
    case AT_KIND_GAP:
    case AT_KIND_END:
        break;
    }
    return AT_OK;
}

/* ---- What the checker says */

enum at_err tally_settled(struct tally *t, const struct at_settled *s)
{
    struct place at = {.id = {NO_ID, NO_ID, NO_ID, NO_ID, NO_ID, NO_ID}, .t_us = s->called.t_us};
    if (!s->answered || s->cls != AT_CLASS_DENIED || s->via == AT_VIA_NONE)
        return AT_OK;
    enum at_err err = scope_id(t, s->scope, &at.id[DIM_SCOPE]);
    if (!err)
        err = name_id(t, DIM_API, s->api, &at.id[DIM_API]);
    if (!err)
        err = key_id(t, s->app, s->user, &at.id[DIM_APP], &at.id[DIM_USER]);
    if (!err)
        err = name_id(t, DIM_PLATFORM, s->platform, &at.id[DIM_PLATFORM]);
    if (!err)
        err = name_id(t, DIM_ERRMSG, s->err_msg, &at.id[DIM_ERRMSG]);
    if (err)
        return err;
    return s->via == AT_VIA_PROMPT ? COUNT(t, &at, at_prompt) : COUNT(t, &at, while_denied);
}

static enum at_err place(struct tally *t, struct stray *s, uint32_t scope)
{
    s->placed = true;
    s->at.id[DIM_SCOPE] = scope;
    return count_answer(t, &s->at, s->key, s->answer, s->index * 2 + 2);
}

static bool is_within(const struct stray *s, uint32_t key, const struct at_inferred *i)
{
    return s->key == key && s->index >= i->after.event && s->index <= i->before.event;
}

/* The decision that names no scope and that lies where the prompt was inferred is about that prompt. */
static enum at_err place_stray(struct tally *t, const struct at_inferred *i, uint32_t key, uint32_t scope)
{
    for (size_t n = 0; n < t->n_strays; n++)
        if (!t->strays[n].placed && is_within(&t->strays[n], key, i))
            return place(t, &t->strays[n], scope);
    return AT_OK;
}

/* An inferred decision: of its own, or the one on the tape that did not say which prompt it answers. */
static enum at_err infer_decision(struct tally *t, const struct at_inferred *i, uint32_t key, const struct place *at)
{
    for (size_t n = 0; n < t->n_strays; n++) {
        struct stray *s = &t->strays[n];
        if (s->told || s->answer != i->answer || !is_within(s, key, i) ||
            (s->placed && s->at.id[DIM_SCOPE] != at->id[DIM_SCOPE]))
            continue;
        s->told = true;
        return s->placed ? AT_OK : place(t, s, at->id[DIM_SCOPE]);
    }
    return count_answer(t, at, key, i->answer, i->before.event * 2 + 1);
}

enum at_err tally_inferred(struct tally *t, const struct at_inferred *i)
{
    struct place at = {.id = {NO_ID, NO_ID, NO_ID, NO_ID, NO_ID, NO_ID}, .t_us = i->before.t_us};
    uint32_t key = 0;
    uint64_t order = i->before.event * 2 + 1;
    if (i->kind == AT_INFERRED_RESET)
        return AT_OK;
    enum at_err err = key_id(t, i->app, i->user, &at.id[DIM_APP], &key);
    at.id[DIM_USER] = key;
    if (!err)
        err = name_id(t, DIM_PLATFORM, i->platform, &at.id[DIM_PLATFORM]);
    if (!err)
        err = scope_id(t, i->scope, &at.id[DIM_SCOPE]);
    if (err)
        return err;
    if (i->kind == AT_INFERRED_DECISION)
        return infer_decision(t, i, key, &at);
    if (i->kind == AT_INFERRED_SETTINGS) {
        err = COUNT(t, &at, flips_inferred);
        return err ? err : count_flip(t, &at, key, i->granted, order);
    }
    err = COUNT(t, &at, prompts_inferred);
    if (!err)
        err = mark_user(t, &at, key, USERS_ASKED, order);
    return err ? err : place_stray(t, i, key, at.id[DIM_SCOPE]);
}

enum at_err tally_finish(struct tally *t)
{
    enum at_err err = AT_OK;
    struct pending_call *c;
    while (!err && (c = pending_pop(&t->pending)))
        err = close_call(t, c, AT_CLASSES, NO_ID, UINT64_MAX);
    for (size_t key = 0; key < t->n_keys && !err; key++) {
        for (uint32_t i = t->first_bond[key]; i != NO_ID && !err; i = t->bond[i].next) {
            const struct bond *b = &t->bond[i];
            if (b->last_on > b->first_denied)
                err = mark(t, &b->last_on_at, (uint32_t)key, USERS_RECOVERED);
        }
    }
    for (size_t i = 0; i < t->n_cells; i++)
        cells_seal(&t->cells[i]);
    t->totals.apps = at_intern_count(t->names[DIM_APP]);
    t->totals.users += at_intern_count(t->users);
    return err;
}

/* ---- Adding up parts */

enum at_err tally_cell(struct tally *t, size_t grouping, const struct at_str label[DIM_STRINGS], int64_t t_us,
                       struct counts **out)
{
    struct place at = {.id = {NO_ID, NO_ID, NO_ID, NO_ID, NO_ID, NO_ID}, .t_us = t_us};
    enum at_err err = grouping < t->n_cells ? AT_OK : AT_BAD;
    for (unsigned d = 0; d < DIM_USER && !err; d++)
        err = name_id(t, (enum report_dim)d, label[d], &at.id[d]);
    return err ? err : cells_at(&t->cells[grouping], &at, out);
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
    struct wording_key key = {.cls = w->cls, .known = w->known};
    enum at_err err = name_id(t, DIM_PLATFORM, w->platform, &key.platform);
    if (!err)
        err = name_id(t, DIM_API, w->api, &key.api);
    if (!err)
        err = name_id(t, DIM_ERRMSG, w->err_msg, &key.err_msg);
    return err ? err : count_wording(t, &key, w->count);
}

/* ---- Life, and reading the numbers */

enum at_err tally_new(const struct at_profile *profile, const unsigned *dims, size_t n_dims, struct tally **out)
{
    struct tally *t = *out = calloc(1, sizeof *t);
    enum at_err err = t ? AT_OK : AT_NOMEM;
    if (err)
        return err;
    t->profile = profile;
    t->cells[0].dims = 1u << DIM_SCOPE;
    t->n_cells = 1;
    for (size_t i = 0; i < n_dims && t->n_cells < GROUPINGS_MAX; i++)
        t->cells[t->n_cells++].dims = dims[i];
    for (unsigned d = 0; d < DIM_STRINGS && !err; d++)
        err = at_intern_new(&t->names[d]);
    struct at_intern **tables[] = {&t->users, &t->streams, &t->keys, &t->bonds, &t->wordings};
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
    at_intern_free(&t->users);
    at_intern_free(&t->streams);
    at_intern_free(&t->keys);
    at_intern_free(&t->bonds);
    at_intern_free(&t->wordings);
    free(t->first_bond);
    free(t->bond);
    free(t->wording_counts);
    free(t->strays);
    free(t->scratch);
    pending_free(&t->pending);
    for (size_t i = 0; i < t->n_cells; i++)
        cells_free(&t->cells[i]);
    free(t);
    *tally = NULL;
}

void tally_totals(const struct tally *t, struct tally_totals *out)
{
    *out = t->totals;
}

const struct cells *tally_scopes(const struct tally *t)
{
    return &t->cells[0];
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
