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
    const char *rule; /* "R6" */
    struct at_place at; /* the event that no run explains */
    struct at_str app, user, scope, api, call, stream, platform; /* absent where they do not apply */
    uint8_t states; /* mask of 1u << enum at_state: what was possible; 0 where it does not apply */
    const char *expected, *observed, *explanation;
    const struct at_witness *witness;
    size_t n_witness;
};

/* A hidden change that the evidence forces. */
enum at_inferred_kind { AT_INFERRED_PROMPT, AT_INFERRED_DECISION, AT_INFERRED_SETTINGS, AT_INFERRED_RESET };
struct at_inferred {
    enum at_inferred_kind kind;
    struct at_str app, user, platform;
    struct at_str scope; /* absent for a reset */
    enum at_answer answer; /* decision */
    bool granted; /* settings */
    struct at_place after, before; /* it happened between these two events */
};

/* How a gated call came to its outcome. */
enum at_via {
    AT_VIA_STATE, /* at once, by the state of the scope */
    AT_VIA_PROMPT, /* by an answer to a prompt */
    AT_VIA_NONE, /* neither: not about authorization, or not explained */
};

/* One gated call (per scope), when it was answered, or at the end with `answered` false. */
struct at_settled {
    struct at_str app, user, platform, stream, scope, api, call, err_msg;
    struct at_place called, returned;
    bool answered;
    enum at_class cls;
    enum at_via via; /* the one that needs the fewest hidden changes */
    bool prompt_inferred; /* via AT_VIA_PROMPT, and the prompt was not on the tape */
    bool determined; /* false: the recording could not have told a right outcome from a wrong one */
};

/* Each function may be NULL; an error stops the checker and is passed on. */
struct at_check_sink {
    void *ctx;
    enum at_err (*divergence)(void *ctx, const struct at_divergence *d);
    enum at_err (*inferred)(void *ctx, const struct at_inferred *i);
    enum at_err (*settled)(void *ctx, const struct at_settled *s);
    enum at_err (*hint)(void *ctx, const char *text); /* a sentence for a person */
};

struct at_check_options { /* zero means the default */
    bool strict; /* nothing happened that was not recorded */
    bool has_quiet_ms;
    uint32_t quiet_ms; /* instead of the profile's, in milliseconds */
    uint32_t grace_ms; /* `no-answer` after this long; 0: 30 s */
    size_t configurations; /* cap for one key; 0: default */
};

struct at_check_totals {
    uint64_t events, calls, keys, undetermined, inconclusive, divergences;
    uint64_t gaps, lost_bytes;
};

struct at_checker;
/* The profile must outlive the checker. */
AT_MUST_USE enum at_err at_checker_new(const struct at_profile *profile, const struct at_check_options *options,
                                       const struct at_check_sink *sink, struct at_checker **out);
void at_checker_free(struct at_checker **c);
AT_MUST_USE enum at_err at_checker_event(struct at_checker *c, const struct at_event *ev, uint64_t index);
/* End of the recording: what can only be said then. */
AT_MUST_USE enum at_err at_checker_finish(struct at_checker *c);
void at_checker_totals(const struct at_checker *c, struct at_check_totals *out);
/* Calls `name` for every inconclusive key. */
void at_checker_inconclusive(const struct at_checker *c, void (*name)(void *ctx, struct at_str app, struct at_str user),
                             void *ctx);

/* Subcommands of this folder. */
extern const struct at_command at_cmd_replay;

#endif
