/*
 * tally_count.c: the counting itself: event by event, with numbers for names. What the reports say is decided here; how
 * it looks is decided by the printers.
 */
#include "analysis/tally_private.h"

static struct place place_of(const struct happening *h)
{
    struct place at = {.id = NOWHERE, .t_us = h->t_us};
    at.id[DIM_APP] = h->who->app;
    at.id[DIM_PLATFORM] = h->who->platform;
    at.id[DIM_USER] = h->who->key;
    return at;
}

/* ---- Calls and answers */

/* The checker will say why a call was denied. */
static enum at_err expect_verdict(struct tally *t, const struct made_call *c, uint64_t index, uint32_t bond,
                                  const struct spot *spot)
{
    enum at_err err = t->n_denials >= DENIALS_MAX ? AT_LIMIT : ROOM(t->denials, t->n_denials, t->denials_cap);
    if (err == AT_LIMIT) {
        t->gives_up = true;
        return AT_OK;
    }
    if (!err)
        t->denials[t->n_denials++] = (struct denial){.index = index, .called = c->index, .bond = bond, .spot = *spot};
    return err;
}

/* An answer. NULL where there is none: the call will have none. */
struct answer {
    enum at_class cls;
    uint32_t platform, err_msg;
    uint64_t index;
    int64_t t_us;
    enum at_via via; /* of a plain key */
    bool plain;
};

/* What the answer of a call says about one of its scopes. */
static inline enum at_err close_scope(struct tally *t, const struct made_call *c, const struct place *at, uint32_t bond,
                                      const struct answer *a)
{
    struct spot spot;
    enum at_err err = locate(t, at, &spot);
    if (err)
        return err;
    bond_at(&t->bonds, bond)->pending--;
    COUNT(t, &spot, calls);
    if (a)
        COUNT(t, &spot, by_class[a->cls]);
    if (a && (a->cls == AT_CLASS_OK || a->cls == AT_CLASS_DENIED))
        err = mark_outcome(t, &spot, bond, a->cls == AT_CLASS_OK, a->index * 2 + 2, a->t_us);
    else if (a && a->cls == AT_CLASS_DISMISSED)
        err = mark_asked(t, &spot, bond);
    if (!err && a && a->cls == AT_CLASS_DENIED)
        err = a->plain ? count_denial(t, &spot, bond, a->via) : expect_verdict(t, c, a->index, bond, &spot);
    if (!err && t->tap)
        err = tap_call(t, c, at, a ? a->cls : AT_CLASSES, a ? a->index : 0, a ? a->t_us : 0);
    if (!err && !bond_at(&t->bonds, bond)->plain.asked)
        err = bonds_add_lone(&t->bonds, bond, at->id[DIM_API], at->id[DIM_PLATFORM]);
    return err;
}

/* The call has its answer, or will have none (`a` NULL). */
static enum at_err close_call(struct tally *t, const struct made_call *c, const struct answer *a)
{
    if (c->bond == NO_ID)
        return AT_OK;
    struct place at = {.id = NOWHERE, .t_us = c->t_us};
    const uint32_t *scopes = t->scopes + c->scopes;
    enum at_err err = AT_OK;
    at.id[DIM_APP] = c->app;
    at.id[DIM_API] = c->api;
    at.id[DIM_PLATFORM] = c->platform == NO_ID && a ? a->platform : c->platform;
    at.id[DIM_USER] = c->key;
    at.id[DIM_ERRMSG] = a ? a->err_msg : NO_ID;
    at.id[DIM_SCOPE] = scopes[1];
    err = close_scope(t, c, &at, c->bond, a);
    for (uint32_t i = 2; i <= scopes[0] && !err; i++) {
        uint32_t bond = 0;
        at.id[DIM_SCOPE] = scopes[i];
        err = bonds_find_far(&t->bonds, c->key, scopes[i], &bond);
        if (!err)
            err = close_scope(t, c, &at, bond, a);
    }
    return err;
}

enum at_err tally_close_unanswered(struct tally *t, const struct made_call *c)
{
    return close_call(t, c, NULL);
}

static void waits(struct tally *t, uint32_t bond, bool authorizes)
{
    struct bond *b = bond_at(&t->bonds, bond);
    b->pending++;
    if (authorizes && !b->plain.asked) {
        bonds_drop_lones(&t->bonds, bond);
        b->plain.asked = true;
    }
}

/* The scopes of the call but the first. */
static enum at_err others_wait(struct tally *t, const struct happening *h)
{
    const uint32_t *scopes = t->scopes + h->what->scopes;
    enum at_err err = AT_OK;
    for (uint32_t i = 2; i <= scopes[0] && !err; i++) {
        uint32_t other = 0;
        err = bonds_find(&t->bonds, h->key, h->who->key, scopes[i], &other);
        if (!err)
            waits(t, other, h->what->authorizes);
    }
    return err;
}

static enum at_err on_call(struct tally *t, const struct happening *h)
{
    struct made_call before;
    const struct what *w = h->what;
    struct plain_key *k = &h->key->plain;
    uint32_t bond = NO_ID;
    enum at_err err = AT_OK;
    t->totals.calls++;
    while (calls_supersede(t, h, &before) && !err) { /* a call whose id comes again will have no answer */
        plain_odd(k, order_of(h));
        plain_odd(&key_at(&t->bonds, before.key)->plain, order_of(h));
        err = tally_close_unanswered(t, &before);
    }
    if (!err && w->scope != NO_ID) {
        err = bonds_find(&t->bonds, h->key, h->who->key, w->scope, &bond);
        if (!err)
            waits(t, bond, w->authorizes);
    }
    if (!err && w->several) {
        plain_odd(k, order_of(h));
        err = others_wait(t, h);
    }
    if (err)
        return err;
    if (plain_is(k))
        plain_call(k, w->rank == NO_RANK ? NULL : &bond_at(&t->bonds, bond)->plain, w->reads, order_of(h));
    return calls_add(t, h, bond);
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

/* What a listing says, held against the states of a plain key. Of a scope that it names twice, the last time counts. */
static void check_listing(struct tally *t, const struct happening *h, uint64_t made)
{
    const struct at_listing *listing = &h->batch->listing[h->i];
    const struct known_list *lists = h->view->lists, *list = &lists[listing->list];
    uint32_t listed = 0, granted = 0;
    for (uint32_t i = list->n; i-- > 0; list = &lists[list->shorter]) {
        uint32_t scope = list->scope & ~listed;
        listed |= scope;
        granted |= scope * (uint32_t)(listing->granted[i / 8] >> i % 8 & 1); /* as a branch it would be a guess */
    }
    plain_listing(&t->plain, &h->key->plain, listed, granted, made, order_of(h));
}

/* The answer to a call, where its key is plain. */
static void answer_plainly(struct tally *t, const struct happening *h, const struct made_call *c, struct answer *a)
{
    struct plain_key *k = &h->key->plain;
    struct plain_bond *b = c->rank == NO_RANK ? NULL : &bond_at(&t->bonds, c->bond)->plain;
    if (c->key != h->who->key) { /* for the checker, these are not the same call */
        plain_odd(k, order_of(h));
        plain_odd(&key_at(&t->bonds, c->key)->plain, order_of(h));
        return;
    }
    if (!plain_is(k))
        return;
    uint64_t made = c->index + 1;
    if (c->reads && h->what->lists)
        check_listing(t, h, made);
    else if (b && !c->reads)
        a->via = plain_outcome(k, b, c->rank, a->cls, made, order_of(h));
    if (!plain_is(k))
        return;
    plain_close(k, b, c->reads, made);
    a->plain = true;
}

static enum at_err on_return(struct tally *t, const struct happening *h)
{
    struct made_call c;
    struct answer a = {.cls = h->what->cls,
                       .platform = h->who->platform,
                       .err_msg = h->what->err_msg,
                       .index = h->index,
                       .t_us = h->t_us,
                       .via = AT_VIA_NONE};
    bool known = false;
    enum at_err err = calls_answered(t, h, &known, &c);
    uint32_t platform = known && c.platform != NO_ID ? c.platform : h->who->platform;
    uint32_t api = known ? c.api : h->what->named;
    if (!err && known) {
        if (t->asks_late)
            answer_plainly(t, h, &c, &a);
        err = close_call(t, &c, &a);
    }
    return err ? err : on_wording(t, h->what, platform, api);
}

/* ---- Prompts, decisions, settings */

/* The API of the call that a prompt names, and that call's order for plain keys. */
static enum at_err caller_of(struct tally *t, const struct happening *h, uint32_t bond, uint32_t *api, uint64_t *order)
{
    struct made_call c;
    bool known = false;
    enum at_err err = calls_named(t, h, &known, &c);
    if (err || !known)
        return err;
    *api = c.api;
    if (c.rank != NO_RANK && c.bond == bond)
        *order = c.index + 1;
    return err;
}

static enum at_err on_prompt(struct tally *t, const struct happening *h)
{
    struct place at = place_of(h);
    struct spot spot;
    uint32_t bond = 0;
    uint64_t caller = h->what->names_call ? UINT64_MAX : 0;
    at.id[DIM_SCOPE] = h->what->scope;
    enum at_err err =
        at.id[DIM_SCOPE] == NO_ID ? AT_BAD : bonds_find(&t->bonds, h->key, h->who->key, at.id[DIM_SCOPE], &bond);
    if (!err && h->what->names_call)
        err = caller_of(t, h, bond, &at.id[DIM_API], &caller);
    if (!err)
        err = locate(t, &at, &spot);
    if (err)
        return err;
    COUNT(t, &spot, prompts_observed);
    err = tap_prompt(t, &at, h->index * 2 + 2, false);
    if (err)
        return err;
    struct bond *b = bond_at(&t->bonds, bond);
    if (plain_is(&h->key->plain) && h->what->rank != NO_RANK)
        plain_prompt(&t->plain, &h->key->plain, &b->plain, h->what->rank, caller, order_of(h));
    b->plain.up = true;
    b->prompt_api = at.id[DIM_API];
    b->prompt_us = h->t_us;
    b->plain.prompted = order_of(h);
    return mark_asked(t, &spot, bond);
}

/* The scope that a decision is about: the one it names; else the one whose prompt came up last; else, not surely, the
 * only one that a call waits for. */
static uint32_t scope_of_decision(const struct tally *t, const struct happening *h, bool *sure)
{
    uint32_t waiting = NO_ID, n_waiting = 0, scope = h->what->scope;
    uint64_t latest = 0;
    *sure = true;
    if (scope != NO_ID)
        return scope;
    for (uint32_t i = h->key->bond; i != NO_ID; i = bond_at(&t->bonds, i)->next) {
        const struct bond *b = bond_at(&t->bonds, i);
        if (b->plain.up && b->plain.prompted > latest) {
            latest = b->plain.prompted;
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
    for (size_t g = t->first_cells; g < t->n_cells && !err; g++)
        err = quantiles_add(&counts_at(t, &spot, g)->answer_us, took_us > 0 ? (uint64_t)took_us : 0);
    return err;
}

/* A decision about a bond of a plain key, which may turn odd. */
static void decide_plainly(struct tally *t, const struct happening *h, struct bond *b)
{
    bool named = h->what->scope != NO_ID;
    size_t rank = named ? h->what->rank : tally_scope_rank(t, b->scope);
    if (rank < AT_SCOPES_MAX)
        plain_decision(&t->plain, &h->key->plain, &b->plain, rank, named, h->what->answer, order_of(h));
    else if (!named)
        plain_odd(&h->key->plain, order_of(h));
}

static enum at_err on_decision(struct tally *t, const struct happening *h)
{
    struct place at = place_of(h);
    uint32_t bond = 0;
    bool sure;
    enum at_err err = AT_OK;
    at.id[DIM_SCOPE] = scope_of_decision(t, h, &sure);
    if (!sure) {
        plain_odd(&h->key->plain, order_of(h));
        err = add_stray(t, &at, h->index, h->what->answer);
    }
    if (err || at.id[DIM_SCOPE] == NO_ID)
        return err;
    err = bonds_find(&t->bonds, h->key, h->who->key, at.id[DIM_SCOPE], &bond);
    if (err)
        return err;
    struct bond *b = bond_at(&t->bonds, bond);
    if (plain_is(&h->key->plain))
        decide_plainly(t, h, b);
    struct spot spot;
    if (b->plain.up) {
        b->plain.up = false;
        at.id[DIM_API] = b->prompt_api;
        t->took_us = h->t_us > b->prompt_us ? h->t_us - b->prompt_us : 0;
        if (!t->no_answer_times)
            err = count_answer_time(t, &at, t->took_us);
    }
    if (!err)
        err = locate(t, &at, &spot);
    if (!err && t->tap)
        err = tap_answer(t, &at, h->who->key, h->what->answer, h->index * 2 + 2);
    t->took_us = -1;
    return err ? err : count_answer_at(t, &spot, bond, h->what->answer, h->index * 2 + 2, h->t_us);
}

static enum at_err on_settings(struct tally *t, const struct happening *h)
{
    struct place at = place_of(h);
    uint32_t bond = 0;
    at.id[DIM_SCOPE] = h->what->scope;
    enum at_err err =
        at.id[DIM_SCOPE] == NO_ID ? AT_BAD : bonds_find(&t->bonds, h->key, h->who->key, at.id[DIM_SCOPE], &bond);
    if (!err && plain_is(&h->key->plain) && h->what->rank != NO_RANK)
        plain_flip(&h->key->plain, &bond_at(&t->bonds, bond)->plain, h->what->rank, h->what->granted, order_of(h));
    return err ? err : count_flip(t, &at, h->who->key, h->what->granted, h->index * 2 + 2, false);
}

static void on_reset(struct tally *t, const struct happening *h)
{
    for (uint32_t i = h->key->bond; i != NO_ID; i = bond_at(&t->bonds, i)->next)
        bond_at(&t->bonds, i)->plain.up = false;
    if (plain_is(&h->key->plain))
        plain_reset(&h->key->plain, order_of(h));
}

static void on_start(struct tally *t, const struct happening *h)
{
    struct plain_key *k = &h->key->plain;
    bool was = k->trust == PLAIN_YES;
    plain_start(&t->plain, k, h->what->fresh, h->what->observes, h->t_us, order_of(h));
    t->gives_up = t->gives_up || (was && !plain_is(k)); /* its changes will be told too late to be put in order */
}

/* ---- One event after another */

static enum at_err count_one(struct tally *t, const struct happening *h)
{
    struct plain_key *k = &h->key->plain;
    if (h->what->kind != AT_KIND_START) {
        if (plain_is(k))
            plain_moment(&t->plain, k, h->t_us, order_of(h));
        else
            plain_odd(k, order_of(h));
        t->odd_events += !plain_is(k);
    }
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
        on_reset(t, h);
        return AT_OK;
    case AT_KIND_START:
        on_start(t, h);
        return AT_OK;
    case AT_KIND_SETTINGS_PAGE:
        if (t->asks_late && plain_is(k))
            check_listing(t, h, order_of(h));
        return AT_OK;
    case AT_KIND_GAP:
        t->gives_up = true; /* it is about all users of the stream */
        return AT_OK;
    case AT_KIND_END:
        break;
    }
    return AT_OK;
}

#define AHEAD 12 /* events */

/*
 * Fetches the key of an event to come, and the bond of one that comes sooner. Without a branch that depends on the
 * event: some bond of the key is fetched where it is about none. As a function of its own the compiler would see that
 * it does nothing, and leave it out.
 */
static inline __attribute__((always_inline)) void fetch(const struct tally *t, const struct view *v,
                                                        const struct at_tape_batch *b, size_t i)
{
    size_t sooner = i + AHEAD < b->n ? i + AHEAD : b->n - 1, later = i + 2 * AHEAD < b->n ? i + 2 * AHEAD : b->n - 1;
    const struct key_links *key = v->who[b->source[later]].links;
    __builtin_prefetch(key);
    __builtin_prefetch(&key->near[v->what[b->shape[later]].near]);
    uint32_t bond = v->who[b->source[sooner]].links->near[v->what[b->shape[sooner]].near];
    if (!t->bonds.list.n)
        return;
    const char *at = pool_at(&t->bonds.list, bond - (bond > 0));
    __builtin_prefetch(at);
    __builtin_prefetch(at + ELEMENT_BYTES / 2);
}

static void count_totals(struct tally *t, const struct at_tape_batch *b)
{
    int64_t least = b->n ? b->t_us[0] : 0, most = least;
    for (size_t i = 1; i < b->n; i++) {
        least = b->t_us[i] < least ? b->t_us[i] : least;
        most = b->t_us[i] > most ? b->t_us[i] : most;
    }
    if (!b->n)
        return;
    t->totals.from_us = t->totals.events && t->totals.from_us < least ? t->totals.from_us : least;
    t->totals.to_us = t->totals.events && t->totals.to_us > most ? t->totals.to_us : most;
    t->totals.events += b->n;
}

enum at_err count_batch(struct tally *t, struct view *v, const struct at_tape_batch *b, uint64_t first)
{
    enum at_err err = AT_OK;
    struct happening h = {.view = v, .batch = b};
    count_totals(t, b);
    t->now = &h;
    for (size_t i = 0; i < b->n && !err; i++) {
        h.who = &v->who[b->source[i]];
        h.what = &v->what[b->shape[i]];
        h.key = h.who->links;
        h.i = i;
        h.t_us = b->t_us[i];
        h.index = first + (b->place ? b->place[i] : i);
        fetch(t, v, b, i);
        err = count_one(t, &h);
    }
    t->now = NULL;
    return err;
}
