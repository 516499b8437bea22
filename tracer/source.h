/* source.h: the bytes of a capture file, unpacked where they are gzip (private to the tracer). */
#ifndef AUTHTAPE_SOURCE_H
#define AUTHTAPE_SOURCE_H

#include "tracer/tracer.h"

struct at_source;
/* "-" is standard input. AT_IO with why ("what"). */
AT_MUST_USE enum at_err at_source_open(const char *path, struct at_source **out, struct at_why *why);
void at_source_close(struct at_source **s);
/* Looks at the next `n` bytes (at most 16) without taking them; `*got` is less only at the end. */
AT_MUST_USE enum at_err at_source_peek(struct at_source *s, uint8_t *out, size_t n, size_t *got, struct at_why *why);
/* Some bytes, as they come: does not wait for `n` of them. `*got` 0: the end. AT_STOP: a signal came. */
AT_MUST_USE enum at_err at_source_read(struct at_source *s, void *out, size_t n, size_t *got, struct at_why *why);
/* All `n` bytes; `*got` is less only at the end. */
AT_MUST_USE enum at_err at_source_read_all(struct at_source *s, void *out, size_t n, size_t *got, struct at_why *why);

#endif
