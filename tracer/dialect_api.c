/* dialect_api.c: the APIs that ask for permission or show it, and where a text names them. */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

struct at_apis {
    struct at_intern *names;
    size_t longest; /* bytes of one */
};

static enum at_err add(struct at_apis *a, struct at_str name)
{
    uint32_t id;
    a->longest = name.len > a->longest ? name.len : a->longest;
    return at_intern_add(a->names, name, &id);
}

static enum at_err add_profile(struct at_apis *a, const char *name, struct at_why *why)
{
    struct at_profile *p = NULL;
    enum at_err err = at_profile_load(name, &p, why);
    for (size_t i = 0; !err && i < p->n_scopes; i++)
        for (size_t k = 0; !err && k < p->scopes[i].n_apis; k++)
            err = add(a, p->scopes[i].apis[k]);
    at_profile_free(&p);
    return err;
}

enum at_err at_apis_new(struct at_apis **out, struct at_why *why)
{
    struct at_apis *a = calloc(1, sizeof *a);
    enum at_err err = a ? at_intern_new(&a->names) : AT_NOMEM;
    for (size_t i = 0; !err && i < at_profile_builtin_count(); i++)
        err = add_profile(a, at_profile_builtin_name(i), why);
    for (const char *const *name = (const char *const[]){"authorize", "getSetting", "openSetting", NULL}; !err && *name;
         name++)
        err = add(a, at_str(*name));
    if (err == AT_NOMEM)
        at_fail(why, err, "%s", at_err_text(err));
    if (err)
        at_apis_free(&a);
    *out = a;
    return err;
}

void at_apis_free(struct at_apis **a)
{
    if (!*a)
        return;
    at_intern_free(&(*a)->names);
    free(*a);
    *a = NULL;
}

bool at_apis_has(const struct at_apis *a, struct at_str name)
{
    uint32_t id;
    return name.ptr && name.len <= a->longest && at_intern_find(a->names, name, &id);
}

static void note(const struct at_apis *a, struct at_str name, struct at_named *out)
{
    if (!at_apis_has(a, name))
        return;
    if (!out->name.ptr)
        out->name = name;
    else if (!at_str_eq(out->name, name))
        out->several = true;
}

/* Where the name begins after a "wx" at `at`: behind ".", "?.", "[\"" or "['"; 0: this is no access to a member. */
static size_t member_of(struct at_str text, size_t at)
{
    static const char *const ways[] = {"wx.", "wx?.", "wx[\"", "wx['"};
    const struct at_str rest = {text.ptr + at, text.len - at};
    if (rest.len < 3 || rest.ptr[1] != 'x')
        return 0;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (at_str_starts(rest, at_str(ways[i])))
            return at + strlen(ways[i]);
    return 0;
}

static void look_in_text(const struct at_apis *a, struct at_str text, struct at_named *out)
{
    note(a, text, out);
    for (size_t from = 0; from < text.len;) {
        const char *w = memchr(text.ptr + from, 'w', text.len - from);
        if (!w)
            return;
        size_t at = (size_t)(w - text.ptr), begin = member_of(text, at), end = begin;
        from = at + 1;
        if (!begin || (at > 0 && at_is_word(text.ptr[at - 1])))
            continue;
        while (end < text.len && at_is_word(text.ptr[end]))
            end++;
        note(a, (struct at_str){text.ptr + begin, end - begin}, out);
        from = end;
    }
}

enum at_err at_apis_named(const struct at_apis *a, const struct at_found *f, struct at_arena *arena,
                          struct at_named *out)
{
    if (f->type == AT_J_STRING)
        look_in_text(a, f->text, out);
    if (f->type != AT_J_OBJECT && f->type != AT_J_ARRAY)
        return AT_OK;
    for (uint32_t i = f->node; i < f->doc->nodes[f->node].next; i++) {
        struct at_str text;
        if (f->doc->nodes[i].type != AT_J_STRING)
            continue;
        enum at_err err = at_doc_text(f->doc, i, arena, &text);
        if (err)
            return err;
        look_in_text(a, text, out);
    }
    return AT_OK;
}
