// The service worker's entry: PeerCDN and its plugins.
import {
  ADD_ROUTE,
  BYPASS_HEADER,
  DO_ASK,
  DO_ASK_PAGE,
  DO_BUSY,
  DO_DROP_UNLISTED,
  DO_FETCH_MANIFEST,
  DO_KEEP_RECORD,
  DO_LIST_STORE,
  DO_LOSE,
  DO_NEED_LIST,
  DO_NEED_RECORD,
  DO_PUT,
  DO_STORE,
  DO_TRANSFER,
  ERROR_CODE,
  FLAG_AUTHORIZATION,
  FLAG_BYPASS,
  FLAG_NAVIGATION,
  FLAG_REDIRECT,
  FLAG_SAME_ORIGIN,
  MANIFEST_FETCH,
  MANIFEST_PATH,
  OPEN_EXCHANGE,
  PATTERNS,
  progressWait,
  ROUTE_PLUGIN,
  STORED,
  STRATEGY_FASTEST,
  STRATEGY_ORDERED,
} from '../build/border.js';
import { bodyOf, bodyPerformer } from './body.js';
import { call, callText, codeOf, drain, isOn, onFailure, regexps, setPerformer, tell } from './engine.js';
import { Exchange, exchangeOf, exchangePerformer } from './exchange.js';
import { needList } from './lists.js';
import { ManifestKeeper } from './manifest.js';
import { broadcast, handleMessage, introduce, numberOf, startPages } from './pages.js';
import { CachePlugin, currentCache, DelegatePlugin, dropOldCaches, NetworkPlugin, pluginOf } from './plugins.js';
import { scope } from './scope.js';
import { nameSite, siteEnd } from './site.js';
import { calm, StoreKeeper } from './storage.js';
import { CONDITIONS, streamOf } from './streams.js';

/** @typedef {import('./plugins.js').MiddlewareFactory} MiddlewareFactory */
/** @typedef {'ordered' | 'fastest'} Strategy */

/** How the middlewares of a route are asked: one after another, or all at once. */
const strategies = { ordered: /** @type {Strategy} */ ('ordered'), fastest: /** @type {Strategy} */ ('fastest') };

// Browsers ask a worker for requests only where its script listened while it first ran: before any timer.
let isLate = false;
setTimeout(() => (isLate = true));

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
  #path; // of the manifest
  /** @type {string[]} of the routes */
  #paths = [];
  #storage = new StoreKeeper(() => {
    broadcast('emptied', { cache: currentCache() });
    this.#renew();
  });
  #code = ''; // why the browser asks us for nothing
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
    const { pathname, search } = new URL(manifest, location.href);
    this.#path = pathname + search;
    setPerformer(this.#performer());
    onFailure((error) =>
      queueMicrotask(() => {
        this.#code = 'engine-failed';
        this.#storage.busy = 0;
        this.#tell(this.#code, '', error);
        this.#answerHello();
      }),
    );
    try {
      nameSite(this.#path);
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
    this.#paths.push(path);
    regexps.length = 0;
    for (const pattern of callText(PATTERNS).split('\n').slice(1)) regexps.push(new RegExp(`^(?:${pattern})$`));
    return this;
  }

  /**
   * For `InstallEvent.addRoutes`, where a browser has it: what no route of this site can take goes to the network, and the
   * worker is neither started nor asked. The site's other `fetch` listeners do not see it then, nor does Workbox.
   */
  staticRoutes() {
    // Wider than ours where the API has no words: a regexp and what follows it, and empty segments, which do not count.
    const patterns = this.#paths.map((path) => {
      const [known] = path.split(/(?:^|\/):\w+\(/);
      const segments = known.split('/').filter(Boolean);
      const texts = segments.map((each, i) => (/^[*:]/.test(each) ? `:s${i}` : each.replace(/[+:?{}()\\]/g, '\\$&')));
      return ['', ...texts].join('/');
    });
    const taken = [...patterns.map((each) => `${each}{/*}?`), '*//*'].map((pathname) => ({ urlPattern: { pathname } }));
    const methods = ['GET', 'HEAD'].map((requestMethod) => ({ requestMethod }));
    return [methods, taken].map((or) => ({ condition: { not: { or } }, source: 'network' }));
  }

  /**
   * Listens. To be called while the worker's script first runs.
   * @param {{ staticRoutes?: boolean }} [options] whether the browser gets staticRoutes() as the worker is installed
   */
  register({ staticRoutes = false } = {}) {
    if (isLate) {
      this.#code = 'registered-late';
      // Pages hear it in the answer to their hello.
      queueMicrotask(() => this.#tell(this.#code, ''));
    }
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
    }, this.#renew);
    if (staticRoutes) {
      // A browser that cannot read such rules does without them.
      const add = (/** @type {any} */ event) => event.waitUntil(event.addRoutes?.(this.staticRoutes()).catch(() => {}));
      scope.addEventListener('install', add);
    }
    scope.addEventListener('activate', (event) => {
      tell(MANIFEST_FETCH);
      event.waitUntil(Promise.allSettled([scope.clients.claim(), dropOldCaches(), this.#manifest.fetching]));
    });
    scope.addEventListener('message', (event) => {
      if (handleMessage(event)) this.#answerHello();
    });
    // To pages that it does not control, and that say no hello.
    if (isLate) this.#answerHello();
    scope.addEventListener('fetch', (event) => this.#handleFetch(event));
    return this;
  }

  // The site's own code deletes Caches, ours too.
  #renew = (cache = currentCache()) => {
    if (cache !== currentCache()) return;
    const renewed = this.#storage.renew().then(() => this.#manifest.restore());
    renewed.catch(() => {});
  };

  #answerHello() {
    const detail = { open: this.#storage.busy, cache: currentCache(), code: this.#code, end: siteEnd() };
    introduce({ ...detail, manifest: this.#path });
    if (isOn()) broadcast('busy', detail);
  }

  #handleFetch(/** @type {FetchEvent} */ event) {
    const { request } = event;
    const { url, headers, mode } = request;
    if (!isOn()) return;
    let flags = url.startsWith(`${location.origin}/`) ? FLAG_SAME_ORIGIN : 0;
    if (mode === 'navigate') flags |= FLAG_NAVIGATION;
    if (request.redirect !== 'follow') flags |= FLAG_REDIRECT;
    if (headers.has('authorization')) flags |= FLAG_AUTHORIZATION;
    if (headers.has(BYPASS_HEADER)) flags |= FLAG_BYPASS;
    const { pathname, search } = new URL(url);
    const path = pathname + search;
    const { method, destination, cache, credentials, referrerPolicy } = request;
    const words = [method, destination, cache, path, ...CONDITIONS.map((name) => headers.get(name))];
    const own = [...headers].filter(([name]) => !CONDITIONS.includes(name));
    const text = [...words, cache, mode, credentials, referrerPolicy, ...own].join('\n');
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
      [DO_LOSE]: (id, error, kept) => {
        const { url, path } = exchangeOf(id);
        if (error) this.#report(codeOf(error), url);
        void this.#manifest.lose(codeOf(kept), path);
      },
      [DO_NEED_RECORD]: (id) => void storage.readRecord(id),
      [DO_KEEP_RECORD]: (id) => storage.keepRecord(id),
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
    const { ok, isToBeTold } = await this.#storage.put(root, begin, end, buffers, { fits: fits > 0, body: id });
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
      for (const detail of this.#news.splice(0)) {
        broadcast('transfer', detail);
        this.dispatchEvent(new CustomEvent('transfer', { detail }));
      }
      const open = this.#storage.busy;
      if (open > 0 === this.#isSaidBusy) return;
      this.#isSaidBusy = open > 0;
      broadcast('busy', { open });
    }, progressWait);
  }

  #report(/** @type {string} */ code, /** @type {string} */ url, /** @type {unknown} */ error = undefined) {
    broadcast('error', { code, url });
    this.#tell(code, url, error);
  }

  #tell(/** @type {string} */ code, /** @type {string} */ url, /** @type {unknown} */ error = undefined) {
    this.dispatchEvent(new CustomEvent('error', { detail: { code, url, error } }));
  }
}

export default PeerCDN;
export { CachePlugin, DelegatePlugin, NetworkPlugin, PeerCDN, strategies };
