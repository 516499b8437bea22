#!/bin/bash
# Minimize in numbers: tapes of a million events, by one user and by ten thousand, and one whose last event is decided by its
# first; the last divergence of each, which is the dearest. EVENTS=1000000. No more than 10 s of CPU time are to be spent on any.
. "$(dirname "$0")/../tap.sh"
AUTHTAPE=$ROOT/build/authtape
SIM=$ROOT/build/tools/sim_hosts
make -C "$ROOT" -s tools >/dev/null || exit 2
work_folder
cd "$WORK" || exit 2
n=${EVENTS:-1000000}
TIMEFORMAT='%R %U %S'
status=0
measure() { # NAME TAPE
    local last=$(($("$AUTHTAPE" replay --brief "$2" | awk '/^[0-9]+ divergences?,/ { print $1 }') - 1)) spent
    spent=$({ time "$AUTHTAPE" minimize --divergence $last -w small.tape "$2" 2>said; } 2>&1) || { cat said >&2; exit 2; }
    awk -v name="$1" -v said="$(sed 's/^authtape: //' said)" '{ cpu = $2 + $3
        printf "%-38s %5.2f s of CPU time, %5.2f s by the clock: %s\n", name, cpu, $1, said; exit cpu > 10 }' <<<"$spent" || status=1
}
"$SIM" --fault stale-settings --users 1 --actions $((n * 2 / 5)) | "$AUTHTAPE" import -w one.tape
measure "one user" one.tape
"$SIM" --fault reset-keeps-grants --users 10000 --actions $((n / 25000)) | "$AUTHTAPE" import -w many.tape
measure "10,000 users" many.tape
awk -v n="$n" -f "$ROOT/tests/tools/far.awk" | "$AUTHTAPE" import -w far.tape
measure "the first events decide of the last" far.tape
exit $status
