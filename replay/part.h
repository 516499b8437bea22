/*
 * part.h: what a replay of one share of the users found, to be put together with the other shares. Private to
 * replay.
 *
 * A part is a text, one JSON object a line: the head, then every finding with its place among all findings, then a last
 * line that says how many there are, so that a part that was cut off is none. What the findings say is what the JSON
 * report says, with the few things beside that the other formats need.
 */
#ifndef AUTHTAPE_REPLAY_PART_H
#define AUTHTAPE_REPLAY_PART_H

#include "replay/print.h"

#define PART_SCHEMA "authtape.replay-partial/1"
#define PART_FILE_MAX ((size_t)1 << 32)

/* Numbers that add up. */
#define PART_SUM_MAP(X)                                                                                                \
    X(events)                                                                                                          \
    X(calls)                                                                                                           \
    X(keys)                                                                                                            \
    X(undetermined)                                                                                                    \
    X(inconclusive)                                                                                                    \
    X(divergences)                                                                                                     \
    X(gaps)                                                                                                            \
    X(lost_bytes)                                                                                                      \
    X(counting)                                                                                                        \
    X(known)                                                                                                           \
    X(mild)

struct part_sums {
#define X(name) uint64_t name;
    PART_SUM_MAP(X)
#undef X
    uint64_t lost_events; /* of a recording that each share has read: the same in all of them */
    bool saw_login, saw_user_info;
};

/* One finding. */
struct part_line {
    struct at_check_order order;
    uint64_t sequence; /* among those of its part with the same order */
    enum { PART_DIVERGENCE, PART_INFERRED, PART_HINT } what;
    struct at_str text; /* the line, without its end */
};

/* One part, or several put together. */
struct part {
    struct at_str profile, options, tape; /* as they are written: quoted texts */
    struct at_str known;                  /* the array of accepted divergences, as it is written */
    uint8_t *known_seen;                  /* of each of them */
    size_t n_known;
    struct at_shares share;
    uint64_t max; /* divergences beyond are not among the findings */
    struct part_sums sums;
    struct part_line *lines; /* in order, once part_sort was called */
    size_t n_lines, cap_lines;
    struct at_buf *texts; /* what all of it points into */
    size_t n_texts;
};

/* Takes the text over, also when it fails: why is "line N: what". */
AT_MUST_USE enum at_err part_parse(struct at_buf *text, struct part *out, struct at_why *why);
/* Moves what is in `part` to `sum`, which may be zero-initialised. AT_BAD: they do not belong together. */
AT_MUST_USE enum at_err part_add(struct part *sum, struct part *part, struct at_why *why);
/* Sorts the findings, and drops hints that were given before. */
void part_sort(struct part *p);
void part_free(struct part *p);

/* ---- Writing */

/* The head; `lines` is the number of findings. */
AT_MUST_USE enum at_err part_put_head(struct at_buf *out, const struct part *p);
AT_MUST_USE enum at_err part_put_end(struct at_buf *out, uint64_t n_lines);
AT_MUST_USE enum at_err part_put_divergence(struct at_buf *out, const struct at_check_order *order,
                                            const struct at_divergence *d, enum standing how, struct at_str excerpt);
AT_MUST_USE enum at_err part_put_inferred(struct at_buf *out, const struct at_check_order *order,
                                          const struct at_inferred *i);
AT_MUST_USE enum at_err part_put_hint(struct at_buf *out, const struct at_check_order *order, const char *text);

/* ---- Reading findings again */

/* Gives every finding to the format, as a replay would. `room` keeps decoded texts. AT_BAD: a line makes no sense. */
AT_MUST_USE enum at_err part_tell(const struct part *p, struct print *print, uint64_t max, struct at_why *why);

#endif
