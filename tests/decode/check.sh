#!/bin/bash
# Everything on the wire: traffic of real clients is captured, changed in every way that loses nothing and in some that
# do, attacked, and decoded; what comes out is compared with what was sent. DECODE_MESSAGES (default 2000) says how much.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 2
work_folder
bench=tests/bench

for tool in node tcpdump; do
    command -v "$tool" >/dev/null && continue
    skip "decoding of real traffic" "$tool is not installed"
    exit 0
done
if ! npm_packages; then
    skip "decoding of real traffic" "$npm_said"
    exit 0
fi
export BESIDE=$AUTHTAPE
if ! node $bench/traffic.mjs "$WORK" "${DECODE_MESSAGES:-2000}" >"$WORK/made" 2>&1; then
    remark <"$WORK/made"
    skip "decoding of real traffic" "it could not be captured whole"
    exit 0
fi
pcap=$WORK/traffic.pcap

recovered() { "${2:-$AUTHTAPE}" messages -q -r "$1" | node $bench/compare.mjs "$WORK"; }
books() { node tests/decode/books.mjs "$AUTHTAPE" "$@"; }
check "every message of real traffic" recovered "$pcap"
check "its ledger, to the byte" books "$pcap"
check "every message of real traffic, with sanitizers" recovered "$pcap" "$AUTHTAPE_ASAN"

# Recorded live, at full speed: what the kernel dropped is said, and otherwise it is what tcpdump's capture gives.
tape() { "$AUTHTAPE" record -q -d tests/decode/traffic.json -r "$1" -w -; }
tape "$pcap" >"$WORK/file.tape"
same_events() {
    for name in live file; do
        "$AUTHTAPE" verify "$WORK/$name.tape" && "$AUTHTAPE" cat "$WORK/$name.tape" >"$WORK/$name.ndjson" || return 1
    done
    node tests/decode/same_events.mjs "$WORK/live.ndjson" "$WORK/file.ndjson"
}
dropped=$(node -p 'const l = require(process.argv[1]); l.kernel_drops + l.interface_drops' "$WORK/live.json" 2>/dev/null)
if [ -z "$dropped" ]; then
    skip "a live recording beside tcpdump" "$(tail -n 1 "$WORK/made" | grep . || echo "it could not be started")"
elif [ "$dropped" != 0 ]; then
    skip "a live recording beside tcpdump" "this machine was too busy: $dropped packets were dropped, and reported"
else
    check "a live recording beside tcpdump: the same events" same_events
fi

for mutation in reorder duplicate overlap segments segments-reorder vlan qinq mpls pppoe sll sll2 raw null loop ipv6 \
    ipv6-null fragments ipv6-fragments wrap wrap-segments-reorder gre vxlan geneve ipip zero-length any-doubled pcapng \
    pcapng-interfaces nano big-endian; do
    if node $bench/mutate.mjs "$pcap" "$WORK/mutant.pcap" $mutation; then
        check "every message of the mutation $mutation" recovered "$WORK/mutant.pcap"
        check "its ledger, to the byte ($mutation)" books "$WORK/mutant.pcap"
    else
        fail "mutation $mutation"
    fi
done

# What lies outside the holes has to be there, and nothing else.
"$AUTHTAPE" messages -r "$pcap" >"$WORK/whole.ndjson"
survivors() {
    node $bench/mutate.mjs "$pcap" "$WORK/mutant.pcap" "$1" "$2" &&
        node $bench/needed.mjs "$WORK" "$WORK/mutant.pcap.lost" <"$WORK/whole.ndjson" >"$WORK/needed" &&
        "$AUTHTAPE" messages -q -r "$WORK/mutant.pcap" | node $bench/compare.mjs "$WORK" --needed "$WORK/needed"
}
for seed in 1 2 3 4; do
    check "what is outside of the holes, seed $seed" survivors loss $seed
    check "its ledger, to the byte (seed $seed)" books --hurt "$WORK/mutant.pcap"
done
check "what is outside of the first 60 packets" survivors midstream 1
check "its ledger, to the byte (midstream)" books --hurt "$WORK/mutant.pcap"

# The same bytes, however the capture comes.
same() { cmp "$WORK/whole.ndjson" - ; }
slowly() {
    node -e 'const b = require("fs").readFileSync(process.argv[1]); let at = 0; (function next() {
        if (at >= b.length) return; const n = 1 + (at * 7919) % 9000;
        process.stdout.write(b.subarray(at, at + n), next); at += n; })()' "$1"
}
again() { "$AUTHTAPE" messages -r "$pcap" | same; }
piped() { slowly "$pcap" | "$AUTHTAPE" messages -r - | same; }
packed() { gzip -c "$pcap" >"$WORK/packed.pcap.gz" && "$AUTHTAPE" messages -r "$WORK/packed.pcap.gz" | same; }
packed_pipe() { gzip -c "$pcap" | "$AUTHTAPE" messages -r - | same; }
check "the same output again" again
check "the same output through a pipe, a few bytes at a time" piped
check "the same output from a gzip file" packed
check "the same output from gzip through a pipe" packed_pipe
tape_again() { tape "$pcap" | cmp "$WORK/file.tape" -; }
tape_piped() { slowly "$pcap" | tape - | cmp "$WORK/file.tape" -; }
tape_packed() { gzip -c "$pcap" | slowly /dev/stdin | tape - | cmp "$WORK/file.tape" -; }
check "the same tape again, to the byte" tape_again
check "the same tape through a pipe, a few bytes at a time" tape_piped
check "the same tape from gzip through a pipe, a few bytes at a time" tape_packed
closed() {
    "$AUTHTAPE" messages -r "$pcap" 2>"$WORK/errors" | head -1 >/dev/null
    [ "${PIPESTATUS[0]}" = 0 ] && [ ! -s "$WORK/errors" ]
}
check "a closed output pipe is a quiet end" closed

# Attacks: the honest traffic beside them comes through, in bounded memory (a limit of 64M, and what the program needs).
attack() {
    node $bench/abuse.mjs "$pcap" "$WORK/attack.pcap" "$1" "$2" || return 1
    (ulimit -v 200000 && "$AUTHTAPE" messages -q --memory 64M --message-size 4M -r "$WORK/attack.pcap") |
        node $bench/compare.mjs "$WORK"
}
export BOOKS_OPTIONS="--memory 64M --message-size 4M"
for kind in half-open one-byte huge-frame fragments holes chunks pipeline; do
    check "an attack with $kind" attack $kind 100000
    check "its ledger, to the byte ($kind)" books "$WORK/attack.pcap"
done
for kind in bomb ws-bomb; do
    check "an attack with $kind" attack $kind 5000
    check "its ledger, to the byte ($kind)" books --hurt "$WORK/attack.pcap"
done
unset BOOKS_OPTIONS
if [ -d "$SHARED/corpus" ]; then
    find "$SHARED/corpus" -type f ! -name '*.md' -print0 | sort -z >"$WORK/corpus"
    all_books() { xargs -0 -n 150 -P 2 node tests/decode/books.mjs "$AUTHTAPE" <"$WORK/corpus"; }
    check "the ledgers of public captures, to the byte" all_books
else
    skip "the ledgers of public captures, to the byte" "there is no folder ${SHARED#"$ROOT/"}/corpus"
fi

# Rotation, signals, privileges.
export AUTHTAPE
node tests/decode/live.mjs "$WORK"
