/* dialect.c: the built-in dialects, and loading one by name or path. */
#include <string.h>

#include "tracer/dialect.h"

struct at_blob_list;
extern const struct at_blob at_dialect_blobs[];

size_t at_dialect_builtin_count(void)
{
    size_t n = 0;
    while (at_dialect_blobs[n].name)
        n++;
    return n;
}

const char *at_dialect_builtin_name(size_t i)
{
    return at_dialect_blobs[i].name;
}

struct at_str at_dialect_builtin_text(size_t i)
{
    return at_dialect_blobs[i].text;
}

static enum at_err load_builtin(const char *name, struct at_dialect **out, struct at_why *why)
{
    const char *names[32];
    size_t n = 0;
    for (size_t i = 0; i < at_dialect_builtin_count(); i++) {
        if (!strcmp(at_dialect_builtin_name(i), name))
            return at_dialect_compile(at_dialect_builtin_text(i), name, out, why);
        if (n < 32)
            names[n++] = at_dialect_builtin_name(i);
    }
    const char *near = at_closest(name, names, n);
    return at_fail(why, AT_NOTFOUND, near ? "no dialect is called so; did you mean '%s'?" : "no dialect is called so",
                   near);
}

enum at_err at_dialect_load(const char *name_or_path, struct at_dialect **out, struct at_why *why)
{
    size_t n = strlen(name_or_path);
    *out = NULL;
    if (!strchr(name_or_path, '/') && (n < 5 || strcmp(name_or_path + n - 5, ".json") != 0))
        return load_builtin(name_or_path, out, why);
    struct at_buf text = {0};
    enum at_err err = at_read_file(name_or_path, AT_DIALECT_BYTES, &text, why);
    if (!err)
        err = at_dialect_compile(at_buf_view(&text), name_or_path, out, why);
    at_buf_free(&text);
    return err;
}
