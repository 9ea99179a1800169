// PeerPlugin, what a page holds of us; and the page side of CachePlugin, a name.
import {Page} from './page.js';
import {bothAllow, isUploadChange, storedUpload, storeUpload, uploadOf} from './settings.js';
import {readWhole} from './whole.js';

/** The worker's CachePlugin keeps its Cache under `CachePlugin.peerFetch + version`. */
export class CachePlugin {
  static peerFetch = 'peer-cdn-v';
}

/**
 * @typedef {object} PeerOptions
 * @property {string} [cacheName] the worker's Cache; unless it is given, the worker tells its name
 * @property {number} [timeoutAfter] milliseconds that get() waits for its first piece; 3000
 * @property {RTCConfiguration} [servers]
 * @property {object} [constraints] accepted as it was published; channels are ordered and reliable
 * @property {boolean | Partial<import('./settings.js').Upload>} [upload] the most that the visitor may choose
 * @property {string} [socket] the coordinator's WebSocket, a path or a URL; /peer-cdn/ws
 * @property {'stream' | 'reply'} [form] who answers the worker: this plugin, or your own message listener
 */

/**
 * Events: `transfer` (detail: what a response took from cache, peers and origin), `error` (detail.code) and
 * `peers` (detail.count).
 */
export class PeerPlugin extends EventTarget {
  #options;
  /** @type {Page | null} */
  #page = null;
  /** @type {string | null} */
  #reason = null;
  #choice = storedUpload();
  /** @type {string | undefined} the name of the worker's Cache, once it was told */
  #cacheName;
  /** @type {BroadcastChannel | null} while the manifest turns it all off */
  #waiting = null;

  /** Never throws. @param {PeerOptions} [options] */
  constructor(options = {}) {
    super();
    this.#options = {
      timeoutAfter: 3000,
      form: 'reply',
      socket: '/peer-cdn/ws',
      ...options,
    };
    this.#open();
    globalThis.addEventListener?.('pagehide', this.#onHide);
    globalThis.addEventListener?.('pageshow', this.#onShow);
    globalThis.addEventListener?.('storage', this.#onStorage);
  }

  /** Whether this page takes part: the engine runs, and the worker controls the page. */
  get active() {
    return Boolean(this.#page?.controlled);
  }

  /** Why it does not, as an error code; null while it does. @returns {string | null} */
  get reason() {
    return this.active ? null : this.#reason ?? 'no-worker';
  }

  /** Resolves when it is known who has what: what is fetched from then on finds its peers. Half a second at most. */
  get informed() {
    return this.#untilInformed();
  }

  async #untilInformed() {
    let page;
    do {
      page = this.#page;
      await page?.informed;
    } while (page !== this.#page);
  }

  /** Open pairs, and payload bytes to and from peers. */
  get stats() {
    return this.#page?.stats ?? {peers: 0, sent: 0, received: 0};
  }

  /**
   * What holds for uploads: at most what the page's options say. Setting it (some or all of its members) is the
   * visitor's choice: kept for this site, and obeyed by all its tabs at once.
   */
  get upload() {
    return this.#page?.upload ?? uploadOf(this.#allowed, {on: true, bytesPerSecond: 0, bytes: 0});
  }

  set upload(choice) {
    this.#choice = uploadOf(choice, uploadOf(this.#choice, {}));
    storeUpload(this.#choice);
    this.#page?.setUpload(this.#allowed);
  }

  get #allowed() {
    return bothAllow(this.#options.upload, this.#choice);
  }

  /**
   * `get()` resolves to an answer that survives structured cloning (status, headers, body), or to null.
   * @param {{ request: Request }} event
   */
  getMiddleware({request}) {
    return {get: async () => (this.#page ? readWhole(this.#page, request, this.#options.timeoutAfter) : null)};
  }

  /** Turns it all off in this page; what is stored stays. */
  close() {
    this.#close('cancelled');
    globalThis.removeEventListener?.('pagehide', this.#onHide);
    globalThis.removeEventListener?.('pageshow', this.#onShow);
    globalThis.removeEventListener?.('storage', this.#onStorage);
  }

  #open() {
    try {
      this.#page = new Page({cacheName: this.#cacheName, ...this.#options}, this.#allowed, {
        report: (code, url) => this.#emit('error', url === undefined ? {code} : {code, url}),
        peers: (count) => this.#emit('peers', {count}),
        tell: (message) => this.#tell(message),
        disabled: () => this.#wait(),
        failed: () => this.#close('engine-failed'),
      });
      this.#reason = null;
    } catch {
      this.#close('engine-failed');
    }
  }

  #close(reason) {
    const page = this.#page;
    this.#page = null;
    this.#reason = reason;
    this.#waiting?.close();
    this.#waiting = null;
    page?.stop(reason);
    if (reason === 'engine-failed') this.#emit('error', {code: reason});
  }

  // Until there is another manifest.
  #wait() {
    this.#close('cancelled');
    if (typeof BroadcastChannel !== 'function') return;
    this.#waiting = new BroadcastChannel('peer-cdn');
    this.#waiting.onmessage = ({data}) => {
      if (data?.type === 'manifest') this.#reopen();
    };
  }

  #reopen() {
    this.#close('cancelled');
    this.#open();
  }

  // A store of another name is another page's life: nothing that was read from the first one holds.
  async #useCache(name) {
    const page = this.#page;
    if (this.#options.cacheName || typeof name !== 'string' || name === this.#cacheName) return;
    this.#cacheName = name;
    const used = await page?.cacheName;
    if (page && used !== name && page === this.#page) this.#reopen();
  }

  #tell({type, ...detail}) {
    if (type === 'busy') void this.#useCache(detail.cache);
    if (type === 'transfer' || type === 'error') this.#emit(type, detail);
  }

  // A listener that throws is the page's own business: dispatchEvent reports it and returns.
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, {detail}));
  }

  // A page in the back/forward cache runs nothing, and its peers should not wait for it.
  #onHide = () => this.#close('cancelled');

  #onShow = ({persisted}) => {
    this.#choice = storedUpload() ?? this.#choice;
    if (persisted && !this.#page) this.#open();
  };

  // The visitor chose in another tab.
  #onStorage = (event) => {
    if (!isUploadChange(event)) return;
    this.#choice = storedUpload();
    this.#page?.setUpload(this.#allowed);
  };
}
