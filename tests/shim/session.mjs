// session.mjs: one session of a game with the shim, recorded by a capture, by the collector and by the relay at once:
// equal tapes, equal to the account of the phone; nothing wrong with a host that does it right, and what is with others.
//   node session.mjs WORK-FOLDER
import { createRequire } from 'node:module';
import { AUTHTAPE, authtape, events, good, same, skip, test } from '../wire/authtape.mjs';
import { Listener, pause, startTcpdump } from '../wire/capture.mjs';
import { Phone, SCOPES } from './host.mjs';
import { DENIALS, OTHERS, play } from './script.mjs';

const work = process.argv[2];
const TOKEN = 'a-token-of-the-tests';
let ws;
try {
  ws = createRequire(new URL('../package.json', import.meta.url))('ws').WebSocket;
} catch {} // not installed

const portIn = (said, line) => Number(line.exec(said)[1]);

async function startCollector(tape) {
  const listener = await Listener.start(AUTHTAPE, ['record', '--listen', '127.0.0.1:0', '-w', tape], /listening on/, {
    env: { ...process.env, AUTHTAPE_TOKEN: TOKEN },
  });
  listener.port = portIn(listener.said, /listening on 127\.0\.0\.1:(\d+)/);
  return listener;
}

/** Plays the script, posted or through sockets, while all that listens listens. */
async function record(name, { fault, socket, relayed, captured } = {}) {
  const files = {
    collector: `${work}/${name}.collector.tape`,
    pcap: `${work}/${name}.pcap`,
    capture: `${work}/${name}.capture.tape`,
  };
  files.relay = `${work}/${name}.relay.tape`;
  const collector = await startCollector(files.collector);
  let { port } = collector;
  let relay;
  if (relayed) {
    const args = ['record', '--relay', `127.0.0.1:0=127.0.0.1:${port}`, '-d', 'beacon', '-w', files.relay];
    relay = await Listener.start(AUTHTAPE, args, /127\.0\.0\.1:\d+/);
    port = portIn(relay.said, /127\.0\.0\.1:(\d+)/);
  }
  const tcpdump = captured
    ? await startTcpdump(port, files.pcap).catch((error) => ({ error }))
    : { error: 'not wanted' };
  const phone = new Phone({ fault, socket });
  const scheme = socket ? 'ws' : 'http';
  await play(phone, { url: `${scheme}://127.0.0.1:${port}/?token=${TOKEN}` });
  await pause(200);
  const ends = [await relay?.stop(), await collector.stop()];
  await tcpdump.stop?.();
  if (!tcpdump.error) good(['record', '-q', '-r', files.pcap, '-d', 'beacon', '-w', files.capture]);
  return { ...files, phone, captured: !tcpdump.error, why: tcpdump.error, ends };
}

/** Without what only the wire adds. */
const bare = (list) => list.map(({ packet, ...e }) => e);

/** What the phone says, and what a tape says, in the same words: calls by their order, times to 2 ms. */
function fromAccount({ account }) {
  return account.map(({ ms, kind, number, api, scope, errMsg, errno, authSetting }) =>
    JSON.parse(JSON.stringify({ ms, kind, number, api, scope, errMsg, errno, authSetting })),
  );
}
function fromTape(list) {
  const numbers = new Map();
  return list
    .filter((e) => e.kind !== 'start')
    .map(({ t, kind, stream, call, api, scope, errMsg, errno, authSetting }) => {
      const key = `${stream} ${call}`;
      if (kind === 'call') numbers.set(key, numbers.size + 1);
      const e = { ms: Math.floor(t / 1000), kind, number: numbers.get(key), api, scope, errMsg, errno, authSetting };
      return JSON.parse(JSON.stringify(e));
    });
}
function sameAsAccount(tape, phone) {
  const [got, wanted] = [fromTape(events(tape)), fromAccount(phone)];
  // onStart of a recorder says nothing: the shim says it for the host
  for (const e of wanted) if (e.errMsg === 'operateRecorder:ok') e.errMsg = 'RecorderManager.start:ok';
  for (const [i, e] of wanted.entries()) if (got[i] && Math.abs(got[i].ms - e.ms) <= 2) got[i].ms = e.ms;
  same(got, wanted, 'events');
  for (const e of events(tape))
    if (e.app !== 'wx8d1f0aa0b3c4e5f6' || e.user !== 'oPLAYER0001' || e.platform !== 'android')
      throw new Error(`whose is ${JSON.stringify(e)}?`);
}

const FAULTS = {
  'flip-ignored': 'unexpected-failure',
  'grants-forgotten': 'unexpected-failure',
  'unasked-listed': 'setting-unasked',
  'wrong-api': 'wrong-api',
  'second-answer': 'second-answer',
};

async function main() {
  const relayed = authtape(['record', '--help']).out.includes('--relay');
  for (const [how, socket] of [['posted'], ['through sockets', ws]]) {
    if (how !== 'posted' && !socket) {
      skip('shim, a session through sockets', 'the npm package ws is not installed');
      continue;
    }
    let run;
    await test(`shim, a session ${how}: played, and recorded`, async () => {
      run = await record(how.split(' ').pop(), { socket, relayed, captured: true });
      same(run.ends.filter(Boolean), Array(relayed ? 2 : 1).fill({ code: 0, signal: null }), 'exits');
      const { account } = run.phone;
      const said = account.filter((e) => e.kind === 'return').map((e) => e.errMsg.replace(/^\w+(\.\w+)?/, ''));
      for (const [text] of [...DENIALS, ...OTHERS, [':ok'], [':fail auth canceled']])
        if (!said.includes(text)) throw new Error(`nobody was told '${text}'`);
      const asked = account.flatMap((e) => Object.keys(e.authSetting ?? {}));
      same([...new Set(asked)].sort(), [...SCOPES].sort(), 'scopes');
    });
    if (!run) continue;
    await test(`shim, a session ${how}: the collector's tape is the phone's account`, () =>
      sameAsAccount(run.collector, run.phone));
    if (!run.captured) skip(`shim, a session ${how}: a capture gives the same tape`, `no capturing here: ${run.why}`);
    else
      await test(`shim, a session ${how}: a capture gives the same tape`, () =>
        same(bare(events(run.capture)), bare(events(run.collector)), 'events'));
    if (!relayed) skip(`shim, a session ${how}: the relay gives the same tape`, 'this program has no relay');
    else
      await test(`shim, a session ${how}: the relay gives the same tape`, () =>
        same(bare(events(run.relay)), bare(events(run.collector)), 'events'));
    await test(`shim, a session ${how}: some were sent twice, none is there twice`, () => {
      const list = events(run.collector).filter((e) => e.seq);
      same([new Set(list.map((e) => `${e.stream} ${e.seq}`)).size], [list.length], 'events');
      if (run.phone.loseAnswers !== 0) throw new Error('no answer was lost');
    });
    await test(`shim, a session ${how}: nothing is wrong with this host`, () => {
      const out = JSON.parse(good(['replay', '--format', 'json', run.collector]));
      same([out.divergences.length, out.inconclusive], [0, 0], 'divergences and keys that are inconclusive');
      const inferred = out.inferred.filter((i) => i.kind === 'settings').map((i) => `${i.scope} ${i.granted}`);
      for (const flip of ['scope.werun true', 'scope.record false', 'scope.userLocation false'])
        if (!inferred.includes(flip)) throw new Error(`${flip} was not inferred: ${inferred}`);
    });
  }
  for (const [fault, wanted] of Object.entries(FAULTS))
    await test(`shim, a host that does it wrong: ${fault}`, async () => {
      const run = await record(fault, { fault });
      const { status, out } = authtape(['replay', '--format', 'json', run.collector]);
      const { divergences } = JSON.parse(out);
      same([status, divergences[0]?.class], [1, wanted], 'exit status and first divergence');
    });
}

await main();
