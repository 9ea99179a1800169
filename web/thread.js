// Starts a page's engine: in a worker of its own where that can be, else in the page.
import { ENGINE_PATH, engineWait } from '../build/border.js';
import { attempt } from './settings.js';
import { trusted } from './trusted.js';

/** @typedef {import('./link.js').HandCalls} HandCalls */
/** @typedef {import('./link.js').HeadOptions} HeadOptions */
/** @typedef {import('./link.js').ToHead} ToHead */

/**
 * @typedef {object} Running
 * @property {ToHead} call throws where the browser does not transfer what is to be transferred
 * @property {import('./engine.js').Head | null} head the engine itself where it runs in the page
 */

/** Where the engine's script may be: beside ours, and where `serve` has it. */
function places() {
  const site = new URL(ENGINE_PATH, location.href).href;
  // It may be no module any more: a bundler has made something else of it.
  const beside = attempt(() => new URL('./engine.js', import.meta.url).href, site);
  return [...new Set([beside, site])].map(trusted);
}

/**
 * @param {any} url
 * @param {HandCalls} hand
 * @param {HeadOptions} options
 * @returns {Promise<Running | boolean>} whether there is such a script, where it cannot run the engine
 */
function inWorker(url, hand, options) {
  return new Promise((resolve) => {
    /** @type {Worker} */
    let worker;
    try {
      worker = new Worker(url, { type: 'module', name: 'peer-cdn' });
    } catch {
      return resolve(false);
    }
    const give = (/** @type {Running | boolean} */ what) => {
      clearTimeout(timer);
      if (typeof what === 'boolean') worker.terminate();
      resolve(what);
    };
    const timer = setTimeout(give, engineWait, false);
    worker.onmessage = ({ data: [name, args] }) => {
      if (name !== 'started') return /** @type {any} */ (hand)[name](...args);
      if (!args[0]) return give(true);
      worker.onerror = () => {
        worker.terminate();
        hand.failed();
      };
      give({
        call: (call, values, transfer = []) => {
          // What is still under way from it is for nobody: a connection that it wanted would never be closed.
          if (call === 'stop') worker.onmessage = null;
          worker.postMessage([call, values], transfer);
          // The browser freezes it, perhaps before it has heard that and let go of its locks and its socket.
          if (call === 'stop' && values[1]) worker.terminate();
        },
        head: null,
      });
    };
    worker.onerror = (event) => {
      event.preventDefault();
      give(false);
    };
    worker.postMessage(['start', [options]]);
  });
}

/**
 * @param {object} how
 * @param {any} [how.script] the engine's script, where the site says it
 * @param {boolean} how.inPage channels could not be transferred
 * @param {HandCalls} hand
 * @param {HeadOptions} options
 * @returns {Promise<Running>} rejects where wasm is refused
 */
export async function startHead({ script, inPage }, hand, options) {
  if (!inPage && typeof Worker === 'function') {
    /** @type {Running | boolean} */
    let found = false;
    for (const place of script ? [trusted(script)] : places()) {
      found = await inWorker(place, hand, options);
      if (found) break;
    }
    if (typeof found === 'object') return found;
    if (!found) hand.report('no-thread');
  }
  const { Head } = await import('./engine.js');
  const head = new Head((name, args) => /** @type {Function} */ (hand[name])(...args), options);
  return { call: (name, args) => void (/** @type {any} */ (head[name]).apply(head, args)), head };
}
