// Requests that we only pass on. The site's own listeners do not see them any more, so what its own caches hold (a precached
// app, say) is asked here before such a request fails: nobody is worse off for our having answered.
import { USABLE } from '../build/border.js';
import { call } from './engine.js';

/**
 * The network's answer; the site's own where that is of no use, or there is none. Rejects as fetch() does.
 * @param {Request} request
 * @returns {Promise<Response>}
 */
export const passThrough = (request) => fetch(request).then((response) => orOwn(request, response), async (error) => {
  const own = await stored(request);
  if (own) return own;
  throw error;
});

/**
 * An answer of the network, or what the site's own caches have, if a page could not use the answer.
 * @param {Request} request
 * @param {Response} response
 */
export async function orOwn(request, response) {
  if (isUsable(request, response)) return response;
  const own = await stored(request);
  if (!own) return response;
  void response.body?.cancel();
  return own;
}

function isUsable(/** @type {Request} */ { destination }, /** @type {Response} */ { status, headers }) {
  try {
    return call(USABLE, status, `${destination}\n${headers.get('content-type') ?? ''}`) > 0;
  } catch {
    return true;
  }
}

// Under its own URL, or as Workbox keeps it: with its revision in the query. Only those: an answer to another query is another
// answer.
async function stored(/** @type {Request} */ request) {
  if (request.method !== 'GET') return null;
  try {
    const exact = await caches.match(request);
    if (exact) return exact;
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const key of await cache.keys(request, { ignoreSearch: true })) {
        const url = new URL(key.url);
        if (!url.searchParams.has(REVISION)) continue;
        url.searchParams.delete(REVISION);
        if (url.href === request.url.split('#')[0]) return (await cache.match(key)) ?? null;
      }
    }
  } catch {
    // No Cache Storage here: the network's word stands.
  }
  return null;
}

const REVISION = '__WB_REVISION__';
