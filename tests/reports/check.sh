#!/bin/bash
# Reports against the same numbers computed by SQL from the output of `authtape cat`, on simulated recordings.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
HERE=$ROOT/tests/reports
cd "$WORK" || exit 2

# The report's numbers and those of SQL over `cat`, grouped by the dimensions $1 ("scope" alone: the report's scopes).
compare_by() { # DIMENSIONS
    local labels=$1 paths source='$.groups'
    paths=$(sed "s/[a-z]*/json_extract(g.value, '$.&')/g" <<<"$1")
    [ "$1" = scope ] && source='$.scopes' paths=g.key
    labels=$(sed "s/\bday\b/date(t \/ 1000000, 'unixepoch')/; s/\bhour\b/strftime('%Y-%m-%dT%H', t \/ 1000000, 'unixepoch')/
        s/\bscope\b/s/" <<<"$1")
    sed "s|LABELS|$labels|; s|PATHS|$paths|; s|SOURCE|$source|" "$HERE/compare.sql" | sqlite3 tables.db 2>&1
}
# A recording in the file tape: its report and the tables agree in every number, and there are enough of them.
agrees() { # LEAST DIMENSIONS...
    local least=$1 by said
    shift
    "$AUTHTAPE" cat tape >events.ndjson || return 1
    rm -f tables.db
    sqlite3 tables.db <"$HERE/load.sql" || return 1
    for by in "$@"; do
        "$AUTHTAPE_ASAN" report --format json $([ "$by" = scope ] || echo --by "$by") tape >report.json || return 1
        said=$(compare_by "$by")
        echo "$by: $said"
        [ "${said%%  *}" = compared ] && [ "${said##*  }" -ge "$least" ] || return 1
    done
}

if ! command -v sqlite3 >/dev/null || ! command -v node >/dev/null; then
    skip "reports against SQL" "sqlite3 and node are needed"
    exit 0
fi
"$AUTHTAPE" profile show wechat-minigame-2018 >profile.json
for seed in 1 2 3; do
    node "$HERE/simulate.mjs" $seed 400 >tape
    check "400 simulated users, seed $seed, against SQL" agrees 300 scope scope,platform,day
done
check "every grouping against SQL" agrees 100 api app platform errmsg day hour app,api scope,hour platform,errmsg,day \
    scope,api,app,platform,errmsg,day,hour
node "$HERE/simulate.mjs" 4 3 >tape
check "three simulated users against SQL" agrees 50 scope scope,platform,day api,hour
# the comparison must be able to fail: a number that only the report has
fails() {
    agrees 50 scope >/dev/null && sed -i 's/"calls":/"calls":1/' report.json && [[ $(compare_by scope) == "only in SQL"*"totals differ"* ]]
}
check "a wrong number is found" fails

# ---- A file is counted without the checker where that will do (analysis/plain.h), a pipe never: the same numbers

same_late() { # TAPE
    "$AUTHTAPE_ASAN" report --partial --by scope,platform,day,api "$1" >late.json &&
        "$AUTHTAPE" report --partial --by scope,platform,day,api - <"$1" | cmp - late.json
}
late_on_faults() {
    local fault
    for fault in $("$CHECK_BUILD/tools/sim_hosts" --list); do
        "$CHECK_BUILD/tools/sim_hosts" --fault "$fault" --seed 3 --observes "$1" >faulty && same_late faulty || { echo "$fault"; return 1; }
    done
}
late_on_right_hosts() {
    local seed
    for seed in 11 12 13; do
        node "$HERE/simulate.mjs" $seed 300 "$1" >right && same_late right || return 1
    done
}
# every history of two events, and random ones of up to 14: right, wrong, with gaps; each piece is small enough to be finished late
late_on_histories() {
    make -s -C "$ROOT" BUILD="${CHECK_BUILD#"$ROOT"/}" exhaustive-programs || return 1
    local piece
    "$CHECK_BUILD/exhaustive/gen" --events 2 --scopes 1 --unexplained 1 | split -a 3 -l 3500 - piece.
    "$CHECK_BUILD/exhaustive/gen" --random 4000 --seed 5 | split -a 3 -l 3500 - piece.r
    for piece in piece.*; do
        same_late "$piece" || { echo "$piece"; return 1; }
    done
}
for sees in prompts,decisions,settings,resets prompts,decisions,settings; do
    check "the checker asked late, on hosts with faults that show $sees" late_on_faults $sees
    check "the checker asked late, on right hosts that show $sees" late_on_right_hosts $sees
done
check "the checker asked late, on histories" late_on_histories

# ---- The other formats have the numbers of the JSON

same_views() { # BY
    local view by=${1:+--by $1}
    "$AUTHTAPE_ASAN" report --format json $by tape >report.json || return 1
    for view in summary prompts denials settings; do
        "$AUTHTAPE_ASAN" report $view $by tape >report.txt && "$AUTHTAPE_ASAN" report $view $by --format csv tape >report.csv &&
            node "$HERE/views.mjs" $view "${1:-scope}" report.json report.csv report.txt || return 1
    done
}
node "$HERE/simulate.mjs" 6 300 >tape
check "text and CSV have the numbers of the JSON" same_views ""
check "text and CSV have the numbers of the JSON, in groups" same_views platform,api,day

# ---- What is inferred, against a recording of the same that saw it

hidden() { # SEES WHAT...
    node "$HERE/simulate.mjs" 7 300 prompts,decisions,settings,resets 0.4 plain >full &&
        node "$HERE/simulate.mjs" 7 300 "$1" 0.4 plain >tape &&
        "$AUTHTAPE" report --format json full >full.json && "$AUTHTAPE_ASAN" report --format json tape >report.json &&
        node "$HERE/hidden.mjs" full.json report.json "$2" tape
}
check "unseen prompts are inferred, all of them" hidden decisions,settings,resets prompts
check "unseen prompts and decisions are inferred, all of them" hidden settings,resets decisions
check "unseen flips are inferred where the answers show them" hidden prompts,decisions,resets settings

# ---- Captures, where prompts are not on the wire, against what really happened

honest() { # NAME
    "$AUTHTAPE_ASAN" record -r "$ROOT/tests/wire/$1.pcap" -d automator --app query:appid --user query:openid \
        --platform query:platform -w capture.tape || return 1
    "$AUTHTAPE_ASAN" report --format json capture.tape >report.json && node "$HERE/truth.mjs" "$ROOT/tests/wire/$1.json" report.json
}
for name in clean_plain clean_deflate clean_no_takeover players_plain; do
    check "the report on capture $name against its truth" honest $name
done
# against SQL over `cat`, with what `replay` infers as events of its own
captured() { # LEAST FILE...
    local least=$1 file status
    shift
    for file in "$@"; do
        "$AUTHTAPE_ASAN" record -q -r "$file" -d automator --app query:appid --user query:openid \
            --platform query:platform -w tape || return 1
        "$AUTHTAPE" replay --format json tape >replay.json
        status=$?
        [ $status -le 1 ] && agrees "$least" scope scope,platform,day api,errmsg || { echo "$file"; rm -f replay.json; return 1; }
    done
    rm -f replay.json
}
check "captures of right hosts against SQL" captured 20 "$ROOT"/tests/wire/{clean,players}*.pcap
check "captures of wrong hosts against SQL" captured 1 "$ROOT"/tests/wire/{fault_,still_fails,denied_then_ok}*.pcap
if ls "$SHARED"/cases/*.pcap >/dev/null 2>&1; then
    check "more captures against SQL" captured 40 "$SHARED"/cases/*.pcap
else
    skip "more captures against SQL" "there are none beside the sources"
fi

# ---- diff: a planted change of three points is found, two halves of one recording are alike

planted() {
    local status
    node "$HERE/simulate.mjs" 21 6000 >old && node "$HERE/simulate.mjs" 22 6000 prompts,decisions,settings,resets 0.43 >new || return 1
    "$AUTHTAPE" diff --format json old new >diff.json
    status=$?
    node -e '
        const d = JSON.parse(fs.readFileSync("diff.json")), r = d.rates.find(r => r.rate === "prompts refused" && !r.scope)
        const sum = s => s.hits / s.trials
        if (!r.significant || Math.abs(r.change - (sum(r.new) - sum(r.old))) > 1e-6 || r.low > 0.03 || r.high < 0.03) process.exit(1)' &&
        [ $status = 1 ]
}
# the refused prompts of the JSON are those of the events
counted() {
    local refused prompts
    refused=$(grep -c '"answer":"deny"' old) prompts=$(grep -c '"kind":"decision"' old)
    grep -q "\"old\":{\"hits\":$refused,\"trials\":$prompts," diff.json
}
# DIFF_TIMES=200 measures it well; a sample is enough to see that it is not broken.
times=${DIFF_TIMES:-20}
# of halves where nothing changed, at least 94 % are found alike (a sample of 20: all but 3)
halves() {
    local said
    said=$(node "$HERE/diff.mjs" "$AUTHTAPE" splits "$times") && echo "$said" && [ "${said%% *}" -le $((times >= 100 ? times * 6 / 100 : 3)) ]
}
# of changes of three points at 20,000 prompts, 10,000 in each recording, at least 95 % are found (a sample: all but 2)
powerful() {
    local said n=$((times / 2))
    said=$(node "$HERE/diff.mjs" "$AUTHTAPE" planted $n) && echo "$said" && [ "${said%% *}" -ge $((n >= 100 ? (n * 95 + 99) / 100 : n - 2)) ]
}
check "diff finds a planted change of three points" planted
check "diff counts what is there" counted
check "diff finds nothing in random halves" halves
check "diff finds three points at 20,000 prompts" powerful
same() { "$AUTHTAPE_ASAN" diff old old | grep -q '^no rate changed$'; }
check "diff of a recording with itself finds nothing" same

# ---- Parts of a recording, added up, are the whole; with enough answers that the quantiles are sketched

parts() { # USERS
    node "$HERE/simulate.mjs" 41 "$1" >tape
    rm -f shard.*
    awk '{ match($0, /"user":"u[0-9]*/); n = substr($0, RSTART + 9, RLENGTH - 9); print >("shard." n % 7) }' tape
    for shard in shard.?; do
        "$AUTHTAPE_ASAN" report --partial --by scope,platform,day -o "$shard.json" "$shard" || return 1
    done
    "$AUTHTAPE_ASAN" report merge --format json shard.*.json >merged.json || return 1
    "$AUTHTAPE" report --by scope,platform,day --format json tape | cmp - merged.json
}
check "seven parts of 300 users are the whole" parts 300
check "seven parts of 2,500 users are the whole" parts 2500

# ---- export: the database answers the denial report; the trace is JSON with every call

node "$HERE/simulate.mjs" 31 200 >tape
exports_sqlite() {
    "$AUTHTAPE_ASAN" export --sqlite x.db tape >said 2>&1 || { cat said; return 1; }
    [ "$(sqlite3 -csv x.db 'select scope, calls, denied, at_prompt, while_denied from denials order by scope' | tr -d '\r')" = \
        "$("$AUTHTAPE" report denials --format csv tape | tr -d '\r' | tail -n +2 | cut -d, -f1-5 | sort)" ] &&
        [ "$(sqlite3 x.db 'select count(*) from events')" = "$(wc -l <tape)" ] &&
        [ "$(sqlite3 x.db 'select json from events order by event')" = "$("$AUTHTAPE" cat tape)" ] &&
        [ "$(ls x.db*)" = x.db ]
}
"$AUTHTAPE" export --sqlite none.db tape 2>said
if grep -q 'without SQLite' said; then
    skip "export --sqlite answers the denial report" "built without SQLite"
else
    check "export --sqlite answers the denial report" exports_sqlite
fi
exports_perfetto() {
    "$AUTHTAPE_ASAN" export --perfetto - tape | node -e '
        const trace = JSON.parse(fs.readFileSync(0)).traceEvents, open = new Map()
        const calls = process.argv[1].split("\n").slice(1).reduce((n, l) => n + Number(l.split(",")[1] - l.split(",")[7]), 0)
        let spans = 0
        for (const e of trace) {
            if (e.ph === "b") open.set(e.id, e.ts)
            if (e.ph === "e") { if (!(open.get(e.id) <= e.ts)) process.exit(1); open.delete(e.id); spans++ }
        }
        process.exit(spans === calls && open.size === 0 && spans > 100 ? 0 : 1)' \
        "$("$AUTHTAPE" report --format csv tape | tr -d '\r')"
}
check "export --perfetto has every answered call as a span" exports_perfetto

# ---- Names that try to act, in every format; recordings of nothing and of one event

node "$HERE/simulate.mjs" 51 300 | node "$HERE/hostile.mjs" make >tape
check "hostile names against SQL" agrees 100 scope app platform errmsg
hostile() {
    local by=app,platform,scope
    "$AUTHTAPE_ASAN" report --format json --by $by tape >h.json && "$AUTHTAPE_ASAN" report --format csv --by $by tape >h.csv &&
        "$AUTHTAPE_ASAN" report --by $by tape >h.txt && "$AUTHTAPE_ASAN" export --perfetto h.trace tape || return 1
    "$AUTHTAPE_ASAN" report --partial --by $by tape >h.part && "$AUTHTAPE_ASAN" report merge --format json h.part | cmp - h.json || return 1
    sed 's/"deny"/"allow"/g; s/auth denied/ok/' tape >other
    "$AUTHTAPE_ASAN" diff tape other >h.diff
    [ $? = 1 ] || return 1
    echo '[]' >h.rows
    rm -f h.db
    "$AUTHTAPE_ASAN" export --sqlite h.db tape 2>said && sqlite3 -json h.db 'select distinct app, platform from events' >h.rows
    node "$HERE/hostile.mjs" check h.json h.csv h.txt h.diff h.trace h.rows <tape
}
check "hostile names are shown and do not act: JSON, CSV, text, parts, diff, SQLite, trace" hostile
: >none
printf '{"t":1700000000000000,"kind":"call","app":"a","user":"u","stream":"s","call":"1","api":"getLocation"}\n' >single
hardly() { # TAPE EVENTS CALLS
    local format
    [ "$("$AUTHTAPE_ASAN" report --format json "$1" | node -p 'const r = JSON.parse(fs.readFileSync(0)); [r.events, r.calls, r.users]')" = \
        "[ $2, $3, $2 ]" ] || return 1
    for format in text csv html; do "$AUTHTAPE_ASAN" report --format $format --by scope,day -o hardly.$format "$1" || return 1; done
    "$AUTHTAPE_ASAN" report --partial --by scope,day "$1" >hardly.part && "$AUTHTAPE_ASAN" report merge --format csv hardly.part | cmp - hardly.csv &&
        "$AUTHTAPE_ASAN" diff "$1" "$1" >hardly.diff && "$AUTHTAPE_ASAN" export --perfetto hardly.trace "$1" &&
        [ "$(node -p 'JSON.parse(fs.readFileSync("hardly.trace")).traceEvents.filter(e => e.ph === "b").length')" = 0 ]
}
check "no event in every format" hardly none 0 0
check "one event in every format" hardly single 1 1

# ---- The HTML page, in a real browser

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
# names from outside that try to be markup, in every place where a name can be
node "$HERE/simulate.mjs" 5 200 | sed 's/"wx02"/"<script>alert(1)<\/script>"/; s/"devtools"/"\\"><img src=x onerror=alert(2)>\\u202e"/' >tape
"$AUTHTAPE_ASAN" report --format html --by platform,day -o page.html tape
opens() {
    "$AUTHTAPE" report --format json --by platform,day -o report.json tape && "$AUTHTAPE" report --format json --by hour -o hours.json tape &&
        node "$HERE/page.mjs" "$browser" "$WORK/page.html" report.json hours.json "$(grep -c '"kind":"decision"' tape)"
}
small() { [ "$(wc -c <page.html)" -lt 1000000 ] && ! grep -q '<img\|<script>alert' page.html; }
check "the HTML page is small and holds no markup from outside" small
# what a page may have at most: 800 groups, 200 wordings, long names, a user with a long timeline
crowded() {
    node -e '
        let t = 17e14
        const put = e => console.log(JSON.stringify({ t: t += 1e6, app: "app" + "x".repeat(200), stream: "s", ...e }))
        for (let i = 0; i < 3000; i++) {
            const at = { user: "user" + i % 300, platform: "platform" + i % 40 + "<b>".repeat(60), call: "c" + i }
            put({ kind: "call", api: "authorize", scope: "scope." + i % 37 + "\u202e&\"".repeat(50), ...at })
            put({ kind: "return", errMsg: "authorize:fail " + i % 700 + "<i>".repeat(300), ...at })
        }' >crowd
    "$AUTHTAPE_ASAN" report --format html --by scope,platform,errmsg,hour -o crowd.html crowd &&
        [ "$(wc -c <crowd.html)" -gt 100000 ] && [ "$(wc -c <crowd.html)" -lt 1000000 ] && ! grep -q '<b><b>\|<i><i>' crowd.html
}
check "the HTML page of a crowd of long names is below a megabyte" crowded
if [ -z "$browser" ]; then
    skip "the HTML page in a browser" "chromium is not installed"
elif ! npm_packages; then
    skip "the HTML page in a browser" "$npm_said"
else
    check "the HTML page in a browser: every number, sorting, filter, languages, themes, widths, accessibility" opens
    opens_small() { # TAPE
        "$AUTHTAPE_ASAN" report --format html -o small.html "$1" && "$AUTHTAPE" report --format json -o small.json "$1" &&
            node "$HERE/small.mjs" "$browser" "$WORK/small.html" small.json
    }
    check "the HTML page of no event in a browser" opens_small none
    check "the HTML page of one event in a browser" opens_small single
fi
