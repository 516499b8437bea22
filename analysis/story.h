/*
 * story.h: what happened to one user, for the timeline of the HTML report. Private to analysis.
 *
 * The first STORY_USERS users are followed, with at most STORY_MARKS marks each; the one with the most divergences is
 * told, then the one with the most marks.
 */
#ifndef AUTHTAPE_STORY_H
#define AUTHTAPE_STORY_H

#include "replay/replay.h"

#define STORY_USERS 256
#define STORY_MARKS 160
#define FAULTS_MAX 100 /* divergences listed */

enum mark_kind {
    MARK_CALL,
    MARK_PROMPT,
    MARK_ALLOW,
    MARK_DENY,
    MARK_DISMISS,
    MARK_ON,
    MARK_OFF,
    MARK_RESET,
    MARK_FAULT
};

struct mark {
    enum mark_kind kind;
    bool inferred;
    bool answered;       /* call */
    enum at_class cls;   /* call */
    uint32_t scope, api; /* strings of the story; UINT32_MAX: none */
    int64_t t_us, end_us;
    uint32_t text; /* divergence: its explanation */
};

struct tale {
    uint32_t app, user;
    uint32_t last_scope; /* of the latest prompt */
    uint64_t faults;
    struct mark *marks;
    size_t n, cut; /* marks kept and left out */
};

struct fault {
    uint64_t event;
    int64_t t_us;
    const char *cls;
    uint32_t app, user, scope, api, text; /* strings of the story */
};

struct story {
    struct at_intern *strings, *users;
    struct tale tales[STORY_USERS];
    size_t n_tales;
    struct fault faults[FAULTS_MAX];
    size_t n_faults;
    uint64_t faults_all;
    struct at_intern *kinds; /* "class scope api" of every divergence */
    uint64_t *kind_counts;   /* by id of the kind */
    size_t n_kinds;
};

AT_MUST_USE enum at_err story_new(struct story **out);
void story_free(struct story **s);
AT_MUST_USE enum at_err story_event(struct story *s, const struct at_event *ev);
AT_MUST_USE enum at_err story_settled(struct story *s, const struct at_settled *c);
AT_MUST_USE enum at_err story_inferred(struct story *s, const struct at_inferred *i);
AT_MUST_USE enum at_err story_divergence(struct story *s, const struct at_divergence *d);
/* The user to tell of, marks in the order of their times; NULL when nobody did anything. */
const struct tale *story_best(struct story *s);
struct at_str story_string(const struct story *s, uint32_t id); /* absent for UINT32_MAX */

#endif
