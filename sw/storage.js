// Performs what the core decides of the store: lists it, writes runs, makes room by dropping the roots that the core names.
import {
  DROP_UNLISTED,
  RECORD,
  RECORD_READ,
  segmentBytes,
  STORE_DONE,
  STORE_FAILED,
  STORE_FULL,
  STORE_HOLDS,
  STORE_LISTED,
  STORE_MAKE_ROOM,
  STORE_STORED,
  STORED,
  unwrittenBytes,
} from '../build/border.js';
import { call, callText, codeOf, soon, tell } from './engine.js';
import { broadcast } from './pages.js';
import { currentCache, currentQuota } from './plugins.js';
import { Store } from './store.js';

// What the browser offers; 0 if it does not say: not every one has the API, and some keep it from private windows. Then
// the core's own bound holds, and the browser refuses what is too much for it.
const browserQuota = async () => (await navigator.storage.estimate()).quota ?? 0;

const look = (/** @type {Store} */ store) => Promise.all([soon(browserQuota(), 0), store.roots()]);

/** @typedef {[root: string, begin: number, end: number]} Run */
/**
 * What is to be written.
 * @typedef {object} Held
 * @property {Run} run
 * @property {boolean} fits into the quota, as the core says
 * @property {ArrayBuffer[]} buffers
 * @property {number} body that it is of
 * @property {string} url of the request that brought it
 * @property {() => void} [done] it is written, or cannot be
 */

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
  #dropping = Promise.resolve();
  #drops = 0;
  /** What waits for its turn. @type {Held[]} */
  #waiting = [];
  /** Keys and texts of records that are to be written. @type {string[][]} */
  #records = [];
  /** For each run, and for the records, a promise until it is written. @type {Set<Promise<unknown>>} */
  #unwritten = new Set();
  #recordsWritten = () => {};
  /** For each list that is being made, what was stored since it began. @type {Set<Run[]>} */
  #lists = new Set();
  /** What pages have handed over and nobody has stored yet, oldest first. @type {Held[]} */
  #handed = [];
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

  /**
   * Null where storage is denied, or does not answer (a damaged profile): we only do without it. A failed open is tried
   * again by the next request.
   */
  open() {
    if (!this.#store) {
      const opening = Store.open(currentCache(), this.#onNew);
      this.#store = soon(opening, null);
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
    return this.#store;
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
   * and when something has to go. One that says nothing is not waited for again: what it says later is heard.
   */
  async list() {
    const listing = this.#list(await this.open()).catch(() => false);
    tell(STORE_LISTED, await soon(listing, true));
  }

  // Rejects where there is no store.
  async #list(/** @type {Store | null} */ store) {
    const looked = this.early ?? look(/** @type {Store} */ (store));
    this.early = undefined;
    /** @type {Run[]} */
    const since = [];
    this.#lists.add(since);
    try {
      const [quota, roots] = await looked;
      // Of some roots there is but a digest list.
      const held = [...roots].flatMap(([root, runs]) =>
        (runs[0] ? runs : [[0, 0]]).map(([begin, end]) => ({ root, begin, end })),
      );
      (held[0] ? held : [{ root: '', begin: 0, end: 0 }]).forEach(({ root, begin, end }, i) =>
        call(STORE_HOLDS, root, begin, end, i === 0, currentQuota(), quota),
      );
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
    this.#handed = this.#handed.filter(({ run: [root, begin, end] }) => root !== run[0] || begin < run[1] || end > run[2]);
  }

  /** Somebody has stored a run. @type {(...run: Run) => void} */
  stored = (...run) => {
    this.note(...run);
    tell(STORED, ...run);
  };

  /**
   * A piece that a page will store, if it is there long enough.
   * @param {import('./body.js').Body} body
   * @param {number} piece
   * @param {ArrayBuffer} buffer
   */
  hand({ id: body, exchange: { root, url, pieceBytes } }, piece, buffer) {
    const handed = this.#handed;
    // A run ends with its segment.
    const begun = (piece * pieceBytes) % segmentBytes && handed.find(({ run }) => run[0] === root && run[2] === piece);
    if (begun) {
      begun.run[2]++;
      begun.buffers.push(buffer);
    } else handed.push({ run: [root, piece, piece + 1], fits: true, buffers: [buffer], body, url });
    // As if all runs were as long as this one may become.
    while (handed.length * Math.max(pieceBytes, segmentBytes) > unwrittenBytes) handed.shift();
  }

  /** A page is gone, and may not have stored what it handed over: browsers end the workers of a page without a word. */
  storeHanded = () => {
    for (const held of this.#handed.splice(0)) {
      this.put(held);
      this.stored(...held.run);
      this.writeNext();
    }
  };

  /** What written() waits for until this is called. */
  #expect() {
    /** @type {any} */
    let settle;
    const expected = new Promise((resolve) => (settle = resolve));
    this.#unwritten.add(expected);
    void expected.then(() => this.#unwritten.delete(expected));
    return settle;
  }

  /** Settles when all is written that is to be written by now. */
  written() {
    return Promise.all(this.#unwritten);
  }

  /** Keeps a run until it is written. */
  put(/** @type {Held} */ held) {
    held.done = this.#expect();
    this.note(...held.run);
    this.#waiting.push(held);
    if (held.fits) this.current?.hold(...held.run, held.buffers);
  }

  /** Writes the run that has waited longest. */
  writeNext() {
    void this.#write(/** @type {Held} */ (this.#waiting.shift()));
  }

  async #write(/** @type {Held} */ { run, fits, buffers, body, url, done }) {
    const [root, begin, end] = run;
    let drops = 0;
    let told = -1;
    for (let attempts = 1; told < 0; attempts++) {
      const isFull = attempts > 1;
      const room = fits && !isFull ? Promise.resolve() : this.makeRoom(run, isFull, drops);
      const put = room.then(() => {
        drops = this.#drops;
        return this.current?.putRun(...run, buffers);
      });
      const outcome = await put.then(
        () => STORE_STORED,
        ({ name }) => (name === 'QuotaExceededError' ? STORE_FULL : STORE_FAILED),
      );
      if (outcome === STORE_STORED) broadcast('stored', { root, begin, end });
      told = tell(STORE_DONE, root, body, begin, end, outcome, attempts) ?? 0;
    }
    if (told > 0) this.#report(codeOf(told), url);
    /** @type {() => void} */ (done)();
  }

  /** Tells the core how the origin sent the resource of this exchange. */
  async readRecord(/** @type {number} */ exchange) {
    const [key] = callText(RECORD, exchange).split('\n');
    tell(RECORD_READ, await soon(this.current?.record(key), ''), exchange);
  }

  /** How it does now is written with the news. */
  keepRecord(/** @type {number} */ exchange) {
    if (this.#records.length === 0) this.#recordsWritten = this.#expect();
    this.#records.push(callText(RECORD, exchange).split(/\n(.*)/s));
  }

  writeRecords() {
    const written = this.#records.splice(0).map(([key, text]) => this.current?.putRecord(key, text));
    void Promise.allSettled(written).then(this.#recordsWritten);
  }

  /** Drops what the manifest does not list any more. */
  dropUnlisted() {
    return this.#drop(() => callText(DROP_UNLISTED));
  }

  /**
   * Drops what the core names, so that this run, or what is there already, fits.
   * @param {Run} [run]
   * @param {boolean} [isFull] the browser had no room for it
   * @param {number} [drops] as they were then
   */
  makeRoom(run = ['', 0, 0], isFull = false, drops = 0) {
    return this.#drop(() => callText(STORE_MAKE_ROOM, ...run, isFull, drops !== this.#drops));
  }

  /** Drops the roots that the core names, one after another: what one call drops is room for the next. */
  #drop(/** @type {() => string} */ name) {
    const dropped = this.#dropping.then(async () => {
      const store = await this.open();
      if (!store) return;
      // Listed anew: the browser and the pages take entries away without a word.
      await this.#list(store);
      const named = name();
      if (named === 'storage-full') throw 0;
      await Promise.all(
        (named.match(/.{64}/g) ?? []).map(async (root) => {
          await store.drop(root);
          this.#drops++;
          broadcast('dropped', { root });
        }),
      );
    });
    this.#dropping = dropped.catch(() => {});
    return dropped;
  }
}
