// The WebSocket to the coordinator. The core says when to open and close it, and what to send.
import { candidatesPerMessage, messageBytes, PEER_MESSAGE, PEER_SOCKET } from '../build/border.js';
import { toObject, toText } from './fields.js';

export class Socket {
  #core;
  #url;
  #report;
  #onEnd;
  /** @type {WebSocket | null} */
  #socket = null;
  /** Candidates that go as soon as this turn is over. @type {any} */
  #packed = null;
  /** Why the core refused what came in one text. @type {Set<import('../build/border.js').ErrorCode>} */
  #refused = new Set();

  /**
   * @param {import('./core.js').Core} core
   * @param {string} url
   * @param {(code: import('../build/border.js').ErrorCode) => void} report
   * @param {() => void} onEnd a socket has ended, or could not be opened
   */
  constructor(core, url, report, onEnd) {
    this.#core = core;
    this.#report = report;
    this.#onEnd = onEnd;
    this.#url = url;
  }

  open() {
    this.close();
    try {
      const socket = new WebSocket(this.#url);
      this.#socket = socket;
      socket.onopen = () => this.#core.tell(PEER_SOCKET, true);
      socket.onmessage = ({ data }) => this.#receive(data);
      socket.onclose = () => {
        this.#socket = null;
        this.#core.tell(PEER_SOCKET, false);
        this.#onEnd();
      };
    } catch {
      this.#onEnd();
      // No WebSocket here. The core hears of it as of any other close, and waits longer each time.
      queueMicrotask(() => this.#core.tell(PEER_SOCKET, false));
    }
  }

  /** @param {string} fields @param {number} together whether others may go in the same message */
  send(fields, together) {
    const message = toObject(fields);
    if (!together) return this.#post(message);
    const { type, peer, candidate } = message;
    if (this.#packed?.peer !== peer || this.#packed?.candidates.length === candidatesPerMessage) {
      this.#post(null);
      this.#packed = { type, peer, candidates: [] };
      queueMicrotask(() => this.#post(null));
    }
    this.#packed.candidates.push(candidate);
  }

  /** Sends what was packed, then the message. @param {object | null} message */
  #post(message) {
    const packed = this.#packed;
    this.#packed = null;
    for (const each of [packed, message]) {
      if (each && this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(each));
    }
  }

  /** No socketClosed follows: this end was asked for. */
  close() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#onEnd();
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
    // A list has room for thousands that are wrong in one way.
    this.#refused.forEach(this.#report);
    this.#refused.clear();
  }

  /** @param {any} message */
  #take(message) {
    // The core wants each thing on its own.
    const { type, peer, description, candidates, introduced, offered } = message ?? {};
    if (Array.isArray(candidates)) {
      if (description) this.#take({ type, peer, description });
      for (const candidate of candidates) this.#take({ type, peer, candidate });
      return;
    }
    if (offered) this.#take({ type: 'introduce', peer: offered, offer: true, brought: true });
    if (Array.isArray(introduced)) {
      for (const each of introduced) this.#take({ type: 'introduce', peer: each, offer: false });
    }
    const refused = this.#core.callText(PEER_MESSAGE, toText(message), performance.now());
    this.#core.drain();
    if (refused) this.#refused.add(/** @type {import('../build/border.js').ErrorCode} */ (refused));
  }
}
