// usage: node views.mjs VIEW BY REPORT.json REPORT.csv REPORT.txt
// Every number of a view, as text and as CSV, against the JSON of the same recording.
import { readFileSync } from 'node:fs'
const [view, by, jsonFile, csvFile, textFile] = process.argv.slice(2)
const json = JSON.parse(readFileSync(jsonFile, 'utf8'))
const users = Object.fromEntries(['asked', 'granted', 'denied', 'recovered', 'turned_off', 'silenced', 'kept_asking']
  .map(n => ['users_' + n, r => r.users[n]]))
const values = { ...users, users_on_again: r => r.users.turned_on_again,
  ...Object.fromEntries(['calls', 'ok', 'denied', 'dismissed', 'unauthorized', 'other', 'unanswered'].map(n => [n, r => r[n]])),
  ...Object.fromEntries(['observed', 'inferred', 'allowed', 'denied', 'dismissed'].map(n => ['prompts_' + n, r => r.prompts[n]])),
  ...Object.fromEntries(['p50', 'p90', 'p99'].map(n => [n, r => r.prompts.answer_ms[n]])),
  recovery_p50: r => r.settings.recovery_ms.p50, recovery_p90: r => r.settings.recovery_ms.p90,
  at_prompt: r => r.denials.at_prompt, while_denied: r => r.denials.while_denied,
  to_granted: r => r.settings.to_granted, to_denied: r => r.settings.to_denied, flips_inferred: r => r.settings.inferred }
const dims = by.split(',')
const rows = json.groups || Object.entries(json.scopes).map(([scope, r]) => ({ scope, ...r }))
const fail = what => { console.log(`${view}: ${what}`); process.exit(1) }

const csv = readFileSync(csvFile, 'utf8').split('\r\n')
if (csv.pop() !== '') fail('the CSV does not end in CRLF')
const names = csv.shift().split(',')
if (csv.length !== rows.length) fail(`${csv.length} lines of CSV for ${rows.length} rows`)
let compared = 0
csv.forEach((line, i) => {
  const fields = line.startsWith('"') ? fail('a quote where none was expected') : line.split(',')
  names.forEach((name, k) => {
    const want = k < dims.length ? rows[i][name] : values[name](rows[i])
    const same = k < dims.length ? fields[k] === (want ?? '') : want === null ? fields[k] === '' : Number(fields[k]) === want
    if (!same) fail(`CSV, row ${i}, ${name}: ${fields[k]}, not ${want}`)
    compared++
  })
})

// text: the first table; columns stand two blanks apart
const text = readFileSync(textFile, 'utf8').split('\n\n')[1].split('\n').filter(Boolean)
const head = text.shift().split(/ {2,}/)
if (head.length !== names.length || text.length !== rows.length) fail('the text has another shape than the CSV')
const seconds = { s: 1, min: 60, h: 3600, d: 86400 }
text.forEach((line, i) => {
  const fields = line.trim().split(/ {2,}/)
  names.forEach((name, k) => {
    const want = k < dims.length ? rows[i][name] : values[name](rows[i])
    let got = fields[k]
    if (k >= dims.length && want !== null) {
      const [n, unit] = got.split(' ')
      got = unit ? Number(n) * seconds[unit] * 1000 : Number(n)
      const off = unit ? 0.051 * seconds[unit] * 1000 : /^p\d\d$/.test(name) ? 0.051 : 0
      if (Math.abs(got - want) > off) fail(`text, row ${i}, ${name}: ${fields[k]}, not ${want}`)
    } else if (got !== (want ?? '-')) {
      fail(`text, row ${i}, ${name}: ${got}, not ${want}`)
    }
    compared++
  })
})
if (compared < 40) fail(`only ${compared} compared`)
