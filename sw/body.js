// Bodies: performs what the core decides of each, by its number. Fills the response's stream.
import {
  CANCEL,
  DO_ACCEPT,
  DO_BREAK,
  DO_CLOSE_STREAM,
  DO_ENQUEUE,
  DO_FINISH,
  DO_GATHER,
  DO_OPEN_STREAM,
  DO_PASS_STREAM,
  DO_SPILL,
  HEAD,
  PULL,
  streamBytes,
} from '../build/border.js';
import { callText, codeOf, giveUp, onFailure, tell } from './engine.js';
import { exchangeOf } from './exchange.js';
import { Stream, streamOf } from './streams.js';

/** @typedef {import('./exchange.js').Exchange} Exchange */
/** @typedef {Pick<Response, 'status' | 'statusText' | 'headers'>} Head */

/** The bodies of open exchanges, by the core's number. @type {Map<number, Body>} */
const bodies = new Map();

export const bodyOf = (/** @type {number} */ id) => /** @type {Body} */ (bodies.get(id));

export class Body {
  /** @type {Map<number, import('./jobs.js').Job>} */
  jobs = new Map();
  /** Pieces that have come and were not passed on yet. @type {Map<number, ArrayBuffer>} */
  arrived = new Map();
  /** Bytes that streams brought for nobody. */
  wasted = 0;
  /** @type {Response | undefined} */
  response;
  hasBegun = false;
  /** @type {ReadableStreamDefaultReader<Uint8Array> | undefined} */
  spilt;
  /** @type {ReadableStreamDefaultController<Uint8Array> | undefined} */
  sink;

  /**
   * @param {number} id the core's
   * @param {Exchange} exchange
   */
  constructor(id, exchange) {
    this.id = id;
    this.exchange = exchange;
    bodies.set(id, this);
    // The page gave its request up, perhaps while it waited for the manifest, or for another plugin. No browser that we know says
    // so before the first byte; later, browsers cancel the stream.
    const { signal } = exchange.event.request;
    const cancel = () => tell(CANCEL, id);
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel);
  }

  /** Makes the response that the core fills. @param {Head} head */
  open({ status, statusText, headers }) {
    const stream = new ReadableStream(
      {
        start: (sink) => void (this.sink = sink),
        pull: (sink) => {
          if (this.spilt) return this.#pour(sink);
          // Until the first byte the core counts on an empty stream by itself.
          if (this.hasBegun) tell(PULL, this.id, sink.desiredSize ?? 0);
        },
        cancel: () => {
          this.sink = undefined;
          giveUp(this.spilt);
          tell(CANCEL, this.id);
        },
      },
      { highWaterMark: streamBytes, size: (chunk) => chunk.byteLength },
    );
    // Chromium takes phrases of servers that it takes from no script.
    const phrase = /[^ -~]/.test(statusText) ? '' : statusText;
    return (this.response = new Response(stream, { status, statusText: phrase, headers }));
  }

  /** From here on the response is these bytes, as they come. */
  spill(/** @type {ReadableStream<Uint8Array>} */ chunks) {
    this.spilt = chunks.getReader();
    // Without a sink nothing that the core still says reaches the response.
    if (this.sink) void this.#pour(this.sink);
    this.sink = undefined;
  }

  // Several reads may be open at once: a reader settles them in their order.
  async #pour(/** @type {ReadableStreamDefaultController<Uint8Array>} */ sink) {
    try {
      const { value, done } = await /** @type {ReadableStreamDefaultReader<Uint8Array>} */ (this.spilt).read();
      if (done) sink.close();
      else sink.enqueue(value);
    } catch (error) {
      sink.error(error);
    }
  }
}

/** The head that the core gives the response of this exchange. @returns {Head} */
export function headFor(/** @type {number} */ id) {
  const [line, ...pairs] = callText(HEAD, id).split('\n');
  const headers = new Headers();
  pairs.forEach((value, i) => {
    try {
      if (i % 2) headers.append(pairs[i - 1], value);
    } catch {
      // It is no header: other code of the site has written it into the store.
    }
  });
  return { status: +line.slice(0, 3), statusText: line.slice(4), headers };
}

/** The core says nothing more of the bodies of this exchange. */
export function letGo(/** @type {Exchange} */ exchange) {
  for (const [id, body] of bodies) if (body.exchange === exchange) bodies.delete(id);
}

/** @satisfies {Partial<import('../build/border.js').Performer>} */
export const bodyPerformer = {
  [DO_GATHER]: ({ exchange, body }) => void new Body(body, exchangeOf(exchange)),

  [DO_ENQUEUE]: ({ body: id, piece, begin, end }) => {
    const body = bodyOf(id);
    const { arrived, sink } = body;
    const buffer = /** @type {ArrayBuffer} */ (arrived.get(piece));
    arrived.delete(piece);
    body.hasBegun = true;
    sink?.enqueue(new Uint8Array(buffer, begin, end - begin));
  },

  [DO_FINISH]: ({ body }) => bodyOf(body).sink?.close(),

  [DO_BREAK]: ({ body, error }) => bodyOf(body).sink?.error(new TypeError(`peer-cdn: ${codeOf(error)}`)),

  [DO_OPEN_STREAM]: ({ body, stream, ...how }) => void new Stream(stream, bodyOf(body).exchange, how),

  [DO_PASS_STREAM]: ({ body: id, stream, shared, compared }) => {
    const body = bodyOf(id);
    const answer = (body.response = streamOf(stream).pass(shared));
    if (!compared) return;
    // The page reads it by way of a stream of ours, which tells when the page gives it up. A clone would not.
    body.open(answer);
    body.spill(/** @type {ReadableStream<Uint8Array>} */ (answer.body));
  },

  [DO_ACCEPT]: ({ stream, until, keep }) => streamOf(stream)?.accept(until, keep),

  [DO_SPILL]: ({ body: id, stream }) => {
    const body = bodyOf(id);
    const answer = streamOf(stream);
    if (!body.response) body.open(/** @type {Response} */ (answer.response));
    body.spill(answer.spill());
  },

  [DO_CLOSE_STREAM]: ({ body, stream }) => void (bodyOf(body).wasted += streamOf(stream)?.close() ?? 0),
};

// The core is gone: an error, never a truncation.
onFailure((error) => {
  for (const { jobs, sink } of bodies.values()) {
    for (const job of jobs.values()) job.close();
    sink?.error(error);
  }
  bodies.clear();
});
