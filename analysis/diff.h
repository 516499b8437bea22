/* diff.h: what changed between two recordings. Private to analysis. Pure: two sums in, a list of changes out. */
#ifndef AUTHTAPE_DIFF_H
#define AUTHTAPE_DIFF_H

#include "analysis/feed.h"

/* The groupings that diff_sums makes, after the one by scope. */
enum { DIFF_ALL = 1, DIFF_SCOPE, DIFF_SCOPE_PLATFORM, DIFF_LEVELS };

/* name, text: the hits of a rate out of its trials, which are summed up for each user. */
#define DIFF_RATE_MAP(X)                                                                                               \
    X(REFUSED, "prompts refused")                                                                                      \
    X(DENIED, "calls denied")                                                                                          \
    X(SILENT, "calls denied in silence")                                                                               \
    X(FAILED, "calls failed otherwise")                                                                                \
    X(UNANSWERED, "calls unanswered")

enum diff_rate {
#define X(name, text) RATE_##name,
    DIFF_RATE_MAP(X)
#undef X
};
#define DIFF_RATES 5
const char *diff_rate_text(enum diff_rate rate);

struct sample {
    uint64_t hits, trials, users;
};

struct comparison {
    struct at_str scope, platform; /* absent: all of them */
    enum diff_rate rate;
    unsigned level;
    struct sample before, after;
    bool tested;          /* there was enough to test */
    double change;        /* of the rate, from before to after */
    double low, high;     /* confidence interval of the change, at 1 - alpha */
    double p, p_adjusted; /* of no change; corrected for all comparisons */
    bool significant;     /* p_adjusted ≤ alpha, and the change is at least min_effect */
};

/* A wording or a kind of divergence that only one of the recordings has. */
struct novelty {
    struct at_str name;
    uint64_t before, after;
};

struct diff_options {
    double alpha, min_effect;
};

struct diff {
    struct comparison *list;
    size_t n;
    struct novelty *faults, *wordings;
    size_t n_faults, n_wordings;
    struct at_buf names; /* what the names of wordings point into */
    bool changed;        /* a significant comparison, or a kind of divergence that was not there before */
};

AT_MUST_USE enum at_err diff_sums(const struct at_profile *profile, struct sums *out);
AT_MUST_USE enum at_err diff_make(const struct sums *before, const struct sums *after, const struct diff_options *o,
                                  struct diff *out);
void diff_free(struct diff *d);
AT_MUST_USE enum at_err diff_text(const struct diff *d, const struct diff_options *o, struct at_buf *out);
AT_MUST_USE enum at_err diff_json(const struct diff *d, const struct diff_options *o, struct at_buf *out);

#endif
