#!/bin/bash
# Bad input: every capture gets a result (exit status 0) or a one-line reason (2), without a report of the sanitizers,
# and from the optimised program within a second and 100 MB. Damaged copies of our own captures; and the collections
# of public captures in $SHARED/corpus where they are.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder

if command -v node >/dev/null; then
    mkdir "$WORK/own"
    for name in clean_deflate clean_plain fault_unasked_listed; do
        mkdir "$WORK/own/$name"
        node tests/corpus/broken.mjs "tests/wire/$name.pcap" "$WORK/own/$name" "${BROKEN:-90}" || exit 2
    done
else
    skip "damaged captures" "node is not installed"
fi

collection() { # NAME FOLDER
    find "$2" -type f ! -name '*.md' | sort >"$WORK/files"
    for command in record messages; do
        set -- "$1" "$2" -r {}
        [ $command = messages ] || set -- "$@" -w -
        check "$1: $command, within limits" "$CHECK_BUILD/tools/limits" -t 1000 -m 100 "$AUTHTAPE" $command "${@:3}" <"$WORK/files"
        check "$1: $command, with sanitizers" "$CHECK_BUILD/tools/limits" "$AUTHTAPE_ASAN" $command "${@:3}" <"$WORK/files"
    done
}
[ -d "$WORK/own" ] && collection "damaged captures of our own" "$WORK/own"
if [ -d "$SHARED/corpus" ]; then
    for folder in "$SHARED"/corpus/*/; do
        collection "captures of $(basename "$folder")" "$folder"
    done
else
    skip "public captures" "there is no folder ${SHARED#"$ROOT/"}/corpus"
fi
