#!/bin/bash
# usage: tests/house/readme.sh [--update]     whether README.md shows what happens; or makes it so
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
mkdir "$WORK/bin" && ln -s "$ROOT/tests" "$WORK/tests" && ln -s "$AUTHTAPE" "$WORK/bin/authtape" || exit 2
PATH=$WORK/bin:$PATH node tests/house/console.mjs README.md "$WORK" "$@"
