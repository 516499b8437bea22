#!/bin/bash
# The shim for games, under node: what the game sees, what is recorded and sent, how large it is.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
export AUTHTAPE
FOLDER=tracer/shim

if ! command -v node >/dev/null; then
    skip "the shim for games" "node is not installed"
    exit 0
fi
node tests/shim/behaviour.mjs
node tests/shim/queue.mjs
sessions() { node tests/shim/session.mjs "$WORK"; }

# ---- How it is loaded

required() { node -e 'if (typeof require(process.argv[1]).start !== "function") throw 1' "$ROOT/$FOLDER/authtape.js"; }
imported() {
    node --input-type=module -e "import a, {start} from '$ROOT/$FOLDER/authtape.mjs';
        if (a.start !== start || typeof start !== 'function') throw 1"
}
script() {
    node -e 'require("vm").runInNewContext(require("fs").readFileSync(process.argv[1], "utf8") +
        ";if (typeof authtape.start !== \"function\") throw 1")' "$ROOT/$FOLDER/authtape.js"
}
check "shim: required" required
check "shim: imported" imported
check "shim: a plain script" script

# ---- What takes packages

if ! npm_packages; then
    for what in "its size" "ES5" "the minified one" "its declarations" "all functions of the typings"; do
        skip "shim: $what" "$npm_said"
    done
    sessions
    exit 0
fi
MODULES=tests/node_modules
TYPINGS=$MODULES/minigame-api-typings/types/wx/lib.wx.api.d.ts

small() {
    node $MODULES/terser/bin/terser -c passes=3 -m -- $FOLDER/authtape.js >"$WORK/authtape.min.js" || return 1
    local bytes
    bytes=$(wc -c <"$WORK/authtape.min.js")
    echo "$bytes bytes"
    [ "$bytes" -gt 3000 ] && [ "$bytes" -le 6144 ]
}
es5() { node $MODULES/acorn/bin/acorn --ecma5 --silent "$1"; }
same_minified() {
    local said
    export SHIM="$WORK/authtape.min.js"
    said=$(node tests/shim/behaviour.mjs && node tests/shim/queue.mjs)
    export -n SHIM
    ! grep -v '^ok - ' <<<"$said" && [ "$(grep -c '^ok - ' <<<"$said")" -gt 30 ]
}
check "shim: at most 6 KB minified" small
check "shim: ES5" es5 $FOLDER/authtape.js
check "shim: ES5 when minified" es5 "$WORK/authtape.min.js"
check "shim: the minified one behaves the same" same_minified
check "shim: its declarations, by tsc" node $MODULES/typescript/bin/tsc -p tests/shim/types
node tests/shim/typings.mjs $TYPINGS formats/profiles/*.json
sessions
