// What is kept about the visitor: a site's choice about uploads, and the browser's id for a day, which all sites of the origin
// share. A site's names end as src/base/site.hpp says.
import { browserAge } from '../build/border.js';

const BROWSER = 'peer-cdn-browser';
const UPLOAD = 'peer-cdn-upload';

/**
 * What cannot be read is as if it said something else.
 * @template T, O
 * @param {() => T} read
 * @param {O} otherwise
 * @returns {T | O}
 */
export const attempt = (read, otherwise) => {
  try {
    return read();
  } catch {
    return otherwise;
  }
};

// Storage may be denied, full, or hold what somebody else wrote: then it is as if nothing were stored, and a choice holds for
// this page only.
/** @param {string} key */
const read = (key) => attempt(() => JSON.parse(localStorage.getItem(key) ?? 'null'), null);
/** Whether it is stored. @param {string} key @param {unknown} value */
const write = (key, value) => attempt(() => localStorage.setItem(key, JSON.stringify(value)) === undefined, false);

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
  const id = [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  write(BROWSER, { id, since: now });
  return id;
}

/**
 * @typedef {object} Upload
 * @property {boolean} on whether this visitor serves others
 * @property {number} bytesPerSecond a cap on the rate; 0: none
 * @property {number} bytes a cap on the sum of a page's life; 0: none; default: 4 GiB
 */

export const isFlag = (/** @type {unknown} */ value) => typeof value === 'boolean';
/** No list, and nothing with a state of its own: a Date, a Map, a promise. @param {unknown} value */
export const isObject = (value) => Object.prototype.toString.call(value) === '[object Object]';
export const isAmount = (/** @type {any} */ value) => typeof value === 'number' && value >= 0 && value < Infinity;

/** Which values an option may have, by its name. @typedef {Record<string, (value: any) => unknown>} Kinds */

/** @type {Kinds} */
export const ofUpload = { on: isFlag, bytesPerSecond: isAmount, bytes: isAmount };

/**
 * Names and values, read once: a getter may say another thing the next time. One that throws has said a function, which no
 * option is. Undefined and null are as if nobody had said it. What is no object says nothing: of a text each letter would be an
 * option.
 * @param {any} options
 * @returns {[string, any][]}
 */
const saidOf = (options) =>
  attempt(() => (isObject(options) ? Object.keys(options) : []), [])
    .map((name) => /** @type {[string, any]} */ ([name, attempt(() => options[name], attempt)]))
    .filter(([, value]) => (value ?? undefined) !== undefined);
/** What throws as it is looked at is of no use. */
const isOf =
  (/** @type {Kinds} */ known) =>
  (/** @type {[string, unknown]} */ [name, value]) =>
    attempt(() => Object.keys(known).includes(name) && known[name](value), false);

/** The options that hold: one that cannot be used is as if nobody had said it. @param {any} options @param {Kinds} known */
export const usable = (options, known) => Object.fromEntries(saidOf(options).filter(isOf(known)));

/** What somebody says, in plain members. @param {any} options */
export const plain = (options) => Object.fromEntries(saidOf(options));

/** The names of the others. @param {any} options @param {Kinds} known */
export const unusable = (options, known) => saidOf(options).flatMap((each) => (isOf(known)(each) ? [] : each[0]));

/** @typedef {{ [Name in keyof Upload]?: Upload[Name] | undefined }} SomeUpload */
/** @typedef {boolean | SomeUpload | undefined} Choice as a page or a visitor may write it */

/**
 * What a choice says, and the defaults, if there are some, where it says nothing that can be used.
 * @template {Partial<Upload>} Defaults
 * @param {Choice} choice
 * @param {Defaults} [defaults]
 * @returns {Defaults & Partial<Upload>}
 */
export const uploadOf = (choice, defaults) => ({
  .../** @type {Defaults} */ (defaults),
  ...usable(isFlag(choice) ? { on: choice } : choice, ofUpload),
});

/**
 * What holds when the page says one thing and the visitor another: on if both are, and the smaller caps. What neither
 * says stays undefined.
 * @param {Choice} page
 * @param {Choice} visitor
 * @returns {Partial<Upload>}
 */
export function bothAllow(page, visitor) {
  const [one, other] = [page, visitor].map((each) => uploadOf(each));
  // 0 is no cap.
  const smaller = (/** @type {'bytesPerSecond' | 'bytes'} */ name) => {
    const [a, b] = [one[name], other[name]];
    return a && b ? Math.min(a, b) : a || (b ?? a);
  };
  return {
    on: one.on === false ? false : (other.on ?? one.on),
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
/** Whether it is stored. @param {Partial<Upload>} upload @param {string} end */
export const storeUpload = (upload, end) => write(UPLOAD + end, upload);
/** Whether a `storage` event says that another tab has changed the choice. @param {StorageEvent} event */
export const isUploadChange = ({ key }, end = '') => key === UPLOAD + end || key === UPLOAD || key === null;
