// Loads the wasm core, and passes numbers and texts over its border (src/bind/worker.cpp). Knows nothing else of it.
import { MAILBOX, MAILBOX_TEXT, MAILBOX_TEXT_ROOM, MAILBOX_TIMEOUT, TEXT_IN } from '../build/border.js';

/** @typedef {number | boolean | string | ArrayBuffer} Argument */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Instantiates the core: ready on return. Throws where a CSP forbids wasm. A call that traps throws a
 * WebAssembly.RuntimeError.
 * @param {Uint8Array<ArrayBuffer>} wasm
 * @param {(pattern: number, segment: string) => boolean | undefined} test whether the regexp with that number matches
 */
export function startCore(wasm, test) {
  const read = (/** @type {number} */ at, /** @type {number} */ length) => {
    memory();
    return decoder.decode(bytes.subarray(at, at + length));
  };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
    env: {
      host_test: (/** @type {number} */ pattern, /** @type {number} */ at, /** @type {number} */ length) =>
        test(pattern, read(at, length)),
    },
    // abort() ends here; a trap follows.
    wasi_snapshot_preview1: { proc_exit() {} },
  });
  /** @type {any} */
  const core = exports;
  core._initialize();
  const box = core[MAILBOX]();
  /** @type {Uint8Array} */
  let bytes;
  /** @type {DataView} */
  let view;
  // Views of the core's memory, made anew when it has grown: the buffer of the old ones is taken away then.
  const memory = () => {
    if (!bytes?.length) {
      bytes = new Uint8Array(core.memory.buffer);
      view = new DataView(bytes.buffer);
    }
    return view;
  };
  const word = (/** @type {number} */ at) => memory().getUint32(at, true);
  const putText = (/** @type {string | ArrayBuffer} */ text) => {
    // A character of a string has at most three bytes.
    const most = typeof text === 'string' ? 3 * text.length : text.byteLength;
    const at = most > word(box + MAILBOX_TEXT_ROOM) ? core[TEXT_IN](most) : word(box + MAILBOX_TEXT);
    memory();
    if (typeof text === 'string') return encoder.encodeInto(text, bytes.subarray(at)).written;
    bytes.set(new Uint8Array(text), at);
    return most;
  };
  const call = (/** @type {string} */ name, /** @type {Argument[]} */ args) =>
    /** @type {number} */ (
      core[name](...args.map((each) => (typeof each === 'string' || each instanceof ArrayBuffer ? putText(each) : each)))
    );
  return {
    /** Where the module's mailbox is. @type {number} */
    mailbox: box,
    /** Calls a function of the core, with at most one text. @type {typeof call} */
    call,
    /** The same, of one that gives a text. */
    callText(/** @type {string} */ name, /** @type {Argument[]} */ args) {
      const length = call(name, args);
      return read(word(box + MAILBOX_TEXT), length);
    },
    /** When the core is to be told of the time, or a negative number. */
    due: () => memory().getFloat64(box + MAILBOX_TIMEOUT, true),
    /** Where the core's texts and commands lie; another view once it has grown. @type {() => DataView} */
    memory,
  };
}
