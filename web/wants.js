// What this page could want of others, as the coordinator is told, and what it says of that in return (src/signal/wants.hpp).
import { marksPerMessage, wantsBits } from '../build/border.js';

/** The text of a list of sorted marks. A manifest has so few that each gap has low bits. @param {string[]} marks */
function textOf(marks) {
  if (marks.length === 0) return '';
  const low = Math.min(wantsBits - 1, Math.floor(wantsBits - Math.log2(marks.length)));
  const binary = (/** @type {number} */ number, /** @type {number} */ length) => number.toString(2).padStart(length, '0');
  let bits = binary(low, 6);
  let last = 0;
  for (const mark of marks) {
    const cut = Number.parseInt(mark, 16) >>> (32 - wantsBits);
    bits += `${'1'.repeat((cut - last) >>> low)}0${binary((cut - last) % 2 ** low, low)}`;
    last = cut;
  }
  while (bits.length % 24) bits += '1';
  return btoa(bits.replace(/.{8}/g, (byte) => String.fromCharCode(Number.parseInt(byte, 2))));
}

/** @typedef {{ add: string[], remove: string[] }} Marks */

export class Wants {
  /** Sorted: a bit stands for each. @type {string[]} */
  #marks = [];
  /** Bytes of these bits, as they were told last. @type {number[]} */
  #told = [];
  /** @type {Set<string>} */
  #present = new Set();
  /** The list, as the coordinator is told. */
  text = '';

  /** What could be wanted from now on. Whether that is news. @param {Iterable<string>} roots */
  set(roots) {
    this.#marks = [...new Set([...roots].map((root) => root.slice(0, 8)))].sort();
    const before = this.text;
    this.text = textOf(this.#marks);
    return this.text !== before;
  }

  /**
   * The changes that a message `present` tells, in parts as long as the core takes; null of what is none.
   * @param {{ add?: unknown, remove?: unknown, set?: unknown, whole?: unknown }} message
   * @returns {Marks[] | null}
   */
  changes({ add = [], remove = [], set, whole }) {
    const before = whole ? [...this.#present] : [];
    if (whole) {
      this.#present.clear();
      this.#told = [];
    }
    const told = set === undefined ? { add, remove } : this.#read(set);
    if (!told || !Array.isArray(told.add) || !Array.isArray(told.remove)) return null;
    for (const mark of told.remove) this.#present.delete(mark);
    for (const mark of told.add) this.#present.add(mark);
    const gone = [...told.remove, ...before.filter((mark) => !this.#present.has(mark))];
    const parts = [];
    for (let i = 0; i < Math.max(1, told.add.length, gone.length); i += marksPerMessage) {
      parts.push({ add: told.add.slice(i, i + marksPerMessage), remove: gone.slice(i, i + marksPerMessage) });
    }
    return parts;
  }

  /** Runs of cells, three bytes each: `<first cell>:<base64>,...`. @param {unknown} set @returns {Marks | null} */
  #read(set) {
    if (typeof set !== 'string' || !/^(\d{1,3}:([A-Za-z0-9+/]{4})+(,(?!$)|$))*$/.test(set)) return null;
    /** @type {Marks} */
    const told = { add: [], remove: [] };
    for (const run of set ? set.split(',') : []) {
      const [first, cells] = run.split(':');
      [...atob(cells)].forEach((char, i) => {
        const at = 3 * Number(first) + i;
        const byte = char.charCodeAt(0);
        // What is told again has come again.
        const changed = byte === this.#told[at] ? byte : byte ^ this.#told[at];
        this.#told[at] = byte;
        for (let bit = 0; bit < 8; bit++) {
          const mark = this.#marks[8 * at + bit];
          if (mark && changed & (128 >> bit)) (byte & (128 >> bit) ? told.add : told.remove).push(mark);
        }
      });
    }
    return told;
  }
}
