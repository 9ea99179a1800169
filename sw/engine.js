// The one place that starts the wasm core, and the one that calls into it.
import { manifestWait, SAMPLE_FIRST } from '../build/border.js';
import wasm from '../build/worker.wasm.js';
import { startCore } from './core.js';

/** The regexps of the routes, by the core's numbers. @type {RegExp[]} */
export const regexps = [];

/** @type {ReturnType<typeof startCore> | null} */
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
  core = startCore(wasm, (pattern, segment) => regexps[pattern].test(segment));
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

/** @template T @param {(running: NonNullable<typeof core>) => T} use */
function guard(use) {
  if (!core) throw new Error('engine-failed');
  try {
    return use(core);
  } catch (error) {
    turnOff(error);
    throw error;
  }
}

/** @typedef {import('../build/border.js').WorkerCore} WorkerCore */

/**
 * Calls into the core, as src/bind/border.def lists it. Throws when it is off.
 * @template {keyof WorkerCore} Name
 * @param {Name} name
 * @param {Parameters<WorkerCore[Name]>} args
 */
export const call = (name, ...args) => guard((running) => running.call(name, args));

/**
 * The same, of a function that gives a text.
 * @template {keyof WorkerCore} Name
 * @param {Name} name
 * @param {Parameters<WorkerCore[Name]>} args
 */
export const callText = (name, ...args) => guard((running) => running.callText(name, args));

/** What the last call left beside its result: to be read before the next one. */
export const fields = () => guard((running) => running.fields());

/** Tells the core something that it can do without. @type {typeof call} */
export const note = (name, ...args) => (core ? call(name, ...args) : 0);

/** A request to the origin, which tells the core how long it took to answer. @type {typeof fetch} */
export async function ask(url, init) {
  const began = performance.now();
  const response = await fetch(url, init);
  const now = performance.now();
  note(SAMPLE_FIRST, false, now - began, false, now);
  return response;
}

/**
 * Sets a timer anew, or none if `at` is negative.
 * @param {number} timer the one before; 0 if there is none
 * @param {number} at
 * @param {() => void} ring
 */
export function alarm(timer, at, ring) {
  if (timer) clearTimeout(timer);
  return at < 0 ? 0 : setTimeout(ring, at - performance.now());
}

/** @type {Set<string>} */
const draining = new Set();

/**
 * One call in, every output out: performs all that the core decided. An output that calls in again (a stream
 * pulls while it is filled) leaves its own outputs to the loop that is running.
 * @param {typeof import('../build/border.js').CHAIN_POLL | typeof import('../build/border.js').BODY_POLL} poll
 * @param {number} id
 * @param {((...fields: number[]) => void)[]} performers by the output's kind
 */
export function drain(poll, id, performers) {
  const key = poll + id;
  if (draining.has(key)) return;
  draining.add(key);
  try {
    for (let kind; (kind = call(poll, id)) >= 0; ) performers[kind](...fields());
  } finally {
    draining.delete(key);
  }
}

/**
 * What Cache Storage gives, or the other value if it does not settle (a damaged profile, a full disk): the site goes on.
 * @template T, O
 * @param {Promise<T> | undefined} promise
 * @param {O} otherwise
 * @returns {Promise<T | O>}
 */
export const soon = (promise, otherwise) =>
  Promise.race([promise ?? otherwise, new Promise((resolve) => setTimeout(resolve, manifestWait, otherwise))]);
