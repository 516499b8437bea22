/* import_clickhouse.h: events from a ClickHouse server, as a tape. Private to analysis. */
#ifndef AUTHTAPE_IMPORT_CLICKHOUSE_H
#define AUTHTAPE_IMPORT_CLICKHOUSE_H

#include "analysis/clickhouse.h"

/*
 * Writes the events that pass, in their order. `select.shard` is that of the request. Failures: why is "what".
 * AT_CLOSED: nobody reads the output any more.
 */
AT_MUST_USE enum at_err import_clickhouse(const struct ch_server *server, const struct at_reader_options *select,
                                          const char *to, struct at_why *why);

#endif
