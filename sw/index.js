// The service worker's entry: PeerCDN and its plugins.
import {
  ADD_ROUTE,
  BYPASS_HEADER,
  DO_ASK,
  DO_ASK_PAGE,
  DO_BUSY,
  DO_DROP_UNLISTED,
  DO_FETCH_MANIFEST,
  DO_LIST_STORE,
  DO_LOSE,
  DO_NEED_LIST,
  DO_PUT,
  DO_STORE,
  DO_TRANSFER,
  ERROR_CODE,
  FLAG_AUTHORIZATION,
  FLAG_BYPASS,
  FLAG_CONDITION,
  FLAG_NAVIGATION,
  FLAG_SAME_ORIGIN,
  MANIFEST_FETCH,
  MANIFEST_PATH,
  OPEN_EXCHANGE,
  PATTERNS,
  progressWait,
  ROUTE_PLUGIN,
  SET_MANIFEST_PATH,
  STORED,
  STRATEGY_FASTEST,
  STRATEGY_ORDERED,
} from '../build/border.js';
import { bodyOf, bodyPerformer } from './body.js';
import { call, callText, codeOf, drain, isOn, onFailure, regexps, setPerformer, tell } from './engine.js';
import { Exchange, exchangeOf, exchangePerformer } from './exchange.js';
import { needList } from './lists.js';
import { ManifestKeeper } from './manifest.js';
import { broadcast, handleMessage, numberOf, startPages } from './pages.js';
import { CachePlugin, currentCache, DelegatePlugin, dropOldCaches, NetworkPlugin, pluginOf } from './plugins.js';
import { scope } from './scope.js';
import { calm, StoreKeeper } from './storage.js';
import { streamOf } from './streams.js';

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

/** By the core's number of the route. @type {MiddlewareFactory[][]} */
const routes = [];

/** Transfers of other workers have other ids. */
const tag = Math.random().toString(36).slice(2, 8);

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
  #storage = new StoreKeeper();
  #isSaidBusy = false;
  /** Of transfers, what was not told yet. @type {object[]} */
  #news = [];
  #telling = 0; // a timer

  /**
   * @param {{ manifest?: string }} [options] where the manifest is, on this origin
   */
  constructor({ manifest = MANIFEST_PATH } = {}) {
    super();
    this.#manifest = new ManifestKeeper(
      manifest,
      () => this.#storage.open(),
      (code, url) => this.#report(code, url),
    );
    setPerformer(this.#performer());
    onFailure((error) =>
      queueMicrotask(() => {
        this.#report('engine-failed', '', error);
        broadcast('busy', { open: 0 });
      }),
    );
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
    for (const factory of factories) {
      const { kind, timeout, patience } = pluginOf(factory);
      call(ROUTE_PLUGIN, kind, timeout, patience);
    }
    const id = call(ADD_ROUTE, path, number);
    if (id < 0) throw new TypeError(`peer-cdn: ${callText(ERROR_CODE, -id)}: ${path}`);
    routes[id] = factories;
    regexps.length = 0;
    for (const pattern of callText(PATTERNS).split('\n').slice(1)) regexps.push(new RegExp(`^(?:${pattern})$`));
    return this;
  }

  /** Listens. To be called while the worker's script first runs. */
  register() {
    // Before it is asked for: what the manifest in memory does not list is left to the site's other listeners. And before all
    // else, because the browser reads while we go on.
    void this.#manifest.load();
    startPages((root, begin, end) => {
      this.#storage.early = undefined;
      tell(STORED, root, begin, end);
      this.#manifest
        .load()
        .then(() => this.#storage.handleStored(root))
        .catch(() => {});
    });
    scope.addEventListener('activate', (event) => {
      tell(MANIFEST_FETCH);
      event.waitUntil(Promise.allSettled([scope.clients.claim(), dropOldCaches(), this.#manifest.fetching]));
    });
    scope.addEventListener('message', (event) => {
      if (handleMessage(event)) broadcast('busy', { open: this.#storage.busy, cache: currentCache() });
    });
    scope.addEventListener('fetch', (event) => this.#handleFetch(event));
    return this;
  }

  #handleFetch(/** @type {FetchEvent} */ event) {
    const { request } = event;
    const { url, headers } = request;
    if (!isOn()) return;
    let flags = url.startsWith(`${location.origin}/`) ? FLAG_SAME_ORIGIN : 0;
    if (request.mode === 'navigate') flags |= FLAG_NAVIGATION;
    for (const [flag, names] of flagged) {
      if (names.some((name) => headers.has(name))) flags |= flag;
    }
    const { pathname, search } = new URL(url);
    const path = pathname + search;
    const { method, destination, cache } = request;
    const text = [method, destination, cache, headers.get('range'), headers.get('if-range'), path].join('\n');
    try {
      const id = call(OPEN_EXCHANGE, text, flags, numberOf(event.clientId), performance.now(), Date.now());
      if (id) event.respondWith(new Exchange(id, event, path).response);
      drain();
    } catch {
      // The core failed just now, and told so: the browser goes on by itself.
    }
    if (this.#manifest.fetching) event.waitUntil(this.#manifest.fetching);
  }

  /** @returns {import('../build/border.js').Performer} */
  #performer() {
    const storage = this.#storage;
    const exchanges = exchangePerformer((code, url, error) => this.#report(code, url, error));
    const bodies = bodyPerformer(() => storage.current);
    return {
      ...exchanges,
      ...bodies,
      [DO_ASK]: (id, route, plugin) => void exchanges.ask(id, plugin, routes[route][plugin]),
      [DO_PUT]: (...put) => void exchanges.put(...put),
      [DO_ASK_PAGE]: (...asked) => bodies.askPage(asked, this.#manifest.digests),
      [DO_NEED_LIST]: (id) => needList(exchangeOf(id).root, this.#manifest.digests, storage.current),
      [DO_LOSE]: (id, error) => {
        const { url } = exchangeOf(id);
        const code = codeOf(error);
        this.#report(code, url);
        void this.#manifest.lose(code, url);
      },
      // The core may be gone by then, and told so.
      [DO_STORE]: (...store) => void this.#store(...store).catch(() => {}),
      [DO_TRANSFER]: (...transfer) => this.#transfer(...transfer),
      [DO_FETCH_MANIFEST]: () => this.#manifest.fetch(),
      [DO_LIST_STORE]: () => void storage.list(),
      [DO_DROP_UNLISTED]: () => void storage.dropUnlisted().catch(() => {}),
      [DO_BUSY]: (open) => {
        storage.busy = open;
        this.#tellSoon();
      },
    };
  }

  async #store(/** @type {number[]} */ ...[id, job, stream, begin, end, fits]) {
    const body = bodyOf(id);
    const { root, url } = body.exchange;
    const buffers = stream ? streamOf(stream).buffers(begin, end) : body.slices(job, begin, end);
    const type = stream ? streamOf(stream).type : undefined;
    const { ok, isToBeTold } = await this.#storage.put(root, begin, end, buffers, { type, fits: fits > 0, body: id });
    if (ok) broadcast('stored', { root, begin, end });
    // The stream goes on without it.
    if (isToBeTold) this.#report('storage-full', url);
  }

  #transfer(/** @type {number[]} */ ...[id, fromCache, fromPeers, fromOrigin, wasted, ms, done, error]) {
    const body = bodyOf(id);
    const { url, root, length } = body.exchange;
    const counts = { bytes: length, fromCache, fromPeers, fromOrigin, wasted: wasted + body.wasted };
    const detail = { id: `${tag}-${id}`, url, root, ...counts, ms, done: done > 0, code: codeOf(error) };
    this.#news.push(detail);
    this.#tellSoon();
  }

  // Each message takes time of the worker and of every page: they go out together, when no response waits. Whether the worker
  // is busy is told if it lasts, because most responses are over by then.
  #tellSoon() {
    this.#telling ||= setTimeout(async () => {
      await calm();
      this.#telling = 0;
      for (const each of this.#news.splice(0)) this.#say('transfer', each);
      const open = this.#storage.busy;
      if (open > 0 === this.#isSaidBusy) return;
      this.#isSaidBusy = open > 0;
      broadcast('busy', { open });
    }, progressWait);
  }

  #report(/** @type {string} */ code, /** @type {string} */ url, /** @type {unknown} */ error = undefined) {
    this.#say('error', { code, url }, { error });
  }

  // `own`: what a message cannot carry.
  #say(/** @type {string} */ type, /** @type {object} */ detail, /** @type {object} */ own = {}) {
    broadcast(type, detail);
    this.dispatchEvent(new CustomEvent(type, { detail: { ...detail, ...own } }));
  }
}

export default PeerCDN;
export { CachePlugin, DelegatePlugin, NetworkPlugin, PeerCDN, strategies };
