/*
 * work.h: an event on a folded key, half done. Private to lanes.c, which does what happens between events and to all
 * scopes at once, and lane_events.c, which does the events.
 */
#ifndef AUTHTAPE_REPLAY_WORK_H
#define AUTHTAPE_REPLAY_WORK_H

#include "replay/lanes.h"

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

/* What the answer to a call tells of it: the outcomes, SLOT_…, that it may have had, and those that it has. */
struct outcome {
    uint8_t before, how;
};

static inline bool op(const struct work *w, size_t s, uint32_t o, struct op_result *r)
{
    return columns_op(w->c, w->c->columns, w->col[s], o, r) == AT_OK;
}

static inline bool apply(struct work *w, size_t s, uint32_t o, struct op_result *r)
{
    if (!op(w, s, o, r))
        return false;
    w->col[s] = r->to;
    return true;
}

static inline uint64_t bit(size_t s)
{
    return UINT64_C(1) << s;
}

static inline const struct column *column(const struct work *w, size_t s)
{
    return column_at(w->c->columns, w->col[s]);
}

static inline unsigned all_of(const struct work *w)
{
    return (1u << w->n) - 1;
}

static inline uint64_t all_scopes(const struct work *w)
{
    return UINT64_MAX >> (AT_SCOPES_MAX - w->n_scopes);
}

static inline size_t first_of(uint64_t scopes)
{
    return (size_t)__builtin_ctzll(scopes);
}

/* ---- lane_events.c ---- */

/* Whether the answer to a call names its API. */
bool work_right_api(const struct at_checker *c, const struct call *call, struct meaning *m);
/* Tells how the one scope of a call was settled, to who wants to know. */
AT_MUST_USE enum at_err work_tell_settled(struct at_checker *c, const struct key *k, const struct call *call,
                                          const struct happening *h, const struct outcome *o);

/* ---- lanes.c ---- */

/* Brings `seen` up to date. */
void work_look_up_seen(struct work *w);
/* The lanes of the mask stay, the others go: as act_on_scope leaves the branches. */
bool work_keep_allowed(struct work *w, unsigned allowed);
/* The same, as decide_any leaves them. */
bool work_keep_decided(struct work *w, unsigned allowed);
/* As key_prune. */
bool work_prune(struct work *w);
/* As key_advance: all that can happen silently until `t_us`. */
bool work_advance(struct work *w, int64_t t_us);
/* Takes up what an operation says of what is known of scope `s`, KNOWN_…. */
void work_note_known(struct work *w, size_t s, unsigned flags);

#endif
