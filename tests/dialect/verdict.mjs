// verdict.mjs: the divergences of a replay against the faults of the truth.
//   node verdict.mjs TRUTH.json REPLAY.json
import { readFileSync } from 'node:fs';

const [truthFile, replayFile] = process.argv.slice(2);
const faults = JSON.parse(readFileSync(truthFile)).events.filter((t) => t.ev === 'divergence');
const found = JSON.parse(readFileSync(replayFile)).divergences;
const at = new Set(found.map((d) => d.call));
const missed = faults.filter((f) => f.first_visible && !at.has(f.rpc));
const invented = found.filter((d) => !faults.some((f) => f.rpc === d.call));
for (const f of missed) console.log('missed', JSON.stringify(f));
for (const d of invented) console.log('not in the truth', JSON.stringify(d));
console.log(`${faults.length} faults, ${found.length} divergences`);
process.exit(missed.length + invented.length ? 1 : 0);
