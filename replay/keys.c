/* keys.c: the users and streams of a recording, found by their names. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

/* --------------------------------------------------------------------------------------------------- Room ---- */

#define ROOM_BYTES (size_t)(2u << 20) /* a large page */

struct room_chunk {
    struct room_chunk *next;
};

void *room_get(struct room *r, size_t bytes)
{
    bytes = (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    if (bytes > r->left) {
        size_t first = r->chunks ? ROOM_BYTES : ROOM_BYTES / 32; /* few users: little memory */
        struct room_chunk *chunk = aligned_alloc(r->chunks ? ROOM_BYTES : LINE_BYTES, first);
        if (!chunk)
            return NULL;
        if (r->chunks)
            (void)madvise(chunk, ROOM_BYTES, MADV_HUGEPAGE);
        chunk->next = r->chunks;
        r->chunks = chunk;
        r->free = (char *)chunk + LINE_BYTES;
        r->left = first - LINE_BYTES;
    }
    void *room = r->free;
    r->free += bytes;
    r->left -= bytes;
    return memset(room, 0, bytes);
}

void room_free(struct room *r)
{
    while (r->chunks) {
        struct room_chunk *next = r->chunks->next;
        free(r->chunks);
        r->chunks = next;
    }
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

static enum at_err note_first_user(struct at_checker *c, const struct at_event *ev, uint32_t id)
{
    struct at_str *user = malloc(sizeof *user);
    enum at_err err = user ? grow_table((void ***)&c->first_users, &c->cap_first_users, id) : AT_NOMEM;
    if (!err)
        err = intern_word(c, ev->user, user);
    if (err)
        free(user);
    else
        c->first_users[id] = user;
    return err;
}

static enum at_err new_key(struct at_checker *c, const struct at_event *ev, uint32_t id, struct key **out)
{
    struct key *k = room_get(&c->room, key_bytes(c->profile->n_scopes));
    if (!k)
        return AT_NOMEM;
    if (!c->totals.keys)
        c->base_us = (int64_t)((uint64_t)ev->t_us - (UINT64_C(1) << (PLACE_TIME_BITS - 1)));
    k->name = id;
    k->first = c->order;
    enum at_err err = c->options.fault == AT_FAULT_USER_LEAKS ? note_first_user(c, ev, id) : AT_OK;
    if (!err)
        err = begin_key(c, k);
    if (err) {
        key_free_search(c, k);
        return err;
    }
    c->totals.keys++;
    *out = k;
    return AT_OK;
}

struct at_str key_app(const struct at_checker *c, const struct key *k)
{
    struct at_str name = at_intern_get(c->names, k->name);
    return (struct at_str){name.ptr, strnlen(name.ptr, name.len)}; /* no text has a zero byte */
}

struct at_str key_user(const struct at_checker *c, const struct key *k)
{
    if (c->options.fault == AT_FAULT_USER_LEAKS)
        return *c->first_users[k->name];
    struct at_str name = at_intern_get(c->names, k->name);
    size_t app = strnlen(name.ptr, name.len) + 1;
    return (struct at_str){name.ptr + app, strnlen(name.ptr + app, name.len - app)};
}

enum at_err add_key_name(const struct at_checker *c, const struct at_event *ev, struct at_buf *name)
{
    enum at_err err = at_buf_str(name, ev->app);
    if (!err)
        err = at_buf_add(name, "", 1);
    if (!err && c->options.fault != AT_FAULT_USER_LEAKS)
        err = at_buf_str(name, ev->user);
    if (!err && c->profile->per_device) {
        err = at_buf_add(name, "", 1);
        if (!err)
            err = at_buf_str(name, ev->stream);
    }
    return err;
}

void fetch_keys(const struct at_checker *c, const struct at_str *names, const struct at_str *streams, size_t n)
{
    uint32_t id;
    for (size_t i = 0; i < n; i++) {
        if (at_intern_find(c->names, names[i], &id) && id < c->cap_keys)
            __builtin_prefetch(&c->keys[id]);
        if (at_intern_find(c->stream_names, streams[i], &id) && id < c->cap_streams && c->streams[id])
            __builtin_prefetch(c->streams[id]);
    }
    for (size_t i = 0; i < n; i++) {
        if (!at_intern_find(c->names, names[i], &id) || id >= c->cap_keys || !c->keys[id])
            continue;
        __builtin_prefetch(c->keys[id]);
        __builtin_prefetch((const char *)c->keys[id] + LINE_BYTES);
        __builtin_prefetch((const char *)c->keys[id] + KEY_HEAD_BYTES);
    }
}

enum at_err find_key(struct at_checker *c, const struct at_event *ev, struct key **out)
{
    struct at_buf *name = &c->text[0];
    uint32_t id;
    name->len = 0;
    enum at_err err = add_key_name(c, ev, name);
    if (!err)
        err = at_intern_add(c->names, at_buf_view(name), &id);
    if (!err)
        err = grow_table((void ***)&c->keys, &c->cap_keys, id);
    if (!err && !c->keys[id])
        err = new_key(c, ev, id, &c->keys[id]);
    if (!err)
        *out = c->keys[id];
    return err;
}

enum at_err find_stream(struct at_checker *c, const struct at_event *ev, struct stream **out)
{
    uint32_t id;
    enum at_err err = at_intern_add(c->stream_names, ev->stream, &id);
    if (!err)
        err = grow_table((void ***)&c->streams, &c->cap_streams, id);
    if (err)
        return err;
    if (!c->streams[id]) {
        c->streams[id] = room_get(&c->room, sizeof *c->streams[id]);
        if (!c->streams[id])
            return AT_NOMEM;
        c->streams[id]->name = id;
        c->streams[id]->last_us = ev->t_us;
    }
    *out = c->streams[id];
    if ((*out)->last_us < ev->t_us)
        (*out)->last_us = ev->t_us;
    return AT_OK;
}

struct stream *own_stream(const struct at_checker *c, struct at_str name)
{
    uint32_t id;
    return at_intern_find(c->stream_names, name, &id) ? c->streams[id] : NULL;
}

/* Room for one more key. */
static enum at_err more_keys(struct stream *st)
{
    uint32_t n = st->n_keys, cap = stream_cap(n + 1);
    if (n && stream_cap(n) == cap)
        return AT_OK;
    struct key **all = malloc(cap * (sizeof(struct key *) + (stream_sharded(st) ? sizeof(uint64_t) : 0)));
    if (!all)
        return AT_NOMEM;
    if (n)
        memcpy(all, stream_keys(st), n * sizeof(struct key *));
    if (n && stream_sharded(st))
        memcpy(all + cap, stream_joined(st), n * sizeof(uint64_t));
    stream_free_keys(st);
    st->keys.all = all;
    return AT_OK;
}

enum at_err stream_add_key(const struct at_checker *c, struct stream *st, struct key *k)
{
    struct key *const *keys = stream_keys(st);
    for (uint32_t i = st->n_keys; i-- > 0;)
        if (keys[i] == k)
            return AT_OK;
    if (!st->n_keys)
        st->name |= c->options.shard.of ? STREAM_SHARDED : 0;
    if (!st->n_keys && !stream_sharded(st)) {
        st->keys.one = k;
        st->n_keys = 1;
        return AT_OK;
    }
    enum at_err err = more_keys(st);
    if (err)
        return err;
    st->keys.all[st->n_keys++] = k;
    if (stream_sharded(st))
        stream_joined(st)[st->n_keys - 1] = c->order;
    return AT_OK;
}

void stream_free_keys(struct stream *st)
{
    if (st->n_keys > 1 || (st->n_keys && stream_sharded(st)))
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
