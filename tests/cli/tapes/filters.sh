# What the filters of cat and slice let through is what jq picks out of the same lines.
set -e
authtape import -w a.tape "$CLI/tapes/events.ndjson"
same() { # FILTER-OF-JQ OPTION...
    local filter=$1
    shift
    jq -cS "select($filter)" "$CLI/tapes/events.ndjson" >want
    authtape cat "$@" a.tape | jq -cS . | cmp want - || echo "cat $*"
    authtape slice "$@" -w sliced.tape a.tape && authtape cat sliced.tape | jq -cS . | cmp want - || echo "slice $*"
    echo "$(wc -l <want) of $*"
}
same true
same '.app == "wx2"' --app wx2
same '.user == "ann" and .app == "wx1"' --user ann --app wx1
same '.t >= 1600000003000000' --from 2020-09-13T12:26:43Z
same '.t < 1600000003000000' --to 1600000003000000
same '.t >= 1600000002000000 and .t < 1600000006500000 and .user == "ann"' --from 1600000002000000 --to 1600000006500000 --user ann
same '(.kind | IN("start", "reset", "gap", "end")) or .scope == "scope.record" or .call == "1" or (.authSetting // {} | has("scope.record"))' \
    --scope scope.record
same false --app nobody
