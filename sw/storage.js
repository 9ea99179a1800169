// Performs what the core decides of the store: lists it, writes runs, makes room by dropping the roots that the core names.
import {
  calmStep,
  calmWait,
  DROP_UNLISTED,
  manifestWait,
  RECORD,
  RECORD_READ,
  STORE_BEGIN,
  STORE_DONE,
  STORE_FITS,
  STORE_LISTED,
  STORE_MAKE_ROOM,
  STORE_RUNS,
  STORED,
} from '../build/border.js';
import { call, callText, isOn, soon, tell, waiting } from './engine.js';
import { broadcast } from './pages.js';
import { currentCache, currentQuota } from './plugins.js';
import { Store } from './store.js';

// Roots whose runs cross the border in one call: the core keeps room for the longest text that it was given.
const ROOTS_AT_ONCE = 256;

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

const look = (/** @type {Store} */ store) => Promise.all([browserQuota(), store.roots()]);

/** @type {Promise<void> | undefined} */
let calming;

/** Resolves when no response waits for its first byte, or while one always does, after a while. */
export const calm = () => (calming ??= until(() => waiting() === 0).finally(() => (calming = undefined)));

async function until(/** @type {() => boolean} */ isSo) {
  for (const end = performance.now() + calmWait; performance.now() < end && !isSo(); ) {
    await new Promise((resolve) => setTimeout(resolve, calmStep));
  }
}

/** @typedef {[root: string, begin: number, end: number]} Run */
/** @typedef {import('../build/border.js').Commands['Store']} StoreRun */

export class StoreKeeper {
  /** The open store. @type {Store | null} */
  current = null;
  /** @type {Promise<Store | null> | undefined} */
  #store;
  /**
   * What it held as it was opened, for the first list: looked for beside the manifest. Not of use when somebody stored since.
   * @type {ReturnType<typeof look> | undefined}
   */
  early;
  /** @type {Promise<void>} one after another: what one drops is room for the next */
  #making = Promise.resolve();
  #drops = 0;
  /** Responses that are open. */
  busy = 0;
  /** @type {Promise<unknown>} */
  #writes = Promise.resolve();
  /** For each list that is being made, what was stored since it began. @type {Set<Run[]>} */
  #lists = new Set();
  #onNew;

  /** @param {(name: string) => void} onNew the store of that name is another one now, and empty */
  constructor(onNew) {
    this.#onNew = onNew;
  }

  /**
   * Null where storage is denied, or does not answer (a damaged profile): we only do without it. A failed open is tried
   * again by the next request.
   */
  open() {
    if (!this.#store) {
      const opening = Store.open(currentCache(), this.#onNew);
      const late = new Promise((resolve) => setTimeout(resolve, manifestWait, null));
      this.#store = Promise.race([opening, late]);
      opening.then(
        (store) => {
          this.current = store;
          this.#store = opening;
          this.early = look(store);
          this.early.catch(() => {});
        },
        () => (this.#store = undefined),
      );
    }
    return this.#store.catch(() => null);
  }

  /** Somebody has opened the store, and it was gone: what was held is not there any more. */
  async renew() {
    const store = this.current;
    if (!store) return;
    this.early = undefined;
    await store.reopen();
    await this.#list(store);
  }

  /**
   * Tells the core what is held. The browser looks at every entry, whatever it is asked: it is, once in the worker's life,
   * and when something has to go.
   */
  async list() {
    const store = await this.open();
    const listing = store ? this.#list(store).catch(() => false) : false;
    tell(STORE_LISTED, await soon(listing, false));
  }

  async #list(/** @type {Store} */ store) {
    const looked = this.early ?? look(store);
    this.early = undefined;
    /** @type {Run[]} */
    const since = [];
    this.#lists.add(since);
    try {
      const [quota, roots] = await looked;
      call(STORE_BEGIN, true, currentQuota(), quota);
      const lines = [...roots].map(([root, runs]) => [root, ...runs.flat()].join(' '));
      for (let at = 0; at < lines.length; at += ROOTS_AT_ONCE) call(STORE_RUNS, lines.slice(at, at + ROOTS_AT_ONCE).join('\n'));
    } finally {
      this.#lists.delete(since);
    }
    for (const run of since) tell(STORED, ...run);
    return true;
  }

  /** A run is in the store, or on its way there: what is being listed may not have it. @param {Run} run */
  note(...run) {
    this.early = undefined;
    for (const since of this.#lists) since.push(run);
  }

  /**
   * Stores a run, and makes room for it if it does not fit; later, while responses wait. True if the site is to be told that it
   * cannot be done.
   * @param {string} root
   * @param {number} begin
   * @param {number} end
   * @param {ArrayBuffer[]} buffers
   * @param {{ fits: boolean, waits: boolean, body: number }} options as the core says
   */
  async put(root, begin, end, buffers, { fits, waits, body }) {
    const store = /** @type {Store} */ (this.current);
    this.note(root, begin, end);
    const put = () => {
      // Writing keeps the worker's thread and the browser from answering: one after another, when no response is open, or a
      // while later. What is lost with the worker meanwhile is fetched again.
      const turn = waits ? this.#writes.then(() => until(() => !this.busy)) : undefined;
      const written = store.putRun(root, begin, end, buffers, turn);
      this.#writes = written.catch(() => {});
      return written;
    };
    const putAnew = () => {
      const written = put();
      tell(STORED, root, begin, end);
      return written;
    };
    let ok = true;
    try {
      if (!fits) await this.#makeRoom(store, root, begin, end);
      const drops = this.#drops;
      await (fits ? put() : putAnew()).catch(async (error) => {
        if (error.name !== 'QuotaExceededError') throw error;
        await this.#makeRoom(store, root, begin, end, drops);
        await putAnew();
      });
    } catch {
      ok = false;
    }
    if (ok) broadcast('stored', { root, begin, end });
    return isOn() && call(STORE_DONE, root, body, begin, end, ok) > 0;
  }

  /** Tells the core how the origin sent the resource of this exchange. */
  async readRecord(/** @type {number} */ exchange) {
    const [key] = callText(RECORD, exchange).split('\n');
    const text = await soon(
      this.current?.record(key).catch(() => ''),
      '',
    );
    tell(RECORD_READ, text ?? '', exchange);
  }

  /** Stores how it does. */
  keepRecord(/** @type {number} */ exchange) {
    const text = callText(RECORD, exchange);
    const end = text.indexOf('\n');
    void calm()
      .then(() => this.current?.putRecord(text.slice(0, end), text.slice(end + 1)))
      .catch(() => {});
  }

  /** A page stored a run: something else may have to go. The manifest is loaded. */
  async handleStored(/** @type {string} */ root) {
    const store = await this.open();
    if (store && !call(STORE_FITS, root, 0, 0)) await this.#makeRoom(store, root, 0, 0);
  }

  /** Drops what the manifest does not list any more. */
  async dropUnlisted() {
    const store = await this.open();
    if (!store) return;
    await this.#list(store);
    await this.#drop(store, callText(DROP_UNLISTED));
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
      // Listed anew: the browser and the pages take entries away without a word.
      await this.#list(store);
      const named = callText(STORE_MAKE_ROOM, root, begin, end, isFull);
      if (named === 'storage-full') throw new Error(named);
      await this.#drop(store, named);
    });
    this.#making = made.catch(() => {});
    return made;
  }

  async #drop(/** @type {Store} */ store, /** @type {string} */ named) {
    await Promise.all(
      (named.match(/.{64}/g) ?? []).map(async (root) => {
        await store.drop(root);
        this.#drops++;
        broadcast('dropped', { root });
      }),
    );
  }
}
