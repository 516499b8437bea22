/* json.c: just enough of JSON. */
#include <string.h>

#include "json.h"

const char *json_space(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        p++;
    return p;
}

const char *json_string(const char *p, char *out, size_t size)
{
    size_t n = 0;
    p = json_space(p);
    if (*p++ != '"')
        return NULL;
    for (; *p && *p != '"'; p++) {
        if (*p == '\\' && !*++p)
            return NULL;
        if (n + 1 < size)
            out[n++] = *p;
    }
    out[n] = '\0';
    return *p ? p + 1 : NULL;
}

const char *json_skip(const char *p)
{
    char ignored[8];
    int depth = 0;
    for (p = json_space(p); *p;) {
        if (*p == '"') {
            p = json_string(p, ignored, sizeof ignored);
            if (!p)
                return NULL;
        } else {
            depth += *p == '{' || *p == '[';
            depth -= *p == '}' || *p == ']';
            if (depth < 0)
                return p;
            p++;
        }
        if (!depth && strchr(",}] \t\r\n", *p))
            return p;
    }
    return depth ? NULL : p;
}
