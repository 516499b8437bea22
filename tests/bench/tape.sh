#!/bin/bash
# Tapes in numbers: size against general compressors, speed of the codec and of `cat`. EVENTS=1000000, all in one run.
. "$(dirname "$0")/../tap.sh"
AUTHTAPE=$ROOT/build/authtape
make -C "$ROOT" -s tools >/dev/null || exit 2
work_folder
cd "$WORK" || exit 2
n=${EVENTS:-1000000}
"$ROOT/build/tools/gen_sessions" -n "$n" >s.ndjson
"$ROOT/build/tools/gen_sessions" -n "$n" -T >s.tape
"$ROOT/build/tools/gen_sessions" -n "$n" -L >live.tape
gzip -6 -k s.ndjson
line() { awk -v name="$1" -v size="$(stat -c %s "$2")" -v n="$n" -v tape="$(stat -c %s s.tape)" \
    'BEGIN { printf "%-22s %8.3f bytes/event  tape is %.3f of it\n", name, size / n, tape / size }'; }
line NDJSON s.ndjson
line "gzip -6" s.ndjson.gz
if command -v zstd >/dev/null; then zstd -q -19 -k s.ndjson && line "zstd -19" s.ndjson.zst; fi
if command -v xz >/dev/null; then xz -9 -k s.ndjson && line "xz -9" s.ndjson.xz; fi
line "tape, live" live.tape
line "tape, archive" s.tape
"$ROOT/build/tools/bench_tape" s.tape
seconds() { local from to; from=$(date +%s.%N); bash -c "$1" >/dev/null; to=$(date +%s.%N); echo "$to - $from" | bc; }
cat_s=$(seconds "'$AUTHTAPE' cat s.tape")
jq_s=$(seconds "zcat s.ndjson.gz | jq -c .")
awk -v a="$cat_s" -v b="$jq_s" 'BEGIN { printf "cat %.2f s, zcat | jq -c . %.2f s: %.1f times as fast\n", a, b, b / a }'
