/*
 * answers.c: which calls of a stream were answered, to know a second answer.
 *
 * Ids mostly count, and are answered more or less in their order: then a number below which all were answered and a few
 * bits are enough, however long the stream is. What does not fit is kept as runs of numbers or as hashes, the last
 * ANSWERED_MAX of each.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/private.h"

#define WINDOW 64u
#define DIGITS 18u /* of a number: fits 64 bits with room to spare */

/* Ids with one prefix and the numbers from `from` to before `to`. */
struct run {
    uint64_t prefix, from, to;
};

struct answered_more {
    uint64_t *hashes; /* rings */
    struct run *runs;
    uint32_t n_hashes, cap_hashes, next_hash;
    uint32_t n_runs, cap_runs, next_run;
    uint64_t *foreign; /* open calls of other shards' keys */
    uint32_t n_foreign;
};

/* Splits an id into a hash of what stands before the number, never 0, and the number. False: it does not count. */
static bool split(struct at_str id, uint64_t *prefix, uint64_t *number)
{
    size_t digits = 0;
    uint64_t scale = 1, n = 0;
    while (digits < id.len && digits < DIGITS && (unsigned char)id.ptr[digits] - (unsigned)'0' <= 9)
        n = n * 10 + (unsigned char)id.ptr[digits++] - (unsigned)'0';
    if (digits == id.len && digits && id.ptr[0] != '0') { /* the number alone */
        *prefix = 1;
        *number = n;
        return true;
    }
    digits = 0;
    *number = 0;
    for (; digits < id.len && digits < DIGITS; digits++, scale *= 10) {
        unsigned digit = (unsigned char)id.ptr[id.len - digits - 1] - (unsigned)'0';
        if (digit > 9)
            break;
        *number += digit * scale;
    }
    while (digits > 1 && id.ptr[id.len - digits] == '0') /* "007" counts behind "00" */
        digits--;
    *prefix = digits == id.len ? 1 : at_hash(id.ptr, id.len - digits, 1) | 1;
    return digits > 0;
}

/* Room for one more in a ring. */
static enum at_err ring_room(void **items, uint32_t *cap, uint32_t n, uint32_t *next, size_t bytes)
{
    if (n < *cap || *cap >= ANSWERED_MAX)
        return AT_OK;
    uint32_t more = *cap ? *cap * 2 : 4;
    void *grown = realloc(*items, more * bytes);
    if (!grown)
        return AT_NOMEM;
    *items = grown;
    *cap = more;
    *next = n;
    return AT_OK;
}

static struct answered_more *more_of(struct answered *a)
{
    if (!a->more)
        a->more = calloc(1, sizeof *a->more);
    return a->more;
}

static enum at_err keep_hash(struct answered *a, uint64_t hash)
{
    struct answered_more *m = more_of(a);
    enum at_err err =
        m ? ring_room((void **)&m->hashes, &m->cap_hashes, m->n_hashes, &m->next_hash, sizeof hash) : AT_NOMEM;
    if (err)
        return err;
    m->hashes[m->next_hash] = hash;
    m->next_hash = (m->next_hash + 1) % ANSWERED_MAX;
    m->n_hashes += m->n_hashes < m->cap_hashes;
    return AT_OK;
}

/* What was answered below the window without a gap becomes a run of its own. */
static enum at_err keep_run(struct answered *a)
{
    if (!a->below)
        return AT_OK;
    struct answered_more *m = more_of(a);
    enum at_err err =
        m ? ring_room((void **)&m->runs, &m->cap_runs, m->n_runs, &m->next_run, sizeof *m->runs) : AT_NOMEM;
    if (err)
        return err;
    m->runs[m->next_run] = (struct run){.prefix = a->prefix, .from = a->base - a->below, .to = a->base};
    m->next_run = (m->next_run + 1) % ANSWERED_MAX;
    m->n_runs += m->n_runs < m->cap_runs;
    a->below = 0;
    return AT_OK;
}

/* The window moves over the first of its bits that are set. */
static void absorb(struct answered *a)
{
    unsigned n = ~a->bits ? (unsigned)__builtin_ctzll(~a->bits) : WINDOW;
    a->base += n;
    a->below += n;
    a->bits = n < WINDOW ? a->bits >> n : 0;
}

/* Gives up what is not answered at the lower end of the window. */
static enum at_err skip(struct answered *a)
{
    enum at_err err = keep_run(a);
    unsigned n = a->bits ? (unsigned)__builtin_ctzll(a->bits) : 0;
    a->base += n;
    a->bits >>= n;
    absorb(a);
    return err;
}

static uint64_t window_before(uint64_t number)
{
    return number > WINDOW / 2 ? number - WINDOW / 2 : 0;
}

enum at_err remember_answer(struct answered *a, struct at_str id, uint64_t hash)
{
    uint64_t prefix, number;
    enum at_err err = AT_OK;
    if (!split(id, &prefix, &number))
        return keep_hash(a, hash);
    while (a->prefix && prefix != a->prefix && (a->bits || a->below) && !err)
        err = skip(a);
    if (prefix != a->prefix) {
        a->prefix = prefix;
        a->base = window_before(number);
    }
    if (number < a->base)
        return number >= a->base - a->below ? err : keep_hash(a, hash);
    while (number - a->base >= WINDOW && !err) {
        if (!a->bits && !a->below)
            a->base = window_before(number);
        else
            err = skip(a);
    }
    if (err)
        return err;
    a->bits |= UINT64_C(1) << (number - a->base);
    absorb(a);
    return AT_OK;
}

bool was_answered(const struct answered *a, struct at_str id, uint64_t hash)
{
    const struct answered_more *m = a->more;
    uint64_t prefix, number;
    bool counts = split(id, &prefix, &number);
    if (counts && prefix == a->prefix) {
        if (number < a->base ? a->base - number <= a->below
                             : number - a->base < WINDOW && (a->bits >> (number - a->base) & 1))
            return true;
    }
    for (uint32_t i = 0; m && i < m->n_hashes; i++)
        if (m->hashes[i] == hash)
            return true;
    for (uint32_t i = 0; m && counts && i < m->n_runs; i++)
        if (m->runs[i].prefix == prefix && m->runs[i].from <= number && number < m->runs[i].to)
            return true;
    return false;
}

enum at_err note_foreign_call(struct answered *a, uint64_t hash)
{
    struct answered_more *m = more_of(a);
    if (m && !m->foreign)
        m->foreign = malloc(FOREIGN_MAX * sizeof *m->foreign);
    if (!m || !m->foreign)
        return AT_NOMEM;
    if (m->n_foreign == FOREIGN_MAX) /* the oldest half will hardly be answered any more */
        memmove(m->foreign, m->foreign + FOREIGN_MAX / 2, (m->n_foreign /= 2) * sizeof *m->foreign);
    m->foreign[m->n_foreign++] = hash;
    return AT_OK;
}

bool forget_foreign_call(struct answered *a, uint64_t hash)
{
    struct answered_more *m = a->more;
    for (uint32_t i = 0; m && i < m->n_foreign; i++) {
        if (m->foreign[i] != hash)
            continue;
        memmove(m->foreign + i, m->foreign + i + 1, (--m->n_foreign - i) * sizeof *m->foreign);
        return true;
    }
    return false;
}

void answered_free(struct answered *a)
{
    if (a->more) {
        free(a->more->hashes);
        free(a->more->runs);
        free(a->more->foreign);
    }
    free(a->more);
    a->more = NULL;
}
