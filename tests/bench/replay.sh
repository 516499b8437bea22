#!/bin/bash
# Replay in numbers, from tape to verdict: speed by overlap, two threads against one, flatness in events and in users.
# EVENTS=1000000 and MOST=10000000 (MOST=100000000 takes long); all in one run. CPU time on one thread is told, wall clock
# where threads are compared: with other work on the machine that ratio says nothing.
. "$(dirname "$0")/../tap.sh"
AUTHTAPE=$ROOT/build/authtape
GEN=$ROOT/build/tools/gen_calls
make -C "$ROOT" -s tools >/dev/null || exit 2
work_folder
cd "$WORK" || exit 2
n=${EVENTS:-1000000} most=${MOST:-10000000}
TIMEFORMAT='%R %U %S'
# cpu THREADS TAPE: wall and CPU seconds, the least CPU of three.
cpu() {
    for _ in 1 2 3; do
        { time "$AUTHTAPE" replay --threads "$1" "$2" >out; } 2>&1
        grep -q '^0 divergences' out || { echo "the recording is not clean" >&2; exit 2; }
    done | awk '{ c = $2 + $3; if (!least || c < least) { least = c; wall = $1 } } END { print wall, least }'
}
speed() { # NAME EVENTS TAPE
    cpu 1 "$3" | awk -v name="$1" -v n="$2" '{ printf "%-34s %7.2f million events/s of CPU time, %6.1f ns an event\n", name, n / $2 / 1e6, $2 / n * 1e9 }'
}
for overlap in 1 4 16; do
    "$GEN" -n "$n" -u 1000 -c $overlap >overlap.tape
    speed "$overlap calls at a time, 1000 users" "$n" overlap.tape
done
for overlap in 1 4 16; do
    "$GEN" -n "$most" -u 10000 -c $overlap >two.tape
    one=$(cpu 1 two.tape) two=$(cpu 2 two.tape)
    awk -v o=$overlap -v a="${one% *}" -v b="${two% *}" \
        'BEGIN { printf "%-34s %7.2f times as fast as one, by the clock\n", o " calls at a time, two threads", a / b }'
done
for ((events = 10000; events <= most; events *= 10)); do
    "$GEN" -n $events -u 1000 >flat.tape
    speed "$events events, 1000 users" $events flat.tape
done
for users in 1 1000 1000000; do
    "$GEN" -n "$most" -u $users >users.tape
    speed "$most events, $users users" "$most" users.tape
done
# What a user takes at rest: the memory of many users less that of few, by (user, scope), names and streams included.
memory() { /usr/bin/time -f %M "$AUTHTAPE" replay --threads 1 "$1" 2>&1 >/dev/null | tail -n 1; }
if [ -x /usr/bin/time ]; then
    "$GEN" -n 2000000 -u 1000 >few.tape
    "$GEN" -n 2000000 -u 200000 >many.tape
    few=$(memory few.tape) many=$(memory many.tape)
    awk -v a="$few" -v b="$many" 'BEGIN { printf "%.0f bytes a (user, scope) at rest, with names and streams\n", (b - a) * 1024 / 199000 / 5 }'
fi
