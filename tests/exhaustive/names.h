/* names.h: tables that readers and writers share. Scopes: history.h. */
#ifndef EXHAUSTIVE_NAMES_H
#define EXHAUSTIVE_NAMES_H

extern const char *const scope_apis[];
extern const char *const answer_names[3], *const outcome_names[5], *const sight_names[4];

/* The place of `name`, -1 where it is not there. */
int find_name(const char *const *names, int n, const char *name);

#endif
