/* bytes.h: the bytes of a capture file, unpacked where they are gzip (private to the tracer). */
#ifndef AUTHTAPE_BYTES_H
#define AUTHTAPE_BYTES_H

#include "tracer/tracer.h"

struct at_bytes;
/* "-" is standard input. AT_IO with why ("what"). */
AT_MUST_USE enum at_err at_bytes_open(const char *path, struct at_bytes **out, struct at_why *why);
void at_bytes_close(struct at_bytes **s);
/* Looks at the next `n` bytes (at most 16) without taking them; `*got` is less only at the end. */
AT_MUST_USE enum at_err at_bytes_peek(struct at_bytes *s, uint8_t *out, size_t n, size_t *got, struct at_why *why);
/* Some bytes, as they come: does not wait for `n` of them. `*got` 0: the end. AT_STOP: a signal came. */
AT_MUST_USE enum at_err at_bytes_read(struct at_bytes *s, void *out, size_t n, size_t *got, struct at_why *why);
/* All `n` bytes; `*got` is less only at the end. */
AT_MUST_USE enum at_err at_bytes_read_all(struct at_bytes *s, void *out, size_t n, size_t *got, struct at_why *why);

#endif
