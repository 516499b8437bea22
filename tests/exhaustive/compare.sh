#!/bin/bash
# usage: tests/exhaustive/compare.sh sample|all
# Compares authtape's checker with the brute-force checker. EXHAUSTIVE_BIN (the folder of brute, gen and compare) and
# AUTHTAPE default to those of `make exhaustive`. Progress goes to standard error, standard output gets one line; exit status 1 when something differs or
# something was never reached. FOLDER, kept when given, has the differences and what was reached.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"
what=${1:-sample}
export EXHAUSTIVE_BIN=${EXHAUSTIVE_BIN:-$HERE/../../build/exhaustive} AUTHTAPE=${AUTHTAPE:-$HERE/../../build/authtape}
PARTS=${PARTS:-$(nproc 2>/dev/null || echo 2)}
if [ -n "${FOLDER:-}" ]; then
    mkdir -p "$FOLDER" && rm -f "$FOLDER"/{coverage,differences}
else
    FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/authtape-exhaustive.XXXXXX") || exit 2
    trap 'rm -rf "$FOLDER"' EXIT
fi
: >"$FOLDER/coverage" >"$FOLDER/differences"
failed=0

# STOP_EARLY: the first difference is enough.
histories_or_stop() {
    histories "$@" && return
    failed=1
    [ -z "${STOP_EARLY:-}" ] || exit 1
}

each_policy() { # FUNCTION
    local name options
    while read -r name options; do
        "$1" "$name" "$options" || failed=1
    done < <(grep -v '^#' "$HERE/policies.txt")
}

# The histories of cases.txt, each under the policies that its section names.
written() {
    local line policy= file
    rm -f "$FOLDER"/cases.*
    while IFS= read -r line; do
        case $line in
        \[*) policy=${line#[} policy=${policy%]} ;;
        '' | \#*) ;;
        *) printf '%s\n' "$line" >>"$FOLDER/cases.${policy// /_}" ;;
        esac
    done <"$HERE/cases.txt"
    for file in "$FOLDER"/cases.*; do
        policy=${file##*/cases.}
        INPUT=$file PARTS=1 histories_or_stop "written$policy" "${policy//_/ }" --notation
    done
}

sample_policy() {
    histories_or_stop "$1-one-scope" "$2" --events 2 --scopes 1 --unexplained 1
    histories_or_stop "$1-random" "$2" --random "${RANDOM_POLICY:-1500}" --seed "${SEED:-7}"
}

sample() {
    CHUNK=20000
    written
    histories_or_stop two-scopes "" --events 2 --scopes 2 --unexplained 1
    histories_or_stop random "" --random "${RANDOM_DEFAULT:-10000}" --seed "${SEED:-7}"
    each_policy sample_policy
    histories_or_stop one-scope "" --events 3 --scopes 1 --unexplained 1
}

# The start is an event too: five after it are six.
all_policy() {
    histories "$1-one-scope" "$2" --events 4 --scopes 1
    local status=$?
    histories "$1-one-scope-after" "$2" --events 3 --scopes 1 --unexplained 1 || status=1
    histories "$1-two-scopes" "$2" --events 3 --scopes 2 || status=1
    histories "$1-random" "$2" --random "${RANDOM_POLICY:-200000}" --seed "${SEED:-11}" || status=1
    return $status
}

all() {
    written
    histories one-scope "" --events 5 --scopes 1 || failed=1
    histories one-scope-after "" --events 4 --scopes 1 --unexplained 2 || failed=1
    histories two-scopes "" --events 4 --scopes 2 || failed=1
    histories two-scopes-after "" --events 3 --scopes 2 --unexplained 2 || failed=1
    each_policy all_policy
    histories random "" --random "${RANDOM_DEFAULT:-5400000}" --seed "${SEED:-11}" || failed=1
}

case $what in
sample) sample >&2 ;;
all) all >&2 ;;
*) echo "usage: $0 sample|all" >&2 && exit 2 ;;
esac
differ=$(total differ)
if [ -s "$FOLDER/differences" ]; then
    grep -v ' histories differ$' "$FOLDER/differences" | head -n 40 >&2
    failed=1
fi
# What is not compared must be a rarity.
left=$(($(total skipped) + $(total "given up")))
if [ $((left * 500)) -gt "$(total histories)" ]; then
    echo "  too many histories are not compared: $left" >&2
    failed=1
fi
missing=$(unreached | paste -sd, -)
if [ -n "$missing" ]; then
    echo "  never reached: $missing" >&2
    failed=1
fi
echo "exhaustive ($what): $(total histories) histories, $differ differ, not compared: $(total skipped) that brute and $(total "given up") that replay finds too large"
exit $failed
