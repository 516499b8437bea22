/* profile_json.c: the values in the JSON of a profile, each checked, with its place. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/profile_json.h"

#define ERRNO_MAX 9007199254740991.0 /* 2^53 - 1: what every JSON reader keeps exactly */

/* ---- Places */

size_t pj_enter(struct profile_json *r, const char *name)
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

size_t pj_enter_index(struct profile_json *r, int i)
{
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    return pj_enter(r, text);
}

void pj_leave(struct profile_json *r, size_t mark)
{
    r->path[mark] = 0;
}

/* ---- Values */

enum at_err pj_string(struct profile_json *r, const cJSON *value, struct at_str *out)
{
    if (!cJSON_IsString(value))
        return pj_bad(r, "not a string");
    if (!*value->valuestring)
        return pj_bad(r, "an empty string");
    uint32_t id;
    if (at_intern_add(r->d->strings, at_str(value->valuestring), &id))
        return pj_no_memory(r);
    *out = at_intern_get(r->d->strings, id);
    return AT_OK;
}

enum at_err pj_bool(struct profile_json *r, const cJSON *value, bool *out)
{
    if (!cJSON_IsBool(value))
        return pj_bad(r, "not true or false");
    *out = cJSON_IsTrue(value);
    return AT_OK;
}

enum at_err pj_integer(struct profile_json *r, const cJSON *value, double max, int64_t *out)
{
    if (!cJSON_IsNumber(value) || floor(value->valuedouble) != value->valuedouble)
        return pj_bad(r, "not an integer");
    if (fabs(value->valuedouble) > max)
        return pj_bad(r, "out of range");
    *out = (int64_t)value->valuedouble;
    return AT_OK;
}

enum at_err pj_check_list(struct profile_json *r, const cJSON *value)
{
    if (!cJSON_IsArray(value))
        return pj_bad(r, "not an array");
    return cJSON_GetArraySize(value) > PROFILE_LIST_MAX ? pj_bad(r, "too many entries") : AT_OK;
}

enum at_err pj_strings(struct profile_json *r, const cJSON *value, const struct at_str **out, size_t *n)
{
    enum at_err err = pj_check_list(r, value);
    if (err)
        return err;
    struct at_str *list = profile_alloc(r->d, (size_t)cJSON_GetArraySize(value), sizeof *list);
    if (!list)
        return pj_no_memory(r);
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, value)
    {
        size_t mark = pj_enter_index(r, i);
        err = pj_string(r, item, &list[i]);
        if (err)
            return err;
        for (int j = 0; j < i; j++)
            if (at_str_eq(list[i], list[j]))
                return pj_bad(r, "named twice");
        pj_leave(r, mark);
        i++;
    }
    *out = list;
    *n = (size_t)i;
    return AT_OK;
}

enum at_err pj_integers(struct profile_json *r, const cJSON *value, const int64_t **out, size_t *n)
{
    enum at_err err = pj_check_list(r, value);
    if (err)
        return err;
    int64_t *list = profile_alloc(r->d, (size_t)cJSON_GetArraySize(value), sizeof *list);
    if (!list)
        return pj_no_memory(r);
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, value)
    {
        size_t mark = pj_enter_index(r, i);
        err = pj_integer(r, item, ERRNO_MAX, &list[i++]);
        if (err)
            return err;
        pj_leave(r, mark);
    }
    *out = list;
    *n = (size_t)i;
    return AT_OK;
}

enum at_err pj_word(struct profile_json *r, const cJSON *value, const char *const *words, size_t *out)
{
    if (!cJSON_IsString(value))
        return pj_bad(r, "not a string");
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

static enum at_err unknown_member(struct profile_json *r, const char *name, const struct profile_member *members)
{
    const char *names[16];
    size_t n = 0;
    for (; n < 16 && members[n].name; n++)
        names[n] = members[n].name;
    const char *near = at_closest(name, names, n);
    pj_enter(r, name);
    if (near)
        return at_fail(r->why, AT_BAD, "no such member; did you mean '%s'?, at %s", near, r->path);
    return pj_bad(r, "no such member");
}

static enum at_err read_member(struct profile_json *r, const cJSON *value, const struct profile_member *members,
                               void *to)
{
    const struct profile_member *m = members;
    while (m->name && strcmp(m->name, value->string) != 0)
        m++;
    if (!m->name)
        return unknown_member(r, value->string, members);
    size_t mark = pj_enter(r, m->name);
    for (const cJSON *later = value->next; later; later = later->next)
        if (!strcmp(later->string, value->string))
            return pj_bad(r, "given twice");
    enum at_err err = AT_OK;
    if (m->read)
        err = m->read(r, value, to);
    else if (!cJSON_IsString(value))
        err = pj_bad(r, "not a string");
    if (!err)
        pj_leave(r, mark);
    return err;
}

enum at_err pj_object(struct profile_json *r, const cJSON *object, const struct profile_member *members, void *to)
{
    if (!cJSON_IsObject(object))
        return pj_bad(r, "not an object");
    const cJSON *value;
    cJSON_ArrayForEach(value, object)
    {
        enum at_err err = read_member(r, value, members, to);
        if (err)
            return err;
    }
    for (const struct profile_member *m = members; m->name; m++) {
        if (m->required && !cJSON_GetObjectItemCaseSensitive(object, m->name)) {
            char what[80];
            snprintf(what, sizeof what, "member '%s' is missing", m->name);
            return pj_bad(r, what);
        }
    }
    return AT_OK;
}
