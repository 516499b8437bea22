/* witness.h: a search for the fewest facts that a verdict needs. Private to witness.c and witness_words.c. */
#ifndef AUTHTAPE_WITNESS_H
#define AUTHTAPE_WITNESS_H

#include "replay/history.h"

/* Kinds of stretches: what can be seen, and the quiet moment. */
#define STRETCHES (AT_SIGHTS + 1u)
#define QUIET AT_SIGHTS

/* What an event of the window is to the claim. */
enum part {
    PART_TICK,     /* nothing but a moment at which the game was there */
    PART_PLAIN,    /* kept as it is: calls, gaps, what the claim is about */
    PART_OBSERVER, /* an answer or a listing: weakened, it says nothing */
    PART_CHANGE,   /* weakened, it may have happened or not; a start: nothing is known of the states */
};

struct item {
    const struct at_event *ev;
    uint64_t event;
    struct at_str api;
    enum part part;
    bool of_scope, weak;
    uint8_t sees;
};

/* From item `from` on to before item `to`, nothing of the kind went unseen between it and the item before. */
struct stretch {
    size_t from, to;
};

struct search {
    const struct at_profile *profile;
    struct at_profile *narrow; /* of the claim's scope alone, where others have no part in the window; else NULL */
    struct at_check_options options;
    const struct claim *claim;
    struct at_checker *checker;
    uint32_t runs;
    struct item *items;
    size_t n, n_open; /* the first n_open: calls that were open before the window, and the gap */
    struct stretch stretches[STRETCHES];
    struct at_event before[3]; /* made up for what was before the window: calls that may be open, and a gap */
    uint64_t target;           /* the event of the claim */
    bool strict;               /* nothing happens unseen */
    /* In the run at hand: */
    bool hit;
    uint8_t hit_states;
    bool any_fed;
    int64_t fed_us; /* time of the last item fed */
};

/* It was done without the stretch. */
bool witness_is_empty(const struct stretch *s);
/* Whether the claim stands on what is not weakened. */
AT_MUST_USE enum at_err witness_stands(struct search *q, bool *yes);

/* ---- witness_words.c */

/* Appends the facts that are left, as texts. */
AT_MUST_USE enum at_err witness_tell(const struct search *q, const struct past *past, struct finding_of_search *out);
/* Appends the nearest innocent explanation: a fact that is no event of its own, without which all would be right. */
AT_MUST_USE enum at_err witness_innocent(struct search *q, struct at_buf *out);

#endif
