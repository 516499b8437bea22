/*
 * test_checker.c: histories and what the checker has to say of them.
 *
 * A history is a text: events separated by ';', one user on one stream. Before an event, "+N" lets N ms pass (10 ms
 * otherwise), "@NAME" puts it on another stream, "%NAME" gives it to another user. Scopes are written without "scope.".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/replay.h"

struct history {
    const char *name;
    const char *events;
    const char *found;    /* "class@event …" in order, "" for none */
    const char *inferred; /* "kind:scope …", NULL: not looked at */
};

struct result {
    char found[512], inferred[512];
};

static void add(char *to, size_t size, const char *word)
{
    size_t n = strlen(to);
    snprintf(to + n, size - n, "%s%s", n ? " " : "", word);
}

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct result *r = ctx;
    char word[64];
    snprintf(word, sizeof word, "%s@%llu", at_divergence_text(d->cls), (unsigned long long)d->at.event);
    add(r->found, sizeof r->found, word);
    assert_true(strlen(d->explanation) > 0 && strlen(d->expected) > 0 && strlen(d->observed) > 0);
    return AT_OK;
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    static const char *const kinds[] = {"prompt", "decision", "settings", "reset"};
    struct result *r = ctx;
    char word[96];
    assert_true(i->after.event < i->before.event);
    snprintf(word, sizeof word, "%s:%.*s", kinds[i->kind], i->scope.len ? (int)i->scope.len - 6 : 0,
             i->scope.len ? i->scope.ptr + 6 : "");
    add(r->inferred, sizeof r->inferred, word);
    return AT_OK;
}

/* One event, and what it points to. */
struct words {
    struct at_event ev;
    struct at_str scopes[4];
    struct at_setting settings[8];
    char text[1024];
    size_t used;
};

static struct at_str keep(struct words *w, const char *prefix, const char *word)
{
    char *at = w->text + w->used;
    int n = snprintf(at, sizeof w->text - w->used, "%s%s", prefix, word);
    w->used += (size_t)n + 1;
    return (struct at_str){at, (size_t)n};
}

static void read_observes(struct words *w, const char *word)
{
    for (unsigned s = 0; s < AT_SIGHTS; s++)
        if (!strcmp(word, "all") || strstr(word, at_sight_text((enum at_sight)s)))
            w->ev.observes[w->ev.n_observes++] = (uint8_t)s;
    w->ev.has |= AT_HAS_OBSERVES;
}

/* "record=1" or "record=0" */
static void read_setting(struct words *w, char *word)
{
    char *equals = strchr(word, '=');
    *equals = 0;
    w->settings[w->ev.n_settings++] =
        (struct at_setting){.scope = keep(w, "scope.", word), .granted = equals[1] == '1'};
}

static void read_return(struct words *w, const char *how)
{
    static const char *const messages[][2] = {
        {"ok", ":ok"},
        {"denied", ":fail auth deny"},
        {"dismissed", ":fail auth canceled"},
        {"unauthorized", ":fail scope unauthorized"},
        {"os", ":fail system permission denied"},
    };
    char api[64];
    size_t n = strcspn(how, ":");
    snprintf(api, sizeof api, "%.*s", (int)n, how);
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        if (!strcmp(how + n + 1, messages[i][0]))
            w->ev.err_msg = keep(w, api, messages[i][1]);
    assert_non_null(w->ev.err_msg.ptr);
}

static void read_word(struct words *w, int i, char *word)
{
    struct at_event *ev = &w->ev;
    if (strchr(word, '=') && (ev->kind == AT_KIND_RETURN || ev->kind == AT_KIND_SETTINGS_PAGE)) {
        read_setting(w, word);
    } else if (ev->kind == AT_KIND_START && !strcmp(word, "fresh")) {
        ev->fresh = true;
        ev->has |= AT_HAS_FRESH;
    } else if (ev->kind == AT_KIND_START) {
        read_observes(w, word);
    } else if (((ev->kind == AT_KIND_CALL || ev->kind == AT_KIND_RETURN) && i == 1) ||
               (ev->kind == AT_KIND_PROMPT && i == 2)) {
        ev->call = keep(w, "", word);
        ev->has |= AT_HAS_CALL;
    } else if (ev->kind == AT_KIND_CALL && i == 2) {
        ev->api = keep(w, "", word);
    } else if (ev->kind == AT_KIND_RETURN) {
        read_return(w, word);
    } else if (ev->kind == AT_KIND_DECISION && i == 1) {
        ev->answer = at_answer_find(at_str(word));
    } else if (ev->kind == AT_KIND_SETTINGS && i == 2) {
        ev->granted = !strcmp(word, "on");
    } else {
        w->scopes[ev->n_scopes++] = keep(w, "scope.", word);
        ev->has |= AT_HAS_SCOPE;
    }
}

static void read_event(struct words *w, char *text, int64_t *t_us)
{
    int64_t pause_ms = 10;
    int i = 0;
    char *rest = NULL;
    *w = (struct words){.ev = {.app = AT_STR("wx1"), .user = AT_STR("u"), .stream = AT_STR("s")}};
    w->ev.scopes = w->scopes;
    w->ev.settings = w->settings;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (*word == '+')
            pause_ms = atoi(word + 1);
        else if (*word == '@')
            w->ev.stream = keep(w, "", word + 1);
        else if (*word == '%')
            w->ev.user = keep(w, "", word + 1);
        else if (i++ == 0)
            w->ev.kind = at_kind_find(at_str(word));
        else
            read_word(w, i - 1, word);
    }
    if (w->ev.kind == AT_KIND_SETTINGS_PAGE ||
        (w->ev.kind == AT_KIND_RETURN && at_str_find(w->ev.err_msg, AT_STR("Setting:ok")) != SIZE_MAX))
        w->ev.has |= AT_HAS_AUTH_SETTING;
    *t_us += pause_ms * 1000;
    w->ev.t_us = *t_us;
    assert_true(w->ev.kind != 0);
}

static void check_history(const struct history *h, const struct at_profile *profile)
{
    struct result r = {{0}, {0}};
    struct at_check_sink sink = {.ctx = &r, .divergence = on_divergence, .inferred = on_inferred};
    struct at_checker *c;
    struct words w;
    char *text = strdup(h->events), *rest = NULL;
    int64_t t_us = INT64_C(1700000000000000);
    uint64_t index = 0;
    assert_int_equal(at_checker_new(profile, &(struct at_check_options){0}, &sink, &c), AT_OK);
    for (char *one = strtok_r(text, ";", &rest); one; one = strtok_r(NULL, ";", &rest)) {
        read_event(&w, one, &t_us);
        assert_int_equal(at_checker_event(c, &w.ev, index++), AT_OK);
    }
    assert_int_equal(at_checker_finish(c), AT_OK);
    at_checker_free(&c);
    free(text);
    if (strcmp(r.found, h->found) || (h->inferred && strcmp(r.inferred, h->inferred)))
        fail_msg("%s:\n  found    '%s', wanted '%s'\n  inferred '%s', wanted '%s'", h->name, r.found, h->found,
                 r.inferred, h->inferred ? h->inferred : r.inferred);
}

/* `lacks`: a mask of 1u << the number of a rule. */
static void check_all(const struct history *h, size_t n, uint32_t lacks)
{
    struct at_profile *profile;
    struct at_why why = {{0}};
    assert_int_equal(at_profile_load(AT_DEFAULT_PROFILE, &profile, &why), AT_OK);
    profile->lacks = lacks;
    for (size_t i = 0; i < n; i++)
        check_history(&h[i], profile);
    at_profile_free(&profile);
}

#define ASK "start fresh all; call 1 getLocation; prompt userLocation 1;"
#define DENIED ASK "decision deny userLocation; return 1 getLocation:denied;"
#define GRANTED ASK "decision allow userLocation; return 1 getLocation:ok;"

static void all_seen(void **state)
{
    static const struct history cases[] = {
        {"a prompt allowed", GRANTED, "", ""},
        {"R5: granted goes through", GRANTED "call 2 authorize userLocation; return 2 authorize:ok", "", ""},
        {"R5: granted, prompted again", GRANTED "call 2 getLocation; prompt userLocation", "unexpected-prompt@6", ""},
        {"R5: granted, then denied", GRANTED "call 2 getLocation; return 2 getLocation:denied", "unexpected-failure@6",
         ""},
        {"R6: denied fails at once", DENIED "call 2 getLocation; return 2 getLocation:denied", "", ""},
        {"R6: denied, prompted again", DENIED "call 2 getLocation; prompt userLocation", "unexpected-prompt@6", ""},
        {"R6: denied, then ok", DENIED "call 2 getLocation; return 2 getLocation:ok", "unexpected-success@6", ""},
        {"R2: no prompt, ok", "start fresh all; call 1 getLocation; return 1 getLocation:ok", "missing-prompt@2", ""},
        {"R2: no prompt, denied", "start fresh all; call 1 getLocation; return 1 getLocation:denied",
         "missing-prompt@2", ""},
        {"R3: allowed, then denied", ASK "decision allow; return 1 getLocation:denied", "decision-ignored@4", ""},
        {"R4: denied, then ok", ASK "decision deny; return 1 getLocation:ok", "decision-ignored@4", ""},
        {"R7: all as it is", GRANTED "call 2 getSetting; return 2 getSetting:ok userLocation=1", "", ""},
        {"R7: wrong value", GRANTED "call 2 getSetting; return 2 getSetting:ok userLocation=0", "setting-wrong@6", ""},
        {"R7: missing", GRANTED "call 2 getSetting; return 2 getSetting:ok", "setting-missing@6", ""},
        {"R7: unasked", GRANTED "call 2 getSetting; return 2 getSetting:ok userLocation=1 record=0",
         "setting-unasked@6", ""},
        {"R8: the page", GRANTED "settings-page userLocation=1; settings-page record=1",
         "setting-missing@6 setting-unasked@6", ""},
        {"R9: a flip takes effect", DENIED "settings userLocation on; call 2 getLocation; return 2 getLocation:ok", "",
         ""},
        {"R9: a flip ignored", DENIED "settings userLocation on; call 2 getLocation; return 2 getLocation:denied",
         "unexpected-failure@7", ""},
        {"R9: only asked scopes", GRANTED "settings record on", "setting-unasked@5", ""},
        {"R10: a reset",
         DENIED "reset; call 2 getLocation; prompt userLocation; decision allow; return 2 getLocation:ok", "", ""},
        {"R10: denials kept", DENIED "reset; call 2 getLocation; return 2 getLocation:denied", "missing-prompt@7", ""},
        {"R11: scopes apart", GRANTED "call 2 startRecord; return 2 startRecord:ok", "missing-prompt@6", ""},
        {"R11: users apart", GRANTED "%v start fresh all; %v call 2 getLocation; %v return 2 getLocation:ok",
         "missing-prompt@7", ""},
        {"one user on two streams", DENIED "@t call 1 getLocation; @t return 1 getLocation:ok", "unexpected-success@6",
         ""},
        {"R12: another API", GRANTED "call 2 getLocation; return 2 startRecord:ok", "wrong-api@6", ""},
        {"R12: twice", GRANTED "return 1 getLocation:ok", "second-answer@5", ""},
        {"R12: never, clean end", GRANTED "call 2 getLocation; end", "no-answer@5", ""},
        {"R12: never, the stream goes on", GRANTED "call 2 getLocation; +40000 call 3 getSetting", "no-answer@5", ""},
        {"R12: waiting for its prompt", ASK "+40000 call 3 login; end", "no-answer@3", ""},
        {"R12: answered late", GRANTED "call 2 getLocation; +90000 return 2 getLocation:ok", "", ""},
        {"R14: other failures",
         DENIED "call 2 getLocation; return 2 getLocation:os; call 3 getLocation; return 3 getLocation:denied", "", ""},
        {"R15: dismissed",
         ASK "decision dismiss; return 1 getLocation:dismissed; call 2 getLocation; prompt userLocation", "", ""},
        {"R16: joined",
         ASK "call 2 authorize userLocation; decision allow; return 2 authorize:ok; return 1 getLocation:ok", "", ""},
        {"R16: a second prompt", ASK "call 2 getLocation; prompt userLocation 2", "duplicate-prompt@4", ""},
        {"R16: not waited for", ASK "return 1 getLocation:ok", "decision-ignored@3", ""},
        {"a snapshot shows one instant",
         GRANTED "call 2 getSetting; call 3 startRecord; prompt record 3; settings userLocation off; "
                 "decision allow record; return 3 startRecord:ok; return 2 getSetting:ok userLocation=1 record=1",
         "setting-unasked@11", ""},
    };
    (void)state;
    check_all(cases, sizeof cases / sizeof cases[0], 0);
}

static void partly_seen(void **state)
{
    static const struct history cases[] = {
        {"nothing known",
         "call 1 getLocation; return 1 getLocation:ok; call 2 startRecord; return 2 startRecord:denied", "", ""},
        {"pinned by the first answer",
         "call 1 getLocation; return 1 getLocation:ok; call 2 getLocation; return 2 getLocation:denied",
         "unexpected-failure@3", ""},
        {"a quiet window",
         "call 1 getLocation; return 1 getLocation:ok; +3000 call 2 getLocation; return 2 getLocation:denied", "",
         "settings:userLocation"},
        {"a quiet window, settings seen",
         "start settings; call 1 getLocation; return 1 getLocation:ok; +3000 call 2 getLocation; "
         "return 2 getLocation:denied",
         "", "reset: prompt:userLocation decision:userLocation"},
        {"an openSetting in progress",
         "call 1 getLocation; return 1 getLocation:ok; call 2 openSetting; return 2 openSetting:ok userLocation=0", "",
         "settings:userLocation"},
        {"an unseen prompt", "start fresh; call 1 getLocation; return 1 getLocation:denied", "",
         "prompt:userLocation decision:userLocation"},
        {"an unseen dismissal", "start fresh; call 1 getLocation; return 1 getLocation:dismissed", "",
         "prompt:userLocation decision:userLocation"},
        {"a decision tells of a prompt", "start fresh; call 1 getLocation; decision deny; return 1 getLocation:denied",
         "", "prompt:userLocation"},
        {"a decision while denied",
         "call 1 getLocation; decision deny; return 1 getLocation:denied; call 2 getLocation; decision deny",
         "unexpected-prompt@4", NULL},
        {"one reset for all",
         "call 1 getLocation; return 1 getLocation:ok; call 2 startRecord; return 2 startRecord:ok; "
         "+3000 call 3 getSetting; return 3 getSetting:ok",
         "", "reset:"},
        {"no quiet window while a prompt is up",
         "start decisions,prompts; call 1 getLocation; return 1 getLocation:ok; call 2 startRecord; prompt record 2; "
         "+9000 call 3 getLocation; return 3 getLocation:denied",
         "unexpected-failure@6", NULL},
        {"a gap",
         "start fresh all; call 1 getLocation; gap; return 1 getLocation:ok; call 2 getLocation; "
         "return 2 getLocation:denied",
         "", ""},
        {"a gap hides a prompt",
         "start fresh all; call 1 getLocation; gap; decision deny userLocation; return 1 getLocation:denied; "
         "call 2 getLocation; return 2 getLocation:ok",
         "unexpected-success@6", NULL},
        {"a reset ties the scopes",
         "start prompts,decisions,settings; call 1 getLocation; return 1 getLocation:ok; call 2 startRecord; "
         "return 2 startRecord:ok; +3000 call 3 getLocation; prompt userLocation; decision deny; "
         "return 3 getLocation:denied; call 4 startRecord; return 4 startRecord:ok",
         "missing-prompt@10", NULL},
    };
    (void)state;
    check_all(cases, sizeof cases / sizeof cases[0], 0);
}

/* Rules that the platform lacks: what is no divergence then, and what is not inferred from it. */
static void rules_lacking(void **state)
{
    static const struct history r12[] = {
        {"another API", GRANTED "call 2 getLocation; return 2 startRecord:ok", "", ""},
        {"twice", GRANTED "return 1 getLocation:ok", "", ""},
        {"never, clean end", GRANTED "call 2 getLocation; end", "", ""},
        {"all else", GRANTED "call 2 getLocation; return 2 startRecord:denied", "unexpected-failure@6", ""},
    };
    static const struct history r5[] = {
        {"asked again", GRANTED "call 2 getLocation; prompt userLocation; decision deny; return 2 getLocation:denied",
         "", ""},
        {"asked again unseen", "call 1 getLocation; return 1 getLocation:ok; call 2 getLocation; decision deny", "",
         "prompt:userLocation"},
        {"an answer to a prompt that nobody saw",
         "start settings,resets; call 1 getLocation; return 1 getLocation:ok; call 2 getLocation; "
         "return 2 getLocation:denied; call 3 getLocation; return 3 getLocation:denied",
         "", "prompt:userLocation decision:userLocation"},
    };
    static const struct history r9[] = {
        {"a flip that may have had no effect",
         GRANTED "settings userLocation off; call 2 getLocation; return 2 getLocation:ok; call 3 getSetting; "
                 "return 3 getSetting:ok userLocation=1",
         "", ""},
        {"of a scope that was not asked for", "start fresh all; settings userLocation on", "", ""},
    };
    static const struct history r10[] = {
        {"a reset that may have had no effect", GRANTED "reset; call 2 getLocation; return 2 getLocation:ok", "", ""},
        {"or had one",
         GRANTED "reset; call 2 getLocation; prompt userLocation; decision allow; return 2 getLocation:ok", "", ""},
    };
    (void)state;
    check_all(r12, sizeof r12 / sizeof r12[0], 1u << 12);
    check_all(r5, sizeof r5 / sizeof r5[0], 1u << 5);
    check_all(r9, sizeof r9 / sizeof r9[0], 1u << 9);
    check_all(r10, sizeof r10 / sizeof r10[0], 1u << 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_seen), cmocka_unit_test(partly_seen),
                                       cmocka_unit_test(rules_lacking)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
