// Bodies: performs what the core decides of each, by its number. Reads the store, asks pages, fills the response's stream.
import {
  CANCEL,
  DIGEST,
  DO_ACCEPT,
  DO_BREAK,
  DO_CHECK,
  DO_CLOSE,
  DO_CLOSE_STREAM,
  DO_DROP_RUN,
  DO_ENQUEUE,
  DO_FINISH,
  DO_GATHER,
  DO_GRANT,
  DO_OPEN_STREAM,
  DO_PASS_STREAM,
  DO_READ,
  DO_SPILL,
  DO_TAKE,
  JOB_END,
  PAGE_ALIVE,
  PAGE_PENDING,
  PAGE_PIECE,
  PAGE_REPLY,
  PULL,
  RUN_READ,
  streamBytes,
} from '../build/border.js';
import { piecesOf } from './cut.js';
import { codeOf, onFailure, soon, tell } from './engine.js';
import { exchangeOf } from './exchange.js';
import { listOf } from './lists.js';
import { askPage } from './pages.js';
import { Stream, streamOf } from './streams.js';

/** @typedef {import('./exchange.js').Exchange} Exchange */

/**
 * An errand of the core: a run that is read, a page that is asked.
 * @typedef {object} Job
 * @property {() => void} close
 * @property {(bytes: number) => void} [grant]
 * @property {ArrayBuffer} [whole] what the page replied
 */

/** Those whose exchange is not over, by the core's number. @type {Map<number, Body>} */
const bodies = new Map();

export const bodyOf = (/** @type {number} */ id) => /** @type {Body} */ (bodies.get(id));

/** The buffer of the piece that the core is told of just now. @type {ArrayBuffer} */
let arriving;

export class Body {
  id;
  exchange;
  /** @type {Map<number, Job>} */
  jobs = new Map();
  /** Pieces that were not passed on yet. @type {Map<number, ArrayBuffer>} */
  pieces = new Map();
  /** Bytes that streams brought for nobody. */
  wasted = 0;
  /** @type {Response | undefined} */
  response;
  hasBegun = false;
  isPouring = false;
  /** @type {ReadableStreamDefaultReader<Uint8Array> | undefined} */
  spilt;
  /** @type {ReadableStreamDefaultController<Uint8Array> | undefined} */
  controller;

  /**
   * @param {number} id the core's
   * @param {Exchange} exchange
   */
  constructor(id, exchange) {
    this.id = id;
    this.exchange = exchange;
    bodies.set(id, this);
    // Where a browser tells of it: none that we know does before the first byte, and after that they cancel the stream.
    exchange.event.request.signal.addEventListener('abort', () => tell(CANCEL, id));
  }

  /** Makes its response. */
  open(/** @type {ResponseInit} */ head) {
    const stream = new ReadableStream(
      {
        start: (controller) => void (this.controller = controller),
        pull: ({ desiredSize }) => {
          if (this.spilt) return void this.#pour();
          // Before the first byte the core knows.
          if (this.hasBegun) tell(PULL, this.id, desiredSize ?? 0);
        },
        cancel: () => {
          this.controller = undefined;
          void this.spilt?.cancel().catch(() => {});
          tell(CANCEL, this.id);
        },
      },
      { highWaterMark: streamBytes, size: (chunk) => chunk.byteLength },
    );
    return (this.response = new Response(stream, head));
  }

  /** What comes from there is the rest of the response. */
  spill(/** @type {ReadableStreamDefaultReader<Uint8Array>} */ chunks) {
    this.spilt = chunks;
    void this.#pour();
  }

  async #pour() {
    if (this.isPouring) return;
    this.isPouring = true;
    try {
      while ((this.controller?.desiredSize ?? 0) > 0) {
        const { value, done } = await /** @type {ReadableStreamDefaultReader<Uint8Array>} */ (this.spilt).read();
        if (done) return this.controller?.close();
        this.controller?.enqueue(value);
      }
    } catch (error) {
      this.controller?.error(error);
    }
    this.isPouring = false;
  }

  /** Of what the page replied, these pieces. */
  slices(/** @type {number} */ job, /** @type {number} */ begin, /** @type {number} */ end) {
    const { whole } = /** @type {Job} */ (this.jobs.get(job));
    const { bytes, pieceBytes } = this.exchange;
    const pieces = [];
    // One copy of the bytes: slices, because the whole would stay as long as any piece.
    for (let at = begin * pieceBytes; at < Math.min(bytes, end * pieceBytes); at += pieceBytes) {
      pieces.push(/** @type {ArrayBuffer} */ (whole).slice(at, Math.min(bytes, at + pieceBytes)));
    }
    return pieces;
  }

  /**
   * Hands in the pieces [begin, end), digested beside each other, in order; until the job is closed.
   * @param {number} id
   * @param {number} first what `pieces` begin with
   * @param {number[]} range
   * @param {Iterable<ArrayBuffer> | AsyncIterable<ArrayBuffer>} pieces
   */
  async digest(id, first, [begin, end], pieces) {
    const job = this.jobs.get(id);
    let next = first;
    let told = Promise.resolve();
    for await (const buffer of pieces) {
      const piece = next++;
      if (piece < begin) continue;
      const digesting = crypto.subtle.digest('SHA-256', buffer);
      told = told.then(async () => {
        const digest = await digesting;
        if (this.jobs.get(id) !== job) return;
        arriving = buffer;
        tell(DIGEST, digest, this.id, id, piece, buffer.byteLength);
      });
      if (next >= end || this.jobs.get(id) !== job) break;
    }
    await told;
  }
}

/** Nothing more will be said of its bodies. */
export function letGo(/** @type {Exchange} */ exchange) {
  for (const [id, body] of bodies) if (body.exchange === exchange) bodies.delete(id);
}

/** @param {() => import('./store.js').Store | null} currentStore */
export const bodyPerformer = (currentStore) => ({
  [DO_GATHER]: (/** @type {number} */ exchange, /** @type {number} */ id) => void new Body(id, exchangeOf(exchange)),

  [DO_TAKE]: (/** @type {number} */ body, /** @type {number} */ piece, /** @type {number} */ stream) =>
    void bodyOf(body).pieces.set(piece, stream ? streamOf(stream).buffers(piece, piece + 1)[0] : arriving),

  [DO_ENQUEUE]: (/** @type {number[]} */ ...[id, piece, begin, end]) => {
    const body = bodyOf(id);
    const { pieces, controller } = body;
    const buffer = /** @type {ArrayBuffer} */ (pieces.get(piece));
    pieces.delete(piece);
    body.hasBegun = true;
    controller?.enqueue(new Uint8Array(buffer, begin, end - begin));
  },

  [DO_FINISH]: (/** @type {number} */ id) => bodyOf(id).controller?.close(),

  [DO_BREAK]: (/** @type {number} */ id, /** @type {number} */ error) =>
    bodyOf(id).controller?.error(new TypeError(`peer-cdn: ${codeOf(error)}`)),

  async [DO_READ](/** @type {number[]} */ ...[id, job, runBegin, runEnd, begin, end]) {
    const body = bodyOf(id);
    const { jobs, exchange } = body;
    /** @type {Job} */
    const reading = { close() {} };
    jobs.set(job, reading);
    const isClosed = () => jobs.get(job) !== reading;
    try {
      const run = await soon(currentStore()?.readRun(exchange.root, runBegin, runEnd), null);
      if (isClosed()) return;
      tell(RUN_READ, id, job, run !== null);
      if (!run?.body || isClosed()) return;
      const code = await listOf(exchange.root);
      if (code && !isClosed()) tell(JOB_END, code, id, job);
      if (!isClosed()) await body.digest(job, runBegin, [begin, end], piecesOf(run.body, runBegin, exchange));
    } catch {
      // What cannot be read is not held.
      if (!isClosed()) tell(JOB_END, 'storage-lost', id, job);
    }
  },

  [DO_DROP_RUN]: (/** @type {number} */ body, /** @type {number} */ begin, /** @type {number} */ end) =>
    void currentStore()
      ?.dropRun(bodyOf(body).exchange.root, begin, end)
      .catch(() => {}),

  /** @param {string} digests where the site has lists */
  askPage(/** @type {number[]} */ [id, job, page, begin, end, slower, patience], /** @type {string} */ digests) {
    const body = bodyOf(id);
    const { url, range, root, bytes, pieceBytes, contentType, event } = body.exchange;
    const { cache, credentials, referrer } = event.request;
    const asked = { url, range, root, bytes, pieceBytes, contentType, digests: digests + root, begin, end, cache };
    // The page would ask the origin with its cookies, and say where it is.
    const isPlain = credentials !== 'omit' && referrer !== '';
    /** @type {Job} */
    const asking = askPage(
      page,
      { ...asked, origin: isPlain ? slower : 0, patience },
      {
        piece: (piece, buffer, from, wasted) => {
          arriving = buffer;
          tell(PAGE_PIECE, id, job, piece, buffer.byteLength, from, wasted);
        },
        pending: (warm) => tell(PAGE_PENDING, id, job, warm),
        alive: () => tell(PAGE_ALIVE, id, job),
        reply: (whole) => {
          asking.whole = whole;
          tell(PAGE_REPLY, id, job, whole.byteLength);
        },
        end: (code) => tell(JOB_END, code, id, job),
      },
    );
    body.jobs.set(job, asking);
  },

  [DO_GRANT]: (/** @type {number} */ id, /** @type {number} */ job, /** @type {number} */ bytes) =>
    bodyOf(id).jobs.get(job)?.grant?.(bytes),

  async [DO_CHECK](/** @type {number[]} */ ...[id, job, begin, end]) {
    const body = bodyOf(id);
    const asking = body.jobs.get(job);
    const code = (await listOf(body.exchange.root)) ?? '';
    if (!code && body.jobs.get(job) === asking) await body.digest(job, begin, [begin, end], body.slices(job, begin, end));
    if (body.jobs.get(job) === asking) tell(JOB_END, code, id, job);
  },

  [DO_CLOSE]: (/** @type {number} */ id, /** @type {number} */ job) => {
    const { jobs } = bodyOf(id);
    const errand = jobs.get(job);
    jobs.delete(job);
    errand?.close();
  },

  [DO_OPEN_STREAM]: (/** @type {number[]} */ ...[body, id, begin, end, whole, reload, wait]) => {
    const { event, root, bytes, pieceBytes } = bodyOf(body).exchange;
    const { request } = event;
    new Stream(id, { request, root, bytes, pieceBytes, begin, end, whole: whole > 0, reload: reload > 0, wait });
  },

  [DO_PASS_STREAM]: (/** @type {number} */ body, /** @type {number} */ stream, /** @type {number} */ shared) =>
    void (bodyOf(body).response = streamOf(stream).pass(shared > 0)),

  [DO_ACCEPT]: (/** @type {number[]} */ ...[stream, until, keep]) => streamOf(stream)?.accept(until, keep),

  [DO_SPILL]: (/** @type {number} */ body, /** @type {number} */ stream) => bodyOf(body).spill(streamOf(stream).spill()),

  [DO_CLOSE_STREAM]: (/** @type {number} */ body, /** @type {number} */ stream) =>
    void (bodyOf(body).wasted += streamOf(stream)?.close() ?? 0),
});

// The core is gone: an error, never a truncation.
onFailure((error) => {
  for (const { jobs, controller } of bodies.values()) {
    for (const job of jobs.values()) job.close();
    controller?.error(error);
  }
  bodies.clear();
});
