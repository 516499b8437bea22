// relay.mjs: what is relayed arrives unchanged, whatever the ends do, and its messages are on the tape.
// usage: relay.mjs FOLDER
import net from 'node:net';
import http from 'node:http';
import path from 'node:path';
import crypto from 'node:crypto';
import {once} from 'node:events';
import WebSocket, {WebSocketServer} from 'ws';
import {record, cat, sleep, test, event, batch} from './lib.mjs';

const folder = process.argv[2];
const hash = (b) => crypto.createHash('sha256').update(b).digest('hex');
const port = (address) => Number(/:(\d+)$/.exec(address)[1]);

// A target that does what the first byte of a connection says.
const seen = {reset: 0, clientReset: 0};
const target = net.createServer({allowHalfOpen: true}, (s) => {
  let how = '', got = [];
  s.on('error', (e) => (seen.clientReset += e.code === 'ECONNRESET'));
  s.on('data', (d) => {
    if (!how) {
      how = String.fromCharCode(d[0]);
      d = d.subarray(1);
      if (how === 'r') return s.resetAndDestroy();
      if (how === 'f') return s.end('bye'); // half-closed: goes on reading
      if (how === 's') setTimeout(() => s.resume(), 700), s.pause(); // a slow reader
    }
    if (how === 'e') s.write(d);
    else got.push(d);
  });
  s.on('end', () => (how === 'e' ? s.end() : s.end(hash(Buffer.concat(got)))));
});
await once(target.listen(0, '127.0.0.1'), 'listening');
const target6 = net.createServer((s) => s.end('six').on('error', () => {}));
await once(target6.listen(0, '::1'), 'listening');
const server = http.createServer((q, r) => {
  q.resume().on('end', () => r.end('{"id":1,"errMsg":"login:ok"}'));
});
new WebSocketServer({server, perMessageDeflate: true}).on('connection', (ws) => ws.on('message', (m) => ws.send(m.toString())));
await once(server.listen(0, '127.0.0.1'), 'listening');

const tape = path.join(folder, 'relay.tape');
const r = await record(['--relay', `0=127.0.0.1:${target.address().port}`, '--relay', `[::1]:0=[::1]:${target6.address().port}`,
  '--relay', `127.0.0.1:0=localhost:${server.address().port}`, '--relay', '0=127.0.0.1:1', '-d', 'beacon', '-w', tape]);
test('relay: it says where it listens', r.relays.length === 4, r.err);
const [plain, six, web, nowhere] = r.relays.map(port);

// Connects, sends, ends unless told otherwise, and gives what came and how it ended.
function talk(to, pieces, {end = true, host = '127.0.0.1'} = {}) {
  return new Promise((resolve) => {
    const got = [], s = net.connect({port: to, host, allowHalfOpen: true});
    let error;
    s.on('data', (d) => got.push(d)).on('error', (e) => (error = e.code)).on('end', () => s.end());
    s.on('close', () => resolve({bytes: Buffer.concat(got), error}));
    for (const p of pieces) s.write(p);
    if (end) s.end();
  });
}

const big = crypto.randomBytes(8 << 20);
const echo = await talk(plain, ['e', big]);
test('relay: 8 MB there and back, half-closed', hash(echo.bytes) === hash(big), echo.bytes.length);
const slow = await talk(plain, ['s', big]);
test('relay: a reader that is slow gets all of it', slow.bytes.toString() === hash(big), slow.bytes.toString());
const many = await Promise.all([...Array(200).keys()].map((i) => talk(plain, ['e', big.subarray(i * 1000, i * 1000 + 5000 + i)])));
test('relay: 200 connections at once, none mixed up', many.every((m, i) => hash(m.bytes) === hash(big.subarray(i * 1000, i * 1000 + 5000 + i))));
const finished = await talk(plain, ['f', 'x'], {end: false});
test('relay: the target closes first', finished.bytes.toString() === 'bye' && !finished.error, JSON.stringify(finished));
const reset = await talk(plain, ['r'], {end: false});
test('relay: a reset of the target reaches the client', reset.error === 'ECONNRESET', JSON.stringify(reset));
const rude = net.connect(plain, '127.0.0.1');
rude.on('error', () => {});
await new Promise((f) => rude.write('n', f));
await sleep(200);
rude.resetAndDestroy();
await sleep(300);
test('relay: a reset of the client reaches the target', seen.clientReset === 1, seen.clientReset);
test('relay: IPv6', (await talk(six, [], {host: '::1'})).bytes.toString() === 'six');
test('relay: a target that is not there', (await talk(nowhere, ['x'], {end: false})).error === 'ECONNRESET');

// A client that does not read must not make the relay keep it all.
const lazy = net.connect(plain, '127.0.0.1').on('error', () => {});
lazy.pause();
lazy.write('e');
let pushed = 0;
for (const until = Date.now() + 1000; Date.now() < until; await sleep(1))
  if (!lazy.writableNeedDrain) {
    lazy.write(big.subarray(0, 65536));
    pushed += 65536;
  }
test('relay: a client that does not read stops its sender', pushed < 64 << 20, pushed);
lazy.destroy();

// HTTP and a compressed socket, decoded while they pass.
const posted = await (await fetch(`http://127.0.0.1:${web}/x`, {method: 'POST', body: batch(event('post', 1), event('post', 2))})).text();
test('relay: HTTP', posted.includes('login:ok'), posted);
const ws = new WebSocket(`ws://127.0.0.1:${web}/?user=u`);
await once(ws, 'open');
const padding = 'x'.repeat(2000);
for (let i = 1; i <= 3; i++) ws.send(batch(event('ws', i, {padding})));
await once(ws, 'message');
ws.close();
await once(ws, 'close');
await sleep(300);
test('relay: it ends', (await r.stop()) === 0, r.err);
const events = cat(tape).filter((e) => e.kind === 'call');
test('relay: what passed is on the tape, as it was', events.length === 5 && events.every((e) => e.t && e.api === 'getLocation' && e.seq && !('packet' in e)),
  JSON.stringify(events));
test('relay: its losses are none', /lost or doubtful: 1 connections that could not be relayed\n$/.test(r.err), r.err);

// A queue too small for a burst: the decoder loses bytes and says so, the ends get all of it.
const lossy = path.join(folder, 'lossy.tape');
const l = await record(['--relay', `0=127.0.0.1:${target.address().port}`, '--relay-memory', '64k', '-d', 'beacon', '-w', lossy]);
const all = await Promise.all([...Array(20)].map(() => talk(port(l.relays[0]), ['e', big])));
test('relay: a decoder that does not follow costs the ends nothing', all.every((a) => hash(a.bytes) === hash(big)));
await l.stop();
const lost = Number(/(\d+) bytes relayed and not decoded/.exec(l.err)?.[1] ?? 0);
test('relay: what it lost is told', lost > 0 && /\d+ gaps in TCP streams/.test(l.err), l.err);
target.close();
target6.close();
server.close();
process.exit(0);
