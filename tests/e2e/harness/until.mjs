// Waiting for conditions, always with an end.
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Resolves with the first truthy value of `probe`, asked every `everyMs`; rejects after `withinMs`. That is long: it is only met
 * by what never comes, also where others take most of the processor.
 * @template T
 * @param {string | (() => string)} what The condition, for the error's text; a function says then what has happened so far.
 * @param {() => T | Promise<T>} probe
 * @param {{withinMs?: number, everyMs?: number}} [options]
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, probe, { withinMs = 120_000, everyMs = 50 } = {}) {
  const end = performance.now() + withinMs;
  for (;;) {
    const value = await probe();
    if (value) return /** @type {NonNullable<T>} */ (value);
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${typeof what === 'function' ? what() : what}`);
    await delay(everyMs);
  }
}

/**
 * Rejects if `promise` takes longer than `ms`.
 * @template T
 * @param {string} what
 * @param {number} ms
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export async function within(what, ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
