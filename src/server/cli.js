#!/usr/bin/env node
// The command `peer-cdn`: the manifest of a folder, or the folder as a site.
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MANIFEST_PATH } from '../../build/border.js';
import { packageFolder } from './files.js';
import * as limits from './limits.js';
import { makeManifest, writeManifest } from './manifest.js';

const help = `peer-cdn: visitors of a site hand each other its heavy files

  peer-cdn manifest <folder> [-o file]   write the manifest, and digest lists beside it
  peer-cdn serve <folder> [--port N]     serve the folder with all that peer-cdn needs

Both
  --include <glob>      list these files too (scripts, styles, documents); may be repeated
  --exclude <glob>      do not list these; may be repeated
  --piece-bytes <n>     size of a piece, a power of two from ${limits.pieceBytesMin} to ${limits.pieceBytesMax}
manifest
  -o, --output <file>   default: <folder>${MANIFEST_PATH}
  --base <path>         where the folder will be served; default /
serve
  --port <n>            default 8080; 0 for any that is free
  --host <address>      default 127.0.0.1; 0.0.0.0 to be reached from elsewhere
  --origin <origin>     sites that may use the coordinator; default: this one; may be repeated
  --trust-proxy         believe X-Forwarded-Host

  --help, --version
`;

const many = /** @type {const} */ ({ type: 'string', multiple: true });
const one = /** @type {const} */ ({ type: 'string' });
const flag = /** @type {const} */ ({ type: 'boolean' });
const both = {
  include: many,
  exclude: many,
  'piece-bytes': one,
  help: { ...flag, short: 'h' },
  version: { ...flag, short: 'v' },
};
const commands = {
  manifest: { run: runManifest, options: { ...both, output: { ...one, short: 'o' }, base: one } },
  serve: { run: runServe, options: { ...both, port: one, host: one, origin: many, 'trust-proxy': flag } },
};

/**
 * The options of a command line. Each command takes some of them.
 * @typedef {object} Values
 * @property {string[]} [include]
 * @property {string[]} [exclude]
 * @property {string} [piece-bytes]
 * @property {string} [output]
 * @property {string} [base]
 * @property {string} [port]
 * @property {string} [host]
 * @property {string[]} [origin]
 * @property {boolean} [trust-proxy]
 * @property {boolean} [help]
 * @property {boolean} [version]
 */

/** An error of the user's, with the code that stands before its text. */
class CliError extends Error {
  /** @param {string} code @param {string} message @param {number} [status] of the process */
  constructor(code, message, status = 1) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const usage = (/** @type {string} */ code, /** @type {string} */ message) =>
  new CliError(code, `${message}\nTry: peer-cdn --help`, 2);

/** @param {string} name @param {string | undefined} text @param {number} max */
function wholeNumber(name, text, max) {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > max) throw usage('bad-value', `--${name} takes a whole number up to ${max}, not '${text}'`);
  return number;
}

/**
 * What is told on a stream while a folder is read. Hashing a large one takes a while: that is said in place on a terminal, in
 * a line for each large file elsewhere. Each file that is not listed gets a line.
 * @param {NodeJS.WriteStream} stream
 */
function tellOn(stream) {
  let toldAt = performance.now();
  let isTold = false;
  /** @param {import('./manifest.js').ManifestProgress} progress */
  const onProgress = ({ path, bytes, totalBytes }) => {
    const now = performance.now();
    if (now - toldAt < (stream.isTTY ? 100 : 2000)) return;
    toldAt = now;
    const line = `digesting ${path} ${Math.floor((100 * bytes) / totalBytes)} %`;
    stream.write(stream.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
    isTold = true;
  };
  const end = () => {
    if (isTold && stream.isTTY) stream.write('\r\x1b[K');
    isTold = false;
  };
  /** @param {import('./warnings.js').ManifestWarning} warning */
  const onWarning = ({ code, message }) => {
    end();
    stream.write(`peer-cdn: ${code}: ${message}\n`);
  };
  return { onProgress, onWarning, end };
}

/** @param {Values} values @param {ReturnType<typeof tellOn>} told */
function commonOptions(values, { onProgress, onWarning }) {
  return {
    include: values.include ?? [],
    exclude: values.exclude ?? [],
    pieceBytes: wholeNumber('piece-bytes', values['piece-bytes'], limits.pieceBytesMax),
    onProgress,
    onWarning,
  };
}

/** @param {string} folder @param {Values} values */
async function runManifest(folder, values) {
  const told = tellOn(process.stderr);
  const options = { ...commonOptions(values, told), base: values.base };
  const output = values.output ?? join(folder, MANIFEST_PATH);
  const made = await makeManifest(folder, options).finally(told.end);
  await writeManifest(output, made);
  const resources = Object.values(made.manifest.resources);
  const bytes = resources.reduce((sum, resource) => sum + resource.bytes, 0);
  process.stdout.write(`${output}: ${resources.length} files, ${bytes} bytes\n`);
}

/** @param {string} folder @param {Values} values */
async function runServe(folder, values) {
  const told = tellOn(process.stderr);
  const port = wholeNumber('port', values.port, 65535);
  // The coordinator's wasm is compiled only by the command that needs it.
  const { serve } = await import('./serve.js');
  const served = await serve(folder, {
    ...commonOptions(values, told),
    port,
    host: values.host,
    origins: values.origin,
    trustProxy: values['trust-proxy'],
    onError: (error) => process.stderr.write(`peer-cdn: engine-failed: the coordinator is closed: ${error.message}\n`),
  }).finally(told.end);
  process.stdout.write(`peer-cdn serving ${folder} at ${served.url}\n`);
  const stop = () => served.close().then(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

/**
 * An error of Node's, with the members that some of them have.
 * @typedef {NodeJS.ErrnoException & { address?: string, port?: number, hostname?: string, input?: string }} NodeError
 */

/** Node's errors, in the words of somebody who typed a command. @param {NodeError} error */
function explain(error) {
  if (error instanceof CliError) return error;
  const where = error.path ?? error.address ?? '';
  switch (error.code) {
    case 'ENOENT':
      return new CliError('not-found', `there is no ${where}`);
    case 'ENOTDIR':
      return new CliError('not-a-folder', `${where} is not a folder`);
    case 'EACCES':
    case 'EPERM':
      return error.syscall === 'listen'
        ? new CliError('port-refused', `not allowed to listen on port ${error.port}`)
        : new CliError('not-readable', `not allowed to read or write ${where}`);
    case 'EISDIR':
      return new CliError('is-a-folder', `${where || 'the output'} is a folder`);
    case 'EIO':
      return new CliError('not-readable', `cannot read ${where}`);
    case 'EADDRINUSE':
      return new CliError('port-in-use', `port ${error.port} is in use: try --port 0`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CliError('bad-value', `cannot listen on ${error.address ?? error.hostname}`, 2);
    case 'ERR_INVALID_URL':
      return usage('bad-value', `not an origin: ${error.input}`);
    default:
      if (error instanceof RangeError) return usage('bad-value', error.message);
      return new CliError('failed', error.stack ?? String(error));
  }
}

/** @param {string[]} args */
async function main(args) {
  const name = args.find((arg) => !arg.startsWith('-'));
  if (!name) {
    const { values } = parse(args, { help: both.help, version: both.version });
    return values.version ? printVersion() : printHelp(values.help === true);
  }
  if (!Object.hasOwn(commands, name)) throw usage('unknown-command', `there is no command '${name}'`);
  const command = commands[/** @type {keyof typeof commands} */ (name)];
  const { values, positionals } = parse(args, command.options);
  if (values.help) return printHelp(true);
  if (values.version) return printVersion();
  if (positionals.length !== 2) throw usage('bad-arguments', `peer-cdn ${name} takes one folder`);
  const folder = positionals[1];
  const stats = await stat(folder);
  if (!stats.isDirectory()) throw new CliError('not-a-folder', `${folder} is not a folder`);
  return command.run(folder, values);
}

/**
 * @param {string[]} args
 * @param {import('node:util').ParseArgsConfig['options']} options
 * @returns {{ values: Values, positionals: string[] }}
 */
function parse(args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    throw usage(code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? 'unknown-option' : 'bad-arguments', message.split('. To specify')[0]);
  }
}

/** @param {boolean} isAsked */
function printHelp(isAsked) {
  if (!isAsked) throw new CliError('bad-arguments', `a command is missing\n\n${help}`, 2);
  process.stdout.write(help);
}

function printVersion() {
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  process.stdout.write(`${version}\n`);
}

main(process.argv.slice(2)).catch((error) => {
  const { code, message, status } = explain(error);
  process.stderr.write(`peer-cdn: ${code}: ${message}\n`);
  process.exitCode = status;
});
