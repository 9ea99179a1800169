// What the command line says when something is wrong: a code, a sentence, and the status of the process.
import { formOf, numberIn } from './numbers.js';

/** Nothing was written, or something is wrong. */
export const FAILED = 1;
/** The command was not typed as it must be. */
export const WRONG_USAGE = 2;

/** An error of the user's, with the code that stands before its text. */
export class CliError extends Error {
  /** @param {string} code @param {string} message @param {number} [status] of the process */
  constructor(code, message, status = FAILED) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export const usage = (/** @type {string} */ code, /** @type {string} */ message) =>
  new CliError(code, `${message}\nTry: peer-cdn --help`, WRONG_USAGE);

/**
 * What a flag's text says. Undefined of a flag that is not given.
 * @param {string} flag
 * @param {string | undefined} text
 * @param {import('./numbers.js').Bounds} bounds
 */
export function numberOf(flag, text, bounds) {
  if (text === undefined) return undefined;
  const number = numberIn(bounds, text);
  if (Number.isNaN(number)) throw usage('bad-value', `--${flag} takes ${formOf(bounds)}, not '${text}'`);
  return number;
}

/**
 * An error of Node's, with the members that some of them have.
 * @typedef {NodeJS.ErrnoException & { address?: string, port?: number, hostname?: string, flag?: string }} NodeError
 *   `flag`: the one that named the port, if it is another than --port
 */

const ofHost = '--host takes an address of this machine';

/** Node's errors, in the words of somebody who typed a command. @param {NodeError} error */
export function explain(error) {
  if (error instanceof CliError) return error;
  const { flag = 'port' } = error;
  const where = error.path ?? error.address ?? '';
  switch (error.code) {
    case 'ENOENT':
      if (error.syscall === 'mkdir') return new CliError('not-writable', `${where} cannot be made`);
      return new CliError('not-found', `there is no ${where}`);
    case 'ENOTDIR':
    case 'EEXIST':
      return new CliError('not-a-folder', `${where} is not a folder`);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return error.syscall === 'listen'
        ? new CliError('port-refused', `not allowed to listen on port ${error.port}: give one from 1024 on by --${flag}`)
        : new CliError('not-readable', `not allowed to read or write ${where}`);
    case 'ENOSPC':
      return new CliError('disk-full', `there is no room for ${where}`);
    case 'EISDIR':
      return new CliError('is-a-folder', `${where || 'the output'} is a folder`);
    case 'ENAMETOOLONG':
      return new CliError('name-too-long', `${where || 'the output'} is too long for a name of a file`);
    case 'EIO':
      return new CliError('not-readable', `cannot read ${where}`);
    case 'EADDRINUSE':
      return new CliError('port-in-use', `port ${error.port} is in use: give another by --${flag}`);
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      if (error.syscall !== 'listen' && error.syscall !== 'getaddrinfo') break;
      return new CliError('bad-value', `cannot listen on ${error.address ?? error.hostname}: ${ofHost}`, WRONG_USAGE);
    case 'redis-missing':
      return new CliError(error.code, error.message);
    case 'bad-option':
      return usage('bad-value', error.message);
    case 'bad-token-keys':
      return usage('bad-value', `--token-key: ${error.message}`);
    case 'bad-redis-url':
      return usage('bad-value', `--${error.message}`);
  }
  if (error instanceof RangeError) return usage('bad-value', error.message);
  return new CliError('failed', error.stack ?? String(error));
}
