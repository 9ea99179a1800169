// The seeding side: cuts blocks out of what is still in memory, or out of runs of the store, of which few stay.
import { runReadWait, runsInMemory, segmentBytes } from '../build/border.js';
import { within } from '../sw/within.js';

/** @typedef {{ begin: number, buffer: ArrayBuffer }} Run from piece `begin` on */
/** @typedef {import('./resources.js').Resource} Resource */

export class Seeder {
  #resources;
  #store;
  #pieces;
  /** @type {Map<string, Run | Promise<Run | null>>} by root and segment, most recent last; promised while it is read */
  #runs = new Map();
  /** The last answer that waits for the store; null if none does. @type {Promise<void> | null} */
  #waiting = null;

  /**
   * @param {import('./resources.js').Resources} resources
   * @param {Promise<import('../sw/store.js').Store | null>} store
   * @param {import('./pieces.js').Pieces} pieces
   */
  constructor(resources, store, pieces) {
    this.#resources = resources;
    this.#store = store;
    this.#pieces = pieces;
  }

  /**
   * Answers in the order of the calls, as the core wants it. The payload is null if the store has lost the piece.
   * @param {number} handle
   * @param {number} piece
   * @param {number} offset
   * @param {number} bytes
   * @param {number} inMemory whether the store need not be asked
   * @param {(payload: Uint8Array<ArrayBuffer> | null) => void} tell
   */
  read(handle, piece, offset, bytes, inMemory, tell) {
    const resource = this.#resources.get(handle);
    const part = inMemory ? this.#pieces.part(handle, piece, offset, bytes) : null;
    const run = part ? null : this.#run(resource, piece);
    const answer = (/** @type {Run | null} */ each) => tell(part ?? cut(resource, each, piece, offset, bytes));
    if (!(run instanceof Promise) && !this.#waiting) return answer(run);
    const turn = Promise.all([run, this.#waiting])
      .then(([each]) => answer(each))
      .finally(() => {
        if (this.#waiting === turn) this.#waiting = null;
      });
    this.#waiting = turn;
  }

  /**
   * The run with this piece, or its promise: many blocks of a segment are asked for at once, and read once.
   * @param {Resource} resource
   * @param {number} piece
   */
  #run(resource, piece) {
    const key = `${resource.root}/${Math.floor((piece * resource.pieceBytes) / segmentBytes)}`;
    let run = this.#runs.get(key);
    this.#runs.delete(key);
    if (run instanceof Promise || !inside(run, resource, piece)) run = this.#load(key, resource, piece, run);
    this.#runs.set(key, run);
    if (this.#runs.size > runsInMemory) this.#runs.delete(/** @type {string} */ (this.#runs.keys().next().value));
    return run;
  }

  /**
   * @param {string} key
   * @param {Resource} resource
   * @param {number} piece
   * @param {Run | Promise<Run | null> | undefined} other what may have this piece too
   */
  #load(key, resource, piece, other) {
    /** @type {Promise<Run | null>} */
    const loading = Promise.resolve(other)
      .then((run) => (inside(run, resource, piece) ? run : this.#read(resource, piece)))
      .catch(() => null)
      .then((run) => {
        if (this.#runs.get(key) !== loading) return run;
        if (run) this.#runs.set(key, run);
        else this.#runs.delete(key);
        return run;
      });
    return loading;
  }

  /**
   * Which runs there are is known: to list them takes longer than to read one, since the browser looks at every entry of
   * the store. A run that the browser does not read in time is lost, because all later answers wait for this one.
   * @param {Resource} resource
   * @param {number} piece
   */
  async #read({ root }, piece) {
    const store = await this.#store;
    for (const run of this.#resources.runs(root, piece)) {
      const reading = store?.readRun(root, ...run).then((response) => response?.arrayBuffer());
      const buffer = await within(runReadWait, reading);
      if (buffer) return { begin: run[0], buffer };
      this.#resources.lost(root, run);
    }
    return null;
  }
}

/** @param {Run | null | undefined} run @param {Resource} resource @param {number} piece @returns {run is Run} */
function inside(run, resource, piece) {
  return run != null && piece >= run.begin && (piece - run.begin) * resource.pieceBytes < run.buffer.byteLength;
}

/** @param {Resource} resource @param {Run | null} run @param {number} piece @param {number} offset @param {number} bytes */
function cut(resource, run, piece, offset, bytes) {
  if (!inside(run, resource, piece)) return null;
  const at = (piece - run.begin) * resource.pieceBytes + offset;
  return at + bytes <= run.buffer.byteLength ? new Uint8Array(run.buffer, at, bytes) : null;
}
