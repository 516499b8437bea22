/*
 * brute.c: the verdict on every key of an NDJSON recording, by searching the runs of the machine.
 *
 *   brute [policy options] <events.ndjson            one line a key: {"user":…,"first":N,"all":[…]}, last the coverage
 *   brute --cases <cases.txt                         checks the table of histories with known verdicts
 *
 * `all` are the events that no run explains, numbered from 0 in the file, `first` is the first of them or -1. A key
 * with too many configurations to search has "skipped":[its events] instead.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

struct node { /* an event and the next of the same key */
    struct event event;
    uint32_t next;
};

struct user {
    char app[NAME_BYTES], user[NAME_BYTES];
    uint32_t head, tail; /* node numbers + 1 */
    uint32_t first_call; /* its calls' numbers begin here */
    uint8_t touched;
    bool gap; /* there was one */
};

/* The search after one event. Histories that begin alike share the frames of their beginning. */
#define FRAMES_KEPT 24
struct frame {
    struct event event; /* t_us: the interval before it */
    struct key key;
    struct set set;
    struct set closed; /* `set` and its silent steps in an interval of that kind */
    enum { NOT_CLOSED, CLOSED_SHORT, CLOSED_QUIET } how;
    bool explained;
};

struct table { /* strings to numbers from 1 */
    struct entry {
        char *name;
        uint32_t number;
    } * slots;
    size_t n, cap;
};

struct brute {
    struct policy policy;
    struct coverage coverage;
    struct node *nodes;
    size_t n_nodes, cap_nodes;
    struct user *users;
    size_t n_users, cap_users;
    struct table user_table, call_table;
    struct set begin;
    struct frame frames[FRAMES_KEPT + 2];
    size_t n_frames; /* of those kept, how many the last key left */
    uint8_t touched; /* of that key */
    uint64_t observes[16];
};

static void die(const char *what, uint64_t line)
{
    fprintf(stderr, "brute: %s, line %" PRIu64 "\n", what, line);
    exit(2);
}

static void *grow(void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 64;
    items = realloc(items, *cap * size);
    if (!items)
        die("out of memory", 0);
    return items;
}

static size_t place(const struct table *t, const char *name)
{
    uint64_t h = 14695981039346656037u;
    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    size_t at = mix(h) & (t->cap - 1);
    while (t->slots[at].name && strcmp(t->slots[at].name, name))
        at = (at + 1) & (t->cap - 1);
    return at;
}

static uint32_t number_of(struct table *t, const char *name)
{
    if (2 * t->n >= t->cap) {
        struct table old = *t;
        t->cap = old.cap ? 2 * old.cap : 1024;
        t->slots = calloc(t->cap, sizeof *t->slots);
        if (!t->slots)
            die("out of memory", 0);
        for (size_t i = 0; i < old.cap; i++)
            if (old.slots[i].name)
                t->slots[place(t, old.slots[i].name)] = old.slots[i];
        free(old.slots);
    }
    struct entry *e = &t->slots[place(t, name)];
    if (!e->name) {
        e->name = strdup(name);
        e->number = (uint32_t)++t->n;
    }
    return e->number;
}

static void clear_table(struct table *t)
{
    for (size_t i = 0; i < t->cap; i++)
        free(t->slots[i].name);
    free(t->slots);
    *t = (struct table){0};
}

/* ---- Reading */

static uint8_t touched_by(const struct event *e)
{
    uint8_t mask = e->kind == CALL ? e->scopes : 0;
    if (e->scope != NO_SCOPE)
        mask |= (uint8_t)(1 << e->scope);
    for (unsigned s = 0; s < MAX_SCOPES; s++)
        if (e->snapshot >> 2 * s & 3)
            mask |= (uint8_t)(1 << s);
    return mask;
}

static struct user *user_of(struct brute *b, const struct line *line)
{
    char name[3 * NAME_BYTES + 3];
    snprintf(name, sizeof name, "%s\n%s\n%s", line->app, line->user, b->policy.per_device ? line->stream : "");
    uint32_t number = number_of(&b->user_table, name);
    if (number > b->n_users) {
        b->users = grow(b->users, b->n_users, &b->cap_users, sizeof *b->users);
        struct user *u = &b->users[b->n_users++];
        memset(u, 0, sizeof *u);
        memcpy(u->app, line->app, NAME_BYTES);
        memcpy(u->user, line->user, NAME_BYTES);
    }
    return &b->users[number - 1];
}

static void append(struct brute *b, struct user *u, const struct event *e)
{
    b->nodes = grow(b->nodes, b->n_nodes, &b->cap_nodes, sizeof *b->nodes);
    b->nodes[b->n_nodes++] = (struct node){.event = *e};
    if (u->tail)
        b->nodes[u->tail - 1].next = (uint32_t)b->n_nodes;
    else
        u->head = (uint32_t)b->n_nodes;
    u->tail = (uint32_t)b->n_nodes;
    u->touched |= touched_by(e);
    u->gap = u->gap || e->kind == GAP;
    if (u->gap && e->kind == DECISION &&
        e->scope == NO_SCOPE) /* after a gap the prompt of any scope of the profile may be up */
        u->touched = (1u << SCOPES) - 1;
}

static void read_events(struct brute *b, FILE *from)
{
    char *text = NULL, name[4 * NAME_BYTES];
    size_t cap = 0;
    struct line line;
    for (uint64_t index = 0; getline(&text, &cap, from) > 0; index++) {
        if (!line_read(text, &line))
            die("not an event", index + 1);
        struct event *e = &line.event;
        e->index = index;
        if (line.call[0]) {
            snprintf(name, sizeof name, "%s\n%s\n%s\n%s", line.app, line.user, line.stream, line.call);
            e->call = number_of(&b->call_table, name);
        }
        struct user *u = user_of(b, &line);
        u->first_call = u->first_call ? u->first_call : e->call;
        e->call -= e->call ? u->first_call - 1 : 0;
        if ((e->kind == PROMPT || e->kind == SETTINGS || e->kind == DECISION) && e->scope == NO_SCOPE &&
            strstr(text, "\"scope\""))
            e->kind = END; /* of a scope that the profile does not know: not checked */
        append(b, u, e);
    }
    free(text);
}

/* ---- Checking */

static struct frame *frame_at(struct brute *b, size_t i)
{
    return &b->frames[i < FRAMES_KEPT ? i : FRAMES_KEPT + i % 2];
}

static bool same_event(const struct event *a, const struct event *b)
{
    struct event x = *a, y = *b;
    x.index = y.index = 0;
    return !memcmp(&x, &y, sizeof x);
}

/* What can be before an event that comes `interval_us` after the frame's. */
static const struct set *close_frame(struct frame *f, int64_t interval_us)
{
    bool quiet = machine_is_quiet(&f->key, interval_us);
    if (f->how != (quiet ? CLOSED_QUIET : CLOSED_SHORT)) {
        set_copy(&f->closed, &f->set);
        machine_close(&f->key, quiet, &f->closed);
        f->how = quiet ? CLOSED_QUIET : CLOSED_SHORT;
    }
    return &f->closed;
}

/* The frame after event `e`, number `i` of its key. False: over the limit. */
static bool step(struct brute *b, const struct user *u, const struct event *e, size_t i)
{
    struct frame *f = frame_at(b, i);
    f->event = *e;
    f->how = NOT_CLOSED;
    if (i == 0) {
        f->key = (struct key){.policy = &b->policy, .coverage = &b->coverage, .touched = u->touched};
        machine_begin(&f->key, &b->begin);
        f->explained = machine_event(&f->key, e, &b->begin, &f->set);
    } else {
        struct frame *before = frame_at(b, i - 1);
        const struct set *from = close_frame(before, e->t_us);
        f->key = before->key;
        f->explained = machine_event(&f->key, e, from, &f->set);
    }
    return !f->set.overflow;
}

/* Runs one key; the numbers of the unexplained events go to `all` (room for every event). False: over the limit. */
static bool check(struct brute *b, const struct user *u, uint64_t *all, size_t *n_all)
{
    size_t i = 0, shared = u->touched == b->touched ? b->n_frames : 0;
    int64_t last = b->nodes[u->head - 1].event.t_us;
    *n_all = 0;
    b->touched = u->touched;
    for (uint32_t at = u->head; at; at = b->nodes[at - 1].next, i++) {
        struct event e = b->nodes[at - 1].event;
        e.t_us -= last;
        last += e.t_us;
        if (i >= shared || !same_event(&e, &b->frames[i].event)) {
            b->n_frames = shared = i < FRAMES_KEPT ? i : FRAMES_KEPT;
            if (!step(b, u, &e, i))
                return false;
        }
        if (!frame_at(b, i)->explained)
            all[(*n_all)++] = e.index;
        if (e.kind == START)
            b->observes[e.observes]++;
        if (i >= shared && i < FRAMES_KEPT)
            b->n_frames = i + 1;
    }
    return true;
}

static void write_verdict(const struct brute *b, const struct user *u, bool whole, uint64_t *all, size_t n_all)
{
    printf("{\"user\":\"%s\"", u->user);
    if (whole) {
        printf(",\"first\":%" PRId64 ",\"all\":[", n_all ? (int64_t)all[0] : -1);
    } else {
        n_all = 0;
        for (uint32_t at = u->head; at; at = b->nodes[at - 1].next)
            all[n_all++] = b->nodes[at - 1].event.index;
        fputs(",\"skipped\":[", stdout);
    }
    for (size_t i = 0; i < n_all; i++)
        printf("%s%" PRIu64, i ? "," : "", all[i]);
    puts("]}");
}

static void write_coverage(const struct brute *b)
{
    fputs("{\"coverage\":{", stdout);
    for (unsigned i = 0; i < STEPS; i++)
        printf("\"step %s\":%" PRIu64 ",", step_names[i], b->coverage.steps[i]);
    for (unsigned i = 0; i < KINDS; i++)
        printf("\"explained %s\":%" PRIu64 ",\"unexplained %s\":%" PRIu64 ",", kind_names[i], b->coverage.explained[i],
               kind_names[i], b->coverage.unexplained[i]);
    for (unsigned i = 0; i < 16; i++)
        printf("\"observes %u\":%" PRIu64 "%s", i, b->observes[i], i == 15 ? "}}\n" : ",");
}

static void check_recording(struct brute *b)
{
    read_events(b, stdin);
    uint64_t *all = malloc((b->n_nodes + 1) * sizeof *all);
    size_t n_all;
    if (!all)
        die("out of memory", 0);
    for (size_t i = 0; i < b->n_users; i++) {
        bool whole = check(b, &b->users[i], all, &n_all);
        write_verdict(b, &b->users[i], whole, all, n_all);
    }
    write_coverage(b);
    free(all);
}

/* ---- The table of cases: "[policy options]" for what follows, then "history = numbers of the unexplained events" */

static struct policy default_policy(void)
{
    return (struct policy){.quiet_us = 2000000};
}

static bool set_policy(struct brute *b, char *text)
{
    char *argv[32], *save = NULL;
    int argc = 0;
    b->policy = default_policy();
    for (char *w = strtok_r(text, " []\n", &save); w && argc < 32; w = strtok_r(NULL, " []\n", &save))
        argv[argc++] = w;
    for (int i = 0; i < argc; i++)
        if (!policy_option(&b->policy, argc, argv, &i))
            return false;
    return true;
}

/* Runs the history; the verdict as text: "3 5", or "none". */
static void verdict_text(struct brute *b, const struct history *h, char *out, size_t size)
{
    struct user u = {0};
    uint64_t all[HISTORY_EVENTS];
    size_t n_all = 0, used = 0;
    b->n_nodes = b->n_frames = 0;
    for (size_t i = 0; i < h->n; i++)
        append(b, &u, &h->events[i]);
    snprintf(out, size, "none");
    if (!check(b, &u, all, &n_all))
        snprintf(out, size, "over the limit");
    for (size_t i = 0; i < n_all; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%" PRIu64, i ? " " : "", all[i]);
}

static int check_cases(struct brute *b, FILE *from)
{
    char *text = NULL, got[512];
    size_t cap = 0, n = 0, wrong = 0;
    struct history h;
    for (uint64_t line = 1; getline(&text, &cap, from) > 0; line++) {
        if (text[0] == '[' && !set_policy(b, text))
            die("unknown policy option", line);
        if (text[0] == '[' || text[0] == '#' || text[0] == '\n')
            continue;
        const char *bad = notation_read(text, &h);
        char *want = strstr(text, " = ");
        if (bad || !want)
            die(bad ? bad : "no verdict", line);
        want += 3;
        want[strcspn(want, "#\n")] = '\0';
        while (*want && want[strlen(want) - 1] == ' ')
            want[strlen(want) - 1] = '\0';
        verdict_text(b, &h, got, sizeof got);
        n++;
        if (strcmp(want, got)) {
            wrong++;
            printf("line %" PRIu64 ": want %s, got %s: %.*s\n", line, want, got, (int)(want - text - 3), text);
        }
    }
    free(text);
    printf("brute: %zu cases, %zu wrong\n", n, wrong);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    static struct brute b;
    bool cases = false;
    int status = 0;
    b.policy = default_policy();
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--cases"))
            cases = true;
        else if (!policy_option(&b.policy, argc, argv, &i)) {
            fputs("usage: brute [--cases] [policy options] <events.ndjson\n" POLICY_USAGE, stderr);
            return 2;
        }
    }
    if (cases)
        status = check_cases(&b, stdin);
    else
        check_recording(&b);
    clear_table(&b.user_table);
    clear_table(&b.call_table);
    set_free(&b.begin);
    for (size_t i = 0; i < FRAMES_KEPT + 2; i++) {
        set_free(&b.frames[i].set);
        set_free(&b.frames[i].closed);
    }
    free(b.nodes);
    free(b.users);
    return fflush(stdout) || ferror(stdout) ? 2 : status;
}
