// A wait that ends.

/**
 * @template T
 * @param {number} ms
 * @param {Promise<T> | undefined} promise
 * @returns {Promise<T | undefined>} what it resolves to, or undefined after `ms`
 */
export function within(ms, promise) {
  /** @type {number} */
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
