// What an operator may set of a server: by a flag, else by the environment, else by a file. One table is for all three.
import { readFileSync, statSync } from 'node:fs';
import { usage } from './cli-errors.js';
import * as limits from './limits.js';
import { logForms } from './log.js';
import { meant } from './names.js';
import { formOf, isWithin, numberIn, numbers } from './numbers.js';

/**
 * @typedef {object} Setting
 * @property {'text' | 'number' | 'list' | 'flag'} kind
 * @property {string} flag
 * @property {import('./numbers.js').Bounds} [bounds] of a number
 * @property {readonly string[]} [forms] what a text may be, where it is one of few
 * @property {string} [bare] what the flag alone says; otherwise it needs a value
 * @property {true} [lone] only of a coordinator alone
 */

/**
 * By the name that it has in a file and in the options of attach() and serveCoordinator(). The environment's name is made of it:
 * `maxLifetime` is PEER_CDN_MAX_LIFETIME.
 * @satisfies {Record<string, Setting>}
 */
export const settings = {
  port: { kind: 'number', flag: 'port', bounds: numbers.port },
  host: { kind: 'text', flag: 'host' },
  metricsPort: { kind: 'number', flag: 'metrics-port', bounds: numbers.metricsPort, lone: true },
  origins: { kind: 'list', flag: 'origin' },
  trustProxy: { kind: 'number', flag: 'trust-proxy', bounds: numbers.trustProxy, bare: '1' },
  proxyProtocol: { kind: 'flag', flag: 'proxy-protocol' },
  proxies: { kind: 'list', flag: 'proxy' },
  socketsPerAddress: { kind: 'number', flag: 'sockets-per-address', bounds: numbers.socketsPerAddress },
  maxLifetime: { kind: 'number', flag: 'max-lifetime', bounds: numbers.maxLifetime },
  tokenKeys: { kind: 'list', flag: 'token-key' },
  redis: { kind: 'text', flag: 'redis' },
  log: { kind: 'text', flag: 'log', forms: logForms },
};

/** @typedef {import('./standalone.js').StandaloneOptions & { log?: string }} Options */
/** @typedef {keyof typeof settings} Name */

/** @type {[Name, Setting][]} */
const table = /** @type {any} */ (Object.entries(settings));

/** The settings of a command. @param {boolean} isLone whether it is a coordinator alone */
const settingsFor = (isLone) => table.filter(([, { lone }]) => isLone || !lone);

/** As parseArgs() takes them. @param {boolean} isLone */
export function flagsFor(isLone) {
  const options = settingsFor(isLone).map(([, { kind, flag }]) => [
    flag,
    { type: kind === 'flag' ? 'boolean' : 'string', multiple: kind === 'list' },
  ]);
  return { ...Object.fromEntries(options), config: { type: /** @type {const} */ ('string') } };
}

/** Flags that need no value get the one that they stand for. @param {string[]} args */
export const withBareFlags = (args) =>
  args.map((arg, i) => {
    const bare = table.find(([, { flag, bare }]) => bare && arg === `--${flag}`)?.[1].bare;
    const next = args[i + 1] ?? '';
    if (bare && /^\d{1,2}$/.test(next)) throw usage('bad-arguments', `${arg} takes its number without a space: ${arg}=${next}`);
    return bare === undefined ? arg : `${arg}=${bare}`;
  });

const prefix = 'PEER_CDN_';
const variableOf = (/** @type {string} */ name) => prefix + name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
const CONFIG = 'PEER_CDN_CONFIG';

/**
 * A text, of a flag or of the environment, as the value that it means.
 * @param {Setting} setting
 * @param {string} text
 * @param {string} where it stands
 */
function meaningOf({ kind, bounds, forms }, text, where) {
  if (forms && !forms.includes(text)) throw wrong(where, forms.join(' or '), text);
  if (bounds) {
    const number = numberIn(bounds, text);
    if (Number.isNaN(number)) throw wrong(where, formOf(bounds), text);
    return number;
  }
  if (kind === 'flag') {
    if (!/^(true|false|1|0)$/.test(text)) throw wrong(where, 'true or false', text);
    return text === 'true' || text === '1';
  }
  if (text === '') throw wrong(where, 'a text', text);
  return kind === 'list' ? text.split(/[\s,]+/).filter(Boolean) : text;
}

/** @param {string} where @param {string} what @param {unknown} given */
const wrong = (where, what, given) =>
  usage('bad-value', `${where} takes ${what}, not ${typeof given === 'string' ? `'${given}'` : JSON.stringify(given)}`);

/** What the environment says. @param {NodeJS.ProcessEnv} environment @param {[Name, Setting][]} known */
function fromEnvironment(environment, known) {
  /** @type {Record<string, unknown>} */
  const found = {};
  for (const [variable, text = ''] of Object.entries(environment)) {
    // Kubernetes makes others of every service, and one may be named peer-cdn, or peer-cdn-redis.
    const isOfKubernetes = /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_/.test(variable) || /^(tcp|udp|sctp):\/\//.test(text);
    if (!variable.startsWith(prefix) || variable === CONFIG || isOfKubernetes) continue;
    // An empty one is none. But whoever names keys wants tokens: without them anybody could come.
    if (!text && variable !== variableOf('tokenKeys')) continue;
    const entry = table.find(([name]) => variableOf(name) === variable);
    if (!entry) {
      const variables = [...known.map(([name]) => variableOf(name)), CONFIG];
      throw usage('unknown-option', `there is no setting ${variable}: ${meant(variable, variables)}`);
    }
    // What is of the other command only is not of this one.
    if (known.includes(entry)) found[entry[0]] = meaningOf(entry[1], text, variable);
  }
  return found;
}

/** Whether a file's value is of a setting's kind. @type {Record<Setting['kind'], (value: any, setting: Setting) => boolean>} */
const isOfKind = {
  text: (value) => typeof value === 'string' && value !== '',
  number: (value, { bounds }) => bounds !== undefined && isWithin(bounds, value),
  flag: (value) => typeof value === 'boolean',
  list: (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
};
const kindName = (/** @type {Setting} */ { kind, bounds, forms }) =>
  forms?.join(' or ') ??
  (bounds && formOf(bounds)) ??
  { text: 'a text', number: 'a number', flag: 'true or false', list: 'a list of texts' }[kind];

/** What a file says, as it stands there. @param {string} file @returns {Record<string, unknown>} */
function objectIn(file) {
  const about = statSync(file);
  if (about.isDirectory()) throw usage('bad-value', `${file} is a folder, not a configuration`);
  // A device may never end. A shell's <(command) is a pipe.
  if (!about.isFile() && !about.isFIFO()) throw usage('bad-value', `${file} is a socket or a device, not a configuration`);
  if (about.size > limits.configBytes) {
    throw usage('bad-value', `${file} is no configuration: it has more than ${limits.configBytes} bytes`);
  }
  // Editors of Windows begin a file with a mark.
  const text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  let said;
  try {
    said = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // V8 repeats what stands there, which may be a key.
    const place = /position \d+/.exec(error.message)?.[0];
    throw usage('bad-value', `${file} is not JSON${place ? `, at ${place}` : ''}`);
  }
  // The last of two would hold, as if nobody had said the other one. A text in front of a colon is a key.
  const texts = [...text.matchAll(/("(?:[^"\\]|\\.)*")\s*(:?)/g)];
  const keys = texts.filter(([, , colon]) => colon).map(([, key]) => key);
  const twice = keys.find((key, at) => keys.indexOf(key) < at);
  if (twice) throw usage('bad-value', `${twice} stands twice in ${file}`);
  if (typeof said !== 'object' || said === null || Array.isArray(said)) {
    throw usage('bad-value', `${file} must have one object, as {"port": 8081, "origins": ["https://example.org"]}`);
  }
  return said;
}

/** @param {Record<string, unknown>} said @param {string} file @param {[Name, Setting][]} known */
function checkFile(said, file, known) {
  for (const [name, value] of Object.entries(said)) {
    const setting = known.find(([each]) => each === name)?.[1];
    if (!setting) {
      const names = known.map(([each]) => each);
      throw usage('unknown-option', `there is no setting '${name}' in ${file}: ${meant(name, names)}`);
    }
    if (!isOfKind[setting.kind](value, setting) || !(setting.forms?.includes(String(value)) ?? true)) {
      // Not the value itself: it may be a password.
      throw usage('bad-value', `${name} in ${file} takes ${kindName(setting)}`);
    }
  }
}

/**
 * The form of the log that a command line or the environment asks for, though what else they say may be wrong: then that is told
 * in this form.
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} environment
 */
export function logFormOf(args, environment) {
  const flag = `--${settings.log.flag}`;
  const at = args.findLastIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
  if (at < 0) return environment[variableOf('log')] || undefined;
  return args[at] === flag ? args[at + 1] : args[at].slice(flag.length + 1);
}

/**
 * The options that were set: by the flags, else by the environment, else by the file of --config or PEER_CDN_CONFIG.
 * @param {Record<string, unknown>} flags as parseArgs() gives them
 * @param {boolean} isLone whether the command is a coordinator alone
 * @param {NodeJS.ProcessEnv} [environment]
 * @param {(form: unknown) => void} [hearLogForm] hears which form of the log the file asks for, before a wrong setting throws
 * @returns {Options}
 */
export function readSettings(flags, isLone, environment = process.env, hearLogForm = () => {}) {
  const known = settingsFor(isLone);
  const file = /** @type {string | undefined} */ (flags.config) ?? environment[CONFIG];
  // A variable of the shell that is not set: the file's settings would be missing without a word.
  if (flags.config === '') throw wrong('--config', 'a file', '');
  const inFile = file ? objectIn(file) : {};
  hearLogForm(inFile.log);
  const said = known
    .filter(([, { flag }]) => flags[flag] !== undefined)
    .map(([name, setting]) => {
      const value = flags[setting.flag];
      return [name, typeof value === 'string' ? meaningOf(setting, value, `--${setting.flag}`) : value];
    });
  if (file) checkFile(inFile, file, known);
  return { ...inFile, ...fromEnvironment(environment, known), ...Object.fromEntries(said) };
}
