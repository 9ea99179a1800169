// `peer-cdn manifest`: writes the manifest of a folder, again at each change with --watch; or compares it with --check.
import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { MANIFEST_PATH } from '../../build/border.js';
import { CliError, explain, FAILED, usage } from './cli-errors.js';
import { readText } from './files.js';
import * as limits from './limits.js';
import { LiveManifest } from './live-manifest.js';
import {
  digestsFolder,
  makeFolder,
  makeManifest,
  servedAt,
  usuallyCompressed,
  wouldBeListed,
  writeManifest,
} from './manifest.js';

/** @typedef {import('./warnings.js').ManifestWarning} ManifestWarning */

/**
 * @typedef {object} ManifestCommand
 * @property {string} [output]
 * @property {string} [base]
 * @property {boolean} [watch]
 * @property {boolean} [check]
 */

const sum = (/** @type {{ bytes: number }[]} */ resources) => resources.reduce((all, { bytes }) => all + bytes, 0);
const count = (/** @type {number} */ number, /** @type {string} */ one) => `${number} ${one}${number === 1 ? '' : 's'}`;

/** The line that a worker needs, if its manifest is not where it looks by itself. @param {string} path */
function pasted(path) {
  if (path === MANIFEST_PATH) return '';
  const scope = path.endsWith(MANIFEST_PATH) ? `, unless its scope is ${path.slice(0, 1 - MANIFEST_PATH.length)}` : '';
  return `In the service worker${scope}: new PeerCDN({ manifest: '${path}' })\n`;
}

/** What else is to be known of what was written. @param {import('./manifest.js').Manifest} manifest */
function remarks(manifest) {
  const compressed = usuallyCompressed(manifest);
  if (compressed.length === 0) return [];
  const some = compressed.slice(0, 3).join(', ') + (compressed.length > 3 ? ', ...' : '');
  const message = `servers usually compress ${some}: 'peer-cdn doctor' says whether yours does, and what that costs`;
  return [{ path: '', code: 'usually-compressed', message }];
}

/** A pipe or a device may never end, and is no place for a manifest. @param {string} output */
async function checkIsFile(output) {
  const stats = await stat(output).catch((error) => {
    if (error.code === 'ENAMETOOLONG') throw error;
    return null;
  });
  if (stats?.isDirectory() || /[/\\]$/.test(output)) throw Object.assign(new Error(), { code: 'EISDIR', path: output });
  // A file that takes the place of /dev/null would take it from the whole machine.
  if (stats && !stats.isFile()) throw new CliError('not-a-file', `${output} is a pipe, a socket or a device`);
}

/** Whether a text is a manifest, of whatever version. @param {string} text */
function isManifest(text) {
  try {
    const { version, resources } = JSON.parse(text);
    return typeof version === 'number' && typeof resources === 'object' && resources !== null && !Array.isArray(resources);
  } catch {
    return false;
  }
}

/**
 * A mistyped name must cost nobody a file, and a manifest does not list itself.
 * @param {string} folder
 * @param {string} output
 * @param {import('./manifest.js').ManifestOptions} options
 */
async function checkIsFree(folder, output, options) {
  if (wouldBeListed(folder, output, options)) {
    throw usage('bad-value', `--output takes a file that is not shared itself, as peer-cdn.json, not '${output}'`);
  }
  const about = await stat(output).catch(() => null);
  if (about && (about.size > limits.manifestFileBytes || !isManifest(await readText(output)))) {
    throw new CliError('not-a-manifest', `${output} is there, and is no manifest: it stays as it is`);
  }
}

/**
 * By what one sees that somebody has changed what was written: a build that empties its folder takes manifest and lists along.
 * Null: some of it is not there.
 * @param {string} output
 */
async function stateOf(output) {
  const [file, lists] = await Promise.all([output, digestsFolder(output)].map((each) => stat(each).catch(() => null)));
  return file && lists && `${file.ino} ${file.size} ${file.mtimeMs} ${lists.ino}`;
}

/**
 * @param {string} folder
 * @param {ManifestCommand} command
 * @param {import('./manifest.js').ManifestOptions & { onWarning: (warning: ManifestWarning) => void }} options
 * @param {object} io
 * @param {(text: string, object: object) => void} io.print what was done, with the warnings that led to it
 * @param {() => void} io.printRest warnings that wait for a print(), though nothing was done
 * @param {AbortSignal | undefined} io.signal
 * @returns {Promise<number>} the status of the process
 */
export async function runManifest(folder, command, options, { print, printRest, signal }) {
  const output = command.output ?? join(folder, MANIFEST_PATH);
  const served = servedAt(folder, output, command.base);
  const listing = { ...options, base: command.base, digestsBase: served.digests };
  await checkIsFile(output);
  if (command.check) {
    const { checkFolder } = await import('./check.js');
    const differences = await checkFolder(output, await makeManifest(folder, listing));
    const text = differences.map(({ code, message }) => `${code}: ${message}\n`).join('');
    print(text || `${output} is of ${folder} as it is\n`, { output, differences });
    return differences.length > 0 ? FAILED : 0;
  }
  // A folder that cannot be read is said first: nothing would be written for it.
  await access(folder, constants.R_OK);
  if (command.output !== undefined) await checkIsFree(folder, output, options);
  // Whatever is wrong with the place is said before long work.
  await makeFolder(digestsFolder(output));
  const live = new LiveManifest(folder, listing);
  let written = '';
  /** @type {string | null} */
  let state = null;
  const write = async () => {
    const { etag, ...made } = await live.current();
    if (etag === written && state && state === (await stateOf(output))) return;
    // Whoever has taken the folder away does not want it back. That it is gone was said when it was read.
    if (written && !(await stat(folder).catch(() => null))) return;
    await writeManifest(output, made);
    written = etag;
    state = await stateOf(output);
    const resources = Object.values(made.manifest.resources);
    for (const remark of remarks(made.manifest)) options.onWarning(remark);
    const lists = `${count(made.digests.size, 'digest list')} in ${digestsFolder(output)}`;
    const text = `${output}: ${count(resources.length, 'file')}, ${sum(resources)} bytes; ${lists}\n${pasted(served.manifest)}`;
    print(text, {
      output,
      manifest: served.manifest,
      digests: served.digests,
      digestsFolder: digestsFolder(output),
      files: resources.length,
      bytes: sum(resources),
    });
  };
  await write();
  let told = '';
  while (signal && !signal.aborted) {
    await after(limits.rescanMs, undefined, { signal }).catch(() => {});
    try {
      if (!signal.aborted) await write();
      told = '';
    } catch (error) {
      // A folder that is being written anew: it is looked at again.
      const { code, message } = explain(/** @type {Error} */ (error));
      if (told !== message) options.onWarning({ path: '', code, message: `nothing is written: ${message}` });
      told = message;
    }
    printRest();
  }
  return 0;
}

/** @param {ManifestCommand} command */
export function checkManifestCommand({ check, watch, output }) {
  if (check && watch) throw usage('bad-arguments', '--check looks once: it goes without --watch');
  if (output?.startsWith('=')) throw usage('bad-value', `-o takes a file behind a space: -o ${output.slice(1)}`);
  if (output === '') throw usage('bad-value', '--output takes a file');
  if (output === '-') throw usage('bad-value', '--output takes a file, not standard output: digest lists are written beside it');
}
