/* keys.c: the users and streams of a recording, found by their names. */
#include <stdlib.h>
#include <string.h>

#include "replay/lanes.h"

/* Makes room for entry `id` of a table of pointers, the new ones NULL. */
static enum at_err grow_table(void ***table, uint32_t *cap, uint32_t id)
{
    if (id < *cap)
        return AT_OK;
    uint32_t more = *cap ? *cap * 2 : 64;
    void **grown = realloc(*table, more * sizeof(void *));
    if (!grown)
        return AT_NOMEM;
    memset(grown + *cap, 0, (more - *cap) * sizeof(void *));
    *table = grown;
    *cap = more;
    return AT_OK;
}

enum at_err intern_word(struct at_checker *c, struct at_str word, struct at_str *out)
{
    uint32_t id;
    enum at_err err = at_intern_add(c->words, word, &id);
    if (!err)
        *out = at_intern_get(c->words, id);
    return err;
}

bool word_number(const struct at_checker *c, struct at_str word, uint16_t *out)
{
    uint32_t id = 0;
    bool found = word.ptr && at_intern_find(c->words, word, &id);
    *out = (uint16_t)(found ? id + 1 : 0);
    return !found || id < UINT16_MAX;
}

/* ------------------------------------------------------------------------------------------ Keys and streams ---- */

/* Nothing is known yet. */
static enum at_err begin_key(struct at_checker *c, struct key *k)
{
    const size_t n = c->profile->n_scopes;
    uint32_t *begin = c->begins;
    if (begin[0] == UINT32_MAX && begin[1] == UINT32_MAX) {
        k->known = calloc(n, sizeof *k->known);
        enum at_err err = k->known ? key_restart(c, k, false) : AT_NOMEM;
        if (!err)
            key_fold(c, k);
        for (size_t s = 0; s < n && k->folded; s++)
            begin[c->profile->scopes[s].prompts] = key_columns(k)[s];
        return err;
    }
    for (size_t s = 0; s < n; s++)
        key_columns(k)[s] = begin[c->profile->scopes[s].prompts];
    k->folded = true;
    k->lanes = 1;
    k->open_ended = UINT64_MAX >> (AT_SCOPES_MAX - n);
    return AT_OK;
}

static size_t key_bytes(size_t n_scopes)
{
    size_t folded = KEY_HEAD_BYTES + (n_scopes * 6 + 7) / 8 * 8 + n_scopes * sizeof(struct note);
    return folded > sizeof(struct key) ? folded : sizeof(struct key);
}

static enum at_err new_key(struct at_checker *c, struct at_str name, int64_t t_us, struct key **out, uint32_t *number)
{
    struct key *k = room_get_named(&c->room, name, key_bytes(c->profile->n_scopes), number);
    if (!k)
        return AT_NOMEM;
    if (!c->totals.keys)
        c->base_us = (int64_t)((uint64_t)t_us - (UINT64_C(1) << (PLACE_TIME_BITS - 1)));
    k->first = c->order;
    key_free_calls(k);
    enum at_err err = begin_key(c, k);
    if (err) {
        key_free_search(c, k);
        return err;
    }
    *out = k;
    return AT_OK;
}

/* A name is "app\0user", and of keys that are one a device "app\0user\0stream"; no text has a zero byte. */
static enum at_err add_key_name(const struct at_checker *c, const struct at_tape_source *who, struct at_buf *name)
{
    enum at_err err = at_buf_str(name, who->app);
    if (!err)
        err = at_buf_add(name, "", 1);
    if (!err)
        err = at_buf_str(name, who->user);
    if (!err && c->profile->per_device) {
        err = at_buf_add(name, "", 1);
        if (!err)
            err = at_buf_str(name, who->stream);
    }
    return err;
}

/* Up to the next zero byte; `left` begins behind it then. */
static struct at_str cut(struct at_str *left)
{
    size_t len = strnlen(left->ptr, left->len), passed = len + (len < left->len);
    struct at_str text = {left->ptr, len};
    *left = (struct at_str){left->ptr + passed, left->len - passed};
    return text;
}

struct at_str key_app(const struct key *k)
{
    struct at_str name = room_name(k);
    return cut(&name);
}

struct at_str key_user(const struct key *k)
{
    struct at_str name = room_name(k);
    cut(&name);
    return cut(&name);
}

static bool begins(struct at_str *left, struct at_str with)
{
    if (left->len < with.len || (with.len && memcmp(left->ptr, with.ptr, with.len) != 0))
        return false;
    *left = (struct at_str){left->ptr + with.len, left->len - with.len};
    return true;
}

bool key_is(const struct at_checker *c, const struct key *k, const struct at_tape_source *who)
{
    const struct at_str zero = {"", 1};
    struct at_str left = room_name(k);
    if (!begins(&left, who->app) || !begins(&left, zero))
        return false;
    if (c->options.fault == AT_FAULT_USER_LEAKS)
        left = (struct at_str){left.ptr + strnlen(left.ptr, left.len), left.len - strnlen(left.ptr, left.len)};
    else if (!begins(&left, who->user))
        return false;
    return (!c->profile->per_device || (begins(&left, zero) && begins(&left, who->stream))) && !left.len;
}

uint32_t key_hash(const struct at_checker *c, const struct at_tape_source *who)
{
    uint64_t hash = at_hash(who->app.ptr, who->app.len, 0);
    if (c->options.fault != AT_FAULT_USER_LEAKS)
        hash = at_hash(who->user.ptr, who->user.len, hash);
    if (c->profile->per_device)
        hash = at_hash(who->stream.ptr, who->stream.len, hash);
    return (uint32_t)(hash ^ hash >> 32);
}

uint32_t stream_hash(struct at_str name)
{
    uint64_t hash = at_hash(name.ptr, name.len, 0);
    return (uint32_t)(hash ^ hash >> 32);
}

enum at_err find_key(struct at_checker *c, const struct at_tape_source *who, int64_t t_us, struct key **out)
{
    struct at_buf *name = &c->text[0];
    uint32_t hash = key_hash(c, who), number = AT_SLOT_FREE;
    for (uint32_t at = 0; (number = slots_next(&c->key_slots, hash, &at)) != AT_SLOT_FREE;) {
        *out = room_at(&c->room, number);
        if (key_is(c, *out, who))
            return AT_OK;
    }
    name->len = 0;
    enum at_err err = add_key_name(c, who, name);
    if (!err)
        err = at_slots_room(&c->key_slots);
    if (!err)
        err = grow_table((void ***)&c->keys, &c->cap_keys, (uint32_t)c->totals.keys);
    if (!err)
        err = new_key(c, at_buf_view(name), t_us, out, &number);
    if (err)
        return err;
    at_slots_put(&c->key_slots, hash, number);
    c->keys[c->totals.keys++] = *out;
    return AT_OK;
}

struct stream *own_stream(const struct at_checker *c, struct at_str name)
{
    uint32_t hash = stream_hash(name), number;
    for (uint32_t at = 0; (number = slots_next(&c->stream_slots, hash, &at)) != AT_SLOT_FREE;) {
        struct stream *st = room_at(&c->room, number);
        if (at_str_eq(stream_name(st), name))
            return st;
    }
    return NULL;
}

enum at_err find_stream(struct at_checker *c, struct at_str name, int64_t t_us, struct stream **out)
{
    *out = own_stream(c, name);
    if (!*out) {
        uint32_t number;
        enum at_err err = at_slots_room(&c->stream_slots);
        if (!err)
            err = grow_table((void ***)&c->streams, &c->cap_streams, c->n_streams);
        if (!err && !(*out = room_get_named(&c->room, name, sizeof **out, &number)))
            err = AT_NOMEM;
        if (err)
            return err;
        at_slots_put(&c->stream_slots, stream_hash(name), number);
        c->streams[c->n_streams++] = *out;
        (*out)->last_us = t_us;
    }
    if ((*out)->last_us < t_us)
        (*out)->last_us = t_us;
    return AT_OK;
}

/* ------------------------------------------------------------------------------------------ Keys of a stream ---- */

#define FEW_KEYS 8u /* the first ones are looked through, those behind them have slots in at_checker.members */

static uint32_t member_hash(const struct stream *st, const struct key *k)
{
    return (uint32_t)(((uintptr_t)st ^ (uintptr_t)k * 0x9fb21c651e98df25u) * 0x9fb21c651e98df25u >> 32);
}

/* A slot has the number of a key in `all` of some stream: if it is this key in ours, ours is the one. */
static bool has_key(const struct at_checker *c, const struct stream *st, const struct key *k)
{
    struct key *const *keys = stream_keys(st);
    uint32_t hash, number;
    for (uint32_t i = 0; i < st->n_keys && i < FEW_KEYS; i++)
        if (keys[i] == k)
            return true;
    if (st->n_keys <= FEW_KEYS)
        return false;
    hash = member_hash(st, k);
    for (uint32_t at = 0; (number = slots_next(&c->members, hash, &at)) != AT_SLOT_FREE;)
        if (number < st->n_keys && keys[number] == k)
            return true;
    return false;
}

/* Room for one more key. */
static enum at_err more_keys(struct stream *st)
{
    uint32_t n = st->n_keys, cap = stream_cap(n + 1);
    if (n && stream_cap(n) == cap)
        return AT_OK;
    struct key **all = malloc(cap * (sizeof(struct key *) + (st->sharded ? sizeof(uint64_t) : 0)));
    if (!all)
        return AT_NOMEM;
    if (n)
        memcpy(all, stream_keys(st), n * sizeof(struct key *));
    if (n && st->sharded)
        memcpy(all + cap, stream_joined(st), n * sizeof(uint64_t));
    stream_free_keys(st);
    st->keys.all = all;
    return AT_OK;
}

enum at_err stream_add_key(struct at_checker *c, struct stream *st, struct key *k)
{
    if (has_key(c, st, k))
        return AT_OK;
    if (!st->n_keys)
        st->sharded = c->options.shard.of;
    if (!st->n_keys && !st->sharded) {
        st->keys.one = k;
        st->n_keys = 1;
        return AT_OK;
    }
    enum at_err err = st->n_keys >= FEW_KEYS ? at_slots_room(&c->members) : AT_OK;
    if (!err)
        err = more_keys(st);
    if (err)
        return err;
    if (st->n_keys >= FEW_KEYS)
        at_slots_put(&c->members, member_hash(st, k), st->n_keys);
    st->keys.all[st->n_keys++] = k;
    if (st->sharded)
        stream_joined(st)[st->n_keys - 1] = c->order;
    return AT_OK;
}

void stream_free_keys(struct stream *st)
{
    if (st->n_keys > 1 || (st->n_keys && st->sharded))
        free(st->keys.all);
}

/* Once for each scope. */
enum at_err hint_unknown(struct at_checker *c, struct at_str word)
{
    uint32_t before = at_intern_count(c->hinted), id;
    enum at_err err = at_intern_add(c->hinted, word, &id);
    if (err || id < before || !c->sink.hint)
        return err;
    char text[256];
    snprintf(text, sizeof text, "%.*s is no scope of this profile: it was not checked", AT_STR_FMT(word));
    return c->sink.hint(c->sink.ctx, text);
}

/* Gives back all that the search of a key holds. */
void key_free_search(struct at_checker *c, struct key *k)
{
    while (k->n_calls)
        free_call(c, k->calls[--k->n_calls]);
    if (k->folded) { /* there are other things in their place */
        k->known = NULL;
        k->branches = NULL;
        k->n_branches = 0;
    }
    k->folded = k->calm = false;
    while (k->n_branches)
        free(k->branches[--k->n_branches]);
    free(k->branches);
    free(k->known);
    k->branches = NULL;
    k->cap_branches = 0;
    k->known = NULL;
}
