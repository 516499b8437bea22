/*
 * tape_calls.h: call ids of one source, told in few bits (tape.5, "Call ids"). Both sides of the codec keep the same
 * state: how the ids count, and the calls that are open. Private to formats.
 */
#ifndef AUTHTAPE_FORMATS_TAPE_CALLS_H
#define AUTHTAPE_FORMATS_TAPE_CALLS_H

#include "formats/tape_format.h"

/* Bytes that never move, given back all together. Behind each piece of room TAPE_SLACK more may be read and written. */
#define TAPE_SLACK (size_t)16
struct tape_chunk;
struct tape_arena {
    struct tape_chunk *chunks, *spare; /* in use; to be used again */
    char *free;
    size_t left; /* bytes at `free`, slack aside */
};
char *at_room_more(struct tape_arena *a, size_t len);
/* Room for `len` bytes; NULL when out of memory. */
static inline char *at_room_get(struct tape_arena *a, size_t len)
{
    if (!a->free || len > a->left)
        return at_room_more(a, len);
    char *room = a->free;
    a->free += len;
    a->left -= len;
    return room;
}
/* The same for an array, aligned for any of our structs. */
void *at_room_array(struct tape_arena *a, size_t n, size_t element_bytes);
/* A copy of the bytes; its `ptr` is NULL when out of memory. */
struct at_str at_room_text(struct tape_arena *a, struct at_str s);
void at_room_clear(struct tape_arena *a); /* keeps some of the memory for what comes next */
void at_room_free(struct tape_arena *a);

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

/* The segment is over: its ids are kept in `before` until the next is. */
void at_ids_turn(struct tape_ids *ids, struct tape_arena *before);

struct tape_calls {
    const char *last;          /* the last call id that counted, in the arena: a prefix and digits; at first neither */
    uint64_t number;           /* the digits */
    uint64_t top;              /* if `plain`: no open call has a number above it */
    struct tape_call_id *open; /* the newest last; in the arena */
    uint32_t last_len;
    uint8_t prefix_len;
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

static inline void at_calls_pop(struct tape_calls *c, size_t rank)
{
    struct tape_call_id *p = &c->open[c->n_open - 1 - rank];
    for (; rank; rank--, p++)
        p[0] = p[1];
    c->n_open--;
}

/* What most calls and returns are, at_calls_decode in short. False, and nothing done: it is not that. */
static inline bool at_calls_decode_common(struct tape_calls *c, struct tape_ids *ids, enum at_kind kind, uint64_t code,
                                          struct tape_call_id *out)
{
    if (kind == AT_KIND_RETURN && code >= CALL_OPEN && code - CALL_OPEN < c->n_open) {
        size_t rank = (size_t)(code - CALL_OPEN);
        *out = c->open[c->n_open - 1 - rank];
        at_calls_pop(c, rank);
        return true;
    }
    if (kind != AT_KIND_CALL || code != CALL_NEXT || !(c->plain || c->n_open == 0) || c->number < c->top ||
        c->n_open == c->cap_open || c->last_len == c->prefix_len || c->last_len > TAPE_SLACK ||
        c->last[c->last_len - 1] >= '9')
        return false;
    char *id = at_room_get(&ids->arena, c->last_len);
    if (!id)
        return false;
    memmove(id, c->last, TAPE_SLACK); /* more than is needed, so that it is one move: the two may touch */
    id[c->last_len - 1]++;
    c->last = id;
    c->top = ++c->number;
    c->plain = true;
    *out = (struct tape_call_id){.id = {id, c->last_len}, .ref = ids->n++};
    c->open[c->n_open++] = *out;
    return true;
}

#endif
