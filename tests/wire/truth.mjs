// truth.mjs: the truth itself, as a recording of one who sees everything: prompts, decisions, flips and resets.
// Replay must come to the truth's verdict on it, whatever a tracer would have seen.
//   node truth.mjs CAPTURES-FOLDER WORK-FOLDER
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { compareVerdict, test } from './authtape.mjs';

const [captures, work] = process.argv.slice(2);
const STEP_US = 10_000;

function asEvents({ events }) {
  let t = 1_700_000_000_000_000;
  const list = [];
  const started = new Set();
  for (const { app, user, kind, rpc, ...rest } of events) {
    const key = { t: (t += STEP_US), app, user, stream: 'truth' };
    if (!started.has(user))
      list.push({ ...key, kind: 'start', fresh: true, observes: ['prompts', 'decisions', 'settings', 'resets'] });
    started.add(user);
    const { api, scope, errMsg, authSetting, answer, granted } = rest;
    if (kind === 'call') list.push({ ...key, kind, call: rpc, api, scope });
    else if (kind === 'return') list.push({ ...key, kind, call: rpc, errMsg, authSetting });
    else if (kind === 'prompt') list.push({ ...key, kind, scope, call: rpc });
    else if (kind === 'decision') list.push({ ...key, kind, scope, answer });
    else if (kind === 'settings') list.push({ ...key, kind, scope, granted });
    else if (kind === 'reset') list.push({ ...key, kind });
  }
  for (const user of started) {
    const { app } = events.find((e) => e.user === user);
    list.push({ t: (t += STEP_US), app, user, stream: 'truth', kind: 'end' });
  }
  return list;
}

for (const file of readdirSync(captures).filter((name) => name.endsWith('.json'))) {
  const truth = JSON.parse(readFileSync(`${captures}/${file}`));
  const recording = `${work}/${file.replace(/json$/, 'ndjson')}`;
  writeFileSync(recording, asEvents(truth).map((event) => `${JSON.stringify(event)}\n`).join(''));
  await test(`${file}: the verdict of one who sees everything`, () => compareVerdict(recording, truth));
}
