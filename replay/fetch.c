/* fetch.c: memory that events will look at, fetched before they are checked. */
#include "replay/fetch.h"

/* All lines of the cache that have some of the bytes. */
static inline void fetch(const void *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += LINE_BYTES)
        __builtin_prefetch((const char *)from + at);
    __builtin_prefetch((const char *)from + bytes - 1);
}

/* With a name that is as short as most are. */
static inline void fetch_named(const void *thing, size_t bytes)
{
    fetch((const char *)thing - ROOM_UNIT, ROOM_UNIT + bytes);
}

static inline void fetch_slot(const struct at_slots *s, uint32_t hash)
{
    if (s->n)
        __builtin_prefetch(&s->at[hash & (s->n - 1)]);
}

/* The thing whose name has the hash, NULL where there is none. If there are several, the others have to wait. */
static void *of_slot(const struct at_checker *c, const struct at_slots *s, uint32_t hash)
{
    uint32_t at = 0, number = slots_next(s, hash, &at);
    return number == AT_SLOT_FREE ? NULL : room_at(&c->room, number);
}

static void want_streams(const struct at_checker *c, struct wanted *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (all[i].place->key)
            continue;
        all[i].hash = stream_hash(all[i].who->stream);
        fetch_slot(&c->stream_slots, all[i].hash);
    }
}

static void fetch_streams(const struct at_checker *c, struct wanted *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct wanted *w = &all[i];
        w->stream = w->place->key ? w->place->stream : of_slot(c, &c->stream_slots, w->hash);
        if (w->stream)
            fetch_named(w->stream, sizeof *w->stream);
    }
}

/* A key as it is while it is folded, up to its columns. */
static void fetch_key(const struct key *k)
{
    fetch_named(k, KEY_HEAD_BYTES + ROOM_UNIT);
}

/* Most streams have one key. For one of those that have many, it is looked for by name. */
static void fetch_keys(const struct at_checker *c, struct wanted *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct wanted *w = &all[i];
        if (w->place->key) {
            w->key = w->place->key;
        } else if (w->stream && at_str_eq(stream_name(w->stream), w->who->stream)) {
            w->key = w->stream->n_keys == 1 && !w->stream->sharded ? w->stream->keys.one : NULL;
        } else {
            w->stream = NULL;
        }
        if (w->key) {
            fetch_key(w->key);
        } else {
            w->hash = key_hash(c, w->who);
            fetch_slot(&c->key_slots, w->hash);
        }
    }
}

static void fetch_keys_of_slots(const struct at_checker *c, struct wanted *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct key *k = all[i].key ? NULL : of_slot(c, &c->key_slots, all[i].hash);
        if (k)
            fetch_key(k);
    }
}

/* Whose stream has this one key is there. */
static void take_place(const struct at_checker *c, struct wanted *w)
{
    struct at_str platform = {0};
    uint32_t id;
    if (!key_is(c, w->key, w->who)) {
        w->key = NULL;
        return;
    }
    if (w->who->platform.ptr) {
        if (!at_intern_find(c->words, w->who->platform, &id))
            return;
        platform = at_intern_get(c->words, id);
    }
    w->place->platform = platform;
    w->place->stream = w->stream;
    w->place->key = w->key;
}

/* Several open calls: where they are, and their tags. */
static void fetch_list(const struct key *k)
{
    fetch(k->calls, k->n_calls * sizeof(struct call *));
    fetch(call_tags(k), k->n_calls * sizeof(uint32_t));
}

static void fetch_calls(const struct at_checker *c, struct wanted *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct wanted *w = &all[i];
        if (w->key && !w->place->key)
            take_place(c, w);
        if (!w->key || !w->key->n_calls)
            continue;
        if (w->key->cap_calls == 1)
            __builtin_prefetch(w->key->one_call);
        else
            fetch_list(w->key);
    }
}

/* The call that an event is of, where there are several, and what is noted of its scope. */
static void fetch_call(const struct at_checker *c, const struct wanted *w)
{
    const struct key *k = w->key;
    const uint32_t *tags = call_tags(k);
    const uint64_t hash = id_hash(w->call);
    uint32_t i = 0;
    while (i < k->n_calls && tags[i] >> 8 != hash >> 40)
        i++;
    if (i == k->n_calls)
        return;
    if (k->cap_calls > 1)
        __builtin_prefetch(k->calls[i]);
    size_t s = tags[i] & 255;
    if (s < c->profile->n_scopes)
        __builtin_prefetch(&key_notes(k, c->profile->n_scopes)[s]);
}

void fetch_all(const struct at_checker *c, struct wanted *all, size_t n)
{
    want_streams(c, all, n);
    fetch_streams(c, all, n);
    fetch_keys(c, all, n);
    fetch_keys_of_slots(c, all, n);
    fetch_calls(c, all, n);
    for (size_t i = 0; i < n; i++)
        if (all[i].key && all[i].key->n_calls && all[i].call.len)
            fetch_call(c, &all[i]);
}
