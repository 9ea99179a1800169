// Servers that stand behind a balancer which speaks the PROXY protocol: each connection begins with whose it is.
import { BlockList, isIP } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { isOfNobody, unmapped } from './address.js';
import { Engine } from './engine.js';
import * as limits from './limits.js';
import { badOption, outOfRange } from './names.js';

/** @typedef {import('node:net').Socket} Socket */
/** @typedef {import('node:http').Server & { [key]?: Proxies }} HostServer */

/**
 * @typedef {object} Hearer one coordinator of the server
 * @property {(address: string) => boolean} isTrusted from whom headers are taken: whom any of them trusts
 * @property {(reason: string) => void} tell a header was refused
 */

/** Shared by every copy of this module: two of them on one server must not both take the header. */
const key = Symbol.for('peer-cdn.proxies');

/**
 * From whom headers are taken. Throws of what is no address or network.
 * @param {string[] | undefined} proxies undefined: this machine and private networks
 * @returns {(address: string) => boolean}
 */
export function readProxies(proxies) {
  if (!proxies) return isOfNobody;
  const list = new BlockList();
  for (const text of proxies) {
    const [, named = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const address = unmapped(named);
    const family = isIP(address);
    const most = family === 4 ? 32 : 128;
    if (family === 0 || Number(bits ?? most) > most) {
      throw outOfRange(`proxies takes addresses and networks as '192.0.2.1' or '192.0.2.0/24', not '${text}'`);
    }
    list.addSubnet(address, Number(bits ?? most), family === 4 ? 'ipv4' : 'ipv6');
  }
  return (address) => list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Throws of a server whose connections are not the visitors' own bytes.
 * @param {import('node:http').Server | null} server
 */
export function checkPlain(server) {
  if (server !== null && !(server instanceof TlsServer)) return;
  const what = server ? 'an http server, because TLS ends at the balancer' : 'a server whose connections attach() sees, not null';
  throw badOption(`proxyProtocol takes ${what}`);
}

/**
 * Reads the headers of a server's connections, before the server hears of them. From then on `socket.remoteAddress` is the
 * visitor's, also for the host's own handlers.
 */
class Proxies {
  #engine = new Engine(0, 0);
  #listeners;
  #server;
  /** @type {Set<Hearer>} */
  #hearers = new Set();
  /** Who came last: what it trusts holds when all have gone. @type {Hearer | undefined} */
  #last;

  /** @param {HostServer} server */
  constructor(server) {
    this.#server = server;
    // Node's own, and what the host has added.
    this.#listeners = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket) => this.#take(socket));
  }

  /** Gives the way to hear no more. @param {Hearer} hearer */
  add(hearer) {
    this.#last = hearer;
    this.#hearers.add(hearer);
    return () => void this.#hearers.delete(hearer);
  }

  /** @param {string} address */
  #isTrusted(address) {
    const hearers = this.#hearers.size > 0 ? [...this.#hearers] : [this.#last];
    return hearers.some((hearer) => hearer?.isTrusted(address));
  }

  /** @param {Socket} socket */
  #take(socket) {
    const from = unmapped(socket.remoteAddress ?? '');
    // A socket of the file system has no address, and rights of its own.
    if (from && !this.#isTrusted(from)) return this.#refuse(socket, 'it came from no proxy that is trusted');
    let got = Buffer.alloc(0);
    const timer = setTimeout(() => {
      // Whoever says nothing at all is a balancer that looks whether we are there, or keeps a connection for later.
      if (got.length > 0) this.#refuse(socket, 'it did not come whole in time');
      else socket.destroy();
    }, limits.proxyHeaderMs);
    const end = () => {
      clearTimeout(timer);
      socket.off('readable', read).off('error', ignore).off('close', end);
    };
    const ignore = () => {};
    const read = () => {
      const chunk = socket.read();
      if (chunk === null) return;
      got = Buffer.concat([got, chunk]);
      const header = this.#engine.readProxyHeader(got);
      if (header === null) return;
      end();
      if (header === false) return this.#refuse(socket, 'a connection began with something else');
      Object.defineProperty(socket, 'remoteAddress', { value: header.address || undefined, configurable: true });
      if (header.bytes < got.length) socket.unshift(got.subarray(header.bytes));
      for (const listener of this.#listeners) listener.call(this.#server, socket);
    };
    socket.on('readable', read).on('error', ignore).on('close', end);
  }

  /** @param {Socket} socket @param {string} reason */
  #refuse(socket, reason) {
    socket.on('error', () => {});
    socket.destroy();
    for (const { tell } of this.#hearers) tell(reason);
  }
}

/**
 * Lets a server's connections begin with a header of the PROXY protocol, from now on.
 * @param {HostServer} server
 * @param {Hearer} hearer
 * @returns the way to hear no more
 */
export function takeProxyHeaders(server, hearer) {
  if (!server[key]) Object.defineProperty(server, key, { value: new Proxies(server) });
  return /** @type {Proxies} */ (server[key]).add(hearer);
}
