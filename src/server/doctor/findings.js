// What `peer-cdn doctor` finds, and what one check knows for the next.
import { ENGINE_PATH } from '../../../build/border.js';

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
 * @property {string} waitsFor the URL whose answer is waited for, or that the time was over with
 * @property {{ worker?: string, ice?: string[] }} options
 * @property {Bounds} bounds
 * @property {string} html of the page
 * @property {URL} base what names in the page are relative to
 * @property {Policy[]} policies of the page
 * @property {boolean} isEmbedder the page has a Cross-Origin-Embedder-Policy
 * @property {Script[]} scripts that the page names, on its own origin
 * @property {Missing[]} missing scripts that the page or its scripts name
 * @property {boolean} isHidden the page may run scripts that were not read
 * @property {string} scope of the worker
 * @property {Script[]} workerScripts the worker's, and all that it imports
 */

/**
 * @typedef {object} Bounds
 * @property {number} answerMs to wait for an answer, and for each part of its body (limits.doctorPartBytes)
 * @property {number} files to read whole
 * @property {number} fileBytes that one of them may have
 */

/**
 * @typedef {object} Script
 * @property {URL} url
 * @property {string} text
 * @property {import('./script.js').Facts} facts
 * @property {boolean} [isEmbedder]
 * @property {Policy[]} [policies]
 * @property {number} [kept] seconds that caches may keep it
 */
/** @typedef {{ url: URL, why: string, from: Script | null, isLazy: boolean }} Missing from: null, if the page itself names it */
/** @typedef {Map<string, string[]>} Policy a Content-Security-Policy: sources by directive */

/** Our own scripts have these names inside, however they were bundled: a worker's, and a page's. */
export const isOurs = (/** @type {string} */ text) => text.includes('x-peer-cdn') && text.includes('peer-cdn-v');
export const isOurPage = (/** @type {string} */ text) => text.includes('peer-cdn.policy') && text.includes('/peer-cdn/ws');
/** The page's second script, which the first one loads, and which loads the engine. */
export const isOurHand = (/** @type {string} */ text) => text.includes(ENGINE_PATH);
/** The engine's script, where the page's scripts name it as it was packed, or as a build names it. @param {Case} site */
export const engineOf = ({ scripts }) =>
  scripts.find(({ url }) => /\/engine(?:[-.][\w-]+)?\.js$/.test(url.pathname) && scripts.some(({ text }) => isOurHand(text)));
