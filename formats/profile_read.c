/*
 * profile_read.c: the JSON of a profile, authtape-profile(5), checked member by member. A failure names its place as a
 * JSON Pointer (RFC 6901).
 */
#include <stdlib.h>
#include <string.h>

#include "formats/profile_json.h"

#define SCHEMA "authtape.profile/1"
#define QUIET_MS_MAX 86400000.0 /* a day */

/* ---- Scopes and APIs */

static enum at_err add_scope_name(struct profile_json *r, struct at_str name, size_t scope)
{
    uint32_t id;
    if (at_intern_find(r->d->scope_names, name, &id))
        return pj_bad(r, "a scope of this name is there already");
    if (at_intern_add(r->d->scope_names, name, &id))
        return pj_no_memory(r);
    r->d->scope_of[id] = scope;
    return AT_OK;
}

/* The entry of an API, made when it is new; the pointer is good until the next one. */
static enum at_err api_entry(struct profile_json *r, struct at_str name, struct at_api **out)
{
    uint32_t id, count = at_intern_count(r->d->api_names);
    if (at_intern_add(r->d->api_names, name, &id))
        return pj_no_memory(r);
    if (id == count && (count & (count - 1)) == 0) { /* full: room is a power of two */
        struct at_api *apis = profile_alloc(r->d, count ? (size_t)count * 2 : 1, sizeof *apis);
        if (!apis)
            return pj_no_memory(r);
        if (count)
            memcpy(apis, r->d->apis, count * sizeof *apis);
        r->d->apis = apis;
    }
    *out = &r->d->apis[id];
    return AT_OK;
}

static enum at_err scope_name(struct profile_json *r, const cJSON *value, void *to)
{
    return pj_string(r, value, &((struct at_scope *)to)->name);
}

static enum at_err scope_title(struct profile_json *r, const cJSON *value, void *to)
{
    return pj_string(r, value, &((struct at_scope *)to)->title);
}

static enum at_err scope_prompts(struct profile_json *r, const cJSON *value, void *to)
{
    return pj_bool(r, value, &((struct at_scope *)to)->prompts);
}

static enum at_err scope_exempt(struct profile_json *r, const cJSON *value, void *to)
{
    return pj_bool(r, value, &((struct at_scope *)to)->exempt);
}

static enum at_err scope_apis(struct profile_json *r, const cJSON *value, void *to)
{
    struct at_scope *s = to;
    return pj_strings(r, value, &s->apis, &s->n_apis);
}

/* Named for the reader: what the recorder cannot tie to the scope by name alone. */
static enum at_err scope_names_only(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    const struct at_str *list;
    size_t n;
    return pj_strings(r, value, &list, &n);
}

static const struct profile_member scope_members[] = {
    {"name", scope_name, true},
    {"title", scope_title, false},
    {"apis", scope_apis, true},
    {"sometimes", scope_names_only, false},
    {"components", scope_names_only, false},
    {"prompts", scope_prompts, false},
    {"exempt", scope_exempt, false},
    {"note", NULL, false},
    {NULL, NULL, false},
};

static enum at_err read_scope(struct profile_json *r, const cJSON *value, size_t i, struct at_scope *s)
{
    s->prompts = true;
    enum at_err err = pj_object(r, value, scope_members, s);
    if (err)
        return err;
    size_t mark = pj_enter(r, "name");
    err = add_scope_name(r, s->name, i);
    if (err)
        return err;
    pj_leave(r, mark);
    mark = pj_enter(r, "apis");
    for (size_t k = 0; k < s->n_apis; k++) {
        struct at_api *api;
        err = api_entry(r, s->apis[k], &api);
        if (err)
            return err;
        api->kind = AT_API_GATED;
        api->scopes |= (uint64_t)1 << i;
    }
    pj_leave(r, mark);
    return AT_OK;
}

static enum at_err top_scopes(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    enum at_err err = pj_check_list(r, value);
    if (err)
        return err;
    int n = cJSON_GetArraySize(value);
    if (n == 0)
        return pj_bad(r, "no scope");
    if (n > AT_SCOPES_MAX)
        return pj_bad(r, "more than 64 scopes");
    struct at_scope *scopes = profile_alloc(r->d, (size_t)n, sizeof *scopes);
    r->d->scope_of = profile_alloc(r->d, (size_t)n * 2, sizeof *r->d->scope_of); /* with and without the prefix */
    if (!scopes || !r->d->scope_of)
        return pj_no_memory(r);
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, value)
    {
        size_t mark = pj_enter_index(r, i);
        err = read_scope(r, item, (size_t)i, &scopes[i]);
        if (err)
            return err;
        pj_leave(r, mark);
        i++;
    }
    r->p->scopes = scopes;
    r->p->n_scopes = (size_t)n;
    return AT_OK;
}

/* ---- The APIs about authorization itself */

static enum at_err special_apis(struct profile_json *r, const cJSON *value, enum at_api_kind kind)
{
    const struct at_str *names;
    size_t n;
    enum at_err err = pj_strings(r, value, &names, &n);
    for (size_t i = 0; i < n && !err; i++) {
        struct at_api *api;
        size_t mark = pj_enter_index(r, (int)i);
        err = api_entry(r, names[i], &api);
        if (!err && api->kind != AT_API_OTHER)
            err = pj_bad(r, "this API has another part already");
        if (!err) {
            api->kind = kind;
            pj_leave(r, mark);
        }
    }
    return err;
}

static enum at_err apis_authorize(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    return special_apis(r, value, AT_API_AUTHORIZE);
}

static enum at_err apis_get_setting(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    return special_apis(r, value, AT_API_GET_SETTING);
}

static enum at_err apis_open_setting(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    return special_apis(r, value, AT_API_OPEN_SETTING);
}

static const struct profile_member api_members[] = {
    {"authorize", apis_authorize, true},
    {"getSetting", apis_get_setting, true},
    {"openSetting", apis_open_setting, true},
    {NULL, NULL, false},
};

static enum at_err top_apis(struct profile_json *r, const cJSON *value, void *to)
{
    return pj_object(r, value, api_members, to);
}

/* ---- Policies */

static enum at_err policy_concurrent(struct profile_json *r, const cJSON *value, void *to)
{
    static const char *const words[] = {"join", "queue", "reprompt", NULL};
    size_t i = 0;
    (void)to;
    enum at_err err = pj_word(r, value, words, &i);
    r->p->concurrent = (enum at_concurrent)i;
    return err;
}

static enum at_err policy_dismiss(struct profile_json *r, const cJSON *value, void *to)
{
    static const char *const words[] = {"unasked", "denied", NULL};
    size_t i = 0;
    (void)to;
    enum at_err err = pj_word(r, value, words, &i);
    r->p->dismiss_denies = i == 1;
    return err;
}

static enum at_err policy_quiet_ms(struct profile_json *r, const cJSON *value, void *to)
{
    int64_t ms = 0;
    (void)to;
    enum at_err err = pj_integer(r, value, QUIET_MS_MAX, &ms);
    if (!err && ms < 0)
        err = pj_bad(r, "out of range");
    r->p->quiet_ms = (uint32_t)ms;
    return err;
}

static enum at_err policy_other_devices(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    return pj_bool(r, value, &r->p->other_devices);
}

static enum at_err policy_per_device(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    return pj_bool(r, value, &r->p->per_device);
}

/* Those that a divergence cites, and R10 and R15. What takes their place is in authtape-profile(5). */
static enum at_err policy_lacks(struct profile_json *r, const cJSON *value, void *to)
{
    static const char *const words[] = {"R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R12", "R15", NULL};
    static const uint8_t numbers[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15};
    const cJSON *item;
    int n = 0;
    (void)to;
    enum at_err err = pj_check_list(r, value);
    if (err)
        return err;
    cJSON_ArrayForEach(item, value)
    {
        size_t mark = pj_enter_index(r, n++), i = 0;
        err = pj_word(r, item, words, &i);
        if (!err && at_profile_lacks(r->p, numbers[i]))
            err = pj_bad(r, "named twice");
        if (err)
            return err;
        r->p->lacks |= 1u << numbers[i];
        pj_leave(r, mark);
    }
    return AT_OK;
}

static const struct profile_member policy_members[] = {
    {"concurrent", policy_concurrent, false},
    {"dismiss", policy_dismiss, false},
    {"quiet_ms", policy_quiet_ms, false},
    {"other_devices", policy_other_devices, false},
    {"per_device", policy_per_device, false},
    {"lacks", policy_lacks, false},
    {"note", NULL, false},
    {NULL, NULL, false},
};

static enum at_err top_policies(struct profile_json *r, const cJSON *value, void *to)
{
    return pj_object(r, value, policy_members, to);
}

/* ---- Answers */

static enum at_err rule_class(struct profile_json *r, const cJSON *value, void *to)
{
    const char *words[16] = {NULL};
    for (size_t i = 0; at_class_text((enum at_class)i); i++)
        words[i] = at_class_text((enum at_class)i);
    size_t i = 0;
    enum at_err err = pj_word(r, value, words, &i);
    ((struct answer_rule *)to)->cls = (enum at_class)i;
    return err;
}

static enum at_err rule_contains(struct profile_json *r, const cJSON *value, void *to)
{
    struct answer_rule *rule = to;
    enum at_err err = pj_strings(r, value, &rule->contains, &rule->n_contains);
    uint64_t *letters = err ? NULL : profile_alloc(r->d, rule->n_contains, sizeof *letters);
    if (!letters)
        return err ? err : pj_no_memory(r);
    for (size_t i = 0; i < rule->n_contains; i++)
        letters[i] = letters_of(rule->contains[i]);
    rule->letters = letters;
    return AT_OK;
}

static enum at_err rule_is(struct profile_json *r, const cJSON *value, void *to)
{
    struct answer_rule *rule = to;
    return pj_strings(r, value, &rule->is, &rule->n_is);
}

static enum at_err rule_api(struct profile_json *r, const cJSON *value, void *to)
{
    struct answer_rule *rule = to;
    return pj_strings(r, value, &rule->apis, &rule->n_apis);
}

static enum at_err rule_errno(struct profile_json *r, const cJSON *value, void *to)
{
    struct answer_rule *rule = to;
    return pj_integers(r, value, &rule->errnos, &rule->n_errnos);
}

static const struct profile_member rule_members[] = {
    {"class", rule_class, true}, {"contains", rule_contains, false}, {"is", rule_is, false},
    {"api", rule_api, false},    {"errno", rule_errno, false},       {"note", NULL, false},
    {NULL, NULL, false},
};

static enum at_err answers_failures(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    enum at_err err = pj_check_list(r, value);
    if (err)
        return err;
    struct answer_rule *rules = profile_alloc(r->d, (size_t)cJSON_GetArraySize(value), sizeof *rules);
    if (!rules)
        return pj_no_memory(r);
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, value)
    {
        struct answer_rule *rule = &rules[i];
        size_t mark = pj_enter_index(r, i++);
        err = pj_object(r, item, rule_members, rule);
        if (!err && !rule->n_contains && !rule->n_is && !rule->n_errnos)
            err = pj_bad(r, "nothing to match: 'contains', 'is' or 'errno' is needed");
        if (err)
            return err;
        pj_leave(r, mark);
    }
    r->d->rules = rules;
    r->d->n_rules = (size_t)i;
    return AT_OK;
}

static enum at_err answers_plain_ok(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    r->d->plain = true;
    return pj_strings(r, value, &r->d->plain_ok, &r->d->n_plain_ok);
}

static size_t count_names(const cJSON *object)
{
    size_t n = 0;
    const cJSON *list;
    cJSON_ArrayForEach(list, object) n += cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
    return n;
}

static enum at_err answers_aliases(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    if (!cJSON_IsObject(value))
        return pj_bad(r, "not an object");
    size_t n = 0;
    struct api_alias *aliases = profile_alloc(r->d, count_names(value), sizeof *aliases);
    if (!aliases)
        return pj_no_memory(r);
    const cJSON *list;
    cJSON_ArrayForEach(list, value)
    {
        uint32_t id;
        const struct at_str *named = NULL;
        size_t n_named = 0, mark = pj_enter(r, list->string);
        enum at_err err = pj_strings(r, list, &named, &n_named);
        if (err)
            return err;
        if (at_intern_add(r->d->strings, at_str(list->string), &id))
            return pj_no_memory(r);
        for (size_t i = 0; i < n_named; i++)
            aliases[n++] = (struct api_alias){.called = at_intern_get(r->d->strings, id), .named = named[i]};
        pj_leave(r, mark);
    }
    r->d->aliases = aliases;
    r->d->n_aliases = n;
    return AT_OK;
}

static const struct profile_member answer_members[] = {
    {"failures", answers_failures, true},
    {"aliases", answers_aliases, false},
    {"plain_ok", answers_plain_ok, false},
    {"note", NULL, false},
    {NULL, NULL, false},
};

static enum at_err top_answers(struct profile_json *r, const cJSON *value, void *to)
{
    return pj_object(r, value, answer_members, to);
}

/* ---- The whole */

static enum at_err top_schema(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    if (!cJSON_IsString(value) || strcmp(value->valuestring, SCHEMA) != 0)
        return pj_bad(r, "not \"" SCHEMA "\"");
    return AT_OK;
}

static enum at_err top_name(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    return pj_string(r, value, &r->p->name);
}

static enum at_err top_title(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    return pj_string(r, value, &r->p->title);
}

static enum at_err top_name_space(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    return pj_string(r, value, &r->d->name_space);
}

static enum at_err top_prefix(struct profile_json *r, const cJSON *value, void *to)
{
    (void)to;
    return pj_string(r, value, &r->d->key_prefix);
}

static const struct profile_member top_members[] = {
    {"schema", top_schema, true},
    {"name", top_name, true},
    {"title", top_title, true},
    {"source", NULL, false},
    {"note", NULL, false},
    {"namespace", top_name_space, false},
    {"optional_prefix", top_prefix, false},
    {"policies", top_policies, false},
    {"scopes", top_scopes, true},
    {"apis", top_apis, true},
    {"answers", top_answers, true},
    {NULL, NULL, false},
};

/* Lets every scope be named without the optional prefix, too. */
static enum at_err add_short_names(struct profile_json *r)
{
    struct at_str prefix = r->d->key_prefix;
    enum at_err err = AT_OK;
    pj_enter(r, "optional_prefix");
    for (size_t i = 0; prefix.ptr && i < r->p->n_scopes && !err; i++) {
        struct at_str name = r->p->scopes[i].name;
        if (name.len > prefix.len && at_str_starts(name, prefix))
            err = add_scope_name(r, (struct at_str){name.ptr + prefix.len, name.len - prefix.len}, i);
    }
    if (!err)
        pj_leave(r, 0);
    return err;
}

/* Where in the text cJSON, or the stricter scanner, stopped. */
static enum at_err not_json(struct at_str json, const char *stop, struct at_why *why)
{
    size_t line = 1, column = 1;
    for (const char *p = json.ptr; p < stop && p < json.ptr + json.len; p++) {
        column++;
        if (*p == '\n') {
            line++;
            column = 1;
        }
    }
    return at_fail(why, AT_BAD, "not JSON, line %zu, column %zu", line, column);
}

enum at_err profile_read(struct at_profile *p, struct at_str json, struct at_why *why)
{
    struct profile_json r = {.p = p, .d = p->data, .why = why};
    const char *stop = json.ptr;
    p->quiet_ms = 2000;
    if (json.len > PROFILE_FILE_MAX)
        return at_fail(why, AT_LIMIT, "larger than %zu bytes", PROFILE_FILE_MAX);
    if (json.len >= 3 && !memcmp(json.ptr, "\xef\xbb\xbf", 3))
        json = (struct at_str){json.ptr + 3, json.len - 3};
    bool valid = at_json_valid(json); /* also bounds the depth */
    cJSON *top = valid || at_json_skip(json) == 0 ? cJSON_ParseWithLengthOpts(json.ptr, json.len, &stop, false) : NULL;
    if (!valid) {
        size_t whole = at_json_skip(json);
        cJSON_Delete(top);
        return not_json(json, whole ? json.ptr + whole : stop, why);
    }
    if (!top)
        return at_fail(why, AT_NOMEM, "out of memory");
    enum at_err err = pj_object(&r, top, top_members, NULL);
    if (!err)
        err = add_short_names(&r);
    cJSON_Delete(top);
    return err;
}
