// The receiving side: the bytes of pieces on their way, kept in JavaScript, digested and stored where they are.
import { digestsWait, PEER_DIGEST, PEER_DIGESTS, PEER_RECORD, PEER_STORE_FAILED, segmentBytes } from '../build/border.js';
import { answerWords } from '../sw/words.js';
import { Piece } from './piece.js';
import { ask } from './resources.js';

/** @typedef {import('../sw/store.js').Store} Store */

const sha256 = (/** @type {BufferSource} */ bytes) => crypto.subtle.digest('SHA-256', bytes);

const joined = (/** @type {BlobPart[]} */ parts) => new Blob(parts).arrayBuffer();

/** A digest list behind its own digest. @param {ArrayBuffer | Uint8Array<ArrayBuffer>} list */
const withDigest = async (list) => joined([await sha256(list), list]);

/** @param {string} url */
async function fetchList(url) {
  const response = await ask(url, digestsWait);
  if (!response.ok) throw response.status;
  return response.arrayBuffer();
}

export class Pieces {
  #core;
  #resources;
  #store;
  #tell;
  /** @type {Map<number, Map<number, Piece>>} handle, piece */
  #pieces = new Map();
  /** @type {Set<Promise<void>>} */
  #writes = new Set();
  /** Resources of which nothing is stored: the last request said so (`no-store`), or they do not fit. @type {Set<number>} */
  unstored = new Set();
  /** Payload bytes that came from peers. */
  received = 0;
  /** Bytes that came for nothing since somebody was last told. */
  wasted = 0;

  /**
   * @param {import('./core.js').Core} core
   * @param {import('./resources.js').Resources} resources
   * @param {Promise<Store | null>} store
   * @param {(type: 'stored' | 'unstored', root: string, begin: number, end: number) => void} tell a run is in the store, or
   *   could not be stored
   */
  constructor(core, resources, store, tell) {
    this.#core = core;
    this.#resources = resources;
    this.#store = store;
    this.#tell = tell;
  }

  /**
   * The last `bytes` of a message are a block of a piece.
   * @param {number} handle
   * @param {number} piece
   * @param {number} offset
   * @param {number} bytes
   * @param {ArrayBuffer} message
   */
  take(handle, piece, offset, bytes, message) {
    const pieces = this.#of(handle);
    let target = pieces.get(piece);
    if (!target) pieces.set(piece, (target = new Piece()));
    target.set(offset, new Uint8Array(message, message.byteLength - bytes, bytes));
    this.received += bytes;
  }

  /**
   * A whole piece from elsewhere, instead of what peers gave of it.
   * @param {number} handle
   * @param {number} piece
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  put(handle, piece, bytes) {
    const target = new Piece();
    target.set(0, bytes);
    this.#waste(handle, piece);
    this.#of(handle).set(piece, target);
  }

  /**
   * A view of a piece that the core knows to be whole.
   * @param {number} handle
   * @param {number} piece
   * @param {number} offset
   * @param {number} bytes
   */
  part(handle, piece, offset, bytes) {
    return this.#get(handle, piece).part(offset, bytes);
  }

  /** All of such a piece, in a buffer that may be transferred. @param {number} handle @param {number} piece */
  give(handle, piece) {
    const given = this.#get(handle, piece);
    given.isUsed = true;
    return given.give();
  }

  /** @param {number} handle @param {number} piece */
  digest(handle, piece) {
    sha256(this.#get(handle, piece).bytes)
      .catch(() => '')
      .then((digest) => this.#core.tell(PEER_DIGEST, digest, handle, piece));
  }

  /** @param {number} handle @param {number} piece */
  forget(handle, piece) {
    this.#waste(handle, piece);
    const pieces = this.#pieces.get(handle);
    pieces?.delete(piece);
    if (pieces?.size === 0) this.#pieces.delete(handle);
  }

  /** Resolves when nothing is being written. */
  written() {
    return Promise.allSettled([...this.#writes]);
  }

  /** @param {number} handle @param {number} begin @param {number} end */
  storeRun(handle, begin, end) {
    const writing = this.#write(handle, begin, end).finally(() => this.#writes.delete(writing));
    this.#writes.add(writing);
  }

  /** @param {number} handle @param {number} begin @param {number} end */
  async #write(handle, begin, end) {
    const { root } = this.#resources.get(handle);
    const parts = [];
    for (let piece = begin; piece < end; piece++) {
      const written = this.#get(handle, piece);
      written.isUsed = true;
      parts.push(...written.blocks);
    }
    if (this.unstored.has(handle)) return void this.#core.tell(PEER_STORE_FAILED, handle, begin, end);
    try {
      await /** @type {Store} */ (await this.#store).putRun(root, begin, end, parts);
    } catch {
      // The worker writes what it was handed of it, makes room for it, and tells the page if it cannot either.
      this.#tell('unstored', root, begin, end);
      return void this.#core.tell(PEER_STORE_FAILED, handle, begin, end);
    }
    // What is listed no more was wanted by a reader only: nothing waits for it now.
    if (!this.#resources.held(root, begin, end)) this.#core.tell(PEER_STORE_FAILED, handle, begin, end);
    this.#tell('stored', root, begin, end);
  }

  /**
   * From the manifest or the store, else from the origin. Whether they are the root's is decided in C++.
   * @param {number} handle
   */
  async fetchDigests(handle) {
    const { root, digests } = this.#resources.get(handle);
    try {
      const store = await this.#store;
      const kept = this.#resources.listOf(root) ?? (await store?.digests(root).catch(() => null));
      const list = kept ?? (await fetchList(digests));
      if (this.#core.tell(PEER_DIGESTS, await withDigest(list), handle, true) && !kept)
        await store?.putDigests(root, list).catch(() => {});
    } catch {
      this.#core.tell(PEER_DIGESTS, '', handle, true);
    }
  }

  /**
   * Stores a whole resource that this page had already, if it is the one that is listed.
   * @param {import('./resources.js').Resource} resource
   * @param {Uint8Array<ArrayBuffer>} body
   * @param {string} url
   * @param {Response} response as the origin sent it
   */
  async adopt(resource, body, url, response) {
    const store = await this.#store;
    const handle = this.#resources.handle(resource);
    if (!store || !handle) return;
    const { root, pieceBytes } = resource;
    const digests = [];
    for (let at = 0; at < body.length; at += pieceBytes) digests.push(await sha256(body.subarray(at, at + pieceBytes)));
    const list = await joined(digests);
    if (!this.#core.tell(PEER_DIGESTS, await withDigest(list), handle, false)) return;
    // Of one piece the root says it.
    if (digests.length > 1) await store.putDigests(root, list);
    const perRun = Math.max(1, Math.floor(segmentBytes / pieceBytes));
    for (let begin = 0; begin < digests.length; begin += perRun) {
      const end = Math.min(digests.length, begin + perRun);
      await store.putRun(root, begin, end, [body.subarray(begin * pieceBytes, end * pieceBytes)]);
      this.#resources.held(root, begin, end);
      this.#tell('stored', root, begin, end);
    }
    // The page has seen these validators.
    const { pathname, search } = new URL(url);
    const key = `${root}?${pathname}${search}`;
    const record = this.#core.callText(PEER_RECORD, answerWords(response));
    if (record && !(await store.record(key))) await store.putRecord(key, record);
  }

  /** What is dropped unused (a part, wrong bytes) came for nothing. @param {number} handle @param {number} piece */
  #waste(handle, piece) {
    const dropped = this.#pieces.get(handle)?.get(piece);
    if (dropped && !dropped.isUsed) this.wasted += dropped.length;
  }

  /** @param {number} handle */
  #of(handle) {
    let pieces = this.#pieces.get(handle);
    if (!pieces) this.#pieces.set(handle, (pieces = new Map()));
    return pieces;
  }

  /** The core names only pieces that it let us take. @param {number} handle @param {number} piece */
  #get(handle, piece) {
    return /** @type {Piece} */ (this.#pieces.get(handle)?.get(piece));
  }
}
