// The coordinator's C++ (src/bind/coordinator.cpp): texts of sockets in, bytes for sockets out. The one place that knows where
// they lie in its memory.
import {
  COORDINATOR_COUNTERS,
  COORDINATOR_INBOX,
  COORDINATOR_OUTBOX,
  COORDINATOR_OUTBOX_BYTES,
  COORDINATOR_TIMEOUT,
  coordinatorStatistics,
  inboxBytes,
  proxyHeaderBytes,
  reportBytes,
  SOCKET_CLOSE,
  SOCKET_PUBLISH,
  SOCKET_RENUMBER,
  SOCKET_SEND,
  SOCKET_SEND_ALL,
} from '../../build/border.js';
import { framesBytes } from './limits.js';
import wasmBinary from '../../build/coordinator.wasm.js';

/** Compiled once; each coordinator is an instance of its own, so that a trap of one harms no other. */
const module = new WebAssembly.Module(wasmBinary);

/** In front of a text in the inbox: whose it is, and its length. */
const headBytes = 8;
const nothing = Buffer.alloc(0);
const padded = (/** @type {number} */ bytes) => (bytes + 3) & ~3;

/**
 * What the coordinator wants done with sockets.
 * @typedef {object} SocketHost
 * @property {(peer: number, frames: Buffer) => boolean} send the frames share their memory with those for others. True: nobody
 *     needs them any more, and their memory may be used for the next ones
 * @property {(peers: Uint32Array, frames: Buffer) => boolean} sendAll
 * @property {(from: number, to: number) => void} renumber
 * @property {(peer: number, code: import('../../build/border.js').ErrorCode) => void} close
 * @property {(high: number, low: number, frame: Buffer) => void} publish to the sibling of that name, or to all: 0, 0
 */

/** @typedef {Record<typeof coordinatorStatistics[number], number>} EngineStats */

/** Times are milliseconds of one clock. After each call perform() has what follows of it. */
export class Engine {
  /** @type {import('../../build/border.js').CoordinatorCore} */
  #core;
  #box;
  #inbox;
  #used = 0;
  /** How much of that the core has taken. */
  #taken = 0;
  /** For the frames of a call; empty if sockets still need those of the one before. */
  #frames = nothing;
  // Views end when the memory grows.
  #bytes = Buffer.alloc(0);
  #data = new DataView(new ArrayBuffer(0));

  /** @param {number} high @param {number} low a seed in two halves */
  constructor(high, low) {
    const { exports } = new WebAssembly.Instance(module, {
      env: { emscripten_notify_memory_growth: () => this.#look() },
      // abort() ends here; a trap follows.
      wasi_snapshot_preview1: { proc_exit() {} },
    });
    this.#core = /** @type {any} */ (exports);
    this.#look();
    this.#core._initialize();
    this.#core.seed(high, low);
    this.#box = this.#core.mailbox();
    this.#inbox = this.#data.getUint32(this.#box + COORDINATOR_INBOX, true);
  }

  #look() {
    const { buffer } = this.#core.memory;
    this.#bytes = Buffer.from(buffer);
    this.#data = new DataView(buffer);
  }

  /** Whether messages wait for take(). */
  get hasMail() {
    return this.#used > 0;
  }

  /** Whether a text of so many bytes finds room. @param {number} bytes */
  fits(bytes) {
    return this.#used + headBytes + padded(bytes) <= inboxBytes;
  }

  /** Puts a socket's text into the inbox, where it fits. @param {number} peer @param {Buffer} text */
  put(peer, text) {
    const at = this.#inbox + this.#used;
    this.#data.setUint32(at, peer, true);
    this.#data.setUint32(at + 4, text.length, true);
    text.copy(this.#bytes, at + headBytes);
    this.#used += headBytes + padded(text.length);
  }

  /** Takes what is in the inbox, or as much of it as fills the outbox. @param {number} now */
  take(now) {
    this.#taken = this.#core.take(this.#taken, this.#used, now);
    if (this.#taken >= this.#used) this.#taken = this.#used = 0;
  }

  /**
   * The inbox must be empty. The peer's number, or 0: there are too many.
   * @param {string} site
   * @param {import('./places.js').Place} place
   * @param {number} now
   */
  join(site, { network, label }, now) {
    const bytes = this.#bytes.write(site, this.#inbox, inboxBytes);
    return this.#core.join(bytes, network.today, network.before, label.today, label.before, now) >>> 0;
  }

  /**
   * What the token of a peer that just joined covers, as readToken() says. The inbox must be empty.
   * @param {number} peer
   * @param {Buffer} covered
   */
  cover(peer, covered) {
    this.#core.cover(peer, covered.copy(this.#bytes, this.#inbox));
  }

  /** @param {number} peer @param {number} now */
  leave(peer, now) {
    this.#core.leave(peer, now);
  }

  /** @param {number} now */
  wake(now) {
    this.#core.wake(now);
  }

  /** The bus to siblings is reached, under a name of two halves. @param {number} high @param {number} low @param {number} now */
  openBus(high, low, now) {
    this.#core.open_bus(high, low, now);
  }

  /** @param {number} now */
  closeBus(now) {
    this.#core.close_bus(now);
  }

  /** Siblings need not wait until we are silent. @param {number} now */
  leaveBus(now) {
    this.#core.leave_bus(now);
  }

  /**
   * A frame came over the bus. The inbox must be empty. False: it cannot be used.
   * @param {Buffer} frame
   * @param {number} now
   */
  hear(frame, now) {
    // What is too long is refused for its length, and need not be there whole.
    frame.copy(this.#bytes, this.#inbox, 0, inboxBytes);
    return Boolean(this.#core.hear(Math.min(frame.length, inboxBytes), now));
  }

  /**
   * The header of the PROXY protocol with which a connection begins, and the visitor's address, '' if that is not known. Null: it
   * goes on. False: it is none. The inbox must be empty.
   * @param {Buffer} got what the connection has sent so far
   */
  readProxyHeader(got) {
    // More than one may have is refused for its length, and need not be there whole.
    const bytes = got.copy(this.#bytes, this.#inbox, 0, proxyHeaderBytes + 1);
    const length = this.#core.read_proxy_header(bytes);
    if (length <= 0) return length === 0 ? null : false;
    const at = this.#data.getUint32(this.#box + COORDINATOR_OUTBOX, true);
    return {
      bytes: length,
      address: this.#bytes.toString('latin1', at, at + this.#data.getUint32(this.#box + COORDINATOR_OUTBOX_BYTES, true)),
    };
  }

  /**
   * A page reports. The inbox must be empty. Null, or the code that refuses it.
   * @param {Buffer} text
   * @param {string} network the page's, '' if it is not known
   * @param {number} now
   */
  report(text, network, now) {
    // What is too long is refused for its length, and need not be there whole.
    const bytes = text.copy(this.#bytes, this.#inbox, 0, reportBytes + 1);
    const networkBytes = this.#bytes.write(network, this.#inbox + bytes, 'latin1');
    const length = this.#core.report(bytes, networkBytes, now);
    const at = this.#data.getUint32(this.#box + COORDINATOR_OUTBOX, true);
    return /** @type {import('./reports.js').Refusal | null} */ (
      length > 0 ? this.#bytes.toString('latin1', at, at + length) : null
    );
  }

  /** A report that was refused before. */
  refuseReport() {
    this.#core.report_refused();
  }

  /** When to call wake(), or -1. */
  get timeout() {
    return this.#data.getFloat64(this.#box + COORDINATOR_TIMEOUT, true);
  }

  /** Does what the last call left to do. @param {SocketHost} host */
  perform(host) {
    const bytes = this.#data.getUint32(this.#box + COORDINATOR_OUTBOX_BYTES, true);
    if (bytes === 0) return;
    const begin = this.#data.getUint32(this.#box + COORDINATOR_OUTBOX, true);
    this.#data.setUint32(this.#box + COORDINATOR_OUTBOX_BYTES, 0, true);
    // One copy for all of them: a socket within this process may answer at once, and call the core again. New memory for each
    // call would have the garbage collector mark everything some times a second.
    const copy = this.#frames.length < bytes ? Buffer.allocUnsafeSlow(Math.max(bytes, framesBytes)) : this.#frames;
    this.#frames = nothing;
    let isFree = copy.length === framesBytes;
    this.#bytes.copy(copy, 0, begin, begin + bytes);
    let at = 0;
    const word = (/** @type {number} */ from) => copy.readUInt32LE(from);
    const take = (/** @type {number} */ count) => {
      const frames = copy.subarray(at, at + count);
      at += padded(count);
      return frames;
    };
    while (at < bytes) {
      const order = word(at);
      const count = word(at + 4);
      const peer = word(at + 8);
      at += 12;
      if (order === SOCKET_SEND) {
        isFree = host.send(peer, take(count)) && isFree;
      } else if (order === SOCKET_SEND_ALL) {
        const peers = new Uint32Array(copy.buffer, copy.byteOffset + at, peer);
        at += 4 * peer;
        isFree = host.sendAll(peers, take(count)) && isFree;
      } else if (order === SOCKET_RENUMBER) {
        host.renumber(peer, word(at));
        at += 4;
      } else if (order === SOCKET_CLOSE) {
        host.close(peer, /** @type {import('../../build/border.js').ErrorCode} */ (take(count).toString()));
      } else if (order === SOCKET_PUBLISH) {
        const high = word(at);
        at += 4;
        host.publish(high, peer, Buffer.from(take(count)));
      } else {
        throw new Error(`unknown order ${order}`);
      }
    }
    if (isFree) this.#frames = copy;
  }

  /** @returns {EngineStats} */
  stats() {
    this.#core.count();
    const counters = coordinatorStatistics.map((name, i) => [
      name,
      this.#data.getFloat64(this.#box + COORDINATOR_COUNTERS + 8 * i, true),
    ]);
    return Object.fromEntries(counters);
  }
}
