// script.mjs: a player's week with a game: all five scopes, every reason of the grammar, offline, restarts, a removal.
const denied = (text, errno) => ({ wording: { text, decides: true }, errno });
const other = (text, errno) => ({ wording: { text }, errno });

/** Reasons that are a denial, in the separators that hosts use. */
export const DENIALS = [
  [':fail auth deny'],
  [':fail:auth deny'],
  [':fail auth denied', 103],
  [':fail:auth denied'],
  [':fail 系统错误,错误码:-12006,auth deny'],
  [':fail authorize no response'],
  [':fail scope unauthorized'],
  [':fail:系统错误,错误码:-12007,scope unauthorized'],
];
/** Reasons that are not about authorization. */
export const OTHERS = [
  [':fail system permission denied'],
  [':fail:ERROR_NOCELL&WIFI_LOCATIONSWITCHOFF'],
  [':fail 1'],
  [':fail privacy permission is not authorized', 104],
  [':fail api scope is not declared in the privacy agreement', 112],
  [':fail can only be invoked by user TAP gesture.'],
  [':fail invalid scope'],
  [':fail the api need to be declared in the requiredPrivateInfos field'],
  [':fail require permission.desc'],
  [':fail cancel'],
  [':fail timeout'],
  [':failnetwork error'],
  [':fail'],
];

export async function play(phone, options) {
  const call = (...args) => phone.call(...args);

  // Monday: the first launch. Everything is asked for once.
  phone.start({ ...options, fresh: true });
  await call('login');
  await call('getSetting', {}, { promise: true });
  await call('getUserInfo');
  await call('getUserInfo', {}, { promise: true });
  phone.player = 'deny';
  await call('authorize', { scope: 'scope.werun' });
  for (const [text, errno] of DENIALS) {
    await call('getWeRunData', {}, denied(text, errno));
    await call('authorize', { scope: 'scope.werun' }, { ...denied(text, errno), promise: true });
  }
  phone.player = 'dismiss';
  await call('getLocation');
  await call('getLocation', {}, { ...denied(':fail:auth canceled'), promise: true });
  for (const [text, errno] of OTHERS) await call('getLocation', { type: 'wgs84' }, other(text, errno));
  await call('getSetting');
  phone.player = 'allow';
  await call('RecorderManager.start');
  await call('RecorderManager.start', {}, other(':fail is recording or paused'));
  await call('startRecord');
  phone.player = 'deny';
  await call('saveImageToPhotosAlbum', { filePath: 'a.png' }, denied(':fail authorize no response'));
  await call('saveImageToPhotosAlbum', { filePath: 'a.png' }, { promise: true });
  await phone.pass();

  // To the settings, by the menu and by the game; the answer to one batch is lost on the way.
  phone.away({ 'scope.werun': true, 'scope.record': false });
  phone.loseAnswers = 2;
  await call('getWeRunData');
  await call('RecorderManager.start');
  await call('RecorderManager.start', {}, denied(':fail:auth denied', 103));
  phone.flips = { 'scope.writePhotosAlbum': true };
  await call('openSetting');
  await call('saveImageToPhotosAlbum', { filePath: 'a.png' });
  await call('getSetting', {}, { promise: true });
  await phone.pass(20);

  // Under ground: what is recorded waits.
  phone.online = false;
  phone.player = 'allow';
  await call('getLocation');
  await phone.pass(30);
  phone.away({ 'scope.userLocation': false });
  await call('getLocation', {}, denied(':fail auth denied', 103));
  await call('authorize', { scope: 'scope.userLocation' }, { promise: true });
  await call('getSetting');
  await phone.pass(10);
  phone.away();

  // The game is put away and killed; it comes back above ground.
  phone.onHide({});
  phone.ms += 60_000;
  phone.start(options);
  await call('login');
  await call('getLocation');
  phone.online = true;
  await phone.pass(600);
  await call('getWeRunData', {}, { promise: true });
  await call('startRecord');
  await call('getSetting');
  await phone.pass();

  // The player removes the game: its storage and its permissions are gone. Later it is there again.
  phone.onHide({});
  phone.ms += 60_000;
  phone.state = {};
  phone.disk.clear();
  phone.start({ ...options, fresh: true });
  await call('getSetting');
  phone.player = 'deny';
  await call('authorize', { scope: 'scope.record' });
  await call('RecorderManager.start');
  await call('getUserInfo');
  await call('getSetting');
  await phone.pass();
  call('getLocation', {}, { silent: true }); // the prompt is up, and the game is put away for ever
  await phone.pass();
  phone.onHide({});
  await phone.pass();
}
