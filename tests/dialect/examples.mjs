// examples.mjs: the captures of the worked examples in authtape-dialect(5), as real clients and servers made them.
//   node examples.mjs FOLDER
// writes FOLDER/gateway.pcap, auth_trace.pcap and batch.pcap.
import http from 'node:http';
import WebSocket, { WebSocketServer } from 'ws';
import { pause, startTcpdump } from '../wire/capture.mjs';
import { Host } from '../wire/host.mjs';
import { Player } from '../wire/sessions.mjs';

const [folder] = process.argv.slice(2);

async function captured(name, port, play) {
  const tcpdump = await startTcpdump(port, `${folder}/${name}.pcap`);
  await play();
  await pause(300);
  await tcpdump.stop();
}

/** Two requests at once, answered in the other order. */
async function gateway() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.on('listening', resolve));
  server.on('connection', (socket) => {
    const asked = [];
    socket.on('message', (data) => {
      asked.push(JSON.parse(data));
      if (asked.length < 2) return;
      socket.send(JSON.stringify({ id: asked[1].id, errMsg: 'getSetting:ok', authSetting: { 'scope.record': false } }));
      socket.send(JSON.stringify({ id: asked[0].id, errMsg: 'authorize:fail auth deny', errno: 103 }));
    });
  });
  const { port } = server.address();
  await captured('gateway', port, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
    await new Promise((resolve) => socket.on('open', resolve));
    const who = { appid: 'wx1', openid: 'o1' };
    socket.send(JSON.stringify({ id: 1, api: 'wx.authorize', ...who, args: { scope: 'scope.record' } }));
    socket.send(JSON.stringify({ id: 2, api: 'wx.getSetting', ...who, args: {} }));
    await pause(100);
    socket.close();
  });
  server.close();
}

async function authTrace() {
  const host = await Host.start({ trace: true });
  await captured('auth_trace', host.port, async () => {
    const player = await Player.connect(host, { user: 'o1', app: 'wx1' });
    await player.prompted('startRecord', 'dismiss');
    await player.settings({ 'scope.record': true }); // refused: nothing was asked
    await player.prompted('startRecord', 'deny');
    await player.settings({ 'scope.record': true });
    await player.leave();
  });
  await host.stop();
}

async function batch() {
  const server = http.createServer((request, response) => request.resume().on('end', () => response.end('{"ok":true}')));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const ts = Date.now();
  const payload = (list) => JSON.stringify(list);
  const body = JSON.stringify({
    device: { openid: 'o1', os: 2, session: 's1' },
    records: [
      { tag: 'auth', payload: payload([{ type: 'req', ts: ts - 900, seq: 7, name: 'wx.authorize', permission: 'record' }, { type: 'dialog', ts: ts - 880, permission: 'record' }]) },
      { tag: 'fps', payload: '60' },
      { tag: 'auth', payload: payload([{ type: 'tap', ts: ts - 300, permission: 'record', button: 'yes' }, { type: 'res', ts: ts - 290, seq: 7, name: 'wx.authorize' }]) },
    ],
  });
  await captured('batch', port, () => new Promise((resolve) => {
    const request = http.request({ port, host: '127.0.0.1', method: 'POST', path: '/log', headers: { 'X-App-Id': 'wx1', 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } },
      (response) => response.resume().on('end', resolve));
    request.end(body);
  }));
  server.close();
}

await gateway();
await authTrace();
await batch();
