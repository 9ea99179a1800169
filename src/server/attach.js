// A coordinator on any Node http server, as attach() gives it.
import { CoordinatorWarnings } from './coordinator-warnings.js';
import { Coordinator } from './coordinator.js';
import { Gate } from './gate.js';
import * as limits from './limits.js';
import { metricsOf } from './metrics.js';
import { attachNames, badOption, checkNames, shown } from './names.js';
import { readOptions } from './options.js';
import { checkPlain, readProxies, takeProxyHeaders } from './proxies.js';
import { checkServer, upgradesOf } from './upgrades.js';
import { call } from './warnings.js';

/**
 * A server of Node's. One for HTTP/2 is to take HTTP/1 too (`allowHTTP1`), which no type says: attach() does.
 * @typedef {import('node:http').Server | import('node:https').Server} HttpServer
 * @typedef {HttpServer | import('node:http2').Http2Server | import('node:http2').Http2SecureServer} AnyServer
 */
/** @typedef {import('./options.js').AttachOptions} AttachOptions */
/** @typedef {import('./metrics.js').CoordinatorStats} CoordinatorStats */

/** What attach() gives. */
export class AttachedCoordinator {
  #options;
  #path;
  #warnings;
  #coordinator;
  #gate;
  #upgrades;
  #proxyHeadersRefused = 0;
  #connectionsRefused = 0;
  #ignoreProxies = () => {};
  #server;
  /** @type {Promise<void> | undefined} */
  #closed;

  /**
   * @param {AnyServer | null} given
   * @param {AttachOptions} options
   * @param {boolean} [isOurs] whether nobody else answers what the server cannot read
   */
  constructor(given, options, isOurs = false) {
    // Fails here rather than at the first visitor.
    if (given !== null) checkServer(given);
    const server = /** @type {HttpServer | null} */ (given);
    const read = readOptions(options);
    this.#options = options;
    this.#server = server;
    this.#path = read.path;
    const isProxy = readProxies(options.proxies);
    if (options.proxyProtocol) checkPlain(server);
    else if (options.proxies) throw badOption('proxies names who may speak the PROXY protocol: say proxyProtocol: true too');
    this.#warnings = new CoordinatorWarnings(options.onWarning);
    this.#coordinator = new Coordinator(options, this.#warnings, (error) => this.#fail(error));
    this.#gate = new Gate(options, read, this.#warnings, this.#coordinator);
    this.#upgrades = server === null ? null : upgradesOf(server);
    this.#upgrades?.add(this.#path, this.#gate);
    if (server && options.proxyProtocol) {
      this.#ignoreProxies = takeProxyHeaders(server, { isTrusted: isProxy, tell: (why) => this.#refuseProxy(why) });
    }
    server?.on('drop', this.#drop);
    if (isOurs) server?.on('clientError', (error, socket) => this.#gate.refuseRequest(error, socket));
    this.#coordinator.start();
  }

  /** Counters, as cheap as they look. @returns {CoordinatorStats} */
  stats() {
    const refused = { proxyHeadersRefused: this.#proxyHeadersRefused, connectionsRefused: this.#connectionsRefused };
    return { ...this.#coordinator.stats(), ...this.#gate.refused, ...refused };
  }

  /** Whether visitors may come. False from the first word of an end on. */
  get isReady() {
    return this.#coordinator.isReady;
  }

  /** The counters, and what the process takes, as Prometheus reads it: no address, no root, no site. */
  metrics() {
    return metricsOf(this.stats(), this.isReady, this.#coordinator.hasRedis);
  }

  /**
   * Lets visitors go elsewhere: nobody comes in any more, and sockets are closed one after another (1001, shutting-down), so
   * that their pages do not all come to the others at once. What peers hand each other goes on. Resolves when all are closed.
   * @param {number} [ms] over how long
   */
  async drain(ms = limits.drainMs) {
    if (!Number.isFinite(ms) || ms < 0) throw badOption(`drain() takes milliseconds, as ${limits.drainMs}, not ${shown(ms)}`);
    await this.#coordinator.drain(ms);
    await this.close();
  }

  /**
   * Takes an upgrade that the host routes by itself, whatever its path. One that is taken already is left as it is.
   * @type {import('./upgrades.js').Take}
   */
  handleUpgrade(request, socket, head) {
    if (typeof request?.headers !== 'object' || typeof socket?.on !== 'function')
      throw new TypeError("handleUpgrade() takes what listeners of 'upgrade' get: (request, socket, head)");
    this.#gate.upgrade(request, socket, head);
  }

  /**
   * Takes a report of a page that the host routes by itself, whatever its path; attach() takes those at /peer-cdn/report.
   * @type {import('./upgrades.js').Taker['report']}
   */
  handleReport(request, response) {
    this.#gate.report(request, response);
  }

  /** Closes every socket (1001, shutting-down) and leaves the server. Resolves when they are closed. */
  close() {
    return (this.#closed ??= this.#shutDown(1001, 'shutting-down'));
  }

  /** @param {number} status @param {import('../../build/border.js').ErrorCode} reason */
  async #shutDown(status, reason) {
    this.#upgrades?.remove(this.#path);
    this.#ignoreProxies();
    this.#server?.off('drop', this.#drop);
    await this.#coordinator.close(status, reason);
  }

  /** @param {Error} error */
  #fail(error) {
    this.#closed ??= this.#shutDown(1011, 'engine-failed');
    if (this.#options.onError) call(this.#options.onError, error);
  }

  /** The server has as many connections as it may have (`maxConnections`), and Node closed one more. */
  #drop = () => {
    this.#connectionsRefused++;
    this.#warnings.connectionRefused(Number(this.#server?.maxConnections));
  };

  /** @param {string} why */
  #refuseProxy(why) {
    this.#proxyHeadersRefused++;
    this.#warnings.proxyHeaderRefused(why);
  }
}

/**
 * Adds the coordinator to a server: WebSockets at `/peer-cdn/ws`. Upgrades of other paths are left to others, and get a
 * 404 if nobody answers them. Throws if that path of the server has a coordinator already.
 * @param {AnyServer | null} server null: you route upgrades to its handleUpgrade() yourself
 * @param {AttachOptions} [options]
 * @returns {AttachedCoordinator}
 */
export function attach(server, options = {}) {
  checkNames(options, [attachNames], 'attach()');
  return new AttachedCoordinator(server, options);
}
