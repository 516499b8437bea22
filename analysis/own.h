/* own.h: the events of one share of the users, out of a batch of all. Private to analysis. */
#ifndef AUTHTAPE_OWN_H
#define AUTHTAPE_OWN_H

#include "formats/formats.h"

/* Room for the columns. Zero-initialised is empty. */
struct own_events {
    int64_t *t_us;
    uint32_t *source, *shape, *place, *call_ref;
    uint64_t *packet;
    struct at_str *call;
    struct at_listing *listing;
    size_t cap;
};

/* The batch with only the share's events in it. Valid until the next call; what it was made of has to be, too. */
AT_MUST_USE enum at_err own_events(struct own_events *o, struct at_shard shard, const struct at_tape_batch *b,
                                   struct at_tape_batch *out);
void own_events_free(struct own_events *o);

#endif
