// console.mjs: what a document shows is what happens. Runs the commands of its ```console blocks, one after another in
// one empty folder, and compares what they print (standard output and error together) with what stands there.
//   node console.mjs FILE.md FOLDER [--update]       PATH has authtape; FOLDER is where the commands run
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const [file, cwd, update] = process.argv.slice(2);
let differ = 0;
let commands = 0;

/** "$ command" with its output, and so on. A line that ends in a backslash goes on in the next. */
function rerun(block) {
  const lines = block.split('\n');
  let shown = '';
  for (let i = 0; i < lines.length; ) {
    if (!lines[i].startsWith('$ ')) throw new Error(`${file}: a console block begins with a command: ${lines[i]}`);
    let command = lines[i++];
    while (command.endsWith('\\')) command += `\n${lines[i++]}`;
    let wanted = '';
    while (i < lines.length && !lines[i].startsWith('$ ')) wanted += `${lines[i++]}\n`;
    const { stdout } = spawnSync('bash', ['-c', `{ ${command.slice(2)}\n} 2>&1`], { cwd, timeout: 60_000 });
    const got = stdout.toString();
    commands++;
    if (got !== wanted) {
      differ++;
      if (!update) console.log(`${command}\n--- shown\n${wanted}--- but now\n${got}`);
    }
    shown += `${command}\n${got}`;
  }
  return shown;
}

const text = readFileSync(file, 'utf8');
const now = text.replace(/^```console\n([^]*?)\n```$/gm, (_, block) => `\`\`\`console\n${rerun(block)}\`\`\``);
if (update) writeFileSync(file, now);
console.log(`${commands} commands, ${differ} with other output than ${file} shows`);
process.exitCode = (differ && !update) || commands === 0 ? 1 : 0;
