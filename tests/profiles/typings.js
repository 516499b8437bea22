// usage: node typings.js TYPINGS.d.ts <PROFILE.json
// The profile against the platform's own type definitions: every API there, every scope of AuthSetting there.
'use strict'
const fs = require('fs')
const typings = fs.readFileSync(process.argv[2], 'utf8')
const code = typings.replace(/\/\*[^]*?\*\//g, '') // without comments, which hold code, too
const profile = JSON.parse(fs.readFileSync(0, 'utf8'))
let bad = 0
const complain = text => { console.log('# ' + text); bad = 1 }

// A method of the interface, or of the manager that the part before the dot names.
function declared(api) {
  const [owner, method] = api.includes('.') ? api.split('.') : ['Wx', api]
  const bodies = code.split(new RegExp(`\\binterface ${owner}\\b[^{]*\\{`)).slice(1)
  return bodies.some(body => new RegExp(`^ {8}${method}[<(]`, 'm').test(body.split(/^ {4}\}/m)[0]))
}
const names = [...profile.scopes.flatMap(s => [...s.apis, ...(s.sometimes || [])]), ...Object.values(profile.apis).flat()]
for (const api of names) if (!declared(api)) complain(`${profile.name}: the typings know no ${api}`)

// What the typings' AuthSetting lists, the profile knows.
const setting = typings.match(/interface AuthSetting \{([^]*?)\n {4}\}/)
const listed = setting ? [...setting[1].matchAll(/'(scope\.\w+)'\?/g)].map(m => m[1]) : []
if (listed.length < 5) complain('no AuthSetting found in the typings')
const known = new Set(profile.scopes.map(s => s.name))
for (const scope of listed) if (!known.has(scope)) complain(`${profile.name}: ${scope} of the typings is missing`)

// The documentation of a scope's switch names the API that it is for.
for (const [, doc, scope] of (setting ? setting[1] : '').matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\s*'(scope\.\w+)'\?/g)) {
  const s = profile.scopes.find(x => x.name === scope)
  const named = [...doc.matchAll(/wx\.(\w+)\]/g)].map(m => m[1])
  for (const api of named)
    if (s && !s.exempt && api !== 'getRecorderManager' && ![...s.apis, ...(s.sometimes || [])].includes(api)) complain(`${scope}: the typings tie ${api} to it`)
}
console.log(`# ${profile.name}: ${names.length} APIs, ${listed.length} switches compared`)
process.exit(bad)
