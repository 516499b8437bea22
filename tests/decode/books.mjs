// usage: books.mjs PROGRAM [--hurt] FILE...
// What goes into the decoder equals what comes out plus what is in the loss ledger, to the byte, for every capture. What
// goes in is counted here, from the capture's own records. --hurt: the captures are such that something has to be lost.
// $BOOKS_OPTIONS are more options of the program.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [program, ...files] = process.argv.slice(2);
const options = (process.env.BOOKS_OPTIONS ?? '').split(' ').filter(Boolean);
const hurt = files[0] === '--hurt' && files.shift();
let wrong = 0, balanced = 0, compared = 0, refused = 0;

function complain(file, text) {
    console.log(`# ${file}: ${text}`);
    wrong++;
}

// pcap: {packets, bytes}, of whole records; null for what this does not know. libpcap gives no more of a record than the
// file's snaplen, however long it is.
function pcapInput(b) {
    const little = [0xa1b2c3d4, 0xa1b23c4d].includes(b.readUInt32LE(0));
    if (!little && ![0xa1b2c3d4, 0xa1b23c4d].includes(b.readUInt32BE(0))) return null;
    const u32 = (at) => (little ? b.readUInt32LE(at) : b.readUInt32BE(at));
    const snaplen = u32(16) > 0 && u32(16) < 262144 ? u32(16) : 262144;
    let packets = 0, bytes = 0;
    for (let at = 24; at + 16 <= b.length; packets++) {
        const n = u32(at + 8);
        if (at + 16 + n > b.length) return null;
        bytes += Math.min(n, snaplen);
        at += 16 + n;
    }
    return { packets, bytes };
}

// pcapng: enhanced and obsolete packet blocks; a file with others that hold packets is left to itself.
function pcapngInput(b) {
    let packets = 0, bytes = 0, little = true;
    for (let at = 0; at + 12 <= b.length;) {
        if (b.readUInt32LE(at) === 0x0a0d0d0a) little = b.readUInt32LE(at + 8) === 0x1a2b3c4d;
        const u32 = (p) => (little ? b.readUInt32LE(p) : b.readUInt32BE(p));
        const type = u32(at), n = u32(at + 4);
        if (n < 12 || n % 4 || at + n > b.length || type === 3) return null;
        if (type === 6 || type === 2) {
            packets++;
            bytes += u32(at + 20);
        }
        at += n;
    }
    return { packets, bytes };
}

function check(file) {
    const run = spawnSync(program, ['messages', '-q', '-r', file, '--ledger', '-', ...options], { maxBuffer: 1 << 30 });
    const line = run.stderr.toString().split('\n').find((l) => l.startsWith('{"packets":'));
    if (run.status !== 0 && run.status !== 2) return complain(file, `ended with ${run.status} ${run.signal}`);
    if (!line) return run.status === 2 ? void refused++ : complain(file, 'no ledger');
    const l = JSON.parse(line);
    const below = l.header_bytes + l.other_bytes + l.malformed_bytes + l.fragment_bytes + l.tcp_bytes;
    const above = l.tcp_duplicate_bytes + l.decoded_bytes + l.undecoded_bytes + l.evicted_bytes;
    const lines = run.stdout.toString().split('\n').length - 1;
    if (l.packet_bytes !== below) complain(file, `${l.packet_bytes} bytes of packets, ${below} in the ledger`);
    if (l.tcp_bytes !== above) complain(file, `${l.tcp_bytes} bytes of TCP, ${above} in the ledger`);
    if (lines !== l.messages) complain(file, `${lines} messages, ${l.messages} in the ledger`);
    if (hurt && l.tcp_gap_bytes + l.undecoded_bytes + l.messages_lost + l.flows_evicted + l.fragments_dropped +
        l.messages_too_large + l.tcp_duplicate_bytes === 0) complain(file, 'nothing was lost, says the ledger');
    balanced++;
    const b = readFileSync(file);
    const input = b.length < 24 ? null : b.readUInt32LE(0) === 0x0a0d0d0a ? pcapngInput(b) : pcapInput(b);
    if (!input || run.status !== 0) return;
    compared++;
    if (input.packets !== l.packets) complain(file, `${input.packets} packets, ${l.packets} in the ledger`);
    if (input.bytes !== l.packet_bytes) complain(file, `${input.bytes} bytes, ${l.packet_bytes} in the ledger`);
}

for (const file of files) check(file);
console.log(`# ${balanced} ledgers, ${compared} of them against the bytes of the capture, ${refused} captures refused`);
if (wrong || balanced === 0 || compared === 0) process.exit(1);
