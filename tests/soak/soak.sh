#!/bin/bash
# usage: SOAK_SECONDS=1800 tests/soak/soak.sh     as root or with CAP_NET_RAW
# A live recorder under full load on the loopback, with connections that open, stall and die: memory is flat after the first
# minute (or third, in a short run), every loss is in the ledger, the tape verifies, nothing is left behind.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
npm_packages || { skip "soak" "$npm_said"; exit 0; }
timeout 0.5 "$AUTHTAPE" record -i lo -q -w "$WORK/may.tape" 2>/dev/null
[ $? = 124 ] || [ $? = 0 ] || { skip "soak" "capturing needs root or CAP_NET_RAW"; exit 0; }
rm -f "$WORK"/*
AUTHTAPE=$AUTHTAPE node tests/soak/soak.mjs "$WORK" "${SOAK_SECONDS:-1800}"
