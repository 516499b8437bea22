// needed.mjs: which messages have to survive the loss of packets.
//
//   node needed.mjs FOLDER LOST < messages-of-the-whole-capture.ndjson > ids
//
// LOST lists the lost packets of FOLDER/traffic.pcap. A message is needed when no packet with bytes of its direction is
// lost from the one that completed the message before it to the one that completes it; in a compressed stream with
// context takeover, when none is lost before either.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [folder, lostFile] = process.argv.slice(2);
const lost = new Set(readFileSync(lostFile, 'utf8').trim().split('\n').map(Number));
const takeover = new Set();
for (const line of readFileSync(`${folder}/manifest.ndjson`, 'utf8').trimEnd().split('\n')) {
  const m = JSON.parse(line);
  if (m.takeover) takeover.add(m.id);
}

// Lost packets with payload, by "client>server" and direction, in order.
const file = readFileSync(`${folder}/traffic.pcap`);
const holes = new Map();
const address = (b) => [...b].join('.');
for (let at = 24, number = 1; at < file.length; at += 16 + file.readUInt32LE(at + 8), number++) {
  if (!lost.has(number)) continue;
  const ip = file.subarray(at + 30);
  const tcp = ip.subarray((ip[0] & 15) * 4);
  if (ip.readUInt16BE(2) - (ip[0] & 15) * 4 - (tcp[12] >> 4) * 4 === 0) continue;
  const key = `${address(ip.subarray(12, 16))}:${tcp.readUInt16BE(0)}>${address(ip.subarray(16, 20))}:${tcp.readUInt16BE(2)}`;
  if (!holes.has(key)) holes.set(key, []);
  holes.get(key).push(number);
}

const last = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const m = JSON.parse(line);
  const fromClient = m.dir === 'request' || m.dir === 'client';
  const key = fromClient ? m.stream : m.stream.split('>').reverse().join('>');
  const mine = holes.get(key) ?? [];
  const before = last.get(key) ?? 0;
  last.set(key, m.packet);
  const touched = mine.some((n) => n <= m.packet && (n >= before || takeover.has(m.body.id)));
  if (!touched) console.log(m.body.id);
}
