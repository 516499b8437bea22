#!/bin/bash
# The collector and the relay: real clients, bad clients, and what is on the tape afterwards.
# COLLECT_SECONDS=300 makes the load test as long as it should be once before a release; 10 by default.
. "$(dirname "$0")/../tap.sh"
here=$ROOT/tests/collect
work_folder

if ! command -v node >/dev/null; then
    skip "collector and relay" "node is not installed"
    exit 0
fi
if ! npm_packages; then
    skip "collector and relay" "$npm_said"
    exit 0
fi

# run LABEL PROGRAM SCRIPT ARGUMENTS: its lines are tests; one that ends early has failed.
run() {
    local label=$1 program=$2 script=$3
    shift 3
    mkdir -p "$WORK/$script-$label"
    AUTHTAPE_UNDER_TEST=$program LABEL=$label timeout 580 node "$here/$script.mjs" "$WORK/$script-$label" "$@" 2>"$WORK/err"
    local status=$?
    [ $status = 0 ] || { remark <"$WORK/err"; fail "$script ends ($label), status $status"; }
}

run gcc "$AUTHTAPE" relay
run sanitizers "$AUTHTAPE_ASAN" relay

if "$AUTHTAPE" record --listen 256.0.0.1:1 -w "$WORK/none.tape" 2>&1 | grep -q 'built without libmicrohttpd'; then
    skip "collector" "this authtape was built without libmicrohttpd"
    exit 0
fi
run gcc "$AUTHTAPE" collect
run sanitizers "$AUTHTAPE_ASAN" collect
run gcc "$AUTHTAPE" together
run gcc "$AUTHTAPE" load "${COLLECT_SECONDS:-10}"
