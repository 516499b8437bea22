#!/bin/bash
# usage: tests/full.sh [PART]...    what takes longer than `make check` may: `make check-full` runs it behind that
# PARTs: tidy (clang-tidy), valgrind (unit programs), coverage (gcov), packages (Debian).
. "$(dirname "$0")/tap.sh"
cd "$ROOT" || exit 2
work_folder
[ $# -gt 0 ] || set -- tidy valgrind coverage packages
quiet_make() { $MAKE --no-print-directory -s -j"$JOBS" CC=gcc "$@"; }

# ---- Unit programs, but for the one whose children lock themselves up

under_valgrind() {
    valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect --exit-on-first-error=no "$1"
}

# ---- Coverage by unit programs and suites: lines of formats, replay and tracer; those of analysis are only printed

COVERED=90
covered() {
    local build=build/coverage folder program suite low=0
    quiet_make BUILD=$build OPT='-O0 -g' HARDEN= SAN=--coverage $build/authtape unit >&2 || return 1
    find $build -name '*.gcda' -delete
    for program in $build/unit/test_*; do
        [ -x "$program" ] && [[ $program != *.* ]] && timeout 120 "$program" >/dev/null 2>&1
    done
    # A process in a sandbox cannot write down what it covered.
    for suite in ${COVERAGE_SUITES:-cli tape wire decode dialect collect redrive reports}; do
        AUTHTAPE_SANDBOX=off AUTHTAPE=$ROOT/$build/authtape AUTHTAPE_ASAN=$ROOT/$build/authtape \
            bash "tests/$suite/check.sh" >/dev/null 2>&1
    done
    for folder in formats replay tracer analysis; do
        find $build/obj/$folder -name '*.gcda' -print0 | xargs -0 gcov -n -r -s "$ROOT" 2>/dev/null |
            awk -v folder=$folder -v least=$COVERED '/^File / { ours = index($0, folder "/") }
                ours && /^Lines executed/ { split($0, a, /[:% ]+/); lines += a[5]; hit += a[3] / 100 * a[5]; ours = 0 }
                END { printf "coverage of %-9s %5.1f %% of %d lines\n", folder, 100 * hit / lines, lines
                    exit 100 * hit / lines < least }' || [ $folder = analysis ] || low=1
    done
    return $low
}

for part in "$@"; do
    case $part in
    valgrind)
        export -f check pass fail remark under_valgrind
        find "$CHECK_BUILD/unit" -name 'test_*' -executable ! -name test_sandbox | sort |
            xargs -P "$JOBS" -I{} bash -c 'check "valgrind: $(basename {})" under_valgrind {}'
        ;;
    tidy)
        flags=(-std=c11 -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DAT_SQLITE -DAT_MICROHTTPD -DAT_WEBSOCKETS -DAT_SECCOMP -DAT_NETTLE)
        for library in libcjson libwebsockets; do
            for flag in $(pkg-config --cflags $library); do flags+=("${flag/#-I/-isystem}"); done
        done
        export -f check pass fail remark
        find authtape.c formats tracer replay analysis library -name '*.c' ! -path library/example.c | sort |
            xargs -P "$JOBS" -I{} bash -c 'check "clang-tidy: $1" clang-tidy -quiet "$@"' - {} -- "${flags[@]}"
        ;;
    coverage)
        said=$(covered 2>"$WORK/built")
        status=$?
        remark <<<"$said"
        [ -n "$said" ] || remark <"$WORK/built"
        [ $status = 0 ] && pass "coverage is $COVERED % and more" || fail "coverage is $COVERED % and more"
        ;;
    packages) bash tests/install/package.sh ;;
    *) fail "no part '$part'" ;;
    esac
done
