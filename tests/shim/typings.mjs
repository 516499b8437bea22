// typings.mjs: every function of wx, as the platform publishes it, behaves the same with the shim and without.
//   node typings.mjs lib.wx.api.d.ts PROFILE.json...
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { same, test } from '../wire/authtape.mjs';
import { clock, launch, server, storage } from './launch.mjs';

const ts = createRequire(new URL('../package.json', import.meta.url))('typescript');
const [file, ...profiles] = process.argv.slice(2);
const known = new Set(
  profiles.flatMap((name) => {
    const { scopes, apis } = JSON.parse(readFileSync(name, 'utf8'));
    return [...scopes.flatMap((s) => [...s.apis, ...(s.sometimes ?? [])]), ...Object.values(apis).flat()];
  }),
);

/** The members of an interface that are functions: its methods, and properties of a function type. */
function functionsOf(source, wanted) {
  const names = new Set();
  const visit = (node) => {
    if (ts.isInterfaceDeclaration(node) && node.name.text === wanted)
      for (const m of node.members)
        if (ts.isMethodSignature(m) || (m.type && ts.isFunctionTypeNode(m.type))) names.add(m.name.getText(source));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...names];
}
const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
const names = functionsOf(source, 'Wx');

const THROWN = new Error('of the host');
const ANSWER = { errMsg: 'api:ok', data: 1 };
const REFUSAL = { errMsg: 'api:fail no', errno: 7 };
const RESULT = { result: true };

/** A host all of whose functions do what `how` says; `log` has what they were given. */
function makeHost() {
  const host = { how: '', log: [] };
  const wx = {};
  for (const name of names)
    wx[name] = {
      [name](...args) {
        const o = args[0];
        if (o === 'authtape') return undefined; // the shim keeps something
        const own = Object.entries(o ?? {}).filter(([k]) => !['success', 'fail', 'complete'].includes(k));
        host.log.push([name, this === wx, args.length, own, args.slice(1)]);
        if (host.how === 'throw') throw THROWN;
        if (host.how === 'fulfil') return (host.promise = Promise.resolve(ANSWER));
        if (host.how === 'reject') return (host.promise = Promise.reject(REFUSAL));
        if (host.how === 'success') (o.success?.(ANSWER, 'more'), o.complete?.(ANSWER));
        if (host.how === 'fail') (o.fail?.(REFUSAL), o.complete?.(REFUSAL));
        return host.how === 'return' ? RESULT : undefined;
      },
    }[name];
  host.wx = wx;
  return host;
}

/** All that a game can see of a function. */
async function look(host, name) {
  const { wx } = host;
  const seen = [];
  const callbacks = (which) => {
    const o = { a: 1, b: [2] };
    for (const key of which)
      o[key] = function (...args) {
        seen.push([key, this === o, args.length, args[0] === ANSWER || args[0] === REFUSAL]);
      };
    return o;
  };
  for (const how of ['success', 'fail'])
    for (const which of [['success', 'fail', 'complete'], ['success'], ['fail'], ['complete']]) {
      host.how = how;
      seen.push([how, which, wx[name](callbacks(which), 'second') === undefined]);
    }
  for (const how of ['throw', 'return'])
    for (const args of [[], [{}], [callbacks(['success'])], ['text'], [null]]) {
      host.how = how;
      try {
        seen.push([how, wx[name](...args) === RESULT]);
      } catch (error) {
        seen.push([how, error === THROWN]);
      }
    }
  for (const how of ['fulfil', 'reject'])
    for (const args of [[], [{ a: 1 }]]) {
      host.how = how;
      const p = wx[name](...args);
      seen.push([
        how,
        p === host.promise,
        await p.then(
          (r) => r === ANSWER,
          (e) => e === REFUSAL,
        ),
      ]);
    }
  const d = Object.getOwnPropertyDescriptor(wx, name);
  seen.push([d.enumerable, d.configurable, d.writable, wx[name].name, wx[name].length, typeof wx[name]]);
  return seen;
}

/** The shim on a host, with its own ways out so that the host's functions are asked by the game only. */
function record(host, hidden = {}) {
  const batches = [];
  const time = clock();
  const { authtape, tick } = launch({ wx: host.wx, Date: time.Date, ...hidden });
  authtape.start({
    app: 'a',
    user: 'u',
    keep: 4000,
    send: (body, done) => (batches.push(JSON.parse(body)), done(true)),
  });
  return {
    events() {
      time.ms += 5000;
      tick();
      return batches.flatMap((b) => b.events);
    },
  };
}

await test(`shim: the typings have functions (${names.length})`, () => {
  if (names.length < 350 || !names.includes('authorize') || !names.includes('getRecorderManager'))
    throw new Error(`only ${names.length} functions`);
});

await test('shim: it wraps exactly the APIs that the profiles know, login, recorders and exits', () => {
  const host = makeHost();
  for (const name of known) if (!name.includes('.')) host.wx[name] ??= () => {};
  const before = { ...host.wx };
  record(host);
  const wrapped = Object.keys(before).filter((name) => host.wx[name] !== before[name]);
  const wanted = [...known]
    .filter((name) => !name.includes('.'))
    .concat('login', 'getRecorderManager', 'exitMiniProgram', 'restartMiniProgram');
  same(wrapped.sort(), wanted.sort(), 'APIs');
});

await test('shim: every recorder that a profile knows is one', () => {
  const managers = [...known].filter((name) => name.endsWith('Manager.start'));
  if (!managers.length) throw new Error('none is known');
  for (const api of managers) {
    const name = api.slice(0, -'.start'.length);
    const manager = { start() {}, onStart() {}, onError() {} };
    const wx = { ...storage(), [`get${name}`]: () => manager };
    const host = { wx };
    const r = record(host);
    wx[`get${name}`]().start();
    same(
      r.events().map((e) => e.api),
      [api],
      'calls',
    );
  }
});

for (const [what, hidden] of [
  ['', {}],
  [', without Proxy', { Proxy: undefined }],
])
  await test(`shim: all functions of the typings behave the same${what}`, async () => {
    const [bare, used] = [makeHost(), makeHost()];
    const r = record(used, hidden);
    same(Object.keys(used.wx), Object.keys(bare.wx), 'names');
    bare.log.length = used.log.length = 0;
    for (const name of names) {
      const [a, b] = [await look(bare, name), await look(used, name)];
      if (hidden.Proxy === undefined && 'Proxy' in hidden) ((a.at(-1)[3] = b.at(-1)[3]), (a.at(-1)[4] = b.at(-1)[4]));
      same(b, a, name);
    }
    same(used.log, bare.log, 'what the host was given');
    const events = r.events();
    const calls = events.filter((e) => e.kind === 'call');
    const wrapped = names.filter((n) => known.has(n) || n === 'login');
    same([...new Set(calls.map((e) => e.api))].sort(), wrapped.sort(), 'APIs that were recorded');
    for (const api of wrapped) {
      // the two ways of eight with callbacks, the three of five that throw…, all of the promises
      const answers = events.filter(
        (e) => e.kind === 'return' && calls.some((c) => c.call === e.call && c.api === api),
      );
      const count = (errMsg) => answers.filter((e) => e.errMsg === errMsg).length;
      same([count('api:ok'), count('api:fail no'), count(`${api}:fail of the host`)], [6, 6, 5], `answers of ${api}`);
    }
  });
