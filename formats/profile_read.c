/*
 * profile_read.c: the JSON of a profile, authtape-profile(5), checked member by member. A failure names its place as a
 * JSON Pointer (RFC 6901).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "formats/profile_data.h"

#define SCHEMA "authtape.profile/1"
#define QUIET_MS_MAX 86400000.0      /* a day */
#define ERRNO_MAX 9007199254740991.0 /* 2^53 - 1: what every JSON reader keeps exactly */

struct reader {
    struct at_profile *p;
    struct at_profile_data *d;
    struct at_why *why;
    char path[192]; /* JSON Pointer of the value at hand; cut where it does not fit */
};

/* ---- Places */

/* Steps into member `name`; give the result to `leave` to step out. */
static size_t enter(struct reader *r, const char *name)
{
    size_t mark = strlen(r->path), n = mark;
    if (n + 1 < sizeof r->path)
        r->path[n++] = '/';
    for (; *name && n + 3 < sizeof r->path; name++) {
        if (*name == '~' || *name == '/') {
            r->path[n++] = '~';
            r->path[n++] = *name == '~' ? '0' : '1';
        } else {
            r->path[n++] = (unsigned char)*name < ' ' ? '?' : *name;
        }
    }
    r->path[n] = 0;
    return mark;
}

static size_t enter_index(struct reader *r, int i)
{
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    return enter(r, text);
}

static void leave(struct reader *r, size_t mark)
{
    r->path[mark] = 0;
}

static enum at_err bad(struct reader *r, const char *what)
{
    return at_fail(r->why, AT_BAD, "%s, at %s", what, r->path[0] ? r->path : "the top");
}

static enum at_err no_memory(struct reader *r)
{
    return at_fail(r->why, AT_NOMEM, "out of memory");
}

/* ---- Values */

/* A copy of a string value that lives as long as the profile. */
static enum at_err read_string(struct reader *r, const cJSON *value, struct at_str *out)
{
    if (!cJSON_IsString(value))
        return bad(r, "not a string");
    if (!*value->valuestring)
        return bad(r, "an empty string");
    uint32_t id;
    if (at_intern_add(r->d->strings, at_str(value->valuestring), &id))
        return no_memory(r);
    *out = at_intern_get(r->d->strings, id);
    return AT_OK;
}

static enum at_err read_bool(struct reader *r, const cJSON *value, bool *out)
{
    if (!cJSON_IsBool(value))
        return bad(r, "not true or false");
    *out = cJSON_IsTrue(value);
    return AT_OK;
}

static enum at_err read_integer(struct reader *r, const cJSON *value, double max, int64_t *out)
{
    if (!cJSON_IsNumber(value) || floor(value->valuedouble) != value->valuedouble)
        return bad(r, "not an integer");
    if (fabs(value->valuedouble) > max)
        return bad(r, "out of range");
    *out = (int64_t)value->valuedouble;
    return AT_OK;
}

static enum at_err check_list(struct reader *r, const cJSON *value)
{
    if (!cJSON_IsArray(value))
        return bad(r, "not an array");
    return cJSON_GetArraySize(value) > PROFILE_LIST_MAX ? bad(r, "too many entries") : AT_OK;
}

static enum at_err read_strings(struct reader *r, const cJSON *value, const struct at_str **out, size_t *n)
{
    enum at_err err = check_list(r, value);
    if (err)
        return err;
    struct at_str *list = profile_alloc(r->d, (size_t)cJSON_GetArraySize(value), sizeof *list);
    if (!list)
        return no_memory(r);
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, value)
    {
        size_t mark = enter_index(r, i);
        err = read_string(r, item, &list[i]);
        if (err)
            return err;
        for (int j = 0; j < i; j++)
            if (at_str_eq(list[i], list[j]))
                return bad(r, "named twice");
        leave(r, mark);
        i++;
    }
    *out = list;
    *n = (size_t)i;
    return AT_OK;
}

static enum at_err read_integers(struct reader *r, const cJSON *value, const int64_t **out, size_t *n)
{
    enum at_err err = check_list(r, value);
    if (err)
        return err;
    int64_t *list = profile_alloc(r->d, (size_t)cJSON_GetArraySize(value), sizeof *list);
    if (!list)
        return no_memory(r);
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, value)
    {
        size_t mark = enter_index(r, i);
        err = read_integer(r, item, ERRNO_MAX, &list[i++]);
        if (err)
            return err;
        leave(r, mark);
    }
    *out = list;
    *n = (size_t)i;
    return AT_OK;
}

/* One of `words` (ended by NULL); its index. */
static enum at_err read_word(struct reader *r, const cJSON *value, const char *const *words, size_t *out)
{
    if (!cJSON_IsString(value))
        return bad(r, "not a string");
    char list[200];
    size_t n = 0;
    list[0] = 0;
    for (size_t i = 0; words[i]; i++) {
        if (!strcmp(value->valuestring, words[i])) {
            *out = i;
            return AT_OK;
        }
        int more = snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", words[i]);
        n += more > 0 && (size_t)more < sizeof list - n ? (size_t)more : 0;
    }
    return at_fail(r->why, AT_BAD, "'%.60s' is none of %s, at %s", value->valuestring, list, r->path);
}

/* ---- Objects: a table says which members there are and who reads each */

struct member {
    const char *name;
    enum at_err (*read)(struct reader *r, const cJSON *value, void *to); /* NULL: words for people, not read */
    bool required;
};

static enum at_err unknown_member(struct reader *r, const char *name, const struct member *members)
{
    const char *names[16];
    size_t n = 0;
    for (; n < 16 && members[n].name; n++)
        names[n] = members[n].name;
    const char *near = at_closest(name, names, n);
    enter(r, name);
    if (near)
        return at_fail(r->why, AT_BAD, "no such member; did you mean '%s'?, at %s", near, r->path);
    return bad(r, "no such member");
}

static enum at_err read_member(struct reader *r, const cJSON *value, const struct member *members, void *to)
{
    const struct member *m = members;
    while (m->name && strcmp(m->name, value->string) != 0)
        m++;
    if (!m->name)
        return unknown_member(r, value->string, members);
    size_t mark = enter(r, m->name);
    for (const cJSON *later = value->next; later; later = later->next)
        if (!strcmp(later->string, value->string))
            return bad(r, "given twice");
    enum at_err err = AT_OK;
    if (m->read)
        err = m->read(r, value, to);
    else if (!cJSON_IsString(value))
        err = bad(r, "not a string");
    if (!err)
        leave(r, mark);
    return err;
}

static enum at_err read_object(struct reader *r, const cJSON *object, const struct member *members, void *to)
{
    if (!cJSON_IsObject(object))
        return bad(r, "not an object");
    const cJSON *value;
    cJSON_ArrayForEach(value, object)
    {
        enum at_err err = read_member(r, value, members, to);
        if (err)
            return err;
    }
    for (const struct member *m = members; m->name; m++) {
        if (m->required && !cJSON_GetObjectItemCaseSensitive(object, m->name)) {
            char what[80];
            snprintf(what, sizeof what, "member '%s' is missing", m->name);
            return bad(r, what);
        }
    }
    return AT_OK;
}

/* ---- Scopes and APIs */

static enum at_err add_scope_name(struct reader *r, struct at_str name, size_t scope)
{
    uint32_t id;
    if (at_intern_find(r->d->scope_names, name, &id))
        return bad(r, "a scope of this name is there already");
    if (at_intern_add(r->d->scope_names, name, &id))
        return no_memory(r);
    r->d->scope_of[id] = scope;
    return AT_OK;
}

/* The entry of an API, made when it is new; the pointer is good until the next one. */
static enum at_err api_entry(struct reader *r, struct at_str name, struct at_api **out)
{
    uint32_t id, count = at_intern_count(r->d->api_names);
    if (at_intern_add(r->d->api_names, name, &id))
        return no_memory(r);
    if (id == count && (count & (count - 1)) == 0) { /* full: room is a power of two */
        struct at_api *apis = profile_alloc(r->d, count ? (size_t)count * 2 : 1, sizeof *apis);
        if (!apis)
            return no_memory(r);
        if (count)
            memcpy(apis, r->d->apis, count * sizeof *apis);
        r->d->apis = apis;
    }
    *out = &r->d->apis[id];
    return AT_OK;
}

static enum at_err scope_name(struct reader *r, const cJSON *value, void *to)
{
    return read_string(r, value, &((struct at_scope *)to)->name);
}

static enum at_err scope_title(struct reader *r, const cJSON *value, void *to)
{
    return read_string(r, value, &((struct at_scope *)to)->title);
}

static enum at_err scope_prompts(struct reader *r, const cJSON *value, void *to)
{
    return read_bool(r, value, &((struct at_scope *)to)->prompts);
}

static enum at_err scope_exempt(struct reader *r, const cJSON *value, void *to)
{
    return read_bool(r, value, &((struct at_scope *)to)->exempt);
}

static enum at_err scope_apis(struct reader *r, const cJSON *value, void *to)
{
    struct at_scope *s = to;
    return read_strings(r, value, &s->apis, &s->n_apis);
}

/* Named for the reader: what the recorder cannot tie to the scope by name alone. */
static enum at_err scope_names_only(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    const struct at_str *list;
    size_t n;
    return read_strings(r, value, &list, &n);
}

static const struct member scope_members[] = {
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

static enum at_err read_scope(struct reader *r, const cJSON *value, size_t i, struct at_scope *s)
{
    s->prompts = true;
    enum at_err err = read_object(r, value, scope_members, s);
    if (err)
        return err;
    size_t mark = enter(r, "name");
    err = add_scope_name(r, s->name, i);
    if (err)
        return err;
    leave(r, mark);
    mark = enter(r, "apis");
    for (size_t k = 0; k < s->n_apis; k++) {
        struct at_api *api;
        err = api_entry(r, s->apis[k], &api);
        if (err)
            return err;
        api->kind = AT_API_GATED;
        api->scopes |= (uint64_t)1 << i;
    }
    leave(r, mark);
    return AT_OK;
}

static enum at_err top_scopes(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    enum at_err err = check_list(r, value);
    if (err)
        return err;
    int n = cJSON_GetArraySize(value);
    if (n == 0)
        return bad(r, "no scope");
    if (n > AT_SCOPES_MAX)
        return bad(r, "more than 64 scopes");
    struct at_scope *scopes = profile_alloc(r->d, (size_t)n, sizeof *scopes);
    r->d->scope_of = profile_alloc(r->d, (size_t)n * 2, sizeof *r->d->scope_of); /* with and without the prefix */
    if (!scopes || !r->d->scope_of)
        return no_memory(r);
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, value)
    {
        size_t mark = enter_index(r, i);
        err = read_scope(r, item, (size_t)i, &scopes[i]);
        if (err)
            return err;
        leave(r, mark);
        i++;
    }
    r->p->scopes = scopes;
    r->p->n_scopes = (size_t)n;
    return AT_OK;
}

/* ---- The APIs about authorization itself */

static enum at_err special_apis(struct reader *r, const cJSON *value, enum at_api_kind kind)
{
    const struct at_str *names;
    size_t n;
    enum at_err err = read_strings(r, value, &names, &n);
    for (size_t i = 0; i < n && !err; i++) {
        struct at_api *api;
        size_t mark = enter_index(r, (int)i);
        err = api_entry(r, names[i], &api);
        if (!err && api->kind != AT_API_OTHER)
            err = bad(r, "this API has another part already");
        if (!err) {
            api->kind = kind;
            leave(r, mark);
        }
    }
    return err;
}

static enum at_err apis_authorize(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    return special_apis(r, value, AT_API_AUTHORIZE);
}

static enum at_err apis_get_setting(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    return special_apis(r, value, AT_API_GET_SETTING);
}

static enum at_err apis_open_setting(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    return special_apis(r, value, AT_API_OPEN_SETTING);
}

static const struct member api_members[] = {
    {"authorize", apis_authorize, true},
    {"getSetting", apis_get_setting, true},
    {"openSetting", apis_open_setting, true},
    {NULL, NULL, false},
};

static enum at_err top_apis(struct reader *r, const cJSON *value, void *to)
{
    return read_object(r, value, api_members, to);
}

/* ---- Policies */

static enum at_err policy_concurrent(struct reader *r, const cJSON *value, void *to)
{
    static const char *const words[] = {"join", "queue", "reprompt", NULL};
    size_t i = 0;
    (void)to;
    enum at_err err = read_word(r, value, words, &i);
    r->p->concurrent = (enum at_concurrent)i;
    return err;
}

static enum at_err policy_dismiss(struct reader *r, const cJSON *value, void *to)
{
    static const char *const words[] = {"unasked", "denied", NULL};
    size_t i = 0;
    (void)to;
    enum at_err err = read_word(r, value, words, &i);
    r->p->dismiss_denies = i == 1;
    return err;
}

static enum at_err policy_quiet_ms(struct reader *r, const cJSON *value, void *to)
{
    int64_t ms = 0;
    (void)to;
    enum at_err err = read_integer(r, value, QUIET_MS_MAX, &ms);
    if (!err && ms < 0)
        err = bad(r, "out of range");
    r->p->quiet_ms = (uint32_t)ms;
    return err;
}

static enum at_err policy_other_devices(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    return read_bool(r, value, &r->p->other_devices);
}

static enum at_err policy_per_device(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    return read_bool(r, value, &r->p->per_device);
}

/* Those that a divergence cites, and R10 and R15. What takes their place is in authtape-profile(5). */
static enum at_err policy_lacks(struct reader *r, const cJSON *value, void *to)
{
    static const char *const words[] = {"R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R12", "R15", NULL};
    static const uint8_t numbers[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15};
    const cJSON *item;
    int n = 0;
    (void)to;
    enum at_err err = check_list(r, value);
    if (err)
        return err;
    cJSON_ArrayForEach(item, value)
    {
        size_t mark = enter_index(r, n++), i = 0;
        err = read_word(r, item, words, &i);
        if (!err && at_profile_lacks(r->p, numbers[i]))
            err = bad(r, "named twice");
        if (err)
            return err;
        r->p->lacks |= 1u << numbers[i];
        leave(r, mark);
    }
    return AT_OK;
}

static const struct member policy_members[] = {
    {"concurrent", policy_concurrent, false},
    {"dismiss", policy_dismiss, false},
    {"quiet_ms", policy_quiet_ms, false},
    {"other_devices", policy_other_devices, false},
    {"per_device", policy_per_device, false},
    {"lacks", policy_lacks, false},
    {"note", NULL, false},
    {NULL, NULL, false},
};

static enum at_err top_policies(struct reader *r, const cJSON *value, void *to)
{
    return read_object(r, value, policy_members, to);
}

/* ---- Answers */

static enum at_err rule_class(struct reader *r, const cJSON *value, void *to)
{
    const char *words[16] = {NULL};
    for (size_t i = 0; at_class_text((enum at_class)i); i++)
        words[i] = at_class_text((enum at_class)i);
    size_t i = 0;
    enum at_err err = read_word(r, value, words, &i);
    ((struct answer_rule *)to)->cls = (enum at_class)i;
    return err;
}

static enum at_err rule_contains(struct reader *r, const cJSON *value, void *to)
{
    struct answer_rule *rule = to;
    enum at_err err = read_strings(r, value, &rule->contains, &rule->n_contains);
    uint64_t *letters = err ? NULL : profile_alloc(r->d, rule->n_contains, sizeof *letters);
    if (!letters)
        return err ? err : no_memory(r);
    for (size_t i = 0; i < rule->n_contains; i++)
        letters[i] = letters_of(rule->contains[i]);
    rule->letters = letters;
    return AT_OK;
}

static enum at_err rule_is(struct reader *r, const cJSON *value, void *to)
{
    struct answer_rule *rule = to;
    return read_strings(r, value, &rule->is, &rule->n_is);
}

static enum at_err rule_api(struct reader *r, const cJSON *value, void *to)
{
    struct answer_rule *rule = to;
    return read_strings(r, value, &rule->apis, &rule->n_apis);
}

static enum at_err rule_errno(struct reader *r, const cJSON *value, void *to)
{
    struct answer_rule *rule = to;
    return read_integers(r, value, &rule->errnos, &rule->n_errnos);
}

static const struct member rule_members[] = {
    {"class", rule_class, true}, {"contains", rule_contains, false}, {"is", rule_is, false},
    {"api", rule_api, false},    {"errno", rule_errno, false},       {"note", NULL, false},
    {NULL, NULL, false},
};

static enum at_err answers_failures(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    enum at_err err = check_list(r, value);
    if (err)
        return err;
    struct answer_rule *rules = profile_alloc(r->d, (size_t)cJSON_GetArraySize(value), sizeof *rules);
    if (!rules)
        return no_memory(r);
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, value)
    {
        struct answer_rule *rule = &rules[i];
        size_t mark = enter_index(r, i++);
        err = read_object(r, item, rule_members, rule);
        if (!err && !rule->n_contains && !rule->n_is && !rule->n_errnos)
            err = bad(r, "nothing to match: 'contains', 'is' or 'errno' is needed");
        if (err)
            return err;
        leave(r, mark);
    }
    r->d->rules = rules;
    r->d->n_rules = (size_t)i;
    return AT_OK;
}

static enum at_err answers_plain_ok(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    r->d->plain = true;
    return read_strings(r, value, &r->d->plain_ok, &r->d->n_plain_ok);
}

static size_t count_names(const cJSON *object)
{
    size_t n = 0;
    const cJSON *list;
    cJSON_ArrayForEach(list, object) n += cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
    return n;
}

static enum at_err answers_aliases(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    if (!cJSON_IsObject(value))
        return bad(r, "not an object");
    size_t n = 0;
    struct api_alias *aliases = profile_alloc(r->d, count_names(value), sizeof *aliases);
    if (!aliases)
        return no_memory(r);
    const cJSON *list;
    cJSON_ArrayForEach(list, value)
    {
        uint32_t id;
        const struct at_str *named = NULL;
        size_t n_named = 0, mark = enter(r, list->string);
        enum at_err err = read_strings(r, list, &named, &n_named);
        if (err)
            return err;
        if (at_intern_add(r->d->strings, at_str(list->string), &id))
            return no_memory(r);
        for (size_t i = 0; i < n_named; i++)
            aliases[n++] = (struct api_alias){.called = at_intern_get(r->d->strings, id), .named = named[i]};
        leave(r, mark);
    }
    r->d->aliases = aliases;
    r->d->n_aliases = n;
    return AT_OK;
}

static const struct member answer_members[] = {
    {"failures", answers_failures, true},
    {"aliases", answers_aliases, false},
    {"plain_ok", answers_plain_ok, false},
    {"note", NULL, false},
    {NULL, NULL, false},
};

static enum at_err top_answers(struct reader *r, const cJSON *value, void *to)
{
    return read_object(r, value, answer_members, to);
}

/* ---- The whole */

static enum at_err top_schema(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    if (!cJSON_IsString(value) || strcmp(value->valuestring, SCHEMA) != 0)
        return bad(r, "not \"" SCHEMA "\"");
    return AT_OK;
}

static enum at_err top_name(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    return read_string(r, value, &r->p->name);
}

static enum at_err top_title(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    return read_string(r, value, &r->p->title);
}

static enum at_err top_name_space(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    return read_string(r, value, &r->d->name_space);
}

static enum at_err top_prefix(struct reader *r, const cJSON *value, void *to)
{
    (void)to;
    return read_string(r, value, &r->d->key_prefix);
}

static const struct member top_members[] = {
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
static enum at_err add_short_names(struct reader *r)
{
    struct at_str prefix = r->d->key_prefix;
    enum at_err err = AT_OK;
    enter(r, "optional_prefix");
    for (size_t i = 0; prefix.ptr && i < r->p->n_scopes && !err; i++) {
        struct at_str name = r->p->scopes[i].name;
        if (name.len > prefix.len && at_str_starts(name, prefix))
            err = add_scope_name(r, (struct at_str){name.ptr + prefix.len, name.len - prefix.len}, i);
    }
    if (!err)
        leave(r, 0);
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
    struct reader r = {.p = p, .d = p->data, .why = why};
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
    enum at_err err = read_object(&r, top, top_members, NULL);
    if (!err)
        err = add_short_names(&r);
    cJSON_Delete(top);
    return err;
}
