#!/bin/bash
# usage: tests/tools/sim_hosts.sh [SEEDS] [FAULT]...     (default: 10 seeds, every fault)
# Simulated hosts with each fault of --diagnose, 50 users, everything observed. In every run
#   - each user's first divergence is at the event where the simulator knows that the fault first shows; a right host has none;
#   - `minimize` leaves a tape that the brute-force checker (tests/exhaustive) finds to diverge at its last event, and without
#     any one of its events, or any one call with its answer, it finds nothing there, or replay finds something else;
# and --diagnose puts the true fault first in at least 95 % of the runs in which it shows. With only some kinds observed
# (PARTLY seeds, default 3; the right host: all) the first divergence is the one that the brute-force checker finds, and a right
# host has none. One line a fault; exit status 1 when any of it fails. FIRST: the first seed. Wants jq.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
AUTHTAPE=${AUTHTAPE:-$top/build/authtape}
BIN=${BIN:-$top/build}
seeds=${1:-10} first=${FIRST:-1}
shift
tmp=$(mktemp -d "${TMPDIR:-/tmp}/authtape-hosts.XXXXXX") || exit 2
trap 'rm -rf "$tmp"' EXIT
failed=0 total=0 total_shown=0 total_hits=0 total_named=0 total_minimal=0

problem() {
    echo "  $*"
    failed=1
}

# A report against its manifest: where the fault shows first, the first divergence, whether those of all users are where
# they should be, and the diagnosis. -1: nowhere.
against='$manifest[0] as $m | [.divergences[] | {user: (.user[1:] | tonumber), event}] as $d
    | [range($m.users) | . as $u | [$d[] | select(.user == $u).event] | min // -1] as $firsts
    | "\($m.first) \([$d[].event] | min // -1) \($firsts == $m.firsts) \(.diagnosis[0].hypothesis // "nothing")"'
first_of() { jq -r '[.divergences[].event] | min // -1' "$1"; }
finding_at() { jq -c --argjson at "$2" '[.divergences[] | select(.event == $at) | {class, scope, api}]' "$1"; }

# The minimized tape as it is, and without each event and each call, but for its last event, which diverges. Each is a user
# of its own, "START+EVENTS".
variants='def numbered: foreach .[] as $v ({next: 0}; .next as $at | .next += ($v | length) | .v = $v | .at = $at; {at, v});
    . as $e | (length - 1) as $last
    | [range($last) | [.]] as $events
    | [$e[:-1] | map(.call) | unique[] | select(. != null) as $c | [range($last) | select($e[.].call == $c)]
        | select(length > 1)] as $calls
    | [([[]] + $events + $calls)[] as $out | [range($last + 1) | select(IN($out[]) | not) | $e[.]]] | numbered
    | "\(.at)+\(.v | length)" as $user | .v[] | .user = $user | .stream = $user'
# Of brute: the variants whose last event is still unexplained, and nothing more than that is; first the whole.
still='map(select(.user) | (.user | split("+") | map(tonumber)) as [$at, $n] | {user, n: (.all | length),
        last: (.all | index($at + $n - 1) != null)})
    | .[0] as $whole | .[] | select(.user == $whole.user or (.last and .n <= $whole.n)) | "\(.user) \(.last)"'

minimal() { # FAULT SEED
    local user shows whole finding left
    "$AUTHTAPE" minimize -w "$tmp/small" "$tmp/tape" 2>"$tmp/errors" || {
        problem "$1, seed $2: minimize: $(cat "$tmp/errors")"
        return
    }
    "$AUTHTAPE" cat "$tmp/small" | jq -cs "$variants" >"$tmp/variants"
    "$BIN/exhaustive/brute" <"$tmp/variants" | jq -rs "$still" >"$tmp/still"
    {
        read -r user shows
        [ "$shows" = true ] || problem "$1, seed $2: the minimized tape does not diverge at its end"
        whole=$user finding= left=0
        while read -r user shows; do
            finding=${finding:-$(finding "$whole")}
            [ "$(finding "$user")" != "$finding" ] || left=$((left + 1))
        done
    } <"$tmp/still"
    if [ "$left" = 0 ]; then
        smallest=$((smallest + 1))
    else
        problem "$1, seed $2: the minimized tape has $left parts that it can do without"
    fi
}

# What replay says of the last event of a variant.
finding() {
    jq -c --arg user "$1" 'select(.user == $user)' "$tmp/variants" >"$tmp/variant"
    "$AUTHTAPE" replay --brief --format json "$tmp/variant" >"$tmp/found"
    finding_at "$tmp/found" $((${1#*+} - 1))
}

one() { # FAULT SEED
    local fault=$1 seed=$2 want got everywhere name
    "$BIN/tools/sim_hosts" --fault "$fault" --seed "$seed" --manifest "$tmp/manifest" >"$tmp/tape" || exit 2
    "$AUTHTAPE" replay --brief --diagnose --format json "$tmp/tape" >"$tmp/out" 2>"$tmp/errors"
    [ $? -le 1 ] || problem "$fault, seed $seed: trouble: $(head -n 1 "$tmp/errors")"
    read -r want got everywhere name < <(jq -r --slurpfile manifest "$tmp/manifest" "$against" "$tmp/out")
    if [ "$want" -ge 0 ]; then
        shown=$((shown + 1))
        if [ "${name%%:*}" = "$fault" ]; then named=$((named + 1)); else others="$others $name"; fi
        minimal "$fault" "$seed"
    fi
    if [ "$got" != "$want" ]; then
        problem "$fault, seed $seed: shows at event $want, first divergence at $got"
    elif [ "$everywhere" != true ]; then
        problem "$fault, seed $seed: not every user's first divergence is where it shows"
    elif [ "$want" -ge 0 ]; then
        hits=$((hits + 1))
    fi
}

# Only some kinds are observed: nothing but what no run explains may be reported, and that at once.
partly() { # FAULT SEED OBSERVES
    local fault=$1 seed=$2 observes=$3 want got
    "$BIN/tools/sim_hosts" --fault "$fault" --seed "$seed" --observes "$observes" >"$tmp/tape" || exit 2
    "$AUTHTAPE" replay --brief --format json "$tmp/tape" >"$tmp/out" 2>"$tmp/errors"
    [ $? -le 1 ] || problem "$fault, seed $seed, observes '$observes': trouble: $(head -n 1 "$tmp/errors")"
    got=$(first_of "$tmp/out")
    if [ "$fault" = none ]; then
        want=-1
    else
        want=$("$BIN/exhaustive/brute" <"$tmp/tape" | jq -s '[.[].first | select(. != null and . >= 0)] | min // -1')
    fi
    [ "$got" = "$want" ] || problem "$fault, seed $seed, observes '$observes': first divergence $got, not $want"
}

[ $# -gt 0 ] || mapfile -t faults < <("$BIN/tools/sim_hosts" --list) && set -- "${faults[@]:-$@}"
for fault in "$@"; do
    shown=0 hits=0 named=0 smallest=0 others=
    for ((seed = first; seed < first + seeds; seed++)); do
        one "$fault" "$seed"
        for observes in "" decisions prompts,decisions settings,resets; do
            [ "$fault" != none ] && [ $((seed - first)) -ge "${PARTLY:-3}" ] || partly "$fault" "$seed" "$observes"
        done
    done
    total=$((total + seeds)) total_shown=$((total_shown + shown)) total_hits=$((total_hits + hits))
    total_named=$((total_named + named)) total_minimal=$((total_minimal + smallest))
    printf '  %-28s %d runs, shows in %d, first event %d, 1-minimal %d, named first %d%s\n' "$fault" "$seeds" "$shown" "$hits" \
        "$smallest" "$named" \
        "$(tr ' ' '\n' <<<"$others" | sort | uniq -c | sort -rn | awk 'NF > 1 { printf ", %s %d", $2, $1 }')"
done
[ $((total_named * 100)) -ge $((total_shown * 95)) ] || problem "less than 95 % named"
echo "simulated hosts: $total runs, the fault shows in $total_shown, at the first event in $total_hits," \
    "1-minimal $total_minimal, named first $total_named"
exit $failed
