#!/bin/bash
# Replay in numbers, from tape to verdict, hidden changes on: speed by overlap, users, length, on a single user and on a stream
# that all share, two threads against one, memory. EVENTS=1000000 for each speed, MOST=10000000 for the longest tape
# (100000000: 300 MB in a temporary folder). CPU time on one thread is told, and beside it what reading the tape alone takes
# in the same run; two threads by the CPU time of both against that of one, as if it were split evenly, and by the clock,
# which says nothing when other work goes on.
. "$(dirname "$0")/../tap.sh"
AUTHTAPE=$ROOT/build/authtape
GEN=$ROOT/build/tools/gen_calls
READ=$ROOT/build/tools/bench_tape
make -C "$ROOT" -s tools >/dev/null || exit 2
work_folder
cd "$WORK" || exit 2
n=${EVENTS:-1000000} most=${MOST:-10000000}
TIMEFORMAT='%R %U %S'
# cpu THREADS TAPE: least wall time and least CPU seconds of three.
cpu() {
    for _ in 1 2 3; do
        { time "$AUTHTAPE" replay --threads "$1" "$2" >out; } 2>&1
        grep -q '^0 divergences' out || { echo "the recording is not clean" >&2; exit 2; }
    done | awk '{ c = $2 + $3; if (!least || c < least) least = c; if (!wall || $1 < wall) wall = $1 } END { print wall, least }'
}
speed() { # NAME EVENTS TAPE
    local read
    read=$("$READ" "$3" 1 batches | awk '{ print $2 }')
    cpu 1 "$3" | awk -v name="$1" -v n="$2" -v read="$read" \
        '{ printf "%-34s %6.2f million events/s, %6.1f ns an event; reading alone %6.2f million/s\n", name, n / $2 / 1e6, $2 / n * 1e9, read }'
}
for overlap in 1 4 16; do
    "$GEN" -n "$n" -u 1000 -c $overlap >tape
    speed "$overlap calls at a time, 1000 users" "$n" tape
done
for users in 1 1000 100000 1000000; do
    "$GEN" -n "$most" -u $users >tape
    speed "$most events, $users users" "$most" tape
done
for ((events = 10000; events <= most; events *= 10)); do
    "$GEN" -n $events -u 1000 >tape
    speed "$events events, 1000 users" $events tape
done
"$GEN" -n "$n" -u 1 >tape
speed "$n events of one user" "$n" tape
"$GEN" -n "$n" -u 100000 -r 1 >tape
speed "$n events, 100000 users, one stream" "$n" tape
for overlap in 1 4 16; do
    "$GEN" -n "$most" -u 1000 -c $overlap >tape
    one=$(cpu 1 tape) two=$(cpu 2 tape)
    awk -v o=$overlap -v a="$one" -v b="$two" 'BEGIN { split(a, one, " "); split(b, two, " ")
        printf "%-34s %6.2f times as fast by CPU time split evenly, %.2f by the clock\n", o " calls at a time, two threads", 2 * one[2] / two[2], one[1] / two[1] }'
done
# What a user takes at rest: the memory of many users less that of few, less what reading the same tapes takes.
memory() { /usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -n 1; }
if [ -x /usr/bin/time ]; then
    "$GEN" -n 2000000 -u 1000 >few.tape
    "$GEN" -n 2000000 -u 200000 >many.tape
    awk -v few="$(memory "$AUTHTAPE" replay --threads 1 few.tape)" -v many="$(memory "$AUTHTAPE" replay --threads 1 many.tape)" \
        -v read_few="$(memory "$AUTHTAPE" verify few.tape)" -v read_many="$(memory "$AUTHTAPE" verify many.tape)" 'BEGIN {
        per = 1024 / 199000 / 5
        printf "%.0f bytes a (user, scope), reading aside %.0f: names, streams and open calls are in it\n", (many - few) * per, (many - few - (read_many - read_few)) * per }'
fi
