// live.mjs: the real client talks to the host over a real socket while `authtape record -i lo` listens.
//   node live.mjs WORK-FOLDER
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { AUTHTAPE, IDENTITY, authtape, compareImport, compareVerdict, compareWithTruth } from './authtape.mjs';
import { events, good, same, skip, test } from './authtape.mjs';
import { Listener, pause, play, startTcpdump } from './capture.mjs';
import { Host } from './host.mjs';
import { Player } from './sessions.mjs';

const work = process.argv[2];
const READY = /recording on/;

function startRecord(port, tape, { more = [], ...options } = {}) {
  const args = ['record', '-i', 'lo', '-f', `tcp port ${port}`, ...IDENTITY, ...more, '-w', tape];
  return Listener.start(AUTHTAPE, args, READY, options);
}

/** Events but for what two captures of the same packets may differ in. */
const comparable = (list) => list.map(({ t, packet, ...rest }) => rest);

/** Every message of the capture, in both directions, as the host sent and received it. */
function compareMessages(pcap, { messages }) {
  const lines = good(['messages', '-r', pcap]).toString().split('\n').filter(Boolean);
  const got = lines.map((line) => JSON.parse(line)).map(({ dir, body }) => ({ dir, body }));
  for (const dir of ['client', 'server'])
    same(
      got.filter((m) => m.dir === dir),
      messages.filter((m) => m.dir === dir).map(({ body }) => ({ dir, body })),
      `messages of the ${dir}`,
    );
}

/** Plays `session`, recorded live and by tcpdump at once. */
async function recordBeside(name, session, deflate) {
  const files = { live: `${work}/${name}.live.tape`, pcap: `${work}/${name}.pcap`, tape: `${work}/${name}.tape` };
  const truth = await play(session, {
    deflate,
    around: async (host) => {
      const tcpdump = await startTcpdump(host.port, files.pcap);
      const record = await startRecord(host.port, files.live);
      return async () => {
        files.exit = await record.stop('SIGINT');
        await tcpdump.stop();
      };
    },
  });
  return { truth, ...files };
}

async function beside(name, session, deflate) {
  let run;
  await test(`live, ${name}: SIGINT ends the recording with status 0`, async () => {
    run = await recordBeside(name, session, deflate);
    same([run.exit], [{ code: 0, signal: null }], 'exit');
    good(['verify', run.live]);
  });
  if (!run?.exit) return;
  await test(`live, ${name}: the tape has what happened`, () => compareWithTruth(events(run.live), run.truth));
  await test(`live, ${name}: the same events as from tcpdump's capture`, () => {
    good(['record', '-r', run.pcap, ...IDENTITY, '-w', run.tape]);
    const [live, read] = [events(run.live), events(run.tape)];
    same(comparable(live), comparable(read), 'events');
    live.forEach((event, i) => {
      if (Math.abs(event.t - read[i].t) > 20_000) throw new Error(`number ${i}: ${event.t} live, ${read[i].t} read`);
    });
  });
  if (session === 'clean') // one connection
    await test(`live, ${name}: every message of the wire`, () => compareMessages(run.pcap, run.truth));
  await test(`live, ${name}: cat, import, cat`, () => compareImport(run.live));
  await test(`live, ${name}: the verdict`, () => compareVerdict(run.live, run.truth));
}

/** A recorder killed in the middle: what is older than a flush (1 s) is on the tape, and the tape is readable. */
async function killed() {
  const tape = `${work}/killed.tape`;
  const host = await Host.start({});
  const record = await startRecord(host.port, tape);
  const player = await Player.connect(host);
  await player.prompted('getUserInfo', 'allow');
  await player.call('getSetting');
  await pause(1600);
  const flushed = { events: host.truth.slice() };
  for (let i = 0; i < 20; i++) await player.call('getUserInfo');
  await record.stop('SIGKILL');
  await player.leave();
  await host.stop();
  // Of what came after the flush anything may be there, but nothing that did not happen.
  const got = events(tape);
  const late = new Set(host.truth.slice(flushed.events.length).map((e) => e.rpc));
  compareWithTruth(got.filter((e) => !late.has(e.call)), flushed);
  const { status } = authtape(['verify', tape]);
  if (status > 1) throw new Error(`verify: exit status ${status}`);
}

/** `record -w - | replay -`: each divergence is told within a second, though nothing comes after it on the wire. */
async function whileItFlows() {
  const host = await Host.start({});
  const pipe = ['ignore', 'pipe', 'pipe'];
  const record = await startRecord(host.port, '-', { stdio: pipe });
  const replay = spawn(AUTHTAPE, ['replay', '--format', 'ndjson', '-'], { stdio: [record.child.stdout, 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => replay.on('exit', (code, signal) => resolve({ code, signal })));
  const told = [];
  createInterface(replay.stdout).on('line', (line) => told.push({ at: Date.now(), ...JSON.parse(line) }));
  const player = await Player.connect(host);
  const apis = ['getLocation', 'startRecord', 'getWeRunData', 'saveImageToPhotosAlbum'];
  const wrong = [];
  for (const api of apis) {
    await player.prompted(api, 'deny');
    host.faults.add('api-ignores-denial');
    await player.call(api);
    host.faults.delete('api-ignores-denial');
    wrong.push(host.truth.findLast((e) => e.kind === 'return' && e.api === api).rpc);
    await pause(1000);
    if (told.length !== wrong.length) break; // late
  }
  const early = told.slice();
  const how = await record.stop('SIGINT');
  await player.leave();
  await host.stop();
  same([how, await exited], [{ code: 0, signal: null }, { code: 1, signal: null }], 'exit');
  same(
    early.map(({ class: what, call, api }) => ({ what, call, api })),
    apis.map((api, i) => ({ what: 'unexpected-success', call: wrong[i], api })),
    'told at once',
  );
  const late = Math.max(...told.map(({ at, t }) => at - t / 1000));
  if (late >= 1000) throw new Error(`told ${late.toFixed(0)} ms after the event`);
  console.log(`# the latest line came ${late.toFixed(0)} ms after its event`);
}

async function sigterm() {
  const tape = `${work}/sigterm.tape`;
  const host = await Host.start({});
  const record = await startRecord(host.port, tape);
  const player = await Player.connect(host);
  await player.prompted('getUserInfo', 'deny');
  await pause(150);
  const how = await record.stop('SIGTERM'); // in the middle of the connection
  await player.leave();
  await host.stop();
  same([how], [{ code: 0, signal: null }], 'exit');
  compareWithTruth(events(tape), { events: host.truth });
  good(['verify', tape]);
}

async function main() {
  try {
    const tcpdump = await startTcpdump(1, `${work}/may-i.pcap`);
    await tcpdump.stop();
  } catch (error) {
    skip('live recordings', `no capturing here (it takes root or CAP_NET_RAW): ${error.message.split('\n').pop()}`);
    return;
  }
  await beside('plain', 'clean', false);
  await beside('compressed', 'clean', true);
  await beside('compressed, no context', 'clean', 'no-takeover');
  await beside('several players', 'players', false);
  await beside('a fault', 'denied-then-ok', false);
  await test('live: kill -9 leaves what was flushed', killed);
  await test('live: record -w - | replay - tells of a divergence within a second', whileItFlows);
  await test('live: SIGTERM in the middle of a connection', sigterm);
}

await main();
