/*
 * source.h: one recording being read, whatever its form: a tape or NDJSON, a file or a pipe. Private to formats.
 */
#ifndef AUTHTAPE_FORMATS_SOURCE_H
#define AUTHTAPE_FORMATS_SOURCE_H

#include "formats/formats.h"

struct at_source;

/* Opens `path` ("-": standard input) and finds out what it is. Errors: AT_IO, AT_NOMEM, with "what, where". */
AT_MUST_USE enum at_err at_source_open(const char *path, enum at_recovery recovery, struct at_source **out,
                                       struct at_why *why);
/* The next event, valid until the next call. AT_END. Errors as of the codec, "what, where". */
AT_MUST_USE enum at_err at_source_next(struct at_source *s, struct at_event *ev, struct at_why *why);
const char *at_source_name(const struct at_source *s); /* for messages */
bool at_source_is_tape(const struct at_source *s);
void at_source_damage(const struct at_source *s, struct at_tape_damage *out);
void at_source_stats(const struct at_source *s, struct at_tape_stats *out); /* zeros for NDJSON */
bool at_source_would_wait(const struct at_source *s);                       /* see at_reader_would_wait */
void at_source_close(struct at_source **s);

#endif
