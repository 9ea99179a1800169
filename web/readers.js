// Who waits for pieces: each reader is one range of one resource, and where its pieces go.

/**
 * @typedef {object} Sink
 * @property {() => void} pending somebody has it
 * @property {(piece: number, buffer: ArrayBuffer) => void} piece verified, in order
 * @property {(code: string | null) => void} end nothing follows
 */

export class Readers {
  #engine;
  #pieces;
  /** @type {Map<number, Sink>} */
  #sinks = new Map();
  #issued = 0;

  /**
   * @param {import('./engine.js').Engine} engine
   * @param {import('./pieces.js').Pieces} pieces
   */
  constructor(engine, pieces) {
    this.#engine = engine;
    this.#pieces = pieces;
  }

  /**
   * Opens a reader without credit.
   * @param {number} handle
   * @param {number} begin first piece
   * @param {number} end past the last
   * @param {Sink} sink
   * @returns {number} the reader
   */
  open(handle, begin, end, sink) {
    const reader = ++this.#issued;
    this.#sinks.set(reader, sink);
    if (handle) this.#engine.open(reader, handle, begin, end);
    else this.end(reader, 'not-in-manifest');
    return reader;
  }

  grant(reader, bytes) {
    if (this.#sinks.has(reader)) this.#engine.grant(reader, bytes);
  }

  close(reader) {
    if (this.#sinks.delete(reader)) this.#engine.close(reader);
  }

  pending(reader) {
    this.#sinks.get(reader)?.pending();
  }

  deliver(reader, handle, piece) {
    this.#sinks.get(reader)?.piece(piece, this.#pieces.copy(handle, piece));
  }

  end(reader, code) {
    const sink = this.#sinks.get(reader);
    this.#sinks.delete(reader);
    sink?.end(code);
  }

  endAll(code) {
    for (const reader of [...this.#sinks.keys()]) this.end(reader, code);
  }
}
