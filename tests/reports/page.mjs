// usage: node page.mjs CHROMIUM PAGE.html REPORT.json HOURS.json TIMED       (playwright-core, axe-core: tests/package.json)
// Opens the page as a person would: no console error, no request; every figure and table has the numbers of the report
// (HOURS.json: --by hour; TIMED: prompts whose answer took a known time); sorting, filtering, two languages, two themes,
// four widths, print; hostile names shown as text; axe-core without a finding that is serious.
import { createRequire } from 'node:module'
import { readFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
const [, , executablePath, file, reportFile, hoursFile, timed] = process.argv
const require = createRequire(join(import.meta.dirname ?? '.', '../'))
const { chromium } = require('playwright-core')
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const report = JSON.parse(readFileSync(reportFile, 'utf8')), hours = JSON.parse(readFileSync(hoursFile, 'utf8'))
const profile = mkdtempSync(join(tmpdir(), 'authtape-chromium.'))
const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, locale: 'en-US',
  colorScheme: 'light', viewport: { width: 1200, height: 900 }, args: ['--no-sandbox', '--disable-gpu', '--disable-quic',
    '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
const page = await context.newPage()
const faults = []
const must = (good, what) => { if (!good) faults.push(what) }
const url = pathToFileURL(file).href
page.on('console', m => faults.push('console: ' + m.text()))
page.on('pageerror', e => faults.push('error: ' + e.message))
page.on('dialog', d => { faults.push('a dialog opened'); d.dismiss() })
page.on('request', r => must(r.url() === url, 'request: ' + r.url()))
await page.goto(url)

// ---- The numbers
const table = id => page.$$eval(`#${id} tbody tr`, rows => rows.map(r => [...r.cells].map(c => c.textContent.trim())))
const number = text => text === '–' ? null : Number(text.replace(/[^0-9.-]/g, ''))
// what the page shows of a string: the characters that steer are written out
const shown = s => s === undefined || s === null ? '–' : s.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
  c => `\\u{${c.codePointAt(0).toString(16)}}`)
const same = (what, got, want) => must(JSON.stringify(got) === JSON.stringify(want),
  `${what}: ${JSON.stringify(got).slice(0, 300)}, not ${JSON.stringify(want).slice(0, 300)}`)
const bars = async id => (await page.$$eval(`#${id} svg.plot rect title`, list => list.map(t => Number(t.textContent.split(': ').pop()))))
const total = list => list.reduce((a, b) => a + b, 0)
const scopes = Object.entries(report.scopes)

same('outcomes', (await table('outcomes-data')).map(r => [r[0], ...r.slice(1).map(number)]),
  scopes.map(([s, r]) => [shown(s), r.ok, r.denied, r.dismissed, r.unauthorized + r.other, r.unanswered]))
must(total(await bars('outcomes')) === total(scopes.map(([, r]) => r.calls)), 'the bars of the outcomes are not all calls')
const steps = ['asked', 'granted', 'turned_off', 'turned_on_again', 'denied', 'recovered', 'silenced', 'kept_asking']
same('funnel', (await table('funnel-data')).map(r => [r[0], ...r.slice(1).map(number)]),
  scopes.map(([s, r]) => [shown(s), ...steps.map(n => r.users[n])]))
same('bars of the funnel', await bars('funnel'), scopes.flatMap(([, r]) => steps.map(n => r.users[n])))
const denials = (await table('denials-data')).map(r => [r[0].slice(0, 13), ...r.slice(1).map(number)])
same('denials', denials, hours.groups.map(r => [r.hour, r.denials.at_prompt, r.denials.while_denied,
  r.denied - r.denials.at_prompt - r.denials.while_denied]))
must(total(await bars('denials')) === total(scopes.map(([, r]) => r.denied)), 'the bars of the denials are not all denials')
const times = (await table('answer-times-data')).map(r => r.map(number))
must(total(times.map(r => r[2])) === Number(timed), `${total(times.map(r => r[2]))} times to answer, not ${timed}`)
same('bars of the times', await bars('answer-times'), times.map(r => r[2]))
const quantile = part => { let left = Math.ceil(part * Number(timed)); return times.find(r => (left -= r[2]) <= 0) }
const medians = scopes.map(([, r]) => r.prompts.answer_ms.p50)
must(quantile(0.5)[0] <= Math.max(...medians) && quantile(0.5)[1] >= Math.min(...medians), 'the median is not where the bars are')

const wordings = {}
for (const w of report.errmsgs.filter(w => w.class !== 'ok')) {
  const key = shown(w.errMsg.replace(/^[A-Za-z0-9._]+:/, '')) + '\n' + shown(w.platform)
  wordings[key] = (wordings[key] || 0) + w.count
}
const words = await table('wordings-data')
must(words.length > 4, 'hardly any wordings')
for (const [text, platform, count] of words) same(`wording ${text} of ${platform}`, number(count), wordings[text + '\n' + platform])
must(total(await bars('wordings')) === total(words.map(w => number(w[2]))), 'the bars of the wordings are not their counts')
must((await table('timeline-data')).length > 3, 'the timeline is empty')
same('marks of the timeline', await page.$$eval('#timeline svg.plot path.mark', l => l.length), (await table('timeline-data')).length)

const numbers = r => [r.calls, r.ok, r.denied, r.denials.at_prompt, r.denials.while_denied, r.dismissed, r.unauthorized, r.other,
  r.unanswered, r.prompts.observed, r.prompts.inferred, r.prompts.answer_ms.p50, r.prompts.answer_ms.p90, r.settings.to_granted,
  r.settings.to_denied, r.users.asked, r.users.denied, r.users.recovered, r.users.silenced, r.users.kept_asking,
  r.users.turned_off, r.users.turned_on_again, r.settings.recovery_ms.p50 === null ? null : r.settings.recovery_ms.p50 / 1000]
const rounded = list => list.map(x => x === null ? null : Math.round(x * 10))
const alike = (what, got, want) => got.forEach((x, i) => must(x === want[i] || Math.abs(x - want[i]) <= 1, `${what}, ${i}: ${x}, not ${want[i]}`))
const scopeRows = await table('scopes'), groupRows = await table('groups')
must(scopeRows.length === scopes.length && groupRows.length === report.groups.length, 'rows are missing')
scopeRows.forEach((r, i) => alike('scope ' + r[0], rounded(r.slice(1).map(number)), rounded(numbers(scopes[i][1]))))
groupRows.forEach((r, i) => {
  same('labels of a group', r.slice(0, 2), [shown(report.groups[i].platform), shown(report.groups[i].day)])
  alike('group ' + r[0], rounded(r.slice(2).map(number)), rounded(numbers(report.groups[i])))
})
same('never asked', (await table('never-asked')).map(r => [...r.slice(0, 3), number(r[3]), number(r[4])]),
  report.never_asked.map(r => [shown(r.scope), shown(r.api), shown(r.platform), r.calls, r.users]).slice(0, 200))
const messages = await table('errmsgs')
same('wordings', messages.map(r => [number(r[0]), r[1], r[2], r[4]]),
  report.errmsgs.slice(0, 200).map(w => [w.count, shown(w.platform), shown(w.api), shown(w.errMsg)]))
same('unknown wordings', messages.map(r => r[3].includes('unknown')), report.errmsgs.slice(0, 200).map(w => w.known === false))
const tiles = await page.$$eval('.tiles b', l => l.map(b => b.textContent.replaceAll(',', '')))
same('tiles', tiles.slice(0, 4).map(Number), [report.events, report.calls, report.apps, report.users])

must((await page.$$('.nothing')).length === 0, 'a figure says that there is nothing')

// ---- What a person does with it
const column = async (id, n) => (await table(id)).map(r => r[n])
await page.click('#errmsgs th:nth-child(1) button')
await page.click('#errmsgs th:nth-child(1) button')
const sorted = (await column('errmsgs', 0)).map(number)
must(sorted.length > 1 && sorted.every((x, i) => i === 0 || sorted[i - 1] <= x), 'numbers are not sorted')
await page.click('#errmsgs th:nth-child(5) button')
const names = await column('errmsgs', 4)
must(names.every((x, i) => i === 0 || names[i - 1].localeCompare(x) <= 0), 'names are not sorted')
same('what is sorted', [...names].sort(), messages.map(r => r[4]).sort())
await page.fill('input[data-table=errmsgs]', 'auth deny')
const left = await page.$$eval('#errmsgs tbody tr:not([hidden])', rows => rows.map(r => r.textContent))
must(left.length > 0 && left.length === names.filter(n => n.includes('auth deny')).length, 'the filter does not filter')
await page.fill('input[data-table=errmsgs]', '')
must(await page.$$eval('#errmsgs tbody tr[hidden]', l => l.length) === 0, 'the filter does not let go')

const text = selector => page.$eval(selector, e => e.innerText)
must((await text('h1')).includes('Authorization'), 'it does not begin in English')
const paper = () => page.$eval('body', b => getComputedStyle(b).backgroundColor)
const light = await paper()
for (const d of await page.$$('summary')) await d.click()
const axe = async name => {
  await page.evaluate(axeSource)
  const result = await page.evaluate(() => globalThis.axe.run())
  must(result.passes.length > 20, `axe (${name}) checked hardly anything`)
  for (const v of result.violations)
    if (['serious', 'critical'].includes(v.impact)) faults.push(`axe (${name}): ${v.id}: ${v.nodes[0].html.slice(0, 120)}`)
}
await axe('English, light')
await page.click('#lang')
must((await text('h1')).includes('授权报告') && !(await text('h1')).includes('Authorization'), 'no Chinese')
const tips = await page.$$eval('svg.plot title', l => l.map(t => t.textContent))
must(tips.length > 50 && tips.every(t => /[\u4e00-\u9fff].*: [+0-9]/.test(t)), `a tooltip is not in Chinese: ${tips.find(t => !/[\u4e00-\u9fff]/.test(t))}`)
const untranslated = await page.$$eval('main h2, figcaption p, summary, .legend li', l => l.filter(e => e.innerText.trim() === '').length)
must(untranslated === 0, `${untranslated} texts have no Chinese`)
await page.click('#theme')
must(await paper() !== light, 'the theme does not change')
await axe('Chinese, dark')
for (const width of [1200, 768, 390, 320]) {
  await page.setViewportSize({ width, height: 800 })
  must(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), `the page is wider than ${width} pixels`)
}
await page.emulateMedia({ media: 'print' })
must(await paper() === 'rgb(255, 255, 255)', 'print is not on white')
must(!await page.isVisible('#lang'), 'buttons are printed')
await context.close()
rmSync(profile, { recursive: true, force: true })
for (const fault of faults) console.log(fault)
process.exit(faults.length ? 1 : 0)
