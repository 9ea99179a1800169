// The store: one Cache that the worker and the pages share (src/README.md, Store). Both use this file.
//
// Every entry is whole and verified by whoever wrote it; begin and end are pieces, half-open.

import { CACHE_PREFIX, DIGESTS_PATH, MANIFEST_PATH, RECORDS_PATH, runWait, STORE_PATH } from '../build/border.js';
import { within } from './within.js';

export const FETCHED = 'x-peer-cdn-fetched';
export const LOST = 'x-peer-cdn-lost';

/**
 * How the name of a store's Cache ends, which says whose it is (src/base/site.hpp); undefined of another Cache.
 * @param {string} name
 */
export const endOf = (name) => (name.startsWith(CACHE_PREFIX) ? name.match(/( \/\S*)*$/)?.[0] : undefined);

/** The root that an entry's URL names; and of a run where it begins and ends. */
const inEntry = /\/peer-cdn\/\w+\/([0-9a-f]{64})(?:\?(\d+)-(\d+))?/;

const octets = (/** @type {BlobPart[]} */ parts) =>
  new Response(new Blob(parts), { headers: { 'content-type': 'application/octet-stream' } });

/**
 * What the browser's storage gives. Rejects where it does not answer in time: it hangs, and what comes later waits behind this.
 * @template T
 * @param {Promise<T>} promise
 */
export const inTime = async (promise) => /** @type {T[]} */ (await within(runWait, Promise.all([promise])))[0];

export class Store {
  /** Of its Cache. */
  name;
  #onNew;
  /** @type {Cache} */
  #cache = /** @type {any} */ (null);
  /**
   * Runs that are being written, by URL. They are held, and read from here: a seek that comes before the disk must not
   * fetch again what has just come.
   * @type {Map<string, BlobPart[]>}
   */
  #writing = new Map();

  /** @param {string} name @param {(name: string) => void} onNew */
  constructor(name, onNew) {
    this.name = name;
    this.#onNew = onNew;
  }

  /**
   * Opens the Cache of that name. Rejects where Cache Storage is denied.
   * @param {string} name begins with `CachePlugin.peerFetch + version`
   * @param {(name: string) => void} [onNew] there was no such Cache, now or later: it is new, or the site's own code had
   *   deleted it. Others who have the one before must open it anew: they would read and write what nobody else sees.
   */
  static async open(name, onNew = () => {}) {
    const store = new Store(name, onNew);
    await store.reopen();
    return store;
  }

  /** The Cache of the name may be another one now. */
  async reopen() {
    const isThere = await caches.has(this.name);
    this.#cache = await caches.open(this.name);
    if (!isThere) this.#onNew(this.name);
  }

  /**
   * Writes in the same task: a page that goes has no other. Then it looks whether that was still the Cache of the name.
   * @param {string} url
   * @param {() => Response} response
   */
  async #put(url, response) {
    const cache = this.#cache;
    const [written] = await Promise.allSettled([cache.put(url, response())]);
    if (!(await caches.has(this.name))) await this.reopen();
    if (this.#cache !== cache) return this.#cache.put(url, response());
    if (written.status === 'rejected') throw written.reason;
  }

  /**
   * A run as roots() names it; undefined when it is gone (the browser may take entries away).
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   * @returns {Promise<Response | undefined>}
   */
  async readRun(root, begin, end) {
    const url = `${STORE_PATH}${root}?${begin}-${end}`;
    const writing = this.#writing.get(url);
    return writing ? octets(writing) : this.#cache.match(url);
  }

  /**
   * A run that is written later: it is read from here until then. Gives its URL.
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   * @param {BlobPart[]} buffers
   */
  hold(root, begin, end, buffers) {
    const url = `${STORE_PATH}${root}?${begin}-${end}`;
    this.#writing.set(url, buffers);
    return url;
  }

  /**
   * Stores the pieces [begin, end), all inside one segment. Rejects (QuotaExceededError) when storage is full, and when the
   * browser does not say in time that it has stored them.
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   * @param {BlobPart[]} buffers one buffer a piece, or any other cut of the same bytes; not changed any more
   */
  async putRun(root, begin, end, buffers) {
    const url = this.hold(root, begin, end, buffers);
    try {
      await inTime(this.#put(url, () => octets(buffers)));
    } finally {
      if (this.#writing.get(url) === buffers) this.#writing.delete(url);
    }
  }

  /**
   * How the origin sends a resource, as the core writes it (src/base/record.hpp); '' if that is not known.
   * @param {string} key root and path
   */
  async record(key) {
    return (await this.#cache.match(RECORDS_PATH + key))?.text() ?? '';
  }

  /** @param {string} key @param {string} text */
  putRecord(key, text) {
    return this.#put(RECORDS_PATH + key, () => new Response(text));
  }

  /**
   * Forgets one run, say because its bytes turned out wrong.
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   */
  dropRun(root, begin, end) {
    return this.#cache.delete(`${STORE_PATH}${root}?${begin}-${end}`);
  }

  /**
   * The digest list of a root, 32 bytes a piece, if it is there.
   * @param {string} root
   * @returns {Promise<ArrayBuffer | undefined>}
   */
  async digests(root) {
    return (await this.#cache.match(DIGESTS_PATH + root))?.arrayBuffer();
  }

  /**
   * Stores a digest list that was checked against its root.
   * @param {string} root
   * @param {BlobPart} list
   */
  putDigests(root, list) {
    return this.#put(DIGESTS_PATH + root, () => octets([list]));
  }

  /**
   * Drops everything of these roots. Each entry by its own name: to find those of a root the browser would look at every entry.
   * And one after another: who reads meanwhile waits for one of them, and not for all.
   * @param {string} roots one or more, without anything between
   */
  async drop(roots) {
    for (const { url } of await this.#cache.keys()) {
      if (roots.includes(/** @type {any} */ (inEntry.exec(url)?.[1]))) await this.#cache.delete(url);
    }
  }

  /**
   * Every root of which anything is held, with its runs, which may overlap. The browser looks at every entry, whatever
   * it is asked.
   * @returns {Promise<Map<string, [number, number][]>>}
   */
  async roots() {
    const roots = new Map();
    const writing = () => this.#writing.keys();
    // What is written while the browser looks may be missing in its answer.
    for (const url of new Set([...writing(), ...(await this.#cache.keys()).map(({ url }) => url), ...writing()])) {
      const match = inEntry.exec(url);
      if (!match) continue;
      const runs = roots.get(match[1]) ?? [];
      if (match[2]) runs.push([+match[2], +match[3]]);
      roots.set(match[1], runs);
    }
    return roots;
  }

  /**
   * The manifest as last fetched, with what putManifest() put beside it, if there is one. Needs no open store, so that a worker
   * that starts reads it while the store opens.
   * @param {string} name as for open()
   * @returns {Promise<{ text: string, headers: Headers } | undefined>}
   */
  static async manifest(name) {
    const response = await caches.match(MANIFEST_PATH, { cacheName: name });
    return response && { text: await response.text(), headers: response.headers };
  }

  /**
   * @param {string} text the manifest's JSON
   * @param {number} fetched Date.now() when it came
   * @param {string} lost codes and paths of what its origin cannot give
   */
  putManifest(text, fetched, lost) {
    const headers = { [FETCHED]: `${fetched}`, [LOST]: lost };
    return this.#put(MANIFEST_PATH, () => new Response(text, { headers }));
  }
}
