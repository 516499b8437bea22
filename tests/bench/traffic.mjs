// traffic.mjs: JSON traffic of real clients and servers (Node's HTTP, the `ws` library) on loopback, captured.
//
//   node traffic.mjs FOLDER [MESSAGES]
//
// writes FOLDER/traffic.pcap and FOLDER/manifest.ndjson: one line a message, {"id","way","side","takeover"}, and the
// text of the message in FOLDER/bodies.ndjson, in no particular order. Every message carries its id.
// $BESIDE names an authtape that records the same traffic live: FOLDER/live.tape, and its ledger in FOLDER/live.json.
import { createWriteStream } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import zlib from 'node:zlib';
import { promisify } from 'node:util';
import WebSocket, { WebSocketServer } from 'ws';
import { Listener, pause } from '../wire/capture.mjs';

const [folder, wanted = '100000'] = process.argv.slice(2);
const total = Number(wanted);

// Numbers that are the same in every run.
let state = 12345;
const random = (n) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 8) % n;
};

const manifest = createWriteStream(`${folder}/manifest.ndjson`);
const bodies = createWriteStream(`${folder}/bodies.ndjson`);
let made = 0;
const words = ['scope.record', 'getLocation:fail:auth denied', 'authorize:ok', '用户拒绝授权', 'GET / HTTP/1.1\r\n', '{"x":1}',
  'émoji 😀', 'wx.getSetting', '\\"', 'scope.userLocation', 'HTTP/1.1 200 OK', 'null'];

/** A message of some kind, told apart from all others by its id. `side`: client or server. */
function message(way, side, takeover = false) {
  const id = ++made;
  const value = { id, method: `${way}.${words[random(4)]}`, params: [] };
  const size = random(400) === 0 ? 300 : random(6);
  for (let i = 0; i < size; i++) value.params.push({ n: random(1e9), [words[random(words.length)]]: words[random(words.length)] });
  const text = JSON.stringify(value);
  manifest.write(`{"id":${id},"way":"${way}","side":"${side}","takeover":${takeover}}\n`);
  bodies.write(text + '\n');
  return text;
}

// ---- HTTP

const deflateRaw = promisify(zlib.deflateRaw), deflate = promisify(zlib.deflate), gzip = promisify(zlib.gzip);
const ENCODINGS = {
  plain: async (text) => Buffer.from(text),
  gzip: async (text) => gzip(text, { level: 1 + random(9) }),
  deflate: async (text) => deflate(text),
  'raw-deflate': async (text) => deflateRaw(text),
  stacked: async (text) => gzip(await deflate(text)),
};
const HEADER = { gzip: 'gzip', deflate: 'deflate', 'raw-deflate': 'deflate', stacked: 'deflate, gzip' };
const encodingNames = Object.keys(ENCODINGS);

async function packed(way, side) {
  const name = encodingNames[random(encodingNames.length)];
  const body = await ENCODINGS[name](message(`${way}-${name}`, side));
  const headers = { 'content-type': 'application/json' };
  if (HEADER[name]) headers['content-encoding'] = HEADER[name];
  return { body, headers };
}

/** Sends a body with its length, or in chunks with a trailer. */
function send(out, body, chunked) {
  if (!chunked) return out.end(body);
  for (let at = 0; at < body.length; ) {
    const n = 1 + random(body.length);
    out.write(body.subarray(at, at + n));
    at += n;
  }
  return out.end();
}

const answers = [];
const server = http.createServer(async (request, response) => {
  const kind = request.headers['x-kind'];
  const turn = answers[request.socket.remotePort] ?? Promise.resolve(); // answers are made in the order of the requests
  const mine = turn.then(() => packed('http', 'server'));
  answers[request.socket.remotePort] = mine;
  request.resume();
  const { body, headers } = await mine;
  if (kind === 'chunked') {
    response.writeHead(200, { ...headers, trailer: 'x-sum' });
    for (let at = 0; at < body.length; at += 700) response.write(body.subarray(at, at + 700));
    response.addTrailers({ 'x-sum': '1' });
    response.end();
  } else if (kind === 'continue') {
    response.writeProcessing?.();
    response.writeHead(200, { ...headers, 'content-length': body.length });
    response.end(body);
  } else {
    response.writeHead(200, { ...headers, 'content-length': body.length });
    response.end(body);
  }
});
server.keepAliveTimeout = 60_000;

function exchange(agent, port, method, kind, body, headers) {
  return new Promise((resolve, reject) => {
    const chunked = kind === 'chunked';
    const extra = body ? (chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }) : {};
    const request = http.request({ port, host: '127.0.0.1', agent, method, path: `/auth?n=${made}`,
      headers: { ...headers, ...extra, 'x-kind': kind } }, (response) => {
      response.resume();
      response.on('end', resolve);
    });
    request.on('error', reject);
    if (body) send(request, body, chunked);
    else request.end();
  });
}

async function httpWorker(port, quota) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let done = 0; done < quota; done += 2) {
    const { body, headers } = await packed('http', 'client');
    await exchange(agent, port, 'POST', ['length', 'chunked', 'continue'][random(3)], body, headers);
  }
  agent.destroy();
}

/** Many requests on one connection before the first answer: Node's client does not do that, a socket does. */
async function pipelineWorker(port, quota) {
  const socket = net.connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let seen = 0, tail = '';
  let wake = () => {};
  socket.on('data', (data) => {
    const text = tail + data.toString('latin1');
    seen += text.split('HTTP/1.1 200 OK\r\nContent-Type: ').length - 1 + (text.split('HTTP/1.1 200 OK\r\ncontent-type: ').length - 1);
    const last = text.lastIndexOf('HTTP/1.1 2');
    tail = last >= 0 && text.length - last < 32 ? text.slice(last) : text.slice(-9).includes('H') ? '' : '';
    wake();
  });
  let sent = 0;
  for (let done = 0; done < quota; ) {
    const burst = Math.min(1 + random(8), Math.ceil((quota - done) / 2));
    const parts = [];
    for (let i = 0; i < burst; i++, done += 2) {
      const { body, headers } = await packed('pipelined', 'client');
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
      parts.push(Buffer.from(`POST /p HTTP/1.1\r\nHost: x\r\n${lines}Content-Length: ${body.length}\r\n\r\n`), body);
    }
    sent += burst;
    socket.write(Buffer.concat(parts));
    const limit = Date.now() + 2000;
    while (seen < sent && Date.now() < limit)
      await Promise.race([new Promise((resolve) => (wake = resolve)), pause(20)]);
  }
  socket.end();
}

// ---- WebSocket

const flavours = {
  'ws-plain': { perMessageDeflate: false },
  'ws-takeover': { perMessageDeflate: { threshold: 0 }, takeover: true },
  'ws-no-takeover': { perMessageDeflate: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true } },
  'ws-window-10': { perMessageDeflate: { threshold: 0, serverMaxWindowBits: 10, clientMaxWindowBits: 10 }, takeover: true },
  'ws-window-9': { perMessageDeflate: { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 }, takeover: true },
  'ws-threshold': { perMessageDeflate: { threshold: 200 }, takeover: true },
  'ws-fragmented': { perMessageDeflate: false, fragments: true },
  'ws-fragmented-deflate': { perMessageDeflate: { threshold: 0 }, fragments: true, takeover: true },
};

function wsSend(socket, way, side, { fragments, takeover }) {
  const text = message(way, side, Boolean(takeover));
  if (!fragments) return new Promise((resolve) => socket.send(text, resolve));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    const n = 1 + random(bytes.length);
    socket.send(bytes.subarray(at, at + n), { fin: at + n >= bytes.length, binary: false });
    at += n;
    if (at < bytes.length && random(2)) socket.ping('between');
  }
  return new Promise((resolve) => setImmediate(resolve));
}

async function wsWorker(port, way, flavour, quota) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/?openid=u1&appid=a1`, { perMessageDeflate: flavour.perMessageDeflate });
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  let answered = 0;
  let wake = () => {};
  socket.on('message', () => { answered++; wake(); });
  for (let done = 0, asked = 0; done < quota; done += 2) {
    await wsSend(socket, way, 'client', flavour);
    asked++;
    while (answered < asked - 4) await new Promise((resolve) => (wake = resolve));
    if (done + 2 >= quota) while (answered < asked) await new Promise((resolve) => (wake = resolve));
  }
  socket.close();
  await new Promise((resolve) => socket.on('close', resolve));
}

async function wsServer(way, flavour) {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: flavour.perMessageDeflate });
  await new Promise((resolve) => wss.on('listening', resolve));
  wss.on('connection', (socket) => {
    let turn = Promise.resolve();
    socket.on('message', () => (turn = turn.then(() => wsSend(socket, way, 'server', flavour))));
  });
  return wss;
}

// ---- All of it

await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const httpPort = server.address().port;
const servers = {};
for (const [way, flavour] of Object.entries(flavours)) servers[way] = await wsServer(way, flavour);
const ports = [httpPort, ...Object.values(servers).map((s) => s.address().port)];
const args = ['-i', 'lo', '-B', '131072', '-w', `${folder}/traffic.pcap`];
if (process.getuid() === 0) args.push('-Z', 'root');
const filter = ports.map((p) => `tcp port ${p}`).join(' or ');
const tcpdump = await Listener.start('tcpdump', [...args, filter], /listening on/);
const beside = ['record', '-i', 'lo', '--drop-to', 'root', '-f', filter, '--buffer', '64M', '-d', 'tests/decode/traffic.json',
  '--ledger', `${folder}/live.json`, '-w', `${folder}/live.tape`];
const recorder = process.env.BESIDE
  ? await Listener.start(process.env.BESIDE, beside, /recording on/).catch((error) => void console.log(error.message))
  : null;

const even = (n) => Math.max(2, 2 * Math.round(n / 2));
const jobs = [];
const workers = Math.max(2, Math.min(8, Math.floor(total / 500)));
for (let i = 0; i < workers; i++) {
  jobs.push(httpWorker(httpPort, even(total / 4 / workers)));
  jobs.push(pipelineWorker(httpPort, even(total / 4 / workers)));
}
for (const [way, flavour] of Object.entries(flavours))
  for (let i = 0; i < 2; i++) jobs.push(wsWorker(servers[way].address().port, way, flavour, even(total / 2 / 16)));
await Promise.all(jobs);
await pause(2500); // tcpdump gets packets a block at a time
await recorder?.stop();
await tcpdump.stop();
const drops = /(\d+) packets dropped by kernel/.exec(tcpdump.said)?.[1];
manifest.end();
bodies.end();
await Promise.all([manifest, bodies].map((s) => new Promise((resolve) => s.on('finish', resolve))));
console.log(`${made} messages, ${drops} packets dropped by tcpdump`);
process.exit(drops === '0' ? 0 : 1);
