// dialects.mjs: traffic of real clients for each built-in dialect, captured on loopback.
//
//   node dialects.mjs FOLDER [MESSAGES]
//
// writes FOLDER/automator.pcap (miniprogram-automator against a host of our own: pages and elements, calls, wrapped
// calls, taps, mocks, log lines that are delivered twice, look-alikes), FOLDER/beacon.pcap (a game's own backend, by HTTP
// and WebSocket, which gets the shim's batches among the game's messages), FOLDER/beacons.pcap (nothing but batches: the
// worst case) and FOLDER/cdp.pcap (a page's console and network, as DevTools are told), MESSAGES each (default 100000).
//
// How much of it is about authorization:
// - automator: a third of what a test does; the rest is pages, elements and other calls, of which most tests consist.
// - beacon: the shim gathers for two seconds, and nobody is asked for a permission more often than that: a batch is a call
//   and its answer, or one of the two where a person thinks it over; at the launch it is five events. It goes to the game's
//   own backend, where three of four requests here are the game's; really it is more.
// - cdp: headless Chromium 156, with a page of a game that sends a request a second, loads an image each other second,
//   logs a line a second and tells of a permission each five seconds, sent 270 Network messages (six a request), 29 lines
//   and 5 batches in half a minute. Here there are twice as many batches.
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
    const timer = setInterval(tap, 20); // should it prompt: a person, or a test, taps once
    await call;
    clearInterval(timer);
  };
  const direct = (api, args) => quiet(client.callWxMethod(api, args));
  const wrapped = (api, args) => quiet(client.evaluate(WRAPPER, api, args));
  const element = () => ({ elementId: `el-${random(99)}`, pageId: 1 + random(3) });
  const others = [
    () => direct('setStorage', { data: '{"id":"1","method":"App.callWxMethod","params":{"method":"getLocation"}}' }),
    () => direct('request', { url: 'https://example.com/?method=authorize', header: { method: 'App.callWxMethod' } }),
    () => quiet(client.evaluate('() => getApp().globalData', 'method')),
    () => raw('App.getCurrentPage'),
    () => raw('App.getPageStack'),
    () => raw('Page.getData', { pageId: 1, path: 'list' }),
    () => raw('Page.getElement', { pageId: 1 + random(3), selector: '.method' }),
    () => raw('Page.getElements', { pageId: 1 + random(3), selector: `.item-${random(9)}` }),
    () => raw('Page.setData', { pageId: 1, data: { method: 'x', list: [1, 2, random(9)] } }),
    () => raw('Element.getDOMProperties', { ...element(), names: ['innerText', 'offsetWidth'] }),
    () => raw('Element.getAttributes', { ...element(), names: ['class', 'data-id'] }),
    () => raw('Element.tap', { elementId: 'method', pageId: random(9) }),
  ];
  const asks = [
    () => gated(direct(one(APIS), {})),
    () => gated(direct(one(APIS), { success: null, timeout: random(5000) })),
    () => gated(wrapped(one(APIS), {})),
    () => gated(direct('authorize', { scope: one(SCOPES) })),
    () => gated(wrapped('authorize', { scope: one(SCOPES) })),
    () => direct('getSetting', {}),
    () => wrapped('getSetting', {}),
  ];
  while (host.messages < quota) {
    await one(random(3) ? others : asks)();
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

/** The shim of one game: its events, in batches as it makes them. */
class Shim {
  constructor(user) {
    this.user = user;
    this.stream = `${Math.random().toString(36).slice(2, 12)}.${Date.now().toString(36)}`;
    this.seq = 0;
    this.open = [];
  }
  put(kind, more) {
    const about = { t: Date.now() * 1000, kind, app: 'wx8d1f0aa0b3c4e5f6', user: this.user, stream: this.stream };
    return { ...about, platform: 'android', seq: ++this.seq, ...more };
  }
  call(api) {
    this.open.push({ call: String(this.seq + 1), api });
    return this.put('call', this.open.at(-1));
  }
  answer() {
    const { call, api } = this.open.shift();
    return this.put('return', { call, errMsg: random(3) ? `${api}:ok` : `${api}:fail auth deny` });
  }
  events() {
    if (this.seq === 0) return [this.put('start', { fresh: true }), this.call('login'), this.answer(), this.call('getSetting'), this.answer()];
    if (this.open.length) return [this.answer()];
    return random(3) ? [this.call(one(APIS)), this.answer()] : [this.call(one(APIS))];
  }
  batch() {
    return JSON.stringify({ authtape: 1, now: Date.now() * 1000, events: this.events() });
  }
}

/** What a game and its backend tell one another all the time. */
const ASKED = [
  (n) => ({ op: 'beat', n, t: Date.now(), scene: 'level-7', fps: 58 + random(3) }),
  (n) => ({ op: 'score', n, level: random(40), score: random(1e6), items: [random(9), random(9)], kind: 'normal' }),
  (n) => ({ op: 'track', n, list: [...Array(4)].map(() => ({ id: random(1e4), at: Date.now(), what: 'button', page: 'shop', ab: 'b' })) }),
];
const TOLD = [
  (n) => ({ code: 0, n, server_time: Date.now() }),
  (n) => ({ code: 0, n, rank: [...Array(6)].map((_, i) => ({ name: `玩家${random(999)}`, score: random(1e6), place: i })), mine: { place: random(1e5) } }),
  (n) => ({ code: 0, n, shop: [...Array(5)].map(() => ({ id: random(1e4), price: random(100), tags: ['new', 'sale'], open: true })) }),
];

async function backend(told) {
  const server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(told(request.url === '/beacon')));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => sockets.on('listening', resolve));
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(told(data.includes('"authtape"')))));
  return { server, sockets, http: server.address().port, ws: sockets.address().port };
}

async function beaconTraffic(name, among) {
  let n = 0;
  const told = (beacon) => (beacon ? '{"ok":true}' : JSON.stringify(one(TOLD)(n)));
  const said = (shim) => (random(among) ? JSON.stringify(one(ASKED)(n)) : shim.batch());
  const it = await backend(told);
  async function poster(user) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (const shim = new Shim(user); n < total; n += 2)
      await new Promise((resolve, reject) => {
        const text = said(shim), path = text.includes('"authtape"') ? '/beacon' : '/api';
        const request = http.request({ port: it.http, host: '127.0.0.1', agent, method: 'POST', path }, (response) =>
          response.resume().on('end', resolve));
        request.on('error', reject).end(text);
      });
    agent.destroy();
  }
  async function sender(user) {
    const socket = new WebSocket(`ws://127.0.0.1:${it.ws}/game`, { perMessageDeflate: false });
    await new Promise((resolve) => socket.on('open', resolve));
    for (const shim = new Shim(user); n < total; n += 2) {
      const answered = new Promise((resolve) => socket.once('message', resolve));
      socket.send(said(shim));
      await answered;
    }
    socket.close();
  }
  await captured(name, [it.http, it.ws], async () => {
    await Promise.all([0, 1, 2, 3].flatMap((i) => [poster(`oPOST${i}`), sender(`oSEND${i}`)]));
    return n;
  });
  it.server.close();
  it.sockets.close();
}

/** The six messages about one request. */
function network(n) {
  const about = { requestId: `1000.${n}`, timestamp: 3587.1 + n / 1000 };
  const headers = { Accept: '*/*', 'Content-Type': 'text/plain;charset=UTF-8', Referer: 'http://127.0.0.1/', 'User-Agent': `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36`, 'sec-ch-ua': '"Not:A-Brand";v="8", "Chromium";v="156"', 'sec-ch-ua-mobile': '?0', 'sec-ch-ua-platform': '"Linux"' };
  const answer = { Connection: 'keep-alive', Date: 'Thu, 26 Nov 2026 10:54:16 GMT', 'Keep-Alive': 'timeout=5', 'Transfer-Encoding': 'chunked', 'content-type': 'application/json' };
  const request = { url: `http://127.0.0.1/api/beat?n=${n}`, method: 'POST', headers, postData: `{"n":${n}}`, hasPostData: true, mixedContentType: 'none', initialPriority: 'High', referrerPolicy: 'strict-origin-when-cross-origin', isSameSite: true };
  const timing = { requestTime: about.timestamp, proxyStart: -1, proxyEnd: -1, dnsStart: -1, dnsEnd: -1, connectStart: -1, connectEnd: -1, sslStart: -1, sslEnd: -1, sendStart: 9.888, sendEnd: 17.178, pushStart: 0, pushEnd: 0, receiveHeadersStart: 17.187, receiveHeadersEnd: 36.148 };
  const response = { url: request.url, status: 200, statusText: 'OK', headers: answer, mimeType: 'application/json', charset: '', connectionReused: true, connectionId: 101, remoteIPAddress: '127.0.0.1', remotePort: 80, fromDiskCache: false, fromServiceWorker: false, encodedDataLength: 156, timing, protocol: 'http/1.1', securityState: 'secure' };
  const stack = { callFrames: [{ functionName: '', scriptId: '3', url: 'http://127.0.0.1/', lineNumber: 4, columnNumber: 18 }] };
  return [
    ['requestWillBeSent', { ...about, loaderId: '00BF8793BB72424845651796C897BCCE', documentURL: 'http://127.0.0.1/', request, wallTime: Date.now() / 1000, initiator: { type: 'script', stack }, type: 'Fetch', frameId: '3B8C164BCDF858E1EDE78DF46842F6B5', hasUserGesture: false }],
    ['requestWillBeSentExtraInfo', { requestId: about.requestId, associatedCookies: [], headers: { ...headers, Host: '127.0.0.1', 'Accept-Encoding': 'gzip, deflate, br, zstd' }, connectTiming: { requestTime: about.timestamp } }],
    ['responseReceivedExtraInfo', { requestId: about.requestId, blockedCookies: [], headers: answer, resourceIPAddressSpace: 'Loopback', statusCode: 200, headersText: 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nConnection: keep-alive\r\n\r\n' }],
    ['responseReceived', { ...about, type: 'Fetch', response, hasExtraInfo: true, frameId: '3B8C164BCDF858E1EDE78DF46842F6B5' }],
    ['dataReceived', { ...about, dataLength: 999, encodedDataLength: 0 }],
    ['loadingFinished', { ...about, encodedDataLength: 1647 }],
  ].map(([what, params]) => JSON.stringify({ method: `Network.${what}`, params }));
}

/** A line of the console. */
function line(values, n) {
  const args = values.map((value) => (typeof value === 'string' ? { type: 'string', value } : { type: 'number', value, description: String(value) }));
  const callFrames = ['log', 'tick', ''].map((functionName, i) => ({ functionName, scriptId: '4', url: 'http://127.0.0.1/game.js', lineNumber: 12 + i, columnNumber: 9 }));
  const timestamp = (Date.now() + (n % 1000) / 1000).toExponential(); // as Chromium writes it
  return `{"method":"Runtime.consoleAPICalled","params":{"type":"log","args":${JSON.stringify(args)},"executionContextId":1,"timestamp":${timestamp},"stackTrace":${JSON.stringify({ callFrames })}}}`;
}

async function cdpTraffic() {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 1024 } });
  await new Promise((resolve) => sockets.on('listening', resolve));
  let n = 0;
  sockets.on('connection', async (socket, request) => {
    const shim = new Shim(request.url.slice(1));
    while (n < total) {
      const turn = random(18); // of 18: 10 requests, 6 lines, 2 batches
      const messages = turn < 10 ? network(n) : turn < 16 ? [line(['fps', 60, 'entities', random(999)], n)] : [line([shim.batch()], n)];
      n += messages.length;
      for (const message of messages) await new Promise((resolve) => socket.send(message, resolve));
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
await beaconTraffic('beacon', 4);
await beaconTraffic('beacons', 1);
await cdpTraffic();
