// soak.mjs: the load, the recorder and what is measured of it.   node soak.mjs WORK-FOLDER SECONDS
import {fork, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import {judge} from './judge.mjs';
import {Load} from './load.mjs';

const [work, seconds] = [process.argv[2], Number(process.argv[3])];
const authtape = process.env.AUTHTAPE, alone = process.env.ALONE === 'yes'; // nobody else is on this loopback
const IDLE_S = 20, STARVE_EVERY_S = 60, STARVE_MS = [700, 1500, 4000];
const RAW_BYTES_AT = 16; // in the header of a frame
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let failed = 0;
function test(name, ok, remark) {
  console.log(`${ok ? 'ok' : 'not ok'} - ${name}`);
  if (!ok) (failed++, console.log(`# ${remark}`));
}

// ---- Host and recorder

const host = fork(new URL('host.mjs', import.meta.url).pathname);
const [{port}] = await once(host, 'message');
const tape = path.join(work, 'soak.tape'), ledger = path.join(work, 'ledger.json');
const recorder = spawn(authtape, ['record', '-i', 'lo', '--port', String(port), '--drop-to', 'root', '--buffer', '4M', '--idle-s', String(IDLE_S),
  '--app', 'query:appid', '--user', 'query:openid', '--ledger', ledger, '-w', tape], {stdio: ['ignore', 'ignore', 'pipe']});
let said = '';
recorder.stderr.on('data', (d) => (said += d));
while (!/recording on/.test(said) && recorder.exitCode === null) await sleep(20);

// ---- When the kernel dropped packets: asked every second, with SIGUSR1

const windows = [];
let dropped = 0;
async function drops() {
  said = '';
  recorder.kill('SIGUSR1');
  while (recorder.exitCode === null && !/ of tape\n[^]*TCP connections\n/.test(said)) await sleep(10);
  return Number(/(\d+) packets dropped by the kernel/.exec(said.slice(said.indexOf(' of tape')))?.[1] ?? 0);
}
const watch = {over: false};
async function watching() {
  for (let from = Date.now(); !watch.over;) {
    await sleep(1000);
    const asked = Date.now(), n = await drops(); // counted at some time between the question and now
    if (n > dropped) windows.push([from, Date.now()]);
    [dropped, from] = [n, asked];
  }
}
/** The recorder stands still for a while each minute: then the kernel has to drop packets. */
async function starving() {
  for (let s = 1; !watch.over; s++) {
    await sleep(1000);
    if (s % STARVE_EVERY_S !== STARVE_EVERY_S / 2) continue;
    recorder.kill('SIGSTOP');
    await sleep(STARVE_MS[Math.floor(s / STARVE_EVERY_S) % STARVE_MS.length]);
    recorder.kill('SIGCONT');
  }
}

// ---- The load, and the recorder's memory every second

const load = new Load(port);
await sleep(500);
const helpers = [watching(), starving()];
const memory = [];
function sample() {
  const status = fs.readFileSync(`/proc/${recorder.pid}/status`, 'utf8');
  return Number(/RssAnon:\s*(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
}
for (let s = 0; s < seconds && recorder.exitCode === null; s++) {
  await sleep(1000);
  memory.push(sample());
}
await load.stop();
watch.over = true;
await Promise.all(helpers);
host.send('tell');
const [told] = await once(host, 'message');
await sleep(500);
const onLoopback = Number(/lo:\s*\d+\s+(\d+)/.exec(fs.readFileSync('/proc/self/net/dev', 'utf8'))[1]);
const ended = once(recorder, 'exit');
said = '';
recorder.kill('SIGTERM');
const [status] = await ended;

// ---- What came of it

/** The index of a tape in memory: the size, unpacked, of the frame that the trailer points at (tape.5). */
function indexBytes(file) {
  const bytes = fs.readFileSync(file);
  return bytes.readUInt32LE(Number(bytes.readBigUInt64LE(bytes.length - 16)) + RAW_BYTES_AT);
}

const l = JSON.parse(fs.readFileSync(ledger, 'utf8'));
const most = (list) => Math.max(...list);
const first = seconds >= 120 ? 60 : Math.floor(seconds / 3), middle = first + Math.floor((memory.length - first) / 2);
const memories = [memory.slice(0, first), memory.slice(first, middle), memory.slice(middle)].map(most);
console.log(`# ${seconds} s: ${JSON.stringify(load.counts)}`);
console.log(`# ledger: ${JSON.stringify(Object.fromEntries(Object.entries(l).filter((e) => e[1])))}; tape ${fs.statSync(tape).size} bytes`);
const index = indexBytes(tape) / 2 ** 20;
console.log(`# most memory of its own in MiB (of which the index of the tape in the end ${index.toFixed(2)}): at first ${memories[0].toFixed(2)}, in the first half of the rest ${memories[1].toFixed(2)}, in the second half ${memories[2].toFixed(2)}`);
console.log(`# over time: ${memory.filter((_, i) => i % Math.ceil(memory.length / 60) === 0).map((m) => m.toFixed(1)).join(' ')}`);
console.log(`# ${said.trim().split('\n').join('\n# ')}`);
test('soak: it ends well', status === 0, said);
if (seconds >= 120) test('soak: memory is flat, but for the index of the tape', memories[2] <= memories[1] * 1.05 + index, memory.map((m) => m.toFixed(2)).join(' '));
const verify = spawnSync(authtape, ['verify', tape]);
test('soak: the tape verifies', verify.status === 0, verify.stdout + verify.stderr);
if (alone) test('soak: every packet of the interface was read, or is in the ledger as dropped', l.packets + l.kernel_drops === onLoopback,
  `${onLoopback} packets, ${l.packets} read, ${l.kernel_drops} dropped`);
if (seconds >= STARVE_EVERY_S) test('soak: packets were dropped, as they had to be', l.kernel_drops > 0, JSON.stringify(windows));
test('soak: every byte of the ledger is somewhere', l.packet_bytes === l.header_bytes + l.other_bytes + l.malformed_bytes + l.fragment_bytes + l.tcp_bytes &&
  l.tcp_bytes === l.tcp_duplicate_bytes + l.decoded_bytes + l.undecoded_bytes + l.evicted_bytes, JSON.stringify(l));
if (l.kernel_drops === 0) test('soak: the messages lost are those that were only begun', l.messages_lost === told.halves, `${l.messages_lost}, ${told.halves} begun`);
const {wrong, counts} = await judge({authtape, tape, clients: load.connections, host: told.connections, port, windows, forgotten_ms: IDLE_S * 1000});
console.log(`# on the tape: ${JSON.stringify(counts)}; ${windows.length} times packets were dropped: ${JSON.stringify(windows)}; halves ${told.halves}`);
test('soak: what was received is on the tape, or lies in a loss that is told', wrong.length === 0, `${wrong.length}: ${wrong.slice(0, 100).join('\n# ')}`);
const left = fs.readdirSync(work).filter((f) => !['soak.tape', 'ledger.json'].includes(f));
test('soak: nothing is left behind', left.length === 0 && !fs.existsSync(`/proc/${recorder.pid}`), left);
process.exit(failed ? 1 : 0);
