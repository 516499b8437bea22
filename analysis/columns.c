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
NUMBER(users_turned_off, c->users[USERS_TURNED_OFF])
NUMBER(users_on_again, c->users[USERS_ON_AGAIN])
NUMBER(users_silenced, c->users[USERS_SILENCED])
NUMBER(users_kept_asking, c->users[USERS_KEPT_ASKING])

static double quantile_ms(const struct quantiles *q, double part)
{
    return q->n ? (double)quantiles_get(q, part) / 1000.0 : (double)NAN;
}

static double p50(const struct counts *c)
{
    return quantile_ms(&c->answer_us, 0.5);
}

static double p90(const struct counts *c)
{
    return quantile_ms(&c->answer_us, 0.9);
}

static double p99(const struct counts *c)
{
    return quantile_ms(&c->answer_us, 0.99);
}

static double recovery_p50(const struct counts *c)
{
    return quantile_ms(&c->recovery_us, 0.5);
}

static double recovery_p90(const struct counts *c)
{
    return quantile_ms(&c->recovery_us, 0.9);
}

#define COLUMN_MAP(X)                                                                                                  \
    X(calls, "calls", COLUMN_COUNT)                                                                                    \
    X(ok, "ok", COLUMN_COUNT)                                                                                          \
    X(denied, "denied", COLUMN_COUNT)                                                                                  \
    X(dismissed, "dismissed", COLUMN_COUNT)                                                                            \
    X(unauthorized, "unauthorized", COLUMN_COUNT)                                                                      \
    X(other, "other", COLUMN_COUNT)                                                                                    \
    X(unanswered, "unanswered", COLUMN_COUNT)                                                                          \
    X(prompts_observed, "prompts", COLUMN_COUNT)                                                                       \
    X(prompts_inferred, "inferred", COLUMN_COUNT)                                                                      \
    X(prompts_allowed, "allowed", COLUMN_COUNT)                                                                        \
    X(prompts_denied, "denied", COLUMN_COUNT)                                                                          \
    X(prompts_dismissed, "dismissed", COLUMN_COUNT)                                                                    \
    X(p50, "p50 ms", COLUMN_MS)                                                                                        \
    X(p90, "p90 ms", COLUMN_MS)                                                                                        \
    X(p99, "p99 ms", COLUMN_MS)                                                                                        \
    X(at_prompt, "at prompt", COLUMN_COUNT)                                                                            \
    X(while_denied, "while denied", COLUMN_COUNT)                                                                      \
    X(to_granted, "to granted", COLUMN_COUNT)                                                                          \
    X(to_denied, "to denied", COLUMN_COUNT)                                                                            \
    X(flips_inferred, "inferred", COLUMN_COUNT)                                                                        \
    X(users_asked, "users asked", COLUMN_COUNT)                                                                        \
    X(users_granted, "granted", COLUMN_COUNT)                                                                          \
    X(users_denied, "users denied", COLUMN_COUNT)                                                                      \
    X(users_recovered, "recovered", COLUMN_COUNT)                                                                      \
    X(users_turned_off, "turned off", COLUMN_COUNT)                                                                    \
    X(users_on_again, "on again", COLUMN_COUNT)                                                                        \
    X(users_silenced, "silenced", COLUMN_COUNT)                                                                        \
    X(users_kept_asking, "kept asking", COLUMN_COUNT)                                                                  \
    X(recovery_p50, "recovery p50", COLUMN_DURATION)                                                                   \
    X(recovery_p90, "recovery p90", COLUMN_DURATION)

#define X(name, header, unit) static const struct column column_##name = {#name, header, name, unit};
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
    &column_calls,        &column_denied,          &column_at_prompt,      &column_while_denied,
    &column_users_denied, &column_users_recovered, &column_users_silenced, &column_users_kept_asking,
};
static const struct column *const settings[] = {
    &column_to_granted,      &column_to_denied,        &column_flips_inferred, &column_users_asked,
    &column_users_granted,   &column_users_turned_off, &column_users_on_again, &column_users_denied,
    &column_users_recovered, &column_recovery_p50,     &column_recovery_p90,
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
