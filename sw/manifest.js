// Keeps the manifest: fetched from the site, remembered in the store, handed to the core entry by entry.
import {
  BYPASS_HEADER,
  DIGESTS_PATH,
  LOSE,
  lostResources,
  MANIFEST_ADD,
  MANIFEST_BEGIN,
  MANIFEST_COMMIT,
  MANIFEST_FETCHED,
  MANIFEST_LOADED,
  manifestFetchWait,
} from '../build/border.js';
import { ask, call, isOn, soon, tell } from './engine.js';
import { listEntries, readManifest } from './listing.js';
import { broadcast } from './pages.js';
import { FETCHED, LOST } from './store.js';

/** @typedef {import('./store.js').Store} Store */

/** In use where the site has no manifest. */
const nothing = '{"version":1,"resources":{}}';

export class ManifestKeeper {
  /** Where digest lists are: a path, to which the root is added. */
  /** @type {string} */
  digests = DIGESTS_PATH;

  #url;
  #store;
  #report;
  #onMissing;
  /** @type {string | null} */
  #text = null;
  /** The site has answered, with a manifest or without. */
  #isAnswered = false;
  #wasMissing = false;
  #fetched = 0;
  /** Codes and paths: resources whose origin could not be used, as the core told it. @type {string[]} */
  #lost = [];
  /** @type {Promise<void> | undefined} */
  #loading;

  /**
   * @param {string} url
   * @param {() => Promise<Store | null>} store
   * @param {(code: string, url: string) => void} report
   * @param {() => void} onMissing `isMissing` has changed
   */
  constructor(url, store, report, onMissing) {
    this.#url = url;
    this.#store = store;
    this.#report = report;
    this.#onMissing = onMissing;
  }

  /** Whether the site has none, as far as is known. */
  get isMissing() {
    return this.#text === nothing || (this.#isAnswered && this.#text === null);
  }

  #look() {
    if (this.isMissing === this.#wasMissing) return;
    this.#wasMissing = this.isMissing;
    this.#onMissing();
  }

  /** What is being asked of the site; resolves in any case. @type {Promise<{ ok: boolean, changed: boolean }> | undefined} */
  fetching;

  /** Asks the site, and tells the core whether it answered, and whether another one is in use. */
  fetch() {
    this.fetching = this.#fetch()
      .catch(() => ({ ok: false, changed: false }))
      .then((got) => {
        this.fetching = undefined;
        this.#look();
        tell(MANIFEST_FETCHED, got.ok, got.changed, Date.now());
        return got;
      });
  }

  /** Resolves when the manifest that the last worker stored is in use, if there is one. */
  load() {
    this.#loading ??= (async () => {
      const store = await this.#store();
      const stored = await soon(
        store?.manifest().catch(() => null),
        null,
      );
      if (stored && this.#text === null && this.#use(stored.text)) {
        this.#fetched = Number(stored.headers.get(FETCHED));
        this.#lost = stored.headers.get(LOST)?.match(/\S+ \S+/g) ?? [];
        for (const each of this.#lost) call(LOSE, each);
      }
      this.#look();
      tell(MANIFEST_LOADED, this.#fetched);
    })();
    return this.#loading;
  }

  /**
   * What the origin turned out to be is remembered with the manifest, until there is another one; or forgotten ('').
   * @param {string} code
   * @param {string} path
   */
  async lose(code, path) {
    const others = this.#lost.filter((each) => !each.endsWith(` ${path}`));
    if (!code && others.length === this.#lost.length) return;
    this.#lost = code ? [...others, `${code} ${path}`].slice(-lostResources) : others;
    await this.#keep(/** @type {string} */ (this.#text));
  }

  /** The store is a new one: pages find the manifest there again. */
  async restore() {
    if (this.#text === null) return;
    await this.#keep(this.#text);
    broadcast('manifest');
  }

  async #keep(/** @type {string} */ text) {
    const store = await this.#store();
    await soon(
      store?.putManifest(text, this.#fetched, this.#lost.join(' ')).catch(() => {}),
      undefined,
    );
  }

  async #fetch() {
    await this.load();
    const response = await ask(this.#url, {
      cache: 'no-cache',
      headers: { [BYPASS_HEADER]: 'bypass' },
      signal: AbortSignal.timeout(manifestFetchWait),
    });
    // A site that took its manifest away shares nothing.
    const gone = response.status === 404 || response.status === 410;
    const text = response.ok ? await response.text() : nothing;
    // Not before its text is there: a page that asks meanwhile would hear that there is none.
    this.#isAnswered = true;
    if (!response.ok && !gone) return { ok: false, changed: false };
    const changed = text !== this.#text;
    if (changed && !this.#use(text)) return { ok: false, changed: false };
    this.#fetched = Date.now();
    await this.#keep(text);
    if (changed) broadcast('manifest');
    return { ok: true, changed };
  }

  // A bad entry costs only itself, and is named.
  #use(/** @type {string} */ text) {
    try {
      const { digests, disabled, entries } = readManifest(text);
      call(MANIFEST_BEGIN);
      const bad = listEntries(entries, (path, entry) => this.#add(path, entry));
      call(MANIFEST_COMMIT, disabled);
      this.#text = text;
      this.#lost = [];
      this.digests = digests;
      for (const path of bad) this.#report('malformed-manifest', path);
      return true;
    } catch {
      if (isOn()) this.#report('malformed-manifest', this.#url);
      return false;
    }
  }

  #add(
    /** @type {string} */ path,
    /** @type {any} */ { bytes, pieceBytes, root, type = '', pieces = '', anyQuery, headers = {} },
  ) {
    const texts = [path, root, type, pieces, ...Object.entries(headers).flat()];
    // A line end would part one text into two.
    if (texts.some((each) => `${each}`.includes('\n'))) return false;
    return call(MANIFEST_ADD, texts.join('\n'), bytes, pieceBytes, anyQuery === true) === 0;
  }
}
