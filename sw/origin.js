// Windows: Range requests to the origin, cut into pieces and digested. Bodies that want the same window share it.
import { SAMPLE_BODY } from '../build/border.js';
import { ask, note } from './engine.js';

/**
 * What a reader of a window is told: its head, its pieces in order, its end.
 * @typedef {object} WindowReader
 * @property {(response: Response) => void} head
 * @property {(piece: number, buffer: ArrayBuffer, digest: ArrayBuffer) => void} piece
 * @property {(code: string) => void} end
 */

/**
 * @typedef {object} WindowRequest
 * @property {string} url
 * @property {string} root
 * @property {number} bytes of the resource
 * @property {number} pieceBytes
 * @property {number} begin first piece
 * @property {number} end end piece
 * @property {boolean} whole the pieces are the resource: no Range header
 * @property {boolean} reload past the HTTP cache
 */

/** @type {Map<string, Window>} */
const windows = new Map();

class Window {
  /** @type {Set<WindowReader>} */
  #readers = new Set();
  #request;
  #key;
  #abort = new AbortController();
  /** @type {Response | undefined} */
  #response;
  /** @type {[number, ArrayBuffer, ArrayBuffer][]} */
  #pieces = [];
  #shared = true;
  #begun = false;
  #over = false;
  #isPassed = false;
  #until = 0;
  #cut = 0; // pieces before this one were cut
  #headAt = 0;
  #arrived = 0; // bytes of the body that came
  #passed = 0; // of these, what readers were told
  #goOn = () => {};

  constructor(/** @type {WindowRequest} */ request, /** @type {string} */ key) {
    this.#request = request;
    this.#key = key;
    windows.set(key, this);
    this.#run();
  }

  /** Joins: what came already is told again. */
  join(/** @type {WindowReader} */ reader) {
    this.#readers.add(reader);
    if (this.#response) reader.head(this.#response);
    for (const piece of this.#pieces) reader.piece(...piece);
  }

  /** Gives the bytes that came for nobody. */
  leave(/** @type {WindowReader} */ reader) {
    this.#readers.delete(reader);
    if (this.#readers.size > 0 || this.#over) return 0;
    const { bytes, pieceBytes, end } = this.#request;
    const last = this.#shared ? end : Math.ceil(bytes / pieceBytes);
    this.#finish();
    // A body that was read to its end is left alone: aborting would take it from the HTTP cache. So is one that a page reads.
    if (this.#cut < last && !this.#isPassed) this.#abort.abort();
    this.#goOn();
    return this.#arrived - this.#passed;
  }

  /**
   * The answer as it is, for a page: one reader's, who leaves by this. Nothing of it was read.
   * @returns {Response}
   */
  pass(/** @type {WindowReader} */ reader) {
    const response = /** @type {Response} */ (this.#response);
    this.#readers.delete(reader);
    this.#isPassed = true;
    if (this.#readers.size > 0) return response.clone();
    this.#finish();
    return response;
  }

  /** The head is good: skip so many bytes, and cut pieces up to `until`. */
  accept(/** @type {number} */ skip, /** @type {number} */ until) {
    this.#until = Math.max(this.#until, until);
    if (!this.#begun) {
      this.#begun = true;
      this.#pump(skip).then(
        (code) => this.#end(code),
        () => this.#end('origin-unreachable'),
      );
    }
    this.#goOn();
  }

  async #run() {
    const { url, bytes, pieceBytes, begin, end, whole, reload } = this.#request;
    const last = Math.min(bytes, end * pieceBytes) - 1;
    try {
      const response = await ask(url, {
        headers: whole ? {} : { range: `bytes=${begin * pieceBytes}-${last}` },
        cache: reload ? 'reload' : whole ? 'default' : 'no-store',
        mode: 'same-origin',
        signal: this.#abort.signal,
      });
      this.#headAt = performance.now();
      this.#response = response;
      // One body for all that is left cannot be replayed: whoever joined asks again.
      if (response.status === 200 && !whole) {
        this.#shared = false;
        windows.delete(this.#key);
        for (const reader of [...this.#readers].slice(1)) this.#drop(reader, 'origin-unreachable');
      }
      for (const reader of [...this.#readers]) reader.head(response);
    } catch {
      this.#end('origin-unreachable');
    }
  }

  #drop(/** @type {WindowReader} */ reader, /** @type {string} */ code) {
    this.#readers.delete(reader);
    reader.end(code);
  }

  // Cuts the body. Digests run beside the reading, and are told in order.
  async #pump(/** @type {number} */ skip) {
    const { bytes, pieceBytes, begin } = this.#request;
    const reader = /** @type {ReadableStream<Uint8Array>} */ (this.#response?.body).getReader();
    let told = Promise.resolve();
    const isWhole = this.#response?.status === 200;
    /** @type {ArrayBuffer | undefined} */
    let last;
    let piece = Math.max(begin, skip / pieceBytes);
    let buffer = new Uint8Array(0);
    let filled = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (this.#over) return '';
      if (done) break;
      this.#arrived += value.byteLength;
      let at = Math.min(skip, value.byteLength);
      skip -= at;
      while (at < value.byteLength && piece * pieceBytes < bytes) {
        if (filled === 0) {
          while (piece >= this.#until && !this.#over) await this.#pause();
          if (this.#over) return '';
          buffer = new Uint8Array(Math.min(pieceBytes, bytes - piece * pieceBytes));
        }
        const part = value.subarray(at, at + buffer.byteLength - filled);
        buffer.set(part, filled);
        filled += part.byteLength;
        at += part.byteLength;
        if (filled < buffer.byteLength) continue;
        filled = 0;
        // Of a whole answer the last piece waits for the end: one that goes on is another file.
        if (isWhole && (piece + 1) * pieceBytes >= bytes) last = buffer.buffer;
        else told = this.#tell(told, piece, buffer.buffer);
        this.#cut = ++piece;
      }
      if (isWhole && at < value.byteLength) {
        void reader.cancel();
        await told;
        return 'wrong-length';
      }
    }
    if (last) told = this.#tell(told, piece - 1, last);
    // One body for all that is left is read as slowly as it is wanted.
    if (this.#shared) note(SAMPLE_BODY, false, this.#arrived, this.#headAt, performance.now());
    await told;
    return '';
  }

  async #tell(/** @type {Promise<void>} */ before, /** @type {number} */ piece, /** @type {ArrayBuffer} */ buffer) {
    const digest = await crypto.subtle.digest('SHA-256', buffer);
    await before;
    if (this.#over) return;
    this.#passed += buffer.byteLength;
    if (this.#shared) this.#pieces.push([piece, buffer, digest]);
    for (const reader of [...this.#readers]) reader.piece(piece, buffer, digest);
  }

  #pause() {
    return new Promise((resolve) => {
      this.#goOn = () => resolve(undefined);
    });
  }

  #finish() {
    this.#over = true;
    if (windows.get(this.#key) === this) windows.delete(this.#key);
  }

  #end(/** @type {string} */ code) {
    if (this.#over) return;
    this.#finish();
    for (const reader of [...this.#readers]) this.#drop(reader, code);
  }
}

/**
 * Asks for a window, or joins one that is asked for already.
 * @param {WindowRequest} request
 * @param {WindowReader} reader
 */
export function openWindow(request, reader) {
  // By the URL: the same bytes may be refused at one path and not at another.
  const key = `${request.url} ${request.begin}-${request.end} ${request.reload}`;
  const window = windows.get(key) ?? new Window(request, key);
  window.join(reader);
  return window;
}
