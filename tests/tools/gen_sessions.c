/*
 * gen_sessions: makes recordings of many interleaved sessions, for benchmarks and tests. Seeded: the same options give
 * the same bytes.
 *
 * Each user has a state per scope as the reference machine keeps it (all hosts here behave), opens a session now and
 * then, and calls APIs in it: getSetting, authorize and gated APIs, answers prompts, visits the settings. Sessions
 * overlap; the order on the tape is that of the times.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/formats.h"
#include "tests/draw.h"

#define SCOPES 12

static const char *const scope_names[SCOPES] = {
    "scope.userInfo",     "scope.userLocation",    "scope.userFuzzyLocation",   "scope.werun",
    "scope.record",       "scope.camera",          "scope.writePhotosAlbum",    "scope.bluetooth",
    "scope.gameClubData", "scope.addPhoneContact", "scope.WxFriendInteraction", "scope.addPhoneCalendar",
};
static const char *const api_names[SCOPES] = {
    "getUserInfo",     "getLocation",     "getFuzzyLocation",       "getWeRunData",
    "startRecord",     "createVKSession", "saveImageToPhotosAlbum", "openBluetoothAdapter",
    "getGameClubData", "addPhoneContact", "getFriendCloudStorage",  "addPhoneCalendar",
};
static const char *const platform_names[] = {"android", "ios", "devtools"};
static const char *const app_names[] = {"wx8d1f0aa0b3c4e5f6", "wx3b5c9d7e1f2a4680", "wx0f1e2d3c4b5a6978"};

enum ids { IDS_COUNT, IDS_UUID };

struct options {
    uint64_t events, seed, users, overlap, gap_us;
    enum ids ids;
    bool packets;
    const char *out; /* NULL: NDJSON */
    bool live;
};

/* A time of about `mean`, exponential: -ln(u) by halving, good enough for traffic. */
static uint64_t around(uint64_t mean)
{
    uint64_t bits = draw(), halvings = (uint64_t)__builtin_ctzll(bits | 1ull << 40);
    return (halvings * mean * 693 + below(mean * 693 + 1)) / 1000;
}

struct user {
    uint8_t state[SCOPES];          /* 0 unasked, 1 granted, 2 denied */
    uint8_t asked[SCOPES], n_asked; /* in the order of asking */
    bool seen, playing;             /* in a session before, now: one at a time, or their prompts would meet */
};

/* What a session does next, once its time has come. */
enum step { STEP_START, STEP_CALL, STEP_RETURN, STEP_PROMPT, STEP_DECISION, STEP_FLIP, STEP_END };

struct session {
    uint32_t user;
    int64_t due_us;
    uint32_t order; /* breaks ties */
    enum step step;
    uint32_t calls_left, n_calls;
    uint8_t scope, outcome; /* of the call at hand; outcome 0 ok, 1 denied, 2 dismissed, 3 other */
    enum { CALL_API, CALL_AUTHORIZE, CALL_GET_SETTING, CALL_OPEN_SETTING } what;
    char stream[64], call[40], id[32];
};

struct generator {
    struct options o;
    struct user *users;
    struct session *heap;
    size_t n;
    int64_t now_us;
    uint64_t packet, written;
    uint32_t order;
    struct at_tape_encoder *enc;
    struct at_buf bytes;
    struct at_setting settings[SCOPES];
    struct at_str scope;
};

static void die(const char *what)
{
    fprintf(stderr, "gen_sessions: %s\n", what);
    exit(2);
}

static bool sooner(const struct session *a, const struct session *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void sink(struct generator *g, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1;
        for (size_t c = left; c < left + 2 && c < g->n; c++)
            if (sooner(&g->heap[c], &g->heap[least]))
                least = c;
        if (least == i)
            return;
        struct session swap = g->heap[i];
        g->heap[i] = g->heap[least];
        g->heap[least] = swap;
        i = least;
    }
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

static void emit(struct generator *g, const struct session *s, struct at_event *ev)
{
    char user[40];
    snprintf(user, sizeof user, "%s", s->id);
    ev->t_us = s->due_us;
    ev->app = at_str(app_names[s->user % 3]);
    ev->user = at_str(user);
    ev->stream = at_str(s->stream);
    ev->platform = at_str(platform_names[s->user % 7 ? s->user % 2 : 2]);
    ev->has |= AT_HAS_PLATFORM;
    if (g->o.packets) {
        g->packet += 1u + (below(4) == 0) + (below(16) == 0);
        ev->packet = g->packet;
        ev->has |= AT_HAS_PACKET;
    }
    if (g->o.out ? at_tape_encode(g->enc, ev, &g->bytes) : at_event_to_json(ev, &g->bytes))
        die("cannot encode");
    if (g->bytes.len > 1 << 16)
        flush(g);
    g->written++;
}

static void make_id(uint64_t user, char out[32])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    uint64_t saved = random_state;
    random_state = user * 0x2545f4914f6cdd1dull + 7;
    memcpy(out, "oX5Tq4", 6); /* openids of one app begin alike */
    for (int i = 6; i < 28; i++)
        out[i] = alphabet[below(64)];
    out[28] = 0;
    random_state = saved;
}

static void begin(struct generator *g, struct session *s)
{
    uint64_t user = below(g->o.users);
    while (g->users[user].playing)
        user = user + 1 < g->o.users ? user + 1 : 0;
    g->users[user].playing = true;
    *s = (struct session){.user = (uint32_t)user, .order = g->order++, .step = STEP_START};
    s->due_us = g->now_us + (int64_t)around(g->o.gap_us * 20);
    s->calls_left = 2 + (uint32_t)below(12);
    make_id(user, s->id);
    snprintf(s->stream, sizeof s->stream, "10.%u.%u.%u:%u>10.0.0.2:9420", (unsigned)below(4), (unsigned)below(256),
             (unsigned)below(256), 32768 + (unsigned)below(28000));
}

static void next_call(struct generator *g, struct session *s)
{
    s->n_calls++;
    if (g->o.ids == IDS_UUID) {
        uint64_t a = draw(), b = draw();
        snprintf(s->call, sizeof s->call, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32),
                 (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(b >> 52),
                 (unsigned long long)(b & 0xffffffffffffull));
    } else {
        snprintf(s->call, sizeof s->call, "%u", s->n_calls);
    }
}

static void put_settings(struct generator *g, const struct user *u, struct at_event *ev)
{
    for (size_t i = 0; i < u->n_asked; i++)
        g->settings[i] =
            (struct at_setting){.scope = at_str(scope_names[u->asked[i]]), .granted = u->state[u->asked[i]] == 1};
    ev->settings = g->settings;
    ev->n_settings = u->n_asked;
    ev->has |= AT_HAS_AUTH_SETTING;
}

static void set_scope(struct generator *g, struct at_event *ev, uint8_t scope)
{
    g->scope = at_str(scope_names[scope]);
    ev->scopes = &g->scope;
    ev->n_scopes = 1;
    ev->has |= AT_HAS_SCOPE;
}

static void do_call(struct generator *g, struct session *s)
{
    struct user *u = &g->users[s->user];
    struct at_event ev = {.kind = AT_KIND_CALL, .has = AT_HAS_CALL};
    uint64_t dice = below(100);
    s->what = dice < 55 ? CALL_API : dice < 80 ? CALL_AUTHORIZE : dice < 96 ? CALL_GET_SETTING : CALL_OPEN_SETTING;
    uint64_t skew = below(144); /* some scopes are asked for much more than others */
    s->scope = (uint8_t)(below(3) ? skew % 4 : skew % SCOPES);
    next_call(g, s);
    ev.call = at_str(s->call);
    ev.api = at_str(s->what == CALL_API           ? api_names[s->scope]
                    : s->what == CALL_AUTHORIZE   ? "authorize"
                    : s->what == CALL_GET_SETTING ? "getSetting"
                                                  : "openSetting");
    if (s->what == CALL_AUTHORIZE)
        set_scope(g, &ev, s->scope);
    emit(g, s, &ev);
    s->step = STEP_RETURN;
    s->due_us += (int64_t)(1000 + around(20000));
    if (s->what == CALL_OPEN_SETTING && u->n_asked && below(2)) {
        s->step = STEP_FLIP;
        s->due_us += (int64_t)around(3000000);
    } else if (s->what <= CALL_AUTHORIZE) {
        s->outcome = u->state[s->scope] == 2;
        if (u->state[s->scope] == 0)
            s->step = STEP_PROMPT;
        else if (u->state[s->scope] == 1 && s->what == CALL_API && below(50) == 0)
            s->outcome = 3;
    }
}

static void do_return(struct generator *g, struct session *s)
{
    struct at_event ev = {.kind = AT_KIND_RETURN, .has = AT_HAS_CALL, .call = at_str(s->call)};
    const struct user *u = &g->users[s->user];
    const char *api = s->what == CALL_API           ? api_names[s->scope]
                      : s->what == CALL_AUTHORIZE   ? "authorize"
                      : s->what == CALL_GET_SETTING ? "getSetting"
                                                    : "openSetting";
    char text[96];
    snprintf(text, sizeof text, "%s:ok", api);
    if (s->what <= CALL_AUTHORIZE && s->outcome == 1)
        snprintf(text, sizeof text, s->user % 2 ? "%s:fail auth deny" : "%s:fail:auth denied", api);
    if (s->what <= CALL_AUTHORIZE && s->outcome == 2)
        snprintf(text, sizeof text, "%s:fail auth canceled", api);
    if (s->what <= CALL_AUTHORIZE && s->outcome == 3)
        snprintf(text, sizeof text, "%s:fail timeout", api);
    if (s->outcome == 1 && s->what <= CALL_AUTHORIZE && s->user % 4 == 0) {
        ev.has |= AT_HAS_ERRNO;
        ev.err_no = 103;
    }
    ev.err_msg = at_str(text);
    if (s->what >= CALL_GET_SETTING)
        put_settings(g, u, &ev);
    emit(g, s, &ev);
    s->step = s->calls_left ? STEP_CALL : STEP_END;
    s->calls_left -= s->calls_left > 0;
    s->due_us += (int64_t)(5000 + around(1500000));
}

static void do_prompt(struct generator *g, struct session *s)
{
    struct at_event ev = {.kind = AT_KIND_PROMPT, .has = AT_HAS_CALL, .call = at_str(s->call)};
    set_scope(g, &ev, s->scope);
    emit(g, s, &ev);
    s->step = STEP_DECISION;
    s->due_us += (int64_t)(300000 + around(2500000));
}

static void do_decision(struct generator *g, struct session *s)
{
    struct user *u = &g->users[s->user];
    struct at_event ev = {.kind = AT_KIND_DECISION};
    uint64_t dice = below(20);
    ev.answer = dice < 12 ? AT_ANSWER_ALLOW : dice < 18 ? AT_ANSWER_DENY : AT_ANSWER_DISMISS;
    set_scope(g, &ev, s->scope);
    emit(g, s, &ev);
    s->outcome = (uint8_t)(ev.answer - AT_ANSWER_ALLOW);
    if (ev.answer != AT_ANSWER_DISMISS) {
        u->state[s->scope] = ev.answer == AT_ANSWER_ALLOW ? 1 : 2;
        u->asked[u->n_asked++] = s->scope;
    }
    s->step = STEP_RETURN;
    s->due_us += (int64_t)(500 + around(8000));
}

static void do_flip(struct generator *g, struct session *s)
{
    struct user *u = &g->users[s->user];
    struct at_event ev = {.kind = AT_KIND_SETTINGS};
    uint8_t scope = u->asked[below(u->n_asked)];
    u->state[scope] = (uint8_t)(3 - u->state[scope]);
    ev.granted = u->state[scope] == 1;
    set_scope(g, &ev, scope);
    emit(g, s, &ev);
    s->step = STEP_RETURN;
    s->due_us += (int64_t)around(900000);
}

static void do_start(struct generator *g, struct session *s)
{
    struct user *u = &g->users[s->user];
    struct at_event ev = {.kind = AT_KIND_START, .has = AT_HAS_OBSERVES | AT_HAS_FRESH, .n_observes = 3};
    memcpy(ev.observes, (uint8_t[]){AT_SEES_PROMPTS, AT_SEES_DECISIONS, AT_SEES_SETTINGS}, 3);
    ev.fresh = !u->seen;
    u->seen = true;
    emit(g, s, &ev);
    s->step = STEP_CALL;
    s->due_us += (int64_t)around(100000);
}

static void step(struct generator *g)
{
    struct session *s = &g->heap[0];
    struct at_event end = {.kind = AT_KIND_END};
    g->now_us = s->due_us;
    switch (s->step) {
    case STEP_START:
        do_start(g, s);
        break;
    case STEP_CALL:
        do_call(g, s);
        break;
    case STEP_RETURN:
        do_return(g, s);
        break;
    case STEP_PROMPT:
        do_prompt(g, s);
        break;
    case STEP_DECISION:
        do_decision(g, s);
        break;
    case STEP_FLIP:
        do_flip(g, s);
        break;
    case STEP_END:
        emit(g, s, &end);
        g->users[s->user].playing = false;
        begin(g, s);
        break;
    }
    sink(g, 0);
}

static void usage(void)
{
    die("usage: gen_sessions [-n EVENTS] [-s SEED] [-u USERS] [-o SESSIONS AT A TIME] [-U (ids are UUIDs)] "
        "[-P (no packet numbers)] [-T (a tape instead of NDJSON)] [-L (as a live recorder writes it)]");
}

static struct options read_options(int argc, char **argv)
{
    struct options o = {
        .events = 1000000, .seed = 1, .users = 40000, .overlap = 600, .gap_us = 100000, .packets = true};
    int c;
    while ((c = getopt(argc, argv, "n:s:u:o:UPTL")) != -1) {
        if (c == 'n')
            o.events = strtoull(optarg, NULL, 10);
        else if (c == 's')
            o.seed = strtoull(optarg, NULL, 10);
        else if (c == 'u')
            o.users = strtoull(optarg, NULL, 10);
        else if (c == 'o')
            o.overlap = strtoull(optarg, NULL, 10);
        else if (c == 'U')
            o.ids = IDS_UUID;
        else if (c == 'P')
            o.packets = false;
        else if (c == 'T' || c == 'L')
            o.out = "tape";
        else
            usage();
        o.live |= c == 'L';
    }
    if (!o.users || !o.overlap || o.users > UINT32_MAX || optind < argc)
        usage();
    if (o.overlap > o.users)
        o.overlap = o.users;
    return o;
}

int main(int argc, char **argv)
{
    struct generator g = {.o = read_options(argc, argv), .now_us = 1700000000000000};
    const struct at_tape_options tape = {.archive = !g.o.live};
    random_state = g.o.seed * 0x9e3779b97f4a7c15u;
    g.users = calloc(g.o.users, sizeof *g.users);
    g.heap = calloc(g.o.overlap, sizeof *g.heap);
    if (!g.users || !g.heap || at_tape_encoder_new(&tape, &g.enc))
        die("out of memory");
    for (; g.n < g.o.overlap; g.n++)
        begin(&g, &g.heap[g.n]);
    for (size_t i = g.n / 2; i-- > 0;)
        sink(&g, i);
    while (g.written < g.o.events)
        step(&g);
    if (g.o.out && at_tape_encode_finish(g.enc, &g.bytes))
        die("out of memory");
    flush(&g);
    at_buf_free(&g.bytes);
    at_tape_encoder_free(&g.enc);
    free(g.heap);
    free(g.users);
    return 0;
}
