// usage: node hidden.mjs FULL.json REPORT.json prompts|decisions|settings TAPE
// The report on a recording that did not see everything, against the report on the same recording that did; flips,
// which leave no trace until somebody looks, against a count of what the answers show.
import { readFileSync } from 'node:fs'
const [full, report] = process.argv.slice(2, 4).map(f => JSON.parse(readFileSync(f, 'utf8')))
const [what, tape] = process.argv.slice(4)
let bad = 0, compared = 0
const same = (scope, name, got, want) => {
  compared++
  if (got === want) return
  console.log(`${scope} ${name}: ${got}, not ${want}`)
  bad = 1
}
// turned on and off, per scope, as far as calls without a prompt and getSetting show it
const shown = () => {
  const flips = {}, state = new Map(), calls = new Map()
  const gate = { getUserInfo: 'scope.userInfo', getLocation: 'scope.userLocation', getWeRunData: 'scope.werun',
    startRecord: 'scope.record', 'RecorderManager.start': 'scope.record', saveImageToPhotosAlbum: 'scope.writePhotosAlbum' }
  const up = new Map()
  const see = (key, scope, now) => {
    const id = key + '\n' + scope, before = state.get(id)
    if (before !== undefined && before !== now) {
      flips[scope] ??= { on: 0, off: 0 }
      flips[scope][now ? 'on' : 'off']++
    }
    state.set(id, now)
  }
  for (const line of readFileSync(tape, 'utf8').trim().split('\n')) {
    const e = JSON.parse(line), key = e.app + '\n' + e.user
    if (e.kind === 'call') calls.set(e.stream + '\n' + e.call, gate[e.api] || e.scope)
    if (e.kind === 'prompt') up.set(key, e.scope)
    if (e.kind === 'decision' && e.answer !== 'dismiss') state.set(key + '\n' + up.get(key), e.answer === 'allow')
    if (e.kind === 'reset') for (const id of state.keys()) if (id.startsWith(key + '\n')) state.delete(id)
    if (e.kind !== 'return') continue
    for (const [scope, now] of Object.entries(e.authSetting || {})) see(key, scope, now)
    const scope = calls.get(e.stream + '\n' + e.call)
    if (scope && e.errMsg.endsWith(':ok')) see(key, scope, true)
    if (scope && /auth den/.test(e.errMsg)) see(key, scope, false)
  }
  return flips
}
const flips = what === 'settings' ? shown() : null
for (const [scope, r] of Object.entries(report.scopes)) {
  const f = full.scopes[scope]
  for (const name of ['calls', 'ok', 'denied', 'dismissed', 'other', 'unanswered']) same(scope, name, r[name], f[name])
  for (const name of ['at_prompt', 'while_denied']) same(scope, name, r.denials[name], f.denials[name])
  for (const name of ['silenced', 'kept_asking']) same(scope, name, r.users[name], f.users[name])
  if (what === 'settings') {
    same(scope, 'turned on', r.settings.to_granted, flips[scope]?.on || 0)
    same(scope, 'turned off', r.settings.to_denied, flips[scope]?.off || 0)
    same(scope, 'inferred flips', r.settings.inferred, r.settings.to_granted + r.settings.to_denied)
    continue
  }
  same(scope, 'observed prompts', r.prompts.observed, 0)
  same(scope, 'inferred prompts', r.prompts.inferred, f.prompts.observed)
  for (const name of ['allowed', 'denied', 'dismissed']) same(scope, 'prompts ' + name, r.prompts[name], f.prompts[name])
  for (const name of ['to_granted', 'to_denied', 'inferred']) same(scope, name, r.settings[name], f.settings[name])
  for (const name of ['asked', 'granted', 'denied', 'recovered', 'turned_off', 'turned_on_again'])
    same(scope, 'users ' + name, r.users[name], f.users[name])
}
process.exit(bad || compared < 50 ? 1 : 0)
