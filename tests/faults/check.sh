#!/bin/bash
# A disk that fails: every error is reported, exit status 2, and what was there before is still there.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT/tests/faults" || exit 2
work_folder
GEN=$CHECK_BUILD/tools/gen_sessions
if ! ${CC:-gcc} -shared -fPIC -O1 -o "$WORK/inject.so" inject.c -ldl 2>"$WORK/log"; then
    remark <"$WORK/log"
    fail "inject.so cannot be built"
    exit
fi
"$GEN" -n 5000 -o 20 >"$WORK/s.ndjson"
"$GEN" -n 5000 -o 20 -T >"$WORK/s.tape"
with() { local fault=$1; shift; AT_FAULT=$fault LD_PRELOAD=$WORK/inject.so "$@"; }

reported() { # FAULT WORDS: import fails, says so in one line, leaves the old tape and nothing else
    echo old >"$WORK/out.tape"
    with "$1" "$AUTHTAPE" import -w "$WORK/out.tape" "$WORK/s.ndjson" 2>"$WORK/said"
    local status=$?
    cat "$WORK/said"
    [ $status = 2 ] && [ "$(wc -l <"$WORK/said")" = 1 ] && grep -q "$2" "$WORK/said" && [ "$(cat "$WORK/out.tape")" = old ] &&
        [ -z "$(find "$WORK" -name '*.tmp')" ]
}
check "a full disk" reported write-enospc "out.tape: cannot write: No space left on device"
check "a write that fails" reported write-eio "out.tape: cannot write: Input/output error"
check "a sync that fails" reported sync-eio "out.tape: cannot sync: Input/output error"
check "a rename that fails" reported rename-eio "out.tape: cannot rename: Input/output error"
check "a read that fails" reported read-eio "s.ndjson: cannot read: Input/output error"
check "a later read that fails" reported read-eio:5 "s.ndjson: cannot read: Input/output error"
check "short writes" bash -c "AT_FAULT=write-short LD_PRELOAD=$WORK/inject.so '$AUTHTAPE' import -w '$WORK/o.tape' '$WORK/s.ndjson' && cmp '$WORK/o.tape' '$WORK/s.tape'"
check "short reads" bash -c "AT_FAULT=read-short LD_PRELOAD=$WORK/inject.so '$AUTHTAPE' cat '$WORK/s.tape' | cmp - '$WORK/s.ndjson'"
check "short reads, NDJSON" bash -c "AT_FAULT=read-short LD_PRELOAD=$WORK/inject.so '$AUTHTAPE' cat '$WORK/s.ndjson' | cmp - '$WORK/s.ndjson'"
stdout_fails() { with "$1" "$AUTHTAPE" cat "$WORK/s.tape" 2>&1 >/dev/null | grep -q "standard output: cannot write: $2"; }
check "standard output full" stdout_fails write-enospc "No space left on device"
cat_read_fails() { with read-eio:1 "$AUTHTAPE" cat "$WORK/s.tape" >/dev/null 2>"$WORK/said"; [ $? = 2 ] && grep -q "cannot read: Input/output error" "$WORK/said"; }
check "a tape that cannot be read on" cat_read_fails

# A live recorder; KILLS=500 for the whole.
may_capture() {
    timeout 0.5 "$AUTHTAPE" record -i lo -q -w "$WORK/may.tape" 2>/dev/null
    [ $? = 124 ]
}
if ! command -v node >/dev/null; then
    skip "live recorders" "node is not installed"
elif ! may_capture; then
    skip "live recorders" "capturing needs root or CAP_NET_RAW"
else
    node live.mjs "$AUTHTAPE" "$WORK" "$WORK/inject.so" "${KILLS:-20}"
fi
