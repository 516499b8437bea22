#!/bin/bash
# usage: tests/cli/check.sh [WORD]...        runs the golden cases whose name contains one of the WORDs, or all
#        UPDATE=1 tests/cli/check.sh WORD    writes down what the program does now; read the difference before you commit
# See README.md beside this file.
. "$(dirname "$0")/../tap.sh"
CLI=$ROOT/tests/cli
work_folder
words=("$@")
mkdir "$WORK/bin"
export CLI CAPTURES=$ROOT/tests/wire

wanted() {
    local w
    [ ${#words[@]} = 0 ] && return 0
    for w in "${words[@]}"; do
        [[ $1 == *"$w"* ]] && return 0
    done
    return 1
}

# Runs the shell text $1 in an empty folder; leaves $WORK/out, $WORK/err and $status.
perform() {
    rm -rf "$WORK/here"
    mkdir "$WORK/here"
    (cd "$WORK/here" && PATH=$WORK/bin:$PATH timeout -k 5 60 bash -c "$1") >"$WORK/out" 2>"$WORK/err" </dev/null
    status=$?
}

# compare NAME: $WORK/want.* against what came.
compare() {
    local what good=1
    echo "$status" >"$WORK/status"
    for what in out err status; do
        if ! diff -u --label expected --label "got ($what)" "$WORK/want.$what" "$WORK/$what" >"$WORK/diff"; then
            remark <"$WORK/diff"
            good=0
        fi
    done
    if [ $good = 1 ]; then pass "$1"; else fail "$1"; fi
}

script_case() { # FILE.sh
    local base=${1%.sh} name
    name=${base#"$CLI"/}
    wanted "$name" || return
    perform "$(cat "$1")"
    if [ -n "${UPDATE:-}" ]; then
        for what in out err; do
            if [ -s "$WORK/$what" ]; then cp "$WORK/$what" "$base.$what"; else rm -f "$base.$what"; fi
        done
        if [ $status = 0 ]; then rm -f "$base.status"; else echo $status >"$base.status"; fi
    fi
    for what in out err; do
        if [ -f "$base.$what" ]; then cp "$base.$what" "$WORK/want.$what"; else : >"$WORK/want.$what"; fi
    done
    if [ -f "$base.status" ]; then cp "$base.status" "$WORK/want.status"; else echo 0 >"$WORK/want.status"; fi
    compare "$name ($label)"
}

three_line_case() { # NAME COMMAND STDOUT "STATUS[ STDERR]"
    wanted "$1" || return
    perform "$2"
    if [ -n "$3" ]; then printf '%s\n' "$3" >"$WORK/want.out"; else : >"$WORK/want.out"; fi
    echo "${4%% *}" >"$WORK/want.status"
    if [[ $4 == *" "* ]]; then printf '%s\n' "${4#* }" >"$WORK/want.err"; else : >"$WORK/want.err"; fi
    compare "$1 ($label)"
}

three_line_file() { # FILE.cases
    local lines=() name line number=0 first=0
    name=$(basename "$1" .cases)
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        if [ ${#lines[@]} = 0 ] && { [ -z "$line" ] || [[ $line == \#* ]]; }; then continue; fi
        [ ${#lines[@]} = 0 ] && first=$number
        lines+=("$line")
        if [ ${#lines[@]} = 3 ]; then
            three_line_case "$name:$first" "${lines[@]}"
            lines=()
        fi
    done <"$1"
    [ ${#lines[@]} = 0 ] || fail "$name: the case at line $first has fewer than three lines"
}

labels=(gcc sanitizers)
[ -z "${UPDATE:-}" ] || labels=(gcc)
for label in "${labels[@]}"; do
    program=$AUTHTAPE
    [ $label = gcc ] || program=$AUTHTAPE_ASAN
    if [ ! -x "$program" ]; then
        fail "command line ($label): $program was not built"
        continue
    fi
    ln -sf "$program" "$WORK/bin/authtape"
    for file in "$CLI"/*.cases; do
        [ -f "$file" ] && three_line_file "$file"
    done
    while IFS= read -r file; do
        script_case "$file"
    done < <(find "$CLI" -mindepth 2 -name '*.sh' | sort)
done
