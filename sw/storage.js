// Keeps the store within its quota: tells the core what is in it, and drops the roots that the core names.
import {
  manifestWait,
  STORE_ADD,
  STORE_COUNT,
  STORE_FITS,
  STORE_MAKE_ROOM,
  STORE_QUOTA,
  UNLISTED,
  unwrittenBytes,
} from '../build/border.js';
import { calm } from './body.js';
import { call, callText, soon } from './engine.js';
import { broadcast } from './pages.js';
import { currentCache, currentQuota } from './plugins.js';
import { addRun, Store } from './store.js';

// What the browser offers; 0 if it does not say: not every one has the API, and some keep it from private windows. Then
// the core's own bound holds, and the browser refuses what is too much for it.
async function browserQuota() {
  try {
    const { quota } = (await soon(navigator.storage.estimate(), undefined)) ?? {};
    return quota ?? 0;
  } catch {
    return 0;
  }
}

export class StoreKeeper {
  /** @type {Promise<Store | null> | undefined} */
  #store;
  /** @type {Promise<void> | undefined} the core knows what is in it */
  #counted;
  /** @type {Promise<void>} one after another: what one drops is room for the next */
  #making = Promise.resolve();
  #drops = 0;
  /**
   * What is stored, by root, once it was counted. What the browser took away of it is found out when it is read.
   * @type {Map<string, [number, number][]> | null}
   */
  #held = null;
  #writes = Promise.resolve();
  #unwritten = 0;
  #isFull = false;

  /**
   * Null where storage is denied, or does not answer (a damaged profile): we only do without it. A failed open is tried
   * again by the next request.
   */
  open() {
    if (!this.#store) {
      const opening = Store.open(currentCache());
      const late = new Promise((resolve) => setTimeout(resolve, manifestWait, null));
      this.#store = Promise.race([opening, late]);
      opening.then(
        () => (this.#store = opening),
        () => (this.#store = undefined),
      );
    }
    return this.#store.catch(() => null);
  }

  /**
   * The runs held of a root: the list itself, from which whoever finds one gone takes it. The browser looks at every
   * entry, whatever it is asked: it is, once in the worker's life. A page may have stored a run a moment ago: then it is
   * fetched once more.
   * @param {string} root
   */
  async runs(root) {
    const store = await this.open();
    if (store && !this.#held)
      await soon(
        this.#know(store).catch(() => {}),
        undefined,
      );
    return this.#runsOf(root);
  }

  #runsOf(/** @type {string} */ root) {
    const runs = this.#held?.get(root) ?? [];
    this.#held?.set(root, runs);
    return runs;
  }

  /** Whether anything may be stored of a root. */
  mayHold(/** @type {string} */ root) {
    return !this.#held || this.#runsOf(root).length > 0;
  }

  #add(/** @type {string} */ root, /** @type {number} */ begin, /** @type {number} */ end) {
    call(STORE_ADD, begin, end, root);
    addRun(this.#runsOf(root), begin, end);
  }

  /**
   * Stores a run, as Store.putRun() does, and makes room for it; later, while responses wait. Rejects when none can be made:
   * with the code 'storage-full', and without one while that is known.
   * @param {Store} store
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   * @param {ArrayBuffer[]} buffers
   * @param {string} [type] path and type, if the origin sent it
   */
  async put(store, root, begin, end, buffers, type) {
    try {
      await this.#put(store, root, begin, end, buffers, type);
      this.#isFull = false;
    } catch {
      const isKnown = this.#isFull;
      this.#isFull = true;
      throw new Error(isKnown ? '' : 'storage-full');
    }
  }

  /** @type {StoreKeeper['put']} */
  async #put(store, root, begin, end, buffers, type) {
    const put = () => {
      this.#add(root, begin, end);
      const bytes = buffers.length * buffers[0].byteLength;
      // Writing keeps the worker's thread and the browser from answering: one after another, when no response waits. What
      // is lost with the worker meanwhile is fetched again.
      const turn = this.#unwritten > unwrittenBytes ? undefined : this.#writes.then(calm);
      this.#unwritten += bytes;
      const written = store.putRun(root, begin, end, buffers, { type, turn }).finally(() => (this.#unwritten -= bytes));
      this.#writes = written.catch(() => {});
      return written;
    };
    await this.#know(store);
    if (!call(STORE_FITS, begin, end, root)) await this.#makeRoom(store, root, begin, end);
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
    this.#add(root, begin, end);
    if (!call(STORE_FITS, 0, 0, root)) await this.#makeRoom(store, root, 0, 0);
  }

  /** Drops what the manifest does not list any more. */
  async dropUnlisted() {
    const store = await this.open();
    if (!store) return;
    const roots = await store.roots();
    await this.#drop(store, callText(UNLISTED, [...roots.keys()].join('')));
    this.#counted = undefined;
  }

  #know(/** @type {Store} */ store) {
    this.#counted ??= this.#count(store);
    return this.#counted;
  }

  async #count(/** @type {Store} */ store) {
    const quota = await browserQuota();
    const roots = await store.roots();
    call(STORE_QUOTA, currentQuota(), quota);
    call(STORE_COUNT);
    for (const [root, runs] of roots) {
      call(STORE_ADD, 0, 0, root); // perhaps there is but a digest list
      for (const run of runs) call(STORE_ADD, ...run, root);
    }
    this.#held = roots;
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
      const named = callText(STORE_MAKE_ROOM, begin, end, isFull, root);
      if (named === 'storage-full') throw new Error(named);
      await this.#drop(store, named);
    });
    this.#making = made.catch(() => {});
    return made;
  }

  async #drop(/** @type {Store} */ store, /** @type {string} */ named) {
    await Promise.all(
      (named.match(/.{64}/g) ?? []).map(async (root) => {
        this.#held?.delete(root);
        await store.drop(root);
        this.#drops++;
        broadcast('dropped', { root });
      }),
    );
  }
}
