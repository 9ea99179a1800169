// Visitors' sockets and Redis: what comes from them goes into the engine, and the engine says what goes out to them. Who meets
// whom is decided in src/signal.
import { Socket as Connection } from 'node:net';
import { WebSocket } from 'ws';
import { Apart } from './apart.js';
import { Heartbeat } from './heartbeat.js';
import * as limits from './limits.js';
import { Places } from './places.js';
import { Redis } from './redis.js';
import { RunningEngine } from './running-engine.js';
import { Salt } from './salt.js';
import { closeAll, endLate, listenersOf, refuseSocket } from './sockets.js';

/** @typedef {import('./sockets.js').Socket} Socket */
/** @typedef {import('./sockets.js').ErrorCode} ErrorCode */

/** A ping without a payload. */
const pingFrame = Buffer.from([0x89, 0]);

export class Coordinator {
  #warnings;
  #engine;
  /** @type {Map<number, Socket>} */
  #peers = new Map();
  #heartbeat;
  #isDraining = false;
  #slow = 0;
  /** Visitors that the engine did not come to see: there was no room, or they broke WebSocket itself. */
  #refused = 0;
  #salt = new Salt();
  #places;
  /** @type {Redis | null} */
  #redis = null;
  #apart = new Apart();

  /**
   * Throws of options that cannot be.
   * @param {import('./options.js').AttachOptions} options
   * @param {import('./coordinator-warnings.js').CoordinatorWarnings} warnings
   * @param {(error: Error) => void} fail the engine has failed, so that close() is due
   */
  constructor({ maxLifetime, classify, redis }, warnings, fail) {
    this.#warnings = warnings;
    this.#heartbeat = new Heartbeat(this.#peers, maxLifetime, {
      ping: (socket) => this.#write(socket, pingFrame),
      drop: (socket) => this.#drop(socket),
      expire: (socket) => this.#sendAway(socket, 'timed-out'),
    });
    this.#places = new Places(this.#salt, classify ?? undefined, (message) => warnings.classifyFailed(message));
    if (redis !== undefined) this.#redis = new Redis(redis, this.#siblings);
    this.#engine = new RunningEngine(this.#host, fail);
  }

  start() {
    this.#heartbeat.start();
    this.#redis?.start();
  }

  /** Whether visitors may come. */
  get isReady() {
    return this.#engine.isOpen && !this.#isDraining;
  }

  get hasRedis() {
    return this.#redis !== null;
  }

  stats() {
    const stats = this.#engine.stats();
    const refused = stats.refused + this.#refused;
    return { ...stats, refused, slow: this.#slow, isRedisReached: this.#redis?.isOpen ?? false };
  }

  /** Sends the visitors away, one after another. Nobody comes in any more. @param {number} ms over how long */
  async drain(ms) {
    this.#isDraining = true;
    const until = performance.now() + ms;
    while (this.#peers.size > 0 && this.#engine.isOpen) {
      const left = Math.max(1, Math.ceil((until - performance.now()) / limits.drainStepMs));
      const step = [...this.#peers.values()].slice(0, Math.ceil(this.#peers.size / left));
      for (const socket of step) this.#sendAway(socket, 'shutting-down');
      if (this.#peers.size > 0) await new Promise((go) => setTimeout(go, limits.drainStepMs));
    }
  }

  /** Closes every socket. Resolves when they are closed. @param {number} status @param {ErrorCode} reason */
  async close(status, reason) {
    this.#heartbeat.stop();
    const peers = [...this.#peers.values()];
    this.#peers.clear();
    if (status === 1001) this.#engine.enter((engine, now) => engine.leaveBus(now));
    this.#redis?.close();
    this.#apart.leave();
    this.#engine.end();
    await closeAll(peers, status, reason);
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
    (socket) => this.#endFlood(socket),
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
      if (socket) refuseSocket(socket, code);
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
    const before = connection instanceof Connection ? connection.bytesWritten : Number.NaN;
    connection.write(isSlow ? Buffer.from(frames) : frames);
    // Node has given them to the kernel. Of a host's own kind of stream, or its own write(), nobody knows what it keeps.
    const isWritten =
      connection instanceof Connection && connection.writableLength === 0 && connection.bytesWritten === before + frames.length;
    const isFree = isSlow || isWritten;
    if (connection.writableLength > limits.bufferedBytes) this.#drop(socket);
    return isFree;
  }

  /** Lets a visitor go, who may come again, here or elsewhere. @param {Socket} socket @param {ErrorCode} reason */
  #sendAway(socket, reason) {
    socket.close(1001, reason);
    this.#leave(socket);
    endLate(socket);
  }

  /** @param {Socket} socket */
  #drop(socket) {
    this.#slow++;
    socket.terminate();
  }

  /** @type {import('./redis.js').RedisHost} */
  #siblings = {
    onOpen: (high, low) => this.#engine.enter((engine, now) => engine.openBus(high, low, now)),
    onClose: () => this.#engine.enter((engine, now) => engine.closeBus(now)),
    onFrame: (frame) => {
      if (this.#engine.enter((engine, now) => engine.hear(frame, now)) === false) this.#warnings.frameRefused();
    },
    saltText: () => this.#salt.toText(),
    onSalt: (text) => this.#salt.hear(text),
    onWarning: (warning) => this.#warnings.tell(warning),
  };

  /**
   * A visitor came. `covered`: what its token covers, as readToken() says; undefined: all.
   * @param {Socket} socket
   * @param {{ origin: string, address: string | null, covered?: Buffer }} visitor
   */
  accept(socket, { origin, address, covered }) {
    const place = this.#places.of(address);
    const peer = this.#engine.enter((engine, now) => {
      const joined = engine.join(origin, place, now);
      if (covered) engine.cover(joined, covered);
      return joined;
    });
    // Whoever breaks WebSocket itself (a message that is too long, say) is gone at once: 'close' comes only when the
    // visitor has closed its side too, which it may never do.
    socket.on('error', () => {
      if (socket.peer !== 0) this.#refused++;
      this.#leave(socket);
      endLate(socket);
    });
    if (!peer) {
      this.#refused++;
      if (this.#engine.isOpen) this.#warnings.tooManyPeers(origin);
      refuseSocket(socket, this.#engine.isOpen ? 'too-many-peers' : 'engine-failed');
      return;
    }
    this.#seat(socket, peer);
    if (!this.#redis) this.#lookForOthers(origin);
    this.#heartbeat.enter(socket);
    socket.on('ping', this.#listeners.ping);
    socket.on('pong', this.#listeners.pong);
    socket.on('message', this.#listeners.message);
    socket.on('close', this.#listeners.close);
  }

  /** Processes that serve one site without Redis are worlds apart. @param {string} site */
  #lookForOthers(site) {
    const [other] = this.#apart.enter(site);
    if (other !== undefined) this.#warnings.processesApart(site, other);
  }

  /** A page reports. What the engine says of that; undefined if it is closed. @param {Buffer} body @param {string} network */
  report(body, network) {
    return this.#engine.enter((engine, now) => engine.report(body, network, now));
  }

  refuseReport() {
    this.#engine.enter((engine) => engine.refuseReport());
  }

  /** @param {Socket} socket @param {Buffer} text */
  #hear(socket, text) {
    socket.alive = true;
    if (socket.peer !== 0) this.#engine.hear(socket.peer, text);
  }

  /** The engine counts messages, and sees neither pings nor pongs. @param {Socket} socket */
  #endFlood(socket) {
    if (socket.peer === 0) return;
    this.#refused++;
    this.#leave(socket);
    refuseSocket(socket, 'rate-limited');
    // The rest of the flood is not read, because it would hold everybody up until the socket is closed.
    socket.pause();
  }

  /** @param {Socket} socket */
  #leave(socket) {
    const { peer } = socket;
    if (peer === 0) return;
    this.#unseat(peer);
    this.#engine.enter((engine, now) => engine.leave(peer, now));
  }
}
