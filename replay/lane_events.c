/* lane_events.c: events on folded keys. */
#include "replay/work.h"

/* ------------------------------------------------------------------------------------------------ Events ---- */

/* What the event leaves known of a scope. False: there is something to tell. */
static bool leave_known(struct work *w, size_t s, enum at_kind kind)
{
    struct op_result r;
    if (!apply(w, s, OP(OP_KNOWN, kind), &r) || (r.flags & KNOWN_LOUD))
        return false;
    work_note_known(w, s, r.flags);
    return true;
}

/* How an event can be done. */
enum by { IN_ONE, BY_STEPS, ON_BRANCHES };

/* An event of one scope that one lane allows. */
static enum by event_in_one(struct work *w, size_t s, uint32_t o, struct op_result *r)
{
    struct op_result of_lane;
    if (!op(w, s, o, r) || !r->lanes || (r->flags & KNOWN_LOUD))
        return ON_BRANCHES;
    if (r->lanes & (r->lanes - 1))
        return BY_STEPS;
    unsigned lane = (unsigned)__builtin_ctz(r->lanes);
    w->col[s] = r->to;
    for (size_t other = 0; other < w->n_scopes && w->n > 1; other++)
        if (other != s && !apply(w, other, OP(OP_SELECT, lane), &of_lane))
            return ON_BRANCHES;
    w->seen = w->seen >> lane & 1;
    if (w->n > 1)
        w->covered = 0;
    w->n = 1;
    w->open_ended |= bit(s);
    work_note_known(w, s, r->flags);
    return IN_ONE;
}

/* The scopes in which a call has a slot. */
static uint64_t slots_of(const struct work *w, const struct call *call)
{
    return call->spare ? 0 : reads_settings(call) ? all_scopes(w) : call->scopes;
}

static bool do_call(struct work *w, struct stream *st, const struct happening *h, struct call **made)
{
    const struct meaning *m = h->meaning;
    struct call like = {.kind = (uint8_t)m->api_kind, .scopes = m->scopes};
    struct op_result r;
    if (w->k->n_calls >= CALLS_MAX)
        return false;
    bool reads = reads_settings(&like);
    w->waits = reads && key_lets_wait(w->c, w->k, &like) && w->n == 1 && !w->seen;
    for (uint64_t left = w->waits ? 0 : slots_of(w, &like); left; left &= left - 1)
        if (!apply(w, first_of(left), reads ? OP_OF_ADD(true, w->k->n_reading) : OP_OF_ADD(false, ANY_SLOT), &r))
            return false;
    w->open_ended |= slots_of(w, &like);
    if (reads)
        w->covered = 0;
    return add_call(w->c, w->k, st, h, made) == AT_OK;
}

/* The call of slot `i` is over. */
static bool drop_slots(struct work *w, uint32_t i)
{
    const struct call *call = w->k->calls[i];
    struct op_result r;
    for (uint64_t left = slots_of(w, call); left; left &= left - 1)
        if (!apply(w, first_of(left), OP(OP_DROP, (uint32_t)slot_of(w->k, i, first_of(left)) << 8), &r))
            return false;
    w->open_ended |= slots_of(w, call);
    if (reads_settings(call))
        w->covered = 0;
    return work_prune(w);
}

/* An outcome of a call of one scope, step by step as on_outcome takes it. */
static bool settle_by_steps(struct work *w, uint32_t i, size_t s, uint8_t wanted, struct outcome *o)
{
    uint8_t slot = slot_of(w->k, i, s);
    struct op_result r;
    if (!op(w, s, OP(OP_OUTCOMES, slot), &r))
        return false;
    o->before = r.lanes;
    if (!apply(w, s, OP_OF_STEP(STEP_OUTCOME, slot, wanted), &r) || !r.lanes || !work_keep_allowed(w, r.lanes) ||
        !work_prune(w))
        return false;
    if (!op(w, s, OP(OP_OUTCOMES, slot), &r))
        return false;
    o->how = r.lanes & wanted;
    return drop_slots(w, i) && leave_known(w, s, AT_KIND_RETURN);
}

static bool settle(struct work *w, uint32_t i, size_t s, uint8_t wanted, struct outcome *o)
{
    struct op_result r;
    enum by by = event_in_one(w, s, OP_OF_EVENT(STEP_OUTCOME, slot_of(w->k, i, s), wanted), &r);
    if (by != IN_ONE)
        return by == BY_STEPS && settle_by_steps(w, i, s, wanted, o);
    o->before = r.before;
    o->how = r.how;
    return true;
}

/* A failure that is not about authorization: R14. */
static bool settle_otherwise(struct work *w, uint32_t i, struct outcome *o)
{
    const struct call *call = w->k->calls[i];
    struct op_result r;
    if (w->c->sink.settled && call->scopes) {
        size_t s = first_of(call->scopes);
        if (!op(w, s, OP(OP_OUTCOMES, slot_of(w->k, i, s)), &r))
            return false;
        o->before = r.lanes;
    }
    return drop_slots(w, i);
}

bool work_right_api(const struct at_checker *c, const struct call *call, struct meaning *m)
{
    if (!m->named.ptr || m->same_as == call->api.ptr)
        return true;
    if (!at_profile_same_api(c->profile, call->api, m->named))
        return false;
    m->same_as = call->api.ptr;
    return true;
}

/* Gives the call that reads the settings its slots. */
static bool give_slots(struct work *w)
{
    struct op_result r;
    for (size_t s = 0; s < w->n_scopes; s++)
        if (!apply(w, s, OP_OF_ADD(true, 0), &r))
            return false;
    w->open_ended = all_scopes(w);
    return true;
}

/*
 * What a call lists that has no slots yet. What it saw can be seen just before its answer as well as earlier: one
 * snapshot, now.
 */
static bool list_at_once(struct work *w, const struct call *call, const struct happening *h, const struct at_event *ev)
{
    uint8_t fits[AT_SCOPES_MAX];
    uint32_t to[AT_SCOPES_MAX];
    bool page = call->kind == AT_API_OPEN_SETTING;
    bool quiet = key_was_quiet(w->c, w->k, h->at.t_us), hides = hidden(w->c, w->k, AT_SEES_SETTINGS);
    struct op_result r;
    if ((quiet && hidden(w->c, w->k, AT_SEES_RESETS)) || !work_right_api(w->c, call, h->meaning) ||
        !listing_fits(w->c, ev, page, fits))
        return false;
    uint64_t cause = 0, sure = 0, forgotten = 0, unsure = 0;
    for (size_t s = 0; s < w->n_scopes; s++) {
        if (!op(w, s, OP_OF_LIST(fits[s], hides && (page || quiet), hides && quiet), &r) || !r.lanes ||
            (r.flags & KNOWN_LOUD))
            return false;
        to[s] = r.to;
        cause |= r.flags & KNOWN_CAUSE ? bit(s) : 0;
        sure |= r.flags & KNOWN_SURE ? bit(s) : 0;
        forgotten |= r.flags & KNOWN_FORGOTTEN ? bit(s) : 0;
        unsure |= r.flags & KNOWN_UNSURE ? bit(s) : 0;
    }
    for (size_t s = 0; s < w->n_scopes; s++)
        w->col[s] = to[s];
    w->cause = cause;
    w->sure = sure;
    w->forgotten = forgotten;
    w->unsure = unsure;
    w->moved = w->open_ended != 0;
    w->open_ended = all_scopes(w);
    return true;
}

/* What getSetting or openSetting lists. */
static bool do_listing(struct work *w, uint32_t i, const struct at_event *ev)
{
    uint8_t fits[AT_SCOPES_MAX];
    struct op_result r;
    const struct call *call = w->k->calls[i];
    if (!listing_fits(w->c, ev, call->kind == AT_API_OPEN_SETTING, fits))
        return false;
    if (!op(w, 0, OP(OP_SEEN, slot_of(w->k, i, 0)), &r))
        return false;
    unsigned allowed = r.lanes;
    for (size_t s = 0; s < w->n_scopes; s++) {
        if (!apply(w, s, OP_OF_STEP(STEP_SNAPSHOT, slot_of(w->k, i, s), fits[s]), &r))
            return false;
        allowed &= r.lanes;
    }
    if (!allowed || !work_keep_allowed(w, allowed) || !drop_slots(w, i))
        return false;
    for (size_t s = 0; s < w->n_scopes; s++)
        if (!leave_known(w, s, AT_KIND_RETURN))
            return false;
    return true;
}

static bool do_return(struct work *w, uint32_t i, struct happening *h, struct outcome *o)
{
    struct call *call = w->k->calls[i];
    struct meaning *m = h->meaning;
    if (call->spare || (call->scopes & (call->scopes - 1)) || !work_right_api(w->c, call, m))
        return false;
    if (reads_settings(call))
        return m->lists ? do_listing(w, i, whole_event(h)) : drop_slots(w, i);
    if (!m->outcomes || !call->scopes)
        return settle_otherwise(w, i, o);
    return settle(w, i, first_of(call->scopes), m->outcomes, o) &&
           (m->cls != AT_CLASS_DISMISSED || call->decided); /* otherwise a dismissal is inferred */
}

static bool do_prompt(struct work *w, struct stream *st, const struct happening *h)
{
    size_t s = h->meaning->scope;
    uint8_t slot = ANY_SLOT;
    struct op_result r;
    if (h->meaning->names_call) {
        uint32_t i = find_call(w->k, st, h->call, h->call_hash);
        if (i == UINT32_MAX || w->k->calls[i]->spare || !(w->k->calls[i]->scopes >> s & 1))
            return false;
        slot = slot_of(w->k, i, s);
    }
    enum by by = event_in_one(w, s, OP_OF_EVENT(STEP_PROMPT, slot, 0), &r);
    if (by == IN_ONE)
        w->seen = 1;
    if (by != BY_STEPS)
        return by == IN_ONE;
    if (!apply(w, s, OP_OF_STEP(STEP_PROMPT, slot, 0), &r) || !r.lanes)
        return false;
    work_look_up_seen(w);
    w->open_ended |= bit(s);
    return work_keep_allowed(w, r.lanes) && work_prune(w) && leave_known(w, s, AT_KIND_PROMPT);
}

/* The scope whose prompt the user answered. */
static bool decided_scope(const struct work *w, const struct meaning *m, size_t *scope)
{
    struct op_result r;
    *scope = m->scope;
    for (size_t s = 0; s < w->n_scopes && m->scope == NO_SCOPE; s++) {
        if (!op(w, s, OP_OF_STEP(STEP_DECISION, 0, m->value), &r))
            return false;
        if (r.lanes && *scope != NO_SCOPE)
            return false; /* it may be of several */
        if (r.lanes)
            *scope = s;
    }
    return *scope != NO_SCOPE;
}

static bool do_decision(struct work *w, const struct meaning *m, size_t *scope)
{
    struct op_result r;
    if (!decided_scope(w, m, scope))
        return false;
    enum by by = event_in_one(w, *scope, OP_OF_EVENT(STEP_DECISION, 0, m->value), &r);
    if (by == IN_ONE)
        work_look_up_seen(w);
    if (by != BY_STEPS)
        return by == IN_ONE;
    if (!apply(w, *scope, OP_OF_STEP(STEP_DECISION, 0, m->value), &r) || !r.lanes)
        return false;
    work_look_up_seen(w);
    w->open_ended |= bit(*scope);
    return work_keep_decided(w, r.lanes) && work_prune(w) && leave_known(w, *scope, AT_KIND_DECISION);
}

static bool do_settings(struct work *w, const struct meaning *m)
{
    struct op_result r;
    size_t s = m->scope;
    enum by by = event_in_one(w, s, OP_OF_EVENT(STEP_SETTINGS, 0, m->value), &r);
    if (by != BY_STEPS)
        return by == IN_ONE;
    if (!apply(w, s, OP_OF_STEP(STEP_SETTINGS, 0, m->value), &r) || !r.lanes)
        return false;
    w->open_ended |= bit(s);
    return work_keep_allowed(w, r.lanes) && work_prune(w) && leave_known(w, s, AT_KIND_SETTINGS);
}

/* What a start leaves of a scope where no call is open: nothing that was before. */
static bool start_afresh(struct work *w, const struct meaning *m)
{
    struct op_result r;
    for (size_t s = 0; s < w->n_scopes; s++) {
        uint32_t *start = &w->c->starts[m->value & 15][m->fresh][w->c->profile->scopes[s].prompts];
        if (*start == NO_SCOPE) {
            if (!apply(w, s, OP(OP_SELECT, 0), &r) || !apply(w, s, OP_OF_START(m->fresh, m->value), &r))
                return false;
            *start = r.to;
        }
        w->col[s] = *start;
    }
    w->n = 1;
    w->seen = 0;
    w->cause = w->sure = w->forgotten = w->open_ended = all_scopes(w);
    w->unsure = 0;
    return true;
}

static bool do_start(struct work *w, const struct meaning *m)
{
    struct op_result r;
    for (size_t s = 0; s < w->n_scopes; s++) {
        if (!apply(w, s, OP_OF_START(m->fresh, m->value), &r))
            return false;
        work_note_known(w, s, KNOWN_CAUSE | KNOWN_SURE | KNOWN_FORGOTTEN);
    }
    w->seen = 0;
    w->open_ended = all_scopes(w);
    return work_prune(w);
}

/*
 * The stream ends. One that has open calls, or other users, is left to on_end. Without any open call the silent steps
 * until then are put off: mostly what comes next is a start.
 */
static bool do_end(struct work *w, const struct stream *st, int64_t t_us)
{
    if (st->n_keys != 1)
        return false;
    if (!w->k->n_calls) {
        note_not_fresh(w->c, w->k, false);
        w->k->ended = true;
        w->k->before_end = place_pack(w->c, w->k->last);
        return true;
    }
    if (!work_advance(w, t_us))
        return false;
    for (uint32_t i = 0; i < w->k->n_calls; i++)
        if (w->k->calls[i]->stream == st && !w->k->calls[i]->over)
            return false;
    return work_advance(w, t_us);
}

/* --------------------------------------------------------------------------------------------- The result ---- */

static void take_known(struct work *w, const struct happening *h, uint16_t api)
{
    for (uint64_t left = w->unsure | w->cause | w->sure | w->forgotten; left; left &= left - 1) {
        size_t s = first_of(left);
        note_event(w->c, w->k, s, h->at, api,
                   (w->unsure & bit(s) ? KNOWN_UNSURE : 0u) | (w->cause & bit(s) ? KNOWN_CAUSE : 0u) |
                       (w->sure & bit(s) ? KNOWN_SURE : 0u) | (w->forgotten & bit(s) ? KNOWN_FORGOTTEN : 0u) |
                       (column(w, s)->certain ? RESULT_CERTAIN : 0u));
    }
}

static void take(struct work *w, const struct happening *h, uint16_t api)
{
    struct key *k = w->k;
    if (w->moved) {
        k->moved = true;
        k->moved_at = k->last;
    }
    note_not_fresh(w->c, k, w->moved);
    take_known(w, h, api);
    for (size_t s = 0; s < w->n_scopes; s++)
        key_columns(k)[s] = w->col[s];
    k->waits = w->waits;
    k->lanes = w->n;
    k->seen_lanes = w->seen;
    k->snapshot_covered = w->covered;
    k->snapshot_lane = w->covered_lane;
    k->open_ended = w->open_ended;
}

enum at_err work_tell_settled(struct at_checker *c, const struct key *k, const struct call *call,
                              const struct happening *h, const struct outcome *o)
{
    const uint8_t ok = SLOT_OK_STATE | SLOT_OK_PROMPT, denied = SLOT_DENIED_STATE | SLOT_DENIED_PROMPT;
    const struct meaning *m = h->meaning;
    const bool unclear = !!(o->before & ok) & !!(o->before & denied); /* half of them are: no branches here */
    c->totals.undetermined += unclear & (m->outcomes != 0) & (call->scopes != 0);
    if (!c->sink.settled || !call->scopes)
        return AT_OK;
    struct at_settled d = settled_of(k, call, c->profile->scopes[first_of(call->scopes)].name);
    bool by_prompt = o->how & (SLOT_OK_PROMPT | SLOT_DENIED_PROMPT | SLOT_DISMISSED);
    bool by_state = o->how & (SLOT_OK_STATE | SLOT_DENIED_STATE | SLOT_UNAUTHORIZED);
    d.returned = h->at;
    d.answered = true;
    d.err_msg = m->err_msg;
    d.cls = m->cls;
    d.via = !o->how ? AT_VIA_NONE : by_prompt && (call->decided || !by_state) ? AT_VIA_PROMPT : AT_VIA_STATE;
    d.prompt_inferred = d.via == AT_VIA_PROMPT && !call->prompted;
    d.determined = !unclear;
    return c->sink.settled(c->sink.ctx, &d);
}

static enum at_err end_return(struct work *w, struct stream *st, uint32_t i, const struct happening *h,
                              const struct outcome *o)
{
    struct call *call = w->k->calls[i];
    enum at_err err = remember_answer(&st->answered, h->call, h->call_hash);
    take(w, h, call->api_number);
    if (!err)
        err = work_tell_settled(w->c, w->k, call, h, o);
    key_count_call(w->k, call, -1);
    remove_call(w->c, w->k, i);
    return err;
}

static void mark_calls(struct key *k, size_t s, bool prompted, enum at_answer decided)
{
    for (uint32_t i = 0; i < k->n_calls; i++) {
        if (!(k->calls[i]->scopes >> s & 1))
            continue;
        k->calls[i]->prompted |= prompted;
        k->calls[i]->decided = decided ? (uint8_t)decided : k->calls[i]->decided;
    }
}

static bool answer(struct work *w, struct stream *st, struct happening *h, enum at_err *err)
{
    struct outcome o = {0};
    uint32_t i = find_call(w->k, st, h->call, h->call_hash);
    if (i == UINT32_MAX || !do_return(w, i, h, &o))
        return false;
    *err = end_return(w, st, i, h, &o);
    return true;
}

/* A call without slots is answered, and it listed the settings. */
static bool answered_at_once(struct work *w, struct stream *st, struct happening *h, enum at_err *err)
{
    const struct outcome o = {0};
    if (h->meaning->kind != AT_KIND_RETURN || !h->meaning->lists)
        return false;
    uint32_t i = find_call(w->k, st, h->call, h->call_hash);
    if (i == UINT32_MAX || (call_tags(w->k)[i] & 255) != TAG_READS ||
        !list_at_once(w, w->k->calls[i], h, whole_event(h)))
        return false;
    *err = end_return(w, st, i, h, &o);
    return true;
}

static bool make_call(struct work *w, struct stream *st, const struct happening *h)
{
    struct call *call;
    if (!do_call(w, st, h, &call))
        return false;
    key_count_call(w->k, call, 1);
    return true;
}

static bool do_event(struct work *w, struct stream *st, struct happening *h, enum at_err *err)
{
    const struct meaning *m = h->meaning;
    size_t s = m->scope;
    switch (m->kind) {
    case AT_KIND_CALL:
        if (!make_call(w, st, h))
            return false;
        break;
    case AT_KIND_RETURN:
        return answer(w, st, h, err);
    case AT_KIND_PROMPT:
        if (s == NO_SCOPE)
            break;
        if (!do_prompt(w, st, h))
            return false;
        mark_calls(w->k, s, true, 0);
        break;
    case AT_KIND_DECISION:
        if (m->unknown)
            break;
        if (!do_decision(w, m, &s))
            return false;
        mark_calls(w->k, s, false, (enum at_answer)m->value);
        break;
    case AT_KIND_SETTINGS:
        if (s != NO_SCOPE && !do_settings(w, m))
            return false;
        break;
    case AT_KIND_START:
        if (w->k->n_calls ? !do_start(w, m) : !start_afresh(w, m))
            return false;
        w->k->observes = m->value;
        w->k->ended = false;
        break;
    case AT_KIND_END:
        if (!do_end(w, st, h->at.t_us))
            return false;
        break;
    case AT_KIND_SETTINGS_PAGE:
    case AT_KIND_RESET:
    case AT_KIND_GAP:
    default:
        return false;
    }
    take(w, h, 0);
    return true;
}

/* Events to which the silent steps before them do not matter, or matter only later. */
static bool advances_itself(const struct key *k, enum at_kind kind)
{
    return !k->n_calls && (kind == AT_KIND_START || (kind == AT_KIND_END && !k->ended));
}

bool lanes_event(struct at_checker *c, struct key *k, struct stream *st, struct happening *h, enum at_err *err)
{
    struct work w;
    w.c = c;
    w.k = k;
    w.n_scopes = c->profile->n_scopes;
    w.quiet = w.moved = w.waits = false;
    w.n = k->lanes;
    w.seen = k->seen_lanes;
    w.covered = k->snapshot_covered;
    w.covered_lane = k->snapshot_lane;
    w.open_ended = k->open_ended;
    w.cause = w.sure = w.forgotten = w.unsure = 0; /* the columns are many: `w` is not zeroed as a whole */
    *err = AT_OK;
    if (!k->folded || (h->meaning->unknown && !h->meaning->told))
        return false;
    for (size_t s = 0; s < w.n_scopes; s++)
        w.col[s] = key_columns(k)[s];
    if (advances_itself(k, h->meaning->kind))
        return do_event(&w, st, h, err);
    if (k->waits) {
        if (answered_at_once(&w, st, h, err))
            return true;
        if (*err || !give_slots(&w))
            return false;
    }
    return !k->ended && work_advance(&w, h->at.t_us) && do_event(&w, st, h, err);
}
