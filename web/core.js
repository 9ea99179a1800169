// The one place that starts the core of a page's engine, calls into it, and performs what it decides. A trap in C++ or a throw
// in the host ends the engine, not the page.
import {
  MAILBOX_NUMBERS,
  MAILBOX_PAIRS,
  MAILBOX_TEXT,
  MAILBOX_TEXT_BYTES,
  outputFields,
  PEER_POLL,
  PEER_STOP,
  PEER_TIMEOUT,
  READ_BYTES,
  READ_NUMBER,
} from '../build/border.js';
import wasm from '../build/peer.wasm.js';
import { startCore } from '../sw/core.js';

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */
/** @typedef {import('../build/border.js').PeerCore} PeerCore */
/** @typedef {import('../build/border.js').PeerPerformer} PeerPerformer */
/**
 * The parameters of an event but the last one, which is the time.
 * @template {keyof PeerCore} Name
 * @typedef {Parameters<PeerCore[Name]> extends [...infer Rest, any] ? Rest : never} EventArguments
 */

const decoder = new TextDecoder();

export class Core {
  /** Null when it is off. @type {ReturnType<typeof startCore> | null} */
  #core = startCore(wasm, () => false);
  #performer;
  #onFailure;
  #onPairs;
  #pairs = 0;
  #isDraining = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #timeout = -1;

  /**
   * Compiles the core, ready on return. Throws where wasm is refused (a CSP without 'wasm-unsafe-eval').
   * @param {PeerPerformer} performer
   * @param {(count: number) => void} onPairs how many pairs are open, when that changes
   * @param {() => void} onFailure called once; from then on every call does nothing and returns 0
   */
  constructor(performer, onPairs, onFailure) {
    this.#performer = performer;
    this.#onPairs = onPairs;
    this.#onFailure = onFailure;
  }

  /**
   * Calls into the core, as src/bind/border.def lists it.
   * @template {keyof PeerCore} Name
   * @param {Name} name
   * @param {Parameters<PeerCore[Name]>} args
   */
  call(name, ...args) {
    return this.#guard((core) => core.call(name, args)) ?? 0;
  }

  /**
   * The same, of a function that gives a text.
   * @template {keyof PeerCore} Name
   * @param {Name} name
   * @param {Parameters<PeerCore[Name]>} args
   */
  callText(name, ...args) {
    return this.#guard((core) => core.callText(name, args)) ?? '';
  }

  /**
   * Tells the core of an event, now, and performs what it decides.
   * @template {keyof PeerCore} Name
   * @param {Name} name
   * @param {EventArguments<Name>} args
   */
  tell(name, ...args) {
    const result = /** @type {any} */ (this).call(name, ...args, performance.now());
    this.drain();
    return result;
  }

  /** Every pair is closed and what is verified is stored; nothing follows. */
  stop() {
    this.tell(PEER_STOP);
    this.#turnOff();
  }

  /**
   * One call in, every output out. What calls in meanwhile leaves its own outputs to the loop that is running. So every
   * event is followed by this.
   */
  drain() {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#guard((core) => {
      for (let kind = core.call(PEER_POLL, []); kind; kind = core.call(PEER_POLL, [])) this.#perform(core, kind);
      this.#tellPairs(core.memory().getUint32(core.mailbox + MAILBOX_PAIRS, true));
      this.#setTimer(core.due());
    });
    this.#isDraining = false;
  }

  /** @param {ReturnType<typeof startCore>} core @param {number} kind */
  #perform(core, kind) {
    const memory = core.memory();
    const box = core.mailbox;
    const forms = outputFields[kind - 1];
    /** @type {Record<string, unknown>} */
    const fields = {};
    let at = box + MAILBOX_NUMBERS;
    for (const name in forms) {
      if (forms[name] === READ_NUMBER) {
        fields[name] = memory.getFloat64(at, true);
        at += 8;
      } else {
        // Bytes are a view: whoever wants them later takes a copy.
        const word = (/** @type {number} */ place) => memory.getUint32(box + place, true);
        const bytes = new Uint8Array(memory.buffer, word(MAILBOX_TEXT), word(MAILBOX_TEXT_BYTES));
        fields[name] = forms[name] === READ_BYTES ? bytes : decoder.decode(bytes);
      }
    }
    /** @type {any} */ (this.#performer)[kind](fields);
  }

  /** @param {number} pairs */
  #tellPairs(pairs) {
    if (pairs === this.#pairs) return;
    this.#pairs = pairs;
    this.#onPairs(pairs);
  }

  /** @param {number} timeout */
  #setTimer(timeout) {
    if (timeout === this.#timeout) return;
    this.#timeout = timeout;
    clearTimeout(this.#timer);
    if (timeout >= 0) this.#timer = setTimeout(() => this.#ring(), timeout - performance.now());
  }

  #ring() {
    this.#timeout = -1;
    this.tell(PEER_TIMEOUT);
  }

  /** @template T @param {(core: ReturnType<typeof startCore>) => T} use @returns {T | undefined} */
  #guard(use) {
    if (!this.#core) return undefined;
    try {
      return use(this.#core);
    } catch {
      this.#turnOff();
      this.#onFailure();
      return undefined;
    }
  }

  #turnOff() {
    this.#core = null;
    clearTimeout(this.#timer);
  }
}
