/* cmd_replay.h: the command's second half. Private to replay. */
#ifndef AUTHTAPE_REPLAY_CMD_REPLAY_H
#define AUTHTAPE_REPLAY_CMD_REPLAY_H

#include "replay/print.h"

struct merge_request {
    const char *const *paths;
    size_t n_paths;
    const char *output; /* NULL: standard output */
    uint64_t max;       /* divergences shown */
    bool partial;       /* a part is made of the parts */
};

/* `replay merge`: the exit status. The format is print's. */
int replay_merge(const struct merge_request *q, struct print *print);

#endif
