// usage: node diff.mjs AUTHTAPE splits|planted TIMES [SEED [PROMPTS]]
// How often `authtape diff` finds something: in the halves of one recording, split at random by users, where there is
// nothing; between recordings of PROMPTS prompts each (10,000) whose share of refusals differs by three points. Prints
// "FOUND of TIMES". Users differ in their mood in the first case: one user's answers hang together.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
const [, , authtape, what, times, seedText = '1', promptsText = '10000'] = process.argv
let seed = Number(seedText) * 7919 >>> 0
const random = () => { // mulberry32
  seed = (seed + 0x6d2b79f5) >>> 0
  let x = Math.imul(seed ^ (seed >>> 15), seed | 1)
  x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
  return ((x ^ (x >>> 14)) >>> 0) / 4294967296
}
const scopes = [['scope.userInfo', 'getUserInfo'], ['scope.userLocation', 'getLocation'], ['scope.werun', 'getWeRunData'],
  ['scope.record', 'startRecord'], ['scope.writePhotosAlbum', 'saveImageToPhotosAlbum']]
// One user's events as lines: some scopes are asked for, and called again afterwards.
const user = (n, deny, mood) => {
  const lines = [], at = { app: 'wx', user: 'u' + n, stream: 's' + n, platform: ['ios', 'android'][n % 2] }
  let t = 1700000000000000 + n * 1000000, call = 0, prompts = 0
  const put = (kind, more) => lines.push(JSON.stringify({ t: t += 1000 + Math.floor(random() * 1000), kind, ...at, ...more }))
  const answer = (api, words) => put('return', { call: 'c' + call, errMsg: api + ':' + words })
  const p = Math.min(0.95, Math.max(0.05, deny + (mood ? random() - 0.5 : 0)))
  put('start', { fresh: true, observes: ['prompts', 'decisions', 'settings', 'resets'] })
  for (const [scope, api] of scopes) {
    if (random() < 0.4) continue
    prompts++
    const refused = random() < p
    put('call', { call: 'c' + ++call, api })
    put('prompt', { scope })
    put('decision', { scope, answer: refused ? 'deny' : 'allow' })
    answer(api, refused ? 'fail auth deny' : 'ok')
    for (let again = Math.floor(random() * 3); again > 0; again--) {
      put('call', { call: 'c' + ++call, api })
      answer(api, refused ? 'fail auth deny' : random() < 0.05 ? 'fail timeout' : 'ok')
    }
  }
  return { lines, prompts }
}
const folder = mkdtempSync(join(tmpdir(), 'authtape-diff.'))
const files = [join(folder, 'old'), join(folder, 'new')]
// the users' sessions come one after another, so the lines are in the order of their times
const write = (file, users) => writeFileSync(file, users.map(u => u.lines.join('\n') + '\n').join(''))
const found = () => {
  try {
    execFileSync(authtape, ['diff', ...files], { stdio: 'pipe' })
    return 0
  } catch (e) {
    if (e.status !== 1) throw e
    return 1
  }
}
const recording = (deny, mood, wanted) => {
  const users = []
  for (let prompts = 0, n = 0; prompts < wanted; n++) {
    users.push(user(n, deny, mood))
    prompts += users[n].prompts
  }
  return users
}
let hits = 0
const whole = what === 'splits' ? recording(0.4, true, 6000) : null
for (let i = 0; i < Number(times); i++) {
  if (whole) {
    const sides = whole.map(() => random() < 0.5)
    files.forEach((file, k) => write(file, whole.filter((_, n) => sides[n] === (k === 0))))
  } else {
    files.forEach((file, k) => write(file, recording(0.4 + 0.03 * k, false, Number(promptsText))))
  }
  hits += found()
}
rmSync(folder, { recursive: true })
console.log(`${hits} of ${times}`)
