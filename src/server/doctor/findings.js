// What `peer-cdn doctor` finds, and how it asks.
/** @typedef {'right' | 'wrong' | 'note' | 'not checked'} State a note is no fault: something to know */

/**
 * @typedef {object} Finding
 * @property {string} check what was looked at
 * @property {State} state
 * @property {string} what was seen
 * @property {string} [todo] what to do about it
 */

export class Findings {
  /** @type {Finding[]} */
  all = [];

  /** @param {string} check @param {string} what */
  right(check, what) {
    this.all.push({ check, state: 'right', what });
  }

  /** @param {string} check @param {string} what @param {string} todo */
  wrong(check, what, todo) {
    this.all.push({ check, state: 'wrong', what, todo });
  }

  /** @param {string} check @param {string} what @param {string} [todo] */
  note(check, what, todo) {
    this.all.push({ check, state: 'note', what, ...(todo && { todo }) });
  }

  /** @param {string} check @param {string} what */
  notChecked(check, what) {
    this.all.push({ check, state: 'not checked', what });
  }
}

/**
 * What is known of the site, and found out by one check for the next.
 * @typedef {object} Case
 * @property {URL} page
 * @property {Findings} findings
 * @property {AbortSignal} signal aborted when the time is over
 * @property {{ worker?: string, ice?: string[] }} options
 * @property {Bounds} bounds
 * @property {string} html of the page
 * @property {Policy[]} policies of the page
 * @property {Script[]} scripts that the page names, on its own origin
 * @property {string} scope of the worker
 * @property {Script[]} workerScripts the worker's, and all that it imports
 */

/**
 * @typedef {object} Bounds
 * @property {number} answerMs to wait for one answer, with its body
 * @property {number} files to read whole
 * @property {number} fileBytes that one of them may have
 */

/** @typedef {{ url: URL, text: string }} Script */
/** @typedef {Map<string, string[]>} Policy a Content-Security-Policy: sources by directive */

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {Headers} headers
 * @property {Uint8Array} body as a page sees it, decoded
 * @property {URL} url where it came from in the end
 * @property {boolean} isCut the body is longer than what was read
 */

/** Node's fetch hides why in the cause. @param {unknown} error */
export function reasonOf(error) {
  const { name, message, cause } = /** @type {Error & { cause?: NodeJS.ErrnoException }} */ (error);
  if (name === 'TimeoutError' || name === 'AbortError') return 'it did not answer in time';
  return cause?.code ?? cause?.message ?? message;
}

/**
 * Asks as a browser would. Rejects if there is no answer.
 * @param {Case} site
 * @param {URL | string} url
 * @param {{ headers?: Record<string, string>, redirect?: 'follow' | 'manual' }} [options]
 * @returns {Promise<Answer>}
 */
export async function ask({ page, signal, bounds }, url, { headers = {}, redirect = 'follow' } = {}) {
  const timeout = AbortSignal.timeout(bounds.answerMs);
  const response = await fetch(new URL(url, page), { headers, redirect, signal: AbortSignal.any([signal, timeout]) });
  const chunks = [];
  let bytes = 0;
  let isCut = false;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes <= bounds.fileBytes) continue;
    isCut = true;
    break;
  }
  return { status: response.status, headers: response.headers, body: Buffer.concat(chunks), url: new URL(response.url), isCut };
}

/**
 * The same, or why there is no answer. Rejects when the time is over: what was not waited for is not checked.
 * @param {Parameters<typeof ask>} asked
 * @returns {Promise<Answer | string>}
 */
export async function answerOf(...asked) {
  try {
    return await ask(...asked);
  } catch (error) {
    asked[0].signal.throwIfAborted();
    return reasonOf(error);
  }
}

const typeOf = (/** @type {Answer} */ { headers }) => (headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase();

/** A page came where something else was asked for: an app's fallback. @param {Answer} answer */
export const isPage = (answer) => typeOf(answer) === 'text/html';
/** What browsers take for a script. @param {Answer} answer */
export const isScript = (answer) => /^(?:text|application)\/(?:x-)?(?:java|ecma)script$/.test(typeOf(answer));

/** Seconds that somebody may keep it, by its headers. @param {Answer} answer */
export function secondsKept({ headers }) {
  const control = (headers.get('cache-control') ?? '').toLowerCase();
  if (/no-store|no-cache/.test(control)) return 0;
  const age = control.match(/s-maxage=(\d+)/) ?? control.match(/max-age=(\d+)/);
  return age ? Number(age[1]) : 0;
}

/** Our own scripts have these names inside, however they were bundled: a worker's, and a page's. */
export const isOurs = (/** @type {string} */ text) => text.includes('x-peer-cdn') && text.includes('peer-cdn-v');
export const isOurPage = (/** @type {string} */ text) => text.includes('peer-cdn.policy') && text.includes('/peer-cdn/ws');
