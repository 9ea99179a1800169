// The manifest of a folder (src/README.md, Manifest): which files are shared, and the digests they are checked by.
import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {mkdir, rename, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {isShared, matcher, publicPath, typeOf, walk} from './files.js';
import * as limits from './limits.js';

/**
 * @typedef {object} ManifestResource
 * @property {number} bytes
 * @property {string} type
 * @property {number} pieceBytes
 * @property {string} root 64 hex digits
 * @property {boolean} [anyQuery]
 * @property {Record<string, string>} [headers]
 */

/** @typedef {{version: 1, digests: string, resources: Record<string, ManifestResource>}} Manifest */

/**
 * @typedef {object} ManifestProgress
 * @property {string} path the file that is read
 * @property {number} bytes read of it
 * @property {number} totalBytes
 */

/**
 * @typedef {object} ManifestOptions
 * @property {string} [base] where the folder is served; default '/'
 * @property {string[]} [include] globs of more files to list: scripts, styles, documents
 * @property {string[]} [exclude] globs of files not to list
 * @property {number} [pieceBytes] a power of two from 64 KiB to 16 MiB; default: the smallest up to 128 KiB that gives at
 *     most 128 pieces, or any that gives at most 2,048; but one piece for a file of at most 256 KiB
 * @property {string} [digestsBase] where the digest lists are served; default base + 'peer-cdn/digests/'
 * @property {(progress: ManifestProgress) => void} [onProgress]
 * @property {Map<string, object>} [cache] kept between calls: files with the same size and time are not read again
 */

/**
 * The cut of a file. A small one is one piece: its root is its digest, so that no list has to be fetched beside it, which
 * would be as many requests again as a gallery has images. RangeError if no piece size that is allowed gives few enough pieces.
 */
export function pieceBytesOf(bytes, wanted) {
  let size = wanted ?? limits.pieceBytesMin;
  const isPowerOfTwo = Number.isInteger(Math.log2(size));
  if (!isPowerOfTwo || size < limits.pieceBytesMin || size > limits.pieceBytesMax) {
    throw new RangeError(`pieceBytes must be a power of two from 65536 to 16777216, not ${wanted}`);
  }
  const most = wanted === undefined && bytes <= limits.onePieceBytes ? 1 : limits.piecesPerResource;
  while (bytes > size * most) size *= 2;
  // Each piece costs a digest, messages from page to worker and a turn of both. But a crowd shares whole pieces: larger ones
  // are more often under way twice, and the first one is there later.
  while (wanted === undefined && size < limits.pieceBytesUsual && bytes > size * limits.piecesUsual) size *= 2;
  return size <= limits.pieceBytesMax ? size : null;
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

/** The digests of a file's pieces, one after another. Null if it is no longer as long as it was. */
async function digestPieces(file, bytes, pieceBytes, onBytes) {
  const digests = [];
  let hash = createHash('sha256');
  let inPiece = 0;
  let read = 0;
  for await (let chunk of createReadStream(file, {highWaterMark: limits.readBytes})) {
    read += chunk.length;
    if (read > bytes) return null;
    onBytes(read);
    while (chunk.length > 0) {
      const part = chunk.subarray(0, pieceBytes - inPiece);
      chunk = chunk.subarray(part.length);
      hash.update(part);
      inPiece += part.length;
      if (inPiece < pieceBytes) continue;
      digests.push(hash.digest());
      hash = createHash('sha256');
      inPiece = 0;
    }
  }
  if (inPiece > 0) digests.push(hash.digest());
  return read === bytes ? Buffer.concat(digests) : null;
}

/** One file's entry, and its digest list if it has several pieces. */
async function describe({path, file, stats}, options) {
  const pieceBytes = pieceBytesOf(stats.size, options.pieceBytes);
  if (pieceBytes === null) return null;
  const key = `${stats.ino}:${stats.size}:${stats.mtimeMs}:${pieceBytes}`;
  const cached = options.cache?.get(path);
  if (cached?.key === key) return cached;
  const list = await digestPieces(file, stats.size, pieceBytes, (bytes) => {
    options.onProgress?.({path, bytes, totalBytes: stats.size});
  });
  if (!list) return null;
  const single = list.length === 32;
  const root = (single ? list : sha256(list)).toString('hex');
  const resource = {bytes: stats.size, type: typeOf(path), pieceBytes, root};
  const described = {key, root, resource, digests: single ? null : list};
  options.cache?.set(path, described);
  return described;
}

const pathBase = (base) => `/${base}/`.replace(/\/+/g, '/');

/**
 * The manifest of a folder. Files are read as streams, one after another. Lists images, audio, video, fonts, wasm and
 * data; scripts, styles and documents only by `include`; never dotfiles, node_modules, empty files, or
 * source maps that nobody included. A file that changes while it is read is left out: the next manifest has it.
 * @param {string} folder
 * @param {ManifestOptions} [options]
 * @returns {Promise<{manifest: Manifest, digests: Map<string, Buffer>}>} digest lists by root
 */
export async function makeManifest(folder, options = {}) {
  pieceBytesOf(1, options.pieceBytes);
  const base = pathBase(options.base ?? '/');
  const included = matcher(options.include ?? []);
  const excluded = matcher(options.exclude ?? []);
  /** @type {Manifest} */
  const manifest = {version: 1, digests: options.digestsBase ?? `${base}peer-cdn/digests/`, resources: {}};
  const digests = new Map();
  const listed = new Set();
  for await (const found of walk(folder)) {
    const {path, file, stats} = found;
    // Our own files are not part of the site.
    if (path === 'peer-cdn.json' || path.startsWith('peer-cdn/')) continue;
    if (stats.size === 0 || excluded(path)) continue;
    if (!included(path) && (path.endsWith('.map') || !(await isShared(path, file)))) continue;
    const described = await describe(found, options);
    if (!described) continue;
    listed.add(path);
    if (listed.size > limits.manifestEntries) {
      throw new RangeError(`more than ${limits.manifestEntries} files to list in ${folder}: exclude some`);
    }
    manifest.resources[publicPath(base, path)] = described.resource;
    if (described.digests) digests.set(described.root, described.digests);
  }
  for (const path of options.cache?.keys() ?? []) {
    if (!listed.has(path)) options.cache.delete(path);
  }
  return {manifest, digests};
}

/**
 * Writes a manifest, and its digest lists into peer-cdn/digests/ beside it. The lists first: whoever sees the new manifest
 * finds them. Lists of earlier manifests stay, for the visitors that still have those.
 * @param {string} output
 * @param {{manifest: Manifest, digests: Map<string, Buffer>}} made by makeManifest
 */
export async function writeManifest(output, {manifest, digests}) {
  const folder = join(dirname(output), 'peer-cdn', 'digests');
  await mkdir(folder, {recursive: true});
  for (const [root, list] of digests) await replaceFile(join(folder, root), list);
  await replaceFile(output, `${JSON.stringify(manifest, null, 1)}\n`);
}

async function replaceFile(path, content) {
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
}
