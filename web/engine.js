// A page's engine but for what only a page can do: it decides, by its core, and does all that is done with bytes. It runs in a
// worker of its own, where it is the worker's script, or else in the page. The page (web/page.js) is its hand.

// Before all others: a compressor that sees 32 KB at once sees the JavaScript together, behind the wasm (0.8 KB gzip).
import { Core } from './core.js';
import {
  CHANNEL,
  countsInterval,
  markDigits,
  OUT_CANCEL_FETCH,
  OUT_CLOSE_PAIR,
  OUT_CLOSE_SOCKET,
  OUT_COMPANY,
  OUT_CREATE_PAIR,
  OUT_DELIVER,
  OUT_DIGEST_PIECE,
  OUT_END,
  OUT_FETCH_DIGESTS,
  OUT_FETCH_PIECES,
  OUT_FORGET,
  OUT_OPEN_SOCKET,
  OUT_PENDING,
  OUT_REMOTE_CANDIDATE,
  OUT_REMOTE_DESCRIPTION,
  OUT_REPORT,
  OUT_RESTART_PAIR,
  OUT_SEND_BLOCK,
  OUT_SEND_CONTROL,
  OUT_SEND_MESSAGE,
  OUT_STORE_RUN,
  OUT_TAKE_BLOCK,
  OUT_TOLD,
  PEER_AHEAD,
  PEER_COUNTING,
  PEER_HIDDEN,
  PEER_IDLE,
  PEER_LEADING,
  PEER_LIST_COMPLETE,
  PEER_LOCAL_CANDIDATE,
  PEER_LOCAL_DESCRIPTION,
  PEER_NETWORK_CHANGED,
  PEER_PATH,
  PEER_REPORT,
  PEER_ROUTE,
  PEER_START,
  PEER_TRANSFER,
  PEER_TRANSFERRED,
  PEER_UNREADABLE,
  PEER_UPLOAD,
} from '../build/border.js';
import { inTime, Store } from '../sw/store.js';
import { adopt } from './adopt.js';
import { Channels } from './channels.js';
import { Fetches } from './fetches.js';
import { listenHere } from './link.js';
import { Pieces } from './pieces.js';
import { Readers } from './readers.js';
import { Resources } from './resources.js';
import { Seeder } from './seeder.js';
import { attempt } from './settings.js';
import { Socket } from './socket.js';
import { acknowledge, stream } from './stream.js';
import { gather } from './whole.js';

/** @typedef {import('../build/border.js').ErrorCode} ErrorCode */
/** @typedef {import('./link.js').ToHand} ToHand */
/** @typedef {import('./link.js').HeadOptions} HeadOptions */

/** What the page calls, perhaps from another thread: results come by other calls. */
export class Head {
  #hand;
  #core;
  #channels;
  #pieces;
  #fetches;
  #socket;
  #seeder;
  #store;
  #useStore = (/** @type {Store | null} */ _) => {};
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** The site's channel and lock are named alike. */
  #name = `${CHANNEL}`;
  /** The store's name. */
  #cache = '';
  #onJoined = () => {};
  #manifest = new Promise((/** @type {(value: void) => void} */ resolve) => (this.#onJoined = resolve));
  #over = new AbortController();
  /** Until the page has reported. @type {AbortController | null} null: it does not report */
  #counting = null;
  #isStopped = false;
  #isAdopting = false;
  #isLeading = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #telling;
  #peers = 0;
  /** The cap on the sum of uploads is one of the page's life. */
  #sentBefore;
  /** @type {MessagePort | null} the service worker's */
  #worker = null;
  /** @type {Map<number, AbortController>} the page's own reads */
  #reads = new Map();

  /**
   * Throws where wasm is refused.
   * @param {ToHand} hand
   * @param {HeadOptions} options
   */
  constructor(hand, { ahead, orFetch, socket, browser, hasWebRtc, counts, reports }) {
    this.#hand = hand;
    if (reports) this.#counting = new AbortController();
    const core = new Core(
      this.#performer(),
      (peers) => this.#tellCounts(peers),
      () => this.#fail(),
    );
    this.#core = core;
    const report = (/** @type {ErrorCode} */ code) => hand('report', [code]);
    this.#store = new Promise((/** @type {(store: Store | null) => void} */ resolve) => (this.#useStore = resolve));
    this.listing = new Resources(core);
    this.#pieces = new Pieces(core, this.listing, this.#store, (type, root, begin, end) =>
      this.#channel?.postMessage({ type, root, begin, end }),
    );
    this.readers = new Readers(core, this.#pieces);
    this.#fetches = new Fetches(core, this.listing, this.#pieces);
    this.#channels = new Channels(core, (bytes) => void (this.#pieces.wasted += bytes));
    this.#sentBefore = this.#channels.sent = counts.sent;
    this.#pieces.received = counts.received;
    this.#seeder = new Seeder(this.listing, this.#store, this.#pieces);
    this.#socket = new Socket(core, socket, report, () => hand('informed', []));
    core.tell(PEER_START, browser, Math.floor(Math.random() * 2 ** 48), hasWebRtc);
    core.tell(PEER_AHEAD, ...ahead);
    if (!hasWebRtc) hand('informed', []);
    this.manifest(orFetch);
  }

  /** It is known whose page this is: now there are a store, a channel, a manifest. @param {import('./bridge.js').Site} site */
  join({ end, cache, manifest }) {
    if (this.#isStopped) return;
    this.#name += end;
    this.#cache = cache;
    this.listing.path = manifest;
    this.#channel = attempt(() => new BroadcastChannel(this.#name), null);
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#hear(data);
    const store = new Store(cache, () => {
      this.#channel?.postMessage({ type: 'emptied', cache });
      this.#forgetHeld();
    });
    const opening = store.reopen();
    opening.then(
      () => this.#useStore(store),
      () => this.#useStore(null),
    );
    // One that opens late refuses until then whatever is asked of it, and is read when it is there.
    inTime(opening).catch(() => {
      this.#useStore(store);
      opening.then(() => this.manifest()).catch(() => {});
    });
    // All tabs hear of each transfer: one of them counts it.
    if (this.#counting) this.#hold(`${this.#name} report`, () => this.#core.call(PEER_COUNTING), this.#counting.signal);
    this.#onJoined();
  }

  // --- The page's life ---------------------------------------------------------------------------

  /**
   * Ends everything. What is verified is still written, unless the browser drops it.
   * @param {ErrorCode} code
   * @param {boolean} [_isKept] whoever calls from another thread ends that
   * @returns {Promise<unknown>} resolves when it is written
   */
  stop(code, _isKept) {
    if (!this.#isStopped) {
      this.#isStopped = true;
      this.#core.stop();
      this.#end(code);
    }
    return this.#pieces.written();
  }

  /** @param {import('./settings.js').Upload} upload */
  upload({ on, bytesPerSecond, bytes }) {
    // The core counts whole bytes, and 0 is no cap.
    this.#core.tell(PEER_UPLOAD, on, Math.ceil(bytesPerSecond), Math.ceil(bytes), this.#sentBefore);
  }

  /** The page has nothing else to do: connections may be made before they are needed. @param {boolean} savesData */
  idle(isHidden = false, savesData = false) {
    this.#core.tell(PEER_IDLE, isHidden, savesData);
  }

  /** Nobody sees the page: it may be gone any time. */
  hidden() {
    this.#core.tell(PEER_HIDDEN);
  }

  /** The page has reported, and does so once: another tab counts from now on. */
  reported() {
    this.#counting?.abort();
  }

  networkChanged() {
    this.#core.tell(PEER_NETWORK_CHANGED);
  }

  /** @param {string[]} urls what the page had loaded before the worker was there */
  loaded(urls) {
    return adopt(this.#core, this.listing, this.#pieces, urls, () => this.#isStopped).catch(() => {});
  }

  // --- Requests ----------------------------------------------------------------------------------

  /** The service worker's requests come by this port from now on. @param {MessagePort} port */
  meet(port) {
    this.#worker?.close();
    this.#worker = port;
    port.onmessage = ({ data, ports: [answers] }) => {
      if (answers && acknowledge(data, answers)) this.delegate(data, answers);
    };
  }

  /** @param {import('./stream.js').Delegation} request @param {MessagePort} port */
  delegate(request, port) {
    if (this.#isStopped) return port.postMessage({ type: 'none', code: 'engine-failed' });
    const handle = this.listing.handle(request);
    this.#pieces.unstored[request.cache === 'no-store' ? 'add' : 'delete'](handle);
    stream(this.readers, handle, request, port);
  }

  /**
   * The page reads a whole resource itself (the long form); `whole` follows, unless it is given up.
   * @param {number} id
   * @param {string} url
   * @param {number} timeoutAfter
   */
  async read(id, url, timeoutAfter) {
    const abort = new AbortController();
    this.#reads.set(id, abort);
    // Of what is no request, or finds no memory, there is nothing to give.
    const whole = await gather(this, url, timeoutAfter, abort.signal).catch(() => null);
    if (this.#reads.delete(id)) this.#hand('whole', [id, whole], whole ? [whole.body] : []);
  }

  /** @param {number} id */
  unread(id) {
    this.#reads.get(id)?.abort();
    this.#reads.delete(id);
  }

  // --- The manifest ------------------------------------------------------------------------------

  /** Reads the manifest (again), and tells the core what is held. */
  manifest(orFetch = false) {
    this.#manifest = this.#manifest
      .then(async () => {
        const store = await this.#store;
        const bad = await this.listing.load(store, orFetch);
        if (this.#isStopped) return;
        for (const path of bad) this.#hand('report', ['malformed-manifest', path]);
        if (this.listing.disabled) return this.#hand('disabled', [this.listing.text ?? '']);
        this.listing.list();
        await this.listing.announce(store).catch(() => this.#hand('report', ['storage-lost']));
        this.#core.tell(PEER_LIST_COMPLETE);
        this.#adopt();
        // Where nothing is listed there is nothing to wait for.
        if (this.listing.text !== undefined && this.listing.listed.size === 0) this.#hand('informed', []);
      })
      .catch(() => this.#hand('report', ['malformed-manifest', this.listing.path]));
    return this.#manifest;
  }

  /** Resolves when the manifest that is known was read. */
  ready() {
    return this.#manifest;
  }

  // --- Connections, as the page has them ---------------------------------------------------------

  /** @param {number} pair @param {RTCDataChannel} control @param {RTCDataChannel} data */
  channels(pair, control, data) {
    this.#channels.add(pair, control, data);
  }

  /** @param {number} pair @param {boolean} isOffer @param {string} sdp */
  localDescription(pair, isOffer, sdp) {
    this.#core.tell(PEER_LOCAL_DESCRIPTION, sdp, pair, isOffer);
  }

  /** @param {number} pair @param {string} midAndCandidate a line each @param {number} line */
  localCandidate(pair, midAndCandidate, line) {
    this.#core.tell(PEER_LOCAL_CANDIDATE, midAndCandidate, pair, line);
  }

  /** @param {number} pair @param {number} state a PathState (src/bind/border.hpp) */
  path(pair, state) {
    this.#core.tell(PEER_PATH, pair, state);
  }

  /** @param {number} pair @param {import('./diagnosis.js').Path} route */
  routed(pair, route) {
    this.#core.call(PEER_ROUTE, route, pair);
    this.#count();
  }

  // -----------------------------------------------------------------------------------------------

  #fail() {
    this.#isStopped = true;
    this.#end('engine-failed');
    this.#hand('failed', []);
  }

  /** @param {ErrorCode} code */
  #end(code) {
    this.#tellCounts();
    this.readers?.endAll(code);
    // What waits to be written waits for none any more.
    this.#useStore(null);
    this.#fetches?.cancelAll();
    this.#socket?.close();
    this.#worker?.close();
    // What is still written is still told. The worker stores itself what it was handed, and is not told of.
    void this.#pieces?.written().then(() => this.#channel?.close());
    for (const abort of this.#reads.values()) abort.abort();
    this.#over.abort();
    this.#counting?.abort();
  }

  /** The store was gone, and is another one now. */
  #forgetHeld() {
    if (this.listing.dropAll()) this.#hand('report', ['storage-lost']);
  }

  // Once, and only when it is known what is listed.
  #adopt() {
    if (this.#isAdopting || this.listing.listed.size === 0) return;
    this.#isAdopting = true;
    this.#hand('adopt', []);
  }

  // One tab of a browser announces what it can serve, and owns the budget of uploads. A page without a socket leads nobody: in
  // Firefox a lock keeps it out of the back/forward cache, as a socket does. By the second lock the page knows that its engine
  // lives.
  #lead() {
    if (this.#isLeading) return;
    this.#isLeading = true;
    // A request may come before it is known whose the page is.
    this.#store.then(() => this.#hold(this.#name, () => this.#core.tell(PEER_LEADING, true)));
    const life = this.#name + Math.random();
    this.#hold(life, () => this.#hand('lives', [life]));
  }

  /**
   * What one tab of a browser does at a time; where the browser has no locks, or denies them as storage, each.
   * @param {string} name
   * @param {() => void} begin
   * @param {AbortSignal} [signal] until when
   */
  async #hold(name, begin, signal = this.#over.signal) {
    const released = new Promise((resolve) => signal.addEventListener('abort', resolve));
    try {
      await navigator.locks.request(name, { signal }, () => {
        begin();
        return released;
      });
    } catch {
      if (!signal.aborted) begin();
    }
  }

  /** @param {import('./bridge.js').News | null} message */
  #hear(message) {
    if (message?.type === 'manifest') this.manifest();
    if (message?.type === 'stored') {
      this.#manifest.then(() => this.listing.held(message.root, message.begin, message.end));
    }
    if (message?.type === 'emptied' && message.cache === this.#cache) {
      this.#store.then((store) => store?.reopen()).catch(() => {});
      this.#manifest.then(() => this.#forgetHeld());
    }
    if (message?.type === 'error' && message.code === 'storage-full') {
      const resource = this.listing.find(message.url);
      if (resource) this.#pieces.unstored.add(this.listing.handle(resource));
    }
    if (message?.type === 'dropped') this.#manifest.then(() => this.listing.dropped(message.root));
    if (message?.type === 'transfer' && this.#counting) {
      const { id, fromPeers, fromOrigin, fromCache, wasted, done } = message;
      this.#core.call(PEER_TRANSFERRED, id, fromPeers, fromOrigin, fromCache, wasted, done);
      this.#count();
    }
    if (message?.type === 'transfer') {
      this.#core.tell(PEER_TRANSFER, this.listing.handleOf(message.root), message.fromOrigin, message.done);
    }
  }

  /** How many pairs there are is told at once, how many bytes at an interval. */
  #tellCounts(peers = this.#peers) {
    this.#peers = peers;
    clearTimeout(this.#telling);
    this.#telling = undefined;
    const report = this.#counting ? this.#core.callText(PEER_REPORT) : '';
    this.#hand('counts', [peers, this.#channels.sent, this.#pieces.received, report]);
  }

  #count() {
    this.#telling ??= setTimeout(() => this.#tellCounts(), countsInterval);
  }

  /** What the core decides. @returns {import('../build/border.js').PeerPerformer} */
  #performer() {
    const hand = this.#hand;
    const rootOf = (/** @type {number} */ handle) => this.listing.get(handle).root;
    return {
      [OUT_OPEN_SOCKET]: () => {
        this.#lead();
        this.#socket.open();
      },
      [OUT_CLOSE_SOCKET]: () => this.#socket.close(),
      [OUT_SEND_MESSAGE]: ({ together, fields }) => this.#socket.send(fields, together),
      [OUT_TOLD]: ({ informs, come, marks }) => {
        const all = [...new Uint32Array(marks.slice().buffer)].map((mark) => mark.toString(16).padStart(markDigits, '0'));
        hand('present', [{ add: all.slice(0, come), remove: all.slice(come) }]);
        if (informs) hand('informed', []);
      },
      [OUT_CREATE_PAIR]: ({ pair, offer }) => hand('create', [pair, offer > 0]),
      [OUT_REMOTE_DESCRIPTION]: ({ pair, offer, sdp }) => hand('describe', [pair, offer > 0, sdp]),
      [OUT_REMOTE_CANDIDATE]: ({ pair, line, midAndCandidate }) => hand('candidate', [pair, line, midAndCandidate]),
      [OUT_RESTART_PAIR]: ({ pair }) => hand('restart', [pair]),
      [OUT_CLOSE_PAIR]: ({ pair }) => {
        this.#channels.drop(pair);
        hand('close', [pair]);
      },
      [OUT_SEND_CONTROL]: ({ pair, frame }) => this.#channels.sendControl(pair, frame),
      [OUT_SEND_BLOCK]: ({ pair, resource: handle, piece, offset, bytes, inMemory, header }) => {
        const kept = header.slice();
        this.#seeder.read(handle, piece, offset, bytes, inMemory, (payload) => {
          if (payload) this.#channels.sendBlock(pair, kept, payload);
          else this.#core.tell(PEER_UNREADABLE, pair, handle, piece);
          this.#count();
        });
      },
      [OUT_TAKE_BLOCK]: ({ resource: handle, piece, offset, bytes }) => {
        this.#pieces.take(handle, piece, offset, bytes, this.#channels.takeMessage());
        this.#count();
      },
      [OUT_DIGEST_PIECE]: ({ resource, piece }) => this.#pieces.digest(resource, piece),
      [OUT_FETCH_DIGESTS]: ({ resource }) => void this.#pieces.fetchDigests(resource),
      [OUT_DELIVER]: ({ reader, resource, piece, from }) => this.readers.deliver(reader, resource, piece, from),
      [OUT_PENDING]: ({ reader, warm }) => this.readers.pending(reader, warm),
      [OUT_END]: ({ reader, code }) => {
        // Whoever has the last byte may look at once.
        this.#tellCounts();
        this.readers.end(reader, /** @type {ErrorCode | ''} */ (code) || null);
      },
      [OUT_STORE_RUN]: ({ resource, begin, end }) => this.#pieces.storeRun(resource, begin, end),
      [OUT_FORGET]: ({ resource, piece }) => this.#pieces.forget(resource, piece),
      [OUT_FETCH_PIECES]: ({ fetch, resource, begin, end }) => this.#fetches.fetch(fetch, resource, begin, end),
      [OUT_CANCEL_FETCH]: ({ fetch }) => this.#fetches.cancel(fetch),
      [OUT_COMPANY]: ({ resource }) => hand('company', [rootOf(resource)]),
      [OUT_REPORT]: ({ code }) => hand('report', [/** @type {ErrorCode} */ (code)]),
    };
  }
}

listenHere(Head);
