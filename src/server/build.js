// What a site needs beside its own files, put into a built folder: `import { build } from 'peer-cdn/build'`.
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { makeManifest, writeManifest } from 'peer-cdn/server';
import { MANIFEST_PATH } from '../../build/border.js';
import { publicBase, scriptFolder, scriptNames } from './files.js';
import { buildNames, checkNames } from './names.js';
import { nothingListed, warnProcess } from './warnings.js';

/**
 * @typedef {object} BuildExtras
 * @property {string | false} [worker] the service worker in the folder; it is written if there is none; default 'sw.js'. False:
 *     the site has its own, bundled with 'peer-cdn/sw'
 * @typedef {import('./manifest.js').ManifestOptions & BuildExtras} BuildOptions
 */

/**
 * @typedef {object} Built
 * @property {import('./manifest.js').Manifest} manifest
 * @property {number} files how many it lists
 * @property {number} bytes of them all
 * @property {string[]} doubled listed paths that a precache list of Workbox has too
 */

/** The worker's path below the base, however a site names it: 'sw.js', './sw.js' or '/sw.js'. @param {string} [worker] */
export const workerPath = (worker = 'sw.js') => posix.join('/', worker);

/**
 * A worker that shares what the manifest lists, and leaves all else alone.
 * @param {string} base where the folder is served
 * @param {string} path the worker's own, below the base
 */
export function workerText(base, path = workerPath()) {
  return `importScripts('${posix.relative(posix.dirname(path), '/peer-cdn/sw.js').replace(/^(?!\.)/, './')}');
const { CachePlugin, DelegatePlugin, NetworkPlugin, strategies } = PeerCDN;
const cdn = new PeerCDN({ manifest: ${JSON.stringify(base + MANIFEST_PATH.slice(1))} });
const plugins = [new CachePlugin({ version: 1 }), new DelegatePlugin(), new NetworkPlugin()];
cdn.GET(${JSON.stringify(base)}, strategies.ordered, ...plugins.map(({ getMiddleware }) => getMiddleware));
cdn.register();
`;
}

/**
 * Writes the worker, unless the site has one of its own: one that was written for another base is none.
 * @param {string} file
 * @param {string} text
 */
async function writeWorker(file, text) {
  // The base is all that stands in double quotes.
  const shape = (/** @type {string} */ script) => script.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text, { flag: 'wx' }).catch(async (error) => {
    if (error.code !== 'EEXIST') throw error;
    const before = await readFile(file, 'utf8');
    if (before !== text && shape(before) === shape(text)) await writeFile(file, text);
  });
}

/**
 * The paths that a precache list of Workbox in a worker names.
 * @param {string} folder
 * @param {string} base
 */
async function precached(folder, base) {
  const names = (await readdir(folder)).filter((name) => /\.m?js$/.test(name));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  const entries = texts.flatMap((text) => text.match(/\{[^{}]*\brevision\b[^{}]*\}/g) ?? []);
  const urls = entries.flatMap((entry) => entry.match(/\burl["']?\s*:\s*["']([^"']+)["']/)?.[1] ?? []);
  const site = `http://host${base}`;
  // Other scripts have text that looks like one.
  return new Set(urls.filter((url) => URL.canParse(url, site)).map((url) => new URL(url, site).pathname));
}

/**
 * Writes manifest, digest lists and scripts into a built folder, and a service worker if it has none. Call it when all else is
 * written.
 * @param {string} folder
 * @param {BuildOptions} [options]
 * @returns {Promise<Built>}
 */
export async function build(folder, options = {}) {
  checkNames(options, [buildNames], 'build()');
  const { worker: named, ...listing } = options;
  const base = publicBase(options.base ?? '/');
  const onWarning = options.onWarning ?? warnProcess;
  const made = await makeManifest(folder, listing);
  await writeManifest(join(folder, MANIFEST_PATH), made);
  await mkdir(join(folder, 'peer-cdn'), { recursive: true });
  for (const name of scriptNames) await copyFile(join(scriptFolder, name), join(folder, 'peer-cdn', name));
  if (named !== false) {
    const path = workerPath(named ?? undefined);
    await writeWorker(join(folder, path), workerText(base, path));
  }
  const { resources } = made.manifest;
  const paths = await precached(folder, base);
  const doubled = Object.keys(resources).filter((path) => paths.has(path));
  if (doubled.length > 0) {
    const some = doubled.slice(0, 3).join(', ') + (doubled.length > 3 ? ', ...' : '');
    const message = `${doubled.length} listed files are precached too, so each visitor fetches them twice (${some})`;
    onWarning({ path: '', code: 'precached-too', message: `${message}: exclude them here or there` });
  }
  if (Object.keys(resources).length === 0) onWarning(nothingListed);
  const bytes = Object.values(resources).reduce((sum, resource) => sum + resource.bytes, 0);
  return { manifest: made.manifest, files: Object.keys(resources).length, bytes, doubled };
}
