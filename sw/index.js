// The service worker's entry: PeerCDN and its plugins.
import {
  ADD_ROUTE,
  DO_BUSY,
  DO_DROP_UNLISTED,
  DO_FETCH_MANIFEST,
  DO_KEEP_RECORD,
  DO_LIST_STORE,
  DO_LOSE,
  DO_NEED_LIST,
  DO_NEED_RECORD,
  DO_STORE,
  DO_TRANSFER,
  ERROR_CODE,
  MANIFEST_FETCH,
  MANIFEST_PATH,
  OPEN_EXCHANGE,
  PATTERNS,
  REGISTERED,
  ROUTE_PLUGIN,
  SCRIPT_RAN,
  STORED,
  STRATEGY_FASTEST,
  STRATEGY_ORDERED,
  URL_PATTERNS,
} from '../build/border.js';
import { bodyOf, bodyPerformer } from './body.js';
import { call, callText, codeOf, drain, isOn, onFailure, regexps, setPerformer, tell } from './engine.js';
import { Exchange, exchangeOf, exchangePerformer } from './exchange.js';
import { jobPerformer, slices } from './jobs.js';
import { needList } from './lists.js';
import { ManifestKeeper } from './manifest.js';
import { newsOf, transferOf } from './news.js';
import { broadcast, handleMessage, introduce, numberOf, startPages } from './pages.js';
import { CachePlugin, currentCache, DelegatePlugin, dropOldCaches, NetworkPlugin, pluginOf } from './plugins.js';
import { scope } from './scope.js';
import { nameSite, scopeUrl, siteEnd } from './site.js';
import { StoreKeeper } from './storage.js';
import { streamOf } from './streams.js';
import { requestWords } from './words.js';

/** @typedef {import('./plugins.js').MiddlewareFactory} MiddlewareFactory */
/** @typedef {'ordered' | 'fastest'} Strategy */

/** How the middlewares of a route are asked: one after another, or all at once. */
const strategies = { ordered: /** @type {Strategy} */ ('ordered'), fastest: /** @type {Strategy} */ ('fastest') };

// No timer fires before the script has run once.
setTimeout(() => isOn() && call(SCRIPT_RAN));

/** By the core's number of the route. @type {MiddlewareFactory[][]} */
const routes = [];

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
  #storage = new StoreKeeper((cache) => {
    broadcast('emptied', { cache });
    this.#renew(cache);
  });
  #code = ''; // why the browser asks us for nothing
  #news = newsOf(
    () => this.#storage.busy,
    (detail) => this.dispatchEvent(new CustomEvent('transfer', { detail })),
  );

  /**
   * @param {{ manifest?: string }} [options] where the manifest is, on this origin; default: peer-cdn.json at the scope
   */
  constructor({ manifest = new URL(MANIFEST_PATH.slice(1), scopeUrl()).pathname } = {}) {
    super();
    this.#manifest = new ManifestKeeper(
      manifest,
      () => this.#storage.open(),
      (code, url) => this.#report(code, url),
      () => this.#answerHello(),
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
    regexps.length = 0;
    for (const pattern of callText(PATTERNS).split('\n').slice(1)) regexps.push(new RegExp(`^(?:${pattern})$`));
    return this;
  }

  /**
   * For `InstallEvent.addRoutes`, where a browser has it: what no route of this site can take goes to the network, and the
   * worker is neither started nor asked. The site's other `fetch` listeners do not see it then, nor does Workbox.
   */
  staticRoutes() {
    if (!isOn()) return [];
    const taken = callText(URL_PATTERNS)
      .split('\n')
      .map((pathname) => ({ urlPattern: { pathname } }));
    const methods = ['GET', 'HEAD'].map((requestMethod) => ({ requestMethod }));
    return [methods, taken].map((or) => ({ condition: { not: { or } }, source: 'network' }));
  }

  /**
   * Listens. To be called while the worker's script first runs.
   * @param {{ staticRoutes?: boolean }} [options] whether the browser gets staticRoutes() as the worker is installed
   */
  register({ staticRoutes = false } = {}) {
    if (isOn()) this.#code = codeOf(call(REGISTERED));
    // Pages hear it in the answer to their hello.
    if (this.#code) queueMicrotask(() => this.#tell(this.#code, ''));
    // Before it is asked for: what the manifest in memory does not list is left to the site's other listeners. And before all
    // else, because the browser reads while we go on.
    void this.#manifest.load();
    startPages((root, begin, end) => {
      this.#storage.note(root, begin, end);
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
    if (this.#code) this.#answerHello();
    scope.addEventListener('fetch', (event) => this.#handleFetch(event));
    return this;
  }

  // The site's own code deletes Caches, ours too. A worker of another version has another one.
  #renew = (/** @type {string} */ cache) => {
    if (cache !== currentCache()) return;
    const renewed = this.#storage.renew().then(() => this.#manifest.restore());
    renewed.catch(() => {});
  };

  #answerHello() {
    const code = this.#code || (this.#manifest.isMissing ? 'no-manifest' : '');
    const detail = { open: this.#storage.busy, cache: currentCache(), code, end: siteEnd() };
    introduce({ ...detail, manifest: this.#path });
    if (isOn()) broadcast('busy', detail);
  }

  #handleFetch(/** @type {FetchEvent} */ event) {
    if (!isOn()) return;
    const { url } = event.request;
    const { pathname, search } = new URL(url);
    const path = pathname + search;
    try {
      const words = requestWords(event.request, path);
      const page = numberOf(event.clientId);
      const id = call(OPEN_EXCHANGE, words, url.startsWith(`${location.origin}/`), page, performance.now(), Date.now());
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
    const report = (/** @type {string} */ code, /** @type {string} */ url, /** @type {unknown} */ error) =>
      this.#report(code, url, error);
    const currentStore = () => storage.current;
    return {
      ...exchangePerformer(report, routes),
      ...bodyPerformer,
      ...jobPerformer(currentStore, () => this.#manifest.digests),
      [DO_NEED_LIST]: ({ exchange }) => needList(exchangeOf(exchange).root, this.#manifest.digests, storage.current),
      [DO_LOSE]: ({ exchange, error, kept }) => {
        const { url, path } = exchangeOf(exchange);
        if (error) this.#report(codeOf(error), url);
        void this.#manifest.lose(codeOf(kept), path);
      },
      [DO_NEED_RECORD]: ({ exchange }) => void storage.readRecord(exchange),
      [DO_KEEP_RECORD]: ({ exchange }) => storage.keepRecord(exchange),
      // The core may be gone by then, and told so.
      [DO_STORE]: (store) => void this.#store(store).catch(() => {}),
      [DO_TRANSFER]: (transfer) => this.#news(transferOf(transfer)),
      [DO_FETCH_MANIFEST]: () => this.#manifest.fetch(),
      [DO_LIST_STORE]: () => void storage.list(),
      [DO_DROP_UNLISTED]: () => void storage.dropUnlisted().catch(() => {}),
      [DO_BUSY]: ({ open }) => {
        storage.busy = open;
        this.#news();
      },
    };
  }

  async #store(/** @type {import('./storage.js').StoreRun} */ { body: id, job, stream, begin, end, fits, waits }) {
    const body = bodyOf(id);
    const { root, url } = body.exchange;
    const buffers = stream ? streamOf(stream).buffers(begin, end) : slices(body, job, begin, end);
    // The stream goes on without it.
    if (await this.#storage.put(root, begin, end, buffers, { fits, waits, body: id })) this.#report('storage-full', url);
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
