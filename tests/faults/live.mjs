// Live recorders of loopback traffic, killed with SIGKILL at random instants, four at a time; then on disks that fail.
// usage: live.mjs PROGRAM FOLDER INJECT.so KILLS [SEED]
// What is on each tape has to be what was sent, from the first event captured on, in order, without a hole and without a
// wrong byte; all that was sent more than a moment before the kill; and what an independent reader finds there.
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [program, folder, inject, kills, seed = '1'] = process.argv.slice(2);
const AT_A_TIME = 4;
const FLUSHED_MS = 2500; // a frame has a second, the recorder's clock ticks, and the machine is busy
const READER = fileURLToPath(new URL('../tape/decode.mjs', import.meta.url));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let state = BigInt(seed);
const random = () => {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number(state >> 33n) / 2 ** 31;
};

// ---- Traffic: numbered calls in POSTs over one connection

const sent = []; // [time sent, first number behind it]
let next = 1;
const callOf = (n) => ({ app: 'app', user: `user-${n % 7}`, stream: `s${n % 7}`, call: String(n), api: n % 3 ? 'getLocation' : 'startRecord', n });

function talk(port, agent) {
  const events = [];
  for (let i = 0; i < 60; i++) events.push({ kind: 'call', t: Date.now() * 1000, ...callOf(next++) });
  const q = http.request({ port, host: '127.0.0.1', method: 'POST', agent, headers: { 'content-type': 'application/json' } }, (r) => {
    r.resume();
    r.on('end', () => {
      sent.push([Date.now(), next]);
      setTimeout(() => talk(port, agent), 4);
    });
  });
  q.end(JSON.stringify({ authtape: 1, events }));
}

// ---- What is left

const run = (...words) => spawnSync(words[0], words.slice(1), { encoding: 'utf8', maxBuffer: 1 << 30 });

function wholeFrames(tape) { // bytes up to the last whole frame, by the headers (tape(5))
  const bytes = readFileSync(tape);
  let at = 32;
  while (at + 64 <= bytes.length && at + 64 + bytes.readUInt32LE(at + 12) <= bytes.length) at += 64 + bytes.readUInt32LE(at + 12);
  return Math.min(at, bytes.length);
}

function wrong(tape, killedAt, status = 1) {
  if (!existsSync(tape) || statSync(tape).size === 0) return null; // killed before it began
  const cat = run(program, 'cat', tape);
  if (cat.status !== 0) return `cat ends with ${cat.status}: ${cat.stderr}`;
  const verify = run(program, 'verify', tape);
  if (verify.status !== status || (status && !/not finished|cut off/.test(verify.stdout))) return `verify: ${verify.status} ${verify.stdout}`;
  const lines = cat.stdout.split('\n').slice(0, -1).map((line) => JSON.parse(line));
  const calls = lines.filter((e) => e.kind === 'call');
  for (const e of lines) if (!['call', 'start', 'end'].includes(e.kind)) return `an event that nobody sent: ${JSON.stringify(e)}`;
  let last = null;
  for (const { t, kind, packet, ...rest } of calls) {
    if (last !== null && rest.n !== last + 1) return `${rest.n} follows ${last}`;
    last = rest.n;
    const want = callOf(rest.n);
    if (Object.keys(want).some((key) => want[key] !== rest[key]) || Object.keys(rest).length !== Object.keys(want).length)
      return `not what was sent: ${JSON.stringify(rest)}`;
  }
  const due = sent.findLast(([t]) => t <= killedAt - FLUSHED_MS);
  if (calls.length && due && due[1] - 1 > last && due[1] - 1 >= calls[0].n) return `${due[1] - 1} was sent long before the kill, ${last} is the last`;
  const whole = wholeFrames(tape);
  if (whole > 32) {
    copyFileSync(tape, `${tape}.whole`);
    truncateSync(`${tape}.whole`, whole);
    const other = run(process.execPath, READER, `${tape}.whole`);
    if (other.stdout !== cat.stdout) return `the independent reader has ${other.stdout.split('\n').length - 1} events, cat ${lines.length}: ${other.stderr}`;
  }
  totals.events += calls.length;
  totals.empty += calls.length === 0;
  totals.torn += whole !== statSync(tape).size;
  return null;
}

const totals = { events: 0, empty: 0, torn: 0 };

// ---- Recorders

function record(port, tape, words = [], env = {}) {
  if (tape.startsWith(folder)) rmSync(tape, { force: true });
  const child = spawn(program, ['record', '-i', 'lo', '-f', `tcp port ${port}`, '-q', '--hold-ms', '1', '-d', 'beacon', '-w', tape, ...words],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  const r = { child, said: '' };
  child.stderr.on('data', (d) => { r.said += d; });
  r.ended = new Promise((done) => child.on('close', (code, signal) => done(signal ?? code)));
  return r;
}

async function killed(port, tape, wait) {
  const r = record(port, tape);
  await sleep(wait);
  const killedAt = Date.now();
  r.child.kill('SIGKILL');
  return await r.ended === 'SIGKILL' ? wrong(tape, killedAt) : `the recorder ended by itself: ${r.said}`;
}

// A disk that fails ends the recording: one line, status 2, and what was written before is there.
async function failing(port, fault, words, message, tape = path.join(folder, 'fault.tape')) {
  const r = record(port, tape, words, { LD_PRELOAD: inject, AT_FAULT: fault });
  const status = await Promise.race([r.ended, sleep(15000).then(() => 'running')]);
  r.child.kill('SIGKILL');
  if (status !== 2) return `status ${status}: ${r.said}`;
  if (!new RegExp(`^authtape: ${tape}: ${message}\n$`).test(r.said)) return `it said: ${r.said}`;
  return tape.startsWith('/dev/') ? null : wrong(tape, 0);
}

// Short writes are gone on with.
async function slow(port) {
  const tape = path.join(folder, 'short.tape');
  const r = record(port, tape, [], { LD_PRELOAD: inject, AT_FAULT: 'write-short' });
  await sleep(2000);
  r.child.kill('SIGTERM');
  const status = await r.ended;
  return status === 0 && r.said === '' ? wrong(tape, 0, 0) : `status ${status}: ${r.said}`;
}

function tell(what, name) {
  if (what) console.log(`# ${what}`);
  console.log(`${what ? 'not ok' : 'ok'} - live: ${name}`);
}

const server = http.createServer((q, r) => { q.resume(); q.on('end', () => r.end()); });
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address();
  talk(port, new http.Agent({ keepAlive: true, maxSockets: 1 }));
  const failures = [];
  for (let done = 0, round = 0; done < kills; round++) {
    const n = Math.min(AT_A_TIME, kills - done);
    // one in five lives long enough to have to have flushed; the others are killed anywhere, also while they start
    const waits = Array.from({ length: n }, (_, i) => (i === 0 && round % 5 === 0 ? 3200 + 600 * random() : 900 * random()));
    const all = await Promise.all(waits.map((wait, i) => killed(port, path.join(folder, `killed${i}.tape`), wait)));
    all.forEach((what, i) => what && failures.push(`kill ${done + i + 1}: ${what}`));
    done += n;
  }
  console.log(`# ${kills} kills: ${totals.events} events read back, ${totals.torn} torn tapes, ${totals.empty} without a call yet`);
  tell(failures.slice(0, 5).join('\n# ') || (totals.events === 0 && 'no event at all'), `a recorder killed ${kills} times: what was written is read back`);
  tell(await failing(port, 'write-enospc:3', [], 'cannot write: No space left on device'), 'a disk that gets full');
  tell(await failing(port, '', [], 'cannot write: No space left on device', '/dev/full'), 'a full disk');
  tell(await failing(port, 'write-eio:2', [], 'cannot write: Input/output error'), 'a write that fails');
  tell(await failing(port, 'sync-eio:2', ['--fdatasync', 'frame'], 'cannot sync: Input/output error'), 'a sync of a frame that fails');
  tell(await failing(port, 'sync-eio', ['--fdatasync', '1'], 'cannot sync: Input/output error'), 'a sync after a second that fails');
  tell(await slow(port), 'short writes');
  process.exit(0);
});
