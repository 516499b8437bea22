// usage: node hostile.mjs make <SIMULATED >HOSTILE       names that try to be markup, formulas, quotes, line ends, terminal
//        node hostile.mjs check REPORT.json REPORT.csv REPORT.txt DIFF.txt TRACE.json SQLITE.json <HOSTILE   codes or to turn
// the direction of text, in every place where a name can be; every output has them, and none lets them act.
import { readFileSync } from 'node:fs'
const apps = { wx01: '=1+1<script>alert(1)</script>', wx02: '"quoted", \'single\'\r\n@next line' }
const platforms = { ios: '\u001b[31mred\t|\\', android: '安卓\u202etxt.exe\u2066', devtools: '-2+3&amp;\u0085\u2028' }
const scope = '+scope."<img src=x onerror=alert(2)>\n😀\u200f'
const [, , what, ...files] = process.argv
const events = readFileSync(0, 'utf8').split('\n').filter(Boolean).map(l => JSON.parse(l))
if (what === 'make') {
  const put = e => console.log(JSON.stringify(e))
  events.forEach((e, i) => {
    e.app = apps[e.app]
    e.user += '<b>"\u202e\n'
    e.stream += '\u001b]0;title\u0007'
    if (e.platform) e.platform = platforms[e.platform]
    put(e)
    if (i % 50 !== 0 || e.kind !== 'end') return
    const { kind, ...base } = e
    put({ ...base, kind: 'call', call: 'x' + i + '"\n', api: 'authorize', scope })
    put({ ...base, kind: 'return', call: 'x' + i + '"\n', errMsg: 'authorize:fail "quoted" </script><script>\u202e"\n=2' })
  })
  process.exit()
}
const faults = []
const must = (good, text) => { if (!good) faults.push(text) }
const [json, csv, text, diff, trace, rows] = files.map(f => readFileSync(f, 'utf8'))
const wants = [...Object.values(apps), ...Object.values(platforms), scope]
const steers = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/
const visible = s => s.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, c => `\\u{${c.codePointAt(0).toString(16)}}`)
const groups = JSON.parse(json).groups, names = new Set(groups.flatMap(g => [g.app, g.platform, g.scope]))
for (const w of wants) must(names.has(w), 'JSON has not ' + JSON.stringify(w))
// RFC 4180, read by its grammar
const records = [], field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/gy
for (let row = [], m; field.lastIndex < csv.length && (m = field.exec(csv));) {
  row.push(m[1] === undefined ? m[2] : m[1].replaceAll('""', '"'))
  if (m[3] !== ',') { records.push(row); row = [] }
}
must(field.lastIndex === csv.length, 'CSV breaks its grammar')
must(records.length === groups.length + 1 && records.every(r => r.length === records[0].length), 'CSV has other rows than JSON')
// line ends may stand in a quoted field
const cell = s => (/^[=+\-@\t\r\n]/.test(s) ? "'" : '') + s.split('\n').map(visible).join('\n')
groups.forEach((g, i) => ['app', 'platform', 'scope'].forEach((d, k) =>
  must(records[i + 1][k] === cell(g[d] ?? ''), `CSV: ${JSON.stringify(records[i + 1][k])}, not ${JSON.stringify(cell(g[d] ?? ''))}`)))
must(!records.some(r => r.some(c => /^[=+\-@]/.test(c))), 'CSV has a formula')
for (const [name, out] of [['text', text], ['diff', diff]]) must(!steers.test(out.replaceAll('\n', '')), name + ' steers a terminal')
for (const w of wants) must(text.includes(visible(w)), 'text has not ' + JSON.stringify(w))
const traced = JSON.stringify(JSON.parse(trace).traceEvents)
for (const w of Object.values(apps)) must(traced.includes(JSON.stringify(w).slice(1, -1)), 'the trace has not ' + JSON.stringify(w))
const stored = new Set(JSON.parse(rows).flatMap(r => Object.values(r)))
for (const w of [...Object.values(apps), ...Object.values(platforms)]) must(stored.has(w), 'SQLite has not ' + JSON.stringify(w))
for (const fault of faults) console.log(fault)
process.exit(faults.length ? 1 : 0)
