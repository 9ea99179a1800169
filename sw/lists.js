// Digest lists of resources of several pieces: from the store, or from the site. The core says whether one is good.
import { digestsWait, LIST, NO_LIST } from '../build/border.js';
import { ask, call, codeOf, isOn, soon } from './engine.js';

/** By root: resolves to why there is none, '' if the core has it. @type {Map<string, Promise<string>>} */
export const lists = new Map();

/** Why there is no list of that root; '' when there is one, or when none is needed. */
export const listOf = (/** @type {string} */ root) => lists.get(root);

/**
 * @param {string} root
 * @param {string} url where the site has lists: the root is added
 * @param {import('./store.js').Store | null} store
 */
export function needList(root, url, store) {
  const list = load(root, url, store).catch(() => 'origin-unreachable');
  lists.set(root, list);
  void list.then((code) => {
    // Unless it was asked for anew meanwhile.
    if (code && isOn() && lists.get(root) === list) call(NO_LIST, root);
  });
}

/** @type {(root: string, url: string, store: import('./store.js').Store | null) => Promise<string>} */
async function load(root, url, store) {
  const stored = await soon(store?.digests(root));
  if (stored && !(await judge(root, 200, stored))) return '';
  const response = await ask(url + root, digestsWait);
  const list = await response.arrayBuffer();
  const code = await judge(root, response.status, list);
  if (!code) void store?.putDigests(root, list).catch(() => {});
  return code;
}

async function judge(/** @type {string} */ root, /** @type {number} */ status, /** @type {ArrayBuffer} */ list) {
  const digest = await crypto.subtle.digest('SHA-256', list);
  const error = call(LIST, await new Blob([root, digest, list]).arrayBuffer(), status);
  return codeOf(error);
}
