/* where.c: in which state was it then, and why; and everything that happened to one user. */
#include "replay/where.h"

#include <stdlib.h>
#include <string.h>

#include "replay/print.h"
#include "replay/weak.h"
#include "replay/words.h"

#define ALL_STATES ((1u << AT_STATES) - 1)
#define EVENT_DIGITS 11u /* more are microseconds since the epoch */

bool where_parse_at(struct where *w, const struct at_cli *cli)
{
    const char *text = cli->arg + (cli->arg[0] == '#');
    size_t digits = strspn(text, "0123456789");
    if (digits && !text[digits] && digits <= EVENT_DIGITS) {
        w->event = strtoull(text, NULL, 10);
        w->at_event = true;
        return true;
    }
    if (cli->arg[0] == '#' || at_time_parse(cli->arg, &w->t_us)) {
        at_cli_usage(cli->command, "--at '%s': the number of an event or a time is needed", cli->arg);
        return false;
    }
    w->at_time = true;
    return true;
}

struct answer {
    const struct where *w;
    const struct at_profile *profile;
    bool json;
    struct at_checker *checker;
    struct at_history *history;
    struct at_place last; /* the last event that was read */
    bool any;
    char **streams; /* by key: the one that it was first seen on */
    uint8_t *masks; /* by key and scope: the states last printed */
    uint32_t n_keys;
    struct at_buf out, found; /* found: divergences of the event at hand */
};

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct answer *a = ctx;
    if (a->json) {
        enum at_err err = print_separator(&a->found, ",");
        return err ? err : print_divergence_object(&a->found, d, false);
    }
    return at_buf_printf(&a->found, "       %s (%s): %s\n", at_divergence_text(d->cls), d->rule, d->explanation);
}

/* Makes room for the keys that the last event made. */
static enum at_err note_keys(struct answer *a, const struct at_event *ev)
{
    struct at_str app, user;
    size_t n_scopes = a->profile->n_scopes;
    while (checker_key(a->checker, a->n_keys, &app, &user)) {
        char **streams = realloc(a->streams, (a->n_keys + 1) * sizeof *streams);
        if (!streams)
            return AT_NOMEM;
        a->streams = streams;
        uint8_t *masks = realloc(a->masks, (a->n_keys + 1) * n_scopes + 1);
        if (!masks)
            return AT_NOMEM;
        a->masks = masks;
        memset(masks + a->n_keys * n_scopes, ALL_STATES, n_scopes);
        streams[a->n_keys] = strndup(ev->stream.ptr, ev->stream.len);
        if (!streams[a->n_keys])
            return AT_NOMEM;
        a->n_keys++;
    }
    return AT_OK;
}

/* ------------------------------------------------------------------------------------------------- --at ---- */

static enum at_err because(struct answer *a, const struct at_reason *r)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < r->n_witness && !err; i++)
        err = at_buf_printf(&a->out, "%s#%llu %s", i ? ", " : "  because ", (unsigned long long)r->witness[i].at.event,
                            r->witness[i].text);
    return err ? err : at_buf_str(&a->out, AT_STR("\n"));
}

static enum at_err one_scope(struct answer *a, uint32_t key, size_t s, struct at_str app, struct at_str user)
{
    uint8_t states = checker_states(a->checker, key, s);
    struct at_reason why = {0};
    struct at_str name = a->profile->scopes[s].name;
    enum at_err err = AT_OK;
    if (states != ALL_STATES)
        err = at_history_explain_states(a->history, app, user, at_str(a->streams[key]), s, states, &why);
    if (err)
        return err;
    if (!a->json) {
        err = at_buf_printf(&a->out, "    %-24.*s ", AT_STR_FMT(name));
        if (!err)
            err = words_states(&a->out, states);
        return err ? err : because(a, &why);
    }
    err = at_buf_printf(&a->out, "%s{\"scope\":", s ? ",\n   " : "\n   ");
    if (!err)
        err = at_json_quote(&a->out, name);
    if (!err)
        err = print_states_member(&a->out, states);
    if (!err)
        err = print_witness_member(&a->out, why.witness, why.n_witness);
    return err ? err : at_buf_str(&a->out, AT_STR("}"));
}

static enum at_err one_key(struct answer *a, uint32_t key)
{
    struct at_str app, user;
    enum at_err err = AT_OK;
    if (!checker_key(a->checker, key, &app, &user))
        return AT_OK;
    if (a->json) {
        err = at_buf_printf(&a->out, "%s\n  {\"app\":", key ? "," : "");
        if (!err)
            err = at_json_quote(&a->out, app);
        if (!err)
            err = at_buf_str(&a->out, AT_STR(",\"user\":"));
        if (!err)
            err = at_json_quote(&a->out, user);
        if (!err)
            err = at_buf_str(&a->out, AT_STR(",\"scopes\":["));
    } else {
        err = at_buf_printf(&a->out, "app %.*s  user %.*s", AT_STR_FMT(app), AT_STR_FMT(user));
        if (!err && a->profile->per_device)
            err = at_buf_printf(&a->out, "  stream %s", a->streams[key]);
        if (!err)
            err = at_buf_str(&a->out, AT_STR("\n"));
    }
    for (size_t s = 0; s < a->profile->n_scopes && !err; s++)
        err = one_scope(a, key, s, app, user);
    return err || !a->json ? err : at_buf_str(&a->out, AT_STR("]}"));
}

static enum at_err say_states(struct answer *a)
{
    char time[40];
    int64_t t_us = a->w->at_time ? a->w->t_us : a->last.t_us;
    at_time_text(t_us, time);
    enum at_err err =
        a->json ? at_buf_printf(&a->out, "{\"schema\":\"authtape.where/1\",\"event\":%llu,\"t\":%lld,\"keys\":[",
                                (unsigned long long)a->last.event, (long long)t_us)
                : at_buf_printf(&a->out, "after #%llu, %s\n", (unsigned long long)a->last.event, time);
    for (uint32_t i = 0; i < a->n_keys && !err; i++)
        err = one_key(a, i);
    return err || !a->json ? err : at_buf_str(&a->out, AT_STR("]}\n"));
}

/* Time goes on to --at without an event: what could have happened silently until then has. */
static enum at_err pass_time(struct answer *a)
{
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < a->n_keys && !err; i++) {
        struct at_event tick = {.kind = AT_KIND_RETURN, .t_us = a->w->t_us, .has = AT_HAS_CALL, .call = AT_STR("\n")};
        tick.stream = at_str(a->streams[i]);
        if (!checker_key(a->checker, i, &tick.app, &tick.user))
            continue;
        err = at_history_add(a->history, &tick, a->last.event);
        if (!err)
            err = at_checker_event(a->checker, &tick, a->last.event);
    }
    return err;
}

/* ------------------------------------------------------------------------------------------- --timeline ---- */

/* What an event changed of what the scopes could be in. */
static enum at_err say_changes(struct answer *a)
{
    enum at_err err = AT_OK;
    size_t n_scopes = a->profile->n_scopes;
    bool first = true;
    for (size_t i = 0; i < a->n_keys * n_scopes && !err; i++) {
        uint8_t states = checker_states(a->checker, (uint32_t)(i / n_scopes), i % n_scopes);
        if (states == a->masks[i])
            continue;
        a->masks[i] = states;
        struct at_str name = a->profile->scopes[i % n_scopes].name;
        if (a->json) {
            err = at_buf_printf(&a->out, "%s{\"scope\":", first ? "" : ",");
            if (!err)
                err = at_json_quote(&a->out, name);
            if (!err)
                err = print_states_member(&a->out, states);
            if (!err)
                err = at_buf_str(&a->out, AT_STR("}"));
        } else {
            err = at_buf_printf(&a->out, "         %.*s: ", AT_STR_FMT(name));
            if (!err)
                err = states == ALL_STATES ? at_buf_str(&a->out, AT_STR("anything")) : words_states(&a->out, states);
            if (!err)
                err = at_buf_str(&a->out, AT_STR("\n"));
        }
        first = false;
    }
    return err;
}

static enum at_err say_event(struct answer *a, const struct at_event *ev, uint64_t index, bool first)
{
    const struct at_moment m = {.ev = ev, .event = index};
    struct at_buf *out = &a->out;
    enum at_err err;
    if (!a->json) {
        err = excerpt_event(out, a->profile, &m, AT_NO_SCOPE);
        if (!err)
            err = at_buf_str(out, AT_STR("\n"));
        if (!err)
            err = at_buf_str(out, at_buf_view(&a->found));
        return err ? err : say_changes(a);
    }
    err = at_buf_printf(out, "%s\n  {\"event\":%llu,\"t\":%lld,\"kind\":\"%s\",\"changes\":[", first ? "" : ",",
                        (unsigned long long)index, (long long)ev->t_us, at_kind_text(ev->kind));
    if (!err)
        err = say_changes(a);
    if (!err)
        err = at_buf_printf(out, "],\"divergences\":[%.*s]}", AT_STR_FMT(at_buf_view(&a->found)));
    return err;
}

/* --------------------------------------------------------------------------------------------- Both of them ---- */

static enum at_err flush_out(struct answer *a)
{
    fwrite(a->out.ptr, 1, a->out.len, stdout);
    a->out.len = 0;
    return fflush(stdout) ? AT_CLOSED : AT_OK;
}

static enum at_err read_events(struct answer *a, struct at_reader *reader, struct at_why *why)
{
    struct at_event ev;
    uint64_t index;
    enum at_err err = AT_OK;
    while (!err && !(err = at_reader_next(reader, &ev, &index, why))) {
        if ((a->w->at_event && index > a->w->event) || (a->w->at_time && ev.t_us > a->w->t_us))
            return AT_OK;
        a->found.len = 0;
        if (!a->w->timeline)
            err = at_history_add(a->history, &ev, index);
        if (!err)
            err = at_checker_event(a->checker, &ev, index);
        if (!err)
            err = note_keys(a, &ev);
        if (!err && a->w->timeline)
            err = say_event(a, &ev, index, !a->any);
        if (!err && a->out.len)
            err = flush_out(a);
        a->last = (struct at_place){.event = index, .t_us = ev.t_us};
        a->any = true;
    }
    return err == AT_END ? AT_OK : err;
}

static enum at_err answer(struct answer *a, struct at_reader *reader, struct at_why *why)
{
    enum at_err err = a->json && a->w->timeline
                          ? at_buf_str(&a->out, AT_STR("{\"schema\":\"authtape.timeline/1\",\"timeline\":["))
                          : AT_OK;
    if (!err)
        err = read_events(a, reader, why);
    at_cli_warn_damage(reader);
    if (err)
        return err;
    if (!a->any)
        return at_fail(why, AT_NOTFOUND, "replay: nothing is known of user '%.*s' %s", AT_STR_FMT(a->w->user),
                       a->w->timeline ? "on this recording" : "at that place");
    if (a->w->at_time)
        err = pass_time(a);
    if (!err && !a->w->timeline)
        err = say_states(a);
    if (!err && a->w->timeline && a->json)
        err = at_buf_str(&a->out, AT_STR("]}\n"));
    return err ? err : flush_out(a);
}

enum at_err where_answer(const struct where *w, const struct at_profile *profile, const struct at_check_options *check,
                         const struct at_reader_options *options, const char *const *paths, size_t n_paths, bool json,
                         struct at_why *why)
{
    struct answer a = {.w = w, .profile = profile, .json = json};
    const struct at_check_sink sink = {.ctx = &a, .divergence = on_divergence};
    struct at_reader_options only = *options;
    struct at_check_options on_branches = *check;
    struct at_reader *reader = NULL;
    only.user = w->user;
    only.app = w->app;
    on_branches.on_branches = true;
    enum at_err err = at_reader_open(paths, n_paths, &only, &reader, why);
    if (!err)
        err = at_checker_new(profile, &on_branches, &sink, &a.checker);
    if (!err)
        err = at_history_new(profile, check, 0, &a.history);
    if (!err)
        err = answer(&a, reader, why);
    for (uint32_t i = 0; i < a.n_keys; i++)
        free(a.streams[i]);
    free(a.streams);
    free(a.masks);
    at_buf_free(&a.out);
    at_buf_free(&a.found);
    at_history_free(&a.history);
    at_checker_free(&a.checker);
    at_reader_close(&reader);
    return err;
}
