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
void at_arena_clear(struct tape_arena *a);

struct tape_calls {
    struct at_str prefix; /* in the arena */
    uint64_t number;      /* of the last call id that counted */
    struct at_str *open;  /* the newest last; in the arena */
    uint8_t n_open, cap_open;
};
void at_calls_free(struct tape_calls *c);

struct tape_call_code {
    uint64_t code;    /* CALL_… */
    int64_t jump;     /* CALL_JUMP: from the number that NEXT would be */
    uint8_t uuid[16]; /* CALL_UUID */
};

/* Finds the code of `id` and brings the state up to date. AT_NOMEM. */
AT_MUST_USE enum at_err at_calls_encode(struct tape_calls *c, struct tape_arena *a, enum at_kind kind, struct at_str id,
                                        struct tape_call_code *out);
/* The opposite; `text` belongs to CALL_TEXT and lives as long as the segment. AT_DAMAGED: no such call is open. */
AT_MUST_USE enum at_err at_calls_decode(struct tape_calls *c, struct tape_arena *a, enum at_kind kind,
                                        const struct tape_call_code *code, struct at_str text, struct at_str *id);

#endif
