#!/bin/bash
# usage: tests/check.sh [SUITE]...
# Builds what the tests need, runs every suite (tests/*/check.sh) or those named, and counts. `make check` runs it.
# The last line is "N passed, N failed, N skipped"; exit status 1 when something failed.
set -u
cd "$(dirname "$0")/.." || exit 2
ROOT=$PWD
# A make above this one is none of our builds' business.
unset MAKEFLAGS MFLAGS MAKELEVEL
MAKE=${MAKE:-make}
JOBS=${JOBS:-$(nproc 2>/dev/null || echo 2)}
LOGS=$ROOT/build/check-logs
CHECK_BUILD=$ROOT/build/check
AUTHTAPE=$CHECK_BUILD/authtape
AUTHTAPE_ASAN=$ROOT/build/asan/authtape
export ROOT MAKE JOBS LOGS CHECK_BUILD AUTHTAPE AUTHTAPE_ASAN
mkdir -p "$LOGS"
passed=0 failed=0 skipped=0

# Reads the result lines of the suite $1 from its log and adds them up.
count() {
    local suite=$1 log=$2 status=$3 seconds=$4 p f s line
    p=$(grep -c '^ok ' "$log")
    s=$(grep -c '^ok .*# SKIP' "$log")
    f=$(grep -c '^not ok ' "$log")
    p=$((p - s))
    if [ "$status" != 0 ] && [ "$f" = 0 ]; then
        echo "not ok - $suite ended with status $status" >>"$log"
        f=1
    elif [ $((p + f + s)) = 0 ]; then
        echo "not ok - $suite says nothing" >>"$log"
        f=1
    fi
    printf '  %-10s %4d passed, %d failed, %d skipped  (%d s)\n' "$suite" "$p" "$f" "$s" "$seconds"
    while IFS= read -r line; do
        line=${line#ok - }
        printf '      skipped: %s: %s\n' "${line%% # SKIP*}" "${line##*# SKIP }"
    done < <(grep '^ok .*# SKIP' "$log")
    if [ "$f" != 0 ]; then
        grep '^not ok ' "$log" | sed 's/^not ok - /      FAILED: /'
        echo "      the end of $log:"
        grep -v '^ok ' "$log" | tail -n 40 | sed 's/^/      | /'
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

run() { # SUITE COMMAND...: its result is in its log; what is needed to count it in $LOGS/SUITE.end
    local suite=$1 log=$LOGS/$1.log begin=$SECONDS
    shift
    timeout -k 10 "${SUITE_SECONDS:-600}" "$@" >"$log" 2>&1 </dev/null
    echo "$? $((SECONDS - begin))" >"$LOGS/$suite.end"
}

# Counts the suites that have ended since the last time.
count_ended() {
    local end suite status seconds
    for end in "$LOGS"/*.end; do
        [ -f "$end" ] || continue
        suite=$(basename "$end" .end)
        read -r status seconds <"$end"
        rm -f "$end"
        count "$suite" "$LOGS/$suite.log" "$status" "$seconds"
    done
}

echo "checking authtape (logs in ${LOGS#"$ROOT"/})"
rm -f "$LOGS"/*.end
run build tests/build.sh
count_ended
if [ ! -x "$AUTHTAPE" ]; then
    echo "authtape could not be built"
else
    if [ $# = 0 ]; then
        set -- tests/*/check.sh
        set -- "${@#tests/}"
        set -- "${@%/check.sh}"
    fi
    # Two at a time: many wait for sockets and clocks more than for a processor.
    for suite in "$@"; do
        if [ -f "tests/$suite/check.sh" ]; then
            while [ "$(jobs -rp | wc -l)" -ge "${SUITES_AT_A_TIME:-2}" ]; do wait -n; done
            count_ended
            run "$suite" bash "tests/$suite/check.sh" &
        else
            echo "  no suite '$suite' in tests/" >&2
            failed=$((failed + 1))
        fi
    done
    wait
    count_ended
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
