// recorded.mjs: the captures beside this file, recorded, read back, replayed. Needs nothing but node.
//   node recorded.mjs CAPTURES-FOLDER WORK-FOLDER
import { readdirSync, readFileSync } from 'node:fs';
import { IDENTITY, compareImport, compareVerdict, compareWithTruth, events, good, test } from './authtape.mjs';

const [captures, work] = process.argv.slice(2);
for (const file of readdirSync(captures).filter((name) => name.endsWith('.pcap'))) {
  const name = file.replace(/\.pcap$/, '');
  const truth = JSON.parse(readFileSync(`${captures}/${name}.json`));
  const tape = `${work}/${name}.tape`;
  await test(`${name}: the tape has what happened`, () => {
    good(['record', '-r', `${captures}/${file}`, ...IDENTITY, '-w', tape]);
    compareWithTruth(events(tape), truth);
  });
  await test(`${name}: cat, import, cat`, () => compareImport(tape));
  await test(`${name}: the verdict`, () => compareVerdict(tape, truth));
}
