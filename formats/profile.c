/* profile.c: finding, keeping and asking a profile. Its text is read by profile_read.c. */
#include <stdlib.h>
#include <string.h>

#include "formats/profile_data.h"

extern const struct at_blob at_profile_blobs[]; /* made from the files in formats/profiles */

/* ---- Built-in profiles */

size_t at_profile_builtin_count(void)
{
    size_t n = 0;
    while (at_profile_blobs[n].name)
        n++;
    return n;
}

const char *at_profile_builtin_name(size_t i)
{
    return i < at_profile_builtin_count() ? at_profile_blobs[i].name : NULL;
}

struct at_str at_profile_builtin_text(size_t i)
{
    return i < at_profile_builtin_count() ? at_profile_blobs[i].text : (struct at_str){0};
}

/* ---- Life */

void *profile_alloc(struct at_profile_data *data, size_t n, size_t size)
{
    if (n && size > (SIZE_MAX - sizeof(struct block)) / n)
        return NULL;
    struct block *b = calloc(1, sizeof *b + n * size);
    if (!b)
        return NULL;
    b->next = data->blocks;
    data->blocks = b;
    return b->bytes;
}

void at_profile_free(struct at_profile **p)
{
    if (!*p)
        return;
    struct at_profile_data *d = (*p)->data;
    while (d && d->blocks) {
        struct block *next = d->blocks->next;
        free(d->blocks);
        d->blocks = next;
    }
    if (d && !d->borrows) {
        at_intern_free(&d->scope_names);
        at_intern_free(&d->api_names);
        at_intern_free(&d->strings);
    }
    free(d);
    free(*p);
    *p = NULL;
}

static enum at_err new_profile(struct at_profile **out)
{
    struct at_profile *p = calloc(1, sizeof *p);
    struct at_profile_data *d = calloc(1, sizeof *d);
    *out = p;
    if (!p || !d) {
        free(d);
        return AT_NOMEM;
    }
    p->data = d;
    enum at_err err = at_intern_new(&d->strings);
    if (!err)
        err = at_intern_new(&d->api_names);
    if (!err)
        err = at_intern_new(&d->scope_names);
    return err;
}

enum at_err at_profile_parse(struct at_str json, const char *name, struct at_profile **out, struct at_why *why)
{
    struct at_profile *p = NULL;
    struct at_why inner = {{0}};
    enum at_err err = new_profile(&p);
    *out = NULL;
    if (err)
        at_fail(why, err, "out of memory");
    else
        err = profile_read(p, json, &inner);
    if (!err) {
        *out = p;
        return AT_OK;
    }
    if (p && inner.text[0])
        at_fail(why, err, "%s%s%s", name ? name : "", name ? ": " : "", inner.text);
    at_profile_free(&p);
    return err;
}

static enum at_err load_file(const char *path, struct at_profile **out, struct at_why *why)
{
    struct at_buf text = {0};
    struct at_why inner = {{0}};
    enum at_err err = at_read_file(path, PROFILE_FILE_MAX, &text, &inner);
    if (err)
        at_fail(why, err, "%s: %s", path, inner.text);
    else
        err = at_profile_parse(at_buf_view(&text), path, out, why);
    at_buf_free(&text);
    return err;
}

/* The built-in names and what joins a list of them for a person. */
static enum at_err no_such_profile(const char *name, struct at_why *why)
{
    const char *names[64];
    size_t n = 0;
    for (; n < 64 && at_profile_builtin_name(n); n++)
        names[n] = at_profile_builtin_name(n);
    const char *near = at_closest(name, names, n);
    if (near)
        return at_fail(why, AT_NOTFOUND, "no profile '%s'; did you mean '%s'?", name, near);
    return at_fail(why, AT_NOTFOUND, "no profile '%s'; 'authtape profile list' names them", name);
}

enum at_err at_profile_load(const char *name_or_path, struct at_profile **out, struct at_why *why)
{
    size_t len = strlen(name_or_path);
    *out = NULL;
    if (strchr(name_or_path, '/') || (len >= 5 && !strcmp(name_or_path + len - 5, ".json")))
        return load_file(name_or_path, out, why);
    for (size_t i = 0; at_profile_blobs[i].name; i++)
        if (!strcmp(at_profile_blobs[i].name, name_or_path))
            return at_profile_parse(at_profile_blobs[i].text, name_or_path, out, why);
    return no_such_profile(name_or_path, why);
}

enum at_err at_profile_narrow(const struct at_profile *p, size_t scope, struct at_profile **out)
{
    const size_t n_apis = at_intern_count(p->data->api_names), n_names = at_intern_count(p->data->scope_names);
    struct at_profile *narrow = *out = malloc(sizeof *narrow);
    struct at_profile_data *d = malloc(sizeof *d);
    if (!narrow || !d) {
        free(d);
        free(narrow);
        *out = NULL;
        return AT_NOMEM;
    }
    *narrow = *p;
    *d = *p->data;
    narrow->data = d;
    narrow->scopes = &p->scopes[scope];
    narrow->n_scopes = 1;
    d->borrows = true;
    d->blocks = NULL;
    d->apis = profile_alloc(d, n_apis + 1, sizeof *d->apis);
    d->scope_of = profile_alloc(d, n_names + 1, sizeof *d->scope_of);
    if (!d->apis || !d->scope_of) {
        at_profile_free(out);
        return AT_NOMEM;
    }
    for (size_t i = 0; i < n_apis; i++)
        d->apis[i] = (struct at_api){p->data->apis[i].kind, p->data->apis[i].scopes >> scope & 1};
    for (size_t i = 0; i < n_names; i++)
        d->scope_of[i] = p->data->scope_of[i] == scope ? 0 : AT_NO_SCOPE;
    return AT_OK;
}

/* ---- Questions */

size_t at_profile_find_scope(const struct at_profile *p, struct at_str name)
{
    uint32_t id;
    return at_intern_find(p->data->scope_names, name, &id) ? p->data->scope_of[id] : AT_NO_SCOPE;
}

struct at_api at_profile_api(const struct at_profile *p, struct at_str api)
{
    uint32_t id;
    if (!at_intern_find(p->data->api_names, api, &id))
        return (struct at_api){.kind = AT_API_OTHER};
    return p->data->apis[id];
}
