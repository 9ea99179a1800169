// The WebSocket to the coordinator. The core says when to open and close it, and what to send.
import { messageBytes, PEER_MESSAGE, PEER_SOCKET_CLOSED, PEER_SOCKET_OPEN } from '../build/border.js';
import { toObject, toText } from './fields.js';

export class Socket {
  #core;
  #url;
  #report;
  #onPresent;
  /** @type {WebSocket | null} */
  #socket = null;
  #settle = () => {};
  /** Resolves when the coordinator has first said what anybody has, or the first socket has failed. */
  settled = new Promise((resolve) => {
    this.#settle = () => resolve(undefined);
  });

  /**
   * @param {import('./core.js').Core} core
   * @param {string} url
   * @param {(code: import('../build/border.js').ErrorCode) => void} report
   * @param {(message: import('./bridge.js').Change) => void} onPresent the coordinator says what anybody has
   */
  constructor(core, url, report, onPresent) {
    this.#core = core;
    this.#report = report;
    this.#onPresent = onPresent;
    this.#url = url;
  }

  open() {
    this.close();
    try {
      const socket = new WebSocket(this.#url);
      this.#socket = socket;
      socket.onopen = () => this.#core.tell(PEER_SOCKET_OPEN);
      socket.onmessage = ({ data }) => this.#receive(data);
      socket.onclose = () => {
        this.#socket = null;
        this.#core.tell(PEER_SOCKET_CLOSED);
        this.#settle();
      };
    } catch {
      this.#settle();
      // No WebSocket here. The core hears of it as of any other close, and waits longer each time.
      queueMicrotask(() => this.#core.tell(PEER_SOCKET_CLOSED));
    }
  }

  /** @param {string} fields */
  send(fields) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(toObject(fields)));
  }

  /** No socketClosed follows: this end was asked for. */
  close() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#settle();
  }

  /** @param {unknown} text */
  #receive(text) {
    if (typeof text !== 'string' || text.length > messageBytes) {
      return this.#report('message-too-long');
    }
    let message = null;
    try {
      message = JSON.parse(text);
    } catch {
      // null is no object: C++ finds no type in it and refuses it.
    }
    for (const each of Array.isArray(message) ? message : [message]) this.#take(each);
  }

  /** @param {any} message */
  #take(message) {
    const refused = this.#core.callText(PEER_MESSAGE, toText(message), performance.now());
    this.#core.drain();
    if (refused) this.#report(/** @type {import('../build/border.js').ErrorCode} */ (refused));
    else if (message.type === 'present') {
      this.#settle();
      this.#onPresent(message);
    }
  }
}
