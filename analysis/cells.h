/* cells.h: counts, grouped by any of a few dimensions. Private to analysis. */
#ifndef AUTHTAPE_CELLS_H
#define AUTHTAPE_CELLS_H

#include "analysis/quantile.h"
#include "formats/formats.h"

#define NO_ID UINT32_MAX

/* name. What can stand after --by; the bit in a mask is 1u << value. The first DIM_DAY of them are strings;
 * USER is the pair of app and user, for the programs' own use. */
#define REPORT_DIM_MAP(X)                                                                                              \
    X(SCOPE, "scope")                                                                                                  \
    X(API, "api")                                                                                                      \
    X(APP, "app")                                                                                                      \
    X(PLATFORM, "platform")                                                                                            \
    X(ERRMSG, "errmsg")                                                                                                \
    X(USER, "user")                                                                                                    \
    X(DAY, "day")                                                                                                      \
    X(HOUR, "hour")

enum report_dim {
#define X(name, text) DIM_##name,
    REPORT_DIM_MAP(X)
#undef X
};
#define DIM_STRINGS DIM_DAY
#define REPORT_DIMS 8

/* Where something counts. */
struct place {
    uint32_t id[DIM_STRINGS]; /* NO_ID: there is none */
    int64_t t_us;
};

/* What is known of a user; authtape-report(1). They fit in a byte. */
enum user_mark {
    USERS_ASKED,
    USERS_GRANTED,
    USERS_DENIED,
    USERS_RECOVERED,
    USERS_TURNED_OFF,
    USERS_ON_AGAIN,
    USERS_SILENCED,
    USERS_KEPT_ASKING,
};
#define USER_MARKS 8
#define AT_CLASSES (AT_CLASS_OTHER + 1)

struct counts {
    uint64_t calls; /* answered or not */
    uint64_t by_class[AT_CLASSES];
    uint64_t prompts_observed, prompts_inferred;
    uint64_t answers[AT_ANSWER_DISMISS + 1]; /* by enum at_answer */
    uint64_t at_prompt, while_denied;
    uint64_t to_granted, to_denied, flips_inferred; /* the first two hold the inferred ones, too */
    uint64_t users[USER_MARKS];
    struct quantiles answer_us, recovery_us;
};

uint64_t counts_unanswered(const struct counts *c);
/* Everything that is neither ok, denied, dismissed nor unauthorized. */
uint64_t counts_other(const struct counts *c);

struct cell_key {
    uint32_t id[DIM_STRINGS];
    int64_t bucket[REPORT_DIMS - DIM_STRINGS]; /* days, hours since the epoch */
};

struct cell {
    struct cell_key key;
    struct counts counts;
};

/* Zero-initialised with `dims` set is empty. */
struct cells {
    unsigned dims; /* mask */
    struct cell *list;
    size_t n, cap;
    struct at_intern *keys; /* the numbers of the cells */
    uint64_t *marked;       /* cell << 32 | key; with no marks: free */
    uint8_t *marks;
    size_t n_marked, marked_slots;
};

void cells_free(struct cells *c);
void cells_seal(struct cells *c); /* when all is counted */
/* The number of the cell for `where`, made when it is new. Numbers stay; the cells themselves may move. */
AT_MUST_USE enum at_err cells_find(struct cells *c, const struct place *where, uint32_t *cell);
/* Counts the user `key` under `mark`, once in each cell; all marks that the user has there now. */
AT_MUST_USE enum at_err cells_mark(struct cells *c, uint32_t cell, uint32_t key, enum user_mark mark, uint8_t *marks);

#endif
