/* dialect_compile.h: what the two halves of the mapping compiler share. Private to dialect_compile.c, dialect_value.c.
 */
#ifndef AUTHTAPE_DIALECT_COMPILE_H
#define AUTHTAPE_DIALECT_COMPILE_H

#include <cjson/cJSON.h>

#include "tracer/dialect.h"

struct at_compiler {
    struct at_dialect *d;
    struct at_why *why;
    char place[200]; /* JSON Pointer of what is being read */
};

enum at_err at_compile_fail(struct at_compiler *c, const char *what);
enum at_err at_compile_nomem(struct at_compiler *c);
size_t at_compile_enter(struct at_compiler *c, const char *name, size_t index);
void at_compile_leave(struct at_compiler *c, size_t mark);
void *at_compile_get(struct at_compiler *c, size_t count, size_t size); /* zeroed; count > 0 */
enum at_err at_compile_text(struct at_compiler *c, const cJSON *j, struct at_str *out);
enum at_err at_compile_pointer(struct at_compiler *c, const cJSON *j, struct at_pointer *out);
enum at_err at_compile_unknown(struct at_compiler *c, const cJSON *object, const char *const *names, size_t n);
enum at_err at_compile_literal(struct at_compiler *c, const cJSON *j, uint8_t *type, struct at_str *text);
enum at_err at_compile_when(struct at_compiler *c, const cJSON *j, struct at_when *out);
enum at_err at_compile_value(struct at_compiler *c, const cJSON *j, struct at_value *v, unsigned depth);

#endif
