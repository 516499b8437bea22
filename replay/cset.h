/*
 * cset.h: what one scope of one key could be in: a set of configurations. Private to replay.
 *
 * A configuration of a scope is a row of 16-bit words: its base (state, and whether its prompt is up), then a word for
 * every *slot*, a slot being an open call that the scope has a part in. Nothing is decided before it has to be:
 *
 *   - Settling by the state has no effect on the state, so it is not searched for. A slot collects the outcomes that
 * its call could have settled with so far, while it may as well be open still ("the last instant that state was held"
 *     serves for all). The same goes for a prompt that nobody saw and that was dismissed without changing the state.
 *   - A prompt that changes the state needs a call that raised it, which from then on waits and is settled by the
 * decision. Which one is left open: the row notes a *debt*, "one of these open calls raised a prompt that ended so",
 * and marks the candidates. A call that returns with that outcome pays the debt; one that returns otherwise is no
 * candidate any more; a debt with one candidate left is that call's, and one without kills the row. Different debts
 * need different calls. Two debts of the same outcome are rare (a reset lies between): then the older one is handed out
 * to each of its candidates in turn.
 *
 * Dominance. Row A dominates row B when every continuation that explains the rest of the recording from B explains it
 * from A too. With the same base that holds if, slot by slot, A's call offers what B's does (an open call that has
 * collected at least the outcomes of B's open or done call; the same waiting call; an open call against a waiting one
 * where it could join the prompt that is up), and every debt of A is one of B with at least B's candidates, or was paid
 * in B by one of A's candidates. Dominated rows are dropped; nothing else is.
 */
#ifndef AUTHTAPE_REPLAY_CSET_H
#define AUTHTAPE_REPLAY_CSET_H

#include "replay/replay.h"

/* Debts: what became of the prompt that one of the candidates raised. */
enum debt { DEBT_ALLOWED, DEBT_DENIED, DEBT_DISMISSED, DEBT_UP };
#define DEBTS 4u

/* The base word. */
#define BASE_STATE 3u /* enum at_state */
#define BASE_UP 4u    /* its prompt is up */
#define BASE_DEBT(d) (8u << (d))
#define BASE_DEBTS (15u << 3)

/* A slot word. For a call of the scope: the outcomes that it may have settled with, and how. */
#define SLOT_OK_STATE 1u      /* let through by the state (R5) */
#define SLOT_DENIED_STATE 2u  /* failed at once (R6) */
#define SLOT_OK_PROMPT 4u     /* the prompt was allowed (R3) */
#define SLOT_DENIED_PROMPT 8u /* the prompt was denied (R4) */
#define SLOT_DISMISSED 16u    /* the prompt was dismissed (R15) */
#define SLOT_UNAUTHORIZED 32u /* a scope that never prompts, unasked */
#define SLOT_OUTCOMES 63u
#define SLOT_WAITING 64u /* on the prompt that is up */
#define SLOT_DONE 128u   /* settled with the one outcome it holds */
#define SLOT_CANDIDATE(d) (256u << (d))
#define SLOT_CANDIDATES (15u << 8)
#define SLOT_JOINED 4096u /* open, or waiting: it may have joined the prompt while the state still allowed that */
/* The outcome of a debt's prompt; 0 for DEBT_UP. */
#define DEBT_OUTCOME(d) ((d) < DEBT_UP ? SLOT_OK_PROMPT << (d) : 0u)
/* For a call that reads the settings (it never settles, prompts or joins): whether, and what, it has seen. */
#define SLOT_UNSEEN SLOT_DONE
#define SLOT_SAW(state) (SLOT_DONE | 1u << (state))

#define SLOTS_MAX 200u
#define ROW_MAX (1u + SLOTS_MAX)

/* Rows of 1 + slots words, none dominated by another, in no order. */
struct cset {
    uint16_t *heap; /* NULL: the rows are in `room` */
    uint32_t n;
    uint32_t heap_words;
    uint8_t slots;
    uint16_t room[11];
};

/* What may happen silently to a scope between two events (SPEC section 8), and how. */
struct steps {
    bool hidden_prompts, hidden_decisions; /* the recording does not see them */
    bool flips;                            /* a hidden flip may happen now */
    bool prompts;                          /* the scope has a dialog at all */
    bool join, reprompt;                   /* policy `concurrent`: R16 */
    bool dismiss_denies;                   /* policy `dismiss`: R15 */
    bool spare_call;                       /* there is an open call of the scope that has no slot any more */
    uint32_t lacks;                        /* policy `lacks`: a mask of 1u << number of the rule */
    uint32_t cap;                          /* configurations */
    enum at_fault fault;                   /* AT_FAULT_NONE: the reference machine */
};

/* Memory that is used again from call to call. */
struct scratch {
    struct at_buf stack, rows;
    struct cset set;
};

void cset_free(struct cset *s);
/* Empties the set and gives its rows `slots` slots. */
void cset_reset(struct cset *s, uint8_t slots);
AT_MUST_USE enum at_err cset_copy(struct cset *to, const struct cset *from);
static inline uint32_t cset_stride(const struct cset *s)
{
    return 1u + s->slots;
}
static inline const uint16_t *cset_row(const struct cset *s, uint32_t i)
{
    return (s->heap ? s->heap : s->room) + (size_t)i * cset_stride(s);
}
static inline uint16_t *cset_edit(struct cset *s, uint32_t i)
{
    return (s->heap ? s->heap : s->room) + (size_t)i * cset_stride(s);
}

/*
 * Adds a row unless its debts cannot be paid or another dominates it; drops those that it dominates. `row` must not lie
 * in the set, and is brought into its simplest form. AT_LIMIT: `cap`.
 */
AT_MUST_USE enum at_err cset_add(struct cset *s, uint16_t *row, const struct steps *st, bool *added);
/* Every row gets a slot more, before slot `at` or (at >= slots) at the end, with the value `value`. */
AT_MUST_USE enum at_err cset_add_slot(struct cset *s, uint32_t at, uint16_t value);
/* Every row loses slot `slot`, whatever part its call had. */
AT_MUST_USE enum at_err cset_drop_slot(struct cset *s, uint32_t slot, const struct steps *st, struct scratch *tmp);
/* True if every row of `b` is dominated by one of `a`. */
bool cset_covers(const struct cset *a, const struct cset *b, const struct steps *st);

uint8_t cset_states(const struct cset *s); /* mask of 1u << enum at_state */
bool cset_any_up(const struct cset *s);
/* The outcomes that the call of a slot may have by now. */
uint8_t cset_outcomes(const struct cset *s, uint32_t slot);

/* All that silent steps can reach, any number of them: settle, prompt, join, decision, flip. */
AT_MUST_USE enum at_err cset_close(struct cset *s, const struct steps *st, struct scratch *tmp);

/* Steps on one row (SPEC section 8). Those that may lead to several append them to `out`. */

static inline bool slot_open(uint16_t slot)
{
    return !(slot & (SLOT_WAITING | SLOT_DONE));
}
/* The decision of the prompt that is up. */
AT_MUST_USE enum at_err row_decide(const uint16_t *row, uint8_t slots, enum at_answer answer, const struct steps *st,
                                   struct at_buf *out);
/* A prompt comes up: for the call of slot `slot`, or (slot >= slots) for any that is open. */
AT_MUST_USE enum at_err row_prompt(const uint16_t *row, uint8_t slots, uint32_t slot, const struct steps *st,
                                   struct at_buf *out);
/* A prompt comes up that no call can have raised: the one of `slot` waits all the same, or (slot >= slots) none does.
 */
AT_MUST_USE enum at_err row_force_prompt(const uint16_t *row, uint8_t slots, uint32_t slot, struct at_buf *out);
/* The call of the slot settled with one of the outcomes `wanted`: ways in which it could. The slot is done then. */
AT_MUST_USE enum at_err row_outcome(const uint16_t *row, uint8_t slots, uint32_t slot, uint8_t wanted,
                                    struct at_buf *out);
/* The state changes by a flip. What is up stays up. */
void row_flip(uint16_t *row, uint8_t slots, enum at_state state, const struct steps *st);
/* A reset: unasked, no prompt up, waiting calls are open again. */
void row_reset(uint16_t *row, uint8_t slots, const struct steps *st);
/* Whether the platform need not keep the rule of this number. */
static inline bool lacks_rule(const struct steps *st, unsigned rule)
{
    return st->lacks >> rule & 1;
}
/* Whether a call may make the host prompt in this state. */
bool state_prompts(enum at_state state, const struct steps *st);

#endif
