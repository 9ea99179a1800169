// A service worker that runs sw/ in Node: the bundle that sites import, evaluated anew for each worker in a scope of fakes.
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { fillIn, wasmPlugin } from '../../../scripts/encode.mjs';
import { ORIGIN } from './origin.mjs';
import { FakeClient, FakePage } from './page.mjs';
import { channelOf, request as requestOf } from './platform.mjs';
import { FakeCaches } from './storage.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The bundle and its source map, not minified: coverage.mjs finds the lines of sw/ by it. */
export async function bundle() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['sw/classic.js'],
    bundle: true,
    write: false,
    format: 'iife',
    charset: 'utf8',
    target: 'es2022',
    outfile: 'build/sw-tests.js',
    sourcemap: 'external',
    legalComments: 'none',
    plugins: [wasmPlugin],
    logLevel: 'warning',
  });
  const [map, script] = ['.map', '.js'].map((end) => outputFiles.find(({ path }) => path.endsWith(end)).text);
  return { map, script: fillIn(script, (name) => readFileSync(`${root}build/${name}.wasm`)), path: `${root}build/sw-tests.js` };
}

const { script: bundled, path: bundlePath } = await bundle();

// Everything that the bundle may find in its global scope. One function for all workers, so that coverage adds up; what is
// not named here is Node's own.
const NAMES = [
  'self',
  'globalThis',
  'addEventListener',
  'removeEventListener',
  'location',
  'navigator',
  'clients',
  'Client',
  'WindowClient',
  'caches',
  'fetch',
  'Request',
  'crypto',
  'performance',
  'Date',
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'AbortSignal',
  'BroadcastChannel',
  'MessageChannel',
  'WebAssembly',
  'registration',
  'skipWaiting',
];
const evaluate = compileFunction(bundled, NAMES, { filename: `file://${bundlePath}` });

/** One visitor's browser: what outlives a worker. */
export class Browser {
  /** @type {Map<string, FakeClient>} */
  clients = new Map();
  caches = new FakeCaches();
  /** What navigator.storage.estimate() gives, or a function that does; undefined: it is absent. */
  estimate = { quota: 1e12, usage: 0 };
  /** How far the clock of the computer is off, in milliseconds. */
  clockSkew = 0;
  /** Whether there is a BroadcastChannel, which some browsers take away from a private window. */
  hasBroadcast = true;
  /** Everything that was said on BroadcastChannel('peer-cdn') by workers, oldest first: { type, ..., at }. */
  broadcasts = [];
  #channels = new Set();
  #ids = 0;

  constructor(clock) {
    this.clock = clock;
  }

  nextId() {
    return `client-${++this.#ids}`;
  }

  /** The BroadcastChannel of one worker; `open` gathers what is to be closed with it. */
  broadcastOf(open) {
    const browser = this;
    return class {
      onmessage = null;
      constructor(name) {
        this.name = name;
        browser.#channels.add(this);
        open.add(this);
      }
      postMessage(data) {
        browser.broadcasts.push({ ...structuredClone(data), at: browser.clock.now });
        browser.#deliver(this.name, data, this);
      }
      close() {
        browser.#channels.delete(this);
      }
    };
  }

  /** A page says something to all on the channel. */
  async broadcast(data, name = 'peer-cdn') {
    this.#deliver(name, data, null);
    await this.clock.settle();
  }

  #deliver(name, data, from) {
    for (const channel of [...this.#channels]) {
      if (channel === from || channel.name !== name) continue;
      const copy = structuredClone(data);
      this.clock.task(() => this.#channels.has(channel) && channel.onmessage?.({ data: copy }));
    }
  }
}

/** The worker's script as the README has it. */
export function documented({ CachePlugin, DelegatePlugin, NetworkPlugin, strategies: { ordered }, ...more }) {
  const [cache, delegate, network] = [new CachePlugin({ version: 1 }), new DelegatePlugin(), new NetworkPlugin()];
  const cdn = new more.PeerCDN();
  cdn.GET('/static', ordered, cache.getMiddleware, delegate.getMiddleware, network.getMiddleware);
  return cdn.register();
}

export class Worker {
  /** Details of the events of `cdn`, oldest first. @type {{ error: any[], transfer: any[] }} */
  events = { error: [], transfer: [] };
  /** Calls into the core and out of it; see #webAssembly. */
  border = { calls: new Map(), crossings: 0, trapsAt: Infinity, isTrapped: false };
  #listeners = new Map();
  #timers = new Set();
  #open = new Set();
  #stopped = false;

  constructor(options) {
    const { origin, browser = new Browser(origin.clock), script = documented, isWasmAllowed = true } = options;
    // `thrown`: what its listeners threw, those of messages and ports too.
    const { clock } = origin;
    Object.assign(this, { options, origin, browser, clock, thrown: clock.thrown });
    const scope = this.#scope(isWasmAllowed);
    evaluate(...NAMES.map((name) => scope[name]));
    const { PeerCDN } = scope.self;
    const { CachePlugin, DelegatePlugin, NetworkPlugin, strategies } = PeerCDN;
    this.scope = scope.self;
    this.cdn = script({ PeerCDN, CachePlugin, DelegatePlugin, NetworkPlugin, strategies, self: scope.self });
    for (const type of Object.keys(this.events)) {
      this.cdn?.addEventListener(type, ({ detail }) => this.events[type].push(detail));
    }
  }

  /** Installs and activates it, as at a first visit. It has asked for the manifest then, and has it unless that takes longer. */
  async activate() {
    for (const type of ['install', 'activate']) await this.clock.until(this.dispatch(type).over(), type);
    await this.clock.pass(this.origin.latency);
    await this.clock.settle();
  }

  /** The browser stops it, with all that it had in memory; what comes next is another worker over the same storage. */
  stop() {
    this.#stopped = true;
    for (const id of this.#timers) this.clock.clear(id);
    for (const each of this.#open) each.close();
    this.#listeners.clear();
  }

  async restart(options = {}) {
    this.stop();
    return startWorker({ ...this.options, browser: this.browser, isInstalled: true, ...options });
  }

  /** An event of the scope; over() waits for its waitUntil(). */
  dispatch(type, fields = {}) {
    const work = [];
    const event = { type, waitUntil: (promise) => void work.push(Promise.resolve(promise)), ...fields };
    let isStopped = false;
    event.stopImmediatePropagation = () => (isStopped = true);
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      if (isStopped) break;
      try {
        (listener.handleEvent ?? listener)(event);
      } catch (error) {
        this.thrown.push(error);
      }
    }
    return Object.assign(event, { over: () => Promise.allSettled(work) });
  }

  /** A message of a client. */
  message(data, source, ports = []) {
    this.clock.task(() => this.dispatch('message', { data, source, ports, origin: ORIGIN }));
  }

  /**
   * A request of a page, as the browser hands it to the worker. Gives the response with `answered`: whether the worker
   * answered it, or left it to the browser; and with `event`.
   * @param {string} url
   * @param {RequestInit & { destination?: string, clientId?: string }} [init]
   */
  async fetch(url, { clientId = '', ...init } = {}) {
    const request = requestOf(new URL(url, ORIGIN), init);
    let answer;
    const event = this.dispatch('fetch', {
      request,
      clientId,
      resultingClientId: '',
      respondWith(response) {
        if (answer) throw new DOMException('respondWith() was called already', 'InvalidStateError');
        answer = Promise.resolve(response);
        this.stopImmediatePropagation();
      },
    });
    const answered = answer !== undefined;
    const got = answer ?? this.origin.fetch(request, undefined, 'browser');
    const response = await this.clock.until(got, `an answer to ${url}`).catch((error) => {
      throw Object.assign(new TypeError('Failed to fetch', { cause: error }), { answered });
    });
    if (!(response instanceof Response) || response.bodyUsed || response.body?.locked) {
      throw Object.assign(new TypeError('Failed to fetch'), { answered });
    }
    const told = { answered, event };
    for (const name of ['arrayBuffer', 'text', 'json', 'blob']) {
      const read = response[name].bind(response);
      told[name] = () => this.clock.until(read(), `the body of ${url}`);
    }
    told.bytes = async () => new Uint8Array(await told.arrayBuffer());
    return Object.assign(response, told);
  }

  /** A page of the site. It says hello, unless it is told not to. */
  async page({ form = 'stream', hello = true } = {}) {
    const page = new FakePage(() => this.browser.worker, this.browser, this.browser.nextId());
    if (hello) await page.hello(form);
    return page;
  }

  /** Broadcasts of one type, oldest first. */
  told(type) {
    return this.browser.broadcasts.filter((each) => each.type === type);
  }

  /** The core traps after so many more calls into it, and at each one after that. */
  trap(after = 0) {
    this.border.trapsAt = this.border.crossings + after;
  }

  #scope(isWasmAllowed) {
    const { clock, browser, origin } = this;
    const born = clock.now;
    const listen = (type, listener) => {
      if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
      this.#listeners.get(type).add(listener);
    };
    const timer =
      (kind) =>
      (...args) => {
        const id = this.#stopped ? 0 : clock[kind](...args);
        this.#timers.add(id);
        return id;
      };
    const fetch = async (input, init) => {
      if (this.#stopped) return new Promise(() => {});
      return origin.fetch(input, init);
    };
    const scope = {
      addEventListener: listen,
      removeEventListener: (type, listener) => this.#listeners.get(type)?.delete(listener),
      location: new URL(`${ORIGIN}/sw.js`),
      navigator: this.#navigator(),
      clients: {
        get: async (id) => browser.clients.get(id),
        matchAll: async () => [...browser.clients.values()],
        claim: async () => {},
      },
      Client: FakeClient,
      WindowClient: FakeClient,
      caches: browser.caches,
      fetch,
      Request: class extends Request {
        constructor(input, init) {
          super(input instanceof Request ? input : new URL(input, ORIGIN), init);
        }
      },
      crypto: {
        subtle: { digest: (...args) => clock.during(crypto.subtle.digest(...args)) },
        getRandomValues: (array) => crypto.getRandomValues(array),
        randomUUID: () => crypto.randomUUID(),
      },
      performance: { now: () => clock.now - born, timeOrigin: EPOCH + born },
      Date: class extends Date {
        constructor(...args) {
          super(...(args.length > 0 ? args : [EPOCH + clock.now]));
        }
        static now() {
          return EPOCH + clock.now + browser.clockSkew;
        }
      },
      setTimeout: timer('setTimeout'),
      setInterval: timer('setInterval'),
      clearTimeout: (id) => clock.clear(id),
      clearInterval: (id) => clock.clear(id),
      AbortSignal: class extends AbortSignal {
        static timeout(ms) {
          const abort = new AbortController();
          clock.setTimeout(() => abort.abort(new DOMException('signal timed out', 'TimeoutError')), ms);
          return abort.signal;
        }
      },
      BroadcastChannel: browser.hasBroadcast ? browser.broadcastOf(this.#open) : undefined,
      MessageChannel: channelOf(clock),
      WebAssembly: this.#webAssembly(isWasmAllowed),
      registration: { scope: `${ORIGIN}/` },
      skipWaiting: async () => {},
    };
    scope.self = scope.globalThis = scope;
    return scope;
  }

  #navigator() {
    const { browser } = this;
    const estimate = async () => (typeof browser.estimate === 'function' ? browser.estimate() : browser.estimate);
    return { storage: browser.estimate === undefined ? {} : { estimate } };
  }

  // Counts what crosses the border, and lets it trap.
  #webAssembly(isAllowed) {
    const { border } = this;
    const counted = (functions) =>
      Object.fromEntries(
        Object.entries(functions).map(([name, value]) => {
          if (typeof value !== 'function') return [name, value];
          return [
            name,
            (...args) => {
              border.isTrapped ||= border.crossings++ >= border.trapsAt;
              if (border.isTrapped) throw new WebAssembly.RuntimeError('unreachable');
              border.calls.set(name, (border.calls.get(name) ?? 0) + 1);
              return value(...args);
            },
          ];
        }),
      );
    return Object.assign(Object.create(WebAssembly), {
      Module: function (bytes) {
        if (!isAllowed) throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder');
        return new WebAssembly.Module(bytes);
      },
      Instance: function (module, imports) {
        const outwards = Object.fromEntries(Object.entries(imports).map(([name, each]) => [name, counted(each)]));
        return { exports: counted(new WebAssembly.Instance(module, outwards).exports) };
      },
    });
  }
}

// Any day will do, so that Date.now() is nobody's zero.
const EPOCH = Date.UTC(2026, 0, 1);

/**
 * Starts a worker: at a first visit, installed and activated, unless `isInstalled`.
 * @param {{ origin: import('./origin.mjs').Origin, script?: Function, browser?: Browser, isInstalled?: boolean,
 *   isWasmAllowed?: boolean }} options `script`: what the site's worker does with PeerCDN; it gives the PeerCDN it made
 */
export async function startWorker({ isInstalled = false, ...options }) {
  const worker = new Worker(options);
  worker.browser.worker = worker;
  if (!isInstalled) await worker.activate();
  else await worker.clock.settle();
  return worker;
}
