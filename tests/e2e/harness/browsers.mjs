// Visitors: real browsers, each with a profile of its own, so that no two share a cache or a worker.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { CHANNEL, progressWait, STORE_PATH } from '../../../build/border.js';
import { until, within } from './until.mjs';

const chromiumFlags = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  '--mute-audio',
];

/** A flag for visitors that go back to a page as they left it. */
export const backForwardCache = '--enable-features=BackForwardCache';

const viewport = { width: 1280, height: 900 };

/** Where Debian puts them; the environment may say otherwise. */
const paths = {
  chromium: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  firefox: process.env.FIREFOX_PATH ?? '/usr/bin/firefox-esr',
};

/** Runs in every page before its own scripts: keeps what the worker says about its transfers. */
function record(name) {
  if (!('BroadcastChannel' in globalThis) || !globalThis.isSecureContext) return;
  const transfers = new Map();
  const said = [];
  /** What was told of a path so far. */
  const of = (path) => [...transfers.values()].filter(({ url }) => url === new URL(path, location.href).href);
  /** How many transfers of each URL there are once all of Visitor.fetch() is told. */
  const expected = {};
  globalThis.e2e = { transfers, forgotten: new Set(), said, expected, of };
  try {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => {
      if (data?.type === 'transfer') transfers.set(data.id, data);
      else if (said.length < 5000) said.push(data);
    };
  } catch {
    // A sandboxed frame: nothing to record.
  }
}

/** In the page: what Visitor.drop() does. */
async function dropInPage({ root, path, name }) {
  for (const each of await caches.keys()) {
    const cache = await caches.open(each);
    for (const key of await cache.keys()) if (key.url.includes(path + root)) await cache.delete(key);
  }
  const channel = new BroadcastChannel(name);
  channel.postMessage({ type: 'dropped', root });
  channel.close();
}

/** In the page: fetches, and says exactly what came, also before an error. Never rejects. */
async function fetchInPage({ url, init, abortAfter }) {
  const began = performance.now();
  const out = { url, status: 0, headers: {}, bytes: 0, sha256: '', firstByteMs: 0, ms: 0, error: null };
  const { expected = {}, of = () => [] } = globalThis.e2e ?? {};
  // The page may have fetched it otherwise.
  expected[url] = Math.max(expected[url] ?? 0, of(url).length) + 1;
  const parts = [];
  try {
    const abort = new AbortController();
    const response = await fetch(url, { ...init, signal: abort.signal });
    out.status = response.status;
    out.headers = Object.fromEntries(response.headers);
    if (response.body) {
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (out.bytes === 0) out.firstByteMs = performance.now() - began;
        parts.push(value);
        out.bytes += value.length;
        if (abortAfter !== undefined && out.bytes >= abortAfter) {
          abort.abort();
          break;
        }
      }
    }
  } catch (error) {
    out.error = `${error.name}: ${error.message}`;
  }
  out.ms = performance.now() - began;
  const digest = await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer());
  out.sha256 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return out;
}

/** One profile and its first page: a browser process of its own, or `another()` in the same one. */
export class Visitor {
  #close;
  #newPage;
  #another;

  constructor({ kind, page, newPage, close, another, profile, context, isGuest = false }) {
    this.kind = kind;
    this.page = page;
    this.context = context;
    /** Whether its browser is another visitor's, who closes it. */
    this.isGuest = isGuest;
    this.isAlive = true;
    context?.on('close', () => (this.isAlive = false));
    /** The folder of its profile, which is in the command line of its processes; another one has none. */
    this.profile = profile;
    this.#newPage = newPage;
    this.#another = another;
    this.#close = close;
  }

  /**
   * Opens a page of the site and waits until start() has resolved there with everything on ('settled': or with
   * something off; false: does not wait).
   * @param {string} url
   * @param {{ ready?: boolean | 'settled', page?: any }} [options]
   */
  async visit(url, { ready = true, page = this.page } = {}) {
    await within(`opening ${url}`, 120_000, page.goto(url));
    if (ready) {
      const state = await until(`start() in ${url}`, () =>
        this.run(() => document.documentElement.dataset.state, undefined, page),
      );
      if (ready === true && state !== 'ready') throw new Error(`start(): ${state}`);
    }
    return this;
  }

  /** Another tab of the same browser. */
  newTab() {
    return this.#newPage();
  }

  /**
   * The same browser with a page of its own, and what tabs it opens: close() closes these, and leaves the browser.
   * @param {Function} [init] Runs in each of them before its scripts.
   */
  async anotherPage(init) {
    const pages = [];
    const newPage = async () => {
      const page = await this.#newPage();
      pages.push(page);
      if (init) await page.addInitScript(init);
      return page;
    };
    const close = () => Promise.all(pages.map((page) => page.close()));
    return new Visitor({ ...this, page: await newPage(), newPage, close, another: this.#another, isGuest: true });
  }

  /**
   * Another visitor in the same browser process, with storage, and so a worker, of its own (Chromium only).
   * @returns {Promise<Visitor>}
   */
  another() {
    return this.#another();
  }

  /** Runs a function in the page. @param {Function} work @param {unknown} [argument] */
  run(work, argument, page = this.page) {
    return page.evaluate(work, argument);
  }

  /**
   * Fetches in the page: status, headers, bytes, SHA-256, times, and `error` where the body broke.
   * @param {string} url
   * @param {{ init?: RequestInit, withinMs?: number, page?: any, abortAfter?: number }} [options]
   */
  fetch(url, { init = {}, withinMs = 120_000, page = this.page, abortAfter } = {}) {
    return within(`fetch of ${url} in ${this.kind}`, withinMs, this.run(fetchInPage, { url, init, abortAfter }, page));
  }

  /** Sums of what the worker reported for a path: where the bytes came from. Waits until all of it is reported done. */
  async sources(url, page = this.page) {
    // The worker tells of transfers together, some time after the last byte: nothing says that there is no more to tell, unless
    // each fetch of the only page is told of.
    const isAlone = this.context?.pages().filter((each) => each.url().startsWith('http')).length === 1;
    const list = await until(`transfers of ${url} to end`, async () => {
      const told = await this.transfers(url, page);
      const isEnd = (each) => each.length > 0 && each.length === told.length && each.every(({ done }) => done);
      if (!isEnd(told)) return null;
      if (isAlone && (await this.#isAllTold(url, page))) return told;
      await new Promise((resolve) => setTimeout(resolve, 3 * progressWait));
      const all = await this.transfers(url, page);
      return isEnd(all) ? all : null;
    });
    const sum = (name) => list.reduce((total, one) => total + (one[name] ?? 0), 0);
    return {
      fromCache: sum('fromCache'),
      fromPeers: sum('fromPeers'),
      fromOrigin: sum('fromOrigin'),
      wasted: sum('wasted'),
      codes: list.map(({ code }) => code).filter(Boolean),
      count: list.length,
    };
  }

  /** What the worker reported for a path so far. */
  transfers(url, page = this.page) {
    return this.run((path) => globalThis.e2e.of(path).filter(({ id }) => !globalThis.e2e.forgotten.has(id)), url, page);
  }

  /** Whether each fetch() of a URL that this page has made is a transfer that was told to its end. */
  #isAllTold(url, page) {
    return this.run(
      (path) => {
        const told = globalThis.e2e.of(path);
        return told.length === globalThis.e2e.expected[path] && told.every(({ done }) => done);
      },
      url,
      page,
    );
  }

  /** Forgets earlier transfers, so that sums are of what comes next. */
  forget(page = this.page) {
    return this.run(
      () => {
        for (const id of globalThis.e2e.transfers.keys()) globalThis.e2e.forgotten.add(id);
      },
      undefined,
      page,
    );
  }

  /** The store loses a file, as the worker's eviction would have it. @param {string} root */
  drop(root, page = this.page) {
    return this.run(dropInPage, { root, path: STORE_PATH, name: CHANNEL }, page);
  }

  /** The keys of everything in Cache Storage. */
  stored() {
    return this.run(async () => {
      const all = [];
      for (const name of await caches.keys()) {
        for (const request of await (await caches.open(name)).keys())
          all.push(new URL(request.url).pathname + new URL(request.url).search);
      }
      return all;
    });
  }

  /** Resolves when every piece of a listed resource is in Cache Storage: a page writes when nobody waits for it. */
  untilStored({ root, bytes, pieceBytes }) {
    return until(`${root.slice(0, 8)} is stored`, async () => {
      const held = new Set();
      for (const key of await this.stored()) {
        if (!key.startsWith(`${STORE_PATH}${root}?`)) continue;
        const [begin, end] = key.split('?')[1].split('-').map(Number);
        for (let piece = begin; piece < end; ++piece) held.add(piece);
      }
      return held.size === Math.ceil(bytes / pieceBytes);
    });
  }

  /** Stops the site's service workers, as the browser does when it likes (Chromium only). */
  async stopWorkers(page = this.page) {
    const session = await this.context.newCDPSession(page);
    await session.send('ServiceWorker.enable');
    await session.send('ServiceWorker.stopAllWorkers');
    await session.detach();
  }

  /**
   * Stops the site's service workers, starts the page's one again by a request that is not ours, and waits until it has
   * heard the page: a busy machine may take longer for the hello than a request waits for it.
   */
  async restartWorker(page = this.page) {
    await this.run(() => (globalThis.e2e.said.length = 0), undefined, page);
    await this.stopWorkers(page);
    await until('the restarted worker has asked who is there, and heard the page', async () => {
      // Again each time: it may have been the stopping worker's.
      await this.fetch('/page.js', { page });
      return this.run(
        () => {
          const types = globalThis.e2e.said.map(({ type }) => type);
          return types.includes('who') && types.lastIndexOf('busy') > types.lastIndexOf('who');
        },
        undefined,
        page,
      );
    });
  }

  async close() {
    await within(`closing ${this.kind}`, 20_000, this.#close()).catch(() => {});
    if (!this.profile || this.isGuest) return;
    // Its processes may write for a moment yet.
    await fs.promises.rm(this.profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/**
 * A Chromium with a fresh profile.
 * @param {{ flags?: string[], init?: Function, headless?: boolean }} [options] `init` runs in every page before its
 *     scripts.
 */
export async function openChromium({ flags = [], init } = {}) {
  const { chromium } = await import('playwright-core');
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-cdn-visitor-'));
  // `headless: false` only keeps playwright from adding flags of its own choice; --headless=new is Chromium's own.
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: paths.chromium,
    headless: false,
    args: [...chromiumFlags, ...flags],
    // What playwright takes away unless a test asks for it.
    ignoreDefaultArgs: flags.includes(backForwardCache) ? ['--disable-back-forward-cache'] : [],
    timeout: 120_000,
    viewport,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  return visitorOf(context, init, profile);
}

/** The visitor whose storage this context is. */
async function visitorOf(context, init, profile) {
  context.setDefaultTimeout(120_000);
  await context.addInitScript(record, CHANNEL);
  if (init) await context.addInitScript(init);
  return new Visitor({
    kind: 'Chromium',
    profile,
    context,
    page: context.pages()[0] ?? (await context.newPage()),
    newPage: () => context.newPage(),
    another: async () => visitorOf(await context.browser().newContext({ viewport }), init),
    close: () => context.close(),
  });
}

/**
 * A stock Firefox ESR with a fresh profile and default preferences, but for those that are given, over WebDriver BiDi.
 * @param {{ init?: Function, preferences?: Record<string, unknown> }} [options]
 */
export async function openFirefox({ init, preferences = {} } = {}) {
  const { default: puppeteer } = await import('puppeteer-core');
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-cdn-visitor-'));
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: paths.firefox,
    headless: true,
    userDataDir: profile,
    extraPrefsFirefox: preferences,
    protocolTimeout: 200_000,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  const newPage = async () => {
    const page = await browser.newPage();
    await page.evaluateOnNewDocument(record, CHANNEL);
    if (init) await page.evaluateOnNewDocument(init);
    return page;
  };
  return new Visitor({ kind: 'Firefox', profile, page: await newPage(), newPage, close: () => browser.close() });
}

/** WebKitGTK's own small browser with a fresh profile, over WebDriver. `init` runs when a page has loaded. */
export async function openWebKit({ init } = {}) {
  const { launchWebKit } = await import('./webkit.mjs');
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-cdn-visitor-'));
  const { page, newPage, close } = await launchWebKit(profile, [[record, CHANNEL], ...(init ? [[init]] : [])]);
  return new Visitor({ kind: 'WebKit', profile, page, newPage, close });
}
