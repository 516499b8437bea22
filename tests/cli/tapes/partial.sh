# A replay in parts of two shares, put together, is the replay of the whole, byte for byte, in every form.
set -e
{ cat "$CLI/tapes/events.ndjson"; cat <<'END'
{"t":1600000020000000,"kind":"start","app":"wx1","user":"kim","stream":"k","fresh":true,"observes":["prompts","decisions","settings","resets"]}
{"t":1600000021000000,"kind":"call","app":"wx1","user":"kim","stream":"k","call":"1","api":"startRecord"}
{"t":1600000021100000,"kind":"prompt","app":"wx1","user":"kim","stream":"k","scope":"scope.record","call":"1"}
{"t":1600000022000000,"kind":"decision","app":"wx1","user":"kim","stream":"k","answer":"deny"}
{"t":1600000022100000,"kind":"return","app":"wx1","user":"kim","stream":"k","call":"1","errMsg":"startRecord:ok"}
{"t":1600000023000000,"kind":"call","app":"wx1","user":"kim","stream":"k","call":"2","api":"startRecord"}
{"t":1600000023100000,"kind":"return","app":"wx1","user":"kim","stream":"k","call":"2","errMsg":"startRecord:ok"}
{"t":1600000023200000,"kind":"return","app":"wx1","user":"kim","stream":"k","call":"2","errMsg":"startRecord:ok"}
{"t":1600000024000000,"kind":"call","app":"wx1","user":"lee","stream":"l","call":"1","api":"getLocation"}
{"t":1600000024100000,"kind":"return","app":"wx1","user":"lee","stream":"l","call":"1","errMsg":"chooseImage:ok"}
END
} >all
authtape import -w a.tape all
for i in 1 2 3; do authtape replay --partial --shard $i/3 -o part.$i a.tape || [ $? = 1 ]; done
authtape replay merge --partial -o group part.2 part.1 || [ $? = 1 ]
for format in text json ndjson junit sarif; do
    authtape replay --format $format a.tape >want || echo "status $?"
    for parts in "part.1 part.2 part.3" "part.3 group"; do
        authtape replay merge --format $format $parts >got || [ $? = 1 ]
        cmp got want && echo "$format of $parts: $(wc -l <got) lines"
    done
done
authtape replay merge part.1 part.1 || echo $?
authtape replay merge part.1 part.2 || echo $?
sed 's/kim/\x01/' part.1 >bad; head -c 100 part.2 >cut
authtape replay merge part.1 part.3 cut || echo $?
authtape replay merge a.tape || echo $?
authtape replay merge --max 1 part.3 part.1 part.2 || echo $?
