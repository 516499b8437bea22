// authtape.d.mts: what authtape.mjs offers.
import authtape = require('./authtape.js');
export default authtape;
export type Options = authtape.Options;
export declare const start: typeof authtape.start;
export declare const user: typeof authtape.user;
export declare const flush: typeof authtape.flush;
