// Adoption: listed files that this page had already loaded, before the worker was there, are read again from
// the HTTP cache, never from the origin, so that a first visitor can share them too.
import { PEER_JUDGE, wholeBytes } from '../build/border.js';
import { answerWords } from '../sw/words.js';
import { idle } from './idle.js';
import { bypass } from './resources.js';

/**
 * @param {import('./core.js').Core} core
 * @param {import('./resources.js').Resources} resources
 * @param {import('./pieces.js').Pieces} pieces
 * @param {string[]} urls
 * @param {() => boolean} stopped
 */
export async function adopt(core, resources, pieces, urls, stopped) {
  for (const url of new Set(urls)) {
    const resource = resources.find(url);
    if (!resource || !(resource.bytes <= wholeBytes) || resources.isHeld(resource.root)) continue;
    if (stopped()) return;
    try {
      const response = await fetch(url, { cache: 'only-if-cached', mode: 'same-origin', headers: bypass });
      const { status } = response;
      if (core.callText(PEER_JUDGE, answerWords(response), status, resource.bytes, 0, resource.bytes)) {
        // Unread it would keep the browser from writing a newer answer there.
        await response.body?.cancel();
        continue;
      }
      await pieces.adopt(resource, new Uint8Array(await response.arrayBuffer()), url, response);
    } catch {
      // Not in the HTTP cache any more: not worth a request.
    }
    // A worker of its own keeps nobody waiting.
    if (globalThis.document) await idle();
  }
}
