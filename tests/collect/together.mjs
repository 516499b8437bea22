// together.mjs: the same events by capture, collector and relay make the same tape; all three make one tape together.
// usage: together.mjs FOLDER
import http from 'node:http';
import path from 'node:path';
import {once} from 'node:events';
import {record, cat, sleep, test, event, batch} from './lib.mjs';

const folder = process.argv[2];
const file = (name) => path.join(folder, name);
const port = (address) => Number(/:(\d+)$/.exec(address)[1]);

async function serve() {
  const server = http.createServer((q, r) => q.resume().on('end', () => r.end('{"errMsg":"request:ok"}')));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}
const post = async (to, body) => (await fetch(`http://127.0.0.1:${to}/beacon?app=wx1`, {method: 'POST', body})).json();

// A session of one user: every kind of event, some batches twice, one that comes late.
function session(from) {
  const e = (seq, kind, more) => ({t: from + seq * 1000, kind, app: 'wx1', user: 'u1', stream: 's1', platform: 'ios', seq, ...more});
  const scope = 'scope.record';
  return [[e(1, 'start', {fresh: true, observes: ['prompts', 'decisions']}), e(2, 'call', {call: '1', api: 'authorize', scope})],
    [e(3, 'prompt', {scope, call: '1'}), e(4, 'decision', {scope, answer: 'deny'}), e(5, 'return', {call: '1', errMsg: 'authorize:fail auth deny', errno: 103})],
    [e(3, 'prompt', {scope, call: '1'}), e(6, 'call', {call: '2', api: 'openSetting'})],
    [e(7, 'settings', {scope, granted: true}), e(8, 'settings-page', {authSetting: {[scope]: true}}),
      e(9, 'return', {call: '2', errMsg: 'openSetting:ok', authSetting: {[scope]: true}})],
    [e(10, 'reset', {}), e(11, 'gap', {lost_bytes: 5}), e(12, 'call', {call: '3', api: 'login', note: {x: [1, null]}}), e(13, 'end', {})]];
}

const direct = await serve(), behind = await serve(), common = ['-d', 'beacon'];
const capture = ['-i', 'lo', '-f', `tcp port ${direct.address().port}`, '--immediate'];
const probe = await record([...capture, '-w', file('capture.tape'), ...common]);
if (probe.status !== undefined) {
  console.log(`ok - the sources together # SKIP cannot capture here: ${probe.err.trim().split('\n')[0]}`);
  process.exit(0);
}

// ---- Three recordings

const collector = await record(['--listen', '0', '-w', file('collector.tape'), ...common]);
const relay = await record(['--relay', `0=127.0.0.1:${behind.address().port}`, '-w', file('relay.tape'), ...common]);
await sleep(300);
for (const events of session(Date.now() * 1000 - 60e6)) {
  const body = batch(...events);
  await Promise.all([post(direct.address().port, body), post(port(collector.listening[0]), body), post(port(relay.relays[0]), body)]);
}
await sleep(500);
for (const r of [probe, collector, relay]) await r.stop();
const wanted = session(0).flat().filter((e, i, all) => all.findIndex((o) => o.seq === e.seq) === i);
const [captured, collected, relayed] = ['capture', 'collector', 'relay'].map((n) => cat(file(`${n}.tape`)).map(({packet, ...e}) => e));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const told = () => [captured, collected, relayed].map((t) => t.map((e) => JSON.stringify(e)).join('\n')).join('\n\n');
test('three sources: what was sent, once', collected.length === wanted.length && collected.every((e, i) => e.seq === wanted[i].seq && e.kind === wanted[i].kind), told());
test('three sources: the same tape', same(captured, collected) && same(collected, relayed), told());

// ---- One recording

const all = await record([...capture, '--listen', '0', '--relay', `0=127.0.0.1:${behind.address().port}`, '-w', file('all.tape'), ...common]);
await sleep(300);
const to = [direct.address().port, port(all.listening[0]), port(all.relays[0])];
const answers = [];
for (let i = 0; i < 30; i++) {
  const t = Date.now() * 1000;
  answers.push(post(to[i % 3], batch(event('one', i, {t, user: 'u', via: i % 3}))));
  await sleep(20);
}
const acks = (await Promise.all(answers)).filter((a) => a.events !== undefined);
test('one recording: the collector acknowledges', acks.length === 10 && acks.every((a) => a.events === 1), JSON.stringify(acks));
await sleep(300);
test('one recording: it ends', (await all.stop()) === 0, all.err);
const events = cat(file('all.tape')).filter((e) => e.kind === 'call');
test('one recording: everything is there, in the order of its time', events.length === 30 && events.every((e, i) => e.seq === i), JSON.stringify(events.map((e) => e.seq)));
test('one recording: only what was captured has a packet', events.every((e) => (e.via === 0) === 'packet' in e));
process.exit(0);
