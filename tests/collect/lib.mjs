// lib.mjs: what the tests of the collector and of the relay share.
import {spawn, execFileSync} from 'node:child_process';
import {once} from 'node:events';
import fs from 'node:fs';
import net from 'node:net';

export const authtape = process.env.AUTHTAPE_UNDER_TEST || process.env.AUTHTAPE;
export const label = process.env.LABEL ? ` (${process.env.LABEL})` : '';

let failed = 0;
export function test(name, ok, remark) {
  console.log(`${ok ? 'ok' : 'not ok'} - ${name}${label}`);
  if (ok) return;
  failed++;
  if (remark !== undefined) console.log(`# ${String(remark).replaceAll('\n', '\n# ')}`);
}
export const failures = () => failed;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Starts `authtape record ARGS` and waits until it says that it listens.
export async function record(args, env = {}) {
  const child = spawn(authtape, ['record', ...args], {stdio: ['ignore', 'pipe', 'pipe'], env: {...process.env, ...env}});
  const r = {child, err: '', listening: [], relays: [], over: once(child, 'exit')};
  r.over.then(([status, signal]) => Object.assign(r, {status, signal}));
  child.stdout.resume();
  const wanted = args.filter((a) => a === '--listen' || a === '--relay' || a === '-i').length;
  await new Promise((resolve) => {
    child.stderr.on('data', (text) => {
      r.err += text;
      const said = r.err.split('\n');
      r.listening = said.flatMap((l) => /listening on (.*)/.exec(l)?.[1] ?? []);
      r.relays = said.flatMap((l) => /relaying (\S*) to/.exec(l)?.[1] ?? []);
      const devices = said.filter((l) => /recording on/.test(l)).length;
      if (r.listening.length + r.relays.length + devices >= wanted) resolve();
    });
    child.on('exit', resolve);
  });
  r.url = `http://${r.listening[0]}`;
  r.stop = async (signal = 'SIGTERM') => {
    child.kill(signal);
    await r.over;
    if (signal === 'SIGTERM' && r.status !== 0) test('a recording ends well', false, `${r.status} ${r.signal}\n${r.err}`);
    return r.status;
  };
  return r;
}

export function cat(...tapes) {
  const text = execFileSync(authtape, ['cat', ...tapes], {maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'pipe']});
  return text.toString().split('\n').filter(Boolean).map(JSON.parse);
}

// Memory that a process has used at most, in MiB.
export function peak(pid) {
  const found = /VmHWM:\s*(\d+) kB/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  return found ? Number(found[1]) / 1024 : 0; // a process that just ended has none
}

// Sends bytes as they are and gives what comes back until the end, or for `ms`.
export function raw(port, bytes, {ms = 2000, host = '127.0.0.1', localAddress} = {}) {
  return new Promise((resolve) => {
    let got = '';
    const s = net.connect({port, host, localAddress}, () => s.write(bytes));
    const timer = setTimeout(() => s.destroy(), ms);
    s.on('data', (d) => (got += d.toString('latin1')));
    s.on('error', () => {});
    s.on('close', () => {
      clearTimeout(timer);
      resolve(got);
    });
  });
}

export const event = (stream, seq, more = {}) => ({
  t: 1700000000000000 + seq * 1000,
  kind: 'call',
  app: 'wx1',
  user: 'u-' + stream,
  stream,
  call: String(seq),
  api: 'getLocation',
  seq,
  ...more
});
export const batch = (...events) => JSON.stringify({authtape: 1, events});
