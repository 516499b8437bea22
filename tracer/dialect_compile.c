/* dialect_compile.c: the text of a mapping (authtape-dialect(5)) -> struct at_dialect. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect_compile.h"

enum at_err at_compile_fail(struct at_compiler *c, const char *what)
{
    return at_fail(c->why, AT_BAD, "%s, at %s", what, c->place[0] ? c->place : "the top");
}

/* Goes down to a member or an element; the returned mark takes back up. */
size_t at_compile_enter(struct at_compiler *c, const char *name, size_t index)
{
    size_t mark = strlen(c->place), room = sizeof c->place - mark;
    if (name)
        snprintf(c->place + mark, room, "/%s", name);
    else
        snprintf(c->place + mark, room, "/%zu", index);
    return mark;
}

void at_compile_leave(struct at_compiler *c, size_t mark)
{
    c->place[mark] = 0;
}

enum at_err at_compile_nomem(struct at_compiler *c)
{
    return at_fail(c->why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
}

void *at_compile_get(struct at_compiler *c, size_t count, size_t size)
{
    void *p = count > SIZE_MAX / 2 / size ? NULL : at_arena_get(&c->d->arena, count * size);
    if (p)
        memset(p, 0, count * size);
    return p;
}

enum at_err at_compile_text(struct at_compiler *c, const cJSON *j, struct at_str *out)
{
    if (!cJSON_IsString(j))
        return at_compile_fail(c, "a string is needed");
    *out = at_arena_copy(&c->d->arena, at_str(j->valuestring));
    return out->ptr ? AT_OK : at_compile_nomem(c);
}

enum at_err at_compile_pointer(struct at_compiler *c, const cJSON *j, struct at_pointer *out)
{
    if (!cJSON_IsString(j))
        return at_compile_fail(c, "a JSON Pointer is needed");
    enum at_err err = at_pointer_compile(&c->d->arena, at_str(j->valuestring), out);
    if (!err)
        err = at_place_add(c->d, out);
    return err == AT_BAD ? at_compile_fail(c, "a JSON Pointer is needed: \"\" or \"/name/0/…\" with ~0 and ~1") : err;
}

enum at_err at_compile_unknown(struct at_compiler *c, const cJSON *object, const char *const *names, size_t n)
{
    for (const cJSON *m = object->child; m; m = m->next) {
        bool known = false;
        for (size_t i = 0; i < n && !known; i++)
            known = !strcmp(m->string, names[i]);
        if (known || m->string[0] == '#')
            continue;
        const char *near = at_closest(m->string, names, n);
        char what[160];
        snprintf(what, sizeof what,
                 near ? "no member is called '%.60s' here; did you mean '%s'?" : "no member is called '%.60s' here",
                 m->string, near);
        return at_compile_fail(c, what);
    }
    return AT_OK;
}

/* ---- Steps */

static enum at_err compile_step(struct at_compiler *c, const cJSON *j, struct at_step *out)
{
    if (cJSON_IsString(j) && !strcmp(j->valuestring, "*")) {
        out->op = AT_STEP_EACH;
        return AT_OK;
    }
    if (cJSON_IsString(j) && !strcmp(j->valuestring, "json")) {
        out->op = AT_STEP_JSON;
        return AT_OK;
    }
    out->op = AT_STEP_GO;
    if (!cJSON_IsString(j) || j->valuestring[0] != '/')
        return at_compile_fail(c,
                               "a step is a JSON Pointer, \"*\" (each element) or \"json\" (JSON inside of a string)");
    return at_compile_pointer(c, j, &out->ptr);
}

static enum at_err compile_steps(struct at_compiler *c, const cJSON *object, struct at_step **out, size_t *n)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "in");
    enum at_err err = AT_OK;
    if (!list)
        return AT_OK;
    size_t mark = at_compile_enter(c, "in", 0), count = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 1;
    if (count > AT_DIALECT_DEPTH)
        return at_compile_fail(c, "too many steps");
    *out = at_compile_get(c, count, sizeof **out);
    if (!*out)
        return at_compile_nomem(c);
    const cJSON *j = cJSON_IsArray(list) ? list->child : list;
    for (; j && *n < count && !err; j = cJSON_IsArray(list) ? j->next : NULL) {
        size_t inner = cJSON_IsArray(list) ? at_compile_enter(c, NULL, *n) : strlen(c->place);
        err = compile_step(c, j, &(*out)[(*n)++]);
        if (!err)
            at_compile_leave(c, inner);
    }
    if (!err)
        at_compile_leave(c, mark);
    return err;
}

/* ---- Conditions */

/* A scalar and its type, as conditions and tables compare them. */
enum at_err at_compile_literal(struct at_compiler *c, const cJSON *j, uint8_t *type, struct at_str *text)
{
    char number[40];
    if (cJSON_IsString(j)) {
        *type = AT_J_STRING;
        return at_compile_text(c, j, text);
    }
    if (cJSON_IsBool(j)) {
        *type = cJSON_IsTrue(j) ? AT_J_TRUE : AT_J_FALSE;
        *text = cJSON_IsTrue(j) ? AT_STR("true") : AT_STR("false");
        return AT_OK;
    }
    if (cJSON_IsNull(j)) {
        *type = AT_J_NULL;
        *text = AT_STR("null");
        return AT_OK;
    }
    if (!cJSON_IsNumber(j))
        return at_compile_fail(c, "a string, a number, true, false or null is needed");
    *type = AT_J_NUMBER;
    snprintf(number, sizeof number, "%.17g", j->valuedouble);
    *text = at_arena_copy(&c->d->arena, at_str(number));
    return text->ptr ? AT_OK : at_compile_nomem(c);
}

static enum at_err compile_any(struct at_compiler *c, const cJSON *j, struct at_test *t)
{
    bool list = cJSON_IsArray(j);
    size_t n = list ? (size_t)cJSON_GetArraySize(j) : 1;
    t->any = at_compile_get(c, n ? n : 1, sizeof *t->any);
    if (!t->any)
        return at_compile_nomem(c);
    for (const cJSON *e = list ? j->child : j; e; e = list ? e->next : NULL) {
        struct at_map_entry *m = &t->any[t->n_any++];
        size_t mark = list ? at_compile_enter(c, NULL, t->n_any - 1) : strlen(c->place);
        enum at_err err = at_compile_literal(c, e, &m->type, &m->to);
        if (err)
            return err;
        at_compile_leave(c, mark);
    }
    return AT_OK;
}

static enum at_err check_texts(struct at_compiler *c, const struct at_test *t)
{
    for (size_t i = 0; i < t->n_any; i++)
        if (t->any[i].type != AT_J_STRING)
            return at_compile_fail(c, "a string is needed");
    return AT_OK;
}

static enum at_err compile_types(struct at_compiler *c, struct at_test *t)
{
    static const struct {
        const char *name;
        uint8_t type;
    } types[] = {{"object", AT_J_OBJECT}, {"array", AT_J_ARRAY},  {"string", AT_J_STRING},
                 {"number", AT_J_NUMBER}, {"boolean", AT_J_TRUE}, {"null", AT_J_NULL}};
    for (size_t i = 0; i < t->n_any; i++) {
        size_t k = 0;
        while (k < 6 && !at_str_eq(t->any[i].to, at_str(types[k].name)))
            k++;
        if (k == 6)
            return at_compile_fail(c, "a type is object, array, string, number, boolean or null");
        t->any[i].type = types[k].type;
    }
    return AT_OK;
}

static enum at_err compile_test(struct at_compiler *c, const cJSON *j, struct at_test *t)
{
    if (!cJSON_IsObject(j))
        return compile_any(c, j, t);
    const cJSON *m = j->child;
    if (!m || m->next)
        return at_compile_fail(c, "a condition is a value, a list of values, or one of exists, starts, type, not");
    size_t mark = at_compile_enter(c, m->string, 0);
    enum at_err err = AT_OK;
    if (!strcmp(m->string, "exists")) {
        t->op = AT_TEST_EXISTS;
        if (!cJSON_IsBool(m))
            return at_compile_fail(c, "true or false is needed");
        t->negate ^= cJSON_IsFalse(m) != 0;
    } else if (!strcmp(m->string, "not")) {
        t->negate = !t->negate;
        err = cJSON_IsObject(m) && m->child && !strcmp(m->child->string, "not")
                  ? at_compile_fail(c, "one 'not' is enough")
                  : compile_test(c, m, t);
    } else if (!strcmp(m->string, "starts") || !strcmp(m->string, "type")) {
        t->op = m->string[0] == 's' ? AT_TEST_STARTS : AT_TEST_TYPE;
        err = compile_any(c, m, t);
        if (!err)
            err = check_texts(c, t);
        if (!err && t->op == AT_TEST_TYPE)
            err = compile_types(c, t);
    } else {
        return at_compile_fail(c, "a condition is one of exists, starts, type, not");
    }
    if (!err)
        at_compile_leave(c, mark);
    return err;
}

static enum at_err compile_group(struct at_compiler *c, const cJSON *j, struct at_when_group *g)
{
    if (!cJSON_IsObject(j))
        return at_compile_fail(c, "conditions are an object: JSON Pointers with what is wanted there");
    g->tests = at_compile_get(c, (size_t)cJSON_GetArraySize(j) + 1, sizeof *g->tests);
    if (!g->tests)
        return at_compile_nomem(c);
    for (const cJSON *m = j->child; m; m = m->next) {
        struct at_test *t = &g->tests[g->n];
        size_t mark = at_compile_enter(c, m->string, 0);
        enum at_err err = at_pointer_compile(&c->d->arena, at_str(m->string), &t->ptr);
        if (!err)
            err = at_place_add(c->d, &t->ptr);
        if (err)
            return err == AT_BAD ? at_compile_fail(c, "the name of a condition is a JSON Pointer") : err;
        err = compile_test(c, m, t);
        if (err)
            return err;
        at_place_ask(c->d, t);
        at_compile_leave(c, mark);
        g->n++;
    }
    return AT_OK;
}

enum at_err at_compile_when(struct at_compiler *c, const cJSON *j, struct at_when *out)
{
    bool list = cJSON_IsArray(j);
    size_t n = list ? (size_t)cJSON_GetArraySize(j) : 1;
    if (n == 0)
        return at_compile_fail(c, "an empty list of conditions never holds");
    out->groups = at_compile_get(c, n, sizeof *out->groups);
    if (!out->groups)
        return at_compile_nomem(c);
    for (const cJSON *e = list ? j->child : j; e; e = list ? e->next : NULL) {
        size_t inner = list ? at_compile_enter(c, NULL, out->n) : strlen(c->place);
        enum at_err err = compile_group(c, e, &out->groups[out->n++]);
        if (err)
            return err;
        at_compile_leave(c, inner);
    }
    return AT_OK;
}

static enum at_err compile_when(struct at_compiler *c, const cJSON *object, const char *name, struct at_when *out)
{
    const cJSON *j = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!j)
        return AT_OK;
    size_t mark = at_compile_enter(c, name, 0);
    enum at_err err = at_compile_when(c, j, out);
    if (!err)
        at_compile_leave(c, mark);
    return err;
}

/* ---- Rules */

static const char *const field_names[AT_FIELDS] = {
#define X(name, text) text,
    AT_FIELD_MAP(X)
#undef X
};

/* The first `n` fields of the table. */
static enum at_err compile_fields(struct at_compiler *c, const cJSON *object, const struct at_value **fields, size_t n,
                                  uint32_t *given)
{
    for (size_t f = 0; f < n; f++) {
        const cJSON *j = cJSON_GetObjectItemCaseSensitive(object, field_names[f]);
        if (!j)
            continue;
        size_t mark = at_compile_enter(c, field_names[f], 0);
        struct at_value *v = at_compile_get(c, 1, sizeof *v);
        if (!v)
            return at_compile_nomem(c);
        enum at_err err = at_compile_value(c, j, v, 0);
        if (err)
            return err;
        if (v->unit_us && f != AT_FIELD_T)
            return at_compile_fail(c, "'unit' belongs to 't'");
        if (v->key && f != AT_FIELD_AUTH_SETTING)
            return at_compile_fail(c, "'scope' and 'granted' belong to 'authSetting'");
        at_compile_leave(c, mark);
        fields[f] = v;
        *given |= 1u << f;
    }
    if (fields[AT_FIELD_T])
        c->d->own_times = true;
    return AT_OK;
}

static enum at_err compile_one_value(struct at_compiler *c, const cJSON *object, const char *name,
                                     const struct at_value **out)
{
    const cJSON *j = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!j)
        return AT_OK;
    size_t mark = at_compile_enter(c, name, 0);
    struct at_value *v = at_compile_get(c, 1, sizeof *v);
    if (!v)
        return at_compile_nomem(c);
    enum at_err err = at_compile_value(c, j, v, 0);
    if (!err) {
        *out = v;
        at_compile_leave(c, mark);
    }
    return err;
}

/* "from": "client" and the like: sets one of two switches, or both. */
static enum at_err compile_either(struct at_compiler *c, const cJSON *object, const char *name, const char *one,
                                  const char *other, bool *first, bool *second)
{
    const cJSON *j = cJSON_GetObjectItemCaseSensitive(object, name);
    *first = *second = true;
    if (!j)
        return AT_OK;
    size_t mark = at_compile_enter(c, name, 0);
    if (!cJSON_IsString(j) || (strcmp(j->valuestring, one) && strcmp(j->valuestring, other))) {
        char what[80];
        snprintf(what, sizeof what, "'%s' or '%s' is needed", one, other);
        return at_compile_fail(c, what);
    }
    *first = !strcmp(j->valuestring, one);
    *second = !*first;
    at_compile_leave(c, mark);
    return AT_OK;
}

static enum at_err compile_makes(struct at_compiler *c, const cJSON *object, struct at_rule *r)
{
    static const char *const words[] = {"call", "return", "prompt", "decision", "settings", "settings-page", "reset",
                                        "gap",  "end",    "start",  "copy",     "mock",     "restore"};
    const cJSON *j = cJSON_GetObjectItemCaseSensitive(object, "event");
    if (cJSON_IsObject(j)) {
        r->makes = AT_RULE_BY_VALUE;
        return compile_one_value(c, object, "event", &r->kind);
    }
    size_t mark = at_compile_enter(c, "event", 0);
    if (!cJSON_IsString(j))
        return at_compile_fail(c, "the kind of the event is needed");
    r->makes = (int)at_kind_find(at_str(j->valuestring));
    if (!strcmp(j->valuestring, "copy"))
        r->makes = AT_RULE_COPY;
    if (!strcmp(j->valuestring, "mock"))
        r->makes = AT_RULE_MOCK;
    if (!strcmp(j->valuestring, "restore"))
        r->makes = AT_RULE_RESTORE;
    if (!r->makes) {
        char what[120];
        const char *near = at_closest(j->valuestring, words, sizeof words / sizeof words[0]);
        snprintf(what, sizeof what, "no kind of event is called '%.40s'%s%s%s", j->valuestring,
                 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return at_compile_fail(c, what);
    }
    if (r->makes == AT_RULE_COPY)
        c->d->own_times = true;
    at_compile_leave(c, mark);
    return AT_OK;
}

static enum at_err compile_reply(struct at_compiler *c, const cJSON *object, struct at_rule *r)
{
    static const char *const names[] = {"drop-if", "api", "scope", "errMsg", "errno", "authSetting", "t", "platform"};
    const cJSON *j = cJSON_GetObjectItemCaseSensitive(object, "reply");
    if (!j)
        return AT_OK;
    size_t mark = at_compile_enter(c, "reply", 0);
    if (!cJSON_IsObject(j))
        return at_compile_fail(c, "an object is needed");
    enum at_err err = at_compile_unknown(c, j, names, sizeof names / sizeof names[0]);
    if (!err)
        err = compile_when(c, j, "drop-if", &r->reply.drop_if);
    if (!err)
        err = compile_fields(c, j, r->reply.fields, AT_FIELDS, &r->reply.given_fields);
    if (err)
        return err;
    r->reply.given = true;
    r->reply.has_drop_if = r->reply.drop_if.n > 0;
    if (r->makes == AT_KIND_CALL && !r->reply.fields[AT_FIELD_ERR_MSG])
        return at_compile_fail(c, "the answer to a call needs 'errMsg'");
    if (r->makes != AT_KIND_CALL && !r->reply.has_drop_if)
        return at_compile_fail(c, "the answer to anything but a call needs 'drop-if'");
    if (r->makes == AT_RULE_COPY || r->makes == AT_RULE_BY_VALUE)
        return at_compile_fail(c, "'reply' goes with one kind of event");
    at_compile_leave(c, mark);
    return AT_OK;
}

/* What each kind cannot be without. */
static enum at_err check_rule(struct at_compiler *c, const struct at_rule *r)
{
    static const struct {
        int makes;
        enum at_field field;
    } needs[] = {{AT_KIND_CALL, AT_FIELD_API},         {AT_KIND_RETURN, AT_FIELD_CALL},
                 {AT_KIND_RETURN, AT_FIELD_ERR_MSG},   {AT_KIND_PROMPT, AT_FIELD_SCOPE},
                 {AT_KIND_DECISION, AT_FIELD_ANSWER},  {AT_KIND_SETTINGS, AT_FIELD_SCOPE},
                 {AT_KIND_SETTINGS, AT_FIELD_GRANTED}, {AT_KIND_SETTINGS_PAGE, AT_FIELD_AUTH_SETTING},
                 {AT_RULE_MOCK, AT_FIELD_API},         {AT_RULE_RESTORE, AT_FIELD_API}};
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if (r->makes == needs[i].makes && !r->fields[needs[i].field] &&
            !(r->makes == AT_KIND_CALL && r->reply.fields[needs[i].field])) {
            char what[80];
            snprintf(what, sizeof what, "this event needs '%s'", field_names[needs[i].field]);
            return at_compile_fail(c, what);
        }
    if (r->fields[AT_FIELD_ARGS] && r->makes != AT_KIND_CALL)
        return at_compile_fail(c, "only a call has 'args'");
    if (r->makes == AT_KIND_CALL && !r->reply.given && !r->fields[AT_FIELD_CALL])
        return at_compile_fail(c, "a call needs 'call' (its id), or 'reply'");
    return AT_OK;
}

/* Most rules begin with what kind of message they want: that is looked at before anything else. */
static void find_key(struct at_rule *r)
{
    const struct at_when *w = &r->when;
    r->key_is_all = w->n > 0;
    for (size_t g = 0; g < w->n; g++) {
        const struct at_test *t = w->groups[g].tests;
        if (w->groups[g].n == 0 || !t->texts || t->negate || (g && t->ptr.place != r->key)) {
            r->key = 0;
            r->key_is_all = false;
            return;
        }
        r->key_is_all = r->key_is_all && w->groups[g].n == 1;
        r->key = t->ptr.place;
        r->key_texts |= t->texts;
    }
}

static enum at_err compile_rules(struct at_compiler *c, const cJSON *object, struct at_rule **out, size_t *n,
                                 unsigned depth);

static enum at_err compile_rule(struct at_compiler *c, const cJSON *j, struct at_rule *r, unsigned depth)
{
    static const char *const names[] = {
#define X(name, text) text,
        AT_FIELD_MAP(X)
#undef X
            "from",
        "protocol",
        "path",
        "when",
        "in",
        "rules",
        "event",
        "id",
        "part",
        "clock",
        "reply",
        "title"};
    if (!cJSON_IsObject(j))
        return at_compile_fail(c, "a rule is an object");
    r->place = at_arena_copy(&c->d->arena, at_str(c->place));
    if (!r->place.ptr)
        return at_compile_nomem(c);
    const cJSON *path = cJSON_GetObjectItemCaseSensitive(j, "path");
    enum at_err err = at_compile_unknown(c, j, names, sizeof names / sizeof names[0]);
    if (!err)
        err = compile_either(c, j, "from", "client", "server", &r->from_client, &r->from_server);
    if (!err)
        err = compile_either(c, j, "protocol", "http", "websocket", &r->http, &r->websocket);
    if (!err && path)
        err = at_compile_text(c, path, &r->path);
    if (!err)
        err = compile_when(c, j, "when", &r->when);
    if (!err)
        find_key(r);
    if (!err)
        err = compile_steps(c, j, &r->steps, &r->n_steps);
    if (err)
        return err;
    if (cJSON_HasObjectItem(j, "rules")) {
        if (cJSON_HasObjectItem(j, "event"))
            return at_compile_fail(c, "a rule has 'rules' or 'event', not both");
        return compile_rules(c, j, &r->rules, &r->n_rules, depth + 1);
    }
    err = compile_makes(c, j, r);
    if (!err)
        err = compile_fields(c, j, r->fields, AT_FIELDS, &r->given);
    if (!err)
        err = compile_one_value(c, j, "id", &r->id);
    if (!err)
        err = compile_one_value(c, j, "part", &r->part);
    if (!err && r->id && !c->d->reply_id)
        return at_compile_fail(c, "'id' needs a 'reply-id' (or 'id') at the top, by which answers are known");
    if (!err)
        err = compile_one_value(c, j, "clock", &r->clock);
    if (!err)
        err = compile_reply(c, j, r);
    return err ? err : check_rule(c, r);
}

static enum at_err compile_rules(struct at_compiler *c, const cJSON *object, struct at_rule **out, size_t *n,
                                 unsigned depth)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "rules");
    size_t mark = at_compile_enter(c, "rules", 0);
    if (!cJSON_IsArray(list) || !list->child)
        return at_compile_fail(c, "a list of rules is needed");
    if (depth >= AT_DIALECT_DEPTH)
        return at_compile_fail(c, "rules are nested too deep");
    *out = at_compile_get(c, (size_t)cJSON_GetArraySize(list), sizeof **out);
    if (!*out)
        return at_compile_nomem(c);
    for (const cJSON *j = list->child; j; j = j->next) {
        size_t inner = at_compile_enter(c, NULL, *n);
        enum at_err err = compile_rule(c, j, &(*out)[(*n)++], depth);
        if (err)
            return err;
        at_compile_leave(c, inner);
    }
    at_compile_leave(c, mark);
    return AT_OK;
}

/* ---- The whole */

static enum at_err compile_observes(struct at_compiler *c, const cJSON *top)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(top, "observes");
    if (!list)
        return AT_OK;
    size_t mark = at_compile_enter(c, "observes", 0);
    if (!cJSON_IsArray(list))
        return at_compile_fail(c, "a list is needed");
    for (const cJSON *j = list->child; j; j = j->next) {
        enum at_sight sight;
        if (!cJSON_IsString(j) || !at_sight_find(at_str(j->valuestring), &sight))
            return at_compile_fail(c, "what a dialect observes is prompts, decisions, settings or resets");
        c->d->observes |= (uint8_t)(1u << sight);
    }
    at_compile_leave(c, mark);
    return AT_OK;
}

static enum at_err compile_top(struct at_compiler *c, const cJSON *top)
{
    static const char *const names[] = {
        "authtape-dialect", "name",   "title", "observes", "id", "reply-id", "app", "user",
        "platform",         "stream", "in",    "rules"};
    if (!cJSON_IsObject(top))
        return at_compile_fail(c, "a mapping is an object");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(top, "authtape-dialect");
    if (!cJSON_IsNumber(version))
        return at_compile_fail(c, "\"authtape-dialect\": 1 is missing");
    if (version->valuedouble < 1 || version->valuedouble > 1)
        return at_compile_fail(c, "only version 1 of \"authtape-dialect\" is known");
    enum at_err err = at_compile_unknown(c, top, names, sizeof names / sizeof names[0]);
    const cJSON *title = cJSON_GetObjectItemCaseSensitive(top, "title");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(top, "name");
    if (!err && title)
        err = at_compile_text(c, title, &c->d->title);
    if (!err && name)
        err = at_compile_text(c, name, &c->d->name);
    if (!err)
        err = compile_observes(c, top);
    if (!err)
        err = compile_fields(c, top, c->d->fields, AT_FIELD_T, &c->d->given);
    if (!err)
        err = compile_one_value(c, top, "id", &c->d->id);
    c->d->reply_id = c->d->id;
    if (!err)
        err = compile_one_value(c, top, "reply-id", &c->d->reply_id);
    if (!err)
        err = compile_steps(c, top, &c->d->steps, &c->d->n_steps);
    return err ? err : compile_rules(c, top, &c->d->rules, &c->d->n_rules, 0);
}

/* Where the text stops being JSON, in lines. */
static size_t line_of(struct at_str text, const char *at)
{
    size_t line = 1;
    for (const char *p = text.ptr; p < at && p < text.ptr + text.len; p++)
        line += *p == '\n';
    return line;
}

enum at_err at_dialect_compile(struct at_str json, const char *name, struct at_dialect **out, struct at_why *why)
{
    struct at_dialect *d = calloc(1, sizeof *d);
    *out = NULL;
    if (!d)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    struct at_compiler c = {.d = d, .why = why};
    const char *end = json.ptr;
    cJSON *top = json.ptr && json.len <= AT_DIALECT_BYTES && !memchr(json.ptr, 0, json.len) && at_json_valid(json)
                     ? cJSON_ParseWithLengthOpts(json.ptr, json.len, &end, 0)
                     : NULL;
    enum at_err err;
    if (!top && json.ptr && json.len <= AT_DIALECT_BYTES) {
        cJSON *again = cJSON_ParseWithLengthOpts(json.ptr, json.len, &end, 0); /* only to find the place */
        cJSON_Delete(again);
        err = at_fail(why, AT_BAD, "not JSON, line %zu", line_of(json, end));
    } else if (!top) {
        err = at_fail(why, AT_LIMIT, "a mapping is at most %zu bytes long", AT_DIALECT_BYTES);
    } else {
        d->name = at_arena_copy(&d->arena, at_str(name));
        err = d->name.ptr ? compile_top(&c, top) : at_compile_nomem(&c);
    }
    cJSON_Delete(top);
    if (err)
        at_dialect_free(&d);
    *out = d;
    return err;
}

void at_dialect_free(struct at_dialect **d)
{
    if (!*d)
        return;
    at_arena_free(&(*d)->arena);
    free(*d);
    *d = NULL;
}
