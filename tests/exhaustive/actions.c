/* actions.c: what may come next. */
#include <string.h>

#include "gen.h"

static struct event *add(struct actions *out, enum kind kind)
{
    static struct event scrap;
    struct event *e = out->n < ACTIONS_MAX ? &out->events[out->n++] : &scrap;
    memset(e, 0, sizeof *e);
    e->kind = (uint8_t)kind;
    e->scope = NO_SCOPE;
    return e;
}

static void add_calls(const struct key *k, bool all, uint32_t next_call, uint64_t salt, struct actions *out)
{
    struct event *e;
    for (unsigned s = 0; s < SCOPES; s++) {
        if (!(k->touched >> s & 1))
            continue;
        for (unsigned authorize = 0; authorize < 2; authorize++) {
            if (!all && authorize != (salt >> s & 1))
                continue; /* the API makes no difference to the machine */
            e = add(out, CALL);
            e->api = authorize ? AUTHORIZE : GATED;
            e->scopes = (uint8_t)(1 << s);
            e->call = next_call;
        }
    }
    if (k->touched & (k->touched - 1)) {
        e = add(out, CALL);
        e->api = AUTHORIZE;
        e->scopes = k->touched;
        e->call = next_call;
    }
    for (enum api api = GET_SETTING; api <= OPEN_SETTING; api++) {
        e = add(out, CALL);
        e->api = (uint8_t)api;
        e->call = next_call;
    }
    if (all) {
        e = add(out, CALL);
        e->call = next_call;
    }
}

/* Every snapshot of the touched scopes, in copies of `pattern`. */
static void add_snapshots(const struct key *k, const struct event *pattern, struct actions *out)
{
    unsigned touched[MAX_SCOPES], n = 0, total = 1;
    for (unsigned s = 0; s < SCOPES; s++)
        if (k->touched >> s & 1) {
            touched[n++] = s;
            total *= 3;
        }
    for (unsigned i = 0; i < total; i++) {
        struct event *e = add(out, PAGE);
        *e = *pattern;
        e->has_snapshot = true;
        for (unsigned j = 0, rest = i; j < n; j++, rest /= 3)
            e->snapshot |= (uint16_t)(rest % 3 << 2 * touched[j]);
    }
}

static void add_returns(const struct key *k, const struct set *in, unsigned slot, bool all, uint64_t salt,
                        struct actions *out)
{
    const struct slot *p = &k->slots[slot];
    struct event r = {.kind = RETURN, .scope = NO_SCOPE, .call = p->call, .api = p->api};
    bool silent = false, lost = in->n && STATUS(in->items[0].call[slot]) == LOST;
    for (unsigned i = 0; i < MAX_CALLS; i++)
        if (k->slots[i].used && k->slots[i].call == p->call) {
            r.scopes |= (uint8_t)(1 << k->slots[i].scope);
            silent = silent || (k->policy->silent >> k->slots[i].scope & 1);
        }
    size_t from = out->n;
    bool snapshot = p->api == GET_SETTING || p->api == OPEN_SETTING;
    if (snapshot) {
        r.scopes = 0;
        add_snapshots(k, &r, out);
        r.outcome = OTHER;
        *add(out, RETURN) = r;
    }
    for (enum outcome o = OK; !snapshot && o <= OTHER; o++) {
        if (!all && !silent && o == (salt >> 8 & 1 ? DENIED : UNAUTHORIZED))
            continue; /* these two are one to a scope that prompts */
        r.outcome = (uint8_t)o;
        *add(out, RETURN) = r;
    }
    if (lost && !all && out->n > from) { /* after a gap every answer is explained */
        out->events[from] = out->events[from + salt % (out->n - from)];
        out->n = from + 1;
    }
}

static bool gates(const struct slot *p, unsigned s)
{
    return p->used && (p->api == GATED || p->api == AUTHORIZE) && p->scope == s;
}

static void add_prompts(const struct key *k, uint32_t skip, bool all, uint64_t salt, struct actions *out)
{
    for (unsigned s = 0; s < SCOPES; s++) {
        unsigned n = 0;
        if (!(k->touched >> s & 1))
            continue;
        for (unsigned i = 0; i < MAX_CALLS; i++)
            n += gates(&k->slots[i], s);
        if (all || n != 1 || salt >> 16 & 1)
            add(out, PROMPT)->scope = (uint8_t)s;
        for (unsigned i = 0; i < MAX_CALLS; i++) {
            if (!gates(&k->slots[i], s) || (skip >> i & 1) || (!all && n == 1 && (salt >> 16 & 1)))
                continue; /* of one call, a named prompt and one without a name are the same */
            struct event *e = add(out, PROMPT);
            e->scope = (uint8_t)s;
            e->call = k->slots[i].call;
        }
    }
}

static void add_changes(const struct key *k, bool all, uint64_t salt, struct actions *out)
{
    bool two = k->touched & (k->touched - 1);
    for (unsigned a = ALLOW; a <= DISMISS; a++) {
        if (all || two || (salt >> 17 & 1))
            add(out, DECISION)->answer = (uint8_t)a;
        for (unsigned s = 0; s < SCOPES; s++) {
            if (!(k->touched >> s & 1) || !(all || two || !(salt >> 17 & 1)))
                continue; /* with one scope alone, its name adds nothing */
            struct event *e = add(out, DECISION);
            e->answer = (uint8_t)a;
            e->scope = (uint8_t)s;
        }
    }
    for (unsigned s = 0; s < SCOPES; s++)
        for (unsigned on = 0; on < 2 && (k->touched >> s & 1); on++) {
            struct event *e = add(out, SETTINGS);
            e->scope = (uint8_t)s;
            e->granted = on;
        }
    add(out, RESET);
    add(out, GAP);
}

/* True where calls in slots i and j are alike and no configuration tells them apart but for its mirror image. */
static bool mirrored(const struct key *k, const struct set *in, unsigned i, unsigned j)
{
    static struct set mirror, same;
    const struct slot *a = &k->slots[i], *b = &k->slots[j];
    if (!a->used || !b->used || a->api != b->api || a->scope != b->scope)
        return false;
    for (unsigned x = 0; x < MAX_CALLS; x++) /* an array has more slots: leave it alone */
        if (x != i && x != j && k->slots[x].used && (k->slots[x].call == a->call || k->slots[x].call == b->call))
            return false;
    set_clear(&mirror);
    for (size_t n = 0; n < in->n; n++) {
        struct config c = in->items[n];
        c.call[i] = in->items[n].call[j];
        c.call[j] = in->items[n].call[i];
        set_add(&mirror, &c);
    }
    set_copy(&same, in);
    set_sort(&same);
    set_sort(&mirror);
    return set_equal(&same, &mirror);
}

void list_actions(const struct key *k, const struct set *in, bool all, uint32_t next_call, uint64_t salt,
                  struct actions *out)
{
    uint32_t skip = 0;
    out->n = 0;
    for (unsigned j = 1; j < MAX_CALLS && !all; j++)
        for (unsigned i = 0; i < j; i++)
            if (!(skip >> i & 1) && mirrored(k, in, i, j))
                skip |= 1u << j;
    add_calls(k, all, next_call, salt, out);
    for (unsigned i = 0; i < MAX_CALLS; i++) {
        bool again = false; /* another slot of an array */
        for (unsigned j = 0; j < i; j++)
            again = again || (k->slots[j].used && k->slots[j].call == k->slots[i].call);
        if (k->slots[i].used && !again && !(skip >> i & 1))
            add_returns(k, in, i, all, salt, out);
    }
    add_prompts(k, skip, all, salt, out);
    add_changes(k, all, salt, out);
    add_snapshots(k, &(struct event){.kind = PAGE, .scope = NO_SCOPE}, out);
}
