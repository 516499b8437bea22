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

lock=tests/node_modules/.authtape-lock
if ! cmp -s tests/package-lock.json $lock; then
    if said=$(cd tests && timeout 240 npm ci --no-progress --fetch-retries=1 --fetch-timeout=60000 2>&1); then
        cp tests/package-lock.json $lock
    else
        remark <<<"$said"
        skip "live recordings" "npm cannot install the client: $(grep -v 'A complete log' <<<"$said" | tail -n 1)"
        exit 0
    fi
fi
node tests/wire/live.mjs "$WORK"
