/* redrive_commands.c: what a target is told, as data: redrive(5). Pure. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "replay/redrive.h"

/*
 * The automation protocol itself (miniprogram-automator 0.12.1). It has no command for a dismissal, a flip or the
 * settings page: what a target has for these is said by a file.
 */
static const char builtin[] =
    "{\"authtape-redrive\":1,"
    "\"call\":{\"method\":\"App.callWxMethod\",\"params\":{\"method\":\"{api}\",\"args\":[\"{args}\"]}},"
    "\"commands\":{"
    "\"allow\":{\"method\":\"Tool.native\",\"params\":{\"method\":\"authorizeAllow\",\"data\":null}},"
    "\"deny\":{\"method\":\"Tool.native\",\"params\":{\"method\":\"authorizeCancel\",\"data\":null}},"
    "\"reset\":{\"method\":\"Tool.clearCache\",\"params\":{\"clean\":\"auth\"}}}}";

struct rd_commands {
    cJSON *builtin, *file; /* file: NULL where there is none */
    const cJSON *command[RD_COMMANDS];
    const cJSON *call;
    const cJSON *args; /* of the file: arguments to add, by API */
};

const char *rd_command_text(enum rd_command c)
{
    static const char *const texts[] = {
#define X(name, text) [RD_##name] = text,
        RD_COMMAND_MAP(X)
#undef X
    };
    return texts[c];
}

/* A message: an object with a method, and nothing that would clash with ours. */
static enum at_err check_message(const cJSON *m, const char *place, struct at_why *why)
{
    if (!cJSON_IsObject(m))
        return at_fail(why, AT_BAD, "at %s: a message is an object with \"method\" and \"params\"", place);
    if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(m, "method")))
        return at_fail(why, AT_BAD, "at %s/method: a text is needed", place);
    if (cJSON_GetObjectItemCaseSensitive(m, "id"))
        return at_fail(why, AT_BAD, "at %s/id: the id is given to each message when it is sent", place);
    return AT_OK;
}

static enum at_err take_commands(struct rd_commands *c, const cJSON *list, struct at_why *why)
{
    char place[128];
    if (!list)
        return AT_OK;
    if (!cJSON_IsObject(list))
        return at_fail(why, AT_BAD, "at /commands: an object is needed");
    for (const cJSON *m = list->child; m; m = m->next) {
        size_t i = 0;
        while (i < RD_COMMANDS && strcmp(m->string, rd_command_text((enum rd_command)i)))
            i++;
        snprintf(place, sizeof place, "/commands/%.60s", m->string);
        if (i == RD_COMMANDS)
            return at_fail(why, AT_BAD,
                           "at %s: no such command (allow, deny, dismiss, settings, reset, open-page, close-page)",
                           place);
        c->command[i] = cJSON_IsNull(m) ? NULL : m;
        if (cJSON_IsNull(m))
            continue;
        enum at_err err = check_message(m, place, why);
        if (err)
            return err;
    }
    return AT_OK;
}

static enum at_err take(struct rd_commands *c, const cJSON *top, struct at_why *why)
{
    static const char *const names[] = {"authtape-redrive", "title", "call", "commands", "args"};
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(top, "authtape-redrive");
    if (!cJSON_IsObject(top))
        return at_fail(why, AT_BAD, "not a JSON object");
    if (!version)
        return at_fail(why, AT_BAD, "not a file of commands: \"authtape-redrive\" is missing");
    if (!cJSON_IsNumber(version) || version->valuedouble != 1)
        return at_fail(why, AT_NEWER, "at /authtape-redrive: only version 1 is known");
    for (const cJSON *m = top->child; m; m = m->next) {
        const char *closest = at_closest(m->string, names, sizeof names / sizeof names[0]);
        if (!closest || strcmp(closest, m->string))
            return at_fail(why, AT_BAD, "at /%.60s: no such member%s%s%s", m->string, closest ? "; is it \"" : "",
                           closest ? closest : "", closest ? "\"?" : "");
    }
    const cJSON *call = cJSON_GetObjectItemCaseSensitive(top, "call");
    if (call) {
        enum at_err err = check_message(call, "/call", why);
        if (err)
            return err;
        c->call = call;
    }
    c->args = cJSON_GetObjectItemCaseSensitive(top, "args");
    if (c->args && !cJSON_IsObject(c->args))
        return at_fail(why, AT_BAD, "at /args: an object with an object for each API is needed");
    for (const cJSON *a = c->args ? c->args->child : NULL; a; a = a->next)
        if (!cJSON_IsObject(a))
            return at_fail(why, AT_BAD, "at /args/%.60s: an object is needed", a->string);
    return take_commands(c, cJSON_GetObjectItemCaseSensitive(top, "commands"), why);
}

enum at_err rd_commands_parse(struct at_str text, struct rd_commands **out, struct at_why *why)
{
    struct rd_commands *c = calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    c->builtin = cJSON_Parse(builtin);
    enum at_err err = c->builtin ? take(c, c->builtin, why) : at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    if (!err && text.ptr) {
        /* The strict scanner first: it names no place, but cJSON lets through what is no JSON. */
        c->file = at_json_valid(text) ? cJSON_ParseWithLength(text.ptr, text.len) : NULL;
        err = c->file ? take(c, c->file, why) : at_fail(why, AT_BAD, "not JSON");
    }
    if (err)
        rd_commands_free(out);
    return err;
}

void rd_commands_free(struct rd_commands **c)
{
    if (!*c)
        return;
    cJSON_Delete((*c)->builtin);
    cJSON_Delete((*c)->file);
    free(*c);
    *c = NULL;
}

enum rd_command rd_command_of(enum at_answer answer)
{
    return answer == AT_ANSWER_ALLOW ? RD_ALLOW : answer == AT_ANSWER_DENY ? RD_DENY : RD_DISMISS;
}

bool rd_commands_have(const struct rd_commands *c, enum rd_command which)
{
    return c->command[which];
}

/* ---- Filling in */

/* Appends the value that `name` stands for, as JSON; false: there is none of that name. */
static bool value_json(const struct rd_values *v, struct at_str name, struct at_buf *out, enum at_err *err)
{
    const struct {
        struct at_str name, value;
    } texts[] = {
        {AT_STR("api"), v->api},   {AT_STR("scope"), v->scope},       {AT_STR("app"), v->app},
        {AT_STR("user"), v->user}, {AT_STR("platform"), v->platform},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!at_str_eq(name, texts[i].name))
            continue;
        *err = texts[i].value.ptr ? at_json_quote(out, texts[i].value) : at_buf_str(out, AT_STR("null"));
        return true;
    }
    if (at_str_eq(name, AT_STR("granted")))
        *err = at_buf_str(out, v->granted ? AT_STR("true") : AT_STR("false"));
    else if (at_str_eq(name, AT_STR("args")))
        *err = at_buf_str(out, v->args.ptr ? v->args : AT_STR("{}"));
    else
        return false;
    return true;
}

/* A text of the template: "{scope}" alone stands for the value, whatever its type. */
static enum at_err fill_text(const char *s, const struct rd_values *v, struct at_buf *out)
{
    size_t len = strlen(s);
    enum at_err err = AT_OK;
    if (len > 2 && s[0] == '{' && s[len - 1] == '}' && value_json(v, (struct at_str){s + 1, len - 2}, out, &err))
        return err;
    return at_json_quote(out, at_str(s));
}

static enum at_err fill(const cJSON *j, const struct rd_values *v, struct at_buf *out)
{
    enum at_err err;
    if (cJSON_IsString(j))
        return fill_text(j->valuestring, v, out);
    if (!cJSON_IsObject(j) && !cJSON_IsArray(j)) {
        char *text = cJSON_PrintUnformatted(j);
        err = text ? at_buf_str(out, at_str(text)) : AT_NOMEM;
        cJSON_free(text);
        return err;
    }
    bool object = cJSON_IsObject(j);
    err = at_buf_str(out, object ? AT_STR("{") : AT_STR("["));
    for (const cJSON *m = j->child; m && !err; m = m->next) {
        if (m != j->child)
            err = at_buf_str(out, AT_STR(","));
        if (!err && object)
            err = at_json_quote(out, at_str(m->string));
        if (!err && object)
            err = at_buf_str(out, AT_STR(":"));
        if (!err)
            err = fill(m, v, out);
    }
    return err ? err : at_buf_str(out, object ? AT_STR("}") : AT_STR("]"));
}

/* The message with its id as the first member. Ids are texts, as those of the real client. */
static enum at_err message(const cJSON *j, const struct rd_values *v, uint64_t id, struct at_buf *out)
{
    enum at_err err = at_buf_printf(out, "{\"id\":\"authtape-%llu\"", (unsigned long long)id);
    for (const cJSON *m = j->child; m && !err; m = m->next) {
        err = at_buf_str(out, AT_STR(","));
        if (!err)
            err = at_json_quote(out, at_str(m->string));
        if (!err)
            err = at_buf_str(out, AT_STR(":"));
        if (!err)
            err = fill(m, v, out);
    }
    return err ? err : at_buf_str(out, AT_STR("}"));
}

enum at_err rd_command_message(const struct rd_commands *c, enum rd_command which, const struct rd_values *v,
                               uint64_t id, struct at_buf *out)
{
    return message(c->command[which], v, id, out);
}

/* The members of the object `text`, without those that `over` has too. */
static enum at_err add_members(struct at_buf *out, struct at_str text, struct at_str over, bool *any)
{
    struct at_json_iter it, other;
    struct at_str key, value, key2, value2;
    enum at_err err = AT_OK;
    if (!text.ptr)
        return AT_OK;
    at_json_iter_begin(&it, text);
    while (!err && at_json_iter_next(&it, &key, &value)) {
        bool again = false;
        if (over.ptr)
            for (at_json_iter_begin(&other, over); at_json_iter_next(&other, &key2, &value2);)
                again |= at_str_eq(key, key2);
        if (again)
            continue;
        err = at_buf_printf(out, "%s%.*s:%.*s", *any ? "," : "", AT_STR_FMT(key), AT_STR_FMT(value));
        *any = true;
    }
    return err;
}

enum at_err rd_call_message(const struct rd_commands *c, const struct rd_values *v, uint64_t id, struct at_buf *out)
{
    struct rd_values filled = *v;
    struct at_buf args = {0};
    bool any = false;
    char *more = NULL;
    const cJSON *of_api = NULL;
    for (const cJSON *a = c->args ? c->args->child : NULL; a; a = a->next)
        if (at_str_eq(at_str(a->string), v->api))
            of_api = a;
    if (of_api && !(more = cJSON_PrintUnformatted(of_api)))
        return AT_NOMEM;
    enum at_err err = at_buf_str(&args, AT_STR("{"));
    if (!err)
        err = add_members(&args, at_str(more), v->args, &any); /* the recording's own come over the file's */
    if (!err)
        err = add_members(&args, v->args, (struct at_str){0}, &any);
    if (!err)
        err = at_buf_str(&args, AT_STR("}"));
    filled.args = at_buf_view(&args);
    if (!err)
        err = message(c->call, &filled, id, out);
    at_buf_free(&args);
    cJSON_free(more);
    return err;
}

/* ---- Addresses */

static const struct {
    const char *name;
    size_t offset;
} place_names[] = {
    {"{user}", offsetof(struct rd_values, user)},
    {"{app}", offsetof(struct rd_values, app)},
    {"{platform}", offsetof(struct rd_values, platform)},
};

bool rd_address_tells_user(struct at_str target)
{
    return at_str_find(target, AT_STR("{user}")) != SIZE_MAX;
}

static enum at_err percent_encode(struct at_buf *out, struct at_str s)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < s.len && !err; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
        err = at_buf_printf(out, plain && c ? "%c" : "%%%02X", c);
    }
    return err;
}

enum at_err rd_address(struct at_str target, const struct rd_values *v, struct at_buf *out)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < target.len && !err;) {
        struct at_str rest = {target.ptr + i, target.len - i};
        size_t used = 0;
        for (size_t k = 0; k < sizeof place_names / sizeof place_names[0] && !used; k++) {
            if (!at_str_starts(rest, at_str(place_names[k].name)))
                continue;
            const struct at_str *value = (const void *)((const char *)v + place_names[k].offset);
            err = percent_encode(out, *value);
            used = strlen(place_names[k].name);
        }
        if (!used) {
            err = at_buf_add(out, rest.ptr, 1);
            used = 1;
        }
        i += used;
    }
    return err;
}
