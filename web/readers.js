// Who waits for pieces: each reader is one range of one resource, and where its pieces go.
import { PEER_CLOSE_READER, PEER_GRANT, PEER_OPEN_READER } from '../build/border.js';

/**
 * @typedef {object} Sink
 * @property {(warm: boolean) => void} pending somebody has it; warm, if over a pair that is open already
 * @property {(piece: number, buffer: ArrayBuffer, from: number) => void} piece verified, in order; from: 0 this visitor
 *   had it, 1 peers, 2 the origin
 * @property {(code: ErrorCode | null) => void} end nothing follows
 */

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */

export class Readers {
  #core;
  #pieces;
  /** @type {Map<number, Sink>} */
  #sinks = new Map();
  #issued = 0;

  /**
   * @param {import('./core.js').Core} core
   * @param {import('./pieces.js').Pieces} pieces
   */
  constructor(core, pieces) {
    this.#core = core;
    this.#pieces = pieces;
  }

  /**
   * Opens a reader without credit.
   * @param {number} handle
   * @param {number} begin first piece
   * @param {number} end past the last
   * @param {Sink} sink
   * @param {number} [origin] 0, or how many times slower than the origin peers may be before it is asked too
   * @param {number} [patience] milliseconds that peers may take to begin before that
   * @returns {number} the reader
   */
  open(handle, begin, end, sink, origin = 0, patience = 0) {
    const reader = ++this.#issued;
    this.#sinks.set(reader, sink);
    if (handle) this.#core.tell(PEER_OPEN_READER, reader, handle, begin, end, origin, patience);
    else this.end(reader, 'not-in-manifest');
    return reader;
  }

  /** @param {number} reader @param {number} bytes */
  grant(reader, bytes) {
    if (this.#sinks.has(reader)) this.#core.tell(PEER_GRANT, reader, bytes);
  }

  /** @param {number} reader */
  close(reader) {
    if (this.#sinks.delete(reader)) this.#core.tell(PEER_CLOSE_READER, reader);
  }

  /** How many bytes came for nothing since this was last asked. */
  takeWasted() {
    const { wasted } = this.#pieces;
    this.#pieces.wasted = 0;
    return wasted;
  }

  /** @param {number} reader @param {number} warm */
  pending(reader, warm) {
    this.#sinks.get(reader)?.pending(Boolean(warm));
  }

  /** @param {number} reader @param {number} handle @param {number} piece @param {number} from */
  deliver(reader, handle, piece, from) {
    this.#sinks.get(reader)?.piece(piece, this.#pieces.give(handle, piece), from);
  }

  /** @param {number} reader @param {ErrorCode | null} code */
  end(reader, code) {
    const sink = this.#sinks.get(reader);
    this.#sinks.delete(reader);
    sink?.end(code);
  }

  /** @param {ErrorCode} code */
  endAll(code) {
    for (const reader of [...this.#sinks.keys()]) this.end(reader, code);
  }
}
