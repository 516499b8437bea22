/*
 * replay.h: events -> verdicts.
 *
 * The one public header of this folder. The checker is pure: events in, findings out through a sink. It reads no file
 * and no clock; two checkers never share anything, so each can run on a thread of its own.
 */
#ifndef AUTHTAPE_REPLAY_H
#define AUTHTAPE_REPLAY_H

#include "formats/formats.h"

/* Classes of divergence: name, text in reports. Values append-only. */
#define AT_DIVERGENCE_MAP(X)                                                                                           \
    X(UNEXPECTED_PROMPT, "unexpected-prompt")                                                                          \
    X(DUPLICATE_PROMPT, "duplicate-prompt")                                                                            \
    X(MISSING_PROMPT, "missing-prompt")                                                                                \
    X(UNEXPECTED_SUCCESS, "unexpected-success")                                                                        \
    X(UNEXPECTED_FAILURE, "unexpected-failure")                                                                        \
    X(DECISION_IGNORED, "decision-ignored")                                                                            \
    X(SETTING_WRONG, "setting-wrong")                                                                                  \
    X(SETTING_UNASKED, "setting-unasked")                                                                              \
    X(SETTING_MISSING, "setting-missing")                                                                              \
    X(WRONG_API, "wrong-api")                                                                                          \
    X(NO_ANSWER, "no-answer")                                                                                          \
    X(SECOND_ANSWER, "second-answer")

enum at_divergence_class {
#define X(name, text) AT_DIVERGENCE_##name,
    AT_DIVERGENCE_MAP(X)
#undef X
};
const char *at_divergence_text(enum at_divergence_class c);

/* States of a scope, and masks of them. */
enum at_state { AT_UNASKED, AT_GRANTED, AT_DENIED };
#define AT_STATES 3
const char *at_state_text(enum at_state s);

/* Where an event stands: its number in the order of `cat` (from 0), its time and packet (0: none). */
struct at_place {
    uint64_t event;
    int64_t t_us;
    uint64_t packet;
};

struct at_witness {
    struct at_place at;
    enum at_kind kind;
    const char *text; /* "the user denied scope.record" */
};

/* All views and texts are valid during the call of the sink. */
struct at_divergence {
    enum at_divergence_class cls;
    const char *rule;                                            /* "R6" */
    struct at_place at;                                          /* the event that no run explains */
    struct at_str app, user, scope, api, call, stream, platform; /* absent where they do not apply */
    uint8_t states; /* mask of 1u << enum at_state: what was possible; 0 where it does not apply */
    const char *expected, *observed, *explanation;
    const struct at_witness *witness; /* the checker's own: the one event that pins the states, where there is one */
    size_t n_witness;
    const char *innocent; /* what alone would make it right, where at_history_explain found it; or NULL */
};

/* A hidden change that the evidence forces. */
enum at_inferred_kind { AT_INFERRED_PROMPT, AT_INFERRED_DECISION, AT_INFERRED_SETTINGS, AT_INFERRED_RESET };
struct at_inferred {
    enum at_inferred_kind kind;
    struct at_str app, user, platform;
    struct at_str scope;           /* absent for a reset */
    enum at_answer answer;         /* decision */
    bool granted;                  /* settings */
    struct at_place after, before; /* it happened between these two events */
};

/* How a gated call came to its outcome. */
enum at_via {
    AT_VIA_STATE,  /* at once, by the state of the scope */
    AT_VIA_PROMPT, /* by an answer to a prompt */
    AT_VIA_NONE,   /* neither: not about authorization, or not explained */
};

/* One gated call (per scope), when it was answered, or at the end with `answered` false. */
struct at_settled {
    struct at_str app, user, platform, stream, scope, api, call, err_msg;
    struct at_place called, returned;
    bool answered;
    enum at_class cls;
    enum at_via via;      /* the one that needs the fewest hidden changes */
    bool prompt_inferred; /* via AT_VIA_PROMPT, and the prompt was not on the tape */
    bool determined;      /* false: the recording could not have told a right outcome from a wrong one */
};

/* Each function may be NULL; an error stops the checker and is passed on. */
struct at_check_sink {
    void *ctx;
    enum at_err (*divergence)(void *ctx, const struct at_divergence *d);
    enum at_err (*inferred)(void *ctx, const struct at_inferred *i);
    enum at_err (*settled)(void *ctx, const struct at_settled *s);
    enum at_err (*hint)(void *ctx, const char *text); /* a sentence for a person */
};

/*
 * Single faults that a host may have: variants of the reference machine, for `--diagnose`. name, text in reports,
 * words. A variant always behaves as its fault has it.
 */
#define AT_FAULT_MAP(X)                                                                                                \
    X(NONE, "none", "")                                                                                                \
    X(DENIED_REPROMPTS, "denied-reprompts", "a denied scope is prompted for again")                                    \
    X(GRANTED_REPROMPTS, "granted-reprompts", "a granted scope is prompted for again")                                 \
    X(DENIED_PASSES, "denied-lets-through", "calls of a denied scope go through")                                      \
    X(UNASKED_PASSES, "unasked-lets-through", "calls of an unasked scope go through without a prompt")                 \
    X(UNASKED_FAILS, "unasked-fails", "calls of an unasked scope fail without a prompt")                               \
    X(FLIP_IGNORED, "flip-ignored", "a flip in settings is shown there and has no effect")                             \
    X(RESET_KEEPS_DENIALS, "reset-keeps-denials", "a reset forgets grants and keeps denials")                          \
    X(RESET_KEEPS_GRANTS, "reset-keeps-grants", "a reset forgets denials and keeps grants")                            \
    X(DENIAL_STORED_AS_GRANT, "denial-stored-as-grant", "a denial at the prompt is stored as a grant")                 \
    X(GRANT_STORED_AS_DENIAL, "grant-stored-as-denial", "an allowed prompt is stored as a denial")                     \
    X(DISMISSAL_STORED_AS_DENIAL, "dismissal-stored-as-denial", "a dismissed prompt is stored as a denial")            \
    X(STALE_SETTINGS, "stale-settings", "getSetting shows what a scope was before")                                    \
    X(UNASKED_LISTED, "unasked-listed", "getSetting lists unasked scopes as false")                                    \
    X(SCOPE_FOR_SCOPE, "scope-answers-for-scope", "one scope answers for another")                                     \
    X(USER_LEAKS, "user-leaks", "users of an app share one state")

enum at_fault {
#define X(name, text, words) AT_FAULT_##name,
    AT_FAULT_MAP(X)
#undef X
};

struct at_check_options { /* zero means the default */
    bool strict;          /* nothing happened that was not recorded */
    bool has_quiet_ms;
    uint32_t quiet_ms;             /* instead of the profile's, in milliseconds */
    uint32_t grace_ms;             /* `no-answer` after this long; 0: 30 s */
    size_t configurations;         /* cap for one key; 0: default */
    enum at_fault fault;           /* check against this variant of the machine */
    bool wordless;                 /* divergences need no witness, and have no `observed` and `explanation` */
    bool on_branches;              /* the long way, which the short one is compared with: the same verdicts, slower */
    size_t fault_scope, fault_for; /* AT_FAULT_SCOPE_FOR_SCOPE: `fault_scope` answers calls of `fault_for` */
    /*
     * Only these keys are checked and counted. The events of all others are to be given, too: what happens to a stream
     * (its end, a gap, a second answer) concerns all of its keys. `of` 0: all keys, and none is known to be missing.
     */
    struct at_shard shard;
};

struct at_check_totals {
    uint64_t events, calls, keys, undetermined, inconclusive, divergences;
    uint64_t gaps, lost_bytes;
    bool saw_login, saw_user_info; /* of a shard: for AT_HINT_LOGIN, which is given for all of them */
};
#define AT_HINT_LOGIN "getUserInfo is called, login never is: the documented order is login first"

/* Where what the sink is being told of stands among all that is told: by `phase`, then `event`, then `of_stream`. */
struct at_check_order {
    enum at_check_phase { AT_PHASE_EVENTS, AT_PHASE_END, AT_PHASE_LAST, AT_PHASE_NAMES } phase;
    uint64_t event;     /* at hand; at the end: the first one of the key at hand */
    uint64_t of_stream; /* where a stream ends: the first event there of the key at hand */
};

struct at_checker;
/* The profile must outlive the checker. */
AT_MUST_USE enum at_err at_checker_new(const struct at_profile *profile, const struct at_check_options *options,
                                       const struct at_check_sink *sink, struct at_checker **out);
void at_checker_free(struct at_checker **c);
AT_MUST_USE enum at_err at_checker_event(struct at_checker *c, const struct at_event *ev, uint64_t index);
/* Gives event `i` of a batch whole. */
struct at_whole_events {
    void *ctx;
    void (*get)(void *ctx, size_t i, struct at_event *ev);
};
/*
 * The same for a run of events as columns; `first` as at_reader_next_batch gives it. `whole` is asked where the columns
 * do not say enough. Batches and single events may be mixed.
 */
AT_MUST_USE enum at_err at_checker_batch(struct at_checker *c, const struct at_tape_batch *b, uint64_t first,
                                         const struct at_whole_events *whole);
/* The same for some events of the batch: those with the `n` numbers at `order`, which rise. */
AT_MUST_USE enum at_err at_checker_some(struct at_checker *c, const struct at_tape_batch *b, uint64_t first,
                                        const struct at_whole_events *whole, const uint32_t *order, size_t n);
/*
 * A whole tape on several threads. The sink is called by the caller's thread, with the same calls in the same order as
 * at_checker_batch and at_checker_finish would make. AT_NOTFOUND: it has to be done by one checker from the start, as
 * what is read is no whole tape in a file, or a stream is shared by keys of several threads, or a key is inconclusive;
 * the first `told` calls of the sink were made already.
 */
struct at_check_result {
    struct at_check_totals totals;
    uint64_t told;
};
AT_MUST_USE enum at_err at_check_tape(const char *path, unsigned threads, const struct at_profile *profile,
                                      const struct at_check_options *options, const struct at_check_sink *sink,
                                      struct at_check_result *out);
/* End of the recording: what can only be said then. */
AT_MUST_USE enum at_err at_checker_finish(struct at_checker *c);
void at_checker_totals(const struct at_checker *c, struct at_check_totals *out);
/* Calls `name` for every inconclusive key. */
void at_checker_inconclusive(struct at_checker *c, void (*name)(void *ctx, struct at_str app, struct at_str user),
                             void *ctx);
void at_checker_order(const struct at_checker *c, struct at_check_order *out);

/* ------------------------------------------------------------------------------------------------ Witness ---- */

/*
 * What was recorded of the keys, kept as far back as `budget_bytes` go (0: 64 MiB): what verdicts are explained from.
 * The profile must outlive it.
 */
struct at_history;
AT_MUST_USE enum at_err at_history_new(const struct at_profile *profile, const struct at_check_options *options,
                                       size_t budget_bytes, struct at_history **out);
void at_history_free(struct at_history **h);
/* From the first of these on, only the keys named are kept. `stream` counts where the profile keeps state per device.
 */
AT_MUST_USE enum at_err at_history_want(struct at_history *h, struct at_str app, struct at_str user,
                                        struct at_str stream);
/* Takes a copy of the event. To be called before the checker gets it. */
AT_MUST_USE enum at_err at_history_add(struct at_history *h, const struct at_event *ev, uint64_t index);

/* Why a verdict stands. */
struct at_reason {
    const struct at_witness *witness; /* the fewest facts that pin it down, in the order of their events */
    size_t n_witness;
    const char *explanation; /* one sentence or more */
    const char *innocent;    /* what would make it right, had the recording not ruled it out; NULL: nothing near */
};
/*
 * The fewest facts that pin the states of a divergence down: the key's history is checked again with facts weakened
 * (weak.h), until the verdict does not stand without any one of those that are left. To be called from the checker's
 * sink. Where the history does not go back far enough, what the divergence says of itself is returned. The result is
 * valid until the next call.
 */
AT_MUST_USE enum at_err at_history_explain(struct at_history *h, const struct at_divergence *d, struct at_reason *out);
/* The same for the states (a mask, not all of them) that scope `scope` of a key is in after its last event. */
AT_MUST_USE enum at_err at_history_explain_states(struct at_history *h, struct at_str app, struct at_str user,
                                                  struct at_str stream, size_t scope, uint8_t states,
                                                  struct at_reason *out);

/* An event of a key's history. Valid until the next event is added. */
struct at_moment {
    const struct at_event *ev;
    uint64_t event;
    struct at_str api; /* of a return: that of its call, where that is known */
    bool of_scope;     /* it is about the scope in question */
};
/* The last `most` events of a key, the latest last. `scope` says what is `of_scope`. */
AT_MUST_USE enum at_err at_history_moments(struct at_history *h, struct at_str app, struct at_str user,
                                           struct at_str stream, size_t scope, size_t most,
                                           const struct at_moment **out, size_t *n);

/* ---------------------------------------------------------------------------------------------- Diagnosis ---- */

/* How well one fault fits a recording. */
struct at_hypothesis {
    enum at_fault fault;
    const char *name;
    char text[256];    /* in words */
    uint64_t explains; /* divergences that the variant explains */
    uint64_t of;       /* divergences of the reference machine */
    uint64_t breaks;   /* events that the reference machine explains, and the variant does not */
    uint64_t inferred; /* hidden changes that the variant needs besides */
};

/* Checks a recording against every variant at once. Memory grows with the number of divergences. */
struct at_diagnosis;
AT_MUST_USE enum at_err at_diagnosis_new(const struct at_profile *profile, const struct at_check_options *options,
                                         struct at_diagnosis **out);
void at_diagnosis_free(struct at_diagnosis **d);
AT_MUST_USE enum at_err at_diagnosis_event(struct at_diagnosis *d, const struct at_event *ev, uint64_t index);
/* Ends the recording and ranks: those that explain most and break least come first. Valid until freed. */
AT_MUST_USE enum at_err at_diagnosis_finish(struct at_diagnosis *d, const struct at_hypothesis **out, size_t *n);

/* --------------------------------------------------------------------------------------------- Minimizing ---- */

/* What makes a divergence the same one in a part of the recording. */
struct at_target {
    enum at_divergence_class cls;
    uint64_t event; /* its number among those given */
    struct at_str scope, api;
};

/*
 * Marks in `keep` (n entries) a part of the events of one user that still shows the divergence, and from which no event,
 * call or stream can be left out. AT_NOTFOUND: not even all of them show it.
 */
AT_MUST_USE enum at_err at_minimize(const struct at_profile *profile, const struct at_check_options *options,
                                    const struct at_event *const *events, size_t n, const struct at_target *target,
                                    bool *keep);

/* Subcommands of this folder. */
extern const struct at_command at_cmd_replay, at_cmd_minimize, at_cmd_redrive;

#endif
