// A browser's worth of fakes for web/ in Node: Cache Storage, connections, and a coordinator that introduces everybody.
import { CACHE_PREFIX, MANIFEST_PATH, protocolVersion, SOCKET_PATH } from '../../build/border.js';

/** Cache Storage in memory, one Cache a name; no expiry, no quota. */
export class FakeCaches {
  #caches = new Map();

  async keys() {
    return [...this.#caches.keys()];
  }

  async has(name) {
    return this.#caches.has(name);
  }

  async match(request, { cacheName }) {
    return this.#caches.get(cacheName)?.match(request);
  }

  async open(name) {
    if (!this.#caches.has(name)) this.#caches.set(name, new FakeCache());
    return this.#caches.get(name);
  }
}

class FakeCache {
  #entries = new Map();
  #url = (request) => new URL(request, location.href).href;

  async match(request) {
    return this.#entries.get(this.#url(request))?.clone();
  }
  async put(request, response) {
    const body = await response.arrayBuffer();
    this.#entries.set(this.#url(request), new Response(body, { headers: response.headers }));
  }
  async delete(request) {
    return this.#entries.delete(this.#url(request));
  }
  async keys(request, { ignoreSearch = false } = {}) {
    const bare = (url) => (ignoreSearch ? url.split('?')[0] : url);
    return [...this.#entries.keys()].filter((url) => !request || bare(url) === bare(this.#url(request))).map((url) => ({ url }));
  }
}

class FakeChannel {
  readyState = 'connecting';
  bufferedAmount = 0;
  constructor(label) {
    this.label = label;
  }
  send(message) {
    if (this.readyState !== 'open') throw new Error('InvalidStateError');
    const data = message.slice().buffer;
    FakeConnection.messages.push({ label: this.label, data });
    queueMicrotask(() => this.twin.onmessage?.({ data }));
  }
}

/** Finds its other side by the number in its description. Offer, answer, open; candidates are checked, not needed. */
export class FakeConnection {
  static made = [];
  static messages = [];
  static reset() {
    FakeConnection.made = [];
    FakeConnection.messages = [];
  }

  connectionState = 'new';
  signalingState = 'stable';
  localDescription = null;
  channels = [];
  candidates = [];
  onicecandidate = null;
  onconnectionstatechange = null;

  constructor(configuration) {
    if (configuration.iceServers === 'refused') throw new Error('SyntaxError');
    this.number = FakeConnection.made.push(this) - 1;
  }
  createDataChannel(label, { id, negotiated, ordered }) {
    if (!negotiated || !ordered) throw new Error('not as agreed');
    this.channels[id] = new FakeChannel(label);
    return this.channels[id];
  }
  async setLocalDescription() {
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
    this.localDescription = { type, sdp: `v=0 ${this.number}` };
    this.signalingState = type === 'offer' ? 'have-local-offer' : 'stable';
    setTimeout(() =>
      this.onicecandidate?.({ candidate: { candidate: `candidate:${this.number}`, sdpMid: '0', sdpMLineIndex: 0 } }),
    );
    setTimeout(() => this.onicecandidate?.({ candidate: null }));
  }
  async setRemoteDescription({ type, sdp }) {
    const number = /^v=0 (\d+)$/.exec(sdp)?.[1];
    if (number === undefined) throw new Error('OperationError');
    this.twin = FakeConnection.made[number];
    this.signalingState = type === 'offer' ? 'have-remote-offer' : 'stable';
    if (type === 'answer') setTimeout(() => this.#open());
  }
  async addIceCandidate({ candidate }) {
    if (!this.twin) throw new Error('InvalidStateError: no remote description');
    this.candidates.push(candidate);
  }
  restartIce() {}
  close() {
    this.connectionState = 'closed';
    for (const channel of this.channels) {
      channel.readyState = 'closed';
      const twin = channel.twin;
      if (twin?.readyState !== 'open') continue;
      twin.readyState = 'closed';
      setTimeout(() => twin.onclose?.({}));
    }
  }
  #open() {
    this.channels.forEach((channel, id) => {
      const twin = this.twin.channels[id];
      [channel.twin, twin.twin] = [twin, channel];
      channel.readyState = twin.readyState = 'open';
    });
    for (const side of [this, this.twin]) {
      for (const channel of side.channels) channel.onopen?.({});
    }
  }
}

/**
 * Sockets to one coordinator that knows who has what, and introduces every asker to every holder. It is lean, unless a test says
 * that it is one of version 1's beginning.
 */
export class FakeSocket {
  static all = [];
  static messages = [];
  static lean = true;
  static reset() {
    FakeSocket.all = [];
    FakeSocket.messages = [];
    FakeSocket.lean = true;
  }

  readyState = 0;
  held = new Set();
  constructor() {
    this.peer = FakeSocket.all.push(this);
    setTimeout(() => {
      if (this.readyState !== 0) return;
      this.readyState = 1;
      this.onopen?.({});
    });
  }
  send(text) {
    const message = JSON.parse(text);
    FakeSocket.messages.push(message);
    queueMicrotask(() => this.#handle(message));
  }
  close() {
    this.readyState = 3;
  }
  tell(message) {
    if (this.readyState === 1) this.onmessage?.({ data: JSON.stringify(message) });
  }
  /** Whom the offer of its last ask went to. */
  offered = 0;
  #others = () => FakeSocket.all.filter((socket) => socket !== this && socket.readyState === 1);
  #handle(message) {
    const marks = (roots) => [...roots].map((root) => root.slice(0, 8));
    const tellAll = () =>
      this.tell({ type: 'present', whole: true, add: marks(this.#others().flatMap((other) => [...other.held])), remove: [] });
    if (message.type === 'hello') {
      const lean = FakeSocket.lean ? { lean: true } : {};
      this.tell({ type: 'welcome', version: protocolVersion, peer: this.peer, ...lean });
      tellAll();
    } else if (message.type === 'want') {
      tellAll();
    } else if (message.type === 'have') {
      for (const root of message.add) this.held.add(root);
      for (const root of message.remove) this.held.delete(root);
      for (const other of this.#others()) other.tell({ type: 'present', add: marks(message.add), remove: marks(message.remove) });
    } else if (message.type === 'ask') {
      const holders = message.roots.map((root) => this.#others().filter(({ held }) => held.has(root)));
      const all = [...new Set(holders.flat())];
      const given = message.description && all.shift();
      if (given) {
        this.offered = given.peer;
        given.tell({ type: 'introduce', peer: this.peer, offer: false, brought: true });
        given.tell({ type: 'signal', peer: this.peer, description: message.description });
      }
      const answer = { type: 'answer', roots: message.roots, peers: holders.map(({ length }) => length) };
      this.tell(given ? { ...answer, offered: given.peer } : answer);
      for (const holder of all) {
        holder.tell({ type: 'introduce', peer: this.peer, offer: true });
        this.tell({ type: 'introduce', peer: holder.peer, offer: false });
      }
    } else if (message.type === 'signal') {
      FakeSocket.all[(message.peer || this.offered) - 1]?.tell({ ...message, peer: this.peer });
    }
  }
}

/**
 * What the modules of web/ find in a browser. Cache names keep visitors apart; tabs of one browser are not played. So
 * visitors share no locks and no storage: Node has both, one for the whole process, and of two visitors that share the
 * lock only one would announce what it holds.
 */
export function install() {
  for (const [name, value] of Object.entries({ navigator: {}, localStorage: undefined })) {
    Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
  }
  Object.assign(globalThis, {
    location: new URL('https://site.test/'),
    isSecureContext: true,
    caches: new FakeCaches(),
    RTCPeerConnection: FakeConnection,
    WebSocket: FakeSocket,
    BroadcastChannel: undefined,
    fetch: async () => new Response(null, { status: 404 }),
  });
}

/** What a worker answers to a hello: whose it is. Nothing, where a test's worker is to say it. */
let introduce = () => {};
export const SITE = {
  type: 'site',
  scope: 'https://site.test/',
  end: '',
  cache: `${CACHE_PREFIX}1`,
  manifest: MANIFEST_PATH,
  open: 0,
  code: '',
};

/** The worker's side of a page's hello. */
export const hearHello = ({ type }) => type === 'hello' && queueMicrotask(() => introduce());

/**
 * BroadcastChannel between a test, as the worker, and the pages of this process. The worker says whose it is.
 * @param {import('node:test').TestContext} t
 * @param {object | null} [site]
 */
export function fakeWorkerChannel(t, site = SITE) {
  const open = new Set();
  globalThis.BroadcastChannel = class {
    onmessage = null;
    constructor() {
      open.add(this);
    }
    postMessage() {}
    close() {
      open.delete(this);
    }
  };
  const tell = (data) => [...open].forEach((channel) => channel.onmessage?.({ data }));
  introduce = () => site && tell(site);
  t.after(() => {
    globalThis.BroadcastChannel = undefined;
    introduce = () => {};
  });
  return tell;
}

/**
 * navigator.serviceWorker of a page, and the worker behind it. A test says when the script has come, when it is active and
 * when it controls the page; the worker keeps which pages said hello, as sw/pages.js does.
 */
export class FakeContainer extends EventTarget {
  controller = null;
  /** What register() was called with. */
  registered = [];
  /** Whether the worker asks this page for pieces, and what the page's last hello said of who answers. */
  knowsPage = false;
  form = '';
  #worker = Object.assign(new EventTarget(), { state: 'installing', postMessage: (message) => this.#hear(message) });
  #registration = { scope: SITE.scope, installing: this.#worker, waiting: null, active: null };
  #isLoaded = false;
  #loaded;
  #load;
  #ready;
  ready = new Promise((resolve) => (this.#ready = resolve));

  /** @param {'loading' | 'installing' | 'activated' | 'controlling'} state how far the worker is */
  constructor(state) {
    super();
    this.#loaded = new Promise((resolve) => (this.#load = resolve));
    if (state !== 'loading') this.load();
    if (state === 'activated' || state === 'controlling') this.activate();
    if (state === 'controlling') this.control();
    Object.defineProperty(globalThis, 'navigator', { configurable: true, writable: true, value: { serviceWorker: this } });
  }
  async register(script, options) {
    this.registered.push([script, options]);
    return this.#loaded;
  }
  async getRegistration() {
    return this.#isLoaded ? this.#registration : undefined;
  }
  load() {
    this.#isLoaded = true;
    this.#load(this.#registration);
  }
  activate() {
    Object.assign(this.#registration, { installing: null, active: this.#worker });
    this.#worker.state = 'activated';
    this.#worker.dispatchEvent(new Event('statechange'));
    this.#ready(this.#registration);
  }
  fail() {
    this.#worker.state = 'redundant';
    this.#worker.dispatchEvent(new Event('statechange'));
  }
  control() {
    this.controller = this.#worker;
    this.dispatchEvent(new Event('controllerchange'));
  }
  /**
   * The worker asks the page for pieces.
   * @returns {any[]} what comes back on the port, one after another
   */
  ask(request) {
    const { port1, port2 } = new MessageChannel();
    const answers = [];
    port1.on('message', (message) => answers.push(message));
    port1.unref();
    port2.unref();
    this.dispatchEvent(Object.assign(new Event('message'), { data: { peerCdn: protocolVersion, ...request }, ports: [port2] }));
    return answers;
  }
  #hear({ type, form }) {
    hearHello({ type });
    if (type === 'hello') [this.knowsPage, this.form] = [true, form];
    if (type === 'bye') this.knowsPage = false;
  }
}

/**
 * A page whose engine runs in it, as in every browser without workers that channels can be transferred to.
 * @param {import('node:test').TestContext} t
 * @param {object} options of Page
 * @param {object} [listener]
 */
export async function openPage(t, options, listener = {}, upload = { on: true, bytesPerSecond: 0, bytes: 0 }) {
  const { Page } = await import('../../web/page.js');
  const silent = Object.fromEntries(
    ['report', 'peers', 'tell', 'disabled', 'failed', 'heard', 'changed', 'untransferable'].map((name) => [name, () => {}]),
  );
  const usual = { counts: { sent: 0, received: 0 }, form: 'stream', servers: {}, socket: `wss://site.test${SOCKET_PATH}` };
  const page = new Page({ ...usual, ...options }, upload, { ...silent, ...listener });
  t.after(() => page.stop());
  await page.start();
  return page;
}
