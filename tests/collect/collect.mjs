// collect.mjs: what the collector takes, refuses, answers and records.   usage: collect.mjs FOLDER
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import zlib from 'node:zlib';
import {once} from 'node:events';
import {spawnSync} from 'node:child_process';
import WebSocket from 'ws';
import {authtape, record, cat, raw, sleep, test, event, batch} from './lib.mjs';

const folder = process.argv[2];
const file = (name) => path.join(folder, name);
const port = (r) => Number(/:(\d+)$/.exec(r.listening[0])[1]);
const equal = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const without = (e, ...names) => Object.fromEntries(Object.entries(e).filter(([k]) => !names.includes(k)));

async function post(r, body, {query = '', headers = {}, method = 'POST'} = {}) {
  const answer = await fetch(`${r.url}/beacon${query}`, {method, headers, body});
  const text = await answer.text();
  return {status: answer.status, headers: answer.headers, json: text ? JSON.parse(text) : null};
}

// ---- What is taken

async function taken() {
  const r = await record(['--listen', '127.0.0.1:0', '--app', 'query:app', '--user', 'header:X-User', '-w', file('taken.tape')]);
  const one = await post(r, JSON.stringify(event('a', 1)));
  test('an object', one.status === 200 && equal(one.json, {authtape: 1, events: 1, doubles: 0}), JSON.stringify(one));
  test('an array', equal((await post(r, JSON.stringify([event('a', 2), event('a', 3)]))).json, {authtape: 1, events: 2, doubles: 0}));
  test('a batch', equal((await post(r, batch(event('a', 4), event('a', 5)))).json, {authtape: 1, events: 2, doubles: 0}));
  test('an empty batch', equal((await post(r, batch())).json, {authtape: 1, events: 0, doubles: 0}));
  const id = await post(r, JSON.stringify({authtape: 1, id: 'x"1', now: 5, events: [event('a', 6)]}));
  test('a batch with an id', equal(id.json, {authtape: 1, ack: 'x"1', events: 1, doubles: 0}), JSON.stringify(id.json));
  for (const [coding, pack] of [['gzip', zlib.gzipSync], ['deflate', zlib.deflateSync], ['deflate', zlib.deflateRawSync],
    ['gzip, gzip', (b) => zlib.gzipSync(zlib.gzipSync(b))], ['identity', Buffer.from]]) {
    const n = 10 + Math.floor(Math.random() * 1e9);
    const a = await post(r, pack(Buffer.from(batch(event('z', n)))), {headers: {'content-encoding': coding}});
    test(`content coding ${coding}, ${pack.name || 'twice'}`, a.status === 200 && a.json.events === 1, JSON.stringify(a));
  }
  const chunked = await raw(port(r), 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n' +
    batch(event('c', 1)).match(/.{1,7}/gs).map((p) => `${p.length.toString(16)}\r\n${p}\r\n`).join('') + '0\r\n\r\n');
  test('a chunked body', /^HTTP\/1.1 200/.test(chunked), chunked);
  const before = Date.now() * 1000;
  await post(r, JSON.stringify({kind: 'call', call: '1', api: 'login', stream: 'named'}), {query: '?app=wx%41', headers: {'x-user': 'me'}});
  await post(r, JSON.stringify([{...event('future', 1), t: 9e15}]));
  test('the status', equal(without((await post(r, undefined, {method: 'GET'})).json, 'version'),
    {authtape: 1, messages: 13, events: 14, doubles: 0, refused: 0}));
  test('it ends', (await r.stop()) === 0, r.err);
  const after = Date.now() * 1000, events = cat(file('taken.tape')).filter((e) => e.kind !== 'start');
  const a = events.filter((e) => e.stream === 'a');
  test('events are kept as they were sent', equal(a, [1, 2, 3, 4, 5, 6].map((n) => event('a', n))), JSON.stringify(a));
  const named = events.find((e) => e.stream === 'named');
  test('what lacks is filled in', named.app === 'wxA' && named.user === 'me' && named.t >= before && named.t <= after, JSON.stringify(named));
  test('a time in the future is that of arrival', events.find((e) => e.stream === 'future').t <= after);
  test('all of it is on the tape', events.length === 14, events.length);
}

// ---- What is refused, all of it

async function refused() {
  const r = await record(['--listen', '127.0.0.1:0', '-w', file('refused.tape'), '--listen-body', '64k', '--listen-events', '100']);
  const good = event('r', 1);
  const table = [
    ['', ''], ['{', ''], ['nonsense', ''], ['[1]', '/0'], ['"text"', ''], ['{}', ''], ['{"kind":"cal"}', '/kind'], ['{"kind":1}', '/kind'],
    [JSON.stringify([good, {...good, seq: 2, kind: 'x'}]), '/1/kind'],
    [batch(good, {...good, seq: 2, t: 'now'}), '/events/1'], [batch(good, {...good, seq: 2, call: 7}), '/events/1'],
    [batch(good, {...good, api: undefined}), '/events/1'], [batch(good, null), '/events/1'],
    ['{"authtape":2,"events":[]}', '/authtape'], ['{"authtape":1}', ''], ['{"authtape":1,"events":{}}', '/events'],
    [batch(good, {...good, t: 1e99}), '/events/1'], [batch(good, {...good, user: ''}) + '}', ''],
    ['['.repeat(200) + ']'.repeat(200), ''], [`${batch(good)} ${batch(good)}`, ''], [batch(good).slice(0, -1), '']];
  for (const [body, place] of table) {
    const a = await post(r, body);
    test(`refused: ${body.slice(0, 30)}… at ${place || 'all'}`, a.status === 400 && a.json.error && (a.json.place ?? '') === place,
      `${body}\n${JSON.stringify(a.json)}`);
  }
  const big = await post(r, batch({...good, padding: 'x'.repeat(70000)})).catch((e) => ({status: 413, error: e}));
  test('too large a body: 413', big.status === 413);
  const bomb = await post(r, zlib.gzipSync(Buffer.alloc(1 << 20, 0x20)), {headers: {'content-encoding': 'gzip'}});
  test('too large when decompressed: 413', bomb.status === 413, JSON.stringify(bomb));
  test('101 events: 413', (await post(r, batch(...[...Array(101).keys()].map((i) => ({kind: 'reset', seq: i}))))).status === 413);
  test('another coding: 415', (await post(r, 'x', {headers: {'content-encoding': 'br'}})).status === 415);
  test('broken gzip: 400', (await post(r, 'x', {headers: {'content-encoding': 'gzip'}})).status === 400);
  test('cut gzip: 400', (await post(r, zlib.gzipSync(batch(good)).subarray(0, -5), {headers: {'content-encoding': 'gzip'}})).status === 400);
  const put = await post(r, 'x', {method: 'PUT'});
  test('PUT: 405', put.status === 405 && put.headers.get('allow').includes('POST'));
  test('nothing of it counts: the good one is new', (await post(r, batch(good))).json.events === 1);
  await r.stop();
  const events = cat(file('refused.tape')).filter((e) => e.kind !== 'start');
  test('nothing of it is on the tape', equal(events, [good]), JSON.stringify(events));
}

// ---- Repeats

async function repeats() {
  const args = ['--listen', '127.0.0.1:0', '-w', file('repeats.tape')];
  let r = await record(args);
  const plain = without(event('p', 1), 'seq');
  await post(r, batch(event('s', 1), event('s', 2), plain));
  const again = await post(r, batch(event('s', 2), event('s', 3), plain, event('t', 2), event('s', 2, {user: 'other'})));
  test('repeats are acknowledged', equal(again.json, {authtape: 1, events: 3, doubles: 2}), JSON.stringify(again.json));
  const twice = await post(r, batch(event('s', 9), event('s', 9)));
  test('a repeat in one message', equal(twice.json, {authtape: 1, events: 1, doubles: 1}));
  test('any order of numbers', equal((await post(r, batch(event('s', 7), event('s', 5), event('s', 9), event('s', 6)))).json, {authtape: 1, events: 3, doubles: 1}));
  const before = fs.readFileSync(file('repeats.tape'));
  await r.stop('SIGKILL');
  r = await record(args);
  test('the tape of the run before is put aside', /repeats.tape was there already, it is .*repeats-\d+T\d+Z.tape now/.test(r.err), r.err);
  const aside = fs.readdirSync(folder).filter((f) => /^repeats-/.test(f));
  test('and not touched', aside.length === 1 && fs.readFileSync(file(aside[0])).equals(before));
  const late = await post(r, batch(event('s', 1), event('s', 2), event('s', 3), event('s', 4), event('s', 5), plain));
  test('repeats are known after a kill', equal(late.json, {authtape: 1, events: 1, doubles: 5}), JSON.stringify(late.json));
  await r.stop();
  const numbers = cat(file(aside[0]), file('repeats.tape')).filter((e) => e.stream === 's' && e.user === 'u-s' && e.kind === 'call').map((e) => e.seq);
  test('each is on the tapes once', equal(numbers.sort(), [1, 2, 3, 4, 5, 6, 7, 9]), JSON.stringify(numbers));
}

// ---- Who may

async function gates() {
  for (const address of ['0.0.0.0:0', '[::]:0']) {
    const {status, stderr} = spawnSync(authtape, ['record', '--listen', address, '-w', file('none.tape')], {timeout: 5000});
    test(`${address} takes a token`, status === 2 && /that takes a token/.test(stderr), stderr);
  }
  for (const [text, why] of [['', /empty/], ['two words', /visible ASCII/], ['ü', /visible ASCII/]]) {
    fs.writeFileSync(file('bad-token'), text);
    const {status, stderr} = spawnSync(authtape, ['record', '--listen', '0', '--token', file('bad-token'), '-w', file('none.tape')], {timeout: 5000});
    test(`a token '${text}' is refused`, status === 2 && why.test(stderr), stderr);
  }
  test('nothing was written', !fs.existsSync(file('none.tape')));
  const r = await record(['--listen', '0.0.0.0:0', '-w', file('gates.tape'), '--cors', 'http://game.example'], {AUTHTAPE_TOKEN: 'open-sesame'});
  r.url = r.url.replace('0.0.0.0', '127.0.0.1');
  const good = batch(event('g', 1)), bearer = {authorization: 'Bearer open-sesame'};
  const wrong = {none: {}, short: {authorization: 'Bearer open-sesam'}, long: {authorization: 'Bearer open-sesame1'},
    scheme: {authorization: 'Basic open-sesame'}, empty: {authorization: 'Bearer '}};
  for (const [name, headers] of Object.entries(wrong)) {
    const a = await post(r, batch(event('bad', 1)), {headers});
    test(`token: ${name}: 401`, a.status === 401 && /Bearer/.test(a.headers.get('www-authenticate')), JSON.stringify(a));
  }
  for (const query of ['?token=', '?token=open', '?xtoken=open-sesame', '?token=open-sesame%20', '?a=token=open-sesame'])
    test(`token: ${query}: 401`, (await post(r, batch(event('bad', 1)), {query})).status === 401);
  test('token: wrong in the header, right in the query: 401', (await post(r, good, {query: '?token=open-sesame', headers: wrong.short})).status === 401);
  test('token: in the header', (await post(r, good, {headers: bearer})).json.events === 1);
  test('token: in the query', (await post(r, batch(event('g', 2)), {query: '?x=1&token=open-sesame&y=2'})).json.events === 1);
  const status = await post(r, undefined, {method: 'GET'});
  test('strangers get the version only', equal(Object.keys(status.json), ['authtape', 'version']), JSON.stringify(status.json));
  const cors = async (origin, method = 'OPTIONS') => (await post(r, method === 'POST' ? batch() : undefined, {method, headers: {origin, ...(method === 'POST' && bearer)}})).headers;
  const allowed = await cors('http://game.example');
  test('CORS: a preflight', allowed.get('access-control-allow-origin') === 'http://game.example' &&
    /authorization/i.test(allowed.get('access-control-allow-headers')) && /POST/.test(allowed.get('access-control-allow-methods')));
  test('CORS: another origin', !(await cors('http://other.example')).get('access-control-allow-origin'));
  test('CORS: the answer to a POST', (await cors('http://game.example', 'POST')).get('access-control-allow-origin') === 'http://game.example');
  const socket = new WebSocket(`${r.url.replace('http', 'ws')}/?token=no`);
  const [error] = await once(socket, 'error');
  test('a socket without the token: 401', /401/.test(error.message), error.message);
  await r.stop();
  test('strangers got nothing in', equal(cat(file('gates.tape')).filter((e) => e.kind !== 'start').map((e) => e.seq), [1, 2]));

  const open = await record(['--listen', '0', '-w', file('open.tape'), '--cors', 'http://game.example']);
  test('no token: a page of another origin: 403', (await post(open, good, {headers: {origin: 'http://evil.example'}})).status === 403);
  const evil = new WebSocket(open.url.replace('http', 'ws'), {origin: 'http://evil.example'});
  test('no token: its socket: 403', /403/.test((await once(evil, 'error'))[0].message));
  test('no token: an allowed origin', (await post(open, good, {headers: {origin: 'http://game.example'}})).status === 200);
  await open.stop();
}

// ---- How much

async function limits() {
  const r = await record(['--listen', '0', '-w', file('limits.tape'), '--listen-rate', '20', '--listen-clients', '20', '--listen-idle-s', '1', '--listen-memory', '64k']);
  const answers = await Promise.all([...Array(5).keys()].map((i) => post(r, batch(...[...Array(15).keys()].map((n) => event('l', 15 * i + n))))));
  const denied = answers.find((a) => a.status === 429);
  test('too much from an address: 429', denied && Number(denied.headers.get('retry-after')) >= 1, JSON.stringify(answers));
  const held = await Promise.all([...Array(4)].map((_, i) => new Promise((resolve) => {
    const s = net.connect({port: port(r), host: '127.0.0.1', localAddress: '127.0.0.9'});
    s.on('error', () => {}).on('data', (d) => (s.got = d.toString()));
    s.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n${' '.repeat(i < 3 ? 25000 : 29000)}`, () => resolve(s));
  })));
  await sleep(100);
  held[3].write(' '.repeat(1000));
  await sleep(200);
  test('too much at once: 503', /^HTTP\/1.1 503[^]*Retry-After: \d/i.test(held[3].got ?? ''), held[3].got);
  const begun = Date.now(), silent = net.connect({port: port(r), host: '127.0.0.1'});
  silent.on('error', () => {}).resume();
  silent.write('POST / HTTP/1.1\r\n');
  await Promise.race([once(silent, 'close'), sleep(8000)]);
  test('a silent connection is closed', silent.closed, `${Date.now() - begun} ms`);
  held.forEach((s) => s.destroy());
  const crowd = [...Array(40)].map(() => net.connect({port: port(r), host: '127.0.0.1'}).on('error', () => {}));
  await sleep(2500);
  test('more connections than allowed: the others are served again', (await post(r, undefined, {method: 'GET'})).status === 200);
  crowd.forEach((s) => s.destroy());
  await r.stop();
}

// ---- Sockets

async function sockets() {
  const r = await record(['--listen', '0', '-w', file('sockets.tape'), '--user', 'query:user', '--listen-body', '32k', '--listen-idle-s', '2']);
  const open = async (query = '') => {
    const ws = new WebSocket(`${r.url.replace('http', 'ws')}/${query}`);
    ws.answers = [];
    ws.on('message', (d) => ws.answers.push(JSON.parse(d))).on('error', () => {});
    await once(ws, 'open');
    return ws;
  };
  const ws = await open('?user=sock');
  ws.send(batch(event('w', 1)));
  ws.send('{"authtape":1,"id":"b","events":[{"kind":"reset","seq":2}]}');
  ws.send('{"authtape":1,"id":7,"events":[{"kind":"rest"}]}');
  ws.send('nonsense');
  ws.send(Buffer.from(batch(event('w', 3))));
  const long = batch(event('w', 4, {padding: 'x'.repeat(9000)}));
  for (let i = 0; i < long.length; i += 1000) ws.send(long.slice(i, i + 1000), {fin: i + 1000 >= long.length});
  ws.ping('are you there');
  const [pong] = await once(ws, 'pong');
  test('socket: a ping is answered', pong.toString() === 'are you there');
  for (let i = 0; i < 50 && ws.answers.length < 6; i++) await sleep(20);
  const by = (name, v) => ws.answers.find((a) => a[name] === v);
  test('socket: acknowledged by number', by('ack', 1)?.events === 1 && by('ack', 5)?.events === 1 && by('ack', 6)?.events === 1, JSON.stringify(ws.answers));
  test('socket: acknowledged by id', by('ack', 'b')?.events === 1);
  test('socket: refused by id, with the place', by('refused', 7)?.place === '/events/0/kind', JSON.stringify(ws.answers));
  test('socket: refused by number', by('refused', 4)?.error !== undefined);
  let pings = 0;
  ws.on('ping', () => pings++);
  await sleep(3500);
  test('socket: a silent one is pinged, and stays', pings > 0 && ws.readyState === WebSocket.OPEN, pings);
  ws.close(1000);
  test('socket: a close is answered', (await once(ws, 'close'))[0] === 1000);
  const large = await open();
  large.send('x'.repeat(40000));
  test('socket: too large a message: 1009', (await once(large, 'close'))[0] === 1009);
  const key = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  const unmasked = await raw(port(r), Buffer.from(`GET / HTTP/1.1\r\n${key}\x81\x02{}`, 'latin1'));
  test('socket: the key of RFC 6455', unmasked.includes('s3pPLMBiTxaQ9kYGzzhZRbK+xOo='), unmasked);
  test('socket: an unmasked frame: 1002', unmasked.includes('\x88\x02\x03\xea'));
  const reserved = await raw(port(r), Buffer.from(`GET / HTTP/1.1\r\n${key}\xb1\x80abcd`, 'latin1'));
  test('socket: reserved bits: 1002', reserved.includes('\x88\x02\x03\xea'));
  const rest = await open('?user=last');
  rest.send(batch({kind: 'call', call: 'x', api: 'login', seq: 1}));
  await once(rest, 'message');
  rest.send(batch({kind: 'reset', seq: 5}));
  await sleep(10);
  r.child.kill('SIGTERM');
  const [code] = await once(rest, 'close');
  test('socket: the end of the recording: 1001, after the last acknowledgement', code === 1001 && rest.answers.length === 2, `${code} ${JSON.stringify(rest.answers)}`);
  await r.over;
  const events = cat(file('sockets.tape')).filter((e) => e.kind !== 'start');
  test('socket: what was acknowledged is on the tape', equal(events.filter((e) => e.stream === 'w').map((e) => e.seq), [1, 3, 4]), JSON.stringify(events));
  test('socket: identity from the handshake', events.some((e) => e.kind === 'reset' && e.user === 'sock'));
  test('socket: its end', events.some((e) => e.kind === 'end' && e.user === 'sock') && !events.some((e) => e.kind === 'end' && e.user === 'last'), JSON.stringify(events));
}

// ---- The tape

async function signals() {
  const r = await record(['--listen', '0', '-w', file('signals.tape'), '--sync']);
  await post(r, batch(event('x', 1)));
  r.child.kill('SIGUSR1');
  await sleep(200);
  test('SIGUSR1: statistics', /1 messages, 2 events/.test(r.err), r.err);
  r.child.kill('SIGHUP');
  await sleep(200);
  await post(r, batch(event('x', 1), event('x', 2)));
  await r.stop();
  const old = fs.readdirSync(folder).filter((f) => /^signals-/.test(f));
  test('SIGHUP: a new tape', old.length === 1 && equal(cat(file('signals.tape')).map((e) => e.seq), [2]), old);
  const full = await record(['--listen', '0', '-w', '/dev/full']);
  const answer = await post(full, batch(event('f', 1))).catch(() => null);
  test('a disk that is full acknowledges nothing', answer === null, JSON.stringify(answer));
  await full.over;
  test('and ends the recording', full.status === 2 && /\/dev\/full: cannot write/.test(full.err), full.err);
  const busy = await record(['--listen', '0', '-w', file('busy.tape')]);
  const {status, stderr} = spawnSync(authtape, ['record', '--listen', busy.listening[0], '-w', file('busy2.tape')]);
  test('an address in use', status === 2 && /cannot listen on/.test(stderr) && !fs.existsSync(file('busy2.tape')), stderr);
  await busy.stop();
}

for (const part of [taken, refused, repeats, gates, limits, sockets, signals]) await part();
process.exit(0);
