// Loads the wasm core, and passes numbers and texts over its border (src/bind/worker.cpp). Knows nothing else of it.
import { commandSizes, commandTexts, MAILBOX, TEXT_IN } from '../build/border.js';

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
      // Views of the memory are made anew each time.
      emscripten_notify_memory_growth() {},
    },
    // abort() ends here; a trap follows.
    wasi_snapshot_preview1: { proc_exit() {} },
  });
  /** @type {any} */
  const core = exports;
  core._initialize();
  const box = core[MAILBOX]();
  const view = () => new DataView(core.memory.buffer, box);
  const number = (/** @type {number} */ place) => view().getUint32(place, true);
  const putText = (/** @type {string | ArrayBuffer} */ text) => {
    const bytes = typeof text === 'string' ? encoder.encode(text) : new Uint8Array(text);
    const at = bytes.length > number(TEXT_ROOM) ? core[TEXT_IN](bytes.length) : number(TEXT);
    new Uint8Array(core.memory.buffer).set(bytes, at);
    return bytes.length;
  };
  const call = (/** @type {string} */ name, /** @type {Argument[]} */ args) =>
    /** @type {number} */ (
      core[name](...args.map((each) => (typeof each === 'string' || each instanceof ArrayBuffer ? putText(each) : each)))
    );
  return {
    /** Calls a function of the core, with at most one text. @type {typeof call} */
    call,
    /** The same, of one that gives a text. */
    callText(/** @type {string} */ name, /** @type {Argument[]} */ args) {
      const length = call(name, args);
      return read(number(TEXT), length);
    },
    /** Takes the commands out of the mailbox: each is its number and its fields. @returns {[number, ...any][]} */
    takeCommands() {
      const words = [...new Float64Array(core.memory.buffer, number(COMMANDS), number(COMMANDS_COUNT))];
      view().setUint32(COMMANDS_COUNT, 0, true);
      let text = number(TEXTS);
      const commands = [];
      for (let at = 0; at < words.length; ) {
        /** @type {[number, ...any]} */
        const command = /** @type {any} */ (words.slice(at, (at += 1 + commandSizes[words[at]])));
        if (commandTexts.includes(command[0])) {
          const length = command.pop();
          command.push(read(text, length));
          text += length;
        }
        commands.push(command);
      }
      return commands;
    },
    /** When the core is to be told of the time, or a negative number. */
    timeout: () => view().getFloat64(0, true),
    /** Responses without a first byte. */
    waiting: () => number(WAITING),
    /** Bytes of memory, which never shrinks. */
    size: () => core.memory.buffer.byteLength,
  };
}

// The places of the mailbox.
const COMMANDS = 8;
const COMMANDS_COUNT = 12;
const TEXTS = 16;
const TEXT = 20;
const TEXT_ROOM = 24;
const WAITING = 28;
