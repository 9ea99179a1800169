// What instances in one page ask for, and whether two of them ask for the same.
import { SOCKET_PATH } from '../build/border.js';
import { endOf } from '../sw/store.js';
import { badUpload, isSaid, uploadOf } from './settings.js';

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

/** Browsers send beacons by HTTP only: '' for another URL. A URL object is a text here. @param {any} report @returns {string} */
const beaconUrl = (report) => (typeof (report?.href ?? report) === 'string' && /^https?:.*/.exec(parsed(report))?.[0]) || '';

/**
 * Every name that somebody reads. Pages give both calls the same options.
 * @type {Record<keyof import('./plugin.js').PeerOptions | keyof import('./index.js').StartOptions, 1>}
 */
const known = {
  cacheName: 1,
  constraints: 1,
  engine: 1,
  form: 1,
  idle: 1,
  report: 1,
  scope: 1,
  servers: 1,
  socket: 1,
  timeoutAfter: 1,
  upload: 1,
  warn: 1,
  worker: 1,
  workerType: 1,
};

/**
 * The names of options that nobody reads, and of those whose value would be as if nobody had said it.
 * @param {import('./plugin.js').PeerOptions} options
 */
export const badOptions = ({ report, upload, ...others }) => [
  ...Object.entries(others).flatMap(([name, value]) => (isSaid(value) && !(name in known) ? name : [])),
  ...(report && !beaconUrl(report) ? ['report'] : []),
  ...badUpload(upload),
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
