// A visitor's socket, and how it ends.
import { WebSocket } from 'ws';
import * as limits from './limits.js';

/** @typedef {import('../../build/border.js').ErrorCode} ErrorCode */

/**
 * A visitor's socket. `ws` reads it; we write to its connection ourselves, because the core makes whole frames.
 * @typedef {WebSocket & {
 *   connection: import('node:stream').Duplex, alive: boolean, beat: number, beatsLeft: number, peer: number, controls: number
 * }} Socket
 *   `peer` is 0 until it is seated, `beat` the step of the heartbeat at which it is pinged, `beatsLeft` how often it still is,
 *   `controls` how many pings and pongs came since the last time
 */

/** @param {WebSocket} webSocket @param {import('node:stream').Duplex} connection @returns {Socket} */
export const socketOf = (webSocket, connection) =>
  Object.assign(webSocket, { connection, alive: true, beat: 0, beatsLeft: Infinity, peer: 0, controls: 0 });

const nothing = Buffer.alloc(0);

/**
 * The same functions for all sockets of a coordinator, because a crowd has many.
 * @param {(socket: Socket, text: Buffer) => void} hear
 * @param {(socket: Socket) => void} leave
 * @param {(socket: Socket) => void} flood it sends more pings and pongs than it may
 * @returns {Record<'ping' | 'pong' | 'message' | 'close', (this: any, data?: any, isBinary?: boolean) => void>} each is called
 *     on a Socket
 */
export const listenersOf = (hear, leave, flood) => ({
  ping(data) {
    if (++this.controls > limits.controlFrames) flood(this);
    else this.pong(data);
  },
  pong() {
    if (++this.controls > limits.controlFrames) flood(this);
    this.alive = true;
  },
  message(data, isBinary) {
    hear(this, isBinary ? nothing : data);
  },
  close() {
    leave(this);
  },
});

/** Ends a socket that is being closed, if the visitor does not. @param {WebSocket} socket */
export function endLate(socket) {
  const timer = setTimeout(() => socket.terminate(), limits.closeMs).unref();
  socket.once('close', () => clearTimeout(timer));
}

/** Closes the socket of a visitor that did what it may not. @param {WebSocket} socket @param {ErrorCode} reason */
export function refuseSocket(socket, reason) {
  socket.close(1008, reason);
  endLate(socket);
}

/** Resolves when the socket is closed. @param {Socket} socket @param {number} status @param {ErrorCode} reason */
const close = (socket, status, reason) =>
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
  });

/**
 * Closes the sockets of a coordinator that ends. Resolves when they are closed.
 * @param {Socket[]} sockets
 * @param {number} status
 * @param {ErrorCode} reason
 */
export const closeAll = (sockets, status, reason) => Promise.all(sockets.map((socket) => close(socket, status, reason)));
