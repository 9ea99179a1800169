// What the core must know before it makes connections that nobody needs yet (src/peer/ahead.hpp).
import {
  firstSocketWait,
  PERMISSION_DENIED,
  PERMISSION_GRANTED,
  PERMISSION_UNKNOWN,
  WORD_NO,
  WORD_UNSAID,
  WORD_YES,
} from '../build/border.js';
import { within } from '../sw/within.js';

/** @type {Record<string, number>} */
const permissions = { granted: PERMISSION_GRANTED, denied: PERMISSION_DENIED };

// Browsers without that permission refuse its name; of one that does not answer nothing is known.
async function localNetwork() {
  try {
    const query = navigator.permissions.query(/** @type {any} */ ({ name: 'local-network' }));
    const { state } = /** @type {PermissionStatus} */ (await within(firstSocketWait, query));
    return permissions[state] || PERMISSION_UNKNOWN;
  } catch {
    return PERMISSION_UNKNOWN;
  }
}

/**
 * @param {boolean | undefined} word the site's
 * @returns {Promise<[word: number, permission: number, isMac: boolean]>}
 */
export async function askedAhead(word) {
  const said = word === undefined ? WORD_UNSAID : word ? WORD_YES : WORD_NO;
  return [said, await localNetwork(), /^Mac/.test(globalThis.navigator?.platform ?? '')];
}
