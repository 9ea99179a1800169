// The WebSocket to the coordinator. The core says when to open and close it, and what to send.
import { candidatesPerMessage, messageBytes, PEER_MESSAGE, PEER_SOCKET_CLOSED, PEER_SOCKET_OPEN } from '../build/border.js';
import { toObject, toText } from './fields.js';
import { Wants } from './wants.js';

export class Socket {
  #core;
  #url;
  #report;
  #onPresent;
  /** @type {WebSocket | null} */
  #socket = null;
  #isLean = false;
  #wants = new Wants();
  /** What the coordinator says of the list before the one that it was told last. */
  #isStale = false;
  /** Candidates that go as soon as this turn is over. @type {any} */
  #packed = null;
  #settle = () => {};
  /** Resolves when the coordinator has first said what anybody has, or the first socket has failed. */
  settled = new Promise((resolve) => {
    this.#settle = () => resolve(undefined);
  });

  /**
   * @param {import('./core.js').Core} core
   * @param {string} url
   * @param {(code: import('../build/border.js').ErrorCode) => void} report
   * @param {(marks: import('./wants.js').Marks) => void} onPresent the coordinator says what anybody has
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
      this.#isLean = this.#isStale = false;
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

  /** What this page could want from now on: of nothing else it is told. @param {Iterable<string>} roots */
  want(roots) {
    if (!this.#wants.set(roots) || !this.#isLean) return;
    this.#isStale = true;
    this.#post({ type: 'want', wants: this.#wants.text });
  }

  /** @param {string} fields */
  send(fields) {
    const message = toObject(fields);
    const { type, peer, candidate } = message;
    if (type === 'hello') message.wants = this.#wants.text;
    if (!this.#isLean || !candidate) return this.#post(message);
    // A lean coordinator gets those that are sent in one go in one message for each peer.
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
    // The core wants each thing on its own.
    const { type, peer, description, candidates, introduced } = message ?? {};
    if (Array.isArray(candidates)) {
      if (description) this.#take({ type, peer, description });
      for (const candidate of candidates) this.#take({ type, peer, candidate });
      return;
    }
    if (Array.isArray(introduced)) {
      for (const each of introduced) this.#take({ type: 'introduce', peer: each, offer: false });
    }
    if (type === 'present') return this.#takePresent(message);
    if (this.#tell(message) && type === 'welcome') this.#isLean = message.lean === true;
  }

  /** @param {any} message */
  #takePresent(message) {
    if (message.whole === true) this.#isStale = false;
    if (this.#isStale) return;
    const changes = this.#wants.changes(message);
    if (!changes) return this.#report('malformed-message');
    for (const marks of changes) {
      if (!this.#tell({ type: 'present', ...marks })) continue;
      // Of a list that was empty, because no manifest was known, it says nothing.
      if (message.set === undefined || this.#wants.text) this.#settle();
      this.#onPresent(marks);
    }
  }

  /** Whether the core could read it. @param {unknown} message */
  #tell(message) {
    const refused = this.#core.callText(PEER_MESSAGE, toText(message), performance.now());
    this.#core.drain();
    if (refused) this.#report(/** @type {import('../build/border.js').ErrorCode} */ (refused));
    return !refused;
  }
}
