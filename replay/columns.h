/*
 * columns.h: all that is known of one scope of one user, as a number. Private to replay.
 *
 * A *column* is a scope's set in every branch of the key (its *lanes*), and what is certain of its state; the places of
 * the events that told it stay with the key. Scopes do not touch each other (R11), so what an event does to a key is
 * what it does to single columns, and columns are few however many users there are: they are numbered, and what a step
 * makes of a column is worked out once, by the same code that works it out for branches, and looked up from then on.
 * What concerns all scopes of a branch at once (whether it allows the event, whether another covers it) is a mask of
 * lanes a column, and the conjunction of the masks is that of the key.
 */
#ifndef AUTHTAPE_REPLAY_COLUMNS_H
#define AUTHTAPE_REPLAY_COLUMNS_H

#include "replay/edges.h"
#include "replay/private.h"

#define LANES 8u

enum op_kind {
    OP_CLOSE = 1,  /* silent steps; flips in the lanes of the mask */
    OP_FORK_RESET, /* a lane more: a hidden reset of lane L. Result: the lanes that cover it */
    OP_FORK_SEE,   /* a lane more: the call of a slot reads the settings in lane L. Result: the lanes that cover it */
    OP_SELECT,     /* some of the lanes, in some order */
    OP_ADD,        /* STEP_ADD_SLOT, and closing */
    OP_DROP,       /* STEP_DROP_SLOT */
    OP_STEP,       /* an event. Result: the lanes that allow it */
    OP_START,      /* the start of a recording */
    OP_KNOWN,      /* what an event leaves known: known_update */
    OP_REFRESH,    /* known_refresh */
    OP_SEEN,       /* Result: the lanes in which the call of a slot has read the settings */
    OP_OUTCOMES,   /* Result: the outcomes that the call of a slot may have, over all lanes */
    /*
     * Several in one, for what is frequent.
     * An event of the scope: closing, OP_REFRESH, OP_STEP, the one lane that allows it, OP_DROP of an answered call,
     * OP_KNOWN, and closing again. Result: the lanes that allow it; where that is neither one nor (of an answer) all,
     * it leads nowhere.
     */
    OP_EVENT,
    OP_DROP_LAST,   /* OP_DROP, and closing: nothing else comes of the event */
    OP_SEE_COVERED, /* Result: what OP_FORK_SEE, without flips, has. Leads nowhere */
    /*
     * A quiet window of a key without open calls, in which a reset may have happened. Of one lane: it gets a second
     * one, after the reset; of two: the second is that already. Result: QUIET_…, what covers what.
     */
    OP_QUIET,
    /*
     * The only open call, which reads the settings, from its OP_ADD to its answer, on one lane. Result: 1 where the
     * listing fits.
     */
    OP_LIST,
};

#define OP(kind, payload) ((uint32_t)(kind) << 27 | (uint32_t)(payload))
#define OP_OF_CLOSE(flips) OP(OP_CLOSE, flips)
#define OP_OF_FORK_RESET(lane, flips) OP(OP_FORK_RESET, (lane) | (uint32_t)(flips) << 3)
#define OP_OF_FORK_SEE(lane, flips, slot) OP(OP_FORK_SEE, (lane) | (uint32_t)(flips) << 3 | (uint32_t)(slot) << 4)
#define OP_OF_SEE_COVERED(lane, slot) OP(OP_SEE_COVERED, (lane) | (uint32_t)(slot) << 4)
#define OP_OF_ADD(reads, slot) OP(OP_ADD, (uint32_t)(reads) | (uint32_t)(slot) << 8)
#define OP_OF_STEP(step, slot, value) OP(OP_STEP, (uint32_t)(step) << 16 | (uint32_t)(slot) << 8 | (uint32_t)(value))
#define OP_OF_START(fresh, observes) OP(OP_START, (uint32_t)(fresh) | (uint32_t)(observes) << 1)
#define OP_OF_EVENT(step, slot, value) OP(OP_EVENT, (uint32_t)(step) << 16 | (uint32_t)(slot) << 8 | (uint32_t)(value))
#define OP_OF_LIST(fits, flips, seen_flips)                                                                            \
    OP(OP_LIST, (uint32_t)(fits) | (uint32_t)(flips) << 8 | (uint32_t)(seen_flips) << 9)

enum {
    QUIET_RESET_COVERED = 1, /* the first lane covers the second */
    QUIET_COVERED = 2,       /* the second lane covers the first */
    QUIET_AGAIN = 4,         /* and what a reset leaves of either of those that were there */
};

/* What an operation says besides the column that it leads to. */
enum {
    KNOWN_LOUD = 1,       /* hidden changes follow, and have to be told */
    KNOWN_CAUSE = 2,      /* the event is the cause, and its API */
    KNOWN_SURE = 4,       /* and the last place where it held for certain */
    KNOWN_FORGOTTEN = 8,  /* no dismissal was told of */
    KNOWN_UNSURE = 16,    /* it was certain, and is not any more */
    RESULT_OPEN = 32,     /* the column is to be closed, or looked at, before the next event */
    RESULT_COVERS = 64,   /* a lane covers another there that did not before */
    RESULT_CERTAIN = 128, /* the state is certain there */
};

struct column {
    uint32_t sets[LANES];
    uint8_t n, seen_up, open_ended; /* lanes; masks of them */
    uint8_t prompts, spare;         /* of the scope: it has a dialog; it has an open call without a slot */
    uint8_t observes;
    uint8_t known_states, known_ever, known_kind, certain;
    /* What follows from the above. */
    bool uncertain_now; /* `certain`, and it is not */
    uint8_t covers[LANES];
};

struct column_table {
    struct column *columns;
    uint32_t n, cap;
    struct at_slots slots; /* numbers of columns */
    struct edge_table edges;
    bool grown;         /* since it was last looked at */
    struct column *old; /* while collecting: what there was */
    uint32_t *renamed;
    struct branch *probe[LANES]; /* branches of one scope, to ask the other parts of the checker */
};

AT_MUST_USE enum at_err columns_new(struct column_table **out);
void columns_free(struct column_table **t);
size_t columns_bytes(const struct column_table *t);
/* The number of a column; its derived fields need not be filled in. */
AT_MUST_USE enum at_err columns_number(struct at_checker *c, const struct column *col, uint32_t *id);
/* Works an operation out and remembers it. */
AT_MUST_USE enum at_err columns_work_out(struct at_checker *c, uint32_t from, uint32_t op, struct op_result *out);

/* Lets go of the columns that no key holds, while the sets do the same. False: out of memory, nothing was done. */
bool columns_keep_begin(struct column_table *t);
AT_MUST_USE enum at_err columns_keep(struct at_checker *c, uint32_t *id);
void columns_keep_end(struct column_table *t);

static inline const struct column *column_at(const struct column_table *t, uint32_t id)
{
    return &t->columns[id];
}

/* What operation `op` makes of a column. AT_LIMIT: too many lanes or configurations. */
AT_MUST_USE static inline enum at_err columns_op(struct at_checker *c, const struct column_table *t, uint32_t from,
                                                 uint32_t op, struct op_result *out)
{
    uint64_t key = edge_key(from, op);
    const struct edge *e = edge_of(&t->edges, key);
    if (!e->key)
        return columns_work_out(c, from, op, out);
    *out = e->result;
    return AT_OK;
}

#endif
