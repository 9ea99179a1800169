// What is told of files that a manifest does not list though they were to be.

/**
 * @typedef {object} ManifestWarning
 * @property {string} path of the file, or of the folder (it ends in a slash), that is not listed though it was to be
 * @property {string} code 'not-readable', 'not-a-file', 'link-outside', 'link-loop', 'path-too-long', 'too-large',
 *     'too-many-files', 'changed', 'same-root'; or, one for all of a kind, 'empty', 'hidden', 'node-modules' and 'own-folder' of
 *     what is never listed; or 'more-warnings' of all that are not named, 'manifest-kept' of a folder that
 *     cannot be read any more, 'unused-glob' of a glob that no file has, 'nothing-listed' of a folder of which nothing is
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

/** On one line whatever the name: controls of a terminal are shown as numbers. @param {string} path */
const shownPath = (path) =>
  path.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** @param {string} path @param {Unlisted} why */
export function warningOf(path, { code, message }) {
  return { path, code, message: `${shownPath(path)} is not listed: ${message}` };
}

/** Why some files are never listed. A warning is for all of a kind: a site may have many, and most are meant not to be. */
const never = {
  empty: 'an empty file has nothing to share',
  hidden: 'names that begin with a dot are not for visitors',
  'node-modules': 'node_modules is not for visitors',
  'own-folder': 'folders named peer-cdn have only what peer-cdn writes',
};
/** @typedef {keyof typeof never} Never */

/** @param {Never} code @param {string[]} paths @returns {ManifestWarning} */
export function neverListed(code, paths) {
  const some = paths.slice(0, 3).map(shownPath).join(', ') + (paths.length > 3 ? ` and ${paths.length - 3} more` : '');
  return { path: '', code, message: `${some} ${paths.length > 1 ? 'are' : 'is'} not listed: ${never[code]}` };
}

/** Of a manifest that lists nothing: the site would share nothing, without a word. @type {ManifestWarning} */
export const nothingListed = {
  path: '',
  code: 'nothing-listed',
  message: 'no file of the folder is listed: include (--include) says which ones to list',
};

/** Told where nobody asked to be. @param {{ code: string, message: string }} warning */
export const warnProcess = ({ code, message }) => process.emitWarning(message, { type: 'peer-cdn', code });

/**
 * Calls a listener of the host's. Any visitor can bring about what is told, so an error of the listener must not end the host's
 * process: it is told in its turn.
 * @template Told
 * @param {(told: Told) => unknown} listener
 * @param {Told} told
 */
export function call(listener, told) {
  const failed = (/** @type {unknown} */ error) =>
    warnProcess({ code: 'listener-failed', message: `a listener of the coordinator's threw: ${error}` });
  try {
    Promise.resolve(listener(told)).catch(failed);
  } catch (error) {
    failed(error);
  }
}
