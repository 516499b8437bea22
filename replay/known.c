/* known.c: what is certain about a scope, by which event; the hidden changes that follow from it. */
#include "replay/private.h"
#include "replay/words.h"

static bool single(uint8_t states)
{
    return states && !(states & (states - 1));
}

static enum at_state state_of(uint8_t states)
{
    return states & 1u << AT_GRANTED ? AT_GRANTED : states & 1u << AT_DENIED ? AT_DENIED : AT_UNASKED;
}

void known_until(struct key *k, size_t s, struct at_place at)
{
    if (k->known[s].certain)
        k->known[s].sure = at;
}

void known_refresh(const struct at_checker *c, struct key *k, size_t s)
{
    if (k->known[s].certain)
        k->known[s].certain = single(key_states(c, k, s));
}

enum at_err tell_inferred(struct at_checker *c, const struct key *k, enum at_inferred_kind kind, size_t s,
                          unsigned value, struct at_place after, struct at_place before, struct at_str platform)
{
    if (!c->sink.inferred)
        return AT_OK;
    struct at_inferred i = {.kind = kind,
                            .app = key_app(k),
                            .user = key_user(k),
                            .platform = platform,
                            .after = after,
                            .before = before};
    if (kind != AT_INFERRED_RESET)
        i.scope = c->profile->scopes[s].name;
    if (kind == AT_INFERRED_DECISION)
        i.answer = (enum at_answer)value;
    else if (kind == AT_INFERRED_SETTINGS)
        i.granted = value;
    return c->sink.inferred(c->sink.ctx, &i);
}

/* The cheapest hidden way from one state to another (SPEC section 4: "the fewest that explain it"). */
struct way {
    bool reset, prompt, decision, flip;
};

/* Whether there may be a prompt in this state: when unasked (R2), or where the platform lacks R5 or R6. */
static bool may_prompt(const struct at_checker *c, enum at_state state)
{
    return state == AT_UNASKED || at_profile_lacks(c->profile, state == AT_GRANTED ? 5 : 6);
}

static struct way cheapest(const struct at_checker *c, const struct key *k, enum at_state from, enum at_state to)
{
    const struct way asked = {.prompt = true, .decision = true};
    bool flips = from != AT_UNASKED || at_profile_lacks(c->profile, 9);
    if (from == to)
        return (struct way){0};
    if (to == AT_UNASKED)
        return may_prompt(c, from) && !hidden(c, k, AT_SEES_RESETS) ? asked : (struct way){.reset = true};
    if (flips && hidden(c, k, AT_SEES_SETTINGS))
        return (struct way){.flip = true};
    if (may_prompt(c, from))
        return asked;
    return (struct way){.reset = true, .prompt = true, .decision = true};
}

static enum at_err tell_way(struct at_checker *c, struct key *k, size_t s, const struct way *w, enum at_state to,
                            struct evidence *e)
{
    struct at_place after = k->known[s].sure;
    struct at_str platform = e->ev->platform;
    enum at_err err = AT_OK;
    if (w->reset && !e->reset_told) {
        e->reset_told = true;
        err = tell_inferred(c, k, AT_INFERRED_RESET, s, 0, after, e->at, platform);
    }
    if (!err && w->flip)
        err = tell_inferred(c, k, AT_INFERRED_SETTINGS, s, to == AT_GRANTED, after, e->at, platform);
    if (!err && w->prompt)
        err = tell_inferred(c, k, AT_INFERRED_PROMPT, s, 0, after, e->at, platform);
    if (!err && w->decision)
        err = tell_inferred(c, k, AT_INFERRED_DECISION, s, to == AT_GRANTED ? AT_ANSWER_ALLOW : AT_ANSWER_DENY, after,
                            e->at, platform);
    return err;
}

/* The hidden changes between what was known and what the event leaves. */
static struct way way_to(const struct at_checker *c, const struct key *k, size_t s, enum at_kind kind,
                         enum at_state now)
{
    const struct known *n = &k->known[s];
    bool knew = single(n->states);
    bool prompt_seen = n->kind == AT_KIND_PROMPT;
    struct way w = {0};
    switch (kind) {
    case AT_KIND_PROMPT: /* it was unasked when the prompt came up */
        if (knew && !may_prompt(c, state_of(n->states)))
            w = cheapest(c, k, state_of(n->states), AT_UNASKED);
        break;
    case AT_KIND_DECISION: /* its prompt was up, and so it was unasked before */
        if (knew && !prompt_seen && !may_prompt(c, state_of(n->states)))
            w = cheapest(c, k, state_of(n->states), AT_UNASKED);
        w.prompt = !prompt_seen;
        break;
    case AT_KIND_RETURN:
    case AT_KIND_SETTINGS_PAGE:
        if (knew)
            w = cheapest(c, k, state_of(n->states), now);
        w.prompt = w.prompt && !prompt_seen;
        break;
    case AT_KIND_SETTINGS: /* only an asked scope can be flipped */
        if (knew && state_of(n->states) == AT_UNASKED && !at_profile_lacks(c->profile, 9))
            w = (struct way){.prompt = !prompt_seen, .decision = true};
        break;
    case AT_KIND_START:
    case AT_KIND_CALL:
    case AT_KIND_RESET:
    case AT_KIND_GAP:
    case AT_KIND_END:
    default:
        break;
    }
    return w;
}

/*
 * Several states are left: what was certain before stays known as the past, unless it is ruled out, or the event was a
 * change that a platform which lacks a rule need not have followed.
 */
static void note_several(const struct at_checker *c, struct known *n, uint8_t states, const struct evidence *e)
{
    enum at_kind kind = e->ev->kind;
    bool change = kind == AT_KIND_DECISION || kind == AT_KIND_SETTINGS || kind == AT_KIND_RESET;
    bool past = !change || !c->profile->lacks;
    n->certain = false;
    if (past && single(n->states) && (states & n->states))
        return;
    bool narrower = !past || n->states == 0 || (states & n->states) != n->states;
    if (states == (1u << AT_STATES) - 1)
        states = 0;
    if (narrower)
        *n = (struct known){
            .states = states, .ever = n->ever, .kind = e->ev->kind, .cause = e->at, .sure = e->at, .api = e->api};
    else
        n->states = states;
}

enum at_err known_update(struct at_checker *c, struct key *k, size_t s, struct evidence *e)
{
    struct known *n = &k->known[s];
    uint8_t states = key_states(c, k, s);
    enum at_kind kind = e->ev->kind;
    enum at_err err = AT_OK;
    if (!single(states)) {
        note_several(c, n, states, e);
        return AT_OK;
    }
    if (e->explained) {
        struct way w = way_to(c, k, s, kind, state_of(states));
        err = tell_way(c, k, s, &w, kind == AT_KIND_SETTINGS ? AT_DENIED : state_of(states), e);
    }
    bool told_by_itself = kind != AT_KIND_RETURN && kind != AT_KIND_SETTINGS_PAGE;
    if (n->states != states || told_by_itself || n->kind == AT_KIND_PROMPT) {
        n->kind = kind;
        n->cause = e->at;
        n->api = e->api;
    }
    n->states = states;
    n->ever |= states;
    n->certain = true;
    n->sure = e->at;
    return err;
}

enum at_err known_dismissal(struct at_checker *c, struct key *k, size_t s, const struct call *call, struct at_place at)
{
    struct known *n = &k->known[s];
    if (call->decided || (n->dismissed_before && call->place.event < n->dismissed_before))
        return AT_OK; /* the decision is on the tape, or another call told of it */
    n->dismissed_before = at.event;
    enum at_err err = AT_OK;
    if (!call->prompted)
        err = tell_inferred(c, k, AT_INFERRED_PROMPT, s, 0, call->place, at, call->platform);
    if (!err)
        err = tell_inferred(c, k, AT_INFERRED_DECISION, s, AT_ANSWER_DISMISS, call->place, at, call->platform);
    return err;
}

enum at_err known_witness(const struct at_checker *c, const struct key *k, size_t s, struct at_witness *w,
                          struct at_buf *text, size_t *n)
{
    const struct known *kn = &k->known[s];
    *n = 0;
    if (!single(kn->states))
        return AT_OK;
    text->len = 0;
    enum at_err err = words_fact(text, kn->kind, c->profile->scopes[s].name, state_of(kn->states), kn->api);
    if (!err)
        err = at_buf_add(text, "", 1);
    *w = (struct at_witness){.at = kn->cause, .kind = kn->kind, .text = text->ptr};
    *n = 1;
    return err;
}
