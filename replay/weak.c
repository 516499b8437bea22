/* weak.c: the checker fed with weakened events. */
#include "replay/weak.h"

#include <stdlib.h>
#include <string.h>

#include "replay/lanes.h"

/* What a key could be in before an event. */
struct before {
    struct branch **branches;
    uint32_t n;
};

static void before_free(struct before *b)
{
    while (b->n)
        free(b->branches[--b->n]);
    free(b->branches);
}

static enum at_err before_copy(struct at_checker *c, const struct key *k, struct before *b)
{
    enum at_err err = AT_OK;
    b->branches = calloc(k->n_branches + 1, sizeof(struct branch *));
    if (!b->branches)
        return AT_NOMEM;
    for (uint32_t i = 0; i < k->n_branches && !err; i++) {
        err = branch_copy(c, k, k->branches[i], &b->branches[b->n]);
        b->n += !err;
    }
    return err;
}

/* Both what the event leads to, where a run explains it, and what was before. */
static enum at_err add_before(struct at_checker *c, struct key *k, struct before *b, bool explained)
{
    enum at_err err = AT_OK;
    while (!explained && k->n_branches)
        key_drop_branch(k, k->n_branches - 1);
    while (b->n && !err) {
        err = key_add_branch(k, b->branches[b->n - 1]);
        b->n -= !err;
    }
    if (!err)
        key_prune(c, k);
    return err;
}

/* What the tape says about open calls is kept out of it: nothing was certain to happen to them. */
static void note_calls(struct key *k, uint8_t *marks, bool save)
{
    for (uint32_t i = 0; i < k->n_calls; i++) {
        struct call *call = k->calls[i];
        if (save) {
            marks[i] = (uint8_t)((unsigned)call->decided << 1 | call->prompted);
        } else {
            call->prompted = marks[i] & 1;
            call->decided = marks[i] >> 1;
        }
    }
}

static enum at_err maybe(struct at_checker *c, struct key *k, const struct at_event *ev, uint64_t index)
{
    uint8_t marks[CALLS_MAX];
    struct before b = {0};
    uint64_t divergences = c->totals.divergences;
    struct at_check_sink sink = c->sink;
    enum at_err err = key_advance(c, k, ev->t_us);
    if (!err)
        err = before_copy(c, k, &b);
    note_calls(k, marks, true);
    c->sink = (struct at_check_sink){0};
    if (!err)
        err = at_checker_event(c, ev, index);
    c->sink = sink;
    note_calls(k, marks, false);
    if (!err)
        err = add_before(c, k, &b, c->totals.divergences == divergences);
    before_free(&b);
    c->totals.divergences = divergences;
    return err;
}

enum at_err checker_weak_event(struct at_checker *c, const struct at_event *ev, uint64_t index, const struct weak *w)
{
    struct key *k;
    c->options.on_branches = true;
    const struct at_tape_source who = {.app = ev->app, .user = ev->user, .stream = ev->stream};
    enum at_err err = find_key(c, &who, ev->t_us, &k);
    if (!err)
        err = key_unfold(c, k);
    if (err)
        return err;
    if (k->observes != w->sees) /* other silent steps than those that its sets are closed under */
        for (uint32_t i = 0; i < k->n_branches; i++)
            k->branches[i]->open_ended = UINT64_MAX;
    k->observes = w->sees;
    if (w->quiet && k->begun)
        k->last.t_us = INT64_MIN / 4;
    return w->maybe ? maybe(c, k, ev, index) : at_checker_event(c, ev, index);
}

void checker_only_scope(struct at_checker *c, size_t scope)
{
    c->only_scope = scope == AT_NO_SCOPE ? 0 : scope + 1;
}

uint8_t checker_states(const struct at_checker *c, uint32_t key, size_t s)
{
    return key < c->totals.keys ? key_states(c, c->keys[key], s) : 0;
}

uint64_t checker_quiet_us(const struct at_checker *c)
{
    return c->quiet_us;
}

bool checker_key(const struct at_checker *c, uint32_t key, struct at_str *app, struct at_str *user)
{
    if (key >= c->totals.keys)
        return false;
    *app = key_app(c->keys[key]);
    *user = key_user(c->keys[key]);
    return true;
}
