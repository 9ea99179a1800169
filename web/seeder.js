// The seeding side: reads a run of the store and cuts blocks out of it. Few runs stay in memory.

export class Seeder {
  #engine;
  #resources;
  #store;
  /** @type {Map<string, { begin: number, buffer: ArrayBuffer | null, ready: Promise<void> }>} most recent last */
  #runs = new Map();

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

  /** Answers with engine.blockReady(token, payload); null if the store has lost the piece. */
  read(token, handle, piece, offset, bytes) {
    const resource = this.#resources.get(handle);
    const run = this.#find(resource, piece);
    const answer = () => this.#engine.blockReady(token, cut(resource, run, piece, offset, bytes));
    if (run.buffer) return answer();
    run.ready.then(answer);
  }

  #find(resource, piece) {
    const perSegment = Math.max(1, Math.floor(this.#engine.segmentBytes / resource.pieceBytes));
    const key = `${resource.root}/${Math.floor(piece / perSegment)}`;
    const known = this.#runs.get(key);
    if (known && (!known.buffer || inside(known, resource, piece))) {
      this.#runs.delete(key);
      this.#runs.set(key, known);
      return known;
    }
    const run = {begin: 0, buffer: null, ready: Promise.resolve()};
    run.ready = this.#load(run, resource, piece).catch(() => {});
    this.#runs.set(key, run);
    if (this.#runs.size > this.#engine.runsInMemory) this.#runs.delete(this.#runs.keys().next().value);
    return run;
  }

  // Runs may overlap: of those with this piece, the one that reaches furthest serves most blocks.
  async #load(run, resource, piece) {
    const store = await this.#store;
    const runs = (await store?.runs(resource.root) ?? []).filter(([begin, end]) => begin <= piece && piece < end);
    const best = runs.sort((a, b) => b[1] - a[1])[0];
    if (!best) return;
    run.begin = best[0];
    run.buffer = await store.readRun(resource.root, best[0], best[1]);
  }
}

const inside = (run, resource, piece) =>
  piece >= run.begin && (piece - run.begin) * resource.pieceBytes < run.buffer.byteLength;

function cut(resource, run, piece, offset, bytes) {
  if (!run.buffer || !inside(run, resource, piece)) return null;
  const at = (piece - run.begin) * resource.pieceBytes + offset;
  return at + bytes <= run.buffer.byteLength ? new Uint8Array(run.buffer, at, bytes) : null;
}
