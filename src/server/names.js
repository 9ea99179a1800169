// The names of options. A misspelt one would be as if nobody had said it, and nothing would tell.

/** By its code a command line knows what whoever wrote it can mend. @param {string} message */
export const badOption = (message) => Object.assign(new TypeError(message), { code: 'bad-option' });

/** @type {Required<Record<keyof import('./coordinator.js').AttachOptions, true>>} */
export const attachNames = {
  path: true,
  origins: true,
  trustProxy: true,
  proxyProtocol: true,
  proxies: true,
  socketsPerAddress: true,
  classify: true,
  maxLifetime: true,
  onWarning: true,
  tokenKeys: true,
  redis: true,
  onError: true,
};

/** @type {Required<Record<keyof import('./manifest.js').ManifestOptions, true>>} */
export const manifestNames = {
  base: true,
  include: true,
  exclude: true,
  anyQuery: true,
  headers: true,
  pieceBytes: true,
  digestsBase: true,
  onProgress: true,
  onWarning: true,
  cache: true,
};

/** Letters to change, to swap, to put in or to take out (Damerau and Levenshtein). @param {string} one @param {string} other */
function distance(one, other) {
  const rows = [Array.from({ length: other.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const isSame = one[i - 1] === other[j - 1];
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      const ways = [rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (isSame ? 0 : 1)];
      row.push(Math.min(...ways, isSwapped ? rows[i - 2][j - 2] + 1 : Infinity));
    }
    rows.push(row);
  }
  return rows[one.length][other.length];
}

/** Ways to write one name: max-lifetime, maxLifetime. @param {string} name */
const plain = (name) => name.toLowerCase().replace(/[^a-z\d]/g, '');

/**
 * What was probably meant; the list of what there is, if nothing is like it.
 * @param {string} name
 * @param {readonly string[]} known
 */
export function meant(name, known) {
  // A name as long as that is none of ours, and would take long to compare.
  const asked = plain(name).slice(0, 40);
  const [best] = known.map((each) => ({ each, far: distance(asked, plain(each)) })).sort((a, b) => a.far - b.far);
  return best && best.far <= Math.max(1, asked.length / 3) ? `did you mean ${best.each}?` : `there is ${known.join(', ')}`;
}

/**
 * Throws if an option has a name that nobody reads.
 * @param {unknown} options
 * @param {object[]} known with these names
 * @param {string} call who takes them
 */
export function checkNames(options, known, call) {
  const names = known.flatMap(Object.keys);
  for (const [name, value] of Object.entries(options ?? {})) {
    if (value === undefined || names.includes(name)) continue;
    throw badOption(`${call} has no option '${name}': ${meant(name, names)}`);
  }
}

/**
 * Of options, those with these names.
 * @template {object} Options
 * @param {Options} options
 * @param {Required<Record<keyof Options, true>>} names
 */
export const only = (options, names) =>
  /** @type {Options} */ (Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(names, name))));
