// A small game that uses the declarations. `tsc` must take it, and must refuse the lines that say so.
import authtape = require('../../../tracer/shim/authtape');

interface Wx {
  authorize(o: { scope: string; success?: () => void }): void;
}
declare const wx: Wx;

const use = authtape.start({
  url: 'http://192.168.1.5:9100/?token=secret',
  host: wx,
  namespace: 'wx',
  user: () => undefined,
  fresh: true,
  observes: ['prompts', 'decisions'],
  apis: ['downloadFile'],
  headers: { authorization: 'Bearer secret' },
  interval: 500,
  keep: 100,
});
use?.authorize({ scope: 'scope.record' });
authtape.start({ send: (body: string, done) => done(body.length > 0) });
authtape.user('oPLAYER');
authtape.flush();
const options: authtape.Options = { app: 'wx1', platform: 'ios' };
authtape.start(options);

// @ts-expect-error there is no such option
authtape.start({ uri: 'http://h/' });
// @ts-expect-error nobody sees such a thing
authtape.start({ observes: ['calls'] });
// @ts-expect-error an id is a text
authtape.user(7);
