/* gen.h: what the two makers of histories share. */
#ifndef EXHAUSTIVE_GEN_H
#define EXHAUSTIVE_GEN_H

#include "history.h"

#define ACTIONS_MAX 256
struct actions {
    struct event events[ACTIONS_MAX];
    size_t n;
};

struct gen {
    struct policy policy;
    unsigned events;      /* in a history, its start aside */
    unsigned scopes;      /* touched by a history */
    unsigned unexplained; /* how many events before the last may be unexplained */
    uint64_t part, parts; /* print history i only where i % parts == part */
    uint64_t limit, seed; /* random histories */
    bool count_only;
    uint64_t made;  /* histories so far */
    const char *to; /* a shell command that takes the histories, `chunk` of them at a time; NULL: standard output */
    uint64_t chunk, in_chunk;
    FILE *out;
    bool failed;         /* one of the commands */
    uint64_t first_user; /* number of the first history's user */
    int64_t clock_us;    /* histories come one after the other */
};

/*
 * The events that could come next in configuration set `in`. `all` false: of those that section "Pruning" of README.md
 * shows to be equal, one, chosen by `salt`.
 */
void list_actions(const struct key *k, const struct set *in, bool all, uint32_t next_call, uint64_t salt,
                  struct actions *out);

/* Writes a history (its events' t_us are the intervals before them) if it is this part's turn. */
void write_history(struct gen *g, const struct event *events, size_t n);

/* Where the next history goes; after each, end_history. */
FILE *begin_history(struct gen *g);
void end_history(struct gen *g);

void enumerate(struct gen *g);
void random_histories(struct gen *g);

#endif
