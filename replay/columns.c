/* columns.c: what the steps make of the columns, worked out once each. */
#include "replay/columns.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define NO_COLUMN UINT32_MAX
#define IDENTITY_BYTES offsetof(struct column, uncertain_now)

enum at_err columns_new(struct column_table **out)
{
    struct column_table *t = *out = calloc(1, sizeof **out);
    if (!t)
        return AT_NOMEM;
    enum at_err err = edges_room(&t->edges);
    for (uint32_t i = 0; i < LANES && !err; i++) {
        t->probe[i] = calloc(1, sizeof **t->probe + sizeof t->probe[i]->sets[0]);
        err = t->probe[i] ? AT_OK : AT_NOMEM;
    }
    return err;
}

void columns_free(struct column_table **table)
{
    struct column_table *t = *table;
    if (!t)
        return;
    for (uint32_t i = 0; i < LANES; i++)
        free(t->probe[i]);
    free(t->columns);
    at_slots_free(&t->slots);
    edges_free(&t->edges);
    free(t);
    *table = NULL;
}

size_t columns_bytes(const struct column_table *t)
{
    return t->cap * sizeof *t->columns + t->slots.n * sizeof *t->slots.at + t->edges.cap * sizeof *t->edges.edges;
}

/* --------------------------------------------------------------------------------------------- Numbering ---- */

static uint32_t find(const struct column_table *t, const struct column *col, uint32_t hash)
{
    uint32_t mask = t->slots.n - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        const struct at_slot *slot = &t->slots.at[i];
        if (slot->id == AT_SLOT_FREE || (slot->hash == hash && !memcmp(&t->columns[slot->id], col, IDENTITY_BYTES)))
            return slot->id;
    }
}

static enum at_err grow(struct column_table *t)
{
    if (t->n == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 256;
        struct column *columns = realloc(t->columns, cap * sizeof *columns);
        if (!columns)
            return AT_NOMEM;
        t->columns = columns;
        t->cap = cap;
    }
    return at_slots_room(&t->slots);
}

static bool sees(const struct at_checker *c, const struct column *col, enum at_sight what)
{
    return c->options.strict || (col->observes >> what & 1);
}

/* As steps_of says it for a branch. */
static struct steps lane_steps(const struct at_checker *c, const struct column *col, unsigned lane, bool flips)
{
    return (struct steps){
        .hidden_prompts = !sees(c, col, AT_SEES_PROMPTS),
        .hidden_decisions = !sees(c, col, AT_SEES_DECISIONS) && !(col->seen_up >> lane & 1),
        .flips = flips,
        .prompts = col->prompts,
        .spare_call = col->spare,
    };
}

static bool lane_covers(const struct at_checker *c, const struct column *col, unsigned a, unsigned b)
{
    struct steps st = lane_steps(c, col, a, false);
    return (col->seen_up >> a & 1) == (col->seen_up >> b & 1) && sets_covers(c->sets, col->sets[a], col->sets[b], &st);
}

static bool single(unsigned states)
{
    return states && !(states & (states - 1));
}

/* Fills in what follows from the rest. */
static void derive(const struct at_checker *c, struct column *col)
{
    unsigned states = 0;
    for (unsigned a = 0; a < LANES; a++) {
        col->covers[a] = 0;
        for (unsigned b = 0; b < col->n && a < col->n; b++)
            if (a != b && lane_covers(c, col, a, b))
                col->covers[a] |= (uint8_t)(1u << b);
        if (a < col->n)
            states |= sets_states(c->sets, col->sets[a]);
    }
    col->uncertain_now = col->certain && !single(states);
}

enum at_err columns_number(struct at_checker *c, const struct column *col, uint32_t *id)
{
    struct column_table *t = c->columns;
    enum at_err err = grow(t);
    if (err)
        return err;
    uint32_t hash = (uint32_t)at_hash(col, IDENTITY_BYTES, 0);
    *id = find(t, col, hash);
    if (*id == AT_SLOT_FREE) {
        *id = t->n++;
        t->columns[*id] = *col;
        derive(c, &t->columns[*id]);
        at_slots_put(&t->slots, hash, *id);
    }
    return AT_OK;
}

/* -------------------------------------------------------------------------------------------- Operations ---- */

static enum at_err lane_step(struct at_checker *c, struct column *col, unsigned lane, const struct step *a, bool flips)
{
    struct steps st = lane_steps(c, col, lane, flips);
    return sets_step(c->sets, col->sets[lane], a, &st, &col->sets[lane]);
}

/* What branch_apply does. */
static enum at_err lane_apply(struct at_checker *c, struct column *col, unsigned lane, const struct step *a)
{
    enum at_err err = lane_step(c, col, lane, a, false);
    if (a->kind == STEP_PROMPT)
        col->seen_up |= (uint8_t)(1u << lane);
    else if (a->kind == STEP_DECISION || a->kind == STEP_RESET)
        col->seen_up &= (uint8_t) ~(1u << lane);
    col->open_ended |= (uint8_t)(1u << lane);
    return err;
}

static enum at_err all_lanes(struct at_checker *c, struct column *col, const struct step *a, uint8_t *allow)
{
    enum at_err err = AT_OK;
    *allow = 0;
    for (unsigned lane = 0; lane < col->n && !err; lane++) {
        err = lane_apply(c, col, lane, a);
        if (!err && !sets_empty(c->sets, col->sets[lane]))
            *allow |= (uint8_t)(1u << lane);
    }
    return err;
}

static enum at_err close_lanes(struct at_checker *c, struct column *col, unsigned lanes, unsigned flips)
{
    const struct step close = {.kind = STEP_CLOSE};
    enum at_err err = AT_OK;
    for (unsigned lane = 0; lane < col->n && !err; lane++)
        if ((lanes >> lane & 1) && ((flips | col->open_ended) >> lane & 1))
            err = lane_step(c, col, lane, &close, flips >> lane & 1);
    col->open_ended &= (uint8_t)~lanes;
    return err;
}

static enum at_err fork_lane(struct at_checker *c, struct column *col, unsigned from, const struct step *a, bool flips,
                             uint8_t *covered_by)
{
    unsigned lane = col->n;
    if (lane >= LANES)
        return AT_LIMIT;
    col->n++;
    col->sets[lane] = col->sets[from];
    col->seen_up |= (uint8_t)((col->seen_up >> from & 1) << lane);
    enum at_err err = lane_apply(c, col, lane, a);
    if (!err)
        err = close_lanes(c, col, 1u << lane, (unsigned)flips << lane);
    *covered_by = 0;
    for (unsigned i = 0; i < lane && !err; i++)
        if (lane_covers(c, col, i, lane))
            *covered_by |= (uint8_t)(1u << i);
    return err;
}

/* The payload has the number of lanes less one in its upper three bits, and three bits for each. */
static void select_lanes(struct column *col, uint32_t payload)
{
    const struct column from = *col;
    col->n = (uint8_t)((payload >> 24) + 1);
    col->seen_up = col->open_ended = 0;
    memset(col->sets, 0, sizeof col->sets);
    for (unsigned lane = 0; lane < col->n; lane++) {
        unsigned old = payload >> (3 * lane) & 7;
        col->sets[lane] = from.sets[old];
        col->seen_up |= (uint8_t)((from.seen_up >> old & 1) << lane);
        col->open_ended |= (uint8_t)((from.open_ended >> old & 1) << lane);
    }
}

static enum at_err on_any_inferred(void *ctx, const struct at_inferred *i)
{
    (void)i;
    *(bool *)ctx = true;
    return AT_OK;
}

/* A key with this one scope, for the parts of the checker that want one. */
static struct key probe_key(const struct column_table *t, const struct column *col, struct known *known,
                            struct branch **branches)
{
    for (unsigned lane = 0; lane < col->n; lane++) {
        branches[lane] = t->probe[lane];
        branches[lane]->sets[0] = col->sets[lane];
    }
    return (struct key){.observes = col->observes, .branches = branches, .n_branches = col->n, .known = known};
}

/*
 * known_update as it is, asked what it would do: the places tell which of them it moves, and the sink whether there is
 * something to tell.
 */
static enum at_err leave_known(struct at_checker *c, struct column *col, enum at_kind kind, uint8_t *flags)
{
    enum { CAUSE = 1, SURE, NOW, DISMISSED };
    struct branch *branches[LANES];
    struct known known = {.states = col->known_states,
                          .ever = col->known_ever,
                          .certain = col->certain,
                          .kind = (enum at_kind)col->known_kind,
                          .cause = {.event = CAUSE},
                          .sure = {.event = SURE},
                          .dismissed_before = DISMISSED};
    struct { /* whoever is told of may ask for the name, which stands before a key (room_name): it is empty */
        uint32_t name_len[2];
        struct key key;
    } probe = {.key = probe_key(c->columns, col, &known, branches)};
    struct at_event ev = {.kind = kind};
    struct evidence e = {.ev = &ev, .at = {.event = NOW}, .explained = true};
    struct at_check_sink sink = c->sink;
    bool loud = false;
    c->sink = (struct at_check_sink){.ctx = &loud, .inferred = on_any_inferred};
    enum at_err err = known_update(c, &probe.key, 0, &e);
    c->sink = sink;
    *flags = (uint8_t)((loud ? KNOWN_LOUD : 0) | (known.cause.event == NOW ? KNOWN_CAUSE : 0) |
                       (known.sure.event == NOW ? KNOWN_SURE : 0) |
                       (known.dismissed_before != DISMISSED ? KNOWN_FORGOTTEN : 0) |
                       (col->certain && !known.certain ? KNOWN_UNSURE : 0));
    col->known_states = known.states;
    col->known_ever = known.ever;
    col->certain = known.certain;
    col->known_kind = (uint8_t)known.kind;
    return err;
}

static enum at_err start(struct at_checker *c, struct column *col, bool fresh, uint8_t observes)
{
    const uint8_t any = (1u << AT_STATES) - 1, unasked = 1u << AT_UNASKED;
    uint8_t allow;
    col->observes = observes;
    enum at_err err = all_lanes(c, col, &(struct step){.kind = STEP_FORGET, .value = fresh ? unasked : any}, &allow);
    col->seen_up = 0;
    col->known_states = fresh ? unasked : 0;
    col->known_ever = 0;
    col->certain = fresh;
    col->known_kind = AT_KIND_START;
    return err;
}

static uint8_t outcomes(const struct at_checker *c, const struct column *col, unsigned slot)
{
    unsigned mask = 0;
    for (unsigned lane = 0; lane < col->n; lane++)
        mask |= cset_outcomes(sets_get(c->sets, col->sets[lane]), slot);
    return (uint8_t)mask;
}

static uint8_t seen_by(const struct at_checker *c, const struct column *col, unsigned slot)
{
    unsigned mask = 0;
    for (unsigned lane = 0; lane < col->n; lane++)
        if (cset_row(sets_get(c->sets, col->sets[lane]), 0)[1 + slot] != SLOT_UNSEEN)
            mask |= 1u << lane;
    return (uint8_t)mask;
}

/* known_refresh: whether it was certain, and is not. */
static bool grew_uncertain(const struct at_checker *c, struct column *col)
{
    unsigned states = 0;
    bool was = col->certain;
    for (unsigned lane = 0; lane < col->n; lane++)
        states |= sets_states(c->sets, col->sets[lane]);
    col->certain = was && single(states);
    return was && !col->certain;
}

static enum at_kind kind_of(enum step_kind step)
{
    switch (step) {
    case STEP_OUTCOME:
    case STEP_SNAPSHOT:
        return AT_KIND_RETURN;
    case STEP_PROMPT:
        return AT_KIND_PROMPT;
    case STEP_DECISION:
        return AT_KIND_DECISION;
    case STEP_SETTINGS:
        return AT_KIND_SETTINGS;
    case STEP_CLOSE:
    case STEP_ADD_SLOT:
    case STEP_DROP_SLOT:
    case STEP_SEE:
    case STEP_FORGET:
    case STEP_RESET:
    case STEP_PAGE:
    default:
        return AT_KIND_END;
    }
}

/*
 * What happens silently after an event can be had at once, as long as nothing may be flipped and no other event has
 * come: closing is monotone, so closing again with flips leads to the same. Where that leaves something less certain,
 * or hits the cap, it is left to the next event, which is when that counts.
 */
static void close_early(struct at_checker *c, struct column *col)
{
    struct column closed = *col;
    if (!close_lanes(c, &closed, (1u << LANES) - 1, 0) && !grew_uncertain(c, &closed))
        *col = closed;
}

/* What is left when the event is allowed by one lane, or by all. */
static enum at_err event_on(struct at_checker *c, struct column *col, const struct step *a, struct op_result *out)
{
    uint8_t dropped, flags = 0;
    enum at_err err = AT_OK;
    if (single(out->lanes))
        select_lanes(col, (uint32_t)__builtin_ctz(out->lanes));
    if (a->kind == STEP_OUTCOME) {
        out->how = outcomes(c, col, a->slot) & a->value;
        err = all_lanes(c, col, &(struct step){.kind = STEP_DROP_SLOT, .slot = a->slot}, &dropped);
    }
    if (!err)
        err = leave_known(c, col, kind_of(a->kind), &flags);
    out->flags |= flags;
    if (!err)
        close_early(c, col);
    return err;
}

static enum at_err event(struct at_checker *c, struct column *col, const struct step *a, struct op_result *out)
{
    const struct column from = *col;
    enum at_err err = close_lanes(c, col, (1u << LANES) - 1, 0);
    if (err)
        return err;
    out->flags = grew_uncertain(c, col) ? KNOWN_UNSURE : 0;
    bool answer = a->kind == STEP_OUTCOME;
    out->before = answer ? outcomes(c, col, a->slot) : 0;
    err = all_lanes(c, col, a, &out->lanes);
    if (!err && (single(out->lanes) || (answer && out->lanes == (1u << col->n) - 1)))
        return event_on(c, col, a, out);
    *col = from;
    return err;
}

static enum at_err quiet(struct at_checker *c, struct column *col, bool flips, struct op_result *out)
{
    const struct step reset = {.kind = STEP_RESET};
    uint8_t covered = 0, again;
    bool one = col->n == 1;
    struct column more;
    enum at_err err = close_lanes(c, col, 3, flips ? 3 : 0);
    if (!err && one)
        err = fork_lane(c, col, 0, &reset, flips, &covered);
    more = *col;
    if (!err && !one)
        err = fork_lane(c, &more, 0, &reset, flips, &covered);
    out->lanes = one || covered & 2 ? QUIET_AGAIN : 0;
    more = *col;
    if (!err)
        err = fork_lane(c, &more, 1, &reset, flips, &again);
    if (err)
        return err;
    if (!(again & 2))
        out->lanes = 0;
    out->lanes |= (uint8_t)((lane_covers(c, col, 0, 1) ? QUIET_RESET_COVERED : 0) |
                            (lane_covers(c, col, 1, 0) ? QUIET_COVERED : 0));
    out->flags = grew_uncertain(c, col) ? KNOWN_UNSURE : 0;
    return AT_OK;
}

static enum at_err list(struct at_checker *c, struct column *col, uint8_t fits, bool flips, bool seen_flips,
                        struct op_result *out)
{
    const struct column from = *col;
    uint8_t lanes;
    enum at_err err = all_lanes(c, col, &(struct step){.kind = STEP_ADD_SLOT, .value = 1}, &lanes);
    if (!err)
        err = close_lanes(c, col, 1, flips);
    if (!err)
        err = fork_lane(c, col, 0, &(struct step){.kind = STEP_SEE}, seen_flips, &lanes);
    if (err)
        return err;
    out->flags = grew_uncertain(c, col) ? KNOWN_UNSURE : 0;
    err = all_lanes(c, col, &(struct step){.kind = STEP_SNAPSHOT, .value = fits}, &lanes);
    if (!err && !(lanes & 2)) {
        *col = from;
        return AT_OK;
    }
    uint8_t flags = 0;
    select_lanes(col, 1);
    if (!err)
        err = all_lanes(c, col, &(struct step){.kind = STEP_DROP_SLOT}, &lanes);
    if (!err)
        err = leave_known(c, col, AT_KIND_RETURN, &flags);
    out->lanes = 1;
    out->flags |= flags;
    return err;
}

static enum at_err work_out(struct at_checker *c, struct column *col, uint32_t op, struct op_result *out)
{
    uint32_t payload = op & ((1u << 27) - 1);
    uint8_t value = (uint8_t)payload, slot = (uint8_t)(payload >> 8);
    struct step a = {.kind = STEP_RESET};
    enum op_kind kind = (enum op_kind)(op >> 27);
    enum at_err err;
    struct column from;
    switch (kind) {
    case OP_CLOSE:
        return close_lanes(c, col, (1u << LANES) - 1, payload);
    case OP_FORK_RESET:
        return fork_lane(c, col, payload & 7, &a, payload >> 3 & 1, &out->lanes);
    case OP_FORK_SEE:
        a = (struct step){.kind = STEP_SEE, .slot = (uint8_t)(payload >> 4)};
        return fork_lane(c, col, payload & 7, &a, payload >> 3 & 1, &out->lanes);
    case OP_SELECT:
        select_lanes(col, payload);
        return AT_OK;
    case OP_SEE_COVERED:
        a = (struct step){.kind = STEP_SEE, .slot = (uint8_t)(payload >> 4)};
        from = *col;
        err = fork_lane(c, &from, payload & 7, &a, false, &out->lanes);
        return err;
    case OP_ADD:
    case OP_DROP:
    case OP_DROP_LAST:
        a = (struct step){.kind = kind == OP_ADD ? STEP_ADD_SLOT : STEP_DROP_SLOT, .slot = slot, .value = value};
        err = all_lanes(c, col, &a, &out->lanes);
        if (!err && kind != OP_DROP)
            close_early(c, col);
        return err;
    case OP_STEP:
        a = (struct step){.kind = (enum step_kind)(payload >> 16), .slot = slot, .value = value};
        return all_lanes(c, col, &a, &out->lanes);
    case OP_START:
        return start(c, col, payload & 1, (uint8_t)(payload >> 1));
    case OP_KNOWN:
        return leave_known(c, col, (enum at_kind)payload, &out->flags);
    case OP_REFRESH:
        col->certain = col->certain && !col->uncertain_now;
        return AT_OK;
    case OP_SEEN:
        out->lanes = seen_by(c, col, payload);
        return AT_OK;
    case OP_OUTCOMES:
        out->lanes = outcomes(c, col, payload);
        return AT_OK;
    case OP_EVENT:
        a = (struct step){.kind = (enum step_kind)(payload >> 16), .slot = slot, .value = value};
        return event(c, col, &a, out);
    case OP_QUIET:
        return quiet(c, col, payload, out);
    case OP_LIST:
        return list(c, col, value, payload >> 8 & 1, payload >> 9 & 1, out);
    default:
        return AT_BAD;
    }
}

enum at_err columns_work_out(struct at_checker *c, uint32_t from, uint32_t op, struct op_result *out)
{
    struct column_table *t = c->columns;
    struct column col = t->columns[from];
    *out = (struct op_result){0};
    enum at_err err = work_out(c, &col, op, out);
    if (!err)
        err = columns_number(c, &col, &out->to);
    if (err)
        return err;
    const struct column *to = &t->columns[out->to];
    uint64_t had, has;
    memcpy(&had, t->columns[from].covers, sizeof had);
    memcpy(&has, to->covers, sizeof has);
    out->flags |= to->open_ended || to->uncertain_now ? RESULT_OPEN : 0;
    out->flags |= has & ~had ? RESULT_COVERS : 0;
    out->flags |= to->certain ? RESULT_CERTAIN : 0;
    t->grown = true;
    return edges_add(&t->edges, edge_key(from, op), out);
}

/* -------------------------------------------------------------------------------------------- Collecting ---- */

bool columns_keep_begin(struct column_table *t)
{
    t->renamed = malloc(((size_t)t->n + 1) * sizeof *t->renamed);
    if (!t->renamed)
        return false;
    memset(t->renamed, 0xff, ((size_t)t->n + 1) * sizeof *t->renamed);
    t->old = t->columns;
    t->columns = NULL;
    at_slots_free(&t->slots);
    t->n = t->cap = 0;
    edges_clear(&t->edges);
    return true;
}

enum at_err columns_keep(struct at_checker *c, uint32_t *id)
{
    struct column_table *t = c->columns;
    uint32_t *now = &t->renamed[*id];
    enum at_err err = AT_OK;
    if (*now == NO_COLUMN) {
        struct column col = t->old[*id];
        for (unsigned lane = 0; lane < col.n && !err; lane++)
            err = sets_keep(c->sets, &col.sets[lane]);
        if (!err)
            err = columns_number(c, &col, now);
    }
    if (!err)
        *id = *now;
    return err;
}

void columns_keep_end(struct column_table *t)
{
    free(t->old);
    free(t->renamed);
    t->old = NULL;
    t->renamed = NULL;
}
