// One routed request: runs the core's chain over the middlewares of the route.
import {
  ASKS_PEERS,
  CHAIN,
  CHAIN_POLL,
  CHAIN_TIMEOUT,
  chainOutputs,
  CLOSE_EXCHANGE,
  EVENT_ASKED,
  EVENT_ERROR,
  EVENT_NULL,
  EVENT_PENDING,
  EVENT_PENDING_WARM,
  EVENT_RESPONSE,
  EVENT_START,
  EVENT_STORED_RESPONSE,
  EVENT_TIMEOUT,
  HEAD,
  HELD_ADD,
  HELD_BEGIN,
  OPEN_BODY,
  OPEN_EXCHANGE,
  PLUGIN_CACHE,
  PLUGIN_DELEGATE,
  PLUGIN_NETWORK,
  PLUGIN_USER,
  putWait,
  unattendedBytes,
} from '../build/border.js';
import { Gathering } from './body.js';
import { alarm, call, callText, drain, fields } from './engine.js';
import { passThrough } from './own.js';
import { mayBePresent } from './pages.js';

/** @typedef {import('./body.js').Asked} Asked */
/** @typedef {import('./plugins.js').Middleware} Middleware */
/** @typedef {import('./plugins.js').MiddlewareFactory} MiddlewareFactory */

/**
 * What an exchange uses of the worker.
 * @typedef {object} Worker
 * @property {() => Promise<import('./store.js').Store | null>} store
 * @property {(root: string) => Promise<[number, number][]>} runs
 * @property {(clientId: string, mayWait: boolean) => Promise<Client | null>} choosePage
 * @property {(store: import('./store.js').Store | null, page: Client | null) => import('./body.js').Surroundings} around
 * @property {(code: string, url: string, error?: unknown) => void} report
 */

const isReadable = (/** @type {unknown} */ response) =>
  response instanceof Response && !response.bodyUsed && !response.body?.locked;

export class Exchange {
  #event;
  #factories;
  #kinds;
  #worker;
  #id;
  /** @type {Asked | null} */
  #asked = null;
  /** @type {Middleware[]} */
  #middlewares = [];
  /** @type {Response[]} by plugin */
  #answers = [];
  /** @type {Gathering[]} by plugin kind */
  #gatherings = [];
  /** Which answers are made of pieces. @type {Map<Response, Gathering>} */
  #made = new Map();
  /** @type {Set<number>} plugin kinds that lost before they began */
  #aborted = new Set();
  /** @type {Promise<unknown>[]} what the exchange stays open for */
  #work = [];
  /** @type {Promise<Client | null> | undefined} */
  #page;
  #timer = 0;
  #resolve = (/** @type {Response | Promise<Response>} */ _) => {};

  /**
   * @param {FetchEvent} event
   * @param {number} route the core's number
   * @param {MiddlewareFactory[]} factories
   * @param {(factory: Function) => number} kindOf
   * @param {Worker} worker
   */
  constructor(event, route, factories, kindOf, worker) {
    this.#event = event;
    this.#factories = factories;
    this.#kinds = factories.map(kindOf);
    this.#worker = worker;
    const { url, headers, destination } = event.request;
    const { pathname, search } = new URL(url);
    const range = headers.get('range');
    this.#id = call(
      OPEN_EXCHANGE,
      route,
      [pathname + search, range ?? '', headers.get('if-range') ?? '', destination].join('\n'),
    );
    const [listed, bytes, pieceBytes, begin, end, from, to] = fields();
    if (!listed) return;
    const [root, contentType] = callText(HEAD, this.#id).split('\n');
    this.#asked = {
      exchange: this.#id,
      url,
      path: pathname + search,
      root,
      contentType,
      range,
      bytes,
      pieceBytes,
      begin,
      end,
      length: to - from,
    };
  }

  /** @returns {Promise<Response>} */
  run() {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      // Neither Chromium 156 nor Firefox fires request.signal's 'abort' here: a page that gives up before there is an
      // answer is noticed by the answer's body being cancelled.
      this.#in(EVENT_START, 0);
    });
  }

  #in(/** @type {number} */ event, /** @type {number} */ plugin) {
    try {
      call(CHAIN, this.#id, event, plugin, performance.now());
      drain(CHAIN_POLL, this.#id, this.#performers);
      this.#timer = alarm(this.#timer, call(CHAIN_TIMEOUT, this.#id), () => this.#in(EVENT_TIMEOUT, 0));
    } catch {
      this.#fallThrough();
    }
  }

  #performers = chainOutputs({
    start: (plugin) => void this.#start(plugin),
    abort: (plugin) => this.#abort(this.#kinds[plugin]),
    respond: (plugin) => this.#respond(plugin),
    put: (plugin) => this.#put(plugin),
    report: () => {}, // reported where it happened, with the error itself
    fallThrough: () => this.#fallThrough(),
  });

  async #start(/** @type {number} */ plugin) {
    try {
      const middleware = this.#factories[plugin](this.#event);
      this.#middlewares[plugin] = middleware;
      const response = await middleware.get();
      if (response && !isReadable(response)) throw new TypeError('not a response to be read');
      if (response) this.#answers[plugin] = response;
      this.#in(!response ? EVENT_NULL : this.#kinds[plugin] === PLUGIN_CACHE ? EVENT_STORED_RESPONSE : EVENT_RESPONSE, plugin);
    } catch (error) {
      // Being offline is no fault of a plugin.
      if (this.#kinds[plugin] === 0) this.#worker.report('plugin-failed', this.#event.request.url, error);
      this.#in(EVENT_ERROR, plugin);
    }
  }

  /** @type {Response | undefined} */
  #answer;
  /** @type {Gathering | undefined} */
  #body;

  #abort(/** @type {number} */ kind) {
    this.#aborted.add(kind);
    const body = this.#gatherings[kind];
    // A hedged body is the answer of both plugins.
    if (body && !this.#answers.some((answer) => this.#made.get(answer) === body)) body.cancel();
  }

  #respond(/** @type {number} */ plugin) {
    const answer = this.#answers[plugin];
    this.#answer = answer;
    this.#body = this.#made.get(answer);
    if (this.#body) this.#work.push(this.#body.finished);
    // After the puts of the same drain, which may clone it.
    queueMicrotask(() => {
      this.#resolve(answer);
      void Promise.allSettled(this.#work).then(() => this.#close());
    });
  }

  // Never a clone of a stream of ours: it would be pulled whole into memory. It is read back from the store.
  #put(/** @type {number} */ plugin) {
    const middleware = this.#middlewares[plugin];
    if (this.#kinds[plugin] > 0 || typeof middleware?.put !== 'function') return;
    const response = this.#body
      ? this.#body.finished.then((complete) => (complete ? this.#readBack() : null))
      : Promise.resolve(/** @type {Response} */ (this.#answer).clone());
    this.#work.push(
      response
        .then(async (each) => {
          if (!each) return;
          // What it leaves unread would stay open for ever. Many an old middleware returns no promise of what it does, and
          // opens its cache before it reads.
          const leave = () => !each.bodyUsed && !each.body?.locked && each.body?.cancel();
          await (async () => middleware.put?.(each))().finally(() => setTimeout(leave, putWait));
        })
        .catch((error) => this.#worker.report('plugin-failed', this.#event.request.url, error)),
    );
  }

  // Every byte was passed on, and the last ones are on their way to the store: by a page, if they are from peers.
  async #readBack() {
    for (let wait = 50; wait < 3000; wait *= 2) {
      const response = await this.gather(PLUGIN_CACHE);
      if (response) return response;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
    return null;
  }

  #fallThrough() {
    this.#resolve(passThrough(this.#event.request));
    this.#close();
  }

  /** What NetworkPlugin gives where the core has nothing to do. With a middleware of theirs in the route, that one decides. */
  passThrough() {
    const { request } = this.#event;
    return this.#kinds.includes(PLUGIN_USER) ? fetch(request) : passThrough(request, this.#asked !== null);
  }

  #close() {
    if (this.#timer) clearTimeout(this.#timer);
    try {
      call(CLOSE_EXCHANGE, this.#id);
    } catch {
      // The core is gone.
    }
  }

  // A small response does not wait for a page that has yet to say hello.
  #findPage() {
    const mayWait = /** @type {Asked} */ (this.#asked).length > unattendedBytes;
    this.#page ??= this.#worker.choosePage(this.#event.clientId, mayWait);
    return this.#page;
  }

  /** Whether another plugin was faster than this kind. */
  lost(/** @type {number} */ kind) {
    return this.#aborted.has(kind);
  }

  /**
   * A response made of pieces, once its first byte is there; null if this kind of plugin cannot give one.
   * @param {number} kind PluginKind of the core
   * @param {{ timeout?: number, patience?: number }} [options] milliseconds until the first byte; the share of the
   *   network's time that peers may take to begin
   * @returns {Promise<Response | null>}
   */
  async gather(kind, { timeout = 0, patience = 0 } = {}) {
    const asked = this.#asked;
    if (!asked) return null;
    const asks = () => call(ASKS_PEERS, this.#id, mayBePresent(asked.root), patience, performance.now());
    if (kind === PLUGIN_DELEGATE && !asks()) return null;
    const asking = this.#gatherings[PLUGIN_DELEGATE];
    if (kind === PLUGIN_NETWORK && asking) {
      // Peers take long, or nothing says that they do not: the origin begins, in the same body, and they take over.
      asking.hedge();
      const response = await asking.response;
      if (response) {
        if (!asking.passed) this.#made.set(response, asking);
        return response;
      }
    }
    const { store, runs, around } = this.#worker;
    // Only a long body needs a page that keeps the worker alive.
    const needsPage = kind === PLUGIN_DELEGATE || asked.length > unattendedBytes;
    const [opened, held, page] = await Promise.all([store(), runs(asked.root), needsPage ? this.#findPage() : null]);
    if ((kind === PLUGIN_DELEGATE && !page) || (kind === PLUGIN_CACHE && !opened)) return null;
    if (this.lost(kind)) return null;
    call(HELD_BEGIN);
    for (const run of held) call(HELD_ADD, ...run);
    const id = call(OPEN_BODY, this.#id, kind, !!page);
    if (!id) return null;
    const delegate = this.#kinds.indexOf(PLUGIN_DELEGATE);
    const pending = (/** @type {boolean} */ warm) => this.#in(warm ? EVENT_PENDING_WARM : EVENT_PENDING, delegate);
    // A body of the network turns to peers when there is company, if the route knows any.
    const company = this.#kinds.includes(PLUGIN_DELEGATE) ? page : null;
    const body = new Gathering(id, asked, held, around(opened, company), pending);
    this.#gatherings[kind] = body;
    if (kind === PLUGIN_DELEGATE) this.#in(EVENT_ASKED, delegate);
    // A hedged body is the network's too, which has no such limit.
    const timer = timeout && setTimeout(() => body.hedged || body.cancel(), timeout);
    const response = await body.response;
    clearTimeout(timer);
    if (response && !body.passed) this.#made.set(response, body);
    return response;
  }
}
