// The same as an ES module.
import authtape, { start, type Options } from '../../../tracer/shim/authtape.mjs';

const options: Options = { url: 'wss://h/' };
start(options);
authtape.user('oPLAYER');
