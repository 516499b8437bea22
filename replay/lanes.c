/* lanes.c: events on folded keys. */
#include "replay/lanes.h"

#include <string.h>

/* What becomes of a key while an event is looked up; taken over in the end. */
struct work {
    struct at_checker *c;
    struct key *k;
    size_t n_scopes;
    bool quiet, moved;
    bool waits;                              /* see struct key */
    uint8_t n, seen;                         /* lanes; mask of those where a prompt that was seen is up */
    uint8_t covered, covered_lane;           /* see snapshot_covered of struct key */
    uint64_t open_ended;                     /* masks of scopes: not closed under silent steps; */
    uint64_t cause, sure, forgotten, unsure; /* as KNOWN_… has it */
    uint32_t col[AT_SCOPES_MAX];
};

static bool op(const struct work *w, size_t s, uint32_t o, struct op_result *r)
{
    return columns_op(w->c, w->c->columns, w->col[s], o, r) == AT_OK;
}

static bool apply(struct work *w, size_t s, uint32_t o, struct op_result *r)
{
    if (!op(w, s, o, r))
        return false;
    w->col[s] = r->to;
    return true;
}

static uint64_t bit(size_t s)
{
    return UINT64_C(1) << s;
}

static const struct column *column(const struct work *w, size_t s)
{
    return column_at(w->c->columns, w->col[s]);
}

static unsigned all_of(const struct work *w)
{
    return (1u << w->n) - 1;
}

static uint64_t all_scopes(const struct work *w)
{
    return UINT64_MAX >> (AT_SCOPES_MAX - w->n_scopes);
}

static size_t first_of(uint64_t scopes)
{
    return (size_t)__builtin_ctzll(scopes);
}

static void look_up_seen(struct work *w)
{
    w->seen = 0;
    for (size_t s = 0; s < w->n_scopes; s++)
        w->seen |= column(w, s)->seen_up;
}

/* -------------------------------------------------------------------------------------- All of the scopes ---- */

/* The lanes that stay, in their order: `order` holds `n` old numbers. */
static bool select_lanes(struct work *w, const uint8_t *order, unsigned n)
{
    struct op_result r;
    uint32_t payload = (uint32_t)(n - 1) << 24;
    for (unsigned i = 0; i < n; i++)
        payload |= (uint32_t)order[i] << (3 * i);
    for (size_t s = 0; s < w->n_scopes; s++)
        if (!apply(w, s, OP(OP_SELECT, payload), &r))
            return false;
    w->n = (uint8_t)n;
    w->covered = 0;
    look_up_seen(w);
    return true;
}

/* As act_on_scope leaves the branches: from the last on, one that goes is replaced by the last. */
static bool keep_allowed(struct work *w, unsigned allowed)
{
    uint8_t order[LANES];
    unsigned n = w->n;
    if (allowed == all_of(w))
        return true;
    for (unsigned i = 0; i < n; i++)
        order[i] = (uint8_t)i;
    for (unsigned i = n; i-- > 0;)
        if (!(allowed >> i & 1))
            order[i] = order[--n];
    return select_lanes(w, order, n);
}

/* As decide_any leaves them: the new ones are at the end, and take the places of the old ones. */
static bool keep_decided(struct work *w, unsigned allowed)
{
    uint8_t order[2 * LANES];
    unsigned n = w->n;
    if (w->n == 1)
        return true;
    for (unsigned i = 0; i < w->n; i++)
        if (allowed >> i & 1)
            order[n++] = (uint8_t)i;
    for (unsigned i = w->n; i-- > 0;)
        order[i] = order[--n];
    return select_lanes(w, order, n);
}

/* As key_prune. */
static bool prune(struct work *w)
{
    uint64_t all = UINT64_MAX, of_column;
    uint8_t order[LANES], covers[LANES];
    unsigned n = w->n;
    if (n == 1)
        return true;
    for (size_t s = 0; s < w->n_scopes && all; s++) {
        memcpy(&of_column, column(w, s)->covers, sizeof of_column);
        all &= of_column;
    }
    if (!all)
        return true;
    memcpy(covers, &all, sizeof covers);
    for (unsigned i = 0; i < n; i++)
        order[i] = (uint8_t)i;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = n; j-- > 0;) {
            if (j == i || !(covers[order[i]] >> order[j] & 1))
                continue;
            order[j] = order[--n];
            if (i == n)
                i = j;
        }
    }
    return select_lanes(w, order, n);
}

/* ---------------------------------------------------------------------------------------- Between events ---- */

/* Open calls of openSetting that have not read the settings let the user flip: the lanes in which there is one. */
static bool lanes_with_page(const struct work *w, uint32_t but, unsigned *lanes)
{
    struct op_result r;
    *lanes = 0;
    for (uint32_t i = 0; i < w->k->n_calls && w->k->n_pages; i++) {
        const struct call *call = w->k->calls[i];
        if (i == but || call->kind != AT_API_OPEN_SETTING || call->spare)
            continue;
        if (!op(w, 0, OP(OP_SEEN, slot_of(w->k, i, 0)), &r))
            return false;
        *lanes |= all_of(w) & ~(unsigned)r.lanes;
    }
    return true;
}

/* Adds a lane, unless one is there that covers it: a reset, or else the call reads the settings. */
static bool fork_lanes(struct work *w, unsigned lane, bool resets, uint32_t call)
{
    uint32_t to[AT_SCOPES_MAX];
    unsigned covered = all_of(w), pages;
    struct op_result r;
    if (w->n >= LANES || !lanes_with_page(w, call, &pages))
        return false;
    bool seen = !resets && (w->seen >> lane & 1);
    bool flips =
        hidden(w->c, w->k, AT_SEES_SETTINGS) && ((w->quiet && !seen) || w->k->spare_settings || (pages >> lane & 1));
    for (size_t s = 0; s < w->n_scopes; s++) {
        uint32_t o = resets ? OP_OF_FORK_RESET(lane, flips) : OP_OF_FORK_SEE(lane, flips, slot_of(w->k, call, s));
        if (!op(w, s, o, &r))
            return false;
        to[s] = r.to;
        covered &= r.lanes;
    }
    if (covered) {
        w->covered = (uint8_t)covered;
        w->covered_lane = (uint8_t)lane;
        return true;
    }
    memcpy(w->col, to, w->n_scopes * sizeof to[0]);
    w->seen |= (uint8_t)((unsigned)seen << w->n);
    w->n++;
    w->covered = 0;
    return true;
}

/* Nothing moved but in the scopes of the mask: whether the hidden snapshot still leads to nothing that is new. */
static bool snapshot_is_covered(struct work *w, uint64_t moved)
{
    const struct key *k = w->k;
    struct op_result r;
    uint32_t i = 0;
    if (!w->covered || w->quiet || k->n_reading != 1 || k->n_pages || k->spare_settings)
        return false;
    while (!reads_settings(k->calls[i]) || k->calls[i]->spare)
        i++;
    for (; moved; moved &= moved - 1) {
        size_t s = first_of(moved);
        if (!op(w, s, OP_OF_FORK_SEE(w->covered_lane, 0, slot_of(k, i, s)), &r))
            return false;
        w->covered &= r.lanes;
    }
    return w->covered;
}

/* All that can happen to a lane at one instant. `unread`: the lanes in which a call has not read the settings. */
static bool barriers(struct work *w, unsigned lane)
{
    const struct key *k = w->k;
    struct op_result r;
    for (uint32_t i = 0; i < k->n_calls; i++) {
        if (!reads_settings(k->calls[i]) || k->calls[i]->spare)
            continue;
        if (!op(w, 0, OP(OP_SEEN, slot_of(k, i, 0)), &r))
            return false;
        if (!(r.lanes >> lane & 1) && !fork_lanes(w, lane, false, i))
            return false;
    }
    return !w->quiet || (w->seen >> lane & 1) || !hidden(w->c, k, AT_SEES_RESETS) ||
           fork_lanes(w, lane, true, UINT32_MAX);
}

static void note_known(struct work *w, size_t s, unsigned flags)
{
    w->cause |= flags & KNOWN_CAUSE ? bit(s) : 0;
    w->sure |= flags & KNOWN_SURE ? bit(s) : 0;
    w->forgotten |= flags & KNOWN_FORGOTTEN ? bit(s) : 0;
    w->unsure |= flags & KNOWN_UNSURE ? bit(s) : 0;
}

/* Whether the one call that reads the settings has not read them in one lane only. */
static bool one_lane_unread(const struct work *w)
{
    const struct key *k = w->k;
    struct op_result r;
    uint32_t i = 0;
    if (k->n_reading != 1)
        return false;
    while (!reads_settings(k->calls[i]) || k->calls[i]->spare)
        i++;
    if (!op(w, 0, OP(OP_SEEN, slot_of(k, i, 0)), &r))
        return false;
    unsigned unread = all_of(w) & ~(unsigned)r.lanes;
    return unread == 1u << w->covered_lane;
}

/* A quiet window as it is most often: no call is open, and both what was and a reset are possible after it. */
static bool quiet_at_rest(struct work *w)
{
    uint32_t to[AT_SCOPES_MAX];
    unsigned common = QUIET_RESET_COVERED | QUIET_COVERED | QUIET_AGAIN;
    bool flips = hidden(w->c, w->k, AT_SEES_SETTINGS);
    uint64_t unsure = 0;
    struct op_result r;
    for (size_t s = 0; s < w->n_scopes; s++) {
        if (!op(w, s, OP(OP_QUIET, flips), &r))
            return false;
        to[s] = r.to;
        common &= r.lanes;
        unsure |= r.flags & KNOWN_UNSURE ? bit(s) : 0;
    }
    if (common != QUIET_AGAIN)
        return false;
    for (size_t s = 0; s < w->n_scopes; s++)
        w->col[s] = to[s];
    w->n = 2;
    w->unsure |= unsure;
    w->open_ended = 0;
    w->moved = true;
    return true;
}

/* As key_advance. */
static bool advance(struct work *w, int64_t t_us)
{
    struct key *k = w->k;
    struct op_result r;
    unsigned flips = 0;
    w->quiet = key_was_quiet(w->c, k, t_us);
    if (!w->quiet && !w->open_ended)
        return true;
    if (w->quiet && w->n <= 2 && !w->seen && !k->n_calls && hidden(w->c, k, AT_SEES_RESETS) && quiet_at_rest(w))
        return true;
    w->moved = true;
    if (w->seen && hidden(w->c, k, AT_SEES_DECISIONS))
        return false; /* a barrier that is left to branches */
    if (hidden(w->c, k, AT_SEES_SETTINGS)) {
        if (!lanes_with_page(w, UINT32_MAX, &flips))
            return false;
        flips = k->spare_settings ? all_of(w) : flips | (w->quiet ? all_of(w) & ~(unsigned)w->seen : 0);
    }
    uint64_t closing = flips ? all_scopes(w) : w->open_ended;
    for (uint64_t left = closing; left; left &= left - 1)
        if (!apply(w, first_of(left), OP_OF_CLOSE(flips), &r))
            return false;
    w->open_ended = 0;
    bool forks = (w->quiet && hidden(w->c, k, AT_SEES_RESETS)) || k->n_reading;
    if (forks && snapshot_is_covered(w, closing))
        forks = false;
    else
        w->covered = 0;
    for (unsigned lane = 0; lane < w->n && forks; lane++)
        if (!barriers(w, lane))
            return false;
    if (w->covered && !one_lane_unread(w))
        w->covered = 0;
    if (!prune(w))
        return false;
    for (uint64_t left = forks ? all_scopes(w) : closing; left; left &= left - 1) {
        size_t s = first_of(left);
        if (!column(w, s)->uncertain_now)
            continue;
        if (!apply(w, s, OP(OP_REFRESH, 0), &r))
            return false;
        w->unsure |= bit(s);
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ Events ---- */

/* What the event leaves known of a scope. False: there is something to tell. */
static bool leave_known(struct work *w, size_t s, enum at_kind kind)
{
    struct op_result r;
    if (!apply(w, s, OP(OP_KNOWN, kind), &r) || (r.flags & KNOWN_LOUD))
        return false;
    note_known(w, s, r.flags);
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
    note_known(w, s, r->flags);
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
    struct call like = {.kind = m->api_kind, .scopes = m->scopes};
    struct op_result r;
    if (w->k->n_calls >= CALLS_MAX)
        return false;
    w->waits = reads_settings(&like) && !w->k->n_calls && w->n == 1 && !w->seen;
    for (uint64_t left = w->waits ? 0 : slots_of(w, &like); left; left &= left - 1)
        if (!apply(w, first_of(left), OP(OP_ADD, reads_settings(&like)), &r))
            return false;
    w->open_ended |= w->waits ? 0 : slots_of(w, &like);
    if (reads_settings(&like))
        w->covered = 0;
    return add_call(w->c, w->k, st, h, made) == AT_OK;
}

/* The call of slot `i` is over. */
static bool drop_slots(struct work *w, uint32_t i)
{
    const struct call *call = w->k->calls[i];
    struct op_result r;
    for (uint64_t left = slots_of(w, call); left; left &= left - 1)
        if (!apply(w, first_of(left), OP(OP_DROP, slot_of(w->k, i, first_of(left))), &r))
            return false;
    w->open_ended |= slots_of(w, call);
    if (reads_settings(call))
        w->covered = 0;
    return prune(w);
}

/* What is told of a settled call. */
struct outcome {
    uint8_t before, how;
    bool unclear, by_state;
};

/* An outcome of a call of one scope, step by step as on_outcome takes it. */
static bool settle_by_steps(struct work *w, uint32_t i, size_t s, uint8_t wanted, struct outcome *o)
{
    uint8_t slot = slot_of(w->k, i, s);
    struct op_result r;
    if (!op(w, s, OP(OP_OUTCOMES, slot), &r))
        return false;
    o->before = r.lanes;
    if (!apply(w, s, OP_OF_STEP(STEP_OUTCOME, slot, wanted), &r) || !r.lanes || !keep_allowed(w, r.lanes) || !prune(w))
        return false;
    if (!op(w, s, OP(OP_OUTCOMES, slot), &r))
        return false;
    o->how = r.lanes & wanted;
    o->unclear = (o->before & outcomes_of(AT_CLASS_OK)) && (o->before & outcomes_of(AT_CLASS_DENIED));
    o->by_state = o->how & (SLOT_OK_STATE | SLOT_DENIED_STATE | SLOT_UNAUTHORIZED);
    return drop_slots(w, i) && leave_known(w, s, AT_KIND_RETURN);
}

static bool settle(struct work *w, uint32_t i, size_t s, uint8_t wanted, struct outcome *o)
{
    struct op_result r;
    if (w->c->sink.settled)
        return settle_by_steps(w, i, s, wanted, o);
    enum by by = event_in_one(w, s, OP_OF_EVENT(STEP_OUTCOME, slot_of(w->k, i, s), wanted), &r);
    if (by != IN_ONE)
        return by == BY_STEPS && settle_by_steps(w, i, s, wanted, o);
    o->unclear = r.flags & RETURN_UNCLEAR;
    o->by_state = r.flags & RETURN_BY_STATE;
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
        o->unclear = (o->before & outcomes_of(AT_CLASS_OK)) && (o->before & outcomes_of(AT_CLASS_DENIED));
    }
    return drop_slots(w, i);
}

static bool right_api(const struct at_checker *c, const struct call *call, struct meaning *m)
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
        if (!apply(w, s, OP(OP_ADD, 1), &r))
            return false;
    w->open_ended = all_scopes(w);
    return true;
}

/*
 * What the only open call lists, which has no slots yet; no quiet window lies between. What it saw can only be seen
 * between the two events: one snapshot.
 */
static bool list_at_once(struct work *w, const struct happening *h, const struct at_event *ev)
{
    uint8_t fits[AT_SCOPES_MAX];
    uint32_t to[AT_SCOPES_MAX];
    bool page = w->k->calls[0]->kind == AT_API_OPEN_SETTING;
    bool quiet = key_was_quiet(w->c, w->k, h->at.t_us), hides = hidden(w->c, w->k, AT_SEES_SETTINGS);
    struct op_result r;
    if ((quiet && hidden(w->c, w->k, AT_SEES_RESETS)) || !right_api(w->c, w->k->calls[0], h->meaning) ||
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
    w->moved = true;
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
    if (!allowed || !keep_allowed(w, allowed) || !drop_slots(w, i))
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
    if (call->spare || (call->scopes & (call->scopes - 1)) || !right_api(w->c, call, m))
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
    look_up_seen(w);
    w->open_ended |= bit(s);
    return keep_allowed(w, r.lanes) && prune(w) && leave_known(w, s, AT_KIND_PROMPT);
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
        look_up_seen(w);
    if (by != BY_STEPS)
        return by == IN_ONE;
    if (!apply(w, *scope, OP_OF_STEP(STEP_DECISION, 0, m->value), &r) || !r.lanes)
        return false;
    look_up_seen(w);
    w->open_ended |= bit(*scope);
    return keep_decided(w, r.lanes) && prune(w) && leave_known(w, *scope, AT_KIND_DECISION);
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
    return keep_allowed(w, r.lanes) && prune(w) && leave_known(w, s, AT_KIND_SETTINGS);
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
        note_known(w, s, KNOWN_CAUSE | KNOWN_SURE | KNOWN_FORGOTTEN);
    }
    w->seen = 0;
    w->open_ended = all_scopes(w);
    return prune(w);
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
        w->k->ended = true;
        w->k->before_end = w->k->last;
        return true;
    }
    if (!advance(w, t_us))
        return false;
    for (uint32_t i = 0; i < w->k->n_calls; i++)
        if (w->k->calls[i]->stream == st && !w->k->calls[i]->over)
            return false;
    return advance(w, t_us);
}

/* --------------------------------------------------------------------------------------------- The result ---- */

static void take_known(struct work *w, const struct happening *h, struct at_str api)
{
    struct key *k = w->k;
    for (uint64_t left = w->unsure & ~w->sure; left; left &= left - 1)
        known_settle(k, first_of(left));
    for (uint64_t left = w->cause | w->sure | w->forgotten; left; left &= left - 1) {
        size_t s = first_of(left);
        struct known *n = &k->known[s];
        if (w->cause & bit(s)) {
            n->cause = h->at;
            n->api = api;
        }
        if (w->sure & bit(s))
            n->sure = h->at;
        if (w->forgotten & bit(s))
            n->dismissed_before = 0;
    }
}

static void take(struct work *w, const struct happening *h, struct at_str api)
{
    struct key *k = w->k;
    if (w->moved) {
        k->moved = true;
        k->moved_at = k->last;
    }
    take_known(w, h, api);
    for (size_t s = 0; s < w->n_scopes; s++)
        k->columns[s] = w->col[s];
    k->waits = w->waits;
    k->lanes = w->n;
    k->seen_lanes = w->seen;
    k->snapshot_covered = w->covered;
    k->snapshot_lane = w->covered_lane;
    k->open_ended = w->open_ended;
}

static enum at_err tell_settled(struct at_checker *c, const struct key *k, const struct call *call,
                                const struct happening *h, const struct outcome *o)
{
    const struct meaning *m = h->meaning;
    if (m->outcomes && call->scopes && o->unclear)
        c->totals.undetermined++;
    if (!c->sink.settled || !call->scopes)
        return AT_OK;
    struct at_settled d = settled_of(k, call, c->profile->scopes[first_of(call->scopes)].name);
    bool by_prompt = o->how & (SLOT_OK_PROMPT | SLOT_DENIED_PROMPT | SLOT_DISMISSED);
    d.returned = h->at;
    d.answered = true;
    d.err_msg = h->err_msg;
    d.cls = m->cls;
    d.via = !o->how ? AT_VIA_NONE : by_prompt && (call->decided || !o->by_state) ? AT_VIA_PROMPT : AT_VIA_STATE;
    d.prompt_inferred = d.via == AT_VIA_PROMPT && !call->prompted;
    d.determined = !o->unclear;
    return c->sink.settled(c->sink.ctx, &d);
}

static enum at_err end_return(struct work *w, struct stream *st, uint32_t i, const struct happening *h,
                              const struct outcome *o)
{
    struct call *call = w->k->calls[i];
    enum at_err err = remember_answer(st, h->call_hash);
    take(w, h, call->api);
    if (!err)
        err = tell_settled(w->c, w->k, call, h, o);
    w->k->n_reading -= reads_settings(call);
    w->k->n_pages -= call->kind == AT_API_OPEN_SETTING;
    remove_call(w->c, w->k, i);
    return err;
}

static void mark_calls(struct key *k, size_t s, bool prompted, enum at_answer decided)
{
    for (uint32_t i = 0; i < k->n_calls; i++) {
        if (!(k->calls[i]->scopes >> s & 1))
            continue;
        k->calls[i]->prompted |= prompted;
        k->calls[i]->decided = decided ? decided : k->calls[i]->decided;
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

/* The only open call is answered, and it listed the settings. */
static bool answered_at_once(struct work *w, struct stream *st, struct happening *h, enum at_err *err)
{
    const struct outcome o = {0};
    if (h->meaning->kind != AT_KIND_RETURN || !h->meaning->lists ||
        find_call(w->k, st, h->call, h->call_hash) == UINT32_MAX || !list_at_once(w, h, whole_event(h)))
        return false;
    *err = end_return(w, st, 0, h, &o);
    return true;
}

static bool make_call(struct work *w, struct stream *st, const struct happening *h)
{
    struct call *call;
    if (!do_call(w, st, h, &call))
        return false;
    call->kind = h->meaning->api_kind;
    call->scopes = h->meaning->scopes;
    call->api = h->meaning->api;
    w->k->n_reading += reads_settings(call);
    w->k->n_pages += call->kind == AT_API_OPEN_SETTING;
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
    take(w, h, (struct at_str){0});
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
        w.col[s] = k->columns[s];
    if (advances_itself(k, h->meaning->kind))
        return do_event(&w, st, h, err);
    if (k->waits) {
        if (answered_at_once(&w, st, h, err))
            return true;
        if (*err || !give_slots(&w))
            return false;
    }
    return !k->ended && advance(&w, h->at.t_us) && do_event(&w, st, h, err);
}
