// Performs what the core decides of the store: lists it, writes runs, makes room by dropping the roots that the core names.
import {
  DROP_UNLISTED,
  STORE_DONE,
  STORE_FAILED,
  STORE_FULL,
  STORE_HOLDS,
  STORE_LISTED,
  STORE_MAKE_ROOM,
  STORE_STORED,
  STORED,
} from '../build/border.js';
import { call, callText, codeOf, soon, tell } from './engine.js';
import { broadcast } from './pages.js';
import { currentCache, siteQuota } from './plugins.js';
import { inTime, Store } from './store.js';
import { expectWrite } from './unwritten.js';

/**
 * What the browser offers, if it says so: not every one has the API, and some keep it from private windows. Then the core's own
 * bound holds, and the browser refuses what is too much for it. @type {() => Promise<any>}
 */
const browserQuota = async () => (await navigator.storage.estimate()).quota;

/** @typedef {import('./body.js').Body} Body */
/** @typedef {[root: string, begin: number, end: number]} Run */
/**
 * What is to be written.
 * @typedef {object} Held
 * @property {Run} run
 * @property {boolean} fits into the quota, as the core says
 * @property {ArrayBuffer[]} buffers
 * @property {number} body that it is of
 * @property {string} url of the request that brought it
 * @property {() => void} done it is written, or cannot be
 */

export class StoreKeeper {
  /** The open store. @type {Store | null} */
  current = null;
  /** @type {Promise<Store> | undefined} */
  #store;
  #dropping = Promise.resolve();
  #drops = 0;
  /** What waits for its turn. @type {Held[]} */
  #waiting = [];
  /** For each list that is being made, what was stored since it began. @type {Set<Run[]>} */
  #lists = new Set();
  /** What pages have handed over, by the core's number of the run. @type {Map<number, [Body, ...ArrayBuffer[]]>} */
  #handed = new Map();
  #onNew;
  #report;

  /**
   * @param {(name: string) => void} onNew the store of that name is another one now, and empty
   * @param {(code: string, url: string) => void} report
   */
  constructor(onNew, report) {
    this.#onNew = onNew;
    this.#report = report;
  }

  /** Rejects where storage is denied, and may never settle (a damaged profile). The next request tries a failed open again. */
  open() {
    if (!this.#store) {
      this.#store = Store.open(currentCache(), this.#onNew);
      this.#store.then(
        (store) => (this.current = store),
        () => (this.#store = undefined),
      );
    }
    return this.#store;
  }

  /** Somebody found the store gone and opened a new one: what was held is lost. */
  async renew() {
    await this.current?.reopen();
    if (this.current) await this.#list();
  }

  /**
   * Tells the core what is held. To say so the browser looks at every entry, so it is asked once in the worker's life, and when
   * something has to go. A browser that does not answer in time is not waited for again, but its late answer counts, and what
   * comes meanwhile is written when the store is open.
   */
  async list() {
    const listing = this.#list().catch(() => false);
    tell(STORE_LISTED, await soon(listing, true));
    if (!(await listing)) tell(STORE_LISTED, false);
  }

  // Rejects where there is no store.
  async #list() {
    /** @type {Run[]} */
    const since = [];
    this.#lists.add(since);
    try {
      const [quota, roots] = await Promise.all([soon(browserQuota(), 0), this.open().then((store) => store.roots())]);
      let told = 0;
      if (!roots.size) roots.set('', []);
      for (const [root, runs] of roots) {
        // Of some roots there is but a digest list.
        for (const [begin, end] of runs[0] ? runs : [[0, 0]]) {
          call(STORE_HOLDS, root, begin, end, !told++, siteQuota, quota);
        }
      }
    } finally {
      this.#lists.delete(since);
    }
    for (const run of since) tell(STORED, ...run, true);
    return true;
  }

  /** A run is in the store, or on its way there: a list that is being made may lack it. @param {Run} run */
  note(...run) {
    for (const since of this.#lists) since.push(run);
  }

  /** A page has stored a run, or could not. @type {(isStored: boolean, ...run: Run) => void} */
  stored = (isStored, ...run) => {
    if (isStored) this.note(...run);
    tell(STORED, ...run, isStored);
  };

  /**
   * Keeps the next piece of a run that a page will store, if it is there long enough.
   * @param {number} run the core's
   * @param {Body} body
   * @param {ArrayBuffer} buffer
   */
  hand(run, body, buffer) {
    this.#handed.set(run, [...(this.#handed.get(run) ?? /** @type {[Body]} */ ([body])), buffer]);
  }

  /** @type {(command: import('../build/border.js').Commands['Release']) => void} */
  release = ({ run, ...pieces }) => {
    const [body, ...buffers] = /** @type {[Body, ...ArrayBuffer[]]} */ (this.#handed.get(run));
    this.#handed.delete(run);
    if (pieces.end) this.put(body, pieces, buffers);
  };

  /**
   * Keeps a run until it is written.
   * @param {Body} body
   * @param {{ begin: number, end: number, fits: boolean }} pieces
   * @param {ArrayBuffer[]} buffers
   */
  put({ id: body, exchange: { root, url } }, { begin, end, fits }, buffers) {
    /** @type {Run} */
    const run = [root, begin, end];
    this.note(...run);
    this.#waiting.push({ run, fits, buffers, body, url, done: expectWrite() });
    if (fits) this.current?.hold(...run, buffers);
  }

  /** Writes the run that has waited longest. */
  writeNext() {
    void this.#write(/** @type {Held} */ (this.#waiting.shift()));
  }

  async #write(/** @type {Held} */ { run, fits, buffers, body, url, done }) {
    const [root, begin, end] = run;
    let hasRoom = fits;
    let drops = -1;
    let told = -1;
    for (let attempts = 1; told < 0; attempts++) {
      /** @type {number} */
      let outcome = STORE_STORED;
      try {
        if (!hasRoom) await this.makeRoom(run, drops);
        drops = this.#drops;
        await inTime(this.open()).then((store) => store.putRun(...run, buffers));
        broadcast('stored', { root, begin, end });
      } catch (error) {
        outcome = /** @type {any} */ (error).name === 'QuotaExceededError' ? STORE_FULL : STORE_FAILED;
      }
      told = tell(STORE_DONE, root, body, begin, end, outcome, attempts) ?? 0;
      // A run that the core has written again needs room.
      hasRoom = false;
    }
    if (told > 0) this.#report(codeOf(told), url);
    done();
  }

  /** Drops what the manifest does not list any more. */
  dropUnlisted() {
    return this.#drop(() => callText(DROP_UNLISTED));
  }

  /**
   * Drops what the core names, so that this run, or what is there already, fits.
   * @param {Run} [run]
   * @param {number} [drops] as they were when the browser had no room for it, though by our list it had
   */
  makeRoom(run = ['', 0, 0], drops = -1) {
    return this.#drop(() => callText(STORE_MAKE_ROOM, ...run, drops === this.#drops), drops >= 0);
  }

  /**
   * Drops the roots that the core names, one call after another: what one drops is room for the next. Rejects where there is no
   * room, and where the browser does not say in time that it has dropped them: what waits for room would wait for ever.
   * @param {() => string} name
   * @param {boolean} [isExact] the store is listed anew before: the browser, or other code, may have taken entries away
   */
  #drop(name, isExact) {
    const drop = async () => {
      if (isExact) await this.#list();
      const named = name();
      if (named === 'storage-full') throw 0;
      if (!named) return;
      await (await this.open()).drop(named);
      this.#drops++;
      for (const [root] of named.matchAll(/.{64}/g)) broadcast('dropped', { root });
    };
    const dropped = this.#dropping.then(() => inTime(drop()));
    this.#dropping = dropped.catch(() => {});
    return dropped;
  }
}
