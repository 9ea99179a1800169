// How many sockets each visitor's network has.

export class Visitors {
  /** @type {Map<string, number>} */
  #sockets = new Map();

  /** @param {number} most sockets of one network */
  constructor(most) {
    this.most = most;
  }

  /** Whether one more socket may come. @param {string | null} network null: it is not known, and nothing limits it */
  admits(network) {
    return !network || (this.#sockets.get(network) ?? 0) < this.most;
  }

  /** A socket came. @param {string | null} network */
  enter(network) {
    if (network) this.#sockets.set(network, (this.#sockets.get(network) ?? 0) + 1);
  }

  /** A socket went. @param {string | null} network */
  leave(network) {
    const sockets = network ? this.#sockets.get(network) : undefined;
    if (!network || sockets === undefined) return;
    if (sockets > 1) this.#sockets.set(network, sockets - 1);
    else this.#sockets.delete(network);
  }
}
