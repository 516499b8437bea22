/*
 * random.c: random histories of up to 14 events.
 *
 * Most events are chosen so that the machine explains them, so that a history gets into states that a few events do not
 * reach; then some histories are spoilt by small mutations. Histories come in batches whose times overlap.
 */
#include <stdlib.h>
#include <string.h>

#include "gen.h"

#define LENGTH_MAX 14
#define SPARE 4 /* mutations may add events */
#define BATCH 4
#define OPEN_MAX 6 /* slots of unanswered calls */
#define CONFIGS_MAX 1500
#define MADE_UP_CALL 77

struct dice {
    uint64_t state;
};

static uint64_t roll(struct dice *d, uint64_t n)
{
    d->state += 0x9e3779b97f4a7c15u;
    return mix(d->state) % n;
}

struct tape {
    struct event events[LENGTH_MAX + SPARE]; /* t_us: the interval before it */
    size_t n;
};

struct walker {
    struct gen *gen;
    struct dice dice;
    struct key key, key_after;
    struct set now, after;
    struct actions actions;
    struct tape tape;
    uint8_t stream_of[LENGTH_MAX + 2]; /* by call */
    uint32_t next_call;
    bool two_streams;
};

static int64_t random_interval(struct dice *d, int64_t quiet_us)
{
    switch (roll(d, 8)) {
    case 0:
        return 0;
    case 1:
        return quiet_us > 0 ? quiet_us - 1 : 1;
    case 2:
        return quiet_us;
    case 3:
        return quiet_us + 1000000;
    default:
        return (int64_t)roll(d, 400000);
    }
}

/* An event of a kind that the dice choose first: there are many more snapshots than resets. */
static const struct event *pick(struct walker *w)
{
    static const uint8_t kinds[] = {CALL,     CALL,     CALL,     CALL,   CALL,   RETURN, RETURN,   RETURN,
                                    RETURN,   RETURN,   RETURN,   PROMPT, PROMPT, PROMPT, DECISION, DECISION,
                                    DECISION, SETTINGS, SETTINGS, PAGE,   PAGE,   RESET};
    enum kind kind = (enum kind)kinds[roll(&w->dice, sizeof kinds)];
    if (kind == RESET && roll(&w->dice, 3))
        kind = RETURN;
    if (roll(&w->dice, 60) == 0)
        kind = GAP;
    size_t n = 0, open = 0;
    for (size_t i = 0; i < MAX_CALLS; i++)
        open += w->key.slots[i].used;
    if (kind == CALL && open >= OPEN_MAX)
        kind = RETURN;
    for (size_t i = 0; i < w->actions.n; i++)
        n += w->actions.events[i].kind == kind;
    if (!n)
        return NULL;
    n = roll(&w->dice, n);
    for (size_t i = 0; i < w->actions.n; i++)
        if (w->actions.events[i].kind == kind && !n--)
            return &w->actions.events[i];
    return NULL;
}

static void make_start(struct walker *w, struct event *e)
{
    *e = (struct event){.kind = START, .scope = NO_SCOPE, .fresh = roll(&w->dice, 2)};
    e->observes = (uint8_t)roll(&w->dice, 16);
    if (roll(&w->dice, 4) == 0)
        e->observes = SEES_ALL;
}

static void finish_event(struct walker *w, struct event *e)
{
    if (e->kind == CALL) {
        w->stream_of[e->call] = w->two_streams && roll(&w->dice, 2);
        w->next_call++;
    }
    if ((e->kind == CALL || e->kind == RETURN || e->kind == PROMPT) && e->call != NO_CALL)
        e->stream = w->stream_of[e->call];
    else
        e->stream = w->two_streams && roll(&w->dice, 2);
    if (e->kind == PROMPT && e->call != NO_CALL && roll(&w->dice, 40) == 0)
        e->call = MADE_UP_CALL;
}

/* One more event. False: this history has become too large to go on with. */
static bool extend(struct walker *w)
{
    struct event e;
    int64_t interval = random_interval(&w->dice, w->gen->policy.quiet_us);
    bool want_explained = roll(&w->dice, 100) < 90;
    machine_close(&w->key, w->tape.n && machine_is_quiet(&w->key, interval), &w->now);
    if (w->now.n > CONFIGS_MAX)
        return false;
    list_actions(&w->key, &w->now, true, w->next_call, 0, &w->actions);
    for (unsigned tries = 0; tries < 16; tries++) {
        const struct event *chosen = pick(w);
        if (chosen)
            e = *chosen;
        else
            continue;
        if (roll(&w->dice, 80) == 0)
            make_start(w, &e);
        else if (roll(&w->dice, 200) == 0)
            e = (struct event){.kind = END, .scope = NO_SCOPE};
        w->key_after = w->key;
        if (machine_event(&w->key_after, &e, &w->now, &w->after) || !want_explained) {
            w->key = w->key_after;
            struct set swap = w->now;
            w->now = w->after;
            w->after = swap;
            finish_event(w, &e);
            e.t_us = interval;
            w->tape.events[w->tape.n++] = e;
            return true;
        }
    }
    return true;
}

static void make_tape(struct walker *w)
{
    size_t length = 4 + roll(&w->dice, LENGTH_MAX - 3);
    w->tape.n = 0;
    w->next_call = 1;
    w->two_streams = roll(&w->dice, 8) == 0;
    w->key = (struct key){.policy = &w->gen->policy};
    unsigned scopes = 1 + (unsigned)roll(&w->dice, 8) / 3;
    while ((unsigned)__builtin_popcount(w->key.touched) < scopes)
        w->key.touched |= (uint8_t)(1u << roll(&w->dice, SCOPES));
    uint8_t special = w->gen->policy.silent | w->gen->policy.exempt;
    if (special && roll(&w->dice, 4))
        w->key.touched |= special;
    machine_begin(&w->key, &w->now);
    if (roll(&w->dice, 5)) {
        struct event *e = &w->tape.events[w->tape.n++];
        make_start(w, e);
        machine_event(&w->key, e, &w->now, &w->after);
        set_copy(&w->now, &w->after);
    }
    for (size_t i = 0; i < 2 * length && w->tape.n < length; i++)
        if (!extend(w))
            break;
}

static void mutate(struct walker *w)
{
    struct tape *t = &w->tape;
    size_t at = roll(&w->dice, t->n);
    struct event *e = &t->events[at], swap;
    switch (roll(&w->dice, 6)) {
    case 0: /* lose it */
        memmove(e, e + 1, (t->n - at - 1) * sizeof *e);
        t->n--;
        break;
    case 1: /* twice */
        if (e->kind == CALL || t->n == LENGTH_MAX + SPARE)
            break;
        memmove(e + 1, e, (t->n - at) * sizeof *e);
        t->n++;
        break;
    case 2: /* too late */
        if (at + 1 == t->n)
            break;
        swap = e[0];
        e[0] = e[1];
        e[1] = swap;
        break;
    case 3: /* another time */
        e->t_us = random_interval(&w->dice, w->gen->policy.quiet_us);
        break;
    case 4: /* another outcome */
        if (e->kind == RETURN && !e->has_snapshot)
            e->outcome = (uint8_t)roll(&w->dice, OTHER + 1);
        e->granted = !e->granted;
        e->answer = (uint8_t)roll(&w->dice, 3);
        break;
    default: /* another sight */
        if (e->kind == START)
            e->observes = (uint8_t)roll(&w->dice, 16);
        break;
    }
}

struct written {
    struct event event;
    uint64_t user;
    size_t order;
};

static int by_time(const void *a, const void *b)
{
    const struct written *x = a, *y = b;
    if (x->event.t_us != y->event.t_us)
        return x->event.t_us < y->event.t_us ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static void make_batch(struct walker *w, uint64_t batch)
{
    struct written out[BATCH * (LENGTH_MAX + SPARE)];
    struct gen *g = w->gen;
    size_t n = 0;
    w->dice.state = mix(g->seed * 0x9e3779b97f4a7c15u + batch + 1);
    for (unsigned i = 0; i < BATCH; i++) {
        make_tape(w);
        for (uint64_t times = roll(&w->dice, 3); times > 1 && w->tape.n > 1; times--)
            mutate(w);
        int64_t t = g->clock_us + (int64_t)roll(&w->dice, 3000000);
        for (size_t j = 0; j < w->tape.n; j++, n++) {
            t += w->tape.events[j].t_us;
            out[n] = (struct written){w->tape.events[j], g->first_user + batch * BATCH + i, n};
            out[n].event.t_us = t;
        }
        g->made++;
    }
    qsort(out, n, sizeof *out, by_time);
    for (size_t i = 0; i < n && !g->count_only; i++)
        line_write(begin_history(g), &out[i].event, out[i].user, mix(w->dice.state + i));
    if (n)
        g->clock_us = out[n - 1].event.t_us;
    for (unsigned i = 0; i < BATCH && !g->count_only; i++)
        if (i + 1 == BATCH || g->in_chunk + 1 < g->chunk) /* a batch stays whole */
            end_history(g);
}

void random_histories(struct gen *g)
{
    struct walker *w = calloc(1, sizeof *w);
    if (!w) {
        fputs("gen: out of memory\n", stderr);
        exit(2);
    }
    w->gen = g;
    for (uint64_t batch = 0; batch < (g->limit + BATCH - 1) / BATCH; batch++)
        if (batch % g->parts == g->part)
            make_batch(w, batch);
    set_free(&w->now);
    set_free(&w->after);
    free(w);
}
