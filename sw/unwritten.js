// What is on its way into the store, so that a worker that is replaced lives until all of it is there.

/** A promise for each run that is to be written, and one for the records. @type {Set<Promise<unknown>>} */
const unwritten = new Set();

/** One thing more is to be written: until what this gives is called. */
export function expectWrite() {
  /** @type {any} */
  let settle;
  const expected = new Promise((resolve) => (settle = resolve));
  unwritten.add(expected);
  void expected.then(() => unwritten.delete(expected));
  return settle;
}

/** Settles when all is written that is to be written by now. */
export const written = () => Promise.all(unwritten);
