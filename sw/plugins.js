// The plugins of the worker: factories of middlewares, { get, put }, for the chain of a route. In a route the core does
// itself what a plugin of ours would; their get() is for a site's middlewares that wrap them.
import {
  CACHE_PREFIX,
  delegateTimeout,
  GET,
  PLUGIN_CACHE,
  PLUGIN_DELEGATE,
  PLUGIN_NETWORK,
  PLUGIN_USER,
  usualPatience,
} from '../build/border.js';
import { call, drain, isOn } from './engine.js';
import { byEvent, leave } from './exchange.js';
import { fromNetwork } from './own.js';
import { siteEnd } from './site.js';
import { endOf } from './store.js';

/**
 * @typedef {object} Middleware
 * @property {() => Promise<Response | null | undefined> | Response | null | undefined} get null or nothing: the next
 *   one is asked. What throws, is no usable response, or takes longer than 30 s, counts as null and is told (`plugin-failed`)
 * @property {(response: Response) => unknown} [put] gets a copy of the answer, whoever gave it: with `ordered` if this one was
 *   asked, with `fastest` always
 */
/** @typedef {(event: FetchEvent) => Middleware} MiddlewareFactory */

/**
 * What the core is told of a plugin: its PluginKind, milliseconds until the first byte (0: as long as it takes), and the share of
 * the network's time that peers may take to begin.
 * @typedef {[kind: number, timeout: number, patience: number]} Plugin
 */

/** The plugins of ours behind their factories. @type {WeakMap<Function, Plugin>} */
const plugins = new WeakMap();

/** @param {string} name of what cannot be used */
export const badOption = (name) => TypeError(`peer-cdn: bad-option: ${name}`);

/**
 * What holds of a site's options: undefined and null are as if nobody had said it. Throws of a name that nobody reads, and of
 * another kind of value, because what is ignored without a word looks as if it held.
 * @template {object} Options
 * @param {any} options
 * @param {Options} usual of texts any value will do
 * @returns {Options}
 */
export function said(options, usual) {
  /** @type {any} */
  const holding = { ...usual };
  for (const name in options) {
    const type = typeof holding[name];
    const value = (holding[name] = options[name] ?? holding[name]);
    // True and false are numbers too, for an operator.
    if (type !== 'string' && (typeof value !== type || !(value >= 0))) throw badOption(name);
  }
  return holding;
}

/** The plugin that made this factory. @param {Function} factory @returns {Plugin} */
export const pluginOf = (factory) => plugins.get(factory) ?? [PLUGIN_USER, 0, 0];

let cacheName = `${CACHE_PREFIX}1`;
let quota = 0;

/** The Cache of the newest CachePlugin, of this site. */
export const currentCache = () => cacheName + (siteEnd() ?? '');

/** The bytes that it may take; 0 if the site does not say. */
export { quota as siteQuota };

/**
 * A middleware of the site's calls get() of one of ours. Null where it can give nothing, or comes too late.
 * @param {FetchEvent} event
 * @param {Plugin} plugin
 * @returns {Promise<Response | null>}
 */
async function get(event, ...plugin) {
  const exchange = byEvent.get(event);
  const number = exchange && isOn() ? call(GET, exchange.id, ...plugin, performance.now()) : 0;
  if (!exchange || !number) return plugin[0] === PLUGIN_NETWORK ? fromNetwork(event) : null;
  const result = new Promise((resolve) => exchange.gets.set(number, resolve));
  drain();
  const response = await result;
  if (response) exchange.given.push(response);
  leave(response);
  exchange.leaveGiven();
  return response;
}

/**
 * A factory of middlewares that ask the core. Verified pieces are stored as they come, by whoever verified them: there is
 * nothing left to put.
 * @param {Plugin} plugin
 * @returns {MiddlewareFactory}
 */
function factoryOf(...plugin) {
  const factory = (/** @type {FetchEvent} */ event) => ({ get: () => get(event, ...plugin), put() {} });
  plugins.set(factory, plugin);
  return factory;
}

/** Answers from what is stored; null unless all of the asked range is. */
export class CachePlugin {
  /** The name of a store's Cache begins with this + version. The pages use the same name. */
  static peerFetch = CACHE_PREFIX;
  /** The old spelling. */
  static peerfetch = CACHE_PREFIX;

  /** @type {MiddlewareFactory} May be passed on as a function: `cache.getMiddleware`. */
  getMiddleware = factoryOf(PLUGIN_CACHE, 0, 0);

  /**
   * @param {{ version?: number | string, quotaBytes?: number }} [options] With a new version (default: 1) the old store is
   *   dropped. Beyond `quotaBytes` the oldest files are; by default half of what the browser offers, at most 2 GiB.
   */
  constructor(options) {
    const { version, quotaBytes } = said(options, { version: '1', quotaBytes: 0 });
    cacheName = CACHE_PREFIX + version;
    quota = quotaBytes;
  }
}

/** Asks a page, which has what a worker has not: connections to peers. Null at once if nobody has it. */
export class DelegatePlugin {
  /** @type {MiddlewareFactory} */
  getMiddleware;

  /**
   * @param {{ timeoutAfter?: number, patience?: number }} [options] `timeoutAfter`: milliseconds until the first byte;
   *   default: 5000; 0: as long as it takes.
   *   `patience`: the share of the time that the network would need that peers may take to begin, before the origin is asked
   *   as well; default: 0.2. Less is sooner, more is less from the origin. From 1 on, small files wait for peers too, and
   *   peers may be so many times slower than the origin (at most 4) before it helps them.
   */
  constructor(options) {
    const { timeoutAfter, patience } = said(options, { timeoutAfter: delegateTimeout, patience: usualPatience });
    this.getMiddleware = factoryOf(PLUGIN_DELEGATE, timeoutAfter, patience);
  }
}

/** The origin: listed files in verified windows, everything else as it is. */
export class NetworkPlugin {
  /** @type {MiddlewareFactory} */
  getMiddleware = factoryOf(PLUGIN_NETWORK, 0, 0);
}

/** Drops this site's stores of other versions. */
export async function dropOldCaches() {
  // Nobody knows which are ours where the core is off. Of another Cache `endOf` gives undefined.
  const end = siteEnd() ?? null;
  const names = await caches.keys();
  return Promise.all(names.filter((name) => endOf(name) === end && name !== currentCache()).map((name) => caches.delete(name)));
}
