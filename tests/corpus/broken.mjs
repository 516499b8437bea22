// broken.mjs: damaged copies of a capture: cut off, with bytes changed, with lengths changed; always the same ones.
//   node broken.mjs CAPTURE FOLDER COUNT
import { readFileSync, writeFileSync } from 'node:fs';

const [capture, folder, count] = process.argv.slice(2);
const whole = readFileSync(capture);
let state = 1n;
/** A pseudo-random integer in 0…n-1 (splitmix64). */
function below(n) {
  state = (state + 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
  let z = state;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & 0xffffffffffffffffn;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & 0xffffffffffffffffn;
  return Number((z ^ (z >> 31n)) % BigInt(n));
}

for (let i = 0; i < Number(count); i++) {
  let copy = Buffer.from(whole);
  if (i % 3 === 0) copy = copy.subarray(0, below(copy.length));
  for (let flips = i % 3 === 1 ? 1 + below(20) : 0; flips > 0; flips--) copy[below(copy.length)] = below(256);
  if (i % 3 === 2) copy.writeUInt32LE([0, 1, 0x7fffffff, 0xffffffff, 65536][below(5)], below(copy.length - 4));
  writeFileSync(`${folder}/broken-${i}.pcap`, copy);
}
