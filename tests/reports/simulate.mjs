// usage: node simulate.mjs SEED USERS [SEES [DENY [plain]]]
// SEES: prompts,decisions,settings,resets (default) or some of them; DENY: the share of prompts that are refused (0.4)
// plain: every call is answered for the sake of its scope, and none overlaps with another
// A simulated recording as NDJSON: users of two apps on hosts that follow the reference machine, with every wording
// of an answer, overlapping calls, dismissals, flips in settings, removals and calls that are never answered.
const [, , seedText, usersText, sees = 'prompts,decisions,settings,resets', deny = '0.4', plain] = process.argv
let seed = Number(seedText) >>> 0
const random = () => { // mulberry32
  seed = (seed + 0x6d2b79f5) >>> 0
  let x = Math.imul(seed ^ (seed >>> 15), seed | 1)
  x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
  return ((x ^ (x >>> 14)) >>> 0) / 4294967296
}
const pick = list => list[Math.floor(random() * list.length)]
const observes = sees.split(',').filter(Boolean)
const apis = {
  'scope.userInfo': ['getUserInfo'], 'scope.userLocation': ['getLocation'], 'scope.werun': ['getWeRunData'],
  'scope.record': ['startRecord', 'RecorderManager.start'], 'scope.writePhotosAlbum': ['saveImageToPhotosAlbum'],
}
const scopes = Object.keys(apis)
const denied = ['fail auth deny', 'fail:auth denied', 'fail 系统错误,错误码:-12006,auth deny']
const failed = ['fail timeout', 'fail:system permission denied', 'fail privacy permission is not authorized',
  'fail, "quoted"\nand <script>alert(1)</script>']
const events = []

function session(n) {
  const base = { app: pick(['wx01', 'wx02']), user: 'u' + Math.floor(n / 2), stream: 's' + n }
  if (random() < 0.9) base.platform = pick(['ios', 'android', 'devtools'])
  let t = 1700000000000000 + n * 40000000 + Math.floor(random() * 2e6)
  const put = (kind, more) => events.push({ t, kind, ...base, ...more })
  const step = ms => { t += Math.floor((0.1 + random()) * ms * 1000) }
  const seen = (kind, what, more) => { if (observes.includes(what)) put(kind, more) }
  base.user += base.app + n // one session a key: the state is fresh
  const state = {}
  let calls = 0
  put('start', { fresh: true, observes })
  const open = scope => {
    const api = random() < 0.3 ? 'authorize' : pick(apis[scope])
    const call = { call: 'c' + ++calls, api, lost: random() < 0.02 && !plain }
    put('call', { call: call.call, api, ...(api === 'authorize' ? { scope } : {}) })
    step(5)
    return call
  }
  const close = (call, words) => {
    step(5)
    if (!call.lost) put('return', { call: call.call, errMsg: call.api + ':' + words, ...(words.includes('denied') && random() < 0.3 ? { errno: 103 } : {}) })
  }
  const rounds = 1 + Math.floor(random() * 12)
  for (let i = 0; i < rounds; i++) {
    step(300)
    const scope = pick(scopes)
    if (random() < 0.1) {
      put('call', { call: 'c' + ++calls, api: 'getSetting' })
      step(5)
      put('return', { call: 'c' + calls, errMsg: 'getSetting:ok', authSetting: { ...state } })
      continue
    }
    if (scope in state && random() < 0.15) {
      t += 5000000
      state[scope] = !state[scope]
      seen('settings', 'settings', { scope, granted: state[scope] })
      t += 5000000
      continue
    }
    if (random() < 0.03) {
      t += 5000000
      for (const s of scopes) delete state[s]
      seen('reset', 'resets', {})
      t += 5000000
      continue
    }
    const waiting = [open(scope)]
    if (!(scope in state) && random() < 0.04 && !plain) { // fails before the prompt, for a reason of its own
      close(waiting[0], pick(failed))
      continue
    }
    let words = state[scope] ? 'ok' : pick(denied)
    if (!(scope in state)) {
      const dice = random()
      const answer = dice < Number(deny) ? 'deny' : dice < 0.8 ? 'allow' : 'dismiss'
      seen('prompt', 'prompts', { scope, ...(random() < 0.5 ? { call: waiting[0].call } : {}) })
      if (random() < 0.2 && !plain) waiting.push(open(scope))
      step(2500)
      seen('decision', 'decisions', { answer, ...(random() < 0.5 ? { scope } : {}) })
      words = { allow: 'ok', deny: words, dismiss: 'fail:auth canceled' }[answer]
      if (answer !== 'dismiss') state[scope] = answer === 'allow'
    } else if (state[scope] && random() < 0.05) {
      words = pick(failed)
    }
    for (const call of waiting) close(call, words)
  }
  step(40000)
  if (random() < 0.5) put('end', {})
}
for (let n = 0; n < Number(usersText); n++) session(n)
events.sort((a, b) => a.t - b.t)
process.stdout.write(events.map(e => JSON.stringify(e) + '\n').join(''))
