// How a command tells what happens: lines for people, or, with `--log json`, one JSON object a line on standard error. No line
// has an address or a number of a visitor.

/** @typedef {'info' | 'warn' | 'error'} Level */
/** @typedef {{ code: string, message: string } & Record<string, unknown>} Event `code` and `message`, and more that fits */
/** @typedef {(level: Level, event: Event) => void} Log */

/** The forms that a log may have; the first is the usual one. */
export const logForms = /** @type {const} */ (['plain', 'json']);

/**
 * @param {string | undefined} form
 * @param {(line: string) => void} [write]
 * @returns {Log} as lines for people, what is only for information is not told: the command says that by itself
 */
export function logOf(form, write = (line) => void process.stderr.write(line)) {
  if (form !== 'json') return (level, { code, message }) => level === 'info' || write(`peer-cdn: ${code}: ${message}\n`);
  return (level, { code, message, ...more }) =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, code, message, ...more })}\n`);
}
