// dialects.mjs: traffic of real clients for each built-in dialect, captured on loopback.
//
//   node dialects.mjs FOLDER [MESSAGES]
//
// writes FOLDER/automator.pcap (miniprogram-automator against a host of our own: calls, wrapped calls, taps, mocks, log
// lines that are delivered twice, look-alikes), FOLDER/beacon.pcap (batches of events by HTTP and WebSocket) and
// FOLDER/cdp.pcap (console events), MESSAGES each (default 100000).
import http from 'node:http';
import automator from 'miniprogram-automator';
import WebSocket, { WebSocketServer } from 'ws';
import { Listener, pause } from '../wire/capture.mjs';
import { Host } from '../wire/host.mjs';

const [folder, wanted = '100000'] = process.argv.slice(2);
const total = Number(wanted);

// Numbers that are the same in every run.
let state = 4711;
const random = (n) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 8) % n;
};
const one = (list) => list[random(list.length)];

/** Runs `play` while tcpdump listens on the ports. */
async function captured(name, ports, play) {
  const args = ['-i', 'lo', '-B', '262144', '-w', `${folder}/${name}.pcap`];
  if (process.getuid() === 0) args.push('-Z', 'root');
  const tcpdump = await Listener.start('tcpdump', [...args, ports.map((p) => `tcp port ${p}`).join(' or ')], /listening on/);
  const messages = await play();
  await pause(2500); // tcpdump gets packets a block at a time
  await tcpdump.stop();
  const drops = /(\d+) packets dropped by kernel/.exec(tcpdump.said)?.[1];
  console.log(`${name}: ${messages} messages sent, ${drops} packets dropped by tcpdump`);
}

// ---- automator

const APIS = ['getUserInfo', 'getLocation', 'getWeRunData', 'startRecord', 'saveImageToPhotosAlbum'];
const SCOPES = ['scope.userInfo', 'scope.userLocation', 'scope.werun', 'scope.record', 'scope.writePhotosAlbum'];
const WRAPPER = '(api, arg) => new Promise((done) => wx[api](Object.assign({}, arg, { complete: done })))';

async function tester(host, user, quota) {
  const query = new URLSearchParams({ openid: user, appid: 'wx8d1f0aa0b3c4e5f6', platform: 'devtools' });
  const client = await automator.connect({ wsEndpoint: `ws://127.0.0.1:${host.port}/?${query}` });
  const quiet = (promise) => promise.catch((error) => error);
  const raw = (method, params) => quiet(client.connection.send(method, params));
  client.on('console', () => {});
  const tap = () => raw('Tool.native', { method: one(['authorizeAllow', 'authorizeCancel']), data: null });
  const gated = async (call) => {
    const timer = setInterval(tap, 3); // should it prompt
    await call;
    clearInterval(timer);
  };
  const direct = (api, args) => quiet(client.callWxMethod(api, args));
  const wrapped = (api, args) => quiet(client.evaluate(WRAPPER, api, args));
  const lookalikes = [
    () => direct('setStorage', { data: '{"id":"1","method":"App.callWxMethod","params":{"method":"getLocation"}}' }),
    () => raw('Page.getData', { pageId: 1, path: 'list' }),
    () => raw('Element.tap', { elementId: 'method', pageId: random(9) }),
    () => quiet(client.evaluate('() => getApp().globalData', 'method')),
    () => raw('App.getCurrentPage'),
    () => direct('request', { url: 'https://example.com/?method=authorize', header: { method: 'App.callWxMethod' } }),
  ];
  const deeds = [
    () => gated(direct(one(APIS), {})),
    () => gated(direct(one(APIS), { success: null, timeout: random(5000) })),
    () => gated(wrapped(one(APIS), {})),
    () => gated(direct('authorize', { scope: one(SCOPES) })),
    () => gated(wrapped('authorize', { scope: one(SCOPES) })),
    () => direct('getSetting', {}),
    () => wrapped('getSetting', {}),
    () => one(lookalikes)(),
    () => one(lookalikes)(),
  ];
  while (host.messages < quota) {
    await one(deeds)();
    if (random(400) === 0) await raw('Tool.clearCache', { clean: 'auth' });
    if (random(400) === 0) {
      await client.mockWxMethod('getLocation', { errMsg: 'getLocation:ok' });
      await client.callWxMethod('getLocation', {});
      await client.restoreWxMethod('getLocation');
    }
  }
  client.disconnect();
}

async function automatorTraffic() {
  const host = await Host.start({ deflate: true });
  host.log = () => {}; // nobody asks for the truth here
  let n = 0;
  host.messages = { push: () => n++, valueOf: () => n };
  host.server.on('connection', (socket) => {
    socket.on('message', () => {
      if (random(4)) return;
      const line = { method: 'App.logAdded', params: { type: 'log', args: [`frame ${n} "getLocation" took`, { ms: random(40), method: 'x' }] } };
      for (let i = 0; i < 2; i++) {
        n++;
        socket.send(JSON.stringify(line));
      }
    });
  });
  await captured('automator', [host.port], async () => {
    await Promise.all([...Array(8).keys()].map((i) => tester(host, `oTESTER${i}`, total)));
    return n;
  });
  await host.stop();
}

// ---- beacon and cdp

/** An event as the shim for games makes it. */
function event(seq, user) {
  const call = String(seq >> 1);
  const about = { t: Date.now() * 1000, app: 'wx8d1f0aa0b3c4e5f6', user, stream: `s-${user}`, platform: 'android', seq };
  const api = APIS[(seq >> 1) % 5];
  if (seq % 2 === 0) return { kind: 'call', ...about, call, api };
  return { kind: 'return', ...about, call, errMsg: random(3) ? `${api}:ok` : `${api}:fail auth deny` };
}

async function beaconTraffic() {
  const server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}'));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => sockets.on('listening', resolve));
  sockets.on('connection', (socket) => socket.on('message', () => socket.send('{"ok":true}')));
  const port = server.address().port;
  let n = 0;
  const batch = (seqs, user) => JSON.stringify({ authtape: 1, events: [...Array(1 + random(8))].map(() => event(seqs.next++, user)) });
  async function poster(user) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const seqs = { next: 0 }; n < total; n += 2)
      await new Promise((resolve, reject) => {
        const request = http.request({ port, host: '127.0.0.1', agent, method: 'POST', path: '/beacon' }, (response) =>
          response.resume().on('end', resolve));
        request.on('error', reject).end(batch(seqs, user));
      });
    agent.destroy();
  }
  async function sender(user) {
    const socket = new WebSocket(`ws://127.0.0.1:${sockets.address().port}/beacon`, { perMessageDeflate: false });
    await new Promise((resolve) => socket.on('open', resolve));
    for (const seqs = { next: 0 }; n < total; n += 2) {
      const answered = new Promise((resolve) => socket.once('message', resolve));
      socket.send(batch(seqs, user));
      await answered;
    }
    socket.close();
  }
  await captured('beacon', [port, sockets.address().port], async () => {
    await Promise.all([0, 1, 2, 3].flatMap((i) => [poster(`oPOST${i}`), sender(`oSEND${i}`)]));
    return n;
  });
  server.close();
  sockets.close();
}

/** What a page with the shim makes a browser say, among other things that it says. */
async function cdpTraffic() {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 1024 } });
  await new Promise((resolve) => sockets.on('listening', resolve));
  let n = 0;
  sockets.on('connection', async (socket, request) => {
    const user = request.url.slice(1);
    const seqs = { next: 0 };
    while (n < total) {
      n++;
      const value = random(3) ? JSON.stringify(event(seqs.next++, user)) : `frame ${n} took ${random(40)} ms`;
      const stackTrace = { callFrames: [{ functionName: 'log', scriptId: '4', url: 'http://127.0.0.1/game.js', lineNumber: 12, columnNumber: 9 }] };
      const params = { type: 'log', args: [{ type: 'string', value }], executionContextId: 1, timestamp: Date.now() + 0.123, stackTrace };
      const busy = { method: 'Network.dataReceived', params: { requestId: String(n), timestamp: 12345.678, dataLength: 999, encodedDataLength: 0 } };
      const message = JSON.stringify(random(4) ? { method: 'Runtime.consoleAPICalled', params } : busy);
      await new Promise((resolve) => socket.send(message, resolve));
    }
    socket.close();
  });
  const { port } = sockets.address();
  await captured('cdp', [port], async () => {
    await Promise.all([...Array(8).keys()].map((i) => new Promise((resolve) =>
      new WebSocket(`ws://127.0.0.1:${port}/oPAGE${i}`).on('close', resolve))));
    return n;
  });
  sockets.close();
}

await automatorTraffic();
await beaconTraffic();
await cdpTraffic();
