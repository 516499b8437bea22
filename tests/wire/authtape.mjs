// authtape.mjs: runs the program under test and holds what it says against the truth.
import { spawnSync } from 'node:child_process';

export const AUTHTAPE = process.env.AUTHTAPE;
export const IDENTITY = ['--app', 'query:appid', '--user', 'query:openid', '--platform', 'query:platform'];

/** {status, out, err}; a crash or a time-out is a thrown error. */
export function authtape(args, { input, program = AUTHTAPE } = {}) {
  const done = spawnSync(program, args, { input, maxBuffer: 1 << 28, timeout: 60_000 });
  if (done.error) throw done.error;
  if (done.signal) throw new Error(`authtape ${args.join(' ')} died of ${done.signal}: ${done.stderr}`);
  return { status: done.status, out: done.stdout, err: done.stderr.toString() };
}

/** The same where nothing but success will do; its output. */
export function good(args, options) {
  const { status, out, err } = authtape(args, options);
  if (status !== 0) throw new Error(`authtape ${args.join(' ')}: exit status ${status}: ${err}`);
  return out;
}

export function events(tape) {
  const text = good(['cat', tape]).toString();
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/* ---- Results, as tests/tap.sh does them ---- */

export function skip(name, why) {
  console.log(`ok - ${name} # SKIP ${why}`);
}

/** A test: passes unless `body` throws. */
export async function test(name, body) {
  try {
    await body();
    console.log(`ok - ${name}`);
  } catch (error) {
    console.log(String(error.stack ?? error).replace(/^/gm, '# '));
    console.log(`not ok - ${name}`);
  }
}

/** Two lists of JSON values must be the same; says where they part. */
export function same(got, wanted, what) {
  const a = got.map((value) => JSON.stringify(value));
  const b = wanted.map((value) => JSON.stringify(value));
  for (let i = 0; i < Math.max(a.length, b.length); i++)
    if (a[i] !== b[i])
      throw new Error(`${what}: number ${i} of ${a.length} (${b.length} wanted)\n  got    ${a[i]}\n  wanted ${b[i]}`);
}

/* ---- Truth ---- */

const sorted = (object) => object && Object.fromEntries(Object.entries(object).sort());

/** What of the truth goes over the wire: a dismissal, a prompt and a flip do not. */
export function truthOnWire({ events: list }) {
  return list.flatMap((e) => {
    const key = { app: e.app, user: e.user };
    if (e.kind === 'call') return { ...key, kind: 'call', call: e.rpc, api: e.api, scope: e.scope };
    if (e.kind === 'return')
      return { ...key, kind: 'return', call: e.rpc, errMsg: e.errMsg, authSetting: sorted(e.authSetting) };
    if (e.kind === 'decision' && e.answer !== 'dismiss') return { ...key, kind: 'decision', answer: e.answer };
    if (e.kind === 'reset') return { ...key, kind: 'reset' };
    return [];
  });
}

const GATED = /^(authorize|getSetting|openSetting|getUserInfo|getLocation|getWeRunData|startRecord|saveImageToPhotosAlbum)$/;

/** The same of a tape. A tape may have more calls, of APIs that have nothing to do with authorization. */
export function tapeOnWire(list) {
  const others = new Set(list.filter((e) => e.kind === 'call' && !GATED.test(e.api)).map((e) => e.stream + e.call));
  return list.flatMap((e) => {
    const key = { app: e.app, user: e.user };
    if (others.has(e.stream + e.call)) return [];
    if (e.kind === 'call') return { ...key, kind: e.kind, call: e.call, api: e.api, scope: e.scope };
    if (e.kind === 'return')
      return { ...key, kind: e.kind, call: e.call, errMsg: e.errMsg, authSetting: sorted(e.authSetting) };
    if (e.kind === 'decision') return { ...key, kind: e.kind, answer: e.answer };
    if (e.kind === 'reset') return { ...key, kind: e.kind };
    return [];
  });
}

/**
 * A tape against the truth: the same events in the same order. With several players the host may come to a message later
 * than the wire did, so there only the events must be the same, and each call before its answer.
 */
export function compareWithTruth(list, truth) {
  const [got, wanted] = [tapeOnWire(list), truthOnWire(truth)];
  const ordered = truth.session !== 'players';
  const text = (e) => JSON.stringify(e);
  const sort = (some) => (ordered ? some : [...some].sort((a, b) => (text(a) < text(b) ? -1 : 1)));
  same(sort(got), sort(wanted), 'events');
  const called = new Set();
  for (const e of got) {
    if (e.kind === 'call') called.add(e.call);
    if (e.kind === 'return' && !called.has(e.call)) throw new Error(`answered before it was called: ${e.call}`);
  }
}

/** What the first divergence of a session with a fault must be. */
export const CLASS_OF_FAULT = {
  'denied-reprompts': 'unexpected-prompt',
  'granted-reprompts': 'unexpected-prompt',
  'flip-ignored': 'unexpected-failure',
  'reset-keeps-denials': 'setting-unasked',
  'reset-keeps-grants': 'setting-unasked',
  'deny-stored-as-grant': 'unexpected-success',
  'decision-ignored': 'decision-ignored',
  'stale-snapshot': 'setting-missing',
  'unasked-listed': 'setting-unasked',
  'scope-answers-for-another': 'setting-unasked',
  'api-ignores-denial': 'unexpected-success',
  'wrong-api': 'wrong-api',
  'second-answer': 'second-answer',
  'no-answer': 'no-answer',
};

/** Replays the tape; the verdict must be that of the truth: the right class, about the right scope and call. */
export function compareVerdict(tape, truth) {
  const { status, out, err } = authtape(['replay', '--format', 'json', tape]);
  if (status > 1) throw new Error(`replay: exit status ${status}: ${err}`);
  const { divergences } = JSON.parse(out);
  const deviations = truth.events.filter((e) => e.kind === 'deviation');
  const seen = divergences.map((d) => `${d.class} ${d.scope} ${d.api} ${d.call}: ${d.explanation}`).join('\n');
  if (status !== (deviations.length ? 1 : 0)) throw new Error(`replay: exit status ${status}\n${seen}`);
  if (!deviations.length) return;
  const [first] = divergences;
  const wanted = CLASS_OF_FAULT[deviations[0].faults[0]];
  if (first.class !== wanted) throw new Error(`'${wanted}' was expected first:\n${seen}`);
  if (first.call && first.call !== deviations[0].rpc) throw new Error(`${deviations[0].rpc} was expected:\n${seen}`);
  const scopes = new Set(deviations.map((d) => d.scope));
  for (const d of divergences)
    if (d.scope && !scopes.has(d.scope)) throw new Error(`nothing was wrong with ${d.scope}:\n${seen}`);
  if (divergences.length > deviations.length) throw new Error(`${deviations.length} deviations, but:\n${seen}`);
}

/** cat, import and cat again must give the same events. */
export function compareImport(tape) {
  const once = good(['cat', tape]);
  const imported = good(['import', '-w', '-'], { input: once });
  const twice = good(['cat', '-'], { input: imported });
  if (!once.equals(twice)) throw new Error('cat | import | cat is not the identity');
}
