// News of responses, for the pages and for the site's own listeners. Each message takes time of the worker and of every page:
// they go out together, when no response waits. Whether the worker is busy is told if it lasts, because most responses are over
// by then.
import { progressWait } from '../build/border.js';
import { bodyOf } from './body.js';
import { codeOf } from './engine.js';
import { broadcast } from './pages.js';
import { calm } from './storage.js';

/** @typedef {import('../build/border.js').Commands['Transfer']} Transfer */

/** Transfers of other workers have other ids. */
const tag = Math.random().toString(36).slice(2, 8);

/** What the core says of how a body goes, as pages and the site are told it. */
export function transferOf(/** @type {Transfer} */ { body: id, error, ...counts }) {
  const body = bodyOf(id);
  const { url, root, length } = body.exchange;
  return { id: `${tag}-${id}`, url, root, bytes: length, ...counts, wasted: counts.wasted + body.wasted, code: codeOf(error) };
}

/**
 * @param {() => number} openResponses how many there are
 * @param {(detail: object) => void} tellSite of a transfer
 * @returns {(transfer?: object) => void} how a transfer goes; or whether the worker is busy may have changed
 */
export function newsOf(openResponses, tellSite) {
  /** Of transfers. @type {object[]} */
  const untold = [];
  let isSaidBusy = false;
  let timer = 0;
  return (transfer) => {
    if (transfer) untold.push(transfer);
    if (timer) return;
    timer = setTimeout(async () => {
      await calm();
      timer = 0;
      for (const detail of untold.splice(0)) {
        broadcast('transfer', detail);
        tellSite(detail);
      }
      const open = openResponses();
      if (open > 0 === isSaidBusy) return;
      isSaidBusy = open > 0;
      broadcast('busy', { open });
    }, progressWait);
  };
}
