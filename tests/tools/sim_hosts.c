/*
 * sim_hosts: recordings of a simulated host app with one fault, and where the fault first shows. Seeded: the same
 * options give the same bytes. None of the product's code is in it.
 *
 *   sim_hosts [--fault NAME] [--seed N] [--users N] [--actions N] [--observes LIST] [--manifest FILE] [--list]
 *
 * NDJSON goes to standard output. LIST are the kinds that the recording sees (prompts,decisions,settings,resets;
 * default all; "" none). The manifest is one JSON object; `first` is the number of the first event that a right host
 * would not have given, -1 where the fault never shows, `firsts` the same of each user. They are known where everything
 * is observed: calls of a user come one after the other, so a shadow of the reference machine, which lives through the
 * same as the host, has one state a scope. Otherwise they are absent.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCOPES 5
#define USERS_MAX 10000
#define QUIET_US 3000000 /* a settings visit and a removal take longer than the default window */

enum state { UNASKED, GRANTED, DENIED };
enum answer { ALLOW, DENY, DISMISS };
enum sight { PROMPTS = 1, DECISIONS = 2, SETTINGS = 4, RESETS = 8, ALL = 15 };

#define FAULTS(X)                                                                                                      \
    X(NONE, "none")                                                                                                    \
    X(DENIED_REPROMPTS, "denied-reprompts")                                                                            \
    X(GRANTED_REPROMPTS, "granted-reprompts")                                                                          \
    X(DENIED_PASSES, "denied-lets-through")                                                                            \
    X(UNASKED_PASSES, "unasked-lets-through")                                                                          \
    X(UNASKED_FAILS, "unasked-fails")                                                                                  \
    X(FLIP_IGNORED, "flip-ignored")                                                                                    \
    X(RESET_KEEPS_DENIALS, "reset-keeps-denials")                                                                      \
    X(RESET_KEEPS_GRANTS, "reset-keeps-grants")                                                                        \
    X(DENIAL_STORED_AS_GRANT, "denial-stored-as-grant")                                                                \
    X(GRANT_STORED_AS_DENIAL, "grant-stored-as-denial")                                                                \
    X(DISMISSAL_STORED_AS_DENIAL, "dismissal-stored-as-denial")                                                        \
    X(STALE_SETTINGS, "stale-settings")                                                                                \
    X(UNASKED_LISTED, "unasked-listed")                                                                                \
    X(SCOPE_FOR_SCOPE, "scope-answers-for-scope")                                                                      \
    X(USER_LEAKS, "user-leaks")

enum fault {
#define X(name, text) name,
    FAULTS(X)
#undef X
        N_FAULTS
};

static const char *const fault_names[] = {
#define X(name, text) text,
    FAULTS(X)
#undef X
};
static const char *const scopes[SCOPES] = {"userInfo", "userLocation", "werun", "record", "writePhotosAlbum"};
static const char *const apis[SCOPES] = {"getUserInfo", "getLocation", "getWeRunData", "startRecord",
                                         "saveImageToPhotosAlbum"};
static const char *const sights[] = {"prompts", "decisions", "settings", "resets"};
static const char *const platforms[] = {"android", "ios", "devtools"};
static const char *const denials[] = {":auth denied", " auth deny",
                                      ":\xe7\xb3\xbb\xe7\xbb\x9f\xe9\x94\x99\xe8\xaf\xaf,auth deny"};

/* What the host keeps of a user's scope. */
struct record {
    enum state now, before; /* before: the last change */
    enum state shown;       /* the switch in the settings page */
};

struct user {
    unsigned number;
    int64_t first; /* event that shows the fault, -1: none yet */
    struct record records[SCOPES];
    enum state shadow[SCOPES]; /* as a right host would have it */
};

struct sim {
    enum fault fault;
    unsigned observes, answering, asking; /* SCOPE_FOR_SCOPE: `answering` answers the calls of `asking` */
    uint64_t random, calls, events;
    int64_t clock_us, first;
    unsigned n_users;
    struct user *users;
};

static uint64_t roll(struct sim *s, uint64_t n)
{
    uint64_t x = s->random += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (x ^ x >> 31) % n;
}

/* The users' states; those of a host whose users share one are all the first user's. */
static struct record *record_of(struct sim *s, const struct user *u, unsigned scope)
{
    return &s->users[s->fault == USER_LEAKS ? 0 : u->number].records[scope];
}

static void set_state(struct record *r, enum state to)
{
    if (r->now != to)
        r->before = r->now;
    r->now = r->shown = to;
}

/* ---- The tape */

/* Begins an event; `wrong`: no right host gives it here. The caller ends the line. */
static void begin(struct sim *s, struct user *u, const char *kind, bool wrong)
{
    s->clock_us += 20000 + (int64_t)roll(s, 300000);
    if (wrong && s->first < 0)
        s->first = (int64_t)s->events;
    if (wrong && u->first < 0)
        u->first = (int64_t)s->events;
    s->events++;
    printf("{\"t\":%" PRId64
           ",\"kind\":\"%s\",\"app\":\"wx5f4d3c2b1a0\",\"user\":\"u%u\",\"stream\":\"s%u\",\"platform\":\"%s\"",
           s->clock_us, kind, u->number, u->number, platforms[u->number % 3]);
}

static void write_snapshot(const enum state states[SCOPES])
{
    const char *comma = "";
    printf(",\"authSetting\":{");
    for (unsigned i = 0; i < SCOPES; i++) {
        if (states[i] != UNASKED) {
            printf("%s\"scope.%s\":%s", comma, scopes[i], states[i] == GRANTED ? "true" : "false");
            comma = ",";
        }
    }
    printf("}");
}

static void begin_call(struct sim *s, struct user *u, const char *api)
{
    begin(s, u, "call", false);
    printf(",\"call\":\"%" PRIu64 "\",\"api\":\"%s\"", ++s->calls, api);
}

/* ---- What users do */

static bool host_prompts(const struct sim *s, enum state now)
{
    return (now == UNASKED && s->fault != UNASKED_PASSES && s->fault != UNASKED_FAILS) ||
           (now == DENIED && s->fault == DENIED_REPROMPTS) || (now == GRANTED && s->fault == GRANTED_REPROMPTS);
}

static enum answer user_answers(struct sim *s)
{
    uint64_t x = roll(s, 20);
    return x < 11 ? ALLOW : x < 17 ? DENY : DISMISS;
}

/* The dialog and its answer. Returns whether the dialog was right. */
static bool show_prompt(struct sim *s, struct user *u, unsigned scope, unsigned kept, enum answer a)
{
    static const char *const answers[] = {"allow", "deny", "dismiss"};
    static const enum state right[] = {GRANTED, DENIED, UNASKED};
    enum state to = right[a];
    bool expected = u->shadow[scope] == UNASKED && kept == scope;
    if (s->observes & PROMPTS) {
        begin(s, u, "prompt", !expected);
        printf(",\"scope\":\"scope.%s\",\"call\":\"%" PRIu64 "\"}\n", scopes[kept], s->calls);
    }
    s->clock_us += (int64_t)roll(s, 6000000);
    if (s->observes & DECISIONS) {
        begin(s, u, "decision", false);
        printf(",\"answer\":\"%s\"}\n", answers[a]);
    }
    if (expected)
        u->shadow[scope] = to;
    to = a == DENY && s->fault == DENIAL_STORED_AS_GRANT          ? GRANTED
         : a == ALLOW && s->fault == GRANT_STORED_AS_DENIAL       ? DENIED
         : a == DISMISS && s->fault == DISMISSAL_STORED_AS_DENIAL ? DENIED
                                                                  : to;
    set_state(record_of(s, u, kept), to);
    return expected;
}

static const char *outcome_words(const struct user *u, enum answer outcome)
{
    return outcome == ALLOW ? "ok" : outcome == DENY ? denials[u->number % 3] : ":auth canceled";
}

static void call_scope(struct sim *s, struct user *u)
{
    unsigned scope = (unsigned)roll(s, SCOPES);
    unsigned kept = s->fault == SCOPE_FOR_SCOPE && scope == s->asking ? s->answering : scope;
    bool authorize = roll(s, 4) == 0;
    const char *api = authorize ? "authorize" : apis[scope];
    enum state now = record_of(s, u, kept)->now, shadow = u->shadow[scope];
    enum answer outcome = now == GRANTED ? ALLOW : DENY;
    bool wrong = false;
    begin_call(s, u, api);
    if (authorize)
        printf(",\"scope\":\"scope.%s\"", scopes[scope]);
    printf("}\n");
    if (host_prompts(s, now)) {
        outcome = user_answers(s);
        wrong = !show_prompt(s, u, scope, kept, outcome);
    } else {
        if ((now == DENIED && s->fault == DENIED_PASSES) || (now == UNASKED && s->fault == UNASKED_PASSES))
            outcome = ALLOW;
        wrong = shadow == UNASKED || outcome != (shadow == GRANTED ? ALLOW : DENY);
    }
    uint64_t number = s->calls;
    if (!authorize && outcome == ALLOW && roll(s, 16) == 0) { /* R14 */
        begin(s, u, "return", false);
        printf(",\"call\":\"%" PRIu64 "\",\"errMsg\":\"%s:fail timeout\"}\n", number, api);
        return;
    }
    begin(s, u, "return", wrong);
    printf(",\"call\":\"%" PRIu64 "\",\"errMsg\":\"%s:%s%s\"}\n", number, api, outcome == ALLOW ? "" : "fail",
           outcome_words(u, outcome));
}

static bool differs(const enum state a[SCOPES], const enum state b[SCOPES])
{
    return memcmp(a, b, SCOPES * sizeof a[0]) != 0;
}

static void read_settings(struct sim *s, struct user *u)
{
    enum state listed[SCOPES];
    for (unsigned i = 0; i < SCOPES; i++) {
        const struct record *r = record_of(s, u, i);
        listed[i] = s->fault == STALE_SETTINGS ? r->before : r->now;
        if (listed[i] == UNASKED && s->fault == UNASKED_LISTED)
            listed[i] = DENIED;
    }
    begin_call(s, u, "getSetting");
    printf("}\n");
    begin(s, u, "return", differs(listed, u->shadow));
    printf(",\"call\":\"%" PRIu64 "\",\"errMsg\":\"getSetting:ok\"", s->calls);
    write_snapshot(listed);
    printf("}\n");
}

/* One switch of those that are there is flipped, when there is one. */
static void flip_one(struct sim *s, struct user *u)
{
    unsigned scope = (unsigned)roll(s, SCOPES);
    struct record *r = record_of(s, u, scope);
    if (r->shown == UNASKED)
        return;
    enum state to = r->shown == GRANTED ? DENIED : GRANTED;
    if (s->observes & SETTINGS) {
        begin(s, u, "settings", u->shadow[scope] == UNASKED);
        printf(",\"scope\":\"scope.%s\",\"granted\":%s}\n", scopes[scope], to == GRANTED ? "true" : "false");
    }
    u->shadow[scope] = to;
    if (s->fault == FLIP_IGNORED)
        r->shown = to;
    else
        set_state(r, to);
}

static void shown_switches(struct sim *s, const struct user *u, enum state out[SCOPES])
{
    for (unsigned i = 0; i < SCOPES; i++)
        out[i] = record_of(s, u, i)->shown;
}

/* From the menu, or by openSetting, whose answer tells how the switches were left. */
static void visit_settings(struct sim *s, struct user *u)
{
    enum state listed[SCOPES];
    bool by_call = roll(s, 3) == 0;
    s->clock_us += by_call ? 0 : QUIET_US;
    if (by_call) {
        begin_call(s, u, "openSetting");
        printf("}\n");
    }
    if (s->observes & SETTINGS) {
        shown_switches(s, u, listed);
        begin(s, u, "settings-page", differs(listed, u->shadow));
        write_snapshot(listed);
        printf("}\n");
    }
    for (uint64_t n = 1 + roll(s, 2); n > 0; n--)
        flip_one(s, u);
    if (by_call) {
        shown_switches(s, u, listed);
        begin(s, u, "return", differs(listed, u->shadow));
        printf(",\"call\":\"%" PRIu64 "\",\"errMsg\":\"openSetting:ok\"", s->calls);
        write_snapshot(listed);
        printf("}\n");
    }
    s->clock_us += by_call ? 0 : QUIET_US;
}

static void reset(struct sim *s, struct user *u)
{
    s->clock_us += QUIET_US;
    if (s->observes & RESETS) {
        begin(s, u, "reset", false);
        printf("}\n");
    }
    for (unsigned i = 0; i < SCOPES; i++) {
        struct record *r = record_of(s, u, i);
        bool kept = (r->now == DENIED && s->fault == RESET_KEEPS_DENIALS) ||
                    (r->now == GRANTED && s->fault == RESET_KEEPS_GRANTS);
        if (!kept)
            set_state(r, UNASKED);
        u->shadow[i] = UNASKED;
    }
    s->clock_us += QUIET_US;
}

static void start(struct sim *s, struct user *u, unsigned number)
{
    const char *comma = "";
    u->number = number;
    u->first = -1;
    begin(s, u, "start", false);
    printf(",\"fresh\":true,\"observes\":[");
    for (unsigned i = 0; i < 4; i++) {
        if (s->observes >> i & 1) {
            printf("%s\"%s\"", comma, sights[i]);
            comma = ",";
        }
    }
    printf("]}\n");
}

static void run(struct sim *s, unsigned actions)
{
    for (unsigned i = 0; i < s->n_users; i++)
        start(s, &s->users[i], i);
    for (uint64_t n = (uint64_t)actions * s->n_users; n > 0; n--) {
        struct user *u = &s->users[roll(s, s->n_users)];
        uint64_t what = roll(s, 100);
        s->clock_us += (int64_t)roll(s, 200000);
        if (what < 62)
            call_scope(s, u);
        else if (what < 80)
            read_settings(s, u);
        else if (what < 94)
            visit_settings(s, u);
        else
            reset(s, u);
    }
}

/* ---- Command line */

static int usage(void)
{
    fputs("usage: sim_hosts [--fault NAME] [--seed N] [--users N] [--actions N] [--observes LIST] [--manifest FILE] "
          "[--list]\n",
          stderr);
    return 2;
}

static bool parse_observes(char *list, unsigned *out)
{
    *out = 0;
    for (char *save = NULL, *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        unsigned i = 0;
        while (i < 4 && strcmp(sights[i], w))
            i++;
        if (i == 4)
            return false;
        *out |= 1u << i;
    }
    return true;
}

static int write_manifest(const struct sim *s, const char *path, uint64_t seed)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return 2;
    fprintf(f, "{\"fault\":\"%s\",\"seed\":%" PRIu64 ",\"users\":%u,\"events\":%" PRIu64, fault_names[s->fault], seed,
            s->n_users, s->events);
    if (s->observes == ALL) {
        fprintf(f, ",\"first\":%" PRId64 ",\"firsts\":[", s->first);
        for (unsigned i = 0; i < s->n_users; i++)
            fprintf(f, "%s%" PRId64, i ? "," : "", s->users[i].first);
        fputc(']', f);
    }
    if (s->fault == SCOPE_FOR_SCOPE)
        fprintf(f, ",\"scope\":\"scope.%s\",\"answers_for\":\"scope.%s\"", scopes[s->answering], scopes[s->asking]);
    fputs("}\n", f);
    return fclose(f) ? 2 : 0;
}

int main(int argc, char **argv)
{
    struct sim s = {.observes = ALL, .n_users = 50, .first = -1, .clock_us = 1700000000000000};
    unsigned actions = 40;
    uint64_t seed = 1;
    const char *manifest = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--list")) {
            for (unsigned f = 0; f < N_FAULTS; f++)
                puts(fault_names[f]);
            return 0;
        }
        if (i + 1 == argc)
            return usage();
        char *value = argv[++i];
        const char *name = argv[i - 1];
        if (!strcmp(name, "--fault")) {
            while (s.fault < N_FAULTS && strcmp(fault_names[s.fault], value))
                s.fault++;
            if (s.fault == N_FAULTS)
                return usage();
        } else if (!strcmp(name, "--seed"))
            seed = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--users"))
            s.n_users = (unsigned)strtoul(value, NULL, 10);
        else if (!strcmp(name, "--actions"))
            actions = (unsigned)strtoul(value, NULL, 10);
        else if (!strcmp(name, "--manifest"))
            manifest = value;
        else if (strcmp(name, "--observes") || !parse_observes(value, &s.observes))
            return usage();
    }
    if (!s.n_users || s.n_users > USERS_MAX || !(s.users = calloc(s.n_users, sizeof *s.users)))
        return usage();
    s.random = seed * 0xd1342543de82ef95u + 1;
    s.answering = (unsigned)roll(&s, SCOPES);
    s.asking = (s.answering + 1 + (unsigned)roll(&s, SCOPES - 1)) % SCOPES;
    run(&s, actions);
    int status = manifest ? write_manifest(&s, manifest, seed) : 0;
    free(s.users);
    return fflush(stdout) || ferror(stdout) ? 2 : status;
}
