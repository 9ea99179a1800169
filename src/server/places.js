// Where visitors are, as the core compares it: it gets numbers, and never an address.
import { networkOf } from './address.js';
import * as limits from './limits.js';

/**
 * @typedef {object} Place
 * @property {import('./salt.js').Salted} network the same for visitors of one network
 * @property {import('./salt.js').Salted} label the same for visitors to whom the operator's classifier gives one label
 */

const unknown = { today: 0, before: 0 };
/** Of whom nothing is known. @type {Place} */
export const nowhere = { network: unknown, label: unknown };

/** @typedef {(address: string) => string | null | undefined} Classify */

/** @param {unknown} error */
function nameOf(error) {
  try {
    return error instanceof Error ? String(error.name) : typeof error;
  } catch {
    return 'what cannot be looked at';
  }
}

export class Places {
  #salt;
  #classify;
  #tell;
  #isTold = false;

  /**
   * @param {import('./salt.js').Salt} salt
   * @param {Classify | undefined} classify
   * @param {(message: string) => void} tell what is wrong with the classifier, once
   */
  constructor(salt, classify, tell) {
    this.#salt = salt;
    this.#classify = classify;
    this.#tell = tell;
  }

  /** @param {string | null} address @returns {Place} */
  of(address) {
    if (address === null) return nowhere;
    const label = this.#labelOf(address);
    return {
      network: this.#salt.numbersOf(`network ${networkOf(address)}`),
      label: label === '' ? unknown : this.#salt.numbersOf(`label ${label}`),
    };
  }

  /** @param {string} address @returns {string} */
  #labelOf(address) {
    if (!this.#classify) return '';
    /** @type {any} */
    let label;
    try {
      label = this.#classify(address) ?? '';
      if (typeof label !== 'string') {
        // Nobody waits for a promise, and one that fails must not end the process.
        Promise.resolve(label).catch(() => {});
        return this.#complain(`gave no text but ${label instanceof Promise ? 'a promise' : typeof label}`);
      }
    } catch (error) {
      // What it throws may name the address, and what it gives may throw when it is looked at.
      return this.#complain(`threw ${nameOf(error)}`);
    }
    if (label.length > limits.labelLength) {
      return this.#complain(`gave a text of ${label.length} characters, more than ${limits.labelLength}`);
    }
    return label;
  }

  /** @param {string} what */
  #complain(what) {
    if (!this.#isTold) this.#tell(`classify ${what}: visitors of whom it says nothing else have no label`);
    this.#isTold = true;
    return '';
  }
}
