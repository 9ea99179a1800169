// What this site keeps about the visitor: the choice about uploads, and a browser id for a day.
const BROWSER = 'peer-cdn-browser';
const UPLOAD = 'peer-cdn-upload';

// Storage may be denied, full, or hold what somebody else wrote: then it is as if nothing were stored.
function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // The choice then holds for this page only.
  }
}

/** 32 hex digits, the same in all tabs, a new one each day: keeps the coordinator from pairing a browser with itself. */
export function browserId() {
  const day = Math.floor(Date.now() / 86400000);
  const stored = read(BROWSER);
  if (stored?.day === day && /^[0-9a-f]{32}$/.test(stored.id)) return stored.id;
  const random = crypto.getRandomValues(new Uint8Array(16));
  const id = Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('');
  write(BROWSER, {id, day});
  return id;
}

/**
 * @typedef {object} Upload
 * @property {boolean} on whether this visitor serves others
 * @property {number} bytesPerSecond a cap on the rate; 0: none
 * @property {number} bytes a cap on the sum of a page's life; 0: none
 */

const amount = (value, fallback) => (Number.isFinite(value) && value >= 0 ? value : fallback);

/**
 * @param {boolean | Partial<Upload> | undefined} options
 * @param {Upload} defaults
 * @returns {Upload}
 */
export function uploadOf(options, defaults) {
  const given = typeof options === 'boolean' ? {on: options} : options ?? {};
  return {
    on: typeof given.on === 'boolean' ? given.on : defaults.on,
    bytesPerSecond: amount(given.bytesPerSecond, defaults.bytesPerSecond),
    bytes: amount(given.bytes, defaults.bytes),
  };
}

/** The visitor's choice, or undefined. */
export const storedUpload = () => read(UPLOAD) ?? undefined;
/** @param {Upload} upload */
export const storeUpload = (upload) => write(UPLOAD, upload);
