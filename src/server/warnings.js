// What is told of files that a manifest does not list though they were to be.

/**
 * @typedef {object} ManifestWarning
 * @property {string} path of the file, or of the folder (it ends in a slash), that is not listed though it was to be
 * @property {string} code 'not-readable', 'not-a-file', 'link-outside', 'link-loop', 'path-too-long', 'too-large',
 *     'too-many-files', 'changed', 'same-root'; or 'more-warnings' of all that are not named, 'manifest-kept' of a folder that
 *     cannot be read any more, 'unused-glob' of a glob that no file has
 * @property {string} message a line of text that names it and says why
 */

/** Why a file is not listed though it was to be. */
export class Unlisted extends Error {
  /** @param {string} code @param {string} reason */
  constructor(code, reason) {
    super(reason);
    this.code = code;
  }
}

/**
 * Node's errors, as the reason why a file is not listed.
 * @param {unknown} error
 * @param {string} path
 */
export function unlisted(error, path) {
  if (error instanceof Unlisted) return error;
  const { code } = /** @type {NodeJS.ErrnoException} */ (error);
  /** @type {Record<string, string>} */
  const reasons = {
    EACCES: 'it may not be read',
    EPERM: 'it may not be read',
    ELOOP: 'its links lead nowhere',
    ENOENT: path.includes('\ufffd') ? 'its name is not valid UTF-8' : 'it is not there, or is a link to nothing',
  };
  return new Unlisted('not-readable', reasons[`${code}`] ?? `it cannot be read (${code})`);
}

/**
 * A warning, on one line whatever the name: controls of a terminal are shown as numbers.
 * @param {string} path
 * @param {Unlisted} why
 */
export function warningOf(path, { code, message }) {
  const shown = path.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return { path, code, message: `${shown} is not listed: ${message}` };
}

/** Told where nobody asked to be. @param {{ code: string, message: string }} warning */
export const warnProcess = ({ code, message }) => process.emitWarning(message, { type: 'peer-cdn', code });
