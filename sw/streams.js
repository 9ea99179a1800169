// Streams: answers of the origin, cut into pieces and digested. The core says which bodies read which, and how far.
import { answerHeaders, STREAM_END, STREAM_HEAD, STREAM_PIECE, STREAM_RATE } from '../build/border.js';
import { piecesOf } from './cut.js';
import { call, isOn, tell } from './engine.js';
import { listOf } from './lists.js';

/**
 * @typedef {object} StreamRequest
 * @property {string} url
 * @property {string} path with its query
 * @property {string} root
 * @property {number} bytes of the resource
 * @property {number} pieceBytes
 * @property {number} begin first piece
 * @property {number} end end piece
 * @property {boolean} whole the pieces are the resource: no Range header
 * @property {boolean} reload past the HTTP cache
 * @property {number} wait milliseconds before it is asked
 */

/** By the core's number. @type {Map<number, Stream>} */
const streams = new Map();

export const streamOf = (/** @type {number} */ id) => /** @type {Stream} */ (streams.get(id));

export class Stream {
  #request;
  #id;
  #abort = new AbortController();
  /** @type {Response | undefined} */
  #response;
  /** @type {Map<number, ArrayBuffer>} */
  #kept = new Map();
  #begun = false;
  #isPassed = false;
  #told = Promise.resolve();
  #isClosed = false;
  #isOver = false;
  #until = 0;
  #cut = 0; // pieces before this one were cut
  #isRated = false;
  #arrived = 0; // bytes of the body that came
  #passed = 0; // of these, what the core was told
  #goOn = () => {};

  /**
   * @param {number} id the core's
   * @param {StreamRequest} request
   */
  constructor(id, request) {
    this.#id = id;
    this.#request = request;
    streams.set(id, this);
    void this.#run();
  }

  /** The path and the type that the origin sent. */
  get type() {
    return `${this.#request.path} ${this.#response?.headers.get('content-type') ?? ''}`;
  }

  /** Of pieces that are kept. */
  buffers(/** @type {number} */ begin, /** @type {number} */ end) {
    const buffers = [];
    for (let piece = begin; piece < end; piece++) buffers.push(/** @type {ArrayBuffer} */ (this.#kept.get(piece)));
    return buffers;
  }

  /**
   * The head is good: skip so many bytes, cut pieces up to `until`, and keep those from `keep` on.
   * @param {number} skip
   * @param {number} until
   * @param {number} keep
   */
  accept(skip, until, keep) {
    this.#until = until;
    for (const piece of this.#kept.keys()) if (piece < keep) this.#kept.delete(piece);
    if (!this.#begun) {
      this.#begun = true;
      // What came before it broke off is good: it is told first.
      void this.#pump(skip)
        .catch(() => 'origin-unreachable')
        .then((code) => this.#told.then(() => this.#end(code)));
    }
    this.#goOn();
  }

  /** The answer as it is, for a page; `shared`: the bodies that read it go on. Nothing of it was read. */
  pass(/** @type {boolean} */ shared) {
    const response = /** @type {Response} */ (this.#response);
    this.#isPassed = true;
    if (shared) return response.clone();
    this.#close();
    return response;
  }

  /** Nobody reads it. Gives the bytes that came for nobody. */
  close() {
    this.#close();
    // Pages were given clones of it. It would gather in memory all that they read.
    if (this.#isPassed) void this.#response?.body?.cancel().catch(() => {});
    if (this.#isOver) return 0;
    const { bytes, pieceBytes, end } = this.#request;
    const last = this.#response?.status === 200 ? Math.ceil(bytes / pieceBytes) : end;
    // A body that was read to its end is left alone: aborting would take it from the HTTP cache. So is one that a page reads.
    if (this.#cut < last && !this.#isPassed) this.#abort.abort();
    this.#goOn();
    return this.#arrived - this.#passed;
  }

  async #run() {
    const { url, bytes, pieceBytes, begin, end, whole, reload, wait } = this.#request;
    const last = Math.min(bytes, end * pieceBytes) - 1;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (this.#isClosed) return;
    try {
      const response = await fetch(url, {
        headers: whole ? {} : { range: `bytes=${begin * pieceBytes}-${last}` },
        cache: reload ? 'reload' : whole ? 'default' : 'no-store',
        mode: 'same-origin',
        signal: this.#abort.signal,
      });
      this.#response = response;
      const texts = answerHeaders.map((name) => response.headers.get(name) ?? '');
      tell(STREAM_HEAD, [response.type, ...texts].join('\n'), this.#id, response.status);
    } catch {
      this.#end('origin-unreachable');
    }
  }

  // Cuts the body. Digests run beside the reading, and are told in order.
  async #pump(/** @type {number} */ skip) {
    const { bytes, pieceBytes, begin } = this.#request;
    const { body, status } = /** @type {Response} */ (this.#response);
    const isWhole = status === 200;
    const arrived = async (/** @type {number} */ at, /** @type {number} */ length) => {
      this.#arrived += length;
      while (!this.#isClosed && at >= this.#until && at * pieceBytes < bytes) await this.#pause();
      return this.#isClosed;
    };
    /** @type {ArrayBuffer | undefined} */
    let last;
    let piece = begin - skip / pieceBytes;
    for await (const buffer of piecesOf(/** @type {any} */ (body), piece, this.#request, arrived)) {
      if (!buffer.byteLength) break;
      // What goes on behind the last piece is another file. It would hold its connection, read or not.
      if (piece * pieceBytes >= bytes) {
        this.#abort.abort();
        return isWhole ? 'wrong-length' : '';
      }
      const at = piece++;
      if (at < begin) continue;
      this.#cut = piece;
      // Of a whole answer the last piece waits for the end.
      if (isWhole && piece * pieceBytes >= bytes) last = buffer;
      else this.#tell(at, buffer);
    }
    if (last) this.#tell(piece - 1, last);
    this.#tellRate();
    return '';
  }

  #tell(/** @type {number} */ piece, /** @type {ArrayBuffer} */ buffer) {
    const digesting = crypto.subtle.digest('SHA-256', buffer);
    this.#told = this.#told.then(async () => {
      const digest = await digesting;
      const code = await listOf(this.#request.root);
      if (this.#isClosed || this.#isOver) return;
      if (code) return tell(STREAM_END, code, this.#id);
      this.#passed += buffer.byteLength;
      this.#kept.set(piece, buffer);
      tell(STREAM_PIECE, digest, this.#id, piece, buffer.byteLength);
    });
  }

  // What comes after a pause waited here: it says nothing of the origin's rate.
  #pause() {
    this.#tellRate();
    return new Promise((resolve) => {
      this.#goOn = () => resolve(undefined);
    });
  }

  #tellRate() {
    if (!this.#isRated && isOn()) call(STREAM_RATE, this.#id, this.#arrived, performance.now());
    this.#isRated = true;
  }

  #close() {
    this.#isClosed = true;
    streams.delete(this.#id);
  }

  #end(/** @type {string} */ code) {
    if (this.#isClosed || this.#isOver) return;
    this.#isOver = true;
    tell(STREAM_END, code, this.#id);
  }
}
