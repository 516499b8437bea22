#!/bin/bash
# Decoding with the built-in dialects against `messages` alone: CPU seconds of both on the same capture in the same run,
# medians of nine, and their ratio: how much of the messages a second is left. `events` is the part without the tape. What
# the captures hold, and why so, is said in dialects.mjs; `beacons` is the worst case, nothing but batches of events.
# BENCH_MESSAGES (default 100000) says how many messages each capture has.
cd "$(dirname "$0")/../.." || exit 2
program=./build/authtape
[ -x $program ] || program=./authtape
make -s tools >/dev/null || exit 2
work=$(mktemp -d "${TMPDIR:-/tmp}/authtape-bench.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
for tool in node tcpdump; do
    command -v $tool >/dev/null || { echo "dialects: $tool is not installed"; exit 0; }
done
[ -d tests/node_modules/ws ] || { echo "dialects: the packages of tests/package.json are not installed"; exit 0; }
node tests/bench/dialects.mjs "$work" "${BENCH_MESSAGES:-100000}" || { echo "dialects: no traffic could be captured"; exit 0; }

TIMEFORMAT='%U %S'
cpu() { { time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }'; }
median() { sort -n "$1" | sed -n 5p; }
for name in automator beacon cdp beacons; do
    file=$work/$name.pcap dialect=${name%s}
    who=(--app query:appid --user query:openid)
    for _ in 1 2 3 4 5 6 7 8 9; do # in turn, so that what else the machine does is shared
        cpu $program messages -q -r "$file" >>"$work/$name.messages"
        cpu build/tools/bench_dialect "$dialect" "$file" >>"$work/$name.events"
        cpu $program record -q -r "$file" -d "$dialect" "${who[@]}" -w "$work/$name.tape" >>"$work/$name.record"
    done
    awk -v name=$name -v n="$($program messages -q -r "$file" | wc -l)" -v e="$($program cat "$work/$name.tape" | wc -l)" \
        -v m="$(median "$work/$name.messages")" -v v="$(median "$work/$name.events")" -v r="$(median "$work/$name.record")" \
        'BEGIN { printf "%-10s %d messages, %d events; CPU s: messages %.3f, events %.3f, record %.3f; of the messages a second, %.0f %% are left for events and %.0f %% for record\n",
                 name, n, e, m, v, r, 100 * m / v, 100 * m / r }'
done
