// The one engine of a page. All instances of PeerPlugin use it, also those of other copies of this package.
import { Page } from './page.js';
import { differences, engineOptions, isSameWorker, unbounded } from './options.js';
import { isControlled } from './registration.js';
import { bothAllow, isUploadChange, storedUpload, storeUpload, unsaid, uploadOf } from './settings.js';
import { readWhole } from './whole.js';
import { CHANNEL } from '../build/border.js';

// Two bundles in one page have no module in common, but they have the global object.
const KEY = Symbol.for('peer-cdn');
// The version of what Shared and its instances say to each other, because their copies may be of different releases. It is
// not the protocol's: the members of Shared may change while the messages stay, and the other way round.
const VERSION = 1;

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */
/** @typedef {import('./bridge.js').Form} Form */
/** @typedef {import('./registration.js').Registering} Registering */
/** @typedef {keyof import('./plugin.js').PeerEvents} EventType */

/**
 * @typedef {object} Instance one PeerPlugin
 * @property {import('./plugin.js').PeerOptions} options
 * @property {(type: EventType, detail: object, isKept?: boolean) => void} tell an event; one that is kept waits for a listener
 * @property {boolean} [isTold] that options differ
 */

/** @type {typeof globalThis & { [KEY]?: Shared }} */
const here = globalThis;

/** What the page has, or null if it has none, or one that speaks another version. @returns {Shared | null} */
export const sharedHere = () => (here[KEY]?.version === VERSION ? here[KEY] : null);

/** What the page has, or else will have. @returns {Shared | null} null if the page has one that speaks another version */
export function share() {
  here[KEY] ??= new Shared();
  return sharedHere();
}

/** Its public members are the contract between copies: a change that an older one would not understand is another VERSION. */
export class Shared {
  version = VERSION;
  /** @type {Set<Instance>} */
  #instances = new Set();
  /** The first instance's: they hold for all. @type {import('./plugin.js').PeerOptions} */
  #options = {};
  /** The first worker that start() was given. @type {import('./options.js').WithWorker | undefined} */
  #worker;
  /** @type {Page | null} */
  #page = null;
  /** @type {ErrorCode | null} */
  #reason = null;
  /** Why the worker answers nothing, by its own word. @type {ErrorCode | '' | undefined} */
  #idle;
  #onIdle = (/** @type {boolean} */ _) => {};
  #idling = new Promise((resolve) => (this.#onIdle = resolve));
  #choice = storedUpload();
  /** @type {string | undefined} the name of the worker's Cache, once it was told */
  #cacheName;
  /** @type {BroadcastChannel | null} while the manifest turns it all off */
  #waiting = null;

  /** Whether the engine runs, and the worker controls the page and answers its requests. */
  get active() {
    return Boolean(this.#page?.controlled && !this.#idle);
  }

  get reason() {
    return this.active ? null : (this.#reason ?? (this.#idle || 'no-worker'));
  }

  /** Resolves when it is known who has what. */
  async informed() {
    let page;
    do {
      page = this.#page;
      await page?.informed;
    } while (page !== this.#page);
  }

  get stats() {
    return this.#page?.stats ?? { peers: 0, sent: 0, received: 0 };
  }

  /**
   * What an instance's options and the visitor allow. The page uploads what all of its instances allow.
   * @param {Instance} instance
   */
  uploadOf({ options }) {
    const allowed = bothAllow(options.upload, this.#choice);
    return this.#page?.uploadOf(allowed) ?? uploadOf(allowed, unbounded);
  }

  /** The visitor's choice. @param {import('./settings.js').Choice} choice */
  choose(choice) {
    this.#choice = uploadOf(choice, uploadOf(this.#choice, unsaid));
    storeUpload(this.#choice);
    this.#agree();
  }

  /** @param {Request} request @param {number} timeoutAfter */
  async read(request, timeoutAfter) {
    return this.#page ? readWhole(this.#page, request, timeoutAfter) : null;
  }

  /** @param {Instance} instance */
  join(instance) {
    this.#instances.add(instance);
    if (this.#instances.size === 1) return this.#begin(instance);
    if (this.#reason === 'engine-failed') instance.tell('error', { code: this.#reason }, true);
    this.#compare(instance).catch(() => {});
    this.#agree();
    if (instance.options.form === 'reply') this.#page?.manifest(true);
  }

  /** The last one turns it all off. @param {Instance} instance */
  leave(instance) {
    if (this.#instances.size > 1) {
      this.#instances.delete(instance);
      return this.#agree();
    }
    // A start() from within an event finds no engine that is about to end.
    delete here[KEY];
    this.#close('cancelled');
    this.#instances.clear();
    this.#listen('removeEventListener');
  }

  /**
   * Resolves when the worker controls the page and it is known who has what, or when there is nothing to wait for.
   * @param {Registering} given
   */
  async control(given) {
    const { worker } = given;
    if (worker) {
      this.#worker ??= { ...given, worker };
      if (!isSameWorker(this.#worker, { ...given, worker })) this.#differ(['worker']);
    }
    const controlled = Promise.race([isControlled(this.#worker ?? given), this.#idling]);
    // Without an engine the worker serves the page from its store all the same, but that is nothing to wait for.
    if (this.#page && (await controlled)) await this.informed();
  }

  /** @param {Instance} instance */
  #begin({ options }) {
    this.#options = options;
    this.#open();
    this.#listen('addEventListener');
  }

  /** @param {'addEventListener' | 'removeEventListener'} method */
  #listen(method) {
    globalThis[method]?.('pagehide', this.#onHide);
    globalThis[method]?.('pageshow', this.#onShow);
    globalThis[method]?.('storage', this.#onStorage);
  }

  #open() {
    const { cacheName, servers, socket } = engineOptions(this.#options);
    const [form, orFetch] = [this.#form, this.#has('reply')];
    try {
      this.#page = new Page({ cacheName: cacheName ?? this.#cacheName, form, orFetch, servers, socket }, this.#allowed, {
        report: (code, url) => this.#emit('error', url ? { code, url } : { code }),
        peers: (count) => this.#emit('peers', { count }),
        tell: (message) => this.#tell(message),
        disabled: () => this.#wait(),
        failed: () => this.#fail(),
      });
      this.#reason = null;
    } catch {
      this.#fail();
    }
  }

  /** @param {ErrorCode} reason */
  #close(reason) {
    const page = this.#page;
    this.#page = null;
    this.#reason = reason;
    this.#waiting?.close();
    this.#waiting = null;
    page?.stop(reason);
  }

  #fail() {
    if (this.#reason === 'engine-failed') return;
    this.#close('engine-failed');
    this.#emit('error', { code: 'engine-failed' }, true);
  }

  // Until there is another manifest. The worker may have told of it before we wait here: then it is in the store.
  #wait() {
    const page = this.#page;
    this.#close('cancelled');
    if (typeof BroadcastChannel !== 'function') return;
    const waiting = new BroadcastChannel(CHANNEL);
    this.#waiting = waiting;
    waiting.onmessage = ({ data }) => {
      if (data?.type === 'manifest') this.#reopen();
    };
    page
      ?.isStale()
      .then((isStale) => isStale && waiting === this.#waiting && this.#reopen())
      .catch(() => {});
  }

  #reopen() {
    this.#close('cancelled');
    this.#open();
  }

  /**
   * A store of another name is another page's life: nothing that was read from the first one holds.
   * @param {string | undefined} name
   */
  async #useCache(name) {
    const page = this.#page;
    if (this.#options.cacheName || typeof name !== 'string' || name === this.#cacheName) return;
    this.#cacheName = name;
    const used = await page?.cacheName;
    if (page && used !== name && page === this.#page) this.#reopen();
  }

  /** @param {Form} form */
  #has(form) {
    return [...this.#instances].some(({ options }) => options.form === form);
  }

  /** Whoever streams answers the worker best. @returns {Form} */
  get #form() {
    return this.#has('stream') ? 'stream' : 'reply';
  }

  get #allowed() {
    return [...this.#instances].map(({ options }) => options.upload).reduce((all, one) => bothAllow(one, all), this.#choice);
  }

  // Who takes part has changed, or what they allow.
  #agree() {
    this.#page?.setUpload(this.#allowed);
    this.#page?.setForm(this.#form);
  }

  /** @param {Instance} instance */
  async #compare({ options }) {
    const cacheName = this.#options.cacheName ?? (await this.#page?.cacheName) ?? undefined;
    this.#differ(differences({ ...this.#options, cacheName }, options));
  }

  /**
   * All are told, since each may be the one that somebody looks at; once, since mounting again tells nothing new.
   * @param {string[]} options
   */
  #differ(options) {
    if (options.length === 0) return;
    for (const instance of this.#instances) {
      if (instance.isTold) continue;
      instance.isTold = true;
      instance.tell('error', { code: 'options-differ', options }, true);
    }
  }

  /** @param {import('./bridge.js').News | null} news */
  #tell(news) {
    if (news?.type === 'busy') void this.#useCache(news.cache);
    if (news?.type === 'busy' && news.cache) this.#hear(news.code);
    if (news?.type !== 'transfer' && news?.type !== 'error') return;
    const { type, ...detail } = news;
    this.#emit(type, detail);
  }

  /** What the worker says of itself. @param {ErrorCode | '' | undefined} code */
  #hear(code) {
    if (code && code !== this.#idle) this.#emit('error', { code }, true);
    this.#idle = code;
    if (code) this.#onIdle(false);
  }

  /** @param {EventType} type @param {object} detail */
  #emit(type, detail, isKept = false) {
    for (const { tell } of this.#instances) tell(type, { ...detail }, isKept);
  }

  // A page in the back/forward cache runs nothing, and its peers should not wait for it.
  #onHide = () => this.#close('cancelled');

  #onShow = (/** @type {Event} */ event) => {
    this.#choice = storedUpload() ?? this.#choice;
    if (/** @type {PageTransitionEvent} */ (event).persisted && !this.#page) this.#open();
  };

  // The visitor chose in another tab.
  #onStorage = (/** @type {Event} */ event) => {
    if (!isUploadChange(/** @type {StorageEvent} */ (event))) return;
    this.#choice = storedUpload();
    this.#agree();
  };
}
