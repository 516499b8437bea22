// launch.mjs: the shim as a game loads it: a new copy for every launch, on a host whose storage outlives it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';

export const SHIM = process.env.SHIM ?? fileURLToPath(new URL('../../tracer/shim/authtape.js', import.meta.url));
const text = readFileSync(SHIM, 'utf8');

/**
 * A copy of the shim in a scope of its own, with the given globals (wx, Date, Proxy: undefined, …). The timers are run
 * by tick(), so that tests do not wait.
 */
export function launch(globals = {}) {
  const timers = new Map();
  const module = { exports: {} };
  const names = {
    module,
    setInterval: (f, ms) => {
      const timer = { ms, unref: () => (timer.unrefed = true) };
      timers.set(timer, f);
      return timer;
    },
    clearInterval: (timer) => timers.delete(timer),
    ...globals,
  };
  const make = vm.runInThisContext(`(function (${Object.keys(names).join(', ')}) {\n${text}\n})`, {
    filename: SHIM,
    lineOffset: -1,
  });
  make(...Object.values(names));
  const tick = () => timers.forEach((f) => f());
  return { authtape: module.exports, tick, timers };
}

/** The storage of a host: what setStorageSync and kin of `wx` do. */
export function storage(kept = new Map()) {
  return {
    kept,
    getStorageSync: (key) => (kept.has(key) ? kept.get(key) : ''),
    setStorageSync: (key, value) => void kept.set(key, value),
    removeStorageSync: (key) => void kept.delete(key),
  };
}

/** A server inside of the process: what it was sent; `answer` says what becomes of each batch. */
export function server(answer = () => 200) {
  const batches = [];
  return {
    batches,
    get events() {
      return batches.flatMap((b) => b.events);
    },
    request(o) {
      const body = JSON.parse(o.data);
      const status = answer(body, o);
      if (status !== 'lost') batches.push(body);
      if (typeof status === 'number') o.success?.({ statusCode: status, data: '' });
      else if (status === 'fail' || status === 'lost') o.fail?.({ errMsg: 'request:fail' });
      return { abort() {} };
    },
  };
}

/** A clock that tests turn. */
export function clock(start = 1_700_000_000_000) {
  const c = { ms: start };
  class Clock extends Date {
    static now = () => c.ms;
  }
  c.Date = Clock;
  return c;
}
