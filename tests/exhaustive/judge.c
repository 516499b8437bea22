/*
 * judge.c: are the witnesses of `authtape replay --format ndjson` what they claim to be? By the brute-force machine:
 *
 *   judge [policy options] RECORDING.ndjson VERDICTS.ndjson
 *
 * A witness is sound when the divergence stands, in the states that were reported, after every fact that is not in it
 * was weakened; it is 1-minimal when without any one of its facts it does not, or is one of another class: where only
 * the state unasked is left, a listing is no wrong value of an asked scope any more. Weakened: an answer says nothing,
 * a listing is not there, a change may have happened or not, nothing is known of the states at the start, what would
 * have been seen need not have been, any interval is quiet. The facts are read from the texts. Prints what is wrong,
 * and a line of numbers at the end; exit status 1 where something is.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "json.h"
#include "names.h"

#define EVENTS_MAX 4000
#define FACTS_MAX 16

/* A fact: an event, or (kind of sight, or QUIET) a stretch of time. */
enum { AN_EVENT = -1, QUIET = 4 };
struct fact {
    int what;
    uint64_t event, from, to;
    char kind[16], text[256];
};

struct verdict {
    char cls[32], user[NAME_BYTES], app[NAME_BYTES];
    int scope; /* -1: none */
    uint64_t event;
    uint8_t states;
    struct fact facts[FACTS_MAX];
    size_t n;
};

struct recording {
    struct line *lines;
    size_t n, cap;
};

struct trial {
    struct policy policy;
    const struct event *events;
    const uint64_t *index;
    size_t n;
    uint8_t touched;
    unsigned scope;
    const struct verdict *verdict;
    size_t without; /* a fact that is weakened too; SIZE_MAX: none */
    bool strict;    /* that nothing happens unseen is a fact, too */
    bool whole;     /* nothing is weakened */
    bool loose;     /* more scopes than one rule the event out together: the states of one do not tell */
};

struct outcome_of_trial {
    bool unexplained, overflow;
    bool up; /* a prompt of the scope that was seen may be up: what class it is depends on that */
    uint8_t states;
};

static const char *const stretches[] = {"a prompt between", "an answer to a prompt between",
                                        "a settings change between", "a removal between",
                                        "there was no quiet moment for an unseen change between"};

static void die(const char *what, const char *where)
{
    fprintf(stderr, "judge: %s: %.200s\n", what, where);
    exit(2);
}

/* ---- Reading */

static void read_recording(struct recording *r, const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t cap = 0;
    if (!f)
        die("cannot open", path);
    while (getline(&text, &cap, f) > 0) {
        if (r->n == r->cap) {
            r->cap = r->cap ? 2 * r->cap : 1024;
            r->lines = realloc(r->lines, r->cap * sizeof *r->lines);
            if (!r->lines)
                die("out of memory", path);
        }
        if (!line_read(text, &r->lines[r->n++]))
            die("not an event", text);
    }
    free(text);
    fclose(f);
}

static void read_stretch(struct fact *f)
{
    f->what = AN_EVENT;
    for (int i = 0; i <= QUIET; i++) {
        const char *at = strstr(f->text, stretches[i]);
        if (at && sscanf(at + strlen(stretches[i]), " #%" SCNu64 " and #%" SCNu64, &f->from, &f->to) == 2)
            f->what = i;
    }
}

static const char *read_fact(const char *p, struct fact *f)
{
    char name[64];
    memset(f, 0, sizeof *f);
    for (p = json_space(p) + 1; *(p = json_space(p)) == '"';) {
        p = json_string(p, name, sizeof name);
        p = json_space(p) + 1;
        if (!strcmp(name, "event"))
            f->event = strtoull(p, NULL, 10);
        else if (!strcmp(name, "kind"))
            json_string(p, f->kind, sizeof f->kind);
        else if (!strcmp(name, "text"))
            json_string(p, f->text, sizeof f->text);
        p = json_skip(p);
        p += *p == ',';
    }
    read_stretch(f);
    return json_space(p) + 1;
}

static void read_facts(const char *p, struct verdict *v)
{
    for (p = json_space(p) + 1; *(p = json_space(p)) == '{'; p += *p == ',') {
        if (v->n == FACTS_MAX)
            die("too many facts", p);
        p = json_space(read_fact(p, &v->facts[v->n++]));
    }
}

static uint8_t read_states(const char *p)
{
    static const char *const names[] = {"unasked", "granted", "denied"};
    uint8_t mask = 0;
    char name[32];
    for (p = json_space(p) + 1; *(p = json_space(p)) == '"'; p += *p == ',') {
        p = json_space(json_string(p, name, sizeof name));
        mask |= (uint8_t)(1 << find_name(names, 3, name));
    }
    return mask;
}

static void read_verdict(const char *text, struct verdict *v)
{
    char name[64], value[64];
    memset(v, 0, sizeof *v);
    v->scope = -1;
    for (const char *p = json_space(text) + 1; *(p = json_space(p)) == '"'; p += *p == ',') {
        p = json_string(p, name, sizeof name);
        p = json_space(p) + 1;
        if (!strcmp(name, "class"))
            json_string(p, v->cls, sizeof v->cls);
        else if (!strcmp(name, "user"))
            json_string(p, v->user, sizeof v->user);
        else if (!strcmp(name, "app"))
            json_string(p, v->app, sizeof v->app);
        else if (!strcmp(name, "event"))
            v->event = strtoull(p, NULL, 10);
        else if (!strcmp(name, "states"))
            v->states = read_states(p);
        else if (!strcmp(name, "scope") && json_string(p, value, sizeof value))
            v->scope = find_name(scope_names, SCOPES, value + strlen("scope."));
        else if (!strcmp(name, "witness"))
            read_facts(p, v);
        p = json_space(json_skip(p));
    }
}

/* ---- One trial */

static bool holds(const struct trial *t, size_t i, int what)
{
    for (size_t f = 0; f < t->verdict->n && !t->whole; f++) {
        const struct fact *fact = &t->verdict->facts[f];
        if (f == t->without || fact->what != what)
            continue;
        if (what == AN_EVENT ? fact->event == t->index[i] && !strcmp(fact->kind, kind_names[t->events[i].kind])
                             : i > 0 && fact->from <= t->index[i - 1] && t->index[i] <= fact->to)
            return true;
    }
    return t->whole;
}

/* What the scope can have been: shown by the call that the event answers, or at this instant. */
static uint8_t states_at(const struct trial *t, const struct key *k, const struct event *e, const struct set *s)
{
    uint8_t mask = 0;
    for (size_t i = 0; i < s->n; i++) {
        unsigned state = s->items[i].scope[t->scope] & STATE_BITS;
        if (e->kind == RETURN && e->has_snapshot) {
            for (unsigned c = 0; c < MAX_CALLS; c++)
                if (k->slots[c].used && k->slots[c].call == e->call && STATUS(s->items[i].call[c]) == SNAPSHOT)
                    mask |= (uint8_t)(1u << (s->items[i].call[c] >> 4 >> 2 * t->scope & 3));
        } else {
            mask |= (uint8_t)(1u << state);
        }
    }
    return mask;
}

/* Feeds one event, weakened or not. False: unexplained. */
static bool feed(const struct trial *t, struct key *k, size_t i, const struct set *from, struct set *to)
{
    struct event e = t->events[i];
    bool last = i + 1 == t->n, weak = !last && !holds(t, i, AN_EVENT);
    bool change = e.kind == PROMPT || e.kind == DECISION || e.kind == SETTINGS || e.kind == RESET;
    if (weak && e.kind == START)
        e.fresh = false;
    if (weak && e.kind == RETURN) {
        e.outcome = OTHER;
        e.has_snapshot = false;
    }
    if (weak && e.kind == PAGE) {
        set_copy(to, from);
        return true;
    }
    bool explained = machine_event(k, &e, from, to);
    if (!weak || !change)
        return explained;
    if (!explained)
        set_clear(to);
    for (size_t n = 0; n < from->n; n++)
        set_add(to, &from->items[n]);
    return true;
}

static struct outcome_of_trial run(const struct trial *t)
{
    static struct set now, next;
    struct key k = {.policy = &t->policy, .touched = t->touched};
    struct outcome_of_trial out = {0};
    uint8_t sees = 0;
    machine_begin(&k, &now);
    for (size_t i = 0; i < t->n && !now.overflow; i++) {
        k.observes = 0;
        for (int s = 0; s < 4; s++)
            if (((t->strict ? SEES_ALL : sees) >> s & 1) && holds(t, i, s))
                k.observes |= (uint8_t)(1 << s);
        bool quiet = i > 0 && (machine_is_quiet(&k, t->events[i].t_us - t->events[i - 1].t_us) || !holds(t, i, QUIET));
        if (i > 0)
            machine_close(&k, quiet, &now);
        if (i + 1 == t->n)
            out.states = states_at(t, &k, &t->events[i], &now);
        for (size_t n = 0; n < now.n && i + 1 == t->n; n++)
            out.up = out.up || (now.items[n].scope[t->scope] & SEEN);
        bool explained = feed(t, &k, i, &now, &next);
        if (t->events[i].kind == START)
            sees = t->events[i].observes;
        if (i + 1 == t->n)
            out.unexplained = !explained;
        set_copy(&now, &next);
    }
    out.overflow = now.overflow;
    return out;
}

/* ---- The judgement */

static bool stands(const struct trial *t, const struct outcome_of_trial *o)
{
    return o->unexplained && !(o->states & (unsigned)~t->verdict->states & (t->verdict->states && !t->loose ? 7u : 0u));
}

/* The events of the verdict's key up to it. */
static void take_key(const struct recording *r, const struct verdict *v, struct event *events, uint64_t *index,
                     struct trial *t)
{
    static char calls[EVENTS_MAX][2 * NAME_BYTES + 1];
    size_t n_calls = 0;
    bool gap = false;
    for (size_t i = 0; i <= v->event && i < r->n; i++) {
        const struct line *l = &r->lines[i];
        if (strcmp(l->user, v->user) || strcmp(l->app, v->app))
            continue;
        if (t->n == EVENTS_MAX)
            die("too long", v->user);
        struct event *e = &events[t->n];
        *e = l->event;
        if (l->call[0]) {
            char name[2 * NAME_BYTES + 1];
            size_t c = 0;
            snprintf(name, sizeof name, "%s\n%s", l->stream, l->call);
            while (c < n_calls && strcmp(calls[c], name))
                c++;
            if (c == n_calls)
                memcpy(calls[n_calls++], name, sizeof name);
            e->call = (uint32_t)c + 1;
        }
        for (unsigned s = 0; s < MAX_SCOPES; s++)
            if ((e->kind == CALL && (e->scopes >> s & 1)) || e->scope == s || (e->snapshot >> 2 * s & 3))
                t->touched |= (uint8_t)(1 << s);
        gap = gap || e->kind == GAP;
        if (gap && e->kind == DECISION && e->scope == NO_SCOPE) /* the prompt of any scope may be up */
            t->touched = (1u << SCOPES) - 1;
        index[t->n++] = i;
    }
}

/* The one scope; but a decision that names none may be about any, and a call of several is answered for any of them. */
static uint8_t scopes_that_matter(const struct trial *t, bool *several)
{
    uint8_t mask = (uint8_t)(1u << t->scope);
    *several = false;
    for (size_t i = 0; i < t->n; i++) {
        if (t->events[i].kind == DECISION && t->events[i].scope == NO_SCOPE)
            mask = t->touched;
        *several = *several || (t->events[i].kind == CALL && (t->events[i].scopes & (t->events[i].scopes - 1)));
    }
    return *several ? t->touched : mask;
}

/* Whether what is wrong would still be called the same, the scope having been in one of `states`. */
static bool same_class(const struct verdict *v, uint8_t states)
{
    static const struct {
        const char *cls;
        uint8_t some_of;
    } needs[] = {{"setting-wrong", 1 << G | 1 << D},
                 {"setting-missing", 1 << G | 1 << D},
                 {"unexpected-prompt", 1 << G | 1 << D},
                 {"unexpected-success", 1 << D},
                 {"unexpected-failure", 1 << G}};
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if (!strcmp(v->cls, needs[i].cls))
            return states & needs[i].some_of;
    return true;
}

/* By their very words they are about the decision, and about the prompt that is up. */
static bool is_given(const struct verdict *v, const struct fact *f)
{
    if (!strcmp(v->cls, "duplicate-prompt"))
        return true;
    return !strcmp(v->cls, "decision-ignored") && (!strcmp(f->kind, "decision") || !strcmp(f->kind, "prompt"));
}

struct counts {
    uint64_t judged, facts, skipped, loose, wrong;
};

static void complain(struct counts *c, const struct verdict *v, const char *what, const char *fact)
{
    c->wrong++;
    printf("%s at #%" PRIu64 " of %s: %s%s\n", v->cls, v->event, v->user, what, fact);
}

static void judge(const struct recording *r, const struct policy *policy, const struct verdict *v, struct counts *c)
{
    static struct event events[EVENTS_MAX];
    static uint64_t index[EVENTS_MAX];
    struct trial t = {.policy = *policy, .events = events, .index = index, .verdict = v, .without = SIZE_MAX};
    t.strict = policy->strict;
    t.policy.strict = false;
    if (v->scope < 0 || !strcmp(v->cls, "no-answer") || !strcmp(v->cls, "wrong-api"))
        return;
    t.scope = (unsigned)v->scope;
    take_key(r, v, events, index, &t);
    t.policy.exempt |= (uint8_t) ~(1u << t.scope); /* scopes do not affect one another (R11) */
    uint8_t touched = t.touched;
    bool joint;
    t.touched = scopes_that_matter(&t, &joint);
    struct outcome_of_trial o = run(&t);
    if (!stands(&t, &o) && !o.overflow) { /* or it is what several scopes show together */
        t.policy.exempt = policy->exempt;
        t.touched = touched;
        joint = true;
        o = run(&t);
    }
    t.whole = true;
    struct outcome_of_trial whole = run(&t);
    t.loose = joint || !whole.unexplained || !stands(&t, &whole);
    t.whole = false;
    c->loose += t.loose;
    if (o.overflow) {
        c->skipped++;
        return;
    }
    c->judged++;
    if (!stands(&t, &o))
        complain(c, v, o.unexplained ? "other states are possible: not sound" : "explained: not sound", "");
    for (size_t f = 0; f < v->n; f++) {
        c->facts++;
        t.without = f;
        o = run(&t);
        bool same = o.up == whole.up && same_class(v, o.states);
        if (!o.overflow && stands(&t, &o) && same && !t.loose && !is_given(v, &v->facts[f]))
            complain(c, v, "stands without: ", v->facts[f].text);
    }
}

int main(int argc, char **argv)
{
    struct policy policy = {.quiet_us = 2000000};
    struct recording r = {0};
    struct counts c = {0};
    struct verdict v;
    char *text = NULL;
    size_t cap = 0;
    int i = 1;
    for (; i < argc && !strncmp(argv[i], "--", 2); i++)
        if (!policy_option(&policy, argc, argv, &i))
            break;
    if (i + 2 != argc) {
        fputs("usage: judge [policy options] RECORDING.ndjson VERDICTS.ndjson\n" POLICY_USAGE, stderr);
        return 2;
    }
    read_recording(&r, argv[i]);
    FILE *verdicts = fopen(argv[i + 1], "r");
    if (!verdicts)
        die("cannot open", argv[i + 1]);
    while (getline(&text, &cap, verdicts) > 0) {
        if (!strstr(text, "\"class\""))
            continue;
        read_verdict(text, &v);
        judge(&r, &policy, &v, &c);
    }
    printf("judge: %" PRIu64 " witnesses of %" PRIu64 " facts, %" PRIu64 " too large, %" PRIu64
           " of several scopes (judged for soundness only), %" PRIu64 " faults\n",
           c.judged, c.facts, c.skipped, c.loose, c.wrong);
    fclose(verdicts);
    free(text);
    free(r.lines);
    return c.wrong || !c.judged;
}
