/*
 * gen_calls: makes tapes of calls alone, for benchmarks: so many at a time in each user's session. Seeded: the same
 * options give the same bytes.
 *
 * Each user plays one endless session. Prompts and decisions are on the tape; flips and resets are not: now and then
 * the user is away for a while, and may have changed something unseen. All hosts here behave. In between, calls of
 * APIs, authorize and (one at a time) getSetting are made and answered; so many are open at once. A call of an unasked
 * scope waits for the prompt that it, or another one, raises.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/formats.h"
#include "tests/draw.h"

#define SCOPES 5
#define OPEN_MAX 64

static const char *const scope_names[SCOPES] = {"scope.userInfo", "scope.userLocation", "scope.werun", "scope.record",
                                                "scope.writePhotosAlbum"};
static const char *const api_names[SCOPES] = {"getUserInfo", "getLocation", "getWeRunData", "startRecord",
                                              "saveImageToPhotosAlbum"};

enum state { UNASKED, GRANTED, DENIED };
enum what { CALL_API, CALL_AUTHORIZE, CALL_GET_SETTING };

struct call {
    uint32_t id;
    uint8_t scope, what;
};

struct user {
    uint8_t state[SCOPES];
    uint8_t n_open, prompting; /* 1 + the scope whose prompt is up */
    bool started, reading, away;
    int64_t back_us;        /* from being away */
    uint32_t n_calls, left; /* calls until the user is away */
    struct call open[OPEN_MAX];
};

struct generator {
    uint64_t events, users, overlap, away_every, written;
    uint64_t streams; /* that the users share; 0: each has its own */
    uint64_t step_us; /* between two events of a user */
    struct user *all;
    int64_t now_us;
    struct at_tape_encoder *enc;
    struct at_buf bytes;
};

static void die(const char *what)
{
    fprintf(stderr, "gen_calls: %s\n", what);
    exit(2);
}

static void flush(struct generator *g)
{
    for (size_t at = 0; at < g->bytes.len;) {
        ssize_t n = write(STDOUT_FILENO, g->bytes.ptr + at, g->bytes.len - at);
        if (n <= 0)
            die("cannot write");
        at += (size_t)n;
    }
    g->bytes.len = 0;
}

static void emit(struct generator *g, const struct user *u, struct at_event *ev)
{
    char user[32], stream[32];
    snprintf(user, sizeof user, "o%07u", (unsigned)(u - g->all));
    snprintf(stream, sizeof stream, "s%u", (unsigned)((uint64_t)(u - g->all) % (g->streams ? g->streams : g->users)));
    ev->t_us = g->now_us;
    ev->app = AT_STR("wx8d1f0aa0b3c4e5f6");
    ev->user = at_str(user);
    ev->stream = at_str(stream);
    if (at_tape_encode(g->enc, ev, &g->bytes))
        die("cannot encode");
    if (g->bytes.len > 1 << 16)
        flush(g);
    g->written++;
}

/* Calls count from 1, in each stream: what is shared has the user before the number. */
static struct at_str call_id(const struct generator *g, const struct user *u, uint32_t number, char *room, size_t size)
{
    if (g->streams)
        snprintf(room, size, "%u.%u", (unsigned)(u - g->all), (unsigned)number);
    else
        snprintf(room, size, "%u", (unsigned)number);
    return at_str(room);
}

static void emit_call(struct generator *g, struct user *u)
{
    char id[32];
    struct at_event ev = {.kind = AT_KIND_CALL, .has = AT_HAS_CALL};
    struct call *c = &u->open[u->n_open++];
    uint64_t dice = below(20);
    struct at_str scope;
    *c = (struct call){.id = ++u->n_calls, .scope = (uint8_t)below(SCOPES)};
    c->what = dice < 12 ? CALL_API : dice < 19 || u->reading ? CALL_AUTHORIZE : CALL_GET_SETTING;
    u->reading = u->reading || c->what == CALL_GET_SETTING;
    scope = at_str(scope_names[c->scope]);
    ev.call = call_id(g, u, c->id, id, sizeof id);
    ev.api = at_str(c->what == CALL_API ? api_names[c->scope] : c->what == CALL_AUTHORIZE ? "authorize" : "getSetting");
    if (c->what == CALL_AUTHORIZE) {
        ev.scopes = &scope;
        ev.n_scopes = 1;
        ev.has |= AT_HAS_SCOPE;
    }
    emit(g, u, &ev);
}

static void emit_return(struct generator *g, struct user *u, size_t i)
{
    char id[32], text[64];
    struct at_setting settings[SCOPES];
    struct at_event ev = {.kind = AT_KIND_RETURN, .has = AT_HAS_CALL, .settings = settings};
    struct call c = u->open[i];
    snprintf(text, sizeof text, "%s:%s",
             c.what == CALL_API         ? api_names[c.scope]
             : c.what == CALL_AUTHORIZE ? "authorize"
                                        : "getSetting",
             c.what == CALL_GET_SETTING || u->state[c.scope] == GRANTED ? "ok" : "fail auth deny");
    ev.call = call_id(g, u, c.id, id, sizeof id);
    ev.err_msg = at_str(text);
    for (size_t s = 0; s < SCOPES && c.what == CALL_GET_SETTING; s++)
        if (u->state[s] != UNASKED)
            settings[ev.n_settings++] =
                (struct at_setting){.scope = at_str(scope_names[s]), .granted = u->state[s] == GRANTED};
    if (c.what == CALL_GET_SETTING) {
        ev.has |= AT_HAS_AUTH_SETTING;
        u->reading = false;
    }
    memmove(&u->open[i], &u->open[i + 1], (u->n_open - i - 1u) * sizeof u->open[0]);
    u->n_open--;
    emit(g, u, &ev);
}

/* A prompt for the scope, and (a step later) the user's answer. */
static void emit_prompt(struct generator *g, struct user *u, uint8_t scope)
{
    struct at_str name = at_str(scope_names[scope]);
    struct at_event ev = {.kind = AT_KIND_PROMPT, .has = AT_HAS_SCOPE, .scopes = &name, .n_scopes = 1};
    u->prompting = (uint8_t)(scope + 1);
    emit(g, u, &ev);
}

static void emit_decision(struct generator *g, struct user *u)
{
    uint8_t scope = (uint8_t)(u->prompting - 1);
    struct at_str name = at_str(scope_names[scope]);
    bool allow = below(3) != 0;
    struct at_event ev = {.kind = AT_KIND_DECISION,
                          .has = AT_HAS_SCOPE,
                          .scopes = &name,
                          .n_scopes = 1,
                          .answer = allow ? AT_ANSWER_ALLOW : AT_ANSWER_DENY};
    u->state[scope] = allow ? GRANTED : DENIED;
    u->prompting = 0;
    emit(g, u, &ev);
}

static void emit_start(struct generator *g, struct user *u)
{
    struct at_event ev = {.kind = AT_KIND_START, .has = AT_HAS_OBSERVES | AT_HAS_FRESH, .n_observes = 2, .fresh = true};
    memcpy(ev.observes, (uint8_t[]){AT_SEES_PROMPTS, AT_SEES_DECISIONS}, 2);
    u->started = true;
    u->left = (uint32_t)below(g->away_every);
    emit(g, u, &ev);
}

/* What the user may have done while away: nothing, mostly. */
static void change_unseen(struct user *u)
{
    uint64_t dice = below(8);
    uint8_t scope = (uint8_t)below(SCOPES);
    if (dice == 0)
        memset(u->state, UNASKED, sizeof u->state);
    else if (dice < 3 && u->state[scope] != UNASKED)
        u->state[scope] = u->state[scope] == GRANTED ? DENIED : GRANTED;
}

/* The user's next event. */
static void step(struct generator *g, struct user *u)
{
    if (u->away && g->users == 1)
        g->now_us = u->back_us;
    if (u->away && g->now_us < u->back_us)
        return;
    if (!u->started) {
        emit_start(g, u);
    } else if (u->away) {
        u->away = false;
        u->left = (uint32_t)below(2 * g->away_every);
        change_unseen(u);
        emit_call(g, u);
    } else if (u->prompting) {
        emit_decision(g, u);
    } else if (u->left && u->n_open < g->overlap) {
        u->left--;
        emit_call(g, u);
    } else if (u->n_open) {
        size_t i = below(u->n_open);
        const struct call *c = &u->open[i];
        if (c->what != CALL_GET_SETTING && u->state[c->scope] == UNASKED)
            emit_prompt(g, u, c->scope);
        else
            emit_return(g, u, i);
    } else {
        u->away = true;
        u->back_us = g->now_us + 5000000; /* longer than a quiet window */
    }
}

int main(int argc, char **argv)
{
    struct generator g = {.events = 1000000,
                          .users = 1000,
                          .overlap = 1,
                          .away_every = 100,
                          .step_us = 20000,
                          .now_us = 1700000000000000};
    const struct at_tape_options tape = {.archive = true};
    uint64_t seed = 1;
    int c;
    while ((c = getopt(argc, argv, "n:s:u:c:a:r:")) != -1) {
        uint64_t n = strtoull(optarg ? optarg : "", NULL, 10);
        if (c == 'n')
            g.events = n;
        else if (c == 's')
            seed = n;
        else if (c == 'u')
            g.users = n;
        else if (c == 'c')
            g.overlap = n;
        else if (c == 'a')
            g.away_every = n;
        else if (c == 'r')
            g.streams = n;
        else
            die("usage: gen_calls [-n EVENTS] [-s SEED] [-u USERS] [-c CALLS AT A TIME] [-a CALLS BETWEEN ABSENCES] "
                "[-r STREAMS]");
    }
    if (!g.users || g.users > 9999999 || !g.overlap || g.overlap > OPEN_MAX || !g.away_every || optind < argc)
        die("a number is out of range");
    random_state = seed * 0x9e3779b97f4a7c15u;
    g.all = calloc(g.users, sizeof *g.all);
    if (!g.all || at_tape_encoder_new(&tape, &g.enc))
        die("out of memory");
    while (g.written < g.events) {
        g.now_us += (int64_t)(below(2 * g.step_us * 1000) / 1000 / g.users);
        step(&g, &g.all[below(g.users)]);
    }
    if (at_tape_encode_finish(g.enc, &g.bytes))
        die("out of memory");
    flush(&g);
    at_buf_free(&g.bytes);
    at_tape_encoder_free(&g.enc);
    free(g.all);
    return 0;
}
