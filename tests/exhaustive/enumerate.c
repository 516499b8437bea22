/*
 * enumerate.c: all histories of a length, but of those that the machine cannot tell apart one.
 *
 * A walk over the tree of histories. A node is the set of configurations after its events, and the members that have it
 * in common: an `observes` and the intervals so far. Between two events each member may see a short or a quiet
 * interval; members whose sets are equal after that stay together, and of a member with both intervals one is taken.
 */
#include <stdlib.h>
#include <string.h>

#include "gen.h"

#define DEPTH_MAX 16
#define SHORT_US 1999999 /* one microsecond less than the default window, to test its edge */
#define QUIET_US 2000000
#define VARIANTS 32 /* observes, quiet */

struct member {
    uint8_t observes;
    uint32_t quiet; /* bit i: a quiet interval comes before event i */
};

struct node {
    struct key key;
    struct set set;
    struct member members[16];
    size_t n_members;
};

struct group {
    struct set set;
    struct member members[16];
    size_t n_members;
};

struct level {
    struct node node;
    struct set variants[VARIANTS];
    struct group group;
    struct actions actions;
};

struct walk {
    struct gen *gen;
    struct event events[DEPTH_MAX]; /* without the start */
    bool fresh;
    struct level *levels;
    uint64_t path; /* a hash of the history, for choices that must not matter */
};

static int64_t interval(bool quiet)
{
    return quiet ? QUIET_US : SHORT_US;
}

static void emit(struct walk *w, const struct member *m, unsigned n)
{
    struct event out[DEPTH_MAX + 1] = {{.kind = START, .scope = NO_SCOPE, .fresh = w->fresh, .observes = m->observes}};
    size_t from = !w->fresh && !m->observes && w->path % 3 == 0; /* no start at all says the same */
    for (unsigned i = 0; i < n; i++) {
        out[i + 1] = w->events[i];
        out[i + 1].t_us = interval(m->quiet >> i & 1);
    }
    write_history(w->gen, out + from, n + 1 - from);
}

/* Moves the variants that are equal to the first unused one into the level's group. False: none is left. */
static bool next_group(struct level *l, const struct member *members, const bool *valid, bool *used, unsigned depth,
                       uint64_t salt)
{
    unsigned first = 0;
    while (first < VARIANTS && (!valid[first] || used[first]))
        first++;
    if (first == VARIANTS)
        return false;
    struct group *g = &l->group;
    set_copy(&g->set, &l->variants[first]);
    g->n_members = 0;
    for (unsigned v = first; v < VARIANTS; v++) {
        if (!valid[v] || used[v] || !set_equal(&l->variants[first], &l->variants[v]))
            continue;
        used[v] = true;
        struct member m = members[v / 2];
        if (v % 2)
            m.quiet |= 1u << depth;
        struct member *last = g->n_members ? &g->members[g->n_members - 1] : NULL;
        if (!last || last->observes != m.observes)
            g->members[g->n_members++] = m;
        else if (mix(salt ^ m.observes) & 1)
            *last = m;
    }
    return true;
}

static void descend(struct walk *w, unsigned depth, uint32_t next_call, unsigned unexplained);

static void take(struct walk *w, unsigned depth, uint32_t next_call, unsigned unexplained, const struct event *e)
{
    struct level *l = &w->levels[depth], *below = &w->levels[depth + 1];
    uint64_t path = w->path;
    w->events[depth] = *e;
    w->path = mix(path * 31 + (uint64_t)(e - l->actions.events) + 1);
    if (depth + 1 == w->gen->events) {
        /* Brothers take the same member: brute then searches what they share once. */
        emit(w, &l->group.members[path % l->group.n_members], depth + 1);
    } else {
        below->node.key = l->node.key;
        bool explained = machine_event(&below->node.key, e, &l->group.set, &below->node.set);
        memcpy(below->node.members, l->group.members, sizeof l->group.members);
        below->node.n_members = l->group.n_members;
        if (explained || unexplained)
            descend(w, depth + 1, next_call + (e->kind == CALL), unexplained - !explained);
        else
            emit(w, &l->group.members[w->path % l->group.n_members], depth + 1);
    }
    w->path = path;
}

static void descend(struct walk *w, unsigned depth, uint32_t next_call, unsigned unexplained)
{
    struct level *l = &w->levels[depth];
    bool valid[VARIANTS] = {false}, used[VARIANTS] = {false};
    for (size_t i = 0; i < l->node.n_members; i++) {
        struct key k = l->node.key;
        k.observes = l->node.members[i].observes;
        for (unsigned q = 0; q < 2; q++) {
            struct set *v = &l->variants[2 * i + q];
            set_copy(v, &l->node.set);
            machine_close(&k, machine_is_quiet(&k, interval(q)), v);
            set_sort(v);
            valid[2 * i + q] = true;
        }
    }
    uint64_t salt = w->path;
    while (next_group(l, l->node.members, valid, used, depth, salt)) {
        list_actions(&l->node.key, &l->group.set, false, next_call, mix(salt), &l->actions);
        for (size_t i = 0; i < l->actions.n; i++)
            take(w, depth, next_call, unexplained, &l->actions.events[i]);
        salt = mix(salt + 1);
    }
}

void enumerate(struct gen *g)
{
    struct walk w = {.gen = g, .path = g->seed};
    w.levels = calloc(g->events + 1, sizeof *w.levels);
    if (!w.levels) {
        fputs("gen: out of memory\n", stderr);
        exit(2);
    }
    for (unsigned fresh = 0; fresh < 2; fresh++) {
        struct node *root = &w.levels[0].node;
        struct set before = {0};
        w.fresh = fresh;
        /* From the last scopes down: the first ones are those that policies are tried on. */
        root->key = (struct key){.policy = &g->policy, .touched = (uint8_t)((1u << g->scopes) - 1)};
        machine_begin(&root->key, &before);
        machine_event(&root->key, &(struct event){.kind = START, .scope = NO_SCOPE, .fresh = fresh}, &before,
                      &root->set);
        set_free(&before);
        root->n_members = g->policy.strict ? 1 : 16;
        for (unsigned i = 0; i < 16; i++)
            root->members[i] = (struct member){.observes = (uint8_t)i};
        if (g->policy.strict)
            root->members[0].observes = (uint8_t)(mix(g->seed) & SEES_ALL);
        descend(&w, 0, 1, g->unexplained);
    }
    for (unsigned i = 0; i <= g->events; i++) {
        set_free(&w.levels[i].node.set);
        set_free(&w.levels[i].group.set);
        for (unsigned v = 0; v < VARIANTS; v++)
            set_free(&w.levels[i].variants[v]);
    }
    free(w.levels);
}
