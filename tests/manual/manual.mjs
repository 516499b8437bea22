// manual.mjs: runs the examples of all manual pages and READMEs, each document's in a folder of its own with the files
// that they speak of.   node manual.mjs WORK-FOLDER
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {Host} from '../wire/host.mjs';

const work = process.argv[2], root = process.cwd();
const real = process.env.REAL_AUTHTAPE;
const IDENTITY = ['--app', 'query:appid', '--user', 'query:openid', '--platform', 'query:platform'];

// ---- Where examples are

/** Roff's escapes, as far as examples have them. */
const unescape = (line) => line.replace(/\\&/g, '').replace(/\\e|\\\(rs/g, '\\').replace(/\\\(dq/g, '"').replace(/\\ /g, ' ').replace(/\\-/g, '-');

/** The displays of a page's EXAMPLES, in their order. Lines of .Dl that follow each other are one. */
function ofPage(text) {
  const blocks = [];
  let section = '', open = false, inline = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('.Sh ')) section = line.slice(4);
    if (section !== 'EXAMPLES') continue;
    if (line.startsWith('.Bd -literal')) (open = true), blocks.push([]);
    else if (line === '.Ed') open = false;
    else if (open) blocks.at(-1).push(unescape(line));
    else if (line.startsWith('.Dl ')) {
      if (!inline) blocks.push([]);
      blocks.at(-1).push(unescape(line.slice(4)));
    }
    inline = line.startsWith('.Dl ');
  }
  return blocks.map((lines) => lines.join('\n'));
}

/** The fenced blocks of a README, but for those that tests/house compares word for word. */
const ofReadme = (text) => [...text.matchAll(/^```(\w*)\n([^]*?)\n```$/gm)].filter((m) => m[1] !== 'console').map((m) => m[2]);

// ---- What they speak of

const run = (cwd, ...args) => execFileSync(real, args, {cwd, maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe']});

function setStage() {
  const s = `${work}/stage`;
  fs.mkdirSync(s);
  fs.copyFileSync('tests/wire/still_fails.pcap', `${s}/session.pcap`);
  run(s, 'record', '-q', '-r', 'session.pcap', ...IDENTITY, '-w', 'session.tape');
  run(root, 'record', '-q', '-r', 'tests/wire/clean_deflate.pcap', ...IDENTITY, '-w', `${s}/week.tape`);
  for (const name of ['game', 'day', 'monday', 'before']) fs.copyFileSync(`${s}/session.tape`, `${s}/${name}.tape`);
  for (const name of ['tuesday', 'after']) fs.copyFileSync(`${s}/week.tape`, `${s}/${name}.tape`);
  run(s, 'minimize', '-w', 'bug.tape', 'session.tape');
  const bytes = fs.readFileSync(`${s}/week.tape`);
  fs.writeFileSync(`${s}/broken.tape`, bytes.subarray(0, bytes.length - 50));
  fs.cpSync('docs', `${s}/docs`, {recursive: true});
  fs.mkdirSync(`${s}/day`);
  fs.copyFileSync(`${s}/session.tape`, `${s}/day/1.tape`);
  fs.writeFileSync(`${s}/game.ndjson`, run(s, 'cat', 'game.tape'));
  execFileSync('sh', ['-c', 'gzip -c game.ndjson >old.ndjson.gz'], {cwd: s});
  fs.copyFileSync('tests/dialect/auth_trace.json', `${s}/auth_trace.json`);
  fs.copyFileSync('tests/dialect/auth_trace.json', `${s}/mine.json`);
  fs.copyFileSync('tests/redrive/host-commands.json', `${s}/commands.json`);
  return s;
}

// ---- The two kinds of examples: commands, and what goes into files

const isCommand = (block) => /^(\$ |authtape |sudo |make\b|[A-Z_]+=\S+ authtape|cat |head |zcat |seq |ssh |cc |printf )/.test(block);

/** What went wrong; nothing when all went well. The host runs in this process, so this must not wait for the command. */
async function runCommands(block, cwd, env) {
  fs.rmSync(env.TROUBLE, {force: true});
  const child = spawn('bash', ['-o', 'pipefail', '-c', block.replace(/^\$ /gm, '')], {cwd, env, stdio: ['ignore', 'pipe', 'pipe']});
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  let out = '';
  child.stdout.on('data', (d) => (out += d));
  child.stderr.on('data', (d) => (out += d));
  const [status] = await once(child, 'close');
  clearTimeout(timer);
  const trouble = fs.existsSync(env.TROUBLE) ? fs.readFileSync(env.TROUBLE, 'utf8') : '';
  return !trouble && status !== null && status <= 1 ? '' : `status ${status}\n${trouble}${out.slice(0, 2000)}`;
}

/** Files: who reads such a one says that it is right. */
function readFile(block, cwd) {
  const check = (args, name, text) => {
    fs.writeFileSync(path.join(cwd, name), text);
    const r = spawnSync(real, args, {cwd});
    return r.status === 0 ? '' : `${r.stderr}`;
  };
  if (/^authtape\.start\(|^const authtape = require/.test(block)) {
    fs.writeFileSync(path.join(cwd, 'game.js'), block);
    const r = spawnSync('node', ['--check', 'game.js'], {cwd});
    return r.status === 0 ? '' : `${r.stderr}`;
  }
  if (/^(client|server) \{/.test(block))
    return block.split('\n').map((l) => l.replace(/^\w+ /, '')).every((l) => JSON.parse(l)) ? '' : 'no messages';
  const json = block.replace(/",\n "/g, '","'); // one event on two lines
  if (/"kind":/.test(block.split('\n')[0])) {
    const events = json.split('\n').map((l) => JSON.stringify({t: 1, app: 'a', user: 'u', stream: 's', ...JSON.parse(l)}));
    return check(['import', '-w', 'e.tape', 'e.ndjson'], 'e.ndjson', events.join('\n'));
  }
  if (/authtape\.profile\/1/.test(block)) return check(['profile', 'check', 'p.json'], 'p.json', block);
  if (/"authtape-dialect"/.test(block)) return check(['dialect', 'check', 'd.json'], 'd.json', block);
  if (/"authtape-redrive"/.test(block))
    return check(['redrive', '-n', '-c', 'c.json', '--target', 'ws://127.0.0.1:1/', 'bug.tape'], 'c.json', block);
  return 'nobody knows what this is';
}

// ---- All of them

const list = (...args) => execFileSync('find', args).toString().split('\n').filter(Boolean).sort();
const pages = list('.', '(', '-path', './build', '-o', '-path', './tests', '-o', '-path', './debian', ')', '-prune', '-o', '-name', '*.[13578]', '-print');
const documents = [...pages.map((p) => [p, ofPage]), ['README.md', ofReadme], ['README.zh-CN.md', ofReadme]];
const mayCapture = spawnSync('timeout', ['0.3', real, 'record', '-i', 'lo', '-q', '-w', `${work}/may.tape`]).status !== 2;
const stage = setStage();
const host = await Host.start({port: 0});
/** A database that takes anything, and has nothing. */
const database = http.createServer(async (request, response) => {
  let said = request.url;
  for await (const part of request) said += part.toString('latin1');
  response.end(/SELECT.*FORMAT(\s|\+|%20)+Native/is.test(said) ? '' : '0\n');
});
await once(database.listen(0, '127.0.0.1'), 'listening');
const env = {...process.env, TROUBLE: `${work}/trouble`, HOST_PORT: String(host.port), DATABASE_PORT: String(database.address().port)};
for (const [file, examplesOf] of documents) {
  const cwd = `${work}/${file.replace(/\W/g, '_')}`;
  const examples = examplesOf(fs.readFileSync(file, 'utf8'));
  const wrong = [];
  for (const block of examples) {
    if (/ -i \w/.test(block) && !mayCapture) continue;
    let said;
    fs.cpSync(stage, cwd, {recursive: true}); // what an example before has changed
    try {
      said = isCommand(block) ? await runCommands(block, cwd, env) : readFile(block, cwd);
    } catch (e) {
      said = String(e);
    }
    if (said) wrong.push(`${block}\n--\n${said}`);
  }
  if (wrong.length) console.log(wrong.join('\n\n').replace(/^/gm, '# '));
  console.log(examples.length ? `${wrong.length ? 'not ok' : 'ok'} - ${file}: ${examples.length} examples run` : `not ok - ${file} has no examples`);
}
await host.stop();
database.close();
