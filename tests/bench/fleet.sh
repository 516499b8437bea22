#!/bin/bash
# Fleets in numbers: export beside clickhouse-client with the same rows from ready-made files, import into replay, shares
# and parts, bytes and processor time of each stage. EVENTS=1000000, all in one run. Seconds are of processors (user +
# system), the server's beside them; wall time is told, too, and means something on an idle machine only.
. "$(dirname "$0")/../tap.sh"
AUTHTAPE=$ROOT/build/authtape
. "$ROOT/tests/fleet/lib.sh"
for program in clickhouse-server clickhouse-client; do
    command -v $program >/dev/null || { echo "$program is not installed: apt-get install clickhouse-server clickhouse-client"; exit 0; }
done
make -C "$ROOT" -s tools >/dev/null || exit 2
work_folder
trap 'clickhouse_down; rm -rf "$WORK"' EXIT
cd "$WORK" || exit 2
n=${EVENTS:-1000000}
"$ROOT/build/tools/gen_sessions" -n "$n" >all.ndjson
"$AUTHTAPE" import -w all.tape all.ndjson
clickhouse_up "$WORK/ch" || exit 2

server_ticks() { awk '{ print $14 + $15 }' "/proc/$CH_PID/stat"; }
# run NAME COMMAND: wall, the command's processor time, the server's; per million events.
run() {
    local name=$1 before=$(server_ticks) from=$EPOCHREALTIME to
    shift
    TIMEFORMAT='%U %S'
    { time "$@" >out 2>err; } 2>spent || { cat err; exit 2; }
    to=$EPOCHREALTIME
    sleep 0.2 # what the server has put off
    awk -v name="$name" -v n="$n" -v from="${from/,/.}" -v to="${to/,/.}" -v ticks=$(($(server_ticks) - before)) -v hz="$(getconf CLK_TCK)" '
        { cpu = $1 + $2 } END { printf "%-42s %7.2f s wall  %6.2f s here  %6.2f s on the server, per million events\n",
          name, (to - from) * 1e6 / n, cpu * 1e6 / n, ticks / hz * 1e6 / n
          print (to - from), cpu >"measured" }' spent
}
wall() { cut -d ' ' -f 1 measured; }
cpu() { cut -d ' ' -f 2 measured; }

exporting() { "$AUTHTAPE" export --clickhouse "$CH_URL" --table-prefix a_ all.tape; }
run "export --clickhouse" exporting
export_wall=$(wall)
sql "SELECT table, sum(rows), sum(bytes) FROM system.parts WHERE active AND table LIKE 'a_%' GROUP BY table ORDER BY table" |
    awk -v n="$n" '{ printf "  %-16s %9d rows  %6.2f bytes per event\n", substr($1, 3), $2, $3 / n; sum += $3 } END { printf "  all of it                   %6.2f bytes per event\n", sum / n }'
run "export of the same again" exporting

for t in events calls changes divergences; do sql "SELECT * FROM a_$t FORMAT Native" >$t.native; sql "SELECT * FROM a_$t FORMAT TabSeparated" >$t.tsv; done
"$AUTHTAPE" export --schema --table-prefix b_ | sql "$(cat)"
"$AUTHTAPE" export --schema --table-prefix c_ | sql "$(cat)"
client() { # PREFIX FORMAT EXTENSION
    local t
    for t in events calls changes divergences; do
        [ ! -s $t.$3 ] || clickhouse-client --host 127.0.0.1 --port "$CH_TCP" --query "INSERT INTO $1$t FORMAT $2" <$t.$3 || return 1
    done
}
run "clickhouse-client, the same rows, Native" client b_ Native native
client_wall=$(wall)
run "clickhouse-client, the same rows, TSV" client c_ TabSeparated tsv
tsv_wall=$(wall)
awk -v a="$export_wall" -v b="$client_wall" -v c="$tsv_wall" 'BEGIN {
    printf "export is %.2f times as fast as clickhouse-client with Native files, %.2f times with TSV (the bar is 0.5)\n", b / a, c / a }'

importing() { "$AUTHTAPE" import --clickhouse "$CH_URL" --table-prefix a_ >back.tape; }
run "import --clickhouse" importing
into_replay() { "$AUTHTAPE" import --clickhouse "$CH_URL" --table-prefix a_ | "$AUTHTAPE" replay --threads 1 --brief -; }
run "import --clickhouse | replay" into_replay
awk -v n="$n" -v cpu="$(cpu)" -v wall="$(wall)" 'BEGIN {
    printf "import into replay: %.2f million events a second and core, %.2f by the clock with two (the bar is 1)\n", n / cpu / 1e6, n / wall / 1e6 }'

parts() { for i in 1 2 3 4 5 6 7 8; do "$AUTHTAPE" replay --partial --shard $i/8 -o part.$i all.tape || return 1; done; }
run "replay --partial, all of 8 shares" parts
run "replay merge" "$AUTHTAPE" replay merge --format json part.1 part.2 part.3 part.4 part.5 part.6 part.7 part.8
run "replay of all, one thread" "$AUTHTAPE" replay --threads 1 --format json all.tape
parts() { for i in 1 2 3 4 5 6 7 8; do "$AUTHTAPE" report --partial --by day,platform --shard $i/8 -o sum.$i all.tape || return 1; done; }
run "report --partial, all of 8 shares" parts
run "report merge" "$AUTHTAPE" report merge --format json sum.1 sum.2 sum.3 sum.4 sum.5 sum.6 sum.7 sum.8
run "the three views of ClickHouse" sql "SELECT * FROM a_prompts; SELECT * FROM a_denials; SELECT * FROM a_settings"
ls -l all.tape part.1 sum.1 | awk -v n="$n" '{ printf "  %-12s %10d bytes  %7.3f per event\n", $9, $5, $5 / n }'

# Memory: of one million and of four.
peak() { "$@" & local pid=$! most=0 now; while now=$(awk '/VmHWM/ { print $2 }' /proc/$pid/status 2>/dev/null) && [ -n "$now" ]; do most=$now; sleep 0.05; done; wait $pid; echo "$most"; }
"$ROOT/build/tools/gen_sessions" -n $((4 * n)) -T >four.tape
one=$(peak "$AUTHTAPE" export --clickhouse "$CH_URL" --table-prefix d_ all.tape)
four=$(peak "$AUTHTAPE" export --clickhouse "$CH_URL" --table-prefix e_ four.tape)
echo "export: peak memory $((one / 1024)) MB with $n events, $((four / 1024)) MB with $((4 * n)) of the same number of users"
