// The manifest of a folder (src/README.md, Manifest): which files are shared, and the digests they are checked by.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DIGESTS_PATH } from '../../build/border.js';
import { Globs, isOfProcess, publicBase, publicPath, scriptNames, walk } from './files.js';
import { isShared, isUsuallyCompressed, mayBeShared, typeOf } from './kinds.js';
import * as limits from './limits.js';
import { checkNames, manifestNames, outOfRange } from './names.js';
import { neverListed, Unlisted, unlisted, warningOf, warnProcess } from './warnings.js';

/**
 * @typedef {object} ManifestResource
 * @property {number} bytes
 * @property {string} type
 * @property {number} pieceBytes
 * @property {string} root 64 hex digits
 * @property {string} [pieces] the digests of its pieces, 64 hex digits each, if they are few
 * @property {boolean} [anyQuery]
 * @property {Record<string, string>} [headers]
 */

/** @typedef {{version: typeof limits.manifestVersion, digests: string, resources: Record<string, ManifestResource>}} Manifest */

/** @typedef {{manifest: Manifest, digests: Map<string, Buffer>}} Made a manifest, and digest lists by root */

/** Lists nothing. @type {Manifest} */
export const emptyManifest = { version: limits.manifestVersion, digests: DIGESTS_PATH, resources: {} };

/**
 * @typedef {object} Described one file
 * @property {string} key changes with the file
 * @property {string} root
 * @property {ManifestResource} resource
 * @property {Buffer | null} digests its list, if it has several pieces
 */

/** @typedef {import('./files.js').Found} Found */

/**
 * @typedef {object} ManifestProgress
 * @property {string} path the file that is read
 * @property {number} bytes read of it
 * @property {number} totalBytes
 */

/**
 * @typedef {object} ManifestOptions
 * @property {string} [base] where the folder is served, a path or a URL; default '/'
 * @property {string[]} [include] globs of more files to list: scripts, styles, documents
 * @property {string[]} [exclude] globs of files not to list
 * @property {string[]} [anyQuery] globs of files that are the same whatever the query of a request (`?v=2`)
 * @property {Record<string, Record<string, string>>} [headers] by glob: headers of responses, beside those that a browser has
 *     seen from the origin
 * @property {number} [pieceBytes] a power of two from 64 KiB to 16 MiB; default: the smallest up to 128 KiB that gives at
 *     most 128 pieces, or any that gives at most 2,048; but one piece for a file of at most 256 KiB whose digests have no room
 *     in the manifest (2,048 have)
 * @property {string} [digestsBase] where the digest lists are served; default base + 'peer-cdn/digests/'
 * @property {(progress: ManifestProgress) => void} [onProgress]
 * @property {(warning: import('./warnings.js').ManifestWarning) => void} [onWarning] told of each file that is not listed
 *     though it was to be; default: a warning of the process
 * @property {Map<string, Described>} [cache] kept between calls: files with the same size and time are not read again
 */

/** Where the digest lists are, below the folder of the manifest. */
const digestsBelow = DIGESTS_PATH.slice(1);

/**
 * The cut of a file. Beside a small one no list should have to be fetched: there would be as many requests again as a gallery
 * has images. So its digests stand in the manifest, or it is one piece, whose digest is the root. Null if no piece size that is
 * allowed gives few enough pieces.
 * @param {number} bytes
 * @param {number | null} [wanted] if somebody says it
 * @param {number} [room] for digests in the manifest
 */
export function pieceBytesOf(bytes, wanted, room = 0) {
  const isOurs = (wanted ?? undefined) === undefined;
  let size = wanted ?? limits.pieceBytesMin;
  const isOne = isOurs && bytes <= limits.onePieceBytes && bytes > size * room;
  const most = isOne ? 1 : limits.piecesPerResource;
  while (bytes > size * most) size *= 2;
  // Each piece costs a digest, messages from page to worker and a turn of both. But a crowd shares whole pieces: larger ones
  // are more often under way twice, and the first one is there later.
  while (isOurs && size < limits.pieceBytesUsual && bytes > size * limits.piecesUsual) size *= 2;
  return size <= limits.pieceBytesMax ? size : null;
}

/** A file has at most so many bytes: as many pieces as it may have, each as large as it may be. */
const fileBytesMax = limits.pieceBytesMax * limits.piecesPerResource;

const sha256 = (/** @type {Buffer} */ bytes) => createHash('sha256').update(bytes).digest();

/**
 * The digests of a file's pieces, one after another. Null if it is no longer as long as it was.
 * @param {string} file
 * @param {number} bytes
 * @param {number} pieceBytes
 * @param {(read: number) => void} onBytes
 */
async function digestPieces(file, bytes, pieceBytes, onBytes) {
  const digests = [];
  let hash = createHash('sha256');
  let inPiece = 0;
  let read = 0;
  for await (let chunk of createReadStream(file, { highWaterMark: limits.readBytes })) {
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

/**
 * One file's entry, and its digest list if it has several pieces. Throws if it cannot be listed.
 * @param {string} path
 * @param {string} file
 * @param {import('node:fs').Stats} stats
 * @param {ManifestOptions} options
 * @param {number} room for its digests in the manifest
 * @returns {Promise<Described>}
 */
async function describe(path, file, stats, options, room) {
  const pieceBytes = pieceBytesOf(stats.size, options.pieceBytes, room);
  if (pieceBytes === null) throw new Unlisted('too-large', `it has ${stats.size} bytes, more than ${fileBytesMax / 2 ** 30} GiB`);
  // The time of a change of its mode counts too: a file that may not be read any more is no longer listed.
  const key = `${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}:${pieceBytes}`;
  const cached = options.cache?.get(path);
  if (cached?.key === key) return cached;
  const list = await digestPieces(file, stats.size, pieceBytes, (bytes) => {
    options.onProgress?.({ path, bytes, totalBytes: stats.size });
  });
  if (!list) throw new Unlisted('changed', 'it changed while it was read');
  const single = list.length === 32;
  const root = (single ? list : sha256(list)).toString('hex');
  const resource = { bytes: stats.size, type: typeOf(path), pieceBytes, root };
  const described = { key, root, resource, digests: single ? null : list };
  options.cache?.set(path, described);
  return described;
}

/** A manifest as it is made, file by file: what the browser would refuse is not put in (src/base/manifest.cpp). */
class Making {
  #options;
  #base;
  #included;
  #anyQuery;
  /** @type {{ files: Globs, headers: Record<string, string> }[]} */
  #headers;
  /** @type {Made['digests']} */
  #digests = new Map();
  /** Paths in the folder. */
  listed = new Set();
  #room = limits.digestsPerManifest;
  /** @type {Map<string, {path: string, bytes: number}>} by root */
  #roots = new Map();
  /** @type {Manifest} */
  #manifest;

  /** @param {ManifestOptions} options */
  constructor(options) {
    this.#options = options;
    this.#base = publicBase(options.base ?? '/');
    this.#included = new Globs(options.include ?? []);
    this.#anyQuery = new Globs(options.anyQuery ?? []);
    this.#headers = Object.entries(options.headers ?? {}).map(([glob, headers]) => ({
      files: new Globs([glob]),
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    }));
    const digests = options.digestsBase ?? this.#base + digestsBelow;
    if (!/^\/(?![/\\])/.test(digests)) throw outOfRange(`digestsBase must be a path on this site, not ${digests}`);
    this.#manifest = { version: limits.manifestVersion, digests, resources: {} };
  }

  /** Globs of files to list, or of what is said of files, that no listed file has. */
  get unusedGlobs() {
    return [this.#included, this.#anyQuery, ...this.#headers.map(({ files }) => files)].flatMap(({ unused }) => unused);
  }

  get made() {
    return { manifest: this.#manifest, digests: this.#digests };
  }

  /** Whether it would be listed, as far as its name tells: nobody misses what would not. @param {string} path */
  mayList(path) {
    return path.endsWith('/') || this.#included.has(path) || mayBeShared(path);
  }

  /** Lists a file, unless it is a script. Throws if it was to be listed and cannot be. @param {Found} found */
  async add({ path, file, stats, error }) {
    if (error) throw error;
    // A pipe would never end, and a device is nobody's file.
    if (!stats?.isFile()) throw new Unlisted('not-a-file', 'it is no file, but a pipe, a socket or a device');
    if (!(this.#included.has(path) || (await isShared(path, file)))) return;
    if (this.listed.size >= limits.manifestEntries) {
      throw new Unlisted('too-many-files', `${limits.manifestEntries} others are, and more may not be: exclude some`);
    }
    const url = publicPath(this.#base, path);
    if (url.length > limits.pathBytes) {
      throw new Unlisted('path-too-long', `its URL has ${url.length} characters, more than ${limits.pathBytes}`);
    }
    const room = Math.min(limits.digestsPerFile, this.#room);
    const { root, resource, digests } = await describe(path, file, stats, this.#options, room);
    const twin = this.#roots.get(root);
    // A file that is the digest list of another has the other's root.
    if (twin && twin.bytes !== resource.bytes) throw new Unlisted('same-root', `its root is that of ${twin.path}`);
    this.#roots.set(root, { path, bytes: resource.bytes });
    this.listed.add(path);
    const count = (digests?.length ?? 0) / 32;
    const pieces = count <= room ? digests?.toString('hex') : undefined;
    if (pieces) this.#room -= count;
    this.#manifest.resources[url] = { ...resource, ...(pieces && { pieces }), ...this.#saidOf(path) };
    if (digests) this.#digests.set(root, digests);
  }

  /** What the options say of a file. @param {string} path @returns {Partial<ManifestResource>} */
  #saidOf(path) {
    const headers = Object.assign({}, ...this.#headers.filter(({ files }) => files.has(path)).map((each) => each.headers));
    return {
      ...(this.#anyQuery.has(path) && { anyQuery: true }),
      ...(Object.keys(headers).length > 0 && { headers }),
    };
  }
}

/** Our own files are not part of the site, wherever they were written. @param {string} path */
const isOwnFile = (path) =>
  /(?:^|\/)peer-cdn(?:\.json|\/digests\/[\da-f]{64}|\/)$/.test(path) ||
  scriptNames.some((name) => `/${path}`.endsWith(`/peer-cdn/${name}`));

/** Why nothing lists it, whatever it is. @param {Found} found @returns {import('./warnings.js').Never | undefined} */
function neverListedBy({ path, stats, skipped }) {
  if (skipped) return skipped;
  if (/(?:^|\/)peer-cdn\//.test(path)) return 'own-folder';
  return stats?.isFile() && stats.size === 0 ? 'empty' : undefined;
}

/**
 * The manifest of a folder. Files are read as streams, one after another. Lists images, audio, video, fonts, wasm and
 * data; scripts, styles and documents only by `include`; never source maps that nobody included, or dotfiles, node_modules and
 * empty files, for which there is one warning each. A file that cannot be listed costs only itself, and a warning: it cannot be
 * read, it changes meanwhile (the next manifest has it), its path is too long, or there are too many.
 * @param {string} folder
 * @param {ManifestOptions} [options]
 * @returns {Promise<Made>}
 */
export async function makeManifest(folder, options = {}) {
  checkNames(options, [manifestNames], 'makeManifest()');
  if (options.headers) (await import('./listing.js')).checkHeaders(Object.values(options.headers));
  const making = new Making(options);
  const excluded = new Globs(options.exclude ?? []);
  const onWarning = options.onWarning ?? warnProcess;
  let warnings = 0;
  /** @type {Map<import('./warnings.js').Never, string[]>} */
  const never = new Map();
  for await (const found of walk(folder)) {
    const { path } = found;
    if (isOwnFile(path) || excluded.has(path.replace(/\/$/, '')) || !making.mayList(path)) continue;
    const why = neverListedBy(found);
    if (why) {
      never.set(why, never.get(why) ?? []);
      never.get(why)?.push(path);
      continue;
    }
    try {
      await making.add(found);
    } catch (error) {
      if (!(error instanceof Unlisted) && isOfProcess(error)) throw error;
      if (++warnings <= limits.warningsPerManifest) onWarning(warningOf(path, unlisted(error, path)));
    }
  }
  for (const [code, paths] of never) onWarning(neverListed(code, paths));
  for (const glob of making.unusedGlobs) onWarning({ path: '', code: 'unused-glob', message: `no file is listed by '${glob}'` });
  const unnamed = warnings - limits.warningsPerManifest;
  if (unnamed > 0) onWarning({ path: '', code: 'more-warnings', message: `${unnamed} more are not listed` });
  for (const path of options.cache?.keys() ?? []) {
    if (!making.listed.has(path)) options.cache?.delete(path);
  }
  return making.made;
}

/** The paths of what a manifest lists that servers usually compress on its way. @param {Manifest} manifest */
export const usuallyCompressed = ({ resources }) =>
  Object.entries(resources)
    .filter(([, { bytes, type }]) => bytes >= limits.compressedBytes && isUsuallyCompressed(type))
    .map(([path]) => path);

/** A file's path in a folder; null if it is elsewhere. @param {string} folder @param {string} file */
function pathIn(folder, file) {
  const path = relative(resolve(folder), resolve(file)).split(sep).join('/');
  return path.startsWith('../') || isAbsolute(path) ? null : path;
}

/**
 * Whether a file that is written into the folder would be one of those that are shared, as far as its name tells.
 * @param {string} folder
 * @param {string} file
 * @param {ManifestOptions} options
 */
export function wouldBeListed(folder, file, { include, exclude }) {
  const path = pathIn(folder, file);
  if (path === null || isOwnFile(path) || new Globs(exclude ?? []).has(path)) return false;
  return new Globs(include ?? []).has(path) || mayBeShared(path);
}

/**
 * Where a manifest is served that is written somewhere in its folder, or apart from it, and where its digest lists are then.
 * @param {string} folder
 * @param {string} output
 * @param {string} [base] as it was given
 * @returns {{ manifest: string, digests: string }} paths on the site
 */
export function servedAt(folder, output, base = '/') {
  const site = publicBase(base);
  const path = pathIn(folder, output) ?? basename(output);
  const within = path.slice(0, path.lastIndexOf('/') + 1);
  return { manifest: publicPath(site, path), digests: publicPath(site, within + digestsBelow) };
}

/** Where the digest lists of a manifest are written. @param {string} output */
export const digestsFolder = (output) => join(dirname(output), digestsBelow);

/**
 * Writes a manifest, and its digest lists into peer-cdn/digests/ beside it. The lists first: whoever sees the new manifest
 * finds them. Lists of earlier manifests stay, for the visitors that still have those. Rejects with an error whose `path` is
 * what could not be written; no half-written file is left then.
 * @param {string} output
 * @param {Made} made by makeManifest
 */
export async function writeManifest(output, { manifest, digests }) {
  const folder = digestsFolder(output);
  await makeFolder(folder);
  for (const [root, list] of digests) await replaceFile(join(folder, root), list);
  await replaceFile(output, `${JSON.stringify(manifest, null, 1)}\n`);
}

/**
 * A folder, and those that it is in. Node's own way to do so never ends where the system lets nobody make one, as in /proc.
 * @param {string} folder
 */
export async function makeFolder(folder) {
  try {
    await mkdir(folder);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
    await makeFolder(dirname(folder));
    // Another one may just have made it.
    await mkdir(folder).catch((later) => {
      if (later.code !== 'EEXIST') throw later;
    });
  }
}

/** @param {string} path @param {string | Buffer} content */
async function replaceFile(path, content) {
  // Others may write at once: of this process, or of one in another container, which may have the same number.
  const draft = `${path}.${randomUUID()}.new`;
  try {
    await writeFile(draft, content);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw Object.assign(/** @type {Error} */ (error), { path });
  }
}
