/*
 * test_ways.c: the ways in which the checker does the same: on columns or on branches, event by event or in batches, on
 * one thread or on several. All say the same, word for word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "replay/replay.h"

static const char *const scopes[] = {"scope.userInfo", "scope.userLocation", "scope.werun", "scope.record",
                                     "scope.nonsense"};
static const char *const apis[] = {"getUserInfo", "getLocation", "getWeRunData", "startRecord", "login"};
static const char *const texts[] = {"ok", "fail auth deny", "fail auth canceled", "fail timeout"};

static uint64_t random_state;

static unsigned below(unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

/* What a sink was told, and the totals. */
struct told {
    struct at_buf text;
    struct at_check_totals totals;
};

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct told *t = ctx;
    enum at_err err =
        at_buf_printf(&t->text, "%d %s @%llu %.*s %.*s %.*s %.*s %s %s %s\n", (int)d->cls, d->rule,
                      (unsigned long long)d->at.event, AT_STR_FMT(d->user), AT_STR_FMT(d->scope), AT_STR_FMT(d->call),
                      AT_STR_FMT(d->platform), d->expected, d->observed, d->explanation);
    for (size_t i = 0; i < d->n_witness && !err; i++)
        err = at_buf_printf(&t->text, " %llu %lld %s\n", (unsigned long long)d->witness[i].at.event,
                            (long long)d->witness[i].at.t_us, d->witness[i].text);
    return err;
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    struct told *t = ctx;
    return at_buf_printf(&t->text, "inferred %d %.*s %.*s %.*s %d %d %llu-%llu\n", (int)i->kind, AT_STR_FMT(i->user),
                         AT_STR_FMT(i->scope), AT_STR_FMT(i->platform), (int)i->answer, i->granted,
                         (unsigned long long)i->after.event, (unsigned long long)i->before.event);
}

static enum at_err on_hint(void *ctx, const char *text)
{
    struct told *t = ctx;
    return at_buf_printf(&t->text, "hint %s\n", text);
}

/* Any event at all of one of the users; mostly such as could be. */
struct writer {
    struct at_tape_encoder *enc;
    struct at_buf bytes;
    int64_t t_us;
    unsigned users, open[64]; /* the last call of each user */
    bool waiting[64];         /* for its answer */
    bool shared;              /* users share streams */
};

/* 0…4: an API, 5: authorize, 6: getSetting, 7: openSetting. */
static unsigned kind_of_call(unsigned number)
{
    unsigned what = number * 7 % 23;
    return what < 5 || what > 18 ? what % 5 : what < 17 ? what % 6 : what == 17 ? 6 : 7;
}

static void write_event(struct writer *w)
{
    char user[16], stream[16], call[16], err_msg[64];
    unsigned u = below(w->users), s = below(5), dice = below(100);
    struct at_str scope = at_str(scopes[s]);
    struct at_setting settings[4];
    struct at_event ev = {.has = AT_HAS_PLATFORM, .scopes = &scope, .settings = settings};
    w->t_us += below(3) ? below(1000) : below(2000000);
    snprintf(user, sizeof user, "u%u", u);
    snprintf(stream, sizeof stream, "s%u", w->shared ? u / 2 : u * 2 + below(2));
    ev.t_us = w->t_us;
    ev.app = AT_STR("a");
    ev.user = at_str(user);
    ev.stream = at_str(stream);
    ev.platform = u % 2 ? AT_STR("ios") : AT_STR("android");
    ev.kind = dice < 30   ? AT_KIND_CALL
              : dice < 62 ? AT_KIND_RETURN
              : dice < 74 ? AT_KIND_PROMPT
              : dice < 86 ? AT_KIND_DECISION
              : dice < 90 ? AT_KIND_SETTINGS
              : dice < 92 ? AT_KIND_SETTINGS_PAGE
              : dice < 94 ? AT_KIND_RESET
              : dice < 97 ? AT_KIND_START
              : dice < 99 ? AT_KIND_END
                          : AT_KIND_GAP;
    if (ev.kind == AT_KIND_CALL && w->waiting[u] && below(20)) /* few calls stay open */
        ev.kind = AT_KIND_RETURN;
    w->waiting[u] = ev.kind == AT_KIND_CALL || (w->waiting[u] && ev.kind != AT_KIND_RETURN);
    unsigned what = kind_of_call(w->open[u]);
    if (ev.kind == AT_KIND_CALL)
        what = kind_of_call(++w->open[u]);
    snprintf(call, sizeof call, "%u", w->open[u] - (ev.kind == AT_KIND_CALL ? 0 : below(12) == 0));
    const char *api = what < 5 ? apis[what] : what == 5 ? "authorize" : what == 6 ? "getSetting" : "openSetting";
    snprintf(err_msg, sizeof err_msg, "%s:%s", below(40) ? api : "wrong", what > 5 ? "ok" : texts[below(4)]);
    if (ev.kind == AT_KIND_CALL || ev.kind == AT_KIND_RETURN || (ev.kind == AT_KIND_PROMPT && below(2))) {
        ev.call = at_str(call);
        ev.has |= AT_HAS_CALL;
    }
    ev.api = ev.kind == AT_KIND_CALL ? at_str(api) : (struct at_str){0};
    ev.err_msg = ev.kind == AT_KIND_RETURN ? at_str(err_msg) : (struct at_str){0};
    if ((ev.kind == AT_KIND_CALL && what == 5) || ev.kind == AT_KIND_PROMPT || ev.kind == AT_KIND_SETTINGS ||
        (ev.kind == AT_KIND_DECISION && below(2))) {
        ev.n_scopes = 1;
        ev.has |= AT_HAS_SCOPE;
    }
    ev.answer = ev.kind == AT_KIND_DECISION ? (enum at_answer)(1 + below(3)) : 0;
    ev.granted = ev.kind == AT_KIND_SETTINGS && below(2);
    if (ev.kind == AT_KIND_SETTINGS_PAGE || (ev.kind == AT_KIND_RETURN && what > 5)) {
        for (unsigned i = 0; i < 4; i++)
            if (below(2))
                settings[ev.n_settings++] = (struct at_setting){.scope = at_str(scopes[i]), .granted = below(2)};
        ev.has |= AT_HAS_AUTH_SETTING;
    }
    if (ev.kind == AT_KIND_START) {
        ev.has |= AT_HAS_OBSERVES | AT_HAS_FRESH;
        ev.fresh = below(2);
        for (uint8_t i = 0; i < AT_SIGHTS; i++)
            if (below(2))
                ev.observes[ev.n_observes++] = i;
    }
    assert_int_equal(at_tape_encode(w->enc, &ev, &w->bytes), AT_OK);
}

static void write_tape(const char *path, uint64_t seed, unsigned events, bool shared)
{
    struct writer w = {.t_us = 1700000000000000, .users = 2 + (unsigned)(seed % 30), .shared = shared};
    const struct at_tape_options options = {.frame_events = 64, .segment_events = 256};
    random_state = seed;
    assert_int_equal(at_tape_encoder_new(&options, &w.enc), AT_OK);
    for (unsigned i = 0; i < events; i++)
        write_event(&w);
    assert_int_equal(at_tape_encode_finish(w.enc, &w.bytes), AT_OK);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(w.bytes.ptr, 1, w.bytes.len, f), w.bytes.len);
    assert_int_equal(fclose(f), 0);
    at_buf_free(&w.bytes);
    at_tape_encoder_free(&w.enc);
}

static void get_whole(void *ctx, size_t i, struct at_event *ev)
{
    at_reader_batch_event(ctx, i, ev);
}

/* One checker. */
static void check(const char *path, const struct at_profile *p, const struct at_check_options *options, bool batches,
                  struct told *t)
{
    const struct at_check_sink sink = {.ctx = t, .divergence = on_divergence, .inferred = on_inferred, .hint = on_hint};
    struct at_checker *c;
    struct at_reader *r;
    struct at_event ev;
    struct at_tape_batch b;
    uint64_t index;
    enum at_err err;
    assert_int_equal(at_reader_open(&path, 1, NULL, &r, NULL), AT_OK);
    assert_int_equal(at_checker_new(p, options, &sink, &c), AT_OK);
    const struct at_whole_events whole = {.ctx = r, .get = get_whole};
    while (batches && !(err = at_reader_next_batch(r, &b, &index, NULL)))
        assert_int_equal(at_checker_batch(c, &b, index, &whole), AT_OK);
    while (!batches && !(err = at_reader_next(r, &ev, &index, NULL)))
        assert_int_equal(at_checker_event(c, &ev, index), AT_OK);
    assert_int_equal(at_checker_finish(c), AT_OK);
    at_checker_totals(c, &t->totals);
    at_checker_free(&c);
    at_reader_close(&r);
}

static void same(struct told *a, struct told *b)
{
    assert_int_equal(at_buf_add(&a->text, "", 1) | at_buf_add(&b->text, "", 1), AT_OK);
    assert_string_equal(a->text.ptr, b->text.ptr);
    assert_memory_equal(&a->totals, &b->totals, sizeof a->totals);
    a->text.len--;
    at_buf_free(&b->text);
}

static void compare(const char *path, const struct at_profile *p, struct at_check_options options, bool shared)
{
    struct told long_way = {.totals = {0}}, one = {.totals = {0}}, batch = {.totals = {0}};
    options.on_branches = true;
    check(path, p, &options, false, &long_way);
    options.on_branches = false;
    check(path, p, &options, false, &one);
    same(&long_way, &one);
    check(path, p, &options, true, &batch);
    same(&long_way, &batch);
    for (unsigned threads = 2; threads <= 5; threads++) {
        struct told many = {.totals = {0}};
        struct at_check_result result;
        const struct at_check_sink sink = {
            .ctx = &many, .divergence = on_divergence, .inferred = on_inferred, .hint = on_hint};
        enum at_err err = at_check_tape(path, threads, p, &options, &sink, &result);
        many.totals = result.totals;
        if (err == AT_NOTFOUND && (shared || long_way.totals.inconclusive)) { /* it told as much as it was sure of */
            assert_true(many.text.len == 0 || !strncmp(many.text.ptr, long_way.text.ptr, many.text.len));
            at_buf_free(&many.text);
            continue;
        }
        assert_int_equal(err, AT_OK);
        same(&long_way, &many);
    }
    assert_true(long_way.totals.divergences > 10 && long_way.totals.undetermined > 0);
    at_buf_free(&long_way.text);
}

static void all_ways_say_the_same(void **state)
{
    (void)state;
    char path[] = "/tmp/authtape-ways.XXXXXX";
    int fd = mkstemp(path);
    struct at_profile *p;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(at_profile_load(AT_DEFAULT_PROFILE, &p, NULL), AT_OK);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        const struct at_check_options options = {.strict = seed % 5 == 0,
                                                 .has_quiet_ms = seed % 3 == 0,
                                                 .quiet_ms = seed % 2 ? 0 : 500,
                                                 .configurations = 500};
        write_tape(path, seed, 1500, seed % 4 == 0);
        compare(path, p, options, seed % 4 == 0);
    }
    unlink(path);
    at_profile_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_ways_say_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
