// usage: node small.mjs CHROMIUM PAGE.html REPORT.json        (playwright-core, axe-core: tests/package.json)
// A page of hardly anything: no console error, no request, the report's totals, every figure either drawn or saying that
// there is nothing, in both languages; axe-core without a finding that is serious.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
const [, , executablePath, file, reportFile] = process.argv
const require = createRequire(join(import.meta.dirname ?? '.', '../'))
const { chromium } = require('playwright-core')
const report = JSON.parse(readFileSync(reportFile, 'utf8'))
const browser = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-quic'] })
const page = await browser.newPage({ locale: 'en-US', viewport: { width: 390, height: 800 } })
const faults = []
const must = (good, what) => { if (!good) faults.push(what) }
const url = pathToFileURL(file).href
page.on('console', m => faults.push('console: ' + m.text()))
page.on('pageerror', e => faults.push('error: ' + e.message))
page.on('request', r => must(r.url() === url, 'request: ' + r.url()))
await page.goto(url)
const tiles = await page.$$eval('.tiles b', l => l.map(b => Number(b.textContent.replaceAll(',', ''))))
must(JSON.stringify(tiles.slice(0, 4)) === JSON.stringify([report.events, report.calls, report.apps, report.users]), 'tiles: ' + tiles)
const figures = await page.$$eval('figure', l => l.map(f => ({ id: f.id, drawn: f.querySelectorAll('svg.plot rect, svg.plot path').length,
  nothing: f.querySelectorAll('.nothing').length, rows: f.querySelectorAll('tbody tr').length })))
must(figures.length >= 5, 'figures are missing: ' + figures.map(f => f.id))
for (const f of figures) must(f.drawn > 0 ? f.nothing === 0 && f.rows > 0 : f.nothing === 1, `${f.id}: ${JSON.stringify(f)}`)
for (const lang of ['en', 'zh']) {
  if (lang === 'zh') await page.click('#lang')
  const said = await page.$$eval('.nothing', l => l.map(e => e.innerText))
  must(said.every(t => lang === 'zh' ? t.includes('没有') : t.includes('Nothing')), `${lang}: ${said}`)
  await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'))
  const result = await page.evaluate(() => globalThis.axe.run())
  for (const v of result.violations)
    if (['serious', 'critical'].includes(v.impact)) faults.push(`axe (${lang}): ${v.id}: ${v.nodes[0].html.slice(0, 120)}`)
}
must(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), 'the page is wider than a phone')
await browser.close()
for (const fault of faults) console.log(fault)
process.exit(faults.length ? 1 : 0)
