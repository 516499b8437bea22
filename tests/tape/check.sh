#!/bin/bash
# Tapes from outside: identity, an independent reader, old tapes, damage, merging, slicing, a disk that fails.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT/tests/tape" || exit 2
work_folder
GEN=$CHECK_BUILD/tools/gen_sessions
AT=$AUTHTAPE

identity() { # FILE.ndjson: import and cat give the same again
    "$AT" import -w "$WORK/i.tape" "$1" && "$AT" cat "$WORK/i.tape" >"$WORK/i1" && "$AT" cat "$1" | cmp - "$WORK/i1" &&
        "$AT" import "$WORK/i1" | cmp - "$WORK/i.tape" && "$AT" verify "$WORK/i.tape" && "$AT" import -w "$WORK/j.tape" "$WORK/i.tape" &&
        cmp "$WORK/i.tape" "$WORK/j.tape"
}
# The same fields and values as the source, asked from another JSON reader.
same_fields() { diff <(jq -cS . "$1") <("$AT" cat "$2" | jq -cS .); }

"$GEN" -n 20000 -o 40 -s 7 >"$WORK/s.ndjson"
"$GEN" -n 20000 -o 40 -s 7 -T >"$WORK/s.tape"
"$GEN" -n 20000 -o 40 -s 7 -L >"$WORK/live.tape"
"$GEN" -n 3000 -o 40 -s 8 -U -P -L >"$WORK/uuid.tape"
: >"$WORK/none.ndjson"
check "identity: odd events" identity odd.ndjson
check "identity: sessions" identity "$WORK/s.ndjson"
check "identity: no event" identity "$WORK/none.ndjson"
check "fields of sessions as jq sees them" same_fields "$WORK/s.ndjson" "$WORK/s.tape"
check "a live tape holds the same" bash -c "'$AT' cat '$WORK/live.tape' | cmp - '$WORK/s.ndjson'"
check "repack of a live tape is the archive" bash -c "'$AT' repack -w - '$WORK/live.tape' | cmp - '$WORK/s.tape'"
check "from a pipe" bash -c "'$AT' cat - <'$WORK/s.tape' | cmp - '$WORK/s.ndjson'"

# Tapes of earlier versions are kept for ever; a new version of the format adds its own.
for old in v*.tape; do
    check "$old reads as it always did" bash -c "'$AT' cat $old | cmp - ${old%.tape}.ndjson"
done

if command -v node >/dev/null; then
    for tape in v1.tape "$WORK"/{s,live,uuid}.tape; do
        check "an independent reader: $(basename "$tape")" \
            bash -c "node decode.mjs '$tape' >'$WORK/other' && '$AT' cat '$tape' | cmp - '$WORK/other'"
    done
else
    skip "an independent reader" "node is not installed"
fi

refuses() { # LINE REASON: import refuses the line by number and writes nothing
    { head -n 2 "$WORK/s.ndjson"; printf '%s\n' "$1"; } >"$WORK/bad.ndjson"
    local said status
    said=$("$AT" import -w "$WORK/bad.tape" "$WORK/bad.ndjson" 2>&1)
    status=$?
    [ $status = 2 ] && [ "$said" = "authtape: $WORK/bad.ndjson: line 3: $2" ] && [ ! -e "$WORK/bad.tape" ] &&
        [ -z "$("$AT" import "$WORK/bad.ndjson" 2>/dev/null | head -c 1)" ] &&
        [ -z "$(find "$WORK" -name '*.tmp')" ] && return
    printf 'status %s: %s\n' $status "$said"
    return 1
}
K='"app":"a","user":"u","stream":"s"'
check "refused: no JSON" refuses '{"t":1,' 'not JSON'
check "refused: no object" refuses '[1]' 'not a JSON object'
check "refused: no kind" refuses "{\"t\":1,$K}" '"kind" is missing'
check "refused: unknown kind" refuses "{\"t\":1,\"kind\":\"x\",$K}" '"kind" is unknown: "x"'
check "refused: no time" refuses "{\"kind\":\"end\",$K}" '"t" is missing'
check "refused: a fraction" refuses "{\"t\":1.5,\"kind\":\"end\",$K}" '"t" is not an integer'
check "refused: out of range" refuses "{\"t\":9223372036854775808,\"kind\":\"end\",$K}" '"t" is out of range'
check "refused: packet 0" refuses "{\"t\":1,\"packet\":0,\"kind\":\"end\",$K}" '"packet" is less than 1'
check "refused: a name twice" refuses "{\"t\":1,\"kind\":\"end\",$K,\"t\":1}" '"t" is there twice'
check "refused: an unknown name twice" refuses "{\"t\":1,\"kind\":\"end\",$K,\"x\":1,\"\\u0078\":1}" '"x" is there twice'
check "refused: NUL" refuses "{\"t\":1,\"kind\":\"end\",\"app\":\"\\u0000\",\"user\":\"u\",\"stream\":\"s\"}" \
    '"app" holds a NUL character'
check "refused: wrong type" refuses "{\"t\":1,\"kind\":\"settings\",$K,\"scope\":\"x\",\"granted\":1}" \
    '"granted" is neither true nor false'

# Damage is named, and the rest saved.
size=$(stat -c %s "$WORK/live.tape")
head -c $((size / 2)) "$WORK/live.tape" >"$WORK/torn.tape"
cp "$WORK/live.tape" "$WORK/flip.tape"
printf '\377' | dd of="$WORK/flip.tape" bs=1 seek=$((size / 2)) conv=notrunc status=none
status_is() { local want=$1; shift; "$@" >"$WORK/out" 2>&1; local got=$?; cat "$WORK/out"; [ $got = "$want" ]; }
check "verify: a whole tape" status_is 0 "$AT" verify "$WORK/live.tape"
check "verify: a torn tape" status_is 1 "$AT" verify "$WORK/torn.tape"
check "verify: a flipped bit" status_is 1 "$AT" verify "$WORK/flip.tape"
check "verify names the place" grep -Eq 'damaged: .* at byte [0-9]+; .* known to be lost' "$WORK/out"
check "verify: not a tape" status_is 2 "$AT" verify "$WORK/s.ndjson"
check "cat: a flipped bit is trouble" status_is 2 "$AT" cat "$WORK/flip.tape"
check "cat: a torn tail is a warning" status_is 0 "$AT" cat "$WORK/torn.tape"
check "repair: exit status" status_is 1 "$AT" repair -w "$WORK/saved.tape" "$WORK/flip.tape"
check "repair: the result is whole" status_is 0 "$AT" verify "$WORK/saved.tape"
"$AT" cat "$WORK/saved.tape" >"$WORK/saved.ndjson"
check "repair: nothing is made up" bash -c "[ -s '$WORK/saved.ndjson' ] && [ \$(comm -13 <(sort '$WORK/s.ndjson') <(sort '$WORK/saved.ndjson') | wc -l) = 0 ]"

# Merging: 70 tapes, so that groups are made; a stable sort by time is the same.
for i in $(seq 1 70); do "$GEN" -n 200 -o 10 -s "$i" -T >"$WORK/m$i.tape"; done
merged() {
    local tapes=()
    for i in $(seq 1 70); do tapes+=("$WORK/m$i.tape"); done
    "$AT" merge -w "$WORK/all.tape" "${tapes[@]}" &&
        for t in "${tapes[@]}"; do "$AT" cat "$t"; done | sed 's/^{"t":\([0-9]*\),/\1\t&/' | sort -s -n -k1,1 | cut -f2- >"$WORK/sorted" &&
        "$AT" cat "$WORK/all.tape" | cmp - "$WORK/sorted"
}
check "merge is a sort by time" merged

# A writer killed at any instant leaves a tape that reads back: the first events, in order, none wrong.
killed() {
    for i in $(seq 1 20); do
        "$GEN" -n 2000000 -o 40 -s 7 -L >"$WORK/killed.tape" &
        sleep "0.0$((i % 10))$((i % 7))"
        kill -9 $! 2>/dev/null
        wait $! 2>/dev/null
        [ -s "$WORK/killed.tape" ] || continue
        "$AT" cat "$WORK/killed.tape" 2>/dev/null >"$WORK/killed.ndjson" || return 1
        "$AT" verify "$WORK/killed.tape" >/dev/null
        [ $? = 1 ] || return 1
        local n
        n=$(wc -l <"$WORK/killed.ndjson")
        [ "$n" -gt 20000 ] && n=20000
        cmp <(head -n "$n" "$WORK/killed.ndjson") <(head -n "$n" "$WORK/s.ndjson") || return 1
    done
}
check "a killed writer" killed

user=$(sed -n '500s/.*"user":"\([^"]*\)".*/\1/p' "$WORK/s.ndjson")
check "slice of a user" bash -c "'$AT' slice --user '$user' -w - '$WORK/s.tape' | '$AT' cat - | cmp - <(grep -F '\"user\":\"$user\"' '$WORK/s.ndjson')"
check "slice of a time" bash -c "'$AT' slice --from 1700000100000000 --to 1700000300000000 -w - '$WORK/live.tape' | '$AT' cat - | cmp - <(jq -c 'select(.t >= 1700000100000000 and .t < 1700000300000000)' '$WORK/s.ndjson')"
check "info: by index as by reading" bash -c "diff <('$AT' info '$WORK/s.tape' | tail -n +2) <('$AT' info - <'$WORK/s.tape' | tail -n +2)"
check "a closed pipe is a quiet end" bash -c "set -o pipefail; '$AT' cat '$WORK/s.tape' | head -n 1 | wc -l | grep -q 1"
check "sanitizers: everything of above once" bash -c "'$AUTHTAPE_ASAN' cat '$WORK/live.tape' | cmp - '$WORK/s.ndjson' && '$AUTHTAPE_ASAN' import odd.ndjson | cmp - <('$AT' import odd.ndjson) && '$AUTHTAPE_ASAN' info '$WORK/s.tape' >/dev/null"
"$AUTHTAPE_ASAN" repair -w "$WORK/saved2.tape" "$WORK/flip.tape" 2>/dev/null
check "sanitizers: repair gives the same" cmp "$WORK/saved.tape" "$WORK/saved2.tape"

# Segments on several threads, watched by the thread sanitizer.
threads() {
    # shellcheck disable=SC2046
    ${CC:-gcc} -std=c11 -D_GNU_SOURCE -I"$ROOT" -O1 -g -fsanitize=thread -o "$WORK/threads" \
        "$ROOT/tests/unit/test_segments.c" "$ROOT"/formats/*.c "$CHECK_BUILD/gen/profiles.c" \
        $(pkg-config --cflags --libs cmocka zlib libcjson) -lm &&
        TSAN_OPTIONS=halt_on_error=1 "$WORK/threads"
}
if echo 'int main(void) { return 0; }' | ${CC:-gcc} -x c -fsanitize=thread -o "$WORK/tsan" - 2>/dev/null && "$WORK/tsan" &&
    pkg-config --exists cmocka; then
    check "thread sanitizer: segments on threads" threads
else
    skip "thread sanitizer: segments on threads" "the compiler has none that works here, or cmocka is missing"
fi
