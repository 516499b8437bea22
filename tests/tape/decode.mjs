// An independent reader of tapes: written from tape(5) and authtape-events(5) alone. Prints NDJSON.
import { readFileSync, writeSync } from 'node:fs';
import { inflateRawSync, inflateSync, crc32 as zlibCrc32 } from 'node:zlib';

const KINDS = [, 'start', 'call', 'return', 'prompt', 'decision', 'settings', 'settings-page', 'reset', 'gap', 'end'];
const SIGHTS = ['prompts', 'decisions', 'settings', 'resets'];
const ANSWERS = [, 'allow', 'deny', 'dismiss'];
const COLUMNS = ['', 'tLow', 'tHigh', 'sourceLow', 'sourceHigh', 'shape', 'call', 'uuid', 'callText', 'snapshot', 'mask',
  'packet', 'lost', 'extra', 'sourceNew', 'shapeNew', 'apps', 'users', 'streams', 'words', 'extras'];

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
const crc32 = zlibCrc32 ?? ((bytes) => {
  let c = 0xffffffff;
  for (const b of bytes) c = CRC_TABLE[(c ^ b) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
});

function must(condition, what) {
  if (!condition) throw new Error(what);
}

class Column {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  byte() {
    must(this.at < this.bytes.length, 'column too short');
    return this.bytes[this.at++];
  }
  big() {
    let v = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = this.byte();
      v |= BigInt(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
  }
  number() { return Number(this.big()); }
  zigzag() { const v = this.big(); return v & 1n ? -(v >> 1n) - 1n : v >> 1n; }
  take(n) {
    must(this.at + n <= this.bytes.length, 'column too short');
    return this.bytes.subarray(this.at, this.at += n);
  }
  text() {
    const end = this.bytes.indexOf(0, this.at);
    must(end >= 0, 'text without end');
    const s = this.bytes.toString('utf8', this.at, end);
    this.at = end + 1;
    return s;
  }
  done() { return this.at === this.bytes.length; }
}

class Segment {
  constructor() {
    this.texts = { apps: [], users: [], streams: [], words: [], extras: [] };
    this.sources = [];
    this.shapes = [];
    this.follow = new Map(); // of a shape, or -1
    this.nodes = [[]];
    this.t = 0n;
    this.packet = 0n;
  }

  reference(column, pool) {
    const code = column.number();
    if (code === 0) this.texts[pool].push(this.columns[pool].text());
    const list = this.texts[pool];
    must(code <= list.length, 'reference out of range');
    return code === 0 ? list[list.length - 1] : list[code - 1];
  }

  time(c) {
    const high = c.tHigh.big();
    const size = BigInt(c.tLow.byte()) + (high >> 1n << 8n);
    this.t = BigInt.asIntN(64, this.t + (high & 1n ? -size : size));
    return this.t;
  }

  source(c) {
    const code = c.sourceLow.byte() + 256 * c.sourceHigh.number();
    if (code > 0) {
      must(code <= this.sources.length, 'source out of range');
      return this.sources[this.sources.length - code];
    }
    const s = { app: this.reference(c.sourceNew, 'apps'), user: this.reference(c.sourceNew, 'users'),
      stream: this.reference(c.sourceNew, 'streams'), shape: -1, node: 0, prefix: '', number: 0n, open: [] };
    if (c.sourceNew.number() === 1) s.platform = this.reference(c.sourceNew, 'apps');
    this.sources.push(s);
    return s;
  }

  newShape(c) {
    const d = c.shapeNew;
    const s = { kind: d.number(), has: d.number(), scopes: [] };
    if (s.kind === 5) s.answer = ANSWERS[d.number()];
    if (s.kind === 6) s.granted = d.number() === 1;
    if (s.has & 128) s.fresh = d.number() === 1;
    if (s.has & 256) {
      const v = d.number();
      s.observes = Array.from({ length: v & 7 }, (_, i) => SIGHTS[v >> (3 + 2 * i) & 3]);
    }
    if (s.has & 32) s.errno = d.zigzag();
    const scopes = s.has & 8 ? d.number() : 0;
    if (s.kind === 2) s.api = this.reference(d, 'words');
    if (s.kind === 3) s.errMsg = this.reference(d, 'words');
    for (let i = 0; i < scopes; i++) s.scopes.push(this.reference(d, 'words'));
    return this.shapes.push(s) - 1;
  }

  shape(c, source) {
    const f = this.follow.get(source.shape) ?? [];
    const code = c.shape.number();
    let s = f[0];
    if (code !== 0) {
      s = code === 1 ? f[1] : code === 2 ? this.newShape(c) : code - 3;
      this.follow.set(source.shape, [s, f[0]]);
    }
    must(this.shapes[s], 'shape out of range');
    source.shape = s;
    return this.shapes[s];
  }

  callId(c, source, kind) {
    const code = c.call.number();
    if (code >= 4) {
      const i = source.open.length - 1 - (code - 4);
      must(kind !== 2 && i >= 0, 'call out of range');
      const id = source.open[i];
      if (kind === 3) source.open.splice(i, 1);
      return id;
    }
    let id, number = source.number + 1n;
    if (code === 3) number += c.call.zigzag();
    if (code === 1) {
      const hex = c.uuid.take(16).toString('hex');
      id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    } else {
      id = code === 2 ? c.callText.text() : source.prefix + number;
    }
    if (kind !== 2) return id;
    if (code === 0 || code === 3) source.number = number;
    if (code === 2 && /[0-9]$/.test(id)) {
      // digits at the end, 18 at most, less leading zeros
      const digits = /[0-9]{1,18}$/.exec(id)[0].replace(/^0+(?=[0-9])/, '');
      const prefix = id.slice(0, id.length - digits.length);
      if (Buffer.byteLength(prefix) <= 64) [source.prefix, source.number] = [prefix, BigInt(digits)];
    }
    source.open.push(id);
    if (source.open.length > 32) source.open.shift();
    return id;
  }

  snapshot(c, source) {
    let code;
    while ((code = c.snapshot.number()) === 1) {
      const parent = this.nodes.length - 1 - c.snapshot.number();
      must(this.nodes[parent], 'node out of range');
      this.nodes.push([...this.nodes[parent], this.reference(c.snapshot, 'words')]);
    }
    if (code >= 2) source.node = code - 2;
    const scopes = this.nodes[source.node];
    const bits = c.mask.take(Math.ceil(scopes.length / 8));
    return scopes.map((name, i) => `${JSON.stringify(name)}:${(bits[i >> 3] >> (i & 7) & 1) === 1}`);
  }

  event(c) {
    const t = this.time(c), source = this.source(c), s = this.shape(c, source);
    const q = JSON.stringify, kind = KINDS[s.kind];
    const out = [`"t":${t}`, `"kind":"${kind}"`, `"app":${q(source.app)}`, `"user":${q(source.user)}`,
      `"stream":${q(source.stream)}`];
    if (source.platform !== undefined) out.push(`"platform":${q(source.platform)}`);
    const call = s.has & 4 ? this.callId(c, source, s.kind) : undefined;
    const settings = s.has & 64 ? this.snapshot(c, source) : undefined;
    if (s.has & 2) out.push(`"packet":${this.packet += c.packet.zigzag()}`);
    if (call !== undefined) out.push(`"call":${q(call)}`);
    if (kind === 'call') out.push(`"api":${q(s.api)}`);
    if (kind === 'decision') out.push(`"answer":"${s.answer}"`);
    if (s.has & 8) out.push(`"scope":${s.has & 16 ? q(s.scopes) : q(s.scopes[0])}`);
    if (kind === 'return') out.push(`"errMsg":${q(s.errMsg)}`);
    if (s.has & 32) out.push(`"errno":${s.errno}`);
    if (settings) out.push(`"authSetting":{${settings}}`);
    if (kind === 'settings') out.push(`"granted":${s.granted}`);
    if (s.has & 128) out.push(`"fresh":${s.fresh}`);
    if (s.has & 256) out.push(`"observes":${q(s.observes)}`);
    if (s.has & 512) out.push(`"lost_bytes":${c.lost.big()}`);
    if (s.has & 1024) out.push(this.reference(c.extra, 'extras').slice(1, -1));
    return `{${out.join(',')}}`;
  }
}

function unpack(payload) {
  const d = new Column(payload), entries = [];
  for (let n = d.byte(); n > 0; n--) {
    const e = { id: d.byte(), encoding: d.byte(), raw: d.number() };
    e.packed = e.encoding === 1 ? d.number() : e.raw;
    entries.push(e);
  }
  const columns = Object.fromEntries(COLUMNS.slice(1).map((name) => [name, new Column(Buffer.alloc(0))]));
  for (const e of entries) {
    const bytes = d.take(e.packed), raw = e.encoding === 1 ? inflateRawSync(bytes) : bytes;
    must(raw.length === e.raw, 'column of a wrong length');
    if (COLUMNS[e.id]) columns[COLUMNS[e.id]] = new Column(raw);
    else must(e.id & 0x80, 'unknown column');
  }
  must(d.done(), 'bytes behind the columns');
  return columns;
}

function checkIndex(payload, offset, events) {
  const trailer = payload.subarray(payload.length - 16);
  must(trailer.toString('latin1', 8) === 'ATPindex' && trailer.readBigUInt64LE(0) === BigInt(offset), 'trailer');
  const x = new Column(inflateSync(payload.subarray(0, payload.length - 16)));
  const list = () => Array.from({ length: x.number() }, () => x.text());
  list();
  list();
  let sum = 0;
  for (let n = x.number(); n > 0; n--) {
    const head = Array.from({ length: 8 }, () => x.big());
    sum += Number(head[4]);
    let kinds = 0;
    for (let k = 1; k <= 10; k++) kinds += x.number();
    must(kinds === Number(head[4]), 'kinds of the index');
    for (let m = x.number(); m > 0; m--) { x.number(); x.number(); }
    for (let m = x.number(); m > 0; m--) x.number();
    for (let m = x.number(); m > 0; m--) x.number();
  }
  must(x.done() && sum === events, 'sum of the index');
}

const file = readFileSync(process.argv[2]);
must(file.toString('latin1', 0, 8) === '\x89ATP\r\n\x1a\n' && file.readUInt16LE(8) === 1, 'not a tape of version 1');
must(file.readUInt32LE(16) === 0 && file.readUInt32LE(28) === crc32(file.subarray(0, 28)), 'file header');
let segment, events = 0, lines = [];
for (let at = 32, sequence = 0; at < file.length; sequence++) {
  const h = file.subarray(at, at + 64);
  const length = h.readUInt32LE(12), payload = file.subarray(at + 64, at + 64 + length);
  must(h.readUInt32BE(0) === 0x9f415446 && h.readUInt32LE(60) === crc32(h.subarray(0, 60)), `frame header at ${at}`);
  must(h.readUInt32LE(8) === sequence && h.readUInt32LE(52) === file.readUInt32LE(20), `number or tape at ${at}`);
  must(payload.length === length && h.readUInt32LE(56) === crc32(payload), `payload at ${at}`);
  must(Number(h.readBigUInt64LE(40)) === events, `events before ${at}`);
  if (h[4] === 1) {
    const columns = unpack(payload);
    if (h[5] & 1) segment = new Segment();
    segment.columns = columns;
    let sizes = 0;
    for (const c of Object.values(columns)) sizes += c.bytes.length;
    must(sizes === h.readUInt32LE(16), `inflated bytes at ${at}`);
    for (let n = h.readUInt32LE(20); n > 0; n--, events++) {
      lines.push(segment.event(columns));
      must(segment.t >= h.readBigInt64LE(24) && segment.t <= h.readBigInt64LE(32), `times at ${at}`);
      if (lines.length === 4096) { writeAll(lines); lines = []; }
    }
    for (const [name, c] of Object.entries(columns)) must(c.done(), `rest of ${name} at ${at}`);
  } else if (h[4] === 0x82) {
    checkIndex(payload, at, events);
  } else {
    must(h[4] & 0x80, 'unknown frame');
  }
  at += 64 + length;
}
writeAll(lines);

function writeAll(some) {
  const bytes = Buffer.from(some.map((l) => `${l}\n`).join(''));
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (e) {
      if (e.code !== 'EAGAIN') throw e;
    }
  }
}
