/*
 * fuzz_redrive: a file of commands (redrive(5)), and a target that says anything at any time.
 *
 * Input: lines. "C" and a text: the file of commands. Then, one a line: "m" and a message of the target ('#' in it
 * stands for the id of the message that was sent last), "o" the connection is open, "x" it is lost, "t" and a number:
 * so many milliseconds pass.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/redrive.h"

static const char recording[] =
    "{\"t\":1,\"kind\":\"start\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\",\"fresh\":true}\n"
    "{\"t\":2,\"kind\":\"call\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\",\"call\":\"1\",\"api\":\"authorize\","
    "\"scope\":\"scope.record\",\"args\":{\"x\":1}}\n"
    "{\"t\":3,\"kind\":\"decision\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\",\"answer\":\"allow\"}\n"
    "{\"t\":4,\"kind\":\"return\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\",\"call\":\"1\",\"errMsg\":\"authorize:"
    "ok\"}\n"
    "{\"t\":5,\"kind\":\"call\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\",\"call\":\"2\",\"api\":\"openSetting\"}\n"
    "{\"t\":6,\"kind\":\"settings\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\",\"scope\":\"scope.record\","
    "\"granted\":false}\n"
    "{\"t\":7,\"kind\":\"return\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\",\"call\":\"2\",\"errMsg\":"
    "\"openSetting:ok\","
    "\"authSetting\":{\"scope.record\":false}}\n"
    "{\"t\":8,\"kind\":\"call\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"r\",\"call\":\"1\",\"api\":\"startRecord\"}\n"
    "{\"t\":9,\"kind\":\"reset\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\"}\n"
    "{\"t\":10,\"kind\":\"return\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"r\",\"call\":\"1\",\"errMsg\":"
    "\"startRecord:fail auth deny\"}\n";

struct target {
    bool open[8];    /* asked for */
    uint32_t last;   /* the connection that was used last */
    uint64_t n_sent; /* messages: their ids count */
    int64_t last_t_us;
};

static enum at_err on_open(void *net, uint32_t conn, struct at_str address)
{
    struct target *t = net;
    (void)address;
    if (conn < 8)
        t->open[conn] = true;
    t->last = conn;
    return AT_OK;
}

static enum at_err on_send(void *net, uint32_t conn, struct at_str message)
{
    struct target *t = net;
    if (!at_json_valid(message))
        abort(); /* what is sent is JSON, whatever the file of commands says */
    t->last = conn;
    t->n_sent++;
    return AT_OK;
}

static enum at_err on_close(void *net, uint32_t conn)
{
    struct target *t = net;
    if (conn < 8)
        t->open[conn] = false;
    return AT_OK;
}

static enum at_err on_event(void *ctx, const struct at_event *ev)
{
    struct target *t = ctx;
    if (ev->t_us < t->last_t_us || at_event_check(ev, NULL))
        abort(); /* every event is fit for a tape, in the order of time */
    t->last_t_us = ev->t_us;
    return AT_OK;
}

static enum at_err message(struct rd_driver *d, struct target *t, struct at_str line, int64_t now_us)
{
    struct at_buf text = {0};
    enum at_err err = AT_OK;
    for (size_t i = 0; i < line.len && !err; i++)
        err = line.ptr[i] == '#' ? at_buf_printf(&text, "authtape-%llu", (unsigned long long)t->n_sent)
                                 : at_buf_add(&text, line.ptr + i, 1);
    if (!err)
        err = rd_message(d, t->last, at_buf_view(&text), now_us);
    at_buf_free(&text);
    return err;
}

static enum at_err step(struct rd_driver *d, struct target *t, struct at_str line, int64_t *now_us)
{
    struct at_str rest = {line.ptr + 1, line.len - 1};
    char number[12] = "";
    if (line.ptr[0] == 'm')
        return message(d, t, rest, *now_us);
    if (line.ptr[0] == 'o' && t->last < 8 && t->open[t->last])
        return rd_opened(d, t->last, AT_STR("127.0.0.1:1>127.0.0.1:2"), *now_us);
    if (line.ptr[0] == 'x')
        return rd_closed(d, t->last, "lost", *now_us);
    if (line.ptr[0] == 't') {
        memcpy(number, rest.ptr, rest.len < 8 ? rest.len : 8);
        *now_us += (int64_t)(strtoul(number, NULL, 10) % 100000) * 1000;
    }
    return AT_OK;
}

static void drive(const struct rd_plan *plan, const struct rd_commands *commands, const struct at_profile *profile,
                  struct at_str script)
{
    struct target t = {0};
    const struct rd_limits limits = {.timeout_us = 1000000, .patience_us = 100000, .retries = 2, .copies = 2};
    const struct rd_actions actions = {
        .net = &t, .open = on_open, .send = on_send, .close = on_close, .ctx = &t, .event = on_event};
    struct rd_driver *d = NULL;
    int64_t now_us = 1000, next_us = 0;
    enum at_err err = rd_driver_new(plan, commands, AT_STR("ws://h/?u={user}"), profile, &limits, &actions, &d);
    for (size_t at = 0; at < script.len && !err && next_us != INT64_MAX;) {
        const char *end = memchr(script.ptr + at, '\n', script.len - at);
        size_t len = end ? (size_t)(end - script.ptr) - at : script.len - at;
        err = rd_tick(d, now_us, &next_us);
        if (!err && len)
            err = step(d, &t, (struct at_str){script.ptr + at, len}, &now_us);
        at += len + 1;
    }
    /* Whatever it said: with time everything comes to an end. */
    for (int i = 0; i < 10000 && !err && next_us != INT64_MAX; i++) {
        err = rd_tick(d, now_us, &next_us);
        if (next_us != INT64_MAX)
            now_us = next_us > now_us ? next_us : now_us + 1000;
    }
    if (!err && next_us != INT64_MAX)
        abort();
    for (uint32_t copy = 0; copy < 2; copy++)
        for (uint32_t call = 0; call < plan->n_calls; call++) {
            const struct rd_result *r = rd_driver_result(d, copy, call);
            if ((r->fate == RD_ANSWERED) != (r->ret != NULL))
                abort();
        }
    rd_driver_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct at_profile *profile;
    static struct rd_planner *planner;
    static const struct rd_plan *plan;
    struct at_event_parser *parser = NULL;
    if (!planner) {
        const struct at_check_options options = {0};
        struct at_event ev;
        if (at_profile_load(AT_DEFAULT_PROFILE, &profile, NULL) || rd_planner_new(profile, &options, &planner) ||
            at_event_parser_new(&parser))
            abort();
        for (const char *p = recording, *end; (end = strchr(p, '\n')); p = end + 1)
            if (at_event_parse(parser, (struct at_str){p, (size_t)(end - p)}, &ev, NULL) ||
                rd_planner_event(planner, &ev))
                abort();
        at_event_parser_free(&parser);
        if (rd_planner_finish(planner, &plan))
            abort();
    }
    struct at_str script = {(const char *)data, size}, file = {0};
    if (size && data[0] == 'C') {
        const char *end = memchr(data, '\n', size);
        file = (struct at_str){script.ptr + 1, end ? (size_t)(end - script.ptr) - 1 : size - 1};
        script = end ? (struct at_str){end + 1, size - (size_t)(end + 1 - script.ptr)} : (struct at_str){0};
    }
    struct rd_commands *commands = NULL;
    struct at_why why = {""};
    if (rd_commands_parse(file, &commands, &why)) {
        if (!why.text[0])
            abort(); /* a refusal says why */
        return 0;
    }
    drive(plan, commands, profile, script);
    rd_commands_free(&commands);
    return 0;
}
