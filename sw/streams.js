// Streams: answers of the origin, cut into pieces and digested. The core says which bodies read which, and how far.
import { CACHE_NO_STORE, CACHE_PAGE, CACHE_RELOAD, STREAM_END, STREAM_HEAD, STREAM_PIECE, STREAM_RATE } from '../build/border.js';
import { piecesOf } from './cut.js';
import { giveUp, onFailure, tell } from './engine.js';
import { listOf } from './lists.js';
import { spilt } from './spilt.js';
import { answerWords, CONDITIONS } from './words.js';

/** @typedef {import('./exchange.js').Exchange} Exchange */
/** @typedef {import('../build/border.js').Commands['OpenStream']} OpenStream */

const BROKEN = 'origin-unreachable';

/** By the core's number. @type {Map<number, Stream>} */
const streams = new Map();

export const streamOf = (/** @type {number} */ id) => /** @type {Stream} */ (streams.get(id));

export class Stream {
  #resource;
  #how;
  #id;
  #abort = new AbortController();
  /** As it came. @type {Response | undefined} */
  response;
  /** @type {ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined} */
  #reader;
  /** @type {Map<number, ArrayBuffer>} */
  #kept = new Map();
  #isPassed = false;
  /** Its bytes as they are, for each body that spills. @type {ReturnType<typeof spilt> | undefined} */
  #spilt;
  /** All that came, until a piece turned out right. @type {ArrayBuffer[] | null} */
  #raw = [];
  /** @type {AsyncGenerator<ArrayBuffer, void> | undefined} */
  #pieces;
  #cut = 0; // pieces before this one were cut
  #isLong = false; // its body goes on behind the last one
  /** @type {Promise<string> | undefined} */
  #pumping;
  #told = Promise.resolve();
  #isClosed = false;
  #isOver = false;
  #until = 0;
  #isRated = false;
  #arrived = 0; // bytes of the body that came
  #passed = 0; // of these, what the core was told
  #goOn = () => {};

  /**
   * @param {number} id the core's
   * @param {Exchange} exchange of the page that was first to want it
   * @param {Omit<OpenStream, 'body' | 'stream'>} how as src/http/command.hpp says
   */
  constructor(id, exchange, how) {
    this.#id = id;
    this.#resource = exchange;
    this.#how = how;
    streams.set(id, this);
    void this.#run();
  }

  /** Of pieces that are kept. */
  buffers(/** @type {number} */ begin, /** @type {number} */ end) {
    const buffers = [];
    for (let piece = begin; piece < end; piece++) buffers.push(/** @type {ArrayBuffer} */ (this.#kept.get(piece)));
    return buffers;
  }

  /**
   * The head is good: cut pieces up to `until`, and keep those from `keep` on.
   * @param {number} until
   * @param {number} keep
   */
  accept(until, keep) {
    this.#until = until;
    for (const piece of this.#kept.keys()) if (piece < keep) this.#kept.delete(piece);
    if (!this.#pumping) {
      this.#pumping = this.#pump().catch(() => BROKEN);
      // Pieces that came before the connection broke are good, so they are told first.
      void this.#pumping.then((code) => this.#told.then(() => this.#end(code)));
    }
    this.#goOn();
  }

  /** All bytes of the answer, whatever they are. The core was told of no piece. */
  spill() {
    // All bodies that read this stream spill in the same turn.
    this.#spilt ??= spilt(this.#spill(), () => this.#stop());
    this.#goOn();
    return this.#spilt();
  }

  async *#spill() {
    const code = await this.#pumping;
    const pieces = /** @type {AsyncGenerator<ArrayBuffer, void>} */ (this.#pieces);
    const came = /** @type {ArrayBuffer[]} */ (this.#raw);
    for (let buffer; (buffer = came.shift() ?? (await pieces.next()).value); ) {
      if (buffer.byteLength > 0) yield new Uint8Array(buffer);
    }
    // The connection broke before the spill began.
    if (code === BROKEN) throw BROKEN;
  }

  /** The answer as it is, for a page; `shared`: the bodies that read it go on. Nothing of it was read. */
  pass(/** @type {boolean} */ shared) {
    const response = /** @type {Response} */ (this.response);
    this.#isPassed = true;
    if (shared) return response.clone();
    this.#close();
    return response;
  }

  /** Nobody reads it. Gives the bytes that came for nobody. */
  close() {
    this.#close();
    // Pages were given clones of it. It would gather in memory all that they read.
    if (this.#isPassed) this.#leave();
    const { bytes, pieceBytes } = this.#resource;
    const last = this.response?.status === 200 ? Math.ceil(bytes / pieceBytes) : this.#how.end;
    // A body that was read to its end is left alone: aborting would take it from the HTTP cache. So is one that a page reads.
    if ((this.#cut < last || this.#isLong) && !this.#isPassed && !this.#spilt) this.#stop();
    this.#goOn();
    return this.#isOver ? 0 : this.#arrived - this.#passed;
  }

  async #run() {
    const { bytes, pieceBytes, event } = this.#resource;
    const { request } = event;
    const { begin, end, whole, own, cache, sameOrigin, wait } = this.#how;
    const last = Math.min(bytes, end * pieceBytes) - 1;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (this.#isClosed) return;
    try {
      const { url, mode, credentials, referrer, referrerPolicy } = request;
      const headers = new Headers(request.headers);
      for (const name of CONDITIONS) headers.delete(name);
      if (!whole) headers.set('range', `bytes=${begin * pieceBytes}-${last}`);
      const response = await (own
        ? fetch(request)
        : fetch(url, {
            headers,
            credentials,
            referrer,
            referrerPolicy,
            cache: /** @type {RequestCache} */ (
              { [CACHE_PAGE]: request.cache, [CACHE_RELOAD]: 'reload', [CACHE_NO_STORE]: 'no-store' }[cache]
            ),
            mode: sameOrigin ? 'same-origin' : mode,
            redirect: whole ? 'follow' : 'manual',
            signal: this.#abort.signal,
          }));
      this.response = response;
      if (this.#isClosed) return this.#leave();
      tell(STREAM_HEAD, answerWords(response), this.#id, response.status);
    } catch {
      this.#end(own && request.signal.aborted ? 'cancelled' : BROKEN);
    }
  }

  // Cuts the body. Digests run beside the reading, and are told in order.
  async #pump() {
    const { bytes, pieceBytes } = this.#resource;
    const { body, status } = /** @type {Response} */ (this.response);
    const isWhole = status === 200;
    const arrived = async (/** @type {number} */ at, /** @type {number} */ length) => {
      this.#arrived += length;
      while (!this.#isClosed && !this.#spilt && at >= this.#until && at * pieceBytes < bytes) await this.#pause();
      return this.#isClosed && !this.#spilt;
    };
    /** @type {ArrayBuffer | undefined} */
    let last;
    let piece = isWhole ? 0 : this.#how.begin;
    this.#reader = /** @type {any} */ (body).getReader();
    this.#pieces = piecesOf(/** @type {any} */ (this.#reader), piece, this.#resource, arrived, () => Boolean(this.#spilt));
    for (let buffer; (buffer = (await this.#pieces.next()).value); ) {
      this.#raw?.push(buffer);
      if (this.#spilt) return '';
      const left = bytes - piece * pieceBytes;
      if (buffer.byteLength < Math.min(pieceBytes, Math.max(1, left))) break;
      // What goes on behind the last piece is another file.
      if ((this.#isLong = left <= 0)) return 'wrong-length';
      this.#cut = ++piece;
      // Of a whole answer the last piece waits for the end.
      if (isWhole && piece * pieceBytes >= bytes) last = buffer;
      else this.#tell(piece - 1, buffer);
    }
    if (last) this.#tell(piece - 1, last);
    this.#tellRate();
    return '';
  }

  #tell(/** @type {number} */ piece, /** @type {ArrayBuffer} */ buffer) {
    const digesting = crypto.subtle.digest('SHA-256', buffer);
    const telling = Promise.all([digesting, this.#told]).then(async ([digest]) => {
      const code = await listOf(this.#resource.root);
      if (this.#isClosed || this.#isOver) return;
      if (code) return void tell(STREAM_END, code, this.#id);
      this.#passed += buffer.byteLength;
      this.#kept.set(piece, buffer);
      tell(STREAM_PIECE, digest, this.#id, piece, buffer.byteLength);
      if (!this.#spilt) this.#raw = null;
    });
    // A browser that is short of memory digests nothing.
    this.#told = telling.catch(() => void tell(STREAM_END, BROKEN, this.#id));
  }

  // What comes after a pause waited here: it says nothing of the origin's rate.
  #pause() {
    this.#tellRate();
    return new Promise((resolve) => (this.#goOn = /** @type {() => void} */ (resolve)));
  }

  #tellRate() {
    if (!this.#isRated) tell(STREAM_RATE, this.#id, this.#arrived);
    this.#isRated = true;
  }

  // The page's own Request hears nothing of our signal.
  #stop() {
    this.#abort.abort();
    this.#leave();
  }

  #leave() {
    giveUp(this.#reader ?? this.response?.body);
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

// The core is gone: what nobody reads would keep its connection.
onFailure(() => streams.forEach((each) => each.close()));
