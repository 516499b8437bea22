/*
 * diagnose.c: which single fault explains the divergences best.
 *
 * Every variant of the machine is a checker of its own, and all of them see the events in the same pass. Afterwards the
 * events that a variant cannot explain are held against those that the reference machine cannot.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/replay.h"

/* Numbers of events, ascending but for answers that never came; each once. */
struct numbers {
    uint64_t *at;
    size_t n, cap;
};

struct variant {
    struct at_checker *checker;
    struct numbers unexplained;
    uint64_t inferred; /* hidden changes that it takes to explain the rest */
    enum at_fault fault;
    size_t scope, for_scope;
};

struct at_diagnosis {
    const struct at_profile *profile;
    struct variant *variants; /* the first is the reference machine */
    size_t n;
    struct at_hypothesis *ranked;
};

static enum at_err count_inferred(void *ctx, const struct at_inferred *i)
{
    struct variant *v = ctx;
    (void)i;
    v->inferred++;
    return AT_OK;
}

static enum at_err note(void *ctx, const struct at_divergence *d)
{
    struct numbers *list = &((struct variant *)ctx)->unexplained;
    if (list->n && list->at[list->n - 1] == d->at.event)
        return AT_OK;
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        uint64_t *grown = realloc(list->at, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        list->at = grown;
        list->cap = cap;
    }
    list->at[list->n++] = d->at.event;
    return AT_OK;
}

static enum at_err add_variant(struct at_diagnosis *d, const struct at_check_options *options, enum at_fault fault,
                               size_t scope, size_t for_scope)
{
    struct variant *v = &d->variants[d->n];
    struct at_check_options mine = *options;
    struct at_check_sink sink = {.ctx = v, .divergence = note, .inferred = count_inferred};
    mine.wordless = true;
    mine.fault = v->fault = fault;
    mine.fault_scope = v->scope = scope;
    mine.fault_for = v->for_scope = for_scope;
    enum at_err err = at_checker_new(d->profile, &mine, &sink, &v->checker);
    if (!err)
        d->n++;
    return err;
}

enum at_err at_diagnosis_new(const struct at_profile *profile, const struct at_check_options *options,
                             struct at_diagnosis **out)
{
    struct at_diagnosis *d = calloc(1, sizeof *d);
    size_t n = profile->n_scopes;
    enum at_err err = d ? AT_OK : AT_NOMEM;
    if (!err) {
        d->profile = profile;
        d->variants = calloc(AT_FAULT_USER_LEAKS + 1 + n * n, sizeof *d->variants);
        err = d->variants ? AT_OK : AT_NOMEM;
    }
    for (enum at_fault fault = AT_FAULT_NONE; fault <= AT_FAULT_USER_LEAKS && !err; fault++)
        if (fault != AT_FAULT_SCOPE_FOR_SCOPE)
            err = add_variant(d, options, fault, 0, 0);
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n && !err; b++)
            if (a != b && !profile->scopes[a].exempt && !profile->scopes[b].exempt)
                err = add_variant(d, options, AT_FAULT_SCOPE_FOR_SCOPE, a, b);
    if (err)
        at_diagnosis_free(&d);
    *out = d;
    return err;
}

void at_diagnosis_free(struct at_diagnosis **diagnosis)
{
    struct at_diagnosis *d = *diagnosis;
    if (!d)
        return;
    for (size_t i = 0; i < d->n; i++) {
        at_checker_free(&d->variants[i].checker);
        free(d->variants[i].unexplained.at);
    }
    free(d->variants);
    free(d->ranked);
    free(d);
    *diagnosis = NULL;
}

enum at_err at_diagnosis_event(struct at_diagnosis *d, const struct at_event *ev, uint64_t index)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < d->n && !err; i++)
        err = at_checker_event(d->variants[i].checker, ev, index);
    return err;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void sort_once(struct numbers *list)
{
    size_t kept = 0;
    if (list->n)
        qsort(list->at, list->n, sizeof *list->at, by_number);
    for (size_t i = 0; i < list->n; i++)
        if (!i || list->at[i] != list->at[i - 1])
            list->at[kept++] = list->at[i];
    list->n = kept;
}

/* How many of `a` are not in `b`; both sorted. */
static uint64_t missing_from(const struct numbers *a, const struct numbers *b)
{
    uint64_t missing = 0;
    size_t k = 0;
    for (size_t i = 0; i < a->n; i++) {
        while (k < b->n && b->at[k] < a->at[i])
            k++;
        missing += k == b->n || b->at[k] != a->at[i];
    }
    return missing;
}

/* The better one first: explains more for what it breaks; then the one that explains more; then the order of the list.
 */
static int by_merit(const void *a, const void *b)
{
    const struct at_hypothesis *x = a, *y = b;
    int64_t x_merit = (int64_t)x->explains - (int64_t)x->breaks, y_merit = (int64_t)y->explains - (int64_t)y->breaks;
    if (x_merit != y_merit)
        return x_merit > y_merit ? -1 : 1;
    if (x->explains != y->explains)
        return x->explains > y->explains ? -1 : 1;
    if (x->inferred != y->inferred)
        return x->inferred < y->inferred ? -1 : 1;
    return (x->fault > y->fault) - (x->fault < y->fault);
}

static void describe(const struct at_diagnosis *d, const struct variant *v, struct at_hypothesis *h)
{
    static const char *const names[][2] = {
#define X(name, text, words) {text, words},
        AT_FAULT_MAP(X)
#undef X
    };
    h->fault = v->fault;
    h->name = names[v->fault][0];
    if (v->fault == AT_FAULT_SCOPE_FOR_SCOPE)
        snprintf(h->text, sizeof h->text, "%.*s answers calls of %.*s", AT_STR_FMT(d->profile->scopes[v->scope].name),
                 AT_STR_FMT(d->profile->scopes[v->for_scope].name));
    else
        snprintf(h->text, sizeof h->text, "%s", names[v->fault][1]);
}

enum at_err at_diagnosis_finish(struct at_diagnosis *d, const struct at_hypothesis **out, size_t *n)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < d->n && !err; i++) {
        err = at_checker_finish(d->variants[i].checker);
        sort_once(&d->variants[i].unexplained);
    }
    if (err)
        return err;
    d->ranked = calloc(d->n + 1, sizeof *d->ranked);
    if (!d->ranked)
        return AT_NOMEM;
    *n = 0;
    for (size_t i = 1; i < d->n; i++) {
        struct at_hypothesis *h = &d->ranked[*n];
        h->of = d->variants[0].unexplained.n;
        h->explains = missing_from(&d->variants[0].unexplained, &d->variants[i].unexplained);
        h->breaks = missing_from(&d->variants[i].unexplained, &d->variants[0].unexplained);
        h->inferred = d->variants[i].inferred;
        describe(d, &d->variants[i], h);
        *n += h->explains > 0;
    }
    qsort(d->ranked, *n, sizeof *d->ranked, by_merit);
    *out = d->ranked;
    return AT_OK;
}
