/* tally_tap.c: what is counted, told one by one. */
#include "analysis/tally_private.h"

void tally_watch(struct tally *t, const struct tally_tap *tap)
{
    t->tap = tap;
    t->took_us = -1;
}

static struct tally_fact fact_at(const struct tally *t, const struct place *at, uint32_t key)
{
    struct at_str user = at_intern_get(t->keys, key);
    return (struct tally_fact){.app = tally_name(t, DIM_APP, at->id[DIM_APP]),
                               .user = {user.ptr + sizeof(uint32_t), user.len - sizeof(uint32_t)},
                               .platform = tally_name(t, DIM_PLATFORM, at->id[DIM_PLATFORM]),
                               .scope = tally_name(t, DIM_SCOPE, at->id[DIM_SCOPE]),
                               .api = tally_name(t, DIM_API, at->id[DIM_API]),
                               .err_msg = tally_name(t, DIM_ERRMSG, at->id[DIM_ERRMSG]),
                               .t_us = at->t_us,
                               .took_us = -1};
}

enum at_err tap_call(const struct tally *t, const struct made_call *c, const struct place *at, unsigned cls,
                     uint64_t index, int64_t t_us)
{
    if (!t->tap)
        return AT_OK;
    struct tally_fact f = fact_at(t, at, c->key);
    f.what = FACT_CALL;
    f.called = c->index;
    f.cls = cls;
    if (cls < AT_CLASSES) {
        f.order = index * 2 + 2;
        f.answered_us = t_us;
    }
    if (cls < AT_CLASSES && t->now) {
        f.call = t->now->batch->call[t->now->i];
        f.stream = stream_of(t->now->view, t->now->who);
    }
    return t->tap->fact(t->tap->ctx, &f);
}

enum at_err tap_prompt(const struct tally *t, const struct place *at, uint64_t order, bool inferred)
{
    if (!t->tap)
        return AT_OK;
    struct tally_fact f = fact_at(t, at, at->id[DIM_USER]);
    f.what = FACT_PROMPT;
    f.order = order;
    f.inferred = inferred;
    return t->tap->fact(t->tap->ctx, &f);
}

enum at_err tap_answer(const struct tally *t, const struct place *at, uint32_t key, enum at_answer answer,
                       uint64_t order)
{
    if (!t->tap)
        return AT_OK;
    struct tally_fact f = fact_at(t, at, key);
    f.what = FACT_ANSWER;
    f.order = order;
    f.inferred = order & 1;
    f.answer = answer;
    f.took_us = t->took_us;
    return t->tap->fact(t->tap->ctx, &f);
}

enum at_err tap_flip(const struct tally *t, const struct place *at, uint32_t key, bool granted, uint64_t order,
                     bool inferred)
{
    if (!t->tap)
        return AT_OK;
    struct tally_fact f = fact_at(t, at, key);
    f.what = FACT_FLIP;
    f.order = order;
    f.inferred = inferred;
    f.granted = granted;
    return t->tap->fact(t->tap->ctx, &f);
}

enum at_err tap_denial(const struct tally *t, const struct at_settled *s)
{
    if (!t->tap)
        return AT_OK;
    const struct tally_fact f = {.what = FACT_DENIAL,
                                 .app = s->app,
                                 .user = s->user,
                                 .platform = s->platform,
                                 .scope = s->scope,
                                 .api = s->api,
                                 .err_msg = s->err_msg,
                                 .order = s->returned.event * 2 + 2,
                                 .t_us = s->called.t_us,
                                 .called = s->called.event,
                                 .via = s->via,
                                 .took_us = -1};
    return t->tap->fact(t->tap->ctx, &f);
}
