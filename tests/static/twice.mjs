// twice.mjs: blocks of ten lines that stand twice in the tree.   node twice.mjs FILE...
// Lines without letters and digits, of includes and imports, and blanks at their ends, do not count.
import fs from 'node:fs';

const LINES = 10;
const seen = new Map(); // ten lines -> where they stood first
let found = 0;
for (const file of process.argv.slice(2)) {
  const lines = fs.readFileSync(file, 'utf8').split('\n').map((text, i) => ({text: text.trim(), number: i + 1})).filter((l) => /\w/.test(l.text) && !/^(#include|import) /.test(l.text));
  let reported = -1;
  for (let i = 0; i + LINES <= lines.length; i++) {
    const block = lines.slice(i, i + LINES).map((l) => l.text).join('\n');
    const first = seen.get(block);
    if (!first) {
      seen.set(block, {file, number: lines[i].number, index: i});
    } else if ((first.file !== file || first.index + LINES <= i) && i > reported) {
      console.log(`${file}:${lines[i].number}: as ${first.file}:${first.number}`);
      found++;
      reported = i + LINES;
    }
  }
}
process.exitCode = found ? 1 : 0;
