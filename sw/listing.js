// What a manifest's JSON says, read alike by the worker and the pages. Whether an entry is good the core decides.
import { DIGESTS_PATH, manifestVersion, namedEntries } from '../build/border.js';

/** What stands for the manifest of a site that has none. The blank tells it from one that lists nothing. */
export const noManifest = `{"version":${manifestVersion},"resources":{} }`;

const isRecord = (/** @type {unknown} */ value) => typeof value === 'object' && value !== null && !Array.isArray(value);
/** The core gets the texts of an entry as lines, and a line end would part one into two. */
const isText = (/** @type {unknown} */ value) => typeof value === 'string' && !value.includes('\n');

/** Has the form of an entry. A header's value may be a number. */
function isEntry(/** @type {string} */ path, /** @type {any} */ entry) {
  if (!isText(path) || !isRecord(entry)) return false;
  const { bytes, pieceBytes, root, type = '', pieces = '', anyQuery = false, headers = {} } = entry;
  return (
    typeof bytes === 'number' &&
    typeof pieceBytes === 'number' &&
    isText(root) &&
    isText(type) &&
    isText(pieces) &&
    typeof anyQuery === 'boolean' &&
    isRecord(headers) &&
    Object.entries(headers)
      .flat()
      .every((each) => isText(each) || typeof each === 'number')
  );
}

/**
 * Reads a manifest: the path to which a root is added for its digest list, whether the site switched all off, and the
 * entries. Throws if it is no manifest at all.
 * @param {string} text
 */
export function readManifest(text) {
  const { version, digests = DIGESTS_PATH, resources, disabled } = JSON.parse(text);
  const isOff = disabled === true;
  const isOn = !disabled && isRecord(resources);
  if (version !== manifestVersion || !isText(digests) || !/^\/(?![/\\])/.test(digests) || !(isOff || isOn)) {
    throw 0;
  }
  return { digests, disabled: isOff, entries: isOff ? [] : Object.entries(resources) };
}

/**
 * Hands over entry by entry. A bad one costs only itself; returns the paths to be named.
 * @param {[string, any][]} entries
 * @param {(path: string, entry: any) => boolean} add whether it is good
 */
export function listEntries(entries, add) {
  return entries
    .filter(([path, entry]) => !(isEntry(path, entry) && add(path, entry)))
    .slice(0, namedEntries)
    .map(([path]) => path);
}
