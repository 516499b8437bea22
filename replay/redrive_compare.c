/* redrive_compare.c: recorded, now, expected: what became of every call. Pure. */
#include <stdlib.h>
#include <string.h>

#include "replay/print.h"
#include "replay/redrive_compare.h"
#include "replay/redrive_drive.h"

enum at_err rd_compare_new(const struct rd_plan *plan, const struct rd_planner *planner, const struct rd_driver *driver,
                           const struct at_profile *profile, uint32_t copies, struct rd_compare *out)
{
    *out =
        (struct rd_compare){.plan = plan, .planner = planner, .driver = driver, .profile = profile, .copies = copies};
    out->diverges = calloc(plan->n_calls * copies + 1, 1);
    return out->diverges ? AT_OK : AT_NOMEM;
}

void rd_compare_free(struct rd_compare *c)
{
    free(c->findings);
    free(c->diverges);
    at_buf_free(&c->texts);
}

const struct rd_found *rd_compare_recorded(const struct rd_compare *c, uint32_t call)
{
    for (size_t i = 0; i < c->plan->n_found; i++)
        if (c->plan->found[i].call == call)
            return &c->plan->found[i];
    return NULL;
}

static bool recorded_too(const struct rd_compare *c, uint32_t call, enum at_divergence_class cls)
{
    for (size_t i = 0; i < c->plan->n_found; i++)
        if (c->plan->found[i].call == call && c->plan->found[i].cls == cls)
            return true;
    return false;
}

enum at_err rd_compare_divergence(struct rd_compare *c, const struct at_divergence *d)
{
    enum at_err err = at_grow((void **)&c->findings, &c->cap_findings, c->n_findings + 1, sizeof *c->findings);
    if (err)
        return err;
    struct rd_finding f = {.cls = d->cls};
    f.has_call = rd_driver_call_of(c->driver, d->call, &f.copy, &f.call);
    f.recorded = f.has_call && recorded_too(c, f.call, d->cls);
    size_t begin = c->texts.len;
    err = print_divergence_object(&c->texts, d, false);
    f.json_at = begin;
    f.json_len = c->texts.len - begin;
    begin = c->texts.len;
    if (!err)
        err = at_buf_str(&c->texts, at_str(d->explanation));
    f.words_at = begin;
    f.words_len = c->texts.len - begin;
    if (err)
        return err;
    if (f.has_call)
        c->diverges[(size_t)f.copy * c->plan->n_calls + f.call] = 1;
    c->findings[c->n_findings++] = f;
    return AT_OK;
}

enum at_class rd_class(const struct rd_compare *c, const struct at_event *ret)
{
    return at_profile_outcome(c->profile, ret->err_msg, ret->has & AT_HAS_ERRNO, ret->err_no).cls;
}

/* Scopes of the profile that are checked at all. */
static bool counts(const struct rd_compare *c, struct at_str scope)
{
    size_t i = at_profile_find_scope(c->profile, scope);
    return i != AT_NO_SCOPE && !c->profile->scopes[i].exempt;
}

/* Every counting scope of `a` is in `b` with the same value. */
static bool settings_within(const struct rd_compare *c, const struct at_event *a, const struct at_event *b)
{
    for (size_t i = 0; i < a->n_settings; i++) {
        bool found = !counts(c, a->settings[i].scope);
        for (size_t k = 0; k < b->n_settings && !found; k++)
            found = at_str_eq(a->settings[i].scope, b->settings[k].scope) &&
                    a->settings[i].granted == b->settings[k].granted;
        if (!found)
            return false;
    }
    return true;
}

static bool same_outcome(const struct rd_compare *c, const struct at_event *was, const struct at_event *now)
{
    if (!was || !now)
        return !was && !now;
    return rd_class(c, was) == rd_class(c, now) && settings_within(c, was, now) && settings_within(c, now, was);
}

enum rd_verdict rd_compare_call(const struct rd_compare *c, uint32_t copy, uint32_t call)
{
    const struct rd_result *r = rd_driver_result(c->driver, copy, call);
    if (r->fate == RD_NOT_DRIVEN)
        return RD_SKIPPED;
    if (c->diverges[(size_t)copy * c->plan->n_calls + call])
        return RD_DIVERGES;
    if (rd_compare_recorded(c, call))
        return RD_FIXED;
    return same_outcome(c, c->plan->calls[call].ret, r->ret) ? RD_SAME : RD_DIFFERS;
}

void rd_compare_finish(struct rd_compare *c)
{
    for (uint32_t copy = 0; copy < c->copies; copy++)
        for (uint32_t call = 0; call < c->plan->n_calls; call++)
            c->counts[rd_compare_call(c, copy, call)]++;
}
