/*
 * diff.c: rates compared between two recordings.
 *
 * One user's calls hang together: somebody who refused once fails again and again. So the unit is the user. A rate is
 * a ratio of sums over users, and its variance that of a ratio estimator (Cochran, Sampling Techniques, 6.4); where
 * each user has one trial it is the ordinary two-proportion test. The alpha is shared among three levels (all, per
 * scope, per scope and platform: 3/5, 1/5, 1/5), and within each the p-values are corrected by Holm's method, with the
 * refused prompts, which people look for, weighing as much as all other rates together (Holm 1979, section 4).
 */
#include "analysis/diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_USERS 20 /* in each recording; below, the normal approximation does not hold */
#define LEAST_HITS 10  /* and as many misses, in both together */

static const double share_of_level[DIFF_LEVELS] = {[DIFF_ALL] = 0.6, [DIFF_SCOPE] = 0.2, [DIFF_SCOPE_PLATFORM] = 0.2};

const char *diff_rate_text(enum diff_rate rate)
{
    static const char *const texts[] = {
#define X(name, text) text,
        DIFF_RATE_MAP(X)
#undef X
    };
    return texts[rate];
}

enum at_err diff_sums(const struct at_profile *profile, struct sums *out)
{
    static const unsigned dims[] = {
        1u << DIM_USER,
        1u << DIM_USER | 1u << DIM_SCOPE,
        1u << DIM_USER | 1u << DIM_SCOPE | 1u << DIM_PLATFORM,
    };
    enum at_err err = tally_new(profile, dims, DIFF_LEVELS - 1, &out->tally);
    return err ? err : story_new(&out->story);
}

/* ---- Rates of one recording */

struct trial {
    double hits, trials;
};

static struct trial trial_of(const struct counts *c, enum diff_rate rate)
{
    double calls = (double)c->calls, unanswered = (double)counts_unanswered(c);
    switch (rate) {
    case RATE_REFUSED:
        return (struct trial){
            (double)c->answers[AT_ANSWER_DENY],
            (double)(c->answers[AT_ANSWER_ALLOW] + c->answers[AT_ANSWER_DENY] + c->answers[AT_ANSWER_DISMISS])};
    case RATE_DENIED:
        return (struct trial){(double)c->by_class[AT_CLASS_DENIED], calls - unanswered};
    case RATE_SILENT:
        return (struct trial){(double)c->while_denied, calls - unanswered};
    case RATE_FAILED:
        return (struct trial){(double)counts_other(c), calls - unanswered};
    case RATE_UNANSWERED:
        return (struct trial){unanswered, calls};
    }
    return (struct trial){0, 0};
}

/* Groups of users: the cells of a tally sorted by what is not the user. */
struct member {
    struct at_str scope, platform;
    const struct counts *counts;
};

struct groups {
    struct member *list;
    size_t n;
};

static int compare_names(struct at_str a, struct at_str b)
{
    if (!a.ptr || !b.ptr)
        return (a.ptr != NULL) - (b.ptr != NULL);
    return at_str_cmp(a, b);
}

static int compare_members(const struct member *a, const struct member *b)
{
    int order = compare_names(a->scope, b->scope);
    return order ? order : compare_names(a->platform, b->platform);
}

static int by_group(const void *a, const void *b)
{
    return compare_members(a, b);
}

static enum at_err groups_of(const struct tally *t, size_t level, struct groups *g)
{
    const struct cells *cells = tally_groups(t, level);
    g->list = calloc(cells->n + 1, sizeof *g->list);
    if (!g->list)
        return AT_NOMEM;
    for (size_t i = 0; i < cells->n; i++)
        g->list[i] = (struct member){
            .scope = tally_name(t, DIM_SCOPE, cells->list[i].key.id[DIM_SCOPE]),
            .platform = tally_name(t, DIM_PLATFORM, cells->list[i].key.id[DIM_PLATFORM]),
            .counts = &cells->list[i].counts,
        };
    g->n = cells->n;
    qsort(g->list, g->n, sizeof *g->list, by_group);
    return AT_OK;
}

/* The members of one group, from `from` on. */
static struct groups slice(const struct groups *g, size_t from)
{
    size_t to = from;
    while (to < g->n && !compare_members(&g->list[from], &g->list[to]))
        to++;
    return (struct groups){g->list + from, to - from};
}

static struct sample sample_of(const struct groups *g, enum diff_rate rate)
{
    struct sample s = {0};
    for (size_t i = 0; i < g->n; i++) {
        struct trial t = trial_of(g->list[i].counts, rate);
        s.hits += (uint64_t)t.hits;
        s.trials += (uint64_t)t.trials;
        s.users += t.trials > 0;
    }
    return s;
}

/* Variance of the rate under the assumption that its true value is `rate`. */
static double variance(const struct groups *g, enum diff_rate what, const struct sample *s, double rate)
{
    double sum = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct trial t = trial_of(g->list[i].counts, what);
        double residual = t.hits - rate * t.trials;
        sum += residual * residual;
    }
    double users = (double)s->users, trials = (double)s->trials;
    return users > 1 && trials > 0 ? sum / (trials * trials) * users / (users - 1) : (double)INFINITY;
}

/* ---- One comparison */

/* The z that a standard normal variable exceeds with probability p, by halving. */
static double upper_quantile(double p)
{
    double low = 0, high = 40;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;
        if (0.5 * erfc(middle / sqrt(2)) > p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static double rate_of(const struct sample *s)
{
    return s->trials ? (double)s->hits / (double)s->trials : 0;
}

static void compare(const struct groups *before, const struct groups *after, const struct diff_options *o,
                    struct comparison *c)
{
    c->before = sample_of(before, c->rate);
    c->after = sample_of(after, c->rate);
    c->change = rate_of(&c->after) - rate_of(&c->before);
    c->p = c->p_adjusted = 1;
    uint64_t hits = c->before.hits + c->after.hits, trials = c->before.trials + c->after.trials;
    if (c->before.users < LEAST_USERS || c->after.users < LEAST_USERS || hits < LEAST_HITS ||
        trials - hits < LEAST_HITS)
        return;
    double pooled = (double)hits / (double)trials;
    double null = variance(before, c->rate, &c->before, pooled) + variance(after, c->rate, &c->after, pooled);
    double own = variance(before, c->rate, &c->before, rate_of(&c->before)) +
                 variance(after, c->rate, &c->after, rate_of(&c->after));
    if (!(null > 0) || !isfinite(null))
        return;
    double z = upper_quantile(o->alpha / 2);
    c->tested = true;
    c->p = erfc(fabs(c->change) / sqrt(null) / sqrt(2));
    c->low = c->change - z * sqrt(own);
    c->high = c->change + z * sqrt(own);
}

/* ---- All comparisons */

static enum at_err add_group(const struct groups *before, const struct groups *after, const struct member *name,
                             unsigned level, const struct diff_options *o, struct diff *d)
{
    struct comparison *more = realloc(d->list, (d->n + DIFF_RATES) * sizeof *more);
    if (!more)
        return AT_NOMEM;
    d->list = more;
    for (unsigned r = 0; r < DIFF_RATES; r++) {
        struct comparison c = {
            .scope = name->scope, .platform = name->platform, .rate = (enum diff_rate)r, .level = level};
        compare(before, after, o, &c);
        d->list[d->n++] = c;
    }
    return AT_OK;
}

/* The two sorted lists of groups side by side. */
static enum at_err compare_level(const struct sums *before, const struct sums *after, unsigned level,
                                 const struct diff_options *o, struct diff *d)
{
    struct groups a = {0}, b = {0};
    enum at_err err = groups_of(before->tally, level, &a);
    if (!err)
        err = groups_of(after->tally, level, &b);
    for (size_t i = 0, k = 0; !err && (i < a.n || k < b.n);) {
        int order = i == a.n ? 1 : k == b.n ? -1 : compare_members(&a.list[i], &b.list[k]);
        struct groups x = order <= 0 ? slice(&a, i) : (struct groups){0};
        struct groups y = order >= 0 ? slice(&b, k) : (struct groups){0};
        err = add_group(&x, &y, order <= 0 ? &a.list[i] : &b.list[k], level, o, d);
        i += x.n;
        k += y.n;
    }
    free(a.list);
    free(b.list);
    return err;
}

static double weight_of(const struct comparison *c)
{
    return c->rate == RATE_REFUSED ? DIFF_RATES - 1 : 1;
}

static int by_weighted_p(const void *a, const void *b)
{
    const struct comparison *const *x = a, *const *y = b;
    double p = (*x)->p / weight_of(*x), q = (*y)->p / weight_of(*y);
    return (p > q) - (p < q);
}

/* Holm's step-down correction within a level, and the level's share of alpha. */
static enum at_err correct(struct diff *d, unsigned level, const struct diff_options *o)
{
    struct comparison **order = calloc(d->n + 1, sizeof(struct comparison *));
    size_t m = 0;
    double least = 0, weight = 0; /* of those that are left */
    if (!order)
        return AT_NOMEM;
    for (size_t i = 0; i < d->n; i++)
        if (d->list[i].tested && d->list[i].level == level)
            weight += weight_of(order[m++] = &d->list[i]);
    qsort(order, m, sizeof(struct comparison *), by_weighted_p);
    for (size_t i = 0; i < m; i++) {
        double p = order[i]->p * weight / weight_of(order[i]) / share_of_level[level];
        weight -= weight_of(order[i]);
        least = p > least ? p : least;
        order[i]->p_adjusted = least < 1 ? least : 1;
        order[i]->significant = order[i]->p_adjusted <= o->alpha && fabs(order[i]->change) >= o->min_effect;
        d->changed = d->changed || order[i]->significant;
    }
    free(order);
    return AT_OK;
}

/* ---- Kinds of divergences, wordings */

static uint64_t kind_count(const struct story *s, struct at_str kind)
{
    uint32_t id;
    return at_intern_find(s->kinds, kind, &id) ? s->kind_counts[id] : 0;
}

static enum at_err compare_faults(const struct story *before, const struct story *after, struct diff *d)
{
    d->faults = calloc(before->n_kinds + after->n_kinds + 1, sizeof *d->faults);
    if (!d->faults)
        return AT_NOMEM;
    for (uint32_t i = 0; i < after->n_kinds; i++) {
        struct at_str kind = at_intern_get(after->kinds, i);
        if (!kind_count(before, kind)) {
            d->faults[d->n_faults++] = (struct novelty){kind, 0, after->kind_counts[i]};
            d->changed = true;
        }
    }
    for (uint32_t i = 0; i < before->n_kinds; i++) {
        struct at_str kind = at_intern_get(before->kinds, i);
        if (!kind_count(after, kind))
            d->faults[d->n_faults++] = (struct novelty){kind, before->kind_counts[i], 0};
    }
    return AT_OK;
}

static int by_wording(const void *a, const void *b)
{
    const struct wording *x = a, *y = b;
    int order = compare_names(x->platform, y->platform);
    return order ? order : at_str_cmp(x->err_msg, y->err_msg);
}

/* The wordings of `t`, by platform and text. */
static struct wording *sorted_wordings(const struct tally *t, size_t *n)
{
    *n = tally_wordings(t);
    struct wording *list = calloc(*n + 1, sizeof *list);
    for (size_t i = 0; list && i < *n; i++)
        tally_wording(t, i, &list[i]);
    if (list)
        qsort(list, *n, sizeof *list, by_wording);
    return list;
}

static enum at_err compare_wordings(const struct tally *before, const struct tally *after, struct diff *d)
{
    size_t n_old, n_new;
    struct wording *old = sorted_wordings(before, &n_old), *new = sorted_wordings(after, &n_new);
    d->wordings = calloc(n_new + 1, sizeof *d->wordings);
    enum at_err err = old && new && d->wordings ? AT_OK : AT_NOMEM;
    for (size_t i = 0; i < n_new && !err; i++) {
        if (bsearch(&new[i], old, n_old, sizeof *old, by_wording))
            continue;
        size_t from = d->names.len;
        err = at_buf_printf(&d->names, "%.*s %s: ", AT_STR_FMT(new[i].platform), at_class_text(new[i].cls));
        if (!err)
            err = at_buf_str(&d->names, new[i].err_msg);
        d->wordings[d->n_wordings++] = (struct novelty){{NULL, d->names.len - from}, 0, new[i].count};
    }
    const char *p = d->names.ptr;
    for (size_t i = 0; i < d->n_wordings && !err; i++) { /* the buffer has come to rest */
        d->wordings[i].name.ptr = p;
        p += d->wordings[i].name.len;
    }
    free(old);
    free(new);
    return err;
}

enum at_err diff_make(const struct sums *before, const struct sums *after, const struct diff_options *o,
                      struct diff *out)
{
    enum at_err err = AT_OK;
    *out = (struct diff){0};
    for (unsigned level = DIFF_ALL; level < DIFF_LEVELS && !err; level++) {
        err = compare_level(before, after, level, o, out);
        if (!err)
            err = correct(out, level, o);
    }
    if (!err)
        err = compare_faults(before->story, after->story, out);
    return err ? err : compare_wordings(before->tally, after->tally, out);
}

void diff_free(struct diff *d)
{
    free(d->list);
    free(d->faults);
    free(d->wordings);
    at_buf_free(&d->names);
    *d = (struct diff){0};
}
