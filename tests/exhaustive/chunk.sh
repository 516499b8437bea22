#!/bin/bash
# usage: gen ... --to 'tests/exhaustive/chunk.sh FOLDER PROFILE [policy options]' (histories on standard input)
# Runs both checkers over the histories and compares them. FOLDER keeps the coverage and the differences.
set -u
here=$(cd "$(dirname "$0")" && pwd)
folder=$1 profile=$2
shift 2
replay_options=()
for o in "$@"; do [ "$o" = --strict ] && replay_options+=(--strict); done
tmp=$(mktemp -d "$folder/chunk.XXXXXX") || exit 2
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/histories.ndjson" || exit 2
"$EXHAUSTIVE_BIN/brute" "$@" <"$tmp/histories.ndjson" >"$tmp/brute.ndjson" || exit 2
"$AUTHTAPE" replay --brief --format ndjson -p "$profile" "${replay_options[@]}" "$tmp/histories.ndjson" >"$tmp/replay.ndjson" 2>"$tmp/errors"
status=$?
if [ $status -gt 2 ] || { [ $status = 2 ] && [ ! -s "$tmp/errors" ]; }; then
    echo "authtape: replay ended with status $status" >>"$tmp/errors"
    cp "$tmp/histories.ndjson" "$folder/trouble.ndjson"
fi
"$EXHAUSTIVE_BIN/compare" "$tmp"/{histories.ndjson,brute.ndjson,replay.ndjson,errors,coverage} >"$tmp/differences"
status=$?
{
    flock 9
    cat "$tmp/coverage" >>"$folder/coverage"
    [ ! -s "$tmp/differences" ] || { echo "[$*]"; cat "$tmp/differences"; } >>"$folder/differences"
} 9>"$folder/lock"
exit $status
