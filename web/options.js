// What instances in one page ask for, and whether two of them ask for the same.
import { SOCKET_PATH } from '../build/border.js';
import { endOf } from '../sw/store.js';
import { iceUrl } from './ice.js';
import { socketForm } from './socket-url.js';
import { isPossible } from './registration.js';
import { attempt, isAmount, isFlag, isObject, ofUpload, plain, unusable, uploadOf } from './settings.js';

/** No word of the page's against uploads. */
export const unbounded = { on: true, bytesPerSecond: 0, bytes: 0 };

/**
 * Where a page cannot take part its options are only looked at.
 * @param {import('./registration.js').ScriptUrl} url '' if it cannot be read
 */
const parsed = (url) =>
  attempt(() => new URL(/** @type {string | URL} */ (url), isPossible() ? location.href : 'http://none').href, '');

const isText = (/** @type {unknown} */ value) => typeof value === 'string' && value !== '';
/** URL and TrustedScriptURL say the same as JSON, a Date does not. @param {any} value */
const isUrl = (value) => (isText(value) || value.toJSON() === String(value) ? parsed(value) : '');

/** @param {any} url @param {RTCIceServer} server that it is of */
const isServer = (url, { username, credential }) =>
  iceUrl.test(url) && (/^\s*s/i.test(url) || (username && credential && !username[509]));

/**
 * The name of the first member of `servers` that no browser takes (tests/e2e/servers.test.mjs), with a URL in place of a server;
 * '' if there is none. Browsers say so to the page that is first to make a connection, and to no other.
 * @param {any} servers
 */
const badServer = (servers) =>
  attempt(() => {
    if (!isObject(servers)) return 'servers';
    const { iceServers = [], iceTransportPolicy, bundlePolicy } = { ...servers };
    if (!/^(all|relay|undefined)$/.test(iceTransportPolicy)) return 'servers.iceTransportPolicy';
    if (!/^(max-bundle|max-compat|balanced|undefined)$/.test(bundlePolicy)) return 'servers.bundlePolicy';
    if (!Array.isArray(iceServers)) return 'servers.iceServers';
    for (const server of iceServers) {
      // Older browsers' name.
      const { url, urls = url } = server;
      const all = typeof urls === 'string' ? [urls] : [...urls];
      const bad = all.filter((each) => !isServer(each, server));
      if (bad.length > 0 || all.length === 0) return `servers.${bad[0] || 'urls'}`;
    }
    return '';
  }, 'servers');

/** Browsers send beacons by HTTP only: '' for another URL. @param {any} report @returns {string} */
const beaconUrl = (report) => (report && /^https?:.*/.exec(isUrl(report))?.[0]) || '';

/** @typedef {keyof import('./plugin.js').PeerOptions | keyof import('./index.js').StartOptions} Name */

/**
 * Every name that somebody reads, and of which values. Pages give both calls the same options.
 * @type {Record<Name, (value: any) => unknown>}
 */
export const known = {
  cacheName: isText,
  constraints: isObject,
  engine: isUrl,
  form: (form) => form === 'stream' || form === 'reply',
  idle: isFlag,
  report: (report) => !report || beaconUrl(report),
  scope: isUrl,
  servers: (servers) => !badServer(servers),
  socket: (socket) => socketForm.test(isUrl(socket)),
  // Timers know no longer time.
  timeoutAfter: (ms) => isAmount(ms) && ms < 2 ** 31,
  upload: (upload) => isFlag(upload) || isObject(upload),
  warn: isFlag,
  worker: isUrl,
  workerType: (type) => type === 'classic' || type === 'module',
};

/** What takes the place of all options is the value of one that nobody reads. @param {any} given @returns {any} */
export const named = (given) => (attempt(() => isObject(given ?? {}), false) ? plain(given) : { options: given });

/** The names of options that nobody reads, or not with such a value. @param {import('./plugin.js').PeerOptions} options */
export const badOptions = (options) => [
  ...unusable(options, known).map((name) => (name === 'servers' ? badServer(options.servers) : name)),
  ...unusable(options.upload, ofUpload).map((name) => `upload.${name}`),
];

/** Members in one order, so that equal options have equal texts. @param {string} _key @param {any} value */
const sorted = (_key, value) => (value?.constructor === Object ? Object.fromEntries(Object.entries(value).sort()) : value);
/** @param {unknown} one @param {unknown} other */
const isSame = (one, other) => one === other || JSON.stringify(one, sorted) === JSON.stringify(other, sorted);

/**
 * The Cache that a page's option means: the published name is that of the site's own store.
 * @param {string} name
 * @param {string} end how the site's names end
 */
export const cacheOf = (name, end) => (endOf(name) === '' ? name + end : name);

/**
 * What the engine is made with, written alike wherever it means the same.
 * @param {import('./plugin.js').PeerOptions} options
 */
export const engineOptions = ({ cacheName, engine, idle, report, servers = {}, socket, upload }, end = '') => ({
  cacheName: cacheName && cacheOf(cacheName, end),
  engine,
  idle,
  report: beaconUrl(report),
  servers: servers && { iceServers: [], ...servers },
  socket: parsed(socket ?? SOCKET_PATH).replace(/^http/, 'ws'),
  upload: uploadOf(upload, unbounded),
});

/**
 * The names of the options that are given and are not what holds.
 * @param {import('./plugin.js').PeerOptions} holding
 * @param {import('./plugin.js').PeerOptions} given
 * @param {string} end how the site's names end
 */
export function differences(holding, given, end) {
  const [held, asked] = [holding, given].map((options) => engineOptions(options, end));
  const names = /** @type {(keyof typeof held)[]} */ (Object.keys(held));
  return names.filter((name) => given[name] !== undefined && !isSame(asked[name], held[name]));
}

/** @typedef {import('./registration.js').Registering & { worker: import('./registration.js').ScriptUrl }} WithWorker */
/** @param {WithWorker} one @param {WithWorker} other */
export const isSameWorker = (one, other) =>
  isSame({ ...one, worker: parsed(one.worker) }, { ...other, worker: parsed(other.worker) });
