// Performs what a Body of the core decides: reads the store, asks pages and the origin, fills the stream.
import {
  answerHeaders,
  BODY_ALIVE,
  BODY_CANCEL,
  BODY_COMPANY,
  BODY_COUNTS,
  BODY_DIGEST,
  BODY_DIGESTS,
  BODY_END,
  BODY_HANDLE_TIMEOUT,
  BODY_HEAD,
  BODY_HEDGE,
  BODY_HELD,
  BODY_PIECE,
  BODY_POLL,
  BODY_PULL,
  BODY_START,
  BODY_TIMEOUT,
  BODY_TYPE,
  BODY_WASTED,
  bodyOutputs,
  calmStep,
  calmWait,
  CLOSE_BODY,
  ERROR_CODE,
  HEAD,
  progressWait,
  SAMPLE_BODY,
  SAMPLE_FIRST,
  SOURCE_PEERS,
  streamBytes,
  TERMS,
  unattendedBytes,
} from '../build/border.js';
import { alarm, call, callText, drain, fields, note, onFailure, soon } from './engine.js';
import { streamOf } from './origin.js';
import { addRun } from './store.js';

/** @typedef {import('./store.js').Store} Store */
/** @typedef {import('../build/border.js').WorkerCore} WorkerCore */
/**
 * The calls about a body that end with the time.
 * @typedef {Exclude<keyof WorkerCore & `export body_${string}`, typeof import('../build/border.js').BODY_POLL>} BodyCall
 */
/**
 * Of these calls what stands between the body and the time.
 * @template {BodyCall} Name
 * @typedef {Parameters<WorkerCore[Name]> extends [any, ...infer Rest, any] ? Rest : never} BodyArguments
 */
/**
 * @typedef {object} Source
 * @property {() => void} close
 * @property {(bytes: number) => void} [grant]
 * @property {(skip: number, until: number, keep: number) => void} [accept]
 * @property {(piece: number) => ArrayBuffer | undefined} [buffer]
 * @property {() => Response} [pass]
 */

/** @type {Set<Gathering>} */
const open = new Set();

/** How many responses of ours are open. */
export const openCount = () => open.size;

/** @type {Promise<void> | undefined} */
let calming;

/** Resolves when no response of ours waits for its first byte, or while one always does, after a while. */
export const calm = () => (calming ??= untilCalm().finally(() => (calming = undefined)));

async function untilCalm() {
  for (const end = performance.now() + calmWait; performance.now() < end && [...open].some(({ begun }) => !begun); ) {
    await new Promise((resolve) => setTimeout(resolve, calmStep));
  }
}

/**
 * A run was stored, by a page or by another body: whoever wants the same pieces reads them there.
 * @param {string} root
 * @param {number} begin
 * @param {number} end
 */
export function handleStored(root, begin, end) {
  for (const each of open) {
    if (each.asked.root === root) each.handleStored(begin, end);
  }
}

/**
 * A page says that others have it, or want it too: whoever reads it shares the work with them.
 * @param {string} root
 */
export function handleCompany(root) {
  for (const each of open) {
    if (each.asked.root === root) each.handleCompany();
  }
}

/**
 * What is asked, by the core's reckoning.
 * @typedef {object} Asked
 * @property {number} exchange
 * @property {string} url
 * @property {string} path with its query
 * @property {string} root
 * @property {string} contentType
 * @property {string | null} range the Range header
 * @property {number} bytes of the resource
 * @property {number} pieceBytes
 * @property {number} begin first piece
 * @property {number} end end piece
 * @property {number} length bytes of the response
 */

/**
 * What a gathering uses of the worker.
 * @typedef {object} Surroundings
 * @property {Store | null} store
 * @property {import('./storage.js').StoreKeeper['put']} put
 * @property {(asked: Asked) => Promise<ArrayBuffer>} digests
 * @property {(asked: Asked, ask: Ask, page: PageReader) => Source | null} [askPage]
 * @property {(type: string, detail: object) => void} emit
 * @property {(code: string, url: string) => void} report
 * @property {(code: string, url: string) => void} lost the origin's answers cannot be used; once for each resource
 * @property {() => void} changed how many are open
 */

/**
 * What a page is asked for.
 * @typedef {object} Ask
 * @property {number} begin first piece
 * @property {number} end end piece
 * @property {number} origin 0, or how many times slower than the origin peers may be before the page asks it too
 * @property {number} patience milliseconds for peers that have not begun, before it does
 */

/**
 * What a page tells.
 * @typedef {object} PageReader
 * @property {(piece: number, buffer: ArrayBuffer, from: number, wasted: number) => void} piece verified by the page; from: 0 it
 *   had it, 1 peers, 2 the origin; bytes that came twice since the last one
 * @property {(whole: ArrayBuffer) => void} reply the whole resource, not verified
 * @property {(warm: boolean) => void} pending somebody has it; whether the page is connected to one
 * @property {() => void} alive it is there, and at it
 * @property {(code: string) => void} end
 */

let ids = 0;
const tag = Math.random().toString(36).slice(2, 8);

export class Gathering {
  /** @type {Asked} */
  asked;
  /** Resolves to the response once its first byte is there; to null if nobody gives one. @type {Promise<Response | null>} */
  response;
  /** Resolves when the body is over, to true if every byte was passed on. @type {Promise<boolean>} */
  finished;
  hedged = false;
  /** The response is the origin's own, untouched. */
  passed = false;
  /** Why there is no response, or no more of it. */
  code = '';

  #id;
  #runs;
  #around;
  /** @type {Map<number, Source>} */
  #jobs = new Map();
  /** @type {Map<number, ArrayBuffer>} */
  #buffers = new Map();
  /** @type {Map<number, Map<number, ArrayBuffer>>} by job, what is to be stored */
  #unstored = new Map();
  /** @type {Map<number, [number, number]>} by job, the run that it read last */
  #reads = new Map();
  /** The path and what the origin called it when it answered. @type {string | undefined} */
  #type;
  #stream;
  /** @type {ReadableStreamDefaultController<Uint8Array>} */
  // @ts-ignore: set by the stream's start()
  #controller;
  /** @type {Promise<string> | undefined} */
  #digests;
  #resolve = (/** @type {Response | null} */ _) => {};
  #finish = (/** @type {boolean} */ _) => {};
  #timer = 0;
  #began = performance.now();
  #told = this.#began; // most are over before there is progress to tell
  #transfer = `${tag}-${++ids}`;
  begun = false;
  #over = false;
  #onPending;

  /**
   * @param {number} id the core's Body
   * @param {Asked} asked
   * @param {[number, number][]} runs what the store has of it; what turns out gone is taken from it
   * @param {Surroundings} around
   * @param {(warm: boolean) => void} [onPending] a page knows somebody who has it
   */
  constructor(id, asked, runs, around, onPending = () => {}) {
    this.#id = id;
    this.asked = asked;
    this.#runs = runs;
    this.#around = around;
    this.#onPending = onPending;
    this.response = new Promise((resolve) => (this.#resolve = resolve));
    this.finished = new Promise((resolve) => (this.#finish = resolve));
    this.#stream = new ReadableStream(
      {
        start: (controller) => void (this.#controller = controller),
        pull: (controller) => this.#in(BODY_PULL, controller.desiredSize ?? 0),
        cancel: () => this.cancel(),
      },
      { highWaterMark: streamBytes, size: (chunk) => chunk.byteLength },
    );
    open.add(this);
    around.changed();
    this.#in(BODY_START);
  }

  /** The reader went away, or another plugin was faster. */
  cancel() {
    this.#in(BODY_CANCEL);
    this.#end(false, 'cancelled');
  }

  /** Peers take long to begin: the origin gives the first bytes. */
  hedge() {
    this.hedged = true;
    this.#in(BODY_HEDGE);
  }

  /** Others have it, or want it too. */
  handleCompany() {
    this.#in(BODY_COMPANY);
  }

  handleStored(/** @type {number} */ begin, /** @type {number} */ end) {
    if (!this.#around.store) return;
    addRun(this.#runs, begin, end);
    call(BODY_HELD, this.#id, begin, end);
  }

  /**
   * Calls in with the time, then performs what came out.
   * @template {BodyCall} Name
   * @param {Name} name
   * @param {BodyArguments<Name>} args
   */
  #in(name, ...args) {
    if (this.#over) return;
    try {
      const result = /** @type {Function} */ (call)(name, this.#id, ...args, performance.now());
      // A buffer is kept before the outputs that pass it on are performed.
      const [job, piece] = /** @type {number[]} */ (/** @type {unknown} */ (args));
      if (result) this.#keep(job, piece);
      this.#drain();
    } catch (error) {
      this.break(error);
    }
  }

  /** @type {ArrayBuffer | undefined} */
  #arriving;

  #keep(/** @type {number} */ job, /** @type {number} */ piece) {
    const buffer = /** @type {ArrayBuffer} */ (this.#arriving);
    this.#buffers.set(piece, buffer);
    this.#unstored.get(job)?.set(piece, buffer);
  }

  #drain() {
    drain(BODY_POLL, this.#id, this.#performers);
    if (this.#over) return;
    this.#timer = alarm(this.#timer, call(BODY_TIMEOUT, this.#id), () => this.#in(BODY_HANDLE_TIMEOUT));
  }

  #performers = bodyOutputs({
    read: (job, begin, end) => void this.#read(job, begin, end),
    openPeers: (job, begin, end) => this.#openPeers(job, begin, end),
    grant: (job, bytes) => this.#jobs.get(job)?.grant?.(bytes),
    fetch: (...fetch) => this.#fetch(...fetch),
    accept: (job, ...accept) => this.#jobs.get(job)?.accept?.(...accept),
    store: (job, begin, end) => void this.#store(job, begin, end),
    close: (job) => this.#close(job),
    enqueue: (piece, begin, end) => this.#enqueue(piece, begin, end),
    done: () => this.#done(),
    fail: (error) => this.#fail(callText(ERROR_CODE, error)),
    drop: (job) => this.#drop(job),
    pass: (job) => this.#pass(job),
  });

  async #read(/** @type {number} */ job, /** @type {number} */ begin, /** @type {number} */ end) {
    const { store } = this.#around;
    const { root, bytes, pieceBytes } = this.asked;
    let closed = false;
    this.#jobs.set(job, { close: () => (closed = true) });
    try {
      const digests = this.#haveDigests(); // beside the first run
      for (let piece = begin; piece < end && !closed; ) {
        const run = this.#runs.filter(([from, to]) => from <= piece && piece < to).sort((a, b) => b[1] - a[1])[0];
        const read = run && (await soon(store?.readRun(root, ...run), null));
        if (run && !read) this.#forget(run);
        if (!read || (await digests)) break;
        const { buffer, type } = read;
        // Of this path: the same bytes may have another type at another one.
        const mine = `${this.asked.path} `;
        if (!this.begun && type?.startsWith(mine)) this.#in(BODY_TYPE, type.slice(mine.length));
        if (closed) return;
        const from = run[0] * pieceBytes;
        const pieces = [];
        for (; piece < Math.min(end, run[1]); piece++) {
          const at = piece * pieceBytes;
          // One copy of the run, cut as it is passed on: slices, because a run's buffer would stay as long as any piece.
          const part = buffer.slice(at - from, Math.min(bytes, at + pieceBytes) - from);
          pieces.push({ piece, part, digest: crypto.subtle.digest('SHA-256', part) });
        }
        for (const each of pieces) {
          const digest = await each.digest;
          if (closed) return;
          this.#reads.set(job, run);
          this.#digested(job, each.piece, each.part, digest);
        }
      }
    } catch {
      // What cannot be read is not held.
    }
    this.#in(BODY_END, job, 'storage-lost');
  }

  // Bytes that went bad in the store would do so again.
  #drop(/** @type {number} */ job) {
    const run = this.#reads.get(job);
    if (!run) return;
    this.#forget(run);
    this.#around.store?.dropRun(this.asked.root, ...run).catch(() => {});
  }

  #forget(/** @type {[number, number]} */ run) {
    this.#runs.splice(this.#runs.indexOf(run) >>> 0, 1); // another body may have been first
  }

  #piece(/** @type {number} */ job, /** @type {number} */ piece, /** @type {ArrayBuffer} */ buffer, /** @type {number} */ from) {
    this.#arriving = buffer;
    this.#in(BODY_PIECE, job, piece, buffer.byteLength, from);
  }

  #waste(/** @type {number} */ bytes) {
    if (bytes > 0) note(BODY_WASTED, this.#id, bytes);
  }

  #digested(
    /** @type {number} */ job,
    /** @type {number} */ piece,
    /** @type {ArrayBuffer} */ buffer,
    /** @type {ArrayBuffer} */ digest,
  ) {
    this.#arriving = buffer;
    this.#in(BODY_DIGEST, job, piece, buffer.byteLength, digest);
  }

  #openPeers(/** @type {number} */ job, /** @type {number} */ begin, /** @type {number} */ end) {
    call(TERMS, this.asked.exchange);
    const [origin, patience] = fields();
    const clock = new PeersClock();
    const source = this.#around.askPage?.(
      this.asked,
      { begin, end, origin, patience },
      {
        piece: (piece, buffer, from, wasted) => {
          clock.piece(from === SOURCE_PEERS);
          this.#waste(wasted);
          this.#piece(job, piece, buffer, from);
        },
        reply: (whole) => void this.#reply(job, begin, end, whole),
        pending: (warm) => {
          clock.isWarm = warm;
          this.#onPending(warm);
        },
        alive: () => void this.#in(BODY_ALIVE, job),
        end: (code) => void this.#in(BODY_END, job, String(code)),
      },
    );
    if (!source) return queueMicrotask(() => this.#in(BODY_END, job, 'no-page'));
    this.#jobs.set(job, {
      ...source,
      close: () => {
        clock.end();
        source.close();
      },
    });
  }

  // The long form: the page gives the whole resource, and the worker verifies what it takes of it.
  async #reply(
    /** @type {number} */ job,
    /** @type {number} */ begin,
    /** @type {number} */ end,
    /** @type {ArrayBuffer} */ whole,
  ) {
    const { bytes, pieceBytes } = this.asked;
    this.#unstored.set(job, new Map());
    try {
      if (whole.byteLength !== bytes) throw new Error('wrong-length');
      const code = await this.#haveDigests();
      if (code) throw new Error(code);
      for (let piece = begin; piece < end && !this.#over; piece++) {
        const buffer = whole.slice(piece * pieceBytes, Math.min(bytes, (piece + 1) * pieceBytes));
        this.#digested(job, piece, buffer, await crypto.subtle.digest('SHA-256', buffer));
      }
      this.#in(BODY_END, job, '');
    } catch (error) {
      this.#in(BODY_END, job, /** @type {Error} */ (error).message);
    }
  }

  // Hands the digest list to the core, once. Resolves to why not, '' if it is there.
  #haveDigests() {
    const { bytes, pieceBytes } = this.asked;
    if (bytes <= pieceBytes) return Promise.resolve('');
    this.#digests ??= this.#around
      .digests(this.asked)
      .then(
        (list) => (this.#over || call(BODY_DIGESTS, this.#id, list) ? '' : 'digests-mismatch'),
        (error) => {
          this.#digests = undefined; // another window tries again
          return error.message === 'digests-mismatch' ? error.message : 'origin-unreachable';
        },
      )
      .catch((error) => (this.break(error), 'engine-failed'));
    return this.#digests;
  }

  #fetch(/** @type {number[]} */ ...[job, first, id, begin, end, whole, reload, wait]) {
    const { url, bytes, pieceBytes } = this.asked;
    const stream = streamOf(id, { url, bytes, pieceBytes, begin, end, whole: whole > 0, reload: reload > 0, wait });
    // Beside the stream, but after it: a connection that is open is the stream's.
    let told = Promise.resolve().then(() => this.#haveDigests());
    const reader = {
      begin: first,
      head: (/** @type {Response} */ response) => {
        const texts = answerHeaders.map((name) => response.headers.get(name) ?? '');
        this.#type = `${this.asked.path} ${response.headers.get('content-type') ?? ''}`;
        this.#in(BODY_HEAD, job, response.status, [response.type, ...texts].join('\n'));
      },
      piece: (/** @type {number} */ piece, /** @type {ArrayBuffer} */ buffer, /** @type {ArrayBuffer} */ digest) => {
        told = told.then((code) => {
          if (this.#jobs.get(job) === source) {
            if (code) this.#in(BODY_END, job, code);
            else this.#digested(job, piece, buffer, digest);
          } else if (!stream.isRead) {
            this.#waste(buffer.byteLength);
          }
          return code;
        });
      },
      end: (/** @type {string} */ code) => void told.then(() => this.#in(BODY_END, job, code)),
    };
    /** @type {Source} */
    const source = {
      close: () => this.#waste(stream.leave(reader)),
      accept: (skip, until, keep) => stream.accept(reader, skip, until, keep),
      buffer: (piece) => stream.buffer(piece),
      pass: () => stream.pass(reader),
    };
    this.#jobs.set(job, source);
    stream.join(reader);
  }

  async #store(/** @type {number} */ job, /** @type {number} */ begin, /** @type {number} */ end) {
    const kept = this.#unstored.get(job);
    const source = this.#jobs.get(job);
    const buffers = [];
    for (let piece = begin; piece < end; piece++) {
      buffers.push(/** @type {ArrayBuffer} */ (kept?.get(piece) ?? source?.buffer?.(piece)));
      kept?.delete(piece);
    }
    const { store, put, emit, report } = this.#around;
    const { root, url } = this.asked;
    if (!store) return;
    try {
      const written = put(store, root, begin, end, buffers, this.#type);
      written.catch(() => {}); // told below, if the core is there to be told before
      // Other responses read it from memory until it is written; if that fails, they fetch it.
      handleStored(root, begin, end);
      await written;
      emit('stored', { root, begin, end });
    } catch (error) {
      // The stream goes on without it. Not tried again by this body.
      const { message } = /** @type {Error} */ (error);
      if (message) report(message, url);
      this.#around = { ...this.#around, store: null };
    }
  }

  #close(/** @type {number} */ job) {
    const source = this.#jobs.get(job);
    this.#jobs.delete(job);
    this.#unstored.delete(job);
    this.#reads.delete(job);
    source?.close();
  }

  #enqueue(/** @type {number} */ piece, /** @type {number} */ begin, /** @type {number} */ end) {
    const buffer = /** @type {ArrayBuffer} */ (this.#buffers.get(piece));
    this.#buffers.delete(piece);
    this.#controller.enqueue(new Uint8Array(buffer, begin, end - begin));
    if (!this.begun) this.#resolve(new Response(this.#stream, this.#head()));
    this.begun = true;
    const now = performance.now();
    if (now - this.#told < progressWait) return;
    this.#told = now;
    this.#tell(false);
  }

  /** @returns {ResponseInit} */
  #head() {
    const [, , ...pairs] = callText(HEAD, this.asked.exchange).split('\n');
    const [status] = fields();
    /** @type {[string, string][]} */
    const headers = [];
    for (let i = 0; i < pairs.length; i += 2) headers.push([pairs[i], pairs[i + 1]]);
    return { status, headers };
  }

  #pass(/** @type {number} */ job) {
    const source = this.#jobs.get(job);
    this.#jobs.delete(job);
    const response = source?.pass?.();
    this.passed = true;
    this.#resolve(response ?? null);
    this.#end(false, '');
  }

  #done() {
    this.#controller.close();
    this.#end(true, '');
  }

  #fail(/** @type {string} */ code) {
    this.#controller.error(new TypeError(`peer-cdn: ${code}`));
    this.#end(false, code);
  }

  /** The core is gone: an error, never a truncation. */
  break(/** @type {unknown} */ error) {
    if (this.#over) return;
    for (const job of [...this.#jobs.keys()]) this.#close(job);
    this.#around.report('engine-failed', this.asked.url);
    this.#controller.error(error);
    this.#end(false, 'engine-failed');
  }

  #tell(/** @type {boolean} */ done) {
    call(BODY_COUNTS, this.#id);
    const [fromCache, fromPeers, fromOrigin, wasted] = fields();
    if (fromCache + fromPeers + fromOrigin === 0) return;
    const { url, root, length } = this.asked;
    const now = performance.now();
    if (done && fromPeers === length && length <= unattendedBytes) note(SAMPLE_BODY, true, length, this.#began, now);
    const detail = {
      id: this.#transfer,
      url,
      root,
      bytes: length,
      fromCache,
      fromPeers,
      fromOrigin,
      wasted,
      ms: now - this.#began,
      done,
      code: this.code,
    };
    void calm().then(() => this.#around.emit('transfer', detail));
  }

  #end(/** @type {boolean} */ complete, /** @type {string} */ code) {
    if (this.#over) return;
    this.#over = true;
    this.code = code;
    if (this.#timer) clearTimeout(this.#timer);
    try {
      this.#tell(true);
      const error = call(CLOSE_BODY, this.#id);
      if (error) this.#around.lost(callText(ERROR_CODE, error), this.asked.url);
    } catch {
      // The core is gone, and its counts with it.
    }
    open.delete(this);
    this.#resolve(null);
    this.#finish(complete);
    this.#around.changed();
  }
}

/** Tells the core how long a page that was connected needed for its first piece. */
class PeersClock {
  isWarm = false;
  #began = performance.now();

  piece(/** @type {boolean} */ isPeers) {
    if (isPeers) this.#note(false);
    this.isWarm = false;
  }

  end() {
    this.#note(true);
  }

  #note(/** @type {boolean} */ inVain) {
    const now = performance.now();
    if (this.isWarm) note(SAMPLE_FIRST, true, now - this.#began, inVain, now);
  }
}

onFailure((error) => {
  for (const each of [...open]) each.break(error);
});
