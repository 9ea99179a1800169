// Sockets for the coordinator on any Node http server. Who meets whom is decided in src/signal.
import { randomFillSync } from 'node:crypto';
import { WebSocket, WebSocketServer } from 'ws';
import { SOCKET_PATH } from '../../build/border.js';
import { Coordinator } from './engine.js';
import * as limits from './limits.js';
import { allowedOrigin, refuse } from './admission.js';
import { upgradesOf } from './upgrades.js';

/**
 * @typedef {object} AttachOptions
 * @property {string} [path] where clients connect; default '/peer-cdn/ws'
 * @property {string[]} [origins] sites that may use it, as 'https://example.com'; default: only pages of the host that
 *     the request names
 * @property {boolean} [trustProxy] take the host from X-Forwarded-Host, which a proxy in front must set; default false
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
 * @property {number} originsRefused handshakes answered with 403
 * @property {number} slow sockets ended because they did not read or answer
 */

/** @typedef {import('../../build/border.js').ErrorCode} ErrorCode */
/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('./upgrades.js').Take} Take */
/** @typedef {WebSocket & { alive?: boolean, peer?: number }} Socket once it is seated it has a peer's number */

/** What attach() gives. */
export class AttachedCoordinator {
  #upgrades;
  #path;
  #options;
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
  #counters = { originsRefused: 0, slow: 0 };
  /** @type {Promise<void> | undefined} */
  #closed;
  #last = { peers: 0, sites: 0, introductions: 0, relayed: 0, notIntroduced: 0, refused: 0 };

  /**
   * @param {import('node:http').Server | import('node:https').Server | null} server
   * @param {AttachOptions} options
   */
  constructor(server, options) {
    // Fails here rather than at the first visitor.
    for (const origin of options.origins ?? []) new URL(origin);
    this.#options = options;
    this.#path = options.path ?? SOCKET_PATH;
    if (!/^\/[^?#]*$/.test(this.#path)) throw new TypeError(`path must begin with / and have no query, not ${this.#path}`);
    this.#upgrades = server === null ? null : upgradesOf(server);
    this.#upgrades?.add(this.#path, this.#upgrade);
    const [high, low] = randomFillSync(new Uint32Array(2));
    this.#engine = new Coordinator(high, low);
    this.#heartbeat = setInterval(() => this.#beat(), limits.heartbeatMs).unref();
  }

  /** Counters, as cheap as they look. @returns {CoordinatorStats} */
  stats() {
    if (this.#engine) this.#last = this.#engine.stats();
    return { ...this.#last, ...this.#counters };
  }

  /**
   * Takes an upgrade that the host routes by itself, whatever its path.
   * @type {Take}
   */
  handleUpgrade(request, socket, head) {
    this.#upgrade(request, socket, head);
  }

  /** Closes every socket (1001, shutting-down) and leaves the server. Resolves when they are closed. */
  close() {
    return (this.#closed ??= this.#shutDown(1001, 'shutting-down'));
  }

  /** @param {number} status @param {ErrorCode} reason */
  async #shutDown(status, reason) {
    this.#upgrades?.remove(this.#path);
    clearInterval(this.#heartbeat);
    clearTimeout(this.#timer);
    const peers = [...this.#peers.values()];
    this.#peers.clear();
    const engine = this.#engine;
    this.#engine = null;
    try {
      this.#last = engine?.stats() ?? this.#last;
      engine?.delete();
    } catch {
      // It trapped before: what it still counted is lost with it.
    }
    this.#last = { ...this.#last, peers: 0, sites: 0 };
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
   * Calls into the engine, and does all that it wants done. Nothing else calls it.
   * @template Result
   * @param {(engine: Engine, now: number) => Result} work
   */
  #enter(work) {
    if (!this.#engine) return undefined;
    try {
      const result = work(this.#engine, performance.now());
      this.#drain(this.#engine);
      return result;
    } catch (error) {
      // A trap: this is our own bug, and no reason to take the host's server down.
      this.#closed ??= this.#shutDown(1011, 'engine-failed');
      this.#options.onError?.(/** @type {Error} */ (error));
      return undefined;
    }
  }

  /** @param {Engine} engine */
  #drain(engine) {
    const outputs = engine.outputs();
    for (let i = 0; i < outputs.length; i += 3) {
      const [kind, peer, what] = /** @type {import('./engine.js').Output} */ (outputs.slice(i, i + 3));
      if (kind === 'tell') {
        this.#send(peer, what);
      } else if (kind === 'tellAll') {
        for (const each of peer) this.#send(each, what);
      } else if (kind === 'renumber') {
        const socket = this.#peers.get(peer);
        this.#peers.delete(peer);
        if (socket) this.#seat(socket, what);
      } else if (kind === 'close') {
        const socket = this.#peers.get(peer);
        this.#peers.delete(peer);
        if (socket) this.#end(socket, what);
      } else {
        throw new Error(`unknown output ${kind}`);
      }
    }
    this.#schedule(engine.nextTimeout());
  }

  /** @param {number} at */
  #schedule(at) {
    if (at < 0 || at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Infinity;
        this.#enter((engine, now) => engine.timeout(now));
      },
      Math.max(0, Math.ceil(at - performance.now())),
    ).unref();
  }

  /** @param {Socket} socket @param {number} peer */
  #seat(socket, peer) {
    socket.peer = peer;
    this.#peers.set(peer, socket);
  }

  /** @param {number} peer @param {string} text */
  #send(peer, text) {
    const socket = this.#peers.get(peer);
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    socket.send(text);
    if (socket.bufferedAmount > limits.bufferedBytes) this.#drop(socket);
  }

  /** @param {Socket} socket @param {ErrorCode} reason */
  #end(socket, reason) {
    socket.close(1008, reason);
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

  #beat() {
    for (const socket of this.#peers.values()) {
      if (socket.alive === false) {
        this.#drop(socket);
        continue;
      }
      socket.alive = false;
      socket.ping();
    }
  }

  /** @type {Take} */
  #upgrade = (request, socket, head) => {
    const origin = allowedOrigin(request, this.#options);
    if (!origin) {
      this.#counters.originsRefused++;
      refuse(socket, '403 Forbidden', 'origin-refused');
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket, origin));
  };

  /** @param {Socket} socket @param {string} origin */
  #accept(socket, origin) {
    const peer = this.#enter((engine, now) => engine.connect(origin, now));
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
    socket.on('pong', () => {
      socket.alive = true;
    });
    socket.on('message', (data, isBinary) => {
      socket.alive = true;
      // The core may have given the peer another number since it connected.
      const { peer } = socket;
      if (!peer || this.#peers.get(peer) !== socket) return;
      const text = isBinary ? '' : data.toString();
      this.#enter((engine, now) => engine.message(peer, text, now));
    });
    socket.on('close', () => this.#leave(socket));
  }

  /** @param {Socket} socket */
  #leave(socket) {
    const { peer } = socket;
    if (!peer || this.#peers.get(peer) !== socket) return;
    this.#peers.delete(peer);
    this.#enter((engine, now) => engine.disconnect(peer, now));
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
  return new AttachedCoordinator(server, options);
}
