// runtime.mjs: `authtape redrive` against a host that others wrote: the web runtime of uni-app (@dcloudio/uni-h5) with the
// automation that comes with it, in headless Chromium. Its one protected API is getLocation, its authorization is the browser's.
//
// The runtime connects to its automation client, as a client authtape connects to the host: what is here is the server between
// them. It passes messages on unchanged. `Tool.*` is never the runtime's business: uni-app's own launcher answers it through
// the browser too; here it turns the browser's permission on and off, as the user would at the address bar.
import http from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { spawn } from 'node:child_process';
import { chromium } from 'playwright-core';
import { WebSocketServer } from 'ws';
import { AUTHTAPE, events, good, test } from '../wire/authtape.mjs';

const [work, browserPath] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const script = (name) => readFileSync(require.resolve(name));
const page = `<!doctype html><meta charset="utf-8"><title>a mini-program</title><link rel="icon" href="data:,"><div id="app"></div>
<script>
  window.global = window;
  window.process = { env: { UNI_AUTOMATOR_WS_ENDPOINT: 'ws://' + location.host + '/runtime' } };
  window.__uniConfig = { networkTimeout: {}, router: { mode: 'hash', base: '/' }, globalStyle: {}, window: {}, qqMapKey: 'none' };
  window.__uniRoutes = [{ path: '/', alias: '/pages/index', component: { render: (h) => h('div', 'hello') },
    meta: { id: 1, name: 'pages-index', isNVue: false, pagePath: 'pages/index', isQuit: true, isEntry: true } }];
</script>
<script src="vue.js"></script><script src="router.js"></script><script src="uni.js"></script>
<script type="module" src="automator.js"></script>`;
const files = {
  '/': ['text/html', page],
  '/vue.js': ['text/javascript', script('vue/dist/vue.min.js')],
  '/router.js': ['text/javascript', script('vue-router/dist/vue-router.min.js')],
  '/uni.js': ['text/javascript', script('@dcloudio/uni-h5/dist/index.umd.min.js')],
  '/automator.js': ['text/javascript', script('@dcloudio/uni-h5/dist/automator.js')],
};

const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });

/** One running mini-program: {port, stop()}. With `lookup` the service that finds a place by the network address is there. */
async function miniProgram({ lookup = false } = {}) {
  const context = await browser.newContext({ geolocation: { latitude: 31.2, longitude: 121.5 } });
  // All that this page may reach is its own server: the service is a map company's.
  await context.route(/map\.qq\.com/, (route) => {
    const callback = new URL(route.request().url()).searchParams.get('callback');
    if (!lookup) return route.abort();
    return route.fulfill({ contentType: 'text/javascript', body: `${callback}({"result":{"location":{"lat":31,"lng":121}}})` });
  });
  const server = http.createServer((request, response) => {
    const file = files[request.url];
    response.writeHead(file ? 200 : 404, { 'content-type': file?.[0] ?? 'text/plain' }).end(file?.[1]);
  });
  const sockets = new WebSocketServer({ server });
  let runtime, client;
  const permit = (on) => (on ? context.grantPermissions(['geolocation']) : context.clearPermissions());
  const tools = {
    'Tool.getInfo': async () => ({ SDKVersion: 'uni-h5' }),
    'Tool.clearCache': () => permit(false),
    'Tool.permission': ({ on }) => permit(on),
  };
  const ready = new Promise((resolve) =>
    sockets.on('connection', (socket, request) => {
      socket.on('error', () => {});
      if (request.url === '/runtime') {
        runtime = socket;
        runtime.on('message', (data) => client?.send(String(data)));
        resolve();
        return;
      }
      client = socket;
      client.on('message', async (data) => {
        const { id, method, params } = JSON.parse(data);
        if (!method.startsWith('Tool.')) return runtime.send(String(data));
        const tool = tools[method];
        const result = tool && ((await tool(params)) ?? {});
        client.send(JSON.stringify(tool ? { id, result } : { id, error: { message: `${method} unimplemented` } }));
      });
    }),
  );
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const tab = await context.newPage();
  await tab.goto(`http://127.0.0.1:${port}/`);
  await Promise.race([ready, new Promise((_, reject) => setTimeout(reject, 20_000, new Error('the runtime did not connect')))]);
  return {
    port,
    async stop() {
      await context.close();
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// What this target does for what a recording asks.
const commands = `${work}/uni.json`;
writeFileSync(
  commands,
  JSON.stringify({
    'authtape-redrive': 1,
    title: 'the web runtime of uni-app',
    call: { method: 'App.callUniMethod', params: { method: '{api}', args: ['{args}'] } },
    commands: {
      allow: null,
      deny: null,
      'open-page': { method: 'Tool.getInfo', params: {} },
      'close-page': { method: 'Tool.getInfo', params: {} },
      settings: { method: 'Tool.permission', params: { on: '{granted}' } },
    },
    args: { getLocation: { type: 'wgs84' } },
  }),
);

/** A recording of a user who turns the scope on and off in settings and asks where he is: `steps` of true, false, or an errMsg. */
function recording(name, steps) {
  const who = { stream: 's', app: 'wx1', user: 'u', platform: 'wechat-minigame' };
  let t = 1_795_000_000_000_000;
  const list = [{ t, kind: 'start', ...who, fresh: false, observes: ['prompts', 'decisions', 'settings', 'resets'] }];
  steps.forEach((step, i) => {
    const base = { t: (t += 1_000_000), ...who };
    if (typeof step === 'boolean') list.push({ ...base, kind: 'settings', scope: 'scope.userLocation', granted: step });
    else
      list.push(
        { ...base, kind: 'call', call: `c${i}`, api: 'getLocation' },
        { ...base, t: (t += 1000), kind: 'return', call: `c${i}`, errMsg: step },
      );
  });
  const file = `${work}/${name}.ndjson`;
  writeFileSync(file, list.map((event) => JSON.stringify(event) + '\n').join(''));
  return file;
}

async function redrive(host, tape, more = []) {
  const child = spawn(AUTHTAPE, ['redrive', '--format', 'json', '--target', `ws://127.0.0.1:${host.port}/client`, '-c', commands, '--keep-state', ...more, tape]);
  let out = '', err = '';
  child.stdout.on('data', (data) => (out += data));
  child.stderr.on('data', (data) => (err += data));
  const status = await new Promise((resolve) => child.on('close', resolve));
  if (!out) throw new Error(`exit status ${status}: ${err}`);
  return { status, err, report: JSON.parse(out) };
}

const fail = (what, done) => {
  throw new Error(`${what}\nexit status ${done.status}\n${done.err}\n${JSON.stringify(done.report, null, 1)}`);
};

const ok = 'getLocation:ok';
const denied = 'getLocation:fail auth deny';

await test('a host of others: a scope that is on', async () => {
  const host = await miniProgram();
  const done = await redrive(host, recording('on', [true, ok, ok, ok]), ['-w', `${work}/uni.tape`]);
  if (done.status !== 0 || done.report.same !== 3 || done.report.calls !== 3) fail('all the same was expected', done);
  const answers = events(`${work}/uni.tape`).filter((e) => e.kind === 'return');
  if (answers.length !== 3 || answers.some((e) => e.errMsg !== undefined && !/:ok$/.test(e.errMsg))) fail(JSON.stringify(answers), done);
  good(['verify', `${work}/uni.tape`]);
  await host.stop();
});

await test('a host of others: a refusal that reads as a failure of the network', async () => {
  const host = await miniProgram();
  const done = await redrive(host, recording('off', [true, ok, false, denied, true, ok]));
  if (done.status !== 0 || done.report.same !== 2 || done.report.differ !== 1) fail('one difference was expected', done);
  const [difference] = done.report.differences;
  if (difference.was.class !== 'denied' || !/network error/.test(difference.now.errMsg)) fail('the refused call', done);
  await host.stop();
});

// uni-app's runtime asks a map company where the user is when the browser may not tell: the refusal has no effect.
await test('a host of others: a refusal that has no effect is a divergence', async () => {
  const host = await miniProgram({ lookup: true });
  const done = await redrive(host, recording('off', [true, ok, false, denied, true, ok]));
  if (done.status !== 1 || done.report.diverge !== 1 || done.report.same !== 2) fail('one divergence was expected', done);
  const [divergence] = done.report.divergences;
  if (divergence.class !== 'unexpected-success') fail('another class was expected', done);
  await host.stop();
});

await test('a host of others: what it has no call for', async () => {
  const host = await miniProgram();
  const tape = recording('missing', [true, ok]);
  writeFileSync(tape, readFileSync(tape, 'utf8').replaceAll('getLocation', 'getWeRunData'));
  const done = await redrive(host, tape);
  if (done.report.calls !== 1 || done.report.same !== 0 || done.report.not_made !== 0) fail('the call should have failed', done);
  await host.stop();
});

await browser.close();
