#!/bin/bash
# From packets to a verdict, with the real client: see README.md.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
export AUTHTAPE

if ! command -v node >/dev/null; then
    skip "recordings of the real client" "node is not installed"
    exit 0
fi
node tests/wire/truth.mjs tests/wire "$WORK"
node tests/wire/recorded.mjs tests/wire "$WORK"

if npm_packages; then
    node tests/wire/live.mjs "$WORK"
else
    skip "live recordings" "$npm_said"
fi
