/* columns.c: which numbers each view shows. */
#include "analysis/print.h"

#include <math.h>

#define NUMBER(name, expression)                                                                                       \
    static double name(const struct counts *c)                                                                         \
    {                                                                                                                  \
        return (double)(expression);                                                                                   \
    }

NUMBER(calls, c->calls)
NUMBER(ok, c->by_class[AT_CLASS_OK])
NUMBER(denied, c->by_class[AT_CLASS_DENIED])
NUMBER(dismissed, c->by_class[AT_CLASS_DISMISSED])
NUMBER(unauthorized, c->by_class[AT_CLASS_UNAUTHORIZED])
NUMBER(other, counts_other(c))
NUMBER(unanswered, counts_unanswered(c))
NUMBER(prompts_observed, c->prompts_observed)
NUMBER(prompts_inferred, c->prompts_inferred)
NUMBER(prompts_allowed, c->answers[AT_ANSWER_ALLOW])
NUMBER(prompts_denied, c->answers[AT_ANSWER_DENY])
NUMBER(prompts_dismissed, c->answers[AT_ANSWER_DISMISS])
NUMBER(at_prompt, c->at_prompt)
NUMBER(while_denied, c->while_denied)
NUMBER(to_granted, c->to_granted)
NUMBER(to_denied, c->to_denied)
NUMBER(flips_inferred, c->flips_inferred)
NUMBER(users_asked, c->users[USERS_ASKED])
NUMBER(users_granted, c->users[USERS_GRANTED])
NUMBER(users_denied, c->users[USERS_DENIED])
NUMBER(users_recovered, c->users[USERS_RECOVERED])

static double quantile_ms(const struct counts *c, double part)
{
    return c->answer_us.n ? (double)quantiles_get(&c->answer_us, part) / 1000.0 : (double)NAN;
}

static double p50(const struct counts *c)
{
    return quantile_ms(c, 0.5);
}

static double p90(const struct counts *c)
{
    return quantile_ms(c, 0.9);
}

static double p99(const struct counts *c)
{
    return quantile_ms(c, 0.99);
}

#define COLUMN_MAP(X)                                                                                                  \
    X(calls, "calls", false)                                                                                           \
    X(ok, "ok", false)                                                                                                 \
    X(denied, "denied", false)                                                                                         \
    X(dismissed, "dismissed", false)                                                                                   \
    X(unauthorized, "unauthorized", false)                                                                             \
    X(other, "other", false)                                                                                           \
    X(unanswered, "unanswered", false)                                                                                 \
    X(prompts_observed, "prompts", false)                                                                              \
    X(prompts_inferred, "inferred", false)                                                                             \
    X(prompts_allowed, "allowed", false)                                                                               \
    X(prompts_denied, "denied", false)                                                                                 \
    X(prompts_dismissed, "dismissed", false)                                                                           \
    X(p50, "p50 ms", true)                                                                                             \
    X(p90, "p90 ms", true)                                                                                             \
    X(p99, "p99 ms", true)                                                                                             \
    X(at_prompt, "at prompt", false)                                                                                   \
    X(while_denied, "while denied", false)                                                                             \
    X(to_granted, "to granted", false)                                                                                 \
    X(to_denied, "to denied", false)                                                                                   \
    X(flips_inferred, "inferred", false)                                                                               \
    X(users_asked, "users asked", false)                                                                               \
    X(users_granted, "users granted", false)                                                                           \
    X(users_denied, "users denied", false)                                                                             \
    X(users_recovered, "users recovered", false)

#define X(name, header, ms) static const struct column column_##name = {#name, header, name, ms};
COLUMN_MAP(X)
#undef X

static const struct column *const summary[] = {
    &column_calls,        &column_ok,    &column_denied,     &column_dismissed,
    &column_unauthorized, &column_other, &column_unanswered,
};
static const struct column *const prompts[] = {
    &column_prompts_observed,
    &column_prompts_inferred,
    &column_prompts_allowed,
    &column_prompts_denied,
    &column_prompts_dismissed,
    &column_p50,
    &column_p90,
    &column_p99,
};
static const struct column *const denials[] = {
    &column_calls,        &column_denied,       &column_at_prompt,
    &column_while_denied, &column_users_denied, &column_users_recovered,
};
static const struct column *const settings[] = {
    &column_to_granted,    &column_to_denied,    &column_flips_inferred,  &column_users_asked,
    &column_users_granted, &column_users_denied, &column_users_recovered,
};

const struct column *const *view_columns(enum view view, size_t *n)
{
    static const struct {
        const struct column *const *list;
        size_t n;
    } views[] = {
        [VIEW_SUMMARY] = {summary, sizeof summary / sizeof summary[0]},
        [VIEW_PROMPTS] = {prompts, sizeof prompts / sizeof prompts[0]},
        [VIEW_DENIALS] = {denials, sizeof denials / sizeof denials[0]},
        [VIEW_SETTINGS] = {settings, sizeof settings / sizeof settings[0]},
    };
    *n = views[view].n;
    return views[view].list;
}
