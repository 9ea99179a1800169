// The files of a folder as a site's visitors name them, and which of them are worth sharing.
import { existsSync, readFileSync } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import mime from 'mime-types';
import picomatch from 'picomatch';

/** This package's own folder, whether we run from src/server/ or from dist/. */
export const packageFolder = (() => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'peer-cdn') return folder;
    if (folder === dirname(folder)) throw new Error('peer-cdn: its package.json is missing');
  }
})();

/** The type that `send` gives a file, so that the manifest and the origin agree. @param {string} path */
export function typeOf(path) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return (dot > 0 && mime.contentType(name.slice(dot))) || 'application/octet-stream';
}

/** Shared without being asked for: what is heavy, and the same for everybody. */
const sharedTypes = /^(?:image|video|audio|font|model)\/|^application\/(?:wasm|vnd\.ms-fontobject)/;
/** Data of games, models, maps and archives, most of which have no type of their own. */
const sharedExtensions = new Set([
  'bin',
  'dat',
  'data',
  'pak',
  'pck',
  'unityweb',
  'bundle',
  'glb',
  'gltf',
  'ktx',
  'ktx2',
  'basis',
  'drc',
  'hdr',
  'exr',
  'onnx',
  'safetensors',
  'gguf',
  'ggml',
  'tflite',
  'npy',
  'npz',
  'parquet',
  'arrow',
  'pmtiles',
  'mbtiles',
  'pbf',
  'laz',
  'copc',
  'zip',
  '7z',
  'tar',
  'gz',
  'tgz',
  'xz',
  'zst',
  'iso',
  'img',
  'm4s',
  'cmfv',
  'cmfa',
]);

const extensionOf = (/** @type {string} */ path) => path.slice(path.lastIndexOf('.') + 1).toLowerCase();

/**
 * `.ts` is a part of a video or a TypeScript source: only its first byte tells (ISO/IEC 13818-1: every packet begins with
 * 0x47).
 */
const isVideoOrSource = (/** @type {string} */ path) => ['ts', 'mts'].includes(extensionOf(path));

/** Whether a file is listed when nobody says so, as far as its name tells. @param {string} path relative, with slashes */
export function mayBeShared(path) {
  const extension = extensionOf(path);
  return isVideoOrSource(path) || sharedExtensions.has(extension) || sharedTypes.test(typeOf(path));
}

/**
 * Whether a file is listed when nobody says so.
 * @param {string} path relative, with slashes
 * @param {string} file where it is
 */
export async function isShared(path, file) {
  return mayBeShared(path) && (!isVideoOrSource(path) || (await firstByte(file)) === 0x47);
}

/** @param {string} file */
async function firstByte(file) {
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(1), 0, 1, 0);
    return bytesRead ? buffer[0] : -1;
  } finally {
    await handle.close();
  }
}

// What a URL parser would end a path at, strip from it or read as another character.
const encoded = (/** @type {string} */ path) => path.replace(/[\0-\x20%?#\\]/g, encodeURIComponent);

/** Where a folder is served, as `URL.pathname` shows it, with a slash at both ends. @param {string} base may be encoded */
export function publicBase(base) {
  const path = `/${base}/`.replace(/\/+/g, '/').replace(/[^%]+/g, encoded);
  return new URL(`http://host${path}`).pathname;
}

/** A relative path as `URL.pathname` shows it under a base. @param {string} base @param {string} path */
export function publicPath(base, path) {
  return new URL(`http://host${base}${encoded(path)}`).pathname;
}

/**
 * Globs of relative paths; one without a slash is about names in any folder, as in .gitignore.
 * @param {string[]} globs
 * @returns {(path: string) => boolean}
 */
export function matcher(globs) {
  if (globs.length === 0) return () => false;
  return picomatch(globs.map((glob) => (glob.includes('/') ? glob.replace(/^\.?\//, '') : `**/${glob}`)));
}

/** @param {string} folder @param {string} path */
export function isInside(folder, path) {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/**
 * @typedef {object} Found
 * @property {string} path relative, with slashes; a folder's ends in one
 * @property {string} file where it is
 * @property {import('node:fs').Stats} [stats] of a file, or of whatever else is no folder
 * @property {NodeJS.ErrnoException} [error] instead of them: it cannot be looked at
 */

/**
 * Whether an error is of the process and not of one file: no file can be read while it holds.
 * @param {unknown} error
 */
export function isOfProcess(error) {
  const { code, errno } = /** @type {NodeJS.ErrnoException} */ (error);
  return errno === undefined || ['EMFILE', 'ENFILE', 'ENOMEM'].includes(String(code));
}

/**
 * All that is below a folder. Skips dotfiles, node_modules and links that lead out of the folder or back into a folder
 * above themselves. Whatever cannot be looked at is given with its error; throws if that is the folder itself.
 * @param {string} folder
 * @returns {AsyncGenerator<Found>}
 */
export async function* walk(folder) {
  const top = await realpath(folder);
  yield* walkBelow(top, await entriesOf(top), top, '', [top]);
}

/** @param {string} folder */
async function entriesOf(folder) {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * @param {string} top
 * @param {import('node:fs').Dirent[]} entries
 * @param {string} folder
 * @param {string} prefix of their paths
 * @param {string[]} above the folders that this one is in
 * @returns {AsyncGenerator<Found>}
 */
async function* walkBelow(top, entries, folder, prefix, above) {
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    let file = join(folder, entry.name);
    let path = prefix + entry.name;
    let below;
    try {
      if (entry.isSymbolicLink()) file = await realpath(file);
      if (!isInside(top, file)) continue;
      const stats = await stat(file);
      if (!stats.isDirectory()) {
        yield { path, file, stats };
        continue;
      }
      if (above.includes(file)) continue;
      path += '/';
      below = await entriesOf(file);
    } catch (error) {
      if (isOfProcess(error)) throw error;
      yield { path, file, error: /** @type {NodeJS.ErrnoException} */ (error) };
      continue;
    }
    yield* walkBelow(top, below, file, path, [...above, file]);
  }
}
