// The one engine of a page. All instances of PeerPlugin use it, also those of other copies of this package.
import { badOptions, differences, engineOptions, isSameWorker, known } from './options.js';
import { Advice } from './advice.js';
import { isControlled, isPossible, isRegistered, shown } from './registration.js';
import { attempt, bothAllow, isUploadChange, storedUpload, storeUpload, uploadOf, usable } from './settings.js';
import { CHANNEL, diagnosedResponses, registrationWait, uploadBytes, uploadRate, workerWait } from '../build/border.js';
import { within } from '../sw/within.js';

// Two bundles in one page have no module in common, but they have the global object.
const KEY = Symbol.for('peer-cdn');
// The version of what Shared and its instances say to each other, because their copies may be of different releases. It is
// not the protocol's: the members of Shared may change while the messages stay, and the other way round.
const VERSION = 1;

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */
/** @typedef {import('./bridge.js').Form} Form */
/** @typedef {import('./page.js').Page} Page */
/** @typedef {import('./registration.js').Registering} Registering */
/** @typedef {keyof import('./plugin.js').PeerEvents} EventType */

/**
 * @typedef {object} Instance one PeerPlugin
 * @property {import('./plugin.js').PeerOptions} options
 * @property {(type: EventType, detail: object, isKept?: boolean) => void} tell an event; one that is kept waits for a listener
 * @property {Set<ErrorCode>} [told] what it is told once
 */

/** @type {typeof globalThis & { [KEY]?: Shared }} */
const here = globalThis;

/** What a page that says nothing uploads at the most. */
const usual = { on: true, bytesPerSecond: uploadRate, bytes: uploadBytes };
/** @type {import('./plugin.js').Stats} */
export const nothing = { peers: 0, sent: 0, received: 0, engine: null };

/** Payload bytes of the page, by its engines that have ended: a cap on their sum outlives the last instance. */
let counts = { sent: 0, received: 0 };

/** What the page has, or null if it has none, or one that speaks another version. @returns {Shared | null} */
export const sharedHere = () => (here[KEY]?.version === VERSION ? here[KEY] : null);

/**
 * What the page has, or else will have.
 * @returns {Shared | null} null if the page has one that speaks another version; or on a server, which renders pages without end
 *     and would keep the instances of all
 */
export function share() {
  if (here.location) here[KEY] ??= new Shared();
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
  /** Resolves when the engine runs, or is off, or its scripts are not waited for any more. @type {Promise<unknown>} */
  #opened = Promise.resolve();
  /** Channels could not be transferred: the engine runs in the page. */
  #inPage = false;
  /** @type {ErrorCode | null} */
  #reason = null;
  /** Why the worker answers nothing, by its own word. @type {ErrorCode | '' | undefined} */
  #idle;
  #onIdle = (/** @type {boolean} */ _) => {};
  #idling = new Promise((resolve) => (this.#onIdle = resolve));
  /** Whose the page is, once the worker has said it. @type {import('./bridge.js').Site | null} */
  #site = null;
  // Node warns of whoever looks for its storage.
  #choice = here.location && storedUpload();
  #advice = new Advice();
  /** The choice was made before it was known whose it is, or storage had no room for it: it holds here alone. */
  #isToBeStored = false;
  /** The last that are over. @type {import('./diagnosis.js').Diagnosed[]} */
  #responses = [];
  /** What was last told of the state. */
  #told = '';
  /** @type {BroadcastChannel | null} while the manifest turns it all off */
  #waiting = null;

  /** Whether the engine runs, and the worker controls the page and answers its requests. */
  get active() {
    return Boolean(this.#page?.controlled && !this.#idle);
  }

  get reason() {
    return this.active ? null : (this.#reason ?? (this.#idle || 'no-worker'));
  }

  #tellState = () => {
    const { active, reason } = this;
    const state = `${active} ${reason}`;
    if (state === this.#told) return;
    this.#told = state;
    this.#emit('state', { active, reason });
  };

  /** Resolves when it is known who has what. */
  async informed() {
    let page;
    do {
      await this.#opened;
      page = this.#page;
      await page?.informed;
    } while (page !== this.#page);
  }

  /** @returns {import('./plugin.js').Stats} */
  get stats() {
    return this.#page?.stats ?? { ...nothing, ...counts };
  }

  /**
   * @param {ErrorCode | null} own why whoever asks takes no part, whatever others do
   * @returns {Promise<import('./diagnosis.js').Diagnosis>}
   */
  async diagnose(own) {
    await this.#opened;
    const page = this.#page;
    const peers = (await page?.reached()) ?? { tried: 0, paths: [] };
    const reason = own ?? this.reason;
    const codes = new Set([reason, ...(page?.missing ?? [])]);
    const missing = /** @type {ErrorCode[]} */ ([...codes].filter(Boolean));
    return { active: !reason, missing, engine: this.stats.engine, peers, responses: [...this.#responses] };
  }

  /**
   * What an instance's options and the visitor allow. The page uploads what all of its instances allow.
   * @param {Instance} instance
   */
  uploadOf({ options }) {
    const allowed = bothAllow(options.upload, this.#choice);
    return uploadOf(allowed, usual);
  }

  /** The visitor's choice. @param {import('./settings.js').Choice} choice */
  choose(choice) {
    this.#choice = uploadOf(choice, uploadOf(this.#choice));
    this.#isToBeStored = !this.#site || !storeUpload(this.#choice, this.#site.end);
    this.#agree();
    this.#tellBad({ upload: choice });
  }

  /** What cannot be used would be as if nobody had said it. @param {import('./plugin.js').PeerOptions} given */
  #tellBad(given) {
    const options = badOptions(given);
    if (options.length > 0) this.#emit('error', { code: 'bad-option', message: options.join(', '), options }, true);
  }

  /** @param {Request} request @param {number} timeoutAfter */
  async read(request, timeoutAfter) {
    await within(timeoutAfter, this.#opened);
    return this.#page?.read(request, timeoutAfter) ?? null;
  }

  /** @param {Instance} instance */
  join(instance) {
    const given = instance.options;
    instance.options = usable(given, known);
    // They may ask for a relay: without them visitors would see each other's addresses.
    if (given.servers) instance.options.servers ??= null;
    this.#instances.add(instance);
    const isFirst = this.#instances.size === 1;
    if (isFirst) this.#options = instance.options;
    this.#tellBad(given);
    if (isFirst) {
      this.#open();
      return this.#listen('addEventListener');
    }
    // What was missing may be there by now.
    if (this.#reason === 'engine-failed') this.#open();
    this.#compare(instance).catch(() => {});
    this.#agree();
    if (instance.options.form !== 'reply') return;
    // Who reads for itself needs no worker: where there is none the others may have closed the engine.
    if (this.#reason === 'no-worker') this.#open();
    else this.#page?.manifest(true);
  }

  /** The last one turns it all off. @param {Instance} instance */
  leave(instance) {
    if (this.#instances.size > 1) {
      this.#instances.delete(instance);
      instance.tell('state', { active: false, reason: 'cancelled' });
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
    if (given.worker) {
      const asked = /** @type {import('./options.js').WithWorker} */ (given);
      this.#worker ??= asked;
      if (!isSameWorker(this.#worker, asked)) this.#differ(['worker']);
    }
    await shown();
    const isServed = await Promise.race([isControlled(this.#worker ?? given), this.#idling]).catch((error) => {
      this.#tellOnce({ code: 'no-worker', message: error?.message });
      return null;
    });
    // Nobody would ask this page for anything: it holds no socket, no connection, no worker.
    if (isServed === null) {
      if (!this.#has('reply')) return this.#close('no-worker');
    } else if (!isServed && !this.#idle) {
      // One that is registered may yet come.
      const isNone = !(await isRegistered());
      if (isNone || isServed === false) {
        this.#tellOnce({ code: 'no-worker', message: isNone ? 'none is registered for this page' : undefined });
      }
    }
    // One before had no worker, and this one has.
    if (isServed && this.#reason === 'no-worker') this.#open();
    // Without an engine the worker serves the page from its store all the same, but that is nothing to wait for.
    await (isServed ? this.informed() : this.#opened);
  }

  /** @param {'addEventListener' | 'removeEventListener'} method */
  #listen(method) {
    here[method]?.('pagehide', this.#onHide);
    here[method]?.('pageshow', this.#onShow);
    here[method]?.('online', this.#tryAgain);
    here[method]?.('storage', this.#onStorage);
  }

  // What only an engine needs is loaded for the first one.
  #open() {
    // A listener may have closed the last instance when it heard that the engine before ended.
    if (this.#instances.size === 0) return;
    if (!isPossible()) return void (this.#reason = 'no-worker');
    // A page that ends may cut off its scripts: that is no fault of theirs.
    const isWanted = () => opened === this.#opened;
    const load = () =>
      import('./page.js')
        .then(({ Page }) => (isWanted() ? this.#start(Page) : undefined))
        .catch(() => isWanted() && this.#fail());
    /** @type {Promise<unknown>} */
    const opened = shown().then(() => within(workerWait, load()));
    this.#opened = opened;
  }

  /** @param {typeof import('./page.js').Page} Page */
  #start(Page) {
    let changes = 0;
    const options = {
      ...engineOptions(this.#options),
      counts,
      form: this.#form,
      orFetch: this.#has('reply'),
      site: this.#site,
      inPage: this.#inPage,
    };
    const page = new Page(options, this.#allowed, {
      // What is said once, and of the site's own options or files, waits for whoever listens after start().
      report: (code, more) => this.#emit('error', { code, ...more }, /^no-|malformed-ma|refused/.test(code)),
      peers: (count) => this.#emit('peers', { count }),
      tell: this.#tell,
      disabled: this.#wait,
      failed: this.#fail,
      heard: this.#hear,
      // Who clears the site's storage (`Clear-Site-Data`, or the visitor) takes its worker from open pages. The site may register
      // it again itself. One that clears its storage again and again is left alone for longer each time.
      changed: () => {
        this.#tellState();
        setTimeout(this.#tryAgain, registrationWait * ++changes);
      },
      site: this.#meetSite,
      moved: (site) => {
        this.#meetSite(site);
        this.#reopen();
      },
      untransferable: () => {
        this.#inPage = true;
        this.#reopen();
      },
    });
    this.#page = page;
    this.#reason = null;
    return page.start().then(this.#tellState);
  }

  /** @param {ErrorCode} reason @param {boolean} [isKept] as Page.stop() says */
  #close(reason, isKept) {
    const page = this.#page;
    this.#page = null;
    this.#opened = Promise.resolve();
    this.#reason = reason;
    this.#waiting?.close();
    this.#waiting = null;
    const peers = page?.stats.peers;
    page?.stop(reason, isKept);
    if (page) counts = { sent: page.stats.sent, received: page.stats.received };
    if (peers) this.#emit('peers', { count: 0 });
    this.#tellState();
  }

  #fail = () => {
    this.#close('engine-failed');
    this.#tellOnce({ code: 'engine-failed' });
  };

  // Until there is another manifest. The worker may have told of it before we wait here: then it is in the store.
  #wait = (/** @type {string} */ manifest) => {
    const page = this.#page;
    this.#close('disabled');
    if (this.#instances.size === 0) return;
    const waiting = attempt(() => new BroadcastChannel(CHANNEL + this.#site?.end), null);
    this.#waiting = waiting;
    if (!waiting) return;
    waiting.onmessage = ({ data }) => {
      if (data?.type === 'manifest') this.#reopen();
    };
    page
      ?.isStale(manifest)
      .then((isStale) => isStale && waiting === this.#waiting && this.#reopen())
      .catch(() => {});
  };

  #reopen() {
    this.#close(this.#reason ?? 'cancelled');
    this.#open();
  }

  // The visitor's choice is the site's: what was chosen before it was known whose it is counts as chosen now.
  #meetSite = (/** @type {import('./bridge.js').Site} */ site) => {
    this.#site = site;
    if (this.#isToBeStored && this.#choice) this.#isToBeStored = !storeUpload(this.#choice, site.end);
    else this.#choice = storedUpload(site.end);
    this.#agree();
  };

  /** @param {Form} form */
  #has(form) {
    return [...this.#instances].some(({ options }) => options.form === form);
  }

  /** Whoever streams answers the worker best. @returns {Form} */
  get #form() {
    return this.#has('stream') ? 'stream' : 'reply';
  }

  get #allowed() {
    const all = [...this.#instances].reduce((allowed, { options }) => bothAllow(options.upload, allowed), this.#choice);
    return uploadOf(all, usual);
  }

  // Who takes part has changed, or what they allow.
  #agree() {
    this.#page?.setUpload(this.#allowed);
    this.#page?.setForm(this.#form);
  }

  /** @param {Instance} instance */
  async #compare({ options }) {
    await this.#opened;
    const cacheName = this.#options.cacheName ?? (options.cacheName && (await this.#page?.joined)?.cache);
    this.#differ(differences({ ...this.#options, cacheName }, options, this.#site?.end ?? ''));
  }

  /** @param {string[]} options */
  #differ(options) {
    if (options.length > 0) this.#tellOnce({ code: 'options-differ', options });
  }

  /**
   * All are told, since each may be the one that somebody looks at; once, since mounting or trying again tells nothing new.
   * @param {import('./plugin.js').ErrorDetail} detail
   */
  #tellOnce(detail) {
    this.#warn(detail);
    for (const instance of this.#instances) {
      instance.told ??= new Set();
      if (instance.told.has(detail.code)) continue;
      instance.told.add(detail.code);
      instance.tell('error', { ...detail }, true);
    }
  }

  /** @param {import('./bridge.js').News | null} news */
  #tell = (news) => {
    if (news?.type !== 'transfer' && news?.type !== 'error') return;
    const { type, ...detail } = news;
    if (news.type === 'transfer' && news.done) this.#note(news);
    this.#emit(type, detail);
  };

  /** @param {import('./bridge.js').Transfer} transfer */
  #note({ url, bytes, fromCache, fromPeers, fromOrigin, code }) {
    this.#responses.push({ url, bytes, fromCache, fromPeers, fromOrigin, code: code || null });
    if (this.#responses.length > diagnosedResponses) this.#responses.shift();
  }

  /** What the worker says of itself. @param {ErrorCode | '' | undefined} code */
  #hear = (code) => {
    const before = this.#idle;
    this.#idle = code;
    if (code && code !== before) {
      this.#warn({ code });
      // The page names a manifest that cannot be read, by its path.
      if (code !== 'malformed-manifest') this.#emit('error', { code }, true);
    }
    if (code) this.#onIdle(false);
    // It answers by now: who starts from here on waits for it as the first one would have.
    else if (before) this.#idling = new Promise((resolve) => (this.#onIdle = resolve));
    this.#tellState();
  };

  /** Tells whoever develops the site. @param {Parameters<Advice['tell']>[0]} problem */
  #warn(problem) {
    if (this.#options.warn !== false) this.#advice.tell(problem);
  }

  /** @param {EventType} type @param {object} detail */
  #emit(type, detail, isKept = false) {
    if (type === 'error') this.#warn(/** @type {any} */ (detail));
    for (const { tell } of this.#instances) tell(type, { ...detail }, isKept);
  }

  // A page in the back/forward cache runs nothing, and its peers should not wait for it.
  #onHide = (/** @type {Event} */ event) => {
    try {
      this.#page?.tellOwner();
    } finally {
      // What is closed for another reason is not opened when the page is back.
      if (this.#reason !== 'no-worker') this.#close('cancelled', /** @type {PageTransitionEvent} */ (event).persisted);
    }
  };

  #onShow = (/** @type {Event} */ event) => {
    if (!this.#isToBeStored) this.#choice = storedUpload(this.#site?.end) ?? this.#choice;
    if (/** @type {PageTransitionEvent} */ (event).persisted && this.#reason === 'cancelled') this.#open();
  };

  // The network failed while a script was on its way, ours or the worker's; or the worker was cleared away.
  #tryAgain = () => {
    if (this.#reason === 'engine-failed') this.#open();
    if (this.reason === 'no-worker' && !this.#page?.controlled && this.#worker) this.control(this.#worker);
  };

  // The visitor chose in another tab.
  #onStorage = (/** @type {Event} */ event) => {
    if (this.#isToBeStored || !isUploadChange(/** @type {StorageEvent} */ (event), this.#site?.end)) return;
    this.#choice = storedUpload(this.#site?.end);
    this.#agree();
  };
}
