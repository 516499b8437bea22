/*
 * sets.h: the sets of configurations that occur, each kept once, and the steps between them. Private to replay.
 *
 * However long a recording is and however many users it has, few different sets of configurations occur: they are the
 * states of a deterministic automaton whose edges are the steps. It is built while it is used: a set is named by a
 * number, a step is worked out (cset.h) the first time and looked up from then on. So a key holds four bytes a scope,
 * and an event costs a few look-ups.
 */
#ifndef AUTHTAPE_REPLAY_SETS_H
#define AUTHTAPE_REPLAY_SETS_H

#include "replay/cset.h"

/* What an event, or a silent step, does to the set of a scope. */
enum step_kind {
    STEP_CLOSE,     /* all silent steps, to a fixpoint */
    STEP_ADD_SLOT,  /* a call: `value` 1 for one that reads the settings; before `slot`, or (ANY_SLOT) at the end */
    STEP_DROP_SLOT, /* the call of `slot` is over, whatever part it had */
    STEP_SEE,       /* the call of `slot` reads the settings now */
    STEP_FORGET,    /* every state of the mask `value` is possible; calls keep what they have */
    STEP_PROMPT,    /* `slot`: of the call that raised it, ANY_SLOT, or NO_SLOT; `value`: 0 or WAIVE_CALL */
    STEP_DECISION,  /* `value`: enum at_answer, 0: whichever */
    STEP_SETTINGS,  /* `value`: the state set */
    STEP_RESET,
    STEP_PAGE,     /* the state is one of the mask `value` */
    STEP_OUTCOME,  /* the call of `slot` settled with one of the outcomes `value` */
    STEP_SNAPSHOT, /* the call of `slot` saw one of the states of the mask `value` */
};
#define ANY_SLOT 255u
#define NO_SLOT 254u
#define WAIVE_CALL 1u /* with `waive`: not even an open call is needed */

struct step {
    enum step_kind kind;
    uint8_t slot, value;
    bool waive; /* rows need not fulfil the precondition; the effect is applied to all */
};

struct set_table;
/* `steps`: the policies, which are the same throughout; the rest of it is given with each step. */
AT_MUST_USE enum at_err sets_new(const struct steps *policies, struct set_table **out);
void sets_free(struct set_table **t);

/* The set without slots in which every state of the mask is possible, and (maybe_up) a prompt up while unasked. */
AT_MUST_USE enum at_err sets_start(struct set_table *t, uint8_t states, bool maybe_up, uint32_t *id);
/* The set that a step leads to; empty where no row allows it. Of `st` the policies are ignored. AT_LIMIT: over the cap.
 */
AT_MUST_USE enum at_err sets_step(struct set_table *t, uint32_t from, const struct step *step, const struct steps *st,
                                  uint32_t *to);
bool sets_covers(const struct set_table *t, uint32_t a, uint32_t b, const struct steps *st);

/* The set itself; valid until the next step. */
const struct cset *sets_get(const struct set_table *t, uint32_t id);
uint8_t sets_states(const struct set_table *t, uint32_t id); /* cset_states */
/* The same of all sets, by number: for loops over pairs of them. Valid until the next step. */
const uint8_t *sets_states_of_all(const struct set_table *t);
bool sets_any_up(const struct set_table *t, uint32_t id);
static inline bool sets_empty(const struct set_table *t, uint32_t id)
{
    return sets_get(t, id)->n == 0;
}

/* Collecting what no key holds any more: worth it when `sets_bytes` is large. */
size_t sets_bytes(const struct set_table *t);
void sets_keep_begin(struct set_table *t);
/* Says that a key holds *id, and renames it. */
AT_MUST_USE enum at_err sets_keep(struct set_table *t, uint32_t *id);
void sets_keep_end(struct set_table *t);

#endif
