// The files of a folder, and the paths by which a site's visitors name them.
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import picomatch from 'picomatch';
import { outOfRange } from './names.js';
import { Unlisted } from './warnings.js';

/** This package's own folder, whether we run from src/server/ or from dist/. */
export const packageFolder = (() => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'peer-cdn') return folder;
    if (folder === dirname(folder)) throw new Error('peer-cdn: its package.json is missing');
  }
})();

/** What browsers load of us: a site serves the folder at /peer-cdn/. */
export const scriptFolder = join(packageFolder, 'dist/browser');
export const scriptNames = ['sw.js', 'sw.mjs', 'index.js', 'page.js', 'engine.js'];

/** As browsers read it: without the mark with which editors of Windows begin a file. @param {string} file */
export const readText = async (file) => new TextDecoder().decode(await readFile(file));

// What a URL parser would end a path at, strip from it or read as another character.
const encoded = (/** @type {string} */ path) => path.replace(/[\0-\x20%?#\\]/g, encodeURIComponent);

/**
 * Where a folder is served, as `URL.pathname` shows it, with a slash at both ends. RangeError if it cannot be such a path.
 * @param {string} base a path, which may be encoded, or a URL, whose path is taken
 */
export function publicBase(base) {
  const refuse = (/** @type {string} */ why) => outOfRange(`base must be where the folder is served, as /app/: '${base}' ${why}`);
  const isUrl = /^https?:\/\//i.test(base);
  if (isUrl && !URL.canParse(base)) throw refuse('is no URL');
  if (/[?#]/.test(base)) throw refuse('has a query or a fragment, which no folder has');
  const path = isUrl ? new URL(base).pathname : base;
  if (/^[a-z]:[/\\]/i.test(path)) throw refuse('is a path of Windows (of Git Bash: set MSYS_NO_PATHCONV=1)');
  if (/^[a-z][a-z\d+.-]*:/i.test(path)) throw refuse('is a URL, but not of a site');
  if (path.startsWith('//')) throw refuse('names another host');
  if (path.includes('\\')) throw refuse('has a backslash');
  if (path.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) throw refuse('has a step that leads elsewhere');
  const slashed = `/${path}/`.replace(/\/+/g, '/').replace(/[^%]+/g, encoded);
  return new URL(`http://host${slashed}`).pathname;
}

/** A relative path as `URL.pathname` shows it under a base. @param {string} base @param {string} path */
export function publicPath(base, path) {
  return new URL(`http://host${base}${encoded(path)}`).pathname;
}

/** Globs of relative paths; one without a slash is about names in any folder, as in .gitignore. */
export class Globs {
  #globs;

  /** @param {string[]} globs */
  constructor(globs) {
    this.#globs = globs.map((glob) => {
      const isMatch = picomatch([glob.includes('/') ? glob.replace(/^\.?\//, '') : `**/${glob}`]);
      return { glob, isMatch, isUsed: false };
    });
  }

  /** Whether one of them is about it. @param {string} path */
  has(path) {
    let has = false;
    for (const each of this.#globs) {
      if (!each.isMatch(path)) continue;
      has = true;
      each.isUsed = true;
    }
    return has;
  }

  /** Those that were about no path. */
  get unused() {
    return this.#globs.filter(({ isUsed }) => !isUsed).map(({ glob }) => glob);
  }
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
 * @property {Error} [error] instead of them: it cannot be looked at, or leads elsewhere
 * @property {'hidden' | 'node-modules'} [skipped] instead of them: why nobody looks at it, or below it
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
 * All that is below a folder. Dotfiles and node_modules are given, but not looked at. Whatever cannot be looked at, and links
 * that lead out of the folder or back into a folder above themselves, are given with the error; throws if that is the folder
 * itself.
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
    let file = join(folder, entry.name);
    let path = prefix + entry.name;
    const skipped = entry.name === 'node_modules' ? 'node-modules' : entry.name.startsWith('.') ? 'hidden' : undefined;
    if (skipped) {
      yield { path: entry.isDirectory() ? `${path}/` : path, file, skipped };
      continue;
    }
    let below;
    try {
      if (entry.isSymbolicLink()) file = await realpath(file);
      const stats = await stat(file);
      if (stats.isDirectory()) path += '/';
      if (!isInside(top, file)) throw new Unlisted('link-outside', 'it is a link that leads out of the folder');
      if (!stats.isDirectory()) {
        yield { path, file, stats };
        continue;
      }
      if (above.includes(file)) throw new Unlisted('link-loop', 'it is a link to a folder that it is in');
      below = await entriesOf(file);
    } catch (error) {
      if (!(error instanceof Unlisted) && isOfProcess(error)) throw error;
      yield { path, file, error: /** @type {Error} */ (error) };
      continue;
    }
    yield* walkBelow(top, below, file, path, [...above, file]);
  }
}
