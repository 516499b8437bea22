// judge.mjs: what is on a tape against what its ends know: nothing is there that was not sent, and what was received and is not
// there lies in a loss that the tape and the ledger tell of.
import {spawn} from 'node:child_process';
import {createInterface} from 'node:readline';

/** What the tape has of each connection: how many calls and answers in turn, and the holes between them. */
async function read(authtape, tape) {
  const of = new Map(), streams = new Map(), users = new Map(), wrong = [];
  const stream = (name) => streams.get(name) ?? streams.set(name, []).get(name);
  const cat = spawn(authtape, ['cat', tape], {stdio: ['ignore', 'pipe', 'inherit']});
  let index = 0;
  for await (const line of createInterface({input: cat.stdout})) {
    const e = JSON.parse(line), at = {index: index++, ms: (e.t - (e.late_us ?? 0)) / 1000}; // when it was, and not its place
    if (e.kind === 'gap') {
      stream(e.stream).push(at);
      (users.get(e.user) ?? users.set(e.user, []).get(e.user)).push(at);
    }
    if (e.kind !== 'call' && e.kind !== 'return') continue;
    const dot = e.call.lastIndexOf('.'), number = e.call.slice(0, dot), k = Number(e.call.slice(dot + 1));
    const c = of.get(number) ?? of.set(number, {stream: e.stream, users: new Set(), first: null, call: {next: 0}, return: {next: 0}, holes: []}).get(number);
    if (e.user !== e.stream) { // else its beginning, which names the user, was not seen
      c.users.add(e.user);
      c.first ??= at;
    }
    const side = c[e.kind];
    if (k < side.next || e.stream !== c.stream) wrong.push(`${e.kind} ${e.call} of ${e.stream} is out of its turn`);
    if (k > side.next) c.holes.push({kind: e.kind, from: side.next, to: k, after: side.last, before: at});
    side.next = k + 1;
    side.last = at;
  }
  return {of, streams, users, wrong, events: index};
}

/**
 * windows: the times (ms) in which the recorder lost packets, [from, to]; forgotten_ms: after this silence a connection is
 * forgotten; what was compressed cannot be read from then on, and what was not mostly can. Gives what is wrong, as texts, and what was counted.
 */
export async function judge({authtape, tape, clients, host, port, windows, forgotten_ms}) {
  const {of, streams, users, wrong, events} = await read(authtape, tape);
  const counts = {events, connections: 0, complete: 0, absent: 0, missing: 0, holes: 0, gap_in_stream: 0, gap_of_user: 0, never_again: 0, forgotten: 0, forgotten_plain: 0};
  const lossy = (from, to) => windows.some((w) => from <= w[1] && to >= w[0]);
  const next = next_of_user(clients, of);
  const between = (list, after, before, from_ms) => list?.some((at) => (after ? at.index > after.index : at.ms >= from_ms) &&
      (!before || at.index < before.index));
  const numbers = new Set(of.keys());
  for (const [number, c] of clients) {
    const got = host[number] ?? {calls: 0, answers: 0}, there = of.get(number);
    counts.connections++;
    numbers.delete(number);
    const has = {call: there?.call.next ?? 0, return: there?.return.next ?? 0};
    if (has.call > c.sent || has.return > got.answers) wrong.push(`${number}: more on the tape than was sent`);
    if (there && there.stream !== `127.0.0.1:${c.port}>127.0.0.1:${port}`) wrong.push(`${number}: on ${there.stream}`);
    for (const user of there?.users ?? [])
      if (user !== c.user) wrong.push(`${number}: is ${user}'s, not ${c.user}'s`);
    const holes = there?.holes ?? [];
    for (const [kind, received] of [['call', got.calls], ['return', c.got]])
      if (has[kind] < received) holes.push({kind, from: has[kind], to: received, after: there?.[kind].last});
    if (holes.length === 0) counts.complete++;
    else if (!there) counts.absent++;
    for (const hole of holes) {
      const name = `${number} (${there?.stream ?? 'absent'}${c.deflate ? ', compressed' : ''}): ${hole.kind}s ${hole.from} to ${hole.to - 1} are missing`;
      counts.holes++;
      counts.missing += hole.to - hole.from;
      if (c.to - c.from >= forgotten_ms && !hole.before) {
        counts[c.deflate ? 'forgotten' : 'forgotten_plain']++;
        continue;
      }
      if (!lossy(hole.after?.ms ?? c.from - 5, hole.before?.ms ?? c.to + 5)) wrong.push(`${name}: nothing was lost at that time`);
      if (there && between(streams.get(there.stream), hole.after, hole.before ?? next.get(c), c.from)) counts.gap_in_stream++;
      else if (!hole.before && !next.has(c)) counts.never_again++;
      else if (!hole.before && between(users.get(c.user), hole.after, next.get(c), c.from)) counts.gap_of_user++;
      else wrong.push(`${name}: the tape tells of no loss`);
    }
  }
  for (const number of numbers) wrong.push(`${number}: nobody had such a connection`);
  return {wrong, counts};
}

/** Where the tape has the user's next connection under the user's name, by connection. */
function next_of_user(clients, of) {
  const next = new Map(), later = new Map();
  for (const [number, c] of [...clients].sort((a, b) => b[1].from - a[1].from)) {
    if (later.has(c.user)) next.set(c, later.get(c.user));
    const there = of.get(number)?.first;
    if (there) later.set(c.user, there);
  }
  return next;
}
