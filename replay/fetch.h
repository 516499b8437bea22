/*
 * fetch.h: memory that events will look at, fetched before they are checked. Private to replay.
 *
 * Where users are many, next to nothing of the one that an event is of is in the cache, and what there is to look at is
 * found one behind the other: its stream by a hash, its key by the stream, its calls by the key. Waiting for that is
 * what takes the time; so it is done for a group of events at once, in steps: what a step looks at, the one before has
 * asked for.
 */
#ifndef AUTHTAPE_REPLAY_FETCH_H
#define AUTHTAPE_REPLAY_FETCH_H

#include "replay/private.h"

#define GROUP 64u

/* Where events of a source belong. */
struct place_of {
    struct key *key; /* NULL: not looked up yet, or foreign */
    struct stream *stream;
    bool foreign;     /* another shard's */
    uint32_t streams; /* foreign: how many there were when the stream was looked for in vain */
    struct at_str platform;
};

/* An event that is going to be checked. */
struct wanted {
    struct place_of *place;
    const struct at_tape_source *who;
    struct at_str call; /* its call id, absent where it has none */
    /* Found on the way: */
    struct key *key;
    struct stream *stream;
    uint32_t hash;
};

/*
 * Fetches what at most GROUP events will look at. The places of those whose stream and key are there, and of no other,
 * are looked up on the way.
 */
void fetch_all(const struct at_checker *c, struct wanted *all, size_t n);

#endif
