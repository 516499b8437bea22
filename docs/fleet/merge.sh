#!/bin/sh
# usage: merge.sh OUT
#
# Puts the parts in OUT together: OUT/replay.json and OUT/report.json. A share that is missing is named. Exit status: that
# of a replay: 0 nothing found, 1 divergences, 2 trouble, also where a share is missing.
set -eu
[ $# = 1 ] || { echo "usage: merge.sh OUT" >&2; exit 2; }
authtape report merge --format json -o "$1/report.json" "$1"/report-*-of-*
exec authtape replay merge --format json -o "$1/replay.json" "$1"/replay-*-of-*
