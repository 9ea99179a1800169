// The seeding side: cuts blocks out of what is still in memory, or out of runs of the store, of which few stay.

/** @typedef {{ begin: number, buffer: ArrayBuffer }} Run from piece `begin` on */

export class Seeder {
  #engine;
  #resources;
  #store;
  #pieces;
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
   * @param {import('./pieces.js').Pieces} pieces
   */
  constructor(engine, resources, store, pieces) {
    this.#engine = engine;
    this.#resources = resources;
    this.#store = store;
    this.#pieces = pieces;
  }

  /**
   * Answers with engine.blockReady(token, payload), in the order of the calls: the core tells answers apart by it.
   * The payload is null if the store has lost the piece; `inMemory` if it need not be asked.
   */
  read(token, handle, piece, offset, bytes, inMemory) {
    const resource = this.#resources.get(handle);
    const answer = (payload) => this.#engine.blockReady(token, payload);
    const cutFrom = (run) => cut(resource, run, piece, offset, bytes);
    const perSegment = Math.max(1, Math.floor(this.#engine.segmentBytes / resource.pieceBytes));
    const key = `${resource.root}/${Math.floor(piece / perSegment)}`;
    const here = inMemory ? this.#pieces.part(handle, piece, offset, bytes) : cutFrom(this.#recent(key));
    if (here && !this.#waiting) return answer(here);
    const found = here ?? this.#load(key, resource, piece).then(cutFrom);
    const turn = Promise.all([found, this.#waiting]).then(([payload]) => answer(payload)).finally(() => {
      if (this.#waiting === turn) this.#waiting = null;
    });
    this.#waiting = turn;
  }

  #recent(key) {
    const run = this.#runs.get(key);
    if (!run) return null;
    this.#runs.delete(key);
    this.#runs.set(key, run);
    return run;
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
