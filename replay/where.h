/* where.h: `replay --at` and `--timeline`: the states of one user. Private to replay. */
#ifndef AUTHTAPE_REPLAY_WHERE_H
#define AUTHTAPE_REPLAY_WHERE_H

#include "replay/replay.h"

struct where {
    bool at_event, at_time, timeline;
    uint64_t event;
    int64_t t_us;
    struct at_str user, app; /* app absent: all of the user's */
};
static inline bool where_asked(const struct where *w)
{
    return w->at_event || w->at_time || w->timeline;
}
/* Reads the argument of --at: a number or #number is an event, anything else a time. False after a message. */
bool where_parse_at(struct where *w, const struct at_cli *cli);
/* Reads the tapes and prints the answer, as text or JSON. AT_NOTFOUND: there is no such user, or no such event. */
AT_MUST_USE enum at_err where_answer(const struct where *w, const struct at_profile *profile,
                                     const struct at_check_options *check, const struct at_reader_options *reader,
                                     const char *const *paths, size_t n_paths, bool json, struct at_why *why);

#endif
