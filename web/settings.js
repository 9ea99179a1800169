// What is kept about the visitor: a site's choice about uploads, and the browser's id for a day, which all sites of the origin
// share. A site's names end as src/base/site.hpp says.
import { browserAge } from '../build/border.js';

const BROWSER = 'peer-cdn-browser';
const UPLOAD = 'peer-cdn-upload';

// Storage may be denied, full, or hold what somebody else wrote: then it is as if nothing were stored.
/** @param {string} key */
function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

/** @param {string} key @param {unknown} value */
function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // The choice then holds for this page only.
  }
}

/**
 * 32 hex digits, the same in all tabs, a new one a day after the last: keeps the coordinator from pairing a browser with
 * itself.
 */
export function browserId() {
  const now = Date.now();
  const stored = read(BROWSER);
  const isFresh = now >= stored?.since && now - stored.since < browserAge;
  if (isFresh && /^[0-9a-f]{32}$/.test(stored.id)) return stored.id;
  const random = crypto.getRandomValues(new Uint8Array(16));
  const id = Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
  write(BROWSER, { id, since: now });
  return id;
}

/**
 * @typedef {object} Upload
 * @property {boolean} on whether this visitor serves others
 * @property {number} bytesPerSecond a cap on the rate; 0: none
 * @property {number} bytes a cap on the sum of a page's life; 0: none
 */

/** @template T @param {unknown} value @param {T} fallback */
const amount = (value, fallback) => (typeof value === 'number' && value >= 0 && value < Infinity ? value : fallback);

const membersOf = (/** @type {Choice} */ options) => (typeof options === 'boolean' ? { on: options } : (options ?? {}));

/** @typedef {boolean | Partial<Upload> | undefined} Choice as a page or a visitor may write it */

/** Defaults of which nobody has said anything. @type {Partial<Upload>} */
export const unsaid = {};

/**
 * What a choice says, and the defaults where it says nothing, or what is no amount.
 * @template {Partial<Upload>} Defaults
 * @param {Choice} options
 * @param {Defaults} defaults
 * @returns {{ [Name in keyof Upload]: Upload[Name] | Defaults[Name] }}
 */
export function uploadOf(options, defaults) {
  const given = membersOf(options);
  return {
    on: typeof given.on === 'boolean' ? given.on : defaults.on,
    bytesPerSecond: amount(given.bytesPerSecond, defaults.bytesPerSecond),
    bytes: amount(given.bytes, defaults.bytes),
  };
}

/** Undefined and null are as if nobody had said it. @param {unknown} value */
export const isSaid = (value) => (value ?? undefined) !== undefined;

/** The names of what uploadOf() does not read of a choice. @param {Choice} choice @returns {string[]} */
export function badUpload(choice) {
  if (isSaid(choice) && !/boolean|object/.test(typeof choice)) return ['upload'];
  const read = /** @type {Record<string, unknown>} */ (uploadOf(choice, unsaid));
  return Object.entries(membersOf(choice)).flatMap(([name, value]) =>
    isSaid(value) && read[name] === undefined ? `upload.${name}` : [],
  );
}

/**
 * What holds when the page says one thing and the visitor another: on if both are, and the smaller caps. What neither
 * says stays undefined.
 * @param {Choice} page
 * @param {Choice} visitor
 * @returns {Partial<Upload>}
 */
export function bothAllow(page, visitor) {
  const said = [page, visitor].map((each) => uploadOf(each, unsaid));
  const smaller = (/** @type {'bytesPerSecond' | 'bytes'} */ name) => {
    const caps = said.map((each) => each[name]).filter((cap) => cap !== undefined);
    const least = Math.min(...caps.filter((cap) => cap > 0));
    return Number.isFinite(least) ? least : caps[0];
  };
  const ons = said.map(({ on }) => on).filter((on) => on !== undefined);
  return {
    on: ons.length ? !ons.includes(false) : undefined,
    bytesPerSecond: smaller('bytesPerSecond'),
    bytes: smaller('bytes'),
  };
}

/**
 * The visitor's choice, or undefined. What was chosen for the whole origin (by the release before this one, mostly) holds for a
 * site in which nothing was chosen.
 * @returns {Partial<Upload> | undefined}
 */
export const storedUpload = (end = '') => read(UPLOAD + end) ?? read(UPLOAD) ?? undefined;
/** @param {Partial<Upload>} upload @param {string} end */
export const storeUpload = (upload, end) => write(UPLOAD + end, upload);
/** Whether a `storage` event says that another tab has changed the choice. @param {StorageEvent} event */
export const isUploadChange = ({ key }, end = '') => key === UPLOAD + end || key === UPLOAD || key === null;
