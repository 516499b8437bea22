// truth.mjs: calls and answers of a recording against what really happened, one for one.
//   node truth.mjs TRUTH.json EVENTS.ndjson
import { readFileSync } from 'node:fs';

const [truthFile, eventsFile] = process.argv.slice(2);
const truth = JSON.parse(readFileSync(truthFile)).events;
const events = readFileSync(eventsFile, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
let wrong = 0;
const say = (what, wanted, got) => {
  wrong++;
  console.log(`${what}: wanted ${JSON.stringify(wanted)}, got ${JSON.stringify(got)}`);
};
const same = (what, wanted, got) => JSON.stringify(wanted) === JSON.stringify(got) || say(what, wanted, got);

const calls = new Map();
const returns = new Map();
for (const e of events) {
  if (e.kind !== 'call' && e.kind !== 'return') continue;
  const map = e.kind === 'call' ? calls : returns;
  if (map.has(e.call)) say('once', e.call, e);
  map.set(e.call, e);
}
for (const t of truth.filter((one) => one.rpc)) {
  const call = calls.get(t.rpc) ?? {};
  const answer = returns.get(t.rpc) ?? {};
  const what = `${t.seq} ${t.ev}`;
  same(`${what}: key`, [t.appid, t.openid], [call.app, call.user]);
  if (t.api) same(`${what}: api`, t.api, call.api);
  if (t.ev === 'call' && t.api === 'authorize') same(`${what}: scope`, t.scope, call.scope);
  if (t.errMsg) same(`${what}: errMsg`, t.errMsg, answer.errMsg);
  if (t.authSetting && !t.bug) same(`${what}: authSetting`, t.authSetting, answer.authSetting);
}
// Every answered call of an API that the truth speaks of is in the truth.
const known = new Set(truth.map((t) => t.rpc));
const apis = new Set(truth.filter((t) => t.rpc && t.api).map((t) => t.api));
for (const [id, call] of calls) if (apis.has(call.api) && !known.has(id)) say('no such call', null, call);
const taps = (list, kind) => list.filter((e) => e[kind] === (kind === 'ev' ? 'answer' : 'decision') && e.answer !== 'cancel');
same('taps', taps(truth, 'ev').map((t) => t.answer), taps(events, 'kind').map((e) => e.answer));
same('resets', truth.filter((t) => t.ev === 'reset').length, events.filter((e) => e.kind === 'reset').length);
for (let i = 1; i < events.length; i++) if (events[i].t < events[i - 1].t) say('order', events[i - 1], events[i]);
process.exit(wrong ? 1 : 0);
