e='"app":"wx1","user":"u1","stream":"s","platform":"ios"'
cat >tape <<END
{"t":1000000000000000,"kind":"start",$e,"fresh":true,"observes":["prompts","decisions","settings","resets"]}
{"t":1000000000001000,"kind":"call",$e,"call":"1","api":"getLocation"}
{"t":1000000000002000,"kind":"prompt",$e,"scope":"scope.userLocation","call":"1"}
{"t":1000000001502000,"kind":"decision",$e,"answer":"deny"}
{"t":1000000001503000,"kind":"return",$e,"call":"1","errMsg":"getLocation:fail auth deny"}
{"t":1000000001504000,"kind":"call",$e,"call":"2","api":"getLocation"}
{"t":1000000001505000,"kind":"return",$e,"call":"2","errMsg":"getLocation:fail:auth denied"}
{"t":1000000011505000,"kind":"settings",$e,"scope":"scope.userLocation","granted":true}
{"t":1000000011506000,"kind":"call",$e,"call":"3","api":"authorize","scope":["scope.userLocation","scope.record"]}
{"t":1000000011507000,"kind":"return",$e,"call":"3","errMsg":"authorize:fail the moon is full"}
{"t":1000003700508000,"kind":"call",$e,"call":"4","api":"getWeRunData"}
END
for view in summary prompts denials settings; do
    echo "--- $view"
    authtape report $view tape
done
echo "--- denials by scope, hour"
authtape report denials --by scope,hour --format csv tape | tr -d '\r'
echo "--- json"
authtape report --by api --format json tape
