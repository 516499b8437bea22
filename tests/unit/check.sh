#!/bin/bash
# Runs every unit program, as built by gcc and again with sanitizers. Each test function counts.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
export CMOCKA_MESSAGE_OUTPUT=TAP

# one PROGRAM LABEL: turns cmocka's TAP into ours.
one() {
    local out status name
    name=$(basename "$1")
    out=$(timeout -k 5 "${UNIT_SECONDS:-240}" "$1" 2>&1)
    status=$?
    printf '%s\n' "$out" | awk -v name="$name ($2)" '
        /^[ \t]*(not )?ok / {
            skipped = ($0 ~ /# SKIP/) # cmocka says "not ok 1 # SKIP name"
            result = /^[ \t]*not ok/ && !skipped ? "not ok" : "ok"
            sub(/^[ \t]*(not )?ok [0-9]* *-? */, "")
            sub(/ *# SKIP */, "")
            print result " - " name ": " $0 (skipped ? " # SKIP cannot be tested here" : "")
            next
        }
        { print "# " $0 }'
    if [ $status != 0 ] && ! printf '%s\n' "$out" | grep -Eq '^[[:space:]]*not ok '; then
        fail "$name ($2) ended with status $status"
    fi
}

if ! pkg-config --exists cmocka; then
    skip "unit tests" "cmocka is not installed"
    exit 0
fi
for source in tests/unit/test_*.c; do
    program=unit/$(basename "$source" .c)
    one "$CHECK_BUILD/$program" gcc
    one "$ROOT/build/asan/$program" sanitizers
done
