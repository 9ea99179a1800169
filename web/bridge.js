// The page's side of the contract with the worker (src/README.md, Bridge).
import { aliveInterval, bridgeAlive, CHANNEL } from '../build/border.js';

const VERSION = 1;

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
   * @param {'stream' | 'reply'} form
   * @param {{ delegate: (request: any, port: MessagePort) => void, tell: (message: any) => void }} listener
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

  /** @param {'stream' | 'reply'} form */
  setForm(form) {
    if (form === this.#form) return;
    this.#form = form;
    this.#hello();
  }

  /** To the worker and to the other pages. */
  broadcast(message) {
    this.#channel?.postMessage(message);
  }

  /** Somebody else wants or has it too: what the worker fetches of it alone can be shared. */
  company(root) {
    this.#post('company', { root });
  }

  /** What anybody has: the worker does not ask for what nobody has. @param {{add?: string[], remove?: string[]}} change */
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

  #post(type, more) {
    this.#container?.controller?.postMessage({ peerCdn: VERSION, type, ...more });
  }

  #hello = () => {
    this.#post('hello', { form: this.#form });
    if (this.#isInformed) this.#post('present', { add: [...this.#marks], remove: [] });
  };

  #onMessage = ({ data, ports: [port] }) => {
    if (!port || typeof data?.peerCdn !== 'number') return;
    if (data.peerCdn !== VERSION) return port.postMessage(null);
    port.postMessage({ type: 'ack' });
    // In the long form the user's own listener replies.
    if (this.#form === 'stream') this.#listener.delegate(data, port);
  };

  #leave() {
    this.#channel?.close();
    this.#channel = null;
  }

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

  // Browsers end an idle worker under its open responses; our messages are what it is not idle by.
  // Words of it that come faster than our messages must not put them off.
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
 * @param {{ begin: number, end: number, origin?: number | boolean, patience?: number }} request `origin` was a boolean once
 * @param {MessagePort} port
 */
export function stream(readers, handle, { begin, end, origin, patience }, port) {
  // The page's own listener may answer the same request (the long form): then only this answer is sent.
  const post = port.postMessage.bind(port);
  port.postMessage = () => {};
  let promised = false;
  const promise = (warm) => {
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
