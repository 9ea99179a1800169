// Keeps the store within its quota: tells the core what is in it, and drops the roots that the core names.
import { call, callText, manifestWait } from './engine.js';
import { broadcast } from './pages.js';
import { currentCache, currentQuota } from './plugins.js';
import { Store } from './store.js';

export class StoreKeeper {
  /** @type {Promise<Store | null> | undefined} */
  #store;
  /** @type {Promise<void> | undefined} the core knows what is in it */
  #counted;
  /** @type {Promise<void>} one after another: what one drops is room for the next */
  #making = Promise.resolve();
  #drops = 0;
  #isCounted = false;

  /**
   * Null where storage is denied, or does not answer (a damaged profile): we only do without it. A failed open is tried
   * again by the next request.
   */
  open() {
    if (!this.#store) {
      const opening = Store.open(currentCache());
      const late = new Promise((resolve) => setTimeout(resolve, manifestWait, null));
      this.#store = Promise.race([opening, late]);
      opening.then(() => (this.#store = opening), () => (this.#store = undefined));
    }
    return this.#store.catch(() => null);
  }

  /**
   * The runs held of a root, as Store.runs() says; without asking the disk for what is known not to be there. A page may
   * have stored it a moment ago: then it is fetched once more.
   * @param {string} root
   */
  async runs(root) {
    const store = await this.open();
    if (!store) return [];
    void this.#know(store).catch(() => {});
    return this.mayHold(root) ? store.runs(root) : [];
  }

  /** Whether anything may be stored of a root. */
  mayHold(/** @type {string} */ root) {
    return !this.#isCounted || call('store_holds', root) > 0;
  }

  /**
   * Stores a run, as Store.putRun() does, and makes room for it. Rejects when none can be made.
   * @param {Store} store
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   * @param {BlobPart[]} buffers
   */
  async put(store, root, begin, end, buffers) {
    const put = () => {
      call('store_add', begin, end, root);
      return store.putRun(root, begin, end, buffers);
    };
    await this.#know(store);
    if (!call('store_fits', begin, end, root)) await this.#makeRoom(store, root, begin, end);
    const drops = this.#drops;
    await put().catch(async (error) => {
      if (error.name !== 'QuotaExceededError') throw error;
      await this.#makeRoom(store, root, begin, end, drops);
      await put();
    });
  }

  /**
   * A page stored a run: it is counted, and something else may have to go. The manifest is loaded.
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   */
  async handleStored(root, begin, end) {
    const store = await this.open();
    if (!store) return;
    await this.#know(store);
    call('store_add', begin, end, root);
    if (!call('store_fits', 0, 0, root)) await this.#makeRoom(store, root, 0, 0);
  }

  /** Drops what the manifest does not list any more. */
  async dropUnlisted() {
    const store = await this.open();
    if (!store) return;
    const roots = await store.roots();
    await this.#drop(store, callText('unlisted', [...roots.keys()].join('')));
    this.#counted = undefined;
  }

  #know(/** @type {Store} */ store) {
    this.#counted ??= this.#count(store);
    return this.#counted;
  }

  async #count(/** @type {Store} */ store) {
    /** @type {StorageEstimate} */
    const { quota = 0 } = await navigator.storage.estimate().catch(() => ({}));
    const roots = await store.roots();
    call('store_quota', currentQuota(), quota);
    call('store_count');
    for (const [root, runs] of roots) {
      call('store_add', 0, 0, root); // perhaps there is but a digest list
      for (const run of runs) call('store_add', ...run, root);
    }
    this.#isCounted = true;
  }

  /**
   * @param {Store} store
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   * @param {number} [drops] as they were when the browser was full: what was dropped since is room already
   */
  #makeRoom(store, root, begin, end, drops) {
    const made = this.#making.then(async () => {
      const isFull = drops !== undefined;
      if (isFull && drops !== this.#drops) return;
      // Counted anew: the browser and the pages take entries away without a word.
      await this.#count(store);
      const named = callText('store_make_room', begin, end, isFull, root);
      if (named === 'storage-full') throw new Error(named);
      await this.#drop(store, named);
    });
    this.#making = made.catch(() => {});
    return made;
  }

  async #drop(/** @type {Store} */ store, /** @type {string} */ named) {
    await Promise.all((named.match(/.{64}/g) ?? []).map(async (root) => {
      await store.drop(root);
      this.#drops++;
      broadcast('dropped', { root });
    }));
  }
}
