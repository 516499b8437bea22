/* history.h: histories as text: NDJSON both ways, and a short notation for people (README.md). */
#ifndef EXHAUSTIVE_HISTORY_H
#define EXHAUSTIVE_HISTORY_H

#include <stdio.h>

#include "machine.h"

#define SCOPES 5                              /* those of the default profile */
extern const char *const scope_names[SCOPES]; /* "record": without "scope." */

/* A fast, repeatable choice among things that must not matter. */
uint64_t mix(uint64_t x);

/* ---- NDJSON */

#define NAME_BYTES 64

/* An event with the names that are numbers in struct event. */
struct line {
    struct event event; /* call and stream are not set */
    char app[NAME_BYTES], user[NAME_BYTES], stream[NAME_BYTES], call[NAME_BYTES];
};

/* False where the line is no event; `text` ends with a NUL and is not changed. */
bool line_read(const char *text, struct line *out);

/*
 * Writes the event of history number `user`. Returns carry the api and scopes of their call. `salt` chooses among
 * wordings and fields that mean the same.
 */
void line_write(FILE *to, const struct event *e, uint64_t user, uint64_t salt);

/* ---- The short notation */

#define HISTORY_EVENTS 64
struct history {
    struct event events[HISTORY_EVENTS];
    size_t n;
};

/* "start fresh +prompts; call a record; ~return a denied": NULL, or where it is wrong. Stops at '=' or '#'. */
const char *notation_read(const char *text, struct history *out);
/* `quiet`: the event comes after a quiet window. */
void notation_write(FILE *to, const struct event *e, bool quiet);

#define NOTATION_STEP_US 1000000 /* between two events; "~" makes it three times as long */

/* ---- Policies as options, the same for every program here */

/* Takes argv[*i] (and its argument, then *i moves on). False where it is no policy option. */
bool policy_option(struct policy *p, int argc, char **argv, int *i);
#define POLICY_USAGE                                                                                                   \
    "  --concurrent join|queue|reprompt   --dismiss unasked|denied   --quiet-ms N   --other-devices   --strict   "     \
    "--per-device\n"                                                                                                   \
    "  --silent SCOPE (never prompts)     --exempt SCOPE (left out of snapshots)     --lacks R5 (need not be kept)\n"

#endif
