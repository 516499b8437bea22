/*
 * cset.h: what one scope of one key could be in: a set of configurations. Private to replay.
 *
 * A configuration of a scope is a row of bytes: its base (state, and whether its prompt is up), then one byte a *slot*,
 * a slot being an open call that the scope has a part in. Settling has no effect on the state, so it is not searched
 * for: a slot collects the outcomes that the call could have settled with so far while it may as well be open still
 * ("the last instant that state was held" serves for all). Only where being unsettled matters, when a call raises a
 * prompt, does it commit itself: it waits, and is then done with the outcome of the decision and no other.
 *
 * Dominance. Configuration A dominates B when every continuation that explains the rest of the recording from B
 * explains it from A too. With the same base that holds if, slot by slot, A's call offers what B's does: an open call
 * that has collected at least the outcomes of B's open or done call; equal waiting calls; an open call against a
 * waiting one where it could join the prompt that is up. Dominated configurations are dropped; nothing else is.
 */
#ifndef AUTHTAPE_REPLAY_CSET_H
#define AUTHTAPE_REPLAY_CSET_H

#include "replay/replay.h"

/* The base byte. */
#define BASE_STATE 3u /* enum at_state */
#define BASE_UP 4u    /* its prompt is up */

/* A slot byte. For a call of the scope: the outcomes that it may have settled with, and how. */
#define SLOT_OK_STATE 1u      /* let through by the state (R5) */
#define SLOT_DENIED_STATE 2u  /* failed at once (R6) */
#define SLOT_OK_PROMPT 4u     /* the prompt was allowed (R3) */
#define SLOT_DENIED_PROMPT 8u /* the prompt was denied (R4) */
#define SLOT_DISMISSED 16u    /* the prompt was dismissed (R15) */
#define SLOT_UNAUTHORIZED 32u /* a scope that never prompts, unasked */
#define SLOT_OUTCOMES 63u
#define SLOT_WAITING 64u /* on the prompt that is up */
#define SLOT_DONE 128u   /* settled with the one outcome it holds */
/* For a call that reads the settings (it never settles, prompts or joins): whether, and what, it has seen. */
#define SLOT_UNSEEN SLOT_DONE
#define SLOT_SAW(state) (SLOT_DONE | 1u << (state))

#define SLOTS_MAX 200u

/* Rows of 1 + slots bytes, none dominated by another, in no order. */
struct cset {
    uint8_t *heap; /* NULL: the rows are in `room` */
    uint32_t n;
    uint32_t heap_bytes;
    uint8_t slots;
    uint8_t room[15];
};

/* What may happen silently to a scope between two events (SPEC section 8), and how. */
struct steps {
    bool hidden_prompts, hidden_decisions; /* the recording does not see them */
    bool flips;                            /* a hidden flip may happen now */
    bool prompts;                          /* the scope has a dialog at all */
    bool join, reprompt;                   /* policy `concurrent`: R16 */
    bool dismiss_denies;                   /* policy `dismiss`: R15 */
    bool spare_call;                       /* there is an open call of the scope that has no slot any more */
    uint32_t cap;                          /* configurations */
    enum at_fault fault;                   /* AT_FAULT_NONE: the reference machine */
};

/* Memory that is used again from call to call. */
struct scratch {
    struct at_buf stack;
    struct cset set;
};

void cset_free(struct cset *s);
/* A set without rows, for `slots` slots. Frees what was there. */
void cset_reset(struct cset *s, uint8_t slots);
AT_MUST_USE enum at_err cset_copy(struct cset *to, const struct cset *from);
static inline uint32_t cset_stride(const struct cset *s)
{
    return 1u + s->slots;
}
static inline uint8_t *cset_rows(struct cset *s)
{
    return s->heap ? s->heap : s->room;
}
static inline const uint8_t *cset_crow(const struct cset *s, uint32_t i)
{
    return (s->heap ? s->heap : s->room) + (size_t)i * cset_stride(s);
}
static inline uint8_t *cset_row(struct cset *s, uint32_t i)
{
    return cset_rows(s) + (size_t)i * cset_stride(s);
}

/* Adds a row unless one dominates it; drops those that it dominates. `row` must not lie in the set. AT_LIMIT: `cap`. */
AT_MUST_USE enum at_err cset_add(struct cset *s, const uint8_t *row, const struct steps *st, bool *added);
/* Every row gets a slot more, at the end, with the value `value`. */
AT_MUST_USE enum at_err cset_add_slot(struct cset *s, uint8_t value);
/* Every row loses slot `slot`; rows that are dominated then go. */
AT_MUST_USE enum at_err cset_drop_slot(struct cset *s, uint32_t slot, const struct steps *st);
/* True if every row of `b` is dominated by one of `a`. */
bool cset_covers(const struct cset *a, const struct cset *b, const struct steps *st);

uint8_t cset_states(const struct cset *s); /* mask of 1u << enum at_state */
bool cset_any_up(const struct cset *s);

/* All that silent steps can reach, any number of them: settle, prompt, join, decision, flip. */
AT_MUST_USE enum at_err cset_close(struct cset *s, const struct steps *st, struct scratch *tmp);

/* The effect of a decision on a row whose prompt is up (SPEC section 8). */
void row_decide(uint8_t *row, uint8_t slots, enum at_answer answer, const struct steps *st);
/* The effect of a reset on a row: unasked, no prompt up, waiting calls are open again. */
void row_reset(uint8_t *row, uint8_t slots, const struct steps *st);
/* Whether a call makes the host prompt in this state. */
bool state_prompts(enum at_state state, const struct steps *st);

#endif
