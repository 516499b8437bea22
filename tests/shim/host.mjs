// host.mjs: a phone of our own: a host app as the 2018 documents describe it, its player, its network and its clock.
//
// It writes its own account of what the game asked and was answered, at the host's side of the shim, and knows nothing
// of authtape. Time is virtual and begins some minutes ago, so that a visit to the settings takes no waiting.
import http from 'node:http';
import { launch, storage } from './launch.mjs';

export const SCOPE_OF = {
  getUserInfo: 'scope.userInfo',
  getLocation: 'scope.userLocation',
  getWeRunData: 'scope.werun',
  startRecord: 'scope.record',
  'RecorderManager.start': 'scope.record',
  saveImageToPhotosAlbum: 'scope.writePhotosAlbum',
};
export const SCOPES = [...new Set(Object.values(SCOPE_OF))];

export class Phone {
  /** `port`: of whoever takes the events. `fault`: what is wrong with this host. */
  constructor({ port, fault, socket } = {}) {
    Object.assign(this, { port, fault, socket });
    this.ms = Date.now() - 1_800_000;
    this.state = {}; // scope -> true, false
    this.account = [];
    this.calls = 0;
    this.disk = new Map();
    this.online = true;
    this.loseAnswers = 0;
    this.sent = 0;
    this.waiting = new Set(); // requests
    this.player = 'allow';
  }

  // ---- The host

  note(event) {
    this.account.push({ ms: this.ms, ...event });
  }

  /** What becomes of a call: allowed, denied, or dismissed; asks the player where that is due. */
  decide(scope) {
    if (this.fault === 'grants-forgotten' && this.state[scope] === true) return 'denied';
    if (scope in this.state) return this.state[scope] && this.flipped !== scope ? 'allowed' : 'denied';
    const answer = this.player;
    if (answer === 'dismiss') return 'dismissed';
    this.state[scope] = answer === 'allow';
    return answer === 'allow' ? 'allowed' : 'denied';
  }

  /** One call: its account, what becomes of it and, a little later, its answer. */
  take(api, o, settle, scope = SCOPE_OF[api], named = api) {
    const { wording, errno, silent } = this.script ?? {};
    this.script = undefined;
    const number = ++this.calls;
    this.note({ kind: 'call', number, api, scope: api === 'authorize' ? o.scope : undefined });
    const answer = (ok, errMsg, more = {}) => {
      const r = { errMsg: `${named}${errMsg}`, ...more };
      if (this.fault === 'wrong-api' && api === 'getWeRunData') r.errMsg = `getLocation${errMsg}`;
      this.ms += 3;
      this.note({ kind: 'return', number, ...r });
      settle(ok, r);
      if (this.fault === 'second-answer' && api === 'getUserInfo') {
        this.note({ kind: 'return', number, ...r });
        settle(ok, r);
      }
    };
    queueMicrotask(() => {
      this.ms += 20;
      if (silent) return;
      if (api === 'getSetting' || api === 'openSetting') {
        if (api === 'openSetting') this.ms += 1500; // too short for another flip after the page was read
        const authSetting = { ...this.state, ...(this.fault === 'unasked-listed' && { 'scope.werun': false }) };
        for (const [s, on] of Object.entries(this.flips ?? {})) this.state[s] = authSetting[s] = on;
        if (this.fault === 'flip-ignored' && this.flips) this.flipped = Object.keys(this.flips)[0];
        this.flips = undefined;
        return answer(true, ':ok', { authSetting });
      }
      if (api === 'login') return answer(true, ':ok', {});
      if (wording && !wording.decides) return answer(false, wording.text, errno && { errno });
      const how = this.decide(scope);
      if (how === 'allowed') return answer(true, ':ok');
      const usual = how === 'dismissed' ? ':fail auth canceled' : ':fail auth deny';
      answer(false, wording?.text ?? usual, errno && { errno });
    });
  }

  makeWx() {
    const heard = {};
    const manager = {
      onStart: (f) => void (heard.start = f),
      onError: (f) => void (heard.error = f),
      onStop: (f) => void (heard.stop = f),
      start: () =>
        this.take(
          'RecorderManager.start',
          {},
          (ok, r) => (ok ? heard.start?.() : heard.error?.(r)),
          'scope.record',
          'operateRecorder',
        ),
      stop: () => heard.stop?.({}),
    };
    const wx = {
      ...storage(this.disk),
      getSystemInfoSync: () => ({ platform: 'android' }),
      getAccountInfoSync: () => ({ miniProgram: { appId: 'wx8d1f0aa0b3c4e5f6' } }),
      getRecorderManager: () => manager,
      onShow: (f) => void (this.onShow = f),
      onHide: (f) => void (this.onHide = f),
      request: (o) => this.request(o),
      connectSocket: (o) => this.connect(o),
      exitMiniProgram: () => {},
    };
    for (const api of ['login', 'authorize', 'getSetting', 'openSetting', ...Object.keys(SCOPE_OF)])
      if (!api.includes('.'))
        wx[api] = (o = {}) => {
          const scope = api === 'authorize' ? o.scope : SCOPE_OF[api];
          if (o.success || o.fail || o.complete)
            return this.take(
              api,
              o,
              (ok, r) => {
                if (ok) o.success?.(r);
                else o.fail?.(r);
                o.complete?.(r);
              },
              scope,
            );
          return new Promise((resolve, reject) => this.take(api, o, (ok, r) => (ok ? resolve(r) : reject(r)), scope));
        };
    return wx;
  }

  // ---- The network: what wx.request and wx.connectSocket do on a phone

  track(promise) {
    this.waiting.add(promise);
    promise.finally(() => this.waiting.delete(promise));
  }

  request(o) {
    if (!this.online) {
      queueMicrotask(() => o.fail({ errMsg: 'request:fail' }));
      return {};
    }
    const lost = this.loseAnswers > 0 && this.loseAnswers--;
    this.track(
      new Promise((resolve) => {
        const headers = {
          'content-type': 'application/json',
          ...o.header,
          'content-length': Buffer.byteLength(o.data),
        };
        const request = http.request(o.url, { method: o.method, headers, agent: false }, (response) => {
          response.resume();
          response.on('end', () => {
            if (lost) o.fail({ errMsg: 'request:fail timeout' });
            else o.success({ statusCode: response.statusCode, data: '' });
            resolve();
          });
        });
        request.on('error', () => (o.fail({ errMsg: 'request:fail' }), resolve()));
        request.end(o.data);
        this.sent++;
      }),
    );
    return {};
  }

  connect(o) {
    const on = {};
    const task = {};
    for (const key of ['onOpen', 'onMessage', 'onClose', 'onError']) task[key] = (f) => void (on[key] = f);
    if (!this.online) {
      queueMicrotask(() => on.onError({ errMsg: 'connectSocket:fail' }));
      return task;
    }
    const lost = this.loseAnswers > 0 && this.loseAnswers--;
    const socket = new this.socket(o.url);
    this.track(
      new Promise((resolve) => {
        task.send = ({ data }) => (this.sent++, socket.send(data));
        task.close = () => socket.close();
        socket.on('open', () => on.onOpen({}));
        socket.on('message', (data) => (lost ? socket.close() : on.onMessage({ data: data.toString() })));
        socket.on('error', (error) => on.onError({ errMsg: error.message }));
        socket.on('close', () => (on.onClose({}), resolve()));
      }),
    );
    return task;
  }

  // ---- The player and the script

  /** The game begins, with the shim in its first lines. */
  start(options) {
    const phone = this;
    class Clock extends Date {
      static now = () => phone.ms;
    }
    this.wx = this.makeWx();
    this.shim = launch({ wx: this.wx, Date: Clock });
    this.shim.authtape.start({ user: 'oPLAYER0001', ...options });
  }

  /** The game calls, with callbacks or for a promise; the answer. */
  async call(api, o = {}, { promise = false, ...script } = {}) {
    this.ms += 100;
    this.script = script;
    if (api === 'RecorderManager.start') {
      const r = this.wx.getRecorderManager();
      const answer = new Promise((resolve) => (r.onStart(() => resolve({})), r.onError(resolve)));
      r.start({ duration: 1000 });
      return script.silent ? undefined : answer;
    }
    if (promise) return this.wx[api](o).catch((r) => r);
    const answer = new Promise((complete) => this.wx[api]({ ...o, complete }));
    return script.silent ? undefined : answer;
  }

  /** Away for some seconds: to the settings, perhaps, where switches are flipped. */
  away(flips = {}) {
    this.ms += 200;
    this.onHide({});
    this.ms += 5000;
    Object.assign(this.state, flips);
    this.onShow({});
    this.ms += 200;
  }

  /** Time passes until all that can be sent is. */
  async pass(seconds = 4) {
    for (let i = 0; i < seconds; i++) {
      this.ms += 1000;
      this.shim.tick();
      do {
        await Promise.all(this.waiting);
        await new Promise(setImmediate);
      } while (this.waiting.size);
    }
  }
}
