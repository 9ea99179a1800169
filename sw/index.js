// The service worker's entry: PeerCDN and its plugins.
import {
  ADD_ROUTE,
  BYPASS_HEADER,
  digestsWait,
  ERROR_CODE,
  FLAG_AUTHORIZATION,
  FLAG_BYPASS,
  FLAG_CONDITION,
  FLAG_SAME_ORIGIN,
  MANIFEST_PATH,
  PATTERNS,
  protocolVersion,
  ROUTE,
  ROUTE_UNLISTED,
  SET_MANIFEST_PATH,
  STRATEGY_FASTEST,
  STRATEGY_ORDERED,
} from '../build/border.js';
import { handleCompany, handleStored, openCount } from './body.js';
import { ask, call, callText, isOn, onFailure, regexps, soon } from './engine.js';
import { Exchange } from './exchange.js';
import { ManifestKeeper } from './manifest.js';
import { passThrough } from './own.js';
import { askPage, broadcast, choosePage, handleMessage, startPages } from './pages.js';
import { CachePlugin, currentCache, DelegatePlugin, dropOldCaches, exchanges, kindOf, NetworkPlugin } from './plugins.js';
import { scope } from './scope.js';
import { StoreKeeper } from './storage.js';

/** @typedef {import('./plugins.js').MiddlewareFactory} MiddlewareFactory */
/** @typedef {'ordered' | 'fastest'} Strategy */

/** How the middlewares of a route are asked: one after another, or all at once. */
const strategies = { ordered: /** @type {Strategy} */ ('ordered'), fastest: /** @type {Strategy} */ ('fastest') };

/** Request headers that the core is told of. @type {[number, string[]][]} */
const flagged = [
  [FLAG_AUTHORIZATION, ['authorization']],
  [FLAG_BYPASS, [BYPASS_HEADER]],
  [FLAG_CONDITION, ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']],
];

const isListOf = async (/** @type {string} */ root, /** @type {ArrayBuffer} */ list) => {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', list));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('') === root;
};

/**
 * Routes of a site, and the plugins that answer for them. Events: 'error' ({ code, url }) and 'transfer', with
 * the details in `event.detail`.
 */
class PeerCDN extends EventTarget {
  static CachePlugin = CachePlugin;
  static DelegatePlugin = DelegatePlugin;
  static NetworkPlugin = NetworkPlugin;
  static strategies = strategies;

  #manifest;
  /** @type {MiddlewareFactory[][]} by the core's number of the route */
  #routes = [];
  #storage = new StoreKeeper();
  /** @type {Map<string, Promise<ArrayBuffer>>} being fetched */
  #lists = new Map();
  #isBusy = false;
  #left = true; // what was open when a manifest came, perhaps to the worker before this one, may be unlisted and stored

  /**
   * @param {{ manifest?: string }} [options] where the manifest is, on this origin
   */
  constructor({ manifest = MANIFEST_PATH } = {}) {
    super();
    this.#manifest = new ManifestKeeper(
      manifest,
      () => this.#storage.open(),
      (code, url) => this.#report(code, url),
      (lists) => this.#handleManifest(lists),
    );
    onFailure((error) => queueMicrotask(() => this.#report('engine-failed', '', error)));
    try {
      call(SET_MANIFEST_PATH, new URL(manifest, location.href).pathname);
    } catch {
      // Off: the site goes on as without us.
    }
  }

  /**
   * Adds a route for GET requests: '/static' also serves what is below it, '/' everything, ':name' one segment,
   * ':name(regexp)' one segment that matches. Throws if the path cannot be read.
   * @param {string} path
   * @param {Strategy} strategy
   * @param {...MiddlewareFactory} factories
   */
  GET(path, strategy, ...factories) {
    if (!(strategy in strategies) || factories.some((each) => typeof each !== 'function')) {
      throw new TypeError('peer-cdn: GET(path, strategy, ...middlewares)');
    }
    if (!isOn()) return this;
    const number = strategy === 'fastest' ? STRATEGY_FASTEST : STRATEGY_ORDERED;
    const id = call(ADD_ROUTE, `${factories.map(kindOf).join('')}\n${path}`, number);
    if (id < 0) throw new TypeError(`peer-cdn: ${callText(ERROR_CODE, -id)}: ${path}`);
    this.#routes[id] = factories;
    regexps.length = 0;
    for (const pattern of callText(PATTERNS).split('\n').slice(1)) regexps.push(new RegExp(`^(?:${pattern})$`));
    return this;
  }

  /** Listens. To be called while the worker's script first runs. */
  register() {
    startPages((root, begin, end) => {
      handleStored(root, begin, end);
      this.#manifest
        .ready()
        .then(() => this.#storage.handleStored(root, begin, end))
        .catch(() => {});
    });
    scope.addEventListener('activate', (event) =>
      event.waitUntil(Promise.allSettled([scope.clients.claim(), dropOldCaches(), this.#manifest.revalidate()])),
    );
    scope.addEventListener('message', (event) => {
      const { peerCdn, type, root } = event.data ?? {};
      if (peerCdn === protocolVersion && type === 'company') handleCompany(String(root));
      if (handleMessage(event)) broadcast('busy', { open: openCount(), cache: currentCache() });
    });
    scope.addEventListener('fetch', (event) => this.#handleFetch(event));
    // Before it is asked for: what the manifest in memory does not list is left to the site's other listeners.
    void this.#manifest.load();
    return this;
  }

  #handleFetch(/** @type {FetchEvent} */ event) {
    const { request } = event;
    const { url, headers } = request;
    if (!isOn()) return;
    if (request.mode === 'navigate') event.waitUntil(this.#manifest.revalidate());
    let flags = url.startsWith(`${location.origin}/`) ? FLAG_SAME_ORIGIN : 0;
    for (const [flag, names] of flagged) {
      if (names.some((name) => headers.has(name))) flags |= flag;
    }
    const { pathname, search } = new URL(url);
    const words = [request.method, request.destination, request.cache, pathname + search].join('\n');
    const route = () => call(ROUTE, words, flags);
    try {
      const id = route();
      if (id >= 0) event.respondWith(this.#answer(event, route));
      else if (id === ROUTE_UNLISTED && this.#manifest.isOld) event.waitUntil(this.#manifest.ready());
    } catch {
      // The core failed just now, and told so: the browser goes on by itself.
    }
  }

  async #answer(/** @type {FetchEvent} */ event, /** @type {() => number} */ route) {
    try {
      // In a worker that has just started nobody knew yet what is listed.
      await this.#manifest.load();
      if (route() >= 0) await this.#manifest.ready();
      const id = route();
      if (id < 0) return passThrough(event.request);
      const exchange = new Exchange(event, id, this.#routes[id], kindOf, this.#worker);
      exchanges.set(event, exchange);
      return await exchange.run();
    } catch (error) {
      if (isOn()) throw error;
      return fetch(event.request);
    }
  }

  /** @type {import('./exchange.js').Worker} */
  #worker = {
    choosePage,
    store: () => this.#storage.open(),
    runs: (root) => this.#storage.runs(root),
    report: (code, url, error) => this.#report(code, url, error),
    around: (store, page) => ({
      store,
      put: (...run) => this.#storage.put(...run),
      digests: ({ root }) => this.#digests(root, store),
      askPage: (...asks) => page && askPage(page, this.#manifest.digests, ...asks),
      emit: (type, detail) => this.#emit(type, detail),
      report: (code, url) => this.#report(code, url),
      lost: (code, url) => this.#lose(code, url),
      changed: () => this.#tellBusy(),
    }),
  };

  // The digest list of a resource of several pieces, checked against its root. Several bodies ask once.
  #digests(/** @type {string} */ root, /** @type {import('./store.js').Store | null} */ store) {
    let list = this.#lists.get(root);
    if (!list) {
      list = this.#fetchDigests(root, store).finally(() => this.#lists.delete(root));
      this.#lists.set(root, list);
    }
    return list;
  }

  async #fetchDigests(/** @type {string} */ root, /** @type {import('./store.js').Store | null} */ store) {
    const stored =
      this.#storage.mayHold(root) &&
      (await soon(
        store?.digests(root).catch(() => null),
        null,
      ));
    if (stored && (await isListOf(root, stored))) return stored;
    const response = await ask(this.#manifest.digests + root, {
      headers: { [BYPASS_HEADER]: 'bypass' },
      signal: AbortSignal.timeout(digestsWait),
    });
    if (!response.ok) throw new Error(response.status < 500 ? 'digests-mismatch' : 'origin-unreachable');
    const list = await response.arrayBuffer();
    if (!(await isListOf(root, list))) throw new Error('digests-mismatch');
    void store?.putDigests(root, list).catch(() => {});
    return list;
  }

  // A manifest that lists nothing (switched off, or lost in a deployment) stops all sharing, but what is held is kept:
  // switching on again must not be a flash crowd at the origin.
  #handleManifest(/** @type {boolean} */ lists) {
    broadcast('manifest');
    this.#left = lists;
    if (lists) this.#storage.dropUnlisted().catch(() => {});
  }

  // Pages want to know whether, not how many: a gallery would wake all of them for each image.
  #tellBusy() {
    const open = openCount();
    if (open > 0 === this.#isBusy) return;
    this.#isBusy = open > 0;
    broadcast('busy', { open });
    if (open > 0 || !this.#left) return;
    this.#left = false;
    this.#storage.dropUnlisted().catch(() => {});
  }

  // The manifest is known to be old where the origin has other bytes.
  #lose(/** @type {string} */ code, /** @type {string} */ url) {
    this.#report(code, url);
    void this.#manifest.lose(code, url);
    if (/origin-changed|digests-mismatch/.test(code)) void this.#manifest.expire();
  }

  #emit(/** @type {string} */ type, /** @type {object} */ detail) {
    broadcast(type, detail);
    if (type === 'transfer') this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #report(/** @type {string} */ code, /** @type {string} */ url, /** @type {unknown} */ error = undefined) {
    broadcast('error', { code, url });
    this.dispatchEvent(new CustomEvent('error', { detail: { code, url, error } }));
  }
}

export default PeerCDN;
export { CachePlugin, DelegatePlugin, NetworkPlugin, PeerCDN, strategies };
