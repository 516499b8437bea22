#!/bin/bash
# Decoding speed and memory: messages a CPU second of this program and of tshark on the same capture in the same run,
# and the memory when the capture is ten times as long. BENCH_MESSAGES (default 100000) says how many.
cd "$(dirname "$0")/../.." || exit 2
program=./build/authtape
[ -x $program ] || program=./authtape
work=$(mktemp -d "${TMPDIR:-/tmp}/authtape-bench.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
for tool in node tcpdump /usr/bin/time; do
    command -v $tool >/dev/null || { echo "decode: $tool is not installed"; exit 0; }
done
[ -d tests/node_modules/ws ] || { echo "decode: the packages of tests/package.json are not installed"; exit 0; }
node tests/bench/traffic.mjs "$work" "${BENCH_MESSAGES:-100000}" || { echo "decode: the traffic could not be captured"; exit 0; }

# cpu COMMAND...: CPU seconds and peak memory in kB, on standard output; what the command prints goes to a file.
cpu() {
    /usr/bin/time -o "$work/times" -f '%U %S %M' "$@" >"$work/out" 2>/dev/null
    tail -1 "$work/times" | awk '{ print $1 + $2, $3 }'
}
best=9999
for _ in 1 2 3 4 5; do
    read -r seconds memory <<<"$(cpu $program messages -q -r "$work/traffic.pcap")"
    best=$(awk -v a="$best" -v b="$seconds" 'BEGIN { print b < a ? b : a }')
done
node tests/bench/compare.mjs "$work" <"$work/out"
n=$(wc -l <"$work/out")
echo "authtape: $n messages in $best CPU seconds, $(awk -v n="$n" -v s="$best" 'BEGIN { printf "%d", n / s }') a second, $memory kB"

# The same traffic ten times, at later times and from other ports, so that nothing is a repetition.
node -e '
const fs = require("fs"), b = fs.readFileSync(process.argv[1]), out = fs.openSync(process.argv[2], "w");
fs.writeSync(out, b.subarray(0, 24));
const servers = new Set();
for (let at = 24; at < b.length; at += 16 + b.readUInt32LE(at + 8)) if ((b[at + 63] & 18) === 18) servers.add(b.readUInt16BE(at + 50));
const turned = Buffer.from(b);
for (let round = 0; round < 10; round++) {
    for (let at = 24; at < b.length; at += 16 + b.readUInt32LE(at + 8)) {
        turned.writeUInt32LE(b.readUInt32LE(at) + round * 300, at);
        for (const p of [at + 50, at + 52]) if (!servers.has(b.readUInt16BE(p))) turned.writeUInt16BE((b.readUInt16BE(p) + round * 37) % 65536, p);
    }
    fs.writeSync(out, turned, 24);
}' "$work/traffic.pcap" "$work/ten.pcap"
read -r seconds ten <<<"$(cpu $program messages -q -r "$work/ten.pcap")"
echo "ten times as long: $(wc -l <"$work/out") messages in $seconds CPU seconds, $ten kB ($(awk -v a="$ten" -v b="$memory" 'BEGIN { printf "%+.1f %%", 100 * (a - b) / b }'))"

if command -v tshark >/dev/null; then
    read -r seconds memory <<<"$(cpu tshark -n -r "$work/traffic.pcap" -Y json -T fields -e frame.number -e json.object)"
    echo "tshark: $(wc -l <"$work/out") lines in $seconds CPU seconds, $memory kB: $(awk -v a="$seconds" -v b="$best" 'BEGIN { printf "%.1f", a / b }') times as long"
else
    echo "tshark is not installed"
fi
