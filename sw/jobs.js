// Jobs of bodies: reads runs of the store, asks pages, and digests what came.
import {
  DIGEST,
  DO_ASK_PAGE,
  DO_CHECK,
  DO_CLOSE,
  DO_DROP_RUN,
  DO_GRANT,
  DO_HAND,
  DO_LOOK_FOR,
  DO_READ,
  DO_TAKE,
  JOB_END,
  PAGE_ALIVE,
  PAGE_PENDING,
  PAGE_PIECE,
  PAGE_REPLY,
  RUN_GONE,
  runWait,
} from '../build/border.js';
import { bodyOf } from './body.js';
import { piecesOf } from './cut.js';
import { giveUp, soon, tell } from './engine.js';
import { listOf } from './lists.js';
import { askPage, lookFor } from './pages.js';
import { streamOf } from './streams.js';
import { within } from './within.js';

/** @typedef {import('./body.js').Body} Body */

/**
 * A job that the core gave: a run that is read, a page that is asked.
 * @typedef {object} Job
 * @property {() => void} close
 * @property {(bytes: number) => void} [grant]
 * @property {ArrayBuffer} [whole] what the page replied
 */

/** The buffer of the piece that the core is told of just now. @type {ArrayBuffer} */
let arriving;

/** Cuts these pieces out of a page's whole reply. */
export function slices(
  /** @type {Body} */ body,
  /** @type {number} */ job,
  /** @type {number} */ begin,
  /** @type {number} */ end,
) {
  const { whole } = /** @type {Job} */ (body.jobs.get(job));
  const { bytes, pieceBytes } = body.exchange;
  const pieces = [];
  // Copies: as views, any one of them would keep the whole reply in memory.
  for (let at = begin * pieceBytes; at < Math.min(bytes, end * pieceBytes); at += pieceBytes) {
    pieces.push(/** @type {ArrayBuffer} */ (whole).slice(at, Math.min(bytes, at + pieceBytes)));
  }
  return pieces;
}

/**
 * Hands in the pieces [begin, end), digested beside each other, in order; until the job is closed.
 * @param {Body} body
 * @param {number} id
 * @param {number} first what `pieces` begin with
 * @param {number[]} range
 * @param {Iterable<ArrayBuffer> | AsyncIterable<ArrayBuffer>} pieces
 */
async function digest(body, id, first, [begin, end], pieces) {
  const job = body.jobs.get(id);
  let next = first;
  /** @type {Promise<void> | undefined} */
  let told;
  for await (const buffer of pieces) {
    const piece = next++;
    if (piece < begin) continue;
    told = Promise.all([crypto.subtle.digest('SHA-256', buffer), told]).then(([digest]) => {
      if (body.jobs.get(id) !== job) return;
      arriving = buffer;
      tell(DIGEST, digest, body.id, id, piece, buffer.byteLength);
    });
    if (next >= end || body.jobs.get(id) !== job) break;
  }
  await told;
}

/**
 * @param {import('./storage.js').StoreKeeper} storage
 * @param {() => string} digests where the site has lists
 */
export const jobPerformer = (storage, digests) =>
  /** @satisfies {Partial<import('../build/border.js').Performer>} */ ({
    [DO_TAKE]: ({ body, piece, stream }) =>
      void bodyOf(body).arrived.set(piece, stream ? streamOf(stream).buffers(piece, piece + 1)[0] : arriving),

    async [DO_READ]({ body: id, job, runBegin, runEnd, begin, end }) {
      const body = bodyOf(id);
      const { jobs, exchange } = body;
      /** @type {Job} */
      const reading = { close() {} };
      jobs.set(job, reading);
      const isClosed = () => jobs.get(job) !== reading;
      const run = (await soon(storage.current?.readRun(exchange.root, runBegin, runEnd)))?.body;
      if (!run && !isClosed()) tell(RUN_GONE, id, job);
      if (run && !(await listOf(exchange.root)) && !isClosed()) {
        const pieces = piecesOf(/** @type {any} */ (run.getReader()), runBegin, exchange);
        await within(runWait, digest(body, job, runBegin, [begin, end], pieces)).catch(() => {});
      }
      // Pieces that did not come by now count as not held.
      if (run && !isClosed()) tell(JOB_END, '', id, job);
      // While it is being read this does nothing: the reading gives it up at its end.
      giveUp(run);
    },

    [DO_DROP_RUN]: ({ body, begin, end }) =>
      void storage.current?.dropRun(bodyOf(body).exchange.root, begin, end).catch(() => {}),

    [DO_ASK_PAGE]: ({ body: id, job, page, slower, ...rest }) => {
      const body = bodyOf(id);
      const { url, root, bytes, pieceBytes, contentType, event } = body.exchange;
      const { cache, headers } = event.request;
      const range = headers.get('range');
      /** @type {Job} */
      const asking = askPage(
        page,
        { url, range, root, bytes, pieceBytes, contentType, digests: digests() + root, cache, origin: slower, ...rest },
        {
          piece: (piece, buffer, from, wasted) => {
            arriving = buffer;
            tell(PAGE_PIECE, id, job, piece, buffer.byteLength, from, wasted);
          },
          pending: (warm) => tell(PAGE_PENDING, id, job, warm),
          alive: () => tell(PAGE_ALIVE, id, job),
          reply: (status, whole) => {
            asking.whole = whole;
            tell(PAGE_REPLY, id, job, status, whole.byteLength);
          },
          end: (code) => tell(JOB_END, code, id, job),
        },
      );
      body.jobs.set(job, asking);
    },

    [DO_HAND]: ({ body, run }) => storage.hand(run, bodyOf(body), arriving),

    [DO_LOOK_FOR]: lookFor,

    [DO_GRANT]: ({ body, job, bytes }) => bodyOf(body).jobs.get(job)?.grant?.(bytes),

    async [DO_CHECK]({ body: id, job, begin, end }) {
      const body = bodyOf(id);
      const asking = body.jobs.get(job);
      const code = (await listOf(body.exchange.root)) ?? '';
      if (!code && body.jobs.get(job) === asking) {
        await digest(body, job, begin, [begin, end], slices(body, job, begin, end)).catch(() => {});
      }
      if (body.jobs.get(job) === asking) tell(JOB_END, code, id, job);
    },

    [DO_CLOSE]: ({ body, job }) => {
      const { jobs } = bodyOf(body);
      jobs.get(job)?.close();
      jobs.delete(job);
    },
  });
