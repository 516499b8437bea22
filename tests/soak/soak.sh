#!/bin/bash
# usage: SOAK_SECONDS=1800 tests/soak/soak.sh     as root or with CAP_NET_RAW
# A live recorder under full load on the loopback, with connections that open, pause, stall and die, and with packets dropped because
# the recorder stands still for a while: memory is flat after the first minute (in runs of two and more), every loss is in the
# ledger and on the tape, the tape verifies, nothing is left behind.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
npm_packages || { skip "soak" "$npm_said"; exit 0; }
# In a network of its own, where that can be had, the packets of the loopback are all the soak's.
if [ -z "${ALONE:-}" ] && unshare -n ip link set lo up 2>/dev/null; then
    ALONE=yes exec unshare -n bash "$0"
fi
[ "${ALONE:-}" != yes ] || ip link set lo up
work_folder
timeout 0.5 "$AUTHTAPE" record -i lo -q -w "$WORK/may.tape" 2>/dev/null
[ $? = 124 ] || [ $? = 0 ] || { skip "soak" "capturing needs root or CAP_NET_RAW"; exit 0; }
rm -f "$WORK"/*
AUTHTAPE=$AUTHTAPE ALONE=${ALONE:-no} node tests/soak/soak.mjs "$WORK" "${SOAK_SECONDS:-1800}"
