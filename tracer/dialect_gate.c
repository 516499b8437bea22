/*
 * dialect_gate.c: which messages a dialect need not look into.
 *
 * A rule that wants something at a JSON Pointer wants a member of that name in the message, often with one of a few
 * texts. And an answer has an id that was asked with. So the members of a message are walked until one of them is
 * wanted; where none is, no rule need be tried.
 */
#include <string.h>

#include "tracer/dialect.h"

#define TEXTS_MAX 4u /* more texts than that for one member: its presence will do */

/* ---- Setting up */

/* The mask of a member with a text (absent: any), 0 (always open) where there is no room for it. */
static uint64_t needle(struct at_needles *needles, struct at_str name, struct at_str text)
{
    unsigned i = 0, k = 0;
    while (i < needles->n_names && !at_str_eq(needles->names[i].name, name))
        i++;
    const uint64_t same = i < needles->n_names ? needles->names[i].mask : 0;
    while (k < needles->n &&
           !(same >> k & 1 && !needles->list[k].text.ptr == !text.ptr && at_str_eq(needles->list[k].text, text)))
        k++;
    if (k == AT_NEEDLES)
        return 0;
    if (k == needles->n)
        needles->list[needles->n++].text = text;
    if (i == needles->n_names)
        needles->names[needles->n_names++].name = name;
    const uint64_t bit = UINT64_C(1) << k;
    needles->names[i].mask |= bit;
    needles->names[i].any |= text.ptr ? 0 : bit;
    for (unsigned length = 0; length < AT_NEEDLE_LENGTHS; length++)
        if (!text.ptr || text.len % AT_NEEDLE_LENGTHS == length)
            needles->names[i].of_size[length] |= bit;
    return bit;
}

/* Of a pointer into the whole message; 0 for the message itself. */
static uint64_t of_pointer(struct at_needles *needles, const struct at_pointer *p)
{
    return p->n ? needle(needles, p->tokens[0], (struct at_str){0}) : 0;
}

static uint64_t of_test(struct at_needles *needles, const struct at_test *t)
{
    uint64_t mask = 0;
    bool texts = t->ptr.n == 1 && t->op == AT_TEST_IS && t->n_any > 0 && t->n_any <= TEXTS_MAX;
    for (size_t i = 0; i < t->n_any && texts; i++)
        texts = t->any[i].type == AT_J_STRING;
    if (!texts)
        return of_pointer(needles, &t->ptr);
    for (size_t i = 0; i < t->n_any; i++) {
        uint64_t one = needle(needles, t->ptr.tokens[0], t->any[i].to);
        if (!one)
            return 0;
        mask |= one;
    }
    return mask;
}

/* One test for each of the alternatives; all of them have to be known. */
static uint64_t of_when(struct at_needles *needles, const struct at_when *w)
{
    uint64_t mask = 0;
    for (size_t g = 0; g < w->n; g++) {
        uint64_t one = 0;
        for (size_t i = 0; i < w->groups[g].n && !one; i++)
            if (!w->groups[g].tests[i].negate)
                one = of_test(needles, &w->groups[g].tests[i]);
        if (!one)
            return 0;
        mask |= one;
    }
    return mask;
}

/* The first step into the message that needs a member; NULL: there is none. An array stays as it is up to there: its
 * elements are not looked at here, see begin(). */
static const struct at_pointer *first_step(const struct at_step *steps, size_t n)
{
    return n && steps[0].op == AT_STEP_GO ? &steps[0].ptr : NULL;
}

/* True if the steps lead from a message that is an object to that object alone. */
static bool stays(const struct at_step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (steps[i].op == AT_STEP_GO)
            return false;
    return true;
}

static uint64_t of_rule(struct at_needles *needles, const struct at_rule *r)
{
    const struct at_pointer *step = first_step(r->steps, r->n_steps);
    uint64_t mask = of_when(needles, &r->when);
    if (!mask && step)
        mask = of_pointer(needles, step);
    if (mask || !stays(r->steps, r->n_steps))
        return mask;
    for (size_t i = 0; i < r->n_rules; i++) {
        uint64_t one = of_rule(needles, &r->rules[i]);
        if (!one)
            return 0;
        mask |= one;
    }
    return mask;
}

/* A rule with that mask is asked for by messages of its directions and protocols, its path aside. */
static void add_rule(struct at_dialect *d, const struct at_rule *r, uint64_t mask)
{
    for (int dir = 0; dir < 2; dir++)
        for (int proto = 0; proto < 2; proto++) {
            struct at_rule_gate *g = &d->gates[dir][proto];
            if (!(dir == AT_DIR_CLIENT ? r->from_client : r->from_server) ||
                !(proto == AT_PROTO_HTTP ? r->http : r->websocket))
                continue;
            g->mask |= mask;
            g->open = g->open || !mask;
        }
}

void at_gate_set_up(struct at_needles *needles, struct at_dialect *d)
{
    const struct at_value *id = d->reply_id;
    const struct at_pointer *step = first_step(d->steps, d->n_steps);
    const bool whole = stays(d->steps, d->n_steps);
    const uint64_t below = step ? of_pointer(needles, step) : 0;
    memset(d->gates, 0, sizeof d->gates);
    for (size_t i = 0; i < d->n_rules; i++)
        add_rule(d, &d->rules[i], whole ? of_rule(needles, &d->rules[i]) : below);
    d->reply_gate = below;
    d->reply_name = (struct at_str){0};
    if (whole && id && id->source == AT_FROM_ITEM && !id->default_type) {
        d->reply_gate = of_pointer(needles, &id->ptr);
        if (d->n_steps == 0 && id->plain && id->ptr.n == 1)
            d->reply_name = id->ptr.tokens[0];
    }
}

/* ---- Looking at a message */

/* A string or a key without its quotes. */
static struct at_str inside(const struct at_doc *doc, uint32_t node)
{
    const struct at_str raw = at_doc_raw(doc, node);
    return (struct at_str){raw.ptr + 1, raw.len - 2};
}

static void begin(struct at_gate *gate)
{
    gate->at = 1;
    gate->any = gate->doc->nodes[0].type != AT_J_OBJECT; /* the items of an array may have anything */
}

/* The needles that a member is. */
static uint64_t met(const struct at_needles *needles, const struct at_doc *doc, uint32_t key)
{
    unsigned i = 0;
    const struct at_doc_node *value = &doc->nodes[key + 1];
    const struct at_str name = inside(doc, key);
    while (i < needles->n_names && !at_str_eq(needles->names[i].name, name))
        i++;
    if (i == needles->n_names)
        return 0;
    if (value->type != AT_J_STRING)
        return needles->names[i].any;
    if (value->escaped)
        return needles->names[i].mask; /* it may be any of them */
    const struct at_str text = inside(doc, key + 1);
    uint64_t there = needles->names[i].any, left = needles->names[i].of_size[text.len % AT_NEEDLE_LENGTHS] & ~there;
    for (; left; left &= left - 1)
        if (at_str_eq(needles->list[__builtin_ctzll(left)].text, text))
            there |= left & ~(left - 1);
    return there;
}

/* True if the message has one of the wanted members, or may have it. */
static bool occurs(const struct at_needles *needles, struct at_gate *gate, uint64_t mask)
{
    const struct at_doc_node *nodes = gate->doc->nodes;
    if (!gate->at)
        begin(gate);
    while (!gate->any && !(gate->there & mask) && gate->at < gate->doc->n) {
        gate->any = nodes[gate->at].escaped;
        gate->there |= met(needles, gate->doc, gate->at);
        gate->at = nodes[gate->at + 1].next;
    }
    return gate->any || gate->there & mask;
}

/* The request that the message answers, by the member that tells it; *open: it may answer one that is not found here.
 */
static struct at_pending *by_name(const struct at_doc *doc, struct at_str name, const struct at_pairs *pairs,
                                  enum at_dir asked, bool *open)
{
    const struct at_doc_node *nodes = doc->nodes;
    uint32_t i = 1; /* most often the id comes first */
    while (i < doc->n && !nodes[i].escaped && !at_str_eq(inside(doc, i), name))
        i = nodes[i + 1].next;
    *open = i < doc->n && (nodes[i].escaped || (nodes[i + 1].type == AT_J_STRING && nodes[i + 1].escaped));
    if (i >= doc->n || *open)
        return NULL;
    const struct at_str id = nodes[i + 1].type == AT_J_STRING ? inside(doc, i + 1) : at_doc_raw(doc, i + 1);
    return at_pairs_find(pairs, id, 0, asked);
}

/* True if the message may be an answer to one of the requests. */
static bool may_answer(const struct at_needles *needles, const struct at_dialect *d, const struct at_message *m,
                       const struct at_pairs *pairs, struct at_gate *gate, struct at_pending **answered)
{
    const enum at_dir asked = m->dir == AT_DIR_CLIENT ? AT_DIR_SERVER : AT_DIR_CLIENT;
    bool open;
    if (!pairs->asked[asked])
        return false;
    if (m->exchange || !d->reply_gate)
        return true;
    if (!d->reply_name.ptr || gate->doc->nodes[0].type != AT_J_OBJECT)
        return occurs(needles, gate, d->reply_gate);
    *answered = by_name(gate->doc, d->reply_name, pairs, asked, &open);
    return open || *answered;
}

bool at_gate_open(const struct at_needles *needles, const struct at_dialect *d, const struct at_message *m,
                  const struct at_pairs *pairs, struct at_gate *gate, struct at_pending **answered)
{
    *answered = NULL;
    const struct at_rule_gate *rules = &d->gates[m->dir][m->proto];
    if (may_answer(needles, d, m, pairs, gate, answered) || rules->open)
        return true;
    return rules->mask && occurs(needles, gate, rules->mask);
}
