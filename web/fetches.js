// The origin as one more source beside the peers: stretches of pieces by Range, cut as they come. Which ones, and what
// follows when one fails, the core decides.
import { PEER_FETCH_END, PEER_FETCHED, PEER_JUDGE } from '../build/border.js';
import { answerWords } from '../sw/words.js';
import { bypass } from './resources.js';

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */

/**
 * @typedef {object} Fetch
 * @property {AbortController} abort
 * @property {boolean} isWhole the origin answered with all of the file
 */

export class Fetches {
  #core;
  #resources;
  #pieces;
  /** @type {Map<number, Fetch>} */
  #fetches = new Map();

  /**
   * @param {import('./core.js').Core} core
   * @param {import('./resources.js').Resources} resources
   * @param {import('./pieces.js').Pieces} pieces
   */
  constructor(core, resources, pieces) {
    this.#core = core;
    this.#resources = resources;
    this.#pieces = pieces;
  }

  /**
   * Tells the core of each piece, and of the end, unless it is cancelled.
   * @param {number} id
   * @param {number} handle
   * @param {number} begin
   * @param {number} end
   */
  fetch(id, handle, begin, end) {
    const fetch = { abort: new AbortController(), isWhole: false };
    this.#fetches.set(id, fetch);
    this.#run(id, handle, begin, end, fetch)
      .catch(() => /** @type {const} */ ('origin-unreachable'))
      .then((code) => {
        fetch.abort.abort();
        if (this.#fetches.delete(id)) this.#core.tell(PEER_FETCH_END, code, id, fetch.isWhole);
      });
  }

  /** @param {number} id */
  cancel(id) {
    this.#fetches.get(id)?.abort.abort();
    this.#fetches.delete(id);
  }

  cancelAll() {
    for (const id of this.#fetches.keys()) this.cancel(id);
  }

  /**
   * @param {number} id
   * @param {number} handle
   * @param {number} begin
   * @param {number} end
   * @param {Fetch} running
   * @returns {Promise<ErrorCode | ''>} what was seen of its end
   */
  async #run(id, handle, begin, end, running) {
    const { url, bytes, pieceBytes } = this.#resources.get(handle);
    const from = begin * pieceBytes;
    const to = Math.min(bytes, end * pieceBytes);
    // What the core fetches was asked for by a request, which has a URL.
    const response = await fetch(/** @type {string} */ (url), {
      headers: { ...bypass, range: `bytes=${from}-${to - 1}` },
      cache: 'no-store',
      mode: 'same-origin',
      signal: running.abort.signal,
    });
    const refused = this.#core.callText(PEER_JUDGE, answerWords(response), response.status, bytes, from, to);
    if (refused) return /** @type {ErrorCode} */ (refused);
    running.isWhole = response.status === 200;
    const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body).getReader();
    let [piece, filled] = [begin, 0];
    let target = new Uint8Array(0);
    /** @type {Uint8Array<ArrayBuffer> | null} */
    let last = null;
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        for (let rest = next.value; rest.length > 0; ) {
          if (piece === end) return 'wrong-length';
          if (filled === 0) target = new Uint8Array(Math.min(pieceBytes, bytes - piece * pieceBytes));
          const part = rest.subarray(0, target.length - filled);
          target.set(part, filled);
          filled += part.length;
          rest = rest.subarray(part.length);
          if (filled < target.length) continue;
          filled = 0;
          // Of a whole answer the last piece waits for the end: one that goes on is another file.
          if (running.isWhole && piece + 1 === end) last = target;
          else this.#tell(id, handle, piece, target);
          piece++;
        }
      }
    } finally {
      this.#pieces.wasted += filled;
    }
    if (last) this.#tell(id, handle, end - 1, last);
    return '';
  }

  /** @param {number} id @param {number} handle @param {number} piece @param {Uint8Array<ArrayBuffer>} bytes */
  #tell(id, handle, piece, bytes) {
    // The core is not asked what it decides before the bytes are in their place.
    const isNeeded = this.#fetches.has(id) && this.#core.call(PEER_FETCHED, id, handle, piece, performance.now());
    if (isNeeded) this.#pieces.put(handle, piece, bytes);
    else this.#pieces.wasted += bytes.length;
    this.#core.drain();
  }
}
