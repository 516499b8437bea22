#!/bin/bash
# Builds everything that the suites run, each as a test of its own: gcc and clang without a warning, sanitizers, fuzzers.
. "$(dirname "$0")/tap.sh"
cd "$ROOT" || exit 2
set -o pipefail

quiet_make() { $MAKE --no-print-directory -j"$JOBS" "$@"; }
units=()
if ! pkg-config --exists cmocka; then
    units=(UNIT_SRCS=) # the unit suite says so
fi

check "gcc builds without a warning" quiet_make CC=gcc BUILD=build/check WERROR=-Werror "${units[@]}" \
    build/check/authtape unit tools library completions exhaustive-programs
if command -v clang >/dev/null; then
    check "clang builds without a warning" quiet_make CC=clang BUILD=build/clang WERROR=-Werror "${units[@]}" \
        build/clang/authtape unit tools
else
    skip "clang builds without a warning" "clang is not installed"
fi
check "gcc builds with address and undefined-behaviour sanitizers" quiet_make CC=gcc WERROR=-Werror "${units[@]}" asan
if ! command -v clang >/dev/null; then
    skip "fuzzers build" "clang is not installed"
elif [ -z "$(find "$(clang --print-resource-dir)/lib" -name 'libclang_rt.fuzzer*.a' 2>/dev/null)" ]; then
    skip "fuzzers build" "clang's fuzzer runtime is not installed"
else
    check "fuzzers build" quiet_make fuzz
fi
