// behaviour.mjs: what the game sees, and what is recorded, case by case.
import { readFileSync } from 'node:fs';
import { same, test } from '../wire/authtape.mjs';
import { clock, launch, server, storage } from './launch.mjs';

const OK = (api) => ({ errMsg: `${api}:ok` });

/** A game on a fake host of `members`; `events()` are those recorded since, without what all of them have. */
function play(members = {}, options = {}, globals = {}) {
  const time = clock();
  const sink = server();
  const wx = Object.assign(storage(), { request: sink.request }, members);
  const shim = launch({ wx, Date: time.Date, ...globals });
  const use = shim.authtape.start({ url: 'http://h/', app: 'wxA', user: 'u1', platform: 'ios', ...options });
  const events = () => {
    time.ms += 3000;
    shim.tick();
    return sink.events.map(({ t, app, user, stream, platform, seq, ...rest }) => rest);
  };
  return { wx, use, events, sink, time, ...shim };
}
const call = (call, api, scope) => ({ kind: 'call', call, api, ...(scope && { scope }) });
const back = (call, errMsg, more) => ({ kind: 'return', call, errMsg, ...more });
const is = (a, b, what) => {
  if (!Object.is(a, b)) throw new Error(`${what}: ${String(a)} is not ${String(b)}`);
};
const throws = (f, error) => {
  try {
    f();
  } catch (e) {
    return is(e, error, 'what was thrown');
  }
  throw new Error('nothing was thrown');
};

await test('shim: callbacks: the same this, the same arguments, the same object', () => {
  let given;
  const g = play({ getLocation: (o) => void (given = o) });
  const seen = [];
  const o = {
    type: 'wgs84',
    success(...args) {
      seen.push(['success', this, ...args]);
    },
    complete(...args) {
      seen.push(['complete', this, ...args]);
    },
  };
  is(g.wx.getLocation(o), undefined, 'what is returned');
  const answer = { ...OK('getLocation'), latitude: 39.9042, longitude: 116.4074 };
  given.success(answer, 7);
  given.complete(answer);
  is(given.type, 'wgs84', 'type');
  same(Object.keys(o), ['type', 'success', 'complete'], 'the options of the game');
  is(seen.length, 2, 'callbacks');
  for (const [, self, r] of seen) (is(self, o, 'this'), is(r, answer, 'the answer'));
  is(seen[0][3], 7, 'the second argument');
  same(g.events(), [call('1', 'getLocation'), back('1', 'getLocation:ok')], 'events');
});

await test('shim: a callback that throws throws into the host, as without us', () => {
  const error = new Error('of the game');
  const g = play({ getLocation: (o) => o.fail({ errMsg: 'getLocation:fail auth deny' }) });
  throws(
    () =>
      g.wx.getLocation({
        fail() {
          throw error;
        },
      }),
    error,
  );
  same(g.events(), [call('1', 'getLocation'), back('1', 'getLocation:fail auth deny')], 'events');
});

await test('shim: what the host throws is thrown, and recorded', () => {
  const error = { errMsg: 'authorize:fail parameter error' };
  const other = new TypeError('scope');
  let thrown = error;
  const g = play({
    authorize() {
      throw thrown;
    },
  });
  throws(() => g.wx.authorize({ scope: 'scope.record' }), error);
  thrown = other;
  throws(() => g.wx.authorize({ scope: ['scope.werun', 'scope.record'], fail() {} }), other);
  same(
    g.events(),
    [
      call('1', 'authorize', 'scope.record'),
      back('1', 'authorize:fail parameter error'),
      call('3', 'authorize', ['scope.werun', 'scope.record']),
      back('3', 'authorize:fail scope'),
    ],
    'events',
  );
});

await test('shim: promises: the very one, fulfilled and rejected; nothing is left unhandled', async () => {
  const unhandled = [];
  const note = (e) => unhandled.push(e);
  process.on('unhandledRejection', note);
  const good = Promise.resolve({ ...OK('getSetting'), authSetting: { 'scope.record': true, 'scope.werun': false } });
  const error = { errMsg: 'getUserInfo:fail auth deny', errno: 103 };
  const bad = Promise.reject(error);
  const g = play({ getSetting: () => good, getUserInfo: (...args) => (is(args.length, 0, 'arguments'), bad) });
  is(g.wx.getSetting({}), good, 'the promise');
  const p = g.wx.getUserInfo();
  is(p, bad, 'the promise');
  is(await p.catch((e) => e), error, 'the reason');
  await new Promise(setImmediate);
  process.off('unhandledRejection', note);
  same(unhandled, [], 'unhandled');
  same(
    g.events(),
    [
      call('1', 'getSetting'),
      call('2', 'getUserInfo'),
      back('1', 'getSetting:ok', { authSetting: { 'scope.record': true, 'scope.werun': false } }),
      back('2', 'getUserInfo:fail auth deny', { errno: 103 }),
    ],
    'events',
  );
});

await test('shim: a second answer is a second answer; complete is none', () => {
  const g = play({
    getLocation(o) {
      o.success(OK('getLocation'));
      o.complete(OK('getLocation'));
      o.fail({ errMsg: 'getLocation:fail auth deny' });
      o.complete({ errMsg: 'getLocation:fail auth deny' });
    },
  });
  g.wx.getLocation({ complete() {} });
  same(
    g.events(),
    [call('1', 'getLocation'), back('1', 'getLocation:ok'), back('1', 'getLocation:fail auth deny')],
    'events',
  );
});

await test('shim: a host without promises, and nobody listens: a gap, and next time we do', () => {
  const asked = [];
  const g = play({ getLocation: (o) => void asked.push(o) });
  const o = {};
  g.wx.getLocation(o);
  is(asked[0], o, 'the options');
  g.wx.getLocation();
  asked[1].success(OK('getLocation'));
  same(
    g.events(),
    [call('1', 'getLocation'), { kind: 'gap' }, call('3', 'getLocation'), back('3', 'getLocation:ok')],
    'events',
  );
});

await test('shim: options of a class, with getters, frozen, without a prototype', () => {
  class Handler {
    #hits = 0;
    constructor() {
      this.hits = () => ++this.#hits;
    }
    get type() {
      return 'gcj02';
    }
    success(r) {
      this.seen = [r, this.hits()];
    }
  }
  const calls = [];
  const g = play({
    getLocation(o) {
      calls.push(o.type);
      o.success(OK('getLocation'));
    },
  });
  const handler = new Handler();
  g.wx.getLocation(handler);
  same(handler.seen, [OK('getLocation'), 1], 'what the method saw');
  let reads = 0;
  const computed = {
    get type() {
      reads++;
      return 'wgs84';
    },
    success() {},
  };
  g.wx.getLocation(computed);
  is(reads, 1, 'times that the getter ran');
  let thanked = 0;
  g.wx.getLocation(Object.freeze({ type: 'a', success: () => thanked++ }));
  g.wx.getLocation(Object.assign(Object.create(null), { type: 'b', success: () => thanked++ }));
  is(thanked, 2, 'callbacks');
  same(calls, ['gcj02', 'wgs84', 'a', 'b'], 'types');
  is(g.events().length, 8, 'events');
});

await test('shim: a getter of the options that throws throws what it threw', () => {
  const error = new Error('of the getter');
  const g = play({ authorize: (o) => void o.scope });
  throws(
    () =>
      g.wx.authorize({
        get scope() {
          throw error;
        },
        success() {},
      }),
    error,
  );
});

await test('shim: APIs that are added later', () => {
  const g = play({ login: (o) => o.success(OK('login')) });
  g.wx.getLocation = (o) => o.success(OK('getLocation'));
  g.tick();
  g.wx.getLocation({ success() {} });
  g.wx.getFuzzyLocation = (o) => o.success(OK('getFuzzyLocation'));
  g.wx.login({ success() {} }); // any call will do, or
  g.wx.getFuzzyLocation({ success() {} });
  Object.defineProperty(g.wx, 'getWeRunData', {
    configurable: true,
    get: () => (o) => o.success(OK('getWeRunData')),
  });
  g.authtape.flush();
  g.wx.getWeRunData({ success() {} });
  same(
    g.events().filter((e) => e.kind === 'call'),
    [call('1', 'getLocation'), call('3', 'login'), call('5', 'getFuzzyLocation'), call('7', 'getWeRunData')],
    'calls',
  );
});

await test("shim: what the game puts in an API's place is the game's", () => {
  const host = (o) => o.success(OK('getLocation'));
  for (const members of [
    { getLocation: host },
    (() => {
      let f = host;
      return Object.defineProperty({}, 'getLocation', {
        configurable: true,
        enumerable: true,
        get: () => f,
        set: (v) => void (f = v),
      });
    })(),
  ]) {
    const g = play();
    Object.defineProperties(g.wx, Object.getOwnPropertyDescriptors(members));
    g.tick();
    const ours = g.wx.getLocation;
    is(g.wx.getLocation, ours, 'the same twice');
    const mock = (o) => o.success({ errMsg: 'getLocation:ok', mocked: true });
    g.wx.getLocation = mock;
    g.tick();
    is(g.wx.getLocation, mock, 'the mock');
    g.wx.getLocation({ success() {} }); // not the host's answer
    g.wx.getLocation = (o) => ours(o); // around the host's
    g.tick();
    g.wx.getLocation({ success() {} });
    same(g.events(), [call('1', 'getLocation'), back('1', 'getLocation:ok')], 'events');
  }
});

await test('shim: properties stay what they were', () => {
  const f = Object.assign(function getLocation(a, b) {}, { version: 2 });
  const proto = { getSetting: (o) => o.success(OK('getSetting')) };
  const wx = Object.create(proto, {
    getLocation: { value: f, enumerable: false, configurable: true, writable: false },
    getUserInfo: { value: f, enumerable: true, configurable: false, writable: true },
    getWeRunData: { get: () => f, enumerable: true, configurable: true },
    other: { value: f },
  });
  const flags = (o) =>
    JSON.stringify(
      Object.entries(Object.getOwnPropertyDescriptors(o)).map(([k, d]) => [
        k,
        d.enumerable,
        d.configurable,
        d.writable,
        typeof d.get,
        typeof d.set,
      ]),
    );
  const before = [flags(wx), JSON.stringify(Object.keys(wx))];
  const g = play({}, { host: wx });
  is(g.use, wx, 'the object to use');
  const d = Object.getOwnPropertyDescriptor(wx, 'getSetting'); // the only thing that is new
  same([[d.enumerable, d.configurable]], [[false, true]], 'of an inherited one');
  delete wx.getSetting;
  same([flags(wx), JSON.stringify(Object.keys(wx))], before, 'flags');
  is(wx.getLocation.name, 'getLocation', 'name');
  is(wx.getLocation.length, 2, 'length');
  is(wx.getLocation.version, 2, 'property');
  is(Function.prototype.toString.call(wx.getLocation).includes('native code'), true, 'text');
  is(wx.other, f, 'what is none of our business');
});

await test('shim: getters of the host stay lazy, and run on the host', () => {
  let ran = 0;
  let wx;
  const host = {
    get getLocation() {
      ran++;
      is(this, wx, 'this');
      return (o) => o.success(OK('getLocation'));
    },
    get getUserInfo() {
      throw new Error('not before it is needed');
    },
  };
  wx = host;
  const g = play();
  Object.assign(host, { request: g.sink.request }, storage());
  const mine = launch({ Date: g.time.Date });
  mine.authtape.start({ host, url: 'http://h/' });
  is(ran, 0, 'times that it ran');
  host.getLocation({ success() {} });
  is(ran, 1, 'times that it ran');
  g.time.ms += 3000;
  mine.tick();
  is(g.sink.events.length, 2, 'events');
});

await test('shim: a frozen host is left alone; what start gives records', () => {
  const wx = Object.freeze({
    ...storage(),
    request: () => {},
    getLocation: (o) => o.success(OK('getLocation')),
    getRecorderManager: () => Object.freeze({ start() {}, onStart() {}, onError() {} }),
  });
  const real = wx.getLocation;
  const sink = server();
  const g = play({}, { host: wx, send: (body, done) => (sink.batches.push(JSON.parse(body)), done(true)) });
  is(wx.getLocation, real, 'the function');
  let answers = 0;
  wx.getLocation({ success: () => answers++ });
  wx.getRecorderManager().start();
  g.use.getLocation({ success: () => answers++ });
  g.use.getRecorderManager().start();
  is(answers, 2, 'answers');
  g.events();
  same(
    sink.events.map((e) => e.kind),
    ['call', 'return'],
    'events',
  );
});

await test('shim: no host, no storage, a host that throws at everything: nothing of it reaches the game', () => {
  const none = launch();
  is(none.authtape.start({ url: 'http://h/' }), undefined, 'the object to use');
  none.authtape.user('u');
  none.authtape.flush();
  none.authtape.start();
  const wall = new Proxy(
    {},
    {
      get() {
        throw new Error('get');
      },
      ownKeys() {
        throw new Error('ownKeys');
      },
      getOwnPropertyDescriptor() {
        throw new Error('getOwnPropertyDescriptor');
      },
      defineProperty() {
        throw new Error('defineProperty');
      },
    },
  );
  const hostile = launch();
  hostile.authtape.start({ host: wall, url: 'http://h/' });
  hostile.tick();
  hostile.authtape.user(() => {
    throw new Error('user');
  });
  hostile.authtape.flush();
  const full = play(
    {
      getLocation: (o) => o.success(OK('getLocation')),
      setStorageSync() {
        throw new Error('quota');
      },
      getStorageSync() {
        throw new Error('gone');
      },
      getSystemInfoSync() {
        throw new Error('privacy');
      },
      onShow() {
        throw new Error('onShow');
      },
      request() {
        throw new Error('request');
      },
    },
    {
      user() {
        throw new Error('user');
      },
    },
  );
  full.wx.getLocation({ success() {} });
  full.events();
});

await test('shim: without Proxy', () => {
  const self = {};
  const g = play(
    {
      getLocation(o, more) {
        is(this, g.wx, 'this');
        is(more, self, 'the second argument');
        o.success(OK('getLocation'));
      },
    },
    {},
    { Proxy: undefined },
  );
  g.wx.getLocation({ success() {} }, self);
  is(g.events().length, 2, 'events');
});

function recorder(several) {
  const heard = { onStart: [], onError: [] };
  const on = (key) =>
    function (f) {
      is(this, m, 'this');
      if (several) heard[key].push(f);
      else heard[key] = [f];
    };
  const m = {
    start: (...args) => m.started(...args),
    stop() {},
    onStart: on('onStart'),
    onError: on('onError'),
    onStop() {},
    say: (key, e) => heard[key].forEach((f) => f(e)),
  };
  return m;
}
for (const several of [false, true])
  await test(`shim: a recorder with ${several ? 'any number of listeners' : 'one listener of a kind'}`, () => {
    const m = recorder(several);
    const g = play({ getRecorderManager: () => m });
    const r = g.wx.getRecorderManager();
    is(r, m, 'the manager');
    is(g.wx.getRecorderManager(), m, 'again');
    const heard = [];
    const options = { duration: 1000 };
    m.started = (o) => is(o, options, 'the options');
    r.start(options); // nobody listens yet
    r.say('onError', { errMsg: 'operateRecorder:fail auth deny' });
    r.onError((e) => heard.push(e));
    r.onStart(function () {
      heard.push(this);
    });
    r.start(options);
    r.say('onError', { errMsg: 'operateRecorder:fail:auth denied', errno: 103 });
    r.start(options);
    r.say('onStart');
    r.say('onError', { errMsg: 'operateRecorder:fail interrupted' }); // long after: of no call
    is(heard.length, 3, 'what the game heard');
    const error = new Error('of the host');
    m.started = () => {
      throw error;
    };
    throws(() => r.start(), error);
    same(
      g.events(),
      [
        call('1', 'RecorderManager.start'),
        back('1', 'operateRecorder:fail auth deny'),
        call('3', 'RecorderManager.start'),
        back('3', 'operateRecorder:fail:auth denied', { errno: 103 }),
        call('5', 'RecorderManager.start'),
        back('5', 'RecorderManager.start:ok'),
        call('7', 'RecorderManager.start'),
        back('7', 'RecorderManager.start:fail of the host'),
      ],
      'events',
    );
  });

await test('shim: the error numbers and storages of tt, my, swan and qq', () => {
  for (const [namespace, answer, errMsg, errno] of [
    ['tt', { errMsg: 'authorize:fail auth deny', errNo: 10200, errno: 1 }, 'authorize:fail auth deny', 10200],
    ['my', { error: 2001, errorMessage: '用户拒绝' }, 'authorize:fail 用户拒绝', 2001],
    ['my', { error: '11' }, 'authorize:fail', 11],
    ['swan', { errCode: 10003, errMsg: 'authorize:fail user deny' }, 'authorize:fail user deny', 10003],
    ['qq', { errMsg: 'authorize:fail auth deny' }, 'authorize:fail auth deny', undefined],
    ['wx', { errMsg: 'authorize:fail auth deny', errno: 103.5, errCode: 7 }, 'authorize:fail auth deny', undefined],
    ['wx', 'authorize:fail as text', 'authorize:fail as text', undefined],
    ['wx', undefined, 'authorize:fail', undefined],
  ]) {
    const kept = storage();
    const my = {
      getStorageSync: ({ key }) => ({ data: kept.getStorageSync(key) || null }),
      setStorageSync: ({ key, data }) => kept.setStorageSync(key, data),
    };
    const members = {
      authorize: (o) => o.fail(answer),
      getSetting: (o) => o.success({ authSetting: { album: true, n: 1 } }),
    };
    const g = play({ ...members, ...(namespace === 'my' ? my : kept) }, { namespace });
    g.wx.authorize({ scope: 'scope.record', scopes: 'x', fail() {} });
    g.wx.getSetting({ success() {} });
    same(
      g.events(),
      [
        call('1', 'authorize', 'scope.record'),
        JSON.parse(JSON.stringify(back('1', errMsg, { errno }))),
        call('3', 'getSetting'),
        back('3', 'getSetting:ok', { authSetting: { album: true } }),
      ],
      namespace,
    );
    g.tick();
    is(JSON.parse(kept.kept.get('authtape')).q.length, 0, 'events that are kept');
  }
});

await test('shim: nothing personal leaves the phone', () => {
  const secrets = [
    '小明',
    '39.90',
    '116.40',
    '13912345678',
    '11010519491231002X',
    'a@b.example',
    'RUNDATA',
    'CODE',
    'NICK',
  ];
  const all = {
    nickName: '小明',
    latitude: 39.9042,
    longitude: 116.4074,
    phone: '13912345678',
    encryptedData: 'RUNDATA',
    code: 'CODE',
    userInfo: { nickName: 'NICK' },
  };
  const g = play({
    getLocation: (o) => o.success({ ...all, errMsg: 'getLocation:ok' }),
    getUserInfo: (o) =>
      o.fail({ ...all, errMsg: 'getUserInfo:fail 13912345678 11010519491231002X a@b.example auth deny' }),
    getWeRunData: (o) => o.success({ ...all, errMsg: 'getWeRunData:ok at 39.9042,116.4074' }),
    login: (o) => o.success({ ...all, errMsg: 'login:ok' }),
    getSetting: (o) =>
      o.success({ ...all, errMsg: 'getSetting:ok', authSetting: { 'scope.record': true, nick: '小明' } }),
    startRecord: (o) => o.fail({ errMsg: 'startRecord:fail 系统错误,错误码:-12006,auth deny' }),
  });
  for (const api of ['getLocation', 'getUserInfo', 'getWeRunData', 'login', 'getSetting', 'startRecord'])
    g.wx[api]({ success() {}, fail() {}, lang: '小明', filePath: 'NICK' });
  const text = JSON.stringify(g.events());
  for (const secret of secrets) if (text.includes(secret)) throw new Error(`${secret} in ${text}`);
  if (!text.includes('系统错误,错误码:-12006,auth deny')) throw new Error(`a reason was changed: ${text}`);
});

await test('shim: texts that no JSON reader takes', () => {
  const g = play({ authorize: (o) => o.fail({ errMsg: `authorize:fail \0 \ud83d ${'x'.repeat(10000)}` }) });
  g.wx.authorize({ scope: ['scope.a\0', 7, null, 'scope.b'], fail() {} });
  g.wx.authorize({ scope: { toString: () => 'scope.a' }, fail() {} });
  const [a, b, c] = g.events();
  same([a, c], [call('1', 'authorize', ['scope.a?', 'scope.b']), call('3', 'authorize')], 'calls');
  is(/^authorize:fail \? \? x{10,}$/.test(b.errMsg) && b.errMsg.length, 500, 'errMsg');
});

await test('shim: its own requests are not recorded, also where `apis` names them', () => {
  const g = play({ downloadFile: (o) => o.success(OK('downloadFile')) }, { apis: ['downloadFile', 'request'] });
  g.wx.downloadFile({ success() {} });
  g.wx.request({ data: '{"events":[]}', success() {} });
  same(
    g.events().filter((e) => e.kind === 'call'),
    [call('1', 'downloadFile'), call('3', 'request')],
    'calls',
  );
  is(g.events().length, 4, 'events');
});

await test('shim: the lines of README.md', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [lines] = [...readme.matchAll(/^```js\n([^]*?)^```$/gm)].map((m) => m[1]).filter((l) => l.includes('start('));
  const g = play();
  let url;
  const wx = {
    ...storage(),
    request: (o) => ((url = o.url), g.sink.request(o)),
    authorize: (o) => o.success(OK('authorize')),
    getAccountInfoSync: () => ({ miniProgram: { appId: 'wx1' } }),
    getSystemInfoSync: () => ({ platform: 'iOS' }),
  };
  const shim = launch({ wx, Date: g.time.Date });
  const required = [];
  new Function('require', 'openid', lines)((name) => (required.push(name), shim.authtape), 'oPLAYER');
  wx.authorize({ scope: 'scope.record', success() {} });
  shim.authtape.flush();
  same(
    g.sink.events.map((e) => [e.app, e.user, e.platform, e.kind]),
    ['call', 'return'].map((kind) => ['wx1', 'oPLAYER', 'ios', kind]),
    'events',
  );
  same([url, required], ['http://192.168.1.5:9100/?token=SECRET', ['./authtape.js']], 'where to, and from where');
});

await test('shim: the timer keeps no process alive', () => {
  const g = play();
  same(
    [...g.timers.keys()].map((t) => t.unrefed),
    [true],
    'timers',
  );
});
