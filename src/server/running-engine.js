// When the engine is called: as something comes, as its clock wakes it. Until it fails, or the coordinator closes.
import { randomFillSync } from 'node:crypto';
import { coordinatorStatistics } from '../../build/border.js';
import { Engine } from './engine.js';

/** @typedef {import('./engine.js').EngineStats} EngineStats */

export class RunningEngine {
  /** Null once it has ended. @type {Engine | null} */
  #engine;
  #host;
  #fail;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #timerAt = Infinity;
  #isTaking = false;
  #last = /** @type {EngineStats} */ (Object.fromEntries(coordinatorStatistics.map((name) => [name, 0])));

  /**
   * @param {import('./engine.js').SocketHost} host
   * @param {(error: Error) => void} fail it has failed, so that end() is due
   */
  constructor(host, fail) {
    this.#host = host;
    this.#fail = fail;
    const [high, low] = randomFillSync(new Uint32Array(2));
    this.#engine = new Engine(high, low);
  }

  /** False once it has ended. */
  get isOpen() {
    return this.#engine !== null;
  }

  stats() {
    if (this.#engine) this.#last = this.#engine.stats();
    return this.#last;
  }

  /** From here on it does nothing, and its counters stay as they are. */
  end() {
    clearTimeout(this.#timer);
    const engine = this.#engine;
    this.#engine = null;
    try {
      this.#last = engine?.stats() ?? this.#last;
    } catch {
      // It trapped before: what it still counted is lost with it.
    }
    this.#last = { ...this.#last, peers: 0, sites: 0, siblings: 0 };
  }

  /**
   * Calls into the engine, and does all that it wants done. What waits in its inbox goes first. Nothing else calls it.
   * @template Result
   * @param {(engine: Engine, now: number) => Result} work
   */
  enter(work) {
    if (!this.#engine) return undefined;
    try {
      const now = performance.now();
      // A socket within this process may answer at once, so there may be more.
      while (this.#engine.hasMail) {
        this.#engine.take(now);
        this.#engine.perform(this.#host);
      }
      const result = work(this.#engine, now);
      this.#engine.perform(this.#host);
      this.#schedule(this.#engine.timeout);
      return result;
    } catch (error) {
      // A trap: this is our own bug, and no reason to take the host's server down.
      this.#fail(/** @type {Error} */ (error));
      return undefined;
    }
  }

  /**
   * The texts of one turn of the event loop cross the border together, and what follows of them for a socket is one write.
   * @param {number} peer
   * @param {Buffer} text
   */
  hear(peer, text) {
    if (!this.#engine) return;
    if (!this.#engine.fits(text.length)) this.#take();
    this.#engine?.put(peer, text);
    if (this.#isTaking) return;
    this.#isTaking = true;
    setImmediate(() => {
      this.#isTaking = false;
      this.#take();
    });
  }

  #take() {
    this.enter(() => {});
  }

  /** @param {number} at */
  #schedule(at) {
    if (at < 0 || at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Infinity;
        this.enter((engine, now) => engine.wake(now));
      },
      Math.max(0, Math.ceil(at - performance.now())),
    ).unref();
  }
}
