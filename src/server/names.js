// The names of options, and what each takes. A misspelt one would be as if nobody had said it, and nothing would tell.
import { inspect } from 'node:util';
import { formOf, isWithin, numberIn, numbers } from './numbers.js';

/** By its code a command line knows what whoever wrote it can mend. @param {string} message */
export const badOption = (message) => Object.assign(new TypeError(message), { code: 'bad-option' });

/** The same of a value that is of the right kind. @param {string} message */
export const outOfRange = (message) => Object.assign(new RangeError(message), { code: 'bad-option' });

/** A value as a program says it, short and on one line. @param {unknown} value */
export const shown = (value) =>
  inspect(value, { depth: 1, breakLength: Infinity, compact: true, maxArrayLength: 3, maxStringLength: 80 });

/**
 * What an option takes, and how that is said.
 * @typedef {{ form: string, is: (value: any) => boolean, bounds?: import('./numbers.js').Bounds }} Kind
 */

const isText = (/** @type {unknown} */ value) => typeof value === 'string';
const isFilled = (/** @type {unknown} */ value) => isText(value) && value !== '';
/** Of a file in the folder: no step leads out of it, and the last one names a file. @param {unknown} value */
const isFileName = (value) => isFilled(value) && !/(?:^|[/\\])(?:\.\.(?:[/\\]|$)|\.?$)/.test(/** @type {string} */ (value));
/** No list, and no Map or Headers, whose entries nobody would read. */
const isRecord = (/** @type {unknown} */ value) => /^\[object (?:Object|Module)\]$/.test(Object.prototype.toString.call(value));

/** By glob, by name. A browser takes a number too. @param {Record<string, unknown>} value */
const areHeaders = (value) =>
  isRecord(value) &&
  Object.entries(value).every(
    ([glob, headers]) =>
      glob !== '' &&
      isRecord(headers) &&
      Object.values(/** @type {object} */ (headers)).every((each) => isText(each) || typeof each === 'number'),
  );

/** @param {import('./numbers.js').Bounds} bounds @returns {Kind} */
const number = (bounds) => ({ form: formOf(bounds), is: (value) => isWithin(bounds, value), bounds });

/** @satisfies {Record<string, Kind>} */
export const kinds = {
  /** Whoever reads it says what is wrong with it. */
  any: { form: 'anything', is: () => true },
  text: { form: 'a text', is: isText },
  flag: { form: 'true or false', is: (value) => typeof value === 'boolean' },
  /** As text too: so the environment has it. */
  port: { form: 'a port, from 0 to 65535', is: (value) => !Number.isNaN(numberIn(numbers.port, String(value))) },
  host: { form: "an address to listen on, as '0.0.0.0'", is: isFilled },
  listener: { form: 'a function', is: (value) => typeof value === 'function' },
  map: { form: 'a Map', is: (value) => value instanceof Map },
  hops: {
    form: `the number of proxies in front, up to ${numbers.trustProxy.most}`,
    is: (value) => typeof value === 'boolean' || isWithin(numbers.trustProxy, value),
  },
  networks: { form: "a list of addresses, as ['192.0.2.0/24']", is: (value) => Array.isArray(value) && value.every(isText) },
  globs: { form: "a list of globs, as ['*.glb']", is: (value) => Array.isArray(value) && value.every(isFilled) },
  headers: { form: "headers by glob, as { '*.glb': { 'x-a': 'b' } }", is: areHeaders },
  seconds: { form: 'a number of seconds', is: Number.isFinite },
  site: {
    form: "a site, as 'https://example.org'",
    is: (value) => isText(value) && /^https?:\/\/[^*]+$/i.test(value) && URL.canParse(value),
  },
  roots: {
    form: 'a list of roots, 64 hex digits each as the manifest has them',
    is: (value) => Array.isArray(value) && value.every((root) => isText(root) && /^[0-9a-f]{64}$/.test(root)),
  },
  urls: { form: "URLs, as 'turn:turn.example.org'", is: (value) => [value].flat().every(isFilled) && value.length > 0 },
  worker: { form: "a file of the folder, as 'sw.js', or false", is: (value) => value === false || isFileName(value) },
};

/** @type {Required<Record<keyof import('./options.js').AttachOptions, Kind>>} */
export const attachNames = {
  path: kinds.any,
  origins: kinds.any,
  trustProxy: kinds.hops,
  proxyProtocol: kinds.flag,
  proxies: kinds.networks,
  socketsPerAddress: number(numbers.socketsPerAddress),
  classify: kinds.listener,
  maxLifetime: number(numbers.maxLifetime),
  onWarning: kinds.listener,
  tokenKeys: kinds.any,
  redis: kinds.any,
  onError: kinds.listener,
};

/** @type {Required<Record<keyof import('./manifest.js').ManifestOptions, Kind>>} */
export const manifestNames = {
  base: kinds.text,
  include: kinds.globs,
  exclude: kinds.globs,
  anyQuery: kinds.globs,
  headers: kinds.headers,
  pieceBytes: number(numbers.pieceBytes),
  digestsBase: kinds.text,
  onProgress: kinds.listener,
  onWarning: kinds.listener,
  cache: kinds.map,
};

/** @type {Required<Record<keyof import('./build.js').BuildOptions, Kind>>} */
export const buildNames = { ...manifestNames, worker: kinds.worker };

/** Vite's log hears what the listeners would. */
const { onWarning, onProgress, cache, digestsBase, ...pluginNames } = buildNames;
export { pluginNames };

/** @type {Required<Record<keyof import('./tokens.js').TokenOptions, Kind>>} */
export const tokenNames = { site: kinds.site, seconds: kinds.seconds, resources: kinds.roots };

/** @type {Required<Record<keyof import('./tokens.js').TurnOptions, Kind>>} */
export const turnNames = { urls: kinds.urls, seconds: kinds.seconds, visitor: kinds.text };

/** Letters to change, to swap, to put in or to take out (Damerau and Levenshtein). @param {string} one @param {string} other */
export function distance(one, other) {
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

/** Whether so many letters at most make one name of the other. @param {string} one @param {string} other @param {number} most */
export const isLike = (one, other, most) => Math.abs(one.length - other.length) <= most && distance(one, other) <= most;

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
 * Throws unless options are an object, each of its kind. Undefined and null are as if nobody had said it.
 * @param {unknown} options
 * @param {Record<string, Kind>} known by name
 * @param {string} call who takes them
 */
export function checkKinds(options, known, call) {
  if (!isRecord(options)) throw badOption(`${call} takes its options as an object, not ${shown(options)}`);
  for (const [name, value] of Object.entries(/** @type {object} */ (options))) {
    if ((value ?? undefined) === undefined || !Object.hasOwn(known, name) || known[name].is(value)) continue;
    const wrong = known[name].bounds && typeof value === 'number' ? outOfRange : badOption;
    throw wrong(`${name} takes ${known[name].form}, not ${shown(value)}`);
  }
}

/**
 * Throws if an option has a name that nobody reads, or is not of its kind.
 * @param {unknown} options
 * @param {Record<string, Kind>[]} tables
 * @param {string} call who takes them
 */
export function checkNames(options, tables, call) {
  /** @type {Record<string, Kind>} */
  const known = Object.assign({}, ...tables);
  checkKinds(options, known, call);
  for (const [name, value] of Object.entries(/** @type {object} */ (options))) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    throw badOption(`${call} has no option '${name}': ${meant(name, Object.keys(known))}`);
  }
}

/**
 * Of options, those with these names.
 * @template {object} Options
 * @param {Options} options
 * @param {Required<Record<keyof Options, Kind>>} names
 */
export const only = (options, names) =>
  /** @type {Options} */ (Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(names, name))));
