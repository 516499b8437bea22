/*
 * dialect_gate.c: which messages a dialect need not look into.
 *
 * A rule that wants something at a JSON Pointer wants a member of that name in the text. Where the name does not occur
 * anywhere in a message, also not with escapes, the rule cannot apply, and the message need not be indexed for it.
 */
#include <string.h>

#include "tracer/dialect.h"

/* The place of the character that is seen least in JSON texts: looking for that one alone is fast. */
static uint8_t rarest(struct at_str name)
{
    static const char common[] = "\":,{}eatoinsrldcufpmhg1023456789bAyS._vwIT-PxkEjNCqz";
    size_t best = 0, best_rank = 0;
    for (size_t i = 0; i < name.len && i < UINT8_MAX; i++) {
        const char *at = strchr(common, name.ptr[i]);
        size_t rank = at ? (size_t)(at - common) : sizeof common;
        if (rank > best_rank) {
            best_rank = rank;
            best = i;
        }
    }
    return (uint8_t)best;
}

static bool find(struct at_str body, struct at_str name, size_t rare)
{
    if (body.len < name.len)
        return false;
    const char *p = body.ptr + rare, *end = body.ptr + body.len - name.len + rare + 1;
    while ((p = memchr(p, name.ptr[rare], (size_t)(end - p)))) {
        if (!memcmp(p - rare, name.ptr, name.len))
            return true;
        p++;
    }
    return false;
}

/* The mask of a member's name, 0 (always open) where nothing can be said. */
static uint32_t needle(struct at_needles *needles, const struct at_pointer *p)
{
    size_t i = p->n;
    while (i > 0 && (p->tokens[i - 1].len < 2 || (p->tokens[i - 1].ptr[0] >= '0' && p->tokens[i - 1].ptr[0] <= '9')))
        i--;
    if (i == 0)
        return 0;
    struct at_str name = p->tokens[i - 1];
    for (size_t k = 0; k < name.len; k++)
        if (name.ptr[k] < ' ' || name.ptr[k] > '~' || strchr("\"\\/", name.ptr[k]))
            return 0;
    size_t k = 0;
    while (k < needles->n && !at_str_eq(needles->list[k], name))
        k++;
    if (k == AT_NEEDLES)
        return 0;
    needles->list[k] = name;
    needles->rare[k] = rarest(name);
    needles->n += k == needles->n;
    return 1u << k;
}

/* One name for each of the alternatives; all of them have to be known. */
static uint32_t of_when(struct at_needles *needles, const struct at_when *w)
{
    uint32_t mask = 0;
    for (size_t g = 0; g < w->n; g++) {
        uint32_t one = 0;
        for (size_t i = 0; i < w->groups[g].n && !one; i++)
            if (!w->groups[g].tests[i].negate)
                one = needle(needles, &w->groups[g].tests[i].ptr);
        if (!one)
            return 0;
        mask |= one;
    }
    return mask;
}

static uint32_t of_rule(struct at_needles *needles, const struct at_rule *r)
{
    uint32_t mask = 0;
    for (size_t i = 0; i < r->n_rules; i++) {
        uint32_t one = of_rule(needles, &r->rules[i]);
        if (!one) {
            mask = 0;
            break;
        }
        mask |= one;
    }
    if (!mask)
        mask = of_when(needles, &r->when);
    for (size_t i = 0; i < r->n_steps && !mask; i++)
        if (r->steps[i].op == AT_STEP_GO)
            mask = needle(needles, &r->steps[i].ptr);
    return mask;
}

void at_gate_set_up(struct at_needles *needles, struct at_dialect *d)
{
    for (size_t i = 0; i < d->n_rules; i++)
        d->rules[i].gate = of_rule(needles, &d->rules[i]);
    const struct at_value *id = d->reply_id;
    d->reply_gate = id && id->source == AT_FROM_ITEM && !id->default_type ? needle(needles, &id->ptr) : 0;
}

static bool occurs(const struct at_needles *needles, struct at_gate *gate, uint32_t mask)
{
    for (uint32_t i = 0; mask >> i; i++) {
        uint32_t bit = mask & 1u << i;
        if (bit && !(gate->known & bit)) {
            gate->known |= bit;
            if (find(gate->body, needles->list[i], needles->rare[i]))
                gate->there |= bit;
        }
        if (gate->there & bit)
            return true;
    }
    if (!gate->looked_for_escapes) {
        gate->looked_for_escapes = true;
        gate->escapes = find(gate->body, AT_STR("\\u"), 0);
    }
    return gate->escapes;
}

bool at_gate_open(const struct at_needles *needles, const struct at_dialect *d, const struct at_message *m,
                  const struct at_pairs *pairs, struct at_gate *gate)
{
    if (at_pairs_any(pairs) && (m->exchange || !d->reply_gate || occurs(needles, gate, d->reply_gate)))
        return true;
    for (size_t i = 0; i < d->n_rules; i++)
        if (at_rule_concerns(&d->rules[i], m) && (!d->rules[i].gate || occurs(needles, gate, d->rules[i].gate)))
            return true;
    return false;
}
