#!/bin/bash
# `report denials --by scope,platform,day` in numbers, from tape to table: events a CPU second, and the same query in
# sqlite3 and in DuckDB (one thread each) over the NDJSON of the same events, in the same run; all three have to print the
# same table. EVENTS=10000000 for the rate, SQL_EVENTS=1000000 for the comparison. CPU time, the least of three (of one
# for the SQL). What is not installed is left out.
. "$(dirname "$0")/../tap.sh"
AUTHTAPE=$ROOT/build/authtape
GEN=$ROOT/build/tools/gen_sessions
HERE=$ROOT/tests/bench
make -C "$ROOT" -s tools >/dev/null || exit 2
work_folder
cd "$WORK" || exit 2
n=${EVENTS:-10000000} sql_n=${SQL_EVENTS:-1000000}
by=scope,platform,day
TIMEFORMAT='%U %S'
cpu() { { time "$@" >out; } 2>&1 | awk '{ print $1 + $2 }'; }
best() { for _ in 1 2 3; do cpu "$@"; done | sort -n | head -n 1; }

"$GEN" -n "$n" -T >all.tape
s=$(best "$AUTHTAPE" report denials --by $by all.tape)
awk -v n="$n" -v s="$s" 'BEGIN { printf "%-10s %d events, %.3f CPU s: %.2f million events/s, %.1f ns an event\n", "authtape", n, s, n / s / 1e6, s / n * 1e9 }'
"$ROOT/build/tools/bench_report" wechat-minigame-2018 all.tape
rm -f all.tape

"$GEN" -n "$sql_n" -T >some.tape
"$GEN" -n "$sql_n" >some.ndjson
"$AUTHTAPE" profile show wechat-minigame-2018 >profile.json
s=$(best "$AUTHTAPE" report denials --by $by --format csv some.tape)
tr -d '\r' <out | tail -n +2 | sort >want
compare() { # NAME SECONDS
    sort out | cmp -s want - || { echo "$1 prints another table"; diff want <(sort out) | head; exit 1; }
    awk -v name="$1" -v s="$2" -v ours="$s" -v n="$sql_n" \
        'BEGIN { printf "%-10s %d events, %.3f CPU s, authtape %.3f: %.1f times as fast, the same table\n", name, n, s, ours, s / ours }'
}
if command -v sqlite3 >/dev/null && command -v node >/dev/null; then
    node -e 'for (const s of JSON.parse(require("fs").readFileSync("profile.json")).scopes) for (const a of s.apis) console.log(s.name + "," + a)' >gate.csv
    cat >load.sql <<'SQL'
.mode ascii
.separator "\037" "\n"
create table raw(line text);
.import some.ndjson raw
create table ev as select rowid - 1 as n, json_extract(line, '$.kind') as kind, json_extract(line, '$.app') as app,
  json_extract(line, '$.user') as usr, json_extract(line, '$.stream') as stream, json_extract(line, '$.platform') as platform,
  json_extract(line, '$.call') as call, json_extract(line, '$.api') as api, json_extract(line, '$.scope') as scope,
  json_extract(line, '$.errMsg') as errMsg, json_extract(line, '$.answer') as answer, json_extract(line, '$.granted') as granted,
  date(json_extract(line, '$.t') / 1000000, 'unixepoch') as day from raw;
create unique index ev_n on ev(n);
create table gate(scope text, api text);
.mode csv
.import gate.csv gate
.headers off
SQL
    sqlite() { cat load.sql "$HERE/report.sql" | sqlite3 :memory: | tr -d '\r"'; }
    seconds=$(cpu sqlite)
    compare sqlite3 "$seconds"
else
    echo "sqlite3 or node is not installed"
fi
if command -v npm >/dev/null && [ -s gate.csv ] && (cd "$HERE" && npm ci --no-progress >/dev/null 2>&1); then
    seconds=$(cpu node "$HERE/duckdb.mjs" some.ndjson gate.csv "$HERE/report.sql")
    compare DuckDB "$seconds"
else
    echo "DuckDB cannot be installed"
fi
