// News of responses, for the pages and for the site's own listeners. The core says when they are told.
import { DO_BUSY, DO_TRANSFER } from '../build/border.js';
import { bodyOf } from './body.js';
import { codeOf } from './engine.js';
import { broadcast } from './pages.js';

/** Transfers of other workers have other ids. */
const tag = Math.random().toString(36).slice(2);
/** Of transfers. @type {object[]} */
const untold = [];

/** @satisfies {Partial<import('../build/border.js').Performer>} */
export const newsPerformer = {
  [DO_TRANSFER]: ({ body: id, error, ...counts }) => {
    const { exchange, wasted } = bodyOf(id);
    const { url, root, length } = exchange;
    counts.wasted += wasted;
    untold.push({ id: `${tag}-${id}`, url, root, bytes: length, ...counts, code: codeOf(error) || null });
  },

  [DO_BUSY]: ({ open }) => broadcast('busy', { open }),
};

/** @param {(detail: object) => void} tellSite of a transfer */
export function tellNews(tellSite) {
  for (const detail of untold.splice(0)) {
    broadcast('transfer', detail);
    tellSite(detail);
  }
}
