# What is known does not count; what is known and gone is told.
. "$CLI/replay/history"
denied_then_ok >session.ndjson
authtape replay --format json session.ndjson >known.json
authtape replay --known known.json session.ndjson
echo "status $?"
echo '[{"class":"no-answer","api":"getLocation"}]' >other.json
authtape replay --known other.json session.ndjson | tail -n 1
