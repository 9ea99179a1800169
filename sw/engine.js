// The one place that starts the wasm core, and the one that calls into it.
import createModule from '../build/worker.mjs';
import wasmBinary from '../build/worker.wasm.js';

/** The regexps of the routes, by the core's numbers. @type {RegExp[]} */
export const regexps = [];

/** @type {any} */
let core = null;
/** @type {((error: unknown) => void)[]} */
const watchers = [];
/** @type {unknown} */
let failure = null;

// A trap, or a CSP without wasm, turns us off: nothing is ours from then on, and the site works as without us.
function turnOff(/** @type {unknown} */ error) {
  core = null;
  failure = error;
  for (const watcher of watchers) watcher(error);
}

try {
  const module = { wasmBinary, test: (/** @type {number} */ pattern, /** @type {string} */ text) =>
    regexps[pattern].test(text) };
  createModule(module); // ready on return
  core = module;
} catch (error) {
  turnOff(error);
}

/** Whether the core runs. */
export const isOn = () => core !== null;

/**
 * Tells when the core fails, now or later.
 * @param {(error: unknown) => void} watcher
 */
export function onFailure(watcher) {
  watchers.push(watcher);
  if (failure) watcher(failure);
}

/**
 * Calls into the core. Throws when it is off.
 * @param {string} name
 * @param {...(number | string | boolean | ArrayBuffer)} args
 * @returns {any}
 */
export function call(name, ...args) {
  if (!core) throw new Error('engine-failed');
  try {
    return core[name](...args);
  } catch (error) {
    turnOff(error);
    throw error;
  }
}

/** What the last call left beside its result. @returns {number[]} */
export function fields() {
  const at = core.fields() / 8;
  return Array.from(core.HEAPF64.subarray(at, at + 10));
}

/** @type {Set<string>} */
const draining = new Set();

/**
 * One call in, every output out: performs all that the core decided. An output that calls in again (a stream
 * pulls while it is filled) leaves its own outputs to the loop that is running.
 * @param {string} poll 'chainPoll' or 'bodyPoll'
 * @param {number} id
 * @param {((...fields: number[]) => void)[]} performers by the output's kind
 */
export function drain(poll, id, performers) {
  const key = poll + id;
  if (draining.has(key)) return;
  draining.add(key);
  try {
    for (let kind; (kind = call(poll, id)) >= 0;) performers[kind](...fields());
  } finally {
    draining.delete(key);
  }
}

export const [
  ackWait, manifestWait, manifestAge, progressWait, streamBytes, replyBytes, unattendedBytes, busyAckWait, heardMemory,
] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((which) => (core ? call('limit', which) : 0));
