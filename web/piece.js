// The bytes of one piece: the blocks as they came, and all of them in one buffer while they are digested and handed on.
//
// Blocks are kept in the messages that brought them. They are stored and served from there, so what is handed on can be given
// away, buffer and all, without a copy that stays: fresh memory is a good part of what a piece costs.

export class Piece {
  /** @type {Map<number, Uint8Array<ArrayBuffer>>} by offset */
  #blocks = new Map();
  /** @type {Uint8Array<ArrayBuffer> | null} */
  #whole = null;
  /** A reader got it, or it was written. */
  isUsed = false;

  /**
   * A block, or more, from `offset` on. The bytes are not changed any more.
   * @param {number} offset
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  set(offset, bytes) {
    this.#blocks.set(offset, bytes);
    this.#whole = null;
  }

  /** In order; together they are the piece, once the core knows it to be whole. */
  get blocks() {
    return [...this.#blocks].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
  }

  get length() {
    return this.blocks.reduce((sum, { length }) => sum + length, 0);
  }

  /** All of it, to be read at once: give() takes it away. */
  get bytes() {
    if (this.#blocks.size === 1) return /** @type {Uint8Array<ArrayBuffer>} */ (this.#blocks.values().next().value);
    return (this.#whole ??= this.#join());
  }

  /** All of it in a buffer that the caller may transfer. @returns {ArrayBuffer} */
  give() {
    const whole = this.#whole ?? this.#join();
    this.#whole = null;
    return whole.buffer;
  }

  /** A view of `length` bytes from `offset` on. @param {number} offset @param {number} length */
  part(offset, length) {
    const block = this.#blocks.get(offset);
    // Whoever cuts blocks otherwise than they came here gets them too.
    return block && length <= block.length ? block.subarray(0, length) : this.bytes.slice(offset, offset + length);
  }

  #join() {
    const whole = new Uint8Array(this.length);
    let at = 0;
    for (const block of this.blocks) {
      whole.set(block, at);
      at += block.length;
    }
    return whole;
  }
}
