/*
 * tally_private.h: what the files of the tally share. Strings become numbers where they come in (tally_names.c); all
 * counting is done with numbers.
 */
#ifndef AUTHTAPE_TALLY_PRIVATE_H
#define AUTHTAPE_TALLY_PRIVATE_H

#include "analysis/pending.h"
#include "analysis/tally.h"

#define NAMES_MAX (1u << 16) /* different strings of a dimension; what comes later counts as REST */
#define REST AT_STR("(others)")
#define NOWHERE                                                                                                        \
    {                                                                                                                  \
        NO_ID, NO_ID, NO_ID, NO_ID, NO_ID, NO_ID                                                                       \
    }

#define BONDS_KEPT 16

/* Where an event comes from. */
struct who {
    uint32_t app, platform, key; /* platform: NO_ID where there is none */
    uint32_t stream_at;          /* in the view's names */
    size_t stream_len;
    uint64_t stream_hash;
    uint32_t bond[BONDS_KEPT]; /* of the key, by scope; NO_ID: not looked up yet */
};

#define WORDINGS_KEPT 4

/* What an event is, as far as all events of its shape are alike. */
struct what {
    enum at_kind kind;
    uint32_t scopes; /* a list: of a call, those that it is about; else the one that the event names */
    uint32_t api;    /* call */
    bool authorizes; /* call */
    bool names_call; /* prompt */
    bool known;      /* return: the profile's table has the wording */
    bool granted;    /* settings */
    enum at_answer answer;
    enum at_class cls;
    uint32_t err_msg, named; /* return: text, and the API that it names */
    struct {
        uint32_t platform, api, id; /* of a wording, to find it without looking it up; id: number + 1 */
    } wordings[WORDINGS_KEPT];
};

/* The cells of a place, one in each grouping. */
struct spot {
    uint32_t cell[GROUPINGS_MAX];
};

/* A decision that names no scope while no prompt is known to be up: the checker may tell which. */
struct stray {
    struct place at;
    uint64_t index;
    uint32_t next; /* the one of the same key before it, or of the free list */
    enum at_answer answer;
    bool placed, told; /* its scope is known; the checker has told of the decision itself */
};

/* A denied call whose answer was just counted: the checker will say why it was denied. */
struct denial {
    uint64_t index; /* of the answer */
    uint64_t called;
    uint32_t bond;
    struct spot spot;
};

struct wording_key {
    uint32_t platform, api, err_msg, cls, known;
};

/* A call of the segment at hand, by its number there. */
struct open_call {
    struct made_call made;
    uint32_t source;
    struct at_str call;
    enum { CALL_NONE, CALL_OPEN, CALL_SPILLED } state;
    uint32_t pending; /* spilled: its number in `pending` */
};

/* What the numbers of a recording's segment mean. */
struct view {
    bool begun;
    uint64_t segment;
    struct who *who;
    struct at_buf names; /* of the streams */
    struct what *what;
    struct open_call *calls;
    size_t n_who, who_cap, n_what, what_cap, n_calls, calls_cap;
    size_t spilled; /* of the calls with a number below, none is open here */
};

struct tally {
    const struct at_profile *profile;
    struct at_intern *names[DIM_STRINGS];
    struct at_intern *keys; /* of a key: the number of its app, then the user's name */
    struct at_intern *shapes, *wordings, *lists;
    struct what *what; /* by number of the shape */
    size_t n_what, what_cap;
    struct what odd;         /* the shape at hand when there are too many to keep */
    struct at_buf shape_key; /* the shape being looked for, as bytes */
    uint32_t *scopes;        /* the lists one after the other: a count, then as many scopes */
    uint32_t *list_at;       /* where a list begins, by its number in `lists` */
    size_t n_scopes, scopes_cap, n_lists, lists_cap;
    uint32_t *scratch; /* the list being made */
    size_t n_scratch, scratch_cap;
    uint64_t *wording_counts;
    size_t n_wordings, wordings_cap;
    struct view *views; /* by input */
    size_t n_views, views_cap;
    struct bonds bonds;
    struct pending pending;
    struct stray *strays;
    size_t n_strays, strays_cap;
    uint32_t free_stray;                 /* number + 1 */
    struct denial *denials;              /* of the events at hand, in the order of their answers */
    size_t n_denials, denials_cap, told; /* told: where the checker's latest was */
    struct cells cells[GROUPINGS_MAX];   /* by scope; by what was asked for */
    size_t n_cells;
    struct cells lone; /* calls whose scope was never asked for */
    struct tally_totals totals;
    const struct tally_tap *tap; /* NULL: nobody watches */
    const struct happening *now; /* the event at hand, NULL at the end */
    int64_t took_us;             /* since the prompt of the answer at hand, -1: not known */
    uint64_t *user_names; /* of parts that tell them: hashes, ascending */
    size_t n_user_names;
};

/* An event in the tally's numbers. */
struct happening {
    struct view *view;
    struct who *who;
    struct what *what;
    struct at_str call; /* absent where there is none */
    uint32_t call_ref;  /* its number in the segment, or AT_NO_CALL */
    int64_t t_us;
    uint64_t index;
};

/* tally_names.c: strings to numbers. */
AT_MUST_USE enum at_err name_id(struct tally *t, enum report_dim dim, struct at_str s, uint32_t *out);
AT_MUST_USE enum at_err scope_id(struct tally *t, struct at_str name, uint32_t *out);
AT_MUST_USE enum at_err key_id(struct tally *t, struct at_str app, struct at_str user, uint32_t *app_id, uint32_t *out);
uint32_t app_of_key(const struct tally *t, uint32_t key);
/* Makes the numbers of a source; the stream is left out. */
AT_MUST_USE enum at_err who_of(struct tally *t, const struct at_tape_source *s, struct who *out);
/* How many users there are, over all apps. */
AT_MUST_USE enum at_err count_users(const struct tally *t, uint64_t *out);
/* The shape of an event. Valid until the next one is asked for. */
AT_MUST_USE enum at_err what_of(struct tally *t, const struct at_event *ev, struct what **out);
AT_MUST_USE enum at_err count_wording(struct tally *t, const struct wording_key *key, uint64_t count, uint32_t *id);

/* tally_batch.c: calls that wait, by their numbers in a segment or by their ids. */
AT_MUST_USE enum at_err calls_add(struct tally *t, const struct happening *h, const struct made_call *made);
/* The open call with the number of the event's; false where there is none. */
bool calls_take(struct tally *t, const struct happening *h, struct made_call *out);
/* The one with the event's id among those that have no number any more. */
bool calls_take_named(struct tally *t, const struct happening *h, struct made_call *out);
/* The call that the event answers, taken out. */
AT_MUST_USE enum at_err calls_answered(struct tally *t, const struct happening *h, bool *known, struct made_call *out);
/* The API of the open call that the event names; unchanged where there is none. */
AT_MUST_USE enum at_err calls_api(struct tally *t, const struct happening *h, uint32_t *api);
/* Makes all open calls of the view known by their ids. */
AT_MUST_USE enum at_err calls_spill(struct tally *t, struct view *v);

/* tally_count.c: adding up. */
AT_MUST_USE enum at_err count_happening(struct tally *t, const struct happening *h);
AT_MUST_USE enum at_err locate(struct tally *t, const struct place *where, struct spot *out);
#define COUNT(t, spot, member) count_one(t, spot, offsetof(struct counts, member))
void count_one(struct tally *t, const struct spot *spot, size_t offset);
/* The user of the bond is marked in the cells of the spot. */
AT_MUST_USE enum at_err mark_user(struct tally *t, const struct spot *spot, uint32_t bond, enum user_mark mark);
AT_MUST_USE enum at_err mark_silenced(struct tally *t, const struct spot *spot, uint32_t bond);
/* The bond of the source's user and a scope; looked up once for each source. */
AT_MUST_USE enum at_err bond_of(struct tally *t, struct who *who, uint32_t scope, uint32_t *out);
/* The same for whoever was asked, and what came of it. `order`: bonds.h. */
AT_MUST_USE enum at_err mark_asked(struct tally *t, const struct spot *spot, uint32_t bond);
AT_MUST_USE enum at_err mark_outcome(struct tally *t, const struct spot *spot, uint32_t bond, bool granted,
                                     uint64_t order, int64_t t_us);
AT_MUST_USE enum at_err count_answer(struct tally *t, const struct place *where, uint32_t key, enum at_answer answer,
                                     uint64_t order);
AT_MUST_USE enum at_err count_flip(struct tally *t, const struct place *where, uint32_t key, bool granted,
                                   uint64_t order, bool inferred);

/* tally_tap.c: facts to who watches. */
AT_MUST_USE enum at_err tap_call(const struct tally *t, const struct made_call *c, const struct place *at, unsigned cls,
                                 uint64_t index, int64_t t_us);
AT_MUST_USE enum at_err tap_prompt(const struct tally *t, const struct place *at, uint64_t order, bool inferred);
AT_MUST_USE enum at_err tap_answer(const struct tally *t, const struct place *at, uint32_t key, enum at_answer answer,
                                   uint64_t order);
AT_MUST_USE enum at_err tap_flip(const struct tally *t, const struct place *at, uint32_t key, bool granted,
                                 uint64_t order, bool inferred);
AT_MUST_USE enum at_err tap_denial(const struct tally *t, const struct at_settled *s);

/* tally_verdict.c. A decision that the checker may have to say more about; with its scope where it is known. */
AT_MUST_USE enum at_err add_stray(struct tally *t, const struct place *at, uint64_t index, enum at_answer answer);

#endif
