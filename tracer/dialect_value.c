/* dialect_value.c: the values of a mapping: where a field comes from and how it is changed on the way. */
#include <string.h>

#include "tracer/dialect_compile.h"

static const char *const sources[] = {"at",      "root",  "text", "query",  "header", "flow",
                                      "request", "first", "join", "api-in", "find"};
static const char *const flows[] = {"stream", "client", "server", "target", "path", "exchange", "status"};

static size_t which(const char *const *names, size_t n, const cJSON *j)
{
    size_t i = 0;
    while (i < n && !(cJSON_IsString(j) && !strcmp(names[i], j->valuestring)))
        i++;
    return i;
}

static enum at_err compile_list(struct at_compiler *c, const cJSON *j, struct at_value *v, unsigned depth)
{
    if (!cJSON_IsArray(j) || !j->child)
        return at_compile_fail(c, "a list of values is needed");
    v->list = at_compile_get(c, (size_t)cJSON_GetArraySize(j), sizeof *v->list);
    if (!v->list)
        return at_compile_nomem(c);
    for (const cJSON *e = j->child; e; e = e->next) {
        size_t mark = at_compile_enter(c, NULL, v->n_list);
        enum at_err err = at_compile_value(c, e, &v->list[v->n_list++], depth + 1);
        if (err)
            return err;
        at_compile_leave(c, mark);
    }
    return AT_OK;
}

static enum at_err compile_find(struct at_compiler *c, const cJSON *j, struct at_value *v)
{
    static const char *const names[] = {"below", "member", "starts", "quoted"};
    if (!cJSON_IsObject(j))
        return at_compile_fail(c, "an object with 'below' and 'member', 'starts' or 'quoted' is needed");
    const cJSON *below = cJSON_GetObjectItemCaseSensitive(j, "below");
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(j, "member");
    const cJSON *starts = cJSON_GetObjectItemCaseSensitive(j, "starts");
    const cJSON *quoted = cJSON_GetObjectItemCaseSensitive(j, "quoted");
    enum at_err err = at_compile_unknown(c, j, names, 4);
    if (!err && !!member + !!starts + !!quoted != 1)
        return at_compile_fail(c, "one of 'member', 'starts' and 'quoted' is needed");
    if (!err && below)
        err = at_compile_pointer(c, below, &v->ptr);
    if (!err && member)
        err = at_compile_text(c, member, &v->text);
    v->quoted = quoted;
    if (!err && (starts || quoted))
        err = at_compile_text(c, quoted ? quoted : starts, &v->starts);
    if (!err && quoted && !v->starts.len)
        return at_compile_fail(c, "what is in quotes begins with something");
    return err;
}

static enum at_err compile_source(struct at_compiler *c, const cJSON *j, struct at_value *v, unsigned depth)
{
    switch (v->source) {
    case AT_FROM_ITEM:
    case AT_FROM_ROOT:
        return at_compile_pointer(c, j, &v->ptr);
    case AT_FROM_TEXT:
        return at_compile_literal(c, j, &v->type, &v->text);
    case AT_FROM_QUERY:
    case AT_FROM_HEADER:
        return at_compile_text(c, j, &v->text);
    case AT_FROM_FLOW:
        v->which = (int)which(flows, 7, j);
        return v->which < 7 ? AT_OK
                            : at_compile_fail(c, "a part of the flow is stream, client, server, target, path, exchange "
                                                 "or status");
    case AT_FROM_REQUEST:
        v->which = (int)which((const char *const[]){"api", "call"}, 2, j);
        return v->which < 2 ? AT_OK : at_compile_fail(c, "of the request, 'api' and 'call' are known");
    case AT_FROM_FIRST:
    case AT_FROM_JOIN:
    case AT_FROM_NAMES:
        return compile_list(c, j, v, depth);
    case AT_FROM_FIND:
        return compile_find(c, j, v);
    }
    return AT_BAD;
}

static enum at_err compile_strip(struct at_compiler *c, const cJSON *j, struct at_value *v)
{
    bool list = cJSON_IsArray(j);
    v->strip = at_compile_get(c, list ? (size_t)cJSON_GetArraySize(j) + 1 : 1, sizeof *v->strip);
    if (!v->strip)
        return at_compile_nomem(c);
    for (const cJSON *e = list ? j->child : j; e; e = list ? e->next : NULL) {
        enum at_err err = at_compile_text(c, e, &v->strip[v->n_strip++]);
        if (err)
            return err;
    }
    return AT_OK;
}

static enum at_err compile_map(struct at_compiler *c, const cJSON *j, struct at_value *v)
{
    if (!cJSON_IsObject(j))
        return at_compile_fail(c, "a table of values is an object");
    v->has_map = true;
    v->map = at_compile_get(c, (size_t)cJSON_GetArraySize(j) + 1, sizeof *v->map);
    if (!v->map)
        return at_compile_nomem(c);
    for (const cJSON *e = j->child; e; e = e->next) {
        struct at_map_entry *m = &v->map[v->n_map++];
        size_t mark = at_compile_enter(c, e->string, 0);
        m->from = at_arena_copy(&c->d->arena, at_str(e->string));
        enum at_err err = m->from.ptr ? at_compile_literal(c, e, &m->type, &m->to) : at_compile_nomem(c);
        if (err)
            return err;
        at_compile_leave(c, mark);
    }
    return AT_OK;
}

static enum at_err compile_unit(struct at_compiler *c, const cJSON *j, struct at_value *v)
{
    static const char *const units[] = {"us", "ms", "s"};
    static const uint32_t us[] = {1, 1000, 1000000};
    size_t i = which(units, 3, j);
    if (i == 3)
        return at_compile_fail(c, "a unit is us, ms or s");
    v->unit_us = us[i];
    return AT_OK;
}

static enum at_err compile_nested(struct at_compiler *c, const cJSON *j, struct at_value **out, unsigned depth)
{
    *out = at_compile_get(c, 1, sizeof **out);
    return *out ? at_compile_value(c, j, *out, depth + 1) : at_compile_nomem(c);
}

static enum at_err compile_modifier(struct at_compiler *c, const cJSON *m, struct at_value *v, unsigned depth)
{
    if (!strcmp(m->string, "json")) {
        v->has_json = true;
        return at_compile_pointer(c, m, &v->json);
    }
    if (!strcmp(m->string, "when")) {
        v->when = at_compile_get(c, 1, sizeof *v->when);
        return v->when ? at_compile_when(c, m, v->when) : at_compile_nomem(c);
    }
    if (!strcmp(m->string, "strip"))
        return compile_strip(c, m, v);
    if (!strcmp(m->string, "before"))
        return at_compile_text(c, m, &v->before);
    if (!strcmp(m->string, "map"))
        return compile_map(c, m, v);
    if (!strcmp(m->string, "unit"))
        return compile_unit(c, m, v);
    if (!strcmp(m->string, "default"))
        return at_compile_literal(c, m, &v->default_type, &v->default_text);
    if (!strcmp(m->string, "scope"))
        return compile_nested(c, m, &v->key, depth);
    if (!strcmp(m->string, "granted"))
        return compile_nested(c, m, &v->value, depth);
    if (!cJSON_IsBool(m)) /* known-api */
        return at_compile_fail(c, "true or false is needed");
    v->known_api = cJSON_IsTrue(m);
    return AT_OK;
}

/* A string that is no pointer: most often its '/' is missing, or the text itself is meant. */
static enum at_err no_pointer(struct at_compiler *c, const cJSON *j)
{
    char what[240], path[64];
    snprintf(path, sizeof path, "%s", j->valuestring);
    for (char *p = path; *p; p++) /* as programs write it: data.scope */
        *p = *p == '.' ? '/' : *p;
    snprintf(what, sizeof what, "a JSON Pointer begins with '/': \"/%s\"; a fixed text is {\"text\": \"%.60s\"}", path,
             j->valuestring);
    return at_compile_fail(c, what);
}

enum at_err at_compile_value(struct at_compiler *c, const cJSON *j, struct at_value *v, unsigned depth)
{
    static const char *const modifiers[] = {"json",    "strip", "before",  "map",  "unit",
                                            "default", "scope", "granted", "when", "known-api"};
    const char *names[sizeof sources / sizeof sources[0] + sizeof modifiers / sizeof modifiers[0]];
    const size_t n_sources = sizeof sources / sizeof sources[0], n_modifiers = sizeof modifiers / sizeof modifiers[0];
    if (depth > AT_DIALECT_DEPTH)
        return at_compile_fail(c, "values are nested too deep");
    if (cJSON_IsString(j)) {
        v->source = AT_FROM_ITEM;
        v->plain = true;
        return j->valuestring[0] == 0 || j->valuestring[0] == '/' ? at_compile_pointer(c, j, &v->ptr)
                                                                  : no_pointer(c, j);
    }
    if (!cJSON_IsObject(j)) {
        v->source = AT_FROM_TEXT;
        return at_compile_literal(c, j, &v->type, &v->text);
    }
    memcpy(names, sources, sizeof sources);
    memcpy(names + n_sources, modifiers, sizeof modifiers);
    enum at_err err = at_compile_unknown(c, j, names, n_sources + n_modifiers);
    size_t given = 0;
    for (size_t i = 0; i < n_sources + n_modifiers && !err; i++) {
        const cJSON *m = cJSON_GetObjectItemCaseSensitive(j, names[i]);
        if (!m)
            continue;
        size_t mark = at_compile_enter(c, names[i], 0);
        if (i < n_sources) {
            given++;
            v->source = (enum at_source)i;
            err = compile_source(c, m, v, depth);
        } else {
            err = compile_modifier(c, m, v, depth);
        }
        if (!err)
            at_compile_leave(c, mark);
    }
    if (!err && given != 1)
        return at_compile_fail(c, "a value needs exactly one source: at, root, text, query, header, flow, request, "
                                  "first, join, api-in or find");
    if (!err && !v->key != !v->value)
        return at_compile_fail(c, "'scope' and 'granted' go together");
    v->plain =
        !v->has_json && !v->n_strip && !v->before.ptr && !v->known_api && !v->has_map && !v->default_type && !v->when;
    return err;
}
