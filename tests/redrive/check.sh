#!/bin/bash
# Recorded calls against live hosts: the tests' own, with and without faults, many users at once, targets that misbehave,
# one that others wrote (uni-app's web runtime in Chromium), and a capture of what is sent. REDRIVE_TIMES (default 10) says
# how often the clean tape is driven.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT/tests/redrive" || exit 2
work_folder
if ! "$AUTHTAPE" redrive --dry-run --target ws://127.0.0.1:1 /dev/null >/dev/null 2>&1; then
    fail "redrive begins"
fi
if "$AUTHTAPE" redrive --target ws://127.0.0.1:1 - </dev/null 2>&1 | grep -q "this build has no WebSocket client"; then
    skip "redrive" "libwebsockets was not there when authtape was built"
    exit 0
fi
if ! npm_packages; then
    skip "redrive" "$npm_said"
    exit 0
fi
AUTHTAPE=$AUTHTAPE WORK=$WORK node redrive.mjs
AUTHTAPE=$AUTHTAPE_ASAN WORK=$WORK REDRIVE_TIMES=1 REDRIVE_USERS=20 node redrive.mjs | sed 's/^\(not \)\{0,1\}ok - /&sanitizers: /'
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -n "$browser" ]; then
    AUTHTAPE=$AUTHTAPE timeout 120 node runtime.mjs "$WORK" "$browser"
else
    skip "a host of others" "chromium is not installed"
fi
