// authtape.mjs: authtape.js for `import authtape from './authtape.mjs'`.
import authtape from './authtape.js';
export default authtape;
export const { start, user, flush } = authtape;
