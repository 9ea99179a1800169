// One life of a page, from start to pagehide: the engine and the parts that do what it decides.

// Before all others: a compressor that sees 32 KB at once sees the JavaScript together, behind the wasm (0.8 KB gzip).
import { createEngine } from './engine.js';
import { CACHE_PREFIX, firstSocketWait, idleInterval, uploadBytes, uploadRate } from '../build/border.js';
import { Store } from '../sw/store.js';
import { adopt, idle } from './adopt.js';
import { Bridge, stream } from './bridge.js';
import { Fetches } from './fetches.js';
import { Pieces } from './pieces.js';
import { Readers } from './readers.js';
import { Resources } from './resources.js';
import { Seeder } from './seeder.js';
import { browserId, uploadOf } from './settings.js';
import { Socket } from './socket.js';
import { within } from './within.js';

// The worker has one store, of its version: until it has told the name, the one that is there.
async function guessName() {
  return (await caches.keys()).find((each) => each.startsWith(CACHE_PREFIX)) ?? `${CACHE_PREFIX}1`;
}

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */
/** @typedef {import('./bridge.js').Form} Form */
/** @typedef {import('./settings.js').Choice} Choice */
/** @typedef {EventTarget & { type?: string, saveData?: boolean }} NetworkInformation of Chromium alone */

/** The network that the browser is on, where it says so. */
const networkHere = () => /** @type {Navigator & { connection?: NetworkInformation }} */ (globalThis.navigator)?.connection;

/**
 * @typedef {object} PageOptions
 * @property {string} [cacheName] the store's name
 * @property {Form} form
 * @property {boolean} [orFetch] the manifest may be the origin's
 * @property {RTCConfiguration} [servers]
 * @property {string} socket the coordinator's WebSocket
 */

/**
 * @typedef {object} Listener
 * @property {(code: ErrorCode, url?: string) => void} report something went wrong, and was dealt with
 * @property {(count: number) => void} peers how many pairs are open
 * @property {(news: import('./bridge.js').News | null) => void} tell what the worker said
 * @property {() => void} disabled the manifest turns it all off
 * @property {() => void} failed the engine is gone; everything has ended
 */

const after = (/** @type {number} */ ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

export class Page {
  #engine;
  #listener;
  #bridge;
  #socket;
  #pieces;
  #fetches;
  /** @type {Set<RTCPeerConnection>} */
  #connections = new Set();
  #store;
  #manifest = Promise.resolve();
  #timer = 0;
  #over = new AbortController();
  #stopped = false;
  #heard = (/** @type {unknown} */ _) => {};
  #adopted = false;
  /** @type {Set<string>} what was malformed */
  #named = new Set();
  #peers = 0;

  /**
   * Throws if the engine cannot start.
   * @param {PageOptions} options
   * @param {Choice} upload
   * @param {Listener} listener
   */
  constructor({ cacheName, form, orFetch = form === 'reply', servers, socket }, upload, listener) {
    this.#listener = listener;
    const { engine, guardHost } = createEngine(() => this.#fail());
    this.#engine = engine;
    /** The store's name; null where Cache Storage is denied. */
    this.cacheName = cacheName ? Promise.resolve(cacheName) : guessName().catch(() => null);
    this.#store = this.cacheName.then((name) => (name ? Store.open(name) : null)).catch(() => null);
    this.resources = new Resources(engine);
    this.#pieces = new Pieces(
      engine,
      this.resources,
      this.#store,
      (root, begin, end) => this.#stopped || this.#bridge.broadcast({ type: 'stored', root, begin, end }),
    );
    this.readers = new Readers(engine, this.#pieces);
    this.#fetches = new Fetches(engine, this.resources, this.#pieces);
    this.#socket = new Socket(engine, socket, listener.report, (message) => this.#bridge.present(message));
    const host = guardHost(this.#host(new Seeder(engine, this.resources, this.#store, this.#pieces)));
    const webrtc = engine.start(host, browserId(), Math.floor(Math.random() * 2 ** 48), servers ?? {});
    this.setUpload(upload);
    if (this.#stopped) throw new Error('engine-failed');
    this.#bridge = new Bridge(form, {
      delegate: (request, port) => this.#delegate(request, port),
      tell: (message) => this.#hear(message),
    });
    const heard = new Promise((resolve) => (this.#heard = resolve));
    const waits = [this.#bridge.hears && heard, webrtc && this.#socket.settled];
    /** Resolves when the worker has answered and it is known who has what, or when that takes too long to be waited for. */
    this.informed = within(firstSocketWait, Promise.all(waits));
    this.#lead();
    this.manifest(orFetch);
    this.#watchNetwork();
    if (globalThis.document) this.#warm();
  }

  get controlled() {
    return this.#bridge.controlled;
  }

  /** The wasm's functions. */
  get engine() {
    return this.#engine;
  }

  get stats() {
    return { peers: this.#peers, sent: this.#engine.sent() ?? 0, received: this.#pieces.received };
  }

  /** Resolves when the manifest was read (again) and C++ knows what is held. */
  manifest(orFetch = false) {
    this.#manifest = this.#manifest
      .then(async () => {
        const store = await this.#store;
        const bad = await this.resources.load(store, orFetch);
        if (this.#stopped) return;
        for (const path of bad) this.#name(path);
        if (this.resources.disabled) return this.#listener.disabled();
        this.resources.list();
        await this.resources.announce(store);
        this.#adopt();
      })
      .catch(() => this.#listener.report('malformed-manifest'));
    return this.#manifest;
  }

  /**
   * The worker finds the same entries bad each time that it reads the manifest: whoever is first, each is named once.
   * @param {string} path
   */
  #name(path) {
    if (this.#named.has(path)) return;
    this.#named.add(path);
    this.#listener.report('malformed-manifest', path);
  }

  /** Resolves when the manifest that is known was read. */
  ready() {
    return this.#manifest;
  }

  /** Whether the store has another manifest by now than the one that was read. */
  async isStale() {
    const text = (await (await this.#store)?.manifest())?.text;
    return text !== undefined && text !== this.resources.text;
  }

  /** @param {Choice} options @returns {import('./settings.js').Upload} */
  uploadOf(options) {
    return uploadOf(options, { on: true, bytesPerSecond: uploadRate, bytes: uploadBytes });
  }

  /** @param {Choice} options */
  setUpload(options) {
    this.upload = this.uploadOf(options);
    this.#engine.upload(this.upload.on, this.upload.bytesPerSecond, this.upload.bytes);
  }

  /** @param {Form} form */
  setForm(form) {
    this.#bridge.setForm(form);
  }

  /**
   * Ends everything. What is verified is stored yet: browsers finish writes that began as the page closes.
   * @param {ErrorCode} code
   */
  stop(code = 'cancelled') {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#engine.stop();
    this.#end(code);
  }

  #fail() {
    this.#stopped = true;
    this.#end('engine-failed');
    this.#listener.failed();
  }

  /** @param {ErrorCode} code */
  #end(code) {
    clearTimeout(this.#timer);
    this.readers?.endAll(code);
    this.#fetches?.cancelAll();
    this.#socket?.close();
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
    this.#bridge?.close();
    this.#over.abort();
  }

  // Once, and only when it is known what is listed.
  #adopt() {
    if (this.#adopted || this.resources.listed.size === 0) return;
    this.#adopted = true;
    adopt(this.resources, this.#pieces, () => this.#stopped).catch(() => {});
  }

  // One tab of a browser announces what it can serve, and owns the budget of uploads.
  #lead() {
    if (!globalThis.navigator?.locks) return this.#engine.leading(true);
    const { signal } = this.#over;
    const released = new Promise((resolve) => signal.addEventListener('abort', resolve));
    navigator.locks
      .request('peer-cdn', { signal }, () => {
        this.#engine.leading(true);
        return released;
      })
      .catch(() => {});
  }

  // On another network connections are made to find their way at once, not when they are missed.
  #watchNetwork() {
    const { signal } = this.#over;
    const connection = networkHere();
    let type = connection?.type;
    globalThis.addEventListener?.('online', () => this.#engine.networkChanged(), { signal });
    // It also fires for every estimate of speed.
    connection?.addEventListener?.(
      'change',
      () => {
        if (type === connection.type) return;
        type = connection.type;
        this.#engine.networkChanged();
      },
      { signal },
    );
  }

  // Connections are made while nothing else is to be done, before they are needed.
  async #warm() {
    if (document.readyState !== 'complete') {
      await new Promise((resolve) => addEventListener('load', resolve, { once: true }));
    }
    await Promise.all([this.informed, this.#manifest]);
    while (!this.#stopped) {
      await idle();
      if (!document.hidden && !networkHere()?.saveData) this.#engine.idle();
      await after(idleInterval);
    }
  }

  /** @param {import('./bridge.js').Delegation} request @param {MessagePort} port */
  #delegate(request, port) {
    if (this.#stopped) return port.postMessage({ type: 'none', code: 'engine-failed' });
    const handle = this.resources.handle(request);
    this.#pieces.unstored[request.cache === 'no-store' ? 'add' : 'delete'](handle);
    stream(this.readers, handle, request, port);
  }

  /** @param {import('./bridge.js').News | null} message */
  #hear(message) {
    if (message?.type === 'manifest') this.manifest();
    if (message?.type === 'busy' && message.cache) this.#heard(null);
    if (message?.type === 'stored') {
      this.#manifest.then(() => this.resources.held(message.root, message.begin, message.end));
    }
    if (message?.type === 'dropped') this.#manifest.then(() => this.resources.dropped(message.root));
    if (message?.type === 'transfer' && (message.done || message.fromOrigin > 0)) {
      this.#engine.transfer(this.resources.handleOf(message.root), message.done);
    }
    if (message?.type === 'error' && message.code === 'malformed-manifest') return this.#name(message.url);
    this.#listener.tell(message);
  }

  /** @param {Seeder} seeder @returns {import('./engine.js').Host} */
  #host(seeder) {
    const [origin, pieces, readers, socket] = [this.#fetches, this.#pieces, this.readers, this.#socket];
    return {
      openSocket: () => socket.open(),
      closeSocket: () => socket.close(),
      sendMessage: (message) => socket.send(message),
      connect: (configuration) => this.#connect(configuration),
      disconnect: (connection) => {
        connection.close();
        this.#connections.delete(connection);
      },
      send: (channel, message) => {
        try {
          channel.send(message);
          return true;
        } catch {
          return false;
        }
      },
      takeBlock: (...block) => pieces.take(...block),
      waste: (bytes) => void (pieces.wasted += bytes),
      fetchPieces: (...fetch) => origin.fetch(...fetch),
      cancelFetch: (fetch) => origin.cancel(fetch),
      takeFetched: (handle, piece) => origin.take(handle, piece),
      company: (handle) => this.#bridge.company(this.resources.get(handle).root),
      digest: (handle, piece) => pieces.digest(handle, piece),
      forget: (handle, piece) => pieces.forget(handle, piece),
      fetchDigests: (handle) => void pieces.fetchDigests(handle),
      storeRun: (handle, begin, end) => {
        void pieces.storeRun(handle, begin, end);
        // Of a page that closes: it is written, but nobody will be here to tell of it then.
        if (this.#stopped) this.#bridge.broadcast({ type: 'stored', root: this.resources.get(handle).root, begin, end });
      },
      readBlock: (...block) => seeder.read(...block),
      deliver: (...delivery) => readers.deliver(...delivery),
      pending: (reader, warm) => readers.pending(reader, warm),
      end: (reader, code) => readers.end(reader, code),
      report: (code) => this.#listener.report(code),
      peers: (count) => {
        this.#peers = count;
        this.#listener.peers(count);
      },
      setTimer: (ms) => {
        clearTimeout(this.#timer);
        if (ms >= 0) this.#timer = setTimeout(() => this.#engine.timeout(), ms);
      },
    };
  }

  /** @param {RTCConfiguration} configuration */
  #connect(configuration) {
    try {
      const connection = new RTCPeerConnection(configuration);
      this.#connections.add(connection);
      return connection;
    } catch {
      return null;
    }
  }
}
