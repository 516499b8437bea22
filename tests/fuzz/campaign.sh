#!/bin/bash
# usage: SECONDS_EACH=900 tests/fuzz/campaign.sh [HARNESS]...
# Every fuzzer (or those named) for so long, two side by side, with address and undefined-behaviour sanitizers. Corpora begin
# with what is kept in tests/fuzz/corpora and grow in build/campaign/NAME over any number of runs; at the end what adds
# nothing is taken out of them. Findings are in build/campaign/found. KEEP=BYTES: of the corpora, inputs of up to so many bytes
# are kept, for `make check` too.
# Prints a line a harness, for tests/fuzz/README.md; status 1 when anything was found.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
seconds=${SECONDS_EACH:-900} side_by_side=${SIDE_BY_SIDE:-2}
folder=build/campaign
mkdir -p $folder/found $folder/logs
$MAKE --no-print-directory -s -j"$JOBS" fuzz || exit 2
[ $# -gt 0 ] || { set -- tests/fuzz/fuzz_*.c; set -- "${@#tests/fuzz/fuzz_}"; set -- "${@%.c}"; }

one() {
    local name=$1 program=build/fuzz/fuzz_$1 corpus=$folder/$1 log=$folder/logs/$1
    mkdir -p "$corpus"
    [ ! -e "tests/fuzz/corpora/$name.tar.gz" ] || tar -xzf "tests/fuzz/corpora/$name.tar.gz" -C "$corpus"
    "$program" -max_total_time="$seconds" -max_len=65536 -timeout=25 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$folder/found/$name-" "$corpus" "tests/fuzz/seeds/$name" >"$log" 2>&1
    echo $? >"$log.status"
    rm -rf "$corpus.less" && mkdir "$corpus.less"
    "$program" -merge=1 -max_len=65536 -timeout=25 -rss_limit_mb=1024 "$corpus.less" "$corpus" "tests/fuzz/seeds/$name" >"$log.merge" 2>&1 &&
        rm -rf "$corpus" && mv "$corpus.less" "$corpus"
    [ -z "${KEEP:-}" ] || keep "$name"
}
# The same files give the same archive.
keep() {
    mkdir -p tests/fuzz/corpora
    find "$folder/$1" -type f -size "-$((KEEP + 1))c" -printf '%f\n' | LC_ALL=C sort |
        tar -cf - --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -C "$folder/$1" -T - |
        gzip -9n >"tests/fuzz/corpora/$1.tar.gz"
}
for name in "$@"; do
    [ -x "build/fuzz/fuzz_$name" ] || { echo "no harness '$name'" >&2; exit 2; }
    while [ "$(jobs -rp | wc -l)" -ge "$side_by_side" ]; do wait -n; done
    one "$name" &
done
wait

echo "| harness | seconds | executions | coverage (edges) | features | corpus |"
echo "|---|---|---|---|---|---|"
status=0
for name in "$@"; do
    log=$folder/logs/$name
    cov=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2) ft=$(grep -o 'ft: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2)
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "| $name | $seconds | ${runs:-?} | ${cov:-?} | ${ft:-?} | $(find "$folder/$name" -type f | wc -l) |"
    [ "$(cat "$log.status")" = 0 ] || { echo "$name found something: $folder/found, $log" >&2; status=1; }
done
exit $status
