// The service worker's entry: PeerCDN and its plugins.
import {
  ADD_ROUTE,
  DO_ANNOUNCE,
  DO_DROP_UNLISTED,
  DO_FETCH_MANIFEST,
  DO_KEEP_MANIFEST,
  DO_LIST_STORE,
  DO_MAKE_ROOM,
  DO_NEED_LIST,
  DO_RELEASE,
  DO_REPORT,
  DO_STORE,
  DO_TELL_NEWS,
  DO_WRITE_NEXT,
  ERROR_CODE,
  MANIFEST_FETCH,
  MANIFEST_PATH,
  OPEN_EXCHANGE,
  PATTERNS,
  REGISTERED,
  ROUTE_PLUGIN,
  SCRIPT_RAN,
  STORE_RENEWED,
  STRATEGY_FASTEST,
  STRATEGY_ORDERED,
  URL_PATTERNS,
} from '../build/border.js';
import { bodyOf, bodyPerformer } from './body.js';
import { call, callText, codeOf, drain, isOn, onFailure, regexps, setPerformer, soon, tell } from './engine.js';
import { Exchange, exchangeOf, exchangePerformer } from './exchange.js';
import { jobPerformer, slices } from './jobs.js';
import { needList } from './lists.js';
import { ManifestKeeper } from './manifest.js';
import { newsPerformer, tellNews } from './news.js';
import { broadcast, handleMessage, introduce, numberOf, startPages } from './pages.js';
import { badOption, CachePlugin, currentCache, DelegatePlugin, dropOldCaches, NetworkPlugin, pluginOf, said } from './plugins.js';
import { recordPerformer, writeRecords } from './records.js';
import { scope } from './scope.js';
import { nameSite, pathOf, scopeUrl, siteEnd } from './site.js';
import { StoreKeeper } from './storage.js';
import { streamOf } from './streams.js';
import { requestWords } from './words.js';

/** @typedef {import('./plugins.js').MiddlewareFactory} MiddlewareFactory */
/** @typedef {'ordered' | 'fastest'} Strategy */

/** How the middlewares of a route are asked: one after another, or all at once. */
const strategies = { ordered: /** @type {Strategy} */ ('ordered'), fastest: /** @type {Strategy} */ ('fastest') };

// No timer fires before the script has run once.
setTimeout(() => tell(SCRIPT_RAN));

/** Why a worker whose core has failed answers nothing. */
const OFF = 'engine-failed';

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

  /** Of the manifest itself, unless it says of what. @type {(code: string, url?: string, error?: unknown) => void} */
  #report = (code, url = this.#path, error) => {
    broadcast('error', { code, url });
    this.#tell(code, url, error);
  };
  #manifest;
  /** Of the manifest. @type {string} */
  #path;
  #storage = new StoreKeeper((cache) => {
    broadcast('emptied', { cache });
    this.#renew(cache);
  }, this.#report);

  /**
   * @param {{ manifest?: string }} [options] where the manifest is, on this origin; default: peer-cdn.json at the scope
   */
  constructor(options) {
    super();
    const { manifest } = said(options, { manifest: new URL(MANIFEST_PATH.slice(1), scopeUrl()).pathname });
    this.#manifest = new ManifestKeeper(manifest, this.#storage, this.#report);
    this.#path = pathOf(manifest);
    setPerformer(this.#performer());
    onFailure((error) =>
      queueMicrotask(() => {
        this.#tell(OFF, '', error);
        this.#announce(0, OFF);
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
   * ':name(regexp)' one segment that matches. Throws a TypeError of a path that cannot be read (`malformed-route`), and of
   * another strategy or what is no function (`bad-option`).
   * @param {string} path
   * @param {Strategy} strategy
   * @param {...MiddlewareFactory} factories
   */
  GET(path, strategy, ...factories) {
    const isStrategy = strategy && strategies[strategy] === strategy;
    if (typeof path !== 'string' || !isStrategy || factories.some((each) => typeof each !== 'function')) {
      throw badOption('GET');
    }
    if (!isOn()) return this;
    for (const factory of factories) call(ROUTE_PLUGIN, ...pluginOf(factory));
    const id = call(ADD_ROUTE, path, strategy === 'fastest' ? STRATEGY_FASTEST : STRATEGY_ORDERED);
    if (id < 0) throw new TypeError(`peer-cdn: ${callText(ERROR_CODE, -id)}: ${path}`);
    routes[id] = factories;
    regexps.length = 0;
    for (const pattern of callText(PATTERNS).split('\n').slice(1)) regexps.push(new RegExp(`^(?:${pattern})$`));
    return this;
  }

  /**
   * For `InstallEvent.addRoutes`, where a browser has it: what is at a path that no route of this site takes goes to the network,
   * and the worker is neither started nor asked. The site's other `fetch` listeners do not see it then, nor does Workbox.
   */
  staticRoutes() {
    if (!isOn()) return [];
    // Of any method, because the worker has to hear of writes.
    const or = callText(URL_PATTERNS)
      .split('\n')
      .map((pathname) => ({ urlPattern: { pathname } }));
    return [{ condition: { not: { or } }, source: 'network' }];
  }

  /**
   * Listens. To be called while the worker's script first runs: later it is told (`registered-late`), and nothing is answered.
   * @param {{ staticRoutes?: boolean }} [options] whether the browser gets staticRoutes() as the worker is installed
   */
  register(options) {
    const { staticRoutes } = said(options, { staticRoutes: false });
    const code = isOn() && codeOf(call(REGISTERED));
    if (code) queueMicrotask(() => this.#tell(code, ''));
    // Before it is asked for: what the manifest in memory does not list is left to the site's other listeners. And before all
    // else, because the browser reads while we go on.
    void this.#manifest.load();
    startPages(this.#storage.stored, this.#renew);
    if (staticRoutes) {
      // A browser that cannot read such rules does without them.
      scope.addEventListener('install', (/** @type {any} */ event) =>
        event.waitUntil(event.addRoutes?.(this.staticRoutes()).catch(() => {})),
      );
    }
    scope.addEventListener('activate', (event) => {
      // Nobody waits for it: what pages ask for meanwhile, browsers keep until the activation is over.
      tell(MANIFEST_FETCH);
      event.waitUntil(soon(Promise.all([scope.clients.claim(), dropOldCaches()])));
    });
    scope.addEventListener('message', (event) => {
      if (isOn()) handleMessage(event);
      else if (event.data?.type === 'hello') this.#announce(0, OFF);
    });
    scope.addEventListener('fetch', (event) => this.#handleFetch(event));
    return this;
  }

  // The site's own code deletes Caches, ours too. A worker of another version has another one.
  #renew = (/** @type {string} */ cache) => {
    if (cache !== currentCache()) return;
    this.#storage.renew().then(
      () => tell(STORE_RENEWED),
      () => {},
    );
  };

  #announce(/** @type {number} */ open, /** @type {string} */ code) {
    const detail = { open, cache: currentCache(), code, end: siteEnd(), manifest: this.#path };
    introduce(detail);
    broadcast('busy', detail);
  }

  #handleFetch(/** @type {FetchEvent} */ event) {
    if (!isOn()) return;
    const { url } = event.request;
    try {
      const words = requestWords(event.request, pathOf(url));
      const page = numberOf(event.clientId);
      const id = call(OPEN_EXCHANGE, words, url.startsWith(`${location.origin}/`), page, performance.now(), Date.now());
      if (id) event.respondWith(new Exchange(id, event).response);
      drain();
    } catch {
      // The core failed just now, and told so: the browser goes on by itself.
    }
    if (this.#manifest.fetching) event.waitUntil(this.#manifest.fetching);
  }

  /** @returns {import('../build/border.js').Performer} */
  #performer() {
    const storage = this.#storage;
    return {
      ...exchangePerformer(this.#report, routes),
      ...bodyPerformer,
      ...jobPerformer(storage, () => this.#manifest.digests),
      ...newsPerformer,
      ...recordPerformer(storage),
      [DO_NEED_LIST]: ({ exchange }) => needList(exchangeOf(exchange).root, this.#manifest.digests, storage.current),
      [DO_REPORT]: ({ exchange, error }) => this.#report(codeOf(error), exchangeOf(exchange).url),
      [DO_STORE]: ({ body: id, job, stream, ...pieces }) => {
        const body = bodyOf(id);
        const { begin, end } = pieces;
        storage.put(body, pieces, streamOf(stream)?.buffers(begin, end) ?? slices(body, job, begin, end));
      },
      [DO_RELEASE]: storage.release,
      [DO_WRITE_NEXT]: () => storage.writeNext(),
      [DO_MAKE_ROOM]: () => storage.makeRoom(),
      [DO_TELL_NEWS]: () => {
        tellNews((detail) => this.dispatchEvent(new CustomEvent('transfer', { detail })));
        if (storage.current) writeRecords(storage.current);
      },
      [DO_FETCH_MANIFEST]: () => this.#manifest.fetch(),
      [DO_KEEP_MANIFEST]: (notes) => this.#manifest.keep(notes),
      [DO_ANNOUNCE]: ({ open, error }) => this.#announce(open, codeOf(error)),
      [DO_LIST_STORE]: () => storage.list(),
      [DO_DROP_UNLISTED]: () => storage.dropUnlisted(),
    };
  }

  /** @param {string} code @param {string} url @param {unknown} [error] */
  #tell(code, url, error) {
    this.dispatchEvent(new CustomEvent('error', { detail: { code, url, error } }));
  }
}

export { CachePlugin, DelegatePlugin, NetworkPlugin, PeerCDN as default, PeerCDN, strategies };
