/*
 * quick.c: the events that most are, calls and answers of one scope, on keys where nothing else is to be done: one
 * look-up. What is the least out of the ordinary is left to lane_events.c; nothing was changed then.
 */
#include "replay/work.h"

/* The time goes on behind the last event. */
static void pass(const struct at_checker *c, struct key *k, uint64_t touched)
{
    if (k->open_ended) {
        k->moved = true;
        k->moved_at = k->last;
        k->fresh = 0; /* what is certain was so until `moved_at` */
    } else if (k->fresh) {
        note_not_fresh(c, k, false);
    }
    k->open_ended = touched;
}

/* Scope `s` has moved to what an operation told. */
static void move(struct at_checker *c, struct key *k, size_t s, const struct op_result *r)
{
    key_columns(k)[s] = r->to;
    k->calm = !(r->flags & RESULT_OPEN) && (k->lanes == 1 || !(r->flags & RESULT_COVERS)) &&
              (!k->n_reading || k->waits || key_sees_nothing_new(c, k, s));
}

static bool quick_call(struct at_checker *c, struct key *k, struct stream *st, const struct happening *h)
{
    const uint64_t scopes = h->meaning->scopes;
    struct op_result r;
    struct call *call;
    if (scopes && columns_op(c, c->columns, key_columns(k)[first_of(scopes)], OP_OF_ADD(false, ANY_SLOT), &r))
        return false;
    if (add_call(c, k, st, h, &call))
        return false;
    pass(c, k, scopes);
    if (scopes)
        move(c, k, first_of(scopes), &r);
    return true;
}

/* The slot of call `i`, which is of scope `s` alone. False: it takes longer. */
static bool find_slot(const struct key *k, uint32_t i, size_t s, uint32_t *slot)
{
    const uint32_t *tags = call_tags(k);
    uint32_t n = k->waits ? 0 : k->n_reading, several = 0;
    for (uint32_t j = 0; j < i; j++) {
        n += (tags[j] & 255) == s;
        several += (tags[j] & 255) == TAG_SEVERAL;
    }
    *slot = n;
    return !several;
}

static bool quick_return(struct at_checker *c, struct key *k, struct stream *st, struct happening *h, enum at_err *err)
{
    struct meaning *m = h->meaning;
    struct op_result r = {0};
    uint32_t i = find_call(k, st, h->call, h->call_hash), slot;
    if (i == UINT32_MAX)
        return false;
    struct call *call = k->calls[i];
    const uint32_t s = call_tags(k)[i] & 255;
    bool settles = m->outcomes && s < AT_SCOPES_MAX;
    if (s == TAG_READS || s == TAG_SEVERAL || call->spare || !work_right_api(c, call, m) ||
        (m->cls == AT_CLASS_DISMISSED && !call->decided))
        return false;
    if (s < AT_SCOPES_MAX) {
        if ((c->sink.settled && !settles) || !find_slot(k, i, s, &slot))
            return false;
        uint32_t o = settles ? OP_OF_EVENT(STEP_OUTCOME, slot, m->outcomes) : OP(OP_DROP_LAST, slot << 8);
        if (columns_op(c, c->columns, key_columns(k)[s], o, &r) || r.lanes != (1u << k->lanes) - 1 ||
            (r.flags & KNOWN_LOUD) || (k->lanes > 1 && (r.flags & RESULT_COVERS)))
            return false;
    }
    const struct outcome o = {.before = r.before, .how = r.how};
    *err = remember_answer(&st->answered, h->call, h->call_hash);
    pass(c, k, s < AT_SCOPES_MAX ? bit(s) : 0);
    if (s < AT_SCOPES_MAX) {
        if (settles)
            note_event(c, k, s, h->at, call->api_number, r.flags);
        move(c, k, s, &r);
    }
    if (!*err)
        *err = work_tell_settled(c, k, call, h, &o);
    remove_call(c, k, i);
    return true;
}

bool quick_event(struct at_checker *c, struct key *k, struct stream *st, struct happening *h, enum at_err *err)
{
    const struct meaning *m = h->meaning;
    uint64_t length_us = h->at.t_us > k->last.t_us ? (uint64_t)h->at.t_us - (uint64_t)k->last.t_us : 0;
    *err = AT_OK;
    if (!k->calm || !m->quick || length_us >= c->quiet_us)
        return false;
    return m->kind == AT_KIND_CALL ? quick_call(c, k, st, h) : quick_return(c, k, st, h, err);
}
