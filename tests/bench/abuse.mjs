// abuse.mjs: honest traffic with an attack among it.
//
//   node abuse.mjs IN.pcap OUT.pcap ATTACK [PACKETS]
//
// ATTACK: half-open (a connection a packet), one-byte (a connection with one byte of data each), bomb (gzip bodies that
// grow a thousandfold), ws-bomb (the same in WebSocket messages), huge-frame (WebSocket frames that announce 2 GB),
// fragments (datagrams that are never completed), holes (segments with a hole before each), chunks (a body of endless
// one-byte chunks), pipeline (requests that are never answered).
import { openSync, readFileSync, writeSync, closeSync } from 'node:fs';
import zlib from 'node:zlib';

const [input, output, attack, count = '100000'] = process.argv.slice(2);
const file = readFileSync(input);
const packets = Number(count);

function ip4(src, dst, proto, body, id = 0, frag = 0) {
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(20 + body.length, 2);
  ip.writeUInt16BE(id & 65535, 4);
  ip.writeUInt16BE(frag, 6);
  ip[8] = 64;
  ip[9] = proto;
  ip.writeUInt32BE(src >>> 0, 12);
  ip.writeUInt32BE(dst >>> 0, 16);
  return Buffer.concat([Buffer.alloc(12), Buffer.from([8, 0]), ip, body]);
}

function segment(src, dst, sport, dport, seq, ack, flags, data = Buffer.alloc(0)) {
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(sport, 0);
  tcp.writeUInt16BE(dport, 2);
  tcp.writeUInt32BE(seq >>> 0, 4);
  tcp.writeUInt32BE(ack >>> 0, 8);
  tcp[12] = 0x50;
  tcp[13] = flags;
  return ip4(src, dst, 6, Buffer.concat([tcp, data]));
}

const EVIL = 0x0a000001, GOOD = 0x0a800001;

/** One connection's bytes as segments of 1,400, as many as wanted, the payload again and again. */
function* flow(head, body, { answer, port = 4000 } = {}) {
  let seq = 1;
  yield segment(EVIL, GOOD, port, 80, 0, 0, 2);
  yield segment(GOOD, EVIL, 80, port, 0, 1, 18);
  if (head.length) yield segment(EVIL, GOOD, port, 80, seq, 1, 24, head);
  seq += head.length;
  let ack = 1;
  if (answer) {
    yield segment(GOOD, EVIL, 80, port, 1, seq, 24, answer);
    ack += answer.length;
  }
  for (let at = 0; ; at = (at + 1400) % body.length) {
    const part = body.subarray(at, at + 1400);
    yield segment(EVIL, GOOD, port, 80, seq, ack, 24, part);
    seq += part.length;
  }
}

const UPGRADE = Buffer.from('GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n');
const SWITCH = Buffer.from('HTTP/1.1 101 x\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n');
const ATTACKS = {
  *'half-open'() {
    for (let i = 0; ; i++) yield segment(0x0b000000 + i, GOOD, 1024 + (i % 60000), 80, i * 77, 0, 2);
  },
  *'one-byte'() {
    for (let i = 0; ; i++) yield segment(0x0b000000 + i, GOOD, 1024 + (i % 60000), 80, i * 77, 1, 24, Buffer.from('G'));
  },
  *bomb() {
    const zeros = zlib.gzipSync(Buffer.concat([Buffer.from('[0'), Buffer.alloc(64 << 20, ',0'), Buffer.from(']')]), { level: 9 });
    const one = Buffer.concat([Buffer.from(`POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: ${zeros.length}\r\n\r\n`), zeros]);
    yield* flow(Buffer.alloc(0), one);
  },
  *'ws-bomb'() {
    const raw = zlib.deflateRawSync(Buffer.alloc(64 << 20, ' '), { level: 9 });
    const head = Buffer.from([0xc1, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(raw.length, 6);
    yield* flow(UPGRADE, Buffer.concat([head, raw]), { answer: SWITCH });
  },
  *'huge-frame'() {
    const head = Buffer.concat([Buffer.from([0x81, 0x7f, 0, 0, 0, 0, 0x80, 0, 0, 0]), Buffer.alloc(4000, '[')]);
    for (let i = 0; ; i++) {
      let n = 0;
      for (const p of flow(UPGRADE, head, { answer: SWITCH, port: 1024 + (i % 60000) })) {
        yield p;
        if (++n === 30) break;
      }
    }
  },
  *fragments() {
    for (let i = 0; ; i++) yield ip4(EVIL + (i >>> 16), GOOD, 6, Buffer.alloc(1400, i & 255), i, 0x2000 | (i % 3));
  },
  *holes() {
    let seq = 1;
    yield segment(EVIL, GOOD, 4000, 80, 0, 0, 2);
    for (;;) yield segment(EVIL, GOOD, 4000, 80, (seq += 1401), 0, 8, Buffer.alloc(1400, 'x'));
  },
  *chunks() {
    yield* flow(Buffer.from('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'), Buffer.from('1\r\n[\r\n'.repeat(1400)));
  },
  *pipeline() {
    yield* flow(Buffer.alloc(0), Buffer.from('GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(280)));
  },
};
if (!ATTACKS[attack]) throw new Error(`no attack '${attack}'; there are: ${Object.keys(ATTACKS).join(' ')}`);

const honest = [];
for (let at = 24; at < file.length; at += 16 + file.readUInt32LE(at + 8))
  honest.push(file.subarray(at, at + 16 + file.readUInt32LE(at + 8)));
const out = openSync(output, 'w');
let room = [file.subarray(0, 24)];
let held = 0;
const put = (...parts) => {
  for (const part of parts) {
    room.push(part);
    held += part.length;
  }
  if (held < 4e6) return;
  writeSync(out, Buffer.concat(room));
  room = [];
  held = 0;
};
const evil = ATTACKS[attack]();
const share = packets / honest.length;
for (let i = 0, done = 0; i < honest.length; i++) {
  put(honest[i]);
  for (; done < (i + 1) * share; done++) {
    const packet = evil.next().value;
    const record = Buffer.alloc(16);
    honest[i].copy(record, 0, 0, 8);
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length, 12);
    put(record, packet);
  }
}
writeSync(out, Buffer.concat(room));
closeSync(out);
