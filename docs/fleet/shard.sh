#!/bin/sh
# usage: shard.sh I N OUT TAPE...
#
# The work of one share: checks and counts share I of N of the users, and leaves OUT/replay-I-of-N and OUT/report-I-of-N.
# What is there already is not done again, so a job that was cut off is started again as it is; remove the files to have
# it done anew. Variables:
#   AUTHTAPE_FROM     a ClickHouse server to take the share's events from, instead of tapes
#   AUTHTAPE_SELECT   what of it: --from 2026-11-22 --to 2026-11-23 --table-prefix P
#   AUTHTAPE_REPLAY   options of replay: --strict, -p PROFILE; the same for all shares
#   AUTHTAPE_REPORT   options of report: --by day,platform
set -eu
[ $# -ge 3 ] || { echo "usage: shard.sh I N OUT TAPE..." >&2; exit 2; }
i=$1 n=$2 out=$3
shift 3
mkdir -p "$out"
replay=$out/replay-$i-of-$n report=$out/report-$i-of-$n
[ -e "$replay" ] && [ -e "$report" ] && exit 0

if [ -n "${AUTHTAPE_FROM:-}" ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 1' INT TERM
    # shellcheck disable=SC2086 # options
    authtape import --clickhouse "$AUTHTAPE_FROM" --shard "$i/$n" ${AUTHTAPE_SELECT:-} >"$scratch/share.tape"
    set -- "$scratch/share.tape"
fi
# shellcheck disable=SC2086
[ -e "$replay" ] || authtape replay ${AUTHTAPE_REPLAY:-} --partial --shard "$i/$n" -o "$replay" "$@"
# shellcheck disable=SC2086
[ -e "$report" ] || authtape report ${AUTHTAPE_REPORT:-} --partial --shard "$i/$n" -o "$report" "$@"
