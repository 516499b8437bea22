#!/bin/bash
# Reports against the same numbers computed by SQL from the output of `authtape cat`, on simulated recordings.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
HERE=$ROOT/tests/reports
cd "$WORK" || exit 2

# A recording in events.ndjson: its report and the tables agree in every number, and there are enough of them.
agrees() { # LEAST
    local said
    "$AUTHTAPE_ASAN" report --format json --by scope,platform,day tape >report.json || return 1
    "$AUTHTAPE" cat tape >events.ndjson || return 1
    said=$(cat "$HERE/load.sql" "$HERE/compare.sql" | sqlite3 2>&1)
    echo "$said"
    [ "${said%%  *}" = compared ] && [ "${said##*  }" -ge "$1" ]
}

if ! command -v sqlite3 >/dev/null || ! command -v node >/dev/null; then
    skip "reports against SQL" "sqlite3 and node are needed"
    exit 0
fi
"$AUTHTAPE" profile show wechat-minigame-2018 >profile.json
for seed in 1 2 3; do
    node "$HERE/simulate.mjs" $seed 400 >tape
    check "400 simulated users, seed $seed, against SQL" agrees 1000
done
node "$HERE/simulate.mjs" 4 3 >tape
check "three simulated users against SQL" agrees 50
# the comparison must be able to fail: an event that only SQL sees
fails() {
    agrees 50 >/dev/null && sed -i 's/"events":/"events":1/' report.json &&
        [ "$(cat "$HERE/load.sql" "$HERE/compare.sql" | sqlite3 2>&1 | head -1)" = "totals differ" ]
}
check "a wrong number is found" fails
