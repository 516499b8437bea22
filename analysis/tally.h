/*
 * tally.h: events, and what the checker makes of them, added up. Private to analysis. Pure: no files, no clock.
 *
 * The counting rules are those of authtape-report(1), "WHAT IS COUNTED".
 */
#ifndef AUTHTAPE_TALLY_H
#define AUTHTAPE_TALLY_H

#include "analysis/cells.h"
#include "replay/replay.h"

struct tally;

/* `dims`: a mask for each grouping wanted; the first one is always by scope. The profile must outlive the tally. */
AT_MUST_USE enum at_err tally_new(const struct at_profile *profile, const unsigned *dims, size_t n_dims,
                                  struct tally **out);
void tally_free(struct tally **t);
/* Before the first event: what nobody will look at. `scopes`: the first grouping; there has to be another one. */
void tally_leave_out(struct tally *t, bool scopes, bool answer_times);
/* As it was when it was new and was told what to leave out. On an error *t is NULL. */
AT_MUST_USE enum at_err tally_clear(struct tally **t);
/* The events in the order of `cat`, each batch before the checker is told of it. `first` as
 * at_reader_next_batch gives it. */
AT_MUST_USE enum at_err tally_batch(struct tally *t, const struct at_tape_batch *b, uint64_t first);
/* What the checker says of the same events, at any time before tally_finish, in any order; fastest at once. */
AT_MUST_USE enum at_err tally_settled(struct tally *t, const struct at_settled *s);
AT_MUST_USE enum at_err tally_inferred(struct tally *t, const struct at_inferred *i);
/* All events were counted: what they were read by may go now. */
AT_MUST_USE enum at_err tally_let_go(struct tally *t);
/*
 * To be faster, before the first event: the checker will be told of the events once all have been counted, and only of
 * those of odd keys (plain.h). tally_odd says how many events came to keys that were odd by then; tally_gives_up that
 * it does not work out, with these events: all has to be counted anew with the checker beside. After tally_let_go,
 * unless all keys are plain, the events come once more: tally_pick writes the numbers in the batch of those that the
 * checker needs to `order`, which has room for all of it.
 */
void tally_ask_late(struct tally *t);
uint64_t tally_odd(const struct tally *t);
bool tally_all_plain(const struct tally *t);
bool tally_gives_up(const struct tally *t);
AT_MUST_USE enum at_err tally_pick(struct tally *t, const struct at_tape_batch *b, uint32_t *order, size_t *n);
/* What can only be said at the end. No event may follow. */
AT_MUST_USE enum at_err tally_finish(struct tally *t);

/* What is counted, one by one, for who wants to see it: an export. Views are valid during the call. */
struct tally_fact {
    enum { FACT_CALL, FACT_PROMPT, FACT_ANSWER, FACT_FLIP, FACT_DENIAL } what;
    struct at_str app, user, platform, scope, api, err_msg; /* absent where they do not apply */
    uint64_t order;                                         /* bonds.h; of a call: of its answer, 0: none */
    int64_t t_us;                                           /* of a call: when it was made */
    uint64_t called;                                        /* call, denial: number of the call's event */
    int64_t answered_us;                                    /* call */
    struct at_str stream, call;                             /* call: where they are known */
    unsigned cls;                                           /* call: AT_CLASSES where there is no answer */
    bool inferred;                                          /* prompt, answer, flip */
    enum at_answer answer;                                  /* answer */
    bool granted;                                           /* flip */
    enum at_via via;                                        /* denial */
    int64_t took_us;                                        /* answer: since its prompt; -1: not known */
};
struct tally_tap {
    void *ctx;
    enum at_err (*fact)(void *ctx, const struct tally_fact *f);
};
/* Before the first event. The tap must outlive the tally. */
void tally_watch(struct tally *t, const struct tally_tap *tap);

struct tally_totals {
    uint64_t events, calls, apps, users;
    int64_t from_us, to_us; /* first and last time; meaningless without events */
};
void tally_totals(const struct tally *t, struct tally_totals *out);
const struct cells *tally_scopes(const struct tally *t);
/* Grouping `i`, from 1, in the order of tally_new. */
const struct cells *tally_groups(const struct tally *t, size_t i);
/* Calls of users whose scope was never asked for, by scope, API and platform: counts.calls, and counts.users[0] for how
 * many users. */
const struct cells *tally_lone(const struct tally *t);
/* The string behind an id; absent for NO_ID. Valid as long as the tally. */
struct at_str tally_name(const struct tally *t, enum report_dim dim, uint32_t id);
/* The place of a scope in the profile, SIZE_MAX where the profile does not know it. */
size_t tally_scope_rank(const struct tally *t, uint32_t scope);

/* One wording of an answer. */
struct wording {
    struct at_str platform, api, err_msg; /* platform and api may be absent */
    enum at_class cls;
    bool known; /* the profile's table has it */
    uint64_t count;
};
size_t tally_wordings(const struct tally *t);
void tally_wording(const struct tally *t, size_t i, struct wording *out);

#define GROUPING_LONE SIZE_MAX
/* Adding up parts: the counts of a cell (grouping 0: by scope; GROUPING_LONE), made when new; totals; the name of an
 * app; a wording. The users of different parts are taken for different users. */
AT_MUST_USE enum at_err tally_cell(struct tally *t, size_t grouping, const struct at_str label[DIM_STRINGS],
                                   int64_t t_us, struct counts **out);
AT_MUST_USE enum at_err tally_add_totals(struct tally *t, const struct tally_totals *part);
/*
 * The users by name: hashes (SipHash) of all names, ascending and none twice; to be freed. `others`: users of parts
 * that do not tell them. Parts that tell them are added up so that a user of several apps, who may be in several parts,
 * is counted once.
 */
AT_MUST_USE enum at_err tally_user_names(const struct tally *t, uint64_t **out, size_t *n, uint64_t *others);
AT_MUST_USE enum at_err tally_add_user_names(struct tally *t, const uint64_t *names, size_t n);
AT_MUST_USE enum at_err tally_add_app(struct tally *t, struct at_str name);
AT_MUST_USE enum at_err tally_add_wording(struct tally *t, const struct wording *w);

#endif
