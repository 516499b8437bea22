/* lanes.c: folded keys between two events, and what concerns all of their scopes at once. */
#include "replay/work.h"

#include <string.h>

void work_look_up_seen(struct work *w)
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
    work_look_up_seen(w);
    return true;
}

/* As act_on_scope leaves the branches: from the last on, one that goes is replaced by the last. */
bool work_keep_allowed(struct work *w, unsigned allowed)
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
bool work_keep_decided(struct work *w, unsigned allowed)
{
    uint8_t order[2 * LANES];
    unsigned n = w->n;
    if (w->n == 1)
        return true;
    for (unsigned i = 0; i < w->n; i++)
        if (allowed >> i & 1)
            order[n++] = (uint8_t)i;
    for (unsigned i = w->n; i-- > 0;)
        order[i] = order[--n]; /* NOLINT: where none is allowed, what is not there is copied and not taken */
    return select_lanes(w, order, n);
}

/* As key_prune. */
bool work_prune(struct work *w)
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
    struct op_result r;
    if (!w->covered || w->quiet || w->k->n_reading != 1 || w->k->n_pages || w->k->spare_settings)
        return false;
    for (; moved; moved &= moved - 1) {
        if (!op(w, first_of(moved), OP_OF_SEE_COVERED(w->covered_lane, 0), &r))
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

void work_note_known(struct work *w, size_t s, unsigned flags)
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
bool work_advance(struct work *w, int64_t t_us)
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
    if (!work_prune(w))
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

bool key_sees_nothing_new(struct at_checker *c, struct key *k, size_t s)
{
    struct op_result r;
    if (k->n_reading != 1 || !k->snapshot_covered)
        return false;
    if (columns_op(c, c->columns, key_columns(k)[s], OP_OF_SEE_COVERED(k->snapshot_lane, 0), &r))
        r.lanes = 0; /* it is tried again at the next event */
    k->snapshot_covered &= r.lanes;
    return k->snapshot_covered;
}

bool key_lets_wait(const struct at_checker *c, const struct key *k, const struct call *call)
{
    if (!k->n_calls)
        return true;
    return call->kind == AT_API_GET_SETTING && !k->n_reading && !k->spare_scopes && !k->spare_settings &&
           !hidden(c, k, AT_SEES_PROMPTS) && !hidden(c, k, AT_SEES_DECISIONS);
}

bool key_is_calm(struct at_checker *c, struct key *k)
{
    const struct column_table *t = c->columns;
    uint64_t all = UINT64_MAX, of_column;
    if (!k->folded || k->ended || k->n_pages || k->spare_settings ||
        (k->seen_lanes && hidden(c, k, AT_SEES_DECISIONS)) ||
        (k->waits && (hidden(c, k, AT_SEES_PROMPTS) || hidden(c, k, AT_SEES_DECISIONS))))
        return false;
    for (uint64_t left = k->open_ended; left; left &= left - 1) {
        const struct column *col = column_at(t, key_columns(k)[first_of(left)]);
        if (col->open_ended || col->uncertain_now)
            return false;
    }
    for (size_t s = 0; s < c->profile->n_scopes && all && k->lanes > 1; s++) {
        memcpy(&of_column, column_at(t, key_columns(k)[s])->covers, sizeof of_column);
        all &= of_column;
    }
    bool reads = k->n_reading && !k->waits;
    for (uint64_t left = k->open_ended; left && reads; left &= left - 1)
        if (!key_sees_nothing_new(c, k, first_of(left)))
            return false;
    return (!all || k->lanes == 1) && (!reads || (k->n_reading == 1 && k->snapshot_covered));
}
