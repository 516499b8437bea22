// mutate.mjs: the same traffic as another capture would have shown it.
//
//   node mutate.mjs IN.pcap OUT MUTATION [SEED]
//
// IN is Ethernet with IPv4 (as tcpdump writes it on loopback). MUTATION is one of the names below. `loss` and
// `midstream` lose packets: OUT.lost then lists their numbers in IN.
import { openSync, readFileSync, writeFileSync, writeSync, closeSync } from 'node:fs';

const [input, output, mutation, seed = '1'] = process.argv.slice(2);
let state = Number(seed) * 2654435761 + 1;
const random = (n) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 8) % n;
};

// ---- Reading

const file = readFileSync(input);
if (file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error('a little-endian pcap file in microseconds is needed');
/** Packets with their IPv4 header and TCP segment apart. */
function* packets() {
  let number = 0;
  for (let at = 24; at < file.length; ) {
    const len = file.readUInt32LE(at + 8);
    const data = file.subarray(at + 16, at + 16 + len);
    const t = file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4);
    at += 16 + len;
    const ipLen = (data[14] & 15) * 4;
    const total = data.readUInt16BE(16);
    const tcp = data.subarray(14 + ipLen, 14 + total);
    const header = (tcp[12] >> 4) * 4;
    yield { number: ++number, t, ip: data.subarray(14, 14 + ipLen), tcp: tcp.subarray(0, header), payload: tcp.subarray(header) };
  }
}

// ---- Writing

const ETHERNET = Buffer.from('020000000001020000000002', 'hex');
const u16 = (n) => Buffer.from([n >> 8 & 255, n & 255]);

function ipv4(p, proto = 6, body = Buffer.concat([p.tcp, p.payload]), flags = 0) {
  const ip = Buffer.from(p.ip.subarray(0, 20));
  ip[0] = 0x45;
  ip[9] = proto;
  ip.writeUInt16BE(Math.min(65535, 20 + body.length), 2);
  ip.writeUInt16BE(flags, 6);
  ip.writeUInt16BE(0, 10);
  return Buffer.concat([ip, body]);
}

/** IPv6 with hop-by-hop, routing and destination options in front of TCP. */
function ipv6(p, { extensions = true, body = Buffer.concat([p.tcp, p.payload]), next = 6 } = {}) {
  let chain = body;
  if (extensions) {
    const options = (n) => Buffer.concat([Buffer.from([n, 0, 1, 4, 0, 0, 0, 0])]);
    const routing = Buffer.concat([Buffer.from([60, 2, 0, 0, 0, 0, 0, 0]), Buffer.alloc(16, 7)]);
    chain = Buffer.concat([options(43), routing, options(next), body]);
    next = 0;
  }
  const head = Buffer.alloc(40);
  head[0] = 0x60;
  head.writeUInt16BE(chain.length > 65535 ? 0 : chain.length, 4);
  head[6] = next;
  head[7] = 64;
  for (const [at, from] of [[8, 12], [24, 16]]) {
    head[at] = 0xfd;
    p.ip.copy(head, at + 12, from, from + 4);
  }
  return Buffer.concat([head, chain]);
}

const ethernet = (type, body) => Buffer.concat([ETHERNET, u16(type), body]);
const vlan = (type, body) => Buffer.concat([Buffer.from([0, 5]), u16(type), body]);
const udp = (port, body) => Buffer.concat([u16(40000), u16(port), u16(Math.min(65535, body.length + 8)), u16(0), body]);

/** In pieces of `size` bytes of payload, as another path would have cut them. */
function* cut(p, size) {
  if (p.payload.length <= size) return yield p;
  for (let at = 0; at < p.payload.length; at += size) {
    const tcp = Buffer.from(p.tcp);
    tcp.writeUInt32BE((tcp.readUInt32BE(4) + at) >>> 0, 4);
    if (at + size < p.payload.length) tcp[13] &= ~1; // FIN goes with the last
    yield { ...p, tcp, payload: p.payload.subarray(at, at + size) };
  }
}

/** IPv4 fragments of one packet, the last one first now and then. */
function fragments(p, v6) {
  const body = Buffer.concat([p.tcp, p.payload]);
  if (body.length <= 64 || body.length > 60000) return [v6 ? ipv6(p) : ipv4(p)];
  const size = 8 * (2 + random(6 + Math.ceil(body.length / 800)));
  const out = [];
  for (let at = 0; at < body.length; at += size) {
    const more = at + size < body.length;
    const part = body.subarray(at, at + size);
    if (v6) {
      const head = Buffer.alloc(8);
      head[0] = 6;
      head.writeUInt16BE(at | (more ? 1 : 0), 2);
      head.writeUInt32BE(p.number, 4);
      out.push(ipv6(p, { extensions: false, body: Buffer.concat([head, part]), next: 44 }));
    } else {
      const piece = ipv4(p, 6, part, (more ? 0x2000 : 0) | (at / 8));
      piece.writeUInt16BE(p.number & 65535, 4);
      out.push(piece);
    }
  }
  return random(2) ? out.reverse() : out;
}

/**
 * Everything within `window` packets may change places. The times stay in order, but none is more than a millisecond after
 * the one before, however long the machine that it was captured on stood still: captures are out of order by less than
 * --reorder-ms.
 */
function shuffle(list, window) {
  const keyed = list.map((p, i) => ({ p, key: i + random(window * 1000) / 1000 }));
  keyed.sort((a, b) => a.key - b.key);
  let t = list[0]?.t;
  return keyed.map(({ p }, i) => {
    if (i > 0) t += Math.min(list[i].t - list[i - 1].t, 1000);
    return { ...p, t };
  });
}

/** Sequence numbers moved so that each direction wraps after a few bytes. */
function* wrap(list) {
  const shifts = new Map();
  const key = (p, turned) => {
    const ends = [p.ip.readUInt32BE(12) + ':' + p.tcp.readUInt16BE(0), p.ip.readUInt32BE(16) + ':' + p.tcp.readUInt16BE(2)];
    return (turned ? ends.reverse() : ends).join('>');
  };
  for (const p of list) {
    const tcp = Buffer.from(p.tcp);
    if (tcp[13] & 2) shifts.set(key(p), 0xffffffff - 40 - random(3000) - tcp.readUInt32BE(4));
    const shift = (n, by) => Number(BigInt.asUintN(32, BigInt(n) + BigInt(by ?? 0)));
    tcp.writeUInt32BE(shift(tcp.readUInt32BE(4), shifts.get(key(p))), 4);
    if (tcp[13] & 16) tcp.writeUInt32BE(shift(tcp.readUInt32BE(8), shifts.get(key(p, true))), 8);
    yield { ...p, tcp };
  }
}

/** Bytes sent before are sent again with other content in front of the next segment. */
function* overlap(list) {
  const last = new Map();
  for (const p of list) {
    const key = `${p.tcp.readUInt32BE(0)}`;
    const before = last.get(key);
    if (p.payload.length && before && !(p.tcp[13] & 2) && random(2)) {
      const seq = p.tcp.readUInt32BE(4);
      if (((before.seq + before.payload.length) >>> 0) === seq) {
        const n = 1 + random(Math.min(before.payload.length, 200));
        const tcp = Buffer.from(p.tcp);
        tcp.writeUInt32BE((seq - n) >>> 0, 4);
        const again = Buffer.from(before.payload.subarray(before.payload.length - n)).map((b) => b ^ 0x15);
        yield { ...p, tcp, payload: Buffer.concat([again, p.payload]) };
        last.set(key, { seq, payload: p.payload });
        continue;
      }
    }
    if (p.payload.length) last.set(key, { seq: p.tcp.readUInt32BE(4), payload: p.payload });
    yield p;
  }
}

function* duplicate(list) {
  const late = [];
  for (const p of list) {
    yield p;
    if (random(3) === 0) yield p;
    if (random(10) === 0) late.push({ at: p.number + random(50), p });
    while (late.length && late[0].at <= p.number) yield { ...late.shift().p, t: p.t };
  }
}

// name: [link type, packets -> packets, packet -> frames]
const same = (list) => list;
const MUTATIONS = {
  none: [1, same, (p) => [ethernet(0x0800, ipv4(p))]],
  reorder: [1, (list) => shuffle(list, 12), (p) => [ethernet(0x0800, ipv4(p))]],
  duplicate: [1, duplicate, (p) => [ethernet(0x0800, ipv4(p))]],
  overlap: [1, overlap, (p) => [ethernet(0x0800, ipv4(p))]],
  segments: [1, (list) => list.flatMap((p) => [...cut(p, 37)]), (p) => [ethernet(0x0800, ipv4(p))]],
  'segments-reorder': [1, (list) => shuffle(list.flatMap((p) => [...cut(p, 37)]), 20), (p) => [ethernet(0x0800, ipv4(p))]],
  vlan: [1, same, (p) => [ethernet(0x8100, vlan(0x0800, ipv4(p)))]],
  qinq: [1, same, (p) => [ethernet(0x88a8, vlan(0x8100, vlan(0x0800, ipv4(p))))]],
  mpls: [1, same, (p) => [ethernet(0x8847, Buffer.concat([Buffer.from([0, 1, 0, 64, 0, 2, 1, 64]), ipv4(p)]))]],
  pppoe: [1, same, (p) => {
    const ip = ipv4(p);
    return [ethernet(0x8864, Buffer.concat([Buffer.from([0x11, 0, 0, 1]), u16(Math.min(65535, ip.length + 2)), Buffer.from([0, 0x21]), ip]))];
  }],
  sll: [113, same, (p) => [Buffer.concat([Buffer.alloc(14), u16(0x0800), ipv4(p)])]],
  sll2: [276, same, (p) => [Buffer.concat([u16(0x0800), Buffer.alloc(18), ipv4(p)])]],
  raw: [101, same, (p) => [ipv4(p)]],
  null: [0, same, (p) => [Buffer.concat([Buffer.from([2, 0, 0, 0]), ipv4(p)])]],
  loop: [108, same, (p) => [Buffer.concat([Buffer.from([0, 0, 0, 2]), ipv4(p)])]],
  ipv6: [1, same, (p) => [ethernet(0x86dd, ipv6(p))]],
  'ipv6-null': [0, same, (p) => [Buffer.concat([Buffer.from([0, 0, 0, 30]), ipv6(p, { extensions: false })])]],
  fragments: [1, same, (p) => fragments(p, false).map((ip) => ethernet(0x0800, ip))],
  'ipv6-fragments': [1, same, (p) => fragments(p, true).map((ip) => ethernet(0x86dd, ip))],
  wrap: [1, wrap, (p) => [ethernet(0x0800, ipv4(p))]],
  'wrap-segments-reorder': [1, (list) => shuffle([...wrap(list)].flatMap((p) => [...cut(p, 37)]), 20), (p) => [ethernet(0x0800, ipv4(p))]],
  gre: [1, same, (p) => [ethernet(0x0800, ipv4(p, 47, Buffer.concat([Buffer.from([0x20, 0, 8, 0, 0, 0, 0, 9]), ipv4(p)])))]],
  vxlan: [1, same, (p) => [ethernet(0x0800, ipv4(p, 17, udp(4789, Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 9, 0]), ethernet(0x0800, ipv4(p))]))))]],
  geneve: [1, same, (p) => [ethernet(0x0800, ipv4(p, 17, udp(6081, Buffer.concat([Buffer.from([1, 0, 0x65, 0x58, 0, 0, 9, 0, 0, 1, 2, 0]), ethernet(0x0800, ipv4(p))]))))]],
  ipip: [101, same, (p) => [ipv4(p, 4, ipv4(p))]],
  'zero-length': [1, same, (p) => {
    const ip = ipv4(p);
    ip.writeUInt16BE(0, 2);
    return [ethernet(0x0800, ip)];
  }],
  'any-doubled': [113, (list) => list.flatMap((p) => [p, p]), (p) => [Buffer.concat([Buffer.alloc(14), u16(0x0800), ipv4(p)])]],
  pcapng: [1, same, (p) => [ethernet(0x0800, ipv4(p))], 'pcapng'],
  'pcapng-interfaces': [1, same, (p) => [ethernet(0x0800, ipv4(p)), Buffer.concat([Buffer.alloc(14), u16(0x0800), ipv4(p)]), ipv4(p)], 'pcapng'],
  nano: [1, same, (p) => [ethernet(0x0800, ipv4(p))], 'nano'],
  'big-endian': [1, same, (p) => [ethernet(0x0800, ipv4(p))], 'big-endian'],
  loss: [1, (list) => drop(list, () => random(200) === 0), (p) => [ethernet(0x0800, ipv4(p))]],
  midstream: [1, (list) => drop(list, (p) => p.number <= 60), (p) => [ethernet(0x0800, ipv4(p))]],
};

function drop(list, isLost) {
  const lost = new Set(list.filter(isLost).map((p) => p.number));
  writeFileSync(`${output}.lost`, [...lost].join('\n') + '\n');
  return list.filter((p) => !lost.has(p.number));
}

if (!MUTATIONS[mutation]) throw new Error(`no mutation '${mutation}'; there are: ${Object.keys(MUTATIONS).join(' ')}`);
const [link, change, frames, format = 'pcap'] = MUTATIONS[mutation];

// ---- File formats

const words = (big, ...values) => {
  const b = Buffer.alloc(4 * values.length);
  values.forEach((v, i) => (big ? b.writeUInt32BE(v >>> 0, 4 * i) : b.writeUInt32LE(v >>> 0, 4 * i)));
  return b;
};
const block = (type, body) => Buffer.concat([words(false, type, body.length + 12), body, words(false, body.length + 12)]);
const option = (code, value) => {
  const b = Buffer.alloc(4 + ((value.length + 3) & ~3));
  b.writeUInt16LE(code, 0);
  b.writeUInt16LE(value.length, 2);
  value.copy(b, 4);
  return b;
};

/** Interface i of a pcapng file: Ethernet in microseconds, cooked in nanoseconds, raw IP in 2^-20 s with an offset. */
const INTERFACES = [
  { link: 1, options: [], time: (t) => BigInt(Math.round(t)) },
  { link: 113, options: [option(9, Buffer.from([9]))], time: (t) => BigInt(Math.round(t)) * 1000n },
  { link: 101, options: [option(9, Buffer.from([0x80 | 20])), option(14, Buffer.from([0xe8, 3, 0, 0, 0, 0, 0, 0]))],
    time: (t) => ((BigInt(Math.round(t)) - 1000000000n) * 1048576n + 500000n) / 1000000n },
];
const FORMATS = {
  pcap: {
    head: () => Buffer.concat([words(false, 0xa1b2c3d4, 0x00040002, 0, 0, 262144, link)]),
    record: (p, frame) => Buffer.concat([words(false, Math.floor(p.t / 1e6), p.t % 1e6, frame.length, frame.length), frame]),
  },
  nano: {
    head: () => Buffer.concat([words(false, 0xa1b23c4d, 0x00040002, 0, 0, 262144, link)]),
    record: (p, frame) => Buffer.concat([words(false, Math.floor(p.t / 1e6), (p.t % 1e6) * 1000 + 7, frame.length, frame.length), frame]),
  },
  'big-endian': {
    head: () => Buffer.concat([words(true, 0xa1b2c3d4, 0x00020004, 0, 0, 262144, link)]),
    record: (p, frame) => Buffer.concat([words(true, Math.floor(p.t / 1e6), p.t % 1e6, frame.length, frame.length), frame]),
  },
  pcapng: {
    head: () => Buffer.concat([block(0x0a0d0d0a, words(false, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff)),
      ...INTERFACES.slice(0, mutation === 'pcapng' ? 1 : 3).map((i) =>
        block(1, Buffer.concat([words(false, i.link, 0), ...i.options, Buffer.alloc(i.options.length ? 4 : 0)])))]),
    record: (p, frame, i) => {
      const t = INTERFACES[i].time(p.t);
      const body = Buffer.alloc((frame.length + 3) & ~3);
      frame.copy(body);
      return block(6, Buffer.concat([words(false, i, Number(t >> 32n), Number(t & 0xffffffffn), frame.length, frame.length), body]));
    },
  },
};
const { head, record } = FORMATS[format];
const out = openSync(output, 'w');
let room = [head()];
let held = 0;
for (const p of change([...packets()])) {
  for (const [i, frame] of frames(p).entries()) {
    room.push(record(p, frame, i));
    held += frame.length;
    if (held > 4e6) {
      writeSync(out, Buffer.concat(room));
      room = [];
      held = 0;
    }
  }
}
writeSync(out, Buffer.concat(room));
closeSync(out);
