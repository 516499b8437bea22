// usage: node truth.mjs TRUTH.json REPORT.json
// A report on a capture that shows neither prompts nor which prompt a decision answers, against what really happened.
import { readFileSync } from 'node:fs'
const [truth, report] = process.argv.slice(2).map(f => JSON.parse(readFileSync(f, 'utf8')))
const gate = { getUserInfo: 'scope.userInfo', getLocation: 'scope.userLocation', getWeRunData: 'scope.werun',
  startRecord: 'scope.record', 'RecorderManager.start': 'scope.record', saveImageToPhotosAlbum: 'scope.writePhotosAlbum' }
const want = {}
const count = (scope, what) => { (want[scope] ??= {})[what] = (want[scope][what] || 0) + 1 }
const open = new Map()
for (const e of truth.events) {
  const key = e.app + ' ' + e.user
  if (e.kind === 'call') {
    const scope = gate[e.api] || (e.api === 'authorize' ? e.scope : undefined)
    for (const s of [scope].flat().filter(Boolean)) {
      count(s, 'calls')
      open.set(e.rpc + s, { scope: s, key, rpc: e.rpc, denied: false })
    }
  } else if (e.kind === 'prompt') {
    count(e.scope, 'prompts')
  } else if (e.kind === 'decision') {
    count(e.scope, e.answer)
    for (const c of open.values()) if (c.key === key && c.scope === e.scope && e.answer === 'deny') c.denied = true
  } else if (e.kind === 'return') {
    for (const [id, c] of open) {
      if (c.rpc !== e.rpc) continue
      open.delete(id)
      if (/auth den/.test(e.errMsg)) count(c.scope, c.denied ? 'at prompt' : 'while denied')
    }
  }
}
const got = {}
for (const [scope, r] of Object.entries(report.scopes)) {
  const all = { calls: r.calls, prompts: r.prompts.observed + r.prompts.inferred, allow: r.prompts.allowed,
    deny: r.prompts.denied, dismiss: r.prompts.dismissed, 'at prompt': r.denials.at_prompt, 'while denied': r.denials.while_denied }
  for (const [what, n] of Object.entries(all)) if (n) (got[scope] ??= {})[what] = n
}
let bad = 0, n = 0
for (const scope of new Set([...Object.keys(want), ...Object.keys(got)]))
  for (const what of ['calls', 'prompts', 'allow', 'deny', 'dismiss', 'at prompt', 'while denied']) {
    n++
    const [w, g] = [want[scope]?.[what] || 0, got[scope]?.[what] || 0]
    if (w !== g) { console.log(`${scope} ${what}: ${g}, not ${w}`); bad = 1 }
  }
process.exit(bad || n < 10 ? 1 : 0)
