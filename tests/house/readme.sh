#!/bin/bash
# usage: tests/house/readme.sh [--update]     whether both READMEs show what happens; or makes it so
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
mkdir "$WORK/bin" && ln -s "$AUTHTAPE" "$WORK/bin/authtape" || exit 2
status=0
for readme in README.md README.zh-CN.md; do
    mkdir "$WORK/$readme" && ln -s "$ROOT/tests" "$WORK/$readme/tests" || exit 2
    PATH=$WORK/bin:$PATH node tests/house/console.mjs "$readme" "$WORK/$readme" "$@" || status=1
done
# The blocks of commands, and the commands named in the table, are the same in every language.
outline() { sed -n '/^```/,/^```$/p; s/^| \(`[^|]*`\) |.*/\1/p' "$1" | sed 's, *// .*,,; s, *# .*,,'; }
if ! diff <(outline README.md) <(outline README.zh-CN.md); then
    echo "README.zh-CN.md does not show what README.md shows"
    status=1
fi
exit $status
