// What a page was told that anybody has, as its socket says it: marks, or bits of the list that the page said (signal/wants.hpp).
import { wantsBits } from '../../../build/border.js';

const bitsOf = (base64) => [...Buffer.from(base64, 'base64')].map((byte) => byte.toString(2).padStart(8, '0')).join('');

/** The cut marks of a list. Its first digit says how many low bits each gap has. */
function readWants(text) {
  const bits = bitsOf(text);
  const low = Number.parseInt(bits.slice(0, 6), 2);
  const cuts = [];
  for (let at = 6, last = 0; text && bits.includes('0', at); ) {
    const zero = bits.indexOf('0', at);
    last += (zero - at) * 2 ** low + Number.parseInt(bits.slice(zero + 1, zero + 1 + low), 2);
    cuts.push(last);
    at = zero + 1 + low;
  }
  return cuts;
}

/** A socket, by its messages in their order. */
export class Told {
  #wanted = [];
  #cuts = new Set();
  #marks = new Set();

  hear(from, message) {
    if (from === 'client' && message.wants !== undefined) this.#wanted = readWants(message.wants);
    if (from === 'client' || message.type !== 'present') return;
    if (message.whole) this.#cuts.clear();
    for (const mark of message.add ?? []) this.#marks.add(mark);
    for (const mark of message.remove ?? []) this.#marks.delete(mark);
    for (const run of message.set?.split(',').filter(Boolean) ?? []) {
      const [first, cells] = run.split(':');
      [...bitsOf(cells)].forEach((bit, i) => {
        this.#cuts[bit === '1' ? 'add' : 'delete'](this.#wanted[24 * first + i]);
      });
    }
  }

  /** What it was told so far counts no more: what comes again is told again. */
  forget() {
    this.#cuts.clear();
    this.#marks.clear();
  }

  /** Whether its page was told that somebody has the root, and not that nobody has it any more. */
  has(root) {
    const mark = root.slice(0, 8);
    return this.#marks.has(mark) || this.#cuts.has(Number.parseInt(mark, 16) >>> (32 - wantsBits));
  }
}
