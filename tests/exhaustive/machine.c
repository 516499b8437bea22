/* machine.c: silent steps and events of one key, each as its rule says it. */
#include <string.h>

#include "machine.h"

const char *const step_names[STEPS] = {
    "settle-ok",
    "settle-denied",
    "settle-unauthorized",
    "hidden-prompt",
    "hidden-reprompt",
    "join",
    "hidden-allow",
    "hidden-deny",
    "hidden-dismiss",
    "flip-in-quiet-window",
    "flip-in-openSetting",
    "hidden-reset",
    "snapshot",
};
const char *const kind_names[KINDS] = {
    "start", "call", "return", "prompt", "decision", "settings", "settings-page", "reset", "gap", "end",
};

static enum state state_of(const struct config *c, unsigned s)
{
    return (enum state)(c->scope[s] & STATE_BITS);
}

static bool is_up(const struct config *c, unsigned s)
{
    return c->scope[s] & UP;
}

static void set_state(struct config *c, unsigned s, enum state st)
{
    c->scope[s] = (uint8_t)((c->scope[s] & ~STATE_BITS) | st);
}

static bool lacks(const struct key *k, unsigned rule)
{
    return k->policy->lacks >> rule & 1;
}

static bool prompts(const struct key *k, unsigned s)
{
    return !(k->policy->silent >> s & 1);
}

static bool sees(const struct key *k, enum sight what)
{
    return k->policy->strict || (k->observes & what);
}

/* True for the slot of a call that scope s gates. */
static bool gated_by(const struct key *k, unsigned slot, unsigned s)
{
    const struct slot *p = &k->slots[slot];
    return p->used && (p->api == GATED || p->api == AUTHORIZE) && p->scope == s;
}

static bool takes_snapshot(const struct key *k, unsigned slot)
{
    const struct slot *p = &k->slots[slot];
    return p->used && (p->api == GET_SETTING || p->api == OPEN_SETTING);
}

/* A call that a gap left in the dark may still be open. */
static bool may_be_open(const struct config *c, unsigned slot)
{
    return STATUS(c->call[slot]) == OPEN || STATUS(c->call[slot]) == LOST;
}

static uint16_t snapshot_of(const struct config *c)
{
    unsigned snapshot = 0;
    for (unsigned s = 0; s < MAX_SCOPES; s++)
        snapshot |= (unsigned)state_of(c, s) << 2 * s;
    return (uint16_t)snapshot;
}

/* ---- Effects that a step and an event share */

static void put_up(struct config *c, unsigned s, unsigned slot)
{
    c->scope[s] |= UP;
    if (STATUS(c->call[slot]) != LOST)
        c->call[slot] = WAITING;
}

/* Adds what the decision makes of `c`, one configuration for each state that it may leave. */
static void decide(const struct key *k, const struct config *c, unsigned s, enum answer a, struct set *out)
{
    static const uint16_t settled[] = {[ALLOW] = S_OK, [DENY] = S_DENIED, [DISMISS] = S_DISMISSED};
    enum state kept = a == ALLOW ? G : a == DENY || k->policy->dismiss_denies ? D : U;
    bool any_of_all = a == DISMISS && lacks(k, 15), not_kept = lacks(k, a == ALLOW ? 3 : 4) && a != DISMISS;
    struct config next = *c;
    for (unsigned i = 0; i < MAX_CALLS; i++)
        if (gated_by(k, i, s) && STATUS(c->call[i]) == WAITING)
            next.call[i] = settled[a];
    for (enum state st = U; st <= D; st++) {
        bool left = st == kept || (not_kept && st == U) || (any_of_all && (st != G || state_of(c, s) == G));
        next.scope[s] = (uint8_t)st;
        if (left)
            set_add(out, &next);
    }
}

static void take_down(struct config *c)
{
    for (unsigned s = 0; s < MAX_SCOPES; s++)
        c->scope[s] &= STATE_BITS;
    for (unsigned i = 0; i < MAX_CALLS; i++)
        if (STATUS(c->call[i]) == WAITING)
            c->call[i] = OPEN;
}

static void forget(struct config *c)
{
    take_down(c);
    memset(c->scope, 0, sizeof c->scope);
}

/* A reset: every scope from s on is unasked again, or (R10 lacking) may have stayed as it was. */
static void reset(const struct key *k, const struct config *c, unsigned s, struct set *out)
{
    struct config next = *c;
    if (s == 0)
        take_down(&next);
    while (s < MAX_SCOPES && state_of(&next, s) == U)
        s++;
    if (s == MAX_SCOPES) {
        set_add(out, &next);
        return;
    }
    if (lacks(k, 10))
        reset(k, &next, s + 1, out);
    set_state(&next, s, U);
    reset(k, &next, s + 1, out);
}

/* ---- Silent steps */

static void count(const struct key *k, enum step what)
{
    if (k->coverage)
        k->coverage->steps[what]++;
}

static void step(const struct key *k, enum step what, const struct config *c, struct set *out)
{
    count(k, what);
    set_add(out, c);
}

/* An unasked scope prompts, if it ever does. Where R2 lacks, its call may be let through or refused without. */
static void settle_unasked(const struct key *k, struct config *next, unsigned slot, bool prompts, struct set *out)
{
    if (!prompts) {
        next->call[slot] = S_UNAUTHORIZED;
        step(k, SETTLE_UNAUTHORIZED, next, out);
    }
    if (lacks(k, 2)) {
        next->call[slot] = S_OK;
        step(k, SETTLE_OK, next, out);
        next->call[slot] = S_DENIED;
        step(k, SETTLE_DENIED, next, out);
    }
}

static void settle_and_join(const struct key *k, const struct config *c, unsigned s, struct set *out)
{
    for (unsigned i = 0; i < MAX_CALLS; i++) {
        if (!gated_by(k, i, s) || STATUS(c->call[i]) != OPEN)
            continue;
        struct config next = *c;
        if (is_up(c, s)) {
            if (k->policy->concurrent != JOIN)
                continue;
            next.call[i] = WAITING;
            step(k, STEP_JOIN, &next, out);
        } else if (state_of(c, s) == G) {
            next.call[i] = S_OK;
            step(k, SETTLE_OK, &next, out);
        } else if (state_of(c, s) == D) {
            next.call[i] = S_DENIED;
            step(k, SETTLE_DENIED, &next, out);
        } else {
            settle_unasked(k, &next, i, prompts(k, s), out);
        }
    }
}

/* R2; and where R5 or R6 lacks, what was answered may be asked again. */
static bool prompts_in(const struct key *k, unsigned s, enum state st)
{
    return prompts(k, s) && (st == U || (st == G && lacks(k, 5)) || (st == D && lacks(k, 6)));
}

static bool may_prompt(const struct key *k, const struct config *c, unsigned s)
{
    return prompts_in(k, s, state_of(c, s)) && (!is_up(c, s) || k->policy->concurrent == REPROMPT);
}

static void hidden_prompt(const struct key *k, const struct config *c, unsigned s, struct set *out)
{
    if (sees(k, SEES_PROMPTS) || !may_prompt(k, c, s))
        return;
    for (unsigned i = 0; i < MAX_CALLS; i++) {
        if (!gated_by(k, i, s) || !may_be_open(c, i))
            continue;
        struct config next = *c;
        put_up(&next, s, i);
        step(k, is_up(c, s) ? HIDDEN_REPROMPT : HIDDEN_PROMPT, &next, out);
    }
}

static void hidden_decision(const struct key *k, const struct config *c, unsigned s, struct set *out)
{
    if (sees(k, SEES_DECISIONS) || !is_up(c, s))
        return;
    for (enum answer a = ALLOW; a <= DISMISS; a++) {
        count(k, (enum step)(HIDDEN_ALLOW + (a - ALLOW)));
        decide(k, c, s, a, out);
    }
}

static void hidden_flip(const struct key *k, const struct config *c, unsigned s, bool window, bool page,
                        struct set *out)
{
    if (sees(k, SEES_SETTINGS) || (state_of(c, s) == U && !lacks(k, 9)) || !(window || page))
        return;
    for (enum state to = G; to <= D; to++) {
        struct config next = *c;
        if (to == state_of(c, s))
            continue;
        set_state(&next, s, to);
        step(k, window ? FLIP_QUIET : FLIP_OPEN_SETTING, &next, out);
    }
}

static void take_snapshots(const struct key *k, const struct config *c, struct set *out)
{
    for (unsigned i = 0; i < MAX_CALLS; i++) {
        if (!takes_snapshot(k, i) || STATUS(c->call[i]) != OPEN)
            continue;
        struct config next = *c;
        next.call[i] = WITH_SNAPSHOT(snapshot_of(c));
        step(k, TAKE_SNAPSHOT, &next, out);
    }
}

static void silent_steps(const struct key *k, const struct config *c, bool quiet, struct set *out)
{
    bool window = quiet, page = false;
    for (unsigned s = 0; s < MAX_SCOPES; s++)
        if (c->scope[s] & SEEN)
            window = false;
    for (unsigned i = 0; i < MAX_CALLS; i++)
        if (k->slots[i].used && k->slots[i].api == OPEN_SETTING && may_be_open(c, i))
            page = true;
    for (unsigned s = 0; s < MAX_SCOPES; s++) {
        if (!(k->touched >> s & 1))
            continue;
        settle_and_join(k, c, s, out);
        hidden_prompt(k, c, s, out);
        hidden_decision(k, c, s, out);
        hidden_flip(k, c, s, window, page, out);
    }
    take_snapshots(k, c, out);
    if (window && !sees(k, SEES_RESETS)) {
        count(k, HIDDEN_RESET);
        reset(k, c, 0, out);
    }
}

void machine_close(const struct key *k, bool quiet, struct set *s)
{
    for (size_t i = 0; i < s->n && !s->overflow; i++) {
        struct config c = s->items[i]; /* the set may move as it grows */
        silent_steps(k, &c, quiet, s);
    }
}

bool machine_is_quiet(const struct key *k, int64_t interval_us)
{
    return k->policy->other_devices || interval_us >= k->policy->quiet_us;
}

/* ---- Events. Each adds what follows from `c`: nothing where the rule forbids it and nothing is waived. */

/* Adds `c` with every combination of states of the touched scopes; `up`: also with prompts up. */
static void any_states(const struct key *k, struct config c, unsigned s, bool up, struct set *out)
{
    while (s < MAX_SCOPES && !(k->touched >> s & 1))
        s++;
    if (s == MAX_SCOPES) {
        set_add(out, &c);
        return;
    }
    for (enum state st = U; st <= D; st++) {
        c.scope[s] = (uint8_t)st;
        any_states(k, c, s + 1, up, out);
    }
    for (enum state st = U; st <= D; st++) {
        if (!up || !prompts_in(k, s, st))
            continue;
        c.scope[s] = (uint8_t)(st | UP);
        any_states(k, c, s + 1, up, out);
    }
}

/*
 * `start` and `gap`: what was known of the states is gone. Many configurations differ in nothing else, so that part is
 * done first.
 */
static void on_new_states(const struct key *k, const struct event *e, const struct set *from, struct set *out)
{
    struct set bases = {0};
    for (size_t i = 0; i < from->n; i++) {
        struct config c = from->items[i];
        forget(&c);
        for (unsigned slot = 0; slot < MAX_CALLS && e->kind == GAP; slot++)
            if (k->slots[slot].used)
                c.call[slot] = LOST;
        set_add(&bases, &c);
    }
    for (size_t i = 0; i < bases.n; i++) {
        if (e->kind == START && e->fresh)
            set_add(out, &bases.items[i]);
        else
            any_states(k, bases.items[i], 0, e->kind == GAP, out);
    }
    set_free(&bases);
}

static void on_call(const struct key *k, const struct event *e, struct config c, struct set *out)
{
    for (unsigned i = 0; i < MAX_CALLS; i++)
        if (k->slots[i].used && k->slots[i].call == e->call)
            c.call[i] = OPEN;
    set_add(out, &c);
}

/*
 * STATE waives the scope's state; CALL also that there is a call that waits for the prompt. So a prompt without a
 * reason is still taken to be about a call that may be open, where any run has one.
 */
enum waived { NOTHING, STATE, CALL_TOO };

static void on_prompt(const struct key *k, const struct event *e, const struct config *c, enum waived waived,
                      struct set *out)
{
    if (waived == NOTHING && !may_prompt(k, c, e->scope))
        return;
    bool any = false;
    for (unsigned i = 0; i < MAX_CALLS; i++) {
        if (!gated_by(k, i, e->scope) || (e->call != NO_CALL && k->slots[i].call != e->call))
            continue;
        if (!may_be_open(c, i) && !(waived == CALL_TOO && e->call != NO_CALL))
            continue;
        struct config next = *c;
        put_up(&next, e->scope, i);
        next.scope[e->scope] |= SEEN;
        set_add(out, &next);
        any = true;
    }
    if (waived == CALL_TOO && !any) {
        struct config next = *c;
        next.scope[e->scope] |= UP | SEEN;
        set_add(out, &next);
    }
}

/*
 * `c` with any of the open calls of s from `slot` on waiting, as if its prompt had been up; then the decision. Where
 * the policy has no silent step by which a call gets to wait for a prompt that is up, they stay open.
 */
static void decide_unseen(const struct key *k, const struct event *e, struct config c, unsigned s, unsigned slot,
                          struct set *out)
{
    bool may_wait = k->policy->concurrent == JOIN || (k->policy->concurrent == REPROMPT && !sees(k, SEES_PROMPTS));
    while (slot < MAX_CALLS && !(may_wait && gated_by(k, slot, s) && STATUS(c.call[slot]) == OPEN))
        slot++;
    if (slot == MAX_CALLS) {
        decide(k, &c, s, (enum answer)e->answer, out);
        return;
    }
    decide_unseen(k, e, c, s, slot + 1, out);
    c.call[slot] = WAITING;
    decide_unseen(k, e, c, s, slot + 1, out);
}

/* No scope is up, and yet there was a decision: about the scope it names, or that of a call that is not answered. */
static void adopt_decision(const struct key *k, const struct event *e, const struct config *c, struct set *out)
{
    bool any = false;
    for (unsigned s = 0; s < MAX_SCOPES; s++) {
        bool asked = e->scope == s;
        for (unsigned i = 0; i < MAX_CALLS && e->scope == NO_SCOPE; i++)
            asked = asked || gated_by(k, i, s);
        if (asked)
            decide_unseen(k, e, *c, s, 0, out);
        any = any || asked;
    }
    if (!any)
        set_add(out, c);
}

static void on_decision(const struct key *k, const struct event *e, const struct config *c, bool waived,
                        struct set *out)
{
    if (waived) {
        adopt_decision(k, e, c, out);
        return;
    }
    for (unsigned s = 0; s < MAX_SCOPES; s++) {
        if ((e->scope != NO_SCOPE && e->scope != s) || !is_up(c, s))
            continue;
        decide(k, c, s, (enum answer)e->answer, out);
    }
}

/* Only what was asked for can be flipped, and then is (R9). Where R9 lacks, anything can, and may stay as it was. */
static void on_settings(const struct key *k, const struct event *e, struct config c, bool waived, struct set *out)
{
    if (!waived && state_of(&c, e->scope) == U && !lacks(k, 9))
        return;
    if (lacks(k, 9))
        set_add(out, &c);
    set_state(&c, e->scope, e->granted ? G : D);
    set_add(out, &c);
}

static bool same_snapshot(const struct key *k, unsigned a, unsigned b)
{
    for (unsigned s = 0; s < MAX_SCOPES; s++)
        if (!(k->policy->exempt >> s & 1) && ((a ^ b) >> 2 * s & 3))
            return false;
    return true;
}

/* One slot of the answered call: is this outcome what the configuration has for it? */
static bool fits(const struct key *k, const struct event *e, unsigned status)
{
    switch ((enum outcome)e->outcome) {
    case OK:
        return STATUS(status) == S_OK;
    case DENIED:
        return STATUS(status) == S_DENIED;
    case DISMISSED:
        return STATUS(status) == S_DISMISSED;
    case UNAUTHORIZED:
        return STATUS(status) == S_DENIED || STATUS(status) == S_UNAUTHORIZED;
    case OTHER:
        break;
    }
    (void)k;
    return true;
}

/* An ok needs every scope of the call; a refusal is due to one of them, whatever became of the others. */
static bool explains_return(const struct key *k, const struct event *e, const struct config *c)
{
    bool all = true, any = false, found = false;
    for (unsigned i = 0; i < MAX_CALLS; i++) {
        if (!k->slots[i].used || k->slots[i].call != e->call)
            continue;
        bool good = STATUS(c->call[i]) == LOST || e->outcome == OTHER;
        if (!good && takes_snapshot(k, i))
            good = !e->has_snapshot || e->outcome != OK || lacks(k, k->slots[i].api == OPEN_SETTING ? 8 : 7) ||
                   (STATUS(c->call[i]) == SNAPSHOT && same_snapshot(k, c->call[i] >> 4, e->snapshot));
        else if (!good)
            good = fits(k, e, c->call[i]);
        found = true;
        all = all && good;
        any = any || good;
    }
    return !found || (e->outcome == OK ? all : any);
}

static void on_return(const struct key *k, const struct event *e, struct config c, bool waived, struct set *out)
{
    if (!waived && !explains_return(k, e, &c))
        return;
    for (unsigned i = 0; i < MAX_CALLS; i++)
        if (k->slots[i].used && k->slots[i].call == e->call)
            c.call[i] = FREE;
    set_add(out, &c);
}

static void event_in(const struct key *k, const struct event *e, const struct config *c, enum waived waived,
                     struct set *out)
{
    struct config next = *c;
    switch ((enum kind)e->kind) {
    case CALL:
        on_call(k, e, next, out);
        break;
    case RETURN:
        on_return(k, e, next, waived, out);
        break;
    case PROMPT:
        on_prompt(k, e, c, waived, out);
        break;
    case DECISION:
        on_decision(k, e, c, waived, out);
        break;
    case SETTINGS:
        on_settings(k, e, next, waived, out);
        break;
    case PAGE:
        if (waived || lacks(k, 8) || same_snapshot(k, snapshot_of(c), e->snapshot))
            set_add(out, c);
        break;
    case RESET:
        reset(k, c, 0, out);
        break;
    case START:
    case GAP:
    case END:
    case KINDS:
        set_add(out, c);
        break;
    }
}

/* ---- The tape's own part: which calls there are */

static void add_slots(struct key *k, const struct event *e, struct set *to)
{
    bool snapshot = e->api == GET_SETTING || e->api == OPEN_SETTING;
    for (unsigned s = 0; s < MAX_SCOPES; s++) {
        if (snapshot ? s > 0 : !(e->scopes >> s & 1))
            continue;
        unsigned i = 0;
        while (i < MAX_CALLS && k->slots[i].used)
            i++;
        if (i == MAX_CALLS) {
            to->overflow = true;
            return;
        }
        k->slots[i] = (struct slot){.call = e->call, .used = 1, .api = e->api, .scope = (uint8_t)s};
    }
}

void machine_begin(struct key *k, struct set *s)
{
    static const struct config nothing;
    k->observes = 0;
    memset(k->slots, 0, sizeof k->slots);
    set_clear(s);
    any_states(k, nothing, 0, false, s);
}

bool machine_event(struct key *k, const struct event *e, const struct set *from, struct set *to)
{
    set_clear(to);
    to->overflow = from->overflow;
    if (e->kind == CALL && e->api != UNGATED)
        add_slots(k, e, to);
    bool new_states = e->kind == START || e->kind == GAP;
    if (new_states)
        on_new_states(k, e, from, to);
    for (size_t i = 0; i < from->n && !new_states; i++)
        event_in(k, e, &from->items[i], NOTHING, to);
    bool explained = to->n > 0;
    for (enum waived waived = STATE; !to->n && waived <= CALL_TOO; waived++)
        for (size_t i = 0; i < from->n; i++)
            event_in(k, e, &from->items[i], waived, to);
    if (e->kind == RETURN)
        for (unsigned i = 0; i < MAX_CALLS; i++)
            if (k->slots[i].used && k->slots[i].call == e->call)
                k->slots[i].used = 0;
    if (e->kind == START)
        k->observes = e->observes;
    if (k->coverage)
        (explained ? k->coverage->explained : k->coverage->unexplained)[e->kind]++;
    return explained;
}
