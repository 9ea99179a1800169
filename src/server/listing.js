// Manifests and routes as browsers read them: the same JavaScript, and the same core.
import { listEntries, readManifest } from '../../sw/listing.js';
import create from '../../build/listing.mjs';
import wasmBinary from '../../build/listing.wasm.js';
import * as limits from './limits.js';
import { outOfRange } from './names.js';

/** @typedef {import('./manifest.js').ManifestResource} ManifestResource */

/**
 * A manifest as browsers read it (src/bind/listing.cpp).
 * @typedef {object} Listing
 * @property {(path: string, bytes: number, pieceBytes: number, root: string, type: string, anyQuery: boolean,
 *     headers: string, digests: string) => boolean} add whether browsers take the entry
 * @property {(pathAndQuery: string) => string} find the entry's path, or ''
 * @property {() => void} delete
 */

const core = create({ wasmBinary });
/** @type {new () => Listing} */
const Listing = core.Listing;
/** @type {new () => { add: (path: string) => boolean, take: (path: string) => boolean }} */
const Routes = core.Routes;
/**
 * Why an answer of the origin cannot be shared, where the bytes from `begin` on were asked for; '' if it can.
 * @type {(status: number, cacheControl: string, vary: string, contentRange: string, contentEncoding: string,
 *     contentLength: string, total: number, begin: number) => import('../../build/border.js').ErrorCode | ''}
 */
const judge = core.judgeAnswer;

const headerLines = (/** @type {Record<string, string>} */ headers) => Object.entries(headers).flat().join('\n');

/**
 * What browsers make of a manifest. Throws if it is none.
 * @param {string} text
 * @returns {{ digests: string, disabled: boolean, entries: Map<string, ManifestResource>, bad: string[],
 *     find: (pathAndQuery: string) => string }} the good entries, paths of bad ones, and the path of the entry for a request
 */
export function readListing(text) {
  const { digests, disabled, entries } = readManifest(text);
  const listing = new Listing();
  const good = new Map();
  listEntries(entries, (path, entry) => {
    const { bytes, pieceBytes, root, type = '', pieces = '', anyQuery = false, headers = {} } = entry;
    const isGood = listing.add(path, bytes, pieceBytes, root, type, anyQuery, headerLines(headers), pieces);
    if (isGood) good.set(path, entry);
    return isGood;
  });
  // Browsers name the first of them only.
  const bad = entries.map(([path]) => path).filter((path) => !good.has(path));
  return { digests, disabled, entries: good, bad, find: (path) => listing.find(path) };
}

/**
 * RangeError for headers that browsers would refuse an entry for.
 * @param {Record<string, string>[]} all
 */
export function checkHeaders(all) {
  const listing = new Listing();
  const root = '0'.repeat(64);
  for (const [at, [name, value]] of all.flatMap(Object.entries).entries()) {
    const isOneLine = !`${name}${value}`.includes('\n');
    if (isOneLine && listing.add(`/${at}`, 1, limits.pieceBytesMin, root, '', false, `${name}\n${value}`, '')) continue;
    throw outOfRange(`a manifest cannot set the header '${name}: ${value}'`);
  }
  listing.delete();
}

/**
 * Why an answer of the origin cannot be shared; '' if it can.
 * @param {{ status: number, headers: Headers }} answer
 * @param {number} total bytes of the resource
 * @param {number} [begin] of the range that was asked for; without: all of it was
 */
export function judgeAnswer({ status, headers }, total, begin = 0) {
  const names = ['cache-control', 'vary', 'content-range', 'content-encoding', 'content-length'];
  const [control, vary, range, encoding, length] = names.map((name) => headers.get(name) ?? '');
  return judge(status, control, vary, range, encoding, length, total, begin);
}

/**
 * What a worker makes of routes.
 * @param {string[]} routes
 * @returns {{ bad: string[], take: (path: string) => boolean }} those that GET() refuses, and whether the others take a path; a
 *     regexp in one counts as one that matches
 */
export function readRoutes(routes) {
  const all = new Routes();
  const bad = routes.filter((route) => !all.add(route));
  return { bad, take: (path) => all.take(path) };
}
