// Requests that we only pass on. The site's own listeners do not see them any more, so what its own caches hold (a precached
// app, say) is asked here before such a request fails: nobody is worse off for our having answered.
import { USABLE } from '../build/border.js';
import { call, giveUp, soon } from './engine.js';

/**
 * The network's answer. Where the site has navigation preload on, the browser has asked for a page by itself already.
 * @param {FetchEvent} event
 * @returns {Promise<Response>}
 */
export async function fromNetwork({ request, preloadResponse }) {
  const preloaded = await preloadResponse;
  // A middleware of the site's may have read it.
  return preloaded?.bodyUsed === false ? preloaded : fetch(request);
}

/**
 * The network's answer; the site's own where there is none, or where it is of no use. Rejects as fetch() does.
 * @param {FetchEvent} event
 * @param {boolean} [isListed] it is a file of ours: what the origin says of it is the answer, whatever it says
 */
export async function passThrough(event, isListed = false) {
  const answering = fromNetwork(event);
  const answer = await answering.catch(() => {});
  if (answer && (isListed || isUsable(event.request, answer))) return answer;
  const own = await soon(stored(event.request));
  if (!own) return answering;
  giveUp(answer?.body);
  return own;
}

function isUsable(/** @type {Request} */ { destination }, /** @type {Response} */ { status, headers }) {
  try {
    return call(USABLE, `${destination}\n${headers.get('content-type') ?? ''}`, status) > 0;
  } catch {
    return true;
  }
}

// Under its own URL, or as Workbox keeps it: with its revision in the query. Only those: an answer to another query is another
// answer.
async function stored(/** @type {Request} */ request) {
  const exact = await caches.match(request);
  if (exact) return exact;
  const wanted = new URL(request.url);
  wanted.hash = '';
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const key of await cache.keys(request, { ignoreSearch: true })) {
      // As Workbox makes its keys.
      wanted.searchParams.set(REVISION, `${new URL(key.url).searchParams.get(REVISION)}`);
      if (wanted.href === key.url) return cache.match(key);
    }
  }
}

const REVISION = '__WB_REVISION__';
