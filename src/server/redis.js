// Redis as the bus between coordinators (src/signal/bus.hpp): channels of its publish and subscribe. It stores nothing.
import { randomFillSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { BUS_CHANNEL } from '../../build/border.js';
import * as limits from './limits.js';

/**
 * What is told of Redis. Its own words, as onFrame has them, may be anything.
 * @typedef {object} RedisHost
 * @property {(high: number, low: number) => void} onOpen it is reached, under a name of two halves
 * @property {() => void} onClose it is lost
 * @property {(frame: Buffer) => void} onFrame
 * @property {() => string} saltText our salt of the day, for the others
 * @property {(text: Buffer) => boolean} onSalt another's. True: it must be told ours
 * @property {(warning: { code: string, message: string }) => void} onWarning
 */

/**
 * What we use of a client of the package `redis`.
 * @typedef {object} Client
 * @property {(event: string, listener: (error: Error) => void) => void} on
 * @property {() => Client} duplicate
 * @property {() => Promise<unknown>} connect
 * @property {() => Promise<void>} close
 * @property {() => void} destroy
 * @property {() => void} unref
 * @property {(channels: string[], listener: (message: Buffer) => void, isBuffer: true) => Promise<void>} subscribe
 * @property {(channel: string, message: Buffer) => Promise<number>} publish
 * @property {(command: string[]) => Promise<unknown>} sendCommand
 */

/** @param {string} what */
const missing = (what) =>
  Object.assign(new Error(`coordinators on Redis need ${what} in the same node_modules as peer-cdn: npm install redis@latest`), {
    code: 'redis-missing',
  });

/** The package is loaded by whoever has Redis, and by nobody else. @returns {{ createClient(options: object): Client }} */
function loadClient() {
  try {
    return createRequire(import.meta.url)('redis');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'MODULE_NOT_FOUND') throw error;
    throw missing('the package redis');
  }
}

/**
 * Whether the package takes it, and all of it counts. The package throws its own errors at a path that is no number, and at a
 * lone %. It takes this machine where no host is named, and leaves out what stands behind a ? or a #, which may be half a
 * password.
 * @param {string} text
 */
function isRedisUrl(text) {
  try {
    const { protocol, hostname, pathname, username, password } = new URL(text);
    decodeURIComponent(username + password);
    return /^rediss?:$/.test(protocol) && hostname !== '' && /^\/?\d*$/.test(pathname) && !/[?#]/.test(text);
  } catch {
    return false;
  }
}

/** @param {string} text */
function checkUrl(text) {
  if (isRedisUrl(text)) return;
  // Not the text itself: it may have a password.
  const message =
    "redis takes a URL as 'redis://localhost:6379' or 'rediss://user:password@host:6380' (in a password % is written %25, / is " +
    '%2F, ? is %3F, # is %23)';
  throw Object.assign(new TypeError(message), { code: 'bad-redis-url' });
}

/** The two connections, whose life is one: if either fails both are closed and opened anew. */
export class Redis {
  #url;
  #host;
  #createClient;
  /** Our name on the bus. */
  #name = randomFillSync(new Uint32Array(2));
  /** Of the connections that are open or being opened. @type {Client[]} */
  #clients = [];
  /** One that is destroyed while it connects stays open: that waits until it is connected. @type {WeakSet<Client>} */
  #connected = new WeakSet();
  /** Null while Redis is not reached. @type {Client | null} */
  #publisher = null;
  #tries = 0;
  /** Why Redis was lost, as the operator was told it last, and when. Empty while it is reached. */
  #toldWhy = '';
  #toldAt = 0;
  #heardAt = 0;
  #isClosed = false;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * Throws if the URL is none, or the package is not there.
   * @param {string} url
   * @param {RedisHost} host
   */
  constructor(url, host) {
    checkUrl(url);
    this.#url = url;
    this.#host = host;
    this.#createClient = loadClient().createClient;
    // Another version may stand there for the host's own work: npm would not install us beside it if we named ours.
    if (typeof this.#createClient({ url }).destroy !== 'function') throw missing('version 5 or later of the package redis');
    this.#name[1] ||= 1;
  }

  /** Connects, now and whenever Redis was lost. */
  start() {
    const clients = this.#makeClients();
    this.#clients = clients;
    const lose = (/** @type {Error} */ error) => {
      if (this.#clients === clients) this.#lose(error);
    };
    for (const client of clients) {
      client.on('error', lose);
      client.on('end', () => lose(new Error('the connection was closed')));
      client.on('connect', () => {
        if (this.#clients === clients) this.#connected.add(client);
        else destroy(client);
      });
    }
    // The client bounds only the connecting. Then a Redis that is stopped may say nothing for ever.
    this.#timer = setTimeout(lose, 2 * limits.redisConnectMs, new Error(silent)).unref();
    this.#open(clients, lose).catch(lose);
  }

  get isOpen() {
    return this.#publisher !== null;
  }

  /** @param {number} high @param {number} low @param {Buffer} frame */
  publish(high, low, frame) {
    this.#publish(high === 0 && low === 0 ? BUS_CHANNEL : channelOf(high, low), frame);
  }

  /** @param {string} channel @param {Buffer} message */
  #publish(channel, message) {
    const publisher = this.#publisher;
    publisher?.publish(channel, message).catch((error) => {
      if (publisher === this.#publisher) this.#lose(error);
    });
  }

  /** What was published before still goes out. */
  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const publisher = this.#publisher;
    this.#publisher = null;
    const clients = this.#clients;
    this.#clients = [];
    const end = () => this.#destroy(clients);
    if (!publisher) return end();
    const timer = setTimeout(end, limits.closeMs).unref();
    publisher
      .close()
      .catch(() => {})
      .then(() => {
        clearTimeout(timer);
        end();
      });
  }

  #makeClients() {
    const publisher = this.#createClient({
      url: this.#url,
      name: 'peer-cdn',
      disableOfflineQueue: true,
      socket: { connectTimeout: limits.redisConnectMs, reconnectStrategy: false },
    });
    return [publisher, publisher.duplicate()];
  }

  /** @param {Client[]} clients @param {(error: Error) => void} lose */
  async #open(clients, lose) {
    const [publisher, subscriber] = clients;
    const tellSalt = () => publisher.publish(SALT_CHANNEL, Buffer.from(this.#host.saltText()));
    await Promise.all(clients.map((client) => client.connect()));
    // The host's process ends when the host's own work ends.
    for (const client of clients) client.unref();
    await subscriber.subscribe([BUS_CHANNEL, channelOf(this.#name[0], this.#name[1])], (frame) => this.#hear(frame), true);
    await subscriber.subscribe([SALT_CHANNEL], (text) => void (this.#host.onSalt(text) && tellSalt().catch(lose)), true);
    // Redis is reached if it publishes too: a user may have no right to.
    await tellSalt();
    await checkIsPrimary(publisher);
    if (this.#clients !== clients) return;
    clearTimeout(this.#timer);
    this.#publisher = publisher;
    this.#tries = 0;
    this.#heardAt = performance.now();
    this.#watch(publisher, lose);
    if (this.#toldWhy) this.#host.onWarning({ code: 'redis-back', message: 'Redis is reached again' });
    this.#toldWhy = '';
    this.#host.onOpen(this.#name[0], this.#name[1]);
  }

  /** @param {Buffer} frame */
  #hear(frame) {
    this.#heardAt = performance.now();
    if (this.isOpen) this.#host.onFrame(frame);
  }

  /**
   * A network that is split closes no connection, and neither does a primary that is made a replica.
   * @param {Client} publisher
   * @param {(error: Error) => void} lose
   */
  #watch(publisher, lose) {
    const look = () => {
      if (this.#publisher !== publisher) return;
      if (performance.now() - this.#heardAt > limits.redisSilenceMs) return lose(new Error(silent));
      checkIsPrimary(publisher).catch(lose);
      this.#watch(publisher, lose);
    };
    // What came while this process was held up is read first.
    this.#timer = setTimeout(() => setImmediate(look), limits.redisSilenceMs / 2).unref();
  }

  /** @param {Client[]} clients */
  #destroy(clients) {
    for (const client of clients) if (this.#connected.has(client)) destroy(client);
  }

  /** @param {Error} error */
  #lose(error) {
    if (this.#isClosed) return;
    const clients = this.#clients;
    this.#clients = [];
    this.#destroy(clients);
    clearTimeout(this.#timer);
    if (this.#publisher) {
      this.#publisher = null;
      this.#host.onClose();
    }
    this.#tellLost(error);
    const most = Math.min(limits.redisRetryMostMs, limits.redisRetryMs * 2 ** this.#tries++);
    this.#timer = setTimeout(() => this.start(), most * (0.5 + Math.random() / 2)).unref();
  }

  /** Tells the first time, and once a minute if the reason is another one. @param {Error} error */
  #tellLost(error) {
    // Behind a comma Redis repeats what a command had: a password, or the salt.
    const [why] = String(/** @type {NodeJS.ErrnoException} */ (error).code ?? error.message).split(',', 1);
    const now = performance.now();
    if (this.#toldWhy && (why === this.#toldWhy || now - this.#toldAt < limits.refusalToldMs)) return;
    this.#toldWhy = why;
    this.#toldAt = now;
    const { host } = new URL(this.#url);
    const message = `Redis at ${host} is not reached (${why}): until it is, visitors meet only those of the same process`;
    this.#host.onWarning({ code: 'redis-lost', message });
  }
}

const silent = 'it is silent';

/**
 * Throws of a replica, because its primary hears nothing of it. By the next try the name of Redis may lead to the primary.
 * Replicas of a Redis Cluster pass on to all. HELLO takes no rights, and before Redis 6 there was none.
 * @param {Client} client
 */
async function checkIsPrimary(client) {
  const about = await client.sendCommand(['HELLO']).catch(() => ({}));
  // A list of names and values where the client speaks RESP2.
  const said = Array.isArray(about) ? about : Object.entries(/** @type {object} */ (about)).flat();
  const field = (/** @type {string} */ name) => String(said[said.findIndex((each) => String(each) === name) + 1]);
  if (field('role') === 'replica' && field('mode') !== 'cluster') throw new Error('it is a replica: name the primary');
}

/** Where coordinators tell each other the salt of the day. */
const SALT_CHANNEL = `${BUS_CHANNEL}:salt`;

/** @param {number} high @param {number} low */
const channelOf = (high, low) => `${BUS_CHANNEL}:${[high, low].map((half) => half.toString(16).padStart(8, '0')).join('')}`;

/** @param {Client} client */
function destroy(client) {
  try {
    client.destroy();
  } catch {
    // It is closed already.
  }
}
