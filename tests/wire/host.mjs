// host.mjs: a small host app that speaks the automation protocol, for tests and for trying authtape out.
//
//   node tests/wire/host.mjs [--port N] [--deflate] [--fault NAME]...     serves until it is interrupted
//
// Identity comes from the URL: ws://127.0.0.1:PORT/?appid=…&openid=…&platform=…
// Taps are Tool.native authorizeAllow, authorizeCancel; of our own there: goHome dismisses a prompt, settingToggle
// {scope, on} flips a switch of the open settings page, navigateLeft closes it. Tool.clearCache {clean: "auth"} resets.
// Everything that happens is logged by the host itself, as the truth that a recording is compared with.
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { FAULTS, Machine, SCOPES, scopeOf } from './machine.mjs';

/** Words for a denial, by platform (R13), alternating where a platform has several. */
const DENIALS = {
  android: [':auth denied', ' auth deny'],
  ios: [' auth deny', ':auth deny'],
  devtools: [' auth deny', ':系统错误,错误码:-12006,auth deny'],
};

/** Failures that have nothing to do with authorization (R14); asked for by the argument `simulate`. */
const OTHER_FAILURES = {
  os: 'fail:system permission denied',
  network: 'fail timeout',
  gesture: 'fail can only be invoked by user TAP gesture.',
  privacy: 'fail api scope is not declared in the privacy agreement',
};

const RESULTS = {
  getUserInfo: { userInfo: { nickName: '测试用户 🎮', language: 'zh_CN' }, rawData: '{"nickName":"测试用户"}' },
  getLocation: { latitude: 31.25956, longitude: 121.52609, accuracy: 65.0 },
  getWeRunData: { encryptedData: 'AAAA'.repeat(600), iv: 'BBBB' },
};

class Connection {
  constructor(host, socket, url) {
    const query = new URL(url, 'ws://host').searchParams;
    this.host = host;
    this.socket = socket;
    this.platform = query.get('platform') ?? 'android';
    this.app = query.get('appid') ?? '';
    this.user = query.get('openid') ?? '';
    this.machine = host.machine(this.app, this.user);
    this.mocks = new Map();
    this.failures = 0;
    this.number = ++host.connections;
    socket.on('message', (data) => {
      host.received++;
      host.messages.push({ dir: 'client', body: JSON.parse(data) });
      host.current = this;
      this.receive(JSON.parse(data));
      delete host.current;
    });
  }

  /** What the host says of itself: an event of a binding, and a log line that the developer tools deliver twice. */
  trace({ kind, api, scope, answer, errMsg }) {
    const names = { call: 'call', prompt: 'prompt', decision: 'answer', return: 'result', reset: 'reset' };
    if (!names[kind]) return;
    const said = { v: 1, ev: names[kind], api, scope, answer: answer === 'dismiss' ? 'cancel' : answer, errMsg };
    this.send({ method: 'App.bindingCalled', params: { name: '__authTrace', args: [said] } });
    const line = { method: 'App.logAdded', params: { type: 'log', args: ['[auth]', JSON.stringify(said)] } };
    for (let i = 0; i < 2; i++) this.send(line);
  }

  log(event) {
    const key = this.host.trace && `${this.number} ${event.rpc}`; // ids are told apart by connection
    this.host.log({ app: this.app, user: this.user, ...event, ...(key && { key }) });
  }

  send(message) {
    this.host.sent++;
    this.host.messages.push({ dir: 'server', body: message });
    this.socket.send(JSON.stringify(message));
  }

  receive({ id, method, params }) {
    const reply = (result) => this.send({ id, result });
    switch (method) {
      case 'Tool.getInfo':
        return reply({ SDKVersion: '3.8.9' });
      case 'App.callWxMethod':
        return this.call(id, params.method, params.args?.[0] ?? {}, false, params.pluginId);
      case 'App.callFunction':
        return this.callFunction(id, params.functionDeclaration ?? '', params.args ?? []);
      case 'App.mockWxMethod': {
        const name = `${params.pluginId ?? ''} ${params.method}`;
        if (params.result === undefined) this.mocks.delete(name);
        else this.mocks.set(name, params.result);
        return reply({});
      }
      case 'Tool.native':
        return this.native(id, params.method, params.data ?? {});
      case 'Tool.clearCache':
        if (params.clean === 'auth' || params.clean === 'all') this.machine.reset();
        return reply({});
      default:
        return reply({});
    }
  }

  /**
   * A function, read instead of run: it calls the API that its first argument names (the wrapper of many test
   * frameworks), or the one in its text, wx.NAME or wx["NAME"], or what the app's own `ask` stands for.
   */
  callFunction(id, text, args) {
    const own = { where: 'getLocation', settings: 'getSetting', record: 'startRecord' };
    const written = /wx\??\.(\w+)|wx\[["'](\w+)["']\]/.exec(text);
    const api = typeof args[0] === 'string' ? args[0] : (written?.[1] ?? written?.[2] ?? own[/ask\("(\w+)"\)/.exec(text)?.[1]]);
    const argument = args.find((one) => typeof one === 'object') ?? { scope: /['"](scope\.\w+)['"]/.exec(text)?.[1] };
    if (api && (scopeOf(api, argument) || /^(get|open)Setting$/.test(api))) return this.call(id, api, argument, true);
    return this.send({ id, result: { result: null } });
  }

  native(id, method, data) {
    const reply = (good, message) => this.send(good ? { id, result: {} } : { id, error: { message } });
    const decisions = { authorizeAllow: 'allow', authorizeCancel: 'deny', goHome: 'dismiss' };
    if (decisions[method]) return reply(this.machine.decide(decisions[method], id), 'no authorization dialog');
    if (method === 'settingToggle') return reply(this.page && this.machine.flip(data.scope, data.on), 'no such switch');
    if (method === 'navigateLeft') {
      const page = this.page;
      delete this.page;
      page?.();
      return reply(page, 'no settings page');
    }
    return reply(true);
  }

  call(id, api, args, wrapped, plugin) {
    const mock = `${plugin ?? ''} ${api}`; // the client makes null of undefined
    if (this.mocks.has(mock)) return this.send({ id, result: { result: this.mocks.get(mock) } });
    const scope = scopeOf(api, args);
    const listed = scope !== undefined || api === 'getSetting' || api === 'openSetting' || api === 'authorize';
    if (listed) this.log({ kind: 'call', rpc: id, api, ...(api === 'authorize' && { scope }), wrapped });
    const call = { rpc: id, api, scope, wrapped, answer: (outcome) => this.answer(call, outcome) };
    if (args.simulate) return this.reply(call, `${api}:${OTHER_FAILURES[args.simulate]}`);
    if (api === 'getSetting')
      return this.reply(call, `${api}:ok`, { authSetting: this.machine.snapshot(id, api) });
    if (api === 'openSetting') {
      this.page = () => this.reply(call, `${api}:ok`, { authSetting: this.machine.page(id) });
      return undefined;
    }
    if (api === 'authorize' && !SCOPES[scope]) return this.reply(call, `${api}:fail invalid scope`);
    if (scope) return this.machine.call(call);
    return this.send({ id, result: { result: { errMsg: `${api}:ok` } } });
  }

  answer(call, outcome) {
    const words = DENIALS[this.platform] ?? DENIALS.ios;
    if (outcome === 'ok') return this.succeed(call);
    if (outcome === 'dismissed') return this.reply(call, `${call.api}:fail auth canceled`);
    return this.reply(call, `${call.api}:fail${words[this.failures++ % words.length]}`);
  }

  succeed(call) {
    const on = (name) => this.host.faults.has(name) && call.api !== 'authorize';
    if (on('no-answer')) return this.machine.misanswer(call, 'an answer', 'none');
    let named = call.api;
    if (on('wrong-api')) {
      named = call.api === 'getLocation' ? 'getWeRunData' : 'getLocation';
      this.machine.misanswer(call, call.api, named);
    }
    this.reply(call, `${named}:ok`, RESULTS[call.api]);
    if (on('second-answer')) {
      this.machine.misanswer(call, 'one answer', 'two');
      this.reply(call, `${named}:ok`, RESULTS[call.api]);
    }
    return undefined;
  }

  /** A direct call that failed comes back as an error (a mild host does not do that), a wrapped one as a result. */
  reply(call, errMsg, more = {}) {
    this.log({ kind: 'return', rpc: call.rpc, api: call.api, errMsg, ...(more.authSetting && more) });
    if (!call.wrapped && !this.host.mild && / ?:?fail/.test(errMsg.slice(call.api.length)))
      this.send({ id: call.rpc, error: { message: errMsg } });
    else this.send({ id: call.rpc, result: { result: { errMsg, ...more } } });
  }
}

export class Host {
  /** deflate: false, true or 'no-takeover' (every message compressed on its own). */
  static async start({ port = 0, deflate = false, trace = false, mild = false } = {}) {
    const host = new Host();
    Object.assign(host, { trace, mild });
    const takeover = deflate === 'no-takeover';
    const perMessageDeflate = deflate
      ? { threshold: 200, serverNoContextTakeover: takeover, clientNoContextTakeover: takeover }
      : false;
    host.server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate });
    host.server.on('connection', (socket, request) => new Connection(host, socket, request.url));
    await new Promise((resolve, reject) => host.server.on('listening', resolve).on('error', reject));
    host.port = host.server.address().port;
    return host;
  }

  constructor() {
    this.faults = new Set();
    this.machines = new Map();
    this.truth = [];
    this.connections = 0;
    this.sent = this.received = 0; // messages
    this.messages = []; // all that went over the wire: {dir, body}
  }

  log(event) {
    this.truth.push(event);
    this.onEvent?.(event);
    if (this.trace) this.current?.trace(event);
  }

  machine(app, user) {
    const key = JSON.stringify([app, user]);
    if (!this.machines.has(key))
      this.machines.set(key, new Machine(this.faults, (event) => this.log({ app, user, ...event })));
    return this.machines.get(key);
  }

  async stop() {
    for (const socket of this.server.clients) socket.terminate();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function main(args) {
  const options = { port: 9420 };
  const faults = [];
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--port') options.port = Number(args[++i]);
    else if (args[i] === '--deflate') options.deflate = true;
    else if (args[i] === '--fault' && FAULTS[args[i + 1]]) faults.push(args[++i]);
    else {
      console.error('usage: node host.mjs [--port N] [--deflate] [--fault NAME]...\nfaults:');
      for (const [name, text] of Object.entries(FAULTS)) console.error(`  ${name.padEnd(28)} ${text}`);
      return 2;
    }
  }
  const host = await Host.start(options);
  faults.forEach((name) => host.faults.add(name));
  host.onEvent = (event) => console.log(JSON.stringify(event));
  console.error(`listening on ws://127.0.0.1:${host.port}`);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
