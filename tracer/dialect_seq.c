/*
 * dialect_seq.c: which numbers of a stream were seen.
 *
 * A sender that counts its events can repeat them after any time. Numbers mostly come in order, so that those of a
 * stream are one range or a few. Streams are kept in sets of four; a new one takes the place of the one of its set that
 * was heard longest ago.
 */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

#define SETS (size_t)16384
#define WAYS 4u
#define RANGES 8u

struct stream {
    uint64_t key;   /* 0: unused */
    uint64_t heard; /* counts */
    uint32_t n;
    struct {
        uint64_t first, last;
    } ranges[RANGES]; /* ascending, with numbers missing between them */
};

struct at_sequences {
    uint64_t seed, clock;
    struct stream *sets[SETS]; /* of WAYS each; NULL: no stream came to it yet */
};

enum at_err at_sequences_new(struct at_sequences **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    (*out)->seed = (uint64_t)(uintptr_t)*out; /* differs from run to run: nobody can aim at another's stream */
    return AT_OK;
}

void at_sequences_free(struct at_sequences **s)
{
    for (size_t i = 0; *s && i < SETS; i++)
        free((*s)->sets[i]);
    free(*s);
    *s = NULL;
}

static struct stream *stream_of(struct at_sequences *s, uint64_t key)
{
    struct stream *set = s->sets[key % SETS], *oldest;
    if (!set)
        set = s->sets[key % SETS] = calloc(WAYS, sizeof *set);
    if (!set)
        return NULL;
    oldest = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].heard < oldest->heard)
            oldest = &set[i];
    }
    *oldest = (struct stream){.key = key};
    return oldest;
}

static void remove_range(struct stream *t, uint32_t i)
{
    for (t->n--; i < t->n; i++)
        t->ranges[i] = t->ranges[i + 1];
}

/* Puts a range of one number before range `i`. What is too much is forgotten, the lowest numbers first. */
static void insert_range(struct stream *t, uint32_t i, uint64_t number)
{
    if (t->n == RANGES) {
        if (i == 0)
            return;
        remove_range(t, 0);
        i--;
    }
    for (uint32_t k = t->n++; k > i; k--)
        t->ranges[k] = t->ranges[k - 1];
    t->ranges[i].first = t->ranges[i].last = number;
}

/* True if the number was there already. */
static bool add_number(struct stream *t, uint64_t number)
{
    uint32_t i = t->n; /* the first range that begins behind the number */
    while (i > 0 && t->ranges[i - 1].first > number)
        i--;
    if (i > 0 && number <= t->ranges[i - 1].last)
        return true;
    bool after = i > 0 && t->ranges[i - 1].last + 1 == number, before = i < t->n && t->ranges[i].first == number + 1;
    if (after && before) {
        t->ranges[i - 1].last = t->ranges[i].last;
        remove_range(t, i);
    } else if (after) {
        t->ranges[i - 1].last = number;
    } else if (before) {
        t->ranges[i].first = number;
    } else {
        insert_range(t, i, number);
    }
    return false;
}

bool at_sequence_again(struct at_sequences *s, uint64_t dialect, const struct at_event *ev, uint64_t number)
{
    uint64_t key = at_hash(ev->stream.ptr, ev->stream.len, s->seed + dialect);
    key = at_hash(ev->app.ptr, ev->app.len, key);
    key = at_hash(ev->user.ptr, ev->user.len, key);
    struct stream *t = stream_of(s, key ? key : 1);
    if (!t)
        return false; /* out of memory: rather twice than not at all */
    t->heard = ++s->clock;
    return add_number(t, number);
}

bool at_sequence_number(const struct at_event *ev, uint64_t *number)
{
    if (!ev->extra.ptr)
        return false;
    struct at_str name, raw;
    if (!at_extra_is_number(ev->extra, &name, &raw) || !at_str_eq(name, AT_STR("seq")))
        raw = at_json_member(ev->extra, "seq");
    return at_digits(raw, number);
}
