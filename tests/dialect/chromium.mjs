// chromium.mjs: a page in headless Chromium logs events to its console; a client of the DevTools protocol listens to
// them over a compressed socket; the capture, recorded, is held against what the page says that it logged.
//
// Chromium answers with one frame a message, however long (as of version 156). So the client sits behind a relay that
// passes Chromium's messages on in fragments, and both connections are recorded, each on its own.
//
//   node chromium.mjs WORK-FOLDER AUTHTAPE      prints test results
import { spawn, spawnSync } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import WebSocket, { WebSocketServer } from 'ws';
import { Listener, pause, startTcpdump } from '../wire/capture.mjs';

const [work, authtape] = process.argv.slice(2);
const NAME = 'a CDP session of headless Chromium';

function skip(why) {
  console.log(`ok - ${NAME} # SKIP ${why}`);
  process.exit(0);
}

/** Runs in the page. Every event is kept as the page meant it, in `logged`. */
function game() {
  const logged = [];
  const base = { app: 'wxpage', user: 'oPAGE', stream: 'page-1', platform: 'devtools' };
  let t = Date.now() * 1000;
  const event = (kind, rest) => {
    const one = { kind, t: t++, ...base, seq: logged.length, ...rest };
    logged.push(one);
    return one;
  };
  const say = (one) => console.log(JSON.stringify(one));
  say(event('start', { fresh: true, observes: ['prompts', 'decisions'] }));
  for (let i = 0; i < 200; i++) {
    const call = event('call', { call: String(i), api: ['getLocation', 'authorize', 'getSetting'][i % 3], ...(i % 3 === 1 && { scope: 'scope.record' }) });
    // As a line with a prefix, as an argument beside others, as a batch, at another level.
    if (i % 4 === 0) console.log('[auth] ' + JSON.stringify(call));
    else if (i % 4 === 1) console.warn('auth', JSON.stringify(call), { not: 'an event' }, 7);
    else say(call);
    console.log(`frame ${i}`, document.body, [1, 2, 3]);
    if (i % 10 === 0) say(event('prompt', { scope: 'scope.userLocation' }));
    if (i % 10 === 0) say(event('decision', { answer: ['allow', 'deny', 'dismiss'][i % 3], scope: 'scope.userLocation' }));
    const errMsg = `${call.api}:${['ok', 'fail auth deny', 'fail:系统错误,错误码:-12006,auth deny', 'fail "😀"'][i % 4]}`;
    const more = call.api === 'getSetting' ? { authSetting: { 'scope.userLocation': i % 2 === 0, 'scope.record': true } } : {};
    const answer = event('return', { call: call.call, errMsg, ...more });
    say(answer);
    if (i % 25 === 0) say(answer); // said twice: counts once
  }
  // Long enough for the browser to send it in many fragments.
  const batch = [];
  for (let i = 0; i < 3000; i++) batch.push(event('call', { call: `batch ${i}`, api: 'getWeRunData', note: Array.from({ length: 40 }, () => Math.random().toString(36)).join("") }));
  say({ authtape: 1, events: batch });
  say(event('end', {}));
  window.logged = logged;
}

class Devtools {
  async connect(url) {
    this.socket = new WebSocket(url, { perMessageDeflate: { threshold: 0 }, maxPayload: 1 << 28 });
    await new Promise((resolve, reject) => this.socket.on('open', resolve).on('error', reject));
    this.waiting = new Map();
    this.fragments = 0;
    this.countFragments();
    this.socket.on('message', (data) => {
      const message = JSON.parse(data);
      this.waiting.get(message.id)?.(message.result);
    });
    return this;
  }

  /** Continuation frames (RFC 6455, section 5.4) that the browser sends. */
  countFragments() {
    let bytes = Buffer.alloc(0);
    this.socket._socket.on('data', (data) => {
      bytes = Buffer.concat([bytes, data]);
      for (;;) {
        const short = bytes[1] & 127;
        const head = { 126: 4, 127: 10 }[short] ?? 2;
        if (bytes.length < head) return;
        const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
        if (bytes.length < head + length) return;
        if ((bytes[0] & 15) === 0) this.fragments++;
        bytes = bytes.subarray(head + length);
      }
    });
  }

  send(method, params = {}) {
    const id = this.waiting.size + 1;
    this.socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.waiting.set(id, resolve));
  }
}

/** ws://127.0.0.1:PORT -> `url`, both sides compressed; what comes from there goes on in fragments. */
async function relay(url) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 0 } });
  await new Promise((resolve) => server.on('listening', resolve));
  server.on('connection', (near) => {
    const far = new WebSocket(url, { perMessageDeflate: { threshold: 0 }, maxPayload: 1 << 28 });
    const early = [];
    far.on('open', () => early.splice(0).forEach((data) => far.send(data, { binary: false })));
    near.on('message', (data) => (far.readyState === 1 ? far.send(data, { binary: false }) : early.push(data)));
    far.on('message', (data) => {
      for (let at = 0; at < data.length; at += 16384)
        near.send(data.subarray(at, at + 16384), { fin: at + 16384 >= data.length, binary: false });
    });
    near.on('close', () => far.close());
  });
  return server;
}

const json = (url) => fetch(url).then((response) => response.json());

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Not packet by packet: then its buffer has room for some tens of these long ones only. */
function capture(port, name) {
  const args = ['-i', 'lo', '-B', '65536', '-w', `${work}/${name}.pcap`];
  if (process.getuid() === 0) args.push('-Z', 'root');
  return Listener.start('tcpdump', [...args, `tcp port ${port}`], /listening on/);
}

async function browse(port, pageUrl) {
  const tcpdumps = [await capture(port, 'chromium')];
  let between;
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', `--remote-debugging-port=${port}`, `--user-data-dir=${work}/chromium`];
  const browser = spawn('chromium', [...flags, 'about:blank'], { stdio: 'ignore', detached: true });
  try {
    let page;
    for (let i = 0; i < 300 && !page; i++) {
      await pause(100);
      page = await json(`http://127.0.0.1:${port}/json`).then((list) => list.find((one) => one.type === 'page')).catch(() => undefined);
    }
    if (!page) throw new Error('chromium does not listen');
    between = await relay(page.webSocketDebuggerUrl);
    tcpdumps.push(await capture(between.address().port, 'relay'));
    const devtools = await new Devtools().connect(`ws://127.0.0.1:${between.address().port}/`);
    await devtools.send('Runtime.enable');
    await devtools.send('Page.enable');
    await devtools.send('Page.navigate', { url: pageUrl });
    for (let i = 0; i < 300; i++) {
      await pause(100);
      const said = await devtools.send('Runtime.evaluate', { expression: 'JSON.stringify(window.logged ?? null)', returnByValue: true });
      const logged = JSON.parse(said?.result?.value ?? 'null');
      if (!logged) continue;
      await pause(300); // what is still on its way
      devtools.socket.close();
      await pause(200);
      return { logged, fragments: devtools.fragments };
    }
    throw new Error('the page does not come to its end');
  } finally {
    process.kill(-browser.pid, 'SIGKILL');
    between?.close();
    await pause(2500); // tcpdump gets packets a block at a time
    for (const tcpdump of tcpdumps) await tcpdump.stop();
    if (tcpdumps.some((one) => !/\b0 packets dropped by kernel/.test(one.said))) console.log('# tcpdump dropped packets');
  }
}

function run(args) {
  const done = spawnSync(authtape, args, { maxBuffer: 1 << 28, timeout: 60_000 });
  if (done.error || done.signal || done.status) throw new Error(`${args.join(' ')}: ${done.error ?? done.signal ?? done.stderr}`);
  return done;
}

const ordered = (value) =>
  value && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort().map(([name, one]) => [name, ordered(one)]))
    : value;

/** The capture of that connection against what the page logged. */
function compare(leg, logged) {
  const { stderr } = run(['record', '-r', `${work}/${leg}.pcap`, '-d', 'cdp', '-w', `${work}/${leg}.tape`]);
  const events = run(['cat', `${work}/${leg}.tape`]).stdout.toString().trim().split('\n').map((line) => JSON.parse(line));
  const got = events.map(({ packet, ...rest }) => JSON.stringify(ordered(rest)));
  const wanted = logged.map((one) => JSON.stringify(ordered(one)));
  for (let i = 0; i < Math.max(got.length, wanted.length); i++)
    if (got[i] !== wanted[i])
      throw new Error(`${leg}, number ${i} of ${got.length} (${wanted.length} wanted): got ${got[i]}, wanted ${wanted[i]}; ${stderr}`);
  const messages = run(['messages', '-r', `${work}/${leg}.pcap`]).stdout.toString();
  if (!/"encoding":"permessage-deflate".*consoleAPICalled/.test(messages)) throw new Error(`${leg}: nothing was compressed`);
}

if (spawnSync('chromium', ['--version']).error) skip('chromium is not installed');
try {
  await (await startTcpdump(1, `${work}/may-i.pcap`)).stop();
} catch (error) {
  skip(`no capturing here (root or CAP_NET_RAW): ${error.message.split('\n').pop()}`);
}
try {
  const page = `<!doctype html><meta charset="utf-8"><title>game</title><body><script>(${game})()</script>`;
  const server = http.createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(page));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { logged, fragments } = await browse(await freePort(), `http://127.0.0.1:${server.address().port}/`);
  server.close();
  if (!fragments) throw new Error('nothing was fragmented');
  for (const leg of ['chromium', 'relay']) compare(leg, logged);
  console.log(`# ${logged.length} events, ${fragments} continuation frames`);
  console.log(`ok - ${NAME}`);
} catch (error) {
  console.log(String(error.stack ?? error).slice(0, 2000).replace(/^/gm, '# '));
  console.log(`not ok - ${NAME}`);
}
