// Whether a manifest is of a folder as it is now.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readText } from './files.js';
import { readListing } from './listing.js';
import { digestsFolder } from './manifest.js';

/**
 * @typedef {object} Difference
 * @property {string} path on the site
 * @property {'changed' | 'gone' | 'new' | 'bad-entry' | 'no-list' | 'digests' | 'malformed-manifest' | 'disabled'} code
 * @property {string} message
 */

/** @param {Difference['code']} code @param {string} path @param {string} why @returns {Difference} */
const difference = (code, path, why) => ({ path, code, message: path ? `${path} ${why}` : why });

/**
 * Rejects with Node's error if there is no such file.
 * @param {string} output the manifest's file
 * @param {import('./manifest.js').Made} made of the folder as it is
 * @returns {Promise<Difference[]>}
 */
export async function checkFolder(output, { manifest, digests }) {
  const text = await readText(output);
  let listing;
  try {
    listing = readListing(text);
  } catch {
    return [difference('malformed-manifest', '', `${output} is no manifest`)];
  }
  const { entries, bad } = listing;
  if (listing.disabled) return [difference('disabled', '', `${output} turns sharing off`)];
  const found = bad.map((path) => difference('bad-entry', path, 'has an entry that browsers skip'));
  if (listing.digests !== manifest.digests) {
    found.push(
      difference('digests', '', `the digest lists are looked for at ${listing.digests}, and are at ${manifest.digests}`),
    );
  }
  for (const [path, resource] of Object.entries(manifest.resources)) {
    const entry = entries.get(path);
    if (!entry && !bad.includes(path)) found.push(difference('new', path, 'is not in the manifest'));
    else if (entry && !isDeepStrictEqual(entry, resource)) found.push(difference('changed', path, 'is not as the manifest says'));
  }
  for (const path of entries.keys()) {
    if (!Object.hasOwn(manifest.resources, path))
      found.push(difference('gone', path, 'is in the manifest and would not be listed'));
  }
  for (const [root, list] of digests) {
    const stored = await readFile(join(digestsFolder(output), root)).catch(() => null);
    if (stored?.equals(list)) continue;
    const path = Object.entries(manifest.resources).find(([, resource]) => resource.root === root)?.[0] ?? '';
    found.push(difference('no-list', path, `has no right digest list in ${digestsFolder(output)}`));
  }
  return found;
}
