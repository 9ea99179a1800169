// What tests by chance draw from.

/** Numbers below 1, the same ones for a seed. */
export function chance(seed) {
  let word = Math.imul(seed, 7919) + 13;
  return () => {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    return word / 2 ** 32;
  };
}
