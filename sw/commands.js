// Reads what the core decided where it lies in the core's memory, and has it performed.
import { commandBytes, commandFields, commandKindAt } from '../build/border.js';

/** @typedef {ReturnType<typeof import('./core.js').startCore>} Core */

// The place of the list of commands in the mailbox.
const COMMANDS = 8;

// The types of fields: of 4 bytes, of 1, times in microseconds, and bools; others are numbers of 8.
const WORD = 0;
const BYTE = 1;
const TIME = 3;
const BOOL = 4;

/**
 * @param {DataView} memory
 * @param {number} command where it lies
 * @param {number} form of a field: its place in the command, and its type
 */
function read(memory, command, form) {
  const at = command + (form >> 3);
  const type = form & 7;
  if (type === WORD) return memory.getUint32(at, true);
  if (type === BYTE) return memory.getUint8(at);
  if (type === BOOL) return memory.getUint8(at) > 0;
  const wide = Number(memory.getBigInt64(at, true));
  return type === TIME ? wide / 1000 : wide;
}

/**
 * Performs the commands in the mailbox, in order, also those that come meanwhile.
 * @param {Core} core
 * @param {import('../build/border.js').Performer} performer
 */
export function perform({ memory, mailbox }, performer) {
  const word = (/** @type {number} */ at) => memory().getUint32(at, true);
  const list = word(mailbox + COMMANDS);
  for (let i = 0; i < word(list + 4); i++) {
    const command = word(list) + i * commandBytes;
    const kind = memory().getUint8(command + commandKindAt);
    /** @type {Record<string, number | boolean>} */
    const fields = {};
    for (const name in commandFields[kind]) fields[name] = read(memory(), command, commandFields[kind][name]);
    /** @type {any} */ (performer)[kind](fields);
  }
  memory().setUint32(list + 4, 0, true);
}
