#!/bin/bash
# The scanner of JSON against node's parser on random texts.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
if ! command -v node >/dev/null; then
    skip "the same texts are JSON as for node" "node is not installed"
    exit 0
fi
check "the same texts are JSON as for node" node tests/json/compare.mjs "$CHECK_BUILD/tools/json_lines" 200000 1
check "the same texts are JSON as for node (sanitizers)" \
    node tests/json/compare.mjs "$ROOT/build/asan/tools/json_lines" 50000 2
