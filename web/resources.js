// The resources that this page knows: the manifest as the worker keeps it, and the handles that C++ issued.
import {
  BYPASS_HEADER,
  DIGESTS_PATH,
  MANIFEST_PATH,
  manifestFetchWait,
  PEER_DROPPED,
  PEER_HELD,
  PEER_IS_MANIFEST,
  PEER_MANIFEST_ADD,
  PEER_MANIFEST_COMMIT,
  PEER_PATH_KEY,
  PEER_RESOURCE,
} from '../build/border.js';
import { listEntries, noManifest, readManifest } from '../sw/listing.js';
import { inTime, Store } from '../sw/store.js';

/** Our own reads of the origin: the worker's router never takes them. */
export const bypass = { [BYPASS_HEADER]: 'bypass' };

/**
 * One of them that ends: what waits for an origin that says nothing would wait for ever.
 * @param {string} url
 * @param {number} wait in milliseconds, for all of the answer
 * @param {RequestCache} [cache]
 */
export const ask = (url, wait, cache) => fetch(url, { headers: bypass, cache, signal: AbortSignal.timeout(wait) });

/**
 * @typedef {object} Resource
 * @property {string} root 64 hex digits
 * @property {string} [url] where the origin has it
 * @property {number} bytes
 * @property {number} pieceBytes
 * @property {string} [type]
 * @property {string} [digests] the URL of the digest list
 * @property {string} [pieces] the list itself, in hex, if the manifest has it
 * @property {boolean} [anyQuery]
 */

/** Of hex digits. @param {string} hex */
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));

/** @typedef {Resource & { digests: string }} Known one that has a handle */

export class Resources {
  #core;
  /** @type {Map<number, Known>} */
  #byHandle = new Map();
  /** @type {Map<string, Resource>} by the key of path and query */
  listed = new Map();
  /** @type {Map<string, Resource>} */
  #byRoot = new Map();
  /** Where the origin has the manifest. */
  path = `${MANIFEST_PATH}`;
  /** The manifest as it was last read. @type {string | undefined} */
  text;
  /** The manifest turns it all off. */
  disabled = false;
  /** @type {Map<string, Map<string, [number, number]>>} the runs in the store that C++ was told of, by root */
  #held = new Map();

  /** @param {import('./core.js').Core} core */
  constructor(core) {
    this.#core = core;
  }

  /** A handle for C++; 0 if the numbers cannot be a resource. @param {Resource} resource */
  handle({ root, bytes, pieceBytes, url, digests = DIGESTS_PATH + root }) {
    const handle = this.#core.call(PEER_RESOURCE, String(root), Number(bytes), Number(pieceBytes));
    if (handle) this.#byHandle.set(handle, { root, bytes, pieceBytes, url: url ?? this.#byHandle.get(handle)?.url, digests });
    return handle;
  }

  /** What has a handle that handle() gave: the core names no other. @param {number} handle */
  get(handle) {
    return /** @type {Known} */ (this.#byHandle.get(handle));
  }

  /** The handle that a root has already, or 0. @param {string} root */
  handleOf(root) {
    for (const [handle, known] of this.#byHandle) if (known.root === root) return handle;
    return 0;
  }

  /** Its digests, if the manifest has them. @param {string} root */
  listOf(root) {
    const { pieces } = this.#byRoot.get(root) ?? {};
    return pieces ? bytesOf(pieces) : undefined;
  }

  /**
   * Reads the manifest: the worker's copy, or, if `orFetch`, the origin's; else the one before stays in use. Rejects if what
   * there is is none; a bad entry costs only itself.
   * @param {Store | null} store
   * @param {boolean} orFetch
   * @returns {Promise<string[]>} the bad ones, to be named
   */
  async load(store, orFetch) {
    const stored = store && (await inTime(Store.manifest(store.name)).catch(() => {}));
    const text = stored?.text ?? (orFetch ? await this.#fetch().catch(() => {}) : null) ?? this.text;
    this.text = text;
    const { digests, disabled, entries } = readManifest(text ?? noManifest);
    this.disabled = disabled;
    this.listed = new Map();
    this.#byRoot = new Map();
    return listEntries(entries, (path, entry) => this.#add(path, { ...entry, digests: digests + entry.root }));
  }

  async #fetch() {
    const response = await ask(this.path, manifestFetchWait, 'no-cache');
    return this.#core.call(PEER_IS_MANIFEST, response.status) ? response.text() : undefined;
  }

  /**
   * A path is listed once. Whether a root may be listed again the core says, which hears what it was listed as first.
   * @param {string} path
   * @param {Resource} resource
   */
  #add(path, resource) {
    const { root, bytes, pieceBytes } = resource;
    const first = this.#byRoot.get(root) ?? resource;
    const key = this.#key(path);
    if (this.listed.has(key)) return false;
    if (!this.#core.call(PEER_MANIFEST_ADD, root, bytes, pieceBytes, first.bytes, first.pieceBytes)) return false;
    this.listed.set(key, resource);
    this.#byRoot.set(root, first);
    return true;
  }

  /** What was read may be wanted one day. */
  list() {
    this.#core.tell(PEER_MANIFEST_COMMIT);
  }

  /**
   * Tells C++ what the store holds of what is listed, and what is listed no more.
   * @param {Store | null} store
   */
  async announce(store) {
    for (const [root, runs] of (await store?.roots()) ?? []) {
      for (const [begin, end] of runs) this.held(root, begin, end);
    }
    for (const root of this.#held.keys()) {
      if (!this.#byRoot.has(root)) this.dropped(root);
    }
  }

  /** Nothing is in the store any more. Whether anything was. */
  dropAll() {
    const { size } = this.#held;
    for (const root of this.#held.keys()) this.dropped(root);
    return size > 0;
  }

  /** Nothing of it is in the store any more. @param {string} root */
  dropped(root) {
    if (!this.#held.delete(root)) return;
    this.#core.tell(PEER_DROPPED, this.handleOf(root));
  }

  /**
   * A run is in the store. Only what is listed is ever shared: false if this is not.
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   */
  held(root, begin, end) {
    const resource = this.#byRoot.get(root);
    const handle = resource ? this.handle(resource) : 0;
    if (!handle) return false;
    const runs = this.#held.get(root) ?? new Map();
    this.#held.set(root, runs.set(`${begin}-${end}`, [begin, end]));
    this.#core.tell(PEER_HELD, handle, begin, end);
    return true;
  }

  /**
   * The runs with this piece, the one that reaches furthest first: it serves most blocks.
   * @param {string} root
   * @param {number} piece
   * @returns {[number, number][]}
   */
  runs(root, piece) {
    const runs = [...(this.#held.get(root)?.values() ?? [])];
    return runs.filter(([begin, end]) => begin <= piece && piece < end).sort((a, b) => b[1] - a[1]);
  }

  /**
   * A run is in the store no more. What C++ is told of it, is that its pieces cannot be read.
   * @param {string} root
   * @param {[number, number]} run
   */
  lost(root, [begin, end]) {
    this.#held.get(root)?.delete(`${begin}-${end}`);
  }

  /** @param {string} root */
  isHeld(root) {
    return this.#held.has(root);
  }

  /** An engine that is off compares nothing. @param {string} path */
  #key(path) {
    return this.#core.callText(PEER_PATH_KEY, path) || path;
  }

  /**
   * The entry of a URL, however its path is spelled: that of path and query, or of the path alone if its entry says anyQuery.
   * @param {string} url scripts of the site may say something else
   */
  find(url) {
    if (!String(url).startsWith(`${location.origin}/`)) return null;
    const { pathname, search } = new URL(url);
    const any = this.listed.get(this.#key(pathname));
    return this.listed.get(this.#key(pathname + search)) ?? (any?.anyQuery ? any : null);
  }
}
