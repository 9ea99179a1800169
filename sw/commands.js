// Reads what the core decided where it lies in the core's memory, and has it performed.
import {
  commandBytes,
  commandFields,
  commandKindAt,
  FORM_BOOL,
  FORM_BYTE,
  FORM_TIME,
  FORM_WIDE,
  FORM_WORD,
  MAILBOX_COMMANDS,
} from '../build/border.js';

/**
 * The fields of a command that lies there: each behind the one before, at a multiple of its own size.
 * @param {DataView} memory
 * @param {number} at
 * @param {Record<string, number>} forms
 */
function read(memory, at, forms) {
  /** @type {Record<string, number | boolean>} */
  const fields = {};
  for (const name in forms) {
    const form = forms[name];
    const size = Math.min(form || FORM_BYTE, FORM_WIDE);
    at = Math.ceil(at / size) * size;
    if (form === FORM_WORD) fields[name] = memory.getUint32(at, true);
    else if (form < FORM_WORD) fields[name] = form === FORM_BOOL ? memory.getUint8(at) > 0 : memory.getUint8(at);
    else fields[name] = Number(memory.getBigInt64(at, true)) / (form === FORM_TIME ? 1000 : 1);
    at += size;
  }
  return fields;
}

/**
 * Performs the commands in the mailbox, in order, also those that come meanwhile.
 * @param {ReturnType<typeof import('./core.js').startCore>} core
 * @param {import('../build/border.js').Performer} performer
 */
export function perform({ memory, mailbox }, performer) {
  const word = (/** @type {number} */ at) => memory().getUint32(at, true);
  const list = word(mailbox + MAILBOX_COMMANDS);
  for (let i = 0; i < word(list + 4); i++) {
    const command = word(list) + i * commandBytes;
    const kind = memory().getUint8(command + commandKindAt);
    /** @type {any} */ (performer)[kind](read(memory(), command, commandFields[kind]));
  }
  memory().setUint32(list + 4, 0, true);
}
