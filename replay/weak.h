/*
 * weak.h: events that count for less than what they say, for finding out which of them a verdict needs (witness.c).
 * Private to replay.
 *
 * Everything that a recording says is a fact that can be weakened, so that more runs of the machine explain the rest:
 * a change may or may not have happened, what could be seen could not, a moment was quiet. What weakening allows, it
 * allows in addition: a verdict that stands without a fact does not need it.
 */
#ifndef AUTHTAPE_REPLAY_WEAK_H
#define AUTHTAPE_REPLAY_WEAK_H

#include "replay/replay.h"

struct weak {
    uint8_t sees; /* mask of 1u << enum at_sight: what would have been seen before this event, since the one before */
    bool quiet;   /* that interval is long enough for a settings visit or a removal */
    bool maybe;   /* the event (a prompt, decision, flip or reset) may have happened, or not */
};

/* Takes an event. The key's `observes`, as its `start` has it, does not count: `sees` does. */
AT_MUST_USE enum at_err checker_weak_event(struct at_checker *c, const struct at_event *ev, uint64_t index,
                                           const struct weak *w);
/* Listings are read for this scope only; AT_NO_SCOPE: for all. */
void checker_only_scope(struct at_checker *c, size_t scope);
/* The states that scope `s` of key number `key` may be in after its last event, mask of 1u << enum at_state. */
uint8_t checker_states(const struct at_checker *c, uint32_t key, size_t s);
/* The least length of a quiet window. */
uint64_t checker_quiet_us(const struct at_checker *c);
/* Whose key number `key` is, numbered as they came. False: there is none. */
bool checker_key(const struct at_checker *c, uint32_t key, struct at_str *app, struct at_str *user);

#endif
