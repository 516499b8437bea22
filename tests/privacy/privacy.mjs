// privacy.mjs: sessions full of personal data, recorded from every source; none of it is on the tapes.
//   node privacy.mjs WORK-FOLDER
import {execFileSync, spawnSync} from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import {once} from 'node:events';
import WebSocket, {WebSocketServer} from 'ws';
import {authtape, cat, record, sleep, test} from '../collect/lib.mjs';

const work = process.argv[2];
const OPENID = 'oPERSON-7f3a', APPID = 'wxPRIVATE01';

/** What must not be found, whatever the source. The hosts below answer with all of it. */
const PERSONAL = ['小明的昵称', '31.259567', '121.526091', 'RUNDATA0RUNDATA1', 'phone-code-8812', '13812345678',
  'https://thirdwx.example/avatar', 'identity-signature'];
const RESULTS = {
  getUserInfo: {userInfo: {nickName: '小明的昵称', avatarUrl: 'https://thirdwx.example/avatar', gender: 1},
    rawData: '{"nickName":"小明的昵称"}', signature: 'identity-signature', iv: 'phone-code-8812'},
  getLocation: {latitude: 31.259567, longitude: 121.526091, accuracy: 65},
  getWeRunData: {encryptedData: 'RUNDATA0RUNDATA1', iv: 'phone-code-8812', cloudID: 'RUNDATA0RUNDATA1'},
  getPhoneNumber: {code: 'phone-code-8812', phoneInfo: {purePhoneNumber: '13812345678'}},
  chooseAddress: {userName: '小明的昵称', telNumber: '13812345678', detailInfo: '小明的昵称'},
};

/** A beacon event of a careless sender: everything that the API answered is in it, below names and beside them. */
const careless = (t) => Object.entries(RESULTS).flatMap(([api, result], i) => [
  {t: t + i * 10, kind: 'call', app: APPID, user: OPENID, stream: 'phone', call: `c${i}`, api, args: {nickName: '小明的昵称'}},
  {t: t + i * 10 + 1, kind: 'return', app: APPID, user: OPENID, stream: 'phone', call: `c${i}`, errMsg: `${api}:ok`,
    ...result, detail: {deep: [{result}]}, '\u006eickName': '小明的昵称', seq: i},
]);

/** A host that answers with personal data; cdp events of a careless sender on the same socket. */
function host() {
  const server = new WebSocketServer({port: 0, host: '127.0.0.1', perMessageDeflate: true});
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      const {id, params} = JSON.parse(data);
      socket.send(JSON.stringify({id, result: {result: {errMsg: `${params.method}:ok`, ...RESULTS[params.method]}}}));
    });
    for (const event of careless(Date.now() * 1000))
      socket.send(JSON.stringify({method: 'Runtime.consoleAPICalled',
        params: {type: 'log', args: [{type: 'string', value: JSON.stringify({authtape: 1, events: [event]})}]}}));
  });
  return once(server, 'listening').then(() => server);
}

/** A client of it calls everything. */
async function talk(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/?appid=${APPID}&openid=${OPENID}`, {perMessageDeflate: true});
  await once(socket, 'open');
  for (const [i, method] of Object.keys(RESULTS).entries()) {
    const answered = new Promise((resolve) => socket.on('message', (m) => JSON.parse(m).id === `x${i}` && resolve()));
    socket.send(JSON.stringify({id: `x${i}`, method: 'App.callWxMethod',
      params: {method, args: [{title: '小明的昵称', withCredentials: true}]}}));
    await answered;
  }
  socket.close();
  await once(socket, 'close');
}

const DIALECTS = ['-d', 'automator', '-d', 'cdp', '-d', 'beacon', '--app', 'query:appid', '--user', 'query:openid'];

/** Each gives the tape of a source, recorded with `more`. */
const sources = {
  async relay(tape, more) {
    const server = await host();
    const r = await record(['--relay', `0=127.0.0.1:${server.address().port}`, ...DIALECTS, ...more, '-w', tape]);
    await talk(/:(\d+)$/.exec(r.relays[0])[1]);
    await r.stop();
    server.close();
  },
  async interface(tape, more) {
    const server = await host();
    const r = await record(['-i', 'lo', '--port', String(server.address().port), ...DIALECTS, ...more, '-w', tape]);
    await talk(server.address().port);
    await sleep(300);
    await r.stop();
    server.close();
  },
  async listen(tape, more) {
    const r = await record(['--listen', '0', ...more, '-w', tape]);
    const answer = await fetch(r.url, {method: 'POST', body: JSON.stringify({authtape: 1, events: careless(Date.now() * 1000 - 1e6)})});
    if (answer.status !== 200) test('the collector takes the events', false, await answer.text());
    const socket = new WebSocket(r.url.replace('http', 'ws'));
    await once(socket, 'open');
    socket.send(JSON.stringify(careless(Date.now() * 1000 - 5e5).map((e, i) => ({...e, stream: 'socket', seq: i}))));
    await once(socket, 'message');
    socket.close();
    await r.stop();
  },
};

const found = (text, words) => words.filter((w) => text.includes(w));
const text = (tape) => execFileSync(authtape, ['cat', tape], {maxBuffer: 1 << 28}).toString();
const mayCapture = () => {
  const r = spawnSync('timeout', ['0.5', authtape, 'record', '-i', 'lo', '-q', '-w', `${work}/may.tape`]);
  return r.status === 124 || r.status === 0;
};

for (const [name, run] of Object.entries(sources)) {
  if (name === 'interface' && !mayCapture()) {
    console.log('ok - an interface # SKIP capturing needs root or CAP_NET_RAW');
    continue;
  }
  const tape = `${work}/${name}.tape`;
  await run(tape, []);
  const plain = text(tape), events = cat(tape);
  const returns = events.filter((e) => e.kind === 'return').length;
  test(`${name}: all answers are there`, returns >= 2 * Object.keys(RESULTS).length, plain);
  test(`${name}: nothing personal is on the tape`, found(plain, PERSONAL).length === 0, found(plain, PERSONAL));
  test(`${name}: who it was is`, plain.includes(OPENID));

  await run(`${work}/${name}.kept.tape`, ['--keep-args']);
  const kept = found(text(`${work}/${name}.kept.tape`), PERSONAL);
  test(`${name}: --keep-args asks for it`, kept.includes('小明的昵称') && kept.length === PERSONAL.length, kept);

  await run(`${work}/${name}.redacted.tape`, ['--redact']);
  const redacted = text(`${work}/${name}.redacted.tape`);
  const rest = found(redacted, [...PERSONAL, OPENID, APPID, '127.0.0.1', 'phone"', 'socket"']);
  test(`${name}: --redact leaves no names and addresses`, rest.length === 0, rest);
  test(`${name}: --redact leaves as many answers`,
    cat(`${work}/${name}.redacted.tape`).filter((e) => e.kind === 'return').length === returns);
}

// ---- Captures: those of the other tests have personal data, too, and verdicts that must not change.

const OF_CAPTURES = ['测试用户', '31.25956', '121.52609', 'AAAAAAAA', 'BBBB'];
const IDENTITY = ['--app', 'query:appid', '--user', 'query:openid', '--platform', 'query:platform'];
const run = (...args) => spawnSync(authtape, args, {maxBuffer: 1 << 28});
function verdict(tape) {
  const r = run('replay', '--format', 'json', tape);
  if (r.status > 1) throw new Error(`${tape}: ${r.status} ${r.stderr}`);
  return JSON.parse(r.stdout).divergences.map((d) => [d.class, d.rule, d.scope, d.api, d.event, d.packet, d.states, d.expected]);
}
const key = `${work}/key`;
fs.writeFileSync(key, crypto.randomBytes(32));
let had = 0;
const wrong = [];
for (const file of fs.readdirSync('tests/wire').filter((f) => f.endsWith('.pcap'))) {
  const pcap = `tests/wire/${file}`, tapes = ['a', 'b', 'c', 'd'].map((x) => `${work}/${x}.tape`);
  had += found(run('messages', '-r', pcap).stdout.toString(), OF_CAPTURES).length;
  run('record', '-r', pcap, ...IDENTITY, '-q', '-w', tapes[0]);
  run('record', '-r', pcap, ...IDENTITY, '-q', '--redact', '-w', tapes[1]);
  run('record', '-r', pcap, ...IDENTITY, '-q', '--pseudonymize', key, '-w', tapes[2]);
  run('slice', '--pseudonymize', key, '-w', tapes[3], tapes[0]);
  for (const tape of tapes) {
    if (found(text(tape), OF_CAPTURES).length) wrong.push(`${file}: ${found(text(tape), OF_CAPTURES)}`);
    if (JSON.stringify(verdict(tape)) !== JSON.stringify(verdict(tapes[0]))) wrong.push(`${file}: the verdict of ${tape}`);
  }
  if (text(tapes[2]) !== text(tapes[3])) wrong.push(`${file}: record and slice differ`);
  // The pseudonyms are HMACs, as somebody else computes them.
  const hmac = (what, name) => what[0] + crypto.createHmac('sha256', fs.readFileSync(key)).update(`${what}:${name}`).digest('hex').slice(0, 20);
  const [plain, hidden] = [cat(tapes[0]), cat(tapes[2])];
  plain.forEach((e, i) => {
    for (const what of ['user', 'app', 'stream'])
      if (hmac(what, e[what]) !== hidden[i][what]) wrong.push(`${file}: event ${i}: ${what} ${hidden[i][what]}`);
  });
}
test('captures: they do have personal data', had > 20, had);
test('captures: none is on a tape; verdicts stay; pseudonyms are HMACs of the key', wrong.length === 0, wrong.slice(0, 5).join('\n'));
