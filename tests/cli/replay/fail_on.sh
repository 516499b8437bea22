. "$CLI/replay/history"
{ denied_then_ok; event 12 call '"call":"4","api":"getLocation"'; event 13 return '"call":"4","errMsg":"getLocation:fail auth deny"'
  event 14 call '"call":"5","api":"getLocation"'; event 15 return '"call":"5","errMsg":"getLocation:ok"'; } | authtape import -w t.tape
authtape replay --max 1 --format ndjson t.tape | wc -l
authtape replay --max 0 t.tape
authtape replay --fail-on setting-wrong,no-answer t.tape >/dev/null; echo "status $?"
authtape replay --fail-on unexpected-success,no-answer t.tape >/dev/null; echo "status $?"
authtape replay --fail-on no-answer --max 1 t.tape | sed -n '1p;$p'
