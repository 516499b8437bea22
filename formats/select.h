/* select.h: the filter options that subcommands share. Private to formats. */
#ifndef AUTHTAPE_FORMATS_SELECT_H
#define AUTHTAPE_FORMATS_SELECT_H

#include "formats/formats.h"

/* clang-format off */
enum { SELECT_FROM = 100, SELECT_TO, SELECT_APP, SELECT_USER, SELECT_SCOPE, SELECT_PROFILE, SELECT_SHARD };
#define SELECT_OPTIONS                                                                                                 \
    {"from", 0, "T", SELECT_FROM, "events at or after T: RFC 3339, a date, or microseconds since 1970"},               \
    {"to", 0, "T", SELECT_TO, "events before T"},                                                                      \
    {"app", 0, "APP", SELECT_APP, "events of this app"},                                                               \
    {"user", 0, "USER", SELECT_USER, "events of this user"},                                                           \
    {"scope", 0, "SCOPE", SELECT_SCOPE, "calls, answers, prompts and settings of this scope"},                         \
    {"shard", 0, "I/N", SELECT_SHARD, "events of share I of N of the users: 1/8 to 8/8"},                               \
    {"profile", 'p', "PROFILE", SELECT_PROFILE, "whose APIs --scope means (default: " AT_DEFAULT_PROFILE ")"}
/* clang-format on */

/* What the options said, and what it points to. */
struct at_select {
    struct at_reader_options options;
    const char *profile_name;
    struct at_profile *profile;
};

/* Takes one of these options. Returns false after a message when its argument is bad. */
bool at_select_option(const struct at_cli *cli, int id, struct at_select *select);
/* After the last option: loads what they name. Returns false after a message. */
bool at_select_end(struct at_select *select);
void at_select_free(struct at_select *select);

#endif
