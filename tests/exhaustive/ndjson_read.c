/* ndjson_read.c: one line of NDJSON to an event, with just enough of JSON for it. */
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "json.h"
#include "names.h"

#define VALUE_BYTES 256

static int scope_number(const char *name)
{
    return strncmp(name, "scope.", 6) ? -1 : find_name(scope_names, SCOPES, name + 6);
}

/* A string or an array of strings. */
static const char *read_scopes(const char *p, struct event *e)
{
    char name[VALUE_BYTES];
    bool array = *(p = json_space(p)) == '[';
    e->scope = NO_SCOPE;
    for (p += array; p && *json_space(p) != ']'; p = json_space(p) + (*json_space(p) == ',')) {
        p = json_string(p, name, sizeof name);
        if (!p)
            return NULL;
        int s = scope_number(name);
        if (s >= 0) {
            e->scope = (uint8_t)s;
            e->scopes |= (uint8_t)(1 << s);
        }
        if (!array)
            return p;
    }
    return p ? json_space(p) + 1 : NULL;
}

static const char *read_snapshot(const char *p, struct event *e)
{
    char name[VALUE_BYTES];
    if (*(p = json_space(p)) != '{')
        return NULL;
    e->has_snapshot = true;
    for (p = json_space(p + 1); *p && *p != '}'; p = json_space(p)) {
        p = json_string(p, name, sizeof name);
        if (!p || *(p = json_space(p)) != ':')
            return NULL;
        p = json_space(p + 1);
        int s = scope_number(name);
        if (s >= 0)
            e->snapshot |= (uint16_t)((*p == 't' ? G : D) << 2 * s);
        p = json_space(json_skip(p));
        p += *p == ',';
    }
    return *p ? p + 1 : NULL;
}

static const char *read_observes(const char *p, struct event *e)
{
    char name[VALUE_BYTES];
    if (*(p = json_space(p)) != '[')
        return NULL;
    for (p = json_space(p + 1); *p && *p != ']'; p = json_space(p)) {
        p = json_string(p, name, sizeof name);
        if (!p)
            return NULL;
        int at = find_name(sight_names, 4, name);
        if (at >= 0)
            e->observes |= (uint8_t)(1 << at);
        p = json_space(p);
        p += *p == ',';
    }
    return *p ? p + 1 : NULL;
}

static void set_api(struct event *e, const char *api)
{
    int s = find_name(scope_apis, SCOPES, api);
    if (!strcmp(api, "RecorderManager.start"))
        s = find_name(scope_names, SCOPES, "record");
    if (s >= 0) {
        e->api = GATED;
        e->scopes = (uint8_t)(1 << s);
    } else if (!strcmp(api, "authorize"))
        e->api = AUTHORIZE;
    else if (!strcmp(api, "getSetting"))
        e->api = GET_SETTING;
    else if (!strcmp(api, "openSetting"))
        e->api = OPEN_SETTING;
}

static enum outcome classify(const char *err_msg)
{
    const char *rest = strchr(err_msg, ':');
    if (rest && !strcmp(rest, ":ok"))
        return OK;
    if (strstr(err_msg, "auth deny") || strstr(err_msg, "auth denied") || strstr(err_msg, "authorize no response"))
        return DENIED;
    if (strstr(err_msg, "auth canceled"))
        return DISMISSED;
    return strstr(err_msg, "scope unauthorized") ? UNAUTHORIZED : OTHER;
}

static void copy_name(char to[NAME_BYTES], const char *from)
{
    size_t n = strnlen(from, NAME_BYTES - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

/* Fields whose value is a string. False where `name` is none of them. */
static bool string_field(const char *name, const char *value, struct line *out)
{
    struct event *e = &out->event;
    if (!strcmp(name, "kind"))
        e->kind = (uint8_t)find_name(kind_names, KINDS, value);
    else if (!strcmp(name, "app"))
        copy_name(out->app, value);
    else if (!strcmp(name, "user"))
        copy_name(out->user, value);
    else if (!strcmp(name, "stream"))
        copy_name(out->stream, value);
    else if (!strcmp(name, "call"))
        copy_name(out->call, value);
    else if (!strcmp(name, "api"))
        set_api(e, value);
    else if (!strcmp(name, "errMsg"))
        e->outcome = (uint8_t)classify(value);
    else if (!strcmp(name, "answer"))
        e->answer = (uint8_t)find_name(answer_names, 3, value);
    else
        return false;
    return true;
}

static const char *read_field(const char *p, const char *name, struct line *out)
{
    char value[VALUE_BYTES];
    struct event *e = &out->event;
    const char *after = json_string(p, value, sizeof value);
    if (after && string_field(name, value, out))
        return after;
    if (!strcmp(name, "scope"))
        return read_scopes(p, e);
    if (!strcmp(name, "authSetting"))
        return read_snapshot(p, e);
    if (!strcmp(name, "observes"))
        return read_observes(p, e);
    if (!strcmp(name, "t"))
        e->t_us = strtoll(p, NULL, 10);
    else if (!strcmp(name, "fresh"))
        e->fresh = *json_space(p) == 't';
    else if (!strcmp(name, "granted"))
        e->granted = *json_space(p) == 't';
    return json_skip(p);
}

bool line_read(const char *text, struct line *out)
{
    char name[VALUE_BYTES];
    memset(out, 0, sizeof *out);
    out->event.kind = KINDS;
    out->event.scope = NO_SCOPE;
    const char *p = json_space(text);
    if (*p++ != '{')
        return false;
    while (*(p = json_space(p)) != '}') {
        p = json_string(p, name, sizeof name);
        if (!p || *(p = json_space(p)) != ':')
            return false;
        p = read_field(p + 1, name, out);
        if (!p)
            return false;
        p = json_space(p);
        if (*p == ',')
            p++;
        else if (*p != '}')
            return false;
    }
    return out->event.kind < KINDS;
}
