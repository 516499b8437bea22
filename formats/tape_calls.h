/*
 * tape_calls.h: call ids of one source, told in few bits (tape.5, "Call ids"). Both sides of the codec keep the same
 * state: how the ids count, and the calls that are open. Private to formats.
 */
#ifndef AUTHTAPE_FORMATS_TAPE_CALLS_H
#define AUTHTAPE_FORMATS_TAPE_CALLS_H

#include "formats/tape_format.h"

/* Bytes that never move, given back all together. */
struct tape_chunk;
struct tape_arena {
    struct tape_chunk *chunks;
};
/* Room for `len` bytes; NULL when out of memory. */
char *at_arena_room(struct tape_arena *a, size_t len);
/* The same for an array, aligned for any of our structs. */
void *at_arena_array(struct tape_arena *a, size_t n, size_t element_bytes);
/* A copy of the bytes; its `ptr` is NULL when out of memory. */
struct at_str at_arena_text(struct tape_arena *a, struct at_str s);
void at_arena_clear(struct tape_arena *a);

/* A call id and its number: the same for the same id of the same source as long as a call with it is open. */
struct tape_call_id {
    struct at_str id;
    uint32_t ref;
};

/* What the sources of a segment share. */
struct tape_ids {
    struct tape_arena arena;
    uint32_t n; /* numbers given */
};

struct tape_calls {
    struct at_str prefix;      /* in the arena */
    uint64_t number;           /* of the last call id that counted */
    uint64_t top;              /* if `plain`: no open call has a number above it */
    struct tape_call_id *open; /* the newest last; in the arena */
    uint8_t n_open, cap_open;
    bool plain; /* all open calls count with this prefix */
};

struct tape_call_code {
    uint64_t code;    /* CALL_… */
    int64_t jump;     /* CALL_JUMP: from the number that NEXT would be */
    uint8_t uuid[16]; /* CALL_UUID */
};

/*
 * Finds the code of `id` and brings the state up to date. `ref` (may be NULL) is the number of the call, AT_NO_CALL for
 * a return or prompt of none that is open. AT_NOMEM.
 */
AT_MUST_USE enum at_err at_calls_encode(struct tape_calls *c, struct tape_ids *ids, enum at_kind kind, struct at_str id,
                                        struct tape_call_code *out, uint32_t *ref);
/* The opposite; `text` belongs to CALL_TEXT and lives as long as the segment. AT_DAMAGED: no such call is open. */
AT_MUST_USE enum at_err at_calls_decode(struct tape_calls *c, struct tape_ids *ids, enum at_kind kind,
                                        const struct tape_call_code *code, struct at_str text,
                                        struct tape_call_id *out);

#endif
