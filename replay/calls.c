/* calls.c: open calls, from the call to its answer or to the end of its stream. */
#include <stdlib.h>
#include <string.h>

#include "replay/lanes.h"

uint32_t find_call(const struct key *k, const struct stream *st, struct at_str id, uint64_t hash)
{
    const uint32_t *tags = call_tags(k);
    for (uint32_t i = 0; i < k->n_calls; i++)
        if (tags[i] >> 8 == hash >> 40 && k->calls[i]->hash == hash && k->calls[i]->stream == st &&
            k->calls[i]->id.len == id.len && (id.len <= SHORT_ID || at_str_eq(k->calls[i]->id, id)))
            return i;
    return UINT32_MAX;
}

static uint32_t tag_of(const struct call *call)
{
    uint32_t what = TAG_NO_SLOT;
    if (reads_settings(call))
        what = TAG_READS;
    else if (call->scopes & (call->scopes - 1))
        what = TAG_SEVERAL;
    else if (call->scopes)
        what = (uint32_t)__builtin_ctzll(call->scopes);
    return (uint32_t)(call->hash >> 40) << 8 | (call->spare ? TAG_NO_SLOT : what);
}

void note_spares(struct key *k)
{
    k->spare_scopes = 0;
    k->spare_settings = false;
    for (uint32_t i = 0; i < k->n_calls; i++) {
        call_tags(k)[i] = tag_of(k->calls[i]);
        if (!k->calls[i]->spare)
            continue;
        k->spare_scopes |= k->calls[i]->scopes;
        k->spare_settings = k->spare_settings || k->calls[i]->kind == AT_API_OPEN_SETTING;
    }
}

void remove_call(struct at_checker *c, struct key *k, uint32_t i)
{
    struct call *call = k->calls[i];
    uint32_t *tags = call_tags(k);
    k->n_calls--;
    for (uint32_t j = i; j < k->n_calls; j++) {
        k->calls[j] = k->calls[j + 1];
        tags[j] = tags[j + 1];
    }
    if (call->spare)
        note_spares(k);
    free_call(c, call);
}

static enum at_err drop_call(struct at_checker *c, struct key *k, uint32_t i)
{
    const struct call *call = k->calls[i];
    enum at_err err = AT_OK;
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
        struct step drop = {.kind = STEP_DROP_SLOT, .slot = slot_of(k, i, s)};
        for (uint32_t b = 0; has_slot(call, s) && b < k->n_branches && !err; b++)
            err = branch_apply(c, k, k->branches[b], s, &drop);
    }
    remove_call(c, k, i);
    return err;
}

_Static_assert(offsetof(struct call, text) + CALL_TEXT == 2 * LINE_BYTES, "calls of usual size");

/* Calls come and go: those of usual size are kept for the next ones. */
static struct call *new_call(struct at_checker *c, size_t text_bytes)
{
    struct call *call = c->spare_calls;
    if (text_bytes > CALL_TEXT)
        return malloc(offsetof(struct call, text) + text_bytes);
    if (!call)
        return room_get(&c->room, offsetof(struct call, text) + CALL_TEXT, LINE_BYTES);
    c->spare_calls = call->next;
    return call;
}

void free_call(struct at_checker *c, struct call *call)
{
    if (call->id.len > CALL_TEXT) {
        free(call);
        return;
    }
    call->next = c->spare_calls;
    c->spare_calls = call;
}

/* Makes room for more open calls. */
static enum at_err more_calls(struct key *k)
{
    uint8_t cap = (uint8_t)(k->cap_calls == 1 ? 4 : k->cap_calls < CALLS_MAX / 2 ? k->cap_calls * 2 : CALLS_MAX);
    struct call **calls = malloc(cap * (sizeof(struct call *) + sizeof(uint32_t)));
    if (!calls)
        return AT_NOMEM;
    memcpy(calls, k->calls, k->n_calls * sizeof(struct call *));
    memcpy(calls + cap, call_tags(k), k->n_calls * sizeof(uint32_t));
    key_free_calls(k);
    k->calls = calls;
    k->cap_calls = cap;
    return AT_OK;
}

/* Field by field: as a whole it would be cleared first, by an instruction that takes long to begin. */
static void fill_call(struct call *call, struct stream *st, const struct happening *h)
{
    const struct meaning *m = h->meaning;
    call->hash = h->call_hash;
    call->stream = st;
    call->id = (struct at_str){call->text, h->call.len};
    call->api = m->api;
    call->scopes = m->scopes;
    call->api_number = m->api_number;
    call->kind = (uint8_t)m->api_kind;
    call->spare = call->over = call->prompted = false;
    call->decided = 0;
    call->place = h->at;
    call->platform = h->platform;
    call->told = 0;
}

enum at_err add_call(struct at_checker *c, struct key *k, struct stream *st, const struct happening *h,
                     struct call **out)
{
    if (k->n_calls >= CALLS_MAX)
        return AT_LIMIT;
    if (k->n_calls == k->cap_calls) {
        enum at_err err = more_calls(k);
        if (err)
            return err;
    }
    struct call *call = new_call(c, h->call.len);
    if (!call)
        return AT_NOMEM;
    fill_call(call, st, h);
    copy_id(call->text, h->call);
    call_tags(k)[k->n_calls] = tag_of(call);
    k->calls[k->n_calls++] = call;
    *out = call;
    return AT_OK;
}

void key_free_calls(struct key *k)
{
    if (k->cap_calls > 1)
        free(k->calls);
    k->calls = &k->one_call;
    k->cap_calls = 1;
}

static enum at_err hint_scopes(struct at_checker *c, const struct at_event *ev)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < ev->n_scopes && !err; i++)
        if (at_profile_find_scope(c->profile, ev->scopes[i]) == AT_NO_SCOPE)
            err = hint_unknown(c, ev->scopes[i]);
    return err;
}

enum at_err on_call(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                    const struct happening *h)
{
    struct call *call;
    const struct meaning *m = h->meaning;
    enum at_err err = add_call(c, k, st, h, &call);
    if (err)
        return err;
    if (m->unknown)
        err = hint_scopes(c, ev);
    for (size_t s = 0; s < c->profile->n_scopes && !err; s++) {
        struct step add = {.kind = STEP_ADD_SLOT, .slot = slot_of(k, k->n_calls - 1, s), .value = reads_settings(call)};
        if (!has_slot(call, s))
            continue;
        for (uint32_t b = 0; b < k->n_branches && !err; b++)
            err = branch_apply(c, k, k->branches[b], s, &add);
    }
    return err;
}

uint8_t outcomes_of(enum at_class cls)
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

struct at_settled settled_of(const struct key *k, const struct call *call, struct at_str scope)
{
    return (struct at_settled){.app = key_app(k),
                               .user = key_user(k),
                               .platform = call->platform,
                               .stream = stream_name(call->stream),
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

enum at_err on_return(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                      struct at_place at)
{
    uint64_t hash = id_hash(ev->call);
    uint32_t i = find_call(k, st, ev->call, hash);
    struct finding f = {.key = k, .ev = ev, .at = at, .scope = AT_NO_SCOPE};
    if (i == UINT32_MAX) /* made before the recording, or answered already */
        return was_answered(&st->answered, ev->call, hash) ? find_second_answer(c, &f) : AT_OK;
    struct call *call = k->calls[i];
    struct at_outcome o = at_profile_outcome(c->profile, ev->err_msg, ev->has & AT_HAS_ERRNO, ev->err_no);
    enum at_err err = remember_answer(&st->answered, ev->call, hash);
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

enum at_err check_answered(struct at_checker *c, struct key *k, uint32_t i, const struct at_event *ev)
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
