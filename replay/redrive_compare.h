/*
 * redrive_compare.h: what was recorded, what the target did now, what the reference machine expects. Private to replay.
 */
#ifndef AUTHTAPE_REPLAY_REDRIVE_COMPARE_H
#define AUTHTAPE_REPLAY_REDRIVE_COMPARE_H

#include "replay/redrive.h"

/* Of one call of one copy of a user. */
enum rd_verdict {
    RD_SAME,     /* the same outcome, allowed both times */
    RD_DIVERGES, /* no correct host answers so, whatever the recording had */
    RD_FIXED,    /* the recording diverged, the target does not */
    RD_DIFFERS,  /* another outcome; both are allowed */
    RD_SKIPPED,  /* the call could not be made */
};
#define RD_VERDICTS 5

/* A divergence of the target, and what it is about. */
struct rd_finding {
    bool has_call;
    uint32_t copy, call;
    enum at_divergence_class cls;
    bool recorded;              /* the recording has one of that class at the same call */
    size_t json_at, json_len;   /* in `texts`: as in `replay --format json` */
    size_t words_at, words_len; /* the explanation */
};

struct rd_compare {
    const struct rd_plan *plan;
    const struct rd_planner *planner;
    const struct rd_driver *driver;
    const struct at_profile *profile;
    uint32_t copies;
    struct rd_finding *findings;
    size_t n_findings, cap_findings;
    struct at_buf texts;
    uint8_t *diverges; /* by copy and call: the target diverges there */
    uint64_t counts[RD_VERDICTS];
};

AT_MUST_USE enum at_err rd_compare_new(const struct rd_plan *plan, const struct rd_planner *planner,
                                       const struct rd_driver *driver, const struct at_profile *profile,
                                       uint32_t copies, struct rd_compare *out);
void rd_compare_free(struct rd_compare *c);
/* Keeps a divergence of the new tape. */
AT_MUST_USE enum at_err rd_compare_divergence(struct rd_compare *c, const struct at_divergence *d);
/* Counts the verdicts: once, when all divergences are known. */
void rd_compare_finish(struct rd_compare *c);
enum rd_verdict rd_compare_call(const struct rd_compare *c, uint32_t copy, uint32_t call);
/* The divergence of the recording at the call, NULL for none. */
const struct rd_found *rd_compare_recorded(const struct rd_compare *c, uint32_t call);
/* The class of an answer; AT_CLASS_OTHER where there is none. */
enum at_class rd_class(const struct rd_compare *c, const struct at_event *ret);

/* How the comparison is told. */
struct rd_report {
    const struct rd_compare *compare;
    struct rd_counts counts;
    const char *target, *profile;
    struct at_str notes; /* sentences, each on a line */
    bool color;
};
/* AT_CLOSED where nobody reads any more. */
AT_MUST_USE enum at_err rd_print_text(const struct rd_report *r);
AT_MUST_USE enum at_err rd_print_json(const struct rd_report *r);
AT_MUST_USE enum at_err rd_print_junit(const struct rd_report *r);

#endif
