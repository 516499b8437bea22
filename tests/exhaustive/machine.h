/*
 * machine.h: the reference machine as a search over explicit configurations, for the tests only.
 *
 * Written from the rules alone and without any of the product's code, so that the product's checker has something
 * independent to agree with. A set of configurations holds every global state that some run of the machine could be
 * in; between two events it is closed under the silent steps, an event keeps the configurations that allow it and
 * applies its effect. Nothing is merged, ordered or pruned.
 */
#ifndef EXHAUSTIVE_MACHINE_H
#define EXHAUSTIVE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_SCOPES 6 /* of a profile */
#define MAX_CALLS 12 /* unanswered at one time, one for each scope of a call */

enum state { U, G, D };

/* ---- Events */

enum kind { START, CALL, RETURN, PROMPT, DECISION, SETTINGS, PAGE, RESET, GAP, END, KINDS };
enum answer { ALLOW, DENY, DISMISS };
enum outcome { OK, DENIED, DISMISSED, UNAUTHORIZED, OTHER };
enum api { UNGATED, GATED, AUTHORIZE, GET_SETTING, OPEN_SETTING };
enum sight { SEES_PROMPTS = 1, SEES_DECISIONS = 2, SEES_SETTINGS = 4, SEES_RESETS = 8, SEES_ALL = 15 };

#define NO_SCOPE UINT8_MAX
#define NO_CALL 0u

struct event {
    int64_t t_us;
    uint64_t index; /* in the file */
    uint32_t call;  /* call, return, prompt: a number of this key's calls; NO_CALL where none is named */
    uint8_t kind, api, outcome, answer, observes;
    uint8_t stream; /* of those of the key */
    uint8_t scopes; /* call: a mask */
    uint8_t scope;  /* prompt, decision, settings; NO_SCOPE */
    bool fresh, granted, has_snapshot;
    uint16_t snapshot; /* two bits a scope: its state */
};

/* ---- Policies */

enum concurrent { JOIN, QUEUE, REPROMPT };

struct policy {
    enum concurrent concurrent;
    bool dismiss_denies, other_devices, strict;
    bool per_device; /* each stream of a user is a key of its own */
    uint32_t lacks;  /* mask of 1u << N: rule N need not be kept */
    int64_t quiet_us;
    uint8_t silent; /* mask of scopes that never prompt */
    uint8_t exempt; /* mask of scopes left out of snapshots */
};

/* ---- Configurations */

#define STATE_BITS 3u
#define UP 4u   /* a prompt is up */
#define SEEN 8u /* and it was an event on the tape */

/* The status of an unanswered call. SNAPSHOT carries the snapshot in the bits above. */
enum status { FREE, OPEN, WAITING, S_OK, S_DENIED, S_DISMISSED, S_UNAUTHORIZED, LOST, SNAPSHOT };
#define STATUS(x) ((x)&15u)
#define WITH_SNAPSHOT(states) ((uint16_t)(SNAPSHOT | (unsigned)(states) << 4))

struct config {
    uint8_t scope[8];
    uint16_t call[MAX_CALLS];
};

struct set {
    struct config *items;
    size_t n, cap;
    uint32_t *table; /* item numbers + 1 */
    size_t n_table;
    bool overflow; /* more than SET_LIMIT: the verdict is worth nothing */
};
#define SET_LIMIT 60000u

void set_clear(struct set *s);
void set_free(struct set *s);
void set_add(struct set *s, const struct config *c);
void set_copy(struct set *to, const struct set *from);
void set_sort(struct set *s);                             /* for comparing; no set_add after it */
bool set_equal(const struct set *a, const struct set *b); /* both sorted */

/* ---- The machine */

/* What the tape alone tells of an unanswered call: the same in every configuration. A call has a slot per scope. */
struct slot {
    uint32_t call;
    uint8_t used, api, scope;
};

/* How often each silent step was taken and each kind of event was explained or not. */
enum step {
    SETTLE_OK,
    SETTLE_DENIED,
    SETTLE_UNAUTHORIZED,
    HIDDEN_PROMPT,
    HIDDEN_REPROMPT,
    STEP_JOIN,
    HIDDEN_ALLOW,
    HIDDEN_DENY,
    HIDDEN_DISMISS,
    FLIP_QUIET,
    FLIP_OPEN_SETTING,
    HIDDEN_RESET,
    TAKE_SNAPSHOT,
    STEPS
};
struct coverage {
    uint64_t steps[STEPS];
    uint64_t explained[KINDS], unexplained[KINDS];
};
extern const char *const step_names[STEPS];
extern const char *const kind_names[KINDS];

struct key {
    const struct policy *policy;
    struct coverage *coverage; /* may be NULL */
    uint8_t touched; /* mask of the scopes that the key's tape names anywhere: the others stay U in every run */
    uint8_t observes;
    struct slot slots[MAX_CALLS];
};

/* The key before its first event: nothing observed, every state possible. */
void machine_begin(struct key *k, struct set *s);
/* Adds all that silent steps can reach. `quiet`: the interval between the two events is long enough. */
void machine_close(const struct key *k, bool quiet, struct set *s);
bool machine_is_quiet(const struct key *k, int64_t interval_us);
/*
 * `to` is what follows from `from` by the event. False where no configuration explains it: then the event's
 * precondition was waived.
 */
bool machine_event(struct key *k, const struct event *e, const struct set *from, struct set *to);

#endif
