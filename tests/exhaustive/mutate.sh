#!/bin/bash
# usage: tests/exhaustive/mutate.sh [PATTERN]
# Shows that the tests notice: breaks the checker in each of the ways of mutations.txt (those that match PATTERN), in a copy of
# the sources, and runs the sample of the comparison on it, or the unit test of the checker where the line says so. A mutation
# that is not noticed, or no longer applies, is a failure. APPLY=1: only sees whether each applies.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
work=$(mktemp -d "${TMPDIR:-/tmp}/authtape-mutate.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
(cd "$top" && git ls-files -z | xargs -0 tar cf - --ignore-failed-read) | tar xf - -C "$work" || exit 2
cd "$work" || exit 2
unset MAKEFLAGS MFLAGS MAKELEVEL
export EXHAUSTIVE_BIN=$work/build/exhaustive AUTHTAPE=$work/build/authtape
unit=build/unit/test_checker
build() { { make -s -j"$(nproc)" OPT=-O1 all && make -s OPT=-O1 $unit; } >build.log 2>&1 </dev/null; }
notices_sample() { ! STOP_EARLY=1 timeout 900 bash tests/exhaustive/sample.sh >sample.log 2>&1 </dev/null; }
notices_unit() { ! timeout 60 $unit >sample.log 2>&1 </dev/null; }
if [ -z "${APPLY:-}" ]; then
    build && make -s exhaustive-programs || { cat build.log >&2; exit 2; }
    if notices_unit || notices_sample; then
        echo "the tests fail before anything is broken:" >&2
        cat sample.log >&2
        exit 2
    fi
fi
survived=0 noticed=0 lost=0
while IFS= read -r line; do
    name=${line%% :: *} expression=${line##* :: } test=sample
    [[ $line != *" :: unit :: "* ]] || test=unit
    rm -rf original && mkdir original && cp -rp replay formats original
    sed -i "$expression" replay/*.[ch] formats/*.[ch]
    changed=()
    for f in replay/*.[ch] formats/*.[ch]; do
        if cmp -s "$f" "original/$f"; then touch -r "original/$f" "$f"; else changed+=("$f"); fi
    done
    if [ ${#changed[@]} = 0 ]; then
        echo "not ok - $name: does not apply any more"
        lost=$((lost + 1))
        continue
    fi
    if [ -n "${APPLY:-}" ]; then
        echo "ok - $name: ${changed[*]}"
    elif ! build; then
        echo "not ok - $name: does not compile: $(grep -m1 error build.log)"
        lost=$((lost + 1))
    elif notices_$test; then
        echo "ok - $name"
        noticed=$((noticed + 1))
    else
        echo "not ok - $name: not noticed"
        survived=$((survived + 1))
    fi
    for f in "${changed[@]}"; do cp "original/$f" "$f"; done
done < <(grep -v '^#' "$work/tests/exhaustive/mutations.txt" | grep -e "${1:-}")
echo "$noticed noticed, $survived not noticed, $lost could not be tried"
[ $((survived + lost)) = 0 ]
