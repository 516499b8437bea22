/* filter.c: which events pass. */
#include <stdlib.h>
#include <string.h>

#include "formats/filter.h"

/* A set of 64-bit hashes with removal: open addressing, linear probing, backward shift. 0 is a free slot. */
struct set {
    uint64_t *slots;
    size_t n_slots, count; /* n_slots: a power of two, at most half full */
};

struct at_filter {
    struct at_reader_options o;
    struct set calls;   /* open calls that passed the scope filter */
    struct set prompts; /* keys whose last prompt passed */
};

static size_t slot_of(const struct set *s, uint64_t hash)
{
    size_t i = (size_t)hash & (s->n_slots - 1);
    while (s->slots[i] && s->slots[i] != hash)
        i = (i + 1) & (s->n_slots - 1);
    return i;
}

static enum at_err set_add(struct set *s, uint64_t hash)
{
    if (s->count >= s->n_slots / 2) {
        struct set bigger = {.n_slots = s->n_slots ? s->n_slots * 2 : 64};
        bigger.slots = calloc(bigger.n_slots, sizeof *bigger.slots);
        if (!bigger.slots)
            return AT_NOMEM;
        for (size_t i = 0; i < s->n_slots; i++)
            if (s->slots[i])
                bigger.slots[slot_of(&bigger, s->slots[i])] = s->slots[i];
        bigger.count = s->count;
        free(s->slots);
        *s = bigger;
    }
    size_t i = slot_of(s, hash);
    s->count += s->slots[i] == 0;
    s->slots[i] = hash;
    return AT_OK;
}

static bool set_remove(struct set *s, uint64_t hash)
{
    if (!s->count)
        return false;
    size_t mask = s->n_slots - 1, i = slot_of(s, hash);
    if (!s->slots[i])
        return false;
    s->count--;
    for (size_t j = (i + 1) & mask; s->slots[j]; j = (j + 1) & mask) {
        size_t home = (size_t)s->slots[j] & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) { /* may move back to the hole */
            s->slots[i] = s->slots[j];
            i = j;
        }
    }
    s->slots[i] = 0;
    return true;
}

static bool set_has(const struct set *s, uint64_t hash)
{
    return s->count && s->slots[slot_of(s, hash)];
}

static uint64_t pair_hash(struct at_str a, struct at_str b)
{
    uint64_t h = at_hash(b.ptr, b.len, at_hash(a.ptr, a.len, 0x61757468));
    return h ? h : 1;
}

static bool names_scope(const struct at_event *ev, struct at_str scope)
{
    for (size_t i = 0; i < ev->n_scopes; i++)
        if (at_str_eq(ev->scopes[i], scope))
            return true;
    for (size_t i = 0; i < ev->n_settings; i++)
        if (at_str_eq(ev->settings[i].scope, scope))
            return true;
    return false;
}

/* A call of an API that the scope gates. */
static bool gates(const struct at_filter *f, struct at_str api)
{
    size_t scope = f->o.profile ? at_profile_find_scope(f->o.profile, f->o.scope) : AT_NO_SCOPE;
    return scope != AT_NO_SCOPE && at_profile_api(f->o.profile, api).scopes >> scope & 1;
}

static enum at_err pass_scope(struct at_filter *f, const struct at_event *ev, bool *pass)
{
    uint64_t hash = 0;
    enum at_err err = AT_OK;
    *pass = names_scope(ev, f->o.scope);
    switch (ev->kind) {
    case AT_KIND_CALL:
        *pass |= gates(f, ev->api);
        hash = pair_hash(ev->stream, ev->call);
        if (*pass)
            err = set_add(&f->calls, hash);
        else /* the same id again: the return belongs to this call */
            set_remove(&f->calls, hash);
        break;
    case AT_KIND_RETURN:
        *pass |= set_remove(&f->calls, pair_hash(ev->stream, ev->call));
        break;
    case AT_KIND_PROMPT:
        hash = pair_hash(ev->app, ev->user);
        if (*pass)
            err = set_add(&f->prompts, hash);
        else
            set_remove(&f->prompts, hash);
        break;
    case AT_KIND_DECISION:
        if (!(ev->has & AT_HAS_SCOPE))
            *pass = set_has(&f->prompts, pair_hash(ev->app, ev->user));
        break;
    case AT_KIND_START:
    case AT_KIND_RESET:
    case AT_KIND_GAP:
    case AT_KIND_END:
        *pass = true;
        break;
    case AT_KIND_SETTINGS:
    case AT_KIND_SETTINGS_PAGE:
        break;
    }
    return err;
}

enum at_err at_filter_new(const struct at_reader_options *options, struct at_filter **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return AT_NOMEM;
    if (options)
        (*out)->o = *options;
    return AT_OK;
}

void at_filter_free(struct at_filter **f)
{
    if (!*f)
        return;
    free((*f)->calls.slots);
    free((*f)->prompts.slots);
    free(*f);
    *f = NULL;
}

enum at_err at_filter_event(struct at_filter *f, const struct at_event *ev, bool *pass)
{
    const struct at_reader_options *o = &f->o;
    *pass = true;
    if (o->scope.ptr) {
        enum at_err err = pass_scope(f, ev, pass);
        if (err)
            return err;
    }
    const struct at_tape_source source = {.app = ev->app, .user = ev->user};
    *pass = *pass && at_filter_time(f, ev->t_us) && at_filter_source(f, &source);
    return AT_OK;
}

bool at_filter_has_scope(const struct at_filter *f)
{
    return f->o.scope.ptr != NULL;
}

bool at_filter_owns(const struct at_filter *f, const struct at_tape_source *s)
{
    return !f->o.shard.of || at_shard_has(f->o.shard, at_key_hash(s->app, s->user));
}

bool at_filter_source(const struct at_filter *f, const struct at_tape_source *s)
{
    const struct at_reader_options *o = &f->o;
    return (!o->app.ptr || at_str_eq(o->app, s->app)) && (!o->user.ptr || at_str_eq(o->user, s->user)) &&
           (o->others || at_filter_owns(f, s));
}

bool at_filter_time(const struct at_filter *f, int64_t t_us)
{
    return !((f->o.has_from && t_us < f->o.from_us) || (f->o.has_to && t_us >= f->o.to_us));
}
