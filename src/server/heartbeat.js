// Sockets are pinged, so that those of visitors who are gone are found. One that has lived long enough is sent away.
import * as limits from './limits.js';

/** @typedef {import('./sockets.js').Socket} Socket */

/**
 * What a heartbeat wants done.
 * @typedef {object} HeartbeatHost
 * @property {(socket: Socket) => void} ping
 * @property {(socket: Socket) => void} drop it was silent since it was pinged
 * @property {(socket: Socket) => void} expire it has lived long enough
 */

/** Goes through the sockets once an interval, a share of them at each step. */
export class Heartbeat {
  #sockets;
  #host;
  #beats = 0;
  #beatsMost;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {Map<number, Socket>} sockets that are open
   * @param {number | null | undefined} maxLifetime in seconds
   * @param {HeartbeatHost} host
   */
  constructor(sockets, maxLifetime, host) {
    this.#sockets = sockets;
    this.#host = host;
    this.#beatsMost = ((maxLifetime ?? Infinity) * 1000) / limits.heartbeatMs;
  }

  start() {
    this.#timer = setInterval(() => this.#beat(), limits.heartbeatMs / limits.heartbeatSteps).unref();
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** A socket came. @param {Socket} socket */
  enter(socket) {
    // So that not all of a crowd that came at once are pinged at once.
    socket.beat = socket.peer % limits.heartbeatSteps;
    socket.beatsLeft = Math.ceil(this.#beatsMost * (0.5 + Math.random() / 2));
  }

  #beat() {
    const beat = this.#beats++ % limits.heartbeatSteps;
    for (const socket of this.#sockets.values()) {
      if (socket.beat !== beat) continue;
      if (!socket.alive) {
        this.#host.drop(socket);
        continue;
      }
      if (--socket.beatsLeft <= 0) {
        this.#host.expire(socket);
        continue;
      }
      socket.alive = false;
      socket.controls = 0;
      this.#host.ping(socket);
    }
  }
}
