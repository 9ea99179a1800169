// One life of a page, from start to pagehide: the engine's hand (web/link.js), which does what only a page can do. It makes
// connections, says hello to the worker, and sees whether the page is idle and which network it is on.
import { CACHE_PREFIX, coordinatorCodes, firstSocketWait, idleInterval, MANIFEST_PATH, workerWait } from '../build/border.js';
import { endOf } from '../sw/store.js';
import { askedAhead } from './ahead.js';
import { Answer } from './answer.js';
import { Bridge } from './bridge.js';
import { Connections } from './connections.js';
import { idle } from './idle.js';
import { cacheOf } from './options.js';
import { browserId } from './settings.js';
import { startHead } from './thread.js';
import { within } from '../sw/within.js';

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */
/** @typedef {import('./bridge.js').Form} Form */
/** @typedef {import('./bridge.js').Site} Site */
/** @typedef {import('./settings.js').Upload} Upload */
/** @typedef {import('./whole.js').Whole} Whole */
/** @typedef {EventTarget & { type?: string, saveData?: boolean }} NetworkInformation of Chromium alone */

/** The network that the browser is on, where it says so. */
const networkHere = () => /** @type {Navigator & { connection?: NetworkInformation }} */ (globalThis.navigator)?.connection;

/** Where no worker says whose it is: the origin's, with the store that is there. @returns {Promise<Site>} */
async function guessSite() {
  const names = await caches.keys().catch(() => []);
  return { end: '', cache: names.find((name) => endOf(name) === '') ?? `${CACHE_PREFIX}1`, manifest: MANIFEST_PATH };
}

// A site whose worker is no longer registered left its store here.
async function sweep() {
  const scopes = (await navigator.serviceWorker.getRegistrations()).map(({ scope }) => scope);
  for (const name of await caches.keys()) {
    const path = endOf(name)?.split(' ')[1];
    if (path && !scopes.includes(location.origin + path)) await caches.delete(name);
  }
}

/**
 * @typedef {object} PageOptions
 * @property {string} [cacheName] the store's name, as the site's own or as its beginning
 * @property {Site | null} [site] if the worker has said whose it is
 * @property {Form} form
 * @property {boolean} orFetch the manifest may be the origin's
 * @property {RTCConfiguration | null} servers null: there are some that cannot be used, and no connection is made
 * @property {string} socket the coordinator's WebSocket
 * @property {unknown} [engine] its script, where the site says it
 * @property {{ sent: number, received: number }} counts payload bytes, by this page's engines before this one
 * @property {boolean} inPage the engine runs in the page
 * @property {string} [report] where the site's owner is told what this page counted
 * @property {boolean} [idle] the site's word on connections that nobody needs yet
 */

/**
 * @typedef {object} Listener
 * @property {(code: ErrorCode, more?: { url?: string, message?: string }) => void} report something went wrong, and was met
 * @property {(count: number) => void} peers how many pairs are open
 * @property {(news: import('./bridge.js').News | null) => void} tell what the worker said
 * @property {(manifest: string) => void} disabled this manifest turns it all off
 * @property {() => void} failed the engine is gone; everything has ended
 * @property {(code: ErrorCode | '' | undefined) => void} heard why the worker that controls the page answers nothing, if so
 * @property {() => void} changed the page may be served by a worker now, or not any more
 * @property {(site: Site) => void} site the page's site is known
 * @property {(site: Site) => void} moved the page belongs to another site, or its store to another version: nothing that was
 *   read holds
 * @property {() => void} untransferable the engine is to be started again, in the page
 */

const after = (/** @type {number} */ ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export class Page {
  #options;
  #listener;
  #bridge;
  #upload;
  /** @type {import('./thread.js').Running | null} */
  #running = null;
  /** @type {Connections | null} */
  #connections = null;
  #over = new AbortController();
  /** @type {Set<string | undefined>} what was malformed */
  #named = new Set();
  #isRefused = false;
  /** Why no coordinator helps; null once one has spoken. @type {ErrorCode | null} */
  #coordinator = null;
  #counts;
  /** What the core has to report; nothing once it is sent. */
  #report = '';
  #onJoined = (/** @type {Site | null} */ _) => {};
  /** Once it is known that there is a worker. @type {Promise<unknown> | null} */
  #informed = null;
  #ended = new Promise((resolve) => this.#over.signal.addEventListener('abort', resolve));
  /** It is known who has what, or cannot be known. */
  #onKnown = () => {};
  #known = new Promise((/** @type {(value?: unknown) => void} */ resolve) => (this.#onKnown = resolve));
  /** The worker that controls the page has answered. @type {Promise<unknown> | undefined} */
  #heard;
  #onHeard = () => {};
  /** @type {Map<number, (whole: Whole | null) => void>} what is read for the page itself */
  #reads = new Map();
  #issued = 0;

  /**
   * Nothing is begun yet: start() does it.
   * @param {PageOptions} options
   * @param {Upload} upload
   * @param {Listener} listener
   */
  constructor(options, upload, listener) {
    this.#options = options;
    this.#listener = listener;
    this.#upload = upload;
    this.#counts = { peers: 0, ...options.counts };
    /** Once the worker has said it. @type {Site | null} */
    this.site = null;
    this.joined = new Promise((/** @type {(site: Site | null) => void} */ resolve) => (this.#onJoined = resolve));
    this.#bridge = new Bridge(options.form, {
      meet: this.#meet,
      delegate: (request, port) => this.#call('delegate', [request, port], [port]),
      tell: this.#hear,
      controlled: () => {
        listener.changed();
        this.#listen();
      },
      site: this.#meetSite,
    });
  }

  get #isStopped() {
    return this.#over.signal.aborted;
  }

  get controlled() {
    return this.#running !== null && this.#bridge.controlled;
  }

  /**
   * Resolves when the worker has answered and it is known who has what, or when that takes too long to be waited for. A page
   * that has just got its worker knows neither yet.
   */
  get informed() {
    if (this.#informed) return this.#informed;
    const { controlled, hears } = this.#bridge;
    const all = Promise.all([this.#known, hears && this.#heard]);
    const informed = within(firstSocketWait, Promise.race([this.#ended, all]));
    if (controlled) this.#informed = informed;
    return informed;
  }

  /** The engine itself where it runs in the page. */
  get head() {
    return this.#running?.head ?? null;
  }

  /** @returns {import('./plugin.js').Stats} */
  get stats() {
    return { ...this.#counts, engine: this.#running && (this.#running.head ? 'page' : 'worker') };
  }

  /** What is not there, of what this page needs; null for each that is. @returns {(ErrorCode | null)[]} */
  get missing() {
    return [this.#isRefused ? 'no-webrtc' : null, this.#coordinator];
  }

  /** Who could be reached. */
  async reached() {
    return this.#connections?.reached();
  }

  /** The manifest is read again. */
  manifest(orFetch = false) {
    this.#call('manifest', [orFetch]);
  }

  /** Whether the store has another manifest by now than the one that was read. @param {string} read */
  async isStale(read) {
    const text = await (await caches.match(MANIFEST_PATH, { cacheName: this.site?.cache ?? '' }))?.text();
    return text !== undefined && text !== read;
  }

  /**
   * One whole resource, of peers.
   * @param {Request} request
   * @param {number} timeoutAfter milliseconds until the first piece
   * @returns {Promise<Answer | null>} null if it is not listed, too large for one answer, or nobody has all of it
   */
  async read({ url, method, signal }, timeoutAfter) {
    if (method !== 'GET' || signal?.aborted || !this.#running) return null;
    const id = ++this.#issued;
    const whole = await new Promise((/** @type {(whole: Whole | null) => void} */ resolve) => {
      this.#reads.set(id, resolve);
      this.#call('read', [id, url, timeoutAfter]);
      signal?.addEventListener('abort', () => {
        this.#call('unread', [id]);
        this.#answer(id, null);
      });
    });
    return whole && new Answer(whole);
  }

  /** @param {Upload} upload */
  setUpload(upload) {
    this.#upload = upload;
    this.#call('upload', [upload]);
  }

  /** @param {Form} form */
  setForm(form) {
    this.#bridge.setForm(form);
  }

  /**
   * Nobody sees the page, and it may be gone any time: its owner is told, once. What the core has counted in the last moment is
   * not in it.
   */
  tellOwner() {
    const { report: url } = this.#options;
    if (!url || !this.#report) return;
    this.#options.report = undefined;
    this.#call('reported', []);
    navigator.sendBeacon(url, this.#report);
  }

  /**
   * Ends everything.
   * @param {ErrorCode} [code]
   * @param {boolean} [isKept] the page enters the back/forward cache
   */
  stop(code = 'cancelled', isKept) {
    if (this.#isStopped) return;
    this.#over.abort();
    this.#call('stop', [code, isKept]);
    this.#running = null;
    this.#connections?.closeAll();
    this.#bridge.close();
    this.#onJoined(null);
    for (const id of this.#reads.keys()) this.#answer(id, null);
  }

  /** Resolves when the engine runs, or the page was stopped. Rejects where it cannot run. */
  async start() {
    const { servers, socket, report, orFetch, engine: script, inPage } = this.#options;
    const ahead = await askedAhead(this.#options.idle);
    if (this.#isStopped) return;
    this.#isRefused = !servers;
    const connections = new Connections(servers ?? {}, this.#call, {
      failed: this.#fail,
      refused: this.#refuse,
      untransferable: this.#listener.untransferable,
      routed: report ? (pair, route) => this.#call('routed', [pair, route]) : null,
    });
    this.#connections = connections;
    const hasWebRtc = servers !== null && typeof RTCPeerConnection === 'function';
    const options = { ahead, orFetch, socket, browser: browserId(), hasWebRtc, counts: this.#counts, reports: Boolean(report) };
    const running = await startHead({ script, inPage }, this.#hand(connections), options);
    if (this.#isStopped) return running.call('stop', ['cancelled']);
    this.#running = running;
    this.#call('upload', [this.#upload]);
    this.#bridge.open();
    this.#listen();
    this.#findSite(orFetch).catch(() => {});
    this.#watchNetwork();
    if (!globalThis.document) return;
    const { signal } = this.#over;
    const hide = () => {
      this.#call('hidden', []);
      this.tellOwner();
    };
    document.addEventListener('visibilitychange', () => document.hidden && hide(), { signal });
    this.#warm().catch(() => {});
  }

  // A worker that says nothing has no peer-cdn in it, or never calls register(). If it speaks later, that counts.
  // Another one that takes its place has its own word.
  async #listen() {
    const heard = new Promise((resolve) => (this.#onHeard = () => resolve(true)));
    this.#heard = heard;
    if (this.#options.form !== 'stream' || !this.#bridge.hears) return;
    const isOver = await within(workerWait, Promise.race([heard, this.#ended]));
    if (!isOver && heard === this.#heard) this.#listener.heard('no-worker');
  }

  /** A page that fetches the manifest itself need have no worker of ours. @param {boolean} orFetch */
  async #findSite(orFetch) {
    const { site } = this.#options;
    if (site) return this.#meetSite(site);
    if (this.#bridge.mayHear) {
      if (!orFetch) return;
      if (this.#bridge.controlled) await after(firstSocketWait);
    }
    const guessed = await guessSite();
    if (!this.site) this.#meetSite(guessed);
  }

  /** @param {Site} met */
  #meetSite = (met) => {
    if (this.#isStopped) return;
    const { cacheName } = this.#options;
    const site = { ...met, cache: cacheName === undefined ? met.cache : cacheOf(cacheName, met.end) };
    if (this.site) {
      const { end, cache, manifest } = this.site;
      if (site.end !== end || site.cache !== cache || site.manifest !== manifest) this.#listener.moved(met);
      return;
    }
    this.site = site;
    this.#call('join', [site]);
    this.#bridge.join(site);
    this.#listener.site(met);
    this.#onJoined(site);
  };

  /** @type {import('./link.js').ToHead} */
  #call = (name, args, transfer) => this.#running?.call(name, args, transfer);

  /** @param {number} id @param {Whole | null} whole */
  #answer = (id, whole) => {
    const resolve = this.#reads.get(id);
    this.#reads.delete(id);
    resolve?.(whole);
  };

  #fail = () => {
    if (this.#isStopped) return;
    this.stop('engine-failed');
    this.#listener.failed();
  };

  /** A port by which the worker asks the engine, past the page. */
  #meet = () => {
    const { port1, port2 } = new MessageChannel();
    this.#call('meet', [port1], [port1]);
    return port2;
  };

  /**
   * The worker finds the same entries bad each time that it reads the manifest: whoever is first, each is named once.
   * @param {string} [url]
   */
  #name(url) {
    if (this.#named.has(url)) return;
    this.#named.add(url);
    this.#listener.report('malformed-manifest', { url });
  }

  /** The site's `servers`, mostly: each connection would be refused alike. @param {string} [message] */
  #refuse = (message) => {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#listener.report('no-webrtc', { message });
  };

  // On another network connections are made to find their way at once, not when they are missed.
  #watchNetwork() {
    const { signal } = this.#over;
    const connection = networkHere();
    let type = connection?.type;
    const changed = () => this.#call('networkChanged', []);
    globalThis.addEventListener?.('online', changed, { signal });
    // It also fires for every estimate of speed.
    connection?.addEventListener?.(
      'change',
      () => {
        if (type === connection.type) return;
        type = connection.type;
        changed();
      },
      { signal },
    );
  }

  // Connections are made while nothing else is to be done, before they are needed.
  async #warm() {
    if (document.readyState !== 'complete') {
      await new Promise((resolve) => addEventListener('load', resolve));
    }
    await this.informed;
    while (!this.#isStopped) {
      // More than once: a worker that ends may write for a moment yet.
      sweep().catch(() => {});
      await idle();
      this.#call('idle', [document.hidden, Boolean(networkHere()?.saveData)]);
      await after(idleInterval);
    }
  }

  /** @param {import('./bridge.js').News | null} message */
  #hear = (message) => {
    if ((message?.type === 'busy' && message.cache) || message?.type === 'site') {
      this.#onHeard();
      // The manifest itself, by its path, as whoever read it names it.
      if (message.code === 'malformed-manifest') this.#name(this.site?.manifest);
      this.#listener.heard(message.code);
    }
    if (message?.type === 'error' && message.code === 'malformed-manifest') return this.#name(message.url);
    this.#listener.tell(message);
  };

  // What the page had loaded before the worker was there.
  async #adopt() {
    if (!globalThis.performance?.getEntriesByType) return;
    await idle();
    const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType('resource'));
    // The HTTP cache does not have what came through a worker, nor all of a 206, nor an error's file. Looking for such a file
    // there would be an error on the console. A browser that does not tell the status may be a WebKit without an HTTP cache (a
    // private window), which asks the origin for what is to be only from there; nor does it tell what came through a worker.
    const mayBeCached = entries.filter(({ workerStart, responseStatus }) => !workerStart && responseStatus === 200);
    this.#call('loaded', [mayBeCached.map(({ name }) => name)]);
  }

  /** @param {Connections} connections @returns {import('./link.js').HandCalls} */
  #hand(connections) {
    return {
      ...connections,
      report: (code, url) => {
        if (code === 'malformed-manifest') return this.#name(url);
        if (code === 'no-webrtc') return this.#refuse();
        if (coordinatorCodes.includes(code)) this.#coordinator = code;
        this.#listener.report(code);
      },
      counts: (peers, sent, received, report) => {
        this.#report = report;
        const isOther = peers !== this.#counts.peers;
        this.#counts = { peers, sent, received };
        if (isOther) this.#listener.peers(peers);
      },
      // A worker that is ended from outside says nothing, but its lock is free then.
      lives: (lock) =>
        navigator.locks?.request(lock, { signal: this.#over.signal }, this.#listener.untransferable).catch(() => {}),
      informed: this.#onKnown,
      present: (change) => {
        this.#coordinator = null;
        this.#bridge.present(change);
      },
      company: (root) => this.#bridge.company(root),
      adopt: () => void this.#adopt().catch(() => {}),
      whole: this.#answer,
      disabled: this.#listener.disabled,
      failed: this.#fail,
    };
  }
}
