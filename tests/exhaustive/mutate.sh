#!/bin/bash
# usage: tests/exhaustive/mutate.sh [PATTERN]
# Shows that the comparison notices: breaks the checker in each of the ways of mutations.txt (those that match PATTERN), in
# a copy of the sources, and runs the sample on it. A mutation that is not noticed, or no longer applies, is a failure.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
work=$(mktemp -d "${TMPDIR:-/tmp}/authtape-mutate.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
(cd "$top" && git ls-files -z | xargs -0 tar cf - --ignore-failed-read) | tar xf - -C "$work" || exit 2
cd "$work" || exit 2
unset MAKEFLAGS MFLAGS MAKELEVEL
export EXHAUSTIVE_BIN=$work/build/exhaustive AUTHTAPE=$work/build/authtape
build() { make -s -j"$(nproc)" OPT=-O1 >build.log 2>&1 </dev/null; }
sample() { STOP_EARLY=1 timeout 900 bash tests/exhaustive/sample.sh >sample.log 2>&1 </dev/null; }
build && make -s exhaustive-programs || { cat build.log >&2; exit 2; }
if ! sample; then
    echo "the sample fails before anything is broken:" >&2
    cat sample.log >&2
    exit 2
fi
survived=0 noticed=0 lost=0
while IFS= read -r line; do
    name=${line%% :: *} expression=${line#* :: }
    rm -rf original && cp -rp replay original
    sed -i "$expression" replay/*.[ch]
    if diff -rq original replay >/dev/null; then
        echo "not ok - $name: does not apply any more"
        lost=$((lost + 1))
        continue
    fi
    changed=()
    for f in replay/*; do
        if cmp -s "$f" "original/${f#*/}"; then touch -r "original/${f#*/}" "$f"; else changed+=("${f#*/}"); fi
    done
    if ! build; then
        echo "not ok - $name: does not compile: $(grep -m1 error build.log)"
        lost=$((lost + 1))
    elif sample; then
        echo "not ok - $name: not noticed"
        survived=$((survived + 1))
    else
        echo "ok - $name"
        noticed=$((noticed + 1))
    fi
    for f in "${changed[@]}"; do cp "original/$f" "replay/$f"; done
done < <(grep -v '^#' "$work/tests/exhaustive/mutations.txt" | grep -e "${1:-}")
echo "$noticed noticed, $survived not noticed, $lost could not be tried"
[ $((survived + lost)) = 0 ]
