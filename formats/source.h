/*
 * source.h: one recording being read, whatever its form: a tape or NDJSON, a file or a pipe. Private to formats.
 */
#ifndef AUTHTAPE_FORMATS_SOURCE_H
#define AUTHTAPE_FORMATS_SOURCE_H

#include "formats/tape_index.h"

struct at_source;

/* Opens `path` ("-": standard input) and finds out what it is. Errors: AT_IO, AT_NOMEM, with "what, where". */
AT_MUST_USE enum at_err at_source_open(const char *path, enum at_recovery recovery, struct at_source **out,
                                       struct at_why *why);
/* Before the first event: packet numbers of a tape are not read. */
void at_source_no_packets(struct at_source *s);
/*
 * Lets the index of a tape spare the segments that hold nothing for the filter. A source without index (or one that
 * cannot be skipped in) is read as before. AT_IO, AT_NOMEM.
 */
AT_MUST_USE enum at_err at_source_select(struct at_source *s, const struct at_reader_options *o, struct at_why *why);
/* Events that were passed over before the one given last, since this was asked. */
uint64_t at_source_skipped(struct at_source *s);
/* The index of a tape file, NULL where there is none. Valid as long as the source. */
AT_MUST_USE enum at_err at_source_index(struct at_source *s, const struct tape_index **out, struct at_why *why);
AT_MUST_USE enum at_err at_source_size(const struct at_source *s, uint64_t *bytes,
                                       struct at_why *why); /* of the file */
/* The decoder of a tape, NULL for NDJSON; the source feeds it when told to. */
struct at_tape_decoder *at_source_decoder(struct at_source *s);
AT_MUST_USE enum at_err at_source_feed(struct at_source *s, struct at_why *why);
/*
 * The next events, at least one, and any one of them whole; valid until the next call. What a pipe has is given without
 * waiting for more. AT_END. Errors as of the codec, "what, where", once all that comes before them was given.
 */
AT_MUST_USE enum at_err at_source_next_batch(struct at_source *s, struct at_tape_batch *out, struct at_why *why);
void at_source_event(struct at_source *s, size_t i, struct at_event *ev);
const char *at_source_name(const struct at_source *s); /* for messages */
bool at_source_is_tape(const struct at_source *s);
void at_source_damage(const struct at_source *s, struct at_tape_damage *out);
void at_source_stats(const struct at_source *s, struct at_tape_stats *out); /* zeros for NDJSON */
bool at_source_would_wait(const struct at_source *s); /* the next batch has to be read from a pipe */
void at_source_close(struct at_source **s);

#endif
