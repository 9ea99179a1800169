// Adoption: listed files that this page had already loaded, before the worker was there, are read again from
// the HTTP cache, never from the origin, so that a first visitor can share them too.
import { wholeBytes } from '../build/border.js';
import { bypass, mayShare } from './resources.js';

/** Resolves when the page has nothing else to do. */
export const idle = () =>
  new Promise((resolve) => {
    if (typeof requestIdleCallback === 'function') requestIdleCallback(resolve, { timeout: 10000 });
    else setTimeout(resolve, 2000);
  });

/**
 * @param {import('./resources.js').Resources} resources
 * @param {import('./pieces.js').Pieces} pieces
 * @param {() => boolean} stopped
 */
export async function adopt(resources, pieces, stopped) {
  if (!globalThis.performance?.getEntriesByType || resources.listed.size === 0) return;
  await idle();
  const urls = new Set(performance.getEntriesByType('resource').map(({ name }) => name));
  for (const url of urls) {
    const resource = resources.find(url);
    if (!resource || !(resource.bytes <= wholeBytes) || resources.isHeld(resource.root)) continue;
    if (stopped()) return;
    try {
      const response = await fetch(url, { cache: 'only-if-cached', mode: 'same-origin', headers: bypass });
      if (response.status !== 200 || !mayShare(response)) continue;
      const body = await response.arrayBuffer();
      const isRight = body.byteLength === resource.bytes;
      if (isRight) await pieces.adopt(resource, new Uint8Array(body), url, response);
    } catch {
      // Not in the HTTP cache any more: not worth a request.
    }
    await idle();
  }
}
