/*
 * clickhouse.h: a ClickHouse server over HTTP: queries, and rows in its own format. Private to analysis.
 *
 * Rows go out as blocks of its Native format (columns), in its own frames of LZ4: what clickhouse-client sends, and the
 * least work for the server. Version 18.16 is the oldest that this was tried with.
 */
#ifndef AUTHTAPE_CLICKHOUSE_H
#define AUTHTAPE_CLICKHOUSE_H

#include "formats/formats.h"

/* ---- Connections */

struct ch_server {
    const char *url;      /* http://HOST:8123/?database=NAME */
    const char *prefix;   /* of the tables' names */
    unsigned patience_ms; /* how long a request that fails is tried again */
};

struct ch_link;
/* AT_NOTFOUND where the program was built without libcurl or liblz4. AT_BAD: the URL makes no sense. */
AT_MUST_USE enum at_err ch_link_new(const struct ch_server *server, struct ch_link **out, struct at_why *why);
void ch_link_free(struct ch_link **link);
/*
 * Runs a query; its answer replaces what is in `out` (may be NULL). "{p}" in the text stands for the prefix. A server
 * that is not there, or is too busy, is asked again. AT_NOTFOUND: there is no such table. AT_IO with the server's
 * words.
 */
AT_MUST_USE enum at_err ch_query(struct ch_link *link, const char *text, struct at_buf *out, struct at_why *why);
/* One try of an INSERT with a body in LZ4 frames. AT_AGAIN: it may or may not have been done; others as ch_query. */
AT_MUST_USE enum at_err ch_insert(struct ch_link *link, const char *text, const char *query_id, struct at_str body,
                                  struct at_why *why);
/* Waits before the next try; false once the patience is at its end. `tried` counts. */
bool ch_wait(const struct ch_link *link, unsigned *tried, uint64_t *waited_ms);
/* Runs a query and gives its answer as it comes. What `take` returns ends it. Not tried again once something came. */
AT_MUST_USE enum at_err ch_stream(struct ch_link *link, const char *text,
                                  enum at_err (*take)(void *ctx, const void *data, size_t len), void *ctx,
                                  struct at_why *why);

/* ---- Tables */

enum ch_type { CH_U8, CH_U16, CH_U32, CH_U64, CH_STRING, CH_STRINGS, CH_U8S };

struct ch_column {
    const char *name, *type; /* the type as ClickHouse has it */
    enum ch_type as;
};

struct ch_table {
    const char *name; /* without the prefix */
    const struct ch_column *columns;
    size_t n_columns;
    const char *order;               /* the rest of CREATE TABLE */
    const char *group, *number, *id; /* expressions that tell a row: what it is of, its place there, and itself */
};

enum ch_table_id { CH_EVENTS, CH_CALLS, CH_CHANGES, CH_DIVERGENCES, CH_TABLES };
extern const struct ch_table ch_tables[CH_TABLES];

/* Appends the statements that make the tables and the views, each ended by ";\n". */
AT_MUST_USE enum at_err ch_schema(struct at_buf *out, const char *prefix, const char *cluster);

/* ---- Rows */

/* What is asked of a row before it is sent. */
struct ch_row {
    uint64_t group, number, id, key;
    uint32_t app;   /* number in `apps` */
    uint16_t day;   /* since 1970 */
    uint32_t cells; /* where they begin */
};

struct ch_rows {
    const struct ch_table *table;
    struct at_buf cells;
    struct ch_row *rows;
    size_t n, cap;
    struct at_intern *apps;
};

AT_MUST_USE enum at_err ch_rows_new(const struct ch_table *table, struct ch_rows *out);
void ch_rows_free(struct ch_rows *r);
void ch_rows_clear(struct ch_rows *r);
/* Begins a row; its cells follow, column by column, in the order of the table. */
AT_MUST_USE enum at_err ch_row_begin(struct ch_rows *r, const struct ch_row *row, struct at_str app);
AT_MUST_USE enum at_err ch_put_u8(struct ch_rows *r, uint8_t v);
AT_MUST_USE enum at_err ch_put_u16(struct ch_rows *r, uint16_t v);
AT_MUST_USE enum at_err ch_put_u32(struct ch_rows *r, uint32_t v);
AT_MUST_USE enum at_err ch_put_u64(struct ch_rows *r, uint64_t v);
AT_MUST_USE enum at_err ch_put_str(struct ch_rows *r, struct at_str s); /* absent is empty */
AT_MUST_USE enum at_err ch_put_strs(struct ch_rows *r, const struct at_str *list, size_t n);
AT_MUST_USE enum at_err ch_put_u8s(struct ch_rows *r, const uint8_t *list, size_t n);
/* Takes out the rows for which `there` is true. */
void ch_rows_drop(struct ch_rows *r, bool (*there)(void *ctx, const struct ch_row *row), void *ctx);
/* Appends the rows as one Native block, sorted as the table is. */
AT_MUST_USE enum at_err ch_native(struct ch_rows *r, struct at_buf *out);
/* Appends the bytes in frames of LZ4, as `decompress=1` has them. */
AT_MUST_USE enum at_err ch_frames(struct at_str bytes, struct at_buf *out);

/* Whether the text can be a part of a name in SQL. */
bool ch_is_name(const char *text);

#endif
