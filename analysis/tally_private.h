/*
 * tally_private.h: what the files of the tally share. Strings become numbers where they come in (tally_names.c); all
 * counting is done with numbers.
 */
#ifndef AUTHTAPE_TALLY_PRIVATE_H
#define AUTHTAPE_TALLY_PRIVATE_H

#include <string.h>

#include "analysis/pending.h"
#include "analysis/tally.h"

#define NAMES_MAX (1u << 16) /* different strings of a dimension; what comes later counts as REST */
#define REST AT_STR("(others)")
#define NOWHERE                                                                                                        \
    {                                                                                                                  \
        NO_ID, NO_ID, NO_ID, NO_ID, NO_ID, NO_ID                                                                       \
    }

#define DENIALS_MAX (1u << 20) /* that wait for a late verdict */

/* The number of a string of the segment, by its place in memory. */
#define TEXTS_KNOWN 64
struct known_text {
    const char *ptr;
    size_t len;
    enum report_dim dim;
    uint32_t id;
};

/* Where an event comes from. */
struct who {
    uint32_t app, platform, key; /* platform: NO_ID where there is none */
    struct key_links *links;     /* of the key */
    uint64_t stream_hash;
};
/* Of a source, too, but hardly ever looked at: where its stream is in the view's names. */
struct stream_place {
    size_t at, len;
};

#define WORDINGS_KEPT 4

/* What an event is, as far as all events of its shape are alike. */
struct what {
    enum at_kind kind;
    uint32_t scopes;  /* a list: of a call, those that it is about; else the one that the event names */
    uint32_t scope;   /* the first of the list, NO_ID: it is empty */
    uint32_t api;     /* call */
    uint8_t rank;     /* where the list is one scope: its place in the profile, or NO_RANK */
    uint8_t near;     /* where the bond of the first scope is in a key's `near`; 0 where it is not */
    bool several;     /* the list is longer */
    bool authorizes;  /* call */
    bool reads;       /* call: of the settings */
    bool names_call;  /* prompt */
    bool known;       /* return: the profile's table has the wording */
    bool lists;       /* return, settings-page: it has an authSetting */
    bool granted;     /* settings */
    bool fresh;       /* start */
    uint8_t observes; /* start: mask of 1u << enum at_sight */
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
    uint32_t next;  /* the one of the same key before it, or of the free list */
    uint32_t place; /* how many of the key there are with it */
    enum at_answer answer;
    bool placed, told; /* its scope is known; the checker has told of the decision itself */
};

/* A denied call whose answer was counted: the checker will say why it was denied. */
struct denial {
    uint64_t index; /* of the answer */
    uint64_t called;
    uint32_t bond;
    struct spot spot;
};

/* The cells of places that were asked for before, by a hash of what counts of the place. */
#define SPOT_BITS 8
#define NO_HOUR INT64_MIN
struct known_spot {
    uint64_t ids[DIM_STRINGS / 2];
    int64_t hour; /* NO_HOUR: there is none here */
    struct spot spot;
};

struct wording_key {
    uint32_t platform, api, err_msg, cls, known;
};

/* An open call of the segment at hand. */
struct open_call {
    uint64_t index; /* of the event */
    int64_t t_us;
    struct at_str call;
    uint32_t source, shape;
    union {
        uint32_t bond;      /* of the first scope; NO_ID: it has none */
        uint32_t next_free; /* of a place where there is no call any more: place + 1 */
    };
    uint32_t pending; /* CALL_OPEN, or CALL_SPILLED and its number in `pending` */
};
enum { CALL_OPEN, CALL_SPILLED };

/* A list of scopes that settings are shown as. */
struct known_list {
    uint32_t shorter, n; /* as of struct at_scope_list */
    uint32_t scope;      /* the last one: the bit of its place in the profile; 0 where plain.h does not look at it */
};

/* What the numbers of a recording's segment mean. */
struct view {
    bool begun;
    uint64_t segment;
    struct who *who;
    struct stream_place *streams;
    struct at_buf names; /* of the streams */
    struct what *what;
    struct known_list *lists;
    struct open_call *calls; /* in places that are used again: few calls are open at a time */
    uint32_t *place_of;      /* of a call by its number: its place + 1; 0: it is not open */
    uint32_t free_call;      /* place + 1; 0: none */
    size_t n_who, who_cap, streams_cap, n_what, what_cap, n_lists, lists_cap, n_calls, calls_cap;
    size_t n_refs, refs_cap;
    size_t spilled; /* of the calls with a number below, none is CALL_OPEN */
    struct known_text texts[TEXTS_KNOWN];
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
    struct at_buf user_keys; /* likewise users */
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
    bool asks_late;                      /* the checker is asked when all is read, and about odd keys only (plain.h) */
    bool gives_up;                       /* and that will not do */
    struct plain_rules plain;
    uint64_t odd_events; /* of odd keys */
    struct known_spot spots[1 << SPOT_BITS];
    uint64_t spot_masks[DIM_STRINGS / 2]; /* what of a place any grouping looks at */
    bool spot_times;
    int64_t hour_us, hour;             /* the hour looked at last: its beginning; since the epoch */
    struct cells cells[GROUPINGS_MAX]; /* by scope; by what was asked for */
    size_t n_cells, first_cells;       /* groupings before the first are left out */
    bool no_answer_times;              /* they are left out */
    struct cells lone;                 /* calls whose scope was never asked for */
    struct tally_totals totals;
    const struct tally_tap *tap; /* NULL: nobody watches */
    const struct happening *now; /* the event at hand, NULL at the end */
    int64_t took_us;             /* since the prompt of the answer at hand, -1: not known */
    uint64_t *user_names;        /* of parts that tell them: hashes, ascending */
    size_t n_user_names;
};

/* An event in the tally's numbers. */
struct happening {
    struct view *view;
    struct who *who;
    struct what *what;
    struct key_links *key;
    const struct at_tape_batch *batch;
    size_t i; /* of the batch */
    int64_t t_us;
    uint64_t index;
};

static inline uint64_t order_of(const struct happening *h)
{
    return h->index + 1;
}

/* tally_names.c: strings to numbers. */
AT_MUST_USE enum at_err name_id(struct tally *t, enum report_dim dim, struct at_str s, uint32_t *out);
AT_MUST_USE enum at_err scope_id(struct tally *t, struct at_str name, uint32_t *out);
AT_MUST_USE enum at_err key_id(struct tally *t, struct at_str app, struct at_str user, uint32_t *app_id, uint32_t *out);
uint32_t app_of_key(const struct tally *t, uint32_t key);
/* Makes the numbers of some sources, at most SOURCES_AT_ONCE; their streams are left out. */
#define SOURCES_AT_ONCE 16
AT_MUST_USE enum at_err who_of(struct tally *t, struct view *v, const struct at_tape_source *s, size_t n,
                               struct who *out);
/* How many users there are, over all apps. */
AT_MUST_USE enum at_err count_users(const struct tally *t, uint64_t *out);
/* The place of a scope in the profile, NO_RANK where it has none. `name` belongs to the segment. */
uint8_t rank_of(const struct tally *t, struct view *v, struct at_str name);
/* The shape of an event. Valid until the next one is asked for. */
AT_MUST_USE enum at_err what_of(struct tally *t, const struct at_event *ev, struct what **out);
AT_MUST_USE enum at_err count_wording(struct tally *t, const struct wording_key *key, uint64_t count, uint32_t *id);

/* The stream of a source. Valid as long as the segment is. */
static inline struct at_str stream_of(const struct view *v, const struct who *who)
{
    const struct stream_place *s = &v->streams[who - v->who];
    return (struct at_str){v->names.ptr + s->at, s->len};
}

/* tally_calls.c: calls that wait, by their numbers in a segment or by their ids. */
/* The call with the number; NULL where it is not open. */
static inline struct open_call *numbered_call(const struct view *v, uint32_t ref)
{
    uint32_t at = ref < v->n_refs ? v->place_of[ref] : 0;
    return at ? &v->calls[at - 1] : NULL;
}
/* The number has no open call any more. */
static inline void calls_drop(struct view *v, uint32_t ref)
{
    uint32_t at = v->place_of[ref];
    v->place_of[ref] = 0;
    v->calls[at - 1].next_free = v->free_call;
    v->free_call = at;
}
/* Field by field: a whole that was just put together from parts is slow to copy. */
static inline void fill_call(const struct happening *h, uint32_t bond, struct open_call *out)
{
    out->index = h->index;
    out->t_us = h->t_us;
    out->call = h->batch->call[h->i];
    out->source = h->batch->source[h->i];
    out->shape = h->batch->shape[h->i];
    out->bond = bond;
    out->pending = CALL_OPEN;
}
AT_MUST_USE enum at_err calls_add_any(struct tally *t, const struct happening *h, uint32_t bond);
AT_MUST_USE static inline enum at_err calls_add(struct tally *t, const struct happening *h, uint32_t bond)
{
    struct view *v = h->view;
    uint32_t at = v->free_call;
    if (h->batch->call_ref[h->i] != v->n_refs || v->n_refs == v->refs_cap || !at)
        return calls_add_any(t, h, bond);
    v->place_of[v->n_refs++] = at; /* the next one of the segment, as most are */
    v->free_call = v->calls[at - 1].next_free;
    fill_call(h, bond, &v->calls[at - 1]);
    return AT_OK;
}
/* The open call that a new one with the same number or id puts an end to; false where there is none. */
bool calls_supersede_any(struct tally *t, const struct happening *h, struct made_call *out);
static inline bool calls_supersede(struct tally *t, const struct happening *h, struct made_call *out)
{
    bool may_be =
        numbered_call(h->view, h->batch->call_ref[h->i]) || pending_may_have(&t->pending, h->who->stream_hash);
    return may_be && calls_supersede_any(t, h, out);
}
static inline void make_made(const struct view *v, const struct open_call *c, struct made_call *out)
{
    const struct who *who = &v->who[c->source];
    const struct what *what = &v->what[c->shape];
    out->index = c->index;
    out->t_us = c->t_us;
    out->key = who->key;
    out->app = who->app;
    out->platform = who->platform;
    out->api = what->api;
    out->scopes = what->scopes;
    out->bond = c->bond;
    out->rank = what->rank;
    out->reads = what->reads;
}
/* The call that the event answers, taken out. */
AT_MUST_USE enum at_err calls_answered_any(struct tally *t, const struct happening *h, bool *known,
                                           struct made_call *out);
AT_MUST_USE static inline enum at_err calls_answered(struct tally *t, const struct happening *h, bool *known,
                                                     struct made_call *out)
{
    uint32_t ref = h->batch->call_ref[h->i];
    const struct open_call *c = numbered_call(h->view, ref);
    if (!c || c->pending != CALL_OPEN)
        return calls_answered_any(t, h, known, out);
    make_made(h->view, c, out);
    *known = true;
    calls_drop(h->view, ref);
    return AT_OK;
}
/* The open call that the event names, which stays; false where there is none. */
AT_MUST_USE enum at_err calls_named(struct tally *t, const struct happening *h, bool *known, struct made_call *out);
/* Makes all open calls of the view known by their ids. */
AT_MUST_USE enum at_err calls_spill(struct tally *t, struct view *v);

/* tally_count.c. The events of a batch, one after another. */
AT_MUST_USE enum at_err count_batch(struct tally *t, struct view *v, const struct at_tape_batch *b, uint64_t first);
AT_MUST_USE enum at_err tally_close_unanswered(struct tally *t, const struct made_call *c);

/* tally_mark.c: adding up. */
AT_MUST_USE enum at_err locate_anew(struct tally *t, const struct place *where, struct known_spot *known);
int64_t hour_anew(struct tally *t, int64_t t_us);
#define US_PER_HOUR INT64_C(3600000000)
/* Where something counts. Most things happen where others did, in the same cells of all groupings. */
AT_MUST_USE static inline enum at_err locate(struct tally *t, const struct place *where, struct spot *out)
{
    const uint64_t odd[] = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xc2b2ae3d27d4eb4f), UINT64_C(0x165667b19e3779f9)};
    bool same_hour = t->hour_us <= where->t_us && where->t_us < t->hour_us + US_PER_HOUR;
    int64_t hour = !t->spot_times ? 0 : same_hour ? t->hour : hour_anew(t, where->t_us);
    uint64_t ids[DIM_STRINGS / 2], hash = (uint64_t)hour * odd[0];
    for (size_t i = 0; i < DIM_STRINGS / 2; i++) { /* by halves: they were just written so */
        ids[i] = ((uint64_t)where->id[2 * i + 1] << 32 | where->id[2 * i]) & t->spot_masks[i];
        hash += ids[i] * odd[i];
    }
    struct known_spot *known = &t->spots[hash >> (64 - SPOT_BITS)];
    enum at_err err = AT_OK;
    if (known->hour != hour || ((known->ids[0] ^ ids[0]) | (known->ids[1] ^ ids[1]) | (known->ids[2] ^ ids[2]))) {
        err = locate_anew(t, where, known);
        memcpy(known->ids, ids, sizeof ids);
        known->hour = err ? NO_HOUR : hour;
    }
    *out = known->spot;
    return err;
}
/* The user of the bond is marked in the cells of the spot. `marks`: a mask of 1u << enum user_mark. */
AT_MUST_USE enum at_err mark_anew(struct tally *t, size_t g, uint32_t cell, uint32_t bond, unsigned marks,
                                  uint8_t *all);
AT_MUST_USE static inline enum at_err mark_user(struct tally *t, const struct spot *spot, uint32_t bond, unsigned marks)
{
    const struct bond *b = bond_at(&t->bonds, bond);
    enum at_err err = AT_OK;
    uint8_t all;
    for (size_t g = t->first_cells; g < t->n_cells && !err; g++)
        if (b->marked[g] != spot->cell[g] || (b->marks[g] & marks) != marks)
            err = mark_anew(t, g, spot->cell[g], bond, marks, &all);
    return err;
}
AT_MUST_USE enum at_err mark_silenced(struct tally *t, const struct spot *spot, uint32_t bond);
/* The same for whoever was asked, and what came of it. `order`: bonds.h. */
static inline void was_asked(struct tally *t, uint32_t bond)
{
    struct bond *b = bond_at(&t->bonds, bond);
    if (!b->plain.asked)
        bonds_drop_lones(&t->bonds, bond);
    b->plain.asked = true;
}
AT_MUST_USE static inline enum at_err mark_asked(struct tally *t, const struct spot *spot, uint32_t bond)
{
    was_asked(t, bond);
    return mark_user(t, spot, bond, 1u << USERS_ASKED);
}
AT_MUST_USE static inline enum at_err mark_outcome(struct tally *t, const struct spot *spot, uint32_t bond,
                                                   bool granted, uint64_t order, int64_t t_us)
{
    struct bond *b = bond_at(&t->bonds, bond);
    if (granted && order < b->granted_order)
        b->granted_order = order;
    if (!granted && order < b->denied_order) {
        b->denied_order = order;
        b->denied_us = t_us;
    }
    was_asked(t, bond);
    return mark_user(t, spot, bond, 1u << USERS_ASKED | 1u << (granted ? USERS_GRANTED : USERS_DENIED));
}
AT_MUST_USE enum at_err count_answer_at(struct tally *t, const struct spot *spot, uint32_t bond, enum at_answer answer,
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

static inline struct counts *counts_at(const struct tally *t, const struct spot *spot, size_t g)
{
    return &t->cells[g].list[spot->cell[g]].counts;
}

#define COUNT(t, spot, member)                                                                                         \
    do {                                                                                                               \
        for (size_t g_ = (t)->first_cells; g_ < (t)->n_cells; g_++)                                                    \
            counts_at(t, spot, g_)->member++;                                                                          \
    } while (0)

/* tally_verdict.c. A decision that the checker may have to say more about; with its scope where it is known. */
AT_MUST_USE enum at_err add_stray(struct tally *t, const struct place *at, uint64_t index, enum at_answer answer);
/* Why a denied call of the bond was denied. */
AT_MUST_USE enum at_err count_denial(struct tally *t, const struct spot *spot, uint32_t bond, enum at_via via);

#endif
