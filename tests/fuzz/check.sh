#!/bin/bash
# A short run of every fuzzer: what earlier campaigns kept (corpora/NAME.tar.gz), its seeds, and FUZZ_SECONDS of new inputs
# (default 3), so that a harness cannot rot. For a long run see README.md.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder

ls tests/fuzz/fuzz_*.c >/dev/null 2>&1 || skip "fuzz" "there is no harness"
for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    name=${name#fuzz_}
    program=build/fuzz/fuzz_$name
    if [ ! -x "$program" ]; then
        if ! command -v clang >/dev/null; then
            skip "fuzz $name" "clang is not installed"
        else
            fail "fuzz $name: $program was not built"
        fi
        continue
    fi
    seeds=tests/fuzz/seeds/$name
    mkdir -p "$WORK/$name"
    if [ ! -d "$seeds" ] || [ -z "$(ls -A "$seeds")" ]; then
        fail "fuzz $name: no seeds in $seeds"
        continue
    fi
    [ ! -e "tests/fuzz/corpora/$name.tar.gz" ] || tar -xzf "tests/fuzz/corpora/$name.tar.gz" -C "$WORK/$name"
    check "fuzz $name" timeout -k 5 120 "$program" -max_total_time="${FUZZ_SECONDS:-3}" -max_len=65536 -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$LOGS/" "$WORK/$name" "$seeds"
done
