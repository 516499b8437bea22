// live.mjs: what `authtape record -i` does besides recording: rotation, signals, several interfaces, privileges.
//   node live.mjs WORK-FOLDER
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { AUTHTAPE, IDENTITY, compareWithTruth, events, good, same, skip, test } from '../wire/authtape.mjs';
import { Listener, pause, startTcpdump } from '../wire/capture.mjs';
import { Host } from '../wire/host.mjs';
import { Player } from '../wire/sessions.mjs';

const work = process.argv[2];

/** Records while `during(player, record)` plays; all the tapes in the order of their names, the newest last. */
async function recorded(name, more, during) {
  const folder = mkdtempSync(`${work}/${name}-`);
  const host = await Host.start({});
  const args = ['record', '-i', 'lo', '-f', `tcp port ${host.port}`, ...IDENTITY, ...more, '-w', `${folder}/a.tape`];
  const record = await Listener.start(AUTHTAPE, args, /recording on/);
  const player = await Player.connect(host);
  await player.prompted('getUserInfo', 'allow');
  await during(player, record);
  await player.leave();
  await pause(300);
  same([await record.stop()], [{ code: 0, signal: null }], 'exit');
  await host.stop();
  const aside = readdirSync(folder).filter((file) => file !== 'a.tape' && !file.endsWith('.json'));
  const number = (file) => Number(/Z-(\d+)\.tape$/.exec(file)?.[1] ?? 0);
  const stamp = (file) => file.slice(0, 'a-20261122T081500Z'.length);
  aside.sort((a, b) => (stamp(a) < stamp(b) ? -1 : stamp(a) > stamp(b) ? 1 : number(a) - number(b)));
  return { truth: host.truth, folder, said: record.said, tapes: [...aside, 'a.tape'].map((file) => `${folder}/${file}`) };
}

/** Every tape is whole, and what is on all of them together is what happened. */
function compareAll({ tapes, truth, folder }, atLeast) {
  if (tapes.length < atLeast) throw new Error(`${tapes.length} tapes`);
  for (const tape of tapes) good(['verify', tape]);
  if (tapes.slice(0, -1).some((tape) => events(tape).length === 0)) throw new Error('a tape without events was put aside');
  good(['merge', '-w', `${folder}/all.tape`, ...tapes]);
  compareWithTruth(events(`${folder}/all.tape`), { events: truth });
}

async function hangup() {
  const run = await recorded('hangup', [], async (player, record) => {
    for (let i = 0; i < 3; i++) {
      await pause(250);
      record.child.kill('SIGHUP');
      await pause(250);
      await player.call('getUserInfo');
    }
  });
  compareAll(run, 4);
}

async function bySize() {
  const run = await recorded('size', ['--rotate-size', '300'], async (player) => {
    for (let i = 0; i < 4; i++) {
      await player.call('getUserInfo');
      await pause(1100); // longer than a flush
    }
  });
  compareAll(run, 3);
}

async function byTime() {
  const run = await recorded('time', ['--rotate-s', '1'], async (player) => {
    for (let i = 0; i < 12; i++) {
      await player.call('getUserInfo');
      await pause(250);
    }
    await pause(2500); // nothing happens: no tape without events
  });
  compareAll(run, 3);
  if (run.tapes.length > 6) throw new Error(`${run.tapes.length} tapes`);
}

async function statistics() {
  const run = await recorded('statistics', ['--ledger', `${work}/ledger.json`], async (player, record) => {
    await pause(500);
    record.child.kill('SIGUSR1');
    await pause(500);
  });
  const [, packets] = /^ *(\d+) packets read$/m.exec(run.said) ?? [];
  const ledger = JSON.parse(readFileSync(`${work}/ledger.json`));
  if (!(packets > 0 && packets <= ledger.packets)) throw new Error(`${packets} packets, then ${ledger.packets}: ${run.said}`);
  if (!/JSON messages$/m.test(run.said)) throw new Error(run.said);
}

/** The same interface twice: every packet comes twice, and counts once; what TCP sends again comes four times. */
async function twoInterfaces() {
  const run = await recorded('two', ['-i', 'lo', '--immediate', '--ledger', `${work}/two.json`], async (player) => {
    await player.call('getUserInfo');
  });
  compareAll(run, 1);
  const l = JSON.parse(readFileSync(`${work}/two.json`));
  const fresh = l.tcp_bytes - l.tcp_duplicate_bytes;
  if (fresh === 0 || fresh * 2 > l.tcp_bytes) throw new Error(`${l.tcp_bytes} bytes, ${l.tcp_duplicate_bytes} of them twice`);
}

/** A recorder that cannot keep up: what it saw and what the kernel dropped are all packets that there were. */
async function drops() {
  const server = net.createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const filter = `tcp port ${server.address().port}`;
  const tcpdump = await startTcpdump(server.address().port, `${work}/drops.pcap`);
  const args = ['record', '-i', 'lo', '--buffer', '64k', '-f', filter, '--ledger', `${work}/drops.json`, '-w', `${work}/drops.tape`];
  const record = await Listener.start(AUTHTAPE, args, /recording on/);
  record.child.kill('SIGSTOP');
  const socket = net.connect(server.address().port, '127.0.0.1');
  await once(socket, 'connect');
  for (let i = 0; i < 300; i++) await new Promise((done) => socket.write(Buffer.alloc(20000, 'x'), done));
  socket.end();
  await once(socket, 'close');
  record.child.kill('SIGCONT');
  await pause(700);
  same([await record.stop()], [{ code: 0, signal: null }], 'exit');
  await tcpdump.stop();
  server.close();
  const l = JSON.parse(readFileSync(`${work}/drops.json`));
  const count = /(\d+) packets captured/.exec(tcpdump.said)[1];
  if (/^0 packets dropped/m.test(tcpdump.said) && l.packets + l.kernel_drops !== Number(count))
    throw new Error(`${l.packets} packets and ${l.kernel_drops} dropped, of ${count}`);
  if (l.kernel_drops === 0) throw new Error('nothing was dropped: this tests nothing');
  if (!record.said.includes(`${l.kernel_drops} packets dropped by the kernel`)) throw new Error(record.said);
  good(['verify', `${work}/drops.tape`]);
}

async function privileges() {
  let who;
  const folder = mkdtempSync(`${tmpdir()}/authtape-test.`);
  chmodSync(folder, 0o777);
  try {
    const args = ['record', '-i', 'lo', '--drop-to', 'nobody', '-w', `${folder}/a.tape`];
    const record = await Listener.start(AUTHTAPE, args, /recording on/);
    who = readFileSync(`/proc/${record.child.pid}/status`, 'utf8');
    same([await record.stop()], [{ code: 0, signal: null }], 'exit');
    good(['verify', `${folder}/a.tape`]);
  } finally {
    rmSync(folder, { recursive: true });
  }
  if (!/^Uid:\t(?!0\t)(\d+)\t\1\t\1\t\1$/m.test(who) || !/^Groups:\t(?!.*\b0 )/m.test(who) || !/^CapEff:\t0+$/m.test(who))
    throw new Error(who);
}

/** Who may not capture is told how to get there. */
function noPermission() {
  const folder = mkdtempSync(`${tmpdir()}/authtape-test.`);
  try {
    chmodSync(folder, 0o777);
    copyFileSync(AUTHTAPE, `${folder}/authtape`);
    chmodSync(`${folder}/authtape`, 0o755);
    for (const command of [['messages', '-i', 'lo'], ['record', '-i', 'lo', '-w', `${folder}/a.tape`]]) {
      const done = spawnSync(`${folder}/authtape`, command, { uid: 65534, gid: 65534, cwd: folder, encoding: 'utf8' });
      if (done.error) throw done.error;
      const line = `authtape: lo: no permission to capture; run as root, or once: sudo setcap cap_net_raw+ep ${folder}/authtape\n`;
      same([done.status, done.stderr], [2, line], 'what an ordinary user gets');
      if (readdirSync(folder).includes('a.tape')) throw new Error('a tape was left behind');
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function main() {
  try {
    const tcpdump = await startTcpdump(1, `${work}/may-i.pcap`);
    await tcpdump.stop();
  } catch (error) {
    skip('live recordings', `no capturing here (it takes root or CAP_NET_RAW): ${error.message.split('\n').pop()}`);
    return;
  }
  await Promise.all([
    test('live: SIGHUP begins a new tape', hangup),
    test('live: rotation by size', bySize),
    test('live: rotation by time', byTime),
    test('live: SIGUSR1 shows the ledger', statistics),
    test('live: two interfaces', twoInterfaces),
    test('live: no drop of the kernel goes unreported', drops),
  ]);
  if (process.getuid() === 0) {
    await test('live: root is given up', privileges);
    await test('live: no permission to capture', noPermission);
  } else {
    skip('live: privileges', 'it takes root to give up root');
  }
}

await main();
