// The plugins of the worker: factories of middlewares, { get, put }, for the chain of a route.
import { CACHE_PREFIX, PLUGIN_CACHE, PLUGIN_DELEGATE, PLUGIN_NETWORK, PLUGIN_USER, usualPatience } from '../build/border.js';

/** @typedef {import('./exchange.js').Exchange} Exchange */
/** @typedef {{ get: () => Promise<Response | null> | Response | null, put?: (response: Response) => unknown }} Middleware */
/** @typedef {(event: FetchEvent) => Middleware} MiddlewareFactory */

/** The plugins of ours behind their factories. @type {WeakMap<Function, number>} */
const kinds = new WeakMap();

/** Which kind of plugin made this factory. */
export const kindOf = (/** @type {Function} */ factory) => kinds.get(factory) ?? PLUGIN_USER;

/** Requests of routes of ours. @type {WeakMap<FetchEvent, Exchange>} */
export const exchanges = new WeakMap();

let cacheName = `${CACHE_PREFIX}1`;
let quota = 0;

/** The Cache of the newest CachePlugin. */
export const currentCache = () => cacheName;

/** The bytes that it may take; 0 if the site does not say. */
export const currentQuota = () => quota;

/** @type {(options: { timeout: number, patience: number }) => (event: FetchEvent) => Middleware} */
const delegateFor = (options) => (event) => ({
  get: () => exchanges.get(event)?.gather(PLUGIN_DELEGATE, options) ?? null,
});

/** Answers from what is stored; null unless all of the asked range is. */
export class CachePlugin {
  /** A store's Cache is named this + version. The pages use the same name. */
  static peerFetch = CACHE_PREFIX;
  /** The old spelling. */
  static peerfetch = CACHE_PREFIX;

  /** @type {MiddlewareFactory} May be passed on as a function: `cache.getMiddleware`. */
  getMiddleware;

  /**
   * @param {{ version?: number | string, quotaBytes?: number }} [options] With a new version the old store is dropped.
   *   Beyond `quotaBytes` the oldest files are; by default half of what the browser offers, at most 2 GiB.
   */
  constructor({ version = 1, quotaBytes = 0 } = {}) {
    cacheName = CachePlugin.peerFetch + version;
    quota = quotaBytes;
    this.getMiddleware = (event) => ({
      get: () => exchanges.get(event)?.gather(PLUGIN_CACHE) ?? null,
      // Verified pieces are stored as they come, by whoever verified them: there is nothing left to do.
      put: () => {},
    });
    kinds.set(this.getMiddleware, PLUGIN_CACHE);
  }
}

/** Asks a page, which has what a worker has not: connections to peers. Null at once if nobody has it. */
export class DelegatePlugin {
  /** @type {MiddlewareFactory} */
  getMiddleware;

  /**
   * @param {{ timeoutAfter?: number, patience?: number }} [options] `timeoutAfter`: milliseconds until the first byte.
   *   `patience`: the share of the time that the network would need that peers may take to begin, before the origin is asked
   *   as well; 0.2. Less is sooner, more is less from the origin. From 1 on, small files wait for peers too, and
   *   peers may be so many times slower than the origin (at most 4) before it helps them.
   */
  constructor({ timeoutAfter = 5000, patience = usualPatience } = {}) {
    if (typeof patience !== 'number' || !(patience >= 0)) throw new TypeError('peer-cdn: patience is a number from 0 on');
    this.getMiddleware = delegateFor({ timeout: timeoutAfter, patience });
    kinds.set(this.getMiddleware, PLUGIN_DELEGATE);
  }
}

/** The origin: listed files in verified windows, everything else as it is. */
export class NetworkPlugin {
  /** @type {MiddlewareFactory} */
  getMiddleware;

  constructor() {
    this.getMiddleware = (event) => ({
      get: async () => {
        const exchange = exchanges.get(event);
        const response = await exchange?.gather(PLUGIN_NETWORK);
        if (response || exchange?.lost(PLUGIN_NETWORK)) return response ?? null;
        return exchange ? exchange.passThrough() : fetch(event.request);
      },
    });
    kinds.set(this.getMiddleware, PLUGIN_NETWORK);
  }
}

/** Drops the stores of other versions. */
export async function dropOldCaches() {
  const names = await caches.keys();
  return Promise.all(
    names.filter((name) => name.startsWith(CachePlugin.peerFetch) && name !== cacheName).map((name) => caches.delete(name)),
  );
}
