/*
 * room.h: memory that is given back all together, and what lies in it by number and by name. Private to replay.
 *
 * Users are many, and each event looks for one of them: what takes the time is how many places in memory there are to
 * look at. So the name of a thing stands right before it, and what a hash leads to is the place of the thing itself.
 */
#ifndef AUTHTAPE_REPLAY_ROOM_H
#define AUTHTAPE_REPLAY_ROOM_H

#include <string.h>

#include "formats/formats.h"

#define ROOM_UNIT 32u                 /* bytes: what is numbered */
#define ROOM_BYTES (size_t)(2u << 20) /* of a chunk: a large page */
#define ROOM_UNITS (ROOM_BYTES / ROOM_UNIT)

struct room {
    char **chunks;
    uint32_t n_chunks, cap_chunks;
    char *free; /* of the last one */
    size_t left;
};

/* Zeroed memory, `align` a power of two of at most a line of the cache. NULL: there is none. */
void *room_get(struct room *r, size_t bytes, size_t align);
/* The same with a name, and a number: 32 bits that are less in memory than a pointer. */
void *room_get_named(struct room *r, struct at_str name, size_t bytes, uint32_t *number);
void room_free(struct room *r);

static inline void *room_at(const struct room *r, uint32_t number)
{
    return r->chunks[number / ROOM_UNITS] + number % ROOM_UNITS * ROOM_UNIT;
}
/* The name of what has one; it stands before it, and its length between the two. */
static inline struct at_str room_name(const void *thing)
{
    uint32_t len;
    memcpy(&len, (const char *)thing - sizeof len, sizeof len);
    return (struct at_str){(const char *)thing - sizeof len - len, len};
}

#endif
