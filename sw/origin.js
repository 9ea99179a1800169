// Streams: answers of the origin, cut into pieces and digested. The core says which bodies read which.
import { SAMPLE_BODY } from '../build/border.js';
import { ask, note } from './engine.js';

/**
 * What a reader of a stream is told: its head, its pieces in order, its end.
 * @typedef {object} StreamReader
 * @property {number} begin the first piece that it wants
 * @property {(response: Response) => void} head
 * @property {(piece: number, buffer: ArrayBuffer, digest: ArrayBuffer) => void} piece
 * @property {(code: string) => void} end
 */

/**
 * @typedef {object} StreamRequest
 * @property {string} url
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

class Stream {
  /** How far each reader wants it. @type {Map<StreamReader, number>} */
  #readers = new Map();
  #request;
  #id;
  #abort = new AbortController();
  /** @type {Response | undefined} */
  #response;
  /** @type {Map<number, { buffer: ArrayBuffer, digest: ArrayBuffer }>} */
  #kept = new Map();
  /** Why nothing more comes. @type {string | undefined} */
  #code;
  #begun = false;
  #isPassed = false;
  #told = Promise.resolve();
  #left = false; // by everybody
  #cut = 0; // pieces before this one were cut
  #headAt = 0;
  #isSampled = false;
  #arrived = 0; // bytes of the body that came
  #passed = 0; // of these, what readers were told
  #goOn = () => {};

  constructor(/** @type {StreamRequest} */ request, /** @type {number} */ id) {
    this.#request = request;
    this.#id = id;
    void this.#run();
  }

  /** Joins: what is kept is told again. */
  join(/** @type {StreamReader} */ reader) {
    this.#readers.set(reader, 0);
    if (this.#response) reader.head(this.#response);
    for (const [piece, { buffer, digest }] of this.#kept) this.#tellOne(reader, piece, buffer, digest);
    if (this.#code !== undefined && this.#readers.has(reader)) reader.end(this.#code);
  }

  /** Gives the bytes that came for nobody. */
  leave(/** @type {StreamReader} */ reader) {
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return 0;
    this.#close();
    if (this.#code !== undefined) return 0;
    const { bytes, pieceBytes, end } = this.#request;
    const last = this.#response?.status === 200 ? Math.ceil(bytes / pieceBytes) : end;
    // A body that was read to its end is left alone: aborting would take it from the HTTP cache. So is one that a page reads.
    if (this.#cut < last && !this.#isPassed) this.#abort.abort();
    this.#goOn();
    return this.#arrived - this.#passed;
  }

  /** Whether anybody reads it. */
  get isRead() {
    return this.#readers.size > 0;
  }

  /** Of a piece that is kept. */
  buffer(/** @type {number} */ piece) {
    return this.#kept.get(piece)?.buffer;
  }

  /**
   * The answer as it is, for a page: one reader's, who leaves by this. Nothing of it was read.
   * @returns {Response}
   */
  pass(/** @type {StreamReader} */ reader) {
    const response = /** @type {Response} */ (this.#response);
    this.#readers.delete(reader);
    this.#isPassed = true;
    if (this.#readers.size > 0) return response.clone();
    this.#close();
    return response;
  }

  /** The head is good: skip so many bytes, cut pieces up to `until`, and keep those from `keep` on. */
  accept(
    /** @type {StreamReader} */ reader,
    /** @type {number} */ skip,
    /** @type {number} */ until,
    /** @type {number} */ keep,
  ) {
    this.#readers.set(reader, until);
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

  async #run() {
    const { url, bytes, pieceBytes, begin, end, whole, reload, wait } = this.#request;
    const last = Math.min(bytes, end * pieceBytes) - 1;
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (this.#left) return;
    try {
      const response = await ask(url, {
        headers: whole ? {} : { range: `bytes=${begin * pieceBytes}-${last}` },
        cache: reload ? 'reload' : whole ? 'default' : 'no-store',
        mode: 'same-origin',
        signal: this.#abort.signal,
      });
      this.#headAt = performance.now();
      this.#response = response;
      for (const reader of [...this.#readers.keys()]) reader.head(response);
    } catch {
      this.#end('origin-unreachable');
    }
  }

  // Cuts the body. Digests run beside the reading, and are told in order.
  async #pump(/** @type {number} */ skip) {
    const { bytes, pieceBytes, begin } = this.#request;
    const reader = /** @type {ReadableStream<Uint8Array>} */ (this.#response?.body).getReader();
    const isWhole = this.#response?.status === 200;
    /** @type {ArrayBuffer | undefined} */
    let last;
    let piece = begin;
    let buffer = new Uint8Array(0);
    let filled = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (this.#left) return '';
      if (done) break;
      this.#arrived += value.byteLength;
      let at = Math.min(skip, value.byteLength);
      skip -= at;
      while (at < value.byteLength && piece * pieceBytes < bytes) {
        if (filled === 0) {
          while (!this.#left && !this.#isWanted(piece)) await this.#pause();
          if (this.#left) return '';
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
        else this.#tell(piece, buffer.buffer);
        this.#cut = ++piece;
      }
      if (isWhole && at < value.byteLength) {
        void reader.cancel();
        return 'wrong-length';
      }
    }
    if (last) this.#tell(piece - 1, last);
    this.#sample();
    return '';
  }

  #tell(/** @type {number} */ piece, /** @type {ArrayBuffer} */ buffer) {
    const digesting = crypto.subtle.digest('SHA-256', buffer);
    this.#told = this.#told.then(async () => {
      const digest = await digesting;
      if (this.#left) return;
      this.#passed += buffer.byteLength;
      this.#kept.set(piece, { buffer, digest });
      for (const reader of [...this.#readers.keys()]) this.#tellOne(reader, piece, buffer, digest);
    });
  }

  #tellOne(
    /** @type {StreamReader} */ reader,
    /** @type {number} */ piece,
    /** @type {ArrayBuffer} */ buffer,
    /** @type {ArrayBuffer} */ digest,
  ) {
    if (piece >= reader.begin && this.#readers.has(reader)) reader.piece(piece, buffer, digest);
  }

  #isWanted(/** @type {number} */ piece) {
    for (const until of this.#readers.values()) if (piece < until) return true;
    return false;
  }

  // What comes after a pause waited here: it says nothing of the origin's rate.
  #pause() {
    this.#sample();
    return new Promise((resolve) => {
      this.#goOn = () => resolve(undefined);
    });
  }

  #sample() {
    if (!this.#isSampled) note(SAMPLE_BODY, false, this.#arrived, this.#headAt, performance.now());
    this.#isSampled = true;
  }

  #close() {
    this.#left = true;
    streams.delete(this.#id);
  }

  #end(/** @type {string} */ code) {
    if (this.#left) return;
    this.#code = code;
    for (const reader of [...this.#readers.keys()]) reader.end(code);
  }
}

/**
 * The stream of that number, asked for if nobody reads it yet.
 * @param {number} id the core's
 * @param {StreamRequest} request
 */
export function streamOf(id, request) {
  const stream = streams.get(id) ?? new Stream(request, id);
  streams.set(id, stream);
  return stream;
}
