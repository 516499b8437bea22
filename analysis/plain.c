/* plain.c: one run of the reference machine for each key that sees prompts, decisions and flips (R1 to R16). */
#include "analysis/plain.h"

#define ANY_STATE ((1u << AT_STATES) - 1)

/* What the latest change of a scope was. */
enum { BY_NOTHING, BY_ALLOW, BY_DENY, BY_DISMISS, BY_FLIP };

static uint32_t bit_of(size_t scope)
{
    return UINT32_C(1) << scope;
}

void plain_rules_of(const struct at_profile *profile, struct plain_rules *out)
{
    *out = (struct plain_rules){
        .quiet_us = profile->other_devices ? 0 : profile->quiet_ms * UINT64_C(1000),
        .dismiss_denies = profile->dismiss_denies,
        .any = profile->concurrent == AT_CONCURRENT_JOIN && !profile->per_device && !profile->lacks &&
               profile->n_scopes <= PLAIN_SCOPES_MAX,
    };
    for (size_t s = 0; s < profile->n_scopes && out->any; s++) {
        out->prompting |= profile->scopes[s].prompts ? bit_of(s) : 0;
        out->listed |= profile->scopes[s].exempt ? 0 : bit_of(s);
    }
}

void plain_odd(struct plain_key *k, uint64_t order)
{
    if (k->trust != PLAIN_ODD)
        k->since = order;
    k->trust = PLAIN_ODD;
}

/* ---- States */

/* The states that a scope may be in, as a mask. */
static unsigned states_of(const struct plain_key *k, uint32_t bit)
{
    return k->unknown & bit   ? ANY_STATE
           : k->granted & bit ? 1u << AT_GRANTED
           : k->denied & bit  ? 1u << AT_DENIED
                              : 1u << AT_UNASKED;
}

static void set_state(struct plain_key *k, uint32_t bit, enum at_state state)
{
    k->unknown &= ~bit;
    k->granted = state == AT_GRANTED ? k->granted | bit : k->granted & ~bit;
    k->denied = state == AT_DENIED ? k->denied | bit : k->denied & ~bit;
}

/* The state of these scopes is what it was when it was set. */
static void rely_on(struct plain_key *k, uint32_t bits)
{
    k->relied = k->relied || (bits & ~k->set);
}

/* All records were removed in the latest quiet window. False: that cannot be. */
static bool reset_unseen(struct plain_key *k)
{
    if (!k->window || k->relied || k->across)
        return false;
    k->granted &= k->set;
    k->denied &= k->set;
    k->unknown &= k->set;
    return true;
}

static void changed(struct plain_bond *b, unsigned by, unsigned old, uint64_t order)
{
    b->before = b->change;
    b->change = order;
    b->by = (uint8_t)by;
    b->old = (uint8_t)old;
}

/* ---- Events */

void plain_start(const struct plain_rules *r, struct plain_key *k, bool fresh, unsigned observes, int64_t t_us,
                 uint64_t order)
{
    const unsigned needed = 1u << AT_SEES_PROMPTS | 1u << AT_SEES_DECISIONS | 1u << AT_SEES_SETTINGS;
    if (!r->any || k->trust == PLAIN_ODD || k->up || (observes & needed) != needed) {
        plain_odd(k, order);
        return;
    }
    uint8_t open = k->open;
    uint8_t reading = k->reading;
    *k = (struct plain_key){.last_us = t_us,
                            .unknown = fresh ? 0 : UINT32_MAX,
                            .since = order,
                            .open = open,
                            .reading = reading,
                            .trust = PLAIN_YES,
                            .resets_hidden = !(observes & 1u << AT_SEES_RESETS)};
}

/* The answer fits the state that the scope has had all the time. */
static bool fits_state(struct plain_key *k, uint32_t bit, enum at_state wanted)
{
    if (k->up & bit || !(states_of(k, bit) & 1u << wanted))
        return false;
    set_state(k, bit, wanted);
    rely_on(k, bit);
    return true;
}

/* The answer fits what happened while the call was open, which was one change. */
static bool fits_change(const struct plain_key *k, const struct plain_bond *b, uint32_t bit, enum at_class cls)
{
    unsigned states = b->old | states_of(k, bit);
    switch (b->by) {
    case BY_ALLOW:
        return cls == AT_CLASS_OK;
    case BY_DENY:
        return cls == AT_CLASS_DENIED;
    case BY_DISMISS:
        return cls == AT_CLASS_DISMISSED;
    case BY_FLIP:
        return (cls == AT_CLASS_OK && states & 1u << AT_GRANTED) ||
               (cls == AT_CLASS_DENIED && states & 1u << AT_DENIED);
    default:
        return false;
    }
}

enum at_via plain_outcome(struct plain_key *k, struct plain_bond *b, size_t scope, enum at_class cls, uint64_t made,
                          uint64_t order)
{
    uint32_t bit = bit_of(scope);
    bool fits = false;
    if (cls != AT_CLASS_OK && cls != AT_CLASS_DENIED && cls != AT_CLASS_DISMISSED && cls != AT_CLASS_UNAUTHORIZED)
        return AT_VIA_NONE; /* not about authorization: R14 */
    if (made < k->since)
        fits = false;
    else if (b->change < made)
        fits = (cls == AT_CLASS_OK && fits_state(k, bit, AT_GRANTED)) ||
               (cls == AT_CLASS_DENIED && fits_state(k, bit, AT_DENIED));
    else if (b->before < made)
        fits = fits_change(k, b, bit, cls);
    if (!fits) {
        plain_odd(k, order);
        return AT_VIA_NONE;
    }
    return b->change > made && b->by != BY_FLIP ? AT_VIA_PROMPT : AT_VIA_STATE;
}

static bool is_listed(const struct plain_key *k, uint32_t checked, uint32_t granted, uint32_t denied)
{
    uint32_t known = checked & ~k->unknown;
    return !((k->granted ^ granted) & known) && !((k->denied ^ denied) & known);
}

void plain_listing(const struct plain_rules *r, struct plain_key *k, uint32_t listed, uint32_t granted, uint64_t made,
                   uint64_t order)
{
    uint32_t denied = listed & ~granted;
    if (made < k->since ||
        (!is_listed(k, r->listed, granted, denied) && !(reset_unseen(k) && is_listed(k, r->listed, granted, denied)))) {
        plain_odd(k, order);
        return;
    }
    uint32_t learnt = k->unknown & r->listed;
    k->granted |= learnt & granted;
    k->denied |= learnt & denied;
    k->unknown &= ~learnt;
    rely_on(k, listed & r->listed);
}

void plain_prompt(const struct plain_rules *r, struct plain_key *k, struct plain_bond *b, size_t scope, uint64_t caller,
                  uint64_t order)
{
    uint32_t bit = bit_of(scope);
    bool called = caller ? caller != UINT64_MAX && caller > b->prompted : b->fresh > 0;
    if (called && ((k->granted | k->denied) & bit))
        called = !(k->set & bit) && reset_unseen(k);
    if (!called || !(r->prompting & bit) || k->up & bit) {
        plain_odd(k, order);
        return;
    }
    k->unknown &= ~bit;
    k->up |= bit;
    b->fresh = 0;
}

void plain_decision(const struct plain_rules *r, struct plain_key *k, struct plain_bond *b, size_t scope, bool named,
                    enum at_answer answer, uint64_t order)
{
    static const uint8_t by[] = {
        [AT_ANSWER_ALLOW] = BY_ALLOW, [AT_ANSWER_DENY] = BY_DENY, [AT_ANSWER_DISMISS] = BY_DISMISS};
    uint32_t bit = bit_of(scope);
    if (named ? !(k->up & bit) : k->up != bit) {
        plain_odd(k, order);
        return;
    }
    k->up &= ~bit;
    set_state(k, bit,
              answer == AT_ANSWER_ALLOW                       ? AT_GRANTED
              : answer == AT_ANSWER_DENY || r->dismiss_denies ? AT_DENIED
                                                              : AT_UNASKED);
    k->set |= bit;
    changed(b, by[answer], 1u << AT_UNASKED, order);
}

void plain_flip(struct plain_key *k, struct plain_bond *b, size_t scope, bool granted, uint64_t order)
{
    uint32_t bit = bit_of(scope);
    unsigned old = states_of(k, bit) & ~(1u << AT_UNASKED);
    if (!old || k->up & bit) {
        plain_odd(k, order);
        return;
    }
    rely_on(k, bit);
    set_state(k, bit, granted ? AT_GRANTED : AT_DENIED);
    k->set |= bit;
    changed(b, BY_FLIP, old, order);
}

void plain_reset(struct plain_key *k, uint64_t order)
{
    if (k->up) {
        plain_odd(k, order);
        return;
    }
    k->unknown = k->granted = k->denied = k->set = 0;
    k->window = 0;
    k->relied = false;
    k->since = order;
}
