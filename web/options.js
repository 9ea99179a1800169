// What instances in one page ask for, and whether two of them ask for the same.
import { SOCKET_PATH } from '../build/border.js';
import { endOf } from '../sw/store.js';
import { isAmount, isFlag, isObject, ofUpload, unusable, uploadOf } from './settings.js';

/** No word of the page's against uploads. */
export const unbounded = { on: true, bytesPerSecond: 0, bytes: 0 };

/** @param {import('./registration.js').ScriptUrl} url @returns {string} '' if it cannot be read */
function parsed(url) {
  try {
    return new URL(/** @type {string | URL} */ (url), location.href).href;
  } catch {
    return '';
  }
}

/** A URL that cannot be read is refused by whoever opens it. @param {import('./registration.js').ScriptUrl} url */
const href = (url) => parsed(url) || String(url);

const isText = (/** @type {unknown} */ value) => typeof value === 'string' && value !== '';
/** URL and TrustedScriptURL have such a member. @param {any} value */
const isUrl = (value) => isText(value) || typeof value.toJSON === 'function';

/** Browsers send beacons by HTTP only: '' for another URL. @param {any} report @returns {string} */
const beaconUrl = (report) => (report && isUrl(report) && /^https?:.*/.exec(parsed(report))?.[0]) || '';

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
  servers: (servers) => isObject(servers) && (servers.iceServers === undefined || Array.isArray(servers.iceServers)),
  socket: isUrl,
  timeoutAfter: isAmount,
  upload: (upload) => isFlag(upload) || isObject(upload),
  warn: isFlag,
  worker: isUrl,
  workerType: (type) => type === 'classic' || type === 'module',
};

/** What takes the place of all options is the value of one that nobody reads. @param {any} given */
export const named = (given) => (isObject(given) ? given : { options: given });

/** The names of options that nobody reads, or not with such a value. @param {import('./plugin.js').PeerOptions} options */
export const badOptions = (options) => [
  ...unusable(options, known),
  ...unusable(isObject(options.upload) ? options.upload : {}, ofUpload).map((name) => `upload.${name}`),
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
export const engineOptions = ({ cacheName, engine, idle, report, servers, socket, upload }, end = '') => ({
  cacheName: cacheName && cacheOf(cacheName, end),
  engine,
  idle,
  report: beaconUrl(report),
  servers: { iceServers: [], ...servers },
  socket: href(socket ?? SOCKET_PATH).replace(/^http/, 'ws'),
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
  isSame({ ...one, worker: href(one.worker) }, { ...other, worker: href(other.worker) });
