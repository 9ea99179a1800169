#!/usr/bin/env node
// The command `peer-cdn`.
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MANIFEST_PATH, SOCKET_PATH } from '../../build/border.js';
import { CliError, explain, FAILED, numberOf, usage, WRONG_USAGE } from './cli-errors.js';
import { packageFolder } from './files.js';
import * as limits from './limits.js';
import { logOf } from './log.js';
import { meant } from './names.js';
import { numbers } from './numbers.js';
import { flagsFor, logFormOf, readSettings, withBareFlags } from './settings.js';

const help = `peer-cdn: visitors of a site hand each other its heavy files

  peer-cdn manifest <folder> [-o file]   write the manifest, and digest lists beside it
  peer-cdn serve <folder> [--port N]     serve the folder with all that peer-cdn needs
  peer-cdn coordinator [--port N]        serve the coordinator alone, at ${SOCKET_PATH}
  peer-cdn load <url>                    open many sockets at a coordinator, and say what it bears
  peer-cdn doctor <url>                  look at a site from outside, and say what is wrong

manifest and serve
  --include <glob>      list these files too (scripts, styles, documents); may be repeated
  --exclude <glob>      do not list these; may be repeated
  --any-query <glob>    these are the same whatever the query (?v=2); may be repeated
  --header <header>     a response header, as 'cache-control: max-age=600', or for some files
                        only, as '*.glb cache-control: max-age=600'; may be repeated
  --piece-bytes <n>     size of a piece, a power of two from ${limits.pieceBytesMin} to ${limits.pieceBytesMax}
manifest
  -o, --output <file>   default: <folder>${MANIFEST_PATH}
  --base <path>         where the folder will be served, a path or a URL; default /
  --check               write nothing: compare the folder with its manifest, by the same options;
                        or, with the URL of a site for the folder, all its files with its manifest
  --watch               go on, and write again when the folder changes
serve and coordinator: each also by the environment, as PEER_CDN_MAX_LIFETIME, or in a file, as maxLifetime
  --config <file>       a file of settings, JSON. What a flag or the environment says goes before it
  --port <n>            default 8080, for coordinator 8081; 0 for any that is free
  --host <address>      default 127.0.0.1; 0.0.0.0 to be reached from elsewhere
  --origin <origin>     sites that may use the coordinator; serve: this one by default; may be repeated
                        (PEER_CDN_ORIGINS, origins)
  --trust-proxy[=n]     one proxy in front, or n, say by X-Forwarded-For and X-Forwarded-Host who
                        came where
  --proxy-protocol      a balancer in front says whose each connection is (PROXY protocol, 1 or 2)
  --proxy <address>     who may say so, as 192.0.2.1 or 192.0.2.0/24; may be repeated; default:
                        this machine and private networks (PEER_CDN_PROXIES, proxies)
  --sockets-per-address <n>  sockets of one address; default 500
  --max-lifetime <s>    seconds after which a socket is closed, so that visitors spread anew
  --token-key <key>     only pages with a token of one of these keys; may be repeated
                        (PEER_CDN_TOKEN_KEYS, tokenKeys, which show it to nobody who lists processes)
  --log <form>          plain, or json: one object a line on standard error, without addresses
  --redis <url>         processes on one Redis act as one; needs the package redis
                        (PEER_CDN_REDIS does not show a password to who lists processes)
coordinator
  --metrics-port <n>    /metrics is answered at this port only, and health there too
serve
  --quiet               no line for each request
load
  --sockets <n>         default 100
  --asks <n>            introductions asked for a second, of all sockets; default a fifth of the sockets
  --seconds <n>         default 10
  --origin <origin>     of the pages that the sockets pretend to be; default: the URL's own
  --metrics <url>       the coordinator's /metrics: introductions for a second of its processor
doctor
  --worker <path>       the service worker's script; default: what the page names, else /sw.js
  --ice <url>           an ICE server to try (stun:host:port); may be repeated
  --timeout <seconds>   for all of it; default ${limits.doctorMs / 1000}

  --json                one object a line on standard output, also of an error (not serve)
  --help, --version

Exit codes: 0 done, also when some files were left out; 1 nothing was written, or something is wrong; 2 wrong usage
`;

const many = /** @type {const} */ ({ type: 'string', multiple: true });
const one = /** @type {const} */ ({ type: 'string' });
const flag = /** @type {const} */ ({ type: 'boolean' });
const all = { help: { ...flag, short: 'h' }, version: { ...flag, short: 'v' } };
const json = flag;
const listing = { include: many, exclude: many, 'any-query': many, header: many, 'piece-bytes': one };
const commands = {
  manifest: {
    takes: 'one folder',
    run: runManifestCommand,
    options: { ...all, ...listing, json, output: { ...one, short: 'o' }, base: one, watch: flag, check: flag },
  },
  serve: { takes: 'one folder', run: runServeCommand, options: { ...all, ...listing, ...flagsFor(false), quiet: flag } },
  coordinator: { takes: '', run: runCoordinatorCommand, options: { ...all, ...flagsFor(true), json } },
  load: {
    takes: 'one URL',
    run: runLoadCommand,
    options: { ...all, json, sockets: one, asks: one, seconds: one, origin: one, metrics: one },
  },
  doctor: { takes: 'one URL', run: runDoctorCommand, options: { ...all, json, worker: one, ice: many, timeout: one } },
};

/**
 * The options of a command line. Each command takes some of them; settings.js has those of a server.
 * @typedef {object} Values
 * @property {string[]} [include]
 * @property {string[]} [exclude]
 * @property {string[]} [any-query]
 * @property {string[]} [header]
 * @property {string} [piece-bytes]
 * @property {string} [output]
 * @property {string} [base]
 * @property {boolean} [watch]
 * @property {boolean} [check]
 * @property {boolean} [quiet]
 * @property {string} [sockets]
 * @property {string} [asks]
 * @property {string} [seconds]
 * @property {string} [origin]
 * @property {string} [metrics]
 * @property {string} [worker]
 * @property {string[]} [ice]
 * @property {string} [timeout]
 * @property {boolean} [json]
 * @property {boolean} [help]
 * @property {boolean} [version]
 */

/**
 * What is told on a stream while a folder is read. Hashing a large one takes a while: that is said in place on a terminal, in
 * a line for each large file elsewhere. Each file that is not listed gets a line.
 * @param {NodeJS.WriteStream} stream
 */
function tellOn(stream) {
  let toldAt = 0;
  let isTold = false;
  /** @param {import('./manifest.js').ManifestProgress} progress */
  const onProgress = ({ path, bytes, totalBytes }) => {
    const now = performance.now();
    toldAt ||= now;
    if (now - toldAt < (stream.isTTY ? 100 : 2000)) return;
    toldAt = now;
    const line = `digesting ${path} ${Math.floor((100 * bytes) / totalBytes)} %`;
    stream.write(stream.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
    isTold = true;
  };
  const clear = () => {
    if (isTold && stream.isTTY) stream.write('\r\x1b[K');
    isTold = false;
  };
  // A folder that is watched is read again: how long that takes counts from then on.
  const end = () => {
    clear();
    toldAt = 0;
  };
  /** @param {import('./warnings.js').ManifestWarning} warning */
  const onWarning = ({ code, message }) => {
    clear();
    stream.write(`peer-cdn: ${code}: ${message}\n`);
  };
  return { onProgress, onWarning, end };
}

/** On standard output: a text for people, or an object for machines. @param {Values} values */
const printerOf = (values) => (/** @type {string} */ text, /** @type {object} */ object) =>
  void process.stdout.write(values.json ? `${JSON.stringify(object)}\n` : text);

/** Of `[<glob> ]<name>: <value>`, by glob. @param {string[]} texts */
function headersOf(texts) {
  /** @type {Record<string, Record<string, string>>} */
  const headers = {};
  for (const text of texts) {
    const found = text.match(/^(?:(.*?\S)\s+)??([^\s:]+):\s*(.*?)\s*$/);
    if (!found) throw usage('bad-value', `--header takes 'name: value' or '<glob> name: value', not '${text}'`);
    const [, glob = '*', name, value] = found;
    headers[glob] = { ...headers[glob], [name]: value };
  }
  return headers;
}

/** @param {Values} values */
const listingOptions = (values) => ({
  include: values.include,
  exclude: values.exclude,
  anyQuery: values['any-query'],
  headers: values.header && headersOf(values.header),
  pieceBytes: numberOf('piece-bytes', values['piece-bytes'], numbers.pieceBytes),
});

/** Ends when the process is told to. */
function untilStopped() {
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopped.abort());
  return stopped.signal;
}

/** @param {string} folder */
async function checkFolderIsThere(folder) {
  if (!(await stat(folder)).isDirectory()) throw new CliError('not-a-folder', `${folder} is not a folder`);
}

/** @param {string} folder @param {Values} values */
async function runManifestCommand(folder, values) {
  const { checkManifestCommand, runManifest } = await import('./cli-manifest.js');
  checkManifestCommand(values);
  if (values.check && /^https?:\/\//i.test(folder)) return (await import('./cli-doctor.js')).checkSite(folder, printerOf(values));
  if (/^https?:\/\//i.test(folder)) throw usage('bad-arguments', 'a live site is only compared: add --check');
  const options = listingOptions(values);
  await checkFolderIsThere(folder);
  const told = tellOn(process.stderr);
  /** @type {import('./warnings.js').ManifestWarning[]} */
  const warnings = [];
  const onWarning = (/** @type {import('./warnings.js').ManifestWarning} */ warning) =>
    values.json ? void warnings.push(warning) : told.onWarning(warning);
  const onProgress = (/** @type {import('./manifest.js').ManifestProgress} */ progress) =>
    values.json || told.onProgress(progress);
  const print = (/** @type {string} */ text, /** @type {object} */ object) => {
    told.end();
    printerOf(values)(text, { ...object, warnings: warnings.splice(0) });
  };
  const printRest = () => void (warnings.length > 0 && printerOf(values)('', { warnings: warnings.splice(0) }));
  const signal = values.watch ? untilStopped() : undefined;
  return runManifest(folder, values, { ...options, onProgress, onWarning }, { print, printRest, signal }).finally(told.end);
}

/** The log that is asked for: whatever is told from here on goes there. @type {import('./log.js').Log | undefined} */
let log;

/** @param {unknown} form */
function chooseLog(form) {
  log = form === 'json' ? logOf(form) : undefined;
  if (!log) return;
  // Node writes these as text, and what an operator has loaded beside us may listen too.
  const ofNode = process.listeners('warning').filter(({ name }) => name === 'onWarning');
  for (const listener of [...ofNode, tellWarning]) process.off('warning', listener);
  process.on('warning', tellWarning);
  process.off('uncaughtException', endByError).on('uncaughtException', endByError);
}

/** @param {NodeJS.ErrnoException} warning of Node's own, or of a package */
function tellWarning({ name, code = name, message }) {
  log?.('warn', { code, message });
}

/** @param {unknown} error that nobody caught */
function endByError(error) {
  const { code, message, status } = explain(/** @type {Error} */ (error));
  log?.('error', { code, message });
  process.exit(status);
}

/** @param {Values} values @param {boolean} isLone */
function listeningOptions(values, isLone) {
  const asked = logFormOf(args, process.env);
  const { log: form, ...options } = readSettings({ ...values }, isLone, process.env, (inFile) => chooseLog(asked ?? inFile));
  const tell = log ?? logOf(form);
  const onError = (/** @type {Error} */ { message }) =>
    tell('error', { code: 'engine-failed', message: `the coordinator is closed: ${message}` });
  return { tell, options: { ...options, onError } };
}

/** @param {{ close: () => Promise<void> }} served */
function closeWhenStopped(served) {
  untilStopped().addEventListener('abort', () => void served.close().then(() => process.exit(0)));
}

/** @param {string} folder @param {Values} values */
async function runServeCommand(folder, values) {
  const listening = listeningOptions(values, false);
  const options = { ...listingOptions(values), ...listening.options };
  await checkFolderIsThere(folder);
  const told = tellOn(process.stderr);
  const onProgress = log ? undefined : told.onProgress;
  const onWarning = log ? (/** @type {import('./log.js').Event} */ warning) => log?.('warn', warning) : told.onWarning;
  /** @type {import('./handler.js').HandlerExtras['onResponse']} */
  const onResponse = ({ method, path, status, bytes, request }) => {
    const { range } = request.headers;
    if (log) return log('info', { code: 'answered', message: `${method} ${status}`, method, path, status, bytes, range });
    process.stdout.write(`${method} ${path} ${status} ${bytes} bytes${range ? ` (${range})` : ''}\n`);
  };
  // The coordinator's wasm is compiled only by the command that needs it.
  const { serve } = await import('./serve.js');
  const heard = { onProgress, onWarning, onResponse: values.quiet ? undefined : onResponse };
  const served = await serve(folder, { ...options, ...heard }).finally(told.end);
  const message = `peer-cdn serving ${folder} at ${served.url}`;
  if (log) log('info', { code: 'listening', message, url: served.url });
  else process.stdout.write(`${message}\n`);
  closeWhenStopped(served);
  return 0;
}

/** @param {string} _ @param {Values} values */
async function runCoordinatorCommand(_, values) {
  const { tell, options: said } = listeningOptions(values, true);
  const options = {
    ...said,
    onWarning: (/** @type {import('./log.js').Event} */ warning) => tell('warn', warning),
    // Nothing is left to serve. A supervisor starts another one.
    onError: (/** @type {Error} */ error) => {
      said.onError(error);
      void served.close().then(() => process.exit(FAILED));
    },
  };
  if (!options.origins)
    throw usage('bad-arguments', 'peer-cdn coordinator takes the sites that may use it: --origin https://example.org');
  const { serveCoordinator } = await import('./standalone.js');
  const served = await serveCoordinator(options).catch((error) => {
    throw Object.assign(error, error.port === options.metricsPort && { flag: 'metrics-port' });
  });
  const host = options.host?.includes(':') ? `[${options.host}]` : (options.host ?? '127.0.0.1');
  const socket = `ws://${host}:${served.port}${SOCKET_PATH}`;
  const { port } = served;
  const { origins } = options;
  const metricsPort = options.metricsPort === undefined ? undefined : served.metricsPort;
  tell('info', { code: 'listening', message: `peer-cdn coordinator at ${socket}`, port, metricsPort, origins });
  const hint = `In the page: start({ socket: 'wss://<this host as visitors reach it>${SOCKET_PATH}' })`;
  if (!log || values.json) printerOf(values)(`peer-cdn coordinator at ${socket}\n${hint}\n`, { socket, origins });
  const end = () => {
    tell('info', { code: 'ended', message: 'all sockets are closed' });
    process.exit(0);
  };
  process.once('SIGINT', () => void served.close().then(end));
  // Listened for, because the first process of a container hears nothing else. The statuses are those of a shell.
  process.once('SIGHUP', () => process.exit(128 + constants.signals.SIGHUP));
  // Of an operator's tools, which wait: visitors go elsewhere one after another. At a second signal the process ends at once.
  process.once('SIGTERM', () => {
    process.once('SIGTERM', () => process.exit(128 + constants.signals.SIGTERM));
    tell('info', { code: 'draining', message: 'visitors go elsewhere', sockets: served.coordinator.stats().peers });
    void served.drain().then(end);
  });
  return 0;
}

/** @param {string} url @param {Values} values */
async function runLoadCommand(url, values) {
  const { loadOptions, describeLoad } = await import('./cli-load.js');
  const options = loadOptions(url, values);
  const { measureLoad } = await import('./load.js');
  const result = await measureLoad({ ...options, signal: untilStopped() });
  printerOf(values)(describeLoad(result), result);
  return Object.keys(result.failures).length > 0 ? FAILED : 0;
}

/** @param {string} url @param {Values} values */
async function runDoctorCommand(url, values) {
  const timeout = numberOf('timeout', values.timeout, numbers.timeout);
  const { runDoctor } = await import('./cli-doctor.js');
  const timeoutMs = timeout === undefined ? undefined : timeout * 1000;
  return runDoctor(url, { worker: values.worker, ice: values.ice, timeoutMs }, printerOf(values));
}

/** @param {string[]} args @returns {Promise<number>} the status of the process */
async function main(args) {
  const name = args.find((arg) => !arg.startsWith('-'));
  const command = name && Object.hasOwn(commands, name) ? commands[/** @type {keyof typeof commands} */ (name)] : undefined;
  // Other commands do not read the environment.
  chooseLog(logFormOf(args, command && 'log' in command.options ? process.env : {}));
  if (!name) {
    const { values } = parse(args, { ...all, json });
    return values.version ? printVersion() : printHelp(values.help === true);
  }
  if (!command) {
    // `--port 8081 serve site`: the value of an option stands where the command should.
    const later = args.find((arg) => Object.hasOwn(commands, arg));
    const help = later ? `the command goes first, as peer-cdn ${later} ...` : meant(name, Object.keys(commands));
    throw usage('unknown-command', `there is no command '${name}': ${help}`);
  }
  const { options, run, takes } = command;
  const { values, positionals } = parse(args, options);
  if (values.help) return printHelp(true);
  if (values.version) return printVersion();
  // An empty one comes of a variable of the shell that is not set.
  const [, ...given] = positionals;
  if (given.length !== (takes ? 1 : 0) || given.includes('')) {
    const others = given.length > 0 ? `, not ${given.map((each) => `'${each}'`).join(' ')}` : '';
    throw usage('bad-arguments', `peer-cdn ${name} takes ${takes || 'options only'}${others}`);
  }
  return run(given[0], values);
}

/**
 * Of two values of an option that takes one, one would be as if nobody had said it.
 * @param {{ kind: string, name?: string }[]} tokens
 * @param {import('node:util').ParseArgsConfig['options']} options
 */
function checkOnce(tokens, options) {
  const names = tokens.flatMap(({ kind, name = '' }) => (kind === 'option' ? [name] : []));
  const twice = names.find((name, at) => {
    const { type, multiple } = options?.[name] ?? {};
    return type === 'string' && !multiple && names.indexOf(name) < at;
  });
  if (twice) throw usage('bad-arguments', `--${twice} is given twice`);
}

/**
 * @param {string[]} args
 * @param {import('node:util').ParseArgsConfig['options']} options
 * @returns {{ values: Values, positionals: string[] }}
 */
function parse(args, options) {
  try {
    const { tokens, ...parsed } = parseArgs({ args: withBareFlags(args), options, allowPositionals: true, tokens: true });
    checkOnce(tokens, options);
    return parsed;
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    const said = message.split('. To specify')[0];
    if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw usage('bad-arguments', said);
    const name = /'(-[^']*)'/.exec(said)?.[1] ?? '';
    throw usage(
      'unknown-option',
      `${said}: ${meant(
        name,
        Object.keys(options ?? {}).map((each) => `--${each}`),
      )}`,
    );
  }
}

/** @param {boolean} isAsked */
function printHelp(isAsked) {
  if (!isAsked) throw new CliError('bad-arguments', `a command is missing\n\n${help}`, WRONG_USAGE);
  process.stdout.write(help);
  return 0;
}

function printVersion() {
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  process.stdout.write(`${version}\n`);
  return 0;
}

// Whoever reads the output may have read enough (`| head -1`), or may have ended (a log's reader). The disk of a log may be full.
// Visitors are still served; a command that could not say all fails, unless its reader wanted no more.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
    if (error.code === 'EPIPE' || process.exitCode) return;
    process.exitCode = FAILED;
    const { code, message } = explain({ ...error, path: 'the output' });
    if (stream === process.stdout) process.stderr.write(`peer-cdn: ${code}: ${message}\n`);
  });
}

const args = process.argv.slice(2);
main(args).then(
  (status) => {
    process.exitCode ||= status;
  },
  (error) => {
    const { code, message, status } = explain(error);
    if (log) log('error', { code, message });
    else if (args.includes('--json')) process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
    else process.stderr.write(`peer-cdn: ${code}: ${message}\n`);
    process.exitCode = status;
  },
);
