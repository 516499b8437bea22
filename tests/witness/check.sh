# The witnesses of replay: sound and 1-minimal by the brute-force machine, on random histories and on simulated hosts.
# WITNESS_SEEDS: how many seeds (default 1).
. "$(dirname "$0")/../tap.sh"
work_folder
bin=$CHECK_BUILD/exhaustive
. "$ROOT/tests/exhaustive/lib.sh"

# judged NAME RECORDING [policy options]: its verdicts, explained by authtape, are judged.
judged() {
    local name=$1 recording=$2
    shift 2
    local strict=()
    [[ " $* " != *" --strict "* ]] || strict=(--strict)
    write_profile "$WORK/profile.json" "$@"
    "$AUTHTAPE" replay -p "$WORK/profile.json" "${strict[@]}" --format ndjson "$recording" >"$WORK/verdicts" 2>"$WORK/errors"
    if [ $? -gt 2 ] || ! "$bin/judge" "$@" "$recording" "$WORK/verdicts" >"$WORK/judgement"; then
        head -n 20 "$WORK/judgement" | remark
        fail "$name"
    else
        pass "$name ($(tail -n 1 "$WORK/judgement"))"
    fi
}

if ! make -s -C "$ROOT" BUILD="${CHECK_BUILD#"$ROOT"/}" exhaustive-programs; then
    fail "the programs of tests/exhaustive can be built"
    exit
fi
for ((seed = 1; seed <= ${WITNESS_SEEDS:-1}; seed++)); do
    "$bin/gen" --random 1500 --seed "$seed" >"$WORK/random"
    judged "the witnesses of random histories are sound and 1-minimal, seed $seed" "$WORK/random"
    "$bin/gen" --random 600 --seed "$seed" --concurrent queue --dismiss denied >"$WORK/random"
    judged "also under the policies queue and dismiss, seed $seed" "$WORK/random" --concurrent queue --dismiss denied
    "$bin/gen" --random 600 --seed "$seed" --strict >"$WORK/random"
    judged "also when nothing happens unseen, seed $seed" "$WORK/random" --strict
    for fault in denied-lets-through flip-ignored stale-settings reset-keeps-grants granted-reprompts; do
        "$CHECK_BUILD/tools/sim_hosts" --fault "$fault" --seed "$seed" --users 3 --actions 20 >"$WORK/host"
        judged "the witnesses on a host with the fault $fault, seed $seed" "$WORK/host"
    done
done
