/*
 * tape_events.h: the columns of a frame, read as events. One of these follows a tape through its segments. Private to
 * formats.
 */
#ifndef AUTHTAPE_FORMATS_TAPE_EVENTS_H
#define AUTHTAPE_FORMATS_TAPE_EVENTS_H

#include "formats/tape_format.h"

#define TAPE_BATCH 256 /* events decoded at a time: their columns stay in the first-level cache */

struct tape_events;
AT_MUST_USE enum at_err at_events_new(struct tape_events **out);
void at_events_free(struct tape_events **d);
void at_events_no_packets(struct tape_events *d); /* before the first frame: packet numbers are not decoded */

/* Begins a frame; `payload` must stay until the next one. AT_DAMAGED, AT_NEWER, AT_LIMIT, AT_NOMEM. */
AT_MUST_USE enum at_err at_events_frame(struct tape_events *d, const struct tape_frame *f, const uint8_t *payload);
/* Decodes the next events of the frame into columns. AT_END: there are no more. AT_DAMAGED: they make no sense. */
AT_MUST_USE enum at_err at_events_batch(struct tape_events *d);
uint32_t at_events_left(const struct tape_events *d); /* in the frame, not decoded yet */
/* The batch at hand. */
void at_events_view(const struct tape_events *d, struct at_tape_batch *out);
/* Event `i` of the batch; its lists are valid until the next call. */
void at_events_get(struct tape_events *d, size_t i, struct at_event *ev);

#endif
