// The page's side of the contract with the worker (src/README.md, Bridge), of which only a page can do its part: it says hello,
// and keeps the worker alive.
import { aliveInterval, CHANNEL, protocolVersion } from '../build/border.js';
import { acknowledge } from './stream.js';

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */
/** @typedef {'stream' | 'reply'} Form who answers the worker: the engine, or a listener of the page's own */
/** @typedef {{ add?: string[], remove?: string[] }} Change marks that somebody has now, and that nobody has any more */
/** @typedef {import('./stream.js').Delegation} Delegation */
/** @typedef {{ type: 'stored', root: string, begin: number, end: number }} Stored a run is in the store */

/**
 * What a response has taken so far.
 * @typedef {object} Transfer
 * @property {'transfer'} type
 * @property {string} id
 * @property {string} url
 * @property {string} root
 * @property {number} bytes of the response
 * @property {number} fromCache
 * @property {number} fromPeers
 * @property {number} fromOrigin
 * @property {number} wasted
 * @property {number} ms
 * @property {boolean} done
 * @property {ErrorCode | null} [code]
 */

/**
 * What the worker tells all pages, and pages tell each other. Scripts of the site may post anything else on the channel.
 * @typedef {Stored | Transfer
 *   | { type: 'who' }
 *   | { type: 'busy', open: number, cache?: string, code?: ErrorCode | '' }
 *   | { type: 'manifest' }
 *   | { type: 'dropped', root: string }
 *   | { type: 'error', code: ErrorCode, url: string }} News
 */

/**
 * @typedef {object} Listener
 * @property {() => MessagePort} meet a port to the engine, by which the worker asks it from now on
 * @property {(request: Delegation, port: MessagePort) => void} delegate a worker of another release asks the page
 * @property {(news: News | null) => void} tell
 * @property {() => void} controlled a worker has come to control the page, or another one
 */

export class Bridge {
  #form;
  #listener;
  #channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel(CHANNEL) : null;
  #container = globalThis.navigator?.serviceWorker ?? null;
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
    this.#container?.addEventListener('message', this.#onMessage);
    this.#container?.addEventListener('controllerchange', this.#meetWorker);
    this.#container?.startMessages();
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#hello();
  }

  get controlled() {
    return Boolean(this.#container?.controller);
  }

  /** Whether the worker answers what it is told. */
  get hears() {
    return this.controlled && this.#channel !== null;
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
    this.#container?.controller?.postMessage({ peerCdn: protocolVersion, type, ...more }, ports);
  }

  // A worker that has started anew knows no port of before.
  #hello = () => {
    if (!this.controlled) return;
    this.#post('hello', { form: this.#form }, this.#form === 'stream' ? [this.#listener.meet()] : []);
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
    this.#channel?.close();
    this.#channel = null;
  }

  /** @param {News | null} message */
  #hear(message) {
    if (this.#closed) {
      if (message?.type !== 'busy' || message.open > 0) return;
      this.#keepAlive(false);
      return this.#leave();
    }
    // A worker that has just started has no open responses, or says so next.
    if (message?.type === 'who') {
      this.#keepAlive(false);
      return this.#hello();
    }
    if (message?.type === 'busy') this.#keepAlive(message.open > 0);
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
