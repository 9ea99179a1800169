// The files of a folder as a site's visitors name them, and which of them are worth sharing.
import {existsSync, readFileSync} from 'node:fs';
import {open, readdir, realpath, stat} from 'node:fs/promises';
import {dirname, join, sep} from 'node:path';
import {fileURLToPath} from 'node:url';
import mime from 'mime-types';
import picomatch from 'picomatch';

/** This package's own folder, whether we run from src/server/ or from dist/. */
export const packageFolder = (() => {
  for (let folder = dirname(fileURLToPath(import.meta.url));; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'peer-cdn') return folder;
    if (folder === dirname(folder)) throw new Error('peer-cdn: its package.json is missing');
  }
})();

/** The type that `send` gives a file, so that the manifest and the origin agree. */
export function typeOf(path) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return (dot > 0 && mime.contentType(name.slice(dot))) || 'application/octet-stream';
}

/** Shared without being asked for: what is heavy, and the same for everybody. */
const sharedTypes = /^(?:image|video|audio|font|model)\/|^application\/(?:wasm|vnd\.ms-fontobject)/;
/** Data of games, models, maps and archives, most of which have no type of their own. */
const sharedExtensions = new Set([
  'bin', 'dat', 'data', 'pak', 'pck', 'unityweb', 'bundle', 'glb', 'gltf', 'ktx', 'ktx2', 'basis', 'drc', 'hdr', 'exr',
  'onnx', 'safetensors', 'gguf', 'ggml', 'tflite', 'npy', 'npz', 'parquet', 'arrow', 'pmtiles', 'mbtiles', 'pbf', 'laz',
  'copc', 'zip', '7z', 'tar', 'gz', 'tgz', 'xz', 'zst', 'iso', 'img', 'm4s', 'cmfv', 'cmfa',
]);

/**
 * Whether a file is listed when nobody says so. `.ts` is a part of a video or a TypeScript source: only its first byte
 * tells (ISO/IEC 13818-1: every packet begins with 0x47).
 * @param {string} path relative, with slashes
 * @param {string} file where it is
 */
export async function isShared(path, file) {
  const extension = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  if (extension === 'ts' || extension === 'mts') return (await firstByte(file)) === 0x47;
  return sharedExtensions.has(extension) || sharedTypes.test(typeOf(path));
}

async function firstByte(file) {
  const handle = await open(file);
  try {
    const {bytesRead, buffer} = await handle.read(Buffer.alloc(1), 0, 1, 0);
    return bytesRead ? buffer[0] : -1;
  } finally {
    await handle.close();
  }
}

/** A relative path as `URL.pathname` shows it under `base`. */
export function publicPath(base, path) {
  return new URL(`http://host${base}${path.replace(/[%?#\\]/g, encodeURIComponent)}`).pathname;
}

/** Globs of relative paths; one without a slash is about names in any folder, as in .gitignore. */
export function matcher(globs) {
  if (globs.length === 0) return () => false;
  return picomatch(globs.map((glob) => (glob.includes('/') ? glob.replace(/^\.?\//, '') : `**/${glob}`)));
}

export function isInside(folder, path) {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/**
 * Every regular file below a folder, by its relative path with slashes. Skips dotfiles, node_modules and links that lead
 * out of the folder or back into a folder above themselves.
 * @param {string} folder
 * @returns {AsyncGenerator<{path: string, file: string, stats: import('node:fs').Stats}>}
 */
export async function* walk(folder) {
  const top = await realpath(folder);
  yield* walkBelow(top, top, '', [top]);
}

async function* walkBelow(top, folder, prefix, above) {
  const entries = await readdir(folder, {withFileTypes: true});
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    let file = join(folder, entry.name);
    const path = prefix + entry.name;
    try {
      if (entry.isSymbolicLink()) file = await realpath(file);
      if (!isInside(top, file)) continue;
      const stats = await stat(file);
      if (stats.isFile()) yield {path, file, stats};
      if (!stats.isDirectory() || above.includes(file)) continue;
    } catch (error) {
      // A link to nothing, or a file that went meanwhile.
      if (error.code === 'ENOENT' || error.code === 'ELOOP') continue;
      throw error;
    }
    yield* walkBelow(top, file, `${path}/`, [...above, file]);
  }
}
