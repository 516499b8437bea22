# Fleets: shares and parts; a real ClickHouse server, killed and started again; a real Slurm cluster of one node.
# EVENTS=1000000 of them go to the server, in blocks of 131,072: an export of one block cannot be killed half-way.
. "$(dirname "$0")/../tap.sh"
. "$ROOT/tests/fleet/lib.sh"
work_folder
trap 'clickhouse_down; slurm_down; rm -rf "$WORK"' EXIT
cd "$WORK" || exit 2
EVENTS=${EVENTS:-1000000}
tools=$CHECK_BUILD/tools
mkdir bin && ln -s "$AUTHTAPE" bin/authtape
export PATH=$WORK/bin:$PATH

# ---- Shares and parts, on one machine

"$tools/gen_sessions" -n 5000 -s 1 -u 250 -o 60 -T >a.tape
"$tools/gen_sessions" -n 5000 -s 2 -u 250 -o 60 -T >b.tape # the same users, another state of theirs: much diverges
# Connections that many users share, with gaps, and with calls that nobody answers.
"$AUTHTAPE" cat a.tape | awk '{
    match($0, /"stream":"[^"]*"/); s = substr($0, RSTART + 10, RLENGTH - 11); n = 0
    for (i = 1; i <= length(s); i++) n = (n * 33 + index("0123456789.:>", substr(s, i, 1))) % 1000003
    sub(/"stream":"[^"]*"/, "\"stream\":\"s" (n % 15) "\""); sub(/"call":"/, "\"call\":\"" n "-")
    if (/"kind":"end"/ && NR % 10 < 7) next
    if (/"kind":"return"/ && NR % 97 == 0) next
    if (/"kind":"return"/ && NR % 89 == 0) print
    if (NR % 101 == 0) { sub(/"kind".*"app"/, "\"kind\":\"gap\",\"lost_bytes\":3,\"app\"")
        match($0, /"stream":"[^"]*"/); $0 = substr($0, 1, RSTART + RLENGTH - 1) "}" }
    print }' | "$AUTHTAPE" import -w shared.tape

one_share_each() {
    local i
    for i in 1 2 3 4 5; do "$AUTHTAPE_ASAN" cat --shard $i/5 a.tape >cat.$i || return 1; done
    cat cat.? | sort | cmp - <("$AUTHTAPE" cat a.tape | sort) &&
        "$AUTHTAPE" slice --shard 2/5 -w slice.tape a.tape && "$AUTHTAPE" cat slice.tape | cmp - cat.2
}
check "every event is in one share" one_share_each

parts() { # COMMAND N OPTIONS FORMAT TAPE...
    local command=$1 n=$2 options=$3 format=$4 i one two
    shift 4
    rm -f part.*
    "$AUTHTAPE" $command $options --format $format "$@" >one
    one=$?
    "$AUTHTAPE_ASAN" $command $options --partial --shard 1/$n -o part.1 "$@" || return 1
    for ((i = 2; i <= n; i++)); do "$AUTHTAPE" $command $options --partial --shard $i/$n -o part.$i "$@" || return 1; done
    "$AUTHTAPE_ASAN" $command merge --format $format -o two $(ls part.* | sort -r)
    two=$?
    cmp one two && [ $one = $two ]
}
for recording in "a.tape" "a.tape b.tape" "shared.tape"; do
    check "replay in 1 part: $recording" parts replay 1 "" json $recording
    check "replay in 3 parts: $recording" parts replay 3 "--brief" json $recording
    check "report in 3 parts: $recording" parts report 3 "--by scope,platform,day" json $recording
done
for format in text ndjson junit sarif; do
    check "replay in 4 parts, as $format" parts replay 4 "--strict --grace 2" $format shared.tape
done
"$AUTHTAPE" replay --format json shared.tape >known.json
check "replay in 3 parts, a baseline and a limit" parts replay 3 "--known known.json --max 7 --fail-on no-answer" json shared.tape b.tape
check "report in 3 parts, as text" parts report 3 "" text shared.tape b.tape
check "report in 3 parts, as CSV" parts report 3 "--by app,errmsg" csv a.tape

# Users of several apps: counted once, whatever parts they are in.
for ((i = 0; i < 40; i++)); do
    for app in p q r; do
        printf '{"t":%d,"kind":"call","app":"%s","user":"u%d","stream":"%s%d","call":"1","api":"getLocation"}\n' $((1700000000000000 + i)) $app $((i % 20)) $app $i
    done
done | "$AUTHTAPE" import -w apps.tape
check "users of three apps in 5 parts" parts report 5 "" json apps.tape

in_groups() {
    local command=$1
    rm -f part.* group.*
    for i in 1 2 3 4 5 6; do "$AUTHTAPE" $command --partial --shard $i/6 -o part.$i shared.tape || return 1; done
    "$AUTHTAPE_ASAN" $command merge --partial -o group.1 part.5 part.2 && "$AUTHTAPE_ASAN" $command merge --partial -o group.2 part.6 group.1 part.1
    "$AUTHTAPE_ASAN" $command merge --format json part.4 group.2 part.3 >two
    "$AUTHTAPE" $command --format json shared.tape | cmp - two
}
check "replay: parts in groups, in any order" in_groups replay
check "report: parts in groups, in any order" in_groups report

says() { # WORDS STATUS COMMAND...
    local words=$1 want=$2 status
    shift 2
    "$@" >said.out 2>said
    status=$?
    [ $status = "$want" ] && [ "$(wc -l <said)" = 1 ] && grep -q -e "$words" said && return 0
    cat said
    echo "status $status"
    return 1
}
"$AUTHTAPE" replay --partial --shard 4/6 -o other.4 a.tape
"$AUTHTAPE" replay --partial --shard 4/6 --strict -o strict.4 shared.tape
"$AUTHTAPE" replay --partial --shard 4/5 -o of5.4 shared.tape
for i in 1 2 3 5; do "$AUTHTAPE" replay --partial --shard $i/6 -o p.$i shared.tape; done
head -c 700 p.1 >cut.1
check "shares that are missing are named" says 'shares 4 and 6 of 6 are missing' 2 "$AUTHTAPE_ASAN" replay merge p.1 p.2 p.3 p.5
check "a share that is there twice is refused" says 'p.2: share 2 of 6 is there already' 2 "$AUTHTAPE_ASAN" replay merge p.1 p.2 p.3 p.2
check "a share of another recording is refused" says 'other.4: of another recording' 2 "$AUTHTAPE_ASAN" replay merge p.1 p.2 other.4
check "a share made otherwise is refused" says 'strict.4: made with other options' 2 "$AUTHTAPE_ASAN" replay merge p.1 strict.4
check "a share of another number is refused" says 'of5.4: a share of 5' 2 "$AUTHTAPE_ASAN" replay merge p.1 of5.4
check "a part that was cut off is refused" says 'cut.1: line' 2 "$AUTHTAPE_ASAN" replay merge cut.1 p.2
check "what is no part is refused" says 'a.tape: line 1: ' 2 "$AUTHTAPE_ASAN" replay merge a.tape

# ---- Runners

tapes="$WORK/a.tape $WORK/b.tape"
"$AUTHTAPE" replay --format json $tapes >one.json
"$AUTHTAPE" report --format json $tapes >one-report.json
whole() { cmp "$1/replay.json" "$WORK/one.json" && cmp "$1/report.json" "$WORK/one-report.json"; }

if command -v parallel >/dev/null; then
    parallel_run() {
        seq 8 | parallel --will-cite -j 2 "$ROOT/docs/fleet/shard.sh" {} 8 "$WORK/out1" $tapes
        "$ROOT/docs/fleet/merge.sh" "$WORK/out1"
        [ $? = 1 ] && whole "$WORK/out1"
    }
    check "GNU parallel: 8 shares, merged, are one replay" parallel_run
else
    skip "GNU parallel" "parallel is not installed (apt-get install parallel)"
fi

pods() { # the commands of the manifests, one pod after another
    local i script
    script=$(awk '/^            - \|/ { on = 1; next } on && /^              / { print substr($0, 15); next } { on = 0 }' "$ROOT/docs/fleet/kubernetes.yaml" |
        sed "s#/opt/fleet#$ROOT/docs/fleet#; s#/data/tapes/\*.tape#$tapes#")
    for ((i = 0; i < 8; i++)); do JOB_COMPLETION_INDEX=$i SHARES=8 OUT=$WORK/out2 /bin/sh -c "$script" || return 1; done
    script=$(sed -n 's/^ *command: \["\(.*\)", .*\]$/\1/p' "$ROOT/docs/fleet/kubernetes-merge.yaml")
    "${script/#\/opt\/fleet/$ROOT/docs/fleet}" "$WORK/out2"
    [ $? = 1 ] && whole "$WORK/out2"
}
check "Kubernetes: the pods' commands, with 8 indices, are one replay" pods

if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null || ! command -v sbatch >/dev/null; then
    skip "a job array of Slurm" "Slurm is not installed (apt-get install slurmctld slurmd slurm-client munge)"
elif [ "$(id -u)" != 0 ]; then
    skip "a job array of Slurm" "slurmd takes root"
elif ! slurm_up "$WORK/slurm"; then
    fail "a Slurm cluster of one node starts"
else
    cd "$ROOT/docs/fleet" || exit 2
    array() { sbatch --parsable --export=ALL,OUT="$1" --output="$WORK/slurm-%a.log" "${@:2}"; }
    finished() { local i; for ((i = 0; i < 600; i++)); do squeue -h -j "$1" 2>/dev/null | grep -q . || return 0; sleep 0.1; done; return 1; }
    array_run() {
        local job
        job=$(array "$WORK/out3" slurm.sbatch $tapes) && finished "$job" || return 1
        cat "$WORK"/slurm-*.log
        "$ROOT/docs/fleet/merge.sh" "$WORK/out3"
        [ $? = 1 ] && whole "$WORK/out3" && [ "$(ls "$WORK/out3" | grep -c replay-)" = 8 ]
    }
    check "Slurm: a job array of 8 shares, merged, is byte for byte one replay" array_run
    lost_run() {
        local job i
        # The share's program is a stand-in that waits, so that there is time to kill its task.
        mkdir -p "$WORK/slow"
        printf '#!/bin/sh\n[ "$SLURM_ARRAY_TASK_ID" != 5 ] || sleep 300\nexec "%s" "$@"\n' "$AUTHTAPE" >"$WORK/slow/authtape"
        chmod +x "$WORK/slow/authtape"
        job=$(PATH=$WORK/slow:$PATH array "$WORK/out4" slurm.sbatch $tapes) || return 1
        for ((i = 0; i < 600; i++)); do
            [ "$(ls "$WORK/out4" 2>/dev/null | grep -c report-)" = 7 ] && break
            sleep 0.1
        done
        scancel --signal=KILL --full "${job}_5"
        finished "$job" || return 1
        says 'share 5 of 8 is missing' 2 "$ROOT/docs/fleet/merge.sh" "$WORK/out4"
    }
    check "Slurm: one task is killed: the merge says which share is missing, exit status 2" lost_run
    again_run() {
        local job
        job=$(array "$WORK/out4" --array=5 slurm.sbatch $tapes) && finished "$job" || return 1
        "$ROOT/docs/fleet/merge.sh" "$WORK/out4"
        [ $? = 1 ] && whole "$WORK/out4"
    }
    check "Slurm: that share alone is done again, and all is there" again_run
    cd "$WORK" || exit 2
    slurm_down
fi

# ---- ClickHouse

if ! command -v clickhouse-server >/dev/null || ! command -v clickhouse-client >/dev/null; then
    skip "ClickHouse" "it is not installed (apt-get install clickhouse-server clickhouse-client)"
    exit 0
fi
"$AUTHTAPE" export --clickhouse http://127.0.0.1:1/ --retry 0 a.tape 2>said
if grep -q 'built without' said; then
    skip "ClickHouse" "authtape was built without libcurl and liblz4"
    exit 0
fi
check "a server that is not there: one line, exit status 2" says 'onnect' 2 "$AUTHTAPE_ASAN" export --clickhouse http://127.0.0.1:1/ --retry 0 a.tape
clickhouse_up "$WORK/ch" || { fail "a ClickHouse server starts"; exit 1; }

"$tools/gen_sessions" -n "$EVENTS" -s 3 -u $((EVENTS / 40 + 100)) >all.ndjson
split_sessions all.ndjson 20 day-
n=$(wc -l <all.ndjson)
rm all.ndjson

# Killed half-way, once rows of calls are there too; run again while the server is killed and started again; and once more.
# Without merges, which would make one row of two that are the same, in their own time.
"$AUTHTAPE" export --schema | sql "$(cat)"
unmerged() { sql "SYSTEM STOP MERGES"; }
unmerged
export_all() { "$AUTHTAPE" export --clickhouse "$CH_URL" day-*.tape; }
counts() { sql "SELECT count(), uniqExact(tape, event), uniqExact(tape) FROM authtape_events" | tr '\t' ' '; }
half_way() {
    local pid i
    "$AUTHTAPE" export --clickhouse "$CH_URL" day-*.tape &
    pid=$!
    for ((i = 0; i < 600; i++)); do
        [ "$(sql 'SELECT count() FROM authtape_calls' 2>/dev/null || echo 0)" -gt 0 ] && break
        sleep 0.05
    done
    kill -9 $pid
    wait $pid 2>/dev/null
    local there=$(sql 'SELECT count() FROM authtape_events')
    [ "$(sql "SELECT count() FROM authtape_calls")" -gt 0 ] && [ "$there" -lt "$n" ] && [ "$(sql 'SELECT count() FROM authtape_recordings')" = 0 ] && return 0
    echo "$there of $n"
    return 1
}
check "an export is killed half-way: the views show nothing of it" half_way
# Not in a shell of its own: the server is started by this one.
before=$(sql 'SELECT count() FROM authtape_events')
export_all >again.log 2>&1 &
pid=$!
for ((i = 0; i < 600; i++)); do
    [ "$(sql 'SELECT count() FROM authtape_events' 2>/dev/null || echo 0)" -gt "$before" ] && break
    sleep 0.05
done
clickhouse_down
sleep 0.5
clickhouse_up "$WORK/ch" && unmerged
wait $pid
restarted_status=$?
restarted() {
    cat again.log
    [ $restarted_status = 0 ] && [ "$(counts)" = "$n $n 20" ] && return 0
    counts
    return 1
}
check "run again, the server killed in the middle: every event is there once" restarted
rows() { for t in events calls changes divergences; do sql "SELECT count() FROM authtape_$t"; done | tr '\n' ' '; }
twice() {
    local before=$(rows)
    export_all && [ "$(rows)" = "$before" ] && "$AUTHTAPE" export --clickhouse "$CH_URL" day-7.tape && [ "$(rows)" = "$before" ]
}
check "exported again, all together and one alone: nothing changes" twice
same_rows() { # without anything having been killed
    local before=$(rows)
    "$AUTHTAPE" export --clickhouse "$CH_URL" --table-prefix calm_ day-*.tape || return 1
    for t in calls changes divergences; do
        [ "$(sql "SELECT count(), sum(number), sum(id), sum(key % 1000) FROM authtape_$t")" = "$(sql "SELECT count(), sum(number), sum(id), sum(key % 1000) FROM calm_$t")" ] || { echo "$t"; return 1; }
    done
}
check "what comes of the events is what an undisturbed export sends" same_rows

# The views against the report, number by number; quantiles of the report may be 0.2 % off.
view() { # NAME COLUMNS
    sql "SELECT scope, $2 FROM authtape_$1 ORDER BY scope" >view.tsv
    "$AUTHTAPE" report "$1" --format csv day-*.tape | tr -d '\r' | tr ',' '\t' | tail -n +2 | sort >report.tsv
    awk -F '\t' -v view="$1" '
        function near(a, b) { return a == b || (a - b < 0.003 * (a + b) && b - a < 0.003 * (a + b)) }
        NR == FNR { for (i = 2; i <= NF; i++) want[$1, i] = $i; fields = NF; next }
        { seen++; for (i = 2; i <= NF; i++) { sum += $i
            if (!(($i "") == (want[$1, i] "") || ($i ~ /\./ && near($i + 0, want[$1, i] + 0)))) { print $1, "column", i, "is", $i, "and not", want[$1, i]; bad = 1 } } }
        END { if (seen < 6 || sum == 0 || bad) exit 1 }' report.tsv view.tsv
}
check "the view of prompts is the report" view prompts "prompts, inferred, allowed, denied, dismissed, round(p50_ms, 3), round(p90_ms, 3), round(p99_ms, 3)"
check "the view of denials is the report" view denials "calls, denied, at_prompt, while_denied, users_denied, users_recovered, users_silenced, users_kept_asking"
check "the view of settings is the report" view settings "to_granted, to_denied, inferred, users_asked, users_granted, users_turned_off, users_on_again, users_denied, users_recovered, round(recovery_p50_ms, 3), round(recovery_p90_ms, 3)"
outcomes() {
    "$AUTHTAPE" report --format json day-*.tape |
        node -e 'const r = JSON.parse(require("fs").readFileSync(0)); for (const [s, c] of Object.entries(r.scopes)) for (const k of ["ok", "denied", "dismissed", "unauthorized", "unanswered"]) if (c[k]) console.log([s, k, c[k]].join("\t"))' | sort >report.tsv
    sql "SELECT scope, class, calls FROM authtape_outcomes WHERE class IN ('ok', 'denied', 'dismissed', 'unauthorized', 'unanswered')" | sort | cmp - report.tsv
}
check "the view of outcomes is the report" outcomes
check "the hash of a key is the server's sipHash64" [ "$(sql "SELECT countIf(key != sipHash64(concat(app, '\\0', user))) FROM authtape_events")" = 0 ]

# And back.
# The order of what was recorded at one instant is that of the tapes' ids, which are in their headers (tape(5)).
ordered=$(for f in day-*.tape; do echo "$(od -An -tu8 -j20 -N8 $f) $f"; done | sort -n | awk '{ print $2 }')
back() { "$AUTHTAPE" import --clickhouse "$CH_URL" -w back.tape && cmp <("$AUTHTAPE" cat back.tape) <("$AUTHTAPE" cat $ordered); }
check "import gives every event back, in the order of cat" back
back_in_shares() {
    local i
    for i in 1 2 3; do
        "$AUTHTAPE" import --clickhouse "$CH_URL" --shard $i/3 >share.$i || return 1
        "$AUTHTAPE" replay --partial --shard $i/3 -o in.$i - <share.$i || return 1
    done
    "$AUTHTAPE" cat share.2 | cmp - <("$AUTHTAPE" cat --shard 2/3 $ordered) || return 1
    "$AUTHTAPE" replay merge in.3 in.1 in.2 | tail -n 2 >merged
    "$AUTHTAPE" replay day-*.tape | tail -n 2 | cmp - merged && says 'share 2 of 3 is missing' 2 "$AUTHTAPE" replay merge in.3 in.1
}
check "shares from the server are those of the tapes; straight into replay, merged, they find the same" back_in_shares
selected() {
    local filter="--shard 2/4 --from 2023-11-14T22:13:40Z --to 2023-11-14T22:40:00Z --scope scope.record --app wx3b5c9d7e1f2a4680"
    "$AUTHTAPE" import --clickhouse "$CH_URL" $filter | "$AUTHTAPE" cat - >got
    [ "$(wc -l <got)" -gt 10 ] && "$AUTHTAPE" cat $filter $ordered | cmp - got
}
check "a time, an app and a scope of a share are what cat shows" selected
shard_of_server() { AUTHTAPE_FROM=$CH_URL "$ROOT/docs/fleet/shard.sh" 2 3 "$WORK/out5" && cmp <(tail -n +2 out5/replay-2-of-3) <(tail -n +2 in.2); }
check "the runner takes a share from the server" shard_of_server

# Odd events, a tape that grows, tapes that are no tape of their own.
odd() {
    "$AUTHTAPE" import -w odd.tape "$ROOT/tests/tape/odd.ndjson" && "$AUTHTAPE_ASAN" export --clickhouse "$CH_URL" --table-prefix odd_ odd.tape &&
        "$AUTHTAPE_ASAN" import --clickhouse "$CH_URL" --table-prefix odd_ | "$AUTHTAPE" cat - | cmp - <("$AUTHTAPE" cat odd.tape)
}
check "odd events come back field for field" odd
grown() {
    "$tools/gen_sessions" -n 70000 -s 5 -u 900 -L >live.tape
    head -c $(($(stat -c %s live.tape) * 5 / 6)) live.tape >growing.tape
    "$AUTHTAPE_ASAN" export --clickhouse "$CH_URL" --table-prefix live_ growing.tape 2>/dev/null || return 1
    local before=$(sql "SELECT count() FROM live_events")
    cat live.tape >growing.tape
    "$AUTHTAPE_ASAN" export --clickhouse "$CH_URL" --table-prefix live_ growing.tape || return 1
    [ "$before" -lt 70000 ] && [ "$(sql "SELECT count(), uniqExact(event) FROM live_events" | tr '\t' ' ')" = "70000 70000" ] &&
        [ "$(sql "SELECT sum(calls) FROM live_denials")" = "$("$AUTHTAPE" report denials --format csv live.tape | awk -F , 'NR > 1 { n += $2 } END { print n }')" ]
}
check "a tape that has grown is carried on; the views follow" grown
cp day-0.tape copy.tape
check "one tape by two names is refused" says 'are the same tape' 2 "$AUTHTAPE_ASAN" export --clickhouse "$CH_URL" --table-prefix x_ day-0.tape copy.tape
foreign() { # other events under the id of a tape that is there
    local app=$("$AUTHTAPE" cat live.tape | head -n 1 | sed 's/.*"app":"\([^"]*\)".*/\1/')
    "$AUTHTAPE" slice --app "$app" -w half.tape live.tape
    says 'another recording with this tape\|the server has more of the tape' 2 "$AUTHTAPE_ASAN" export --clickhouse "$CH_URL" --table-prefix live_ half.tape
}
check "a part of a tape beside the tape is refused" foreign
together() {
    says 'exported together with' 2 "$AUTHTAPE_ASAN" export --clickhouse "$CH_URL" day-0.tape a.tape
}
check "a tape that was exported together with others is not torn out of them" together
check "the schema makes what export makes" [ "$("$AUTHTAPE" export --schema --table-prefix s_ | sql "$(cat)" && sql "SHOW TABLES" | grep -c '^s_')" = "$(sql "SHOW TABLES" | grep -c '^calm_')" ]
