/* fuzz_mapping.c: any bytes as a mapping; what compiles is put to work on messages that use much of the language. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

static const char *const bodies[] = {
    "{\"id\":1,\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"authorize\",\"args\":[{\"scope\":\"s\"}]}}",
    "{\"id\":1,\"result\":{\"result\":{\"errMsg\":\"authorize:ok\",\"authSetting\":{\"s\":true,\"t\":1}}}}",
    "{\"id\":1,\"api\":\"wx.getSetting\",\"appid\":\"a\",\"openid\":\"o\",\"args\":{\"scope\":[\"x\",\"y\"]}}",
    "{\"id\":1,\"errMsg\":\"getSetting:ok\",\"errno\":1e2,\"authSetting\":[{\"name\":\"s\",\"state\":1}]}",
    "{\"device\":{\"os\":2},\"records\":[{\"tag\":\"auth\",\"payload\":\"[{\\\"type\\\":\\\"req\\\"}]\"}]}",
    "[{\"kind\":\"call\",\"t\":1,\"call\":\"1\",\"api\":\"a\"},null,\"\\ud83d\\u0000\",-1.5E-3]",
};

static enum at_err count(void *ctx, const struct at_event *ev, bool own_time)
{
    (void)own_time;
    if (at_event_check(ev, NULL))
        abort(); /* what is no event must not come out */
    ++*(size_t *)ctx;
    return AT_OK;
}

static enum at_err note(void *ctx, const struct at_event *ev)
{
    (void)ev;
    ++*(size_t *)ctx;
    return AT_OK;
}

static enum at_err identify(void *ctx, const struct at_message *m, struct at_names *out)
{
    (void)ctx, (void)m, (void)out;
    return AT_OK;
}

/* A rule has a place, and a reason where what it gave is no event. */
static void on_rule(void *ctx, const struct at_message *m, struct at_str place, const char *unfit)
{
    (void)m;
    if (!at_str_starts(place, AT_STR("/rules/")) || (unfit && !unfit[0]))
        abort();
    *(uint64_t *)ctx += unfit != NULL;
}

static struct at_apis *apis;

static void work(struct at_dialect *d)
{
    struct at_arena arena = {0};
    static struct at_docs docs;
    struct at_doc doc = {0};
    static struct at_finder finder;
    struct at_dialect_state state = {0};
    struct at_last_reports last = {0};
    struct at_tracer_stats stats = {0};
    size_t events = 0, noted = 0;
    uint64_t unfits = 0;
    struct at_lead lead = {0};
    const struct at_watch watch = {&unfits, on_rule};
    struct at_needles needles = {0};
    const struct at_hold_options hold_options = {.hold_ms = 1, .lag_ms = d->own_times, .hold_events = 8};
    struct at_run run = {.dialect = d,
                         .kinds = UINT32_MAX,
                         .state = &state,
                         .last = &last,
                         .apis = apis,
                         .arena = &arena,
                         .docs = &docs,
                         .finder = &finder,
                         .stats = &stats,
                         .note = note,
                         .ctx = &noted,
                         .watch = &watch,
                         .lead = &lead,
                         .identify = identify};
    struct at_stream stream = {.name = AT_STR("1.1.1.1:1>2.2.2.2:2"),
                               .target = AT_STR("/log?openid=a%41+"),
                               .headers = AT_STR("X-App-Id: x\r\n")};
    at_gate_set_up(&needles, d);
    if (at_finder_room(&finder, d->n_places) || at_hold_new(&hold_options, count, &events, &run.hold) ||
        at_seen_new(&run.seen) || at_event_parser_new(&run.parser))
        abort();
    for (unsigned i = 0; i < 24; i++) {
        struct at_message m = {.t_us = 1000 * i,
                               .packet = i + 1,
                               .stream = &stream,
                               .body = at_str(bodies[i % 6]),
                               .dir = i / 6 % 2 ? AT_DIR_SERVER : AT_DIR_CLIENT,
                               .proto = i / 12 ? AT_PROTO_HTTP : AT_PROTO_WEBSOCKET,
                               .exchange = i / 12 ? 1 + i % 2 : 0};
        struct at_gate gate = {.doc = &doc};
        size_t before = noted;
        uint64_t unfit = stats.unfit;
        if (at_doc_index(&doc, m.body))
            abort();
        bool open = at_gate_open(&needles, d, &m, &state.pairs, &gate, &run.answered);
        if (at_run_message(&run, &m, &doc) || at_hold_tick(run.hold, m.t_us))
            abort();
        if (unfits != stats.unfit || (!open && (noted > before || stats.unfit > unfit)))
            abort(); /* the gate must not keep out what would have made an event */
        at_arena_release(&arena, (struct at_arena_mark){0});
        docs.used = 0;
    }
    if (at_hold_finish(run.hold))
        abort();
    at_dialect_state_free(&state, run.hold);
    at_hold_free(&run.hold);
    at_seen_free(&run.seen);
    at_event_parser_free(&run.parser);
    at_arena_free(&arena);
    at_doc_free(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct at_dialect *d = NULL;
    struct at_why why = {{0}};
    if (!apis && at_apis_new(&apis, &why))
        abort();
    enum at_err err = at_dialect_compile((struct at_str){(const char *)data, size}, "fuzz", &d, &why);
    if (err ? d || !why.text[0] || strlen(why.text) >= sizeof why.text : !d)
        abort();
    if (d)
        work(d);
    at_dialect_free(&d);
    return 0;
}
