// Keeps the manifest: fetched from the site, remembered in the store, handed to the core entry by entry.
import {
  ANSWER_NONE,
  ANSWER_UNUSABLE,
  DIGESTS_PATH,
  FETCH_FAILED,
  FETCH_MALFORMED,
  FETCH_OTHER,
  FETCH_SAME,
  FETCH_UNUSABLE,
  MANIFEST_ADD,
  MANIFEST_ANSWER,
  MANIFEST_BEGIN,
  MANIFEST_COMMIT,
  MANIFEST_FETCHED,
  MANIFEST_LOADED,
  MANIFEST_LOSSES,
  manifestFetchWait,
} from '../build/border.js';
import { ask, call, callText, isOn, soon, tell } from './engine.js';
import { listEntries, noManifest, readManifest } from './listing.js';
import { lists } from './lists.js';
import { broadcast } from './pages.js';
import { currentCache } from './plugins.js';
import { FETCHED, LOST, Store } from './store.js';

export class ManifestKeeper {
  /** Where digest lists are: a path, to which the root is added. @type {string} */
  digests = DIGESTS_PATH;

  #url;
  #storage;
  #report;
  /** @type {string | null} */
  #text = null;
  /** @type {Promise<void> | undefined} */
  #loading;
  /** @type {Promise<unknown> | undefined} */
  #keeping;

  /**
   * @param {string} url
   * @param {import('./storage.js').StoreKeeper} storage
   * @param {(code: string, path?: string) => void} report of an entry by its path, or of the manifest itself
   */
  constructor(url, storage, report) {
    this.#url = url;
    this.#storage = storage;
    this.#report = report;
  }

  /** What is being asked of the site; resolves in any case, when what it gave is stored. @type {Promise<void> | undefined} */
  fetching;

  /** Asks the site, and tells the core what came of it. */
  fetch() {
    const fetching = this.#fetch()
      .catch(() => FETCH_FAILED)
      .then(async (fetched) => {
        tell(MANIFEST_FETCHED, fetched, Date.now());
        await this.#keeping;
        if (this.fetching === fetching) this.fetching = undefined;
      });
    this.fetching = fetching;
  }

  /** Resolves when the manifest that the last worker stored is in use, if there is one. */
  load() {
    return (this.#loading ??= (async () => {
      this.#storage.open().catch(() => {});
      const stored = await soon(Store.manifest(currentCache()));
      const fetched = stored ? this.#use(stored.text) : FETCH_FAILED;
      const lost = stored?.headers.get(LOST) ?? '';
      tell(MANIFEST_LOADED, lost.replaceAll(' ', '\n'), fetched, +(stored?.headers.get(FETCHED) ?? 0));
    })());
  }

  /** Stores it with what the core notes of it. @param {import('../build/border.js').Commands['KeepManifest']} notes */
  keep({ fetched, isNew }) {
    const text = this.#text;
    // Another PeerCDN of this worker has it.
    if (text === null) return;
    const lost = callText(MANIFEST_LOSSES).replaceAll('\n', ' ');
    const kept = this.#storage.open().then((store) => store.putManifest(text, fetched, lost));
    // However late it is there: pages read it from the store.
    this.#keeping = soon(kept.then(() => isNew && broadcast('manifest')));
  }

  async #fetch() {
    await this.load();
    const response = await ask(this.#url, manifestFetchWait, 'no-cache');
    const answer = call(MANIFEST_ANSWER, response.status);
    if (answer === ANSWER_UNUSABLE) return FETCH_UNUSABLE;
    return this.#use(answer === ANSWER_NONE ? noManifest : await response.text());
  }

  // A bad entry costs only itself, and is named.
  #use(/** @type {string} */ text) {
    if (text === this.#text) return FETCH_SAME;
    try {
      const { digests, disabled, entries } = readManifest(text);
      call(MANIFEST_BEGIN);
      const bad = listEntries(entries, (path, entry) => this.#add(path, entry));
      call(MANIFEST_COMMIT, disabled, text === noManifest);
      this.#text = text;
      this.digests = digests;
      for (const path of bad) this.#report('malformed-manifest', path);
      return FETCH_OTHER;
    } catch {
      if (isOn()) this.#report('malformed-manifest');
      return FETCH_MALFORMED;
    }
  }

  #add(
    /** @type {string} */ path,
    /** @type {any} */ { bytes, pieceBytes, root, type = '', pieces = '', anyQuery, headers = {} },
  ) {
    const texts = [path, root, type, pieces, ...Object.entries(headers).flat()];
    // The core has the digests then, and a list that could not be had is not needed any more.
    if (pieces) lists.delete(root);
    return call(MANIFEST_ADD, texts.join('\n'), bytes, pieceBytes, anyQuery === true) === 0;
  }
}
