/*
 * authtape.js: records what a mini-game asks permission for, and what its host answers. See authtape-shim(7).
 * MIT licence.
 *
 * ES5, one file, no dependency: require() it, import authtape.mjs, or load it as a plain script (global `authtape`).
 * What the game passes, gets and sees stays what it would be without us. Nothing of ours is thrown at it. Of an answer
 * only errMsg, the error number and authSetting are kept. An event is forgotten only when somebody has acknowledged it.
 */
var authtape = (function () {
  'use strict';

  // The calls about permissions, login, and every API that a built-in profile has a scope for; then what leads to
  // others.
  var NAMES =
    'authorize|login|add(Friend|Phone\\w+)|choose(Address|Image|InvoiceTitle|Location|Video)|' +
    'create(BLEPeripheralServer|VKSession)|get(Address|AuthCode|ClipboardData|(Friend|Group)CloudStorage|GameClubData|' +
    'GroupInfo|(Fuzzy)?Location|PhoneNumber|PotentialFriendList|(QQ|We)?RunData|Setting|(Open)?UserInfo|' +
    'User(CloudStorageKeys|InteractiveStorage))|joinVoIPChat|open(BluetoothAdapter|Location|Setting)|requestMicrophone|' +
    'save(Image|Video)(ToPhotosAlbum)?|scan(Code)?|setClipboardData|start(LocationUpdate\\w*|Record)|subscribeAppMsg|' +
    'get(Game)?RecorderManager|(exit|restart)MiniProgram';
  var CALLBACKS = ['success', 'fail', 'complete'];
  var KEY = 'authtape'; // in the host's storage
  var BATCH = 50; // events at once
  var PATIENCE_MS = 30000; // for an acknowledgement

  var host, name, options, interval, wanted, view, timer;
  var request, connect, store; // the host's own, whatever the game does to them later
  var app, platform, player, user, install, stream, seq;
  var last = 0,
    offset = 0; // of the clock, in microseconds
  var queue = [],
    marks = [],
    dirty,
    hidden;
  var open = [],
    blind; // calls without an answer; true: the host has no promises
  var flying,
    retryAt = 0,
    wait = 0;
  var installed = {},
    managers = [];

  var object = Object,
    clock = Date.now; // as they are before the game

  function quiet(f, a, b, c) {
    try {
      return f(a, b, c);
    } catch (e) {}
  }
  function isFunction(f) {
    return typeof f === 'function';
  }
  // A text that every reader of JSON takes; false: it is none.
  function text(s) {
    return typeof s === 'string' && s.slice(0, 500).replace(/[\0\ud800-\udfff]/g, '?');
  }

  // ---- Events

  // Microseconds, always growing, also when somebody turns the phone's clock back.
  function now() {
    var t = clock() * 1000;
    offset = Math.max(offset, last + 1 - t);
    return (last = t + offset);
  }

  function who() {
    return text(isFunction(player) ? quiet(player) : player) || user || install;
  }

  function make(kind, t, u, s, n) {
    return {t: t, kind: kind, app: app, user: u, stream: s, platform: platform, seq: n};
  }

  function put(kind, more) {
    var e = make(kind, now(), who(), stream, ++seq),
      k;
    for (k in more) e[k] = more[k];
    if (marks.length) e.marks = marks;
    marks = [];
    if (!queue.length && !wait) retryAt = clock() + interval;
    queue.push(e);
    trim();
    changed();
    scan();
    return e;
  }

  // When there are too many events, the oldest quarter goes; a gap for each user stays in its place.
  function trim() {
    var n = options.keep >> 2 || 250;
    if (queue.length > 4 * n)
      queue = queue
        .map(function (e, i) {
          return i > n ? e : make('gap', e.t, e.user, e.stream, e.seq);
        })
        .filter(function (e, i, all) {
          return (
            i >= n ||
            all.slice(i + 1, n + 1).every(function (later) {
              return later.user !== e.user;
            })
          );
        });
  }

  // A stream is a launch of the game, up to its exit.
  function newStream() {
    stream = install + '.' + now().toString(36);
    seq = 0;
  }

  // `start`, where there is something to say: that nothing was asked before, or what else will be seen.
  function begin(fresh) {
    if (fresh || options.observes) put('start', {fresh: fresh, observes: options.observes});
  }

  // ---- What outlives the game

  function load() {
    var my = name === 'my',
      s = host.getStorageSync(my ? {key: KEY} : KEY);
    s = JSON.parse(my ? s.data : s);
    queue = s.q.slice();
    install = s.i;
    user = s.u;
    marks = s.m;
    last = s.t;
    // The game ended before all was written.
    if (s.d) queue.push(make('gap', now(), who(), s.s, s.n + 1));
  }

  // `more`: what happens from now on is not written at once.
  function save(more) {
    var s = {q: queue, i: install, u: user, m: marks, t: last, s: stream, n: seq, d: more};
    dirty = 0;
    quiet(function () {
      s = JSON.stringify(s);
      store.apply(host, name === 'my' ? [{key: KEY, data: s}] : [KEY, s]);
    });
  }

  function changed() {
    dirty = 1;
    if (hidden) save(0);
  }

  // ---- Sending: one batch at a time, which stays in the queue until it is acknowledged

  function send() {
    var sent = queue.slice(0, BATCH);
    if (flying || !sent.length || clock() < retryAt) return;
    function done(ok) {
      if (ok) {
        queue = queue.filter(function (e) {
          return sent.indexOf(e) < 0;
        });
        wait = 0;
        changed();
      }
      if (flying === done) {
        flying = 0;
        if (!ok) wait = Math.min(wait * 2 || interval, 300000);
        retryAt = clock() + wait;
      }
      if (ok) send();
    }
    flying = done;
    retryAt = clock() + PATIENCE_MS;
    try {
      post(sent, done);
    } catch (e) {
      done(0);
    }
  }

  function post(events, done) {
    var url = options.url,
      head = options.headers || {},
      p;
    var body = JSON.stringify({authtape: 1, now: now(), events: events});
    function failed() {
      done(0);
    }
    if (options.send) p = options.send(body, done);
    else if (/^ws/.test(url)) {
      // a socket for this batch alone: the first message with an "ack" in it acknowledges
      p = connect.call(host, {url: url, header: head, fail: failed});
      p.onOpen(function () {
        p.send({data: body, fail: failed});
      });
      p.onMessage(function (r) {
        done(/"ack"/.test(r.data));
        p.close({});
      });
      p.onClose(failed);
      p.onError(failed);
    } else
      p = request.call(host, {
        url: url,
        method: 'POST',
        data: body,
        header: head,
        headers: head, // Alipay's name for it
        success: function (r) {
          done(/^2/.test(r.statusCode || r.status));
        },
        fail: failed
      });
    if (p && p.then) p.then(quiet, failed);
  }

  function hurry() {
    if (!flying) retryAt = 0;
    send();
  }

  function tick() {
    scan();
    if (dirty) save(1);
    if (flying && clock() > retryAt) flying(0);
    send();
  }

  // ---- Calls and answers

  function called(api, o) {
    var scope;
    if (api === 'authorize')
      quiet(function () {
        o = o.scope || o.scopes;
        scope = Array.isArray(o) ? o.map(text).filter(Boolean) : text(o);
      });
    o = put('call', {call: '' + (seq + 1), api: api, scope: scope || undefined});
    open.push(o);
    return o;
  }

  function answered(c, ok, r) {
    quiet(function () {
      var is = object(r),
        said = text(is.errMsg || r),
        settings,
        k;
      var n = is[{tt: 'errNo', my: 'error', swan: 'errCode'}[name] || 'errno'];
      if (c.stream !== stream) return; // it was made before an exit
      open = open.filter(function (o) {
        return o !== c;
      });
      if (!said) {
        said = text(is.errorMessage || is.message);
        said = c.api + (ok ? ':ok' : ':fail' + (said ? ' ' + said : ''));
      }
      if (is.authSetting) {
        settings = {};
        for (k in is.authSetting) if (typeof is.authSetting[k] === 'boolean') settings[text(k)] = is.authSetting[k];
      }
      put('return', {
        call: c.call,
        // as it is, but for what looks like a coordinate, a telephone or identity number, or an address
        errMsg: said.replace(/-?\d{1,3}\.\d{3,}|\d{9,}|[\w.+-]+@[\w.-]+/g, '*'),
        errno: /^-?\d{1,15}$/.test(n) ? +n : undefined,
        authSetting: settings
      });
    });
  }

  // The game's options, with our callbacks around its own.
  function overheard(o, c) {
    var ours = object.create(object.getPrototypeOf(o));
    object.getOwnPropertyNames(o).forEach(function (k) {
      ours[k] = o[k];
    });
    CALLBACKS.forEach(function (k, i) {
      var f = ours[k];
      if (!f || isFunction(f))
        ours[k] = function (r) {
          if (i < 2) answered(c, !i, r);
          if (f) return f.apply(this === ours ? o : this, arguments);
        };
    });
    return ours;
  }

  // `calls`: of a recorder, whose answers come as events.
  function record(api, f, self, args, calls) {
    var list = args,
      c,
      result;
    quiet(function () {
      var o = args[0];
      c = called(api, o);
      if (calls) return calls.push(c);
      if (blind && o === undefined) o = {};
      if (
        o &&
        typeof o === 'object' &&
        (blind ||
          CALLBACKS.some(function (k) {
            return k in o;
          }))
      )
        list = [overheard(o, c)].concat([].slice.call(args, 1));
    });
    try {
      result = f.apply(self, list);
    } catch (e) {
      if (open.indexOf(c) >= 0) answered(c, 0, e);
      throw e;
    }
    if (c && list === args && !calls)
      quiet(function () {
        if (result && isFunction(result.then)) result.then(answered.bind(0, c, 1), answered.bind(0, c, 0));
        else {
          // Nobody will hear the answer. Where there are no promises, we listen from now on.
          blind = blind || result === undefined;
          open.pop();
          put('gap');
        }
      });
    return result;
  }

  // ---- Standing between the game and the host

  /*
   * Puts `run` around a function of an object; its property stays what it was. True if it is done, not if there is no
   * such function yet. What the game puts there later is its own, and is left alone.
   */
  function replace(target, key, run) {
    var owner = target,
      d,
      get,
      set,
      was,
      by;
    function swap(f) {
      if (isFunction(f) && f !== by && f !== was) {
        was = f;
        by =
          typeof Proxy === 'undefined'
            ? function () {
                return run(f, this, arguments);
              }
            : new Proxy(f, {apply: run});
      }
      return f === was ? by : f;
    }
    while (owner && !(d = object.getOwnPropertyDescriptor(owner, key))) owner = object.getPrototypeOf(owner);
    if (!d) return;
    if (owner !== target) {
      d.enumerable = false;
      d.configurable = true;
    }
    get = d.get;
    set = d.set;
    if (get)
      d.get = function () {
        return swap(get.call(this));
      };
    else if (!isFunction(d.value)) return;
    else d.value = swap(d.value);
    if (set)
      d.set = function (f) {
        set.call(this, (was = by = f));
      };
    try {
      object.defineProperty(target, key, d);
    } catch (e) {
      // The object cannot be changed: `view` inherits from it, and has ours.
      if (target === host) object.defineProperty((view = view || object.create(host)), key, d);
    }
    return 1;
  }

  // Now, and for what the host adds later.
  function scan() {
    var o = host,
      names = [];
    do names = names.concat(object.getOwnPropertyNames(o));
    while ((o = object.getPrototypeOf(o)));
    names.forEach(function (key) {
      if (!installed[key] && wanted.test(key))
        installed[key] = quiet(replace, host, key, function (f, self, args) {
          var r;
          if (/Program$/.test(key)) quiet(leave);
          else if (!/Manager$/.test(key)) return record(key, f, self, args);
          r = f.apply(self, args);
          quiet(manage, key.slice(3) + '.start', r);
          return r;
        });
    });
  }

  function leave() {
    if (!open.length) {
      put('end');
      newStream();
    }
    save(0);
    hurry();
  }

  // A recorder: `start` is the call, onStart and onError are its answers. We listen where the game does not.
  function manage(api, r) {
    var calls = [],
      listening = {},
      events = ['onStart', 'onError'];
    if (managers.indexOf(r) >= 0) return;
    managers.push(r);
    events.forEach(function (key, fails) {
      replace(r, key, function (f, self, args) {
        var g = args[0];
        listening[key] = 1;
        return f.apply(
          self,
          !isFunction(g)
            ? args
            : [
                function (e) {
                  var c = calls.shift();
                  if (c) answered(c, !fails, e);
                  return g.apply(this, arguments);
                }
              ]
        );
      });
    });
    replace(r, 'start', function (f, self, args) {
      quiet(function () {
        events.forEach(function (key) {
          if (!listening[key]) r[key](quiet);
        });
      });
      return record(api, f, self, args, calls);
    });
  }

  // ---- Hidden and shown again: in between, the player can be in the settings

  function watch(what, value) {
    quiet(function () {
      (host['on' + what] || host['onApp' + what]).call(host, function () {
        marks = marks.concat({t: now(), hidden: value}).slice(-16);
        hidden = value;
        save(0);
        hurry();
      });
    });
  }

  function setUp(o) {
    name = o.namespace;
    options = o;
    player = o.user || player;
    interval = o.interval || 2000;
    wanted = new RegExp('^(' + [NAMES].concat(o.apis).join('|') + ')$');
    host = o.host || wx;
    quiet(function () {
      platform = text(host.getSystemInfoSync().platform).toLowerCase();
      app = text(host.getAccountInfoSync().miniProgram.appId);
    });
    app = o.app || app;
    platform = o.platform || platform;
    request = host.request;
    connect = host.connectSocket;
    store = host.setStorageSync;
    quiet(load);
    var fresh = !install;
    install = install || 'i' + Math.random().toString(36).slice(2, 12);
    newStream();
    scan();
    watch('Show', false);
    watch('Hide', true);
    begin(fresh && o.fresh);
    save(1);
    timer = setInterval(
      function () {
        quiet(tick);
      },
      Math.min(interval, 1000)
    );
    if (timer.unref) timer.unref();
  }

  // ---- What the game calls: nothing of it throws

  return {
    // Begins. Gives the object to use: the host's own, where that can be changed.
    start: function (o) {
      if (!host) quiet(setUp, o);
      return view || host;
    },
    // Says who plays, from now on and at the next launch.
    user: function (id) {
      quiet(function () {
        var was = who();
        player = id;
        user = text(id) || user;
        if (who() !== was) begin();
        save(1);
      });
    },
    // Looks for APIs that were added, and sends what there is.
    flush: function () {
      quiet(scan);
      quiet(hurry);
    }
  };
})();
if (typeof module === 'object') module.exports = authtape;
