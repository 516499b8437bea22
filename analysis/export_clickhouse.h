/* export_clickhouse.h: recordings to a ClickHouse server. Private to analysis. */
#ifndef AUTHTAPE_EXPORT_CLICKHOUSE_H
#define AUTHTAPE_EXPORT_CLICKHOUSE_H

#include "analysis/clickhouse.h"
#include "replay/replay.h"

struct export_request {
    struct ch_server server;
    const char *profile_name;
    const struct at_profile *profile;
    const char *const *paths;
    size_t n_paths;
};

/*
 * Sends what is not there yet. Failures: why is "what"; those of a recording "FILE: what, where". `damaged` is told of
 * the reader before it is closed (at_cli_warn_damage).
 */
AT_MUST_USE enum at_err export_clickhouse(const struct export_request *q, void (*damaged)(const struct at_reader *r),
                                          struct at_why *why);

#endif
