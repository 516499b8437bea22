/* checker.c: keys, streams and open calls; what each kind of event does to them. */
#include <stdlib.h>
#include <string.h>

#include "replay/private.h"

const char *at_state_text(enum at_state s)
{
    static const char *const texts[] = {"unasked", "granted", "denied"};
    return (size_t)s < AT_STATES ? texts[s] : "unknown";
}

/* ------------------------------------------------------------------------------------------- Bookkeeping ---- */

enum at_err at_checker_new(const struct at_profile *profile, const struct at_check_options *options,
                           const struct at_check_sink *sink, struct at_checker **out)
{
    struct at_checker *c = calloc(1, sizeof *c);
    if (!c)
        return AT_NOMEM;
    c->profile = profile;
    c->options = *options;
    c->sink = *sink;
    if (!c->options.grace_ms)
        c->options.grace_ms = DEFAULT_GRACE_MS;
    if (!c->options.configurations)
        c->options.configurations = DEFAULT_CONFIGURATIONS;
    enum at_err err = at_intern_new(&c->names);
    if (!err)
        err = at_intern_new(&c->words);
    if (!err)
        err = at_intern_new(&c->stream_names);
    if (!err)
        err = at_intern_new(&c->hinted);
    const struct steps policies = {
        .join = profile->concurrent == AT_CONCURRENT_JOIN,
        .reprompt = profile->concurrent == AT_CONCURRENT_REPROMPT,
        .dismiss_denies = profile->dismiss_denies,
        .cap = (uint32_t)c->options.configurations,
        .fault = c->options.fault,
    };
    if (!err)
        err = sets_new(&policies, &c->sets);
    c->collect_at = SETS_BYTES;
    if (err)
        at_checker_free(&c);
    *out = c;
    return err;
}

/* Gives back all that the search of a key holds. */
static void free_search(struct key *k)
{
    while (k->n_branches)
        free(k->branches[--k->n_branches]);
    while (k->n_calls)
        free(k->calls[--k->n_calls]);
}

void at_checker_free(struct at_checker **checker)
{
    struct at_checker *c = *checker;
    if (!c)
        return;
    for (uint32_t i = 0; i < c->cap_keys && c->keys[i]; i++) {
        free_search(c->keys[i]);
        free(c->keys[i]->branches);
        free(c->keys[i]->calls);
        free(c->keys[i]->known);
        free(c->keys[i]);
    }
    for (uint32_t i = 0; i < c->cap_streams && c->streams[i]; i++) {
        free(c->streams[i]->keys);
        free(c->streams[i]->answered);
        free(c->streams[i]);
    }
    free(c->keys);
    free(c->streams);
    at_intern_free(&c->names);
    at_intern_free(&c->words);
    at_intern_free(&c->stream_names);
    at_intern_free(&c->hinted);
    sets_free(&c->sets);
    for (size_t i = 0; i < sizeof c->text / sizeof c->text[0]; i++)
        at_buf_free(&c->text[i]);
    free(c);
    *checker = NULL;
}

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

static enum at_err intern_word(struct at_checker *c, struct at_str word, struct at_str *out)
{
    uint32_t id;
    enum at_err err = at_intern_add(c->words, word, &id);
    if (!err)
        *out = at_intern_get(c->words, id);
    return err;
}

static enum at_err new_key(struct at_checker *c, const struct at_event *ev, struct key **out)
{
    struct key *k = calloc(1, sizeof *k);
    if (!k)
        return AT_NOMEM;
    k->known = calloc(c->profile->n_scopes, sizeof *k->known);
    enum at_err err = k->known ? AT_OK : AT_NOMEM;
    if (!err)
        err = intern_word(c, ev->app, &k->app);
    if (!err)
        err = intern_word(c, ev->user, &k->user);
    if (!err)
        err = key_restart(c, k, false);
    if (err) {
        free(k->known);
        free(k);
        return err;
    }
    c->totals.keys++;
    *out = k;
    return AT_OK;
}

static enum at_err find_key(struct at_checker *c, const struct at_event *ev, struct key **out)
{
    struct at_buf *name = &c->text[0];
    uint32_t id;
    name->len = 0;
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
    if (!err)
        err = at_intern_add(c->names, at_buf_view(name), &id);
    if (!err)
        err = grow_table((void ***)&c->keys, &c->cap_keys, id);
    if (!err && !c->keys[id])
        err = new_key(c, ev, &c->keys[id]);
    if (!err)
        *out = c->keys[id];
    return err;
}

static enum at_err find_stream(struct at_checker *c, const struct at_event *ev, struct stream **out)
{
    uint32_t id;
    enum at_err err = at_intern_add(c->stream_names, ev->stream, &id);
    if (!err)
        err = grow_table((void ***)&c->streams, &c->cap_streams, id);
    if (err)
        return err;
    if (!c->streams[id]) {
        c->streams[id] = calloc(1, sizeof *c->streams[id]);
        if (!c->streams[id])
            return AT_NOMEM;
        c->streams[id]->name = at_intern_get(c->stream_names, id);
        c->streams[id]->last_us = ev->t_us;
    }
    *out = c->streams[id];
    if ((*out)->last_us < ev->t_us)
        (*out)->last_us = ev->t_us;
    return AT_OK;
}

static enum at_err stream_add_key(struct stream *st, struct key *k)
{
    for (uint32_t i = st->n_keys; i-- > 0;)
        if (st->keys[i] == k)
            return AT_OK;
    if (st->n_keys == st->cap_keys) {
        uint32_t cap = st->cap_keys ? st->cap_keys * 2 : 1;
        struct key **keys = realloc(st->keys, cap * sizeof(struct key *));
        if (!keys)
            return AT_NOMEM;
        st->keys = keys;
        st->cap_keys = cap;
    }
    st->keys[st->n_keys++] = k;
    return AT_OK;
}

static enum at_err remember_answer(struct stream *st, struct at_str id)
{
    if (st->n_answered == st->cap_answered && st->cap_answered < ANSWERED_MAX) {
        uint32_t cap = st->cap_answered ? st->cap_answered * 2 : 16;
        uint64_t *grown = realloc(st->answered, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        st->answered = grown;
        st->cap_answered = cap;
        st->next_answered = st->n_answered;
    }
    st->answered[st->next_answered] = at_hash(id.ptr, id.len, 0);
    st->next_answered = (st->next_answered + 1) % ANSWERED_MAX;
    if (st->n_answered < st->cap_answered)
        st->n_answered++;
    return AT_OK;
}

static bool was_answered(const struct stream *st, struct at_str id)
{
    uint64_t hash = at_hash(id.ptr, id.len, 0);
    for (uint32_t i = 0; i < st->n_answered; i++)
        if (st->answered[i] == hash)
            return true;
    return false;
}

/* Once for each scope. */
static enum at_err hint_unknown(struct at_checker *c, struct at_str word)
{
    uint32_t before = at_intern_count(c->hinted), id;
    enum at_err err = at_intern_add(c->hinted, word, &id);
    if (err || id < before || !c->sink.hint)
        return err;
    char text[256];
    snprintf(text, sizeof text, "%.*s is no scope of this profile: it was not checked", AT_STR_FMT(word));
    return c->sink.hint(c->sink.ctx, text);
}

/* -------------------------------------------------------------------------------------------- Open calls ---- */

static uint32_t find_call(const struct key *k, const struct stream *st, struct at_str id)
{
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (k->calls[i]->stream == st && at_str_eq(k->calls[i]->id, id))
            return i;
    return UINT32_MAX;
}

static void note_spares(struct key *k)
{
    k->spare_scopes = 0;
    k->spare_settings = false;
    for (uint32_t i = 0; i < k->n_calls; i++) {
        if (!k->calls[i]->spare)
            continue;
        k->spare_scopes |= k->calls[i]->scopes;
        k->spare_settings = k->spare_settings || k->calls[i]->kind == AT_API_OPEN_SETTING;
    }
}

static enum at_err drop_call(struct at_checker *c, struct key *k, uint32_t i)
{
    struct call *call = k->calls[i];
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
        struct step drop = {.kind = STEP_DROP_SLOT, .slot = slot_of(k, i, s)};
        for (uint32_t b = 0; has_slot(call, s) && b < k->n_branches && !err; b++)
            err = branch_apply(c, k, k->branches[b], s, &drop);
    }
    memmove(k->calls + i, k->calls + i + 1, (k->n_calls - i - 1) * sizeof(struct call *));
    k->n_calls--;
    if (call->spare)
        note_spares(k);
    free(call);
    return err;
}

static enum at_err new_call(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                            struct at_place at, struct call **out)
{
    struct at_api api = at_profile_api(c->profile, ev->api);
    struct at_str platform = ev->has & AT_HAS_PLATFORM ? ev->platform : (struct at_str){0};
    if (k->n_calls >= CALLS_MAX)
        return AT_LIMIT;
    if (k->n_calls == k->cap_calls) {
        uint32_t cap = k->cap_calls ? k->cap_calls * 2 : 2;
        struct call **calls = realloc(k->calls, cap * sizeof(struct call *));
        if (!calls)
            return AT_NOMEM;
        k->calls = calls;
        k->cap_calls = cap;
    }
    struct call *call = malloc(sizeof *call + ev->call.len + platform.len);
    if (!call)
        return AT_NOMEM;
    *call = (struct call){.stream = st, .place = at, .kind = api.kind, .scopes = api.scopes};
    memcpy(call->text, ev->call.ptr, ev->call.len);
    call->id = (struct at_str){call->text, ev->call.len};
    if (platform.len)
        memcpy(call->text + ev->call.len, platform.ptr, platform.len);
    if (platform.ptr)
        call->platform = (struct at_str){call->text + ev->call.len, platform.len};
    enum at_err err = intern_word(c, ev->api, &call->api);
    for (size_t i = 0; api.kind == AT_API_AUTHORIZE && i < ev->n_scopes && !err; i++) {
        size_t s = at_profile_find_scope(c->profile, ev->scopes[i]);
        if (s == AT_NO_SCOPE)
            err = hint_unknown(c, ev->scopes[i]);
        else
            call->scopes |= UINT64_C(1) << s;
    }
    if (err) {
        free(call);
        return err;
    }
    if (c->options.fault == AT_FAULT_SCOPE_FOR_SCOPE && (call->scopes >> c->options.fault_for & 1)) {
        call->scopes &= ~(UINT64_C(1) << c->options.fault_for);
        call->scopes |= UINT64_C(1) << c->options.fault_scope;
    }
    k->calls[k->n_calls++] = call;
    *out = call;
    return AT_OK;
}

static enum at_err on_call(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                           struct at_place at)
{
    struct call *call;
    c->saw_login = c->saw_login || at_str_eq(ev->api, AT_STR("login"));
    c->saw_user_info = c->saw_user_info || at_str_eq(ev->api, AT_STR("getUserInfo"));
    enum at_err err = new_call(c, k, st, ev, at, &call);
    if (err)
        return err;
    struct step add = {.kind = STEP_ADD_SLOT, .value = reads_settings(call)};
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
        if (!has_slot(call, s))
            continue;
        for (uint32_t b = 0; b < k->n_branches && !err; b++)
            err = branch_apply(c, k, k->branches[b], s, &add);
    }
    return err;
}

/* ------------------------------------------------------------------------------------------------ Events ---- */

/*
 * Applies `a` to scope `s` in every branch that allows it; the others go. Where none does, nothing is changed and
 * `explained` is false.
 */
static enum at_err act_on_scope(struct at_checker *c, struct key *k, size_t s, const struct step *a, bool *explained)
{
    enum at_err err = AT_OK;
    *explained = false;
    for (uint32_t i = 0; i < k->n_branches && !*explained; i++)
        *explained = branch_allows(c, k, k->branches[i], s, a);
    if (!*explained)
        return AT_OK;
    for (uint32_t i = k->n_branches; i-- > 0 && !err;) {
        if (branch_allows(c, k, k->branches[i], s, a))
            err = branch_apply(c, k, k->branches[i], s, a);
        else
            key_drop_branch(k, i);
    }
    if (!err)
        key_prune(c, k);
    return err;
}

/* The same; what no branch explains is told, and then its precondition is waived (SPEC section 8). */
static enum at_err act_or_tell(struct at_checker *c, struct key *k, struct step a, const struct finding *f,
                               enum at_err (*tell)(struct at_checker *c, const struct finding *f), bool *explained)
{
    bool applied;
    enum at_err err = AT_OK;
    *explained = false;
    if (!a.waive)
        err = act_on_scope(c, k, f->scope, &a, explained);
    if (err || *explained)
        return err;
    err = tell(c, f);
    a.waive = true;
    return err ? err : act_on_scope(c, k, f->scope, &a, &applied);
}

/* Notes what an event leaves known of the scopes of the mask. Hidden changes follow only from what is explained. */
static enum at_err update_all(struct at_checker *c, struct key *k, uint64_t scopes, const struct at_event *ev,
                              struct at_place at, struct at_str api, bool explained)
{
    struct evidence e = {.ev = ev, .at = at, .api = api, .explained = explained};
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
        if (scopes >> s & 1)
            err = known_update(c, k, s, &e);
    return err;
}

static enum at_err on_start(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    bool fresh = (ev->has & AT_HAS_FRESH) && ev->fresh;
    k->observes = 0;
    for (uint8_t i = 0; i < ev->n_observes; i++)
        k->observes |= (uint8_t)(1u << ev->observes[i]);
    enum at_err err = key_forget(c, k, fresh ? 1u << AT_UNASKED : (1u << AT_STATES) - 1);
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        k->known[s] = (struct known){
            .states = fresh ? 1u << AT_UNASKED : 0, .certain = fresh, .kind = AT_KIND_START, .cause = at, .sure = at};
    return err;
}

static enum at_err on_prompt(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                             struct at_place at)
{
    size_t s = ev->n_scopes ? at_profile_find_scope(c->profile, ev->scopes[0]) : AT_NO_SCOPE;
    if (s == AT_NO_SCOPE)
        return ev->n_scopes ? hint_unknown(c, ev->scopes[0]) : AT_OK;
    struct step a = {.kind = STEP_PROMPT, .slot = ANY_SLOT};
    const struct call *by = NULL;
    if (ev->has & AT_HAS_CALL) {
        uint32_t i = find_call(k, st, ev->call);
        by = i == UINT32_MAX ? NULL : k->calls[i];
        bool of_scope = by && (by->scopes >> s & 1);
        a.slot = of_scope && !by->spare ? slot_of(k, i, s) : NO_SLOT;
    }
    struct finding f = {.key = k, .ev = ev, .at = at, .call = by, .scope = s};
    a.waive = a.slot == NO_SLOT && !(by && by->spare && (by->scopes >> s & 1)); /* the call named asks for no such */
    bool explained;
    enum at_err err = act_or_tell(c, k, a, &f, find_prompt, &explained);
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (k->calls[i]->scopes >> s & 1)
            k->calls[i]->prompted = true;
    return err ? err : update_all(c, k, UINT64_C(1) << s, ev, at, (struct at_str){0}, explained);
}

/* Scopes that have an open call: a prompt of one of them could be up. */
static uint64_t called_scopes(const struct key *k)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < k->n_calls; i++)
        mask |= k->calls[i]->scopes;
    return mask;
}

/* An answer to whichever prompt is up: a branch for each that can be. */
static enum at_err decide_any(struct at_checker *c, struct key *k, uint64_t among, const struct step *a,
                              uint64_t *decided)
{
    uint32_t n = k->n_branches;
    enum at_err err = AT_OK;
    *decided = 0;
    for (uint32_t i = 0; i < n && !err; i++) {
        for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
            struct branch *b;
            if (!(among >> s & 1) || !branch_allows(c, k, k->branches[i], s, a))
                continue;
            err = branch_copy(c, k, k->branches[i], &b);
            if (err)
                break;
            err = branch_apply(c, k, b, s, a);
            if (!err)
                err = key_add_branch(k, b);
            if (err)
                free(b);
            *decided |= UINT64_C(1) << s;
        }
    }
    if (err || !*decided)
        return err;
    for (uint32_t i = n; i-- > 0;) { /* the old ones are at the front: each is replaced by one from the end */
        free(k->branches[i]);
        k->branches[i] = k->branches[--k->n_branches];
    }
    key_prune(c, k);
    return AT_OK;
}

static enum at_err on_decision(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    uint64_t among = UINT64_MAX, decided = 0;
    struct step a = {.kind = STEP_DECISION, .value = (uint8_t)ev->answer};
    struct finding f = {.key = k, .ev = ev, .at = at, .scope = AT_NO_SCOPE};
    if (ev->n_scopes) {
        f.scope = at_profile_find_scope(c->profile, ev->scopes[0]);
        if (f.scope == AT_NO_SCOPE)
            return hint_unknown(c, ev->scopes[0]);
        among = UINT64_C(1) << f.scope;
    }
    enum at_err err = decide_any(c, k, among, &a, &decided);
    bool explained = decided != 0;
    if (!err && !explained) {
        uint64_t called = called_scopes(k);
        for (size_t s = 0; s < c->profile->n_scopes && f.scope == AT_NO_SCOPE; s++)
            if (called >> s & 1)
                f.scope = s;
        err = find_decision(c, &f);
        a.waive = true;
        if (!err)
            err = decide_any(c, k, ev->n_scopes ? among : called, &a, &decided);
    }
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (k->calls[i]->scopes & decided && !(decided & (decided - 1)))
            k->calls[i]->decided = ev->answer;
    return err ? err : update_all(c, k, decided, ev, at, (struct at_str){0}, explained);
}

static enum at_err on_settings(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    size_t s = ev->n_scopes ? at_profile_find_scope(c->profile, ev->scopes[0]) : AT_NO_SCOPE;
    if (s == AT_NO_SCOPE)
        return ev->n_scopes ? hint_unknown(c, ev->scopes[0]) : AT_OK;
    struct step a = {.kind = STEP_SETTINGS, .value = (uint8_t)(ev->granted ? AT_GRANTED : AT_DENIED)};
    struct finding f = {.key = k, .ev = ev, .at = at, .scope = s};
    bool explained;
    enum at_err err = act_or_tell(c, k, a, &f, find_flip, &explained);
    return err ? err : update_all(c, k, UINT64_C(1) << s, ev, at, (struct at_str){0}, explained);
}

static enum at_err on_reset(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    struct step a = {.kind = STEP_RESET};
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < k->n_branches; i++)
        for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
            err = branch_apply(c, k, k->branches[i], s, &a);
    if (!err)
        key_prune(c, k);
    return err ? err : update_all(c, k, UINT64_MAX, ev, at, (struct at_str){0}, true);
}

/* ------------------------------------------------------------------------------------------- Snapshots ---- */

/* For each scope what a snapshot says of it: the states that fit (all for exempt ones). */
struct listing {
    uint8_t fits[AT_SCOPES_MAX];
    int8_t listed[AT_SCOPES_MAX]; /* 1, 0, -1: absent */
};

/* The states that fit what is listed (R7, R8), or would fit it on a host with the fault that is assumed. */
static uint8_t fitting(const struct at_checker *c, const struct key *k, size_t s, int listed, bool page)
{
    const uint8_t any = (1u << AT_STATES) - 1;
    uint8_t fits = (uint8_t)(1u << (listed < 0 ? AT_UNASKED : listed ? AT_GRANTED : AT_DENIED));
    if (c->profile->scopes[s].exempt)
        return any;
    if (c->options.fault == AT_FAULT_UNASKED_LISTED)
        return (uint8_t)(listed < 0 ? 0 : listed ? fits : fits | 1u << AT_UNASKED);
    if (c->options.fault == AT_FAULT_FLIP_IGNORED && page)
        return any;
    if (c->options.fault == AT_FAULT_STALE_SETTINGS && (k->known[s].ever & fits))
        return any;
    return fits;
}

static enum at_err read_listing(struct at_checker *c, const struct key *k, const struct at_event *ev, bool page,
                                struct listing *l)
{
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        l->listed[s] = -1;
    for (size_t i = 0; i < ev->n_settings && !err; i++) {
        size_t s = at_profile_find_scope(c->profile, ev->settings[i].scope);
        if (s == AT_NO_SCOPE)
            err = hint_unknown(c, ev->settings[i].scope);
        else
            l->listed[s] = ev->settings[i].granted;
    }
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        l->fits[s] = fitting(c, k, s, l->listed[s], page);
    return err;
}

static struct step snapshot_act(const struct key *k, uint32_t call, size_t s, const struct listing *l)
{
    if (call == UINT32_MAX)
        return (struct step){.kind = STEP_PAGE, .value = l->fits[s]};
    return (struct step){.kind = STEP_SNAPSHOT, .value = l->fits[s], .slot = slot_of(k, call, s)};
}

/* How many scopes of a branch the listing contradicts. */
static size_t contradictions(struct at_checker *c, const struct key *k, const struct branch *b, uint32_t call,
                             const struct listing *l)
{
    size_t n = 0;
    for (size_t s = 0; s < c->profile->n_scopes; s++) {
        struct step a = snapshot_act(k, call, s, l);
        n += !branch_allows(c, k, b, s, &a);
    }
    return n;
}

/* The states that scope `s` of a branch could have shown. */
static uint8_t shown(const struct at_checker *c, const struct key *k, const struct branch *b, uint32_t call, size_t s)
{
    if (call == UINT32_MAX)
        return sets_states(c->sets, b->sets[s]);
    return cset_outcomes(sets_get(c->sets, b->sets[s]), slot_of(k, call, s));
}

static bool has_seen(const struct at_checker *c, const struct key *k, const struct branch *b, uint32_t call)
{
    return call == UINT32_MAX || branch_has_seen(c, k, b, call);
}

/* Tells every scope that the branch nearest to the listing has otherwise. */
static enum at_err tell_contradictions(struct at_checker *c, const struct key *k, uint32_t call,
                                       const struct listing *l, struct finding f)
{
    const struct branch *near = NULL;
    size_t least = SIZE_MAX;
    for (uint32_t i = 0; i < k->n_branches; i++) {
        if (!has_seen(c, k, k->branches[i], call))
            continue;
        size_t n = contradictions(c, k, k->branches[i], call, l);
        if (n < least) {
            least = n;
            near = k->branches[i];
        }
    }
    enum at_err err = AT_OK;
    for (f.scope = 0; near && f.scope < c->profile->n_scopes && !err; f.scope++) {
        struct step a = snapshot_act(k, call, f.scope, l);
        if (!branch_allows(c, k, near, f.scope, &a))
            err = find_setting(c, &f, l->listed[f.scope], shown(c, k, near, call, f.scope));
    }
    return err;
}

/* What was listed, by the settings page (`call` UINT32_MAX) or in the answer to a call. */
static enum at_err on_listing(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at,
                              uint32_t call, bool *explained)
{
    struct listing l;
    struct finding f = {.key = k, .ev = ev, .at = at, .call = call == UINT32_MAX ? NULL : k->calls[call]};
    bool page = !f.call || f.call->kind == AT_API_OPEN_SETTING;
    enum at_err err = read_listing(c, k, ev, page, &l);
    *explained = false;
    for (uint32_t i = 0; i < k->n_branches && !*explained; i++)
        *explained = has_seen(c, k, k->branches[i], call) && !contradictions(c, k, k->branches[i], call, &l);
    if (err || !*explained)
        return err ? err : tell_contradictions(c, k, call, &l, f);
    for (uint32_t i = k->n_branches; i-- > 0 && !err;) {
        if (!has_seen(c, k, k->branches[i], call) || contradictions(c, k, k->branches[i], call, &l)) {
            key_drop_branch(k, i);
            continue;
        }
        for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
            struct step a = snapshot_act(k, call, s, &l);
            err = branch_apply(c, k, k->branches[i], s, &a);
        }
    }
    return err;
}

static enum at_err on_page(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at)
{
    bool explained;
    enum at_err err = on_listing(c, k, ev, at, UINT32_MAX, &explained);
    if (!err)
        key_prune(c, k);
    return err ? err : update_all(c, k, UINT64_MAX, ev, at, (struct at_str){0}, explained);
}

/* ---------------------------------------------------------------------------------------------- Returns ---- */

static uint8_t outcomes_of(enum at_class cls)
{
    switch (cls) {
    case AT_CLASS_OK:
        return SLOT_OK_STATE | SLOT_OK_PROMPT;
    case AT_CLASS_DENIED:
        return SLOT_DENIED_STATE | SLOT_DENIED_PROMPT;
    case AT_CLASS_DISMISSED:
        return SLOT_DISMISSED;
    case AT_CLASS_UNAUTHORIZED:
        return SLOT_DENIED_STATE | SLOT_DENIED_PROMPT | SLOT_UNAUTHORIZED;
    case AT_CLASS_OS_DENIED:
    case AT_CLASS_PRIVACY:
    case AT_CLASS_GESTURE:
    case AT_CLASS_MALFORMED:
    case AT_CLASS_OTHER:
    default:
        return 0; /* not about authorization: R14 */
    }
}

/* The outcomes that call `i` may have settled with in scope `s`. */
static uint8_t possible_outcomes(const struct at_checker *c, const struct key *k, uint32_t i, size_t s)
{
    uint8_t mask = 0;
    uint32_t slot = slot_of(k, i, s);
    for (uint32_t b = 0; b < k->n_branches; b++)
        mask |= cset_outcomes(sets_get(c->sets, k->branches[b]->sets[s]), slot);
    return mask;
}

/* Any of the scopes settled so, the others in any way: a branch for each that can have. */
static enum at_err settle_any(struct at_checker *c, struct key *k, uint32_t i, uint8_t wanted, bool *explained)
{
    uint32_t n = k->n_branches;
    enum at_err err = AT_OK;
    *explained = false;
    for (uint32_t b = 0; b < n && !err; b++) {
        for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
            struct step a = {.kind = STEP_OUTCOME, .slot = slot_of(k, i, s), .value = wanted};
            struct branch *copy;
            if (!(k->calls[i]->scopes >> s & 1) || !branch_allows(c, k, k->branches[b], s, &a))
                continue;
            err = branch_copy(c, k, k->branches[b], &copy);
            if (err)
                break;
            err = branch_apply(c, k, copy, s, &a);
            if (!err)
                err = key_add_branch(k, copy);
            if (err)
                free(copy);
            *explained = true;
        }
    }
    for (uint32_t b = n; b-- > 0 && *explained && !err;) {
        free(k->branches[b]);
        k->branches[b] = k->branches[--k->n_branches];
    }
    return err;
}

/* All of the scopes settled so. */
static enum at_err settle_all(struct at_checker *c, struct key *k, uint32_t i, uint8_t wanted, bool *explained)
{
    uint64_t scopes = k->calls[i]->scopes;
    enum at_err err = AT_OK;
    *explained = false;
    for (uint32_t b = 0; b < k->n_branches && !*explained; b++) {
        bool all = true;
        for (size_t s = 0; s < c->profile->n_scopes && all; s++) {
            struct step a = {.kind = STEP_OUTCOME, .slot = slot_of(k, i, s), .value = wanted};
            all = !(scopes >> s & 1) || branch_allows(c, k, k->branches[b], s, &a);
        }
        *explained = all;
    }
    for (size_t s = 0; s < c->profile->n_scopes && *explained && !err; s++) {
        struct step a = {.kind = STEP_OUTCOME, .slot = slot_of(k, i, s), .value = wanted};
        if (scopes >> s & 1)
            err = act_on_scope(c, k, s, &a, &(bool){false});
    }
    return err;
}

/* The scope of a call that is to blame: the first that has no fitting outcome. */
static size_t scope_to_blame(const struct at_checker *c, const struct key *k, uint32_t i, uint8_t wanted)
{
    size_t first = AT_NO_SCOPE;
    for (size_t s = 0; s < c->profile->n_scopes; s++) {
        if (!(k->calls[i]->scopes >> s & 1))
            continue;
        if (!(possible_outcomes(c, k, i, s) & wanted))
            return s;
        first = first == AT_NO_SCOPE ? s : first;
    }
    return first;
}

static struct at_settled settled_of(const struct key *k, const struct call *call, struct at_str scope)
{
    return (struct at_settled){.app = k->app,
                               .user = k->user,
                               .platform = call->platform,
                               .stream = call->stream->name,
                               .scope = scope,
                               .api = call->api,
                               .call = call->id,
                               .called = call->place};
}

/* Tells how the call was settled, scope by scope, and what must have been a dismissal that nobody saw. */
static enum at_err tell_settled(struct at_checker *c, struct key *k, uint32_t i, const struct at_event *ev,
                                struct at_place at, enum at_class cls, const uint8_t *before, bool explained)
{
    const struct call *call = k->calls[i];
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
        if (!(call->scopes >> s & 1))
            continue;
        struct at_settled d = settled_of(k, call, c->profile->scopes[s].name);
        uint8_t how = call->spare ? 0 : possible_outcomes(c, k, i, s) & outcomes_of(cls);
        uint8_t by_prompt = how & (SLOT_OK_PROMPT | SLOT_DENIED_PROMPT | SLOT_DISMISSED);
        bool by_state = how & (SLOT_OK_STATE | SLOT_DENIED_STATE | SLOT_UNAUTHORIZED);
        d.returned = at;
        d.answered = true;
        d.err_msg = ev->err_msg;
        d.cls = cls;
        d.via = !how || !explained                          ? AT_VIA_NONE
                : by_prompt && (call->decided || !by_state) ? AT_VIA_PROMPT
                                                            : AT_VIA_STATE;
        d.prompt_inferred = d.via == AT_VIA_PROMPT && !call->prompted;
        d.determined =
            !call->spare && !((before[s] & outcomes_of(AT_CLASS_OK)) && (before[s] & outcomes_of(AT_CLASS_DENIED)));
        if (outcomes_of(cls) && explained && !d.determined)
            c->totals.undetermined++;
        if (cls == AT_CLASS_DISMISSED && d.via == AT_VIA_PROMPT)
            err = known_dismissal(c, k, s, call, at);
        if (!err && c->sink.settled)
            err = c->sink.settled(c->sink.ctx, &d);
    }
    return err;
}

static enum at_err on_outcome(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at,
                              uint32_t i, enum at_class cls, bool *explained)
{
    struct call *call = k->calls[i];
    uint8_t wanted = outcomes_of(cls), before[AT_SCOPES_MAX] = {0};
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        if (!call->spare && (call->scopes >> s & 1))
            before[s] = possible_outcomes(c, k, i, s);
    if (wanted && call->scopes && !call->spare) {
        bool one = !(call->scopes & (call->scopes - 1));
        err =
            cls == AT_CLASS_OK || one ? settle_all(c, k, i, wanted, explained) : settle_any(c, k, i, wanted, explained);
        if (!err && !*explained) {
            struct finding f = {.key = k, .ev = ev, .at = at, .call = call, .cls = cls};
            f.scope = scope_to_blame(c, k, i, wanted);
            err = find_outcome(c, &f);
        }
    }
    return err ? err : tell_settled(c, k, i, ev, at, cls, before, *explained);
}

static enum at_err on_return(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                             struct at_place at)
{
    uint32_t i = find_call(k, st, ev->call);
    struct finding f = {.key = k, .ev = ev, .at = at, .scope = AT_NO_SCOPE};
    if (i == UINT32_MAX) /* made before the recording, or answered already */
        return was_answered(st, ev->call) ? find_second_answer(c, &f) : AT_OK;
    struct call *call = k->calls[i];
    struct at_outcome o = at_profile_outcome(c->profile, ev->err_msg, ev->has & AT_HAS_ERRNO, ev->err_no);
    enum at_err err = remember_answer(st, ev->call);
    f.call = call;
    if (!err && o.api.ptr && !at_profile_same_api(c->profile, call->api, o.api))
        err = find_wrong_api(c, &f, o.api);
    uint64_t touched = call->scopes;
    bool explained = true;
    if (!err && reads_settings(call)) {
        touched = ev->has & AT_HAS_AUTH_SETTING ? UINT64_MAX : 0;
        if (touched && !call->spare)
            err = on_listing(c, k, ev, at, i, &explained);
    } else if (!err) {
        err = on_outcome(c, k, ev, at, i, o.cls, &explained);
        touched = outcomes_of(o.cls) ? touched : 0;
    }
    struct at_str api = call->api;
    if (!err)
        err = drop_call(c, k, i);
    if (!err)
        key_prune(c, k);
    return err ? err : update_all(c, k, touched, ev, at, api, explained);
}

/* ---------------------------------------------------------------------------------- Ends, gaps, no answer ---- */

/* SPEC section 4: "not while it may be waiting for its prompt". */
static bool may_wait(const struct at_checker *c, const struct key *k, uint32_t i)
{
    for (size_t s = 0; s < c->profile->n_scopes; s++) {
        if (!(k->calls[i]->scopes >> s & 1))
            continue;
        uint32_t slot = slot_of(k, i, s);
        for (uint32_t b = 0; b < k->n_branches; b++) {
            const struct cset *set = sets_get(c->sets, k->branches[b]->sets[s]);
            for (uint32_t r = 0; r < set->n; r++)
                if ((cset_row(set, r)[0] & BASE_UP) && !(cset_row(set, r)[1 + slot] & SLOT_DONE))
                    return true;
        }
    }
    return false;
}

static enum at_err check_answered(struct at_checker *c, struct key *k, uint32_t i, const struct at_event *ev)
{
    const struct call *call = k->calls[i];
    if (call->spare || may_wait(c, k, i))
        return AT_OK;
    struct finding f = {.key = k, .ev = ev, .at = call->place, .call = call, .scope = AT_NO_SCOPE};
    for (size_t s = 0; s < c->profile->n_scopes && f.scope == AT_NO_SCOPE; s++)
        if (call->scopes >> s & 1)
            f.scope = s;
    return find_no_answer(c, &f);
}

static enum at_err on_end(struct at_checker *c, struct stream *st, const struct at_event *ev)
{
    enum at_err err = AT_OK;
    for (uint32_t n = 0; n < st->n_keys && !err; n++) {
        struct key *k = st->keys[n];
        if (k->inconclusive)
            continue;
        err = key_advance(c, k, ev->t_us);
        for (uint32_t i = 0; i < k->n_calls && !err; i++) {
            if (k->calls[i]->stream != st || k->calls[i]->over)
                continue;
            k->calls[i]->over = true;
            err = check_answered(c, k, i, ev);
        }
    }
    return err;
}

static enum at_err forget_key(struct at_checker *c, struct key *k)
{
    for (uint32_t i = 0; i < k->n_calls; i++)
        k->calls[i]->spare = true;
    note_spares(k);
    for (size_t s = 0; s < c->profile->n_scopes; s++)
        k->known[s] = (struct known){0};
    return key_restart(c, k, true);
}

static enum at_err on_gap(struct at_checker *c, struct stream *st, const struct at_event *ev, struct at_place at)
{
    enum at_err err = AT_OK;
    c->totals.gaps++;
    if (ev->has & AT_HAS_LOST_BYTES)
        c->totals.lost_bytes += ev->lost_bytes;
    for (uint32_t n = 0; n < st->n_keys && !err; n++) {
        if (st->keys[n]->inconclusive)
            continue;
        err = forget_key(c, st->keys[n]);
        st->keys[n]->last = at;
    }
    return err;
}

static enum at_err dispatch(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                            struct at_place at)
{
    enum at_err err = key_advance(c, k, ev->t_us);
    if (err)
        return err;
    switch (ev->kind) {
    case AT_KIND_START:
        return on_start(c, k, ev, at);
    case AT_KIND_CALL:
        return on_call(c, k, st, ev, at);
    case AT_KIND_RETURN:
        return on_return(c, k, st, ev, at);
    case AT_KIND_PROMPT:
        return on_prompt(c, k, st, ev, at);
    case AT_KIND_DECISION:
        return on_decision(c, k, ev, at);
    case AT_KIND_SETTINGS:
        return on_settings(c, k, ev, at);
    case AT_KIND_SETTINGS_PAGE:
        return on_page(c, k, ev, at);
    case AT_KIND_RESET:
        return on_reset(c, k, ev, at);
    case AT_KIND_GAP:
        return on_gap(c, st, ev, at);
    case AT_KIND_END:
        return on_end(c, st, ev);
    default:
        return AT_BAD;
    }
}

/* Lets go of the sets that no key is in any more. */
static enum at_err collect(struct at_checker *c)
{
    enum at_err err = AT_OK;
    sets_keep_begin(c->sets);
    for (uint32_t i = 0; i < c->totals.keys; i++)
        for (uint32_t b = 0; b < c->keys[i]->n_branches; b++)
            for (size_t s = 0; s < c->profile->n_scopes && !err; s++)
                err = sets_keep(c->sets, &c->keys[i]->branches[b]->sets[s]);
    sets_keep_end(c->sets);
    c->collect_at = 2 * sets_bytes(c->sets) + SETS_BYTES;
    return err;
}

/* The cap was hit: the key is given up, and named at the end. */
static void give_up(struct at_checker *c, struct key *k)
{
    free_search(k);
    k->inconclusive = true;
    c->totals.inconclusive++;
}

enum at_err at_checker_event(struct at_checker *c, const struct at_event *ev, uint64_t index)
{
    struct at_place at = {.event = index, .t_us = ev->t_us, .packet = ev->has & AT_HAS_PACKET ? ev->packet : 0};
    struct stream *st;
    struct key *k;
    c->totals.events++;
    c->totals.calls += ev->kind == AT_KIND_CALL;
    enum at_err err = find_key(c, ev, &k);
    if (!err)
        err = find_stream(c, ev, &st);
    if (!err)
        err = stream_add_key(st, k);
    if (err || k->inconclusive)
        return err;
    err = dispatch(c, k, st, ev, at);
    if (err == AT_LIMIT) {
        give_up(c, k);
        return AT_OK;
    }
    k->begun = true;
    k->last = at;
    return err || sets_bytes(c->sets) < c->collect_at ? err : collect(c);
}

static enum at_err finish_key(struct at_checker *c, struct key *k)
{
    struct at_event none = {.kind = AT_KIND_END, .t_us = k->last.t_us};
    int64_t grace_us = (int64_t)c->options.grace_ms * 1000;
    enum at_err err = key_advance(c, k, k->last.t_us);
    for (uint32_t i = 0; i < k->n_calls && !err; i++) {
        const struct call *call = k->calls[i];
        if (!call->over && call->stream->last_us - call->place.t_us >= grace_us)
            err = check_answered(c, k, i, &none);
        for (size_t s = 0; s < c->profile->n_scopes && c->sink.settled && !err; s++) {
            struct at_settled d = settled_of(k, call, c->profile->scopes[s].name);
            d.via = AT_VIA_NONE;
            if (call->scopes >> s & 1)
                err = c->sink.settled(c->sink.ctx, &d);
        }
    }
    return err;
}

enum at_err at_checker_finish(struct at_checker *c)
{
    enum at_err err = AT_OK;
    for (uint32_t i = 0; i < c->totals.keys && !err; i++) {
        if (c->keys[i]->inconclusive)
            continue;
        err = finish_key(c, c->keys[i]);
        if (err == AT_LIMIT) {
            give_up(c, c->keys[i]);
            err = AT_OK;
        }
    }
    if (!err && c->saw_user_info && !c->saw_login && c->sink.hint)
        err = c->sink.hint(c->sink.ctx, "getUserInfo is called, login never is: the documented order is login first");
    return err;
}

void at_checker_totals(const struct at_checker *c, struct at_check_totals *out)
{
    *out = c->totals;
}

void at_checker_inconclusive(const struct at_checker *c, void (*name)(void *ctx, struct at_str app, struct at_str user),
                             void *ctx)
{
    for (uint32_t i = 0; i < c->totals.keys; i++)
        if (c->keys[i]->inconclusive)
            name(ctx, c->keys[i]->app, c->keys[i]->user);
}
