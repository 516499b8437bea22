/* baseline.c: divergences that a team has accepted (`replay --known`). */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "replay/print.h"

#define BASELINE_MAX_BYTES (size_t)(64 * 1024 * 1024)

static const char *const members[] = {"class", "scope", "api", "platform"};
#define N_MEMBERS (sizeof members / sizeof members[0])

struct entry {
    const char *want[N_MEMBERS]; /* NULL: any */
    bool seen;
};

struct known_list {
    cJSON *doc; /* owns the strings */
    struct entry *entries;
    size_t n;
};

static enum at_err read_entry(const cJSON *item, size_t number, struct entry *e, struct at_why *why)
{
    if (!cJSON_IsObject(item))
        return at_fail(why, AT_BAD, "entry %zu is no object", number);
    for (size_t m = 0; m < N_MEMBERS; m++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, members[m]);
        if (value && !cJSON_IsString(value))
            return at_fail(why, AT_BAD, "entry %zu: %s is no string", number, members[m]);
        e->want[m] = value ? value->valuestring : NULL;
    }
    if (!e->want[0])
        return at_fail(why, AT_BAD, "entry %zu has no class", number);
    return AT_OK;
}

static enum at_err read_entries(struct known_list *k, struct at_why *why)
{
    const cJSON *list = cJSON_IsObject(k->doc) ? cJSON_GetObjectItemCaseSensitive(k->doc, "divergences") : k->doc;
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return at_fail(why, AT_BAD, "a report of 'replay --format json' or an array of divergences is needed");
    k->entries = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *k->entries);
    if (!k->entries)
        return at_fail(why, AT_NOMEM, "out of memory");
    enum at_err err = AT_OK;
    cJSON_ArrayForEach(item, list)
    {
        if (!err)
            err = read_entry(item, k->n, &k->entries[k->n], why);
        k->n++;
    }
    return err;
}

enum at_err known_load(const char *path, struct known_list **out, struct at_why *why)
{
    struct at_buf text = {0};
    struct known_list *k = calloc(1, sizeof *k);
    enum at_err err = k ? at_read_file(path, BASELINE_MAX_BYTES, &text, why) : at_fail(why, AT_NOMEM, "out of memory");
    if (!err) {
        k->doc = cJSON_ParseWithLength(text.ptr ? text.ptr : "", text.len);
        err = k->doc ? read_entries(k, why) : at_fail(why, AT_BAD, "not JSON");
    }
    at_buf_free(&text);
    if (err)
        known_free(&k);
    *out = k;
    return err;
}

void known_free(struct known_list **known)
{
    if (!*known)
        return;
    cJSON_Delete((*known)->doc);
    free((*known)->entries);
    free(*known);
    *known = NULL;
}

bool known_match(struct known_list *k, const struct at_divergence *d)
{
    struct at_str have[N_MEMBERS] = {at_str(at_divergence_text(d->cls)), d->scope, d->api, d->platform};
    bool any = false;
    for (size_t i = 0; k && i < k->n; i++) {
        bool same = true;
        for (size_t m = 0; m < N_MEMBERS && same; m++)
            same = !k->entries[i].want[m] || at_str_eq(at_str(k->entries[i].want[m]), have[m]);
        k->entries[i].seen = k->entries[i].seen || same;
        any = any || same;
    }
    return any;
}

static enum at_err put_entry(struct at_buf *out, const struct entry *e)
{
    bool first = true;
    enum at_err err = at_buf_str(out, AT_STR("{"));
    for (size_t m = 0; m < N_MEMBERS && !err; m++) {
        if (!e->want[m])
            continue;
        err = at_buf_printf(out, "%s\"%s\":", first ? "" : ",", members[m]);
        if (!err)
            err = at_json_quote(out, at_str(e->want[m]));
        first = false;
    }
    return err ? err : at_buf_str(out, AT_STR("}"));
}

size_t known_count(const struct known_list *k)
{
    return k ? k->n : 0;
}

bool known_seen(const struct known_list *k, size_t i)
{
    return k->entries[i].seen;
}

enum at_err known_list_text(const struct known_list *k, struct at_buf *out)
{
    enum at_err err = at_buf_str(out, AT_STR("["));
    for (size_t i = 0; i < known_count(k) && !err; i++) {
        if (i)
            err = at_buf_str(out, AT_STR(","));
        if (!err)
            err = put_entry(out, &k->entries[i]);
    }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

enum at_err known_vanished(const struct known_list *k, struct at_buf *out, uint64_t *n)
{
    enum at_err err = AT_OK;
    *n = 0;
    for (size_t i = 0; k && i < k->n && !err; i++) {
        if (k->entries[i].seen)
            continue;
        if ((*n)++)
            err = at_buf_str(out, AT_STR(","));
        if (!err)
            err = put_entry(out, &k->entries[i]);
    }
    return err;
}
