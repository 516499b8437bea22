/* redrive_events.c: what the target says, read; what happened there, as events in order. Pure. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/redrive_drive.h"

#define ID_PREFIX AT_STR("authtape-")

/* ---- The queue of events */

enum at_err rd_queue_event(struct rd_driver *d, const struct conn *c, const struct at_event *ev, int64_t now_us,
                           bool pending, uint64_t *slot)
{
    const struct runner *r = &d->runners[c->runner];
    const struct rd_key *k = &d->plan->keys[r->key];
    struct at_event whole = *ev;
    enum at_err err = at_grow((void **)&d->slots, &d->cap_slots, d->n_slots + 1, sizeof *d->slots);
    if (err)
        return err;
    whole.t_us = now_us > d->last_us ? now_us : d->last_us;
    whole.app = k->app;
    whole.user = r->user;
    whole.stream = at_str(c->name ? c->name : "");
    if (k->platform.ptr && ev->kind != AT_KIND_END) { /* the end of a connection says nothing of who was there */
        whole.platform = k->platform;
        whole.has |= AT_HAS_PLATFORM;
    }
    err = at_event_check(&whole, NULL);
    if (err)
        return err;
    struct at_event *mine = at_event_clone(&whole);
    if (!mine)
        return AT_NOMEM;
    d->last_us = whole.t_us;
    d->slots[d->n_slots++] = (struct slot){.ev = mine, .pending = pending};
    *slot = d->first_slot + d->n_slots; /* the first one is 1 */
    return AT_OK;
}

void rd_settle_slot(struct rd_driver *d, uint64_t slot, bool happened)
{
    if (slot <= d->first_slot || slot > d->first_slot + d->n_slots)
        return;
    struct slot *s = &d->slots[slot - d->first_slot - 1];
    s->pending = false;
    if (!happened) {
        free(s->ev);
        s->ev = NULL;
    }
}

enum at_err rd_flush_events(struct rd_driver *d)
{
    enum at_err err = AT_OK;
    size_t i = 0;
    for (; i < d->n_slots && !d->slots[i].pending && !err; i++) {
        if (d->slots[i].ev)
            err = d->actions.event(d->actions.ctx, d->slots[i].ev);
        free(d->slots[i].ev);
        d->slots[i].ev = NULL;
    }
    if (i)
        memmove(d->slots, d->slots + i, (d->n_slots - i) * sizeof *d->slots);
    d->n_slots -= i;
    d->first_slot += i;
    return err;
}

enum at_err rd_name_stream(struct conn *c, struct at_str name)
{
    free(c->name);
    c->name = malloc(name.len + 1);
    if (!c->name)
        return AT_NOMEM;
    memcpy(c->name, name.ptr, name.len);
    c->name[name.len] = 0;
    return AT_OK;
}

/* ---- Answers: the same places as the dialect `automator` reads */

static const cJSON *at_place(const cJSON *j, const char *a, const char *b)
{
    j = cJSON_GetObjectItemCaseSensitive(j, a);
    return b ? cJSON_GetObjectItemCaseSensitive(j, b) : j;
}

static const char *text_at(const cJSON *j, const char *a, const char *b)
{
    return cJSON_GetStringValue(at_place(j, a, b));
}

static uint64_t own_id(const cJSON *id)
{
    const char *text = cJSON_GetStringValue(id);
    uint64_t n = 0;
    if (!text || !at_str_starts(at_str(text), ID_PREFIX))
        return 0;
    text += ID_PREFIX.len;
    for (size_t i = 0; text[i]; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 18)
            return 0;
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    return n;
}

static enum at_err read_settings(const cJSON *list, struct rd_answer *a)
{
    int n = cJSON_GetArraySize(list);
    size_t kept = 0;
    if (!cJSON_IsObject(list))
        return AT_OK;
    a->settings = calloc((size_t)n + 1, sizeof *a->settings);
    if (!a->settings)
        return AT_NOMEM;
    for (const cJSON *m = list->child; m; m = m->next)
        if (cJSON_IsBool(m))
            a->settings[kept++] = (struct at_setting){.scope = at_str(m->string), .granted = cJSON_IsTrue(m)};
    a->ev.settings = a->settings;
    a->ev.n_settings = kept;
    a->ev.has |= AT_HAS_AUTH_SETTING;
    return AT_OK;
}

enum at_err rd_answer_read(struct at_str text, struct rd_answer *a)
{
    *a = (struct rd_answer){.ev = {.kind = AT_KIND_RETURN, .has = AT_HAS_CALL}};
    if (!at_json_valid(text))
        return AT_BAD;
    cJSON *j = cJSON_ParseWithLength(text.ptr, text.len);
    if (!cJSON_IsObject(j)) {
        cJSON_Delete(j);
        return AT_BAD;
    }
    a->json = j;
    const cJSON *id = at_place(j, "id", NULL), *error = at_place(j, "error", NULL);
    const cJSON *result = at_place(j, "result", "result");
    const char *words = text_at(j, "error", "message");
    a->has_id = id;
    a->id = own_id(id);
    a->failed = cJSON_IsObject(error) || cJSON_IsString(error);
    if (!words)
        words = cJSON_GetStringValue(error);
    if (!words)
        words = text_at(result, "errMsg", NULL);
    a->ev.err_msg = at_str(words);
    const cJSON *number = at_place(result, "errno", NULL);
    if (!cJSON_IsNumber(number))
        number = at_place(error, "errno", NULL);
    if (cJSON_IsNumber(number) && fabs(number->valuedouble) < 9e15 &&
        number->valuedouble == floor(number->valuedouble)) {
        a->ev.err_no = (int64_t)number->valuedouble;
        a->ev.has |= AT_HAS_ERRNO;
    }
    enum at_err err = read_settings(at_place(result, "authSetting", NULL), a);
    if (err)
        rd_answer_free(a);
    return err;
}

enum at_err rd_answer_name(struct rd_answer *a, struct at_str api)
{
    if (a->ev.err_msg.ptr)
        return AT_OK;
    enum at_err err = at_buf_printf(&a->made, "%.*s:ok", AT_STR_FMT(api));
    a->ev.err_msg = at_buf_view(&a->made);
    return err;
}

void rd_answer_free(struct rd_answer *a)
{
    cJSON_Delete(a->json);
    free(a->settings);
    at_buf_free(&a->made);
    *a = (struct rd_answer){0};
}

/* ---- Calls */

static enum at_err scope_member(const struct at_event *call, struct at_buf *out)
{
    bool list = call->has & AT_HAS_SCOPE_ARRAY;
    enum at_err err = at_buf_str(out, list ? AT_STR("\"scope\":[") : AT_STR("\"scope\":"));
    for (size_t i = 0; i < call->n_scopes && !err; i++) {
        if (i)
            err = at_buf_str(out, AT_STR(","));
        if (!err)
            err = at_json_quote(out, call->scopes[i]);
    }
    return err || !list ? err : at_buf_str(out, AT_STR("]"));
}

enum at_err rd_call_args(const struct at_event *call, struct at_buf *out)
{
    struct at_str kept = call->extra.ptr ? at_json_member(call->extra, "args") : (struct at_str){0};
    struct at_json_iter it;
    struct at_str key, value;
    bool any = call->has & AT_HAS_SCOPE;
    enum at_err err = at_buf_str(out, AT_STR("{"));
    if (!err && any)
        err = scope_member(call, out);
    if (!err && kept.ptr && kept.ptr[0] == '{') {
        at_json_iter_begin(&it, kept);
        while (!err && at_json_iter_next(&it, &key, &value)) {
            if (at_str_eq(key, AT_STR("\"scope\"")) && call->has & AT_HAS_SCOPE)
                continue;
            err = at_buf_printf(out, "%s%.*s:%.*s", any ? "," : "", AT_STR_FMT(key), AT_STR_FMT(value));
            any = true;
        }
    }
    return err ? err : at_buf_str(out, AT_STR("}"));
}

/* ---- The driver as a whole */

static enum at_err set_user(struct runner *r, struct at_str user)
{
    char number[16] = "";
    if (r->copy)
        snprintf(number, sizeof number, "-%u", r->copy + 1);
    size_t more = strlen(number);
    char *text = malloc(user.len + more + 1);
    if (!text)
        return AT_NOMEM;
    memcpy(text, user.ptr, user.len);
    memcpy(text + user.len, number, more + 1);
    r->user = (struct at_str){text, user.len + more};
    return AT_OK;
}

static enum at_err place_streams(struct rd_driver *d)
{
    const struct rd_plan *p = d->plan;
    d->place_in_key = calloc(p->n_streams + 1, sizeof *d->place_in_key);
    d->streams_of = calloc(p->n_keys + 1, sizeof *d->streams_of);
    if (!d->place_in_key || !d->streams_of)
        return AT_NOMEM;
    for (size_t i = 0; i < p->n_streams; i++)
        d->place_in_key[i] = d->streams_of[p->streams[i].key]++;
    return AT_OK;
}

enum at_err rd_driver_new(const struct rd_plan *plan, const struct rd_commands *commands, struct at_str target,
                          const struct at_profile *profile, const struct rd_limits *limits,
                          const struct rd_actions *actions, struct rd_driver **out)
{
    struct rd_driver *d = calloc(1, sizeof *d);
    size_t copies = limits->copies;
    *out = d;
    if (!d)
        return AT_NOMEM;
    d->plan = plan;
    d->commands = commands;
    d->target = target;
    d->profile = profile;
    d->limits = *limits;
    d->actions = *actions;
    d->conns = calloc(plan->n_streams * copies + 1, sizeof *d->conns);
    d->runners = calloc(plan->n_keys * copies + 1, sizeof *d->runners);
    d->results = calloc(plan->n_calls * copies + 1, sizeof *d->results);
    enum at_err err = d->conns && d->runners && d->results ? place_streams(d) : AT_NOMEM;
    for (uint32_t copy = 0; copy < copies && !err; copy++)
        for (uint32_t key = 0; key < plan->n_keys && !err; key++) {
            struct runner *r = &d->runners[d->n_runners];
            *r = (struct runner){.key = key, .copy = copy, .first_conn = d->n_conns};
            for (uint32_t i = 0; i < d->streams_of[key]; i++)
                d->conns[d->n_conns++].runner = d->n_runners;
            d->n_runners++;
            d->running++;
            err = set_user(r, plan->keys[key].user);
        }
    if (err)
        rd_driver_free(out);
    return err;
}

void rd_driver_free(struct rd_driver **out)
{
    struct rd_driver *d = *out;
    if (!d)
        return;
    for (size_t i = 0; i < d->n_slots; i++)
        free(d->slots[i].ev);
    for (size_t i = 0; d->results && i < d->plan->n_calls * d->limits.copies; i++)
        free(d->results[i].ret);
    for (uint32_t i = 0; i < d->n_runners; i++)
        free((char *)(uintptr_t)d->runners[i].user.ptr);
    for (uint32_t i = 0; i < d->n_conns; i++)
        free(d->conns[i].name);
    free(d->slots);
    free(d->results);
    free(d->runners);
    free(d->conns);
    free(d->place_in_key);
    free(d->streams_of);
    free(d->sent);
    at_buf_free(&d->scratch);
    free(d);
    *out = NULL;
}

void rd_driver_counts(const struct rd_driver *d, struct rd_counts *out)
{
    *out = d->counts;
}

struct rd_result *rd_result_of(struct rd_driver *d, const struct runner *r, uint32_t call)
{
    return &d->results[(size_t)r->copy * d->plan->n_calls + call];
}

const struct rd_result *rd_driver_result(const struct rd_driver *d, uint32_t copy, uint32_t call)
{
    return &d->results[(size_t)copy * d->plan->n_calls + call];
}

bool rd_driver_call_of(const struct rd_driver *d, struct at_str id, uint32_t *copy, uint32_t *call)
{
    uint64_t n = 0;
    if (!id.ptr || !at_str_starts(id, ID_PREFIX))
        return false;
    for (size_t i = ID_PREFIX.len; i < id.len; i++)
        n = n * 10 + (uint64_t)(id.ptr[i] - '0');
    if (n == 0 || n > d->n_sent || d->sent[n - 1].kind != SENT_CALL)
        return false;
    *copy = d->runners[d->sent[n - 1].runner].copy;
    *call = d->sent[n - 1].call;
    return true;
}

struct at_str rd_driver_user(const struct rd_driver *d, uint32_t copy, uint32_t key)
{
    return d->runners[(size_t)copy * d->plan->n_keys + key].user;
}

uint64_t rd_event_of(const struct rd_driver *d, const struct runner *r)
{
    const struct rd_key *k = &d->plan->keys[r->key];
    return r->at < k->n_steps ? k->steps[r->at].event : k->n_steps ? k->steps[k->n_steps - 1].event : 0;
}
