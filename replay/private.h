/*
 * private.h: the checker's parts among themselves.
 *
 * What the checker keeps, and why its verdicts are exact (SPEC sections 4 and 8)
 * -----------------------------------------------------------------------------
 * A configuration of a key gives every scope a state and every open call a status. Silent steps of different scopes
 * do not touch each other (R11), so the set of configurations that a key can be in is a product of one set a scope
 * (cset.h), as long as nothing happens to several scopes at one instant. Three things do: a reset, a snapshot, and the
 * closing or opening of the quiet window by a prompt that was seen on the tape. They are *barriers*. Between two events
 * of a key a run is a sequence of barriers with independent silent steps between them; for a given sequence what can
 * be reached is a product again. So the checker keeps a list of *branches*, each a product, one for every sequence of
 * barriers that makes a difference:
 *
 *   - a snapshot that an open getSetting or openSetting may take now: the branch where it was taken notes in every row
 *     the state that was seen, so that what was seen and what came of it stay together;
 *   - a hidden reset now (in a quiet window, with no seen prompt up);
 *   - a hidden decision of a prompt that was seen, which opens the window again. So in one branch a seen prompt is up
 *     in all rows of its scope or in none.
 *
 * Soundness: every branch is made of steps that the machine allows, so an event that some branch explains is explained
 * by a run. Completeness: by induction over the events, every configuration of every run lies in some branch or is
 * dominated by one there: the closure applies silent steps to a fixpoint, barriers are tried from every branch to a
 * fixpoint, and only branches and rows go that another covers, which explains all that they could explain. Settling
 * early or late makes no difference to the state, so the outcomes that a call may have collected can be kept as a set
 * on one row. A branch never remembers when its last reset was, only what it left; so their number is bounded by what
 * is open and by the number of scopes, not by the length of the tape.
 *
 * What is done otherwise than it is told above, and why it comes to the same
 * -------------------------------------------------------------------------
 * Keys at rest are columns instead of branches (columns.h, lanes.h), and on those most events are one look-up
 * (quick.c):
 *
 *   - Silent steps are looked for right after an event, not only before the next one (close_early of columns.c).
 * Closing is monotone and idempotent: what a quiet window adds later, flips and resets, starts from a superset of what
 * it would have started from, inside the same closure. Where closing makes something less certain that was certain, it
 *     waits for the next event, as what is told of that depends on when it is.
 *   - An answer that every lane allows changes its one scope in all of them. Nothing is to be pruned as long as no lane
 *     covers another in the scope that moved that did not before (RESULT_COVERS): a lane covers another only where it
 *     does so in every scope.
 *   - A call that reads the settings needs no slots while no state can change (`waits` of struct key): observing
 * changes nothing, so all that it may have seen since it was made it may see at the last instant before its answer.
 * With the first event that may change a state, or that takes more than one look-up, it gets its slots; and a snapshot
 * taken then covers all that could have been taken before.
 *   - Where such a call has its slots and the snapshot that it might take now leads to nothing new, that is kept as a
 * mask
 *     (`snapshot_covered`), and only the scope that moved is looked at again.
 *
 * tests/unit/test_ways.c compares the two ways, the divergences, what is inferred and the totals, on recordings of
 * anything at all; tests/exhaustive compares both with the rules themselves.
 */
#ifndef AUTHTAPE_REPLAY_PRIVATE_H
#define AUTHTAPE_REPLAY_PRIVATE_H

#include <stddef.h>
#include <string.h>

#include "replay/room.h"
#include "replay/sets.h"

#define DEFAULT_GRACE_MS 30000u
#define DEFAULT_CONFIGURATIONS 20000u
#define BRANCHES_MAX 512u /* simulated recordings of which little or nothing was observed reach twenty */
#define SETS_BYTES (size_t)(64 * 1024 * 1024)
#define CALLS_MAX 150u     /* open calls of one key */
#define CALL_TEXT 16u      /* bytes of an id that most have room enough with */
#define LINE_BYTES 64u     /* of the cache */
#define FOREIGN_MAX 1024u  /* open calls of other shards that a stream remembers */
#define ANSWERED_MAX 4096u /* answered calls that a stream remembers, to know a second answer */

/* The calls of a stream that were answered (answers.c): ids that count are below `base`, or bits behind it. */
struct answered {
    uint64_t prefix; /* of the ids: a hash, 0: none yet */
    uint64_t base;
    uint64_t bits; /* base, base + 1, … */
    struct answered_more *more;
    uint64_t below; /* so many below base were answered without a gap */
};

/* A stream: a connection or a recorder. */
struct stream {
    struct answered answered;
    bool sharded;    /* `all` is used, and behind it stands, of each key, the event at hand when it was seen first */
    uint32_t n_keys; /* that were seen on it */
    union {
        struct key *one; /* n_keys 1 */
        struct key **all;
    } keys;
    int64_t last_us;
};
_Static_assert(sizeof(struct stream) == LINE_BYTES, "a stream is one line of the cache");

static inline struct key *const *stream_keys(const struct stream *st)
{
    return st->n_keys == 1 && !st->sharded ? &st->keys.one : st->keys.all;
}
/* There is room for a power of two of keys. */
static inline uint32_t stream_cap(uint32_t n_keys)
{
    uint32_t cap = 1;
    while (cap < n_keys)
        cap *= 2;
    return cap;
}
static inline uint64_t *stream_joined(const struct stream *st)
{
    return (uint64_t *)(void *)(st->keys.all + stream_cap(st->n_keys));
}

/* A call that was not answered yet. */
struct call {
    uint64_t hash; /* of the id */
    union {
        struct stream *stream;
        struct call *next; /* while it is spare memory */
    };
    struct at_str id;    /* in `text` */
    struct at_str api;   /* interned */
    uint64_t scopes;     /* mask of those that gate it */
    uint16_t api_number; /* 1 + the number of the word `api`; 0: it does not fit */
    uint8_t kind;        /* enum at_api_kind */
    bool spare;          /* a gap hides what became of it: any outcome is possible, it has no slots */
    bool over;           /* its stream ended */
    bool prompted;       /* a prompt of its scope was seen while it was open */
    uint8_t decided;     /* enum at_answer: the last decision seen on its scope while it was open, 0: none */
    struct at_place place;
    struct at_str platform; /* interned */
    uint64_t told;          /* while its key is folded: scopes of which a dismissal was told while it was open */
    char text[];
};
_Static_assert(offsetof(struct call, place) == LINE_BYTES, "what its answer looks at is one line of the cache");

static inline bool reads_settings(const struct call *c)
{
    return c->kind == AT_API_GET_SETTING || c->kind == AT_API_OPEN_SETTING;
}

/* A product of sets, one a scope. */
struct branch {
    uint64_t seen_up;    /* scopes whose prompt was seen on the tape and is up */
    uint64_t open_ended; /* scopes whose set is not closed under silent steps */
    uint32_t sets[];     /* numbers in at_checker.sets */
};

/* What is known for certain of a scope, and from which event: for witnesses and for inferred changes. */
struct known {
    uint8_t states;    /* mask; what the evidence `cause` leaves; 0: nothing is known */
    uint8_t ever;      /* mask of the states that were certain at some time */
    bool certain;      /* exactly one state, now */
    enum at_kind kind; /* of the cause */
    struct at_place cause;
    struct at_place sure;      /* the last place where `states` held for certain */
    struct at_str api;         /* interned; of a return */
    uint64_t dismissed_before; /* event that told of the last inferred dismissal */
};

/* A place in 16 bytes: 40 bits of event and packet, 48 of the time since at_checker.base_us. Zero is zero. */
struct packed_place {
    uint64_t event, packet; /* the lower 40 bits; above them 24 bits of the time */
};

/* What is known of a scope at rest, besides what its column has of it. */
struct note {
    struct packed_place cause, sure; /* as in struct known */
};

/*
 * A user. Where it stands still it is *folded* (lanes.h), which is what most of the memory is for: then two lines of
 * the cache and, behind them, a column, a note and the API of its cause for each scope (key_columns and so on). Else
 * branches, and struct known, are in their place.
 */
struct key {
    struct at_place last; /* its last event */
    struct call *
        *calls; /* open, in the order in which they were made: `one_call`, or an array, and the tags behind it */
    uint64_t open_ended; /* folded: scopes that an event touched since silent steps were looked for last */
    uint64_t fresh;      /* folded: scopes whose state is certain since the last event: `sure` is not up to date */
    uint8_t n_calls, cap_calls;
    uint8_t n_reading;  /* folded: of them: read the settings, and have slots or wait for them; */
    uint8_t n_pages;    /* and are openSetting */
    uint8_t lanes;      /* folded: branches */
    uint8_t seen_lanes; /* folded: mask of those where a prompt was seen and is up */
    /*
     * A hidden snapshot from the one lane in which the one call that reads the settings has not read them: the lanes
     * that cover what it would lead to, 0: not known.
     */
    uint8_t snapshot_covered, snapshot_lane;
    uint8_t observes; /* mask of 1u << enum at_sight */
    bool begun, inconclusive, folded;
    bool calm;           /* nothing is left to be done before the next event, if no quiet window lies before it */
    bool spare_settings; /* an openSetting without slots is open */
    /*
     * Its one call that reads the settings has no slots: there is one lane, and since then only calls were made and
     * answered, in no quiet window, while no prompt could come up or be answered unseen. So no state has changed, and
     * what the call may have seen at any time it may see at the last instant before its answer.
     */
    bool waits;
    bool moved;               /* silent steps were looked for while folded: what is certain was so until `moved_at` */
    struct at_place moved_at; /* starts the second line */
    uint64_t first;           /* number of its first event */
    uint64_t spare_scopes;    /* scopes with an open call that has no slot */
    uint32_t one_tag;
    bool told;  /* folded: `told` of an open call may be something */
    bool ended; /* its stream ended after `before_end`; silent steps were not looked for since */
    union {
        struct packed_place before_end; /* no call is open then */
        struct call *one_call;          /* with `one_tag`: room for a single one, which is what most have */
    };
    /* While it is not folded: */
    struct branch **branches;
    uint32_t n_branches, cap_branches;
    struct known *known; /* per scope */
};
#define KEY_HEAD_BYTES offsetof(struct key, branches)
_Static_assert(KEY_HEAD_BYTES == 2 * LINE_BYTES && offsetof(struct key, moved_at) == LINE_BYTES, "lines of the cache");

/* While it is folded, per scope: */
static inline uint32_t *key_columns(const struct key *k)
{
    return (uint32_t *)(uintptr_t)((const char *)k + KEY_HEAD_BYTES);
}
static inline uint16_t *key_apis(const struct key *k, size_t n_scopes) /* 1 + the number of the word, 0: none */
{
    return (uint16_t *)(void *)(key_columns(k) + n_scopes);
}
static inline struct note *key_notes(const struct key *k, size_t n_scopes)
{
    return (struct note *)(void *)((char *)(void *)key_columns(k) + (n_scopes * 6 + 7) / 8 * 8);
}

/*
 * A call in 32 bits: of the hash of its id the upper 24, and the one scope that it has a slot in, or what else it is.
 * Most questions about open calls are answered without looking at them.
 */
enum { TAG_NO_SLOT = 0xff, TAG_READS = 0xfe, TAG_SEVERAL = 0xfd };
static inline uint32_t *call_tags(const struct key *k)
{
    return k->cap_calls == 1 ? (uint32_t *)(uintptr_t)&k->one_tag : (uint32_t *)(void *)(k->calls + k->cap_calls);
}

struct happening;

struct at_checker {
    const struct at_profile *profile;
    struct at_check_options options;
    struct at_check_sink sink;
    struct at_intern *words;                 /* platforms, apis */
    struct at_intern *hinted;                /* unknown scopes that a hint was given for */
    struct room room;                        /* keys and streams, each behind its name, and calls */
    struct at_slots key_slots, stream_slots; /* by name: numbers in `room` */
    struct at_slots members;                 /* of streams with many keys: see stream_has_key */
    struct key **keys;                       /* in the order in which they were seen first */
    struct stream **streams;
    uint32_t cap_keys, n_streams, cap_streams;
    struct at_check_totals totals;
    bool saw_login, saw_user_info;
    struct call *spare_calls; /* memory for CALL_TEXT bytes of text each */
    struct set_table *sets;
    struct column_table *columns;
    uint32_t starts[16][2]
                   [2];  /* columns after a start: what it observes, fresh, the scope prompts; UINT32_MAX: unknown */
    uint32_t begins[2];  /* columns of a new key: the scope prompts; likewise */
    struct views *views; /* what at_checker_batch has looked up */
    int64_t base_us;     /* of packed places: long before the first event */
    uint64_t quiet_us;   /* least length of a quiet window */
    uint64_t order;      /* number of the event at hand; at the end: of the first one of the key at hand */
    uint64_t of_stream;  /* see struct at_check_order */
    uint8_t phase;
    size_t collect_at;     /* sets are collected when they take this many bytes */
    size_t only_scope;     /* 1 + the one scope that listings are read for (weak.h), 0: all */
    struct at_buf text[4]; /* a name; observed, explanation and witness of the divergence at hand */
};

#define PLACE_BITS 40u
#define PLACE_TIME_BITS 48u
/* The time of a place, as it is packed. */
static inline uint64_t place_time(const struct at_checker *c, struct at_place at)
{
    return (uint64_t)at.t_us - (uint64_t)c->base_us;
}
/* Whether a place can be packed: a key with others stays on branches. */
static inline bool place_packs(const struct at_checker *c, struct at_place at)
{
    return !((at.event | at.packet) >> PLACE_BITS) &&
           (!(place_time(c, at) >> PLACE_TIME_BITS) || !(at.event | at.packet | (uint64_t)at.t_us));
}
static inline struct packed_place place_pack(const struct at_checker *c, struct at_place at)
{
    uint64_t t = place_time(c, at);
    if (!(at.event | at.packet | (uint64_t)at.t_us))
        return (struct packed_place){0, 0};
    return (struct packed_place){at.event | t << PLACE_BITS, at.packet | t >> (64 - PLACE_BITS) << PLACE_BITS};
}
static inline uint64_t place_event(struct packed_place p)
{
    return p.event & ((UINT64_C(1) << PLACE_BITS) - 1);
}
static inline struct at_place place_unpack(const struct at_checker *c, struct packed_place p)
{
    uint64_t t = p.event >> PLACE_BITS | p.packet >> PLACE_BITS << (64 - PLACE_BITS);
    if (!(p.event | p.packet))
        return (struct at_place){0};
    return (struct at_place){.event = place_event(p),
                             .t_us = (int64_t)((uint64_t)c->base_us + t),
                             .packet = p.packet & ((UINT64_C(1) << PLACE_BITS) - 1)};
}

/* ---- checker.c, batch.c ---- */

/* One event of a key that is not inconclusive. */
AT_MUST_USE enum at_err check(struct at_checker *c, struct key *k, struct stream *st, struct happening *h);
/* Whether another shard has the key. */
static inline bool is_foreign(const struct at_checker *c, struct at_str app, struct at_str user)
{
    return c->options.shard.of > 1 && !at_shard_has(c->options.shard, at_key_hash(app, user));
}
/* What an event of another shard's key does to a stream, and so to keys of this one. */
AT_MUST_USE enum at_err check_foreign(struct at_checker *c, struct stream *st, const struct at_event *ev,
                                      struct at_place at);
void views_free(struct views **views);
/* Some events of a batch. */
struct share {
    const uint32_t *order; /* their numbers, rising */
    size_t n;
};
/* at_checker_batch of a share; NULL: all of it. */
AT_MUST_USE enum at_err check_batch(struct at_checker *c, const struct at_tape_batch *b, uint64_t first,
                                    const struct at_whole_events *whole, const struct share *share);

static inline bool hidden(const struct at_checker *c, const struct key *k, enum at_sight what)
{
    return !c->options.strict && !(k->observes & 1u << what);
}

/* ---- branch.c ---- */

/* Sets every scope of every branch to the states of mask `states`; calls keep what they have collected. */
AT_MUST_USE enum at_err key_forget(struct at_checker *c, struct key *k, uint8_t states);
/* One branch without slots in which everything is possible; with `maybe_up` a prompt may be up as well. */
AT_MUST_USE enum at_err key_restart(struct at_checker *c, struct key *k, bool maybe_up);
/* The set that `a` makes of scope `s` of branch `b`. */
AT_MUST_USE enum at_err branch_step(struct at_checker *c, const struct key *k, const struct branch *b, size_t s,
                                    const struct step *a, uint32_t *to);
/* Whether scope `s` of branch `b` has a row that fulfils the precondition of `a`. */
bool branch_allows(struct at_checker *c, const struct key *k, const struct branch *b, size_t s, const struct step *a);
/* Applies `a` to scope `s`: rows that do not fulfil its precondition go, the others change. */
AT_MUST_USE enum at_err branch_apply(struct at_checker *c, const struct key *k, struct branch *b, size_t s,
                                     const struct step *a);
/* The caller frees it, or gives it to key_add_branch. */
AT_MUST_USE enum at_err branch_copy(struct at_checker *c, const struct key *k, const struct branch *b,
                                    struct branch **out);
/* Whether an open call that reads the settings has read them, in this branch. */
bool branch_has_seen(const struct at_checker *c, const struct key *k, const struct branch *b, uint32_t call);
AT_MUST_USE enum at_err key_add_branch(struct key *k, struct branch *b); /* takes it */
/* Removes and frees branch number i; the order of the others may change. */
void key_drop_branch(struct key *k, uint32_t i);
/* Whether the time since the last event of the key is a quiet window, in which something can happen unseen. */
static inline bool key_was_quiet(const struct at_checker *c, const struct key *k, int64_t t_us)
{
    uint64_t length_us = t_us > k->last.t_us ? (uint64_t)t_us - (uint64_t)k->last.t_us : 0;
    return length_us >= c->quiet_us && k->begun && (hidden(c, k, AT_SEES_SETTINGS) || hidden(c, k, AT_SEES_RESETS));
}
/* Everything that can happen silently between the last event of the key and one at `t_us`. */
AT_MUST_USE enum at_err key_advance(struct at_checker *c, struct key *k, int64_t t_us);
/* Drops branches that others cover. */
void key_prune(struct at_checker *c, struct key *k);
/* The slot of call number `i` in scope `s`. */
static inline bool has_slot(const struct call *call, size_t s)
{
    return !call->spare && (reads_settings(call) || (call->scopes >> s & 1));
}
/* Those that read the settings have the first ones: what is asked for most does not depend on when they were made. */
static inline uint8_t slot_of(const struct key *k, uint32_t i, size_t s)
{
    bool reads = reads_settings(k->calls[i]);
    unsigned slot = 0;
    for (uint32_t j = 0; j < k->n_calls; j++)
        slot += has_slot(k->calls[j], s) && (reads_settings(k->calls[j]) ? !reads || j < i : !reads && j < i);
    return (uint8_t)slot;
}
uint8_t key_states(const struct at_checker *c, const struct key *k, size_t s); /* over all branches */
bool key_any_up(const struct at_checker *c, const struct key *k, size_t s);
bool key_seen_up(const struct key *k, size_t s); /* in any branch */

/* ---- keys.c ---- */

/* Who it is; views that live as long as the checker. */
struct at_str key_app(const struct key *k);
struct at_str key_user(const struct key *k);
static inline struct at_str stream_name(const struct stream *st)
{
    return room_name(st);
}
/* Gives back all that the search of a key holds. */
void key_free_search(struct at_checker *c, struct key *k);
/* A view of the word that lives as long as the checker. */
AT_MUST_USE enum at_err intern_word(struct at_checker *c, struct at_str word, struct at_str *out);
/* 1 + its number, 0 where it has none. False: it does not fit. */
bool word_number(const struct at_checker *c, struct at_str word, uint16_t *out);
/* The number of the next thing whose name has the hash; `at` is 0 at first. AT_SLOT_FREE: there is none any more. */
static inline uint32_t slots_next(const struct at_slots *s, uint32_t hash, uint32_t *at)
{
    while (*at < s->n) {
        const struct at_slot *slot = &s->at[(hash + (*at)++) & (s->n - 1)];
        if (slot->id == AT_SLOT_FREE || slot->hash == hash)
            return slot->id;
    }
    return AT_SLOT_FREE;
}
uint32_t key_hash(const struct at_checker *c, const struct at_tape_source *who);
bool key_is(const struct at_checker *c, const struct key *k, const struct at_tape_source *who);
uint32_t stream_hash(struct at_str name);
/* The key and the stream of an event at `t_us`, made when they are new. */
AT_MUST_USE enum at_err find_key(struct at_checker *c, const struct at_tape_source *who, int64_t t_us,
                                 struct key **out);
AT_MUST_USE enum at_err find_stream(struct at_checker *c, struct at_str name, int64_t t_us, struct stream **out);
AT_MUST_USE enum at_err stream_add_key(struct at_checker *c, struct stream *st, struct key *k);
void stream_free_keys(struct stream *st);
/* The stream, where one of the checker's own keys was seen on it; NULL elsewhere. */
struct stream *own_stream(const struct at_checker *c, struct at_str name);
/* Most ids are short: their hash is the id, and no two have the same. */
#define SHORT_ID 7u
static inline uint64_t id_hash(struct at_str id)
{
    const unsigned char *p = (const unsigned char *)id.ptr;
    uint32_t low, high;
    uint64_t all;
    if (id.len - 1 >= SHORT_ID)
        return at_hash(id.ptr, id.len, 0);
    if (id.len >= sizeof low) {
        memcpy(&low, p, sizeof low);
        memcpy(&high, p + id.len - sizeof high, sizeof high);
        all = low | (uint64_t)high << (id.len - sizeof low) * 8;
    } else {
        all = p[0] | (uint64_t)p[id.len / 2] << id.len / 2 * 8 | (uint64_t)p[id.len - 1] << (id.len - 1) * 8;
    }
    return (all << 8 | id.len) * 0x9fb21c651e98df25u;
}
static inline void copy_id(char *to, struct at_str id)
{
    if (id.len - 1 >= SHORT_ID) {
        memcpy(to, id.ptr, id.len);
    } else if (id.len >= 4) {
        memcpy(to, id.ptr, 4);
        memcpy(to + id.len - 4, id.ptr + id.len - 4, 4);
    } else {
        to[0] = id.ptr[0];
        to[id.len / 2] = id.ptr[id.len / 2];
        to[id.len - 1] = id.ptr[id.len - 1];
    }
}
/* Tells once of a scope that the profile does not know. */
AT_MUST_USE enum at_err hint_unknown(struct at_checker *c, struct at_str word);

/* ---- answers.c ---- */

/* At least the last ANSWERED_MAX are remembered, of those whose ids count mostly all. `hash`: id_hash. */
AT_MUST_USE enum at_err remember_answer(struct answered *a, struct at_str id, uint64_t hash);
bool was_answered(const struct answered *a, struct at_str id, uint64_t hash);
/* Calls of other shards' keys, by a hash of key and call: the last FOREIGN_MAX, or half of them, are remembered. */
AT_MUST_USE enum at_err note_foreign_call(struct answered *a, uint64_t hash);
/* Whether there was such a call; it is forgotten. */
bool forget_foreign_call(struct answered *a, uint64_t hash);
void answered_free(struct answered *a);

/* ---- calls.c ---- */

/* A call more. AT_LIMIT: too many. */
AT_MUST_USE enum at_err add_call(struct at_checker *c, struct key *k, struct stream *st, const struct happening *h,
                                 struct call **out);
void free_call(struct at_checker *c, struct call *call);
void key_free_calls(struct key *k); /* the room for them: none is open, or they were moved */
void remove_call(struct at_checker *c, struct key *k, uint32_t i);
/* The outcomes of a call, SLOT_…, that fit an answer of the class. */
uint8_t outcomes_of(enum at_class cls);
/* Notes which scopes have open calls without slots. */
void note_spares(struct key *k);
AT_MUST_USE enum at_err on_call(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                                const struct happening *h);
AT_MUST_USE enum at_err on_return(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                                  struct at_place at);
/* Call number `i` will not be answered any more: no-answer, unless it may be waiting. */
AT_MUST_USE enum at_err check_answered(struct at_checker *c, struct key *k, uint32_t i, const struct at_event *ev);
/* What a call and one of its scopes say of themselves. */
struct at_settled settled_of(const struct key *k, const struct call *call, struct at_str scope);
/* The number of an open call, UINT32_MAX where there is none. */
uint32_t find_call(const struct key *k, const struct stream *st, struct at_str id, uint64_t hash);

/* ---- events.c ---- */

AT_MUST_USE enum at_err on_start(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at);
AT_MUST_USE enum at_err on_prompt(struct at_checker *c, struct key *k, struct stream *st, const struct at_event *ev,
                                  struct at_place at);
AT_MUST_USE enum at_err on_decision(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at);
AT_MUST_USE enum at_err on_settings(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at);
AT_MUST_USE enum at_err on_reset(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at);
/*
 * Applies `a` to scope `s` in every branch that allows it; the others go. Where none does, nothing is changed and
 * `explained` is false.
 */
AT_MUST_USE enum at_err act_on_scope(struct at_checker *c, struct key *k, size_t s, const struct step *a,
                                     bool *explained);
/* Notes what an event leaves known of the scopes of the mask. Hidden changes follow only from what is explained. */
AT_MUST_USE enum at_err update_all(struct at_checker *c, struct key *k, uint64_t scopes, const struct at_event *ev,
                                   struct at_place at, struct at_str api, bool explained);

/* ---- snapshot.c ---- */

/* What was listed: by the settings page (`call` UINT32_MAX), or in the answer to a call. */
AT_MUST_USE enum at_err on_listing(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at,
                                   uint32_t call, bool *explained);
/*
 * The states of each scope that fit the listing of an event. False where that depends on more, or an unknown scope has
 * to be told of.
 */
bool listing_fits(const struct at_checker *c, const struct at_event *ev, bool page, uint8_t fits[AT_SCOPES_MAX]);
AT_MUST_USE enum at_err on_page(struct at_checker *c, struct key *k, const struct at_event *ev, struct at_place at);

/* ---- known.c ---- */

/* An event as evidence of the states of one or more scopes. */
struct evidence {
    const struct at_event *ev;
    struct at_place at;
    struct at_str api; /* interned; of a return */
    bool explained;    /* by a run of the machine */
    bool reset_told;   /* one reset serves all scopes */
};

/* Notes what an event leaves known of scope `s`, and reports the hidden changes that it forces. */
AT_MUST_USE enum at_err known_update(struct at_checker *c, struct key *k, size_t s, struct evidence *e);
/* What is certain was so until `at` at least; from then on it may have changed. */
void known_until(struct key *k, size_t s, struct at_place at);
/* The same of a folded key, whose silent steps were looked for last behind `moved_at`. */
void note_settle(const struct at_checker *c, const struct key *k, size_t s);
/* The last event of a folded key is not the last any more; `moved`: silent steps were looked for behind it. */
void note_not_fresh(const struct at_checker *c, struct key *k, bool moved);
/* An event leaves known of scope `s` of a folded key what the flags, KNOWN_… of columns.h, say. `api`: of a cause. */
void note_event(const struct at_checker *c, struct key *k, size_t s, struct at_place at, uint16_t api, unsigned flags);
/* Notes whether what is known is certain still. */
void known_refresh(const struct at_checker *c, struct key *k, size_t s);
/* A call was answered as dismissed, and no decision was seen: there was one. */
AT_MUST_USE enum at_err known_dismissal(struct at_checker *c, struct key *k, size_t s, const struct call *call,
                                        struct at_place at);
/* Tells a change that nobody saw. */
AT_MUST_USE enum at_err tell_inferred(struct at_checker *c, const struct key *k, enum at_inferred_kind kind, size_t s,
                                      unsigned value, struct at_place after, struct at_place before,
                                      struct at_str platform);
/* The witness of what is known of scope `s`, its text in `text`; *n: 0 where nothing is, or 1. */
AT_MUST_USE enum at_err known_witness(const struct at_checker *c, const struct key *k, size_t s, struct at_witness *w,
                                      struct at_buf *text, size_t *n);

/* ---- findings.c ---- */

/* What no branch explains. `call` may be NULL. */
struct finding {
    const struct key *key;
    const struct at_event *ev;
    struct at_place at;
    const struct call *call;
    size_t scope;      /* or AT_NO_SCOPE */
    enum at_class cls; /* of a return */
};
AT_MUST_USE enum at_err find_prompt(struct at_checker *c, const struct finding *f);
AT_MUST_USE enum at_err find_decision(struct at_checker *c, const struct finding *f);
AT_MUST_USE enum at_err find_flip(struct at_checker *c, const struct finding *f);
AT_MUST_USE enum at_err find_outcome(struct at_checker *c, const struct finding *f);
/* `listed`: 1 true, 0 false, -1 absent; `states`: what the snapshot could have shown. */
AT_MUST_USE enum at_err find_setting(struct at_checker *c, const struct finding *f, int listed, uint8_t states);
AT_MUST_USE enum at_err find_wrong_api(struct at_checker *c, const struct finding *f, struct at_str named);
AT_MUST_USE enum at_err find_no_answer(struct at_checker *c, const struct finding *f);
AT_MUST_USE enum at_err find_second_answer(struct at_checker *c, const struct finding *f);

#endif
