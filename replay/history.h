/* history.h: what was recorded of a key. Private to replay. */
#ifndef AUTHTAPE_REPLAY_HISTORY_H
#define AUTHTAPE_REPLAY_HISTORY_H

#include "replay/replay.h"

#define MOMENTS_MAX 4096u /* events of a key that are looked at */
#define SEES_ALL ((1u << AT_SIGHTS) - 1)

enum { OPEN_GATED = 1, OPEN_SETTINGS = 2 };

/* The history of one key. */
struct past {
    struct at_moment *moments; /* in their order */
    size_t n;
    bool whole;            /* they are all that there were */
    uint8_t observes;      /* what the recording saw before the first of them */
    uint8_t open;          /* OPEN_…: calls made before the first of them that were not answered then */
    struct at_place start; /* of the `start` that said so */
};

/* The last `most` events. Views, valid until the next event is added. Empty for a key that is not known. */
AT_MUST_USE enum at_err history_past(struct at_history *h, struct at_str app, struct at_str user, struct at_str stream,
                                     size_t scope, size_t most, struct past *out);

/* ---- witness.c */

/* What has to stand: a divergence, or that only some states are possible at the end. */
struct claim {
    const struct at_divergence *divergence; /* or NULL */
    size_t scope;
    uint8_t states; /* mask; no other states may become possible. 0: it is not about states */
};
/* The result of a search. */
struct finding_of_search {
    struct at_witness *list; /* in the order of their events */
    size_t n;
    struct at_buf texts;    /* theirs */
    struct at_buf innocent; /* a sentence, or nothing */
};
void witness_free(struct finding_of_search *w);
/* AT_NOTFOUND: the claim does not stand on this past. */
AT_MUST_USE enum at_err witness_search(const struct at_profile *profile, const struct at_check_options *options,
                                       const struct past *past, const struct claim *claim,
                                       struct finding_of_search *out);

#endif
