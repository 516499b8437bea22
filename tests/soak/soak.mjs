// soak.mjs: the load, the recorder and what is measured of it.   node soak.mjs WORK-FOLDER SECONDS
import {spawn, execFileSync, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import WebSocket, {WebSocketServer} from 'ws';

const [work, seconds] = [process.argv[2], Number(process.argv[3])];
const authtape = process.env.AUTHTAPE, TALKERS = 24;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let failed = 0;
function test(name, ok, remark) {
  console.log(`${ok ? 'ok' : 'not ok'} - ${name}`);
  if (!ok) (failed++, console.log(`# ${remark}`));
}

// ---- A host: automation protocol over WebSockets, compressed or not

const counts = {opened: 0, calls: 0, stalled: 0, died: 0, half: 0};
const server = http.createServer((_, response) => response.end('{}'));
const sockets = new WebSocketServer({server, perMessageDeflate: {threshold: 0}});
sockets.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data) => {
    const {id, params} = JSON.parse(data);
    socket.send(JSON.stringify({id, result: {result: {errMsg: `${params.method}:fail auth deny`}}}));
  });
});
await once(server.listen(0, '127.0.0.1'), 'listening');
const port = server.address().port;

// ---- The recorder

const tape = path.join(work, 'soak.tape'), ledger = path.join(work, 'ledger.json');
const recorder = spawn(authtape, ['record', '-i', 'lo', '--port', String(port), '--drop-to', 'root', '--buffer', '64M', '--idle-s', '20',
  '--app', 'query:appid', '--user', 'query:openid', '--ledger', ledger, '-w', tape], {stdio: ['ignore', 'ignore', 'pipe']});
let said = '';
recorder.stderr.on('data', (d) => (said += d));
while (!/recording on/.test(said) && recorder.exitCode === null) await sleep(20);

// ---- The load

let over = false;
async function talk(i) {
  for (let n = 0; !over; n++) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/?appid=wx1&openid=o${i}-${n % 500}`, {perMessageDeflate: i % 2 === 0});
    socket.on('error', () => {});
    await once(socket, 'open').catch(() => {});
    counts.opened++;
    let answered = 0;
    const all = new Promise((resolve) => (socket.on('message', () => ++answered === 40 && resolve()), socket.on('close', resolve)));
    for (let k = 0; k < 40 && !over; k++, counts.calls++)
      socket.send(JSON.stringify({id: `${i}.${n}.${k}`, method: 'App.callWxMethod', params: {method: 'startRecord', args: [{}]}}));
    await Promise.race([all, sleep(2000)]);
    if (n % 7 === 3) (socket.terminate(), counts.died++); // a reset in the middle
    else socket.close();
  }
}
/** Opens, says half of something, and either stays or goes. */
async function half() {
  while (!over) {
    const socket = net.connect(port, '127.0.0.1', () =>
      socket.write('POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"id":'));
    socket.on('error', () => {});
    counts.half++;
    if (counts.half % 3) setTimeout(() => socket.destroy(), 50);
    else (counts.stalled++, setTimeout(() => socket.destroy(), 30_000).unref());
    await sleep(25);
  }
}
const load = [...Array(TALKERS).keys()].map(talk);
load.push(half());

// ---- Its memory, every second

const memory = [];
const rss = () => Number(/VmRSS:\s*(\d+) kB/.exec(fs.readFileSync(`/proc/${recorder.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
for (let s = 0; s < seconds && recorder.exitCode === null; s++) {
  await sleep(1000);
  memory.push(rss());
}
over = true;
await Promise.all(load);
await sleep(500);
const ended = once(recorder, 'exit');
recorder.kill('SIGTERM');
const [status] = await ended;
sockets.clients.forEach((c) => c.terminate());
server.closeAllConnections?.();
server.close();

// ---- What came of it

const l = JSON.parse(fs.readFileSync(ledger, 'utf8'));
const steady = memory.slice(Math.min(60, Math.floor(memory.length / 3)));
const middle = Math.floor(steady.length / 2);
const most = (list) => Math.max(...list);
const tapeBytes = fs.statSync(tape).size;
console.log(`# ${seconds} s, ${JSON.stringify(counts)}, ${l.packets} packets, ${l.kernel_drops} dropped by the kernel, tape ${tapeBytes} bytes`);
console.log(`# memory in MiB: first ${memory[0]?.toFixed(1)}, most before ${most(memory).toFixed(1)}, first half of the rest ${most(steady.slice(0, middle)).toFixed(1)}, second half ${most(steady.slice(middle)).toFixed(1)}`);
console.log(`# ${said.trim().split('\n').join('\n# ')}`);
test('soak: it ends well', status === 0, said);
test('soak: memory is flat', most(steady.slice(middle)) <= most(steady.slice(0, middle)) * 1.05 + 1, memory.map((m) => m.toFixed(0)).join(' '));
const verify = spawnSync(authtape, ['verify', tape]);
test('soak: the tape verifies', verify.status === 0, verify.stdout + verify.stderr);
let answers = 0, gaps = 0, rest = '';
const cat = spawn(authtape, ['cat', tape], {stdio: ['ignore', 'pipe', 'inherit']});
for await (const part of cat.stdout) {
  const lines = (rest + part).split('\n');
  rest = lines.pop();
  for (const line of lines) (answers += line.includes('"kind":"return"'), gaps += line.includes('"kind":"gap"'));
}
const lost = l.kernel_drops + l.tcp_gaps + l.messages_lost + l.flows_evicted;
test('soak: every call that was answered is there, or its loss is in the ledger', answers >= counts.calls * 0.97 || lost > 0, `${answers} answers of ${counts.calls} calls, ledger ${JSON.stringify(l)}`);
test('soak: gaps are on the tape when there were any', l.tcp_gaps === 0 || gaps > 0, `${gaps} gaps of ${l.tcp_gaps}`);
const left = fs.readdirSync(work).filter((f) => !['soak.tape', 'ledger.json'].includes(f));
test('soak: nothing is left behind', left.length === 0 && !fs.existsSync(`/proc/${recorder.pid}`), left);
process.exit(failed ? 1 : 0);
