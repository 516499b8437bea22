// load.mjs: 10,000 events a second, amid clients that stall, repeat, lie, flood and have no token. What was acknowledged
// has to be on the tape, once, also when the collector is killed.   usage: load.mjs FOLDER SECONDS
import http from 'node:http';
import net from 'node:net';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {spawn} from 'node:child_process';
import readline from 'node:readline';
import WebSocket from 'ws';
import {authtape, record, peak, sleep, test} from './lib.mjs';

const [folder, seconds] = [process.argv[2], Number(process.argv[3])];
const RATE = 10000, BATCH = 50, SENDERS = 40, SOCKETS = 8;
const TOTAL = RATE * seconds, MEMORY_MIB = 160;
const tape = path.join(folder, 'load.tape'), token = path.join(folder, 'token');
fs.writeFileSync(token, 'a-secret-of-many-letters\n');
const secret = 'a-secret-of-many-letters', auth = {authorization: `Bearer ${secret}`};

let recorder, port, over = false, peakMib = 0, acknowledged = 0, doubles = 0;
const counts = {stalled: 0, repeated: 0, lied: 0, flooded: 0, random: 0, strangers: 0, reached: 0};
const acks = new Map(); // stream -> numbers [first, last] acknowledged

async function start() {
  recorder = await record(['--listen', `127.0.0.1:${port ?? 0}`, '--token', token, '-w', tape, '--listen-idle-s', '5',
    '--listen-clients', '400']);
  port = Number(/:(\d+)$/.exec(recorder.listening[0])[1]);
}

// ---- Honest senders

function body(stream, first, n) {
  const list = [];
  for (let i = first; i < first + n; i++)
    list.push(`{"t":${1700000000000000 + i},"kind":"call","app":"wx1","user":"${stream}","stream":"${stream}","call":"${i}","api":"login","seq":${i}}`);
  return `{"authtape":1,"id":${first},"events":[${list.join()}]}`;
}

function noteAck(stream, first, answer) {
  if (answer.events + answer.doubles !== BATCH) throw Error(`${stream} ${first}: ${JSON.stringify(answer)}`);
  acks.get(stream).push(first);
  acknowledged += BATCH;
  doubles += answer.doubles;
}

const agent = new http.Agent({keepAlive: true, maxSockets: SENDERS + 20});
function post(text, {headers = auth, localAddress, timeout = 20000} = {}) {
  return new Promise((resolve, reject) => {
    const q = http.request({port, method: 'POST', agent: localAddress ? undefined : agent, localAddress, timeout,
      headers: {...headers, 'content-length': Buffer.byteLength(text)}}, (r) => {
      let got = '';
      r.setEncoding('utf8').on('data', (d) => (got += d)).on('end', () => resolve({status: r.statusCode, text: got}));
      r.on('error', reject);
    });
    q.on('timeout', () => q.destroy(Error('timeout'))).on('error', reject);
    q.end(text);
  });
}

async function untilTaken(stream, first) {
  for (;;) {
    try {
      const r = await post(body(stream, first, BATCH));
      if (r.status === 200) return noteAck(stream, first, JSON.parse(r.text));
      if (r.status !== 429 && r.status !== 503) throw Error(`${r.status} ${r.text}`);
    } catch (e) {
      if (!e.code && e.message !== 'timeout' && e.message !== 'socket hang up') throw e;
    }
    await sleep(100);
  }
}

// `next` is the time of the next batch: whoever is late goes on at once.
async function pace(share, each) {
  const interval = (BATCH * 1000) / (RATE * share), n = Math.ceil((TOTAL * share) / BATCH);
  let next = Date.now() + Math.random() * interval;
  for (let i = 0; i < n; i++, next += interval) {
    await sleep(Math.max(0, next - Date.now()));
    await each(1 + i * BATCH);
  }
}

function sender(i, share) {
  const stream = `http-${i}`;
  acks.set(stream, []);
  return pace(share, (first) => untilTaken(stream, first));
}

async function socketSender(i, share) {
  const stream = `socket-${i}`;
  acks.set(stream, []);
  const open = new Map();
  let ws;
  async function connect() {
    for (;;) {
      ws = new WebSocket(`ws://127.0.0.1:${port}/?token=${secret}`);
      ws.on('message', (d) => {
        const answer = JSON.parse(d);
        if (open.has(answer.ack)) noteAck(stream, answer.ack, answer);
        open.delete(answer.ack);
      });
      ws.on('error', () => {});
      if (await new Promise((r) => ws.on('open', () => r(true)).on('close', () => r(false)))) break;
      await sleep(100);
    }
    for (const text of open.values()) ws.send(text);
  }
  await connect();
  await pace(share, async (first) => {
    const text = body(stream, first, BATCH);
    open.set(first, text);
    if (ws.readyState !== WebSocket.OPEN) await connect();
    else ws.send(text);
  });
  while (open.size) {
    await sleep(50);
    if (ws.readyState !== WebSocket.OPEN) await connect();
  }
  ws.close();
}

// ---- The others

function connect(localAddress) {
  const s = net.connect({port, host: '127.0.0.1', localAddress});
  s.on('error', () => {}).on('data', () => {});
  return s;
}
const closed = (s, ms) => Promise.race([new Promise((r) => s.on('close', r)), sleep(ms)]).then(() => s.destroy());
const head = (more) => `POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\n${more}\r\n`;

async function staller() {
  const beginnings = ['', 'POST', head('Content-Length: 1000\r\n'), head('Content-Length: 100\r\n') + '[{"kind":',
    head('Transfer-Encoding: chunked\r\n') + '5\r\n[', 'GET / HTTP/1.1\r\nX: ' + 'y'.repeat(20000)];
  while (!over) {
    const s = connect('127.0.0.2');
    s.write(beginnings[counts.stalled++ % beginnings.length]);
    const drip = setInterval(() => s.write('x'), 500);
    await closed(s, 9000);
    clearInterval(drip);
  }
}

async function repeater() {
  while (!over) {
    const [stream, firsts] = [...acks][counts.repeated % acks.size] ?? [];
    if (firsts?.length) {
      const first = firsts[Math.floor(Math.random() * firsts.length)];
      const r = await post(body(stream, first, BATCH)).catch(() => null);
      if (r?.status === 200 && JSON.parse(r.text).events !== 0) throw Error(`taken twice: ${stream} ${first} ${r.text}`);
      counts.repeated++;
    }
    await sleep(50);
  }
}

// A message with the number of one that will be sent honestly: cut off, so that nothing of it may count.
async function liar() {
  const text = body('lies', 1, 3);
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
  const upgrade = `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\n${key}\r\n`;
  const lies = [head(`Content-Length: ${text.length + 9}\r\n`) + text, head(`Content-Length: ${text.length - 9}\r\n`) + text,
    head('Content-Length: -1\r\n') + text, head('Content-Length: 18446744073709551617\r\n') + text,
    head('Transfer-Encoding: chunked\r\n') + `ffffffff\r\n${text}\r\n0\r\n\r\n`,
    head('Transfer-Encoding: chunked\r\n') + `fffffffffffffffff\r\n${text}\r\n0\r\n\r\n`,
    head(`Content-Encoding: gzip\r\nContent-Length: ${text.length}\r\n`) + text,
    upgrade + '\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0' + text, upgrade + '\x81\x7e\x00\x05' + text,
    upgrade + `\x81\xfe${String.fromCharCode(text.length >> 8, text.length & 255)}\0\0\0\0` + text.slice(9),
    upgrade + '\x89\xfe\x01\x00\0\0\0\0' + text];
  while (!over) {
    const s = connect('127.0.0.3');
    s.end(Buffer.from(lies[counts.lied++ % lies.length], 'latin1'));
    await closed(s, 1000);
  }
}

// 1 GB: as a body that says so, in chunks, and as a message in fragments.
async function flooder() {
  const chunk = Buffer.alloc(65536, 0x20), frame = Buffer.concat([Buffer.from([0x00, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), chunk]);
  const wsHead = `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`;
  const kinds = [[head('Content-Length: 1073741824\r\n'), chunk],
    [head('Transfer-Encoding: chunked\r\n'), Buffer.concat([Buffer.from('10000\r\n'), chunk, Buffer.from('\r\n')])],
    [Buffer.concat([Buffer.from(wsHead), Buffer.from([0x01, 0x80, 0, 0, 0, 0])]), frame]];
  while (!over) {
    const [first, piece] = kinds[counts.flooded++ % kinds.length], s = connect('127.0.0.4');
    let gone = false, sent = 0;
    s.on('close', () => (gone = true));
    s.write(first);
    while (!gone && !over && sent < 1 << 30) {
      if (!s.write(piece)) await Promise.race([new Promise((r) => s.once('drain', r)), new Promise((r) => s.once('close', r))]);
      sent += piece.length;
    }
    s.destroy();
    await sleep(300);
  }
}

async function noise() {
  while (!over) {
    const s = connect('127.0.0.5'), n = counts.random++;
    if (n % 3 === 1) s.write(head('Content-Length: 4096\r\n'));
    if (n % 3 === 2) s.write(`POST /${'?'.repeat(n % 50)} HTTP/1.1\r\n`);
    s.end(crypto.randomBytes(4096));
    await closed(s, 1000);
  }
}

async function stranger() {
  const wrong = [{}, {authorization: 'Bearer wrong'}, {authorization: `Basic ${secret}`}, {authorization: `Bearer ${secret}x`},
    {authorization: `Bearer ${secret.slice(1)}`}];
  while (!over) {
    const r = await post(body('stranger', 1, 2), {headers: wrong[counts.strangers++ % wrong.length], localAddress: '127.0.0.6'}).catch(() => null);
    if (r && r.status !== 401) counts.reached++;
    const ws = new WebSocket(`ws://127.0.0.1:${port}/?token=${secret}x`, {localAddress: '127.0.0.6'});
    ws.on('error', () => {}).on('open', () => counts.reached++ || ws.send(body('stranger', 1, 2)));
    await new Promise((r) => ws.on('close', r));
    await sleep(50);
  }
}

// ---- The run

await start();
const began = Date.now();
const watcher = setInterval(() => {
  try {
    peakMib = Math.max(peakMib, peak(recorder.child.pid));
  } catch {} // between two runs
}, 200);
const others = [staller(), staller(), staller(), repeater(), liar(), flooder(), flooder(), noise(), stranger()];
const honest = [...Array(SENDERS).keys()].map((i) => sender(i, 0.8 / SENDERS));
for (let i = 0; i < SOCKETS; i++) honest.push(socketSender(i, 0.2 / SOCKETS));
const killer = (async () => {
  await sleep(seconds * 600);
  await recorder.stop('SIGKILL');
  await start();
})();
await Promise.all([...honest, killer]);
const took = (Date.now() - began) / 1000;
peakMib = Math.max(peakMib, peak(recorder.child.pid));
await recorder.stop('SIGKILL');
over = true;
clearInterval(watcher);
agent.destroy();
await Promise.all(others);

// ---- What is on the tapes

const seen = new Map([...acks.keys()].map((s) => [s, new Uint8Array(TOTAL + 2 * BATCH + 2)]));
let foreign = 0, twice = 0, lines = 0;
const tapes = fs.readdirSync(folder).filter((f) => /^load.*\.tape$/.test(f)).map((f) => path.join(folder, f));
for (const t of tapes) {
  const reader = spawn(authtape, ['cat', t], {stdio: ['ignore', 'pipe', 'ignore']});
  for await (const line of readline.createInterface({input: reader.stdout})) {
    const found = /"kind":"(\w+)".*"stream":"([^"]*)".*?(?:"seq":(\d+))?}$/.exec(line), numbers = seen.get(found?.[2]);
    if (found?.[1] === 'start') continue;
    lines++;
    if (!numbers) foreign++;
    else if (numbers[found[3]]++) twice++;
  }
}
let missing = 0;
for (const [stream, firsts] of acks)
  for (const first of firsts) for (let i = first; i < first + BATCH; i++) missing += !seen.get(stream)[i];

const told = JSON.stringify({seconds: took, acknowledged, perSecond: Math.round(acknowledged / took), doubles, lines, peakMib: Math.round(peakMib), tapes: tapes.length, ...counts});
console.log(`# ${told}`);
test('load: all that was sent was acknowledged', acknowledged >= TOTAL, told);
test('load: nothing acknowledged is missing, although it was killed twice', missing === 0, `${missing} missing`);
test('load: nothing is on the tape twice', twice === 0, `${twice} twice`);
test('load: nothing of strangers, liars and noise is on the tape', foreign === 0 && counts.reached === 0, `${foreign} events, ${counts.reached} let in`);
test('load: memory is bounded', peakMib < MEMORY_MIB, `${peakMib} MiB`);
test('load: every kind of bad client had its turn',
  ['stalled', 'repeated', 'lied', 'flooded', 'random', 'strangers'].every((k) => counts[k] > 3), told);
process.exit(0);
