// redrive.mjs: `authtape redrive` against the host of tests/wire and against targets that misbehave.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { WebSocketServer } from 'ws';
import { Host } from '../wire/host.mjs';
import { AUTHTAPE, CLASS_OF_FAULT, events, good, IDENTITY, same, skip, test } from '../wire/authtape.mjs';

const work = process.env.WORK;
const TIMES = Number(process.env.REDRIVE_TIMES ?? 10);
const USERS = Number(process.env.REDRIVE_USERS ?? 200);
const COMMANDS = ['-c', 'host-commands.json'];
const address = (port) => `ws://127.0.0.1:${port}/?openid={user}&appid={app}&platform={platform}`;

/** Runs authtape beside the host; {status, out, err, seconds, peakKb}. */
function redrive(args, { limit = 60 } = {}) {
  return new Promise((resolve, reject) => {
    const begin = Date.now();
    const child = spawn(AUTHTAPE, ['redrive', ...args]);
    let out = '', err = '', peakKb = 0;
    child.stdout.on('data', (data) => (out += data));
    child.stderr.on('data', (data) => (err += data));
    const look = setInterval(() => {
      try {
        peakKb = Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? peakKb);
      } catch {
        // it has ended
      }
    }, 20);
    const late = setTimeout(() => child.kill('SIGKILL'), limit * 1000);
    child.on('close', (status, signal) => {
      clearInterval(look);
      clearTimeout(late);
      if (signal) reject(new Error(`died of ${signal} after ${(Date.now() - begin) / 1000} s: ${err}`));
      else resolve({ status, out, err, seconds: (Date.now() - begin) / 1000, peakKb });
    });
  });
}

async function against(host, tape, more = [], options) {
  const done = await redrive(['--target', address(host.port), '--format', 'json', ...COMMANDS, ...more, tape], options);
  if (done.status > 2 || done.status === null) throw new Error(`exit status ${done.status}: ${done.err}`);
  return { ...done, report: done.out ? JSON.parse(done.out) : undefined };
}

const record = (pcap, tape, more = []) => good(['record', '-q', '-r', pcap, ...IDENTITY, ...more, '-w', tape]);

const fail = (what, { status, out, err }) => {
  throw new Error(`${what}\nexit status ${status}\n${err}\n${out}`);
};

/** Calls and answers without ids and times: what is compared from run to run. */
const outline = (tape) =>
  events(tape)
    .filter((e) => e.kind === 'call' || e.kind === 'return')
    .map(({ kind, user, api, scope, errMsg, authSetting }) => ({ kind, user, api, scope, errMsg, authSetting }));

/** Every call is accounted for. */
function accounted(done) {
  const r = done.report;
  if (!r) fail('there is no report', done);
  if (r.same + r.diverge + r.differ + r.fixed + r.not_made !== r.calls) fail('the calls do not add up', done);
}

// The recording of the clean session. Twice the host only fails because an argument (`simulate`) asks for it: of these
// the wrapped one has no argument on the tape.
const clean = `${work}/clean.tape`;
record('../wire/clean_plain.pcap', clean, ['--keep-args']);
const simulated = 1;

await test(`a clean tape, ${TIMES} times`, async () => {
  const host = await Host.start();
  let first;
  for (let i = 0; i < TIMES; i++) {
    const done = await against(host, clean, ['-w', `${work}/now.tape`]);
    if (done.status !== 0 || done.report.differ !== simulated || done.report.same !== done.report.calls - simulated)
      fail(`run ${i}`, done);
    const now = outline(`${work}/now.tape`).map((e) => ({ ...e, errMsg: e.errMsg?.replace(/fail.*/, 'fail') }));
    first ??= now;
    same(now, first, `run ${i}`);
  }
  await host.stop();
});

await test('arguments that may be personal are kept on demand only', async () => {
  record('../wire/clean_plain.pcap', `${work}/discreet.tape`);
  const args = (tape) => events(tape).filter((e) => e.args);
  if (args(`${work}/discreet.tape`).length) throw new Error(JSON.stringify(args(`${work}/discreet.tape`)));
  if (!args(clean).some((e) => e.args.filePath === 'wxfile://tmp/a.png')) throw new Error('--keep-args');
});

const faults = readdirSync('../wire').flatMap((name) => /^fault_(.*)\.pcap$/.exec(name)?.[1] ?? []);
for (const name of faults) {
  const fault = name.replaceAll('_', '-');
  const tape = `${work}/${name}.tape`;
  record(`../wire/fault_${name}.pcap`, tape);
  await test(`the fault ${fault} is seen again, and seen to be fixed`, async () => {
    const host = await Host.start();
    const quick = ['--timeout', '2', '--patience', '100'];
    host.faults.add(fault);
    const broken = await against(host, tape, quick);
    accounted(broken);
    const classes = broken.report.divergences.map((d) => d.class);
    if (broken.status !== 1 || !classes.includes(CLASS_OF_FAULT[fault])) fail(`${CLASS_OF_FAULT[fault]} was expected`, broken);
    host.faults.clear();
    const fixed = await against(host, tape, quick);
    accounted(fixed);
    if (fixed.status !== 0 || fixed.report.fixed < 1) fail('fixed was expected', fixed);
    await host.stop();
  });
}

await test(`${USERS} users side by side`, async () => {
  const host = await Host.start();
  const one = await against(host, clean);
  const done = await against(host, clean, ['--users', String(USERS), '-w', `${work}/many.tape`]);
  accounted(done);
  if (done.status !== 0 || done.report.users !== USERS || done.report.same !== one.report.same * USERS) fail('', done);
  if (done.report.reconnects) fail('connections were lost', done);
  if (!process.env.ASAN_OPTIONS && done.peakKb > one.peakKb + USERS * 100) fail(`${one.peakKb} kB became ${done.peakKb}`, done);
  if (new Set(events(`${work}/many.tape`).map((e) => e.user)).size !== USERS) fail('users on the tape', done);
  good(['verify', `${work}/many.tape`]);
  await host.stop();
});

await test('overlapping calls overlap again, in their order', async () => {
  const host = await Host.start();
  await against(host, clean, ['-w', `${work}/now.tape`]);
  const list = events(`${work}/now.tape`);
  const at = list.findIndex((e, i) => e.api === 'getWeRunData' && list[i + 1].api === 'getWeRunData');
  if (at < 0) throw new Error('two calls at once are not there');
  await host.stop();
});

await test('the pace of the recording', async () => {
  const host = await Host.start();
  const list = events(clean).slice(0, 8);
  writeFileSync(`${work}/paced.ndjson`, list.map((e, i) => JSON.stringify({ ...e, t: list[0].t + i * 100_000 })).join('\n'));
  const real = await against(host, `${work}/paced.ndjson`, ['--speed', '1']);
  const fast = await against(host, `${work}/paced.ndjson`, ['--speed', '10']);
  if (real.status || real.seconds < 0.5) fail('as recorded', real);
  if (fast.status || fast.seconds > real.seconds) fail('ten times as fast', fast);
  await host.stop();
});

// ---- Before anything runs

await test('what the target cannot do is said before anything runs', async () => {
  const host = await Host.start();
  let connections = 0;
  host.server.on('connection', () => connections++);
  const done = await redrive(['--target', address(host.port), clean]);
  if (done.status !== 2 || !/no command for 'dismiss' .*'settings'/.test(done.err) || connections) fail('', done);
  const skipped = await redrive(['--target', address(host.port), '--skip-missing', '--timeout', '1', '--patience', '50', clean]);
  if (skipped.status === 2 || !/left out/.test(skipped.err)) fail('--skip-missing', skipped);
  await host.stop();
});

await test('users that would share a state are refused', async () => {
  const done = await redrive(['--target', 'ws://127.0.0.1:1', ...COMMANDS, '--users', '2', clean]);
  if (done.status !== 2 || !/who is who/.test(done.err)) fail('', done);
});

// ---- Targets that misbehave

/** A target that does `misbehave(socket, message, number)` with every message it gets. */
async function misbehaving(misbehave, onConnection = () => {}) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  let number = 0;
  server.on('connection', (socket) => {
    onConnection(socket);
    socket.on('error', () => {});
    socket.on('message', (data) => misbehave(socket, JSON.parse(data), number++));
  });
  await new Promise((resolve) => server.on('listening', resolve));
  return {
    port: server.address().port,
    async stop() {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const hello = (socket, { id, method }) => method === 'Tool.getInfo' && (socket.send(JSON.stringify({ id, result: {} })), true);
const quick = ['--timeout', '1', '--patience', '100', '--retries', '1', '--users', '20'];
// The first prompt of the clean session and what follows it: a target that misbehaves is not to take minutes.
const brief = `${work}/brief.ndjson`;
writeFileSync(brief, events(clean).slice(0, 14).map((e) => JSON.stringify(e)).join('\n'));

const targets = {
  'says nothing': () => {},
  'says hello and then nothing': hello,
  'answers garbage': (socket, message, n) =>
    hello(socket, message) || socket.send(['', '{', '[1,2]', '"x"', '\u0000', '{"id":7}', '{"id":"authtape-99999999"}'][n % 7]),
  'answers a megabyte of garbage': (socket, message) => hello(socket, message) || socket.send('x'.repeat(1 << 20)),
  'answers with bytes': (socket, message) => hello(socket, message) || socket.send(Buffer.alloc(1000, 0xff)),
  'closes at the first call': (socket, message) => hello(socket, message) || socket.close(),
  'resets the connection at every third message': (socket, message, n) =>
    n % 3 === 2 ? socket.terminate() : socket.send(JSON.stringify({ id: message.id, result: { result: { errMsg: 'x:ok' } } })),
  'answers others questions': (socket, message, n) =>
    hello(socket, message) || socket.send(JSON.stringify({ id: `authtape-${1 + (n % 5)}`, result: {} })),
  'answers everything twice': (socket, { id }) => {
    for (let i = 0; i < 2; i++) socket.send(JSON.stringify({ id, result: { result: {} } }));
  },
  'answers with odd types': (socket, message) =>
    hello(socket, message) ||
    socket.send(JSON.stringify({ id: message.id, result: { result: { errMsg: 5, errno: 1e300, authSetting: { a: 1, b: true } } } })),
};
// Side by side: they wait most of the time.
await Promise.all(
  Object.entries(targets).map(([name, misbehave]) =>
    test(`a target that ${name}`, async () => {
      const target = await misbehaving(misbehave);
      const done = await against(target, brief, quick);
      accounted(done);
      if (done.status === 0) fail('this is not as it should be', done);
      await target.stop();
    }),
  ),
);

await test('a target that is no WebSocket server', async () => {
  const server = net.createServer((socket) => socket.on('error', () => {}).resume().end('HTTP/1.1 404 Not Found\r\n\r\n'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const done = await against({ port: server.address().port }, brief, quick);
  accounted(done);
  if (done.status !== 2 || done.report.not_made !== done.report.calls) fail('', done);
  await new Promise((resolve) => server.close(resolve));
});

await test('a target that is not there', async () => {
  const done = await against({ port: 1 }, brief, ['--retries', '1', '--timeout', '2']);
  if (done.status !== 2 || done.report.not_made !== done.report.calls) fail('', done);
});

await test('a target that comes back', async () => {
  const host = await Host.start();
  const tape = `${work}/flip_ignored.tape`;
  let n = 0;
  host.server.on('connection', (socket) => socket.on('message', () => ++n === 4 && socket.terminate()));
  const done = await against(host, tape, ['--timeout', '2', '--patience', '50']);
  accounted(done);
  if (done.report.reconnects < 1) fail('it was not connected to again', done);
  await host.stop();
});

// ---- wss://

/** A key and a certificate that it signed itself, for `localhost`; undefined where openssl is missing. */
function certificate(name) {
  const [key, cert] = [`${work}/${name}.key`, `${work}/${name}.pem`];
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert]);
  return made.status === 0 ? { key: readFileSync(key), cert: readFileSync(cert), file: cert } : undefined;
}

const identity = certificate('target');
if (!identity) skip('wss: a target whose certificate is trusted', 'openssl is not installed');
else {
  const host = await Host.start();
  const front = tls.createServer(identity, (socket) => {
    const inner = net.connect(host.port, '127.0.0.1');
    for (const [from, to] of [[socket, inner], [inner, socket]]) from.on('error', () => to.destroy()).pipe(to);
  });
  front.on('tlsClientError', () => {});
  await new Promise((resolve) => front.listen(0, '127.0.0.1', resolve));
  const secure = async (more) => {
    const url = address(front.address().port).replace('ws://127.0.0.1', 'wss://localhost');
    const done = await redrive(['--target', url, '--format', 'json', '--retries', '0', ...COMMANDS, ...more, brief]);
    return { ...done, report: JSON.parse(done.out) };
  };
  // The recording stops before its last call's answer.
  const driven = (done) => {
    if (done.status !== 0 || done.report.not_made || done.report.same < done.report.calls - 1) fail('', done);
  };
  await test('wss: a target whose certificate is trusted', async () => {
    const done = await secure(['--ca', identity.file]);
    driven(done);
  });
  for (const [name, more] of [['nobody trusts', []], ['another authority signed', ['--ca', certificate('other').file]]])
    await test(`wss: a target whose certificate ${name} is not driven`, async () => {
      const done = await secure(more);
      if (done.status !== 2 || done.report.not_made !== done.report.calls || !/certificate/.test(done.err)) fail('', done);
    });
  await test('wss: --insecure asks for no certificate', async () => {
    const done = await secure(['--insecure']);
    driven(done);
  });
  front.close();
  await host.stop();
}

// ---- What is sent is what is on the tape

const provenance = ({ t, packet, ...event }) => event;
await test('a capture of it has the same events', async () => {
  if (process.getuid() !== 0) return skip('a capture of it has the same events', 'capturing takes root');
  const host = await Host.start();
  const capture = spawn(AUTHTAPE, ['record', '-q', '-i', 'lo', '-f', `tcp port ${host.port}`, '--port', String(host.port), ...IDENTITY,
    '--observes', 'decisions,settings,resets', '--keep-args', '-d', 'automator', '-d', 'host-dialect.json:settings,decision', '-w', `${work}/captured.tape`]);
  let said = '';
  capture.stderr.on('data', (data) => (said += data));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const done = await against(host, clean, ['-w', `${work}/sent.tape`]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  capture.kill('SIGINT');
  await new Promise((resolve) => capture.on('close', resolve));
  if (done.status) fail('', done);
  if (said) throw new Error(said);
  same(events(`${work}/captured.tape`).map(provenance), events(`${work}/sent.tape`).map(provenance), 'events');
  await host.stop();
});

await test('an interrupted run keeps what it has', async () => {
  const target = await misbehaving(hello);
  const child = spawn(AUTHTAPE, ['redrive', '--target', address(target.port), ...COMMANDS, '-w', `${work}/cut.tape`, clean]);
  let err = '';
  child.stderr.on('data', (data) => (err += data));
  await new Promise((resolve) => setTimeout(resolve, 700));
  child.kill('SIGINT');
  const status = await new Promise((resolve) => child.on('close', resolve));
  if (status !== 2 || !/interrupted/.test(err)) throw new Error(`exit status ${status}: ${err}`);
  if (!events(`${work}/cut.tape`).some((e) => e.kind === "reset")) throw new Error("the reset is not on the tape");
  await target.stop();
});

await test('JUnit and text', async () => {
  const host = await Host.start();
  host.faults.add('flip-ignored');
  const tape = `${work}/flip_ignored.tape`;
  const args = ['--target', address(host.port), ...COMMANDS, tape];
  const junit = await redrive(['--format', 'junit', ...args]);
  if (junit.status !== 1 || !/<failure type="unexpected-failure">/.test(junit.out)) fail('junit', junit);
  const text = await redrive(args);
  if (text.status !== 1 || !/^unexpected-failure \(R5\): /m.test(text.out) || !/of them recorded before/.test(text.out)) fail('text', text);
  const lint = spawnSync('xmllint', ['--noout', '-'], { input: junit.out });
  if (!lint.error && lint.status !== 0) throw new Error(String(lint.stderr));
  await host.stop();
});
