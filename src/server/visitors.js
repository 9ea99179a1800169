// How many sockets each visitor's network has, and a number for it: the core compares numbers, and never sees an address.

export class Visitors {
  /** @type {Map<string, { place: number, sockets: number }>} */
  #networks = new Map();
  #places = 0;

  /** @param {number} most sockets of one network */
  constructor(most) {
    this.most = most;
  }

  /** Whether one more socket may come. @param {string | null} network null: it is not known, and nothing limits it */
  admits(network) {
    return !network || (this.#networks.get(network)?.sockets ?? 0) < this.most;
  }

  /** A socket came. Gives the network's number, 0 if it is not known. @param {string | null} network */
  enter(network) {
    if (!network) return 0;
    const known = this.#networks.get(network);
    if (known) {
      known.sockets++;
      return known.place;
    }
    // As many as 32 bits have: whoever gets the number of a network of long ago is near to somebody who is not.
    this.#places = (this.#places % 0xffffffff) + 1;
    this.#networks.set(network, { place: this.#places, sockets: 1 });
    return this.#places;
  }

  /** A socket went. @param {string | null} network */
  leave(network) {
    const known = network ? this.#networks.get(network) : undefined;
    if (known && network && --known.sockets === 0) this.#networks.delete(network);
  }
}
