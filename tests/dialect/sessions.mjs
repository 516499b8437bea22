// sessions.mjs: sessions made up from a number, played by real clients against the tests' host, which says of itself
// what it does; recorded with the automator dialect and a mapping for the rest, and held against the host's account.
//
//   node sessions.mjs WORK-FOLDER AUTHTAPE [FIRST] [COUNT]      in the top folder; prints test results
//
// Several users on one or two connections each, one of them with a client that counts its ids from 1 on every
// connection; prompts on several scopes at once, answers out of order, calls in many spellings, mocks, settings, resets.
import automator from 'miniprogram-automator';
import { spawnSync } from 'node:child_process';
import WebSocket from 'ws';
import { pause, startTcpdump } from '../wire/capture.mjs';
import { Host } from '../wire/host.mjs';
import { FAULTS, SCOPES } from '../wire/machine.mjs';

const [work, authtape, first = '1', count = '6'] = process.argv.slice(2);
const APP = 'wx8d1f0aa0b3c4e5f6';
const SCOPE_NAMES = Object.keys(SCOPES);
const WRAPPER = '(api, arg) => new Promise((done) => wx[api](Object.assign({}, arg, { complete: done })))';

/** Until all that was said was heard, by the host and of it: that takes its time, above all where it is compressed. */
async function quiet(host, players) {
  for (let i = 0; i < 500 && (host.received < players.said || players.heard < host.sent); i++) await pause(1);
}

class Player {
  constructor(user, random) {
    Object.assign(this, { user, random });
  }

  /** `players` counts what all of them hear. */
  async connect(host, raw, players) {
    const query = new URLSearchParams({ openid: this.user, appid: APP, platform: this.random(2) ? 'ios' : 'devtools' });
    const url = `ws://127.0.0.1:${host.port}/?${query}`;
    if (!raw) {
      const client = await automator.connect({ wsEndpoint: url });
      this.send = (method, params) => {
        players.said++;
        return client.connection.send(method, params).catch((error) => error);
      };
      this.socket = client.connection.transport.ws;
      players.said++; // Tool.getInfo
      players.heard++;
      this.socket.addEventListener('message', () => players.heard++);
      return this;
    }
    this.socket = new WebSocket(url);
    await new Promise((resolve) => this.socket.on('open', resolve));
    const waiting = new Map();
    let ids = 0;
    this.socket.on('message', (data) => {
      players.heard++;
      const { id } = JSON.parse(data);
      waiting.get(id)?.();
    });
    this.send = (method, params) => new Promise((resolve) => {
      const id = ++ids;
      players.said++;
      waiting.set(id, resolve);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
    return this;
  }

  /** A call in one of the ways in which one can be made. */
  call(api, argument = {}) {
    const evaluate = (functionDeclaration, args) => this.send('App.callFunction', { functionDeclaration, args });
    const scope = argument.scope ? `{ scope: '${argument.scope}' }` : '{}';
    const own = { getLocation: 'where', getSetting: 'settings', startRecord: 'record' }[api];
    const ways = [
      () => this.send('App.callWxMethod', { method: api, args: [argument] }),
      () => this.send('App.callWxMethod', { method: api, args: [argument] }),
      () => this.send('App.callWxMethod', { method: api, args: [argument], pluginId: 'wxplugin' }),
      () => evaluate(WRAPPER, [api, argument]),
      () => evaluate(`async () => {\n  return await wx.${api}(${scope});\n}`, []),
      () => evaluate(`function () { return new Promise((r) => wx["${api}"](${scope})) }`, []),
      () => evaluate(`(arg) => wx.${api}(arg).catch((e) => e)`, [argument]),
    ];
    if (own) ways.push(() => evaluate(`() => getApp().ask("${own}")`, []));
    return ways[this.random(ways.length)]();
  }

  native(method, data = null) {
    return this.send('Tool.native', { method, data });
  }

  leave() {
    return new Promise((resolve) => {
      this.socket.addEventListener('close', resolve);
      this.socket.close();
    });
  }
}

/** Taps until the calls are answered. */
async function answered(host, players, player, random, calls) {
  let done = false;
  Promise.all(calls).then(() => (done = true));
  for (let i = 0; i < 100 && !done; i++) {
    await pause(2);
    await quiet(host, players);
    if (!done) await player.native(['authorizeAllow', 'authorizeAllow', 'authorizeCancel', 'goHome'][random(4)]);
  }
  if (!done) throw new Error('a call is never answered');
}

async function step(host, players, random, overlap) {
  const p = players[random(players.length)];
  const scope = SCOPE_NAMES[random(SCOPE_NAMES.length)];
  const some = () => {
    const one = SCOPE_NAMES[random(SCOPE_NAMES.length)];
    return random(3) ? [SCOPES[one][0], {}] : ['authorize', { scope: one }];
  };
  const deeds = [
    () => answered(host, players, p, random, [p.call(...some())]),
    () => answered(host, players, p, random, [p.call(...some())]),
    () => answered(host, players, p, random, [p.call('authorize', { scope })]),
    () => p.call('getSetting'),
    () => p.call('getSetting'),
    async () => {
      const page = p.send('App.callWxMethod', { method: 'openSetting', args: [{}] });
      await pause(3);
      for (let i = random(3); i > 0; i--)
        await p.native('settingToggle', { scope: SCOPE_NAMES[random(SCOPE_NAMES.length)], on: Boolean(random(2)) });
      await p.native('navigateLeft');
      await page;
    },
    () => p.native(['authorizeAllow', 'authorizeCancel', 'goHome', 'navigateLeft'][random(4)]), // of no effect
    () => p.send('Tool.clearCache', { clean: ['auth', 'all', 'storage', 'auth'][random(4)] }),
    () => p.send('App.callWxMethod', { method: 'request', args: [{ url: 'https://x/', data: { method: 'authorize', scope } }] }),
    async () => {
      const plugin = random(2) ? { pluginId: 'wxplugin' } : {};
      await p.send('App.mockWxMethod', { method: 'getLocation', ...plugin, result: { errMsg: 'getLocation:ok', latitude: 0 } });
      for (const pluginId of [undefined, 'wxplugin'])
        await answered(host, players, p, random, [p.send('App.callWxMethod', { method: 'getLocation', args: [{}], pluginId })]);
      await p.send('App.mockWxMethod', { method: 'getLocation', ...plugin });
    },
    async () => {
      if (!overlap) return;
      const own = players.filter((other) => other.user === p.user);
      await answered(host, players, p, random, [0, 1, 2].map(() => own[random(own.length)].call(...some())));
    },
  ];
  await deeds[random(deeds.length)]();
  await quiet(host, players);
}

async function session(number) {
  let state = Math.imul(number, 2654435761) >>> 0;
  const random = (n) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % n;
  };
  const fault = number % 2 ? undefined : Object.keys(FAULTS)[(number / 2) % Object.keys(FAULTS).length];
  const options = { trace: true, mild: random(2) === 1, deflate: [false, true, 'no-takeover'][random(3)] };
  const host = await Host.start(options);
  const pcap = `${work}/${number}.pcap`;
  const tcpdump = await startTcpdump(host.port, pcap);
  const players = Object.assign([], { said: 0, heard: 0 });
  for (const user of ['oANNA', 'oBO', 'oCLEO'].slice(0, 1 + random(3)))
    for (let i = random(2); i >= 0; i--) players.push(await new Player(user, random).connect(host, random(2) === 1, players));
  const steps = 60;
  for (let i = 0; i < steps; i++) {
    if (fault && i === steps / 2 && fault !== 'no-answer') host.faults.add(fault);
    await step(host, players, random, !fault);
  }
  host.faults.clear();
  if (!fault) {
    players[0].send('App.callWxMethod', { method: 'getLocation', args: [{}] }); // maybe never answered
    await pause(5);
  }
  for (const player of players) await player.leave();
  await pause(150);
  await tcpdump.stop();
  await host.stop();
  const lost = Number(/(\d+) packets? dropped by kernel/.exec(tcpdump.said)?.[1] ?? 0);
  return { number, fault, pcap, truth: host.truth, lost };
}

// ---- The comparison

function run(args) {
  const done = spawnSync(authtape, args, { maxBuffer: 1 << 28, timeout: 60_000 });
  if (done.error || done.signal || done.status > 1) throw new Error(`${args.join(' ')}: ${done.error ?? done.signal ?? done.stderr}`);
  return done.stdout.toString();
}

const sorted = (object) => object && Object.fromEntries(Object.entries(object).sort());
const GATED = new Set(['authorize', 'getSetting', 'openSetting', ...Object.values(SCOPES).flat()]);

/** The events of one user, in short; calls with their answers in the order of the calls. Ids are left out. */
function account(list, user, id) {
  const mine = list.filter((e) => e.user === user);
  const answers = new Map();
  for (const e of mine) if (e.kind === 'return') (answers.get(id(e)) ?? answers.set(id(e), []).get(id(e))).push(e);
  const calls = mine.filter((e) => e.kind === 'call' && GATED.has(e.api)).map((e) =>
    [e.api, e.api === 'authorize' ? e.scope : '', ...(answers.get(id(e)) ?? []).map((a) => [a.errMsg, sorted(a.authSetting)])]);
  const others = mine.filter((e) => ['prompt', 'decision', 'settings', 'reset'].includes(e.kind)).map((e) =>
    // A tap on the wire does not say which prompt it answers.
    e.kind === 'decision' ? [e.kind, e.answer] : [e.kind, e.scope, e.granted].filter((one) => one !== undefined));
  return { calls, others };
}

function compare(name, got, wanted) {
  if (process.env.VERBOSE) {
    const [a, b] = [got, wanted].map((list) => list.map((one) => JSON.stringify(one)));
    for (const one of a) if (!b.includes(one)) console.log('only on the tape', one);
    for (const one of b) if (!a.includes(one)) console.log('only in the truth', one);
  }
  for (let i = 0; i < Math.max(got.length, wanted.length); i++)
    if (JSON.stringify(got[i]) !== JSON.stringify(wanted[i]))
      throw new Error(`${name}, number ${i}: got ${JSON.stringify(got[i])}, wanted ${JSON.stringify(wanted[i])}`);
}

function check({ number, fault, pcap, truth }) {
  const tape = `${work}/${number}.tape`;
  const identity = ['--app', 'query:appid', '--user', 'query:openid', '--platform', 'query:platform'];
  const more = ['--fresh', '--observes', 'prompts,decisions,settings,resets'];
  run(['record', '-q', '-r', pcap, ...identity, '-d', 'automator', '-d', 'tests/dialect/auth_trace.json', ...more, '-w', tape]);
  const events = run(['cat', tape]).trim().split('\n').map((line) => JSON.parse(line));
  for (const user of new Set(truth.map((e) => e.user))) {
    const got = account(events, user, (e) => `${e.stream} ${e.call}`);
    const wanted = account(truth, user, (e) => e.key);
    const sort = (list) => list.map((one) => JSON.stringify(one)).sort();
    compare(`${user}: calls`, sort(got.calls), sort(wanted.calls));
    // Prompts on two connections at once: what of them is compressed first is sent first.
    const order = fault ? (list) => list : sort;
    compare(`${user}: what else happened`, order(got.others), order(wanted.others));
  }
  const { divergences, inconclusive } = JSON.parse(run(['replay', '--format', 'json', tape]));
  const deviations = truth.filter((e) => e.kind === 'deviation');
  const seen = divergences.map((d) => `${d.class} ${d.user} ${d.scope} ${d.call} ${d.explanation}`).join('\n');
  if (inconclusive) throw new Error('inconclusive');
  // A fault may show again and again; but only to whom, and at what, the host was wrong.
  const wrong = new Set(deviations.flatMap((d) => [`${d.user} ${d.scope}`, `${d.user} ${d.rpc}`]));
  for (const d of divergences)
    if (!wrong.has(`${d.user} ${d.scope ?? d.call}`)) throw new Error(`invented: ${d.class} ${d.user} ${d.call}\n${seen}`);
  for (const user of new Set(deviations.map((d) => d.user))) {
    const earliest = deviations.find((d) => d.user === user);
    if (!divergences.some((d) => d.user === user && String(d.call) === String(earliest.rpc)))
      throw new Error(`missed: ${JSON.stringify(earliest)}\n${seen}`);
  }
  return `${events.length} events, ${fault ?? 'no fault'}, ${deviations.length} deviations, ${divergences.length} divergences`;
}

try {
  await (await startTcpdump(1, `${work}/may-i.pcap`)).stop();
} catch (error) {
  console.log(`ok - sessions of real clients # SKIP no capturing here (root or CAP_NET_RAW): ${error.message.split('\n').pop()}`);
  process.exit(0);
}
const TRIES = 4; // a capture that tcpdump itself calls incomplete, on a busy machine, proves nothing
for (let number = Number(first); number < Number(first) + Number(count); number++) {
  let said, good = false, again = true;
  for (let tries = 0; again && tries < TRIES; tries++) {
    again = false;
    try {
      const played = await session(number);
      again = played.lost > 0;
      said = check(played);
      good = true;
      again = false;
    } catch (error) {
      said = `${again ? 'tcpdump lost packets: ' : ''}${error.message}`;
    }
  }
  console.log(said.replace(/^/gm, '# '));
  console.log(`${good ? 'ok' : 'not ok'} - session ${number} of real clients`);
}
