// queue.mjs: what is recorded is sent once, whatever happens to the network, the server and the game.
import { same, test } from '../wire/authtape.mjs';
import { clock, launch, server, storage } from './launch.mjs';

/** A phone: its storage and clock outlive the game, its network can be switched off. */
function phone(options = {}, members = {}) {
  const p = { time: clock(), disk: storage(), online: true, lose: 0, launches: 0 };
  p.sink = server((body) => {
    if (!p.online) return 'lost';
    return p.lose-- > 0 ? 'fail' : 200; // the answer is lost, what was sent is not
  });
  p.start = (more) => {
    const on = {};
    p.wx = {
      ...p.disk,
      request: p.sink.request,
      getLocation: (o) => o.success({ errMsg: 'getLocation:ok' }),
      onShow: (f) => (on.show = f),
      onHide: (f) => (on.hide = f),
      ...members,
    };
    p.game = launch({ wx: p.wx, Date: p.time.Date });
    p.game.authtape.start({ url: 'http://h/', app: 'a', user: 'u', ...options, ...more });
    p.show = () => on.show({});
    p.hide = () => on.hide();
    p.launches++;
  };
  p.call = (n = 1) => {
    for (let i = 0; i < n; i++) p.wx.getLocation({ success() {} });
  };
  p.wait = (ms) => {
    for (let i = 0; i < ms; i += 1000) ((p.time.ms += 1000), p.game.tick());
  };
  p.start();
  return p;
}
const names = (list) => list.map((e) => `${e.kind} ${e.seq}`);
const counted = (n, from = 1) =>
  Array.from({ length: n }, (_, i) => `${(i + from) % 2 ? 'call' : 'return'} ${i + from}`);

await test('shim: a batch waits for others, and is sent whole', () => {
  const p = phone();
  p.call(2);
  p.wait(1000);
  same(p.sink.batches, [], 'batches');
  p.wait(1000);
  same(
    p.sink.batches.map((b) => [b.authtape, names(b.events)]),
    [[1, counted(4)]],
    'batches',
  );
  same(
    p.sink.events.map((e) => [e.app, e.user, e.stream]),
    Array(4).fill(['a', 'u', p.sink.events[0].stream]),
    'names',
  );
  p.wait(60000);
  same(
    p.sink.batches.map((b) => b.events.length),
    [4],
    'batches in the end',
  );
});

await test('shim: offline, then online: everything, once, in order, with its own time', () => {
  const p = phone();
  p.online = false;
  const times = [];
  for (let i = 0; i < 100; i++) {
    times.push(p.time.ms);
    p.call();
    p.wait(5000);
  }
  same(p.sink.events, [], 'events');
  p.online = true;
  p.wait(300000);
  same(names(p.sink.events), counted(200), 'events');
  same(
    p.sink.events.filter((e) => e.kind === 'call').map((e) => Math.floor(e.t / 1000)),
    times,
    'times',
  );
});

await test('shim: it asks less and less often, at least every five minutes, at once when shown', () => {
  const asked = [];
  const p = phone({ send: (body, done) => (asked.push(p.time.ms), done(false)) });
  p.call();
  p.wait(3600_000);
  const pauses = asked.slice(1).map((t, i) => (t - asked[i]) / 1000);
  same(pauses.slice(0, 9), [2, 4, 8, 16, 32, 64, 128, 256, 300], 'seconds between');
  same([Math.max(...pauses)], [300], 'the longest');
  const before = asked.length;
  p.show();
  same([asked.length - before], [1], 'when shown');
});

await test('shim: an acknowledgement that was lost: sent again, the same to the letter', () => {
  const p = phone();
  p.lose = 2;
  p.call(2);
  p.wait(2000);
  p.call();
  p.wait(30000);
  same(
    p.sink.batches.map((b) => names(b.events)),
    [counted(4), counted(6), counted(6)],
    'batches',
  );
  const texts = new Map();
  for (const e of p.sink.events) {
    const key = `${e.stream} ${e.seq}`;
    const text = JSON.stringify(e);
    if (texts.has(key) && texts.get(key) !== text) throw new Error(`${texts.get(key)} became ${text}`);
    texts.set(key, text);
  }
});

await test('shim: a restart: what was not acknowledged is sent by the next launch, a stream of its own', () => {
  const p = phone();
  p.online = false;
  p.call(3);
  p.hide();
  p.time.ms += 1000;
  p.start();
  p.call(2);
  p.online = true;
  p.wait(5000);
  same(names(p.sink.events), [...counted(6), ...counted(4)], 'events');
  const streams = [...new Set(p.sink.events.map((e) => e.stream))];
  same([streams.length, streams[0].split('.')[0] === streams[1].split('.')[0]], [2, true], 'streams of one install');
  same(
    p.sink.events[6].marks.map((m) => m.hidden),
    [true],
    'marks',
  );
  p.hide();
  p.start();
  p.wait(60000);
  same([p.sink.events.length], [10], 'events in the end');
});

await test('shim: a crash: what was not written is told as a gap', () => {
  const p = phone();
  p.online = false;
  p.call();
  p.wait(1000); // written
  p.call(); // not written
  p.start();
  p.call();
  p.online = true;
  p.wait(5000);
  same(names(p.sink.events), [...counted(2), 'gap 3', ...counted(2)], 'events');
  same([p.sink.events[2].stream], [p.sink.events[0].stream], 'stream of the gap');
});

await test('shim: a bounded queue: the oldest go, and a gap tells of it', () => {
  const p = phone({ keep: 40 });
  p.online = false;
  const sizes = [];
  for (let i = 0; i < 500; i++) {
    p.call();
    p.wait(1000);
    sizes.push(JSON.parse(p.disk.kept.get('authtape')).q.length);
  }
  if (Math.max(...sizes) > 40) throw new Error(`${Math.max(...sizes)} events are kept`);
  p.online = true;
  p.show();
  p.wait(1000);
  const got = p.sink.events;
  same([got[0].kind, got.filter((e) => e.kind === 'gap').length], ['gap', 1], 'gaps');
  same(names(got.slice(1)), counted(got.length - 1, got[0].seq + 1), 'what came after it');
  same([got.at(-1).seq, got.length > 25], [1000, true], 'the last one');
});

await test('shim: a gap for each user whose events were dropped', () => {
  const p = phone({ keep: 40, user: undefined });
  p.online = false;
  for (const user of ['a', 'b', 'a', 'c']) {
    p.game.authtape.user(user);
    p.call(user === 'c' ? 30 : 6);
  }
  p.online = true;
  p.show();
  const gaps = p.sink.events.filter((e) => e.kind === 'gap');
  same(
    gaps.map((e) => e.user),
    ['b', 'a', 'c'],
    'gaps',
  );
  const at = p.sink.events.map((e) => e.seq);
  same(
    at,
    [...at].sort((x, y) => x - y),
    'order',
  );
});

await test('shim: what was dropped while it was on its way is not sent again after its acknowledgement', () => {
  let answer;
  const sent = [];
  const p = phone({ keep: 40, send: (body, done) => void (sent.push(JSON.parse(body)), (answer = done)) });
  p.call(15);
  p.wait(2000);
  same([sent[0].events.length], [30], 'on its way');
  p.call(6); // over the bound
  answer(true);
  p.wait(2000);
  answer(true);
  const after = sent.slice(1).flatMap((b) => b.events);
  same([after[0].kind, after[0].seq <= 30], ['gap', true], 'of what was acknowledged, only the gap');
  same(names(after.slice(1)), counted(12, 31), 'the rest');
});

await test('shim: a server that refuses, does not answer, answers twice, or too late', () => {
  const done = [];
  const p = phone({ send: (body, answer) => void done.push([JSON.parse(body), answer]) });
  p.call();
  p.wait(2000);
  done[0][1](false);
  done[0][1](false);
  p.wait(2000);
  same([done.length], [2], 'batches after a refusal');
  p.wait(29000);
  same([done.length], [2], 'batches while it may still answer');
  p.wait(6000);
  same([done.length], [3], 'batches when it does not answer');
  done[1][1](true); // at last
  done[2][1](true);
  done[2][1](true);
  p.wait(3600_000);
  same([done.length], [3], 'batches in the end');
});

await test('shim: a clock that is turned back', () => {
  const p = phone();
  p.call();
  p.time.ms -= 3600_000;
  p.call();
  p.time.ms += 10_000;
  p.call();
  p.time.ms += 5000;
  p.game.tick();
  p.game.authtape.flush();
  const t = p.sink.events.map((e) => e.t);
  same(
    t,
    [...t].sort((a, b) => a - b),
    'order',
  );
  same([new Set(t).size], [6], 'different times');
  const quiet = t[4] - t[3];
  if (Math.abs(quiet - 10_000_000) > 1000) throw new Error(`10 s took ${quiet} us`);
});

await test('shim: who plays: an id that is made up, then one that is said, kept for the next launch', () => {
  const p = phone({ user: undefined });
  p.call();
  p.game.authtape.user('oPLAYER');
  p.call();
  p.hide();
  p.start();
  p.call();
  let id = '';
  p.game.authtape.user(() => id);
  p.call();
  id = 'other';
  p.call();
  p.wait(5000);
  const users = p.sink.events.map((e) => e.user);
  same(users.slice(2), ['oPLAYER', 'oPLAYER', 'oPLAYER', 'oPLAYER', 'oPLAYER', 'oPLAYER', 'other', 'other'], 'users');
  same([/^i[a-z0-9]{8,}$/.test(users[0]), users[1] === users[0]], [true, true], 'the one that is made up');
});

await test('shim: start says fresh at the first launch, and what else is seen at each', () => {
  const p = phone({ fresh: true, observes: ['prompts'] });
  p.call();
  p.hide();
  p.start();
  p.hide();
  p.wait(5000);
  same(
    p.sink.events.filter((e) => e.kind === 'start').map((e) => [e.fresh, e.observes]),
    [
      [true, ['prompts']],
      [false, ['prompts']],
    ],
    'starts',
  );
});

await test('shim: the exit ends the stream, unless a call is still without an answer', () => {
  for (const pending of [false, true]) {
    const p = phone();
    p.wx.exitMiniProgram = () => {};
    p.wx.getUserInfo = () => {};
    p.call();
    p.game.tick();
    if (pending) p.wx.getUserInfo({ success() {} });
    p.wx.exitMiniProgram();
    same([p.sink.events.at(-1).kind], [pending ? 'call' : 'end'], 'the last event'); // sent at once
    p.call(); // the player stayed
    p.wait(5000);
    same([new Set(p.sink.events.map((e) => e.stream)).size], [pending ? 1 : 2], 'streams');
  }
});

await test('shim: a second answer that comes after the exit is of no stream', () => {
  const p = phone();
  let answer;
  p.wx.exitMiniProgram = () => {};
  p.wx.getUserInfo = (o) => (answer = o.success);
  p.game.tick();
  p.wx.getUserInfo({ success() {} });
  answer({ errMsg: 'getUserInfo:ok' });
  p.wx.exitMiniProgram();
  answer({ errMsg: 'getUserInfo:ok' });
  p.wait(5000);
  same(names(p.sink.events), ['call 1', 'return 2', 'end 3'], 'events');
});

await test('shim: hidden and shown: told by the next event, with their times', () => {
  const p = phone();
  const times = [];
  for (const what of ['hide', 'show', 'hide', 'show']) {
    p.time.ms += 7000;
    times.push(p.time.ms);
    p[what]();
  }
  p.call();
  p.wait(3000);
  same(
    p.sink.events.map((e) => e.marks?.map((m) => [Math.floor(m.t / 1000), m.hidden])),
    [times.map((t, i) => [t, i % 2 === 0]), undefined],
    'marks',
  );
});

/** The socket of a host. */
function socket(answer) {
  const sent = [];
  return {
    sent,
    connectSocket(o) {
      const on = {};
      const task = {
        onOpen: (f) => (on.open = f),
        onMessage: (f) => (on.message = f),
        onClose: (f) => (on.close = f),
        onError: (f) => (on.error = f),
        send({ data }) {
          const body = JSON.parse(data);
          sent.push(body);
          answer(body, on, o);
        },
        close: () => on.close({}),
      };
      queueMicrotask(() => on.open({}));
      return task;
    },
  };
}
await test('shim: through a socket: what is acknowledged is forgotten, the rest is sent again', async () => {
  let how;
  const s = socket((body, on) => {
    if (how === 'closed') on.close({});
    else if (how === 'error') on.error({});
    else on.message({ data: JSON.stringify({ authtape: 1, [how]: 1, events: body.events.length }) });
  });
  const p = phone({ url: 'ws://h:1/?token=x' }, s);
  p.call();
  for (how of ['refused', 'closed', 'error', 'ack', 'ack']) {
    p.wait(20_000);
    await new Promise(setImmediate);
  }
  same(
    s.sent.map((b) => names(b.events)),
    Array(4).fill(counted(2)),
    'messages',
  );
  p.call();
  p.wait(20_000);
  await new Promise(setImmediate);
  same(names(s.sent.at(-1).events), counted(2, 3), 'the next message');
});
