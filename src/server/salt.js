// The salt of the day. What may leave the process of where a visitor is, is keyed by it, so that nobody who reads Redis learns an
// address, nor follows one from day to day. Coordinators on one Redis tell each other their salt, and the oldest holds.
import { createHmac, randomBytes } from 'node:crypto';

const dayMs = 24 * 3600 * 1000;

/** What coordinators tell each other: the salt of the day before `day`, and since when it is shared. */
const isShared = (/** @type {any} */ said) =>
  Number.isSafeInteger(said?.day) && Number.isSafeInteger(said.born) && said.born >= 0 && /^[0-9a-f]{64}$/.test(said.salt);

/** Whoever has a day's salt has those of the days after it, and none of those before. @param {Buffer} salt */
const next = (salt) => createHmac('sha256', salt).update('the next day').digest();

/** A number that is never 0: that one means that nothing is known. @param {Buffer} salt @param {string} text */
const numbered = (salt, text) => createHmac('sha256', salt).update(text).digest().readUInt32LE() || 1;

/**
 * A text as a number, under the salt of today and under that of the day before.
 * @typedef {{ today: number, before: number }} Salted
 */

export class Salt {
  #clock;
  /** Of the day before `#day`. */
  #before = randomBytes(32);
  #today = next(this.#before);
  #day;
  #born;

  /** @param {() => number} [clock] milliseconds since 1970 */
  constructor(clock = Date.now) {
    this.#clock = clock;
    this.#born = Math.floor(clock());
    this.#day = Math.floor(clock() / dayMs);
  }

  /** @param {string} text @returns {Salted} */
  numbersOf(text) {
    this.#turn(Math.floor(this.#clock() / dayMs));
    return { today: numbered(this.#today, text), before: numbered(this.#before, text) };
  }

  /** What others are told. */
  toText() {
    this.#turn(Math.floor(this.#clock() / dayMs));
    return JSON.stringify({ day: this.#day, born: this.#born, salt: this.#before.toString('hex') });
  }

  /** Another told its own. Whether it must be told ours. @param {Buffer} text */
  hear(text) {
    let said;
    try {
      said = JSON.parse(text.toString());
    } catch {
      return false;
    }
    // Clocks differ by less than a day.
    if (!isShared(said) || Math.abs(said.day - Math.floor(this.#clock() / dayMs)) > 1) return false;
    this.#turn(said.day);
    let theirs = Buffer.from(said.salt, 'hex');
    for (let day = said.day; day < this.#day; day++) theirs = next(theirs);
    const order = said.born - this.#born || Buffer.compare(theirs, this.#before);
    if (order < 0) {
      this.#before = theirs;
      this.#today = next(theirs);
      this.#born = said.born;
    }
    return order > 0;
  }

  /** @param {number} day */
  #turn(day) {
    for (; this.#day < day; this.#day++) {
      this.#before = this.#today;
      this.#today = next(this.#today);
    }
  }
}
