// The time of a test. It stands still unless a test waits, and then it jumps from one timer to the next: but only when
// nothing else runs, so that the speed of the machine decides nothing.

// Promises and streams of Node go on within a few turns of the event loop. Work on other threads (digests) is counted.
const QUIET_TURNS = 8;
// A test that waits for so long, by its own clock, waits in vain.
const LIMIT = 15 * 60_000;
// So many timers at one moment are one that sets itself again.
const RINGS = 10_000;

const turn = () => new Promise((resolve) => setImmediate(resolve));

export class Clock {
  /** Milliseconds since the test began. */
  now = 0;
  /** What handlers of messages and events threw. @type {unknown[]} */
  thrown = [];
  #ids = 0;
  /** @type {Map<number, { at: number, ring: () => void }>} */
  #timers = new Map();
  #busy = 0;
  #waiting = new Set();
  #runs = false;

  // In whole milliseconds, never early: one that rang a microsecond before its time would be set again, for ever. Browsers keep
  // 32 bits of a time.
  setTimeout(ring, ms = 0, ...args) {
    const id = ++this.#ids;
    const wait = ms < 2 ** 31 ? Math.max(0, +ms || 0) : 0;
    const at = Math.ceil(this.now + wait);
    this.#timers.set(id, { at, ring: () => (this.#timers.delete(id), ring(...args)) });
    return id;
  }

  setInterval(ring, ms, ...args) {
    const id = ++this.#ids;
    const next = () => this.#timers.set(id, { at: Math.ceil(this.now + Math.max(1, ms)), ring: () => (next(), ring(...args)) });
    next();
    return id;
  }

  clear(id) {
    this.#timers.delete(id);
  }

  /** Time stands still until this is settled: for work on other threads. */
  during(promise) {
    this.#busy++;
    const over = () => void this.#busy--;
    promise.then(over, over);
    return promise;
  }

  /** Runs something in a task of its own, as the event loop does with messages. What it throws is kept in `thrown`. */
  task(run) {
    void this.during(
      turn()
        .then(run)
        .catch((error) => this.thrown.push(error)),
    );
  }

  /** A promise for after so many milliseconds. It does not make time run. */
  after(ms) {
    return new Promise((resolve) => this.setTimeout(resolve, ms));
  }

  /** Lets time run until the promise settles, and gives what it gives. Fails when nothing more can happen. */
  until(promise, what = 'a promise') {
    const told = new Error();
    return new Promise((resolve, reject) => {
      const waiter = {
        deadline: this.now + LIMIT,
        fail: (why) => {
          told.message = `waited for ${what}: ${why}`;
          reject(told);
        },
      };
      this.#waiting.add(waiter);
      Promise.resolve(promise)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(waiter));
      void this.#run();
    });
  }

  /** Lets time run until the condition holds. It is looked at after everything that happens. */
  when(condition, what = String(condition)) {
    let hold = () => {};
    const promise = new Promise((resolve) => (hold = resolve));
    promise.holds = () => condition() && hold();
    this.#conditions.add(promise);
    return this.until(promise, what).finally(() => this.#conditions.delete(promise));
  }

  /** Lets so many milliseconds pass. */
  pass(ms) {
    return this.until(this.after(ms));
  }

  /** Lets everything happen that needs no time. */
  async settle() {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      await turn();
      if (this.#busy > 0) quiet = -1;
    }
  }

  #conditions = new Set();

  async #run() {
    if (this.#runs) return;
    this.#runs = true;
    for (let quiet = 0; this.#waiting.size > 0; ) {
      await turn();
      for (const each of this.#conditions) each.holds();
      quiet = this.#busy > 0 ? 0 : quiet + 1;
      if (quiet <= QUIET_TURNS) continue;
      quiet = 0;
      this.#ringNext();
    }
    this.#runs = false;
  }

  #ringNext() {
    let next = null;
    for (const timer of this.#timers.values()) {
      if (!next || timer.at < next.at) next = timer;
    }
    this.#rings = next && next.at <= this.now ? this.#rings + 1 : 0;
    for (const waiter of [...this.#waiting]) {
      if (next && next.at <= waiter.deadline && this.#rings < RINGS) continue;
      this.#waiting.delete(waiter);
      waiter.fail(
        !next
          ? 'nothing more can happen'
          : this.#rings < RINGS
            ? `not within ${LIMIT / 60_000} minutes`
            : 'a timer rings for ever',
      );
    }
    if (!next || this.#waiting.size === 0) return;
    this.now = Math.max(this.now, next.at);
    next.ring();
  }

  #rings = 0;
}
