// Sockets for the coordinator on any Node http server. Who meets whom is decided in src/signal.
import { randomFillSync } from 'node:crypto';
import { Socket as Connection } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { Apart } from './apart.js';
import { coordinatorStatistics } from '../../build/border.js';
import { Engine } from './engine.js';
import * as limits from './limits.js';
import { addressOf, isForwarded, networkOf } from './address.js';
import { allowedOrigin, refusalOf, refuse } from './admission.js';
import { checkToken } from './tokens.js';
import { checkServer, upgradesOf } from './upgrades.js';
import { metricsOf } from './metrics.js';
import { checkPlain, readProxies, takeProxyHeaders } from './proxies.js';
import { attachNames, checkNames } from './names.js';
import { readOptions } from './options.js';
import { Places } from './places.js';
import { Redis } from './redis.js';
import { answerReport, readReport } from './reports.js';
import { Salt } from './salt.js';
import { Visitors } from './visitors.js';
import { warnProcess } from './warnings.js';

/**
 * @typedef {object} AttachOptions
 * @property {string} [path] where clients connect; default '/peer-cdn/ws'
 * @property {string[]} [origins] sites that may use it, as 'https://example.com' or 'https://*.example.com'; default: only
 *     pages of the host that the request names
 * @property {boolean | number} [trustProxy] how many proxies stand in front (true is 1): the host is taken from
 *     X-Forwarded-Host, the visitor's address from X-Forwarded-For or Forwarded, which the proxies must set; default 0
 * @property {boolean} [proxyProtocol] a balancer in front says whose each connection is (the PROXY protocol, version 1 or 2), on
 *     the whole server and as long as it lives: connections without that are refused; default false
 * @property {string[]} [proxies] who may say so, as '192.0.2.1' or '192.0.2.0/24'; default: this machine and private networks
 * @property {number} [socketsPerAddress] sockets of one IPv4 address, or of one /64, where the address is known; default 500
 * @property {(address: string) => string | null | undefined} [classify] a short label for a visitor's address (its AS number, its
 *     country), at most 64 characters, asked once for each socket: visitors of one label are introduced first, after those of one
 *     network. Null, undefined and '': not known
 * @property {number} [maxLifetime] seconds until a socket is closed, so that visitors spread over processes that came later:
 *     each lives for at least half of that, by chance. At least 60; default: none is closed
 * @property {(warning: any) => void} [onWarning] `{ code, message }`, and more that fits, as `site`: what an operator should
 *     know, as an entry of your own log. It names no address and no visitor; default: a warning of the process
 * @property {string | string[]} [tokenKeys] only pages with a token may come: one that mintToken() made with any of these keys,
 *     as `?token=` of the socket's URL; default: any page of an allowed origin
 * @property {string} [redis] a URL, as 'redis://localhost:6379' or 'rediss://user:password@host:6380': coordinators on one Redis
 *     act as one, behind any load balancer. Needs the package `redis`
 * @property {(error: Error) => void} [onError] the coordinator failed and is closed; the server lives on
 */

/**
 * @typedef {object} CoordinatorStats
 * @property {number} peers sockets that are open
 * @property {number} sites origins that they belong to
 * @property {number} introductions pairs introduced since the start
 * @property {number} relayed descriptions and candidates relayed
 * @property {number} notIntroduced messages to somebody never introduced, ignored
 * @property {number} refused peers told off and closed
 * @property {number} siblings other coordinators that are reached over Redis
 * @property {number} framesRefused what came over Redis and cannot be used
 * @property {boolean} isRedisReached whether Redis is reached; false without one
 * @property {number} originsRefused handshakes answered with 403
 * @property {number} tokensRefused handshakes answered with 401, because of their token
 * @property {number} addressesRefused handshakes answered with 429, because the address has too many sockets
 * @property {number} proxyHeadersRefused connections closed, because they did not begin with what a proxy says of them
 * @property {number} slow sockets ended because they did not read or answer
 * @property {number} reports what pages reported of themselves (`start({ report })`), and what follows are the sums
 * @property {number} reportsRefused
 * @property {number} fromPeers bytes of responses, by their source
 * @property {number} fromOrigin
 * @property {number} fromCache
 * @property {number} wasted bytes that came for nothing
 * @property {number} localTried connections that could have gone inside one network, and those that did
 * @property {number} localOpen
 * @property {number} directTried the same, straight through the internet
 * @property {number} directOpen
 * @property {number} relayedTried the same, over a TURN server
 * @property {number} relayedOpen
 */

/** @typedef {import('../../build/border.js').ErrorCode} ErrorCode */
/** @typedef {import('./upgrades.js').Take} Take */
/** @typedef {import('./upgrades.js').Taker} Taker */
/** @typedef {import('./engine.js').EngineStats} EngineStats */
/** @typedef {import('node:stream').Duplex} Duplex */

/**
 * A visitor's socket. `ws` reads it; we write to its connection ourselves, because the core makes whole frames.
 * @typedef {WebSocket & { connection: Duplex, alive: boolean, beat: number, beatsLeft: number, peer: number }} Socket
 *   `peer` is 0 until it is seated, `beat` the step of the heartbeat at which it is pinged, `beatsLeft` how often it still is
 */

/** A ping without a payload. */
const pingFrame = Buffer.from([0x89, 0]);
const nothing = Buffer.alloc(0);

/** How many heartbeats a socket has at most. @param {number | undefined} seconds */
function beatsOf(seconds) {
  if (seconds === undefined) return Infinity;
  if (!(seconds >= limits.lifetimeSecondsMin && seconds <= limits.lifetimeSecondsMax)) {
    const message = `maxLifetime takes seconds from ${limits.lifetimeSecondsMin} to ${limits.lifetimeSecondsMax}, not ${seconds}`;
    throw new RangeError(message);
  }
  return (seconds * 1000) / limits.heartbeatMs;
}

/**
 * The same functions for all sockets of a coordinator, because a crowd has many.
 * @param {(socket: Socket, text: Buffer) => void} hear
 * @param {(socket: Socket) => void} leave
 * @returns {Record<'pong' | 'message' | 'close', (this: any, data?: any, isBinary?: boolean) => void>} called on a Socket
 */
const listenersOf = (hear, leave) => ({
  pong() {
    this.alive = true;
  },
  message(data, isBinary) {
    hear(this, isBinary ? nothing : data);
  },
  close() {
    leave(this);
  },
});

/** What attach() gives. */
export class AttachedCoordinator {
  #upgrades;
  #path;
  #options;
  #sites;
  /** When an operator was told last of a refusal, by its code. @type {Map<string, number>} */
  #refusalsTold = new Map();
  /** Null once it is closed. @type {Engine | null} */
  #engine;
  #sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.messageBytes,
    perMessageDeflate: false,
  });
  /** @type {Map<number, Socket>} */
  #peers = new Map();
  #heartbeat;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #timerAt = Infinity;
  #beats = 0;
  #beatsMost;
  #isTaking = false;
  #counters = { originsRefused: 0, tokensRefused: 0, addressesRefused: 0, proxyHeadersRefused: 0, slow: 0 };
  #visitors;
  #salt = new Salt();
  #places;
  #hops;
  #isProxyTold = false;
  /** Whether the connections' addresses are what a balancer says. */
  #isTold;
  #ignoreProxies = () => {};
  #isDraining = false;
  /** @type {Promise<void> | undefined} */
  #closed;
  #last = /** @type {EngineStats} */ (Object.fromEntries(coordinatorStatistics.map((name) => [name, 0])));
  /** @type {Redis | null} */
  #redis = null;
  #apart = new Apart();
  #isFrameTold = false;

  /**
   * @param {import('node:http').Server | import('node:https').Server | null} server
   * @param {AttachOptions} options
   */
  constructor(server, options) {
    // Fails here rather than at the first visitor.
    if (server !== null) checkServer(server);
    const { path, sites, hops, socketsPerAddress } = readOptions(options);
    this.#options = options;
    this.#path = path;
    this.#sites = sites;
    this.#hops = hops;
    this.#isTold = Boolean(options.proxyProtocol);
    const isProxy = readProxies(options.proxies);
    if (this.#isTold) checkPlain(server);
    this.#beatsMost = beatsOf(options.maxLifetime);
    this.#visitors = new Visitors(socketsPerAddress);
    this.#places = new Places(this.#salt, options.classify ?? undefined, (message) => this.#warn('classify-failed', message));
    if (options.redis !== undefined) this.#redis = new Redis(options.redis, this.#siblings);
    this.#upgrades = server === null ? null : upgradesOf(server);
    this.#upgrades?.add(this.#path, this.#taker);
    if (server && this.#isTold) this.#ignoreProxies = takeProxyHeaders(server, isProxy, (why) => this.#refuseProxy(why));
    const [high, low] = randomFillSync(new Uint32Array(2));
    this.#engine = new Engine(high, low);
    this.#heartbeat = setInterval(() => this.#beat(), limits.heartbeatMs / limits.heartbeatSteps).unref();
    this.#redis?.start();
  }

  /** Counters, as cheap as they look. @returns {CoordinatorStats} */
  stats() {
    if (this.#engine) this.#last = this.#engine.stats();
    return { ...this.#last, ...this.#counters, isRedisReached: this.#redis?.isOpen ?? false };
  }

  /** Whether visitors may come. False from the first word of an end on. */
  get isReady() {
    return this.#engine !== null && !this.#isDraining;
  }

  /** The counters, and what the process takes, as Prometheus reads it: no address, no root, no site. */
  metrics() {
    return metricsOf(this.stats(), this.isReady, this.#redis !== null);
  }

  /**
   * Lets visitors go elsewhere: nobody comes in any more, and sockets are closed one after another (1001, shutting-down), so
   * that their pages do not all come to the others at once. What peers hand each other goes on. Resolves when all are closed.
   * @param {number} [ms] over how long
   */
  async drain(ms = limits.drainMs) {
    this.#isDraining = true;
    const until = performance.now() + ms;
    while (this.#peers.size > 0 && this.#engine) {
      const left = Math.max(1, Math.ceil((until - performance.now()) / limits.drainStepMs));
      const step = [...this.#peers.values()].slice(0, Math.ceil(this.#peers.size / left));
      for (const socket of step) this.#sendAway(socket, 'shutting-down');
      if (this.#peers.size > 0) await new Promise((go) => setTimeout(go, limits.drainStepMs));
    }
    await this.close();
  }

  /**
   * Takes an upgrade that the host routes by itself, whatever its path.
   * @type {Take}
   */
  handleUpgrade(request, socket, head) {
    this.#upgrade(request, socket, head);
  }

  /**
   * Takes a report of a page that the host routes by itself, whatever its path; attach() takes those at /peer-cdn/report.
   * @type {Taker['report']}
   */
  handleReport(request, response) {
    this.#taker.report(request, response);
  }

  /** Closes every socket (1001, shutting-down) and leaves the server. Resolves when they are closed. */
  close() {
    return (this.#closed ??= this.#shutDown(1001, 'shutting-down'));
  }

  /** @param {number} status @param {ErrorCode} reason */
  async #shutDown(status, reason) {
    this.#upgrades?.remove(this.#path);
    this.#ignoreProxies();
    clearInterval(this.#heartbeat);
    clearTimeout(this.#timer);
    const peers = [...this.#peers.values()];
    this.#peers.clear();
    if (status === 1001) this.#enter((engine, now) => engine.leaveBus(now));
    this.#redis?.close();
    this.#apart.leave();
    const engine = this.#engine;
    this.#engine = null;
    try {
      this.#last = engine?.stats() ?? this.#last;
    } catch {
      // It trapped before: what it still counted is lost with it.
    }
    this.#last = { ...this.#last, peers: 0, sites: 0, siblings: 0 };
    await Promise.all(
      peers.map(
        (socket) =>
          new Promise((resolve) => {
            const timer = setTimeout(() => socket.terminate(), limits.closeMs);
            socket.once('close', () => {
              clearTimeout(timer);
              resolve(undefined);
            });
            if (socket.readyState === WebSocket.OPEN && status === 1001) {
              socket.send(JSON.stringify({ type: 'error', code: reason }));
            }
            socket.close(status, reason);
          }),
      ),
    );
  }

  /**
   * Calls into the engine, and does all that it wants done. What waits in its inbox goes first. Nothing else calls it.
   * @template Result
   * @param {(engine: Engine, now: number) => Result} work
   */
  #enter(work) {
    if (!this.#engine) return undefined;
    try {
      const now = performance.now();
      if (this.#engine.hasMail) {
        this.#engine.take(now);
        this.#engine.perform(this.#host);
      }
      const result = work(this.#engine, now);
      this.#engine.perform(this.#host);
      this.#schedule(this.#engine.timeout);
      return result;
    } catch (error) {
      // A trap: this is our own bug, and no reason to take the host's server down.
      this.#closed ??= this.#shutDown(1011, 'engine-failed');
      this.#options.onError?.(/** @type {Error} */ (error));
      return undefined;
    }
  }

  /** @param {number} at */
  #schedule(at) {
    if (at < 0 || at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Infinity;
        this.#enter((engine, now) => engine.wake(now));
      },
      Math.max(0, Math.ceil(at - performance.now())),
    ).unref();
  }

  /** @param {Socket} socket @param {number} peer */
  #seat(socket, peer) {
    socket.peer = peer;
    this.#peers.set(peer, socket);
  }

  /** @param {number} peer @returns {Socket | undefined} */
  #unseat(peer) {
    const socket = this.#peers.get(peer);
    if (!socket) return undefined;
    socket.peer = 0;
    this.#peers.delete(peer);
    return socket;
  }

  #listeners = listenersOf(
    (socket, text) => this.#hear(socket, text),
    (socket) => this.#leave(socket),
  );
  /** @type {import('./engine.js').SocketHost} */
  #host = {
    send: (peer, frames) => this.#write(this.#peers.get(peer), frames),
    sendAll: (peers, frames) => peers.reduce((isFree, peer) => this.#write(this.#peers.get(peer), frames) && isFree, true),
    renumber: (from, to) => {
      const socket = this.#unseat(from);
      if (socket) this.#seat(socket, to);
    },
    close: (peer, code) => {
      const socket = this.#unseat(peer);
      if (socket) this.#end(socket, code);
    },
    publish: (high, low, frame) => this.#redis?.publish(high, low, frame),
  };

  /**
   * True if the frames are needed no more.
   * @param {Socket | undefined} socket
   * @param {Buffer} frames
   */
  #write(socket, frames) {
    if (socket?.readyState !== WebSocket.OPEN) return true;
    const { connection } = socket;
    // Whoever reads slowly must not keep alive what was sent to others in the same turn.
    const isSlow = connection.writableLength > 0;
    connection.write(isSlow ? Buffer.from(frames) : frames);
    // The kernel has them. Of a host's own kind of stream nobody knows what it keeps.
    const isFree = isSlow || (connection.writableLength === 0 && connection instanceof Connection);
    if (connection.writableLength > limits.bufferedBytes) this.#drop(socket);
    return isFree;
  }

  /** @param {Socket} socket @param {ErrorCode} reason */
  #end(socket, reason) {
    socket.close(1008, reason);
    this.#endLate(socket);
  }

  /** Lets a visitor go, who may come again, here or elsewhere. @param {Socket} socket @param {ErrorCode} reason */
  #sendAway(socket, reason) {
    socket.close(1001, reason);
    this.#leave(socket);
    this.#endLate(socket);
  }

  /** Ends a socket that is being closed, if the visitor does not. @param {Socket} socket */
  #endLate(socket) {
    const timer = setTimeout(() => socket.terminate(), limits.closeMs).unref();
    socket.once('close', () => clearTimeout(timer));
  }

  /** @param {Socket} socket */
  #drop(socket) {
    this.#counters.slow++;
    socket.terminate();
  }

  /** Pings a share of the sockets, and ends those that were silent since the last time, or have lived long enough. */
  #beat() {
    const beat = this.#beats++ % limits.heartbeatSteps;
    for (const socket of this.#peers.values()) {
      if (socket.beat !== beat) continue;
      if (!socket.alive) {
        this.#drop(socket);
        continue;
      }
      if (--socket.beatsLeft <= 0) {
        this.#sendAway(socket, 'timed-out');
        continue;
      }
      socket.alive = false;
      this.#write(socket, pingFrame);
    }
  }

  /** @type {Take} */
  #upgrade = (request, socket, head) => {
    const origin = allowedOrigin(request, this.#sites, this.#hops > 0);
    if (!origin) {
      this.#counters.originsRefused++;
      this.#refuseOrigin(request, socket, head);
      return;
    }
    if (!this.#hasToken(request, origin)) {
      this.#counters.tokensRefused++;
      const what = `a page of ${origin} was refused: its token is missing, made with another key or for another site, or too old`;
      this.#warnOfRefusal('token-refused', what, { site: origin });
      refuse(socket, '401 Unauthorized', "token-refused: the socket's URL takes ?token=, of this site and not too old");
      return;
    }
    if (!this.isReady) {
      refuse(socket, '503 Service Unavailable', 'shutting-down: this coordinator ends', { isForNow: true });
      return;
    }
    const address = addressOf(request, this.#hops, this.#isTold);
    const network = address && networkOf(address);
    if (!network && !this.#isTold) this.#tellOfProxy(request);
    if (!this.#visitors.admits(network)) {
      this.#counters.addressesRefused++;
      const what = `an address that has ${this.#visitors.most} sockets open was refused one more`;
      const todo = 'if many visitors share it, raise socketsPerAddress; if it is a proxy of yours, count it in trustProxy';
      this.#warnOfRefusal('rate-limited', `${what}: ${todo}`, { site: origin, sockets: this.#visitors.most });
      const reason = `rate-limited: this address has ${this.#visitors.most} sockets open, the most that one may have`;
      refuse(socket, '429 Too Many Requests', reason, { isForNow: true });
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#accept(
        Object.assign(webSocket, { connection: socket, alive: true, beat: 0, beatsLeft: Infinity, peer: 0 }),
        origin,
        address,
      );
    });
  };

  /** @type {Taker} */
  #taker = {
    upgrade: (...upgrade) => this.#upgrade(...upgrade),
    knows: (request) => allowedOrigin(request, this.#sites, this.#hops > 0) !== null,
    report: (request, response) => {
      if (this.#taker.knows(request)) return void this.#report(request, response);
      if (request.headers.origin !== undefined) {
        this.#warnOfRefusal('origin-refused', refusalOf(request, this.#sites, this.#hops > 0));
      }
      this.#refuseReport(request, response, 'origin-refused');
    },
  };

  /** @type {(...report: Parameters<Taker['report']>) => Promise<void>} */
  async #report(request, response) {
    const address = addressOf(request, this.#hops, this.#isTold);
    const network = address === null ? '' : (networkOf(address) ?? '');
    const body = await readReport(request);
    if (body === null) return this.#refuseReport(request, response, 'timed-out');
    const code = this.#enter((engine, now) => engine.report(body, network, now));
    // Nothing is said by an engine that is closed.
    answerReport(request, response, code === undefined ? 'shutting-down' : code);
  }

  /** @type {(...refusal: [...Parameters<Taker['report']>, import('./reports.js').Refusal]) => void} */
  #refuseReport(request, response, code) {
    this.#enter((engine) => engine.refuseReport());
    answerReport(request, response, code);
  }

  /**
   * No browser shows a page the status of a handshake. So the page is let in, told, and let out.
   * @type {Take}
   */
  #refuseOrigin(request, socket, head) {
    const code = 'origin-refused';
    if (request.headers.origin === undefined) {
      const reason = `${code}: only pages may come, and they name their site in the header Origin`;
      return refuse(socket, '403 Forbidden', reason);
    }
    this.#warnOfRefusal(code, refusalOf(request, this.#sites, this.#hops > 0));
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on('error', () => {});
      webSocket.send(JSON.stringify({ type: 'error', code }));
      this.#end(/** @type {Socket} */ (webSocket), code);
    });
  }

  /** @param {string} why */
  #refuseProxy(why) {
    if (this.#counters.proxyHeadersRefused++ > 0) return;
    const message =
      `a header of the PROXY protocol was refused, because ${why}: let the balancer send it (HAProxy: send-proxy-v2), name the ` +
      'balancer in proxies, and let tools that ask for /health or /metrics come by another port (metricsPort)';
    this.#warn('proxy-header-refused', message);
  }

  /**
   * A crowd repeats a refusal, so the operator is told of it once a minute.
   * @param {string} code
   * @param {string} message
   * @param {object} [more] fields of the warning
   */
  #warnOfRefusal(code, message, more) {
    const now = performance.now();
    if (now < (this.#refusalsTold.get(code) ?? -Infinity) + limits.refusalToldMs) return;
    this.#refusalsTold.set(code, now);
    this.#warn(code, message, more);
  }

  /** @param {string} code @param {string} message @param {object} [more] */
  #warn(code, message, more) {
    (this.#options.onWarning ?? warnProcess)({ ...more, code, message });
  }

  /** @param {import('node:http').IncomingMessage} request @param {string} origin */
  #hasToken(request, origin) {
    const { tokenKeys } = this.#options;
    if (tokenKeys === undefined) return true;
    const token = new URLSearchParams(String(request.url).split('?')[1]).get('token');
    return token !== null && checkToken(tokenKeys, token, origin) === 'good';
  }

  /**
   * Without it every visitor would have the proxy's address: nobody would be near anybody, and no limit would hold.
   * @param {import('node:http').IncomingMessage} request
   */
  #tellOfProxy(request) {
    if (this.#isProxyTold || this.#hops > 0 || !isForwarded(request)) return;
    this.#isProxyTold = true;
    const message =
      'a proxy stands in front, so the addresses of visitors are not known: set trustProxy to the number of proxies ' +
      'that add to X-Forwarded-For or Forwarded';
    this.#warn('proxy-not-trusted', message);
  }

  /** @param {string} site */
  #tellOfOthers(site) {
    const [other] = this.#apart.enter(site);
    if (other === undefined) return;
    const message =
      `process ${other} of this machine serves ${site} too, and visitors of the two never meet: give both the same redis ` +
      '(attach(server, { redis }), --redis)';
    this.#warn('processes-apart', message, { site, process: other });
  }

  /** @type {import('./redis.js').RedisHost} */
  #siblings = {
    onOpen: (high, low) => this.#enter((engine, now) => engine.openBus(high, low, now)),
    onClose: () => this.#enter((engine, now) => engine.closeBus(now)),
    onFrame: (frame) => {
      if (this.#enter((engine, now) => engine.hear(frame, now)) !== false || this.#isFrameTold) return;
      this.#isFrameTold = true;
      const message =
        'what came over Redis cannot be used: something else writes to our channels, or a coordinator of another version, or ' +
        'there are too many coordinators';
      this.#warn('frame-refused', message);
    },
    saltText: () => this.#salt.toText(),
    onSalt: (text) => this.#salt.hear(text),
    onWarning: ({ code, message }) => this.#warn(code, message),
  };

  /** @param {Socket} socket @param {string} origin @param {string | null} address */
  #accept(socket, origin, address) {
    const network = address && networkOf(address);
    const place = this.#places.of(address);
    this.#visitors.enter(network);
    socket.connection.once('close', () => this.#visitors.leave(network));
    const peer = this.#enter((engine, now) => engine.join(origin, place, now));
    // Whoever breaks WebSocket itself (a message that is too long, say) is gone at once: 'close' comes only when the
    // visitor has closed its side too, which it may never do.
    socket.on('error', () => {
      this.#leave(socket);
      this.#endLate(socket);
    });
    if (!peer) {
      this.#end(socket, this.#engine ? 'too-many-peers' : 'engine-failed');
      return;
    }
    this.#seat(socket, peer);
    if (!this.#redis) this.#tellOfOthers(origin);
    // So that not all of a crowd that came at once are pinged at once.
    socket.beat = peer % limits.heartbeatSteps;
    socket.beatsLeft = Math.ceil(this.#beatsMost * (0.5 + Math.random() / 2));
    socket.on('pong', this.#listeners.pong);
    socket.on('message', this.#listeners.message);
    socket.on('close', this.#listeners.close);
  }

  /**
   * The texts of one turn of the event loop cross the border together, and what follows of them for a socket is one write.
   * @param {Socket} socket
   * @param {Buffer} text
   */
  #hear(socket, text) {
    socket.alive = true;
    if (!this.#engine || socket.peer === 0) return;
    if (!this.#engine.fits(text.length)) this.#take();
    this.#engine?.put(socket.peer, text);
    if (this.#isTaking) return;
    this.#isTaking = true;
    setImmediate(() => {
      this.#isTaking = false;
      this.#take();
    });
  }

  #take() {
    this.#enter(() => {});
  }

  /** @param {Socket} socket */
  #leave(socket) {
    const { peer } = socket;
    if (peer === 0) return;
    this.#unseat(peer);
    this.#enter((engine, now) => engine.leave(peer, now));
  }
}

/**
 * Adds the coordinator to a server: WebSockets at `/peer-cdn/ws`. Upgrades of other paths are left to others, and get a
 * 404 if nobody answers them. Throws if that path of the server has a coordinator already.
 * @param {import('node:http').Server | import('node:https').Server | null} server null: you route upgrades to its
 *     handleUpgrade() yourself
 * @param {AttachOptions} [options]
 * @returns {AttachedCoordinator}
 */
export function attach(server, options = {}) {
  checkNames(options, [attachNames], 'attach()');
  return new AttachedCoordinator(server, options);
}
