// Upgrades and reports of one http server, which we share with whoever else listens: our paths first, whatever the order.
import { ServerResponse } from 'node:http';
import { Server } from 'node:net';
import { REPORT_PATH } from '../../build/border.js';
import * as limits from './limits.js';
import { refuse } from './admission.js';
import { upgradeOf } from './http2.js';
import { badOption } from './names.js';
import { pathOf } from './paths.js';

/** @typedef {import('node:http').IncomingMessage} Request */
/** @typedef {import('node:stream').Duplex} Duplex */
/** @typedef {(request: Request, socket: Duplex, head: Buffer) => void} Take */
/** @typedef {import('node:http').ServerResponse} Response */
/** @typedef {import('./http2.js').Stream} Stream */
/** @typedef {import('./http2.js').Headers} Headers */
/**
 * @typedef {object} Taker
 * @property {Take} upgrade
 * @property {(request: Request) => boolean} knows whether the page that asks is one of its sites'
 * @property {(request: Request, response: Response) => void} report a page reports
 */
/** @typedef {(name: string | symbol, ...args: unknown[]) => boolean} Emit */

/**
 * A server of the host's, with the members that we use.
 * @typedef {import('node:http').Server & { [key]?: Upgrades, shouldUpgradeCallback?: (request: Request) => boolean }} HostServer
 *   `shouldUpgradeCallback` is the host's own choice of what is an upgrade, from Node 24.9 on
 */

/** Shared by every copy of this module: two of them on one server must not take each other's upgrades for nobody's. */
const key = Symbol.for('peer-cdn.upgrades');

const nobodys = 'not-found: nobody here takes an upgrade of this path';

/**
 * Whether a request offers another protocol, and is a good one of HTTP/1.1 for whoever does not speak it: Java and curl offer
 * HTTP/2 so. Node has not read the body of an upgrade; one that has a body cannot be answered.
 * @param {Request} request
 */
function isPlain({ headers }) {
  const hasBody = 'transfer-encoding' in headers || Number(headers['content-length'] ?? 0) > 0;
  return !hasBody && !/\bwebsocket\b/i.test(headers.upgrade ?? '');
}

/**
 * The upgrades of a server. Listeners of 'upgrade' all get the same socket, and most answer whatever comes: ws without a
 * path throws at a socket that another one has taken, ws with a path and fastify write a refusal into it. So that our paths
 * reach nobody else, they are taken out of `server.emit`, before any listener is called.
 */
class Upgrades {
  #server;
  /** @type {Map<string, Taker>} */
  #takers = new Map();
  /** @type {Emit | null} ours, while anything is taken */
  #emit = null;
  /** @type {Emit} what was there before */
  #below;
  #wasOwn = false;
  /** @type {HostServer['shouldUpgradeCallback']} */
  #isUpgrade;
  /** @type {WeakSet<Request>} came by way of our emit */
  #seen = new WeakSet();

  /** @param {HostServer} server */
  constructor(server) {
    this.#server = server;
    this.#below = server.emit;
  }

  /**
   * Takes what comes for a path, and reports. Throws if the path is taken already.
   * @param {string} path
   * @param {Taker} taker
   */
  add(path, taker) {
    if (this.#takers.has(path)) {
      const message = `this server has a coordinator at ${path} already: close that one first, or choose another path`;
      throw Object.assign(new Error(message), { code: 'path-in-use' });
    }
    this.#takers.set(path, taker);
    if (this.#takers.size === 1) this.#enter();
  }

  /** Leaves a path to others; with the last one everything is as it was. @param {string} path */
  remove(path) {
    if (this.#takers.delete(path) && this.#takers.size === 0) this.#leave();
  }

  #enter() {
    const server = this.#server;
    const below = server.emit;
    /** @type {Emit} */
    const emit = (name, ...args) => {
      if (name === 'upgrade' && this.#emit === emit && this.#handle(.../** @type {Parameters<Take>} */ (args))) return true;
      if (name === 'request' && this.#emit === emit) {
        const [request, response] = /** @type {[Request, Response]} */ (args);
        if (this.#hear(request, response) || this.#missed(request, response)) return true;
      }
      // Of HTTP/2, before it becomes a request or a `connect`.
      if (name === 'stream' && this.#emit === emit && this.#connect(.../** @type {[Stream, Headers]} */ (args))) return true;
      return below.call(server, name, ...args);
    };
    this.#wasOwn = Object.hasOwn(server, 'emit');
    this.#below = below;
    this.#emit = server.emit = emit;
    // Without a listener Node makes a plain request of an upgrade, and so it does where the host says so.
    server.on('upgrade', this.#listen);
    const isUpgrade = server.shouldUpgradeCallback;
    this.#isUpgrade = isUpgrade;
    if (!isUpgrade) return;
    server.shouldUpgradeCallback = (request) => {
      if (!this.#takers.has(pathOf(request))) return isUpgrade.call(server, request);
      this.#listenAgain();
      return true;
    };
  }

  /** Whether somebody had called removeAllListeners('upgrade'): Node drops an upgrade that nobody listens for. */
  #listenAgain() {
    if (this.#server.listenerCount('upgrade') > 0) return false;
    this.#server.on('upgrade', this.#listen);
    return true;
  }

  #leave() {
    const server = this.#server;
    server.off('upgrade', this.#listen);
    // Somebody may have wrapped ours since: then it stays below, and only passes on.
    if (server.emit === this.#emit && this.#wasOwn) server.emit = this.#below;
    else if (server.emit === this.#emit) Reflect.deleteProperty(server, 'emit');
    this.#emit = null;
    if (this.#isUpgrade) server.shouldUpgradeCallback = this.#isUpgrade;
  }

  /**
   * Whether it was a report. Of several coordinators that one gets it whose site the page is of.
   * @param {Request} request
   * @param {Response} response
   */
  #hear(request, response) {
    if (request.method !== 'POST' || pathOf(request) !== REPORT_PATH) return false;
    const takers = [...this.#takers.values()];
    (takers.find(({ knows }) => knows(request)) ?? takers[0]).report(request, response);
    return true;
  }

  /**
   * Whether it was an upgrade of ours that comes as a request, because nobody listened. A Node that did not ask us lets nobody
   * make an upgrade of it any more, so the page is sent away to come again, and finds us listening.
   * @param {Request} request
   * @param {Response} response
   */
  #missed(request, response) {
    if (request.headers.upgrade === undefined || !this.#takers.has(pathOf(request)) || !this.#listenAgain()) return false;
    response.writeHead(503, { connection: 'close', 'retry-after': '1', 'content-type': 'text/plain; charset=utf-8' });
    response.end('not-found: all listeners of upgrades were removed, ours is there again\n');
    return true;
  }

  /** Whether nobody else listens. */
  get #isAlone() {
    return this.#server.listeners('upgrade').every((each) => each === this.#listen);
  }

  /**
   * Whether it is over: taken by one of ours, or nobody's.
   * @param {Request} request
   * @param {Duplex} socket
   * @param {Buffer} head
   */
  #handle(request, socket, head) {
    this.#seen.add(request);
    const taker = this.#takers.get(pathOf(request));
    if (taker) {
      taker.upgrade(request, socket, head);
    } else if (this.#isAlone) {
      if (isPlain(request)) this.#serve(request, socket);
      else refuse(socket, '404 Not Found', nobodys);
    } else {
      this.#watch(request, socket);
      return false;
    }
    return true;
  }

  /**
   * Without us nobody would listen, and the site would answer this as any request.
   * @param {Request} request
   * @param {Duplex} socket
   */
  #serve(request, socket) {
    socket.on('error', () => {});
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    const connection = /** @type {import('node:net').Socket} */ (socket);
    response.assignSocket(connection);
    response.once('finish', () => connection.destroySoon());
    this.#server.emit('request', request, response);
  }

  /**
   * Whether it was a WebSocket of ours over HTTP/2. Other paths are left to the host, as without us.
   * @param {Stream} stream
   * @param {Headers} headers
   */
  #connect(stream, headers) {
    if (headers[':protocol'] !== 'websocket') return false;
    const taker = this.#takers.get(pathOf({ url: headers[':path'] }));
    taker?.upgrade(upgradeOf(stream, headers), stream, Buffer.alloc(0));
    return taker !== undefined;
  }

  /**
   * Who kept the server's emit from before we came (fastify does for ::1) calls every listener, and this is one of them.
   * If it is the only one the upgrade is ours to answer; else the others are answering it by now.
   * @type {Take}
   */
  #listen = (request, socket, head) => {
    // Whoever has put itself in the place of all listeners calls us even when we have left.
    if (this.#seen.has(request) || !this.#emit) return;
    if (this.#isAlone) this.#handle(request, socket, head);
    else this.#watch(request, socket);
  };

  /**
   * Each listener leaves what it does not know to the others, so that nobody would ever answer it. Who wants it has written
   * to the connection after a while, or reads from it.
   * @param {Request} request
   * @param {Duplex} socket
   */
  #watch(request, socket) {
    const written = request.socket?.bytesWritten;
    if (written === undefined) return;
    // A visitor who goes meanwhile would end the host's process, where nobody who leaves the socket alone listens for errors.
    socket.on('error', () => {});
    const timer = setTimeout(() => {
      const isRead = socket.listenerCount('data') + socket.listenerCount('readable') > 0;
      if (isRead || !socket.writable || request.socket.bytesWritten !== written) return;
      refuse(socket, '404 Not Found', nobodys);
    }, limits.unansweredMs).unref();
    socket.once('close', () => clearTimeout(timer));
  }
}

/**
 * Throws, with the sentence that helps, of what would never give us an upgrade.
 * @param {any} server what was given to attach()
 */
export function checkServer(server) {
  const refuseServer = (/** @type {string} */ what) => {
    throw badOption(`attach() takes the http server, ${what}`);
  };
  if (server?.server instanceof Server) refuseServer('not the app around it: attach(app.server)');
  // Bun's http server is none of node:net.
  if (!(server instanceof Server || 'headersTimeout' in Object(server))) {
    refuseServer('not an app: const server = createServer(app); attach(server); server.listen(8080)');
  }
  // Node's servers for HTTP/1 have it, and so has one for HTTP/2 that takes both.
  if (!('headersTimeout' in server)) {
    refuseServer('and this one speaks HTTP/2 alone, or no HTTP: http2.createSecureServer({ allowHTTP1: true, ... })');
  }
}

/** The upgrades of a server. @param {HostServer} server @returns {Upgrades} */
export function upgradesOf(server) {
  if (!server[key]) Object.defineProperty(server, key, { value: new Upgrades(server) });
  return /** @type {Upgrades} */ (server[key]);
}
