// The page's side of the contract with the worker (src/README.md, Bridge), of which only a page can do its part: it says hello,
// and keeps the worker alive.
import { aliveInterval, CHANNEL, MANIFEST_PATH, protocolVersion } from '../build/border.js';
import { attempt } from './settings.js';
import { acknowledge } from './stream.js';

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */
/** @typedef {'stream' | 'reply'} Form who answers the worker: the engine, or a listener of the page's own */
/** @typedef {{ add?: string[], remove?: string[] }} Change marks that somebody has now, and that nobody has any more */
/** @typedef {import('./stream.js').Delegation} Delegation */
/** @typedef {{ type: 'stored' | 'unstored', root: string, begin: number, end: number }} Stored a run is in the store, or a page
 *   could not store it */

/**
 * What a response has taken so far.
 * @typedef {object} Transfer
 * @property {'transfer'} type
 * @property {string} id the same in all events of one response
 * @property {string} url
 * @property {string} root of the file: SHA-256 of its only piece, or of its digest list, 64 hex digits
 * @property {number} bytes the length of the response: of the file, or of the part that was asked for
 * @property {number} fromCache bytes that this visitor had
 * @property {number} fromPeers bytes that other visitors sent
 * @property {number} fromOrigin bytes that the site's server sent, or the browser's HTTP cache
 * @property {number} wasted bytes that came for nothing, because another source was sooner, or they were wrong
 * @property {number} ms milliseconds since the response was asked for
 * @property {boolean} done the last event of this response, with its final sums; those before it are progress
 * @property {ErrorCode | null} code why it broke off; null if it did not
 */

/**
 * What a page shares with its worker, and other tabs of the site (src/base/site.hpp).
 * @typedef {object} Site
 * @property {string} end how its names end
 * @property {string} cache the store's whole name
 * @property {string} manifest the manifest's path
 */

/**
 * What the worker tells all pages, and pages tell each other. Scripts of the site may post anything else on the channel.
 * @typedef {Stored | Transfer
 *   | { type: 'who' }
 *   | { type: 'busy', open: number, cache?: string, code?: ErrorCode | '', end?: string }
 *   | { type: 'site', scope: string, end?: string, cache: string, manifest: string, open: number, code: ErrorCode | '' }
 *   | { type: 'manifest' } | { type: 'emptied', cache: string }
 *   | { type: 'dropped', root: string }
 *   | { type: 'error', code: ErrorCode, url: string }} News
 */

/**
 * @typedef {object} Listener
 * @property {() => MessagePort} meet a port to the engine, by which the worker asks it from now on
 * @property {(request: Delegation, port: MessagePort) => void} delegate a worker of another release asks the page
 * @property {(news: News | null) => void} tell
 * @property {() => void} controlled a worker has come to control the page, or another one
 * @property {(site: Site) => void} site the worker says whose it is
 */

/** Null where the browser has none, or denies it as storage. @param {string} name */
const channelOf = (name) => attempt(() => new BroadcastChannel(name), null);

export class Bridge {
  #form;
  #listener;
  /** The origin's, on which a worker says whose it is. */
  #lobby = channelOf(CHANNEL);
  /** The site's own. @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {string | null} how the site's names end */
  #end = null;
  /** The worker is of the release before this one, which knew of one site an origin. */
  #isOld = false;
  #container = globalThis.navigator?.serviceWorker ?? null;
  /** Of the worker whose scope the page is in. @type {ServiceWorkerRegistration | undefined} */
  #registration;
  #alive = 0;
  #closed = false;
  /** @type {Set<string>} */
  #marks = new Set();
  #isInformed = false;

  /** @param {Form} form @param {Listener} listener */
  constructor(form, listener) {
    this.#form = form;
    this.#listener = listener;
  }

  /** Says hello, and from now on is heard. */
  open() {
    // Never startMessages(): what the site's own worker says while the page loads waits for listeners of later scripts.
    this.#container?.addEventListener('message', this.#onMessage);
    this.#container?.addEventListener('controllerchange', this.#meetWorker);
    if (this.#lobby) this.#lobby.onmessage = ({ data }) => void this.#meetSite(data).catch(() => {});
    this.#hello();
    // A worker that is registered later says so itself.
    this.#container?.getRegistration().then(
      (registration) => {
        this.#registration = registration;
        if (!this.controlled) this.#hello();
      },
      () => {},
    );
  }

  /** From now on hears the worker and the other tabs of this site. @param {Site} site */
  join({ end }) {
    this.#end = end;
    this.#channel = channelOf(CHANNEL + end);
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#hear(data);
    // What the worker said meanwhile nobody heard.
    if (end) this.#hello();
  }

  get controlled() {
    return Boolean(this.#container?.controller);
  }

  /** Whether a worker can say whose it is. */
  get mayHear() {
    return this.#container !== null && this.#lobby !== null;
  }

  /** Whether the worker answers what it is told. */
  get hears() {
    return this.controlled && this.#lobby !== null;
  }

  /** @param {Form} form */
  setForm(form) {
    if (form === this.#form) return;
    this.#form = form;
    this.#hello();
  }

  /** Somebody else wants or has it too: what the worker fetches of it alone can be shared. @param {string} root */
  company(root) {
    this.#post('company', { root });
  }

  /** What anybody has: the worker does not ask for what nobody has. @param {Change} change */
  present({ add = [], remove = [] }) {
    for (const mark of add) this.#marks.add(mark);
    for (const mark of remove) this.#marks.delete(mark);
    this.#isInformed = true;
    this.#post('present', { add, remove });
  }

  /** Takes no more part. Responses that are open still need the worker, and so it is kept alive until they end. */
  close() {
    this.#closed = true;
    this.#post('bye');
    if (!this.#alive) this.#leave();
    this.#container?.removeEventListener('message', this.#onMessage);
    this.#container?.removeEventListener('controllerchange', this.#meetWorker);
  }

  /**
   * @param {'hello' | 'alive' | 'company' | 'present' | 'bye'} type
   * @param {object} [more]
   * @param {MessagePort[]} [ports]
   */
  #post(type, more, ports = []) {
    this.#worker?.postMessage({ peerCdn: protocolVersion, type, ...more }, ports);
  }

  // A page that no worker controls, after a forced reload or because none claims it, can be asked for pieces all the same, and
  // hears why its worker answers nothing.
  get #worker() {
    const { active, waiting, installing } = this.#registration ?? {};
    return this.#container?.controller ?? active ?? waiting ?? installing;
  }

  // A worker that has started anew knows no port of before.
  #hello = () => {
    if (!this.#worker || this.#closed) return;
    this.#post('hello', { form: this.#form, end: this.#end }, this.#form === 'stream' ? [this.#listener.meet()] : []);
    if (this.#isInformed) this.#post('present', { add: [...this.#marks], remove: [] });
  };

  #meetWorker = () => {
    this.#hello();
    this.#listener.controlled();
  };

  /** @param {MessageEvent} event */
  #onMessage = ({ data, ports: [port] }) => {
    if (!port || typeof data?.peerCdn !== 'number') return;
    // In the long form the user's own listener replies.
    if (acknowledge(data, port) && this.#form === 'stream') this.#listener.delegate(data, port);
  };

  #leave() {
    for (const channel of [this.#lobby, this.#channel]) channel?.close();
    this.#lobby = this.#channel = null;
  }

  /** Workers of all sites of the origin speak here. @param {News | null} message */
  async #meetSite(message) {
    if (this.#closed) return;
    const isOld = message?.type === 'busy' && typeof message.cache === 'string' && message.end === undefined;
    if (isOld && (this.#end === null || this.#isOld)) {
      this.#isOld = true;
      this.#listener.site({ end: '', cache: /** @type {string} */ (message.cache), manifest: MANIFEST_PATH });
      this.#hear(message);
    }
    if (message?.type !== 'site') return;
    // The page's own worker is the one whose scope is closest, whether it controls the page yet or not.
    const registration = await this.#container?.getRegistration();
    if (registration?.scope !== message.scope || this.#closed) return;
    const { end, cache, manifest, open } = message;
    this.#isOld = false;
    // On the site's channel `busy` says it, and a later one of those may have been heard by now.
    if (!this.#channel) this.#keepAlive(open > 0);
    // A worker that is off has no names.
    if (end !== undefined) this.#listener.site({ end, cache, manifest });
    this.#hear(message);
  }

  /** @param {News | null} message */
  #hear(message) {
    // A worker that has just started has no open responses, or says so next.
    if (message?.type === 'who') this.#keepAlive(false);
    if (message?.type === 'busy') this.#keepAlive(message.open > 0);
    if (this.#closed) return void (this.#alive || this.#leave());
    if (message?.type === 'who') return this.#hello();
    this.#listener.tell(message);
  }

  /**
   * Browsers end an idle worker under its open responses; our messages are what it is not idle by.
   * Words of it that come faster than our messages must not put them off.
   * @param {boolean} on
   */
  #keepAlive(on) {
    if (on === Boolean(this.#alive)) return;
    clearInterval(this.#alive);
    this.#alive = on ? setInterval(() => this.#post('alive'), aliveInterval) : 0;
  }
}
