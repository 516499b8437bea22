// authtape.d.ts: what authtape.js offers. See authtape-shim(7).
declare namespace authtape {
  /** An object such as `wx`. */
  type Host = object;

  interface Options<H extends Host = Host> {
    /** Where to: `https://…` and `http://…` are posted to, through `wss://…` and `ws://…` a socket is opened. */
    url?: string;
    /** Sends instead. It is called with a batch as JSON, and calls `done(true)` once that is acknowledged. */
    send?: (body: string, done: (acknowledged: boolean) => void) => void | PromiseLike<unknown>;
    /** For requests and the handshakes of sockets. */
    headers?: Record<string, string>;
    /** The host's object; `wx` if absent. */
    host?: H;
    /** Whose error numbers and storage it has; `wx` if absent. */
    namespace?: 'wx' | 'qq' | 'tt' | 'my' | 'swan';
    /** Who plays: an id, or what gives it. A random one, kept in the host's storage, if absent. */
    user?: string | (() => string | undefined);
    /** The app; what the host says of itself if absent. */
    app?: string;
    /** `ios`, `android`, `devtools`, …; what the host says of itself if absent. */
    platform?: string;
    /** Nothing was ever asked of this user before the first launch with authtape. */
    fresh?: boolean;
    /** What other means are sure to tell of this user besides calls. */
    observes?: ReadonlyArray<'prompts' | 'decisions' | 'settings' | 'resets'>;
    /** More APIs to record, by their names. */
    apis?: ReadonlyArray<string>;
    /** Milliseconds that an event waits for others; 2000 if absent. */
    interval?: number;
    /** Events that are kept at most until they are acknowledged; 1000 if absent. */
    keep?: number;
  }

  /**
   * Begins to record. Never throws. Gives the object to use, which is the host's own wherever it can be changed;
   * undefined where there is no host.
   */
  function start<H extends Host = Host>(options: Options<H>): H | undefined;
  /** Says who plays, from now on and at the next launch. Never throws. */
  function user(id: string | (() => string | undefined)): void;
  /** Looks for APIs that were added, and sends what there is. Never throws. */
  function flush(): void;
}

export = authtape;
export as namespace authtape;
