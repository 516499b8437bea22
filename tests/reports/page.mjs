// usage: node page.mjs CHROMIUM PAGE.html AXE.min.js EVENTS  (puppeteer-core from NODE_PATH's folder)
// Opens the page as a person would: no console error, no request, figures with data, sorting, filtering, two languages,
// two themes, hostile names shown as text; and axe-core without a serious finding.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
const [, , chromium, file, axeFile, events] = process.argv
const require = createRequire(axeFile)
const puppeteer = require('puppeteer-core')
const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-gpu'] })
const page = await browser.newPage()
const faults = []
const must = (good, what) => { if (!good) faults.push(what) }
page.on('console', m => faults.push('console: ' + m.text()))
page.on('pageerror', e => faults.push('error: ' + e.message))
page.on('dialog', d => { faults.push('a dialog opened'); d.dismiss() })
page.on('request', r => { if (!r.url().startsWith('file:') && !r.url().startsWith('data:')) faults.push('request: ' + r.url()) })
await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }])
await page.goto(pathToFileURL(file).href)

const text = selector => page.$eval(selector, e => e.innerText)
must((await text('.tiles')).replaceAll(',', '').includes(events), 'the number of events is not on the page')
for (const id of ['outcomes', 'denials', 'funnel', 'answer-times'])
  must(await page.$eval(`#${id} svg`, s => [...s.querySelectorAll('rect')].filter(r => r.querySelector('title')).length > 0), `${id} has no data`)
must(await page.$eval('#timeline svg', s => s.querySelectorAll('path.mark').length > 0), 'the timeline is empty')

const column = n => page.$$eval('#errmsgs tbody tr', (rows, k) => rows.map(r => r.cells[k].textContent.trim()), n)
const numbers = list => list.map(x => Number(x.replaceAll(',', '')))
await page.click('#errmsgs th:nth-child(1) button')
await page.click('#errmsgs th:nth-child(1) button')
const sorted = numbers(await column(0))
must(sorted.length > 1 && sorted.every((x, i) => i === 0 || sorted[i - 1] <= x), 'numbers are not sorted')
await page.click('#errmsgs th:nth-child(5) button')
const names = await column(4)
must(names.every((x, i) => i === 0 || names[i - 1].localeCompare(x) <= 0), 'names are not sorted')
await page.type('input[data-table=errmsgs]', 'auth deny')
const shown = await page.$$eval('#errmsgs tbody tr:not([hidden])', rows => rows.map(r => r.textContent))
must(shown.length > 0 && shown.length < names.length && shown.every(t => t.includes('auth deny')), 'the filter does not filter')

must((await text('h1')).includes('Authorization'), 'it does not begin in English')
await page.click('#lang')
must((await text('h1')).includes('授权报告') && !(await text('h1')).includes('Authorization'), 'no Chinese')
await page.click('#lang')
const paper = () => page.$eval('body', b => getComputedStyle(b).backgroundColor)
const light = await paper()
await page.addScriptTag({ content: readFileSync(axeFile, 'utf8') }).catch(() => page.evaluate(readFileSync(axeFile, 'utf8')))
const axe = async name => {
  const result = await page.evaluate(() => globalThis.axe.run())
  for (const v of result.violations)
    if (['serious', 'critical'].includes(v.impact)) faults.push(`axe (${name}): ${v.id}: ${v.nodes[0].html.slice(0, 120)}`)
}
await axe('light')
await page.click('#theme')
must(await paper() !== light, 'the theme does not change')
await axe('dark')
must(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), 'the page is wider than the window')
await page.setViewport({ width: 375, height: 700 })
must(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), 'the page is wider than a phone')
await browser.close()
for (const fault of faults) console.log(fault)
process.exit(faults.length ? 1 : 0)
