/* branch.c: products of sets of configurations; barriers and events that act on them. The argument is in private.h. */
#include <stdlib.h>
#include <string.h>

#include "replay/private.h"

static struct steps steps_of(const struct at_checker *c, const struct key *k, const struct branch *b, size_t s,
                             bool flips)
{
    enum at_concurrent policy = c->profile->concurrent;
    return (struct steps){
        .hidden_prompts = hidden(c, k, AT_SEES_PROMPTS),
        .hidden_decisions = hidden(c, k, AT_SEES_DECISIONS) && !(b->seen_up >> s & 1),
        .flips = flips,
        .prompts = c->profile->scopes[s].prompts,
        .join = policy == AT_CONCURRENT_JOIN,
        .reprompt = policy == AT_CONCURRENT_REPROMPT,
        .dismiss_denies = c->profile->dismiss_denies,
        .lacks = c->profile->lacks,
        .spare_call = k->spare_scopes >> s & 1,
        .cap = (uint32_t)c->options.configurations,
        .fault = c->options.fault,
    };
}

static enum at_err branch_new(struct at_checker *c, uint8_t states, bool maybe_up, struct branch **out)
{
    size_t n = c->profile->n_scopes;
    struct branch *b = calloc(1, sizeof *b + n * sizeof b->sets[0]);
    enum at_err err = b ? AT_OK : AT_NOMEM;
    for (size_t s = 0; s < n && !err; s++)
        err = sets_start(c->sets, states, maybe_up && c->profile->scopes[s].prompts, &b->sets[s]);
    if (err) {
        free(b);
        return err;
    }
    b->open_ended = UINT64_MAX;
    *out = b;
    return AT_OK;
}

enum at_err branch_copy(struct at_checker *c, const struct key *k, const struct branch *b, struct branch **out)
{
    size_t bytes = sizeof *b + c->profile->n_scopes * sizeof b->sets[0];
    if (k->n_branches >= BRANCHES_MAX)
        return AT_LIMIT;
    *out = malloc(bytes);
    if (!*out)
        return AT_NOMEM;
    memcpy(*out, b, bytes);
    return AT_OK;
}

enum at_err key_add_branch(struct key *k, struct branch *b)
{
    if (k->n_branches == k->cap_branches) {
        uint32_t cap = k->cap_branches ? k->cap_branches * 2 : 1;
        struct branch **more = realloc(k->branches, cap * sizeof(struct branch *));
        if (!more)
            return AT_NOMEM;
        k->branches = more;
        k->cap_branches = cap;
    }
    k->branches[k->n_branches++] = b;
    return AT_OK;
}

void key_drop_branch(struct key *k, uint32_t i)
{
    free(k->branches[i]);
    k->branches[i] = k->branches[--k->n_branches];
}

uint8_t key_states(const struct at_checker *c, const struct key *k, size_t s)
{
    uint8_t mask = 0;
    for (uint32_t i = 0; i < k->n_branches; i++)
        mask |= sets_states(c->sets, k->branches[i]->sets[s]);
    return mask;
}

bool key_any_up(const struct at_checker *c, const struct key *k, size_t s)
{
    for (uint32_t i = 0; i < k->n_branches; i++)
        if (sets_any_up(c->sets, k->branches[i]->sets[s]))
            return true;
    return false;
}

bool key_seen_up(const struct key *k, size_t s)
{
    for (uint32_t i = 0; i < k->n_branches; i++)
        if (k->branches[i]->seen_up >> s & 1)
            return true;
    return false;
}

enum at_err key_forget(struct at_checker *c, struct key *k, uint8_t states)
{
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < k->n_branches; i++) {
        for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
            err = branch_apply(c, k, k->branches[i], s, &(struct step){.kind = STEP_FORGET, .value = states});
        k->branches[i]->seen_up = 0;
    }
    if (!err)
        key_prune(c, k);
    return err;
}

enum at_err key_restart(struct at_checker *c, struct key *k, bool maybe_up)
{
    struct branch *b = NULL;
    while (k->n_branches)
        free(k->branches[--k->n_branches]);
    enum at_err err = branch_new(c, (1u << AT_STATES) - 1, maybe_up, &b);
    if (!err)
        err = key_add_branch(k, b);
    if (err)
        free(b);
    return err;
}

/* ---------------------------------------------------------------------------------------- Branches alike ---- */

static bool covers(const struct at_checker *c, const struct key *k, const struct branch *a, const struct branch *b)
{
    const uint8_t *states = sets_states_of_all(c->sets);
    const size_t n = c->profile->n_scopes;
    uint64_t differ = 0;
    if (a->seen_up != b->seen_up)
        return false;
    for (size_t s = 0; s < n; s++) { /* most are the same, or differ in what is seen at once */
        if (states[b->sets[s]] & ~(unsigned)states[a->sets[s]])
            return false;
        differ |= (uint64_t)(a->sets[s] != b->sets[s]) << s;
    }
    for (size_t s = 0; s < n && differ >> s; s++) {
        struct steps st = steps_of(c, k, a, s, false);
        if ((differ >> s & 1) && !sets_covers(c->sets, a->sets[s], b->sets[s], &st))
            return false;
    }
    return true;
}

void key_prune(struct at_checker *c, struct key *k)
{
    for (uint32_t i = 0; i < k->n_branches; i++) {
        for (uint32_t j = k->n_branches; j-- > 0;) {
            if (j == i || !covers(c, k, k->branches[i], k->branches[j]))
                continue;
            key_drop_branch(k, j);
            if (i == k->n_branches) /* the last one moved to j */
                i = j;
        }
    }
}

/* ---------------------------------------------------------------------------------------- Between events ---- */

/* A stretch between two events of a key. */
struct stretch {
    bool quiet; /* long enough for a settings visit or a removal */
};

bool branch_has_seen(const struct at_checker *c, const struct key *k, const struct branch *b, uint32_t call)
{
    return cset_row(sets_get(c->sets, b->sets[0]), 0)[1 + slot_of(k, call, 0)] != SLOT_UNSEEN;
}

static bool may_flip(const struct at_checker *c, const struct key *k, const struct branch *b, const struct stretch *w)
{
    if (!hidden(c, k, AT_SEES_SETTINGS))
        return false;
    if ((w->quiet && !b->seen_up) || k->spare_settings)
        return true;
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (k->calls[i]->kind == AT_API_OPEN_SETTING && !k->calls[i]->spare && !branch_has_seen(c, k, b, i))
            return true;
    return false;
}

static enum at_err close_branch(struct at_checker *c, const struct key *k, struct branch *b, const struct stretch *w)
{
    const struct step close = {.kind = STEP_CLOSE};
    bool flips = may_flip(c, k, b, w);
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
        if (!flips && !(b->open_ended >> s & 1))
            continue;
        struct steps st = steps_of(c, k, b, s, flips);
        err = sets_step(c->sets, b->sets[s], &close, &st, &b->sets[s]);
    }
    b->open_ended = 0;
    return err;
}

/* Adds a branch that a barrier leads to, unless one is there that covers it. Takes `b`. */
static enum at_err add_fork(struct at_checker *c, struct key *k, struct branch *b, const struct stretch *w)
{
    enum at_err err = close_branch(c, k, b, w);
    for (uint32_t i = 0; i < k->n_branches && !err; i++) {
        if (covers(c, k, k->branches[i], b)) {
            free(b);
            return AT_OK;
        }
    }
    if (!err)
        err = key_add_branch(k, b);
    if (err)
        free(b);
    return err;
}

/* What barrier `a` makes of scopes first … first + n - 1 of a branch. */
static enum at_err fork(struct at_checker *c, struct key *k, const struct branch *from, size_t first, size_t n,
                        struct step a, const struct stretch *w)
{
    struct branch *b;
    enum at_err err = branch_copy(c, k, from, &b);
    if (err)
        return err;
    for (size_t s = first; s < first + n && !err; s++)
        err = branch_apply(c, k, b, s, &a);
    if (err) {
        free(b);
        return err;
    }
    return add_fork(c, k, b, w);
}

/* An open call reads the settings now. */
static enum at_err fork_snapshot(struct at_checker *c, struct key *k, const struct branch *from, uint32_t call,
                                 const struct stretch *w)
{
    struct branch *b;
    enum at_err err = branch_copy(c, k, from, &b);
    if (err)
        return err;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
        err = branch_apply(c, k, b, s, &(struct step){.kind = STEP_SEE, .slot = slot_of(k, call, s)});
    if (err) {
        free(b);
        return err;
    }
    return add_fork(c, k, b, w);
}

static enum at_err barriers(struct at_checker *c, struct key *k, uint32_t from, const struct stretch *w)
{
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < k->n_calls && !err; i++)
        if (reads_settings(k->calls[i]) && !k->calls[i]->spare && !branch_has_seen(c, k, k->branches[from], i))
            err = fork_snapshot(c, k, k->branches[from], i, w);
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
        if ((k->branches[from]->seen_up >> s & 1) && hidden(c, k, AT_SEES_DECISIONS))
            err = fork(c, k, k->branches[from], s, 1, (struct step){.kind = STEP_DECISION}, w); /* whichever */
    if (!err && w->quiet && !k->branches[from]->seen_up && hidden(c, k, AT_SEES_RESETS))
        err = fork(c, k, k->branches[from], 0, c->profile->n_scopes, (struct step){.kind = STEP_RESET}, w);
    return err;
}

enum at_err key_advance(struct at_checker *c, struct key *k, int64_t t_us)
{
    struct stretch w = {.quiet = key_was_quiet(c, k, t_us)};
    bool moves = w.quiet;
    for (uint32_t i = 0; i < k->n_branches && !moves; i++)
        moves = k->branches[i]->open_ended != 0;
    if (!moves)
        return AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        known_until(k, s, k->last);
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < k->n_branches && !err; i++)
        err = close_branch(c, k, k->branches[i], &w);
    for (uint32_t i = 0; i < k->n_branches && !err; i++) /* forks are appended, and fork in their turn */
        err = barriers(c, k, i, &w);
    if (!err)
        key_prune(c, k);
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        known_refresh(c, k, s);
    return err;
}

/* ------------------------------------------------------------------------------------------------ Events ---- */

enum at_err branch_step(struct at_checker *c, const struct key *k, const struct branch *b, size_t s,
                        const struct step *a, uint32_t *to)
{
    struct steps st = steps_of(c, k, b, s, false);
    return sets_step(c->sets, b->sets[s], a, &st, to);
}

bool branch_allows(struct at_checker *c, const struct key *k, const struct branch *b, size_t s, const struct step *a)
{
    uint32_t to;
    return branch_step(c, k, b, s, a, &to) || !sets_empty(c->sets, to); /* an error shows again when it is applied */
}

enum at_err branch_apply(struct at_checker *c, const struct key *k, struct branch *b, size_t s, const struct step *a)
{
    enum at_err err = branch_step(c, k, b, s, a, &b->sets[s]);
    if (a->kind == STEP_PROMPT)
        b->seen_up |= UINT64_C(1) << s;
    else if (a->kind == STEP_DECISION || a->kind == STEP_RESET)
        b->seen_up &= ~(UINT64_C(1) << s);
    b->open_ended |= UINT64_C(1) << s;
    return err;
}
