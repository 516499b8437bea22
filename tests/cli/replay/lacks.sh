# A platform that may ask again after a refusal: what breaks only that rule is no divergence, all else is.
authtape profile show qq | sed 's/"quiet_ms": 2000/"lacks": ["R6"]/' >again.json
event() { printf '{"t":%s,"kind":"%s","app":"a","user":"u","stream":"s"%s}\n' "$1" "$2" "${3:+,$3}"; }
{
    event 1 start '"fresh":true,"observes":["prompts","decisions","settings","resets"]'
    for i in 2 3; do
        event "${i}1" call "\"call\":\"$i\",\"api\":\"getLocation\""
        event "${i}2" prompt '"scope":"scope.userLocation"'
        event "${i}3" decision '"answer":"deny"'
        event "${i}4" return "\"call\":\"$i\",\"errMsg\":\"getLocation:fail auth deny\""
    done
} >asked_again.ndjson
authtape replay -p qq --format ndjson asked_again.ndjson | grep -o '"class":"[a-z-]*","rule":"R[0-9]*"'
authtape replay -p again.json asked_again.ndjson | tail -n 1
{ cat asked_again.ndjson; event 41 call '"call":"4","api":"getLocation"'; event 42 return '"call":"4","errMsg":"getLocation:ok"'; } >let_through.ndjson
authtape replay -p again.json --format ndjson let_through.ndjson | grep -o '"class":"[a-z-]*","rule":"R[0-9]*"'
