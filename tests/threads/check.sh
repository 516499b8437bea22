#!/bin/bash
# What has threads, under the thread sanitizer: replay of a tape; the relay, and the collector in the same program.
# THREADS_EVENTS=100000 are replayed.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
tsan=$ROOT/build/tsan
export TSAN_OPTIONS=exitcode=66:halt_on_error=1

built() {
    $MAKE --no-print-directory -s -j"$JOBS" CC=gcc BUILD=build/tsan OPT='-O1 -g' HARDEN=-fPIE \
        SAN='-fsanitize=thread -fno-omit-frame-pointer' build/tsan/authtape
}
of_threads() {
    "$CHECK_BUILD/tools/gen_sessions" -n "${THREADS_EVENTS:-100000}" -o 8 -T >"$WORK/t.tape" || return 1
    "$tsan/authtape" replay --threads 4 --brief "$WORK/t.tape" >"$WORK/four"
    [ $? -le 1 ] || return 1
    "$AUTHTAPE" replay --threads 1 --brief "$WORK/t.tape" >"$WORK/one"
    cmp "$WORK/one" "$WORK/four"
}
relayed() {
    mkdir "$WORK/relay" && AUTHTAPE_UNDER_TEST=$tsan/authtape LABEL=threads timeout 300 node tests/collect/relay.mjs "$WORK/relay"
}

if ! echo 'int main(void) { return 0; }' | gcc -fsanitize=thread -x c -o "$WORK/empty" - 2>/dev/null; then
    skip "no races" "gcc has no thread sanitizer here"
    exit 0
fi
check "gcc builds with the thread sanitizer" built
[ -x "$tsan/authtape" ] || exit 0
check "replay on four threads: no races" of_threads
if npm_packages; then
    check "the relay: no races" relayed
else
    skip "the relay: no races" "$npm_said"
fi
