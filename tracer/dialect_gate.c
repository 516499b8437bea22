/*
 * dialect_gate.c: which messages a dialect need not look into.
 *
 * A rule that wants something at a JSON Pointer wants a member of that name in the message, often with one of a few
 * texts. And an answer has an id that was asked with. So the members of a message are walked until one of them is
 * wanted; where none is, the message need not be indexed.
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
    needles->names[i].mask |= UINT64_C(1) << k;
    return UINT64_C(1) << k;
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

void at_gate_set_up(struct at_needles *needles, struct at_dialect *d)
{
    const struct at_value *id = d->reply_id;
    const struct at_pointer *step = first_step(d->steps, d->n_steps);
    const bool whole = stays(d->steps, d->n_steps);
    const uint64_t below = step ? of_pointer(needles, step) : 0;
    for (size_t i = 0; i < d->n_rules; i++)
        d->rules[i].gate = whole ? of_rule(needles, &d->rules[i]) : below;
    d->reply_gate = below;
    d->reply_name = (struct at_str){0};
    if (whole && id && id->source == AT_FROM_ITEM && !id->default_type) {
        d->reply_gate = of_pointer(needles, &id->ptr);
        if (d->n_steps == 0 && id->plain && id->ptr.n == 1)
            d->reply_name = id->ptr.tokens[0];
    }
}

/* ---- Looking at a message */

/* Behind the value at `p`. The text is known to be valid. */
static const char *value_end(const char *p, const char *end)
{
    size_t depth = 0;
    do {
        switch (*p) {
        case '"':
            p = at_json_string_end(p, end);
            break;
        case '{':
        case '[':
            depth++;
            p++;
            break;
        case '}':
        case ']':
            if (depth == 0)
                return p; /* of a number or a word */
            depth--;
            p++;
            break;
        case ',':
            if (depth == 0)
                return p;
            p++;
            break;
        default:
            p++;
            if (depth == 0) {
                while (p < end && !strchr(",}] \t\n\r", *p))
                    p++;
                return p;
            }
        }
    } while (p < end && depth > 0);
    return p;
}

static const char *skip(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r' || *p == ',' || *p == ':'))
        p++;
    return p;
}

static void begin(struct at_gate *gate)
{
    const char *end = gate->body.ptr + gate->body.len;
    gate->begun = true;
    gate->at = skip(gate->body.ptr, end);
    gate->any = gate->at == end || *gate->at != '{'; /* the items of an array may have anything */
    gate->at += !gate->any;
}

/* The next member; false: there is none. */
static bool next_member(struct at_gate *gate, struct at_str *key, struct at_str *value)
{
    const char *end = gate->body.ptr + gate->body.len, *p = skip(gate->at, end);
    if (p == end || *p != '"') {
        gate->done = true;
        return false;
    }
    const char *after = at_json_string_end(p, end);
    *key = (struct at_str){p + 1, (size_t)(after - p) - 2};
    p = skip(after, end);
    gate->at = value_end(p, end);
    *value = (struct at_str){p, (size_t)(gate->at - p)};
    return true;
}

static bool escaped(struct at_str s)
{
    return memchr(s.ptr, '\\', s.len) != NULL;
}

/* The needles that a member is. */
static uint64_t met(const struct at_needles *needles, struct at_str key, struct at_str value)
{
    unsigned i = 0;
    while (i < needles->n_names && !at_str_eq(needles->names[i].name, key))
        i++;
    uint64_t there = 0, left = i < needles->n_names ? needles->names[i].mask : 0;
    const struct at_str text = {value.ptr + 1, value.len - 2};
    for (; left; left &= left - 1) {
        const struct at_str *wanted = &needles->list[__builtin_ctzll(left)].text;
        if (!wanted->ptr || (value.ptr[0] == '"' && (at_str_eq(*wanted, text) || escaped(text))))
            there |= left & ~(left - 1);
    }
    return there;
}

/* True if the message has one of the wanted members, or may have it. */
static bool occurs(const struct at_needles *needles, struct at_gate *gate, uint64_t mask)
{
    struct at_str key, value;
    if (!gate->begun)
        begin(gate);
    while (!gate->any && !(gate->there & mask) && !gate->done && next_member(gate, &key, &value)) {
        gate->any = escaped(key);
        gate->there |= met(needles, key, value);
    }
    return gate->any || gate->there & mask;
}

/* True if the message may be an answer to one of the requests. */
static bool may_answer(const struct at_needles *needles, const struct at_dialect *d, const struct at_message *m,
                       const struct at_pairs *pairs, struct at_gate *gate, struct at_pending **answered)
{
    struct at_gate again = {.body = gate->body};
    struct at_str key, value;
    const enum at_dir asked = m->dir == AT_DIR_CLIENT ? AT_DIR_SERVER : AT_DIR_CLIENT;
    if (!pairs->asked[asked])
        return false;
    if (m->exchange || !d->reply_gate)
        return true;
    if (!d->reply_name.ptr || gate->any)
        return occurs(needles, gate, d->reply_gate);
    begin(&again); /* most often the id comes first */
    while (!again.any && next_member(&again, &key, &value) && !at_str_eq(key, d->reply_name))
        again.any = escaped(key);
    if (again.any || again.done)
        return again.any;
    const bool text = value.ptr[0] == '"';
    if (text)
        value = (struct at_str){value.ptr + 1, value.len - 2};
    if (text && escaped(value))
        return true;
    *answered = at_pairs_find(pairs, value, 0, asked);
    return *answered;
}

bool at_gate_open(const struct at_needles *needles, const struct at_dialect *d, const struct at_message *m,
                  const struct at_pairs *pairs, struct at_gate *gate, struct at_pending **answered)
{
    *answered = NULL;
    bool open = may_answer(needles, d, m, pairs, gate, answered);
    for (size_t i = 0; i < d->n_rules && !open; i++)
        open = at_rule_concerns(&d->rules[i], m) && (!d->rules[i].gate || occurs(needles, gate, d->rules[i].gate));
    return open;
}
