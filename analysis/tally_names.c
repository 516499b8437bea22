/* tally_names.c: strings to the tally's numbers. */
#include <string.h>

#include "analysis/tally_private.h"

#define SHAPES_MAX (1u << 16) /* kept; later ones are worked out each time */

enum at_err name_id(struct tally *t, enum report_dim dim, struct at_str s, uint32_t *out)
{
    struct at_intern *table = t->names[dim];
    *out = NO_ID;
    if (!s.ptr)
        return AT_OK;
    if (dim != DIM_APP && at_intern_count(table) >= NAMES_MAX && !at_intern_find(table, s, out))
        s = REST;
    return at_intern_add(table, s, out);
}

/* The scope's canonical name: a platform may leave a prefix out. */
enum at_err scope_id(struct tally *t, struct at_str name, uint32_t *out)
{
    size_t i = at_profile_find_scope(t->profile, name);
    return name_id(t, DIM_SCOPE, i == AT_NO_SCOPE ? name : t->profile->scopes[i].name, out);
}

static struct at_str bytes_of(const void *data, size_t len)
{
    return (struct at_str){data, len};
}

static struct known_text *known_text_of(struct view *v, enum report_dim dim, struct at_str s)
{
    return &v->texts[((uintptr_t)s.ptr / 4 ^ dim) % TEXTS_KNOWN];
}

static bool is_known(const struct known_text *k, enum report_dim dim, struct at_str s)
{
    return k->ptr == s.ptr && k->len == s.len && k->dim == dim;
}

/* name_id of a string that belongs to the segment. */
static enum at_err segment_id(struct tally *t, struct view *v, enum report_dim dim, struct at_str s, uint32_t *out)
{
    struct known_text *known = known_text_of(v, dim, s);
    enum at_err err = AT_OK;
    if (s.ptr && is_known(known, dim, s)) {
        *out = known->id;
        return AT_OK;
    }
    err = name_id(t, dim, s, out);
    if (!err)
        *known = (struct known_text){.ptr = s.ptr, .len = s.len, .dim = dim, .id = *out};
    return err;
}

uint8_t rank_of(const struct tally *t, struct view *v, struct at_str name)
{
    struct known_text *known = known_text_of(v, DIM_SCOPE, name);
    if (name.ptr && is_known(known, DIM_SCOPE, name))
        return (uint8_t)known->id;
    size_t rank = at_profile_find_scope(t->profile, name);
    *known = (struct known_text){
        .ptr = name.ptr, .len = name.len, .dim = DIM_SCOPE, .id = rank < AT_SCOPES_MAX ? (uint32_t)rank : NO_RANK};
    return (uint8_t)known->id;
}

/* A user of an app, as the bytes that it is found by; *at: where they begin. */
static enum at_err put_user(struct tally *t, uint32_t app, struct at_str user, size_t *at)
{
    *at = t->user_keys.len;
    enum at_err err = at_buf_add(&t->user_keys, &app, sizeof app);
    return err ? err : at_buf_str(&t->user_keys, user);
}

enum at_err key_id(struct tally *t, struct at_str app, struct at_str user, uint32_t *app_id, uint32_t *out)
{
    size_t at;
    t->user_keys.len = 0;
    enum at_err err = name_id(t, DIM_APP, app, app_id);
    if (!err)
        err = put_user(t, *app_id, user, &at);
    if (!err)
        err = at_intern_add(t->keys, at_buf_view(&t->user_keys), out);
    return err ? err : bonds_key(&t->bonds, *out);
}

uint32_t app_of_key(const struct tally *t, uint32_t key)
{
    uint32_t app = 0;
    memcpy(&app, at_intern_get(t->keys, key).ptr, sizeof app);
    return app;
}

enum at_err count_users(const struct tally *t, uint64_t *out)
{
    struct at_intern *users = NULL;
    uint32_t id, n = at_intern_count(t->keys);
    *out = n;
    if (at_intern_count(t->names[DIM_APP]) < 2)
        return AT_OK; /* the keys are the users */
    enum at_err err = at_intern_new(&users);
    for (uint32_t key = 0; key < n && !err; key++) {
        struct at_str name = at_intern_get(t->keys, key);
        err = at_intern_add(users, (struct at_str){name.ptr + sizeof(uint32_t), name.len - sizeof(uint32_t)}, &id);
    }
    if (!err)
        *out = at_intern_count(users);
    at_intern_free(&users);
    return err;
}

enum at_err who_of(struct tally *t, struct view *v, const struct at_tape_source *s, size_t n, struct who *out)
{
    struct at_str users[SOURCES_AT_ONCE] = {{0}};
    uint32_t keys[SOURCES_AT_ONCE];
    size_t begins[SOURCES_AT_ONCE + 1];
    enum at_err err = AT_OK;
    t->user_keys.len = 0;
    for (size_t i = 0; i < n && !err; i++) {
        err = segment_id(t, v, DIM_APP, s[i].app, &out[i].app);
        if (!err)
            err = segment_id(t, v, DIM_PLATFORM, s[i].platform, &out[i].platform);
        if (!err)
            err = put_user(t, out[i].app, s[i].user, &begins[i]);
    }
    begins[n] = t->user_keys.len;
    for (size_t i = 0; i < n && !err; i++)
        users[i] = bytes_of(t->user_keys.ptr + begins[i], begins[i + 1] - begins[i]);
    if (!err)
        err = at_intern_add_all(t->keys, users, n, keys);
    for (size_t i = 0; i < n && !err; i++) {
        out[i].key = keys[i];
        err = bonds_key(&t->bonds, keys[i]);
        out[i].links = err ? NULL : key_at(&t->bonds, keys[i]);
    }
    return err;
}

/* ---- Lists of scopes */

static enum at_err add_scratch(struct tally *t, struct at_str name)
{
    uint32_t id = 0;
    enum at_err err = scope_id(t, name, &id);
    for (size_t i = 0; i < t->n_scratch && !err; i++)
        if (t->scratch[i] == id)
            return AT_OK; /* named twice in one call */
    if (!err)
        err = ROOM(t->scratch, t->n_scratch, t->scratch_cap);
    if (!err)
        t->scratch[t->n_scratch++] = id;
    return err;
}

static enum at_err add_number(struct tally *t, uint32_t n)
{
    enum at_err err = ROOM(t->scopes, t->n_scopes, t->scopes_cap);
    if (!err)
        t->scopes[t->n_scopes++] = n;
    return err;
}

/* The list in scratch, kept once. */
static enum at_err keep_list(struct tally *t, uint32_t *out)
{
    uint32_t id = 0;
    enum at_err err = at_intern_add(t->lists, bytes_of(t->scratch, t->n_scratch * sizeof *t->scratch), &id);
    if (!err && id == t->n_lists) {
        err = t->n_scopes + t->n_scratch + 1 >= NO_ID ? AT_LIMIT : ROOM(t->list_at, t->n_lists, t->lists_cap);
        uint32_t begin = (uint32_t)t->n_scopes;
        if (!err)
            err = add_number(t, (uint32_t)t->n_scratch);
        for (size_t i = 0; i < t->n_scratch && !err; i++)
            err = add_number(t, t->scratch[i]);
        if (!err)
            t->list_at[t->n_lists++] = begin;
    }
    if (!err)
        *out = t->list_at[id];
    return err;
}

/* The scopes that the event is about: those that gate a call's API, or those that it names. */
static enum at_err scopes_of(struct tally *t, const struct at_event *ev, struct at_api api, uint32_t *out)
{
    bool names = ev->kind != AT_KIND_CALL || api.kind == AT_API_AUTHORIZE;
    enum at_err err = AT_OK;
    t->n_scratch = 0;
    for (size_t i = 0; names && i < ev->n_scopes && !err; i++)
        err = add_scratch(t, ev->scopes[i]);
    for (size_t i = 0; !names && api.kind == AT_API_GATED && i < t->profile->n_scopes && !err; i++)
        if (api.scopes & (uint64_t)1 << i)
            err = add_scratch(t, t->profile->scopes[i].name);
    return err ? err : keep_list(t, out);
}

/* ---- Shapes */

static void note_first(const struct tally *t, struct what *w)
{
    const uint32_t *list = t->scopes + w->scopes;
    size_t rank = list[0] == 1 ? tally_scope_rank(t, list[1]) : SIZE_MAX;
    w->scope = list[0] ? list[1] : NO_ID;
    w->several = list[0] > 1;
    w->near = w->scope < SCOPES_NEAR ? (uint8_t)w->scope : 0;
    w->rank = rank < AT_SCOPES_MAX ? (uint8_t)rank : NO_RANK;
}

static enum at_err new_what(struct tally *t, const struct at_event *ev, struct what *w)
{
    struct at_api api = {.kind = AT_API_OTHER};
    enum at_err err = AT_OK;
    *w = (struct what){.names_call = (ev->has & AT_HAS_CALL) != 0,
                       .kind = ev->kind,
                       .lists = (ev->has & AT_HAS_AUTH_SETTING) != 0,
                       .granted = ev->granted,
                       .fresh = (ev->has & AT_HAS_FRESH) && ev->fresh,
                       .answer = ev->answer,
                       .api = NO_ID,
                       .err_msg = NO_ID,
                       .named = NO_ID};
    if (ev->kind == AT_KIND_CALL) {
        api = at_profile_api(t->profile, ev->api);
        w->authorizes = api.kind == AT_API_AUTHORIZE;
        w->reads = api.kind == AT_API_GET_SETTING || api.kind == AT_API_OPEN_SETTING;
        err = name_id(t, DIM_API, ev->api, &w->api);
    }
    if (ev->kind == AT_KIND_RETURN) {
        struct at_outcome o = at_profile_outcome(t->profile, ev->err_msg, ev->has & AT_HAS_ERRNO, ev->err_no);
        w->cls = o.cls;
        w->known = o.known;
        err = name_id(t, DIM_ERRMSG, ev->err_msg, &w->err_msg);
        if (!err)
            err = name_id(t, DIM_API, o.api, &w->named);
    }
    for (size_t i = 0; i < ev->n_observes; i++)
        w->observes |= (uint8_t)(1u << ev->observes[i]);
    if (!err)
        err = scopes_of(t, ev, api, &w->scopes);
    if (!err)
        note_first(t, w);
    return err;
}

/* What makes a shape, as bytes. */
static enum at_err shape_key(const struct at_event *ev, struct at_buf *out)
{
    struct at_str text = ev->kind == AT_KIND_CALL ? ev->api : ev->kind == AT_KIND_RETURN ? ev->err_msg : AT_STR("");
    unsigned observes = 0;
    for (size_t i = 0; i < ev->n_observes; i++)
        observes |= 1u << ev->observes[i];
    uint8_t head[] = {(uint8_t)ev->kind,
                      (uint8_t)ev->answer,
                      ev->granted,
                      (ev->has & AT_HAS_ERRNO) != 0,
                      (ev->has & AT_HAS_CALL) != 0,
                      (ev->has & AT_HAS_AUTH_SETTING) != 0,
                      (ev->has & AT_HAS_FRESH) && ev->fresh,
                      (uint8_t)observes};
    enum at_err err = at_buf_add(out, head, sizeof head);
    if (!err && head[3])
        err = at_buf_add(out, &ev->err_no, sizeof ev->err_no);
    if (!err)
        err = at_buf_add(out, &text.len, sizeof text.len);
    if (!err)
        err = at_buf_str(out, text);
    for (size_t i = 0; i < ev->n_scopes && !err; i++) {
        err = at_buf_add(out, &ev->scopes[i].len, sizeof ev->scopes[i].len);
        if (!err)
            err = at_buf_str(out, ev->scopes[i]);
    }
    return err;
}

enum at_err what_of(struct tally *t, const struct at_event *ev, struct what **out)
{
    struct at_buf *key = &t->shape_key;
    uint32_t id = 0;
    key->len = 0;
    *out = &t->odd;
    enum at_err err = shape_key(ev, key);
    if (err)
        return err;
    if (at_intern_count(t->shapes) >= SHAPES_MAX && !at_intern_find(t->shapes, at_buf_view(key), &id))
        return new_what(t, ev, &t->odd);
    err = at_intern_add(t->shapes, at_buf_view(key), &id);
    if (!err && id == t->n_what) {
        err = ROOM(t->what, t->n_what, t->what_cap);
        if (!err)
            err = new_what(t, ev, &t->what[t->n_what]);
        t->n_what += !err;
    }
    if (!err)
        *out = &t->what[id];
    return err;
}

/* ---- Wordings */

enum at_err count_wording(struct tally *t, const struct wording_key *key, uint64_t count, uint32_t *id)
{
    enum at_err err = at_intern_add(t->wordings, bytes_of(key, sizeof *key), id);
    if (!err && *id == t->n_wordings) {
        err = ROOM(t->wording_counts, t->n_wordings, t->wordings_cap);
        if (!err)
            t->wording_counts[t->n_wordings++] = 0;
    }
    if (!err)
        t->wording_counts[*id] += count;
    return err;
}
