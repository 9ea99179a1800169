// Requests: performs what the core decides of each, by its number. The core owns one from the routed event to its last byte.
import {
  ANSWER,
  DO_ANSWER_EMPTY,
  DO_ASK,
  DO_BEGIN,
  DO_FALL_THROUGH,
  DO_GIVE_UP,
  DO_OPEN,
  DO_OVER,
  DO_PUT,
  DO_RESPOND,
  DO_SETTLE,
  DO_THROUGH,
  holdWait,
  PASSED,
  pluginWait,
  putWait,
  RESOURCE,
} from '../build/border.js';
import { bodyOf, headFor, letGo } from './body.js';
import { callText, giveUp, onFailure, tell } from './engine.js';
import { fromNetwork, passThrough } from './own.js';
import { written } from './unwritten.js';
import { within } from './within.js';
import { answerWords } from './words.js';

/** @typedef {import('./plugins.js').Middleware} Middleware */
/** @typedef {import('./plugins.js').MiddlewareFactory} MiddlewareFactory */

/** Open exchanges, by the core's number. @type {Map<number, Exchange>} */
const exchanges = new Map();
/** @type {WeakMap<FetchEvent, Exchange>} */
export const byEvent = new WeakMap();
/** Responses that are made of pieces. @type {WeakMap<Response, import('./body.js').Body>} */
const made = new WeakMap();

/** What middlewares of the site's gave: a response is good for one request. @type {WeakSet<Response>} */
const taken = new WeakSet();

// A network error is no answer either: another plugin may have one.
const isReadable = (/** @type {unknown} */ response) =>
  response instanceof Response && response.type !== 'error' && !response.bodyUsed && !response.body?.locked;

/** What the page asked for, and what the plugins of its route gave. */
export class Exchange {
  id;
  event;
  url;
  // Of a listed resource:
  root = '';
  contentType = '';
  bytes = 0;
  pieceBytes = 0;
  /** Bytes of the response. */
  length = 0;
  /** @type {Promise<Response>} */
  response;
  /** @type {(answer: Response | Promise<Response>) => void} */
  respond = /** @type {any} */ (undefined);
  /** @type {Middleware[]} by plugin */
  middlewares = [];
  /** @type {(Response | null)[]} by plugin */
  answers = [];
  /** What the page gets. @type {Response | undefined} */
  answer;
  /** By number: get()s of ours that have no result yet. @type {Map<number, (result: any) => void>} */
  gets = new Map();
  /** How the network failed, if so. @type {Promise<Response> | undefined} */
  failure;
  /** Plugins whose failure was reported, by number: one that was given up may throw later. @type {boolean[]} */
  faulty = [];
  /** How many middlewares of the site are asked and did not answer yet. */
  asked = 0;
  /** Responses that they got of ours. @type {Response[]} */
  given = [];
  release = (/** @type {unknown} */ _) => {};

  /**
   * @param {number} id the core's
   * @param {FetchEvent} event
   */
  constructor(id, event) {
    this.id = id;
    this.event = event;
    this.url = event.request.url;
    this.response = new Promise((resolve) => (this.respond = resolve));
    exchanges.set(id, this);
    byEvent.set(event, this);
  }

  /** Lets go of what the site's middlewares got of ours, and neither read nor passed on: it would stay open for ever. */
  leaveGiven() {
    // By then the browser reads the one that became the answer.
    if (this.asked === 0) this.given.splice(0).forEach((each) => leave(each, putWait));
  }

  /** What a middleware gave. */
  tell(/** @type {number} */ plugin, /** @type {Response | null} */ response) {
    this.answers[plugin] = response;
    const body = made.get(/** @type {Response} */ (response));
    // What another request got is none of ours.
    const id = body?.exchange === this ? body.id : 0;
    // A core that has failed says nothing: then only the answer that the page has already is used.
    const isUsed = tell(ANSWER, this.id, plugin, response !== null, id) || this.answer === response;
    if (!isUsed) giveUp(response?.body);
  }
}

// Closes it unless it is read by then: a stream that somebody reads refuses to be cancelled. Without `ms` it waits as long as a
// middleware may take.
export const leave = (/** @type {Response | null | undefined} */ response, /** @type {number} */ ms = pluginWait) =>
  setTimeout(() => response?.bodyUsed || giveUp(response?.body), ms);

export const exchangeOf = (/** @type {number} */ id) => /** @type {Exchange} */ (exchanges.get(id));

/**
 * @param {(code: string, url: string, error: unknown) => void} report
 * @param {MiddlewareFactory[][]} routes by the core's number
 */
export const exchangePerformer = (report, routes) => {
  const fail = (/** @type {Exchange} */ exchange, /** @type {number} */ plugin, /** @type {unknown} */ error) => {
    if (!exchange.faulty[plugin]) report('plugin-failed', exchange.url, error);
    exchange.faulty[plugin] = true;
  };
  return /** @satisfies {Partial<import('../build/border.js').Performer>} */ ({
    [DO_BEGIN]: ({ exchange: id, ...sizes }) => {
      const [key, contentType] = callText(RESOURCE, id).split('\n');
      Object.assign(exchangeOf(id), { root: key.slice(0, 64), contentType, ...sizes });
    },

    [DO_THROUGH]: ({ exchange: id, plugin, get: number, own, listed }) => {
      const exchange = exchangeOf(id);
      const answer = own ? passThrough(exchange.event, listed) : fromNetwork(exchange.event);
      if (listed) answer.then((response) => tell(PASSED, answerWords(response), id, response.status)).catch(() => {});
      if (number) return exchange.gets.get(number)?.(answer);
      // Being offline is no fault of a plugin.
      answer.then(
        (response) => exchange.tell(plugin, response),
        () => {
          // The page gets this very failure: the network is not asked again.
          exchange.failure = answer;
          exchange.tell(plugin, null);
        },
      );
    },

    [DO_OPEN]: ({ exchange, body: id }) => {
      const body = bodyOf(id);
      made.set(body.open(headFor(exchange)), body);
    },

    [DO_ANSWER_EMPTY]: ({ exchange: id }) => {
      const exchange = exchangeOf(id);
      exchange.respond((exchange.answer = new Response(null, headFor(id))));
    },

    [DO_SETTLE]: ({ exchange, get: number, body, copy }) => {
      const response = body ? bodyOf(body).response : null;
      exchangeOf(exchange).gets.get(number)?.(copy ? response?.clone() : response);
    },

    [DO_RESPOND]: ({ exchange: id, plugin, body, holds }) => {
      const exchange = exchangeOf(id);
      const answer = /** @type {Response} */ (exchange.answers[plugin] ?? bodyOf(body).response);
      exchange.answer = answer;
      // Keeps the worker until what this brings is written, or nothing more can come of it. An event takes promises until its
      // page has the answer.
      if (holds) exchange.event.waitUntil(within(holdWait, new Promise((resolve) => (exchange.release = resolve))));
      // Later than the puts of this drain, which may clone the answer.
      queueMicrotask(() => exchange.respond(answer));
    },

    [DO_FALL_THROUGH]: ({ exchange }) => fallThrough(exchangeOf(exchange)),

    [DO_OVER]: ({ exchange: id }) => {
      const exchange = exchangeOf(id);
      void written().then(exchange.release);
      letGo(exchange);
      exchanges.delete(id);
    },

    async [DO_ASK]({ exchange: id, route, plugin }) {
      const exchange = exchangeOf(id);
      exchange.asked++;
      try {
        const middleware = routes[route][plugin](exchange.event);
        exchange.middlewares[plugin] = middleware;
        const response = await middleware.get();
        if (response) {
          if (!isReadable(response) || taken.has(response)) throw new TypeError('no response');
          taken.add(response);
        }
        exchange.tell(plugin, response || null);
      } catch (error) {
        fail(exchange, plugin, error);
        exchange.tell(plugin, null);
      }
      exchange.asked--;
      exchange.leaveGiven();
    },

    [DO_GIVE_UP]: ({ exchange, plugin }) => fail(exchangeOf(exchange), plugin, new TypeError('no response')),

    async [DO_PUT]({ exchange, plugin, body }) {
      const { middlewares, answer, url } = exchangeOf(exchange);
      /** @type {Response | undefined} */
      let response;
      try {
        const middleware = middlewares[plugin];
        // This throws where the middleware kept its answer and reads it.
        response = body ? bodyOf(body).response : middleware?.put && answer?.clone();
        leave(response);
        await middleware?.put?.(/** @type {Response} */ (response));
      } catch (error) {
        report('plugin-failed', url, error);
      }
      // What it leaves unread would stay open for ever. Many an old middleware returns no promise of what it does, and
      // opens its cache before it reads.
      leave(response, putWait);
    },
  });
};

const fallThrough = (/** @type {Exchange} */ { event, respond, failure }) => respond(failure ?? passThrough(event));

onFailure(() => {
  for (const each of exchanges.values()) {
    for (const settle of each.gets.values()) settle(null);
    if (!each.answer) fallThrough(each);
  }
  exchanges.clear();
});
