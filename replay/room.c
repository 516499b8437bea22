/* room.c: memory that is given back all together. */
#include "replay/room.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LINE 64u
#define FIRST_BYTES (ROOM_BYTES / 32)                    /* few users: little memory */
#define CHUNKS_MAX (AT_SLOT_FREE / (uint32_t)ROOM_UNITS) /* numbers are below AT_SLOT_FREE */

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static bool add_chunk(struct room *r, size_t bytes)
{
    size_t room = r->n_chunks == 0 && bytes <= FIRST_BYTES ? FIRST_BYTES : ROOM_BYTES;
    if (bytes > ROOM_BYTES || r->n_chunks == CHUNKS_MAX)
        return false;
    if (r->n_chunks == r->cap_chunks) {
        uint32_t cap = r->cap_chunks ? r->cap_chunks * 2 : 4;
        char **chunks = realloc(r->chunks, cap * sizeof *chunks);
        if (!chunks)
            return false;
        r->chunks = chunks;
        r->cap_chunks = cap;
    }
    char *chunk = aligned_alloc(room == ROOM_BYTES ? ROOM_BYTES : LINE, room);
    if (!chunk)
        return false;
    if (room == ROOM_BYTES)
        (void)madvise(chunk, ROOM_BYTES, MADV_HUGEPAGE);
    r->chunks[r->n_chunks++] = chunk;
    r->free = chunk;
    r->left = room;
    return true;
}

void *room_get(struct room *r, size_t bytes, size_t align)
{
    size_t skip = -(uintptr_t)r->free & (align - 1);
    bytes = round_up(bytes, ROOM_UNIT);
    if (r->left < skip + bytes) {
        if (!add_chunk(r, bytes))
            return NULL;
        skip = 0;
    }
    char *room = r->free + skip;
    r->free = room + bytes;
    r->left -= skip + bytes;
    return memset(room, 0, bytes);
}

void *room_get_named(struct room *r, struct at_str name, size_t bytes, uint32_t *number)
{
    const uint32_t len = (uint32_t)name.len;
    size_t before = round_up(name.len + sizeof len, ROOM_UNIT);
    char *thing = name.len < ROOM_BYTES ? room_get(r, before + bytes, ROOM_UNIT) : NULL;
    if (!thing)
        return NULL;
    thing += before;
    memcpy(thing - sizeof len, &len, sizeof len);
    if (len)
        memcpy(thing - sizeof len - len, name.ptr, len);
    const char *chunk = r->chunks[r->n_chunks - 1];
    *number = (r->n_chunks - 1) * (uint32_t)ROOM_UNITS + (uint32_t)((size_t)(thing - chunk) / ROOM_UNIT);
    return thing;
}

void room_free(struct room *r)
{
    while (r->n_chunks)
        free(r->chunks[--r->n_chunks]);
    free(r->chunks);
    *r = (struct room){0};
}
