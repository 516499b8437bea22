/* feed.h: reading recordings into the sums of a report. Private to analysis. */
#ifndef AUTHTAPE_FEED_H
#define AUTHTAPE_FEED_H

#include "analysis/own.h"
#include "analysis/story.h"
#include "analysis/tally.h"

/* What the events are poured into. */
struct sums {
    struct tally *tally;
    struct story *story;       /* NULL: nobody wants to see it */
    struct at_shard shard;     /* the users that are counted */
    struct at_reading reading; /* with a shard: of what, once it was read */
    struct own_events own;     /* freed by feed */
};

/* Reads all of it, and finishes the tally. Failures: why is "FILE: what, where". */
AT_MUST_USE enum at_err feed(const char *const *paths, size_t n_paths, const struct at_profile *profile, struct sums *t,
                             struct at_why *why);

#endif
