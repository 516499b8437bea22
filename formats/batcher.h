/* batcher.h: single events as columns (struct at_tape_batch), as a tape would give them. Private to formats. */
#ifndef AUTHTAPE_FORMATS_BATCHER_H
#define AUTHTAPE_FORMATS_BATCHER_H

#include "formats/formats.h"

struct at_batcher;
AT_MUST_USE enum at_err at_batcher_new(struct at_batcher **out);
void at_batcher_free(struct at_batcher **b);
/* Forgets the events of the batch before; a new segment is begun where the old one is large. */
void at_batcher_begin(struct at_batcher *b);
/* Adds an event, which is copied. AT_NOMEM. */
AT_MUST_USE enum at_err at_batcher_add(struct at_batcher *b, const struct at_event *ev);
bool at_batcher_is_full(const struct at_batcher *b);
/* Valid until the next change. */
void at_batcher_view(const struct at_batcher *b, struct at_tape_batch *out);
/* Event `i` of the batch. */
void at_batcher_get(const struct at_batcher *b, size_t i, struct at_event *ev);

#endif
