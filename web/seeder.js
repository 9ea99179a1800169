// The seeding side: reads a run of the store and cuts blocks out of it. Few runs stay in memory.

/** @typedef {{ begin: number, buffer: ArrayBuffer }} Run from piece `begin` on */

export class Seeder {
  #engine;
  #resources;
  #store;
  /** @type {Map<string, Run>} by root and segment, most recent last */
  #runs = new Map();
  /** @type {Map<string, Promise<Run | null>>} */
  #loading = new Map();
  /** The last answer that waits for the store; null if none does. @type {Promise<void> | null} */
  #waiting = null;

  /**
   * @param {import('./engine.js').Engine} engine
   * @param {import('./resources.js').Resources} resources
   * @param {Promise<import('../sw/store.js').Store | null>} store
   */
  constructor(engine, resources, store) {
    this.#engine = engine;
    this.#resources = resources;
    this.#store = store;
  }

  /**
   * Answers with engine.blockReady(token, payload), in the order of the calls: the core tells answers apart by it.
   * The payload is null if the store has lost the piece.
   */
  read(token, handle, piece, offset, bytes) {
    const resource = this.#resources.get(handle);
    const answer = (run) =>
        this.#engine.blockReady(token, cut(resource, run, piece, offset, bytes));
    const perSegment = Math.max(1, Math.floor(this.#engine.segmentBytes / resource.pieceBytes));
    const key = `${resource.root}/${Math.floor(piece / perSegment)}`;
    const run = this.#runs.get(key);
    const isHere = inside(run, resource, piece);
    if (isHere) {
      this.#runs.delete(key);
      this.#runs.set(key, run);
      if (!this.#waiting) return answer(run);
    }
    const found = isHere ? run : this.#load(key, resource, piece);
    const turn = Promise.all([found, this.#waiting]).then(([each]) => answer(each)).finally(() => {
      if (this.#waiting === turn) this.#waiting = null;
    });
    this.#waiting = turn;
  }

  async #load(key, resource, piece) {
    // Many blocks of a segment are asked for at once. Its other runs may lack this piece, though.
    const other = await this.#loading.get(key);
    if (inside(other, resource, piece)) return other;
    const loading = this.#read(resource, piece).catch(() => null);
    this.#loading.set(key, loading);
    const run = await loading;
    if (this.#loading.get(key) === loading) this.#loading.delete(key);
    if (!run) return null;
    this.#runs.set(key, run);
    if (this.#runs.size > this.#engine.runsInMemory)
      this.#runs.delete(this.#runs.keys().next().value);
    return run;
  }

  // Of the runs with this piece, the one that reaches furthest serves most blocks.
  async #read(resource, piece) {
    const store = await this.#store;
    const runs = (await store?.runs(resource.root) ??
                  []).filter(([begin, end]) => begin <= piece && piece < end);
    const best = runs.sort((a, b) => b[1] - a[1])[0];
    const buffer = best ? await store.readRun(resource.root, best[0], best[1]) : null;
    return buffer && {begin: best[0], buffer};
  }
}

const inside = (run, resource, piece) => Boolean(run) && piece >= run.begin &&
    (piece - run.begin) * resource.pieceBytes < run.buffer.byteLength;

function cut(resource, run, piece, offset, bytes) {
  if (!inside(run, resource, piece)) return null;
  const at = (piece - run.begin) * resource.pieceBytes + offset;
  return at + bytes <= run.buffer.byteLength ? new Uint8Array(run.buffer, at, bytes) : null;
}
