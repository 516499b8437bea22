/*
 * plain.h: what the checker would say of a key, as long as its events are plain. Private to analysis.
 *
 * Where a recording sees prompts, decisions and flips, one run of the reference machine is mostly enough: as long as
 * one explains all events of a key, the checker finds nothing on it and infers nothing but resets, and how a call came
 * to be denied follows from the decisions while it was open. What this run needs of hidden resets it takes from the
 * latest quiet window. A key whose events it cannot explain so is *odd* from then on: the checker has to be asked.
 *
 * Orders are numbers of events and 1, so that 0 is before all of them.
 */
#ifndef AUTHTAPE_PLAIN_H
#define AUTHTAPE_PLAIN_H

#include "replay/replay.h"

#define PLAIN_SCOPES_MAX 32 /* of a profile */

/* What of the profile counts here. Scopes are bits, by their places in the profile. */
struct plain_rules {
    uint64_t quiet_us;
    uint32_t prompting, listed; /* scopes that prompt; that listings are held against */
    bool dismiss_denies;
    bool any; /* false: the profile's policies need the checker */
};

enum plain_trust { PLAIN_NEW, PLAIN_YES, PLAIN_ODD };

struct plain_key {
    int64_t last_us;                   /* of its last event */
    uint64_t window;                   /* order of the event behind the latest quiet window; 0: there was none */
    uint64_t since;                    /* order of the event that all states were set by; of the first odd event */
    uint32_t unknown, granted, denied; /* scopes; in none: unasked */
    uint32_t up;                       /* their prompt is */
    uint32_t set;                      /* since the window */
    uint8_t open, across;              /* calls; of them, those from before the window */
    uint8_t reading;                   /* open calls that read the settings */
    uint8_t trust : 2;                 /* enum plain_trust */
    bool resets_hidden : 1;
    bool relied : 1; /* since the window, on a state from before it */
};

/* A key and a scope. What the tally keeps, it keeps of keys that are not plain as well. */
struct plain_bond {
    uint64_t change, before; /* orders of the latest two changes */
    uint64_t prompted;       /* order of the latest prompt; kept by the tally */
    uint8_t by, old;         /* what the latest change was; states before it, as a mask of 1u << enum at_state */
    uint8_t fresh;           /* calls that wait and were made after the latest prompt */
    bool up, asked;          /* its prompt is up; the user was asked for it at some time. Kept by the tally */
};

void plain_rules_of(const struct at_profile *profile, struct plain_rules *out);
/* The key is odd from the event on. */
void plain_odd(struct plain_key *k, uint64_t order);
static inline bool plain_is(const struct plain_key *k)
{
    return k->trust == PLAIN_YES;
}

/* The time of an event of the key that is none of its first: a quiet window may lie before it. */
static inline void plain_moment(const struct plain_rules *r, struct plain_key *k, int64_t t_us, uint64_t order)
{
    uint64_t quiet_us = t_us > k->last_us ? (uint64_t)t_us - (uint64_t)k->last_us : 0;
    k->last_us = t_us;
    if (quiet_us < r->quiet_us || !k->resets_hidden || k->up)
        return;
    k->window = order;
    k->across = k->open;
    k->set = 0;
    k->relied = false;
}

/*
 * The events. Each leaves the key plain or makes it odd. `scope` is the scope's place in the profile, SIZE_MAX where
 * the profile does not know it. `observes`: mask of 1u << enum at_sight.
 */
void plain_start(const struct plain_rules *r, struct plain_key *k, bool fresh, unsigned observes, int64_t t_us,
                 uint64_t order);
#define PLAIN_OPEN_MAX 100   /* calls of a key: with more, the checker may give the key up */
#define PLAIN_FRESH_MAX 6    /* calls of a scope at a time: likewise */
#define PLAIN_READING_MAX 2u /* calls that read the settings: likewise */
/* A call that one scope gates, or none (`b` NULL). */
static inline void plain_call(struct plain_key *k, struct plain_bond *b, bool reads, uint64_t order)
{
    k->reading = (uint8_t)(k->reading + reads);
    if (b)
        b->fresh++;
    if (++k->open > PLAIN_OPEN_MAX || k->reading > PLAIN_READING_MAX || (b && b->fresh > PLAIN_FRESH_MAX))
        plain_odd(k, order);
}

/* The call of order `made` is not open any more. */
static inline void plain_close(struct plain_key *k, struct plain_bond *b, bool reads, uint64_t made)
{
    k->open--;
    k->reading = (uint8_t)(k->reading - reads);
    if (made < k->window)
        k->across--;
    if (b && made > b->prompted)
        b->fresh--;
}

/* How it came to its answer. AT_VIA_NONE where that is not asked, or the key is odd now. */
enum at_via plain_outcome(struct plain_key *k, struct plain_bond *b, size_t scope, enum at_class cls, uint64_t made,
                          uint64_t order);
/* What was listed: in the answer to the call of order `made`, or by the settings page. `granted` are some of `listed`.
 */
void plain_listing(const struct plain_rules *r, struct plain_key *k, uint32_t listed, uint32_t granted, uint64_t made,
                   uint64_t order);
/* `caller`: the order of the call that it names; 0: it names none, UINT64_MAX: none that is known. */
void plain_prompt(const struct plain_rules *r, struct plain_key *k, struct plain_bond *b, size_t scope, uint64_t caller,
                  uint64_t order);
void plain_decision(const struct plain_rules *r, struct plain_key *k, struct plain_bond *b, size_t scope, bool named,
                    enum at_answer answer, uint64_t order);
void plain_flip(struct plain_key *k, struct plain_bond *b, size_t scope, bool granted, uint64_t order);
void plain_reset(struct plain_key *k, uint64_t order);

#endif
