// The page's side of the contract with the worker (src/README.md, Bridge).
import { aliveInterval, bridgeAlive, CHANNEL, protocolVersion } from '../build/border.js';

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */
/** @typedef {'stream' | 'reply'} Form who answers the worker: the engine, or a listener of the page's own */
/** @typedef {{ add?: string[], remove?: string[] }} Change marks that somebody has now, and that nobody has any more */

/**
 * A request that the worker delegates. A worker of another release may leave out what is optional.
 * @typedef {object} Delegation
 * @property {number} peerCdn the protocol's version
 * @property {string} url
 * @property {string} root
 * @property {number} bytes
 * @property {number} pieceBytes
 * @property {number} begin first piece
 * @property {number} end past the last
 * @property {RequestCache} [cache] how the page's own request has it; with `no-store` nothing that comes is stored
 * @property {string} [digests] the URL of the digest list
 * @property {number | boolean} [origin] 0, or how many times slower than the origin peers may be; true, of an older worker, is 1
 * @property {number} [patience] milliseconds that peers may take to begin
 */

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

  /**
   * @param {Form} form
   * @param {{ delegate: (request: Delegation, port: MessagePort) => void, tell: (news: News | null) => void }} listener
   */
  constructor(form, listener) {
    this.#form = form;
    this.#listener = listener;
    this.#container?.addEventListener('message', this.#onMessage);
    this.#container?.addEventListener('controllerchange', this.#hello);
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

  /** To the worker and to the other pages. @param {Stored} message */
  broadcast(message) {
    this.#channel?.postMessage(message);
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
    this.#container?.removeEventListener('controllerchange', this.#hello);
  }

  /** @param {'hello' | 'alive' | 'company' | 'present' | 'bye'} type @param {object} [more] */
  #post(type, more) {
    this.#container?.controller?.postMessage({ peerCdn: protocolVersion, type, ...more });
  }

  #hello = () => {
    this.#post('hello', { form: this.#form });
    if (this.#isInformed) this.#post('present', { add: [...this.#marks], remove: [] });
  };

  /** @param {MessageEvent} event */
  #onMessage = ({ data, ports: [port] }) => {
    if (!port || typeof data?.peerCdn !== 'number') return;
    if (data.peerCdn !== protocolVersion) return port.postMessage(null);
    port.postMessage({ type: 'ack' });
    // In the long form the user's own listener replies.
    if (this.#form === 'stream') this.#listener.delegate(data, port);
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

/**
 * Answers one delegation on its port.
 * @param {import('./readers.js').Readers} readers
 * @param {number} handle
 * @param {Delegation} request
 * @param {MessagePort} port
 */
export function stream(readers, handle, { begin, end, origin, patience }, port) {
  // The page's own listener may answer the same request (the long form): then only this answer is sent.
  const post = port.postMessage.bind(port);
  port.postMessage = () => {};
  let promised = false;
  const promise = (/** @type {boolean} */ warm) => {
    if (!promised) post({ type: 'pending', warm });
    promised = true;
  };
  const alive = setInterval(() => post({ type: 'ack' }), bridgeAlive);
  const close = () => {
    clearInterval(alive);
    port.close();
  };
  const reader = readers.open(
    handle,
    begin,
    end,
    {
      pending: promise,
      piece(piece, buffer, from) {
        promise(true);
        post({ type: 'piece', piece, buffer, from, wasted: readers.takeWasted() }, [buffer]);
      },
      end(code) {
        post({ type: promised ? 'end' : 'none', code: code ?? undefined });
        close();
      },
    },
    Number(origin) || 0,
    Number(patience) || 0,
  );
  port.onmessage = ({ data }) => {
    if (data?.type === 'grant') readers.grant(reader, data.bytes);
    if (data?.type === 'close') {
      readers.close(reader);
      close();
    }
  };
}
