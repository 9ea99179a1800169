// Loads the wasm core, and passes texts over its border (src/bind/worker.cpp). Knows nothing else of it.
import { FIELDS_OUT, TEXT_IN, TEXT_OUT } from '../build/border.js';

/** @typedef {number | boolean | string | ArrayBuffer} Argument */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Instantiates the core: ready on return. Throws where a CSP forbids wasm. A call that traps throws a
 * WebAssembly.RuntimeError.
 * @param {Uint8Array<ArrayBuffer>} wasm
 * @param {(pattern: number, segment: string) => boolean} test whether the regexp with that number matches
 */
export function startCore(wasm, test) {
  const read = (/** @type {number} */ at, /** @type {number} */ length) =>
    decoder.decode(new Uint8Array(core.memory.buffer, at, length));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
    env: {
      host_test: (/** @type {number} */ pattern, /** @type {number} */ at, /** @type {number} */ length) =>
        test(pattern, read(at, length)),
      // Views of the memory are made anew by each call.
      emscripten_notify_memory_growth() {},
    },
    // abort() ends here; a trap follows.
    wasi_snapshot_preview1: { proc_exit() {} },
  });
  /** @type {any} */
  const core = exports;
  core._initialize();
  const call = (/** @type {string} */ name, /** @type {Argument[]} */ args) => {
    const numbers = args.filter((each) => {
      if (typeof each !== 'string' && !(each instanceof ArrayBuffer)) return true;
      const bytes = typeof each === 'string' ? encoder.encode(each) : new Uint8Array(each);
      const at = core[TEXT_IN](bytes.length);
      new Uint8Array(core.memory.buffer).set(bytes, at);
      return false;
    });
    return /** @type {number} */ (core[name](...numbers));
  };
  return {
    /** Calls a function of the core: numbers in order, and at most one text, wherever it stands. @type {typeof call} */
    call,
    /** The same, of one that gives a text. */
    callText(/** @type {string} */ name, /** @type {Argument[]} */ args) {
      const length = call(name, args);
      return read(core[TEXT_OUT](), length);
    },
    /** What the last call left beside its result: to be read before the next one. */
    fields: () => new Float64Array(core.memory.buffer, core[FIELDS_OUT](), 10),
    /** Bytes of memory, which never shrinks. */
    size: () => core.memory.buffer.byteLength,
  };
}
