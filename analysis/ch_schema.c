/*
 * ch_schema.c: the tables and views in ClickHouse. Column by column, ch_tables is what export sends and import reads;
 * the views are the reports of authtape-report(1), "WHAT IS COUNTED".
 */
#include "analysis/clickhouse.h"

#define KINDS                                                                                                          \
    "Enum8('start' = 1, 'call' = 2, 'return' = 3, 'prompt' = 4, 'decision' = 5, 'settings' = 6, "                      \
    "'settings-page' = 7, 'reset' = 8, 'gap' = 9, 'end' = 10)"
#define ANSWERS "Enum8('' = 0, 'allow' = 1, 'deny' = 2, 'dismiss' = 3)"
#define CLASSES                                                                                                        \
    "Enum8('ok' = 0, 'denied' = 1, 'dismissed' = 2, 'unauthorized' = 3, 'os-denied' = 4, 'privacy' = 5, "              \
    "'gesture' = 6, 'malformed' = 7, 'other' = 8, 'unanswered' = 9)"
#define CHANGES "Enum8('prompt' = 0, 'decision' = 1, 'settings' = 2, 'reset' = 3, 'denial' = 4)"
#define VIAS "Enum8('' = 0, 'state' = 1, 'prompt' = 2)"

/* What calls, changes and divergences begin with; BY_USER sorts by it. */
/* clang-format off */
#define OF_A_USER \
    {"recording", "UInt64", CH_U64}, \
    {"number", "UInt64", CH_U64}, \
    {"id", "UInt64", CH_U64}, \
    {"key", "UInt64", CH_U64}, \
    {"app", "String", CH_STRING}, \
    {"user", "String", CH_STRING}, \
    {"t", "Int64", CH_U64}, \
    {"day", "Date", CH_U16}
/* clang-format on */

static const struct ch_column events[] = {
    {"tape", "UInt64", CH_U64},
    {"event", "UInt64", CH_U64},
    {"key", "UInt64", CH_U64},
    {"app", "String", CH_STRING},
    {"user", "String", CH_STRING},
    {"t", "Int64", CH_U64},
    {"late", "Int64", CH_U64},
    {"day", "Date", CH_U16},
    {"kind", KINDS, CH_U8},
    {"has", "UInt16", CH_U16},
    {"stream", "String", CH_STRING},
    {"platform", "String", CH_STRING},
    {"packet", "UInt64", CH_U64},
    {"call", "String", CH_STRING},
    {"api", "String", CH_STRING},
    {"scopes", "Array(String)", CH_STRINGS},
    {"err_msg", "String", CH_STRING},
    {"err_no", "Int64", CH_U64},
    {"setting_scopes", "Array(String)", CH_STRINGS},
    {"setting_values", "Array(UInt8)", CH_U8S},
    {"answer", ANSWERS, CH_U8},
    {"granted", "UInt8", CH_U8},
    {"fresh", "UInt8", CH_U8},
    {"observes", "Array(UInt8)", CH_U8S},
    {"lost_bytes", "UInt64", CH_U64},
    {"extra", "String", CH_STRING},
};

static const struct ch_column calls[] = {
    OF_A_USER,
    {"answered", "UInt64", CH_U64},
    {"answered_t", "Int64", CH_U64},
    {"scope", "String", CH_STRING},
    {"api", "String", CH_STRING},
    {"platform", "String", CH_STRING},
    {"stream", "String", CH_STRING},
    {"call", "String", CH_STRING},
    {"err_msg", "String", CH_STRING},
    {"class", CLASSES, CH_U8},
};

static const struct ch_column changes[] = {
    OF_A_USER,
    {"moment", "UInt64", CH_U64},
    {"after", "UInt64", CH_U64},
    {"scope", "String", CH_STRING},
    {"kind", CHANGES, CH_U8},
    {"unseen", "UInt8", CH_U8},
    {"answer", ANSWERS, CH_U8},
    {"granted", "UInt8", CH_U8},
    {"via", VIAS, CH_U8},
    {"took", "Int64", CH_U64},
    {"api", "String", CH_STRING},
    {"platform", "String", CH_STRING},
    {"err_msg", "String", CH_STRING},
};

static const struct ch_column divergences[] = {
    OF_A_USER,
    {"class", "String", CH_STRING},
    {"rule", "String", CH_STRING},
    {"scope", "String", CH_STRING},
    {"api", "String", CH_STRING},
    {"platform", "String", CH_STRING},
    {"stream", "String", CH_STRING},
    {"call", "String", CH_STRING},
    {"states", "Array(String)", CH_STRINGS},
    {"expected", "String", CH_STRING},
    {"observed", "String", CH_STRING},
    {"explanation", "String", CH_STRING},
};

#define COLUMNS(array) (array), sizeof(array) / sizeof(array)[0]
#define BY_USER                                                                                                        \
    "ENGINE = ReplacingMergeTree() PARTITION BY toYYYYMM(day)\n"                                                       \
    "ORDER BY (app, key, user, t, recording, number, id) SAMPLE BY key SETTINGS index_granularity = 8192"

const struct ch_table ch_tables[CH_TABLES] = {
    [CH_EVENTS] = {"events", COLUMNS(events),
                   "ENGINE = ReplacingMergeTree() PARTITION BY toYYYYMM(day)\n"
                   "ORDER BY (app, key, user, t + late, tape, event) SAMPLE BY key SETTINGS index_granularity = 8192",
                   "tape", "event", "event"},
    [CH_CALLS] = {"calls", COLUMNS(calls), BY_USER, "recording", "number", "id"},
    [CH_CHANGES] = {"changes", COLUMNS(changes), BY_USER, "recording", "number", "id"},
    [CH_DIVERGENCES] = {"divergences", COLUMNS(divergences), BY_USER, "recording", "number", "id"},
};

/* What was exported, for exports to come. */
static const struct {
    const char *name, *columns, *order;
} books[] = {
    {"exports",
     "tape UInt64, recording UInt64, state Enum8('begun' = 1, 'done' = 2, 'superseded' = 3), tapes UInt32, "
     "events UInt64, profile String, at DateTime DEFAULT now()",
     "ENGINE = MergeTree() ORDER BY (tape, recording) SETTINGS index_granularity = 1024"},
    {"segments",
     "tape UInt64, segment UInt64, state Enum8('begun' = 1, 'done' = 2), events UInt64, print UInt64, "
     "at DateTime DEFAULT now()",
     "ENGINE = MergeTree() ORDER BY (tape, segment) SETTINGS index_granularity = 1024"},
};

#define CURRENT "recording IN (SELECT recording FROM {p}recordings)"
/* Nearest rank, in milliseconds. */
#define RANK(times, percent) #times "[intDiv(length(" #times ") * " #percent " + 99, 100)] / 1000"

static const struct {
    const char *name, *select;
} views[] = {
    {"recordings", "SELECT recording, max(tapes) AS n_tapes, max(profile) AS of_profile FROM {p}exports\n"
                   "GROUP BY recording HAVING countIf(state = 'done') > 0 AND countIf(state = 'superseded') = 0"},
    {"inferred", "SELECT app, user, platform, scope, kind, answer, granted, after AS after_event, number AS "
                 "before_event, t, recording FROM {p}changes WHERE unseen AND " CURRENT},
    {"prompts",
     "SELECT scope, countIf(kind = 'prompt' AND NOT unseen) AS prompts, countIf(kind = 'prompt' AND unseen) AS "
     "inferred,\n"
     "countIf(kind = 'decision' AND answer = 'allow') AS allowed, countIf(kind = 'decision' AND answer = 'deny') AS "
     "denied,\n"
     "countIf(kind = 'decision' AND answer = 'dismiss') AS dismissed,\n"
     "arraySort(groupArrayIf(took, took >= 0)) AS times, " RANK(times, 50) " AS p50_ms, " RANK(
         times, 90) " AS p90_ms, " RANK(times, 99) " AS p99_ms\n"
                                                   "FROM {p}changes WHERE kind IN ('prompt', 'decision') AND " CURRENT
                                                   " GROUP BY scope"},
    /* What became of a user and a scope. `moment` is the time, and within it the order of the events. */
    {"users",
     "SELECT app, user, scope, countIf(sign = 'grant') > 0 AS granted, countIf(sign = 'denial') > 0 AS denied,\n"
     "minIf(moment, sign = 'grant') AS granted_at, minIf(moment, sign = 'denial') AS denied_at,\n"
     "arraySort(groupArrayIf(moment, sign = 'grant' AND flip)) AS ons,\n"
     "arraySort(groupArrayIf(moment, sign = 'denial' AND flip)) AS offs,\n"
     "arrayFirst(x -> x > denied_at, ons) AS recovered_at, denied AND recovered_at > 0 AS recovered,\n"
     "arrayFirst(x -> x > granted_at, offs) AS off_at, granted AND off_at > 0 AS turned_off,\n"
     "turned_off AND arrayExists(x -> x > off_at, ons) AS on_again,\n"
     "intDiv(recovered_at, 4096) - intDiv(denied_at, 4096) AS recovery_us,\n"
     "countIf(sign = 'silence') > 0 AS silenced, countIf(sign = 'silence') > 1 AS kept_asking\n"
     "FROM (SELECT app, user, scope, moment, kind = 'settings' AS flip,\n"
     "multiIf(kind = 'denial', 'silence', kind = 'settings', if(granted, 'grant', 'denial'), answer = 'allow', "
     "'grant', answer = 'deny', 'denial', '') AS sign\n"
     "FROM {p}changes WHERE (kind IN ('prompt', 'decision', 'settings') OR via = 'state') AND " CURRENT "\n"
     "UNION ALL SELECT app, user, scope, toUInt64(answered_t) * 4096 + bitAnd(answered * 2 + 2, 4095) AS moment, 0 AS "
     "flip,\n"
     "multiIf(class = 'ok', 'grant', class = 'denied', 'denial', '') AS sign\n"
     "FROM {p}calls WHERE class IN ('ok', 'denied', 'dismissed') AND " CURRENT ")\n"
     "GROUP BY app, user, scope"},
    {"denials",
     "SELECT scope, sum(c) AS calls, sum(d) AS denied, sum(p) AS at_prompt, sum(s) AS while_denied, sum(ud) AS "
     "users_denied,\n"
     "sum(ur) AS users_recovered, sum(us) AS users_silenced, sum(uk) AS users_kept_asking FROM (\n"
     "SELECT scope, count() AS c, countIf(class = 'denied') AS d, 0 AS p, 0 AS s, 0 AS ud, 0 AS ur, 0 AS us, 0 AS uk\n"
     "FROM {p}calls WHERE " CURRENT " GROUP BY scope\n"
     "UNION ALL SELECT scope, 0 AS c, 0 AS d, countIf(via = 'prompt') AS p, countIf(via = 'state') AS s, 0 AS ud, 0 "
     "AS ur, 0 AS us, 0 AS uk\n"
     "FROM {p}changes WHERE kind = 'denial' AND " CURRENT " GROUP BY scope\n"
     "UNION ALL SELECT scope, 0 AS c, 0 AS d, 0 AS p, 0 AS s, countIf(denied) AS ud, countIf(recovered) AS ur, "
     "countIf(silenced) AS us, countIf(kept_asking) AS uk\n"
     "FROM {p}users GROUP BY scope) GROUP BY scope"},
    {"settings",
     "SELECT scope, sum(a) AS to_granted, sum(b) AS to_denied, sum(i) AS inferred, sum(ua) AS users_asked, sum(ug) "
     "AS users_granted,\n"
     "sum(uo) AS users_turned_off, sum(ug2) AS users_on_again, sum(ud) AS users_denied, sum(ur) AS users_recovered,\n"
     "arraySort(groupArrayArray(times)) AS all, " RANK(all, 50) " AS recovery_p50_ms, " RANK(
         all, 90) " AS recovery_p90_ms FROM (\n"
                  "SELECT scope, countIf(granted) AS a, countIf(NOT granted) AS b, countIf(unseen) AS i, 0 AS ua, 0 AS "
                  "ug, 0 AS uo, 0 AS ug2, 0 AS ud, 0 AS ur,\n"
                  "emptyArrayInt64() AS times FROM {p}changes WHERE kind = 'settings' AND " CURRENT " GROUP BY scope\n"
                  "UNION ALL SELECT scope, 0 AS a, 0 AS b, 0 AS i, count() AS ua, countIf(granted) AS ug, "
                  "countIf(turned_off) AS uo, countIf(on_again) AS ug2,\n"
                  "countIf(denied) AS ud, countIf(recovered) AS ur, groupArrayIf(toInt64(recovery_us), recovered) AS "
                  "times FROM {p}users GROUP BY scope)\n"
                  "GROUP BY scope"},
    {"outcomes", "SELECT scope, class, count() AS calls FROM {p}calls WHERE " CURRENT " GROUP BY scope, class"},
};

bool ch_is_name(const char *text)
{
    return *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(text) &&
           (*text < '0' || *text > '9');
}

/* The text with the prefix in place of every "{p}". */
static enum at_err put(struct at_buf *out, const char *text, const char *prefix)
{
    enum at_err err = AT_OK;
    for (const char *hole; !err && (hole = strstr(text, "{p}")); text = hole + 3) {
        err = at_buf_add(out, text, (size_t)(hole - text));
        if (!err)
            err = at_buf_str(out, at_str(prefix));
    }
    return err ? err : at_buf_str(out, at_str(text));
}

/* The table; over a cluster, that of each shard and one that is all of them. */
static enum at_err put_table(struct at_buf *out, const char *name, const char *columns, const char *order,
                             const char *share, const char *prefix, const char *cluster)
{
    const char *local = cluster ? "_local" : "";
    enum at_err err = at_buf_printf(out, "CREATE TABLE IF NOT EXISTS %s%s%s%s%s (%s)\n%s;\n", prefix, name, local,
                                    cluster ? " ON CLUSTER " : "", cluster ? cluster : "", columns, order);
    return err || !cluster ? err
                           : at_buf_printf(out,
                                           "CREATE TABLE IF NOT EXISTS %s%s ON CLUSTER %s AS %s%s_local\n"
                                           "ENGINE = Distributed(%s, currentDatabase(), %s%s_local, %s);\n",
                                           prefix, name, cluster, prefix, name, cluster, prefix, name, share);
}

enum at_err ch_schema(struct at_buf *out, const char *prefix, const char *cluster)
{
    struct at_buf columns = {0};
    enum at_err err = AT_OK;
    for (size_t i = 0; i < CH_TABLES && !err; i++) {
        const struct ch_table *t = &ch_tables[i];
        columns.len = 0;
        for (size_t c = 0; c < t->n_columns && !err; c++)
            err = at_buf_printf(&columns, "%s%s %s", c ? ", " : "", t->columns[c].name, t->columns[c].type);
        if (!err)
            err = at_buf_add(&columns, "", 1);
        if (!err)
            err = put_table(out, t->name, columns.ptr, t->order, "key", prefix, cluster);
    }
    at_buf_free(&columns);
    for (size_t i = 0; i < sizeof books / sizeof books[0] && !err; i++)
        err = put_table(out, books[i].name, books[i].columns, books[i].order, "tape", prefix, cluster);
    for (size_t i = 0; i < sizeof views / sizeof views[0] && !err; i++) {
        err = at_buf_printf(out, "CREATE VIEW IF NOT EXISTS %s%s%s%s AS\n", prefix, views[i].name,
                            cluster ? " ON CLUSTER " : "", cluster ? cluster : "");
        if (!err)
            err = put(out, views[i].select, prefix);
        if (!err)
            err = at_buf_str(out, AT_STR(";\n"));
    }
    return err;
}
