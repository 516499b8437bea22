/* print.h: the formats of `replay`, and the baseline of known divergences. Private to replay. */
#ifndef AUTHTAPE_REPLAY_PRINT_H
#define AUTHTAPE_REPLAY_PRINT_H

#include "replay/replay.h"

struct print_format;

/* What a divergence counts for. */
enum standing {
    STANDING_COUNTS,
    STANDING_KNOWN, /* accepted by the baseline */
    STANDING_MILD,  /* none of the classes that are to fail */
};

/* What is printed, as it comes together. */
struct print {
    const struct print_format *format;
    struct at_output *output; /* NULL: standard output */
    struct at_why output_why; /* of its failure */
    bool color;
    const char *profile;                     /* its name */
    const char *tape;                        /* the first one's path */
    struct at_buf line;                      /* scratch */
    struct at_buf findings, inferred, hints; /* what the format keeps for the end */
    struct at_buf excerpt;                   /* of the divergence at hand: its key's events around it, as lines */
    uint64_t n_inferred, n_known, n_mild;
    uint64_t n_shown, n_failed; /* divergences that were printed; those of them that count */
    bool diagnose;
    const struct at_hypothesis *hypotheses; /* best first */
    size_t n_hypotheses;
};

/* What is known at the end. */
struct print_totals {
    struct at_check_totals check;
    struct at_tape_damage lost;
    struct at_str vanished; /* JSON objects of known divergences that were not seen, separated by commas */
    uint64_t n_vanished;
};

/* A format. Functions that are NULL have nothing to say. AT_CLOSED: standard output is closed. */
struct print_format {
    const char *name;
    enum at_err (*divergence)(struct print *p, const struct at_divergence *d, enum standing how);
    enum at_err (*inferred)(struct print *p, const struct at_inferred *i);
    enum at_err (*hint)(struct print *p, const char *text);
    enum at_err (*end)(struct print *p, const struct print_totals *t);
};

extern const struct print_format print_text, print_json, print_ndjson, print_junit, print_sarif;
/* NULL where there is none of that name. */
const struct print_format *print_format_find(const char *name);
void print_free(struct print *p);

/* Writes out and empties the line, to `output` or standard output; AT_CLOSED where nobody reads any more. */
AT_MUST_USE enum at_err print_line(struct print *p);
/* Appends `list` and "sep" where the list is not empty. */
AT_MUST_USE enum at_err print_separator(struct at_buf *list, const char *sep);
/* Appends a text as XML 1.0 has it, for an element or an attribute in double quotes. */
AT_MUST_USE enum at_err print_xml_text(struct at_buf *out, struct at_str s);
/* One divergence as the object of the JSON report; `known`: with "known":true. */
AT_MUST_USE enum at_err print_states_member(struct at_buf *out, uint8_t states);
AT_MUST_USE enum at_err print_witness_member(struct at_buf *out, const struct at_witness *list, size_t n);
AT_MUST_USE enum at_err print_divergence_object(struct at_buf *out, const struct at_divergence *d, bool known);
AT_MUST_USE enum at_err print_inferred_object(struct at_buf *out, const struct at_inferred *i);

/* ---- excerpt.c */

/* One event for a person, in a line without its end: number, time, kind, and what it says about the scope. */
AT_MUST_USE enum at_err excerpt_event(struct at_buf *out, const struct at_profile *profile, const struct at_moment *m,
                                      size_t scope);
/* Replaces `out` by the events around a divergence: its scope's, those of the witness marked '*', itself '>'. */
AT_MUST_USE enum at_err excerpt_around(struct at_buf *out, struct at_history *h, const struct at_profile *profile,
                                       const struct at_divergence *d);

/*
 * A baseline: accepted divergences, matched by class, scope, api and platform. The file is a report of
 * `replay --format json`, or an array of such objects; a member that is absent matches anything.
 */
struct known_list;
AT_MUST_USE enum at_err known_load(const char *path, struct known_list **out, struct at_why *why);
void known_free(struct known_list **k);
bool known_match(struct known_list *k, const struct at_divergence *d);
/* Appends all entries as a JSON array; how many there are, and whether number `i` matched. NULL has none. */
AT_MUST_USE enum at_err known_list_text(const struct known_list *k, struct at_buf *out);
size_t known_count(const struct known_list *k);
bool known_seen(const struct known_list *k, size_t i);
/* Appends the entries that never matched as JSON objects, separated by commas, and counts them. */
AT_MUST_USE enum at_err known_vanished(const struct known_list *k, struct at_buf *out, uint64_t *n);

#endif
