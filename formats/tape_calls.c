/* tape_calls.c: call ids of one source, told in few bits. */
#include <stdlib.h>
#include <string.h>

#include "formats/tape_calls.h"

#define CHUNK_BYTES (size_t)4096
#define CHUNK_BYTES_MAX (size_t)(64 * 1024)
#define SPARE_BYTES_MAX (size_t)(4u << 20)
#define NUMBER_DIGITS 18 /* of an id that counts: fits 64 bits with room to spare */
#define UUID_CHARS 36

struct tape_chunk {
    struct tape_chunk *next;
    size_t cap;
    char bytes[];
};

/* A chunk that is kept, if it is large enough. */
static struct tape_chunk *take_spare(struct tape_arena *a, size_t len)
{
    struct tape_chunk *c = a->spare;
    if (!c || c->cap < len)
        return NULL;
    a->spare = c->next;
    return c;
}

char *at_room_more(struct tape_arena *a, size_t len)
{
    struct tape_chunk *c = take_spare(a, len);
    if (!c) {
        size_t cap = a->chunks ? 2 * a->chunks->cap : CHUNK_BYTES;
        cap = cap > CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX : cap;
        cap = len > cap ? len : cap;
        c = malloc(sizeof *c + cap + TAPE_SLACK);
        if (!c)
            return NULL;
        c->cap = cap;
        memset(c->bytes + cap, 0, TAPE_SLACK);
    }
    c->next = a->chunks;
    a->chunks = c;
    a->free = c->bytes + len;
    a->left = c->cap - len;
    return c->bytes;
}

void *at_room_array(struct tape_arena *a, size_t n, size_t element_bytes)
{
    const size_t align = sizeof(uint64_t);
    char *room = at_room_get(a, n * element_bytes + align);
    return room ? room + align - (uintptr_t)room % align : NULL;
}

struct at_str at_room_text(struct tape_arena *a, struct at_str s)
{
    char *room = at_room_get(a, s.len);
    if (room && s.len)
        memcpy(room, s.ptr, s.len);
    return (struct at_str){room, s.len};
}

static void free_chunks(struct tape_chunk *c)
{
    while (c) {
        struct tape_chunk *next = c->next;
        free(c);
        c = next;
    }
}

void at_room_clear(struct tape_arena *a)
{
    size_t kept = 0;
    struct tape_chunk *spare = NULL;
    for (int i = 0; i < 2; i++)
        for (struct tape_chunk *c = i ? a->chunks : a->spare, *next; c; c = next) {
            next = c->next;
            if (c->cap > CHUNK_BYTES_MAX || kept + c->cap > SPARE_BYTES_MAX) {
                free(c);
                continue;
            }
            kept += c->cap;
            c->next = spare;
            spare = c;
        }
    *a = (struct tape_arena){.spare = spare};
}

void at_room_free(struct tape_arena *a)
{
    free_chunks(a->chunks);
    free_chunks(a->spare);
    *a = (struct tape_arena){0};
}

void at_ids_turn(struct tape_ids *ids, struct tape_arena *before)
{
    struct tape_arena now = ids->arena;
    at_room_clear(before);
    *ids = (struct tape_ids){.arena = *before};
    *before = now;
}

/* ---- Forms of ids */

/* Splits "call-017" into "call-0" and 17: the number has no leading zero. False, and nothing set: there is none. */
static bool split(struct at_str id, struct at_str *prefix, uint64_t *number)
{
    size_t digits = 0;
    while (digits < id.len && digits < NUMBER_DIGITS && id.ptr[id.len - digits - 1] >= '0' &&
           id.ptr[id.len - digits - 1] <= '9')
        digits++;
    while (digits > 1 && id.ptr[id.len - digits] == '0')
        digits--;
    if (digits == 0 || id.len - digits > TAPE_PREFIX_MAX)
        return false;
    *prefix = (struct at_str){id.ptr, id.len - digits};
    *number = 0;
    for (size_t i = id.len - digits; i < id.len; i++)
        *number = *number * 10 + (uint64_t)(id.ptr[i] - '0');
    return true;
}

static bool is_dash(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

/* RFC 4122, section 3, in lower case. */
static bool pack_uuid(struct at_str id, uint8_t out[16])
{
    static const uint8_t above[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7, ['7'] = 8, ['8'] = 9,
        ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16}; /* by one; 0: no digit */
    static const uint8_t places[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
    if (id.len != UUID_CHARS || id.ptr[8] != '-' || id.ptr[13] != '-' || id.ptr[18] != '-' || id.ptr[23] != '-')
        return false;
    bool digits = true;
    for (size_t i = 0; i < 16; i++) {
        const uint8_t *p = (const uint8_t *)id.ptr + places[i];
        const unsigned high = above[p[0]], low = above[p[1]];
        digits = digits && high && low;
        out[i] = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    return digits;
}

static void unpack_uuid(const uint8_t in[16], char *out)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0, n = 0; n < 16; n++) {
        if (is_dash(i))
            out[i++] = '-';
        out[i++] = hex[in[n] >> 4];
        out[i++] = hex[in[n] & 15];
    }
}

/* ---- The state */

/* Remembers a call for its answer; the oldest of too many is forgotten. */
static enum at_err push(struct tape_calls *c, struct tape_arena *a, struct tape_call_id id)
{
    if (c->n_open == TAPE_OPEN_CALLS) {
        memmove(c->open, c->open + 1, (TAPE_OPEN_CALLS - 1) * sizeof *c->open);
        c->n_open--;
    }
    if (c->n_open == c->cap_open) {
        uint8_t cap = (uint8_t)(c->cap_open ? c->cap_open * 2 : 2);
        struct tape_call_id *open = at_room_array(a, cap, sizeof *open);
        if (!open)
            return AT_NOMEM;
        if (c->n_open)
            memcpy(open, c->open, c->n_open * sizeof *open);
        c->open = open;
        c->cap_open = cap;
    }
    c->open[c->n_open++] = id;
    return AT_OK;
}

/*
 * The number of a new call: a number of its own, unless a call with the same id is open. Where all that is open counts
 * upwards, the next one is new without a look.
 */
static uint32_t number_of(const struct tape_calls *c, struct tape_ids *ids, uint64_t code, uint64_t number,
                          struct at_str id)
{
    bool fresh = c->plain && (code == CALL_NEXT || code == CALL_JUMP) && number > c->top;
    for (size_t i = fresh ? 0 : c->n_open; i-- > 0;)
        if (at_str_eq(c->open[i].id, id))
            return c->open[i].ref;
    return ids->n++;
}

static struct at_str prefix_of(const struct tape_calls *c)
{
    return (struct at_str){c->last, c->prefix_len};
}

/* After a call (not an answer) was told: how its id counts. `id` lives in the arena. */
static enum at_err note_call(struct tape_calls *c, struct tape_ids *ids, uint64_t code, uint64_t number,
                             struct at_str id, uint32_t *ref)
{
    struct at_str prefix = prefix_of(c);
    bool counts = code == CALL_NEXT || code == CALL_JUMP, follows = counts;
    *ref = number_of(c, ids, code, number, id);
    if (code == CALL_TEXT) {
        counts = split(id, &prefix, &number);
        follows = counts && c->n_open == 0;
    }
    if (counts) {
        c->last = id.ptr;
        c->last_len = (uint32_t)id.len;
        c->prefix_len = (uint8_t)prefix.len;
        c->number = number;
    }
    c->plain = follows && (c->plain || c->n_open == 0);
    if (c->n_open == 0 || c->number > c->top)
        c->top = c->number;
    return push(c, &ids->arena, (struct tape_call_id){.id = id, .ref = *ref});
}

enum at_err at_calls_encode(struct tape_calls *c, struct tape_ids *ids, enum at_kind kind, struct at_str id,
                            struct tape_call_code *out, uint32_t *ref)
{
    struct at_str prefix;
    uint64_t number = 0;
    *ref = AT_NO_CALL;
    for (size_t rank = 0; kind != AT_KIND_CALL && rank < c->n_open; rank++) {
        const struct tape_call_id *open = &c->open[c->n_open - 1 - rank];
        if (!at_str_eq(open->id, id))
            continue;
        out->code = CALL_OPEN + rank;
        *ref = open->ref;
        if (kind == AT_KIND_RETURN)
            at_calls_pop(c, rank);
        return AT_OK;
    }
    out->code = CALL_TEXT;
    if (pack_uuid(id, out->uuid)) {
        out->code = CALL_UUID;
    } else if (split(id, &prefix, &number) && at_str_eq(prefix, prefix_of(c))) {
        out->jump = (int64_t)(number - (c->number + 1));
        out->code = out->jump ? CALL_JUMP : CALL_NEXT;
    }
    if (kind != AT_KIND_CALL)
        return AT_OK;
    struct at_str copy = at_room_text(&ids->arena, id);
    return copy.ptr ? note_call(c, ids, out->code, number, copy, ref) : AT_NOMEM;
}

/* The prefix and the number as one text in the arena. */
static enum at_err count(const struct tape_calls *c, struct tape_arena *a, uint64_t number, struct at_str *id)
{
    char digits[20], *p = digits + sizeof digits;
    do
        *--p = (char)('0' + number % 10);
    while (number /= 10);
    size_t n = (size_t)(digits + sizeof digits - p);
    char *room = at_room_get(a, c->prefix_len + n);
    if (!room)
        return AT_NOMEM;
    if (c->prefix_len)
        memcpy(room, c->last, c->prefix_len);
    memcpy(room + c->prefix_len, p, n);
    *id = (struct at_str){room, c->prefix_len + n};
    return AT_OK;
}

enum at_err at_calls_decode(struct tape_calls *c, struct tape_ids *ids, enum at_kind kind,
                            const struct tape_call_code *code, struct at_str text, struct tape_call_id *out)
{
    enum at_err err = AT_OK;
    char *room = NULL;
    uint64_t number = c->number + 1 + (code->code == CALL_JUMP ? (uint64_t)code->jump : 0);
    if (code->code >= CALL_OPEN) {
        if (kind == AT_KIND_CALL || code->code - CALL_OPEN >= c->n_open)
            return AT_DAMAGED;
        size_t rank = (size_t)(code->code - CALL_OPEN);
        *out = c->open[c->n_open - 1 - rank];
        if (kind == AT_KIND_RETURN)
            at_calls_pop(c, rank);
        return AT_OK;
    }
    switch (code->code) {
    case CALL_NEXT:
    case CALL_JUMP:
        err = count(c, &ids->arena, number, &out->id);
        break;
    case CALL_UUID:
        room = at_room_get(&ids->arena, UUID_CHARS);
        if (!room)
            return AT_NOMEM;
        unpack_uuid(code->uuid, room);
        out->id = (struct at_str){room, UUID_CHARS};
        break;
    default:
        out->id = text;
    }
    out->ref = AT_NO_CALL;
    return err || kind != AT_KIND_CALL ? err : note_call(c, ids, code->code, number, out->id, &out->ref);
}
