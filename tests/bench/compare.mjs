// compare.mjs: what was recovered against what was sent.
//
//   node compare.mjs FOLDER < messages.ndjson
//
// Prints "N sent, N recovered, N missing, N doubled, N invented, N wrong" and the ways of the missing ones; exit
// status 1 unless all were recovered once and as they were. With --lossy MUTANT: see below.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [folder, ...flags] = process.argv.slice(2);
const lines = (name) => readFileSync(`${folder}/${name}`, 'utf8').trimEnd().split('\n');
const sent = new Map();
for (const line of lines('manifest.ndjson')) {
  const m = JSON.parse(line);
  sent.set(m.id, m);
}
for (const line of lines('bodies.ndjson')) sent.get(JSON.parse(line).id).text = line;

// --needed FILE: the ids that must be there, one a line; without it all of them.
const at = flags.indexOf('--needed');
const needed = at >= 0 ? new Set(readFileSync(flags[at + 1], 'utf8').trim().split('\n').map(Number)) : null;

let recovered = 0, doubled = 0, invented = 0, wrong = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const got = JSON.parse(line);
  const m = sent.get(got.body?.id);
  if (!m) invented++;
  else if (m.got) doubled++;
  else {
    m.got = true;
    recovered++;
    const side = got.dir === 'request' || got.dir === 'client' ? 'client' : 'server';
    if (JSON.stringify(got.body) !== m.text || side !== m.side) wrong++;
  }
}
const ways = {};
let missing = 0;
for (const m of sent.values()) {
  if (m.got || (needed && !needed.has(m.id))) continue;
  missing++;
  ways[`${m.way} ${m.side}`] = (ways[`${m.way} ${m.side}`] ?? 0) + 1;
  if (flags.includes('--ids') && missing < 20) console.log(`missing: ${m.id} ${m.way} ${m.side}`);
}
console.log(`${sent.size} sent, ${recovered} recovered, ${missing} missing${needed ? ` of ${needed.size} needed` : ''}, ` +
  `${doubled} doubled, ${invented} invented, ${wrong} wrong`);
for (const [way, n] of Object.entries(ways)) console.log(`  ${n} ${way}`);
process.exit(missing || doubled || invented || wrong ? 1 : 0);
