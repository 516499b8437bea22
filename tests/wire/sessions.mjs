// sessions.mjs: what a player does, played by the real automation client against the host. A session is a function of
// a player; the faults are switched on by the session itself, where it wants them.
import automator from 'miniprogram-automator';

const APP = 'wx8d1f0aa0b3c4e5f6';
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One connection of the real client. */
export class Player {
  static async connect(host, { user = 'oPLAYER0001', app = APP, platform = 'android' } = {}) {
    const player = new Player();
    player.thinking = 5; // before a tap, in milliseconds; a person takes longer
    const query = new URLSearchParams({ openid: user, appid: app, platform });
    player.host = host;
    player.client = await automator.connect({ wsEndpoint: `ws://127.0.0.1:${host.port}/?${query}` });
    return player;
  }

  /** wx.API(args), whatever comes of it. */
  call(api, args = {}) {
    return this.client.callWxMethod(api, args).catch((error) => error);
  }

  /** The same through a function evaluated in the app, as test frameworks do. */
  wrapped(api, args = {}) {
    const wrapper = '(api, arg) => new Promise((done) => wx[api](Object.assign({}, arg, { complete: done })))';
    return this.client.evaluate(wrapper, api, args).catch((error) => error);
  }

  authorize(scope) {
    return this.call('authorize', { scope });
  }

  /** Starts a call that will prompt, answers the prompt, waits for the call. */
  async prompted(api, answer, args = {}) {
    const call = this.call(api, args);
    await pause(this.thinking);
    await this.tap(answer);
    return call;
  }

  tap(answer) {
    const native = this.client.native();
    const taps = { allow: 'authorizeAllow', deny: 'authorizeCancel', dismiss: 'goHome' };
    return native[taps[answer]]().catch((error) => error);
  }

  tool(method, params) {
    return this.client.connection.send(method, params).catch((error) => error);
  }

  reset() {
    return this.tool('Tool.clearCache', { clean: 'auth' });
  }

  /** Opens the settings page, flips what `flips` says (scope -> bool), closes it. */
  async settings(flips) {
    const call = this.call('openSetting');
    await pause(this.thinking);
    for (const [scope, on] of Object.entries(flips))
      await this.tool('Tool.native', { method: 'settingToggle', data: { scope, on } });
    await this.tool('Tool.native', { method: 'navigateLeft', data: null });
    return call;
  }

  async leave() {
    const closed = new Promise((resolve) => this.client.connection.transport.ws.addEventListener('close', resolve));
    this.client.disconnect();
    await closed;
  }
}

const one = (play) => async (host) => {
  const player = await Player.connect(host);
  await play(player, (fault) => host.faults.add(fault));
  await player.leave();
};

/** Everything that a correct host and a lively player do, several ways of calling and look-alikes included. */
async function clean(p) {
  await p.call('login');
  await p.call('getSetting');
  await p.prompted('getUserInfo', 'allow');
  await p.call('getUserInfo');
  await p.authorize('scope.userInfo');
  await p.prompted('getLocation', 'deny');
  await p.call('getLocation');
  await p.wrapped('getLocation');
  await p.authorize('scope.userLocation');
  await p.prompted('startRecord', 'dismiss');
  await p.prompted('authorize', 'allow', { scope: 'scope.record' });
  await p.wrapped('startRecord', { simulate: 'os' });
  await p.call('getSetting');
  await p.settings({ 'scope.userLocation': true, 'scope.userInfo': false });
  await p.call('getLocation', { simulate: 'network' });
  await p.call('getLocation');
  await p.call('getUserInfo');
  await p.wrapped('getSetting');
  await p.authorize('scope.nonsense');
  await p.tap('allow'); // no dialog is up
  const two = [p.call('getWeRunData'), p.call('getWeRunData')];
  await pause(5);
  await p.tap('allow');
  await Promise.all(two);
  const picture = 'data:image/png;base64,' + 'iVBORw0KGgo'.repeat(300); // long enough for the client to compress it
  await p.prompted('saveImageToPhotosAlbum', 'deny', { filePath: picture });
  await p.call('setStorage', { data: '{"id":"1","method":"App.callWxMethod","params":{"method":"getLocation"}}' });
  await p.tool('Tool.clearCache', { clean: 'storage' }); // not a reset
  await p.call('saveImageToPhotosAlbum', { filePath: 'wxfile://tmp/a.png' });
  await p.reset();
  await p.call('getSetting');
  await p.prompted('getUserInfo', 'allow');
  await p.call('getSetting');
}

/** A denial, then an allowed prompt that should never have come: a host that asks again. */
async function deniedThenOk(p, fault) {
  await p.prompted('authorize', 'deny', { scope: 'scope.record' });
  await p.call('startRecord');
  fault('denied-reprompts');
  await p.prompted('startRecord', 'allow');
  await p.call('startRecord');
}

/** The report "I turned it on and it still fails", at a person's pace: a switch of the settings page has no effect. */
async function stillFails(p, fault) {
  p.thinking = 700;
  fault('flip-ignored');
  await p.call('login');
  await p.prompted('getUserInfo', 'allow');
  await p.prompted('getLocation', 'deny');
  p.thinking = 1200;
  await p.prompted('saveImageToPhotosAlbum', 'deny', { filePath: 'wxfile://tmp/score.png' });
  await p.call('getLocation');
  await pause(800);
  await p.call('getLocation');
  await p.call('saveImageToPhotosAlbum', { filePath: 'wxfile://tmp/score.png' });
  await p.prompted('startRecord', 'dismiss');
  p.thinking = 700; // twice that in the settings: too short to be back there unseen
  await p.settings({ 'scope.userLocation': true });
  await pause(600);
  await p.call('getLocation');
  await p.call('getUserInfo');
}

/** Two players, one of them on two devices: what one may do says nothing about the other. */
async function players(host) {
  const phone = await Player.connect(host, { user: 'oANNA', platform: 'ios' });
  const tablet = await Player.connect(host, { user: 'oANNA', platform: 'ios' });
  const other = await Player.connect(host, { user: 'oBO', platform: 'devtools' });
  await phone.prompted('getUserInfo', 'allow');
  await other.prompted('getUserInfo', 'deny');
  await Promise.all([tablet.call('getUserInfo'), other.call('getUserInfo'), phone.call('getSetting')]);
  await Promise.all([tablet.prompted('getLocation', 'deny'), other.call('getSetting')]);
  await phone.call('getLocation');
  await other.call('getUserInfo');
  for (const player of [phone, tablet, other]) await player.leave();
}

/** A mocked API is the tester's answer, not the host's. */
async function mocked(p) {
  await p.prompted('getLocation', 'deny');
  await p.client.mockWxMethod('getLocation', { errMsg: 'getLocation:ok', latitude: 0, longitude: 0 });
  await p.call('getLocation');
  await p.client.restoreWxMethod('getLocation');
  await p.call('getLocation');
}

/** Sessions of a host with one fault each; every one shows it in a way that calls and taps alone give away. */
const faulty = {
  'denied-reprompts': async (p) => {
    await p.prompted('getLocation', 'deny');
    await p.prompted('getLocation', 'allow');
  },
  'granted-reprompts': async (p) => {
    await p.prompted('getUserInfo', 'allow');
    await p.prompted('getUserInfo', 'deny');
  },
  'flip-ignored': async (p) => {
    await p.prompted('startRecord', 'deny');
    await p.settings({ 'scope.record': true });
    await p.call('startRecord');
  },
  'reset-keeps-denials': async (p) => {
    await p.prompted('getWeRunData', 'deny');
    await p.reset();
    await p.call('getSetting');
  },
  'reset-keeps-grants': async (p) => {
    await p.prompted('getWeRunData', 'allow');
    await p.reset();
    await p.call('getSetting');
  },
  'deny-stored-as-grant': async (p) => {
    await p.prompted('getLocation', 'deny');
    await p.call('getLocation');
  },
  'decision-ignored': async (p) => {
    await p.prompted('getLocation', 'allow');
  },
  'stale-snapshot': async (p) => {
    await p.prompted('getUserInfo', 'allow');
    await p.prompted('getLocation', 'deny');
    await p.call('getSetting');
  },
  'unasked-listed': async (p) => {
    await p.reset();
    await p.call('getSetting');
  },
  'scope-answers-for-another': async (p) => {
    await p.reset();
    await p.prompted('startRecord', 'allow');
    await p.call('getSetting');
  },
  'api-ignores-denial': async (p) => {
    await p.prompted('saveImageToPhotosAlbum', 'deny');
    await p.call('saveImageToPhotosAlbum');
  },
  'wrong-api': async (p) => {
    await p.prompted('getUserInfo', 'allow');
    await p.call('getUserInfo');
  },
  'second-answer': async (p) => {
    await p.prompted('getUserInfo', 'allow');
    await p.call('getUserInfo');
  },
  'no-answer': async (p) => {
    await p.prompted('authorize', 'allow', { scope: 'scope.userInfo' });
    p.call('getUserInfo').catch(() => {});
    await p.authorize('scope.userInfo');
  },
};

/** name -> function(host). */
export const SESSIONS = {
  clean: one(clean),
  players,
  mocked: one(mocked),
  'denied-then-ok': one(deniedThenOk),
  'still-fails': one(stillFails),
  ...Object.fromEntries(
    Object.entries(faulty).map(([fault, play]) => [
      `fault-${fault}`,
      one((player, on) => {
        on(fault);
        return play(player);
      }),
    ]),
  ),
};
