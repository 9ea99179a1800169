// The one place that starts the wasm core, calls into it, and performs what it decides.
import { BYPASS_HEADER, ERROR_CODE, manifestWait, ORIGIN_ANSWERED, TIMEOUT } from '../build/border.js';
import wasm from '../build/worker.wasm.js';
import { perform } from './commands.js';
import { startCore } from './core.js';
import { within } from './within.js';

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
  if (failure) return;
  core = null;
  failure = error;
  for (const watcher of watchers) watcher(error);
}

try {
  core = startCore(wasm, (pattern, segment) => regexps[pattern]?.test(segment));
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
 * The parameters of an event but the last one, which is the time.
 * @template {keyof WorkerCore} Name
 * @typedef {Parameters<WorkerCore[Name]> extends [...infer Rest, any] ? Rest : never} EventArguments
 */

/**
 * Calls into the core, as src/bind/border.def lists it. Throws when it is off. What it decided waits for drain().
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

/**
 * Tells the core of an event, now, and performs what it decides. Gives what the core says; nothing when it is off: whoever
 * waits was told.
 * @template {keyof WorkerCore} Name
 * @param {Name} name
 * @param {EventArguments<Name>} args
 * @returns {number | undefined}
 */
export function tell(name, ...args) {
  if (!core) return;
  try {
    const said = /** @type {Function} */ (call)(name, ...args, performance.now());
    drain();
    return said;
  } catch {
    // It failed just now, and told so.
  }
}

/** @type {import('../build/border.js').Performer} */
let performer;
let isDraining = false;
let timer = 0;
let timeout = Infinity;

/** Who performs what the core decides. */
export const setPerformer = (/** @type {import('../build/border.js').Performer} */ one) => void (performer = one);

/**
 * One call in, every command out. What calls in again (a stream pulls while it is filled) leaves its own commands to the
 * loop that is running.
 */
export function drain() {
  if (isDraining) return;
  isDraining = true;
  try {
    guard((running) => perform(running, performer));
  } finally {
    isDraining = false;
  }
  const next = core?.due() ?? -1;
  // One that rings too early, because nothing waits any more, costs less than to clear one for each request.
  if (next < 0 || next >= timeout) return;
  timeout = next;
  clearTimeout(timer);
  // A timer of more than 31 bits would ring at once.
  timer = setTimeout(ring, Math.min(next - performance.now(), 2 ** 31 - 1));
}

function ring() {
  timeout = Infinity;
  tell(TIMEOUT);
}

/** The code of an error that the core gave by its number; '' of none. */
export const codeOf = (/** @type {number} */ error) => (error ? callText(ERROR_CODE, error) : '');

/**
 * A request of our own to the origin, which tells the core how long it took to answer.
 * @param {string} url
 * @param {number} wait milliseconds until it is given up
 * @param {RequestCache} [cache]
 */
export async function ask(url, wait, cache) {
  const began = performance.now();
  const response = await fetch(url, { cache, headers: { [BYPASS_HEADER]: 'bypass' }, signal: AbortSignal.timeout(wait) });
  tell(ORIGIN_ANSWERED, performance.now() - began);
  return response;
}

/** Lets go of an answer, or of what is left of a body, that nobody reads. */
export const giveUp = (/** @type {{ cancel(): Promise<unknown> } | null | undefined} */ body) =>
  void body?.cancel().catch(() => {});

/**
 * What the browser's storage gives, or the other value if it fails, or does not settle (a damaged profile, a full disk): the
 * site goes on.
 * @template T
 * @template [O=null]
 * @param {Promise<T> | undefined} promise
 * @param {O} [otherwise]
 * @returns {Promise<T | O>}
 */
export const soon = (promise, otherwise = /** @type {any} */ (null)) =>
  within(manifestWait, promise).then(
    (value) => value ?? otherwise,
    () => otherwise,
  );
