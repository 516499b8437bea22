// machine.mjs: the authorization state machine of the tests' host, for one key (app and user), with switchable faults.
//
// It keeps two states of every scope: `real`, by which the host acts (faults included), and `ref`, what a correct host
// would have. Where the two lead to different answers it says so, as a deviation: the truth that a replay is held
// against. It knows nothing of wires: in go calls, taps and flips, out come answers by callback.

/** Scopes, and the APIs that each of them gates (the 2018 mini-game documents). */
export const SCOPES = {
  'scope.userInfo': ['getUserInfo'],
  'scope.userLocation': ['getLocation'],
  'scope.werun': ['getWeRunData'],
  'scope.record': ['startRecord'],
  'scope.writePhotosAlbum': ['saveImageToPhotosAlbum'],
};
const SCOPE_OF = Object.fromEntries(Object.entries(SCOPES).flatMap(([scope, apis]) => apis.map((api) => [api, scope])));

/** What can be wrong with a host, and how it shows. */
export const FAULTS = {
  'denied-reprompts': 'a call while denied shows the prompt again',
  'granted-reprompts': 'a call while granted shows the prompt again',
  'flip-ignored': 'a flip in the settings page is shown there but changes nothing',
  'reset-keeps-denials': 'a reset forgets only what was granted',
  'reset-keeps-grants': 'a reset forgets only what was denied',
  'deny-stored-as-grant': 'a denial is answered, but stored as a grant',
  'decision-ignored': 'the answer to an allowed prompt is a denial',
  'stale-snapshot': 'getSetting lags one change behind',
  'unasked-listed': 'getSetting lists every scope, asked or not',
  'scope-answers-for-another': 'scope.record is stored as scope.writePhotosAlbum too',
  'api-ignores-denial': 'an API other than authorize goes through while denied',
  'wrong-api': 'an answer names another API',
  'second-answer': 'a call is answered twice',
  'no-answer': 'a call while granted is never answered',
};

export function scopeOf(api, args) {
  return api === 'authorize' ? args.scope : SCOPE_OF[api];
}

export class Machine {
  /** log(event) gets what happens; faults is the set of names that are on, shared with the host. */
  constructor(faults, log) {
    this.faults = faults;
    this.log = log;
    this.real = new Map();
    this.ref = new Map();
    this.before = new Map(); // `real` before its last change
    this.prompts = new Map(); // scope -> calls waiting for the decision
  }

  /** A gated call: {rpc, api, scope, answer(outcome)}, outcome = 'ok', 'denied', 'denied-earlier' or 'dismissed'. */
  call(call) {
    const waiting = this.prompts.get(call.scope);
    if (waiting) {
      waiting.push(call);
      return;
    }
    const disposition = (state) => ({ granted: 'ok', denied: 'denied-earlier' })[state] ?? 'prompt';
    const wanted = disposition(this.ref.get(call.scope));
    const actual = this.#disposition(call, disposition(this.real.get(call.scope)));
    if (wanted !== actual) {
      this.#deviate(call, call.scope, wanted, actual);
      // From here on the truth is what was seen.
      if (actual === 'prompt') this.ref.delete(call.scope);
      else this.ref.set(call.scope, actual === 'ok' ? 'granted' : 'denied');
    }
    if (actual === 'prompt') {
      this.prompts.set(call.scope, [call]);
      this.log({ kind: 'prompt', scope: call.scope, rpc: call.rpc });
    } else {
      call.answer(actual);
    }
  }

  #disposition(call, disposition) {
    const on = (name) => this.faults.has(name);
    if (disposition === 'ok' && on('granted-reprompts')) return 'prompt';
    if (disposition === 'denied-earlier' && on('denied-reprompts')) return 'prompt';
    if (disposition === 'denied-earlier' && on('api-ignores-denial') && call.api !== 'authorize') return 'ok';
    return disposition;
  }

  /** The user's answer to the prompt that came up last; false when none is up. */
  decide(answer, rpc) {
    const scope = [...this.prompts.keys()].pop();
    if (!scope) return false;
    const waiting = this.prompts.get(scope);
    this.prompts.delete(scope);
    this.log({ kind: 'decision', answer, scope, rpc });
    if (answer !== 'dismiss') {
      const state = answer === 'allow' ? 'granted' : 'denied';
      this.ref.set(scope, state);
      this.#store(scope, state === 'denied' && this.faults.has('deny-stored-as-grant') ? 'granted' : state);
    }
    const wanted = { allow: 'ok', deny: 'denied', dismiss: 'dismissed' }[answer];
    const actual = wanted === 'ok' && this.faults.has('decision-ignored') ? 'denied' : wanted;
    for (const call of waiting) {
      if (actual !== wanted) this.#deviate(call, scope, wanted, actual);
      call.answer(actual);
    }
    return true;
  }

  #store(scope, state) {
    this.before = new Map(this.real);
    this.real.set(scope, state);
    if (scope === 'scope.record' && this.faults.has('scope-answers-for-another'))
      this.real.set('scope.writePhotosAlbum', state);
  }

  /** What getSetting and openSetting (rpc) answer now. */
  snapshot(rpc, api) {
    const stale = api === 'getSetting' && this.faults.has('stale-snapshot');
    const shown = Object.fromEntries([...(stale ? this.before : this.real)].map(([s, v]) => [s, v === 'granted']));
    if (api === 'getSetting' && this.faults.has('unasked-listed'))
      for (const scope of Object.keys(SCOPES)) shown[scope] ??= false;
    for (const scope of Object.keys(SCOPES)) {
      const wanted = { granted: true, denied: false }[this.ref.get(scope)];
      if (wanted === shown[scope]) continue;
      this.#deviate({ rpc, api }, scope, String(wanted), String(shown[scope]));
      if (shown[scope] === undefined) this.ref.delete(scope);
      else this.ref.set(scope, shown[scope] ? 'granted' : 'denied');
    }
    return shown;
  }

  /** The user flips a switch of the settings page; false when the page does not list that scope. */
  flip(scope, granted) {
    if (!this.real.has(scope)) return false;
    this.log({ kind: 'settings', scope, granted });
    this.ref.set(scope, granted ? 'granted' : 'denied');
    if (this.faults.has('flip-ignored')) this.shownOnce = { ...this.shownOnce, [scope]: granted };
    else this.#store(scope, granted ? 'granted' : 'denied');
    return true;
  }

  /** What the settings page shows when it is closed: under `flip-ignored` the flips, which nothing else follows. */
  page(rpc) {
    const lied = this.shownOnce ?? {};
    delete this.shownOnce;
    const real = new Map(this.real);
    for (const [scope, granted] of Object.entries(lied)) this.real.set(scope, granted ? 'granted' : 'denied');
    const shown = this.snapshot(rpc, 'openSetting');
    this.real = real;
    return shown;
  }

  reset() {
    this.log({ kind: 'reset' });
    const kept = (state) =>
      (state === 'denied' && this.faults.has('reset-keeps-denials')) ||
      (state === 'granted' && this.faults.has('reset-keeps-grants'));
    this.ref.clear();
    this.real = new Map([...this.real].filter(([, state]) => kept(state)));
    this.before = new Map(this.real);
  }

  /** Something about one call itself went wrong: wrong-api, second-answer, no-answer. */
  misanswer(call, wanted, actual) {
    this.#deviate(call, call.scope, wanted, actual);
  }

  #deviate(call, scope, wanted, actual) {
    this.log({ kind: 'deviation', rpc: call.rpc, api: call.api, scope, wanted, actual, faults: [...this.faults] });
  }
}
