// PeerPlugin, what a page holds of us; and the page side of CachePlugin, a name.
import { CACHE_PREFIX, earlyEvents, readTimeout } from '../build/border.js';
import { named } from './options.js';
import { nothing, Shared, share, sharedHere } from './shared.js';

/** The worker's CachePlugin keeps its Cache under `CachePlugin.peerFetch + version`. */
// biome-ignore lint/complexity/noStaticOnlyClass: the page has the name of the worker's plugin, which is published
export class CachePlugin {
  static peerFetch = CACHE_PREFIX;
  /** The old spelling. */
  static peerfetch = CACHE_PREFIX;
}

/**
 * @typedef {object} PeerOptions
 * @property {string} [cacheName] the worker's Cache; unless it is given, the worker tells its name
 * @property {number} [timeoutAfter] milliseconds that get() waits for its first piece; default: 3000
 * @property {RTCConfiguration | null} [servers] what connections are made with: STUN and TURN servers; default: none
 * @property {object} [constraints] accepted as it was published; channels are ordered and reliable
 * @property {boolean | import('./settings.js').SomeUpload} [upload] the most that the visitor may choose; default:
 *   anything. A visitor who has chosen nothing uploads as fast as the line allows, 4 GiB at the most
 * @property {string} [socket] the coordinator's WebSocket, a path or a URL; default: /peer-cdn/ws
 * @property {import('./registration.js').ScriptUrl} [engine] the engine's script; default: beside ours, or /peer-cdn/engine.js
 * @property {boolean} [idle] whether an idle page may make connections before it needs them; default: where no visitor is asked
 *   for a permission by that
 * @property {string} [report] the coordinator's /peer-cdn/report: when the page is hidden or ends, it says there, once, how many
 *   bytes came from where and how many connections opened, of nobody; default: it says nothing
 * @property {boolean} [warn] whether the console says, once a page, what keeps sharing from working at all, and which options
 *   are bad; default: true
 * @property {'stream' | 'reply'} [form] who answers the worker: this plugin, or (`reply`, the default of `new PeerPlugin()`) your
 *   own message listener
 */

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */

/**
 * @typedef {object} ErrorDetail
 * @property {ErrorCode} code
 * @property {string} [url] of the file, or the manifest, that it is about
 * @property {string} [message] the browser's own words
 * @property {string[]} [options] of `bad-option` and `options-differ`: the names of the options
 */

/**
 * @typedef {object} Stats
 * @property {number} peers open pairs
 * @property {number} sent bytes of files, to peers
 * @property {number} received bytes of files, from peers
 * @property {'worker' | 'page' | null} engine where it runs
 */

/**
 * @typedef {object} PeerEvents
 * @property {CustomEvent<Omit<import('./bridge.js').Transfer, 'type'>>} transfer
 * @property {CustomEvent<ErrorDetail>} error
 * @property {CustomEvent<{ count: number }>} peers
 * @property {CustomEvent<{ active: boolean, reason: ErrorCode | null }>} state
 */

/**
 * @template Heard
 * @typedef {((event: Heard) => void) | { handleEvent: (event: Heard) => void } | null} Listening
 */

/**
 * Events: `transfer` (detail: what a response took from cache, peers and origin), `error` (detail.code), `peers`
 * (detail.count) and `state` (detail.active and detail.reason, whenever they change). All instances in a page share one
 * engine: it is made with the options of the first.
 */
export class PeerPlugin extends EventTarget {
  /** @type {import('./shared.js').Instance} */
  #instance;
  #shared;
  #isOpen = false;
  /** Why this instance itself takes no part. @type {import('../build/border.js').ErrorCode | null} */
  #reason = null;
  /** What was said before anybody could listen; null once somebody does. @type {object[] | null} */
  #early = [];

  /** Never throws. @param {PeerOptions} [options] */
  constructor(options) {
    super();
    this.#instance = {
      options: { form: 'reply', ...named(options) },
      tell: (type, detail, isKept) =>
        isKept && this.#early && this.#early.length < earlyEvents ? this.#early.push(detail) : this.#emit(type, detail),
    };
    const shared = share();
    this.#shared = shared ?? new Shared();
    if (shared) {
      this.#isOpen = true;
      shared.join(this.#instance);
    } else if (globalThis.location) {
      this.#reason = 'version-mismatch';
      this.#early?.push({ code: this.#reason });
    }
  }

  /** Whether this page takes part: the engine runs, and the worker controls the page. */
  get active() {
    return this.#isOpen && this.#shared.active;
  }

  /** Why it does not, as an error code; null while it does. @returns {import('../build/border.js').ErrorCode | null} */
  get reason() {
    return this.#reason ?? this.#shared.reason;
  }

  /** Resolves when it is known who has what: what is fetched from then on finds its peers. Half a second at most. */
  get informed() {
    return this.#shared.informed();
  }

  /**
   * Open pairs, and payload bytes to and from peers, of the page; and where its engine runs: in a `worker` of its own, in the
   * `page`, or nowhere (null).
   * @returns {Stats}
   */
  get stats() {
    return this.#isOpen ? this.#shared.stats : nothing;
  }

  /**
   * What holds for uploads: at most what the options say. Setting it (some or all of its members) is the visitor's
   * choice: kept for this site, and obeyed by all its tabs at once. Where other instances in the page allow less, the
   * page uploads less.
   * @returns {import('./settings.js').Upload}
   */
  get upload() {
    return this.#shared.uploadOf(this.#instance);
  }

  /** @param {boolean | import('./settings.js').SomeUpload} choice */
  set upload(choice) {
    (sharedHere() ?? this.#shared).choose(choice);
  }

  /**
   * Which part is missing, who could be reached by which way, and where the last responses came from. `npx peer-cdn doctor` asks
   * the same from outside.
   * @returns {Promise<import('./diagnosis.js').Diagnosis>}
   */
  diagnose() {
    return this.#shared.diagnose(this.#reason);
  }

  /**
   * `get()` resolves to an answer that survives structured cloning (status, headers, body), or to null.
   * @param {{ request: Request }} event
   */
  getMiddleware({ request }) {
    const { timeoutAfter = readTimeout } = this.#instance.options;
    return { get: async () => (this.#isOpen ? this.#shared.read(request, timeoutAfter) : null) };
  }

  /**
   * @template {keyof PeerEvents} Type
   * @param {[type: Type, listener: Listening<PeerEvents[Type]>, options?: boolean | AddEventListenerOptions]} listening
   */
  addEventListener(...listening) {
    super.addEventListener(.../** @type {Parameters<EventTarget['addEventListener']>} */ (listening));
    if (listening[0] !== 'error' || !this.#early) return;
    const early = this.#early;
    this.#early = null;
    queueMicrotask(() => early.forEach((detail) => this.#emit('error', detail)));
  }

  /**
   * EventTarget's own, under the types of our events.
   * @template {keyof PeerEvents} Type
   * @param {[type: Type, listener: Listening<PeerEvents[Type]>, options?: boolean | EventListenerOptions]} listening
   */
  removeEventListener(...listening) {
    super.removeEventListener(.../** @type {Parameters<EventTarget['removeEventListener']>} */ (listening));
  }

  /** This instance takes no part any more. With the last one all is off in this page; what is stored stays. */
  close() {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#reason = 'cancelled';
    this.#shared.leave(this.#instance);
  }

  /**
   * A listener that throws is the page's own business: dispatchEvent reports it and returns.
   * @param {string} type
   * @param {object} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
