#!/bin/bash
# usage: tests/full.sh [PART]...    what takes longer than `make check` may: `make check-full` runs it behind that
# PARTs: threads (thread sanitizer), valgrind (unit programs), tidy (clang-tidy), coverage (gcov), packages (Debian).
. "$(dirname "$0")/tap.sh"
cd "$ROOT" || exit 2
work_folder
[ $# -gt 0 ] || set -- threads valgrind coverage packages # tidy has findings that nobody has judged yet
quiet_make() { $MAKE --no-print-directory -s -j"$JOBS" CC=gcc "$@"; }

# ---- What has threads: replay of a tape, the relay; and the collector in the same program

of_threads() {
    local tsan=build/tsan
    quiet_make BUILD=$tsan OPT='-O1 -g' HARDEN=-fPIE SAN='-fsanitize=thread -fno-omit-frame-pointer' $tsan/authtape tools || return 1
    export TSAN_OPTIONS=exitcode=66:halt_on_error=1
    "$CHECK_BUILD/tools/gen_sessions" -n "${THREADS_EVENTS:-300000}" -o 8 -T >"$WORK/t.tape" || return 1
    $tsan/authtape replay --threads 4 --brief "$WORK/t.tape" >"$WORK/four"
    [ $? -le 1 ] || return 1
    "$AUTHTAPE" replay --threads 1 --brief "$WORK/t.tape" >"$WORK/one"
    cmp "$WORK/one" "$WORK/four"
}
relayed() {
    mkdir "$WORK/relay" && AUTHTAPE_UNDER_TEST=$ROOT/build/tsan/authtape LABEL=threads timeout 300 node tests/collect/relay.mjs "$WORK/relay"
}

# ---- Unit programs; those that fork or count memory themselves are left out

under_valgrind() {
    valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect --exit-on-first-error=no "$1"
}

# ---- Coverage by unit programs and cases: lines of formats, replay and tracer

covered() {
    local build=build/coverage folder
    quiet_make BUILD=$build OPT='-O0 -g' HARDEN= SAN=--coverage $build/authtape unit || return 1
    find $build -name '*.gcda' -delete
    local program
    for program in $build/unit/test_*; do
        [ -x "$program" ] && [[ $program != *.* ]] && timeout 120 "$program" >/dev/null 2>&1
    done
    # A process in a sandbox cannot write down what it covered.
    for suite in cli ${COVERAGE_SUITES:-}; do
        AUTHTAPE_SANDBOX=off AUTHTAPE=$ROOT/$build/authtape AUTHTAPE_ASAN=$ROOT/$build/authtape \
            bash "tests/$suite/check.sh" >/dev/null 2>&1
    done
    for folder in formats replay tracer analysis; do
        find $build/obj/$folder -name '*.gcda' -print0 | xargs -0 gcov -n -r -s "$ROOT" 2>/dev/null |
            awk -v folder=$folder '/^File / { ours = index($0, folder "/") } ours && /^Lines executed/ { split($0, a, /[:% ]+/);
                lines += a[5]; hit += a[3] / 100 * a[5]; ours = 0 }
                END { printf "coverage of %-9s %5.1f %% of %d lines\n", folder, 100 * hit / lines, lines }'
    done
}

for part in "$@"; do
    case $part in
    threads)
        check "threads: replay on four, no races" of_threads
        command -v node >/dev/null && check "threads: the relay, no races" relayed
        ;;
    valgrind)
        for program in "$CHECK_BUILD"/unit/test_*; do
            [[ $program == *.* || $program == */test_sandbox ]] || check "valgrind: $(basename "$program")" under_valgrind "$program"
        done
        ;;
    tidy)
        flags=(-std=c11 -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DAT_SQLITE -DAT_MICROHTTPD -DAT_WEBSOCKETS -DAT_SECCOMP -DAT_NETTLE)
        for library in libcjson libwebsockets; do
            for flag in $(pkg-config --cflags $library); do flags+=("${flag/#-I/-isystem}"); done
        done
        for source in authtape.c {formats,tracer,replay,analysis,library}/*.c; do
            [ $source = library/example.c ] || check "clang-tidy: $source" clang-tidy -quiet $source -- "${flags[@]}"
        done
        ;;
    coverage) covered || fail "coverage" ;;
    packages) bash tests/install/package.sh ;;
    *) fail "no part '$part'" ;;
    esac
done
