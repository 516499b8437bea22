/* json.h: just enough of JSON to read lines that programs wrote. Text ends with a NUL. */
#ifndef EXHAUSTIVE_JSON_H
#define EXHAUSTIVE_JSON_H

#include <stddef.h>

const char *json_space(const char *p);
/* A string, cut to fit; escapes keep their letter. The place after it, NULL where there is none. */
const char *json_string(const char *p, char *out, size_t size);
/* The place after a value of any kind, NULL where it does not end. */
const char *json_skip(const char *p);

#endif
