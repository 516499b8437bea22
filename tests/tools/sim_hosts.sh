#!/bin/bash
# usage: tests/tools/sim_hosts.sh [SEEDS]     (default 10; Done with 100)
# Simulated hosts with each fault of --diagnose, 50 users: every fault that shows must be reported at its first visible event,
# a right host never, and --diagnose must put the true fault first in at least 95 % of the runs in which it shows. With
# only some kinds observed, the first divergence must be the one that the brute-force checker finds, and a right host has
# none. One line a fault; exit status 1 when any of it fails. Wants jq.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
AUTHTAPE=${AUTHTAPE:-$top/build/authtape}
BIN=${BIN:-$top/build}
seeds=${1:-10}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/authtape-hosts.XXXXXX") || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0 total=0 total_shown=0 total_named=0

problem() {
    echo "  $*"
    failed=1
}

# The first divergence of a tape, -1 where there is none.
first_of() { jq -r '[.divergences[].event] | min // -1' "$1"; }

one() { # FAULT SEED
    local fault=$1 seed=$2 want got name
    "$BIN/tools/sim_hosts" --fault "$fault" --seed "$seed" --manifest "$tmp/manifest" >"$tmp/tape" || exit 2
    "$AUTHTAPE" replay --diagnose --format json "$tmp/tape" >"$tmp/out" 2>"$tmp/errors"
    [ $? -le 1 ] || problem "$fault, seed $seed: trouble: $(head -n 1 "$tmp/errors")"
    want=$(jq .first "$tmp/manifest")
    got=$(first_of "$tmp/out")
    [ "$got" = "$want" ] || problem "$fault, seed $seed: shows at event $want, first divergence at $got"
    if [ "$want" -ge 0 ]; then
        shown=$((shown + 1))
        name=$(jq -r '.diagnosis[0].hypothesis // "nothing"' "$tmp/out")
        if [ "${name%%:*}" = "$fault" ]; then
            named=$((named + 1))
        else
            others="$others $name"
        fi
    fi
}

# Only some kinds are observed: nothing but what no run explains may be reported, and that at once.
partly() { # FAULT SEED OBSERVES
    local fault=$1 seed=$2 observes=$3 want got
    "$BIN/tools/sim_hosts" --fault "$fault" --seed "$seed" --observes "$observes" >"$tmp/tape" || exit 2
    "$AUTHTAPE" replay --format json "$tmp/tape" >"$tmp/out" 2>"$tmp/errors"
    [ $? -le 1 ] || problem "$fault, seed $seed, observes '$observes': trouble: $(head -n 1 "$tmp/errors")"
    got=$(first_of "$tmp/out")
    if [ "$fault" = none ]; then
        want=-1
    else
        want=$("$BIN/exhaustive/brute" <"$tmp/tape" | jq -s '[.[].first | select(. != null and . >= 0)] | min // -1')
    fi
    [ "$got" = "$want" ] || problem "$fault, seed $seed, observes '$observes': first divergence $got, not $want"
}

for fault in $("$BIN/tools/sim_hosts" --list); do
    shown=0 named=0 others=
    for ((seed = 1; seed <= seeds; seed++)); do
        one "$fault" "$seed"
        for observes in "" decisions prompts,decisions settings,resets; do
            [ "$fault" != none ] && [ "$seed" -gt "${PARTLY:-3}" ] || partly "$fault" "$seed" "$observes"
        done
    done
    total=$((total + seeds)) total_shown=$((total_shown + shown)) total_named=$((total_named + named))
    printf '  %-28s %d runs, shows in %d, named first in %d%s\n' "$fault" "$seeds" "$shown" "$named" \
        "$(tr ' ' '\n' <<<"$others" | sort | uniq -c | sort -rn | awk 'NF > 1 { printf ", %s %d", $2, $1 }')"
done
[ $((total_named * 100)) -ge $((total_shown * 95)) ] || problem "less than 95 % named"
echo "simulated hosts: $total runs, the fault shows in $total_shown, named first in $total_named"
exit $failed
